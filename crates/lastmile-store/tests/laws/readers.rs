//! A reader beside a writer sees one state in each call.

use std::sync::atomic::{AtomicBool, Ordering};

use lastmile_store::StoreError;

use crate::raw::{encoded, first, identity, inject};
use crate::sites::{Sites, reader};
use crate::support::id;

/// Each commit brings one change that is applied and one that is not.
fn counted_while_written(mut sites: Sites) {
    let mut here = sites.open("here");
    let mut beside = reader(&here);
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let looking = threads.spawn(|| {
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) {
                let counts = beside.counts(None).unwrap();
                assert_eq!(counts.applied, counts.opaque, "of one state");
                let within: Result<_, StoreError> =
                    beside.stable(|beside| Ok((beside.counts(None)?, beside.counts(None)?)));
                let (one, two) = within.unwrap();
                assert_eq!(one, two, "a call inside does not look again");
                seen += 1;
            }
            seen
        });
        for number in 0..400u32 {
            let proper = encoded(2, "activity", id(number), &[], 1, &identity("activity", id(number)));
            let odd = first(2, "activity", id(number + 1000), &number.to_be_bytes());
            inject(&mut here, 2, &[proper, odd]);
        }
        done.store(true, Ordering::Relaxed);
        assert!(looking.join().unwrap() > 10, "it looked while the other wrote");
    });
}

#[test]
fn counts_are_of_one_state_in_a_file() {
    counted_while_written(Sites::files());
}

#[test]
fn counts_are_of_one_state_in_memory() {
    counted_while_written(Sites::memory());
}
