//! The ledger agrees with what the saves themselves add up to, by the definitions of the report catalogue.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use lastmile_model::duties::DutyRules;
use lastmile_model::states::{ACTIVITY, CHECK_IN, Folded, Machine, PAIRING, Span, StateEvent};
use lastmile_model::{Key, RecordId, Value, civil, derive};
use lastmile_testkit::acceptance::{Columns, ConflictKind, DeviceRef, Figures, Host, OfficeAction};
use lastmile_testkit::{Dataset, DeviceWork, Ledger, RecordEdit, Scale, generate};

#[derive(Default)]
struct Record {
    community: Option<usize>,
    values: BTreeMap<String, Value>,
    events: Vec<BTreeMap<String, Value>>,
}

impl Record {
    fn text(&self, key: &str) -> &str {
        self.values.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn reference(&self, key: &str) -> Option<RecordId> {
        self.values.get(key).and_then(Value::as_record)
    }

    fn fold(&self, machine: &Machine) -> Folded {
        let known: Vec<usize> = (0..self.events.len()).collect();
        let events: Vec<StateEvent<'_>> = self
            .events
            .iter()
            .enumerate()
            .map(|(place, parts)| StateEvent {
                kind: parts["kind"].as_str().unwrap(),
                on: parts.get("on").and_then(|on| civil::parse_date(on.as_str()?)),
                to: parts.get("to"),
                change: place,
                after: &known[..place],
            })
            .filter(|event| machine.knows(event.kind))
            .collect();
        machine.fold(&events)
    }

    fn event(&mut self, kind: &str, on: Option<&str>) {
        let mut parts = BTreeMap::from([("kind".to_owned(), Value::from(kind))]);
        parts.extend(on.map(|on| ("on".to_owned(), Value::from(on))));
        self.events.push(parts);
    }
}

type Records = BTreeMap<&'static str, BTreeMap<RecordId, Record>>;

fn apply(records: &mut Records, community: Option<usize>, edit: RecordEdit) {
    let record = records.entry(edit.record_type).or_default().entry(edit.record).or_default();
    record.community = community;
    let mut events: BTreeMap<uuid::Uuid, BTreeMap<String, Value>> = BTreeMap::new();
    let mut order = Vec::new();
    for (key, value) in edit.values {
        match Key::parse(&key) {
            Some(Key::Event(id, part)) => {
                if !events.contains_key(&id) {
                    order.push(id);
                }
                events.entry(id).or_default().insert(part.to_owned(), value);
            }
            _ => _ = record.values.insert(key, value),
        }
    }
    record.events.extend(order.into_iter().filter_map(|id| events.remove(&id)));
}

/// One save and the community that it was made in.
type Saved = (Option<usize>, Vec<RecordEdit>);

/// Everything that happened, perhaps without one device, up to the office's decisions.
fn replay(dataset: &Dataset, ledger: &Ledger, without: Option<DeviceRef>) -> (Records, BTreeMap<RecordId, RecordId>) {
    let mut records = Records::new();
    let mut waves: BTreeMap<u8, Vec<Saved>> = BTreeMap::new();
    let mut take = |community: Option<usize>, devices: Vec<DeviceWork>| {
        for (number, device) in (0..).zip(devices) {
            for action in device.actions {
                let here = |device| Some(DeviceRef { community, device }) == without;
                if !here(number) && !action.needs.is_some_and(here) {
                    waves.entry(action.wave).or_default().push((community, action.edits));
                }
            }
        }
    };
    take(None, vec![dataset.city()]);
    dataset.communities().for_each(|work| take(Some(work.index), work.devices));
    for (community, edits) in waves.into_values().flatten() {
        edits.into_iter().for_each(|edit| apply(&mut records, community, edit));
    }
    for conflict in &ledger.conflicts {
        let gone = |device| Some(DeviceRef { community: Some(conflict.community), device }) == without;
        let all_there = !conflict.candidates.iter().any(|(_, device)| gone(*device));
        if !all_there {
            continue;
        }
        let record = records.get_mut(conflict.record_type).unwrap().get_mut(&conflict.record).unwrap();
        if conflict.kind == ConflictKind::Transition {
            // The replay has one order, the devices had none: the step that is held never was.
            let held = &conflict.candidates[1].0;
            record.events.retain(|event| event["kind"] != *held);
        } else if let Some(shown) = conflict.shown.clone() {
            record.values.insert(conflict.field.to_owned(), shown);
        }
    }
    let mut links = BTreeMap::new();
    for action in &ledger.office {
        decide(dataset, &mut records, &mut links, action, without);
    }
    (records, links)
}

fn decide(
    dataset: &Dataset,
    records: &mut Records,
    links: &mut BTreeMap<RecordId, RecordId>,
    action: &OfficeAction,
    without: Option<DeviceRef>,
) {
    let possible = |needs: &[DeviceRef]| without.is_none_or(|without| !needs.contains(&without));
    let mut of = |record_type: &'static str, id: &RecordId| records.get_mut(record_type).unwrap().remove(id);
    match action {
        OfficeAction::Link { duplicate } => {
            links.insert(duplicate.other, duplicate.canonical);
        }
        OfficeAction::MarkDuplicate { duplicate, needs } if possible(needs) => {
            let mut record = of("activity", &duplicate.repeated).unwrap();
            record.values.insert("duplicate_of".to_owned(), Value::reference(duplicate.original));
            record.event("duplicate", None);
            records.get_mut("activity").unwrap().insert(duplicate.repeated, record);
        }
        OfficeAction::Resolve { record_type, record: id, field, value, needs, .. } if possible(needs) => {
            let mut record = of(record_type, id).unwrap();
            record.values.insert((*field).to_owned(), value.clone());
            records.get_mut(record_type).unwrap().insert(*id, record);
        }
        OfficeAction::Verify { activity, needs, .. } if possible(needs) => {
            let mut record = of("activity", activity).unwrap();
            record.event("verify", None);
            records.get_mut("activity").unwrap().insert(*activity, record);
        }
        OfficeAction::Move { person, from, to, on, needs, .. } if possible(needs) => {
            let code = |place: usize| dataset.plan().communities[place].code.as_str();
            let left = derive::check_in(*person, code(*from));
            let mut record = of("check_in", &left).unwrap();
            record.event("move_out", Some(on));
            let mut joined = Record { community: Some(*to), ..Record::default() };
            joined.values.insert("person".to_owned(), Value::reference(*person));
            joined.event("register", Some(on));
            joined.event("confirm", Some(on));
            let check_ins = records.get_mut("check_in").unwrap();
            check_ins.insert(left, record);
            check_ins.insert(derive::check_in(*person, code(*to)), joined);
        }
        _ => {}
    }
}

/// One check-in as the reports see it.
struct CheckIn {
    community: usize,
    confirmed: Option<NaiveDate>,
    spans: Vec<Span>,
    waits: Option<NaiveDate>,
}

struct Reports<'a> {
    dataset: &'a Dataset,
    records: Records,
    links: BTreeMap<RecordId, RecordId>,
    check_ins: BTreeMap<RecordId, Vec<CheckIn>>,
    /// Standing of every session that is nobody's duplicate: its community and whether it is verified.
    sessions: BTreeMap<RecordId, (usize, bool)>,
    /// Sessions that others repeat, by the others.
    originals: BTreeMap<RecordId, RecordId>,
}

