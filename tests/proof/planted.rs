//! Who tests the tests: deliberate faults in the engine, each of which the proofs must notice.
//!
//! A fault is a `planted!("name")` in the engine's code, compiled in for tests alone and switched on by an environment variable, so each
//! runs in a process of its own. docs/testing.md says how to add one.

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use lastmile_model::planted::VARIABLE;

/// The test that runs seeds until one fails.
const SIMULATOR: &str = "simulator::until_it_fails";

/// The test that runs seeds of cities until one fails.
const CITIES: &str = "simulator::until_a_city_fails";

/// The tests of who is believed on the way between device and relay.
const PATH: &str = "path::a_fault_is_noticed";

/// The tests of who may write and read what.
const RIGHTS: &str = "rights::a_fault_is_noticed";

/// The tests of the rules that commits are held against.
const RULES: &str = "rules::a_fault_is_noticed";

/// The tests of who comes in by which door.
const DOORS: &str = "doors::a_fault_is_noticed";

/// The test that looks for id numbers.
const SECRETS: &str = "secrets::a_fault_is_noticed";

/// The tests of what the relay takes of whom.
const LIMITS: &str = "limits::a_fault_is_noticed";

/// The tests of the lane for files.
const FILES: &str = "files::a_fault_is_noticed";

/// The test that keeps devices connected.
const LIVE: &str = "live::until_it_fails";

