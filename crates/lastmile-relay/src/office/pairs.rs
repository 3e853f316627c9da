//! Duplicates: what may be one and the same.

use std::collections::{BTreeMap, BTreeSet};

use lastmile_model::duplicates::{ActivityKey, Grade, PersonKey, activity_pairs, person_pairs};
use lastmile_model::{RecordId, Scope, ScopeKind, names};
use lastmile_store::query::Query;

use super::answer::{ActivityPairView, LinkView, PersonPairView, Side};
use super::find::label_of;
use super::links::LinkTable;
use super::note_of;
use crate::central::Central;
use crate::{Likeness, OfficeAnswer, OfficeError, RelayError};

/// Why the relay links by itself.
const CERTAIN: &str = "同一身份证号，同一姓名";

/// A person's row, with what the rules need.
struct PersonRow {
    id: RecordId,
    scope: Scope,
    shown: String,
    name: String,
    phones: Vec<String>,
    birth_ym: Option<String>,
    employer: Option<RecordId>,
}

/// An activity's row likewise.
struct ActivityRow {
    id: RecordId,
    scope: Scope,
    title: String,
    normal: String,
    date: String,
    category: String,
}

impl Central {
    /// Links pairs that nobody has decided about; returns those that were linked.
    pub(crate) fn link_pairs(
        &mut self,
        pairs: Vec<(RecordId, RecordId)>,
    ) -> Result<Vec<(RecordId, RecordId)>, RelayError> {
        let table = self.links()?;
        let (mut linked, mut edits) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for (smaller, larger) in pairs {
            if table.decided("person", smaller, larger) || !seen.insert((smaller, larger)) {
                continue;
            }
            let (_, more) = self.link_edits("person", (larger, smaller), &BTreeSet::new(), true, CERTAIN)?;
            edits.extend(more);
            linked.push((smaller, larger));
        }
        if !edits.is_empty() {
            self.save_grouped(&note_of("link", CERTAIN), edits)?;
            tracing::info!(pairs = linked.len(), "persons of one id number and one name were linked");
        }
        Ok(linked)
    }

    pub(super) fn duplicates(
        &mut self,
        record_type: Option<&str>,
        within: Option<&str>,
        likeness: Likeness,
        limit: usize,
    ) -> Result<OfficeAnswer, RelayError> {
        let asked = |name: &str| record_type.is_none_or(|wanted| wanted == name);
        if !asked("person") && !asked("activity") {
            let name = record_type.unwrap_or_default().to_owned();
            return Err(OfficeError::BadType { name, known: "person, activity".to_owned() }.into());
        }
        let scopes: BTreeSet<Scope> = self.within(within)?.into_values().collect();
        let mut linked = Vec::new();
        loop {
            let (pairs, more) = self.link_certain_among(usize::MAX)?;
            linked.extend(pairs);
            if !more {
                break;
            }
        }
        let table = self.links()?;
        let linked = linked.into_iter().flat_map(|(one, other)| views_between(&table, one, other)).collect();
        let mut persons = if asked("person") { self.person_duplicates(&table, &scopes, likeness)? } else { Vec::new() };
        let mut activities = if asked("activity") { self.activity_duplicates(&table, &scopes)? } else { Vec::new() };
        let found = persons.len().saturating_add(activities.len());
        if limit > 0 {
            persons.truncate(limit);
            activities.truncate(limit);
        }
        Ok(OfficeAnswer::Duplicates { linked, persons, activities, found })
    }

    fn person_rows(&mut self) -> Result<Vec<PersonRow>, RelayError> {
        let scopes = self.scope_map()?;
        let type_no = self.reader.type_no("person")?;
        let query = Query::new(type_no, &["name", "phone", "birth_ym", "employer"]);
        let rows = self.reader.rows(&query)?.into_iter().filter_map(|row| {
            let [name, phone, birth_ym, employer] = row.cells.as_slice() else { return None };
            let shown = name.text()?.to_owned();
            let phones = phone.text().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
            Some(PersonRow {
                id: row.id,
                scope: scopes.get(&row.scope)?.clone(),
                name: names::normal(&shown).into_owned(),
                shown,
                phones,
                birth_ym: birth_ym.text().map(str::to_owned),
                employer: employer.record(),
            })
        });
        Ok(rows.collect())
    }

