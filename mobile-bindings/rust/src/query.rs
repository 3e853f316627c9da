//! Lists: pages of rows, and lists that follow what changes.

use std::sync::Arc;

use lastmile_client::Replica as ClientReplica;
use lastmile_store::query::{Query, Test as StoreTest};
use lastmile_store::storage::Cell;
use lastmile_store::{OwnedRow, StoreError};
use tokio::sync::broadcast::error::RecvError;

use crate::LastmileError;
use crate::job::Ticks;
use crate::record::id_of;
use crate::replica::Shared;
use crate::value::FieldValue;

/// The most rows of a page.
const MOST: u32 = 1_000;

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Test {
    /// Equal.
    Is,
    /// Different, or nothing.
    IsNot,
    /// At least; of dates: on that day or later.
    AtLeast,
    /// At most.
    AtMost,
    /// More than.
    Above,
    /// Nothing there; the value is ignored.
    Missing,
    /// Something there; the value is ignored.
    Present,
    /// A set holds this element.
    Holds,
    /// A text has this part.
    Contains,
}

/// One condition of a list.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Condition {
    /// The field, or `state`.
    pub field: String,
    /// How it is compared.
    pub test: Test,
    /// With what.
    pub value: FieldValue,
}

/// What a list is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Sort {
    /// The field.
    pub field: String,
    /// Whether the highest stands first.
    #[uniffi(default = false)]
    pub descending: bool,
}

/// A question for a list of records of one type.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct ListQuery {
    /// The type.
    pub record_type: String,
    /// The fields wanted; all that lists have where none is named.
    #[uniffi(default = [])]
    pub fields: Vec<String>,
    /// All of these must hold.
    #[uniffi(default = [])]
    pub conditions: Vec<Condition>,
    /// The order; what came last to this device first where there is none.
    #[uniffi(default = [])]
    pub sort: Vec<Sort>,
    /// At most this many rows, 1,000 at most.
    #[uniffi(default = 50)]
    pub limit: u32,
    /// The page after this one: [`Page::next`].
    #[uniffi(default = None)]
    pub after: Option<String>,
}

/// One row of a list.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Row {
    /// The record's id.
    pub id: String,
    /// The values, in the order of [`Page::fields`].
    pub cells: Vec<FieldValue>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Page {
    /// The type.
    pub record_type: String,
    /// The fields, in the order of each row's cells.
    pub fields: Vec<String>,
    /// The rows.
    pub rows: Vec<Row>,
    /// What [`ListQuery::after`] takes for the next page; `None` at the end.
    pub next: Option<String>,
}

const fn store_test(test: Test) -> StoreTest {
    match test {
        Test::Is => StoreTest::Is,
        Test::IsNot => StoreTest::IsNot,
        Test::AtLeast => StoreTest::AtLeast,
        Test::AtMost => StoreTest::AtMost,
        Test::Above => StoreTest::Above,
        Test::Missing => StoreTest::IsNull,
        Test::Present => StoreTest::NotNull,
        Test::Holds => StoreTest::Holds,
        Test::Contains => StoreTest::Contains,
    }
}

/// The fields that a list of this type has, or those asked for.
fn fields_of(replica: &ClientReplica, record_type: &str, asked: &[String]) -> Result<(usize, Vec<String>), StoreError> {
    replica.read(|reader| {
        let type_no = reader.type_no(record_type)?;
        let view = reader.views().get(type_no);
        let all = || view.into_iter().flat_map(|view| &view.columns).map(|column| column.name.clone()).collect();
        Ok((type_no, if asked.is_empty() { all() } else { asked.to_vec() }))
    })
}

fn page_of(
    replica: &ClientReplica,
    record_type: String,
    fields: Vec<String>,
    rows: &[OwnedRow],
    next: Option<String>,
) -> Page {
    let catalogue = replica.catalogue();
    let known = catalogue.get(&record_type).map(|(_, known)| known);
    let kinds: Vec<_> =
        fields.iter().map(|name| known.and_then(|known| known.field(name)).map(|(_, field)| field)).collect();
    let row = |row: &OwnedRow| {
        let cells = row.cells.iter().zip(&kinds).map(|(cell, field)| FieldValue::of_cell(cell, *field));
        Row { id: row.id.to_string(), cells: cells.collect() }
    };
    let rows = rows.iter().map(row).collect();
    Page { record_type, fields, rows, next }
}

