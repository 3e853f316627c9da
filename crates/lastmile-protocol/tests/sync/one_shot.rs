//! Requests and responses.

use lastmile_log::{Entry, Vector};
use lastmile_protocol::frame::{Hello, HelloScope, OwnHead, VectorFrame};
use lastmile_protocol::{Access, Carrier, Code, Effect, Frame, Notice, OutgoingBatch, Role, Session, limits};

use crate::drive::{config, locals, locals_of_relay, relay_answers, relay_answers_with, session, sync, sync_with};
use crate::toy::World;

#[test]
fn an_upload_takes_one_request_once_the_relay_is_known() {
    let world = World::new();
    let scopes = [world.scope(), world.city()];
    let (mut client, mut relay) = (world.device(1), world.relay());
    client.write(&scopes[0], 5, 1);
    relay.write(&scopes[1], 3, 9);
    let (outcome, wire) = sync(&mut client, &mut relay, &scopes);
    assert!(outcome.equal && !outcome.more, "{outcome:?}");
    assert_eq!(wire.requests.len(), 2, "at first nothing is known of the relay");
    assert_eq!(client.vector(&scopes[1]), relay.vector(&scopes[1]));
    assert_eq!(relay.vector(&scopes[0]), client.vector(&scopes[0]));
    assert_eq!(client.receipted(&scopes[0]), 5);

    client.write(&scopes[0], 1, 1);
    let (outcome, wire) = sync(&mut client, &mut relay, &scopes);
    assert!(outcome.equal);
    assert_eq!((wire.requests.len(), outcome.sent.batches, client.receipted(&scopes[0])), (1, 1, 6));
}

#[test]
fn news_for_both_sides_cross_in_one_request_when_the_relay_remembers_the_device() {
    let world = World::new();
    let scopes = [world.scope()];
    for remembers in [true, false] {
        let (mut a, mut b, mut relay) = (world.device(1), world.device(2), world.relay());
        for device in [&mut a, &mut b] {
            device.write(&scopes[0], 2, 1);
            sync(device, &mut relay, &scopes);
        }
        sync(&mut a, &mut relay, &scopes);
        let met = a.vector(&scopes[0]);
        a.write(&scopes[0], 1, 1);
        b.write(&scopes[0], 1, 1);
        sync(&mut b, &mut relay, &scopes);

        // What `a` held when it was last met, and the batch that it brings, make the digest that it says.
        let mut session = session(&a, Role::Initiator, Carrier::OneShot, &scopes);
        let (mut requests, mut done) = (0, None);
        while done.is_none() {
            let mut request = Vec::new();
            done = lastmile_protocol::pump(&mut session, &mut a, &mut request).unwrap().done;
            if done.is_none() {
                let mut known = locals_of_relay(&relay, &scopes);
                known[0].peer_has = remembers.then(|| met.clone());
                let relay_config = config(&relay, Role::Responder, Carrier::OneShot);
                let response = relay_answers_with(&mut relay, relay_config, known, &request);
                lastmile_protocol::feed(&mut session, &mut a, &response, &mut Vec::new()).unwrap();
                session.end_of_input();
                requests += 1;
            }
        }
        assert_eq!((done.unwrap().equal, requests), (true, if remembers { 1 } else { 2 }));
        assert_eq!(a.vector(&scopes[0]), relay.vector(&scopes[0]));
    }
}

#[test]
fn a_relay_that_remembers_the_vector_behind_a_digest_serves_news_at_once() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut a, mut b, mut relay) = (world.device(1), world.device(2), world.relay());
    a.write(&scopes[0], 2, 1);
    sync(&mut a, &mut relay, &scopes);
    b.write(&scopes[0], 1, 1);
    sync(&mut b, &mut relay, &scopes);

    let mut session = session(&a, Role::Initiator, Carrier::OneShot, &scopes);
    let mut request = Vec::new();
    lastmile_protocol::pump(&mut session, &mut a, &mut request).unwrap();
    let mut known = locals_of_relay(&relay, &scopes);
    known[0].peer_has = Some(a.vector(&scopes[0]));
    let relay_config = config(&relay, Role::Responder, Carrier::OneShot);
    let response = relay_answers_with(&mut relay, relay_config, known, &request);
    lastmile_protocol::feed(&mut session, &mut a, &response, &mut Vec::new()).unwrap();
    session.end_of_input();
    let done = lastmile_protocol::pump(&mut session, &mut a, &mut Vec::new()).unwrap().done.unwrap();
    assert_eq!((done.equal, done.rounds, done.appended), (true, 1, 1));
}

