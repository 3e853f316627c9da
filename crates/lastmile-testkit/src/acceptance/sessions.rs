//! Which sessions a community has: when, what, by whom, for how many.

use std::collections::BTreeSet;

use lastmile_model::RecordId;

use super::community::Pen;
use super::people::Entry;
use super::persons::Role;
use super::plan::PersonRef;
use super::saves;
use super::session::{Case, Course, Session, Taker};
use crate::calendar::Day;
use crate::draw::share_out;
use crate::words;

/// The first day on which there are sessions: some people are registered by then.
const FIRST_DAY: u32 = 14;

/// The last day on which there are sessions.
const LAST_DAY: u32 = 361;

/// Persons served that a session with differing corrections has at least, so that the corrections differ visibly.
const ENOUGH_SERVED: u32 = 8;

/// The lengths of sessions in minutes, as often as they stand here.
const LENGTHS: [u32; 8] = [60, 60, 90, 90, 120, 120, 150, 180];

/// Designs the sessions of a community and records them; returns all of them.
pub(super) fn record(pen: &mut Pen<'_>, roster: Vec<Entry>) -> Vec<Session> {
    let mut design = Design { came: vec![0; roster.len()], roster, taken: BTreeSet::new() };
    let quota = pen.community.quota;
    let mut sessions = Vec::new();
    for number in 0..quota.sessions {
        let course = main_course(pen, number);
        sessions.push(design.session(pen, course, number));
    }
    share_served(pen, &mut sessions);
    for (count, course) in [(quota.cancelled, Course::Cancelled), (quota.unverified, Course::Waiting)] {
        for number in 0..count {
            let course = if course == Course::Waiting && number % 7 == 3 { Course::Returned } else { course };
            let mut session = design.session(pen, course, u32::MAX);
            session.served = pen.draw.between(1, 20);
            sessions.push(session);
        }
    }
    let mut repeated = BTreeSet::new();
    for _ in 0..quota.repeated {
        if let Some(session) = design.repetition(pen, &sessions, &mut repeated) {
            sessions.push(session);
        }
    }
    if let Some(session) = design.repetition_elsewhere(pen, &sessions) {
        sessions.push(session);
    }
    for session in &sessions {
        saves::record(pen, session, &sessions);
    }
    sessions
}

/// Decides the course of the n-th session that counts.
fn main_course(pen: &mut Pen<'_>, number: u32) -> Course {
    if pen.devices() > 1 {
        if let Some(case) = usize::try_from(number).ok().and_then(|number| Case::ALL.get(number)) {
            return Course::Case(*case);
        }
        if number == FIRST_ORDINARY {
            return Course::RepeatedElsewhere;
        }
    }
    match pen.draw.below(1000) {
        0..100 => Course::Separate,
        100..150 => Course::Planned,
        150..165 => Course::SentBack,
        165..185 => Course::Mended,
        185..190 => Course::Corrected,
        190..192 => Course::CorrectionOpen,
        _ => Course::Direct,
    }
}

/// The session of a shared community that another device enters too: the first after the special cases.
const FIRST_ORDINARY: u32 = 6;

/// Shares the community's persons served out over its sessions: at least one each, a few large events.
fn share_served(pen: &mut Pen<'_>, sessions: &mut [Session]) {
    let is_differing = |session: &Session| session.course == Course::Case(Case::ServedDiffers);
    let weights: Vec<u32> = sessions
        .iter()
        .map(|_| if pen.draw.chance(20) { 40 + pen.draw.below(60) } else { 1 + pen.draw.below(12) })
        .collect();
    let count = u32::try_from(sessions.len()).unwrap_or(u32::MAX);
    let beyond = pen.community.quota.served.saturating_sub(count);
    let reserved = if sessions.iter().any(is_differing) { beyond.min(ENOUGH_SERVED) } else { 0 };
    let shares = share_out(u64::from(beyond - reserved), &weights, pen.draw.below(1000));
    for (session, share) in sessions.iter_mut().zip(shares) {
        session.served = 1 + share + if is_differing(session) { reserved } else { 0 };
    }
}

