//! The program as a child process, a folder for one test, and a relay that serves.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

pub const COMMUNITY: &str = "430103005010";

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
    command.args(arguments).stdin(Stdio::null());
    for variable in ["LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG", "LASTMILE_LOG", "LASTMILE_DIR"] {
        command.env_remove(variable);
    }
    command
}

/// Runs a line that must end with this code.
pub fn run(code: i32, arguments: &[&str]) -> Output {
    let output = command(arguments).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{err}");
    output
}

pub fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Runs a line and reads its JSON.
pub fn json(code: i32, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.push("--json");
    let output = run(code, &all);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{}", text(&output)))
}

/// A folder for one test, and the paths in it.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

/// A relay that serves; killed when dropped.
pub struct Serving(Child);

impl Serving {
    pub fn start(place: &Place) -> Self {
        Self::start_at(place, "127.0.0.1:0")
    }

    /// Serves at an address of the caller's choice.
    pub fn start_at(place: &Place, listen: &str) -> Self {
        let (relay, address) = (place.text("relay"), place.text("address"));
        // What an earlier start wrote must not be taken for the word of this one.
        let _ = std::fs::remove_file(&address);
        let arguments = ["relay", "serve", "--dir", &relay, "--listen", listen, "--address-file", &address, "--quiet"];
        let serving = Self(command(&arguments).stdout(Stdio::null()).spawn().unwrap());
        for _ in 0..600 {
            if std::fs::read_to_string(&address).is_ok_and(|text| text.contains(':')) {
                return serving;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the relay does not start");
    }

    /// Stops it as a service manager does.
    pub fn stop(mut self) -> Option<i32> {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A relay that ran, and a device that is enrolled with it and holds the sample roster.
pub fn enrolled(place: &Place) -> (Serving, String, String) {
    let serving = Serving::start(place);
    let (relay, device, invite) = (place.text("relay"), place.text("device"), place.text("invite.txt"));
    run(0, &["relay", "invite", "--dir", &relay, "--scope", COMMUNITY, "--role", "secretary", "--out", &invite]);
    assert!(text(&run(0, &["inspect", &invite])).contains("community:430103005010"));
    run(0, &["device", "init", "--invite-file", &invite, "--dir", &device]);
    (serving, relay, device)
}
