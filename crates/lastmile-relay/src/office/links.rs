//! Links: the office's word on what is one and what is not.

use std::collections::{BTreeMap, BTreeSet};

use lastmile_crdt::Edit;
use lastmile_model::{RecordId, Scope, Value, derive};
use lastmile_report::canonical::Canonical;
use lastmile_store::RecordEdit;
use lastmile_store::query::Query;
use uuid::Uuid;

use super::answer::LinkView;
use super::note_of;
use crate::central::Central;
use crate::{OfficeAnswer, OfficeError, RelayError};

/// A link as it stands in one or more scopes.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub id: RecordId,
    pub loser: RecordId,
    pub winner: RecordId,
    pub record_type: String,
    /// Live only where every copy says so.
    pub live: bool,
    pub scopes: BTreeSet<Scope>,
}

/// Every link held.
#[derive(Debug, Default)]
pub(super) struct LinkTable {
    by_pair: BTreeMap<(RecordId, RecordId), Vec<Link>>,
    persons: Canonical,
    activities: Canonical,
}

impl Link {
    /// What the record says in each scope where it stands.
    pub fn fields(&self, live: bool, reason: &str) -> Vec<Edit> {
        fields(&self.record_type, (self.loser, self.winner), live, reason)
    }
}

fn fields(record_type: &str, (loser, winner): (RecordId, RecordId), live: bool, reason: &str) -> Vec<Edit> {
    vec![
        Edit::set("loser", Value::reference(loser)),
        Edit::set("winner", Value::reference(winner)),
        Edit::set("record_type", record_type),
        Edit::set("live", live),
        Edit::set("reason", reason),
    ]
}

fn ordered(one: RecordId, other: RecordId) -> (RecordId, RecordId) {
    (one.min(other), one.max(other))
}

fn number(id: RecordId) -> u128 {
    id.0.as_u128()
}

impl LinkTable {
    /// The links between two records, in either direction.
    pub fn between(&self, one: RecordId, other: RecordId) -> &[Link] {
        self.by_pair.get(&ordered(one, other)).map_or(&[], Vec::as_slice)
    }

    /// Whether the two are read as one.
    pub fn joined(&self, record_type: &str, one: RecordId, other: RecordId) -> bool {
        let canonical = if record_type == "activity" { &self.activities } else { &self.persons };
        canonical.of(number(one)) == canonical.of(number(other))
    }

    /// Whether somebody has decided about the two.
    pub fn decided(&self, record_type: &str, one: RecordId, other: RecordId) -> bool {
        !self.between(one, other).is_empty() || self.joined(record_type, one, other)
    }

    /// Every record that is read as this person, itself among them.
    pub fn records_of(&self, person: RecordId) -> BTreeSet<RecordId> {
        let mut records = BTreeSet::from([person]);
        let linked = self.by_pair.keys().flat_map(|(one, other)| [*one, *other]);
        records.extend(linked.filter(|other| self.person(*other) == self.person(person)));
        records
    }

    /// The links, live or not, that have one of these records on a side.
    pub fn about<'a>(&'a self, records: &'a BTreeSet<RecordId>) -> impl Iterator<Item = &'a Link> {
        let links = self.by_pair.values().flatten();
        links.filter(move |link| records.contains(&link.loser) || records.contains(&link.winner))
    }

    /// The canonical id of a person.
    pub fn person(&self, id: RecordId) -> RecordId {
        RecordId(Uuid::from_u128(self.persons.of(number(id))))
    }
}

impl Central {
    /// Reads every link held.
    pub(super) fn links(&mut self) -> Result<LinkTable, RelayError> {
        let scopes = self.scope_map()?;
        let query = Query::new(self.reader.type_no("merge_link")?, &["loser", "winner", "record_type", "live"]);
        let mut links: BTreeMap<RecordId, Link> = BTreeMap::new();
        for row in self.reader.rows(&query)? {
            let [loser, winner, record_type, live] = row.cells.as_slice() else { continue };
            let (Some(loser), Some(winner), Some(scope)) = (loser.record(), winner.record(), scopes.get(&row.scope))
            else {
                continue;
            };
            let link = links.entry(row.id).or_insert_with(|| Link {
                id: row.id,
                loser,
                winner,
                record_type: record_type.text().unwrap_or_default().to_owned(),
                live: true,
                scopes: BTreeSet::new(),
            });
            link.live &= live.int() != Some(0);
            link.scopes.insert(scope.clone());
        }
        let live = |wanted: &str| {
            let wanted = wanted.to_owned();
            let of_type = links.values().filter(move |link| link.live && link.record_type == wanted);
            Canonical::of_pairs(of_type.map(|link| (number(link.loser), number(link.winner))))
        };
        let (persons, activities) = (live("person"), live("activity"));
        let mut by_pair: BTreeMap<_, Vec<Link>> = BTreeMap::new();
        for link in links.into_values() {
            by_pair.entry(ordered(link.loser, link.winner)).or_default().push(link);
        }
        Ok(LinkTable { by_pair, persons, activities })
    }

