//! What a far end takes after the cut-over: versions, suites, groups, signatures, certificates, and its software's
//! habits.

use crate::hello::registry::{CipherSuite, NamedGroup, SignatureScheme};
use crate::hello::version::ProtocolVersion;

/// What the far end takes. `None` is no restriction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepts {
    /// The oldest version.
    pub min_version: Option<ProtocolVersion>,
    /// The newest version.
    pub max_version: Option<ProtocolVersion>,
    /// Suites of all versions in the far end's order.
    pub cipher_suites: Option<Vec<CipherSuite>>,
    /// Groups for key exchange.
    pub groups: Option<Vec<NamedGroup>>,
    /// Schemes that it signs with.
    pub signature_algorithms: Option<Vec<SignatureScheme>>,
    /// The keys of its certificates; `None`: what the capture shows, else any.
    pub certificates: Option<Vec<CertificateKey>>,
    /// It refuses handshakes up to TLS 1.2 without extended_master_secret (RFC 7627 section 5.3).
    pub extended_master_secret: bool,
    /// It takes suites in CBC mode with encrypt_then_mac alone (RFC 7366).
    pub encrypt_then_mac: bool,
    /// It refuses a ClientHello without server_name.
    pub server_name: bool,
    /// It refuses sessions that go on without TLS.
    pub refuses_cleartext: bool,
    /// Where TLS software differs.
    pub habits: Habits,
}

impl Accepts {
    /// Ranks of the versions (as [`ProtocolVersion::rank`]) that it can end up with, oldest and newest. A list of suites
    /// without one for a version excludes that version.
    pub fn ranks(&self) -> (u8, u8) {
        let rank = |version: Option<ProtocolVersion>| version.and_then(ProtocolVersion::rank);
        let (mut min, mut max) = (
            rank(self.min_version).unwrap_or(0),
            rank(self.max_version).unwrap_or(TLS_1_3),
        );
        if let Some(suites) = &self.cipher_suites {
            let of_tls13 =
                |suite: &CipherSuite| super::suite::Suite::of(*suite).is_some_and(|s| s.is_tls13());
            if !suites.iter().any(of_tls13) {
                max = max.min(TLS_1_2);
            } else if suites.iter().all(of_tls13) {
                min = min.max(TLS_1_3);
            }
        }
        (min, max)
    }
}

/// Rank of TLS 1.3.
pub(super) const TLS_1_3: u8 = 5;
/// Rank of TLS 1.2.
pub(super) const TLS_1_2: u8 = 4;
/// Rank of SSL 3.0.
pub(super) const SSL_3_0: u8 = 1;

/// Where TLS software differs in what it makes of the same configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Habits {
    /// Whose order of suites counts.
    pub suite_order: SuiteOrder,
    /// Diffie-Hellman in a finite field, up to TLS 1.2.
    pub dhe: Dhe,
    /// What a ClientHello without supported_groups can get.
    pub groups_when_none_sent: GroupsWhenNoneSent,
    /// When it finds out that it cannot sign.
    pub signature_check: SignatureCheck,
    /// Which curves the key of an ECDSA certificate may be on, up to TLS 1.2.
    pub certificate_curve: CertificateCurve,
    /// What one library alone does; `software` brings it, and no key of a policy names it.
    pub quirks: Quirks,
    /// Which of these the policy says.
    pub said: Said,
}

/// What a policy says of habits, by itself or by the name of the software.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Said {
    /// The software, and so all of them.
    pub software: bool,
    /// [`Habits::dhe`].
    pub dhe: bool,
    /// [`Habits::groups_when_none_sent`].
    pub groups_when_none_sent: bool,
    /// [`Habits::signature_check`].
    pub signature_check: bool,
    /// [`Habits::certificate_curve`].
    pub certificate_curve: bool,
}

