//! The path between devices and relay: requests on their way, what becomes of them and of their answers.

use std::collections::BTreeSet;

use bytes::Bytes;
use lastmile_client::{ClientError, SyncReport};
use lastmile_model::Scope;
use rand::Rng as _;

use super::hub::Active;
use super::net::{Posted, Slot, unreachable};
use super::world::{Check, Event, World};

/// How the path between devices and relay is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    pub lost: f64,
    pub half_open: f64,
    pub portal: f64,
    pub cut: f64,
    pub repeated: f64,
    pub tampered: f64,
    pub slowest_ms: i64,
}

/// What becomes of an answer on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fate {
    Whole,
    Cut(f64),
    Lost,
    Tampered(f64),
}

/// A request that was posted.
pub struct Request {
    pub device: usize,
    /// Which scopes the relay may serve it of, in a city: as the office has said when it arrived.
    pub served: BTreeSet<Scope>,
    /// Where its answer arrives; none for one that the path repeated.
    slot: Option<Slot>,
    path: String,
    body: Vec<u8>,
    fate: Fate,
}

impl World {
    /// Begins an exchange of a device with the relay.
    pub fn sync(&mut self, device: usize) -> Check {
        if let Some(one) = self.devices.get_mut(device) {
            one.begin_sync();
        }
        self.go_on(device)
    }

    /// Lets a device's exchange go as far as it can, and puts on the path what it posts.
    fn go_on(&mut self, device: usize) -> Check {
        let Some(one) = self.devices.get_mut(device) else { return Ok(()) };
        let ended = one.poll_sync();
        let posted = one.line.take();
        if one.disk.is_off() {
            return self.recover_device(device, true);
        }
        for posted in posted {
            self.route(device, posted);
        }
        match ended {
            Some(result) => self.synced(device, &result),
            None => Ok(()),
        }
    }

    /// Puts a request on the path, and decides what becomes of it.
    fn route(&mut self, device: usize, posted: Posted) {
        let Posted { path, mut body, slot } = posted;
        let length = body.len() as u64;
        let weather = self.weather;
        let (roll, place) = (self.rng.random::<f64>(), self.rng.random::<f64>());
        let request = self.requests.len();
        let mut edge = weather.lost;
        let broken = if roll < edge {
            Some((10_000, unreachable(0, "nobody answers")))
        } else if roll < {
            edge += weather.half_open;
            edge
        } {
            Some((60_000, unreachable(length, "nothing moved for 60 s")))
        } else if roll < {
            edge += weather.portal;
            edge
        } {
            Some((
                50,
                ClientError::NotARelay { relay: "simulated".to_owned(), found: "HTTP 200, text/html".to_owned() },
            ))
        } else if roll < {
            edge += weather.cut / 2.0;
            edge
        } {
            Some((500, unreachable(share(length, place), "reset")))
        } else {
            None
        };
        let fate = match self.rng.random::<f64>() {
            roll if roll < weather.cut => Fate::Cut(self.rng.random()),
            roll if roll < weather.cut + weather.lost => Fate::Lost,
            roll if roll < weather.cut + weather.lost + weather.tampered => Fate::Tampered(self.rng.random()),
            _ => Fate::Whole,
        };
        let tampered = self.rng.random_bool(weather.tampered);
        if tampered && !body.is_empty() {
            self.note("tampered request");
            flip(&mut body, place);
        }
        let again = self.rng.random_bool(weather.repeated);
        self.say(&format!(
            "device {device} posts {length} bytes: {fate:?}{}",
            if broken.is_some() { ", broken" } else { "" }
        ));
        let served = BTreeSet::new();
        self.requests.push(Request {
            device,
            served: served.clone(),
            slot: Some(slot),
            path: path.clone(),
            body: body.clone(),
            fate,
        });
        if let Some((after, error)) = broken {
            self.note("broken path");
            return self.at(after, Event::Fill { request, result: Err(error) });
        }
        let latency = self.latency();
        self.at(latency, Event::Arrive { request });
        if again {
            self.note("repeated request");
            self.requests.push(Request { device, served, slot: None, path, body, fate: Fate::Lost });
            let later = latency + self.latency();
            self.at(later, Event::Arrive { request: request + 1 });
        }
    }

    pub fn arrive(&mut self, number: usize) -> Check {
        let served = self.requests.get(number).map(|request| self.entitled(request.device)).unwrap_or_default();
        let Some(request) = self.requests.get_mut(number) else { return Ok(()) };
        let body = std::mem::take(&mut request.body);
        request.served = served;
        match &self.hub.relay {
            Some(relay) => {
                let answer = relay.request(&request.path, body);
                self.hub.active.push(Active { answer, request: number });
                let pause = self.rng.random_range(0..40);
                self.at(pause, Event::Tick);
            }
            None => self.at(20, Event::Fill { request: number, result: Err(unreachable(0, "refused")) }),
        }
        Ok(())
    }

