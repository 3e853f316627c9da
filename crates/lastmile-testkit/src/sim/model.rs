//! The reference model beside the replicas: the relay's logs in its words, and what the relay shows held against it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use lastmile_crdt::{Action, Change, ConflictKind, decode, read_header};
use lastmile_log::{ChangeEntry, Commit, Issuer, MAX_RAW, Trust, unpack};
use lastmile_model::{AuthorId, Catalogue, RecordId, Scope, Value};
use lastmile_store::{FullRecord, Reader, Store, StoreError};

use super::world::{Check, World};
use crate::reference::{Body, Change as Line, Commit as Known, Field, Letters, Op, Record, State, Val, evaluate};

/// The record files, which the model reads by itself.
const FILES: [&str; 15] = [
    include_str!("../../../../schema/records/activity.toml"),
    include_str!("../../../../schema/records/certificate.toml"),
    include_str!("../../../../schema/records/check_in.toml"),
    include_str!("../../../../schema/records/grant.toml"),
    include_str!("../../../../schema/records/merge_link.toml"),
    include_str!("../../../../schema/records/org.toml"),
    include_str!("../../../../schema/records/pairing.toml"),
    include_str!("../../../../schema/records/participation.toml"),
    include_str!("../../../../schema/records/person.toml"),
    include_str!("../../../../schema/records/place.toml"),
    include_str!("../../../../schema/records/tally.toml"),
    include_str!("../../../../schema/records/team.toml"),
    include_str!("../../../../schema/records/verdict.toml"),
    include_str!("../../../../schema/records/revocation.toml"),
    include_str!("../../../../schema/records/erasure.toml"),
];

fn letters() -> &'static Letters {
    static LETTERS: OnceLock<Letters> = OnceLock::new();
    LETTERS.get_or_init(|| Letters::read(FILES))
}

fn val(value: &Value) -> Val {
    match value {
        Value::Null => Val::Null,
        Value::Bool(value) => Val::Bool(*value),
        Value::Int(value) => Val::Int(*value),
        Value::Uint(value) => Val::Uint(*value),
        Value::F64(bits) => Val::Float(*bits),
        Value::Str(text) => Val::Text(text.clone()),
        Value::Bytes(bytes) => Val::Bytes(bytes.clone()),
        Value::Timestamp(at) => Val::Timestamp(*at),
        Value::Counter(start) => Val::Other(8, start.to_be_bytes().to_vec()),
        Value::Unknown { code, bytes } => Val::Other(*code, bytes.clone()),
    }
}

/// Whether a first change is one of the record that its commit says.
fn names_its_record(entry: &ChangeEntry, change: &Change) -> bool {
    let value_of = |name: &str| {
        change.ops.iter().find(|op| op.key == name).and_then(|op| match &op.action {
            Action::Set(value) => Some(value),
            Action::Delete => None,
        })
    };
    let known = Catalogue::builtin().get(&entry.record_type);
    let derived = known.and_then(|(_, known)| known.derive_id(value_of));
    value_of("id") == Some(&Value::reference(entry.record))
        && value_of("type").and_then(Value::as_str) == Some(entry.record_type.as_str())
        && derived.is_none_or(|id| id == entry.record)
}

fn body(entry: &ChangeEntry, bytes: Option<&[u8]>) -> Body {
    let Some(bytes) = bytes else { return Body::Erased };
    if read_header(bytes).is_ok_and(|header| header != entry.header) {
        return Body::Impostor;
    }
    let Ok(change) = decode(bytes) else { return Body::Unreadable };
    if change.deps.is_empty() && !names_its_record(entry, &change) {
        return Body::Unreadable;
    }
    let ops = change.ops.iter().map(|op| Op {
        key: op.key.clone(),
        value: match &op.action {
            Action::Set(value) => Some(val(value)),
            Action::Delete => None,
        },
        preds: op.pred.iter().map(|pred| (pred.counter, pred.actor.0)).collect(),
    });
    Body::Ops(ops.collect())
}

/// The authors that one goes on for, directly or through others.
fn followed(trust: &Trust, author: AuthorId) -> BTreeSet<[u8; 16]> {
    let (mut found, mut open) = (BTreeSet::new(), vec![author]);
    while let Some(author) = open.pop() {
        for certificate in trust.certificates(author) {
            if let Issuer::Predecessor(before) = certificate.issuer
                && found.insert(before.0)
            {
                open.push(before);
            }
        }
    }
    found
}

fn known(commit: &Commit, chain: [u8; 32], office: bool, follows: &BTreeSet<[u8; 16]>) -> Known {
    let header = &commit.header;
    let changes = header.changes.iter().zip(&commit.bodies).map(|(entry, bytes)| Line {
        record_type: entry.record_type.clone(),
        record: *entry.record.as_bytes(),
        hash: entry.header.hash.0,
        deps: entry.header.deps.iter().map(|dep| dep.0).collect(),
        actor_seq: entry.header.seq,
        start_op: entry.header.start_op,
        op_count: entry.header.op_count,
        body: body(entry, bytes.as_deref()),
    });
    Known {
        scope: header.scope.to_string(),
        author: header.author.0,
        seq: header.seq,
        chain,
        prev: header.prev.0,
        office,
        follows: follows.clone(),
        changes: changes.collect(),
    }
}

