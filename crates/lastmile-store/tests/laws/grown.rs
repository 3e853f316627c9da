//! A writer tells which scopes have grown, once each.

use lastmile_store::ViewMode;

use crate::sites::Sites;
use crate::support::{OFFICE, activity, save, scope, seal, send};

#[test]
fn a_scope_is_named_once_it_holds_more_that_is_sealed() {
    let mut sites = Sites::files();
    let (mut worker, mut relay) = (sites.open("worker"), sites.open("relay"));
    assert!(relay.take_grown().is_empty());
    save(&mut worker, 2, vec![activity(1, "清洁日", 5)]);
    assert!(worker.take_grown().is_empty(), "nothing is sealed yet, so nobody else may have it");
    seal(&mut worker, 2);
    assert_eq!(worker.take_grown(), [scope()]);
    send(&mut worker, &mut relay, ViewMode::Later);
    assert_eq!(relay.take_grown(), [scope()]);
    while relay.follow_views(10).unwrap() {}
    assert!(relay.take_grown().is_empty(), "the views follow what was there");
    send(&mut worker, &mut relay, ViewMode::Later);
    assert!(relay.take_grown().is_empty(), "it was all held");
    save(&mut relay, OFFICE, vec![activity(2, "义诊", 5)]);
    seal(&mut relay, OFFICE);
    assert_eq!(relay.take_grown(), [scope()]);
    drop(relay);
    assert!(sites.open("relay").take_grown().is_empty(), "an opening is no growth");
}
