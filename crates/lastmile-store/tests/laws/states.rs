//! The states of a change, each produced, carried by a third device, restarted and rebuilt: one test per cell, over both engines.

mod erased;
mod hidden;
mod seen;

use lastmile_log::{Segment, unpack};
use lastmile_store::query::Query;
use lastmile_store::{Counts, Store, ViewMode};

use crate::sites::{Sites, counts, reader};
use crate::support::{OFFICE, author, digest, scope, send};

/// One way to come into a state.
pub struct Case {
    /// Brings it about at the replica `here`.
    pub make: fn(&mut Sites) -> Store,
    /// The changes held, by state.
    pub counts: Counts,
    /// Why changes are not applied, sorted.
    pub reasons: &'static [&'static str],
    /// Title and persons served of each activity shown, by id; what is empty as "" and -1.
    pub rows: &'static [(&'static str, i64)],
    /// Up to which commit the vector and the receipts of authors 2 and 3 may reach.
    pub sealed: [u64; 2],
}

pub const NONE: Counts =
    Counts { applied: 0, waiting: 0, quarantined: 0, opaque: 0, erased: 0, pending: 0, unviewed: 0 };

/// What others see of a replica: counts, reasons, rows, digest.
#[derive(Debug, PartialEq)]
struct Seen {
    counts: Counts,
    reasons: Vec<String>,
    rows: Vec<(String, i64)>,
    digest: [u8; 32],
}

fn seen(store: &Store) -> Seen {
    let mut reasons: Vec<String> = reader(store).odd(None).unwrap().into_iter().map(|(odd, _)| odd.reason).collect();
    reasons.sort();
    let mut query = Query::new(reader(store).type_no("activity").unwrap(), &["title", "beneficiaries"]);
    query = query.order_by("id", false);
    let rows = reader(store).rows(&query).unwrap().into_iter().map(|row| {
        let title = row.cells[0].text().unwrap_or_default().to_owned();
        (title, row.cells[1].int().unwrap_or(-1))
    });
    Seen { counts: counts(store), reasons, rows: rows.collect(), digest: digest(store) }
}

/// How far the vector and what receipts may be signed for reach, of authors 2 and 3.
fn reach(store: &Store) -> [[u64; 2]; 2] {
    let in_vector = |by| store.vector(&scope()).get(&Segment::trunk(author(by))).map_or(0, |(seq, _)| seq);
    let receipted = |by| store.sealed_heads(&scope(), author(by)).iter().map(|head| head.0).max().unwrap_or(0);
    [[2, 3].map(in_vector), [2, 3].map(receipted)]
}

/// How many changes a replica passes on, with their bytes and without.
fn passed_on(store: &mut Store) -> (u64, u64) {
    let (mut whole, mut stubs) = (0, 0);
    for entry in store.vector(&scope()).entries().collect::<Vec<_>>() {
        let (batches, _) = store.path_batches(&scope(), &entry.segment, 0, u64::MAX).unwrap();
        for batch in batches {
            let batch = unpack(&batch.packed, lastmile_log::MAX_RAW).unwrap();
            for (place, commit) in batch.commits.iter().enumerate() {
                let bodies = (0..commit.header.changes.len()).filter(|&change| batch.body(place, change).is_some());
                let bodies = bodies.count() as u64;
                whole += bodies;
                stubs += commit.header.changes.len() as u64 - bodies;
            }
        }
    }
    (whole, stubs)
}

fn is_whole(store: &mut Store) {
    let before = seen(store);
    let rebuilt = store.rebuild(&mut |_, _| {}).unwrap();
    assert_eq!(rebuilt.before, rebuilt.after);
    assert_eq!(seen(store), before);
    assert_eq!(store.check(&mut |_, _| {}).unwrap(), []);
}

