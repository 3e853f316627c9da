//! What can be done to a storage, as data: drawn at random, applied to an engine, told as text.

use std::fmt::Write as _;

use lastmile_model::{RecordId, Scope};
use lastmile_store::StoreError;
use lastmile_store::columns::{ColumnKind, Source, ViewTable};
use lastmile_store::query::{Condition, Query, Test, Within};
use lastmile_store::search::words;
use lastmile_store::storage::{
    Cell, ChangeState, Cut, Durability, FileState, Odd, Pending, Position, Storage, StoredFile, StoredReceipt,
    StoredSeal, Strand, ViewRow,
};
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::engines::{author, chain, record, scope, try_rows, type_no, view};

/// The types whose rows are drawn: with sets and search, with numbers, with a field called like a head column, with nothing searched.
pub(crate) const TYPES: [&str; 4] = ["person", "activity", "grant", "tally"];

/// A row to be written.
#[derive(Debug, Clone)]
pub(crate) struct NewRow {
    id: RecordId,
    position: Position,
    more: bool,
    cells: Vec<Cell<'static>>,
    search: Option<(String, String)>,
}

impl NewRow {
    fn with<T>(&self, work: impl FnOnce(&ViewRow<'_, '_>) -> T) -> T {
        let search = self.search.as_ref().map(|(words, initials)| (words.as_str(), initials.as_str()));
        let (id, position, more) = (self.id, self.position, self.more);
        work(&ViewRow { id, position, more, cells: &self.cells, search })
    }
}