    pub fn fill(&mut self, number: usize, result: Result<Bytes, ClientError>) -> Check {
        let Some(request) = self.requests.get_mut(number) else { return Ok(()) };
        let (Some(slot), device) = (request.slot.take(), request.device) else { return Ok(()) };
        *slot.lock().map_err(|_| "a slot is poisoned")? = Some(result);
        self.go_on(device)
    }

    /// Lets the relay work on what it has.
    pub fn tick(&mut self) -> Check {
        if self.hub.relay.is_none() {
            return Ok(());
        }
        loop {
            let ready = self.hub.poll();
            let some = !ready.is_empty();
            self.deliver(ready)?;
            let turned = self.hub.turn();
            if self.hub.disk.is_off() {
                // What left before the power went has left.
                let ready = self.hub.poll();
                self.deliver(ready)?;
                return self.recover_relay(true);
            }
            if !turned && !some {
                break;
            }
            if !self.healed && self.rng.random_bool(0.1) {
                self.at(15, Event::Tick);
                return self.check_relay();
            }
        }
        if !self.hub.active.is_empty() {
            return Err("a request waits, and the relay has nothing to do".to_owned());
        }
        self.check_relay()
    }

    fn deliver(&mut self, ready: Vec<(usize, Vec<u8>)>) -> Check {
        for (number, mut bytes) in ready {
            let Some(fate) = self.requests.get(number).map(|request| request.fate) else { continue };
            self.check_served(number, &bytes)?;
            let after = self.latency();
            let length = bytes.len() as u64;
            let result = match fate {
                Fate::Whole => Ok(bytes.into()),
                Fate::Lost => Err(unreachable(1, "nothing moved for 60 s")),
                Fate::Cut(place) => match usize::try_from(share(length, place)).unwrap_or(0) {
                    0 => Err(unreachable(1, "reset")),
                    some => {
                        bytes.truncate(some);
                        Ok(bytes.into())
                    }
                },
                Fate::Tampered(place) => {
                    flip(&mut bytes, place);
                    Ok(bytes.into())
                }
            };
            self.say(&format!("the relay answers {length} bytes"));
            self.at(after, Event::Fill { request: number, result });
        }
        Ok(())
    }

    fn synced(&mut self, device: usize, result: &Result<SyncReport, ClientError>) -> Check {
        let text = match result {
            Ok(report) => format!(
                "equal {} sent {} received {} receipts {} refused {}",
                report.equal,
                report.sent_batches,
                report.received_batches,
                report.receipts,
                report.refused.len()
            ),
            Err(error) => {
                self.allow(error, device)?;
                kind_of(error)
            }
        };
        if let Some(one) = self.devices.get_mut(device) {
            one.equal = result.as_ref().is_ok_and(|report| report.equal);
        }
        self.say(&format!("device {device} synced: {text}"));
        self.note(if result.is_ok() { "exchange" } else { "failed exchange" });
        self.check_scopes(device)?;
        self.note_receipts(device)?;
        self.check_uploaded(device)?;
        self.check_device(device)?;
        let reopen = self.devices.get(device).is_some_and(|one| one.replica().needs_reopening());
        if reopen && (self.healed || self.rng.random_bool(0.7)) {
            self.note("own log ahead");
            return self.reopen(device);
        }
        Ok(())
    }

    /// Whether an error may happen here: trouble of the disk only when the disk was troubled.
    pub fn allow(&self, error: &ClientError, device: usize) -> Check {
        let troubled = self.devices.get(device).is_some_and(|one| one.is_troubled());
        match error {
            ClientError::Store(source) if !troubled => Err(format!("device {device}: {error}: {source:?}")),
            _ => Ok(()),
        }
    }

    /// Requests that the relay will not answer any more.
    pub fn give_up(&mut self, requests: Vec<usize>) {
        for request in requests {
            self.at(100, Event::Fill { request, result: Err(unreachable(1, "reset")) });
        }
    }
}

/// A part of a length.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place within a small length")]
fn share(length: u64, place: f64) -> u64 {
    (length as f64 * place) as u64
}

/// Flips a bit somewhere.
fn flip(bytes: &mut [u8], place: f64) {
    let at = usize::try_from(share(bytes.len() as u64, place)).unwrap_or(0);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << (at % 8);
    }
}

/// An error in a word that two runs share: no paths, no sizes of buffers.
pub fn kind_of(error: &ClientError) -> String {
    match error {
        ClientError::Refused { code, .. } => format!("refused: {code}"),
        ClientError::Unreachable { reason, .. } => format!("unreachable: {reason}"),
        ClientError::NotARelay { .. } => "no relay".to_owned(),
        ClientError::BrokenOff { .. } => "broken off".to_owned(),
        ClientError::Session(error) => format!("session: {error}"),
        ClientError::Store(_) => "store".to_owned(),
        ClientError::NotPermitted { .. } => "not permitted".to_owned(),
        ClientError::NoScopeFor { .. } => "no scope".to_owned(),
        _ => "other".to_owned(),
    }
}
