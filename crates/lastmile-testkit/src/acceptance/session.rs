//! One session: what happened, how it was entered and what becomes of it.

use lastmile_model::{RecordId, Value};

use super::community::Pen;
use super::people::add_once;
use crate::action::RecordEdit;
use crate::calendar::Day;
use crate::words;

/// What is special about one of the first sessions of a shared community.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// Two devices edit different fields.
    DifferentFields,
    /// Two devices write different notes.
    SameNote,
    /// Two devices correct the number of persons served, differently.
    ServedDiffers,
    /// Two devices correct it alike.
    ServedEqual,
    /// One device verifies while the other one edits the date.
    DateWhileVerified,
    /// Two devices add the same people.
    SameTakers,
}

impl Case {
    pub(super) const ALL: [Self; 6] = [
        Self::DifferentFields,
        Self::SameNote,
        Self::ServedDiffers,
        Self::ServedEqual,
        Self::DateWhileVerified,
        Self::SameTakers,
    ];
}

/// How a session comes to what it is in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// Entered and submitted in one save, then verified.
    Direct,
    /// Entered, submitted some days later, then verified.
    Separate,
    /// Planned ahead, filled in afterwards, then verified.
    Planned,
    /// Sent back once, mended, then verified.
    SentBack,
    /// Mended by the worker before the secretary verified it.
    Mended,
    /// Verified, then corrected, the correction accepted.
    Corrected,
    /// Verified, then corrected, the correction not decided on.
    CorrectionOpen,
    /// Entered and submitted; the rest follows when the devices have met.
    Case(Case),
    /// Entered and submitted, then verified; another device entered it too.
    RepeatedElsewhere,
    /// Entered and submitted, nothing else.
    Waiting,
    /// Entered and submitted, then sent back for good.
    Returned,
    /// Planned, then cancelled.
    Cancelled,
    /// A repetition that the secretary marks.
    Repetition(u32),
    /// A repetition of another device's session, verified and left to the office.
    RepetitionElsewhere(u32),
}

/// Someone who takes part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taker {
    pub(super) key: u32,
    pub(super) record: RecordId,
    pub(super) minutes: u32,
    pub(super) attended: bool,
    pub(super) source: &'static str,
}

/// One session.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) record: RecordId,
    pub(super) course: Course,
    pub(super) device: u8,
    pub(super) day: Day,
    /// How many days later it was entered.
    pub(super) late: Day,
    /// Minutes since midnight.
    pub(super) start: u32,
    pub(super) minutes: u32,
    pub(super) second_of_day: u32,
    pub(super) category: usize,
    pub(super) title: &'static str,
    pub(super) venue: &'static str,
    pub(super) team: Option<usize>,
    pub(super) served: u32,
    pub(super) takers: Vec<Taker>,
}

impl Session {
    /// The day on which it is entered.
    pub(super) const fn entered(&self) -> Day {
        self.day + self.late
    }

    /// When one of this day and course is planned: a week or so before.
    pub(super) fn planning(day: Day) -> (Day, u32) {
        ((day - 5 - day % 7).max(2), 10 * 3600)
    }

    /// When it is entered.
    pub(super) const fn when(&self) -> (Day, u32) {
        (self.entered(), self.second_of_day)
    }

    /// Begins the record without events; `served` is what the worker types at first.
    pub(super) fn create(&self, pen: &mut Pen<'_>, served: Option<u32>) -> RecordEdit {
        let (category, _) = words::CATEGORIES.get(self.category).copied().unwrap_or_default();
        let (lead, leader) = self.takers.first().map_or((false, self.record), |taker| (true, taker.record));
        let mut edit = RecordEdit::create("activity", self.record)
            .with("title", self.title)
            .with("category", category)
            .with("kind", words::form(self.category, self.title))
            .with("date", pen.text(self.day))
            .with("start_time", time(self.start))
            .with("end_time", time(self.start + self.minutes))
            .with("venue", self.venue);
        if let Some(team) = self.team.and_then(|place| pen.plan.teams.get(place)) {
            edit.set("host_team", Value::reference(team.record));
        } else if let Some(pairing) = pen.pairing().filter(|_| self.start.is_multiple_of(3)) {
            edit.set("pairing", Value::reference(pairing));
        }
        if pen.draw.chance(30) {
            edit.set("project", pen.draw.pick(&words::PROJECTS));
        }
        if lead && pen.draw.chance(500) {
            edit.set("led_by", Value::reference(leader));
        }
        if let Some(served) = served {
            edit.set("beneficiaries", i64::from(served));
            for _ in 0..pen.draw.between(1, 2) {
                add_once(&mut edit, "beneficiary_groups", pen.draw.pick(&words::GROUPS));
            }
        }
        if pen.draw.chance(200) {
            edit.add("tags", pen.draw.pick(&words::TAGS));
        }
        if pen.draw.chance(150) {
            edit.set("note", pen.draw.pick(&words::NOTES));
        }
        edit
    }

    /// Begins the records of those who take part.
    pub(super) fn participations(&self) -> impl Iterator<Item = RecordEdit> + '_ {
        self.takers.iter().zip(0..).map(|(taker, place)| {
            let edit = participation(self.record, taker, if place == 0 { "leader" } else { "participant" });
            if taker.source == "qr" && taker.attended {
                let left = (self.start + taker.minutes).min(23 * 60 + 59);
                edit.with("sign_in", time(self.start)).with("sign_out", time(left))
            } else {
                edit
            }
        })
    }
}

/// Begins the record of one person's part in one session.
pub(super) fn participation(activity: RecordId, taker: &Taker, role: &str) -> RecordEdit {
    let record = lastmile_model::derive::participation(activity, taker.record);
    let edit = RecordEdit::create("participation", record)
        .with("activity", Value::reference(activity))
        .with("person", Value::reference(taker.record))
        .with("role", role)
        .with("minutes", i64::from(taker.minutes));
    edit.with("source", taker.source).with("attended", taker.attended)
}

/// Writes a time of day.
pub(super) fn time(minutes: u32) -> String {
    let minutes = minutes.min(23 * 60 + 59);
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
