//! What follows what, and who vouches for it.

use lastmile_log::{
    AuthorKey, Commit, Deployment, MAX_CHANGES, MAX_RAW, PackError, Receipt, Seal, chain_hash, pack, unpack,
};
use lastmile_model::{AuthorId, ChainHash, Scope};

use crate::corpus::{AUTHOR, Corpus};
use crate::odd::{Body, Part, Plan, commits};
use crate::round_trip::packed;

fn refused(commits: &[Commit]) -> PackError {
    pack(&commits.iter().collect::<Vec<_>>()).unwrap_err()
}

#[test]
fn gaps_and_strangers_are_not_packed() {
    let log = Corpus::new(3).take(4);
    assert_eq!(refused(&[]), PackError::Empty);
    let mut gap = log.clone();
    gap.remove(1);
    assert_eq!(refused(&gap), PackError::NotConsecutive { seq: 3 });
    let swapped = [log[1].clone(), log[0].clone()];
    assert_eq!(refused(&swapped), PackError::NotConsecutive { seq: 1 });
    let mut bent = log.clone();
    bent[0].header.wall_ms += 1;
    assert_eq!(refused(&bent), PackError::NotConsecutive { seq: 2 }, "the chain hash is another");
    let mut stranger = log.clone();
    stranger[2].header.scope = "city:4301".parse().unwrap();
    assert_eq!(refused(&stranger), PackError::NotConsecutive { seq: 3 });
    let mut stranger = log;
    stranger[2].header.author = AuthorId([9; 16]);
    assert_eq!(refused(&stranger), PackError::NotConsecutive { seq: 3 });
}

#[test]
fn bytes_must_be_those_that_the_header_names() {
    let log = Corpus::new(3).take(2);
    let mut other = log.clone();
    other[1].bodies[0] = other[0].bodies[0].clone();
    assert_eq!(refused(&other), PackError::OtherBytes { seq: 2 });
    let mut checksum = log.clone();
    checksum[1].bodies[0].as_mut().unwrap()[5] ^= 1;
    assert_eq!(refused(&checksum), PackError::OtherBytes { seq: 2 });
    let mut fewer = log.clone();
    fewer[1].bodies.pop();
    assert_eq!(refused(&fewer), PackError::OtherBytes { seq: 2 });
    let mut more = log;
    more[1].bodies.push(None);
    assert_eq!(refused(&more), PackError::OtherBytes { seq: 2 });
}

fn opaque(parts: usize, size: usize) -> Plan {
    let part = |number: u8| Part {
        record_type: "future".to_owned(),
        record: [number; 16],
        deps: Vec::new(),
        seq: 1,
        start_op: 1,
        op_count: 1,
        body: Body::Opaque(vec![number; size]),
    };
    let parts = (0..parts).map(|number| part(u8::try_from(number).unwrap())).collect();
    Plan { acting: None, schema_v: 1, hlc: 0, wall_ms: 0, app: String::new(), extension: Vec::new(), parts }
}

#[test]
fn commits_have_bounds() {
    let scope: Scope = "city:4301".parse().unwrap();
    let fits = commits(AUTHOR, &scope, 0, &[opaque(MAX_CHANGES, 4000)]);
    let batch = unpack(&packed(&fits), MAX_RAW).unwrap();
    assert_eq!(batch.to_commit(0).unwrap(), fits[0]);
    let large = commits(AUTHOR, &scope, 0, &[opaque(MAX_CHANGES, 4096)]);
    let PackError::OutOfBounds { seq: 1, bound } = refused(&large) else { panic!("packed") };
    assert_eq!(bound.what, "the size of a commit");
    let none = commits(AUTHOR, &scope, 0, &[opaque(0, 0)]);
    assert!(matches!(refused(&none), PackError::OutOfBounds { seq: 1, .. }));
    let many = commits(AUTHOR, &scope, 0, &vec![opaque(128, 8000); 5]);
    let PackError::OutOfBounds { bound, .. } = refused(&many) else { panic!("packed") };
    assert_eq!(bound.what, "the size of a batch");
    assert!(unpack(&packed(&many[..4]), MAX_RAW).is_ok());
}

