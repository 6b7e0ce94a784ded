//! The leaf of a Certificate message, up to TLS 1.2.
//!
//! DER that does not parse is data: its fingerprint is told, and nothing else. The same certificate comes in thousands
//! of connections, so what it says is kept by its bytes and read once.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use x509_parser::der_parser::oid::Oid;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::{AttributeTypeAndValue, SubjectPublicKeyInfo, X509Name};

use super::intern::Interner;
use super::wire::Reader;
use crate::record::Certificate;
use crate::time::Timestamp;

/// A longer leaf is passed over.
pub const MAX_LEAF_BYTES: usize = 16 << 10;
/// Names kept of subjectAltName.
const MAX_NAMES: usize = 64;
/// Bytes kept of a subject, an issuer, and all names together.
const MAX_TEXT_BYTES: usize = 4 << 10;

/// The first certificate of a Certificate message: the sender's own (RFC 5246 section 7.4.2).
///
/// ```text
/// opaque ASN.1Cert<1..2^24-1>;
/// struct {
///     ASN.1Cert certificate_list<0..2^24-1>;
/// } Certificate;
/// ```
///
/// `None` where the list is empty or a length lies.
pub fn leaf(body: &[u8]) -> Option<&[u8]> {
    let mut message = Reader::new(body);
    let list_len = uint24(&mut message)?;
    let mut list = Reader::new(message.take(list_len, "certificate_list").ok()?);
    let len = uint24(&mut list)?;
    list.take(len, "ASN.1Cert")
        .ok()
        .filter(|der| (1..=MAX_LEAF_BYTES).contains(&der.len()))
}

fn uint24(reader: &mut Reader<'_>) -> Option<usize> {
    let [a, b, c] = *reader.array::<3>("length").ok()?;
    Some(u32::from_be_bytes([0, a, b, c]) as usize)
}

/// What the certificate says, the same [`Arc`] for the same bytes.
pub fn intern(table: &mut Interner<Certificate>, der: &[u8]) -> Arc<Certificate> {
    table.intern(|out| out.extend_from_slice(der), || read(der))
}

/// Reads a certificate.
pub fn read(der: &[u8]) -> Certificate {
    let mut told = Certificate {
        sha256: hex(&Sha256::digest(der)),
        ..Certificate::default()
    };
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return told;
    };
    told.subject = name(certificate.subject());
    told.issuer = name(certificate.issuer());
    told.not_before = timestamp(certificate.validity().not_before);
    told.not_after = timestamp(certificate.validity().not_after);
    told.key = key(certificate.public_key());
    told.signature = signature(&certificate.signature_algorithm.algorithm);
    told.names = names(&certificate);
    told
}

