//! A replica in memory as a device or the office holds it, made anew for each input.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use lastmile_log::{Seal, chain_hash};
use lastmile_model::Catalogue;
use lastmile_store::{Durability, Incoming, Store, ViewMode};

use crate::commits::{log, packed};
use crate::kept::Kept;
use crate::support::{deployment, key, scope, store};

static CATALOGUE: LazyLock<Arc<Catalogue>> = LazyLock::new(|| Arc::new(Catalogue::builtin().clone()));

thread_local! {
    /// A replica that knows the certificates, and one that holds the log of device 2 as well.
    static TEMPLATES: (Kept, Kept) = {
        let empty = Kept::new();
        drop(store(Box::new(empty.clone())));
        let full = empty.copied();
        let mut held = Store::new(Box::new(full.clone()), Arc::clone(&CATALOGUE)).unwrap();
        let list = log(2);
        let last = &list[2].header;
        let seals = vec![Seal::sign(&key(2), &deployment(), &scope(), last.seq, chain_hash(last))];
        held.ingest(vec![Incoming { packed: packed(&list).unwrap(), seals }], ViewMode::Now, Durability::Full).unwrap();
        drop(held);
        (empty, full)
    };
}

/// A replica that holds nothing, or the log of device 2, and where it is kept.
pub fn replica(full: bool) -> (Kept, Store) {
    let kept = TEMPLATES.with(|(empty, held)| if full { held.copied() } else { empty.copied() });
    let store = again(&kept);
    (kept, store)
}

/// Opens what is kept once more.
pub fn again(kept: &Kept) -> Store {
    Store::new(Box::new(kept.clone()), Arc::clone(&CATALOGUE)).unwrap()
}

/// Holds a replica to its laws: sound, balanced, the same after a rebuild and after it was opened again.
pub fn check(kept: &Kept, mut store: Store) {
    while store.follow_views(u64::MAX).unwrap() {}
    assert_eq!(store.skipped().count(), 0, "a log was skipped");
    let findings = store.check(&mut |_, _| {}).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
    let of = |store: &Store| {
        let mut reader = store.reader().unwrap();
        (reader.digest(None).unwrap(), reader.counts(None).unwrap())
    };
    let before = of(&store);
    let by_log: u64 = store.reader().unwrap().logs().unwrap().iter().map(|log| log.changes).sum();
    assert_eq!(before.1.held(), by_log + before.1.pending, "a change is counted otherwise than once");
    let rebuilt = store.rebuild(&mut |_, _| {}).unwrap();
    assert_eq!(rebuilt.before, rebuilt.after, "rebuilt otherwise");
    assert_eq!(of(&store), before, "rebuilt otherwise");
    drop(store);
    assert_eq!(of(&again(kept)), before, "opened again as something else");
}

/// Reads every record that is a row and hands the document of each to Automerge.
pub fn export(store: &Store, most: usize) -> BTreeMap<String, usize> {
    let mut reader = store.reader().unwrap();
    let mut exported = BTreeMap::new();
    for (type_no, record_type) in Catalogue::builtin().types().iter().enumerate() {
        let rows = reader.rows(&lastmile_store::query::Query::new(type_no, &[])).unwrap();
        for row in rows.into_iter().take(most) {
            let record = reader.record(&record_type.name, row.id, None).unwrap();
            assert_eq!(record.id, row.id);
            reader.history(&record_type.name, row.id).unwrap();
            let document = reader.export(&record_type.name, row.id).unwrap();
            automerge::Automerge::load(&document.bytes).unwrap();
            *exported.entry(record_type.name.clone()).or_default() += 1;
        }
    }
    exported
}
