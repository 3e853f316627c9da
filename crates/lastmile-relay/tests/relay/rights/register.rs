//! What outlives the database and what is written down: the register, erasure orders, the audit log.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_forgot_the_register_knows() {
    let world = World::new();
    let relay = world.start().await;
    let (mut lost, mut other) = (worker(&relay, COMMUNITY).await, worker(&relay, COMMUNITY).await);
    let person = fresh_id();
    let (mut lost, other) = apart(move || {
        let (record, check_in) = (other.person(person, "王小菲", None), other.check_in(person));
        other.save(vec![record, check_in]);
        assert_eq!((other.sync(), lost.sync()), (None, None));
        (lost, other)
    })
    .await;
    relay.settle().await.unwrap();
    relay.stop().await.unwrap();
    let copy = world.path().with_extension("copy.db");
    std::fs::copy(world.path().join("relay.db"), &copy).unwrap();

    let relay = world.start().await;
    let office = relay.office();
    office.run(revoke(&lost)).await.unwrap();
    let erase = OfficeCommand::Erase { record_type: None, id: person.0, reason: "本人要求".to_owned() };
    let OfficeAnswer::Erased { records } = office.run(erase).await.unwrap() else { panic!() };
    assert_eq!(records.len(), 2, "the person and the check-in");
    relay.stop().await.unwrap();

    for file in ["relay.db", "relay.db-wal", "relay.db-shm"] {
        let _ = std::fs::remove_file(world.path().join(file));
    }
    std::fs::rename(&copy, world.path().join("relay.db")).unwrap();
    let relay = world.start().await;
    let reader = &mut relay.reader().await.unwrap();
    let record = reader.record("person", person, None).unwrap();
    assert!(!record.values.contains_key("name") && record.values.contains_key("status"), "{:?}", record.values);
    let check_in = reader.record("check_in", derive::check_in(person, COMMUNITY), None).unwrap();
    assert_eq!(check_in.state.as_deref(), Some("registered"));
    lost.addr = relay.addr();
    let lost = apart(move || {
        lost.now_ms = NOW + 1;
        lost.save(vec![activity(fresh_id(), "之后", 1)]);
        let _ = lost.sync();
        lost
    })
    .await;
    let held = held_back(&relay.office(), &lost).await;
    assert!(held.iter().all(|(_, why)| why == "revoked") && !held.is_empty(), "{held:?}");
    relay.stop().await.unwrap();
    drop(other);

    // A register that is not the one the database knows is a reason not to start.
    let register = world.path().join("register.jsonl");
    let text = std::fs::read_to_string(&register).unwrap();
    std::fs::write(&register, text.lines().take(1).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let refused = RelayFolder::open_or_create(world.path(), &world.options()).unwrap_err();
    assert!(matches!(refused, RelayError::RegisterShort { .. }), "{refused}");
    std::fs::write(&register, text.replacen("\"what\":\"revoked\"", "\"what\":\"erased\"", 1)).unwrap();
    let refused = RelayFolder::open_or_create(world.path(), &world.options()).unwrap_err();
    assert!(matches!(refused, RelayError::Chain { .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_reaches_every_device_and_late_uploads() {
    let world = World::new();
    let relay = world.start().await;
    let (mut one, mut away) = (worker(&relay, COMMUNITY).await, worker(&relay, COMMUNITY).await);
    let office = relay.office();
    let person = fresh_id();
    let name = "欧阳标记九";
    let (mut one, mut away) = apart(move || {
        let (record, check_in) = (one.person(person, name, None), one.check_in(person));
        one.save(vec![record, check_in]);
        assert_eq!((one.sync(), away.sync()), (None, None));
        assert_eq!(away.value("person", person, "name").as_ref().and_then(|value| value.as_str()), Some(name));
        // Work on the person that the relay has not seen yet.
        away.save(vec![change("person", person, vec![Edit::set("job", name)])]);
        (one, away)
    })
    .await;
    let confirm = OfficeCommand::Confirm {
        which: lastmile_relay::Selection::Ids(vec![derive::check_in(person, COMMUNITY).0]),
        on: Some("2026-03-02".to_owned()),
    };
    assert!(matches!(office.run(confirm).await, Ok(OfficeAnswer::Done { done: 1, .. })));
    let erase = || OfficeCommand::Erase { record_type: None, id: person.0, reason: "本人要求".to_owned() };
    office.run(erase()).await.unwrap();
    // Again is harmless.
    office.run(erase()).await.unwrap();
    let state = |relay: &mut lastmile_store::Reader, id: RecordId| relay.record("check_in", id, None).unwrap().state;
    let mut reader = relay.reader().await.unwrap();
    let check_in = derive::check_in(person, COMMUNITY);
    assert_eq!(state(&mut reader, check_in).as_deref(), Some("confirmed"), "counts stand");
    drop(reader);
    apart(move || {
        assert_eq!(one.sync(), None);
        assert_eq!(one.value("person", person, "name"), None);
        assert_eq!(one.state("check_in", check_in).as_deref(), Some("confirmed"));
        assert_eq!((away.sync(), away.sync()), (None, None));
        assert_eq!((away.value("person", person, "name"), away.value("person", person, "job")), (None, None));
        assert_eq!((one.sync(), away.unsent()), (None, 0));
        for device in [&one, &away] {
            let (mine, theirs) =
                (device.store.reader().unwrap().digest(None), one.store.reader().unwrap().digest(None));
            assert_eq!(mine.unwrap(), theirs.unwrap());
        }
    })
    .await;
    relay.settle().await.unwrap();
    relay.stop().await.unwrap();
    for entry in std::fs::read_dir(world.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(name.len()).any(|window| window == name.as_bytes());
            assert!(!found, "{} still holds the name", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_back_whole_or_linked_is_erased_as_well() {
    let world = World::new();
    let relay = world.start().await;
    let (mut one, mut other) = (worker(&relay, COMMUNITY).await, worker(&relay, OTHER_COMMUNITY).await);
    let (person, same, author) = (fresh_id(), fresh_id(), one.author);
    let name = "欧阳标记十";
    apart(move || {
        let (record, check_in) = (one.person(person, name, None), one.check_in(person));
        one.save(vec![record, check_in]);
        let record = other.person(same, name, None);
        other.save(vec![record]);
        assert_eq!((one.sync(), other.sync()), (None, None));
    })
    .await;
    let link = OfficeCommand::Link { loser: same.0, winner: person.0, reason: "同一人".to_owned() };
    relay.office().run(link).await.unwrap();
    let (scope, author) = (community(COMMUNITY).to_string(), author.to_string());
    let quarantine = OfficeCommand::Quarantine { scope, author, from: 1, to: None, reason: "存疑".to_owned() };
    relay.office().run(quarantine).await.unwrap();
    let holders = || {
        let files = std::fs::read_dir(world.path()).unwrap().map(|entry| entry.unwrap().path());
        let holds = |path: &std::path::PathBuf| {
            let bytes = std::fs::read(path).unwrap_or_default();
            bytes.windows(name.len()).any(|window| window == name.as_bytes())
        };
        files.filter(holds).collect::<Vec<_>>()
    };
    let erase = OfficeCommand::Erase { record_type: None, id: person.0, reason: "本人要求".to_owned() };
    assert!(!holders().is_empty(), "otherwise nothing is shown below");
    let OfficeAnswer::Erased { records } = relay.office().run(erase).await.unwrap() else { panic!() };
    let mut types: Vec<&str> = records.iter().map(|(_, record_type, _)| record_type.as_str()).collect();
    types.sort_unstable();
    assert_eq!(types, ["check_in", "person", "person"]);
    relay.stop().await.unwrap();
    assert_eq!(holders(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_back_makes_nobody_elses_record_part_of_an_erasure() {
    let world = World::new();
    let relay = world.start().await;
    let (mut one, mut hostile) = (worker(&relay, COMMUNITY).await, worker(&relay, COMMUNITY).await);
    let (person, activities, theirs, author) = (fresh_id(), fresh_id(), fresh_id(), hostile.author);
    let photo = |of: RecordId| {
        let fields = vec![
            Edit::set("record", Value::reference(of)),
            Edit::set("hash", Value::Bytes(vec![7; 32])),
            Edit::set("size", Value::Int(500)),
            Edit::set("form", "jpeg"),
        ];
        create("attachment", theirs, fields)
    };
    let (honest, claim) = (photo(activities), photo(person));
    apart(move || {
        one.save(vec![one.person(person, "甲", None), activity(activities, "清洁日", 2), honest]);
        // Says of the same record, which it has never seen, that it belongs to the person.
        hostile.save(vec![claim]);
        assert_eq!((one.sync(), hostile.sync()), (None, None));
    })
    .await;
    let (scope, author) = (community(COMMUNITY).to_string(), author.to_string());
    let quarantine = OfficeCommand::Quarantine { scope, author, from: 1, to: None, reason: "存疑".to_owned() };
    relay.office().run(quarantine).await.unwrap();
    let erase = OfficeCommand::Erase { record_type: None, id: person.0, reason: "本人要求".to_owned() };
    let OfficeAnswer::Erased { records } = relay.office().run(erase).await.unwrap() else { panic!() };
    assert!(records.iter().all(|(_, record_type, _)| record_type == "person"), "{records:?}");
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_office_does_is_in_the_audit_log_without_a_name() {
    let world = World::new();
    let relay = world.start().await;
    let mut device = worker(&relay, COMMUNITY).await;
    let person = fresh_id();
    let device = apart(move || {
        let record = device.person(person, "欧阳标记九", None);
        device.save(vec![record]);
        assert_eq!(device.sync(), None);
        device
    })
    .await;
    let office = relay.office();
    office
        .run(OfficeCommand::Duplicates {
            record_type: None,
            within: None,
            likeness: lastmile_relay::Likeness::Weak,
            limit: 0,
        })
        .await
        .unwrap();
    office.run(revoke(&device)).await.unwrap();
    assert!(office.run(OfficeCommand::Grants { person: Uuid::nil() }).await.is_ok());
    let refused = OfficeCommand::Revoke { author: "00".to_owned(), reason: "x".to_owned() };
    assert!(office.run(refused).await.is_err());
    relay.stop().await.unwrap();
    let (entries, end) = read_audit(world.path()).unwrap();
    let said: Vec<String> = entries.iter().map(|entry| format!("{} {}", entry.what, entry.outcome)).collect();
    assert_eq!(
        said,
        ["month begun", "enrol done", "duplicates done", "revoke done", "grants done", "revoke no_device"]
    );
    assert!(entries[1].who.starts_with("device ") && entries[2].count == Some(0));
    let text: String = std::fs::read_dir(world.path().join("audit"))
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    assert!(!text.contains("欧阳") && !text.contains("手机"), "{text}");
    assert_eq!(check_audit(world.path(), Some(&end.to_bytes())).unwrap(), None);
}
