//! A relay with its office, and devices that type as their screens do.

use chrono::NaiveDate;
use lastmile_client::{Clock as _, Replica, SystemClock, clock};
use lastmile_model::check::CheckContext;
use lastmile_model::input::{self, Entry};
use lastmile_model::{Places, RecordId, Scope};
use lastmile_relay::{ConflictView, Decision, Likeness, OfficeAnswer, OfficeCommand, Selection};
use lastmile_report::words::Lang;
use lastmile_report::{Report, ReportId, ReportRequest, export};
use lastmile_store::Reader;
use lastmile_store::query::Query;

use crate::field::{COMMUNITY, Field, settle};

pub const CITY: &str = "4301";
pub const DISTRICT: &str = "430103";
/// In the same district as [`COMMUNITY`].
pub const NEIGHBOUR: &str = "430103005009";

/// A relay and its office.
pub struct City(pub Field);

impl City {
    pub async fn new() -> Self {
        Self(Field::new().await)
    }

    pub async fn device(&self, name: &str) -> Replica {
        self.0.enrol(name).await
    }

    pub async fn device_in(&self, name: &str, community: &str) -> Replica {
        self.0.enrol_in(name, Scope::community(community).unwrap()).await
    }

    /// Everything reaches everybody, and the relay has drawn its conclusions.
    pub async fn meet(&self, devices: &[&Replica]) {
        for _ in 0..2 {
            for device in devices {
                settle(device).await;
            }
            self.0.relay().settle().await.unwrap();
        }
        for device in devices {
            settle(device).await;
        }
    }

    pub async fn office(&self, command: OfficeCommand) -> OfficeAnswer {
        self.0.relay().office().run(command).await.unwrap()
    }

    pub async fn verify(&self, activities: &[RecordId]) {
        let which = Selection::Ids(activities.iter().map(|id| id.0).collect());
        let answer = self.office(OfficeCommand::Verify { which }).await;
        assert_eq!(answer, OfficeAnswer::Done { done: activities.len(), skipped: Vec::new() });
    }

    pub async fn confirm(&self, check_in: RecordId, on: &str) {
        let which = Selection::Ids(vec![check_in.0]);
        let answer = self.office(OfficeCommand::Confirm { which, on: Some(on.to_owned()) }).await;
        assert_eq!(answer, OfficeAnswer::Done { done: 1, skipped: Vec::new() });
    }

    pub async fn resolve(&self, id: RecordId, field: &str, decision: Decision) {
        let (field, reason) = (field.to_owned(), "照片清点".to_owned());
        self.office(OfficeCommand::Resolve { record_type: None, id: id.0, field, decision, reason }).await;
    }

    /// What the office must decide; with `all` also what settled itself.
    pub async fn conflicts(&self, within: &str, all: bool) -> Vec<ConflictView> {
        let within = Some(within.to_owned());
        match self.office(OfficeCommand::Conflicts { record_type: None, within, all, limit: 0 }).await {
            OfficeAnswer::Conflicts { conflicts, .. } => conflicts,
            other => panic!("{other:?}"),
        }
    }

    /// What is proposed as one: pairs of ids of persons and of activities.
    pub async fn candidates(&self, likeness: Likeness) -> (Vec<[RecordId; 2]>, Vec<[RecordId; 2]>) {
        let command = OfficeCommand::Duplicates { record_type: None, within: None, likeness, limit: 0 };
        match self.office(command).await {
            OfficeAnswer::Duplicates { persons, activities, .. } => (
                persons.iter().map(|pair| [RecordId(pair.one.id), RecordId(pair.other.id)]).collect(),
                activities.iter().map(|pair| [RecordId(pair.one.id), RecordId(pair.other.id)]).collect(),
            ),
            other => panic!("{other:?}"),
        }
    }

    /// A report from 2025 on at the relay.
    pub async fn report(&self, report: ReportId, scope: &str) -> Report {
        self.0.relay().settle().await.unwrap();
        made(&mut self.0.relay().reader().await.unwrap(), report, scope)
    }

    /// A report from 2025 on that says the same at the relay and on every device.
    pub async fn everywhere(&self, report: ReportId, devices: &[&Replica]) -> Report {
        let at_relay = self.report(report, COMMUNITY).await;
        for device in devices {
            let here = device.read(|reader| made(reader, report, COMMUNITY));
            assert_eq!((&here.figures, here.open), (&at_relay.figures, at_relay.open), "{report}");
            assert_eq!(listed(&here), listed(&at_relay), "{report}");
        }
        at_relay
    }
}

/// What stands in a report's list, whatever the order.
fn listed(report: &Report) -> Vec<String> {
    let mut rows: Vec<String> = report.list.iter().flat_map(|list| &list.rows).map(|row| format!("{row:?}")).collect();
    rows.sort();
    rows
}

