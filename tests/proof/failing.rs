//! Disks that refuse: no space, failing writes, failing flushes, at each operation of a script in turn.
//!
//! What fails is told, what was acknowledged before stays, and work goes on when the cause is gone. `LASTMILE_FROM` and `LASTMILE_CUTS`
//! choose the operations, `LASTMILE_SEED` the script.

use lastmile_store::StoreError;
use lastmile_testkit::disk::{Dirty, Fault, HowLong};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::device::{Device, PROFILES, State, Step, script};
use crate::power::variable;

/// The most operations of the script's work that are struck in turn.
const OPERATIONS: u64 = 200;

/// What came of one failure.
struct Told {
    /// Whether it came to bear at all.
    met: bool,
    /// Whether the store worked on without being opened again.
    went_on: bool,
}

/// Runs the script with a failure from one operation on; checks what is acknowledged all along.
fn strike(steps: &[Step], before: &Device, at: u64, fault: Fault, how_long: HowLong) -> Told {
    let mut device = Device::new();
    device.disk.restore(&before.disk.snapshot());
    device.open_ready().unwrap();
    // What it may be in: as it was when something was promised last, or as it was made since.
    let mut states = vec![device.state().unwrap()];
    device.disk.fail(fault, device.disk.operations() + at, how_long);
    let mut told = Told { met: false, went_on: true };
    for (place, step) in steps.iter().enumerate() {
        let which = || format!("{fault:?} {how_long:?} at operation {at}, step {place}: {step:?}");
        match device.run(step) {
            Ok(promised) => note(&mut device, &mut states, promised, &which),
            Err(error) => {
                assert!(!told.met || how_long == HowLong::UntilCured, "it fails a second time: {error}, {}", which());
                told.met = true;
                assert!(is_told(&error), "{error:?} {}", which());
                // What is there can be read while the disk still refuses, unless reading needs to write.
                if let Ok(now) = device.state() {
                    assert_state(&now, &states, &which);
                }
                if how_long == HowLong::UntilCured {
                    // People try once more.
                    if let Ok(promised) = device.run(step)
                        && !matches!(step, Step::Reopen | Step::Fold)
                    {
                        note(&mut device, &mut states, promised, &which);
                    }
                    device.disk.cure();
                }
                told.went_on &= go_on(&mut device, step, &mut states, &which);
            }
        }
    }
    device.disk.cure();
    if at.is_multiple_of(4) {
        let found = device.examine().unwrap();
        assert_eq!(found, [] as [String; 0], "{fault:?} {how_long:?} at operation {at}");
    }
    // And it is on the disk, not in memory alone.
    device.run(&Step::Setting(vec![1])).unwrap();
    let states = [device.state().unwrap()];
    device.disk.cut_now();
    device.close();
    device.disk.power_on(at);
    device.open().unwrap();
    let now = device.state().unwrap();
    assert_state(&now, &states, &|| format!("after a cut, {fault:?} {how_long:?} at operation {at}"));
    told
}

/// Whether an error says that the storage refuses.
const fn is_told(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::DiskFull | StoreError::NoRoom { .. } | StoreError::ReadOnly { .. } | StoreError::Engine { .. }
    )
}

fn assert_state(now: &State, states: &[State], which: &dyn Fn() -> String) {
    assert!(states.contains(now), "{}\nnow  {now:?}\nthen {states:?}", which());
}

/// Notes the state after something was done.
fn note(device: &mut Device, states: &mut Vec<State>, promised: bool, which: &dyn Fn() -> String) {
    let state = device.state().unwrap_or_else(|error| panic!("{}: {error}", which()));
    if promised {
        states.clear();
    }
    states.push(state);
}

/// Does the step again, now that nothing fails; returns whether the open store could.
fn go_on(device: &mut Device, step: &Step, states: &mut Vec<State>, which: &dyn Fn() -> String) -> bool {
    if device.state().is_ok_and(|now| states.contains(&now))
        && let Ok(promised) = device.run(step)
    {
        note(device, states, promised, which);
        return true;
    }
    device.open().unwrap_or_else(|error| panic!("{}: {error}", which()));
    let now = device.state().unwrap();
    assert_state(&now, states, which);
    states.push(now);
    let promised = device.run(step).unwrap_or_else(|error| panic!("{}: {error}", which()));
    note(device, states, promised, which);
    false
}

fn sweep(fault: Fault, how_long: HowLong) {
    let seed = variable("LASTMILE_SEED", 1);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // The second profile folds, empties and reopens, so that every kind of operation is in it.
    let steps = script(&mut rng, &PROFILES[1], 400);
    let mut before = Device::new();
    before.open_ready().unwrap();
    let steps = shorten(steps, &before);
    let (from, count) = (variable("LASTMILE_FROM", 1), variable("LASTMILE_CUTS", OPERATIONS));
    let (mut met, mut reopened) = (0, 0);
    for at in from..from + count {
        let told = strike(&steps, &before, at, fault, how_long);
        met += u64::from(told.met);
        reopened += u64::from(told.met && !told.went_on);
    }
    println!("{fault:?} {how_long:?}: {count} operations, {met} told, {reopened} only after reopening");
    assert!(met > count / 3, "{met}");
}

/// The beginning of a script that does so many operations.
fn shorten(mut steps: Vec<Step>, before: &Device) -> Vec<Step> {
    let mut device = Device::new();
    device.disk.restore(&before.disk.snapshot());
    device.open_ready().unwrap();
    let first = device.disk.operations();
    let enough = steps.iter().position(|step| {
        device.run(step).unwrap();
        device.disk.operations() > first + OPERATIONS
    });
    steps.truncate(enough.unwrap_or(steps.len()) + 1);
    steps
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    sweep(Fault::Full, HowLong::Once);
    sweep(Fault::Full, HowLong::UntilCured);
}

