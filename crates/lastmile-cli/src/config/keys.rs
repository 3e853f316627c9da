//! The keys of the configuration, as data.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::messages::{Key, key};

/// What a key's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An IP address with a port.
    Listen,
    /// The same, or a port of this computer, or `off`.
    NearListen,
    /// An `https` or `http` URL.
    Url,
    /// A list of IP addresses.
    Addresses,
    /// A list of host names and IP addresses.
    Names,
    /// A list of versions of apps, as commits name them.
    Versions,
    /// A file; in the configuration file relative to its folder.
    File,
    /// A folder, or a bucket's URL; in the configuration file a folder is relative to its folder.
    Store,
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// One of these words.
    Word(&'static [&'static str]),
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySpec {
    /// Its name; a dot stands between table and key.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What is in force if nobody says otherwise; empty for nothing.
    pub default: &'static str,
}

const fn spec(name: &'static str, kind: Kind, default: &'static str) -> KeySpec {
    KeySpec { name, kind, default }
}

/// The most bytes of a version's name in a commit.
const MOST_OF_A_VERSION: usize = 32;

const MANY: u64 = 1_000_000;
const HOUR: u64 = 3_600;

/// Every key of a relay's configuration.
pub const KEYS: &[KeySpec] = &[
    spec("listen", Kind::Listen, "127.0.0.1:8440"),
    spec("public_url", Kind::Url, ""),
    spec("proxies", Kind::Addresses, ""),
    spec("forwarded", Kind::Word(&["x-forwarded-for", "forwarded"]), "x-forwarded-for"),
    spec("tls.mode", Kind::Word(&["auto", "private", "files", "off"]), "auto"),
    spec("tls.certificate", Kind::File, ""),
    spec("tls.key", Kind::File, ""),
    spec("tls.names", Kind::Names, ""),
    spec("limits.connections", Kind::Number(1, MANY), "4096"),
    spec("limits.connections_per_address", Kind::Number(1, MANY), "256"),
    spec("limits.header_seconds", Kind::Number(1, HOUR), "10"),
    spec("limits.idle_seconds", Kind::Number(1, HOUR), "75"),
    spec("limits.body_mb", Kind::Number(2, 64), "8"),
    spec("limits.bodies_mb", Kind::Number(8, MANY), "256"),
    spec("limits.shutdown_seconds", Kind::Number(0, HOUR), "20"),
    spec("limits.disk_floor_mb", Kind::Number(0, MANY), "256"),
    spec("rate.device_requests", Kind::Number(1, MANY), "1200"),
    spec("rate.device_mb", Kind::Number(1, MANY), "256"),
    spec("rate.device_cpu_seconds", Kind::Number(1, HOUR), "10"),
    spec("rate.address_requests", Kind::Number(1, MANY), "30000"),
    spec("rate.address_mb", Kind::Number(1, MANY), "4096"),
    spec("rate.address_cpu_seconds", Kind::Number(1, HOUR), "60"),
    spec("stopped_versions", Kind::Versions, ""),
    spec("quota.daily_commits", Kind::Number(1, MANY), "20000"),
    spec("quota.daily_mb", Kind::Number(1, MANY), "50"),
    spec("quota.daily_attachments_mb", Kind::Number(1, MANY), "200"),
    spec("attachments.store", Kind::Store, ""),
    spec("register.file", Kind::File, ""),
    spec("metrics.listen", Kind::NearListen, "off"),
    spec("log.format", Kind::Word(&["text", "json"]), "text"),
    spec("log.level", Kind::Word(&["error", "warn", "info", "debug"]), "warn"),
];

