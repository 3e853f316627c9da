//! The accept loop on real sockets of the loopback interface.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use lastmile_web::{
    Connections, Limits, Origin, Peer, RequestBody, Server, Service, WebError, origin, peer, serve_connection,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use warp::Filter;

const LONG: Duration = Duration::from_secs(20);

/// A server under test; dropping `stop` or sending on it shuts it down.
struct Running {
    addr: SocketAddr,
    connections: Connections,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), WebError>>,
}

impl Running {
    async fn start<S: Service>(limits: Limits, service: S) -> Self {
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), limits).await.unwrap();
        let (addr, connections) = (server.local_addr(), server.connections());
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(server.serve(service, async {
            let _ = stopped.await;
        }));
        Self { addr, connections, stop, served }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    async fn send(&self, request: &str) -> TcpStream {
        let mut tcp = self.connect().await;
        tcp.write_all(request.as_bytes()).await.unwrap();
        tcp
    }

    async fn wait_for_open(&self, open: usize) {
        let waiting = async {
            while self.connections.load().open != open {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, waiting).await.unwrap();
    }
}

/// Short limits, so that the tests are quick; everything not under test stays generous.
fn limits() -> Limits {
    Limits { shutdown_grace: Duration::from_secs(10), ..Limits::default() }
}

/// Reads until the other end closes.
async fn read_all(tcp: &mut TcpStream) -> String {
    let mut all = Vec::new();
    timeout(LONG, tcp.read_to_end(&mut all)).await.expect("the server closes").unwrap();
    String::from_utf8(all).unwrap()
}

/// Reads one reply's head and, for replies with a known short body, the body.
async fn read_some(tcp: &mut TcpStream) -> String {
    let mut buf = vec![0; 4096];
    let read = timeout(LONG, tcp.read(&mut buf)).await.expect("a reply").unwrap();
    String::from_utf8(buf[..read].to_vec()).unwrap()
}

fn hello() -> impl Service {
    warp::service(warp::any().map(|| "hello"))
}

/// Reads the whole body and tells its length, or answers 400 with a rejection as warp does.
fn count_body() -> impl Service {
    warp::service(warp::post().and(warp::body::bytes()).map(|body: Bytes| format!("{} bytes", body.len())))
}

#[tokio::test]
async fn answers_and_keeps_the_connection() {
    let server = Running::start(limits(), hello()).await;
    let mut tcp = server.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(read_some(&mut tcp).await.starts_with("HTTP/1.1 200 OK\r\n"));
    tcp.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(read_all(&mut tcp).await.ends_with("hello"));
    server.wait_for_open(0).await;
    assert_eq!(server.connections.load().accepted, 1);
}

#[tokio::test]
async fn speaks_no_http2() {
    let server = Running::start(limits(), hello()).await;
    let mut tcp = server.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let answer = read_all(&mut tcp).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 "), "{answer}");
}

#[tokio::test]
async fn tells_handlers_the_peer() {
    let route = peer().map(|peer: Option<Peer>| peer.unwrap().0.to_string());
    let server = Running::start(limits(), warp::service(route)).await;
    let mut tcp = server.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    let own = tcp.local_addr().unwrap().to_string();
    assert!(read_all(&mut tcp).await.ends_with(&own));
}

/// Answers with the address that a request is said to come from.
fn tell_origin() -> impl Service {
    warp::service(origin().map(|origin: Option<Origin>| origin.unwrap().0.to_string()))
}

async fn ask_from(local: &str, server: &Running, header: &str) -> String {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(local.parse().unwrap(), 0)).unwrap();
    let mut tcp = socket.connect(server.addr).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nhost: a\r\n{header}\r\nconnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.unwrap();
    read_all(&mut tcp).await.rsplit("\r\n").next().unwrap().to_owned()
}

#[tokio::test]
async fn believes_a_named_proxy_alone_about_whom_it_speaks_for() {
    let limits = Limits { proxies: vec!["127.0.0.2".parse().unwrap()], ..limits() };
    let server = Running::start(limits, tell_origin()).await;
    let says = "x-forwarded-for: 192.0.2.1, 198.51.100.7";
    assert_eq!(ask_from("127.0.0.2", &server, says).await, "198.51.100.7");
    assert_eq!(ask_from("127.0.0.3", &server, says).await, "127.0.0.3");
    assert_eq!(ask_from("127.0.0.2", &server, "x: y").await, "127.0.0.2");
}

