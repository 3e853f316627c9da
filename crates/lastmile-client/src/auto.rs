//! Syncs whenever there is something to say and a path to say it.

use std::sync::Arc;
use std::time::Duration;

use lastmile_store::Touched;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::clock::random;
use crate::files::FileBudget;
use crate::live::LivePace;
use crate::replica::Replica;
use crate::status::SyncStatus;

/// How the automatic sync paces itself.
#[derive(Debug, Clone)]
pub struct Pace {
    /// How long after the last exchange the relay is asked for news.
    pub poll: Duration,
    /// The first wait after a failure.
    pub first_retry: Duration,
    /// The longest wait after failures: so long at most nothing happens once a path is mended.
    pub longest_retry: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(30),
            first_retry: Duration::from_secs(1),
            // With the time that a request may stand still, less than a minute.
            longest_retry: Duration::from_secs(25),
        }
    }
}

/// A running automatic sync; it stops when dropped.
#[derive(Debug)]
pub struct AutoSync {
    wake: Arc<Notify>,
    foreground: watch::Sender<bool>,
    status: watch::Receiver<SyncStatus>,
    task: tokio::task::JoinHandle<()>,
}

impl AutoSync {
    /// Starts syncing a replica in the background: at once, after every save, after the poll time, and after failures with growing
    /// waits.
    #[must_use]
    pub fn start(replica: Arc<Replica>, pace: Pace) -> Self {
        Self::start_with(replica, pace, LivePace::default())
    }

    /// As [`AutoSync::start`], with another pace for the time in the foreground.
    #[must_use]
    pub fn start_with(replica: Arc<Replica>, pace: Pace, live: LivePace) -> Self {
        let wake = Arc::new(Notify::new());
        let (sender, status) = watch::channel(SyncStatus::default());
        let (foreground, seen) = watch::channel(false);
        let files = Files { replica: Arc::clone(&replica), pace: pace.clone(), status: status.clone() };
        let course = Course { replica, pace, live, wake: Arc::clone(&wake), foreground: seen, status: sender };
        let task = tokio::spawn(async move {
            tokio::select! {
                () = course.run() => {}
                () = files.run() => {}
            }
        });
        Self { wake, foreground, status, task }
    }

    /// Tells that a person has the app before them, or has no longer. In the foreground the device stays connected, and what is new
    /// anywhere is there at once; where no connection stays, and in the background, it goes by requests.
    pub fn set_foreground(&self, foreground: bool) {
        self.foreground.send_replace(foreground);
    }

    /// Tries at once, as when the system says that a network appeared.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Stops, and waits until nothing of it works with the replica any more. A drop stops as well, without waiting.
    pub async fn stop(mut self) {
        self.task.abort();
        // However it ended, it has.
        let _ = (&mut self.task).await;
    }

    /// Follows the status.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<SyncStatus> {
        self.status.clone()
    }
}

impl Drop for AutoSync {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Another round is useful at once, but never in a tight loop.
const SOON: Duration = Duration::from_millis(50);

/// The longest wish of a relay to be left alone that is heeded.
const LONGEST_REST: Duration = Duration::from_secs(86_400);

/// A connection that lasted so long was a good one.
const LASTING: Duration = Duration::from_secs(10);

/// The lane for files beside the sync of records.
struct Files {
    replica: Arc<Replica>,
    pace: Pace,
    status: watch::Receiver<SyncStatus>,
}

impl Files {
    /// Sends and fetches files while records have nothing to say: each time the sync of records came to rest, and again while there is
    /// more. A save ends what is under way at once; what came across stays.
    async fn run(mut self) {
        let mut backoff = Backoff::new(self.pace.first_retry, self.pace.longest_retry);
        loop {
            let at_rest = {
                let status = self.status.borrow_and_update();
                status.unsent_commits == 0 && status.last_success_ms.is_some() && status.last_error.is_none()
            };
            let pause = if at_rest { self.round(&mut backoff).await } else { self.pace.poll };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = self.status.changed() => match changed {
                    Ok(()) => tokio::time::sleep(SOON).await,
                    Err(_) => return,
                },
            }
        }
    }

    /// One round; tells how long to wait after it.
    async fn round(&self, backoff: &mut Backoff) -> Duration {
        let mut changes = self.replica.observe();
        let saved = async {
            loop {
                let heard = changes.recv().await;
                let unsent = self.replica.status().is_ok_and(|status| status.unsent_commits > 0);
                if unsent || matches!(heard, Err(RecvError::Closed)) {
                    break;
                }
            }
        };
        let budget = FileBudget::default();
        let made = tokio::select! {
            made = self.replica.sync_files(&budget) => made,
            () = saved => return self.pace.poll,
        };
        match made {
            Ok(report) => {
                backoff.reset();
                if report.more { SOON } else { self.pace.poll }
            }
            Err(error) => {
                tracing::info!(%error, "files will be tried again");
                backoff.next(random::<2>(self.replica.clock()).map_or(0, u16::from_be_bytes))
            }
        }
    }
}

