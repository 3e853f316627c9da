//! What the office does: revoking, moving, releasing, erasing; and what must have come of it.

use std::collections::BTreeSet;

use lastmile_model::roles::Role;
use lastmile_model::{AuthorId, Scope};
use lastmile_relay::{OfficeAnswer, OfficeCommand};
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use super::{Touched, beside};
use crate::sim::checks::failed;
use crate::sim::world::{Check, World, city};

impl World {
    /// The ledger's commits of a device that the relay holds.
    pub fn at_relay(&mut self, lineage: usize) -> Result<BTreeSet<usize>, String> {
        let mut held = BTreeSet::new();
        let Some(relay) = &mut self.hub.relay else { return Ok(held) };
        for (number, known) in self.ledger.commits.iter().enumerate().filter(|(_, known)| known.lineage == lineage) {
            if relay.with_store(|store| known.is_in(store)).map_err(failed)? {
                held.insert(number);
            }
        }
        Ok(held)
    }

    /// The scopes that the office's last certificate of an author names, as the relay has it.
    fn certified(&mut self, author: AuthorId) -> Option<BTreeSet<Scope>> {
        let relay = self.hub.relay.as_mut()?;
        relay.with_store(|store| {
            let certificate = store.trust()?.certificate(author)?;
            Some(certificate.scopes.iter().cloned().collect())
        })
    }

    /// Whether the office may revoke a device without leaving nobody at work.
    pub fn may_revoke(&self, device: usize) -> bool {
        let Some(city) = &self.city else { return false };
        let at_work = city.standings.iter().filter(|standing| standing.revoked.is_none()).count();
        at_work > 2 && self.standing(device).is_some_and(|standing| standing.revoked.is_none())
    }

    /// Notes what the office did to a device first.
    fn touch(&mut self, lineage: usize, before: BTreeSet<usize>) -> Check {
        let after = self.at_relay(lineage)?;
        if let Some(standing) = self.office_says().standings.get_mut(lineage) {
            match &mut standing.touched {
                Some(touched) => touched.after.extend(after),
                none => *none = Some(Touched { before, after }),
            }
        }
        Ok(())
    }

    fn revoked(&mut self, lineage: usize, authors: BTreeSet<AuthorId>, before: BTreeSet<usize>) -> Check {
        self.touch(lineage, before)?;
        if let Some(standing) = self.office_says().standings.get_mut(lineage) {
            standing.revoked.get_or_insert_default().extend(authors);
            standing.scopes.clear();
        }
        self.note("revoked");
        self.say(&format!("device {lineage} is revoked"));
        Ok(())
    }

    /// The office revokes a device.
    pub fn revoke(&mut self, device: usize) -> Check {
        if !self.may_revoke(device) {
            return Ok(());
        }
        let Some(one) = self.devices.get(device) else { return Ok(()) };
        let (lineage, author) = (one.lineage, one.replica().author().to_string());
        let before = self.at_relay(lineage)?;
        let Some(relay) = &mut self.hub.relay else { return Ok(()) };
        match relay.office(OfficeCommand::Revoke { author, reason: "丢失".to_owned() }) {
            Ok(OfficeAnswer::Revoked { authors }) => {
                let authors = authors.iter().filter_map(|author| author.parse().ok()).collect();
                self.revoked(lineage, authors, before)?;
            }
            Ok(other) => return Err(format!("the office revokes and is told {other:?}")),
            Err(error) => {
                self.say(&format!("device {device} cannot be revoked: {}", word(&error)));
                self.after_office()?;
                return self.note_replaced(lineage, before);
            }
        }
        self.after_office()
    }

    /// Finds out whether a device was revoked that was to be.
    pub fn note_replaced(&mut self, lineage: usize, before: BTreeSet<usize>) -> Check {
        let standing = self.city.as_ref().and_then(|city| city.standings.get(lineage));
        let Some(covered) = standing.filter(|one| one.revoked.is_none()).map(|one| one.covered.clone()) else {
            return Ok(());
        };
        let authors: BTreeSet<AuthorId> = self.authors_of(lineage).into_keys().collect();
        let Some(relay) = &mut self.hub.relay else { return Ok(()) };
        let ended = |author: &AuthorId| {
            relay.with_store(|store| {
                let certificate = store.trust().and_then(|trust| trust.certificate(*author));
                certificate.is_some_and(|one| one.scopes.is_empty())
                    && covered.iter().any(|scope| store.is_revoked(scope, *author))
            })
        };
        let ended: BTreeSet<AuthorId> = authors.into_iter().filter(ended).collect();
        if ended.is_empty() { Ok(()) } else { self.revoked(lineage, ended, before) }
    }

