//! Devices record offline and everything reaches everybody.

use std::sync::Arc;
use std::time::Duration;

use lastmile_client::auto::Pace;
use lastmile_client::{AutoSync, SyncPhase};

use crate::field::{Field, add_activity, digest, set, settle};

#[tokio::test]
async fn what_is_recorded_offline_reaches_the_relay_and_a_colleague() {
    let mut field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    field.off().await;
    let id = add_activity(&one, "清洁日", 20);
    add_activity(&two, "义诊", 30);
    assert!(one.sync().await.is_err(), "nobody answers");
    assert_eq!(one.status().unwrap().phase, SyncPhase::Offline);
    assert_eq!(one.status().unwrap().unsent_commits, 1);
    field.on().await;
    let report = settle(&one).await;
    assert!(report.receipts > 0, "{report:?}");
    assert_eq!(one.status().unwrap().unsent_commits, 0);
    settle(&two).await;
    settle(&one).await;
    assert_eq!(digest(&one), digest(&two));
    assert_eq!(digest(&one), field.digest().await);
    set(&two, id, "note", "来了很多人");
    settle(&two).await;
    settle(&one).await;
    assert_eq!(one.record("activity", id).unwrap().values["note"], "来了很多人".into());
    let idle = one.sync().await.unwrap();
    assert_eq!((idle.equal, idle.rounds), (true, 1));
    assert!(idle.sent_bytes + idle.received_bytes <= 400, "{idle:?}");
}

#[tokio::test]
async fn nobody_has_to_tell_a_device_that_the_relay_is_back() {
    let mut field = Field::new().await;
    let one = Arc::new(field.enrol("one").await);
    field.off().await;
    let pace = Pace {
        poll: Duration::from_secs(60),
        first_retry: Duration::from_millis(50),
        longest_retry: Duration::from_millis(200),
    };
    let auto = AutoSync::start(Arc::clone(&one), pace);
    for number in 0..20 {
        add_activity(&one, &format!("活动{number}"), number);
    }
    field.on().await;
    let mut status = auto.status();
    let sent = async {
        loop {
            status.changed().await.unwrap();
            let now = status.borrow_and_update().clone();
            if now.unsent_commits == 0 && now.phase == SyncPhase::UpToDate {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), sent).await.expect("the outbox empties by itself");
    assert_eq!(digest(&one), field.digest().await);
    add_activity(&one, "上线后的活动", 1);
    let sent = async {
        while one.status().unwrap().unsent_commits > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), sent).await.expect("a save wakes the sync");
}

#[tokio::test]
async fn a_copied_device_goes_on_and_nothing_is_refused_or_lost() {
    let field = Field::new().await;
    let one = field.enrol("one").await;
    add_activity(&one, "共同的", 1);
    settle(&one).await;
    one.close().unwrap();
    field.copy("one", "copy");
    field.copy("one", "third");
    let mut seen = Vec::new();
    for name in ["one", "copy", "third"] {
        let replica = field.open(name);
        add_activity(&replica, name, 1);
        seen.push(replica);
    }
    for replica in seen.iter().rev().chain(&seen).chain(&seen) {
        settle(replica).await;
    }
    let relay = field.digest().await;
    for replica in &seen {
        assert_eq!(digest(replica), relay);
        assert_eq!(replica.status().unwrap().unsent_commits, 0);
    }
}

#[tokio::test]
async fn a_file_carries_a_day_between_devices() {
    let field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    settle(&one).await;
    settle(&two).await;
    add_activity(&one, "清洁日", 20);
    let file = field.path("day.lastmile");
    one.export_bundle(&file).unwrap();
    let report = two.import_bundle(&file).unwrap();
    assert!(report.appended > 0, "{report:?}");
    assert_eq!(digest(&one), digest(&two));
    assert_eq!(two.import_bundle(&file).unwrap().appended, 0, "the same file again brings nothing");
    std::fs::write(&file, b"hello").unwrap();
    assert!(two.import_bundle(&file).is_err());
}
