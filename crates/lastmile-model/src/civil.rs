//! Civil dates, months and times of day as records hold them.
//!
//! Dates are what a person typed, in Asia/Shanghai; nothing here knows the present.

use std::fmt::Write as _;

use chrono::{Datelike, NaiveDate};

/// The first year that a date may have.
pub const FIRST_YEAR: i32 = 1900;

/// Reads `YYYY-MM-DD`, a real date from 1900 to 9999.
#[must_use]
pub fn parse_date(text: &str) -> Option<NaiveDate> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = text.as_bytes() else { return None };
    let year = number(&[*y0, *y1, *y2, *y3])?;
    date(i32::try_from(year).ok()?, number(&[*m0, *m1])?, number(&[*d0, *d1])?)
}

/// Builds a real date from 1900 to 9999.
#[must_use]
pub fn date(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
    if (FIRST_YEAR..=9999).contains(&year) { NaiveDate::from_ymd_opt(year, month, day) } else { None }
}

/// Writes a date as `YYYY-MM-DD`.
#[must_use]
pub fn date_text(date: NaiveDate) -> String {
    let mut text = String::with_capacity(10);
    // Writing to a string cannot fail.
    let _ = write!(text, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day());
    text
}

/// A month of a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    /// The year, 1900 to 9999.
    pub year: i32,
    /// The month, 1 to 12.
    pub month: u32,
}

impl Month {
    /// Builds a real month.
    #[must_use]
    pub fn new(year: i32, month: u32) -> Option<Self> {
        let real = (FIRST_YEAR..=9999).contains(&year) && (1..=12).contains(&month);
        real.then_some(Self { year, month })
    }

    /// Returns the month that holds a day.
    #[must_use]
    pub fn of(day: NaiveDate) -> Self {
        Self { year: day.year(), month: day.month() }
    }

    /// Reads `YYYY-MM`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let [y0, y1, y2, y3, b'-', m0, m1] = text.as_bytes() else { return None };
        Self::new(i32::try_from(number(&[*y0, *y1, *y2, *y3])?).ok()?, number(&[*m0, *m1])?)
    }

    /// Writes `YYYY-MM`.
    #[must_use]
    pub fn text(self) -> String {
        format!("{:04}-{:02}", self.year, self.month)
    }
}

/// Reads `HH:MM` and returns minutes since midnight.
#[must_use]
pub fn parse_time(text: &str) -> Option<u32> {
    let [h0, h1, b':', m0, m1] = text.as_bytes() else { return None };
    minutes(number(&[*h0, *h1])?, number(&[*m0, *m1])?)
}

/// Returns minutes since midnight of a real time of day.
#[must_use]
pub const fn minutes(hour: u32, minute: u32) -> Option<u32> {
    if hour < 24 && minute < 60 { Some(hour * 60 + minute) } else { None }
}

/// Writes minutes since midnight as `HH:MM`.
#[must_use]
pub fn time_text(minutes: u32) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(
        0,
        |sum, digit| {
            if digit.is_ascii_digit() { Some(sum * 10 + u32::from(digit - b'0')) } else { None }
        },
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_real_dates() {
        assert!(parse_date("2024-02-29").is_some());
        for text in ["2023-02-29", "2026-13-01", "2026-00-10", "2026-3-5", "20260305", "1899-12-31", "２026-03-05", ""]
        {
            assert_eq!(parse_date(text), None, "{text}");
        }
        assert_eq!(Month::parse("1980-05"), Month::new(1980, 5));
        assert_eq!(Month::parse("1980-13"), None);
        assert_eq!(parse_time("09:30"), Some(570));
        assert_eq!((parse_time("24:00"), parse_time("9:30")), (None, None));
    }

    proptest! {
        #[test]
        fn texts_go_round(days in 0..2_900_000i64, minute in 0..1440u32) {
            let first = date(1900, 1, 1).unwrap();
            let day = first + chrono::Duration::days(days);
            prop_assert_eq!(parse_date(&date_text(day)), Some(day));
            prop_assert_eq!(Month::parse(&Month::of(day).text()), Some(Month::of(day)));
            prop_assert_eq!(parse_time(&time_text(minute)), Some(minute));
        }
    }
}
