//! Citizen id numbers (GB 11643-1999): 17 digits and a check character.
//!
//! The check character is ISO 7064 MOD 11-2: it detects every wrong digit and every swap of neighbours. Region prefix
//! `99` belongs to no real person and is accepted, so that tests and training can use valid numbers.

use std::fmt;

use chrono::NaiveDate;

use crate::civil;

/// How a number may begin: provinces (GB/T 2260), residents of Taiwan (83), foreign permanent residents (a 9, then the
/// province: 91 to 96), and 99 for tests.
const PROVINCES: [u8; 42] = [
    11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54, 61, 62, 63,
    64, 65, 71, 81, 82, 83, 91, 92, 93, 94, 95, 96, 99,
];

const CHECKS: &[u8; 11] = b"10X98765432";

/// A valid citizen id number.
///
/// It prints and debugs as its last four characters only.
#[derive(Clone, PartialEq, Eq)]
pub struct IdNumber([u8; 18]);

/// Says what is wrong with an id number, without saying the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdNumberFault {
    /// It is the 15-digit number issued until 1999.
    #[error("15 digits, the form before 1999")]
    Old,
    /// It has not 18 characters, or others than digits and a final X.
    #[error("not 17 digits and a check character")]
    Shape,
    /// Its first two digits name no province.
    #[error("the first two digits name no province")]
    Region,
    /// Digits 7 to 14 are no date, or one that has not come.
    #[error("digits 7 to 14 are no possible date of birth")]
    Birth,
    /// The check character does not fit.
    #[error("the check character does not fit the digits")]
    Check,
}

/// The sex that an id number states (GB/T 2261.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sex {
    /// Code 1.
    Male,
    /// Code 2.
    Female,
}

impl Sex {
    /// Returns the code that records hold.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Male => "1",
            Self::Female => "2",
        }
    }
}

impl IdNumber {
    /// Reads an id number; a final `x` counts as `X`. `today` bounds the date of birth.
    ///
    /// # Errors
    /// [`IdNumberFault`] names the first thing wrong.
    pub fn parse(text: &str, today: NaiveDate) -> Result<Self, IdNumberFault> {
        let bytes = text.as_bytes();
        if bytes.len() == 15 && bytes.iter().all(u8::is_ascii_digit) {
            return Err(IdNumberFault::Old);
        }
        let mut number: [u8; 18] = bytes.try_into().map_err(|_| IdNumberFault::Shape)?;
        number.make_ascii_uppercase();
        let [digits @ .., last] = &number;
        if !digits.iter().all(u8::is_ascii_digit) || !(last.is_ascii_digit() || *last == b'X') {
            return Err(IdNumberFault::Shape);
        }
        let id = Self(number);
        if !PROVINCES.contains(&id.province()) {
            return Err(IdNumberFault::Region);
        }
        let born = id.birth_date().ok_or(IdNumberFault::Birth)?;
        if born > today {
            return Err(IdNumberFault::Birth);
        }
        if check_character(digits) != Some(*last) {
            return Err(IdNumberFault::Check);
        }
        Ok(id)
    }

    /// Returns all 18 characters: for sealing and fingerprints only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        // Only ASCII digits and X pass `parse`.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the last four characters, which may be shown.
    #[must_use]
    pub fn last4(&self) -> &str {
        self.reveal().get(14..).unwrap_or_default()
    }

    /// Returns the date of birth.
    #[must_use]
    pub fn birth_date(&self) -> Option<NaiveDate> {
        let part = |from: usize, to: usize| self.reveal().get(from..to)?.parse::<u32>().ok();
        civil::date(i32::try_from(part(6, 10)?).ok()?, part(10, 12)?, part(12, 14)?)
    }

    /// Returns the sex that the 17th digit states.
    #[must_use]
    pub const fn sex(&self) -> Sex {
        let [.., order, _] = self.0;
        if order % 2 == 1 { Sex::Male } else { Sex::Female }
    }

