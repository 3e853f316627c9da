//! TLS in the accept loop, on real sockets of the loopback interface.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use lastmile_web::tls::{Authority, Identity, Tls, TlsError};
use lastmile_web::{Connections, Limits, Server};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use warp::Filter;

const LONG: Duration = Duration::from_secs(20);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn names() -> Vec<String> {
    vec!["relay.example".to_owned(), "127.0.0.1".to_owned()]
}

fn identity(folder: &Path) -> Identity {
    Authority::open_or_create(folder, now_ms()).unwrap().identity(&names(), now_ms()).unwrap()
}

/// A TLS server under test; dropping it shuts it down.
struct Running {
    addr: SocketAddr,
    connections: Connections,
    tls: Tls,
    _stop: oneshot::Sender<()>,
}

impl Running {
    async fn start(limits: Limits, handshakes: usize, folder: &Path) -> Self {
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), limits).await.unwrap();
        let (addr, connections) = (server.local_addr(), server.connections());
        let (stop, stopped) = oneshot::channel::<()>();
        let tls = Tls::new(identity(folder), handshakes).unwrap();
        let shown = tls.clone();
        tokio::spawn(server.serve_over(shown, warp::service(warp::any().map(|| "hello")), async {
            let _ = stopped.await;
        }));
        Self { addr, connections, tls, _stop: stop }
    }
}