/// One operation.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Begin(Durability),
    Commit,
    Rollback,
    BeginRead,
    EndRead,
    PutMeta(&'static str, Vec<u8>),
    AddScope(Scope),
    PutStrand(Strand),
    PutCut(Cut),
    PutBlob(u32, u64, u64, Vec<u8>),
    RemoveBlob(u32, u64),
    BlobWith(u32, u64),
    PutSeal(StoredSeal),
    PutReceipt(StoredReceipt),
    PutPending(Pending),
    RemovePending(u32, u8),
    PutCertificate(u8, Vec<u8>),
    PutOdd(Odd),
    RemoveOdd(u32, Position),
    PutFile(StoredFile),
    AddPiece(u32, u8, Vec<u8>),
    FileBytes(u32, u8, u64, u64),
    RemoveFile(u32, u8),
    PutExtra(u32, RecordId, Position),
    Heads(&'static str, RecordId),
    Insert(&'static str, u32, NewRow),
    Update(&'static str, i64, NewRow),
    Delete(&'static str, i64),
    RemoveScope(u32),
    ClearViews,
    Visit(Query),
}

impl Operation {
    /// The type whose rows it touches, if any.
    pub(crate) const fn touches(&self) -> Option<&'static str> {
        match self {
            Self::Insert(name, ..) | Self::Update(name, ..) | Self::Delete(name, _) => Some(name),
            _ => None,
        }
    }

    /// Whether it writes, so that it should stand in a transaction.
    pub(crate) const fn writes(&self) -> bool {
        !matches!(
            self,
            Self::Begin(_)
                | Self::Commit
                | Self::Rollback
                | Self::BeginRead
                | Self::EndRead
                | Self::BlobWith(..)
                | Self::FileBytes(..)
                | Self::Heads(..)
                | Self::Visit(_)
        )
    }
}

/// Tells a result in words that do not depend on the engine.
fn told<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(StoreError::Engine { .. }) => "refused by the engine".to_owned(),
        Err(StoreError::ReadOnly { .. }) => "read only".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Applies an operation: to the writer, or where it is about a stable view to the reader. Tells what came of it.
pub(crate) fn apply(writer: &mut dyn Storage, reader: &mut dyn Storage, operation: &Operation) -> String {
    match operation {
        Operation::Begin(durability) => told(writer.begin(*durability)),
        Operation::Commit => told(writer.commit()),
        Operation::Rollback => {
            writer.rollback();
            String::new()
        }
        Operation::BeginRead => told(reader.begin_read()),
        Operation::EndRead => {
            reader.end_read();
            String::new()
        }
        Operation::PutMeta(key, value) => told(writer.put_meta(key, value)),
        Operation::AddScope(scope) => told(writer.add_scope(scope)),
        Operation::PutStrand(strand) => told(writer.put_strand(strand)),
        Operation::PutCut(cut) => told(writer.put_cut(cut)),
        Operation::PutBlob(strand, first, last, packed) => told(writer.put_blob(*strand, *first, *last, packed)),
        Operation::RemoveBlob(strand, first) => told(writer.remove_blob(*strand, *first)),
        Operation::BlobWith(strand, seq) => told(writer.blob_with(*strand, *seq)),
        Operation::PutSeal(seal) => told(writer.put_seal(seal)),
        Operation::PutReceipt(receipt) => told(writer.put_receipt(receipt)),
        Operation::PutPending(pending) => told(writer.put_pending(pending)),
        Operation::RemovePending(scope, of) => told(writer.remove_pending(*scope, author(*of))),
        Operation::PutCertificate(of, bytes) => told(writer.put_certificate(author(*of), bytes)),
        Operation::PutOdd(odd) => told(writer.put_odd(odd)),
        Operation::PutFile(file) => told(writer.put_file(file)),
        Operation::AddPiece(scope, hash, bytes) => told(writer.add_piece(*scope, &[*hash; 32], bytes)),
        Operation::FileBytes(scope, hash, offset, limit) => {
            told(writer.file_bytes(*scope, &[*hash; 32], *offset, *limit))
        }
        Operation::RemoveFile(scope, hash) => told(writer.remove_file(*scope, &[*hash; 32])),
        Operation::RemoveOdd(scope, position) => told(writer.remove_odd(*scope, *position)),
        Operation::PutExtra(scope, record, position) => told(writer.put_extra(*scope, *record, *position)),
        Operation::Heads(name, id) => {
            let of_one = (1..5).map(|scope| writer.view_head(scope, type_no(name), *id)).collect::<Result<Vec<_>, _>>();
            format!("{} {}", told(of_one), told(writer.view_heads(type_no(name), *id)))
        }
        Operation::Insert(name, scope, row) => told(row.with(|row| writer.view_insert(*scope, type_no(name), row))),
        Operation::Update(name, rec, row) => told(row.with(|row| writer.view_update(*rec, type_no(name), row))),
        Operation::Delete(name, rec) => told(writer.view_delete(*rec, type_no(name))),
        Operation::RemoveScope(scope) => told(writer.remove_scope(*scope)),
        Operation::ClearViews => told(writer.clear_views()),
        Operation::Visit(query) => format!("{} {}", told(try_rows(writer, query)), told(try_rows(reader, query))),
    }
}

/// Tells everything a handle sees of the logs and of these types.
pub(crate) fn dump(storage: &dyn Storage, types: &[&str]) -> String {
    let mut out = String::new();
    let metas = ["a", "b", "device"].map(|key| told(storage.meta(key)));
    let _ = writeln!(out, "{metas:?}\n{}\n{}", told(storage.scopes()), told(storage.strands()));
    let _ = writeln!(
        out,
        "{}\n{}\n{}",
        told(storage.cuts()),
        told(storage.receipts(None)),
        told(storage.pending_heads(None))
    );
    let _ = writeln!(out, "{}\n{}", told(storage.certificates()), told(storage.odds(None)));
    let _ = writeln!(out, "{} {}", told(storage.files(None)), told(storage.file_totals()));
    for no in 0..5 {
        let _ = writeln!(out, "{no} {} {}", told(storage.blob_list(no)), told(storage.seals(no)));
        let extras: Vec<String> = (0..6).map(|id| told(storage.extras(no, record(id)))).collect();
        let files: Vec<String> = (0..4).map(|hash| told(storage.file_bytes(no, &[hash; 32], 0, u64::MAX))).collect();
        let _ = writeln!(out, "{} {files:?}", told(storage.files(Some(no))));
        let _ = writeln!(out, "{} {} {extras:?}", told(storage.odds(Some(no))), told(storage.has_extras(no)));
    }
    types.iter().for_each(|name| out.push_str(&dump_rows(storage, name)));
    out
}

/// Tells every row of a type.
pub(crate) fn dump_rows(storage: &dyn Storage, name: &str) -> String {
    let table = view(name);
    let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    told(try_rows(storage, &Query::new(type_no(name), &columns)))
}

const TEXTS: [&str; 21] = [
    "",
    "1e3",
    "0.5",
    "18446744073709551615",
    "a",
    "A",
    "ab",
    "b",
    "张伟",
    "张",
    "é",
    "10",
    "9",
    " 7 ",
    "+5",
    "007",
    "7x",
    "a\0b",
    "2026-01-05",
    "𠮷",
    "[\"a\"]",
];
const SETS: [&str; 6] = ["[]", "[\"a\"]", "[\"a\",\"b\"]", "[\"\",\"张伟\"]", "[\"10\",10]", "[\"ab\",\"a\\\"b\"]"];
const NAMES: [&str; 9] =
    ["张伟 13800135678", "张 伟伟", "Zhang Wei", "伟张 5678", "zw zhang", "José", "jose w", "", "李 3号楼"];
const PHRASES: [&str; 14] =
    ["张", "张伟", "伟", "zw", "z", "138", "5678", "zhang w", "wei", "josé", "jose", "3号", "", "\"x"];
const TESTS: [Test; 8] =
    [Test::Is, Test::IsNot, Test::AtLeast, Test::AtMost, Test::Above, Test::IsNull, Test::NotNull, Test::Holds];

fn any_text(random: &mut impl Rng) -> Cell<'static> {
    Cell::Text((*TEXTS.choose(random).unwrap()).into())
}

fn any_int(random: &mut impl Rng) -> Cell<'static> {
    Cell::Int(*[-1, 0, 1, 2, 5, 7, 9, 10, i64::MIN, i64::MAX].choose(random).unwrap())
}

fn any_blob(random: &mut impl Rng) -> Cell<'static> {
    let length = *[0_usize, 1, 15, 16].choose(random).unwrap();
    Cell::Blob(vec![random.random_range(0..4_u8); length].into())
}

