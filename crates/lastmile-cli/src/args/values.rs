//! Values on the command line: edits, conditions, places, records.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;

/// One change to a field, as typed: `name=张三`, `skills+=电工`, `skills-=电工`, or `note=` to empty it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldEdit {
    /// The field gets this value.
    Set {
        /// The field.
        field: String,
        /// The value as typed.
        value: String,
    },
    /// The field loses its value.
    Clear {
        /// The field.
        field: String,
    },
    /// A field of several values gets one more.
    Add {
        /// The field.
        field: String,
        /// The value as typed.
        value: String,
    },
    /// A field of several values loses one.
    Remove {
        /// The field.
        field: String,
        /// The value as typed.
        value: String,
    },
}

impl FromStr for FieldEdit {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let (left, value) = text.split_once('=').ok_or(BadValue::FieldEdit)?;
        let value = value.to_owned();
        let name = |text| field_name(text).ok_or(BadValue::FieldName);
        if let Some(left) = left.strip_suffix('+') {
            Ok(Self::Add { field: name(left)?, value: filled(value)? })
        } else if let Some(left) = left.strip_suffix('-') {
            Ok(Self::Remove { field: name(left)?, value: filled(value)? })
        } else if value.is_empty() {
            Ok(Self::Clear { field: name(left)? })
        } else {
            Ok(Self::Set { field: name(left)?, value })
        }
    }
}

fn filled(value: String) -> Result<String, BadValue> {
    if value.is_empty() { Err(BadValue::FieldEdit) } else { Ok(value) }
}

/// A field to print and a value to compare it with, as typed: `state=verified`, `date>=2026-01-01`, `title~清洁`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The field.
    pub field: String,
    /// How they compare.
    pub comparison: Comparison,
    /// The value as typed; empty stands for "has no value".
    pub value: String,
}

/// How a field compares with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `~`: contains the text.
    Contains,
}

impl FromStr for Condition {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let end = text.find(['=', '!', '<', '>', '~']).ok_or(BadValue::Condition)?;
        let (field, rest) = text.split_at_checked(end).ok_or(BadValue::Condition)?;
        let operators = [
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("=", Comparison::Equal),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
            ("~", Comparison::Contains),
        ];
        let found = operators.iter().find_map(|(sign, comparison)| Some((*comparison, rest.strip_prefix(sign)?)));
        let (comparison, value) = found.ok_or(BadValue::Condition)?;
        let field = field_name(field).ok_or(BadValue::FieldName)?;
        Ok(Self { field, comparison, value: value.to_owned() })
    }
}

/// A field to sort by, as typed: `date` or `date:desc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortBy {
    /// The field.
    pub field: String,
    /// Whether the largest comes first.
    pub descending: bool,
}

impl FromStr for SortBy {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let (field, descending) = match text.split_once(':') {
            None => (text, false),
            Some((field, "asc")) => (field, false),
            Some((field, "desc")) => (field, true),
            Some(_) => return Err(BadValue::SortBy),
        };
        Ok(Self { field: field_name(field).ok_or(BadValue::FieldName)?, descending })
    }
}

/// Returns the name if it can be a field's: lower-case letters, digits and underscores.
fn field_name(text: &str) -> Option<String> {
    let fits = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    fits.then(|| text.to_owned())
}

/// A place code: city 4 digits, district 6, street 9, community 12, grid 15.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceCode(String);

impl PlaceCode {
    /// Returns the digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PlaceCode {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let fits = matches!(text.len(), 4 | 6 | 9 | 12 | 15) && text.bytes().all(|byte| byte.is_ascii_digit());
        if fits { Ok(Self(text.to_owned())) } else { Err(BadValue::PlaceCode) }
    }
}

/// The id of a record, or the beginning of one that is clear, at least 8 characters long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRef(String);

impl RecordRef {
    /// Returns the hexadecimal digits, in lower case and without hyphens: 8 to 32.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }
}

impl FromStr for RecordRef {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let digits: String = text.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
        let fits = (8..=32).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_hexdigit());
        if fits { Ok(Self(digits)) } else { Err(BadValue::RecordRef) }
    }
}

/// Commits of one author, as typed: `AUTHOR:17`, `AUTHOR:17-20` or `AUTHOR:17-` for all from 17 on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commits {
    /// The author's 32 hexadecimal digits.
    pub author: String,
    /// The first commit, from 1 on.
    pub first: u64,
    /// The last one; `None` for all that follow.
    pub last: Option<u64>,
}

impl FromStr for Commits {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let (author, range) = text.split_once(':').ok_or(BadValue::Commits)?;
        let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0).ok_or(BadValue::Commits);
        let (first, last) = match range.split_once('-') {
            None => (number(range)?, Some(number(range)?)),
            Some((first, "")) => (number(first)?, None),
            Some((first, last)) => (number(first)?, Some(number(last)?)),
        };
        let fits = author.len() == 32 && author.chars().all(|c| c.is_ascii_hexdigit());
        if !fits || last.is_some_and(|last| last < first) {
            return Err(BadValue::Commits);
        }
        Ok(Self { author: author.to_ascii_lowercase(), first, last })
    }
}

