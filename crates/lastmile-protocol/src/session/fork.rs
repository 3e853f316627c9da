//! Finding the point at which two copies of an author's log part.

use std::collections::BTreeSet;

use lastmile_log::Entry;
use lastmile_model::{AuthorId, Scope};

use super::Session;
use super::config::Access;
use super::effect::Notice;
use super::state::Question;
use crate::frame::{Frame, SealsFrame};
use crate::limits::{MAX_FORKS, MAX_WANTS};
use crate::plan::of_author;
use crate::positions::{self, Position, SegmentPositions};

impl Session {
    /// Starts the search because this side cannot go on without the point.
    pub(super) fn need_fork_point(&mut self, scope: &Scope, author: AuthorId) {
        self.note_fork(scope, author);
        if !self.has_room(scope, author) {
            return;
        }
        let fork = self.forks.entry((scope.clone(), author)).or_default();
        if !std::mem::replace(&mut fork.needed, true) {
            self.compare_positions(scope, author);
        }
    }

    fn has_room(&self, scope: &Scope, author: AuthorId) -> bool {
        self.forks.len() < MAX_FORKS || self.forks.contains_key(&(scope.clone(), author))
    }

    /// Tells the host, once, that copies of a log have parted.
    pub(super) fn note_fork(&mut self, scope: &Scope, author: AuthorId) {
        if self.forked.insert((scope.clone(), author)) {
            self.notice(Notice::Forked { scope: scope.clone(), author });
        }
    }

    /// Takes the peer's positions.
    pub(super) fn on_positions(&mut self, frame: SealsFrame) {
        let SealsFrame { scope, author, positions } = frame;
        let Some(state) = self.scopes.get_mut(&scope).filter(|state| state.is_shared()) else { return };
        state.distrust(author);
        if !self.has_room(&scope, author) {
            return;
        }
        let fork = self.forks.entry((scope.clone(), author)).or_default();
        let theirs: BTreeSet<Position> = positions.into_iter().collect();
        if fork.theirs.as_ref() != Some(&theirs) && fork.changes < MAX_WANTS {
            fork.changes += 1;
            self.news = true;
            fork.theirs = Some(theirs);
            self.compare_positions(&scope, author);
        }
    }

    /// Takes the positions that the host read.
    pub(super) fn own_positions(&mut self, scope: Scope, author: AuthorId, paths: Vec<SegmentPositions>) {
        let fork = self.forks.entry((scope.clone(), author)).or_default();
        fork.own = Some(paths);
        self.resolve(&scope, author);
    }

    /// Reads the own positions anew, since the log may have grown, and goes on when they are there.
    fn compare_positions(&mut self, scope: &Scope, author: AuthorId) {
        self.work.ask(Question::Positions { scope: scope.clone(), author });
    }

    fn resolve(&mut self, scope: &Scope, author: AuthorId) {
        let Some(state) = self.scopes.get(scope) else { return };
        let Some(fork) = self.forks.get_mut(&(scope.clone(), author)) else { return };
        let Some(own) = &fork.own else { return };
        let heads: Vec<Entry> = of_author(&state.vector, author);
        let their_heads: Vec<Position> = match (&state.claimed, &fork.theirs) {
            (Some(claimed), _) => of_author(claimed, author).iter().map(|head| (head.seq, head.chain)).collect(),
            (_, Some(theirs)) => theirs.iter().next_back().copied().into_iter().collect(),
            _ => Vec::new(),
        };
        let complete = fork.theirs.is_some() && positions::all_held(own, &heads, &their_heads);
        let serves = state.access == Access::Full;
        let theirs = fork.theirs.clone();
        let ranges = theirs.as_ref().map(|theirs| positions::ranges(own, &heads, theirs)).unwrap_or_default();
        let list = (!complete && !fork.sent).then(|| positions::thinned(own, &heads));
        fork.sent |= list.is_some();

        if let Some(positions) = list {
            self.work.control.push_back(Frame::Seals(SealsFrame { scope: scope.clone(), author, positions }));
            self.asked_peer = true;
        }
        for range in ranges {
            let head = heads.iter().find(|head| head.segment == range.segment);
            if let Some(head) = head.filter(|_| serves) {
                self.add_log(scope, range, head.chain, true);
            }
        }
    }
}
