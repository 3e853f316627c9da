//! A byte stream under the time limits of a connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::connections::{Slot, Stage, reached};
use crate::pace::Pace;
use crate::progress::{Phase, Progress};

/// How long a closing connection drains what its client still sends.
const LINGER: Duration = Duration::from_secs(2);

/// A connection's stream: it fails when a head, the next request or the client's reading takes too long, and when the
/// server cuts what is left at the end of a shutdown. It holds the connection's slot, also after an upgrade.
pub(crate) struct Guarded<I> {
    io: I,
    slot: Slot,
    progress: Arc<Progress>,
    // Timers are lazy: `deadline` moves often, `alarm` is set anew only when it rings too early.
    seen: Phase,
    deadline: Instant,
    alarm: Pin<Box<Sleep>>,
    writing: Pace,
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
    closing: Option<Closing>,
}

struct Closing {
    until: Pin<Box<Sleep>>,
    left: u64,
}

impl<I> Guarded<I> {
    pub(crate) fn new(io: I, slot: Slot, progress: Arc<Progress>) -> Self {
        let limits = &slot.shared().limits;
        let deadline = Instant::now() + limits.header_timeout;
        let writing = Pace::new(limits.write_stall, limits.write_floor);
        let cut = Box::pin(reached(slot.shared(), Stage::Cut));
        let seen = progress.phase();
        Self { io, slot, progress, seen, deadline, alarm: Box::pin(sleep_until(deadline)), writing, cut, closing: None }
    }

    fn check_cut(&self) -> io::Result<()> {
        if self.slot.shared().stage() == Stage::Cut {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server stopped"));
        }
        Ok(())
    }

    /// Registers the task for a cut while the stream has nothing for it.
    fn watch_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.check_cut()?;
        // Not complete, or `check_cut` would have failed; so this is never polled after its end.
        match self.cut.as_mut().poll(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server stopped")),
        }
    }

    /// Sets the deadline of a phase that has just begun.
    fn enter(&mut self, phase: Phase) {
        let limits = &self.slot.shared().limits;
        let time = if phase == Phase::Idle { limits.idle_timeout } else { limits.header_timeout };
        self.seen = phase;
        self.deadline = Instant::now() + time;
        self.alarm.as_mut().reset(self.deadline);
    }

    /// Returns whether the client has let the deadline pass; if not, the task wakes when it has.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let phase = self.progress.phase();
        if !matches!(phase, Phase::Head | Phase::Idle) || crate::is_planted("half-open-forever") {
            self.seen = phase;
            return false;
        }
        if phase != self.seen {
            self.enter(phase);
        }
        while self.alarm.as_mut().poll(cx).is_ready() {
            if Instant::now() >= self.deadline {
                return true;
            }
            self.alarm.as_mut().reset(self.deadline);
        }
        false
    }

    /// Accounts for one try to write.
    fn wrote(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(Ok(bytes)) => {
                self.writing.moved(bytes);
                if self.seen == Phase::Idle {
                    // A reply is still on its way to a slow reader: its idle time begins when the last byte has left.
                    self.deadline = Instant::now() + self.slot.shared().limits.idle_timeout;
                }
                outcome
            }
            Poll::Pending if self.writing.is_late(cx) => {
                self.slot.shared().count_time_out();
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client took no data")))
            }
            Poll::Pending => {
                self.watch_cut(cx)?;
                Poll::Pending
            }
            failed => failed,
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Guarded<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_cut()?;
        let before = buf.filled().len();
        match Pin::new(&mut this.io).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                if buf.filled().len() > before && this.progress.begin_head() {
                    this.enter(Phase::Head);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(failed) => Poll::Ready(failed),
            Poll::Pending => {
                this.watch_cut(cx)?;
                if !this.is_late(cx) {
                    return Poll::Pending;
                }
                if this.seen == Phase::Idle {
                    return Poll::Ready(Ok(())); // an end of input: an idle connection closes without fuss
                }
                this.slot.shared().count_time_out();
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the request's head took too long")))
            }
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check_cut()?;
        let outcome = Pin::new(&mut this.io).poll_write(cx, buf);
        this.wrote(cx, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check_cut()?;
        let outcome = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        this.wrote(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_flush(cx).map_ok(|()| 0);
        this.wrote(cx, outcome).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.closing.is_none() {
            let outcome = Pin::new(&mut this.io).poll_shutdown(cx).map_ok(|()| 0);
            ready!(this.wrote(cx, outcome))?;
            if !this.progress.lingers() {
                return Poll::Ready(Ok(()));
            }
            let until = Box::pin(sleep_until(Instant::now() + LINGER));
            this.closing = Some(Closing { until, left: this.slot.shared().limits.body_bytes });
        }
        this.check_cut()?;
        match &mut this.closing {
            Some(closing) => drain(&mut this.io, closing, cx).map(Ok),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// Reads and drops what a client still sends, within bounds, so that it can read the answer that refused it.
fn drain<I: AsyncRead + Unpin>(io: &mut I, closing: &mut Closing, cx: &mut Context<'_>) -> Poll<()> {
    let mut scratch = [0; 4096];
    loop {
        let mut buf = ReadBuf::new(&mut scratch);
        match Pin::new(&mut *io).poll_read(cx, &mut buf) {
            Poll::Ready(Ok(())) => match (buf.filled().len() as u64, closing.left) {
                (0, _) => return Poll::Ready(()),
                (read, left) if read >= left => return Poll::Ready(()),
                (read, left) => closing.left = left - read,
            },
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Pending => return closing.until.as_mut().poll(cx),
        }
        if closing.until.is_elapsed() {
            return Poll::Ready(());
        }
    }
}
