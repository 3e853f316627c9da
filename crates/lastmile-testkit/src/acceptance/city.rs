//! What the city office records before anything else: organisations, pairings, teams.

use lastmile_model::roles::Role;
use lastmile_model::{RecordId, Value, derive, keys};

use super::plan::{Host, PairingPlan, Plan};
use crate::action::{Action, DeviceWork, Event, RecordEdit, User};
use crate::calendar::Day;
use crate::draw::{Draw, Stream};
use crate::identity;
use crate::names::Script;
use crate::words;

/// Makes the saves of the city office.
pub(super) fn work(plan: &Plan) -> DeviceWork {
    let mut desk = Desk { plan, draw: Draw::new(plan.settings.seed, Stream::City, 0, 0), actions: Vec::new() };
    desk.organisations();
    desk.pairings();
    desk.teams();
    desk.actions.sort_by_key(|action| action.at_ms);
    let name = plan.names.draw(&mut desk.draw, true).write(Script::Plain);
    DeviceWork {
        label: format!("{}-office", plan.city.code()),
        scope: plan.city.clone(),
        users: vec![User { person: plan.clerk, name, role: Role::Central }],
        skew_ms: 0,
        silent_days: 0,
        actions: desk.actions,
    }
}

struct Desk<'a> {
    plan: &'a Plan,
    draw: Draw,
    actions: Vec<Action>,
}

impl<'a> Desk<'a> {
    fn save(&mut self, day: Day, number: u32, edit: RecordEdit) {
        let at_ms = self.plan.calendar.at(day, 9 * 3600 + number * 30);
        self.actions.push(Action { at_ms, by: self.plan.clerk, wave: 0, needs: None, edits: vec![edit] });
    }

    fn organisations(&mut self) {
        for (number, organisation) in (0..).zip(&self.plan.organisations) {
            let female = self.draw.chance(500);
            let liaison = self.plan.names.draw(&mut self.draw, female).write(Script::Plain);
            // Numbers far above those of people.
            let phone = identity::phone(900_000 + number);
            let edit = RecordEdit::create("org", organisation.record)
                .with("uscc", identity::social_credit_code(number))
                .with("name", organisation.name.as_str())
                .with("short", organisation.name.trim_start_matches("长沙市"))
                .with("kind", organisation.kind)
                .with("level", organisation.level)
                .with("system", organisation.system)
                .with("liaison", liaison)
                .with("liaison_phone", phone);
            self.save(1, number, edit);
        }
    }

    fn pairings(&mut self) {
        for (number, pairing) in (0..).zip(&self.plan.pairings) {
            if let Some(edit) = self.pairing(pairing, number) {
                self.save(pairing.from, number, edit);
            }
            if let Some(ended) = pairing.ended {
                let text = self.plan.calendar.text(ended);
                let event = self.event("end", ended, number);
                let edit = RecordEdit::edit("pairing", pairing.record).with("to_date", text);
                self.save(ended, number, edit.with_event(&event));
            }
        }
    }

    fn pairing(&mut self, pairing: &PairingPlan, number: u32) -> Option<RecordEdit> {
        let organisation = self.plan.organisations.get(pairing.organisation)?;
        let community = self.plan.communities.get(pairing.community)?;
        let event = self.event("activate", pairing.from, number);
        let edit = RecordEdit::create("pairing", pairing.record)
            .with("org", Value::reference(organisation.record))
            .with("community", community.code.as_str())
            .with("batch", pairing.batch)
            .with("from_date", self.plan.calendar.text(pairing.from));
        Some(edit.with_event(&event))
    }

    fn event(&mut self, kind: &'static str, day: Day, number: u32) -> Event<'a> {
        let at_ms = self.plan.calendar.at(day, 9 * 3600 + number * 30);
        let id = self.draw.uuid(at_ms);
        let on = Some(self.plan.calendar.text(day));
        Event { id, kind, on, at_ms, by: self.plan.clerk, why: None, part: None }
    }

    fn teams(&mut self) {
        for (number, team) in (0..).zip(&self.plan.teams) {
            let host = match team.host {
                Host::Organisation(place) => self.plan.organisations.get(place).map(|found| found.record),
                Host::Community(place) => self.plan.communities.get(place).map(|found| derive::place(&found.code)),
            };
            let Some(host) = host else { continue };
            let members: Vec<RecordId> = team.members.iter().map(|member| self.plan.person(*member).record).collect();
            let mut edit = RecordEdit::create("team", team.record)
                .with("name", team.name.as_str())
                .with("host", Value::reference(host));
            if let Some(leader) = members.first() {
                edit.set("leader", Value::reference(*leader));
            }
            for member in members {
                edit.add("members", &keys::reference_element(member));
            }
            let category = self.draw.weighted(&words::CATEGORY_SUMS);
            if let Some((category, _)) = words::CATEGORIES.get(category) {
                edit.add("categories", category);
            }
            let founded = self.plan.calendar.text(Day::try_from(number % 4).unwrap_or(0));
            self.save(4, number, edit.with("programme", words::PROGRAMME).with("founded", founded));
        }
    }
}
