//! The global plan: who works where and how much, small enough to hold for a whole city.

mod organisations;
mod territory;

use lastmile_model::{RecordId, Scope};
use uuid::Uuid;

use super::persons::{Role, SecondRecord};
use super::{Scale, Settings};
use crate::calendar::{Calendar, Day};
use crate::draw::{Draw, Stream};
use crate::names::NamePool;

/// What the headline figures of a data set are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// How many communities take part.
    pub communities: u32,
    /// Distinct members ever confirmed (R2), duplicates linked.
    pub members: u32,
    /// Verified sessions (R4).
    pub sessions: u32,
    /// Persons served over them (R7).
    pub served: u32,
    /// Organisations, each with one active pairing (R10).
    pub organisations: u32,
    /// Service teams (R12).
    pub teams: u32,
}

impl Totals {
    /// Returns the totals of a scale. The city's are those of the source article.
    #[must_use]
    pub const fn of(scale: Scale) -> Self {
        match scale {
            Scale::Community => {
                Self { communities: 1, members: 120, sessions: 107, served: 780, organisations: 3, teams: 2 }
            }
            Scale::Street => {
                Self { communities: 11, members: 1_320, sessions: 1_177, served: 8_580, organisations: 11, teams: 5 }
            }
            Scale::City => Self {
                communities: 843,
                members: 100_000,
                sessions: 89_000,
                served: 650_000,
                organisations: 500,
                teams: 194,
            },
        }
    }
}

/// How much of everything one community records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// Members of this community who are confirmed at some time.
    pub members: u32,
    /// Of these, those whom the same community registers a second time as somebody else.
    pub doubled: u32,
    /// Of these, those whom another community registers too, as somebody else.
    pub away: u32,
    /// Of these, those whom another community confirms too, by the same person record.
    pub guests: u32,
    /// Of these, those whom the office moves to another community.
    pub movers: u32,
    /// Of these, those whose check-in ends within the year.
    pub ended: u32,
    /// People registered and not yet confirmed, beside the members.
    pub pending: u32,
    /// People registered and sent back, beside the members.
    pub returned: u32,
    /// Volunteers without a check-in, beside the members.
    pub volunteers: u32,
    /// Sessions that count in the end.
    pub sessions: u32,
    /// Persons served over them.
    pub served: u32,
    /// Sessions planned and cancelled, beside those that count.
    pub cancelled: u32,
    /// Sessions entered a second time and marked as duplicates by the secretary, beside those that count.
    pub repeated: u32,
    /// Sessions that wait for the secretary or went back, beside those that count.
    pub unverified: u32,
}

impl Quota {
    /// How many people have records of their own, each counted once; staff left out.
    #[must_use]
    pub const fn people(&self) -> u32 {
        self.members + self.pending + self.returned + self.volunteers
    }

    /// The first member who plays no special part.
    pub(crate) const fn first_plain(&self) -> u32 {
        self.doubled + self.away + self.guests + self.movers + self.ended
    }
}

/// One community of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommunityPlan {
    /// Its 12-digit place code.
    pub code: String,
    /// Its short name.
    pub name: String,
    /// Its scope.
    pub scope: Scope,
    /// How many devices record there.
    pub devices: u8,
    /// How far the clock of its devices is ahead, in milliseconds.
    pub skew_ms: i64,
    /// For how many days up to the end its device meets nobody.
    pub silent_days: u16,
    /// How much it records.
    pub quota: Quota,
    /// The day of the week on which the secretary confirms and verifies, Monday being 0.
    pub(crate) desk: u32,
    /// The number of its first person among all people of the data set.
    pub(crate) first_person: u32,
}

impl CommunityPlan {
    /// The 6-digit code of its district.
    #[must_use]
    pub fn district(&self) -> &str {
        self.code.get(..6).unwrap_or(&self.code)
    }
}

