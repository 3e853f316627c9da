//! Duplicates: which persons and which activities may be one and the same.
//!
//! The rules only propose; apart from [`Grade::Exact`], which the office links by itself and can undo, a person decides.
//! Candidates are found by grouping, so that a city of 100,000 persons takes a fraction of a second, and equal names
//! alone across a city are never shown.

mod activities;

use crate::RecordId;

pub use activities::{ActivityKey, ActivityPair, ActivityReason, activity_pairs};

/// A group larger than this is proposed as a chain, each with the next, instead of everyone with everyone.
const WHOLE_GROUP: usize = 32;

/// How sure it is that two persons are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// The same id number and the same name: linked without asking, undoable.
    Exact,
    /// The same id number and another name: no slip of typing explains it, so a person must look.
    SameIdOtherName,
    /// The same name and one more thing in common.
    Strong,
    /// The same name in one community.
    Weak,
}

impl Grade {
    /// Returns the stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::SameIdOtherName => "same-id-other-name",
            Self::Strong => "strong",
            Self::Weak => "weak",
        }
    }
}

/// What two persons have in common, beside the name where it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The fingerprint of the id number.
    IdNumber,
    /// Name and a phone number.
    Phone,
    /// Name, month of birth and community.
    BirthAndCommunity,
    /// Name and employer.
    Employer,
    /// Name and community.
    Community,
}

impl Reason {
    /// Returns the stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::IdNumber => "id-number",
            Self::Phone => "phone",
            Self::BirthAndCommunity => "birth-and-community",
            Self::Employer => "employer",
            Self::Community => "community",
        }
    }
}

/// What the rules need to know of a person. Fields that are not known make no candidate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonKey<'a> {
    /// The record's id.
    pub id: RecordId,
    /// The normal form of the name, see [`names::normal`](crate::names::normal).
    pub name: &'a str,
    /// Phone numbers in normal form.
    pub phones: Vec<&'a str>,
    /// The month of birth, `YYYY-MM`.
    pub birth_ym: Option<&'a str>,
    /// The employer's record.
    pub employer: Option<RecordId>,
    /// The community's place code.
    pub community: Option<&'a str>,
    /// The keyed fingerprint of the id number, which only the office has.
    pub id_fingerprint: Option<[u8; 32]>,
}

/// Two persons that may be one; `a` is the smaller id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PersonPair {
    /// One.
    pub a: RecordId,
    /// The other.
    pub b: RecordId,
    /// How sure it is.
    pub grade: Grade,
    /// The best reason.
    pub reason: Reason,
}

