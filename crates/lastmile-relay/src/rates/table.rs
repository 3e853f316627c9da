//! A table of token buckets that is bounded itself.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use super::Allowance;

/// The most accounts that are kept: some megabytes.
const MOST: usize = 1 << 16;

/// The time in which an empty bucket fills.
const MINUTE: f64 = 60_000.0;

/// A bucket that was overdrawn opens again when this part of it is free, so that it does not open and shut with every request.
const FREE: f64 = 0.1;

/// The longest and the shortest time for which somebody is sent away, in milliseconds.
const LONGEST: f64 = 600_000.0;
const SHORTEST: f64 = 1_000.0;

/// What something takes out of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cost {
    pub requests: u64,
    pub bytes: u64,
    pub cpu: Duration,
}

impl Cost {
    /// One request, of which nothing else is known yet.
    pub const REQUEST: Self = Self { requests: 1, bytes: 0, cpu: Duration::ZERO };

    pub const fn of_cpu(cpu: Duration) -> Self {
        Self { requests: 0, bytes: 0, cpu }
    }

    fn parts(self) -> [f64; 3] {
        [self.requests as f64, self.bytes as f64, self.cpu.as_secs_f64()]
    }
}

/// What was taken out of a bucket and has not come back yet.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    parts: [f64; 3],
    at_ms: i64,
}

/// Buckets by whose they are. Outsiders choose the keys: std's keyed hasher, and no order of it matters.
#[derive(Debug)]
pub(crate) struct Table<K> {
    allowed: [f64; 3],
    most: usize,
    used: HashMap<K, Used>,
}

impl<K: Hash + Eq + Copy> Table<K> {
    pub fn new(allowance: Allowance) -> Self {
        let allowed = [allowance.requests as f64, allowance.bytes as f64, allowance.cpu.as_secs_f64()];
        Self { allowed, most: MOST, used: HashMap::new() }
    }

    /// What is used of a bucket by now.
    fn now(&self, used: Used, now_ms: i64) -> Used {
        // A clock that was set back gives nothing, and takes nothing.
        let passed = now_ms.saturating_sub(used.at_ms).max(0) as f64 / MINUTE;
        let mut parts = used.parts;
        for (part, allowed) in parts.iter_mut().zip(self.allowed) {
            *part = (*part - passed * allowed).max(0.0);
        }
        Used { parts, at_ms: now_ms }
    }

    /// For how long a bucket does not give this; `None` if it does.
    fn shut(&self, used: &Used, cost: Cost) -> Option<u64> {
        let shut = used.parts.iter().zip(cost.parts()).zip(self.allowed).filter_map(|((used, cost), allowed)| {
            // What is as large as the whole bucket passes when it is full, or it never would.
            let over = if cost > 0.0 { used + cost > allowed && *used > 0.0 } else { *used >= allowed };
            let wait = (used + cost.min(allowed) - allowed * (1.0 - FREE)).max(0.0) / allowed * MINUTE;
            over.then(|| wait.clamp(SHORTEST, LONGEST))
        });
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between a second and ten minutes")]
        shut.max_by(f64::total_cmp).map(|wait| wait.round() as u64)
    }

    /// Takes this out of a bucket, or tells for how many milliseconds it is shut.
    pub fn take(&mut self, who: K, cost: Cost, now_ms: i64) -> Result<(), u64> {
        let used = self.now(self.used.get(&who).copied().unwrap_or_default(), now_ms);
        match self.shut(&used, cost) {
            Some(wait) => Err(wait),
            None => {
                self.keep(who, used, cost);
                Ok(())
            }
        }
    }

    /// Tells for how many milliseconds a bucket is shut, if it is.
    pub fn look(&self, who: K, now_ms: i64) -> Result<(), u64> {
        let used = self.now(self.used.get(&who).copied().unwrap_or_default(), now_ms);
        self.shut(&used, Cost::REQUEST).map_or(Ok(()), Err)
    }

    /// Takes this out of a bucket, whatever it holds.
    pub fn charge(&mut self, who: K, cost: Cost, now_ms: i64) {
        let used = self.now(self.used.get(&who).copied().unwrap_or_default(), now_ms);
        self.keep(who, used, cost);
    }

    fn keep(&mut self, who: K, mut used: Used, cost: Cost) {
        for (part, cost) in used.parts.iter_mut().zip(cost.parts()) {
            *part += cost;
        }
        if self.used.len() >= self.most && !self.used.contains_key(&who) {
            self.make_room(used.at_ms);
        }
        self.used.insert(who, used);
    }

