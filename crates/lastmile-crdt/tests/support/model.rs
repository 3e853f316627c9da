//! A slow reference model of the evaluation, written from the rules alone, and what two evaluations are compared by.
//!
//! It knows sets of hashes where the crate knows bits, and looks at everything again for every question.

use std::collections::{BTreeMap, BTreeSet};

use lastmile_crdt::{Action, Change, ChangeHeader, ConflictKind, Known, Op, OpId, Record};
use lastmile_model::{AuthorId, ChangeHash, Merge, Value};

use super::build::drill;

/// A mistake that the checks have to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    None,
    /// Registers show the lowest operation.
    LowestRegister,
    /// Supersession ignores everything but the named predecessors.
    NoCausalSupersession,
    /// A verified value is forgotten.
    NoVerification,
    /// The change hash orders the branches of a fork the other way round.
    HashReversed,
}

pub type Rank = (u64, AuthorId, ChangeHash);

/// A conflict: its field and kind, its sides, and the value that shows.
pub type Listed = (String, ConflictKind, Vec<(Option<Value>, Rank)>, Option<Value>);

/// What both evaluations must agree about, independent of the order in which changes were given.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    pub heads: Vec<ChangeHash>,
    pub values: BTreeMap<String, (Value, Rank)>,
    pub sets: BTreeMap<String, BTreeSet<String>>,
    pub events: Vec<(String, BTreeMap<String, Value>, Rank)>,
    pub conflicts: Vec<Listed>,
}

impl Snapshot {
    /// The comparable part of a record, with its `by` places turned into hashes.
    pub fn of(record: &Record<'_>, known: &[Known<'_>]) -> Self {
        let rank = |op: OpId, by: usize| (op.counter, op.actor, known[by].hash);
        let values = record
            .values
            .iter()
            .map(|(key, shown)| ((*key).to_owned(), (shown.value.clone(), rank(shown.op, shown.by))));
        let sets = record
            .sets
            .iter()
            .map(|(set, elements)| ((*set).to_owned(), elements.iter().map(|element| (*element).to_owned()).collect()));
        let events = record.events.iter().map(|event| {
            let parts = event.parts.iter().map(|(part, value)| ((*part).to_owned(), (*value).clone())).collect();
            (event.id.simple().to_string(), parts, rank(event.op, event.by))
        });
        let conflicts = record.conflicts.iter().filter(|conflict| conflict.kind != ConflictKind::Transition);
        let conflicts = conflicts.map(|conflict| {
            let sides = conflict.candidates.iter().map(|side| (side.value.cloned(), rank(side.op, side.by)));
            (conflict.field.to_owned(), conflict.kind, sides.collect(), conflict.shown.cloned())
        });
        Self {
            heads: record.heads.clone(),
            values: values.collect(),
            sets: sets.collect(),
            events: events.collect(),
            conflicts: conflicts.collect(),
        }
    }
}

struct Entry<'a> {
    header: ChangeHeader,
    change: Option<&'a Change>,
    ancestors: BTreeSet<ChangeHash>,
}

#[derive(Clone, Copy)]
struct At<'a> {
    op: &'a Op,
    hash: ChangeHash,
    /// What it is ordered by: its rank, unless a bug is planted.
    order: Rank,
}

impl At<'_> {
    fn rank(&self) -> Rank {
        (self.order.0, self.order.1, self.hash)
    }

    fn value(&self) -> Option<Value> {
        match &self.op.action {
            Action::Set(value) => Some(value.clone()),
            Action::Delete => None,
        }
    }
}

/// The reference model over one set of changes.
pub struct Model<'a> {
    entries: BTreeMap<ChangeHash, Entry<'a>>,
    ops: Vec<At<'a>>,
    bug: Bug,
}

