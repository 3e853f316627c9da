//! A relay and devices on loopback, as people have them.

use std::path::{Path, PathBuf};

use lastmile_client::{Replica, ReplicaOptions, SyncReport};
use lastmile_model::input::Entry;
use lastmile_model::roles::Role;
use lastmile_model::{RecordId, Scope, Value};
use lastmile_relay::{InviteOrder, Relay, RelayFolder, RelayOptions, RunningRelay};
use lastmile_web::Limits;

pub const COMMUNITY: &str = "430103005010";

pub fn scope() -> Scope {
    Scope::community(COMMUNITY).unwrap()
}

/// A folder with a relay and devices in it.
pub struct Field {
    folder: tempfile::TempDir,
    pub relay: Option<RunningRelay>,
    address: std::net::SocketAddr,
    options: RelayOptions,
    limits: Limits,
}

impl Field {
    pub async fn new() -> Self {
        Self::with(RelayOptions::default(), Limits::default()).await
    }

    pub async fn with(options: RelayOptions, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        let mut field = Self { folder, relay: None, address, options, limits };
        field.on().await;
        field.address = field.relay().addr();
        field
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn relay(&self) -> &RunningRelay {
        self.relay.as_ref().unwrap()
    }

    /// Switches the relay off.
    pub async fn off(&mut self) {
        self.relay.take().unwrap().stop().await.unwrap();
    }

    /// Switches the relay on again at the same address.
    pub async fn on(&mut self) {
        let folder = RelayFolder::open_or_create(self.path("relay"), &self.options).unwrap();
        self.relay = Some(Relay::start(folder, self.address, self.limits.clone()).await.unwrap());
    }

    pub async fn enrol(&self, name: &str) -> Replica {
        self.enrol_in(name, scope()).await
    }

    /// Enrols a device of another community.
    pub async fn enrol_in(&self, name: &str, scope: Scope) -> Replica {
        let invite = self.relay().invite(InviteOrder::new(vec![scope], self.relay().url())).await.unwrap();
        Replica::enrol(&self.path(name), &invite, name, ReplicaOptions::default()).await.unwrap()
    }

    /// Enrols a device whose users have these roles.
    pub async fn enrol_as(&self, name: &str, roles: &[Role]) -> Replica {
        let order = InviteOrder { roles: roles.to_vec(), ..InviteOrder::new(vec![scope()], self.relay().url()) };
        let invite = self.relay().invite(order).await.unwrap();
        Replica::enrol(&self.path(name), &invite, name, ReplicaOptions::default()).await.unwrap()
    }

    /// Enrols a device that may be used until this time, in milliseconds since 1970.
    pub async fn enrol_until(&self, name: &str, until_ms: i64) -> Replica {
        let mut order = InviteOrder::new(vec![scope()], self.relay().url());
        order.until_ms = Some(until_ms);
        let invite = self.relay().invite(order).await.unwrap();
        Replica::enrol(&self.path(name), &invite, name, ReplicaOptions::default()).await.unwrap()
    }

    pub fn open(&self, name: &str) -> Replica {
        Replica::open(&self.path(name), ReplicaOptions::default()).unwrap()
    }

    /// Gives the relay, while it is off, another epoch, as one gets that was put back from a copy.
    pub fn new_epoch(&self) {
        std::fs::write(self.path("relay").join("office.key"), format!("{}\n", "5c".repeat(32))).unwrap();
    }

    /// Copies the folder of a closed device or relay over another, as a backup would.
    pub fn copy(&self, from: &str, to: &str) {
        if self.path(to).exists() {
            std::fs::remove_dir_all(self.path(to)).unwrap();
        }
        copy_folder(&self.path(from), &self.path(to));
    }

    /// The relay's digest of the community, when its views have followed.
    pub async fn digest(&self) -> [u8; 32] {
        self.relay().settle().await.unwrap();
        let mut reader = self.relay().reader().await.unwrap();
        reader.digest(Some(&scope())).unwrap()
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub fn digest(replica: &Replica) -> [u8; 32] {
    replica.read(|reader| reader.digest(Some(&scope()))).unwrap()
}

/// Syncs until both sides hold the same, within a few exchanges.
pub async fn settle(replica: &Replica) -> SyncReport {
    for _ in 0..8 {
        let report = replica.sync().await.unwrap();
        if report.equal {
            return report;
        }
    }
    panic!("a device did not come to rest");
}

pub fn add_activity(replica: &Replica, title: &str, beneficiaries: i64) -> RecordId {
    let values: Vec<(String, Value)> = vec![
        ("title".to_owned(), title.into()),
        ("category".to_owned(), "environment".into()),
        ("kind".to_owned(), "service".into()),
        ("date".to_owned(), "2025-03-05".into()),
        ("beneficiaries".to_owned(), beneficiaries.into()),
    ];
    let mut draft = replica.draft(None);
    let id = draft.create("activity", Entry { values, ..Entry::default() }).unwrap();
    draft.save().unwrap();
    id
}

pub fn set(replica: &Replica, id: RecordId, field: &str, value: impl Into<Value>) {
    let mut draft = replica.draft(None);
    let entry = Entry { values: vec![(field.to_owned(), value.into())], ..Entry::default() };
    draft.edit("activity", id, entry).unwrap();
    draft.save().unwrap();
}
