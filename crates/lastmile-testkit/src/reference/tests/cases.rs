//! Merging: concurrent edits, verification, quarantine, erasure, forks.

use super::*;

/// Two authors' edits of one field of a record that author 1 made; the field's first value, if any, has the counter 7.
fn two_edits(key: &str, before: Option<Val>, one: Val, two: Val) -> Vec<Commit> {
    let made: Vec<(&str, Val)> = before.into_iter().map(|value| (key, value)).collect();
    let ops = first(&made);
    let next = ops.len() as u64 + 1;
    let preds: &[(u64, u8)] = if made.is_empty() { &[] } else { &[(7, 1)] };
    vec![
        change(1, 1, (&[], 1, 1), ops).commit(1, 0),
        change(1, 2, (&[1], 2, next), vec![set(key, one, preds)]).commit(2, 1),
        change(2, 3, (&[1], 1, next), vec![set(key, two, preds)]).commit(1, 0),
    ]
}

#[test]
fn the_same_number_twice_stays_one_number() {
    let field =
        the_record(&two_edits("beneficiaries", None, Val::Int(20), Val::Int(20))).fields["beneficiaries"].clone();
    assert_eq!(field, Field { shown: Some(Val::Int(20)), values: vec![Val::Int(20)], ..Field::default() });
}

#[test]
fn differing_numbers_are_a_question_and_the_lowest_operation_shows() {
    let commits = two_edits("beneficiaries", Some(Val::Int(1)), Val::Int(35), Val::Int(20));
    let field = the_record(&commits).fields["beneficiaries"].clone();
    assert_eq!(
        (field.shown, field.values, field.conflict),
        (Some(Val::Int(35)), vec![Val::Int(35), Val::Int(20)], true)
    );
}

#[test]
fn of_two_notes_the_newest_shows_and_the_other_stays_readable() {
    let field = the_record(&two_edits("note", Some(text("a")), text("b"), text("c"))).fields["note"].clone();
    assert_eq!((field.shown, field.values, field.conflict), (Some(text("c")), vec![text("b"), text("c")], false));
}

#[test]
fn different_fields_do_not_meet() {
    let commits = [
        change(1, 1, (&[], 1, 1), first(&[])).commit(1, 0),
        change(1, 2, (&[1], 2, 7), vec![set("note", text("n"), &[])]).commit(2, 1),
        change(2, 3, (&[1], 1, 7), vec![set("venue", text("v"), &[])]).commit(1, 0),
    ];
    let record = the_record(&commits);
    assert!(record.row && !record.begun_twice);
    assert_eq!((&record.fields["note"].shown, &record.fields["venue"].shown), (&Some(text("n")), &Some(text("v"))));
}

#[test]
fn adding_wins_over_a_concurrent_removal() {
    let commits = [
        change(1, 1, (&[], 1, 1), first(&[("tags/环保", Val::Bool(true)), ("tags/敬老", Val::Bool(true))]))
            .commit(1, 0),
        change(1, 2, (&[1], 2, 9), vec![delete("tags/环保", &[(7, 1)]), delete("tags/敬老", &[(8, 1)])]).commit(2, 1),
        change(2, 3, (&[1], 1, 9), vec![set("tags/环保", Val::Bool(true), &[(7, 1)])]).commit(1, 0),
    ];
    assert_eq!(the_record(&commits).sets["tags"], BTreeSet::from(["环保".to_owned()]));
}

#[test]
fn an_immutable_field_shows_the_lowest_and_lists_the_others() {
    let key = |n: u8| Val::Bytes(vec![n; 16]);
    let begin = |actor, hash, value| {
        let ops = first(&[("activity", key(1)), ("person", value)]);
        change(actor, hash, (&[], 1, 1), ops).of("participation", 9).commit(1, 0)
    };
    let record = the_record(&[begin(2, 3, key(5)), begin(1, 4, key(6))]);
    let field = &record.fields["person"];
    assert_eq!((&field.shown, field.values.len(), field.conflict), (&Some(key(6)), 2, true));
    // The id of a participation is derived, so that two beginnings are no case; of an activity they are.
    assert!(record.row && !record.begun_twice);
    let begin = |actor, hash| change(actor, hash, (&[], 1, 1), first(&[])).commit(1, 0);
    assert!(the_record(&[begin(1, 1), begin(2, 2)]).begun_twice);
}

