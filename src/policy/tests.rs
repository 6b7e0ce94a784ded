//! Tables: an offer, a far end, what comes of it.

use std::sync::Arc;

use super::accepts::CertificateKey;
use super::simulate::{Simulation, simulate};
use super::*;
use crate::hello::Offer;
use crate::hello::registry::{CipherSuite, NamedGroup, SignatureScheme};
use crate::hello::version::ProtocolVersion as V;
use crate::record::{Cause, FlowRecord, Outcome, Upgrade, Verdict, Version};

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

fn played(offer: &Offer, accepts: &str) -> Simulation {
    let accepts = policy(accepts).accepts.expect("given");
    simulate(
        offer,
        &accepts,
        accepts.certificates.as_deref(),
        None,
        false,
    )
}

/// "TLS 1.2 0xc02f 29", or the reason.
fn told(simulation: Simulation) -> String {
    match simulation {
        Simulation::Chosen(chosen) => format!(
            "{} 0x{:04x}{}{}",
            chosen.version(),
            chosen.cipher_suite,
            chosen
                .named_group
                .map_or_else(String::new, |g| format!(" {g}")),
            if chosen.hello_retry {
                " after a retry"
            } else {
                ""
            },
        ),
        Simulation::Fails(reason) => reason.into(),
        Simulation::Unknown(reason) => format!("unknown {reason}"),
    }
}

const MIN_12: &str = "min_version = \"TLS 1.2\"\n";
const ECDHE_12: &str = "min_version = \"TLS 1.2\"\ncipher_suites = [\"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\", \"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\"]\n";

#[test]
fn versions() {
    let old = |versions: &[V]| Offer {
        versions: versions.to_vec(),
        ..modern()
    };
    for (name, offer, accepts, want) in [
        ("modern", modern(), MIN_12, "TLS 1.3 0x1301 4588"),
        ("ancient", ancient(), MIN_12, reason::MIN_VERSION_OFFER),
        (
            "ancient, taken",
            ancient(),
            "min_version = \"TLS 1.0\"",
            "TLS 1.0 0x002f",
        ),
        (
            "1.3 asked of 1.2",
            printer(),
            "min_version = \"TLS 1.3\"",
            reason::MIN_VERSION_OFFER,
        ),
        (
            "1.3 alone against 1.2",
            old(&[V::TLS_1_3]),
            "max_version = \"TLS 1.2\"",
            reason::MAX_VERSION,
        ),
        (
            "a hole",
            old(&[V::TLS_1_3, V::TLS_1_0]),
            "min_version = \"TLS 1.1\"\nmax_version = \"TLS 1.2\"",
            reason::VERSION,
        ),
        (
            "old versions without their signatures",
            old(&[V::TLS_1_2, V::TLS_1_1]),
            "max_version = \"TLS 1.1\"",
            "unknown client-minimum-version",
        ),
        (
            "old versions in earnest",
            Offer {
                signature_algorithms: Some(schemes(&[0x0401, 0x0201])),
                ..old(&[V::TLS_1_2, V::TLS_1_1])
            },
            "max_version = \"TLS 1.1\"",
            "TLS 1.1 0xc013 29",
        ),
        (
            "drafts are no versions",
            old(&[V(0x7f17)]),
            MIN_12,
            reason::MIN_VERSION_OFFER,
        ),
        (
            "1.3 switched off",
            modern(),
            "max_version = \"TLS 1.2\"",
            "TLS 1.2 0xc02b 29",
        ),
        (
            "no suite of 1.3 is no 1.3",
            modern(),
            ECDHE_12,
            "TLS 1.2 0xc02f 29",
        ),
        (
            "lowered",
            printer(),
            "max_version = \"TLS 1.1\"",
            "unknown client-minimum-version",
        ),
        (
            "lowered to where no suite is left",
            Offer {
                cipher_suites: suites(&[0x009c]),
                ..printer()
            },
            "max_version = \"TLS 1.1\"",
            reason::CIPHER_SUITES,
        ),
        (
            "a legacy_version of the future",
            Offer {
                legacy_version: V(0x0305),
                ..printer()
            },
            MIN_12,
            "TLS 1.2 0x009c",
        ),
        (
            "a retry",
            Offer {
                fallback_scsv: true,
                ..printer()
            },
            MIN_12,
            "unknown fallback-retry",
        ),
        (
            "a retry at the highest",
            Offer {
                fallback_scsv: true,
                ..printer()
            },
            "max_version = \"TLS 1.2\"",
            "TLS 1.2 0x009c",
        ),
    ] {
        assert_eq!(told(played(&offer, accepts)), want, "{name}");
    }
}

