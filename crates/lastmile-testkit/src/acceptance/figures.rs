//! The expected figures, counted from plain facts by the definitions of the report catalogue.

use std::collections::BTreeMap;

use serde::Serialize;

use super::facts::{AttendanceFact, CheckInFact, Facts, Standing};
use super::plan::{Host, Plan};
use crate::calendar::Day;
use crate::words::CATEGORIES;

/// A figure in its two columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Columns<T> {
    /// 已审核: what was confirmed or verified.
    pub verified: T,
    /// 含待审: that and what is registered or submitted and waits.
    pub with_waiting: T,
}

/// How many of how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// Those who did enough.
    pub met: u32,
    /// All who owe.
    pub of: u32,
}

/// How many of a list are covered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Those with an active pairing.
    pub covered: u32,
    /// Those that any pairing names, ended ones too.
    pub of: u32,
}

/// R10 of one scope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PairingFigures {
    /// Active pairings.
    pub active: u32,
    /// Communities.
    pub communities: Coverage,
    /// Organisations.
    pub organisations: Coverage,
    /// Communities and organisations by batch.
    pub batches: BTreeMap<&'static str, (Coverage, Coverage)>,
}

/// R12 of one scope: for a district or community only the teams hosted by a place there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TeamFigures {
    /// Registered teams.
    pub registered: u32,
    /// Teams with at least one session that counts.
    pub active: Columns<u32>,
    /// Distinct members.
    pub members: u32,
    /// Registered teams by the system of the organisation that hosts them.
    pub systems: BTreeMap<&'static str, u32>,
}

/// The expected figures of one scope for the calendar year, after everything has arrived and the office is through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// R1: members with a check-in on the last day, each at the place of the earliest confirmed one.
    pub r1: Columns<u32>,
    /// R2: persons ever confirmed in the scope. A mover and somebody confirmed at two places count in both, and once in
    /// what holds both.
    pub r2: Columns<u32>,
    /// R2 with each person at the place of the earliest confirmation alone, so that children add up to their parent.
    pub r2_first: Columns<u32>,
    /// R4: sessions.
    pub r4: Columns<u32>,
    /// R5: participations, the two records of one person or session united.
    pub r5: Columns<u32>,
    /// R6: distinct persons of R5.
    pub r6: Columns<u32>,
    /// R7: persons served.
    pub r7: Columns<u64>,
    /// R9: of R1, those with enough sessions anywhere in the city. Confirmed (or registered, in the second column) after
    /// 1 July owes one session, otherwise two.
    pub r9: Columns<Rate>,
    /// R10.
    pub r10: PairingFigures,
    /// R12.
    pub r12: TeamFigures,
    /// R13: sessions by main category.
    pub r13: BTreeMap<&'static str, Columns<u32>>,
}

/// The figures of every scope.
pub(super) struct AllFigures {
    pub(super) city: Figures,
    pub(super) districts: BTreeMap<String, Figures>,
    pub(super) communities: Vec<Figures>,
}

/// One column of the reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Verified,
    WithWaiting,
}

impl Column {
    pub(super) const BOTH: [Self; 2] = [Self::Verified, Self::WithWaiting];

    /// Whether a session of this standing counts in the column.
    pub(super) fn counts(self, standing: Standing) -> bool {
        standing == Standing::Verified || (self == Self::WithWaiting && standing == Standing::Submitted)
    }

    /// The day from which a check-in counts in the column.
    const fn since(self, fact: &CheckInFact) -> Option<Day> {
        match (self, fact.confirmed) {
            (_, Some(day)) => Some(day),
            (Self::Verified, None) => None,
            (Self::WithWaiting, None) => Some(fact.on),
        }
    }
}

impl<T> Columns<T> {
    pub(super) const fn of(&mut self, column: Column) -> &mut T {
        match column {
            Column::Verified => &mut self.verified,
            Column::WithWaiting => &mut self.with_waiting,
        }
    }
}

/// Counts everything.
pub(super) fn count(plan: &Plan, facts: &[Facts]) -> AllFigures {
    let districts = plan.communities.iter().map(|community| (community.district().to_owned(), Figures::default()));
    let mut count = Count {
        plan,
        facts,
        all: AllFigures {
            city: Figures::default(),
            districts: districts.collect(),
            communities: vec![Figures::default(); plan.communities.len()],
        },
    };
    for category in CATEGORIES {
        count.everywhere(|figures| _ = figures.r13.insert(category.0, Columns::default()));
    }
    count.pairings();
    let check_ins = check_ins(plan, facts);
    for column in Column::BOTH {
        count.sessions(column);
        count.teams(column);
        let done = count.attendances(column);
        count.members(column, &check_ins, &done);
    }
    count.registered_teams();
    count.all
}

