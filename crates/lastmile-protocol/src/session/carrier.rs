//! What differs between carriers: who speaks when, and when an exchange is over.

use lastmile_model::Scope;

use super::Session;
use super::config::{Access, Carrier, Role};
use super::effect::{Effect, Notice};
use super::state::{Phase, ScopeState};
use crate::bundle;
use crate::code::Code;
use crate::limits::{INITIAL_CREDIT, MAX_ANSWER, MAX_FRUITLESS_ROUNDS};
use crate::plan::plan;

impl Session {
    pub(super) fn start(&mut self) {
        match (self.config.carrier, self.config.role) {
            (Carrier::Stream, _) => {
                self.phase = Phase::Live;
                let late = self.names_scopes_late();
                let scopes: Vec<Scope> = self.scopes.keys().filter(|_| !late).cloned().collect();
                self.send_hello(&scopes);
            }
            (Carrier::OneShot, Role::Initiator) => self.begin_round(),
            (Carrier::OneShot, Role::Responder) => self.phase = Phase::Receiving,
            (Carrier::File, Role::Initiator) => self.begin_file(),
            (Carrier::File, Role::Responder) => {
                self.input.expect_start(bundle::START);
                self.phase = Phase::Receiving;
            }
        }
    }

    /// Does everything that can be done without another answer or more bytes.
    pub(super) fn advance(&mut self) {
        loop {
            match self.phase {
                Phase::Over => return,
                Phase::Live => return self.advance_live(),
                Phase::Sending => {
                    self.do_work();
                    if !self.is_quiet() {
                        return;
                    }
                    self.finish_half();
                }
                Phase::Receiving if self.input_ended && self.inbox.is_idle() => self.finish_input(),
                Phase::Receiving => return,
            }
        }
    }

    fn finish_half(&mut self) {
        match (self.config.carrier, self.config.role) {
            (Carrier::OneShot, Role::Initiator) => {
                self.send(&self.end_now(false, self.starved));
                self.effects.push_back(Effect::Flush);
                self.phase = Phase::Receiving;
            }
            _ => {
                self.outcome.more = self.starved || self.asked_peer;
                self.send(&self.end_now(self.outcome.equal, self.outcome.more));
                self.finish();
            }
        }
    }

    fn finish_input(&mut self) {
        if self.peer_end.is_none() {
            self.notice(Notice::CutShort);
        }
        match (self.config.carrier, self.config.role) {
            (Carrier::OneShot, Role::Initiator) => self.finish_round(),
            (Carrier::OneShot, Role::Responder) => self.respond(),
            _ => self.finish_file(),
        }
    }

    // One-shot, the side that asks.

    fn begin_round(&mut self) {
        self.outcome.rounds += 1;
        self.phase = Phase::Sending;
        self.input_ended = false;
        self.input.clear();
        self.peer_end = None;
        self.handshake.met = false;
        self.asked_peer = false;
        self.news = false;
        self.inbox.renew(self.config.credit);
        let credit = self.peer.as_ref().map_or(INITIAL_CREDIT, |hello| hello.credit);
        self.credit = credit.min(self.config.upload_limit);
        let open: Vec<Scope> =
            self.scopes.iter().filter(|(_, s)| !s.settled && !s.refused).map(|(scope, _)| scope.clone()).collect();
        for scope in &open {
            if let Some(state) = self.scopes.get_mut(scope) {
                state.peer_digest = None;
            }
        }
        self.send_hello(&open);
        for scope in &open {
            if self.vector_is_worth_it(scope) {
                self.send_vector(scope);
            }
            if self.scopes.get(scope).is_some_and(|state| state.peer.is_some()) {
                self.plan_scope(scope);
            }
        }
    }

