//! Carriers in memory.

use lastmile_model::Scope;
use lastmile_protocol::{
    Carrier, Driven, LocalScope, Outcome, PeerCheck, Role, Session, SessionConfig, answer_request, feed, pump,
};

use crate::toy::Replica;

pub fn config(replica: &Replica, role: Role, carrier: Carrier) -> SessionConfig {
    let mut config = SessionConfig::new(role, carrier, replica.deployment.id, replica.author);
    config.app = "lastmile 0.1.0".to_owned();
    config.epoch = Some(replica.epoch);
    config.office = [(replica.epoch, 1)].into();
    config.issues_receipts = replica.author == replica.epoch;
    config.certificates = replica.trust.chain_of(replica.author);
    config
}

pub fn locals(replica: &Replica, scopes: &[Scope]) -> Vec<LocalScope> {
    scopes.iter().map(|scope| replica.local(scope)).collect()
}

pub fn session(replica: &Replica, role: Role, carrier: Carrier, scopes: &[Scope]) -> Session {
    Session::new(config(replica, role, carrier), locals(replica, scopes))
}

/// What went over the wire in a one-shot exchange.
#[derive(Debug, Default)]
pub struct Wire {
    pub requests: Vec<Vec<u8>>,
    pub responses: Vec<Vec<u8>>,
}

impl Wire {
    pub fn bytes(&self) -> usize {
        self.requests.iter().chain(&self.responses).map(Vec::len).sum()
    }
}

/// Answers one request at the relay.
pub fn relay_answers(relay: &mut Replica, scopes: &[Scope], body: &[u8]) -> Vec<u8> {
    relay_answers_with(relay, config(relay, Role::Responder, Carrier::OneShot), locals_of_relay(relay, scopes), body)
}

/// A relay keeps no hints about its clients.
pub fn locals_of_relay(relay: &Replica, scopes: &[Scope]) -> Vec<LocalScope> {
    let mut locals = locals(relay, scopes);
    locals.iter_mut().for_each(|local| local.peer_has = None);
    locals
}

pub fn relay_answers_with(relay: &mut Replica, config: SessionConfig, locals: Vec<LocalScope>, body: &[u8]) -> Vec<u8> {
    let mut session = Session::new(config, locals);
    let mut response = Vec::new();
    answer_request(&mut session, relay, body, &mut response).unwrap();
    response
}

/// Runs a whole one-shot exchange with this settings of the client.
pub fn sync_with(client: &mut Replica, relay: &mut Replica, mut session: Session, scopes: &[Scope]) -> (Outcome, Wire) {
    let mut wire = Wire::default();
    loop {
        let mut request = Vec::new();
        let driven = pump(&mut session, client, &mut request).unwrap();
        if let Some(outcome) = driven.done {
            return (outcome, wire);
        }
        assert!(driven.flushed, "a session that waits must have said so");
        let response = relay_answers(relay, scopes, &request);
        wire.requests.push(request);
        let driven = feed(&mut session, client, &response, &mut Vec::new()).unwrap();
        assert_eq!(driven.done, None);
        wire.responses.push(response);
        session.end_of_input();
    }
}

pub fn sync(client: &mut Replica, relay: &mut Replica, scopes: &[Scope]) -> (Outcome, Wire) {
    let session = session(client, Role::Initiator, Carrier::OneShot, scopes);
    sync_with(client, relay, session, scopes)
}

/// A live stream between two sessions.
pub struct Stream {
    pub a: Session,
    pub b: Session,
    /// Bytes each side put on the wire.
    pub sent: [u64; 2],
    pub done: [Option<Outcome>; 2],
    /// Bytes that have not arrived yet.
    on_way: [Vec<u8>; 2],
    /// How many bytes arrive at a time.
    pub piece: usize,
    /// Whether to keep what was sent.
    pub record: bool,
    pub recorded: [Vec<u8>; 2],
}

impl Stream {
    pub fn new(a: Session, b: Session) -> Self {
        Self {
            a,
            b,
            sent: [0; 2],
            done: [None, None],
            on_way: [Vec::new(), Vec::new()],
            piece: 1_000,
            record: false,
            recorded: [Vec::new(), Vec::new()],
        }
    }

