//! The balance of what is held: every change is in exactly one state.

/// How many changes are held, by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Evaluated and shown.
    pub applied: u64,
    /// A dependency is unknown.
    pub waiting: u64,
    /// A verdict keeps them out of sight.
    pub quarantined: u64,
    /// Not accepted by this version.
    pub opaque: u64,
    /// Their bytes were erased.
    pub erased: u64,
    /// Arrived without a seal.
    pub pending: u64,
    /// Held, and not looked at by the views yet.
    pub unviewed: u64,
}

impl Counts {
    /// All changes held.
    #[must_use]
    pub const fn held(&self) -> u64 {
        self.applied + self.waiting + self.quarantined + self.opaque + self.erased + self.pending + self.unviewed
    }
}
