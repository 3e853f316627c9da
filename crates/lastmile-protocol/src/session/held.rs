//! A vector that remembers its digest.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use lastmile_log::{Entry, Vector};

/// A vector and, once asked for, its digest. Copies share the vector: a relay has a session for every device of a scope.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    vector: Arc<Vector>,
    digest: OnceLock<[u8; 32]>,
}

impl Held {
    pub(super) fn digest(&self) -> [u8; 32] {
        *self.digest.get_or_init(|| self.vector.digest())
    }

    pub(super) fn to_vector(&self) -> Vector {
        self.vector.as_ref().clone()
    }

    pub(super) fn set(&mut self, entry: Entry) {
        Arc::make_mut(&mut self.vector).insert(entry.segment, entry.seq, entry.chain);
        self.digest = OnceLock::new();
    }
}

impl From<Vector> for Held {
    fn from(vector: Vector) -> Self {
        Self::from(Arc::new(vector))
    }
}

impl From<Arc<Vector>> for Held {
    fn from(vector: Arc<Vector>) -> Self {
        Self { vector, digest: OnceLock::new() }
    }
}

impl Deref for Held {
    type Target = Vector;

    fn deref(&self) -> &Vector {
        &self.vector
    }
}
