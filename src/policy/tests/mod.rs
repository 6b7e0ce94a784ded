//! Tables: an offer, a far end, what comes of it; and the offers that they share.

mod judging;
mod simulating;

use super::*;
use crate::hello::Offer;
use crate::hello::registry::{CipherSuite, NamedGroup, SignatureScheme};
use crate::hello::version::ProtocolVersion as V;

/// A client of today: TLS 1.3 and 1.2, ECDHE and RSA, both kinds of keys.
fn modern() -> Offer {
    Offer {
        legacy_version: V::TLS_1_2,
        versions: vec![V::TLS_1_3, V::TLS_1_2],
        has_supported_versions: true,
        cipher_suites: suites(&[
            0x1301, 0x1302, 0xc02b, 0xc02f, 0x009e, 0xc013, 0x009c, 0x002f,
        ]),
        named_groups: Some(groups(&[4588, 29, 23, 24, 256])),
        key_shares: Some(groups(&[4588, 29])),
        signature_algorithms: Some(schemes(&[0x0403, 0x0503, 0x0804, 0x0805, 0x0401, 0x0501])),
        has_server_name: true,
        extended_master_secret: true,
        encrypt_then_mac: true,
        ..Offer::default()
    }
}

/// A client of 2008: TLS 1.0 without extensions.
fn ancient() -> Offer {
    Offer {
        legacy_version: V::TLS_1_0,
        versions: vec![V::TLS_1_0],
        cipher_suites: suites(&[0x002f, 0x0035, 0x000a]),
        ..Offer::default()
    }
}

/// A printer: TLS 1.2 with nothing but TLS_RSA suites.
fn printer() -> Offer {
    Offer {
        legacy_version: V::TLS_1_2,
        versions: vec![V::TLS_1_2],
        cipher_suites: suites(&[0x009c, 0x003c, 0x002f]),
        signature_algorithms: Some(schemes(&[0x0401, 0x0201])),
        ..Offer::default()
    }
}

fn suites(ids: &[u16]) -> Vec<CipherSuite> {
    ids.iter().copied().map(CipherSuite).collect()
}

fn groups(ids: &[u16]) -> Vec<NamedGroup> {
    ids.iter().copied().map(NamedGroup).collect()
}

fn schemes(ids: &[u16]) -> Vec<SignatureScheme> {
    ids.iter().copied().map(SignatureScheme).collect()
}

fn policy(accepts: &str) -> Policy {
    let text = format!("name = \"test\"\n[accepts]\n{accepts}");
    file::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

const MIN_12: &str = "min_version = \"TLS 1.2\"\n";
const ECDHE_12: &str = "min_version = \"TLS 1.2\"\ncipher_suites = [\"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\", \"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\"]\n";