#[test]
fn suites_groups_and_keys() {
    let rsa = "certificates = [{ key = \"RSA-2048\" }]\n";
    let p384 = "certificates = [{ key = \"ECDSA P-384\" }]\nmax_version = \"TLS 1.2\"\n";
    let max12 = "max_version = \"TLS 1.2\"\n";
    let without_groups = || Offer {
        named_groups: None,
        ..modern()
    };
    let few_groups = || Offer {
        named_groups: Some(groups(&[29, 23, 256])),
        ..modern()
    };
    for (name, offer, accepts, want) in [
        (
            "TLS_RSA alone against ECDHE",
            printer(),
            ECDHE_12.into(),
            reason::CIPHER_SUITES,
        ),
        (
            "an RSA key",
            modern(),
            format!("{max12}{rsa}"),
            "TLS 1.2 0xc02f 29",
        ),
        (
            "ECDSA suites and an RSA key",
            Offer {
                cipher_suites: suites(&[0xc02b]),
                ..modern()
            },
            format!("{max12}{rsa}"),
            reason::CERTIFICATE_KEY,
        ),
        (
            "no group",
            few_groups(),
            format!("{ECDHE_12}groups = [\"secp521r1\"]"),
            reason::GROUPS,
        ),
        (
            "no group in 1.3",
            few_groups(),
            "groups = [\"secp521r1\"]".into(),
            reason::GROUPS,
        ),
        (
            "another share",
            modern(),
            "groups = [\"secp384r1\"]".into(),
            "TLS 1.3 0x1301 24 after a retry",
        ),
        (
            "a hybrid is none for 1.2",
            Offer {
                named_groups: Some(groups(&[4588])),
                ..modern()
            },
            ECDHE_12.into(),
            reason::GROUPS,
        ),
        (
            "groups not sent, to software that is not named",
            without_groups(),
            ECDHE_12.into(),
            "unknown software-not-named",
        ),
        (
            "groups not sent, to who takes any",
            without_groups(),
            format!("{ECDHE_12}[accepts.habits]\nsoftware = \"gnutls\""),
            "TLS 1.2 0xc02b 23",
        ),
        (
            "groups not sent, to who takes secp256r1 then, and has it not",
            without_groups(),
            format!("{ECDHE_12}groups = [\"x25519\"]\n[accepts.habits]\nsoftware = \"bearssl\""),
            reason::GROUPS,
        ),
        (
            "groups not sent, to who wants them",
            without_groups(),
            format!("{ECDHE_12}[accepts.habits]\ngroups_when_none_sent = \"no-ecdhe\""),
            reason::GROUPS,
        ),
        (
            "groups not sent in 1.3",
            without_groups(),
            String::new(),
            reason::GROUPS,
        ),
        (
            "groups empty",
            Offer {
                named_groups: Some(vec![]),
                ..modern()
            },
            ECDHE_12.into(),
            reason::GROUPS,
        ),
        (
            "server's order",
            modern(),
            format!(
                "{max12}cipher_suites = [\"TLS_RSA_WITH_AES_128_GCM_SHA256\", \"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\"]"
            ),
            "TLS 1.2 0x009c",
        ),
        (
            "client's order",
            modern(),
            format!(
                "{max12}cipher_suites = [\"TLS_RSA_WITH_AES_128_GCM_SHA256\", \"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\"]\n[accepts.habits]\nsuite_order = \"client\""
            ),
            "TLS 1.2 0xc02f 29",
        ),
        ("a curve listed", modern(), p384.into(), "TLS 1.2 0xc02b 29"),
        (
            "a curve not listed, to software that is not named",
            few_groups(),
            p384.into(),
            "unknown certificate-curve-not-listed",
        ),
        (
            "a curve not listed",
            few_groups(),
            format!("{p384}[accepts.habits]\ncertificate_curve = \"client-groups\""),
            reason::CERTIFICATE_CURVE,
        ),
        (
            "a curve not listed, sent all the same",
            few_groups(),
            format!("{p384}[accepts.habits]\ncertificate_curve = \"ignored\""),
            "unknown certificate-curve-not-listed",
        ),
        (
            "a curve not in the server's groups",
            modern(),
            format!(
                "{p384}groups = [\"secp256r1\"]\n[accepts.habits]\ncertificate_curve = \"both-groups\""
            ),
            reason::CERTIFICATE_CURVE,
        ),
        (
            "a curve not in the server's groups, to software that is not named",
            modern(),
            format!("{p384}groups = [\"secp256r1\"]"),
            "unknown software-not-named",
        ),
        (
            "a curve not in the server's groups, to who does not care",
            modern(),
            format!(
                "{p384}groups = [\"secp256r1\"]\n[accepts.habits]\ncertificate_curve = \"client-groups\""
            ),
            "TLS 1.2 0xc02b 23",
        ),
        (
            "the curve of a key in 1.3 is the scheme's",
            few_groups(),
            "certificates = [{ key = \"ECDSA P-384\" }]".into(),
            "TLS 1.3 0x1301 29",
        ),
        (
            "no scheme for P-521 in 1.3",
            modern(),
            "certificates = [{ key = \"ECDSA P-521\" }]".into(),
            reason::SIGNATURE_ALGORITHMS,
        ),
        (
            "any hash for ECDSA in 1.2",
            Offer {
                named_groups: Some(groups(&[25])),
                ..modern()
            },
            "certificates = [{ key = \"ECDSA P-521\" }]\nmax_version = \"TLS 1.2\"\n[accepts.habits]\nsoftware = \"openssl\"".into(),
            "TLS 1.2 0xc02b 25",
        ),
        (
            "the hash of the curve in 1.2 too, as rustls has it",
            Offer {
                named_groups: Some(groups(&[25])),
                ..modern()
            },
            "certificates = [{ key = \"ECDSA P-521\" }]\nmax_version = \"TLS 1.2\"\n[accepts.habits]\nsoftware = \"rustls\"".into(),
            reason::SIGNATURE_ALGORITHMS,
        ),
        (
            "an anonymous suite: not foretold",
            Offer {
                cipher_suites: suites(&[0x0034, 0x00ff]),
                ..printer()
            },
            String::new(),
            "unknown unusual-suites",
        ),
        (
            "GREASE and signals are no suites",
            Offer {
                cipher_suites: suites(&[0x1a1a, 0x00ff]),
                ..printer()
            },
            String::new(),
            reason::CIPHER_SUITES,
        ),
    ] {
        assert_eq!(told(played(&offer, &accepts)), want, "{name}");
    }
}

