//! Saving: edits become changes, changes a commit, commits a transaction.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use lastmile_crdt::{Base, Edit, Known, evaluate, make_change};
use lastmile_log::{AuthorKey, ChangeEntry, Commit, CommitHeader, Deployment, Seal, chain_hash, pack, raw_size};
use lastmile_model::catalogue::SCHEMA_VERSION;
use lastmile_model::keys::Key;
use lastmile_model::{ChainHash, Merge, RecordId, RecordType, Scope, Value};
use uuid::Uuid;

use crate::StoreError;
use crate::erase::{Erasure, Scrubbed};
use crate::follow::known_changes;
use crate::history::OwnedHeld;
use crate::judge::{Held, MAX_OF_AUTHOR};
use crate::storage::{Durability, Position, StoredSeal, Strand};
use crate::store::Store;

/// The most raw bytes that one packed run holds: an author seals at least this often.
pub const RUN_BYTES: usize = 256 << 10;

/// The most packed bytes of loose runs that a seal joins into one.
const LOOSE_BYTES: u64 = 96 << 10;

/// The most that these unpack to, each as it stands: what repeats packs to almost nothing.
const LOOSE_RAW: u64 = 1 << 20;

/// The most commits that they hold together, far within what a batch may.
const LOOSE_COMMITS: u64 = 2048;

/// What a save changes in one record.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordEdit {
    /// The record's type.
    pub record_type: String,
    /// The record.
    pub record: RecordId,
    /// Whether the record is made by this save. A derived id that exists here already is edited instead.
    pub create: bool,
    /// 16 random bytes, used where the type is salted.
    pub salt: [u8; 16],
    /// The edits, without the common fields.
    pub edits: Vec<Edit>,
}

/// What one user action saves: it becomes one commit.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCommit {
    /// The scope of every record in it.
    pub scope: Scope,
    /// The person who acts.
    pub acting: Option<Uuid>,
    /// The hybrid logical clock: milliseconds << 16 | counter.
    pub hlc: u64,
    /// The device's clock in milliseconds since 1970, as claimed.
    pub wall_ms: i64,
    /// The app's version.
    pub app: String,
    /// Kept and chained, ignored if unknown.
    pub extension: Vec<u8>,
    /// The records.
    pub edits: Vec<RecordEdit>,
}

/// What a save became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The commit's number in the author's log of that scope.
    pub seq: u64,
    /// Its chain hash.
    pub chain: ChainHash,
    /// How many changes it holds; 0 when the edits changed nothing and no commit was made.
    pub changes: usize,
}

/// A commit under way with where its changes will stand.
struct Made {
    strand: u32,
    seq: u64,
    chain: ChainHash,
    commit: Commit,
}

impl Made {
    fn held(&self) -> impl Iterator<Item = Held<'_>> {
        let author = self.commit.header.author;
        self.commit.header.changes.iter().zip(&self.commit.bodies).enumerate().filter_map(
            move |(index, (entry, body))| {
                Some(Held {
                    position: Position::new(self.strand, self.seq, index)?,
                    author,
                    seq: self.seq,
                    chain: self.chain,
                    entry,
                    body: body.as_deref(),
                    hashed: true,
                })
            },
        )
    }
}

/// What a commit says of one record is one change: edits of a record that is named twice are joined, the later of two on one key
/// counts.
fn joined(edits: &[RecordEdit]) -> Cow<'_, [RecordEdit]> {
    let mut places: HashMap<(&str, RecordId), usize> = HashMap::with_capacity(edits.len());
    let mut several = false;
    for (place, edit) in edits.iter().enumerate() {
        several |= *places.entry((edit.record_type.as_str(), edit.record)).or_insert(place) != place;
    }
    if !several {
        return Cow::Borrowed(edits);
    }
    let mut joined: Vec<RecordEdit> = Vec::with_capacity(edits.len());
    for edit in edits {
        let same = |one: &&mut RecordEdit| one.record == edit.record && one.record_type == edit.record_type;
        match joined.iter_mut().find(same) {
            Some(first) => {
                first.create |= edit.create;
                first.edits.retain(|earlier| edit.edits.iter().all(|later| later.key() != earlier.key()));
                first.edits.extend(edit.edits.iter().cloned());
            }
            None => joined.push(edit.clone()),
        }
    }
    Cow::Owned(joined)
}

