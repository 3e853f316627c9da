//! Members, their check-ins and their moves.

use lastmile_client::Replica;
use lastmile_model::{RecordId, derive};
use lastmile_relay::{Decision, Likeness, OfficeCommand};
use lastmile_report::ReportId;

use super::city::{CITY, City, DISTRICT, NEIGHBOUR, check_in, figure, head, member, session, take_part, verified};
use crate::field::COMMUNITY;

/// The persons that a worker finds by these words.
fn found(device: &Replica, text: &str) -> Vec<RecordId> {
    device.read(|reader| lastmile_report::lookup::find(reader, "person", text, 8)).unwrap()
}

/// The region 99 belongs to nobody.
const ID_NO: &str = "990101198001010014";

#[tokio::test]
async fn one_id_number_typed_on_two_devices_is_one_member() {
    let city = City::new().await;
    let (a, b) = (city.device("a").await, city.device("b").await);
    let one = member(&a, "曹雨菲", &[("id_no", ID_NO)]);
    let first = check_in(&a, one, COMMUNITY, &[]);
    let two = member(&b, "曹雨菲", &[("id_no", ID_NO)]);
    let second = check_in(&b, two, COMMUNITY, &[]);
    city.meet(&[&a, &b]).await;
    assert!(city.candidates(Likeness::Weak).await.0.is_empty(), "nothing is left to decide");
    let waiting = city.everywhere(ReportId::R1, &[&a, &b]).await;
    assert_eq!(figure(&waiting), (0, 1), "registered twice, one member");
    city.confirm(first, "2025-03-01").await;
    city.confirm(second, "2025-03-02").await;
    city.meet(&[&a, &b]).await;
    let on_books = city.everywhere(ReportId::R1, &[&a, &b]).await;
    assert_eq!((figure(&on_books), on_books.open), ((1, 1), 0));
    assert_eq!(on_books.list.unwrap().rows.len(), 1);
    assert_eq!(figure(&city.everywhere(ReportId::R2, &[&a, &b]).await), (1, 1));
    // What either took part in counts for the one.
    let activity = session(&a, "清洁日", &[]);
    take_part(&a, activity, one, "60");
    take_part(&b, activity, two, "60");
    city.meet(&[&a, &b]).await;
    city.verify(&[activity]).await;
    city.meet(&[&a, &b]).await;
    assert_eq!(figure(&city.everywhere(ReportId::R5, &[&a, &b]).await), (1, 1));
    // Who looks the name up finds one.
    for device in [&a, &b] {
        assert_eq!(found(device, "曹雨菲"), [one.min(two)]);
        assert_eq!(found(device, "cyf"), [one.min(two)]);
    }
}

#[tokio::test]
async fn one_name_in_two_grids_is_a_candidate_and_counts_twice_until_decided() {
    let city = City::new().await;
    let (a, b) = (city.device("a").await, city.device("b").await);
    let one = member(&a, "曹雨菲", &[]);
    let first = check_in(&a, one, COMMUNITY, &[("grid", "430103005010001")]);
    let two = member(&b, "曹雨菲", &[]);
    let second = check_in(&b, two, COMMUNITY, &[("grid", "430103005010002")]);
    city.meet(&[&a, &b]).await;
    city.confirm(first, "2025-03-01").await;
    city.confirm(second, "2025-03-02").await;
    city.meet(&[&a, &b]).await;
    let pair = [one.min(two), one.max(two)];
    assert_eq!(city.candidates(Likeness::Weak).await.0, [pair]);
    assert_eq!(figure(&city.everywhere(ReportId::R1, &[&a, &b]).await), (2, 2));
    assert_eq!(figure(&city.everywhere(ReportId::R2, &[&a, &b]).await), (2, 2));
    assert_eq!(verified(&city.report(ReportId::R19, COMMUNITY).await, "duplicate_persons"), 1);
    let reason = "同一人，重复登记".to_owned();
    city.office(OfficeCommand::Link { loser: pair[1].0, winner: pair[0].0, reason }).await;
    city.meet(&[&a, &b]).await;
    assert_eq!(figure(&city.everywhere(ReportId::R1, &[&a, &b]).await), (1, 1));
    assert_eq!(figure(&city.everywhere(ReportId::R2, &[&a, &b]).await), (1, 1));
    assert_eq!(verified(&city.report(ReportId::R19, COMMUNITY).await, "duplicate_persons"), 0);
    // And apart again.
    let reason = "父子同名".to_owned();
    city.office(OfficeCommand::Unlink { loser: pair[1].0, winner: pair[0].0, reason }).await;
    city.meet(&[&a, &b]).await;
    assert_eq!(figure(&city.everywhere(ReportId::R1, &[&a, &b]).await), (2, 2));
    assert!(city.candidates(Likeness::Weak).await.0.is_empty(), "what was decided is not proposed again");
}

