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