/// What one TLS library does and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Quirks {
    /// mbed TLS 2 keeps no more than the first eleven of a client's groups that it knows
    /// (`ssl_parse_supported_elliptic_curves` in ssl_srv.c: MBEDTLS_ECP_DP_MAX, and a zero for the end).
    pub keeps_eleven_groups: bool,
    /// mbed TLS 2 sends its point in the first format that the client lists, a compressed one too, though its own hello
    /// names the uncompressed one alone (`ssl_parse_supported_point_formats` in ssl_srv.c).
    pub first_point_format: bool,
    /// BearSSL takes a client without supported_groups for one that has secp256r1 alone (the RFCs allow any).
    pub p256_when_none_sent: bool,
    /// Bouncy Castle has no finite field for a client that lists curves and no field (RFC 7919 section 4 leaves the server its
    /// own then).
    pub dhe_wants_listed_field: bool,
    /// Bouncy Castle takes a group of its own for ECDHE where the client lists none of them, against RFC 8422 section 5.1;
    /// some clients go along.
    pub sends_unlisted_group: bool,
    /// HAProxy chooses between its keys before all else: the ECDSA one for a client that lists an ECDSA signature and a suite
    /// for it, whatever its groups are (`ssl_sock_switchctx_cbk` in ssl_sock.c).
    pub ecdsa_before_all: bool,
    /// Erlang wants an ECDSA certificate to be signed with ECDSA before TLS 1.2, as RFC 4492 section 2.2 did; who signed it, a
    /// policy does not say.
    pub ecdsa_signed_by_ecdsa: bool,
    /// rustls binds an ECDSA key to the scheme of its curve in TLS 1.2 too, as RFC 8446 section 4.2.3 does from TLS 1.3 on.
    pub binds_ecdsa_to_curve: bool,
    /// JSSE signs with SHA-1 for a client of TLS 1.2 without signature_algorithms, whatever its own list
    /// (jdk.tls.server.SignatureSchemes) holds.
    pub sha1_for_the_silent: bool,
    /// JSSE refuses a client of TLS 1.2 whose signature_algorithms share nothing with its own list, even where the suite
    /// signs nothing ("No supported signature algorithm", SignatureAlgorithmsExtension.java).
    pub must_share_signature: bool,
}

