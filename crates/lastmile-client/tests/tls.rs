//! Whom the HTTP carrier believes, on real sockets of the loopback interface.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use lastmile_client::http::{Carrier, MEDIA_TYPE};
use lastmile_client::tls::Dialer;
use lastmile_client::{ClientError, Distrust, Transport};
use lastmile_log::sha256;
use lastmile_web::tls::{Authority, Identity, Tls, pem};
use lastmile_web::{Limits, Server};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use warp::Filter;

const DAY_MS: i64 = 86_400_000;

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// An authority in a folder of its own.
struct Issuer {
    folder: TempDir,
    authority: Authority,
}

impl Issuer {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let authority = Authority::open_or_create(folder.path(), now_ms()).unwrap();
        Self { folder, authority }
    }

    fn pin(&self) -> [u8; 32] {
        sha256(&self.authority.public_key_info())
    }

    fn identity(&self, name: &str, now_ms: i64) -> Identity {
        self.authority.identity(&[name.to_owned()], now_ms).unwrap()
    }
}

/// Serves what a relay answers with, under this identity.
async fn serve(identity: Identity) -> String {
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), Limits::default()).await.unwrap();
    let addr = server.local_addr();
    let route = warp::path!("v1" / "sync")
        .and(warp::post())
        .map(|| warp::reply::with_header("answer", "content-type", MEDIA_TYPE));
    let tls = Tls::new(identity, 16).unwrap();
    tokio::spawn(server.serve_over(tls, warp::service(route), std::future::pending()));
    format!("https://{addr}")
}

async fn post(relay: &str, pin: Option<[u8; 32]>) -> Result<Vec<u8>, ClientError> {
    let carrier = Carrier::new(relay, pin, Duration::from_secs(5))?;
    Ok(carrier.post("/v1/sync", b"hello".to_vec(), &watch::Sender::default()).await?.to_vec())
}

