//! The simulated path: requests that devices post, and the slots in which their answers arrive.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use lastmile_client::transport::{Answer, Transport};
use lastmile_client::{ClientError, SyncProgress};
use tokio::sync::watch;

/// Where an answer arrives.
pub type Slot = Arc<Mutex<Option<Result<Bytes, ClientError>>>>;

/// A request on its way.
#[derive(Debug)]
pub struct Posted {
    pub path: String,
    pub body: Vec<u8>,
    pub slot: Slot,
}

/// One device's side of the path.
#[derive(Debug, Clone, Default)]
pub struct Line(Arc<Mutex<Vec<Posted>>>);

impl Line {
    /// Takes what was posted since the last call.
    pub fn take(&self) -> Vec<Posted> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Waiting(Slot);

impl Future for Waiting {
    type Output = Result<Bytes, ClientError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        }
    }
}

impl Transport for Line {
    fn post<'a>(&'a self, path: &'a str, body: Vec<u8>, _: &'a watch::Sender<SyncProgress>) -> Answer<'a> {
        let slot = Slot::default();
        let posted = Posted { path: path.to_owned(), body, slot: Arc::clone(&slot) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(posted);
        Box::pin(Waiting(slot))
    }
}

/// The error of a request that broke after so many bytes.
pub fn unreachable(sent: u64, reason: &str) -> ClientError {
    ClientError::Unreachable { relay: "simulated".to_owned(), reason: reason.to_owned(), sent }
}
