//! Organisations, pairings and teams.

use super::{Host, OrganisationPlan, PairingPlan, PersonRef, Plan, TeamPlan, Totals};
use crate::draw::Draw;
use crate::words::{SYSTEMS, TEAM_WORDS};

/// The system that most teams come from.
const EDUCATION: &str = "教育系统";

/// The levels that organisations are attached to, as often as they stand here.
const LEVELS: [&str; 10] = ["city", "city", "city", "city", "city", "city", "county", "county", "county", "province"];

/// Lays out the organisations.
pub(super) fn organisations(draw: &mut Draw, totals: &Totals, made_at: i64) -> Vec<OrganisationPlan> {
    let sums: Vec<u32> = SYSTEMS
        .iter()
        .scan(0, |sum, system| {
            *sum += system.1;
            Some(*sum)
        })
        .collect();
    let mut numbers = [0_u32; SYSTEMS.len()];
    (0..totals.organisations)
        .filter_map(|index| {
            // The first one is a school, so that a data set of any size has a host for its teams.
            let which = if index == 0 { 0 } else { draw.weighted(&sums) };
            let (system, _, form) = SYSTEMS.get(which)?;
            let number = numbers.get_mut(which)?;
            *number += 1;
            Some(OrganisationPlan {
                record: draw.record(made_at + i64::from(index) * 60_000),
                name: format!("{}{number}{}", form.before, form.after),
                kind: form.kind,
                level: draw.pick(&LEVELS),
                system,
            })
        })
        .collect()
}

/// Pairs every organisation with a community, and lists a few pairings that ended before.
pub(super) fn pairings(draw: &mut Draw, communities: usize, organisations: usize, made_at: i64) -> Vec<PairingPlan> {
    let mut order: Vec<usize> = (0..communities).collect();
    shuffle(draw, &mut order);
    let first = (organisations * 48 / 500).max(1);
    let second = (organisations * 220 / 500).max(1);
    let batch = |index: usize| match index {
        _ if index < first => "48",
        _ if index < first + second => "220",
        _ => "500",
    };
    let community_of = |index: usize| order.get(index % communities.max(1)).copied().unwrap_or(0);
    let mut record = |index: usize| draw.record(made_at + 3_600_000 * 24 + i64::try_from(index).unwrap_or(0) * 60_000);
    let mut pairings: Vec<PairingPlan> = (0..organisations)
        .map(|index| PairingPlan {
            record: record(index),
            organisation: index,
            community: community_of(index),
            batch: batch(index),
            from: 2,
            ended: None,
        })
        .collect();
    // Of two organisations of the largest batch, the first worked with the other one's community before.
    let rest = organisations.saturating_sub(first + second);
    let ended = if communities > 1 { (organisations / 80).max(1).min(rest / 2) } else { 0 };
    for number in 0..ended {
        let index = first + second + 2 * number;
        if let Some(pairing) = pairings.get_mut(index) {
            pairing.from = 91;
        }
        pairings.push(PairingPlan {
            record: record(organisations + number),
            organisation: index,
            community: community_of(index + 1),
            batch: batch(index),
            from: 2,
            ended: Some(90),
        });
    }
    pairings
}

/// Lays out the teams.
pub(super) fn teams(draw: &mut Draw, plan: &Plan) -> Vec<TeamPlan> {
    let mut homes: Vec<usize> = (0..plan.communities.len()).collect();
    shuffle(draw, &mut homes);
    let schools: Vec<usize> = (0..plan.organisations.len())
        .filter(|index| plan.organisations.get(*index).is_some_and(|found| found.system == EDUCATION))
        .collect();
    let count = usize::try_from(plan.totals.teams).unwrap_or(0);
    (0..count)
        .filter_map(|number| {
            let home = *homes.get(number % homes.len().max(1))?;
            let community = plan.communities.get(home)?;
            let word = TEAM_WORDS.get(number % TEAM_WORDS.len())?;
            let host = match number % 3 {
                0 => Host::Community(home),
                _ if draw.chance(700) => Host::Organisation(draw.pick(&schools)),
                _ => Host::Organisation(draw.pick_index(plan.organisations.len())?),
            };
            Some(TeamPlan {
                record: draw.record(plan.calendar.at(4, 9 * 3600) + i64::try_from(number).ok()? * 60_000),
                name: format!("{}{word}志愿服务队", community.name),
                host,
                home,
                silent: number % 20 == 19,
                members: members(draw, plan, home),
            })
        })
        .collect()
}

/// Draws 8 to 15 members who play no special part.
fn members(draw: &mut Draw, plan: &Plan, home: usize) -> Vec<PersonRef> {
    let Some(quota) = plan.communities.get(home).map(|community| community.quota) else { return Vec::new() };
    // The last two members of a shared community have parts of their own.
    let plain = quota.members.saturating_sub(quota.first_plain() + 2);
    let wanted = draw.between(8, 15).min(plain / 2);
    let first = draw.below(plain);
    // Steps of two from a random start never meet within half of the list.
    (0..wanted)
        .map(|step| PersonRef {
            community: home,
            index: quota.first_plain() + (first + 2 * step) % (plain / 2 * 2).max(1),
        })
        .collect()
}

fn shuffle<T>(draw: &mut Draw, list: &mut [T]) {
    for place in (1..list.len()).rev() {
        if let Some(other) = draw.pick_index(place + 1) {
            list.swap(place, other);
        }
    }
}