#[test]
fn signature_algorithms() {
    let rsa = |habit: &str| {
        format!(
            "max_version = \"TLS 1.2\"\ncertificates = [{{ key = \"RSA-2048\" }}]\nsignature_algorithms = [\"rsa_pss_rsae_sha256\", \"rsa_pkcs1_sha256\"]\n[accepts.habits]\nsignature_check = \"{habit}\""
        )
    };
    let sha1 = || Offer {
        signature_algorithms: Some(schemes(&[0x0201])),
        ..modern()
    };
    let unsaid = || Offer {
        signature_algorithms: None,
        ..modern()
    };
    let rsa_suites_first = || Offer {
        cipher_suites: suites(&[0x009c, 0xc02f]),
        ..sha1()
    };
    for (name, offer, accepts, want) in [
        ("SHA-1 alone, another suite", sha1(), rsa("with-suite"), "TLS 1.2 0x009c"),
        ("SHA-1 alone, chosen too early", sha1(), rsa("after-suite"), reason::SIGNATURE_ALGORITHMS),
        ("nothing to sign", rsa_suites_first(), rsa("after-suite"), "TLS 1.2 0x009c"),
        ("nothing to sign, asked all the same", rsa_suites_first(), rsa("rsa-after-suite"), reason::SIGNATURE_ALGORITHMS),
        ("absent is SHA-1", unsaid(), rsa("after-suite"), reason::SIGNATURE_ALGORITHMS),
        ("absent is SHA-1, which is taken", unsaid(), "max_version = \"TLS 1.2\"".into(), "TLS 1.2 0xc02b 29"),
        ("absent in 1.3", unsaid(), String::new(), reason::SIGNATURE_ALGORITHMS),
        (
            "PKCS #1 alone is nothing in 1.3",
            Offer { signature_algorithms: Some(schemes(&[0x0401])), ..modern() },
            "certificates = [{ key = \"RSA-2048\" }]".into(),
            reason::SIGNATURE_ALGORITHMS,
        ),
        (
            "a key too short for its hash",
            Offer { signature_algorithms: Some(schemes(&[0x0806])), ..modern() },
            "certificates = [{ key = \"RSA-1024\" }]".into(),
            reason::SIGNATURE_ALGORITHMS,
        ),
        (
            "an ECDSA certificate that an RSA key may have signed",
            Offer { signature_algorithms: Some(schemes(&[0x0403])), ..modern() },
            "certificates = [{ key = \"ECDSA P-256\" }]".into(),
            "unknown certificate-signature-not-listed",
        ),
        (
            "an ECDSA certificate before TLS 1.2, to software that is not named",
            Offer { cipher_suites: suites(&[0xc009]), ..ancient() },
            "groups = [\"secp256r1\"]\ncertificates = [{ key = \"ECDSA P-256\" }]\n[accepts.habits]\ngroups_when_none_sent = \"any\"".into(),
            "unknown certificate-signature-not-listed",
        ),
        (
            "an ECDSA certificate before TLS 1.2",
            Offer { cipher_suites: suites(&[0xc009]), ..ancient() },
            "groups = [\"secp256r1\"]\ncertificates = [{ key = \"ECDSA P-256\" }]\n[accepts.habits]\nsoftware = \"gnutls\"".into(),
            "TLS 1.0 0xc009 23",
        ),
        (
            "the certificate is looked for before the suite",
            Offer { signature_algorithms: Some(schemes(&[0x0401])), ..modern() },
            "max_version = \"TLS 1.2\"\ncertificates = [{ key = \"ECDSA P-256\" }, { key = \"RSA-2048\" }]\n[accepts.habits]\nsignature_check = \"after-suite\"".into(),
            "TLS 1.2 0xc02f 29",
        ),
        (
            "ECDSA is looked at with the suite",
            Offer { signature_algorithms: Some(schemes(&[0x0401])), ..modern() },
            "max_version = \"TLS 1.2\"\ncertificates = [{ key = \"ECDSA P-256\" }, { key = \"RSA-2048\" }]\n[accepts.habits]\nsignature_check = \"rsa-after-suite\"".into(),
            "TLS 1.2 0xc02f 29",
        ),
    ] {
        assert_eq!(told(played(&offer, &accepts)), want, "{name}");
    }
}

