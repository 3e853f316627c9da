//! Bodies of HTTP requests to a relay that runs in this process: exchanges, enrolments, commands of the office.
//!
//! The first byte says which endpoint, the rest are frames or JSON; hellos are made out in the name of an enrolled device and
//! exchanges are signed by it. Laws: the relay answers everything, never by having failed itself; what it says are whole
//! frames or JSON; it stays well. The relay keeps what it takes, so an input depends on those before it; memory and CPU time
//! of its own threads are not measured here.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use lastmile_log::{AuthorKey, Deployment, Seal, chain_hash};
use lastmile_model::AuthorId;
use lastmile_protocol::enrol::{enrol_request, read_enrolled_response};
use lastmile_protocol::frame::{BatchFrame, Hello};
use lastmile_protocol::request::sign_body;
use lastmile_protocol::{Code, Frame};
use lastmile_relay::{InviteOrder, RateLimits, Relay, RelayFolder, RelayOptions, Serving};
use rand::{Rng, SeedableRng};

use crate::mutate::Random;
use crate::support::scope;
use crate::targets::entry;
use crate::{commits, frames, tally};

const NOW: i64 = 1_764_000_000_000;

/// A relay that runs until the process ends, and a device that it knows.
struct Running {
    addr: SocketAddr,
    key: AuthorKey,
    deployment: Deployment,
    author: AuthorId,
    epoch: AuthorId,
    token: String,
}

static RELAY: LazyLock<Running> = LazyLock::new(|| {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let options = RelayOptions {
                clock: Arc::new(|| NOW),
                daily_commits: u64::MAX,
                daily_bytes: u64::MAX,
                ..RelayOptions::default()
            };
            let opened = RelayFolder::open_or_create(folder.path(), &options).unwrap();
            let mut serving = Serving::new("127.0.0.1:0".parse().unwrap(), lastmile_web::Limits::default());
            // One device asks as often as it can.
            serving.bounds.rates = RateLimits::UNLIMITED;
            let relay = Relay::serve(opened, serving).await.unwrap();
            let invite = relay.invite(InviteOrder::new(vec![scope()], relay.url())).await.unwrap();
            let token = std::fs::read_to_string(folder.path().join("admin.token")).unwrap();
            send.send((relay.addr(), relay.deployment(), relay.epoch(), invite.token, token)).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let (addr, deployment, epoch, invite, token) = receive.recv().unwrap();
    let key = AuthorKey::from_seed(&[0x77; 32]);
    let body = enrol_request(&key, &deployment, invite, "平板", NOW, nonce()).unwrap();
    let (status, answer) = post(addr, "/v1/enrol", "", &body);
    assert_eq!(status, 200);
    read_enrolled_response(&answer).unwrap().unwrap();
    Running { addr, author: key.author(&deployment), key, deployment, epoch, token }
});

/// Sixteen bytes that were not given before.
fn nonce() -> [u8; 16] {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let mut nonce = [0; 16];
    nonce[8..].copy_from_slice(&NUMBER.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    nonce
}

fn post(addr: SocketAddr, path: &str, headers: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut tcp = TcpStream::connect(addr).unwrap();
    let head = format!("POST {path} HTTP/1.0\r\nhost: relay\r\n{headers}content-length: {}\r\n\r\n", body.len());
    tcp.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).unwrap();
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("the head of an answer");
    let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
    (status, answer.split_off(at + 4))
}

/// Sends one request.
pub fn run(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let relay = &*RELAY;
    match how % 4 {
        0 | 1 => exchange(relay, *how, rest),
        2 if how & 16 != 0 => ask_of_files(relay, rest),
        2 => {
            let (status, answer) = post(relay.addr, "/v1/enrol", "", rest);
            spoken(status, &answer);
        }
        _ => {
            let headers =
                format!("authorization: Bearer {}\r\n", if how & 16 == 0 { relay.token.as_str() } else { "x" });
            let (status, answer) = post(relay.addr, "/v1/office", &headers, rest);
            assert!(matches!(status, 200 | 400 | 403 | 404 | 409), "{status}: {}", String::from_utf8_lossy(&answer));
            serde_json::from_slice::<serde_json::Value>(&answer).unwrap();
            if status != 400 && status != 403 {
                tally::note("a command");
            }
        }
    }
}

