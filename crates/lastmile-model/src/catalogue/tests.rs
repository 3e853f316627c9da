use super::*;
use crate::keys;

#[test]
fn the_builtin_catalogue_parses_in_order() {
    let names: Vec<&str> = Catalogue::builtin().types().iter().map(|record_type| record_type.name.as_str()).collect();
    assert_eq!(names, BUILTIN.iter().map(|(file, _)| file.trim_end_matches(".toml")).collect::<Vec<_>>());
    assert_eq!(Catalogue::builtin().get("tally").map(|(number, _)| number), Some(12));
    assert!(Catalogue::builtin().get("nothing").is_none());
}

#[test]
fn every_type_begins_with_the_common_fields() {
    for record_type in Catalogue::builtin().types() {
        let common: Vec<&str> =
            record_type.fields.iter().filter(|field| field.common).map(|field| field.name.as_str()).collect();
        assert_eq!(common, ["id", "type", "schema_v", "place_code", "created_at", "created_by", "device"]);
        assert!(record_type.fields.iter().take(7).all(|field| field.common));
    }
}

#[test]
fn fields_are_found_by_name() {
    for record_type in Catalogue::builtin().types() {
        for (place, field) in record_type.fields.iter().enumerate() {
            assert_eq!(record_type.field(&field.name).map(|(at, found)| (at, &found.name)), Some((place, &field.name)));
        }
        assert!(record_type.field("").is_none() && record_type.field("zzz").is_none());
    }
}

#[test]
fn salt_scope_and_id_are_as_decided() {
    let of = |name: &str| Catalogue::builtin().get(name).unwrap().1;
    let salted: Vec<&str> = Catalogue::builtin().types().iter().filter(|t| t.salted).map(|t| t.name.as_str()).collect();
    assert_eq!(salted, ["org", "person", "check_in", "pairing", "attachment"]);
    assert_eq!(of("person").scope_kind, Some(ScopeKind::Community));
    assert_eq!(of("pairing").scope_kind, Some(ScopeKind::City));
    assert_eq!(of("verdict").scope_kind, None);
    assert!(of("verdict").office_only && !of("person").office_only);
    assert_eq!(of("person").id_rule, IdRule::Random);
    let (activity, person) = (Value::Bytes(vec![1; 16]), Value::Bytes(vec![2; 16]));
    let values = |name: &str| match name {
        "activity" => Some(&activity),
        "person" => Some(&person),
        _ => None,
    };
    let expected = crate::derive::participation(RecordId::from_bytes([1; 16]), RecordId::from_bytes([2; 16]));
    assert_eq!(of("participation").derive_id(values), Some(expected));
    assert_eq!(of("check_in").derive_id(values), None);
    assert_eq!(of("person").derive_id(values), None);
}

#[test]
fn labels_and_choices_are_there() {
    let (_, person) = Catalogue::builtin().get("person").unwrap();
    let (_, status) = person.field("party_status").unwrap();
    assert_eq!(status.choice("02").map(|choice| choice.zh.as_str()), Some("中共预备党员"));
    let (_, intents) = Catalogue::builtin().get("check_in").unwrap().1.field("intents").unwrap();
    assert_eq!(intents.choices.len(), 13);
    for record_type in Catalogue::builtin().types() {
        for field in &record_type.fields {
            assert!(!field.label_zh.is_empty() && !field.label_en.is_empty(), "{}.{}", record_type.name, field.name);
            assert_eq!(matches!(field.kind, FieldKind::Enum(_)), !field.choices.is_empty());
            assert_eq!(field.merge == Merge::Event, !field.events.is_empty());
        }
    }
}

#[test]
fn an_event_leads_to_its_field_and_parts() {
    let (_, check_in) = Catalogue::builtin().get("check_in").unwrap();
    let (field, event) = check_in.event("move_out").unwrap();
    assert_eq!(field.name, "state");
    let to = event.parts.iter().find(|part| part.name == "to").unwrap();
    assert_eq!((&to.kind, to.required), (&FieldKind::Place, true));
    assert_eq!(check_in.event("report_again").unwrap().0.name, "returns");
    assert!(check_in.event("verify").is_none());
}

