//! Random meetings: whatever the carriers, cuts and clones, everybody ends up with the same.

use lastmile_model::Scope;
use lastmile_protocol::{Carrier, Role, Session};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::drive::{config, export, import, locals, locals_of_relay, meet, session, stream, sync};
use crate::toy::{Replica, World};

fn two(replicas: &mut [Replica], a: usize, b: usize) -> (&mut Replica, &mut Replica) {
    let (low, high) = (a.min(b), a.max(b));
    let (head, tail) = replicas.split_at_mut(high);
    if a < b { (&mut head[low], &mut tail[0]) } else { (&mut tail[0], &mut head[low]) }
}

/// A one-shot exchange whose bytes break off somewhere.
fn broken_sync(rng: &mut ChaCha8Rng, client: &mut Replica, relay: &mut Replica, scopes: &[Scope]) {
    let mut asking = session(client, Role::Initiator, Carrier::OneShot, scopes);
    let mut request = Vec::new();
    lastmile_protocol::pump(&mut asking, client, &mut request).unwrap();
    let cut = rng.random_range(0..=request.len());
    let mut answering = Session::new(config(relay, Role::Responder, Carrier::OneShot), locals_of_relay(relay, scopes));
    let mut response = Vec::new();
    let _ = lastmile_protocol::answer_request(&mut answering, relay, &request[..cut], &mut response);
    let cut = rng.random_range(0..=response.len());
    let _ = lastmile_protocol::feed(&mut asking, client, &response[..cut], &mut Vec::new());
    asking.end_of_input();
    lastmile_protocol::pump(&mut asking, client, &mut Vec::new()).unwrap();
}

#[test]
fn everybody_ends_up_equal() {
    let world = World::new();
    let scopes = [world.scope(), world.city()];
    let mut clones = 0;
    for seed in 0..150 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // The relay is always the last; the first may be cloned.
        let mut replicas: Vec<Replica> = (1..=4).map(|number| world.device(number)).collect();
        replicas.push(world.relay());
        for replica in &mut replicas {
            replica.batch_commits = rng.random_range(1..10);
            replica.sparse_positions = rng.random();
        }
        for step in 0..40_u8 {
            let relay = replicas.len() - 1;
            let a = rng.random_range(0..relay);
            let b = (a + rng.random_range(1..relay)) % relay;
            match rng.random_range(0..10) {
                0..=3 => {
                    let scope = &scopes[rng.random_range(0..2)];
                    replicas[a].write(scope, rng.random_range(1..12), step);
                }
                4 => {
                    let (client, relay) = two(&mut replicas, a, relay);
                    sync(client, relay, &scopes);
                }
                5 => {
                    let (client, relay) = two(&mut replicas, a, relay);
                    broken_sync(&mut rng, client, relay, &scopes);
                }
                6 => {
                    let (a, b) = two(&mut replicas, a, b);
                    meet(a, b, &scopes);
                }
                7 => {
                    let (a, b) = two(&mut replicas, a, b);
                    let mut some = stream(a, b, &scopes);
                    some.piece = rng.random_range(1..400);
                    some.run(a, b, rng.random_range(0..6_000));
                    some.cut(a, b);
                }
                8 => {
                    let (a, b) = two(&mut replicas, a, b);
                    let settings = config(a, Role::Initiator, Carrier::File);
                    let from = if rng.random() { locals_of_relay(a, &scopes) } else { locals(a, &scopes) };
                    let (_, file) = export(a, settings, from);
                    import(b, &file[..rng.random_range(0..=file.len())], &scopes);
                }
                // Device 1 goes on from a backup of itself on other hardware: its log forks.
                _ if step > 10 && a == 0 && replicas.len() < 7 => {
                    let clone = replicas[0].cloned();
                    replicas.insert(relay, clone);
                    replicas[relay].write(&scopes[0], rng.random_range(1..6), 100 + step);
                    clones += 1;
                }
                _ => {}
            }
        }
        let relay = replicas.iter().position(|replica| replica.author == replica.epoch).unwrap();
        for _ in 0..3 {
            for index in (0..replicas.len()).filter(|index| *index != relay) {
                let (client, relay) = two(&mut replicas, index, relay);
                sync(client, relay, &scopes);
            }
        }
        for index in 0..replicas.len() {
            for scope in &scopes {
                assert_eq!(
                    replicas[index].vector(scope),
                    replicas[relay].vector(scope),
                    "seed {seed}, replica {index}"
                );
            }
            if index != relay {
                let (client, relay) = two(&mut replicas, index, relay);
                let (outcome, wire) = sync(client, relay, &scopes);
                assert!(outcome.equal && wire.requests.len() == 1, "seed {seed}: {outcome:?}");
            }
        }
    }
    assert!(clones > 50, "{clones}");
}