/// Author 1 makes a record with date 7 and submits it; author 2 verifies; author 1 has moved the date meanwhile.
fn verified_meanwhile() -> Vec<Commit> {
    let mut ops = first(&[("date", text("2025-03-05"))]);
    ops.extend(happens(1, "submit", "2025-03-05"));
    vec![
        change(1, 1, (&[], 1, 1), ops).commit(1, 0),
        change(2, 2, (&[1], 1, 10), happens(2, "verify", "2025-03-06")).commit(1, 0),
        change(1, 3, (&[1], 2, 10), vec![set("date", text("2025-03-09"), &[(7, 1)])]).commit(2, 1),
    ]
}

#[test]
fn a_verified_date_stands_until_a_correction_is_accepted() {
    let mut commits = verified_meanwhile();
    let date = |commits: &[Commit]| {
        let field = the_record(commits).fields["date"].clone();
        (field.shown, field.correction)
    };
    assert_eq!(date(&commits), (Some(text("2025-03-05")), true));
    assert_eq!(activity(&the_record(&commits)).state, "verified");

    let mut rejected = commits.clone();
    rejected.push(change(2, 4, (&[2, 3], 2, 12), happens(3, "reject", "2025-03-10")).commit(2, 2));
    assert_eq!(date(&rejected), (Some(text("2025-03-05")), false));

    commits.push(change(2, 4, (&[2, 3], 2, 12), happens(3, "accept", "2025-03-10")).commit(2, 2));
    assert_eq!(date(&commits), (Some(text("2025-03-09")), false));
}

#[test]
fn who_verifies_two_values_leaves_the_choice_and_a_deletion_beside_a_value_is_a_question() {
    let mut commits = two_edits("beneficiaries", Some(Val::Int(1)), Val::Int(35), Val::Int(20));
    commits.push(change(3, 4, (&[2, 3], 1, 9), happens(1, "verify", "2025-03-10")).commit(1, 0));
    let field = the_record(&commits).fields["beneficiaries"].clone();
    assert_eq!((field.shown, field.conflict, field.correction), (Some(Val::Int(35)), true, false));

    let mut commits = two_edits("beneficiaries", Some(Val::Int(1)), Val::Int(35), Val::Int(20));
    commits[1].changes[0].body = Body::Ops(vec![delete("beneficiaries", &[(7, 1)])]);
    let field = the_record(&commits).fields["beneficiaries"].clone();
    assert_eq!((field.shown, field.values, field.conflict), (Some(Val::Int(20)), vec![Val::Int(20)], true));
    // Somebody who saw both and only took the value away left nothing to ask.
    commits.push(change(3, 4, (&[2, 3], 1, 9), vec![delete("beneficiaries", &[(8, 2)])]).commit(1, 0));
    assert!(!the_record(&commits).fields["beneficiaries"].conflict);
}

#[test]
fn a_rejected_correction_is_not_taken_up_by_a_later_verification() {
    let mut commits = verified_meanwhile();
    commits.push(change(2, 4, (&[2, 3], 2, 12), happens(3, "reject", "2025-03-10")).commit(2, 2));
    commits.push(change(1, 5, (&[4], 3, 14), vec![set("category", text("other"), &[])]).commit(3, 3));
    commits.push(change(2, 6, (&[5], 3, 15), happens(4, "accept", "2025-03-11")).commit(3, 4));
    let fields = the_record(&commits).fields;
    assert_eq!((&fields["date"].shown, &fields["category"].shown), (&Some(text("2025-03-05")), &Some(text("other"))));
    assert!(!fields["date"].correction && !fields["category"].correction);
}

#[test]
fn a_value_added_after_verification_waits_as_well() {
    let mut commits = verified_meanwhile();
    commits.push(change(1, 4, (&[2, 3], 3, 12), vec![set("beneficiaries", Val::Int(9), &[])]).commit(3, 3));
    let field = the_record(&commits).fields["beneficiaries"].clone();
    assert_eq!((field.shown, field.values, field.correction), (None, vec![Val::Int(9)], true));
}

