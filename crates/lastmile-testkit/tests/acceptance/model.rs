//! What the saves say is what the record catalogue allows, and the duplicates are those that its rules find.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use lastmile_model::check::{CheckContext, validate_edit, validate_new};
use lastmile_model::duplicates::{ActivityKey, Grade, PersonKey, activity_pairs, person_pairs};
use lastmile_model::idnumber::IdNumber;
use lastmile_model::{Catalogue, Key, Places, RecordId, Value, civil, names};
use lastmile_testkit::acceptance::Likeness;
use lastmile_testkit::{DeviceWork, EditKind, RecordEdit, Scale, generate, mix};

type Record = BTreeMap<String, Value>;

fn judge(devices: impl Iterator<Item = DeviceWork>, today: &str) {
    let catalogue = Catalogue::builtin();
    let today = civil::parse_date(today).unwrap();
    let mut records: BTreeMap<(&str, RecordId), Record> = BTreeMap::new();
    let mut devices: Vec<DeviceWork> = devices.collect();
    let mut waves = BTreeMap::new();
    for device in &mut devices {
        for action in std::mem::take(&mut device.actions) {
            waves.entry(action.wave).or_insert_with(Vec::new).push((device.scope.clone(), action));
        }
    }
    for (scope, action) in waves.into_values().flatten() {
        let context = CheckContext::new(today).with_places(Places::changsha()).in_scope(&scope).for_entry();
        for mut edit in action.edits {
            seal(&mut edit, today);
            let (_, record_type) = catalogue.get(edit.record_type).unwrap();
            let known = records.get(&(edit.record_type, edit.record)).cloned();
            let outcome = match edit.kind {
                EditKind::Create => validate_new(record_type, &edit.values, &context),
                EditKind::Edit => {
                    let known = known
                        .clone()
                        .unwrap_or_else(|| panic!("{} {} is edited before it begins", edit.record_type, edit.record));
                    validate_edit(record_type, &edit.values, &[], &|key| known.get(key).cloned(), &context)
                }
            };
            let problems: Vec<String> =
                outcome.err().unwrap_or_default().iter().map(|problem| format!("{problem:?}")).collect();
            assert!(problems.is_empty(), "{} {:?}: {problems:?}", edit.record_type, edit.values);
            if record_type.has_derived_id() && edit.kind == EditKind::Create {
                let value = |name: &str| edit.values.iter().find(|(key, _)| key == name).map(|(_, value)| value);
                assert_eq!(record_type.derive_id(value), Some(edit.record));
            }
            let mut record = known.unwrap_or_default();
            record.extend(edit.values);
            records.insert((edit.record_type, edit.record), record);
        }
    }
}

/// Puts ciphertext in the place of an id number, as whoever saves does, once the number has been judged.
fn seal(edit: &mut RecordEdit, today: NaiveDate) {
    let last4 = edit.values.iter().find(|(key, _)| key == "id_last4").map(|(_, value)| value.clone());
    for (_, value) in edit.values.iter_mut().filter(|(key, _)| key == "id_no") {
        let number = IdNumber::parse(value.as_str().unwrap(), today).unwrap();
        assert!(number.is_test());
        assert_eq!(last4, Some(Value::from(number.last4())));
        *value = Value::Bytes(vec![1; 82]);
    }
}

#[test]
fn every_save_is_valid() {
    for (scale, seed) in [(Scale::Community, 1), (Scale::Street, 2), (Scale::Street, 3)] {
        let dataset = generate(scale, seed);
        let devices = std::iter::once(dataset.city()).chain(dataset.communities().flat_map(|work| work.devices));
        judge(devices, dataset.plan().today());
    }
}

#[test]
fn mixes_are_valid() {
    let mix = mix::mix(1_900, 1);
    let (scope, users) = (mix.scope().clone(), Vec::new());
    let device = DeviceWork { label: String::new(), scope, users, skew_ms: 0, silent_days: 0, actions: mix.collect() };
    judge(std::iter::once(device), "2026-02-01");
}

#[derive(Default)]
struct Found {
    name: String,
    phones: Vec<String>,
    birth: Option<String>,
    id_no: Option<String>,
    community: String,
}

