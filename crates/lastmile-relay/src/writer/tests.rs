//! What waits together, what panics, and whose turn it is.

use std::sync::Arc;

use lastmile_crdt::Edit;
use lastmile_log::{AuthorKey, Issuer, Segment};
use lastmile_model::{RecordId, Scope};
use lastmile_store::sqlite::{self, OpenOptions};
use lastmile_store::{Durability, NewCommit, RecordEdit, Store};

use super::*;
use crate::{RateLimits, RelayFolder, RelayOptions};

fn writing(folder: RelayFolder, queue: mpsc::Receiver<Job>) -> Writing {
    Writing::new(folder.central, queue, Arc::new(Rates::new(RateLimits::default())))
}

/// What one new device has to bring: one sealed activity.
fn upload(folder: &mut RelayFolder, scope: &Scope, byte: u8) -> Brought {
    let central = &mut folder.central;
    let key = AuthorKey::from_seed(&[byte; 32]);
    let certificate = Certificate {
        public: key.public(),
        device: String::new(),
        persons: Vec::new(),
        roles: Vec::new(),
        scopes: vec![scope.clone()],
        from_ms: 0,
        until_ms: None,
        issuer: Issuer::Office(central.office),
        signature: [0; 64],
        consent: None,
    };
    central.certify(&certificate.signed(&central.keys.office, &central.deployment)).unwrap();
    let own = tempfile::TempDir::new().unwrap();
    let storage = sqlite::open(&own.path().join("device.db"), &OpenOptions::default(), &central.catalogue).unwrap();
    let mut store = Store::new(storage, Arc::clone(&central.catalogue)).unwrap();
    store.set_deployment(&central.deployment).unwrap();
    store.add_certificates(&central.trust().unwrap().chain_of(key.author(&central.deployment))).unwrap();
    let edits = vec![Edit::set("title", "清洁日"), Edit::set("date", "2026-03-01"), Edit::set("category", "other")];
    let record = RecordId::from_bytes([byte; 16]);
    let edit = RecordEdit { record_type: "activity".to_owned(), record, create: true, salt: [0; 16], edits };
    let commit = NewCommit {
        scope: scope.clone(),
        acting: None,
        hlc: 1,
        wall_ms: 1,
        app: String::new(),
        extension: Vec::new(),
        edits: vec![edit],
    };
    store.save(&key, &[commit], Durability::Full).unwrap();
    store.seal(&key, scope).unwrap();
    let author = key.author(&central.deployment);
    let (mut batches, _) = store.path_batches(scope, &Segment::trunk(author), 0, 1 << 20).unwrap();
    let batch = batches.remove(0);
    let batch = IncomingBatch { scope: scope.clone(), author, packed: batch.packed, seals: batch.seals };
    Brought { by: Payer::default(), certificates: Vec::new(), batches: vec![batch] }
}

#[test]
fn uploads_that_wait_share_one_transaction() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut folder = RelayFolder::open_or_create(folder.path(), &RelayOptions::default()).unwrap();
    let scope = Scope::community("430103005010").unwrap();
    let (jobs, queue) = mpsc::channel(64);
    let mut answers = Vec::new();
    for byte in 1..=40 {
        let mut brought = upload(&mut folder, &scope, byte);
        if byte == 40 {
            // A batch sent under another name is refused and keeps nobody else waiting.
            brought.batches[0].scope = Scope::community("430104008008").unwrap();
        }
        let (reply, answer) = oneshot::channel();
        jobs.try_send(Job::Upload(Upload { brought, reply })).ok().unwrap();
        answers.push(answer);
    }
    jobs.try_send(Job::Stop).ok().unwrap();
    let writing = writing(folder, queue);
    let stats = Arc::clone(&writing.stats);
    writing.run();
    assert_eq!((stats.uploads(), stats.group_commits(), stats.refused()), (40, 1, 0));
    let last = answers.pop().unwrap().blocking_recv().unwrap().unwrap();
    assert!(matches!(last.outcomes[0], BatchOutcome::Refused { .. }));
    for answer in answers {
        let stored = answer.blocking_recv().unwrap().unwrap();
        assert!(matches!(stored.outcomes[0], BatchOutcome::Appended(entry) if entry.seq == 1));
    }
}

#[test]
fn no_job_is_lost_where_a_round_of_gathering_ends() {
    let folder = tempfile::TempDir::new().unwrap();
    let folder = RelayFolder::open_or_create(folder.path(), &RelayOptions::default()).unwrap();
    let (jobs, queue) = mpsc::channel(4 * GATHERED);
    let mut answers = Vec::new();
    for number in 0..2 * GATHERED + 3 {
        let (reply, answer) = oneshot::channel();
        let ask = move |_: &mut Central| reply.send(number).unwrap();
        jobs.try_send(Job::Ask(Box::new(ask))).ok().unwrap();
        answers.push(answer);
    }
    jobs.try_send(Job::Stop).ok().unwrap();
    writing(folder, queue).run();
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.blocking_recv(), Ok(number), "a job was dropped");
    }
}

