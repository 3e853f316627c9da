//! What to send: computed from two vectors as plain data, before anything is read or written.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use lastmile_log::{Entry, Segment, Vector};
use lastmile_model::{AuthorId, planted};

/// A stretch of an author's log, along the path of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRange {
    /// The segment whose head ends the path.
    pub segment: Segment,
    /// The first commit sent is the one after this seq.
    pub after: u64,
    /// The last commit sent.
    pub through: u64,
}

/// What one side does for the other in one scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Logs to send, in order.
    pub send: Vec<LogRange>,
    /// Authors whose first commit in the scope goes across: their certificates go before.
    pub introduce: Vec<AuthorId>,
    /// Authors whose copies have parted, so that positions must be compared before anything can be sent.
    pub parted: Vec<AuthorId>,
    /// Whether the peer shows something that is not held here.
    pub lacking: bool,
}

/// Compares the vector held here with one that the peer claims.
///
/// Office authors come first, since their logs carry the erasure orders and certificates that the others need, by their rank in `office`;
/// then the others by author;
/// within an author the trunk before its branches. Segments are matched by their heads, because a segment's name depends
/// on how much of a fork a replica has seen.
#[must_use]
pub fn plan(local: &Vector, peer: &Vector, office: &BTreeMap<AuthorId, u8>) -> Plan {
    let mut authors: BTreeMap<AuthorId, (Vec<Entry>, Vec<Entry>)> = BTreeMap::new();
    local.entries().for_each(|entry| authors.entry(entry.segment.author).or_default().0.push(entry));
    peer.entries().for_each(|entry| authors.entry(entry.segment.author).or_default().1.push(entry));
    let mut plan = Plan::default();
    let mut order: Vec<AuthorId> = authors.keys().copied().collect();
    order.sort_by_key(|author| (office.get(author).copied().unwrap_or(u8::MAX), *author));
    for author in order {
        if let Some((local, peer)) = authors.get(&author) {
            plan.author(author, local, peer);
        }
    }
    plan
}

/// Returns the entries of one author, trunk first.
pub(crate) fn of_author(vector: &Vector, author: AuthorId) -> Vec<Entry> {
    vector.entries().filter(|entry| entry.segment.author == author).collect()
}

impl Plan {
    fn author(&mut self, author: AuthorId, local: &[Entry], peer: &[Entry]) {
        let heads = |entries: &[Entry]| entries.iter().map(|entry| (entry.seq, entry.chain)).collect::<BTreeSet<_>>();
        let (local_heads, peer_heads) = (heads(local), heads(peer));
        let mut ours: Vec<Entry> = local.to_vec();
        ours.retain(|entry| !peer_heads.contains(&(entry.seq, entry.chain)));
        let mut theirs: BTreeMap<Segment, Entry> = peer.iter().map(|entry| (entry.segment, *entry)).collect();
        theirs.retain(|_, entry| !local_heads.contains(&(entry.seq, entry.chain)));
        if peer.is_empty() {
            if !ours.is_empty() {
                self.introduce.push(author);
            }
            self.send_from_base(local, &ours, true);
            return;
        }

        let mut pairs = Vec::new();
        ours.retain(|l| {
            let twin = if l.segment.start == 0 { None } else { theirs.remove(&l.segment) };
            pairs.extend(twin.map(|p| (*l, p)));
            twin.is_none()
        });
        let trunks = ours.iter().position(|entry| entry.segment.start == 0).zip(theirs.first_entry());
        if let Some((at, p)) = trunks.filter(|(_, p)| p.key().start == 0)
            && let Some(l) = ours.get(at).copied()
            && is_shared(local, peer, l.seq, p.get().seq)
        {
            ours.remove(at);
            pairs.push((l, p.remove()));
        }
        if let ([l], 1) = (ours.as_slice(), theirs.len())
            && let Some((_, p)) = theirs.pop_first()
        {
            pairs.push((*l, p));
            ours.clear();
        }

        self.lacking |= !theirs.is_empty() || pairs.iter().any(|(l, p)| l.seq <= p.seq);
        let undecided = !ours.is_empty() && !theirs.is_empty();
        if undecided || pairs.iter().any(|(l, p)| l.seq == p.seq) {
            self.parted.push(author);
            return;
        }
        pairs.sort_by_key(|(l, _)| l.segment);
        for (l, p) in pairs {
            if l.seq > p.seq {
                let after = p.seq + u64::from(planted!("vector-off-by-one"));
                self.send.push(LogRange { segment: l.segment, after, through: l.seq });
            }
        }
        self.send_from_base(local, &ours, false);
    }

    /// Sends segments from the commit before the author's first known fork, which every copy of the log shares; to a peer
    /// that holds nothing of the author the trunk goes whole, before its branches.
    fn send_from_base(&mut self, local: &[Entry], ours: &[Entry], from_start: bool) {
        let first_fork = local.iter().map(|entry| entry.segment.start).filter(|start| *start != 0).min();
        let base = first_fork.map_or(0, |start| start.saturating_sub(1));
        for entry in ours {
            let after = if from_start && entry.segment.start == 0 { 0 } else { base };
            if entry.seq > after {
                self.send.push(LogRange { segment: entry.segment, after, through: entry.seq });
            }
        }
    }
}