impl<'a> Model<'a> {
    pub fn new(known: &[Known<'a>], bug: Bug) -> Self {
        let mut entries: BTreeMap<ChangeHash, Entry<'a>> = BTreeMap::new();
        for one in known {
            let header = ChangeHeader {
                hash: one.hash,
                deps: one.deps.to_vec(),
                actor: one.actor,
                seq: one.seq,
                start_op: one.start_op,
                op_count: one.op_count,
            };
            entries.insert(one.hash, Entry { header, change: one.change, ancestors: BTreeSet::new() });
        }
        // Until nothing more is added.
        loop {
            let mut grown = false;
            for hash in entries.keys().copied().collect::<Vec<_>>() {
                let mut ancestors = BTreeSet::new();
                for dep in entries[&hash].header.deps.iter().filter(|dep| entries.contains_key(dep)) {
                    ancestors.insert(*dep);
                    ancestors.extend(entries[dep].ancestors.iter().copied());
                }
                let entry = entries.get_mut(&hash).unwrap();
                grown |= ancestors.len() > entry.ancestors.len();
                entry.ancestors = ancestors;
            }
            if !grown {
                break;
            }
        }
        let mut ops = Vec::new();
        for entry in entries.values() {
            let Some(change) = entry.change else { continue };
            for (index, op) in change.ops.iter().enumerate() {
                let id = change.op_id(index);
                let last = if bug == Bug::HashReversed { change.hash.0.map(|byte| !byte) } else { change.hash.0 };
                ops.push(At { op, hash: change.hash, order: (id.counter, id.actor, ChangeHash(last)) });
            }
        }
        ops.sort_by_key(|at| at.order);
        Self { entries, ops, bug }
    }

    fn before(&self, earlier: &ChangeHash, later: &ChangeHash) -> bool {
        self.entries[later].ancestors.contains(earlier)
    }

    fn within(&self, hash: &ChangeHash, top: Option<ChangeHash>) -> bool {
        top.is_none_or(|top| *hash == top || self.before(hash, &top))
    }

    fn on(&self, key: &str) -> Vec<At<'a>> {
        self.ops.iter().filter(|at| at.op.key == key).copied().collect()
    }

    /// Whether `later` supersedes `earlier`, both on one key.
    fn supersedes(&self, later: &At<'a>, earlier: &At<'a>, on_key: &[At<'a>]) -> bool {
        let is_ancestor = |hash: &ChangeHash| self.before(hash, &later.hash);
        later.op.pred.iter().any(|pred| {
            let named = |at: &&At<'a>| (at.order.0, at.order.1) == (pred.counter, pred.actor) && is_ancestor(&at.hash);
            let mut tops: Vec<ChangeHash> = on_key.iter().filter(named).map(|at| at.hash).collect();
            tops.extend(
                self.entries
                    .values()
                    .filter(|entry| {
                        entry.change.is_none() && entry.header.holds(pred) && is_ancestor(&entry.header.hash)
                    })
                    .map(|entry| entry.header.hash),
            );
            let is_named = named(&earlier);
            let in_past =
                self.bug != Bug::NoCausalSupersession && tops.iter().any(|top| self.before(&earlier.hash, top));
            is_named || in_past
        })
    }

    /// What stands on a key, within a change and its ancestors if one is given.
    fn standing(&self, key: &str, top: Option<ChangeHash>) -> Vec<At<'a>> {
        let on_key: Vec<At<'a>> = self.on(key).into_iter().filter(|at| self.within(&at.hash, top)).collect();
        let sets = on_key.iter().filter(|at| at.value().is_some());
        sets.filter(|at| !on_key.iter().any(|later| self.supersedes(later, at, &on_key))).copied().collect()
    }

