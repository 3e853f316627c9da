//! Participations after linking: one per session and person.

use std::borrow::Cow;
use std::collections::BTreeSet;

use lastmile_store::query::{Query, Test};
use lastmile_store::storage::{Cell, FoundRow};

use crate::ReportError;
use crate::canonical::Links;
use crate::hash::Interner;
use crate::read::{NEXT, Source, count, id, number};

use super::sessions::{Session, Sessions};
use crate::reports::Job;

/// One person's part in one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// The session's place.
    pub(crate) session: u32,
    /// The person's number.
    pub(crate) person: u32,
    /// The place, among those read, of its record with the smallest id.
    row: u32,
    /// Open conflicts of its records, and one where their minutes differ.
    pub(crate) open: u16,
    /// Whether their minutes differ.
    differ: bool,
    /// The largest number of minutes that any of its records says; [`UNSAID`] where none does.
    minutes: u16,
}

/// Stands for minutes that nobody gave.
const UNSAID: u16 = u16::MAX;

impl Part {
    /// The largest number of minutes that any of its records says.
    pub(crate) fn minutes(&self) -> Option<u16> {
        (self.minutes != UNSAID).then_some(self.minutes)
    }

    /// Takes in another record of the same part.
    fn join(&mut self, other: &Self) {
        let counted = u16::from(self.differ).saturating_add(u16::from(other.differ));
        let differ = matches!((self.minutes(), other.minutes()), (Some(one), Some(two)) if one != two);
        self.differ |= other.differ || differ;
        self.open = self.open.saturating_add(other.open).saturating_sub(counted).saturating_add(u16::from(self.differ));
        self.minutes = self.minutes().max(other.minutes()).unwrap_or(UNSAID);
    }
}

/// Attended participations with the persons they speak of.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) all: Vec<Part>,
    pub(crate) persons: Interner,
    /// The ids of the records read; empty unless asked for.
    ids: Vec<u128>,
}

impl Parts {
    /// The smallest id of a part's records; 0 unless ids were asked for.
    pub(crate) fn id(&self, part: &Part) -> u128 {
        self.ids.get(part.row as usize).copied().unwrap_or_default()
    }
}

/// The scopes to read participations of, when they are few: a participation stands where its activity stands.
pub(crate) fn few_scopes(job: &Job<'_>, sessions: &Sessions, of: impl Iterator<Item = u32>) -> Option<Vec<u32>> {
    let scopes: BTreeSet<u32> = of.chain(sessions.joined.iter().map(|(_, scope)| *scope)).collect();
    // Jumping between scopes costs more a row than reading all in order.
    (scopes.len().saturating_mul(4) < job.territory.communities_held).then(|| scopes.into_iter().collect())
}

/// The activities whose participations belong to wanted sessions, with their scopes, when these are so few of all that looking each up
/// is quicker than reading on past the others.
pub(crate) fn few_activities(sessions: &Sessions, wanted: impl Fn(&Session) -> bool) -> Option<Vec<(u128, u32)>> {
    let mut few: Vec<(u128, u32)> =
        sessions.all.iter().filter(|session| wanted(session)).map(|session| (session.id, session.scope)).collect();
    let of_wanted = |activity: u128| sessions.of(activity).and_then(|place| sessions.get(place)).is_some_and(&wanted);
    few.extend(sessions.joined.iter().filter(|(activity, _)| of_wanted(*activity)));
    few.sort_unstable_by_key(|(activity, scope)| (*scope, *activity));
    few.dedup();
    (few.len() <= 16 || few.len().saturating_mul(16) <= sessions.all.len()).then_some(few)
}

/// Which participations are read.
#[derive(Debug, Default)]
pub(crate) enum Which {
    /// All.
    #[default]
    All,
    /// Those in these scopes.
    Within(Vec<u32>),
    /// Those of these activities, given with their scopes.
    Of(Vec<(u128, u32)>),
}

