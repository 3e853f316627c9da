//! What only one device recorded.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::facts::{AttendanceFact, CheckInFact, Facts, SessionFact, only};
use super::figures::{Column, Columns};

/// By how much the city's figures fall when one device never syncs.
///
/// The office then leaves out what presupposes the device, and a colleague's device leaves out the saves that need it
/// ([`Action::needs`](crate::Action::needs)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Contribution {
    /// R2. A person whom another device registered and confirmed too still counts.
    pub members: Columns<u32>,
    /// R4.
    pub sessions: Columns<u32>,
    /// R7.
    pub served: Columns<u64>,
    /// R5. Somebody whom another device's record of the same session names too still counts.
    pub participations: Columns<u32>,
}

/// The check-ins of people who have several, by person, with the community of each.
pub(super) type Several = BTreeMap<u32, Vec<(usize, CheckInFact)>>;

/// Collects the check-ins of people who have more than one.
pub(super) fn several(facts: &[Facts]) -> Several {
    let all =
        facts.iter().enumerate().flat_map(|(place, facts)| facts.check_ins.iter().map(move |fact| (place, *fact)));
    let mut keys: Vec<u32> = all.clone().map(|(_, fact)| fact.key).collect();
    keys.sort_unstable();
    let repeated = |pair: &[u32]| matches!(pair, [one, other] if one == other);
    let mut several: Several = keys
        .windows(2)
        .filter(|pair| repeated(pair))
        .filter_map(|pair| pair.first())
        .map(|key| (*key, Vec::new()))
        .collect();
    for (place, fact) in all {
        if let Some(list) = several.get_mut(&fact.key) {
            list.push((place, fact));
        }
    }
    several
}

/// Counts what falls away without one device of a community.
pub(super) fn count(facts: &[Facts], several: &Several, community: usize, device: u8) -> Contribution {
    let mut contribution = Contribution::default();
    let Some(own) = facts.get(community) else { return contribution };
    let lost = |needs: u8| needs & only(device) != 0;
    for column in Column::BOTH {
        let counts = |fact: &CheckInFact| fact.confirmed.is_some() || column == Column::WithWaiting;
        let members = own.check_ins.iter().filter(|fact| counts(fact) && lost(fact.needs));
        let single = members.filter(|fact| !several.contains_key(&fact.key)).count();
        // Of those with several check-ins, whoever has one here and none left.
        let mut keys: Vec<u32> = own.check_ins.iter().map(|fact| fact.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let gone = |key: &u32| {
            several.get(key).is_some_and(|list| {
                let mut counted = list.iter().filter(|(_, fact)| counts(fact)).peekable();
                counted.peek().is_some() && counted.all(|(place, fact)| *place == community && lost(fact.needs))
            })
        };
        let fallen = single + keys.iter().filter(|key| gone(key)).count();
        *contribution.members.of(column) = u32::try_from(fallen).unwrap_or(u32::MAX);
        let (all_sessions, all_served) = sessions(&own.sessions, column, None);
        let (left_sessions, left_served) = sessions(&own.sessions, column, Some(device));
        *contribution.sessions.of(column) = all_sessions - left_sessions;
        *contribution.served.of(column) = all_served - left_served;
        *contribution.participations.of(column) =
            participations(own, column, None) - participations(own, column, Some(device));
    }
    contribution
}

/// Counts sessions and persons served, perhaps without a device.
fn sessions(sessions: &[SessionFact], column: Column, without: Option<u8>) -> (u32, u64) {
    let lost = |needs: u8| without.is_some_and(|device| needs & only(device) != 0);
    let repeats = |session: &SessionFact| {
        let original = session.repeats.and_then(|place| sessions.get(usize::try_from(place).ok()?));
        // Without its original there is nothing that it repeats.
        original.is_some_and(|original| !lost(original.needs))
    };
    let counted =
        sessions.iter().filter(|session| column.counts(session.standing) && !lost(session.needs) && !repeats(session));
    counted.fold((0, 0), |(count, sum), session| {
        let served = match session.served_without {
            Some((device, served)) if without == Some(device) => served,
            _ => session.served,
        };
        (count + 1, sum + u64::from(served))
    })
}

/// Counts who was at which session, perhaps without a device: what a record that is left repeats then counts by itself.
fn participations(facts: &Facts, column: Column, without: Option<u8>) -> u32 {
    let session = |place: u32| facts.sessions.get(usize::try_from(place).ok()?);
    let is_left = |place: u32| {
        session(place).is_some_and(|session| without.is_none_or(|device| session.needs & only(device) == 0))
    };
    let counted = |attendance: &AttendanceFact| {
        let counts = if is_left(attendance.session) { attendance.session } else { attendance.entered };
        let standing = session(counts).is_some_and(|session| column.counts(session.standing));
        (is_left(attendance.entered) && standing).then_some((attendance.key, counts))
    };
    let came: BTreeSet<(u32, u32)> = facts.attendances.iter().filter_map(counted).collect();
    u32::try_from(came.len()).unwrap_or(u32::MAX)
}
