//! The operations on one key, and which of them nothing supersedes.

use lastmile_model::{AuthorId, ChangeHash, Value, planted};

use super::{Candidate, Shown};
use crate::change::{Action, Op, OpId};
use crate::history::{History, Node};

/// The order of operations: counter, actor, change hash. The hash tells the branches of a fork apart.
pub(crate) type Rank = (u64, AuthorId, ChangeHash);

/// One visible operation and its place in history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpAt<'a> {
    pub(crate) op: &'a Op,
    pub(crate) node: Node,
    pub(crate) rank: Rank,
    /// Which of the given changes holds it.
    pub(crate) by: usize,
}

impl<'a> OpAt<'a> {
    pub(crate) fn key(&self) -> &'a str {
        &self.op.key
    }

    pub(crate) const fn id(&self) -> OpId {
        OpId { counter: self.rank.0, actor: self.rank.1 }
    }

    /// The value it puts; `None` for a deletion.
    pub(crate) const fn value(&self) -> Option<&'a Value> {
        match &self.op.action {
            Action::Set(value) => Some(value),
            Action::Delete => None,
        }
    }

    pub(super) fn shown(&self) -> Option<Shown<'a>> {
        Some(Shown { value: self.value()?, by: self.by, op: self.id() })
    }

    pub(super) fn candidate(&self) -> Candidate<'a> {
        Candidate { value: self.value(), by: self.by, op: self.id() }
    }
}

/// Every visible operation, sorted by key, and on one key in causal order.
pub(crate) fn by_key<'a>(history: &History<'a>) -> Vec<OpAt<'a>> {
    collect(history, |_| true)
}

/// The visible operations on these keys, sorted like [`by_key`].
pub(crate) fn on_keys<'a>(history: &History<'a>, keys: &[&str]) -> Vec<OpAt<'a>> {
    collect(history, |key| keys.contains(&key))
}

fn collect<'a>(history: &History<'a>, wanted: impl Fn(&str) -> bool) -> Vec<OpAt<'a>> {
    let mut ops: Vec<OpAt<'a>> = Vec::new();
    for (node, change) in history.visible() {
        let by = history.given(node);
        ops.extend(change.ops.iter().enumerate().filter(|(_, op)| wanted(&op.key)).map(|(index, op)| {
            let id = change.op_id(index);
            OpAt { op, node, rank: (id.counter, id.actor, change.hash), by }
        }));
    }
    ops.sort_by(|one, other| one.op.key.cmp(&other.op.key).then(one.node.cmp(&other.node)));
    ops
}

/// What nothing supersedes on one key, each sorted by rank.
#[derive(Debug, Default)]
pub(crate) struct Live<'g, 'a> {
    /// The operations that put a value.
    pub(crate) sets: Vec<&'g OpAt<'a>>,
    /// The deletions that left the key empty and that no operation on it has seen.
    pub(crate) deletes: Vec<&'g OpAt<'a>>,
}

impl<'g, 'a> Live<'g, 'a> {
    /// Whether the values that stand are not all equal.
    pub(super) fn differ(&self) -> bool {
        let first = self.sets.first().and_then(|op| op.value());
        self.sets.iter().any(|op| op.value() != first)
    }

    /// Values and deletions together, by rank.
    pub(super) fn all(&self) -> Vec<&'g OpAt<'a>> {
        let mut all: Vec<_> = self.sets.iter().chain(&self.deletes).copied().collect();
        all.sort_by_key(|op| op.rank);
        all
    }
}

/// Finds what nothing supersedes among the operations on one key: all, or those within `top` and its ancestors.
pub(crate) fn live<'g, 'a>(history: &History<'a>, group: &'g [OpAt<'a>], top: Option<Node>) -> Live<'g, 'a> {
    let mut live = walk(history, group, top, |_, _| {});
    // Automerge settles a conflict in favour of the value that shows by deleting the others. That empties nothing.
    live.deletes.retain(|delete| walk(history, group, Some(delete.node), |_, _| {}).sets.is_empty());
    live.sets.sort_by_key(|op| op.rank);
    live.deletes.sort_by_key(|op| op.rank);
    live
}

/// Reports the values that each operation on one key replaces: those it names, and what else stood in their past.
pub(crate) fn supersessions<'g, 'a>(
    history: &History<'a>,
    group: &'g [OpAt<'a>],
    report: impl FnMut(&'g OpAt<'a>, &'g OpAt<'a>),
) {
    walk(history, group, None, report);
}

/// Goes through the operations on one key in causal order, so that only what stands so far needs a look: whatever an
/// operation supersedes comes before it, and what is superseded once stays so.
fn walk<'g, 'a>(
    history: &History<'a>,
    group: &'g [OpAt<'a>],
    top: Option<Node>,
    mut report: impl FnMut(&'g OpAt<'a>, &'g OpAt<'a>),
) -> Live<'g, 'a> {
    let mut live = Live::default();
    let ids = Ids::new(group);
    // The predecessors of one operation: what they are, and the changes whose past goes with them.
    let mut preds: Vec<Rank> = Vec::new();
    let mut nodes: Vec<Node> = Vec::new();
    for op in group.iter().filter(|op| top.is_none_or(|top| history.is_within(op.node, top))) {
        preds.clear();
        nodes.clear();
        for pred in &op.op.pred {
            for target in ids.find(*pred).filter(|target| history.is_before(target.node, op.node)) {
                preds.push(target.rank);
                nodes.push(target.node);
                if target.value().is_some() {
                    report(op, target);
                }
            }
            nodes.extend(history.hidden_holders(*pred, op.node));
        }
        if planted!("remove-wins") && op.value().is_none() {
            live.sets.clear();
        }
        if !nodes.is_empty() {
            live.sets.retain(|standing: &&'g OpAt<'a>| {
                let named = preds.contains(&standing.rank);
                let passed = !named && nodes.iter().any(|node| history.is_before(standing.node, *node));
                if passed {
                    report(op, standing);
                }
                !named && !passed
            });
        }
        live.deletes.retain(|delete| !history.is_before(delete.node, op.node));
        match op.op.action {
            Action::Set(_) => live.sets.push(op),
            Action::Delete => live.deletes.push(op),
        }
    }
    live
}

/// Finds operations of a group by their id; with forks one id may stand for several.
struct Ids<'g, 'a> {
    sorted: Vec<&'g OpAt<'a>>,
}

impl<'g, 'a> Ids<'g, 'a> {
    fn new(group: &'g [OpAt<'a>]) -> Self {
        let mut sorted: Vec<_> = group.iter().collect();
        sorted.sort_by_key(|op| op.rank);
        Self { sorted }
    }

    fn find(&self, id: OpId) -> impl Iterator<Item = &'g OpAt<'a>> {
        let from = self.sorted.partition_point(|op| op.id() < id);
        self.sorted.get(from..).unwrap_or_default().iter().copied().take_while(move |op| op.id() == id)
    }
}
