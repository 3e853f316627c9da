//! The first changes of records, read ahead of the views.
//!
//! Most of what arrives makes new records. Reading such a change depends on nothing else that is held, so a second thread does it
//! while the writer's thread writes the rows before. What may be shown is decided by the writer.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, Scope, available_parallelism};

use lastmile_crdt::{Known, evaluate};
use lastmile_model::Catalogue;

use crate::columns::ViewTable;
use crate::judge::{Held, read_first};
use crate::project;
use crate::storage::Cell;

/// From how many changes on a second thread is worth its start.
const WORTH_A_THREAD: usize = 128;

/// How many changes are handed over at a time, less in the beginning so that the writer need not wait, and how many such handfuls
/// wait at most.
const FIRST_HANDFUL: usize = 8;
const HANDFUL: usize = 64;
const WAITING: usize = 16;

/// What reading a change takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading<'f> {
    pub catalogue: &'f Catalogue,
    pub views: &'f [ViewTable],
}

/// The row of a record whose first and only change was read.
#[derive(Debug)]
pub(crate) struct FirstRow<'r> {
    /// The cells, in the order of the view's columns.
    pub cells: Vec<Cell<'r>>,
    /// The words and pinyin initials that the record is found by.
    pub search: Option<(&'r str, &'r str)>,
}

/// Rows one behind the other. Memory that one thread takes and another gives back makes both wait, so there are few pieces of it.
#[derive(Debug, Default)]
struct Handful {
    rows: Vec<Option<RowAt>>,
    cells: Vec<FlatCell>,
    texts: String,
    blobs: Vec<u8>,
}

/// Where the parts of a row stand.
#[derive(Debug)]
struct RowAt {
    cells: Range<usize>,
    search: Option<(Range<usize>, Range<usize>)>,
}

#[derive(Debug)]
enum FlatCell {
    Null,
    Int(i64),
    Text(Range<usize>),
    Blob(Range<usize>),
}

impl Handful {
    /// Reads changes; one that is no first change, is not sound or makes no row leaves a gap.
    fn read(reading: Reading<'_>, some: &[Held<'_>]) -> Self {
        let mut handful = Self { rows: Vec::with_capacity(some.len()), ..Self::default() };
        for held in some {
            let row = handful.add(reading, held);
            handful.rows.push(row);
        }
        handful
    }

    fn add(&mut self, reading: Reading<'_>, held: &Held<'_>) -> Option<RowAt> {
        let (type_no, record_type) = reading.catalogue.get(&held.entry.record_type)?;
        let view = reading.views.get(type_no)?;
        let change = read_first(record_type, held)?;
        let known = [Known::visible(&change)];
        let record = evaluate(Some(record_type), &known);
        if !record.incomplete.is_empty() {
            return None;
        }
        let first = self.cells.len();
        for cell in project::cells(view, record_type, &record) {
            let flat = match &cell {
                Cell::Null => FlatCell::Null,
                Cell::Int(number) => FlatCell::Int(*number),
                Cell::Text(text) => FlatCell::Text(self.text(text)),
                Cell::Blob(bytes) => {
                    let start = self.blobs.len();
                    self.blobs.extend_from_slice(bytes);
                    FlatCell::Blob(start..self.blobs.len())
                }
            };
            self.cells.push(flat);
        }
        let search = project::search_words(view, record_type, &record);
        let search = search.map(|(words, initials)| (self.text(&words), self.text(&initials)));
        Some(RowAt { cells: first..self.cells.len(), search })
    }

    fn text(&mut self, text: &str) -> Range<usize> {
        let start = self.texts.len();
        self.texts.push_str(text);
        start..self.texts.len()
    }

    fn row(&self, place: usize) -> Option<FirstRow<'_>> {
        let at = self.rows.get(place)?.as_ref()?;
        let text = |range: &Range<usize>| self.texts.get(range.clone()).unwrap_or_default();
        let cell = |cell: &FlatCell| match cell {
            FlatCell::Null => Cell::Null,
            FlatCell::Int(number) => Cell::Int(*number),
            FlatCell::Text(range) => Cell::Text(Cow::Borrowed(text(range))),
            FlatCell::Blob(range) => Cell::Blob(Cow::Borrowed(self.blobs.get(range.clone()).unwrap_or_default())),
        };
        let cells = self.cells.get(at.cells.clone())?.iter().map(cell).collect();
        let search = at.search.as_ref().map(|(words, initials)| (text(words), text(initials)));
        Some(FirstRow { cells, search })
    }
}

/// The rows of first changes, by the places of the changes in a list, asked for in ascending order.
pub(crate) struct Firsts<'f> {
    reading: Reading<'f>,
    arrived: &'f [Held<'f>],
    ahead: Option<Receiver<Handful>>,
    /// The rows at hand, and the place of the first of them.
    handful: Handful,
    start: usize,
}

impl<'f> Firsts<'f> {
    /// Begins to read changes, in a second thread if that is worth it.
    pub fn new<'t>(reading: Reading<'f>, arrived: &'f [Held<'f>], threads: &'t Scope<'t, 'f>) -> Self {
        let ahead = if arrived.len() >= WORTH_A_THREAD && cores() > 1 {
            let (sender, ahead) = sync_channel(WAITING);
            let work = move || {
                let (few, rest) = arrived.split_at(FIRST_HANDFUL.min(arrived.len()));
                for some in std::iter::once(few).chain(rest.chunks(HANDFUL)) {
                    // The writer has gone when it met an error.
                    if sender.send(Handful::read(reading, some)).is_err() {
                        return;
                    }
                }
            };
            Builder::new().name("read-ahead".to_owned()).spawn_scoped(threads, work).ok().map(|_| ahead)
        } else {
            None
        };
        Self { reading, arrived, ahead, handful: Handful::default(), start: 0 }
    }

    /// The row of the record whose only change stands at this place.
    pub fn take(&mut self, place: usize) -> Option<FirstRow<'_>> {
        match &self.ahead {
            Some(ahead) => {
                while place >= self.start.saturating_add(self.handful.rows.len()) {
                    self.start = self.start.saturating_add(self.handful.rows.len());
                    // Where nothing more comes, the change is read the long way.
                    self.handful = ahead.recv().unwrap_or_default();
                    if self.handful.rows.is_empty() {
                        return None;
                    }
                }
            }
            None => {
                self.handful = Handful::read(self.reading, std::slice::from_ref(self.arrived.get(place)?));
                self.start = place;
            }
        }
        self.handful.row(place.checked_sub(self.start)?)
    }
}

/// How many threads run at once here. The system is asked once: the answer takes files to read.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| available_parallelism().map_or(1, std::num::NonZero::get))
}
