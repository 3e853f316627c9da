//! The hybrid logical clock: milliseconds << 16 | counter. For display and sorting on screens; it decides nothing.

/// How far ahead of its own clock a replica follows another's.
pub const MAX_AHEAD_MS: i64 = 600_000;

/// Returns the next reading after `last` at this time of the device's clock.
#[must_use]
pub fn next(last: u64, now_ms: i64) -> u64 {
    let now = u64::try_from(now_ms).unwrap_or(0) << 16;
    now.max(last.saturating_add(1))
}

/// Returns the later of `last` and a reading seen from another, unless that one is too far ahead.
#[must_use]
pub fn adopt(last: u64, seen: u64, now_ms: i64) -> u64 {
    let limit = u64::try_from(now_ms.saturating_add(MAX_AHEAD_MS)).unwrap_or(0) << 16;
    if seen > limit { last } else { last.max(seen) }
}

/// Returns the milliseconds since 1970 of a reading.
#[must_use]
pub const fn millis(reading: u64) -> i64 {
    (reading >> 16).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_on_and_never_follows_a_sick_clock() {
        assert_eq!(millis(next(0, 5000)), 5000);
        assert_eq!(next(next(0, 5000), 1), (5000 << 16) + 1);
        assert_eq!(adopt(1, 5000 << 16, 5000), 5000 << 16);
        assert_eq!(adopt(1, (5001 + 600_000) << 16, 5000), 1);
    }
}