impl KeySpec {
    /// Finds a key by its name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|spec| spec.name == name)
    }

    /// The environment variable that sets it.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{}{}", super::PREFIX, self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// Whether it takes several values.
    #[must_use]
    pub const fn is_list(&self) -> bool {
        matches!(self.kind, Kind::Addresses | Kind::Names | Kind::Versions)
    }

    /// Whether one of its values can be read.
    #[must_use]
    pub fn takes(&self, value: &str) -> bool {
        match self.kind {
            Kind::Listen => value.parse::<SocketAddr>().is_ok(),
            Kind::NearListen => near_listen(value).is_some(),
            Kind::Url => is_url(value),
            Kind::Addresses => value.parse::<IpAddr>().is_ok(),
            Kind::Names | Kind::File => !value.trim().is_empty(),
            // As a commit can name one.
            Kind::Versions => !value.is_empty() && value == value.trim() && value.len() <= MOST_OF_A_VERSION,
            Kind::Store => match value.strip_prefix("s3://") {
                Some(bucket) => !bucket.is_empty() && !bucket.starts_with('/') && !bucket.contains(char::is_whitespace),
                None => !value.trim().is_empty() && !value.contains("://"),
            },
            Kind::Number(least, most) => value.parse().is_ok_and(|number| (least..=most).contains(&number)),
            Kind::Word(words) => words.contains(&value),
        }
    }

    /// What its values look like, in words of the program.
    #[must_use]
    pub const fn expected(&self) -> Key {
        match self.kind {
            Kind::Listen => key!("config.expected.listen"),
            Kind::NearListen => key!("config.expected.near_listen"),
            Kind::Url => key!("config.expected.url"),
            Kind::Addresses => key!("config.expected.addresses"),
            Kind::Names => key!("config.expected.names"),
            Kind::Versions => key!("config.expected.versions"),
            Kind::File => key!("config.expected.file"),
            Kind::Store => key!("config.expected.store"),
            Kind::Number(..) => key!("config.expected.number"),
            Kind::Word(_) => key!("config.expected.word"),
        }
    }

    /// What fills the placeholders of [`expected`](Self::expected).
    #[must_use]
    pub fn bounds(&self) -> Vec<(&'static str, String)> {
        match self.kind {
            Kind::Number(least, most) => vec![("least", least.to_string()), ("most", most.to_string())],
            Kind::Word(words) => vec![("words", words.join(", "))],
            _ => Vec::new(),
        }
    }
}

fn is_url(value: &str) -> bool {
    let rest = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':']) && !rest.contains(char::is_whitespace))
}

/// Reads where metrics are served: `off` (nowhere), a port of this computer, or an address.
#[must_use]
pub fn near_listen(value: &str) -> Option<Option<SocketAddr>> {
    if value == "off" {
        return Some(None);
    }
    let port = value.parse().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    port.or_else(|_| value.parse()).ok().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_taken_and_every_name_is_one() {
        for spec in KEYS {
            assert!(spec.default.is_empty() || spec.takes(spec.default), "{}", spec.name);
            assert_eq!(KEYS.iter().filter(|other| other.variable() == spec.variable()).count(), 1, "{}", spec.name);
        }
        assert_eq!(KeySpec::find("tls.key").unwrap().variable(), "LASTMILE_RELAY_TLS_KEY");
    }

    #[test]
    fn values_are_read_or_not() {
        let takes = |name: &str, value: &str| KeySpec::find(name).unwrap().takes(value);
        for (name, good, bad) in [
            ("listen", "[::]:8440", "8440"),
            ("public_url", "https://relay.example", "relay.example"),
            ("public_url", "http://127.0.0.1:8440", "https:///x"),
            ("proxies", "10.0.0.4", "10.0.0.0/8"),
            ("metrics.listen", "9440", "nowhere"),
            ("metrics.listen", "off", ""),
            ("limits.connections", "1", "0"),
            ("limits.body_mb", "8", "-8"),
            ("stopped_versions", "lastmile 0.1.0", " lastmile 0.1.0"),
            ("log.level", "info", "loud"),
            ("tls.key", "/etc/key.pem", " "),
            ("attachments.store", "s3://bucket/lastmile", "s3:///lastmile"),
            ("attachments.store", "/srv/attachments", "ftp://elsewhere"),
        ] {
            assert!(takes(name, good) && !takes(name, bad), "{name}: {good}, {bad}");
        }
        assert_eq!(near_listen("9440"), Some(Some("127.0.0.1:9440".parse().unwrap())));
    }
}