/// The running automatic sync.
struct Course {
    replica: Arc<Replica>,
    pace: Pace,
    live: LivePace,
    wake: Arc<Notify>,
    foreground: watch::Receiver<bool>,
    status: watch::Sender<SyncStatus>,
}

/// What came of an exchange, for the wait after it.
struct Next {
    pause: Duration,
    /// Whether the exchange failed: then a save waits for the next try like everything else.
    failing: bool,
}

impl Course {
    async fn run(mut self) {
        let mut backoff = Backoff::new(self.pace.first_retry, self.pace.longest_retry);
        let mut live_backoff = Backoff::new(self.live.first_retry, self.live.longest_retry);
        let mut live_at = Instant::now();
        let mut changes = self.replica.observe();
        loop {
            let mut rest = None;
            if *self.foreground.borrow_and_update() && Instant::now() >= live_at {
                rest = self.stay_live(&mut live_backoff).await;
            }
            let next = self.exchange(&mut backoff, &mut changes).await;
            if let Some(rest) = rest {
                // While requests fail as well, the wait between them is wait enough.
                let wait = if next.failing { Duration::ZERO } else { live_backoff.next(self.jitter()) };
                live_at = Instant::now() + wait.max(rest);
            }
            let live = *self.foreground.borrow() && !next.failing;
            let replica = Arc::clone(&self.replica);
            let saved = async {
                loop {
                    let heard = changes.recv().await;
                    let unsent = replica.status().is_ok_and(|status| status.unsent_commits > 0);
                    if unsent || matches!(heard, Err(RecvError::Closed)) {
                        break;
                    }
                }
            };
            tokio::select! {
                () = tokio::time::sleep(next.pause) => {}
                () = tokio::time::sleep_until(live_at), if live => {}
                () = self.wake.notified() => {
                    backoff.reset();
                    live_backoff.reset();
                    live_at = Instant::now();
                }
                changed = self.foreground.changed() => match changed {
                    Ok(()) => live_at = Instant::now(),
                    // Whoever could change it has gone; the task is about to end.
                    Err(_) => return,
                },
                () = saved, if !next.failing => {}
            }
        }
    }

    fn jitter(&self) -> u16 {
        random::<2>(self.replica.clock()).map_or(0, u16::from_be_bytes)
    }

    /// The rest that a relay asks for, and up to a quarter more, so that those whom it sent away together do not come back together.
    fn scattered(&self, rest: Duration) -> Duration {
        let rest = rest.min(LONGEST_REST);
        rest.saturating_add(rest.mul_f64(f64::from(self.jitter()) / f64::from(u16::MAX) / 4.0))
    }

    fn tell(&self) {
        if let Ok(now) = self.replica.status() {
            self.status.send_replace(now);
        }
    }

    /// Stays connected while that goes well and somebody watches; returns how long the relay then asks to be left alone, and nothing if
    /// only nobody watches any more.
    async fn stay_live(&self, backoff: &mut Backoff) -> Option<Duration> {
        let begun = Instant::now();
        let mut foreground = self.foreground.clone();
        let tell = || self.tell();
        let end = tokio::select! {
            end = self.replica.live(&self.live, &self.wake, &tell) => end,
            _ = foreground.wait_for(|foreground| !*foreground) => return None,
        };
        match &end.result {
            Ok(()) => tracing::debug!("a live connection is made anew"),
            Err(error) => tracing::info!(%error, signed_in = end.signed_in, "no live connection; requests go on"),
        }
        if end.signed_in && begun.elapsed() >= LASTING {
            backoff.reset();
        }
        Some(self.scattered(end.rest))
    }

    /// Makes one exchange, and tells how long to wait after it.
    async fn exchange(&self, backoff: &mut Backoff, changes: &mut Receiver<Arc<[Touched]>>) -> Next {
        let saves = self.replica.saves();
        let exchanged = self.replica.exchanged().await;
        // A path that breaks again and again, but brings something each time, is still a path.
        if exchanged.news {
            backoff.reset();
        }
        let mut again = || backoff.next(self.jitter());
        let pause = match &exchanged.result {
            Ok(report) if report.equal => {
                backoff.reset();
                self.pace.poll
            }
            Ok(_) if exchanged.news => SOON,
            // What the exchange could not mend may last, e.g. a quota that is used up.
            Ok(_) => again(),
            Err(error) => {
                tracing::info!(%error, "sync will be tried again");
                again()
            }
        };
        let pause = pause.max(self.scattered(exchanged.rest));
        self.tell();
        // What the exchange itself brought is no reason for another one; what was saved meanwhile is.
        while changes.try_recv().is_ok() {}
        let failing = exchanged.result.is_err();
        let unsent = || self.replica.status().is_ok_and(|status| status.unsent_commits > 0);
        let overtaken = !failing && self.replica.saves() != saves && unsent();
        Next { pause: if overtaken { SOON } else { pause }, failing }
    }
}
