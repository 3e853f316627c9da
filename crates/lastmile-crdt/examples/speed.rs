//! Measures the codec and the evaluation: `cargo run --release -p lastmile-crdt --example speed`.
//!
//! The record is a typical activity: seven common fields and twelve of its own. Each figure is the best of several rounds.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use lastmile_crdt::{
    Base, ChangeHeader, Edit, HeaderInRecord, Known, Made, admit, decode, decode_hashed, encode, evaluate,
    export_document, make_change, read_header,
};
use lastmile_model::{AuthorId, Catalogue, ChangeHash, RecordId, Value};

/// Many short rounds, so that some are not interrupted on a busy machine.
const ROUNDS: usize = 1_000;
const REPEATS: u32 = 100;

/// Prints how long one call takes, in microseconds.
fn measure<T>(what: &str, mut call: impl FnMut() -> T) {
    let best = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..REPEATS {
                black_box(call());
            }
            start.elapsed().as_secs_f64() * 1e6 / f64::from(REPEATS)
        })
        .fold(f64::INFINITY, f64::min);
    println!("{best:8.3} us  {what}");
}

fn own_fields() -> Vec<Edit> {
    vec![
        Edit::set("title", "社区清洁日"),
        Edit::set("category", "environment"),
        Edit::set("kind", "service"),
        Edit::set("date", "2026-11-23"),
        Edit::set("start_time", "09:00"),
        Edit::set("end_time", "11:30"),
        Edit::set("venue", "宝塔山社区中心广场"),
        Edit::set("led_by", Value::Bytes(vec![4; 16])),
        Edit::set("beneficiaries", 35),
        Edit::set("note", "天气晴，居民反响好。"),
        Edit::set("tags/环保", true),
        Edit::set("tags/清洁", true),
    ]
}

fn all_fields() -> Vec<Edit> {
    let mut edits = vec![
        Edit::set("id", Value::Bytes(vec![1; 16])),
        Edit::set("type", "activity"),
        Edit::set("schema_v", 1),
        Edit::set("place_code", "430103005010"),
        Edit::set("created_at", Value::Timestamp(1_764_000_000_000)),
        Edit::set("created_by", Value::Bytes(vec![2; 16])),
        Edit::set("device", Value::Bytes(vec![3; 16])),
    ];
    edits.extend(own_fields());
    edits
}

fn make(
    known: &[Known<'_>],
    actor: u8,
    salt: Option<[u8; 16]>,
    edits: &[Edit],
) -> Result<Made, lastmile_crdt::EditError> {
    make_change(&Base { changes: known, own_last: None }, AuthorId([actor; 16]), 1_764_000_000, salt, edits)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let record_type = Catalogue::builtin().get("activity").map(|(_, record_type)| record_type);
    let twelve = make(&[], 3, Some([5; 16]), &own_fields())?;
    let created = make(&[], 3, Some([5; 16]), &all_fields())?;
    println!(
        "a first change: {} bytes with 12 keys, {} with 19",
        twelve.encoded.bytes.len(),
        created.encoded.bytes.len()
    );
    for (made, keys) in [(&twelve, 12), (&created, 19)] {
        let parts = made.change.parts();
        let bytes = &made.encoded.bytes;
        measure(&format!("encode {keys} keys"), || encode(&parts));
        measure(&format!("decode {keys} keys"), || decode(bytes));
        measure(&format!("decode {keys} keys, hashed before"), || decode_hashed(bytes, made.encoded.hash));
        measure(&format!("read the header of {keys} keys"), || read_header(bytes));
        measure(&format!("evaluate one change of {keys} keys"), || {
            evaluate(record_type, &[Known::visible(&made.change)])
        });
    }
    let edits = all_fields();
    measure("make a first change of 19 keys", || make(&[], 3, None, &edits));

    let first = [Known::visible(&created.change)];
    let one = [Edit::set("note", "另记一笔")];
    let edit = make(&first, 3, Some([6; 16]), &one)?;
    measure("make an edit of one key", || make(&first, 3, Some([6; 16]), &one));
    measure("decode an edit of one key", || decode(&edit.encoded.bytes));
    let other = make(&first, 4, Some([7; 16]), &[Edit::set("note", "同时"), Edit::set("beneficiaries", 40)])?;
    let second = [first[0], Known::visible(&edit.change)];
    measure("evaluate 2 changes in line", || evaluate(record_type, &second));
    let three = [first[0], Known::visible(&edit.change), Known::visible(&other.change)];
    measure("evaluate 3 changes with a conflict", || evaluate(record_type, &three));

    let record = RecordId::from_bytes([1; 16]);
    let headers: HashMap<ChangeHash, ChangeHeader> =
        [created.change.header()].into_iter().map(|h| (h.hash, h)).collect();
    let known = |hash: &ChangeHash| Some(HeaderInRecord { record, header: Cow::Borrowed(headers.get(hash)?) });
    let (header, preds) = (edit.change.header(), edit.change.preds());
    measure("admit an edit", || admit(&header, &preds, record, &known));
    let (header, preds) = (created.change.header(), created.change.preds());
    measure("admit a first change", || admit(&header, &preds, record, &known));

    let bytes = [&created.encoded.bytes, &edit.encoded.bytes, &other.encoded.bytes].map(Vec::as_slice);
    let changes: Vec<(&[u8], Known<'_>)> = bytes.into_iter().zip(three).collect();
    let start = Instant::now();
    for _ in 0..1_000 {
        black_box(export_document(&changes)?);
    }
    println!("{:8.1} us  export 3 changes", start.elapsed().as_secs_f64() * 1e3);
    Ok(())
}