/// Every sealed commit of a scope.
fn logs(store: &mut Store, scope: &Scope) -> Result<Vec<Known>, StoreError> {
    let mut found: BTreeMap<[u8; 32], Known> = BTreeMap::new();
    let segments: Vec<_> = store.vector(scope).entries().map(|entry| entry.segment).collect();
    for segment in segments {
        let office = store.trust().is_some_and(|trust| trust.is_office(segment.author));
        let follows = store.trust().map(|trust| followed(trust, segment.author)).unwrap_or_default();
        let (batches, _) = store.path_batches(scope, &segment, 0, u64::MAX)?;
        for batch in batches {
            let run = unpack(&batch.packed, MAX_RAW)?;
            for (place, commit) in run.commits.iter().enumerate() {
                if let Some(whole) = run.to_commit(place) {
                    found.entry(commit.chain.0).or_insert_with(|| known(&whole, commit.chain.0, office, &follows));
                }
            }
        }
    }
    Ok(found.into_values().collect())
}

/// What every device writes into its own first change of a record: differing there is no question to anybody.
const UNLISTED: [&str; 4] = ["schema_v", "created_at", "created_by", "device"];

/// What differs between a record of the model and the relay's.
fn difference(model: &Record, shown: &FullRecord) -> Option<String> {
    let fields: BTreeMap<&String, &Val> =
        model.fields.iter().filter_map(|(name, field)| Some((name, field.shown.as_ref()?))).collect();
    let values: BTreeMap<&String, Val> = shown.values.iter().map(|(name, value)| (name, val(value))).collect();
    for name in fields.keys().chain(values.keys()).collect::<BTreeSet<_>>() {
        if fields.get(*name).copied() != values.get(*name) {
            return Some(format!("{name} is {:?}, the model says {:?}", values.get(*name), fields.get(*name)));
        }
    }
    if model.sets != shown.sets {
        return Some(format!("sets are {:?}, the model says {:?}", shown.sets, model.sets));
    }
    let events: BTreeSet<(String, String)> = shown
        .events
        .iter()
        .map(|event| {
            let kind = event.parts.get("kind").and_then(Value::as_str).unwrap_or_default();
            (event.id.simple().to_string(), kind.to_owned())
        })
        .collect();
    let said: BTreeSet<(String, String)> =
        model.events.iter().map(|(id, event)| (id.clone(), event.kind.clone())).collect();
    if events != said {
        return Some(format!("events are {events:?}, the model says {said:?}"));
    }
    let open = |field: &Field| field.conflict || field.correction;
    let said: BTreeSet<&String> = model
        .fields
        .iter()
        .filter(|(name, field)| open(field) && !UNLISTED.contains(&name.as_str()))
        .map(|(name, _)| name)
        .collect();
    let listed: BTreeSet<&String> = shown
        .conflicts
        .iter()
        .filter(|one| one.field != "state" && (one.kind.is_held() || one.kind == ConflictKind::Immutable))
        .map(|one| &one.field)
        .collect();
    (said != listed).then(|| format!("open questions are {listed:?}, the model says {said:?}"))
}

impl World {
    /// P5, P6: what the relay shows is what the reference model makes of the same logs.
    pub fn check_reference(&mut self) -> Check {
        let told = |error: StoreError| format!("the relay cannot be read: {error:?}");
        for scope in self.scopes.clone() {
            let (Some(relay), Some(reader)) = (&mut self.hub.relay, &mut self.hub.reader) else { return Ok(()) };
            let commits = relay.with_store(|store| logs(store, &scope)).map_err(told)?;
            let views = evaluate(&commits, letters());
            let counts = reader.counts(Some(&scope)).map_err(told)?;
            let of = |state: State| views.counts.get(&state).copied().unwrap_or(0);
            let model = [State::Applied, State::Waiting, State::Quarantined, State::Opaque, State::Erased].map(of);
            let shown = [counts.applied, counts.waiting, counts.quarantined, counts.opaque, counts.erased];
            if model != shown {
                return Err(format!(
                    "P3: {scope} has {shown:?} applied, waiting, quarantined, opaque, erased; the model says {model:?}"
                ));
            }
            self.check_expected(&scope, &views)?;
            let Some(reader) = &mut self.hub.reader else { return Ok(()) };
            for ((_, kind, id), record) in &views.records {
                if let Some(what) = compare(reader, &scope, kind, RecordId::from_bytes(*id), record).map_err(told)? {
                    return Err(format!("P6: {kind} {}: {what}", RecordId::from_bytes(*id)));
                }
            }
        }
        self.note("held against the model");
        Ok(())
    }
}

fn compare(
    reader: &mut Reader,
    scope: &Scope,
    kind: &str,
    id: RecordId,
    model: &Record,
) -> Result<Option<String>, StoreError> {
    if Catalogue::builtin().get(kind).is_none() {
        return Ok(model.row.then(|| "the model shows a row of an unknown type".to_owned()));
    }
    match reader.record(kind, id, Some(scope)) {
        Ok(_) if !model.row => Ok(Some("it shows, the model says that it does not".to_owned())),
        Ok(shown) => Ok(difference(model, &shown)),
        Err(StoreError::NoRecord { .. }) if model.row => {
            Ok(Some("it does not show, the model says that it does".to_owned()))
        }
        Err(StoreError::NoRecord { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
