//! The state of each change of a record: a pure function of what is held.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use lastmile_crdt::{
    Change, ChangeHeader, HeaderInRecord, Malformed, admit, decode, decode_hashed, read_header_hashed,
};
use lastmile_log::ChangeEntry;
use lastmile_model::{AuthorId, ChainHash, ChangeHash, IdRule, RecordId, RecordType, Value, planted};

use crate::storage::{ChangeState, Position};

/// One change of a record as the logs hold it.
#[derive(Debug, Clone)]
pub(crate) struct Held<'b> {
    pub position: Position,
    pub author: AuthorId,
    /// The commit's number and chain hash, by which verdicts name it.
    pub seq: u64,
    pub chain: ChainHash,
    pub entry: &'b ChangeEntry,
    /// `None` for a stub.
    pub body: Option<&'b [u8]>,
    /// Whether the entry's hash was worked out from these very bytes, as Automerge does it.
    pub hashed: bool,
}

impl Held<'_> {
    /// Decodes a change, hashing its bytes only if nobody has.
    fn decode(&self, body: &[u8]) -> Result<Change, Malformed> {
        if self.hashed { decode_hashed(body, self.entry.header.hash) } else { decode(body) }
    }
}

/// Why a change is not applied, as a stable word.
pub(crate) mod reason {
    pub const WAITING: &str = "dependency_unknown";
    pub const VERDICT: &str = "verdict";
    pub const ERASED: &str = "erased";
    pub const NEWER: &str = "newer_version";
    pub const MALFORMED: &str = "malformed";
    pub const HEADER: &str = "header_differs";
    pub const NOT_OFFICE: &str = "not_office";
    pub const WRONG_ID: &str = "wrong_id";
    pub const GATE: &str = "not_admitted";
    pub const TOO_MANY: &str = "too_many_changes";
}

/// What is known about who may do what, and what the office keeps out of sight.
pub(crate) struct Authority<'a> {
    pub is_office: &'a dyn Fn(AuthorId) -> bool,
    pub is_quarantined: &'a dyn Fn(&Held<'_>) -> bool,
}

/// The outcome for one change.
#[derive(Debug)]
pub(crate) struct Judged {
    pub state: ChangeState,
    pub reason: &'static str,
    /// The decoded change, when applied.
    pub change: Option<Change>,
    /// Whether it has a place in the record's history: all its ancestors are known, and it is no impostor.
    pub placed: bool,
}

impl Judged {
    fn odd(state: ChangeState, reason: &'static str) -> Self {
        Self { state, reason, change: None, placed: true }
    }
}

const fn refused(error: Malformed) -> &'static str {
    if error.needs_newer_version() { reason::NEWER } else { reason::MALFORMED }
}

/// Checks what a first change says about itself: its id, its type and, for derived ids, the fields that make the id.
pub(crate) fn identity_holds(record_type: Option<&RecordType>, type_name: &str, id: RecordId, change: &Change) -> bool {
    let value = |key: &str| {
        change.ops.iter().find(|op| op.key == key).and_then(|op| match &op.action {
            lastmile_crdt::Action::Set(value) => Some(value),
            lastmile_crdt::Action::Delete => None,
        })
    };
    let names_itself =
        value("id").and_then(Value::as_record) == Some(id) && value("type").and_then(Value::as_str) == Some(type_name);
    let derived = record_type.is_none_or(|record_type| match record_type.id_rule {
        IdRule::Random => true,
        IdRule::Derived { .. } => record_type.derive_id(value) == Some(id),
    });
    names_itself && derived
}

/// Says whether its author may not write a change, or the office keeps it out of sight.
fn forbidden(record_type: Option<&RecordType>, held: &Held<'_>, authority: &Authority<'_>) -> Option<Judged> {
    // A verdict never names a commit of the office: it could hide itself, and what holds would depend on who looked first.
    if (authority.is_quarantined)(held) && !(authority.is_office)(held.author) && !planted!("visible-quarantine") {
        return Some(Judged::odd(ChangeState::Quarantined, reason::VERDICT));
    }
    if record_type.is_some_and(|record_type| record_type.office_only) && !(authority.is_office)(held.author) {
        return Some(Judged::odd(ChangeState::Opaque, reason::NOT_OFFICE));
    }
    None
}

