//! Members confirmed in two communities at once: both check-ins stay, the earlier counts, and a person decides.

use std::collections::{BTreeMap, BTreeSet};

use lastmile_model::{RecordId, Scope};
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell;
use uuid::Uuid;

use super::answer::{ConflictView, SideView};
use super::find::label_of;
use super::links::LinkTable;
use super::note_of;
use super::steps::place;
use crate::central::Central;
use crate::office::command::Decision;
use crate::{OfficeAnswer, OfficeError, RelayError};

/// The name by which such a question is asked and decided.
pub(super) const FIELD: &str = "check_in";

/// One of the check-ins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Home {
    /// From when it is confirmed.
    since: String,
    check_in: RecordId,
    person: RecordId,
    scope: Scope,
}

impl Central {
    /// Lists members who are on the books of two communities, one of them among these.
    pub(super) fn contested_homes(
        &mut self,
        scopes: &BTreeMap<u32, Scope>,
        limit: usize,
    ) -> Result<Vec<ConflictView>, RelayError> {
        let table = self.links()?;
        let mut views = Vec::new();
        for (person, homes) in self.homes(&table, None)? {
            if limit > 0 && views.len() >= limit {
                break;
            }
            if homes.iter().any(|home| scopes.values().any(|scope| *scope == home.scope)) {
                views.push(self.homes_view(person, &homes)?);
            }
        }
        Ok(views)
    }

    /// The confirmed check-ins of members who have them in several communities, the one that counts first; of one member, or of all.
    fn homes(&mut self, table: &LinkTable, of: Option<RecordId>) -> Result<BTreeMap<RecordId, Vec<Home>>, RelayError> {
        let held = self.scope_map()?;
        let query = Query::new(self.reader.type_no("check_in")?, &["person", "confirmed_from"]).filter(
            "state",
            Test::Is,
            Cell::Text("confirmed".into()),
        );
        let mut all: BTreeMap<RecordId, Vec<Home>> = BTreeMap::new();
        for row in self.reader.rows(&query)? {
            let [person, since] = row.cells.as_slice() else { continue };
            let (Some(person), Some(since), Some(scope)) = (person.record(), since.text(), held.get(&row.scope)) else {
                continue;
            };
            let canonical = table.person(person);
            if of.is_none_or(|wanted| table.person(wanted) == canonical) {
                let home = Home { since: since.to_owned(), check_in: row.id, person, scope: scope.clone() };
                all.entry(canonical).or_default().push(home);
            }
        }
        all.retain(|_, homes| homes.iter().map(|home| &home.scope).collect::<BTreeSet<_>>().len() > 1);
        all.values_mut().for_each(|homes| homes.sort());
        Ok(all)
    }

    fn homes_view(&mut self, person: RecordId, homes: &[Home]) -> Result<ConflictView, RelayError> {
        let mut sides = Vec::with_capacity(homes.len());
        for home in homes {
            let record = self.full("check_in", home.check_in.0, &home.scope)?;
            let confirmed = record
                .events
                .iter()
                .rev()
                .find(|event| event.parts.get("kind").and_then(lastmile_model::Value::as_str) == Some("confirm"));
            let origin = confirmed.map(|event| &event.origin);
            let author = origin.map(|origin| origin.author);
            let known = author.and_then(|author| self.trust().ok()?.certificate(author));
            sides.push(SideView {
                value: Some(home.scope.code().to_owned()),
                author: author.map(|author| author.to_string()).unwrap_or_default(),
                device: known.map(|known| known.device.clone()).unwrap_or_default(),
                acting: origin.and_then(|origin| origin.acting),
                wall_ms: origin.map_or(0, |origin| origin.wall_ms),
            });
        }
        let counts = homes.first();
        let name = match counts {
            Some(home) if self.places_of("person", home.person)?.contains(&home.scope) => {
                let record = self.full("person", home.person.0, &home.scope)?;
                record.values.get("name").and_then(lastmile_model::Value::as_str).map(str::to_owned)
            }
            _ => None,
        };
        Ok(ConflictView {
            record_type: "person".to_owned(),
            id: person.0,
            scope: counts.map(|home| home.scope.to_string()).unwrap_or_default(),
            label: label_of(name.as_deref(), None),
            field: FIELD.to_owned(),
            kind: "two_communities".to_owned(),
            sides,
            shown: counts.map(|home| home.scope.code().to_owned()),
            base: None,
        })
    }

    /// Decides in which community a member stays. The other check-ins end: by moving out when the chosen one is confirmed later,
    /// otherwise as if they had not begun.
    pub(super) fn resolve_home(
        &mut self,
        person: Uuid,
        decision: &Decision,
        reason: &str,
    ) -> Result<OfficeAnswer, RelayError> {
        let table = self.links()?;
        let found = self.homes(&table, Some(RecordId(person)))?.into_values().next();
        let homes = found.ok_or_else(|| OfficeError::NothingOpen { id: person, field: FIELD.to_owned() })?;
        let chosen = match decision {
            Decision::Take(number) => homes.get(number.saturating_sub(1)).ok_or(*number),
            Decision::Value(code) => homes.iter().find(|home| home.scope.code() == code.trim()).ok_or(0),
        };
        let chosen = chosen.map_err(|number| OfficeError::NoSuchSide { number, sides: homes.len() })?;
        let mut edits = Vec::new();
        for home in homes.iter().filter(|home| home.scope != chosen.scope) {
            let event = if chosen.since > home.since {
                self.event("move_out", Some(&chosen.since), reason, &[("to", place(chosen.scope.code()))])?
            } else {
                self.event("end", Some(&home.since), reason, &[])?
            };
            edits.push((home.scope.clone(), self.edit("check_in", home.check_in, false, event)?));
        }
        self.save_grouped(&note_of("resolve", reason), edits)?;
        let shown = Some(chosen.scope.code().to_owned());
        Ok(OfficeAnswer::Resolved { id: person, field: FIELD.to_owned(), shown })
    }
}
