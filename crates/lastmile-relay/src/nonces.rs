//! Nonces of signed requests that were seen.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use lastmile_model::AuthorId;
use lastmile_protocol::limits::AUTH_WINDOW_MS;

/// The most requests that are remembered.
const MOST: usize = 1 << 18;

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
    order: VecDeque<(i64, Key)>,
}

/// The nonces of the time in which a signature counts.
#[derive(Debug, Default)]
pub(crate) struct Nonces(Mutex<Inner>);

impl Nonces {
    /// Takes note of a nonce whose signature was verified.
    pub fn see(&self, author: AuthorId, nonce: [u8; 16], now_ms: i64) -> Seen {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A signature may be made for ten minutes ahead, so it counts for up to twenty.
        while let Some((seen, key)) = inner.order.front().copied()
            && now_ms.saturating_sub(seen) > 2 * AUTH_WINDOW_MS
        {
            inner.order.pop_front();
            inner.known.remove(&key);
        }
        if inner.known.contains(&(author, nonce)) {
            return Seen::Repeated;
        }
        if inner.known.len() >= MOST {
            return Seen::Full;
        }
        inner.known.insert((author, nonce));
        inner.order.push_back((now_ms, (author, nonce)));
        Seen::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_for_as_long_as_a_signature_counts() {
        let nonces = Nonces::default();
        let author = AuthorId([1; 16]);
        assert_eq!(nonces.see(author, [1; 16], 0), Seen::First);
        assert_eq!(nonces.see(author, [1; 16], 2 * AUTH_WINDOW_MS), Seen::Repeated);
        assert_eq!(nonces.see(AuthorId([2; 16]), [1; 16], 0), Seen::First);
        assert_eq!(nonces.see(author, [1; 16], 2 * AUTH_WINDOW_MS + 1), Seen::First);
    }
}
