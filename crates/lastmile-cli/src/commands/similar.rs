//! Whether somebody who is being entered is here already.

use lastmile_client::Replica;
use lastmile_model::duplicates::{self, PersonKey};
use lastmile_model::input::Entry;
use lastmile_model::keys::Key;
use lastmile_model::{RecordId, Value, names};
use lastmile_store::query::Query;
use lastmile_store::storage::Cell;

use super::opened::store_error;
use crate::error::CliError;

/// A person's name in normal form, phones and month of birth.
struct Person {
    id: RecordId,
    name: String,
    phones: Vec<String>,
    birth_ym: Option<String>,
}

impl Person {
    fn key(&self) -> PersonKey<'_> {
        PersonKey {
            id: self.id,
            name: &self.name,
            phones: self.phones.iter().map(String::as_str).collect(),
            birth_ym: self.birth_ym.as_deref(),
            employer: None,
            community: None,
            id_fingerprint: None,
        }
    }
}

/// The persons on this device that a new entry may repeat.
pub(super) fn similar_persons(replica: &Replica, entry: &Entry) -> Result<Vec<RecordId>, CliError> {
    let text = |wanted: &str| {
        entry
            .values
            .iter()
            .find(|(key, _)| key == wanted)
            .and_then(|(_, value)| Value::as_str(value))
            .unwrap_or_default()
    };
    let phones = entry.values.iter().filter_map(|(key, _)| match Key::parse(key) {
        Some(Key::Element("phone", phone)) => Some(phone.to_owned()),
        _ => None,
    });
    let new = Person {
        id: RecordId(uuid::Uuid::nil()),
        name: names::normal(text("name")).into_owned(),
        phones: phones.collect(),
        birth_ym: Some(text("birth_ym").to_owned()).filter(|month| !month.is_empty()),
    };
    let namesakes = replica
        .read(|reader| {
            let query = Query::new(reader.type_no("person")?, &["name", "phone", "birth_ym"]);
            let rows = reader.rows(&query)?.into_iter().filter_map(|row| {
                let text = |place: usize| row.cells.get(place).and_then(Cell::text);
                let name = names::normal(text(0)?).into_owned();
                let phones = text(1).and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default();
                (name == new.name).then(|| Person { id: row.id, name, phones, birth_ym: text(2).map(str::to_owned) })
            });
            Ok(rows.collect::<Vec<_>>())
        })
        .map_err(store_error)?;
    let known: Vec<PersonKey<'_>> = namesakes.iter().map(Person::key).collect();
    Ok(duplicates::hints(&new.key(), &known).collect())
}
