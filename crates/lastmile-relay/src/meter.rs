//! What work costs of the processor.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

/// The processor time that this thread has used.
#[cfg(unix)]
pub(crate) fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

/// Where the system does not tell a thread's processor time, the time that passes stands for it.
#[cfg(not(unix))]
pub(crate) fn thread_time() -> Duration {
    use std::sync::OnceLock;
    use std::time::Instant;
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed()
}

/// Does asynchronous work and tells what it took of the threads that it ran on; what it waits for is not counted.
pub(crate) async fn metered<F: Future>(work: F) -> (F::Output, Duration) {
    let mut spent = Duration::ZERO;
    let mut work = pin!(work);
    let done = poll_fn(|cx| {
        let before = thread_time();
        let polled = work.as_mut().poll(cx);
        spent = spent.saturating_add(thread_time().saturating_sub(before));
        polled
    });
    let done = done.await;
    (done, spent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_costs_nothing_and_work_does() {
        let ((), idle) = metered(tokio::time::sleep(Duration::from_millis(50))).await;
        let work = async {
            let sum = (0..20_000_000u64).map(std::hint::black_box).fold(0, u64::wrapping_add);
            assert_ne!(sum, 1);
        };
        let ((), busy) = metered(work).await;
        assert!(idle < busy, "{idle:?}, {busy:?}");
    }
}
