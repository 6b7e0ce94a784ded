//! A record, visited field by field in the order of the contract.

use std::net::IpAddr;
use std::sync::OnceLock;

use super::{Alert, Cause, Certificate, FlowRecord, Host, Mac, Version};
use crate::hello::Offer;
use crate::hello::registry::{AlertDescription, CipherSuite, Id, NamedGroup, SignatureScheme};
use crate::hello::version::ProtocolVersion;
use crate::time::{Timestamp, two_digits};

/// A value whose text is ours and safe to print: a name from a registry, an address, a number in hexadecimal.
///
/// It appends itself; [`std::fmt`] would cost several times as much, and a record has a hundred of them.
pub trait Word {
    /// Appends the text: ASCII, without quotes, backslashes and control characters.
    fn append(&self, out: &mut Vec<u8>);
}

/// What a sink made of fields that many records share.
#[derive(Debug, Default)]
pub struct Rendered(pub OnceLock<Box<[u8]>>);

impl Clone for Rendered {
    /// A copy may be changed: it begins without.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Rendered {
    /// What was written already is no part of what a thing says.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Rendered {}

/// The parts of a record that an [`Offer`] alone decides, as NDJSON once they were written.
#[derive(Debug, Default)]
pub struct OfferFields {
    parts: [Rendered; 4],
    /// The number of the TLS stack, once it was asked for.
    pub(super) stack: OnceLock<u64>,
}

impl Clone for OfferFields {
    /// A copy may be changed: it begins without.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for OfferFields {
    /// What was written already is no part of what an offer says.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for OfferFields {}

/// The parts of all records without an offer.
static NO_OFFER: OfferFields = OfferFields {
    parts: [const { Rendered(OnceLock::new()) }; 4],
    stack: OnceLock::new(),
};
/// The part of all records without a certificate.
static NO_CERTIFICATE: Rendered = Rendered(OnceLock::new());

/// A field's name, also as a line of JSON has it: a record has a hundred of them, and most are null.
#[derive(Debug)]
pub struct Name {
    /// The contract's name.
    pub text: &'static str,
    /// `,"name":`
    pub json: Padded,
    /// `,"name":"`
    pub json_quoted: Padded,
    /// `,"name":null`
    pub json_null: Padded,
}

/// A short text in a room of fixed size, so that appending it is a few stores and no call.
#[derive(Debug)]
pub struct Padded {
    room: [u8; Self::ROOM],
    len: usize,
}

impl Padded {
    const ROOM: usize = 48;

    const fn new(text: &str) -> Self {
        let mut room = [0; Self::ROOM];
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            // Longer ones do not compile.
            room[at] = bytes[at];
            at += 1;
        }
        Self {
            room,
            len: bytes.len(),
        }
    }