#[tokio::test]
async fn bounds_the_requests_under_way_of_one_address_behind_a_proxy() {
    let limits = Limits { proxies: vec!["127.0.0.1".parse().unwrap()], connections_per_address: 2, ..limits() };
    let release = Arc::new(Notify::new());
    let held = Arc::clone(&release);
    let slow = warp::path("slow").then(move || {
        let held = Arc::clone(&held);
        async move {
            held.notified().await;
            "late"
        }
    });
    let server = Running::start(limits, warp::service(slow.or(warp::any().map(|| "hello")))).await;
    let get = |path: &str, origin: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: a\r\nx-forwarded-for: {origin}\r\nconnection: close\r\n\r\n")
    };
    let mut one = server.send(&get("/slow", "198.51.100.7")).await;
    let mut two = server.send(&get("/slow", "198.51.100.7")).await;
    sleep(Duration::from_millis(200)).await;
    let answer = read_all(&mut server.send(&get("/", "198.51.100.7")).await).await;
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    let answer = read_all(&mut server.send(&get("/", "198.51.100.8")).await).await;
    assert!(answer.ends_with("hello"), "others are not kept out: {answer}");
    release.notify_waiters();
    assert!(read_all(&mut one).await.ends_with("late") && read_all(&mut two).await.ends_with("late"));
    let answer = read_all(&mut server.send(&get("/", "198.51.100.7")).await).await;
    assert!(answer.ends_with("hello"), "a place that is given back is free: {answer}");
}

#[tokio::test]
async fn closes_half_a_head_at_the_header_timeout() {
    let server = Running::start(Limits { header_timeout: Duration::from_millis(300), ..limits() }, hello()).await;
    for beginning in ["", "GET / HTTP/1.1\r\nhost"] {
        let start = Instant::now();
        let mut tcp = server.send(beginning).await;
        assert_eq!(read_all(&mut tcp).await, "");
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(290) && took < LONG, "{took:?}");
    }
    assert_eq!(server.connections.load().timed_out, 2);
}

#[tokio::test]
async fn a_dripping_head_gains_no_time() {
    let server = Running::start(Limits { header_timeout: Duration::from_millis(400), ..limits() }, hello()).await;
    let start = Instant::now();
    let mut tcp = server.send("GET / HTTP/1.1\r\nx: ").await;
    while tcp.write_all(b"a").await.is_ok() && start.elapsed() < LONG {
        sleep(Duration::from_millis(20)).await;
    }
    assert!(start.elapsed() < Duration::from_secs(15));
    server.wait_for_open(0).await;
}

#[tokio::test]
async fn the_second_head_of_a_connection_has_the_same_limit_and_idling_a_longer_one() {
    let times = Limits { header_timeout: Duration::from_secs(1), idle_timeout: Duration::from_secs(4), ..limits() };
    let server = Running::start(times, hello()).await;
    let get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    let mut half = server.send(get).await;
    read_some(&mut half).await;
    sleep(Duration::from_millis(1500)).await; // idle for longer than a head may take
    half.write_all(b"GET / HT").await.unwrap();
    let start = Instant::now();
    assert_eq!(read_all(&mut half).await, "");
    assert!(start.elapsed() < Duration::from_millis(3500), "{:?}", start.elapsed());

    let mut idle = server.send(get).await;
    read_some(&mut idle).await;
    let start = Instant::now();
    assert_eq!(read_all(&mut idle).await, "");
    assert!(start.elapsed() >= Duration::from_millis(3900), "{:?}", start.elapsed());
    assert_eq!(server.connections.load().timed_out, 1, "idle ends are no time-outs");
}

#[tokio::test]
async fn refuses_a_head_that_is_too_large() {
    let server = Running::start(limits(), hello()).await;
    let fits = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: {}\r\n\r\n", "a".repeat(60 << 10));
    assert!(read_all(&mut server.send(&fits).await).await.starts_with("HTTP/1.1 200"));
    let mut tcp = server.connect().await;
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}", "a".repeat(65 << 10));
    tcp.write_all(large.as_bytes()).await.unwrap();
    assert!(read_some(&mut tcp).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn limits_the_connections_of_one_address_and_in_all() {
    let bounds = Limits { connections: 3, connections_per_address: 2, ..limits() };
    let server = Running::start(bounds, hello()).await;
    let (_one, mut two) = (server.connect().await, server.connect().await);
    server.wait_for_open(2).await;
    let answer = read_all(&mut server.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await).await;
    assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("retry-after"), "{answer}");

    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let _third = other.connect(server.addr).await.unwrap();
    server.wait_for_open(3).await;
    assert!(read_all(&mut server.connect().await).await.starts_with("HTTP/1.1 503"));

    two.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(read_all(&mut two).await.ends_with("hello"), "those admitted are served");
    server.wait_for_open(2).await;
    let mut again = server.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(read_all(&mut again).await.ends_with("hello"), "a place that is given back is free");
    assert_eq!(server.connections.load().refused, 2);
}

