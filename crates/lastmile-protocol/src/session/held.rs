//! A vector that remembers its digest.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use lastmile_log::{Entry, Vector};

/// A vector and, once asked for, its digest. Copies share both: a relay has a session for every device of a scope.
#[derive(Debug, Clone, Default)]
pub struct Held(Arc<Inner>);

#[derive(Debug, Clone, Default)]
struct Inner {
    vector: Vector,
    digest: OnceLock<[u8; 32]>,
}

impl Held {
    /// The digest of the vector.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        *self.0.digest.get_or_init(|| self.0.vector.digest())
    }

    /// A copy of the vector.
    #[must_use]
    pub fn to_vector(&self) -> Vector {
        self.0.vector.clone()
    }

    pub(super) fn set(&mut self, entry: Entry) {
        let inner = Arc::make_mut(&mut self.0);
        inner.vector.insert(entry.segment, entry.seq, entry.chain);
        inner.digest = OnceLock::new();
    }
}

impl From<Vector> for Held {
    fn from(vector: Vector) -> Self {
        Self(Arc::new(Inner { vector, digest: OnceLock::new() }))
    }
}

impl Deref for Held {
    type Target = Vector;

    fn deref(&self) -> &Vector {
        &self.0.vector
    }
}
