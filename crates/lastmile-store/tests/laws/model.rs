//! What a set of commits comes to, worked out slowly and apart from the store.

use std::collections::{BTreeMap, BTreeSet};

use lastmile_crdt::{Action, Change, Known, decode, evaluate};
use lastmile_log::{Commit, chain_hash};
use lastmile_model::{AuthorId, Catalogue, ChainHash, ChangeHash, RecordId, Value};
use lastmile_store::query::Query;
use lastmile_store::storage::Cell;
use lastmile_store::{ChangeState, Counts, Reader};

use crate::story::{Story, is_erased};
use crate::support::{OFFICE, author};

/// The columns of activities and check-ins that are compared.
const COLUMNS: [(&str, [&str; 3]); 2] =
    [("activity", ["title", "beneficiaries", "note"]), ("check_in", ["basis", "address_building", "community"])];

/// The cells of those columns, by type and record.
pub type Rows = BTreeMap<(&'static str, RecordId), Vec<Cell<'static>>>;

/// What the office says of a range: whose, from, to, chain, whether it hides.
type Verdict = (AuthorId, u64, u64, ChainHash, bool);

/// Changes by commit and place in it.
type Places = BTreeSet<(ChainHash, usize)>;

/// One change of a record: its commit, its place in it, its state.
type Stated<'s> = (&'s Commit, usize, ChangeState);

/// Works out the counts and rows of these commits of a story.
pub fn expected(story: &Story, held: &BTreeSet<ChainHash>) -> (Counts, Rows) {
    let commits: Vec<&Commit> = held.iter().map(|chain| &story.commits[chain]).collect();
    let verdicts = verdicts(&commits);
    let mut records: BTreeMap<(&str, RecordId), Vec<(&Commit, usize)>> = BTreeMap::new();
    for commit in &commits {
        for (place, entry) in commit.header.changes.iter().enumerate() {
            records.entry((&entry.record_type, entry.record)).or_default().push((commit, place));
        }
    }
    let mut counts = Counts::default();
    let mut rows = Rows::new();
    for ((kind, record), changes) in records {
        let (stated, placed) = states(story, kind, &changes, &verdicts);
        for (.., state) in &stated {
            match state {
                ChangeState::Applied => counts.applied += 1,
                ChangeState::Waiting => counts.waiting += 1,
                ChangeState::Quarantined => counts.quarantined += 1,
                ChangeState::Opaque => counts.opaque += 1,
                ChangeState::Erased => counts.erased += 1,
                ChangeState::Pending => counts.pending += 1,
            }
        }
        if let Some((kind, columns)) = COLUMNS.iter().find(|(name, _)| *name == kind)
            && let Some(cells) = row(kind, columns, &stated, &placed)
        {
            rows.insert((kind, record), cells);
        }
    }
    (counts, rows)
}

/// What the office said last of each range, in the order of its log.
fn verdicts(commits: &[&Commit]) -> Vec<Verdict> {
    let mut of_office: Vec<&&Commit> = commits.iter().filter(|commit| commit.header.author == author(OFFICE)).collect();
    of_office.sort_by_key(|commit| commit.header.seq);
    let mut verdicts: BTreeMap<RecordId, Verdict> = BTreeMap::new();
    for commit in of_office {
        let changes = commit.header.changes.iter().zip(&commit.bodies);
        for (entry, body) in changes.filter(|(entry, _)| entry.record_type == "verdict") {
            let change = decode(body.as_deref().unwrap()).unwrap();
            let said = verdicts.entry(entry.record).or_insert((AuthorId([0; 16]), 0, 0, ChainHash::ZERO, false));
            for op in &change.ops {
                let Action::Set(value) = &op.action else { continue };
                match op.key.as_str() {
                    "author" => said.0 = AuthorId::from_slice(value.as_bytes().unwrap()).unwrap(),
                    "from_seq" => said.1 = number(value),
                    "to_seq" => said.2 = number(value),
                    "chain" => said.3 = ChainHash::from_slice(value.as_bytes().unwrap()).unwrap(),
                    "action" => said.4 = value.as_str() == Some("quarantine"),
                    _ => {}
                }
            }
        }
    }
    verdicts.into_values().collect()
}

fn number(value: &Value) -> u64 {
    match value {
        Value::Int(number) => u64::try_from(*number).unwrap(),
        _ => panic!("no number"),
    }
}

fn is_quarantined(verdicts: &[Verdict], commit: &Commit) -> bool {
    let header = &commit.header;
    header.author != author(OFFICE)
        && verdicts.iter().any(|(whose, from, to, chain, hides)| {
            let here = from != to || *chain == chain_hash(header);
            *hides && here && *whose == header.author && (*from..=*to).contains(&header.seq)
        })
}

