//! State machines: a record's state is a fold of its events, so that concurrent transitions stay visible.
//!
//! A [`Machine`] is data: states, transitions, and the pairs of events that oppose
//! each other when neither knew of the other. [`Machine::fold`] is a pure function of the events in causal order, so all
//! replicas agree. Of two opposed concurrent events the earlier in that order counts and the pair is open until an event
//! that knows both settles it; equal concurrent events are no conflict.
//!
//! ```
//! use lastmile_model::states::{Machine, StateEvent};
//!
//! let machine = Machine::named("activity").expect("built in");
//! let events = ["submit", "verify"].map(StateEvent::new);
//! let events = [events[0].in_change(0), events[1].in_change(1).knowing(&[0])];
//! assert_eq!(machine.fold(&events).state, "verified");
//! assert!(!machine.allows("cancelled", "verify"));
//! ```

mod fold;
mod machines;

use chrono::NaiveDate;

pub use machines::{ACTIVITY, CHECK_IN, PAIRING};

use crate::Value;

/// One state with its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Its code.
    pub code: &'static str,
    /// The word in zh-CN.
    pub zh: &'static str,
    /// The word in English.
    pub en: &'static str,
}

/// Where a transition leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Into this state.
    State(&'static str),
    /// Over whatever state the record is in: it shows this one until lifted, and goes on underneath.
    Cover(&'static str),
    /// Back to what a cover hides.
    Lift,
    /// Nowhere: the event is kept, the state stays.
    Stay,
}

/// What one kind of event does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The event's kind.
    pub kind: &'static str,
    /// The states it may follow; ignored by covers, which may follow any.
    pub from: &'static [&'static str],
    /// Where it leads.
    pub to: Target,
    /// Whether it vouches for the values among its ancestors, as `verify`, `confirm` and `accept` do.
    pub vouches: bool,
}

/// The states and events of one record type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Its name, as record files give it.
    pub name: &'static str,
    /// The state of a record without events.
    pub start: &'static str,
    /// Every state.
    pub states: &'static [State],
    /// Every kind of event.
    pub transitions: &'static [Transition],
    /// Pairs of kinds that oppose each other when concurrent; a kind with itself: when their `to` differs.
    pub opposed: &'static [(&'static str, &'static str)],
    /// The state whose intervals [`Folded::spans`] lists; empty if none is.
    pub counted: &'static str,
}

/// One event of a record, as the fold needs it.
#[derive(Debug, Clone, Copy)]
pub struct StateEvent<'a> {
    /// Its kind, e.g. `confirm`.
    pub kind: &'a str,
    /// The civil date it speaks of.
    pub on: Option<NaiveDate>,
    /// What it leads to, if it says so: a place code, another record.
    pub to: Option<&'a Value>,
    /// A number of the change that wrote it: events of one change know each other, in their order.
    pub change: usize,
    /// Places in the slice of the events that are its causal ancestors, in ascending order.
    pub after: &'a [usize],
}

impl<'a> StateEvent<'a> {
    /// Builds an event that knows of no other.
    #[must_use]
    pub const fn new(kind: &'a str) -> Self {
        Self { kind, on: None, to: None, change: 0, after: &[] }
    }

    /// The same event, written by this change.
    #[must_use]
    pub const fn in_change(self, change: usize) -> Self {
        Self { change, ..self }
    }

    /// The same event, knowing those at these places.
    #[must_use]
    pub const fn knowing(self, after: &'a [usize]) -> Self {
        Self { after, ..self }
    }

    /// The same event, dated.
    #[must_use]
    pub const fn dated(self, on: NaiveDate) -> Self {
        Self { on: Some(on), ..self }
    }

    /// The same event, leading to this.
    #[must_use]
    pub const fn leading_to(self, to: &'a Value) -> Self {
        Self { to: Some(to), ..self }
    }
}

/// A stretch of days: from its first day up to, not including, `until`.
///
/// Who moves from one community to another on a day counts in the new one on that day, and in one alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first day.
    pub from: NaiveDate,
    /// The first day no longer in it; `None` while it goes on.
    pub until: Option<NaiveDate>,
}

