//! Changes by hand, byte for byte, so that they may be wrong in any way.

use sha2::{Digest, Sha256};

/// The parts of a change as they will stand in the body.
#[derive(Debug, Clone)]
pub struct Raw {
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

impl Raw {
    /// One operation: `a` = 1.
    pub fn valid() -> Self {
        Self {
            deps: Vec::new(),
            actor: vec![7; 16],
            seq: 1,
            start_op: 1,
            time: 0,
            message: Vec::new(),
            others: Vec::new(),
            columns: vec![
                (0x15, vec![0x7f, 1, b'a']),
                (0x34, vec![1]),
                (0x42, vec![0x7f, 1]),
                (0x56, vec![0x7f, 0x14]),
                (0x57, vec![1]),
                (0x70, vec![0x7f, 0]),
            ],
            extra: Vec::new(),
        }
    }

    /// Replaces, adds or (with no bytes) removes a column.
    pub fn with(mut self, column: u64, bytes: &[u8]) -> Self {
        self.columns.retain(|(other, _)| *other != column);
        if !bytes.is_empty() {
            self.columns.push((column, bytes.to_vec()));
            self.columns.sort_by_key(|(column, _)| *column);
        }
        self
    }

    pub fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        unsigned(&mut body, self.deps.len() as u64);
        self.deps.iter().for_each(|dep| body.extend(dep));
        prefixed(&mut body, &self.actor);
        unsigned(&mut body, self.seq);
        unsigned(&mut body, self.start_op);
        signed(&mut body, self.time);
        prefixed(&mut body, &self.message);
        unsigned(&mut body, self.others.len() as u64);
        self.others.iter().for_each(|actor| prefixed(&mut body, actor));
        unsigned(&mut body, self.columns.len() as u64);
        for (column, bytes) in &self.columns {
            unsigned(&mut body, *column);
            unsigned(&mut body, bytes.len() as u64);
        }
        self.columns.iter().for_each(|(_, bytes)| body.extend(bytes));
        body.extend(&self.extra);
        body
    }

    pub fn chunk(&self) -> Vec<u8> {
        chunk(1, &self.body())
    }
}

/// Wraps a body into a chunk with the right length and checksum.
pub fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut hashed = vec![kind];
    unsigned(&mut hashed, body.len() as u64);
    hashed.extend(body);
    let mut chunk = vec![0x85, 0x6f, 0x4a, 0x83];
    chunk.extend(&Sha256::digest(&hashed)[..4]);
    chunk.extend(hashed);
    chunk
}

pub fn unsigned(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub fn signed(out: &mut Vec<u8>, mut number: i64) {
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

/// A run of equal rows.
pub fn run(count: i64, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    signed(&mut bytes, count);
    bytes.extend(value);
    bytes
}

/// An unsigned number as bytes.
pub fn number(number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    unsigned(&mut bytes, number);
    bytes
}
