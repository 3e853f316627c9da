//! Runs of commits that can be bent anywhere and put right again: hashes, chain, packing.

use lastmile_crdt::{Base, ChangeHeader, Edit, make_change, read_header};
use lastmile_log::{ChangeEntry, Commit, CommitHeader, MAX_RAW, body_hash, chain_hash, pack, unpack};
use lastmile_model::{AuthorId, ChainHash, RecordId, Value};
use rand::Rng;
use rand::seq::IndexedRandom;
use uuid::Uuid;

use crate::mutate::{self, Random, number, signed_number};
use crate::support::{author, id, scope};
use crate::{change_form, mutate as bend};

/// The authors whose keys the targets hold: the office and two devices.
pub const AUTHORS: [u8; 3] = [1, 2, 3];

/// A first change of a record.
fn first(by: AuthorId, record_type: &str, record: RecordId, more: &[Edit]) -> (ChangeEntry, Option<Vec<u8>>) {
    let mut edits = vec![
        Edit::set("id", Value::reference(record)),
        Edit::set("type", record_type),
        Edit::set("schema_v", 1),
        Edit::set("place_code", "430103005010"),
        Edit::set("created_at", Value::Timestamp(1_764_000_000_000)),
        Edit::set("device", Value::Bytes(by.0.to_vec())),
    ];
    edits.extend_from_slice(more);
    let salt = (record_type == "person").then_some([3; 16]);
    let made = make_change(&Base::EMPTY, by, 1_764_000_000, salt, &edits).unwrap();
    (
        ChangeEntry { record_type: record_type.to_owned(), record, header: made.change.header() },
        Some(made.encoded.bytes),
    )
}

/// A commit after another.
pub fn commit(by: AuthorId, before: Option<&Commit>, changes: Vec<(ChangeEntry, Option<Vec<u8>>)>) -> Commit {
    let (changes, bodies) = changes.into_iter().unzip();
    let header = CommitHeader {
        version: 1,
        scope: scope(),
        author: by,
        seq: before.map_or(1, |before| before.header.seq.wrapping_add(1)),
        prev: before.map_or(ChainHash::ZERO, |before| chain_hash(&before.header)),
        acting: Some(Uuid::from_bytes([5; 16])),
        schema_v: 1,
        hlc: 1_764_000_000_000 << 16,
        wall_ms: 1_764_000_000_000,
        app: "fuzz".to_owned(),
        extension: Vec::new(),
        changes,
    };
    Commit { header, bodies }
}

/// A short honest log: an activity, a person, an edit of the activity.
pub fn log(by: u8) -> Vec<Commit> {
    log_of(author(by), by.into())
}

/// The same log of any author, its records made from a number.
pub fn log_of(by: AuthorId, number: u32) -> Vec<Commit> {
    let activity = [Edit::set("title", "清洁日"), Edit::set("date", "2025-03-05"), Edit::set("beneficiaries", 20)];
    let first_change = first(by, "activity", id(number), &activity);
    let person = [Edit::set("name", "王芳"), Edit::set("phone/13900000000", true), Edit::set("status", "active")];
    let decoded = lastmile_crdt::decode(first_change.1.as_ref().unwrap()).unwrap();
    let known = [lastmile_crdt::Known::visible(&decoded)];
    let base = Base { changes: &known, own_last: None };
    let edit = make_change(&base, by, 1_764_000_100, None, &[Edit::set("title", "义诊")]).unwrap();
    let entry = ChangeEntry { record_type: "activity".to_owned(), record: id(number), header: edit.change.header() };
    let one = commit(by, None, vec![first_change]);
    let two = commit(by, Some(&one), vec![first(by, "person", id(number + 100), &person)]);
    let three = commit(by, Some(&two), vec![(entry, Some(edit.encoded.bytes))]);
    vec![one, two, three]
}

/// Packs commits, or returns none where no honest program could.
pub fn packed(commits: &[Commit]) -> Option<Vec<u8>> {
    pack(&commits.iter().collect::<Vec<_>>()).ok()
}

/// Copies the commits out of a packed run.
pub fn unpacked(bytes: &[u8]) -> Option<Vec<Commit>> {
    let batch = unpack(bytes, MAX_RAW).ok()?;
    Some((0..batch.commits.len()).map(|place| batch.to_commit(place).unwrap()).collect())
}

/// Puts right what a commit says of its changes, and the chain.
pub fn repair(commits: &mut [Commit]) {
    let mut before: Option<(u64, ChainHash)> = None;
    let first = commits.first().map(|commit| commit.header.clone());
    for commit in commits {
        let Some(first) = &first else { return };
        (commit.header.scope, commit.header.author) = (first.scope.clone(), first.author);
        let by = first.author;
        for (entry, body) in commit.header.changes.iter_mut().zip(&commit.bodies) {
            if let Some(body) = body {
                entry.header.hash = body_hash(body);
                if let Ok(header) = read_header(body)
                    && header.actor == by
                {
                    entry.header = header;
                }
            }
            entry.header.actor = by;
            entry.header.deps.sort_unstable();
            entry.header.deps.dedup();
        }
        if let Some((seq, chain)) = before {
            (commit.header.seq, commit.header.prev) = (seq.wrapping_add(1), chain);
        }
        before = Some((commit.header.seq, chain_hash(&commit.header)));
    }
}

