//! Attachments: photos and files that belong to records, in a lane of their own.
//!
//! [`Replica::attach`] makes a file ready, keeps it in the replica and saves the record that names it. [`Replica::sync_files`] sends what
//! the relay lacks and fetches what is wanted, a piece at a time, thumbnails before everything else; it gives way to records whenever
//! there are any to send.

use std::collections::{BTreeMap, BTreeSet};

use lastmile_log::verify_file;
use lastmile_media::{Form, inspect, prepare};
use lastmile_model::input::Entry;
use lastmile_model::{AuthorId, RecordId, Scope, Value, planted};
use lastmile_protocol::Code;
use lastmile_protocol::files::{Answer, Asker, Question, read_response, request};
use lastmile_protocol::frame::{FetchFrame, FileState as Told, FilesFrame, PieceFrame};
use lastmile_protocol::limits::{MAX_FILE, MAX_FILES};
use lastmile_store::storage::{FileState, StoredFile};
use lastmile_store::{Arrived, NamedFile, Naming, StoreError};
use tokio::sync::watch;
use uuid::Uuid;

use crate::ClientError;
use crate::clock::random;
use crate::replica::Replica;
use crate::status::SyncProgress;
use crate::succession::own_authors;

/// How many bytes one request sends or fetches: at 32 kbit/s a quarter of a minute.
const PIECE: u64 = 64 << 10;

/// The longest name that a record keeps, in characters.
const NAME: usize = 120;

/// A file's hash, in the scope that it belongs to.
type FileKey = (Scope, [u8; 32]);

/// What was attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// The attachment's record.
    pub record: RecordId,
    /// The kind of file.
    pub form: Form,
    /// SHA-256 of the file as it is kept.
    pub hash: [u8; 32],
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 of its thumbnail; none for a document.
    pub thumbnail: Option<[u8; 32]>,
}

/// Where the bytes of a file are, as far as this device knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileStanding {
    /// Not here, and not wanted.
    Away,
    /// Wanted; so many bytes are here.
    Arriving(u64),
    /// Here; the relay does not have it yet.
    Waiting,
    /// Here, and the relay holds it.
    Uploaded,
    /// The relay does not take it, or what came is no file that is shown.
    Refused,
}

/// A file that a record of this device names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// What the record says.
    pub named: NamedFile,
    /// Where its bytes are.
    pub standing: FileStanding,
}

/// How much a round may send and fetch, in bytes, and of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileBudget {
    /// The most bytes sent.
    pub send: u64,
    /// The most bytes fetched.
    pub fetch: u64,
    /// Whether files that nobody asked for on this device are fetched as well; thumbnails always are.
    pub all: bool,
}

impl Default for FileBudget {
    fn default() -> Self {
        Self { send: 512 << 10, fetch: 512 << 10, all: false }
    }
}

/// What a round came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileReport {
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Files that the relay holds since this round.
    pub sent_files: u64,
    /// Bytes fetched.
    pub fetched_bytes: u64,
    /// Files that are whole here since this round.
    pub fetched_files: u64,
    /// Files that were refused, each with why.
    pub refused: Vec<([u8; 32], String)>,
    /// Whether a further round finds something to do: the budget was used up, or records went first.
    pub more: bool,
}

/// What there is to do, in the order in which it is done.
#[derive(Debug, Clone)]
enum Step {
    Send { key: FileKey, size: u64, from: u64 },
    Fetch { key: FileKey, size: u64, from: u64 },
}

/// Why a round ends.
enum Ended {
    /// Records go first.
    Enough,
    Failed(ClientError),
}

