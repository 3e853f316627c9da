//! Exchange with a colleague's device nearby: both sides sign for themselves, and each brings what the other lacks.

use lastmile_protocol::{Carrier, DriveError, Outcome, Role, Session, feed, pump};

use crate::ClientError;
use crate::host::Learnt;
use crate::replica::{Replica, session_error};

/// What an exchange with a colleague brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct PeerReport {
    /// Batches that brought something new here.
    pub appended: u64,
    /// Batches sent.
    pub sent: u64,
    /// Logs that could not be taken.
    pub not_taken: u64,
    /// Whether both sides hold the same in every scope they share, as far as both said.
    pub equal: bool,
}

/// One side of a live exchange between two devices. It has no socket: whoever makes it carries the bytes, by whatever connects the two.
#[derive(Debug)]
pub struct PeerExchange<'r> {
    replica: &'r Replica,
    session: Session,
    learnt: Learnt,
    outcome: Outcome,
}

impl Replica {
    /// Begins an exchange with a colleague's device; the side that connects is the initiator.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn meet(&self, role: Role) -> Result<PeerExchange<'_>, ClientError> {
        let (session, _) = self.begin_session(role, Carrier::Stream, true)?;
        Ok(PeerExchange { replica: self, session, learnt: Learnt::default(), outcome: Outcome::default() })
    }
}

impl PeerExchange<'_> {
    /// Takes bytes of the peer, none at the beginning, and returns those for it.
    ///
    /// # Errors
    /// When the peer is not who it says, breaks the protocol, or the storage fails: the exchange is over then, and what came whole is
    /// kept. The bytes in [`PeerExchange::last_words`] tell the peer.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Vec<u8>, ClientError> {
        let mut output = Vec::new();
        let session = &mut self.session;
        let driven = self.replica.drive(&mut self.learnt, |host| {
            if bytes.is_empty() { pump(session, host, &mut output) } else { feed(session, host, bytes, &mut output) }
        });
        // Kept at once: the connection, or the power, may go before the end.
        if self.learnt.own_log_ahead && !self.replica.needs_reopening() {
            self.replica.keep_own_log_ahead(&self.learnt)?;
        }
        self.keep(driven)?;
        Ok(output)
    }

    /// Whether both sides have said all they had to say.
    #[must_use]
    pub const fn is_at_rest(&self) -> bool {
        self.outcome.equal && !self.outcome.more
    }

    /// What is left to tell the peer after an error.
    pub fn last_words(&mut self) -> Vec<u8> {
        let mut output = Vec::new();
        let session = &mut self.session;
        // The error itself has been told already.
        let _ = self.replica.drive(&mut self.learnt, |host| pump(session, host, &mut output));
        output
    }

    /// Ends the exchange, because both are at rest or the connection is gone.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn end(mut self) -> Result<PeerReport, ClientError> {
        self.session.end_of_input();
        let mut nowhere = Vec::new();
        let session = &mut self.session;
        let driven = self.replica.drive(&mut self.learnt, |host| pump(session, host, &mut nowhere));
        self.keep(driven)?;
        // A colleague says nothing of the relay, but may know more of this device's own log.
        self.replica.keep_own_log_ahead(&self.learnt)?;
        Ok(PeerReport {
            appended: self.outcome.appended,
            sent: self.outcome.sent.batches,
            not_taken: self.learnt.not_taken,
            equal: self.outcome.equal,
        })
    }

    fn keep(
        &mut self,
        driven: Result<lastmile_protocol::Driven, DriveError<lastmile_store::StoreError>>,
    ) -> Result<(), ClientError> {
        if let Some(done) = driven.map_err(session_error)?.done {
            self.outcome = done;
        }
        Ok(())
    }
}
