//! The numbers of the packed layout.

/// The version of the packed form.
pub(super) const PACK_VERSION: u8 = 1;

/// Flag of a commit: a person acted.
pub(super) const ACTING: u8 = 1;
/// Flag of a commit: it is the person last named.
pub(super) const ACTING_SAME: u8 = 2;
/// Flag of a commit: the app version of the commit before.
pub(super) const APP_SAME: u8 = 4;
/// Flag of a commit: the schema version of the commit before.
pub(super) const SCHEMA_SAME: u8 = 8;
/// Flag of a commit: there is an extension.
pub(super) const EXTENSION: u8 = 16;
/// Every flag of a commit that this version knows.
pub(super) const KNOWN_FLAGS: u8 = 31;

/// Form of a change: a chunk without its front, from whose body the header follows.
pub(super) const PLAIN: u8 = 0;
/// Form of a change: a chunk without its front, and the header in full.
pub(super) const CHUNK: u8 = 1;
/// Form of a change: bytes of any kind, and the header in full.
pub(super) const OPAQUE: u8 = 2;
/// Form of a change: no bytes, the header in full with its hash.
pub(super) const STUB: u8 = 3;

/// The bits of a reading of the hybrid logical clock that count within a millisecond.
pub(super) const COUNTER_BITS: u32 = 16;
/// The highest counter.
pub(super) const MAX_COUNTER: u64 = (1 << COUNTER_BITS) - 1;

/// Finds where a body names a record.
pub(super) fn find_record(body: &[u8], record: &[u8; 16]) -> Option<usize> {
    let wanted = u128::from_ne_bytes(*record);
    body.windows(16).position(|window| <[u8; 16]>::try_from(window).is_ok_and(|id| u128::from_ne_bytes(id) == wanted))
}