    /// Finds out whose revocation was carried out later, as when the relay came back; who was revoked stays so.
    pub fn survey(&mut self) -> Check {
        let count = self.city.as_ref().map_or(0, |city| city.standings.len());
        for lineage in 0..count {
            self.note_replaced(lineage, BTreeSet::new())?;
        }
        let Some(city) = &self.city else { return Ok(()) };
        let revoked: Vec<(usize, BTreeSet<AuthorId>, BTreeSet<Scope>)> = city
            .standings
            .iter()
            .enumerate()
            .filter_map(|(lineage, one)| Some((lineage, one.revoked.clone()?, one.covered.clone())))
            .collect();
        for (lineage, authors, covered) in revoked {
            for author in authors {
                let Some(relay) = &mut self.hub.relay else { return Ok(()) };
                let in_force = relay.with_store(|store| {
                    let ended = store.trust().and_then(|trust| trust.certificate(author));
                    ended.is_some_and(|one| one.scopes.is_empty())
                        && covered.iter().any(|scope| store.is_revoked(scope, author))
                });
                if !in_force {
                    return Err(format!("P12: the revocation of device {lineage} is no longer in force"));
                }
            }
        }
        Ok(())
    }

    /// The office sends a device elsewhere, or gives its people another role.
    pub fn move_device(&mut self, device: usize, rng: &mut ChaCha8Rng) -> Check {
        let Some(standing) = self.standing(device).filter(|standing| standing.revoked.is_none()) else { return Ok(()) };
        let homes: Vec<Scope> = standing.scopes.iter().filter(|scope| **scope != city()).cloned().collect();
        let Some(home) = homes.choose(rng) else { return Ok(()) };
        let mut role = standing.role;
        let homes = match rng.random_range(0..10) {
            0..6 => vec![beside(home)],
            6..8 => vec![home.clone(), beside(home)],
            _ => {
                role = if role == Role::Worker { Role::Secretary } else { Role::Worker };
                homes
            }
        };
        self.assign(device, role, &homes)
    }

    /// Certifies a device anew.
    pub fn assign(&mut self, device: usize, role: Role, homes: &[Scope]) -> Check {
        let Some(one) = self.devices.get(device) else { return Ok(()) };
        let (lineage, author) = (one.lineage, one.replica().author());
        let before = self.at_relay(lineage)?;
        let Some(relay) = &mut self.hub.relay else { return Ok(()) };
        let command = OfficeCommand::Reassign {
            author: author.to_string(),
            persons: None,
            roles: Some(vec![role.code().to_owned()]),
            scopes: Some(homes.iter().map(Scope::to_string).collect()),
            until_ms: None,
        };
        let answer = relay.office(command);
        let scopes: BTreeSet<Scope> = homes.iter().cloned().chain([city()]).collect();
        let done = match &answer {
            Ok(_) => true,
            Err(error) => {
                let told = word(error);
                self.say(&format!("device {device} cannot be certified anew: {told}"));
                self.after_office()?;
                self.certified(author).as_ref() == Some(&scopes)
            }
        };
        if done {
            self.touch(lineage, before)?;
            self.say(&format!("device {device} is to be {} in {} communities", role.code(), homes.len()));
            self.note("moved");
            if let Some(standing) = self.office_says().standings.get_mut(lineage) {
                standing.covered.extend(scopes.iter().cloned());
                (standing.role, standing.scopes) = (role, scopes);
            }
        }
        if answer.is_ok() { self.after_office() } else { Ok(()) }
    }

    /// The office certifies anew whomever the relay knows otherwise than it said: one that went on as another author, or whose move the
    /// relay forgot when it was put back.
    pub fn mend_standings(&mut self) -> Check {
        for device in 0..self.devices.len() {
            let Some(standing) = self.standing(device).filter(|one| one.revoked.is_none()).cloned() else { continue };
            let Some(author) = self.devices.get(device).map(|one| one.replica().author()) else { continue };
            let Some(relay) = &mut self.hub.relay else { return Ok(()) };
            let in_force = relay.with_store(|store| {
                let certificate = store.trust()?.in_force(author)?;
                let role = certificate.roles.first().and_then(|role| role.parse::<Role>().ok());
                Some((role, certificate.scopes.into_iter().collect::<BTreeSet<_>>()))
            });
            // What the office was told had failed it says again.
            if in_force.as_ref().is_some_and(|(_, scopes)| scopes.is_empty()) {
                self.revoke(device)?;
                continue;
            }
            if let Some((role, scopes)) = in_force
                && (role, &scopes) != (Some(standing.role), &standing.scopes)
            {
                let homes: Vec<Scope> = standing.scopes.into_iter().filter(|scope| *scope != city()).collect();
                self.assign(device, standing.role, &homes)?;
            }
        }
        Ok(())
    }

