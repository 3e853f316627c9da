//! The gate's second half: what the headers of a change's ancestors decide.
//!
//! It looks at headers only, never at the operations of an ancestor, so that a replica that saw a change before its
//! ancestor was erased and one rebuilt after decide alike. Whether a predecessor is on the same key is the evaluation's
//! matter: one that matches nothing supersedes nothing.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use lastmile_model::{ChangeHash, RecordId};

use crate::change::{ChangeHeader, OpId};

/// Counters may lie this far above the number of operations among the ancestors. There is no step: what is built on an admitted
/// change is admitted as well.
const LOFTY: u64 = 1 << 24;

/// The header of a change that is known, and the record it belongs to.
#[derive(Debug, Clone)]
pub struct HeaderInRecord<'h> {
    /// The record it changes.
    pub record: RecordId,
    /// Its header.
    pub header: Cow<'h, ChangeHeader>,
}

/// Why a change does not fit its ancestors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// An ancestor is not known: the change waits for it.
    #[error("dependency {0} is not known yet")]
    UnknownDependency(ChangeHash),
    /// A dependency belongs to another record.
    #[error("dependency {0} belongs to another record")]
    OtherRecord(ChangeHash),
    /// The start op is not one more than the highest operation of the dependencies.
    #[error("the first operation is {found}, not {expected}")]
    WrongStartOp {
        /// What the dependencies ask for.
        expected: u64,
        /// What the change says.
        found: u64,
    },
    /// The sequence number does not follow the actor's last among the ancestors.
    #[error("the sequence number is {found}, not {expected}")]
    WrongSeq {
        /// What the ancestors ask for.
        expected: u64,
        /// What the change says.
        found: u64,
    },
    /// The counters lie higher than all operations of the ancestors together could have brought them.
    ///
    /// Only the claimed header of a change that cannot be read lifts them so, and would leave no room for others' edits.
    #[error("the first operation is {found}, but the ancestors hold only {held} operations")]
    UnfoundedCounter {
        /// How many operations the ancestors hold.
        held: u64,
        /// What the change says.
        found: u64,
    },
    /// A predecessor is no operation of any ancestor.
    #[error("predecessor {} of {} is no operation of an ancestor", .0.counter, .0.actor)]
    UnknownPredecessor(OpId),
}

impl Refused {
    /// Says whether the change only waits for others, rather than never fitting.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        matches!(self, Self::UnknownDependency(_))
    }
}

/// Admits a decoded change into its record, or says why not.
///
/// `preds` are the change's predecessors ([`Change::preds`](crate::Change::preds)); `known` returns the header of every
/// sealed change of the scope, also of quarantined, opaque and erased ones, but not of waiting ones.
///
/// # Errors
/// [`Refused`]; [`Refused::is_waiting`] tells "not yet" from "never".
pub fn admit<'h>(
    change: &ChangeHeader,
    preds: &[OpId],
    record: RecordId,
    known: &dyn Fn(&ChangeHash) -> Option<HeaderInRecord<'h>>,
) -> Result<(), Refused> {
    let header_of = |hash: &ChangeHash| {
        let found = known(hash).ok_or(Refused::UnknownDependency(*hash))?;
        if found.record == record { Ok(found.header) } else { Err(Refused::OtherRecord(*hash)) }
    };
    let mut expected = 1;
    let mut open = Vec::with_capacity(change.deps.len());
    for hash in &change.deps {
        let header = header_of(hash)?;
        expected = expected.max(header.max_op().saturating_add(1));
        open.push(header);
    }
    if change.start_op != expected {
        return Err(Refused::WrongStartOp { expected, found: change.start_op });
    }

    // `false` until an ancestor holds the operation.
    let mut preds: BTreeMap<OpId, bool> = preds.iter().map(|pred| (*pred, false)).collect();
    let mut missing = preds.len();
    let mut last_seq = 0;
    let mut seen: HashSet<ChangeHash> = change.deps.iter().copied().collect();
    // A single dependency of the same actor has the actor's last number: it was admitted by this rule itself.
    let mut seq_settled = false;
    if let [only] = open.as_slice()
        && only.actor == change.actor
    {
        seq_settled = true;
    }
    let lofty = change.start_op > LOFTY;
    let mut held = 0_u64;
    while let Some(header) = open.pop() {
        if header.actor == change.actor {
            last_seq = last_seq.max(header.seq);
        }
        held = held.saturating_add(header.op_count);
        if missing > 0 && header.op_count > 0 {
            let first = OpId { counter: header.start_op, actor: header.actor };
            let last = OpId { counter: header.max_op(), actor: header.actor };
            for (_, found) in preds.range_mut(first..=last).filter(|(pred, found)| !**found && header.holds(pred)) {
                *found = true;
                missing -= 1;
            }
        }
        if missing == 0 && seq_settled && !lofty {
            break;
        }
        for hash in header.deps.iter().filter(|hash| seen.insert(**hash)) {
            open.push(header_of(hash)?);
        }
    }
    if lofty && held.saturating_add(LOFTY) < change.start_op - 1 {
        return Err(Refused::UnfoundedCounter { held, found: change.start_op });
    }
    if let Some((pred, _)) = preds.iter().find(|(_, found)| !**found) {
        return Err(Refused::UnknownPredecessor(*pred));
    }
    let expected = last_seq.saturating_add(1);
    if change.seq == expected { Ok(()) } else { Err(Refused::WrongSeq { expected, found: change.seq }) }
}
