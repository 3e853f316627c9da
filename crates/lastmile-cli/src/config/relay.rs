//! The settings as a relay takes them.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use lastmile_relay::{Allowance, Bounds, Encryption, FilePlace, RateLimits, RelayOptions, Serving};
use lastmile_web::{ForwardedBy, Limits};

use super::Settings;
use super::keys::near_listen;

/// In which form the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A relay's configuration.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// Where, within which bounds and encrypted how it serves.
    pub serving: Serving,
    /// The most commits of one author taken in one scope and day.
    pub daily_commits: u64,
    /// The most bytes of one author taken in one scope and day.
    pub daily_bytes: u64,
    /// The most bytes of attachments of one author taken in one scope and day.
    pub daily_file_bytes: u64,
    /// Where the files of attachments are kept.
    pub files: Option<FilePlace>,
    /// Versions of apps whose work is held back.
    pub stopped_versions: BTreeSet<String>,
    /// Where the register of revocations and erasures is kept.
    pub register: Option<PathBuf>,
    /// The log's form.
    pub log_format: LogFormat,
    /// The least important level that is logged.
    pub log_level: String,
}

/// Why settings that are each right make no configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contradiction {
    /// `tls.mode = "files"`, and not both files are named.
    FilesMissing,
    /// Files are named, and the mode takes none.
    FilesUnused,
    /// Clear text at an address that other computers reach, and no proxy is named.
    ClearText,
    /// The URL and the encryption do not fit: clear text to other computers.
    ClearUrl,
    /// Devices and metrics are to be served at the same address.
    SameAddress,
}

impl RelayConfig {
    /// Puts the settings together; every value was looked at when it was set.
    ///
    /// # Errors
    /// When they contradict each other.
    pub fn of(settings: &Settings) -> Result<Self, Contradiction> {
        let one = |name: &str| settings.get(name).first().map(String::as_str).unwrap_or_default();
        let number = |name: &str| one(name).parse::<u64>().unwrap_or_default();
        let count = |name: &str| usize::try_from(number(name)).unwrap_or(usize::MAX);
        let seconds = |name: &str| Duration::from_secs(number(name));
        let megabytes = |name: &str| number(name).saturating_mul(1 << 20);
        let listen: SocketAddr = one("listen").parse().unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8440)));
        let proxies: Vec<IpAddr> = settings.get("proxies").iter().filter_map(|address| address.parse().ok()).collect();
        let encryption = encryption(settings, listen, &proxies)?;
        let url = settings.get("public_url").first().cloned();
        let clear_url = url.as_deref().is_some_and(|url| url.starts_with("http://") && !is_near(url));
        if clear_url {
            return Err(Contradiction::ClearUrl);
        }
        let metrics = near_listen(one("metrics.listen")).flatten();
        let taken = |metrics: SocketAddr| {
            // `[::]` takes what comes by IPv4 as well.
            let holds = |all: SocketAddr, one: SocketAddr| {
                all.ip() == one.ip() || (all.ip().is_unspecified() && (all.is_ipv6() || one.is_ipv4()))
            };
            let clash = holds(listen, metrics) || holds(metrics, listen);
            listen.port() != 0 && metrics.port() == listen.port() && clash
        };
        if metrics.is_some_and(taken) {
            return Err(Contradiction::SameAddress);
        }
        let limits = Limits {
            connections: count("limits.connections"),
            connections_per_address: count("limits.connections_per_address"),
            header_timeout: seconds("limits.header_seconds"),
            idle_timeout: seconds("limits.idle_seconds"),
            body_bytes: megabytes("limits.body_mb"),
            shutdown_grace: seconds("limits.shutdown_seconds"),
            proxies,
            forwarded: match one("forwarded") {
                "forwarded" => ForwardedBy::Forwarded,
                _ => ForwardedBy::XForwardedFor,
            },
            ..Limits::default()
        };
        let allowance = |of: &str| Allowance {
            requests: number(&format!("rate.{of}_requests")),
            bytes: megabytes(&format!("rate.{of}_mb")),
            cpu: seconds(&format!("rate.{of}_cpu_seconds")),
        };
        let rates = RateLimits { device: allowance("device"), address: allowance("address") };
        let serving = Serving {
            bounds: Bounds { rates, bodies: megabytes("limits.bodies_mb") },
            encryption,
            url,
            metrics,
            disk_floor: megabytes("limits.disk_floor_mb"),
            ..Serving::new(listen, limits)
        };
        Ok(Self {
            serving,
            daily_commits: number("quota.daily_commits"),
            daily_bytes: megabytes("quota.daily_mb"),
            daily_file_bytes: megabytes("quota.daily_attachments_mb"),
            files: settings.get("attachments.store").first().map(|place| FilePlace::of(place)),
            stopped_versions: settings.get("stopped_versions").iter().cloned().collect(),
            register: settings.get("register.file").first().map(PathBuf::from),
            log_format: if one("log.format") == "json" { LogFormat::Json } else { LogFormat::Text },
            log_level: one("log.level").to_owned(),
        })
    }

    /// How the relay's folder is opened.
    #[must_use]
    pub fn options(&self) -> RelayOptions {
        RelayOptions {
            daily_commits: self.daily_commits,
            daily_bytes: self.daily_bytes,
            daily_file_bytes: self.daily_file_bytes,
            files: self.files.clone(),
            stopped_versions: Some(self.stopped_versions.clone()),
            register: self.register.clone(),
            ..RelayOptions::default()
        }
    }
}