#[test]
fn the_rules_find_the_duplicate_people() {
    let dataset = generate(Scale::Street, 4);
    let mut persons: BTreeMap<RecordId, Found> = BTreeMap::new();
    for device in dataset.communities().flat_map(|work| work.devices) {
        for edit in device.actions.iter().flat_map(|action| &action.edits) {
            if edit.record_type != "person" {
                continue;
            }
            let person = persons.entry(edit.record).or_default();
            device.scope.code().clone_into(&mut person.community);
            for (key, value) in &edit.values {
                let text = value.as_str().unwrap_or_default().to_owned();
                match Key::parse(key) {
                    Some(Key::Field("name")) => person.name = names::normal(&text).into_owned(),
                    Some(Key::Field("birth_ym")) => person.birth = Some(text),
                    Some(Key::Field("id_no")) => person.id_no = Some(text),
                    Some(Key::Element("phone", phone)) => person.phones.push(phone.to_owned()),
                    _ => {}
                }
            }
        }
    }
    let fingerprints: BTreeMap<RecordId, [u8; 32]> = persons
        .iter()
        .filter_map(|(id, person)| {
            let mut fingerprint = [0; 32];
            fingerprint[..18].copy_from_slice(person.id_no.as_ref()?.as_bytes());
            Some((*id, fingerprint))
        })
        .collect();
    let keys: Vec<PersonKey<'_>> = persons
        .iter()
        .map(|(id, person)| PersonKey {
            id: *id,
            name: &person.name,
            phones: person.phones.iter().map(String::as_str).collect(),
            birth_ym: person.birth.as_deref(),
            id_fingerprint: fingerprints.get(id).copied(),
            community: Some(&person.community),
            ..PersonKey::default()
        })
        .collect();
    let found: BTreeSet<(RecordId, RecordId, Grade)> = person_pairs(&keys)
        .into_iter()
        .filter(|pair| pair.grade != Grade::Weak)
        .map(|pair| (pair.a.min(pair.b), pair.a.max(pair.b), pair.grade))
        .collect();
    let expected: BTreeSet<(RecordId, RecordId, Grade)> = dataset
        .ledger()
        .duplicates
        .iter()
        .map(|duplicate| {
            let grade = match duplicate.likeness {
                Likeness::IdAndName => Grade::Exact,
                Likeness::IdOtherName => Grade::SameIdOtherName,
                Likeness::PhoneAndName | Likeness::NameAndBirth => Grade::Strong,
            };
            (duplicate.canonical, duplicate.other, grade)
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn the_rules_find_the_repeated_activities() {
    let dataset = generate(Scale::Street, 5);
    let mut activities: BTreeMap<RecordId, (String, String, String, String)> = BTreeMap::new();
    let mut people: BTreeMap<RecordId, Vec<RecordId>> = BTreeMap::new();
    for device in dataset.communities().flat_map(|work| work.devices) {
        for edit in device.actions.iter().filter(|action| action.wave == 0).flat_map(|action| &action.edits) {
            let text = |name: &str| {
                edit.values
                    .iter()
                    .find(|(key, _)| key == name)
                    .and_then(|(_, value)| value.as_str())
                    .unwrap_or_default()
                    .to_owned()
            };
            let reference =
                |name: &str| edit.values.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.as_record());
            match (edit.record_type, edit.kind) {
                ("activity", EditKind::Create) => {
                    let code = device.scope.code().to_owned();
                    activities.insert(edit.record, (code, text("date"), text("category"), text("title")));
                }
                ("participation", EditKind::Create) => {
                    people.entry(reference("activity").unwrap()).or_default().push(reference("person").unwrap());
                }
                _ => {}
            }
        }
    }
    people.values_mut().for_each(|list| list.sort_unstable());
    let keys: Vec<ActivityKey<'_>> = activities
        .iter()
        .map(|(id, (community, date, category, title))| ActivityKey {
            id: *id,
            community,
            date,
            category,
            title,
            people: people.get(id).cloned().unwrap_or_default(),
        })
        .collect();
    let found: BTreeSet<_> =
        activity_pairs(&keys).into_iter().map(|pair| (pair.a.min(pair.b), pair.a.max(pair.b))).collect();
    let expected: BTreeSet<_> = dataset
        .ledger()
        .repeated
        .iter()
        .map(|pair| (pair.original.min(pair.repeated), pair.original.max(pair.repeated)))
        .collect();
    assert_eq!(found, expected);
}
