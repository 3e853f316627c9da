//! How much one device may bring into one scope in a day.

use std::collections::HashMap;

use lastmile_model::{AuthorId, Scope, planted};

/// What was taken of a device in a scope on one day.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    day: i64,
    commits: u64,
    bytes: u64,
}

/// Counts what was taken, by the first author of a device; starts anew with each day and each start of the relay.
#[derive(Debug)]
pub(crate) struct Quota {
    commits: u64,
    bytes: u64,
    taken: HashMap<(Scope, AuthorId), Taken>,
}

const DAY_MS: i64 = 86_400_000;

impl Quota {
    pub fn new(commits: u64, bytes: u64) -> Self {
        Self { commits, bytes, taken: HashMap::new() }
    }

    /// Tells whether no more is taken today. Whoever was certified within a day brings a first import, which has no limit.
    pub fn is_used_up(&self, scope: &Scope, device: AuthorId, certified_ms: i64, now_ms: i64) -> bool {
        if now_ms.saturating_sub(certified_ms) < DAY_MS || planted!("no-daily-limit") {
            return false;
        }
        let taken = self.taken.get(&(scope.clone(), device)).copied().unwrap_or_default();
        taken.day == now_ms.div_euclid(DAY_MS) && (taken.commits >= self.commits || taken.bytes >= self.bytes)
    }

    pub fn took(&mut self, scope: &Scope, device: AuthorId, commits: u64, bytes: u64, now_ms: i64) {
        let day = now_ms.div_euclid(DAY_MS);
        if self.taken.len() > 100_000 {
            self.taken.retain(|_, taken| taken.day == day);
        }
        let taken = self.taken.entry((scope.clone(), device)).or_default();
        if taken.day != day {
            *taken = Taken { day, ..Taken::default() };
        }
        taken.commits = taken.commits.saturating_add(commits);
        taken.bytes = taken.bytes.saturating_add(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_its_limit_and_the_next_its_own() {
        let scope = Scope::community("430103005010").unwrap();
        let author = AuthorId([1; 16]);
        let mut quota = Quota::new(10, 1000);
        let day = |number: i64| number * DAY_MS;
        quota.took(&scope, author, 9, 10, day(5));
        assert!(!quota.is_used_up(&scope, author, 0, day(5)));
        quota.took(&scope, author, 1, 10, day(5));
        assert!(quota.is_used_up(&scope, author, 0, day(5) + 7));
        assert!(!quota.is_used_up(&scope, author, day(5), day(5) + 7), "a first import has no limit");
        assert!(!quota.is_used_up(&scope, author, 0, day(6)));
        assert!(!quota.is_used_up(&scope, AuthorId([2; 16]), 0, day(5)));
    }
}