/// A report of the catalogue, R1 to R20.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportName(u8);

impl ReportName {
    /// Returns the number, 1 to 20.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for ReportName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R{}", self.0)
    }
}

impl FromStr for ReportName {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let digits = text.strip_prefix(['R', 'r']).ok_or(BadValue::ReportName)?;
        let number = digits.parse().ok().filter(|number| (1..=20).contains(number));
        number.map(Self).ok_or(BadValue::ReportName)
    }
}

/// Reads a day, `2026-11-23`.
///
/// # Errors
/// Fails if the text is not a day of that form.
pub fn day(text: &str) -> Result<NaiveDate, BadValue> {
    // chrono also takes `2026-1-2` and signs; a day that is typed wrong by one key must not pass.
    let shaped = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let day = if shaped { NaiveDate::parse_from_str(text, "%Y-%m-%d").ok() } else { None };
    day.ok_or(BadValue::Day)
}

/// A value of the wrong shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadValue {
    /// Not an edit.
    #[error("expected field=value, field+=value, field-=value, or field= to empty it")]
    FieldEdit,
    /// Not a field's name.
    #[error("a field's name has lower-case letters, digits and underscores, as `lastmile inspect --fields` lists them")]
    FieldName,
    /// Not a condition.
    #[error("expected field=value; besides = there are != < <= > >= and ~ (contains); quote it for the shell")]
    Condition,
    /// Not a field to sort by.
    #[error("expected field, field:asc or field:desc")]
    SortBy,
    /// Not a place code.
    #[error("a place code has 4 (city), 6 (district), 9 (street), 12 (community) or 15 (grid) digits")]
    PlaceCode,
    /// Not an id.
    #[error("expected an id, or at least its first 8 characters")]
    RecordRef,
    /// Not a range of commits.
    #[error("expected AUTHOR:NUMBER, AUTHOR:FIRST-LAST or AUTHOR:FIRST-")]
    Commits,
    /// Not a report.
    #[error("the reports are R1 to R20")]
    ReportName,
    /// Not a day.
    #[error("expected a day like 2026-11-23")]
    Day,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(text: &str) -> Result<FieldEdit, BadValue> {
        text.parse()
    }

    #[test]
    fn reads_edits() {
        let (field, value) = ("name".to_owned(), "张三".to_owned());
        assert_eq!(edit("name=张三"), Ok(FieldEdit::Set { field: field.clone(), value: value.clone() }));
        assert_eq!(edit("name+=张三"), Ok(FieldEdit::Add { field: field.clone(), value: value.clone() }));
        assert_eq!(edit("name-=张三"), Ok(FieldEdit::Remove { field: field.clone(), value }));
        assert_eq!(edit("name="), Ok(FieldEdit::Clear { field: field.clone() }));
        assert_eq!(edit("name=a=b"), Ok(FieldEdit::Set { field, value: "a=b".into() }));
        for bad in ["name", "name+=", "=x", "Name=x", "姓名=x", "a b=c", "ev/x=1"] {
            assert!(edit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_conditions() {
        let read = |text: &str| text.parse::<Condition>().map(|found| (found.comparison, found.value));
        assert_eq!(read("state=verified"), Ok((Comparison::Equal, "verified".into())));
        assert_eq!(read("date>=2026-01-01"), Ok((Comparison::AtLeast, "2026-01-01".into())));
        assert_eq!(read("n<5"), Ok((Comparison::Less, "5".into())));
        assert_eq!(read("note!="), Ok((Comparison::NotEqual, String::new())));
        assert_eq!(read("title~a=b"), Ok((Comparison::Contains, "a=b".into())));
        for bad in ["state", "=x", "n!5", "名=x"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_ids_and_ranges() {
        let id: RecordRef = "0192F3A4-bcde".parse().unwrap();
        assert_eq!(id.digits(), "0192f3a4bcde");
        assert!("0192f3".parse::<RecordRef>().is_err());
        let author = "ab".repeat(16);
        let range = |text: &str| format!("{author}:{text}").parse::<Commits>().map(|found| (found.first, found.last));
        assert_eq!(range("17"), Ok((17, Some(17))));
        assert_eq!(range("17-20"), Ok((17, Some(20))));
        assert_eq!(range("17-"), Ok((17, None)));
        for bad in ["", "0", "20-17", "x", "-3"] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_places_reports_days_and_orders() {
        assert_eq!("430103005010".parse::<PlaceCode>().unwrap().as_str(), "430103005010");
        assert!("43010".parse::<PlaceCode>().is_err());
        assert_eq!("r4".parse::<ReportName>().unwrap().to_string(), "R4");
        assert!("R21".parse::<ReportName>().is_err() && "4".parse::<ReportName>().is_err());
        assert!(day("2026-02-28").is_ok());
        assert!(day("2026-02-29").is_err() && day("2026-2-01").is_err() && day("+026-02-01").is_err());
        assert!("date:desc".parse::<SortBy>().unwrap().descending);
        assert!("date:down".parse::<SortBy>().is_err());
    }
}
