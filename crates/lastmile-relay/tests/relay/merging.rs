//! One person recorded twice.

use lastmile_model::{RecordId, Value, derive};
use lastmile_relay::{Likeness, OfficeAnswer, OfficeCommand, OfficeError, Selection};
use lastmile_report::{ReportId, ReportRequest};

use crate::device::{COMMUNITY, OTHER_COMMUNITY, activity, apart, enrolled, fresh_id, participation, relay};

const ID_NO: &str = "990101198001010013";

fn duplicates() -> OfficeCommand {
    OfficeCommand::Duplicates { record_type: None, within: None, likeness: Likeness::Weak, limit: 0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_number_and_one_name_are_linked_and_can_be_parted() {
    let (_folder, relay) = relay().await;
    let (mut one, mut other) = (enrolled(&relay, COMMUNITY).await, enrolled(&relay, COMMUNITY).await);
    let (a, b) = (fresh_id(), fresh_id());
    let (one, mut other) = apart(move || {
        one.save(vec![one.person(a, "曹雨菲", Some(ID_NO))]);
        other.save(vec![other.person(b, "曹 雨菲（Cáo Yǔfēi）", Some(ID_NO))]);
        assert_eq!((one.sync(), other.sync()), (None, None));
        (one, other)
    })
    .await;
    relay.settle().await.unwrap();
    let link = link_id(b, a);
    let other = apart(move || {
        assert_eq!(other.sync(), None);
        assert_eq!(other.value("merge_link", link, "live"), Some(Value::Bool(true)), "devices hear of it");
        other
    })
    .await;
    let office = relay.office();
    let OfficeAnswer::Duplicates { persons, .. } = office.run(duplicates()).await.unwrap() else {
        panic!("another answer")
    };
    assert_eq!(persons, [], "nothing is left to decide");

    let reason = "双胞胎".to_owned();
    let parted = office.run(OfficeCommand::Unlink { loser: a.0, winner: b.0, reason: reason.clone() }).await.unwrap();
    let OfficeAnswer::Unlinked { links, still_joined } = parted else { panic!("another answer") };
    assert_eq!((links.len(), links[0].id, still_joined), (1, link.0, false));
    relay.settle().await.unwrap();
    let OfficeAnswer::Duplicates { linked, persons, .. } = office.run(duplicates()).await.unwrap() else {
        panic!("another answer")
    };
    assert!(linked.is_empty() && persons.is_empty(), "what was decided is not proposed again");
    let mut other = other;
    let other = apart(move || {
        assert_eq!(other.sync(), None);
        assert_eq!(other.value("merge_link", link, "live"), Some(Value::Bool(false)));
        other
    })
    .await;

    // Linking again speaks of the same link.
    let OfficeAnswer::Linked(again) =
        office.run(OfficeCommand::Link { loser: a.0, winner: b.0, reason }).await.unwrap()
    else {
        panic!("another answer")
    };
    assert_eq!(again.id, link.0);
    drop((one, other));
}

/// The members on the books of a community, as the relay's own report counts them.
async fn on_books(relay: &lastmile_relay::RunningRelay, code: &str) -> i64 {
    let mut reader = relay.reader().await.unwrap();
    let day = |text: &str| text.parse().unwrap();
    let request = ReportRequest::new(ReportId::R1, code, day("2026-01-01"), day("2026-12-31"), crate::device::NOW);
    let report = lastmile_report::run(&mut reader, &request).unwrap();
    report.figure("on_books").unwrap().verified.count()
}

async fn conflicts(office: &lastmile_relay::OfficeHandle) -> usize {
    let command = OfficeCommand::Conflicts { record_type: None, within: None, all: false, limit: 0 };
    match office.run(command).await.unwrap() {
        OfficeAnswer::Conflicts { conflicts, .. } => conflicts.len(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_recorded_twice_moves_as_one() {
    let (_folder, relay) = relay().await;
    let (mut here, mut there) = (enrolled(&relay, COMMUNITY).await, enrolled(&relay, OTHER_COMMUNITY).await);
    let (a, b, apart_from) = (fresh_id(), fresh_id(), fresh_id());
    let here = apart(move || {
        here.save(vec![here.person(a, "曹雨菲", Some(ID_NO)), here.check_in(a)]);
        here.save(vec![here.person(b, "曹雨菲", Some(ID_NO)), here.check_in(b)]);
        here.save(vec![here.person(apart_from, "曹雨菲", None)]);
        assert_eq!(here.sync(), None);
        here
    })
    .await;
    relay.settle().await.unwrap();
    let office = relay.office();
    let confirm = OfficeCommand::Confirm { which: Selection::All, on: Some("2026-03-02".to_owned()) };
    office.run(confirm).await.unwrap();
    let reason = "另有其人".to_owned();
    office.run(OfficeCommand::Unlink { loser: apart_from.0, winner: a.0, reason }).await.unwrap();
    assert_eq!((on_books(&relay, COMMUNITY).await, on_books(&relay, OTHER_COMMUNITY).await), (1, 0));

    let moving = OfficeCommand::Move {
        person: b.0,
        to: OTHER_COMMUNITY.to_owned(),
        on: Some("2026-03-04".to_owned()),
        why: "搬家".to_owned(),
    };
    assert!(matches!(office.run(moving).await, Ok(OfficeAnswer::Moved { .. })));
    assert_eq!(conflicts(&office).await, 0, "nobody is on the books of two communities");
    assert_eq!((on_books(&relay, COMMUNITY).await, on_books(&relay, OTHER_COMMUNITY).await), (0, 1));
    let (link, parted) = (link_id(b, a), link_id(apart_from, a));
    apart(move || {
        let mut here = here;
        assert_eq!((here.sync(), there.sync()), (None, None));
        for person in [a, b] {
            let left = derive::check_in(person, COMMUNITY);
            assert_eq!(here.state("check_in", left).as_deref(), Some("moved_out"));
        }
        // The device of the new community reads both records, and the link between them, as the relay does.
        assert_eq!(there.value("merge_link", link, "live"), Some(Value::Bool(true)));
        assert_eq!(there.value("merge_link", parted, "live"), Some(Value::Bool(false)));
        assert_eq!(there.value("person", a, "name"), Some(Value::from("曹雨菲")));
        assert_eq!(there.value("person", b, "name"), Some(Value::from("曹雨菲")));
        assert_eq!(there.state("check_in", derive::check_in(b, OTHER_COMMUNITY)).as_deref(), Some("confirmed"));
        assert_eq!(there.state("check_in", derive::check_in(a, OTHER_COMMUNITY)), None, "one check-in is enough");
    })
    .await;
}

fn link_id(loser: RecordId, winner: RecordId) -> RecordId {
    let (loser, winner) = (Value::reference(loser), Value::reference(winner));
    lastmile_model::derive::record_id("merge_link", &[&loser, &winner]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_certain_is_proposed() {
    let (_folder, relay) = relay().await;
    let mut device = enrolled(&relay, COMMUNITY).await;
    let people: Vec<RecordId> = (0..4).map(|_| fresh_id()).collect();
    let sessions = [fresh_id(), fresh_id()];
    let known = people.clone();
    apart(move || {
        device.save(vec![
            device.person(people[0], "张伟", Some(ID_NO)),
            device.person(people[1], "李娜", Some(ID_NO)),
            device.person(people[2], "王芳", None),
            device.person(people[3], "王芳", None),
        ]);
        device.save(vec![activity(sessions[0], "清洁日", 20), participation(sessions[0], people[2])]);
        device.save(vec![activity(sessions[1], "大扫除", 20), participation(sessions[1], people[2])]);
        assert_eq!(device.sync(), None);
    })
    .await;
    let office = relay.office();
    let OfficeAnswer::Duplicates { linked, persons, activities, found } = office.run(duplicates()).await.unwrap()
    else {
        panic!("another answer")
    };
    assert!(linked.is_empty());
    assert_eq!(found, 3);
    let grades: Vec<(&str, &str)> = persons.iter().map(|pair| (pair.grade.as_str(), pair.one.label.as_str())).collect();
    assert_eq!(grades, [("same-id-other-name", "张*"), ("weak", "王*")]);
    assert_eq!(activities[0].reason, "people");
    let strong = OfficeCommand::Duplicates {
        record_type: Some("person".to_owned()),
        within: Some("4301".to_owned()),
        likeness: Likeness::Strong,
        limit: 0,
    };
    let OfficeAnswer::Duplicates { persons, .. } = office.run(strong).await.unwrap() else { panic!("another answer") };
    assert_eq!(persons.len(), 1);

    let same = OfficeCommand::Link { loser: known[0].0, winner: known[0].0, reason: "同".to_owned() };
    assert_eq!(office.run(same).await, Err(OfficeError::SameRecord));
    let mixed = OfficeCommand::Link { loser: known[0].0, winner: sessions[0].0, reason: "同".to_owned() };
    assert!(matches!(office.run(mixed).await, Err(OfficeError::OtherType { .. })));
    let silent = OfficeCommand::Link { loser: known[0].0, winner: known[1].0, reason: "  ".to_owned() };
    assert_eq!(office.run(silent).await, Err(OfficeError::NoReason));
}
