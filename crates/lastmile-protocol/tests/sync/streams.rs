//! Two devices side by side.

use lastmile_protocol::{Carrier, Code, Notice, PeerCheck, Role, Session};

use crate::drive::{Stream, config, locals_of_relay, meet, signed, stream, sync};
use crate::toy::World;

#[test]
fn two_devices_end_up_equal_and_know_it() {
    let world = World::new();
    let scopes = [world.scope(), world.city()];
    let (mut a, mut b) = (world.device(1), world.device(2));
    a.write(&scopes[0], 50, 1);
    b.write(&scopes[0], 3, 1);
    b.write(&scopes[1], 7, 1);
    let stream = meet(&mut a, &mut b, &scopes);
    for scope in &scopes {
        assert_eq!(a.vector(scope), b.vector(scope));
    }
    for done in stream.done {
        let done = done.unwrap();
        assert!(done.equal && !done.more, "{done:?}");
    }
    let stream = meet(&mut a, &mut b, &scopes);
    println!("idle stream with signatures and certificates: {:?} bytes", stream.sent);
    assert!(stream.done.iter().all(|done| done.as_ref().unwrap().equal));
    assert!(stream.done.iter().all(|done| done.as_ref().unwrap().received.batches == 0));
}

#[test]
fn a_third_device_carries_what_others_wrote_and_their_receipts() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut a, mut b, mut relay) = (world.device(1), world.device(2), world.relay());
    a.write(&scopes[0], 12, 1);
    meet(&mut a, &mut b, &scopes);
    let (outcome, _) = sync(&mut b, &mut relay, &scopes);
    assert!(outcome.equal);
    assert_eq!(relay.vector(&scopes[0]), a.vector(&scopes[0]));
    assert_eq!(a.receipted(&scopes[0]), 0);
    meet(&mut b, &mut a, &scopes);
    assert_eq!(a.receipted(&scopes[0]), 12, "the receipt came by way of the colleague");
}

#[test]
fn a_stream_may_be_cut_at_any_byte() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut a, mut b) = (world.device(1), world.device(2));
    a.write(&scopes[0], 30, 1);
    b.write(&scopes[0], 10, 1);
    a.batch_commits = 5;
    let total = {
        let (mut a, mut b) = (a.clone(), b.clone());
        let mut whole = stream(&a, &b, &scopes);
        whole.run(&mut a, &mut b, u64::MAX)
    };
    let mut best = 0;
    for cut in 0..total {
        let (mut a, mut b) = (a.clone(), b.clone());
        let mut some = stream(&a, &b, &scopes);
        some.piece = 64;
        some.run(&mut a, &mut b, cut);
        some.cut(&mut a, &mut b);
        let held = b.vector(&scopes[0]).entries().map(|entry| entry.seq).sum::<u64>();
        assert!(held >= best, "more bytes never hold less");
        best = held;
        if cut % 37 == 0 {
            meet(&mut a, &mut b, &scopes);
            assert_eq!(a.vector(&scopes[0]), b.vector(&scopes[0]));
        }
    }
    assert_eq!(best, 40);
}

#[test]
fn credit_is_given_back_as_batches_are_stored() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut a, mut b) = (world.device(1), world.device(2));
    a.write(&scopes[0], 500, 1);
    let mut small = signed(config(&b, Role::Responder, Carrier::Stream), 2);
    small.credit = 1_000;
    let a_config = signed(config(&a, Role::Initiator, Carrier::Stream), 1);
    let mut stream = Stream::new(
        Session::new(a_config, locals_of_relay(&a, &scopes)),
        Session::new(small, locals_of_relay(&b, &scopes)),
    );
    stream.run(&mut a, &mut b, u64::MAX);
    assert_eq!(a.vector(&scopes[0]), b.vector(&scopes[0]));
    assert!(stream.done.iter().all(|done| done.as_ref().unwrap().equal));
}

#[test]
fn what_is_saved_during_a_stream_follows() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut a, mut b) = (world.device(1), world.device(2));
    a.write(&scopes[0], 3, 1);
    let mut stream = meet(&mut a, &mut b, &scopes);
    for _ in 0..3 {
        a.write(&scopes[0], 2, 1);
        stream.a.offer(&scopes[0], a.vector(&scopes[0]));
        b.write(&scopes[0], 1, 1);
        stream.b.offer(&scopes[0], b.vector(&scopes[0]));
        let bytes = stream.run(&mut a, &mut b, u64::MAX);
        assert!(bytes < 1_000, "only what is new goes across: {bytes}");
        assert_eq!(a.vector(&scopes[0]), b.vector(&scopes[0]));
    }
    assert!(stream.done.iter().all(|done| done.as_ref().unwrap().equal));
    stream.cut(&mut a, &mut b);
}

#[test]
fn nobody_is_served_before_his_signature_is_verified() {
    let world = World::new();
    let scopes = [world.scope()];
    let mut a = world.device(1);
    a.write(&scopes[0], 5, 1);
    let other_world = World::new();
    let mut stranger = other_world.device(2);
    stranger.author = world.device_author(3);
    let mut stream = stream(&a, &stranger, &scopes);
    stream.run(&mut a, &mut stranger, u64::MAX);
    assert!(stranger.vector(&scopes[0]).is_empty());
    assert_eq!(stream.done[0].as_ref().unwrap().error.map(Code::number), Some(Code::UnknownAuthor.number()));
    assert_eq!(stream.done[1].as_ref().unwrap().error, Some(Code::UnknownAuthor));
}

#[test]
fn a_stream_is_signed_by_both_sides_or_by_none() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut a, mut b) = (world.device(1), world.device(2));
    let a_config = signed(config(&a, Role::Initiator, Carrier::Stream), 1);
    let mut b_config = config(&b, Role::Responder, Carrier::Stream);
    b_config.peer_check = PeerCheck::ByHost;
    let mut one = Session::new(a_config, locals_of_relay(&a, &scopes));
    let mut two = Session::new(b_config, locals_of_relay(&b, &scopes));
    let (mut from_a, mut from_b) = (Vec::new(), Vec::new());
    lastmile_protocol::pump(&mut one, &mut a, &mut from_a).unwrap();
    lastmile_protocol::pump(&mut two, &mut b, &mut from_b).unwrap();
    assert!(two.receive(&from_a).is_err());
    assert!(one.receive(&from_b).is_err());
}

#[test]
fn a_scope_closed_in_the_midst_is_served_no_more() {
    let world = World::new();
    let scopes = [world.scope(), world.city()];
    let (mut a, mut b) = (world.device(1), world.device(2));
    a.write(&scopes[0], 100, 1);
    a.write(&scopes[1], 3, 1);
    let a_config = signed(config(&a, Role::Initiator, Carrier::Stream), 1);
    let mut narrow = signed(config(&b, Role::Responder, Carrier::Stream), 2);
    narrow.credit = 1_000;
    let mut stream = Stream::new(
        Session::new(a_config, locals_of_relay(&a, &scopes)),
        Session::new(narrow, locals_of_relay(&b, &scopes)),
    );
    stream.piece = 10;
    stream.run(&mut a, &mut b, 2_500);
    stream.a.close_scope(&scopes[0]);
    stream.run(&mut a, &mut b, u64::MAX);
    assert_eq!(a.vector(&scopes[1]), b.vector(&scopes[1]));
    assert_ne!(a.vector(&scopes[0]), b.vector(&scopes[0]));
    assert!(b.notices.iter().any(|n| matches!(n, Notice::PeerError(e) if e.code == Code::ScopeRefused)));
}
