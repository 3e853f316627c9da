//! What must hold in a city: nobody holds or is served what the office did not give, what was taken is gone, what was erased is
//! nowhere, and exactly what is not permitted is out of sight.

use std::collections::BTreeSet;

use lastmile_log::{MAX_RAW, unpack};
use lastmile_model::Scope;
use lastmile_protocol::Frame;
use lastmile_protocol::frame::FrameReader;
use lastmile_protocol::limits::MAX_FRAME;
use lastmile_store::{Store, StoreError};

use super::{City, word_of};
use crate::disk::Disk;
use crate::reference::{State, Views};
use crate::sim::checks::{failed, heads, shown};
use crate::sim::device::Place;
use crate::sim::ledger::Known;
use crate::sim::world::{Check, World, community, neighbour};

/// Whether these bytes stand in any file of a disk as they are.
fn stands_on(disk: &Disk, text: &str) -> bool {
    let files = disk.snapshot();
    let mut contents = disk.files().into_iter().filter_map(|(name, _)| files.read(&name));
    contents.any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
}

/// Whether these bytes stand in any change that a store holds.
fn stands_in(store: &mut Store, scopes: &[Scope], text: &str) -> Result<bool, StoreError> {
    for scope in scopes {
        let segments: Vec<_> = store.vector(scope).entries().map(|entry| entry.segment).collect();
        for segment in segments {
            for batch in store.path_batches(scope, &segment, 0, u64::MAX)?.0 {
                let run = unpack(&batch.packed, MAX_RAW)?;
                let whole = (0..run.commits.len()).filter_map(|place| run.to_commit(place));
                let mut bodies = whole.flat_map(|commit| commit.bodies).flatten();
                if bodies.any(|body| body.windows(text.len()).any(|part| part == text.as_bytes())) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

impl World {
    /// P12: a device holds no scope that the office never gave it; what the office took is let go of once it is at the relay, and leaves
    /// no word behind.
    pub fn check_scopes(&mut self, device: usize) -> Check {
        let (Some(city), Some(standing)) = (&self.city, self.standing(device)) else { return Ok(()) };
        let (covered, put_back) = (standing.covered.clone(), city.put_back);
        let Some(one) = self.devices.get_mut(device) else { return Ok(()) };
        let now: BTreeSet<Scope> =
            one.replica().with_store(|store| store.scopes().map(|(_, scope)| scope.clone()).collect());
        if let Some(scope) = now.difference(&covered).next() {
            return Err(format!("P12: device {device} holds {scope}, which it was never given"));
        }
        let gone: Vec<Scope> = one.scopes.difference(&now).cloned().collect();
        one.scopes = now;
        for scope in gone {
            self.let_go(device, &scope, put_back)?;
        }
        Ok(())
    }

    fn let_go(&mut self, device: usize, scope: &Scope, put_back: bool) -> Check {
        self.note("let go");
        self.say(&format!("device {device} lets go of {scope}"));
        let Some(one) = self.devices.get_mut(device) else { return Ok(()) };
        let of_scope = |number: &usize| self.ledger.commits.get(*number).is_some_and(|known| known.scope == *scope);
        let dropped: Vec<usize> = one.must_have.iter().copied().filter(of_scope).collect();
        one.must_have.retain(|number| !of_scope(number));
        one.held.retain(|(of, ..)| of != scope);
        one.uploaded.retain(|(of, ..)| of != scope);
        if (*scope == community() || *scope == neighbour())
            && !one.disk.is_off()
            && stands_on(&one.disk, word_of(scope))
        {
            return Err(format!("P12: device {device} let go of {scope}, and words of it are left in its files"));
        }
        let Some(relay) = self.hub.relay.as_mut().filter(|_| !put_back) else { return Ok(()) };
        for number in dropped {
            let Some(known) = self.ledger.commits.get(number) else { continue };
            if !relay.with_store(|store| known.is_in(store)).map_err(failed)? {
                return Err(format!(
                    "P3: device {device} let go of {scope} with commit {number} in it, which is not at the relay"
                ));
            }
        }
        self.after_loss()
    }

    /// A device that was revoked, and what it holds, if a colleague that it is to meet has heard of it.
    pub fn is_closed_to(&self, device: usize, colleague: usize) -> Option<(usize, BTreeSet<Place>)> {
        self.standing(device)?.revoked.as_ref()?;
        let (one, colleague) = (self.devices.get(device)?, self.devices.get(colleague)?);
        let author = one.replica().author();
        let knows = colleague.replica().with_store(|store| {
            self.scopes.iter().any(|scope| store.is_revoked(scope, author))
                && store.trust().and_then(|trust| trust.in_force(author)).is_some_and(|one| one.scopes.is_empty())
        });
        knows.then(|| (device, one.replica().with_store(|store| heads(store, &self.scopes))))
    }

    /// P12: a colleague who knows better gives nothing to a device that was revoked.
    pub fn check_nothing_gained(&self, device: usize, before: &BTreeSet<Place>) -> Check {
        let Some(one) = self.devices.get(device) else { return Ok(()) };
        let own = one.replica().author();
        let now = one.replica().with_store(|store| heads(store, &self.scopes));
        match now.difference(before).find(|(_, author, ..)| *author != own) {
            Some((scope, _, seq, _)) => {
                Err(format!("P12: a colleague gave device {device}, which was revoked, commit {seq} of {scope}"))
            }
            None => Ok(()),
        }
    }

    /// P12: the relay serves a device nothing but what the office gives it.
    pub fn check_served(&mut self, request: usize, answer: &[u8]) -> Check {
        if self.city.is_none() {
            return Ok(());
        }
        let Some((device, mut allowed)) =
            self.requests.get(request).map(|request| (request.device, request.served.clone()))
        else {
            return Ok(());
        };
        allowed.extend(self.entitled(device));
        let mut reader = FrameReader::new(MAX_FRAME);
        let mut rest = answer;
        loop {
            let taken = reader.push(rest);
            rest = rest.get(taken..).unwrap_or_default();
            let Ok(raw) = reader.next_frame() else { return Err("the relay answers no frames".to_owned()) };
            match raw {
                Some(raw) => {
                    if let Ok(Some(Frame::Batch(batch))) = Frame::open(&raw, MAX_FRAME)
                        && !allowed.contains(&batch.scope)
                    {
                        return Err(format!("P12: the relay serves device {device} {}", batch.scope));
                    }
                }
                None if rest.is_empty() => return Ok(()),
                None => {}
            }
        }
    }

    /// What still differs or waits in a city.
    pub fn city_apart(&mut self) -> Result<Option<String>, String> {
        self.survey()?;
        self.mend_standings()?;
        while self.hub.turn() {}
        for device in 0..self.devices.len() {
            let Some(standing) = self.standing(device).cloned() else { continue };
            let Some(one) = self.devices.get(device) else { continue };
            let status = one.replica().status().map_err(|error| format!("device {device}: {error}"))?;
            if status.unsent_commits > 0 {
                return Ok(Some(format!(
                    "device {device} has {} unsent: {:?} {:?} {:?}",
                    status.unsent_commits, status.phase, status.refused, status.last_error
                )));
            }
            let held: BTreeSet<Scope> =
                one.replica().with_store(|store| store.scopes().map(|(_, scope)| scope.clone()).collect());
            if held != standing.scopes {
                return Ok(Some(format!("device {device} holds {held:?}, and is to hold {:?}", standing.scopes)));
            }
            if standing.revoked.is_some() {
                continue;
            }
            if !one.equal {
                return Ok(Some(format!(
                    "device {device} and the relay do not call each other equal: {:?} {:?}",
                    status.last_error, status.refused
                )));
            }
            let scopes: Vec<Scope> = standing.scopes.iter().cloned().collect();
            let here = one.replica().with_store(|store| heads(store, &scopes));
            let rows = shown(one.replica(), &scopes)?;
            let Some(relay) = &mut self.hub.relay else { return Err("the relay is down".to_owned()) };
            if relay.with_store(|store| heads(store, &scopes)) != here {
                return Ok(Some(format!(
                    "device {device} holds other commits than the relay: {:?}",
                    status.last_error
                )));
            }
            let Some(reader) = &mut self.hub.reader else { return Err("the relay is down".to_owned()) };
            for (scope, row) in scopes.iter().zip(rows) {
                if reader.digest(Some(scope)).map_err(failed)? != row {
                    return Ok(Some(format!("device {device} shows other rows of {scope} than the relay")));
                }
            }
        }
        Ok(None)
    }

    /// P15: whoever had contact holds nothing of what was erased.
    pub fn check_city_end(&mut self) -> Check {
        let Some(city) = &self.city else { return Ok(()) };
        let erased: Vec<String> = city.persons.iter().filter(|one| one.erased).map(|one| one.name.clone()).collect();
        let scopes = self.scopes.clone();
        for name in &erased {
            for one in &self.devices {
                let held = one.replica().with_store(|store| stands_in(store, &scopes, name)).map_err(failed)?;
                if held || stands_on(&one.disk, name) {
                    return Err(format!("P15: device {} holds an erased name", one.no));
                }
            }
            let Some(relay) = &mut self.hub.relay else { return Err("the relay is down".to_owned()) };
            let held = relay.with_store(|store| stands_in(store, &scopes, name)).map_err(failed)?;
            if held || stands_on(&self.hub.disk, name) {
                return Err("P15: the relay holds an erased name".to_owned());
            }
        }
        if !erased.is_empty() {
            self.note("erased names sought");
        }
        Ok(())
    }

    /// P9, P12: what people were permitted to do counts, and what they were not does not.
    pub fn check_expected(&mut self, scope: &Scope, views: &Views) -> Check {
        let (Some(city), Some(relay)) = (&self.city, &mut self.hub.relay) else { return Ok(()) };
        let vector = relay.with_store(|store| store.vector(scope));
        let mut checked = [0u64; 2];
        for (number, known) in self.ledger.commits.iter().enumerate() {
            if known.scope != *scope || known.gone {
                continue;
            }
            let place = (scope.to_string(), known.author.0, known.chain.0, 0);
            let Some(state) = views.states.get(&place) else {
                return Err(format!("P9: commit {number} is not at the relay"));
            };
            // Where copies of a log have parted, a word on it may speak of either side.
            if vector.entries().filter(|entry| entry.segment.author == known.author).count() > 1 {
                continue;
            }
            match city.expects(number, known) {
                Some(true) if *state == State::Quarantined => {
                    return Err(format!("P9: commit {number} of device {} was permitted and is hidden", known.lineage));
                }
                Some(false) if *state == State::Applied => {
                    return Err(format!("P12: commit {number} of device {} counts and must not", known.lineage));
                }
                Some(counts) => {
                    if let Some(of) = checked.get_mut(usize::from(counts)) {
                        *of += 1;
                    }
                }
                None => {}
            }
        }
        let [hidden, counting] = checked;
        *self.met.entry("must not count").or_default() += hidden;
        *self.met.entry("must count").or_default() += counting;
        Ok(())
    }
}

impl City {
    /// Whether a commit is to count; none where it depends on more than is followed here.
    fn expects(&self, number: usize, known: &Known) -> Option<bool> {
        let standing = self.standings.get(known.lineage)?;
        if self.by_hand.contains(&(known.scope.clone(), known.author)) {
            return None;
        }
        // The relay forgets the office's words since its backup, unless a device brings them.
        let said = self.hidden.contains(&number).then_some(false).or(self.released.contains(&number).then_some(true));
        if said.is_some() {
            return said.filter(|_| !self.put_back);
        }
        if self.forbidden.contains(&number) {
            // Its device may have been given a role since that permits it.
            return standing.touched.is_none().then_some(false);
        }
        let Some(touched) = &standing.touched else { return Some(true) };
        let before = touched.before.contains(&number);
        match &standing.revoked {
            _ if before => Some(true).filter(|_| !self.put_back),
            Some(_) if !touched.after.contains(&number) => Some(false),
            _ => None,
        }
    }
}