/// Trusts the authority of a folder.
fn client(folder: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.crt")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

/// Counts what goes over a socket.
struct Counted {
    tcp: TcpStream,
    bytes: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.tcp).poll_read(cx, buf);
        self.bytes.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.tcp).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = polled {
            self.bytes.fetch_add(written as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

async fn connect(config: &Arc<ClientConfig>, addr: SocketAddr) -> io::Result<(TlsStream<Counted>, Arc<AtomicU64>)> {
    let bytes = Arc::new(AtomicU64::new(0));
    let tcp = TcpStream::connect(addr).await?;
    tcp.set_nodelay(true)?;
    let counted = Counted { tcp, bytes: Arc::clone(&bytes) };
    let name = ServerName::try_from("relay.example").unwrap();
    Ok((TlsConnector::from(Arc::clone(config)).connect(name, counted).await?, bytes))
}

async fn ask(tls: &mut TlsStream<Counted>) -> String {
    tls.write_all(REQUEST).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = timeout(LONG, tls.read(&mut answer)).await.expect("an answer").unwrap();
    String::from_utf8(answer[..read].to_vec()).unwrap()
}

#[tokio::test]
async fn a_second_connection_resumes_with_fewer_bytes() {
    let folder = TempDir::new().unwrap();
    let server = Running::start(Limits::default(), 8, folder.path()).await;
    let config = client(folder.path());
    let mut seen = Vec::new();
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
        let began = Instant::now();
        let (mut tls, bytes) = connect(&config, server.addr).await.unwrap();
        assert!(ask(&mut tls).await.ends_with("hello"));
        assert_eq!(tls.get_ref().1.handshake_kind(), Some(kind));
        assert_eq!(tls.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
        seen.push((kind, bytes.load(Ordering::Relaxed), began.elapsed()));
    }
    println!("handshake, request and answer, in bytes both ways and time: {seen:?}");
    assert!(seen[1].1 * 3 < seen[0].1 * 2, "{seen:?}");
}

#[tokio::test]
async fn another_certificate_is_shown_and_no_connection_is_dropped() {
    let folder = TempDir::new().unwrap();
    let server = Running::start(Limits::default(), 8, folder.path()).await;
    let shown = |tls: &TlsStream<Counted>| tls.get_ref().1.peer_certificates().unwrap()[0].clone();
    let (mut old, _) = connect(&client(folder.path()), server.addr).await.unwrap();
    assert!(ask(&mut old).await.ends_with("hello"));
    server.tls.replace(identity(folder.path()));
    let (mut new, _) = connect(&client(folder.path()), server.addr).await.unwrap();
    assert!(ask(&mut new).await.ends_with("hello"));
    assert!(ask(&mut old).await.ends_with("hello"), "the old connection goes on");
    assert_ne!(shown(&old), shown(&new));
}

#[tokio::test]
async fn clear_http_is_told_that_this_is_a_tls_port() {
    let folder = TempDir::new().unwrap();
    let server = Running::start(Limits::default(), 8, folder.path()).await;
    let mut tcp = TcpStream::connect(server.addr).await.unwrap();
    tcp.write_all(REQUEST).await.unwrap();
    let mut answer = String::new();
    timeout(LONG, tcp.read_to_string(&mut answer)).await.expect("the server closes").unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("https://"), "{answer}");
    drop(tcp);
    let counted = async {
        while server.connections.load().failed_handshakes < 1 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, counted).await.expect("a failed handshake is counted");
}

/// A ClientHello of TLS 1.2: no supported_versions, a suite and an extension that such a client sends.
fn hello_of_tls_1_2() -> Vec<u8> {
    let mut hello = vec![3, 3];
    hello.extend([7; 32]); // random
    hello.push(0); // no session
    hello.extend([0, 4, 0xc0, 0x2b, 0xc0, 0x2f]); // ECDHE with AES-128-GCM
    hello.extend([1, 0]); // no compression
    let extensions = [
        [0, 10, 0, 4, 0, 2, 0, 29].as_slice(), // supported_groups: x25519
        &[0, 11, 0, 2, 1, 0],                  // ec_point_formats
        &[0, 13, 0, 6, 0, 4, 4, 3, 8, 4],      // signature_algorithms
    ]
    .concat();
    hello.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    hello.extend(extensions);
    let length = u16::try_from(hello.len()).unwrap();
    let mut record = vec![0x16, 3, 1];
    record.extend((length + 4).to_be_bytes());
    record.extend([1, 0]);
    record.extend(length.to_be_bytes());
    record.extend(hello);
    record
}

#[tokio::test]
async fn a_client_of_tls_1_2_is_refused() {
    let folder = TempDir::new().unwrap();
    let server = Running::start(Limits::default(), 8, folder.path()).await;
    let mut tcp = TcpStream::connect(server.addr).await.unwrap();
    tcp.write_all(&hello_of_tls_1_2()).await.unwrap();
    let mut answer = Vec::new();
    timeout(LONG, tcp.read_to_end(&mut answer)).await.expect("the server closes").unwrap();
    // An alert, fatal, protocol_version.
    assert_eq!((answer[0], &answer[5..]), (0x15, [2, 70].as_slice()), "{answer:?}");
}

#[tokio::test]
async fn a_handshake_that_stalls_ends_at_the_header_timeout() {
    let folder = TempDir::new().unwrap();
    let limits = Limits { header_timeout: Duration::from_millis(300), ..Limits::default() };
    let server = Running::start(limits, 8, folder.path()).await;
    for beginning in [&[][..], &hello_of_tls_1_2()[..20]] {
        let began = Instant::now();
        let mut tcp = TcpStream::connect(server.addr).await.unwrap();
        tcp.write_all(beginning).await.unwrap();
        let mut answer = Vec::new();
        // Closing with unread bytes resets the connection, which is an end as well.
        let _ = timeout(LONG, tcp.read_to_end(&mut answer)).await.expect("the server closes");
        assert!(answer.is_empty(), "{answer:?}");
        assert!(began.elapsed() >= Duration::from_millis(290) && began.elapsed() < LONG, "{:?}", began.elapsed());
    }
    assert_eq!(server.connections.load().timed_out, 2);
}

#[tokio::test]
async fn stalled_handshakes_are_bounded_and_make_room_when_they_end() {
    let folder = TempDir::new().unwrap();
    let limits = Limits { header_timeout: Duration::from_secs(2), ..Limits::default() };
    let server = Running::start(limits, 2, folder.path()).await;
    let config = client(folder.path());
    let (mut standing, _) = connect(&config, server.addr).await.unwrap();
    let _one = TcpStream::connect(server.addr).await.unwrap();
    let _two = TcpStream::connect(server.addr).await.unwrap();
    while server.connections.load().open < 3 {
        sleep(Duration::from_millis(5)).await;
    }
    assert!(connect(&config, server.addr).await.is_err(), "no more handshakes at a time than said");
    assert!(ask(&mut standing).await.ends_with("hello"), "those who are in go on");
    while server.connections.load().timed_out < 2 {
        sleep(Duration::from_millis(20)).await;
    }
    let (mut again, _) = connect(&config, server.addr).await.unwrap();
    assert!(ask(&mut again).await.ends_with("hello"));
}

#[test]
fn an_authority_is_its_key() {
    let folder = TempDir::new().unwrap();
    let (key, certificate) = (folder.path().join("ca.key"), folder.path().join("ca.crt"));
    assert!(Authority::find(folder.path(), now_ms()).unwrap().is_none());
    let first = Authority::open_or_create(folder.path(), now_ms()).unwrap();
    assert!(first.not_after_ms() > now_ms() + 20 * 365 * 86_400_000, "it counts for decades");
    #[cfg(unix)]
    for file in [&key, &certificate] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    std::fs::remove_file(&certificate).unwrap();
    let again = Authority::open_or_create(folder.path(), now_ms()).unwrap();
    assert_eq!(again.public_key_info(), first.public_key_info());

    let other = TempDir::new().unwrap();
    Authority::open_or_create(other.path(), now_ms()).unwrap();
    std::fs::copy(other.path().join("ca.key"), &key).unwrap();
    assert!(matches!(Authority::open_or_create(folder.path(), now_ms()), Err(TlsError::Mismatch { .. })));
    std::fs::write(&key, "no key").unwrap();
    assert!(matches!(Authority::open_or_create(folder.path(), now_ms()), Err(TlsError::NoKey { .. })));
    std::fs::remove_file(&key).unwrap();
    let lost = Authority::open_or_create(folder.path(), now_ms());
    assert!(matches!(lost, Err(TlsError::AuthorityKeyMissing { .. })), "{lost:?}");
}

#[test]
fn a_servers_certificate_is_short_and_due_before_its_end() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::open_or_create(folder.path(), now_ms()).unwrap();
    let made = authority.identity(&names(), now_ms()).unwrap();
    let day = 86_400_000;
    let left = (made.not_after_ms() - now_ms()) / day;
    assert!((89..=90).contains(&left), "{left}");
    assert!(made.not_before_ms() < now_ms() - 29 * day, "slow clocks see it as begun");
    assert!(!Authority::is_due(&made, now_ms()) && !Authority::is_due(&made, now_ms() + 59 * day));
    assert!(Authority::is_due(&made, now_ms() + 61 * day));
    assert!(made.is_for("relay.example") && made.is_for("127.0.0.1"));
    assert!(!made.is_for("other.example") && !made.is_for("127.0.0.2") && !made.is_for(""));
    let bad = authority.identity(&["not a name ü".to_owned()], now_ms());
    assert!(matches!(bad, Err(TlsError::BadName { .. })), "{bad:?}");
}

#[test]
fn own_files_say_what_is_wrong_with_them() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let one = TempDir::new().unwrap();
    let two = TempDir::new().unwrap();
    for at in [&one, &two] {
        Authority::open_or_create(at.path(), now_ms()).unwrap();
    }
    let (certificate, key) = (one.path().join("ca.crt"), one.path().join("ca.key"));
    assert!(Identity::from_files(&certificate, &key).is_ok());
    let tried = |certificate: &Path, key: &Path| Identity::from_files(certificate, key).unwrap_err();
    assert!(matches!(tried(&certificate, &two.path().join("ca.key")), TlsError::Mismatch { .. }));
    assert!(matches!(tried(&folder.path().join("none"), &key), TlsError::File { .. }));
    assert!(matches!(tried(&file("empty", ""), &key), TlsError::NoCertificate { .. }));
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(tried(&file("damaged", damaged), &key), TlsError::BadCertificate { .. }));
    assert!(matches!(tried(&certificate, &file("nokey", "hello")), TlsError::NoKey { .. }));
    let bad = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(matches!(tried(&certificate, &file("badkey", bad)), TlsError::BadKey { .. }));
}