impl<'a> Reports<'a> {
    fn new(dataset: &'a Dataset, ledger: &Ledger, without: Option<DeviceRef>) -> Self {
        let (records, links) = replay(dataset, ledger, without);
        let mut check_ins: BTreeMap<RecordId, Vec<CheckIn>> = BTreeMap::new();
        let last = civil::parse_date(dataset.plan().period_end()).unwrap();
        for record in records["check_in"].values() {
            let folded = record.fold(&CHECK_IN);
            assert!(folded.undated.is_empty());
            let on = record.events.iter().find_map(|event| civil::parse_date(event.get("on")?.as_str()?));
            let person = record.reference("person").unwrap();
            check_ins.entry(*links.get(&person).unwrap_or(&person)).or_default().push(CheckIn {
                community: record.community.unwrap(),
                confirmed: folded.first_confirmed.filter(|day| *day <= last),
                spans: folded.spans,
                waits: on.filter(|day| folded.state == "registered" && *day <= last),
            });
        }
        let mut sessions = BTreeMap::new();
        let mut originals = BTreeMap::new();
        for (id, record) in &records["activity"] {
            let state = record.fold(&ACTIVITY).state;
            match record.reference("duplicate_of") {
                Some(original) => {
                    assert_eq!(state, "duplicate");
                    originals.insert(*id, original);
                }
                None if matches!(state, "verified" | "submitted") => {
                    let date = civil::parse_date(record.text("date")).unwrap();
                    assert!(date <= last);
                    sessions.insert(*id, (record.community.unwrap(), state == "verified"));
                }
                None => {}
            }
        }
        Self { dataset, records, links, check_ins, sessions, originals }
    }

    fn counted(&self, verified: bool) -> impl Iterator<Item = (&RecordId, usize, &Record)> {
        self.sessions
            .iter()
            .filter(move |(_, (_, is_verified))| *is_verified || !verified)
            .map(|(id, (community, _))| (id, *community, &self.records["activity"][id]))
    }

