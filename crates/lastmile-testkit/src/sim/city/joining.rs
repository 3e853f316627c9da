//! Devices that join in the middle of a history, by an invite.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use lastmile_client::{ClientError, Replica};
use lastmile_log::Invite;
use lastmile_model::roles::Role;
use lastmile_protocol::Code;
use lastmile_relay::InviteOrder;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::Standing;
use crate::sim::device::Device;
use crate::sim::machine::Machine;
use crate::sim::net::unreachable;
use crate::sim::path::kind_of;
use crate::sim::steps::MOST_DEVICES;
use crate::sim::world::{Check, World, community, neighbour};

/// The number that the first folder of a joining device gets.
const FOLDERS: usize = 100;

/// A device with an invite.
pub struct Joining {
    device: Device,
    invite: Invite,
    standing: Standing,
    /// The device that it takes the place of, which is revoked once it has joined.
    replaces: Option<usize>,
}

impl World {
    /// The office invites a device, or one that was invited tries to join.
    pub fn invite(&mut self, rng: &mut ChaCha8Rng) -> Check {
        let waiting = self.office_says().joining.len();
        if waiting > 0 && rng.random_bool(0.6) {
            return self.join(rng.random_range(0..waiting));
        }
        if self.devices.len() + waiting >= MOST_DEVICES {
            return Ok(());
        }
        let home = if rng.random_bool(0.5) { community() } else { neighbour() };
        let role = if rng.random_bool(0.7) { Role::Worker } else { Role::Secretary };
        let (replaced, machine) = (rng.random_range(0..self.devices.len()), Machine::new(&self.time, rng.random()));
        let replaced = rng.random_bool(0.4).then_some(replaced).filter(|_| self.may_revoke(replaced));
        let mut order = InviteOrder::new(vec![home.clone()], "http://simulated");
        order.roles = vec![role];
        order.replaces = replaced.and_then(|device| Some(self.devices.get(device)?.replica().author()));
        let Some(relay) = &mut self.hub.relay else { return Ok(()) };
        let invite = match relay.invite(&order) {
            Ok(invite) => invite,
            Err(error) if self.hub.is_troubled() => {
                self.say(&format!("no invite: {}", error.to_string().len().min(1)));
                return self.after_office();
            }
            Err(error) => return Err(format!("an invite cannot be made: {error:?}")),
        };
        let folder = FOLDERS + self.office_says().begun;
        let device = Device::new(folder, self.folder.path(), machine);
        let lineage = replaced.and_then(|device| Some(self.devices.get(device)?.lineage));
        let joining = Joining { device, invite, standing: Standing::new(role, [home]), replaces: lineage };
        let city = self.office_says();
        city.begun += 1;
        city.joining.push(joining);
        self.say(&format!("the office invites a device, in the place of {lineage:?}"));
        self.note("invite");
        self.after_office()?;
        if rng.random_bool(0.7) { self.join(waiting) } else { Ok(()) }
    }

    /// A device that was invited tries to join; whether it does is the path's to say.
    pub fn join(&mut self, waiting: usize) -> Check {
        if waiting >= self.office_says().joining.len() {
            return Ok(());
        }
        let joining = self.office_says().joining.remove(waiting);
        let before = joining.replaces.map(|lineage| self.at_relay(lineage)).transpose()?;
        let (dir, invite, options) = (joining.device.dir.clone(), joining.invite.clone(), joining.device.options());
        let mut enrolling = Box::pin(async move { Replica::enrol(&dir, &invite, "新设备", options).await });
        let result = loop {
            match enrolling.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => break result,
                Poll::Pending => {
                    for posted in joining.device.line.take() {
                        let answer = self.carry(&posted.path, posted.body)?;
                        *posted.slot.lock().map_err(|_| "a slot is poisoned")? = Some(answer);
                    }
                }
            }
        };
        drop(enrolling);
        if let (Some(lineage), Some(before)) = (joining.replaces, before) {
            self.note_replaced(lineage, before)?;
        }
        match result {
            Ok(replica) => self.joined(joining, replica),
            Err(error) => {
                self.say(&format!("a device does not join: {}", kind_of(&error)));
                self.note("not joined");
                match error {
                    ClientError::Refused { code: Code::BadToken, .. } => {}
                    ClientError::Store(source) => return Err(format!("a device cannot join: {source:?}")),
                    _ => self.office_says().joining.push(joining),
                }
                Ok(())
            }
        }
    }

    fn joined(&mut self, joining: Joining, replica: Replica) -> Check {
        let no = self.devices.len();
        let mut device = joining.device;
        device.replica = Some(Arc::new(replica));
        let city = self.office_says();
        (device.no, device.lineage) = (no, city.standings.len());
        city.standings.push(joining.standing);
        self.devices.push(device);
        self.note(if joining.replaces.is_some() { "replaced" } else { "joined" });
        self.say(&format!("device {no} joins"));
        self.check_device(no)
    }

    /// Carries one request to the relay and its answer back, or loses either.
    fn carry(&mut self, path: &str, body: Vec<u8>) -> Result<Result<Bytes, ClientError>, String> {
        let length = body.len() as u64;
        let weather = self.weather;
        if self.rng.random_bool(weather.lost) {
            return Ok(Err(unreachable(0, "nobody answers")));
        }
        let Some(relay) = &self.hub.relay else { return Ok(Err(unreachable(0, "refused"))) };
        let mut answer = relay.request(path, body);
        let bytes = loop {
            match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(bytes) => break Some(bytes),
                Poll::Pending if self.hub.turn() => {}
                Poll::Pending => break None,
            }
            if self.hub.disk.is_off() {
                break None;
            }
        };
        drop(answer);
        if self.hub.disk.is_off() {
            self.recover_relay(true)?;
            return Ok(Err(unreachable(length, "reset")));
        }
        let bytes = bytes.ok_or("an enrolment waits, and the relay has nothing to do")?;
        let lost = self.rng.random_bool(weather.lost.max(weather.cut / 2.0));
        Ok(if lost { Err(unreachable(length, "reset")) } else { Ok(bytes.into()) })
    }
}