/// The common fields that a first change states, in their fixed order.
fn common_fields(edit: &RecordEdit, commit: &NewCommit, author: lastmile_model::AuthorId) -> Vec<Edit> {
    let mut fields = vec![
        Edit::set("id", Value::reference(edit.record)),
        Edit::set("type", edit.record_type.as_str()),
        Edit::set("schema_v", i64::from(SCHEMA_VERSION)),
        Edit::set("place_code", commit.scope.code()),
        Edit::set("created_at", Value::Timestamp(commit.wall_ms)),
    ];
    if let Some(person) = commit.acting {
        fields.push(Edit::set("created_by", Value::Bytes(person.as_bytes().to_vec())));
    }
    fields.push(Edit::set("device", Value::Bytes(author.0.to_vec())));
    fields
}

impl Store {
    /// Saves commits of one author in one transaction: log and views together, durable when this returns.
    ///
    /// # Errors
    /// When an edit does not apply, a limit is reached or the storage fails; then nothing is saved.
    pub fn save(
        &mut self,
        key: &AuthorKey,
        commits: &[NewCommit],
        durability: Durability,
    ) -> Result<Vec<Saved>, StoreError> {
        let deployment = self.deployment()?.ok_or_else(|| StoreError::damaged("no deployment is set"))?;
        self.transaction(durability, |store| store.save_in_transaction(key, &deployment, commits))
    }

    /// Saves commits as [`Store::save`] does, seals their logs and writes named settings, all in one transaction: one flush for what
    /// travels at once.
    ///
    /// # Errors
    /// As [`Store::save`].
    pub fn publish(
        &mut self,
        key: &AuthorKey,
        commits: &[NewCommit],
        settings: &[(&str, &[u8])],
        durability: Durability,
    ) -> Result<Vec<Saved>, StoreError> {
        let deployment = self.deployment()?.ok_or_else(|| StoreError::damaged("no deployment is set"))?;
        self.transaction(durability, |store| {
            for (name, value) in settings {
                store.storage.put_meta(name, value)?;
            }
            store.publish_in_transaction(key, &deployment, commits)
        })
    }

    fn publish_in_transaction(
        &mut self,
        key: &AuthorKey,
        deployment: &Deployment,
        commits: &[NewCommit],
    ) -> Result<Vec<Saved>, StoreError> {
        let saved = self.save_in_transaction(key, deployment, commits)?;
        for scope in commits.iter().map(|commit| &commit.scope).collect::<BTreeSet<_>>() {
            self.seal_in_transaction(key, deployment, scope)?;
        }
        Ok(saved)
    }

    /// Erases records of a scope and publishes commits of several authors, the orders among them, in one transaction: what they say anew of
    /// an erased record stands on nothing of what was.
    ///
    /// # Errors
    /// As [`Store::erase`] and [`Store::save`]; then nothing is erased.
    pub fn publish_erasing(
        &mut self,
        scope: &Scope,
        erasures: &[Erasure],
        commits: &[(&AuthorKey, Vec<NewCommit>)],
    ) -> Result<Scrubbed, StoreError> {
        let deployment = self.deployment()?.ok_or_else(|| StoreError::damaged("no deployment is set"))?;
        let changes = self.transaction(Durability::Full, |store| {
            let scope = store.scope_in_transaction(scope)?;
            let changes = store.erase_in_transaction(scope, erasures)?;
            for (key, commits) in commits {
                store.publish_in_transaction(key, &deployment, commits)?;
            }
            Ok(changes)
        })?;
        Ok(Scrubbed { changes, clean: self.scrub()? })
    }

