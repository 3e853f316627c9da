//! One person recorded twice.

use lastmile_model::RecordId;
use lastmile_model::Value;
use lastmile_relay::{Likeness, OfficeAnswer, OfficeCommand, OfficeError};

use crate::device::{COMMUNITY, activity, apart, enrolled, fresh_id, participation, relay};

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
