//! Nobody watches: the automatic sync paces itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lastmile_client::auto::Pace;
use lastmile_client::{AutoSync, Replica};
use lastmile_protocol::Code;
use lastmile_protocol::enrol::error_response;

use crate::field::{Field, add_activity, settle};
use crate::poor_path::late_answers;
use crate::refused::refusing;

fn pace(first_retry: Duration) -> Pace {
    Pace { poll: Duration::from_secs(60), first_retry, longest_retry: Duration::from_secs(60) }
}

async fn all_sent(replica: &Replica, why: &str) {
    let sent = async {
        while replica.status().unwrap().unsent_commits > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), sent).await.expect(why);
}

/// Counts the exchanges of a device left to itself for so long.
async fn exchanges(auto: &AutoSync, time: Duration) -> usize {
    let mut status = auto.status();
    let mut count = 0;
    let counting = async {
        while status.changed().await.is_ok() {
            status.borrow_and_update();
            count += 1;
        }
    };
    let _ = tokio::time::timeout(time, counting).await;
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_exchange_cannot_mend_is_not_tried_without_a_pause() {
    let field = Field::new().await;
    let one = field.enrol("one").await;
    let late = Arc::new(field.enrol_until("late", 1).await);
    add_activity(&one, "清洁日", 20);
    settle(&one).await;
    // A device whose time is over is served nothing, so that the two sides never come to hold the same.
    let auto = AutoSync::start(Arc::clone(&late), pace(Duration::from_millis(100)));
    let count = exchanges(&auto, Duration::from_secs(3)).await;
    assert!((1..=8).contains(&count), "{count} exchanges in 3 s that could bring nothing");
    // A save is a reason to go all the same.
    add_activity(&late, "交还之前", 1);
    all_sent(&late, "what was saved goes up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_relay_is_left_alone_for_as_long_as_it_asks() {
    let field = Field::new().await;
    let mut one = field.enrol("one").await;
    let (address, count) = refusing(error_response(Code::Busy, Vec::new(), 30_000, &[]));
    one.set_relay(&format!("http://{address}")).unwrap();
    let auto = AutoSync::start(Arc::new(one), pace(Duration::from_millis(50)));
    exchanges(&auto, Duration::from_secs(2)).await;
    assert_eq!(count.load(Ordering::Relaxed), 1);
    // A person or a network that appears may ask at once.
    auto.wake();
    exchanges(&auto, Duration::from_secs(3)).await;
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_saved_during_an_exchange_does_not_wait_for_the_poll() {
    let field = Field::new().await;
    let mut one = field.enrol("one").await;
    settle(&one).await;
    let path = late_answers(field.relay().addr(), Duration::from_millis(600));
    one.set_relay(&format!("http://{path}")).unwrap();
    let one = Arc::new(one);
    let auto = AutoSync::start(Arc::clone(&one), pace(Duration::from_millis(50)));
    tokio::time::sleep(Duration::from_millis(250)).await;
    add_activity(&one, "交换之中", 1);
    all_sent(&one, "the next exchange follows at once").await;
    drop(auto);
}
