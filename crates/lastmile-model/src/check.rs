//! Validation of entries: what a record of this type may hold, judged before a change is made.
//!
//! Records that arrive from elsewhere are never judged here: what an older or newer program wrote stays.
//!
//! ```
//! use lastmile_model::{Catalogue, Value, check};
//!
//! let (_, activity) = Catalogue::builtin().get("activity").expect("built in");
//! let today = lastmile_model::civil::parse_date("2026-11-23").expect("a date");
//! let values = [("title".to_owned(), Value::from("清洁日")), ("date".to_owned(), Value::from("2026-12-01"))];
//! let problems = check::validate_new(activity, &values, &check::CheckContext::new(today)).expect_err("two things wrong");
//! assert_eq!(problems.iter().map(|problem| problem.code()).collect::<Vec<_>>(), ["in-future", "missing"]);
//! ```

mod events;
mod shape;

use chrono::NaiveDate;

pub use shape::check_value;

use crate::catalogue::{Field, FieldKind, Merge, RecordType};
use crate::civil::Month;
use crate::problem::{Fault, Problem, Words};
use crate::{Key, Places, Scope, Value, civil};

/// The most values of one save: a change holds 256 operations, some of them the common fields.
pub const MAX_VALUES: usize = 240;

/// The most bytes of one save, keys and values together: a change holds 64 KiB.
pub const MAX_BYTES: usize = 60_000;

/// What validation needs to know beyond the values.
#[derive(Debug, Clone, Copy)]
pub struct CheckContext<'a> {
    /// Today's civil date, in Asia/Shanghai.
    pub today: NaiveDate,
    /// The table of places; without it the shape of a code is all that is judged.
    pub places: Option<&'a Places>,
    /// The scope that holds the record; without it codes and scope kinds are not compared.
    pub scope: Option<&'a Scope>,
    /// Whether the office writes: only it makes records and fields that are the office's own.
    pub office: bool,
    /// Whether a new record must bring an event of every required event field, as data entry by people asks; imports
    /// of rosters bring consent later.
    pub entry: bool,
}

impl<'a> CheckContext<'a> {
    /// Builds a context that knows only the day.
    #[must_use]
    pub const fn new(today: NaiveDate) -> Self {
        Self { today, places: None, scope: None, office: false, entry: false }
    }

    /// The same context with a table of places.
    #[must_use]
    pub const fn with_places(self, places: &'a Places) -> Self {
        Self { places: Some(places), ..self }
    }

    /// The same context within a scope.
    #[must_use]
    pub const fn in_scope(self, scope: &'a Scope) -> Self {
        Self { scope: Some(scope), ..self }
    }

    /// The same context for the office's own writing.
    #[must_use]
    pub const fn by_office(self) -> Self {
        Self { office: true, ..self }
    }

    /// The same context for data entry by people.
    #[must_use]
    pub const fn for_entry(self) -> Self {
        Self { entry: true, ..self }
    }
}

/// What an edited record shows under a key at present.
pub type Before<'a> = dyn Fn(&str) -> Option<Value> + 'a;

/// Checks the values of a new record: document keys and what they hold, without removals.
///
/// The common fields may be left out, since whoever makes the change writes them; if given they are judged.
///
/// # Errors
/// Every [`Problem`] found, in the order of the values, then of missing fields.
pub fn validate_new(
    record_type: &RecordType,
    values: &[(String, Value)],
    ctx: &CheckContext<'_>,
) -> Result<(), Vec<Problem>> {
    let mut check = Check { record_type, values, ctx, before: None, seen: 0, problems: Vec::new() };
    check.record();
    check.values();
    check.required();
    check.outcome()
}

/// Checks an edit of a record: what is set, and the keys that are removed.
///
/// `before` returns what the record shows under a key at present.
///
/// # Errors
/// Every [`Problem`] found.
pub fn validate_edit(
    record_type: &RecordType,
    values: &[(String, Value)],
    removed: &[String],
    before: &Before<'_>,
    ctx: &CheckContext<'_>,
) -> Result<(), Vec<Problem>> {
    let mut check = Check { record_type, values, ctx, before: Some(before), seen: 0, problems: Vec::new() };
    check.record();
    check.values();
    check.removed(removed);
    check.outcome()
}