/// Whether the shorter of two trunks is taken for a part of the longer one: where the longer one ends at a fork, the copies that are known
/// hold all of it. A copy that parted before, and that nobody knew of, shows when a batch does not fit.
fn is_shared(local: &[Entry], peer: &[Entry], local_seq: u64, peer_seq: u64) -> bool {
    let longer = match local_seq.cmp(&peer_seq) {
        Ordering::Less => peer,
        Ordering::Equal => return false,
        Ordering::Greater => local,
    };
    longer.iter().any(|entry| entry.segment.start != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lastmile_model::ChainHash;

    const TRUNK: (u64, u8) = (0, 0);

    fn author(number: u8) -> AuthorId {
        AuthorId([number; 16])
    }

    fn entry(of: u8, (start, first): (u64, u8), seq: u64, chain: u8) -> Entry {
        let segment = Segment { author: author(of), start, first: ChainHash([first; 32]) };
        Entry { segment, seq, chain: ChainHash([chain; 32]) }
    }

    fn sends(local: &[Entry], peer: &[Entry]) -> (Vec<(u8, u64, u64)>, Plan) {
        let vectors: [Vector; 2] = [local, peer].map(|entries| entries.iter().copied().collect());
        let plan = plan(&vectors[0], &vectors[1], &[(author(9), 1), (author(3), 0)].into());
        let short = |range: &LogRange| (range.segment.author.0[0], range.after, range.through);
        (plan.send.iter().map(short).collect(), plan)
    }

    #[test]
    fn what_the_peer_lacks_goes_in_causal_order() {
        let local = [entry(1, TRUNK, 5, 15), entry(2, TRUNK, 7, 27), entry(9, TRUNK, 3, 93)];
        let (sent, plan) = sends(&local, &[entry(2, TRUNK, 4, 24)]);
        assert_eq!(sent, [(9, 0, 3), (1, 0, 5), (2, 4, 7)], "the office first, then by author");
        assert_eq!(plan.introduce, [author(9), author(1)]);
        assert!(!plan.lacking);
        assert_eq!(sends(&local, &local).1, Plan::default());
        let (sent, plan) = sends(&[], &local);
        assert!(sent.is_empty() && plan.lacking);
    }

    #[test]
    fn equal_seqs_with_other_hashes_have_parted() {
        let (sent, plan) = sends(&[entry(1, TRUNK, 5, 15)], &[entry(1, TRUNK, 5, 16)]);
        assert!(sent.is_empty());
        assert_eq!(plan.parted, [author(1)]);
    }

    #[test]
    fn segments_are_matched_by_their_heads_whatever_their_names() {
        // Here the fork is known and the trunk ends before it; there one side of it is still called the trunk.
        let local = [entry(1, TRUNK, 5, 15), entry(1, (6, 61), 7, 71), entry(1, (6, 62), 8, 82)];
        let (sent, plan) = sends(&local, &[entry(1, TRUNK, 7, 71)]);
        assert_eq!(sent, [(1, 5, 8)], "only the other branch, from the fork on");
        assert!(!plan.lacking && plan.parted.is_empty());
        let (sent, plan) = sends(&[entry(1, TRUNK, 7, 71)], &local);
        assert!(sent.is_empty() && plan.lacking && plan.parted.is_empty());
    }

    #[test]
    fn a_trunk_that_ends_before_the_fork_is_shared_by_all_copies() {
        let forked = [entry(1, TRUNK, 4, 14), entry(1, (5, 51), 6, 61), entry(1, (5, 52), 6, 62)];
        let (sent, plan) = sends(&forked, &[entry(1, TRUNK, 1, 11)]);
        assert_eq!(sent, [(1, 1, 4), (1, 4, 6), (1, 4, 6)]);
        assert!(!plan.lacking && plan.parted.is_empty());
        let (sent, plan) = sends(&[entry(1, TRUNK, 1, 11)], &forked);
        assert!(sent.is_empty() && plan.lacking && plan.parted.is_empty());
        // So it is with a third copy, which parted before: what is sent does not fit, and positions are compared then.
        let (sent, plan) = sends(&forked, &[entry(1, TRUNK, 3, 33)]);
        assert_eq!((sent, plan.parted.len()), (vec![(1, 3, 4), (1, 4, 6), (1, 4, 6)], 0));
        // Which of the branches a longer trunk goes along cannot be told.
        let (sent, plan) = sends(&forked, &[entry(1, TRUNK, 5, 15)]);
        assert!(sent.is_empty());
        assert_eq!(plan.parted, [author(1)]);
    }

    #[test]
    fn a_branch_goes_on_from_where_the_peer_has_it() {
        let local = [entry(1, TRUNK, 5, 15), entry(1, (6, 61), 9, 91), entry(1, (6, 62), 8, 82)];
        let peer = [entry(1, TRUNK, 5, 15), entry(1, (6, 61), 7, 71), entry(1, (6, 62), 8, 82)];
        assert_eq!(sends(&local, &peer).0, [(1, 7, 9)]);
        assert_eq!(sends(&local, &[]).0, [(1, 0, 5), (1, 5, 9), (1, 5, 8)], "the trunk before its branches");
    }
}
