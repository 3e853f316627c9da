//! Devices restored from a backup, and devices copied: everybody goes on, nothing is refused, lost or re-authored.

use std::collections::{BTreeMap, BTreeSet};

use lastmile_client::{ClientError, Replica, ReplicaOptions};
use lastmile_log::Issuer;
use lastmile_model::{AuthorId, RecordId};
use lastmile_protocol::Role;
use lastmile_store::query::Query;

use crate::field::{Field, add_activity, digest, scope, set, settle};

fn titles(replica: &Replica) -> Vec<String> {
    replica.read(|reader| {
        let query = Query::new(reader.type_no("activity").unwrap(), &["title"]).order_by("title", false);
        reader.rows(&query).unwrap().iter().map(|row| row.cells[0].text().unwrap().to_owned()).collect()
    })
}

/// Who made a record.
fn maker(replica: &Replica, record: RecordId) -> AuthorId {
    replica.read(|reader| reader.history("activity", record)).unwrap()[0].origin.author
}

fn unsent(replica: &Replica) -> u64 {
    replica.status().unwrap().unsent_commits
}

/// How many branches of logs a replica holds in the community.
fn branches(replica: &Replica) -> usize {
    replica.with_store(|store| store.vector(&scope()).entries().filter(|entry| entry.segment.start > 0).count())
}

/// Whether the device's author is certified by this one.
fn follows(replica: &Replica, before: AuthorId) -> bool {
    replica.with_store(|store| {
        let trust = store.trust().unwrap();
        trust.certificate(replica.author()).is_some_and(|known| known.issuer == Issuer::Predecessor(before))
    })
}

fn close(replica: Replica) -> AuthorId {
    let author = replica.author();
    replica.close().unwrap();
    author
}

/// A device with one uploaded save and one that waits, closed, and a colleague.
async fn with_unsent(field: &Field) -> (AuthorId, RecordId, RecordId, Replica) {
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    let sent = add_activity(&one, "上传过", 1);
    settle(&one).await;
    settle(&two).await;
    let waits = add_activity(&one, "等着上传", 2);
    assert_eq!(unsent(&one), 1);
    (close(one), sent, waits, two)
}

#[tokio::test]
async fn a_folder_restored_without_its_mark_goes_on_as_a_certified_successor() {
    let field = Field::new().await;
    let (before, sent, waits, two) = with_unsent(&field).await;
    field.copy("one", "restored");
    std::fs::remove_file(field.path("restored").join("mark")).unwrap();
    let restored = field.open("restored");
    let author = restored.author();
    assert_ne!(author, before);
    assert!(follows(&restored, before));
    assert_eq!(unsent(&restored), 1, "what the former author saved still waits, and is shown to wait");
    let new = add_activity(&restored, "恢复之后", 3);
    set(&restored, sent, "note", "恢复之后的备注");
    assert_eq!(unsent(&restored), 3);
    settle(&restored).await;
    assert_eq!(unsent(&restored), 0);
    settle(&two).await;
    for replica in [&restored, &two] {
        assert_eq!(titles(replica), ["上传过", "恢复之后", "等着上传"]);
        assert_eq!((maker(replica, sent), maker(replica, waits)), (before, before), "nothing is re-authored");
        assert_eq!(maker(replica, new), author);
        assert_eq!(replica.record("activity", sent).unwrap().values["note"], "恢复之后的备注".into());
        assert_eq!(digest(replica), field.digest().await);
    }
    // With its mark beside it, it stays who it is.
    close(restored);
    let again = field.open("restored");
    assert_eq!(again.author(), author);
    assert_eq!(unsent(&again), 0);
    assert!(!again.needs_reopening());
}

#[tokio::test]
async fn a_successor_is_accepted_by_a_colleague_before_the_relay_is_met() {
    let mut field = Field::new().await;
    let (before, _, waits, two) = with_unsent(&field).await;
    field.copy("one", "restored");
    std::fs::remove_file(field.path("restored").join("mark")).unwrap();
    field.off().await;
    let restored = field.open("restored");
    let new = add_activity(&restored, "恢复之后", 3);
    let file = field.path("by-hand.lastmile");
    restored.export_bundle(&file).unwrap();
    let report = two.import_bundle(&file).unwrap();
    assert_eq!((report.not_taken, report.whole), (0, true), "{report:?}");
    assert_eq!((maker(&two, waits), maker(&two, new)), (before, restored.author()));
    assert_eq!(digest(&two), digest(&restored));
    // The colleague carries it to the relay, which has not heard of the successor either.
    field.on().await;
    settle(&two).await;
    assert_eq!(digest(&two), field.digest().await);
    settle(&restored).await;
    assert_eq!(unsent(&restored), 0, "the relay's receipt speaks of what the colleague brought");
}

