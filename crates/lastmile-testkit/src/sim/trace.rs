//! What happened, as a hash that two runs of one seed must share, and as lines for whoever looks into a failure.

use std::collections::VecDeque;

use sha2::{Digest as _, Sha256};

/// How many lines a failure shows.
const SHOWN: usize = 400;

#[derive(Default)]
pub struct Trace {
    hash: Sha256,
    lines: VecDeque<String>,
}

impl Trace {
    pub fn line(&mut self, text: String) {
        self.hash.update(text.as_bytes());
        self.hash.update([0]);
        if self.lines.len() == SHOWN {
            self.lines.pop_front();
        }
        self.lines.push_back(text);
    }

    pub fn finish(self) -> ([u8; 32], Vec<String>) {
        (self.hash.finalize().into(), self.lines.into())
    }
}
