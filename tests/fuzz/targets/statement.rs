//! Certificates, seals, receipts and vectors; the first byte says which.
//!
//! Laws: what reads writes the same bytes; what was signed and not bent verifies, and nothing else does.

use lastmile_log::wire::{Reader, Writer};
use lastmile_log::{Certificate, Entry, Issuer, Receipt, Seal, Segment, Vector};
use lastmile_model::{ChainHash, Scope, ScopeKind};
use rand::Rng;
use rand::seq::IndexedRandom;
use uuid::Uuid;

use crate::mutate::{self, Random, number, signed_number};
use crate::support::{author, deployment, key, scope};
use crate::{cost, tally};

/// Reads one statement.
pub fn run(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    let mut reader = Reader::new(bytes);
    let mut again = Writer::new();
    match kind % 4 {
        0 => {
            let Ok(certificate) = cost::of(|| Certificate::decode(bytes)) else { return };
            assert_eq!(certificate.encode(), bytes, "a certificate has two forms");
            certificate.check().unwrap();
            let signed =
                match certificate.issuer {
                    Issuer::Predecessor(_) => Certificate { public: key(2).public(), ..certificate.clone() }
                        .succeeding(&key(1), &key(2), &deployment()),
                    _ => certificate.clone().signed(&key(1), &deployment()),
                };
            assert!(signed.verify(&key(1).public(), &deployment()));
            assert!(!certificate.verify(&key(3).public(), &deployment()), "nobody else signed it");
            tally::note("a certificate");
            return;
        }
        1 => {
            let Ok(seal) = cost::of(|| Seal::read(&mut reader, &scope(), author(2))) else { return };
            seal.write(&mut again);
            if cost::of(|| seal.verify(&key(2).public(), &deployment())) {
                let signed = Seal::sign(&key(2), &deployment(), &scope(), seal.seq, seal.chain);
                assert_eq!(signed, seal, "a seal that nobody made verifies");
                tally::note("a seal that verifies");
            }
        }
        2 => {
            let Ok(receipt) = cost::of(|| Receipt::read(&mut reader)) else { return };
            receipt.write(&mut again);
            if cost::of(|| receipt.verify(&key(1).public(), &deployment())) {
                let Receipt { scope, author, seq, chain, .. } = receipt.clone();
                assert_eq!(Receipt::sign(&key(1), &deployment(), &scope, author, seq, chain), receipt);
                tally::note("a receipt that verifies");
            }
        }
        _ => {
            let Ok(vector) = cost::of(|| Vector::read(&mut reader)) else { return };
            vector.write(&mut again);
            assert_eq!(vector.entries().collect::<Vector>(), vector);
            let _ = vector.digest();
            tally::note("a vector");
        }
    }
    let read = bytes.len() - reader.len();
    assert_eq!(again.as_slice(), &bytes[..read], "a statement has two forms");
}

fn certificate() -> Certificate {
    Certificate {
        public: key(2).public(),
        device: "平板".to_owned(),
        persons: vec![Uuid::from_bytes([1; 16]), Uuid::from_bytes([2; 16])],
        roles: vec!["worker".to_owned()],
        scopes: vec![scope()],
        from_ms: 1_764_000_000_000,
        until_ms: Some(1_795_536_000_000),
        issuer: Issuer::Office(author(1)),
        signature: [0; 64],
        consent: None,
    }
}

fn written(kind: u8, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(kind);
    write(&mut out);
    out.finish()
}

fn vector() -> Vector {
    let entry = |segment, seq| Entry { segment, seq, chain: ChainHash([9; 32]) };
    let branch = Segment { author: author(2), start: 6, first: ChainHash([6; 32]) };
    [entry(Segment::trunk(author(1)), 5), entry(Segment::trunk(author(2)), 5), entry(branch, 300)].into_iter().collect()
}

/// One of each, signed.
pub fn seeds() -> Vec<Vec<u8>> {
    let chain = ChainHash([4; 32]);
    vec![
        written(0, |out| out.raw(&certificate().signed(&key(1), &deployment()).encode())),
        written(1, |out| Seal::sign(&key(2), &deployment(), &scope(), 7, chain).write(out)),
        written(2, |out| Receipt::sign(&key(1), &deployment(), &scope(), author(2), 7, chain).write(out)),
        written(3, |out| vector().write(out)),
    ]
}

/// Mutates bytes, or fields with the signature put right.
pub fn mutate(data: &[u8], rng: &mut Random) -> Vec<u8> {
    let Some((kind, bytes)) = data.split_first().filter(|_| rng.random_bool(0.5)) else {
        let mut bytes = data.to_vec();
        mutate::bytes(&mut bytes, rng);
        return bytes;
    };
    let chain = ChainHash([rng.random(); 32]);
    match kind % 4 {
        0 => {
            let mut certificate = Certificate::decode(bytes).unwrap_or_else(|_| certificate());
            match rng.random_range(0..7) {
                0 => certificate.device = mutate::text(rng),
                1 => certificate.persons = vec![Uuid::from_bytes([rng.random(); 16]); rng.random_range(0..70)],
                2 => certificate.roles.push(mutate::text(rng)),
                3 => certificate.scopes.extend(Scope::new(*ScopeKind::ALL.choose(rng).unwrap(), "4301")),
                4 => certificate.from_ms = signed_number(rng),
                5 => certificate.until_ms = rng.random_bool(0.7).then(|| signed_number(rng)),
                _ => certificate.issuer = *[Issuer::Root, Issuer::Predecessor(author(3))].choose(rng).unwrap(),
            }
            let certificate = match certificate.issuer {
                Issuer::Predecessor(_) => certificate.succeeding(&key(1), &key(2), &deployment()),
                _ => certificate.signed(&key(1), &deployment()),
            };
            written(0, |out| out.raw(&certificate.encode()))
        }
        1 => written(1, |out| Seal::sign(&key(2), &deployment(), &scope(), number(rng), chain).write(out)),
        2 => {
            written(2, |out| Receipt::sign(&key(1), &deployment(), &scope(), author(3), number(rng), chain).write(out))
        }
        _ => {
            let mut vector = Vector::read(&mut Reader::new(bytes)).unwrap_or_else(|_| vector());
            for _ in 0..rng.random_range(1..4) {
                let segment = Segment { author: author(rng.random_range(0..9)), start: number(rng), first: chain };
                vector.insert(segment, number(rng), chain);
            }
            written(3, |out| vector.write(out))
        }
    }
}
