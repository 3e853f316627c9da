//! Deciding, confirming, verifying, moving, judging, counting.

use lastmile_crdt::Edit;
use lastmile_model::{RecordId, Value, derive};
use lastmile_relay::{
    ConflictView, Decision, OfficeAnswer, OfficeCommand, OfficeError, OfficeHandle, Selection, StatusView,
};

use crate::device::{
    COMMUNITY, Device, OTHER_COMMUNITY, activity, apart, change, community, enrolled, event, fresh_id, participation,
    relay,
};

async fn conflicts(office: &OfficeHandle) -> Vec<ConflictView> {
    let command = OfficeCommand::Conflicts { record_type: None, within: None, all: false, limit: 0 };
    match office.run(command).await.unwrap() {
        OfficeAnswer::Conflicts { conflicts, .. } => conflicts,
        other => panic!("{other:?}"),
    }
}

async fn status(office: &OfficeHandle) -> StatusView {
    match office.run(OfficeCommand::Status).await.unwrap() {
        OfficeAnswer::Status(status) => *status,
        other => panic!("{other:?}"),
    }
}

fn resolve(id: RecordId, field: &str, decision: Decision) -> OfficeCommand {
    OfficeCommand::Resolve {
        record_type: None,
        id: id.0,
        field: field.to_owned(),
        decision,
        reason: "照片清点".to_owned(),
    }
}

fn verify(id: RecordId) -> OfficeCommand {
    OfficeCommand::Verify { which: Selection::Ids(vec![id.0]) }
}

