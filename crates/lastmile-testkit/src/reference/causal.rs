//! The changes of one record: their ancestors, their states, and which operations supersede which.

use std::collections::{BTreeMap, BTreeSet};

use super::{Body, Change, Commit, Hash, Id, Letters, Op, OpId, State, Val};

/// A change as a commit brought it; one hash may come in several commits.
#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    commit: &'a Commit,
    index: usize,
    change: &'a Change,
}

/// The changes held of one record.
#[derive(Debug, Default)]
pub(super) struct Graph<'a> {
    entries: Vec<Entry<'a>>,
    /// What counts of each hash: an entry with bytes before one without.
    by_hash: BTreeMap<Hash, Entry<'a>>,
    ancestors: BTreeMap<Hash, BTreeSet<Hash>>,
    /// Changes of which a dependency, near or far, is not held.
    waiting: BTreeSet<Hash>,
    /// Changes that the gate accepts: their operations can be read, visible or not.
    readable: BTreeSet<Hash>,
    visible: BTreeSet<Hash>,
}

impl<'a> Graph<'a> {
    pub(super) fn add(&mut self, commit: &'a Commit, index: usize, change: &'a Change) {
        let rank = |body: &Body| match body {
            Body::Ops(_) => 0,
            Body::Erased => 1,
            Body::Unreadable => 2,
        };
        let entry = Entry { commit, index, change };
        self.entries.push(entry);
        let best = self.by_hash.entry(change.hash).or_insert(entry);
        if rank(&change.body) < rank(&best.change.body) {
            *best = entry;
        }
    }

    /// Finds the ancestors of every change and lets the gate judge it; all are visible until verdicts are known.
    pub(super) fn close(&mut self, letters: &Letters) {
        for (&hash, entry) in &self.by_hash {
            let mut found = BTreeSet::new();
            let mut open: Vec<Hash> = entry.change.deps.clone();
            while let Some(next) = open.pop() {
                match self.by_hash.get(&next) {
                    Some(dependency) if found.insert(next) => open.extend(&dependency.change.deps),
                    Some(_) => {}
                    None => _ = self.waiting.insert(hash),
                }
            }
            self.ancestors.insert(hash, found);
        }
        for entry in &self.entries {
            if self.gate(entry, letters) == State::Applied {
                self.readable.insert(entry.change.hash);
            }
        }
        self.visible = self.readable.clone();
    }

    /// Judges a change from its bytes and the headers of its ancestors alone (design section 2 point 2 and section 5).
    fn gate(&self, entry: &Entry<'a>, letters: &Letters) -> State {
        let change = entry.change;
        let ops = match &change.body {
            Body::Erased => return State::Erased,
            Body::Unreadable => return State::Opaque,
            // Office records from others are opaque (design section 4 "Office records").
            Body::Ops(_) if letters.office_only(&change.record_type) && !entry.commit.office => return State::Opaque,
            Body::Ops(_) if self.waiting.contains(&change.hash) => return State::Waiting,
            Body::Ops(ops) => ops,
        };
        let end =
            |hash: &Hash| self.by_hash.get(hash).map_or(0, |found| found.change.start_op + found.change.op_count - 1);
        let highest = change.deps.iter().map(end).max().unwrap_or(0);
        let past: Vec<&Entry<'a>> = self.past(change.hash).iter().filter_map(|hash| self.by_hash.get(hash)).collect();
        let own = past.iter().filter(|entry_| entry_.commit.author == entry.commit.author);
        let last_seq = own.map(|entry| entry.change.actor_seq).max().unwrap_or(0);
        // A predecessor is an ancestor's operation. Whether on the same key an erased ancestor can no longer tell.
        let known = |(counter, actor): &(u64, Id)| {
            past.iter().any(|entry| {
                let change = entry.change;
                entry.commit.author == *actor && (change.start_op..change.start_op + change.op_count).contains(counter)
            })
        };
        let fits = change.start_op == highest + 1
            && change.actor_seq == last_seq + 1
            && change.op_count == ops.len() as u64
            && ops.iter().flat_map(|op| &op.preds).all(known);
        if fits { State::Applied } else { State::Opaque }
    }

