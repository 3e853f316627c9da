//! Work that an app can follow, give up and wait for, from any language.

use std::future::Future;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::LastmileError;
use crate::engine::{Engine, caught};

/// Work that is under way on the engine's threads.
#[derive(Debug)]
pub(crate) struct Job<T> {
    given_up: watch::Sender<bool>,
    done: watch::Receiver<Option<Result<T, LastmileError>>>,
}

impl<T: Clone + Send + Sync + 'static> Job<T> {
    /// Starts the work. It ends by itself, at the deadline, when it is given up, or when the replica closes.
    pub(crate) fn start(
        engine: &Engine,
        deadline: Option<Duration>,
        work: impl Future<Output = Result<T, LastmileError>> + Send + 'static,
    ) -> Self {
        let (given_up, mut heard) = watch::channel(false);
        let (tell, done) = watch::channel(None);
        let mut stopping = engine.stopping();
        engine.spawn(async move {
            let over = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep(deadline).await,
                    None => std::future::pending().await,
                }
            };
            let result = tokio::select! {
                result = caught(work) => result,
                () = over => Err(LastmileError::deadline()),
                // Whoever forgets the handle does not give the work up: it ends with the replica at the latest.
                Ok(_) = heard.wait_for(|given_up| *given_up) => Err(LastmileError::cancelled()),
                _ = stopping.wait_for(|stopping| *stopping) => Err(LastmileError::closed()),
            };
            tell.send_replace(Some(result));
        });
        Self { given_up, done }
    }

    /// Gives the work up; what came whole is kept.
    pub(crate) fn cancel(&self) {
        self.given_up.send_replace(true);
    }

    /// Waits for the end, however often it is asked.
    pub(crate) async fn result(&self) -> Result<T, LastmileError> {
        let mut done = self.done.clone();
        let ended = done.wait_for(Option::is_some).await.map(|ended| ended.clone());
        ended.ok().flatten().unwrap_or_else(|| Err(LastmileError::closed()))
    }
}

/// Says that something moved: at most once until it is heard, so that nothing ever piles up.
#[derive(Debug)]
pub(crate) struct Ticks {
    heard: tokio::sync::Mutex<mpsc::Receiver<()>>,
    given_up: watch::Sender<bool>,
}

/// What tells [`Ticks`].
#[derive(Debug)]
pub(crate) struct Tick(mpsc::Sender<()>);

impl Tick {
    /// Says that something moved; false when nobody listens any more.
    pub(crate) fn tell(&self) -> bool {
        // One that is there still says the same.
        !matches!(self.0.try_send(()), Err(mpsc::error::TrySendError::Closed(())))
    }
}

impl Ticks {
    /// Ticks at once and then as the task says. The task ends with the replica, and when nobody listens any more.
    pub(crate) fn start<W>(engine: &Engine, task: impl FnOnce(Tick) -> W) -> Self
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let (sender, heard) = mpsc::channel(1);
        let (given_up, mut gone) = watch::channel(false);
        let mut stopping = engine.stopping();
        let tick = Tick(sender);
        tick.tell();
        let task = task(tick);
        engine.spawn(async move {
            tokio::select! {
                () = task => {}
                // It is dropped with whoever listened.
                _ = gone.wait_for(|gone| *gone) => {}
                _ = stopping.wait_for(|stopping| *stopping) => {}
            }
        });
        Self { heard: tokio::sync::Mutex::new(heard), given_up }
    }

    /// Ticks whenever this moves, until the job ends. What moved last is told, however soon the end follows.
    pub(crate) fn until_ended<T, P>(engine: &Engine, job: &Job<T>, mut moved: watch::Receiver<P>) -> Self
    where
        T: Send + Sync + 'static,
        P: Send + Sync + 'static,
    {
        let mut ended = job.done.clone();
        Self::start(engine, |tick| async move {
            loop {
                tokio::select! {
                    _ = ended.wait_for(Option::is_some) => {
                        if moved.has_changed().unwrap_or(false) {
                            tick.tell();
                        }
                        return;
                    }
                    changed = moved.changed() => if changed.is_err() || !tick.tell() { return },
                }
            }
        })
    }

    /// Waits for the next tick; false at the end.
    pub(crate) async fn next(&self) -> bool {
        self.heard.lock().await.recv().await.is_some() && !*self.given_up.borrow()
    }

    /// Ends the ticks.
    pub(crate) fn cancel(&self) {
        self.given_up.send_replace(true);
    }
}
