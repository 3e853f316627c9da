//! Syncs whenever there is something to say and a path to say it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::backoff::Backoff;
use crate::clock::random;
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
    status: watch::Receiver<SyncStatus>,
    task: tokio::task::JoinHandle<()>,
}

impl AutoSync {
    /// Starts syncing a replica: at once, after every save, after the poll time, and after failures with growing waits.
    #[must_use]
    pub fn start(replica: Arc<Replica>, pace: Pace) -> Self {
        let wake = Arc::new(Notify::new());
        let (sender, status) = watch::channel(SyncStatus::default());
        let task = tokio::spawn(run(replica, pace, Arc::clone(&wake), sender));
        Self { wake, status, task }
    }

    /// Tries at once, as when the system says that a network appeared.
    pub fn wake(&self) {
        self.wake.notify_one();
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

async fn run(replica: Arc<Replica>, pace: Pace, wake: Arc<Notify>, status: watch::Sender<SyncStatus>) {
    let mut backoff = Backoff::new(pace.first_retry, pace.longest_retry);
    let mut changes = replica.observe();
    loop {
        let saves = replica.saves();
        let exchanged = replica.exchanged().await;
        // A path that breaks again and again, but brings something each time, is still a path.
        if exchanged.news {
            backoff.reset();
        }
        let mut again = || backoff.next(random::<2>(replica.clock()).map_or(0, u16::from_be_bytes));
        let pause = match &exchanged.result {
            Ok(report) if report.equal => {
                backoff.reset();
                pace.poll
            }
            Ok(_) if exchanged.news => SOON,
            // What the exchange could not mend may last, e.g. a quota that is used up.
            Ok(_) => again(),
            Err(error) => {
                tracing::info!(%error, "sync will be tried again");
                again()
            }
        };
        let pause = pause.max(exchanged.rest.min(LONGEST_REST));
        if let Ok(now) = replica.status() {
            status.send_replace(now);
        }
        // What the exchange itself brought is no reason for another one; what was saved meanwhile is.
        while changes.try_recv().is_ok() {}
        let unsent = || replica.status().is_ok_and(|status| status.unsent_commits > 0);
        let failing = exchanged.result.is_err();
        let overtaken = !failing && replica.saves() != saves && unsent();
        let saved = async {
            loop {
                let heard = changes.recv().await;
                if unsent() || matches!(heard, Err(tokio::sync::broadcast::error::RecvError::Closed)) {
                    break;
                }
            }
        };
        tokio::select! {
            () = tokio::time::sleep(if overtaken { SOON } else { pause }) => {}
            () = wake.notified() => backoff.reset(),
            // While the relay cannot be reached a save waits for the next try like everything else.
            () = saved, if !failing => {}
        }
    }
}
