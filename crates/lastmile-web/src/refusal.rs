//! Short answers that come from the server itself, not from a service.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::progress::{BadBody, Progress};
use crate::{Refused, ReplyBody};

/// How long the answer to a refused connection may take, and what is read of its request meanwhile.
const FAREWELL: Duration = Duration::from_secs(1);
const FAREWELL_BYTES: u64 = 64 << 10;

/// Answers a request whose body is not read on, and closes its connection.
pub(crate) fn bad_body<B>(why: BadBody, limit: u64, progress: Arc<Progress>) -> Response<ReplyBody<B>> {
    let (status, text) = match why {
        BadBody::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, format!("The request is longer than {limit} bytes.\n")),
        BadBody::Stalled => (StatusCode::REQUEST_TIMEOUT, "The request came too slowly. Try again.\n".to_owned()),
    };
    let mut response = Response::new(ReplyBody::ours(Bytes::from(text), progress));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Answers a request whose sender has as many under way through its proxy as one address may have.
pub(crate) fn too_many<B>(progress: Arc<Progress>) -> Response<ReplyBody<B>> {
    progress.linger();
    let text = "Too many requests from this address. Try again soon.\n";
    let mut response = Response::new(ReplyBody::ours(Bytes::from_static(text.as_bytes()), progress));
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Tells a client in clear HTTP that its connection is not admitted, and closes it.
pub(crate) async fn turn_away(tcp: TcpStream, why: Refused) {
    let (status, text) = match why {
        Refused::Full => ("503 Service Unavailable", "The server is busy. Try again soon.\n"),
        Refused::Address => ("429 Too Many Requests", "Too many connections from this address. Try again soon.\n"),
        Refused::Stranger => ("403 Forbidden", "This port is for the proxy before it. Use the proxy's address.\n"),
        Refused::Stopping => ("503 Service Unavailable", "The server is stopping. Try again soon.\n"),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\nretry-after: 5\r\ncontent-type: text/plain; charset=utf-8\r\n\
         content-length: {}\r\n\r\n{text}",
        text.len()
    );
    say_goodbye(tcp, answer.as_bytes()).await;
}

/// Answers in clear text whatever was asked, and closes the connection, within bounds.
pub(crate) async fn say_goodbye(mut tcp: TcpStream, answer: &[u8]) {
    // Whatever fails here fails on a connection that is being dropped anyway.
    let _ = timeout(FAREWELL, answer_and_drain(&mut tcp, answer)).await;
}

async fn answer_and_drain(tcp: &mut TcpStream, answer: &[u8]) -> io::Result<()> {
    tcp.write_all(answer).await?;
    tcp.shutdown().await?;
    // Closing with unread input would reset the connection and take the answer with it.
    let mut rest = tcp.take(FAREWELL_BYTES);
    let mut scratch = [0; 1024];
    while rest.read(&mut scratch).await? > 0 {}
    Ok(())
}