/// Decodes a change whose dependencies are all known and checks what it says of itself, whoever wrote it; or says why it is opaque.
fn sound(
    record_type: Option<&RecordType>,
    held: &Held<'_>,
    body: &[u8],
    headers: &BTreeMap<ChangeHash, &ChangeHeader>,
) -> Result<Change, &'static str> {
    let change = held.decode(body).map_err(refused)?;
    if change.header() != held.entry.header || change.actor != held.author {
        return Err(reason::HEADER);
    }
    let record = held.entry.record;
    let ancestors =
        |hash: &ChangeHash| headers.get(hash).map(|&header| HeaderInRecord { header: Cow::Borrowed(header), record });
    if admit(&held.entry.header, &change.preds(), record, &ancestors).is_err() {
        return Err(reason::GATE);
    }
    if change.deps.is_empty() && !identity_holds(record_type, &held.entry.record_type, record, &change) {
        return Err(reason::WRONG_ID);
    }
    Ok(change)
}

/// Judges a change whose dependencies are all known.
fn judge_known(
    record_type: Option<&RecordType>,
    held: &Held<'_>,
    authority: &Authority<'_>,
    headers: &BTreeMap<ChangeHash, &ChangeHeader>,
) -> Judged {
    let Some(body) = held.body else { return Judged::odd(ChangeState::Erased, reason::ERASED) };
    if let Some(forbidden) = forbidden(record_type, held, authority) {
        return forbidden;
    }
    match sound(record_type, held, body, headers) {
        Ok(change) => Judged { state: ChangeState::Applied, reason: "", change: Some(change), placed: true },
        Err(reason) => Judged::odd(ChangeState::Opaque, reason),
    }
}

/// Reads a first change as far as it alone decides; none when it depends on others or is not sound.
pub(crate) fn read_first(record_type: &RecordType, held: &Held<'_>) -> Option<Change> {
    let body = held.body.filter(|_| held.entry.header.deps.is_empty())?;
    sound(Some(record_type), held, body, &BTreeMap::new()).ok()
}

/// Says whether a first change that is sound is applied.
pub(crate) fn allows_first(record_type: &RecordType, held: &Held<'_>, authority: &Authority<'_>) -> bool {
    forbidden(Some(record_type), held, authority).is_none()
}

