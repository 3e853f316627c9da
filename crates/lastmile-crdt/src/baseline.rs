//! What the benchmark compares the codec with: the same changes taken in through Automerge documents.
//!
//! Only `lastmile bench` and tests use this module.

use automerge::{Automerge, LoadChangeError, ROOT, ReadDoc as _};

use crate::codec::decode;

/// Why a change could not be taken in through a document.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The codec does not accept it, so Automerge does not see it.
    #[error("the change is not accepted")]
    NotAccepted(#[source] crate::Malformed),
    /// Automerge does not read it.
    #[error("Automerge does not read the change")]
    Change(#[source] LoadChangeError),
    /// Automerge does not take it.
    #[error("Automerge does not take the change")]
    Automerge(#[from] automerge::AutomergeError),
}

/// Checks that Automerge may see these first changes: what follows then measures documents alone.
///
/// # Errors
/// [`BaselineError::NotAccepted`] for the first one that the codec does not accept.
pub fn accept(changes: &[&[u8]]) -> Result<(), BaselineError> {
    changes.iter().try_for_each(|bytes| decode(bytes).map(drop).map_err(BaselineError::NotAccepted))
}

/// Receives a record's first change, accepted before, as a program without the codec would: a new document takes it and every key is
/// read. Returns how many bytes of keys and values were read.
///
/// # Errors
/// When Automerge does not take the change.
pub fn receive(change: &[u8]) -> Result<usize, BaselineError> {
    let change = automerge::Change::try_from(change).map_err(BaselineError::Change)?;
    let mut document = Automerge::new();
    document.apply_changes([change])?;
    let mut read = 0;
    for item in document.map_range(ROOT, ..) {
        read += item.key.len() + item.value.into_value().as_str().map_or(8, str::len);
    }
    Ok(read)
}
