//! What one step does: a person's work, or something that goes wrong.

use std::collections::BTreeSet;
use std::sync::Arc;

use lastmile_client::ClientError;
use lastmile_model::{RecordId, Value};
use lastmile_protocol::Role;
use lastmile_protocol::limits::AUTH_WINDOW_MS;
use lastmile_relay::OfficeCommand;
use lastmile_store::{Erasure, StoreError};
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use super::device::{Backup, Device};
use super::machine::Machine;
use super::path::{Weather, kind_of};
use super::raw::{Raw, bend, encoded, first, forge, inject};
use super::template::{BEGIN_MS, Image};
use super::world::{Check, World, any_skew, community};
use crate::disk::{Fault, HowLong};

/// The most devices, copies included.
pub const MOST_DEVICES: usize = 11;

impl World {
    /// Takes one step. Everything it decides comes from its own generator.
    pub fn take_step(&mut self, rng: &mut ChaCha8Rng) -> Check {
        let device = rng.random_range(0..self.devices.len());
        if rng.random_bool(0.12) {
            self.trouble_ahead(device, rng);
        }
        match rng.random_range(0..100) {
            0..35 => self.save(device, rng)?,
            35..60 => self.sync(device)?,
            60..66 => self.meet(device, rng)?,
            66..71 => self.file(device, rng)?,
            71..75 => self.verdict(rng)?,
            75..77 => self.erase(rng)?,
            77..80 => self.another_version(device, rng)?,
            80 => self.reopen(device)?,
            81..83 => self.kill(device, rng)?,
            83..86 => self.back_up(device, rng)?,
            86..89 => self.put_back(device, rng)?,
            89..91 => self.copy(device, rng)?,
            91..93 => self.skew(device, rng),
            93..96 => self.back_up_relay(rng)?,
            _ => self.put_back_relay(rng)?,
        }
        self.pause(rng)
    }

    /// Time passes after a step, and perhaps somebody makes room on the disks.
    pub fn pause(&mut self, rng: &mut ChaCha8Rng) -> Check {
        let pause = match rng.random_range(0..10) {
            0..4 => 0,
            4..8 => rng.random_range(0..3_000),
            8 => rng.random_range(0..90_000),
            _ => rng.random_range(0..3 * 86_400_000),
        };
        self.advance(pause)?;
        if rng.random_bool(0.5) {
            self.devices.iter_mut().for_each(Device::heal);
            self.hub.heal();
        }
        Ok(())
    }

    /// Lets a power cut or a full disk come at some later operation of a machine.
    pub fn trouble_ahead(&mut self, device: usize, rng: &mut ChaCha8Rng) {
        let at = rng.random_range(1..60);
        let full = rng.random_bool(0.25);
        let (disk, troubled) = match self.devices.get_mut(device).filter(|_| rng.random_bool(0.6)) {
            Some(one) => (&one.disk, &mut one.full),
            None => (&self.hub.disk, &mut self.hub.full),
        };
        if full {
            disk.fail(Fault::Full, disk.operations() + at, HowLong::UntilCured);
            *troubled = true;
        } else {
            disk.cut_at(disk.operations() + at);
        }
        self.note(if full { "full disk" } else { "cut ahead" });
    }

