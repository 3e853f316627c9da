//! Disks that are full or cannot be written: named, survived, and gone on from when the fault is mended.
//!
//! Needs the right to mount a small file system of one's own (`unshare -m`, `mount -t tmpfs`).

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use lastmile_client::{ClientError, Replica, ReplicaOptions};
use lastmile_model::input::Entry;
use lastmile_protocol::Code;
use lastmile_relay::{InviteOrder, Relay, RelayError, RelayFolder, RelayOptions, RunningRelay};
use lastmile_store::StoreError;
use lastmile_web::Limits;

use crate::child::FOLDER;
use crate::ground::{Ground, digest, relay_digest, scope, settle, wait};
use crate::ledger::{checked, reader, titles};
use crate::process::{Process, command, output};

/// Mounts a small file system that only the program run by it sees.
const MOUNT: [&str; 5] = ["unshare", "-m", "sh", "-c", r#"mount -t tmpfs -o size=6m lastmile "$0" && exec "$@""#];

#[test]
fn a_full_disk_and_one_that_cannot_be_written_are_named_and_survived() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrapper = MOUNT.to_vec();
    let place = folder.path().to_str().unwrap();
    wrapper.push(place);
    let probe = output(Command::new(wrapper[0]).args(&wrapper[1..]).arg("true"));
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        return crate::skip("full disk", &format!("no small file system can be mounted here: {probe:?}"));
    }
    let apart = tempfile::tempdir().unwrap();
    let mut command = command("full-disk", &wrapper);
    command.env(FOLDER, folder.path());
    let mut child = Process::start(command, "full-disk", apart.path());
    let (said, status) = child.end();
    assert!(status.success(), "{said:?}\n{}", child.complaints());
    for told in said.iter().filter(|line| line.starts_with("full disk")) {
        crate::say(told);
    }
    assert!(said.iter().any(|line| line == "full disk: all of it ran"), "{said:?}");
}

/// Takes all room but so many bytes.
fn fill(folder: &Path, but: usize) {
    fs::write(folder.join("kept-free"), vec![1; but]).unwrap();
    let mut file = fs::File::create(folder.join("filler")).unwrap();
    while file.write_all(&[1; 4_096]).is_ok() {}
    fs::remove_file(folder.join("kept-free")).unwrap();
}

fn make_room(folder: &Path) {
    fs::remove_file(folder.join("filler")).unwrap();
}

fn try_add(replica: &Replica, title: &str) -> Result<(), ClientError> {
    let values = [("title", title), ("category", "environment"), ("kind", "service"), ("date", "2025-03-05")];
    let values = values.map(|(key, value)| (key.to_owned(), value.into()));
    let mut draft = replica.draft(None);
    draft.create("activity", Entry { values: values.to_vec(), ..Entry::default() })?;
    draft.save().map(drop)
}

const fn names_the_disk(error: &StoreError) -> bool {
    matches!(error, StoreError::DiskFull | StoreError::NoRoom { .. })
}

/// Runs in the child that sees the small file system in this folder.
pub fn in_a_small_file_system(folder: &Path) {
    wait(async {
        device_without_room(folder).await;
        relay_without_room(folder).await;
        read_only(folder).await;
    });
    println!("full disk: all of it ran");
}

