//! Damage and malice: refused, or seen by whoever verifies.

use lastmile_log::wire::{Reader, Writer};
use lastmile_log::{
    AuthorKey, Certificate, Commit, Deployment, Issuer, MAX_RAW, PackError, Receipt, Seal, UnpackedBatch, Vector, pack,
    unpack,
};
use lastmile_model::{AuthorId, ChainHash, Scope};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::corpus::{AUTHOR, Corpus};
use crate::odd::{Body, Part, Plan, commits};
use crate::round_trip::packed;

/// A log of every form of change, small enough to bend each bit.
pub fn odd_log() -> Vec<Commit> {
    let part = |number: u8, record_type: &str, body| Part {
        record_type: record_type.to_owned(),
        record: [number; 16],
        deps: vec![[number; 32]; usize::from(number % 2)],
        seq: 2,
        start_op: 300,
        op_count: 7,
        body,
    };
    let plan = |parts, extension: &[u8], acting| Plan {
        acting,
        schema_v: 3,
        hlc: 1_764_000_000_000 << 16 | 5,
        wall_ms: 1_764_000_000_123,
        app: "0.1".to_owned(),
        extension: extension.to_vec(),
        parts,
    };
    let title = || "清洁日".to_owned();
    let first = vec![
        part(1, "activity", Body::Change(title())),
        part(2, "activity", Body::ByAnother(title())),
        part(3, "person", Body::OtherHeader(title())),
        part(4, "person", Body::BadChecksum(title())),
    ];
    let second = vec![
        part(5, "activity", Body::LongLength(title())),
        part(6, "future", Body::Future(vec![1, 2, 3])),
        part(7, "future", Body::Opaque(b"not a change".to_vec())),
        part(8, "person", Body::Stub),
    ];
    let message = "one of a hundred bytes and more, so that the length of the chunk takes two bytes".to_owned();
    let third = vec![part(1, "activity", Body::Stub), part(9, "list", Body::Newer(message))];
    let plans = [plan(first, b"", Some([5; 16])), plan(second, b"later", Some([5; 16])), plan(third, b"", None)];
    commits(AUTHOR, &"community:430103005010".parse().unwrap(), 0, &plans)
}

pub fn inflate(packed: &[u8]) -> Vec<u8> {
    zstd::bulk::decompress(packed, MAX_RAW).unwrap()
}

fn deflate(raw: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(raw, 1).unwrap()
}

fn flips(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len() * 8).map(|bit| {
        let mut bent = bytes.to_vec();
        bent[bit / 8] ^= 1 << (bit % 8);
        bent
    })
}

#[test]
fn every_flipped_bit_of_a_packed_batch_is_seen() {
    let packed = packed(&odd_log());
    let sound = unpack(&packed, MAX_RAW).unwrap();
    for bent in flips(&packed) {
        if let Ok(batch) = unpack(&bent, MAX_RAW) {
            assert_eq!(batch, sound);
        }
    }
}

#[test]
fn every_flipped_bit_inside_the_frame_is_refused_or_makes_another_chain() {
    let raw = inflate(&packed(&odd_log()));
    let sound = unpack(&deflate(&raw), MAX_RAW).unwrap();
    let same_place = |batch: &UnpackedBatch| batch.scope == sound.scope && batch.author == sound.author;
    let mut refused = 0;
    for bent in flips(&raw) {
        match unpack(&deflate(&bent), MAX_RAW) {
            Ok(batch) => assert!(
                batch == sound || batch.head() != sound.head() || batch.last() != sound.last() || !same_place(&batch)
            ),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 500, "{refused}");
}

#[test]
fn a_batch_cut_short_is_refused() {
    let packed = packed(&odd_log());
    let raw = inflate(&packed);
    for length in 0..packed.len() {
        assert!(unpack(&packed[..length], MAX_RAW).is_err());
    }
    for length in 0..raw.len() {
        assert!(unpack(&deflate(&raw[..length]), MAX_RAW).is_err(), "cut to {length}");
    }
    for tail in [&b"x"[..], &packed, &deflate(b"")] {
        assert!(unpack(&[&packed, tail].concat(), MAX_RAW).is_err());
    }
    assert!(unpack(&deflate(&[&raw[..], b"x"].concat()), MAX_RAW).is_err());
}

#[test]
fn random_damage_never_panics_and_what_is_read_packs_again() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let sources: Vec<Vec<u8>> = [odd_log(), Corpus::new(4).take(2)].iter().map(|log| inflate(&packed(log))).collect();
    let mut read = 0;
    for round in 0..20_000 {
        let mut raw = sources[round % sources.len()].clone();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..raw.len());
            match rng.random_range(0..5) {
                0 => raw[at] = rng.random(),
                1 => raw[at] = [0, 1, 0x7f, 0x80, 0xff][rng.random_range(0..5)],
                2 => drop(raw.remove(at)),
                3 => raw.insert(at, rng.random()),
                _ => {
                    let end = (at + rng.random_range(0..40)).min(raw.len());
                    let piece = raw[at..end].to_vec();
                    let to = rng.random_range(0..raw.len());
                    raw.splice(to..to, piece);
                }
            }
        }
        if let Ok(batch) = unpack(&deflate(&raw), MAX_RAW) {
            read += 1;
            let again = batch.repack(0, u64::MAX).unwrap();
            assert_eq!(unpack(&again, MAX_RAW).unwrap().head(), batch.head());
            assert!(pack(&[&batch.to_commit(0).unwrap()]).is_ok());
        }
    }
    assert!(read > 500, "{read}");
    let packed = packed(&odd_log());
    for _ in 0..20_000 {
        let mut bent = packed.clone();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bent.len());
            bent[at] = rng.random();
        }
        let _ = unpack(&bent, MAX_RAW);
    }
}

