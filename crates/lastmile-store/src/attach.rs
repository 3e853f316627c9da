//! Where a batch of commits belongs among the strands of its author: a plan made without writing.

use lastmile_model::{AuthorId, ChainHash, planted};

use crate::StoreError;
use crate::index::Index;

/// What to do with a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attach {
    /// The author's first commits in this scope.
    Start,
    /// Everything from commit `from` on continues this strand.
    Extend { strand: u32, from: u64 },
    /// Every commit is held already, the last one on this strand.
    Held,
    /// From commit `from` on the batch leaves this strand.
    Fork { strand: u32, from: u64 },
    /// Commits before the batch are missing; the log is held up to here.
    Gap { have: u64 },
    /// The batch continues a history that differs from what is held, at an unknown place before it.
    OtherPast,
}

impl Attach {
    /// Prefers what keeps most of what is known: held, then continuing, then the latest fork.
    fn rank(&self) -> (u8, u64) {
        match self {
            Self::Held => (5, 0),
            Self::Extend { from, .. } => (4, *from),
            Self::Fork { from, .. } => (3, *from),
            Self::OtherPast => (2, 0),
            Self::Gap { have } => (1, *have),
            Self::Start => (0, 0),
        }
    }
}

/// Plans where commits `first`, `first + 1`, … with these chain hashes belong.
///
/// `chain_at` gives the chain hash of a commit on a strand.
pub(crate) fn attach(
    index: &Index,
    scope: u32,
    author: AuthorId,
    first: u64,
    prev: ChainHash,
    chains: &[ChainHash],
    chain_at: &mut dyn FnMut(u32, u64) -> Result<ChainHash, StoreError>,
) -> Result<Attach, StoreError> {
    let before = first.saturating_sub(1);
    let mut best = if before == 0 && prev == ChainHash::ZERO { Attach::Start } else { Attach::Gap { have: 0 } };
    for strand in index.strands_of(scope, author) {
        let plan = if before > strand.head {
            Attach::Gap { have: strand.head }
        } else {
            let path = index.path(strand);
            let holder =
                |seq: u64| path.iter().find(|(_, low, high)| (*low..=*high).contains(&seq)).map(|(no, _, _)| *no);
            let here = match before {
                0 => ChainHash::ZERO,
                seq if seq == strand.head => strand.chain,
                seq => match holder(seq) {
                    Some(no) => chain_at(no, seq)?,
                    None => return Err(StoreError::damaged(format!("commit {seq} of a log is missing"))),
                },
            };
            if here == prev || planted!("unchecked-chain") {
                compare(strand.no, strand.head, first, chains, &holder, chain_at)?
            } else {
                Attach::OtherPast
            }
        };
        if plan.rank() > best.rank() {
            best = plan;
        }
    }
    Ok(best)
}

/// Walks the batch along one path until it ends, runs past the head or differs.
fn compare(
    strand: u32,
    head: u64,
    first: u64,
    chains: &[ChainHash],
    holder: &dyn Fn(u64) -> Option<u32>,
    chain_at: &mut dyn FnMut(u32, u64) -> Result<ChainHash, StoreError>,
) -> Result<Attach, StoreError> {
    for (seq, chain) in (first..).zip(chains) {
        if seq > head {
            return Ok(Attach::Extend { strand, from: seq });
        }
        let no = holder(seq).ok_or_else(|| StoreError::damaged(format!("commit {seq} of a log is missing")))?;
        if chain_at(no, seq)? != *chain {
            return Ok(Attach::Fork { strand: no, from: seq });
        }
    }
    Ok(Attach::Held)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Strand;

    const AUTHOR: AuthorId = AuthorId([1; 16]);

    fn chain(byte: u8) -> ChainHash {
        ChainHash([byte; 32])
    }

    fn strand(no: u32, first: u64, head: u64, parent: Option<u32>, chain: ChainHash) -> Strand {
        Strand {
            no,
            scope: 1,
            author: AUTHOR,
            first,
            prev: ChainHash::ZERO,
            parent,
            head,
            chain,
            sealed: head,
            sealed_chain: chain,
            viewed: head,
            changes: 0,
        }
    }

    /// Strand 1 holds commits 1 to 5 with chains 1 to 5; strand 2 leaves it at 4 with chains 14, 15.
    fn plan(first: u64, prev: u8, chains: &[u8], forked: bool) -> Attach {
        let mut index = Index::default();
        index.keep(strand(1, 1, 5, None, chain(5)));
        if forked {
            index.keep(strand(2, 4, 5, Some(1), chain(15)));
        }
        let chains: Vec<ChainHash> = chains.iter().map(|&byte| chain(byte)).collect();
        let mut at = |no: u32, seq: u64| {
            let byte = u8::try_from(seq).unwrap();
            Ok(chain(if no == 2 { byte + 10 } else { byte }))
        };
        attach(&index, 1, AUTHOR, first, chain(prev), &chains, &mut at).unwrap()
    }

    #[test]
    fn continues_overlaps_and_knows_what_it_holds() {
        assert_eq!(plan(6, 5, &[6, 7], false), Attach::Extend { strand: 1, from: 6 });
        assert_eq!(plan(4, 3, &[4, 5, 6], false), Attach::Extend { strand: 1, from: 6 });
        assert_eq!(plan(2, 1, &[2, 3], false), Attach::Held);
        assert_eq!(plan(8, 7, &[8], false), Attach::Gap { have: 5 });
    }

    #[test]
    fn finds_forks() {
        assert_eq!(plan(4, 3, &[24, 25], false), Attach::Fork { strand: 1, from: 4 });
        assert_eq!(plan(1, 0, &[21], false), Attach::Fork { strand: 1, from: 1 });
        assert_eq!(plan(6, 25, &[26], false), Attach::OtherPast);
        assert_eq!(plan(4, 3, &[14, 15, 16], true), Attach::Extend { strand: 2, from: 6 });
        assert_eq!(plan(4, 3, &[14, 35], true), Attach::Fork { strand: 2, from: 5 });
        assert_eq!(plan(4, 3, &[34], true), Attach::Fork { strand: 1, from: 4 });
    }
}
