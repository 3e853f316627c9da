//! Events within an entry: each has a known kind, the parts that kind needs, and no others.

use uuid::Uuid;

use super::{Check, shape};
use crate::catalogue::{EventKind, Field};
use crate::problem::{Fault, Problem};
use crate::{Key, Value, civil};

impl<'a> Check<'a> {
    /// Whether this save brings an event of this kind.
    pub(super) fn brings(&self, kind: &str) -> bool {
        self.values
            .iter()
            .any(|(key, value)| matches!(Key::parse(key), Some(Key::Event(_, "kind"))) && value.as_str() == Some(kind))
    }

    pub(super) fn event_part(&mut self, id: Uuid, part: &str, value: &Value) {
        let Some((field, event)) = self.event_of(id) else {
            // One report for the event, not one for each of its parts.
            if part == "kind" || !self.has_part(id, "kind") {
                self.problems.push(Problem::of_name(self.record_type, "ev", Fault::UnknownEvent));
            }
            return;
        };
        if field.office_only && !self.ctx.office {
            self.fault(field, Fault::OfficeOnly);
        }
        let Some(known) = event.parts.iter().find(|known| known.name == part) else {
            return self.fault(field, Fault::UnknownPart);
        };
        if let Err(fault) = shape::check_kind(&known.kind, value, self.ctx) {
            return self.fault(field, fault);
        }
        let late = || value.as_str().and_then(civil::parse_date).is_some_and(|day| day > self.ctx.today);
        if part == "on" && !event.ahead && late() {
            self.fault(field, Fault::InFuture);
        }
        if part == "kind" {
            let missing = event.parts.iter().filter(|known| known.required && !self.has_part(id, &known.name));
            for known in missing.collect::<Vec<_>>() {
                self.fault(field, Fault::MissingPart { part: known.name.clone() });
            }
        }
    }

    /// The field and kind of the event with this id, if it has a known kind.
    fn event_of(&self, id: Uuid) -> Option<(&'a Field, &'a EventKind)> {
        self.part(id, "kind").and_then(Value::as_str).and_then(|kind| self.record_type.event(kind))
    }

    fn has_part(&self, id: Uuid, part: &str) -> bool {
        self.part(id, part).is_some()
    }

    fn part(&self, id: Uuid, part: &str) -> Option<&'a Value> {
        let is_it = |key: &str| key.starts_with("ev/") && Key::parse(key) == Some(Key::Event(id, part));
        self.values.iter().find(|(key, _)| is_it(key)).map(|(_, value)| value)
    }
}
