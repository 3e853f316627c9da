//! Photos and files of records.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lastmile_client::Replica as ClientReplica;
use lastmile_model::ChangeHash;
use lastmile_store::Naming;
use tokio::sync::watch;

use crate::LastmileError;
use crate::engine::Engine;
use crate::job::{Job, Ticks};
use crate::record::{RecordId, id_of};
use crate::replica::Lease;

/// The longest file that is read: one byte more than is looked at, so that a longer one is named as such.
const MOST: u64 = lastmile_media::MAX_TAKEN as u64 + 1;

/// What was attached.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Attached {
    /// The attachment's record.
    pub id: String,
    /// SHA-256 of the file as it is kept, in hexadecimal digits.
    pub hash: String,
    /// Its kind: `jpeg`, `png`, `webp` or `pdf`.
    pub form: String,
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 of its thumbnail; none for a document.
    pub thumbnail: Option<String>,
}

/// Where the bytes of a file are, as far as this device knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum FileStanding {
    /// Not here, and not wanted.
    Away,
    /// Wanted.
    Arriving {
        /// How many bytes are here.
        held: u64,
    },
    /// Here; the relay does not have it yet.
    Waiting,
    /// Here, and the relay holds it.
    Uploaded,
    /// The relay does not take it, or what came is no file that is shown.
    Refused,
}

/// A file that a record of this device names.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Attachment {
    /// The attachment's record.
    pub id: String,
    /// The id of the record that it belongs to.
    pub of: Option<String>,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub hash: String,
    /// Whether it is the thumbnail of what is attached.
    pub thumbnail: bool,
    /// Its kind, as the record says.
    pub form: String,
    /// Its length in bytes, as the record says.
    pub size: u64,
    /// What its sender called it; never a path.
    pub name: Option<String>,
    /// Where its bytes are.
    pub standing: FileStanding,
}

/// How far a file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct FetchProgress {
    /// Bytes that are here.
    pub held: u64,
}

fn hash_of(text: &str) -> Result<[u8; 32], LastmileError> {
    let hash: Result<ChangeHash, _> = text.parse();
    hash.map(|hash| hash.0)
        .map_err(|_| LastmileError::argument("hash", "bad_bytes", "不是文件的哈希", "this is no file's hash"))
}

fn hex(hash: &[u8; 32]) -> String {
    ChangeHash(*hash).to_string()
}

/// Attaches the file of a path to a record.
pub(crate) fn attach(
    replica: &ClientReplica,
    of: &RecordId,
    path: &Path,
    name: Option<String>,
    acting: Option<&str>,
) -> Result<Attached, LastmileError> {
    let acting = acting.map(id_of).transpose()?.map(|id| id.0);
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
    let of_file = || path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.unwrap_or_else(of_file);
    let attached = replica.attach(acting, (&of.record_type, id_of(&of.id)?), &name, &bytes)?;
    Ok(Attached {
        id: attached.record.to_string(),
        hash: hex(&attached.hash),
        form: attached.form.code().to_owned(),
        size: attached.size,
        thumbnail: attached.thumbnail.as_ref().map(hex),
    })
}

const fn standing(of: lastmile_client::FileStanding) -> FileStanding {
    match of {
        lastmile_client::FileStanding::Away => FileStanding::Away,
        lastmile_client::FileStanding::Arriving(held) => FileStanding::Arriving { held },
        lastmile_client::FileStanding::Waiting => FileStanding::Waiting,
        lastmile_client::FileStanding::Uploaded => FileStanding::Uploaded,
        lastmile_client::FileStanding::Refused => FileStanding::Refused,
    }
}

/// Lists the files of one record, or of all.
pub(crate) fn list(replica: &ClientReplica, of: Option<&str>) -> Result<Vec<Attachment>, LastmileError> {
    let of = of.map(id_of).transpose()?;
    let one = |one: lastmile_client::Attachment| Attachment {
        id: one.named.record.to_string(),
        of: one.named.of.map(|of| of.to_string()),
        hash: hex(&one.named.hash),
        thumbnail: one.named.naming == Naming::Thumbnail,
        form: one.named.form,
        size: one.named.size,
        name: one.named.name,
        standing: standing(one.standing),
    };
    Ok(replica.attachments(of)?.into_iter().map(one).collect())
}

/// Writes bytes into a new file that is whole or not there.
fn write_out(path: &Path, bytes: &[u8]) -> Result<(), LastmileError> {
    let aside = path.with_extension("new");
    let mut file = std::fs::File::create(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&aside, path)?;
    Ok(())
}

/// A file that is being fetched. It goes on whether or not anybody holds the handle.
#[derive(uniffi::Object)]
pub struct FetchHandle {
    job: Job<u64>,
    held: watch::Receiver<u64>,
    ticks: Ticks,
}

impl FetchHandle {
    pub(crate) fn start(
        engine: &Engine,
        lease: Lease,
        hash: &str,
        path: String,
        deadline: Option<Duration>,
    ) -> Result<Arc<Self>, LastmileError> {
        let hash = hash_of(hash)?;
        let (tell, held) = watch::channel(0);
        let job = Job::start(engine, deadline, async move {
            let progress = move |bytes| {
                let _before = tell.send_replace(bytes);
            };
            let bytes = lease.fetch_file(&hash, progress).await?;
            let bytes = bytes.ok_or_else(|| LastmileError::not_found("no_file", "the relay does not have it yet"))?;
            let length = bytes.len() as u64;
            let written = tokio::task::spawn_blocking(move || write_out(&PathBuf::from(path), &bytes));
            written.await.unwrap_or_else(|_| Err(LastmileError::panic()))?;
            Ok(length)
        });
        let ticks = Ticks::until_ended(engine, &job, held.clone());
        Ok(Arc::new(Self { job, held, ticks }))
    }
}

#[uniffi::export]
impl FetchHandle {
    /// Waits until the file is written, and returns its length. Giving up this call does not give up the fetching.
    pub async fn result(&self) -> Result<u64, LastmileError> {
        self.job.result().await
    }

    /// Gives the fetching up; the next try goes on from there.
    pub fn cancel(&self) {
        self.job.cancel();
    }

    /// How far it has come.
    pub fn progress(&self) -> FetchProgress {
        FetchProgress { held: *self.held.borrow() }
    }

    /// As [`FetchHandle::progress`], once it has moved; `None` at the end.
    pub async fn next_progress(&self) -> Option<FetchProgress> {
        self.ticks.next().await.then(|| self.progress())
    }
}