#[tokio::test]
async fn a_device_restored_again_and_again_stays_certified() {
    let field = Field::new().await;
    let (_, _, _, two) = with_unsent(&field).await;
    let mut authors = BTreeSet::new();
    for round in 0..5 {
        std::fs::remove_file(field.path("one").join("mark")).unwrap();
        let one = field.open("one");
        add_activity(&one, &format!("第{round}次"), 1);
        assert_eq!(unsent(&one), round + 2);
        authors.insert(close(one));
    }
    assert_eq!(authors.len(), 5);
    let one = field.open("one");
    settle(&one).await;
    settle(&two).await;
    assert_eq!(unsent(&one), 0);
    assert_eq!(titles(&two).len(), 7);
    assert_eq!(digest(&two), digest(&one));
}

#[tokio::test]
async fn an_older_file_under_a_newer_mark_takes_nothing_back() {
    let field = Field::new().await;
    let one = field.enrol("one").await;
    add_activity(&one, "备份之前", 1);
    settle(&one).await;
    let before = close(one);
    field.copy("one", "backup");
    let one = field.open("one");
    add_activity(&one, "备份之后", 2);
    settle(&one).await;
    close(one);
    // The database alone comes back from the backup.
    for file in std::fs::read_dir(field.path("one")).unwrap() {
        let file = file.unwrap();
        if file.file_name().to_str().unwrap().starts_with("replica.db") {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
    std::fs::copy(field.path("backup").join("replica.db"), field.path("one").join("replica.db")).unwrap();
    let one = field.open("one");
    assert!(follows(&one, before));
    add_activity(&one, "恢复之后", 3);
    settle(&one).await;
    // What came down of the former author's log has no receipt here yet.
    settle(&one).await;
    assert_eq!(titles(&one).len(), 3);
    assert_eq!(digest(&one), field.digest().await);
    assert_eq!((unsent(&one), branches(&one)), (0, 0), "two logs, and no branch of either");
}

#[tokio::test]
async fn a_relay_that_holds_more_of_my_log_makes_me_go_on_as_another() {
    let field = Field::new().await;
    let one = field.enrol("one").await;
    add_activity(&one, "备份之前", 1);
    settle(&one).await;
    let before = close(one);
    field.copy("one", "backup");
    let one = field.open("one");
    add_activity(&one, "备份之后", 2);
    settle(&one).await;
    close(one);
    // The whole folder comes back, its mark with it: nothing here can tell.
    let back = field.open("backup");
    assert_eq!(back.author(), before);
    assert_eq!(titles(&back).len(), 1);
    settle(&back).await;
    assert!(back.needs_reopening(), "the relay showed more of this device's log than the device held");
    assert_eq!(titles(&back).len(), 2, "what was lost came back");
    close(back);
    let back = field.open("backup");
    assert!(follows(&back, before));
    assert!(!back.needs_reopening());
    add_activity(&back, "恢复之后", 3);
    settle(&back).await;
    assert_eq!((titles(&back).len(), unsent(&back), branches(&back)), (3, 0, 0));
    assert_eq!(digest(&back), field.digest().await);
    // Once is enough.
    let author = close(back);
    assert_eq!(field.open("backup").author(), author);
}

#[tokio::test]
async fn what_was_saved_before_the_relay_showed_more_is_kept_beside_it() {
    let field = Field::new().await;
    let one = field.enrol("one").await;
    add_activity(&one, "备份之前", 1);
    settle(&one).await;
    let before = close(one);
    field.copy("one", "backup");
    let one = field.open("one");
    add_activity(&one, "备份之后", 2);
    settle(&one).await;
    close(one);
    let back = field.open("backup");
    let own = add_activity(&back, "恢复后先记的", 3);
    settle(&back).await;
    settle(&back).await;
    assert!(back.needs_reopening());
    assert_eq!((titles(&back).len(), unsent(&back)), (3, 0));
    assert_eq!(maker(&back, own), before);
    close(back);
    let back = field.open("backup");
    assert!(follows(&back, before));
    add_activity(&back, "之后", 4);
    settle(&back).await;
    assert_eq!((titles(&back).len(), unsent(&back)), (4, 0));
    assert_eq!(digest(&back), field.digest().await);
}

const COPIES: [&str; 3] = ["one", "copy", "third"];

/// Three copies of one folder, marks and all, each with a save of its own.
async fn three_copies(field: &Field) -> BTreeMap<&'static str, Replica> {
    let one = field.enrol("one").await;
    add_activity(&one, "共同的", 1);
    settle(&one).await;
    add_activity(&one, "共同未传的", 1);
    close(one);
    field.copy("one", "copy");
    field.copy("one", "third");
    COPIES
        .into_iter()
        .map(|name| {
            let replica = field.open(name);
            add_activity(&replica, name, 1);
            (name, replica)
        })
        .collect()
}

/// Everybody holds everything once, and what each saves from now on makes no further branch.
async fn goes_on(field: &Field, copies: BTreeMap<&'static str, Replica>) {
    let expected: BTreeSet<String> =
        COPIES.iter().copied().chain(["共同的", "共同未传的"]).map(str::to_owned).collect();
    for _ in 0..2 {
        for replica in copies.values() {
            settle(replica).await;
        }
    }
    for (name, replica) in &copies {
        assert_eq!(titles(replica), expected.iter().cloned().collect::<Vec<_>>(), "{name}: each record once");
        assert_eq!(digest(replica), field.digest().await, "{name}");
        assert_eq!(unsent(replica), 0, "{name}");
        let rebuilt = replica.with_store(|store| store.rebuild(&mut |_, _| {})).unwrap();
        assert_eq!(rebuilt.before, rebuilt.after, "{name}");
        assert!(replica.needs_reopening(), "{name}: somebody else writes under this author");
    }
    let before = copies.values().map(branches).max().unwrap();
    let mut authors = BTreeSet::new();
    for (name, replica) in copies {
        close(replica);
        let replica = field.open(name);
        authors.insert(replica.author());
        add_activity(&replica, &format!("{name}之后"), 1);
        settle(&replica).await;
    }
    assert_eq!(authors.len(), 3, "each goes on under an author of its own");
    for name in COPIES {
        let replica = field.open(name);
        settle(&replica).await;
        assert_eq!(titles(&replica).len(), 8, "{name}");
        assert_eq!(branches(&replica), before, "{name}: three new logs, and no new branch");
        let idle = replica.sync().await.unwrap();
        assert!(idle.equal && idle.rounds == 1, "{name}: {idle:?}");
        assert!(idle.sent_bytes + idle.received_bytes <= 400, "{name}: {idle:?}");
        assert_eq!(digest(&replica), field.digest().await, "{name}");
    }
}

#[tokio::test]
async fn three_copies_with_their_mark_meet_the_relay_in_any_order() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let field = Field::new().await;
        let copies = three_copies(&field).await;
        for place in order {
            let report = settle(&copies[COPIES[place]]).await;
            assert_eq!(report.not_taken, 0, "{order:?}: nobody is refused");
        }
        goes_on(&field, copies).await;
    }
}

