//! Odd changes that the gate accepts: they pass through store, evaluation and export like any other.
//!
//! `corpus/accepted-hostile` holds them as inputs of the store's target. `LASTMILE_CORPUS=1` writes them anew.

use lastmile_crdt::{Action, Base, Change, ChangeParts, Edit, Known, Op, OpId, encode, make_change};
use lastmile_log::{ChangeEntry, Commit, Seal, chain_hash};
use lastmile_model::{ChangeHash, Value};
use lastmile_store::{Durability, Fate, Incoming, ViewMode};

use crate::commits::{commit, packed, unpacked};
use crate::mutate::{join, split};
use crate::support::{author, deployment, id, key};
use crate::{run, world};

/// Takes every file: all of it is applied, each row exports, and the replica keeps its laws.
pub fn pass_through() {
    let folder = run::corpus("accepted-hostile");
    if std::env::var_os("LASTMILE_CORPUS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, commits) in stories() {
            let batch = [vec![0], packed(&commits).unwrap()].concat();
            std::fs::write(folder.join(format!("{name}.bin")), [vec![0], join(&[batch])].concat()).unwrap();
        }
    }
    let files = run::files(&folder);
    assert!(files.len() >= 9, "the corpus of accepted hostile changes is gone");
    for (path, data) in files {
        let (kept, mut store) = world::replica(data[0] & 1 == 1);
        for part in split(&data[1..]) {
            let commits = unpacked(&part[1..]).unwrap();
            let last = &commits.last().unwrap().header;
            let seals = vec![Seal::sign(&key(2), &deployment(), &last.scope, last.seq, chain_hash(last))];
            let incoming = Incoming { packed: part[1..].to_vec(), seals };
            let outcomes = store.ingest(vec![incoming], ViewMode::Now, Durability::Full).unwrap();
            assert!(matches!(outcomes[0].fate, Fate::Appended { .. }), "{}: {:?}", path.display(), outcomes[0].fate);
        }
        let mut reader = store.reader().unwrap();
        let (counts, odd) = (reader.counts(None).unwrap(), reader.odd(None).unwrap());
        let reasons: Vec<String> = odd.into_iter().map(|(odd, _)| odd.reason).collect();
        assert_eq!(counts.applied, counts.held(), "{}: {reasons:?}", path.display());
        let exported = world::export(&store, 50);
        assert_eq!(exported.get("activity"), Some(&1), "{}: no row", path.display());
        world::check(&kept, store);
    }
}

/// The fields that make a first change one.
fn identity() -> Vec<Edit> {
    vec![
        Edit::set("id", Value::reference(id(7))),
        Edit::set("type", "activity"),
        Edit::set("schema_v", 1),
        Edit::set("place_code", "430103005010"),
        Edit::set("created_at", Value::Timestamp(1_764_000_000_000)),
        Edit::set("device", Value::Bytes(author(2).0.to_vec())),
        Edit::set("title", "清洁日"),
        Edit::set("category", "01"),
        Edit::set("kind", "service"),
        Edit::set("date", "2025-03-05"),
    ]
}

/// A record's changes under way.
#[derive(Default)]
struct Record {
    changes: Vec<Change>,
    bodies: Vec<Vec<u8>>,
}

impl Record {
    fn begun(more: Vec<Edit>) -> Self {
        let mut record = Self::default();
        record.edit(identity().into_iter().chain(more).collect());
        record
    }

    fn edit(&mut self, edits: Vec<Edit>) {
        let known: Vec<Known<'_>> = self.changes.iter().map(Known::visible).collect();
        let base = Base { changes: &known, own_last: None };
        let made = make_change(&base, author(2), 1_764_000_000, None, &edits).unwrap();
        self.bodies.push(made.encoded.bytes);
        self.changes.push(made.change);
    }

    /// A change with these parts, the next of the author on all that is there.
    fn raw(&mut self, time: i64, message: Option<&str>, ops: &[Op]) {
        let last = self.changes.last().unwrap();
        let (deps, seq, start_op): (Vec<ChangeHash>, _, _) = (vec![last.hash], last.seq + 1, last.max_op() + 1);
        let parts = ChangeParts { deps: &deps, actor: author(2), seq, start_op, time, message, salt: None, ops };
        let encoded = encode(&parts).unwrap();
        self.changes.push(lastmile_crdt::decode(&encoded.bytes).unwrap());
        self.bodies.push(encoded.bytes);
    }

