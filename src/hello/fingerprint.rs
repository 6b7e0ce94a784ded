//! JA3, JA3S and JA4: prints of a TLS stack as their authors' tools compute them.
//!
//! JA4 (TLS client) is BSD-3-Clause; JA4S and the other JA4+ prints are not open source and are left out.

use std::fmt::Write;

use md5::{Digest, Md5};
use sha2::Sha256;

use super::Offer;
use super::client::ClientHello;
use super::extension::extension_type as ext;
use super::server::ServerHello;
use super::version::{ProtocolVersion, is_grease};
use super::wire::Reader;
use crate::record::Carrier;

/// MD5 of `version,suites,extensions,groups,point formats`, each list joined by `-`, GREASE left out.
pub fn ja3(offer: &Offer, point_formats: &[u8]) -> String {
    let groups = offer.named_groups.iter().flatten().map(|g| g.0);
    let text = format!(
        "{},{},{},{},{}",
        offer.legacy_version.0,
        dashed(offer.cipher_suites.iter().map(|s| s.0)),
        dashed(offer.extensions.iter().copied()),
        dashed(groups),
        dashed(point_formats.iter().map(|f| u16::from(*f))),
    );
    hex(&Md5::digest(text))
}

/// MD5 of `version,suite,extensions`.
pub fn ja3s(hello: &ServerHello<'_>) -> String {
    let extensions = dashed(hello.extensions().map(|(kind, _)| kind));
    hex(&Md5::digest(format!(
        "{},{},{}",
        hello.legacy_version.0, hello.cipher_suite.0, extensions
    )))
}

/// JA4 of a ClientHello: `t13d1516h2_8daaf6152771_e5627efa2ab1`.
pub fn ja4(offer: &Offer, hello: &ClientHello<'_>, carrier: Carrier) -> String {
    let letter = match carrier {
        Carrier::Tls => 't',
        Carrier::Dtls => 'd',
        Carrier::Quic => 'q',
    };
    let mut suites: Vec<u16> = offer
        .cipher_suites
        .iter()
        .map(|s| s.0)
        .filter(|s| !is_grease(*s))
        .collect();
    let all: Vec<u16> = offer
        .extensions
        .iter()
        .copied()
        .filter(|e| !is_grease(*e))
        .collect();
    let alpn = hello
        .extensions()
        .find(|(kind, _)| *kind == ext::ALPN)
        .and_then(|(_, body)| {
            Reader::new(Reader::new(body).vec16("protocol_name_list").ok()?)
                .vec8("protocol_name")
                .ok()
        });
    suites.sort_unstable();
    let mut extensions: Vec<u16> = all
        .iter()
        .copied()
        .filter(|e| !matches!(*e, ext::SERVER_NAME | ext::ALPN))
        .collect();
    extensions.sort_unstable();
    let mut signed = comma_hex(&extensions);
    let schemes: Vec<u16> = offer
        .signature_algorithms
        .iter()
        .flatten()
        .map(|s| s.0)
        .filter(|s| !is_grease(*s))
        .collect();
    if !schemes.is_empty() {
        signed.push('_');
        signed.push_str(&comma_hex(&schemes));
    }
    format!(
        "{letter}{}{}{:02}{:02}{}_{}_{}",
        ja4_version(offer.max_version()),
        if offer.has_server_name { 'd' } else { 'i' },
        suites.len().min(99),
        all.len().min(99),
        ja4_alpn(alpn),
        ja4_hash(&comma_hex(&suites), suites.is_empty()),
        ja4_hash(&signed, extensions.is_empty()),
    )
}

const fn ja4_version(version: Option<ProtocolVersion>) -> &'static str {
    match version {
        Some(ProtocolVersion(0x0304)) => "13",
        Some(ProtocolVersion(0x0303)) => "12",
        Some(ProtocolVersion(0x0302)) => "11",
        Some(ProtocolVersion(0x0301)) => "10",
        Some(ProtocolVersion(0x0300)) => "s3",
        Some(ProtocolVersion(0x0002)) => "s2",
        Some(ProtocolVersion(0xfeff)) => "d1",
        Some(ProtocolVersion(0xfefd)) => "d2",
        Some(ProtocolVersion(0xfefc)) => "d3",
        _ => "00",
    }
}

