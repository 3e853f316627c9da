//! What carries requests to the relay.

use std::fmt::Debug;
use std::pin::Pin;

use bytes::Bytes;
use tokio::sync::watch;

use crate::ClientError;
use crate::status::SyncProgress;

/// The answer to a request, when it comes.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Bytes, ClientError>> + Send + 'a>>;

/// Carries one request body to the relay and brings one response body back: HTTP ([`Carrier`](crate::http::Carrier)), or a platform's
/// own stack.
pub trait Transport: Debug + Send + Sync {
    /// Posts a body and returns the answer's, or as much of it as came before the connection broke or nothing moved any more: what
    /// came whole counts. `told` hears how it gets on.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] when nothing answers, [`ClientError::Untrusted`] when whoever does cannot show
    /// that it is the relay, [`ClientError::NotARelay`] when something else answers.
    fn post<'a>(&'a self, path: &'a str, body: Vec<u8>, told: &'a watch::Sender<SyncProgress>) -> Answer<'a>;
}