    /// Two devices meet; the connection may break at any byte.
    pub fn meet(&mut self, one: usize, rng: &mut ChaCha8Rng) -> Check {
        let other = rng.random_range(0..self.devices.len());
        if one == other {
            return Ok(());
        }
        let (Some(a), Some(b)) = (self.devices.get(one), self.devices.get(other)) else { return Ok(()) };
        let (a_clock, b_clock) = (a.machine.skew(), b.machine.skew());
        let (a, b) = (Arc::clone(a.replica()), Arc::clone(b.replica()));
        if a.author() == b.author() {
            // Two copies of one folder: to each the other is itself.
            self.note("copies meet");
        }
        let most = if rng.random_bool(0.4) { rng.random_range(0..6_000) } else { usize::MAX };
        let piece = *[40, 700, 100_000].choose(rng).unwrap_or(&700);
        let apart_ms = a_clock.abs_diff(b_clock);
        let undisturbed = most == usize::MAX && apart_ms < AUTH_WINDOW_MS.cast_unsigned() / 2;
        let talk = || -> Result<(bool, usize), ClientError> {
            let (mut left, mut right) = (a.meet(Role::Initiator)?, b.meet(Role::Responder)?);
            let (mut to_right, mut to_left) = (left.receive(&[])?, right.receive(&[])?);
            let mut carried = 0;
            while carried < most && !(to_right.is_empty() && to_left.is_empty()) {
                for right_side in [true, false] {
                    let bytes = if right_side { &mut to_right } else { &mut to_left };
                    let now: Vec<u8> = bytes.drain(..bytes.len().min(piece).min(most - carried)).collect();
                    carried += now.len();
                    if now.is_empty() {
                        continue;
                    }
                    let said = if right_side { right.receive(&now)? } else { left.receive(&now)? };
                    if right_side { to_left.extend(said) } else { to_right.extend(said) }
                }
            }
            let equal = left.end()?.equal & right.end()?.equal;
            Ok((equal, carried))
        };
        let closed = self.is_closed_to(one, other).into_iter().chain(self.is_closed_to(other, one)).next();
        let talked = talk();
        drop((a, b));
        let troubled = [one, other].into_iter().any(|no| self.devices.get(no).is_some_and(Device::is_troubled));
        match &talked {
            Ok((equal, bytes)) => {
                self.note("meeting");
                self.say(&format!("devices {one} and {other} met: {bytes} bytes, equal {equal}"));
            }
            Err(error) if undisturbed && !troubled => {
                return Err(format!("devices {one} and {other} cannot talk: {error}"));
            }
            Err(error) => {
                if self.devices.get(one).is_some_and(|one| !one.is_troubled()) {
                    self.allow(error, other)?;
                }
                self.say(&format!("devices {one} and {other} met: {}", kind_of(error)));
            }
        }
        for device in [one, other] {
            if self.devices.get(device).is_some_and(|one| one.disk.is_off()) {
                self.recover_device(device, true)?;
            }
            self.note_receipts(device)?;
            self.check_device(device)?;
        }
        closed.map_or(Ok(()), |(device, held)| self.check_nothing_gained(device, &held))
    }

    /// A device writes a file, or takes one that another wrote, perhaps not all of it.
    pub fn file(&mut self, device: usize, rng: &mut ChaCha8Rng) -> Check {
        let Some(one) = self.devices.get(device) else { return Ok(()) };
        let path = self.folder.path().join(format!("{}.lastmile", self.bundles.len()));
        let result = match self.bundles.choose(rng).filter(|_| rng.random_bool(0.6)) {
            None => {
                let made = one.replica().export_bundle(&path).map(|report| report.batches);
                if made.is_ok() {
                    self.bundles.push(path);
                }
                made
            }
            Some(bundle) => {
                let mut bytes = std::fs::read(bundle).map_err(|error| error.to_string())?;
                match rng.random_range(0..4) {
                    0 => bytes.truncate(rng.random_range(0..=bytes.len())),
                    1 => {
                        let at = rng.random_range(0..bytes.len());
                        if let Some(byte) = bytes.get_mut(at) {
                            *byte ^= 1 << rng.random_range(0..8);
                        }
                    }
                    _ => {}
                }
                let damaged = self.folder.path().join("damaged.lastmile");
                std::fs::write(&damaged, bytes).map_err(|error| error.to_string())?;
                one.replica().import_bundle(&damaged).map(|report| report.appended)
            }
        };
        match &result {
            Ok(batches) => {
                self.note("file");
                self.say(&format!("device {device} and a file: {batches}"));
            }
            Err(error) => {
                self.allow(error, device)?;
                self.say(&format!("device {device} and a file: {}", kind_of(error)));
            }
        }
        if self.devices.get(device).is_some_and(|one| one.disk.is_off()) {
            return self.recover_device(device, true);
        }
        self.check_device(device)
    }

    /// The office takes commits out of sight, or lets them count again.
    fn verdict(&mut self, rng: &mut ChaCha8Rng) -> Check {
        let Some(relay) = &mut self.hub.relay else { return Ok(()) };
        let office = relay.epoch();
        let scope = community();
        let logs: Vec<_> = relay.with_store(|store| {
            let of_devices =
                |author: lastmile_model::AuthorId| !store.trust().is_some_and(|trust| trust.is_office(author));
            store
                .vector(&scope)
                .entries()
                .map(|entry| (entry.segment.author, entry.seq))
                .filter(|(author, _)| of_devices(*author))
                .collect()
        });
        let Some((author, head)) = logs.choose(rng).copied().filter(|(author, _)| *author != office) else {
            return Ok(());
        };
        let from = rng.random_range(1..=head);
        let to = Some(rng.random_range(from..=head));
        let (scope, author, reason) = (scope.to_string(), author.to_string(), "复查".to_owned());
        let command = if rng.random_bool(0.65) {
            OfficeCommand::Quarantine { scope, author, from, to, reason }
        } else {
            OfficeCommand::Release { scope, author, from, to: None, reason }
        };
        let answer = relay.office(command);
        self.say(&format!("the office decides: {}", if answer.is_ok() { "done" } else { "not now" }));
        self.note("verdict");
        self.after_office()
    }

