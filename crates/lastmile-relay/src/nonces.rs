//! Nonces of signed requests that were seen.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

use lastmile_model::AuthorId;
use lastmile_protocol::limits::AUTH_WINDOW_MS;

/// The most requests that are remembered: of a thousand devices a second, or of forty that use up what a device may ask. Some 100 MB.
const MOST: usize = 1 << 20;

/// The most enrolments that are remembered. Of a full table nobody is shut out: an enrolment that comes again does nothing.
const MOST_ENROLMENTS: usize = 1 << 16;

/// Nonces that end within so many milliseconds of one another are forgotten together.
const TOGETHER_MS: i64 = 10_000;

/// What became of a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It is new.
    First,
    /// It was seen before.
    Repeated,
    /// Too many are remembered already.
    Full,
}

type Key = (AuthorId, [u8; 16]);

#[derive(Debug, Default)]
struct Inner {
    known: HashSet<Key>,
    /// By the time, in steps, at which their signature counts no more.
    ends: BTreeMap<i64, Vec<Key>>,
}

/// The nonces of the time in which a signature counts.
#[derive(Debug)]
pub(crate) struct Nonces {
    most: usize,
    inner: Mutex<Inner>,
}

impl Nonces {
    /// For one way of asking. Each has its own, so that none is closed by what comes another way.
    pub fn of_devices() -> Self {
        Self { most: MOST, inner: Mutex::default() }
    }

    /// For enrolments.
    pub fn of_enrolments() -> Self {
        Self { most: MOST_ENROLMENTS, inner: Mutex::default() }
    }

    /// Whether a nonce was seen, so that a copy of a request costs its author nothing.
    pub fn knows(&self, author: AuthorId, nonce: [u8; 16]) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).known.contains(&(author, nonce))
    }

    /// Takes note of a nonce whose signature, made for this time, was verified.
    pub fn see(&self, author: AuthorId, nonce: [u8; 16], made_ms: i64, now_ms: i64) -> Seen {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // A signature counts for ten minutes after the time that it was made for.
        while let Some(first) = inner.ends.first_entry()
            && first.key().saturating_mul(TOGETHER_MS) < now_ms
        {
            for key in first.remove() {
                inner.known.remove(&key);
            }
        }
        if inner.known.contains(&(author, nonce)) {
            return Seen::Repeated;
        }
        if inner.known.len() >= self.most {
            return Seen::Full;
        }
        inner.known.insert((author, nonce));
        let end = made_ms.saturating_add(AUTH_WINDOW_MS).div_euclid(TOGETHER_MS).saturating_add(1);
        inner.ends.entry(end).or_default().push((author, nonce));
        Seen::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_for_as_long_as_a_signature_counts() {
        let nonces = Nonces::of_devices();
        let author = AuthorId([1; 16]);
        assert_eq!(nonces.see(author, [1; 16], 0, 0), Seen::First);
        assert_eq!(nonces.see(author, [1; 16], 0, AUTH_WINDOW_MS), Seen::Repeated);
        assert_eq!(nonces.see(AuthorId([2; 16]), [1; 16], 0, 0), Seen::First);
        // Made for ten minutes ahead: it counts for twenty.
        assert_eq!(nonces.see(author, [2; 16], AUTH_WINDOW_MS, 0), Seen::First);
        assert_eq!(nonces.see(author, [2; 16], AUTH_WINDOW_MS, 2 * AUTH_WINDOW_MS), Seen::Repeated);
        assert_eq!(nonces.see(author, [1; 16], 0, 2 * AUTH_WINDOW_MS), Seen::First, "forgotten, as it counts no more");
        assert_eq!(nonces.see(author, [2; 16], AUTH_WINDOW_MS, 2 * AUTH_WINDOW_MS + 2 * TOGETHER_MS), Seen::First);
        assert!(nonces.inner.lock().unwrap().known.len() <= 2);
    }

    #[test]
    fn a_full_table_still_knows_what_it_holds() {
        let nonces = Nonces::of_enrolments();
        let nonce = |number: u32| {
            let mut nonce = [0; 16];
            nonce[..4].copy_from_slice(&number.to_be_bytes());
            nonce
        };
        for number in 0..1 << 16 {
            assert_eq!(nonces.see(AuthorId([1; 16]), nonce(number), 0, 0), Seen::First);
        }
        assert_eq!(nonces.see(AuthorId([1; 16]), nonce(1 << 16), 0, 0), Seen::Full);
        assert_eq!(nonces.see(AuthorId([1; 16]), nonce(7), 0, 0), Seen::Repeated);
        assert_eq!(nonces.see(AuthorId([1; 16]), nonce(1 << 16), 0, 2 * AUTH_WINDOW_MS), Seen::First);
    }
}
