//! Small inputs that claim or inflate to much: refused without the memory that they ask for.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::io::Write;

use lastmile_log::{BadBatch, MAX_BATCH_COMMITS, MAX_RAW, unpack};

/// The most memory the process has held, in KiB; none where the system does not say.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// A frame of so many zeros that does not state its size.
fn endless(megabytes: usize) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..megabytes {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}

/// Puts a stated size into the header of such a frame.
fn claiming(frame: &[u8], size: u32) -> Vec<u8> {
    let descriptor = frame[4];
    assert_eq!(descriptor & 0b1110_0011, 0, "no size, no single segment, no dictionary");
    [&frame[..4], &[descriptor | 0x80, frame[5]], &size.to_le_bytes(), &frame[6..]].concat()
}

#[test]
fn bombs_are_refused_with_bounded_memory() {
    let bomb = endless(512);
    assert!(bomb.len() < 128 << 10);
    let before = peak_kib();
    assert_eq!(unpack(&bomb, MAX_RAW), Err(BadBatch::NotZstd), "a frame must state its size");
    let small = u32::try_from(MAX_RAW).unwrap();
    assert_eq!(unpack(&claiming(&bomb, small), MAX_RAW), Err(BadBatch::NotZstd), "it holds more than it states");
    assert_eq!(unpack(&claiming(&bomb, 512 << 20), MAX_RAW), Err(BadBatch::TooLarge { limit: MAX_RAW }));
    assert_eq!(unpack(&claiming(&bomb, u32::MAX), MAX_RAW), Err(BadBatch::TooLarge { limit: MAX_RAW }));
    let honest = zstd::bulk::compress(&vec![0; MAX_RAW + 1], 3).unwrap();
    assert_eq!(unpack(&honest, MAX_RAW), Err(BadBatch::TooLarge { limit: MAX_RAW }));
    let zeros = zstd::bulk::compress(&vec![0; MAX_RAW], 3).unwrap();
    assert!(matches!(unpack(&zeros, MAX_RAW), Err(BadBatch::Unreadable(_))));

    // A batch that claims more commits than it holds, and one with as many as fit, each as small as can be.
    for count in [1, MAX_BATCH_COMMITS, MAX_BATCH_COMMITS + 1, usize::MAX] {
        let packed = zstd::bulk::compress(&tiny_commits(count, 16), 3).unwrap();
        assert!(unpack(&packed, MAX_RAW).is_err());
    }
    let full = zstd::bulk::compress(&tiny_commits(MAX_BATCH_COMMITS, MAX_BATCH_COMMITS), 3).unwrap();
    assert_eq!(unpack(&full, MAX_RAW).unwrap().commits.len(), MAX_BATCH_COMMITS);

    match before.zip(peak_kib()) {
        Some((before, after)) => assert!(after - before < 48 << 10, "{} KiB more", after - before),
        None => eprintln!("not measured: this system does not say how much memory a process holds"),
    }
}

/// The raw layout of a batch that claims `count` commits and holds `real`, each with one stub.
fn tiny_commits(count: usize, real: usize) -> Vec<u8> {
    let mut out = lastmile_log::wire::Writer::new();
    out.u8(1);
    out.scope(&"city:4301".parse().unwrap());
    out.raw(&[1; 16]);
    out.uvarint(1);
    out.raw(&[0; 32]);
    out.uvarint(count as u64);
    let mut heads = lastmile_log::wire::Writer::new();
    for commit in 0..real {
        // Flags: same app, same schema; no clock; one change of type 0.
        heads.raw(&[4 | 8, 0, 0, 0, 1, 0]);
        if commit == 0 {
            heads.bytes(b"t");
        }
        // A stub without dependencies: seq, start op and count 1.
        heads.raw(&[3, 0, 1, 1, 1]);
    }
    out.bytes(heads.as_slice());
    out.raw(&vec![2; real * 48]);
    out.finish()
}
