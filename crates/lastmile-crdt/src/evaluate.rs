//! Evaluation: what a record is, as a pure function of its set of changes.
//!
//! Two rules make every value. An operation supersedes its predecessors and everything on its key in their causal past,
//! visible or not; an operation of a hidden change supersedes nothing and shows nothing. What stays unsuperseded shows
//! by the merge letter of its field:
//!
//! | letter | shows | listed as a conflict |
//! |---|---|---|
//! | `I` | the lowest of all operations on the key, superseded or not | differing values |
//! | `R` | the highest | differing values: [`ConflictKind::Listed`] |
//! | `Q` | the one value; the last verified of several; else the lowest | [`ConflictKind::Held`], [`ConflictKind::Correction`] |
//! | `S` | an element with any unsuperseded `true` | never |
//! | `E` | every event, once, as its lowest operation's change wrote it | parts that another change wrote differently |
//! | `V` | the highest | differing ciphertexts: [`ConflictKind::Sealed`] |
//! | `C` | nothing: never in a change | never |
//!
//! A key that the type does not know is an `R` field without a meaning. Operations are ordered by counter, actor and
//! change hash; the claimed time never takes part.

mod events;
pub(crate) mod operations;
mod registers;

use std::collections::{BTreeMap, BTreeSet};

use lastmile_model::states::Machine;
use lastmile_model::{ChangeHash, Merge, RecordType, Value};
use uuid::Uuid;

use crate::change::{Action, Change, Op, OpId};
use crate::history::{History, Known};
use events::{EventOps, Milestones};
use operations::OpAt;

/// The most events that a record shows; what lies beyond, in causal order, is counted in [`Record::events_left_out`].
pub const MAX_EVENTS: usize = 1024;

/// The common `I` fields in which two first changes of one derived id may differ without anybody being asked.
const UNLISTED: [&str; 4] = ["created_at", "created_by", "device", "schema_v"];

/// What a record is. Borrows keys and values from the changes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record<'a> {
    /// The visible changes without visible descendants, sorted.
    pub heads: Vec<ChangeHash>,
    /// What each field shows.
    pub values: BTreeMap<&'a str, Shown<'a>>,
    /// The elements of each set that has any.
    pub sets: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// The events in causal order, ties by operation.
    pub events: Vec<Event<'a>>,
    /// How many events there are beyond [`MAX_EVENTS`].
    pub events_left_out: usize,
    /// What a person has to see or decide, sorted by field.
    pub conflicts: Vec<Conflict<'a>>,
    /// The required `I` fields without a value: such a record is no row.
    pub incomplete: Vec<&'a str>,
}

impl<'a> Record<'a> {
    /// Returns the value that a field shows.
    #[must_use]
    pub fn value(&self, field: &str) -> Option<&'a Value> {
        self.values.get(field).map(|shown| shown.value)
    }
}

/// The value that a field shows, and where it is from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown<'a> {
    /// The value.
    pub value: &'a Value,
    /// Which of the given changes wrote it.
    pub by: usize,
    /// The operation that wrote it.
    pub op: OpId,
}

/// One event: something that happened to the record and is never taken back.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    /// Its id.
    pub id: Uuid,
    /// Its parts: `kind`, `on`, `at`, `by`, `why` and others by kind.
    pub parts: BTreeMap<&'a str, &'a Value>,
    /// Which of the given changes wrote it.
    pub by: usize,
    /// The first of its operations.
    pub op: OpId,
    /// The places in [`Record::events`] of the events among its causal ancestors.
    pub after: Vec<usize>,
}

impl<'a> Event<'a> {
    /// Returns what kind of event it is.
    #[must_use]
    pub fn kind(&self) -> Option<&'a str> {
        self.parts.get("kind").and_then(|value| value.as_str())
    }
}

/// Values or transitions that do not agree.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict<'a> {
    /// The key concerned; `state` for opposed transitions.
    pub field: &'a str,
    /// What is to be done about it.
    pub kind: ConflictKind,
    /// The candidates, lowest operation first.
    pub candidates: Vec<Candidate<'a>>,
    /// The value that shows meanwhile.
    pub shown: Option<&'a Value>,
    /// The value before the candidates parted; for a correction the verified value.
    pub base: Option<&'a Value>,
}

