//! Sessions: activities after linking and duplicate marks, each counted once.

use lastmile_store::query::Query;
use lastmile_store::storage::Cell;

use crate::ReportError;
use crate::canonical::{Canonical, Links};
use crate::day::Day;
use crate::grid::Standing;
use crate::hash::{IdMap, IdSet};
use crate::read::{NEXT, Source, count, day, id, number, record};

/// What a report wants to know of each activity beside date, state and persons served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extra {
    /// Nothing more.
    Nothing,
    /// The main category.
    Category,
    /// Start and end.
    Times,
    /// The team that hosted it.
    Team,
}

impl Extra {
    const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &[],
            Self::Category => &["category"],
            Self::Times => &["start_time", "end_time"],
            Self::Team => &["host_team"],
        }
    }
}

/// One session that counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    /// The activity whose values count.
    pub(crate) id: u128,
    pub(crate) scope: u32,
    pub(crate) day: Day,
    pub(crate) standing: Standing,
    pub(crate) served: i64,
    pub(crate) open: u32,
    /// When the record was made, in milliseconds.
    pub(crate) created: i64,
    /// The place of the category in [`Sessions::categories`].
    pub(crate) category: u16,
    /// Start and end in minutes of the day.
    pub(crate) times: Option<(u16, u16)>,
    pub(crate) team: Option<u128>,
}

/// Every session that counts, whatever its date.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    pub(crate) all: Vec<Session>,
    /// Codes of the categories met.
    pub(crate) categories: Vec<String>,
    /// Activities marked as duplicates of something that does not count itself.
    pub(crate) orphans: u64,
    /// Activities that are linked or marked, with their scopes: their participations may belong to sessions elsewhere.
    pub(crate) joined: Vec<(u128, u32)>,
    /// Component of activities -> its session.
    of_component: IdMap<u32>,
    components: Canonical,
}

impl Sessions {
    /// Returns the place of the session that an activity is, or was joined to.
    pub(crate) fn of(&self, activity: u128) -> Option<u32> {
        self.of_component.get(&self.components.of(activity)).copied()
    }

    /// Returns a session by its place.
    pub(crate) fn get(&self, place: u32) -> Option<&Session> {
        self.all.get(place as usize)
    }
}

/// Reads a time of day, `HH:MM`, as minutes.
fn minutes(cell: &Cell<'_>) -> Option<u16> {
    let minutes = lastmile_model::civil::parse_time(cell.text()?)?;
    u16::try_from(minutes).ok()
}

/// Returns the place of a category, a new one if it is new; there are few, so a walk is fastest.
fn category_place(categories: &mut Vec<String>, code: &str) -> u16 {
    let place = categories.iter().position(|known| known == code).unwrap_or_else(|| {
        categories.push(code.to_owned());
        categories.len() - 1
    });
    u16::try_from(place).unwrap_or(u16::MAX)
}

/// Reads every activity and joins linked ones and duplicates.
pub(crate) fn sessions(source: &mut Source<'_>, links: &Links, extra: Extra) -> Result<Sessions, ReportError> {
    let mut found = Sessions::default();
    let mut rows: Vec<Session> = Vec::new();
    let mut pairs = links.activity_pairs.clone();
    let mut columns = vec!["state", "date", "beneficiaries", "open", "duplicate_of", "created_at"];
    columns.extend(extra.columns());
    let query = Query::new(source.type_no("activity")?, &columns);
    let mut marked: Vec<u128> = Vec::new();
    let mut unnamed: Vec<u128> = Vec::new();
    let linked: IdSet = pairs.iter().flat_map(|&(one, other)| [one, other]).collect();
    source.visit(&query, &mut |row| {
        let [state, date, served, open, duplicate_of, created, rest @ ..] = row.cells else { return NEXT };
        let own = number(&row.id);
        if !linked.is_empty() && linked.contains(&own) {
            found.joined.push((own, row.scope));
        }
        if let Some(original) = id(duplicate_of) {
            pairs.push((own, original));
            marked.push(own);
            found.joined.push((own, row.scope));
            return NEXT;
        }
        let standing = match state.text() {
            Some("verified") => Standing::Verified,
            Some("submitted") => Standing::Pending,
            Some("duplicate") => {
                unnamed.push(own);
                found.joined.push((own, row.scope));
                return NEXT;
            }
            _ => return NEXT,
        };
        let Some(date) = day(date) else { return NEXT };
        let mut session = Session {
            id: own,
            scope: row.scope,
            day: date,
            standing,
            served: served.int().unwrap_or(0).max(0),
            open: count(open),
            created: created.int().unwrap_or(i64::MIN),
            category: 0,
            times: None,
            team: None,
        };
        match (extra, rest) {
            (Extra::Category, [category]) => {
                session.category = category_place(&mut found.categories, category.text().unwrap_or_default());
            }
            (Extra::Times, [start, end]) => session.times = minutes(start).zip(minutes(end)),
            (Extra::Team, [team]) => session.team = id(team),
            _ => {}
        }
        rows.push(session);
        NEXT
    })?;
    for activity in unnamed {
        pairs.extend(original_of(source, activity)?.map(|original| (activity, original)));
        marked.push(activity);
    }
    found.components = Canonical::of_pairs(pairs);
    found.all.reserve(rows.len());
    found.of_component.reserve(rows.len());
    for row in rows {
        let next = u32::try_from(found.all.len()).unwrap_or(u32::MAX);
        let place = *found.of_component.entry(found.components.of(row.id)).or_insert(next);
        match found.all.get_mut(place as usize) {
            Some(shown) => {
                // Several open questions of linked activities all stand behind the one figure.
                let open = shown.open.saturating_add(row.open);
                if counts_before(&row, shown) {
                    *shown = row;
                }
                shown.open = open;
            }
            None => found.all.push(row),
        }
    }
    found.orphans = marked.iter().filter(|&&own| found.of(own).is_none()).count() as u64;
    Ok(found)
}

/// Reads what the event that marks an activity as a duplicate leads to: a verified activity is marked by the event alone,
/// since its fields stand as verified.
fn original_of(source: &mut Source<'_>, activity: u128) -> Result<Option<u128>, ReportError> {
    let full = source.reader.record("activity", record(activity), None)?;
    let marks = full
        .events
        .iter()
        .rev()
        .filter(|event| event.parts.get("kind").and_then(lastmile_model::Value::as_str) == Some("duplicate"));
    let mut originals = marks.filter_map(|event| event.parts.get("to")?.as_record());
    Ok(originals.next().map(|original| number(&original)))
}

/// Of activities that are one session: the verified one counts, then the smallest id, of its copies the one made last.
fn counts_before(one: &Session, other: &Session) -> bool {
    let rank = |session: &Session| (session.standing, session.id, std::cmp::Reverse(session.created));
    rank(one) < rank(other)
}
