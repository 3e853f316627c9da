//! What an app shows of a replica: pages, what waits for somebody, files that come, and that the automatic sync can be waited for.

use std::sync::Arc;
use std::time::Duration;

use lastmile_client::auto::Pace;
use lastmile_client::{AutoSync, ClientError, FileBudget, FileReport, Replica, SyncPhase};
use lastmile_model::roles::Role;
use lastmile_model::{ChangeHash, RecordId, Value};
use lastmile_relay::OfficeCommand;
use lastmile_store::StoreError;
use lastmile_store::query::Query;

use crate::field::{Field, add_activity, scope, set, settle};

fn activities(replica: &Replica) -> Query {
    let type_no = replica.catalogue().get("activity").unwrap().0;
    Query::new(type_no, &["title"]).order_by("title", false)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_every_record_once() {
    let field = Field::new().await;
    let one = field.enrol("one").await;
    let ids: Vec<RecordId> = (0..7).map(|no| add_activity(&one, &format!("清洁日{no}"), no)).collect();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = one.page(&activities(&one), after, 3).unwrap();
        seen.extend(page.rows.iter().map(|row| row.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids);
    assert_eq!(one.page(&activities(&one), None, 7).unwrap().next, None);
    let strange = one.page(&activities(&one), Some(RecordId::from_bytes([7; 16])), 3);
    assert!(matches!(strange, Err(ClientError::Store(StoreError::NoRecord { .. }))));
    let found = one.find("activity", "清洁日3", &["title"], 5).unwrap();
    assert_eq!(found.iter().map(|row| row.id).collect::<Vec<_>>(), [ids[3]]);
    let figures = one.storage_figures().unwrap();
    assert_eq!((figures.changes.applied, figures.files), (7, 0));
    assert!(figures.bytes > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unsent_returned_or_held_back_is_listed() {
    let field = Field::new().await;
    let office = field.enrol_as("office", &[Role::Secretary]).await;
    let worker = field.enrol_as("worker", &[Role::Worker]).await;
    let id = add_activity(&worker, "清洁日", 20);
    let mut draft = worker.draft(None);
    draft.event("activity", id, "submit", &[]).unwrap();
    draft.save().unwrap();
    let unsent = worker.unsent_commits(10).unwrap();
    assert_eq!(unsent.iter().map(|one| (one.seq, one.records.len())).collect::<Vec<_>>(), [(1, 1), (2, 1)]);
    assert_eq!(unsent[0].records[0], ("activity".to_owned(), id));
    assert_eq!(worker.unsent_commits(1).unwrap().len(), 1);
    settle(&worker).await;
    assert_eq!(worker.unsent_commits(10).unwrap(), []);
    settle(&office).await;
    let mut draft = office.draft(None);
    draft.event("activity", id, "return", &[("why", "日期不对")]).unwrap();
    draft.save().unwrap();
    settle(&office).await;
    assert_eq!(worker.returned(10).unwrap(), []);
    settle(&worker).await;
    assert_eq!(worker.returned(10).unwrap(), [("activity".to_owned(), id)]);
    assert_eq!(worker.held_back().unwrap(), []);
    set(&worker, id, "beneficiaries", 21);
    settle(&worker).await;
    let quarantine = OfficeCommand::Quarantine {
        scope: scope().to_string(),
        author: worker.author().to_string(),
        from: 3,
        to: None,
        reason: "存疑".to_owned(),
    };
    field.relay().office().run(quarantine).await.unwrap();
    settle(&worker).await;
    let held = worker.held_back().unwrap();
    assert_eq!(held.iter().map(|one| one.record).collect::<Vec<_>>(), [id]);
    assert_eq!((held[0].record_type.as_str(), held[0].reason.as_str()), ("activity", "存疑"));
    settle(&office).await;
    assert_eq!(office.held_back().unwrap(), [], "a colleague's work is not this device's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_settles_what_was_entered_differently() {
    let field = Field::new().await;
    let (one, two) = (field.enrol_as("one", &[Role::Secretary]).await, field.enrol_as("two", &[Role::Worker]).await);
    let id = add_activity(&one, "清洁日", 20);
    settle(&one).await;
    settle(&two).await;
    set(&one, id, "beneficiaries", 25);
    set(&two, id, "beneficiaries", 30);
    settle(&one).await;
    settle(&two).await;
    settle(&one).await;
    let open = one.undecided(10).unwrap();
    assert_eq!(open.iter().map(|one| one.id).collect::<Vec<_>>(), [id]);
    let conflict = open[0].conflicts.iter().find(|conflict| conflict.field == "beneficiaries").unwrap();
    // Each of them may be chosen, the one that shows meanwhile too.
    for side in &conflict.sides {
        let mut draft = one.draft(None);
        draft.settle("activity", id, "beneficiaries", &side.origin.hash).unwrap();
        drop(draft);
    }
    let shown = conflict.sides.iter().find(|side| side.value == conflict.shown).unwrap();
    let mut draft = one.draft(None);
    draft.settle("activity", id, "beneficiaries", &shown.origin.hash).unwrap();
    draft.save().unwrap();
    assert_eq!(one.undecided(10).unwrap(), []);
    settle(&one).await;
    settle(&two).await;
    assert_eq!(two.undecided(10).unwrap(), []);
    assert_eq!(two.record("activity", id).unwrap().values.get("beneficiaries"), shown.value.as_ref());
    let worker = two.draft(None).settle("activity", id, "beneficiaries", &shown.origin.hash);
    assert!(matches!(worker, Err(ClientError::NotPermitted { .. })), "the relay would hold it back");
    for side in [shown.origin.hash, ChangeHash([1; 32])] {
        let late = one.draft(None).settle("activity", id, "beneficiaries", &side);
        assert!(matches!(late, Err(ClientError::Invalid(_))), "what was on the screen is out of date");
    }
    assert_eq!(two.record("activity", id).unwrap().values.get("title"), Some(&Value::from("清洁日")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_asked_for_comes_by_pieces() {
    let field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    let id = add_activity(&one, "清洁日", 20);
    // A document with a comment of random digits, which is as long sent as it is here.
    let mut document = b"%PDF-1.4\n%".to_vec();
    document.extend((0..300_000u32).map(|no| b'0' + no.wrapping_mul(2_654_435_761).to_be_bytes()[0] % 10));
    document.extend(b"\n%%EOF\n");
    let attached = one.attach(None, ("activity", id), "协议.pdf", &document).unwrap();
    settle(&one).await;
    settle(&two).await;
    assert_eq!(two.fetch_file(&attached.hash, |_| {}).await.unwrap(), None, "the relay does not have it yet");
    while one.sync_files(&FileBudget::default()).await.unwrap().more {}
    let mut heard = Vec::new();
    let came = two.fetch_file(&attached.hash, |held| heard.push(held)).await.unwrap();
    assert_eq!(came, one.file(&attached.hash).unwrap());
    assert!(heard.len() > 2 && heard.is_sorted(), "{heard:?}");
    assert_eq!(heard.last(), Some(&attached.size));
    assert_eq!(two.fetch_file(&[9; 32], |_| {}).await.unwrap(), None, "no record names it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_automatic_sync_lets_go_of_the_replica() {
    let field = Field::new().await;
    let replica = Arc::new(field.enrol("one").await);
    let mut moves = replica.status_moves();
    let auto = AutoSync::start(Arc::clone(&replica), Pace::default());
    tokio::time::timeout(Duration::from_secs(20), async {
        while replica.status().unwrap().phase != SyncPhase::UpToDate {
            moves.changed().await.unwrap();
        }
    })
    .await
    .unwrap();
    moves.mark_unchanged();
    add_activity(&replica, "清洁日", 20);
    assert!(moves.has_changed().unwrap());
    auto.stop().await;
    Arc::try_unwrap(replica).expect("nothing else holds it").close().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_is_given_up_is_not_under_way() {
    let mut field = Field::new().await;
    let replica = field.enrol("one").await;
    let (report, files) = replica.step().await.unwrap();
    assert!(report.equal && report.rounds >= 1 && !files.more);
    let (report, files) = replica.step().await.unwrap();
    assert_eq!((report.rounds, files), (1, FileReport::default()), "with nothing to do it is one request");
    let address = field.relay().addr();
    field.off().await;
    // Somebody who takes the request and says nothing.
    let silent = std::net::TcpListener::bind(address).unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(300), replica.step()).await.is_err());
    assert_eq!(replica.status().unwrap().phase, SyncPhase::Idle);
    drop(silent);
}
