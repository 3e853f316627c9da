//! Moving a person to another community: both commits in one transaction.

use std::collections::BTreeSet;

use lastmile_crdt::Edit;
use lastmile_model::{Places, RecordId, RecordType, Scope, Value, civil, derive, keys};
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell;
use lastmile_store::{FullRecord, RecordEdit};
use uuid::Uuid;

use super::links::LinkTable;
use super::note_of;
use super::steps::place;
use crate::central::Central;
use crate::{OfficeAnswer, OfficeError, RelayError};

/// The setting that counts moves.
const MOVES: &str = "relay.moves";

/// The fields of a check-in that stay with the community left.
const LEFT_BEHIND: [&str; 5] = ["person", "community", "address_building", "grid", "receipt_no"];

/// The check-in by which a person is on the books.
struct Home {
    check_in: RecordId,
    scope: Scope,
    confirmed: bool,
    /// From when it is confirmed; empty if it is not.
    since: String,
}

impl Central {
    pub(super) fn move_person(
        &mut self,
        person: Uuid,
        to: &str,
        on: Option<&str>,
        why: &str,
    ) -> Result<OfficeAnswer, RelayError> {
        let code = to.strip_prefix("community:").unwrap_or(to);
        let target = Scope::community(code).map_err(|_| OfficeError::BadCommunity { text: to.to_owned() })?;
        let known = Places::changsha().get(code).is_some() || self.scope_map()?.values().any(|scope| *scope == target);
        if !known {
            return Err(OfficeError::BadCommunity { text: to.to_owned() }.into());
        }
        let on = civil::date_text(self.day(on)?);
        self.find(person, &["person"])?;
        // What the office linked is one person and moves as one.
        let table = self.links()?;
        let records = table.records_of(RecordId(person));
        let homes = self.homes_of(&records)?;
        let home = homes.first().ok_or(OfficeError::NoCheckIn { person })?;
        if home.scope == target {
            return Err(OfficeError::AlreadyThere { person }.into());
        }
        self.hold(&target)?;
        let number = self.next_move()?;
        let number_part = ("move", Value::Int(i64::try_from(number).unwrap_or(i64::MAX)));

        let mut left = Vec::new();
        for leaving in homes.iter().filter(|one| one.scope == home.scope) {
            let (way, extra) = if leaving.confirmed {
                ("move_out", vec![number_part.clone(), ("to", place(target.code()))])
            } else {
                // Who was never confirmed does not move out: the check-in ends.
                ("end", vec![number_part.clone()])
            };
            let event = self.event(way, Some(&on), why, &extra)?;
            left.push(self.edit("check_in", leaving.check_in, false, event)?);
        }

        let catalogue = std::sync::Arc::clone(&self.catalogue);
        let mut arriving = self.arriving_persons(RecordId(person), &records, &home.scope, &target)?;
        arriving.extend(self.arriving_links(&table, &records, &target, why)?);
        let check_in = derive::check_in(RecordId(person), target.code());
        let old = self.full("check_in", home.check_in.0, &home.scope)?;
        let mut fields =
            vec![Edit::set("person", Value::reference(RecordId(person))), Edit::set("community", place(target.code()))];
        if let Some((_, check_in_type)) = catalogue.get("check_in") {
            fields.extend(restated(check_in_type, &FullRecord { events: Vec::new(), ..old }, &LEFT_BEHIND));
        }
        fields.extend(self.event("register", Some(&on), why, std::slice::from_ref(&number_part))?);
        if home.confirmed {
            fields.extend(self.event("confirm", Some(&on), why, &[number_part])?);
        }
        arriving.push(self.edit("check_in", check_in, true, fields)?);

        let note = note_of("move", why);
        let commits = [self.commit(&home.scope, &note, left), self.commit(&target, &note, arriving)];
        self.save(&commits, &[(MOVES, &number.to_be_bytes())])?;
        Ok(OfficeAnswer::Moved {
            person,
            number,
            from: home.scope.to_string(),
            to: target.to_string(),
            check_in: check_in.0,
        })
    }

