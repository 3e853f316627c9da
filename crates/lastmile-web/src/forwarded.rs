//! Whom a request comes from when a reverse proxy passes it on.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use warp::Filter;

use crate::Limits;

/// The header in which a proxy names whom it speaks for. A proxy writes one of the two and passes the other on as it came, from
/// whomever: so it must be said which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedBy {
    /// `X-Forwarded-For`: addresses, the last one added by the last proxy.
    #[default]
    XForwardedFor,
    /// `Forwarded` of RFC 7239: its `for`, in the last element.
    Forwarded,
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that a request comes from, among its extensions: the peer's, or the one that a named proxy says it speaks for.
///
/// This is what limits count by. It is no proof of anything: permission is by signature alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin(pub IpAddr);

/// Extracts the address that a request comes from; `None` where it did not come through this crate.
pub fn origin() -> impl Filter<Extract = (Option<Origin>,), Error = Infallible> + Copy {
    warp::ext::optional::<Origin>()
}

/// Finds out whom a request comes from; `None` when the peer speaks for itself.
///
/// From the last address on, each that is a named proxy's own speaks for the one before it; the first other one is the origin, and what
/// stands before that could be anybody's invention.
pub(crate) fn forwarded(headers: &HeaderMap, peer: SocketAddr, limits: &Limits) -> Option<IpAddr> {
    let is_proxy = |address: &IpAddr| limits.proxies.contains(address) || crate::is_planted("forwarded-by-anybody");
    let near = peer.ip().to_canonical();
    if !is_proxy(&near) {
        return None;
    }
    let name = match limits.forwarded {
        ForwardedBy::XForwardedFor => X_FORWARDED_FOR,
        ForwardedBy::Forwarded => header::FORWARDED,
    };
    let lines: Vec<&str> = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or("")).collect();
    let mut found = None;
    for element in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let address = match limits.forwarded {
            ForwardedBy::XForwardedFor => node(element),
            ForwardedBy::Forwarded => element.split(';').find_map(for_node).and_then(node),
        };
        // What cannot be read was not written by the proxy that is trusted so far.
        let Some(address) = address else { break };
        found = Some(address);
        if !limits.proxies.contains(&address) {
            break;
        }
    }
    found
}

/// The value of a `for=` parameter.
fn for_node(parameter: &str) -> Option<&str> {
    let (name, value) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("for").then_some(value)
}

/// Reads an address as proxies write it: quoted or not, in brackets or not, with a port or without.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let address = text
        .parse()
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()))
        .or_else(|_| text.trim_start_matches('[').trim_end_matches(']').parse());
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn ask(peer: &str, forwarded_by: ForwardedBy, lines: &[(&'static str, &str)]) -> Option<String> {
        let limits = Limits {
            proxies: vec!["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()],
            forwarded: forwarded_by,
            ..Limits::default()
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
        forwarded(&headers, peer, &limits).map(|address| address.to_string())
    }

    #[test]
    fn only_a_named_proxy_speaks_for_others() {
        let says = [("x-forwarded-for", "198.51.100.7")];
        assert_eq!(ask("10.0.0.1", ForwardedBy::XForwardedFor, &says).as_deref(), Some("198.51.100.7"));
        assert_eq!(ask("::ffff:10.0.0.1", ForwardedBy::XForwardedFor, &says).as_deref(), Some("198.51.100.7"));
        for stranger in ["10.0.0.9", "127.0.0.1", "198.51.100.7", "::1"] {
            assert_eq!(ask(stranger, ForwardedBy::XForwardedFor, &says), None, "{stranger}");
        }
        assert_eq!(ask("10.0.0.1", ForwardedBy::XForwardedFor, &[]), None);
    }

    #[test]
    fn what_a_client_made_up_before_the_proxy_does_not_count() {
        let by = ForwardedBy::XForwardedFor;
        type Case<'c> = (&'c [(&'static str, &'c str)], Option<&'c str>);
        let cases: [Case<'_>; 7] = [
            (&[("x-forwarded-for", "1.2.3.4, 198.51.100.7")], Some("198.51.100.7")),
            (&[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "198.51.100.7")], Some("198.51.100.7")),
            // Two proxies in a row, both named.
            (&[("x-forwarded-for", "1.2.3.4, 198.51.100.7, 10.0.0.2")], Some("198.51.100.7")),
            (&[("x-forwarded-for", "nobody, 10.0.0.2")], Some("10.0.0.2")),
            (&[("x-forwarded-for", "198.51.100.7, unknown")], None),
            // The other header is the client's own.
            (&[("forwarded", "for=1.2.3.4")], None),
            (&[("forwarded", "for=1.2.3.4"), ("x-forwarded-for", "2001:db8::7")], Some("2001:db8::7")),
        ];
        for (lines, expected) in cases {
            assert_eq!(ask("10.0.0.1", by, lines).as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn reads_rfc_7239() {
        let by = ForwardedBy::Forwarded;
        for (line, expected) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("for=1.2.3.4, For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("proto=https;FOR = \"192.0.2.60:80\"", "192.0.2.60"),
        ] {
            assert_eq!(ask("10.0.0.1", by, &[("forwarded", line)]).as_deref(), Some(expected), "{line}");
        }
        assert_eq!(ask("10.0.0.1", by, &[("forwarded", "for=_hidden")]), None);
    }
}
