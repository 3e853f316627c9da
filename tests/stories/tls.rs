//! A relay under TLS, its operator and its devices.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use lastmile_client::http::Carrier;
use lastmile_client::{ClientError, Distrust, Replica, ReplicaOptions, Transport};
use lastmile_log::{Invite, sha256};
use lastmile_relay::{
    Encryption, InviteOrder, Office, OfficeAnswer, OfficeCommand, Relay, RelayFolder, RelayOptions, RunningRelay,
    Serving,
};
use lastmile_web::Limits;
use lastmile_web::tls::pem;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PublicKeyData as _};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::field::{add_activity, scope, settle};
use crate::live::{Live, until};

const NOWHERE: &str = "127.0.0.1:0";

fn private(listen: SocketAddr) -> Serving {
    let encryption = Encryption::Private { names: Vec::new() };
    Serving { encryption, metrics: Some(NOWHERE.parse().unwrap()), ..Serving::new(listen, Limits::default()) }
}

async fn serve(folder: &Path, serving: Serving) -> RunningRelay {
    let folder = RelayFolder::open_or_create(folder, &RelayOptions::default()).unwrap();
    Relay::serve(folder, serving).await.unwrap()
}

async fn invite(relay: &RunningRelay) -> Invite {
    relay.invite(InviteOrder::new(vec![scope()], relay.url())).await.unwrap()
}

