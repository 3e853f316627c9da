//! Folders and files of every format version open.

use std::path::Path;

use lastmile_client::{Replica, ReplicaOptions};
use lastmile_protocol::Frame;
use lastmile_protocol::frame::{FrameReader, frame_length};
use lastmile_protocol::limits::MAX_FRAME;
use lastmile_protocol::request::SignedRequest;
use lastmile_store::query::Query;

#[test]
fn a_device_folder_of_version_1_opens_rebuilds_and_reads_its_bundle() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/v1");
    let folder = tempfile::tempdir().unwrap();
    for name in ["replica.db", "device.key", "mark", "day.lastmile"] {
        std::fs::copy(fixture.join(name), folder.path().join(name)).unwrap();
    }
    let replica = Replica::open(folder.path(), ReplicaOptions::default()).unwrap();
    let titles = replica.read(|reader| {
        let query = Query::new(reader.type_no("activity").unwrap(), &["title", "note", "state"]);
        reader.rows(&query).unwrap()
    });
    let cells: Vec<&str> = titles[0].cells.iter().filter_map(|cell| cell.text()).collect();
    assert_eq!(cells, ["清洁日", "改到下午", "submitted"]);
    let rebuilt = replica.with_store(|store| store.rebuild(&mut |_, _| {})).unwrap();
    assert_eq!(rebuilt.before, rebuilt.after);
    assert_eq!(replica.with_store(|store| store.check(&mut |_, _| {})).unwrap(), []);
    let bundle = replica.import_bundle(&folder.path().join("day.lastmile")).unwrap();
    assert!(bundle.batches > 0);
    assert_eq!(bundle.appended, 0, "everything in it is held");
}

/// The frames of a captured body, opened.
fn frames(mut body: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some((length, prefix)) = frame_length(body).unwrap() {
        let mut reader = FrameReader::new(MAX_FRAME);
        reader.push(&body[..prefix + length]);
        let raw = reader.next_frame().unwrap().unwrap();
        frames.extend(Frame::open(&raw, MAX_FRAME).unwrap());
        body = &body[prefix + length..];
    }
    assert!(body.is_empty());
    frames
}

#[test]
fn a_captured_upload_of_version_1_is_read() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/v1");
    let capture = |name: &str| -> Vec<u8> {
        let digits: String = std::fs::read_to_string(fixture.join(name)).unwrap().split_whitespace().collect();
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    };
    let body = capture("upload-request.hex");
    let request = SignedRequest::open(&body).unwrap();
    let hello = request.hello.as_ref().unwrap();
    assert!(hello.app.starts_with("lastmile"));
    let sent = frames(request.frames());
    let batches: Vec<_> = sent
        .iter()
        .filter_map(|frame| match frame {
            Frame::Batch(batch) => Some(lastmile_log::unpack(&batch.packed, 1 << 20).unwrap()),
            _ => None,
        })
        .collect();
    assert!(batches.iter().map(|batch| batch.commits.len()).sum::<usize>() > 0, "it brings commits");
    let answer = frames(&capture("upload-response.hex"));
    assert!(answer.iter().any(|frame| matches!(frame, Frame::Receipts(..))), "they are receipted");
}
