//! Packing and unpacking is identity, whatever the commits hold.

use lastmile_log::{
    Certificate, Commit, Entry, Issuer, MAX_RAW, PackError, Segment, UnpackedBatch, Vector, pack, unpack,
};
use lastmile_model::{AuthorId, ChainHash, Scope};
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use crate::corpus::Corpus;
use crate::odd::{Body, Part, Plan, commits};

pub fn packed(commits: &[Commit]) -> Vec<u8> {
    pack(&commits.iter().collect::<Vec<_>>()).unwrap()
}

pub fn all(batch: &UnpackedBatch) -> Vec<Commit> {
    (0..batch.commits.len()).map(|place| batch.to_commit(place).unwrap()).collect()
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        4 => ".{0,12}".prop_map(Body::Change),
        1 => "[a-z]{64,100}".prop_map(Body::Newer),
        1 => ".{0,12}".prop_map(Body::ByAnother),
        1 => ".{0,12}".prop_map(Body::OtherHeader),
        1 => ".{0,12}".prop_map(Body::BadChecksum),
        1 => ".{0,120}".prop_map(Body::LongLength),
        1 => vec(any::<u8>(), 0..100).prop_map(Body::Future),
        1 => vec(any::<u8>(), 0..300).prop_map(Body::Opaque),
        1 => Just(Body::Stub),
    ]
}

prop_compose! {
    fn part()(
        record_type in "[a-z_]{1,4}|.{1,8}",
        record in any::<[u8; 16]>(),
        deps in vec(any::<[u8; 32]>(), 0..3),
        seq in 1u64..1 << 40,
        start_op in 1u64..1 << 40,
        op_count in 1u64..=256,
        body in body(),
    ) -> Part {
        Part { record_type, record, deps, seq, start_op, op_count, body }
    }
}

prop_compose! {
    fn plan()(
        acting in proptest::option::of(prop_oneof![Just([1; 16]), Just([2; 16]), any::<[u8; 16]>()]),
        schema_v in prop_oneof![Just(1), any::<u32>()],
        hlc in prop_oneof![Just(1_764_000_000_000 << 16), any::<u64>()],
        wall_ms in prop_oneof![Just(1_764_000_000_000), any::<i64>()],
        app in prop_oneof![Just("1.0.0".to_owned()), ".{0,8}".prop_map(|app| app)],
        extension in prop_oneof![3 => Just(Vec::new()), 1 => vec(any::<u8>(), 0..50)],
        parts in vec(part(), 1..6),
    ) -> Plan {
        Plan { acting, schema_v, hlc, wall_ms, app, extension, parts }
    }
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof!["community:[0-9]{12}", "city:[0-9]{4}", "org:[A-Za-z0-9-]{1,36}", "office:[a-z]{1,8}"]
        .prop_map(|text| text.parse().unwrap())
}