#[tokio::test]
async fn two_copies_meet_each_other_before_the_relay() {
    for (first, second) in [("one", "copy"), ("copy", "one"), ("third", "one")] {
        let field = Field::new().await;
        let copies = three_copies(&field).await;
        let file = field.path("by-hand.lastmile");
        for (from, to) in [(first, second), (second, first)] {
            copies[from].export_bundle(&file).unwrap();
            let report = copies[to].import_bundle(&file).unwrap();
            assert_eq!((report.not_taken, report.whole), (0, true), "{from} to {to}: {report:?}");
        }
        assert_eq!(digest(&copies[first]), digest(&copies[second]));
        goes_on(&field, copies).await;
    }
}

#[tokio::test]
async fn a_crash_between_the_two_marks_changes_nothing() {
    let field = Field::new().await;
    let (before, _, _, _two) = with_unsent(&field).await;
    let mark = field.path("one").join("mark");
    for _ in 0..3 {
        // The mark in the file was rotated, the one beside it not yet.
        let outside = std::fs::read(&mark).unwrap();
        drop(Replica::open(&field.path("one"), ReplicaOptions::default()).unwrap());
        std::fs::write(&mark, outside).unwrap();
    }
    let one = field.open("one");
    assert_eq!((one.author(), unsent(&one)), (before, 1));
    settle(&one).await;
    assert_eq!((unsent(&one), digest(&one)), (0, field.digest().await));
}

#[tokio::test]
async fn a_relay_put_back_from_an_older_copy_is_told_who_a_device_is() {
    let mut field = Field::new().await;
    let one = field.enrol("one").await;
    add_activity(&one, "备份之前", 1);
    settle(&one).await;
    field.off().await;
    field.copy("relay", "backup");
    field.on().await;
    // A device that the copy has never heard of.
    let two = field.enrol("two").await;
    add_activity(&two, "备份之后", 2);
    settle(&two).await;
    settle(&one).await;
    field.off().await;
    field.copy("backup", "relay");
    field.on().await;
    add_activity(&two, "放回之后", 3);
    settle(&two).await;
    settle(&one).await;
    for replica in [&one, &two] {
        assert_eq!(titles(replica), ["备份之前", "备份之后", "放回之后"]);
        assert_eq!((unsent(replica), digest(replica)), (0, field.digest().await));
    }
}

