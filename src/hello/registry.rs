//! IANA's TLS registries: numbers from the wire, printable whether known or not.

use std::fmt;

/// A cipher suite (IANA "TLS Cipher Suites").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct CipherSuite(pub u16);

/// A group for key exchange (IANA "TLS Supported Groups", RFC 7919, RFC 9846).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct NamedGroup(pub u16);

/// A signature scheme (IANA "TLS SignatureScheme"); in TLS 1.2 the pair of hash and signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct SignatureScheme(pub u16);

/// An alert's description (IANA "TLS Alerts").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct AlertDescription(pub u8);

impl CipherSuite {
    /// TLS_FALLBACK_SCSV, RFC 7507: a signal, not a suite.
    pub const FALLBACK_SCSV: Self = Self(0x5600);
    /// TLS_EMPTY_RENEGOTIATION_INFO_SCSV, RFC 5746: a signal, not a suite.
    pub const RENEGOTIATION_INFO_SCSV: Self = Self(0x00ff);

    /// IANA's name; OpenSSL's SSLv2 names are not in it.
    pub fn name(self) -> Option<&'static str> {
        tls_parser::TlsCipherSuite::from_id(self.0).map(|suite| suite.name)
    }

    /// By IANA's name.
    pub fn named(name: &str) -> Option<Self> {
        tls_parser::TlsCipherSuite::from_name(name).map(|suite| Self(suite.id.0))
    }

    /// All of IANA's names, in no order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        tls_parser::CIPHERS.values().map(|suite| suite.name)
    }

    /// Whether it is a signal in a suite's place.
    pub const fn is_signal(self) -> bool {
        matches!(self, Self::FALLBACK_SCSV | Self::RENEGOTIATION_INFO_SCSV)
    }

    /// The number as records show it, `0xc02f`.
    pub const fn id(self) -> Id {
        Id(self.0)
    }
}

/// By what `name` gives a number. Policies and saved records are read with it, never packets.
fn number_named(text: &str, name: impl Fn(u16) -> Option<&'static str>) -> Option<u16> {
    match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => (0..=u16::MAX).find(|number| name(*number) == Some(text)),
    }
}

impl NamedGroup {
    /// By its name, or a number in hexadecimal.
    pub fn named(text: &str) -> Option<Self> {
        number_named(text, |n| Self(n).name()).map(Self)
    }

    /// IANA's name, or the draft's for a number that was in use before it got one.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "sect163k1",
            2 => "sect163r1",
            3 => "sect163r2",
            4 => "sect193r1",
            5 => "sect193r2",
            6 => "sect233k1",
            7 => "sect233r1",
            8 => "sect239k1",
            9 => "sect283k1",
            10 => "sect283r1",
            11 => "sect409k1",
            12 => "sect409r1",
            13 => "sect571k1",
            14 => "sect571r1",
            15 => "secp160k1",
            16 => "secp160r1",
            17 => "secp160r2",
            18 => "secp192k1",
            19 => "secp192r1",
            20 => "secp224k1",
            21 => "secp224r1",
            22 => "secp256k1",
            23 => "secp256r1",
            24 => "secp384r1",
            25 => "secp521r1",
            26 => "brainpoolP256r1",
            27 => "brainpoolP384r1",
            28 => "brainpoolP512r1",
            29 => "x25519",
            30 => "x448",
            31 => "brainpoolP256r1tls13",
            32 => "brainpoolP384r1tls13",
            33 => "brainpoolP512r1tls13",
            34 => "GC256A",
            35 => "GC256B",
            36 => "GC256C",
            37 => "GC256D",
            38 => "GC512A",
            39 => "GC512B",
            40 => "GC512C",
            41 => "curveSM2",
            256 => "ffdhe2048",
            257 => "ffdhe3072",
            258 => "ffdhe4096",
            259 => "ffdhe6144",
            260 => "ffdhe8192",
            512 => "MLKEM512",
            513 => "MLKEM768",
            514 => "MLKEM1024",
            4587 => "SecP256r1MLKEM768",
            4588 => "X25519MLKEM768",
            4589 => "SecP384r1MLKEM1024",
            4590 => "curveSM2MLKEM768",
            // Obsolete drafts, still offered by browsers of 2023 and 2024.
            0x6399 => "X25519Kyber768Draft00",
            0x639a => "SecP256r1Kyber768Draft00",
            0xff01 => "arbitrary_explicit_prime_curves",
            0xff02 => "arbitrary_explicit_char2_curves",
            _ => return None,
        })
    }
}

