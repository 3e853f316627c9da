//! What a device does when the office takes something away, or says that it may not.

use lastmile_client::ClientError;
use lastmile_model::input::Entry;
use lastmile_model::roles::Role;
use lastmile_model::{RecordId, Scope, Value};
use lastmile_relay::{Decision, OfficeAnswer, OfficeCommand};

use crate::field::{Field, add_activity, scope};

/// Whether any file of a folder holds these bytes.
fn holds(folder: &std::path::Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

fn held(replica: &lastmile_client::Replica) -> Vec<Scope> {
    replica.with_store(|store| store.scopes().map(|(_, scope)| scope.clone()).collect())
}

#[tokio::test]
async fn what_no_role_of_the_device_may_do_is_refused_before_it_is_saved() {
    let field = Field::new().await;
    let one = field.enrol("one").await;
    let id = add_activity(&one, "清洁日", 20);
    let event = |kind: &str| {
        let mut draft = one.draft(None);
        draft.event("activity", id, kind, &[]).and_then(|()| draft.save())
    };
    event("submit").unwrap();
    let refused = event("verify").unwrap_err();
    assert!(matches!(&refused, ClientError::NotPermitted { operation, .. } if operation == "verify"), "{refused}");
    assert_eq!(one.record("activity", id).unwrap().state.as_deref(), Some("submitted"));
    let two = field.enrol_as("two", &[Role::Secretary]).await;
    one.sync().await.unwrap();
    two.sync().await.unwrap();
    let mut draft = two.draft(None);
    draft.event("activity", id, "verify", &[]).unwrap();
    draft.save().unwrap();
    two.sync().await.unwrap();
    one.sync().await.unwrap();
    assert_eq!(one.record("activity", id).unwrap().state.as_deref(), Some("verified"));
}

#[tokio::test]
async fn a_revoked_device_sends_what_is_unsent_and_keeps_nothing() {
    let field = Field::new().await;
    let (lost, other) = (field.enrol("lost").await, field.enrol("other").await);
    let secret = "岳麓标记七";
    let id = add_activity(&other, secret, 20);
    other.sync().await.unwrap();
    lost.sync().await.unwrap();
    assert!(lost.record("activity", id).is_ok() && holds(&lost.path(), secret));
    add_activity(&lost, "未上传", 1);
    let revoke = OfficeCommand::Revoke { author: lost.author().to_string(), reason: "手机丢失".to_owned() };
    field.relay().office().run(revoke).await.unwrap();
    add_activity(&other, "之后", 1);
    other.sync().await.unwrap();
    for _ in 0..3 {
        // What is refused is told; what counts is what is left.
        let _ = lost.sync().await;
    }
    let status = lost.status().unwrap();
    assert!(status.revoked && status.unsent_commits == 0, "{status:?}");
    assert_eq!(held(&lost), []);
    assert!(lost.record("activity", id).is_err() && !holds(&lost.path(), secret));
    // It came, is receipted, and waits for the office.
    let OfficeAnswer::Status(status) = field.relay().office().run(OfficeCommand::Status).await.unwrap() else {
        panic!()
    };
    assert_eq!(status.odd.iter().filter(|odd| odd.why == "revoked").count(), 1);
}

#[tokio::test]
async fn a_device_that_moves_takes_nothing_along_and_loses_nothing() {
    let field = Field::new().await;
    let one = field.enrol("one").await;
    let old = add_activity(&one, "旧社区的活动", 20);
    one.sync().await.unwrap();
    add_activity(&one, "还没上传的", 3);
    let there = Scope::community("430104008008").unwrap();
    let reassign = OfficeCommand::Reassign {
        author: one.author().to_string(),
        persons: None,
        roles: None,
        scopes: Some(vec![there.to_string()]),
        until_ms: None,
    };
    field.relay().office().run(reassign).await.unwrap();
    for _ in 0..3 {
        let _ = one.sync().await;
    }
    let city = Scope::new(lastmile_model::ScopeKind::City, "4301").unwrap();
    let mut now = held(&one);
    now.sort();
    assert_eq!(now, [there.clone(), city]);
    assert!(one.record("activity", old).is_err() && !holds(&one.path(), "旧社区的活动"));
    assert_eq!(one.status().unwrap().unsent_commits, 0);
    let new: RecordId = add_activity(&one, "新社区的活动", 5);
    one.sync().await.unwrap();
    field.relay().settle().await.unwrap();
    let mut reader = field.relay().reader().await.unwrap();
    assert!(reader.record("activity", new, Some(&there)).is_ok());
    let counts = reader.counts(Some(&scope())).unwrap();
    assert_eq!(counts.quarantined, 0, "what was made before the move counts");
    assert!(reader.record("activity", old, Some(&scope())).is_ok());
}

#[tokio::test]
async fn a_relay_put_back_from_a_backup_is_filled_again_and_forgets_nobody() {
    let mut field = Field::new().await;
    let (one, two, lost) = (field.enrol("one").await, field.enrol("two").await, field.enrol("lost").await);
    let before = add_activity(&one, "备份之前", 1);
    one.sync().await.unwrap();
    let to = field.path("backup");
    let backup = OfficeCommand::Backup { to: to.clone() };
    let answer = field.relay().office().run(backup.clone()).await;
    assert!(matches!(answer, Ok(OfficeAnswer::BackedUp { .. })), "{answer:?}");
    assert!(field.relay().office().run(backup).await.is_err(), "nothing is written over");
    let after = add_activity(&two, "备份之后", 2);
    two.sync().await.unwrap();
    let revoke = OfficeCommand::Revoke { author: lost.author().to_string(), reason: "手机丢失".to_owned() };
    field.relay().office().run(revoke).await.unwrap();
    field.off().await;
    let options = lastmile_relay::RelayOptions::default();
    let (_, folder) = lastmile_relay::restore(&to, &field.path("relay"), &options).unwrap();
    drop(folder);
    field.on().await;
    for replica in [&one, &two, &one] {
        crate::field::settle(replica).await;
    }
    field.relay().settle().await.unwrap();
    let mut reader = field.relay().reader().await.unwrap();
    assert!(reader.record("activity", before, None).is_ok() && reader.record("activity", after, None).is_ok());
    assert!(one.record("activity", after).is_ok());
    assert_eq!(crate::field::digest(&one), field.digest().await);
    let OfficeAnswer::Devices { devices } =
        field.relay().office().run(OfficeCommand::Devices { within: None }).await.unwrap()
    else {
        panic!()
    };
    assert!(devices.iter().any(|device| device.author == lost.author().to_string() && device.revoked));
    // A byte of the backup that turned is noticed.
    let database = to.join("relay.db");
    let mut bytes = std::fs::read(&database).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&database, bytes).unwrap();
    let damaged = lastmile_relay::restore(&to, &field.path("relay"), &options).unwrap_err();
    assert!(matches!(damaged, lastmile_relay::RelayError::DamagedBackup { .. }), "{damaged}");
}