fn served(device: &Device, id: RecordId) -> Option<Value> {
    device.value("activity", id, "beneficiaries")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_shown_and_decided() {
    let (_folder, relay) = relay().await;
    let (mut one, mut other) = (enrolled(&relay, COMMUNITY).await, enrolled(&relay, COMMUNITY).await);
    let office = relay.office();
    let id = fresh_id();
    let (one, other) = apart(move || {
        one.save(vec![activity(id, "清洁日", 10)]);
        assert_eq!((one.sync(), other.sync()), (None, None));
        one.save(vec![change("activity", id, vec![Edit::set("beneficiaries", 20)])]);
        other.save(vec![change("activity", id, vec![Edit::set("beneficiaries", 35)])]);
        assert_eq!((one.sync(), other.sync()), (None, None));
        (one, other)
    })
    .await;
    let open = conflicts(&office).await;
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].field.as_str(), open[0].kind.as_str()), ("beneficiaries", "held"));
    assert_eq!(open[0].base.as_deref(), Some("10"));
    assert_eq!(open[0].sides[0].device, "平板");
    let chosen = open[0].sides.iter().position(|side| side.value.as_deref() == Some("35")).unwrap() + 1;

    let answer = office.run(resolve(id, "beneficiaries", Decision::Take(3))).await;
    assert_eq!(answer, Err(OfficeError::NoSuchSide { number: 3, sides: 2 }));
    let answer = office.run(resolve(id, "beneficiaries", Decision::Value("many".to_owned()))).await;
    assert!(matches!(answer, Err(OfficeError::BadValue { .. })));
    let answer = office.run(resolve(id, "note", Decision::Take(1))).await;
    assert!(matches!(answer, Err(OfficeError::NothingOpen { .. })));
    let answer = office.run(resolve(id, "beneficiaries", Decision::Take(chosen))).await.unwrap();
    assert!(matches!(answer, OfficeAnswer::Resolved { shown: Some(value), .. } if value == "35"));
    assert_eq!(conflicts(&office).await, []);
    let (mut one, mut other) = (one, other);
    apart(move || {
        assert_eq!((one.sync(), other.sync()), (None, None));
        assert_eq!((served(&one, id), served(&other, id)), (Some(Value::Int(35)), Some(Value::Int(35))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verified_record_is_corrected_only_by_decision() {
    let (_folder, relay) = relay().await;
    let mut device = enrolled(&relay, COMMUNITY).await;
    let office = relay.office();
    let id = fresh_id();
    let mut device = apart(move || {
        device.save(vec![activity(id, "清洁日", 20)]);
        assert_eq!(device.sync(), None);
        device
    })
    .await;
    assert_eq!(office.run(verify(id)).await, Ok(OfficeAnswer::Done { done: 1, skipped: Vec::new() }));
    assert!(matches!(office.run(verify(id)).await, Err(OfficeError::WrongState { .. })));
    for (edit, decision, shown) in
        [(25, Decision::Take(0), 20), (30, Decision::Take(1), 30), (40, Decision::Value("38".to_owned()), 38)]
    {
        device = apart(move || {
            assert_eq!(device.sync(), None);
            device.save(vec![change("activity", id, vec![Edit::set("beneficiaries", edit)])]);
            assert_eq!(device.sync(), None);
            device
        })
        .await;
        let open = conflicts(&office).await;
        assert_eq!(open.len(), 1, "{edit}");
        assert_eq!(open[0].kind, "correction");
        office.run(resolve(id, "beneficiaries", decision)).await.unwrap();
        assert_eq!(conflicts(&office).await, [], "{edit}");
        device = apart(move || {
            assert_eq!(device.sync(), None);
            assert_eq!(served(&device, id), Some(Value::Int(shown)));
            assert_eq!(device.state("activity", id).as_deref(), Some("verified"));
            device
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_ins_are_confirmed_once_and_moves_keep_the_person() {
    let (_folder, relay) = relay().await;
    let (mut here, mut there) = (enrolled(&relay, COMMUNITY).await, enrolled(&relay, OTHER_COMMUNITY).await);
    let office = relay.office();
    let person = fresh_id();
    let check_in = derive::check_in(person, COMMUNITY);
    let mut here = apart(move || {
        here.save(vec![here.person(person, "曹雨菲", None), here.check_in(person)]);
        assert_eq!(here.sync(), None);
        here
    })
    .await;
    let all =
        OfficeCommand::Confirm { which: Selection::Within(COMMUNITY.to_owned()), on: Some("2026-03-02".to_owned()) };
    assert_eq!(office.run(all.clone()).await, Ok(OfficeAnswer::Done { done: 1, skipped: Vec::new() }));
    assert_eq!(office.run(all).await, Ok(OfficeAnswer::Done { done: 0, skipped: Vec::new() }));
    let ahead = OfficeCommand::Confirm { which: Selection::All, on: Some("2030-01-01".to_owned()) };
    assert!(matches!(office.run(ahead).await, Err(OfficeError::BadDay { .. })));

    let moving = |to: &str| OfficeCommand::Move {
        person: person.0,
        to: to.to_owned(),
        on: Some("2026-03-04".to_owned()),
        why: "搬家".to_owned(),
    };
    assert!(matches!(office.run(moving("4301")).await, Err(OfficeError::BadCommunity { .. })));
    assert!(matches!(office.run(moving(COMMUNITY)).await, Err(OfficeError::AlreadyThere { .. })));
    let OfficeAnswer::Moved { number, check_in: arrived, .. } = office.run(moving(OTHER_COMMUNITY)).await.unwrap()
    else {
        panic!("another answer")
    };
    assert_eq!(number, 1);
    let (here, there) = apart(move || {
        assert_eq!((here.sync(), there.sync()), (None, None));
        assert_eq!(here.state("check_in", check_in).as_deref(), Some("moved_out"));
        assert_eq!(here.value("check_in", check_in, "receipt_no"), Some(Value::from("430103005010-2026-00001")));
        let arrived = RecordId(arrived);
        assert_eq!(there.state("check_in", arrived).as_deref(), Some("confirmed"));
        assert_eq!(there.value("person", person, "name"), Some(Value::from("曹雨菲")));
        assert_eq!(there.value("check_in", arrived, "receipt_no"), None, "a receipt belongs to its community");
        (here, there)
    })
    .await;
    // And back again: both records are there already.
    assert!(matches!(office.run(moving(COMMUNITY)).await, Ok(OfficeAnswer::Moved { number: 2, .. })));
    let (mut here, mut there) = (here, there);
    apart(move || {
        assert_eq!((here.sync(), there.sync()), (None, None));
        assert_eq!(here.state("check_in", check_in).as_deref(), Some("confirmed"));
        assert_eq!(there.state("check_in", derive::check_in(person, OTHER_COMMUNITY)).as_deref(), Some("moved_out"));
    })
    .await;
    assert_eq!(conflicts(&office).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_named_twice_is_confirmed_once() {
    let (_folder, relay) = relay().await;
    let mut device = enrolled(&relay, COMMUNITY).await;
    let office = relay.office();
    let (id, person) = (fresh_id(), fresh_id());
    let check_in = derive::check_in(person, COMMUNITY);
    let mut device = apart(move || {
        device.save(vec![activity(id, "清洁日", 20), device.person(person, "曹雨菲", None), device.check_in(person)]);
        assert_eq!(device.sync(), None);
        device
    })
    .await;
    let twice = |id: RecordId| Selection::Ids(vec![id.0, id.0]);
    let once = Ok(OfficeAnswer::Done { done: 1, skipped: Vec::new() });
    let confirm = OfficeCommand::Confirm { which: twice(check_in), on: Some("2026-03-02".to_owned()) };
    assert_eq!(office.run(confirm).await, once);
    let back = OfficeCommand::Return { ids: vec![id.0, id.0], why: "缺少参加人".to_owned() };
    assert_eq!(office.run(back).await, once);
    device = apart(move || {
        assert_eq!(device.sync(), None);
        let events = |name, id| device.store.reader().unwrap().record(name, id, None).unwrap().events.len();
        assert_eq!((events("check_in", check_in), events("activity", id)), (2, 2));
        assert_eq!(device.value("check_in", check_in, "receipt_no"), Some(Value::from("430103005010-2026-00001")));
        device.save(vec![change("activity", id, event("submit", Some("2026-03-04")))]);
        assert_eq!(device.sync(), None);
        device
    })
    .await;
    assert_eq!(office.run(OfficeCommand::Verify { which: twice(id) }).await, once);
    apart(move || {
        assert_eq!(device.sync(), None);
        assert_eq!(device.store.reader().unwrap().record("activity", id, None).unwrap().events.len(), 4);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_given_back_with_a_reason() {
    let (_folder, relay) = relay().await;
    let mut device = enrolled(&relay, COMMUNITY).await;
    let office = relay.office();
    let (id, person) = (fresh_id(), fresh_id());
    let mut device = apart(move || {
        device.save(vec![activity(id, "清洁日", 20), device.person(person, "曹雨菲", None), device.check_in(person)]);
        assert_eq!(device.sync(), None);
        device
    })
    .await;
    let check_in = derive::check_in(person, COMMUNITY);
    let back = |why: &str| OfficeCommand::Return { ids: vec![id.0, check_in.0], why: why.to_owned() };
    assert_eq!(office.run(back("")).await, Err(OfficeError::NoReason));
    assert_eq!(office.run(back("缺少参加人")).await, Ok(OfficeAnswer::Done { done: 2, skipped: Vec::new() }));
    apart(move || {
        assert_eq!(device.sync(), None);
        assert_eq!(device.state("activity", id).as_deref(), Some("returned"));
        assert_eq!(device.state("check_in", check_in).as_deref(), Some("returned"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_reaches_a_device_and_is_lifted() {
    let (_folder, relay) = relay().await;
    let (mut one, mut other) = (enrolled(&relay, COMMUNITY).await, enrolled(&relay, COMMUNITY).await);
    let office = relay.office();
    let (id, author) = (fresh_id(), one.author.to_string());
    let mut other = apart(move || {
        one.save(vec![activity(id, "误录", 20)]);
        assert_eq!((one.sync(), other.sync()), (None, None));
        assert!(served(&other, id).is_some());
        other
    })
    .await;
    let scope = community(COMMUNITY).to_string();
    let judge = |to| OfficeCommand::Quarantine {
        scope: scope.clone(),
        author: author.clone(),
        from: 1,
        to,
        reason: "误操作".to_owned(),
    };
    assert_eq!(office.run(judge(Some(9))).await, Err(OfficeError::BadRange { head: 1 }));
    assert!(matches!(office.run(judge(None)).await, Ok(OfficeAnswer::Verdict { from: 1, to: 1, .. })));
    let own = status(&office).await.epoch;
    let foul =
        OfficeCommand::Quarantine { scope: scope.clone(), author: own, from: 1, to: None, reason: "试".to_owned() };
    assert_eq!(office.run(foul).await, Err(OfficeError::OfficeCommit));
    let seen = status(&office).await;
    assert_eq!((seen.quarantined, seen.odd.len(), seen.odd[0].state.as_str()), (1, 1, "quarantined"));
    other = apart(move || {
        assert_eq!(other.sync(), None);
        assert_eq!(served(&other, id), None);
        assert_eq!(other.store.reader().unwrap().counts(None).unwrap().quarantined, 1);
        other
    })
    .await;
    let release = |from| OfficeCommand::Release {
        scope: scope.clone(),
        author: author.clone(),
        from,
        to: None,
        reason: "已核实".to_owned(),
    };
    assert_eq!(office.run(release(2)).await, Err(OfficeError::NotQuarantined { in_force: "1-1".to_owned() }));
    assert!(matches!(office.run(release(1)).await, Ok(OfficeAnswer::Verdict { .. })));
    apart(move || {
        assert_eq!(other.sync(), None);
        assert!(served(&other, id).is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tallies_are_written_where_they_changed() {
    let (_folder, relay) = relay().await;
    let mut device = enrolled(&relay, COMMUNITY).await;
    let office = relay.office();
    let (person, session) = (fresh_id(), fresh_id());
    let mut device = apart(move || {
        device.save(vec![device.person(person, "曹雨菲", None), device.check_in(person)]);
        device.save(vec![activity(session, "清洁日", 20), participation(session, person)]);
        assert_eq!(device.sync(), None);
        device
    })
    .await;
    office.run(OfficeCommand::Confirm { which: Selection::All, on: Some("2026-03-02".to_owned()) }).await.unwrap();
    let tallies = OfficeCommand::Tallies { year: 2026 };
    assert_eq!(office.run(tallies.clone()).await, Ok(OfficeAnswer::Tallies { counted: 1, written: 1 }));
    assert_eq!(office.run(tallies.clone()).await, Ok(OfficeAnswer::Tallies { counted: 1, written: 0 }));
    office.run(OfficeCommand::Verify { which: Selection::All }).await.unwrap();
    assert_eq!(office.run(tallies).await, Ok(OfficeAnswer::Tallies { counted: 1, written: 1 }));
    apart(move || {
        assert_eq!(device.sync(), None);
        let tally = derive::tally(person, 2026);
        assert_eq!(device.value("tally", tally, "count"), Some(Value::Int(1)));
        assert_eq!(device.value("tally", tally, "owed"), Some(Value::Int(2)));
    })
    .await;
    let seen = status(&office).await;
    assert_eq!(seen.devices.len(), 2);
    assert_eq!((seen.waiting, seen.opaque, seen.pending, seen.open_conflicts), (0, 0, 0, 0));
}
