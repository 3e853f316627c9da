//! Cells as a digest reads them: kind, length, content.

use sha2::{Digest, Sha256};

use crate::storage::Cell;

/// Adds a cell so that no two different rows hash alike.
pub(crate) fn hash_cell(hash: &mut Sha256, cell: &Cell<'_>) {
    match cell {
        Cell::Null => hash.update([0]),
        Cell::Int(number) => {
            hash.update([1]);
            hash.update(number.to_be_bytes());
        }
        Cell::Text(text) => {
            hash.update([2]);
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        Cell::Blob(bytes) => {
            hash.update([3]);
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
    }
}
