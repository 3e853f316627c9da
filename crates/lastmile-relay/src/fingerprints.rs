//! Fingerprints of id numbers, by which the relay finds one person recorded twice.
//!
//! Sealed numbers are opened here and nowhere else, and only to make keyed fingerprints, which stay in memory.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use lastmile_log::fingerprint;
use lastmile_model::{RecordId, names};
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell;

use crate::RelayError;
use crate::central::Central;

/// What is known of a person with an id number.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    print: [u8; 32],
    /// The normal form of the name.
    name: String,
}

/// The fingerprints of everyone looked at so far.
#[derive(Default)]
pub(crate) struct Fingerprints {
    started: bool,
    /// Persons and the scopes, by their local numbers, in which their rows changed.
    waiting: BTreeSet<(RecordId, u32)>,
    by_person: HashMap<RecordId, Known>,
    by_print: HashMap<[u8; 32], BTreeSet<RecordId>>,
}

impl Fingerprints {
    /// The fingerprint of a person's id number.
    pub fn of(&self, person: RecordId) -> Option<[u8; 32]> {
        self.by_person.get(&person).map(|known| known.print)
    }

    /// Notes what a person's number and name are now; returns the smallest other person with the same of both.
    fn note(&mut self, person: RecordId, known: Option<Known>) -> Option<RecordId> {
        if self.by_person.get(&person) == known.as_ref() {
            return None;
        }
        if let Some(before) = self.by_person.remove(&person)
            && let Some(group) = self.by_print.get_mut(&before.print)
        {
            group.remove(&person);
        }
        let known = known?;
        let group = self.by_print.entry(known.print).or_default();
        let twin = group
            .iter()
            .copied()
            .find(|other| *other != person && self.by_person.get(other).is_some_and(|one| one.name == known.name));
        group.insert(person);
        self.by_person.insert(person, known);
        twin
    }
}

impl Central {
    /// Takes note of persons whose rows changed.
    pub fn note_touched(&mut self) {
        let touched = self.store.take_touched();
        let Some((person, _)) = self.catalogue.get("person") else { return };
        let persons =
            touched.iter().filter(|touched| touched.type_no == person).map(|touched| (touched.record, touched.scope));
        self.fingerprints.waiting.extend(persons);
    }

    /// Looks at some of the persons that changed and links those of one number and one name; tells whether more wait.
    pub fn link_certain(&mut self, at_most: usize) -> Result<bool, RelayError> {
        Ok(self.link_certain_among(at_most)?.1)
    }

    /// As [`Central::link_certain`]; returns the pairs found as well.
    pub fn link_certain_among(&mut self, at_most: usize) -> Result<(Vec<(RecordId, RecordId)>, bool), RelayError> {
        let type_no = self.reader.type_no("person")?;
        if !self.fingerprints.started {
            let mut all = BTreeSet::new();
            let query = Query::new(type_no, &[]).filter("id_no", Test::NotNull, Cell::Null);
            self.reader.query(&query, &mut |row| {
                all.insert((row.id, row.scope));
                Ok(ControlFlow::Continue(()))
            })?;
            self.fingerprints.waiting.extend(all);
            self.fingerprints.started = true;
        }
        let mut pairs = Vec::new();
        let chosen: Vec<(RecordId, u32)> = self.fingerprints.waiting.iter().take(at_most).copied().collect();
        for (person, scope) in chosen {
            let known = self.read_known(type_no, person, scope)?;
            if let Some(twin) = self.fingerprints.note(person, known) {
                pairs.push((person.min(twin), person.max(twin)));
            }
            self.fingerprints.waiting.remove(&(person, scope));
        }
        let linked = if pairs.is_empty() { Vec::new() } else { self.link_pairs(pairs)? };
        Ok((linked, !self.fingerprints.waiting.is_empty()))
    }

    /// Opens the sealed number of a person's row in a scope.
    fn read_known(&self, type_no: usize, person: RecordId, scope: u32) -> Result<Option<Known>, RelayError> {
        let query = Query::new(type_no, &["name", "id_no"])
            .filter("id", Test::Is, Cell::Blob(person.as_bytes().to_vec().into()))
            .within(vec![scope]);
        let mut known = None;
        self.reader.query(&query, &mut |row| {
            if let [name, sealed] = row.cells {
                known = sealed.blob().and_then(|sealed| self.open(person, name.text(), sealed));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(known)
    }

    fn open(&self, person: RecordId, name: Option<&str>, sealed: &[u8]) -> Option<Known> {
        match self.keys.value.open(sealed) {
            Ok(plain) => {
                let plain: Vec<u8> =
                    plain.iter().filter(|byte| !byte.is_ascii_whitespace()).map(u8::to_ascii_uppercase).collect();
                let print = fingerprint(&self.keys.fingerprint, &plain);
                Some(Known { print, name: names::normal(name.unwrap_or_default()).into_owned() })
            }
            Err(error) => {
                tracing::warn!(%person, %error, "a sealed id number does not open");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_and_one_name_make_twins() {
        let id = |byte| RecordId::from_bytes([byte; 16]);
        let known = |print: u8, name: &str| Some(Known { print: [print; 32], name: name.to_owned() });
        let mut prints = Fingerprints::default();
        assert_eq!(prints.note(id(5), known(1, "a")), None);
        assert_eq!(prints.note(id(6), known(1, "b")), None, "another name");
        assert_eq!(prints.note(id(7), known(1, "a")), Some(id(5)));
        assert_eq!(prints.note(id(7), known(1, "a")), None, "nothing new");
        assert_eq!(prints.note(id(3), known(1, "a")), Some(id(5)));
        assert_eq!(prints.note(id(6), known(1, "a")), Some(id(3)), "the name was mended");
        assert_eq!(prints.note(id(3), None), None);
        assert_eq!(prints.of(id(3)), None);
    }
}
