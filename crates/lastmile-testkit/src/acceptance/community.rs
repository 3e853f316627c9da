//! The saves of one community.

use std::collections::BTreeMap;

use lastmile_model::RecordId;
use lastmile_model::roles::Role;

use super::facts::Facts;
use super::plan::{CommunityPlan, Plan};
use super::{people, sessions, shared};
use crate::action::{Action, DeviceWork, Event, RecordEdit, User};
use crate::calendar::Day;
use crate::draw::{Draw, Stream};
use crate::names::{Name, Script};

/// What one community records.
#[derive(Debug, Clone)]
pub struct CommunityWork {
    /// Its place in the plan.
    pub index: usize,
    /// What each of its devices records.
    pub devices: Vec<DeviceWork>,
    pub(crate) facts: Facts,
}

/// Makes the saves of the community at this place of the plan.
pub(super) fn work(plan: &Plan, index: usize) -> Option<CommunityWork> {
    let mut pen = Pen::new(plan, index)?;
    pen.record_staff();
    let roster = people::record(&mut pen);
    let sessions = sessions::record(&mut pen, roster);
    shared::record(&mut pen, &sessions);
    Some(pen.finish())
}

/// Someone employed by the community.
#[derive(Debug, Clone, Copy)]
struct Employee {
    record: RecordId,
    name: Name,
    female: bool,
}

/// Writes the saves of one community.
pub(super) struct Pen<'a> {
    pub(super) plan: &'a Plan,
    pub(super) index: usize,
    pub(super) community: &'a CommunityPlan,
    pub(super) draw: Draw,
    pub(super) facts: Facts,
    workers: Vec<Employee>,
    secretary: Employee,
    /// The community's first active pairing.
    pairing: Option<RecordId>,
    /// The places of its teams that are not silent.
    teams: Vec<usize>,
    actions: Vec<Vec<Action>>,
    /// What waits on the secretary's desk, by device and day.
    desk: BTreeMap<(u8, Day), Vec<RecordEdit>>,
}

/// The second of the day at which the secretary does what waits on the desk.
const DESK_SECOND: u32 = 15 * 3600;

impl<'a> Pen<'a> {
    fn new(plan: &'a Plan, index: usize) -> Option<Self> {
        let community = plan.communities.get(index)?;
        let mut draw = Draw::new(plan.settings.seed, Stream::Community, u64::try_from(index).ok()?, 0);
        let at = plan.calendar.at(1, 8 * 3600) + community.skew_ms;
        let mut employee = || {
            let female = draw.chance(600);
            Employee { record: draw.record(at), name: plan.names.draw(&mut draw, female), female }
        };
        let secretary = employee();
        let workers: Vec<Employee> = (0..community.devices).map(|_| employee()).collect();
        let actions = vec![Vec::new(); workers.len()];
        let mut active = plan.pairings.iter().filter(|pairing| pairing.is_active());
        let pairing = active.find(|pairing| pairing.community == index).map(|pairing| pairing.record);
        let teams = (0..).zip(&plan.teams).filter(|(_, team)| team.home == index && !team.silent);
        let teams = teams.map(|(place, _)| place).collect();
        let (facts, desk) = (Facts::default(), BTreeMap::new());
        Some(Self { plan, index, community, draw, facts, workers, secretary, pairing, teams, actions, desk })
    }

    /// The number of devices.
    pub(super) fn devices(&self) -> u8 {
        self.community.devices.max(1)
    }

    /// The worker of a device.
    pub(super) fn worker(&self, device: u8) -> RecordId {
        self.workers.get(usize::from(device)).map_or(self.secretary.record, |worker| worker.record)
    }

    /// The secretary.
    pub(super) const fn secretary(&self) -> RecordId {
        self.secretary.record
    }

    /// The record of the community's first active pairing.
    pub(super) const fn pairing(&self) -> Option<RecordId> {
        self.pairing
    }

    /// Draws the team that hosts the n-th session that counts, if one does: each team has at least one of the first.
    pub(super) fn team(&mut self, number: u32) -> Option<usize> {
        let certain = usize::try_from(number).ok().and_then(|number| self.teams.get(number)).copied();
        if certain.is_some() || !self.draw.chance(250) {
            return certain;
        }
        let place = self.draw.pick_index(self.teams.len())?;
        self.teams.get(place).copied()
    }

