//! Mutation of bytes, numbers and texts, biased towards what breaks readers.

use rand::Rng;
use rand::seq::IndexedRandom;
pub use rand_chacha::ChaCha8Rng as Random;

/// Numbers at which readers change their mind.
pub fn number(rng: &mut Random) -> u64 {
    const EDGES: [u64; 26] = [
        0,
        1,
        2,
        15,
        16,
        17,
        63,
        64,
        127,
        128,
        255,
        256,
        257,
        4095,
        4096,
        8192,
        16_383,
        16_384,
        65_535,
        65_536,
        (1 << 24) + 1,
        u32::MAX as u64,
        1 << 32,
        1 << 40,
        i64::MAX as u64,
        u64::MAX,
    ];
    let edge = *EDGES.choose(rng).unwrap();
    match rng.random_range(0..6) {
        0 => edge.wrapping_add(1),
        1 => edge.wrapping_sub(1),
        2 => rng.random_range(0..300),
        _ => edge,
    }
}

/// Signed numbers at edges.
pub fn signed_number(rng: &mut Random) -> i64 {
    let number = number(rng).cast_signed();
    if rng.random_bool(0.4) { number.wrapping_neg() } else { number }
}

/// Appends a LEB128 number, now and then longer than it needs to be.
pub fn leb(out: &mut Vec<u8>, mut number: u64, rng: &mut Random) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    if rng.random_bool(0.02) {
        out.extend([number as u8 | 0x80, 0]);
    } else {
        out.push(number as u8);
    }
}

/// Texts that readers, spreadsheets and terminals stumble over.
pub fn text(rng: &mut Random) -> String {
    const PIECES: [&str; 42] = [
        "",
        " ",
        "a",
        "清洁日",
        "\u{0}",
        "\u{7f}",
        "\u{200b}",
        "\u{202e}",
        "\u{feff}",
        "e\u{301}",
        "\u{fffd}",
        "ﷺ",
        "👩‍👩‍👧",
        "=1+1",
        "+",
        "-",
        "@SUM(A1)",
        "\t",
        "\r",
        "\n",
        "\r\n",
        "\"",
        "'",
        ",",
        "，",
        ";",
        "/",
        "ev/",
        "tags/",
        "../",
        "０１２３",
        "１２",
        "2025-02-30",
        "2026年3月5日",
        "24:00",
        "430103005010",
        "11010519491231002X",
        "13800138000",
        "1e308",
        "-0",
        "NaN",
        "true",
    ];
    let mut text = String::new();
    for _ in 0..*[1, 1, 1, 2, 3, 8].choose(rng).unwrap() {
        text.push_str(PIECES.choose(rng).unwrap());
    }
    if rng.random_bool(0.01) {
        text = text.repeat(rng.random_range(1..400));
    }
    text
}

/// Changes some bytes: bits, bytes, runs, and numbers at edges.
pub fn bytes(data: &mut Vec<u8>, rng: &mut Random) {
    for _ in 0..*[1, 1, 1, 2, 3].choose(rng).unwrap() {
        if data.is_empty() {
            data.extend((0..rng.random_range(1..24)).map(|_| rng.random::<u8>()));
            continue;
        }
        let at = rng.random_range(0..data.len());
        match rng.random_range(0..12) {
            0..3 => data[at] ^= 1 << rng.random_range(0..8),
            3 => data[at] = *[0, 1, 0x7f, 0x80, 0xff, 2, 0x40, 0x3f].choose(rng).unwrap(),
            4 => data[at] = data[at].wrapping_add(*[1, 255, 2, 128].choose(rng).unwrap()),
            5 => data.insert(at, rng.random()),
            6 => {
                let to = rng.random_range(at..data.len().min(at + 9));
                data.drain(at..to);
            }
            7 => data.truncate(at),
            8 => {
                let to = rng.random_range(at..data.len().min(at + 33));
                let copied = data[at..to].to_vec();
                let place = rng.random_range(0..=data.len());
                data.splice(place..place, copied);
            }
            9 => {
                let mut edge = Vec::new();
                leb(&mut edge, number(rng), rng);
                let to = (at + rng.random_range(0..3)).min(data.len());
                data.splice(at..to, edge);
            }
            10 => {
                let run = vec![data[at]; *[2, 16, 300].choose(rng).unwrap()];
                data.splice(at..at, run);
            }
            _ => {
                let other = rng.random_range(0..data.len());
                data.swap(at, other);
            }
        }
    }
}

/// Pure noise, small numbers more often than not.
pub fn noise(rng: &mut Random) -> Vec<u8> {
    let len = rng.random_range(0..120);
    (0..len).map(|_| if rng.random_bool(0.5) { rng.random_range(0..4) } else { rng.random() }).collect()
}

/// Splits a list of things that stand with a two-byte length in front each.
pub fn split(data: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let mut rest = data;
    while let Some((length, after)) = rest.split_first_chunk() {
        let (part, after) = after.split_at(usize::from(u16::from_le_bytes(*length)).min(after.len()));
        parts.push(part.to_vec());
        rest = after;
    }
    parts
}

/// Puts a list of things together again.
pub fn join(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut data = Vec::new();
    for part in parts {
        let part = &part[..part.len().min(0xffff)];
        data.extend(u16::try_from(part.len()).unwrap().to_le_bytes());
        data.extend(part);
    }
    data
}

/// Does one thing to the order of a list: one more, one less, two exchanged.
pub fn shuffle(parts: &mut Vec<Vec<u8>>, rng: &mut Random) {
    if parts.is_empty() {
        return;
    }
    let at = rng.random_range(0..parts.len());
    let other = rng.random_range(0..parts.len());
    match rng.random_range(0..3) {
        0 => parts.insert(other, parts[at].clone()),
        1 => drop(parts.remove(at)),
        _ => parts.swap(at, other),
    }
}