fn made(reader: &mut Reader, report: ReportId, scope: &str) -> Report {
    let from = NaiveDate::from_ymd_opt(2025, 1, 1).unwrap();
    // The year's duty is asked for the year of the work, everything else up to today.
    let today = clock::civil_date(SystemClock.now_ms());
    let to = if report == ReportId::R9 { NaiveDate::from_ymd_opt(2025, 12, 31).unwrap() } else { today };
    let request = ReportRequest::new(report, scope, from, to, SystemClock.now_ms()).with_list();
    let report = lastmile_report::run(reader, &request).unwrap();
    assert!(report.is_sound(), "{:?}", report.checks);
    report
}

/// The first figure of a report: verified, and with what waits.
pub fn figure(report: &Report) -> (i64, i64) {
    (report.figures[0].verified.count(), report.figures[0].with_pending.count())
}

/// One figure of a report by its key, verified.
pub fn verified(report: &Report, key: &str) -> i64 {
    report.figure(key).unwrap().verified.count()
}

/// The lines above a report as an office reads them.
pub fn head(report: &Report) -> String {
    export::text(report, Lang::Zh).head.join("\n")
}

/// Reads what was typed into a form.
fn typed(replica: &Replica, record_type: &str, fields: &[(&str, &str)]) -> Entry {
    let context = CheckContext::new(clock::civil_date(SystemClock.now_ms())).with_places(Places::changsha());
    let (_, known) = replica.catalogue().get(record_type).unwrap();
    let mut entered = input::enter_all(known, fields.iter().copied(), &context).unwrap();
    input::with_defaults(known, &mut entered, &context);
    Entry::from(entered)
}

/// Saves a new record as typed.
pub fn add(replica: &Replica, record_type: &str, fields: &[(&str, &str)]) -> RecordId {
    add_with(replica, record_type, fields, None)
}

/// Saves a new record as typed, with an event of its course.
pub fn add_with(replica: &Replica, record_type: &str, fields: &[(&str, &str)], event: Option<&str>) -> RecordId {
    let mut draft = replica.draft(None);
    let id = draft.create(record_type, typed(replica, record_type, fields)).unwrap();
    if let Some(kind) = event {
        draft.event(record_type, id, kind, &[]).unwrap();
    }
    draft.save().unwrap();
    id
}

/// Saves changes of a record as typed.
pub fn edit(replica: &Replica, record_type: &str, id: RecordId, fields: &[(&str, &str)]) {
    let context = CheckContext::new(clock::civil_date(SystemClock.now_ms())).with_places(Places::changsha());
    let (_, known) = replica.catalogue().get(record_type).unwrap();
    let entered = input::enter_all(known, fields.iter().copied(), &context).unwrap();
    let mut draft = replica.draft(None);
    draft.edit(record_type, id, Entry::from(entered)).unwrap();
    assert_eq!(draft.save().unwrap()[0].changes, 1);
}

/// A submitted activity of 5 March 2025.
pub fn session(replica: &Replica, title: &str, fields: &[(&str, &str)]) -> RecordId {
    let mut all = vec![("title", title), ("category", "环保清洁"), ("date", "2025-03-05")];
    all.extend(fields);
    add_with(replica, "activity", &all, Some("submit"))
}

pub fn member(replica: &Replica, name: &str, fields: &[(&str, &str)]) -> RecordId {
    let mut all = vec![("name", name), ("party_status", "中共党员"), ("kind", "在职党员")];
    all.extend(fields);
    add(replica, "person", &all)
}

/// Registers a person with the device's community.
pub fn check_in(replica: &Replica, person: RecordId, community: &str, fields: &[(&str, &str)]) -> RecordId {
    let person = person.to_string();
    let mut all = vec![("person", person.as_str()), ("community", community)];
    all.extend(fields);
    add_with(replica, "check_in", &all, Some("register"))
}

pub fn take_part(replica: &Replica, activity: RecordId, person: RecordId, minutes: &str) -> RecordId {
    let (activity, person) = (activity.to_string(), person.to_string());
    add(replica, "participation", &[("activity", &activity), ("person", &person), ("minutes", minutes)])
}

/// How many rows of a type a device lists.
pub fn rows(replica: &Replica, record_type: &str) -> usize {
    replica.read(|reader| reader.rows(&Query::new(reader.type_no(record_type).unwrap(), &[])).unwrap().len())
}

/// The fields of a record that wait for a person.
pub fn held(replica: &Replica, record_type: &str, id: RecordId) -> Vec<String> {
    let record = replica.record(record_type, id).unwrap();
    record.conflicts.into_iter().filter(|one| one.kind.is_held()).map(|one| one.field).collect()
}

/// What a field of a record shows.
pub fn shown(replica: &Replica, record_type: &str, id: RecordId, field: &str) -> Option<lastmile_model::Value> {
    replica.record(record_type, id).unwrap().values.get(field).cloned()
}
