use uuid::Uuid;

use super::*;
use crate::catalogue::tests::CHARITY;
use crate::{Catalogue, RecordId, keys};

fn today() -> NaiveDate {
    civil::parse_date("2026-11-23").unwrap()
}

fn ctx() -> CheckContext<'static> {
    CheckContext::new(today())
}

fn of(name: &str) -> &'static RecordType {
    Catalogue::builtin().get(name).unwrap().1
}

type Values = Vec<(String, Value)>;

fn activity() -> Values {
    vec![
        ("title".to_owned(), Value::from("清洁日")),
        ("category".to_owned(), Value::from("environment")),
        ("date".to_owned(), Value::from("2026-11-22")),
        ("start_time".to_owned(), Value::from("09:00")),
        ("end_time".to_owned(), Value::from("11:30")),
        ("beneficiaries".to_owned(), Value::Int(20)),
        ("tags/河道".to_owned(), Value::Bool(true)),
    ]
}

fn with(mut values: Values, key: &str, value: impl Into<Value>) -> Values {
    values.retain(|(other, _)| other != key);
    values.push((key.to_owned(), value.into()));
    values
}

fn codes(record_type: &RecordType, values: &[(String, Value)], ctx: &CheckContext<'_>) -> Vec<&'static str> {
    validate_new(record_type, values, ctx).err().unwrap_or_default().iter().map(Problem::code).collect()
}

#[test]
fn a_sound_activity_passes_and_each_fault_is_named() {
    let record_type = of("activity");
    assert_eq!(codes(record_type, &activity(), &ctx()), [""; 0]);
    let cases: [(&str, Value, &str); 16] = [
        ("title", Value::from(" "), "empty"),
        ("title", Value::from("x".repeat(81)), "too-long"),
        ("title", Value::from("a\u{202e}b"), "control-characters"),
        ("title", Value::Int(1), "wrong-type"),
        ("category", Value::from("fun"), "not-a-choice"),
        ("date", Value::from("2026-02-29"), "bad-date"),
        ("date", Value::from("2026-11-24"), "in-future"),
        ("end_time", Value::from("09:00"), "too-early"),
        ("end_time", Value::from("25:00"), "bad-time"),
        ("beneficiaries", Value::Int(-1), "out-of-range"),
        ("beneficiaries", Value::Uint(3), "wrong-type"),
        ("host_team", Value::Bytes(vec![1; 15]), "bad-reference"),
        ("tags", Value::from("河道"), "is-set"),
        ("tags/a", Value::Bool(false), "wrong-type"),
        ("state", Value::from("verified"), "unknown-event"),
        ("colour", Value::from("red"), "unknown-field"),
    ];
    for (key, value, code) in cases {
        assert_eq!(codes(record_type, &with(activity(), key, value), &ctx()), [code], "{key} {code}");
    }
    for (key, code) in [("title/x", "not-set"), ("tags/", "empty"), ("ev/1/kind", "bad-key")] {
        assert_eq!(codes(record_type, &with(activity(), key, true), &ctx()), [code], "{key}");
    }
    let mut twice = activity();
    twice.push(twice[0].clone());
    assert_eq!(codes(record_type, &twice, &ctx()), ["twice"]);
}

#[test]
fn what_is_missing_is_listed() {
    assert_eq!(codes(of("activity"), &[], &ctx()), ["missing"; 3]);
    let problems = validate_new(of("person"), &[], &ctx()).unwrap_err();
    let fields: Vec<_> = problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["name", "party_status", "kind", "status"]);
    let problems = validate_new(of("person"), &[], &ctx().for_entry()).unwrap_err();
    assert!(problems.iter().any(|problem| problem.field == "consent"));
}

#[test]
fn a_ten_megabyte_note_is_refused_with_the_limit() {
    let note = with(activity(), "note", "a".repeat(10 << 20));
    let problems = validate_new(of("activity"), &note, &ctx()).unwrap_err();
    assert!(
        problems.iter().any(|problem| problem.fault == Fault::TooLong { max: 2000 } && problem.zh().contains("2000"))
    );
    assert!(problems.iter().any(|problem| problem.fault == Fault::TooLarge { max: MAX_BYTES }));
    assert_eq!(codes(of("activity"), &with(activity(), "note", "好".repeat(2000)), &ctx()), [""; 0]);
    assert_eq!(codes(of("activity"), &with(activity(), "note", "好".repeat(2001)), &ctx()), ["too-long"]);
    let many = (0..MAX_VALUES).fold(activity(), |values, n| with(values, &format!("tags/{n}"), true));
    assert_eq!(codes(of("activity"), &many, &ctx()), ["too-many"]);
}

