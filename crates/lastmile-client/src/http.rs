//! The one-shot HTTP carrier: one request body, one response body.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::ClientError;

/// The media type of request and response bodies.
pub const MEDIA_TYPE: &str = "application/vnd.lastmile.v1";
/// The largest response body taken.
const MAX_RESPONSE: usize = 32 << 20;

/// A connection to a relay, kept open between requests.
#[derive(Debug, Clone)]
pub struct Carrier {
    client: Client<HttpConnector, Full<Bytes>>,
    relay: String,
    timeout: Duration,
}

impl Carrier {
    /// Names the relay, e.g. `http://127.0.0.1:8470`; nothing is connected yet.
    ///
    /// # Errors
    /// [`ClientError::BadAddress`] when it is no plain HTTP address.
    pub fn new(relay: &str, timeout: Duration) -> Result<Self, ClientError> {
        let relay = relay.trim_end_matches('/').to_owned();
        let plain =
            relay.parse::<http::Uri>().is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some());
        if !plain {
            return Err(ClientError::BadAddress(relay));
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(10)));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(30)).build(connector);
        Ok(Self { client, relay, timeout })
    }

    /// Posts a body and returns the answer's, or as much of it as came before the connection broke or the time was over: what came
    /// whole counts.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] when nothing answers in time, [`ClientError::NotARelay`] when something else does.
    pub async fn post(&self, path: &str, body: Vec<u8>) -> Result<Bytes, ClientError> {
        let unreachable = |reason: String| ClientError::Unreachable { relay: self.relay.clone(), reason };
        let request = http::Request::post(format!("{}{path}", self.relay))
            .header(http::header::CONTENT_TYPE, MEDIA_TYPE)
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| ClientError::BadAddress(self.relay.clone()))?;
        let mut received = Vec::new();
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| unreachable(root_cause(&error)))?;
            let status = response.status();
            let kind = response.headers().get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            if kind != Some(MEDIA_TYPE) {
                let found = format!("HTTP {}, {}", status.as_u16(), kind.unwrap_or("no media type"));
                return Err(ClientError::NotARelay { relay: self.relay.clone(), found });
            }
            let mut body = Limited::new(response.into_body(), MAX_RESPONSE);
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| unreachable(error.to_string()))?;
                if let Some(data) = frame.data_ref() {
                    received.extend_from_slice(data);
                }
            }
            Ok(())
        };
        let ended = tokio::time::timeout(self.timeout, exchange).await;
        let ended =
            ended.unwrap_or_else(|_| Err(unreachable(format!("no answer within {} s", self.timeout.as_secs()))));
        match ended {
            Err(ClientError::Unreachable { reason, .. }) if !received.is_empty() => {
                tracing::info!(%reason, bytes = received.len(), "an answer broke off");
            }
            other => other?,
        }
        Ok(received.into())
    }
}

/// The innermost reason of an error, which names what a person can mend.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
