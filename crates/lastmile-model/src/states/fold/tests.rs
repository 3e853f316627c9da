use chrono::NaiveDate;
use proptest::prelude::*;

use crate::Value;
use crate::states::{ACTIVITY, CHECK_IN, Folded, Machine, PAIRING, Span, StateEvent, Target, allowed};

fn day(month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, month, day).unwrap()
}

/// One event after another, each by a change of its own.
fn chain(machine: &Machine, events: &[(&str, Option<NaiveDate>)]) -> Folded {
    let all: Vec<usize> = (0..events.len()).collect();
    let events: Vec<StateEvent<'_>> = events
        .iter()
        .enumerate()
        .map(|(n, (kind, on))| StateEvent { on: *on, ..StateEvent::new(kind) }.in_change(n).knowing(&all[..n]))
        .collect();
    machine.fold(&events)
}

#[test]
fn check_in_goes_round() {
    let folded = chain(
        &CHECK_IN,
        &[
            ("register", None),
            ("return", None),
            ("register", None),
            ("confirm", Some(day(3, 5))),
            ("move_out", Some(day(6, 1))),
            ("register", None),
            ("confirm", Some(day(9, 1))),
        ],
    );
    assert_eq!(folded.state, "confirmed");
    assert_eq!(folded.spans, [Span { from: day(3, 5), until: Some(day(6, 1)) }, Span { from: day(9, 1), until: None }]);
    assert_eq!(folded.first_confirmed, Some(day(3, 5)));
    assert_eq!(folded.verified_by, Some(6));
    assert!(folded.ignored.is_empty() && folded.open_transition.is_empty() && folded.undated.is_empty());
    assert!(folded.spans[0].covers(day(5, 31)) && !folded.spans[0].covers(day(6, 1)));
}

#[test]
fn who_leaves_on_the_day_was_confirmed_and_covers_no_day() {
    let folded = chain(&CHECK_IN, &[("register", None), ("confirm", Some(day(3, 5))), ("end", Some(day(3, 5)))]);
    assert_eq!((folded.state, folded.first_confirmed, folded.spans.len()), ("ended", Some(day(3, 5)), 0));
}

#[test]
fn an_undated_confirmation_is_listed() {
    let folded = chain(&CHECK_IN, &[("register", Some(day(3, 1))), ("confirm", None)]);
    assert_eq!(folded.undated, [1]);
    assert_eq!(folded.first_confirmed, Some(day(3, 1)));
}

#[test]
fn activity_is_verified_corrected_and_marked() {
    let folded = chain(&ACTIVITY, &[("hold", None), ("submit", None), ("verify", None), ("accept", None)]);
    assert_eq!((folded.state, folded.verified_by, folded.versions), ("verified", Some(3), 2));
    let marked = chain(&ACTIVITY, &[("submit", None), ("verify", None), ("duplicate", None)]);
    assert_eq!((marked.state, marked.beneath), ("duplicate", "verified"));
    let back = chain(&ACTIVITY, &[("submit", None), ("duplicate", None), ("verify", None), ("not_duplicate", None)]);
    assert_eq!((back.state, back.verified_by), ("verified", Some(2)));
    let cancelled = chain(&ACTIVITY, &[("plan", None), ("cancel", None), ("verify", None)]);
    assert_eq!((cancelled.state, cancelled.ignored.as_slice()), ("cancelled", [2].as_slice()));
    assert_eq!(chain(&ACTIVITY, &[("dance", None)]).ignored, [0]);
    let again = chain(&ACTIVITY, &[("submit", None), ("return", None), ("submit", None)]);
    assert_eq!((again.state, again.verified_by), ("submitted", None));
}

#[test]
fn pairing_ends_and_is_renewed() {
    let folded =
        chain(&PAIRING, &[("activate", Some(day(1, 1))), ("end", Some(day(3, 1))), ("renew", Some(day(4, 1)))]);
    assert_eq!((folded.state, folded.spans.len()), ("active", 2));
}

#[test]
fn events_of_one_change_know_each_other() {
    let events = ["register", "confirm", "return"].map(|kind| StateEvent::new(kind).in_change(7).dated(day(1, 1)));
    let folded = CHECK_IN.fold(&events);
    assert_eq!((folded.state, folded.ignored.as_slice()), ("confirmed", [2].as_slice()));
    assert!(folded.open_transition.is_empty());
}

