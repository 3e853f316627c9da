//! Random histories of one record, in the engine's words and in the model's.

use std::collections::BTreeSet;

use lastmile_crdt::{Action, Change, ChangeHeader, Known, Op, OpId};
use lastmile_model::{AuthorId, ChangeHash, Value};
use lastmile_testkit::reference::{self, Body, Commit, Val};
use rand::seq::IndexedRandom;
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The scope of every history.
pub const SCOPE: &str = "community:430103005010";
/// The record of every history.
pub const RECORD: [u8; 16] = [7; 16];

const FIRST: [&str; 6] = ["id", "type", "schema_v", "place_code", "created_at", "device"];

/// A record type with the keys and kinds of events that its histories use.
type Words = (&'static str, &'static [&'static str], &'static [&'static str]);

const WORDS: [Words; 3] = [
    (
        "activity",
        &["date", "beneficiaries", "note", "tags/a", "unknown", "schema_v"],
        &[
            "hold",
            "submit",
            "submit",
            "verify",
            "verify",
            "return",
            "accept",
            "reject",
            "cancel",
            "duplicate",
            "not_duplicate",
        ],
    ),
    (
        "check_in",
        &["basis", "grid", "intents/a", "person", "community"],
        &["register", "register", "confirm", "confirm", "return", "move_out", "end"],
    ),
    ("person", &["name", "job", "skills/a", "id_no", "name_py", "employer"], &["consent"]),
];

struct Node {
    change: Change,
    header: ChangeHeader,
    past: BTreeSet<usize>,
    hidden: bool,
}

/// One record's changes, some of them invisible.
pub struct History {
    /// The record's type.
    pub record_type: &'static str,
    nodes: Vec<Node>,
}

impl History {
    /// Makes a history; half of them are of honest writers with nothing hidden.
    pub fn random(seed: u64) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let words = WORDS.choose(rng).unwrap();
        let honest = rng.random_bool(0.5);
        let authors = rng.random_range(1..4_u8);
        let mut history = Self { record_type: words.0, nodes: Vec::new() };
        for step in 0..rng.random_range(2..12_u8) {
            let actor = AuthorId([rng.random_range(1..=authors); 16]);
            let past = history.known_to_somebody(rng);
            let mut ops = if past.is_empty() { begin(words.0, rng) } else { Vec::new() };
            for key in words.1 {
                if rng.random_bool(0.4) && ops.iter().all(|op| op.key != *key) {
                    let careful = honest || rng.random_bool(0.7);
                    let pred = if careful { history.standing(&past, key) } else { history.any(&past, rng) };
                    ops.push(Op { key: (*key).to_owned(), action: action(key, rng), pred });
                }
            }
            for place in 0..*[0, 1, 1, 2].choose(rng).unwrap() {
                // Now and then somebody takes an event's id again.
                let id = if rng.random_bool(0.95) { step * 8 + place } else { 1 };
                happen(id, words.2, &mut ops, rng);
            }
            if !ops.is_empty() {
                let hidden = !honest && rng.random_bool(0.2);
                history.push(actor, past, ops, hidden, rng);
            }
        }
        if history.nodes.is_empty() {
            let ops = begin(words.0, rng);
            history.push(AuthorId([1; 16]), BTreeSet::new(), ops, false, rng);
        }
        history
    }

    /// A random set of changes with all their ancestors.
    fn known_to_somebody(&self, rng: &mut impl Rng) -> BTreeSet<usize> {
        let share = *[0.3, 0.7, 1.0].choose(rng).unwrap();
        let mut known = BTreeSet::new();
        for (place, node) in self.nodes.iter().enumerate() {
            if rng.random_bool(share) {
                known.insert(place);
                known.extend(node.past.iter().copied());
            }
        }
        known
    }

    /// What a careful writer replaces: the visible values of a key that no visible operation names.
    fn standing(&self, past: &BTreeSet<usize>, key: &str) -> Vec<OpId> {
        let visible = past.iter().map(|place| &self.nodes[*place]).filter(|node| !node.hidden);
        let ops: Vec<(OpId, &Op)> = visible
            .flat_map(|node| node.change.ops.iter().enumerate().map(|(index, op)| (node.change.op_id(index), op)))
            .filter(|(_, op)| op.key == key)
            .collect();
        let stands = |id: &OpId| !ops.iter().any(|(_, op)| op.pred.contains(id));
        let values = ops.iter().filter(|(id, op)| op.action != Action::Delete && stands(id));
        values.map(|(id, _)| *id).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Some operations of ancestors, on whatever key.
    fn any(&self, past: &BTreeSet<usize>, rng: &mut impl Rng) -> Vec<OpId> {
        let mut found = BTreeSet::new();
        for place in past {
            if rng.random_bool(0.3) {
                let change = &self.nodes[*place].change;
                found.insert(change.op_id(rng.random_range(0..change.ops.len())));
            }
        }
        found.into_iter().collect()
    }

    fn push(&mut self, actor: AuthorId, past: BTreeSet<usize>, ops: Vec<Op>, hidden: bool, rng: &mut impl RngCore) {
        let is_head = |place: &&usize| !past.iter().any(|other| self.nodes[*other].past.contains(place));
        let heads: Vec<&Change> = past.iter().filter(is_head).map(|place| &self.nodes[*place].change).collect();
        let own = past.iter().map(|place| &self.nodes[*place].change).filter(|change| change.actor == actor);
        let mut hash = [0; 32];
        rng.fill_bytes(&mut hash);
        let mut deps: Vec<ChangeHash> = heads.iter().map(|change| change.hash).collect();
        deps.sort_unstable();
        let change = Change {
            hash: ChangeHash(hash),
            deps,
            actor,
            seq: own.map(|change| change.seq).max().unwrap_or(0) + 1,
            start_op: heads.iter().map(|change| change.max_op()).max().unwrap_or(0) + 1,
            time: 0,
            message: None,
            salt: None,
            ops,
        };
        let header = change.header();
        self.nodes.push(Node { change, header, past, hidden });
    }

    /// The history as the engine takes it.
    pub fn known(&self) -> Vec<Known<'_>> {
        let known = |node| match node {
            &Node { ref header, hidden: true, .. } => Known::hidden(header),
            Node { change, .. } => Known::visible(change),
        };
        self.nodes.iter().rev().map(known).collect()
    }

    /// The history as the model takes it, each change in a commit of its own.
    pub fn commits(&self) -> Vec<Commit> {
        let commit = |(seq, node): (u64, &Node)| {
            let change = &node.change;
            let body = match (node.hidden, seq % 2) {
                (false, _) => Body::Ops(change.ops.iter().map(model_op).collect()),
                (true, 0) => Body::Erased,
                (true, _) => Body::Unreadable,
            };
            let change = reference::Change {
                record_type: self.record_type.to_owned(),
                record: RECORD,
                hash: change.hash.0,
                deps: change.deps.iter().map(|dep| dep.0).collect(),
                actor_seq: change.seq,
                start_op: change.start_op,
                op_count: change.ops.len() as u64,
                body,
            };
            let (author, chain) = (node.change.actor.0, change.hash);
            Commit {
                scope: SCOPE.to_owned(),
                author,
                seq,
                chain,
                prev: [0; 32],
                office: false,
                follows: BTreeSet::new(),
                changes: vec![change],
            }
        };
        (1..).zip(&self.nodes).map(commit).collect()
    }
}

fn put(key: impl Into<String>, value: impl Into<Value>) -> Op {
    Op { key: key.into(), action: Action::Set(value.into()), pred: Vec::new() }
}

/// What a first change writes; now and then a check-in lacks what it needs.
fn begin(record_type: &str, rng: &mut impl Rng) -> Vec<Op> {
    let needs: &[&str] = if record_type == "check_in" && rng.random_bool(0.9) { &["person", "community"] } else { &[] };
    FIRST.iter().chain(needs).map(|key| put(*key, Value::Int(1))).collect()
}

fn action(key: &str, rng: &mut impl Rng) -> Action {
    match (key.contains('/'), rng.random_bool(0.15)) {
        (_, true) => Action::Delete,
        (true, false) => Action::Set(Value::Bool(true)),
        (false, false) => Action::Set(Value::Int(rng.random_range(0..3))),
    }
}

fn happen(id: u8, kinds: &[&str], ops: &mut Vec<Op>, rng: &mut impl Rng) {
    let key = |part: &str| format!("ev/{}/{part}", format!("{id:02x}").repeat(16));
    if ops.iter().any(|op| op.key == key("kind")) {
        return;
    }
    let kind = *kinds.choose(rng).unwrap();
    ops.push(put(key("kind"), kind));
    ops.push(put(key("on"), format!("2025-01-{:02}", rng.random_range(1..28)).as_str()));
    if matches!(kind, "move_out" | "duplicate") {
        ops.push(put(key("to"), Value::Bytes(vec![rng.random_range(1..3); 16])));
    }
}

fn model_op(op: &Op) -> reference::Op {
    let value = match &op.action {
        Action::Set(value) => Some(val(value)),
        Action::Delete => None,
    };
    let preds = op.pred.iter().map(|pred| (pred.counter, pred.actor.0)).collect();
    reference::Op { key: op.key.clone(), value, preds }
}

/// A value in the model's words.
pub fn val(value: &Value) -> Val {
    match value {
        Value::Bool(flag) => Val::Bool(*flag),
        Value::Int(number) => Val::Int(*number),
        Value::Str(text) => Val::Text(text.clone()),
        Value::Bytes(bytes) => Val::Bytes(bytes.clone()),
        other => panic!("no history holds {other:?}"),
    }
}
