//! A reference model of merging and of the reports: plain, slow, and written from the design's text alone.
//!
//! It is the specification in code. It shares nothing with the engine, imports the standard library only, and computes
//! everything anew from a set of commits, so that the simulator can hold the engine's views against it. What it takes
//! as given is what can be said of a change's bytes alone: whether the gate accepts them, and what derived ids are.
//!
//! [`evaluate`] turns commits into states and records, [`reports::figures`] turns records into figures. Comments name
//! the section of the design ("design") or of the domain ("domain") that a function implements, and say "decided"
//! where both are silent.

mod causal;
mod hides;
mod letters;
mod merge;
pub mod reports;
mod states;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use causal::Graph;
pub use letters::Letters;
pub use merge::{Event, Field, Record};
pub use states::{Fold, activity, check_in};

/// An author, actor or record.
pub type Id = [u8; 16];

/// A change's hash or a commit's chain hash.
pub type Hash = [u8; 32];

/// An operation's place in the order that decides merges: counter, actor, hash of its change.
pub type OpId = (u64, Id, Hash);

/// A record in its scope: scope such as `community:430103005010`, record type, id.
pub type RecordKey = (String, String, Id);

/// A scalar.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Val {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    /// A floating point number by its bits.
    Float(u64),
    Text(String),
    Bytes(Vec<u8>),
    /// Milliseconds since 1970 UTC.
    Timestamp(i64),
    /// Anything else: Automerge's type code and its bytes.
    Other(u8, Vec<u8>),
}

/// One operation; its counter is its change's start op plus its index.
#[derive(Debug, Clone)]
pub struct Op {
    /// The key of the flat document.
    pub key: String,
    /// The value, `None` for a deletion.
    pub value: Option<Val>,
    /// Counter and actor of the operations that it replaces.
    pub preds: Vec<(u64, Id)>,
}

/// What a replica has of a change besides its line in the commit's header.
#[derive(Debug, Clone)]
pub enum Body {
    /// Bytes that are acceptable by themselves and agree with the header.
    Ops(Vec<Op>),
    /// Bytes that this version does not accept, whatever the other changes are: malformed, of a newer form, a first
    /// change that names another record or another derived id.
    Unreadable,
    /// Bytes that say of the change something else than the commit's header does.
    Impostor,
    /// None: an erasure order names the change.
    Erased,
}

/// One change of a commit; its actor is the commit's author.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields of a commit's header")]
pub struct Change {
    pub record_type: String,
    pub record: Id,
    pub hash: Hash,
    pub deps: Vec<Hash>,
    pub actor_seq: u64,
    pub start_op: u64,
    pub op_count: u64,
    pub body: Body,
}

/// One sealed commit.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Kind and code, such as `community:430103005010`.
    pub scope: String,
    /// Who wrote it.
    pub author: Id,
    /// Its number in the author's log of the scope.
    pub seq: u64,
    /// Its chain hash.
    pub chain: Hash,
    /// The chain hash of the commit before.
    pub prev: Hash,
    /// Whether root has certified the author as an office author.
    pub office: bool,
    /// The authors that its author goes on for, directly or through others, as they certified it.
    pub follows: BTreeSet<Id>,
    /// Its changes, in order.
    pub changes: Vec<Change>,
}

/// The state of a sealed change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the words of the states")]
pub enum State {
    Applied,
    Waiting,
    Quarantined,
    Opaque,
    Erased,
}

/// What a replica shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Views {
    /// The state of each change, by scope, author, chain hash of its commit and index in it.
    pub states: BTreeMap<(String, Id, Hash, usize), State>,
    /// How many changes are in each state.
    pub counts: BTreeMap<State, u64>,
    /// Every record of which a change is held.
    pub records: BTreeMap<RecordKey, Record>,
}

/// Evaluates what a replica holds: a pure function of the set of commits.
#[must_use]
pub fn evaluate(commits: &[Commit], letters: &Letters) -> Views {
    let commits = &hides::erased(commits, letters);
    let set: BTreeMap<_, _> =
        commits.iter().map(|commit| ((&commit.scope, commit.author, commit.chain), commit)).collect();
    let mut graphs: BTreeMap<RecordKey, Graph<'_>> = BTreeMap::new();
    for commit in set.values() {
        for (index, change) in commit.changes.iter().enumerate() {
            let key = (commit.scope.clone(), change.record_type.clone(), change.record);
            graphs.entry(key).or_default().add(commit, index, change);
        }
    }
    for graph in graphs.values_mut() {
        graph.close();
        graph.settle(&BTreeSet::new(), letters);
    }
    let held: Vec<&Commit> = set.into_values().collect();
    let quarantined = hides::quarantined(&held, &graphs, letters);
    let mut views = Views::default();
    for (key, graph) in &mut graphs {
        for (place, state) in graph.settle(&quarantined, letters) {
            *views.counts.entry(state).or_default() += 1;
            views.states.insert(place, state);
        }
        views.records.insert(key.clone(), merge::record(key, graph, letters));
    }
    views
}