/// One validation.
struct Check<'a> {
    record_type: &'a RecordType,
    values: &'a [(String, Value)],
    ctx: &'a CheckContext<'a>,
    /// What an edited record shows; `None` for a new one.
    before: Option<&'a Before<'a>>,
    /// A bit for each field that has a value.
    seen: u128,
    problems: Vec<Problem>,
}

impl<'a> Check<'a> {
    fn outcome(self) -> Result<(), Vec<Problem>> {
        if self.problems.is_empty() { Ok(()) } else { Err(self.problems) }
    }

    fn fault(&mut self, field: &Field, fault: Fault) {
        self.problems.push(Problem::of_field(self.record_type, field, fault));
    }

    /// What concerns the record as a whole.
    fn record(&mut self) {
        let record_type = self.record_type;
        let mut fault = |fault| self.problems.push(Problem::of_record(record_type, fault));
        if record_type.office_only && !self.ctx.office {
            fault(Fault::OfficeOnly);
        }
        let kinds = self.ctx.scope.zip(record_type.scope_kind);
        if kinds.is_some_and(|(scope, kind)| scope.kind() != kind) {
            fault(Fault::WrongScope);
        }
        if self.values.len() > MAX_VALUES {
            fault(Fault::TooMany { max: MAX_VALUES });
        }
        let size: usize = self.values.iter().map(|(key, value)| key.len() + size_of_value(value)).sum();
        if size > MAX_BYTES {
            fault(Fault::TooLarge { max: MAX_BYTES });
        }
    }

    fn values(&mut self) {
        for (key, value) in self.values {
            match Key::parse(key) {
                Some(Key::Field(name)) => self.register(name, value),
                Some(Key::Element(name, element)) => self.element(name, element, value),
                Some(Key::Event(id, part)) => self.event_part(id, part, value),
                None => self.problems.push(Problem::of_name(self.record_type, "", Fault::BadKey)),
            }
        }
    }

    fn field(&mut self, name: &str) -> Option<(usize, &'a Field)> {
        let found = self.record_type.field(name);
        if found.is_none() {
            self.problems.push(Problem::of_name(self.record_type, name, Fault::UnknownField));
        }
        found
    }

    fn register(&mut self, name: &str, value: &Value) {
        let Some((place, field)) = self.field(name) else { return };
        if let Some(fault) = self.not_a_register(field).or_else(|| self.not_writable(field)) {
            return self.fault(field, fault);
        }
        if self.seen >> place & 1 == 1 {
            self.fault(field, Fault::Twice);
        }
        self.seen |= 1 << place;
        if let Err(fault) = check_value(field, value, self.ctx) {
            return self.fault(field, fault);
        }
        if field.of_scope && self.outside_scope(value) {
            self.fault(field, Fault::WrongScope);
        }
        if field.not_future && self.in_future(field, value) {
            self.fault(field, Fault::InFuture);
        }
        if let Some(fault) = field.after.as_deref().and_then(|other| self.too_early(field, other, value)) {
            self.fault(field, fault);
        }
        self.followers(name, value);
    }

    /// In an edit, a field that may not precede this one and is not given anew is compared as the record shows it.
    fn followers(&mut self, name: &str, value: &Value) {
        let Some(before) = self.before else { return };
        for field in self.record_type.fields.iter().filter(|field| field.after.as_deref() == Some(name)) {
            if self.given(&field.name).is_none()
                && before(&field.name).is_some_and(|later| precedes(&field.kind, &later, value))
            {
                self.fault(field, too_early(self.record_type, name));
            }
        }
    }

    const fn not_a_register(&self, field: &Field) -> Option<Fault> {
        match field.merge {
            Merge::Set => Some(Fault::IsSet),
            Merge::Event => Some(Fault::UnknownEvent),
            Merge::Computed => Some(Fault::Computed),
            _ => None,
        }
    }

    fn not_writable(&self, field: &Field) -> Option<Fault> {
        if field.office_only && !self.ctx.office {
            return Some(Fault::OfficeOnly);
        }
        let written = self.before.is_some_and(|before| before(&field.name).is_some());
        let fixed = field.merge == Merge::Immutable && (written || (field.common && self.before.is_some()));
        fixed.then_some(Fault::Immutable)
    }

