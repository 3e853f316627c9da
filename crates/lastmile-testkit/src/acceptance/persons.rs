//! The people of the plan: each can be made alone, from the seed, the community and the place in it.

use lastmile_model::RecordId;

use super::plan::{PersonRef, Plan};
use crate::calendar::Day;
use crate::draw::{Draw, Stream};
use crate::identity::{self, Birth};
use crate::names::{Name, Script};

/// The part that a person plays in the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A member whom the community registers a second time.
    Doubled,
    /// A member whom another community registers too, as somebody else.
    Away,
    /// A member whom another community confirms too, by the same person record.
    Guest,
    /// A member whom the office moves.
    Mover,
    /// A member whose check-in ends.
    Ended,
    /// A member whose check-in two devices make at once.
    Twice,
    /// A member whom one device confirms while another one sends the registration back.
    Contested,
    /// Any other member.
    Plain,
    /// Someone registered and not yet confirmed.
    Pending,
    /// Someone registered and sent back.
    Returned,
    /// A volunteer without a check-in.
    Volunteer,
}

/// What tells that two person records speak of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Likeness {
    /// The same id number and, spelling variants aside, the same name: the relay links them itself.
    IdAndName,
    /// The same id number, another name: a person decides.
    IdOtherName,
    /// The same telephone number and name, no id number on the second: a strong candidate.
    PhoneAndName,
    /// The same name, month of birth and community, neither id number nor telephone on the second: a strong candidate.
    NameAndBirth,
}

impl Likeness {
    /// Whether the relay links such records without asking.
    #[must_use]
    pub const fn is_automatic(self) -> bool {
        matches!(self, Self::IdAndName)
    }
}

/// A person of the plan with the first record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Person {
    pub(crate) at: PersonRef,
    /// The number among all people of the data set.
    pub(crate) key: u32,
    pub(crate) role: Role,
    pub(crate) record: RecordId,
    pub(crate) name: Name,
    pub(crate) script: Script,
    pub(crate) female: bool,
    pub(crate) birth: Birth,
    pub(crate) id_no: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) party_status: &'static str,
    pub(crate) employer: Option<usize>,
    /// The device that registers the person, a number within the community.
    pub(crate) device: u8,
    /// The day of the registration.
    pub(crate) on: Day,
    /// The day on which it was entered: the same, or weeks later.
    pub(crate) entered: Day,
    pub(crate) second_of_day: u32,
    /// Whether the registration went back once before it was confirmed.
    pub(crate) sent_back: bool,
    /// The day of the confirmation.
    pub(crate) confirmed: Option<Day>,
    /// The first day on which the check-in no longer stands.
    pub(crate) gone: Option<Day>,
}

/// A second record of one person.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SecondRecord {
    pub(crate) record: RecordId,
    pub(crate) likeness: Likeness,
    pub(crate) name: Name,
    pub(crate) script: Script,
    pub(crate) device: u8,
    pub(crate) second_of_day: u32,
}

impl Plan {
    /// Makes a person.
    pub(crate) fn person(&self, at: PersonRef) -> Person {
        let place = u64::try_from(at.community).unwrap_or(u64::MAX);
        let mut draw = Draw::new(self.settings.seed, Stream::Person, place, u64::from(at.index));
        let draw = &mut draw;
        let role = self.role(at);
        let community = self.communities.get(at.community);
        let key = community.map_or(0, |plan| plan.first_person).saturating_add(at.index);
        let (devices, skew) = community.map_or((1, 0), |plan| (plan.devices, plan.skew_ms));
        let female = draw.chance(450);
        let name = self.names.draw(draw, female);
        let script = match draw.below(1000) {
            0..10 => Script::Traditional,
            10..17 => Script::Bracketed,
            17..22 => Script::Spaced,
            _ => Script::Plain,
        };
        let birth = Birth::draw(draw, self.year(), 23, 59);
        let twins = matches!(role, Role::Doubled | Role::Away);
        let id_no = identity::id_number(key, birth, female, draw.below(5));
        let id_no = (twins || (role != Role::Volunteer && draw.chance(950))).then_some(id_no);
        let phone = (twins || draw.chance(970)).then(|| identity::phone(key));
        let employer =
            if role == Role::Volunteer || draw.chance(80) { None } else { self.employer(draw, at.community) };
        let party_status = match role {
            Role::Volunteer => draw.pick(&["13", "13", "03", "12"]),
            _ if draw.chance(30) => "02",
            _ => "01",
        };
        let device = u8::try_from(draw.below(u32::from(devices))).unwrap_or(0);
        let (on, late) = registration_day(draw, role);
        let entered = on + late;
        let second_of_day = 9 * 3600 + draw.below(8 * 3600);
        let sent_back = role == Role::Plain && late == 0 && on <= 280 && draw.chance(10);
        let waits = if sent_back { 9 } else { 7 * u16::try_from(draw.below(2)).unwrap_or(0) };
        let confirmed = match role {
            Role::Pending | Role::Returned | Role::Volunteer => None,
            _ => Some(self.desk_day(at.community, entered + waits)),
        };
        let stays = match role {
            // Before 1 July, so that a mover's duty is the same by the first confirmation and by the move.
            Role::Mover => Some(20 + draw.below(70)),
            Role::Ended => Some(30 + draw.below(150)),
            _ => None,
        };
        let gone = confirmed.zip(stays).and_then(|(day, stays)| Some(day + u16::try_from(stays).ok()?));
        let record = draw.record(self.calendar.at(entered, second_of_day) + skew);
        Person {
            at,
            key,
            role,
            record,
            name,
            script,
            female,
            birth,
            id_no,
            phone,
            party_status,
            employer,
            device,
            on,
            entered,
            second_of_day,
            sent_back,
            confirmed,
            gone,
        }
    }