pub fn produced(sites: &mut Sites, case: &Case) {
    let mut store = (case.make)(sites);
    let seen = seen(&store);
    assert_eq!(seen.counts, case.counts);
    assert_eq!(seen.reasons, case.reasons);
    let rows: Vec<(&str, i64)> = seen.rows.iter().map(|(title, served)| (title.as_str(), *served)).collect();
    assert_eq!(rows, case.rows);
    assert_eq!(reach(&store), [case.sealed; 2]);
    let Counts { erased, pending, .. } = case.counts;
    assert_eq!(passed_on(&mut store), (case.counts.held() - erased - pending, erased));
}

pub fn carried(sites: &mut Sites, case: &Case) {
    let mut here = (case.make)(sites);
    let (mut carrier, mut there) = (sites.open("carrier"), sites.open("there"));
    if case.counts.erased > 0 {
        // The order stands in the office's log, which goes before the stubs.
        carrier.erase(&scope(), &erased::record(1)).unwrap();
        there.erase(&scope(), &erased::record(1)).unwrap();
    }
    send(&mut here, &mut carrier, ViewMode::Now);
    send(&mut carrier, &mut there, ViewMode::Later);
    while there.follow_views(1).unwrap() {}
    let expected = Seen { counts: Counts { pending: 0, ..case.counts }, ..seen(&here) };
    assert_eq!(seen(&carrier), expected);
    assert_eq!(seen(&there), expected);
    assert_eq!(passed_on(&mut there), passed_on(&mut here));
    assert_eq!(there.vector(&scope()), here.vector(&scope()));
    assert_eq!(send(&mut there, &mut here, ViewMode::Now), []);
    is_whole(&mut there);
}

pub fn restarted(sites: &mut Sites, case: &Case) {
    let mut store = (case.make)(sites);
    let (before, reach_before, passed) = (seen(&store), reach(&store), passed_on(&mut store));
    drop(store);
    let mut store = sites.again("here");
    assert_eq!(seen(&store), before);
    assert_eq!(reach(&store), reach_before);
    assert_eq!(passed_on(&mut store), passed);
    assert!(!store.follow_views(u64::MAX).unwrap());
    assert_eq!(seen(&store), before);
}

pub fn rebuilt(sites: &mut Sites, case: &Case) {
    let mut store = (case.make)(sites);
    is_whole(&mut store);
    drop(store);
    is_whole(&mut sites.again("here"));
}

/// Makes the tests of the cells of these cases.
macro_rules! cells {
    ($($case:ident),* $(,)?) => {
        mod files { $(mod $case { crate::states::cells!(@row super::super::$case, files); })* }
        mod memory { $(mod $case { crate::states::cells!(@row super::super::$case, memory); })* }
    };
    (@row $case:path, $engine:ident) => {
        use crate::{sites::Sites, states};
        #[test] fn produced() { states::produced(&mut Sites::$engine(), &$case()); }
        #[test] fn carried() { states::carried(&mut Sites::$engine(), &$case()); }
        #[test] fn restarted() { states::restarted(&mut Sites::$engine(), &$case()); }
        #[test] fn rebuilt() { states::rebuilt(&mut Sites::$engine(), &$case()); }
    };
}
use cells;

/// The office's word on a commit of an author: made, or changed.
pub fn verdict(office: &mut Store, by: u8, (from, to): (u64, u64), chain: lastmile_model::ChainHash, action: &str) {
    use crate::support::{create, edit, save};
    use lastmile_model::Value;
    let number = |seq: u64| Value::Int(i64::try_from(seq).unwrap());
    let fields = [
        ("author", Value::Bytes(author(by).0.to_vec())),
        ("from_seq", number(from)),
        ("to_seq", number(to)),
        ("chain", Value::Bytes(chain.0.to_vec())),
    ];
    let entering: Vec<&Value> = fields.iter().map(|(_, value)| value).collect();
    let id = lastmile_model::derive::record_id("verdict", &entering).unwrap();
    let known = reader(office).record("verdict", id, None).is_ok();
    let action = ("action", Value::from(action));
    let saved = if known {
        edit("verdict", id, &[action])
    } else {
        create("verdict", id, &fields.into_iter().chain([action]).collect::<Vec<_>>())
    };
    save(office, OFFICE, vec![saved]);
    crate::support::seal(office, OFFICE);
}