    fn save_in_transaction(
        &mut self,
        key: &AuthorKey,
        deployment: &Deployment,
        commits: &[NewCommit],
    ) -> Result<Vec<Saved>, StoreError> {
        let author = key.author(deployment);
        let mut made: Vec<Made> = Vec::with_capacity(commits.len());
        // Where the changes of each record stand among `made`, so that later commits of the call build on earlier ones. A record may
        // stand in several scopes.
        let mut overlay: HashMap<(u32, RecordId), Vec<(usize, usize)>> = HashMap::new();
        let mut saved = Vec::with_capacity(commits.len());
        for new in commits {
            let scope = self.scope_in_transaction(&new.scope)?;
            let mut strand = self.own_strand(scope, author);
            while strand.viewed < strand.head {
                // What the views do not show yet would be taken for shown below.
                self.follow_run(scope, strand.no)?;
                strand = self.own_strand(scope, author);
            }
            let seq = strand.head.saturating_add(1);
            let mut entries = Vec::with_capacity(new.edits.len());
            let mut bodies = Vec::with_capacity(new.edits.len());
            for edit in joined(&new.edits).iter() {
                let earlier = overlay.get(&(scope, edit.record)).map_or(&[][..], Vec::as_slice);
                let Some((entry, body)) = self.change_of(scope, author, new, edit, &made, earlier)? else { continue };
                entries.push(entry);
                bodies.push(Some(body));
            }
            if entries.is_empty() {
                saved.push(Saved { seq: strand.head, chain: strand.chain, changes: 0 });
                continue;
            }
            for (place, entry) in entries.iter().enumerate() {
                overlay.entry((scope, entry.record)).or_default().push((made.len(), place));
            }
            let header = CommitHeader {
                version: 1,
                scope: new.scope.clone(),
                author,
                seq,
                prev: strand.chain,
                acting: new.acting,
                schema_v: SCHEMA_VERSION,
                hlc: new.hlc,
                wall_ms: new.wall_ms,
                app: new.app.clone(),
                extension: new.extension.clone(),
                changes: entries,
            };
            let chain = chain_hash(&header);
            self.last_hlc = self.last_hlc.max(new.hlc);
            let changes = header.changes.len();
            strand.head = seq;
            strand.chain = chain;
            strand.viewed = seq;
            strand.changes = strand.changes.saturating_add(changes as u64);
            saved.push(Saved { seq, chain, changes });
            made.push(Made { strand: strand.no, seq, chain, commit: Commit { header, bodies } });
            self.index.keep(strand);
        }
        self.write_made(&made)?;
        Ok(saved)
    }

    /// The latest reading of the hybrid clock in an author's own logs.
    ///
    /// # Errors
    /// When the storage fails or what it holds does not verify.
    pub fn last_hlc(&mut self, author: lastmile_model::AuthorId) -> Result<u64, StoreError> {
        if self.last_hlc == 0 {
            let heads: Vec<(u32, u64)> = self
                .index
                .strands
                .values()
                .filter(|strand| strand.author == author && strand.head > 0)
                .map(|strand| (strand.no, strand.head))
                .collect();
            for (strand, head) in heads {
                let run = self.archive.run(self.storage.as_ref(), strand, head)?;
                self.last_hlc = self.last_hlc.max(run.commits.last().map_or(0, |commit| commit.header.hlc));
            }
        }
        Ok(self.last_hlc)
    }

    /// The author's own strand in a scope: the trunk, or a new one that is written with its first commit. Branches came from copies.
    fn own_strand(&self, scope: u32, author: lastmile_model::AuthorId) -> Strand {
        let trunk = self.index.strands_of(scope, author).find(|strand| strand.parent.is_none());
        trunk.cloned().unwrap_or_else(|| Strand {
            no: self.index.next_strand(),
            scope,
            author,
            first: 1,
            prev: ChainHash::ZERO,
            parent: None,
            head: 0,
            chain: ChainHash::ZERO,
            sealed: 0,
            sealed_chain: ChainHash::ZERO,
            viewed: 0,
            changes: 0,
        })
    }

