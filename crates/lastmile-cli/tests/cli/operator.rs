//! What an operator does: a configuration, a relay under TLS, invitations, metrics.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::lastmile::{COMMUNITY, Place, command, json, run, text};
use lastmile_cli::config::KEYS;
use serde_json::Value;

/// A relay that serves as its configuration file says.
struct Relay {
    child: Child,
    announced: Value,
}

impl Relay {
    fn start(place: &Place, options: &[&str]) -> Self {
        let relay = place.text("relay");
        let mut arguments = vec!["relay", "serve", "--dir", &relay, "--json", "--quiet"];
        arguments.extend(options);
        let log = std::fs::File::create(place.path("log")).unwrap();
        let mut child = command(&arguments).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = Vec::new();
        let mut out = child.stdout.take().unwrap();
        let mut byte = [0];
        while out.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            line.push(byte[0]);
        }
        let announced = serde_json::from_slice(&line).unwrap_or_else(|_| {
            panic!("no relay: {}", std::fs::read_to_string(place.path("log")).unwrap());
        });
        Self { child, announced }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    fn stop(mut self) -> Option<i32> {
        self.signal("-TERM");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(address: &str, path: &str) -> String {
    let mut tcp = TcpStream::connect(address).unwrap();
    write!(tcp, "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    answer
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn from_a_configuration_file_to_an_enrolled_device_under_tls() {
    let place = Place::new();
    let (relay, device) = (place.text("relay"), place.text("device"));
    write(
        &place.path("relay/relay.toml"),
        "listen = \"127.0.0.1:0\"\n[tls]\nmode = \"private\"\n[metrics]\nlisten = \"0\"\n[log]\nformat = \"json\"\nlevel = \"debug\"\n",
    );
    let serving = Relay::start(&place, &[]);
    let url = serving.announced["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let (invite, svg, png) = (place.text("invite.txt"), place.text("code.svg"), place.text("code.png"));
    let order = ["relay", "invite", "--dir", &relay, "--scope", COMMUNITY, "--out", &invite, "--qr", &svg];
    run(0, &order);
    assert!(std::fs::read_to_string(&svg).unwrap().starts_with("<svg "));
    run(0, &["relay", "invite", "--dir", &relay, "--scope", COMMUNITY, "--qr", &png]);
    assert!(std::fs::read(&png).unwrap().starts_with(b"\x89PNG\r\n\x1a\n"));
    #[cfg(unix)]
    for code in [&svg, &png] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(code).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "whoever reads the code can use it");
    }
    run(2, &["relay", "invite", "--dir", &relay, "--scope", COMMUNITY, "--qr", &place.text("code.gif")]);
    run(0, &["device", "init", "--invite-file", &invite, "--dir", &device]);
    run(0, &["device", "sync", "--dir", &device]);
    serving.signal("-HUP");
    std::thread::sleep(Duration::from_millis(500));
    run(0, &["device", "sync", "--dir", &device]);
    let metrics = get(serving.announced["metrics"].as_str().unwrap(), "/metrics");
    let synced =
        metrics.lines().find_map(|line| line.strip_prefix("lastmile_requests_total{path=\"sync\",outcome=\"ok\"} "));
    assert!(synced.unwrap().parse::<u64>().unwrap() >= 2, "{metrics}");
    assert_eq!(serving.stop(), Some(0));

    let log = std::fs::read_to_string(place.path("log")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = |message: &str| lines.iter().find(|line| line["message"] == message).unwrap_or_else(|| panic!("{log}"));
    assert_eq!(said("the relay serves")["encrypted"], true);
    assert_eq!(said("a request was answered")["span"]["id"].as_str().unwrap().len(), 16);
    assert!(lines.iter().any(|line| line["message"] == "another certificate is shown"), "{log}");
    assert!(!log.contains(COMMUNITY), "{log}");

    // Another relay's answer at that address is not believed, in both languages, and says what to do.
    let other = Place::new();
    let somebody =
        Relay::start(&other, &["--listen", url.strip_prefix("https://").unwrap(), "--set", "tls.mode=private"]);
    for (language, word) in [("en", "another authority"), ("zh-CN", "另一机构")] {
        let output = run(5, &["device", "sync", "--dir", &device, "--lang", language]);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(complaint.contains(word), "{complaint}");
    }
    assert_eq!(somebody.stop(), Some(0));
}

#[test]
fn mistakes_of_a_configuration_are_named_and_nothing_starts() {
    let place = Place::new();
    let relay = place.text("relay");
    let file = place.path("relay/relay.toml");
    write(&file, "listen = \"127.0.0.1:0\"\n\n[limits]\nconections = 5\n");
    let output = run(2, &["relay", "serve", "--dir", &relay, "--lang", "en", "--set", "log.level=loud"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for word in
        ["relay.toml:4", "`limits.conections`", "`limits.connections`", "--set", "`log.level`", "docs/operations.md"]
    {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!place.path("relay/relay.db").exists());
    run(4, &["relay", "serve", "--dir", &relay, "--config", &place.text("none.toml")]);
    let mut with_variable = command(&["relay", "check-config", "--dir", &relay, "--lang", "en"]);
    let output = with_variable.env("LASTMILE_RELAY_LISTNE", "x").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("LASTMILE_RELAY_LISTNE"), "{}", text(&output));
}

#[test]
fn check_config_tells_what_is_in_force_and_who_said_so() {
    let place = Place::new();
    let relay = place.text("relay");
    let file = place.path("relay/relay.toml");
    write(&file, "listen = \"127.0.0.1:0\"\nproxies = [\"127.0.0.2\"]\n\n[tls]\nnames = [\"relay.example\"]\n");
    let mut line = command(&["relay", "check-config", "--dir", &relay, "--json", "--max-connections", "9"]);
    let output = line.env("LASTMILE_RELAY_LOG_LEVEL", "info").output().unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |key: &str| {
        let all = shown["settings"].as_array().unwrap();
        let one = all.iter().find(|one| one["key"] == key).unwrap_or_else(|| panic!("{key}"));
        (one["value"][0].clone(), one["from"].as_str().unwrap().to_owned())
    };
    assert_eq!(of("listen"), ("127.0.0.1:0".into(), format!("{}:1", file.display())));
    assert_eq!(of("tls.names"), ("relay.example".into(), format!("{}:5", file.display())));
    assert_eq!(of("log.level"), ("info".into(), "LASTMILE_RELAY_LOG_LEVEL".to_owned()));
    assert_eq!(of("limits.connections"), ("9".into(), "--max-connections".to_owned()));
    assert_eq!(of("limits.idle_seconds"), ("75".into(), "default".to_owned()));
    assert_eq!(shown["settings"].as_array().unwrap().len(), KEYS.len());
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(!place.path("relay/relay.db").exists(), "nothing is started");

    // Files: a certificate for another name than the URL's host, and one that is not there.
    let made = Place::new();
    let serving = Relay::start(&made, &["--listen", "127.0.0.1:0", "--set", "tls.mode=private"]);
    assert_eq!(serving.stop(), Some(0));
    let (chain, key) = (made.text("relay/ca.crt"), made.text("relay/ca.key"));
    let files = ["relay", "check-config", "--dir", &relay, "--tls-certificate", &chain, "--tls-key", &key];
    let shown = json(2, &[&files[..], &["--public-url", "https://relay.example"]].concat());
    let found = shown["findings"].to_string();
    assert!(found.contains("relay.example") && found.contains("\"error\""), "{found}");
    let shown = json(2, &[&files[..5], &["none.pem", "--tls-key", &key]].concat());
    assert!(shown["findings"].to_string().contains("none.pem"), "{shown}");
    // The private authority, before and after its making; a proxy out of reach.
    let shown = json(0, &["relay", "check-config", "--dir", &made.text("relay"), "--set", "tls.mode=private"]);
    assert!(shown["findings"].to_string().contains("ca.crt"), "{shown}");
    let shown = json(
        0,
        &["relay", "check-config", "--dir", &relay, "--proxy", "10.0.0.4", "--public-url", "https://a.example"],
    );
    assert!(shown["findings"].to_string().contains("\"warning\""), "{shown}");
}

#[test]
fn an_invitation_in_clear_text_to_another_computer_is_not_made() {
    let place = Place::new();
    let relay = place.text("relay");
    let serving = Relay::start(&place, &["--listen", "127.0.0.1:0"]);
    let order = ["relay", "invite", "--dir", &relay, "--scope", COMMUNITY, "--lang", "en", "--url"];
    let output = run(2, &[&order[..], &["http://relay.example:8440"]].concat());
    assert!(String::from_utf8_lossy(&output.stderr).contains("https://"));
    run(0, &[&order[..], &["https://relay.example:8440"]].concat());
    assert_eq!(serving.stop(), Some(0));
    run(2, &["relay", "serve", "--dir", &relay, "--listen", "127.0.0.1:0", "--public-url", "http://relay.example"]);
}

/// The lines of the table of keys in docs/operations.md: key, default.
fn documented() -> Vec<(String, String)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    let section = page.split("\n## Configuration keys\n").nth(1).unwrap().split("\n## ").next().unwrap().to_owned();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[3].trim_matches('`').to_owned())
    })
    .collect()
}

#[test]
fn the_page_for_operators_lists_every_key_with_its_default() {
    let known: Vec<_> = KEYS.iter().map(|spec| (spec.name.to_owned(), spec.default.to_owned())).collect();
    assert_eq!(documented(), known);
}

#[test]
fn the_page_for_operators_tells_of_every_metric() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    let place = Place::new();
    let serving = Relay::start(&place, &["--listen", "127.0.0.1:0", "--metrics", "0", "--set", "tls.mode=private"]);
    let metrics = get(serving.announced["metrics"].as_str().unwrap(), "/metrics");
    let names: Vec<&str> = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(names.len() > 20, "{metrics}");
    for name in &names {
        assert!(page.contains(&format!("`{name}`")) || page.contains(&format!("`{name}{{")), "{name} is not described");
    }
    let told = page.split('`').filter(|word| word.starts_with("lastmile_"));
    for word in told {
        let name = word.split(['{', ' ', '[']).next().unwrap();
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(names.contains(&name) || names.contains(&base), "{word} is no metric");
    }
}