    /// What follows an action of the office: its disk may have gone, its writer has to do.
    pub fn after_office(&mut self) -> Check {
        if self.hub.disk.is_off() {
            return self.recover_relay(true);
        }
        while self.rng.random_bool(0.7) && self.hub.turn() {}
        if self.hub.disk.is_off() {
            return self.recover_relay(true);
        }
        self.check_relay()
    }

    /// The office erases a record; everybody hears of it before anything else.
    fn erase(&mut self, rng: &mut ChaCha8Rng) -> Check {
        let Some(record) = self.activities.choose(rng).copied() else { return Ok(()) };
        let Some(reader) = &mut self.hub.reader else { return Ok(()) };
        let history = match reader.history("activity", record) {
            Ok(history) => history,
            Err(StoreError::NoRecord { .. }) => Vec::new(),
            Err(_) if self.hub.is_troubled() => return Ok(()),
            Err(error) => return Err(format!("the relay cannot read a history: {error:?}")),
        };
        let changes = history.iter().map(|item| item.origin.hash).collect();
        self.erasures.push(Erasure { record, changes });
        self.hub.heal();
        self.say("the office erases a record");
        self.note("erasure");
        self.hear_relay()?;
        for device in 0..self.devices.len() {
            if let Some(one) = self.devices.get_mut(device) {
                one.heal();
            }
            self.hear(device)?;
        }
        Ok(())
    }

    /// A device runs another version of the program, or a hostile one.
    fn another_version(&mut self, device: usize, rng: &mut ChaCha8Rng) -> Check {
        let Some(one) = self.devices.get(device) else { return Ok(()) };
        let (replica, key) = (Arc::clone(one.replica()), one.key());
        let author = replica.author();
        let record = match self.activities.choose(rng) {
            Some(record) if rng.random_bool(0.6) => *record,
            _ => RecordId::from_bytes(rng.random()),
        };
        let unique = Value::Int(rng.random());
        let identity = [("id", Value::reference(record)), ("type", Value::from("activity"))];
        if rng.random_bool(0.25) {
            drop(replica);
            return self.forge(device, rng);
        }
        let raw: Raw = match rng.random_range(0..6) {
            0 => first(author, "activity", record, rng.random::<[u8; 24]>().to_vec()),
            1 => encoded(author, "household_visit", record, Vec::new(), 1, &[("note", unique)]),
            2 => encoded(author, "activity", record, Vec::new(), 5, &[("note", unique)]),
            3 => encoded(
                author,
                "verdict",
                record,
                Vec::new(),
                1,
                &[("action", "quarantine".into()), ("to_seq", unique)],
            ),
            4 => encoded(
                author,
                "activity",
                record,
                vec![lastmile_model::ChangeHash(rng.random())],
                7,
                &[("note", unique)],
            ),
            _ => bend(encoded(author, "activity", record, Vec::new(), 1, &identity), rng.random()),
        };
        let deployment = replica.with_store(|store| store.deployment());
        let Ok(Some(deployment)) = deployment else { return Ok(()) };
        let scope = community();
        let made = replica.with_store(|store| inject(store, &key, &deployment, &scope, raw));
        drop(replica);
        self.note("another version");
        match made {
            Ok(Some(saved)) => {
                self.say(&format!("device {device} writes as another version: seq {}", saved.seq));
                self.acknowledged(device, &scope, author, &saved, Vec::new());
            }
            Ok(None) => self.say("another version finds its log parted"),
            Err(error) => self.allow(&ClientError::Store(error), device)?,
        }
        if self.devices.get(device).is_some_and(|one| one.disk.is_off()) {
            return self.recover_device(device, true);
        }
        self.check_device(device)
    }