/// A stub is longer than a few bytes that no version understands.
#[test]
fn what_outgrows_a_batch_is_packed_in_runs() {
    let scope: Scope = "city:4301".parse().unwrap();
    let mut short = opaque(MAX_CHANGES, 1);
    short.parts.iter_mut().for_each(|part| part.deps = (0..15).map(|dep| [dep; 32]).collect());
    let log = commits(AUTHOR, &scope, 0, &vec![short; 32]);
    let batch = unpack(&packed(&log), MAX_RAW).unwrap();
    let stubs = batch.clone().without(&|_| true);
    assert_eq!((stubs.head(), stubs.body(3, 1)), (batch.head(), None));
    assert!(matches!(stubs.repack(1, 32), Err(PackError::OutOfBounds { .. })));
    let runs = stubs.repack_in_runs(1, 32).unwrap();
    assert_eq!(runs.iter().map(|run| (run.first, run.last)).collect::<Vec<_>>(), [(1, 16), (17, 32)]);
    let halves: Vec<_> = runs.iter().map(|run| unpack(&run.packed, MAX_RAW).unwrap()).collect();
    assert_eq!((halves[1].prev, halves[1].head()), (halves[0].head(), batch.head()));
    assert_eq!(batch.repack_in_runs(4, 9).unwrap().len(), 1);
}

#[test]
fn seals_vouch_for_one_place_of_one_log_alone() {
    let key = AuthorKey::from_seed(&[1; 32]);
    let (public, other) = (key.public(), AuthorKey::from_seed(&[2; 32]).public());
    let deployment = Deployment { id: [3; 16], root: [4; 32] };
    let scope: Scope = "community:430103005010".parse().unwrap();
    let log = Corpus::new(3).take(2);
    let batch = unpack(&packed(&log), MAX_RAW).unwrap();
    assert_eq!(batch.head(), chain_hash(&log[1].header));
    let seal = Seal::sign(&key, &deployment, &scope, 2, batch.head());
    assert_eq!(seal.author, key.author(&deployment));
    assert!(seal.verify(&public, &deployment));
    assert!(!seal.verify(&other, &deployment));
    assert!(!seal.verify(&public, &Deployment { id: [5; 16], ..deployment }));
    assert!(!seal.verify(&[0; 32], &deployment), "a key of small order vouches for nothing");
    let bent = |bend: &dyn Fn(&mut Seal)| {
        let mut bent = seal.clone();
        bend(&mut bent);
        bent.verify(&public, &deployment)
    };
    assert!(!bent(&|seal| seal.seq = 1));
    assert!(!bent(&|seal| seal.chain = batch.chain_of(1).unwrap()));
    assert!(!bent(&|seal| seal.scope = "community:430103005011".parse().unwrap()));
    assert!(!bent(&|seal| seal.author = AUTHOR));
    assert!(!bent(&|seal| seal.signature[63] ^= 0x80));

    let receipt = Receipt::sign(&key, &deployment, &scope, seal.author, 2, batch.head());
    assert!(receipt.verify(&public, &deployment));
    assert_ne!(receipt.signature, seal.signature);
    let as_seal = Seal { signature: receipt.signature, ..seal };
    assert!(!as_seal.verify(&public, &deployment), "a receipt is no seal");
    let elsewhere = Receipt { epoch: AUTHOR, ..receipt.clone() };
    assert!(!elsewhere.verify(&public, &deployment));
    let further = Receipt { chain: ChainHash([9; 32]), ..receipt };
    assert!(!further.verify(&public, &deployment));
}

#[test]
fn another_body_is_another_chain() {
    let log = Corpus::new(3).take(1);
    let mut swapped = log.clone();
    let entry = &mut swapped[0].header.changes[1];
    entry.header.hash = lastmile_log::body_hash(b"another");
    swapped[0].bodies[1] = Some(b"another".to_vec());
    let (one, two) = (unpack(&packed(&log), MAX_RAW).unwrap(), unpack(&packed(&swapped), MAX_RAW).unwrap());
    assert_ne!(one.head(), two.head());
}
