//! From a ClientHello to the [`Offer`] that all connections of the same stack share.

use std::sync::Arc;

use super::client::{self, ClientHello};
use super::extension::extension_type as ext;
use super::intern::Interner;
use super::registry::{CipherSuite, NamedGroup, SignatureScheme};
use super::version::ProtocolVersion;
use super::wire::{Reader, numbers};
use super::{Offer, fingerprint};
use crate::record::Carrier;

/// The offer of `hello`, the same [`Arc`] for the same offer.
pub fn intern(
    table: &mut Interner<Offer>,
    hello: &ClientHello<'_>,
    carrier: Carrier,
) -> Arc<Offer> {
    table.intern(
        |out| canonical(hello, carrier, out),
        || read(hello, carrier),
    )
}

/// The offer of a hello in SSL 2.0's format. Its suites are those of TLS among the specs; SSL 2.0's own have no number
/// of 16 bits.
pub fn intern_v2(
    table: &mut Interner<Offer>,
    version: ProtocolVersion,
    cipher_specs: &[u8],
) -> Arc<Offer> {
    table.intern(
        |out| {
            out.extend(b"SSL 2.0");
            out.extend(version.0.to_be_bytes());
            out.extend(cipher_specs);
        },
        || Offer {
            legacy_version: version,
            versions: vec![version],
            cipher_suites: cipher_specs
                .as_chunks::<3>()
                .0
                .iter()
                .filter(|[kind, ..]| *kind == 0)
                .map(|[_, high, low]| CipherSuite(u16::from_be_bytes([*high, *low])))
                .collect(),
            ..Offer::default()
        },
    )
}

/// Writes all of `hello` that [`Offer`] is made of, and nothing that changes with the connection.
fn canonical(hello: &ClientHello<'_>, carrier: Carrier, out: &mut Vec<u8>) {
    out.push(carrier as u8);
    out.extend(hello.legacy_version.0.to_be_bytes());
    out.extend((hello.cipher_suites.len() as u32).to_be_bytes());
    out.extend(hello.cipher_suites);
    for (kind, body) in hello.extensions() {
        out.extend(kind.to_be_bytes());
        match kind {
            ext::SUPPORTED_VERSIONS
            | ext::SUPPORTED_GROUPS
            | ext::SIGNATURE_ALGORITHMS
            | ext::ALPN
            | ext::EC_POINT_FORMATS => {
                out.extend((body.len() as u32).to_be_bytes());
                out.extend(body);
            }
            ext::KEY_SHARE | ext::KEY_SHARE_OLD => {
                for group in client::key_share_groups(body) {
                    out.extend([1]);
                    out.extend(group.to_be_bytes());
                }
                out.push(0);
            }
            _ => {}
        }
    }
}

fn read(hello: &ClientHello<'_>, carrier: Carrier) -> Offer {
    let mut offer = Offer {
        legacy_version: hello.legacy_version,
        versions: vec![hello.legacy_version],
        cipher_suites: numbers(hello.cipher_suites).map(CipherSuite).collect(),
        ..Offer::default()
    };
    offer.fallback_scsv = offer.cipher_suites.contains(&CipherSuite::FALLBACK_SCSV);
    let mut point_formats: &[u8] = &[];
    for (kind, body) in hello.extensions() {
        offer.extensions.push(kind);
        let list16 = || Reader::new(body).vec16("list").ok().map(numbers);
        match kind {
            ext::SERVER_NAME => offer.has_server_name = true,
            ext::SUPPORTED_VERSIONS => {
                if let Some(versions) = client::supported_versions(body) {
                    offer.versions = client::by_rank(numbers(versions));
                    offer.has_supported_versions = true;
                }
            }
            ext::SUPPORTED_GROUPS => {
                offer.named_groups = list16().map(|n| n.map(NamedGroup).collect())
            }
            ext::SIGNATURE_ALGORITHMS => {
                offer.signature_algorithms = list16().map(|n| n.map(SignatureScheme).collect())
            }
            ext::KEY_SHARE | ext::KEY_SHARE_OLD => {
                offer.key_shares = Some(client::key_share_groups(body).map(NamedGroup).collect())
            }
            ext::ALPN => offer.alpn = Some(protocols(body)),
            ext::EC_POINT_FORMATS => {
                point_formats = Reader::new(body)
                    .vec8("ec_point_formats")
                    .unwrap_or_default();
                // uncompressed(0), ansiX962_compressed_prime(1).
                offer.compressed_points_first =
                    point_formats.iter().find(|format| **format <= 1) == Some(&1);
            }
            ext::EXTENDED_MASTER_SECRET => offer.extended_master_secret = true,
            ext::ENCRYPT_THEN_MAC => offer.encrypt_then_mac = true,
            ext::ENCRYPTED_CLIENT_HELLO => offer.ech = true,
            _ => {}
        }
    }
    offer.ja3 = Some(fingerprint::ja3(&offer, point_formats).into());
    offer.ja4 = Some(fingerprint::ja4(&offer, hello, carrier).into());
    offer
}

/// The ProtocolNameList of ALPN (RFC 7301 section 3.1).
fn protocols(body: &[u8]) -> Vec<String> {
    let mut list = Reader::new(
        Reader::new(body)
            .vec16("protocol_name_list")
            .unwrap_or_default(),
    );
    std::iter::from_fn(|| list.vec8("protocol_name").ok())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}
