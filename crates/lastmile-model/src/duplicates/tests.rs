use proptest::prelude::*;

use super::*;

fn id(number: u64) -> RecordId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    RecordId::from_bytes(bytes)
}

fn person(number: u64, name: &str) -> PersonKey<'_> {
    PersonKey { id: id(number), name, ..PersonKey::default() }
}

/// The grade and reason of the only pair that two persons make.
fn only(one: PersonKey<'_>, other: PersonKey<'_>) -> Option<(Grade, Reason)> {
    let direct = grade(&one, &other);
    let pairs = person_pairs(&[other, one]);
    assert!(pairs.len() < 2);
    let found = pairs.first().map(|pair| (pair.grade, pair.reason));
    assert_eq!(found, direct);
    found
}

#[test]
fn each_rule_in_turn() {
    let (one, two) = (|| person(1, "张伟"), || person(2, "张伟"));
    assert_eq!(only(one(), two()), None, "a name alone is nothing");
    let print = Some([7; 32]);
    let same_id = PersonKey { id_fingerprint: print, ..two() };
    assert_eq!(
        only(PersonKey { id_fingerprint: print, ..one() }, same_id.clone()),
        Some((Grade::Exact, Reason::IdNumber))
    );
    assert_eq!(
        only(PersonKey { id_fingerprint: print, ..person(1, "张韦") }, same_id),
        Some((Grade::SameIdOtherName, Reason::IdNumber))
    );
    let phone = |key: PersonKey<'static>| PersonKey { phones: vec!["13812345678"], ..key };
    assert_eq!(only(phone(one()), phone(two())), Some((Grade::Strong, Reason::Phone)));
    assert_eq!(only(phone(person(1, "李娜")), phone(two())), None, "a family's phone is nothing");
    let home = |key: PersonKey<'static>| PersonKey { community: Some("430103005010"), ..key };
    assert_eq!(only(home(one()), home(two())), Some((Grade::Weak, Reason::Community)));
    let born = |key: PersonKey<'static>| PersonKey { birth_ym: Some("1980-05"), ..key };
    assert_eq!(only(born(home(one())), born(home(two()))), Some((Grade::Strong, Reason::BirthAndCommunity)));
    assert_eq!(only(born(one()), born(two())), None);
    let employed = |key: PersonKey<'static>| PersonKey { employer: Some(id(9)), ..key };
    assert_eq!(only(employed(one()), employed(two())), Some((Grade::Strong, Reason::Employer)));
    assert_eq!(only(home(person(1, "")), home(person(2, ""))), None);
}

#[test]
fn the_best_grade_is_the_one_listed() {
    let all = |number| PersonKey {
        phones: vec!["13812345678", "13912345678"],
        birth_ym: Some("1980-05"),
        employer: Some(id(9)),
        community: Some("430103005010"),
        id_fingerprint: Some([1; 32]),
        ..person(number, "张伟")
    };
    let pairs = person_pairs(&[all(3), all(1), all(2), all(2)]);
    assert_eq!(pairs.len(), 3);
    assert!(pairs.iter().all(|pair| pair.grade == Grade::Exact && pair.a < pair.b));
}

#[test]
fn a_device_hints_at_whom_it_knows() {
    let new = PersonKey { phones: vec!["13812345678"], birth_ym: Some("1980-05"), ..person(1, "张伟") };
    let known = [
        PersonKey { phones: vec!["0731-84445678"], ..person(2, "张伟") },
        PersonKey { birth_ym: Some("1980-05"), ..person(3, "张伟") },
        PersonKey { phones: vec!["13812340000"], birth_ym: Some("1981-05"), ..person(4, "张伟") },
        PersonKey { phones: vec!["13812345678"], ..person(5, "李娜") },
        new.clone(),
    ];
    assert_eq!(hints(&new, &known).collect::<Vec<_>>(), [id(2), id(3)]);
}