macro_rules! habit {
    ($(#[$doc:meta])* $type:ident { $(#[$first_doc:meta])* $first:ident => $first_word:literal, $($(#[$variant_doc:meta])* $variant:ident => $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
        pub enum $type { #[default] $(#[$first_doc])* $first, $($(#[$variant_doc])* $variant,)* }

        impl $type {
            /// The words of a policy file, the default first.
            pub const WORDS: &'static [&'static str] = &[$first_word, $($word,)*];

            /// By its word.
            pub fn named(word: &str) -> Option<Self> {
                Some(match word { $first_word => Self::$first, $($word => Self::$variant,)* _ => return None })
            }
        }
    };
}

habit! {
    /// Whose order of suites counts.
    SuiteOrder {
        /// The server's.
        Server => "server",
        /// The client's.
        Client => "client",
    }
}
habit! {
    /// Diffie-Hellman in a finite field, up to TLS 1.2.
    Dhe {
        /// With the server's own parameters, whatever the client lists.
        Fixed => "fixed",
        /// In one of the client's ffdhe groups where it lists any (RFC 7919 section 4).
        Negotiated => "negotiated",
        /// Not at all.
        None => "none",
    }
}
habit! {
    /// What a ClientHello without supported_groups can get.
    GroupsWhenNoneSent {
        /// Any group of the server's (RFC 8422 section 4).
        Any => "any",
        /// No suite with ECDHE.
        NoEcdhe => "no-ecdhe",
    }
}
habit! {
    /// When the server finds out that it has no signature algorithm in common with the client.
    SignatureCheck {
        /// While it looks for a suite: it goes on to one that it can use.
        WithSuite => "with-suite",
        /// After it has chosen the suite: then the handshake fails.
        AfterSuite => "after-suite",
        /// So for RSA keys, suites that sign nothing (TLS_RSA) included; for other keys while it looks for a suite.
        RsaAfterSuite => "rsa-after-suite",
    }
}
habit! {
    /// Which curves the key of an ECDSA certificate may be on, up to TLS 1.2.
    CertificateCurve {
        /// Those in the client's supported_groups (RFC 8422 section 5.1).
        ClientGroups => "client-groups",
        /// Those in the client's and the server's groups.
        BothGroups => "both-groups",
        /// Any: the client may find that it cannot use it.
        Ignored => "ignored",
    }
}

impl Habits {
    /// The names that a policy's `software` may have.
    pub const SOFTWARE: &'static [&'static str] = &[
        "openssl",
        "go",
        "gnutls",
        "mbedtls",
        "jsse",
        "rustls",
        "bearssl",
        "wolfssl",
        "boringssl",
        "bouncycastle",
        "haproxy",
    ];

    /// The habits of that TLS software in its own default configuration, as measured by the cut-over laboratory
    /// (tests/cutover).
    pub fn of_software(name: &str) -> Option<Self> {
        use {
            CertificateCurve as Curve, GroupsWhenNoneSent as Groups, SignatureCheck as Signature,
            SuiteOrder as Order,
        };
        let no_quirks = Quirks::default();
        let (suite_order, dhe, groups_when_none_sent, signature_check, certificate_curve, quirks) =
            match name {
                "openssl" => (
                    Order::Client,
                    Dhe::Fixed,
                    Groups::NoEcdhe,
                    Signature::RsaAfterSuite,
                    Curve::ClientGroups,
                    no_quirks,
                ),
                "haproxy" => {
                    let of_openssl = Self::of_software("openssl")?;
                    return Some(Self {
                        quirks: Quirks {
                            ecdsa_before_all: true,
                            ..no_quirks
                        },
                        ..of_openssl
                    });
                }
                "go" => (
                    Order::Server,
                    Dhe::None,
                    Groups::NoEcdhe,
                    Signature::AfterSuite,
                    Curve::Ignored,
                    no_quirks,
                ),
                "gnutls" => (
                    Order::Client,
                    Dhe::Negotiated,
                    Groups::Any,
                    Signature::WithSuite,
                    Curve::Ignored,
                    no_quirks,
                ),
                "mbedtls" => (
                    Order::Server,
                    Dhe::Fixed,
                    Groups::NoEcdhe,
                    Signature::RsaAfterSuite,
                    Curve::ClientGroups,
                    Quirks {
                        keeps_eleven_groups: true,
                        first_point_format: true,
                        ..no_quirks
                    },
                ),
                "jsse" => (
                    Order::Client,
                    Dhe::Negotiated,
                    Groups::Any,
                    Signature::AfterSuite,
                    Curve::BothGroups,
                    Quirks {
                        sha1_for_the_silent: true,
                        must_share_signature: true,
                        ..no_quirks
                    },
                ),
                "rustls" => (
                    Order::Client,
                    Dhe::None,
                    Groups::NoEcdhe,
                    Signature::WithSuite,
                    Curve::Ignored,
                    Quirks {
                        binds_ecdsa_to_curve: true,
                        ..no_quirks
                    },
                ),
                "bearssl" => (
                    Order::Client,
                    Dhe::None,
                    Groups::Any,
                    Signature::WithSuite,
                    Curve::Ignored,
                    Quirks {
                        p256_when_none_sent: true,
                        ..no_quirks
                    },
                ),
                "wolfssl" => (
                    Order::Server,
                    Dhe::None,
                    Groups::Any,
                    Signature::WithSuite,
                    Curve::Ignored,
                    no_quirks,
                ),
                "boringssl" => (
                    Order::Client,
                    Dhe::None,
                    Groups::NoEcdhe,
                    Signature::WithSuite,
                    Curve::ClientGroups,
                    no_quirks,
                ),
                "bouncycastle" => (
                    Order::Server,
                    Dhe::Negotiated,
                    Groups::NoEcdhe,
                    Signature::WithSuite,
                    Curve::Ignored,
                    Quirks {
                        dhe_wants_listed_field: true,
                        sends_unlisted_group: true,
                        ..no_quirks
                    },
                ),
                _ => return None,
            };
        Some(Self {
            suite_order,
            dhe,
            groups_when_none_sent,
            signature_check,
            certificate_curve,
            quirks,
            said: Said {
                software: true,
                dhe: true,
                groups_when_none_sent: true,
                signature_check: true,
                certificate_curve: true,
            },
        })
    }

    /// The same with one habit that the policy does not say changed to what other software does. What an RFC forbids is
    /// not among it.
    pub fn others(self) -> impl Iterator<Item = Self> {
        let changed = |said: bool, change: &dyn Fn(&mut Self)| {
            (!said).then(|| {
                let mut other = self;
                change(&mut other);
                other
            })
        };
        let Said {
            software,
            dhe,
            groups_when_none_sent,
            signature_check,
            certificate_curve,
        } = self.said;
        [
            changed(dhe, &|h| h.dhe = Dhe::Negotiated),
            changed(dhe, &|h| h.quirks.dhe_wants_listed_field = true),
            changed(groups_when_none_sent, &|h| {
                h.groups_when_none_sent = GroupsWhenNoneSent::NoEcdhe;
            }),
            changed(groups_when_none_sent, &|h| {
                h.quirks.p256_when_none_sent = true
            }),
            changed(signature_check, &|h| {
                h.signature_check = SignatureCheck::AfterSuite;
            }),
            changed(signature_check, &|h| {
                h.signature_check = SignatureCheck::RsaAfterSuite;
            }),
            changed(certificate_curve, &|h| {
                h.certificate_curve = CertificateCurve::BothGroups;
            }),
            changed(certificate_curve, &|h| {
                h.certificate_curve = CertificateCurve::Ignored;
            }),
            changed(software, &|h| h.quirks.binds_ecdsa_to_curve = true),
            changed(software, &|h| h.quirks.ecdsa_signed_by_ecdsa = true),
        ]
        .into_iter()
        .flatten()
    }
}