/// Reads one page.
pub(crate) fn list(replica: &ClientReplica, query: &ListQuery) -> Result<Page, LastmileError> {
    let (type_no, fields) = fields_of(replica, &query.record_type, &query.fields)?;
    let columns: Vec<&str> = fields.iter().map(String::as_str).collect();
    let mut asked = Query::new(type_no, &columns);
    for condition in &query.conditions {
        // Nothing is asked for as such: in a comparison it would hold for no row.
        let test = match (condition.test, condition.value.cell()) {
            (Test::Is, Cell::Null) => StoreTest::IsNull,
            (Test::IsNot, Cell::Null) => StoreTest::NotNull,
            (test, _) => store_test(test),
        };
        asked = asked.filter(&condition.field, test, condition.value.cell());
    }
    for sort in &query.sort {
        asked = asked.order_by(&sort.field, sort.descending);
    }
    if query.sort.is_empty() {
        asked = asked.newest_first();
    }
    let after = query.after.as_deref().map(id_of).transpose()?;
    let limit = usize::try_from(query.limit.clamp(1, MOST)).unwrap_or(1);
    let page = replica.page(&asked, after, limit)?;
    let next = page.next.map(|id| id.to_string());
    Ok(page_of(replica, query.record_type.clone(), fields, &page.rows, next))
}

/// Finds records by words.
pub(crate) fn find(
    replica: &ClientReplica,
    record_type: String,
    text: &str,
    asked: &[String],
    limit: u32,
) -> Result<Page, LastmileError> {
    let (_, fields) = fields_of(replica, &record_type, asked)?;
    let columns: Vec<&str> = fields.iter().map(String::as_str).collect();
    let limit = usize::try_from(limit.clamp(1, MOST)).unwrap_or(1);
    let rows = replica.find(&record_type, text, &columns, limit)?;
    Ok(page_of(replica, record_type, fields, &rows, None))
}

/// A list that follows what changes: each [`QueryStream::next`] gives the page as it is, as soon as it is another one.
#[derive(uniffi::Object)]
pub struct QueryStream {
    shared: Arc<Shared>,
    query: ListQuery,
    ticks: Ticks,
    shown: tokio::sync::Mutex<Option<Page>>,
}

impl QueryStream {
    pub(crate) fn start(shared: &Arc<Shared>, query: ListQuery) -> Result<Arc<Self>, LastmileError> {
        let lease = shared.lease()?;
        let missing = || StoreError::NoType { name: query.record_type.clone() };
        let (type_no, _) = lease.catalogue().get(&query.record_type).ok_or_else(missing)?;
        let mut changes = lease.observe();
        drop(lease);
        let ticks = Ticks::start(shared.engine(), |tick| async move {
            loop {
                match changes.recv().await {
                    Ok(rows) if rows.iter().all(|row| row.type_no != type_no) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) if !tick.tell() => return,
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
        Ok(Arc::new(Self { shared: Arc::clone(shared), query, ticks, shown: tokio::sync::Mutex::default() }))
    }
}

#[uniffi::export]
impl QueryStream {
    /// The page: at once the first time, then when it is another one. `None` when the stream was cancelled or the replica closes.
    pub async fn next(&self) -> Result<Option<Page>, LastmileError> {
        let mut shown = self.shown.lock().await;
        while self.ticks.next().await {
            let query = self.query.clone();
            let page = match self.shared.block(move |replica| list(replica, &query)).await {
                Err(LastmileError::Closed { .. }) => return Ok(None),
                page => page?,
            };
            if shown.as_ref() != Some(&page) {
                *shown = Some(page.clone());
                return Ok(Some(page));
            }
        }
        Ok(None)
    }

    /// Ends the stream.
    pub fn cancel(&self) {
        self.ticks.cancel();
    }
}
