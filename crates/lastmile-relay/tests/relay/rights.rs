//! Who may write and read where and when: scopes, time, people, revocation, erasure, and what outlives the database.

mod register;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lastmile_crdt::Edit;
use lastmile_log::{AuthorKey, Certificate, Issuer};
use lastmile_model::roles::Role;
use lastmile_model::{RecordId, Scope, Value, derive};
use lastmile_protocol::Code;
use lastmile_relay::{
    DeviceView, InviteOrder, OddView, OfficeAnswer, OfficeCommand, OfficeError, OfficeHandle, Relay, RelayError,
    RelayFolder, RelayOptions, RunningRelay, StatusView, check_audit, read_audit,
};
use lastmile_store::{Durability, Incoming, ViewMode};
use lastmile_web::Limits;
use uuid::Uuid;

use crate::device::{
    COMMUNITY, Device, NOW, OTHER_COMMUNITY, activity, apart, change, community, create, error_in, event, fresh,
    fresh_id,
};

const DAY: i64 = 86_400_000;

/// A relay whose clock is set by hand.
struct World {
    folder: tempfile::TempDir,
    clock: Arc<AtomicI64>,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::TempDir::new().unwrap(), clock: Arc::new(AtomicI64::new(NOW)) }
    }

    fn options(&self) -> RelayOptions {
        let told = Arc::clone(&self.clock);
        RelayOptions { clock: Arc::new(move || told.load(Ordering::Relaxed)), ..RelayOptions::default() }
    }

    async fn start(&self) -> RunningRelay {
        let folder = RelayFolder::open_or_create(self.folder.path(), &self.options()).unwrap();
        Relay::start(folder, "127.0.0.1:0".parse().unwrap(), Limits::default()).await.unwrap()
    }

    fn at(&self, now_ms: i64) {
        self.clock.store(now_ms, Ordering::Relaxed);
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

async fn invited(relay: &RunningRelay, order: InviteOrder) -> Device {
    let invite = relay.invite(order).await.unwrap();
    let addr = relay.addr();
    apart(move || Device::enrol(addr, &invite)).await
}

async fn worker(relay: &RunningRelay, code: &str) -> Device {
    invited(relay, InviteOrder::new(vec![community(code)], relay.url())).await
}

async fn status(office: &OfficeHandle) -> StatusView {
    match office.run(OfficeCommand::Status).await.unwrap() {
        OfficeAnswer::Status(status) => *status,
        other => panic!("{other:?}"),
    }
}

async fn devices(office: &OfficeHandle) -> Vec<DeviceView> {
    match office.run(OfficeCommand::Devices { within: None }).await.unwrap() {
        OfficeAnswer::Devices { devices } => devices,
        other => panic!("{other:?}"),
    }
}

/// What is held back of an author's, as (number of the commit, why).
async fn held_back(office: &OfficeHandle, device: &Device) -> Vec<(u64, String)> {
    let author = device.author.to_string();
    let of_author = |odd: &OddView| odd.author == author && odd.state == "quarantined";
    status(office).await.odd.into_iter().filter(of_author).map(|odd| (odd.seq, odd.why)).collect()
}

/// Sends a device to the other community.
fn moved(device: &Device) -> OfficeCommand {
    OfficeCommand::Reassign {
        author: device.author.to_string(),
        persons: None,
        roles: None,
        scopes: Some(vec![OTHER_COMMUNITY.to_owned()]),
        until_ms: None,
    }
}

fn revoke(device: &Device) -> OfficeCommand {
    OfficeCommand::Revoke { author: device.author.to_string(), reason: "手机丢失".to_owned() }
}

fn reassign(device: &Device) -> (String, Option<Vec<Uuid>>) {
    (device.author.to_string(), None)
}

/// Another device of the same community, by certificates of its own making.
fn beside(device: &Device, key: AuthorKey, chain: &[Certificate]) -> Device {
    let invite = lastmile_log::Invite {
        relay: String::new(),
        deployment: device.deployment,
        token: [0; 16],
        scopes: vec![community(COMMUNITY)],
        office_key: device.office_key,
        pin: None,
    };
    Device::with(device.addr, &invite, key, chain)
}

/// Carries everything that one device holds of a scope to another, as a colleague would.
fn carry(from: &mut Device, to: &mut Device, scope: &Scope) {
    from.store.seal(&from.key, scope).unwrap();
    let chain = from.store.trust().unwrap().chain_of(from.author);
    to.store.add_certificates(&chain).unwrap();
    let (batches, _) = from.store.path_batches(scope, &lastmile_log::Segment::trunk(from.author), 0, 1 << 20).unwrap();
    let incoming = batches.into_iter().map(|batch| Incoming { packed: batch.packed, seals: batch.seals }).collect();
    to.store.ingest(incoming, ViewMode::Now, Durability::Full).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn work_in_a_scope_of_others_is_held_back_whoever_carries_it() {
    let world = World::new();
    let relay = world.start().await;
    let (mut intruder, mut colleague) = (worker(&relay, OTHER_COMMUNITY).await, worker(&relay, COMMUNITY).await);
    let office = relay.office();
    let (intruder, mut colleague, id) = apart(move || {
        let id = fresh_id();
        let scope = community(COMMUNITY);
        intruder.save_in(&scope, vec![activity(id, "混入", 900)]);
        carry(&mut intruder, &mut colleague, &scope);
        assert_eq!(colleague.state("activity", id).as_deref(), Some("submitted"), "a colleague cannot know");
        assert_eq!(colleague.sync(), None);
        (intruder, colleague, id)
    })
    .await;
    relay.settle().await.unwrap();
    assert_eq!(held_back(&office, &intruder).await, [(1, "scope".to_owned())]);
    assert!(relay.reader().await.unwrap().record("activity", id, None).is_err());
    apart(move || {
        assert_eq!(colleague.sync(), None);
        assert_eq!(colleague.state("activity", id), None, "the verdict reaches whoever holds it");
    })
    .await;
    let release = OfficeCommand::Release {
        scope: COMMUNITY.to_owned(),
        author: intruder.author.to_string(),
        from: 1,
        to: None,
        reason: "借调".to_owned(),
    };
    office.run(release).await.unwrap();
    assert_eq!(held_back(&office, &intruder).await, []);
    relay.stop().await.unwrap();
    // What was released stays so, though everything is looked at again.
    let relay = world.start().await;
    relay.settle().await.unwrap();
    assert_eq!(held_back(&relay.office(), &intruder).await, []);
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_first_change_and_what_a_worker_may_not_confirm_wait_for_the_office() {
    let world = World::new();
    let relay = world.start().await;
    let mut device = worker(&relay, COMMUNITY).await;
    let office = relay.office();
    let (device, id) = apart(move || {
        let id = fresh_id();
        device.save(vec![activity(id, "清洁日", 10)]);
        device.save(vec![change("activity", id, event("verify", None))]);
        device.save(vec![change("activity", id, vec![Edit::set("note", "后来")])]);
        assert_eq!(device.sync(), None);
        (device, id)
    })
    .await;
    assert_eq!(held_back(&office, &device).await, [(2, "role activity verify".to_owned())]);
    let record = relay.reader().await.unwrap().record("activity", id, None).unwrap();
    assert_eq!(record.state.as_deref(), Some("submitted"));
    assert!(record.values.contains_key("note"), "what is permitted counts, though it came after");
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_before_the_end_of_its_time_counts_for_five_weeks() {
    let world = World::new();
    let relay = world.start().await;
    let order =
        || InviteOrder { until_ms: Some(NOW + 10 * DAY), ..InviteOrder::new(vec![community(COMMUNITY)], relay.url()) };
    let (mut one, mut late) = (invited(&relay, order()).await, invited(&relay, order()).await);
    let office = relay.office();
    let (mut one, mut late) = apart(move || {
        for device in [&mut one, &mut late] {
            device.now_ms = NOW + 9 * DAY;
            device.save(vec![activity(fresh_id(), "之前", 1)]);
            device.now_ms = NOW + 11 * DAY;
            device.save(vec![activity(fresh_id(), "之后", 1)]);
            // A claim of an earlier day after a later one is no excuse.
            device.now_ms = NOW + 8 * DAY;
            device.save(vec![activity(fresh_id(), "倒填", 1)]);
        }
        (one, late)
    })
    .await;
    world.at(NOW + 20 * DAY);
    one.now_ms = NOW + 20 * DAY;
    let one = apart(move || {
        assert_eq!(one.sync(), None);
        one
    })
    .await;
    let ended = |seq| (seq, "ended".to_owned());
    assert_eq!(held_back(&office, &one).await, [ended(2), ended(3)]);
    world.at(NOW + 46 * DAY);
    late.now_ms = NOW + 46 * DAY;
    let late = apart(move || {
        assert_eq!(late.sync(), None);
        late
    })
    .await;
    assert_eq!(held_back(&office, &late).await, [(1, "late".to_owned()), ended(2), ended(3)]);
    relay.stop().await.unwrap();
}

/// What a device made before it was moved counts, but not for ever: nobody can tell it from what says that it is old.
#[tokio::test(flavor = "multi_thread")]
async fn work_of_a_former_place_counts_for_five_weeks() {
    const DAY_MS: i64 = 86_400_000;
    let world = World::new();
    let relay = world.start().await;
    let office = relay.office();
    let (soon, late) = (worker(&relay, COMMUNITY).await, worker(&relay, COMMUNITY).await);
    let stays = worker(&relay, COMMUNITY).await;
    let (soon, late, stays) = apart(move || {
        let mut all = [soon, late, stays];
        all.iter_mut().for_each(|device| device.save(vec![activity(fresh_id(), "清洁日", 1)]));
        all.into()
    })
    .await;
    world.at(NOW + DAY_MS);
    for device in [&soon, &late] {
        office.run(moved(device)).await.unwrap();
    }
    for (mut device, days, expected) in
        [(soon, 34, vec![]), (late, 37, vec![(1, "late".to_owned())]), (stays, 300, vec![])]
    {
        world.at(NOW + days * DAY_MS);
        let device = apart(move || {
            device.now_ms = NOW + days * DAY_MS;
            let _ = device.sync();
            assert_eq!(device.unsent(), 0);
            device
        })
        .await;
        assert_eq!(held_back(&office, &device).await, expected, "after {days} days");
    }
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_people_each_does_what_was_granted_to_each() {
    let world = World::new();
    let relay = world.start().await;
    let (worker, secretary, stranger) =
        (Uuid::from_bytes([1; 16]), Uuid::from_bytes([2; 16]), Uuid::from_bytes([3; 16]));
    let office = relay.office();
    let here = |person, role: Role| OfficeCommand::Grant {
        person,
        role: role.code().to_owned(),
        scope: COMMUNITY.to_owned(),
        since: None,
        until: None,
    };
    office.run(here(secretary, Role::Secretary)).await.unwrap();
    let wrong = OfficeCommand::Grant {
        person: secretary,
        role: "secretary".to_owned(),
        scope: "430103".to_owned(),
        since: None,
        until: None,
    };
    assert!(matches!(office.run(wrong).await, Err(OfficeError::WrongLevel { .. })));
    office.run(here(worker, Role::Worker)).await.unwrap();
    let order = InviteOrder {
        roles: vec![Role::Worker, Role::Secretary],
        persons: Vec::new(),
        ..InviteOrder::new(vec![community(COMMUNITY)], relay.url())
    };
    let mut device = invited(&relay, order).await;
    // Who uses it is said afterwards, so that nobody is granted what the device as a whole may do.
    let (author, _) = reassign(&device);
    world.at(NOW + 1);
    let people = OfficeCommand::Reassign {
        author,
        persons: Some(vec![worker, secretary]),
        roles: None,
        scopes: None,
        until_ms: None,
    };
    // Both were granted one role each; certifying the device grants the missing pairs, which are ended again.
    office.run(people).await.unwrap();
    for (person, role) in [(worker, "secretary"), (secretary, "worker")] {
        let end = OfficeCommand::EndGrant { person, role: role.to_owned(), scope: COMMUNITY.to_owned(), until: None };
        office.run(end).await.unwrap();
    }
    world.at(NOW + 1_800_000);
    let device = apart(move || {
        device.now_ms = NOW + 1_800_000;
        for acting in [Some(worker), Some(secretary), Some(stranger), None] {
            device.acting = acting;
            let id = fresh_id();
            device.save(vec![activity(id, "清洁日", 1)]);
            device.save(vec![change("activity", id, event("verify", None))]);
        }
        assert_eq!(device.sync(), None);
        device
    })
    .await;
    let held: Vec<(u64, String)> = held_back(&office, &device).await;
    let expected =
        [(2, "role activity verify"), (5, "other_person"), (6, "other_person"), (7, "no_person"), (8, "no_person")];
    assert_eq!(held, expected.map(|(seq, why)| (seq, why.to_owned())));
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_device_brings_what_it_holds_and_is_given_nothing() {
    let world = World::new();
    let relay = world.start().await;
    let (mut lost, mut other) = (worker(&relay, COMMUNITY).await, worker(&relay, COMMUNITY).await);
    let office = relay.office();
    let (mut lost, mut other, before) = apart(move || {
        let before = fresh_id();
        lost.save(vec![activity(before, "之前", 1)]);
        assert_eq!((lost.sync(), other.sync()), (None, None));
        (lost, other, before)
    })
    .await;
    let answer = office.run(revoke(&lost)).await.unwrap();
    assert_eq!(answer, OfficeAnswer::Revoked { authors: vec![lost.author.to_string()] });
    assert!(devices(&office).await.iter().any(|device| device.author == lost.author.to_string() && device.revoked));
    // The device goes on under another author of its own making, as a restored one would.
    let successor = AuthorKey::from_seed(&fresh::<32>());
    let (lost, mut other, after, secret, heir) = apart(move || {
        let (after, secret) = (fresh_id(), fresh_id());
        other.save(vec![activity(secret, "内部", 2)]);
        assert_eq!(other.sync(), None);
        lost.now_ms = NOW + 60_000;
        lost.save(vec![activity(after, "之后", 1)]);
        assert_eq!(lost.sync(), None);
        assert_eq!(lost.unsent(), 0, "nothing is lost: it was taken and receipted");
        assert_eq!(lost.state("activity", secret), None, "not a byte was served");
        let mine =
            lost.store.trust().unwrap().certificates(lost.author).find(|one| !one.scopes.is_empty()).unwrap().clone();
        let certificate = Certificate { public: successor.public(), issuer: Issuer::Predecessor(lost.author), ..mine };
        let certificate = certificate.succeeding(&lost.key, &successor, &lost.deployment);
        let mut chain = lost.store.trust().unwrap().chain_of(lost.author);
        chain.push(certificate);
        let mut heir = beside(&lost, successor, &chain);
        heir.save(vec![activity(fresh_id(), "冒名", 1)]);
        carry(&mut heir, &mut other, &community(COMMUNITY));
        assert_eq!(other.sync(), None);
        (lost, other, after, secret, heir)
    })
    .await;
    assert_eq!(held_back(&office, &lost).await, [(2, "revoked".to_owned())]);
    assert_eq!(held_back(&office, &heir).await, [(1, "revoked".to_owned())]);
    let reader = &mut relay.reader().await.unwrap();
    assert!(reader.record("activity", before, None).is_ok() && reader.record("activity", secret, None).is_ok());
    assert!(reader.record("activity", after, None).is_err());
    // The office lets the last of it count after all.
    let release = OfficeCommand::Quarantine {
        scope: COMMUNITY.to_owned(),
        author: lost.author.to_string(),
        from: 2,
        to: Some(2),
        reason: "核实".to_owned(),
    };
    office.run(release.clone()).await.unwrap();
    let OfficeCommand::Quarantine { scope, author, from, to, reason } = release else { unreachable!() };
    office.run(OfficeCommand::Release { scope, author, from, to, reason }).await.unwrap();
    assert_eq!(held_back(&office, &lost).await, []);
    apart(move || {
        assert_eq!(other.sync(), None);
        assert_eq!(other.state("activity", after).as_deref(), Some("submitted"));
    })
    .await;
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_phone_is_replaced_with_one_invite() {
    let world = World::new();
    let relay = world.start().await;
    let lost = worker(&relay, COMMUNITY).await;
    let order =
        || InviteOrder { replaces: Some(lost.author), ..InviteOrder::new(vec![community(COMMUNITY)], relay.url()) };
    let office = relay.office();
    let unused = relay.invite(order()).await.unwrap();
    assert!(devices(&office).await.iter().all(|device| !device.revoked), "an invite alone revokes nobody");
    let OfficeAnswer::Invites { invites } = office.run(OfficeCommand::Invites).await.unwrap() else { panic!() };
    assert_eq!(invites.iter().filter(|invite| !invite.used).count(), 1);
    let name = invites.iter().find(|invite| !invite.used).unwrap().invite.clone();
    office.run(OfficeCommand::Withdraw { invite: name.clone() }).await.unwrap();
    assert!(matches!(
        office.run(OfficeCommand::Withdraw { invite: "0".repeat(12) }).await,
        Err(OfficeError::NoInvite { .. })
    ));
    let addr = relay.addr();
    let refused = apart(move || {
        let key = AuthorKey::from_seed(&fresh::<32>());
        let body =
            lastmile_protocol::enrol::enrol_request(&key, &unused.deployment, unused.token, "", NOW, fresh()).unwrap();
        error_in(&crate::device::post(addr, "/v1/enrol", &body))
    })
    .await;
    assert_eq!(refused, Some(Code::BadToken));
    let new = invited(&relay, order()).await;
    let all = devices(&office).await;
    let revoked = |author: &str| all.iter().find(|device| device.author == author).unwrap().revoked;
    assert!(revoked(&lost.author.to_string()) && !revoked(&new.author.to_string()));
    relay.stop().await.unwrap();
}

/// Seals what a device wrote and brings it to the relay's knowledge through a colleague.
fn brought(from: &mut Device, by: &mut Device) {
    carry(from, by, &community(COMMUNITY));
    assert_eq!(by.sync(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_side_of_a_fork_is_judged_by_itself() {
    let world = World::new();
    let relay = world.start().await;
    let (mut device, mut colleague) = (worker(&relay, COMMUNITY).await, worker(&relay, COMMUNITY).await);
    let office = relay.office();
    let (device, mut twin, mut colleague, id) = apart(move || {
        let id = fresh_id();
        device.save(vec![activity(id, "清洁日", 10)]);
        assert_eq!(device.sync(), None);
        // A copy of the device: the same key and log so far.
        let chain = device.store.trust().unwrap().chain_of(device.author);
        let mut twin = beside(&device, device.key.clone(), &chain);
        carry(&mut device, &mut twin, &community(COMMUNITY));
        device.save(vec![change("activity", id, event("verify", None))]);
        assert_eq!(device.sync(), None);
        assert_eq!(colleague.sync(), None);
        (device, twin, colleague, id)
    })
    .await;
    assert_eq!(held_back(&office, &device).await.len(), 1);
    apart(move || {
        twin.save(vec![change("activity", id, event("verify", None))]);
        brought(&mut twin, &mut colleague);
    })
    .await;
    assert_eq!(held_back(&office, &device).await.len(), 2, "each side has a verdict of its own");
    let record = relay.reader().await.unwrap().record("activity", id, None).unwrap();
    assert_eq!(record.state.as_deref(), Some("submitted"));
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_has_no_more_than_its_predecessor_has_by_now() {
    let world = World::new();
    let relay = world.start().await;
    let mut device = worker(&relay, COMMUNITY).await;
    let mut other = worker(&relay, COMMUNITY).await;
    let office = relay.office();
    let device = apart(move || {
        device.save(vec![activity(fresh_id(), "之前", 1)]);
        assert_eq!((device.sync(), other.sync()), (None, None));
        other.save(vec![activity(fresh_id(), "内部", 1)]);
        assert_eq!(other.sync(), None);
        device
    })
    .await;
    world.at(NOW + 1_800_000);
    office.run(moved(&device)).await.unwrap();
    world.at(NOW + 3_600_000);
    let heir = apart(move || {
        // Its holder goes on under another key, with the certificate of before.
        let mut heir = device.heir();
        heir.now_ms = NOW + 3_600_000;
        heir.save(vec![activity(fresh_id(), "越权", 1)]);
        let _ = heir.sync();
        let held: u64 = heir
            .store
            .vector(&community(COMMUNITY))
            .entries()
            .filter(|entry| entry.segment.author != heir.author)
            .count() as u64;
        assert_eq!(held, 0, "nothing was served");
        heir
    })
    .await;
    assert_eq!(held_back(&office, &heir).await, [(1, "scope".to_owned())]);
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_judged_is_served_to_nobody() {
    judged_late(|| false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_judged_for_a_panic_is_served_to_nobody() {
    judged_late(|| panic!("on purpose")).await;
}

/// No verdict can be written for a while: there is no randomness, or asking for it fails in this way.
async fn judged_late(none: fn() -> bool) {
    let world = World::new();
    let failing = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (fails, chance) = (Arc::clone(&failing), RelayOptions::default().chance);
    let options = RelayOptions {
        chance: Arc::new(move |bytes| if fails.load(Ordering::SeqCst) { none() } else { chance(bytes) }),
        ..world.options()
    };
    let folder = RelayFolder::open_or_create(world.path(), &options).unwrap();
    let relay = Relay::start(folder, "127.0.0.1:0".parse().unwrap(), Limits::default()).await.unwrap();
    let order = |until_ms| InviteOrder { until_ms, ..InviteOrder::new(vec![community(COMMUNITY)], relay.url()) };
    let (mut ended, mut other) = (invited(&relay, order(Some(NOW - 1))).await, invited(&relay, order(None)).await);
    let id = fresh_id();
    // No verdict can be written.
    failing.store(true, Ordering::SeqCst);
    let mut other = apart(move || {
        ended.save(vec![activity(id, "过期", 1)]);
        assert_eq!((ended.sync(), ended.unsent()), (None, 0), "it is safe and receipted");
        assert_eq!(other.sync(), Some(Code::CannotStore));
        assert_eq!(other.state("activity", id), None);
        other
    })
    .await;
    failing.store(false, Ordering::SeqCst);
    relay.settle().await.unwrap();
    apart(move || {
        assert_eq!(other.sync(), None);
        assert_eq!(other.state("activity", id), None);
        let counts = other.store.reader().unwrap().counts(Some(&community(COMMUNITY))).unwrap();
        assert_eq!(counts.quarantined, 1, "it came with its verdict");
    })
    .await;
}
