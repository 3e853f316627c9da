//! What must hold of each replica after every step, and of all of them at the end.

use std::collections::BTreeSet;

use lastmile_client::Replica;
use lastmile_model::{RecordId, Scope};
use lastmile_store::{Reader, Store, StoreError};

use super::device::Place;
use super::ledger::{Known, Ledger};
use super::world::{Check, World};

/// Every so manieth seed has its views made anew at the end.
const REBUILT: u64 = 4;

/// How often everybody syncs before it counts as a stall.
const ROUNDS: usize = 12;

pub fn failed(error: StoreError) -> String {
    format!("a check cannot read: {error:?}")
}

/// Every sealed head that a store shows of these scopes.
pub fn heads<'s>(store: &Store, scopes: impl IntoIterator<Item = &'s Scope>) -> BTreeSet<Place> {
    let of_scope = |scope: &Scope| {
        let entries: Vec<_> = store.vector(scope).entries().collect();
        let scope = scope.clone();
        entries.into_iter().map(move |entry| (scope.clone(), entry.segment.author, entry.seq, entry.chain))
    };
    scopes.into_iter().flat_map(of_scope).collect()
}

/// Finds a commit of which some records show and others do not.
fn torn(reader: &Reader, ledger: &Ledger, erased: &BTreeSet<RecordId>) -> Result<Option<String>, StoreError> {
    for (number, known) in ledger.commits.iter().enumerate().filter(|(_, known)| known.fresh.len() > 1) {
        if known.fresh.iter().any(|(_, id)| erased.contains(id)) {
            continue;
        }
        let mut shown = 0;
        for (kind, id) in &known.fresh {
            shown += usize::from(!reader.heads(reader.type_no(kind)?, *id)?.is_empty());
        }
        if shown > 0 && shown < known.fresh.len() {
            return Ok(Some(format!("commit {number} shows {shown} of {} records", known.fresh.len())));
        }
    }
    Ok(None)
}

impl World {
    fn erased(&self) -> BTreeSet<RecordId> {
        self.erasures.iter().map(|erasure| erasure.record).collect()
    }

    /// What must hold of a device now: what it acknowledged is there, what it held is held, and commits show whole.
    pub fn check_device(&mut self, device: usize) -> Check {
        self.check_scopes(device)?;
        let erased = self.erased();
        let scopes = self.scopes.clone();
        let (ledger, Some(one)) = (&self.ledger, self.devices.get_mut(device)) else { return Ok(()) };
        let replica = std::sync::Arc::clone(one.replica());
        let missing = replica.with_store(|store| -> Result<Option<String>, StoreError> {
            for number in &one.must_have {
                let Some(known) = ledger.commits.get(*number) else { continue };
                if !known.is_in(store)? {
                    return Ok(Some(format!("P1: acknowledged commit {number} (seq {}) is not there", known.seq)));
                }
            }
            for (scope, author, seq, chain) in &one.held {
                if !store.holds(scope, *author, *seq, *chain)? {
                    return Ok(Some(format!("P7: commit {seq} of a log that was held is not there")));
                }
            }
            for (scope, author, seq, chain) in &one.uploaded {
                let receipts = store.receipts_of(scope, *author)?;
                // A later one of the same log stands for it.
                if !receipts.iter().any(|one| (one.seq, one.chain) == (*seq, *chain) || one.seq > *seq) {
                    return Ok(Some(format!("P2: commit {seq} was uploaded, and its receipt is not there")));
                }
            }
            one.held = heads(store, &scopes);
            Ok(None)
        });
        if let Some(missing) = missing.map_err(failed)? {
            return Err(format!("device {device}: {missing}"));
        }
        let torn = replica.read(|reader| -> Result<_, StoreError> {
            let counts = reader.counts(None)?;
            let torn = torn(reader, ledger, &erased)?;
            Ok(torn.or_else(|| (counts.unviewed > 0).then(|| "P7: views lag behind the log".to_owned())))
        });
        match torn.map_err(failed)? {
            Some(what) => Err(format!("device {device}: {what}")),
            None => Ok(()),
        }
    }

    /// What must hold of the relay when it has come back, and at the end: what it receipted is there.
    pub fn check_receipted(&mut self) -> Check {
        match self.hub.lost_receipted().map_err(failed)? {
            Some((_, author, seq, _)) => {
                Err(format!("P2: commit {seq} of {author} was receipted and is not at the relay"))
            }
            None => Ok(()),
        }
    }

