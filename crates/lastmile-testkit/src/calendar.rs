//! The days of the year that the data speaks of, and the weeks after it in which the last entries come in.

use chrono::{Datelike, Days, NaiveDate};

/// A day, counted from 1 January of the calendar's year; the days of the next year go on counting.
pub(crate) type Day = u16;

/// How many days a calendar holds: the year and the two months after it.
const DAYS: u16 = 425;

/// Milliseconds of one day.
const DAY_MS: i64 = 86_400_000;

/// How far the civil clock of Asia/Shanghai is ahead of UTC, in milliseconds.
const SHANGHAI_MS: i64 = 8 * 3_600_000;

/// The days from 1 January of one year on.
#[derive(Debug, Clone)]
pub(crate) struct Calendar {
    first: NaiveDate,
    first_ms: i64,
    texts: Vec<String>,
}

impl Calendar {
    /// Opens the calendar of a year; one that chrono does not know becomes 2025.
    pub(crate) fn new(year: i32) -> Self {
        let first = NaiveDate::from_ymd_opt(year, 1, 1)
            .filter(|first| first.checked_add_days(Days::new(u64::from(DAYS))).is_some())
            .or_else(|| NaiveDate::from_ymd_opt(2025, 1, 1))
            .unwrap_or_default();
        let epoch_days = i64::from(first.num_days_from_ce()) - i64::from(NaiveDate::default().num_days_from_ce());
        let texts = first.iter_days().take(usize::from(DAYS)).map(|date| date.to_string()).collect();
        Self { first, first_ms: epoch_days * DAY_MS - SHANGHAI_MS, texts }
    }

    /// Returns the year.
    pub(crate) fn year(&self) -> i32 {
        self.first.year()
    }

    /// Returns the last day of the year.
    pub(crate) fn last(&self) -> Day {
        if self.first.leap_year() { 365 } else { 364 }
    }

    /// Returns the day on which the last entries are all in: 20 February of the next year or so.
    pub(crate) fn today(&self) -> Day {
        self.last() + 51
    }

    /// Returns the day of this month and day of month.
    pub(crate) fn day(&self, month: u32, day: u32) -> Day {
        let date = NaiveDate::from_ymd_opt(self.year(), month, day).unwrap_or(self.first);
        u16::try_from(date.ordinal0()).unwrap_or(0)
    }

    /// Returns the text of a day, `YYYY-MM-DD`; empty beyond the calendar's end.
    pub(crate) fn text(&self, day: Day) -> &str {
        self.texts.get(usize::from(day)).map_or("", String::as_str)
    }

    /// Returns the day of the week, Monday being 0.
    pub(crate) fn weekday(&self, day: Day) -> u32 {
        (self.first.weekday().num_days_from_monday() + u32::from(day)) % 7
    }

    /// Returns the instant of a second of a day, in milliseconds since 1970 UTC.
    pub(crate) fn at(&self, day: Day, second: u32) -> i64 {
        self.first_ms + i64::from(day) * DAY_MS + i64::from(second) * 1000
    }

    /// Returns the first day after `day` that falls on this day of the week.
    pub(crate) fn next(&self, day: Day, weekday: u32) -> Day {
        let ahead = (weekday + 7 - self.weekday(day)) % 7;
        day + u16::try_from(if ahead == 0 { 7 } else { ahead }).unwrap_or(7)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_instants_agree() {
        let calendar = Calendar::new(2025);
        assert_eq!(calendar.text(0), "2025-01-01");
        assert_eq!(calendar.text(calendar.last()), "2025-12-31");
        assert_eq!(calendar.text(calendar.day(7, 1)), "2025-07-01");
        // 1 January 2025, a Wednesday, begins at 16:00 UTC of the day before.
        assert_eq!(calendar.at(0, 0), 1_735_660_800_000);
        assert_eq!(calendar.weekday(0), 2);
        assert_eq!(calendar.next(0, 2), 7);
        assert_eq!(calendar.next(0, 3), 1);
        assert_eq!(Calendar::new(2024).last(), 365);
        assert!(!calendar.text(calendar.today()).is_empty());
    }
}
