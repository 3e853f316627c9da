//! The causal history of one record: which change has which among its ancestors.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use lastmile_model::{AuthorId, ChangeHash};

use crate::change::{Change, ChangeHeader, MAX_OPS, OpId, last_counter};

/// One change of a record as the evaluation sees it: its place in history, and its operations if they count.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The change's hash.
    pub hash: ChangeHash,
    /// The changes it builds on.
    pub deps: &'a [ChangeHash],
    /// Who made it.
    pub actor: AuthorId,
    /// Its number among the actor's changes to the record.
    pub seq: u64,
    /// The counter of its first operation.
    pub start_op: u64,
    /// How many operations it holds.
    pub op_count: u64,
    /// The operations of an applied change; `None` for a quarantined, opaque or erased one, which keeps causality but
    /// supersedes nothing and shows nothing.
    pub change: Option<&'a Change>,
}

impl<'a> Known<'a> {
    /// An applied change.
    #[must_use]
    pub fn visible(change: &'a Change) -> Self {
        Self {
            hash: change.hash,
            deps: &change.deps,
            actor: change.actor,
            seq: change.seq,
            start_op: change.start_op,
            op_count: change.ops.len() as u64,
            change: Some(change),
        }
    }

    /// A change of which only the header counts: quarantined, opaque or erased.
    #[must_use]
    pub fn hidden(header: &'a ChangeHeader) -> Self {
        Self {
            hash: header.hash,
            deps: &header.deps,
            actor: header.actor,
            seq: header.seq,
            start_op: header.start_op,
            op_count: header.op_count,
            change: None,
        }
    }

    /// The same change, invisible.
    #[must_use]
    pub fn hide(self) -> Self {
        Self { change: None, ..self }
    }

    /// The counter of the last operation.
    #[must_use]
    pub fn max_op(&self) -> u64 {
        last_counter(self.start_op, self.op_count)
    }

    fn holds(&self, op: &OpId) -> bool {
        op.actor == self.actor && self.op_count > 0 && (self.start_op..=self.max_op()).contains(&op.counter)
    }

    /// The order of changes that causality leaves open.
    fn rank(&self) -> (u64, AuthorId, ChangeHash) {
        (self.start_op, self.actor, self.hash)
    }
}

/// A change's place in [`History`]: ancestors come before descendants.
pub(crate) type Node = usize;

/// The changes of one record in causal order, and who has whom among its ancestors.
#[derive(Debug)]
pub(crate) struct History<'a> {
    nodes: Vec<Known<'a>>,
    /// Where each node stands in the slice that the caller gave.
    given: Vec<usize>,
    /// The dependencies of each node that are known.
    deps: Vec<Vec<Node>>,
    /// One row of bits per node: its ancestors, itself excluded. Row `i` has words for the nodes before `i` only.
    past: Vec<u64>,
    /// Where each row begins.
    rows: Vec<usize>,
    /// The hidden nodes, sorted by actor and start op.
    hidden: Vec<Node>,
    /// Whether every change's counters lie above those of its ancestors, as in every admitted history.
    causal_counters: bool,
}

