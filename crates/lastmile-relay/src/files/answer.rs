//! Answering `POST /v1/files`.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lastmile_log::{sha256, sign_file};
use lastmile_media::{Form, inspect};
use lastmile_model::{AuthorId, Scope, planted};
use lastmile_protocol::files::{Question, question, response};
use lastmile_protocol::frame::{FetchFrame, FileState, FilesFrame, HeldFile, HeldFrame, PieceFrame};
use lastmile_protocol::limits::MAX_PIECE;
use lastmile_protocol::{Access, Code, Frame};
use lastmile_store::storage::FileState as Kept;
use lastmile_store::{NamedFile, Naming};

use super::arriving::Taken;
use crate::RelayError;
use crate::central::Central;
use crate::meter::{metered, thread_time};
use crate::rates::{Cost, Payer};
use crate::server::Shared;
use crate::sync::{Refusal, Said, charge, signed};

/// How often and how long apart a file is looked for whose record may be on its way into the views.
const LOOKS: u32 = 20;
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The most held back changes of one device that are looked through for what names a file: its latest.
const MOST_HIDDEN: usize = 256;

/// Answers `POST /v1/files`.
pub(crate) async fn answer_files(shared: &Arc<Shared>, address: Option<IpAddr>, body: &[u8]) -> Said {
    let mut payer = Payer { device: None, address };
    let (answered, cpu) = metered(answered(shared, &mut payer, body)).await;
    let said = match answered {
        Ok(body) => Said { body, ..Said::default() },
        Err(refusal) => {
            if refusal.code == Code::FileRefused {
                shared.files.stats.refused.fetch_add(1, Ordering::Relaxed);
            }
            refusal.said("a request about files")
        }
    };
    charge(shared, payer, &said, cpu);
    said
}

async fn answered(shared: &Arc<Shared>, payer: &mut Payer, body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let (request, hello) = signed(shared, &shared.file_nonces, payer, body).await?;
    // Files wait before records do. Only who is made sure of takes a place.
    let _place = shared.files.places.try_acquire().map_err(|_| Code::Busy)?;
    let asker = Asker { author: hello.author, payer: *payer };
    let answer = match question(&request)? {
        Question::Files(asked) => Frame::Held(states(shared, asker, asked).await?),
        Question::Piece(piece) => Frame::Held(take(shared, asker, piece).await?),
        Question::Fetch(fetch) => Frame::Piece(serve(shared, asker, fetch).await?),
    };
    response(answer).map_err(|_| Code::Internal.into())
}

/// Who asks, and on whose account.
#[derive(Debug, Clone, Copy)]
struct Asker {
    author: AuthorId,
    payer: Payer,
}

impl Asker {
    /// Puts what another thread spent on it on the account.
    fn pay(self, shared: &Shared, cpu: Duration) {
        shared.rates.charge(self.payer, Cost { requests: 0, bytes: 0, cpu }, shared.now_ms());
    }
}

/// What is known of one file that somebody asks about.
#[derive(Debug)]
struct Found {
    access: Access,
    /// Whose day it counts against.
    device: AuthorId,
    named: Vec<NamedFile>,
    /// Whether it is kept whole, and how long it is.
    kept: Option<u64>,
}

/// What names files of a scope: the records that show, or else what the asker's own device wrote and is held back, so that a release does
/// not find the bytes gone.
fn named_files(
    central: &mut Central,
    (scope, no): (&Scope, u32),
    hashes: &[[u8; 32]],
    asker: AuthorId,
) -> Result<Vec<Vec<NamedFile>>, RelayError> {
    let mut named = Vec::with_capacity(hashes.len());
    for hash in hashes {
        named.push(central.reader.named_files(Some(no), Some(hash))?);
    }
    // Who was revoked is given no time for files.
    if named.iter().any(Vec::is_empty) && !central.store.is_revoked(scope, asker) {
        let own = central.chain_of_device(asker)?;
        let own = if planted!("held-back-files-unknown") { BTreeSet::new() } else { own };
        let hidden = central.store.hidden_files(scope, &|author| own.contains(&author), MOST_HIDDEN)?;
        for (named, hash) in named.iter_mut().zip(hashes).filter(|(named, _)| named.is_empty()) {
            named.extend(hidden.iter().filter(|hidden| hidden.hash == *hash).cloned());
        }
    }
    Ok(named)
}

