//! What devices were last seen to hold, so that one which says only digests is served at once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use lastmile_log::Vector;
use lastmile_model::{AuthorId, Scope};

/// The most entries of one vector, and of all together, that are remembered: about 12 MB.
const MOST_OF_ONE: usize = 1024;
const MOST: usize = 100_000;

/// The most devices whose last vector is remembered, each counted once for each of its scopes.
const MOST_DEVICES: usize = 50_000;

type Key = (Scope, [u8; 32]);

#[derive(Debug, Default)]
struct Inner {
    by_digest: HashMap<Key, Arc<Vector>>,
    /// The oldest first.
    order: VecDeque<Key>,
    entries: usize,
    by_device: HashMap<(Scope, AuthorId), Arc<Vector>>,
}

/// Vectors by scope and digest, and by scope and device. Forgetting one costs its device a round trip and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Vectors(Mutex<Inner>);

impl Vectors {
    /// Takes note of what a device said that it holds, or was seen to hold.
    pub fn note(&self, device: AuthorId, scope: Scope, vector: Vector) {
        if vector.len() > MOST_OF_ONE {
            return;
        }
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (scope.clone(), vector.digest());
        let vector = match inner.by_digest.get(&key) {
            Some(known) => Arc::clone(known),
            None => {
                let vector = Arc::new(vector);
                inner.entries = inner.entries.saturating_add(vector.len());
                inner.by_digest.insert(key.clone(), Arc::clone(&vector));
                inner.order.push_back(key);
                vector
            }
        };
        while inner.entries > MOST
            && let Some(oldest) = inner.order.pop_front()
            && let Some(gone) = inner.by_digest.remove(&oldest)
        {
            inner.entries = inner.entries.saturating_sub(gone.len());
            inner.by_device.retain(|_, kept| !Arc::ptr_eq(kept, &gone));
        }
        let device = (scope, device);
        if inner.by_device.len() < MOST_DEVICES || inner.by_device.contains_key(&device) {
            inner.by_device.insert(device, vector);
        }
    }

    /// What a device that says this digest holds; where nobody was seen to hold that, what the device itself held last.
    pub fn find(&self, device: AuthorId, scope: &Scope, digest: [u8; 32]) -> Option<Vector> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (scope.clone(), digest);
        let found = inner.by_digest.get(&key).or_else(|| inner.by_device.get(&(key.0, device)));
        found.map(|vector| vector.as_ref().clone())
    }
}

#[cfg(test)]
mod tests {
    use lastmile_log::Segment;
    use lastmile_model::ChainHash;

    use super::*;

    fn vector(entries: u64, chain: u8) -> Vector {
        let mut vector = Vector::default();
        for number in 0..entries {
            let mut author = [0; 16];
            author[..8].copy_from_slice(&number.to_be_bytes());
            vector.insert(Segment::trunk(AuthorId(author)), 1, ChainHash([chain; 32]));
        }
        vector
    }

    #[test]
    fn a_digest_comes_before_the_device_and_old_vectors_go() {
        let vectors = Vectors::default();
        let scope = Scope::community("430103005010").unwrap();
        let (one, other) = (AuthorId([1; 16]), AuthorId([2; 16]));
        let (first, second) = (vector(2, 1), vector(3, 2));
        vectors.note(one, scope.clone(), first.clone());
        vectors.note(other, scope.clone(), second.clone());
        assert_eq!(vectors.find(one, &scope, second.digest()), Some(second.clone()));
        assert_eq!(vectors.find(one, &scope, [0; 32]), Some(first.clone()), "what it held last");
        assert_eq!(vectors.find(AuthorId([3; 16]), &scope, [0; 32]), None);
        let city = "city:4301".parse::<Scope>().unwrap();
        assert_eq!(vectors.find(one, &city, second.digest()), None);

        vectors.note(one, scope.clone(), vector(1025, 3));
        assert_eq!(vectors.find(one, &scope, [0; 32]), Some(first.clone()), "one too large is not kept");
        for chain in 0..110 {
            vectors.note(other, city.clone(), vector(1000, chain));
        }
        assert_eq!(vectors.find(one, &scope, first.digest()), None);
        assert_eq!(vectors.find(other, &city, vector(1000, 109).digest()), Some(vector(1000, 109)));
        assert!(vectors.0.lock().unwrap().entries <= MOST);
    }
}
