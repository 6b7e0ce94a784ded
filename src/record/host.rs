//! Where a client or server is found.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::{FlowRecord, Mac};

/// The network address; where the frames have none, the hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// By its network address.
    Ip(IpAddr),
    /// By its hardware address alone: it was seen on its link, before it had another.
    Mac(Mac),
    /// No frame told where it is.
    Unknown,
}

impl Host {
    fn of(ip: Option<IpAddr>, mac: Option<Mac>) -> Self {
        match (ip, mac) {
            (Some(ip), _) => Self::Ip(ip),
            (None, Some(mac)) => Self::Mac(mac),
            (None, None) => Self::Unknown,
        }
    }

    /// The network address.
    pub const fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(ip),
            Self::Mac(_) | Self::Unknown => None,
        }
    }

    /// With the port, if there is one: "192.0.2.1:25", `[2001:db8::1]:25`, "00:1b:a9:00:00:01".
    pub fn with_port(self, port: Option<u16>) -> String {
        match (self, port) {
            (Self::Ip(IpAddr::V6(v6)), Some(port)) => format!("[{v6}]:{port}"),
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_string(),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        Self::Ip(ip)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Mac(mac) => mac.fmt(f),
            Self::Unknown => f.write_str("address not seen"),
        }
    }
}

/// Whether what a client calls itself is a host's name in the domain name system, not an address or a bare word.
pub fn is_host_name(name: &str) -> bool {
    name.contains('.') && !name.starts_with('[') && name.parse::<Ipv4Addr>().is_err()
}

impl FlowRecord {
    /// Where the client is.
    pub fn client(&self) -> Host {
        Host::of(self.client_ip, self.client_mac)
    }

    /// Where the server is.
    pub fn server(&self) -> Host {
        Host::of(self.server_ip, self.server_mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_and_without_a_port() {
        let ip = |text: &str| Host::Ip(text.parse().expect("an address"));
        for (host, port, want) in [
            (ip("192.0.2.1"), Some(25), "192.0.2.1:25"),
            (ip("2001:db8::1"), Some(25), "[2001:db8::1]:25"),
            (
                Host::Mac(Mac([0, 0x1b, 0xa9, 0, 0, 1])),
                None,
                "00:1b:a9:00:00:01",
            ),
            (Host::Unknown, None, "address not seen"),
        ] {
            assert_eq!(host.with_port(port), want);
        }
    }
}
