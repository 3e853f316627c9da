//! Every decoder and parser that outside bytes reach, under hostile bytes.
//!
//! A target feeds one input and panics when a law breaks. Here each runs over its corpus and a fixed number of inputs; under
//! `libfuzzer/` the same functions run under libFuzzer.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test says what failed by stopping")]
#![expect(clippy::cast_possible_truncation, reason = "a test cuts numbers into bytes on purpose")]

mod accepted;
mod change_form;
mod commits;
mod cost;
mod frames;
mod killers;
mod mutate;
mod oracle;
mod run;
mod tally;
mod targets;
mod world;

#[path = "../../crates/lastmile-store/tests/laws/kept.rs"]
#[expect(dead_code, reason = "shared with the store's tests, which use more of it")]
mod kept;
#[path = "../../crates/lastmile-store/tests/support/mod.rs"]
#[expect(dead_code, reason = "shared with the store's tests, which use more of it")]
mod support;

use run::Summary;

/// One test for each target.
mod target {
    use super::{expect, run, targets};
    use crate::run::Target;

    macro_rules! targets {
        ($($name:ident: $inputs:literal,)*) => {
            $(
                #[test]
                fn $name() {
                    let target = Target {
                        name: stringify!($name),
                        run: targets::$name::run,
                        seeds: targets::$name::seeds,
                        mutate: targets::$name::mutate,
                        inputs: $inputs,
                    };
                    expect(target.name, &run::run(&target));
                }
            )*
        };
    }

    targets! {
        change: 150_000,
        history: 8_000,
        batch: 6_000,
        statement: 120_000,
        invite: 60_000,
        frame: 60_000,
        relay: 2_000,
        request: 22_000,
        session: 4_000,
        store: 3_000,
        word: 150_000,
        entry: 390_000,
        catalogue: 5_000,
        export: 10_000,
        roster: 10_000,
        picture: 40_000,
    }
}

/// Who tests the fuzzing: a decoder without its check of the canonical form must not get through.
#[test]
fn a_loose_gate_is_noticed() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["target::change", "--exact", "--nocapture"])
        .env(lastmile_model::planted::VARIABLE, "loose-gate")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("panicked"), "went unnoticed:\n{text}");
    println!("{}", text.lines().filter(|line| !line.trim().is_empty()).take(6).collect::<Vec<_>>().join("\n"));
}

/// Batches of a few kilobytes that hold as much as the format allows: too slow to mutate by the thousand.
#[test]
fn bombs() {
    for (name, run, inputs) in [
        ("batch", targets::batch::run as fn(&[u8]), targets::batch::bombs()),
        ("store", targets::store::run, targets::store::bombs()),
    ] {
        for (number, data) in inputs.iter().enumerate() {
            cost::take();
            run(data);
            let cost = cost::take();
            println!("{name} bomb {number}: {} bytes take {} kB and {:?}", data.len(), cost.bytes >> 10, cost.cpu);
            assert!(cost.cpu <= run::cpu_limit(), "{name} bomb {number} took {:?}", cost.cpu);
        }
    }
}

#[test]
fn accepted_hostile_changes_pass_through() {
    accepted::pass_through();
}

#[test]
fn killers() {
    if let Ok(count) = std::env::var("LASTMILE_KILLERS") {
        killers::hunt(count.parse().expect("LASTMILE_KILLERS is a number"));
    }
    killers::are_kept_out();
}

/// Holds a target to how deep its inputs get: a fuzzer that is turned away at the door proves nothing.
fn expect(name: &str, summary: &Summary) {
    let floors: &[(&str, u64)] = match name {
        "change" => &[("passes the hash", 30), ("decoded", 10), ("admitted", 5)],
        "history" => &[("any admitted", 50), ("four or more admitted", 30)],
        "batch" => &[("unpacked", 30)],
        "statement" => {
            &[("a certificate", 5), ("a seal that verifies", 5), ("a receipt that verifies", 5), ("a vector", 3)]
        }
        "invite" => &[("an invite", 5)],
        "frame" => &[("opened", 100)],
        "request" => &[("opened", 40), ("verified", 5)],
        "relay" => &[("an exchange", 8), ("receipts", 5), ("a command", 5), ("a question about files", 1)],
        "session" => &[("took something", 5), ("served a batch", 10)],
        "store" => &[("appended", 60), ("exported", 100), ("pending", 2), ("other past", 2)],
        "entry" => &[("entered", 5), ("an object", 2)],
        "catalogue" => &[("a catalogue", 2), ("an extension", 1)],
        "roster" => &[("a workbook", 5), ("rows", 10)],
        _ => &[],
    };
    for (stage, percent) in floors {
        let reached = summary.reached.get(stage).copied().unwrap_or_default();
        assert!(
            reached * 100 >= summary.inputs * percent,
            "{name}: only {reached} of {} inputs: {stage}",
            summary.inputs
        );
    }
}
