//! Connections that stay: who is let in, what is pushed to whom, and what becomes of those who break the rules.

mod slow;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use lastmile_log::{AuthorKey, Segment};
use lastmile_protocol::frame::{BatchFrame, End, ErrorFrame, FrameReader, Hello};
use lastmile_protocol::{Carrier, Code, Frame, PeerCheck, Role, Session, SessionConfig, feed, limits, pump};
use lastmile_relay::{LiveOptions, OfficeAnswer, OfficeCommand, RelayOptions, RunningRelay};
use lastmile_web::Limits;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::device::{COMMUNITY, Device, NOW, activity, apart, enrolled, fresh, fresh_id, options, start_with};

const LONG: Duration = Duration::from_secs(20);

/// One side of a WebSocket without a session.
struct Raw {
    ws: WebSocketStream<TcpStream>,
}

/// What ended a connection.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Closed(u16),
    Cut,
}

async fn relay_with(live: LiveOptions, limits: Limits) -> (TempDir, RunningRelay) {
    let folder = TempDir::new().unwrap();
    let relay = start_with(folder.path(), &RelayOptions { live, ..options() }, limits).await;
    (folder, relay)
}

async fn relay() -> (TempDir, RunningRelay) {
    relay_with(LiveOptions::default(), Limits::default()).await
}

impl Raw {
    async fn connect(relay: &RunningRelay) -> Self {
        Self::over(TcpStream::connect(relay.addr()).await.unwrap(), relay).await
    }

    async fn over(tcp: TcpStream, relay: &RunningRelay) -> Self {
        let mut request = format!("ws://{}/v1/live", relay.addr()).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "lastmile.v1".parse().unwrap());
        let config = WebSocketConfig::default().read_buffer_size(4 << 10).write_buffer_size(0);
        let (ws, response) = client_async_with_config(request, tcp, Some(config)).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "lastmile.v1");
        Self { ws }
    }

    async fn say(&mut self, bytes: Vec<u8>) {
        self.ws.send(Message::binary(bytes)).await.unwrap();
    }

    /// The next binary message, or how the connection ended.
    async fn next(&mut self) -> Result<Vec<u8>, Ended> {
        loop {
            match timeout(LONG, self.ws.next()).await.expect("something comes") {
                Some(Ok(Message::Binary(bytes))) => return Ok(bytes.to_vec()),
                Some(Ok(Message::Close(frame))) => return Err(Ended::Closed(frame.unwrap().code.into())),
                Some(Ok(_)) => {}
                Some(Err(Error::Io(_) | Error::Protocol(_))) | None => return Err(Ended::Cut),
                Some(Err(error)) => panic!("{error}"),
            }
        }
    }

    /// Reads to the end; the errors that were told, and how it ended.
    async fn end(&mut self) -> (Vec<ErrorFrame>, Ended) {
        let mut reader = FrameReader::new(limits::MAX_FRAME);
        let mut errors = Vec::new();
        loop {
            let bytes = match self.next().await {
                Ok(bytes) => bytes,
                Err(ended) => return (errors, ended),
            };
            reader.push(&bytes);
            while let Some(raw) = reader.next_frame().unwrap() {
                if let Some(Frame::Error(error)) = Frame::open(&raw, limits::MAX_FRAME).unwrap() {
                    errors.push(error);
                }
            }
        }
    }

    async fn refused_with(mut self, code: Code) {
        let (errors, ended) = self.end().await;
        assert_eq!(errors.last().map(|error| error.code), Some(code), "{errors:?}");
        assert_eq!(ended, Ended::Closed(4000 + code.number()));
    }
}

/// A device on a live connection.
pub struct Live {
    raw: Raw,
    session: Session,
    pub device: Device,
}

impl Live {
    /// Signs in and exchanges everything.
    pub async fn start(relay: &RunningRelay, device: Device) -> Self {
        Self::on(Raw::connect(relay).await, device, 4 << 20).await
    }