#[test]
fn an_idle_exchange_is_one_short_round_trip() {
    let world = World::new();
    let scopes = [world.scope(), world.city()];
    let (mut client, mut relay) = (world.device(1), world.relay());
    client.write(&scopes[0], 300, 1);
    client.write(&scopes[1], 2, 1);
    relay.write(&scopes[1], 3, 9);
    sync(&mut client, &mut relay, &scopes);
    let (outcome, wire) = sync(&mut client, &mut relay, &scopes);
    assert!(outcome.equal);
    assert_eq!(wire.requests.len(), 1);
    // An auth frame of 92 bytes goes with every request.
    let auth = 92;
    let total = wire.bytes() + auth;
    println!(
        "idle: request {} + auth {auth}, response {}, together {total}",
        wire.requests[0].len(),
        wire.responses[0].len()
    );
    assert!(total <= 400, "{total} bytes");
}

#[test]
fn repeated_requests_change_nothing_and_give_the_same_receipts() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut client, mut relay) = (world.device(1), world.relay());
    client.write(&scopes[0], 20, 1);
    client.peer.insert(scopes[0].clone(), Vector::default());
    let mut session = session(&client, Role::Initiator, Carrier::OneShot, &scopes);
    let mut request = Vec::new();
    lastmile_protocol::pump(&mut session, &mut client, &mut request).unwrap();
    let first = relay_answers(&mut relay, &scopes, &request);
    let vector = relay.vector(&scopes[0]);
    for _ in 0..5 {
        assert_eq!(relay_answers(&mut relay, &scopes, &request), first);
        assert_eq!(relay.vector(&scopes[0]), vector);
    }
}

#[test]
fn what_arrived_whole_stays_wherever_a_request_or_response_is_cut() {
    let world = World::new();
    let scopes = [world.scope()];
    let mut client = world.device(1);
    client.write(&scopes[0], 24, 1);
    client.batch_commits = 3;
    client.peer.insert(scopes[0].clone(), Vector::default());
    let mut whole = session(&client, Role::Initiator, Carrier::OneShot, &scopes);
    let mut request = Vec::new();
    lastmile_protocol::pump(&mut whole, &mut client.clone(), &mut request).unwrap();
    let mut held = 0;
    for cut in (0..request.len()).step_by(7).chain([request.len()]) {
        let mut relay = world.relay();
        let mut session =
            Session::new(config(&relay, Role::Responder, Carrier::OneShot), locals_of_relay(&relay, &scopes));
        let mut response = Vec::new();
        let _ = lastmile_protocol::answer_request(&mut session, &mut relay, &request[..cut], &mut response);
        let seq = relay.vector(&scopes[0]).entries().map(|entry| entry.seq).max().unwrap_or(0);
        assert!(seq >= held, "more bytes never hold less");
        held = seq;
        if cut % 5 == 0 {
            let mut client = client.clone();
            let (outcome, _) = sync(&mut client, &mut relay, &scopes);
            assert!(outcome.equal);
            assert_eq!(client.receipted(&scopes[0]), 24);
        }
        // The response may be cut as well.
        for cut in (0..response.len()).step_by(11) {
            let mut client = client.clone();
            let mut session = crate::drive::session(&client, Role::Initiator, Carrier::OneShot, &scopes);
            lastmile_protocol::pump(&mut session, &mut client, &mut Vec::new()).unwrap();
            lastmile_protocol::feed(&mut session, &mut client, &response[..cut], &mut Vec::new()).unwrap();
            session.end_of_input();
            let done = lastmile_protocol::pump(&mut session, &mut client, &mut Vec::new()).unwrap().done.unwrap();
            assert!(done.more && !done.equal);
            assert!(client.notices.contains(&Notice::CutShort));
        }
    }
    assert_eq!(held, 24);
}