    /// The text of a day.
    pub(super) fn text(&self, day: Day) -> &'a str {
        self.plan.calendar.text(day)
    }

    /// The instant that a device of this community claims at a second of a day.
    pub(super) fn claimed(&self, day: Day, second: u32) -> i64 {
        self.plan.calendar.at(day, second) + self.community.skew_ms
    }

    /// An event without a date of its own.
    pub(super) fn event(&mut self, kind: &'static str, by: RecordId, (day, second): (Day, u32)) -> Event<'a> {
        let at_ms = self.claimed(day, second);
        Event { id: self.draw.uuid(at_ms), kind, on: None, at_ms, by, why: None, part: None }
    }

    /// An event that speaks of a day.
    pub(super) fn dated(&mut self, kind: &'static str, on: Day, by: RecordId, when: (Day, u32)) -> Event<'a> {
        Event { on: Some(self.text(on)), ..self.event(kind, by, when) }
    }

    /// Saves.
    pub(super) fn save(&mut self, device: u8, by: RecordId, (day, second): (Day, u32), edits: Vec<RecordEdit>) {
        let at_ms = self.claimed(day, second);
        self.push(device, Action { at_ms, by, wave: 0, needs: None, edits });
    }

    /// Saves after the devices of the community have met.
    pub(super) fn save_after_meeting(
        &mut self,
        device: u8,
        by: RecordId,
        minute: u32,
        edits: Vec<RecordEdit>,
        owner: u8,
    ) {
        let at_ms = self.claimed(self.meeting_day(), 9 * 3600 + minute * 60);
        self.push(device, Action { at_ms, by, wave: 1, needs: (owner != device).then_some(owner), edits });
    }

    /// The day of the second wave: everything of the first is in by then.
    pub(super) fn meeting_day(&self) -> Day {
        self.plan.calendar.today() - 3
    }

    fn push(&mut self, device: u8, action: Action) {
        if let Some(actions) = self.actions.get_mut(usize::from(device)) {
            actions.push(action);
        }
    }

    /// When the secretary is at the desk on a day.
    pub(super) const fn desk_time(day: Day) -> (Day, u32) {
        (day, DESK_SECOND)
    }

    /// Lays something on the secretary's desk: it is saved on that day together with what else lies there.
    pub(super) fn at_desk(&mut self, device: u8, day: Day, edit: RecordEdit) {
        self.desk.entry((device, day)).or_default().push(edit);
    }

    fn record_staff(&mut self) {
        let when = (1, 8 * 3600 + 60);
        let by = self.secretary.record;
        let staff: Vec<(u8, Employee)> = (0..).zip(self.workers.clone()).chain([(0, self.secretary)]).collect();
        for (device, employee) in staff {
            let consent = self.event("consent", employee.record, when);
            let edit = RecordEdit::create("person", employee.record)
                .with("name", employee.name.write(Script::Plain))
                .with("sex", if employee.female { "2" } else { "1" })
                .with("party_status", if employee.record == by { "01" } else { "13" })
                .with("kind/worker", true)
                .with_event(&consent_version(consent))
                .with("status", "active");
            self.save(device, by, when, vec![edit]);
        }
    }

    fn finish(mut self) -> CommunityWork {
        for ((device, day), edits) in std::mem::take(&mut self.desk) {
            for (number, chunk) in (0..).zip(edits.chunks(Action::MAX_EDITS)) {
                self.save(device, self.secretary.record, (day, DESK_SECOND + number * 60), chunk.to_vec());
            }
        }
        let user = |employee: &Employee, role| User {
            person: employee.record,
            name: employee.name.write(Script::Plain),
            role,
        };
        let devices = (1..)
            .zip(std::mem::take(&mut self.actions))
            .zip(&self.workers)
            .map(|((number, mut actions), worker): ((u32, _), _)| {
                actions.sort_by_key(|action: &Action| (action.wave, action.at_ms));
                DeviceWork {
                    label: format!("{}-{number}", self.community.code),
                    scope: self.community.scope.clone(),
                    users: vec![user(worker, Role::Worker), user(&self.secretary, Role::Secretary)],
                    skew_ms: self.community.skew_ms,
                    silent_days: self.community.silent_days,
                    actions,
                }
            })
            .collect();
        CommunityWork { index: self.index, devices, facts: self.facts }
    }
}

/// Adds the version of the text that people agree to.
pub(super) fn consent_version(event: Event<'_>) -> Event<'_> {
    Event { part: Some(("version", "2025-1".into())), ..event }
}
