//! Time limits for a transfer that should go on.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Judges whether the other end keeps a transfer going.
///
/// Only the time in which we waited for the other end counts, never our own.
#[derive(Debug)]
pub(crate) struct Pace {
    stall: Duration,
    floor: u32,
    /// How much longer the other end may keep us waiting.
    left: Duration,
    wait: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// Allows `stall` without a byte, and `floor` bytes a second beyond one `stall` of grace (0: no floor). Grace that was used up
    /// comes back with bytes above the floor, but never more than one `stall` of it: haste at the beginning buys no sloth later.
    pub(crate) const fn new(stall: Duration, floor: u32) -> Self {
        Self { stall, floor, left: stall, wait: None, alarm: None }
    }

    /// Notes that the transfer went on.
    pub(crate) fn moved(&mut self, bytes: usize) {
        if let Some(since) = self.wait.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        let earned = match (bytes as u64).saturating_mul(1000).checked_div(u64::from(self.floor)) {
            None => self.stall,
            Some(millis) => self.left.saturating_add(Duration::from_millis(millis)),
        };
        self.left = earned.min(self.stall);
    }

    /// Notes that we wait for the other end; returns whether it took too long. If not, the task wakes when it has.
    pub(crate) fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        if self.wait.is_none() {
            let now = Instant::now();
            self.wait = Some(now);
            let deadline = now + self.left;
            match &mut self.alarm {
                Some(alarm) => alarm.as_mut().reset(deadline),
                None => self.alarm = Some(Box::pin(sleep_until(deadline))),
            }
        }
        self.alarm.as_mut().is_some_and(|alarm| alarm.as_mut().poll(cx) == Poll::Ready(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn late(pace: &mut Pace) -> Duration {
        let start = Instant::now();
        poll_fn(|cx| if pace.is_late(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
        start.elapsed()
    }

    async fn wait(pace: &mut Pace, time: Duration) {
        let waited = tokio::time::timeout(time, late(pace)).await;
        assert!(waited.is_err(), "late too early");
    }

    #[tokio::test(start_paused = true)]
    async fn each_byte_gives_new_time_where_there_is_no_floor() {
        let mut pace = Pace::new(Duration::from_secs(30), 0);
        for _ in 0..100 {
            wait(&mut pace, Duration::from_secs(29)).await;
            pace.moved(1);
        }
        assert_eq!(late(&mut pace).await.as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn haste_at_the_beginning_buys_no_sloth_later() {
        let mut pace = Pace::new(Duration::from_secs(30), 100);
        pace.moved(8 << 20);
        for _ in 0..2 {
            wait(&mut pace, Duration::from_secs(14)).await;
            pace.moved(1);
        }
        assert_eq!(late(&mut pace).await.as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drip_ends_at_the_floor_and_our_own_time_is_free() {
        let mut pace = Pace::new(Duration::from_secs(30), 100);
        wait(&mut pace, Duration::from_secs(29)).await;
        pace.moved(500);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(late(&mut pace).await.as_secs(), 30 + 5 - 29);
    }
}
