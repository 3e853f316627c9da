//! The ledger: what is to be expected of a data set, kept beside it.

use std::collections::BTreeMap;

use lastmile_model::{RecordId, derive};

use super::contribution::{self, Contribution};
use super::expected::{ActivityDuplicate, Duplicate, ExpectedConflict, OfficeAction, TwoPlaces};
use super::facts::Facts;
use super::figures::{self, Figures};
use super::people;
use super::plan::{Plan, Visit};
use super::{CommunityWork, Dataset};
use crate::action::{DeviceWork, EditKind};

/// Names a device of the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceRef {
    /// The community, a place in the plan; `None` for the city office.
    pub community: Option<usize>,
    /// The device's number within the community.
    pub device: u8,
}

/// What one device made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLedger {
    /// The device.
    pub device: DeviceRef,
    /// Its name.
    pub label: String,
    /// How many saves it made.
    pub saves: u32,
    /// How many changes of records they hold.
    pub changes: u32,
    /// The records that it began, by type, in the order of the saves.
    pub records: BTreeMap<&'static str, Vec<RecordId>>,
    /// What only this device recorded; nothing for the city office.
    pub contribution: Contribution,
}

/// What is to be expected of a data set.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// What each device made, the city office first.
    pub devices: Vec<DeviceLedger>,
    /// The figures of the city.
    pub city: Figures,
    /// The figures of each district, by its 6-digit code.
    pub districts: BTreeMap<String, Figures>,
    /// The figures of each community, by its place in the plan.
    pub communities: Vec<Figures>,
    /// R2 of the city, verified, while no duplicates are linked.
    pub unlinked_members: u32,
    /// Pairs of records of one person.
    pub duplicates: Vec<Duplicate>,
    /// Pairs of records of one session.
    pub repeated: Vec<ActivityDuplicate>,
    /// People confirmed at two places, open to the end.
    pub two_places: Vec<TwoPlaces>,
    /// Fields with several values, as they stand before the office acts.
    pub conflicts: Vec<ExpectedConflict>,
    /// Check-ins and sessions that were entered weeks after the day they speak of.
    pub late: u32,
    /// What the office does after everything has arrived, in order.
    pub office: Vec<OfficeAction>,
}

impl Ledger {
    /// Returns every record of a type that any device began, sorted, each once.
    #[must_use]
    pub fn records(&self, record_type: &str) -> Vec<RecordId> {
        let mut records: Vec<RecordId> =
            self.devices.iter().filter_map(|device| device.records.get(record_type)).flatten().copied().collect();
        records.sort_unstable();
        records.dedup();
        records
    }

    /// Returns the types of which any device began records.
    #[must_use]
    pub fn record_types(&self) -> Vec<&'static str> {
        let mut types: Vec<&'static str> =
            self.devices.iter().flat_map(|device| device.records.keys().copied()).collect();
        types.sort_unstable();
        types.dedup();
        types
    }
}

/// Builds the ledger while somebody makes the data set.
#[derive(Debug)]
pub struct LedgerBuilder<'a> {
    plan: &'a Plan,
    devices: Vec<DeviceLedger>,
    facts: Vec<Facts>,
}

impl<'a> LedgerBuilder<'a> {
    /// Begins with what the city office records.
    #[must_use]
    pub fn new(dataset: &'a Dataset) -> Self {
        let plan = dataset.plan();
        let office = made(DeviceRef { community: None, device: 0 }, &dataset.city());
        Self { plan, devices: vec![office], facts: vec![Facts::default(); plan.communities.len()] }
    }

    /// Adds a community, in any order.
    pub fn add(&mut self, work: &CommunityWork) {
        for (device, made_by) in (0..).zip(&work.devices) {
            self.devices.push(made(DeviceRef { community: Some(work.index), device }, made_by));
        }
        if let Some(facts) = self.facts.get_mut(work.index) {
            *facts = work.facts.clone();
        }
    }

