//! Every cell of the table of permissions, as the relay holds commits against it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lastmile_crdt::Edit;
use lastmile_model::permissions::{Operation, Permissions};
use lastmile_model::roles::Role;
use lastmile_model::{Catalogue, Merge, RecordId, RecordType, Scope, ScopeKind, Value, derive, keys};
use lastmile_relay::{InviteOrder, OfficeAnswer, OfficeCommand, Relay, RelayFolder, RelayOptions};
use lastmile_store::RecordEdit;
use lastmile_web::Limits;

use crate::device::{COMMUNITY, Device, NOW, activity, apart, change, community, create, event, fresh_id};

/// One record of each type that devices write, with a field to edit and a question with two answers.
struct Sample {
    record_type: &'static str,
    edited: (&'static str, Value),
    /// Any field where the type has no question.
    question: &'static str,
    answers: [Value; 3],
}

fn reference(byte: u8) -> Value {
    Value::reference(RecordId::from_bytes([byte; 16]))
}

fn samples() -> Vec<Sample> {
    let texts = |texts: [&str; 3]| texts.map(Value::from);
    let references = || [reference(1), reference(2), reference(3)];
    let sample = |record_type, edited, question, answers| Sample { record_type, edited, question, answers };
    vec![
        sample("place", ("households", Value::Int(7)), "secretary", references()),
        sample("org", ("short", Value::from("短")), "parent", references()),
        sample(
            "pairing",
            ("batch", Value::from("220")),
            "from_date",
            texts(["2026-01-01", "2026-01-02", "2026-01-03"]),
        ),
        sample("team", ("programme", Value::from("工程")), "leader", references()),
        sample("person", ("job", Value::from("教师")), "birth_ym", texts(["1980-01", "1980-02", "1980-03"])),
        sample("check_in", ("grid", Value::from("430103005010001")), "basis", texts(["a", "b", "c"])),
        sample("activity", ("note", Value::from("注")), "category", texts(["health", "repair", "culture"])),
        sample(
            "participation",
            ("reviewer_note", Value::from("注")),
            "minutes",
            [Value::Int(30), Value::Int(40), Value::Int(50)],
        ),
        sample("attachment", ("name", Value::from("照片")), "name", texts(["合影", "签到", "现场"])),
    ]
}

fn known(record_type: &str) -> &'static RecordType {
    Catalogue::builtin().get(record_type).unwrap().1
}

/// Every cell that there is: each role with each type that devices write and each operation on it, what nobody may make included.
fn cells() -> BTreeSet<(Role, String)> {
    let types = Catalogue::builtin().types().iter().filter(|known| !known.office_only);
    let of_type = |known: &RecordType| {
        let operations = Operation::of_type(known).into_iter().chain([Operation::Alter]);
        operations.map(|operation| format!("{} {operation}", known.name)).collect::<Vec<_>>()
    };
    types.flat_map(of_type).flat_map(|cell| Role::ALL.map(|role| (role, cell.clone()))).collect()
}

/// The first change of a fresh record.
fn begin(record_type: &str) -> RecordEdit {
    let id = fresh_id();
    let refer = |name: &str| Edit::set(name, Value::reference(fresh_id()));
    match record_type {
        "place" => {
            let code = format!("4301{:08}", u32::from_be_bytes(crate::device::fresh::<12>()[8..].try_into().unwrap()));
            let fields = [("code", code.as_str()), ("name", "社区"), ("level", "community"), ("parent", "430103005")];
            create("place", derive::place(&code), fields.map(|(name, value)| Edit::set(name, value)).to_vec())
        }
        "org" => {
            let fields = [("name", "单位"), ("kind", "agency"), ("level", "city")];
            create("org", id, fields.map(|(name, value)| Edit::set(name, value)).to_vec())
        }
        "pairing" => {
            let fields = vec![
                refer("org"),
                Edit::set("community", COMMUNITY),
                Edit::set("batch", "48"),
                Edit::set("from_date", "2026-01-01"),
            ];
            create("pairing", id, fields)
        }
        "team" => create("team", id, vec![Edit::set("name", "青色"), refer("host")]),
        "person" => create("person", id, vec![Edit::set("name", "张三"), Edit::set("status", "active")]),
        "check_in" => {
            let fields = vec![
                Edit::set("person", Value::reference(id)),
                Edit::set("community", COMMUNITY),
                Edit::set("basis", "residence"),
            ];
            create("check_in", derive::check_in(id, COMMUNITY), fields)
        }
        "activity" => {
            let mut edit = activity(id, "清洁日", 10);
            edit.edits.retain(|one| !matches!(one, Edit::Set { key, .. } if key.starts_with("ev/")));
            edit
        }
        "participation" => {
            let other = fresh_id();
            let fields = vec![
                Edit::set("activity", Value::reference(id)),
                Edit::set("person", Value::reference(other)),
                Edit::set("source", "list"),
            ];
            create("participation", derive::participation(id, other), fields)
        }
        "attachment" => {
            let fields = vec![
                refer("record"),
                Edit::set("hash", Value::Bytes(vec![7; 32])),
                Edit::set("size", Value::Int(1_000)),
                Edit::set("form", "jpeg"),
            ];
            create("attachment", id, fields)
        }
        other => panic!("no sample of {other}"),
    }
}