/// Returns every pair of persons that may be one, each once with its best grade, sorted by ids.
#[must_use]
pub fn person_pairs(persons: &[PersonKey<'_>]) -> Vec<PersonPair> {
    let mut pairs = Vec::new();
    by_key(persons, |person| person.id_fingerprint, |one, other| pairs.extend(same_id(one, other)));
    let mut order: Vec<&PersonKey<'_>> = persons.iter().filter(|person| !person.name.is_empty()).collect();
    order.sort_unstable_by(|a, b| (a.name, a.id).cmp(&(b.name, b.id)));
    for namesakes in order.chunk_by(|a, b| a.name == b.name).filter(|group| group.len() > 1) {
        namesake_pairs(namesakes, &mut pairs);
    }
    pairs.sort_unstable();
    pairs.dedup_by(|later, first| (later.a, later.b) == (first.a, first.b));
    pairs
}

/// Grades two persons, or returns `None` if nothing says that they are one. For a new entry against those at hand.
#[must_use]
pub fn grade(one: &PersonKey<'_>, other: &PersonKey<'_>) -> Option<(Grade, Reason)> {
    if let Some(pair) = one.id_fingerprint.is_some().then(|| same_id(one, other)).flatten() {
        return Some((pair.grade, pair.reason));
    }
    if one.name.is_empty() || one.name != other.name {
        return None;
    }
    let community = one.community.is_some() && one.community == other.community;
    if one.phones.iter().any(|phone| other.phones.contains(phone)) {
        Some((Grade::Strong, Reason::Phone))
    } else if community && one.birth_ym.is_some() && one.birth_ym == other.birth_ym {
        Some((Grade::Strong, Reason::BirthAndCommunity))
    } else if one.employer.is_some() && one.employer == other.employer {
        Some((Grade::Strong, Reason::Employer))
    } else if community {
        Some((Grade::Weak, Reason::Community))
    } else {
        None
    }
}

/// Returns whom a new entry on a device may repeat: the same name, and the last four digits of a phone or the month of
/// birth in common. The worker may go on.
pub fn hints<'a, 'k>(
    new: &'a PersonKey<'k>,
    known: impl IntoIterator<Item = &'a PersonKey<'k>>,
) -> impl Iterator<Item = RecordId>
where
    'k: 'a,
{
    let last4 = |phone: &&str| crate::phone::last4(phone).map(str::to_owned);
    known
        .into_iter()
        .filter(move |other| {
            let same_phone = || {
                new.phones.iter().filter_map(last4).any(|tail| other.phones.iter().filter_map(last4).any(|t| t == tail))
            };
            let same_birth = || new.birth_ym.is_some() && new.birth_ym == other.birth_ym;
            new.id != other.id && !new.name.is_empty() && new.name == other.name && (same_phone() || same_birth())
        })
        .map(|other| other.id)
}

fn same_id(one: &PersonKey<'_>, other: &PersonKey<'_>) -> Option<PersonPair> {
    if one.id_fingerprint != other.id_fingerprint {
        return None;
    }
    let grade = if one.name == other.name { Grade::Exact } else { Grade::SameIdOtherName };
    pair(one, other, grade, Reason::IdNumber)
}

fn pair(one: &PersonKey<'_>, other: &PersonKey<'_>, grade: Grade, reason: Reason) -> Option<PersonPair> {
    let (a, b) = (one.id.min(other.id), one.id.max(other.id));
    (a != b).then_some(PersonPair { a, b, grade, reason })
}

/// Pairs persons of one name by what else they have in common.
fn namesake_pairs(namesakes: &[&PersonKey<'_>], pairs: &mut Vec<PersonPair>) {
    let mut phones: Vec<(&str, &PersonKey<'_>)> =
        namesakes.iter().flat_map(|person| person.phones.iter().map(|phone| (*phone, *person))).collect();
    phones.sort_unstable_by_key(|(phone, person)| (*phone, person.id));
    for group in phones.chunk_by(|a, b| a.0 == b.0) {
        let group: Vec<_> = group.iter().map(|(_, person)| *person).collect();
        each_pair(&group, |one, other| pairs.extend(pair(one, other, Grade::Strong, Reason::Phone)));
    }
    let namesakes = namesakes.iter().copied();
    by_key(
        namesakes.clone(),
        |person| person.birth_ym.zip(person.community),
        |one, other| pairs.extend(pair(one, other, Grade::Strong, Reason::BirthAndCommunity)),
    );
    by_key(
        namesakes.clone(),
        |person| person.employer,
        |one, other| pairs.extend(pair(one, other, Grade::Strong, Reason::Employer)),
    );
    by_key(
        namesakes,
        |person| person.community,
        |one, other| pairs.extend(pair(one, other, Grade::Weak, Reason::Community)),
    );
}

/// Calls back for the pairs within each group of equal keys; what has no key is in no group.
fn by_key<'a, 'k: 'a, K: Ord>(
    persons: impl IntoIterator<Item = &'a PersonKey<'k>>,
    key: impl Fn(&PersonKey<'k>) -> Option<K>,
    mut found: impl FnMut(&PersonKey<'k>, &PersonKey<'k>),
) {
    let mut keyed: Vec<(K, &PersonKey<'k>)> =
        persons.into_iter().filter_map(|person| Some((key(person)?, person))).collect();
    keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.id.cmp(&b.1.id)));
    for group in keyed.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
        let group: Vec<_> = group.iter().map(|(_, person)| *person).collect();
        each_pair(&group, &mut found);
    }
}

/// Everyone with everyone in a small group, each with the next in a large one, which stays one component all the same.
fn each_pair<T: Copy>(group: &[T], mut found: impl FnMut(T, T)) {
    if group.len() > WHOLE_GROUP {
        for (one, next) in group.iter().zip(group.iter().skip(1)) {
            found(*one, *next);
        }
        return;
    }
    for (place, one) in group.iter().enumerate() {
        for other in group.iter().skip(place + 1) {
            found(*one, *other);
        }
    }
}

#[cfg(test)]
mod tests;