    fn commits(&self) -> Vec<Commit> {
        let mut commits: Vec<Commit> = Vec::new();
        for (change, body) in self.changes.iter().zip(&self.bodies) {
            let entry = ChangeEntry { record_type: "activity".to_owned(), record: id(7), header: change.header() };
            commits.push(commit(author(2), commits.last(), vec![(entry, Some(body.clone()))]));
        }
        commits
    }
}

fn stories() -> Vec<(&'static str, Vec<Commit>)> {
    let set = |key: &str, value: Value, pred: Vec<OpId>| Op { key: key.to_owned(), action: Action::Set(value), pred };
    let mut all = Vec::new();
    let mut add = |name, record: &Record| all.push((name, record.commits()));

    let odd_keys = ["", "/", "//", "ev/", "ev/x/y", "tags/", "\u{0}", "\u{202e}gnp.exe", "phone/=1+1", "a\nb", "id/id"];
    add("odd-keys", &Record::begun(odd_keys.map(|key| Edit::set(key, true)).into()));

    let values = [
        Value::Null,
        Value::F64(f64::NAN.to_bits() | 1),
        Value::F64((-0.0_f64).to_bits()),
        Value::Int(i64::MIN),
        Value::Uint(u64::MAX),
        Value::Timestamp(i64::MIN),
        Value::Counter(i64::MAX),
        Value::Bytes(Vec::new()),
        Value::Unknown { code: 10, bytes: vec![0xff; 9] },
        Value::Unknown { code: 15, bytes: Vec::new() },
        Value::from(""),
        Value::from("\u{feff}\u{0}=1+1"),
    ];
    let odd_values = values.into_iter().enumerate().map(|(at, value)| Edit::set(format!("later_{at}"), value));
    add("odd-values", &Record::begun(odd_values.collect()));

    let fields = ["beneficiaries", "venue", "start_time", "led_by", "summary", "tags/x", "status"];
    add(
        "values-of-wrong-types",
        &Record::begun(fields.map(|field| Edit::set(field, Value::Unknown { code: 12, bytes: vec![1] })).into()),
    );

    let many = (0..246).map(|at| Edit::set(format!("k{at}"), at));
    add("as-many-operations-as-there-may-be", &Record::begun(many.collect()));

    add("nearly-64-kib", &Record::begun(vec![Edit::set("later", Value::Bytes(vec![7; 64_900]))]));

    let mut record = Record::begun(Vec::new());
    record.raw(-(1 << 53), Some("\u{202e}a message\u{0}"), &[set("title", "x".into(), Vec::new())]);
    record.raw(1 << 53, Some(&"m".repeat(5_000)), &[set("title", "y".into(), Vec::new())]);
    add("times-at-their-bounds-and-no-predecessors", &record);

    // Every operation of the past as a predecessor, on whatever key it was.
    let mut record = Record::begun((0..200).map(|at| Edit::set(format!("k{at}"), at)).collect());
    let stray: Vec<OpId> = (0..210).map(|at| record.changes[0].op_id(at)).collect();
    let ops: Vec<Op> = (0..39).map(|at| set(&format!("k{at}"), Value::Null, stray.clone())).collect();
    record.raw(0, None, &ops);
    record.raw(0, None, &[Op { key: "never".to_owned(), action: Action::Delete, pred: stray }]);
    add("predecessors-that-are-none", &record);

    let mut record = Record::begun(Vec::new());
    for event in 0..30_u32 {
        let key = |part: &str| format!("ev/{:032x}/{part}", event % 3);
        record.edit(vec![
            Edit::set(key("kind"), ["submit", "verify", "return", "plan", "=x"][event as usize % 5]),
            Edit::set(key("on"), Value::Int(i64::from(event))),
            Edit::set(key("at"), Value::Timestamp(i64::MAX)),
            Edit::set(key(""), true),
        ]);
    }
    add("events-that-change-their-minds", &record);

    let mut record = Record::begun(vec![Edit::set("beneficiaries", 1)]);
    for round in 0..40 {
        record.edit(vec![Edit::remove("beneficiaries"), Edit::set("tags/a", round % 2 == 0)]);
        record.edit(vec![Edit::set("beneficiaries", i64::from(round)), Edit::remove("tags/a")]);
    }
    add("set-and-removed-again-and-again", &record);

    let mut record = Record::begun(Vec::new());
    record.edit(vec![Edit::remove("title"), Edit::remove("date"), Edit::remove("category"), Edit::remove("kind")]);
    record.edit(vec![Edit::set("title", "wieder da")]);
    add("required-fields-removed", &record);
    all
}
