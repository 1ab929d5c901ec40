//! The policy for every address that customers or servers name: encrypted, public, and resolved
//! once.
//!
//! A name may resolve to any address, and to another one a moment later. So all resolved addresses
//! are checked, and the caller connects to these without resolving again. Each redirect must be
//! checked, too. What the operator configured is not under this policy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::{Host, Url};

/// Timeout of a name resolution.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer URLs are refused.
const URL_BYTES_MAX: usize = 2048;

/// Why an address is denied. The message goes to the customer and contains nothing that was
/// resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Not a URL.
    Malformed,
    /// Neither https nor wss.
    UnsupportedScheme,
    /// With a user or a password.
    UserInfo,
    /// An address in a network that is not public.
    NotPublic,
    /// The name cannot be resolved.
    Unknown,
}

impl Denied {
    /// The message for the customer.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Malformed => "not an address",
            Self::UnsupportedScheme => "only https and wss addresses are allowed",
            Self::UserInfo => "an address with a user or password is not allowed",
            Self::NotPublic => "not a public address",
            Self::Unknown => "a name that cannot be resolved",
        }
    }
}

/// The protocol of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// https.
    Http,
    /// wss.
    WebSocket,
}

impl Scheme {
    const fn schemes(self) -> (&'static str, &'static str) {
        match self {
            Self::Http => ("https", "http"),
            Self::WebSocket => ("wss", "ws"),
        }
    }
}

/// The policy, with the operator's exceptions.
#[derive(Clone, Debug, Default)]
pub struct EgressPolicy {
    /// `HOST:PORT`, with the host as written in a URL. These may be unencrypted and in any network.
    allow: Vec<String>,
}

impl EgressPolicy {
    /// With these exceptions, each `HOST:PORT`.
    pub fn new(allow: &[String]) -> Self {
        Self { allow: allow.iter().map(|exception| exception.to_ascii_lowercase()).collect() }
    }

    /// Pure: may this be connected to, as far as the text of the URL shows? A numeric host is
    /// checked as an IP address.
    pub fn check(&self, text: &str, scheme: Scheme) -> Result<Url, Denied> {
        if text.len() > URL_BYTES_MAX {
            return Err(Denied::Malformed);
        }
        let url = Url::parse(text.trim()).map_err(|_| Denied::Malformed)?;
        let (encrypted, plain) = scheme.schemes();
        let excepted = self.is_excepted(&url);
        if url.scheme() != encrypted && !(excepted && url.scheme() == plain) {
            return Err(Denied::UnsupportedScheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Denied::UserInfo);
        }
        let address = match url.host().ok_or(Denied::Malformed)? {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        };
        match address {
            Some(address) if !excepted && !is_public(address) => Err(Denied::NotPublic),
            _ => Ok(url),
        }
    }

    /// Checks the URL, resolves it and checks all resolved addresses: one that is not public denies
    /// all. Connect only to these.
    pub async fn resolve(
        &self,
        text: &str,
        scheme: Scheme,
    ) -> Result<(Url, Vec<SocketAddr>), Denied> {
        let url = self.check(text, scheme)?;
        let port = url.port_or_known_default().ok_or(Denied::Malformed)?;
        let resolved: Vec<SocketAddr> = match url.host().ok_or(Denied::Malformed)? {
            Host::Ipv4(address) => vec![(address, port).into()],
            Host::Ipv6(address) => vec![(address, port).into()],
            Host::Domain(name) => {
                let resolved = timeout(LOOK_UP_TIMEOUT, lookup_host((name, port))).await;
                resolved.map_err(|_| Denied::Unknown)?.map_err(|_| Denied::Unknown)?.collect()
            }
        };
        self.check_resolved(&url, &resolved)?;
        Ok((url, resolved))
    }

    /// Pure: checks resolved addresses.
    fn check_resolved(&self, url: &Url, resolved: &[SocketAddr]) -> Result<(), Denied> {
        if resolved.is_empty() {
            return Err(Denied::Unknown);
        }
        if !self.is_excepted(url) && !resolved.iter().all(|resolved| is_public(resolved.ip())) {
            return Err(Denied::NotPublic);
        }
        Ok(())
    }

