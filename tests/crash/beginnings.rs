//! A device that dies while it enrols and a relay that dies while its folder is made: both can begin again.

use std::path::Path;

use lastmile_client::ReplicaOptions;
use lastmile_log::Invite;
use lastmile_relay::InviteOrder;

use crate::child::{ADDRESS, FOLDER, INVITE};
use crate::ground::{Ground, digest, relay_digest, scope, settle, wait};
use crate::injected::{Fault, KILLING, calls, has_strace, places, strace, was_hit};
use crate::ledger::checked;
use crate::pauses::add;
use crate::process::{Process, after_starts, command};

/// Lets a device enrol in a process of its own; returns whether it said that it had.
fn enrol(folder: &Path, invite: &Invite, beside: &Path, wrapper: &[String]) -> bool {
    let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
    let mut command = command("enrol", &wrapper);
    command.env(FOLDER, folder).env(INVITE, invite.to_text());
    let mut process = Process::start(command, "enrol", beside);
    let (said, status) = process.end();
    let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
    assert!(status.success() || killed, "{said:?}: {}", process.complaints());
    said.iter().any(|line| line.starts_with("enrolled"))
}

#[test]
fn an_enrolment_that_dies_anywhere_can_be_made_again() {
    if !has_strace("deaths of an enrolment") {
        return;
    }
    let ground = Ground::new(0);
    let beside = ground.folder.path();
    let noted = beside.join("strace.txt");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let relay = runtime.block_on(ground.serve());
    let invite = || runtime.block_on(relay.invite(InviteOrder::new(vec![scope()], relay.url()))).unwrap();
    assert!(enrol(&ground.device(0), &invite(), beside, &strace(&noted, None)));
    let faults: Vec<(Fault, usize)> = KILLING
        .iter()
        .flat_map(|fault| places(calls(&noted, fault.call)).into_iter().map(|number| (*fault, number)))
        .collect();
    for (number, fault) in faults.iter().enumerate() {
        let (invite, folder) = (invite(), ground.device(number + 1));
        let enrolled = enrol(&folder, &invite, beside, &strace(&noted, Some(*fault)));
        assert!(was_hit(&noted, fault.0), "{fault:?}");
        after_starts();
        // Who finds a replica there has enrolled already.
        let author = match runtime.block_on(lastmile_client::Replica::enrol(
            &folder,
            &invite,
            "again",
            ReplicaOptions::default(),
        )) {
            Ok(replica) if !enrolled => replica.author(),
            Ok(_) => panic!("{fault:?}: it had said that it is enrolled"),
            Err(lastmile_client::ClientError::Exists { .. }) => ground.open(number + 1).author(),
            Err(other) => panic!("{fault:?}: {other}"),
        };
        let replica = ground.open(number + 1);
        assert_eq!(replica.author(), author, "{fault:?}");
        add(&replica, &format!("{number}"));
        runtime.block_on(settle(&replica));
        replica.close().unwrap();
        drop(checked(&ground.device_file(number + 1)));
    }
    let one = ground.open(1);
    runtime.block_on(settle(&one));
    assert_eq!(digest(&one), runtime.block_on(relay_digest(&relay)));
    runtime.block_on(relay.stop()).unwrap();
    crate::say(&format!("enrolment: {} deaths at a write or flush, all enrolled in the end", faults.len()));
}

#[test]
fn a_relay_folder_whose_making_dies_anywhere_can_be_made_again() {
    if !has_strace("deaths of a relay's first start") {
        return;
    }
    let ground = Ground::new(0);
    let noted = ground.folder.path().join("strace.txt");
    let start = |name: &str, wrapper: &[String]| {
        let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
        let mut command = command("relay", &wrapper);
        command.env(FOLDER, ground.folder.path().join(name)).env(ADDRESS, ground.address.to_string());
        Process::start(command, "first", ground.folder.path())
    };
    let mut whole = start("whole", &strace(&noted, None));
    whole.wait_for("serving");
    whole.kill();
    let mut deaths = 0;
    for fault in KILLING {
        // The last ones are made while it serves already.
        let all = calls(&noted, fault.call) * 4 / 5;
        for number in places(all) {
            let injected = ground.folder.path().join("injected.txt");
            let name = format!("{}-{number}", fault.call);
            let mut dying = start(&name, &strace(&injected, Some((fault, number))));
            let (said, _) = dying.end();
            assert!(
                was_hit(&injected, fault) && !said.contains(&"serving".to_owned()),
                "{fault:?} at {number}: {said:?}"
            );
            let mut again = start(&name, &[]);
            again.wait_for("serving");
            again.kill();
            drop(checked(&ground.folder.path().join(name).join("relay.db")));
            deaths += 1;
        }
    }
    wait(async {
        let relay = ground.serve().await;
        relay.stop().await.unwrap();
    });
    crate::say(&format!("relay's first start: {deaths} deaths at a write or flush, all served in the end"));
}
