//! What the children said, and whether a replica holds it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use lastmile_model::{AuthorId, Catalogue, RecordId};
use lastmile_store::query::Query;
use lastmile_store::sqlite::{OpenOptions, SqliteStorage, open};
use lastmile_store::storage::Cell;
use lastmile_store::{Reader, Store};

use crate::process::after_starts;

/// How sure a save is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    /// It was begun; it may be there or not, but not in part.
    Tried,
    /// The device said that it is saved.
    Saved,
    /// The device said that it is uploaded.
    Uploaded,
}

#[derive(Debug)]
struct Save {
    author: Option<AuthorId>,
    seq: u64,
    records: Vec<(RecordId, String)>,
    said: Said,
}

/// What one device said, in all its lives.
#[derive(Debug, Default)]
pub struct Ledger {
    saves: Vec<Save>,
    /// Where the present life begins.
    life: usize,
    /// The numbers that the device gave its saves in this life.
    numbers: BTreeMap<u64, usize>,
    /// Per author, up to which commit the device said that it is uploaded.
    uploaded: BTreeMap<AuthorId, u64>,
    /// Failures that the device named.
    pub failures: Vec<String>,
    /// Authors that the device was.
    pub authors: Vec<AuthorId>,
}

impl Ledger {
    /// The device is started anew.
    pub fn new_life(&mut self) {
        self.life = self.saves.len();
        self.numbers.clear();
    }

    pub fn read_all(&mut self, lines: &[String]) {
        lines.iter().for_each(|line| self.read(line));
    }

    /// Notes one line.
    pub fn read(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut parts = rest.split(' ');
        let mut next = || parts.next().unwrap_or_else(|| panic!("a line broke off: {line}"));
        match word {
            "opened" => {
                let author = next().parse().unwrap();
                if self.authors.last() != Some(&author) {
                    self.authors.push(author);
                }
            }
            "trying" => {
                let number = next().parse().unwrap();
                let records = parts.map(|part| part.split_once('=').unwrap());
                let records = records.map(|(id, title)| (id.parse().unwrap(), title.to_owned())).collect();
                self.numbers.insert(number, self.saves.len());
                self.saves.push(Save { author: None, seq: 0, records, said: Said::Tried });
            }
            "saved" => {
                let save = &mut self.saves[self.numbers[&next().parse().unwrap()]];
                save.author = Some(next().parse().unwrap());
                save.seq = next().parse().unwrap();
                save.said = Said::Saved;
            }
            "uploaded" | "rested" => {
                let (author, seq): (AuthorId, u64) = (next().parse().unwrap(), next().parse().unwrap());
                let known = self.uploaded.entry(author).or_default();
                *known = (*known).max(seq);
                for save in &mut self.saves {
                    let former = word == "rested" && save.author.is_some_and(|other| other != author);
                    if save.said == Said::Saved && (former || (save.author == Some(author) && save.seq <= seq)) {
                        save.said = Said::Uploaded;
                    }
                }
            }
            "failed" => self.failures.push(rest.to_owned()),
            _ => {}
        }
    }

    /// How many saves were said to be at least so sure.
    pub fn count(&self, said: Said) -> usize {
        self.saves.iter().filter(|save| save.said >= said).count()
    }

    /// Up to which commit of each author the device said that all is uploaded.
    pub fn uploaded(&self) -> impl Iterator<Item = (AuthorId, u64)> {
        self.uploaded.iter().map(|(author, seq)| (*author, *seq))
    }

    /// Finds what contradicts the ledger in the titles that a replica shows: a save that is at least `said` and is not there whole, a
    /// title older than the last that is sure, half a save.
    pub fn contradictions(&self, held: &BTreeMap<RecordId, String>, said: Said) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut sure: BTreeMap<RecordId, Vec<&str>> = BTreeMap::new();
        for save in &self.saves {
            let new = save.records.iter().filter(|(id, _)| !sure.contains_key(id)).count();
            let there = save.records.iter().filter(|(id, _)| held.contains_key(id)).count();
            if new > 0 && there > 0 && there < save.records.len() {
                wrong.push(format!("half a save is there: {there} of {}", save.records.len()));
            }
            for (id, title) in &save.records {
                let titles = sure.entry(*id).or_default();
                if save.said >= said {
                    titles.clear();
                    titles.push("");
                }
                titles.push(title);
            }
        }
        for (id, titles) in sure {
            // The empty one stands for: must be there.
            let needed = titles.first().is_some_and(|first| first.is_empty());
            match held.get(&id) {
                None if needed => wrong.push(format!("{id} was said to be there ({said:?}) and is not")),
                Some(title) if needed && !titles.contains(&title.as_str()) => {
                    wrong.push(format!("{id} shows {title}, but {:?} is surer ({said:?})", &titles[1..]));
                }
                _ => {}
            }
        }
        wrong
    }

    /// All records that were ever begun.
    pub fn records(&self) -> impl Iterator<Item = RecordId> {
        self.saves.iter().flat_map(|save| save.records.iter().map(|(id, _)| *id))
    }
}

/// Opens a reading handle on a replica's file while nobody writes it.
pub fn reader(file: &Path) -> Reader {
    let catalogue = Arc::new(Catalogue::builtin().clone());
    let storage = SqliteStorage::open_reader(file, &OpenOptions::default(), &catalogue).unwrap();
    Reader::new(storage, catalogue).unwrap()
}

/// The activities of a replica with their titles.
pub fn titles(reader: &Reader) -> BTreeMap<RecordId, String> {
    let query = Query::new(reader.type_no("activity").unwrap(), &["title"]);
    let rows = reader.rows(&query).unwrap();
    let title = |cell: &Cell<'_>| match cell {
        Cell::Text(text) => text.to_string(),
        other => panic!("a title is {other:?}"),
    };
    let count = rows.len();
    let held: BTreeMap<_, _> = rows.iter().map(|row| (row.id, title(&row.cells[0]))).collect();
    assert_eq!(held.len(), count, "a record stands twice");
    held
}

/// Opens a replica's file as its process would, lets the views follow, and has everything checked: file, runs, chains, seals, counts.
pub fn checked(file: &Path) -> Store {
    after_starts();
    let catalogue = Arc::new(Catalogue::builtin().clone());
    let storage = open(file, &OpenOptions::default(), &catalogue).unwrap();
    let mut store = Store::new(storage, catalogue).unwrap();
    while store.follow_views(10_000).unwrap() {}
    assert_eq!(store.take_skipped(), [], "{}", file.display());
    assert_eq!(store.check(&mut |_, _| {}).unwrap(), [], "{}", file.display());
    let counts = store.reader().unwrap().counts(None).unwrap();
    assert_eq!(counts.held(), counts.applied, "everything of a worker and an office is applied: {counts:?}");
    store
}