    fn role(&self, at: PersonRef) -> Role {
        let Some(community) = self.communities.get(at.community) else { return Role::Plain };
        let quota = community.quota;
        let parts = [
            (quota.doubled, Role::Doubled),
            (quota.away, Role::Away),
            (quota.guests, Role::Guest),
            (quota.movers, Role::Mover),
            (quota.ended, Role::Ended),
        ];
        let mut until = 0;
        for (count, role) in parts {
            until += count;
            if at.index < until {
                return role;
            }
        }
        match at.index {
            index if index + 1 == quota.members && community.devices > 1 => Role::Twice,
            index if index + 2 == quota.members && community.devices > 1 => Role::Contested,
            index if index < quota.members => Role::Plain,
            index if index < quota.members + quota.pending => Role::Pending,
            index if index < quota.members + quota.pending + quota.returned => Role::Returned,
            _ => Role::Volunteer,
        }
    }

    /// Draws an employer: often one that is paired with the community.
    fn employer(&self, draw: &mut Draw, community: usize) -> Option<usize> {
        let partners = self.partners.get(community).map_or(&[][..], Vec::as_slice);
        if !partners.is_empty() && draw.chance(400) {
            return Some(draw.pick(partners));
        }
        draw.pick_index(self.organisations.len())
    }

    /// Makes the second record of a person, registered in this community on this day.
    pub(crate) fn second_record(&self, person: &Person, community: usize, on: Day) -> SecondRecord {
        let place = u64::try_from(person.at.community).unwrap_or(u64::MAX);
        let mut draw = Draw::new(self.settings.seed, Stream::Duplicate, place, u64::from(person.at.index));
        let draw = &mut draw;
        let likeness = match (person.role, draw.below(100)) {
            (Role::Doubled, 60..70) => Likeness::IdOtherName,
            (Role::Doubled, 70..85) => Likeness::PhoneAndName,
            (Role::Doubled, 85..) => Likeness::NameAndBirth,
            (Role::Away, 85..) => Likeness::IdOtherName,
            _ => Likeness::IdAndName,
        };
        let name = if likeness == Likeness::IdOtherName { person.name.mistyped(draw) } else { person.name };
        let script = draw.pick_script();
        let (devices, skew) = self.communities.get(community).map_or((1, 0), |plan| (plan.devices, plan.skew_ms));
        let device = if person.role == Role::Doubled {
            (person.device + 1) % devices.max(1)
        } else {
            u8::try_from(draw.below(u32::from(devices))).unwrap_or(0)
        };
        let second_of_day = 9 * 3600 + draw.below(8 * 3600);
        let record = draw.record(self.calendar.at(on, second_of_day) + skew);
        SecondRecord { record, likeness, name, script, device, second_of_day }
    }
}

impl Draw {
    /// Draws how a second record spells a name: half of them as the first would.
    fn pick_script(&mut self) -> Script {
        match self.below(8) {
            0 => Script::Traditional,
            1 | 2 => Script::Bracketed,
            3 => Script::Spaced,
            _ => Script::Plain,
        }
    }
}

/// Draws the day of a registration and after how many days it is entered.
fn registration_day(draw: &mut Draw, role: Role) -> (Day, Day) {
    let latest = match role {
        Role::Mover => 60,
        Role::Guest | Role::Away | Role::Ended => 120,
        Role::Doubled => 250,
        _ => 320,
    };
    let (low, high) = match draw.below(100) {
        _ if role == Role::Pending => (300, 340),
        _ if matches!(role, Role::Twice | Role::Contested) => (300, 320),
        0..25 => (1, 12),
        25..65 => (12, 90),
        65..88 => (90, 180),
        _ => (180, 320),
    };
    let day = draw.between(low.min(latest), high.min(latest.max(low.min(latest))));
    let late = if role == Role::Plain && day <= 280 && draw.chance(30) { 20 + draw.below(41) } else { 0 };
    (u16::try_from(day).unwrap_or(1), u16::try_from(late).unwrap_or(0))
}
