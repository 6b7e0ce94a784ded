//! Which addresses are ours, and so which way a flow goes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::record::{FlowRecord, Route};

/// A range of addresses: an address and the length of its prefix (RFC 4632, RFC 4291 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// IPv6, or IPv4 in its mapped form.
    network: u128,
    /// The bits of `network` that count.
    mask: u128,
}

/// Why a text is not a [`Cidr`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    /// Neither an IPv4 nor an IPv6 address.
    #[error("`{0}` is not an IP address; write 10.0.0.0/8, 2001:db8::/32 or one address")]
    Address(String),
    /// Not a number, or more than the address has bits.
    #[error("the prefix length `{0}` is not a number from 0 to {1}")]
    Prefix(String, u32),
    /// Bits outside of the prefix are set, which is a slip more often than an intention.
    #[error("`{0}` has bits set beyond its prefix; write {1}")]
    HostBits(String, String),
}

impl Cidr {
    /// Whether `address` lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        (number(address) ^ self.network) & self.mask == 0
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address_text, prefix_text) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address_text
            .parse()
            .map_err(|_| CidrError::Address(address_text.into()))?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix_text {
            None => width,
            Some(prefix_text) => prefix_text
                .parse()
                .ok()
                .filter(|prefix| *prefix <= width)
                .ok_or_else(|| CidrError::Prefix(prefix_text.into(), width))?,
        };
        // A shift by 128 would overflow: a prefix of 0 bits holds everything.
        let mask = u128::MAX.checked_shl(width - prefix).unwrap_or(0);
        let network = number(address) & mask;
        if network != number(address) {
            let meant = match address {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(network as u32)),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(network)),
            };
            return Err(CidrError::HostBits(
                text.into(),
                format!("{meant}/{prefix}"),
            ));
        }
        Ok(Self { network, mask })
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The addresses that are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks(Vec<Cidr>);

impl Networks {
    /// The ranges of `--ours`.
    pub const fn new(ranges: Vec<Cidr>) -> Self {
        Self(ranges)
    }

    /// Whether `address` is one of ours.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(address))
    }

    /// The way a flow goes; `None` where the frames have no network addresses.
    pub fn route_of(&self, record: &FlowRecord) -> Option<Route> {
        Some(self.route(record.client_ip?, record.server_ip?))
    }

    /// The way from a client to a server.
    pub fn route(&self, client: IpAddr, server: IpAddr) -> Route {
        match (self.contains(client), self.contains(server)) {
            (true, false) => Route::Outbound,
            (false, true) => Route::Inbound,
            (true, true) => Route::Internal,
            (false, false) => Route::Transit,
        }
    }
}

/// The ranges that are ours where nothing else is said: those that are not routed in the Internet. RFC 1918, loopback
/// (RFC 1122), link-local (RFC 3927, RFC 4291), unique local (RFC 4193).
const DEFAULT_OURS: &[&str] = &[
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "fc00::/7",
    "fe80::/10",
    "::1",
];

impl Default for Networks {
    fn default() -> Self {
        Self(
            DEFAULT_OURS
                .iter()
                .map(|text| text.parse().expect("the constant's ranges are valid"))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_ranges_are_the_private_ones() {
        let ours = Networks::default();
        for (address, want) in [
            ("10.255.0.1", true),
            ("172.15.0.1", false),
            ("172.31.255.255", true),
            ("172.32.0.0", false),
            ("192.168.1.1", true),
            ("169.254.3.4", true),
            ("127.0.0.53", true),
            ("192.0.2.1", false),
            ("fd12::1", true),
            ("fe80::1", true),
            ("::1", true),
            ("2001:db8::1", false),
        ] {
            let ip = address.parse().expect("an address");
            assert_eq!(ours.contains(ip), want, "{address}");
        }
    }

    #[test]
    fn routes() {
        let ours = Networks::default();
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let (a, b, x, y) = (
            ip("10.0.0.1"),
            ip("fe80::2"),
            ip("192.0.2.1"),
            ip("2001:db8::1"),
        );
        assert_eq!(ours.route(a, x), Route::Outbound);
        assert_eq!(ours.route(x, a), Route::Inbound);
        assert_eq!(ours.route(a, b), Route::Internal);
        assert_eq!(ours.route(x, y), Route::Transit);
    }

    #[test]
    fn reads_ranges() {
        let everything: Cidr = "::/0".parse().expect("a range");
        assert!(everything.contains("10.0.0.1".parse().expect("an address")));
        let v4: Cidr = "0.0.0.0/0".parse().expect("a range");
        assert!(v4.contains("10.0.0.1".parse().expect("an address")));
        assert!(!v4.contains("2001:db8::1".parse().expect("an address")));
        for (text, message) in [
            (
                "office",
                "`office` is not an IP address; write 10.0.0.0/8, 2001:db8::/32 or one address",
            ),
            (
                "10.0.0.0/33",
                "the prefix length `33` is not a number from 0 to 32",
            ),
            (
                "::/x",
                "the prefix length `x` is not a number from 0 to 128",
            ),
            (
                "10.1.2.3/8",
                "`10.1.2.3/8` has bits set beyond its prefix; write 10.0.0.0/8",
            ),
        ] {
            let error = text.parse::<Cidr>().expect_err(text);
            assert_eq!(error.to_string(), message);
        }
    }
}