#[tokio::test]
async fn a_member_confirmed_in_two_communities_counts_in_the_earlier_until_decided() {
    let city = City::new().await;
    let (here, there) = (city.device("here").await, city.device_in("there", NEIGHBOUR).await);
    let one = member(&here, "曹雨菲", &[("id_no", ID_NO)]);
    let later = check_in(&here, one, COMMUNITY, &[]);
    let two = member(&there, "曹雨菲", &[("id_no", ID_NO)]);
    let earlier = check_in(&there, two, NEIGHBOUR, &[]);
    city.meet(&[&here, &there]).await;
    city.confirm(later, "2025-03-02").await;
    city.confirm(earlier, "2025-03-01").await;
    city.meet(&[&here, &there]).await;
    for scope in [CITY, DISTRICT] {
        let on_books = city.report(ReportId::R1, scope).await;
        assert_eq!((figure(&on_books), on_books.open), ((1, 1), 1), "{scope}");
        assert!(head(&on_books).contains("含1条待核"));
    }
    assert_eq!(figure(&city.report(ReportId::R1, NEIGHBOUR).await), (1, 1), "the earlier confirmed");
    let left_out = city.report(ReportId::R1, COMMUNITY).await;
    assert_eq!(figure(&left_out), (0, 0));
    assert!(left_out.notes.iter().any(|note| note.zh.contains("待核")), "{:?}", left_out.notes);
    assert_eq!(verified(&city.report(ReportId::R19, DISTRICT).await, "open"), 1);
    // The district is asked.
    let open = city.conflicts(DISTRICT, false).await;
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!((open[0].field.as_str(), open[0].kind.as_str()), ("check_in", "two_communities"));
    let communities: Vec<&str> = open[0].sides.iter().filter_map(|side| side.value.as_deref()).collect();
    assert_eq!(communities, [NEIGHBOUR, COMMUNITY], "the earlier first, which counts");
    assert_eq!(open[0].shown.as_deref(), Some(NEIGHBOUR));
    // It decides where the member lives: from the day of that confirmation on.
    city.resolve(lastmile_model::RecordId(open[0].id), "check_in", Decision::Take(2)).await;
    city.meet(&[&here, &there]).await;
    assert_eq!(city.conflicts(CITY, false).await, []);
    let on_books = city.report(ReportId::R1, DISTRICT).await;
    assert_eq!((figure(&on_books), on_books.open), ((1, 1), 0));
    assert_eq!(figure(&city.report(ReportId::R1, COMMUNITY).await), (1, 1));
    assert_eq!(figure(&city.report(ReportId::R1, NEIGHBOUR).await), (0, 0));
    assert_eq!(there.record("check_in", earlier).unwrap().state.as_deref(), Some("moved_out"));
    assert_eq!(verified(&city.report(ReportId::R19, DISTRICT).await, "open"), 0);
}

#[tokio::test]
async fn work_before_a_move_counts_where_it_was_done() {
    let city = City::new().await;
    let (here, there) = (city.device("here").await, city.device_in("there", NEIGHBOUR).await);
    let person = member(&here, "曹雨菲", &[]);
    let registered = check_in(&here, person, COMMUNITY, &[]);
    let activity = session(&here, "清洁日", &[("beneficiaries", "20")]);
    city.meet(&[&here, &there]).await;
    city.confirm(registered, "2025-01-10").await;
    city.meet(&[&here, &there]).await;
    // The office moves the member on 1 June; a device that has not heard of it adds work of 5 March.
    let (to, on, why) = (NEIGHBOUR.to_owned(), Some("2025-06-01".to_owned()), "搬家".to_owned());
    city.office(OfficeCommand::Move { person: person.0, to, on, why }).await;
    let part = take_part(&here, activity, person, "60");
    city.meet(&[&here, &there]).await;
    city.verify(&[activity]).await;
    city.meet(&[&here, &there]).await;
    assert_eq!(here.record("check_in", registered).unwrap().state.as_deref(), Some("moved_out"));
    let arrived = derive::check_in(person, NEIGHBOUR);
    assert_eq!(there.record("check_in", arrived).unwrap().state.as_deref(), Some("confirmed"));
    let counts = here.read(|reader| reader.counts(None)).unwrap();
    assert_eq!((counts.quarantined, counts.waiting, counts.opaque), (0, 0, 0), "the late work is accepted");
    assert!(here.record("participation", part).is_ok());
    assert_eq!(city.conflicts(CITY, false).await, []);
    for report in [ReportId::R4, ReportId::R5, ReportId::R6] {
        assert_eq!(figure(&city.report(report, COMMUNITY).await), (1, 1), "{report} of the community left");
        assert_eq!(figure(&city.report(report, NEIGHBOUR).await), (0, 0), "{report} of the new one");
        assert_eq!(figure(&city.report(report, CITY).await), (1, 1), "{report}");
    }
    // On the books it is the new community's, where the work counts for the year's duty.
    assert_eq!(figure(&city.report(ReportId::R1, COMMUNITY).await), (0, 0));
    assert_eq!(figure(&city.report(ReportId::R1, NEIGHBOUR).await), (1, 1));
    let duty = city.report(ReportId::R9, NEIGHBOUR).await;
    let list = duty.list.as_ref().unwrap();
    assert_eq!(list.rows.len(), 1);
    assert_eq!(list.sum("done"), 1, "{list:?}");
}
