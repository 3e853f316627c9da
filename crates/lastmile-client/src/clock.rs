//! Time and randomness: the only place below the applications that asks the machine for either.

use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time and gives randomness; a test gives its own.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970 UTC.
    fn now_ms(&self) -> i64;

    /// Fills the bytes with randomness fit for keys: the machine's, unless a test needs to repeat itself.
    ///
    /// # Errors
    /// When the machine gives none.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), crate::ClientError> {
        getrandom::fill(bytes).map_err(|_| crate::ClientError::NoRandomness)
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// The civil date in Asia/Shanghai at this time.
#[must_use]
pub fn civil_date(now_ms: i64) -> chrono::NaiveDate {
    let shanghai = now_ms.saturating_add(8 * 3_600_000).div_euclid(86_400_000);
    chrono::NaiveDate::from_ymd_opt(1970, 1, 1)
        .and_then(|start| start.checked_add_signed(chrono::TimeDelta::days(shanghai)))
        .unwrap_or_default()
}

/// An array of randomness.
pub(crate) fn random<const N: usize>(clock: &dyn Clock) -> Result<[u8; N], crate::ClientError> {
    let mut bytes = [0; N];
    clock.fill(&mut bytes)?;
    Ok(bytes)
}

/// A new UUIDv7 at this time.
pub(crate) fn new_id(clock: &dyn Clock, now_ms: i64) -> Result<uuid::Uuid, crate::ClientError> {
    let millis = u64::try_from(now_ms).unwrap_or(0);
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random::<10>(clock)?).into_uuid())
}