#[test]
fn credit_bounds_every_response_and_the_rest_follows() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut client, mut relay, mut other) = (world.device(1), world.relay(), world.device(2));
    other.write(&scopes[0], 400, 1);
    other.batch_commits = 16;
    relay.batch_commits = 16;
    sync(&mut other, &mut relay, &scopes);
    let mut small = config(&client, Role::Initiator, Carrier::OneShot);
    small.credit = 2_000;
    let session = Session::new(small, locals(&client, &scopes));
    let (outcome, wire) = sync_with(&mut client, &mut relay, session, &scopes);
    assert!(outcome.equal, "{outcome:?}");
    assert!(wire.responses.len() > 2, "{} responses", wire.responses.len());
    assert!(wire.responses.iter().all(|response| response.len() < 2_000 + 2_000));
    assert_eq!(client.vector(&scopes[0]), relay.vector(&scopes[0]));
}

#[test]
fn uploads_stop_at_the_credit_and_go_on() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut client, mut relay) = (world.device(1), world.relay());
    client.write(&scopes[0], 600, 1);
    client.batch_commits = 8;
    let mut session = session(&client, Role::Initiator, Carrier::OneShot, &scopes);
    let mut rounds = 0;
    loop {
        let mut request = Vec::new();
        if lastmile_protocol::pump(&mut session, &mut client, &mut request).unwrap().done.is_some() {
            break;
        }
        let mut narrow = config(&relay, Role::Responder, Carrier::OneShot);
        narrow.credit = 1_500;
        let locals = locals_of_relay(&relay, &scopes);
        let response = relay_answers_with(&mut relay, narrow, locals, &request);
        lastmile_protocol::feed(&mut session, &mut client, &response, &mut Vec::new()).unwrap();
        session.end_of_input();
        rounds += 1;
    }
    assert!(rounds > 5, "{rounds}");
    assert_eq!(client.receipted(&scopes[0]), 600);
}

#[test]
fn a_wrong_hint_costs_a_round_and_nothing_else() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut client, mut relay) = (world.device(1), world.relay());
    client.write(&scopes[0], 40, 1);
    sync(&mut client, &mut relay, &scopes);
    // The relay was restored from an old backup: it lost everything.
    let mut relay = world.relay();
    client.write(&scopes[0], 2, 1);
    let (outcome, wire) = sync(&mut client, &mut relay, &scopes);
    assert!(outcome.equal, "{outcome:?}");
    assert!(wire.requests.len() <= 2);
    assert_eq!(relay.vector(&scopes[0]), client.vector(&scopes[0]));
}

#[test]
fn a_bad_seal_is_asked_for_again_once() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut client, mut relay) = (world.device(1), world.relay());
    client.write(&scopes[0], 20, 1);
    client.corrupt_seals = 1;
    let (outcome, _) = sync(&mut client, &mut relay, &scopes);
    assert!(outcome.equal, "{outcome:?}");
    client.write(&scopes[0], 20, 1);
    client.corrupt_seals = 1_000;
    let (outcome, _) = sync(&mut client, &mut relay, &scopes);
    assert!(!outcome.equal);
    assert!(outcome.rounds <= 6, "{outcome:?}");
}

#[test]
fn a_revoked_device_uploads_and_is_served_nothing() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut client, mut relay, mut other) = (world.device(1), world.relay(), world.device(2));
    other.write(&scopes[0], 3, 1);
    sync(&mut other, &mut relay, &scopes);
    client.write(&scopes[0], 3, 1);
    let mut session = session(&client, Role::Initiator, Carrier::OneShot, &scopes);
    let mut outcome = None;
    while outcome.is_none() {
        let mut request = Vec::new();
        outcome = lastmile_protocol::pump(&mut session, &mut client, &mut request).unwrap().done;
        if outcome.is_none() {
            let mut locals = locals_of_relay(&relay, &scopes);
            locals[0].access = Access::UploadOnly;
            let relay_config = config(&relay, Role::Responder, Carrier::OneShot);
            let response = relay_answers_with(&mut relay, relay_config, locals, &request);
            lastmile_protocol::feed(&mut session, &mut client, &response, &mut Vec::new()).unwrap();
            session.end_of_input();
        }
    }
    let outcome = outcome.unwrap();
    assert!(!outcome.equal && !outcome.more, "{outcome:?}");
    assert_eq!(outcome.received.batches, 0);
    assert_eq!(client.receipted(&scopes[0]), 3);
    assert!(client.notices.iter().any(|n| matches!(n, Notice::PeerError(e) if e.code == Code::UploadOnly)));
}