#[test]
fn extensions() {
    let max12 = "max_version = \"TLS 1.2\"\n";
    for (name, offer, accepts, want) in [
        (
            "no name",
            printer(),
            "server_name = \"required\"".to_owned(),
            reason::SERVER_NAME,
        ),
        (
            "a name",
            modern(),
            "server_name = \"required\"".to_owned(),
            "TLS 1.3 0x1301 4588",
        ),
        (
            "no EMS",
            printer(),
            "extended_master_secret = \"required\"".into(),
            reason::EXTENDED_MASTER_SECRET,
        ),
        (
            "no EMS in 1.3",
            Offer {
                extended_master_secret: false,
                ..modern()
            },
            "extended_master_secret = \"required\"".into(),
            "TLS 1.3 0x1301 4588",
        ),
        (
            "no EtM: an AEAD",
            printer(),
            "encrypt_then_mac = \"required\"".into(),
            "TLS 1.2 0x009c",
        ),
        (
            "no EtM, and CBC",
            Offer {
                cipher_suites: suites(&[0x003c, 0x002f]),
                ..printer()
            },
            "encrypt_then_mac = \"required\"".into(),
            reason::ENCRYPT_THEN_MAC,
        ),
        (
            "EtM",
            Offer {
                cipher_suites: suites(&[0xc013]),
                ..modern()
            },
            format!("{max12}encrypt_then_mac = \"required\""),
            "TLS 1.2 0xc013 29",
        ),
        (
            "read back: not known",
            Offer {
                from_record: true,
                ..printer()
            },
            "extended_master_secret = \"required\"".into(),
            "unknown offer-not-saved",
        ),
    ] {
        assert_eq!(told(played(&offer, &accepts)), want, "{name}");
    }
}

/// What one library alone does, found by the cut-over laboratory (tests/cutover) and read in the library's source.
#[test]
fn ways_of_one_library() {
    let mbedtls_client = || Offer {
        // Its own list: twelve, x25519 the last.
        named_groups: Some(groups(&[25, 28, 24, 27, 23, 22, 26, 21, 20, 19, 18, 29])),
        versions: vec![V::TLS_1_2],
        cipher_suites: suites(&[0xc02b, 0xc02f]),
        ..modern()
    };
    let grease_between = || Offer {
        named_groups: Some(groups(&[
            0x0a0a, 4588, 25, 28, 24, 27, 23, 22, 26, 21, 20, 19, 29,
        ])),
        ..mbedtls_client()
    };
    let compressed = || Offer {
        compressed_points_first: true,
        ..mbedtls_client()
    };
    let only_rsa = || Offer {
        cipher_suites: suites(&[0x009c]),
        ..compressed()
    };
    let few_groups = || Offer {
        named_groups: Some(groups(&[24])),
        ..mbedtls_client()
    };
    let no_field = || Offer {
        cipher_suites: suites(&[0x009e]),
        ..mbedtls_client()
    };
    let large_field = || Offer {
        named_groups: Some(groups(&[24, 260])),
        cipher_suites: suites(&[0x009e]),
        ..mbedtls_client()
    };
    let saved = || Offer {
        from_record: true,
        ..mbedtls_client()
    };
    let silent = || Offer {
        signature_algorithms: None,
        cipher_suites: suites(&[0xc02f, 0x009c]),
        ..mbedtls_client()
    };
    let x25519 = "max_version = \"TLS 1.2\"\ngroups = [\"x25519\"]\n";
    let p256 = "max_version = \"TLS 1.2\"\ngroups = [\"secp256r1\"]\n";
    let both_keys = "max_version = \"TLS 1.2\"\ncertificates = [{ key = \"RSA-2048\" }, { key = \"ECDSA P-256\" }]\n";
    let pss = "max_version = \"TLS 1.2\"\nsignature_algorithms = [\"rsa_pss_rsae_sha256\"]\ncertificates = [{ key = \"RSA-2048\" }]\n";
    for (offer, accepts, software, want) in [
        (mbedtls_client(), x25519, "mbedtls", "groups"),
        (mbedtls_client(), x25519, "gnutls", "TLS 1.2 0xc02b 29"),
        (grease_between(), x25519, "mbedtls", "TLS 1.2 0xc02b 29"),
        (mbedtls_client(), p256, "mbedtls", "TLS 1.2 0xc02b 23"),
        (compressed(), p256, "mbedtls", "unknown point-format"),
        (compressed(), p256, "gnutls", "TLS 1.2 0xc02b 23"),
        (only_rsa(), p256, "mbedtls", "TLS 1.2 0x009c"),
        (saved(), p256, "mbedtls", "unknown offer-not-saved"),
        (saved(), p256, "gnutls", "TLS 1.2 0xc02b 23"),
        (few_groups(), both_keys, "haproxy", "certificate-curve"),
        (few_groups(), both_keys, "openssl", "TLS 1.2 0xc02f 24"),
        (no_field(), x25519, "bouncycastle", "ffdhe-groups"),
        (
            no_field(),
            "max_version = \"TLS 1.2\"\n",
            "jsse",
            "TLS 1.2 0x009e",
        ),
        (
            few_groups(),
            x25519,
            "bouncycastle",
            "unknown group-not-listed",
        ),
        (few_groups(), x25519, "boringssl", "groups"),
        (large_field(), x25519, "mbedtls", "unknown dhe-parameters"),
        (silent(), pss, "jsse", "TLS 1.2 0xc02f 25"),
        (silent(), pss, "gnutls", "TLS 1.2 0x009c"),
        (silent(), pss, "openssl", "signature-algorithms"),
        (printer(), pss, "jsse", "signature-algorithms"),
        (printer(), pss, "gnutls", "TLS 1.2 0x009c"),
    ] {
        let accepts = format!("{accepts}[accepts.habits]\nsoftware = \"{software}\"\n");
        assert_eq!(told(played(&offer, &accepts)), want, "{accepts}{offer:?}");
    }
}