/// Every fault, what it is, the test that must notice it, and a word of how.
const FAULTS: &[(&str, &str, &str, &str)] = &[
    ("newest-clock-wins", "the value with the latest clock shows", SIMULATOR, "P6"),
    ("lost-loser", "a conflict's losing value is not listed", SIMULATOR, "P6"),
    ("remove-wins", "a removal takes concurrent additions with it", SIMULATOR, "P6"),
    ("verdict-looks-ahead", "a verdict hides only what comes after it", SIMULATOR, "shows other rows"),
    ("visible-quarantine", "quarantined commits go on showing", SIMULATOR, "P3"),
    ("unchecked-seal", "a seal's signature is not verified", SIMULATOR, "took a commit of another author"),
    ("unchecked-chain", "a batch is appended whatever stands before it", SIMULATOR, "P8"),
    ("unchecked-receipt", "a receipt's signature is not verified", SIMULATOR, "P2"),
    ("dropped-branch", "the second side of a fork is dropped", SIMULATOR, "P8"),
    ("erased-comes-back", "erased bytes are kept when they come again", SIMULATOR, "shows other rows"),
    ("receipt-in-the-air", "a receipt is kept without a flush", SIMULATOR, "P2"),
    ("any-epoch", "a receipt of a former epoch counts", SIMULATOR, "P2"),
    ("forgotten-outbox", "nothing counts as unsent", SIMULATOR, "P2"),
    ("swallowed-error", "a commit that failed counts as saved", SIMULATOR, "P1"),
    ("deaf-to-the-past", "a record is read from what arrived last alone", SIMULATOR, "of 3 records"),
    ("hashed-order", "a digest follows the order of a hash map", SIMULATOR, "P8"),
    ("vector-off-by-one", "one commit too few is sent", SIMULATOR, "P8"),
    ("newer-unlisted", "what a newer version wrote is not listed", SIMULATOR, "P3"),
    ("late-views", "what was received shows later", SIMULATOR, "P7"),
    ("unread-mark", "a folder put back is not noticed", SIMULATOR, "P9"),
    ("unwatched-log", "somebody else's use of the own author is not noticed", SIMULATOR, "P9"),
    ("unpinned-certificate", "any authority is taken for the pinned one", PATH, "another authority"),
    ("clear-text-anywhere", "requests go to other computers in clear text", PATH, "clear text"),
    ("forwarded-by-anybody", "everybody may name an address to count by", PATH, "made-up address"),
    ("roles-unread", "every role may do everything", RIGHTS, "a worker verified"),
    ("no-permission", "nothing that arrives is held against permissions", RIGHTS, "work of an ended device shows"),
    ("any-scope", "every certified device takes part in every scope", RIGHTS, "another community"),
    ("anybody-signs", "the signature of a request is not verified", RIGHTS, "another key signed"),
    ("replays-served", "a request is served as often as it is sent", RIGHTS, "served twice"),
    ("serves-anybody", "whoever is known is served", RIGHTS, "the relay served"),
    ("meets-anybody", "a colleague serves whoever is known", RIGHTS, "a colleague served"),
    ("keeps-what-is-taken", "a device keeps what the office took away", RIGHTS, "kept what it held"),
    ("successor-goes-free", "who goes on for a revoked device is accepted", RIGHTS, "a successor of a revoked"),
    ("nobody-asked", "a device names another's key as its successor", RIGHTS, "unasked"),
    ("late-for-ever", "what was taken away counts for work of before for ever", RIGHTS, "a former place"),
    ("served-unjudged", "what could not be judged is served", RIGHTS, "unjudged work was served"),
    ("order-unread", "a device does not carry out erasure orders", RIGHTS, "an erased name stays"),
    ("versions-go-on", "the work of a stopped version is taken like any", RIGHTS, "a stopped version counts"),
    ("chain-unread", "lines of the audit log are not held against each other", RIGHTS, "nobody sees it"),
    ("serves-anybody", "whoever is known is served", CITIES, "P12: the relay serves"),
    ("keeps-what-is-taken", "a device keeps what the office took away", CITIES, "is to hold"),
    ("order-unread", "a device does not carry out erasure orders", CITIES, "shows other rows"),
    ("no-permission", "nothing that arrives is held against permissions", CITIES, "counts and must not"),
    ("roles-unread", "every role may do everything", CITIES, "saves what the role"),
    ("revoked-work-dropped", "a revoked device throws away what it has not sent", CITIES, "P3"),
    ("move-drops-unsent", "a device that moves throws away what it has not sent", CITIES, "P3"),
    ("restore-forgets-register", "a relay put back does not read its register", CITIES, "no longer in force"),
    ("release-does-nothing", "what the office releases stays hidden", CITIES, "P9"),
    ("place-stays", "a device keeps a photo as it was taken", FILES, "where it was taken"),
    ("any-file", "a relay keeps whatever bytes come for a file", FILES, "other bytes"),
    ("files-stay", "the files of an erased record stay", FILES, "the photo of an erased"),
    ("push-to-nobody", "what becomes durable wakes no connection", LIVE, "P8"),
    ("live-checked-once", "what a connected device may do is not asked again", LIVE, "P12"),
    ("no-rate-limit", "a device and an address may ask without end", LIMITS, "asked on and on"),
    ("body-before-auth", "whole bodies are taken of anybody", LIMITS, "more than 64 KiB of a stranger"),
    ("half-open-forever", "heads and idle connections have no time limit", LIMITS, "half-open connection stays"),
    ("unbounded-header", "heads have no limit of length", LIMITS, "a head of 80 KiB"),
    ("uncounted-sockets", "connections that stay behind a proxy count for nobody", LIMITS, "a third connection"),
    ("gate-panics", "every batch makes validation panic", LIMITS, "the relay goes on"),
    ("lists-unnoted", "what the office only looks at is not noted", DOORS, "was noted 0 times"),
    ("forbidden-is-told", "scopes that there are get another answer", RIGHTS, "told from one that there is not"),
    ("roles-unjudged", "the relay lets every role do everything", RULES, "what a role may not do counts"),
    ("events-rewritten", "whoever may write a record rewrites its events", RULES, "an event that was rewritten counts"),
    ("office-fields-open", "devices write what is the office's alone", RULES, "the office's alone counts"),
    ("any-place", "records stand in scopes of any kind", RULES, "a scope of another kind counts"),
    ("scope-unjudged", "certificates count in every scope", RULES, "a community of others counts"),
    ("grants-unread", "each user of a device may do what any may", RULES, "users was granted counts"),
    ("grants-never-end", "what was granted once stays granted", RULES, "after a grant had ended counts"),
    (
        "grants-everywhere",
        "what was granted counts wherever the device is used",
        RULES,
        "where nothing was granted counts",
    ),
    ("anybody-acts", "work counts for persons the device was not given to", RULES, "none of the device's users counts"),
    ("nobody-acts", "work counts that says of no person who did it", RULES, "work of nobody in particular counts"),
    ("revoked-counts", "what comes after a revocation is taken", RULES, "work of after a revocation counts"),
    ("end-unjudged", "a device's time is not held against its work", RULES, "the end of a device's time counts"),
    ("logs-go-back", "each commit is believed the day it claims", RULES, "claimed after a later one counts"),
    ("receipts-forgotten", "days before the last receipt are believed", RULES, "what was receipted already counts"),
    ("version-first", "a stopped version hides what else is forbidden", RULES, "might do is held back as `version`"),
    ("live-unsigned", "the signature of a live sign-in is not verified", DOORS, "served in another's name"),
    (
        "revoked-stays-connected",
        "a revocation leaves connections as they are",
        DOORS,
        "a revoked device stays connected",
    ),
    ("invites-serve-again", "an invite serves as often as it is used", DOORS, "an invite that was used serves"),
    ("invites-never-end", "an invite serves for ever", DOORS, "an invite that has expired serves"),
    ("withdrawn-invites-serve", "an invite that was taken back serves", DOORS, "an invite that was withdrawn serves"),
    ("any-token", "the office's secret is not asked for", DOORS, "with a guessed secret"),
    ("forwarded-is-near", "what a proxy passes on counts as from here", DOORS, "through a proxy"),
    ("files-of-any-scope", "files are for every device", FILES, "a file of another community was served"),
    ("files-to-revoked", "files are served to whoever may still bring", FILES, "a revoked device was served a file"),
    ("files-are-shown", "a browser may show what is attached", FILES, "came without `x-content-type-options"),
    ("daily-by-author", "a device has a day for each author it makes", LIMITS, "has another day of commits"),
    ("no-daily-limit", "a device may bring any amount in a day", LIMITS, "a day has no measure of commits"),
    ("register-unwritten", "revocations are not entered in the register", RIGHTS, "stands in no register"),
    ("register-unasked", "a register that is too short is taken", RIGHTS, "shorter than the database knows was taken"),
    ("audit-end-unread", "what the database knows of the audit log is not read", RIGHTS, "last line of the audit log"),
    ("audit-beginning-unread", "a month may begin anywhere", RIGHTS, "first line of the audit log"),
    ("erasure-unlinked", "erasing leaves records linked to it", RIGHTS, "of a linked record"),
    ("erasure-in-sight", "erasing leaves what is held back", RIGHTS, "of a linked record"),
    ("held-back-files-unknown", "no file of what is held back is taken", FILES, "of what is held back is not taken"),
    ("audit-unwritten", "what is done is not written down", RIGHTS, "stands in no audit log"),
    ("number-in-clear", "devices send id numbers unsealed", SECRETS, "an id number stands in a request"),
    ("number-in-the-log", "the relay logs the numbers that it opens", SECRETS, "an id number stands in a log"),
    ("answer-before-commit", "most commits are answered before they are made", SIMULATOR, "holds no replica"),
];

