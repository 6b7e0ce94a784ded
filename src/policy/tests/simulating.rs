//! What a far end answers to an offer.

use super::*;
use crate::policy::simulate::{Simulation, simulate};

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
