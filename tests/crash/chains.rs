//! The register and the audit log are flushed before anything is answered: where the disk fails at that, whoever asked is told.

use lastmile_relay::{Office, OfficeAnswer, OfficeCommand, OfficeError, RelayOptions};

use crate::ground::{Ground, wait};
use crate::injected::has_strace;

/// Asks the office of the relay that serves this ground.
fn ask(ground: &Ground, command: OfficeCommand) -> Result<OfficeAnswer, OfficeError> {
    Office::open(ground.relay(), &RelayOptions::default()).unwrap().run(command)
}

/// Whether the device is revoked, as the relay says that is started anew on a disk that works.
fn is_revoked(ground: &Ground, author: &str) -> bool {
    let answer = wait(async {
        let relay = ground.serve().await;
        let answer = relay.office().run(OfficeCommand::Devices { within: None }).await.unwrap();
        relay.stop().await.unwrap();
        answer
    });
    let OfficeAnswer::Devices { devices } = answer else { panic!("{answer:?}") };
    devices.iter().find(|device| device.author == author).unwrap().revoked
}

#[test]
fn what_cannot_be_flushed_is_answered_to_nobody() {
    if !has_strace("flushes of the register and the audit log") {
        return;
    }
    for chain in ["register.jsonl", "audit"] {
        let ground = Ground::new(1);
        let device = ground.open(0);
        let author = device.author().to_string();
        device.close().unwrap();
        let mut path = ground.relay().join(chain);
        if path.is_dir() {
            path = std::fs::read_dir(&path).unwrap().next().unwrap().unwrap().path();
        }
        let noted = ground.folder.path().join("strace.txt");
        let (path, noted_at) = (path.to_str().unwrap(), noted.to_str().unwrap());
        let failing = ["-e", "trace=fsync", "-e", "inject=fsync:error=EIO"];
        let wrapper = [&["strace", "-f", "-qq", "-o", noted_at, "-P", path][..], &failing].concat();
        let mut relay = ground.start_relay(&wrapper, &[]);
        relay.wait_for("serving");
        let revoke = || OfficeCommand::Revoke { author: author.clone(), reason: "手机丢失".to_owned() };
        let answer = ask(&ground, revoke());
        assert!(answer.is_err(), "{chain}: {answer:?}");
        assert!(std::fs::read_to_string(&noted).unwrap().contains("INJECTED"), "{chain} is not flushed at all");
        relay.kill();
        if chain == "register.jsonl" {
            assert!(!is_revoked(&ground, &author), "what stands in no register was done");
        }
        let mut relay = ground.start_relay(&[], &[]);
        relay.wait_for("serving");
        ask(&ground, revoke()).unwrap();
        relay.kill();
        assert!(is_revoked(&ground, &author));
    }
}
