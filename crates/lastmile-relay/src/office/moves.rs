//! Moving a person to another community: both commits in one transaction.

use lastmile_crdt::Edit;
use lastmile_model::{Places, RecordId, RecordType, Scope, Value, civil, derive, keys};
use lastmile_store::FullRecord;
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell;
use uuid::Uuid;

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
        let (_, places) = self.find(person, &["person"])?;
        let home = self.home_of(person)?.ok_or(OfficeError::NoCheckIn { person })?;
        if home.scope == target {
            return Err(OfficeError::AlreadyThere { person }.into());
        }
        let holder = if places.contains(&home.scope) { Some(home.scope.clone()) } else { places.first().cloned() };
        let holder = holder.ok_or_else(|| OfficeError::NotFound { what: "person".to_owned(), id: person })?;
        self.hold(&target)?;
        let number = self.next_move()?;
        let number_part = ("move", Value::Int(i64::try_from(number).unwrap_or(i64::MAX)));

        let (way, extra) = if home.confirmed {
            ("move_out", vec![number_part.clone(), ("to", place(target.code()))])
        } else {
            // Who was never confirmed does not move out: the check-in ends.
            ("end", vec![number_part.clone()])
        };
        let left = self.event(way, Some(&on), why, &extra)?;
        let left = Self::edit("check_in", home.check_in, false, left)?;

        let record = self.full("person", person, &holder)?;
        let catalogue = std::sync::Arc::clone(&self.catalogue);
        let mut arriving = Vec::new();
        if let Some((_, person_type)) = catalogue.get("person") {
            arriving.push(Self::edit(
                "person",
                record.id,
                !places.contains(&target),
                restated(person_type, &record, &[]),
            )?);
        }
        let check_in = derive::check_in(record.id, target.code());
        let old = self.full("check_in", home.check_in.0, &home.scope)?;
        let mut fields =
            vec![Edit::set("person", Value::reference(record.id)), Edit::set("community", place(target.code()))];
        if let Some((_, check_in_type)) = catalogue.get("check_in") {
            fields.extend(restated(check_in_type, &FullRecord { events: Vec::new(), ..old }, &LEFT_BEHIND));
        }
        fields.extend(self.event("register", Some(&on), why, std::slice::from_ref(&number_part))?);
        if home.confirmed {
            fields.extend(self.event("confirm", Some(&on), why, &[number_part])?);
        }
        arriving.push(Self::edit("check_in", check_in, true, fields)?);

        let note = note_of("move", why);
        let commits = [self.commit(&home.scope, &note, vec![left]), self.commit(&target, &note, arriving)];
        self.save(&commits, &[(MOVES, &number.to_be_bytes())])?;
        Ok(OfficeAnswer::Moved {
            person,
            number,
            from: home.scope.to_string(),
            to: target.to_string(),
            check_in: check_in.0,
        })
    }

    /// The check-in by which a person is on the books: the one confirmed last, else one that waits.
    fn home_of(&mut self, person: Uuid) -> Result<Option<Home>, RelayError> {
        let scopes = self.scope_map()?;
        let query = Query::new(self.reader.type_no("check_in")?, &["state", "confirmed_from"]).filter(
            "person",
            Test::Is,
            Cell::Blob(person.as_bytes().to_vec().into()),
        );
        let mut best: Option<(bool, String, Home)> = None;
        for row in self.reader.rows(&query)? {
            let [state, since] = row.cells.as_slice() else { continue };
            let confirmed = state.text() == Some("confirmed");
            let Some(scope) = scopes.get(&row.scope) else { continue };
            if !confirmed && !matches!(state.text(), Some("registered" | "returned")) {
                continue;
            }
            let since = since.text().unwrap_or_default().to_owned();
            let home = Home { check_in: row.id, scope: scope.clone(), confirmed };
            if best.as_ref().is_none_or(|(known, day, _)| (*known, day) < (confirmed, &since)) {
                best = Some((confirmed, since, home));
            }
        }
        Ok(best.map(|(_, _, home)| home))
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
