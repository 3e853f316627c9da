//! A relay with enrolled devices, made once for a whole run: every seed begins with copies of it.

use std::path::Path;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use lastmile_client::{Replica, ReplicaOptions};
use lastmile_model::Scope;
use lastmile_model::roles::Role;
use lastmile_relay::by_hand::HandRelay;
use lastmile_relay::{InviteOrder, RelayFolder};

use super::hub::relay_options;
use super::machine::Machine;
use super::net::Line;
use super::plan::Kind;
use super::{COMMUNITY, NEIGHBOUR};
use crate::disk::{Disk, Snapshot};

/// The most devices a seed begins with.
pub const DEVICES: usize = 8;

/// When every seed begins: 2026-03-02 01:00 UTC.
pub const BEGIN_MS: i64 = 1_772_413_200_000;

/// A machine's folder: the simulated database and the real small files.
#[derive(Clone)]
pub struct Image {
    db: Snapshot,
    files: Vec<(String, Vec<u8>)>,
}

impl Image {
    /// Copies what stands in a folder now.
    pub fn of(dir: &Path, disk: &Disk) -> Self {
        Self { db: disk.snapshot(), files: small_files(dir) }
    }

    /// Whether a small file is the same in a folder now.
    pub fn has_same(&self, dir: &Path, name: &str) -> bool {
        let here = std::fs::read(dir.join(name)).ok();
        self.files.iter().find(|(of, _)| of == name).map(|(_, bytes)| bytes) == here.as_ref()
    }

    /// Puts it into a folder: the database, and the small files too if `whole`.
    pub fn put(&self, dir: &Path, disk: &Disk, whole: bool) {
        std::fs::create_dir_all(dir).expect("a folder in memory can be made");
        disk.restore(&self.db);
        for (name, bytes) in self.files.iter().filter(|_| whole) {
            std::fs::write(dir.join(name), bytes).expect("a file in memory can be written");
        }
    }
}

/// The files of a folder that do not live on the simulated disk, sorted by name.
fn small_files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(dir)
        .expect("the folder is there")
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            Some((name, std::fs::read(entry.path()).ok()?))
        })
        .collect();
    files.sort();
    files
}

/// A relay and devices, enrolled and closed.
pub struct Template {
    pub relay: Image,
    pub devices: Vec<Image>,
}

/// Where simulated folders stand: in memory where the system has such a place.
pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a scratch folder can be made")
}

/// What the devices of a city are for, by their numbers: a role, and the communities they hold.
pub const CITY: [(Role, &[&str]); 6] = [
    (Role::Worker, &[COMMUNITY]),
    (Role::Worker, &[NEIGHBOUR]),
    (Role::Secretary, &[COMMUNITY]),
    (Role::Worker, &[COMMUNITY]),
    (Role::Secretary, &[NEIGHBOUR]),
    (Role::Street, &[COMMUNITY, NEIGHBOUR]),
];

/// The template of a kind of world; the same in every process.
pub fn template(kind: Kind) -> &'static Template {
    static COMMUNITIES: OnceLock<Template> = OnceLock::new();
    static CITIES: OnceLock<Template> = OnceLock::new();
    match kind {
        Kind::Community => COMMUNITIES.get_or_init(|| make(&[(Role::Worker, &[COMMUNITY][..]); DEVICES])),
        Kind::City => CITIES.get_or_init(|| make(&CITY)),
    }
}

fn make(of: &[(Role, &[&str])]) -> Template {
    let scratch = scratch();
    let time = Arc::new(AtomicI64::new(BEGIN_MS));
    let dir = scratch.path().join("relay");
    let disk = Disk::at(&dir);
    let machine = Machine::new(&time, 1);
    let folder = RelayFolder::open_or_create(&dir, &relay_options(&machine)).expect("a relay can be made");
    let mut relay = HandRelay::new(folder).expect("a relay can be driven");
    let mut devices = Vec::new();
    for (no, (role, communities)) in of.iter().enumerate() {
        let scopes = communities.iter().map(|code| Scope::community(code).expect("a community of the place list"));
        let mut order = InviteOrder::new(scopes.collect(), "http://simulated");
        order.roles = vec![*role];
        let invite = relay.invite(&order).expect("an invite can be made");
        let dir = scratch.path().join(format!("device-{no}"));
        let disk = Disk::at(&dir);
        let line = Line::default();
        let options = ReplicaOptions {
            clock: Machine::new(&time, 100 + no as u64),
            transport: Some(Arc::new(line.clone())),
            ..ReplicaOptions::default()
        };
        let label = format!("设备{no}");
        let mut enrolling = Box::pin(Replica::enrol(&dir, &invite, &label, options));
        let replica = loop {
            match enrolling.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(made) => break made.expect("a device can enrol"),
                Poll::Pending => line.take().into_iter().for_each(|posted| {
                    let answer = answer(&mut relay, &posted.path, posted.body);
                    *posted.slot.lock().expect("nobody panics with it") = Some(Ok(answer.into()));
                }),
            }
        };
        drop(enrolling);
        replica.close().expect("a device can be closed");
        devices.push(Image::of(&dir, &disk));
    }
    while relay.turn() {}
    drop(relay);
    Template { relay: Image::of(&dir, &disk), devices }
}

fn answer(relay: &mut HandRelay, path: &str, body: Vec<u8>) -> Vec<u8> {
    let mut answer = relay.request(path, body);
    loop {
        match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(bytes) => return bytes,
            Poll::Pending => assert!(relay.turn(), "an answer waits for nothing"),
        }
    }
}
