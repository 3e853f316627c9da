//! Activities and who took part.

use lastmile_model::Value;
use lastmile_relay::{Decision, Likeness, OfficeCommand};
use lastmile_report::ReportId;

use super::city::{City, edit, figure, head, held, member, rows, session, shown, take_part, verified};
use crate::field::COMMUNITY;

#[tokio::test]
async fn one_person_added_twice_is_one_participation() {
    let city = City::new().await;
    let (a, b) = (city.device("a").await, city.device("b").await);
    let (activity, person) = (session(&a, "清洁日", &[]), member(&a, "曹雨菲", &[]));
    city.meet(&[&a, &b]).await;
    let (one, two) = (take_part(&a, activity, person, "90"), take_part(&b, activity, person, "90"));
    assert_eq!(one, two, "one fact has one id");
    city.meet(&[&a, &b]).await;
    city.verify(&[activity]).await;
    city.meet(&[&a, &b]).await;
    for device in [&a, &b] {
        assert_eq!(rows(device, "participation"), 1);
        assert_eq!(held(device, "participation", one), [""; 0]);
    }
    assert!(city.conflicts(COMMUNITY, false).await.is_empty());
    let times = city.everywhere(ReportId::R5, &[&a, &b]).await;
    assert_eq!((figure(&times), times.open), ((1, 1), 0));
    assert_eq!(figure(&city.everywhere(ReportId::R6, &[&a, &b]).await), (1, 1));
}

#[tokio::test]
async fn differing_minutes_of_one_participation_wait_for_a_person() {
    let city = City::new().await;
    let (a, b) = (city.device("a").await, city.device("b").await);
    let (activity, person) = (session(&a, "清洁日", &[]), member(&a, "曹雨菲", &[]));
    city.meet(&[&a, &b]).await;
    let part = take_part(&a, activity, person, "60");
    take_part(&b, activity, person, "90");
    city.meet(&[&a, &b]).await;
    city.verify(&[activity]).await;
    city.meet(&[&a, &b]).await;
    for device in [&a, &b] {
        assert_eq!(rows(device, "participation"), 1);
        assert_eq!(held(device, "participation", part), ["minutes"]);
    }
    let open = city.conflicts(COMMUNITY, false).await;
    assert_eq!((open.len(), open[0].field.as_str(), open[0].sides.len()), (1, "minutes", 2), "{open:?}");
    let times = city.everywhere(ReportId::R5, &[&a, &b]).await;
    assert_eq!((figure(&times), times.open), ((1, 1), 1));
    assert!(head(&times).contains("含1条待核"), "{}", head(&times));
    city.resolve(part, "minutes", Decision::Value("75".to_owned())).await;
    city.meet(&[&a, &b]).await;
    for device in [&a, &b] {
        assert_eq!(shown(device, "participation", part, "minutes"), Some(Value::Int(75)));
        assert_eq!(held(device, "participation", part), [""; 0]);
    }
    assert_eq!(city.everywhere(ReportId::R5, &[&a, &b]).await.open, 0);
}

#[tokio::test]
async fn twenty_typed_twice_stays_twenty() {
    let city = City::new().await;
    let (a, b) = (city.device("a").await, city.device("b").await);
    let activity = session(&a, "清洁日", &[]);
    city.meet(&[&a, &b]).await;
    edit(&a, "activity", activity, &[("beneficiaries", "20")]);
    edit(&b, "activity", activity, &[("beneficiaries", "20")]);
    city.meet(&[&a, &b]).await;
    city.verify(&[activity]).await;
    city.meet(&[&a, &b]).await;
    for device in [&a, &b] {
        assert_eq!(shown(device, "activity", activity, "beneficiaries"), Some(Value::Int(20)));
        assert_eq!(held(device, "activity", activity), [""; 0]);
    }
    let served = city.everywhere(ReportId::R7, &[&a, &b]).await;
    assert_eq!((figure(&served), served.open), ((20, 20), 0));
    assert!(city.conflicts(COMMUNITY, false).await.is_empty());
}