#[test]
fn confirm_beside_return_is_open_until_someone_who_knows_both_decides() {
    let register = StateEvent::new("register").in_change(0);
    let confirm = StateEvent::new("confirm").in_change(1).knowing(&[0]).dated(day(3, 5));
    let back = StateEvent::new("return").in_change(2).knowing(&[0]);
    let open = CHECK_IN.fold(&[register, confirm, back]);
    assert_eq!((open.state, open.open_transition.as_slice()), ("confirmed", [(1, 2)].as_slice()));
    assert_eq!(open.verified_by, Some(1));
    let other_order = CHECK_IN.fold(&[register, back, confirm]);
    assert_eq!((other_order.state, other_order.open_transition.as_slice()), ("returned", [(1, 2)].as_slice()));
    let events = [register, confirm, back];
    assert!(CHECK_IN.allows_now(&open, &events, "return") && !CHECK_IN.allows("confirmed", "return"));

    let against = StateEvent::new("return").in_change(3).knowing(&[0, 1, 2]);
    let decided = CHECK_IN.fold(&[register, confirm, back, against]);
    assert_eq!((decided.state, decided.open_transition.len(), decided.spans.len()), ("returned", 0, 0));
    assert_eq!((decided.verified_by, decided.first_confirmed), (None, None));

    let with = StateEvent::new("confirm").in_change(3).knowing(&[0, 1, 2]).dated(day(3, 6));
    let kept = CHECK_IN.fold(&[register, confirm, back, with]);
    assert_eq!((kept.state, kept.open_transition.len(), kept.verified_by), ("confirmed", 0, Some(3)));
    assert_eq!(kept.first_confirmed, Some(day(3, 5)));

    let one_sided = StateEvent::new("move_out").in_change(3).knowing(&[0, 1]).dated(day(4, 1));
    assert_eq!(CHECK_IN.fold(&[register, confirm, back, one_sided]).open_transition, [(1, 2)]);
    let by_the_way = StateEvent::new("move_out").in_change(3).knowing(&[0, 1, 2]).dated(day(4, 1));
    let passed = CHECK_IN.fold(&[register, confirm, back, by_the_way]);
    assert_eq!((passed.state, passed.open_transition.len()), ("moved_out", 0));
}

#[test]
fn equal_concurrent_events_are_no_conflict() {
    let submit = StateEvent::new("submit").in_change(0);
    let one = StateEvent::new("verify").in_change(1).knowing(&[0]);
    let two = StateEvent::new("verify").in_change(2).knowing(&[0]);
    let folded = ACTIVITY.fold(&[submit, one, two]);
    assert_eq!((folded.state, folded.verified_by), ("verified", Some(1)));
    assert!(folded.open_transition.is_empty() && folded.ignored.is_empty());
}

#[test]
fn two_different_moves_oppose_and_equal_ones_do_not() {
    let (here, there) = (Value::from("430103005010"), Value::from("430104008008"));
    let base = [
        StateEvent::new("register").in_change(0),
        StateEvent::new("confirm").in_change(1).knowing(&[0]).dated(day(1, 1)),
    ];
    let first = StateEvent::new("move_out").in_change(2).knowing(&[0, 1]).dated(day(5, 1)).leading_to(&here);
    let second = StateEvent::new("move_out").in_change(3).knowing(&[0, 1]).dated(day(6, 1));
    let equal = CHECK_IN.fold(&[base[0], base[1], first, second.leading_to(&here)]);
    assert!(equal.open_transition.is_empty());
    let differing = CHECK_IN.fold(&[base[0], base[1], first, second.leading_to(&there)]);
    assert_eq!(differing.open_transition, [(2, 3)]);
    assert_eq!(differing.spans, [Span { from: day(1, 1), until: Some(day(5, 1)) }]);
    let decision = StateEvent::new("move_out").in_change(4).knowing(&[0, 1, 2, 3]).dated(day(6, 1)).leading_to(&there);
    let decided = CHECK_IN.fold(&[base[0], base[1], first, second.leading_to(&there), decision]);
    assert_eq!(decided.spans, [Span { from: day(1, 1), until: Some(day(6, 1)) }]);
    assert_eq!((decided.state, decided.open_transition.len()), ("moved_out", 0));
}

