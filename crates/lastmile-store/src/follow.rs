//! The views follow the logs.
//!
//! Changes are grouped by record. A record's only change takes the short way straight into a row; every other record is judged and
//! evaluated from all its changes, so that the views are a pure function of what the logs hold.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use lastmile_crdt::{Known, Record, evaluate};
use lastmile_model::{AuthorId, Catalogue, ChangeHash, RecordId, planted};

use crate::StoreError;
use crate::columns::ViewTable;
use crate::firsts::{FirstRow, Firsts, Reading};
use crate::history::{Archive, OwnedHeld};
use crate::index::Index;
use crate::judge::{Authority, Held, Judged, allows_first, judge, order, reason};
use crate::project;
use crate::storage::{Cells, ChangeState, Odd, Position, RowHead, Storage, ViewRow};
use crate::verdicts::Verdicts;

/// A row that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Touched {
    /// The scope's local number.
    pub scope: u32,
    /// The type's number in the catalogue.
    pub type_no: usize,
    /// The record.
    pub record: RecordId,
}

/// The rows that changed since somebody asked.
#[derive(Debug, Default)]
pub(crate) struct TouchedRows {
    rows: Vec<Touched>,
    /// How many rows there were when none stood twice.
    distinct: usize,
}

impl TouchedRows {
    /// A list sorted now and then is quicker than a set, and no longer than twice what it holds.
    fn add(&mut self, row: Touched) {
        const SMALL: usize = 4096;
        self.rows.push(row);
        if self.rows.len() >= self.distinct.saturating_mul(2).max(SMALL) {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.rows.sort_unstable();
        self.rows.dedup();
        self.distinct = self.rows.len();
    }

    /// Hands them over, each once, in order.
    pub fn take(&mut self) -> Vec<Touched> {
        self.settle();
        self.distinct = 0;
        std::mem::take(&mut self.rows)
    }
}

/// Everything that following needs, borrowed from the store.
pub(crate) struct Follower<'s> {
    pub storage: &'s mut dyn Storage,
    pub index: &'s Index,
    pub catalogue: &'s Catalogue,
    pub views: &'s [ViewTable],
    pub archive: &'s mut Archive,
    pub verdicts: &'s Verdicts,
    pub touched: &'s mut TouchedRows,
}

/// Where a record's row stands, or will.
struct RowAt {
    scope: u32,
    type_no: usize,
    record: RecordId,
    head: Option<RowHead>,
    position: Position,
    /// Whether the record has changes beside the one at that position.
    more: bool,
}

/// The changes of one record among those that arrived, by their index.
struct Group<'b> {
    type_name: &'b str,
    record: RecordId,
    first: usize,
    more: Vec<usize>,
}

impl Group<'_> {
    fn members(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.first).chain(self.more.iter().copied())
    }
}

fn groups<'b>(arrived: &[Held<'b>]) -> Vec<Group<'b>> {
    let mut places: HashMap<(RecordId, &'b str), usize> = HashMap::with_capacity(arrived.len());
    let mut groups: Vec<Group<'b>> = Vec::with_capacity(arrived.len());
    for (index, held) in arrived.iter().enumerate() {
        let (record, type_name) = (held.entry.record, held.entry.record_type.as_str());
        match places.entry((record, type_name)) {
            Entry::Vacant(place) => {
                place.insert(groups.len());
                groups.push(Group { type_name, record, first: index, more: Vec::new() });
            }
            Entry::Occupied(place) => {
                if let Some(group) = groups.get_mut(*place.get()) {
                    group.more.push(index);
                }
            }
        }
    }
    groups
}