/// Does one thing to a run of commits; it is put right afterwards, so most of what comes out packs.
pub fn mutate_commits(commits: &mut Vec<Commit>, rng: &mut Random) {
    if commits.is_empty() {
        commits.extend(log(*AUTHORS.choose(rng).unwrap()));
    }
    let place = rng.random_range(0..commits.len());
    match rng.random_range(0..14) {
        0 => {
            let header = &mut commits[place].header;
            match rng.random_range(0..7) {
                0 => header.hlc = number(rng),
                1 => header.wall_ms = signed_number(rng),
                2 => header.acting = rng.random_bool(0.5).then(|| Uuid::from_bytes([rng.random(); 16])),
                3 => header.schema_v = number(rng) as u32,
                4 => header.app = bend::text(rng),
                5 => header.extension = vec![1; *[0, 1, 4096, 4097].choose(rng).unwrap()],
                _ => header.seq = number(rng),
            }
        }
        1 => {
            commits.truncate(place + 1);
        }
        2 => drop(commits.drain(..place)),
        3 => {
            let again = commits[place].clone();
            commits.push(again);
        }
        4 => {
            // One more commit with a change that stands on what is there, or with bytes of any kind.
            let last = commits.last().cloned().unwrap();
            let by = last.header.author;
            let record = id(rng.random_range(0..6));
            let kind = *["activity", "person", "check_in", "verdict", "certificate", "future", "merge_link"]
                .choose(rng)
                .unwrap();
            let edits: Vec<Edit> = (0..rng.random_range(1..6))
                .map(|_| Edit::set(change_form::key(rng), change_form::value(rng)))
                .collect();
            let change = match make_change(&Base::EMPTY, by, 0, None, &edits) {
                Ok(made) => {
                    let entry = ChangeEntry { record_type: kind.to_owned(), record, header: made.change.header() };
                    (entry, Some(made.encoded.bytes))
                }
                Err(_) => opaque(by, kind, record, rng),
            };
            commits.push(commit(by, Some(&last), vec![change]));
        }
        5 => {
            let last = commits.last().cloned().unwrap();
            let (by, record) = (last.header.author, id(rng.random_range(0..6)));
            commits.push(commit(by, Some(&last), vec![opaque(by, "future", record, rng)]));
        }
        6 => {
            let count = *[2, 30, 257].choose(rng).unwrap();
            let commit = &mut commits[place];
            if let (Some(entry), Some(body)) = (commit.header.changes.first().cloned(), commit.bodies.first().cloned())
            {
                commit.header.changes.resize(count, entry);
                commit.bodies.resize(count, body);
            }
        }
        _ => {
            let commit = &mut commits[place];
            if commit.header.changes.is_empty() {
                return;
            }
            let at = rng.random_range(0..commit.header.changes.len());
            let (entry, body) = (&mut commit.header.changes[at], &mut commit.bodies[at]);
            match rng.random_range(0..10) {
                0 => *body = None,
                1 => entry.record_type = bend::text(rng),
                2 => entry.record = id(rng.random_range(0..200)),
                3 => entry.header.seq = number(rng),
                4 => entry.header.start_op = number(rng),
                5 => entry.header.op_count = number(rng),
                6 => entry.header.deps.push(lastmile_model::ChangeHash([rng.random(); 32])),
                _ => {
                    if let Some(body) = body {
                        *body = change_form::mutate(body, rng);
                    }
                }
            }
        }
    }
    if !rng.random_bool(0.05) {
        repair(commits);
    }
}

fn opaque(by: AuthorId, record_type: &str, record: RecordId, rng: &mut Random) -> (ChangeEntry, Option<Vec<u8>>) {
    let body = mutate::noise(rng);
    let header = ChangeHeader { hash: body_hash(&body), deps: Vec::new(), actor: by, seq: 1, start_op: 1, op_count: 1 };
    (ChangeEntry { record_type: record_type.to_owned(), record, header }, Some(body))
}

/// Mutates a packed run: its commits mostly, else the inflated bytes, the compressed ones, or what the frame says of itself.
pub fn mutate_packed(data: &[u8], rng: &mut Random) -> Vec<u8> {
    let choice = rng.random_range(0..20);
    if choice < 13
        && let Some(mut commits) = unpacked(data)
    {
        for _ in 0..rng.random_range(1..4) {
            mutate_commits(&mut commits, rng);
        }
        if let Some(bytes) = packed(&commits) {
            return bytes;
        }
    }
    if choice < 18 {
        let limit = lastmile_log::raw_size(data).and_then(|size| usize::try_from(size).ok()).unwrap_or(0).min(MAX_RAW);
        if let Ok(mut raw) = zstd::bulk::decompress(data, limit) {
            mutate::bytes(&mut raw, rng);
            return zstd::bulk::compress(&raw, 1).unwrap();
        }
    }
    match rng.random_range(0..4) {
        0 => lie(data, number(rng)),
        1 => lie(
            &zstd::bulk::compress(&vec![1; *[1 << 16, MAX_RAW, MAX_RAW + 1].choose(rng).unwrap()], 1).unwrap(),
            number(rng),
        ),
        2 => [data, data].concat(),
        _ => {
            let mut bytes = data.to_vec();
            mutate::bytes(&mut bytes, rng);
            bytes
        }
    }
}

/// Makes a zstd frame state another size than it has.
pub fn lie(frame: &[u8], size: u64) -> Vec<u8> {
    let Some(&descriptor) = frame.get(4) else { return frame.to_vec() };
    let single = descriptor & 0x20 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let stated = [usize::from(single), 2, 4, 8][usize::from(descriptor >> 6)];
    let front = 5 + usize::from(!single) + dictionary + stated;
    let mut lied = frame[..4].to_vec();
    lied.push(0xe0 | descriptor & 4);
    lied.extend(size.to_le_bytes());
    lied.extend(frame.get(front..).unwrap_or_default());
    lied
}
