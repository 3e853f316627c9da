use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::{Catalogue, check, civil};

fn ctx() -> CheckContext<'static> {
    CheckContext::new(civil::parse_date("2026-11-23").unwrap())
}

fn of(name: &str) -> &'static RecordType {
    Catalogue::builtin().get(name).unwrap().1
}

fn one(record_type: &str, field: &str, text: &str) -> Value {
    match enter(of(record_type), field, text, &ctx()).unwrap().as_slice() {
        [Entered::Set { key, value }] => {
            assert_eq!(key, field);
            value.clone()
        }
        other => panic!("{other:?}"),
    }
}

fn code(record_type: &str, field: &str, text: &str) -> &'static str {
    enter(of(record_type), field, text, &ctx()).unwrap_err().code()
}

#[test]
fn values_as_people_write_them() {
    assert_eq!(one("activity", "date", "2026年3月5日"), Value::from("2026-03-05"));
    assert_eq!(one("activity", "start_time", "下午3点"), Value::from("15:00"));
    assert_eq!(one("activity", "beneficiaries", "３５"), Value::Int(35));
    assert_eq!(one("activity", "category", "环保清洁"), Value::from("environment"));
    assert_eq!(one("activity", "category", "家电维修"), Value::from("repair"));
    assert_eq!(one("activity", "category", "Tutoring"), Value::from("tutoring"));
    assert_eq!(one("person", "party_status", "1"), Value::from("01"));
    assert_eq!(one("person", "party_status", "预备党员"), Value::from("02"));
    assert_eq!(one("person", "sex", "1"), Value::from("1"));
    assert_eq!(one("person", "birth_ym", "1980年5月"), Value::from("1980-05"));
    assert_eq!(one("participation", "attended", "是"), Value::Bool(true));
    assert_eq!(one("org", "uscc", "91350100m000100y43"), Value::from("91350100M000100Y43"));
    assert_eq!(one("org", "liaison_phone", "（0731）8444 1234"), Value::from("0731-84441234"));
    let id = RecordId::from_bytes([7; 16]);
    assert_eq!(one("team", "leader", &id.to_string()), Value::reference(id));
    assert_eq!(one("verdict", "chain", &"ab".repeat(32)), Value::Bytes(vec![0xab; 32]));
}

#[test]
fn problems_name_the_field_and_not_the_value() {
    assert_eq!(code("activity", "date", "2026-02-30"), "bad-date");
    assert_eq!(code("activity", "beneficiaries", "很多"), "bad-int");
    assert_eq!(code("activity", "beneficiaries", "-1"), "out-of-range");
    assert_eq!(code("activity", "note", &"长".repeat(2001)), "too-long");
    assert_eq!(code("activity", "title", " "), "missing");
    assert_eq!(code("activity", "state", "verified"), "unknown-event");
    assert_eq!(code("activity", "id", "x"), "computed");
    assert_eq!(code("person", "name_py", "zw"), "computed");
    assert_eq!(code("org", "uscc", "91350100M000100Y44"), "bad-uscc");
    for (field, text) in [("phone", "138"), ("id_no", "430103198001010012"), ("sex", "甲"), ("nosuch", "13812345678")]
    {
        let problem = enter(of("person"), field, text, &ctx()).unwrap_err();
        for words in [problem.zh(), problem.en(), format!("{problem:?}")] {
            assert!(!words.contains(text), "{words}");
        }
        assert!(problem.zh().starts_with("人员·"), "{}", problem.zh());
        assert_eq!(problem.to_string(), problem.en());
    }
    let odd = enter(of("person"), "张伟 13812345678", "x", &ctx()).unwrap_err();
    assert!(!format!("{odd:?}").contains("138"));
}

#[test]
fn an_id_number_is_for_sealing() {
    let entered = enter(of("person"), "id_no", "11010519491231002x", &ctx()).unwrap();
    assert_eq!(format!("{entered:?}").matches("19491231").count(), 0);
    let entry = Entry::from(entered);
    assert_eq!(entry.values, [("id_last4".to_owned(), Value::from("002X"))]);
    let (field, plaintext) = &entry.sealed[0];
    assert_eq!((field.as_str(), plaintext.reveal()), ("id_no", "11010519491231002X"));
    let cleared = Entry::from(enter(of("person"), "id_no", "", &ctx()).unwrap());
    assert_eq!(cleared.removed, ["id_last4", "id_no"]);
}

