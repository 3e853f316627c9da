//! Where calls run: threads of the replica's own, and the way back to whoever called.
//!
//! What an app awaits is always a small future that hears from a task of ours, woken while no lock of the replica is held: the app's
//! language may run anything at that moment. Nothing of a task reaches the caller but its result, a panic as
//! [`LastmileError::Internal`].

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{oneshot, watch};

use crate::LastmileError;

/// Threads for the network and for what listens.
const WORKERS: usize = 2;

/// Threads for the disk: the replica has one writer and one reader, so more would only wait.
const DISK: usize = 3;

/// How long an end waits for calls that are under way.
const PATIENCE: Duration = Duration::from_secs(10);

/// The threads of one replica. After the end nothing of them is kept, however long an app keeps what it closed.
#[derive(Debug)]
pub(crate) struct Engine {
    runtime: Mutex<Option<Runtime>>,
    ending: Mutex<()>,
    stopping: watch::Sender<bool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends a task when whoever waits for it does not any more.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Engine {
    /// Starts the threads.
    pub(crate) fn start() -> Result<Self, LastmileError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(DISK)
            .thread_name("lastmile")
            .enable_all()
            .build()
            .map_err(|error| LastmileError::internal("no_threads", error.kind()))?;
        Ok(Self { runtime: Mutex::new(Some(runtime)), ending: Mutex::new(()), stopping: watch::Sender::new(false) })
    }

    /// Hears when the replica closes.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Whether the replica closes or is closed.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Tells everything that listens to end.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Works with the threads; `None` after the end.
    fn with<T>(&self, work: impl FnOnce(&Runtime) -> T) -> Option<T> {
        lock(&self.runtime).as_ref().map(work)
    }

    /// Runs a task to its end, whoever waits for it; after the end it is dropped.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Option<tokio::task::AbortHandle> {
        self.with(|runtime| runtime.spawn(task).abort_handle())
    }

    /// Runs work with the disk to its end, whoever waits for it; after the end it is dropped.
    pub(crate) fn detach(&self, work: impl FnOnce() + Send + 'static) {
        self.with(|runtime| drop(runtime.spawn_blocking(work)));
    }

    /// Runs work that starts tasks of its own, which are then the engine's; `None` after the end.
    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        self.with(|runtime| {
            let _entered = runtime.enter();
            work()
        })
    }

    /// Runs a future on the threads. If the caller gives up, so does the future.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, LastmileError>> + Send + 'static,
    ) -> Result<T, LastmileError> {
        let (tell, told) = oneshot::channel();
        let task = self.spawn(async move {
            let result = caught(work).await;
            // The caller may have gone.
            let _ = tell.send(result);
        });
        let _ended_with_this = task.map(AbortOnDrop);
        told.await.unwrap_or_else(|_| Err(LastmileError::closed()))
    }

    /// Runs work with the disk on a thread for it. It runs to its end even if the caller gives up.
    pub(crate) async fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, LastmileError> + Send + 'static,
    ) -> Result<T, LastmileError> {
        let (tell, told) = oneshot::channel();
        self.detach(move || {
            let result = std::panic::catch_unwind(AssertUnwindSafe(work));
            // The caller may have gone.
            let _ = tell.send(result.unwrap_or_else(|_| Err(LastmileError::panic())));
        });
        told.await.unwrap_or_else(|_| Err(LastmileError::closed()))
    }

    /// Ends the threads and waits until they have: then nothing of them calls into the app any more.
    pub(crate) fn end(&self) {
        self.stop();
        if Handle::try_current().is_ok() {
            // One of the threads themselves got here, as an app's unconfined coroutine may make it. It cannot wait for itself.
            return self.let_go();
        }
        // Whoever comes second waits as well.
        let _one_at_a_time = lock(&self.ending);
        let runtime = lock(&self.runtime).take();
        if let Some(runtime) = runtime {
            runtime.shutdown_timeout(PATIENCE);
        }
    }

    /// Ends the threads without waiting.
    fn let_go(&self) {
        let runtime = lock(&self.runtime).take();
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
        // Whoever drops it, a garbage collector among them, must not wait.
        self.let_go();
    }
}

/// A future whose panic is an error.
pub(crate) async fn caught<T>(work: impl Future<Output = Result<T, LastmileError>>) -> Result<T, LastmileError> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| Err(LastmileError::panic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait<T>(future: impl Future<Output = T>) -> T {
        Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_panic_is_an_error_and_the_next_call_runs() {
        let engine = Engine::start().unwrap();
        let failed: Result<(), _> = wait(engine.block(|| panic!("张三")));
        assert_eq!(failed, Err(LastmileError::panic()));
        let failed: Result<(), _> = wait(engine.run(async { panic!("张三") }));
        assert!(!format!("{failed:?}").contains("张三"));
        assert_eq!(wait(engine.block(|| Ok(3))), Ok(3));
        assert_eq!(wait(engine.run(async { Ok(4) })), Ok(4));
    }

    #[test]
    fn who_gives_up_ends_the_work() {
        let engine = Engine::start().unwrap();
        let (alive, gone) = oneshot::channel::<()>();
        let work = engine.run(async move {
            let _alive = alive;
            std::future::pending::<Result<(), LastmileError>>().await
        });
        assert!(work.now_or_never().is_none());
        assert!(wait(gone).is_err());
    }

    #[test]
    fn after_the_end_calls_say_closed() {
        let engine = Engine::start().unwrap();
        engine.end();
        engine.end();
        assert!(engine.is_stopping());
        assert_eq!(wait(engine.block(|| Ok(3))), Err(LastmileError::closed()));
        assert_eq!(wait(engine.run(async { Ok(4) })), Err(LastmileError::closed()));
    }

    #[test]
    fn a_thread_of_the_engine_can_end_it() {
        let engine = std::sync::Arc::new(Engine::start().unwrap());
        let (tell, told) = std::sync::mpsc::channel();
        let own = std::sync::Arc::clone(&engine);
        engine.spawn(async move {
            own.end();
            tell.send(()).unwrap();
        });
        told.recv_timeout(Duration::from_secs(20)).unwrap();
    }
}