/// What the sessions designed so far leave free.
struct Design {
    roster: Vec<Entry>,
    /// How often each entry of the roster came.
    came: Vec<u32>,
    /// Days and categories in use: no two sessions may look like duplicates by chance.
    taken: BTreeSet<(Day, usize)>,
}

impl Design {
    fn session(&mut self, pen: &mut Pen<'_>, course: Course, number: u32) -> Session {
        let device = match course {
            Course::Case(_) | Course::RepeatedElsewhere => 0,
            _ => u8::try_from(pen.draw.below(u32::from(pen.devices()))).unwrap_or(0),
        };
        let (day, category) = self.free_day(pen, course);
        let title = words::CATEGORIES.get(category).map_or("", |(_, titles)| pen.draw.pick(titles));
        let minutes = pen.draw.pick(&LENGTHS);
        let start = 8 * 60 + 30 * pen.draw.below(22);
        // Late entries only where the entry and its verification still fall before the devices' last meeting.
        let late = if course == Course::Direct && u32::from(day) < LAST_DAY - 27 && pen.draw.chance(40) {
            20 + Day::try_from(pen.draw.below(41)).unwrap_or(0)
        } else {
            0
        };
        if late > 0 {
            pen.facts.late += 1;
        }
        let second_of_day = (start + minutes) * 60 + pen.draw.between(300, 3_600);
        let made = match course {
            Course::Planned | Course::Cancelled => Session::planning(day),
            _ => (day + late, second_of_day),
        };
        let record = pen.draw.record(pen.claimed(made.0, made.1));
        let mut session = Session {
            record,
            course,
            device,
            day,
            late,
            start,
            minutes,
            second_of_day,
            category,
            title,
            venue: pen.draw.pick(&words::VENUES),
            team: pen.team(number),
            served: 0,
            takers: Vec::new(),
        };
        if course != Course::Cancelled {
            session.takers = self.takers(pen, &session);
        }
        session
    }

    /// Draws a day and a category that no other session has together.
    fn free_day(&mut self, pen: &mut Pen<'_>, course: Course) -> (Day, usize) {
        loop {
            let drawn = match course {
                Course::Waiting | Course::Returned => pen.draw.between(300, LAST_DAY),
                Course::Case(_) | Course::RepeatedElsewhere => pen.draw.between(100, 330),
                // The day on which everybody serves: 5 March.
                _ if pen.draw.chance(20) => 63,
                _ => pen.draw.between(FIRST_DAY, LAST_DAY),
            };
            let mut day = Day::try_from(drawn).unwrap_or(0);
            if pen.draw.chance(450) {
                let weekend = pen.plan.calendar.next(day, pen.draw.between(5, 6));
                day = if u32::from(weekend) > LAST_DAY { day } else { weekend };
            }
            let category = pen.draw.weighted(&words::CATEGORY_SUMS);
            if self.taken.insert((day, category)) {
                return (day, category);
            }
        }
    }

    /// Draws those who take part: people of the same device, rather those who came less often.
    fn takers(&mut self, pen: &mut Pen<'_>, session: &Session) -> Vec<Taker> {
        let wanted = match pen.draw.below(100) {
            0..28 => 1,
            28..60 => 2,
            60..83 => 3,
            83..93 => 4,
            93..97 => 6,
            _ => pen.draw.between(8, 14),
        };
        let known = self.roster.partition_point(|entry| entry.from <= session.day);
        let mut takers: Vec<Taker> = Vec::new();
        for _ in 0..wanted * 4 {
            if takers.len() >= usize::try_from(wanted).unwrap_or(0) {
                break;
            }
            if pen.draw.chance(10)
                && let Some(guest) = guest(pen, session)
            {
                takers.push(guest);
                continue;
            }
            let Some(chosen) = self.rarer(pen, known) else { break };
            let Some(entry) = self.roster.get(chosen).copied() else { break };
            let fits = entry.device == session.device && entry.until.is_none_or(|until| session.day < until);
            if !fits || takers.iter().any(|taker| taker.record == entry.record) {
                continue;
            }
            if let Some(count) = self.came.get_mut(chosen) {
                *count += 1;
            }
            takers.push(taker(pen, session, entry.key, entry.record, takers.is_empty()));
        }
        takers
    }

