//! Edits: what a user changes, as plain data, and the change they make.

use lastmile_model::{AuthorId, ChangeHash, Value};

use crate::change::{Action, Change, ChangeParts, EncodedChange, MAX_PREDS, Op, OpId};
use crate::codec::{EncodeError, encode};
use crate::evaluate::operations::{OpAt, live, on_keys};
use crate::history::{History, Known, Node};

/// One thing that a user changes.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// Puts a value on a key.
    Set {
        /// The key.
        key: String,
        /// The value.
        value: Value,
    },
    /// Takes a key away, e.g. an element out of a set. Of a key that shows nothing it is no edit at all.
    Remove {
        /// The key.
        key: String,
    },
}

impl Edit {
    /// Puts a value on a key.
    pub fn set(key: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Set { key: key.into(), value: value.into() }
    }

    /// Takes a key away.
    pub fn remove(key: impl Into<String>) -> Self {
        Self::Remove { key: key.into() }
    }

    /// The key it is about.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Set { key, .. } | Self::Remove { key } => key,
        }
    }
}

/// What an edit builds on: the record as this replica knows it.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// Every applied and hidden change of the record, in any order; empty for a first change.
    pub changes: &'a [Known<'a>],
    /// The author's own last change to the record. If `None`, it is looked for among `changes`.
    pub own_last: Option<ChangeHash>,
}

impl Base<'_> {
    /// The base of a first change.
    pub const EMPTY: Self = Self { changes: &[], own_last: None };
}

/// A change that was made, as bytes and as data.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The bytes and their hash.
    pub encoded: EncodedChange,
    /// What [`decode`](crate::decode) would read from them.
    pub change: Change,
}

/// Why edits make no change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// Nothing is left to write.
    #[error("the edits change nothing")]
    Nothing,
    /// The author's own last change is not among the changes given.
    #[error("the author's last change {0} is not among the changes given")]
    UnknownOwnChange(ChangeHash),
    /// The change cannot be written.
    #[error("the edits do not fit one change")]
    Encode(#[from] EncodeError),
}

/// Makes the change that these edits are.
///
/// It depends on the heads that this replica evaluates and on the author's own last change, so an edit made beside a
/// quarantined or opaque change stays concurrent to it. Its operations replace every value that stands on their keys, as
/// Automerge's transactions do. `time_s` is what the clock claims, in seconds since 1970; `salt` is 16 random bytes for
/// the types that are salted.
///
/// # Errors
/// [`EditError`] when nothing is left to write, a key occurs twice, or the result does not fit one change.
pub fn make_change(
    base: &Base<'_>,
    actor: AuthorId,
    time_s: i64,
    salt: Option<[u8; 16]>,
    edits: &[Edit],
) -> Result<Made, EditError> {
    let history = History::new(base.changes);
    let place = Place::find(&history, actor, base.own_last)?;
    let keys: Vec<&str> = edits.iter().map(Edit::key).collect();
    let standing = on_keys(&history, &keys);
    let mut ops = Vec::with_capacity(edits.len());
    let mut left = MAX_PREDS;
    for edit in edits {
        let mut pred = standing_on(&history, &standing, edit.key(), &place.tops);
        // Of a flood of concurrent values, one edit takes away what fits; the rest stays listed for the next.
        pred.truncate(left);
        left -= pred.len();
        let action = match edit {
            Edit::Set { value, .. } => Action::Set(value.clone()),
            Edit::Remove { .. } if pred.is_empty() => continue,
            Edit::Remove { .. } => Action::Delete,
        };
        ops.push(Op { key: edit.key().to_owned(), action, pred });
    }
    if ops.is_empty() {
        return Err(EditError::Nothing);
    }
    let Place { deps, seq, start_op, .. } = place;
    let parts = ChangeParts { deps: &deps, actor, seq, start_op, time: time_s, message: None, salt, ops: &ops };
    let encoded = encode(&parts)?;
    let hash = encoded.hash;
    let change = Change { hash, deps, actor, seq, start_op, time: time_s, message: None, salt, ops };
    Ok(Made { encoded, change })
}

/// The most changes that a new one depends on.
const MAX_TOPS: usize = 128;

/// Where a new change goes in history.
struct Place {
    /// The changes it depends on.
    tops: Vec<Node>,
    deps: Vec<ChangeHash>,
    seq: u64,
    start_op: u64,
}

impl Place {
    fn find(history: &History<'_>, actor: AuthorId, own_last: Option<ChangeHash>) -> Result<Self, EditError> {
        let is_own = |node: &Node| history.known(*node).is_some_and(|known| known.actor == actor);
        let own = match own_last {
            Some(hash) => Some(history.find(hash).ok_or(EditError::UnknownOwnChange(hash))?),
            None => (0..history.len()).filter(is_own).max_by_key(|node| history.known(*node).map(|known| known.seq)),
        };
        let mut tops = history.heads();
        if tops.len() > MAX_TOPS {
            // A flood of concurrent changes: what has the longest history behind it goes first, the rest stays beside the new change.
            tops.sort_by_key(|node| std::cmp::Reverse(history.known(*node).map(|known| (known.max_op(), known.hash))));
            tops.truncate(MAX_TOPS);
        }
        // As Automerge does, also where a head has it among its ancestors.
        tops.extend(own.filter(|own| !tops.contains(own)));
        let known = |node: &Node| history.known(*node);
        let mut deps: Vec<ChangeHash> = tops.iter().filter_map(known).map(|known| known.hash).collect();
        deps.sort_unstable();
        let last_op = tops.iter().filter_map(known).map(Known::max_op).max().unwrap_or_default();
        let is_past = |node: &Node| tops.iter().any(|top| history.is_within(*node, *top));
        let own_seqs = (0..history.len()).filter(is_own).filter(is_past).filter_map(|node| history.known(node));
        let last_seq = own_seqs.map(|known| known.seq).max().unwrap_or_default();
        Ok(Self { tops, deps, seq: last_seq.saturating_add(1), start_op: last_op.saturating_add(1) })
    }
}

/// The ids of the operations that stand on a key among these changes and their ancestors, as predecessors. With forks, one id may
/// stand for several.
fn standing_on(history: &History<'_>, ops: &[OpAt<'_>], key: &str, tops: &[Node]) -> Vec<OpId> {
    let from = ops.partition_point(|op| op.key() < key);
    let to = ops.partition_point(|op| op.key() <= key);
    let group = ops.get(from..to).unwrap_or_default();
    let is_past = |op: &&&OpAt<'_>| tops.iter().any(|top| history.is_within(op.node, *top));
    let mut ids: Vec<OpId> = live(history, group, None).sets.iter().filter(is_past).map(|op| op.id()).collect();
    ids.dedup();
    ids
}
