//! The fold of events into a state.

use chrono::NaiveDate;

use super::{Folded, Machine, Span, StateEvent, Target, Transition};

/// The record while its events are read one by one.
struct Fold<'a> {
    machine: &'a Machine,
    events: &'a [StateEvent<'a>],
    beneath: &'static str,
    cover: Option<&'static str>,
    /// Places of the events that took effect.
    applied: Vec<usize>,
    open: Vec<(usize, usize)>,
    vouched: Vec<usize>,
    /// Spans with the event that began each.
    spans: Vec<(Span, usize)>,
    /// The date of the last dated event that took effect.
    last_date: Option<NaiveDate>,
    undated: Vec<usize>,
    ignored: Vec<usize>,
}

impl Machine {
    /// Folds a record's events, given in causal order with ties broken the same way everywhere.
    #[must_use]
    pub fn fold(&self, events: &[StateEvent<'_>]) -> Folded {
        let mut fold = Fold {
            machine: self,
            events,
            beneath: self.start,
            cover: None,
            applied: Vec::with_capacity(events.len()),
            open: Vec::new(),
            vouched: Vec::new(),
            spans: Vec::new(),
            last_date: None,
            undated: Vec::new(),
            ignored: Vec::new(),
        };
        for (place, event) in events.iter().enumerate() {
            fold.read(place, event);
        }
        fold.finish()
    }
}

impl Fold<'_> {
    fn read(&mut self, place: usize, event: &StateEvent<'_>) {
        let Some(transition) = self.machine.transition(event.kind) else {
            self.ignored.push(place);
            return;
        };
        // A mark says nothing about what is open between states, nor the other way round.
        let settled: Vec<(usize, usize)> = self
            .open
            .iter()
            .copied()
            .filter(|(counted, held)| self.knows(place, event, *counted) && self.knows(place, event, *held))
            .filter(|(counted, _)| self.machine.is_mark(self.kind(*counted)) == self.machine.is_mark(event.kind))
            .collect();
        let opposed: Vec<usize> = self
            .applied
            .iter()
            .copied()
            .filter(|other| !self.knows(place, event, *other) && self.opposes(event, *other))
            .collect();
        if !opposed.is_empty() {
            self.open.extend(opposed.into_iter().map(|other| (other, place)));
            return;
        }
        let possible = self.possible(transition);
        let restates_held = settled.iter().find(|(_, held)| self.kind(*held) == event.kind).copied();
        let restates_counted = settled.iter().any(|(counted, _)| self.kind(*counted) == event.kind);
        if let Some((counted, _)) = restates_held {
            // The decision goes against the event that counted so far: what followed from it never was.
            self.overrule(counted);
        } else if !possible && !restates_counted {
            if !self.repeats(place, event) {
                self.ignored.push(place);
            }
            return;
        }
        self.open.retain(|pair| !settled.contains(pair));
        if possible || restates_held.is_some() {
            self.apply(place, event, transition);
        } else if transition.vouches {
            self.vouched.push(place);
        }
    }

    fn kind(&self, place: usize) -> &str {
        self.events.get(place).map_or("", |event| event.kind)
    }

    /// Whether the event at `place` knew of an earlier one.
    fn knows(&self, place: usize, event: &StateEvent<'_>, earlier: usize) -> bool {
        let same_change = self.events.get(earlier).is_some_and(|other| other.change == event.change);
        earlier < place && (same_change || event.after.binary_search(&earlier).is_ok())
    }

    fn opposes(&self, event: &StateEvent<'_>, other: usize) -> bool {
        let Some(other) = self.events.get(other) else { return false };
        self.machine.oppose(event.kind, other.kind, event.to == other.to)
    }

    /// Whether the event says again what a concurrent one said.
    fn repeats(&self, place: usize, event: &StateEvent<'_>) -> bool {
        self.applied.iter().any(|other| self.kind(*other) == event.kind && !self.knows(place, event, *other))
    }

    /// Whether the transition is possible; a cover hides a state from people, not from events that did not know of it.
    fn possible(&self, transition: &Transition) -> bool {
        match transition.to {
            Target::Cover(_) => self.cover.is_none(),
            Target::Lift => self.cover.is_some(),
            Target::State(_) | Target::Stay => transition.from.contains(&self.beneath),
        }
    }

    fn apply(&mut self, place: usize, event: &StateEvent<'_>, transition: &Transition) {
        self.applied.push(place);
        match transition.to {
            Target::State(next) => {
                self.move_to(place, event, next);
                // A state that waits for an event that vouches is not vouched for any more.
                let waits =
                    |other: &Transition| other.vouches && other.from.contains(&next) && other.to != Target::State(next);
                if self.machine.transitions.iter().any(waits) {
                    self.vouched.clear();
                }
            }
            Target::Cover(cover) => self.cover = Some(cover),
            Target::Lift => self.cover = None,
            Target::Stay => {}
        }
        if transition.vouches {
            self.vouched.push(place);
        }
        self.last_date = event.on.or(self.last_date);
    }

    fn move_to(&mut self, place: usize, event: &StateEvent<'_>, next: &'static str) {
        let counted = self.machine.counted;
        let (was, will) = (self.beneath == counted, next == counted);
        self.beneath = next;
        if was == will {
            return;
        }
        if event.on.is_none() {
            self.undated.push(place);
        }
        let Some(on) = event.on.or(self.last_date) else { return };
        if will {
            self.spans.push((Span { from: on, until: None }, place));
        } else if let Some((span, _)) = self.spans.last_mut()
            && span.until.is_none()
        {
            span.until = Some(on.max(span.from));
        }
    }

    /// Takes back what followed from an event that a decision went against.
    fn overrule(&mut self, place: usize) {
        self.applied.retain(|other| *other != place);
        self.vouched.retain(|other| *other != place);
        self.undated.retain(|other| *other != place);
        let Some(transition) = self.machine.transition(self.kind(place)) else { return };
        let counted = self.machine.counted;
        match transition.to {
            Target::Cover(_) => self.cover = None,
            Target::State(next) if next == counted => {
                let before = self.spans.len();
                self.spans.retain(|(_, began)| *began != place);
                if self.beneath == counted && (self.spans.len() < before || !transition.from.contains(&counted)) {
                    self.beneath = transition.from.last().copied().unwrap_or(self.machine.start);
                }
            }
            // An overruled end lets the stretch go on; the deciding event then ends it on its own day.
            Target::State(_) if transition.from.contains(&counted) && self.beneath != counted => {
                if let Some((span, _)) = self.spans.last_mut() {
                    span.until = None;
                    self.beneath = counted;
                }
            }
            Target::State(_) | Target::Lift | Target::Stay => {}
        }
    }

    fn finish(self) -> Folded {
        let mut spans: Vec<Span> = self.spans.into_iter().map(|(span, _)| span).collect();
        // Who left on the day of the confirmation was confirmed all the same.
        let first_confirmed = spans.iter().map(|span| span.from).min();
        spans.retain(|span| span.until != Some(span.from));
        Folded {
            state: self.cover.unwrap_or(self.beneath),
            beneath: self.beneath,
            open_transition: self.open,
            verified_by: self.vouched.last().copied(),
            versions: u32::try_from(self.vouched.len()).unwrap_or(u32::MAX),
            first_confirmed,
            spans,
            undated: self.undated,
            ignored: self.ignored,
        }
    }
}

#[cfg(test)]
mod tests;