/// How participations are read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Which: those of sessions that are not wanted are left out in any case.
    pub(crate) which: Which,
    /// Whether the ids of records are kept.
    pub(crate) with_ids: bool,
}

/// Reads the attended participations of the sessions wanted, in the scopes given or in all.
///
/// A record that does not say whether somebody attended counts as attended, which is what data entry assumes.
pub(crate) fn parts(
    source: &Source<'_>,
    links: &Links,
    sessions: &Sessions,
    reading: Reading,
    wanted: impl Fn(&Session) -> bool,
) -> Result<Parts, ReportError> {
    let mut found = Parts::default();
    let mut query = Query::new(source.type_no("participation")?, &["activity", "person", "minutes", "open"]).filter(
        "attended",
        Test::IsNot,
        Cell::Int(0),
    );
    let mut of = Vec::new();
    match reading.which {
        Which::All => {}
        Which::Within(scopes) => query = query.within(scopes),
        Which::Of(activities) if activities.is_empty() => return Ok(found),
        Which::Of(activities) => of = activities,
    }
    // Rows of one activity mostly follow each other, so its answer is kept.
    let mut last: (u128, Option<u32>) = (0, None);
    let mut rows = 0_u32;
    let mut note = |row: &FoundRow<'_>| {
        let [activity, person, minutes, open] = row.cells else { return NEXT };
        let Some(activity) = id(activity) else { return NEXT };
        if last.0 != activity {
            let session = sessions.of(activity);
            last = (activity, session.filter(|place| sessions.get(*place).is_some_and(&wanted)));
        }
        if let (Some(session), Some(person)) = (last.1, id(person)) {
            let minutes = minutes.int().and_then(|minutes| u16::try_from(minutes).ok()).unwrap_or(UNSAID);
            let open = u16::try_from(count(open)).unwrap_or(u16::MAX);
            let person = found.persons.number(links.persons.of(person));
            found.all.push(Part { session, person, row: rows, open, differ: false, minutes });
            rows = rows.saturating_add(1);
            if reading.with_ids {
                found.ids.push(number(&row.id));
            }
        }
        NEXT
    };
    if of.is_empty() {
        source.visit(&query, &mut note)?;
    }
    for (activity, scope) in of {
        let activity = Cell::Blob(Cow::Owned(activity.to_be_bytes().to_vec()));
        source.visit(&query.clone().within(vec![scope]).filter("activity", Test::Is, activity), &mut note)?;
    }
    // Rows mostly come session by session; sorting within each is then cheaper than sorting all.
    if !found.all.is_sorted_by_key(|part| part.session) {
        found.all.sort_unstable_by_key(|part| (part.session, part.row));
    }
    for session in found.all.chunk_by_mut(|one, next| one.session == next.session) {
        session.sort_unstable_by_key(|part| (part.person, part.row));
    }
    let Parts { all, ids, .. } = &mut found;
    let record = |part: &Part| ids.get(part.row as usize);
    all.dedup_by(|next, kept| {
        let same = (next.session, next.person) == (kept.session, kept.person);
        if same {
            // The smallest id stands for all of them, in whatever order they arrived.
            if record(next) < record(kept) {
                kept.row = next.row;
            }
            kept.join(next);
        }
        same
    });
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_minutes_are_one_question_whatever_the_order_of_the_records() {
        let joined = |minutes: [u16; 3]| {
            let part = |minutes| Part { session: 0, person: 0, row: 0, open: 1, differ: false, minutes };
            let mut all = minutes.map(part).into_iter();
            let mut first = all.next().unwrap();
            all.for_each(|next| first.join(&next));
            (first.open, first.minutes())
        };
        for minutes in [[60, 90, 60], [60, 60, 90], [90, 60, 60], [90, 60, 30]] {
            assert_eq!(joined(minutes), (4, Some(90)), "{minutes:?}");
        }
        assert_eq!(joined([60, UNSAID, 60]), (3, Some(60)));
    }
}