async fn distrusted(relay: &str, pin: Option<[u8; 32]>) -> Distrust {
    match post(relay, pin).await {
        Err(ClientError::Untrusted { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_pinned_authority_is_believed_and_no_other() {
    let (own, other) = (Issuer::new(), Issuer::new());
    let relay = serve(own.identity("127.0.0.1", now_ms())).await;
    assert_eq!(post(&relay, Some(own.pin())).await.unwrap(), b"answer");
    assert_eq!(distrusted(&relay, Some(other.pin())).await, Distrust::OtherAuthority);
    let somebody = serve(other.identity("127.0.0.1", now_ms())).await;
    assert_eq!(distrusted(&somebody, Some(own.pin())).await, Distrust::OtherAuthority);
    // Without a pin the system decides, and it knows neither.
    match post(&relay, None).await {
        Err(ClientError::Untrusted { why: Distrust::UnknownIssuer, .. } | ClientError::NoTrustStore { .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_stream_of_ones_own_is_believed_by_the_same_rules() {
    let (own, other) = (Issuer::new(), Issuer::new());
    let relay: http::Uri = serve(own.identity("127.0.0.1", now_ms())).await.parse().unwrap();
    let connect = || TcpStream::connect(relay.authority().unwrap().as_str());
    let dialer = Dialer::new("relay", Some(own.pin())).unwrap();
    let mut stream = dialer.greet(&relay, connect().await.unwrap()).await.unwrap();
    stream.write_all(b"POST /v1/sync HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("answer"), "{answer}");
    let wrong = Dialer::new("relay", Some(other.pin())).unwrap();
    let refused = wrong.greet(&relay, connect().await.unwrap()).await;
    assert!(matches!(refused, Err(ClientError::Untrusted { why: Distrust::OtherAuthority, .. })), "{refused:?}");
}

/// A chain of another's certificate with the pinned authority's own copied behind it, which anybody who once connected has.
fn borrowed(own: &Issuer, other: &Path) -> Identity {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let copied = std::fs::read_to_string(own.folder.path().join("ca.crt")).unwrap();
    let (chain, private) = (other.join("chain.pem"), other.join("key.pem"));
    std::fs::write(&chain, pem::encode("CERTIFICATE", certificate.der()) + &copied).unwrap();
    std::fs::write(&private, pem::encode("PRIVATE KEY", &key.serialize_der())).unwrap();
    Identity::from_files(&chain, &private).unwrap()
}

#[tokio::test]
async fn the_authoritys_certificate_alone_proves_nothing() {
    let own = Issuer::new();
    let folder = TempDir::new().unwrap();
    let relay = serve(borrowed(&own, folder.path())).await;
    assert_eq!(distrusted(&relay, Some(own.pin())).await, Distrust::OtherAuthority);
}

#[tokio::test]
async fn a_certificate_counts_for_its_time_and_name_alone() {
    let own = Issuer::new();
    let cases = [
        ("127.0.0.1", -200 * DAY_MS, Distrust::Expired),
        ("127.0.0.1", 100 * DAY_MS, Distrust::NotYetValid),
        ("127.0.0.2", 0, Distrust::WrongName),
        ("relay.example", 0, Distrust::WrongName),
    ];
    for (name, ahead_ms, why) in cases {
        let relay = serve(own.identity(name, now_ms() + ahead_ms)).await;
        assert_eq!(distrusted(&relay, Some(own.pin())).await, why, "{name} {ahead_ms}");
    }
}

/// Answers whatever connects with these bytes, or with nothing at all and without an end.
async fn answering(bytes: Option<&'static [u8]>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut tcp, _)) = listener.accept().await {
            if let Some(bytes) = bytes {
                let mut request = [0; 1024];
                let _ = tcp.read(&mut request).await;
                let _ = tcp.write_all(bytes).await;
                let _ = tcp.shutdown().await;
            }
            held.push(tcp);
        }
    });
    addr
}

#[tokio::test]
async fn a_login_page_is_no_relay() {
    let page = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<html>log in</html>";
    let portal = answering(Some(page)).await;
    assert_eq!(distrusted(&format!("https://{portal}"), Some([7; 32])).await, Distrust::NotTls);
    // One that speaks TLS has a certificate of its own.
    let portal = serve(Issuer::new().identity("127.0.0.1", now_ms())).await;
    assert_eq!(distrusted(&portal, Some([7; 32])).await, Distrust::OtherAuthority);
}

#[tokio::test]
async fn a_server_of_tls_1_2_is_refused() {
    // An alert: fatal, protocol_version.
    let old = answering(Some(&[0x15, 3, 3, 0, 2, 2, 70])).await;
    assert_eq!(distrusted(&format!("https://{old}"), Some([7; 32])).await, Distrust::TooOld);
}

#[tokio::test]
async fn a_handshake_that_stalls_is_given_up() {
    let silent = answering(None).await;
    let carrier = Carrier::new(&format!("https://{silent}"), Some([7; 32]), Duration::from_millis(400)).unwrap();
    let began = Instant::now();
    let error = carrier.post("/v1/sync", vec![1], &watch::Sender::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { sent: 0, .. }), "{error}");
    assert!(began.elapsed() >= Duration::from_millis(390) && began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn nothing_goes_to_another_computer_in_clear_text() {
    for relay in
        ["http://10.0.0.5:8440", "http://relay.example", "http://[2001:db8::1]:8440", "http://127.0.0.1.example"]
    {
        let refused = Carrier::new(relay, None, Duration::from_secs(5)).unwrap_err();
        assert!(matches!(refused, ClientError::ClearText(_)), "{refused}");
    }
    for none in ["relay.example:8440", "ftp://relay.example", "", "https://"] {
        let refused = Carrier::new(none, Some([7; 32]), Duration::from_secs(5)).unwrap_err();
        assert!(matches!(refused, ClientError::BadAddress(_)), "{none}: {refused}");
    }
    for near in ["http://127.0.0.1:8440", "http://[::1]:8440", "http://localhost:8440/"] {
        assert!(Carrier::new(near, None, Duration::from_secs(5)).is_ok(), "{near}");
    }
}

#[test]
fn every_reason_says_where_and_that_nothing_is_lost() {
    use Distrust as D;
    let all =
        [D::OtherAuthority, D::UnknownIssuer, D::Expired, D::NotYetValid, D::WrongName, D::NotTls, D::TooOld, D::Bad];
    for why in all {
        let said = ClientError::Untrusted { relay: "https://relay.example".to_owned(), why }.to_string();
        assert!(said.starts_with("https://relay.example: ") && said.ends_with("what was saved is kept"), "{said}");
    }
}