#[tokio::test]
async fn a_key_and_a_database_of_different_copies_are_told_apart() {
    let field = Field::new().await;
    let (_, _, _, _two) = with_unsent(&field).await;
    field.copy("one", "backup");
    std::fs::remove_file(field.path("one").join("mark")).unwrap();
    close(field.open("one"));
    // The database of before the restoration under the key of after it.
    let now = field.path("one").join("replica.db");
    let later = std::fs::read(&now).unwrap();
    std::fs::copy(field.path("backup").join("replica.db"), &now).unwrap();
    let refused = Replica::open(&field.path("one"), ReplicaOptions::default()).unwrap_err();
    assert!(matches!(&refused, ClientError::OtherKey { path } if path.ends_with("device.key")), "{refused}");
    std::fs::write(&now, later).unwrap();
    let one = field.open("one");
    settle(&one).await;
    assert_eq!((unsent(&one), titles(&one).len()), (0, 2));
}

/// Two devices side by side, until neither has more to say; whether they call each other equal.
fn meet(one: &Replica, other: &Replica) -> bool {
    let (mut left, mut right) = (one.meet(Role::Initiator).unwrap(), other.meet(Role::Responder).unwrap());
    let (mut to_right, mut to_left) = (left.receive(&[]).unwrap(), right.receive(&[]).unwrap());
    while !(to_right.is_empty() && to_left.is_empty()) {
        let (for_right, for_left) = (std::mem::take(&mut to_right), std::mem::take(&mut to_left));
        if !for_right.is_empty() {
            to_left.extend(right.receive(&for_right).unwrap());
        }
        if !for_left.is_empty() {
            to_right.extend(left.receive(&for_left).unwrap());
        }
    }
    left.end().unwrap().equal & right.end().unwrap().equal
}

#[tokio::test]
async fn the_receipt_of_one_copys_work_is_none_of_the_others() {
    let field = Field::new().await;
    close(field.enrol("one").await);
    field.copy("one", "copy");
    let (one, copy) = (field.open("one"), field.open("copy"));
    for (replica, name) in [(&one, "原件"), (&copy, "副本")] {
        add_activity(replica, &format!("{name}一"), 1);
        add_activity(replica, &format!("{name}二"), 2);
    }
    settle(&one).await;
    // The other copy hears of the first one's log, and of the receipt for as many commits as it wrote itself.
    meet(&copy, &one);
    assert!(meet(&copy, &one), "what parted is on both sides");
    assert!(copy.needs_reopening());
    let receipts = one.with_store(|store| store.receipts_of(&scope(), one.author())).unwrap();
    copy.with_store(|store| store.add_receipts(&receipts)).unwrap();
    settle(&one).await;
    let former = copy.author();
    drop(copy);
    let copy = field.open("copy");
    assert_eq!(unsent(&copy), 2);
    // The receipt stands on the other's branch: of what this one wrote nothing is receipted, so it is offered until it is.
    assert_eq!(copy.with_store(|store| store.own_receipted(&scope(), former)).unwrap(), 0);
    assert_eq!(one.with_store(|store| store.own_receipted(&scope(), former)).unwrap(), 2);
    settle(&copy).await;
    assert_eq!(unsent(&copy), 0);
    assert_eq!(copy.with_store(|store| store.own_receipted(&scope(), former)).unwrap(), 2);
    assert_eq!(titles(&copy).len(), 4);
}

#[tokio::test]
async fn a_log_that_parted_is_noticed_at_the_next_opening_whoever_brought_the_other_side() {
    let field = Field::new().await;
    close(field.enrol("one").await);
    field.copy("one", "copy");
    let (one, copy) = (field.open("one"), field.open("copy"));
    add_activity(&one, "原件", 1);
    add_activity(&copy, "副本", 1);
    {
        // The other side arrives, and the device ends before it has said so anywhere.
        let file = field.path("by-hand.lastmile");
        copy.export_bundle(&file).unwrap();
        one.import_bundle(&file).unwrap();
        let kept = std::fs::read(field.path("one").join("mark")).unwrap();
        one.with_store(|store| store.set_setting("mark", &kept)).unwrap();
    }
    let before = one.author();
    drop(one);
    let one = field.open("one");
    assert_ne!(one.author(), before, "nobody writes on in a log that parted");
    assert!(follows(&one, before));
}
