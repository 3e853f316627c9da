//! Numbers that look real and belong to nobody.
//!
//! Id numbers carry a region that begins with 99, which GB/T 2260 gives to no place; telephone numbers lie in 154, which
//! no operator has been given; organisation codes carry the same region. All check characters are right.

use crate::draw::Draw;

/// How many regions the id numbers spread over.
const REGIONS: u32 = 10_000;

/// A birth date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Birth {
    pub(crate) year: u32,
    pub(crate) month: u32,
    pub(crate) day: u32,
}

impl Birth {
    /// Draws the birth date of someone aged from `youngest` to `oldest` at the end of `year`.
    pub(crate) fn draw(draw: &mut Draw, year: i32, youngest: u32, oldest: u32) -> Self {
        let year = u32::try_from(year).unwrap_or(0).saturating_sub(draw.between(youngest, oldest));
        Self { year, month: draw.between(1, 12), day: draw.between(1, 28) }
    }

    /// Writes the month, `YYYY-MM`.
    pub(crate) fn month(self) -> String {
        format!("{:04}-{:02}", self.year, self.month)
    }
}

/// Makes the id number (GB 11643) of the person with this number: different numbers never give the same.
///
/// `spare` (0 to 4) is free to vary. Holds for a million people.
pub(crate) fn id_number(person: u32, birth: Birth, female: bool, spare: u32) -> String {
    // 7,919 shares no factor with the number of regions, so this is a permutation of them.
    let region = 990_000 + (person % REGIONS) * 7_919 % REGIONS;
    let sequence = person / REGIONS % 100 * 10 + spare % 5 * 2 + u32::from(!female);
    let body = format!("{region:06}{:04}{:02}{:02}{sequence:03}", birth.year, birth.month, birth.day);
    with_check(body, lastmile_model::idnumber::check_character)
}

/// Makes the telephone number of the person with this number: different numbers never give the same.
pub(crate) fn phone(person: u32) -> String {
    let number = (u64::from(person) * 97_003_001 + 20_140_000) % 100_000_000;
    format!("154{number:08}")
}

/// Makes the unified social credit code (GB 32100, with the organisation code of GB 11714 inside) of a number.
pub(crate) fn social_credit_code(number: u32) -> String {
    let organisation = format!("{:08}", 10_000_000 + u64::from(number) * 7_919 % 90_000_000);
    let weights = [3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = organisation.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let check = match (11 - sum % 11) % 11 {
        10 => 'X',
        value => char::from_digit(value, 10).unwrap_or('0'),
    };
    with_check(format!("11990000{organisation}{check}"), lastmile_model::uscc::check_character)
}

fn with_check(mut body: String, check: impl Fn(&[u8]) -> Option<u8>) -> String {
    // Both callers pass 17 characters of the right alphabet.
    body.push(check(body.as_bytes()).map_or('0', char::from));
    body
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::NaiveDate;
    use lastmile_model::idnumber::IdNumber;
    use lastmile_model::{phone, uscc};

    use super::*;

    #[test]
    fn numbers_are_unique() {
        let birth = Birth { year: 1980, month: 5, day: 1 };
        let numbers: BTreeSet<String> =
            (0..150_000).map(|person| id_number(person, birth, person % 2 == 0, 1)).collect();
        assert_eq!(numbers.len(), 150_000);
        let today = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        for (person, number) in (0..).zip(&numbers).step_by(100) {
            let parsed = IdNumber::parse(number, today).unwrap_or_else(|fault| panic!("{person} {number}: {fault}"));
            assert!(parsed.is_test());
        }
        let phones: BTreeSet<String> = (0..150_000).map(super::phone).collect();
        assert_eq!(phones.len(), 150_000);
        assert!(phones.iter().all(|phone| phone::is_normal(phone)));
        let codes: BTreeSet<String> = (0..500).map(social_credit_code).collect();
        assert_eq!(codes.len(), 500);
        assert!(codes.iter().all(|code| uscc::check(code).is_ok()));
    }
}