    /// Appends the text.
    #[inline(always)]
    pub fn append(&self, out: &mut Vec<u8>) {
        let end = out.len() + self.len;
        out.extend_from_slice(&self.room);
        out.truncate(end);
    }
}

macro_rules! name {
    ($text:literal) => {{
        const NAME: &Name = &Name {
            text: $text,
            json: Padded::new(concat!(",\"", $text, "\":")),
            json_quoted: Padded::new(concat!(",\"", $text, "\":\"")),
            json_null: Padded::new(concat!(",\"", $text, "\":null")),
        };
        NAME
    }};
}

/// Takes the fields of a record, one after another.
pub trait FieldSink {
    /// Text; may hold bytes from the wire made UTF-8, so it has to be escaped.
    fn text(&mut self, name: &'static Name, value: Option<&str>);
    /// A safe word.
    fn word<W: Word>(&mut self, name: &'static Name, value: Option<W>);
    /// A number.
    fn number(&mut self, name: &'static Name, value: Option<u64>);
    /// Yes, no or not known.
    fn flag(&mut self, name: &'static Name, value: Option<bool>);
    /// An instant.
    fn time(&mut self, name: &'static Name, value: Option<Timestamp>);
    /// Safe words.
    fn words<W: Word>(&mut self, name: &'static Name, values: Option<impl IntoIterator<Item = W>>);
    /// Texts that have to be escaped.
    fn texts(&mut self, name: &'static Name, values: Option<&[String]>);
    /// Fields that many records share, word for word: `write` shows them. A sink may keep what it made of them in
    /// `cache` and use that the next time.
    fn shared(&mut self, cache: &Rendered, write: impl Fn(&mut Self))
    where
        Self: Sized,
    {
        let _ = cache;
        write(self);
    }
    /// Numbers.
    fn numbers(&mut self, name: &'static Name, values: impl Iterator<Item = u64>);
}

/// The contract's field names, in its order: the columns of CSV and Parquet.
pub const FIELDS: &[&str] = &[
    "type",
    "schema",
    "flow_id",
    "first_packet",
    "first_seen",
    "last_seen",
    "transport",
    "client_ip",
    "client_port",
    "server_ip",
    "server_port",
    "client_mac",
    "server_mac",
    "vlan",
    "tunnel",
    "via",
    "via_target",
    "service",
    "service_source",
    "upgrade",
    "continued_in_clear",
    "cleartext_credentials",
    "client_name",
    "server_name_banner",
    "carrier",
    "quic_version",
    "outcome",
    "cause",
    "negotiated_version",
    "negotiated_source",
    "client_max_version",
    "client_versions",
    "client_legacy_version",
    "client_record_version",
    "cipher_suite",
    "cipher_suite_id",
    "client_cipher_suites",
    "named_group",
    "client_named_groups",
    "client_key_shares",
    "client_signature_algorithms",
    "sni",
    "ech",
    "alpn",
    "client_alpn",
    "hello_retry",
    "resumed",
    "fallback_scsv",
    "downgrade_sentinel",
    "extended_master_secret",
    "ja3",
    "ja3s",
    "ja4",
    "client_hello_bytes",
    "client_hello_segments",
    "alerts",
    "certificate_subject",
    "certificate_issuer",
    "certificate_not_before",
    "certificate_not_after",
    "certificate_key",
    "certificate_signature",
    "certificate_sha256",
    "certificate_names",
    "client_certificate",
    "tcp_rtt_us",
    "hello_us",
    "client_bytes",
    "server_bytes",
    "client_packets",
    "server_packets",
    "visibility",
    "missing_bytes",
    "conflicting_bytes",
    "mid_stream",
    "policy",
    "verdict",
    "reasons",
    "act",
    "route",
    "role",
];

/// A port as it is written: 0, which is reserved (RFC 6335 section 6), where the flow has none, as IPFIX and NetFlow have
/// it. Whoever reads records takes ports for numbers, and there is nothing here that was not known.
#[allow(
    clippy::unnecessary_wraps,
    reason = "what a sink takes; no port is null"
)]
fn port(port: Option<u16>) -> Option<u64> {
    Some(port.unwrap_or_default().into())
}

impl FlowRecord {
    /// Shows every field to `sink`, in the order of [`FIELDS`].
    pub fn visit(&self, sink: &mut impl FieldSink) {
        sink.word(name!("type"), Some("flow"));
        sink.number(name!("schema"), Some(1));
        sink.word(name!("flow_id"), Some(Hex64(self.flow_id)));
        sink.number(name!("first_packet"), Some(self.first_packet));
        sink.time(name!("first_seen"), Some(self.first_seen));
        sink.time(name!("last_seen"), Some(self.last_seen));
        sink.word(name!("transport"), self.transport.name());
        sink.word(name!("client_ip"), self.client_ip);
        sink.number(name!("client_port"), port(self.client_port));
        sink.word(name!("server_ip"), self.server_ip);
        sink.number(name!("server_port"), port(self.server_port));
        sink.word(name!("client_mac"), self.client_mac);
        sink.word(name!("server_mac"), self.server_mac);
        sink.numbers(name!("vlan"), self.vlans.iter().map(u64::from));
        sink.words(name!("tunnel"), Some(self.tunnels.iter().map(|t| t.name())));
        sink.word(name!("via"), self.via);
        sink.text(name!("via_target"), self.via_target.as_deref());
        sink.word(name!("service"), self.service);
        sink.word(name!("service_source"), self.service_source);
        sink.word(name!("upgrade"), self.upgrade.map(|v| v.name()));
        sink.flag(name!("continued_in_clear"), self.continued_in_clear);
        sink.flag(name!("cleartext_credentials"), self.cleartext_credentials);
        sink.text(name!("client_name"), self.client_name.as_deref());
        sink.text(
            name!("server_name_banner"),
            self.server_name_banner.as_deref(),
        );
        sink.word(name!("carrier"), self.carrier.map(|v| v.name()));
        sink.word(name!("quic_version"), self.quic_version.map(QuicVersion));
        sink.word(name!("outcome"), Some(self.outcome.name()));
        sink.word(name!("cause"), self.cause);
        sink.word(name!("negotiated_version"), self.negotiated_version);
        sink.word(
            name!("negotiated_source"),
            self.negotiated_source.map(|v| v.name()),
        );
        let offer = self.offer.as_deref();
        let [versions, suites, groups, protocols] = &offer.map_or(&NO_OFFER, |o| &o.fields).parts;
        sink.shared(versions, |sink| {
            sink.word(
                name!("client_max_version"),
                offer.and_then(Offer::max_version),
            );
            sink.words(
                name!("client_versions"),
                offer.map(|o| o.versions.iter().copied()),
            );
            sink.word(
                name!("client_legacy_version"),
                offer.map(|o| o.legacy_version),
            );
        });
        sink.word(name!("client_record_version"), self.client_record_version);
        sink.word(name!("cipher_suite"), self.cipher_suite);
        sink.word(
            name!("cipher_suite_id"),
            self.cipher_suite.map(CipherSuite::id),
        );
        sink.shared(suites, |sink| {
            let suites = offer.map(|o| o.cipher_suites.iter().map(|s| s.id()));
            sink.words(name!("client_cipher_suites"), suites);
        });
        sink.word(name!("named_group"), self.named_group);
        sink.shared(groups, |sink| {
            let copied = |of: fn(&Offer) -> Option<&Vec<NamedGroup>>| {
                offer.and_then(of).map(|v| v.iter().copied())
            };
            sink.words(
                name!("client_named_groups"),
                copied(|o| o.named_groups.as_ref()),
            );
            sink.words(
                name!("client_key_shares"),
                copied(|o| o.key_shares.as_ref()),
            );
            let schemes = offer.and_then(|o| o.signature_algorithms.as_ref());
            sink.words(
                name!("client_signature_algorithms"),
                schemes.map(|v| v.iter().copied()),
            );
        });
        sink.text(name!("sni"), self.sni.as_deref());
        sink.flag(name!("ech"), offer.map(|o| o.ech));
        sink.text(name!("alpn"), self.alpn.as_deref());
        sink.shared(protocols, |sink| {
            sink.texts(name!("client_alpn"), offer.and_then(|o| o.alpn.as_deref()));
        });
        sink.flag(name!("hello_retry"), self.hello_retry);
        sink.flag(name!("resumed"), self.resumed);
        sink.flag(name!("fallback_scsv"), offer.map(|o| o.fallback_scsv));
        sink.flag(name!("downgrade_sentinel"), self.downgrade_sentinel);
        sink.flag(name!("extended_master_secret"), self.extended_master_secret);
        sink.text(name!("ja3"), offer.and_then(|o| o.ja3.as_deref()));
        sink.text(name!("ja3s"), self.ja3s.as_deref());
        sink.text(name!("ja4"), offer.and_then(|o| o.ja4.as_deref()));
        sink.number(
            name!("client_hello_bytes"),
            self.client_hello_bytes.map(u64::from),
        );
        sink.number(
            name!("client_hello_segments"),
            self.client_hello_segments.map(u64::from),
        );
        sink.words(name!("alerts"), Some(self.alerts.iter().copied()));
        let cache = self
            .certificate
            .as_deref()
            .map_or(&NO_CERTIFICATE, |c| &c.rendered);
        sink.shared(cache, |sink| self.visit_certificate(sink));
        sink.word(
            name!("client_certificate"),
            self.client_certificate.map(|v| v.name()),
        );
        sink.number(name!("tcp_rtt_us"), self.tcp_rtt_us);
        sink.number(name!("hello_us"), self.hello_us);
        sink.number(name!("client_bytes"), Some(self.client_bytes));
        sink.number(name!("server_bytes"), Some(self.server_bytes));
        sink.number(name!("client_packets"), Some(self.client_packets));
        sink.number(name!("server_packets"), Some(self.server_packets));
        sink.word(name!("visibility"), Some(self.visibility.name()));
        sink.number(name!("missing_bytes"), Some(self.missing_bytes));
        sink.number(name!("conflicting_bytes"), Some(self.conflicting_bytes));
        sink.flag(name!("mid_stream"), Some(self.mid_stream));
        sink.text(name!("policy"), self.policy.as_deref());
        sink.word(name!("verdict"), Some(self.verdict.name()));
        sink.words(name!("reasons"), Some(self.reasons.iter().copied()));
        sink.word(name!("act"), self.act.map(|v| v.name()));
        sink.word(name!("route"), self.route.map(|v| v.name()));
        sink.text(name!("role"), self.role.as_deref());
    }

    fn visit_certificate(&self, sink: &mut impl FieldSink) {
        let certificate = self.certificate.as_deref();
        // DER that does not parse has a fingerprint and nothing else. An empty subject is one that was read.
        let parsed = certificate.filter(|c| !c.signature.is_empty());
        let text = |of: fn(&Certificate) -> &String| parsed.map(|c| of(c).as_str());
        sink.text(name!("certificate_subject"), text(|c| &c.subject));
        sink.text(name!("certificate_issuer"), text(|c| &c.issuer));
        sink.time(
            name!("certificate_not_before"),
            certificate.and_then(|c| c.not_before),
        );
        sink.time(
            name!("certificate_not_after"),
            certificate.and_then(|c| c.not_after),
        );
        sink.text(name!("certificate_key"), text(|c| &c.key));
        sink.text(name!("certificate_signature"), text(|c| &c.signature));
        sink.text(
            name!("certificate_sha256"),
            certificate.map(|c| c.sha256.as_str()),
        );
        sink.texts(
            name!("certificate_names"),
            parsed.map(|c| c.names.as_slice()),
        );
    }
}

/// A number of 64 bits in hexadecimal, all sixteen digits.
struct Hex64(u64);

struct QuicVersion(u32);

impl Word for Hex64 {
    fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.to_be_bytes().map(hex).as_flattened());
    }
}

impl Word for QuicVersion {
    fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            crate::framing::quic::QuicVersion(self.0)
                .to_string()
                .as_bytes(),
        );
    }
}

impl Word for &'static str {
    #[inline]
    fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl Word for IpAddr {
    fn append(&self, out: &mut Vec<u8>) {
        match self {
            Self::V4(v4) => {
                for octet in v4.octets() {
                    let (text, len) = OCTETS[usize::from(octet)];
                    let end = out.len() + usize::from(len);
                    out.extend_from_slice(&text);
                    out.truncate(end);
                }
                // The last octet's dot.
                out.pop();
            }
            // RFC 5952 is best left to the standard library.
            Self::V6(v6) => out.extend_from_slice(v6.to_string().as_bytes()),
        }
    }
}

impl Word for Mac {
    fn append(&self, out: &mut Vec<u8>) {
        for (i, octet) in self.0.iter().enumerate() {
            if i > 0 {
                out.push(b':');
            }
            out.extend_from_slice(&hex(*octet));
        }
    }
}

impl Word for Host {
    fn append(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ip(ip) => ip.append(out),
            Self::Mac(mac) => mac.append(out),
            Self::Unknown => out.extend_from_slice(self.to_string().as_bytes()),
        }
    }
}

impl Word for Id {
    #[inline]
    fn append(&self, out: &mut Vec<u8>) {
        // Hundreds of these are in the record of a browser.
        let [high, low] = self.0.to_be_bytes();
        let ([a, b], [c, d]) = (hex(high), hex(low));
        out.extend_from_slice(&[b'0', b'x', a, b, c, d]);
    }
}

impl Word for ProtocolVersion {
    fn append(&self, out: &mut Vec<u8>) {
        match (self.name(), self.0 >> 8) {
            (Some(name), _) => name.append(out),
            (None, 0x7f) => {
                "TLS 1.3 draft ".append(out);
                decimal(out, (self.0 & 0xff).into());
            }
            (None, _) => Id(self.0).append(out),
        }
    }
}

impl Word for Version {
    fn append(&self, out: &mut Vec<u8>) {
        match self {
            Self::Exact(version) => version.append(out),
            Self::Tls12OrLater => "TLS 1.2+".append(out),
        }
    }
}

impl Word for AlertDescription {
    fn append(&self, out: &mut Vec<u8>) {
        match self.name() {
            Some(name) => name.append(out),
            None => decimal(out, self.0.into()),
        }
    }
}

impl Word for Alert {
    fn append(&self, out: &mut Vec<u8>) {
        self.from.name().append(out);
        if self.fatal { " fatal " } else { " warning " }.append(out);
        self.description.append(out);
    }
}

impl Word for Cause {
    fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.to_string().as_bytes());
    }
}

