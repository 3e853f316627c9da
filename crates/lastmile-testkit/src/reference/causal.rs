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

impl Entry<'_> {
    /// What the header says of the change.
    fn said(&self) -> (Id, &[Hash], u64, u64, u64) {
        let Change { deps, actor_seq, start_op, op_count, .. } = self.change;
        (self.commit.author, deps, *actor_seq, *start_op, *op_count)
    }

    fn holds(&self, (counter, actor): (u64, Id)) -> bool {
        let Change { start_op, op_count, .. } = self.change;
        self.commit.author == actor && (*start_op..start_op + op_count).contains(&counter)
    }
}

/// The changes held of one record.
#[derive(Debug, Default)]
pub(super) struct Graph<'a> {
    entries: Vec<Entry<'a>>,
    /// What counts of each hash.
    by_hash: BTreeMap<Hash, Entry<'a>>,
    /// The changes of which all ancestors are held, each with these.
    past: BTreeMap<Hash, BTreeSet<Hash>>,
    visible: BTreeSet<Hash>,
    quarantined: BTreeSet<Hash>,
}

impl<'a> Graph<'a> {
    pub(super) fn add(&mut self, commit: &'a Commit, index: usize, change: &'a Change) {
        self.entries.push(Entry { commit, index, change });
    }

