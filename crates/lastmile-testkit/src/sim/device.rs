//! One device: its folder, its replica, the exchange under way, and what it must hold.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use lastmile_client::{ClientError, Replica, ReplicaOptions, SyncReport};
use lastmile_log::AuthorKey;
use lastmile_model::{AuthorId, ChainHash, ChangeHash, Scope};

use super::machine::Machine;
use super::net::Line;
use super::template::Image;
use crate::disk::Disk;

/// A commit's place and chain hash.
pub type Place = (Scope, AuthorId, u64, ChainHash);

type Syncing = Pin<Box<dyn Future<Output = Result<SyncReport, ClientError>> + Send>>;

/// What a backup holds, and what was acknowledged when it was made.
#[derive(Clone)]
pub struct Backup {
    pub image: Image,
    pub must_have: BTreeSet<usize>,
    pub heard: usize,
}

/// A device.
pub struct Device {
    pub no: usize,
    /// Which of the devices that the office knows it is, in a city: a copy is the one that it was copied from.
    pub lineage: usize,
    /// The scopes held at the last look.
    pub scopes: BTreeSet<Scope>,
    pub dir: PathBuf,
    pub disk: Disk,
    pub machine: Arc<Machine>,
    pub line: Line,
    pub replica: Option<Arc<Replica>>,
    syncing: Option<Syncing>,
    /// The commits of the ledger that were acknowledged here.
    pub must_have: BTreeSet<usize>,
    /// Heads that were held at the last look.
    pub held: BTreeSet<Place>,
    /// Heads of own logs for which it has said that they are uploaded.
    pub uploaded: BTreeSet<Place>,
    /// Whether its last exchange left both sides with the same.
    pub equal: bool,
    /// How many erasures it has heard of.
    pub heard: usize,
    pub backup: Option<Backup>,
    /// Whether its disk was made to fill up.
    pub full: bool,
}

impl Device {
    pub fn new(no: usize, folder: &Path, machine: Arc<Machine>) -> Self {
        let dir = folder.join(format!("device-{no}"));
        Self {
            no,
            lineage: no,
            scopes: BTreeSet::new(),
            disk: Disk::at(&dir),
            dir,
            machine,
            line: Line::default(),
            replica: None,
            syncing: None,
            must_have: BTreeSet::new(),
            held: BTreeSet::new(),
            uploaded: BTreeSet::new(),
            equal: false,
            heard: 0,
            backup: None,
            full: false,
        }
    }

    /// How its replica is made and opened.
    pub fn options(&self) -> ReplicaOptions {
        ReplicaOptions {
            clock: Arc::clone(&self.machine) as _,
            transport: Some(Arc::new(self.line.clone())),
            ..ReplicaOptions::default()
        }
    }

    /// Opens the replica.
    pub fn open(&mut self) -> Result<(), ClientError> {
        self.replica = Some(Arc::new(Replica::open(&self.dir, self.options())?));
        Ok(())
    }

    /// Whether errors of the disk are to be expected.
    pub fn is_troubled(&self) -> bool {
        self.full || self.disk.is_off()
    }

    /// Makes room on the disk.
    pub fn heal(&mut self) {
        self.full = false;
        self.disk.cure();
    }

    /// The process is gone.
    pub fn stop(&mut self) {
        self.syncing = None;
        self.line.take();
        self.replica = None;
    }

    /// Closes the replica as an app does.
    pub fn close(&mut self) -> Result<(), ClientError> {
        self.syncing = None;
        self.line.take();
        match self.replica.take().and_then(Arc::into_inner) {
            Some(replica) => replica.close(),
            None => Ok(()),
        }
    }

    pub fn replica(&self) -> &Arc<Replica> {
        self.replica.as_ref().expect("a device is open between steps")
    }

    /// Begins an exchange with the relay, unless one is under way.
    pub fn begin_sync(&mut self) {
        if self.syncing.is_none() {
            let replica = Arc::clone(self.replica());
            self.syncing = Some(Box::pin(async move { replica.sync().await }));
        }
    }

    /// Lets the exchange go on; its result when it has ended.
    pub fn poll_sync(&mut self) -> Option<Result<SyncReport, ClientError>> {
        let polled = self.syncing.as_mut()?.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        match polled {
            Poll::Ready(result) => {
                self.syncing = None;
                Some(result)
            }
            Poll::Pending => None,
        }
    }

    /// The key that the device signs with.
    pub fn key(&self) -> AuthorKey {
        let text = std::fs::read_to_string(self.dir.join("device.key")).expect("a device has a key");
        let seed: ChangeHash = text.trim().parse().expect("a key is a key");
        AuthorKey::from_seed(&seed.0)
    }
}
