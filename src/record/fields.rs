//! A record, visited field by field in the order of the contract.

use std::fmt::Display;

use super::{Certificate, FlowRecord};
use crate::hello::Offer;
use crate::time::Timestamp;

/// Takes the fields of a record, one after another.
pub trait FieldSink {
    /// Text; may hold bytes from the wire made UTF-8, so it has to be escaped.
    fn text(&mut self, name: &'static str, value: Option<&str>);
    /// A value whose text is ours and safe: a name from a registry, an address, a number in hexadecimal.
    fn word(&mut self, name: &'static str, value: Option<&dyn Display>);
    /// A number.
    fn number(&mut self, name: &'static str, value: Option<u64>);
    /// Yes, no or not known.
    fn flag(&mut self, name: &'static str, value: Option<bool>);
    /// An instant.
    fn time(&mut self, name: &'static str, value: Option<Timestamp>);
    /// Safe words.
    fn words(&mut self, name: &'static str, values: Option<&mut dyn Iterator<Item = &dyn Display>>);
    /// Texts that have to be escaped.
    fn texts(&mut self, name: &'static str, values: Option<&mut dyn Iterator<Item = &str>>);
    /// Numbers.
    fn numbers(&mut self, name: &'static str, values: &mut dyn Iterator<Item = u64>);
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

impl FlowRecord {
    /// Shows every field to `sink`, in the order of [`FIELDS`].
    pub fn visit(&self, sink: &mut impl FieldSink) {
        sink.word("type", Some(&"flow"));
        sink.number("schema", Some(1));
        sink.word("flow_id", Some(&format_args!("{:016x}", self.flow_id)));
        sink.number("first_packet", Some(self.first_packet));
        sink.time("first_seen", Some(self.first_seen));
        sink.time("last_seen", Some(self.last_seen));
        sink.word("transport", Some(&self.transport.name()));
        sink.word("client_ip", Some(&self.client_ip));
        sink.number("client_port", Some(self.client_port.into()));
        sink.word("server_ip", Some(&self.server_ip));
        sink.number("server_port", Some(self.server_port.into()));
        sink.word("client_mac", display(&self.client_mac));
        sink.word("server_mac", display(&self.server_mac));
        sink.numbers("vlan", &mut self.vlans.iter().map(u64::from));
        sink.words(
            "tunnel",
            Some(&mut names(
                &self.tunnels.iter().map(|t| t.name()).collect::<Vec<_>>(),
            )),
        );
        sink.word("via", display(&self.via));
        sink.text("via_target", self.via_target.as_deref());
        sink.word("service", display(&self.service));
        sink.word("service_source", display(&self.service_source));
        sink.word("upgrade", display(&self.upgrade));
        sink.flag("continued_in_clear", self.continued_in_clear);
        sink.flag("cleartext_credentials", self.cleartext_credentials);
        sink.text("client_name", self.client_name.as_deref());
        sink.text("server_name_banner", self.server_name_banner.as_deref());
        sink.word("carrier", display(&self.carrier));
        sink.word(
            "quic_version",
            display(&self.quic_version.map(crate::framing::quic_version_name)),
        );
        sink.word("outcome", Some(&self.outcome));
        sink.word("cause", display(&self.cause));
        sink.word("negotiated_version", display(&self.negotiated_version));
        sink.word("negotiated_source", display(&self.negotiated_source));
        let offer = self.offer.as_deref();
        sink.word(
            "client_max_version",
            display(&offer.and_then(Offer::max_version)),
        );
        list(
            sink,
            "client_versions",
            offer.map(|o| o.versions.as_slice()),
        );
        sink.word(
            "client_legacy_version",
            display(&offer.map(|o| o.legacy_version)),
        );
        sink.word(
            "client_record_version",
            display(&self.client_record_version),
        );
        sink.word("cipher_suite", display(&self.cipher_suite));
        sink.word(
            "cipher_suite_id",
            display(&self.cipher_suite.map(|s| s.id())),
        );
        match offer {
            Some(o) => sink.words(
                "client_cipher_suites",
                Some(&mut names(
                    &o.cipher_suites.iter().map(|s| s.id()).collect::<Vec<_>>(),
                )),
            ),
            None => sink.words("client_cipher_suites", None),
        }
        sink.word("named_group", display(&self.named_group));
        list(
            sink,
            "client_named_groups",
            offer.and_then(|o| o.named_groups.as_deref()),
        );
        list(
            sink,
            "client_key_shares",
            offer.and_then(|o| o.key_shares.as_deref()),
        );
        list(
            sink,
            "client_signature_algorithms",
            offer.and_then(|o| o.signature_algorithms.as_deref()),
        );
        sink.text("sni", self.sni.as_deref());
        sink.flag("ech", offer.map(|o| o.ech));
        sink.text("alpn", self.alpn.as_deref());
        match offer.and_then(|o| o.alpn.as_deref()) {
            Some(protocols) => sink.texts(
                "client_alpn",
                Some(&mut protocols.iter().map(String::as_str)),
            ),
            None => sink.texts("client_alpn", None),
        }
        sink.flag("hello_retry", self.hello_retry);
        sink.flag("resumed", self.resumed);
        sink.flag("fallback_scsv", offer.map(|o| o.fallback_scsv));
        sink.flag("downgrade_sentinel", self.downgrade_sentinel);
        sink.flag("extended_master_secret", self.extended_master_secret);
        sink.text("ja3", offer.and_then(|o| o.ja3.as_deref()));
        sink.text("ja3s", self.ja3s.as_deref());
        sink.text("ja4", offer.and_then(|o| o.ja4.as_deref()));
        sink.number("client_hello_bytes", self.client_hello_bytes.map(u64::from));
        sink.number(
            "client_hello_segments",
            self.client_hello_segments.map(u64::from),
        );
        sink.words("alerts", Some(&mut names(&self.alerts)));
        self.visit_certificate(sink);
        sink.word("client_certificate", display(&self.client_certificate));
        sink.number("tcp_rtt_us", self.tcp_rtt_us);
        sink.number("hello_us", self.hello_us);
        sink.number("client_bytes", Some(self.client_bytes));
        sink.number("server_bytes", Some(self.server_bytes));
        sink.number("client_packets", Some(self.client_packets));
        sink.number("server_packets", Some(self.server_packets));
        sink.word("visibility", Some(&self.visibility));
        sink.number("missing_bytes", Some(self.missing_bytes));
        sink.number("conflicting_bytes", Some(self.conflicting_bytes));
        sink.flag("mid_stream", Some(self.mid_stream));
        sink.text("policy", self.policy.as_deref());
        sink.word("verdict", Some(&self.verdict));
        sink.words("reasons", Some(&mut names(&self.reasons)));
        sink.word("act", display(&self.act));
        sink.word("route", Some(&self.route));
        sink.text("role", self.role.as_deref());
    }

    fn visit_certificate(&self, sink: &mut impl FieldSink) {
        let certificate = self.certificate.as_deref();
        let text = |of: fn(&Certificate) -> &String| certificate.map(|c| of(c).as_str());
        sink.text("certificate_subject", text(|c| &c.subject));
        sink.text("certificate_issuer", text(|c| &c.issuer));
        sink.time(
            "certificate_not_before",
            certificate.and_then(|c| c.not_before),
        );
        sink.time(
            "certificate_not_after",
            certificate.and_then(|c| c.not_after),
        );
        sink.text("certificate_key", text(|c| &c.key));
        sink.text("certificate_signature", text(|c| &c.signature));
        sink.text("certificate_sha256", text(|c| &c.sha256));
        match certificate {
            Some(c) => sink.texts(
                "certificate_names",
                Some(&mut c.names.iter().map(String::as_str)),
            ),
            None => sink.texts("certificate_names", None),
        }
    }
}

fn display<T: Display>(value: &Option<T>) -> Option<&dyn Display> {
    value.as_ref().map(|v| v as &dyn Display)
}

fn names<T: Display>(values: &[T]) -> impl Iterator<Item = &dyn Display> {
    values.iter().map(|v| v as &dyn Display)
}

fn list<T: Display>(sink: &mut impl FieldSink, name: &'static str, values: Option<&[T]>) {
    match values {
        Some(values) => sink.words(name, Some(&mut names(values))),
        None => sink.words(name, None),
    }
}
