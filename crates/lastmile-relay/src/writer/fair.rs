//! Whose turn it is: uploads line up by scope, and scopes take turns.
//!
//! A transaction takes the short uploads that wait, and one piece of those that bring much. So whoever brings little waits for one piece
//! at most, however much others bring, and whoever brings much goes on with every transaction.

use std::collections::{BTreeSet, HashMap, VecDeque};

use lastmile_log::Certificate;
use lastmile_model::Scope;
use lastmile_protocol::{BatchOutcome, Code, IncomingBatch, Stored};
use lastmile_store::Store;
use tokio::sync::oneshot;

use super::{Brought, Upload};
use crate::rates::Payer;

/// The longest upload that counts as short, in bytes of batches.
const SHORT: usize = 64 << 10;

/// How much of long uploads one transaction takes, in bytes of batches; a batch is taken whole.
pub(super) const PIECE: usize = 512 << 10;

/// The most uploads, and bytes of batches, of short ones in one transaction.
const MOST_UPLOADS: usize = 256;
const MOST_BYTES: usize = 1 << 20;

/// So many bytes of batches may wait before no more is taken from the queue: whoever hung up has left its batches here.
const MOST_WAITING: usize = 32 << 20;

/// Things that take turns by scope.
#[derive(Debug)]
struct Lanes<T> {
    lanes: HashMap<Option<Scope>, VecDeque<T>>,
    /// The scopes that have something, whose turn is next first.
    turns: VecDeque<Option<Scope>>,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self { lanes: HashMap::new(), turns: VecDeque::new() }
    }
}

impl<T> Lanes<T> {
    fn add(&mut self, scope: Option<Scope>, one: T) {
        let lane = self.lanes.entry(scope.clone()).or_default();
        if lane.is_empty() {
            self.turns.push_back(scope);
        }
        lane.push_back(one);
    }

    fn next(&mut self) -> Option<T> {
        let scope = self.turns.pop_front()?;
        let lane = self.lanes.get_mut(&scope)?;
        let one = lane.pop_front();
        if lane.is_empty() {
            self.lanes.remove(&scope);
        } else {
            self.turns.push_back(scope);
        }
        one
    }

    fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

/// An upload on its way into the store, perhaps over several transactions.
#[derive(Debug)]
pub(super) struct Course {
    by: Payer,
    certificates: Vec<Certificate>,
    rest: VecDeque<IncomingBatch>,
    /// Bytes of batches that the present transaction takes.
    piece: usize,
    /// What became of the batches that were taken.
    outcomes: Vec<BatchOutcome>,
    /// The scopes that they concern.
    scopes: BTreeSet<Scope>,
    failed: Option<Code>,
    reply: oneshot::Sender<Result<Stored, Code>>,
}

/// What one transaction takes.
pub(super) type Pieces = Vec<Course>;

impl Course {
    fn new(upload: Upload) -> Self {
        let Upload { brought: Brought { by, certificates, batches }, reply } = upload;
        let scopes = batches.iter().map(|batch| batch.scope.clone()).collect();
        Self { by, certificates, rest: batches.into(), piece: 0, outcomes: Vec::new(), scopes, failed: None, reply }
    }

    fn scope(&self) -> Option<Scope> {
        self.rest.front().map(|batch| batch.scope.clone())
    }

    fn bytes(&self) -> usize {
        self.rest.iter().map(|batch| batch.packed.len()).sum()
    }

    /// Hands over what the present transaction takes of it.
    pub fn take(&mut self) -> Brought {
        let (mut batches, mut bytes) = (Vec::new(), 0usize);
        while bytes < self.piece
            && let Some(batch) = self.rest.pop_front()
        {
            bytes = bytes.saturating_add(batch.packed.len());
            batches.push(batch);
        }
        Brought { by: self.by, certificates: std::mem::take(&mut self.certificates), batches }
    }

    /// Notes what became of that.
    pub fn note(&mut self, stored: Result<Stored, Code>) {
        match stored {
            Ok(stored) => self.outcomes.extend(stored.outcomes),
            Err(code) => {
                self.failed = Some(code);
                self.rest.clear();
            }
        }
    }

    /// Whether there is more of it.
    pub fn is_unfinished(&self) -> bool {
        !self.rest.is_empty()
    }

    /// The answer to it as a whole, and who waits for it.
    pub fn over(self, store: &Store) -> (Result<Stored, Code>, oneshot::Sender<Result<Stored, Code>>) {
        let answer = match self.failed {
            Some(code) => Err(code),
            None => {
                let vectors = self.scopes.into_iter().map(|scope| (scope.clone(), store.vector(&scope)));
                Ok(Stored { outcomes: self.outcomes, vectors: vectors.collect() })
            }
        };
        (answer, self.reply)
    }
}

/// The uploads that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    short: Lanes<Course>,
    long: Lanes<Course>,
    /// Bytes of batches in both.
    bytes: usize,
}

impl Waiting {
    /// Lines an upload up.
    pub fn add(&mut self, upload: Upload) {
        self.add_again(Course::new(upload));
    }

    /// Lines up what is left of one.
    pub fn add_again(&mut self, course: Course) {
        let lanes =
            if course.bytes() <= SHORT && course.outcomes.is_empty() { &mut self.short } else { &mut self.long };
        self.bytes = self.bytes.saturating_add(course.bytes());
        lanes.add(course.scope(), course);
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.short.is_empty() && self.long.is_empty()
    }

    /// Whether so much waits that no more should.
    pub const fn is_full(&self) -> bool {
        self.bytes >= MOST_WAITING
    }

    /// What the next transaction takes.
    pub fn next_pieces(&mut self) -> Pieces {
        let (mut pieces, mut bytes) = (Vec::new(), 0usize);
        while pieces.len() < MOST_UPLOADS
            && bytes < MOST_BYTES
            && let Some(mut course) = self.short.next()
        {
            // All of it, be it nothing but certificates.
            course.piece = usize::MAX;
            bytes = bytes.saturating_add(course.bytes());
            pieces.push(course);
        }
        let mut left = PIECE;
        while left > 0
            && let Some(mut course) = self.long.next()
        {
            course.piece = left;
            left = left.saturating_sub(course.bytes());
            pieces.push(course);
        }
        self.bytes = self.bytes.saturating_sub(pieces.iter().map(Course::bytes).sum());
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_take_turns_whoever_came_first() {
        let [one, two] = ["430103005010", "430104008008"].map(|code| Some(Scope::community(code).unwrap()));
        let mut lanes = Lanes::default();
        for number in 0..4 {
            lanes.add(one.clone(), number);
        }
        lanes.add(two.clone(), 10);
        lanes.add(None, 20);
        lanes.add(two, 11);
        let order: Vec<i32> = std::iter::from_fn(|| lanes.next()).collect();
        assert_eq!(order, [0, 10, 20, 1, 11, 2, 3]);
        assert!(lanes.is_empty() && lanes.lanes.is_empty());
    }
}
