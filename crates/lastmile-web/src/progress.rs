//! Where one connection stands, shared by its byte stream and its requests.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::connections::Passage;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// For the rest of a request's head.
    Head = 0,
    /// For the next request.
    Idle = 1,
    /// For us, or for a request's body, which has a time limit of its own.
    Busy = 2,
    /// Another protocol has the stream.
    Upgraded = 3,
}

/// Why a request's body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum BadBody {
    TooLarge = 1,
    Stalled = 2,
}

/// Where one connection stands.
///
/// One task drives a connection, so the atomics are for `Send`, not for ordering.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    phase: AtomicU8,
    bad_body: AtomicU8,
    linger: AtomicBool,
    /// What an upgraded connection that came through a proxy goes on being counted by. The stream holds on to this, so it is given back
    /// when the stream is dropped.
    passage: Mutex<Option<Passage>>,
}

impl Progress {
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Head,
            1 => Phase::Idle,
            2 => Phase::Busy,
            _ => Phase::Upgraded,
        }
    }

    /// Notes that a request's head is complete.
    pub(crate) fn begin(&self) {
        self.bad_body.store(0, Ordering::Release);
        self.phase.store(Phase::Busy as u8, Ordering::Release);
    }

    /// Notes that a reply is complete.
    pub(crate) fn end(&self) {
        self.swap(Phase::Busy, Phase::Idle);
    }

    /// Notes that a byte came; returns whether it begins a new request's head.
    pub(crate) fn begin_head(&self) -> bool {
        self.swap(Phase::Idle, Phase::Head)
    }

    /// Notes that another protocol takes the stream, with the place that its address takes up as long as it has it.
    pub(crate) fn upgrade(&self, passage: Option<Passage>) {
        *self.passage.lock().unwrap_or_else(PoisonError::into_inner) = passage;
        self.phase.store(Phase::Upgraded as u8, Ordering::Release);
    }

    fn swap(&self, from: Phase, to: Phase) -> bool {
        self.phase.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Notes that the client may still be sending, though nobody reads it.
    pub(crate) fn linger(&self) {
        self.linger.store(true, Ordering::Release);
    }

    /// Notes why the present request's body is not read on.
    pub(crate) fn refuse_body(&self, why: BadBody) {
        if why == BadBody::TooLarge {
            // The client is still sending: closing at once would reset the connection before it reads the answer.
            self.linger();
        }
        self.bad_body.store(why as u8, Ordering::Release);
    }

    pub(crate) fn bad_body(&self) -> Option<BadBody> {
        match self.bad_body.load(Ordering::Acquire) {
            0 => None,
            1 => Some(BadBody::TooLarge),
            _ => Some(BadBody::Stalled),
        }
    }

    /// Returns whether unread input should be drained before the stream closes.
    pub(crate) fn lingers(&self) -> bool {
        self.linger.load(Ordering::Acquire)
    }
}