#[test]
fn finite_fields() {
    let dhe = |habit: &str, groups: &str| {
        format!(
            "cipher_suites = [\"TLS_DHE_RSA_WITH_AES_128_GCM_SHA256\"]\n{groups}[accepts.habits]\ndhe = \"{habit}\""
        )
    };
    let without = || Offer {
        named_groups: Some(groups(&[29])),
        versions: vec![V::TLS_1_2],
        ..modern()
    };
    for (name, offer, accepts, want) in [
        ("fixed", modern(), dhe("fixed", ""), "TLS 1.2 0x009e"),
        (
            "fixed, to who lists a larger field alone",
            Offer {
                named_groups: Some(groups(&[29, 260])),
                ..modern()
            },
            dhe("fixed", ""),
            "unknown dhe-parameters",
        ),
        (
            "fixed, to who could list a field and does not",
            Offer {
                named_groups: Some(groups(&[29])),
                ..modern()
            },
            dhe("fixed", ""),
            "unknown dhe-parameters",
        ),
        (
            "fixed, to who knows curves alone",
            without(),
            dhe("fixed", ""),
            "TLS 1.2 0x009e",
        ),
        ("none", modern(), dhe("none", ""), reason::CIPHER_SUITES),
        (
            "negotiated",
            modern(),
            dhe("negotiated", ""),
            "TLS 1.2 0x009e",
        ),
        (
            "negotiated, another",
            modern(),
            dhe("negotiated", "groups = [\"ffdhe4096\"]\n"),
            reason::FFDHE_GROUPS,
        ),
        (
            "negotiated, none listed",
            without(),
            dhe("negotiated", "groups = [\"ffdhe4096\"]\n"),
            "TLS 1.2 0x009e",
        ),
        (
            "negotiated, none to give",
            without(),
            dhe("negotiated", "groups = [\"x25519\"]\n"),
            reason::FFDHE_GROUPS,
        ),
    ] {
        assert_eq!(told(played(&offer, &accepts)), want, "{name}");
    }
}

fn flow(outcome: Outcome, negotiated: Option<V>, offer: Option<Offer>) -> FlowRecord {
    FlowRecord {
        outcome,
        negotiated_version: negotiated.map(Version::Exact),
        offer: offer.map(Arc::new),
        ..FlowRecord::default()
    }
}

fn judged(mut record: FlowRecord, policy: &Policy) -> FlowRecord {
    Judge::new(policy, None).judge(&mut record);
    record
}