impl Span {
    /// Whether the day is in it.
    #[must_use]
    pub fn covers(&self, day: NaiveDate) -> bool {
        self.from <= day && self.until.is_none_or(|until| day < until)
    }
}

/// What a record's events add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// The state it shows.
    pub state: &'static str,
    /// The state underneath a cover; otherwise the same.
    pub beneath: &'static str,
    /// Pairs of opposed concurrent events that no later event settled: the counted one, the held one.
    pub open_transition: Vec<(usize, usize)>,
    /// The last event that vouches for the record's values and still stands.
    pub verified_by: Option<usize>,
    /// How many events that vouch stood one after the other: 1 for a verified activity, more after corrections.
    pub versions: u32,
    /// The stretches of days in the counted state (`confirmed`, `active`), in the order of events.
    pub spans: Vec<Span>,
    /// The first day of any of them.
    pub first_confirmed: Option<NaiveDate>,
    /// Events that begin or end a span but carry no date; the date of the last dated event before stood in, if any.
    pub undated: Vec<usize>,
    /// Events that were not possible in the state they met, or that no machine knows.
    pub ignored: Vec<usize>,
}

impl Machine {
    /// Every machine.
    pub const ALL: [&'static Self; 3] = [&CHECK_IN, &ACTIVITY, &PAIRING];

    /// Returns the machine of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|machine| machine.name == name)
    }

    /// Returns what this kind of event does.
    #[must_use]
    pub fn transition(&self, kind: &str) -> Option<&'static Transition> {
        self.transitions.iter().find(|transition| transition.kind == kind)
    }

    /// Whether this kind of event lays a cover over the state or lifts it.
    #[must_use]
    pub fn is_mark(&self, kind: &str) -> bool {
        self.transition(kind).is_some_and(|known| matches!(known.to, Target::Cover(_) | Target::Lift))
    }

    /// Whether the machine has this kind of event.
    #[must_use]
    pub fn knows(&self, kind: &str) -> bool {
        self.transition(kind).is_some()
    }

    /// Returns the kinds of events.
    pub fn events(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.transitions.iter().map(|transition| transition.kind)
    }

    /// Returns the words for a state.
    #[must_use]
    pub fn state(&self, code: &str) -> Option<&'static State> {
        self.states.iter().find(|state| state.code == code)
    }

    /// Whether this kind of event is possible on a record that shows this state.
    #[must_use]
    pub fn allows(&self, state: &str, kind: &str) -> bool {
        let Some(transition) = self.transition(kind) else { return false };
        let covered = self.transitions.iter().any(|other| matches!(other.to, Target::Cover(cover) if cover == state));
        match transition.to {
            Target::Cover(_) => !covered,
            Target::Lift => covered,
            Target::State(_) | Target::Stay => !covered && transition.from.contains(&state),
        }
    }

    /// Whether this kind of event is possible now: in the state shown, or because it settles an open pair.
    #[must_use]
    pub fn allows_now(&self, folded: &Folded, events: &[StateEvent<'_>], kind: &str) -> bool {
        let party = |place: &usize| events.get(*place).is_some_and(|event| event.kind == kind);
        self.allows(folded.state, kind) || folded.open_transition.iter().any(|(a, b)| party(a) || party(b))
    }

    /// Whether two kinds oppose each other when concurrent, their `to` being equal or not.
    #[must_use]
    pub fn oppose(&self, one: &str, other: &str, same_target: bool) -> bool {
        self.opposed.iter().any(|(a, b)| {
            let named = (*a == one && *b == other) || (*a == other && *b == one);
            named && (a != b || !same_target)
        })
    }
}

/// Whether a record of this machine that shows this state allows this kind of event; false for unknown machines.
#[must_use]
pub fn allowed(machine: &str, state: &str, kind: &str) -> bool {
    Machine::named(machine).is_some_and(|machine| machine.allows(state, kind))
}