    /// Makes one record's change; `None` when the edits say nothing new.
    fn change_of(
        &mut self,
        scope: u32,
        author: lastmile_model::AuthorId,
        new: &NewCommit,
        edit: &RecordEdit,
        made: &[Made],
        earlier: &[(usize, usize)],
    ) -> Result<Option<(ChangeEntry, Vec<u8>)>, StoreError> {
        let catalogue = Arc::clone(&self.catalogue);
        let (type_no, record_type) =
            catalogue.get(&edit.record_type).ok_or_else(|| StoreError::NoType { name: edit.record_type.clone() })?;
        let salt = record_type.salted.then_some(edit.salt);
        let random = !record_type.has_derived_id();
        let time = new.wall_ms.div_euclid(1000);
        let loaded: Vec<OwnedHeld> =
            if edit.create && random { Vec::new() } else { self.load_record(scope, type_no, edit.record)? };
        let here = earlier.iter().filter_map(|&(commit, place)| made.get(commit)?.held().nth(place));
        let here = here.filter(|held| held.entry.record_type == edit.record_type);
        let all: Vec<Held<'_>> = loaded.iter().map(OwnedHeld::as_held).chain(here).collect();
        if all.is_empty() && !edit.create {
            return Err(StoreError::NoRecord { record_type: edit.record_type.clone(), id: edit.record.to_string() });
        }
        if all.len() >= MAX_OF_AUTHOR && all.iter().filter(|one| one.author == author).count() >= MAX_OF_AUTHOR {
            // Nobody would take it.
            let (record_type, id) = (edit.record_type.clone(), edit.record.to_string());
            return Err(StoreError::TooManyChanges { record_type, id, limit: MAX_OF_AUTHOR });
        }
        let judged = self.judge_all(scope, type_no, &all);
        let known = known_changes(&all, &judged);
        let fresh = known.iter().all(|known| known.change.is_none());
        let mut edits = Vec::with_capacity(edit.edits.len() + 7);
        if fresh {
            edits.extend(common_fields(edit, new, author));
        }
        edits.extend(edit.edits.iter().cloned());
        let own_last = own_last(&known, author);
        let base = Base { changes: &known, own_last };
        if !fresh {
            keep_new(record_type, &known, &mut edits);
            if edits.is_empty() {
                return Ok(None);
            }
        }
        let made = make_change(&base, author, time, salt, &edits)?;
        let entry =
            ChangeEntry { record_type: edit.record_type.clone(), record: edit.record, header: made.change.header() };
        if self.index.is_erased(scope, author, &entry) {
            // Everybody else would take it for a stub.
            return Err(StoreError::Erased { record_type: edit.record_type.clone(), id: edit.record.to_string() });
        }
        Ok(Some((entry, made.encoded.bytes)))
    }

    /// Loads every change held of a record in a scope.
    pub(crate) fn load_record(
        &mut self,
        scope: u32,
        type_no: usize,
        record: RecordId,
    ) -> Result<Vec<OwnedHeld>, StoreError> {
        let positions = crate::reader::positions_of(self.storage.as_ref(), scope, type_no, record)?;
        let name = self.views.get(type_no).map_or("", |view| view.type_name.as_str());
        let mut loaded = self.archive.load(self.storage.as_ref(), &self.index, &positions)?;
        loaded.retain(|held| held.entry().record_type == name);
        Ok(loaded)
    }

    pub(crate) fn judge_all(&self, scope: u32, type_no: usize, all: &[Held<'_>]) -> Vec<crate::judge::Judged> {
        crate::reader::judge_with(&self.index, &self.verdicts, &self.catalogue, scope, type_no, all)
    }

    /// Writes commits that were made, as one packed run per strand and [`RUN_BYTES`], and lets the views follow.
    fn write_made(&mut self, made: &[Made]) -> Result<(), StoreError> {
        let mut strands: Vec<u32> = made.iter().map(|one| one.strand).collect();
        strands.sort_unstable();
        strands.dedup();
        for no in strands {
            let strand = self.index.strand(no)?.clone();
            self.storage.put_strand(&strand)?;
            let of_strand: Vec<&Made> = made.iter().filter(|one| one.strand == no).collect();
            for run in runs(&of_strand) {
                let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
                let commits: Vec<&Commit> = run.iter().map(|one| &one.commit).collect();
                self.storage.put_blob(no, first.seq, last.seq, &pack(&commits)?)?;
            }
            let held: Vec<Held<'_>> = of_strand.iter().flat_map(|one| one.held()).collect();
            self.follow_here(strand.scope, &held)?;
        }
        Ok(())
    }

    /// Seals the author's own log of a scope at its head and packs what stands loose; returns whether anything was to seal.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn seal(&mut self, key: &AuthorKey, scope: &Scope) -> Result<bool, StoreError> {
        let deployment = self.deployment()?.ok_or_else(|| StoreError::damaged("no deployment is set"))?;
        let is_sealed = |strand: &Strand| strand.head == strand.sealed;
        let Some(no) = self.index.scope_no(scope) else { return Ok(false) };
        if is_sealed(&self.own_strand(no, key.author(&deployment))) {
            return Ok(false);
        }
        self.transaction(Durability::Full, |store| store.seal_in_transaction(key, &deployment, scope))
    }

    fn seal_in_transaction(
        &mut self,
        key: &AuthorKey,
        deployment: &Deployment,
        scope: &Scope,
    ) -> Result<bool, StoreError> {
        let Some(no) = self.index.scope_no(scope) else { return Ok(false) };
        let mut strand = self.own_strand(no, key.author(deployment));
        if strand.head == strand.sealed {
            return Ok(false);
        }
        self.compact(&strand)?;
        let runs = self.storage.blob_list(strand.no)?;
        for (_, last, _) in runs.into_iter().filter(|(_, last, _)| *last > strand.sealed) {
            let chain = self.archive.chain_at(self.storage.as_ref(), strand.no, last)?;
            let signature = Seal::sign(key, deployment, scope, last, chain).signature;
            self.storage.put_seal(&StoredSeal { strand: strand.no, seq: last, chain, signature })?;
        }
        strand.sealed = strand.head;
        strand.sealed_chain = strand.chain;
        self.storage.put_strand(&strand)?;
        self.index.keep(strand);
        Ok(true)
    }