/// From which seed the simulator is run for faults that show seldom: the first that shows them, so that no minutes go by before. Should it
/// show them no more, the next one that does is found.
const FIRST_SHOWN: [(&str, &str); 4] =
    [("remove-wins", "871"), ("any-epoch", "425"), ("unchecked-receipt", "147"), ("unread-mark", "107")];

/// Tells what noticed a fault, in the words that [`caught`] looks for. That nothing did is a failure.
pub fn tell(outcome: Result<(), String>) {
    match outcome {
        Ok(()) => panic!("nothing noticed"),
        Err(what) => println!("caught: {what}"),
    }
}

/// Runs one test of this program with a fault switched on; the line that says how it was caught, or all it printed.
fn caught(fault: &str, test: &str) -> Result<String, String> {
    let first = FIRST_SHOWN.iter().find(|(seldom, _)| *seldom == fault).map_or("0", |(_, seed)| seed);
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(VARIABLE, fault)
        .env("LASTMILE_FROM", first)
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find_map(|line| line.find("caught: ").and_then(|at| line.get(at + 8..)));
    match line.filter(|_| output.status.success()) {
        Some(line) => Ok(line.to_owned()),
        None => Err(text),
    }
}

#[test]
fn every_planted_fault_is_noticed() {
    let next = AtomicUsize::new(0);
    let missed: Mutex<Vec<String>> = Mutex::default();
    let work = || {
        while let Some((fault, what, test, sign)) = FAULTS.get(next.fetch_add(1, Ordering::Relaxed)) {
            let begun = Instant::now();
            match caught(fault, test) {
                Ok(how) if how.contains(sign) => {
                    println!("{fault} ({what}), after {:.1} s: {how}", begun.elapsed().as_secs_f64());
                }
                Ok(how) => {
                    missed.lock().unwrap().push(format!("{fault} ({what}) shows otherwise than by {sign}: {how}"))
                }
                Err(text) => missed.lock().unwrap().push(format!("{fault} ({what}) went unnoticed:\n{text}")),
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