fn any_cell(random: &mut impl Rng) -> Cell<'static> {
    match random.random_range(0..4) {
        0 => Cell::Null,
        1 => any_int(random),
        2 => any_text(random),
        _ => any_blob(random),
    }
}

/// Mostly what belongs in a column, sometimes what does not.
fn cell_for(random: &mut impl Rng, kind: ColumnKind, source: Source) -> Cell<'static> {
    if random.random_bool(0.2) {
        return Cell::Null;
    }
    if matches!(source, Source::Set(_)) {
        return Cell::Text((*SETS.choose(random).unwrap()).into());
    }
    if random.random_bool(0.1) {
        return any_cell(random);
    }
    match kind {
        ColumnKind::Int => any_int(random),
        ColumnKind::Text => any_text(random),
        ColumnKind::Blob => any_blob(random),
    }
}

fn any_row(random: &mut impl Rng, table: &ViewTable) -> NewRow {
    let mut cells: Vec<Cell<'static>> =
        table.columns.iter().map(|column| cell_for(random, column.kind, column.source)).collect();
    match random.random_range(0..40) {
        0 => cells.truncate(random.random_range(0..cells.len())),
        1 => cells.push(Cell::Null),
        _ => {}
    }
    let initials = ["zw", "zww", "", "wz", "l"].choose(random).unwrap();
    let found_by = random.random_bool(0.9).then(|| (words(NAMES.choose(random).unwrap()), (*initials).to_owned()));
    NewRow {
        id: record(random.random_range(0..30)),
        position: Position(random.random_range(-5..1 << 50)),
        more: random.random_bool(0.3),
        cells,
        search: found_by,
    }
}

fn any_query(random: &mut impl Rng, name: &'static str, table: &ViewTable) -> Query {
    let columns = &table.columns;
    let a_name = |random: &mut _| -> String {
        if Rng::random_bool(random, 0.01) {
            return "nonsense".to_owned();
        }
        if Rng::random_bool(random, 0.1) {
            return "id".to_owned();
        }
        columns.choose(random).unwrap().name.clone()
    };
    let mut query = Query::new(type_no(name), &[]);
    query.columns = (0..random.random_range(0..4)).map(|_| a_name(random)).collect();
    for _ in 0..random.random_range(0..3) {
        let mut test = *TESTS.choose(random).unwrap();
        let column = a_name(random);
        let found = table.position(&column).and_then(|place| columns.get(place));
        let is_set = found.is_some_and(|column| matches!(column.source, Source::Set(_)));
        // What a column that is no set holds is not for this query to ask: its texts need not be JSON.
        if test == Test::Holds && !is_set {
            test = Test::Is;
        }
        let value = match found {
            Some(column) if random.random_bool(0.7) && !is_set => cell_for(random, column.kind, column.source),
            _ => any_cell(random),
        };
        query.conditions.push(Condition { column, test, value });
    }
    if random.random_bool(0.3) {
        query.find = Some((*PHRASES.choose(random).unwrap()).to_owned());
    }
    if random.random_bool(0.5) {
        let scopes = (0..random.random_range(0..4)).map(|_| random.random_range(0..6));
        query.within = Within::Scopes(scopes.collect());
    }
    query.order = (0..random.random_range(0..3)).map(|_| (a_name(random), random.random_bool(0.5))).collect();
    query.limit = random.random_bool(0.4).then(|| random.random_range(0..12));
    query.offset = if random.random_bool(0.3) { random.random_range(0..8) } else { 0 };
    query
}