    async fn on(raw: Raw, mut device: Device, credit: u64) -> Self {
        let mut config = SessionConfig::new(Role::Initiator, Carrier::Stream, device.deployment.id, device.author);
        config.epoch = Some(device.epoch);
        config.credit = credit;
        config.peer_check = PeerCheck::Signed { challenge: fresh(), binding: [0; 32] };
        let mut session = Session::new(config, device.local());
        let mut out = Vec::new();
        pump(&mut session, &mut device, &mut out).unwrap();
        let mut live = Self { raw, session, device };
        live.raw.say(out).await;
        live
    }

    /// Takes what comes until all is said.
    async fn rest(&mut self) {
        loop {
            let bytes = self.raw.next().await.unwrap();
            let mut out = Vec::new();
            let driven = feed(&mut self.session, &mut self.device, &bytes, &mut out).unwrap();
            if !out.is_empty() {
                self.raw.say(out).await;
            }
            if driven.done.is_some_and(|done| done.equal) {
                return;
            }
        }
    }

    async fn rested(relay: &RunningRelay, device: Device) -> Self {
        let mut live = Self::start(relay, device).await;
        live.rest().await;
        live
    }

    /// Saves an activity and sends it.
    async fn save(&mut self, title: &str) -> lastmile_model::RecordId {
        let id = fresh_id();
        self.device.save(vec![activity(id, title, 1)]);
        for local in self.device.local() {
            self.session.offer(&local.scope, local.vector);
        }
        let mut out = Vec::new();
        pump(&mut self.session, &mut self.device, &mut out).unwrap();
        self.raw.say(out).await;
        id
    }

    /// Goes on for a while; the errors that were told. Nothing may be served.
    pub async fn errors_for_a_while(&mut self) -> Vec<Code> {
        let mut reader = FrameReader::new(limits::MAX_FRAME);
        let mut codes = Vec::new();
        while let Ok(Ok(bytes)) = timeout(Duration::from_millis(500), self.raw.next()).await {
            let mut out = Vec::new();
            feed(&mut self.session, &mut self.device, &bytes, &mut out).unwrap();
            if !out.is_empty() {
                self.raw.say(out).await;
            }
            reader.push(&bytes);
            while let Some(raw) = reader.next_frame().unwrap() {
                match Frame::open(&raw, limits::MAX_FRAME).unwrap().unwrap() {
                    Frame::Batch(_) => panic!("a device that may not read was served"),
                    Frame::Error(error) => codes.push(error.code),
                    _ => {}
                }
            }
        }
        codes
    }

    /// Waits until a record is here.
    async fn until_seen(&mut self, id: lastmile_model::RecordId) {
        while self.device.value("activity", id, "title").is_none() {
            self.rest().await;
        }
    }
}

