//! The logs on their way to the peer, in order.

use std::collections::{BTreeSet, VecDeque};

use lastmile_log::{Entry, Segment, Vector};
use lastmile_model::{AuthorId, ChainHash, Scope};

use crate::plan::LogRange;

/// A log on its way to the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogTask {
    pub scope: Scope,
    pub range: LogRange,
    /// The chain hash at the end of the range.
    pub chain: ChainHash,
    /// Asked for by the peer or found by comparing positions: a new plan does not replace it.
    pub firm: bool,
}

impl LogTask {
    fn key(&self) -> (Scope, Segment) {
        (self.scope.clone(), self.range.segment)
    }
}

/// Log tasks in order, at most one for each segment.
#[derive(Debug, Default)]
pub(super) struct Logs {
    queue: VecDeque<LogTask>,
    keys: BTreeSet<(Scope, Segment)>,
}

impl Logs {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Gives room back that is not needed.
    pub(super) fn let_go(&mut self) {
        self.queue.shrink_to_fit();
    }

    pub(super) fn first(&self) -> Option<&LogTask> {
        self.queue.front()
    }

    /// Adds a log, or lets the task that is already there for the segment go on to the new end.
    pub(super) fn add(&mut self, task: LogTask) {
        if self.keys.insert(task.key()) {
            self.queue.push_back(task);
            return;
        }
        let same = |old: &&mut LogTask| old.scope == task.scope && old.range.segment == task.range.segment;
        match self.queue.iter_mut().find(same) {
            Some(old) if task.firm => *old = task,
            Some(old) if task.range.through > old.range.through => {
                (old.range.through, old.chain) = (task.range.through, task.chain);
            }
            _ => {}
        }
    }

    /// Puts a task that was taken out back to the front.
    pub(super) fn put_back(&mut self, task: LogTask) {
        self.keys.insert(task.key());
        self.queue.push_front(task);
    }

    /// Takes the task of a segment out.
    pub(super) fn take(&mut self, scope: &Scope, segment: Segment) -> Option<LogTask> {
        let place = self.queue.iter().position(|task| task.scope == *scope && task.range.segment == segment)?;
        let task = self.queue.remove(place)?;
        self.keys.remove(&task.key());
        Some(task)
    }

    /// Drops all logs of a scope, or those of one author there.
    pub(super) fn drop_of(&mut self, scope: &Scope, author: Option<AuthorId>) {
        let of =
            |task: &LogTask| task.scope == *scope && author.is_none_or(|author| task.range.segment.author == author);
        self.queue.retain(|task| !of(task));
        self.keys = self.queue.iter().map(LogTask::key).collect();
    }

    /// Follows segments that got another name, because a fork of their log is known now; returns old and new names.
    pub(super) fn rename(&mut self, scope: &Scope, vector: &Vector) -> Vec<(Segment, Segment)> {
        let mut renamed = Vec::new();
        for task in self.queue.iter_mut().filter(|task| task.scope == *scope) {
            let old = task.range.segment;
            if vector.get(&old) == Some((task.range.through, task.chain)) {
                continue;
            }
            let is_head = |entry: &Entry| {
                entry.segment.author == old.author && entry.seq == task.range.through && entry.chain == task.chain
            };
            if let Some(entry) = vector.entries().find(is_head) {
                task.range.segment = entry.segment;
                renamed.push((old, entry.segment));
            }
        }
        if !renamed.is_empty() {
            self.keys = self.queue.iter().map(LogTask::key).collect();
        }
        renamed
    }
}