#[tokio::test]
async fn twenty_and_thirty_five_wait_for_a_person_and_one_of_them_counts() {
    let city = City::new().await;
    let (a, b) = (city.device("a").await, city.device("b").await);
    let activity = session(&a, "清洁日", &[]);
    city.meet(&[&a, &b]).await;
    edit(&a, "activity", activity, &[("beneficiaries", "20")]);
    edit(&b, "activity", activity, &[("beneficiaries", "35")]);
    // Both edits have the same counter, so the lower operation id is that of the smaller author.
    let lowest = if a.author() < b.author() { 20 } else { 35 };
    city.meet(&[&a, &b]).await;
    let served = city.everywhere(ReportId::R7, &[&a, &b]).await;
    assert_eq!((figure(&served), served.open), ((0, lowest), 1));
    assert!(head(&served).contains("含1条待核"), "{}", head(&served));
    let open = city.conflicts(COMMUNITY, false).await;
    assert_eq!((open.len(), open[0].field.as_str(), open[0].kind.as_str()), (1, "beneficiaries", "held"));
    assert_eq!(open[0].shown, Some(lowest.to_string()));
    let mut sides: Vec<&str> = open[0].sides.iter().filter_map(|side| side.value.as_deref()).collect();
    sides.sort_unstable();
    assert_eq!(sides, ["20", "35"]);
    assert_eq!(verified(&city.everywhere(ReportId::R4, &[&a, &b]).await, "sessions"), 0);
    for device in [&a, &b] {
        assert_eq!(held(device, "activity", activity), ["beneficiaries"]);
    }
    let other = 1 + open[0].sides.iter().position(|side| side.value != open[0].shown).unwrap();
    city.resolve(activity, "beneficiaries", Decision::Take(other)).await;
    city.verify(&[activity]).await;
    city.meet(&[&a, &b]).await;
    let served = city.everywhere(ReportId::R7, &[&a, &b]).await;
    assert_eq!((figure(&served), served.open), ((55 - lowest, 55 - lowest), 0));
}

#[tokio::test]
async fn a_note_and_a_venue_are_both_kept_without_a_mark() {
    let city = City::new().await;
    let (a, b) = (city.device("a").await, city.device("b").await);
    let activity = session(&a, "清洁日", &[]);
    city.meet(&[&a, &b]).await;
    edit(&a, "activity", activity, &[("note", "带扫帚")]);
    edit(&b, "activity", activity, &[("venue", "东门")]);
    city.meet(&[&a, &b]).await;
    for device in [&a, &b] {
        assert_eq!(shown(device, "activity", activity, "note"), Some("带扫帚".into()));
        assert_eq!(shown(device, "activity", activity, "venue"), Some("东门".into()));
        assert!(device.record("activity", activity).unwrap().conflicts.is_empty());
    }
    assert!(city.conflicts(COMMUNITY, true).await.is_empty(), "not even listed");
    assert_eq!(city.everywhere(ReportId::R4, &[&a, &b]).await.open, 0);
}

#[tokio::test]
async fn of_two_notes_the_newest_shows_and_the_other_stays_in_the_history() {
    let city = City::new().await;
    let (a, b) = (city.device("a").await, city.device("b").await);
    let activity = session(&a, "清洁日", &[]);
    city.meet(&[&a, &b]).await;
    edit(&a, "activity", activity, &[("note", "带扫帚")]);
    edit(&b, "activity", activity, &[("note", "带铁锹")]);
    // Equal counters: the newest by operation id is that of the larger author.
    let (newest, other) = if a.author() > b.author() { ("带扫帚", "带铁锹") } else { ("带铁锹", "带扫帚") };
    city.meet(&[&a, &b]).await;
    for device in [&a, &b] {
        assert_eq!(shown(device, "activity", activity, "note"), Some(newest.into()));
        assert_eq!(held(device, "activity", activity), [""; 0], "nobody is asked");
        let history = device.read(|reader| reader.history("activity", activity)).unwrap();
        let notes: Vec<&Value> = history
            .iter()
            .flat_map(|item| &item.edits)
            .filter(|(key, _)| *key == "note")
            .filter_map(|(_, value)| value.as_ref())
            .collect();
        assert!(notes.contains(&&Value::from(other)) && notes.contains(&&Value::from(newest)), "{notes:?}");
    }
    assert!(city.conflicts(COMMUNITY, false).await.is_empty());
    let listed = city.conflicts(COMMUNITY, true).await;
    assert_eq!((listed.len(), listed[0].kind.as_str(), listed[0].field.as_str()), (1, "listed", "note"));
    assert_eq!(city.everywhere(ReportId::R4, &[&a, &b]).await.open, 0);
}