    fn is_excepted(&self, url: &Url) -> bool {
        let place = url
            .host_str()
            .zip(url.port_or_known_default())
            .map(|(host, port)| format!("{host}:{port}"));
        place.is_some_and(|place| self.allow.contains(&place))
    }
}

/// Pure: is this a public address? Unknown ranges are not.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// IANA's registry of special-purpose addresses, and multicast.
fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [192, 168, ..]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            | [224..=255, ..]
    )
}

/// Only the range that is assigned to the internet (2000::/3), without the parts that map to other
/// addresses or are reserved.
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // Teredo, benchmarking, ORCHID and adjacent ranges; documentation twice; 6to4.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] | [0x2002, ..] => {
            false
        }
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: no spelling of an address leads into a network that is not public. Method: every known
    /// trick, and valid addresses.
    #[test]
    fn every_trick_is_denied() {
        use Denied::{Malformed, NotPublic, UnsupportedScheme, UserInfo};
        let policy = EgressPolicy::default();
        for (text, verdict) in [
            ("https://example.com/a?b=c", Ok(())),
            ("https://example.com:8443/", Ok(())),
            ("https://1.1.1.1/", Ok(())),
            ("https://[2606:4700::1111]/", Ok(())),
            ("HTTPS://EXAMPLE.com", Ok(())),
            ("http://example.com/", Err(UnsupportedScheme)),
            ("wss://example.com/", Err(UnsupportedScheme)),
            ("file:///etc/passwd", Err(UnsupportedScheme)),
            ("ftp://example.com/", Err(UnsupportedScheme)),
            ("gopher://127.0.0.1/", Err(UnsupportedScheme)),
            ("data:text/plain,x", Err(UnsupportedScheme)),
            ("javascript:1", Err(UnsupportedScheme)),
            ("example.com", Err(Malformed)),
            ("//example.com", Err(Malformed)),
            ("https://", Err(Malformed)),
            ("", Err(Malformed)),
            ("https://me@example.com/", Err(UserInfo)),
            ("https://me:secret@example.com/", Err(UserInfo)),
            ("https://example.com@127.0.0.1/", Err(UserInfo)),
            ("https://127.0.0.1/", Err(NotPublic)),
            ("https://127.1/", Err(NotPublic)),
            ("https://2130706433/", Err(NotPublic)),
            ("https://0x7f000001/", Err(NotPublic)),
            ("https://0x7f.1/", Err(NotPublic)),
            ("https://0177.0.0.1/", Err(NotPublic)),
            ("https://017700000001/", Err(NotPublic)),
            ("https://127.0.0.1./", Err(NotPublic)),
            ("https://①②⑦.0.0.1/", Err(NotPublic)),
            ("https://0/", Err(NotPublic)),
            ("https://0.0.0.0/", Err(NotPublic)),
            ("https://10.1.2.3/", Err(NotPublic)),
            ("https://100.64.0.1/", Err(NotPublic)),
            ("https://100.127.255.255/", Err(NotPublic)),
            ("https://100.128.0.1/", Ok(())),
            ("https://169.254.169.254/latest/meta-data", Err(NotPublic)),
            ("https://172.16.0.1/", Err(NotPublic)),
            ("https://172.31.255.255/", Err(NotPublic)),
            ("https://172.32.0.1/", Ok(())),
            ("https://192.0.0.1/", Err(NotPublic)),
            ("https://192.168.0.1/", Err(NotPublic)),
            ("https://198.18.0.1/", Err(NotPublic)),
            ("https://203.0.113.1/", Err(NotPublic)),
            ("https://224.0.0.1/", Err(NotPublic)),
            ("https://239.255.255.250/", Err(NotPublic)),
            ("https://240.0.0.1/", Err(NotPublic)),
            ("https://255.255.255.255/", Err(NotPublic)),
            ("https://[::1]/", Err(NotPublic)),
            ("https://[::]/", Err(NotPublic)),
            ("https://[::ffff:127.0.0.1]/", Err(NotPublic)),
            ("https://[::ffff:7f00:1]/", Err(NotPublic)),
            ("https://[::ffff:1.1.1.1]/", Err(NotPublic)),
            ("https://[::127.0.0.1]/", Err(NotPublic)),
            ("https://[64:ff9b::7f00:1]/", Err(NotPublic)),
            ("https://[2002:7f00:1::]/", Err(NotPublic)),
            ("https://[2001:0:7f00:1::]/", Err(NotPublic)),
            ("https://[2001:db8::1]/", Err(NotPublic)),
            ("https://[fc00::1]/", Err(NotPublic)),
            ("https://[fd12:3456::1]/", Err(NotPublic)),
            ("https://[fe80::1]/", Err(NotPublic)),
            ("https://[fec0::1]/", Err(NotPublic)),
            ("https://[ff02::1]/", Err(NotPublic)),
            ("https://[100::1]/", Err(NotPublic)),
        ] {
            assert_eq!(policy.check(text, Scheme::Http).map(drop), verdict, "{text}");
        }
        assert_eq!(
            policy.check(&format!("https://a/{}", "x".repeat(3000)), Scheme::Http).map(drop),
            Err(Malformed)
        );
        assert_eq!(policy.check("wss://example.com/", Scheme::WebSocket).map(drop), Ok(()));
        assert_eq!(
            policy.check("ws://example.com/", Scheme::WebSocket).map(drop),
            Err(UnsupportedScheme)
        );
    }

    /// Goal: a name is checked by its addresses. Method: public ones, a private one among them, and
    /// none.
    #[test]
    fn a_name_is_checked_by_its_addresses() {
        let policy = EgressPolicy::default();
        let url = Url::parse("https://rebind.example/").unwrap();
        let resolved = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        assert_eq!(
            policy.check_resolved(&url, &resolved(&["1.1.1.1:443", "[2606:4700::1111]:443"])),
            Ok(())
        );
        for bad in ["127.0.0.1:443", "10.0.0.1:443", "[::ffff:10.0.0.1]:443", "[fd00::1]:443"] {
            assert_eq!(
                policy.check_resolved(&url, &resolved(&["1.1.1.1:443", bad])),
                Err(Denied::NotPublic),
                "{bad}"
            );
        }
        assert_eq!(policy.check_resolved(&url, &[]), Err(Denied::Unknown));
    }

    /// Goal: real name resolution is under the policy, too. Method: the name that is loopback
    /// everywhere.
    #[tokio::test]
    async fn localhost_is_not_public() {
        let policy = EgressPolicy::default();
        assert_eq!(
            policy.resolve("https://localhost:4433/", Scheme::Http).await.map(drop),
            Err(Denied::NotPublic)
        );
        let excepted = EgressPolicy::new(&["LOCALHOST:4433".into()]);
        let (_, resolved) = excepted.resolve("http://localhost:4433/", Scheme::Http).await.unwrap();
        assert!(
            resolved.iter().all(|resolved| resolved.port() == 4433 && resolved.ip().is_loopback())
        );
    }

    /// Goal: an exception is exactly one host and port. Method: similar ones.
    #[test]
    fn exceptions_are_exact() {
        let policy = EgressPolicy::new(&["127.0.0.1:8080".into(), "[::1]:443".into()]);
        for (text, verdict) in [
            ("http://127.0.0.1:8080/", Ok(())),
            ("https://127.0.0.1:8080/", Ok(())),
            ("http://2130706433:8080/", Ok(())),
            ("https://[::1]/", Ok(())),
            ("http://127.0.0.1:8081/", Err(Denied::UnsupportedScheme)),
            ("https://127.0.0.1:8081/", Err(Denied::NotPublic)),
            ("https://127.0.0.2:8080/", Err(Denied::NotPublic)),
            ("http://me@127.0.0.1:8080/", Err(Denied::UserInfo)),
            ("ftp://127.0.0.1:8080/", Err(Denied::UnsupportedScheme)),
        ] {
            assert_eq!(policy.check(text, Scheme::Http).map(drop), verdict, "{text}");
        }
    }
}