fn scope_of(record_type: &str) -> Scope {
    match known(record_type).scope_kind.unwrap() {
        ScopeKind::City => Scope::new(ScopeKind::City, "4301").unwrap(),
        _ => community(COMMUNITY),
    }
}

/// What stands before the roles are tried: a record of each type, and another with a question open and an event.
struct Base {
    plain: BTreeMap<&'static str, RecordId>,
    open: BTreeMap<&'static str, RecordId>,
    events: BTreeMap<&'static str, uuid::Uuid>,
}

fn lay(one: &mut Device, other: &mut Device) -> Base {
    let mut base = Base { plain: BTreeMap::new(), open: BTreeMap::new(), events: BTreeMap::new() };
    for sample in samples() {
        let (plain, open) = (begin(sample.record_type), begin(sample.record_type));
        base.plain.insert(sample.record_type, plain.record);
        base.open.insert(sample.record_type, open.record);
        one.save_in(&scope_of(sample.record_type), vec![plain, open]);
        if let Some(kind) = known(sample.record_type).fields.iter().flat_map(|field| &field.events).next() {
            let id = fresh_id().0;
            let values = keys::event_values(id, &kind.kind, Some("2026-03-01"), NOW, None, &[]);
            let edits = values.into_iter().map(|(key, value)| Edit::set(key, value)).collect();
            let record = base.plain[sample.record_type];
            one.save_in(&scope_of(sample.record_type), vec![change(sample.record_type, record, edits)]);
            base.events.insert(sample.record_type, id);
        }
    }
    assert_eq!((one.sync(), other.sync()), (None, None));
    for sample in &samples() {
        let record = base.open[sample.record_type];
        for (device, answer) in [(&mut *one, 0), (&mut *other, 1)] {
            let edits = vec![Edit::set(sample.question, sample.answers[answer].clone())];
            device.save_in(&scope_of(sample.record_type), vec![change(sample.record_type, record, edits)]);
        }
    }
    assert_eq!((one.sync(), other.sync(), one.sync()), (None, None, None));
    base
}