#[test]
fn the_facts_of_today_and_the_offer_of_tomorrow() {
    use Outcome::*;
    let mid_stream = FlowRecord {
        negotiated_version: Some(Version::Tls12OrLater),
        ..flow(JoinedMidStream, None, None)
    };
    let answer = |suite: u16| FlowRecord {
        cipher_suite: Some(CipherSuite(suite)),
        ..flow(ServerHelloOnly, Some(V::TLS_1_2), None)
    };
    let retry = Offer {
        fallback_scsv: true,
        ..ancient()
    };
    for (name, record, accepts, verdict, reason, act) in [
        (
            "fine",
            flow(Negotiated, Some(V::TLS_1_3), Some(modern())),
            MIN_12,
            Verdict::Ok,
            None,
            None,
        ),
        (
            "old client",
            flow(Negotiated, Some(V::TLS_1_0), Some(ancient())),
            MIN_12,
            Verdict::Breaks,
            Some(reason::MIN_VERSION),
            Some(Act::Client),
        ),
        (
            "old server",
            flow(Negotiated, Some(V::TLS_1_0), Some(modern())),
            MIN_12,
            Verdict::Breaks,
            Some(reason::MIN_VERSION),
            Some(Act::Server),
        ),
        (
            "old server, and no suite",
            flow(Negotiated, Some(V::TLS_1_0), Some(printer())),
            ECDHE_12,
            Verdict::Breaks,
            Some(reason::MIN_VERSION),
            Some(Act::Both),
        ),
        (
            "a retry with an old server",
            flow(Negotiated, Some(V::TLS_1_0), Some(retry)),
            MIN_12,
            Verdict::Breaks,
            Some(reason::MIN_VERSION),
            Some(Act::Server),
        ),
        (
            "1.2 today, no suite tomorrow",
            flow(Negotiated, Some(V::TLS_1_2), Some(printer())),
            ECDHE_12,
            Verdict::Breaks,
            Some(reason::CIPHER_SUITES),
            Some(Act::Client),
        ),
        (
            "newer today",
            flow(Negotiated, Some(V::TLS_1_3), Some(modern())),
            ECDHE_12,
            Verdict::Ok,
            None,
            None,
        ),
        (
            "old, mid-stream",
            flow(JoinedMidStream, Some(V::TLS_1_0), None),
            MIN_12,
            Verdict::Breaks,
            Some(reason::MIN_VERSION),
            None,
        ),
        (
            "1.2 or 1.3, mid-stream",
            mid_stream.clone(),
            MIN_12,
            Verdict::Ok,
            None,
            None,
        ),
        (
            "1.2 or 1.3, mid-stream, suites asked",
            mid_stream.clone(),
            ECDHE_12,
            Verdict::Unknown,
            Some("joined-mid-stream"),
            None,
        ),
        (
            "1.2 or 1.3, mid-stream, 1.3 asked",
            mid_stream,
            "min_version = \"TLS 1.3\"",
            Verdict::Unknown,
            Some(reason::UNRANKED_VERSION),
            None,
        ),
        (
            "the answer alone fits",
            answer(0xc02f),
            ECDHE_12,
            Verdict::Ok,
            None,
            None,
        ),
        (
            "the answer alone does not tell",
            answer(0x002f),
            ECDHE_12,
            Verdict::Unknown,
            Some(reason::OFFER_NOT_SEEN),
            None,
        ),
        (
            "the offer alone",
            flow(ClientHelloOnly, None, Some(modern())),
            MIN_12,
            Verdict::Ok,
            None,
            None,
        ),
        (
            "the offer alone, old",
            flow(ClientHelloOnly, None, Some(ancient())),
            MIN_12,
            Verdict::Breaks,
            Some(reason::MIN_VERSION_OFFER),
            Some(Act::Client),
        ),
        (
            "refused today",
            flow(RefusedByServer, None, Some(modern())),
            MIN_12,
            Verdict::Unknown,
            Some("refused-by-server"),
            None,
        ),
        (
            "refused today, and tomorrow",
            flow(RefusedByServer, None, Some(ancient())),
            MIN_12,
            Verdict::Breaks,
            Some(reason::MIN_VERSION_OFFER),
            Some(Act::Client),
        ),
        (
            "not answered",
            flow(NoAnswer, None, Some(modern())),
            MIN_12,
            Verdict::Unknown,
            Some("not-answered"),
            None,
        ),
        (
            "a number of no standard",
            flow(Negotiated, Some(V(0x7a00)), Some(modern())),
            MIN_12,
            Verdict::Unknown,
            Some(reason::UNRANKED_VERSION),
            None,
        ),
        (
            "nothing",
            flow(Unknown, None, None),
            MIN_12,
            Verdict::Unknown,
            Some("not-seen"),
            None,
        ),
    ] {
        let record = judged(record, &policy(accepts));
        assert_eq!(
            (record.verdict, record.reasons.first().copied(), record.act),
            (verdict, reason, act),
            "{name}"
        );
        assert_eq!(record.policy.as_deref(), Some("test"), "{name}");
    }
}

