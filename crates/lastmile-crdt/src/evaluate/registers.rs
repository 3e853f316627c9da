//! What the fields with one value show: `I`, `R`, `Q` and `V`.

use lastmile_model::{Merge, Value, planted};

use super::events::Milestones;
use super::operations::{Live, OpAt, live};
use super::{Conflict, ConflictKind, Record, UNLISTED};
use crate::history::{History, Node};

/// Shows one key by its merge letter.
pub(super) fn show<'a>(
    history: &History<'a>,
    milestones: &Milestones,
    letter: Merge,
    group: &[OpAt<'a>],
    record: &mut Record<'a>,
) {
    let Some(key) = group.first().map(OpAt::key) else { return };
    let (shown, conflict) = match letter {
        Merge::Immutable => immutable(key, group),
        Merge::Question => question(history, milestones, key, group),
        Merge::Sealed => register(history, key, ConflictKind::Sealed, group),
        _ => register(history, key, ConflictKind::Listed, group),
    };
    if let Some(shown) = shown.and_then(|op| op.shown()) {
        record.values.insert(key, shown);
    }
    record.conflicts.extend(conflict);
}

type Outcome<'g, 'a> = (Option<&'g OpAt<'a>>, Option<Conflict<'a>>);

/// `I`: the lowest operation that ever put a value; later ones change nothing.
fn immutable<'g, 'a>(key: &'a str, group: &'g [OpAt<'a>]) -> Outcome<'g, 'a> {
    let mut sets: Vec<&OpAt<'a>> = group.iter().filter(|op| op.value().is_some()).collect();
    sets.sort_by_key(|op| op.rank);
    let shown = sets.first().copied();
    let value = shown.and_then(OpAt::value);
    if UNLISTED.contains(&key) || sets.iter().all(|op| op.value() == value) {
        return (shown, None);
    }
    let mut candidates: Vec<&OpAt<'a>> = Vec::new();
    for op in sets {
        if candidates.iter().all(|earlier| earlier.value() != op.value()) {
            candidates.push(op);
        }
    }
    let candidates = candidates.iter().map(|op| op.candidate()).collect();
    (shown, Some(Conflict { field: key, kind: ConflictKind::Immutable, candidates, shown: value, base: None }))
}

/// `R` and `V`: the highest operation that stands.
fn register<'g, 'a>(history: &History<'a>, key: &'a str, kind: ConflictKind, group: &'g [OpAt<'a>]) -> Outcome<'g, 'a> {
    let live = live(history, group, None);
    let mut shown = live.sets.last().copied();
    if planted!("newest-clock-wins") {
        shown = live
            .sets
            .iter()
            .copied()
            .max_by_key(|op| history.known(op.node).and_then(|known| known.change).map(|change| change.time));
    }
    (shown, concurrent(history, key, kind, group, &live, shown))
}

/// Lists what stands on a key if it does not agree: differing values, or a value beside a deletion.
fn concurrent<'a>(
    history: &History<'a>,
    key: &'a str,
    kind: ConflictKind,
    group: &[OpAt<'a>],
    standing: &Live<'_, 'a>,
    shown: Option<&OpAt<'a>>,
) -> Option<Conflict<'a>> {
    let beside_deletion = !standing.sets.is_empty() && !standing.deletes.is_empty();
    if (!standing.differ() && !beside_deletion) || planted!("lost-loser") {
        return None;
    }
    let all = standing.all();
    let candidates = all.iter().map(|op| op.candidate()).collect();
    let base = common_base(history, group, &all).and_then(|op| op.value());
    Some(Conflict { field: key, kind, candidates, shown: shown.and_then(OpAt::value), base })
}

/// The value that every candidate's author had before: what stood last among their common ancestors.
fn common_base<'g, 'a>(history: &History<'a>, group: &'g [OpAt<'a>], candidates: &[&OpAt<'a>]) -> Option<&'g OpAt<'a>> {
    let is_common = |op: &OpAt<'a>| candidates.iter().all(|candidate| history.is_before(op.node, candidate.node));
    let mut last: Vec<&OpAt<'a>> = Vec::new();
    for op in group.iter().rev().filter(|op| is_common(op)) {
        if !last.iter().any(|later| history.is_before(op.node, later.node)) {
            last.push(op);
        }
    }
    last.into_iter().filter(|op| op.value().is_some()).max_by_key(|op| op.rank)
}

/// `Q`: one value, or the last verified of several, else the lowest.
fn question<'g, 'a>(
    history: &History<'a>,
    milestones: &Milestones,
    key: &'a str,
    group: &'g [OpAt<'a>],
) -> Outcome<'g, 'a> {
    let standing = live(history, group, None);
    let Some(event) = milestones.last_verification(history, None) else {
        let shown = standing.sets.first().copied();
        return (shown, concurrent(history, key, ConflictKind::Held, group, &standing, shown));
    };
    let verified = verified_at(history, milestones, group, event);
    let value = verified.and_then(OpAt::value);
    let pending: Vec<&OpAt<'a>> = standing
        .all()
        .into_iter()
        .filter(|op| op.value() != value)
        .filter(|op| !history.is_within(op.node, event) && !milestones.is_rejected(history, op.node, None))
        .collect();
    if !pending.is_empty() {
        let candidates = pending.iter().map(|op| op.candidate()).collect();
        let kind = ConflictKind::Correction;
        return (verified, Some(Conflict { field: key, kind, candidates, shown: value, base: value }));
    }
    let settled = settled(history, milestones, standing, None);
    (verified, concurrent(history, key, ConflictKind::Held, group, &settled, verified))
}

/// What stands without the corrections that were rejected.
fn settled<'g, 'a>(
    history: &History<'a>,
    milestones: &Milestones,
    standing: Live<'g, 'a>,
    top: Option<Node>,
) -> Live<'g, 'a> {
    let keep = |ops: Vec<&'g OpAt<'a>>| {
        ops.into_iter().filter(|op| !milestones.is_rejected(history, op.node, top)).collect::<Vec<_>>()
    };
    Live { sets: keep(standing.sets), deletes: keep(standing.deletes) }
}

/// The value that a verification vouches for: what stood on the key among its ancestors, its own change included.
///
/// If several values stood, or nothing but rejected ones, it left the choice where the verification before had it.
fn verified_at<'g, 'a>(
    history: &History<'a>,
    milestones: &Milestones,
    group: &'g [OpAt<'a>],
    event: Node,
) -> Option<&'g OpAt<'a>> {
    let mut undecided: Vec<Vec<&'g OpAt<'a>>> = Vec::new();
    let mut next = Some(event);
    let mut verified: Option<&'g OpAt<'a>> = None;
    while let Some(event) = next {
        let standing = live(history, group, Some(event));
        let count = standing.sets.len() + standing.deletes.len();
        let settled = settled(history, milestones, standing, Some(event));
        let all_rejected = settled.sets.is_empty() && settled.deletes.is_empty() && count > 0;
        if !all_rejected && !settled.differ() {
            verified = settled.sets.first().copied();
            break;
        }
        undecided.push(settled.sets);
        next = milestones.last_verification(history, Some(event));
    }
    // Back up to the verification asked for: each undecided one keeps the value before, if that is among its choices.
    for choices in undecided.into_iter().rev() {
        let value: Option<&Value> = verified.and_then(OpAt::value);
        let kept = value.and_then(|value| choices.iter().find(|op| op.value() == Some(value)).copied());
        verified = match (kept, choices.first()) {
            (Some(kept), _) => Some(kept),
            (None, Some(lowest)) => Some(lowest),
            (None, None) => verified,
        };
    }
    verified
}
