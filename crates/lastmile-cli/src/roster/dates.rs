//! Days and months as people type them.

use super::cells::{Content, code, number_text, tidy};

/// What a cell says about time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Moment {
    Day {
        year: u16,
        month: u8,
        day: u8,
    },
    Month {
        year: u16,
        month: u8,
    },
    /// `1980.1`: January, or October that lost its zero on the way through a number.
    Unclear {
        year: u16,
    },
    /// Something else, as it stands.
    Other(String),
}

impl Moment {
    /// Returns the month, `YYYY-MM`, or the text as it stands.
    pub fn month_text(&self) -> String {
        match self {
            Self::Day { year, month, .. } | Self::Month { year, month } => format!("{year:04}-{month:02}"),
            Self::Unclear { year } => format!("{year}.1"),
            Self::Other(text) => text.clone(),
        }
    }

    /// Returns the day, `YYYY-MM-DD`, the month if no day is known, or the text as it stands.
    pub fn day_text(&self) -> String {
        match self {
            Self::Day { year, month, day } => format!("{year:04}-{month:02}-{day:02}"),
            other => other.month_text(),
        }
    }
}

/// Reads a cell; `typed` says that a text in it was typed as text.
pub(super) fn read(content: &Content, typed: bool) -> Moment {
    match content {
        Content::Date { year, month, day } => Moment::Day { year: *year, month: *month, day: *day },
        Content::Number(number) => {
            number_text(*number).map_or(Moment::Other(String::new()), |text| parse(&text, false))
        }
        other => parse(&other.shown(), typed),
    }
}

fn parse(text: &str, typed: bool) -> Moment {
    let shown = tidy(text);
    understand(&code(&shown), typed).unwrap_or(Moment::Other(shown))
}

fn understand(text: &str, typed: bool) -> Option<Moment> {
    // A time of day after the date says nothing here. (`code` has taken the space between them.)
    let text = text.strip_suffix("00:00:00").or_else(|| text.strip_suffix("0:00")).unwrap_or(text);
    let parts: Vec<&str> =
        text.split(['-', '/', '.', '年', '月', '日', '号']).filter(|part| !part.is_empty()).collect();
    match *parts.as_slice() {
        [run] if run.len() == 6 && is_digits(run) => month(run.get(..4)?, run.get(4..)?),
        [run] if run.len() == 8 && is_digits(run) => day(run.get(..4)?, run.get(4..6)?, run.get(6..)?),
        [year, "1"] if !typed && text == format!("{year}.1") && is_digits(year) => {
            Some(Moment::Unclear { year: year.parse().ok()? })
        }
        [year, number] => month(year, number),
        [year, number, of_month] => day(year, number, of_month),
        _ => None,
    }
}

fn month(year: &str, month: &str) -> Option<Moment> {
    let (year, month) = year_and_month(year, month)?;
    Some(Moment::Month { year, month })
}

fn day(year: &str, month: &str, day: &str) -> Option<Moment> {
    let (year, month) = year_and_month(year, month)?;
    let day = small(day)?;
    chrono::NaiveDate::from_ymd_opt(i32::from(year), u32::from(month), u32::from(day))?;
    Some(Moment::Day { year, month, day })
}

fn year_and_month(year: &str, month: &str) -> Option<(u16, u8)> {
    let full_year = year.len() == 4 && is_digits(year);
    let year: u16 = full_year.then(|| year.parse().ok()).flatten()?;
    let month = small(month).filter(|month| (1..=12).contains(month))?;
    (1850..=2200).contains(&year).then_some((year, month))
}

fn small(text: &str) -> Option<u8> {
    (text.len() <= 2 && is_digits(text)).then(|| text.parse().ok()).flatten()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_months_however_they_are_written() {
        for text in ["1980-05", "1980.5", "1980.05", "1980/5", "1980年5月", "1980 年 05 月", "198005", "１９８０．０５"]
        {
            assert_eq!(read(&Content::Text(text.into()), false), Moment::Month { year: 1980, month: 5 }, "{text}");
        }
        assert_eq!(read(&Content::Number(198_005.0), true).month_text(), "1980-05");
        assert_eq!(read(&Content::Number(1980.12), true).month_text(), "1980-12");
    }

    #[test]
    fn reads_days() {
        for text in [
            "1980-05-12",
            "1980.5.12",
            "1980/05/12",
            "1980年5月12日",
            "19800512",
            "1980-05-12 00:00:00",
            "1980/5/12 0:00",
        ] {
            assert_eq!(read(&Content::Text(text.into()), false).day_text(), "1980-05-12", "{text}");
        }
        assert_eq!(read(&Content::Date { year: 1980, month: 5, day: 12 }, true).month_text(), "1980-05");
    }

    #[test]
    fn a_lost_zero_is_unclear_unless_it_was_typed_as_text() {
        assert_eq!(read(&Content::Number(1980.1), true), Moment::Unclear { year: 1980 });
        assert_eq!(read(&Content::Text("1980.1".into()), false), Moment::Unclear { year: 1980 });
        assert_eq!(read(&Content::Text("1980.1".into()), true), Moment::Month { year: 1980, month: 1 });
        assert_eq!(read(&Content::Text("1980.10".into()), false), Moment::Month { year: 1980, month: 10 });
        assert_eq!(read(&Content::Text("1980-1".into()), false), Moment::Month { year: 1980, month: 1 });
    }

    #[test]
    fn leaves_what_it_does_not_understand() {
        for text in ["八零年五月", "1980", "80.5", "1980.13", "1980-02-30", "29341"] {
            assert_eq!(read(&Content::Text(text.into()), false), Moment::Other(text.into()), "{text}");
        }
    }
}
