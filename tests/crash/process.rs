//! A child process and what it prints.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::child::ROLE;

/// How long anything may take that is sure to happen. Far more than it needs, on a machine that does much else.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Held while a process is started. Until it has become another program it holds what other threads had open, the locks of replicas
/// among them, even if they have closed them meanwhile.
static STARTING: Mutex<()> = Mutex::new(());

fn starting() -> MutexGuard<'static, ()> {
    STARTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until no process holds what this one has closed: before a replica is opened that was open here.
pub fn after_starts() {
    drop(starting());
}

/// Runs a command to its end.
pub fn output(command: &mut Command) -> std::io::Result<Output> {
    let _alone = starting();
    command.stdin(Stdio::null()).output()
}

/// A command that starts this binary as a child, behind a wrapper such as `strace` if there is one.
pub fn command(role: &str, wrapper: &[&str]) -> Command {
    let itself = std::env::current_exe().unwrap();
    let arguments = ["child::child", "--exact", "--ignored", "--nocapture", "--test-threads=1", "-q"];
    let mut command = match wrapper {
        [] => Command::new(itself),
        [program, rest @ ..] => {
            let mut command = Command::new(program);
            command.args(rest).arg(itself);
            command
        }
    };
    command.args(arguments).env(ROLE, role).env_remove("RUST_BACKTRACE");
    command
}

/// A child that is killed when it is dropped.
pub struct Process {
    child: Child,
    /// The process itself, which behind a wrapper is not the one that was started.
    pid: Option<Pid>,
    lines: Receiver<String>,
    errors: PathBuf,
    what: String,
}

impl Process {
    /// Starts a child; what it says on stderr goes to a file in this folder.
    pub fn start(mut command: Command, what: &str, folder: &Path) -> Self {
        let errors = folder.join(format!("{what}.stderr"));
        let file = File::options().append(true).create(true).open(&errors).unwrap();
        let _alone = starting();
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn();
        let mut child = started.unwrap_or_else(|error| panic!("{what} cannot be started: {error}"));
        let (sender, lines) = channel();
        let out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut process = Self { child, pid: None, lines, errors, what: what.to_owned() };
        // What says something, or has ended, is another program by now; the system tells of the start a little earlier.
        if let Ok(line) = process.lines.recv_timeout(PATIENCE) {
            process.note_pid(&line);
        }
        process
    }

    fn note_pid(&mut self, line: &str) -> bool {
        let pid = line.strip_prefix("pid ").and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        self.pid = self.pid.or(pid);
        pid.is_some()
    }

    /// The next line, if one comes before this moment; `None` as well when the child has ended.
    pub fn line(&mut self, until: Instant) -> Option<String> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if self.note_pid(&line) => {}
                Ok(line) => return Some(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Waits for a line that begins so; returns all lines up to it.
    pub fn wait_for(&mut self, beginning: &str) -> Vec<String> {
        let until = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let Some(line) = self.line(until) else {
                panic!("{} did not say `{beginning}` but {seen:?}; {}", self.what, self.complaints());
            };
            let found = line.starts_with(beginning);
            seen.push(line);
            if found {
                return seen;
            }
        }
    }

    /// Sends a signal to the child itself.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid.unwrap_or_else(|| Pid::from_child(&self.child)), signal).unwrap();
    }

    /// Kills the child at once and returns what it said before. It must have lived until then.
    pub fn kill(mut self) -> Vec<String> {
        self.signal(Signal::KILL);
        let (rest, status) = self.end();
        let killed = status.signal() == Some(9) || status.code() == Some(128 + 9);
        assert!(killed, "{} had ended by itself ({status}): {}", self.what, self.complaints());
        rest
    }

    /// Waits until the child has ended by itself; returns what it said and how it ended.
    pub fn end(&mut self) -> (Vec<String>, ExitStatus) {
        let until = Instant::now() + PATIENCE;
        let mut rest = Vec::new();
        while let Some(line) = self.line(until) {
            rest.push(line);
        }
        assert!(Instant::now() < until, "{} does not end: {rest:?}; {}", self.what, self.complaints());
        (rest, self.child.wait().unwrap())
    }

    /// Whether the child has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What the child said on stderr.
    pub fn complaints(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // The wrapper ends when what it runs does.
            let itself = self.pid.filter(|pid| *pid != Pid::from_child(&self.child));
            let _ = itself.map(|pid| kill_process(pid, Signal::KILL));
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
