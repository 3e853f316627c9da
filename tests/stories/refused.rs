//! What a relay refuses, another epoch among it, and what a colleague's file may not decide.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lastmile_client::{ClientError, Refusal, Replica, SyncPhase};
use lastmile_model::AuthorId;
use lastmile_protocol::Code;
use lastmile_protocol::enrol::error_response;

use crate::field::{Field, add_activity, digest, scope, settle};

/// Something that answers every request with an error; tells its address and counts the requests.
pub fn refusing(answer: Vec<u8>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { return };
            let mut head = [0; 4_096];
            let _ = connection.read(&mut head);
            counted.fetch_add(1, Ordering::Relaxed);
            let length = answer.len();
            let words = format!(
                "HTTP/1.1 503 Busy\r\ncontent-type: application/vnd.lastmile.v1\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            let _ = connection.write_all(words.as_bytes()).and_then(|()| connection.write_all(&answer));
            let _ = connection.shutdown(std::net::Shutdown::Write);
            // What is left of the request is read, so that the answer is not lost with a reset.
            while connection.read(&mut head).is_ok_and(|read| read > 0) {}
        }
    });
    (address, count)
}

fn epoch(replica: &Replica) -> AuthorId {
    replica.with_store(|store| store.epoch()).unwrap().unwrap()
}

#[tokio::test]
async fn a_relay_with_a_new_epoch_is_believed_by_its_certificates() {
    let mut field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    add_activity(&one, "备份之前", 1);
    settle(&one).await;
    settle(&two).await;
    let before = epoch(&one);
    field.off().await;
    field.new_epoch();
    add_activity(&one, "断线时", 2);
    field.on().await;
    assert_ne!(field.relay().epoch(), before);
    assert!(one.status().unwrap().unsent_commits > 0);
    settle(&one).await;
    assert_eq!((epoch(&one), one.status().unwrap().unsent_commits), (field.relay().epoch(), 0));
    settle(&two).await;
    for replica in [&one, &two] {
        assert_eq!(digest(replica), field.digest().await);
        let idle = replica.sync().await.unwrap();
        assert_eq!((idle.equal, idle.rounds), (true, 1), "{idle:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_without_a_certificate_of_root_is_not_believed() {
    let field = Field::new().await;
    let mut one = field.enrol("one").await;
    settle(&one).await;
    let before = epoch(&one);
    for told in
        [vec![AuthorId([7; 16]).to_string()], vec![one.author().to_string()], vec!["nonsense".to_owned()], vec![]]
    {
        let (address, count) = refusing(error_response(Code::WrongEpoch, told, 0, &[]));
        one.set_relay(&format!("http://{address}")).unwrap();
        let error = one.sync().await.unwrap_err();
        assert!(matches!(error, ClientError::Refused { code: Code::WrongEpoch, .. }), "{error}");
        assert_eq!(count.load(Ordering::Relaxed), 1);
        assert_eq!(epoch(&one), before);
        assert_eq!(one.status().unwrap().phase, SyncPhase::NeedsAttention);
    }
}

#[tokio::test]
async fn what_a_relay_refuses_is_told() {
    let field = Field::new().await;
    let one = field.enrol("one").await;
    let late = field.enrol_until("late", 1).await;
    let report = settle(&one).await;
    assert!(report.is_whole());
    assert_eq!(one.status().unwrap().refused, []);
    add_activity(&late, "交还之前", 1);
    let report = late.sync().await.unwrap();
    let refused = Refusal { code: Code::UploadOnly, scope: Some(scope()), author: None };
    assert!(report.refused.contains(&refused) && !report.is_whole(), "{report:?}");
    let status = late.status().unwrap();
    assert_eq!(status.refused, report.refused);
    assert_eq!((status.phase, status.unsent_commits), (SyncPhase::NeedsAttention, 0), "what was saved was taken");
    assert_eq!(status.last_success_ms, None, "an exchange of which a part was refused is no success");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["refused"][0]["word"], "upload_only");
}

#[tokio::test]
async fn a_device_that_the_relay_has_to_be_told_of_is_not_refused() {
    let mut field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    settle(&two).await;
    // A successor that only the colleague has met so far.
    field.off().await;
    one.close().unwrap();
    std::fs::remove_file(field.path("one").join("mark")).unwrap();
    let one = field.open("one");
    add_activity(&one, "恢复之后", 1);
    let file = field.path("by-hand.lastmile");
    one.export_bundle(&file).unwrap();
    two.import_bundle(&file).unwrap();
    field.on().await;
    let report = settle(&two).await;
    assert!(report.is_whole(), "{report:?}");
}

#[tokio::test]
async fn a_colleagues_file_says_nothing_about_the_relay() {
    let mut field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    for replica in [&one, &two] {
        settle(replica).await;
    }
    add_activity(&two, "只在同事处", 2);
    let file = field.path("by-hand.lastmile");
    two.export_bundle(&file).unwrap();
    assert!(one.import_bundle(&file).unwrap().appended > 0);
    // The relay is not thought to hold what the colleague holds: it is offered at once.
    let report = one.sync().await.unwrap();
    assert_eq!((report.equal, report.rounds, report.sent_batches), (true, 1, 1), "{report:?}");

    // Nor is the relay thought to be at the epoch that a colleague knows.
    let before = epoch(&one);
    field.off().await;
    field.new_epoch();
    field.on().await;
    let three = field.enrol("three").await;
    settle(&three).await;
    assert_ne!(epoch(&three), before);
    three.export_bundle(&file).unwrap();
    one.import_bundle(&file).unwrap();
    assert_eq!(epoch(&one), before);
    settle(&one).await;
    assert_eq!(epoch(&one), field.relay().epoch());
    assert_eq!(one.with_store(|store| store.vector(&scope())), three.with_store(|store| store.vector(&scope())));
}
