//! What the relay is believed to hold. It decides only what is offered first, and it outlives the process so that a restart does not
//! offer everything anew.

use std::collections::{BTreeMap, BTreeSet};

use lastmile_log::Vector;
use lastmile_log::wire::{Reader, Writer};
use lastmile_model::Scope;
use lastmile_store::{Store, StoreError};

/// Where the belief about a scope is kept.
fn setting(scope: &Scope) -> String {
    format!("peer/{scope}")
}

fn written(vector: &Vector) -> Vec<u8> {
    let mut out = Writer::new();
    vector.write(&mut out);
    out.finish()
}

/// Reads what the relay is believed to hold; a belief that cannot be read is none.
pub(crate) fn beliefs(store: &Store) -> Result<BTreeMap<Scope, Vector>, StoreError> {
    let mut beliefs = BTreeMap::new();
    for (_, scope) in store.scopes() {
        if let Some(bytes) = store.setting(&setting(scope))?
            && let Ok(vector) = Vector::read(&mut Reader::new(&bytes))
        {
            beliefs.insert(scope.clone(), vector);
        }
    }
    Ok(beliefs)
}

/// Forgets what was believed of a scope that is no longer held.
pub(crate) fn forget(store: &mut Store, scope: &Scope) -> Result<(), StoreError> {
    store.remember(&setting(scope), &[])
}

/// Keeps what became another belief.
pub(crate) fn keep(
    store: &mut Store,
    before: &BTreeMap<Scope, Vector>,
    after: &BTreeMap<Scope, Vector>,
) -> Result<(), StoreError> {
    for scope in after.keys().chain(before.keys()).collect::<BTreeSet<_>>() {
        if after.get(scope) != before.get(scope) {
            store.remember(&setting(scope), &after.get(scope).map(written).unwrap_or_default())?;
        }
    }
    Ok(())
}
