//! Live: one connection to the relay that stays, over which both sides send what is new the moment it is.
//!
//! It is the stream of `docs/protocol.md` in the binary messages of a WebSocket. Whatever it brings could come by requests as well: a
//! connection that cannot be had, or breaks at any byte, costs nothing but the wait for the next request.

mod socket;

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Uri;
use lastmile_protocol::{Carrier, Code, DriveError, Driven, Outcome, Role, Session, feed, pump};
use lastmile_store::StoreError;
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::time::{Instant, sleep_until, timeout};

use crate::ClientError;
use crate::host::Learnt;
use crate::replica::{Replica, session_error};
use crate::status::SyncReport;
use socket::{Came, Socket};

/// How a live connection is paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LivePace {
    /// How long the relay may give no sign. It pings every 30 s by default.
    pub silence: Duration,
    /// How long an answer to a sign that was asked for may take, when the system says that the network has changed.
    pub answer: Duration,
    /// How often this side looks whether something came in by other ways, e.g. a bundle.
    pub look: Duration,
    /// How long a connection lasts before it is made anew, so that nothing a session once gave up is given up for good.
    pub renew: Duration,
    /// The first and the longest wait where requests come through and connections that stay do not.
    pub first_retry: Duration,
    /// See `first_retry`.
    pub longest_retry: Duration,
}

impl Default for LivePace {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(75),
            answer: Duration::from_secs(10),
            look: Duration::from_secs(30),
            renew: Duration::from_secs(3_600),
            first_retry: Duration::from_secs(1),
            longest_retry: Duration::from_secs(300),
        }
    }
}

/// How a live connection ended.
#[derive(Debug)]
pub(crate) struct LiveEnd {
    /// Why; nothing where it was only to be renewed.
    pub result: Result<(), ClientError>,
    /// Whether both sides had made sure of each other.
    pub signed_in: bool,
    /// How long the relay asks to be left alone.
    pub rest: Duration,
}

/// The session of a connection over a replica. It has no socket.
struct LiveExchange<'r> {
    replica: &'r Replica,
    session: Session,
    learnt: Learnt,
    outcome: Outcome,
    signed_in: bool,
    /// Whether all was said after the last bytes.
    rests: bool,
}

impl<'r> LiveExchange<'r> {
    fn begin(replica: &'r Replica, binding: [u8; 32]) -> Result<Self, ClientError> {
        let (session, _) = replica.begin_bound_session(Role::Initiator, Carrier::Stream, false, binding)?;
        let (learnt, outcome) = (Learnt::default(), Outcome::default());
        Ok(Self { replica, session, learnt, outcome, signed_in: false, rests: false })
    }

    /// Takes bytes of the relay, none at the beginning, and returns those for it.
    fn receive(&mut self, bytes: &[u8]) -> Result<Vec<u8>, ClientError> {
        let mut output = Vec::new();
        let session = &mut self.session;
        let driven = self.replica.drive_live(&mut self.learnt, |host| feed(session, host, bytes, &mut output));
        self.signed_in |= self.session.peer_scopes().next().is_some();
        self.keep(driven)?;
        Ok(output)
    }

    /// Offers what is held by now, sealed; returns the bytes for the relay.
    fn offer(&mut self) -> Result<Vec<u8>, ClientError> {
        let mut output = Vec::new();
        for (scope, vector) in self.replica.sealed_vectors()? {
            self.session.offer(&scope, vector);
        }
        let session = &mut self.session;
        let driven = self.replica.drive_live(&mut self.learnt, |host| pump(session, host, &mut output));
        self.keep(driven)?;
        Ok(output)
    }

    fn keep(&mut self, driven: Result<Driven, DriveError<StoreError>>) -> Result<(), ClientError> {
        // What came is kept, whatever came after it: the connection, or the power, may go at any time.
        self.replica.keep_own_log_ahead_once(&self.learnt)?;
        let done = driven.map_err(session_error)?.done;
        self.rests = done.is_some();
        if let Some(done) = done {
            self.outcome = done;
            let report = self.report();
            self.replica.keep_live(&mut self.learnt, &report)?;
        }
        match self.outcome.error {
            Some(code) => Err(ClientError::Refused { code, retry_after_ms: self.outcome.retry_after_ms }),
            None => Ok(()),
        }
    }

    fn report(&self) -> SyncReport {
        let (outcome, learnt) = (&self.outcome, &self.learnt);
        SyncReport {
            equal: outcome.equal,
            rounds: 0,
            sent_bytes: outcome.sent.bytes,
            received_bytes: outcome.received.bytes,
            sent_batches: outcome.sent.batches,
            received_batches: outcome.received.batches,
            receipts: learnt.receipts,
            forks: learnt.forks,
            not_taken: learnt.not_taken,
            refused: learnt.refused.iter().cloned().collect(),
            retry_after_ms: outcome.retry_after_ms,
        }
    }
}