#[test]
fn a_failing_write_is_told_and_loses_nothing() {
    sweep(Fault::Write, HowLong::Once);
    sweep(Fault::Write, HowLong::UntilCured);
}

#[test]
fn a_failing_flush_is_told_and_loses_nothing() {
    sweep(Fault::Sync(Dirty::Kept), HowLong::Once);
    sweep(Fault::Sync(Dirty::Kept), HowLong::UntilCured);
}

/// Found by the sweep below: the first save after received commits failed to flush, the kernel took their pages for clean, and every
/// later save stood in the log behind a hole.
#[test]
fn what_is_saved_after_a_failed_flush_does_not_stand_behind_a_hole() {
    let (mut device, save) = behind();
    device.disk.fail(Fault::Sync(Dirty::Forgotten), 0, HowLong::Once);
    assert!(matches!(device.run(&save), Err(StoreError::NoRoom { .. })));
    survives(device, &save);
}

#[test]
fn a_flush_that_forgets_what_it_failed_to_write_loses_nothing() {
    sweep(Fault::Sync(Dirty::Forgotten), HowLong::Once);
}

#[test]
fn a_flush_that_reverts_what_it_failed_to_write_loses_nothing() {
    sweep(Fault::Sync(Dirty::Reverted), HowLong::Once);
}

/// As above, but a commit that changes nothing, and so flushes nothing, comes between.
#[test]
fn a_commit_of_nothing_does_not_make_a_failed_flush_harmless() {
    let (mut device, save) = behind();
    let before = device.disk.operations();
    device.store().unwrap().add_certificates(&crate::support::certificates()[..2]).unwrap();
    assert_eq!(device.disk.operations(), before, "something was written");
    device.disk.fail(Fault::Sync(Dirty::Forgotten), 0, HowLong::Once);
    assert!(matches!(device.run(&save), Err(StoreError::NoRoom { .. })));
    survives(device, &save);
}

/// As above, but the flush that fails is that of another process's folding: its own handle is told first, and ours at its next flush.
#[test]
fn what_is_saved_after_another_process_failed_to_flush_does_not_stand_behind_a_hole() {
    let (mut device, save) = behind();
    device.disk.fail(Fault::Sync(Dirty::Forgotten), 0, HowLong::Once);
    device.run(&Step::Fold).unwrap();
    assert!(matches!(device.run(&save), Err(StoreError::NoRoom { .. })));
    survives(device, &save);
}

/// As above, but the store's own folding fails, after a commit that can be fetched again and made the log long.
#[test]
fn what_is_saved_after_the_own_folding_failed_to_flush_does_not_stand_behind_a_hole() {
    let mut device = Device::new();
    let [save, _] = save_and_receive();
    device.open_ready().unwrap();
    device.disk.fail(Fault::Sync(Dirty::Forgotten), 0, HowLong::Once);
    for number in 0..1000u32 {
        let large = number.to_be_bytes().repeat(20_000);
        device.store().unwrap().remember("learnt", &large).unwrap();
        if !device.disk.is_failing() {
            return survives(device, &save);
        }
    }
    panic!("the log is never folded");
}

/// As above, but whoever closed the file last failed to fold it, and the store that opens it next is not told.
#[test]
fn what_is_saved_after_a_closing_failed_to_flush_does_not_stand_behind_a_hole() {
    let (mut device, save) = behind();
    device.disk.fail(Fault::Sync(Dirty::Forgotten), 0, HowLong::Once);
    device.close();
    assert!(!device.disk.is_failing(), "closing did not flush");
    survives(device, &save);
}

/// As above, but somebody reads, so that the opening cannot empty what was left: nothing is taken until it can.
#[test]
fn nothing_is_taken_while_a_reader_keeps_what_was_left() {
    let (mut device, save) = behind();
    device.disk.fail(Fault::Sync(Dirty::Forgotten), 0, HowLong::Once);
    device.close();
    let reading = rusqlite::Connection::open(device.path()).unwrap();
    reading.execute_batch("BEGIN; SELECT count(*) FROM strand;").unwrap();
    assert!(matches!(device.run(&save), Err(StoreError::InUse { .. })));
    drop(reading);
    survives(device, &save);
}

/// A device that has received what can be fetched again, which is not flushed, and a save to make.
fn behind() -> (Device, Step) {
    let mut device = Device::new();
    let [save, receive] = save_and_receive();
    device.open_ready().unwrap();
    device.run(&receive).unwrap();
    (device, save)
}

fn save_and_receive() -> [Step; 2] {
    let steps = script(&mut ChaCha8Rng::seed_from_u64(1), &PROFILES[0], 60);
    let first = |wanted: fn(&Step) -> bool| steps.iter().find(|step| wanted(step)).unwrap().clone();
    [first(|step| matches!(step, Step::Save(_))), first(|step| matches!(step, Step::Receive(..)))]
}

/// Saves, and finds all of it after a power cut that takes whatever was not flushed.
fn survives(mut device: Device, save: &Step) {
    assert!(device.run(save).unwrap());
    let saved = device.state().unwrap();
    device.disk.cut_now();
    device.close();
    device.disk.power_on(1);
    device.open().unwrap();
    assert_state(&device.state().unwrap(), &[saved], &|| "after a cut".to_owned());
}