/// First and last character of the first protocol; of its hexadecimal form where either is not alphanumeric.
fn ja4_alpn(protocol: Option<&[u8]>) -> String {
    let Some((first, last)) = protocol.and_then(|p| Some((*p.first()?, *p.last()?))) else {
        return "00".into();
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        [char::from(first), char::from(last)].iter().collect()
    } else {
        let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
        [digit(first >> 4), digit(last & 0x0f)].iter().collect()
    }
}

fn ja4_hash(text: &str, empty: bool) -> String {
    if empty {
        "000000000000".into()
    } else {
        hex(Sha256::digest(text).get(..6).unwrap_or_default())
    }
}

fn dashed(values: impl Iterator<Item = u16>) -> String {
    join(
        values.filter(|v| !is_grease(*v)).map(|v| v.to_string()),
        "-",
    )
}

fn comma_hex(values: &[u16]) -> String {
    join(values.iter().map(|v| format!("{v:04x}")), ",")
}

fn join(parts: impl Iterator<Item = String>, by: &str) -> String {
    parts.collect::<Vec<_>>().join(by)
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hello::intern::Interner;
    use crate::hello::offer;

    /// The body of a ClientHello.
    fn client_hello(version: u16, suites: &[u16], extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let list =
            |numbers: &[u16]| -> Vec<u8> { numbers.iter().flat_map(|n| n.to_be_bytes()).collect() };
        let suites = list(suites);
        let mut body = version.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.push(0);
        body.extend((suites.len() as u16).to_be_bytes());
        body.extend(suites);
        body.extend([1, 0]);
        body.extend(block(extensions));
        body
    }

    /// The block of extensions with its length; nothing where there are none.
    fn block(extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let mut block = Vec::new();
        for (kind, body) in extensions {
            block.extend(kind.to_be_bytes());
            block.extend((body.len() as u16).to_be_bytes());
            block.extend(*body);
        }
        if !block.is_empty() {
            let length = (block.len() as u16).to_be_bytes();
            block.splice(0..0, length);
        }
        block
    }

    /// JA3 and JA4.
    fn prints(body: &[u8], carrier: Carrier) -> (String, String) {
        let hello = ClientHello::parse(body, false).expect("a ClientHello");
        let offer = offer::intern(&mut Interner::default(), &hello, carrier);
        let text = |print: &Option<std::sync::Arc<str>>| print.as_deref().unwrap_or("").to_owned();
        (text(&offer.ja3), text(&offer.ja4))
    }

    const SUITES: &[u16] = &[
        0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
        0x009c, 0x009d, 0x002f, 0x0035,
    ];
    const SCHEMES: &[u8] =
        b"\0\x10\x04\x03\x08\x04\x04\x01\x05\x03\x08\x05\x05\x01\x08\x06\x06\x01";

    /// The extensions of the example in JA4's description, in its order.
    fn example() -> Vec<(u16, &'static [u8])> {
        [
            0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012,
            0x002b, 0xff01, 0x000b, 0x000a, 0x0015,
        ]
        .into_iter()
        .map(|kind| {
            let body: &[u8] = match kind {
                0x0010 => b"\0\x0c\x02h2\x08http/1.1",
                0x000d => SCHEMES,
                0x002b => &[4, 3, 4, 3, 3],
                _ => &[],
            };
            (kind, body)
        })
        .collect()
    }

    /// The example, and what its authors' description says of the corners.
    #[test]
    fn ja4_as_its_authors_describe_it() {
        let without = |kind: u16| {
            let mut extensions = example();
            extensions.retain(|(k, _)| *k != kind);
            extensions
        };
        let empty_schemes = example()
            .into_iter()
            .map(|(kind, body)| (kind, if kind == 0x000d { &[][..] } else { body }))
            .collect();
        let grease_suites = [&[0x3a3a], SUITES, &[0xfafa]].concat();
        let grease_schemes = [&[0, 0x12, 0x0a, 0x0a], &SCHEMES[2..]].concat();
        let grease: Vec<(u16, &[u8])> = [(0x1a1a, &[][..])]
            .into_iter()
            .chain(example().into_iter().map(|(kind, body)| match kind {
                0x000d => (kind, &*grease_schemes),
                0x002b => (kind, &[6, 0xaa, 0xaa, 3, 4, 3, 3][..]),
                _ => (kind, body),
            }))
            .chain([(0xcaca, &[0][..])])
            .collect();
        let signals = [0x5600, 0x002f, 0x00ff, 0xfe00];
        let many_suites: Vec<u16> = (0x1000..0x1000 + 120).collect();
        let many_extensions: Vec<(u16, &[u8])> =
            (0x2000..0x2000 + 150).map(|k| (k, &[][..])).collect();
        for (name, version, suites, extensions, want) in [
            (
                "the example",
                0x0303,
                SUITES,
                example(),
                "13d1516h2_8daaf6152771_e5627efa2ab1",
            ),
            (
                "GREASE is ignored wherever it is",
                0x0303,
                &grease_suites,
                grease,
                "13d1516h2_8daaf6152771_e5627efa2ab1",
            ),
            (
                "no server_name",
                0x0303,
                SUITES,
                without(0),
                "13i1515h2_8daaf6152771_e5627efa2ab1",
            ),
            (
                "no ALPN",
                0x0303,
                SUITES,
                without(16),
                "13d151500_8daaf6152771_e5627efa2ab1",
            ),
            (
                "no signature_algorithms",
                0x0303,
                SUITES,
                without(13),
                "13d1515h2_8daaf6152771_bebfbbe173b2",
            ),
            (
                "signature_algorithms with nothing in it",
                0x0303,
                SUITES,
                empty_schemes,
                "13d1516h2_8daaf6152771_6d807ffa2a79",
            ),
            (
                "no extensions",
                0x0301,
                &[0x002f],
                Vec::new(),
                "10i010000_ba72b8082249_000000000000",
            ),
            (
                "none but those that are left out",
                0x0303,
                &[0x002f],
                vec![(0, &[][..]), (16, b"\0\x03\x02h2")],
                "12d0102h2_ba72b8082249_000000000000",
            ),
            (
                "signals and experimental suites count",
                0x0300,
                &signals,
                Vec::new(),
                "s3i040000_ac75341afa39_000000000000",
            ),
            (
                "no suites",
                0x0303,
                &[],
                vec![(0xff01, &[0][..])],
                "12i000100_000000000000_bc98f8e001b5",
            ),
            (
                "more than 99 of both",
                0x0303,
                &many_suites,
                many_extensions,
                "12i999900_3ec5f12e055a_61e3aefabc17",
            ),
        ] {
            let body = client_hello(version, suites, &extensions);
            assert_eq!(prints(&body, Carrier::Tls).1, format!("t{want}"), "{name}");
        }
    }

    #[test]
    fn ja4_names_the_carrier_and_the_version() {
        let of = |version: u16, listed: &[u8], carrier: Carrier| {
            let list = [&[listed.len() as u8][..], listed].concat();
            let mut extensions = Vec::new();
            if !listed.is_empty() {
                extensions.push((0x002b, &*list));
            }
            let body = client_hello(version, &[0x002f], &extensions);
            prints(&body, carrier).1.chars().take(3).collect::<String>()
        };
        for (version, listed, carrier, want) in [
            (0x0303, &[3, 4][..], Carrier::Quic, "q13"),
            (0xfeff, &[], Carrier::Dtls, "dd1"),
            (0xfefd, &[], Carrier::Dtls, "dd2"),
            // The newest of DTLS has the lowest number.
            (0xfefd, &[0xfe, 0xfd, 0xfe, 0xfc], Carrier::Dtls, "dd3"),
            (0x0002, &[], Carrier::Tls, "ts2"),
            (0x0300, &[], Carrier::Tls, "ts3"),
            (0x0301, &[], Carrier::Tls, "t10"),
            (0x0302, &[], Carrier::Tls, "t11"),
            (0x0303, &[], Carrier::Tls, "t12"),
            (0x0303, &[3, 1, 3, 4, 3, 2], Carrier::Tls, "t13"),
            (0x0101, &[], Carrier::Tls, "t00"),
        ] {
            assert_eq!(of(version, listed, carrier), want);
        }
    }

    /// The examples of the description, and the empty ones.
    #[test]
    fn ja4_of_protocols_that_are_no_words() {
        let of = |protocol: &[u8]| {
            let mut body = ((protocol.len() + 1) as u16).to_be_bytes().to_vec();
            body.push(protocol.len() as u8);
            body.extend(protocol);
            let hello = client_hello(0x0303, &[0x002f], &[(16, &body)]);
            prints(&hello, Carrier::Tls)
                .1
                .chars()
                .skip(8)
                .take(2)
                .collect::<String>()
        };
        for (protocol, want) in [
            (&b"h2"[..], "h2"),
            (b"http/1.1", "h1"),
            (b"x", "xx"),
            (b"", "00"),
            (b"\xab", "ab"),
            (b"\x20", "20"),
            (b"\xab\xcd", "ad"),
            (b"\x20\x61", "21"),
            (b"\x30\xab", "3b"),
            (b"\x61\x20", "60"),
            (b"\x30\x31\xab\xcd", "3d"),
            (b"\x30\xab\xcd\x31", "01"),
            // GREASE in a protocol's place is a name like any other.
            (b"\x5a\x5a", "ZZ"),
            (b"\x0a\x0a", "0a"),
        ] {
            assert_eq!(of(protocol), want, "{protocol:x?}");
        }
        for list in [&b""[..], b"\0\0", b"\0\x05\x02h2", b"\0"] {
            let hello = client_hello(0x0303, &[0x002f], &[(16, list)]);
            let alpn: String = prints(&hello, Carrier::Tls)
                .1
                .chars()
                .skip(8)
                .take(2)
                .collect();
            assert_eq!(alpn, "00", "{list:x?}");
        }
    }

    /// The two examples of JA3's description, the second one without extensions; and GREASE.
    #[test]
    fn ja3_as_its_authors_describe_it() {
        let groups = b"\0\x06\0\x17\0\x18\0\x19";
        let suites = [47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4];
        let extensions: [(u16, &[u8]); 3] = [(0, b""), (10, groups), (11, &[1, 0])];
        let usual = client_hello(769, &suites, &extensions);
        let bare = client_hello(769, &[4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99], &[]);
        let greased = client_hello(
            769,
            &[&[0x4a4a][..], &suites].concat(),
            &[
                (0xbaba, &[][..]),
                (0, b""),
                (10, b"\0\x08\x8a\x8a\0\x17\0\x18\0\x19"),
                (11, &[1, 0]),
                (0x0a0a, &[0]),
            ],
        );
        for (hello, want) in [
            (usual, "ada70206e40642a3e4461f35503241d5"),
            (bare, "de350869b8c85de67a350c8d186f11e6"),
            (greased, "ada70206e40642a3e4461f35503241d5"),
        ] {
            assert_eq!(prints(&hello, Carrier::Tls).0, want);
        }
    }

    #[test]
    fn ja3s_is_of_the_answer_in_its_order() {
        let extensions = [65281, 0, 11, 35, 5, 16].map(|kind| (kind, &[][..]));
        for (extensions, want) in [
            (&extensions[..], "836ce314215654b5b1f85f97c73e506f"),
            (&[], "18e962e106761869a61045bed0e81c2c"),
        ] {
            let mut body = 769_u16.to_be_bytes().to_vec();
            body.extend([7; 32]);
            body.extend([0, 0, 47, 0]);
            body.extend(block(extensions));
            let hello = ServerHello::parse(&body).expect("a ServerHello");
            assert_eq!(ja3s(&hello), want);
        }
    }
}