    /// Says in the target again who moves, by every record that the community left holds of the person.
    fn arriving_persons(
        &mut self,
        person: RecordId,
        records: &BTreeSet<RecordId>,
        from: &Scope,
        target: &Scope,
    ) -> Result<Vec<RecordEdit>, RelayError> {
        let catalogue = std::sync::Arc::clone(&self.catalogue);
        let Some((_, person_type)) = catalogue.get("person") else { return Ok(Vec::new()) };
        let mut arriving = Vec::new();
        for &id in records {
            let places = self.places_of("person", id)?;
            let holder = match places.iter().find(|scope| *scope == from) {
                // The one that was named moves wherever it stands.
                None if id == person => places.first(),
                here => here,
            };
            let Some(holder) = holder else { continue };
            let record = self.full("person", id.0, holder)?;
            let fields = restated(person_type, &record, &[]);
            arriving.push(self.edit("person", id, !places.contains(target), fields)?);
        }
        Ok(arriving)
    }

    /// Says in the target again what was decided about these records, so that it is known there too what is one and what is not.
    fn arriving_links(
        &self,
        table: &LinkTable,
        records: &BTreeSet<RecordId>,
        target: &Scope,
        why: &str,
    ) -> Result<Vec<RecordEdit>, RelayError> {
        let missing = table.about(records).filter(|link| link.record_type == "person" && !link.scopes.contains(target));
        missing.map(|link| self.edit("merge_link", link.id, true, link.fields(link.live, why))).collect()
    }

    /// The check-ins by which a person is on the books, whichever record they name: first the one confirmed last, at the end
    /// those that wait.
    fn homes_of(&mut self, records: &BTreeSet<RecordId>) -> Result<Vec<Home>, RelayError> {
        let scopes = self.scope_map()?;
        let type_no = self.reader.type_no("check_in")?;
        let mut homes = Vec::new();
        for record in records {
            let query = Query::new(type_no, &["state", "confirmed_from"]).filter(
                "person",
                Test::Is,
                Cell::Blob(record.as_bytes().to_vec().into()),
            );
            for row in self.reader.rows(&query)? {
                let [state, since] = row.cells.as_slice() else { continue };
                let confirmed = state.text() == Some("confirmed");
                let Some(scope) = scopes.get(&row.scope) else { continue };
                if confirmed || matches!(state.text(), Some("registered" | "returned")) {
                    let since = since.text().unwrap_or_default().to_owned();
                    homes.push(Home { check_in: row.id, scope: scope.clone(), confirmed, since });
                }
            }
        }
        homes.sort_by(|one, other| (other.confirmed, &other.since).cmp(&(one.confirmed, &one.since)));
        Ok(homes)
    }

    /// The number of the next move; it counts as given once the move is saved with it.
    fn next_move(&self) -> Result<u64, RelayError> {
        let last = self.store.setting(MOVES)?.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        Ok(last.saturating_add(1))
    }
}

/// Says everything of a record again: values, elements of sets and events, except the common fields and those left out.
fn restated(record_type: &RecordType, record: &FullRecord, left_out: &[&str]) -> Vec<Edit> {
    let common = |name: &str| record_type.field(name).is_some_and(|(_, field)| field.common);
    let kept = |name: &str| !common(name) && !left_out.contains(&name);
    let mut edits: Vec<Edit> = record
        .values
        .iter()
        .filter(|(name, _)| kept(name))
        .map(|(name, value)| Edit::set(name.as_str(), value.clone()))
        .collect();
    for (field, elements) in record.sets.iter().filter(|(name, _)| kept(name)) {
        edits.extend(elements.iter().map(|element| Edit::set(keys::element(field, element), true)));
    }
    for event in &record.events {
        edits.extend(event.parts.iter().map(|(part, value)| Edit::set(keys::event(event.id, part), value.clone())));
    }
    edits
}