impl SignatureScheme {
    /// By its name, or a number in hexadecimal.
    pub fn named(text: &str) -> Option<Self> {
        number_named(text, |n| Self(n).name()).map(Self)
    }

    /// IANA's name; for pairs of TLS 1.2 without a scheme of their own, `hash_signature`.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0x0101 => "rsa_pkcs1_md5",
            0x0102 => "dsa_md5",
            0x0201 => "rsa_pkcs1_sha1",
            0x0202 => "dsa_sha1",
            0x0203 => "ecdsa_sha1",
            0x0301 => "rsa_pkcs1_sha224",
            0x0302 => "dsa_sha224",
            0x0303 => "ecdsa_sha224",
            0x0401 => "rsa_pkcs1_sha256",
            0x0402 => "dsa_sha256",
            0x0403 => "ecdsa_secp256r1_sha256",
            0x0420 => "rsa_pkcs1_sha256_legacy",
            0x0501 => "rsa_pkcs1_sha384",
            0x0502 => "dsa_sha384",
            0x0503 => "ecdsa_secp384r1_sha384",
            0x0520 => "rsa_pkcs1_sha384_legacy",
            0x0601 => "rsa_pkcs1_sha512",
            0x0602 => "dsa_sha512",
            0x0603 => "ecdsa_secp521r1_sha512",
            0x0620 => "rsa_pkcs1_sha512_legacy",
            0x0704 => "eccsi_sha256",
            0x0705 => "iso_ibs1",
            0x0706 => "iso_ibs2",
            0x0707 => "iso_chinese_ibs",
            0x0708 => "sm2sig_sm3",
            0x0709 => "gostr34102012_256a",
            0x070a => "gostr34102012_256b",
            0x070b => "gostr34102012_256c",
            0x070c => "gostr34102012_256d",
            0x070d => "gostr34102012_512a",
            0x070e => "gostr34102012_512b",
            0x070f => "gostr34102012_512c",
            0x0804 => "rsa_pss_rsae_sha256",
            0x0805 => "rsa_pss_rsae_sha384",
            0x0806 => "rsa_pss_rsae_sha512",
            0x0807 => "ed25519",
            0x0808 => "ed448",
            0x0809 => "rsa_pss_pss_sha256",
            0x080a => "rsa_pss_pss_sha384",
            0x080b => "rsa_pss_pss_sha512",
            0x081a => "ecdsa_brainpoolP256r1tls13_sha256",
            0x081b => "ecdsa_brainpoolP384r1tls13_sha384",
            0x081c => "ecdsa_brainpoolP512r1tls13_sha512",
            0x0904 => "mldsa44",
            0x0905 => "mldsa65",
            0x0906 => "mldsa87",
            _ => return None,
        })
    }
}

impl AlertDescription {
    /// close_notify is an ending, not an error.
    pub const CLOSE_NOTIFY: Self = Self(0);

    /// IANA's name.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            21 => "decryption_failed",
            22 => "record_overflow",
            30 => "decompression_failure",
            40 => "handshake_failure",
            41 => "no_certificate",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            52 => "too_many_cids_requested",
            60 => "export_restriction",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            100 => "no_renegotiation",
            109 => "missing_extension",
            110 => "unsupported_extension",
            111 => "certificate_unobtainable",
            112 => "unrecognized_name",
            113 => "bad_certificate_status_response",
            114 => "bad_certificate_hash_value",
            115 => "unknown_psk_identity",
            116 => "certificate_required",
            117 => "general_error",
            120 => "no_application_protocol",
            121 => "ech_required",
            _ => return None,
        })
    }
}

/// A 16-bit number, shown in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id(pub u16);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04x}", self.0)
    }
}

macro_rules! show {
    ($($type:ty, $hex:literal;)*) => { $(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, $hex, self.0),
                }
            }
        }
    )* };
}
show! {
    CipherSuite, "0x{:04x}";
    NamedGroup, "0x{:04x}";
    SignatureScheme, "0x{:04x}";
    AlertDescription, "{}";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_known_numbers_and_shows_unknown_ones() {
        assert_eq!(
            CipherSuite(0xc02f).to_string(),
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
        );
        assert_eq!(CipherSuite(0x1302).to_string(), "TLS_AES_256_GCM_SHA384");
        assert_eq!(CipherSuite(0x0a0a).to_string(), "0x0a0a");
        assert_eq!(NamedGroup(4588).to_string(), "X25519MLKEM768");
        assert_eq!(SignatureScheme(0x0804).to_string(), "rsa_pss_rsae_sha256");
        assert_eq!(AlertDescription(70).to_string(), "protocol_version");
    }
}
