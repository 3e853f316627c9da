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

/// Tells a client in clear HTTP that its connection is not admitted, and closes it.
pub(crate) async fn turn_away(mut tcp: TcpStream, why: Refused) {
    let (status, text) = match why {
        Refused::Full => ("503 Service Unavailable", "The server is busy. Try again soon.\n"),
        Refused::Address => ("429 Too Many Requests", "Too many connections from this address. Try again soon.\n"),
        Refused::Stopping => ("503 Service Unavailable", "The server is stopping. Try again soon.\n"),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\nretry-after: 5\r\ncontent-type: text/plain; charset=utf-8\r\n\
         content-length: {}\r\n\r\n{text}",
        text.len()
    );
    // Whatever fails here fails on a connection that is being dropped anyway.
    let _ = timeout(FAREWELL, say_goodbye(&mut tcp, answer.as_bytes())).await;
}

async fn say_goodbye(tcp: &mut TcpStream, answer: &[u8]) -> io::Result<()> {
    tcp.write_all(answer).await?;
    tcp.shutdown().await?;
    // Closing with unread input would reset the connection and take the answer with it.
    let mut rest = tcp.take(FAREWELL_BYTES);
    let mut scratch = [0; 1024];
    while rest.read(&mut scratch).await? > 0 {}
    Ok(())
}
