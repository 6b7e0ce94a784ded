//! The PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt): who the client was before the proxy.

use std::net::{Ipv4Addr, Ipv6Addr};

const V1: &[u8] = b"PROXY ";
/// Section 2.1: the longest header of version 1.
const MAX_V1_BYTES: usize = 107;
/// Section 2.2.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version and command, family, length.
const V2_FIXED_BYTES: usize = 16;

/// What a connection begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// Something else.
    No,
    /// It may be a header; more bytes will tell.
    More,
    /// A header of `len` bytes.
    Is {
        /// Bytes.
        len: usize,
        /// The true client, address and port; `None` for health checks (LOCAL) and what the proxy does not know.
        client: Option<Box<str>>,
    },
}

/// Reads the header that `bytes` begin with.
pub(crate) fn parse(bytes: &[u8]) -> Header {
    if bytes.starts_with(V1) {
        return version_1(bytes);
    }
    if bytes.starts_with(V2) {
        return version_2(bytes);
    }
    let begins = |what: &[u8]| !bytes.is_empty() && what.starts_with(bytes);
    if begins(V1) || begins(V2) {
        Header::More
    } else {
        Header::No
    }
}

fn version_1(bytes: &[u8]) -> Header {
    let head = bytes
        .get(..bytes.len().min(MAX_V1_BYTES))
        .unwrap_or_default();
    let Some(end) = head.windows(2).position(|w| w == b"\r\n") else {
        return if bytes.len() < MAX_V1_BYTES {
            Header::More
        } else {
            Header::No
        };
    };
    let line = String::from_utf8_lossy(head.get(..end).unwrap_or_default()).into_owned();
    let words: Vec<&str> = line.split(' ').collect();
    let client = match words.as_slice() {
        ["PROXY", "TCP4", source, _, port, _] => ends(source.parse::<Ipv4Addr>().ok(), port),
        ["PROXY", "TCP6", source, _, port, _] => ends(
            source.parse::<Ipv6Addr>().ok().map(|ip| format!("[{ip}]")),
            port,
        ),
        ["PROXY", "UNKNOWN", ..] => None,
        _ => return Header::No,
    };
    Header::Is {
        len: end + 2,
        client,
    }
}

fn ends(address: Option<impl ToString>, port: &str) -> Option<Box<str>> {
    let port: u16 = port.parse().ok()?;
    Some(format!("{}:{port}", address?.to_string()).into())
}

fn version_2(bytes: &[u8]) -> Header {
    let Some((fixed, rest)) = bytes.split_first_chunk::<V2_FIXED_BYTES>() else {
        return Header::More;
    };
    let [.., command, family, high, low] = *fixed;
    if command >> 4 != 2 {
        return Header::No;
    }
    let len = usize::from(u16::from_be_bytes([high, low]));
    let Some(addresses) = rest.get(..len) else {
        return Header::More;
    };
    // Section 2.2: command 1 is PROXY, 0 is LOCAL; the family's upper half is 1 for IPv4, 2 for IPv6.
    let client = match (command & 0x0f, family >> 4, addresses) {
        (1, 1, [a, b, c, d, _, _, _, _, high, low, ..]) => Some(
            format!(
                "{}:{}",
                Ipv4Addr::new(*a, *b, *c, *d),
                u16::from_be_bytes([*high, *low])
            )
            .into(),
        ),
        (1, 2, addresses) => addresses.first_chunk::<16>().and_then(|ip| {
            let port = addresses.get(32..34)?.first_chunk::<2>()?;
            Some(format!("[{}]:{}", Ipv6Addr::from(*ip), u16::from_be_bytes(*port)).into())
        }),
        _ => None,
    };
    Header::Is {
        len: V2_FIXED_BYTES + len,
        client,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn both_versions() {
        let v2_v4 = [V2, &hex!("21 11 000c c0000201 c0000202 1234 0019"), b"EHLO"].concat();
        let v2_local = [V2, &hex!("20 00 0000")].concat();
        for (name, bytes, want) in [
            (
                "v1",
                &b"PROXY TCP4 192.0.2.1 192.0.2.2 4660 25\r\nEHLO"[..],
                Header::Is {
                    len: 40,
                    client: Some("192.0.2.1:4660".into()),
                },
            ),
            (
                "v1 unknown",
                b"PROXY UNKNOWN\r\n",
                Header::Is {
                    len: 15,
                    client: None,
                },
            ),
            (
                "v1 v6",
                b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n",
                Header::Is {
                    len: 32,
                    client: Some("[2001:db8::1]:1".into()),
                },
            ),
            ("v1, cut", b"PROXY TC", Header::More),
            (
                "v2",
                &v2_v4,
                Header::Is {
                    len: 28,
                    client: Some("192.0.2.1:4660".into()),
                },
            ),
            (
                "v2 local",
                &v2_local,
                Header::Is {
                    len: 16,
                    client: None,
                },
            ),
            ("v2, cut", &v2_v4[..20], Header::More),
            ("text", b"PROPFIND / HTTP/1.1\r\n", Header::No),
            ("nothing", b"", Header::No),
        ] {
            assert_eq!(parse(bytes), want, "{name}");
        }
    }
}