/// A charity's volunteers: nothing of it is known to this program.
pub(crate) const CHARITY: &[(&str, &str)] = &[
    (
        "volunteer.toml",
        r#"
name = "volunteer"
zh = "义工"
en = "Volunteer"
scope = "org"
salted = true
kept_on_erasure = ["branch"]
fields = [
  { name = "name", kind = "name", merge = "Q", level = 2, required = true, search = true, zh = "姓名", en = "Name" },
  { name = "branch", kind = "enum", choices = "branch", merge = "R", level = 1, required = true, zh = "分会", en = "Branch" },
  { name = "languages", kind = "text", max = 20, merge = "S", level = 1, zh = "语言", en = "Languages" },
  { name = "hours", kind = "decimal", merge = "Q", level = 1, zh = "小时", en = "Hours" },
  { name = "secret", kind = "text", max = 20, merge = "R", zh = "密", en = "Of unknown level" },
  { name = "training", kind = "event", merge = "E", level = 1, zh = "培训", en = "Training" },
]
[choices]
branch = [{ code = "n", zh = "北", en = "North" }, { code = "s", zh = "南", en = "South" }]
[[events]]
field = "training"
kind = "trained"
zh = "受训"
en = "Trained"
parts = ["on!", "course"]
"#,
    ),
    (
        "shift.toml",
        r#"
name = "shift"
zh = "班次"
en = "Shift"
scope = "org"
id = ["volunteer", "day"]
fields = [
  { name = "volunteer", kind = "ref", to = ["volunteer"], merge = "I", level = 1, required = true, zh = "义工", en = "Volunteer" },
  { name = "day", kind = "date", merge = "I", level = 1, required = true, not_future = true, zh = "日期", en = "Day" },
  { name = "meals", kind = "int", max = 10000, merge = "Q", level = 0, zh = "送餐份数", en = "Meals" },
]
"#,
    ),
];

#[test]
fn another_catalogue_is_only_data() {
    let catalogue = Catalogue::parse(CHARITY).unwrap();
    let (number, shift) = catalogue.get("shift").unwrap();
    assert_eq!((number, shift.scope_kind), (1, Some(ScopeKind::Org)));
    let (who, day) = (Value::Bytes(vec![3; 16]), Value::from("2026-05-01"));
    assert!(shift.derive_id(|name| if name == "volunteer" { Some(&who) } else { Some(&day) }).is_some());
    let (_, volunteer) = catalogue.get("volunteer").unwrap();
    assert_eq!(volunteer.field("secret").unwrap().1.level, Level::Sensitive);
    assert_eq!(volunteer.event("trained").unwrap().1.parts.last().unwrap().name, "course");
}

fn broken(text: &str) -> BrokenRule {
    match Catalogue::parse(&[("x.toml", text)]) {
        Err(CatalogueError::Rule { rule, .. }) => rule,
        other => panic!("{other:?}"),
    }
}

/// A file with these fields, otherwise sound.
fn file(head: &str, fields: &str) -> String {
    format!("name = \"x\"\nzh = \"x\"\nen = \"x\"\nscope = \"org\"\n{head}\nfields = [{fields}]\n")
}