/// `None` before 1970 and from 2554 on ("no well-defined expiration date" is the year 9999, RFC 5280 section 4.1.2.5):
/// nanoseconds do not reach so far.
fn timestamp(time: ASN1Time) -> Option<Timestamp> {
    u64::try_from(time.timestamp())
        .ok()?
        .checked_mul(1_000_000_000)
        .map(Timestamp)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// RFC 4514 section 2: the last RDN first, joined by commas; attributes of one RDN by plus signs.
fn name(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    let rdns: Vec<_> = name.iter_rdn().collect();
    for (i, rdn) in rdns.into_iter().rev().enumerate() {
        for (j, attribute) in rdn.iter().enumerate() {
            match (i, j) {
                (0, 0) => {}
                (_, 0) => text.push(','),
                _ => text.push('+'),
            }
            attribute_text(attribute, &mut text);
            if text.len() > MAX_TEXT_BYTES {
                text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
                return text;
            }
        }
    }
    text
}

fn attribute_text(attribute: &AttributeTypeAndValue<'_>, out: &mut String) {
    let value = attribute.attr_value();
    let kind = attribute.attr_type().to_id_string();
    let short = ATTRIBUTES
        .iter()
        .find(|(id, _)| *id == kind)
        .map(|(_, short)| *short);
    out.push_str(short.unwrap_or(&kind));
    out.push('=');
    match string(value.tag().0, value.data) {
        Some(text) if short.is_some() => escape(&text, out),
        // RFC 4514 section 2.4: of a type without a short name, or what is no string, the DER in hexadecimal.
        _ => {
            out.push('#');
            let len = value.data.len();
            let _ = write!(out, "{:02x}", value.tag().0 & 0xff);
            match len {
                0..0x80 => drop(write!(out, "{len:02x}")),
                0x80..0x100 => drop(write!(out, "81{len:02x}")),
                _ => drop(write!(out, "82{:04x}", len & 0xffff)),
            }
            out.push_str(&hex(value.data));
        }
    }
}

/// The text of an ASN.1 string type, by its universal tag.
fn string(tag: u32, bytes: &[u8]) -> Option<String> {
    const UTF8: u32 = 12;
    const NUMERIC: u32 = 18;
    const PRINTABLE: u32 = 19;
    const TELETEX: u32 = 20;
    const IA5: u32 = 22;
    const VISIBLE: u32 = 26;
    const UNIVERSAL: u32 = 28;
    const BMP: u32 = 30;
    match tag {
        UTF8 | NUMERIC | PRINTABLE | IA5 | VISIBLE => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        // T.61 in name, Latin-1 in practice.
        TELETEX => Some(bytes.iter().copied().map(char::from).collect()),
        BMP => Some(
            char::decode_utf16(bytes.as_chunks().0.iter().copied().map(u16::from_be_bytes))
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect(),
        ),
        UNIVERSAL => Some(
            bytes
                .as_chunks()
                .0
                .iter()
                .copied()
                .map(|c| {
                    char::from_u32(u32::from_be_bytes(c)).unwrap_or(char::REPLACEMENT_CHARACTER)
                })
                .collect(),
        ),
        _ => None,
    }
}

/// RFC 4514 section 2.4, and control characters too, so that a name stays on its line.
fn escape(text: &str, out: &mut String) {
    let last = text.chars().count().saturating_sub(1);
    for (i, c) in text.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => out.extend(['\\', c]),
            ' ' if i == 0 || i == last => out.push_str("\\ "),
            '#' if i == 0 => out.push_str("\\#"),
            c if c.is_control() => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "\\{byte:02x}");
                }
            }
            c => out.push(c),
        }
    }
}

/// RFC 4514 section 3, and what everyone else writes of the others.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("2.5.4.97", "organizationIdentifier"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("1.2.840.113549.1.9.2", "unstructuredName"),
    ("1.3.6.1.4.1.311.60.2.1.1", "jurisdictionL"),
    ("1.3.6.1.4.1.311.60.2.1.2", "jurisdictionST"),
    ("1.3.6.1.4.1.311.60.2.1.3", "jurisdictionC"),
];

/// "RSA-2048", "ECDSA P-256"; a key of a kind not known is told by its object identifier.
fn key(key: &SubjectPublicKeyInfo<'_>) -> String {
    let id = key.algorithm.algorithm.to_id_string();
    let bits = |number: &[u8]| {
        let skip = number.iter().take_while(|b| **b == 0).count();
        let head = number.get(skip).map_or(0, |b| b.leading_zeros() as usize);
        ((number.len() - skip) * 8).saturating_sub(head)
    };
    let parameters = key.algorithm.parameters();
    match id.as_str() {
        "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => {
            let prefix = if id.ends_with(".10") {
                "RSA-PSS"
            } else {
                "RSA"
            };
            // RSASSA-PSS keys have the same form (RFC 4055 section 3.1), which the library does not know of.
            let rsa = match key.parsed() {
                Ok(PublicKey::RSA(rsa)) => Some(bits(rsa.modulus)),
                _ => x509_parser::public_key::RSAPublicKey::from_der(&key.subject_public_key.data)
                    .ok()
                    .map(|(_, rsa)| bits(rsa.modulus)),
            };
            rsa.map_or_else(|| prefix.to_owned(), |bits| format!("{prefix}-{bits}"))
        }
        "1.2.840.10045.2.1" => {
            let curve = parameters
                .and_then(|p| p.as_oid().ok())
                .map(|curve| curve.to_id_string());
            let known = curve
                .as_deref()
                .and_then(|id| CURVES.iter().find(|(c, _)| *c == id))
                .map(|(_, name)| *name);
            match known.or(curve.as_deref()) {
                Some(curve) => format!("ECDSA {curve}"),
                None => "ECDSA".to_owned(),
            }
        }
        "1.2.840.10040.4.1" => {
            // RFC 3279 section 2.3.2: the size of a DSA key is that of the prime p, the first parameter.
            let p = parameters.and_then(|p| p.as_sequence().ok()).and_then(|s| {
                x509_parser::der_parser::parse_der(&s.content)
                    .ok()
                    .and_then(|(_, p)| p.as_slice().ok().map(bits))
            });
            p.map_or_else(|| "DSA".to_owned(), |bits| format!("DSA-{bits}"))
        }
        "1.3.101.112" => "Ed25519".to_owned(),
        "1.3.101.113" => "Ed448".to_owned(),
        _ => id,
    }
}