#[test]
fn a_planned_activity_may_lie_ahead() {
    let id = Uuid::from_bytes([1; 16]);
    let mut ahead = with(activity(), "date", "2027-01-01");
    ahead.extend(keys::event_values(id, "plan", None, 0, None, &[]));
    assert_eq!(codes(of("activity"), &ahead, &ctx()), [""; 0]);
    let mut held = with(activity(), "date", "2027-01-01");
    held.extend(keys::event_values(id, "hold", None, 0, None, &[]));
    assert_eq!(codes(of("activity"), &held, &ctx()), ["in-future"]);
}

#[test]
fn events_have_a_known_kind_and_its_parts() {
    let id = Uuid::from_bytes([1; 16]);
    let base = || {
        vec![
            ("person".to_owned(), Value::reference(RecordId::from_bytes([2; 16]))),
            ("community".to_owned(), Value::from("430103005010")),
            ("basis".to_owned(), Value::from("residence")),
        ]
    };
    let event = |kind: &str, on: Option<&str>, parts: &[(&str, Value)]| {
        let mut values = base();
        values.extend(keys::event_values(id, kind, on, 0, Some(RecordId::from_bytes([3; 16])), parts));
        codes(of("check_in"), &values, &ctx())
    };
    assert_eq!(event("register", None, &[]), [""; 0]);
    assert_eq!(event("confirm", Some("2026-11-23"), &[]), [""; 0]);
    assert_eq!(event("confirm", None, &[]), ["missing-part"]);
    assert_eq!(event("confirm", Some("2026-11-24"), &[]), ["in-future"]);
    assert_eq!(event("confirm", Some("2026-11-31"), &[]), ["bad-date"]);
    assert_eq!(event("move_out", Some("2026-11-01"), &[("to", Value::from("430104008008"))]), [""; 0]);
    assert_eq!(event("move_out", Some("2026-11-01"), &[("to", Value::from("x"))]), ["bad-place"]);
    assert_eq!(event("register", None, &[("to", Value::from("x"))]), ["unknown-part"]);
    assert_eq!(event("dance", None, &[]), ["unknown-event"]);
    let mut lost = base();
    lost.push((keys::event(id, "on"), Value::from("2026-11-01")));
    assert_eq!(codes(of("check_in"), &lost, &ctx()), ["unknown-event"]);
}

#[test]
fn places_and_scopes_are_compared() {
    let check_in = |community: &str| {
        vec![
            ("person".to_owned(), Value::reference(RecordId::from_bytes([2; 16]))),
            ("community".to_owned(), Value::from(community)),
            ("basis".to_owned(), Value::from("residence")),
        ]
    };
    let places = ctx().with_places(Places::changsha());
    assert_eq!(codes(of("check_in"), &check_in("430103005010"), &places), [""; 0]);
    assert_eq!(codes(of("check_in"), &check_in("430103005999"), &places), ["unknown-place"]);
    assert_eq!(codes(of("check_in"), &check_in("43010300501"), &places), ["bad-place"]);
    let scope = Scope::community("430103005010").unwrap();
    assert_eq!(codes(of("check_in"), &check_in("430103005010"), &places.in_scope(&scope)), [""; 0]);
    assert_eq!(codes(of("check_in"), &check_in("430104008008"), &places.in_scope(&scope)), ["wrong-scope"]);
    let city = Scope::new(crate::ScopeKind::City, "4301").unwrap();
    assert_eq!(codes(of("activity"), &activity(), &ctx().in_scope(&city)), ["wrong-scope"]);
}

#[test]
fn the_office_writes_what_is_its_own() {
    let link = vec![
        ("loser".to_owned(), Value::Bytes(vec![1; 16])),
        ("winner".to_owned(), Value::Bytes(vec![2; 16])),
        ("record_type".to_owned(), Value::from("person")),
        ("live".to_owned(), Value::Bool(true)),
    ];
    assert_eq!(codes(of("merge_link"), &link, &ctx()), ["office-only"]);
    assert_eq!(codes(of("merge_link"), &link, &ctx().by_office()), [""; 0]);
    let receipt = [("receipt_no".to_owned(), Value::from("2026-001"))];
    let edit = |ctx: &CheckContext<'_>| validate_edit(of("check_in"), &receipt, &[], &|_| None, ctx);
    assert_eq!(edit(&ctx()).unwrap_err()[0].code(), "office-only");
    assert!(edit(&ctx().by_office()).is_ok());
}