#[test]
fn an_upgrade_may_go_on_without() {
    let mail = |port: u16, name: &str| FlowRecord {
        service: Some(if port == 25 { "smtp" } else { "submission" }),
        server_port: Some(port),
        client_name: Some(name.into()),
        upgrade: Some(Upgrade::Upgraded),
        continued_in_clear: Some(false),
        ..flow(Outcome::Negotiated, Some(V::TLS_1_0), Some(ancient()))
    };
    let went_on = FlowRecord {
        continued_in_clear: Some(true),
        upgrade: Some(Upgrade::HelloFailed),
        ..mail(587, "printer")
    };
    let refused = "min_version = \"TLS 1.2\"\ncleartext = \"refused\"";
    for (name, record, accepts, verdict, second) in [
        (
            "a relay",
            mail(25, "mx.example.org"),
            MIN_12,
            Verdict::GoesCleartext,
            Some(reason::OPPORTUNISTIC_ASSUMED),
        ),
        (
            "a printer",
            mail(25, "printer"),
            MIN_12,
            Verdict::Breaks,
            Some(reason::MAY_GO_CLEARTEXT),
        ),
        (
            "an address",
            mail(25, "[192.0.2.1]"),
            MIN_12,
            Verdict::Breaks,
            Some(reason::MAY_GO_CLEARTEXT),
        ),
        (
            "submission",
            mail(587, "mail.example.org"),
            MIN_12,
            Verdict::Breaks,
            Some(reason::MAY_GO_CLEARTEXT),
        ),
        ("seen", went_on, MIN_12, Verdict::GoesCleartext, None),
        (
            "refused",
            mail(25, "mx.example.org"),
            refused,
            Verdict::Breaks,
            None,
        ),
    ] {
        let record = judged(record, &policy(accepts));
        assert_eq!(
            (record.verdict, record.reasons.get(1).copied()),
            (verdict, second),
            "{name}"
        );
    }
}

#[test]
fn sessions_in_the_clear() {
    for (upgrade, went_on, verdict, where_refused) in [
        (
            Upgrade::NotRequested,
            true,
            Verdict::AtRisk,
            Verdict::Breaks,
        ),
        (Upgrade::NotOffered, false, Verdict::AtRisk, Verdict::Breaks),
        (Upgrade::Refused, false, Verdict::AtRisk, Verdict::Breaks),
        (
            Upgrade::Refused,
            true,
            Verdict::GoesCleartext,
            Verdict::Breaks,
        ),
        (
            Upgrade::StrippedSuspected,
            true,
            Verdict::GoesCleartext,
            Verdict::Breaks,
        ),
        (Upgrade::Unknown, false, Verdict::Unknown, Verdict::Unknown),
        (Upgrade::Unknown, true, Verdict::AtRisk, Verdict::Breaks),
    ] {
        let record = FlowRecord {
            upgrade: Some(upgrade),
            continued_in_clear: Some(went_on),
            cleartext_credentials: Some(true),
            ..flow(Outcome::Cleartext, None, None)
        };
        let name = format!("{upgrade} {went_on}");
        let served = judged(record.clone(), &policy(MIN_12));
        assert_eq!(served.verdict, verdict, "{name}");
        assert_eq!(
            served.reasons,
            [reason::CLEARTEXT, reason::CLEARTEXT_CREDENTIALS]
        );
        let refused = judged(record, &policy("cleartext = \"refused\""));
        assert_eq!(refused.verdict, where_refused, "{name}");
    }
    let sealed = FlowRecord {
        upgrade: Some(Upgrade::NotRequested),
        continued_in_clear: Some(false),
        cause: Some(Cause::Other("gssapi encryption")),
        ..flow(Outcome::Unknown, None, None)
    };
    let m365 = builtin::find("m365").expect("built in").policy();
    for policy in [&m365, &policy("cleartext = \"refused\"")] {
        assert_eq!(judged(sealed.clone(), policy).verdict, Verdict::Unknown);
    }
}

#[test]
fn days_and_rules() {
    let text = r#"
name = "dated"
effective = 2027-01-01
[accepts]
min_version = "TLS 1.2"
[[rule]]
id = "rsa"
scope = "negotiated"
severity = "must-not"
effective = 2028-01-01
when = { cipher_suites = ["TLS_RSA_*"] }
"#;
    let policy = file::parse(text).expect("it is valid");
    let at = |day: &str, record: &FlowRecord| {
        let mut record = record.clone();
        Judge::new(&policy, Timestamp::from_date(day)).judge(&mut record);
        (record.verdict, record.reasons, record.act)
    };
    let old = flow(Outcome::Negotiated, Some(V::TLS_1_0), Some(ancient()));
    assert_eq!(
        at("2026-12-31", &old),
        (
            Verdict::AtRisk,
            vec![reason::MIN_VERSION, reason::NOT_YET_IN_FORCE],
            Some(Act::Client)
        )
    );
    assert_eq!(at("2027-01-01", &old).0, Verdict::Breaks);
    let rsa = FlowRecord {
        cipher_suite: Some(CipherSuite(0x009c)),
        ..flow(Outcome::Negotiated, Some(V::TLS_1_2), Some(modern()))
    };
    assert_eq!(
        at("2027-06-01", &rsa),
        (Verdict::AtRisk, vec!["rsa"], Some(Act::Server))
    );
    assert_eq!(
        at("2028-01-01", &rsa),
        (Verdict::Breaks, vec!["rsa"], Some(Act::Server))
    );
    // The day is the flow's where the user names none.
    let mut record = old;
    record.last_seen = Timestamp::from_date("2026-06-01").expect("a day");
    Judge::new(&policy, None).judge(&mut record);
    assert_eq!(record.verdict, Verdict::AtRisk);
}

