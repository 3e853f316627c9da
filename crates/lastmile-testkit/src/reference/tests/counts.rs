//! The figures: duplicates, links, two communities, dates.

use super::*;

/// One author's commits, each a record of its own.
#[derive(Default)]
struct Office(Vec<Commit>);

impl Office {
    /// A record of a type with these fields, whose events happened one after the other.
    fn record(&mut self, (record_type, id): (&str, u8), fields: &[(&str, Val)], events: &[(&str, &str)]) {
        self.record_in(SCOPE, (record_type, id), fields, events);
    }

    fn record_in(
        &mut self,
        scope: &str,
        (record_type, id): (&str, u8),
        fields: &[(&str, Val)],
        events: &[(&str, &str)],
    ) {
        let seq = self.0.len() as u64 + 1;
        let hash = u8::try_from(seq).unwrap();
        let mut ops = first(fields);
        for (n, (kind, on)) in (1..).zip(events) {
            ops.extend(happens(n, kind, on));
        }
        let draft = change(OFFICE, hash, (&[], 1, 1), ops).of(record_type, id);
        self.0.push(draft.commit_in(scope, seq, hash - 1));
    }

    fn session(&mut self, id: u8, date: &str, served: i64, events: &[(&str, &str)]) {
        let fields = [("date", text(date)), ("category", text("elderly")), ("beneficiaries", Val::Int(served))];
        self.record(("activity", id), &fields, events);
    }

    fn takes_part(&mut self, id: u8, (activity, person): (u8, u8), minutes: i64) {
        let fields = [("activity", reference(activity)), ("person", reference(person)), ("minutes", Val::Int(minutes))];
        self.record(("participation", id), &fields, &[]);
    }

    fn link(&mut self, id: u8, record_type: &str, (loser, winner): (u8, u8), live: bool) {
        let fields = [
            ("loser", reference(loser)),
            ("winner", reference(winner)),
            ("record_type", text(record_type)),
            ("live", Val::Bool(live)),
        ];
        self.record(("merge_link", id), &fields, &[]);
    }

    fn person(&mut self, id: u8, party_status: &str) {
        self.record(("person", id), &[("party_status", text(party_status))], &[]);
    }

    fn checks_in(&mut self, scope: &str, (id, person): (u8, u8), events: &[(&str, &str)]) {
        let community = text(&scope["community:".len()..]);
        self.record_in(scope, ("check_in", id), &[("person", reference(person)), ("community", community)], events);
    }

    fn figures(&self) -> super::reports::Figures {
        self.figures_of("4301")
    }

    fn figures_of(&self, prefix: &str) -> super::reports::Figures {
        figures(&evaluate(&self.0, &letters()), prefix, "2025-01-01", "2025-12-31")
    }
}

fn reference(id: u8) -> Val {
    Val::Bytes(vec![id; 16])
}

fn figure(verified: u64, with_pending: u64) -> Figure {
    Figure { verified, with_pending }
}

const VERIFIED: &[(&str, &str)] = &[("hold", "2025-03-05"), ("submit", "2025-03-05"), ("verify", "2025-03-06")];
const SUBMITTED: &[(&str, &str)] = &[("submit", "2025-03-05")];

#[test]
fn sessions_count_by_their_date_and_standing() {
    let mut office = Office::default();
    office.session(1, "2025-03-05", 20, VERIFIED);
    office.session(2, "2025-12-31", 5, SUBMITTED);
    office.session(3, "2026-01-01", 7, VERIFIED);
    office.session(4, "2025-03-05", 9, &[("plan", "2025-03-01"), ("cancel", "2025-03-05")]);
    office.session(5, "2025-03-05", 9, &[("submit", "2025-03-05"), ("return", "2025-03-06")]);
    let figures = office.figures();
    assert_eq!((figures.sessions, figures.served), (figure(1, 2), figure(20, 25)));
    assert_eq!(figures.categories, BTreeMap::from([("elderly".to_owned(), figure(1, 2))]));
    assert_eq!(office.figures_of("430105").sessions, figure(0, 0));
}