/// Queues these, lets the writer do them all, and returns the answers in the order in which they came.
fn answers(mut writing: Writing, jobs: &mpsc::Sender<Job>, uploads: Vec<Brought>) -> Vec<(usize, Stored)> {
    let (done, order) = std::sync::mpsc::channel();
    let mut waiting = Vec::new();
    for brought in uploads {
        let (reply, answer) = oneshot::channel();
        jobs.try_send(Job::Upload(Upload { brought, reply })).ok().unwrap();
        waiting.push(Some(answer));
    }
    jobs.try_send(Job::Stop).ok().unwrap();
    let first = writing.queue.try_recv().ok().unwrap();
    assert!(writing.gather(first));
    while !writing.waiting.is_empty() {
        writing.round();
        for (place, answer) in waiting.iter_mut().enumerate() {
            if let Some(Ok(stored)) = answer.as_mut().map(oneshot::Receiver::try_recv) {
                done.send((place, stored.unwrap())).unwrap();
                *answer = None;
            }
        }
    }
    drop(done);
    order.iter().collect()
}

#[test]
fn a_batch_that_makes_the_writer_panic_is_refused_and_everything_else_is_stored() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut folder = RelayFolder::open_or_create(folder.path(), &RelayOptions::default()).unwrap();
    let scope = Scope::community("430103005010").unwrap();
    let mut uploads: Vec<Brought> = (1..=5).map(|byte| upload(&mut folder, &scope, byte)).collect();
    let guilty = AuthorKey::from_seed(&[4; 32]).author(&folder.central.deployment);
    // One upload brings the guilty batch together with a good one.
    let last = uploads.pop().unwrap();
    uploads[3].batches.extend(last.batches);
    let (jobs, queue) = mpsc::channel(64);
    let mut writing = writing(folder, queue);
    static GUILTY: std::sync::OnceLock<lastmile_model::AuthorId> = std::sync::OnceLock::new();
    GUILTY.set(guilty).unwrap();
    writing.look = Some(|batch| assert!(GUILTY.get() != Some(&batch.author), "planted"));
    let stats = Arc::clone(&writing.stats);
    let answers = answers(writing, &jobs, uploads);
    assert_eq!(answers.len(), 4);
    for (place, stored) in answers {
        let good = |outcome: &BatchOutcome| matches!(outcome, BatchOutcome::Appended(_));
        if place == 3 {
            assert!(matches!(stored.outcomes[0], BatchOutcome::Refused { author } if author == Some(guilty)));
            assert!(good(&stored.outcomes[1]), "{:?}", stored.outcomes);
        } else {
            assert!(good(&stored.outcomes[0]));
        }
        assert_eq!(stored.vectors.len(), 1);
    }
    assert!(stats.panics() >= 3);
}

#[test]
fn work_that_panics_ends_nothing_but_itself() {
    let folder = tempfile::TempDir::new().unwrap();
    let folder = RelayFolder::open_or_create(folder.path(), &RelayOptions::default()).unwrap();
    let (jobs, queue) = mpsc::channel(8);
    jobs.try_send(Job::Ask(Box::new(|_| panic!("planted")))).ok().unwrap();
    let (reply, answer) = oneshot::channel();
    jobs.try_send(Job::Ask(Box::new(move |_| reply.send(7).unwrap()))).ok().unwrap();
    jobs.try_send(Job::Stop).ok().unwrap();
    let writing = writing(folder, queue);
    let stats = Arc::clone(&writing.stats);
    writing.run();
    assert_eq!((answer.blocking_recv(), stats.panics()), (Ok(7), 1));
}

#[test]
fn an_upload_that_brings_much_keeps_a_small_one_waiting_for_a_piece_alone() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut folder = RelayFolder::open_or_create(folder.path(), &RelayOptions::default()).unwrap();
    let [huge, other] = ["430103005010", "430104008008"].map(|code| Scope::community(code).unwrap());
    let mut large = upload(&mut folder, &huge, 1);
    let one = large.batches[0].clone();
    // The same over and over: what is held already is looked at all the same.
    let copies = 4 * fair::PIECE / one.packed.len();
    large.batches.extend(std::iter::repeat_n(one, copies));
    let batches = large.batches.len();
    let small: Vec<Brought> = (2..=4).map(|byte| upload(&mut folder, &other, byte)).collect();
    let (jobs, queue) = mpsc::channel(64);
    let writing = writing(folder, queue);
    let stats = Arc::clone(&writing.stats);
    let answers = answers(writing, &jobs, [vec![large.clone(), large], small].concat());
    let order: Vec<usize> = answers.iter().map(|(place, _)| *place).collect();
    assert_eq!(order[..3], [2, 3, 4], "the small ones go with the first piece");
    assert_eq!(answers[3].1.outcomes.len(), batches, "what was taken in pieces is answered as a whole");
    assert!((8..=12).contains(&stats.group_commits()), "{}", stats.group_commits());
}
