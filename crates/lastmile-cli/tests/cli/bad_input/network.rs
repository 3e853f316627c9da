//! Ports that are taken, and relays that are something else.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{complaint, error, save, titles, unsent};
use crate::lastmile::{COMMUNITY, Place, Serving, enrolled, json, run, text};

/// A login page that answers everything in its own way.
struct Portal {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Portal {
    fn start(address: SocketAddr, answer: &'static str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                let mut asked = [0; 65_536];
                let _ = stream.read(&mut asked);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = std::net::TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 25\r\nConnection: close\r\n\r\n\
                    <html>please log in</html>";
const MOVED: &str =
    "HTTP/1.1 302 Found\r\nLocation: http://login.invalid/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
/// The right label on the wrong bottle.
const DISGUISED: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.lastmile.v1\r\nContent-Length: 25\r\nConnection: close\r\n\r\n\
                         <html>please log in</html>";
const HANGS_UP: &str = "";

fn address_of(place: &Place) -> SocketAddr {
    std::fs::read_to_string(place.path("address")).unwrap().trim().parse().unwrap()
}

#[test]
fn a_login_page_in_place_of_the_relay_is_recognised_and_nothing_is_lost() {
    let place = Place::new();
    let (serving, relay, device) = enrolled(&place);
    save(&device, "上传过的");
    run(0, &["device", "sync", "--dir", &device]);
    let address = address_of(&place);
    assert_eq!(serving.stop(), Some(0));
    save(&device, "等着的");
    let line = ["device", "sync", "--dir", &device];
    for (answer, words) in [
        (PAGE, ["login page", "登录页"]),
        (MOVED, ["login page", "登录页"]),
        (DISGUISED, ["login page", "登录页"]),
        (HANGS_UP, ["will be sent", "自动上传"]),
    ] {
        let portal = Portal::start(address, answer);
        for (said, word) in complaint(5, &line).iter().zip(words) {
            assert!(said.contains(word) && said.contains(&address.to_string()), "{answer:?}\n{said}");
            assert_eq!(said.matches(&address.to_string()).count(), 1, "the relay is named once\n{said}");
        }
        assert_eq!(error(5, &line).0, "network");
        drop(portal);
        assert_eq!(unsent(&device), 1);
    }
    // Nobody answers at all.
    assert_eq!(error(5, &line).0, "network");
    assert_eq!((unsent(&device), titles(&device).len()), (1, 2));
    // The relay is back at its address.
    let _serving = Serving::start_at(&place, &address.to_string());
    run(0, &line);
    assert_eq!(unsent(&device), 0);
    let counted =
        json(0, &["report", "R4", "--scope", COMMUNITY, "--from", "2025-01-01", "--to", "2025-12-31", "--dir", &relay]);
    assert!(counted["figures"].is_array(), "{counted}");
    assert!(text(&run(0, &["inspect", "--dir", &relay])).contains("applied"));
}

#[test]
fn a_device_is_not_set_up_by_a_login_page() {
    let place = Place::new();
    let (_serving, relay, _) = enrolled(&place);
    let portal = Portal::start("127.0.0.1:0".parse().unwrap(), PAGE);
    let (invite, second) = (place.text("portal.txt"), place.text("second"));
    let url = format!("http://{}", portal.address);
    run(0, &["relay", "invite", "--dir", &relay, "--scope", COMMUNITY, "--url", &url, "--out", &invite]);
    let line = ["device", "init", "--invite-file", &invite, "--dir", &second];
    for (said, word) in complaint(5, &line).iter().zip(["login page", "登录页"]) {
        assert!(said.contains(word), "{said}");
    }
    // Whether the relay heard of the invitation cannot be told from here: the key that it went out with stays, and nothing else.
    let names = std::fs::read_dir(place.path("second")).unwrap().map(|file| file.unwrap().file_name());
    let left: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    assert!(matches!(left.as_slice(), [one] if one.starts_with("enrolment-") && one.ends_with(".key")), "{left:?}");
    let address = portal.address;
    drop(portal);
    // The same invitation is good once the relay itself is reached.
    let forward = forward(address, address_of(&place));
    run(0, &line);
    drop(forward);
}

/// Passes one connection after the other on to where the relay is.
fn forward(from: SocketAddr, to: SocketAddr) -> std::thread::JoinHandle<()> {
    let listener = TcpListener::bind(from).unwrap();
    std::thread::spawn(move || {
        let (mut near, _) = listener.accept().unwrap();
        let mut far = std::net::TcpStream::connect(to).unwrap();
        let (mut near_in, mut far_out) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut near_in, &mut far_out));
        let _ = std::io::copy(&mut far, &mut near);
    })
}

#[test]
fn a_port_in_use_is_named_and_another_one_serves() {
    let place = Place::new();
    let (serving, relay, device) = enrolled(&place);
    save(&device, "之前");
    run(0, &["device", "sync", "--dir", &device]);
    assert_eq!(serving.stop(), Some(0));
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let line = ["relay", "serve", "--dir", &relay, "--listen", &address];
    for (said, word) in complaint(5, &line).iter().zip(["another port", "换"]) {
        assert!(said.contains(&address) && said.contains(word), "{said}");
    }
    assert_eq!(error(5, &line).0, "network");
    let serving = Serving::start(&place);
    // The folder is taken as long as a relay serves it.
    for said in complaint(6, &["relay", "serve", "--dir", &relay, "--listen", "127.0.0.1:0"]) {
        assert!(said.contains("relay.db"), "{said}");
    }
    assert_eq!(titles(&relay), ["之前"]);
    assert_eq!(serving.stop(), Some(0));
    assert!(text(&run(0, &["check", "--dir", &relay])).contains("No damage"));
    drop(other);
    let _serving = Serving::start_at(&place, &address);
    assert_eq!(titles(&relay), ["之前"]);
}