    /// The edits that make or undo a link, in every scope that holds a side or the link itself.
    pub(super) fn link_edits(
        &mut self,
        record_type: &str,
        (loser, winner): (RecordId, RecordId),
        known: &BTreeSet<Scope>,
        live: bool,
        reason: &str,
    ) -> Result<(LinkView, Vec<(Scope, RecordEdit)>), RelayError> {
        let (from, into) = (Value::reference(loser), Value::reference(winner));
        let id = derive::record_id("merge_link", &[&from, &into])
            .ok_or_else(|| OfficeError::Failed { text: "the link's id cannot be derived".to_owned() })?;
        let mut scopes = known.clone();
        scopes.extend(self.places_of(record_type, loser)?);
        scopes.extend(self.places_of(record_type, winner)?);
        let mut edits = Vec::with_capacity(scopes.len());
        for scope in &scopes {
            let fields = fields(record_type, (loser, winner), live, reason);
            edits.push((scope.clone(), self.edit("merge_link", id, true, fields)?));
        }
        let scopes = scopes.iter().map(Scope::to_string).collect();
        Ok((LinkView { id: id.0, loser: loser.0, winner: winner.0, scopes }, edits))
    }

    /// Finds the common type of two different records.
    fn pair(&mut self, one: Uuid, other: Uuid) -> Result<String, RelayError> {
        if one == other {
            return Err(OfficeError::SameRecord.into());
        }
        const LINKED: [&str; 4] = ["person", "activity", "org", "team"];
        let (one_type, _) = self.find(one, &LINKED)?;
        let (other_type, _) = self.find(other, &LINKED)?;
        if one_type != other_type {
            return Err(OfficeError::OtherType { one, one_type, other, other_type }.into());
        }
        Ok(one_type)
    }

    /// Links two records; a link between them that was undone is made live again.
    pub(super) fn link(&mut self, loser: Uuid, winner: Uuid, reason: &str) -> Result<OfficeAnswer, RelayError> {
        let record_type = self.pair(loser, winner)?;
        let table = self.links()?;
        let (mut loser, mut winner) = (RecordId(loser), RecordId(winner));
        let mut known = BTreeSet::new();
        let mut edits = Vec::new();
        let mut view = None;
        let standing = table.between(loser, winner).to_vec();
        for link in &standing {
            (loser, winner) = (link.loser, link.winner);
            known.clone_from(&link.scopes);
            let (of_link, more) = self.link_edits(&record_type, (loser, winner), &known, true, reason)?;
            edits.extend(more);
            view = Some(of_link);
        }
        let view = match view {
            Some(view) => view,
            None => {
                let (of_link, more) = self.link_edits(&record_type, (loser, winner), &known, true, reason)?;
                edits.extend(more);
                of_link
            }
        };
        self.save_grouped(&note_of("link", reason), edits)?;
        Ok(OfficeAnswer::Linked(view))
    }

    /// Undoes every link between two records, or notes that there is to be none.
    pub(super) fn unlink(&mut self, loser: Uuid, winner: Uuid, reason: &str) -> Result<OfficeAnswer, RelayError> {
        let record_type = self.pair(loser, winner)?;
        let (loser, winner) = (RecordId(loser), RecordId(winner));
        let table = self.links()?;
        let mut pairs: Vec<((RecordId, RecordId), BTreeSet<Scope>)> =
            table.between(loser, winner).iter().map(|link| ((link.loser, link.winner), link.scopes.clone())).collect();
        if pairs.is_empty() {
            pairs.push(((loser, winner), BTreeSet::new()));
        }
        let (mut links, mut edits) = (Vec::new(), Vec::new());
        for (pair, known) in pairs {
            let (view, more) = self.link_edits(&record_type, pair, &known, false, reason)?;
            links.push(view);
            edits.extend(more);
        }
        self.save_grouped(&note_of("unlink", reason), edits)?;
        let still_joined = self.links()?.joined(&record_type, loser, winner);
        Ok(OfficeAnswer::Unlinked { links, still_joined })
    }
}