#[tokio::test]
async fn answers_413_to_a_body_over_the_cap_however_it_is_framed() {
    let server = Running::start(Limits { body_bytes: 1000, ..limits() }, count_body()).await;
    let exact =
        format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\nconnection: close\r\n\r\n{}", "b".repeat(1000));
    assert!(read_all(&mut server.send(&exact).await).await.ends_with("1000 bytes"));

    // Announced: refused before a byte of it is read, though the client goes on sending.
    let body = "b".repeat(1 << 20);
    let announced = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut tcp = server.connect().await;
    let _ = tcp.write_all(announced.as_bytes()).await;
    assert!(read_some(&mut tcp).await.starts_with("HTTP/1.1 413"));

    // Chunked: found out on the way; the handler's own answer to the failed body does not show.
    let chunk = format!("1f4\r\n{}\r\n", "b".repeat(500));
    let chunked =
        format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{chunk}{chunk}0\r\n\r\n");
    let answer = read_all(&mut server.send(&chunked).await).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("connection: close"), "{answer}");
    server.wait_for_open(0).await;
}

#[tokio::test]
async fn asks_nobody_to_continue_with_a_body_it_will_not_take() {
    let server = Running::start(Limits { body_bytes: 1000, ..limits() }, count_body()).await;
    let head = |length| {
        format!(
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n"
        )
    };
    let mut tcp = server.send(&head(1001)).await;
    assert!(read_some(&mut tcp).await.starts_with("HTTP/1.1 413"));
    let mut tcp = server.send(&head(3)).await;
    assert!(read_some(&mut tcp).await.starts_with("HTTP/1.1 100"));
    tcp.write_all(b"abc").await.unwrap();
    assert!(read_all(&mut tcp).await.ends_with("3 bytes"));
}

#[tokio::test]
async fn cuts_a_body_that_stops_or_drips() {
    let slow = Limits { body_stall: Duration::from_millis(1500), body_floor: 100, ..limits() };
    let server = Running::start(slow, count_body()).await;
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 900\r\n\r\nhalf";

    let start = Instant::now();
    let answer = read_all(&mut server.send(head).await).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(start.elapsed() >= Duration::from_millis(1400) && start.elapsed() < LONG);

    let mut drip = server.send(head).await;
    let start = Instant::now();
    while drip.write_all(b"x").await.is_ok() && start.elapsed() < LONG {
        sleep(Duration::from_millis(50)).await;
    }
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
    server.wait_for_open(0).await;
    assert_eq!(server.connections.load().timed_out, 2);

    let mut steady =
        server.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 600\r\nconnection: close\r\n\r\n").await;
    for _ in 0..6 {
        sleep(Duration::from_millis(150)).await;
        steady.write_all(&[b'x'; 100]).await.unwrap();
    }
    assert!(read_all(&mut steady).await.ends_with("600 bytes"), "slow but steady passes");
}

#[tokio::test]
async fn gives_up_on_a_client_that_does_not_read() {
    let large = warp::service(warp::any().map(|| vec![0_u8; 64 << 20]));
    let server = Running::start(Limits { write_stall: Duration::from_millis(300), ..limits() }, large).await;
    let _tcp = server.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    server.wait_for_open(1).await;
    server.wait_for_open(0).await;
    assert_eq!(server.connections.load().timed_out, 1);
}

#[tokio::test]
async fn gives_up_on_a_client_that_sips() {
    let large = warp::service(warp::any().map(|| vec![0_u8; 64 << 20]));
    let sipping = Limits { write_stall: Duration::from_millis(800), write_floor: 256 << 20, ..limits() };
    let server = Running::start(sipping, large).await;
    let mut tcp = server.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let sip = async {
        let mut buf = vec![0; 16 << 10];
        // Each sip comes long before the stall: what ends it is the pace.
        while let Ok(1..) = tcp.read(&mut buf).await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, sip).await.expect("it is dropped before it has all");
    server.wait_for_open(0).await;
    assert_eq!(server.connections.load().timed_out, 1);
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_reaches_who_is_still_sending() {
    let route = warp::post().map(|| "enough");
    let server = Running::start(limits(), warp::service(route)).await;
    let mut tcp = server.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4194304\r\n\r\n").await;
    for _ in 0..64 {
        tcp.write_all(&[b'x'; 64 << 10]).await.unwrap();
    }
    assert!(read_all(&mut tcp).await.ends_with("enough"));
    server.wait_for_open(0).await;
}

#[tokio::test]
async fn shutdown_finishes_a_request_in_flight_and_closes_idle_connections() {
    let (began, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (began, go) = (Arc::clone(&began), Arc::clone(&go));
        warp::any().then(move || {
            let (began, go) = (Arc::clone(&began), Arc::clone(&go));
            async move {
                began.notify_one();
                go.notified().await;
                "done"
            }
        })
    };
    let server = Running::start(limits(), warp::service(slow)).await;
    let mut idle = server.connect().await;
    let mut busy = server.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    timeout(LONG, began.notified()).await.unwrap();
    server.wait_for_open(2).await;

    let start = Instant::now();
    server.stop.send(()).unwrap();
    assert_eq!(read_all(&mut idle).await, "");
    assert!(server.connections.load().stopping);
    assert!(TcpStream::connect(server.addr).await.is_err(), "nobody listens any more");
    assert!(!server.served.is_finished());
    go.notify_one();
    let answer = read_all(&mut busy).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
    timeout(LONG, server.served).await.unwrap().unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(15));
    assert_eq!(server.connections.load().open, 0);
}

