//! Dates and times in the forms that people write.

use chrono::{Days, NaiveDate};

use super::half_width;
use crate::civil::{self, Month};

/// Reads a date: 2026-03-05, 2026/3/5, 2026.3.5, 2026年3月5日, 20260305, 今天, 昨天, 前天, 明天, today, yesterday.
#[must_use]
pub fn read_date(text: &str, today: NaiveDate) -> Option<NaiveDate> {
    let text = half_width(text);
    let text = text.trim();
    match text.to_lowercase().as_str() {
        "今天" | "今日" | "today" => return Some(today),
        "昨天" | "昨日" | "yesterday" => return today.checked_sub_days(Days::new(1)),
        "前天" => return today.checked_sub_days(Days::new(2)),
        "明天" | "明日" | "tomorrow" => return today.checked_add_days(Days::new(1)),
        _ => {}
    }
    match groups(text)?.as_slice() {
        [(year, 4), (month, 1..=2), (day, 1..=2)] => civil::date(i32::try_from(*year).ok()?, *month, *day),
        [(whole, 8)] => civil::date(i32::try_from(whole / 10_000).ok()?, whole / 100 % 100, whole % 100),
        _ => None,
    }
}

/// Reads a month: 1980-05, 1980/5, 1980年5月, 198005; of a whole date the day is left out.
#[must_use]
pub fn read_month(text: &str, today: NaiveDate) -> Option<Month> {
    let half = half_width(text);
    match groups(half.trim()).as_deref() {
        Some([(year, 4), (month, 1..=2)]) => Month::new(i32::try_from(*year).ok()?, *month),
        Some([(whole, 6)]) => Month::new(i32::try_from(whole / 100).ok()?, whole % 100),
        _ => read_date(text, today).map(Month::of),
    }
}

/// Reads a time of day: 9:30, 09：30, 0930, 9点30分, 9点半, 9时, 下午3点; returns minutes since midnight.
#[must_use]
pub fn read_time(text: &str) -> Option<u32> {
    let mut text = half_width(text);
    text.retain(|character| !character.is_whitespace());
    let mut rest = text.as_str();
    let mut afternoon = false;
    for (word, late) in [("上午", false), ("早上", false), ("中午", false), ("下午", true), ("晚上", true)] {
        if let Some(stripped) = rest.strip_prefix(word) {
            (rest, afternoon) = (stripped, late);
        }
    }
    let number = |digits: &str| {
        let plain = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if plain { digits.parse::<u32>().ok() } else { None }
    };
    let (hour, minute) = if let Some((hour, minute)) = rest.split_once([':', '点', '时']) {
        let minute = match minute.strip_suffix('分').unwrap_or(minute) {
            "" if !rest.contains(':') => 0,
            "半" => 30,
            "整" => 0,
            digits => number(digits)?,
        };
        (number(hour)?, minute)
    } else if rest.len() == 4 {
        (number(rest.get(..2)?)?, number(rest.get(2..)?)?)
    } else {
        return None;
    };
    civil::minutes(if afternoon && hour < 12 { hour + 12 } else { hour }, minute)
}

/// Reads an instant: milliseconds since 1970, or a date, meaning its first moment in Asia/Shanghai.
pub(super) fn read_instant(text: &str, today: NaiveDate) -> Option<i64> {
    if let Some(day) = read_date(text, today) {
        let midnight = day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis();
        // Asia/Shanghai has been 8 hours ahead without change since 1991.
        return midnight.checked_sub(8 * 3_600_000);
    }
    half_width(text).trim().parse().ok()
}

/// The numbers of a text with their lengths, if nothing but usual separators stands between.
fn groups(text: &str) -> Option<Vec<(u32, usize)>> {
    let mut groups: Vec<(u32, usize)> = Vec::with_capacity(3);
    let mut within = false;
    let mut separated = true;
    for character in text.chars() {
        match character.to_digit(10) {
            Some(digit) if within => {
                let (number, length) = groups.last_mut()?;
                *number = number.checked_mul(10)?.checked_add(digit)?;
                *length += 1;
            }
            Some(digit) => {
                groups.push((digit, 1));
                (within, separated) = (true, false);
            }
            None if matches!(character, '年' | '月' | '日' | '号' | '/' | '-' | '.') => {
                // One separator between two numbers, 日 or 号 or 月 at the end.
                if separated {
                    return None;
                }
                (within, separated) = (false, true);
            }
            None if character == ' ' => within = false,
            None => return None,
        }
    }
    let ends_well = !separated || text.ends_with(['日', '号', '月']);
    ends_well.then_some(groups)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn today() -> NaiveDate {
        civil::parse_date("2026-11-23").unwrap()
    }

    #[test]
    fn forms_of_one_date() {
        for text in [
            "2026-03-05",
            "2026-3-5",
            "2026/3/5",
            "2026.3.5",
            "20260305",
            "2026年3月5日",
            "2026年03月05号",
            "２０２６年３月５日",
            "2026 年 3 月 5 日",
            " 2026－03－05 ",
        ] {
            assert_eq!(read_date(text, today()), civil::date(2026, 3, 5), "{text}");
        }
        assert_eq!(read_date("昨天", today()), civil::date(2026, 11, 22));
        assert_eq!(read_date("Today", today()), Some(today()));
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "3/5/2026",
            "26-3-5",
            "2026-02-30",
            "2026-3",
            "2026--3-5",
            "2026-3-5-",
            "3月5日",
            "后来",
            "2026-3-5 10:00",
            "99999999999",
        ] {
            assert_eq!(read_date(text, today()), None, "{text}");
        }
    }

    #[test]
    fn months_and_times() {
        for text in ["1980-05", "1980/5", "1980年5月", "198005", "1980-05-17", "１９８０．５"] {
            assert_eq!(read_month(text, today()), Month::new(1980, 5), "{text}");
        }
        assert_eq!(read_month("1980", today()), None);
        for (text, minutes) in [
            ("9:30", 570),
            ("09：30", 570),
            ("0930", 570),
            ("9点半", 570),
            ("9点30分", 570),
            ("9时", 540),
            ("下午3点", 900),
            ("晚上 8:05", 1205),
            ("中午12点", 720),
        ] {
            assert_eq!(read_time(text), Some(minutes), "{text}");
        }
        for text in ["", "24:00", "9:60", "9:", "930", "9", "下午"] {
            assert_eq!(read_time(text), None, "{text}");
        }
        assert_eq!(read_instant("1970-01-02", today()), Some(57_600_000));
        assert_eq!(read_instant("123", today()), Some(123));
    }

    proptest! {
        #[test]
        fn any_real_date_is_read(days in 0..60_000i64) {
            let day = civil::date(1900, 1, 1).unwrap() + chrono::Duration::days(days);
            prop_assert_eq!(read_date(&civil::date_text(day), today()), Some(day));
            prop_assert_eq!(read_date(&day.format("%Y年%-m月%-d日").to_string(), today()), Some(day));
        }

        #[test]
        fn anything_may_be_typed(text in "[0-9年月日号/.\\- 点半:下午]{0,14}") {
            let _ = (read_date(&text, today()), read_month(&text, today()), read_time(&text), read_instant(&text, today()));
        }
    }
}
