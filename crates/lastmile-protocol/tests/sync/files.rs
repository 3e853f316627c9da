//! Bundles.

use lastmile_protocol::{Carrier, Code, Notice, Role};

use crate::drive::{config, export, import, locals, locals_of_relay, meet};
use crate::toy::World;

#[test]
fn a_bundle_brings_everything_to_a_stranger() {
    let world = World::new();
    let scopes = [world.scope(), world.city()];
    let (mut a, mut b, mut c) = (world.device(1), world.device(2), world.device(3));
    a.write(&scopes[0], 100, 1);
    c.write(&scopes[0], 4, 1);
    meet(&mut a, &mut c, &scopes);
    let a_config = config(&a, Role::Initiator, Carrier::File);
    let whole = locals_of_relay(&a, &scopes);
    let (outcome, file) = export(&mut a, a_config, whole);
    assert!(!outcome.more);
    assert!(file.starts_with(lastmile_protocol::bundle::START));
    let outcome = import(&mut b, &file, &scopes);
    assert!(outcome.equal && !outcome.more, "{outcome:?}");
    assert_eq!(a.vector(&scopes[0]), b.vector(&scopes[0]));
    let again = import(&mut b, &file, &scopes);
    assert_eq!(again.appended, 0);

    // The reader knows now what the writer holds, and answers with a bundle of what it lacks.
    b.write(&scopes[0], 5, 1);
    let b_config = config(&b, Role::Initiator, Carrier::File);
    let hinted = locals(&b, &scopes);
    let (_, answer) = export(&mut b, b_config, hinted);
    assert!(answer.len() < file.len());
    assert!(import(&mut a, &answer, &scopes).equal);
    assert_eq!(a.vector(&scopes[0]), b.vector(&scopes[0]));
}

#[test]
fn a_bundle_is_good_up_to_where_it_breaks_off() {
    let world = World::new();
    let scopes = [world.scope()];
    let mut a = world.device(1);
    a.write(&scopes[0], 40, 1);
    a.batch_commits = 4;
    let a_config = config(&a, Role::Initiator, Carrier::File);
    let whole = locals_of_relay(&a, &scopes);
    let (_, file) = export(&mut a, a_config, whole);
    let mut held = 0;
    for cut in 0..file.len() {
        let mut b = world.device(2);
        let outcome = import(&mut b, &file[..cut], &scopes);
        assert!(outcome.more);
        assert!(b.notices.contains(&Notice::CutShort));
        let seq = b.vector(&scopes[0]).entries().map(|entry| entry.seq).max().unwrap_or(0);
        assert!(seq >= held);
        held = seq;
    }
    assert_eq!(held, 40);
}

#[test]
fn a_bundle_keeps_to_its_size_and_the_next_goes_on() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut a, mut b) = (world.device(1), world.device(2));
    a.write(&scopes[0], 300, 1);
    for round in 0.. {
        assert!(round < 50);
        let mut a_config = config(&a, Role::Initiator, Carrier::File);
        a_config.file_limit = Some(2_000);
        let mut hinted = locals_of_relay(&a, &scopes);
        hinted[0].peer_has = Some(b.vector(&scopes[0]));
        let (outcome, file) = export(&mut a, a_config, hinted);
        assert!(file.len() < 5_000);
        import(&mut b, &file, &scopes);
        if !outcome.more {
            break;
        }
    }
    assert_eq!(a.vector(&scopes[0]), b.vector(&scopes[0]));
}

#[test]
fn a_vector_in_a_file_is_no_sign_that_the_own_log_is_ahead() {
    let world = World::new();
    let scopes = [world.scope()];
    let mut a = world.device(1);
    a.write(&scopes[0], 4, 1);
    let mut copy = a.cloned();
    copy.write(&scopes[0], 5, 1);
    let ahead = |notice: &Notice| matches!(notice, Notice::OwnLogAhead { .. });
    // Anybody can write a vector into a file: alone it proves nothing.
    let mut bare = config(&copy, Role::Initiator, Carrier::File);
    bare.file_limit = Some(0);
    let whole = locals_of_relay(&copy, &scopes);
    let (_, file) = export(&mut copy, bare, whole.clone());
    import(&mut a, &file, &scopes);
    assert!(!a.notices.iter().any(ahead));
    // A batch under the own seal does.
    let full = config(&copy, Role::Initiator, Carrier::File);
    let (_, file) = export(&mut copy, full, whole);
    import(&mut a, &file, &scopes);
    assert!(a.notices.iter().any(ahead));
}

#[test]
fn other_files_are_refused() {
    let world = World::new();
    let b = world.device(2);
    for bytes in [&b"PK\x03\x04zip"[..], b"\x89LASTMILE\r\n\x01later", b"\x89LASTMILE\n\x00"] {
        let mut session = crate::drive::session(&b, Role::Responder, Carrier::File, &[world.scope()]);
        let error = session.receive(bytes).unwrap_err();
        assert!(matches!(error, lastmile_protocol::SessionError::Refused { code: Code::BadFrame, .. }), "{error}");
    }
}
