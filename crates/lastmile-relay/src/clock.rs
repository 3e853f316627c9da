//! Time and randomness: the only place of the relay that asks the machine for either.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{NaiveDate, TimeDelta};
use uuid::Uuid;

use crate::RelayError;

/// Tells the time in milliseconds since 1970 UTC; a test gives its own.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Returns the machine's clock.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// Returns the civil date in Asia/Shanghai at this time.
#[must_use]
pub fn civil_date(now_ms: i64) -> NaiveDate {
    let days = now_ms.saturating_add(8 * 3_600_000).div_euclid(86_400_000);
    let start = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap_or_default();
    TimeDelta::try_days(days).and_then(|days| start.checked_add_signed(days)).unwrap_or(start)
}

/// Fills bytes with randomness fit for keys and tells whether there was any; a test that must repeat itself gives its own.
pub type Chance = Arc<dyn Fn(&mut [u8]) -> bool + Send + Sync>;

/// Returns the machine's randomness.
#[must_use]
pub fn system_chance() -> Chance {
    Arc::new(|bytes| getrandom::fill(bytes).is_ok())
}

/// An array of randomness.
pub(crate) fn random<const N: usize>(chance: &Chance) -> Result<[u8; N], RelayError> {
    let mut bytes = [0; N];
    if chance(&mut bytes) { Ok(bytes) } else { Err(RelayError::NoRandomness) }
}

/// Makes a UUIDv7 of this time.
pub(crate) fn new_id(chance: &Chance, now_ms: i64) -> Result<Uuid, RelayError> {
    let millis = u64::try_from(now_ms).unwrap_or(0);
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random::<10>(chance)?).into_uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_begins_in_shanghai() {
        let midnight = 1_764_000_000_000 / 86_400_000 * 86_400_000;
        assert_eq!(civil_date(midnight - 8 * 3_600_000 - 1).succ_opt(), Some(civil_date(midnight - 8 * 3_600_000)));
        assert_eq!(civil_date(0).to_string(), "1970-01-01");
    }
}
