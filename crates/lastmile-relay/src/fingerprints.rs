//! Fingerprints of id numbers, by which the relay finds one person recorded twice.
//!
//! Sealed numbers are opened here and nowhere else, and only to make keyed fingerprints, which stay in memory.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::thread;

use lastmile_log::fingerprint;
use lastmile_model::{RecordId, names, planted};
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell;

use crate::RelayError;
use crate::central::Central;
use crate::keys::Keys;

/// The most persons that are looked at in one go.
const STEP: usize = 2_000;
/// From how many numbers on a second thread pays.
const WORTH_A_THREAD: usize = 64;

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
    /// Pairs found that are not yet linked: they stay until that has been written, whatever fails.
    twins: BTreeSet<(RecordId, RecordId)>,
    by_person: HashMap<RecordId, Known>,
    /// Mostly one person each; ascending.
    by_print: HashMap<[u8; 32], Vec<RecordId>>,
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
            group.retain(|other| *other != person);
            if group.is_empty() {
                self.by_print.remove(&before.print);
            }
        }
        let known = known?;
        let group = self.by_print.entry(known.print).or_default();
        let twin = group
            .iter()
            .copied()
            .find(|other| *other != person && self.by_person.get(other).is_some_and(|one| one.name == known.name));
        if let Err(place) = group.binary_search(&person) {
            group.insert(place, person);
            group.shrink_to_fit();
        }
        self.by_person.insert(person, known);
        twin
    }
}

impl Central {
    /// Takes note of persons whose rows changed.
    pub fn note_touched(&mut self) {
        let touched = self.store.take_touched();
        let grant = self.catalogue.get("grant").map(|(type_no, _)| type_no);
        if touched.iter().any(|touched| Some(touched.type_no) == grant) {
            self.rights.forget_grants();
        }
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
        let chosen: Vec<(RecordId, u32)> = self.fingerprints.waiting.iter().take(at_most.min(STEP)).copied().collect();
        let rows: Vec<Sealed> = chosen
            .iter()
            .map(|&(person, scope)| self.read_sealed(type_no, person, scope))
            .collect::<Result<_, RelayError>>()?;
        for (waited, known) in chosen.iter().zip(open_all(&self.keys, &rows)) {
            if let Some(twin) = self.fingerprints.note(waited.0, known) {
                self.fingerprints.twins.insert((waited.0.min(twin), waited.0.max(twin)));
            }
            self.fingerprints.waiting.remove(waited);
        }
        let twins: Vec<_> = self.fingerprints.twins.iter().copied().collect();
        let linked = if twins.is_empty() { Vec::new() } else { self.link_pairs(twins)? };
        self.fingerprints.twins.clear();
        Ok((linked, !self.fingerprints.waiting.is_empty()))
    }

    /// Reads the sealed number and the name of a person's row in a scope.
    fn read_sealed(&self, type_no: usize, person: RecordId, scope: u32) -> Result<Sealed, RelayError> {
        let query = Query::new(type_no, &["name", "id_no"])
            .filter("id", Test::Is, Cell::Blob(person.as_bytes().to_vec().into()))
            .within(vec![scope]);
        let mut read = Sealed { person, name: String::new(), number: None };
        self.reader.query(&query, &mut |row| {
            if let [name, number] = row.cells {
                name.text().unwrap_or_default().clone_into(&mut read.name);
                read.number = number.blob().map(<[u8]>::to_vec);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(read)
    }
}

/// A person's sealed number, not yet opened.
struct Sealed {
    person: RecordId,
    name: String,
    number: Option<Vec<u8>>,
}

impl Sealed {
    fn open(&self, keys: &Keys) -> Option<Known> {
        match keys.value.open(self.number.as_deref()?) {
            Ok(plain) => {
                let plain: Vec<u8> =
                    plain.iter().filter(|byte| !byte.is_ascii_whitespace()).map(u8::to_ascii_uppercase).collect();
                if planted!("number-in-the-log") {
                    tracing::info!(number = %String::from_utf8_lossy(&plain), "an id number was opened");
                }
                let print = fingerprint(&keys.fingerprint, &plain);
                Some(Known { print, name: names::normal(&self.name).into_owned() })
            }
            Err(error) => {
                tracing::warn!(person = %self.person, %error, "a sealed id number does not open");
                None
            }
        }
    }
}

/// Opens numbers in order, on every core where there are many: each costs a key exchange.
fn open_all(keys: &Keys, rows: &[Sealed]) -> Vec<Option<Known>> {
    let open_some = |rows: &[Sealed]| rows.iter().map(|row| row.open(keys)).collect::<Vec<_>>();
    if rows.len() < WORTH_A_THREAD {
        return open_some(rows);
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let parts = rows.chunks(rows.len().div_ceil(cores));
        let threads: Vec<_> = parts.map(|part| (part, scope.spawn(move || open_some(part)))).collect();
        // A thread that ended early leaves its part to this one.
        threads.into_iter().flat_map(|(part, thread)| thread.join().unwrap_or_else(|_| open_some(part))).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lastmile_crdt::Edit;
    use lastmile_log::seal_value;
    use lastmile_model::{Scope, Value};
    use lastmile_store::Store;
    use lastmile_store::sqlite::{OpenOptions, SqliteStorage};

    use super::*;
    use crate::{RelayFolder, RelayOptions};

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

    #[test]
    fn twins_found_while_nothing_can_be_written_are_linked_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let mut central = RelayFolder::open_or_create(folder.path(), &RelayOptions::default()).unwrap().central;
        let scope = Scope::community("430103005010").unwrap();
        let twins = [[5; 16], [6; 16]].map(RecordId::from_bytes);
        let number = seal_value(&central.keys.value.public(), b"990101198001010013", [7; 32]).unwrap();
        for twin in twins {
            let fields = vec![Edit::set("name", "曹雨菲"), Edit::set("id_no", Value::Bytes(number.clone()))];
            let edit = central.edit("person", twin, true, fields).unwrap();
            let commit = central.commit(&scope, "", vec![edit]);
            central.save(&[commit], &[]).unwrap();
        }
        // A handle that cannot write stands for a full disk.
        let database = folder.path().join(crate::folder::DATABASE);
        let reading = SqliteStorage::open_reader(&database, &OpenOptions::default(), &central.catalogue).unwrap();
        let reading = Store::new(reading, Arc::clone(&central.catalogue)).unwrap();
        let writing = std::mem::replace(&mut central.store, reading);
        assert!(central.link_certain(usize::MAX).is_err());
        central.store = writing;
        while central.link_certain(usize::MAX).unwrap() {}
        let links = Query::new(central.reader.type_no("merge_link").unwrap(), &["loser"]);
        let links = central.reader.rows(&links).unwrap();
        assert_eq!(links.iter().map(|link| link.cells[0].record()).collect::<Vec<_>>(), [Some(twins[1])]);
        assert!(!central.link_certain(usize::MAX).unwrap(), "nothing is left to link");
    }
}