    /// The office lets something count again that a rule or a revocation keeps out of sight, or takes something out of sight itself.
    pub fn release(&mut self, rng: &mut ChaCha8Rng) -> Check {
        let Some(city) = &self.city else { return Ok(()) };
        let revoked = |lineage: usize| city.standings.get(lineage).is_some_and(|one| one.revoked.is_some());
        let (mut forbidden, mut beyond, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (number, known) in self.ledger.commits.iter().enumerate() {
            if revoked(known.lineage) {
                beyond.push(number);
            } else if city.forbidden.contains(&number) {
                forbidden.push(number);
            } else {
                others.push(number);
            }
        }
        match rng.random_range(0..10) {
            0..5 => {
                let Some(number) = forbidden.choose(rng) else { return Ok(()) };
                self.say_of(*number, false, None)
            }
            5..8 => {
                let Some(number) = beyond.choose(rng) else { return Ok(()) };
                let seq = self.ledger.commits.get(*number).map(|known| known.seq);
                self.say_of(*number, true, seq)?;
                self.say_of(*number, false, seq)
            }
            _ => {
                let Some(number) = others.choose(rng) else { return Ok(()) };
                self.say_of(*number, true, None)
            }
        }
    }

    /// The office's word on commits from one on, `to` this or as far as a verdict in force or the log goes.
    fn say_of(&mut self, number: usize, quarantine: bool, to: Option<u64>) -> Check {
        let Some(known) = self.ledger.commits.get(number).cloned() else { return Ok(()) };
        let Some(relay) = &mut self.hub.relay else { return Ok(()) };
        let (scope, author) = (known.scope.to_string(), known.author.to_string());
        let (from, reason) = (known.seq, "复查".to_owned());
        let command = match quarantine {
            true => OfficeCommand::Quarantine { scope, author, from, to, reason },
            false => OfficeCommand::Release { scope, author, from, to, reason },
        };
        match relay.office(command) {
            Ok(OfficeAnswer::Verdict { from, to, .. }) => {
                self.say(&format!(
                    "the office's word on {from} to {to}: {}",
                    if quarantine { "hidden" } else { "counts" }
                ));
                self.note(if quarantine { "quarantined" } else { "released" });
                // What is said of one commit is exact; of more, it may cross what else was said.
                let city = self.office_says();
                match (quarantine, from == to) {
                    (_, false) => drop(city.by_hand.insert((known.scope, known.author))),
                    (true, true) => {
                        city.released.remove(&number);
                        city.hidden.insert(number);
                    }
                    (false, true) => {
                        city.hidden.remove(&number);
                        city.released.insert(number);
                    }
                }
            }
            Ok(other) => return Err(format!("the office judges and is told {other:?}")),
            Err(error) => {
                self.office_says().by_hand.insert((known.scope, known.author));
                self.say(&format!("the office cannot judge: {}", word(&error)));
            }
        }
        self.after_office()
    }

    /// The office erases a person.
    pub fn erase_person(&mut self, rng: &mut ChaCha8Rng) -> Check {
        let Some(city) = &self.city else { return Ok(()) };
        let left: Vec<usize> =
            (0..city.persons.len()).filter(|at| city.persons.get(*at).is_some_and(|one| !one.erased)).collect();
        let (Some(at), Some(relay)) = (left.choose(rng).copied(), &mut self.hub.relay) else { return Ok(()) };
        let Some(person) = city.persons.get(at).cloned() else { return Ok(()) };
        let command =
            OfficeCommand::Erase { record_type: None, id: person.record.0, reason: "本人要求".to_owned() };
        match relay.office(command) {
            Ok(_) => {
                self.say("the office erases a person");
                self.note("erased");
                if let Some(person) = self.office_says().persons.get_mut(at) {
                    person.erased = true;
                }
            }
            Err(error) => self.say(&format!("the office cannot erase: {}", word(&error))),
        }
        self.after_office()
    }
}

/// What the office was told, in a word that two runs share.
fn word(error: &lastmile_relay::OfficeError) -> String {
    let text = format!("{error:?}");
    text.chars().take_while(|letter| letter.is_alphanumeric()).collect()
}
