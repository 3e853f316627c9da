//! Record types, changes and records by hand.

use std::sync::LazyLock;

use lastmile_crdt::{Base, Change, Conflict, Edit, Known, Made, Record, evaluate, make_change};
use lastmile_model::{AuthorId, Catalogue, ChangeHash, RecordType, Value};
use uuid::Uuid;

/// A type with every merge letter and the states of an activity.
const DRILL: &str = r#"
name = "drill"
zh = "演练"
en = "Drill"
scope = "community"
salted = true
states = "activity"
fields = [
  { name = "person", kind = "text", max = 40, merge = "I", level = 1, required = true, zh = "人", en = "Person" },
  { name = "receipt_no", kind = "text", max = 40, merge = "I", level = 1, zh = "号", en = "Number" },
  { name = "note", kind = "text", max = 200, merge = "R", level = 1, zh = "注", en = "Note" },
  { name = "venue", kind = "text", max = 200, merge = "R", level = 1, zh = "地", en = "Venue" },
  { name = "served", kind = "int", max = 1000, merge = "Q", level = 0, zh = "数", en = "Served" },
  { name = "held_on", kind = "text", max = 20, merge = "Q", level = 0, zh = "期", en = "Held on" },
  { name = "tags", kind = "text", max = 20, merge = "S", level = 0, zh = "签", en = "Tags" },
  { name = "total", kind = "int", max = 1000, merge = "C", level = 0, zh = "总", en = "Total" },
  { name = "id_no", kind = "id_number", merge = "V", level = 3, zh = "证", en = "Id number" },
  { name = "state", kind = "event", merge = "E", level = 0, zh = "态", en = "State" },
]
events = [
  { field = "state", kind = "plan", zh = "p", en = "Plan" },
  { field = "state", kind = "hold", zh = "h", en = "Hold" },
  { field = "state", kind = "submit", zh = "s", en = "Submit" },
  { field = "state", kind = "verify", zh = "v", en = "Verify" },
  { field = "state", kind = "return", zh = "r", en = "Return" },
  { field = "state", kind = "cancel", zh = "c", en = "Cancel" },
  { field = "state", kind = "duplicate", zh = "d", en = "Duplicate" },
  { field = "state", kind = "not_duplicate", zh = "n", en = "Not duplicate" },
  { field = "state", kind = "accept", zh = "a", en = "Accept" },
  { field = "state", kind = "reject", zh = "j", en = "Reject" },
]
"#;

/// The record type of the tests.
pub fn drill() -> &'static RecordType {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::parse(&[("drill.toml", DRILL)]).unwrap());
    CATALOGUE.get("drill").unwrap().1
}

/// The author with this number.
pub fn author(number: u8) -> AuthorId {
    AuthorId([number; 16])
}

/// An event's key.
pub fn event_key(number: u8, part: &str) -> String {
    format!("ev/{}/{part}", Uuid::from_bytes([number; 16]).simple())
}

/// The edits that record an event.
pub fn event(number: u8, kind: &str) -> Vec<Edit> {
    vec![
        Edit::set(event_key(number, "kind"), kind),
        Edit::set(event_key(number, "on"), "2026-11-23"),
        Edit::set(event_key(number, "at"), Value::Timestamp(1_764_000_000_000)),
    ]
}

/// A record under construction: every change, and which are hidden.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    pub changes: Vec<Change>,
    pub hidden: Vec<bool>,
}

impl Draft {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a change by an author who has seen exactly these changes (and therefore their ancestors). Returns its place.
    pub fn change(&mut self, number: u8, seen: &[usize], edits: &[Edit]) -> usize {
        let made = self.make(number, seen, edits);
        self.changes.push(made.change);
        self.hidden.push(false);
        self.changes.len() - 1
    }

    /// Makes a change without adding it.
    pub fn make(&self, number: u8, seen: &[usize], edits: &[Edit]) -> Made {
        let mut within: Vec<usize> = seen.to_vec();
        let mut next = 0;
        while next < within.len() {
            for dep in &self.changes[within[next]].deps {
                let place = self.changes.iter().position(|change| change.hash == *dep).unwrap();
                if !within.contains(&place) {
                    within.push(place);
                }
            }
            next += 1;
        }
        let known: Vec<Known<'_>> = within.iter().map(|place| self.known_at(*place)).collect();
        make_change(&Base { changes: &known, own_last: None }, author(number), 0, None, edits).unwrap()
    }

    fn known_at(&self, place: usize) -> Known<'_> {
        let known = Known::visible(&self.changes[place]);
        if self.hidden[place] { known.hide() } else { known }
    }

    /// Every change as the evaluation takes it.
    pub fn known(&self) -> Vec<Known<'_>> {
        (0..self.changes.len()).map(|place| self.known_at(place)).collect()
    }

    pub fn hide(&mut self, place: usize) -> &mut Self {
        self.hidden[place] = true;
        self
    }

    pub fn show(&mut self, place: usize) -> &mut Self {
        self.hidden[place] = false;
        self
    }

    pub fn hash(&self, place: usize) -> ChangeHash {
        self.changes[place].hash
    }
}

/// Evaluates a list of changes as a drill.
pub fn evaluated<'a>(known: &[Known<'a>]) -> Record<'a> {
    evaluate(Some(drill()), known)
}

/// The conflict on a field, if there is one.
pub fn conflict<'r, 'a>(record: &'r Record<'a>, field: &str) -> Option<&'r Conflict<'a>> {
    record.conflicts.iter().find(|conflict| conflict.field == field)
}

/// The values of a conflict's candidates.
pub fn candidates(conflict: &Conflict<'_>) -> Vec<Option<Value>> {
    conflict.candidates.iter().map(|candidate| candidate.value.cloned()).collect()
}