#[test]
fn activities_of_one_day() {
    let people = |numbers: std::ops::Range<u64>| numbers.map(id).collect::<Vec<_>>();
    let activity = |number, title, people| ActivityKey {
        id: id(number),
        community: "430103005010",
        date: "2026-03-05",
        category: "environment",
        title,
        people,
    };
    let reason = |one, other| activity_pairs(&[one, other]).first().map(|pair| pair.reason);
    assert_eq!(reason(activity(1, "清洁日", vec![]), activity(2, "清洁日", vec![])), Some(ActivityReason::Title));
    assert_eq!(reason(activity(1, "清洁", vec![]), activity(2, "打扫", vec![])), None);
    assert_eq!(reason(activity(1, "", people(0..4)), activity(2, "", people(2..6))), Some(ActivityReason::People));
    assert_eq!(reason(activity(1, "", people(0..4)), activity(2, "", people(3..7))), None);
    assert_eq!(reason(activity(1, "", people(0..12)), activity(2, "", people(0..2))), Some(ActivityReason::People));
    let other_day = ActivityKey { date: "2026-03-06", ..activity(2, "清洁日", vec![]) };
    assert_eq!(reason(activity(1, "清洁日", vec![]), other_day), None);
    let other_kind = ActivityKey { category: "repair", ..activity(2, "清洁日", vec![]) };
    assert_eq!(reason(activity(1, "清洁日", vec![]), other_kind), None);
}

#[test]
fn a_city_of_persons_is_graded_at_once() {
    // 100,000 persons with 2,000 names, as concentrated as no city is, and one name that 3,000 share in one community.
    let names: Vec<String> = (0..2000).map(|n| format!("名{n}")).collect();
    let communities: Vec<String> = (0..843).map(|n| format!("430103{n:06}")).collect();
    let persons: Vec<PersonKey<'_>> = (0..100_000u64)
        .map(|n| {
            let place = usize::try_from(n).unwrap();
            let crowd = n < 3000;
            PersonKey {
                community: Some(&communities[if crowd { 0 } else { place * 7919 % 843 }]),
                birth_ym: Some("1980-05"),
                employer: Some(id(n % 500)),
                id_fingerprint: Some([u8::try_from(n % 251).unwrap(); 32]).filter(|_| n % 50_000 == 0),
                ..person(n, &names[if crowd { 0 } else { place * 31 % 2000 }])
            }
        })
        .collect();
    let pairs = person_pairs(&persons);
    assert!((1000..500_000).contains(&pairs.len()), "{}", pairs.len());
}

prop_compose! {
    fn any_person()(number in 0..40u64, name in 0..3usize, phone in prop::option::of(0..3usize), birth in prop::option::of(0..2usize),
                    employer in prop::option::of(0..2u64), community in prop::option::of(0..2usize), print in prop::option::of(0..3u8))
                    -> PersonKey<'static> {
        PersonKey {
            id: id(number),
            name: ["张伟", "李娜", ""][name],
            phones: phone.map(|n| ["13812345678", "13912345678", "0731-84441234"][n]).into_iter().collect(),
            birth_ym: birth.map(|n| ["1980-05", "1990-01"][n]),
            employer: employer.map(id),
            community: community.map(|n| ["430103005010", "430104008008"][n]),
            id_fingerprint: print.map(|n| [n; 32]),
        }
    }
}

proptest! {
    /// Grouping finds exactly what comparing everyone with everyone finds, in whatever order they come.
    #[test]
    fn grouping_is_comparing_all(mut persons in prop::collection::vec(any_person(), 0..20)) {
        persons.sort_by_key(|person| person.id);
        persons.dedup_by_key(|person| person.id);
        let mut expected = Vec::new();
        for (place, one) in persons.iter().enumerate() {
            for other in &persons[place + 1..] {
                if let Some((grade, reason)) = grade(one, other) {
                    expected.push(PersonPair { a: one.id, b: other.id, grade, reason });
                }
            }
        }
        prop_assert_eq!(person_pairs(&persons), expected.clone());
        persons.reverse();
        prop_assert_eq!(person_pairs(&persons), expected);
    }
}