fn exchange(relay: &Running, how: u8, stream: &[u8]) {
    let (list, rest) = frames::cut(stream);
    let mut body = Vec::new();
    let begins = list.first().and_then(|frame| frames::open(frame));
    let greeting =
        (how & 64 == 0 && !matches!(begins, Some(Frame::Hello(_)))).then(|| frames::hello(2, None).encode().unwrap());
    for frame in greeting.into_iter().chain(list) {
        match frames::open(&frame) {
            // The last frame alone may be a signature.
            Some(Frame::Auth(_)) if how & 8 == 0 => {}
            // What has its own endpoint mostly goes there.
            Some(Frame::Files(_) | Frame::Held(_) | Frame::Piece(_) | Frame::Fetch(_)) if how & 128 == 0 => {}
            Some(Frame::Hello(hello)) if how & 32 == 0 => {
                let own =
                    Hello { deployment: relay.deployment.id, author: relay.author, epoch: Some(relay.epoch), ..hello };
                body.extend(Frame::Hello(own).encode().unwrap());
            }
            _ => body.extend(frame),
        }
    }
    if how & 4 == 0 {
        // Commits of the device's own, bent and sealed.
        let mut rng =
            Random::seed_from_u64(stream.iter().fold(0, |hash: u64, byte| hash.wrapping_mul(31) + u64::from(*byte)));
        let mut commits = commits::log_of(relay.author, 50);
        (0..rng.random_range(0..4)).for_each(|_| commits::mutate_commits(&mut commits, &mut rng));
        if let (Some(packed), Some(last)) = (commits::packed(&commits), commits.last()) {
            let seal = Seal::sign(&relay.key, &relay.deployment, &scope(), last.header.seq, chain_hash(&last.header));
            let batch = BatchFrame { scope: scope(), author: relay.author, seals: vec![seal], packed };
            body.extend(Frame::Batch(batch).encode().unwrap());
        }
    }
    body.extend(rest);
    if how & 8 == 0 {
        sign_body(&mut body, &relay.key, &relay.deployment, Some(relay.epoch), NOW, nonce()).unwrap();
    }
    let (status, answer) = post(relay.addr, "/v1/sync", "", &body);
    spoken(status, &answer);
    if status == 200 {
        tally::note("an exchange");
    }
}

/// Asks about files: the first question that there is, made out in the device's name and signed by it.
fn ask_of_files(relay: &Running, stream: &[u8]) {
    let (list, rest) = frames::cut(stream);
    let is_question =
        |frame: &&Vec<u8>| matches!(frames::open(frame), Some(Frame::Files(_) | Frame::Piece(_) | Frame::Fetch(_)));
    let Frame::Hello(hello) = frames::hello(2, None) else { return };
    let own = Hello {
        deployment: relay.deployment.id,
        author: relay.author,
        epoch: Some(relay.epoch),
        scopes: Vec::new(),
        ..hello
    };
    let mut body = Frame::Hello(own).encode().unwrap();
    body.extend(list.iter().find(is_question).into_iter().flatten());
    body.extend(rest);
    sign_body(&mut body, &relay.key, &relay.deployment, Some(relay.epoch), NOW, nonce()).unwrap();
    let (status, answer) = post(relay.addr, "/v1/files", "", &body);
    // The lane waits for the views: 503 says so.
    assert!(matches!(status, 200 | 400 | 401 | 403 | 404 | 413 | 503), "status {status}");
    let (list, rest) = frames::cut(&answer);
    assert!(rest.is_empty() && list.iter().all(|frame| frames::open(frame).is_some()), "half a frame was answered");
    if status == 200 || status == 404 {
        tally::note("a question about files");
    }
}

/// Holds an answer to whole frames, none of which says that the relay failed.
fn spoken(status: u16, answer: &[u8]) {
    let (list, rest) = frames::cut(answer);
    assert!(rest.is_empty(), "half a frame was answered");
    for frame in list {
        match frames::open(&frame).expect("a frame that nobody can read was answered") {
            Frame::Error(error) => {
                let failed = matches!(error.code, Code::Internal | Code::CannotStore | Code::Busy);
                assert!(!failed, "the relay failed: {}", error.code);
            }
            Frame::Receipts(_) => tally::note("receipts"),
            _ => {}
        }
    }
    assert!(matches!(status, 200 | 400 | 401 | 403 | 413), "status {status}");
}

/// Exchanges, enrolments and commands.
pub fn seeds() -> Vec<Vec<u8>> {
    let hello = frames::hello(2, None).encode().unwrap();
    let mut seeds = vec![[vec![0], hello.clone()].concat(), [vec![4], hello].concat()];
    seeds.extend(
        frames::golden().into_iter().flat_map(|bytes| [[vec![0], bytes.clone()].concat(), [vec![2], bytes].concat()]),
    );
    let is_question =
        |bytes: &Vec<u8>| matches!(frames::open(bytes), Some(Frame::Files(_) | Frame::Piece(_) | Frame::Fetch(_)));
    seeds.extend(frames::golden().into_iter().filter(is_question).map(|bytes| [vec![18], bytes].concat()));
    seeds.extend(entry::objects().into_iter().cycle().take(40).map(|text| [vec![3], text.into_bytes()].concat()));
    seeds
}

/// Mutates frames, or the JSON of a command.
pub fn mutate(data: &[u8], rng: &mut Random) -> Vec<u8> {
    let (how, rest) = data.split_first().unwrap_or((&0, &[]));
    let how = if rng.random_bool(0.1) { how ^ [4, 8, 16, 32, 128][rng.random_range(0..5)] } else { *how };
    if how % 4 == 3 {
        return [vec![how], entry::mutate_json(rest, rng)].concat();
    }
    [vec![how], frames::mutate_stream(rest, rng)].concat()
}
