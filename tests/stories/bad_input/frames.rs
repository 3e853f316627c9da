//! Bytes that are damaged, cut or made to burst.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use lastmile_client::Replica;
use lastmile_protocol::bundle;
use lastmile_protocol::enrol::read_enrolled_response;
use lastmile_store::query::Query;

use super::hand::{Hand, frames, head, id};
use crate::field::{Field, add_activity, digest, settle};

const BATCH: u8 = 3;

fn held(replica: &Replica) -> u64 {
    replica.read(|reader| reader.counts(None)).unwrap().opaque
}

fn activities(replica: &Replica) -> usize {
    replica.read(|reader| reader.rows(&Query::new(reader.type_no("activity").unwrap(), &[])).unwrap().len())
}

/// A bundle of three batches with one commit each that the other device lacks.
async fn three_batches(field: &Field) -> (Replica, Replica, Vec<u8>) {
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    add_activity(&one, "共同的", 1);
    settle(&one).await;
    settle(&two).await;
    let hand = Hand::of(&one);
    let mut at = head(&one, hand.key());
    let mut batches = Vec::new();
    for number in 1..=3 {
        let commit = hand.commit(at, 1, vec![hand.raw_change(id(number), &[number; 40])]);
        at = (commit.header.seq, lastmile_log::chain_hash(&commit.header));
        batches.push(hand.sealed(&[&commit]));
    }
    let bytes = hand.bundle(batches);
    (one, two, bytes)
}

#[tokio::test]
async fn a_bundle_that_breaks_off_is_good_up_to_there_and_says_so() {
    let field = Field::new().await;
    let (_one, two, whole) = three_batches(&field).await;
    let batches: Vec<usize> =
        frames(&whole).iter().filter(|(_, frame)| frame.kind() == BATCH).map(|(place, _)| *place).collect();
    let file = field.path("cut.lastmile");
    // In the middle of the first, the second, the third; just before the end.
    for (cut, kept) in [(batches[0] + 9, 0), (batches[1] + 9, 1), (batches[2] + 9, 2), (whole.len() - 1, 3)] {
        std::fs::write(&file, &whole[..cut]).unwrap();
        let report = two.import_bundle(&file).unwrap();
        assert!(!report.whole, "{cut}");
        assert_eq!(held(&two), kept, "{cut}");
    }
    std::fs::write(&file, &whole).unwrap();
    let report = two.import_bundle(&file).unwrap();
    assert_eq!((report.whole, report.appended), (true, 0));
    assert_eq!(activities(&two), 1);
}

#[tokio::test]
async fn a_flipped_bit_costs_nothing_that_came_whole() {
    let field = Field::new().await;
    let (_one, two, whole) = three_batches(&field).await;
    let (third, end) = match frames(&whole).as_slice() {
        [.., (third, batch), (end, _)] if batch.kind() == BATCH => (*third, *end),
        other => panic!("{other:?}"),
    };
    let file = field.path("bent.lastmile");
    // The type of the third batch becomes one that nobody knows: the two before it have come whole.
    let mut bent = whole.clone();
    assert_eq!(bent[third + 2], BATCH);
    bent[third + 2] = 0x63;
    std::fs::write(&file, &bent).unwrap();
    assert!(two.import_bundle(&file).is_err());
    assert_eq!(held(&two), 2, "what came whole before the damage is kept");
    for place in third..end {
        for bit in [0x01, 0x80] {
            // This flag only speaks to those who do not know the type.
            if place == third + 3 && bit == 0x80 {
                continue;
            }
            let mut bent = whole.clone();
            bent[place] ^= bit;
            std::fs::write(&file, &bent).unwrap();
            let read = two.import_bundle(&file);
            let heard = match &read {
                Err(_) => true,
                Ok(report) => !report.whole || report.not_taken > 0,
            };
            assert!(heard, "byte {place}: {read:?}");
            assert_eq!((held(&two), activities(&two)), (2, 1), "byte {place}");
        }
    }
    std::fs::write(&file, &whole).unwrap();
    assert_eq!(two.import_bundle(&file).unwrap().appended, 1);
    settle(&two).await;
    assert_eq!(digest(&two), field.digest().await);
}

/// A zstd frame of run-length blocks, 128 KiB of zeros each, that states this length, or none.
fn zstd_bomb(blocks: usize, stated: Option<u64>) -> Vec<u8> {
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd];
    bytes.push(if stated.is_some() { 0xc0 } else { 0x00 });
    bytes.push(0x68); // a window of 8 MiB
    bytes.extend(stated.into_iter().flat_map(u64::to_le_bytes));
    for block in 1..=blocks {
        let last = u32::from(block == blocks);
        bytes.extend(&((128 << 10 << 3) | (1 << 1) | last).to_le_bytes()[..3]);
        bytes.push(0);
    }
    bytes
}

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut length = payload.len() + 2;
    let mut bytes = Vec::new();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend([kind, flags]);
    bytes.extend(payload);
    bytes
}

/// Frames that would become gigabytes, if anybody believed them.
fn bombs() -> Vec<Vec<u8>> {
    let mut bombs = Vec::new();
    for kind in [1, 2, 4, 5] {
        for (blocks, stated) in [(40_000, Some(40_000 << 17)), (40_000, Some(900)), (40_000, None), (4, Some(u64::MAX))]
        {
            bombs.push(frame(kind, 1, &zstd_bomb(blocks, stated)));
        }
    }
    bombs
}

fn post(address: std::net::SocketAddr, body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /v1/sync HTTP/1.0\r\nhost: relay\r\ncontent-type: application/vnd.lastmile.v1\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
    (status, answer.split_off(end))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_inflates_without_end_is_refused_at_once_everywhere() {
    let field = Field::new().await;
    let (one, two, whole) = three_batches(&field).await;
    let first = frames(&whole).iter().find(|(_, frame)| frame.kind() == BATCH).unwrap().0;
    let file = field.path("bomb.lastmile");
    let start = Instant::now();
    for bomb in bombs() {
        // In a bundle, after a good hello.
        std::fs::write(&file, [&whole[..first], &bomb].concat()).unwrap();
        assert!(two.import_bundle(&file).is_err());
        // To the relay, from a stranger.
        let (status, body) = post(field.relay().addr(), &bomb);
        assert!((400..500).contains(&status), "{status}");
        let told = read_enrolled_response(&body).unwrap().unwrap_err();
        assert!(!told.code.to_string().is_empty());
    }
    // A batch is compressed in itself.
    for (blocks, stated) in [(40_000, Some(40_000 << 17)), (40_000, Some(900)), (40_000, None)] {
        let hand = Hand::of(&one);
        let commit = hand.commit(head(&one, hand.key()), 1, vec![hand.raw_change(id(1), b"bomb")]);
        let (_, seal) = hand.sealed(&[&commit]);
        std::fs::write(&file, hand.bundle(vec![(zstd_bomb(blocks, stated), seal)])).unwrap();
        let report = two.import_bundle(&file).unwrap();
        assert_eq!((report.appended, report.not_taken), (0, 1), "{report:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    // Everybody works on.
    add_activity(&two, "照常", 3);
    settle(&two).await;
    settle(&one).await;
    assert_eq!((activities(&one), digest(&one)), (2, field.digest().await));
    std::fs::write(&file, &whole).unwrap();
    assert!(whole.starts_with(bundle::START));
    assert_eq!(two.import_bundle(&file).unwrap().appended, 3);
}
