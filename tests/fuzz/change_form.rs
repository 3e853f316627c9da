//! Changes taken apart byte for byte, so that they may be wrong in any way and still have a right length and checksum.

use lastmile_crdt::{Action, Change, Op, OpId, encode};
use lastmile_log::sha256;
use lastmile_model::{AuthorId, Value};
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::mutate::{self, Random, leb, number, signed_number};

/// The parts of a change as they stand in its body.
#[derive(Debug, Clone, Default)]
pub struct Raw {
    pub kind: u8,
    pub deps: Vec<[u8; 32]>,
    pub actor: Vec<u8>,
    pub seq: u64,
    pub start_op: u64,
    pub time: i64,
    pub message: Vec<u8>,
    pub others: Vec<Vec<u8>>,
    pub columns: Vec<(u64, Vec<u8>)>,
    pub extra: Vec<u8>,
}

/// Reads what a body holds, as forgivingly as can be.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let mut number = 0i64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= i64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let signed = byte & 0x40 != 0 && shift < 57;
                return Some(if signed { number | -1 << (shift + 7) } else { number });
            }
        }
        None
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn prefixed(&mut self) -> Option<Vec<u8>> {
        let length = self.number()?;
        self.take(length).map(<[u8]>::to_vec)
    }
}

impl Raw {
    /// Takes a chunk apart.
    pub fn parse(chunk: &[u8]) -> Option<Self> {
        let mut parts = Parts(chunk.get(9..)?);
        let kind = chunk[8];
        let length = parts.number()?;
        let mut parts = Parts(parts.take(length)?);
        let count = parts.number()?.min(300);
        let deps = (0..count).map(|_| parts.take(32)?.try_into().ok()).collect::<Option<_>>()?;
        let actor = parts.prefixed()?;
        let (seq, start_op, time, message) = (parts.number()?, parts.number()?, parts.signed()?, parts.prefixed()?);
        let count = parts.number()?.min(300);
        let others = (0..count).map(|_| parts.prefixed()).collect::<Option<_>>()?;
        let count = parts.number()?.min(64);
        let heads: Vec<(u64, u64)> =
            (0..count).map(|_| Some((parts.number()?, parts.number()?))).collect::<Option<_>>()?;
        let columns = heads
            .into_iter()
            .map(|(spec, length)| Some((spec, parts.take(length)?.to_vec())))
            .collect::<Option<_>>()?;
        let extra = parts.0.to_vec();
        Some(Self { kind, deps, actor, seq, start_op, time, message, others, columns, extra })
    }

    fn body(&self, rng: &mut Random) -> Vec<u8> {
        let mut out = Vec::new();
        leb(&mut out, self.deps.len() as u64, rng);
        self.deps.iter().for_each(|dep| out.extend(dep));
        prefixed(&mut out, &self.actor);
        leb(&mut out, self.seq, rng);
        leb(&mut out, self.start_op, rng);
        signed(&mut out, self.time);
        prefixed(&mut out, &self.message);
        leb(&mut out, self.others.len() as u64, rng);
        self.others.iter().for_each(|actor| prefixed(&mut out, actor));
        leb(&mut out, self.columns.len() as u64, rng);
        for (spec, bytes) in &self.columns {
            leb(&mut out, *spec, rng);
            leb(&mut out, bytes.len() as u64, rng);
        }
        self.columns.iter().for_each(|(_, bytes)| out.extend(bytes));
        out.extend(&self.extra);
        out
    }

    /// Puts the chunk together, its length and checksum right.
    pub fn chunk(&self, rng: &mut Random) -> Vec<u8> {
        chunk(self.kind, &self.body(rng))
    }

    fn column(&mut self, spec: u64) -> &mut Vec<u8> {
        if let Some(place) = self.columns.iter().position(|(other, _)| *other == spec) {
            return &mut self.columns[place].1;
        }
        let place = self.columns.partition_point(|(other, _)| *other < spec);
        self.columns.insert(place, (spec, Vec::new()));
        &mut self.columns[place].1
    }