/// Returns every check-in with its community's place, by person; moves done.
fn check_ins(plan: &Plan, facts: &[Facts]) -> Vec<(u32, usize, CheckInFact)> {
    let moved: BTreeMap<u32, Day> = plan.moves.iter().map(|moved| (plan.person(moved.who).key, moved.day)).collect();
    let mut all: Vec<(u32, usize, CheckInFact)> = Vec::new();
    for (community, facts) in facts.iter().enumerate() {
        for fact in &facts.check_ins {
            let gone = moved.get(&fact.key).copied().or(fact.gone);
            all.push((fact.key, community, CheckInFact { gone, ..*fact }));
        }
    }
    for travel in &plan.moves {
        let key = plan.person(travel.who).key;
        let (on, confirmed) = (travel.day, Some(travel.day));
        all.push((key, travel.to, CheckInFact { key, on, confirmed, gone: None, needs: 0 }));
    }
    all.sort_by_key(|(key, community, fact)| (*key, fact.confirmed.unwrap_or(Day::MAX), fact.on, *community));
    all
}

struct Count<'a> {
    plan: &'a Plan,
    facts: &'a [Facts],
    all: AllFigures,
}

impl Count<'_> {
    fn everywhere(&mut self, mut change: impl FnMut(&mut Figures)) {
        change(&mut self.all.city);
        self.all.districts.values_mut().for_each(&mut change);
        self.all.communities.iter_mut().for_each(change);
    }

    /// Changes the figures of a community and of what it is part of.
    fn upwards(&mut self, community: usize, mut change: impl FnMut(&mut Figures)) {
        change(&mut self.all.city);
        if let Some(plan) = self.plan.communities.get(community)
            && let Some(district) = self.all.districts.get_mut(plan.district())
        {
            change(district);
        }
        if let Some(figures) = self.all.communities.get_mut(community) {
            change(figures);
        }
    }

    /// Counts distinct persons in every scope, given each with the community they count in.
    fn distinct(&mut self, mut pairs: Vec<(usize, u32)>, mut figure: impl FnMut(&mut Figures) -> &mut u32) {
        pairs.sort_unstable();
        pairs.dedup();
        let mut wider: Vec<(&str, u32)> = Vec::with_capacity(pairs.len());
        for (community, key) in &pairs {
            if let Some(figures) = self.all.communities.get_mut(*community) {
                *figure(figures) += 1;
            }
            if let Some(plan) = self.plan.communities.get(*community) {
                wider.push((plan.district(), *key));
            }
        }
        wider.sort_unstable();
        wider.dedup();
        for (district, _) in &wider {
            if let Some(figures) = self.all.districts.get_mut(*district) {
                *figure(figures) += 1;
            }
        }
        let mut keys: Vec<u32> = wider.into_iter().map(|(_, key)| key).collect();
        keys.sort_unstable();
        keys.dedup();
        *figure(&mut self.all.city) = u32::try_from(keys.len()).unwrap_or(u32::MAX);
    }

    fn sessions(&mut self, column: Column) {
        for (community, facts) in self.facts.iter().enumerate() {
            for session in facts.sessions.iter().filter(|session| session.repeats.is_none()) {
                if !column.counts(session.standing) {
                    continue;
                }
                let category = CATEGORIES.get(session.category).map_or("other", |category| category.0);
                self.upwards(community, |figures| {
                    *figures.r4.of(column) += 1;
                    *figures.r7.of(column) += u64::from(session.served);
                    *figures.r13.entry(category).or_default().of(column) += 1;
                });
            }
        }
    }

    /// Counts participations, and returns how many sessions each person came to.
    fn attendances(&mut self, column: Column) -> Vec<u16> {
        let people: u32 = self.plan.communities.iter().map(|community| community.quota.people()).sum();
        let mut done = vec![0; usize::try_from(people).unwrap_or(0)];
        let mut persons = Vec::new();
        for (community, facts) in self.facts.iter().enumerate() {
            let counts = |attendance: &AttendanceFact| {
                let session = usize::try_from(attendance.session).ok().and_then(|place| facts.sessions.get(place));
                session.is_some_and(|session| column.counts(session.standing))
            };
            let mut attendances: Vec<AttendanceFact> = facts.attendances.iter().copied().filter(counts).collect();
            attendances.sort_unstable();
            attendances.dedup_by_key(|attendance| (attendance.key, attendance.session));
            let count = u32::try_from(attendances.len()).unwrap_or(u32::MAX);
            self.upwards(community, |figures| *figures.r5.of(column) += count);
            for attendance in attendances {
                persons.push((community, attendance.key));
                if let Some(done) = usize::try_from(attendance.key).ok().and_then(|key| done.get_mut(key)) {
                    *done += 1;
                }
            }
        }
        self.distinct(persons, |figures| figures.r6.of(column));
        done
    }

    /// Counts members and who of them did enough.
    fn members(&mut self, column: Column, check_ins: &[(u32, usize, CheckInFact)], done: &[u16]) {
        let last = self.plan.calendar.last();
        let whole_until = self.plan.calendar.day(7, 1);
        let ever = check_ins.iter().filter(|(_, _, fact)| column.since(fact).is_some_and(|since| since <= last));
        self.distinct(ever.map(|(key, community, _)| (*community, *key)).collect(), |figures| figures.r2.of(column));
        for of_person in check_ins.chunk_by(|one, other| one.0 == other.0) {
            let since = |(_, _, fact): &(u32, usize, CheckInFact)| column.since(fact).filter(|since| *since <= last);
            let stands = |entry: &&(u32, usize, CheckInFact)| {
                since(entry).is_some() && entry.2.gone.is_none_or(|gone| gone > last)
            };
            // Sorted by confirmation, so the first one is the earliest.
            if let Some((_, community, _)) = of_person.iter().find(|entry| since(entry).is_some()) {
                self.upwards(*community, |figures| *figures.r2_first.of(column) += 1);
            }
            let Some((key, home, _)) = of_person.iter().find(stands) else { continue };
            // A confirmation decides over a registration that waits, in either column.
            let confirmed = of_person.iter().filter_map(|(_, _, fact)| fact.confirmed).min();
            let began = confirmed.or_else(|| of_person.iter().filter_map(since).min()).unwrap_or(0);
            let owed = if began <= whole_until { 2 } else { 1 };
            let did = usize::try_from(*key).ok().and_then(|key| done.get(key)).copied().unwrap_or(0);
            self.upwards(*home, |figures| {
                *figures.r1.of(column) += 1;
                let rate = figures.r9.of(column);
                rate.of += 1;
                rate.met += u32::from(did >= owed);
            });
        }
    }

    fn pairings(&mut self) {
        let plan = self.plan;
        self.all.city.r10 = pairing_figures(plan, |_| true);
        for (code, figures) in &mut self.all.districts {
            figures.r10 = pairing_figures(plan, |community| {
                plan.communities.get(community).is_some_and(|plan| plan.district() == code)
            });
        }
        for (place, figures) in self.all.communities.iter_mut().enumerate() {
            figures.r10 = pairing_figures(plan, |community| community == place);
        }
    }

    fn teams(&mut self, column: Column) {
        let mut active = vec![false; self.plan.teams.len()];
        for session in self.facts.iter().flat_map(|facts| &facts.sessions) {
            if column.counts(session.standing)
                && session.repeats.is_none()
                && let Some(active) = session.team.and_then(|team| active.get_mut(team))
            {
                *active = true;
            }
        }
        for (team, _) in self.plan.teams.iter().zip(active).filter(|(_, active)| *active) {
            match team.host {
                Host::Community(place) => self.upwards(place, |figures| *figures.r12.active.of(column) += 1),
                Host::Organisation(_) => *self.all.city.r12.active.of(column) += 1,
            }
        }
    }

    fn registered_teams(&mut self) {
        let mut members: Vec<u32> = Vec::new();
        let mut hosted: Vec<(usize, u32)> = Vec::new();
        for team in &self.plan.teams {
            let keys = team.members.iter().map(|member| {
                let first = self.plan.communities.get(member.community).map_or(0, |plan| plan.first_person);
                first + member.index
            });
            members.extend(keys.clone());
            match team.host {
                Host::Community(place) => {
                    hosted.extend(keys.map(|key| (place, key)));
                    self.upwards(place, |figures| figures.r12.registered += 1);
                }
                Host::Organisation(place) => {
                    self.all.city.r12.registered += 1;
                    let system = self.plan.organisations.get(place).map_or("", |found| found.system);
                    *self.all.city.r12.systems.entry(system).or_default() += 1;
                }
            }
        }
        self.distinct(hosted, |figures| &mut figures.r12.members);
        members.sort_unstable();
        members.dedup();
        self.all.city.r12.members = u32::try_from(members.len()).unwrap_or(u32::MAX);
    }
}

fn pairing_figures(plan: &Plan, holds: impl Fn(usize) -> bool) -> PairingFigures {
    let within: Vec<_> = plan.pairings.iter().filter(|pairing| holds(pairing.community)).collect();
    let coverage = |batch: Option<&str>, side: fn(&super::PairingPlan) -> usize| {
        let chosen = || within.iter().filter(|pairing| batch.is_none_or(|batch| pairing.batch == batch));
        let distinct = |active: bool| {
            let mut found: Vec<usize> =
                chosen().filter(|pairing| !active || pairing.is_active()).map(|pairing| side(pairing)).collect();
            found.sort_unstable();
            found.dedup();
            u32::try_from(found.len()).unwrap_or(u32::MAX)
        };
        Coverage { covered: distinct(true), of: distinct(false) }
    };
    let both = |batch| (coverage(batch, |pairing| pairing.community), coverage(batch, |pairing| pairing.organisation));
    let (communities, organisations) = both(None);
    let active = within.iter().filter(|pairing| pairing.is_active()).count();
    PairingFigures {
        active: u32::try_from(active).unwrap_or(u32::MAX),
        communities,
        organisations,
        batches: within.iter().map(|pairing| (pairing.batch, both(Some(pairing.batch)))).collect(),
    }
}