#[test]
fn edits_respect_what_is_there() {
    let record_type = of("activity");
    let shown = activity();
    let before = |key: &str| shown.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    let edit = |values: Values, removed: &[&str]| -> Vec<&'static str> {
        let removed: Vec<String> = removed.iter().map(|key| (*key).to_owned()).collect();
        let found = validate_edit(record_type, &values, &removed, &before, &ctx());
        found.err().unwrap_or_default().iter().map(Problem::code).collect()
    };
    assert_eq!(edit(vec![("venue".to_owned(), Value::from("广场"))], &[]), [""; 0]);
    assert_eq!(edit(vec![("end_time".to_owned(), Value::from("08:00"))], &[]), ["too-early"]);
    assert_eq!(edit(vec![("start_time".to_owned(), Value::from("12:00"))], &[]), ["too-early"]);
    let both = vec![("start_time".to_owned(), Value::from("12:00")), ("end_time".to_owned(), Value::from("13:00"))];
    assert_eq!(edit(both, &[]), [""; 0]);
    assert_eq!(edit(vec![("place_code".to_owned(), Value::from("4301"))], &[]), ["immutable"]);
    assert_eq!(edit(Vec::new(), &["note", "tags/河道", "tags/从未见过"]), [""; 0]);
    assert_eq!(edit(Vec::new(), &["title"]), ["missing"]);
    assert_eq!(edit(Vec::new(), &["title/x", "tags", "nosuch"]), ["not-set", "is-set", "unknown-field"]);
    let person = [("person".to_owned(), Value::Bytes(vec![1; 16]))];
    let moved = validate_edit(of("check_in"), &person, &[], &|_| Some(Value::Bytes(vec![2; 16])), &ctx());
    assert_eq!(moved.unwrap_err()[0].code(), "immutable");
}

#[test]
fn an_id_number_is_never_written_plain() {
    let plain = [("id_no".to_owned(), Value::from("11010519491231002X"))];
    let problems = validate_edit(of("person"), &plain, &[], &|_| None, &ctx()).unwrap_err();
    assert_eq!(problems[0].code(), "not-sealed");
    let as_bytes = [("id_no".to_owned(), Value::Bytes(b"11010519491231002X".to_vec()))];
    assert_eq!(validate_edit(of("person"), &as_bytes, &[], &|_| None, &ctx()).unwrap_err()[0].code(), "not-sealed");
    let sealed = [("id_no".to_owned(), Value::Bytes(vec![1; 75]))];
    assert!(validate_edit(of("person"), &sealed, &[], &|_| None, &ctx()).is_ok());
    let computed = [("name_py".to_owned(), Value::from("zw"))];
    assert_eq!(validate_edit(of("person"), &computed, &[], &|_| None, &ctx()).unwrap_err()[0].code(), "computed");
}

#[test]
fn the_common_fields_may_come_along() {
    let mut values = activity();
    for (key, value) in [
        ("id", Value::Bytes(vec![1; 16])),
        ("type", Value::from("activity")),
        ("schema_v", Value::Int(1)),
        ("place_code", Value::from("430103005010")),
        ("created_at", Value::Timestamp(1)),
        ("device", Value::Bytes(vec![2; 16])),
    ] {
        values.push((key.to_owned(), value));
    }
    let scope = Scope::community("430103005010").unwrap();
    assert_eq!(codes(of("activity"), &values, &ctx().in_scope(&scope)), [""; 0]);
    let elsewhere = with(values, "place_code", "430104008008");
    assert_eq!(codes(of("activity"), &elsewhere, &ctx().in_scope(&scope)), ["wrong-scope"]);
}

#[test]
fn another_catalogue_is_judged_the_same() {
    let catalogue = Catalogue::parse(CHARITY).unwrap();
    let (_, shift) = catalogue.get("shift").unwrap();
    let values = vec![
        ("volunteer".to_owned(), Value::Bytes(vec![1; 16])),
        ("day".to_owned(), Value::from("2026-11-24")),
        ("meals".to_owned(), Value::Int(10_001)),
    ];
    assert_eq!(codes(shift, &values, &ctx()), ["in-future", "out-of-range"]);
    let (_, volunteer) = catalogue.get("volunteer").unwrap();
    let hours = |text: &str| {
        let values = vec![("name".to_owned(), Value::from("李")), ("branch".to_owned(), Value::from("n"))];
        codes(volunteer, &with(values, "hours", text), &ctx())
    };
    assert_eq!(hours("12.5"), [""; 0]);
    for text in ["12.5000", "1e3", ".5", "012", "", "-"] {
        assert_eq!(hours(text), ["bad-decimal"], "{text}");
    }
}

#[test]
fn texts_exist_in_both_languages() {
    let problems = validate_new(of("person"), &[], &ctx()).unwrap_err();
    assert_eq!(problems[0].zh(), "人员·姓名：必填，请填写");
    assert_eq!(problems[0].en(), "Person, name: required; please fill it in");
    let choice = with(activity(), "category", "fun");
    let problems = validate_new(of("activity"), &choice, &ctx()).unwrap_err();
    assert!(problems[0].zh().contains("环保清洁（environment）") && problems[0].en().contains("repair (Repairs)"));
}