    /// Does one thing to one part.
    pub fn mutate(&mut self, rng: &mut Random) {
        match rng.random_range(0..24) {
            0 => self.seq = number(rng),
            1 => self.start_op = number(rng),
            2 => self.time = signed_number(rng),
            3 => mutate::bytes(&mut self.message, rng),
            4 => match rng.random_range(0..4) {
                0 => self.actor.truncate(rng.random_range(0..16)),
                1 => self.actor.push(7),
                2 => self.actor = vec![rng.random(); 16],
                _ => self.actor = vec![9; *[0, 1, 15, 17, 32, 64].choose(rng).unwrap()],
            },
            5 => match rng.random_range(0..4) {
                0 => self.deps.reverse(),
                1 => self.deps.push(rng.random()),
                2 => self.deps.extend(self.deps.clone()),
                _ => drop(self.deps.pop()),
            },
            6 => match rng.random_range(0..5) {
                0 => self.others.push(vec![rng.random(); 16]),
                1 => self.others.push(self.actor.clone()),
                2 => self.others.reverse(),
                3 => self.others.push(vec![3; rng.random_range(0..20)]),
                _ => drop(self.others.pop()),
            },
            7 => self.extra(rng),
            8 => self.kind = *[0, 1, 2, 3, 4, 255].choose(rng).unwrap(),
            9 => {
                // Columns of lists, marks, expansions and sidecars, and deflated ones.
                let spec = *[
                    0x01, 0x02, 0x11, 0x13, 0x15, 0x1d, 0x21, 0x23, 0x34, 0x3c, 0x5f, 0x6f, 0x76, 0x77, 0x80, 0x94,
                    0xa5,
                ]
                .choose(rng)
                .unwrap();
                mutate::bytes(self.column(spec), rng);
            }
            10 if !self.columns.is_empty() => {
                let at = rng.random_range(0..self.columns.len());
                match rng.random_range(0..5) {
                    0 => drop(self.columns.remove(at)),
                    1 => self.columns[at].0 ^= 8,
                    2 => self.columns[at].0 = number(rng),
                    3 => self.columns.push(self.columns[at].clone()),
                    _ => self.columns.reverse(),
                }
            }
            11 => self.bomb(rng),
            12..20 if !self.columns.is_empty() => {
                let at = rng.random_range(0..self.columns.len());
                let (spec, bytes) = &mut self.columns[at];
                if *spec != 0x57 && *spec != 0x15 && rng.random_bool(0.7) {
                    runs(bytes, rng);
                } else {
                    mutate::bytes(bytes, rng);
                }
            }
            _ if !self.columns.is_empty() => {
                let at = rng.random_range(0..self.columns.len());
                mutate::bytes(&mut self.columns[at].1, rng);
            }
            _ => self.time ^= 1,
        }
    }

    fn extra(&mut self, rng: &mut Random) {
        self.extra = match rng.random_range(0..7) {
            0 => Vec::new(),
            1 => [vec![0x53], vec![rng.random(); 16]].concat(),
            2 => [vec![0x53], vec![1; *[0, 15, 17].choose(rng).unwrap()]].concat(),
            3 => [vec![1], vec![rng.random(); rng.random_range(0..40)]].concat(),
            4 => vec![1, 16, 2, 3],
            _ => mutate::noise(rng),
        };
    }

    /// Columns that claim far more rows than they have bytes for.
    fn bomb(&mut self, rng: &mut Random) {
        let count = *[256, 257, 300, 8192, 8193, 1 << 20, 1 << 30, 1 << 62].choose(rng).unwrap();
        let run = |value: &[u8]| {
            let mut bytes = Vec::new();
            signed(&mut bytes, count);
            bytes.extend(value);
            bytes
        };
        match rng.random_range(0..4) {
            0 => {
                let mut insert = Vec::new();
                leb(&mut insert, count.unsigned_abs(), rng);
                *self.column(0x34) = insert;
                *self.column(0x15) = run(&[1, b'a']);
                *self.column(0x42) = run(&[1]);
                *self.column(0x56) = run(&[0]);
                *self.column(0x57) = Vec::new();
                *self.column(0x70) = run(&[0]);
                self.columns.retain(|(_, bytes)| !bytes.is_empty());
            }
            1 => {
                // Many predecessors of one operation, in a handful of bytes.
                self.start_op = self.start_op.max(u64::from(rng.random::<u16>()));
                *self.column(0x70) = run(&[1]);
                *self.column(0x71) = run(&[0]);
                *self.column(0x73) = run(&[1]);
            }
            2 => {
                let mut one = vec![0x7f];
                leb(&mut one, count.unsigned_abs(), rng);
                *self.column(0x70) = one;
                *self.column(0x71) = run(&[0]);
                *self.column(0x73) = run(&[1]);
            }
            _ => {
                let spec = *[0x15, 0x34, 0x42, 0x56, 0x70, 0x71, 0x73].choose(rng).unwrap();
                *self.column(spec) = run(&[1]);
            }
        }
    }
}

