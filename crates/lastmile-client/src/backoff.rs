//! How long to wait before trying again.

use std::time::Duration;

/// Doubles from one second to half a minute, with jitter so that devices do not come all at once.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    most: Duration,
    tries: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_secs(1), Duration::from_secs(30))
    }
}

impl Backoff {
    /// Starts at `base` and never exceeds `most`.
    #[must_use]
    pub const fn new(base: Duration, most: Duration) -> Self {
        Self { base, most, tries: 0 }
    }

    /// Begins anew after a success or when a path appears.
    pub const fn reset(&mut self) {
        self.tries = 0;
    }

    /// The next wait: between half and the whole of the doubled time, by a random number from 0 to `u16::MAX`.
    pub fn next(&mut self, random: u16) -> Duration {
        let doubled = self.base.saturating_mul(1u32 << self.tries.min(20)).min(self.most);
        self.tries = self.tries.saturating_add(1);
        let half = doubled / 2;
        half.saturating_add(half.mul_f64(f64::from(random) / f64::from(u16::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_with_jitter_up_to_a_limit() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
        assert_eq!(backoff.next(u16::MAX), Duration::from_secs(1));
        assert_eq!(backoff.next(0), Duration::from_secs(1));
        assert_eq!(backoff.next(u16::MAX), Duration::from_secs(4));
        for _ in 0..40 {
            assert!(backoff.next(u16::MAX) <= Duration::from_secs(10));
        }
        backoff.reset();
        assert!(backoff.next(u16::MAX) <= Duration::from_secs(1));
    }
}