async fn device_without_room(folder: &Path) {
    let ground = tokio::task::spawn_blocking(|| Ground::new(0)).await.unwrap();
    let relay = ground.serve().await;
    let invite = relay.invite(InviteOrder::new(vec![scope()], relay.url())).await.unwrap();
    let place = folder.join("device");
    let mut replica = Replica::enrol(&place, &invite, "small", ReplicaOptions::default()).await.unwrap();
    let author = replica.author();
    settle(&replica).await;
    let mut saved = 0;
    for room in [900_000, 40_000, 5_000, 0] {
        fill(folder, room);
        let error = loop {
            match try_add(&replica, &format!("{room} {saved}")) {
                Ok(()) => saved += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(&error, ClientError::Store(error) if names_the_disk(error)), "{error:?}");
        // What was said to be saved is shown, and nothing of what was not.
        assert_eq!(replica.read(|reader| titles(reader)).len(), saved);
        // An exchange may get through or name the disk, and claims nothing that it could not keep.
        if let Err(error) = replica.sync().await {
            assert!(matches!(&error, ClientError::Store(error) if names_the_disk(error)), "{error:?}");
        }
        let claimed = replica.status().unwrap().unsent_commits;
        drop(replica);
        // Opening needs to write a little as well.
        match Replica::open(&place, ReplicaOptions::default()) {
            Ok(open) => drop(open),
            Err(ClientError::Store(error)) => assert!(names_the_disk(&error), "{error:?}"),
            Err(ClientError::File { source, .. }) => assert_eq!(source.kind(), std::io::ErrorKind::StorageFull),
            Err(other) => panic!("{other:?}"),
        }
        make_room(folder);
        replica = Replica::open(&place, ReplicaOptions::default()).unwrap();
        assert_eq!(replica.author(), author, "a full disk makes nobody another author ({room} free)");
        assert_eq!(replica.status().unwrap().unsent_commits, claimed);
        assert_eq!(replica.read(|reader| titles(reader)).len(), saved);
        try_add(&replica, "with room again").unwrap();
        saved += 1;
        settle(&replica).await;
        assert_eq!(digest(&replica), relay_digest(&relay).await);
    }
    replica.close().unwrap();
    drop(checked(&place.join("replica.db")));
    println!("full disk: a device refused by name 4 times, kept its {saved} saves and its author");
    relay.stop().await.unwrap();
    fs::remove_dir_all(&place).unwrap();
}

async fn serve(folder: &Path) -> RunningRelay {
    let folder = RelayFolder::open_or_create(folder, &RelayOptions::default()).unwrap();
    Relay::start(folder, "127.0.0.1:0".parse().unwrap(), Limits::default()).await.unwrap()
}

async fn relay_without_room(folder: &Path) {
    let place = folder.join("relay");
    let relay = serve(&place).await;
    let invite = relay.invite(InviteOrder::new(vec![scope()], relay.url())).await.unwrap();
    let outside = tempfile::tempdir().unwrap();
    let replica =
        Replica::enrol(&outside.path().join("device"), &invite, "large", ReplicaOptions::default()).await.unwrap();
    settle(&replica).await;
    let (mut saved, mut refused) = (0, 0);
    for room in [150_000, 20_000, 0] {
        fill(folder, room);
        loop {
            for _ in 0..20 {
                try_add(&replica, &format!("{room} {saved}")).unwrap();
                saved += 1;
            }
            match replica.sync().await {
                Ok(_) => {}
                Err(ClientError::Refused { code: Code::CannotStore, .. }) => break,
                Err(other) => panic!("{other:?}"),
            }
        }
        refused += 1;
        let claimed = replica.status().unwrap().unsent_commits;
        assert!(claimed >= 20, "what the relay refused stays unsent: {claimed}");
        assert!(replica.status().unwrap().last_error.is_some());
        // What it receipted before it holds, with no room to follow.
        let logs = reader(&place.join("relay.db")).logs().unwrap();
        let held = logs.iter().find(|log| log.author == replica.author()).map_or(0, |log| log.head);
        assert_eq!(held + claimed, saved, "held + unsent = made");
        make_room(folder);
        settle(&replica).await;
        assert_eq!(digest(&replica), relay_digest(&relay).await);
    }
    relay.stop().await.unwrap();
    drop(checked(&place.join("relay.db")));
    println!(
        "full disk: a relay refused {refused} times by name, kept what it had receipted and took all {saved} saves"
    );
    fs::remove_dir_all(&place).unwrap();
}

fn remount(folder: &Path, how: &str) {
    let done = output(Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(folder)).unwrap();
    assert!(done.status.success(), "{done:?}");
}

async fn read_only(folder: &Path) {
    let place = folder.join("relay");
    let relay = serve(&place).await;
    let invite = relay.invite(InviteOrder::new(vec![scope()], relay.url())).await.unwrap();
    let device = folder.join("device");
    let replica = Replica::enrol(&device, &invite, "locked", ReplicaOptions::default()).await.unwrap();
    try_add(&replica, "before").unwrap();
    settle(&replica).await;
    let (author, shown) = (replica.author(), digest(&replica));
    replica.close().unwrap();
    relay.stop().await.unwrap();
    remount(folder, "ro");
    let error = Replica::open(&device, ReplicaOptions::default()).unwrap_err();
    assert!(matches!(error, ClientError::Store(StoreError::ReadOnly { .. })), "{error:?}");
    let error = RelayFolder::open_or_create(&place, &RelayOptions::default()).unwrap_err();
    assert!(matches!(error, RelayError::ReadOnly { .. } | RelayError::Store(StoreError::ReadOnly { .. })), "{error:?}");
    remount(folder, "rw");
    let replica = Replica::open(&device, ReplicaOptions::default()).unwrap();
    assert_eq!((replica.author(), digest(&replica)), (author, shown));
    let relay = serve(&place).await;
    assert_eq!(relay_digest(&relay).await, shown);
    relay.stop().await.unwrap();
    println!("full disk: a device and a relay that cannot be written say so, and go on when they can");
}