/// One part of a run-length column.
enum Part {
    Run(i64, u64),
    Literal(Vec<u64>),
    Null(u64),
}

/// Changes a run-length column part by part; one that does not read is changed as bytes.
fn runs(column: &mut Vec<u8>, rng: &mut Random) {
    let mut parts = Vec::new();
    let mut reader = Parts(column);
    let read = (|| {
        while !reader.0.is_empty() && parts.len() < 300 {
            parts.push(match reader.signed()? {
                0 => Part::Null(reader.number()?),
                count @ 1.. => Part::Run(count, reader.number()?),
                count => {
                    Part::Literal((0..count.unsigned_abs().min(300)).map(|_| reader.number()).collect::<Option<_>>()?)
                }
            });
        }
        Some(())
    })();
    if read.is_none() || parts.is_empty() {
        return mutate::bytes(column, rng);
    }
    let at = rng.random_range(0..parts.len());
    match rng.random_range(0..5) {
        0 => parts.insert(at, Part::Null(number(rng))),
        1 => parts.insert(at, Part::Run(signed_number(rng), rng.random_range(0..6))),
        2 => drop(parts.remove(at)),
        3 => parts.swap(at, rng.random_range(0..1 + at)),
        _ => match &mut parts[at] {
            Part::Run(count, _) if rng.random() => *count = signed_number(rng),
            Part::Run(_, value) | Part::Null(value) => *value = number(rng),
            Part::Literal(values) => {
                let place = rng.random_range(0..=values.len());
                match (rng.random_range(0..3), values.get_mut(place)) {
                    (0, Some(value)) => *value = number(rng),
                    (0 | 1, _) => values.insert(place, number(rng)),
                    _ => drop(values.pop()),
                }
            }
        },
    }
    column.clear();
    for part in parts {
        match part {
            Part::Null(count) => {
                column.push(0);
                leb(column, count, rng);
            }
            Part::Run(count, value) => {
                signed(column, count);
                leb(column, value, rng);
            }
            Part::Literal(values) => {
                signed(column, -i64::try_from(values.len()).unwrap());
                values.into_iter().for_each(|value| leb(column, value, rng));
            }
        }
    }
}

/// Wraps a body into a chunk with the right length and checksum.
pub fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut hashed = vec![kind];
    unsigned(&mut hashed, body.len() as u64);
    hashed.extend(body);
    let mut chunk = vec![0x85, 0x6f, 0x4a, 0x83];
    chunk.extend(&sha256(&hashed)[..4]);
    chunk.extend(hashed);
    chunk
}

