//! Texts that are typed, scanned or pasted: invites, and sealed values.
//!
//! Laws: an invite that reads is written as it was read; a sealed value that opens was made by sealing.

use lastmile_log::{Deployment, Invite, OfficeKey, seal_value, sha256};
use lastmile_model::Scope;
use rand::Rng;

use crate::mutate::{self, Random, number};
use crate::{cost, tally};

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const PREFIX: &str = "lastmile-invite:1:";

fn office() -> OfficeKey {
    OfficeKey::from_seed(&[8; 32])
}

/// Reads an invite, and opens the same bytes as a sealed value.
pub fn run(data: &[u8]) {
    if let Ok(plain) = cost::of(|| office().open(data)) {
        tally::note("opened");
        assert!(plain.len() + 9 < data.len());
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(invite) = cost::of(|| Invite::from_text(text)) else { return };
    tally::note("an invite");
    let again = invite.to_text();
    assert_eq!(Invite::from_text(&again).unwrap(), invite);
    let plain: String = text.chars().filter(char::is_ascii_graphic).collect();
    assert_eq!(again, plain, "an invite has two forms");
}

fn invite() -> Invite {
    Invite {
        relay: "http://127.0.0.1:8470".to_owned(),
        deployment: Deployment { id: [1; 16], root: [2; 32] },
        token: [3; 16],
        scopes: vec![Scope::community("430103005010").unwrap()],
        office_key: [4; 32],
        pin: Some([5; 32]),
    }
}

/// An invite and a sealed value.
pub fn seeds() -> Vec<Vec<u8>> {
    let sealed = |text: &[u8]| seal_value(&office().public(), text, [3; 32]).unwrap();
    vec![invite().to_text().into_bytes(), sealed(b"990101198001010013"), sealed(b"")]
}

/// Mutates characters, or the content with its check digits put right.
pub fn mutate(data: &[u8], rng: &mut Random) -> Vec<u8> {
    let digits = std::str::from_utf8(data).ok().and_then(|text| text.strip_prefix(PREFIX));
    let Some(digits) = digits.filter(|_| rng.random_bool(0.8)) else {
        if rng.random_bool(0.2) {
            return seal_value(&office().public(), &mutate::noise(rng), rng.random()).unwrap();
        }
        let mut bytes = data.to_vec();
        mutate::bytes(&mut bytes, rng);
        return bytes;
    };
    let mut bits = 0u32;
    let mut held = 0;
    let mut content = Vec::new();
    for digit in digits.bytes() {
        let Some(value) = DIGITS.iter().position(|known| *known == digit) else { continue };
        bits = bits << 6 | value as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            content.push((bits >> held) as u8);
        }
    }
    content.truncate(content.len().saturating_sub(4));
    if rng.random_bool(0.5) {
        mutate::bytes(&mut content, rng);
    } else {
        let mut other = invite();
        match rng.random_range(0..4) {
            0 => other.relay = mutate::text(rng),
            1 => other.scopes = vec![other.scopes[0].clone(); number(rng).min(40) as usize],
            2 => other.pin = rng.random_bool(0.5).then(|| [rng.random(); 32]),
            _ => other.token = [rng.random(); 16],
        }
        return other.to_text().into_bytes();
    }
    let check = sha256(&content);
    content.extend(&check[..4]);
    let mut text = PREFIX.as_bytes().to_vec();
    for three in content.chunks(3) {
        let mut bits = 0u32;
        (0..3).for_each(|at| bits = bits << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        (0..=three.len()).for_each(|at| text.push(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]));
    }
    text
}