proptest! {
    #[test]
    fn commits_come_back(
        author in any::<[u8; 16]>(),
        scope in scope(),
        seq in prop_oneof![Just(0), 1u64..1 << 50],
        plans in vec(plan(), 1..8),
        cut in any::<[prop::sample::Index; 2]>(),
    ) {
        let commits = commits(AuthorId(author), &scope, seq, &plans);
        let batch = unpack(&packed(&commits), MAX_RAW).unwrap();
        prop_assert_eq!(all(&batch), commits.clone());
        prop_assert_eq!(batch.first, seq + 1);
        prop_assert_eq!(batch.last(), commits.last().unwrap().header.seq);
        prop_assert_eq!(batch.chain_of(seq), None);
        for pair in batch.commits.windows(2) {
            prop_assert_eq!(pair[0].chain, pair[1].header.prev);
        }

        let mut cut = cut.map(|index| index.index(commits.len()));
        cut.sort_unstable();
        let again = batch.repack(seq + 1 + cut[0] as u64, seq + 1 + cut[1] as u64).unwrap();
        prop_assert_eq!(&all(&unpack(&again, MAX_RAW).unwrap()), &commits[cut[0]..=cut[1]]);
    }

    #[test]
    fn stripping_leaves_the_chain(plans in vec(plan(), 1..6), pick in any::<prop::sample::Index>()) {
        let commits = commits(AuthorId([1; 16]), &"city:4301".parse().unwrap(), 0, &plans);
        let batch = unpack(&packed(&commits), MAX_RAW).unwrap();
        let entries = commits.iter().flat_map(|commit| &commit.header.changes);
        let hashes: Vec<_> = entries.map(|entry| entry.header.hash).collect();
        let erased = hashes[pick.index(hashes.len())];
        let stripped = batch.clone().without(&|entry| entry.header.hash == erased);
        prop_assert_eq!(stripped.head(), batch.head());
        for (place, commit) in batch.commits.iter().enumerate() {
            prop_assert_eq!(&commit.header, &stripped.commits[place].header);
            for (change, entry) in commit.header.changes.iter().enumerate() {
                let expected = if entry.header.hash == erased { None } else { batch.body(place, change) };
                prop_assert_eq!(stripped.body(place, change), expected);
            }
        }
    }

    #[test]
    fn vectors_come_back(
        entries in vec((any::<[u8; 16]>(), 0u64..4, any::<[u8; 32]>(), 4u64.., any::<[u8; 32]>()), 0..20),
    ) {
        let vector: Vector = entries
            .into_iter()
            .map(|(author, start, first, seq, chain)| {
                let first = if start == 0 { ChainHash::ZERO } else { ChainHash(first) };
                Entry { segment: Segment { author: AuthorId(author), start, first }, seq, chain: ChainHash(chain) }
            })
            .collect();
        let mut out = lastmile_log::wire::Writer::new();
        vector.write(&mut out);
        let mut reader = lastmile_log::wire::Reader::new(out.as_slice());
        let read = Vector::read(&mut reader).unwrap();
        prop_assert!(reader.is_empty());
        prop_assert_eq!(read.digest(), vector.digest());
        prop_assert_eq!(read, vector);
    }

    #[test]
    fn certificates_come_back(
        own in any::<[u8; 32]>(),
        device in ".{0,40}",
        persons in vec(any::<[u8; 16]>(), 0..4),
        roles in vec("[a-z]{1,10}", 0..4),
        scopes in vec(scope(), 0..4),
        from_ms in any::<i64>(),
        until_ms in any::<Option<i64>>(),
        issuer in prop_oneof![
            Just(Issuer::Root),
            any::<[u8; 16]>().prop_map(|author| Issuer::Office(AuthorId(author))),
            any::<[u8; 16]>().prop_map(|author| Issuer::Predecessor(AuthorId(author))),
        ],
    ) {
        let key = lastmile_log::AuthorKey::from_seed(&[1; 32]);
        let deployment = lastmile_log::Deployment { id: [2; 16], root: key.public() };
        let persons = persons.into_iter().map(Uuid::from_bytes).collect();
        let own = lastmile_log::AuthorKey::from_seed(&own);
        let blank = Certificate {
            public: own.public(), device, persons, roles, scopes, from_ms, until_ms, issuer,
            signature: [0; 64], consent: None,
        };
        let certificate = match issuer {
            Issuer::Predecessor(_) => blank.succeeding(&key, &own, &deployment),
            _ => blank.signed(&key, &deployment),
        };
        prop_assert_eq!(certificate.check(), Ok(()));
        prop_assert!(certificate.verify(&key.public(), &deployment));
        prop_assert_eq!(Certificate::decode(&certificate.encode()).unwrap(), certificate);
    }
}

#[test]
fn a_real_log_comes_back_in_pieces() {
    let commits = Corpus::new(1).take(60);
    let batch = unpack(&packed(&commits), MAX_RAW).unwrap();
    assert_eq!(all(&batch), commits);
    assert_eq!(batch.repack(70, 80), Err(PackError::Empty));
    assert_eq!(batch.repack(9, 3), Err(PackError::Empty));
    let tail = unpack(&batch.repack(41, u64::MAX).unwrap(), MAX_RAW).unwrap();
    assert_eq!((tail.first, tail.last(), tail.prev), (41, 60, batch.chain_of(40).unwrap()));
    assert_eq!(tail.head(), batch.head());
    assert_eq!(tail.body(0, 0), batch.body(40, 0));
    assert_eq!(tail.body(0, 99), None);
    assert_eq!(tail.body(99, 0), None);
}

#[test]
fn packs_a_realistic_log_small() {
    let commits = Corpus::new(2).take(500);
    let records: usize = commits.iter().map(|commit| commit.header.changes.len()).sum();
    let bytes = packed(&commits).len();
    assert!(bytes / records < 60, "{bytes} bytes for {records} records");
}