    /// Lets bytes flow until nothing moves or `budget` bytes have gone across; tells how many did.
    pub fn run(&mut self, a: &mut Replica, b: &mut Replica, budget: u64) -> u64 {
        let mut gone = 0;
        loop {
            let mut moved = false;
            for side in 0..2 {
                let (session, host): (&mut Session, &mut Replica) =
                    if side == 0 { (&mut self.a, &mut *a) } else { (&mut self.b, &mut *b) };
                let mut out = Vec::new();
                let driven = pump(session, host, &mut out).unwrap();
                self.note(side, driven);
                self.sent[side] += out.len() as u64;
                self.on_way[side].extend(out);
                let left = usize::try_from(budget - gone).unwrap();
                let count = self.piece.min(left).min(self.on_way[side].len());
                let piece: Vec<u8> = self.on_way[side].drain(..count).collect();
                gone += piece.len() as u64;
                if self.record {
                    self.recorded[side].extend(&piece);
                }
                moved |= !piece.is_empty();
                let (session, host): (&mut Session, &mut Replica) =
                    if side == 0 { (&mut self.b, &mut *b) } else { (&mut self.a, &mut *a) };
                let mut out = Vec::new();
                let driven = feed(session, host, &piece, &mut out).unwrap();
                self.note(1 - side, driven);
                self.sent[1 - side] += out.len() as u64;
                self.on_way[1 - side].extend(out);
            }
            if !moved {
                return gone;
            }
        }
    }

    /// Cuts the connection.
    pub fn cut(mut self, a: &mut Replica, b: &mut Replica) {
        self.a.end_of_input();
        self.b.end_of_input();
        pump(&mut self.a, a, &mut Vec::new()).unwrap();
        pump(&mut self.b, b, &mut Vec::new()).unwrap();
        assert!(self.a.is_over() && self.b.is_over());
    }

    fn note(&mut self, side: usize, driven: Driven) {
        if driven.done.is_some() {
            self.done[side] = driven.done;
        }
    }
}

pub fn signed(mut config: SessionConfig, challenge: u8) -> SessionConfig {
    config.peer_check = PeerCheck::Signed { challenge: [challenge; 16], binding: [0; 32] };
    config.introduce = true;
    config
}

pub fn stream(a: &Replica, b: &Replica, scopes: &[Scope]) -> Stream {
    let a_config = signed(config(a, Role::Initiator, Carrier::Stream), 1);
    let b_config = signed(config(b, Role::Responder, Carrier::Stream), 2);
    let hintless = |replica: &Replica| locals_of_relay(replica, scopes);
    Stream::new(Session::new(a_config, hintless(a)), Session::new(b_config, hintless(b)))
}

/// A live stream between a device and its relay, which says what it holds only to whom it has made sure of.
pub fn live(device: &Replica, relay: &Replica, scopes: &[Scope], credit: u64) -> Stream {
    let device_config = signed(config(device, Role::Initiator, Carrier::Stream), 1);
    let mut relay_config = signed(config(relay, Role::Responder, Carrier::Stream), 2);
    (relay_config.introduce, relay_config.late_scopes, relay_config.credit) = (false, true, credit);
    let device = Session::new(device_config, locals_of_relay(device, scopes));
    Stream::new(device, Session::new(relay_config, locals_of_relay(relay, scopes)))
}

/// Lets two devices exchange all they have.
pub fn meet(a: &mut Replica, b: &mut Replica, scopes: &[Scope]) -> Stream {
    let mut stream = stream(a, b, scopes);
    stream.run(a, b, u64::MAX);
    stream
}

/// Writes a bundle.
pub fn export(from: &mut Replica, config: SessionConfig, locals: Vec<LocalScope>) -> (Outcome, Vec<u8>) {
    let mut session = Session::new(config, locals);
    let mut file = Vec::new();
    let driven = pump(&mut session, from, &mut file).unwrap();
    (driven.done.unwrap(), file)
}

/// Reads a bundle.
pub fn import(into: &mut Replica, file: &[u8], scopes: &[Scope]) -> Outcome {
    let config = config(into, Role::Responder, Carrier::File);
    let mut session = Session::new(config, locals(into, scopes));
    let driven = feed(&mut session, into, file, &mut Vec::new()).unwrap();
    session.end_of_input();
    let mut nothing = Vec::new();
    let ended = pump(&mut session, into, &mut nothing).unwrap();
    assert!(nothing.is_empty(), "a reader of files answers nobody");
    ended.done.or(driven.done).unwrap()
}