    /// Whether it is a number for tests, which belongs to nobody.
    #[must_use]
    pub const fn is_test(&self) -> bool {
        self.province() == 99
    }

    const fn province(&self) -> u8 {
        let [first, second, ..] = self.0;
        (first - b'0') * 10 + (second - b'0')
    }
}

impl fmt::Display for IdNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "**************{}", self.last4())
    }
}

impl fmt::Debug for IdNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Returns the check character for the first 17 digits, or `None` if they are not 17 digits.
#[must_use]
pub fn check_character(digits: &[u8]) -> Option<u8> {
    if digits.len() != 17 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // MOD 11-2: each digit weighs twice the one to its right.
    let sum = digits.iter().fold(0u32, |sum, digit| (sum * 2 + u32::from(digit - b'0')) % 11);
    CHECKS.get(usize::try_from(sum * 2 % 11).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn today() -> NaiveDate {
        civil::parse_date("2026-11-23").unwrap()
    }

    fn number(digits: &str) -> String {
        format!("{digits}{}", char::from(check_character(digits.as_bytes()).unwrap()))
    }

    #[test]
    fn the_samples_of_the_standard() {
        let sample = IdNumber::parse("11010519491231002X", today()).unwrap();
        assert_eq!((sample.last4(), sample.sex(), sample.is_test()), ("002X", Sex::Female, false));
        assert_eq!(sample.birth_date(), civil::parse_date("1949-12-31"));
        assert!(IdNumber::parse("440524188001010014", today()).is_err(), "born before 1900");
        assert_eq!(number("44052418800101001"), "440524188001010014");
        assert_eq!(IdNumber::parse("11010519491231002x", today()).unwrap(), sample);
        assert_eq!(format!("{sample} {sample:?}"), "**************002X **************002X");
    }

    #[test]
    fn faults_are_told_apart() {
        let fault = |text: &str| IdNumber::parse(text, today()).unwrap_err();
        assert_eq!(fault("110105491231002"), IdNumberFault::Old);
        assert_eq!(fault("1101051949123100"), IdNumberFault::Shape);
        assert_eq!(fault("11010519491231X02X"), IdNumberFault::Shape);
        assert_eq!(fault(&number("10010519491231002")), IdNumberFault::Region);
        assert_eq!(fault(&number("11010519490231002")), IdNumberFault::Birth);
        assert_eq!(fault(&number("11010520261124002")), IdNumberFault::Birth);
        assert_eq!(fault("110105194912310021"), IdNumberFault::Check);
        assert!(IdNumber::parse(&number("99010119800101001"), today()).unwrap().is_test());
    }

    prop_compose! {
        fn valid()(region in 0..PROVINCES.len(), rest in 0..10_000u32, year in 1900..2026u32, month in 1..13u32,
                   day in 1..29u32, order in 0..1000u32) -> String {
            number(&format!("{}{rest:04}{year:04}{month:02}{day:02}{order:03}", PROVINCES[region]))
        }
    }

    proptest! {
        #[test]
        fn every_wrong_digit_is_found(id in valid()) {
            prop_assert!(IdNumber::parse(&id, today()).is_ok());
            for place in 0..18 {
                for wrong in "0123456789X".chars().filter(|c| *c != 'X' || place == 17) {
                    let mut chars: Vec<char> = id.chars().collect();
                    if chars[place] != wrong {
                        chars[place] = wrong;
                        prop_assert!(IdNumber::parse(&chars.iter().collect::<String>(), today()).is_err());
                    }
                }
            }
        }

        #[test]
        fn every_swap_of_neighbours_is_found(id in valid()) {
            for place in 0..17 {
                let mut chars: Vec<char> = id.chars().collect();
                if chars[place] != chars[place + 1] {
                    chars.swap(place, place + 1);
                    prop_assert!(IdNumber::parse(&chars.iter().collect::<String>(), today()).is_err());
                }
            }
        }

        #[test]
        fn anything_may_be_typed(text in "\\PC{0,24}") {
            let _ = IdNumber::parse(&text, today());
        }
    }
}