#[test]
fn linked_sessions_are_one_and_their_people_are_united() {
    let mut office = Office::default();
    office.session(1, "2025-03-05", 20, SUBMITTED);
    office.session(2, "2025-03-05", 30, VERIFIED);
    office.takes_part(11, (1, 31), 60);
    office.takes_part(12, (2, 31), 90);
    office.takes_part(13, (1, 32), 60);
    let apart = office.figures();
    assert_eq!((apart.sessions, apart.participations, apart.persons), (figure(1, 2), figure(1, 3), figure(1, 2)));

    office.link(41, "activity", (1, 2), true);
    let united = office.figures();
    assert_eq!((united.sessions, united.served), (figure(1, 1), figure(30, 30)));
    assert_eq!((united.participations, united.persons, united.minutes), (figure(2, 2), figure(2, 2), figure(150, 150)));
    assert_eq!(united.differing_minutes, 1);
}

#[test]
fn a_marked_repetition_is_not_a_session_but_lends_its_people() {
    let mut office = Office::default();
    office.session(2, "2025-03-05", 30, VERIFIED);
    let fields = [("date", text("2025-03-05")), ("duplicate_of", reference(2))];
    office.record(("activity", 1), &fields, VERIFIED);
    office.takes_part(11, (1, 31), 60);
    let figures = office.figures();
    assert_eq!(
        (figures.sessions, figures.served, figures.participations),
        (figure(1, 1), figure(30, 30), figure(1, 1))
    );
}

#[test]
fn people_linked_in_a_cycle_are_one_under_the_smallest_id_and_unlinking_splits_again() {
    let mut office = Office::default();
    for (person, status) in [(31, "01"), (32, "13"), (33, "01")] {
        office.person(person, status);
        office.checks_in(SCOPE, (person + 20, person), &[("register", "2025-02-01"), ("confirm", "2025-02-02")]);
    }
    assert_eq!((office.figures().members, office.figures().ever), (figure(2, 2), figure(3, 3)));
    for (id, pair) in [(41, (32, 31)), (42, (33, 32)), (43, (31, 33))] {
        office.link(id, "person", pair, true);
    }
    assert_eq!((office.figures().members, office.figures().ever), (figure(1, 1), figure(1, 1)));
    // One copy of a link, in another scope, that says it is not live.
    let dead = [
        ("loser", reference(33)),
        ("winner", reference(32)),
        ("record_type", text("person")),
        ("live", Val::Bool(false)),
    ];
    office.record_in("community:430104008008", ("merge_link", 42), &dead, &[]);
    office.record_in("community:430104008008", ("merge_link", 43), &dead, &[]);
    assert_eq!((office.figures().members, office.figures().ever), (figure(2, 2), figure(2, 2)));
}

#[test]
fn who_is_confirmed_in_two_communities_counts_in_the_earlier() {
    let other = "community:430104008008";
    let mut office = Office::default();
    office.person(31, "02");
    office.checks_in(SCOPE, (51, 31), &[("register", "2025-02-01"), ("confirm", "2025-05-02")]);
    office.checks_in(other, (52, 31), &[("register", "2025-02-01"), ("confirm", "2025-04-02")]);
    assert_eq!((office.figures().members, office.figures_of("430103").members), (figure(1, 1), figure(0, 0)));
    assert_eq!((office.figures_of("430104").members, office.figures_of("430103").ever), (figure(1, 1), figure(1, 1)));
}

#[test]
fn who_left_is_off_the_books_and_who_waits_is_pending() {
    let mut office = Office::default();
    office.person(31, "01");
    office.person(32, "01");
    office.checks_in(SCOPE, (51, 31), &[("register", "2024-05-01"), ("confirm", "2024-05-02"), ("end", "2025-12-31")]);
    office.checks_in(SCOPE, (52, 32), &[("register", "2025-12-31")]);
    assert_eq!((office.figures().members, office.figures().ever), (figure(0, 1), figure(1, 2)));
    let eve = figures(&evaluate(&office.0, &letters()), "4301", "2025-01-01", "2025-12-30");
    assert_eq!((eve.members, eve.ever), (figure(1, 1), figure(1, 1)));
}