const CURVES: &[(&str, &str)] = &[
    ("1.2.840.10045.3.1.1", "P-192"),
    ("1.3.132.0.33", "P-224"),
    ("1.2.840.10045.3.1.7", "P-256"),
    ("1.3.132.0.34", "P-384"),
    ("1.3.132.0.35", "P-521"),
    ("1.3.132.0.10", "secp256k1"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1"),
    ("1.2.156.10197.1.301", "SM2"),
];

/// The name that RFCs and OpenSSL give the signature's algorithm; else its object identifier.
fn signature(algorithm: &Oid<'_>) -> String {
    let id = algorithm.to_id_string();
    SIGNATURES
        .iter()
        .find(|(known, _)| *known == id)
        .map_or(id.clone(), |(_, name)| (*name).to_owned())
}

const SIGNATURES: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.2", "md2WithRSAEncryption"),
    ("1.2.840.113549.1.1.3", "md4WithRSAEncryption"),
    ("1.2.840.113549.1.1.4", "md5WithRSAEncryption"),
    ("1.2.840.113549.1.1.5", "sha1WithRSAEncryption"),
    ("1.3.14.3.2.29", "sha1WithRSA"),
    ("1.2.840.113549.1.1.10", "rsassaPss"),
    ("1.2.840.113549.1.1.11", "sha256WithRSAEncryption"),
    ("1.2.840.113549.1.1.12", "sha384WithRSAEncryption"),
    ("1.2.840.113549.1.1.13", "sha512WithRSAEncryption"),
    ("1.2.840.113549.1.1.14", "sha224WithRSAEncryption"),
    ("1.2.840.10045.4.1", "ecdsa-with-SHA1"),
    ("1.2.840.10045.4.3.1", "ecdsa-with-SHA224"),
    ("1.2.840.10045.4.3.2", "ecdsa-with-SHA256"),
    ("1.2.840.10045.4.3.3", "ecdsa-with-SHA384"),
    ("1.2.840.10045.4.3.4", "ecdsa-with-SHA512"),
    ("1.2.840.10040.4.3", "dsaWithSHA1"),
    ("2.16.840.1.101.3.4.3.1", "dsa_with_SHA224"),
    ("2.16.840.1.101.3.4.3.2", "dsa_with_SHA256"),
    ("1.3.101.112", "Ed25519"),
    ("1.3.101.113", "Ed448"),
    ("1.2.156.10197.1.501", "SM2-with-SM3"),
];

