//! Duties: how many activities a person owes in a year.
//!
//! The numbers are settings of the programme. Wording towards people stays neutral: what is left to do, never a breach.

use chrono::{Datelike, NaiveDate};

use crate::civil;
use crate::states::Span;

/// What a programme asks of its members each year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DutyRules {
    /// Activities owed in a whole year.
    pub per_year: u32,
    /// The last day (month, day) on which beginning still owes the whole number.
    pub whole_until: (u32, u32),
    /// Activities owed by who begins later in the year.
    pub when_late: u32,
}

impl Default for DutyRules {
    /// Two a year; who is confirmed after 1 July owes one.
    fn default() -> Self {
        Self { per_year: 2, whole_until: (7, 1), when_late: 1 }
    }
}

/// A time during which a person owes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exemption {
    /// Its last day; `None`: without end.
    pub until: Option<NaiveDate>,
}

impl DutyRules {
    /// Returns how many activities a person owes in a year.
    ///
    /// `spans` are the confirmed stretches of all the person's check-ins: who moves within the city goes on, so the
    /// first confirmed day of the year counts, wherever it was. An exemption that ends within the year delays the
    /// beginning to the day after it.
    #[must_use]
    pub fn owed(&self, year: i32, spans: &[Span], exemption: Option<Exemption>) -> u32 {
        let (Some(first), Some(last)) = (civil::date(year, 1, 1), civil::date(year, 12, 31)) else { return 0 };
        let free_until = match exemption {
            Some(Exemption { until: None }) => return 0,
            Some(Exemption { until: Some(until) }) => until.succ_opt().unwrap_or(until).max(first),
            None => first,
        };
        let begins = spans
            .iter()
            .filter_map(|span| {
                let day = span.from.max(free_until);
                (day <= last && span.covers(day)).then_some(day)
            })
            .min();
        begins.map_or(0, |day| if self.is_whole(day) { self.per_year } else { self.when_late })
    }

    /// Returns how many are left to do; never negative.
    #[must_use]
    pub const fn left(owed: u32, done: u32) -> u32 {
        owed.saturating_sub(done)
    }

    fn is_whole(&self, begins: NaiveDate) -> bool {
        (begins.month(), begins.day()) <= self.whole_until
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        civil::parse_date(text).unwrap()
    }

    fn span(from: &str, until: Option<&str>) -> Span {
        Span { from: day(from), until: until.map(day) }
    }

    #[test]
    fn whole_years_and_late_beginnings() {
        let owed = |from: &str| DutyRules::default().owed(2026, &[span(from, None)], None);
        assert_eq!(owed("2019-05-01"), 2);
        assert_eq!(owed("2026-01-01"), 2);
        assert_eq!(owed("2026-07-01"), 2);
        assert_eq!(owed("2026-07-02"), 1);
        assert_eq!(owed("2026-12-31"), 1);
        assert_eq!(owed("2027-01-01"), 0);
        assert_eq!(DutyRules::default().owed(2026, &[], None), 0);
        assert_eq!(DutyRules::default().owed(20_000, &[span("2019-05-01", None)], None), 0);
    }

    #[test]
    fn who_moves_within_the_city_goes_on() {
        let spans = [span("2026-09-01", None), span("2019-05-01", Some("2026-09-01"))];
        assert_eq!(DutyRules::default().owed(2026, &spans, None), 2);
        assert_eq!(DutyRules::default().owed(2026, &[span("2019-05-01", Some("2026-01-01"))], None), 0);
    }

    #[test]
    fn exemptions_delay_or_lift() {
        let spans = [span("2019-05-01", None)];
        let owed =
            |until: Option<&str>| DutyRules::default().owed(2026, &spans, Some(Exemption { until: until.map(day) }));
        assert_eq!(owed(None), 0);
        assert_eq!(owed(Some("2025-12-31")), 2);
        assert_eq!(owed(Some("2026-06-30")), 2);
        assert_eq!(owed(Some("2026-07-01")), 1);
        assert_eq!(owed(Some("2026-12-31")), 0);
        assert_eq!((DutyRules::left(2, 1), DutyRules::left(1, 3)), (1, 0));
    }

    #[test]
    fn another_programme_sets_its_own_numbers() {
        let rules = DutyRules { per_year: 6, whole_until: (3, 31), when_late: 4 };
        assert_eq!(rules.owed(2026, &[span("2026-04-01", None)], None), 4);
    }

    proptest! {
        /// Beginning later never owes more, and a second stretch never owes less.
        #[test]
        fn owing_is_monotonous(a in 0..800i64, b in 0..800i64) {
            let start = day("2025-06-01");
            let at = |days| Span { from: start + chrono::Duration::days(days), until: None };
            let owed = |spans: &[Span]| DutyRules::default().owed(2026, spans, None);
            prop_assert!(owed(&[at(a.min(b))]) >= owed(&[at(a.max(b))]));
            prop_assert_eq!(owed(&[at(a), at(b)]), owed(&[at(a.min(b))]));
        }
    }
}