fn any_log_operation(random: &mut impl Rng) -> Operation {
    // Some numbers name no scope or strand, so that refusals are drawn too.
    let no = random.random_range(0..5_u32);
    let of = random.random_range(0..3_u8);
    let n = random.random_range(0..4_u8);
    let seq = random.random_range(1..12_u64);
    let position = Position(random.random_range(-2..6));
    let bytes = vec![n; usize::from(n)];
    match random.random_range(0..18) {
        0 => Operation::PutMeta(["a", "b"].choose(random).unwrap(), bytes),
        1 => Operation::AddScope(scope(n)),
        2 | 3 => Operation::PutStrand(Strand {
            author: author(of),
            first: seq,
            parent: random.random_bool(0.4).then(|| random.random_range(0..5)),
            head: seq + u64::from(n),
            chain: chain(n),
            sealed: seq,
            viewed: seq,
            changes: u64::from(n),
            ..crate::engines::strand(random.random_range(0..5), no, of)
        }),
        4 => Operation::PutCut(Cut { strand: no, seq, before: chain(n), at: chain(of) }),
        5 | 6 => Operation::PutBlob(no, seq, seq + u64::from(n), bytes),
        7 => Operation::RemoveBlob(no, seq),
        8 => Operation::BlobWith(no, random.random_range(0..14)),
        9 => Operation::PutSeal(StoredSeal { strand: no, seq, chain: chain(n), signature: [of; 64] }),
        10 => Operation::PutReceipt(StoredReceipt {
            scope: no,
            author: author(of),
            epoch: author(n / 2),
            seq: seq / 3,
            chain: chain(n / 2),
            signature: [n; 64],
        }),
        11 if random.random_bool(0.3) => Operation::RemovePending(no, of),
        11 => Operation::PutPending(Pending {
            scope: no,
            author: author(of),
            first: seq / 4,
            last: seq,
            chain: chain(n),
            changes: u64::from(n),
            packed: bytes,
        }),
        12 => Operation::PutCertificate(of, bytes),
        14 => Operation::PutFile(StoredFile {
            scope: no,
            hash: [n; 32],
            size: seq,
            held: seq,
            state: *FileState::ALL.choose(random).unwrap(),
            epoch: random.random_bool(0.5).then(|| author(of)),
        }),
        15 => Operation::AddPiece(no, n, bytes),
        16 if random.random_bool(0.3) => Operation::RemoveFile(no, n),
        16 => Operation::FileBytes(no, n, random.random_range(0..8), random.random_range(0..9)),
        13 if random.random_bool(0.3) => Operation::RemoveOdd(no, position),
        13 => Operation::PutOdd(Odd {
            scope: no,
            position,
            state: *ChangeState::ALL.choose(random).unwrap(),
            reason: (*TEXTS.choose(random).unwrap()).to_owned(),
            record_type: (*TYPES.choose(random).unwrap()).to_owned(),
            record: record(n),
        }),
        _ => Operation::PutExtra(no, record(n), position),
    }
}

fn any_view_operation(random: &mut impl Rng, tables: &[ViewTable]) -> Operation {
    let place = random.random_range(0..TYPES.len());
    let (name, table) = (TYPES[place], &tables[place]);
    // Row numbers of scopes 0 to 5, a few of which have a row.
    let rec = (random.random_range(0..6_i64) << 32) + random.random_range(0..12);
    match random.random_range(0..20) {
        0..=6 => Operation::Insert(name, random.random_range(0..6), any_row(random, table)),
        7..=9 => Operation::Update(name, rec, any_row(random, table)),
        10 | 11 => Operation::Delete(name, rec),
        12 => Operation::Heads(name, record(random.random_range(0..30))),
        _ => Operation::Visit(any_query(random, name, table)),
    }
}

/// Draws operations; remembers the shapes of the views.
pub(crate) struct Drawing<R> {
    random: R,
    tables: Vec<ViewTable>,
}

impl<R: Rng> Drawing<R> {
    pub(crate) fn new(random: R) -> Self {
        Self { random, tables: TYPES.iter().map(|name| view(name)).collect() }
    }

    /// Draws the next operation.
    pub(crate) fn next(&mut self) -> Operation {
        let random = &mut self.random;
        match random.random_range(0..200) {
            // Flushing to the device is what takes time here.
            0 => Operation::Begin(Durability::Full),
            1..=5 => Operation::Begin(Durability::Refetchable),
            6..=10 => Operation::Commit,
            11..=13 => Operation::Rollback,
            14..=16 => Operation::BeginRead,
            17..=20 => Operation::EndRead,
            21 if random.random_bool(0.3) => Operation::ClearViews,
            22 if random.random_bool(0.3) => Operation::RemoveScope(random.random_range(1..5)),
            21..=90 => any_log_operation(random),
            _ => any_view_operation(random, &self.tables),
        }
    }
}