impl From<ClientError> for Ended {
    fn from(error: ClientError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl Replica {
    /// Attaches a file to a record of this device's community: takes out what tells where it was made, makes it smaller where it has to
    /// be, keeps it, and saves the record that names it. When this returns both survive a power cut.
    ///
    /// `name` is what people call the file; it is kept as a value and never used as a path.
    ///
    /// # Errors
    /// [`ClientError::FileNotTaken`] says why the file is not taken; otherwise as [`Draft::save`](crate::Draft::save).
    pub fn attach(
        &self,
        acting: Option<Uuid>,
        of: (&str, RecordId),
        name: &str,
        bytes: &[u8],
    ) -> Result<Attached, ClientError> {
        let (of_type, of) = of;
        let (type_no, _) = self.record_type(of_type)?;
        let (_, attachment) = self.record_type("attachment")?;
        let scope = self.scope_for(attachment)?;
        self.stands_in(type_no, of, &scope)?;
        let mut ready = prepare(bytes).map_err(ClientError::FileNotTaken)?;
        if planted!("place-stays") {
            bytes.clone_into(&mut ready.bytes);
        }
        let (hash, thumbnail) = self.with_store(|store| {
            let small = ready.thumbnail.as_ref().map(|small| store.add_file(&scope, &small.bytes)).transpose()?;
            Ok::<_, StoreError>((store.add_file(&scope, &ready.bytes)?, small))
        })?;
        let mut values = vec![
            ("record".to_owned(), Value::reference(of)),
            ("hash".to_owned(), Value::Bytes(hash.to_vec())),
            ("size".to_owned(), Value::Int(length(&ready.bytes))),
            ("form".to_owned(), ready.form.code().into()),
        ];
        if let (Some(hash), Some(small)) = (&thumbnail, &ready.thumbnail) {
            values.push(("thumb".to_owned(), Value::Bytes(hash.to_vec())));
            values.push(("thumb_size".to_owned(), Value::Int(length(&small.bytes))));
        }
        let name: String = name.chars().filter(|one| !one.is_control()).take(NAME).collect();
        let plain = Entry { values: values.clone(), ..Entry::default() };
        let mut draft = self.draft(acting);
        if !name.trim().is_empty() {
            values.push(("name".to_owned(), name.trim().into()));
        }
        // A name that no record takes is left out: the file matters.
        let record = match draft.create("attachment", Entry { values, ..Entry::default() }) {
            Err(ClientError::Invalid(problems)) if problems.iter().all(|problem| problem.field == "name") => {
                draft.create("attachment", plain)?
            }
            created => created?,
        };
        draft.save()?;
        Ok(Attached { record, form: ready.form, hash, size: ready.bytes.len() as u64, thumbnail })
    }

    /// Refuses a record that is not in a scope.
    fn stands_in(&self, type_no: usize, of: RecordId, scope: &Scope) -> Result<(), ClientError> {
        let (no, heads) = self.read(|reader| {
            let scopes = reader.scopes()?;
            let no = scopes.iter().find(|(_, held)| held == scope).map(|(no, _)| *no);
            Ok::<_, StoreError>((no, reader.heads(type_no, of)?))
        })?;
        if heads.iter().any(|(held, _)| Some(*held) == no) {
            return Ok(());
        }
        let record_type = self.catalogue().types().get(type_no).map(|known| known.name.clone()).unwrap_or_default();
        match heads.is_empty() {
            true => Err(StoreError::NoRecord { record_type, id: of.to_string() }.into()),
            false => Err(ClientError::NotAttachable { record_type }),
        }
    }

    /// Lists the files that records of this device name: of one record, or of all; thumbnails first.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn attachments(&self, of: Option<RecordId>) -> Result<Vec<Attachment>, ClientError> {
        let epoch = self.with_store(|store| store.epoch())?;
        let (named, held) = self.read(|reader| {
            let held = reader.files(None)?.into_iter().map(|held| ((held.scope, held.file.hash), held.file));
            Ok::<_, StoreError>((reader.named_files(None, None)?, held.collect::<BTreeMap<_, _>>()))
        })?;
        let asked = |named: &NamedFile| of.is_none() || named.of == of;
        let with_standing = |named: NamedFile| {
            let file = held.get(&(named.scope.clone(), named.hash));
            Attachment { standing: standing(file, epoch), named }
        };
        Ok(named.into_iter().filter(asked).map(with_standing).collect())
    }

    /// The bytes of a file that is whole here; `None` while it is not.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn file(&self, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, ClientError> {
        self.with_store(|store| {
            let scopes: Vec<Scope> = store.scopes().map(|(_, scope)| scope.clone()).collect();
            for scope in scopes {
                if store.file(&scope, hash)?.is_some_and(|file| file.state == FileState::Whole) {
                    return Ok(Some(store.file_bytes(&scope, hash, 0, u64::MAX)?));
                }
            }
            Ok(None)
        })
    }

