//! Cloned devices: two copies of one author's log that part.

use lastmile_log::Vector;
use lastmile_protocol::{Carrier, Notice, Role};

use crate::drive::{config, export, import, locals_of_relay, meet, sync};
use crate::toy::{Replica, World};

/// A device and its clone with `shared` commits in common, and what each wrote alone.
fn clones(world: &World, shared: u64, one: u64, two: u64) -> (Replica, Replica) {
    let scope = world.scope();
    let mut a = world.device(1);
    a.write(&scope, shared, 1);
    let mut b = a.cloned();
    a.write(&scope, one, 10);
    b.write(&scope, two, 20);
    (a, b)
}

#[test]
fn both_copies_of_a_forked_log_reach_both_sides_over_a_stream() {
    let world = World::new();
    let scopes = [world.scope()];
    for (shared, one, two) in [(5, 3, 3), (5, 1, 9), (5, 9, 1), (0, 2, 2), (1, 2, 5), (100, 40, 7), (40, 7, 100)] {
        for sparse in [false, true] {
            for turned in [false, true] {
                let (a, b) = clones(&world, shared, one, two);
                // Each clone's log reaches another device first; those two meet.
                let (mut x, mut y) = (world.device(7), world.device(8));
                (x.sparse_positions, y.sparse_positions) = (sparse, sparse);
                meet(&mut a.cloned(), &mut x, &scopes);
                meet(&mut b.cloned(), &mut y, &scopes);
                let stream = if turned { meet(&mut y, &mut x, &scopes) } else { meet(&mut x, &mut y, &scopes) };
                let case = (shared, one, two, sparse, turned);
                assert_eq!(x.vector(&scopes[0]), y.vector(&scopes[0]), "{case:?}");
                let branches = if shared == 0 { 2 } else { 3 };
                assert_eq!(x.vector(&scopes[0]).len(), branches, "{case:?}");
                assert!(x.notices.iter().chain(&y.notices).any(|n| matches!(n, Notice::Forked { .. })));
                assert!(stream.done.iter().all(Option::is_some));
                let again = meet(&mut x, &mut y, &scopes);
                assert!(again.done.iter().all(|done| done.as_ref().unwrap().equal));
                assert!(again.done.iter().all(|done| done.as_ref().unwrap().received.batches == 0));
            }
        }
    }
}

#[test]
fn both_copies_reach_the_relay_and_come_back() {
    let world = World::new();
    let scopes = [world.scope()];
    for (shared, one, two) in [(5, 3, 3), (5, 1, 9), (5, 9, 1), (0, 2, 2), (100, 40, 7), (40, 7, 100)] {
        for sparse in [false, true] {
            let (mut a, mut b) = clones(&world, shared, one, two);
            let mut relay = world.relay();
            relay.sparse_positions = sparse;
            let case = (shared, one, two, sparse);
            assert!(sync(&mut a, &mut relay, &scopes).0.equal, "{case:?}");
            let (outcome, wire) = sync(&mut b, &mut relay, &scopes);
            assert!(outcome.equal, "{case:?} {outcome:?}");
            assert!(wire.requests.len() <= 4, "{case:?}: {} requests", wire.requests.len());
            assert!(sync(&mut a, &mut relay, &scopes).0.equal, "{case:?}");
            assert_eq!(a.vector(&scopes[0]), relay.vector(&scopes[0]), "{case:?}");
            assert_eq!(a.vector(&scopes[0]), b.vector(&scopes[0]), "{case:?}");
            assert!(
                b.notices.iter().any(|n| matches!(n, Notice::OwnLogAhead { .. } | Notice::Forked { .. })),
                "{case:?}: the clone learns that its log went on elsewhere: {:?}",
                b.notices
            );
        }
    }
}