impl Follower<'_> {
    /// Brings the views up to date with changes that arrived in one scope.
    pub fn follow(&mut self, scope: u32, arrived: &[Held<'_>]) -> Result<(), StoreError> {
        let reading = Reading { catalogue: self.catalogue, views: self.views };
        std::thread::scope(|threads| self.follow_with(scope, arrived, Firsts::new(reading, arrived, threads)))
    }

    fn follow_with(&mut self, scope: u32, arrived: &[Held<'_>], mut firsts: Firsts<'_>) -> Result<(), StoreError> {
        let mut extras = self.storage.has_extras(scope)?;
        for group in groups(arrived) {
            let Some((type_no, _)) = self.catalogue.get(group.type_name) else {
                self.keep_unknown(scope, &group, arrived)?;
                extras = true;
                continue;
            };
            if group.more.is_empty()
                && let Some(held) = arrived.get(group.first)
                && (!extras || self.storage.extras(scope, group.record)?.is_empty())
                && let Some(first) = firsts.take(group.first)
                && self.insert_first(scope, type_no, held, &first)?
            {
                continue;
            }
            let members: Vec<Held<'_>> = group.members().filter_map(|index| arrived.get(index)).cloned().collect();
            extras |= self.settle(scope, type_no, group.record, &members)?;
        }
        Ok(())
    }

    /// A type that this version does not know: kept, passed on, listed, not shown.
    fn keep_unknown(&mut self, scope: u32, group: &Group<'_>, arrived: &[Held<'_>]) -> Result<(), StoreError> {
        for held in group.members().filter_map(|index| arrived.get(index)).filter(|_| !planted!("newer-unlisted")) {
            let (state, reason) = match held.body {
                Some(_) => (ChangeState::Opaque, reason::NEWER),
                None => (ChangeState::Erased, reason::ERASED),
            };
            self.note(scope, held, state, reason)?;
            self.storage.put_extra(scope, group.record, held.position)?;
        }
        Ok(())
    }

    fn note(&mut self, scope: u32, held: &Held<'_>, state: ChangeState, reason: &str) -> Result<(), StoreError> {
        self.storage.put_odd(&Odd {
            scope,
            position: held.position,
            state,
            reason: reason.to_owned(),
            record_type: held.entry.record_type.clone(),
            record: held.entry.record,
        })
    }

    /// Calls `work` with what is known about who may do what in a scope.
    fn with_authority<T>(&self, scope: u32, work: impl FnOnce(&Authority<'_>) -> T) -> T {
        let is_office = |author: AuthorId| self.index.is_office(author);
        let trust = self.index.trust.as_ref();
        let is_quarantined = |held: &Held<'_>| self.verdicts.quarantined(trust, scope, held);
        work(&Authority { is_office: &is_office, is_quarantined: &is_quarantined })
    }

    fn judge(&self, scope: u32, type_no: usize, held: &[Held<'_>]) -> Vec<Judged> {
        self.with_authority(scope, |authority| judge(self.catalogue.types().get(type_no), held, authority))
    }

    /// The short way: the only change known of a record that has no row yet. Returns `false` when it does not apply.
    fn insert_first(
        &mut self,
        scope: u32,
        type_no: usize,
        held: &Held<'_>,
        first: &FirstRow<'_>,
    ) -> Result<bool, StoreError> {
        let Some(record_type) = self.catalogue.types().get(type_no) else { return Ok(false) };
        if !self.with_authority(scope, |authority| allows_first(record_type, held, authority)) {
            return Ok(false);
        }
        let row = ViewRow {
            id: held.entry.record,
            position: held.position,
            more: false,
            cells: &first.cells,
            search: first.search,
        };
        let inserted = self.storage.view_insert(scope, type_no, &row)?;
        if inserted {
            self.touched.add(Touched { scope, type_no, record: held.entry.record });
        }
        Ok(inserted)
    }

    /// Judges and evaluates a record from all its changes and writes its row and states.
    ///
    /// Returns whether its changes are now listed as extras.
    pub fn settle(
        &mut self,
        scope: u32,
        type_no: usize,
        record: RecordId,
        arrived: &[Held<'_>],
    ) -> Result<bool, StoreError> {
        let head = self.storage.view_head(scope, type_no, record)?;
        let mut known: BTreeSet<Position> = self.storage.extras(scope, record)?.into_iter().collect();
        let noted = known.clone();
        known.extend(head.map(|head| head.position));
        let here: BTreeMap<Position, &Held<'_>> = arrived.iter().map(|held| (held.position, held)).collect();
        if planted!("deaf-to-the-past") {
            known.clear();
        }
        let missing: Vec<Position> = known.iter().filter(|position| !here.contains_key(position)).copied().collect();
        let loaded = self.archive.load(self.storage, self.index, &missing)?;
        let type_name = self.views.get(type_no).map_or("", |view| view.type_name.as_str());
        let mut all: Vec<Held<'_>> = loaded
            .iter()
            .map(OwnedHeld::as_held)
            .filter(|held| held.entry.record_type == type_name)
            .chain(arrived.iter().cloned())
            .collect();
        all.sort_by_key(|held| held.position);
        let judged = self.judge(scope, type_no, &all);
        let catalogue = self.catalogue;
        let known = known_changes(&all, &judged);
        let evaluated = evaluate(catalogue.types().get(type_no), &known);
        // Where no row tells of a change, the list does.
        let listed = all.len() > 1
            || judged.iter().any(|judged| judged.state != ChangeState::Applied)
            || !evaluated.incomplete.is_empty();
        for (held, judged) in all.iter().zip(&judged) {
            if listed && !noted.contains(&held.position) {
                self.storage.put_extra(scope, record, held.position)?;
            }
            if judged.state == ChangeState::Applied {
                self.storage.remove_odd(scope, held.position)?;
            } else {
                self.note(scope, held, judged.state, judged.reason)?;
            }
        }
        let visible = judged.iter().any(|judged| judged.state == ChangeState::Applied);
        let evaluated = Some(evaluated).filter(|evaluated| visible && evaluated.incomplete.is_empty());
        match (all.first(), evaluated) {
            (Some(first), Some(evaluated)) => {
                let at = RowAt { scope, type_no, record, head, position: first.position, more: listed };
                self.write_settled(&at, &evaluated)?;
            }
            _ => head.map_or(Ok(()), |head| self.storage.view_delete(head.rec, type_no))?,
        }
        self.touched.add(Touched { scope, type_no, record });
        Ok(listed)
    }

    /// Whether a row goes on being found by the same words. Writing them costs more than the whole row, and most edits change none.
    fn words_stay(&self, rec: i64, type_no: usize, view: &ViewTable, cells: &Cells<'_>) -> Result<bool, StoreError> {
        if !view.searchable {
            return Ok(true);
        }
        let before = self.storage.view_cells(rec, type_no)?;
        Ok(before.is_some_and(|before| view.searched.iter().all(|&at| before.get(at) == cells.get(at))))
    }

    /// Writes the row of a record that shows.
    fn write_settled(&mut self, at: &RowAt, evaluated: &Record<'_>) -> Result<(), StoreError> {
        let type_no = at.type_no;
        let (Some(view), Some(record_type)) = (self.views.get(type_no), self.catalogue.types().get(type_no)) else {
            return Ok(());
        };
        let cells = project::cells(view, record_type, evaluated);
        let search = project::search_words(view, record_type, evaluated);
        let row = ViewRow {
            id: at.record,
            position: at.position,
            more: at.more,
            cells: &cells,
            search: search.as_ref().map(|(words, initials)| (words.as_str(), initials.as_str())),
        };
        match at.head {
            Some(head) if self.words_stay(head.rec, type_no, view, &cells)? => {
                self.storage.view_update_cells(head.rec, type_no, &row)
            }
            Some(head) => self.storage.view_update(head.rec, type_no, &row),
            None => self.storage.view_insert(at.scope, type_no, &row).map(drop),
        }
    }
}

/// What evaluation sees: applied changes, and the causality of those kept out of sight. A change held twice, on two branches, counts
/// once, and is out of sight if it is so once.
pub(crate) fn known_changes<'a>(all: &'a [Held<'_>], judged: &'a [Judged]) -> Vec<Known<'a>> {
    let mut places: HashMap<ChangeHash, usize> = HashMap::with_capacity(all.len());
    let mut known: Vec<Known<'a>> = Vec::with_capacity(all.len());
    for place in order(all) {
        let (Some(held), Some(judged)) = (all.get(place), judged.get(place)) else { continue };
        if !judged.placed {
            continue;
        }
        let this = judged.change.as_ref().map_or_else(|| Known::hidden(&held.entry.header), Known::visible);
        match places.entry(this.hash) {
            Entry::Vacant(place) => {
                place.insert(known.len());
                known.push(this);
            }
            Entry::Occupied(place) => {
                if let Some(earlier) = known.get_mut(*place.get())
                    && this.change.is_none()
                    && earlier.change.is_some()
                {
                    *earlier = this;
                }
            }
        }
    }
    known
}