    /// Deletions that emptied the key and that nothing on it has seen.
    fn emptied(&self, key: &str, top: Option<ChangeHash>) -> Vec<At<'a>> {
        let on_key: Vec<At<'a>> = self.on(key).into_iter().filter(|at| self.within(&at.hash, top)).collect();
        let deletes = on_key.iter().filter(|at| at.value().is_none());
        let unseen = deletes.filter(|at| !on_key.iter().any(|later| self.before(&at.hash, &later.hash)));
        unseen.filter(|at| self.standing(key, Some(at.hash)).is_empty()).copied().collect()
    }

    /// Standing values and deletions by rank.
    fn sides(&self, key: &str, top: Option<ChangeHash>) -> Vec<At<'a>> {
        let mut sides = self.standing(key, top);
        sides.extend(self.emptied(key, top));
        sides.sort_by_key(|at| at.order);
        sides
    }

    /// Every event: its id, its parts, the rank of its first operation, the change that defines it.
    fn events(&self) -> Vec<(String, BTreeMap<String, Value>, Rank, ChangeHash)> {
        let mut ids: BTreeMap<&str, Vec<At<'a>>> = BTreeMap::new();
        for at in self.ops.iter().filter(|at| at.value().is_some()) {
            if let Some((id, _)) = at.op.key.strip_prefix("ev/").and_then(|rest| rest.split_once('/')) {
                ids.entry(id).or_default().push(*at);
            }
        }
        let mut events = Vec::new();
        for (id, ops) in ids {
            let first = ops[0];
            let own = ops.iter().filter(|at| at.hash == first.hash);
            let parts = own.map(|at| (at.op.key[36..].to_owned(), at.value().unwrap())).collect();
            events.push((first.order, (id.to_owned(), parts, first.rank(), first.hash)));
        }
        events.sort_by_key(|event| event.0);
        events.into_iter().map(|event| event.1).collect()
    }

    fn of_kind(&self, kinds: &[&str]) -> Vec<(Rank, ChangeHash)> {
        let kind_of =
            |parts: &BTreeMap<String, Value>| parts.get("kind").and_then(|kind| kind.as_str().map(str::to_owned));
        let events = self.events().into_iter();
        events
            .filter(|(_, parts, ..)| kind_of(parts).is_some_and(|kind| kinds.contains(&kind.as_str())))
            .map(|e| (e.2, e.3))
            .collect()
    }

    /// The causally last verification, of several the lowest; of all, or of those strictly before a change.
    fn last_verification(&self, before: Option<ChangeHash>) -> Option<ChangeHash> {
        if self.bug == Bug::NoVerification {
            return None;
        }
        let mut all = self.of_kind(&["verify", "accept"]);
        all.retain(|(_, hash)| before.is_none_or(|top| self.before(hash, &top)));
        // Of several in one change the last stands for it.
        let last_of =
            |hash: &ChangeHash| all.iter().filter(|(_, other)| other == hash).map(|(rank, _)| *rank).max().unwrap();
        let tops = all.iter().filter(|(_, hash)| !all.iter().any(|(_, other)| self.before(hash, other)));
        tops.min_by_key(|(_, hash)| last_of(hash)).map(|(_, hash)| *hash)
    }

    fn rejected(&self, at: &At<'a>, top: Option<ChangeHash>) -> bool {
        let verifying = self.of_kind(&["verify", "accept"]);
        self.of_kind(&["reject"]).iter().any(|(_, reject)| {
            self.within(reject, top)
                && self.before(&at.hash, reject)
                && verifying
                    .iter()
                    .any(|(_, verify)| self.within(verify, Some(*reject)) && !self.within(&at.hash, Some(*verify)))
        })
    }

    fn verified(&self, key: &str, event: ChangeHash) -> Option<At<'a>> {
        let sides = self.sides(key, Some(event));
        let kept: Vec<At<'a>> = sides.iter().filter(|at| !self.rejected(at, Some(event))).copied().collect();
        let choices: Vec<At<'a>> = kept.iter().filter(|at| at.value().is_some()).copied().collect();
        let distinct = choices.iter().any(|at| at.value() != choices[0].value());
        if !distinct && (!kept.is_empty() || sides.is_empty()) {
            return choices.first().copied();
        }
        let before = self.last_verification(Some(event)).and_then(|event| self.verified(key, event));
        let same = before.and_then(|before| choices.iter().find(|at| at.value() == before.value()).copied());
        same.or(choices.first().copied()).or(before)
    }

    /// Evaluates everything.
    pub fn snapshot(&self) -> Snapshot {
        let visible = |entry: &&Entry<'a>| entry.change.is_some();
        let heads = self.entries.values().filter(visible).map(|entry| entry.header.hash);
        let covered =
            |hash: &ChangeHash| self.entries.values().filter(visible).any(|later| later.ancestors.contains(hash));
        let mut snapshot = Snapshot { heads: heads.filter(|hash| !covered(hash)).collect(), ..Snapshot::default() };
        for (id, parts, rank, _) in self.events() {
            snapshot.events.push((id, parts, rank));
        }
        let keys: BTreeSet<&str> = self.ops.iter().map(|at| at.op.key.as_str()).collect();
        for key in keys {
            self.show(key, &mut snapshot);
        }
        snapshot.conflicts.sort_by(|one, other| one.0.cmp(&other.0).then(one.1.cmp(&other.1)));
        snapshot
    }

    fn show(&self, key: &str, snapshot: &mut Snapshot) {
        if let Some(rest) = key.strip_prefix("ev/") {
            self.show_part(key, &rest[..32], &rest[33..], snapshot);
            return;
        }
        if let Some((set, element)) = key.split_once('/') {
            if self.standing(key, None).iter().any(|at| at.value() == Some(Value::Bool(true))) {
                snapshot.sets.entry(set.to_owned()).or_default().insert(element.to_owned());
            }
            return;
        }
        let letter = drill().field(key).map_or(Merge::Register, |(_, field)| field.merge);
        let sides = self.sides(key, None);
        let values: Vec<At<'a>> = sides.iter().filter(|at| at.value().is_some()).copied().collect();
        let (shown, listed, kind) = match letter {
            Merge::Immutable => {
                let all: Vec<At<'a>> = self.on(key).into_iter().filter(|at| at.value().is_some()).collect();
                let mut listed: Vec<At<'a>> = Vec::new();
                for at in &all {
                    if listed.iter().all(|earlier| earlier.value() != at.value()) {
                        listed.push(*at);
                    }
                }
                (all.first().copied(), listed, ConflictKind::Immutable)
            }
            Merge::Question => self.question(key, sides),
            Merge::Sealed => (values.last().copied(), sides, ConflictKind::Sealed),
            _ if self.bug == Bug::LowestRegister => (values.first().copied(), sides, ConflictKind::Listed),
            _ => (values.last().copied(), sides, ConflictKind::Listed),
        };
        let differ = listed.iter().any(|at| at.value() != listed[0].value());
        let open = kind == ConflictKind::Correction || (differ && listed.iter().any(|at| at.value().is_some()));
        if open && !matches!(key, "created_at" | "created_by" | "device" | "schema_v") {
            let sides = listed.iter().map(|at| (at.value(), at.rank())).collect();
            snapshot.conflicts.push((key.to_owned(), kind, sides, shown.and_then(|at| at.value())));
        }
        if let Some(at) = shown {
            snapshot.values.insert(key.to_owned(), (at.value().unwrap(), at.rank()));
        }
    }

    fn show_part(&self, key: &str, id: &str, part: &str, snapshot: &mut Snapshot) {
        let Some((_, parts, ..)) = self.events().into_iter().find(|event| event.0 == id) else { return };
        let own = parts.get(part).cloned();
        let all: Vec<At<'a>> = self.on(key).into_iter().filter(|at| at.value().is_some()).collect();
        if all.iter().any(|at| at.value() != own) {
            let sides = all.iter().map(|at| (at.value(), at.rank())).collect();
            snapshot.conflicts.push((key.to_owned(), ConflictKind::Immutable, sides, own));
        }
    }

    fn question(&self, key: &str, sides: Vec<At<'a>>) -> (Option<At<'a>>, Vec<At<'a>>, ConflictKind) {
        let Some(event) = self.last_verification(None) else {
            let lowest = sides.iter().find(|at| at.value().is_some()).copied();
            return (lowest, sides, ConflictKind::Held);
        };
        let verified = self.verified(key, event);
        let value = verified.and_then(|at| at.value());
        let settled: Vec<At<'a>> = sides.into_iter().filter(|at| !self.rejected(at, None)).collect();
        let pending = settled.iter().filter(|at| at.value() != value && !self.within(&at.hash, Some(event)));
        let pending: Vec<At<'a>> = pending.copied().collect();
        if pending.is_empty() {
            (verified, settled, ConflictKind::Held)
        } else {
            (verified, pending, ConflictKind::Correction)
        }
    }
}
