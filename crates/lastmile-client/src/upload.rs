//! How much of an upload goes into one request: as much as the path was found to carry.

/// The least that a request may bring, in bytes of batches.
const LEAST: u64 = 32 << 10;

/// The most that a request may bring; a relay's credit may allow less.
const MOST: u64 = 4 << 20;

/// The bytes of batches that one request may bring.
///
/// A request counts only when it arrives whole. Over a path that cuts it each time nothing would ever arrive, so each cut halves what
/// the next request brings, and each that passes doubles it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UploadBudget(u64);

impl UploadBudget {
    /// The budget as it was kept, or the whole.
    pub(crate) fn restore(kept: Option<Vec<u8>>) -> Self {
        let bytes = kept.and_then(|bytes| bytes.try_into().ok()).map_or(MOST, u64::from_be_bytes);
        Self(bytes.clamp(LEAST, MOST))
    }

    /// How many bytes of batches a request may bring.
    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }

    /// A request of this length arrived and was answered. A short one says nothing of longer ones.
    pub(crate) fn passed(&mut self, length: u64) {
        if length >= self.0 / 2 {
            self.0 = self.0.saturating_mul(2).min(MOST);
        }
    }

    /// A request of this length was cut on its way.
    pub(crate) fn broke(&mut self, length: u64) {
        if length > LEAST {
            self.0 = (self.0.min(length) / 2).max(LEAST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_when_cut_and_grows_again() {
        let mut budget = UploadBudget::restore(None);
        assert_eq!(budget.bytes(), MOST);
        budget.broke(1 << 20);
        assert_eq!(budget.bytes(), 512 << 10, "half of what was sent, not of what was allowed");
        for _ in 0..10 {
            budget.broke(1 << 20);
        }
        assert_eq!(budget.bytes(), LEAST);
        budget.broke(700);
        budget.passed(700);
        assert_eq!(budget.bytes(), LEAST, "a short request says nothing");
        budget.passed(LEAST);
        assert_eq!(budget.bytes(), 2 * LEAST);
        let kept = UploadBudget::restore(Some(budget.bytes().to_be_bytes().to_vec()));
        assert_eq!(kept, budget);
        for _ in 0..20 {
            budget.passed(MOST);
        }
        assert_eq!(budget.bytes(), MOST);
        assert_eq!(UploadBudget::restore(Some(vec![0; 8])).bytes(), LEAST);
        assert_eq!(UploadBudget::restore(Some(vec![0; 3])).bytes(), MOST);
    }
}