#[test]
fn broken_files_say_what_is_wrong() {
    let field = |rest: &str| format!("{{ name = \"a\", zh = \"a\", en = \"a\", {rest} }}");
    let cases = [
        (
            file("", "{ name = \"end\", zh = \"a\", en = \"a\", kind = \"bool\", merge = \"R\", level = 0 }"),
            BrokenRule::BadName,
        ),
        (
            file("", "{ name = \"device\", zh = \"a\", en = \"a\", kind = \"bool\", merge = \"R\", level = 0 }"),
            BrokenRule::Taken,
        ),
        (file("", &field("kind = \"bool\", merge = \"X\", level = 0")), BrokenRule::Expected("I R Q S E C V")),
        (file("", &field("kind = \"text\", merge = \"R\", level = 0")), BrokenRule::Missing("max")),
        (
            file("", &field("kind = \"enum\", merge = \"R\", level = 0, choices = \"b\"")),
            BrokenRule::Unknown("x.b".into()),
        ),
        (file("", &field("kind = \"ref\", to = [\"y\"], merge = \"R\", level = 0")), BrokenRule::Unknown("y".into())),
        (file("", &field("kind = \"bool\", merge = \"R\", level = 2")), BrokenRule::NotSalted),
        (file("", &field("kind = \"bool\", merge = \"R\"")), BrokenRule::NotSalted),
        (
            file("id = [\"a\"]", &field("kind = \"text\", max = 3, merge = \"R\", level = 0, required = true")),
            BrokenRule::BadIdField,
        ),
        (file("id = [\"a\"]", &field("kind = \"text\", max = 3, merge = \"I\", level = 0")), BrokenRule::BadIdField),
        (file("id = [\"b\"]", ""), BrokenRule::Unknown("b".into())),
        (
            file("salted = true", &field("kind = \"id_number\", merge = \"R\", level = 3")),
            BrokenRule::LetterAgainstKind,
        ),
        (file("", &field("kind = \"bool\", merge = \"S\", level = 0")), BrokenRule::LetterAgainstKind),
        (file("", &field("kind = \"date\", merge = \"R\", level = 0, after = \"b\"")), BrokenRule::Unknown("b".into())),
        (file("states = \"activity\"", ""), BrokenRule::Unknown("state".into())),
        (file("kept_on_erasure = [\"b\"]", ""), BrokenRule::Unknown("b".into())),
        (file("", "").replace("\"org\"", "\"galaxy\""), BrokenRule::Expected("community city org office any")),
        (file("", "").replace("name = \"x\"", "name = \"X\""), BrokenRule::BadName),
    ];
    for (text, rule) in cases {
        assert_eq!(broken(&text), rule, "{text}");
    }
    assert!(matches!(Catalogue::parse(&[("x.toml", "name = 3")]), Err(CatalogueError::Toml { .. })));
    assert!(matches!(Catalogue::parse(&[("x.toml", &file("colour = 1", ""))]), Err(CatalogueError::Toml { .. })));
}

#[test]
fn a_deployment_adds_without_recompiling() {
    let text = r#"
name = "activity"
zh = "服务活动"
en = "Service session"
fields = [{ name = "weather", kind = "text", max = 20, merge = "R", level = 0, zh = "天气", en = "Weather" }]
[choices]
category = [{ code = "pets", zh = "宠物", en = "Pets" }]
"#;
    let extended = Catalogue::builtin().extended("city.toml", text).unwrap();
    let (number, activity) = extended.get("activity").unwrap();
    assert_eq!((number, activity.label_zh.as_str()), (4, "服务活动"));
    assert_eq!(activity.fields.last().unwrap().name, "weather");
    assert!(activity.field("weather").is_some() && activity.field("title").is_some());
    assert!(activity.field("category").unwrap().1.choice("pets").is_some());
    assert_eq!(extended.types().len(), Catalogue::builtin().types().len());

    let shift = CHARITY[1].1.replace("volunteer", "person");
    let more = Catalogue::builtin().extended("shift.toml", &shift).unwrap();
    assert_eq!(more.get("shift").unwrap().0, Catalogue::builtin().types().len());

    let redefined = text.replace("weather", "title");
    assert!(matches!(
        Catalogue::builtin().extended("city.toml", &redefined),
        Err(CatalogueError::Rule { rule: BrokenRule::NotAnAddition, .. })
    ));
    assert!(Catalogue::builtin().extended("shift.toml", CHARITY[1].1).is_err(), "refers to a type that is nowhere");
}

#[test]
fn no_field_can_be_taken_for_an_event() {
    for record_type in Catalogue::builtin().types() {
        for field in &record_type.fields {
            assert_eq!(keys::Key::parse(&field.name), Some(keys::Key::Field(field.name.as_str())));
        }
    }
}

#[test]
fn every_record_file_is_compiled_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema/records");
    let mut files: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.retain(|name| name.ends_with(".toml"));
    files.sort();
    let mut known: Vec<&str> = BUILTIN.iter().map(|(file, _)| *file).collect();
    known.sort_unstable();
    assert_eq!(files, known);
}