fn distrust<T: std::fmt::Debug>(result: Result<T, ClientError>) -> Distrust {
    match result {
        Err(ClientError::Untrusted { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

async fn get(addr: SocketAddr, path: &str) -> String {
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_believes_the_authority_of_its_invite_wherever_the_relay_goes() {
    let folder = tempfile::tempdir().unwrap();
    let (at, device) = (folder.path().join("relay"), folder.path().join("device"));
    let relay = serve(&at, private(NOWHERE.parse().unwrap())).await;
    let invite = invite(&relay).await;
    assert!(invite.relay.starts_with("https://") && invite.pin.is_some(), "{invite:?}");
    let mut wrong = invite.clone();
    wrong.pin = Some([7; 32]);
    let refused = Replica::enrol(&device, &wrong, "phone", ReplicaOptions::default()).await;
    assert_eq!(distrust(refused), Distrust::OtherAuthority);
    assert!(!device.exists(), "nothing is left of a try that said nothing");

    let mut replica = Replica::enrol(&device, &invite, "phone", ReplicaOptions::default()).await.unwrap();
    add_activity(&replica, "清洁日", 20);
    settle(&replica).await;
    // Clear text is for this computer alone, before and after a reopening.
    let clear = replica.set_relay("http://198.51.100.7:8440").unwrap_err();
    assert!(matches!(clear, ClientError::ClearText(_)), "{clear}");
    replica.set_relay(&format!("https://localhost:{}", relay.addr().port())).unwrap();
    settle(&replica).await;
    replica.close().unwrap();
    let port = relay.addr();
    relay.stop().await.unwrap();

    // Another authority at the same address, as somebody in between has: nothing is said to it, nothing is lost.
    let other = folder.path().join("other");
    let somebody = serve(&other, private(port)).await;
    let mut replica = Replica::open(&device, ReplicaOptions::default()).unwrap();
    assert_eq!(replica.pin(), invite.pin);
    add_activity(&replica, "义诊", 5);
    assert_eq!(distrust(replica.sync().await), Distrust::OtherAuthority);
    assert_eq!(replica.status().unwrap().unsent_commits, 1);
    replica.set_relay("http://127.0.0.1:1").unwrap();
    assert!(matches!(replica.sync().await, Err(ClientError::Unreachable { .. })));
    somebody.stop().await.unwrap();

    let relay = serve(&at, private(port)).await;
    replica.set_relay(&relay.url()).unwrap();
    settle(&replica).await;
    assert_eq!(replica.status().unwrap().unsent_commits, 0);
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_stay_connected_under_tls() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("relay");
    let relay = serve(&at, private(NOWHERE.parse().unwrap())).await;
    let mut live = Vec::new();
    for name in ["one", "two"] {
        let options = ReplicaOptions::default();
        let replica = Replica::enrol(&folder.path().join(name), &invite(&relay).await, name, options).await.unwrap();
        live.push(Live::start(replica));
    }
    until("the devices connect", || relay.connected() == 2).await;
    let id = add_activity(&live[0].replica, "清洁日", 20);
    until("it is pushed", || live[1].has(id)).await;
    let addr = relay.addr();
    relay.stop().await.unwrap();

    // A connection is begun with nobody else.
    let somebody = serve(&folder.path().join("other"), private(addr)).await;
    let second = add_activity(&live[0].replica, "义诊", 5);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((somebody.connected(), live[1].has(second)), (0, false));
    somebody.stop().await.unwrap();
    let relay = serve(&at, private(addr)).await;
    until("it comes after all", || live[1].has(second) && relay.connected() == 2).await;
    drop(live);
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_office_reaches_a_relay_under_tls_and_its_invites_are_pinned() {
    let folder = tempfile::tempdir().unwrap();
    let relay = serve(folder.path(), private(NOWHERE.parse().unwrap())).await;
    let order = |relay: Option<&str>| OfficeCommand::Invite {
        scopes: vec![scope().to_string()],
        roles: vec!["worker".to_owned()],
        persons: Vec::new(),
        device: String::new(),
        until_ms: None,
        valid_hours: 1,
        relay: relay.map(str::to_owned),
        replaces: None,
    };
    let ask = |command: OfficeCommand| {
        let at = folder.path().to_owned();
        tokio::task::spawn_blocking(move || Office::open(&at, &RelayOptions::default()).unwrap().run(command).unwrap())
    };
    let read = |answer: OfficeAnswer| match answer {
        OfficeAnswer::Invite { text, .. } => Invite::from_text(&text).unwrap(),
        other => panic!("{other:?}"),
    };
    let running = read(ask(order(None)).await.unwrap());
    assert_eq!(running.relay, relay.url());
    let pin = running.pin.expect("an invite to a private authority is pinned");
    relay.stop().await.unwrap();
    // While no relay runs, the folder knows the pin, and where there is no TLS it says nothing.
    let resting = read(ask(order(Some("https://relay.example:8440"))).await.unwrap());
    assert_eq!(resting.pin, Some(pin));
    assert_eq!(read(ask(order(Some("http://127.0.0.1:8440"))).await.unwrap()).pin, None);
    serve(folder.path(), Serving::new(NOWHERE.parse().unwrap(), Limits::default())).await.stop().await.unwrap();
    assert_eq!(read(ask(order(Some("https://relay.example:8440"))).await.unwrap()).pin, None, "another's TLS");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_tell_of_no_person_and_readiness_of_room() {
    let folder = tempfile::tempdir().unwrap();
    let relay = serve(&folder.path().join("relay"), private(NOWHERE.parse().unwrap())).await;
    let invite = invite(&relay).await;
    let device = folder.path().join("device");
    let replica = Replica::enrol(&device, &invite, "张三的手机", ReplicaOptions::default()).await.unwrap();
    add_activity(&replica, "清洁日", 20);
    settle(&replica).await;
    relay.settle().await.unwrap();
    let metrics = relay.metrics_addr().unwrap();
    assert!(get(metrics, "/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(get(metrics, "/v1/sync").await.starts_with("HTTP/1.1 404"), "nothing else is served there");
    tokio::time::sleep(Duration::from_millis(2_100)).await; // counts are told again for two seconds
    let page = get(metrics, "/metrics").await;
    let value = |name: &str| -> f64 {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{page}")).parse().unwrap()
    };
    assert!(page.contains("content-type: text/plain; version=0.0.4"), "{page}");
    assert_eq!(value("lastmile_ready"), 1.0);
    assert_eq!(value("lastmile_requests_total{path=\"enrol\",outcome=\"ok\"}"), 1.0);
    assert!(value("lastmile_requests_total{path=\"sync\",outcome=\"ok\"}") >= 1.0);
    assert!(value("lastmile_request_seconds_count{path=\"sync\"}") >= 1.0);
    assert!(value("lastmile_connections_accepted_total") >= 1.0);
    assert!(value("lastmile_uploads_total") >= 1.0 && value("lastmile_group_commits_total") >= 1.0);
    assert!(value("lastmile_changes{state=\"applied\"}") >= 1.0);
    assert_eq!((value("lastmile_views_behind"), value("lastmile_waiting_seconds")), (0.0, 0.0));
    assert!(value("lastmile_database_bytes") > 0.0 && value("lastmile_disk_free_bytes") > 0.0);
    assert!((88.0..=90.0).contains(&value("lastmile_certificate_days_left")));
    assert_eq!(value("lastmile_last_backup_timestamp_seconds"), 0.0);
    let to = folder.path().join("backup");
    relay.office().run(lastmile_relay::OfficeCommand::Backup { to }).await.unwrap();
    let page = get(metrics, "/metrics").await;
    let taken = page.lines().find_map(|line| line.strip_prefix("lastmile_last_backup_timestamp_seconds "));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(taken.is_some_and(|at| now.abs_diff(at.parse().unwrap()) < 600), "{page}");
    for secret in ["张三", "清洁日", scope().code(), &replica.author().to_string(), &relay.epoch().to_string()] {
        assert!(!page.contains(secret), "{secret} stands in\n{page}");
    }
    relay.stop().await.unwrap();

    let full = Serving { disk_floor: u64::MAX, ..private(NOWHERE.parse().unwrap()) };
    let relay = serve(&folder.path().join("relay"), full).await;
    let answer = get(relay.metrics_addr().unwrap(), "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("room"), "{answer}");
    assert!(get(relay.metrics_addr().unwrap(), "/healthz").await.starts_with("HTTP/1.1 200"), "it lives");
    assert!(get(relay.metrics_addr().unwrap(), "/metrics").await.contains("lastmile_ready 0"));
    relay.stop().await.unwrap();
}

/// An operator's own authority, which issues files.
struct Operator {
    key: KeyPair,
    params: CertificateParams,
    certificate: String,
}

impl Operator {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "City authority");
        let certificate = pem::encode("CERTIFICATE", params.self_signed(&key).unwrap().der());
        Self { key, params, certificate }
    }

    fn pin(&self) -> [u8; 32] {
        sha256(&self.key.subject_public_key_info())
    }

    fn issue(&self, name: &str, certificate: &Path, key: &Path) {
        let own = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let made = params.signed_by(&own, &Issuer::new(self.params.clone(), &self.key)).unwrap();
        std::fs::write(certificate, pem::encode("CERTIFICATE", made.der()) + &self.certificate).unwrap();
        std::fs::write(key, pem::encode("PRIVATE KEY", &own.serialize_der())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_certificate_is_read_again_when_its_files_change_or_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let operator = Operator::new();
    let (certificate, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    operator.issue("127.0.0.1", &certificate, &key);
    let own = |every: Duration| Serving {
        encryption: Encryption::Own { certificate: certificate.clone(), key: key.clone() },
        certificate_check: every,
        ..Serving::new(NOWHERE.parse().unwrap(), Limits::default())
    };
    // What a device meets: a new connection each time.
    let meet = async |relay: &RunningRelay| {
        let carrier = Carrier::new(&relay.url(), Some(operator.pin()), Duration::from_secs(10)).unwrap();
        match carrier.post("/v1/sync", b"nothing".to_vec(), &watch::Sender::default()).await {
            Ok(_) => None,
            Err(ClientError::Untrusted { why, .. }) => Some(why),
            Err(other) => panic!("{other}"),
        }
    };
    let until = async |relay: &RunningRelay, met: Option<Distrust>| {
        for _ in 0..400 {
            if meet(relay).await == met {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("another certificate was shown than {met:?}");
    };

    let relay = serve(&folder.path().join("one"), own(Duration::from_millis(50))).await;
    assert_eq!(invite(&relay).await.pin, None, "whom the system trusts decides about an own certificate");
    until(&relay, None).await;
    let standing = Carrier::new(&relay.url(), Some(operator.pin()), Duration::from_secs(10)).unwrap();
    let told = watch::Sender::default();
    standing.post("/v1/sync", b"nothing".to_vec(), &told).await.unwrap();
    operator.issue("127.0.0.2", &certificate, &key);
    until(&relay, Some(Distrust::WrongName)).await;
    standing.post("/v1/sync", b"nothing".to_vec(), &told).await.expect("a connection that stands goes on");
    // What cannot be used changes nothing.
    operator.issue("127.0.0.1", &certificate, &key);
    until(&relay, None).await;
    std::fs::write(&key, "no key").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    until(&relay, None).await;
    relay.stop().await.unwrap();

    operator.issue("127.0.0.1", &certificate, &key);
    let relay = serve(&folder.path().join("one"), own(Duration::from_secs(3600))).await;
    operator.issue("127.0.0.2", &certificate, &key);
    assert_eq!(meet(&relay).await, None, "not looked at yet");
    relay.reload();
    until(&relay, Some(Distrust::WrongName)).await;
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relays_own_certificate_is_renewed_before_its_end() {
    const DAY_MS: i64 = 86_400_000;
    let folder = tempfile::tempdir().unwrap();
    let (system, ahead_ms) = (lastmile_relay::system_clock(), Arc::new(AtomicI64::new(0)));
    let ahead = Arc::clone(&ahead_ms);
    let clock: lastmile_relay::Clock = Arc::new(move || system() + ahead.load(Ordering::Relaxed));
    let options = RelayOptions { clock, ..RelayOptions::default() };
    let opened = RelayFolder::open_or_create(folder.path(), &options).unwrap();
    let every = Duration::from_millis(20);
    let serving = Serving { certificate_check: every, ..private(NOWHERE.parse().unwrap()) };
    let relay = Relay::serve(opened, serving).await.unwrap();
    let metrics = relay.metrics_addr().unwrap();
    let left = async || -> i64 {
        let page = get(metrics, "/metrics").await;
        let line = page.lines().find_map(|line| line.strip_prefix("lastmile_certificate_days_left "));
        line.unwrap().parse().unwrap()
    };
    assert_eq!(left().await, 89);
    ahead_ms.store(59 * DAY_MS, Ordering::Relaxed);
    tokio::time::sleep(every * 10).await;
    assert_eq!(left().await, 30, "not due yet");
    ahead_ms.store(61 * DAY_MS, Ordering::Relaxed);
    for _ in 0..400 {
        if left().await == 89 {
            return relay.stop().await.unwrap();
        }
        tokio::time::sleep(every).await;
    }
    panic!("the certificate was not renewed: {} days are left", left().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_names_its_request() {
    let folder = tempfile::tempdir().unwrap();
    let relay = serve(folder.path(), Serving::new(NOWHERE.parse().unwrap(), Limits::default())).await;
    let id = |answer: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix("x-request-id: "));
        line.unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    let (one, two) = (get(relay.addr(), "/healthz").await, get(relay.addr(), "/nothing").await);
    assert_eq!(id(&one).len(), 16);
    assert_ne!(id(&one), id(&two));
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_do_not_fit_keep_a_relay_from_starting_and_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let operator = Operator::new();
    let (certificate, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    operator.issue("127.0.0.1", &certificate, &key);
    operator.issue("127.0.0.1", &folder.path().join("unused.pem"), &key);
    let serving = Serving {
        encryption: Encryption::Own { certificate, key },
        ..Serving::new(NOWHERE.parse().unwrap(), Limits::default())
    };
    let opened = RelayFolder::open_or_create(folder.path().join("relay"), &RelayOptions::default()).unwrap();
    let error = Relay::serve(opened, serving).await.unwrap_err().to_string();
    assert!(error.contains("key.pem") && error.contains("is not the key of the certificate"), "{error}");
}
