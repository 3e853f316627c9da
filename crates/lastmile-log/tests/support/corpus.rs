//! Logs as devices write them, from a seed: activities with participations, persons with check-ins.

use lastmile_crdt::{Base, Edit, make_change};
use lastmile_log::{ChangeEntry, Commit, CommitHeader, chain_hash};
use lastmile_model::{AuthorId, ChainHash, RecordId, Scope, Value};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

const COMMUNITY: &str = "430103005010";
const TITLES: [&str; 8] =
    ["社区清洁日", "独居老人探访", "文明劝导", "反诈宣传", "义诊服务", "垃圾分类指导", "青少年课后辅导", "法律咨询"];
const VENUES: [&str; 4] = ["社区党群服务中心", "天心阁小区北门", "书院路广场", "三号楼前坪"];
const SURNAMES: [&str; 10] = ["王", "李", "张", "刘", "陈", "杨", "黄", "赵", "周", "吴"];
const NAMES: [&str; 8] = ["伟", "芳", "秀英", "敏", "静", "丽", "强", "磊"];

/// The author of every corpus.
pub const AUTHOR: AuthorId = AuthorId(*b"\x3b\x91\x77\x02\xee\x41\x9a\xd8\x55\x6c\x13\xc4\x8e\xf0\x2a\xb7");
const ACTING: Uuid = Uuid::from_bytes(*b"\x01\x93\x5a\x77\x10\x02\x7e\x61\x9d\x21\x66\x7a\x3f\x50\xd1\x0c");

/// Who saves what: every second commit is an activity with seven participations, the others a person with a check-in.
pub struct Corpus {
    rng: ChaCha8Rng,
    millis: i64,
    persons: Vec<[u8; 16]>,
    seq: u64,
    prev: ChainHash,
}

impl Corpus {
    /// Begins a log.
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let persons = (0..800).map(|_| uuid7(1_760_000_000_000, &mut rng)).collect();
        Self { rng, millis: 1_764_000_000_000, persons, seq: 0, prev: ChainHash::ZERO }
    }

    /// Writes so many further commits.
    pub fn take(&mut self, commits: usize) -> Vec<Commit> {
        (0..commits).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> Commit {
        self.seq += 1;
        self.millis += self.rng.random_range(5_000..600_000);
        let changes = if self.seq % 2 == 1 { self.activity() } else { self.person() };
        let (entries, bodies): (Vec<_>, Vec<_>) = changes.into_iter().map(|(entry, body)| (entry, Some(body))).unzip();
        let header = CommitHeader {
            version: 1,
            scope: Scope::community(COMMUNITY).unwrap(),
            author: AUTHOR,
            seq: self.seq,
            prev: self.prev,
            acting: Some(ACTING),
            schema_v: 1,
            hlc: self.millis.cast_unsigned() << 16,
            wall_ms: self.millis,
            app: "1.0.0".to_owned(),
            extension: Vec::new(),
            changes: entries,
        };
        self.prev = chain_hash(&header);
        Commit { header, bodies }
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.rng.random_range(0..from.len())]
    }

    fn some_person(&mut self) -> [u8; 16] {
        self.persons[self.rng.random_range(0..self.persons.len())]
    }

    fn activity(&mut self) -> Vec<(ChangeEntry, Vec<u8>)> {
        let id = uuid7(self.millis, &mut self.rng);
        let month = self.rng.random_range(1..=12);
        let edits = vec![
            Edit::set("title", format!("{}{}", self.pick(&TITLES), self.seq)),
            Edit::set("category", self.pick(&["01", "02", "05", "07"])),
            Edit::set("kind", "service"),
            Edit::set("date", format!("2025-{month:02}-{:02}", self.rng.random_range(1..=28))),
            Edit::set("start_time", "09:00"),
            Edit::set("end_time", "11:30"),
            Edit::set("venue", self.pick(&VENUES)),
            Edit::set("led_by", Value::Bytes(self.some_person().to_vec())),
            Edit::set("beneficiaries", self.rng.random_range(0..200)),
        ];
        let mut changes = vec![self.first_change("activity", id, None, edits)];
        for _ in 0..7 {
            let edits = vec![
                Edit::set("activity", Value::Bytes(id.to_vec())),
                Edit::set("person", Value::Bytes(self.some_person().to_vec())),
                Edit::set("role", "participant"),
                Edit::set("minutes", 30 * self.rng.random_range(1..7)),
                Edit::set("source", "list"),
                Edit::set("attended", true),
            ];
            let derived = self.rng.random();
            changes.push(self.first_change("participation", derived, None, edits));
        }
        changes
    }

    fn person(&mut self) -> Vec<(ChangeEntry, Vec<u8>)> {
        let id = uuid7(self.millis, &mut self.rng);
        let year = self.rng.random_range(50..99);
        let edits = vec![
            Edit::set("name", format!("{}{}", self.pick(&SURNAMES), self.pick(&NAMES))),
            Edit::set("sex", self.pick(&["1", "2"])),
            Edit::set("birth_ym", format!("19{year}-{:02}", self.rng.random_range(1..=12))),
            Edit::set(format!("phone/139{:08}", self.rng.random_range(0..100_000_000)), true),
            Edit::set("id_last4", format!("{:04}", self.rng.random_range(0..10_000))),
            Edit::set("party_status", "member"),
            Edit::set("kind/in_service", true),
            Edit::set("status", "active"),
        ];
        let salt = self.rng.random();
        let person = self.first_change("person", id, Some(salt), edits);
        let event = Uuid::from_bytes(uuid7(self.millis, &mut self.rng)).simple().to_string();
        let edits = vec![
            Edit::set("person", Value::Bytes(id.to_vec())),
            Edit::set("community", COMMUNITY),
            Edit::set("basis", "residence"),
            Edit::set("intents/01", true),
            Edit::set(format!("ev/{event}/kind"), "submit"),
            Edit::set(format!("ev/{event}/on"), "2025-11-23"),
            Edit::set(format!("ev/{event}/at"), Value::Timestamp(self.millis)),
            Edit::set(format!("ev/{event}/by"), Value::Bytes(ACTING.as_bytes().to_vec())),
        ];
        let (derived, salt) = (self.rng.random(), self.rng.random());
        vec![person, self.first_change("check_in", derived, Some(salt), edits)]
    }

    fn first_change(
        &self,
        record_type: &str,
        id: [u8; 16],
        salt: Option<[u8; 16]>,
        fields: Vec<Edit>,
    ) -> (ChangeEntry, Vec<u8>) {
        let mut edits = vec![
            Edit::set("id", Value::Bytes(id.to_vec())),
            Edit::set("type", record_type),
            Edit::set("schema_v", 1),
            Edit::set("place_code", COMMUNITY),
            Edit::set("created_at", Value::Timestamp(self.millis)),
            Edit::set("created_by", Value::Bytes(ACTING.as_bytes().to_vec())),
            Edit::set("device", Value::Bytes(AUTHOR.0.to_vec())),
        ];
        edits.extend(fields);
        let made = make_change(&Base::EMPTY, AUTHOR, self.millis / 1000, salt, &edits).unwrap();
        let record = RecordId::from_bytes(id);
        let entry = ChangeEntry { record_type: record_type.to_owned(), record, header: made.change.header() };
        (entry, made.encoded.bytes)
    }
}

/// A UUIDv7 of about this time.
fn uuid7(millis: i64, rng: &mut ChaCha8Rng) -> [u8; 16] {
    let mut bytes: [u8; 16] = rng.random();
    let millis = millis + rng.random_range(0..1_000);
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    bytes
}