/// Looks files of a scope up for an author. Of what the author has no part in, and of what no record names, nothing is found; neither is
/// told from the other. Tells as well whether what was not found is sure not to be there: whoever hears that a file is unknown may let go
/// of it, and views may lag behind their logs.
async fn look_up(
    shared: &Shared,
    asker: Asker,
    scope: &Scope,
    hashes: Vec<[u8; 32]>,
) -> Result<(Vec<Option<Found>>, bool), Refusal> {
    for look in 1.. {
        let (scope, hashes) = (scope.clone(), hashes.clone());
        let looked = shared.writer.ask(move |central| {
            let began = thread_time();
            let nothing = || (hashes.iter().map(|_| None).collect::<Vec<_>>(), false, false, Duration::ZERO);
            let access = central.access_now(asker.author, &scope)?;
            let access = access.or(planted!("files-of-any-scope").then_some(Access::Full));
            let Some(access) = access else { return Ok(nothing()) };
            let device = central.trust()?.first_of(asker.author);
            let no = central.store.scopes().find(|(_, held)| **held == scope).map(|(no, _)| no);
            let Some(no) = no else { return Ok(nothing()) };
            let mut found = Vec::with_capacity(hashes.len());
            let named = named_files(central, (&scope, no), &hashes, asker.author)?;
            for (hash, named) in hashes.iter().zip(named) {
                let kept = central.store.file(&scope, hash)?.filter(|file| file.state == Kept::Elsewhere);
                let kept = kept.map(|file| file.size);
                found.push((!named.is_empty()).then_some(Found { access, device, named, kept }));
            }
            let behind = central.store.logs_behind().iter().any(|log| log.scope == scope);
            // These stay behind until the relay is started again.
            let stuck = central.store.skipped().any(|log| log.scope == scope);
            Ok((found, behind, stuck, thread_time().saturating_sub(began)))
        });
        let (found, behind, stuck, spent) = looked.await?;
        asker.pay(shared, spent);
        if !behind || look >= LOOKS || found.iter().all(Option::is_some) {
            return Ok((found, !behind && !stuck));
        }
        // What a record names is found once the views show it, a moment after it came.
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok((Vec::new(), false))
}

/// Looks one file up; what may be there after all makes the relay busy.
async fn look_up_one(shared: &Shared, asker: Asker, scope: &Scope, hash: [u8; 32]) -> Result<Option<Found>, Refusal> {
    let (found, is_sure) = look_up(shared, asker, scope, vec![hash]).await?;
    match found.into_iter().next().flatten() {
        None if !is_sure => Err(Code::Busy.into()),
        found => Ok(found),
    }
}

async fn states(shared: &Shared, asker: Asker, asked: FilesFrame) -> Result<HeldFrame, Refusal> {
    let FilesFrame { scope, hashes } = asked;
    let (found, is_sure) = look_up(shared, asker, &scope, hashes.clone()).await?;
    let held = {
        let (files, scope, hashes) = (Arc::clone(&shared.files), scope.clone(), hashes.clone());
        // Whoever writes a piece holds the lock until it is flushed.
        tokio::task::spawn_blocking(move || {
            let arriving = files.arriving.lock().unwrap_or_else(PoisonError::into_inner);
            hashes.iter().map(|hash| arriving.held(asker.author, &scope, hash)).collect::<Vec<_>>()
        })
    };
    let held = held.await.map_err(|_| Code::Internal)?;
    let files = hashes.into_iter().zip(found).zip(held).filter_map(|((hash, found), held)| {
        let state = match found {
            // Of what may be there after all nothing is said.
            None if !is_sure => return None,
            None => FileState::Unknown,
            Some(Found { kept: Some(_), .. }) => {
                FileState::Whole(sign_file(&shared.office, &shared.deployment, &scope, &hash))
            }
            Some(_) => FileState::Begun(held),
        };
        Some(HeldFile { hash, state })
    });
    let files = files.collect();
    Ok(HeldFrame { scope, files })
}

fn refused(why: &str) -> Refusal {
    Refusal::with(Code::FileRefused, why)
}

/// Takes bytes of a file that a record names, and keeps the file once it is whole.
async fn take(shared: &Arc<Shared>, asker: Asker, piece: PieceFrame) -> Result<HeldFrame, Refusal> {
    let author = asker.author;
    let PieceFrame { scope, hash, size, offset, bytes } = piece;
    let found = look_up_one(shared, asker, &scope, hash).await?.ok_or(Code::NotFound)?;
    let device = found.device;
    let answer = |state| HeldFrame { scope: scope.clone(), files: vec![HeldFile { hash, state }] };
    let whole = || answer(FileState::Whole(sign_file(&shared.office, &shared.deployment, &scope, &hash)));
    if found.kept.is_some() {
        return Ok(whole());
    }
    let meant: Vec<NamedFile> = found.named.into_iter().filter(|named| named.size == size).collect();
    if meant.is_empty() {
        return Err(refused("size"));
    }
    let now_ms = shared.now_ms();
    if shared.files.is_used_up(&scope, device, now_ms) {
        let arguments = vec![scope.to_string(), author.to_string()];
        return Err(Refusal { arguments, ..Code::OverQuota.into() });
    }
    let length = bytes.len() as u64;
    let taken = {
        let (files, scope) = (Arc::clone(&shared.files), scope.clone());
        tokio::task::spawn_blocking(move || {
            let mut arriving = files.arriving.lock().unwrap_or_else(PoisonError::into_inner);
            arriving.take(author, &scope, &hash, (offset, size), &bytes, now_ms)
        })
    };
    let taken = taken.await.map_err(|_| Code::Internal)?.map_err(|error| cannot_store(&error))?;
    let bytes = match taken {
        Taken::Not(held) => return Ok(answer(FileState::Begun(held))),
        Taken::Held(held) => {
            shared.files.took(&scope, device, length, now_ms);
            // Its record may have been erased while it was written.
            let still = look_up_one(shared, asker, &scope, hash).await;
            if !matches!(still, Ok(Some(_))) {
                drop_part(shared, author, &scope, hash).await;
            }
            still?.ok_or(Code::NotFound)?;
            return Ok(answer(FileState::Begun(held)));
        }
        Taken::Full => return Err(Code::Busy.into()),
        Taken::All(bytes) => bytes,
    };
    shared.files.took(&scope, device, length, now_ms);
    let kept = keep(shared, asker, (&scope, hash), bytes, &meant).await;
    // Where there was no room what came stays, so that only the end is brought again.
    let is_over = |refusal: &Refusal| matches!(refusal.code, Code::FileRefused | Code::NotFound);
    if kept.as_ref().err().is_none_or(is_over) {
        drop_part(shared, author, &scope, hash).await;
    }
    kept.map(|()| whole())
}

/// Drops what an author brought of a file. One that stays for all that goes when its time is over.
async fn drop_part(shared: &Arc<Shared>, author: AuthorId, scope: &Scope, hash: [u8; 32]) {
    let (files, scope) = (Arc::clone(&shared.files), scope.clone());
    let drop = move || files.arriving.lock().unwrap_or_else(PoisonError::into_inner).drop_file(author, &scope, &hash);
    let _ = tokio::task::spawn_blocking(drop).await;
}

/// Keeps a file that is what its hash, its record and the rules say.
async fn keep(
    shared: &Arc<Shared>,
    asker: Asker,
    (scope, hash): (&Scope, [u8; 32]),
    bytes: Vec<u8>,
    meant: &[NamedFile],
) -> Result<(), Refusal> {
    let size = bytes.len() as u64;
    let looked = {
        let meant: Vec<(Naming, Option<Form>)> =
            meant.iter().map(|named| (named.naming, Form::of_code(&named.form))).collect();
        // Hashing and looking take a moment, which connections should not wait for.
        tokio::task::spawn_blocking(move || {
            let began = thread_time();
            let looked = look_at(&hash, &bytes, &meant).map(|()| bytes);
            (looked, thread_time().saturating_sub(began))
        })
    };
    let (looked, spent) = looked.await.map_err(|_| Code::Internal)?;
    asker.pay(shared, spent);
    let bytes = looked.map_err(refused)?;
    let _moving = shared.files.moving.lock().await;
    shared.files.put(scope, &hash, Bytes::from(bytes)).await.map_err(|error| cannot_store(&error))?;
    let noted = scope.clone();
    let note = shared.writer.ask(move |central| {
        // Its record may have been erased since it was looked up; then the file goes as well.
        let no = central.store.hold_scope(&noted)?;
        let is_named = !named_files(central, (&noted, no), &[hash], asker.author)?.iter().all(Vec::is_empty);
        let kept = central.store.file(&noted, &hash)?.is_some_and(|file| file.state == Kept::Elsewhere);
        // What was kept before for another is not this one's to take away.
        if is_named || !kept {
            let state = if is_named { Kept::Elsewhere } else { Kept::Gone };
            central.store.note_file(&noted, hash, size, state, None)?;
        }
        Ok(is_named)
    });
    if !note.await? {
        shared.files.erased.notify_one();
        return Err(Code::NotFound.into());
    }
    shared.files.stats.kept.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Looks at a whole file by its bytes alone; says in a word why it is not kept.
fn look_at(hash: &[u8; 32], bytes: &[u8], meant: &[(Naming, Option<Form>)]) -> Result<(), &'static str> {
    if planted!("any-file") {
        return Ok(());
    }
    if sha256(bytes) != *hash {
        return Err("hash");
    }
    let found = inspect(bytes).map_err(lastmile_media::Refused::word)?;
    if !found.clean {
        return Err("metadata");
    }
    let fits = |(naming, form): &(Naming, Option<Form>)| match naming {
        Naming::Full => *form == Some(found.form),
        Naming::Thumbnail => {
            let small = |(width, height): (u32, u32)| width.max(height) <= lastmile_media::THUMBNAIL_SIDE;
            found.form == Form::Jpeg && bytes.len() <= lastmile_media::MAX_THUMBNAIL && found.pixels.is_some_and(small)
        }
    };
    if meant.iter().any(fits) { Ok(()) } else { Err("form") }
}

/// Serves bytes of a file to who may read its scope.
async fn serve(shared: &Shared, asker: Asker, fetch: FetchFrame) -> Result<PieceFrame, Refusal> {
    let FetchFrame { scope, hash, offset, limit } = fetch;
    let found = look_up_one(shared, asker, &scope, hash).await?;
    let may_read = |found: &Found| found.access == Access::Full || planted!("files-to-revoked");
    let kept = found.filter(may_read).and_then(|found| found.kept);
    let size = kept.ok_or(Code::NotFound)?;
    let end = offset.saturating_add(limit.min(MAX_PIECE as u64)).min(size);
    if offset >= end {
        return Ok(PieceFrame { scope, hash, size, offset: size, bytes: Vec::new() });
    }
    let Some(bytes) = shared.files.part(&scope, &hash, offset, end).await? else {
        // Perhaps the disk is not there, or the bucket is another: what is known stays known, and is served when it is back.
        tracing::error!(%scope, hash = super::hex(&hash), "a file that was kept is not there; put it back from a backup");
        return Err(Code::NotFound.into());
    };
    shared.files.stats.served.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    Ok(PieceFrame { scope, hash, size, offset, bytes: bytes.to_vec() })
}

fn cannot_store(error: &RelayError) -> Refusal {
    tracing::error!(%error, "a file cannot be kept");
    match error {
        RelayError::Stopping => Code::Busy.into(),
        _ => Code::CannotStore.into(),
    }
}