async fn until(what: &str, mut true_now: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !true_now() {
        assert!(begun.elapsed() < LONG, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_goes_up_is_receipted_and_pushed() {
    let (_folder, relay) = relay().await;
    let mut one = Live::rested(&relay, enrolled(&relay, COMMUNITY).await).await;
    let mut two = Live::rested(&relay, enrolled(&relay, COMMUNITY).await).await;
    let mut elsewhere = Live::rested(&relay, enrolled(&relay, crate::device::OTHER_COMMUNITY).await).await;
    assert_eq!(relay.connected(), 3);
    for number in 0..5 {
        let id = one.save(&format!("活动{number}")).await;
        one.rest().await;
        assert_eq!(one.device.unsent(), 0, "the receipt came with the rest");
        two.until_seen(id).await;
    }
    // By request.
    let mut third = enrolled(&relay, COMMUNITY).await;
    let id = fresh_id();
    third.save(vec![activity(id, "经请求", 1)]);
    let mut third = apart(move || {
        assert_eq!(third.sync(), None);
        third
    })
    .await;
    one.until_seen(id).await;
    two.until_seen(id).await;
    apart(move || third.sync()).await;
    let nothing = timeout(Duration::from_millis(300), elsewhere.raw.next()).await;
    assert!(nothing.is_err(), "a session of another scope is not woken: {nothing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_certified_hears_nothing() {
    let (_folder, relay) = relay().await;
    let device = enrolled(&relay, COMMUNITY).await;
    let mut stranger = enrolled(&relay, COMMUNITY).await;
    stranger.key = AuthorKey::from_seed(&fresh());
    stranger.author = stranger.key.author(&stranger.deployment);
    Live::start(&relay, stranger).await.raw_end(Code::UnknownAuthor).await;
    let mut forger = enrolled(&relay, COMMUNITY).await;
    forger.author = device.author;
    Live::start(&relay, forger).await.raw_end(Code::BadSignature).await;
    let mut late = enrolled(&relay, COMMUNITY).await;
    late.now_ms = NOW - 3_600_000;
    Live::start(&relay, late).await.raw_end(Code::WrongClock).await;
    let mut elsewhen = enrolled(&relay, COMMUNITY).await;
    elsewhen.epoch = device.author;
    Live::start(&relay, elsewhen).await.raw_end(Code::WrongEpoch).await;
    assert_eq!(relay.connected(), 0);
}

impl Live {
    /// Goes on signing in, and is refused.
    async fn raw_end(mut self, code: Code) {
        let mut first = self.raw.next().await.unwrap();
        let mut out = Vec::new();
        // The relay's hello and signature may come in pieces; what the device makes of the refusal is of no account here.
        while out.is_empty() {
            let _ = feed(&mut self.session, &mut self.device, &first, &mut out);
            if out.is_empty() {
                first = self.raw.next().await.unwrap();
            }
        }
        self.raw.say(out).await;
        self.raw.refused_with(code).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_the_subprotocol_is_told_so() {
    let (_folder, relay) = relay().await;
    for (head, status) in [
        ("GET /v1/live HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "426"),
        (
            "GET /v1/live HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: other\r\n\r\n",
            "426",
        ),
        (
            "GET /v1/live HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-protocol: other, lastmile.v1\r\n\r\n",
            "101",
        ),
    ] {
        let mut tcp = TcpStream::connect(relay.addr()).await.unwrap();
        tcp.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 200];
        let read = tcp.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        if status == "101" {
            assert!(answer.to_lowercase().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_sign_in_is_put_out_at_the_header_timeout() {
    let limits = Limits { header_timeout: Duration::from_millis(400), ..Limits::default() };
    let (_folder, relay) = relay_with(LiveOptions::default(), limits).await;
    let mut silent = Raw::connect(&relay).await;
    let begun = Instant::now();
    let (errors, ended) = silent.end().await;
    assert_eq!((errors.len(), ended), (0, Ended::Closed(4902)));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_protocol_ends_the_connection_and_says_why() {
    let live = LiveOptions { credit: 1_000, ..LiveOptions::default() };
    let (_folder, relay) = relay_with(live, Limits::default()).await;
    let device = enrolled(&relay, COMMUNITY).await;
    let hello = Frame::Hello(Hello {
        min_version: 1,
        max_version: 1,
        deployment: device.deployment.id,
        author: device.author,
        epoch: Some(device.epoch),
        app: "hostile".to_owned(),
        credit: 1,
        challenge: None,
        late_scopes: false,
        scopes: Vec::new(),
        extension: Vec::new(),
    });
    let hello = hello.encode().unwrap();
    let mut live = Live::rested(&relay, device).await;
    live.raw.say(hello.repeat(100)).await;
    live.raw.refused_with(Code::OutOfOrder).await;

    let end = Frame::End(End { equal: true, more: false, handled: 0 }).encode().unwrap();
    let mut live = Live::rested(&relay, enrolled(&relay, COMMUNITY).await).await;
    for _ in 0..10 {
        // The last ones may find the connection closed.
        let _ = live.raw.ws.send(Message::binary(end.repeat(10_000))).await;
    }
    live.raw.refused_with(Code::OverLimit).await;

    // More batches at once than were granted.
    let mut live = Live::rested(&relay, enrolled(&relay, COMMUNITY).await).await;
    live.device.save(vec![activity(fresh_id(), &"长".repeat(300), 1)]);
    let scope = live.device.scope.clone();
    live.device.store.seal(&live.device.key, &scope).unwrap();
    let trunk = Segment::trunk(live.device.author);
    let (batches, _) = live.device.store.path_batches(&scope, &trunk, 0, u64::MAX).unwrap();
    let batch = |one: &lastmile_store::Outgoing| {
        let author = live.device.author;
        let frame = BatchFrame { scope: scope.clone(), author, seals: one.seals.clone(), packed: one.packed.clone() };
        Frame::Batch(frame).encode().unwrap()
    };
    let bytes = batch(&batches[0]);
    let flood = bytes.repeat(2 + 1_000 / bytes.len());
    live.raw.say(flood).await;
    live.raw.refused_with(Code::OverCredit).await;

    let mut live = Live::rested(&relay, enrolled(&relay, COMMUNITY).await).await;
    live.raw.say(vec![0xff; 5]).await;
    live.raw.refused_with(Code::BadFrame).await;
    until("all are gone", || relay.connected() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_rules_of_the_socket_ends_it() {
    let (_folder, relay) = relay().await;
    for (message, code) in [
        (Message::binary(vec![0; (256 << 10) + 1]), 1009),
        (Message::binary(vec![0; (1 << 20) + 1]), 1009),
        (Message::text("hello"), 1003),
    ] {
        let mut live = Live::rested(&relay, enrolled(&relay, COMMUNITY).await).await;
        // It may be refused before it was sent whole.
        let _ = live.raw.ws.send(message).await;
        let (_, ended) = live.raw.end().await;
        assert!(ended == Ended::Closed(code) || ended == Ended::Cut, "{code}: {ended:?}");
    }
    until("all are gone", || relay.connected() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_no_sign_for_two_pings_is_dead() {
    let live = LiveOptions { ping: Duration::from_millis(150), ..LiveOptions::default() };
    let (_folder, relay) = relay_with(live, Limits::default()).await;
    let mut live = Live::rested(&relay, enrolled(&relay, COMMUNITY).await).await;
    // Reading answers pings: it stays for as long as that.
    let nothing = timeout(Duration::from_secs(1), live.raw.next()).await;
    assert!(nothing.is_err() && relay.connected() == 1, "{nothing:?}");
    // Not reading does not.
    let begun = Instant::now();
    let gone = until("it is taken for dead", || relay.connected() == 0).await;
    assert!(gone > Duration::from_millis(250) && begun.elapsed() < Duration::from_secs(2), "{gone:?}");
    let (_, ended) = live.raw.end().await;
    assert_eq!(ended, Ended::Closed(4901));
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_frame_that_does_not_go_on_is_given_up() {
    // Long enough that a busy machine does not keep the device from answering.
    let live = LiveOptions { ping: Duration::from_millis(500), ..LiveOptions::default() };
    let (_folder, relay) = relay_with(live, Limits::default()).await;
    let mut live = Live::rested(&relay, enrolled(&relay, COMMUNITY).await).await;
    live.raw.say(vec![0x80, 0x80, 0x04, 3, 0, 1, 2, 3]).await;
    let (errors, ended) = live.raw.end().await;
    assert_eq!((errors.len(), ended), (0, Ended::Closed(4902)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_device_may_do_is_asked_with_every_frame() {
    let now = Arc::new(AtomicI64::new(NOW));
    let clock = Arc::clone(&now);
    let options = RelayOptions { clock: Arc::new(move || clock.load(Ordering::Relaxed)), ..options() };
    let folder = TempDir::new().unwrap();
    let relay = start_with(folder.path(), &options, Limits::default()).await;
    let order = lastmile_relay::InviteOrder {
        until_ms: Some(NOW + 60_000),
        ..lastmile_relay::InviteOrder::new(vec![crate::device::community(COMMUNITY)], relay.url())
    };
    let invite = relay.invite(order).await.unwrap();
    let addr = relay.addr();
    let ending = apart(move || Device::enrol(addr, &invite)).await;
    let mut ending = Live::rested(&relay, ending).await;
    let mut other = Live::rested(&relay, enrolled(&relay, COMMUNITY).await).await;
    let seen = other.save("之前").await;
    ending.until_seen(seen).await;
    now.store(NOW + 120_000, Ordering::Relaxed);
    other.save("之后").await;
    other.rest().await;
    let mut reader = FrameReader::new(limits::MAX_FRAME);
    let mut said = VecDeque::new();
    while let Ok(Ok(bytes)) = timeout(Duration::from_millis(500), ending.raw.next()).await {
        reader.push(&bytes);
        while let Some(raw) = reader.next_frame().unwrap() {
            said.push_back(Frame::open(&raw, limits::MAX_FRAME).unwrap().unwrap());
        }
    }
    assert!(!said.iter().any(|frame| matches!(frame, Frame::Batch(_))), "{said:?}");
    assert!(
        said.iter().any(|frame| matches!(frame, Frame::Error(error) if error.code == Code::UploadOnly)),
        "{said:?}"
    );
    // It may still bring what it holds.
    let id = ending.save("交还之前").await;
    other.until_seen(id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_sockets_at_once_all_hear() {
    let (_folder, relay) = relay().await;
    let mut devices = Vec::new();
    for _ in 0..50 {
        devices.push(enrolled(&relay, COMMUNITY).await);
    }
    let mut tasks = Vec::new();
    let (tell, told) = tokio::sync::watch::channel(None);
    for device in &devices {
        for _ in 0..4 {
            let twin = device.twin();
            let (addr, mut told) = (relay.addr(), told.clone());
            let raw = Raw::connect(&relay).await;
            tasks.push(tokio::spawn(async move {
                assert_eq!(twin.addr, addr);
                let mut live = Live::on(raw, twin, 4 << 20).await;
                live.rest().await;
                let id = told.wait_for(Option::is_some).await.unwrap().unwrap();
                live.until_seen(id).await;
            }));
        }
    }
    until("all are connected", || relay.connected() == 200).await;
    let mut writer = enrolled(&relay, COMMUNITY).await;
    let id = fresh_id();
    writer.save(vec![activity(id, "大家都看到", 1)]);
    apart(move || assert_eq!(writer.sync(), None)).await;
    tell.send_replace(Some(id));
    for task in tasks {
        timeout(LONG, task).await.expect("every socket hears").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_author_has_four_connections_and_the_oldest_goes() {
    let (_folder, relay) = relay().await;
    let device = enrolled(&relay, COMMUNITY).await;
    let mut connections = Vec::new();
    for _ in 0..5 {
        connections.push(Live::rested(&relay, device.twin()).await);
    }
    let (_, ended) = connections[0].raw.end().await;
    assert_eq!(ended, Ended::Closed(4900));
    until("four are left", || relay.connected() == 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_stops_says_farewell_and_knows_when_it_last_heard() {
    let now = Arc::new(AtomicI64::new(NOW));
    let clock = Arc::clone(&now);
    let live = LiveOptions { ping: Duration::from_millis(100), ..LiveOptions::default() };
    let options = RelayOptions { clock: Arc::new(move || clock.load(Ordering::Relaxed)), live, ..options() };
    let folder = TempDir::new().unwrap();
    let relay = start_with(folder.path(), &options, Limits::default()).await;
    let mut live = Live::rested(&relay, enrolled(&relay, COMMUNITY).await).await;
    now.store(NOW + 5_000, Ordering::Relaxed);
    let author = live.device.author.to_string();
    let idle = tokio::spawn(async move { live.raw.end().await });
    let heard = async {
        loop {
            let OfficeAnswer::Status(status) = relay.office().run(OfficeCommand::Status).await.unwrap() else {
                panic!()
            };
            let device = status.devices.iter().find(|device| device.author == author).unwrap();
            if device.last_contact_ms == Some(NOW + 5_000) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, heard).await.expect("the answer to a ping is a contact");
    let begun = Instant::now();
    relay.stop().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(timeout(LONG, idle).await.unwrap().unwrap().1, Ended::Closed(1001));
}