#[test]
fn scopes_that_the_relay_does_not_grant_are_refused_and_the_others_go_on() {
    let world = World::new();
    let (scope, city) = (world.scope(), world.city());
    let (mut client, mut relay) = (world.device(1), world.relay());
    client.write(&scope, 3, 1);
    client.write(&city, 3, 1);
    let session = session(&client, Role::Initiator, Carrier::OneShot, &[scope.clone(), city.clone()]);
    let (outcome, _) = sync_with(&mut client, &mut relay, session, std::slice::from_ref(&scope));
    assert!(outcome.equal, "{outcome:?}");
    assert!(relay.vector(&city).is_empty());
    assert_eq!(relay.vector(&scope), client.vector(&scope));
}

#[test]
fn a_failing_store_says_come_again() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut client, mut relay) = (world.device(1), world.relay());
    client.write(&scopes[0], 3, 1);
    client.peer.insert(scopes[0].clone(), Vector::default());
    let mut session = session(&client, Role::Initiator, Carrier::OneShot, &scopes);
    let mut request = Vec::new();
    lastmile_protocol::pump(&mut session, &mut client, &mut request).unwrap();
    relay.fail_store = true;
    let mut answering =
        Session::new(config(&relay, Role::Responder, Carrier::OneShot), locals_of_relay(&relay, &scopes));
    let mut response = Vec::new();
    lastmile_protocol::answer_request(&mut answering, &mut relay, &request, &mut response).unwrap_err();
    lastmile_protocol::feed(&mut session, &mut client, &response, &mut Vec::new()).unwrap();
    session.end_of_input();
    let done = lastmile_protocol::pump(&mut session, &mut client, &mut Vec::new()).unwrap().done.unwrap();
    assert_eq!((done.error, done.more), (Some(Code::Internal), true));
    assert_eq!(client.receipted(&scopes[0]), 0);
}

#[test]
fn an_author_over_quota_is_left_for_another_day() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut client, mut relay) = (world.device(1), world.relay());
    relay.quota = Some(16);
    client.write(&scopes[0], 40, 1);
    let (outcome, _) = sync(&mut client, &mut relay, &scopes);
    assert!(!outcome.equal);
    assert!(outcome.rounds <= limits::MAX_FRUITLESS_ROUNDS + 2, "{outcome:?}");
    assert_eq!(client.receipted(&scopes[0]), 16);
    assert!(client.notices.iter().any(|n| matches!(n, Notice::PeerError(e) if e.code == Code::OverQuota)));
}

#[test]
fn an_author_whose_certificate_the_relay_lost_is_introduced_again() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut client, mut relay) = (world.device(1), world.relay());
    client.write(&scopes[0], 3, 1);
    sync(&mut client, &mut relay, &scopes);
    relay.trust = world.relay().trust;
    client.write(&scopes[0], 3, 1);
    let (outcome, wire) = sync(&mut client, &mut relay, &scopes);
    assert_eq!((outcome.equal, wire.requests.len()), (true, 2), "{outcome:?}");
    assert!(client.notices.iter().any(|n| matches!(n, Notice::PeerError(e) if e.code == Code::AuthorUnknown)));
}