#[test]
fn every_flipped_bit_of_a_signature_is_seen() {
    let key = AuthorKey::from_seed(&[1; 32]);
    let deployment = Deployment { id: [2; 16], root: key.public() };
    let author = key.author(&deployment);
    let scope: Scope = "community:430103005010".parse().unwrap();
    let (public, chain) = (key.public(), ChainHash([6; 32]));

    let mut out = Writer::new();
    Seal::sign(&key, &deployment, &scope, 300, chain).write(&mut out);
    let whole = |reader: Reader<'_>| reader.is_empty();
    for bent in flips(out.as_slice()) {
        let mut reader = Reader::new(&bent);
        let seal = Seal::read(&mut reader, &scope, author);
        assert!(!seal.is_ok_and(|seal| whole(reader) && seal.verify(&public, &deployment)));
    }
    for length in 0..out.len() {
        assert!(Seal::read(&mut Reader::new(&out.as_slice()[..length]), &scope, author).is_err());
    }

    let mut out = Writer::new();
    Receipt::sign(&key, &deployment, &scope, author, 300, chain).write(&mut out);
    for bent in flips(out.as_slice()) {
        let mut reader = Reader::new(&bent);
        let receipt = Receipt::read(&mut reader);
        assert!(!receipt.is_ok_and(|receipt| whole(reader) && receipt.verify(&public, &deployment)));
    }

    let own = AuthorKey::from_seed(&[3; 32]);
    let blank = |issuer| Certificate {
        public: own.public(),
        device: "平板 3".to_owned(),
        persons: vec![uuid::Uuid::from_bytes([4; 16]), uuid::Uuid::from_bytes([5; 16])],
        roles: vec!["worker".to_owned()],
        scopes: vec![scope.clone()],
        from_ms: 1_764_000_000_000,
        until_ms: Some(1_800_000_000_000),
        issuer,
        signature: [0; 64],
        consent: None,
    };
    let successor = blank(Issuer::Predecessor(AuthorId([6; 16]))).succeeding(&key, &own, &deployment);
    for bytes in [blank(Issuer::Root).signed(&key, &deployment).encode(), successor.encode()] {
        for bent in flips(&bytes) {
            assert!(!Certificate::decode(&bent).is_ok_and(|certificate| certificate.verify(&public, &deployment)));
        }
        for length in 0..bytes.len() {
            assert!(Certificate::decode(&bytes[..length]).is_err());
        }
        assert!(Certificate::decode(&[&bytes[..], b"x"].concat()).is_err());
    }
}

#[test]
fn the_highest_number_of_a_commit_packs_and_the_one_beyond_is_refused() {
    let mut commit = Corpus::new(1).take(1).remove(0);
    commit.header.prev = ChainHash([1; 32]);
    commit.header.seq = u64::MAX - 1;
    let bytes = packed(std::slice::from_ref(&commit));
    let batch = unpack(&bytes, MAX_RAW).unwrap();
    assert_eq!((batch.last(), batch.repack(0, u64::MAX).unwrap()), (u64::MAX - 1, bytes));
    commit.header.seq = u64::MAX;
    assert!(matches!(pack(&[&commit]), Err(PackError::OutOfBounds { .. })));
}

#[test]
fn random_bytes_are_no_vector_certificate_or_invite() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for _ in 0..20_000 {
        let mut bytes = vec![0; rng.random_range(0..300)];
        rng.fill(bytes.as_mut_slice());
        let _ = Vector::read(&mut Reader::new(&bytes));
        assert!(Certificate::decode(&bytes).is_err());
        let _ = Receipt::read(&mut Reader::new(&bytes));
        let text: String = bytes.iter().map(|byte| char::from(byte & 0x7f)).collect();
        assert!(lastmile_log::Invite::from_text(&format!("lastmile-invite:1:{text}")).is_err());
    }
}
