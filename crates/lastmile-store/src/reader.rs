//! Reading a replica: queries, single records, histories, counts, digests.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use lastmile_crdt::{Action, ConflictKind, decode, evaluate};
use lastmile_model::{AuthorId, Catalogue, ChangeHash, RecordId, Scope, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::StoreError;
use crate::columns::{ViewTable, views};
use crate::counts::Counts;
use crate::digest::hash_cell;
use crate::follow::known_changes;
use crate::history::{Archive, OwnedHeld};
use crate::index::Index;
use crate::judge::{Authority, Held, Judged, judge};
use crate::project;
use crate::query::Query;
use crate::storage::{Cell, ChangeState, Odd, Position, RowHead, Storage, Visitor};
use crate::verdicts::Verdicts;

/// A handle that only reads. It sees what has been committed when a call begins.
pub struct Reader {
    storage: Box<dyn Storage>,
    catalogue: Arc<Catalogue>,
    views: Arc<Vec<ViewTable>>,
    index: Index,
    verdicts: Verdicts,
    archive: Archive,
    /// Of each strand: the head last looked at and its claimed clock.
    clocks: BTreeMap<u32, (u64, i64)>,
    version: i64,
    /// Whether a stable view is open.
    steady: bool,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("version", &self.version).finish_non_exhaustive()
    }
}

/// A row that owns its cells.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnedRow {
    /// The scope's local number.
    pub scope: u32,
    /// The record.
    pub id: RecordId,
    /// The columns asked for, in that order.
    pub cells: Vec<Cell<'static>>,
}

/// Who wrote something, and when as claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The author.
    pub author: AuthorId,
    /// The person who acted.
    pub acting: Option<Uuid>,
    /// The commit's number in the author's log.
    pub seq: u64,
    /// The device's clock, in milliseconds since 1970.
    pub wall_ms: i64,
    /// The hybrid logical clock.
    pub hlc: u64,
    /// The change's hash.
    pub hash: ChangeHash,
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// The value; `None` where it was removed.
    pub value: Option<Value>,
    /// Who wrote it.
    pub origin: Origin,
}

/// Values that do not agree.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenConflict {
    /// The field, or `state`.
    pub field: String,
    /// What is to be done about it.
    pub kind: ConflictKind,
    /// The sides, lowest operation first.
    pub sides: Vec<Side>,
    /// What shows meanwhile.
    pub shown: Option<Value>,
    /// What showed before the sides parted.
    pub base: Option<Value>,
}

/// An event of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordEvent {
    /// Its id.
    pub id: Uuid,
    /// Its parts.
    pub parts: BTreeMap<String, Value>,
    /// Who wrote it.
    pub origin: Origin,
}

/// A record with everything known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct FullRecord {
    /// The scope it lives in.
    pub scope: Scope,
    /// Its type.
    pub record_type: String,
    /// Its id.
    pub id: RecordId,
    /// What each field shows.
    pub values: BTreeMap<String, Value>,
    /// The elements of each set.
    pub sets: BTreeMap<String, BTreeSet<String>>,
    /// The events in causal order.
    pub events: Vec<RecordEvent>,
    /// What a person has to see or decide.
    pub conflicts: Vec<OpenConflict>,
    /// The folded state.
    pub state: Option<String>,
}

/// One change in a record's history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryItem {
    /// Who wrote it.
    pub origin: Origin,
    /// The state it is in.
    pub state: ChangeState,
    /// Why it is not applied, as a stable word.
    pub reason: String,
    /// What it wrote: keys with values, `None` for a removal. Empty where the bytes cannot be read.
    pub edits: Vec<(String, Option<Value>)>,
}

/// One author's log in one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStatus {
    /// The scope.
    pub scope: Scope,
    /// The author.
    pub author: AuthorId,
    /// The number of the last commit held.
    pub head: u64,
    /// Changes held.
    pub changes: u64,
    /// The claimed clock of the last commit, in milliseconds since 1970; 0 where that cannot be read.
    pub last_wall_ms: i64,
    /// Whether the log is a branch that left another at a fork.
    pub branch: bool,
}

