//! Id numbers stand in clear nowhere but on the device that asks for them: not on the path, not at the relay, not in what that says or
//! writes down. The check that planted faults must turn red.

use std::io::{Read as _, Write};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use lastmile_client::{Clock as _, Replica, SystemClock};
use lastmile_model::check::CheckContext;
use lastmile_model::idnumber::{IdNumber, check_character};
use lastmile_model::input::{Entry, enter};
use lastmile_model::planted::VARIABLE;
use lastmile_model::{Catalogue, RecordId, Value};
use lastmile_relay::{Decision, Likeness, OfficeAnswer, OfficeCommand, Selection, civil_date};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use crate::planted::tell;
use crate::rights::{Field, scope};

/// What every frame of zstd begins with.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Numbers of nobody, with the right check characters.
const NUMBERS: [&str; 2] = ["990101198001010014", "11010519491231002X"];

/// Bytes that several write down.
#[derive(Clone, Default)]
struct Noted(Arc<Mutex<Vec<u8>>>);

impl Noted {
    fn all(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for Noted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether bytes hold an id number: one that was entered, or anything that stands by itself and that date and check character make one.
fn hold_a_number(bytes: &[u8]) -> bool {
    let today = civil_date(SystemClock.now_ms());
    bytes.windows(18).enumerate().any(|(at, window)| {
        if !window[..17].iter().all(u8::is_ascii_digit) {
            return false;
        }
        let text = String::from_utf8_lossy(window);
        let alone = |at: Option<usize>| {
            let beside = at.and_then(|at| bytes.get(at));
            beside.is_none_or(|byte| !byte.is_ascii_alphanumeric())
        };
        NUMBERS.contains(&text.as_ref())
            || (alone(at.checked_sub(1)) && alone(Some(at + 18)) && IdNumber::parse(&text, today).is_ok())
    })
}

/// As [`hold_a_number`], and what is packed in them.
fn lead_to_a_number(bytes: &[u8]) -> bool {
    let packed = bytes.windows(4).enumerate().filter(|(_, window)| *window == ZSTD);
    hold_a_number(bytes)
        || packed.into_iter().any(|(at, _)| {
            let mut plain = Vec::new();
            // What only looks like the beginning of a frame ends where it turns out to be none.
            if let Ok(decoder) = zstd::stream::read::Decoder::new(&bytes[at..]) {
                let _ = decoder.single_frame().read_to_end(&mut plain);
            }
            hold_a_number(&plain)
        })
}

/// The files of a folder, however deep, that lead to a number.
fn files_with_a_number(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.extend(files_with_a_number(&entry.path()));
        } else if lead_to_a_number(&std::fs::read(entry.path()).unwrap()) {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

/// Passes on what comes and writes it down.
async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut noted: Noted) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(read) = from.read(&mut bytes).await {
        let _ = noted.write_all(&bytes[..read]);
        if read == 0 || to.write_all(&bytes[..read]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// A way to the relay on which everything is written down: its URL, what is asked, what is answered.
async fn overheard(field: &Field) -> (String, Noted, Noted) {
    let (asked, answered) = (Noted::default(), Noted::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, relay) = (format!("http://{}", listener.local_addr().unwrap()), field.relay.addr());
    let (up, down) = (asked.clone(), answered.clone());
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let (near, far) = (near.into_split(), TcpStream::connect(relay).await.unwrap().into_split());
            tokio::spawn(pass_on(near.0, far.1, up.clone()));
            tokio::spawn(pass_on(far.0, near.1, down.clone()));
        }
    });
    (url, asked, answered)
}

/// Enters a person with a number.
fn enter_person(replica: &Replica, name: &str, number: &str) -> RecordId {
    let (_, known) = Catalogue::builtin().get("person").unwrap();
    let context = CheckContext::new(civil_date(SystemClock.now_ms()));
    let mut entry = Entry::from(enter(known, "id_no", number, &context).unwrap());
    let fields = [("name", name), ("party_status", "01"), ("status", "active")];
    entry.values.extend(fields.map(|(key, value)| (key.to_owned(), Value::from(value))));
    entry.values.push(("kind/member".to_owned(), Value::Bool(true)));
    let mut draft = replica.draft(None);
    let id = draft.create("person", entry).unwrap();
    draft.save().unwrap();
    id
}

/// Two devices enter people twice, with the same number, under the same name and others, and change a number; the office looks for
/// duplicates and conflicts, goes wrong in every way, erases and takes a backup.
async fn the_story(logs: &Noted) -> Result<(), String> {
    let field = Field::new().await;
    let (url, asked, answered) = overheard(&field).await;
    let mut devices = Vec::new();
    for name in ["one", "two"] {
        let invite = field.invite(|order| order.relay.clone_from(&url)).await;
        devices.push(field.enrol_with(name, &invite).await);
    }
    let mut persons = Vec::new();
    for device in &devices {
        for (name, number) in [("曹雨菲", NUMBERS[0]), ("欧阳海", NUMBERS[1])] {
            persons.push(enter_person(device, name, number));
        }
    }
    persons.push(enter_person(&devices[0], "同号人", NUMBERS[0]));
    for device in devices.iter().chain(&devices) {
        device.sync().await.unwrap();
    }
    field.relay.settle().await.unwrap();
    let [of_one, .., other] = persons.as_slice() else { panic!("five persons") };
    let backup = field.folder.path().join("backup");
    let commands = vec![
        OfficeCommand::Duplicates { record_type: None, within: None, likeness: Likeness::Weak, limit: 0 },
        OfficeCommand::Conflicts { record_type: None, within: Some(scope().code().to_owned()), all: true, limit: 0 },
        OfficeCommand::Resolve {
            record_type: Some("person".to_owned()),
            id: of_one.0,
            field: "id_no".to_owned(),
            decision: Decision::Value(NUMBERS[1].to_owned()),
            reason: "核对证件".to_owned(),
        },
        OfficeCommand::Link { loser: of_one.0, winner: Uuid::nil(), reason: "同一人".to_owned() },
        OfficeCommand::Link { loser: of_one.0, winner: other.0, reason: "同一人".to_owned() },
        OfficeCommand::Confirm { which: Selection::All, on: None },
        OfficeCommand::Move { person: of_one.0, to: "4301".to_owned(), on: None, why: "搬家".to_owned() },
        OfficeCommand::Erase { record_type: None, id: other.0, reason: "本人要求".to_owned() },
        OfficeCommand::Devices { within: None },
        OfficeCommand::Invites,
        OfficeCommand::Backup { to: backup.clone() },
        OfficeCommand::Status,
    ];
    let mut linked = 0;
    let mut told = String::new();
    for command in commands {
        let answer = field.relay.office().run(command).await;
        if let Ok(OfficeAnswer::Duplicates { persons, .. }) = &answer {
            linked = persons.iter().filter(|pair| pair.grade == "same-id-other-name").count();
        }
        told += &format!("{answer:?}\n{}\n", serde_json::to_string(&answer).unwrap());
    }
    let relay = field.folder.path().join("relay");
    let at_relay = [files_with_a_number(&relay), files_with_a_number(&backup)].concat();
    for (what, bytes) in [
        ("a log", logs.all()),
        ("an answer of the office", told.into_bytes()),
        ("a request", asked.all()),
        ("a response", answered.all()),
    ] {
        if lead_to_a_number(&bytes) {
            return Err(format!("an id number stands in {what}"));
        }
        assert!(bytes.len() > 100, "something was scanned of what should be {what}");
    }
    if !at_relay.is_empty() {
        return Err(format!("an id number stands in {at_relay:?}"));
    }
    assert!(linked > 0, "the numbers reached the office and were opened there");
    Ok(())
}

async fn checks() -> Result<(), String> {
    let digits = "43010319900307123";
    let check = char::from(check_character(digits.as_bytes()).unwrap());
    let wrong = if check == '0' { '1' } else { '0' };
    for (text, holds) in [
        ("990101198001010014X".to_owned(), true),
        (format!("id={digits}{check};"), true),
        (format!("id={digits}{wrong};"), false),
        (format!("{digits}{check}0"), false),
    ] {
        assert_eq!(hold_a_number(text.as_bytes()), holds, "{text}");
    }
    let packed = zstd::bulk::compress(b"number: 11010519491231002X, and again: 11010519491231002X", 3).unwrap();
    assert!(lead_to_a_number(&[b"before", &packed[..], b"after"].concat()));
    let logs = Noted::default();
    let kept = logs.clone();
    // For the whole process, which is why this runs in one of its own.
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::TRACE);
    subscriber.with_ansi(false).with_writer(move || kept.clone()).init();
    the_story(&logs).await
}

#[test]
fn id_numbers_stand_nowhere_in_clear() {
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["secrets::no_number_is_found", "--exact", "--ignored", "--nocapture"])
        .env_remove(VARIABLE)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run in a process of its own, for it listens to all that is logged"]
async fn no_number_is_found() {
    checks().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the planted faults in a process of its own"]
async fn a_fault_is_noticed() {
    tell(checks().await);
}