    /// What must hold of the relay now: commits show whole.
    pub fn check_relay(&mut self) -> Check {
        let erased = self.erased();
        match &self.hub.reader {
            Some(reader) => match torn(reader, &self.ledger, &erased).map_err(failed)? {
                Some(what) => Err(format!("the relay: {what}")),
                None => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// Notes the receipts that a device holds; the relay must hold what they say.
    pub fn note_receipts(&mut self, device: usize) -> Check {
        let (Some(one), Some(relay)) = (self.devices.get(device), &self.hub.relay) else { return Ok(()) };
        let epoch = relay.epoch();
        let scopes = &self.scopes;
        let found = one.replica().with_store(|store| -> Result<Vec<Place>, StoreError> {
            if store.epoch()? != Some(epoch) {
                return Ok(Vec::new());
            }
            let mut found = Vec::new();
            for (scope, author, ..) in heads(store, scopes) {
                let receipts = store.receipts_of(&scope, author)?;
                found.extend(receipts.into_iter().map(|one| (scope.clone(), author, one.seq, one.chain)));
            }
            Ok(found)
        });
        let Some(relay) = &mut self.hub.relay else { return Ok(()) };
        for head in found.map_err(failed)? {
            let (scope, author, seq, chain) = &head;
            let known = self.hub.receipted.contains(&head)
                || relay.with_store(|store| store.holds(scope, *author, *seq, *chain)).map_err(failed)?;
            if !known {
                return Err(format!(
                    "P2: device {device} has a receipt for commit {seq} of {author}, which is not at the relay"
                ));
            }
            self.hub.receipted.insert(head);
        }
        Ok(())
    }

    /// What a device says is uploaded is at the relay.
    pub fn check_uploaded(&mut self, device: usize) -> Check {
        let (Some(one), Some(relay)) = (self.devices.get_mut(device), &mut self.hub.relay) else { return Ok(()) };
        let replica = std::sync::Arc::clone(one.replica());
        let author = replica.author();
        let epoch = relay.epoch();
        let all_sent = replica.with_store(|store| -> Result<bool, StoreError> {
            Ok(store.epoch()? == Some(epoch) && store.unsent(author)?.commits == 0)
        });
        if !all_sent.map_err(failed)? {
            return Ok(());
        }
        // What copies of it wrote under the same author is theirs to send.
        let commits = one.must_have.iter().filter_map(|number| self.ledger.commits.get(*number));
        let own: Vec<&Known> = commits.filter(|known| known.author == author).collect();
        for known in &own {
            if !relay.with_store(|store| known.is_in(store)).map_err(failed)? {
                return Err(format!(
                    "P2: device {device} calls commit {} uploaded, which is not at the relay",
                    known.seq
                ));
            }
        }
        for scope in own.iter().map(|known| &known.scope).collect::<BTreeSet<_>>() {
            let receipts = replica.with_store(|store| store.receipts_of(scope, author)).map_err(failed)?;
            one.uploaded.retain(|(of, by, ..)| (of, by) != (scope, &author));
            one.uploaded.extend(receipts.into_iter().map(|one| (scope.clone(), author, one.seq, one.chain)));
        }
        Ok(())
    }

    /// After something was put back to what it was before, or lost what may be fetched again: which commits nobody holds any more.
    pub fn after_loss(&mut self) -> Check {
        let guarded: BTreeSet<usize> = self.devices.iter().flat_map(|one| one.must_have.iter().copied()).collect();
        for number in 0..self.ledger.commits.len() {
            let Some(known) = self.ledger.commits.get(number).filter(|known| !known.gone).cloned() else { continue };
            if guarded.contains(&number) {
                continue;
            }
            let mut held = false;
            if let Some(relay) = &mut self.hub.relay {
                held |= relay.with_store(|store| known.is_in(store)).map_err(failed)?;
            }
            for one in self.devices.iter().filter(|one| one.replica.is_some()) {
                held = held || one.replica().with_store(|store| known.is_in(store)).map_err(failed)?;
            }
            // A relay that is down now may hold it: it says so when it is up.
            if !held
                && self.hub.relay.is_some()
                && let Some(known) = self.ledger.commits.get_mut(number)
            {
                known.gone = true;
            }
        }
        Ok(())
    }

    /// Ends every fault.
    pub fn heal(&mut self) -> Check {
        self.healed = true;
        self.say("everything heals");
        self.weather = super::path::Weather { slowest_ms: 80, ..Default::default() };
        self.hub.heal();
        self.hub.disk.do_not_cut();
        for one in &mut self.devices {
            one.heal();
            one.disk.do_not_cut();
        }
        if self.hub.relay.is_none() {
            self.recover_relay(false)?;
        }
        self.drain()?;
        for device in 0..self.devices.len() {
            self.hear(device)?;
        }
        self.hear_relay()?;
        self.after_loss()
    }

    /// Lets everybody sync until all hold the same: no user acts and nothing is restarted but an app that asks for it.
    pub fn come_to_rest(&mut self) -> Check {
        let mut why = String::new();
        for _ in 0..ROUNDS {
            for device in 0..self.devices.len() {
                self.sync(device)?;
                self.drain()?;
                self.advance(1_000)?;
            }
            match self.apart()? {
                Some(what) => why = what,
                None => return Ok(()),
            }
        }
        Err(format!("P8: no rest after {ROUNDS} exchanges of everybody: {why}"))
    }

    /// What still differs or waits.
    fn apart(&mut self) -> Result<Option<String>, String> {
        if self.city.is_some() {
            return self.city_apart();
        }
        let scopes = self.scopes.clone();
        let held = self.hub.relay.as_mut().map(|relay| relay.with_store(|store| heads(store, &scopes)));
        let held = held.unwrap_or_default();
        for one in &self.devices {
            let status = one.replica().status().map_err(|error| format!("device {}: {error}", one.no))?;
            if !one.equal {
                return Ok(Some(format!(
                    "device {} and the relay do not call each other equal: {:?}",
                    one.no, status.last_error
                )));
            }
            if status.unsent_commits > 0 {
                return Ok(Some(format!(
                    "device {} has {} unsent: {:?} {:?}",
                    one.no, status.unsent_commits, status.phase, status.refused
                )));
            }
            if one.replica().with_store(|store| heads(store, &scopes)) != held {
                return Ok(Some(format!(
                    "device {} holds other commits than the relay: {:?}",
                    one.no, status.last_error
                )));
            }
        }
        let relay = self.digests()?;
        for one in &self.devices {
            if shown(one.replica(), &self.scopes)? != relay {
                return Ok(Some(format!("device {} shows other rows than the relay", one.no)));
            }
        }
        Ok(None)
    }

    /// The relay's digests, when its views have followed.
    pub fn digests(&mut self) -> Result<Vec<[u8; 32]>, String> {
        while self.hub.turn() {}
        let Some(reader) = &mut self.hub.reader else { return Err("the relay is down".to_owned()) };
        self.scopes.iter().map(|scope| reader.digest(Some(scope)).map_err(failed)).collect()
    }

    /// What must hold when everybody is at rest.
    pub fn check_the_end(&mut self) -> Check {
        for device in 0..self.devices.len() {
            self.check_device(device)?;
        }
        self.check_relay()?;
        self.check_receipted()?;
        self.check_own_logs()?;
        self.check_everything_is_everywhere()?;
        self.check_reference()?;
        self.check_city_end()?;
        if self.seed.is_multiple_of(REBUILT) { self.check_rebuilt() } else { Ok(()) }
    }

    /// P9: nobody goes on in a log that parted.
    fn check_own_logs(&self) -> Check {
        for one in &self.devices {
            let author = one.replica().author();
            let parted = one.replica().with_store(|store| {
                let pieces = |scope: &Scope| {
                    store.vector(scope).entries().filter(|entry| entry.segment.author == author).count()
                };
                self.scopes.iter().any(|scope| pieces(scope) > 1)
            });
            if parted {
                return Err(format!("P9: device {} goes on in a log that parted", one.no));
            }
        }
        Ok(())
    }

    /// P9: what anybody held is everywhere.
    fn check_everything_is_everywhere(&mut self) -> Check {
        for (number, known) in self.ledger.commits.iter().enumerate().filter(|(_, known)| !known.gone) {
            for one in self.devices.iter().filter(|one| self.is_to_hold(one, &known.scope)) {
                if !one.replica().with_store(|store| known.is_in(store)).map_err(failed)? {
                    return Err(format!("P9: commit {number} is not at device {}", one.no));
                }
            }
            let Some(relay) = &mut self.hub.relay else { return Err("the relay is down".to_owned()) };
            if !relay.with_store(|store| known.is_in(store)).map_err(failed)? {
                return Err(format!("P9: commit {number} is not at the relay"));
            }
        }
        Ok(())
    }

    /// P5: views made anew are the same, at the relay and on a device, and so they are after another opening.
    fn check_rebuilt(&mut self) -> Check {
        let before = self.digests()?;
        if let Some(relay) = &mut self.hub.relay {
            relay.with_store(|store| store.rebuild(&mut |_, _| {})).map_err(failed)?;
            let findings = relay.with_store(|store| store.check(&mut |_, _| {})).map_err(failed)?;
            if let Some(finding) = findings.first() {
                return Err(format!("the relay's check finds: {finding:?}"));
            }
        }
        if self.digests()? != before {
            return Err("P5: the relay's views made anew are others".to_owned());
        }
        let Some(device) = self.devices.first() else { return Ok(()) };
        let scopes: Vec<Scope> = self.scopes.iter().filter(|scope| self.is_to_hold(device, scope)).cloned().collect();
        let before = shown(device.replica(), &scopes)?;
        device.replica().with_store(|store| store.rebuild(&mut |_, _| {})).map_err(failed)?;
        if shown(device.replica(), &scopes)? != before {
            return Err("P5: a device's views made anew are others".to_owned());
        }
        self.reopen(0)?;
        match self.devices.first().map(|device| shown(device.replica(), &scopes)).transpose()? {
            Some(after) if after != before => Err("P5: a device opened again shows other rows".to_owned()),
            _ => Ok(()),
        }
    }
}

/// What a device shows of these scopes.
pub fn shown(replica: &Replica, scopes: &[Scope]) -> Result<Vec<[u8; 32]>, String> {
    replica
        .read(|reader| scopes.iter().map(|scope| reader.digest(Some(scope))).collect::<Result<_, _>>())
        .map_err(failed)
}
