//! A device and its relay on a stream: the relay says what it holds only to whom it has made sure of.

use lastmile_protocol::frame::{End, Hello};
use lastmile_protocol::{Access, Carrier, Code, Frame, Notice, Role, Session, SessionError, feed, limits, pump};

use crate::drive::{config, live, locals_of_relay, signed};
use crate::toy::World;

/// The hellos among these bytes.
fn hellos(mut bytes: &[u8]) -> Vec<Hello> {
    let mut found = Vec::new();
    let mut reader = lastmile_protocol::frame::FrameReader::new(limits::MAX_FRAME);
    while !bytes.is_empty() {
        bytes = &bytes[reader.push(bytes)..];
        while let Some(raw) = reader.next_frame().unwrap() {
            if let Some(Frame::Hello(hello)) = Frame::open(&raw, limits::MAX_FRAME).unwrap() {
                found.push(hello);
            }
        }
    }
    found
}

#[test]
fn a_relay_names_its_scopes_to_whom_it_has_made_sure_of() {
    let world = World::new();
    let scopes = [world.scope(), world.city()];
    let (mut a, mut relay) = (world.device(1), world.relay());
    a.write(&scopes[0], 12, 1);
    relay.write(&scopes[1], 3, 1);
    let mut stream = live(&a, &relay, &scopes, 4 << 20);
    stream.record = true;
    stream.run(&mut a, &mut relay, u64::MAX);
    for scope in &scopes {
        assert_eq!(a.vector(scope), relay.vector(scope));
    }
    assert_eq!(a.receipted(&scopes[0]), 12, "receipts come on the stream");
    for done in &stream.done {
        let done = done.as_ref().unwrap();
        assert!(done.equal && !done.more, "{done:?}");
    }
    let said = hellos(&stream.recorded[1]);
    assert_eq!(said.len(), 2);
    assert!(said[0].late_scopes && said[0].scopes.is_empty() && said[0].challenge.is_some());
    assert!(!said[1].late_scopes && said[1].scopes.len() == 2 && said[1].challenge.is_none());
}

#[test]
fn a_stranger_hears_nothing_of_what_a_relay_holds() {
    let world = World::new();
    let scopes = [world.scope()];
    let (a, mut relay) = (world.device(1), world.relay());
    relay.write(&scopes[0], 3, 1);
    let mut stranger = World::new().device(2);
    stranger.author = a.author;
    let mut stream = live(&stranger, &relay, &scopes, 4 << 20);
    stream.record = true;
    stream.run(&mut stranger, &mut relay, u64::MAX);
    let said = hellos(&stream.recorded[1]);
    assert_eq!(said.len(), 1);
    assert!(said[0].scopes.is_empty());
    assert!(stream.done[1].as_ref().unwrap().error.is_some());
    assert!(stranger.vector(&scopes[0]).is_empty());
}

#[test]
fn both_sides_are_pushed_what_the_other_gets_later() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut a, mut relay) = (world.device(1), world.relay());
    let mut stream = live(&a, &relay, &scopes, 4 << 20);
    // Saved between the device's hello and the relay's second.
    a.write(&scopes[0], 2, 1);
    stream.a.offer(&scopes[0], a.vector(&scopes[0]));
    stream.run(&mut a, &mut relay, u64::MAX);
    assert_eq!(a.vector(&scopes[0]), relay.vector(&scopes[0]));
    for _ in 0..3 {
        relay.write(&scopes[0], 1, 9);
        stream.b.offer(&scopes[0], relay.vector(&scopes[0]));
        a.write(&scopes[0], 1, 1);
        stream.a.offer(&scopes[0], a.vector(&scopes[0]));
        stream.run(&mut a, &mut relay, u64::MAX);
        assert_eq!(a.vector(&scopes[0]), relay.vector(&scopes[0]));
    }
    assert_eq!(a.receipted(&scopes[0]), 5);
    assert!(stream.done.iter().all(|done| done.as_ref().unwrap().equal));
}

#[test]
fn a_live_stream_may_be_cut_at_any_byte() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut a, mut relay) = (world.device(1), world.relay());
    a.write(&scopes[0], 20, 1);
    relay.write(&scopes[0], 10, 9);
    a.batch_commits = 5;
    let total = live(&a, &relay, &scopes, 4 << 20).run(&mut a.clone(), &mut relay.clone(), u64::MAX);
    for cut in 0..total {
        let (mut a, mut relay) = (a.clone(), relay.clone());
        let mut some = live(&a, &relay, &scopes, 4 << 20);
        some.piece = 64;
        some.run(&mut a, &mut relay, cut);
        some.cut(&mut a, &mut relay);
        if cut % 37 == 0 {
            let mut again = live(&a, &relay, &scopes, 4 << 20);
            again.run(&mut a, &mut relay, u64::MAX);
            assert_eq!(a.vector(&scopes[0]), relay.vector(&scopes[0]), "cut at {cut}");
        }
    }
}

/// A device that has signed in, and the relay's session.
fn signed_in(world: &World) -> (crate::toy::Replica, crate::toy::Replica, Session) {
    let scopes = [world.scope()];
    let (mut a, mut relay) = (world.device(1), world.relay());
    let mut stream = live(&a, &relay, &scopes, 4 << 20);
    stream.run(&mut a, &mut relay, u64::MAX);
    (a, relay, stream.b)
}