#[test]
fn a_mark_that_did_not_know_of_the_verification_covers_it() {
    let submit = StateEvent::new("submit").in_change(0);
    let target = Value::Bytes(vec![1; 16]);
    let mark = StateEvent::new("duplicate").in_change(1).knowing(&[0]).leading_to(&target);
    let verify = StateEvent::new("verify").in_change(2).knowing(&[0]);
    for events in [[submit, mark, verify], [submit, verify, mark]] {
        let folded = ACTIVITY.fold(&events);
        assert_eq!((folded.state, folded.beneath), ("duplicate", "verified"));
        assert!(folded.open_transition.is_empty());
    }
}

#[test]
fn what_a_screen_may_offer() {
    assert!(allowed("activity", "submitted", "verify") && !allowed("activity", "cancelled", "verify"));
    assert!(!allowed("activity", "duplicate", "verify") && allowed("activity", "duplicate", "not_duplicate"));
    assert!(!allowed("activity", "verified", "not_duplicate") && allowed("activity", "verified", "duplicate"));
    assert!(!allowed("none", "submitted", "verify") && !allowed("activity", "submitted", "dance"));
}

#[test]
fn machines_are_sound() {
    for machine in Machine::ALL {
        let is_state = |code: &str| machine.state(code).is_some();
        assert!(is_state(machine.start));
        assert!(machine.counted.is_empty() || is_state(machine.counted));
        for transition in machine.transitions {
            assert!(transition.from.iter().all(|code| is_state(code)), "{}", transition.kind);
            if let Target::State(code) | Target::Cover(code) = transition.to {
                assert!(is_state(code));
            }
        }
        assert!(machine.opposed.iter().all(|(a, b)| machine.knows(a) && machine.knows(b)));
        let reached = |code| {
            code == machine.start
                || machine.transitions.iter().any(|t| t.to == Target::State(code) || t.to == Target::Cover(code))
        };
        assert!(machine.states.iter().all(|state| reached(state.code)));
    }
}

fn history() -> impl Strategy<Value = Vec<(usize, u64, Option<u32>)>> {
    prop::collection::vec((0..12usize, any::<u64>(), prop::option::of(1..28u32)), 0..14)
}

proptest! {
    /// Whatever came in whatever entanglement: no panic, a known state, closed spans in order, and a pure function.
    #[test]
    fn any_history_folds(history in history(), which in 0..3usize) {
        let machine = Machine::ALL[which];
        let kinds: Vec<&str> = machine.events().collect();
        // Ancestors as a random subset of the earlier events, closed under ancestry.
        let mut after: Vec<Vec<usize>> = Vec::new();
        for (n, (_, bits, _)) in history.iter().enumerate() {
            let mut mine: Vec<usize> = (0..n).filter(|m| bits >> m & 1 == 1).collect();
            for parent in mine.clone() {
                mine.extend(after[parent].iter().copied());
            }
            mine.sort_unstable();
            mine.dedup();
            after.push(mine);
        }
        let events: Vec<StateEvent<'_>> = history.iter().enumerate().map(|(n, (kind, _, on))| {
            let event = StateEvent::new(kinds[kind % kinds.len()]).in_change(n).knowing(&after[n]);
            StateEvent { on: on.map(|on| day(3, on)), ..event }
        }).collect();
        let folded = machine.fold(&events);
        prop_assert!(machine.state(folded.state).is_some());
        prop_assert!(folded.spans.iter().all(|span| span.until.is_none_or(|until| span.from < until)));
        prop_assert!(folded.open_transition.iter().all(|(a, b)| a < b && !after[*b].contains(a)));
        prop_assert_eq!(&folded, &machine.fold(&events));
        // A decision that knows everything and restates the held event settles all pairs it speaks of.
        if let Some((_, held)) = folded.open_transition.last() {
            let all: Vec<usize> = (0..events.len()).collect();
            let mut more = events.clone();
            more.push(StateEvent { change: 99, after: &all, ..events[*held] });
            prop_assert!(machine.fold(&more).open_transition.len() < folded.open_transition.len());
        }
    }
}
