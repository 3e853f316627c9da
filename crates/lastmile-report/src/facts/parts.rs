//! Participations after linking: one per session and person.

use std::collections::BTreeSet;

use lastmile_store::query::Query;

use crate::ReportError;
use crate::canonical::Links;
use crate::hash::Interner;
use crate::read::{NEXT, Source, count, flag, id, number};

use super::sessions::{Session, Sessions};
use crate::reports::Job;

/// One person's part in one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// The session's place.
    pub(crate) session: u32,
    /// The person's number.
    pub(crate) person: u32,
    /// The largest number of minutes that any of its records says.
    pub(crate) minutes: Option<u32>,
    /// Open conflicts of its records, and one where their minutes differ.
    pub(crate) open: u32,
    /// The smallest id of its records.
    pub(crate) id: u128,
}

/// Attended participations with the persons they speak of.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) all: Vec<Part>,
    pub(crate) persons: Interner,
}

/// The scopes to read participations of, when they are few: a participation stands where its activity stands.
pub(crate) fn few_scopes(job: &Job<'_>, sessions: &Sessions, of: impl Iterator<Item = u32>) -> Option<Vec<u32>> {
    let scopes: BTreeSet<u32> = of.chain(sessions.joined_scopes.iter().copied()).collect();
    // Jumping between scopes costs more a row than reading all in order.
    (scopes.len().saturating_mul(4) < job.territory.communities_held).then(|| scopes.into_iter().collect())
}

/// Reads the attended participations of the sessions wanted, in the scopes given or in all.
///
/// A record that does not say whether somebody attended counts as attended, which is what data entry assumes.
pub(crate) fn parts(
    source: &Source<'_>,
    links: &Links,
    sessions: &Sessions,
    within: Option<Vec<u32>>,
    wanted: impl Fn(&Session) -> bool,
) -> Result<Parts, ReportError> {
    let mut persons = Interner::default();
    let mut all: Vec<Part> = Vec::with_capacity(sessions.all.len());
    let mut query = Query::new(source.type_no("participation")?, &["activity", "person", "attended", "minutes", "open"]);
    if let Some(scopes) = within {
        query = query.within(scopes);
    }
    // Rows of one activity mostly follow each other, so its answer is kept.
    let mut last: (u128, Option<u32>) = (0, None);
    source.visit(&query, &mut |row| {
        let [activity, person, attended, minutes, open] = row.cells else { return NEXT };
        let Some(activity) = id(activity) else { return NEXT };
        if last.0 != activity {
            let session = sessions.of(activity);
            last = (activity, session.filter(|place| sessions.get(*place).is_some_and(&wanted)));
        }
        if let (Some(session), Some(person), true) = (last.1, id(person), flag(attended).unwrap_or(true)) {
            all.push(Part {
                session,
                person: persons.number(links.persons.of(person)),
                minutes: minutes.int().and_then(|minutes| u32::try_from(minutes).ok()),
                open: count(open),
                id: number(&row.id),
            });
        }
        NEXT
    })?;
    all.sort_unstable_by_key(|part| (part.session, part.person, part.id));
    all.dedup_by(|next, kept| {
        let same = next.session == kept.session && next.person == kept.person;
        if same {
            let differ = matches!((next.minutes, kept.minutes), (Some(one), Some(other)) if one != other);
            kept.open = kept.open.saturating_add(next.open).saturating_add(u32::from(differ));
            kept.minutes = kept.minutes.max(next.minutes);
        }
        same
    });
    Ok(Parts { all, persons })
}