/// The key of a certificate, as records write it in `certificate_key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CertificateKey {
    /// rsaEncryption, and its bits.
    Rsa(Option<u32>),
    /// id-RSASSA-PSS, and its bits.
    RsaPss(Option<u32>),
    /// On a curve; `None` for a curve without a number in TLS.
    Ecdsa(Option<NamedGroup>),
    /// RFC 8410.
    Ed25519,
    /// RFC 8410.
    Ed448,
    /// DSA.
    Dsa,
    /// ML-DSA-44, -65 or -87.
    MlDsa(u8),
}

impl CertificateKey {
    /// By the words of records and policies: "RSA-2048", "RSA", "ECDSA P-256", "Ed25519" …
    pub fn named(text: &str) -> Option<Self> {
        let bits = |rest: &str| match rest.strip_prefix('-') {
            None if rest.is_empty() => Some(None),
            Some(digits) => digits.parse().ok().map(Some),
            None => None,
        };
        Some(match text {
            "Ed25519" => Self::Ed25519,
            "Ed448" => Self::Ed448,
            "ECDSA" => Self::Ecdsa(None),
            "ML-DSA-44" => Self::MlDsa(44),
            "ML-DSA-65" => Self::MlDsa(65),
            "ML-DSA-87" => Self::MlDsa(87),
            _ => {
                if let Some(curve) = text.strip_prefix("ECDSA ") {
                    Self::Ecdsa(Some(curve_named(curve)?))
                } else if let Some(rest) = text.strip_prefix("RSA-PSS") {
                    Self::RsaPss(bits(rest)?)
                } else if let Some(rest) = text.strip_prefix("RSA") {
                    Self::Rsa(bits(rest)?)
                } else if let Some(rest) = text.strip_prefix("DSA") {
                    bits(rest)?;
                    Self::Dsa
                } else {
                    return None;
                }
            }
        })
    }
}

/// A curve by NIST's name or IANA's.
fn curve_named(name: &str) -> Option<NamedGroup> {
    Some(match name {
        "P-192" => NamedGroup(19),
        "P-224" => NamedGroup(21),
        "P-256" => NamedGroup(23),
        "P-384" => NamedGroup(24),
        "P-521" => NamedGroup(25),
        _ => NamedGroup::named(name)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_by_name() {
        use CertificateKey as K;
        for (text, key) in [
            ("RSA-2048", Some(K::Rsa(Some(2048)))),
            ("RSA", Some(K::Rsa(None))),
            ("RSA-PSS-3072", Some(K::RsaPss(Some(3072)))),
            ("ECDSA P-384", Some(K::Ecdsa(Some(NamedGroup(24))))),
            ("ECDSA secp256k1", Some(K::Ecdsa(Some(NamedGroup(22))))),
            ("ECDSA", Some(K::Ecdsa(None))),
            ("DSA-1024", Some(K::Dsa)),
            ("Ed25519", Some(K::Ed25519)),
            ("RSA-big", None),
            ("RSAx", None),
            ("ECDSA P-257", None),
            ("", None),
        ] {
            assert_eq!(K::named(text), key, "{text}");
        }
    }

    #[test]
    fn a_list_of_suites_says_which_versions_there_are() {
        let suites = |ids: &[u16]| Accepts {
            cipher_suites: Some(ids.iter().copied().map(CipherSuite).collect()),
            min_version: Some(ProtocolVersion::TLS_1_0),
            ..Accepts::default()
        };
        assert_eq!(suites(&[0xc02f]).ranks(), (2, TLS_1_2));
        assert_eq!(suites(&[0x1301]).ranks(), (TLS_1_3, TLS_1_3));
        assert_eq!(suites(&[0x1301, 0xc02f]).ranks(), (2, TLS_1_3));
        assert_eq!(Accepts::default().ranks(), (0, TLS_1_3));
    }
}