/// DNS names and addresses of subjectAltName (RFC 5280 section 4.2.1.6), in its order.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let mut names = Vec::new();
    let mut bytes = 0;
    for extension in certificate.extensions() {
        let ParsedExtension::SubjectAlternativeName(alternative) = extension.parsed_extension()
        else {
            continue;
        };
        for name in &alternative.general_names {
            let text = match name {
                GeneralName::DNSName(name) => (*name).to_owned(),
                GeneralName::IPAddress(octets) => {
                    match (<[u8; 4]>::try_from(*octets), <[u8; 16]>::try_from(*octets)) {
                        (Ok(v4), _) => IpAddr::from(v4).to_string(),
                        (_, Ok(v6)) => IpAddr::from(v6).to_string(),
                        _ => continue,
                    }
                }
                _ => continue,
            };
            bytes += text.len();
            if names.len() >= MAX_NAMES || bytes > MAX_TEXT_BYTES {
                return names;
            }
            names.push(text);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;
    use proptest::prelude::*;

    /// Made by tests/data/certificates/make; what they say is what `openssl x509` prints.
    #[test]
    fn says_what_openssl_says() {
        type Case = (
            &'static [u8],
            &'static str,
            &'static str,
            &'static str,
            &'static [&'static str],
            [u64; 2],
            &'static str,
        );
        let cases: [Case; 4] = [
            (
                include_bytes!("../../tests/data/certificates/rsa.der"),
                r"CN=mail.example,O=Example\, Inc.,C=DE",
                "RSA-2048",
                "sha256WithRSAEncryption",
                &["mail.example", "*.example", "192.0.2.1", "2001:db8::1"],
                [1795493128, 2110853128],
                "9ab16372792f6a2ea89213912b3eb5101d6954974c9869a10eed15ac0dbf39fb",
            ),
            (
                include_bytes!("../../tests/data/certificates/ecdsa.der"),
                r##"CN=\ #odd \"name\"\;\ ,O=Bücher \+ Söhne"##,
                "ECDSA P-384",
                "ecdsa-with-SHA384",
                &[],
                [1795493128, 2110853128],
                "5f1f34d603e5382b0e52d37922c0d11a5bb586914da8c18c55df34d4a3d6f2b7",
            ),
            (
                include_bytes!("../../tests/data/certificates/ed25519.der"),
                "",
                "Ed25519",
                "Ed25519",
                &["only-a-name.example"],
                [1795493128, 2110853128],
                "bb2fe987deae5c1239ee8f49dbf000c2ef9b874a4b94bf916cfb57d81b4d9252",
            ),
            (
                include_bytes!("../../tests/data/certificates/sha1.der"),
                "CN=old,UID=7,emailAddress=root@example",
                "RSA-1024",
                "sha1WithRSAEncryption",
                &[],
                [1795493128, 2110853128],
                "62d97678c24fc1ff0a352230a14801dd8d56a6f27a6b2343f7b17c9af707dd49",
            ),
        ];
        for (der, subject, key, signature, names, validity, sha256) in cases {
            let told = read(der);
            let want = Certificate {
                subject: subject.into(),
                issuer: subject.into(),
                not_before: Some(Timestamp(validity[0] * 1_000_000_000)),
                not_after: Some(Timestamp(validity[1] * 1_000_000_000)),
                key: key.into(),
                signature: signature.into(),
                sha256: sha256.into(),
                names: names.iter().map(ToString::to_string).collect(),
                ..Certificate::default()
            };
            assert_eq!(told, want);
        }
    }

    #[test]
    fn der_that_does_not_parse_has_a_fingerprint_alone() {
        let told = read(b"abc");
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(
            told,
            Certificate {
                sha256: sha256.into(),
                ..Certificate::default()
            }
        );
    }

    #[test]
    fn the_leaf_is_the_first_of_the_list() {
        for (name, message, want) in [
            (
                "two",
                hex!("00000b 000002 aabb 000003 ccddee").as_slice(),
                Some(hex!("aabb").as_slice()),
            ),
            ("none", &hex!("000000"), None),
            ("an empty one", &hex!("000003 000000"), None),
            ("longer than the list", &hex!("000005 000004 aabb"), None),
            (
                "a list longer than the message",
                &hex!("000009 000002 aabb"),
                None,
            ),
            ("nothing", &[], None),
        ] {
            assert_eq!(leaf(message), want, "{name}");
        }
    }

    #[test]
    fn the_same_bytes_are_read_once() {
        let mut table = Interner::default();
        let der = include_bytes!("../../tests/data/certificates/ed25519.der");
        assert!(Arc::ptr_eq(
            &intern(&mut table, der),
            &intern(&mut table, der)
        ));
    }

    proptest! {
        #[test]
        fn nothing_from_the_wire_panics(bytes: Vec<u8>, at in 0_usize..900, byte: u8, cut in 0_usize..900) {
            let _ = leaf(&bytes);
            let _ = read(&bytes);
            let mut der = include_bytes!("../../tests/data/certificates/rsa.der").to_vec();
            der[at] = byte;
            let _ = read(&der);
            der.truncate(cut);
            let _ = read(&der);
        }
    }
}