#[test]
fn every_builtin_is_sound() {
    for builtin in builtin::ALL {
        let policy =
            file::parse(builtin.text).unwrap_or_else(|error| panic!("{}: {error}", builtin.name));
        assert_eq!(&*policy.name, builtin.name);
        assert!(!policy.sources.is_empty(), "{}", builtin.name);
        assert!(
            policy.accepts.is_some() || !policy.rules.is_empty(),
            "{}",
            builtin.name
        );
        for rule in &*policy.rules {
            assert!(
                rule.citation.is_some() && rule.says.is_some(),
                "{} {}",
                builtin.name,
                rule.id
            );
            assert!(
                rule.remedy_client.is_some() || rule.remedy_server.is_some(),
                "{} {}",
                builtin.name,
                rule.id
            );
        }
    }
    assert!(Policy::named("m366").is_none());
}

#[test]
fn the_key_of_the_capture_stands_for_the_far_ends() {
    let with_key = |key: &str| FlowRecord {
        certificate: Some(Arc::new(crate::record::Certificate {
            key: key.into(),
            ..Default::default()
        })),
        ..flow(
            Outcome::Negotiated,
            Some(V::TLS_1_2),
            Some(Offer {
                cipher_suites: suites(&[0xc02b]),
                versions: vec![V::TLS_1_2],
                ..modern()
            }),
        )
    };
    let any = policy(MIN_12);
    assert_eq!(judged(with_key("ECDSA P-256"), &any).verdict, Verdict::Ok);
    assert_eq!(
        judged(with_key("RSA-2048"), &any).reasons,
        [reason::CERTIFICATE_KEY]
    );
    // The policy's word counts more.
    let own = policy("min_version = \"TLS 1.2\"\ncertificates = [{ key = \"ECDSA P-256\" }]");
    assert_eq!(judged(with_key("RSA-2048"), &own).verdict, Verdict::Ok);
    assert_eq!(CertificateKey::named("1.2.3"), None);
}

#[test]
fn what_was_seen_to_work_needs_no_guess() {
    let silent = || Offer {
        cipher_suites: suites(&[0xc02f]),
        named_groups: None,
        versions: vec![V::TLS_1_2],
        ..modern()
    };
    let told = |outcome, version: Option<V>, accepts: &str| {
        let record = FlowRecord {
            cipher_suite: version.map(|_| CipherSuite(0xc02f)),
            named_group: version.map(|_| NamedGroup(23)),
            ..flow(outcome, version, Some(silent()))
        };
        let record = judged(record, &policy(accepts));
        (record.verdict, record.reasons)
    };
    let unknown = (Verdict::Unknown, vec![reason::SOFTWARE_NOT_NAMED]);
    assert_eq!(
        told(Outcome::Negotiated, Some(V::TLS_1_2), MIN_12),
        (Verdict::Ok, vec![])
    );
    assert_eq!(told(Outcome::ClientHelloOnly, None, MIN_12), unknown);
    // Another group would have to be chosen.
    let p384 = format!("{MIN_12}groups = [\"secp384r1\"]\n");
    assert_eq!(told(Outcome::Negotiated, Some(V::TLS_1_2), &p384), unknown);
}

#[test]
fn a_key_that_tls_13_hid() {
    let old = policy("max_version = \"TLS 1.2\"");
    let told = |offer: Offer| {
        let record = flow(Outcome::Negotiated, Some(V::TLS_1_3), Some(offer));
        let record = judged(record, &old);
        (record.verdict, record.reasons)
    };
    let unknown = (Verdict::Unknown, vec![reason::CERTIFICATE_NOT_SEEN]);
    let p384 = Offer {
        named_groups: Some(groups(&[24])),
        ..modern()
    };
    let rsa_alone = Offer {
        cipher_suites: suites(&[0x1301, 0xc02f]),
        ..modern()
    };
    assert_eq!(told(modern()), (Verdict::Ok, vec![]));
    assert_eq!(told(rsa_alone), unknown);
    assert_eq!(told(p384), unknown);
}
