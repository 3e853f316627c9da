//! What people type and tools send as JSON, for every field of every record type; also commands of the office.
//!
//! An input is a type's number, a field's number and a text. Laws: nothing panics; a value that was read can be written and
//! read again as the same; what is kept passes validation or is named by it; a command reads as it was written.

use lastmile_model::check::{CheckContext, validate_edit, validate_new};
use lastmile_model::input::{self, Entered, Entry};
use lastmile_model::{Catalogue, Field, Places, RecordType, Value};
use lastmile_relay::OfficeCommand;
use rand::Rng;
use rand::seq::IndexedRandom;
use uuid::Uuid;

use crate::mutate::{self, Random};
use crate::support::scope;
use crate::targets::word;
use crate::{cost, tally};

/// Reads one field, one element, an event, a JSON object and a command.
pub fn run(data: &[u8]) {
    let [type_no, field_no, text @ ..] = data else { return };
    let types = Catalogue::builtin().types();
    let record_type = &types[usize::from(*type_no) % types.len()];
    let text = String::from_utf8_lossy(text);
    let scope = scope();
    let ctx = CheckContext::new(word::TODAY).with_places(Places::changsha()).in_scope(&scope).by_office();
    let number = usize::from(*field_no);
    cost::of(|| match number % 8 {
        6 => json(record_type, &text, &ctx),
        7 => event(record_type, number / 8, &text, &ctx),
        _ => field(record_type, number, &text, &ctx),
    });
}

fn field(record_type: &RecordType, number: usize, text: &str, ctx: &CheckContext<'_>) {
    let field = &record_type.fields[number % record_type.fields.len()];
    for element in [input::add(record_type, &field.name, text, ctx), input::remove(record_type, &field.name, text, ctx)]
    {
        if let Ok(Entered::Set { key, value }) = element {
            assert!(key.starts_with(&field.name) && value == Value::Bool(true));
            tally::note("an element");
        }
    }
    let Ok(entered) = input::enter(record_type, &field.name, text, ctx) else { return };
    tally::note("entered");
    let mut all = entered.clone();
    input::with_defaults(record_type, &mut all, ctx);
    if let [Entered::Set { key, value }] = entered.as_slice() {
        let shown = match value {
            Value::Str(text) => text.clone(),
            Value::Int(number) => number.to_string(),
            _ => return,
        };
        let again = input::enter(record_type, &field.name, &shown, ctx);
        assert_eq!(
            again,
            Ok(vec![Entered::Set { key: key.clone(), value: value.clone() }]),
            "{}: {text:?}",
            field.name
        );
        tally::note("reads again as the same");
    }
    let entry = Entry::from(entered);
    let _ = validate_edit(record_type, &entry.values, &entry.removed, &|_| None, ctx);
    let _ = validate_new(record_type, &Entry::from(all).values, &ctx.for_entry());
}

fn event(record_type: &RecordType, number: usize, text: &str, ctx: &CheckContext<'_>) {
    let kinds: Vec<&str> =
        record_type.fields.iter().flat_map(|field| &field.events).map(|event| event.kind.as_str()).collect();
    let kind = if kinds.is_empty() { text } else { kinds[number % kinds.len()] };
    let pieces: Vec<&str> = text.split('\u{1f}').collect();
    let parts: Vec<(&str, &str)> = ["on", "why", "of", "to", "x"].into_iter().zip(pieces.iter().copied()).collect();
    if let Ok(values) = input::event(record_type, kind, &parts, Uuid::from_bytes([4; 16]), 1_764_000_000_000, None, ctx)
    {
        tally::note("an event");
        let _ = validate_edit(record_type, &values, &[], &|_| None, ctx);
    }
}

fn json(record_type: &RecordType, text: &str, ctx: &CheckContext<'_>) {
    if let Ok(command) = serde_json::from_str::<OfficeCommand>(text) {
        tally::note("a command");
        let again = serde_json::to_vec(&command).unwrap();
        assert_eq!(serde_json::from_slice::<OfficeCommand>(&again).unwrap(), command);
    }
    let Ok(serde_json::Value::Object(object)) = serde_json::from_str(text) else { return };
    tally::note("an object");
    if let Ok(entered) = input::enter_json(record_type, &object, ctx) {
        tally::note("an object that fits");
        let entry = Entry::from(entered);
        let _ = validate_new(record_type, &entry.values, ctx);
    }
}

/// Commands of the office, and an object of fields.
pub fn objects() -> Vec<String> {
    let id = Uuid::from_bytes([3; 16]);
    let commands = [
        OfficeCommand::invite(&["community:430103005010"], lastmile_model::roles::Role::Worker),
        OfficeCommand::Status,
        OfficeCommand::Tallies { year: 2026 },
        OfficeCommand::Link { loser: id, winner: id, reason: "x".to_owned() },
        OfficeCommand::Confirm { which: lastmile_relay::Selection::All, on: Some("2026-03-05".to_owned()) },
    ];
    let mut all: Vec<String> = commands.iter().map(|command| serde_json::to_string(command).unwrap()).collect();
    all.push(
        r#"{"title":"清洁日","category":"01","date":"2026-03-05","beneficiaries":20,"tags":["a","b"],"note":null}"#
            .to_owned(),
    );
    all
}