#[tokio::test]
async fn shutdown_cuts_what_outlasts_the_grace() {
    let never = warp::any().then(|| async {
        std::future::pending::<()>().await;
        "never"
    });
    let server =
        Running::start(Limits { shutdown_grace: Duration::from_millis(200), ..limits() }, warp::service(never)).await;
    let mut tcp = server.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    server.wait_for_open(1).await;
    server.stop.send(()).unwrap();
    timeout(LONG, server.served).await.unwrap().unwrap().unwrap();
    let _ = timeout(LONG, tcp.read(&mut [0; 16])).await.expect("closed");
    let load = server.connections.load();
    assert_eq!((load.open, load.cut), (0, 1));
}

#[tokio::test]
async fn a_panicking_handler_costs_its_own_connection_only() {
    let route = warp::path("bad").map(|| -> &'static str { panic!("planted") }).or(warp::any().map(|| "fine"));
    let server = Running::start(limits(), warp::service(route)).await;
    assert_eq!(read_all(&mut server.send("GET /bad HTTP/1.1\r\nhost: a\r\n\r\n").await).await, "");
    let mut good = server.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(read_all(&mut good).await.ends_with("fine"));
    server.wait_for_open(0).await;
}

/// Upgrades every request to a protocol that sends back what it gets.
#[derive(Clone)]
struct Echo(Connections);

impl tower_service::Service<Request<RequestBody>> for Echo {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let connections = self.0.clone();
        tokio::spawn(async move {
            let mut stream = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
            let mut buf = [0; 64];
            loop {
                tokio::select! {
                    () = connections.stopping() => {
                        stream.write_all(b"bye").await.unwrap();
                        break;
                    }
                    read = stream.read(&mut buf) => match read {
                        Ok(0) | Err(_) => break,
                        Ok(read) => stream.write_all(&buf[..read]).await.unwrap(),
                    },
                }
            }
        });
        let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS).header("upgrade", "echo");
        std::future::ready(Ok(response.body(Full::default()).unwrap()))
    }
}

#[tokio::test]
async fn an_upgraded_connection_counts_has_no_idle_limit_and_hears_of_the_end() {
    let times =
        Limits { header_timeout: Duration::from_millis(200), idle_timeout: Duration::from_millis(200), ..limits() };
    let listener = Server::bind("127.0.0.1:0".parse().unwrap(), times).await.unwrap();
    let (addr, connections) = (listener.local_addr(), listener.connections());
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(listener.serve(Echo(connections.clone()), async {
        let _ = stopped.await;
    }));
    let server = Running { addr, connections, stop, served };

    let mut tcp = server.send("GET / HTTP/1.1\r\nhost: a\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n").await;
    assert!(read_some(&mut tcp).await.starts_with("HTTP/1.1 101"));
    sleep(Duration::from_millis(600)).await;
    tcp.write_all(b"still there?").await.unwrap();
    assert_eq!(read_some(&mut tcp).await, "still there?");
    assert_eq!(server.connections.load().open, 1);
    server.stop.send(()).unwrap();
    assert_eq!(read_all(&mut tcp).await, "bye");
    timeout(LONG, server.served).await.unwrap().unwrap().unwrap();
    assert_eq!(server.connections.load().open, 0);
}

#[tokio::test]
async fn serves_a_stream_in_memory() {
    let connections = Connections::new(limits());
    let slot = connections.admit("10.0.0.1:1".parse().unwrap()).unwrap();
    let (mut near, far) = tokio::io::duplex(64);
    let served = tokio::spawn(serve_connection(slot, far, hello()));
    near.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("hello"));
    served.await.unwrap();
    assert_eq!(connections.load().open, 0);
}

#[tokio::test]
async fn names_the_address_that_is_in_use_and_a_cure() {
    let first = Server::bind("127.0.0.1:0".parse().unwrap(), limits()).await.unwrap();
    let error = Server::bind(first.local_addr(), limits()).await.unwrap_err();
    assert!(matches!(error, WebError::InUse { addr } if addr == first.local_addr()));
    let text = error.to_string();
    assert!(text.contains(&first.local_addr().to_string()) && text.contains("choose another port"), "{text}");

    let foreign = Server::bind("192.0.2.1:0".parse().unwrap(), limits()).await.unwrap_err();
    assert!(matches!(foreign, WebError::NotOurs { .. }), "{foreign:?}");
}
