//! The ledger as JSON: what must come out of the data set.

use lastmile_testkit::acceptance::{
    ActivityDuplicate, ConflictKind, DeviceRef, Duplicate, ExpectedConflict, Ledger, Likeness, OfficeAction, Plan,
    TwoPlaces,
};
use serde_json::{Map, Value as Json, json};

use crate::error::CliError;
use crate::given;

/// Writes the ledger, with communities by their codes and devices by their labels.
pub(super) fn json(ledger: &Ledger, plan: &Plan) -> Result<Json, CliError> {
    let names = Names { ledger, plan };
    let records: Map<String, Json> = ledger
        .record_types()
        .into_iter()
        .map(|name| (name.to_owned(), ledger.records(name).iter().map(ToString::to_string).collect::<Vec<_>>().into()))
        .collect();
    let communities: Map<String, Json> = plan
        .communities
        .iter()
        .zip(&ledger.communities)
        .map(|(community, figures)| (community.code.clone(), json!(figures)))
        .collect();
    let devices: Vec<Json> = ledger
        .devices
        .iter()
        .map(|device| {
            let begun: Map<String, Json> =
                device.records.iter().map(|(name, ids)| ((*name).to_owned(), ids.len().into())).collect();
            json!({
                "label": device.label, "saves": device.saves, "changes": device.changes, "records_begun": begun,
                "only_here": device.contribution,
            })
        })
        .collect();
    let conflicts: Result<Vec<Json>, CliError> = ledger.conflicts.iter().map(|one| names.conflict(one)).collect();
    let office: Result<Vec<Json>, CliError> = ledger.office.iter().map(|one| names.action(one)).collect();
    Ok(json!({
        "city": ledger.city,
        "districts": ledger.districts,
        "communities": communities,
        "members_before_linking": ledger.unlinked_members,
        "late_entries": ledger.late,
        "devices": devices,
        "duplicates": ledger.duplicates.iter().map(|one| names.duplicate(one)).collect::<Vec<_>>(),
        "repeated_sessions": ledger.repeated.iter().map(|one| names.repeated(one)).collect::<Vec<_>>(),
        "two_places": ledger.two_places.iter().map(|one| names.two_places(one)).collect::<Vec<_>>(),
        "conflicts": conflicts?,
        "office": office?,
        "records": records,
    }))
}

const fn likeness(likeness: Likeness) -> &'static str {
    match likeness {
        Likeness::IdAndName => "id_and_name",
        Likeness::IdOtherName => "id_other_name",
        Likeness::PhoneAndName => "phone_and_name",
        Likeness::NameAndBirth => "name_and_birth",
    }
}

const fn conflict_kind(kind: ConflictKind) -> &'static str {
    match kind {
        ConflictKind::Listed => "listed",
        ConflictKind::Held => "held",
        ConflictKind::Correction => "correction",
        ConflictKind::Transition => "transition",
    }
}

fn value(value: &lastmile_model::Value) -> Result<Json, CliError> {
    given::to_json(value).ok_or_else(|| CliError::unavailable("generate"))
}

/// Names what the ledger knows by its place in the plan.
struct Names<'l> {
    ledger: &'l Ledger,
    plan: &'l Plan,
}

impl Names<'_> {
    fn community(&self, place: usize) -> &str {
        self.plan.communities.get(place).map_or("", |community| community.code.as_str())
    }

    fn device(&self, device: DeviceRef) -> &str {
        self.ledger.devices.iter().find(|one| one.device == device).map_or("", |one| one.label.as_str())
    }

    fn devices(&self, devices: &[DeviceRef]) -> Vec<&str> {
        devices.iter().map(|device| self.device(*device)).collect()
    }

    fn duplicate(&self, one: &Duplicate) -> Json {
        json!({
            "canonical": one.canonical.to_string(), "other": one.other.to_string(), "likeness": likeness(one.likeness),
            "linked_by_relay": one.likeness.is_automatic(), "community": self.community(one.home),
            "other_community": self.community(one.second_home), "confirmed_twice": one.confirmed_twice,
        })
    }

    fn repeated(&self, one: &ActivityDuplicate) -> Json {
        json!({
            "community": self.community(one.community), "original": one.original.to_string(), "repeated": one.repeated.to_string(),
            "undecided": one.undecided,
        })
    }

    fn two_places(&self, one: &TwoPlaces) -> Json {
        json!({
            "person": one.person.to_string(), "earlier": one.earlier.to_string(), "earlier_community": self.community(one.earlier_at),
            "later": one.later.to_string(), "later_community": self.community(one.later_at), "same_record": one.same_record,
        })
    }

    fn conflict(&self, one: &ExpectedConflict) -> Result<Json, CliError> {
        let mut candidates = Vec::with_capacity(one.candidates.len());
        for (candidate, device) in &one.candidates {
            let device = self.device(DeviceRef { community: Some(one.community), device: *device });
            candidates.push(json!({"value": value(candidate)?, "device": device}));
        }
        Ok(json!({
            "community": self.community(one.community), "type": one.record_type, "record": one.record.to_string(), "field": one.field,
            "kind": conflict_kind(one.kind), "candidates": candidates, "shown": one.shown.as_ref().map(value).transpose()?,
        }))
    }

    fn action(&self, action: &OfficeAction) -> Result<Json, CliError> {
        Ok(match action {
            OfficeAction::Link { duplicate } => json!({"do": "link", "duplicate": self.duplicate(duplicate)}),
            OfficeAction::MarkDuplicate { duplicate, needs } => {
                json!({"do": "mark_duplicate", "duplicate": self.repeated(duplicate), "needs": self.devices(needs)})
            }
            OfficeAction::Resolve { community, record_type, record, field, value: stands, needs } => json!({
                "do": "resolve", "community": self.community(*community), "type": record_type, "record": record.to_string(),
                "field": field, "value": value(stands)?, "needs": self.devices(needs),
            }),
            OfficeAction::Verify { community, activity, needs } => json!({
                "do": "verify", "community": self.community(*community), "activity": activity.to_string(),
                "needs": self.devices(needs),
            }),
            OfficeAction::Move { number, person, from, to, on, needs } => json!({
                "do": "move", "number": number, "person": person.to_string(), "from": self.community(*from),
                "to": self.community(*to), "on": on, "needs": self.devices(needs),
            }),
        })
    }
}