impl Replica {
    /// Connects, and stays connected until that ends: what is saved goes to the relay at once, what is new there comes at once. `rests`
    /// is called whenever both sides have said all they had to say.
    pub(crate) async fn live(&self, pace: &LivePace, wake: &Notify, rests: &(dyn Fn() + Sync)) -> LiveEnd {
        let mut signed_in = false;
        let mut rest = 0;
        let result = self.stay(pace, wake, rests, &mut signed_in).await;
        if let Err(ClientError::Refused { retry_after_ms, .. }) = &result {
            rest = *retry_after_ms;
        }
        LiveEnd { result, signed_in, rest: Duration::from_millis(rest) }
    }

    async fn stay(
        &self,
        pace: &LivePace,
        wake: &Notify,
        rests: &(dyn Fn() + Sync),
        signed_in: &mut bool,
    ) -> Result<(), ClientError> {
        let Some(connector) = self.connector() else {
            return Err(ClientError::BadAddress(self.relay().to_owned()));
        };
        let relay: Uri = self.relay().parse().map_err(|_| ClientError::BadAddress(self.relay().to_owned()))?;
        let unreachable = |reason: &str| ClientError::Unreachable {
            relay: self.relay().to_owned(),
            reason: reason.to_owned(),
            sent: 0,
        };
        let patience = self.patience();
        let mut changes = self.observe();
        let opening = async {
            let connected = connector.connect(&relay).await?;
            let binding = connected.binding;
            Ok::<_, ClientError>((Socket::open(connected, &relay).await?, binding))
        };
        let (mut socket, binding) =
            timeout(patience, opening).await.map_err(|_| unreachable("the connection was not answered"))??;
        let mut exchange = LiveExchange::begin(self, binding)?;
        let mut saves = self.saves();
        socket.send(exchange.receive(&[])?);
        let begun = Instant::now();
        let (mut deadline, mut look) = (begun + patience, begun + pace.look);
        loop {
            let output = tokio::select! {
                came = socket.next() => {
                    let output = match came {
                        Came::Bytes(bytes) => exchange.receive(&bytes)?,
                        Came::Sign => Vec::new(),
                        Came::Farewell(code) => return Err(self.farewell(code)),
                        Came::Cut(reason) => return Err(unreachable(&reason)),
                    };
                    *signed_in = exchange.signed_in;
                    if exchange.signed_in {
                        deadline = Instant::now() + pace.silence;
                    }
                    drain(&mut changes);
                    output
                }
                // Whoever fell behind looks all the same.
                _ = changes.recv() => { drain(&mut changes); saves = self.saves(); exchange.offer()? }
                () = sleep_until(look) => { look = Instant::now() + pace.look; exchange.offer()? }
                () = wake.notified() => {
                    socket.ping();
                    deadline = deadline.min(Instant::now() + pace.answer);
                    Vec::new()
                }
                () = sleep_until(deadline) => return Err(unreachable("nothing was heard of it")),
            };
            socket.send(output);
            // What came in changed rows as a save does, and one may have hidden behind the other.
            if self.saves() != saves {
                saves = self.saves();
                socket.send(exchange.offer()?);
            }
            if exchange.rests {
                rests();
                if begun.elapsed() >= pace.renew {
                    return Ok(());
                }
            }
            if self.needs_reopening() {
                return Ok(());
            }
        }
    }

    /// Why the relay said farewell.
    fn farewell(&self, code: Option<u16>) -> ClientError {
        match code.and_then(|code| code.checked_sub(4000)).map(Code::from_number) {
            Some(code) if code.is_fatal() => ClientError::Refused { code, retry_after_ms: 0 },
            _ => ClientError::Unreachable {
                relay: self.relay().to_owned(),
                reason: match code {
                    Some(1001) => "it stops".to_owned(),
                    Some(code) => format!("it closed the connection with code {code}"),
                    None => "it closed the connection".to_owned(),
                },
                sent: 0,
            },
        }
    }

    /// The time by the relay's clock as far as that is known, in milliseconds since 1970.
    pub(crate) fn relay_now_ms(&self) -> i64 {
        self.now_ms().saturating_add(self.ahead_ms().load(Ordering::Relaxed))
    }
}

fn drain<T: Clone>(changes: &mut Receiver<T>) {
    while changes.try_recv().is_ok() {}
}