    fn person_duplicates(
        &mut self,
        table: &LinkTable,
        scopes: &BTreeSet<Scope>,
        likeness: Likeness,
    ) -> Result<Vec<PersonPairView>, RelayError> {
        let rows = self.person_rows()?;
        let keys: Vec<PersonKey<'_>> = rows
            .iter()
            .map(|row| PersonKey {
                id: row.id,
                name: &row.name,
                phones: row.phones.iter().map(String::as_str).collect(),
                birth_ym: row.birth_ym.as_deref(),
                employer: row.employer,
                community: (row.scope.kind() == ScopeKind::Community).then(|| row.scope.code()),
                id_fingerprint: self.fingerprints.of(row.id),
            })
            .collect();
        let enough = |grade: Grade| match likeness {
            Likeness::Exact => matches!(grade, Grade::Exact | Grade::SameIdOtherName),
            Likeness::Strong => grade != Grade::Weak,
            Likeness::Weak => true,
        };
        let by_id: BTreeMap<RecordId, &PersonRow> = rows.iter().rev().map(|row| (row.id, row)).collect();
        let side = |id: RecordId| {
            let row = by_id.get(&id)?;
            Some((Side { id: id.0, scope: row.scope.to_string(), label: label_of(Some(&row.shown), None) }, &row.scope))
        };
        let mut views = Vec::new();
        for pair in person_pairs(&keys) {
            if !enough(pair.grade) || table.decided("person", pair.a, pair.b) {
                continue;
            }
            let (Some((one, here)), Some((other, there))) = (side(pair.a), side(pair.b)) else { continue };
            if scopes.contains(here) || scopes.contains(there) {
                let (grade, reason) = (pair.grade.code().to_owned(), pair.reason.code().to_owned());
                views.push((pair.grade, PersonPairView { one, other, grade, reason }));
            }
        }
        views.sort_by_key(|(grade, _)| *grade);
        Ok(views.into_iter().map(|(_, view)| view).collect())
    }

    fn activity_duplicates(
        &mut self,
        table: &LinkTable,
        scopes: &BTreeSet<Scope>,
    ) -> Result<Vec<ActivityPairView>, RelayError> {
        let held = self.scope_map()?;
        let query =
            Query::new(self.reader.type_no("activity")?, &["title", "date", "category", "state", "duplicate_of"]);
        let mut rows: Vec<ActivityRow> = Vec::new();
        for row in self.reader.rows(&query)? {
            let [title, date, category, state, duplicate_of] = row.cells.as_slice() else { continue };
            let Some(scope) = held.get(&row.scope).filter(|scope| scopes.contains(*scope)) else { continue };
            let (Some(title), Some(date), Some(category)) = (title.text(), date.text(), category.text()) else {
                continue;
            };
            if duplicate_of.record().is_none() && !matches!(state.text(), Some("cancelled" | "duplicate")) {
                rows.push(ActivityRow {
                    id: row.id,
                    scope: scope.clone(),
                    title: title.to_owned(),
                    normal: names::normal(title).into_owned(),
                    date: date.to_owned(),
                    category: category.to_owned(),
                });
            }
        }
        // Only sessions that share place, day and category can be one: the people of the others need not be read.
        let key = |row: &ActivityRow| (row.scope.clone(), row.date.clone(), row.category.clone());
        rows.sort_by_cached_key(key);
        let groups: BTreeSet<RecordId> = rows
            .chunk_by(|one, other| key(one) == key(other))
            .filter(|group| group.len() > 1)
            .flat_map(|group| group.iter().map(|row| row.id))
            .collect();
        rows.retain(|row| groups.contains(&row.id));
        let people = self.people_of(table, &groups)?;
        let keys: Vec<ActivityKey<'_>> = rows
            .iter()
            .map(|row| ActivityKey {
                id: row.id,
                community: row.scope.code(),
                date: &row.date,
                category: &row.category,
                title: &row.normal,
                people: people.get(&row.id).map(|people| people.iter().copied().collect()).unwrap_or_default(),
            })
            .collect();
        let by_id: BTreeMap<RecordId, &ActivityRow> = rows.iter().map(|row| (row.id, row)).collect();
        let side = |id: RecordId| {
            let row = by_id.get(&id)?;
            Some((Side { id: id.0, scope: row.scope.to_string(), label: row.title.clone() }, row.date.clone()))
        };
        let pairs = activity_pairs(&keys).into_iter().filter(|pair| !table.decided("activity", pair.a, pair.b));
        Ok(pairs
            .filter_map(|pair| {
                let ((one, date), (other, _)) = (side(pair.a)?, side(pair.b)?);
                Some(ActivityPairView { one, other, date, reason: pair.reason.code().to_owned() })
            })
            .collect())
    }

    /// The canonical ids of those who took part in these activities.
    fn people_of(
        &mut self,
        table: &LinkTable,
        activities: &BTreeSet<RecordId>,
    ) -> Result<BTreeMap<RecordId, BTreeSet<RecordId>>, RelayError> {
        let mut people: BTreeMap<RecordId, BTreeSet<RecordId>> = BTreeMap::new();
        if activities.is_empty() {
            return Ok(people);
        }
        let query = Query::new(self.reader.type_no("participation")?, &["activity", "person"]);
        for row in self.reader.rows(&query)? {
            let [activity, person] = row.cells.as_slice() else { continue };
            if let (Some(activity), Some(person)) = (activity.record(), person.record())
                && activities.contains(&activity)
            {
                people.entry(activity).or_default().insert(table.person(person));
            }
        }
        Ok(people)
    }
}

fn views_between(table: &LinkTable, one: RecordId, other: RecordId) -> Vec<LinkView> {
    let view = |link: &super::links::Link| LinkView {
        id: link.id.0,
        loser: link.loser.0,
        winner: link.winner.0,
        scopes: link.scopes.iter().map(Scope::to_string).collect(),
    };
    table.between(one, other).iter().map(view).collect()
}
