//! The rules that the relay holds every commit against: devices whose program permits everything break each of them once. The checks
//! that planted faults must turn red.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lastmile_crdt::Edit;
use lastmile_log::Segment;
use lastmile_model::roles::Role;
use lastmile_model::{Scope, ScopeKind, keys};
use lastmile_relay::{InviteOrder, OfficeAnswer, OfficeCommand, Relay, RelayFolder, RelayOptions, RunningRelay};
use lastmile_store::{Durability, Incoming, ViewMode};
use lastmile_web::Limits;
use uuid::Uuid;

use crate::bare::{COMMUNITY, Device, NOW, OTHER_COMMUNITY, activity, apart, change, community, event, fresh_id};
use crate::planted::tell;

const DAY: i64 = 86_400_000;

/// A relay whose clock is set by hand.
struct World {
    _folder: tempfile::TempDir,
    clock: Arc<AtomicI64>,
    relay: RunningRelay,
}

/// What must be held back of a device: the commit, under which rule, and what it is.
type Broken = (u64, &'static str, &'static str);

impl World {
    async fn new(stopped: &[&str]) -> Self {
        let clock = Arc::new(AtomicI64::new(NOW));
        let told = Arc::clone(&clock);
        let options = RelayOptions {
            clock: Arc::new(move || told.load(Ordering::SeqCst)),
            stopped_versions: Some(stopped.iter().map(|&app| app.to_owned()).collect::<BTreeSet<_>>()),
            ..RelayOptions::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let opened = RelayFolder::open_or_create(folder.path(), &options).unwrap();
        let relay = Relay::start(opened, "127.0.0.1:0".parse().unwrap(), Limits::default()).await.unwrap();
        Self { _folder: folder, clock, relay }
    }

    async fn device(&self, change: impl FnOnce(&mut InviteOrder)) -> Device {
        let mut order = InviteOrder::new(vec![community(COMMUNITY)], self.relay.url());
        change(&mut order);
        let (invite, addr) = (self.relay.invite(order).await.unwrap(), self.relay.addr());
        apart(move || Device::enrol(addr, &invite)).await
    }

    async fn office(&self, command: OfficeCommand) -> OfficeAnswer {
        self.relay.office().run(command).await.unwrap()
    }

    /// What is held back of a device's in a scope: each commit, and why.
    async fn held_back(&self, device: &Device, scope: &Scope) -> Vec<(u64, String)> {
        self.relay.settle().await.unwrap();
        let OfficeAnswer::Status(status) = self.office(OfficeCommand::Status).await else { panic!("no status") };
        let (author, scope) = (device.author.to_string(), scope.to_string());
        let of_device = status.odd.into_iter().filter(|odd| odd.author == author && odd.scope == scope);
        of_device.filter(|odd| odd.state == "quarantined").map(|odd| (odd.seq, odd.why)).collect()
    }

    /// Whether just these commits of a device are held back in a scope, under these rules.
    async fn holds_back(&self, device: &Device, scope: &Scope, broken: &[Broken]) -> Result<(), String> {
        let held = self.held_back(device, scope).await;
        for (seq, rule, what) in broken {
            match held.iter().find(|(of, _)| of == seq) {
                Some((_, why)) if why == rule => {}
                Some((_, why)) => return Err(format!("{what} is held back as `{why}`")),
                None => return Err(format!("{what} counts")),
            }
        }
        if held.len() == broken.len() { Ok(()) } else { Err(format!("what is permitted is held back: {held:?}")) }
    }
}

/// Brings everything that a device has made.
async fn brought(mut device: Device) -> Device {
    apart(move || {
        let _ = device.sync();
        assert_eq!(device.unsent(), 0, "what is held back is receipted all the same");
        device
    })
    .await
}

/// What a role may not do, what nobody may, and what does not belong where it stands.
async fn operations_are_judged(world: &World) -> Result<(), String> {
    let mut device = world.device(|_| {}).await;
    let (here, city) = (community(COMMUNITY), Scope::new(ScopeKind::City, "4301").unwrap());
    let (id, held, person) = (fresh_id(), fresh_id().0, fresh_id());
    device.save(vec![activity(id, "清洁日", 10)]);
    let hold = keys::event_values(held, "hold", Some("2026-03-01"), NOW, None, &[]);
    let hold = hold.into_iter().map(|(key, value)| Edit::set(key, value)).collect();
    device.save(vec![change("activity", id, hold)]);
    device.save(vec![change("activity", id, event("verify", None))]);
    device.save(vec![change("activity", id, vec![Edit::set(keys::event(held, "on"), "2020-01-01")])]);
    let mut check_in = device.check_in(person);
    check_in.edits.push(Edit::set("receipt_no", "430103005010-2026-00001"));
    device.save(vec![check_in]);
    device.save_in(&city, vec![activity(fresh_id(), "放错", 10)]);
    let device = brought(device).await;
    let broken = [
        (3, "role activity verify", "what a role may not do"),
        (4, "role activity alter", "an event that was rewritten"),
        (5, "role check_in alter", "a field that is the office's alone"),
    ];
    world.holds_back(&device, &here, &broken).await?;
    world.holds_back(&device, &city, &[(1, "place activity", "a record in a scope of another kind")]).await
}

/// What was made in a community that the device has nothing to do with, brought by one that has.
async fn scopes_are_judged(world: &World) -> Result<(), String> {
    let mut intruder = world.device(|order| order.scopes = vec![community(OTHER_COMMUNITY)]).await;
    let mut colleague = world.device(|_| {}).await;
    let here = community(COMMUNITY);
    intruder.save_in(&here, vec![activity(fresh_id(), "混入", 900)]);
    intruder.store.seal(&intruder.key, &here).unwrap();
    colleague.store.add_certificates(&intruder.store.trust().unwrap().chain_of(intruder.author)).unwrap();
    let (batches, _) = intruder.store.path_batches(&here, &Segment::trunk(intruder.author), 0, 1 << 20).unwrap();
    let incoming = batches.into_iter().map(|batch| Incoming { packed: batch.packed, seals: batch.seals }).collect();
    colleague.store.ingest(incoming, ViewMode::Now, Durability::Full).unwrap();
    brought(colleague).await;
    world.holds_back(&intruder, &here, &[(1, "scope", "work in a community of others")]).await
}

/// Of several people each does what was granted to each, where and while it is granted.
async fn people_are_judged(world: &World) -> Result<(), String> {
    let [clerk, former, stranger] = [1, 2, 3].map(|byte| Uuid::from_bytes([byte; 16]));
    let (here, there) = (community(COMMUNITY), community(OTHER_COMMUNITY));
    // What is granted from some later day is not granted again when the device is certified.
    for (role, scope) in [("secretary", COMMUNITY), ("secretary", OTHER_COMMUNITY), ("worker", OTHER_COMMUNITY)] {
        let (role, scope, since) = (role.to_owned(), scope.to_owned(), Some("2030-01-01".to_owned()));
        world.office(OfficeCommand::Grant { person: clerk, role, scope, since, until: None }).await;
    }
    let device = world.device(|order| {
        order.scopes = vec![community(COMMUNITY), community(OTHER_COMMUNITY)];
        (order.roles, order.persons) = (vec![Role::Worker, Role::Secretary], vec![clerk, former]);
    });
    let mut device = device.await;
    for scope in [COMMUNITY, OTHER_COMMUNITY] {
        for role in ["worker", "secretary"] {
            let (role, scope) = (role.to_owned(), scope.to_owned());
            world.office(OfficeCommand::EndGrant { person: former, role, scope, until: None }).await;
        }
    }
    let id = fresh_id();
    let ours = [
        (Some(clerk), activity(id, "清洁日", 1)),
        (Some(clerk), change("activity", id, event("verify", None))),
        (Some(former), activity(fresh_id(), "离任", 1)),
        (Some(stranger), activity(fresh_id(), "他人", 1)),
        (None, activity(fresh_id(), "无人", 1)),
    ];
    for (acting, edit) in ours {
        device.acting = acting;
        device.save_in(&here, vec![edit]);
    }
    device.acting = Some(clerk);
    device.save_in(&there, vec![activity(fresh_id(), "他区", 1)]);
    let device = brought(device).await;
    let broken = [
        (2, "role activity verify", "what another of the device's users was granted"),
        (3, "role activity begin", "work after a grant had ended"),
        (4, "other_person", "work of somebody who is none of the device's users"),
        (5, "no_person", "work of nobody in particular"),
    ];
    world.holds_back(&device, &here, &broken).await?;
    world.holds_back(&device, &there, &[(1, "role activity begin", "work where nothing was granted")]).await
}

/// What comes of a device after its revocation.
async fn revocations_are_judged(world: &World) -> Result<(), String> {
    let mut device = world.device(|_| {}).await;
    device.save(vec![activity(fresh_id(), "之前", 1)]);
    let mut device = brought(device).await;
    let (author, reason) = (device.author.to_string(), "手机丢失".to_owned());
    world.office(OfficeCommand::Revoke { author, reason }).await;
    device.save(vec![activity(fresh_id(), "之后", 1)]);
    let device = brought(device).await;
    world.holds_back(&device, &community(COMMUNITY), &[(2, "revoked", "work of after a revocation")]).await
}

/// What is made after a device's time is over, whatever day it claims.
async fn time_is_judged(world: &World) -> Result<(), String> {
    let here = community(COMMUNITY);
    let mut ended = world.device(|order| order.until_ms = Some(NOW + 10 * DAY)).await;
    let mut late = world.device(|order| order.until_ms = Some(NOW + 10 * DAY)).await;
    for (day, title) in [(9, "之前"), (11, "之后"), (8, "倒填")] {
        ended.now_ms = NOW + day * DAY;
        ended.save(vec![activity(fresh_id(), title, 1)]);
    }
    world.clock.store(NOW + 20 * DAY, Ordering::SeqCst);
    ended.now_ms = NOW + 20 * DAY;
    let ended = brought(ended).await;
    let broken = [
        (2, "ended", "work of after the end of a device's time"),
        (3, "ended", "an earlier day that is claimed after a later one"),
    ];
    world.holds_back(&ended, &here, &broken).await?;
    for title in ["之前", "倒填"] {
        late.now_ms = NOW + 9 * DAY;
        late.save(vec![activity(fresh_id(), title, 1)]);
        late.now_ms = NOW + 20 * DAY;
        late = brought(late).await;
    }
    world.holds_back(&late, &here, &[(2, "ended", "a day before what was receipted already")]).await
}

/// What a stopped version made and nobody might do is held back for the second, and stays so when the first is released.
async fn versions_come_last() -> Result<(), String> {
    let world = World::new(&["test"]).await;
    let (here, id) = (community(COMMUNITY), fresh_id());
    let mut device = world.device(|_| {}).await;
    device.save(vec![activity(id, "清洁日", 10)]);
    device.save(vec![change("activity", id, event("verify", None))]);
    let device = brought(device).await;
    let forbidden = (2, "role activity verify", "what a stopped version made and nobody might do");
    world.holds_back(&device, &here, &[(1, "version", "work of a stopped version"), forbidden]).await?;
    let (author, reason) = (device.author.to_string(), "已核实".to_owned());
    world.office(OfficeCommand::Release { scope: here.to_string(), author, from: 1, to: Some(1), reason }).await;
    world.holds_back(&device, &here, &[forbidden]).await
}

async fn checks() -> Result<(), String> {
    let world = World::new(&[]).await;
    operations_are_judged(&world).await?;
    scopes_are_judged(&world).await?;
    people_are_judged(&world).await?;
    revocations_are_judged(&world).await?;
    time_is_judged(&world).await?;
    versions_come_last().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_holds_back_what_breaks_it() {
    checks().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the planted faults in a process of its own"]
async fn a_fault_is_noticed() {
    tell(checks().await);
}