/// What is to be done about a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConflictKind {
    /// An `I` field was written differently; the first shows and stays.
    Immutable,
    /// K1: an `R` field; the newest shows, the others are in history.
    Listed,
    /// A `V` field: the ciphertexts differ; only the office can tell whether the values do.
    Sealed,
    /// K2: a `Q` field; a person decides.
    Held,
    /// K2: a verified `Q` field was edited after or beside its verification; a person accepts or rejects.
    Correction,
    /// K2: concurrent events that exclude each other; a person decides.
    Transition,
}

impl ConflictKind {
    /// Says whether a person has to decide (K2), rather than just be able to see it (K1).
    #[must_use]
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Held | Self::Correction | Self::Transition)
    }
}

/// One side of a conflict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate<'a> {
    /// The value; `None` where the side deleted it. For a transition the kind of event.
    pub value: Option<&'a Value>,
    /// Which of the given changes wrote it.
    pub by: usize,
    /// The operation that wrote it.
    pub op: OpId,
}

/// Evaluates a record from its applied and hidden changes, given in any order.
///
/// The result is a function of the set alone; only the `by` places follow the order given. A record type of `None`
/// treats every field as a register without a meaning.
#[must_use]
pub fn evaluate<'a>(record_type: Option<&'a RecordType>, changes: &[Known<'a>]) -> Record<'a> {
    match changes {
        [Known { change: Some(change), .. }] => {
            let mut record = evaluate_single(record_type, change);
            record.incomplete = missing(record_type, &record.values, &change.ops);
            record
        }
        _ => {
            let mut record = evaluate_history(record_type, &History::new(changes));
            record.incomplete = missing(record_type, &record.values, &[]);
            record
        }
    }
}

/// The required `I` fields without a value. A first change writes the common ones first and in order, so they are looked
/// for among its next operations before they are looked up.
fn missing<'a>(
    record_type: Option<&'a RecordType>,
    values: &BTreeMap<&'a str, Shown<'a>>,
    mut ops: &[Op],
) -> Vec<&'a str> {
    let fields = record_type.map_or(&[][..], |record_type| &record_type.fields);
    let required = fields.iter().filter(|field| field.required && field.merge == Merge::Immutable);
    let is_missing = |name: &&'a str| {
        let puts = |op: &Op| op.key == *name && matches!(op.action, Action::Set(_));
        if let Some(place) = ops.iter().take(3).position(puts) {
            ops = ops.get(place + 1..).unwrap_or_default();
            return false;
        }
        !values.contains_key(name)
    };
    required.map(|field| field.name.as_str()).filter(is_missing).collect()
}

/// What a key means in a record type.
enum Meaning<'a> {
    Register(Merge),
    Element(&'a str, &'a str),
    EventPart(Uuid, &'a str),
    Ignored,
}

/// The merge letter of a field.
fn letter(record_type: Option<&RecordType>, name: &str) -> Option<Merge> {
    record_type.and_then(|known| known.field(name)).map(|(_, field)| field.merge)
}

fn meaning<'a>(record_type: Option<&RecordType>, key: &'a str) -> Meaning<'a> {
    let register = Meaning::Register(Merge::Register);
    let Some((head, rest)) = key.split_once('/') else {
        return match letter(record_type, key) {
            Some(Merge::Computed) => Meaning::Ignored,
            Some(letter @ (Merge::Immutable | Merge::Question | Merge::Sealed)) => Meaning::Register(letter),
            _ => register,
        };
    };
    if head == "ev" {
        return event_part(rest).map_or(register, |(id, part)| Meaning::EventPart(id, part));
    }
    if letter(record_type, head) == Some(Merge::Set) { Meaning::Element(head, rest) } else { register }
}