macro_rules! named_or_number {
    ($($type:ty),*) => { $(
        impl Word for $type {
            fn append(&self, out: &mut Vec<u8>) {
                match self.name() {
                    Some(name) => name.append(out),
                    None => Id(self.0).append(out),
                }
            }
        }
    )* };
}
named_or_number!(CipherSuite, NamedGroup, SignatureScheme);

/// Numbers of a byte in decimal with a dot behind, and their lengths.
static OCTETS: [([u8; 4], u8); 256] = {
    let mut octets = [([0; 4], 0); 256];
    let mut n = 0;
    while n < 256 {
        let (hundreds, tens, ones) = (
            b'0' + (n / 100) as u8,
            b'0' + (n / 10 % 10) as u8,
            b'0' + (n % 10) as u8,
        );
        octets[n] = match n {
            0..10 => ([ones, b'.', 0, 0], 2),
            10..100 => ([tens, ones, b'.', 0], 3),
            _ => ([hundreds, tens, ones, b'.'], 4),
        };
        n += 1;
    }
    octets
};

/// Appends `value` in decimal.
pub(crate) fn decimal(out: &mut Vec<u8>, mut value: u64) {
    if let (Ok(digit), true) = (u8::try_from(value), value < 10) {
        out.push(b'0' + digit);
        return;
    }
    let mut text = [0; 20];
    let mut begin = text.len();
    // Two digits a division.
    for pair in text.as_chunks_mut::<2>().0.iter_mut().rev() {
        *pair = two_digits(value % 100);
        value /= 100;
        begin -= 2;
        if value == 0 {
            break;
        }
    }
    begin += usize::from(text.get(begin) == Some(&b'0'));
    out.extend_from_slice(text.get(begin..).unwrap_or_default());
}