#[test]
fn sets_take_one_or_several() {
    let entered = enter(of("person"), "phone", "138 1234 5678，0731-84441234、13812345678", &ctx()).unwrap();
    assert_eq!(entered.len(), 3);
    let all = enter_all(of("person"), [("phone", "13812345678，13812345678")], &ctx()).unwrap();
    assert_eq!(all.len(), 1);
    let set = |key: &str| Entered::Set { key: key.to_owned(), value: Value::Bool(true) };
    assert_eq!(add(of("activity"), "tags", " 河道 ", &ctx()).unwrap(), set("tags/河道"));
    let id = RecordId::from_bytes([0xcd; 16]);
    let key = format!("members/{}", "cd".repeat(16));
    assert_eq!(add(of("team"), "members", &id.to_string(), &ctx()).unwrap(), set(&key));
    assert_eq!(remove(of("team"), "members", &id.to_string(), &ctx()).unwrap(), Entered::Remove { key });
    let unknown = Entered::Remove { key: "available/夜间".to_owned() };
    assert_eq!(remove(of("person"), "available", "夜间", &ctx()).unwrap(), unknown);
    assert_eq!(add(of("activity"), "title", "x", &ctx()).unwrap_err().code(), "not-set");
    let twice = enter_all(of("activity"), [("title", "a"), ("title", "b")], &ctx()).unwrap_err();
    assert_eq!(twice[0].code(), "twice");
}

#[test]
fn json_is_read_by_the_same_rules() {
    let object = json!({
        "title": "清洁日", "date": "2026/3/5", "category": "环保清洁", "beneficiaries": 20,
        "tags": ["河道", "清洁"], "note": null,
    });
    let entry = Entry::from(enter_json(of("activity"), object.as_object().unwrap(), &ctx()).unwrap());
    assert_eq!(entry.values.len(), 6);
    assert_eq!(entry.removed, ["note"]);
    assert!(check::validate_new(of("activity"), &entry.values, &ctx()).is_ok());
    let wrong = json!({ "title": ["a"], "beneficiaries": 1.5, "colour": "red", "tags": [["x"]] });
    let codes: Vec<_> =
        enter_json(of("activity"), wrong.as_object().unwrap(), &ctx()).unwrap_err().iter().map(Problem::code).collect();
    assert_eq!(codes, ["wrong-type", "bad-int", "unknown-field", "wrong-type"]);
}

#[test]
fn defaults_fill_what_was_left_out() {
    let mut entered =
        enter_all(of("person"), [("name", "张伟"), ("kind", "党员"), ("party_status", "党员")], &ctx()).unwrap();
    with_defaults(of("person"), &mut entered, &ctx());
    let entry = Entry::from(entered);
    assert!(entry.values.contains(&("status".to_owned(), Value::from("active"))));
    assert!(entry.values.contains(&("kind/member".to_owned(), Value::Bool(true))));
    assert!(check::validate_new(of("person"), &entry.values, &ctx()).is_ok());
    let mut entered = enter(of("person"), "status", "退休", &ctx()).unwrap();
    with_defaults(of("person"), &mut entered, &ctx());
    assert_eq!(entered.len(), 1);
}

#[test]
fn every_default_can_be_read() {
    for record_type in Catalogue::builtin().types() {
        for field in record_type.fields.iter().filter(|field| field.default.is_some()) {
            let default = field.default.as_deref().unwrap();
            assert!(enter(record_type, &field.name, default, &ctx()).is_ok(), "{}.{}", record_type.name, field.name);
        }
    }
}

#[test]
fn events_are_read_with_their_parts() {
    let id = Uuid::from_bytes([9; 16]);
    let by = RecordId::from_bytes([1; 16]);
    let values = event(
        of("check_in"),
        "move_out",
        &[("on", "昨天"), ("to", "430104008008"), ("why", "")],
        id,
        5,
        Some(by),
        &ctx(),
    );
    let values = values.unwrap();
    let names: Vec<_> = values.iter().map(|(key, _)| key.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["kind", "at", "by", "on", "to"]);
    assert!(check::validate_edit(of("check_in"), &values, &[], &|_| None, &ctx()).is_ok());
    let code =
        |kind, parts: &[(&str, &str)]| event(of("check_in"), kind, parts, id, 5, None, &ctx()).unwrap_err()[0].code();
    assert_eq!(code("verify", &[]), "unknown-event");
    assert_eq!(code("confirm", &[("to", "x")]), "unknown-part");
    assert_eq!(code("confirm", &[("on", "x")]), "bad-date");
}