    /// The figures of the scope that holds these communities.
    fn figures(&self, within: &BTreeSet<usize>) -> Figures {
        let mut figures = Figures::default();
        for verified in [true, false] {
            self.members(within, verified, &mut figures);
            self.work(within, verified, &mut figures);
        }
        figures
    }

    fn members(&self, within: &BTreeSet<usize>, verified: bool, figures: &mut Figures) {
        let last = civil::parse_date(self.dataset.plan().period_end()).unwrap();
        let year = self.dataset.plan().year();
        let done = self.done(verified);
        for (person, check_ins) in &self.check_ins {
            let began = |check_in: &&CheckIn| check_in.confirmed.or(check_in.waits.filter(|_| !verified));
            let ever: Vec<&CheckIn> = check_ins.iter().filter(|check_in| began(check_in).is_some()).collect();
            *column(&mut figures.r2, verified) +=
                u32::from(ever.iter().any(|check_in| within.contains(&check_in.community)));
            let order = |check_in: &&&CheckIn| (check_in.confirmed.is_none(), began(check_in));
            if let Some(first) = ever.iter().min_by_key(order) {
                *column(&mut figures.r2_first, verified) += u32::from(within.contains(&first.community));
            }
            let stands = |check_in: &&&CheckIn| {
                check_in.spans.iter().any(|span| span.covers(last)) || (!verified && check_in.waits.is_some())
            };
            let Some(home) = ever.iter().filter(stands).min_by_key(order) else { continue };
            if !within.contains(&home.community) {
                continue;
            }
            *column(&mut figures.r1, verified) += 1;
            let mut spans: Vec<Span> = check_ins.iter().flat_map(|check_in| check_in.spans.clone()).collect();
            if spans.is_empty() {
                spans.push(Span { from: home.waits.unwrap(), until: None });
            }
            let owed = DutyRules::default().owed(year, &spans, None);
            let rate = if verified { &mut figures.r9.verified } else { &mut figures.r9.with_waiting };
            rate.of += 1;
            rate.met += u32::from(done.get(person).copied().unwrap_or(0) >= owed);
        }
    }

    /// Attended pairs of session and person.
    fn attended(&self, verified: bool) -> BTreeSet<(usize, RecordId, RecordId)> {
        let mut pairs = BTreeSet::new();
        for record in self.records["participation"].values() {
            if record.values["attended"] != Value::Bool(true) {
                continue;
            }
            let (activity, person) = (record.reference("activity").unwrap(), record.reference("person").unwrap());
            let activity = *self.originals.get(&activity).unwrap_or(&activity);
            if let Some((community, is_verified)) = self.sessions.get(&activity)
                && (*is_verified || !verified)
            {
                pairs.insert((*community, activity, *self.links.get(&person).unwrap_or(&person)));
            }
        }
        pairs
    }

    fn done(&self, verified: bool) -> BTreeMap<RecordId, u32> {
        let mut done = BTreeMap::new();
        for (_, _, person) in self.attended(verified) {
            *done.entry(person).or_default() += 1;
        }
        done
    }

    fn work(&self, within: &BTreeSet<usize>, verified: bool, figures: &mut Figures) {
        let mut teams = BTreeSet::new();
        for (_, community, record) in self.counted(verified) {
            teams.extend(record.reference("host_team"));
            if !within.contains(&community) {
                continue;
            }
            *column(&mut figures.r4, verified) += 1;
            let served = u64::try_from(record.values["beneficiaries"].as_int().unwrap()).unwrap();
            *column(&mut figures.r7, verified) += served;
            let category = lastmile_model::Catalogue::builtin().get("activity").unwrap().1.field("category").unwrap().1;
            let code: &'static str = category.choice(record.text("category")).unwrap().code.as_str();
            *column(figures.r13.entry(code).or_default(), verified) += 1;
        }
        let attended: Vec<_> = self.attended(verified).into_iter().filter(|pair| within.contains(&pair.0)).collect();
        *column(&mut figures.r5, verified) = count(attended.iter());
        *column(&mut figures.r6, verified) = count(attended.iter().map(|pair| pair.2).collect::<BTreeSet<_>>().iter());
        let whole = within.len() == self.dataset.plan().communities.len();
        let inside = |host: Host| match host {
            Host::Community(place) => within.contains(&place),
            Host::Organisation(_) => whole,
        };
        let plan = self.dataset.plan().teams.iter().filter(|team| inside(team.host));
        *column(&mut figures.r12.active, verified) = count(plan.clone().filter(|team| teams.contains(&team.record)));
        figures.r12.registered = count(plan.clone());
        let members: BTreeSet<&str> = plan
            .flat_map(|team| self.records["team"][&team.record].values.keys())
            .filter_map(|key| key.strip_prefix("members/"))
            .collect();
        figures.r12.members = count(members.iter());
    }
}