fn unsigned(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn signed(out: &mut Vec<u8>, mut number: i64) {
    while !(-0x40..0x40).contains(&number) {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

fn prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    unsigned(out, bytes.len() as u64);
    out.extend(bytes);
}

/// Mutates the bytes of a change: mostly its parts with a right checksum, now and then its bytes as they are.
pub fn mutate(data: &[u8], rng: &mut Random) -> Vec<u8> {
    if rng.random_bool(0.1) {
        let mut bytes = data.to_vec();
        mutate::bytes(&mut bytes, rng);
        return bytes;
    }
    let decoded = lastmile_crdt::decode(data).ok();
    if let Some(mut change) = decoded.filter(|_| rng.random_bool(0.45)) {
        mutate_meaning(&mut change, &[], rng);
        if let Ok(encoded) = encode(&change.parts()) {
            return encoded.bytes;
        }
    }
    let Some(mut raw) = Raw::parse(data) else {
        let mut body = data.get(10..).unwrap_or(data).to_vec();
        mutate::bytes(&mut body, rng);
        return chunk(1, &body);
    };
    for _ in 0..*[1, 1, 1, 2, 3].choose(rng).unwrap() {
        raw.mutate(rng);
    }
    if rng.random_bool(0.1) {
        let mut body = raw.body(rng);
        mutate::bytes(&mut body, rng);
        return chunk(raw.kind, &body);
    }
    raw.chunk(rng)
}

/// Any value, odd ones more often than not.
pub fn value(rng: &mut Random) -> Value {
    match rng.random_range(0..12) {
        0 => Value::Null,
        1 => Value::Bool(rng.random()),
        2 | 3 => Value::Int(signed_number(rng)),
        4 => Value::Uint(number(rng)),
        5 => Value::F64(*[0, 1 << 63, 0x7ff0 << 48, 0x7ff8 << 48 | 1, u64::MAX, 0x3ff0 << 48].choose(rng).unwrap()),
        6 => Value::Bytes(vec![rng.random(); *[0, 1, 16, 17, 200].choose(rng).unwrap()]),
        7 => Value::Timestamp(signed_number(rng)),
        8 => Value::Counter(signed_number(rng)),
        9 => Value::Unknown { code: rng.random_range(10..16), bytes: mutate::noise(rng) },
        _ => Value::from(mutate::text(rng)),
    }
}

/// A key that a record may have, or one that looks like it.
pub fn key(rng: &mut Random) -> String {
    const KEYS: [&str; 14] = [
        "id",
        "type",
        "title",
        "note",
        "person",
        "status",
        "date",
        "tags/a",
        "tags/",
        "/",
        "beneficiaries",
        "schema_v",
        "phone/13800138000",
        "",
    ];
    match rng.random_range(0..8) {
        0 => mutate::text(rng),
        1 => format!(
            "ev/{:032x}/{}",
            rng.random_range(0..4),
            ["kind", "on", "at", "by", "why", "", "x/y"].choose(rng).unwrap()
        ),
        2 => format!("k{}", rng.random_range(0..300)),
        _ => (*KEYS.choose(rng).unwrap()).to_owned(),
    }
}

/// Does one thing to the meaning of a change; `others` are changes whose operations may be named.
pub fn mutate_meaning(change: &mut Change, others: &[Change], rng: &mut Random) {
    let place = rng.random_range(0..change.ops.len().max(1));
    match rng.random_range(0..16) {
        0 => change.time = signed_number(rng),
        1 => change.salt = rng.random_bool(0.5).then(|| rng.random()),
        2 => change.message = rng.random_bool(0.5).then(|| mutate::text(rng)),
        3 => change.seq = number(rng).min(u64::from(u32::MAX)),
        4 => change.start_op = number(rng).min(u64::from(u32::MAX)),
        5 => change.actor = AuthorId([rng.random_range(0..6); 16]),
        6 => {
            change.deps = others.iter().map(|other| other.hash).filter(|_| rng.random_bool(0.3)).collect();
            change.deps.sort_unstable();
        }
        7 if !change.ops.is_empty() => drop(change.ops.remove(place)),
        8 => {
            let count = *[1, 4, 60, 250].choose(rng).unwrap();
            for _ in 0..count {
                let action = Action::Set(value(rng));
                change.ops.push(Op { key: key(rng), action, pred: Vec::new() });
            }
        }
        9..12 if !change.ops.is_empty() => change.ops[place].action = Action::Set(value(rng)),
        12 if !change.ops.is_empty() => change.ops[place].key = key(rng),
        13 if !change.ops.is_empty() => change.ops[place].action = Action::Delete,
        _ if !change.ops.is_empty() => {
            let counter = rng.random_range(1..1 + change.start_op.clamp(1, 1 << 20));
            let mut pred = OpId { counter, actor: AuthorId([rng.random_range(0..6); 16]) };
            if let Some(other) = others.choose(rng) {
                pred = other.op_id(rng.random_range(0..other.ops.len().max(1)));
            }
            let preds = &mut change.ops[place].pred;
            if rng.random_bool(0.3) {
                preds.clear();
            } else {
                preds.push(pred);
            }
            preds.sort_unstable();
            preds.dedup();
        }
        _ => {}
    }
    let mut keys = std::collections::BTreeSet::new();
    change.ops.retain(|op| keys.insert(op.key.clone()));
}

/// The longest run that a run-length column claims.
pub fn largest_run(column: &[u8]) -> u64 {
    let mut reader = Parts(column);
    let mut largest = 0;
    // A column of another kind reads as nonsense here, which only makes the guess too high.
    while let Some(count) = reader.signed() {
        match count {
            0 => largest = largest.max(reader.number().unwrap_or(0)),
            1.. => {
                largest = largest.max(count.unsigned_abs());
                if reader.number().is_none() {
                    break;
                }
            }
            _ => {
                for _ in 0..count.unsigned_abs().min(300) {
                    largest = largest.max(reader.number().unwrap_or(0).min(1 << 20));
                }
            }
        }
    }
    largest
}