/// Makes every operation in a commit of its own; returns what the table says of each, by scope and number.
fn try_everything(device: &mut Device, role: Role, base: &Base) -> BTreeMap<(String, u64), (String, bool)> {
    let table = Permissions::builtin();
    let mut made = BTreeMap::new();
    for sample in samples() {
        let name = sample.record_type;
        let (scope, record_type) = (scope_of(name), known(name));
        let is_question = record_type.field(sample.question).is_some_and(|(_, field)| field.merge == Merge::Question);
        let (plain, open) = (base.plain[name], base.open[name]);
        let mut save = |device: &mut Device, word: &str, allowed: bool, edit: RecordEdit| {
            let seq = device.save_in(&scope, vec![edit]);
            made.insert((scope.to_string(), seq), (format!("{name} {word}"), allowed));
        };
        for operation in Operation::of_type(record_type) {
            let edit = match operation {
                Operation::Begin => begin(name),
                Operation::Edit => change(name, plain, vec![Edit::set(sample.edited.0, sample.edited.1.clone())]),
                Operation::Settle => change(name, open, vec![Edit::set(sample.question, sample.answers[2].clone())]),
                Operation::Event(kind) => change(name, plain, event(kind, Some("2026-03-02"))),
                Operation::Alter => continue,
            };
            // What chooses between values of a field that is no question is an edit like any.
            let counts_as = if operation == Operation::Settle && !is_question { Operation::Edit } else { operation };
            save(device, operation.word(), table.allows(role, name, counts_as), edit);
        }
        // Where a type has no events, a part of one that never was.
        let event = base.events.get(name).copied().unwrap_or_else(|| fresh_id().0);
        let rewritten = vec![Edit::set(keys::event(event, "on"), "2020-01-01")];
        save(device, "alter", false, change(name, plain, rewritten));
        for field in record_type.fields.iter().filter(|field| field.office_only) {
            save(device, "alter", false, change(name, plain, vec![Edit::set(field.name.as_str(), "430103005010-1")]));
        }
    }
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_may_do_what_the_table_says_and_nothing_else() {
    let clock = Arc::new(AtomicI64::new(NOW));
    let told = Arc::clone(&clock);
    let options = RelayOptions { clock: Arc::new(move || told.load(Ordering::Relaxed)), ..RelayOptions::default() };
    let folder = tempfile::TempDir::new().unwrap();
    let opened = RelayFolder::open_or_create(folder.path(), &options).unwrap();
    let relay = Relay::start(opened, "127.0.0.1:0".parse().unwrap(), Limits::default()).await.unwrap();
    let office = relay.office();
    let mut devices = Vec::new();
    for _ in 0..Role::ALL.len() + 2 {
        let order = InviteOrder {
            roles: vec![Role::Secretary, Role::Central],
            ..InviteOrder::new(vec![community(COMMUNITY)], relay.url())
        };
        let invite = relay.invite(order).await.unwrap();
        let addr = relay.addr();
        devices.push(apart(move || Device::enrol(addr, &invite)).await);
    }
    let (base, devices) = apart(move || {
        let mut other = devices.pop().unwrap();
        let mut one = devices.pop().unwrap();
        let base = lay(&mut one, &mut other);
        devices.iter_mut().for_each(|device| assert_eq!(device.sync(), None));
        (base, devices)
    })
    .await;
    clock.fetch_add(60_000, Ordering::Relaxed);
    for (role, device) in Role::ALL.into_iter().zip(&devices) {
        let command = OfficeCommand::Reassign {
            author: device.author.to_string(),
            persons: None,
            roles: Some(vec![role.code().to_owned()]),
            scopes: None,
            until_ms: None,
        };
        assert!(matches!(office.run(command).await, Ok(OfficeAnswer::Device { .. })), "{role}");
    }
    // Beyond the time by which clocks may differ, nothing of the certificate before counts.
    clock.store(NOW + 1_800_000, Ordering::Relaxed);
    let tried = apart(move || {
        let mut tried = Vec::new();
        for (role, mut device) in Role::ALL.into_iter().zip(devices) {
            device.now_ms = NOW + 1_800_000;
            let made = try_everything(&mut device, role, &base);
            assert_eq!(device.sync(), None, "{role}");
            assert_eq!(device.unsent(), 0, "what is held back is receipted all the same");
            tried.push((role, device.author.to_string(), made));
        }
        tried
    })
    .await;
    relay.settle().await.unwrap();
    let OfficeAnswer::Status(status) = office.run(OfficeCommand::Status).await.unwrap() else { panic!("no status") };
    let held: BTreeMap<(String, String, u64), String> = status
        .odd
        .iter()
        .map(|odd| ((odd.author.clone(), odd.scope.clone(), odd.seq), format!("{} {}", odd.state, odd.reason)))
        .collect();
    let mut exercised = BTreeSet::new();
    for (role, author, made) in tried {
        for ((scope, seq), (what, allowed)) in made {
            let found = held.get(&(author.clone(), scope, seq));
            assert_eq!(found.is_none(), allowed, "{role}: {what}: {found:?}");
            assert!(allowed || found.is_some_and(|word| word == "quarantined verdict"), "{role}: {what}");
            exercised.insert((role, what));
        }
    }
    assert_eq!(exercised, cells(), "every cell is tried, and there are no others");
    relay.stop().await.unwrap();
}