#[test]
fn what_the_peer_holds_without_a_seal_is_not_sent_again() {
    let world = World::new();
    let scopes = [world.scope()];
    let mut relay = world.relay();
    relay.write(&scopes[0], 10, 1);
    let head = relay.vector(&scopes[0]).entries().next().unwrap();
    let hello = Frame::Hello(Hello {
        min_version: 1,
        max_version: 1,
        deployment: world.deployment.id,
        author: world.device_author(1),
        epoch: Some(relay.epoch),
        app: String::new(),
        credit: 1 << 20,
        challenge: None,
        late_scopes: false,
        scopes: vec![HelloScope { scope: scopes[0].clone(), digest: [1; 32], own: OwnHead::default() }],
        extension: Vec::new(),
    });
    for (held, after) in [(0, 0), (6, 6), (10, 9), (99, 9)] {
        let pending = if held == 0 { Vec::new() } else { vec![Entry { seq: held, ..head }] };
        let vector = Frame::Vector(VectorFrame { scope: scopes[0].clone(), vector: Vector::default(), pending });
        let mut answering = session(&relay, Role::Responder, Carrier::OneShot, &scopes);
        answering.receive(&[hello.encode().unwrap(), vector.encode().unwrap()].concat()).unwrap();
        answering.end_of_input();
        let read = std::iter::from_fn(|| answering.next_effect()).collect::<Vec<_>>();
        let Some(Effect::ReadCertificates { token, .. }) = read.last() else { panic!("{read:?}") };
        answering.certificates(*token, Vec::new()).unwrap();
        let read = std::iter::from_fn(|| answering.next_effect()).last();
        assert!(matches!(&read, Some(Effect::Read(request)) if request.after == after), "{held}: {read:?}");
    }
}

#[test]
fn a_response_has_its_limit_whatever_credit_the_client_names() {
    let world = World::new();
    let scopes = [world.scope()];
    let (client, mut relay) = (world.device(1), world.relay());
    relay.write(&scopes[0], 1, 1);
    let mut generous = config(&client, Role::Initiator, Carrier::OneShot);
    generous.credit = u64::MAX;
    let mut asking = Session::new(generous, locals(&client, &scopes));
    let mut request = Vec::new();
    while let Some(effect) = asking.next_effect() {
        if let Effect::Send(bytes) = effect {
            request.extend(bytes);
        }
    }
    let mut locals = locals_of_relay(&relay, &scopes);
    // The relay holds a log of which each read brings 256 KiB; the session does not look into batches.
    let head = locals[0].vector.entries().next().unwrap();
    let mut ahead = locals[0].vector.to_vector();
    ahead.insert(head.segment, 1_000, head.chain);
    locals[0].vector = ahead.into();
    let mut session = Session::new(config(&relay, Role::Responder, Carrier::OneShot), locals);
    assert_eq!(session.receive(&request).unwrap(), request.len());
    session.end_of_input();
    let (mut sent, mut outcome) = (0, None);
    while let Some(effect) = session.next_effect() {
        match effect {
            Effect::Send(bytes) => sent += bytes.len(),
            Effect::Read(read) => {
                let batch = OutgoingBatch { through: read.after + 1, packed: vec![0; 256 << 10], seals: Vec::new() };
                session.batches(read.token, vec![batch], false).unwrap();
            }
            Effect::ReadCertificates { token, .. } => session.certificates(token, Vec::new()).unwrap(),
            Effect::ReadReceipts { token, .. } => session.receipts(token, Vec::new()).unwrap(),
            Effect::Done(done) => outcome = Some(done),
            _ => {}
        }
    }
    let limit = usize::try_from(limits::MAX_ANSWER).unwrap();
    assert!(sent > limit / 2 && sent < limit + limits::MAX_FRAME, "{sent} bytes gathered for one response");
    assert!(outcome.unwrap().more, "the rest follows on another request");
}

#[test]
fn no_request_brings_more_than_the_path_carries() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut client, mut relay) = (world.device(1), world.relay());
    client.write(&scopes[0], 400, 1);
    let mut narrow = config(&client, Role::Initiator, Carrier::OneShot);
    narrow.upload_limit = 3_000;
    let mut hinted = locals(&client, &scopes);
    hinted[0].peer_has = Some(Vector::default());
    let mut session = Session::new(narrow, hinted);
    // The path turns out to carry more than that after the first request.
    session.limit_uploads(9_000);
    let (outcome, wire) = sync_with(&mut client, &mut relay, session, &scopes);
    assert!(outcome.equal, "{outcome:?}");
    let lengths: Vec<usize> = wire.requests.iter().map(Vec::len).collect();
    assert!(lengths[0] < 5_000 && lengths[1] > 5_000, "{lengths:?}");
    assert!(lengths.iter().all(|length| *length < 11_000), "{lengths:?}");
    assert_eq!(client.receipted(&scopes[0]), 400);
}