    /// Counts everything.
    #[must_use]
    pub fn finish(mut self) -> Ledger {
        let plan = self.plan;
        let figures = figures::count(plan, &self.facts);
        self.devices.sort_by_key(|device| device.device);
        let several = contribution::several(&self.facts);
        for device in &mut self.devices {
            if let Some(community) = device.device.community {
                device.contribution = contribution::count(&self.facts, &several, community, device.device.device);
            }
        }
        let duplicates = self.duplicates();
        let confirmed_twice = duplicates.iter().filter(|duplicate| duplicate.confirmed_twice).count();
        let unlinked_members =
            figures.city.r2.verified.saturating_add(u32::try_from(confirmed_twice).unwrap_or(u32::MAX));
        let two_places = plan.visits.iter().filter_map(|visit| two_places(plan, visit)).collect();
        let office = self.office(&duplicates);
        let all = |list: fn(&Facts) -> &[ExpectedConflict]| self.facts.iter().flat_map(list).cloned().collect();
        Ledger {
            unlinked_members,
            duplicates,
            repeated: self.facts.iter().flat_map(|facts| facts.repeated.iter().cloned()).collect(),
            two_places,
            conflicts: all(|facts| &facts.conflicts),
            late: self.facts.iter().map(|facts| facts.late).sum(),
            office,
            city: figures.city,
            districts: figures.districts,
            communities: figures.communities,
            devices: self.devices,
        }
    }

    fn duplicates(&self) -> Vec<Duplicate> {
        let inside = self.facts.iter().flat_map(|facts| facts.duplicates.iter().cloned());
        let across = self.plan.visits.iter().filter_map(|visit| {
            let person = self.plan.person(visit.who);
            Some(people::duplicate(&person, visit.second.as_ref()?, visit.to, visit.confirmed.is_some()))
        });
        inside.chain(across).collect()
    }

    fn office(&self, duplicates: &[Duplicate]) -> Vec<OfficeAction> {
        let links = duplicates.iter().map(|duplicate| OfficeAction::Link { duplicate: duplicate.clone() });
        let decided = self.facts.iter().flat_map(|facts| facts.office.iter().cloned());
        let moves = self.plan.moves.iter().map(|travel| OfficeAction::Move {
            number: travel.number,
            person: travel.person,
            from: travel.from,
            to: travel.to,
            on: travel.on.clone(),
            needs: vec![DeviceRef { community: Some(travel.from), device: self.plan.person(travel.who).device }],
        });
        links.chain(decided).chain(moves).collect()
    }
}

/// Lists what one device made.
fn made(device: DeviceRef, work: &DeviceWork) -> DeviceLedger {
    let mut records: BTreeMap<&'static str, Vec<RecordId>> = BTreeMap::new();
    let mut changes = 0_u32;
    for edit in work.actions.iter().flat_map(|action| &action.edits) {
        changes = changes.saturating_add(1);
        if edit.kind == EditKind::Create {
            records.entry(edit.record_type).or_default().push(edit.record);
        }
    }
    DeviceLedger {
        device,
        label: work.label.clone(),
        saves: u32::try_from(work.actions.len()).unwrap_or(u32::MAX),
        changes,
        records,
        contribution: Contribution::default(),
    }
}

/// Describes a visit as a person confirmed at two places, if it is one.
fn two_places(plan: &Plan, visit: &Visit) -> Option<TwoPlaces> {
    let person = plan.person(visit.who);
    let second = visit.second.as_ref().map(|second| second.record);
    let (home, there) = (person.confirmed?, visit.confirmed?);
    let code = |place: usize| plan.communities.get(place).map_or("", |community| community.code.as_str());
    let at_home = (derive::check_in(person.record, code(visit.who.community)), visit.who.community);
    let at_other = (derive::check_in(second.unwrap_or(person.record), code(visit.to)), visit.to);
    let ((earlier, earlier_at), (later, later_at)) =
        if home < there { (at_home, at_other) } else { (at_other, at_home) };
    let canonical = second.map_or(person.record, |second| second.min(person.record));
    Some(TwoPlaces { person: canonical, earlier, earlier_at, later, later_at, same_record: second.is_none() })
}