/// Lists where the changes of a record stand.
pub(crate) fn positions_of(
    storage: &dyn Storage,
    scope: u32,
    type_no: usize,
    record: RecordId,
) -> Result<Vec<Position>, StoreError> {
    let mut positions: BTreeSet<Position> = storage.extras(scope, record)?.into_iter().collect();
    positions.extend(storage.view_head(scope, type_no, record)?.map(|head| head.position));
    Ok(positions.into_iter().collect())
}

/// Judges changes of a record with what an index and verdicts say.
pub(crate) fn judge_with(
    index: &Index,
    verdicts: &Verdicts,
    catalogue: &Catalogue,
    scope: u32,
    type_no: usize,
    all: &[Held<'_>],
) -> Vec<Judged> {
    let is_office = |author: AuthorId| index.is_office(author);
    let is_quarantined = |author: AuthorId, seq: u64, chain: &_| verdicts.quarantined(scope, author, seq, chain);
    let authority = Authority { is_office: &is_office, is_quarantined: &is_quarantined };
    judge(catalogue.types().get(type_no), all, &authority)
}

fn origin(held: &OwnedHeld) -> Origin {
    let header = held.header();
    Origin {
        author: held.author,
        acting: header.acting,
        seq: header.seq,
        wall_ms: header.wall_ms,
        hlc: header.hlc,
        hash: held.entry().header.hash,
    }
}

impl Reader {
    /// Takes a storage handle that reads.
    ///
    /// # Errors
    /// When the storage fails or is damaged.
    pub fn new(storage: Box<dyn Storage>, catalogue: Arc<Catalogue>) -> Result<Self, StoreError> {
        Self::beside(storage, catalogue, &Index::default())
    }

    /// Takes a storage handle that reads beside another one, whose index need not be verified again.
    pub(crate) fn beside(
        mut storage: Box<dyn Storage>,
        catalogue: Arc<Catalogue>,
        other: &Index,
    ) -> Result<Self, StoreError> {
        storage.begin_read()?;
        let load = |storage: &dyn Storage| -> Result<_, StoreError> {
            let index = other.load_beside(storage)?;
            Ok((storage.data_version()?, index, Verdicts::load(storage, &catalogue)?))
        };
        let loaded = load(storage.as_ref());
        storage.end_read();
        let (version, index, verdicts) = loaded?;
        let views = Arc::new(views(&catalogue));
        Ok(Self {
            storage,
            catalogue,
            views,
            index,
            verdicts,
            archive: Archive::default(),
            clocks: BTreeMap::new(),
            version,
            steady: false,
        })
    }

    /// Looks again when another handle has committed.
    fn refresh(&mut self) -> Result<(), StoreError> {
        let version = self.storage.data_version()?;
        if version != self.version {
            self.index.reload(self.storage.as_ref())?;
            self.verdicts = Verdicts::load(self.storage.as_ref(), &self.catalogue)?;
            self.archive.clear();
            self.version = version;
        }
        Ok(())
    }

    /// Runs several reads on one stable state; inside another such call, on the state of that one.
    ///
    /// # Errors
    /// What `work` returns, or when the storage fails.
    pub fn stable<T, E: From<StoreError>>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        if self.steady {
            return work(self);
        }
        self.storage.begin_read().map_err(E::from)?;
        self.steady = true;
        let result = self.refresh().map_err(E::from).and_then(|()| work(self));
        self.steady = false;
        self.storage.end_read();
        result
    }

    /// The catalogue of record types.
    #[must_use]
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// The views, in the order of the catalogue's types.
    #[must_use]
    pub fn views(&self) -> &[ViewTable] {
        &self.views
    }

    /// The number of a record type.
    ///
    /// # Errors
    /// [`StoreError::NoType`] when the catalogue has none of this name.
    pub fn type_no(&self, name: &str) -> Result<usize, StoreError> {
        self.catalogue.get(name).map(|(no, _)| no).ok_or_else(|| StoreError::NoType { name: name.to_owned() })
    }

    /// The scopes held, with their local numbers.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn scopes(&mut self) -> Result<Vec<(u32, Scope)>, StoreError> {
        self.stable(|reader| Ok(reader.index.scopes.iter().map(|(no, scope)| (*no, scope.clone())).collect()))
    }

    /// Who may sign what, as certificates held say; `None` before a deployment is set.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn trust(&mut self) -> Result<Option<&lastmile_log::Trust>, StoreError> {
        self.stable(|_| Ok::<_, StoreError>(()))?;
        Ok(self.index.trust.as_ref())
    }

    /// Reads a named setting.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.storage.meta(key)
    }

    /// Shows every row of a query to the visitor.
    ///
    /// # Errors
    /// When the query names an unknown column or the storage fails.
    pub fn query(&self, query: &Query, visitor: &mut Visitor<'_>) -> Result<(), StoreError> {
        self.storage.visit(query, visitor)
    }

    /// Collects the rows of a query.
    ///
    /// # Errors
    /// When the query names an unknown column or the storage fails.
    pub fn rows(&self, query: &Query) -> Result<Vec<OwnedRow>, StoreError> {
        let mut rows = Vec::new();
        self.storage.visit(query, &mut |row| {
            let cells = row.cells.iter().map(|cell| cell.clone().into_owned()).collect();
            rows.push(OwnedRow { scope: row.scope, id: row.id, cells });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }

    /// Counts the rows of a query.
    ///
    /// # Errors
    /// When the query names an unknown column or the storage fails.
    pub fn count(&self, query: &Query) -> Result<usize, StoreError> {
        let mut count = 0usize;
        let plain = Query { columns: Vec::new(), ..query.clone() };
        self.storage.visit(&plain, &mut |_| {
            count = count.saturating_add(1);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(count)
    }

    /// The scopes in which a record has changes, shown or not.
    fn places_of(&self, type_no: usize, id: RecordId) -> Result<Vec<u32>, StoreError> {
        let mut places: BTreeSet<u32> =
            self.storage.view_heads(type_no, id)?.into_iter().map(|(scope, _)| scope).collect();
        for &scope in self.index.scopes.keys() {
            if !places.contains(&scope) && !self.storage.extras(scope, id)?.is_empty() {
                places.insert(scope);
            }
        }
        Ok(places.into_iter().collect())
    }

    /// The row of a record in every scope that shows it.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn heads(&self, type_no: usize, id: RecordId) -> Result<Vec<(u32, RowHead)>, StoreError> {
        self.storage.view_heads(type_no, id)
    }

    fn load(&mut self, scope: u32, type_no: usize, id: RecordId) -> Result<(Vec<OwnedHeld>, Vec<Judged>), StoreError> {
        let positions = positions_of(self.storage.as_ref(), scope, type_no, id)?;
        let mut loaded = self.archive.load(self.storage.as_ref(), &self.index, &positions)?;
        let name = self.views.get(type_no).map_or("", |view| view.type_name.as_str());
        loaded.retain(|held| held.entry().record_type == name);
        let all: Vec<Held<'_>> = loaded.iter().map(OwnedHeld::as_held).collect();
        let judged = judge_with(&self.index, &self.verdicts, &self.catalogue, scope, type_no, &all);
        Ok((loaded, judged))
    }

    /// Reads a record with its conflicts and events, in the scope given or the first that shows it.
    ///
    /// # Errors
    /// [`StoreError::NoRecord`] when no scope shows it; otherwise when the storage fails.
    pub fn record(&mut self, type_name: &str, id: RecordId, scope: Option<&Scope>) -> Result<FullRecord, StoreError> {
        self.stable(|reader| reader.record_now(type_name, id, scope))
    }

    fn record_now(&mut self, type_name: &str, id: RecordId, scope: Option<&Scope>) -> Result<FullRecord, StoreError> {
        let type_no = self.type_no(type_name)?;
        let missing = || StoreError::NoRecord { record_type: type_name.to_owned(), id: id.to_string() };
        let wanted = scope.and_then(|scope| self.index.scope_no(scope));
        let heads = self.storage.view_heads(type_no, id)?;
        let scope_no =
            heads.iter().map(|(no, _)| *no).find(|no| scope.is_none() || wanted == Some(*no)).ok_or_else(missing)?;
        let (loaded, judged) = self.load(scope_no, type_no, id)?;
        let all: Vec<Held<'_>> = loaded.iter().map(OwnedHeld::as_held).collect();
        let known = known_changes(&all, &judged);
        let record_type = self.catalogue.types().get(type_no);
        let record = evaluate(record_type, &known);
        let by_hash: BTreeMap<ChangeHash, &OwnedHeld> = loaded
            .iter()
            .zip(&judged)
            .filter(|(_, judged)| judged.placed)
            .map(|(held, _)| (held.entry().header.hash, held))
            .collect();
        let from = |by: usize| {
            known.get(by).and_then(|known| by_hash.get(&known.hash)).map(|held| origin(held)).ok_or_else(missing)
        };
        let mut events = Vec::with_capacity(record.events.len());
        for event in &record.events {
            let parts = event.parts.iter().map(|(&key, &value)| (key.to_owned(), value.clone())).collect();
            events.push(RecordEvent { id: event.id, parts, origin: from(event.by)? });
        }
        let mut conflicts = Vec::with_capacity(record.conflicts.len());
        let folded = record_type.and_then(|record_type| project::fold(record_type, &record));
        // Which concurrent events exclude each other is the state machine's word.
        let agreed = folded.as_ref().is_some_and(|folded| folded.open_transition.is_empty());
        for conflict in record.conflicts.iter().filter(|one| !(agreed && one.kind == ConflictKind::Transition)) {
            let mut sides = Vec::with_capacity(conflict.candidates.len());
            for side in &conflict.candidates {
                sides.push(Side { value: side.value.cloned(), origin: from(side.by)? });
            }
            conflicts.push(OpenConflict {
                field: conflict.field.to_owned(),
                kind: conflict.kind,
                sides,
                shown: conflict.shown.cloned(),
                base: conflict.base.cloned(),
            });
        }
        Ok(FullRecord {
            scope: self.index.scope(scope_no)?.clone(),
            record_type: type_name.to_owned(),
            id,
            values: record.values.iter().map(|(&key, shown)| (key.to_owned(), shown.value.clone())).collect(),
            sets: record
                .sets
                .iter()
                .map(|(&key, elements)| (key.to_owned(), elements.iter().map(|&one| one.to_owned()).collect()))
                .collect(),
            events,
            conflicts,
            state: folded.map(|folded| folded.state.to_owned()),
        })
    }

    /// Lists every change of a record with what it wrote, earliest first.
    ///
    /// # Errors
    /// [`StoreError::NoRecord`] when nothing of it is held; otherwise when the storage fails.
    pub fn history(&mut self, type_name: &str, id: RecordId) -> Result<Vec<HistoryItem>, StoreError> {
        self.stable(|reader| reader.history_now(type_name, id))
    }

    fn history_now(&mut self, type_name: &str, id: RecordId) -> Result<Vec<HistoryItem>, StoreError> {
        let type_no = self.type_no(type_name)?;
        let mut items: Vec<(u64, HistoryItem)> = Vec::new();
        for scope in self.places_of(type_no, id)? {
            let (loaded, judged) = self.load(scope, type_no, id)?;
            for (held, judged) in loaded.iter().zip(&judged) {
                let change = held.body().and_then(|body| decode(body).ok());
                let edits = change.map_or_else(Vec::new, |change| {
                    let edit = |op: lastmile_crdt::Op| match op.action {
                        Action::Set(value) => (op.key, Some(value)),
                        Action::Delete => (op.key, None),
                    };
                    change.ops.into_iter().map(edit).collect()
                });
                let item =
                    HistoryItem { origin: origin(held), state: judged.state, reason: judged.reason.to_owned(), edits };
                items.push((held.entry().header.start_op, item));
            }
        }
        if items.is_empty() {
            return Err(StoreError::NoRecord { record_type: type_name.to_owned(), id: id.to_string() });
        }
        items.sort_by_key(|(start, item)| (*start, item.origin.author, item.origin.hash));
        Ok(items.into_iter().map(|(_, item)| item).collect())
    }

    /// Hands out the Automerge changes of a record in one scope, with their states, for export.
    ///
    /// # Errors
    /// [`StoreError::NoRecord`] when nothing of it is held; otherwise when the storage fails.
    pub fn export(&mut self, type_name: &str, id: RecordId) -> Result<lastmile_crdt::Exported, StoreError> {
        self.stable(|reader| reader.export_now(type_name, id))
    }

    fn export_now(&mut self, type_name: &str, id: RecordId) -> Result<lastmile_crdt::Exported, StoreError> {
        let type_no = self.type_no(type_name)?;
        let missing = || StoreError::NoRecord { record_type: type_name.to_owned(), id: id.to_string() };
        let scope = self.storage.view_heads(type_no, id)?.first().map(|(scope, _)| *scope).ok_or_else(missing)?;
        let (loaded, judged) = self.load(scope, type_no, id)?;
        let all: Vec<Held<'_>> = loaded.iter().map(OwnedHeld::as_held).collect();
        let known = known_changes(&all, &judged);
        let bodies: BTreeMap<ChangeHash, &[u8]> =
            all.iter().map(|held| (held.entry.header.hash, held.body.unwrap_or_default())).collect();
        let changes: Vec<_> =
            known.iter().map(|known| (bodies.get(&known.hash).copied().unwrap_or_default(), *known)).collect();
        lastmile_crdt::export_document(&changes).map_err(|error| StoreError::engine("exporting a record", error))
    }

    /// Lists the changes that are held but not applied.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn odd(&mut self, scope: Option<&Scope>) -> Result<Vec<(Odd, AuthorId)>, StoreError> {
        self.stable(|reader| reader.odd_now(scope))
    }

    fn odd_now(&self, scope: Option<&Scope>) -> Result<Vec<(Odd, AuthorId)>, StoreError> {
        let scope = match scope {
            Some(scope) => match self.index.scope_no(scope) {
                Some(no) => Some(no),
                None => return Ok(Vec::new()),
            },
            None => None,
        };
        let odds = self.storage.odds(scope)?;
        odds.into_iter()
            .map(|odd| {
                let author = self.index.strand(odd.position.strand())?.author;
                Ok((odd, author))
            })
            .collect()
    }

    /// Counts the changes held, by state.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn counts(&mut self, scope: Option<&Scope>) -> Result<Counts, StoreError> {
        self.stable(|reader| reader.counts_now(scope))
    }

    fn counts_now(&mut self, scope: Option<&Scope>) -> Result<Counts, StoreError> {
        let only = scope.map(|scope| self.index.scope_no(scope));
        let wanted = |no: u32| only.is_none_or(|only| only == Some(no));
        let mut counts = Counts::default();
        let mut viewed = 0u64;
        let strands: Vec<_> = self.index.strands.values().filter(|strand| wanted(strand.scope)).cloned().collect();
        for strand in strands {
            let behind = match self.changes_in(strand.no, strand.viewed.saturating_add(1), strand.head) {
                // What the views do not show may be what cannot be read; what they show can.
                Err(error) if error.is_unreadable() => {
                    strand.changes.saturating_sub(self.changes_in(strand.no, strand.first, strand.viewed)?)
                }
                counted => counted?,
            };
            counts.unviewed = counts.unviewed.saturating_add(behind);
            viewed = viewed.saturating_add(strand.changes.saturating_sub(behind));
        }
        let mut odd = 0u64;
        for one in self.storage.odds(None)?.iter().filter(|odd| wanted(odd.scope)) {
            odd = odd.saturating_add(1);
            match one.state {
                ChangeState::Waiting => counts.waiting += 1,
                ChangeState::Quarantined => counts.quarantined += 1,
                ChangeState::Opaque => counts.opaque += 1,
                ChangeState::Erased => counts.erased += 1,
                ChangeState::Applied | ChangeState::Pending => {}
            }
        }
        counts.applied = viewed.saturating_sub(odd);
        let pendings = self.storage.pending_heads(only.flatten())?;
        counts.pending = pendings.iter().filter(|pending| wanted(pending.scope)).map(|pending| pending.changes).sum();
        Ok(counts)
    }

    /// How many changes commits `from` to `to` of a strand hold.
    fn changes_in(&mut self, strand: u32, from: u64, to: u64) -> Result<u64, StoreError> {
        let mut changes = 0u64;
        let mut next = from;
        while next <= to {
            let run = self.archive.run(self.storage.as_ref(), strand, next)?;
            let commits = run.commits.iter().filter(|commit| (next..=to).contains(&commit.header.seq));
            changes = changes.saturating_add(commits.map(|commit| commit.header.changes.len() as u64).sum());
            next = run.last().saturating_add(1);
        }
        Ok(changes)
    }

    /// The state of every log.
    ///
    /// # Errors
    /// When the storage fails or what it holds does not verify.
    pub fn logs(&mut self) -> Result<Vec<LogStatus>, StoreError> {
        self.stable(|reader| reader.logs_now())
    }

    fn logs_now(&mut self) -> Result<Vec<LogStatus>, StoreError> {
        let strands: Vec<_> = self.index.strands.values().cloned().collect();
        let mut logs = Vec::with_capacity(strands.len());
        for strand in strands {
            let known = self.clocks.get(&strand.no).filter(|(head, _)| *head == strand.head).map(|(_, wall)| *wall);
            let last_wall_ms = match known {
                Some(wall) => wall,
                None => {
                    let wall = match self.archive.run(self.storage.as_ref(), strand.no, strand.head) {
                        Ok(run) => run.commits.last().map_or(0, |commit| commit.header.wall_ms),
                        // The other logs have a state still.
                        Err(error) if error.is_unreadable() => 0,
                        Err(error) => return Err(error),
                    };
                    self.clocks.insert(strand.no, (strand.head, wall));
                    wall
                }
            };
            logs.push(LogStatus {
                scope: self.index.scope(strand.scope)?.clone(),
                author: strand.author,
                head: strand.head,
                changes: strand.changes,
                last_wall_ms,
                branch: strand.parent.is_some(),
            });
        }
        Ok(logs)
    }

    /// SHA-256 over all rows of a scope, or of all, in an order that no local number decides: replicas that hold the same commits
    /// have the same digest.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn digest(&mut self, scope: Option<&Scope>) -> Result<[u8; 32], StoreError> {
        self.stable(|reader| reader.digest_now(scope))
    }

    fn digest_now(&self, scope: Option<&Scope>) -> Result<[u8; 32], StoreError> {
        let mut scopes: Vec<(Scope, u32)> = self
            .index
            .scopes
            .iter()
            .filter(|(_, held)| scope.is_none_or(|wanted| wanted == *held))
            .map(|(no, held)| (held.clone(), *no))
            .collect();
        scopes.sort();
        let mut hash = Sha256::new();
        for (scope, no) in scopes {
            hash.update(scope.to_string().as_bytes());
            hash.update([0]);
            for (type_no, view) in self.views.iter().enumerate() {
                let columns: Vec<&str> = view.columns.iter().map(|column| column.name.as_str()).collect();
                let query = Query::new(type_no, &columns).within(vec![no]).order_by("id", false);
                self.storage.visit(&query, &mut |row| {
                    hash.update([1]);
                    hash.update((type_no as u64).to_be_bytes());
                    hash.update(row.id.as_bytes());
                    row.cells.iter().for_each(|cell| hash_cell(&mut hash, cell));
                    Ok(ControlFlow::Continue(()))
                })?;
            }
        }
        Ok(hash.finalize().into())
    }
}