#[tokio::test]
async fn one_cleaning_day_entered_twice_is_proposed_and_counted_once_when_decided() {
    for by_mark in [true, false] {
        let city = City::new().await;
        let (a, b) = (city.device("a").await, city.device("b").await);
        let people: Vec<_> = ["曹雨菲", "李四", "王五"].map(|name| member(&a, name, &[])).into();
        city.meet(&[&a, &b]).await;
        let (one, two) =
            (session(&a, "清洁日", &[("beneficiaries", "20")]), session(&b, "清洁日", &[("beneficiaries", "20")]));
        take_part(&a, one, people[0], "60");
        take_part(&a, one, people[1], "60");
        take_part(&b, two, people[1], "60");
        take_part(&b, two, people[2], "60");
        city.meet(&[&a, &b]).await;
        city.verify(&[one, two]).await;
        city.meet(&[&a, &b]).await;
        let candidates = city.candidates(Likeness::Strong).await;
        assert_eq!(candidates.1, [[one.min(two), one.max(two)]]);
        assert!(candidates.0.is_empty());
        assert_eq!(figure(&city.everywhere(ReportId::R4, &[&a, &b]).await), (2, 2), "until somebody decides");
        assert_eq!(verified(&city.report(ReportId::R19, COMMUNITY).await, "duplicate_activities"), 1);
        let reason = "同一场活动".to_owned();
        city.office(if by_mark {
            OfficeCommand::MarkDuplicate { activity: two.0, of: one.0, reason }
        } else {
            OfficeCommand::Link { loser: two.0, winner: one.0, reason }
        })
        .await;
        city.meet(&[&a, &b]).await;
        assert!(city.candidates(Likeness::Weak).await.1.is_empty());
        assert_eq!(figure(&city.everywhere(ReportId::R4, &[&a, &b]).await), (1, 1));
        assert_eq!(figure(&city.everywhere(ReportId::R7, &[&a, &b]).await), (20, 20));
        assert_eq!(figure(&city.everywhere(ReportId::R5, &[&a, &b]).await), (3, 3), "everybody who came, once");
        assert_eq!(figure(&city.everywhere(ReportId::R6, &[&a, &b]).await), (3, 3));
        assert_eq!(figure(&city.everywhere(ReportId::R13, &[&a, &b]).await), (1, 1));
        assert_eq!(verified(&city.report(ReportId::R19, COMMUNITY).await, "duplicate_activities"), 0);
    }
}

#[tokio::test]
async fn a_date_edited_beside_the_verification_is_a_correction() {
    let city = City::new().await;
    let worker = city.device("worker").await;
    let activity = session(&worker, "清洁日", &[]);
    city.meet(&[&worker]).await;
    city.verify(&[activity]).await;
    // The worker has not heard of it.
    edit(&worker, "activity", activity, &[("date", "2024-12-30")]);
    city.meet(&[&worker]).await;
    let date = |worker| shown(worker, "activity", activity, "date");
    assert_eq!(date(&worker), Some("2025-03-05".into()), "the verified date stands");
    assert_eq!(worker.record("activity", activity).unwrap().state.as_deref(), Some("verified"));
    assert_eq!(held(&worker, "activity", activity), ["date"]);
    let open = city.conflicts(COMMUNITY, false).await;
    assert_eq!((open.len(), open[0].kind.as_str(), open[0].field.as_str()), (1, "correction", "date"));
    let sessions = city.everywhere(ReportId::R4, &[&worker]).await;
    assert_eq!((figure(&sessions), sessions.open), ((1, 1), 1));
    let asked = 1 + open[0].sides.iter().position(|side| side.value.as_deref() == Some("2024-12-30")).unwrap();
    city.resolve(activity, "date", Decision::Take(asked)).await;
    city.meet(&[&worker]).await;
    assert_eq!(date(&worker), Some("2024-12-30".into()));
    let sessions = city.everywhere(ReportId::R4, &[&worker]).await;
    assert_eq!((figure(&sessions), sessions.open), ((0, 0), 0), "the figure moves when it is accepted");
}