/// The order in which the changes of a record are looked at, by their places: one that every replica agrees on. It matters where one
/// hash stands twice, on two branches or in a faulty log.
pub(crate) fn order(held: &[Held<'_>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..held.len()).collect();
    if held.len() > 1 {
        order.sort_by_key(|&place| {
            held.get(place).map(|one| (one.entry.header.start_op, one.seq, one.chain, one.position.index()))
        });
    }
    order
}

/// The most changes of one author that a record takes. It bounds what a record costs: causality needs a bit for each pair of changes.
pub(crate) const MAX_OF_AUTHOR: usize = 8192;

/// What a change's own bytes say of it; none where there are none, or none that this version reads.
fn own_header(held: &Held<'_>) -> Option<ChangeHeader> {
    let body = held.body.filter(|_| held.hashed)?;
    read_header_hashed(body, held.entry.header.hash).ok()
}

/// Finds the entries that have no part in a record: those which say of a change what its bytes do not, and those beyond
/// [`MAX_OF_AUTHOR`].
///
/// A hash covers the author and everything else that an entry repeats, so of entries that speak differently of one hash one at most is
/// true. What an author writes into an entry of its own never decides what becomes of others' changes, or of those built on its own.
fn outsiders(held: &[Held<'_>], order: &[usize], authority: &Authority<'_>) -> Vec<Option<&'static str>> {
    let mut found = vec![None; held.len()];
    // What the best entry of each hash says: one that its bytes bear out, else one without bytes, else any.
    let mut best: HashMap<ChangeHash, (u8, &ChangeHeader)> = HashMap::with_capacity(held.len());
    let mut of_author: HashMap<AuthorId, Vec<usize>> = HashMap::new();
    for &place in order {
        let (Some(one), Some(found)) = (held.get(place), found.get_mut(place)) else { continue };
        let standing = match own_header(one) {
            Some(own) if own == one.entry.header => 0,
            Some(_) => {
                *found = Some(reason::HEADER);
                continue;
            }
            None if one.body.is_none() => 1,
            None => 2,
        };
        of_author.entry(one.author).or_default().push(place);
        let known = best.entry(one.entry.header.hash).or_insert((standing, &one.entry.header));
        if standing < known.0 {
            *known = (standing, &one.entry.header);
        }
    }
    for places in of_author.into_values().filter(|places| places.len() > MAX_OF_AUTHOR) {
        for place in beyond_the_most(held, places, authority) {
            if let Some(found) = found.get_mut(place) {
                *found = Some(reason::TOO_MANY);
            }
        }
    }
    for (one, found) in held.iter().zip(&mut found) {
        let best = best.get(&one.entry.header.hash);
        if found.is_none() && best.is_some_and(|(_, header)| **header != one.entry.header) {
            *found = Some(reason::HEADER);
        }
    }
    found
}

/// Of an author's changes those that are too many: first what the office keeps out of sight, then what nobody else built on, the latest
/// in the log first. So what is written afterwards pushes nothing out.
fn beyond_the_most(held: &[Held<'_>], mut places: Vec<usize>, authority: &Authority<'_>) -> Vec<usize> {
    let author = places.first().and_then(|&place| held.get(place)).map(|one| one.author);
    let by_hash: HashMap<ChangeHash, &ChangeHeader> =
        held.iter().map(|one| (one.entry.header.hash, &one.entry.header)).collect();
    let mut needed: HashSet<ChangeHash> = HashSet::new();
    let mut open: Vec<ChangeHash> = held
        .iter()
        .filter(|one| Some(one.author) != author)
        .flat_map(|one| one.entry.header.deps.iter().copied())
        .collect();
    while let Some(hash) = open.pop() {
        if needed.insert(hash) {
            open.extend(by_hash.get(&hash).into_iter().flat_map(|header| header.deps.iter().copied()));
        }
    }
    places.sort_by_cached_key(|&place| {
        held.get(place).map(|one| {
            let hidden = (authority.is_quarantined)(one);
            (hidden, !needed.contains(&one.entry.header.hash), one.seq, one.chain, one.position.index())
        })
    });
    places.split_off(MAX_OF_AUTHOR)
}

/// Judges every change of one record.
pub(crate) fn judge(record_type: Option<&RecordType>, held: &[Held<'_>], authority: &Authority<'_>) -> Vec<Judged> {
    let mut headers: BTreeMap<ChangeHash, &ChangeHeader> = BTreeMap::new();
    let mut outcomes: Vec<Option<Judged>> = held.iter().map(|_| None).collect();
    let order = order(held);
    for ((one, outcome), reason) in held.iter().zip(&mut outcomes).zip(outsiders(held, &order, authority)) {
        *outcome = reason.map(|reason| {
            let odd = match one.body {
                Some(_) => Judged::odd(ChangeState::Opaque, reason),
                None => Judged::odd(ChangeState::Erased, reason::ERASED),
            };
            Judged { placed: false, ..odd }
        });
    }
    // Each change is judged once all it depends on are.
    let mut missing: Vec<usize> = held.iter().map(|one| one.entry.header.deps.len()).collect();
    let mut dependents: HashMap<ChangeHash, Vec<usize>> = HashMap::new();
    let is_open = |outcomes: &[Option<Judged>], place: usize| matches!(outcomes.get(place), Some(None));
    for &place in order.iter().filter(|&&place| is_open(&outcomes, place)) {
        for dep in held.get(place).into_iter().flat_map(|one| &one.entry.header.deps) {
            dependents.entry(*dep).or_default().push(place);
        }
    }
    let mut ready: VecDeque<usize> = order.into_iter().filter(|&place| missing.get(place) == Some(&0)).collect();
    while let Some(place) = ready.pop_front() {
        let (Some(one), Some(outcome @ None)) = (held.get(place), outcomes.get_mut(place)) else { continue };
        let header = &one.entry.header;
        *outcome = Some(judge_known(record_type, one, authority, &headers));
        if headers.insert(header.hash, header).is_none() {
            for &dependent in dependents.get(&header.hash).into_iter().flatten() {
                if let Some(missing) = missing.get_mut(dependent) {
                    *missing = missing.saturating_sub(1);
                    if *missing == 0 {
                        ready.push_back(dependent);
                    }
                }
            }
        }
    }
    let waiting = |held: &Held<'_>| match held.body {
        Some(_) => Judged { placed: false, ..Judged::odd(ChangeState::Waiting, reason::WAITING) },
        // What it waits for changes nothing about it.
        None => Judged { placed: false, ..Judged::odd(ChangeState::Erased, reason::ERASED) },
    };
    outcomes.into_iter().zip(held).map(|(outcome, held)| outcome.unwrap_or_else(|| waiting(held))).collect()
}
