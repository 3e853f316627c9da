//! Events: what happened to a record, in causal order, and what they mean for its fields.

use std::collections::{BTreeMap, BTreeSet};

use lastmile_model::Value;
use lastmile_model::states::{Machine, StateEvent};
use uuid::Uuid;

use super::operations::{OpAt, Rank};
use super::{Candidate, Conflict, ConflictKind, Event, MAX_EVENTS, Record};
use crate::history::{History, Node};

/// The kinds of events that vouch for the values among their ancestors, where no state machine says so.
const VOUCHING: [&str; 3] = ["accept", "confirm", "verify"];
/// The kind of event that turns down the corrections among its ancestors.
const REJECTING: &str = "reject";
/// The field whose events are a record's transitions.
const STATE: &str = "state";

/// The operations on event keys, by event and part.
#[derive(Debug, Default)]
pub(super) struct EventOps<'g, 'a> {
    parts: BTreeMap<Uuid, Vec<(&'a str, &'g [OpAt<'a>])>>,
    /// The events in the order they show, each with the operation that defines it.
    ordered: Vec<Defined<'g, 'a>>,
}

/// An event and the first operation that wrote a part of it.
#[derive(Debug, Clone)]
struct Defined<'g, 'a> {
    id: Uuid,
    first: &'g OpAt<'a>,
    parts: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Defined<'_, 'a> {
    fn kind(&self) -> &'a str {
        self.parts.get("kind").and_then(|kind| kind.as_str()).unwrap_or_default()
    }
}

impl<'g, 'a> EventOps<'g, 'a> {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn add(&mut self, id: Uuid, part: &'a str, group: &'g [OpAt<'a>]) {
        self.parts.entry(id).or_default().push((part, group));
    }

    /// Shows the events. The change with an event's lowest operation defines it; what other changes wrote under its id
    /// counts for nothing, and is listed where it differs.
    pub(super) fn show(&mut self, history: &History<'a>, record: &mut Record<'a>) {
        for (id, parts) in &self.parts {
            let sets = || parts.iter().flat_map(|(_, group)| group.iter()).filter(|op| op.value().is_some());
            let Some(first) = sets().min_by_key(|op| op.rank) else { continue };
            let mut defined = BTreeMap::new();
            for (part, group) in parts {
                let own = group.iter().find(|op| op.node == first.node).and_then(OpAt::value);
                if let Some(value) = own {
                    defined.insert(*part, value);
                }
                record.conflicts.extend(rewritten(group, own));
            }
            self.ordered.push(Defined { id: *id, first, parts: defined });
        }
        if history.counters_are_causal() {
            self.ordered.sort_by_key(|event| event.first.rank);
        } else {
            self.ordered.sort_by_key(|event| (event.first.node, event.first.rank));
        }
        record.events_left_out = self.ordered.len().saturating_sub(MAX_EVENTS);
        for event in self.ordered.iter().take(MAX_EVENTS) {
            let is_before = |earlier: &Defined<'g, 'a>| is_before(history, earlier.first, event.first);
            let after = self.ordered.iter().take(record.events.len()).enumerate();
            record.events.push(Event {
                id: event.id,
                parts: event.parts.clone(),
                by: event.first.by,
                op: event.first.id(),
                after: after.filter(|(_, earlier)| is_before(earlier)).map(|(place, _)| place).collect(),
            });
        }
    }
}

/// Whether an operation comes before another: in an ancestor, or earlier in the same change.
fn is_before(history: &History<'_>, earlier: &OpAt<'_>, later: &OpAt<'_>) -> bool {
    history.is_before(earlier.node, later.node) || (earlier.node == later.node && earlier.rank < later.rank)
}

/// Lists a part of an event that some change wrote otherwise than the defining one.
fn rewritten<'a>(group: &[OpAt<'a>], own: Option<&'a Value>) -> Option<Conflict<'a>> {
    let mut sets: Vec<&OpAt<'a>> = group.iter().filter(|op| op.value().is_some()).collect();
    if sets.iter().all(|op| op.value() == own) {
        return None;
    }
    sets.sort_by_key(|op| op.rank);
    Some(Conflict {
        field: sets.first()?.key(),
        kind: ConflictKind::Immutable,
        candidates: sets.iter().map(|op| op.candidate()).collect(),
        shown: own,
        base: None,
    })
}

/// The events that decide about fields: verifications and rejections.
#[derive(Debug)]
pub(super) struct Milestones {
    /// The changes that verify, in causal order, each with the operation of its last such event.
    verifying: Vec<(Node, Rank)>,
    rejecting: Vec<Node>,
}

impl Milestones {
    pub(super) fn find(machine: Option<&Machine>, events: &EventOps<'_, '_>) -> Self {
        let vouches = |kind: &str| match machine.map(|machine| machine.transition(kind)) {
            Some(transition) => transition.is_some_and(|transition| transition.vouches),
            None => VOUCHING.contains(&kind),
        };
        let mut verifying: BTreeMap<Node, Rank> = BTreeMap::new();
        let mut rejecting = Vec::new();
        for event in &events.ordered {
            if vouches(event.kind()) {
                verifying.insert(event.first.node, event.first.rank);
            }
            if event.kind() == REJECTING {
                rejecting.push(event.first.node);
            }
        }
        Self { verifying: verifying.into_iter().collect(), rejecting }
    }

    /// The change of the causally last verification, of all or of those before a node; of several the lowest.
    pub(super) fn last_verification(&self, history: &History<'_>, before: Option<Node>) -> Option<Node> {
        let mut last: Vec<&(Node, Rank)> = Vec::new();
        for event in self.verifying.iter().rev() {
            let counts = before.is_none_or(|top| history.is_before(event.0, top));
            if counts && !last.iter().any(|later| history.is_before(event.0, later.0)) {
                last.push(event);
            }
        }
        last.into_iter().min_by_key(|(_, rank)| *rank).map(|(node, _)| *node)
    }

    /// Whether an edit was turned down as a correction: some rejection, within `top` if given, has it and a verification
    /// that has not among its ancestors.
    pub(super) fn is_rejected(&self, history: &History<'_>, edit: Node, top: Option<Node>) -> bool {
        let mut rejections =
            self.rejecting.iter().filter(|event| top.is_none_or(|top| history.is_within(**event, top)));
        rejections.any(|event| {
            let corrected =
                |verified: &(Node, Rank)| history.is_within(verified.0, *event) && !history.is_within(edit, verified.0);
            history.is_before(edit, *event) && self.verifying.iter().any(corrected)
        })
    }
}

/// Lists the events that exclude each other, as the record's state machine judges them.
pub(super) fn opposed<'a>(machine: Option<&Machine>, events: &[Event<'a>]) -> Option<Conflict<'a>> {
    let concurrent = events.iter().enumerate().any(|(place, event)| event.after.len() < place);
    let machine = machine.filter(|_| concurrent)?;
    let as_state_event = |event: &'_ Event<'a>| {
        let to = event.parts.get("to").copied();
        let plain = StateEvent::new(event.kind().unwrap_or_default()).in_change(event.by);
        to.map_or(plain, |to| plain.leading_to(to))
    };
    let state_events: Vec<StateEvent<'_>> =
        events.iter().map(|event| as_state_event(event).knowing(&event.after)).collect();
    let open = machine.fold(&state_events).open_transition;
    let involved: BTreeSet<usize> = open.iter().flat_map(|(counted, held)| [*counted, *held]).collect();
    let candidate =
        |event: &Event<'a>| Candidate { value: event.parts.get("kind").copied(), by: event.by, op: event.op };
    let candidates: Vec<Candidate<'a>> =
        involved.into_iter().filter_map(|place| events.get(place)).map(candidate).collect();
    let counted = open.first().and_then(|(counted, _)| events.get(*counted));
    let shown = counted.and_then(|event| event.parts.get("kind").copied());
    (!candidates.is_empty()).then_some(Conflict {
        field: STATE,
        kind: ConflictKind::Transition,
        candidates,
        shown,
        base: None,
    })
}