    /// Draws two entries of the roster and returns the one who came less often.
    fn rarer(&self, pen: &mut Pen<'_>, known: usize) -> Option<usize> {
        let (one, other) = (pen.draw.pick_index(known)?, pen.draw.pick_index(known)?);
        if self.came.get(one) <= self.came.get(other) { Some(one) } else { Some(other) }
    }

    /// Enters a session of the same device again, with some of the same people.
    fn repetition(&self, pen: &mut Pen<'_>, sessions: &[Session], done: &mut BTreeSet<usize>) -> Option<Session> {
        let counted = usize::try_from(pen.community.quota.sessions).ok()?;
        for _ in 0..50 {
            let place = pen.draw.pick_index(counted)?;
            let original = sessions.get(place)?;
            let fits = original.course == Course::Direct && original.late == 0 && original.day < 350;
            if fits && done.insert(place) {
                let course = Course::Repetition(u32::try_from(place).ok()?);
                let half = original.takers.len().div_ceil(2);
                let takers = original.takers.iter().take(half).copied().collect();
                return Some(again(pen, original, course, original.device, takers));
            }
        }
        None
    }

    /// Enters a session of the first device on the second one, which does not know of it: somebody whom both saw, and
    /// somebody whom only the second saw.
    fn repetition_elsewhere(&self, pen: &mut Pen<'_>, sessions: &[Session]) -> Option<Session> {
        let place = sessions.iter().position(|session| session.course == Course::RepeatedElsewhere)?;
        let original = sessions.get(place)?;
        let course = Course::RepetitionElsewhere(u32::try_from(place).ok()?);
        let known = |entry: &&Entry| entry.device == 1 && entry.from <= original.day && entry.until.is_none();
        let other = self.roster.iter().find(known)?;
        let mut takers: Vec<Taker> = original.takers.iter().take(1).copied().collect();
        if takers.iter().all(|taker| taker.record != other.record) {
            takers.push(taker(pen, original, other.key, other.record, false));
        }
        Some(again(pen, original, course, 1, takers))
    }
}

/// The same session as another record, entered an hour later.
fn again(pen: &mut Pen<'_>, original: &Session, course: Course, device: u8, takers: Vec<Taker>) -> Session {
    let second_of_day = (original.second_of_day + 3_600).min(86_300);
    let record = pen.draw.record(pen.claimed(original.entered(), second_of_day));
    let served = original.served.saturating_sub(2).max(1);
    Session { record, course, device, second_of_day, served, takers, ..original.clone() }
}

fn taker(pen: &mut Pen<'_>, session: &Session, key: u32, record: RecordId, leads: bool) -> Taker {
    let attended = leads || pen.draw.chance(970);
    let minutes = match pen.draw.below(10) {
        _ if !attended => 0,
        0 => session.minutes - 30,
        _ => session.minutes,
    };
    let source = match pen.draw.below(10) {
        _ if session.late > 0 => "late",
        0..3 => "qr",
        3..7 => "list",
        _ => "manual",
    };
    Taker { key, record, minutes, attended, source }
}

/// Somebody from another community, met by chance.
fn guest(pen: &mut Pen<'_>, session: &Session) -> Option<Taker> {
    let count = pen.plan.communities.len();
    let step = 1 + pen.draw.pick_index(count.checked_sub(1)?)?;
    let community = (pen.index + step) % count;
    let quota = pen.plan.communities.get(community)?.quota;
    let index = quota.first_plain() + pen.draw.below(quota.members.checked_sub(quota.first_plain())?);
    let person = pen.plan.person(PersonRef { community, index });
    let fits = person.role == Role::Plain && person.entered < session.day;
    fits.then(|| Taker { source: "qr", ..taker(pen, session, person.key, person.record, true) })
}