    /// Wants a file: the next rounds fetch it. Tells whether any record here names it.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn want_file(&self, hash: &[u8; 32]) -> Result<bool, ClientError> {
        let named = self.read(|reader| reader.named_files(None, Some(hash)))?;
        self.want(named.iter())?;
        self.with_store(|store| {
            for one in &named {
                // What came wrong once is not fetched again by itself.
                let wrong = |file: &StoredFile| file.state == FileState::Refused && file.held == 0;
                if store.file(&one.scope, hash)?.is_some_and(|file| wrong(&file)) {
                    store.note_held(&one.scope, *hash, FileState::Arriving, None)?;
                }
            }
            Ok::<_, StoreError>(())
        })?;
        Ok(!named.is_empty())
    }

    fn want<'n>(&self, named: impl Iterator<Item = &'n NamedFile>) -> Result<(), StoreError> {
        let wanted: BTreeMap<FileKey, u64> = named
            .filter(|named| named.size <= MAX_FILE)
            .map(|named| ((named.scope.clone(), named.hash), named.size))
            .collect();
        self.with_store(|store| store.want_files(&wanted.into_iter().collect::<Vec<_>>()))
    }

    /// Makes one round of the lane for files with the relay: asks what it holds, then sends and fetches within the budget, all thumbnails
    /// before any other file. What came stays, and the next round goes on from there. Records go first: the round ends as soon as there
    /// is something to send, or an exchange begins.
    ///
    /// # Errors
    /// When the relay cannot be reached or refuses; what was sent and fetched before that is kept.
    pub async fn sync_files(&self, budget: &FileBudget) -> Result<FileReport, ClientError> {
        let _one_at_a_time = self.files_lane().lock().await;
        let mut report = FileReport::default();
        let Some(epoch) = self.with_store(|store| store.epoch())? else { return Ok(report) };
        let mut round = Round { replica: self, epoch, budget: *budget, saves: self.saves(), report: &mut report };
        match round.run().await {
            Ok(()) => {}
            Err(Ended::Enough) => report.more = true,
            Err(Ended::Failed(error)) => return Err(error),
        }
        Ok(report)
    }
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

fn standing(file: Option<&StoredFile>, epoch: Option<AuthorId>) -> FileStanding {
    match file {
        None => FileStanding::Away,
        Some(file) => match file.state {
            FileState::Arriving => FileStanding::Arriving(file.held),
            FileState::Whole if file.epoch.is_some() && file.epoch == epoch => FileStanding::Uploaded,
            FileState::Whole => FileStanding::Waiting,
            FileState::Refused => FileStanding::Refused,
            FileState::Elsewhere | FileState::Gone => FileStanding::Away,
        },
    }
}

/// One round under way.
struct Round<'r> {
    replica: &'r Replica,
    epoch: AuthorId,
    budget: FileBudget,
    /// How often something had been saved when the round began.
    saves: u64,
    report: &'r mut FileReport,
}