    /// Somebody writes in another author's log, under a seal of his own: no replica may take it.
    fn forge(&mut self, device: usize, rng: &mut ChaCha8Rng) -> Check {
        let other = rng.random_range(0..self.devices.len());
        let (Some(one), Some(other)) = (self.devices.get(device), self.devices.get(other)) else { return Ok(()) };
        let (author, key) = (other.replica().author(), one.key());
        if author == one.replica().author() {
            return Ok(());
        }
        let record = RecordId::from_bytes(rng.random());
        let raw = encoded(author, "activity", record, Vec::new(), 1, &[("note", "伪造".into())]);
        let Ok(Some(deployment)) = one.replica().with_store(|store| store.deployment()) else { return Ok(()) };
        let scope = community();
        let taken = one.replica().with_store(|store| forge(store, author, &key, &deployment, &scope, raw));
        self.note("forgery");
        match taken {
            Ok(true) => Err(format!("device {device} took a commit of another author under its own seal")),
            Ok(false) => self.check_device(device),
            Err(error) => {
                self.allow(&ClientError::Store(error), device)?;
                match self.devices.get(device).is_some_and(|one| one.disk.is_off()) {
                    true => self.recover_device(device, true),
                    false => Ok(()),
                }
            }
        }
    }

    pub fn kill(&mut self, device: usize, rng: &mut ChaCha8Rng) -> Check {
        if rng.random_bool(0.4) {
            self.hub.disk.crash_process();
            return self.recover_relay(false);
        }
        if let Some(one) = self.devices.get(device) {
            one.disk.crash_process();
        }
        self.recover_device(device, false)
    }

    pub fn back_up(&mut self, device: usize, rng: &mut ChaCha8Rng) -> Check {
        // A copy of an open app's files is as good as one made by its system's backup: a moment's picture.
        if rng.random_bool(0.5) {
            self.reopen(device)?;
        }
        let Some(one) = self.devices.get_mut(device) else { return Ok(()) };
        one.backup =
            Some(Backup { image: Image::of(&one.dir, &one.disk), must_have: one.must_have.clone(), heard: one.heard });
        self.say(&format!("device {device} is backed up"));
        Ok(())
    }

    /// A device is put back to its backup: the whole folder, or the database alone.
    pub fn put_back(&mut self, device: usize, rng: &mut ChaCha8Rng) -> Check {
        let whole = rng.random_bool(0.6);
        let Some(one) = self.devices.get_mut(device) else { return Ok(()) };
        let Some(backup) = one.backup.clone() else { return Ok(()) };
        let before = one.replica().author();
        // Without another opening in between nothing tells the two apart.
        let tells = !whole && !backup.image.has_same(&one.dir, "mark");
        one.disk.crash_process();
        one.stop();
        one.heal();
        backup.image.put(&one.dir, &one.disk, whole);
        one.must_have = backup.must_have;
        one.uploaded.clear();
        one.heard = backup.heard;
        one.held.clear();
        one.scopes.clear();
        self.note("put back");
        self.say(&format!(
            "device {device} is put back to its backup, {}",
            if whole { "whole" } else { "without its mark" }
        ));
        self.open_again(device)?;
        match self.devices.get(device) {
            Some(one) if tells && one.replica().author() == before => {
                Err(format!("P9: device {device} was put back under its mark and goes on under its old author"))
            }
            _ => Ok(()),
        }
    }

    fn open_again(&mut self, device: usize) -> Check {
        let Some(one) = self.devices.get_mut(device) else { return Ok(()) };
        match one.open() {
            Ok(()) => {}
            // A key that is newer than the database: the author it names is not known there.
            Err(ClientError::OtherKey { .. }) => return self.new_key_old_file(device),
            Err(error) => return Err(format!("device {device} does not open: {error:?}")),
        }
        self.hear(device)?;
        self.after_loss()?;
        self.check_device(device)
    }

    /// A database from before the device took another key cannot go on with the new one: then the whole backup is put back.
    fn new_key_old_file(&mut self, device: usize) -> Check {
        let Some(one) = self.devices.get_mut(device) else { return Ok(()) };
        if let Some(backup) = &one.backup {
            one.disk.crash_process();
            backup.image.put(&one.dir, &one.disk, true);
        }
        one.open().map_err(|error| format!("device {device} does not open: {error:?}"))?;
        self.hear(device)?;
        self.after_loss()?;
        self.check_device(device)
    }