/// One organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganisationPlan {
    /// Its record.
    pub record: RecordId,
    /// Its name.
    pub name: String,
    /// The kind of organisation, a code of the catalogue.
    pub kind: &'static str,
    /// The level it is attached to, a code of the catalogue.
    pub level: &'static str,
    /// The system it belongs to.
    pub system: &'static str,
}

/// One pairing of an organisation and a community.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairingPlan {
    /// Its record.
    pub record: RecordId,
    /// The organisation's place in [`Plan::organisations`].
    pub organisation: usize,
    /// The community's place in [`Plan::communities`].
    pub community: usize,
    /// The batch: `48`, `220` or `500`.
    pub batch: &'static str,
    /// The first day.
    pub(crate) from: Day,
    /// The day it ended, for those that did.
    pub(crate) ended: Option<Day>,
}

impl PairingPlan {
    /// Whether it is active at the end of the year.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.ended.is_none()
    }
}

/// Who hosts a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// The organisation at this place in [`Plan::organisations`].
    Organisation(usize),
    /// The community at this place in [`Plan::communities`].
    Community(usize),
}

/// One service team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamPlan {
    /// Its record.
    pub record: RecordId,
    /// Its name.
    pub name: String,
    /// Who hosts it.
    pub host: Host,
    /// The community where its sessions are and its members live.
    pub home: usize,
    /// Whether it has no session in the year.
    pub silent: bool,
    /// Its members, the leader first.
    pub(crate) members: Vec<PersonRef>,
}

/// Names a person of the plan: the place of a community and a place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PersonRef {
    pub(crate) community: usize,
    pub(crate) index: u32,
}

/// A move from one community to another, which the office writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovePlan {
    /// Its number, from 1.
    pub number: u32,
    /// The person's record.
    pub person: RecordId,
    /// The community left, a place in [`Plan::communities`].
    pub from: usize,
    /// The community joined, a place in [`Plan::communities`].
    pub to: usize,
    /// The first day in the new community, `YYYY-MM-DD`.
    pub on: String,
    pub(crate) who: PersonRef,
    pub(crate) day: Day,
}

/// A member of one community who checks in at another one too.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Visit {
    pub(crate) who: PersonRef,
    pub(crate) to: usize,
    /// The second record of the person, unless the first is used.
    pub(crate) second: Option<SecondRecord>,
    pub(crate) on: Day,
    pub(crate) confirmed: Option<Day>,
}

/// The global plan of a data set.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it was made from.
    pub settings: Settings,
    /// What the headline figures are to be.
    pub totals: Totals,
    /// The scope of the shared lists.
    pub city: Scope,
    /// The communities, by code.
    pub communities: Vec<CommunityPlan>,
    /// The organisations.
    pub organisations: Vec<OrganisationPlan>,
    /// The pairings, active ones first.
    pub pairings: Vec<PairingPlan>,
    /// The teams.
    pub teams: Vec<TeamPlan>,
    /// The moves, by number.
    pub moves: Vec<MovePlan>,
    pub(crate) visits: Vec<Visit>,
    pub(crate) calendar: Calendar,
    pub(crate) names: NamePool,
    /// The clerk of the city office.
    pub(crate) clerk: RecordId,
    /// The organisations paired with each community.
    pub(crate) partners: Vec<Vec<usize>>,
}

impl Plan {
    pub(super) fn new(settings: Settings) -> Self {
        let mut draw = Draw::new(settings.seed, Stream::Plan, 0, 0);
        let calendar = Calendar::new(settings.year);
        let totals = Totals::of(settings.scale);
        let communities = territory::communities(&mut draw, settings, &totals);
        let made_at = calendar.at(1, 9 * 3600);
        let organisations = organisations::organisations(&mut draw, &totals, made_at);
        let pairings = organisations::pairings(&mut draw, communities.len(), organisations.len(), made_at);
        let mut partners = vec![Vec::new(); communities.len()];
        for pairing in pairings.iter().filter(|pairing| pairing.is_active()) {
            if let Some(list) = partners.get_mut(pairing.community) {
                list.push(pairing.organisation);
            }
        }
        let clerk = draw.record(made_at);
        let mut plan = Self {
            settings,
            totals,
            city: territory::city(),
            communities,
            organisations,
            pairings,
            teams: Vec::new(),
            moves: Vec::new(),
            visits: Vec::new(),
            calendar,
            names: NamePool::new(),
            clerk,
            partners,
        };
        plan.teams = organisations::teams(&mut draw, &plan);
        plan.lay_out_travels(&mut draw);
        plan
    }

