//! The hybrid logical clock: milliseconds since 1970 << 16 | counter. For display and for sorting on screens; it
//! decides nothing.

/// How far ahead of its own clock a replica follows another's, in milliseconds.
pub const MAX_AHEAD_MS: i64 = 600_000;

/// The bits of the counter.
const COUNTER_BITS: u32 = 16;
/// The latest millisecond that a reading can say.
const MAX_MILLIS: i64 = (1 << (u64::BITS - COUNTER_BITS)) - 1;

/// Returns the next reading after `last` at this time of the device's clock: later than `last` even when the clock was
/// set back.
#[must_use]
pub fn next(last: u64, now_ms: i64) -> u64 {
    reading(now_ms).max(last.saturating_add(1))
}

/// Returns the later of `last` and a reading seen from another, unless that one is more than [`MAX_AHEAD_MS`] ahead.
#[must_use]
pub fn adopt(last: u64, seen: u64, now_ms: i64) -> u64 {
    if millis(seen) > now_ms.saturating_add(MAX_AHEAD_MS) { last } else { last.max(seen) }
}

/// Returns the milliseconds since 1970 of a reading.
#[must_use]
pub const fn millis(reading: u64) -> i64 {
    (reading >> COUNTER_BITS).cast_signed()
}

/// The first reading of a millisecond; times that no reading can say become the nearest that one can.
fn reading(millis: i64) -> u64 {
    millis.clamp(0, MAX_MILLIS).cast_unsigned() << COUNTER_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_on_even_when_the_clock_is_set_back() {
        assert_eq!(millis(next(0, 5000)), 5000);
        assert_eq!(next(next(0, 5000), 1), (5000 << 16) + 1);
        assert_eq!(next(next(0, 5000), 5000), (5000 << 16) + 1);
        assert_eq!(next(0, -1), 1);
        assert_eq!(next((7 << 16) + 0xffff, 7), 8 << 16, "a full counter runs into the next millisecond");
        assert_eq!(millis(next(0, i64::MAX)), MAX_MILLIS);
    }

    #[test]
    fn follows_others_but_not_far_ahead() {
        assert_eq!(adopt(1, 5000 << 16, 5000), 5000 << 16);
        assert_eq!(adopt(1, (5000 + 600_000) << 16 | 7, 5000), (5000 + 600_000) << 16 | 7);
        assert_eq!(adopt(1, (5001 + 600_000) << 16, 5000), 1);
        assert_eq!(adopt(9 << 16, 1, 5000), 9 << 16);
        assert_eq!(adopt(9, u64::MAX, i64::MAX), u64::MAX);
    }
}