/// The state of each change of one record, and which have a place in its history.
fn states<'s>(
    story: &Story,
    kind: &str,
    changes: &[(&'s Commit, usize)],
    verdicts: &[Verdict],
) -> (Vec<Stated<'s>>, Places) {
    let known_type = Catalogue::builtin().get(kind);
    let outside = outsiders(story, changes);
    let is_outside = |commit: &Commit, place: usize| outside.contains(&(chain_hash(&commit.header), place));
    let mut placed: BTreeSet<ChangeHash> = BTreeSet::new();
    loop {
        let before = placed.len();
        for (commit, place) in changes.iter().filter(|(commit, place)| !is_outside(commit, *place)) {
            let header = &commit.header.changes[*place].header;
            if header.deps.iter().all(|dep| placed.contains(dep)) {
                placed.insert(header.hash);
            }
        }
        if placed.len() == before {
            break;
        }
    }
    let state = |commit: &Commit, place: usize| {
        let hash = commit.header.changes[place].header.hash;
        let Some((_, record_type)) = known_type.filter(|_| !is_erased(&story.erasures, commit, place)) else {
            let erased = is_erased(&story.erasures, commit, place);
            return if erased { ChangeState::Erased } else { ChangeState::Opaque };
        };
        if is_outside(commit, place) {
            ChangeState::Opaque
        } else if !placed.contains(&hash) {
            ChangeState::Waiting
        } else if is_quarantined(verdicts, commit) {
            ChangeState::Quarantined
        } else if story.opaque.contains(&hash) || (record_type.office_only && commit.header.author != author(OFFICE)) {
            ChangeState::Opaque
        } else {
            ChangeState::Applied
        }
    };
    let stated = changes.iter().map(|(commit, place)| (*commit, *place, state(commit, *place)));
    let stated: Vec<Stated<'_>> = stated.collect();
    let placed = stated
        .iter()
        .filter(|(commit, place, _)| {
            !is_outside(commit, *place) && placed.contains(&commit.header.changes[*place].header.hash)
        })
        .map(|(commit, place, _)| (chain_hash(&commit.header), *place))
        .collect();
    (stated, placed)
}

/// The changes of which their commits say what is not so: bytes tell, or somebody else's word on the same hash is better.
fn outsiders(story: &Story, changes: &[(&Commit, usize)]) -> Places {
    let erased = |commit: &Commit, place: usize| is_erased(&story.erasures, commit, place);
    let own = |commit: &Commit, place: usize| {
        let body = commit.bodies[place].as_deref().filter(|_| !erased(commit, place));
        body.and_then(|body| lastmile_crdt::read_header(body).ok())
    };
    let lies = |commit: &Commit, place: usize| {
        own(commit, place).is_some_and(|own| own != commit.header.changes[place].header)
    };
    let mut best = BTreeMap::new();
    for (commit, place) in changes.iter().filter(|(commit, place)| !lies(commit, *place)) {
        let header = &commit.header.changes[*place].header;
        let standing = if own(commit, *place).is_some() { 0 } else { u8::from(!erased(commit, *place)) + 1 };
        let this = ((standing, header.start_op, commit.header.seq, chain_hash(&commit.header), *place), header);
        let best = best.entry(header.hash).or_insert(this);
        if this.0 < best.0 {
            *best = this;
        }
    }
    let is_outside = |(commit, place): &&(&Commit, usize)| {
        let header = &commit.header.changes[*place].header;
        lies(commit, *place) || best[&header.hash].1 != header
    };
    changes.iter().filter(is_outside).map(|(commit, place)| (chain_hash(&commit.header), *place)).collect()
}

/// The cells that a record shows; none when it shows nothing.
fn row(kind: &str, columns: &[&str], stated: &[Stated<'_>], placed: &Places) -> Option<Vec<Cell<'static>>> {
    let (_, record_type) = Catalogue::builtin().get(kind).unwrap();
    let decoded: BTreeMap<ChangeHash, Change> = stated
        .iter()
        .filter(|(.., state)| *state == ChangeState::Applied)
        .map(|(commit, place, _)| decode(commit.bodies[*place].as_deref().unwrap()).unwrap())
        .map(|change| (change.hash, change))
        .collect();
    // Given twice, evaluation takes a change as hidden if it is so once.
    let known: Vec<Known<'_>> = stated
        .iter()
        .filter(|(commit, place, _)| placed.contains(&(chain_hash(&commit.header), *place)))
        .map(|(commit, place, state)| (&commit.header.changes[*place].header, state))
        .map(|(header, state)| match state {
            ChangeState::Applied => Known::visible(&decoded[&header.hash]),
            _ => Known::hidden(header),
        })
        .collect();
    let record = evaluate(Some(record_type), &known);
    if decoded.is_empty() || !record.incomplete.is_empty() {
        return None;
    }
    let cell = |name: &&str| match record.value(name) {
        Some(Value::Int(number)) => Cell::Int(*number),
        Some(value) => Cell::Text(value.as_str().unwrap().to_owned().into()),
        None => Cell::Null,
    };
    Some(columns.iter().map(cell).collect())
}

/// The rows that a replica shows, in the model's terms.
pub fn shown(reader: &Reader) -> Rows {
    let mut rows = Rows::new();
    for (kind, columns) in COLUMNS {
        let query = Query::new(reader.type_no(kind).unwrap(), &columns);
        rows.extend(reader.rows(&query).unwrap().into_iter().map(|row| ((kind, row.id), row.cells)));
    }
    rows
}