#[test]
fn a_fork_found_with_a_believed_vector_is_resolved_too() {
    let world = World::new();
    let scopes = [world.scope()];
    let mut a = world.device(1);
    let mut relay = world.relay();
    a.write(&scopes[0], 20, 1);
    sync(&mut a, &mut relay, &scopes);
    // Both believe the relay to stand at 20 and go on from there.
    let mut b = a.cloned();
    a.write(&scopes[0], 5, 10);
    b.write(&scopes[0], 9, 20);
    assert!(sync(&mut a, &mut relay, &scopes).0.equal);
    assert!(sync(&mut b, &mut relay, &scopes).0.equal);
    assert!(sync(&mut a, &mut relay, &scopes).0.equal);
    assert_eq!(a.vector(&scopes[0]), b.vector(&scopes[0]));
    assert_eq!(relay.vector(&scopes[0]).len(), 3);
}

#[test]
fn three_ways_and_forks_of_forks() {
    let world = World::new();
    let scopes = [world.scope()];
    let scope = &scopes[0];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
        let mut one = world.device(1);
        one.write(scope, 10, 1);
        let mut two = one.cloned();
        two.write(scope, 6, 2);
        let mut three = two.cloned();
        let mut four = one.cloned();
        one.write(scope, 12, 3);
        two.write(scope, 5, 4);
        three.write(scope, 9, 5);
        four.write(scope, 2, 6);
        let mut copies = [one, two, three, four];
        let mut relay = world.relay();
        for _ in 0..2 {
            for index in order {
                let (outcome, _) = sync(&mut copies[index], &mut relay, &scopes);
                assert!(outcome.equal, "{order:?} {index}: {outcome:?}");
            }
        }
        for copy in &copies {
            assert_eq!(copy.vector(scope), relay.vector(scope));
        }
        // Trunk, three branches from 10, and the second split again: its stem and two ends.
        assert_eq!(relay.vector(scope).len(), 6, "{order:?}");

        // The same between devices.
        let mut others: Vec<Replica> = (20..24).map(|number| world.device(number)).collect();
        for (copy, other) in copies.iter().zip(&mut others) {
            meet(&mut copy.cloned(), other, &scopes);
        }
        for (left, right) in [(0, 1), (2, 3), (1, 2), (0, 3), (0, 2), (1, 3)] {
            let (head, tail) = others.split_at_mut(right);
            meet(&mut head[left], &mut tail[0], &scopes);
        }
        for other in &others {
            assert_eq!(other.vector(scope), relay.vector(scope));
        }
    }
}

#[test]
fn a_fork_travels_in_a_whole_bundle() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut a, mut b) = clones(&world, 12, 4, 4);
    let mut reader = world.device(5);
    for clone in [&mut a, &mut b] {
        let settings = config(clone, Role::Initiator, Carrier::File);
        let whole = locals_of_relay(clone, &scopes);
        let (_, file) = export(clone, settings, whole);
        import(&mut reader, &file, &scopes);
    }
    assert_eq!(reader.vector(&scopes[0]).len(), 3);

    // Written for a peer that parted: what is not surely there goes whole.
    let settings = config(&a, Role::Initiator, Carrier::File);
    let mut hinted = locals_of_relay(&a, &scopes);
    hinted[0].peer_has = Some(b.vector(&scopes[0]));
    let (_, file) = export(&mut a, settings, hinted);
    import(&mut b, &file, &scopes);
    assert_eq!(b.vector(&scopes[0]), reader.vector(&scopes[0]));
}

#[test]
fn a_restored_device_learns_that_it_was_ahead() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut a, mut relay) = (world.device(1), world.relay());
    a.write(&scopes[0], 10, 1);
    let mut restored = a.cloned();
    a.write(&scopes[0], 10, 1);
    sync(&mut a, &mut relay, &scopes);
    restored.peer.insert(scopes[0].clone(), Vector::default());
    let (outcome, _) = sync(&mut restored, &mut relay, &scopes);
    assert!(outcome.equal);
    assert!(relay.notices.iter().any(|n| matches!(n, Notice::PeerBehindItself { .. })));
    assert_eq!(restored.vector(&scopes[0]), a.vector(&scopes[0]), "its own lost work comes back to it");
}