    /// Returns the year that the data speaks of.
    #[must_use]
    pub fn year(&self) -> i32 {
        self.calendar.year()
    }

    /// Returns the last day of the period, `YYYY-MM-DD`.
    #[must_use]
    pub fn period_end(&self) -> &str {
        self.calendar.text(self.calendar.last())
    }

    /// Returns the day on which everything has been entered, `YYYY-MM-DD`: some weeks into the next year.
    #[must_use]
    pub fn today(&self) -> &str {
        self.calendar.text(self.calendar.today())
    }

    /// Returns an instant of [`today`](Self::today) after every honest claimed clock, in milliseconds since 1970 UTC.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.calendar.at(self.calendar.today(), 12 * 3600)
    }

    /// Returns how many devices record, the city office's own included.
    #[must_use]
    pub fn devices(&self) -> usize {
        1 + self.communities.iter().map(|community| usize::from(community.devices)).sum::<usize>()
    }

    /// Returns the acting person of the city office.
    #[must_use]
    pub fn office_person(&self) -> Uuid {
        self.clerk.0
    }

    /// Decides who moves where and who checks in at a second place.
    fn lay_out_travels(&mut self, draw: &mut Draw) {
        let count = self.communities.len();
        let mut twice = 0_u32;
        for community in 0..count {
            let Some(quota) = self.communities.get(community).map(|plan| plan.quota) else { continue };
            for index in quota.doubled..quota.doubled + quota.away + quota.guests + quota.movers {
                let step = 1 + draw.pick_index(count.saturating_sub(1)).unwrap_or(0);
                let to = (community + step) % count;
                self.lay_out_travel(draw, PersonRef { community, index }, to, &mut twice);
            }
        }
    }

    fn lay_out_travel(&mut self, draw: &mut Draw, who: PersonRef, to: usize, twice: &mut u32) {
        let person = self.person(who);
        if person.role == Role::Mover {
            let Some(day) = person.gone else { return };
            let number = u32::try_from(self.moves.len()).unwrap_or(u32::MAX).saturating_add(1);
            let on = self.calendar.text(day).to_owned();
            self.moves.push(MovePlan { number, person: person.record, from: who.community, to, on, who, day });
            return;
        }
        let home = person.confirmed.unwrap_or(person.on);
        // At least two weeks lie between the two confirmations, so that the earlier one is beyond doubt.
        let earlier = person.role == Role::Away && home > 60 && draw.chance(300);
        let distance = u16::try_from(draw.between(28, 42)).unwrap_or(28);
        let on = if earlier { home - distance } else { home + distance };
        let confirmed = self.desk_day(to, on);
        let (second, confirmed) = match person.role {
            Role::Away => {
                // Every other one is confirmed at both places.
                *twice += 1;
                (Some(self.second_record(&person, to, on)), (*twice % 2 == 1).then_some(confirmed))
            }
            _ => (None, Some(confirmed)),
        };
        self.visits.push(Visit { who, to, second, on, confirmed });
    }

    /// The secretary's first desk day after a day; never 1 July, on which duties change.
    pub(crate) fn desk_day(&self, community: usize, after: Day) -> Day {
        let desk = self.communities.get(community).map_or(4, |plan| plan.desk);
        let day = self.calendar.next(after, desk);
        if day == self.calendar.day(7, 1) { day + 7 } else { day }
    }
}