impl Round<'_> {
    async fn run(&mut self) -> Result<(), Ended> {
        let mut named = self.replica.read(|reader| reader.named_files(None, None))?;
        let wanted = named.iter().filter(|named| self.budget.all || named.naming == Naming::Thumbnail);
        self.replica.want(wanted)?;
        named.extend(self.hidden()?);
        let held = self.replica.read(|reader| reader.files(None))?;
        let held: BTreeMap<FileKey, StoredFile> =
            held.into_iter().map(|held| ((held.scope, held.file.hash), held.file)).collect();
        let open = |file: &StoredFile| match file.state {
            FileState::Arriving => true,
            FileState::Whole => file.epoch != Some(self.epoch),
            _ => false,
        };
        let mut seen = BTreeSet::new();
        // Thumbnails stand first in what is named, and a file that is both is one.
        let due: Vec<FileKey> = named
            .iter()
            .map(|named| (named.scope.clone(), named.hash))
            .filter(|key| held.get(key).is_some_and(open) && seen.insert(key.clone()))
            .collect();
        let small: BTreeSet<&FileKey> = due.iter().filter(|key| is_thumbnail(&named, key)).collect();
        let told = self.ask(&due).await?;
        let mut steps: Vec<(bool, Step)> = Vec::new();
        for key in &due {
            let (Some(file), Some(state)) = (held.get(key), told.get(key)) else { continue };
            let (size, key) = (file.size, key.clone());
            let is_full = !small.contains(&key);
            match (file.state, state) {
                (FileState::Arriving, Told::Whole(_)) => {
                    steps.push((is_full, Step::Fetch { key, size, from: file.held }));
                }
                (FileState::Whole, Told::Begun(from)) => steps.push((is_full, Step::Send { key, size, from: *from })),
                (FileState::Whole, Told::Whole(_)) => self.note_uploaded(&key)?,
                // The relay shows no record that names it. Where this device stays it may yet; where it leaves nothing waits for that.
                (FileState::Whole, Told::Unknown) if self.leaves(&key.0) => {
                    self.replica.with_store(|store| store.note_held(&key.0, key.1, FileState::Refused, None))?;
                }
                _ => {}
            }
        }
        // The sort is stable: what was named first goes first.
        steps.sort_by_key(|(is_full, _)| *is_full);
        for (_, step) in steps {
            match step {
                Step::Send { key, size, from } => self.send(&key, size, from).await?,
                Step::Fetch { key, size, from } => self.fetch(&key, size, from).await?,
            }
        }
        Ok(())
    }

    /// The files that attachments of this device name which are held back: a release must not find their bytes gone.
    fn hidden(&self) -> Result<Vec<NamedFile>, StoreError> {
        self.replica.with_store(|store| {
            let own = own_authors(store, self.replica.author());
            let scopes: Vec<Scope> = store.scopes().map(|(_, scope)| scope.clone()).collect();
            let mut hidden = Vec::new();
            for scope in scopes {
                hidden.extend(store.hidden_files(&scope, &|author| own.contains(&author), usize::MAX)?);
            }
            Ok(hidden)
        })
    }

    /// Asks the relay what it holds of files; what it says it holds counts only with its signature.
    async fn ask(&mut self, due: &[FileKey]) -> Result<BTreeMap<FileKey, Told>, Ended> {
        let mut by_scope: BTreeMap<&Scope, Vec<[u8; 32]>> = BTreeMap::new();
        for (scope, hash) in due {
            by_scope.entry(scope).or_default().push(*hash);
        }
        let mut told = BTreeMap::new();
        for (scope, hashes) in by_scope {
            for hashes in hashes.chunks(MAX_FILES) {
                let asked = FilesFrame { scope: scope.clone(), hashes: hashes.to_vec() };
                let Answer::Held(held) = self.post(Question::Files(asked)).await? else { return Err(self.no_answer()) };
                for file in held.files.into_iter().filter(|file| held.scope == *scope && hashes.contains(&file.hash)) {
                    if self.is_believed(scope, &file.hash, file.state) {
                        told.insert((scope.clone(), file.hash), file.state);
                    }
                }
            }
        }
        Ok(told)
    }

    fn is_believed(&self, scope: &Scope, hash: &[u8; 32], state: Told) -> bool {
        let Told::Whole(signature) = state else { return true };
        let public = self.replica.with_store(|store| {
            store.trust().and_then(|trust| trust.certificate(self.epoch)).map(|certificate| certificate.public)
        });
        public.is_some_and(|public| verify_file(&public, &self.replica.deployment(), scope, hash, &signature))
    }

    /// Whether the office took a scope away that is held still.
    fn leaves(&self, scope: &Scope) -> bool {
        self.replica.with_store(|store| {
            let own = store.trust().and_then(|trust| trust.in_force(self.replica.author()));
            own.is_some_and(|own| !own.scopes.contains(scope))
        })
    }

    /// Ends the round where records go first.
    fn give_way(&self) -> Result<(), Ended> {
        if self.replica.saves() != self.saves || self.replica.is_exchanging() { Err(Ended::Enough) } else { Ok(()) }
    }

    async fn send(&mut self, key: &FileKey, size: u64, mut from: u64) -> Result<(), Ended> {
        let (scope, hash) = key;
        for _ in 0..=size / PIECE + 1 {
            self.give_way()?;
            let bytes = self.replica.with_store(|store| store.file_bytes(scope, hash, from, PIECE))?;
            let length = bytes.len() as u64;
            if self.budget.send < length || self.budget.send == 0 {
                // Nothing after it goes either, so that what stands first goes first in the next round too.
                self.budget.send = 0;
                self.report.more = true;
                return Ok(());
            }
            self.budget.send -= length;
            self.report.sent_bytes += length;
            let piece = PieceFrame { scope: scope.clone(), hash: *hash, size, offset: from, bytes };
            let state = match self.post(Question::Piece(piece)).await? {
                Answer::Held(held) => held.files.into_iter().find(|file| file.hash == *hash).map(|file| file.state),
                Answer::Error(error, _) => return self.not_taken(key, size, error.code, error.arguments),
                Answer::Piece(_) => None,
            };
            match state {
                Some(state @ Told::Whole(_)) if self.is_believed(scope, hash, state) => {
                    self.report.sent_files += 1;
                    return Ok(self.note_uploaded(key)?);
                }
                Some(Told::Begun(held)) if held <= size => from = held,
                _ => return Err(self.no_answer()),
            }
        }
        // The relay goes back and forth; the next round asks anew.
        Ok(())
    }

    /// What follows from a refusal of one file: some concern it alone, others everything.
    fn not_taken(&mut self, key: &FileKey, size: u64, code: Code, arguments: Vec<String>) -> Result<(), Ended> {
        match code {
            Code::FileRefused => {
                let why = arguments.into_iter().next().unwrap_or_default();
                tracing::warn!(%why, "the relay does not take a file");
                self.report.refused.push((key.1, why));
                let (scope, hash) = key.clone();
                Ok(self.replica.with_store(|store| store.note_file(&scope, hash, size, FileState::Refused, None))?)
            }
            // The record is not there yet, or not any more; or the day's measure is full.
            Code::NotFound => Ok(()),
            Code::OverQuota => {
                self.budget.send = 0;
                Ok(())
            }
            code => Err(ClientError::Refused { code, retry_after_ms: 0 }.into()),
        }
    }

    async fn fetch(&mut self, key: &FileKey, size: u64, mut from: u64) -> Result<(), Ended> {
        let (scope, hash) = key;
        if from >= size {
            // More is here than the file is long: it is begun anew.
            self.report.more = true;
            return Ok(self.replica.with_store(|store| store.forget_file(scope, hash))?);
        }
        while from < size {
            self.give_way()?;
            let limit = PIECE.min(size - from);
            if self.budget.fetch < limit {
                self.budget.fetch = 0;
                self.report.more = true;
                return Ok(());
            }
            self.budget.fetch -= limit;
            let asked = FetchFrame { scope: scope.clone(), hash: *hash, offset: from, limit };
            let piece = match self.post(Question::Fetch(asked)).await? {
                Answer::Piece(piece) => piece,
                Answer::Error(error, _) => return self.not_taken(key, size, error.code, error.arguments),
                Answer::Held(_) => return Err(self.no_answer()),
            };
            if piece.hash != *hash || piece.offset != from || piece.bytes.is_empty() {
                // Longer in the record than it is.
                return Ok(());
            }
            if piece.size != size {
                // Another record said another length; the next round goes by the relay's.
                let right = piece.size;
                self.replica.with_store(|store| store.note_file(scope, *hash, right, FileState::Arriving, None))?;
                self.report.more = true;
                return Ok(());
            }
            self.report.fetched_bytes += piece.bytes.len() as u64;
            match self.replica.with_store(|store| store.take_piece(scope, hash, from, &piece.bytes))? {
                Arrived::Held(held) if held > from => from = held,
                Arrived::Whole => return Ok(self.arrived(key, size)?),
                Arrived::Wrong => {
                    tracing::error!(
                        "a file that came is not what its hash says; it is fetched again only when asked for"
                    );
                    self.report.refused.push((*hash, "hash".to_owned()));
                    self.replica.with_store(|store| store.note_held(scope, *hash, FileState::Refused, None))?;
                    return Ok(());
                }
                Arrived::Held(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Looks at a file that came whole: what is none that is kept is not shown.
    fn arrived(&mut self, key: &FileKey, size: u64) -> Result<(), StoreError> {
        let (scope, hash) = key;
        let epoch = Some(self.epoch);
        let bytes = self.replica.with_store(|store| store.file_bytes(scope, hash, 0, size))?;
        // Looked at while others may save.
        let state = if inspect(&bytes).is_ok() { FileState::Whole } else { FileState::Refused };
        self.replica.with_store(|store| store.note_held(scope, *hash, state, epoch))?;
        self.report.fetched_files += 1;
        Ok(())
    }

    fn note_uploaded(&self, (scope, hash): &FileKey) -> Result<(), StoreError> {
        let epoch = Some(self.epoch);
        self.replica.with_store(|store| store.note_held(scope, *hash, FileState::Whole, epoch))
    }

    fn no_answer(&self) -> Ended {
        let found = "nothing that answers a question about files".to_owned();
        ClientError::NotARelay { relay: self.replica.relay().to_owned(), found }.into()
    }

    /// Makes one signed request.
    async fn post(&self, question: Question) -> Result<Answer, Ended> {
        let replica = self.replica;
        let asker = Asker {
            key: replica.key(),
            deployment: &replica.deployment(),
            epoch: Some(self.epoch),
            app: replica.app(),
            certificates: &[],
        };
        let (now_ms, nonce) = (replica.relay_now_ms(), random(replica.clock())?);
        let body = request(&asker, question, now_ms, nonce).map_err(|_| self.no_answer())?;
        // Nobody follows the progress of a piece.
        let told = watch::Sender::<SyncProgress>::default();
        let answer = replica.transport().post("/v1/files", body, &told).await?;
        match read_response(&answer) {
            Ok(Answer::Error(error, _)) if !concerns_a_file(error.code) => {
                Err(ClientError::Refused { code: error.code, retry_after_ms: error.retry_after_ms }.into())
            }
            Ok(answer) => Ok(answer),
            Err(_) => Err(self.no_answer()),
        }
    }
}

const fn concerns_a_file(code: Code) -> bool {
    matches!(code, Code::FileRefused | Code::NotFound | Code::OverQuota)
}

fn is_thumbnail(named: &[NamedFile], (scope, hash): &FileKey) -> bool {
    named.iter().any(|named| named.naming == Naming::Thumbnail && named.hash == *hash && named.scope == *scope)
}