    fn finish_round(&mut self) {
        let Some(end) = self.peer_end.take() else {
            self.outcome.more = true;
            return self.finish();
        };
        if self.outcome.error.is_some() {
            return self.finish();
        }
        self.settle(end.equal);
        let open = || self.scopes.values().filter(|state| !state.settled && !state.refused);
        self.outcome.equal = open().next().is_none();
        let owing = self.scopes.iter().any(|(scope, state)| self.owes(scope, state));
        let useful = end.more || self.work.is_pressing() || owing;
        self.fruitless = if self.news { 0 } else { self.fruitless + 1 };
        let tired = self.fruitless >= MAX_FRUITLESS_ROUNDS || self.outcome.rounds >= self.config.max_rounds;
        if self.outcome.equal || !useful || tired {
            self.outcome.more = !self.outcome.equal && useful;
            return self.finish();
        }
        self.begin_round();
    }

    /// Tells whether there is something to send that the peer, by its own word, lacks.
    fn owes(&self, scope: &Scope, state: &ScopeState) -> bool {
        let Some(peer) = state.peer.as_ref().filter(|_| state.known && !state.settled && state.is_shared()) else {
            return false;
        };
        let plan = plan(&state.vector, peer, &self.config.office);
        let authors = plan.send.iter().map(|range| range.segment.author).chain(plan.parted);
        authors.into_iter().any(|author| !self.declined.contains(&(scope.clone(), author)))
    }

    /// Marks the scopes in which both sides are seen to hold the same.
    fn settle(&mut self, all_equal: bool) {
        let mut equal = Vec::new();
        for (scope, state) in &mut self.scopes {
            if state.settled || state.refused {
                continue;
            }
            let same = if all_equal { Some(&state.said) } else { Some(&state.vector) };
            let same = same.filter(|vector| all_equal || state.peer_digest == Some(vector.digest()));
            if let Some(vector) = same {
                equal.push((scope.clone(), vector.to_vector()));
                state.settled = true;
            }
        }
        for (scope, vector) in equal {
            self.work.logs.drop_of(&scope, None);
            self.effects.push_back(Effect::PeerVector { scope, vector });
        }
    }

    // One-shot, the side that answers.

    fn respond(&mut self) {
        let Some(hello) = self.peer.clone() else {
            return self.end_with_error(Code::OutOfOrder, vec!["no hello".to_owned()], 0);
        };
        self.phase = Phase::Sending;
        // A response is gathered before it goes, so the client's word alone does not decide how much that is.
        self.credit = hello.credit.min(MAX_ANSWER);
        let shared: Vec<Scope> =
            self.scopes.iter().filter(|(_, state)| state.is_shared()).map(|(scope, _)| scope.clone()).collect();
        let mut unequal = Vec::new();
        let mut equal = Vec::new();
        for (scope, state) in &mut self.scopes {
            // What the peer was believed to hold, with what it has just brought, may be what its hello said.
            state.prove_belief();
            match state.peer_digest {
                Some(digest) if state.vector.digest() == digest => {
                    equal.push((scope.clone(), state.vector.to_vector()))
                }
                Some(_) => unequal.push(scope.clone()),
                None => {}
            }
        }
        self.outcome.equal = unequal.is_empty();
        for (scope, vector) in equal {
            self.effects.push_back(Effect::PeerVector { scope, vector });
        }
        let other_epoch = hello.epoch != self.config.epoch;
        // Who is introduced to itself is told something, though it holds all there is.
        let silent = !other_epoch && !self.config.introduce;
        if unequal.is_empty() && silent && !self.asked_peer && self.forks.is_empty() {
            return;
        }
        self.send_hello(&shared);
        for scope in unequal {
            self.answer_scope(&scope);
        }
    }

    /// Serves a scope when the peer's vector is known, and shows the own one when something has to come from the peer.
    fn answer_scope(&mut self, scope: &Scope) {
        let known = self.scopes.get(scope).is_some_and(|state| state.known);
        let lacking = !known || self.plan_scope(scope);
        if lacking {
            self.send_vector(scope);
            self.asked_peer = true;
        }
    }

    // Files.