/// A byte in lower-case hexadecimal.
#[inline]
const fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[(byte >> 4) as usize], DIGITS[(byte & 0x0f) as usize]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Side;
    use std::fmt::Display;

    fn word(word: impl Word) -> String {
        let mut out = Vec::new();
        word.append(&mut out);
        String::from_utf8(out).expect("words are ASCII")
    }

    #[test]
    fn words_read_as_their_display_does() {
        fn same(value: impl Word + Display + Copy) {
            assert_eq!(word(value), value.to_string());
        }
        for number in 0..=u16::MAX {
            same(ProtocolVersion(number));
            same(CipherSuite(number));
            same(NamedGroup(number));
            same(SignatureScheme(number));
            same(Id(number));
        }
        for number in 0..=u8::MAX {
            same(AlertDescription(number));
        }
        same(Version::Tls12OrLater);
        same(Mac([0, 0x1b, 0xa9, 0xff, 9, 0x10]));
        same(Host::Mac(Mac([0, 0x1b, 0xa9, 0xff, 9, 0x10])));
        same(Host::Unknown);
        same(Alert {
            from: Side::Server,
            fatal: true,
            description: AlertDescription(70),
        });
        for address in ["0.0.0.0", "192.0.2.255", "2001:db8::1", "::ffff:1.2.3.4"] {
            let address = address.parse::<IpAddr>().expect("an address");
            same(address);
            same(Host::Ip(address));
        }
    }

    #[test]
    fn numbers_in_decimal() {
        for n in [0, 9, 10, 1_234_567, u64::MAX] {
            let mut out = Vec::new();
            decimal(&mut out, n);
            assert_eq!(out, n.to_string().into_bytes());
        }
    }
}