    /// A device's folder is copied, and both go on.
    pub fn copy(&mut self, device: usize, rng: &mut ChaCha8Rng) -> Check {
        let no = self.devices.len();
        if no >= MOST_DEVICES {
            return Ok(());
        }
        let whole = rng.random_bool(0.8);
        self.reopen(device)?;
        let machine = Machine::new(&self.time, rng.random());
        let (Some(one), folder) = (self.devices.get(device), self.folder.path()) else { return Ok(()) };
        let mut copy = Device::new(no, folder, machine);
        let image = Image::of(&one.dir, &one.disk);
        image.put(&copy.dir, &copy.disk, true);
        if !whole {
            std::fs::remove_file(copy.dir.join("mark")).map_err(|error| error.to_string())?;
        }
        (copy.must_have, copy.heard, copy.lineage) = (one.must_have.clone(), one.heard, one.lineage);
        self.devices.push(copy);
        self.note("copied");
        self.say(&format!("device {device} is copied as {no}{}", if whole { "" } else { ", without its mark" }));
        self.open_again(no)
    }

    fn skew(&mut self, device: usize, rng: &mut ChaCha8Rng) {
        let by = any_skew(rng);
        if let Some(one) = self.devices.get(device) {
            one.machine.set_skew(by);
        }
        self.note("skewed clock");
        self.say(&format!("device {device}'s clock is {by} ms ahead"));
    }

    pub fn back_up_relay(&mut self, rng: &mut ChaCha8Rng) -> Check {
        if rng.random_bool(0.5) {
            self.hub.disk.crash_process();
            self.recover_relay(false)?;
        }
        self.hub.backup = Some(Image::of(&self.hub.dir, &self.hub.disk));
        self.say("the relay is backed up");
        Ok(())
    }

    /// The relay is put back to an older copy; it goes on under another epoch.
    pub fn put_back_relay(&mut self, rng: &mut ChaCha8Rng) -> Check {
        let Some(backup) = self.hub.backup.clone().filter(|_| rng.random_bool(0.8)) else { return Ok(()) };
        self.hub.disk.crash_process();
        let lost = self.hub.stop();
        self.give_up(lost);
        self.hub.heal();
        // In a city the register is kept apart, so it is as new as ever.
        backup.put(&self.hub.dir, &self.hub.disk, self.city.is_none());
        if let Some(city) = &mut self.city {
            city.put_back = true;
        }
        self.hub.new_epoch();
        self.hub.receipted.clear();
        self.devices.iter_mut().for_each(|one| one.uploaded.clear());
        self.hub.heard = 0;
        self.note("relay put back");
        self.say(&format!("the relay is put back, {} ms after the beginning", self.now() - BEGIN_MS));
        self.hub.disk.do_not_cut();
        self.hub.open().map_err(|error| format!("the relay does not open: {error:?}"))?;
        self.hear_relay()?;
        self.after_loss()?;
        self.check_relay()?;
        if self.city.is_none() && rng.random_bool(0.8) { self.rush() } else { Ok(()) }
    }

    /// Everybody comes to a relay that has just come back, and much does not get through.
    fn rush(&mut self) -> Check {
        self.note("rush");
        self.say("everybody comes to the relay at once, over poor paths");
        let calm = self.weather;
        self.weather = Weather { lost: 0.2, cut: 0.2, ..calm };
        for device in 0..self.devices.len() {
            self.sync(device)?;
        }
        self.advance(5_000)?;
        self.weather = calm;
        Ok(())
    }

    /// Notes that a device said a commit is saved.
    pub fn acknowledged(
        &mut self,
        device: usize,
        scope: &lastmile_model::Scope,
        author: lastmile_model::AuthorId,
        saved: &lastmile_store::Saved,
        fresh: Vec<(&'static str, RecordId)>,
    ) {
        if saved.changes == 0 {
            return;
        }
        let known = super::ledger::Known {
            scope: scope.clone(),
            author,
            lineage: self.devices.get(device).map_or(device, |one| one.lineage),
            seq: saved.seq,
            chain: saved.chain,
            fresh,
            gone: false,
        };
        let number = self.ledger.note(known);
        if let Some(one) = self.devices.get_mut(device) {
            one.must_have.insert(number);
        }
    }

    /// The records that a device shows, of those made so far.
    pub fn shown_activities(&self, device: usize) -> Vec<RecordId> {
        let Some(one) = self.devices.get(device) else { return Vec::new() };
        let shown = one.replica().read(|reader| -> Result<Vec<RecordId>, StoreError> {
            let type_no = reader.type_no("activity")?;
            let mut shown = Vec::new();
            for id in self.activities.iter().collect::<BTreeSet<_>>() {
                if !reader.heads(type_no, *id)?.is_empty() {
                    shown.push(*id);
                }
            }
            Ok(shown)
        });
        shown.unwrap_or_default()
    }
}
