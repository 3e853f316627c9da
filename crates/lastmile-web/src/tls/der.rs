//! The two fields of an X.509 certificate that are needed by themselves: how long it is valid, and its public key.

/// The tags met on the way (X.690).
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;

/// What a certificate says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts<'a> {
    /// From when it counts, in milliseconds since 1970 UTC.
    pub not_before_ms: i64,
    /// Until when it counts, in milliseconds since 1970 UTC.
    pub not_after_ms: i64,
    /// Its SubjectPublicKeyInfo, tag and length included.
    pub public_key_info: &'a [u8],
}

/// Reads a certificate's facts (RFC 5280 section 4.1); `None` when it is none.
pub(super) fn facts(certificate: &[u8]) -> Option<Facts<'_>> {
    let (certificate, _) = value(certificate, SEQUENCE)?;
    let (mut rest, _) = value(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = value(rest, VERSION)?.1;
    }
    rest = value(rest, INTEGER)?.1; // serial number
    rest = value(rest, SEQUENCE)?.1; // signature algorithm
    rest = value(rest, SEQUENCE)?.1; // issuer
    let (validity, rest) = value(rest, SEQUENCE)?;
    let (not_before_ms, until) = time(validity)?;
    let (not_after_ms, _) = time(until)?;
    let (_, subject_on) = value(rest, SEQUENCE)?;
    let (_, behind) = value(subject_on, SEQUENCE)?;
    let public_key_info = subject_on.get(..subject_on.len().checked_sub(behind.len())?)?;
    Some(Facts { not_before_ms, not_after_ms, public_key_info })
}

/// Splits off one value of this tag; returns its content and what follows.
fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..=0x7f => (usize::from(*short), rest),
        long @ 0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    (*found == tag).then(|| rest.split_at_checked(length))?
}

/// Reads a time of either form, seconds and `Z` included, as RFC 5280 demands; returns it and what follows.
fn time(der: &[u8]) -> Option<(i64, &[u8])> {
    let (text, rest, century) = match der.first()? {
        &UTC_TIME => {
            let (text, rest) = value(der, UTC_TIME)?;
            // Two digits stand for 1950 to 2049.
            let century = if *text.first()? >= b'5' { "19" } else { "20" };
            (text, rest, century)
        }
        _ => {
            let (text, rest) = value(der, GENERALIZED_TIME)?;
            (text, rest, "")
        }
    };
    let text = format!("{century}{}", std::str::from_utf8(text).ok()?);
    let digits = text.strip_suffix('Z').filter(|digits| digits.len() == 14)?;
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<u8>().ok();
    let year = digits.get(..4)?.parse().ok()?;
    let month = time::Month::try_from(number(4, 6)?).ok()?;
    let date = time::Date::from_calendar_date(year, month, number(6, 8)?).ok()?;
    let at = time::Time::from_hms(number(8, 10)?, number(10, 12)?, number(12, 14)?).ok()?;
    Some((date.with_time(at).assume_utc().unix_timestamp().saturating_mul(1000), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> (Vec<u8>, Vec<u8>) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["relay.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(1999, 12, 31);
        params.not_after = rcgen::date_time_ymd(2056, 2, 29);
        let certificate = params.self_signed(&key).unwrap();
        (certificate.der().to_vec(), rcgen::PublicKeyData::subject_public_key_info(&key))
    }

    #[test]
    fn reads_both_forms_of_time_and_the_whole_key() {
        let (der, key) = certificate();
        let facts = facts(&der).unwrap();
        assert_eq!(facts.not_before_ms, 946_598_400_000, "UTCTime");
        assert_eq!(facts.not_after_ms, 2_719_008_000_000, "GeneralizedTime");
        assert_eq!(facts.public_key_info, key);
    }

    #[test]
    fn damage_is_no_certificate_and_no_panic() {
        let (der, _) = certificate();
        for length in 0..40 {
            assert_eq!(facts(&der[..length]), None);
        }
        for at in 0..der.len() {
            for byte in [0, 0x30, 0x80, 0xff] {
                let mut bent = der.clone();
                bent[at] = byte;
                let _ = facts(&bent);
            }
        }
    }
}
