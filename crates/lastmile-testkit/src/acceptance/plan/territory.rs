//! The communities of the plan and how much each of them records.

use lastmile_model::{Places, Scope, ScopeKind};

use super::{CommunityPlan, Quota, Totals};
use crate::acceptance::{Scale, Settings};
use crate::draw::{Draw, share_out};

/// The community of the smallest data set, named by the source article.
const COMMUNITY: &str = "430103005010";

/// The street of the middle data set, which holds that community.
const STREET: &str = "430103005";

/// The code of the city.
const CITY: &str = "4301";

/// How far the one sick clock is ahead: three years.
const SICK_CLOCK_MS: i64 = 1_096 * 86_400_000 + 5 * 3_600_000;

/// How long the one silent device meets nobody, in days.
const SILENT_DAYS: u16 = 40;

/// Returns the scope of the city's shared lists.
pub(super) fn city() -> Scope {
    Scope::new(ScopeKind::City, CITY).expect("four digits are a code")
}

/// Lays out the communities.
pub(super) fn communities(draw: &mut Draw, settings: Settings, totals: &Totals) -> Vec<CommunityPlan> {
    let within = match settings.scale {
        Scale::Community => COMMUNITY,
        Scale::Street => STREET,
        Scale::City => CITY,
    };
    let places = Places::changsha().communities().filter(|place| place.code.starts_with(within));
    let mut communities: Vec<CommunityPlan> = places
        .filter_map(|place| {
            let scope = Scope::community(&place.code).ok()?;
            Some(CommunityPlan {
                code: place.code.clone(),
                name: place.short_name().to_owned(),
                scope,
                devices: 1,
                skew_ms: 0,
                silent_days: 0,
                quota: Quota::default(),
                desk: 1 + draw.below(4),
                first_person: 0,
            })
        })
        .collect();
    share_quotas(draw, &mut communities, totals);
    if settings.shared {
        share_devices(draw, settings.scale, &mut communities);
    }
    pick_odd_devices(draw, &mut communities);
    communities
}

/// Shares the totals out, more to the larger communities.
fn share_quotas(draw: &mut Draw, communities: &mut [CommunityPlan], totals: &Totals) {
    let several = u64::from(communities.len() > 1);
    let members: Vec<u32> = communities
        .iter()
        .map(|_| {
            let large = if draw.chance(100) { draw.below(250) } else { 0 };
            40 + draw.below(80) + draw.below(80) + large
        })
        .collect();
    let (total_members, total_sessions) = (u64::from(totals.members), u64::from(totals.sessions));
    let mut share = |total: u64, weights: &[u32]| share_out(total, weights, draw.below(1000));
    let member_counts = share(total_members, &members);
    let sessions: Vec<u32> =
        members.iter().zip(0..).map(|(weight, n): (&u32, u32)| weight * (70 + n * 37 % 60)).collect();
    let session_counts = share(total_sessions, &sessions);
    let served: Vec<u32> =
        session_counts.iter().zip(0..).map(|(count, n): (&u32, u32)| count * (80 + n * 53 % 40)).collect();
    // Everyone counted at least one person, so that much is given out first.
    let served_beyond = share(u64::from(totals.served) - total_sessions, &served);
    // At least one of each, so that the smallest data set has them too.
    let part = |total: u64, per_ten_thousand: u64| ((total * per_ten_thousand + 5_000) / 10_000).max(1);
    let doubled = share(part(total_members, 150), &member_counts);
    let away = share(part(total_members, 50) * several, &member_counts);
    let guests = share(part(total_members, 25) * several, &member_counts);
    let movers = share(part(total_members, 100) * several, &member_counts);
    let ended = share(part(total_members, 100), &member_counts);
    let pending = share(part(total_members, 50), &member_counts);
    let returned = share(part(total_members, 20), &member_counts);
    let volunteers = share(part(total_members, 100), &member_counts);
    let cancelled = share(part(total_sessions, 100), &session_counts);
    let repeated = share(part(total_sessions, 50), &session_counts);
    let unverified = share(part(total_sessions, 200), &session_counts);
    let mut first_person = 0;
    for (place, community) in communities.iter_mut().enumerate() {
        let of = |list: &[u32]| list.get(place).copied().unwrap_or(0);
        community.quota = Quota {
            members: of(&member_counts),
            doubled: of(&doubled),
            away: of(&away),
            guests: of(&guests),
            movers: of(&movers),
            ended: of(&ended),
            pending: of(&pending),
            returned: of(&returned),
            volunteers: of(&volunteers),
            sessions: of(&session_counts),
            served: of(&session_counts) + of(&served_beyond),
            cancelled: of(&cancelled),
            repeated: of(&repeated),
            unverified: of(&unverified),
        };
        community.first_person = first_person;
        first_person += community.quota.people();
    }
}

/// Gives some communities a second tablet and a few of these a third.
fn share_devices(draw: &mut Draw, scale: Scale, communities: &mut [CommunityPlan]) {
    let (two, three) = match scale {
        Scale::Community => (1, 0),
        Scale::Street => (1, 1),
        Scale::City => (24, 6),
    };
    let mut candidates: Vec<&mut CommunityPlan> = communities
        .iter_mut()
        // One of its people registers twice, once on each device.
        .filter(|community| community.quota.doubled > 0)
        .collect();
    for number in 0..two + three {
        let Some(index) = draw.pick_index(candidates.len()) else { return };
        candidates.swap_remove(index).devices = if number < two { 2 } else { 3 };
    }
}

/// Makes one device's clock sick and another one silent, where there are communities enough.
fn pick_odd_devices(draw: &mut Draw, communities: &mut [CommunityPlan]) {
    let mut candidates: Vec<&mut CommunityPlan> =
        communities.iter_mut().filter(|community| community.devices == 1).collect();
    for odd in [true, false] {
        let Some(index) = draw.pick_index(candidates.len()) else { return };
        let community = candidates.swap_remove(index);
        if odd {
            community.skew_ms = SICK_CLOCK_MS;
        } else {
            community.silent_days = SILENT_DAYS;
        }
    }
}
