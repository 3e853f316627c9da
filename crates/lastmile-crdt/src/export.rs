//! Export: a record as a document that any Automerge tool opens.
//!
//! Nothing else in this crate uses Automerge, and nothing reaches it that the gate has not accepted. Where a record has
//! no hidden change, fork or stray predecessor, the document holds the original changes, hash by hash. Otherwise it holds
//! a re-encoded history that shows the same values: the visible operations with their own counters, each replacing what
//! it supersedes here, under new hashes.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{Automerge, AutomergeError, LoadChangeError};
use lastmile_model::{AuthorId, ChangeHash};

use crate::change::{Action, Change, ChangeParts, Op};
use crate::codec::encode_export;
use crate::evaluate::operations::{Rank, by_key, supersessions};
use crate::history::{History, Known, Node};

/// A record as an Automerge document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// What `Automerge.load` reads.
    pub bytes: Vec<u8>,
    /// Whether it holds the original changes, rather than a re-encoded history.
    pub original: bool,
}

/// Why a record could not be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// No visible change is left.
    #[error("the record has no visible change")]
    Empty,
    /// Automerge does not read one of the changes.
    #[error("Automerge does not read a change")]
    Change(#[source] LoadChangeError),
    /// Automerge does not take the changes, or does not load what it saved.
    #[error("Automerge does not take the changes")]
    Automerge(#[from] AutomergeError),
}

/// Exports a record from its changes, each with its bytes; those of a hidden change are not looked at.
///
/// # Errors
/// [`ExportError`] when nothing is visible, or when Automerge refuses what should be fine.
pub fn export_document(changes: &[(&[u8], Known<'_>)]) -> Result<Exported, ExportError> {
    let known: Vec<Known<'_>> = changes.iter().map(|(_, known)| *known).collect();
    let history = History::new(&known);
    if history.visible().next().is_none() {
        return Err(ExportError::Empty);
    }
    if is_plain(&history) {
        let nodes = (0..history.len()).map(|node| history.given(node));
        let originals = nodes.filter_map(|given| changes.get(given)).map(|(bytes, _)| *bytes);
        if let Ok(bytes) = save(originals) {
            return Ok(Exported { bytes, original: true });
        }
    }
    let rewritten = rewrite(&history);
    let bytes = save(rewritten.iter().map(Vec::as_slice))?;
    Ok(Exported { bytes, original: false })
}

/// Applies changes in order and saves the document, checking that it loads again.
fn save<'b>(changes: impl Iterator<Item = &'b [u8]>) -> Result<Vec<u8>, ExportError> {
    let changes =
        changes.map(automerge::Change::try_from).collect::<Result<Vec<_>, _>>().map_err(ExportError::Change)?;
    // A document's own actor shows nowhere unless it edits; a fixed one keeps equal exports equal.
    let mut document = Automerge::new().with_actor(automerge::ActorId::from([0_u8; 16]));
    document.apply_changes(changes)?;
    Ok(document.save_and_verify()?)
}

/// Whether Automerge takes the changes as they are: all visible, every actor's in one line, every predecessor found.
fn is_plain(history: &History<'_>) -> bool {
    if history.visible().count() < history.len() || !forked(history).is_empty() {
        return false;
    }
    by_key(history).chunk_by(|one, other| one.key() == other.key()).all(|group| {
        group.iter().all(|op| {
            op.op.pred.iter().all(|pred| {
                group.iter().any(|target| {
                    target.id() == *pred && target.value().is_some() && history.is_before(target.node, op.node)
                })
            })
        })
    })
}

/// The actors whose visible changes do not stand in one line, numbered without a gap.
fn forked(history: &History<'_>) -> BTreeSet<AuthorId> {
    let mut last: BTreeMap<AuthorId, Node> = BTreeMap::new();
    let mut forked = BTreeSet::new();
    for (node, change) in history.visible() {
        let previous = last.insert(change.actor, node);
        let in_line = previous.is_none_or(|previous| history.is_before(previous, node));
        if !in_line {
            forked.insert(change.actor);
        }
    }
    forked
}

/// The predecessors of an operation as it is exported: counters and actors of any length.
type Preds = Vec<(u64, Vec<u8>)>;

/// Writes the visible history anew.
struct Rewrite {
    forked: BTreeSet<AuthorId>,
    /// What each operation supersedes.
    superseded: BTreeMap<Rank, Vec<Rank>>,
    /// The new changes that stand for each node: itself, or what stands for its dependencies if nothing of it is left.
    tails: Vec<BTreeSet<ChangeHash>>,
    seqs: BTreeMap<Vec<u8>, u64>,
    written: Vec<Vec<u8>>,
}

fn rewrite(history: &History<'_>) -> Vec<Vec<u8>> {
    let mut superseded: BTreeMap<Rank, Vec<Rank>> = BTreeMap::new();
    for group in by_key(history).chunk_by(|one, other| one.key() == other.key()) {
        supersessions(history, group, |later, earlier| superseded.entry(later.rank).or_default().push(earlier.rank));
    }
    let mut rewrite = Rewrite {
        forked: forked(history),
        superseded,
        tails: Vec::with_capacity(history.len()),
        seqs: BTreeMap::new(),
        written: Vec::new(),
    };
    for node in 0..history.len() {
        let deps = history.deps(node).iter().filter_map(|dep| rewrite.tails.get(*dep)).flatten().copied().collect();
        let tails = match history.known(node).and_then(|known| known.change) {
            Some(change) => rewrite.change(change, deps),
            None => deps,
        };
        rewrite.tails.push(tails);
    }
    rewrite.written
}

impl Rewrite {
    /// The actor under which an operation is exported. An author's fork becomes an actor for each change, so named that
    /// operations keep their order: counter, actor, change hash.
    fn actor(&self, rank: &Rank) -> Vec<u8> {
        let mut actor = rank.1.as_bytes().to_vec();
        if self.forked.contains(&rank.1) {
            actor.extend_from_slice(rank.2.as_bytes());
        }
        actor
    }

    /// Writes one change; without its deletions of what does not show, which Automerge cannot hold, so that it may
    /// fall into several.
    fn change(&mut self, change: &Change, deps: BTreeSet<ChangeHash>) -> BTreeSet<ChangeHash> {
        let rank = |index: usize| (change.op_id(index).counter, change.actor, change.hash);
        let actor = self.actor(&rank(0));
        let mut tails = deps;
        let mut run: Vec<(Op, Preds)> = Vec::new();
        let mut start = change.start_op;
        for (index, op) in change.ops.iter().enumerate() {
            let superseded = self.superseded.get(&rank(index)).map_or(&[][..], Vec::as_slice);
            let mut preds: Vec<_> = superseded.iter().map(|rank| (rank.0, self.actor(rank))).collect();
            preds.sort();
            if preds.is_empty() && op.action == Action::Delete {
                tails = self.write(change, &actor, start, std::mem::take(&mut run), tails);
                start = rank(index).0.saturating_add(1);
            } else {
                run.push((op.clone(), preds));
            }
        }
        self.write(change, &actor, start, run, tails)
    }

    fn write(
        &mut self,
        change: &Change,
        actor: &[u8],
        start_op: u64,
        run: Vec<(Op, Preds)>,
        deps: BTreeSet<ChangeHash>,
    ) -> BTreeSet<ChangeHash> {
        if run.is_empty() {
            return deps;
        }
        let seq = self.seqs.entry(actor.to_vec()).or_default();
        *seq += 1;
        let (ops, preds): (Vec<Op>, Vec<Preds>) = run.into_iter().unzip();
        let deps: Vec<ChangeHash> = deps.into_iter().collect();
        let parts = ChangeParts { deps: &deps, seq: *seq, start_op, ops: &ops, ..change.parts() };
        let encoded = encode_export(&parts, actor, &preds);
        self.written.push(encoded.bytes);
        BTreeSet::from([encoded.hash])
    }
}