#[tokio::test]
async fn what_the_office_wrote_and_erased_does_not_come_back_with_a_backup() {
    let mut field = Field::new().await;
    let (one, away) = (field.enrol("one").await, field.enrol("away").await);
    let set = |replica: &lastmile_client::Replica, id: RecordId, number: &str| {
        let mut draft = replica.draft(None);
        let values = vec![("volunteer_no".to_owned(), number.into())];
        draft.edit("person", id, Entry { values, ..Entry::default() }).and_then(|()| draft.save()).unwrap();
    };
    let mut draft = one.draft(None);
    let said = [("name", "欧阳"), ("party_status", "01"), ("status", "active")];
    let mut values: Vec<(String, Value)> = said.map(|(name, value)| (name.to_owned(), value.into())).to_vec();
    values.push(("kind/member".to_owned(), true.into()));
    let id = draft.create("person", Entry { values, ..Entry::default() }).unwrap();
    draft.save().unwrap();
    one.sync().await.unwrap();
    away.sync().await.unwrap();
    set(&one, id, "A-1");
    set(&away, id, "A-2");
    one.sync().await.unwrap();
    away.sync().await.unwrap();
    let to = field.path("backup");
    field.relay().office().run(OfficeCommand::Backup { to: to.clone() }).await.unwrap();
    // The office's own word, which the backup does not hold and a device does.
    let secret = "标记志愿号九";
    let resolve = OfficeCommand::Resolve {
        record_type: None,
        id: id.0,
        field: "volunteer_no".to_owned(),
        decision: Decision::Value(secret.to_owned()),
        reason: "核对".to_owned(),
    };
    field.relay().office().run(resolve).await.unwrap();
    away.sync().await.unwrap();
    assert!(holds(&away.path(), secret));
    let erase = OfficeCommand::Erase { record_type: None, id: id.0, reason: "本人要求".to_owned() };
    field.relay().office().run(erase.clone()).await.unwrap();
    assert!(!holds(&field.path("relay"), secret));
    field.off().await;
    drop(lastmile_relay::restore(&to, &field.path("relay"), &lastmile_relay::RelayOptions::default()).unwrap());
    field.on().await;
    for replica in [&away, &one, &away, &one] {
        crate::field::settle(replica).await;
    }
    field.relay().settle().await.unwrap();
    for folder in [field.path("relay"), one.path(), away.path()] {
        assert!(!holds(&folder, secret), "{}", folder.display());
    }
    assert_eq!(crate::field::digest(&one), field.digest().await);
    assert_eq!(crate::field::digest(&one), crate::field::digest(&away));
    // What erasing said anew is not erased again, however often it is asked.
    let held = || async {
        field.relay().settle().await.unwrap();
        field.relay().reader().await.unwrap().counts(Some(&scope())).unwrap()
    };
    let before = held().await;
    field.relay().office().run(erase).await.unwrap();
    assert_eq!(held().await, before);
}
