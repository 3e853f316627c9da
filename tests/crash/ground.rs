//! Folders with a relay and devices, and the processes that work on them.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};

use lastmile_client::{Replica, ReplicaOptions};
use lastmile_model::Scope;
use lastmile_relay::{InviteOrder, Relay, RelayFolder, RelayOptions, RunningRelay};
use lastmile_web::Limits;

use crate::child::{ADDRESS, FOLDER, SEED};
use crate::process::{Process, after_starts, command};

pub fn scope() -> Scope {
    Scope::community("430103005010").unwrap()
}

/// A port that nothing listens on and that the system gives to nobody by itself, so that a relay finds it free again.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 100).unwrap() * 100;
    loop {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::SeqCst)) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Runs something that waits.
pub fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

/// A folder with a relay and enrolled devices, none of them running.
pub struct Ground {
    pub folder: tempfile::TempDir,
    pub address: SocketAddr,
}

impl Ground {
    pub fn new(devices: usize) -> Self {
        Self::at(devices, SocketAddr::from(([127, 0, 0, 1], free_port())))
    }

    fn at(devices: usize, address: SocketAddr) -> Self {
        let ground = Self { folder: tempfile::tempdir().unwrap(), address };
        wait(async {
            let relay = ground.serve().await;
            for number in 0..devices {
                ground.enrol(&relay, number).await.close().unwrap();
            }
            relay.stop().await.unwrap();
        });
        ground
    }

    /// Serves the relay's folder in this process.
    pub async fn serve(&self) -> RunningRelay {
        after_starts();
        let folder = RelayFolder::open_or_create(self.relay(), &RelayOptions::default()).unwrap();
        Relay::start(folder, self.address, Limits::default()).await.unwrap()
    }

    pub async fn enrol(&self, relay: &RunningRelay, number: usize) -> Replica {
        let invite = relay.invite(InviteOrder::new(vec![scope()], relay.url())).await.unwrap();
        Replica::enrol(&self.device(number), &invite, "device", ReplicaOptions::default()).await.unwrap()
    }

    pub fn open(&self, number: usize) -> Replica {
        self.open_with(number, ReplicaOptions::default())
    }

    pub fn open_with(&self, number: usize, options: ReplicaOptions) -> Replica {
        after_starts();
        Replica::open(&self.device(number), options).unwrap()
    }

    pub fn relay(&self) -> PathBuf {
        self.folder.path().join("relay")
    }

    pub fn relay_file(&self) -> PathBuf {
        self.relay().join("relay.db")
    }

    pub fn device(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("device-{number}"))
    }

    pub fn device_file(&self, number: usize) -> PathBuf {
        self.device(number).join("replica.db")
    }

    /// Starts the relay as a process; it may not serve yet.
    pub fn start_relay(&self, wrapper: &[&str], environment: &[(&str, &str)]) -> Process {
        let mut command = command("relay", wrapper);
        command.env(FOLDER, self.relay()).env(ADDRESS, self.address.to_string()).envs(environment.iter().copied());
        Process::start(command, "relay", self.folder.path())
    }

    /// Starts a device as a process that saves and syncs by itself.
    pub fn start_device(&self, number: usize, seed: u64, environment: &[(&str, &str)]) -> Process {
        let mut command = command("device", &[]);
        command.env(FOLDER, self.device(number)).env(SEED, seed.to_string()).envs(environment.iter().copied());
        Process::start(command, &format!("device-{number}"), self.folder.path())
    }
}

/// Syncs until both sides hold the same and nothing is unsent.
pub async fn settle(replica: &Replica) {
    for _ in 0..8 {
        let report = replica.sync().await.unwrap();
        if report.equal && replica.status().unwrap().unsent_commits == 0 {
            return;
        }
    }
    panic!("a device did not come to rest: {:?}", replica.status());
}

pub fn digest(replica: &Replica) -> [u8; 32] {
    replica.read(|reader| reader.digest(Some(&scope()))).unwrap()
}

/// The relay's digest, when its views have followed.
pub async fn relay_digest(relay: &RunningRelay) -> [u8; 32] {
    relay.settle().await.unwrap();
    relay.reader().await.unwrap().digest(Some(&scope())).unwrap()
}
