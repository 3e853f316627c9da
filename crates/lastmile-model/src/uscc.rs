//! Unified social credit codes (GB 32100-2015): 17 characters and a check character.

/// The characters of the code in the order of their values; I, O, S, V and Z are left out.
const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

/// Says what is wrong with a unified social credit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UsccFault {
    /// It has not 18 characters of the alphabet.
    #[error("not 18 digits and capital letters without I, O, S, V, Z")]
    Shape,
    /// The check character does not fit.
    #[error("the check character does not fit")]
    Check,
}

/// Checks a code in its normal form: 18 characters, capital letters.
///
/// # Errors
/// [`UsccFault`] says whether the shape or the check character is wrong.
pub fn check(code: &str) -> Result<(), UsccFault> {
    let (head, last) = code.as_bytes().split_at_checked(17).ok_or(UsccFault::Shape)?;
    let [last] = last else { return Err(UsccFault::Shape) };
    value(*last).ok_or(UsccFault::Shape)?;
    let expected = check_character(head).ok_or(UsccFault::Shape)?;
    if expected == *last { Ok(()) } else { Err(UsccFault::Check) }
}

/// Returns the check character for the first 17 characters, or `None` if they are not 17 of the alphabet.
#[must_use]
pub fn check_character(head: &[u8]) -> Option<u8> {
    if head.len() != 17 {
        return None;
    }
    let (sum, _) = head.iter().try_fold((0u32, 1u32), |(sum, weight), character| {
        Some(((sum + value(*character)? * weight) % 31, weight * 3 % 31))
    })?;
    ALPHABET.get(usize::try_from((31 - sum) % 31).ok()?).copied()
}

fn value(character: u8) -> Option<u32> {
    ALPHABET.iter().position(|known| *known == character).and_then(|place| u32::try_from(place).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_in_public_registers() {
        for code in ["91350100M000100Y43", "91110000802100433B", "9144030071526726XG", "91330100799655058B"] {
            assert_eq!(check(code), Ok(()), "{code}");
        }
        assert_eq!(check("91350100M000100Y44"), Err(UsccFault::Check));
        for code in [
            "",
            "91350100M000100Y4",
            "91350100M000100Y433",
            "91350100I000100Y43",
            "91350100m000100y43",
            "９1350100M000100Y",
        ] {
            assert_eq!(check(code), Err(UsccFault::Shape), "{code}");
        }
    }

    proptest! {
        #[test]
        fn every_wrong_character_and_swap_is_found(values in prop::collection::vec(0..31usize, 17)) {
            let mut code: Vec<u8> = values.iter().map(|value| ALPHABET[*value]).collect();
            code.push(check_character(&code).unwrap());
            prop_assert_eq!(check(str::from_utf8(&code).unwrap()), Ok(()));
            for place in 0..18 {
                for wrong in ALPHABET.iter().filter(|wrong| **wrong != code[place]) {
                    let mut other = code.clone();
                    other[place] = *wrong;
                    prop_assert_eq!(check(str::from_utf8(&other).unwrap()), Err(UsccFault::Check));
                }
                if place < 17 && code[place] != code[place + 1] {
                    let mut other = code.clone();
                    other.swap(place, place + 1);
                    prop_assert_eq!(check(str::from_utf8(&other).unwrap()), Err(UsccFault::Check));
                }
            }
        }
    }
}