    /// Packs the small runs that stand since the last seal into larger ones.
    fn compact(&mut self, strand: &Strand) -> Result<(), StoreError> {
        let loose: Vec<(u64, u64, u64)> =
            self.storage.blob_list(strand.no)?.into_iter().filter(|(first, ..)| *first > strand.sealed).collect();
        let mut group: Vec<u64> = Vec::new();
        let (mut bytes, mut raw, mut start) = (0u64, 0u64, 0u64);
        for (first, last, size) in loose {
            let packed = self.storage.blob_with(strand.no, first)?.map(|blob| blob.packed);
            let inflated = packed.and_then(|packed| raw_size(&packed)).unwrap_or(LOOSE_RAW);
            (bytes, raw) = (bytes.saturating_add(size), raw.saturating_add(inflated));
            if bytes > LOOSE_BYTES || raw > LOOSE_RAW || last.saturating_sub(start) >= LOOSE_COMMITS {
                self.join(strand.no, &group)?;
                group.clear();
                (bytes, raw, start) = (size, inflated, first);
            }
            group.push(first);
        }
        self.join(strand.no, &group)
    }

    /// Replaces consecutive runs, by their first commits, with one.
    fn join(&mut self, strand: u32, firsts: &[u64]) -> Result<(), StoreError> {
        let [start, _, ..] = firsts else { return Ok(()) };
        let mut commits: Vec<Commit> = Vec::new();
        for first in firsts {
            let run = self.archive.run(self.storage.as_ref(), strand, *first)?;
            commits.extend((0..run.commits.len()).filter_map(|place| run.to_commit(place)));
            self.storage.remove_blob(strand, *first)?;
        }
        let last = commits.last().map_or(*start, |commit| commit.header.seq);
        // The runs that were joined are no longer what is stored.
        self.archive.clear();
        self.storage.put_blob(strand, *start, last, &pack(&commits.iter().collect::<Vec<_>>())?)
    }
}

/// Splits commits into runs of at most [`RUN_BYTES`] of bodies.
fn runs<'m>(made: &'m [&'m Made]) -> Vec<&'m [&'m Made]> {
    let size = |one: &Made| one.commit.bodies.iter().flatten().map(Vec::len).sum::<usize>() + 128;
    let mut runs = Vec::new();
    let mut rest = made;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest
            .iter()
            .take_while(|one| {
                bytes += size(one);
                bytes <= RUN_BYTES
            })
            .count()
            .max(1);
        let (run, after) = rest.split_at(fits);
        runs.push(run);
        rest = after;
    }
    runs
}

/// The author's own last change of a record, which a further change always depends on.
fn own_last(known: &[Known<'_>], author: lastmile_model::AuthorId) -> Option<lastmile_model::ChangeHash> {
    known
        .iter()
        .filter(|known| known.actor == author)
        .max_by_key(|known| (known.seq, known.hash))
        .map(|known| known.hash)
}

/// Drops edits that say what already shows: values that are the same and in no conflict, immutable fields that stand, elements
/// that are there.
fn keep_new(record_type: &RecordType, known: &[Known<'_>], edits: &mut Vec<Edit>) {
    let record = evaluate(Some(record_type), known);
    edits.retain(|edit| {
        let key = edit.key();
        let contested = record.conflicts.iter().any(|conflict| conflict.field == key);
        let immutable = record_type.field(key).is_some_and(|(_, field)| field.merge == Merge::Immutable);
        match (edit, Key::parse(key)) {
            (Edit::Set { .. }, Some(Key::Element(field, element))) => {
                !record.sets.get(field).is_some_and(|elements| elements.contains(element))
            }
            (Edit::Set { value, .. }, Some(Key::Field(_))) => match record.value(key) {
                Some(shown) => !immutable && (contested || shown != value),
                None => true,
            },
            (Edit::Remove { .. }, Some(Key::Field(_))) => record.value(key).is_some(),
            _ => true,
        }
    });
}