/// What a person may type into a field.
fn typed(field: &Field) -> Vec<String> {
    let codes: Vec<String> =
        field.choices.iter().flat_map(|choice| [choice.code.clone(), choice.zh.clone()]).take(4).collect();
    let texts: &[&str] = match field.kind.word() {
        "int" => &["20", "１２", "-3", "1e3"],
        "bool" => &["true", "是", "no"],
        "date" => &["2026-03-05", "3月5日", "昨天"],
        "month" => &["1980-05", "1980年5月", "80.5"],
        "time" => &["09:30", "下午3点半"],
        "instant" => &["1764000000000", "2026-03-05T09:30:00+08:00"],
        "decimal" => &["12.50", "１２.5", "-0.001"],
        "place" => &["430103005010", "4301"],
        "ref" => &["0193d5f0-0000-7000-8000-000000000001"],
        "id_number" => &["990101198001010013", "99010119891001001x"],
        "phone" => &["13800138000", "+86 138 0013 8000", "0731-84441234"],
        "uscc" => &["91350100M000100Y43"],
        "bytes" => &["3b917702ee419ad8556c13c48ef02ab7", "AAAA"],
        _ => &["清洁日", "a，b、c", ""],
    };
    texts.iter().map(|text| (*text).to_owned()).chain(codes).collect()
}

/// A few texts for each field of each type.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (type_no, record_type) in Catalogue::builtin().types().iter().enumerate() {
        for (field_no, field) in record_type.fields.iter().enumerate() {
            for text in typed(field) {
                seeds.push([&[type_no as u8, field_no as u8], text.as_bytes()].concat());
            }
        }
        let event = "2026-03-05\u{1f}why\u{1f}430103005010\u{1f}x";
        seeds.extend((0..8).map(|kind| [&[type_no as u8, 7 + 8 * kind], event.as_bytes()].concat()));
        seeds.extend(objects().into_iter().map(|text| [&[type_no as u8, 6], text.as_bytes()].concat()));
    }
    seeds
}

/// Mutates the text as a word, as JSON, or as another field's.
pub fn mutate(data: &[u8], rng: &mut Random) -> Vec<u8> {
    let [type_no, field_no, text @ ..] = data else { return vec![rng.random(), rng.random()] };
    let numbers = if rng.random_bool(0.2) { [rng.random(), rng.random()] } else { [*type_no, *field_no] };
    let object = serde_json::from_slice::<serde_json::Value>(text).ok().filter(serde_json::Value::is_object);
    let bent = match object {
        Some(mut json) if rng.random_bool(0.7) => {
            let object = json.as_object_mut().unwrap();
            let types = Catalogue::builtin().types();
            let fields = &types[usize::from(numbers[0]) % types.len()].fields;
            let names: Vec<String> = object.keys().cloned().collect();
            let name = match names.choose(rng) {
                Some(name) if rng.random_bool(0.5) => name.clone(),
                _ => fields.choose(rng).unwrap().name.clone(),
            };
            let value = match rng.random_range(0..8) {
                0 => serde_json::Value::Null,
                1 => mutate::signed_number(rng).into(),
                2 => true.into(),
                3 => serde_json::json!([mutate::text(rng), 1, null]),
                4 => serde_json::json!({"x": {"y": [[]]}}),
                5 => 1e300.into(),
                _ => mutate::text(rng).into(),
            };
            object.insert(name, value);
            json.to_string().into_bytes()
        }
        _ if rng.random_bool(0.02) => [vec![b'['; 400], vec![b']'; 400]].concat(),
        _ if rng.random_bool(0.3) => {
            let types = Catalogue::builtin().types();
            let fields = &types[usize::from(numbers[0]) % types.len()].fields;
            typed(&fields[usize::from(numbers[1]) % fields.len()]).choose(rng).unwrap().clone().into_bytes()
        }
        _ => word::mutate(text, rng),
    };
    [&numbers[..], &bent].concat()
}

/// Mutates the members of a command's JSON: a value, a name, or its characters.
pub fn mutate_json(text: &[u8], rng: &mut Random) -> Vec<u8> {
    let parsed = serde_json::from_slice::<serde_json::Value>(text).ok().filter(serde_json::Value::is_object);
    let Some(mut json) = parsed.filter(|_| rng.random_bool(0.8)) else { return word::mutate(text, rng) };
    let object = json.as_object_mut().unwrap();
    let names: Vec<String> = object.keys().filter(|name| *name != "command").cloned().collect();
    if let Some(name) = names.choose(rng) {
        let value = match rng.random_range(0..7) {
            0 => serde_json::Value::Null,
            1 => mutate::signed_number(rng).into(),
            2 => serde_json::json!(["community:430103005010", mutate::text(rng)]),
            3 => Uuid::from_bytes([rng.random_range(0..9); 16]).to_string().into(),
            4 => rng.random_range(1900..2100).into(),
            5 => serde_json::json!({ "within": mutate::text(rng) }),
            _ => mutate::text(rng).into(),
        };
        object.insert(name.clone(), value);
    }
    json.to_string().into_bytes()
}
