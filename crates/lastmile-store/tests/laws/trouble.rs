//! A disk in trouble: what failed is not there, and nothing is built on it.

use lastmile_store::{Durability, StoreError};

use crate::kept::Kept;
use crate::support::{activity, author, commit, key, save, scope, seal, store};

#[test]
fn nothing_is_saved_on_top_of_what_could_not_be_stored() {
    // The commit fails; so does looking at what there is, once or several times.
    for troubles in 1..4 {
        let kept = Kept::new();
        let mut replica = store(Box::new(kept.clone()));
        save(&mut replica, 2, vec![activity(1, "清洁日", 5)]);
        kept.trouble(troubles);
        let mut refused = 0;
        let saved = loop {
            match replica.save(&key(2), &[commit(vec![activity(2, "义诊", 6)], 1)], Durability::Full) {
                Ok(saved) => break saved[0].clone(),
                Err(StoreError::DiskFull) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        };
        assert!(refused > 0);
        assert_eq!(saved.seq, 2, "no hole in the log");
        seal(&mut replica, 2);
        assert_eq!(replica.check(&mut |_, _| {}).unwrap(), []);
        assert_eq!(replica.sealed_heads(&scope(), author(2))[0].0, 2);
    }
}
