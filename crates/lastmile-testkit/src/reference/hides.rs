//! What the office takes out of sight: commits by verdicts and revocations, and the bytes of changes by erasure orders.

use std::collections::{BTreeMap, BTreeSet};

use super::causal::Graph;
use super::merge::{self, Record};
use super::{Body, Commit, Hash, Id, Letters, RecordKey, Val};

/// Finds the commits that verdicts and revocations keep out of sight, as (scope, author, chain hash).
///
/// Both stand in the scope that they speak of, and never name an office commit. Of several unsuperseded actions of a verdict
/// quarantine wins, and so it does of several verdicts. Decided, since a verdict's id follows from its range (`verdict.toml`): a word on
/// one range replaces none on another.
///
/// Decided: a release of exactly one commit lets it out of a revocation as well; a release of a range does not, for it speaks of every
/// side of the log.
pub(super) fn quarantined(
    commits: &[&Commit],
    graphs: &BTreeMap<RecordKey, Graph<'_>>,
    letters: &Letters,
) -> BTreeSet<(String, Id, Hash)> {
    let (mut found, mut released) = (BTreeSet::new(), BTreeSet::new());
    for (key, graph) in graphs.iter().filter(|(key, _)| key.1 == "verdict") {
        let record = merge::record(key, graph, letters);
        let actions = graph.unsuperseded("action", None);
        let quarantines = actions.iter().any(|(_, action)| **action == Val::Text("quarantine".to_owned()));
        let (named, alone) = named(commits, &key.0, &record);
        let places = named.into_iter().filter(|commit| !commit.office).map(place);
        match record.row {
            true if quarantines => found.extend(places),
            true if alone => released.extend(places),
            _ => {}
        }
    }
    found.extend(beyond(commits, graphs, letters).difference(&released).cloned());
    found
}

/// The commits that revocations keep out of sight: of an author that one names all after the last accepted commit and all that is not
/// on the way to it; of an author that none names but that goes on for one, all.
///
/// Decided: while the last accepted commit is not held nobody can tell which side it is on, and its number alone counts.
fn beyond(
    commits: &[&Commit],
    graphs: &BTreeMap<RecordKey, Graph<'_>>,
    letters: &Letters,
) -> BTreeSet<(String, Id, Hash)> {
    let mut revoked: BTreeMap<(String, Id), (i64, Vec<u8>)> = BTreeMap::new();
    for (key, graph) in graphs.iter().filter(|(key, _)| key.1 == "revocation") {
        let record = merge::record(key, graph, letters);
        if let (true, Some(author)) = (record.row, bytes(&record, "author").and_then(|author| author.try_into().ok())) {
            let through = number(&record, "through_seq").unwrap_or(0);
            revoked.insert((key.0.clone(), author), (through, bytes(&record, "chain").unwrap_or_default()));
        }
    }
    let hidden = |commit: &&Commit| {
        let log = |author: Id| (commit.scope.clone(), author);
        match revoked.get(&log(commit.author)) {
            Some((through, _)) if seq(commit) > *through => true,
            Some((through, chain)) => {
                let accepted = commits.iter().find(|other| {
                    (&other.scope, other.author) == (&commit.scope, commit.author)
                        && seq(other) == *through
                        && other.chain[..] == chain[..]
                });
                accepted.is_some_and(|accepted| !leads_to(commits, commit, accepted))
            }
            None => commit.follows.iter().any(|before| revoked.contains_key(&log(*before))),
        }
    };
    commits.iter().copied().filter(|commit| !commit.office).filter(hidden).map(place).collect()
}

/// Whether a commit stands on the way to another of the same log, or is it.
fn leads_to(commits: &[&Commit], commit: &Commit, last: &Commit) -> bool {
    let mut at = last;
    while at.chain != commit.chain {
        let before = commits.iter().find(|other| {
            (&other.scope, other.author) == (&at.scope, at.author) && other.seq + 1 == at.seq && other.chain == at.prev
        });
        match before {
            Some(before) => at = before,
            None => return false,
        }
    }
    true
}

/// The commits as they are once every erasure order that stands among them is carried out: whatever others than the office wrote about
/// a record that one names has no bytes, nor has any change that one names by its hash.
pub(super) fn erased(commits: &[Commit], letters: &Letters) -> Vec<Commit> {
    let mut orders: BTreeMap<RecordKey, Graph<'_>> = BTreeMap::new();
    for commit in commits.iter().filter(|commit| commit.office) {
        for (index, change) in commit.changes.iter().enumerate().filter(|(_, change)| change.record_type == "erasure") {
            let key = (commit.scope.clone(), change.record_type.clone(), change.record);
            orders.entry(key).or_default().add(commit, index, change);
        }
    }
    let (mut records, mut hashes) = (BTreeSet::new(), BTreeSet::new());
    for (key, mut graph) in orders {
        graph.close();
        graph.settle(&BTreeSet::new(), letters);
        let record = merge::record(&key, &graph, letters);
        if let (true, Some(of)) = (record.row, bytes(&record, "record")) {
            records.insert((key.0.clone(), of));
            hashes.extend(record.sets.get("changes").into_iter().flatten().map(|hash| (key.0.clone(), hash.clone())));
        }
    }
    let mut commits = commits.to_vec();
    for commit in &mut commits {
        for change in &mut commit.changes {
            let hash: String = change.hash.iter().map(|byte| format!("{byte:02x}")).collect();
            let of_record = !commit.office && records.contains(&(commit.scope.clone(), change.record.to_vec()));
            if of_record || hashes.contains(&(commit.scope.clone(), hash)) {
                change.body = Body::Erased;
            }
        }
    }
    commits
}

fn place(commit: &Commit) -> (String, Id, Hash) {
    (commit.scope.clone(), commit.author, commit.chain)
}

fn seq(commit: &Commit) -> i64 {
    i64::try_from(commit.seq).unwrap_or(i64::MAX)
}

fn bytes(record: &Record, name: &str) -> Option<Vec<u8>> {
    match record.fields.get(name)?.shown.as_ref()? {
        Val::Bytes(bytes) => Some(bytes.clone()),
        _ => None,
    }
}

fn number(record: &Record, name: &str) -> Option<i64> {
    match record.fields.get(name)?.shown.as_ref()? {
        Val::Int(number) => Some(*number),
        _ => None,
    }
}

/// The commits that a verdict names: one on its branch, or a range on every branch; and whether it names but one.
///
/// Decided: a range speaks of whatever the author's copies wrote in it, so that what it hides depends on nothing but itself.
fn named<'a>(commits: &[&'a Commit], scope: &str, verdict: &Record) -> (Vec<&'a Commit>, bool) {
    let (Some(author), Some(chain)) = (bytes(verdict, "author"), bytes(verdict, "chain")) else {
        return (Vec::new(), false);
    };
    let (Some(from), Some(to)) = (number(verdict, "from_seq"), number(verdict, "to_seq")) else {
        return (Vec::new(), false);
    };
    let meant = |commit: &&Commit| {
        commit.scope == scope
            && commit.author[..] == author[..]
            && (from..=to).contains(&seq(commit))
            && (from != to || commit.chain[..] == chain[..])
    };
    (commits.iter().copied().filter(meant).collect(), from == to)
}