fn column<T>(columns: &mut Columns<T>, verified: bool) -> &mut T {
    if verified { &mut columns.verified } else { &mut columns.with_waiting }
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap()
}

/// Leaves out what the replay does not count, and categories without sessions.
fn comparable(figures: &Figures) -> Figures {
    let mut figures = figures.clone();
    figures.r10 = Default::default();
    figures.r12.systems.clear();
    figures.r13.retain(|_, sessions| sessions.with_waiting > 0);
    figures
}

fn judge(dataset: &Dataset) {
    let ledger = dataset.ledger();
    let reports = Reports::new(dataset, &ledger, None);
    let plan = dataset.plan();
    let all: BTreeSet<usize> = (0..plan.communities.len()).collect();
    assert_eq!(reports.figures(&all), comparable(&ledger.city));
    for (code, expected) in &ledger.districts {
        let within =
            all.iter().copied().filter(|place| plan.communities[*place].district() == code).collect::<BTreeSet<_>>();
        if within.len() < all.len() {
            assert_eq!(reports.figures(&within), comparable(expected), "{code}");
        }
    }
    for place in all.iter().copied().filter(|_| all.len() > 1 && all.len() < 100) {
        let expected = comparable(&ledger.communities[place]);
        assert_eq!(reports.figures(&BTreeSet::from([place])), expected, "{}", plan.communities[place].code);
    }
    let confirmed: BTreeSet<RecordId> = reports.records["check_in"]
        .values()
        .filter(|record| record.fold(&CHECK_IN).first_confirmed.is_some())
        .filter_map(|record| record.reference("person"))
        .collect();
    assert_eq!(count(confirmed.iter()), ledger.unlinked_members);
    let active: Vec<&Record> =
        reports.records["pairing"].values().filter(|record| record.fold(&PAIRING).state == "active").collect();
    assert_eq!(count(active.iter()), ledger.city.r10.active);
    let distinct = active.iter().map(|record| record.text("community")).collect::<BTreeSet<_>>();
    assert_eq!(count(distinct.iter()), ledger.city.r10.communities.covered);
    assert_eq!(count(reports.records["org"].keys()), ledger.city.r10.organisations.of);
    assert_eq!(count(reports.records["team"].keys()), ledger.city.r12.registered);
    for record_type in ledger.record_types() {
        let made: Vec<RecordId> = reports.records[record_type].keys().copied().collect();
        let expected = ledger.records(record_type);
        // Moves begin check-ins beyond those that devices made.
        let beyond = if record_type == "check_in" { plan.moves.len() } else { 0 };
        assert_eq!(made.len(), expected.len() + beyond, "{record_type}");
        assert!(expected.iter().all(|id| reports.records[record_type].contains_key(id)));
    }
}

#[test]
fn small_scales_add_up() {
    for seed in [1, 2, 2014] {
        judge(&generate(Scale::Community, seed));
        judge(&generate(Scale::Street, seed));
    }
}

#[test]
#[ignore = "replays every save of a city; run with --release"]
fn the_city_adds_up() {
    judge(&generate(Scale::City, 1));
}

#[test]
fn without_one_device_exactly_its_contribution_is_missing() {
    for (scale, seed) in [(Scale::Community, 1), (Scale::Street, 1), (Scale::Street, 7)] {
        let dataset = generate(scale, seed);
        let ledger = dataset.ledger();
        let all = (0..dataset.plan().communities.len()).collect();
        let whole = Reports::new(&dataset, &ledger, None).figures(&all);
        for device in ledger.devices.iter().filter(|device| device.device.community.is_some()) {
            let left = Reports::new(&dataset, &ledger, Some(device.device)).figures(&all);
            let fallen = device.contribution;
            for verified in [true, false] {
                let of = |figures: &Figures| {
                    let mut figures = figures.clone();
                    let members = u64::from(*column(&mut figures.r2, verified));
                    let sessions = u64::from(*column(&mut figures.r4, verified));
                    let participations = u64::from(*column(&mut figures.r5, verified));
                    [members, sessions, *column(&mut figures.r7, verified), participations]
                };
                let mut fallen = fallen;
                let expected = [
                    u64::from(*column(&mut fallen.members, verified)),
                    u64::from(*column(&mut fallen.sessions, verified)),
                    *column(&mut fallen.served, verified),
                    u64::from(*column(&mut fallen.participations, verified)),
                ];
                let (whole, left) = (of(&whole), of(&left));
                let actual: Vec<u64> = whole.iter().zip(left).map(|(whole, left)| whole - left).collect();
                assert_eq!(actual, expected, "{} verified {verified}", device.label);
            }
        }
    }
}