    fn outside_scope(&self, value: &Value) -> bool {
        self.ctx.scope.is_some_and(|scope| value.as_str() != Some(scope.code()))
    }

    /// Whether a date, month lies after today and no event of this save says that it may.
    fn in_future(&self, field: &Field, value: &Value) -> bool {
        let Some(text) = value.as_str() else { return false };
        let late = match field.kind {
            FieldKind::Date => civil::parse_date(text).is_some_and(|day| day > self.ctx.today),
            FieldKind::Month => Month::parse(text).is_some_and(|month| month > Month::of(self.ctx.today)),
            _ => false,
        };
        late && !field.future_with.as_deref().is_some_and(|kind| self.brings(kind))
    }

    fn too_early(&self, field: &Field, other: &str, value: &Value) -> Option<Fault> {
        let first = self.given(other).cloned().or_else(|| self.before.and_then(|before| before(other)))?;
        precedes(&field.kind, value, &first).then(|| too_early(self.record_type, other))
    }

    /// The value given for a register in this save.
    fn given(&self, name: &str) -> Option<&'a Value> {
        self.values.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    fn element(&mut self, name: &str, element: &str, value: &Value) {
        let Some((place, field)) = self.field(name) else { return };
        self.seen |= 1 << place;
        if field.merge != Merge::Set {
            return self.fault(field, Fault::NotSet);
        }
        if field.office_only && !self.ctx.office {
            return self.fault(field, Fault::OfficeOnly);
        }
        if *value != Value::Bool(true) {
            return self.fault(field, Fault::WrongType { expected: "set element (true)" });
        }
        if let Err(fault) = shape::check_element(field, element, self.ctx) {
            self.fault(field, fault);
        }
    }

    fn required(&mut self) {
        let record_type = self.record_type;
        for (place, field) in record_type.fields.iter().enumerate() {
            if !field.required || field.common || self.seen >> place & 1 == 1 {
                continue;
            }
            let asked = match field.merge {
                Merge::Event => self.ctx.entry && !field.events.iter().any(|event| self.brings(&event.kind)),
                Merge::Computed => false,
                _ => true,
            };
            if asked {
                self.fault(field, Fault::Missing);
            }
        }
    }

    fn removed(&mut self, keys: &[String]) {
        for key in keys {
            let fault = match Key::parse(key) {
                Some(Key::Field(name)) => match self.field(name) {
                    None => continue,
                    Some((_, field)) => {
                        let fault = self.not_a_register(field).or_else(|| self.not_writable(field));
                        let missing = field.required.then_some(Fault::Missing);
                        fault.or(missing).map(|fault| (field, fault))
                    }
                },
                // An element of a kind or choice that this program does not know can still be taken out.
                Some(Key::Element(name, _)) => match self.field(name) {
                    None => continue,
                    Some((_, field)) => (field.merge != Merge::Set).then_some((field, Fault::NotSet)),
                },
                Some(Key::Event(..)) | None => {
                    self.problems.push(Problem::of_name(self.record_type, "", Fault::BadKey));
                    None
                }
            };
            if let Some((field, fault)) = fault {
                self.fault(field, fault);
            }
        }
    }
}

fn too_early(record_type: &RecordType, other: &str) -> Fault {
    let words = record_type
        .field(other)
        .map_or_else(Words::default, |(_, field)| Words { zh: field.label_zh.clone(), en: field.label_en.clone() });
    Fault::TooEarly { other: Box::new(words) }
}

/// Whether the later of two values does not come after the earlier; days may be equal, times may not.
fn precedes(kind: &FieldKind, later: &Value, earlier: &Value) -> bool {
    match (later, earlier) {
        (Value::Str(later), Value::Str(earlier)) if *kind == FieldKind::Time => later <= earlier,
        (Value::Str(later), Value::Str(earlier)) => later < earlier,
        (Value::Int(later), Value::Int(earlier)) => later < earlier,
        (Value::Timestamp(later), Value::Timestamp(earlier)) => later <= earlier,
        _ => false,
    }
}

const fn size_of_value(value: &Value) -> usize {
    match value {
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) | Value::Unknown { bytes, .. } => bytes.len(),
        _ => 8,
    }
}

#[cfg(test)]
mod tests;