#[test]
fn a_verdict_hides_what_it_names_and_a_later_one_releases_it() {
    let verdict = |hash: u8, deps: &[u8], (start, pred): (u64, &[(u64, u8)]), action: &str| {
        let mut ops = if deps.is_empty() { first(&naming(1, 3, 2, 2)) } else { Vec::new() };
        ops.push(set("action", text(action), pred));
        let seq = deps.len() as u64 + 1;
        change(OFFICE, hash, (deps, seq, start), ops).of("verdict", 50).commit(seq, if seq == 1 { 0 } else { 50 })
    };
    let mut commits = verified_meanwhile();
    commits.push(verdict(50, &[], (1, &[]), "quarantine"));
    assert_eq!(state(&commits, 3), State::Quarantined);
    assert_eq!(state(&commits, 1), State::Applied);
    assert_eq!(the_record(&commits).fields["date"].values, [text("2025-03-05")]);

    let mut released = commits.clone();
    released.push(verdict(51, &[50], (12, &[(11, OFFICE)]), "release"));
    assert_eq!(state(&released, 3), State::Applied);

    // An office author of another epoch that did not know the first word: quarantine wins.
    let mut ops = first(&naming(1, 3, 2, 2));
    ops.push(set("action", text("release"), &[]));
    let mut other = change(98, 60, (&[], 1, 1), ops).of("verdict", 50).commit(1, 0);
    other.office = true;
    commits.push(other);
    assert_eq!(state(&commits, 3), State::Quarantined);
}