    /// Gives every change exactly one state (design section 3) and remembers what is visible.
    ///
    /// Decided: what is erased stays erased under a verdict, and a verdict goes before waiting and opaque.
    pub(super) fn settle(
        &mut self,
        quarantined: &BTreeSet<(String, Id, Hash)>,
    ) -> Vec<((String, Id, Hash, usize), State)> {
        let mut applied = BTreeSet::new();
        let mut states = Vec::new();
        for entry in &self.entries {
            let Entry { commit, index, change } = entry;
            let judged = match &change.body {
                Body::Erased => State::Erased,
                _ if quarantined.contains(&(commit.scope.clone(), commit.author, commit.chain)) => State::Quarantined,
                Body::Unreadable => State::Opaque,
                Body::Ops(_) if self.readable.contains(&change.hash) => State::Applied,
                Body::Ops(_) if self.waiting.contains(&change.hash) => State::Waiting,
                Body::Ops(_) => State::Opaque,
            };
            if judged == State::Applied {
                applied.insert(change.hash);
            }
            states.push(((commit.scope.clone(), commit.author, commit.chain, *index), judged));
        }
        self.visible = applied;
        states
    }

    /// The causal past of a change, without itself.
    pub(super) fn past(&self, hash: Hash) -> &BTreeSet<Hash> {
        static NONE: BTreeSet<Hash> = BTreeSet::new();
        self.ancestors.get(&hash).unwrap_or(&NONE)
    }

    /// A change with its causal past: what somebody saw who wrote it.
    pub(super) fn seen(&self, hash: Hash) -> BTreeSet<Hash> {
        self.past(hash).iter().copied().chain([hash]).collect()
    }

    /// The commits that brought a change.
    pub(super) fn commits_of(&self, hash: Hash) -> Vec<&'a Commit> {
        self.entries.iter().filter(|entry| entry.change.hash == hash).map(|entry| entry.commit).collect()
    }

    /// Visible changes that depend on nothing.
    pub(super) fn firsts(&self) -> usize {
        self.visible
            .iter()
            .filter(|hash| self.by_hash.get(*hash).is_some_and(|entry| entry.change.deps.is_empty()))
            .count()
    }

    /// Every operation that can be read, in the order that decides (design section 4 "Forks": counter, actor, hash).
    fn operations(&self) -> BTreeMap<OpId, &'a Op> {
        let mut found = BTreeMap::new();
        for entry in self.readable.iter().filter_map(|hash| self.by_hash.get(hash)) {
            if let Body::Ops(ops) = &entry.change.body {
                let ids = (entry.change.start_op..).map(|counter| (counter, entry.commit.author, entry.change.hash));
                found.extend(ids.zip(ops));
            }
        }
        found
    }

    /// Visible operations, deletions among them.
    pub(super) fn visible_operations(&self) -> BTreeMap<OpId, &'a Op> {
        self.operations().into_iter().filter(|(id, _)| self.visible.contains(&id.2)).collect()
    }

    /// Whether a change of these says anything of a key, visible or not.
    pub(super) fn ever_written(&self, key: &str, within: &BTreeSet<Hash>) -> bool {
        self.operations().iter().any(|(id, op)| op.key == key && within.contains(&id.2))
    }

    /// The visible values of a key that nothing visible supersedes, lowest first; of the changes in `within` if given.
    ///
    /// An operation supersedes its predecessors and everything on its key in their causal past, visible or not. A
    /// predecessor stands for every ancestor's operation of that counter and actor on the key; one that matches nothing
    /// supersedes nothing, and so does an operation that is invisible (design sections 4 "Forks" and 5).
    pub(super) fn unsuperseded(&self, key: &str, within: Option<&BTreeSet<Hash>>) -> Vec<(OpId, &'a Val)> {
        let mut on_key = self.operations();
        on_key.retain(|id, op| op.key == key && within.is_none_or(|changes| changes.contains(&id.2)));
        let mut superseded = BTreeSet::new();
        for (id, op) in on_key.iter().filter(|(id, _)| self.visible.contains(&id.2)) {
            for other in on_key
                .keys()
                .filter(|other| op.preds.contains(&(other.0, other.1)) && self.past(id.2).contains(&other.2))
            {
                superseded.insert(*other);
                superseded.extend(on_key.keys().filter(|before| self.past(other.2).contains(&before.2)));
            }
        }
        let stands = |id: &OpId| self.visible.contains(&id.2) && !superseded.contains(id);
        on_key.into_iter().filter(|(id, _)| stands(id)).filter_map(|(id, op)| Some((id, op.value.as_ref()?))).collect()
    }
}
