//! Activities that two people may have recorded both.

use super::each_pair;
use crate::RecordId;

/// What the rules need to know of an activity; leave out cancelled ones and marked duplicates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivityKey<'a> {
    /// The record's id.
    pub id: RecordId,
    /// The community's place code.
    pub community: &'a str,
    /// The civil date.
    pub date: &'a str,
    /// The main category.
    pub category: &'a str,
    /// The normal form of the title, see [`names::normal`](crate::names::normal).
    pub title: &'a str,
    /// The canonical ids of those who took part, sorted.
    pub people: Vec<RecordId>,
}

/// Why two activities may be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActivityReason {
    /// The same title.
    Title,
    /// At least half of the people of the smaller one took part in both.
    People,
}

impl ActivityReason {
    /// Returns the stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::People => "people",
        }
    }
}

/// Two activities that may be one; `a` is the smaller id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActivityPair {
    /// One.
    pub a: RecordId,
    /// The other.
    pub b: RecordId,
    /// Why.
    pub reason: ActivityReason,
}

/// Returns every pair of activities of one community, date and category with the same title or mostly the same people.
#[must_use]
pub fn activity_pairs(activities: &[ActivityKey<'_>]) -> Vec<ActivityPair> {
    let mut order: Vec<&ActivityKey<'_>> = activities.iter().collect();
    let key = |activity: &&ActivityKey<'_>| (activity.community.to_owned(), activity.date.to_owned());
    order.sort_by_cached_key(|activity| (key(activity), activity.category.to_owned(), activity.id));
    let same = |a: &&ActivityKey<'_>, b: &&ActivityKey<'_>| {
        (a.community, a.date, a.category) == (b.community, b.date, b.category)
    };
    let mut pairs = Vec::new();
    for group in order.chunk_by(same).filter(|group| group.len() > 1) {
        each_pair(group, |one, other| {
            if let Some(reason) = reason(one, other).filter(|_| one.id != other.id) {
                pairs.push(ActivityPair { a: one.id.min(other.id), b: one.id.max(other.id), reason });
            }
        });
    }
    pairs.sort_unstable();
    pairs
}

fn reason(one: &ActivityKey<'_>, other: &ActivityKey<'_>) -> Option<ActivityReason> {
    if !one.title.is_empty() && one.title == other.title {
        return Some(ActivityReason::Title);
    }
    let smaller = one.people.len().min(other.people.len());
    (smaller > 0 && shared(&one.people, &other.people) * 2 >= smaller).then_some(ActivityReason::People)
}

/// How many ids two sorted lists share.
fn shared(one: &[RecordId], other: &[RecordId]) -> usize {
    one.iter().filter(|id| other.binary_search(id).is_ok()).count()
}