/// Reads `<32 lower-case hexadecimal digits>/<part>`.
fn event_part(rest: &str) -> Option<(Uuid, &str)> {
    let (id, part) = rest.split_once('/')?;
    let plain = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !plain || part.is_empty() {
        return None;
    }
    Some((Uuid::try_parse_ascii(id.as_bytes()).ok()?, part))
}

/// The common case: one change, whose operations all show. No graph, no conflicts.
fn evaluate_single<'a>(record_type: Option<&RecordType>, change: &'a Change) -> Record<'a> {
    let mut record = Record { heads: vec![change.hash], ..Record::default() };
    let mut values = Vec::with_capacity(change.ops.len());
    let mut events: BTreeMap<Uuid, Event<'a>> = BTreeMap::new();
    // All registers show alike here, so a plain key needs no look into the type unless it might be computed.
    let computed = record_type.is_some_and(|known| known.fields.iter().any(|field| field.merge == Merge::Computed));
    for (index, op) in change.ops.iter().enumerate() {
        let Action::Set(value) = &op.action else { continue };
        let meaning = if computed || op.key.contains('/') {
            meaning(record_type, &op.key)
        } else {
            Meaning::Register(Merge::Register)
        };
        match meaning {
            Meaning::Register(_) => values.push((op.key.as_str(), Shown { value, by: 0, op: change.op_id(index) })),
            Meaning::Element(set, element) if *value == Value::Bool(true) => {
                record.sets.entry(set).or_default().insert(element);
            }
            Meaning::EventPart(id, part) => {
                let new = || Event { id, parts: BTreeMap::new(), by: 0, op: change.op_id(index), after: Vec::new() };
                events.entry(id).or_insert_with(new).parts.insert(part, value);
            }
            Meaning::Element(..) | Meaning::Ignored => {}
        }
    }
    record.values = values.into_iter().collect();
    if !events.is_empty() {
        let mut events: Vec<Event<'a>> = events.into_values().collect();
        events.sort_by_key(|event| event.op);
        events.iter_mut().enumerate().for_each(|(place, event)| event.after = (0..place).collect());
        record.events = events;
    }
    record
}

fn evaluate_history<'a>(record_type: Option<&'a RecordType>, history: &History<'a>) -> Record<'a> {
    let heads = history.heads().into_iter().filter_map(|head| history.known(head)).map(|known| known.hash).collect();
    let mut record = Record { heads, ..Record::default() };
    let mut event_ops = EventOps::new();
    let ops = operations::by_key(history);
    // Events first: what they verified decides what the registers show.
    let mut groups = Vec::new();
    for group in ops.chunk_by(|one, other| one.key() == other.key()) {
        let Some(first) = group.first() else { continue };
        match meaning(record_type, first.key()) {
            Meaning::EventPart(id, part) => event_ops.add(id, part, group),
            Meaning::Ignored => {}
            meaning => groups.push((meaning, group)),
        }
    }
    event_ops.show(history, &mut record);
    let machine = record_type.and_then(|known| known.states.as_deref()).and_then(Machine::named);
    let milestones = Milestones::find(machine, &event_ops);
    for (meaning, group) in groups {
        match meaning {
            Meaning::Element(set, element) => show_element(history, group, set, element, &mut record),
            Meaning::Register(letter) => registers::show(history, &milestones, letter, group, &mut record),
            Meaning::EventPart(..) | Meaning::Ignored => {}
        }
    }
    let opposed = events::opposed(machine, &record.events);
    record.conflicts.extend(opposed);
    record.conflicts.sort_by(|one, other| one.field.cmp(other.field).then(one.kind.cmp(&other.kind)));
    record
}

/// Add wins: an element is in its set while any addition of it stands.
fn show_element<'a>(
    history: &History<'a>,
    group: &[OpAt<'a>],
    set: &'a str,
    element: &'a str,
    record: &mut Record<'a>,
) {
    let live = operations::live(history, group, None);
    if live.sets.iter().any(|op| op.value() == Some(&Value::Bool(true))) {
        record.sets.entry(set).or_default().insert(element);
    }
}