fn refused(relay: &mut crate::toy::Replica, session: &mut Session, frame: &Frame) -> Code {
    let mut out = Vec::new();
    match feed(session, relay, &frame.encode().unwrap(), &mut out) {
        Err(lastmile_protocol::DriveError::Session(SessionError::Refused { code, .. })) => code,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_device_says_hello_once_and_a_relay_at_most_twice() {
    let world = World::new();
    let (a, mut relay, mut session) = signed_in(&world);
    let again = Session::new(signed(config(&a, Role::Initiator, Carrier::Stream), 1), Vec::new());
    let hello = first_hello(again, &mut a.clone());
    assert_eq!(refused(&mut relay, &mut session, &Frame::Hello(hello.clone())), Code::OutOfOrder);

    // The relay's second hello must be its own, and there is no third.
    for (number, wrong) in [
        Hello { author: a.author, ..named(&relay, &hello) },
        Hello { challenge: Some([1; 16]), ..named(&relay, &hello) },
        Hello { late_scopes: true, challenge: Some([1; 16]), scopes: Vec::new(), ..named(&relay, &hello) },
    ]
    .into_iter()
    .enumerate()
    {
        let (mut device, mut other) = (a.clone(), relay.clone());
        let mut client = waiting_for_scopes(&world, &mut device, &mut other);
        assert_eq!(refused(&mut device, &mut client, &Frame::Hello(wrong)), Code::OutOfOrder, "{number}");
    }
    let (mut device, mut other) = (a.clone(), relay.clone());
    let mut client = waiting_for_scopes(&world, &mut device, &mut other);
    let right = Frame::Hello(named(&relay, &hello));
    feed(&mut client, &mut device, &right.encode().unwrap(), &mut Vec::new()).unwrap();
    assert_eq!(refused(&mut device, &mut client, &right), Code::OutOfOrder);
}

fn first_hello(mut session: Session, host: &mut crate::toy::Replica) -> Hello {
    let mut out = Vec::new();
    pump(&mut session, host, &mut out).unwrap();
    hellos(&out).remove(0)
}

/// The hello in which a relay names the scopes of a device's.
fn named(relay: &crate::toy::Replica, like: &Hello) -> Hello {
    Hello { author: relay.author, challenge: None, late_scopes: false, ..like.clone() }
}

/// A device's session that has made sure of its relay and has not heard its scopes.
fn waiting_for_scopes(world: &World, device: &mut crate::toy::Replica, relay: &mut crate::toy::Replica) -> Session {
    let scopes = [world.scope()];
    let mut client =
        Session::new(signed(config(device, Role::Initiator, Carrier::Stream), 1), locals_of_relay(device, &scopes));
    let mut relay_config = signed(config(relay, Role::Responder, Carrier::Stream), 2);
    (relay_config.introduce, relay_config.late_scopes) = (false, true);
    let mut server = Session::new(relay_config, locals_of_relay(relay, &scopes));
    let (mut up, mut down) = (Vec::new(), Vec::new());
    pump(&mut client, device, &mut up).unwrap();
    pump(&mut server, relay, &mut down).unwrap();
    // The relay's answer to the hello is its signature; the second hello comes only after the device's.
    feed(&mut server, relay, &up, &mut down).unwrap();
    assert_eq!(hellos(&down).len(), 1);
    feed(&mut client, device, &down, &mut Vec::new()).unwrap();
    client
}

#[test]
fn a_grant_that_shrinks_stops_the_push() {
    let world = World::new();
    let scopes = [world.scope(), world.city()];
    let (mut a, mut relay) = (world.device(1), world.relay());
    let mut stream = live(&a, &relay, &scopes, 4 << 20);
    stream.run(&mut a, &mut relay, u64::MAX);
    stream.b.set_access(&scopes[0], Access::UploadOnly);
    stream.b.close_scope(&scopes[1]);
    for scope in &scopes {
        relay.write(scope, 1, 9);
        stream.b.offer(scope, relay.vector(scope));
    }
    a.write(&scopes[0], 2, 1);
    stream.a.offer(&scopes[0], a.vector(&scopes[0]));
    stream.run(&mut a, &mut relay, u64::MAX);
    assert!(a.vector(&scopes[0]).entries().all(|entry| entry.segment.author == a.author));
    assert!(a.vector(&scopes[1]).is_empty());
    assert_eq!(a.receipted(&scopes[0]), 2, "it may still bring what it holds");
    for code in [Code::UploadOnly, Code::ScopeRefused] {
        assert!(a.notices.iter().any(|n| matches!(n, Notice::PeerError(e) if e.code == code)), "{code}");
    }
}

#[test]
fn frames_that_come_slowly_are_not_counted_for_ever() {
    let world = World::new();
    let (_, mut relay, mut session) = signed_in(&world);
    let end = Frame::End(End { equal: true, more: false, handled: 0 }).encode().unwrap();
    let many = end.repeat(50_000);
    feed(&mut session, &mut relay, &many, &mut Vec::new()).unwrap();
    session.forgive(50_000);
    feed(&mut session, &mut relay, &many, &mut Vec::new()).unwrap();
    let mut out = Vec::new();
    assert!(feed(&mut session, &mut relay, &many, &mut out).is_err(), "a flood is refused all the same");
}
