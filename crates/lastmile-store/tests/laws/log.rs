//! Commits taken out of a replica and packed again in other pieces, as carriers may.

use lastmile_log::{Commit, Seal, Segment, chain_hash, pack, unpack};
use lastmile_model::ChainHash;
use lastmile_store::{Durability, Fate, Incoming, Store, ViewMode};

use crate::support::{author, deployment, key, scope};

/// The most that a batch inflates to.
const MAX_RAW: usize = lastmile_log::MAX_RAW;

/// The commits of an author's trunk, sealed first where the replica is the author's own.
pub fn commits(store: &mut Store, by: u8) -> Vec<Commit> {
    store.seal(&key(by), &scope()).unwrap();
    let (batches, _) = store.path_batches(&scope(), &Segment::trunk(author(by)), 0, u64::MAX).unwrap();
    let mut commits = Vec::new();
    for batch in batches {
        let batch = unpack(&batch.packed, MAX_RAW).unwrap();
        commits.extend((0..batch.commits.len()).map(|place| batch.to_commit(place).unwrap()));
    }
    commits
}

/// A batch of these commits with the author's seals at these numbers.
pub fn batch(by: u8, commits: &[Commit], sealed: &[u64]) -> Incoming {
    let seal = |commit: &Commit| seal(by, commit.header.seq, chain_hash(&commit.header));
    let seals = commits.iter().filter(|commit| sealed.contains(&commit.header.seq)).map(seal).collect();
    Incoming { packed: pack(&commits.iter().collect::<Vec<_>>()).unwrap(), seals }
}

pub fn seal(by: u8, seq: u64, chain: ChainHash) -> Seal {
    Seal::sign(&key(by), &deployment(), &scope(), seq, chain)
}

pub fn take(store: &mut Store, incoming: Incoming) -> Fate {
    store.ingest(vec![incoming], ViewMode::Now, Durability::Full).unwrap().remove(0).fate
}