    /// Forgets whoever has been at rest for a minute; of a crowd that never rests, the half that uses least.
    fn make_room(&mut self, now_ms: i64) {
        let mut used = std::mem::take(&mut self.used);
        used.retain(|_, one| now_ms.saturating_sub(one.at_ms) < 60_000 || self.now(*one, now_ms).parts != [0.0; 3]);
        if used.len() > self.most / 2 {
            let share = |one: &Used| {
                let parts = self.now(*one, now_ms).parts;
                parts.iter().zip(self.allowed).map(|(part, allowed)| part / allowed).fold(0.0, f64::max)
            };
            let mut shares: Vec<f64> = used.values().map(share).collect();
            shares.sort_by(f64::total_cmp);
            let middle = shares.get(shares.len() / 2).copied().unwrap_or_default();
            used.retain(|_, one| share(one) > middle);
        }
        self.used = used;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(requests: u64, bytes: u64, cpu: Duration) -> Table<u32> {
        Table::new(Allowance { requests, bytes, cpu })
    }

    fn bytes(bytes: u64) -> Cost {
        Cost { bytes, ..Cost::default() }
    }

    #[test]
    fn a_minutes_allowance_may_come_at_once_and_comes_back_evenly() {
        let mut table = table(60, u64::MAX, Duration::MAX);
        for _ in 0..60 {
            assert_eq!(table.take(1, Cost::REQUEST, 0), Ok(()));
        }
        let wait = table.take(1, Cost::REQUEST, 0).unwrap_err();
        assert_eq!(wait, 7_000, "until a tenth is free");
        assert_eq!(table.take(2, Cost::REQUEST, 0), Ok(()), "others are not concerned");
        assert_eq!(table.take(1, Cost::REQUEST, 1_000), Ok(()), "one second, one request");
        assert!(table.take(1, Cost::REQUEST, 1_000).is_err());
        let after: Vec<_> = (0..61).map(|_| table.take(1, Cost::REQUEST, 120_000).is_ok()).collect();
        assert_eq!(after.iter().filter(|taken| **taken).count(), 60, "rest is not saved up beyond a minute");
    }

    #[test]
    fn what_was_spent_beyond_is_made_good_first() {
        let mut table = table(u64::MAX, 1_000, Duration::from_secs(6));
        table.charge(1, Cost::of_cpu(Duration::from_secs(12)), 0);
        assert_eq!(table.take(1, Cost::REQUEST, 0).unwrap_err(), 66_000);
        assert!(table.look(1, 59_000).is_err());
        assert_eq!(table.take(1, Cost::REQUEST, 66_000), Ok(()));
        table.charge(2, bytes(900), 0);
        assert_eq!(table.take(2, Cost::REQUEST, 0), Ok(()));
        assert!(table.take(2, bytes(200), 0).is_err());
        assert_eq!(table.take(3, bytes(5_000), 0), Ok(()), "what is larger than a bucket passes a full one");
        assert!(table.take(3, Cost::REQUEST, 60_000).is_err());
    }

    #[test]
    fn a_clock_that_is_set_back_opens_and_shuts_nothing() {
        let mut table = table(2, u64::MAX, Duration::MAX);
        assert_eq!(table.take(1, Cost::REQUEST, 1_000_000), Ok(()));
        assert_eq!(table.take(1, Cost::REQUEST, 0), Ok(()));
        assert!(table.take(1, Cost::REQUEST, 0).is_err());
        assert_eq!(table.take(1, Cost::REQUEST, 60_000), Ok(()));
    }

    #[test]
    fn the_table_is_bounded_and_forgets_those_first_who_use_least() {
        let mut table = table(10, u64::MAX, Duration::MAX);
        table.most = 100;
        for _ in 0..10 {
            table.take(0, Cost::REQUEST, 0).unwrap();
        }
        for other in 1..5_000 {
            table.take(other, Cost::REQUEST, 0).unwrap();
            assert!(table.used.len() <= 100);
        }
        assert!(table.take(0, Cost::REQUEST, 0).is_err(), "the greedy one is remembered");
        table.take(9_999, Cost::REQUEST, 120_000).unwrap();
        for other in 10_000..10_099 {
            table.take(other, Cost::REQUEST, 120_000).unwrap();
        }
        assert!(!table.used.contains_key(&0), "who has been at rest is forgotten");
    }
}
