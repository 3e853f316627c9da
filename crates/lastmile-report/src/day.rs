//! Civil days as numbers, so that a hundred thousand of them compare without text.

use std::fmt;

use chrono::{Days, NaiveDate};
use serde::{Serialize, Serializer};

/// How far the civil time of the reports is ahead of UTC: Asia/Shanghai, which has no summer time.
const AHEAD_MS: i64 = 8 * 3_600_000;
const DAY_MS: i64 = 86_400_000;
const EPOCH: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date");

/// A civil day in Asia/Shanghai, as days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    /// Reads `YYYY-MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: &[u8; 10] = text.as_bytes().try_into().ok()?;
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *bytes else { return None };
        let digit = |byte: u8| if byte.is_ascii_digit() { Some(i32::from(byte - b'0')) } else { None };
        let year = digit(y1)? * 1000 + digit(y2)? * 100 + digit(y3)? * 10 + digit(y4)?;
        let month = digit(m1)? * 10 + digit(m2)?;
        let day = digit(d1)? * 10 + digit(d2)?;
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        // Days from a civil date: years that begin in March, eras of 400 years.
        let shifted = if month <= 2 { year - 1 } else { year };
        let era = shifted.div_euclid(400);
        let of_era = shifted.rem_euclid(400);
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let in_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
        Some(Self(era * 146_097 + in_era - 719_468))
    }

    /// Returns the civil day of an instant in milliseconds.
    #[must_use]
    pub fn of_instant(ms: i64) -> Self {
        let days = ms.saturating_add(AHEAD_MS).div_euclid(DAY_MS);
        Self(i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX }))
    }

    /// Returns the day as a date; days beyond the calendar become its end.
    #[must_use]
    pub fn date(self) -> NaiveDate {
        let days = Days::new(u64::from(self.0.unsigned_abs()));
        if self.0 < 0 {
            EPOCH.checked_sub_days(days).unwrap_or(NaiveDate::MIN)
        } else {
            EPOCH.checked_add_days(days).unwrap_or(NaiveDate::MAX)
        }
    }

    /// Returns the day before.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl From<NaiveDate> for Day {
    fn from(date: NaiveDate) -> Self {
        Self(i32::try_from(date.signed_duration_since(EPOCH).num_days()).unwrap_or(i32::MAX))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.date().fmt(f)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An instant in milliseconds since 1970 UTC, shown in Asia/Shanghai.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub i64);

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0.saturating_add(AHEAD_MS).rem_euclid(DAY_MS) / 60_000;
        write!(f, "{} {:02}:{:02}", Day::of_instant(self.0), minutes / 60, minutes % 60)
    }
}

impl Serialize for Instant {
    /// Writes the instant with its offset, e.g. `2026-11-23T21:40:00+08:00`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seconds = self.0.saturating_add(AHEAD_MS).rem_euclid(DAY_MS) / 1000;
        serializer.collect_str(&format_args!(
            "{}T{:02}:{:02}:{:02}+08:00",
            Day::of_instant(self.0),
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_calendar() {
        let mut date = NaiveDate::from_ymd_opt(1899, 12, 25).unwrap();
        while date < NaiveDate::from_ymd_opt(2101, 1, 5).unwrap() {
            let day = Day::parse(&date.to_string()).unwrap();
            assert_eq!((day, day.date()), (Day::from(date), date));
            date = date + Days::new(13);
        }
        for text in ["2026-1-01", "2026-13-01", "2026-00-10", "2026/01/01", "二〇二六-01", ""] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    #[test]
    fn instants_fall_on_the_day_of_shanghai() {
        // 2026-11-23T16:30Z is half past midnight of the 24th there.
        let instant = Instant(1_795_451_400_000);
        assert_eq!(instant.to_string(), "2026-11-24 00:30");
        assert_eq!(Day::of_instant(instant.0).to_string(), "2026-11-24");
        assert_eq!(serde_json::to_string(&instant).unwrap(), "\"2026-11-24T00:30:00+08:00\"");
        assert_eq!(Day::of_instant(-1).to_string(), "1970-01-01");
    }
}