impl<'a> History<'a> {
    /// Orders the changes. Given twice, a change counts once, and as hidden if it is hidden once.
    pub(crate) fn new(changes: &[Known<'a>]) -> Self {
        let mut by_hash: Vec<usize> = (0..changes.len()).collect();
        by_hash.sort_by_key(|index| changes.get(*index).map(|known| (known.hash, known.change.is_some())));
        by_hash.dedup_by_key(|index| changes.get(*index).map(|known| known.hash));
        let distinct: Vec<(Known<'a>, usize)> =
            by_hash.iter().filter_map(|index| Some((*changes.get(*index)?, *index))).collect();
        let deps: Vec<Vec<usize>> = distinct
            .iter()
            .map(|(known, _)| {
                let find = |hash: &ChangeHash| distinct.binary_search_by_key(hash, |(known, _)| known.hash).ok();
                known.deps.iter().filter_map(find).collect()
            })
            .collect();
        let order = causal_order(&distinct, &deps);

        let mut place = vec![0; order.len()];
        for (node, index) in order.iter().enumerate() {
            if let Some(place) = place.get_mut(*index) {
                *place = node;
            }
        }
        let mut history = Self {
            nodes: Vec::with_capacity(order.len()),
            given: Vec::with_capacity(order.len()),
            deps: Vec::with_capacity(order.len()),
            past: Vec::new(),
            rows: Vec::with_capacity(order.len()),
            hidden: Vec::new(),
            causal_counters: true,
        };
        for (node, index) in order.iter().enumerate() {
            let (Some((known, given)), Some(deps)) = (distinct.get(*index), deps.get(*index)) else { continue };
            let earlier = deps.iter().filter_map(|dep| place.get(*dep).copied()).filter(|dep| *dep < node).collect();
            history.push(*known, *given, earlier);
        }
        let mut hidden = std::mem::take(&mut history.hidden);
        hidden.sort_by_key(|node| history.known(*node).map(|known| (known.actor, known.start_op)));
        history.hidden = hidden;
        history
    }

    fn push(&mut self, known: Known<'a>, given: usize, deps: Vec<Node>) {
        let node = self.nodes.len();
        let start = self.past.len();
        self.past.resize(start + node.div_ceil(64), 0);
        for dep in &deps {
            let (earlier, row) = self.past.split_at_mut(start);
            let from = self.rows.get(*dep).copied().unwrap_or(start);
            let theirs = earlier.get(from..from + dep.div_ceil(64)).unwrap_or_default();
            row.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine |= theirs);
            if let Some(word) = row.get_mut(dep / 64) {
                *word |= 1 << (dep % 64);
            }
        }
        let after = |dep: &Node| self.nodes.get(*dep).is_some_and(|dep| dep.max_op() < known.start_op);
        self.causal_counters &= deps.iter().all(after);
        if known.change.is_none() {
            self.hidden.push(node);
        }
        self.rows.push(start);
        self.nodes.push(known);
        self.given.push(given);
        self.deps.push(deps);
    }

    /// Whether ordering operations by their counters respects causality.
    pub(crate) const fn counters_are_causal(&self) -> bool {
        self.causal_counters
    }

    /// Says whether `earlier` is an ancestor of `later`.
    pub(crate) fn is_before(&self, earlier: Node, later: Node) -> bool {
        earlier < later
            && self
                .rows
                .get(later)
                .and_then(|row| self.past.get(row + earlier / 64))
                .is_some_and(|word| word >> (earlier % 64) & 1 == 1)
    }

    /// Says whether `node` is `top` or one of its ancestors.
    pub(crate) fn is_within(&self, node: Node, top: Node) -> bool {
        node == top || self.is_before(node, top)
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn known(&self, node: Node) -> Option<&Known<'a>> {
        self.nodes.get(node)
    }

    /// The node of a change.
    pub(crate) fn find(&self, hash: ChangeHash) -> Option<Node> {
        self.nodes.iter().position(|known| known.hash == hash)
    }

    /// The known dependencies of a node.
    pub(crate) fn deps(&self, node: Node) -> &[Node] {
        self.deps.get(node).map_or(&[], Vec::as_slice)
    }

    /// The place of a node in the slice that the caller gave.
    pub(crate) fn given(&self, node: Node) -> usize {
        self.given.get(node).copied().unwrap_or_default()
    }

    /// The visible changes, in causal order.
    pub(crate) fn visible(&self) -> impl DoubleEndedIterator<Item = (Node, &'a Change)> {
        self.nodes.iter().enumerate().filter_map(|(node, known)| Some((node, known.change?)))
    }

    /// The hidden ancestors of a node that hold an operation with this id.
    pub(crate) fn hidden_holders(&self, op: OpId, of: Node) -> impl Iterator<Item = Node> {
        // No change holds more than MAX_OPS operations, so its start op is not far below.
        let place = |node: &Node| self.known(*node).map(|known| (known.actor, known.start_op));
        let lowest = op.counter.saturating_sub(MAX_OPS as u64);
        let from = self.hidden.partition_point(|node| place(node) < Some((op.actor, lowest)));
        let near = self.hidden.get(from..).unwrap_or_default().iter().copied();
        near.take_while(move |node| place(node) <= Some((op.actor, op.counter)))
            .filter(move |node| self.known(*node).is_some_and(|known| known.holds(&op)) && self.is_before(*node, of))
    }

    /// The nodes for which `counts` holds and that are no ancestor of another such node, in causal order.
    pub(crate) fn tops(&self, counts: impl Fn(Node) -> bool) -> Vec<Node> {
        let mut covered = vec![false; self.len()];
        let mut tops = Vec::new();
        for node in (0..self.len()).rev() {
            let below = covered.get(node).copied().unwrap_or_default();
            if counts(node) && !below {
                tops.push(node);
            }
            if counts(node) || below {
                for dep in self.deps.get(node).into_iter().flatten() {
                    if let Some(covered) = covered.get_mut(*dep) {
                        *covered = true;
                    }
                }
            }
        }
        tops.reverse();
        tops
    }

    /// The visible changes without visible descendants, sorted by hash.
    pub(crate) fn heads(&self) -> Vec<Node> {
        let mut heads = self.tops(|node| self.known(node).is_some_and(|known| known.change.is_some()));
        heads.sort_by_key(|node| self.known(*node).map(|known| known.hash));
        heads
    }
}

/// Sorts so that dependencies come first, and by rank where causality leaves it open.
///
/// In an admitted history the counters alone give that order. The claimed header of a change that cannot be read may say
/// anything, even go in circles; what is left of a circle follows at the end.
fn causal_order(changes: &[(Known<'_>, usize)], deps: &[Vec<usize>]) -> Vec<usize> {
    let rank = |index: usize| changes.get(index).map(|(known, _)| known.rank());
    let mut missing: Vec<usize> = deps.iter().map(Vec::len).collect();
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); changes.len()];
    for (index, deps) in deps.iter().enumerate() {
        for dep in deps {
            if let Some(dependents) = dependents.get_mut(*dep) {
                dependents.push(index);
            }
        }
    }
    let mut ready: BinaryHeap<Reverse<_>> = (0..changes.len())
        .filter(|index| missing.get(*index) == Some(&0))
        .map(|index| Reverse((rank(index), index)))
        .collect();
    let mut order = Vec::with_capacity(changes.len());
    while let Some(Reverse((_, index))) = ready.pop() {
        order.push(index);
        for dependent in dependents.get(index).into_iter().flatten() {
            if let Some(count) = missing.get_mut(*dependent) {
                *count -= 1;
                if *count == 0 {
                    ready.push(Reverse((rank(*dependent), *dependent)));
                }
            }
        }
    }
    let mut circles: Vec<usize> = (0..changes.len()).filter(|index| missing.get(*index) > Some(&0)).collect();
    circles.sort_by_key(|index| rank(*index));
    order.extend(circles);
    order
}