    fn begin_file(&mut self) {
        self.phase = Phase::Sending;
        self.credit = self.config.file_limit.unwrap_or(u64::MAX);
        self.outcome.sent.bytes += bundle::START.len() as u64;
        self.send_bytes(bundle::START.to_vec());
        let scopes: Vec<Scope> = self.scopes.keys().cloned().collect();
        self.send_hello(&scopes);
        for scope in &scopes {
            self.send_vector(scope);
            self.plan_scope(scope);
        }
    }

    fn finish_file(&mut self) {
        let complete = self.peer_end.as_ref().is_some_and(|end| !end.more);
        let mut shared = self.scopes.values().filter(|state| state.is_shared());
        self.outcome.equal =
            self.peer.is_some() && shared.all(|state| state.peer_digest == Some(state.vector.digest()));
        self.outcome.more = !complete;
        self.finish();
    }

    // Streams.

    /// Begins the exchange proper once both hellos are said and the peer is made sure of.
    pub(super) fn start_live(&mut self) {
        if self.config.carrier != Carrier::Stream || !self.handshake.is_ready() {
            return;
        }
        let shared: Vec<Scope> =
            self.scopes.iter().filter(|(_, state)| state.is_shared()).map(|(scope, _)| scope.clone()).collect();
        for scope in shared {
            let Some(state) = self.scopes.get(&scope) else { continue };
            if state.peer_digest != Some(state.said.digest()) {
                self.send_vector(&scope);
            } else if state.vector.digest() != state.said.digest() && state.access == Access::Full {
                self.plan_scope(&scope);
            }
        }
    }

    fn advance_live(&mut self) {
        let ready = self.handshake.is_ready();
        if ready {
            self.do_work();
        }
        let state = (self.handled, self.sent_frames);
        if self.input_ended && (self.inbox.is_idle() || !ready) {
            if self.input.is_partial() {
                self.notice(Notice::CutShort);
            }
            self.outcome.more |= self.done_at != Some(state);
            if self.done_at == Some(state) {
                self.phase = Phase::Over;
            } else {
                self.finish();
            }
            return;
        }
        if !ready || !self.is_quiet() {
            return;
        }
        let unsaid = self.last_end.is_none_or(|(_, sent)| sent != self.sent_frames);
        let unheard = self.peer_end.is_some() && self.last_end.is_none_or(|(handled, _)| handled != self.handled);
        if unsaid || unheard {
            self.send(&self.end_now(self.looks_equal(), self.starved));
            self.last_end = Some(state);
        }
        let Some(end) = &self.peer_end else { return };
        let settled = self.last_end == Some(state) && end.handled == self.sent_frames;
        if settled && self.done_at != Some(state) {
            self.outcome.more = self.starved || end.more;
            self.outcome.equal = end.equal && self.looks_equal();
            self.done_at = Some(state);
            self.settle_live();
            self.work.let_go();
            self.effects.push_back(Effect::Done(self.outcome.clone()));
        }
    }

    /// Tells whether the scopes are kept from a peer that is not made sure of yet.
    pub(super) const fn names_scopes_late(&self) -> bool {
        self.config.late_scopes && !self.handshake.is_complete()
    }

    fn looks_equal(&self) -> bool {
        self.scopes.values().filter(|state| state.is_shared()).all(|state| state.looks_equal())
    }

    /// Tells the host what the peer holds, of scopes in which that has become something else.
    fn settle_live(&mut self) {
        for (scope, state) in &mut self.scopes {
            if state.is_shared() && state.looks_equal() && state.told != Some(state.vector.digest()) {
                state.told = Some(state.vector.digest());
                // The same content under one allocation: a relay holds thousands of these.
                state.said = state.vector.clone();
                state.peer_digest = state.told;
                state.claimed = state.claimed.is_some().then(|| state.vector.clone());
                state.peer = Some(state.vector.clone());
                let (scope, vector) = (scope.clone(), state.vector.to_vector());
                self.effects.push_back(Effect::PeerVector { scope, vector });
            }
        }
    }
}