/// The I fields of a verdict on commits `from` to `to` of an author, the last with this chain hash.
fn naming(author: u8, chain: u8, from: i64, to: i64) -> [(&'static str, Val); 4] {
    [
        ("author", Val::Bytes(vec![author; 16])),
        ("from_seq", Val::Int(from)),
        ("to_seq", Val::Int(to)),
        ("chain", Val::Bytes(vec![chain; 32])),
    ]
}

#[test]
fn a_verdict_counts_from_an_office_author_alone() {
    let mut ops = first(&naming(1, 3, 2, 2));
    ops.push(set("action", text("quarantine"), &[]));
    let mut commits = verified_meanwhile();
    commits.push(change(2, 50, (&[], 1, 1), ops).of("verdict", 50).commit(2, 2));
    assert_eq!((state(&commits, 50), state(&commits, 3)), (State::Opaque, State::Applied));
}

#[test]
fn an_invisible_operation_supersedes_nothing_and_hides_nothing_that_a_later_one_replaced() {
    let mut ops = first(&naming(2, 2, 1, 1));
    ops.push(set("action", text("quarantine"), &[]));
    let mut commits = vec![
        change(1, 1, (&[], 1, 1), first(&[("note", text("a"))])).commit(1, 0),
        change(2, 2, (&[1], 1, 8), vec![set("note", text("b"), &[(7, 1)])]).commit(1, 0),
        change(OFFICE, 50, (&[], 1, 1), ops).of("verdict", 50).commit(1, 0),
    ];
    assert_eq!(the_record(&commits).fields["note"].values, [text("a")]);
    // Who wrote on top of the quarantined value replaced what that had replaced.
    commits.push(change(3, 4, (&[2], 1, 9), vec![set("note", text("c"), &[(8, 2)])]).commit(1, 0));
    assert_eq!(the_record(&commits).fields["note"].values, [text("c")]);
}

#[test]
fn a_predecessor_that_cannot_be_read_still_stands_for_what_it_replaced() {
    for body in [Body::Erased, Body::Unreadable] {
        let commits = [
            change(1, 1, (&[], 1, 1), first(&[("note", text("a"))])).commit(1, 0),
            change(2, 2, (&[1], 1, 8), vec![set("note", text("b"), &[(7, 1)])]).body(body).commit(1, 0),
            change(3, 4, (&[2], 1, 9), vec![set("note", text("c"), &[(8, 2)])]).commit(1, 0),
        ];
        assert_eq!(state(&commits, 4), State::Applied);
        assert_eq!(the_record(&commits).fields["note"].values, [text("c")]);
        assert_eq!(the_record(&commits[..2]).fields["note"].values, [text("a")]);
    }
}

#[test]
fn a_predecessor_on_another_key_supersedes_nothing() {
    let commits = [
        change(1, 1, (&[], 1, 1), first(&[("note", text("a"))])).commit(1, 0),
        change(2, 2, (&[1], 1, 8), vec![set("venue", text("v"), &[])]).commit(1, 0),
        change(3, 4, (&[2], 1, 9), vec![set("note", text("c"), &[(8, 2)])]).commit(1, 0),
    ];
    assert_eq!(the_record(&commits).fields["note"].values, [text("a"), text("c")]);
}

#[test]
fn what_an_author_says_falsely_of_a_change_decides_nothing() {
    let made = || change(1, 1, (&[], 1, 1), first(&[])).commit(1, 0);
    let edit = || change(1, 2, (&[1], 2, 7), vec![set("note", text("b"), &[])]).commit(2, 1);
    let mut lie = change(2, 1, (&[9], 1, 3), Vec::new()).body(Body::Impostor).commit(1, 0);
    lie.chain = [66; 32];
    let mut stub = lie.clone();
    (stub.chain, stub.seq, stub.changes[0].body) = ([67; 32], 2, Body::Erased);
    let honest = [made(), edit()];
    let all = [made(), edit(), lie, stub];
    assert_eq!(the_record(&all), the_record(&honest));
    let states = ([State::Applied, State::Applied], [State::Opaque, State::Erased]);
    assert_eq!(([state(&all, 1), state(&all, 2)], [state(&all, 66), state(&all, 67)]), states);
}

#[test]
fn a_verdict_on_what_was_verified_reopens_the_case() {
    let mut commits = verified_meanwhile();
    assert!(!the_record(&commits).reopened);
    // The edit was concurrent with the verification: no ancestor of it.
    let verdict = |hash: u8, chain: u8, seq: i64| {
        let mut ops = first(&naming(1, chain, seq, seq));
        ops.push(set("action", text("quarantine"), &[]));
        change(OFFICE, hash, (&[], 1, 1), ops).of("verdict", hash).commit(u64::from(hash) - 49, hash - 1)
    };
    commits.push(verdict(50, 3, 2));
    assert!(!the_record(&commits).reopened);
    commits.push(verdict(51, 1, 1));
    let record = the_record(&commits);
    assert!(record.reopened && !record.row);
}

#[test]
fn a_range_covers_every_branch() {
    let step = |hash: u8, dep: u8, seq: u64| {
        change(1, hash, (&[dep], seq, 5 + seq), vec![set("note", text("n"), &[])]).commit(seq, dep)
    };
    let mut ops = first(&naming(1, 4, 2, 3));
    ops.push(set("action", text("quarantine"), &[]));
    let office = change(OFFICE, 50, (&[], 1, 1), ops).of("verdict", 50).commit(1, 0);
    let mut commits = vec![change(1, 1, (&[], 1, 1), first(&[])).commit(1, 0), step(2, 1, 2), step(3, 1, 2), office];
    assert_eq!([1, 2, 3].map(|hash| state(&commits, hash)), [State::Applied, State::Quarantined, State::Quarantined]);
    commits.push(step(4, 2, 3));
    assert_eq!([2, 3, 4].map(|hash| state(&commits, hash)), [State::Quarantined; 3]);
}

#[test]
fn what_lacks_an_ancestor_waits_and_what_does_not_fit_is_opaque() {
    let made = || change(1, 1, (&[], 1, 1), first(&[])).commit(1, 0);
    let edit = |deps: &[u8], seq, start, pred: &[(u64, u8)]| {
        change(1, 2, (deps, seq, start), vec![set("note", text("b"), pred)]).commit(2, 1)
    };
    assert_eq!(state(&[edit(&[1], 2, 7, &[])], 2), State::Waiting);
    assert_eq!(state(&[made(), edit(&[1], 2, 7, &[])], 2), State::Applied);
    assert_eq!(state(&[made(), edit(&[1], 2, 8, &[])], 2), State::Opaque, "start op");
    assert_eq!(state(&[made(), edit(&[1], 3, 7, &[])], 2), State::Opaque, "actor seq");
    assert_eq!(state(&[made(), edit(&[1], 2, 7, &[(7, 1)])], 2), State::Opaque, "predecessor");
    let counts = evaluate(&[made(), made(), edit(&[9], 2, 7, &[])], &letters()).counts;
    assert_eq!(counts, BTreeMap::from([(State::Applied, 1), (State::Waiting, 1)]));
}

#[test]
fn without_its_first_change_a_record_is_incomplete() {
    let commits = [
        change(1, 1, (&[], 1, 1), first(&[("note", text("a"))])).body(Body::Erased).commit(1, 0),
        change(1, 2, (&[1], 2, 8), vec![set("venue", text("b"), &[])]).commit(2, 1),
    ];
    let mut commits = commits.to_vec();
    commits[0].changes[0].op_count = 7;
    let record = the_record(&commits);
    assert!(!record.row && record.missing.contains(&"place_code".to_owned()));
    // The office restates in a fresh first change what is kept.
    commits.push(change(OFFICE, 9, (&[], 1, 1), first(&[("date", text("2025-03-05"))])).commit(1, 0));
    assert!(the_record(&commits).row);
}

#[test]
fn branches_of_one_author_are_told_apart_by_the_hash() {
    let side = |hash, value: &str| change(1, hash, (&[1], 2, 7), vec![set("note", text(value), &[])]).commit(2, 1);
    let mut commits = vec![change(1, 1, (&[], 1, 1), first(&[])).commit(1, 0), side(5, "low"), side(4, "lower")];
    assert_eq!(the_record(&commits).fields["note"].shown, Some(text("low")));
    // A predecessor means every ancestor's operation of that counter and actor.
    commits.push(change(2, 6, (&[4, 5], 1, 8), vec![set("note", text("both"), &[(7, 1)])]).commit(1, 0));
    assert_eq!(the_record(&commits).fields["note"].values, [text("both")]);
    // A verdict on one branch leaves the other.
    let mut ops = first(&naming(1, 5, 2, 2));
    ops.push(set("action", text("quarantine"), &[]));
    commits.push(change(OFFICE, 50, (&[], 1, 1), ops).of("verdict", 50).commit(1, 0));
    assert_eq!((state(&commits, 5), state(&commits, 4)), (State::Quarantined, State::Applied));
}

#[test]
fn confirmation_beside_a_return_is_opposed_until_somebody_who_knows_both_decides() {
    let mut begin = first(&[("person", Val::Null), ("community", Val::Null)]);
    begin.extend(happens(1, "register", "2025-01-02"));
    let mut commits = vec![
        change(1, 1, (&[], 1, 1), begin).of("check_in", 3).commit(1, 0),
        change(1, 2, (&[1], 2, 11), happens(2, "return", "2025-01-03")).of("check_in", 3).commit(2, 1),
        change(2, 3, (&[1], 1, 11), happens(3, "confirm", "2025-01-04")).of("check_in", 3).commit(1, 0),
    ];
    let day = |state, on: &str| (state, on.to_owned());
    let fold = check_in(&the_record(&commits));
    assert_eq!((fold.state, fold.opposed), ("returned", true));
    assert_eq!(fold.history, [day("registered", "2025-01-02"), day("returned", "2025-01-03")]);

    commits.push(change(2, 4, (&[2, 3], 2, 13), happens(4, "confirm", "2025-01-05")).of("check_in", 3).commit(2, 3));
    let fold = check_in(&the_record(&commits));
    assert_eq!((fold.state, fold.opposed), ("confirmed", false));
    assert_eq!(fold.history, [day("registered", "2025-01-02"), day("confirmed", "2025-01-05")]);
}

#[test]
fn an_activity_that_is_verified_is_not_returned() {
    let mut commits = verified_meanwhile();
    commits.push(change(2, 4, (&[2, 3], 2, 12), happens(3, "return", "2025-03-10")).commit(2, 2));
    let fold = activity(&the_record(&commits));
    assert_eq!((fold.state, fold.opposed), ("verified", false));
}

#[test]
fn the_order_in_which_commits_come_means_nothing() {
    let mut commits = verified_meanwhile();
    let forth = evaluate(&commits, &letters());
    commits.reverse();
    commits.extend(verified_meanwhile());
    assert_eq!(evaluate(&commits, &letters()), forth);
}