/// How connections are encrypted. `auto` means: the files where they are named; nothing on this computer alone and behind proxies; the
/// relay's own authority otherwise.
fn encryption(settings: &Settings, listen: SocketAddr, proxies: &[IpAddr]) -> Result<Encryption, Contradiction> {
    let file = |name: &str| settings.get(name).first().map(PathBuf::from);
    let private = || Encryption::Private { names: settings.get("tls.names").to_vec() };
    let mode = settings.get("tls.mode").first().map(String::as_str).unwrap_or_default();
    match (mode, file("tls.certificate"), file("tls.key")) {
        ("auto" | "files", Some(certificate), Some(key)) => Ok(Encryption::Own { certificate, key }),
        ("files", ..) | ("auto", Some(_), None) | ("auto", None, Some(_)) => Err(Contradiction::FilesMissing),
        (_, Some(_), _) | (_, _, Some(_)) => Err(Contradiction::FilesUnused),
        ("private", ..) => Ok(private()),
        ("off", ..) if !listen.ip().is_loopback() && proxies.is_empty() => Err(Contradiction::ClearText),
        ("off", ..) => Ok(Encryption::Clear),
        _ if listen.ip().is_loopback() || !proxies.is_empty() => Ok(Encryption::Clear),
        _ => Ok(private()),
    }
}

/// Whether a URL leads to this computer itself.
pub(crate) fn is_near(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if let Ok(address) = authority.parse::<SocketAddr>() {
        return address.ip().to_canonical().is_loopback();
    }
    let host = match authority.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Result<RelayConfig, Contradiction> {
        let mut settings = Settings::default();
        settings.read_words(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(settings.mistakes, []);
        RelayConfig::of(&settings)
    }

    fn encrypted(words: &[&str]) -> Result<Encryption, Contradiction> {
        of(words).map(|config| config.serving.encryption)
    }

    #[test]
    fn devices_and_metrics_do_not_share_an_address() {
        let everywhere = ["listen=0.0.0.0:8440", "metrics.listen=8440"];
        for same in [&everywhere[..], &["metrics.listen=127.0.0.1:8440"], &["metrics.listen=0.0.0.0:8440"]] {
            assert_eq!(of(same).map(|_| ()), Err(Contradiction::SameAddress), "{same:?}");
        }
        for apart in [
            &["listen=127.0.0.2:8440", "metrics.listen=8440"][..],
            &["listen=127.0.0.1:0", "metrics.listen=8440"],
            &["listen=0.0.0.0:8440", "metrics.listen=[::1]:8440"],
        ] {
            assert!(of(apart).is_ok(), "{apart:?}");
        }
    }

    #[test]
    fn other_computers_never_meet_clear_text() {
        let private = Encryption::Private { names: vec!["relay.example".to_owned()] };
        let own = Encryption::Own { certificate: "/c".into(), key: "/k".into() };
        let far = "listen=0.0.0.0:8440";
        assert_eq!(encrypted(&[]), Ok(Encryption::Clear));
        assert_eq!(encrypted(&[far, "tls.names=relay.example"]), Ok(private.clone()));
        assert_eq!(encrypted(&["tls.mode=private", "tls.names=relay.example"]), Ok(private));
        assert_eq!(encrypted(&[far, "proxies=10.0.0.4"]), Ok(Encryption::Clear));
        assert_eq!(encrypted(&[far, "tls.mode=off"]), Err(Contradiction::ClearText));
        assert_eq!(encrypted(&[far, "tls.certificate=/c", "tls.key=/k", "proxies=10.0.0.4"]), Ok(own));
        assert_eq!(encrypted(&["tls.certificate=/c"]), Err(Contradiction::FilesMissing));
        assert_eq!(encrypted(&["tls.mode=files"]), Err(Contradiction::FilesMissing));
        assert_eq!(encrypted(&["tls.mode=private", "tls.key=/k"]), Err(Contradiction::FilesUnused));
        assert_eq!(encrypted(&["public_url=http://relay.example"]), Err(Contradiction::ClearUrl));
        assert!(encrypted(&["public_url=http://127.0.0.1:8440"]).is_ok());
    }

    #[test]
    fn tells_its_own_computer_from_others() {
        for near in ["http://127.0.0.1:1/x", "http://localhost", "http://[::1]:8440", "http://LOCALHOST:3"] {
            assert!(is_near(near), "{near}");
        }
        for far in ["http://10.0.0.5:1", "http://localhost.example", "http://[2001:db8::1]:8440", "http://127.0.0.1.x"]
        {
            assert!(!is_near(far), "{far}");
        }
    }

    #[test]
    fn what_the_keys_say_by_default_is_what_a_relay_does_by_default() {
        assert_eq!(of(&[]).unwrap().serving.bounds, Bounds::default());
        let bounds = of(&["rate.device_mb=3", "rate.address_cpu_seconds=7"]).unwrap().serving.bounds;
        assert_eq!(bounds.rates.device.bytes, 3 << 20);
        assert_eq!(bounds.rates.address.cpu, Duration::from_secs(7));
    }

    #[test]
    fn numbers_arrive_in_their_units() {
        let config =
            of(&["limits.body_mb=2", "limits.idle_seconds=3", "quota.daily_mb=1", "metrics.listen=9440"]).unwrap();
        assert_eq!((config.serving.limits.body_bytes, config.daily_bytes), (2 << 20, 1 << 20));
        assert_eq!(config.serving.limits.idle_timeout, Duration::from_secs(3));
        assert_eq!(config.serving.metrics, Some("127.0.0.1:9440".parse().unwrap()));
    }
}
