//! A whole session fed with a peer's bytes, over a real store: one-shot and stream, both sides, and a bundle from a file.
//!
//! The first byte says which side and in which pieces the bytes come, the rest are frames. Laws: nothing panics; the host is
//! asked nothing that it cannot answer; a session ends when its bytes do; what it says to the peer are whole frames; what the
//! pieces are does not matter to what is stored; the replica keeps its laws.

use lastmile_client::host::{Learnt, StoreHost, local_scopes};
use lastmile_protocol::frame::Hello;
use lastmile_protocol::{Carrier, DriveError, Frame, PeerCheck, Role, Session, SessionConfig, bundle, feed, pump};
use lastmile_store::Durability;
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::mutate::Random;
use crate::support::{author, deployment, key};
use crate::{cost, frames, tally, world};

const NOW: i64 = 1_764_000_000_000;

/// Carrier and role, and whether the peer of a stream must sign, by the low bits of the first byte.
const SIDES: [(Carrier, Role, bool); 6] = [
    (Carrier::OneShot, Role::Responder, false),
    (Carrier::OneShot, Role::Initiator, false),
    (Carrier::Stream, Role::Responder, false),
    (Carrier::Stream, Role::Initiator, false),
    (Carrier::File, Role::Responder, false),
    (Carrier::Stream, Role::Responder, true),
];

fn drive(how: u8, input: &[u8], piece: usize) -> [u8; 32] {
    let (carrier, role, signed) = SIDES[usize::from(how) % SIDES.len()];
    let (kept, mut store) = world::replica(how & 0x40 == 0);
    let me = key(2);
    let mut config = SessionConfig::new(role, carrier, deployment().id, author(2));
    config.epoch = Some(author(1));
    config.office = [(author(1), 1)].into();
    config.issues_receipts = false;
    config.certificates = store.trust().map(|trust| trust.chain_of(author(2))).unwrap_or_default();
    if signed {
        config.peer_check = PeerCheck::Signed { challenge: [2; 16], binding: [0; 32] };
    }
    let locals = local_scopes(&mut store, &[author(2)], &Default::default()).unwrap();
    let mut learnt = Learnt::default();
    let mut host = StoreHost {
        store: &mut store,
        key: &me,
        now_ms: NOW,
        durability: Durability::Full,
        relay_only: how & 0x20 == 0,
        learnt: &mut learnt,
    };
    let mut said = Vec::new();
    let outcome = cost::of(|| {
        let mut session = Session::new(config, locals);
        pump(&mut session, &mut host, &mut said).unwrap();
        for part in input.chunks(piece) {
            match feed(&mut session, &mut host, part, &mut said) {
                Ok(_) => {}
                Err(DriveError::Session(_)) => break,
                Err(DriveError::Host(error)) => panic!("the peer's bytes make the host fail: {error}"),
            }
        }
        session.end_of_input();
        let ended = pump(&mut session, &mut host, &mut said).unwrap();
        // A client whose response ended goes on with a further request, until it has made its rounds.
        let mut rounds = 0;
        while !session.is_over() && rounds < 70 {
            session.end_of_input();
            pump(&mut session, &mut host, &mut said).unwrap();
            rounds += 1;
        }
        assert!(session.is_over(), "the bytes are over and the session is not");
        ended.done
    });
    if outcome.is_some_and(|outcome| outcome.appended > 0) {
        tally::note("took something");
    }
    let said = said.strip_prefix(bundle::START).unwrap_or(&said);
    let (whole, rest) = frames::cut(said);
    assert!(rest.is_empty(), "half a frame was said");
    for frame in &whole {
        let opened = frames::open(frame).expect("a frame that nobody can read was said");
        if matches!(opened, Frame::Batch(_)) {
            tally::note("served a batch");
        }
    }
    let digest = store.reader().unwrap().digest(None).unwrap();
    if piece == input.len().max(1) {
        world::check(&kept, store);
    }
    digest
}

/// Runs a session over the bytes, at once and in pieces.
pub fn run(data: &[u8]) {
    let Some((how, input)) = data.split_first() else { return };
    let input = if matches!(SIDES[usize::from(*how) % SIDES.len()].0, Carrier::File) {
        [bundle::START, input].concat()
    } else {
        input.to_vec()
    };
    let whole = drive(*how, &input, input.len().max(1));
    let pieces = drive(*how, &input, 1 + usize::from(*how >> 3) * 11);
    assert_eq!(whole, pieces, "the pieces decide what is stored");
}

/// What an honest peer says on each carrier.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut rng = <Random as rand::SeedableRng>::seed_from_u64(1);
    let mut seeds = Vec::new();
    for side in 0..u8::try_from(SIDES.len()).unwrap() {
        for by in [1, 3] {
            let mut stream = frames::hello(by, Some([2; 16]).filter(|_| side == 5)).encode().unwrap();
            stream.extend(Frame::Certificates(crate::support::certificates()).encode().unwrap());
            stream.extend(frames::any(&mut rng).and_then(|frame| frame.encode().ok()).unwrap_or_default());
            let batch = frames::batch(crate::commits::packed(&crate::commits::log(by)).unwrap(), &mut rng).unwrap();
            stream.extend(batch.encode().unwrap());
            stream.extend(
                Frame::End(lastmile_protocol::frame::End { equal: false, more: false, handled: 0 }).encode().unwrap(),
            );
            seeds.push([vec![side + 6 * by], stream].concat());
        }
    }
    // The golden exchanges as if they were of this deployment.
    for bytes in frames::golden() {
        let bytes = bytes.strip_prefix(bundle::START).unwrap_or(&bytes);
        let (list, _) = frames::cut(bytes);
        let own = list.into_iter().map(|frame| match frames::open(&frame) {
            Some(Frame::Hello(hello)) => {
                Frame::Hello(Hello { deployment: deployment().id, author: author(3), ..hello }).encode().unwrap()
            }
            _ => frame,
        });
        seeds.push([vec![0], own.collect::<Vec<_>>().concat()].concat());
    }
    seeds
}

/// Mutates frames, or the side they are said to.
pub fn mutate(data: &[u8], rng: &mut Random) -> Vec<u8> {
    let (how, stream) = data.split_first().unwrap_or((&0, &[]));
    let how = if rng.random_bool(0.1) {
        *[0, 1, 2, 3, 4, 5].choose(rng).unwrap() + 6 * rng.random_range(0..40)
    } else {
        *how
    };
    [vec![how], frames::mutate_stream(stream, rng)].concat()
}
