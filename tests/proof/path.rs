//! Who is believed on the way between a device and its relay: the checks that planted faults must turn red.

use std::net::SocketAddr;
use std::time::Duration;

use lastmile_client::http::{Carrier, MEDIA_TYPE};
use lastmile_client::{ClientError, Distrust, Transport};
use lastmile_log::sha256;
use lastmile_web::tls::{Authority, Tls};
use lastmile_web::{Limits, Origin, Server, origin};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use warp::Filter;

use crate::planted::tell;

const PATIENCE: Duration = Duration::from_secs(10);

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// A server of another authority than the pinned one gets nothing.
async fn the_pin_decides() -> Result<(), String> {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [own, other] = folders.each_ref().map(|folder| Authority::open_or_create(folder.path(), now_ms()).unwrap());
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), Limits::default()).await.unwrap();
    let relay = format!("https://{}", server.local_addr());
    let route = warp::any().map(|| warp::reply::with_header("answer", "content-type", MEDIA_TYPE));
    let tls = Tls::new(other.identity(&["127.0.0.1".to_owned()], now_ms()).unwrap(), 8).unwrap();
    tokio::spawn(server.serve_over(tls, warp::service(route), std::future::pending()));
    let carrier = Carrier::new(&relay, Some(sha256(&own.public_key_info())), PATIENCE).unwrap();
    match carrier.post("/v1/sync", b"secret".to_vec(), &watch::Sender::default()).await {
        Err(ClientError::Untrusted { why: Distrust::OtherAuthority, .. }) => Ok(()),
        other => Err(format!("a server of another authority was believed: {other:?}")),
    }
}

/// Nothing is sent to another computer without TLS.
async fn clear_text_stays_here() -> Result<(), String> {
    match Carrier::new("http://198.51.100.7:8440", None, PATIENCE) {
        Err(ClientError::ClearText(_)) => Ok(()),
        other => Err(format!("clear text would leave this computer: {other:?}")),
    }
}

/// An address that a client made up is not counted by.
async fn nobody_speaks_for_others() -> Result<(), String> {
    let limits = Limits { proxies: vec!["127.0.0.2".parse().unwrap()], ..Limits::default() };
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), limits).await.unwrap();
    let addr: SocketAddr = server.local_addr();
    let route = origin().map(|origin: Option<Origin>| origin.unwrap().0.to_string());
    tokio::spawn(server.serve(warp::service(route), std::future::pending()));
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 198.51.100.7\r\nconnection: close\r\n\r\n";
    tcp.write_all(request).await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    if answer.ends_with("127.0.0.1") { Ok(()) } else { Err(format!("a made-up address counted: {answer}")) }
}

async fn checks() -> Result<(), String> {
    the_pin_decides().await?;
    clear_text_stays_here().await?;
    nobody_speaks_for_others().await
}

#[tokio::test]
async fn who_is_believed_on_the_way() {
    checks().await.unwrap();
}

#[tokio::test]
#[ignore = "run by the planted faults in a process of its own"]
async fn a_fault_is_noticed() {
    tell(checks().await);
}