    /// Finds which entry counts of each hash, and the ancestors of every change.
    ///
    /// Of entries that speak differently of one hash the one borne out by bytes counts, so that what one author writes
    /// into its headers never decides about another's change (architecture "The views"); else one without bytes.
    pub(super) fn close(&mut self) {
        let rank = |entry: &Entry<'_>| {
            let body = match entry.change.body {
                Body::Ops(_) => 0,
                Body::Erased => 1,
                Body::Unreadable | Body::Impostor => 2,
            };
            (body, entry.change.start_op, entry.commit.seq, entry.commit.chain, entry.index)
        };
        self.entries.sort_by_key(rank);
        for entry in self.entries.iter().filter(|entry| !matches!(entry.change.body, Body::Impostor)) {
            self.by_hash.entry(entry.change.hash).or_insert(*entry);
        }
        // A change joins once all its dependencies have; what never joins waits.
        while let Some((hash, deps)) =
            self.by_hash.iter().map(|(hash, entry)| (*hash, &entry.change.deps)).find(|(hash, deps)| {
                !self.past.contains_key(hash) && deps.iter().all(|dep| self.past.contains_key(dep))
            })
        {
            let past = deps.iter().flat_map(|dep| self.seen(*dep)).collect();
            self.past.insert(hash, past);
        }
    }

    /// Gives every change exactly one state, and remembers what is visible.
    ///
    /// Decided where several would do: erased, then waiting, then quarantined, then opaque. A record type that this
    /// version does not know "needs a newer version". One hash in several commits is invisible if it is so in one.
    pub(super) fn settle(
        &mut self,
        quarantined: &BTreeSet<(String, Id, Hash)>,
        letters: &Letters,
    ) -> Vec<((String, Id, Hash, usize), State)> {
        self.visible = self.by_hash.keys().copied().collect();
        let mut states = Vec::new();
        for entry in &self.entries {
            let Entry { commit, index, change } = entry;
            let place = (commit.scope.clone(), commit.author, commit.chain);
            let counts = self.by_hash.get(&change.hash).is_some_and(|best| best.said() == entry.said());
            let foreign = letters.needed(&change.record_type).is_none();
            // Office records from others are opaque.
            let forbidden = letters.office_only(&change.record_type) && !commit.office;
            let state = match &change.body {
                Body::Erased => State::Erased,
                Body::Impostor => State::Opaque,
                _ if foreign || !counts => State::Opaque,
                _ if !self.past.contains_key(&change.hash) => State::Waiting,
                _ if quarantined.contains(&place) => State::Quarantined,
                Body::Ops(ops) if !forbidden && self.fits(entry, ops) => State::Applied,
                Body::Ops(_) | Body::Unreadable => State::Opaque,
            };
            if counts && state != State::Applied {
                self.visible.remove(&change.hash);
            }
            if state == State::Quarantined {
                self.quarantined.insert(change.hash);
            }
            states.push(((place.0, place.1, place.2, *index), state));
        }
        states
    }

    /// Whether the gate accepts a change beside its ancestors, judged from headers alone.
    fn fits(&self, entry: &Entry<'a>, ops: &[Op]) -> bool {
        let change = entry.change;
        let header = |hash: &Hash| self.by_hash.get(hash);
        let ends = change.deps.iter().filter_map(header).map(|dep| dep.change.start_op + dep.change.op_count - 1);
        let past: Vec<&Entry<'a>> = self.past(change.hash).iter().filter_map(header).collect();
        let own = past.iter().filter(|ancestor| ancestor.commit.author == entry.commit.author);
        let held: u64 = past.iter().map(|ancestor| ancestor.change.op_count).sum();
        change.start_op == ends.max().unwrap_or(0) + 1
            && change.actor_seq == own.map(|ancestor| ancestor.change.actor_seq).max().unwrap_or(0) + 1
            && change.op_count == ops.len() as u64
            // A predecessor is an ancestor's operation; whether on the same key an erased ancestor can no longer tell.
            && ops.iter().flat_map(|op| &op.preds).all(|pred| past.iter().any(|ancestor| ancestor.holds(*pred)))
            // Counters lie at most 2^24 above the operations there are (architecture "The views").
            && change.start_op - 1 <= held + (1 << 24)
    }

    /// The causal past of a change, without itself.
    pub(super) fn past(&self, hash: Hash) -> &BTreeSet<Hash> {
        static NONE: BTreeSet<Hash> = BTreeSet::new();
        self.past.get(&hash).unwrap_or(&NONE)
    }

    /// A change with its causal past: what somebody saw who wrote it.
    pub(super) fn seen(&self, hash: Hash) -> BTreeSet<Hash> {
        self.past(hash).iter().copied().chain([hash]).collect()
    }

    /// Whether a verdict keeps an ancestor of a change out of sight.
    pub(super) fn rests_on_quarantined(&self, hash: Hash) -> bool {
        !self.past(hash).is_disjoint(&self.quarantined)
    }

    /// Visible changes that depend on nothing.
    pub(super) fn firsts(&self) -> usize {
        self.visible.iter().filter(|hash| self.past(**hash).is_empty()).count()
    }

    /// Visible operations, deletions among them, in the order that decides.
    pub(super) fn operations(&self) -> BTreeMap<OpId, &'a Op> {
        let mut found = BTreeMap::new();
        for entry in self.visible.iter().filter_map(|hash| self.by_hash.get(hash)) {
            if let Body::Ops(ops) = &entry.change.body {
                let ids = (entry.change.start_op..).map(|counter| (counter, entry.commit.author, entry.change.hash));
                found.extend(ids.zip(ops));
            }
        }
        found
    }

    /// The visible values of a key that nothing visible supersedes, lowest first; of the changes in `within` if given.
    ///
    /// An operation supersedes its predecessors and everything on its key in their causal past, visible or not. A
    /// predecessor stands for every ancestor's operation of that counter and actor on the key; one that matches nothing
    /// supersedes nothing, and so does an operation that is invisible. Decided: of an
    /// invisible ancestor the header alone counts, so an operation of it that is named as predecessor is on the key.
    pub(super) fn unsuperseded(&self, key: &str, within: Option<&BTreeSet<Hash>>) -> Vec<(OpId, &'a Val)> {
        let on_key = self.on_key(key, within);
        let mut superseded = BTreeSet::new();
        for (id, op) in &on_key {
            for ancestor in self.past(id.2).iter().filter_map(|hash| self.by_hash.get(hash)) {
                let hash = ancestor.change.hash;
                let visible = self.visible.contains(&hash);
                for pred in op.preds.iter().filter(|pred| ancestor.holds(**pred)) {
                    let named = (pred.0, pred.1, hash);
                    if !visible || on_key.contains_key(&named) {
                        superseded.insert(named);
                        superseded.extend(on_key.keys().filter(|before| self.past(hash).contains(&before.2)));
                    }
                }
            }
        }
        on_key
            .into_iter()
            .filter(|(id, _)| !superseded.contains(id))
            .filter_map(|(id, op)| Some((id, op.value.as_ref()?)))
            .collect()
    }

    /// The deletions of a key that emptied it and that no later operation on it knows.
    pub(super) fn emptied(&self, key: &str, within: Option<&BTreeSet<Hash>>) -> Vec<OpId> {
        let on_key = self.on_key(key, within);
        let known = |id: &OpId| on_key.keys().any(|other| self.past(other.2).contains(&id.2));
        let deletions = on_key.iter().filter(|(id, op)| op.value.is_none() && !known(id)).map(|(id, _)| *id);
        deletions.filter(|id| self.unsuperseded(key, Some(&self.seen(id.2))).is_empty()).collect()
    }

    fn on_key(&self, key: &str, within: Option<&BTreeSet<Hash>>) -> BTreeMap<OpId, &'a Op> {
        let mut found = self.operations();
        found.retain(|id, op| op.key == key && within.is_none_or(|changes| changes.contains(&id.2)));
        found
    }
}
