//! Records and summaries for the tests of all writers.

use std::sync::Arc;

use crate::decode::{Tunnel, Tunnels, Vlans};
use crate::hello::Offer;
use crate::hello::registry::{AlertDescription, CipherSuite, NamedGroup, SignatureScheme};
use crate::hello::version::ProtocolVersion as V;
use crate::record::{
    Act, Alert, Carrier, Cause, Certificate, ClientCertificate, FlowRecord, Mac, NegotiatedSource,
    Outcome, Route, Side, Upgrade, Verdict, Version, Visibility,
};
use crate::time::Timestamp;

/// A record with every field known, some of them hostile.
pub(super) fn full_record() -> FlowRecord {
    let mut vlans = Vlans::default();
    vlans.push(100);
    vlans.push(20);
    let mut tunnels = Tunnels::default();
    tunnels.push(Tunnel::Gre);
    tunnels.push(Tunnel::Vxlan);
    FlowRecord {
        flow_id: 0x0123_4567_89ab_cdef,
        first_packet: 17,
        first_seen: Timestamp(1_795_420_800_000_000_001),
        last_seen: Timestamp(1_795_420_801_500_000_000),
        client_ip: "10.20.0.21".parse().expect("an address"),
        client_port: 49_152,
        server_ip: "2001:db8::25".parse().expect("an address"),
        server_port: 587,
        client_mac: Some(Mac([2, 0, 0x0a, 0x14, 0, 0x15])),
        server_mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        vlans,
        tunnels,
        via: Some("http-connect"),
        via_target: Some("mail.example:587".into()),
        service: Some("submission"),
        service_source: Some("content"),
        upgrade: Some(Upgrade::Upgraded),
        continued_in_clear: Some(false),
        cleartext_credentials: Some(true),
        client_name: Some("printer-2\u{1b}[2J".into()),
        server_name_banner: Some("mail.example ESMTP, \"ready\"".into()),
        carrier: Some(Carrier::Tls),
        quic_version: Some(0xff00_001d),
        outcome: Outcome::RefusedByServer,
        cause: Some(Cause::Alert(AlertDescription(70))),
        negotiated_version: Some(Version::Exact(V::TLS_1_0)),
        negotiated_source: Some(NegotiatedSource::ServerHello),
        offer: Some(Arc::new(Offer {
            legacy_version: V::TLS_1_2,
            versions: vec![V::TLS_1_3, V(0x7f17), V::TLS_1_2],
            has_supported_versions: true,
            cipher_suites: vec![
                CipherSuite(0x1a1a),
                CipherSuite(0x1301),
                CipherSuite(0xc02f),
            ],
            named_groups: Some(vec![NamedGroup(4588), NamedGroup(29)]),
            key_shares: Some(vec![NamedGroup(4588)]),
            signature_algorithms: Some(vec![SignatureScheme(0x0804), SignatureScheme(0xfefe)]),
            alpn: Some(vec!["h2".into(), "=\u{202e}evil".into()]),
            extensions: vec![0, 10, 11],
            ech: true,
            fallback_scsv: false,
            extended_master_secret: true,
            encrypt_then_mac: false,
            has_server_name: true,
            ja3: Some("0123456789abcdef0123456789abcdef".into()),
            ja4: Some("t13d0203h2_000000000000_111111111111".into()),
        })),
        client_record_version: Some(V::TLS_1_0),
        cipher_suite: Some(CipherSuite(0x002f)),
        named_group: Some(NamedGroup(23)),
        sni: Some("=cmd|'/C calc'!A0".into()),
        alpn: Some("h2".into()),
        hello_retry: Some(true),
        resumed: Some(false),
        downgrade_sentinel: Some(true),
        extended_master_secret: Some(false),
        ja3s: Some("fedcba9876543210fedcba9876543210".into()),
        client_hello_bytes: Some(1_723),
        client_hello_segments: Some(2),
        alerts: vec![
            Alert {
                from: Side::Server,
                fatal: true,
                description: AlertDescription(70),
            },
            Alert {
                from: Side::Client,
                fatal: false,
                description: AlertDescription(0),
            },
        ],
        certificate: Some(Arc::new(Certificate {
            subject: "CN=mail.example,O=Example\\, Inc.".into(),
            issuer: "CN=Example CA".into(),
            not_before: Some(Timestamp(1_700_000_000_000_000_000)),
            not_after: Some(Timestamp(1_800_000_000_000_000_000)),
            key: "RSA-2048".into(),
            signature: "sha256WithRSAEncryption".into(),
            sha256: "00".repeat(32),
            names: vec!["mail.example".into(), "192.0.2.25".into()],
        })),
        client_certificate: Some(ClientCertificate::Requested),
        tcp_rtt_us: Some(1_200),
        hello_us: Some(15_300),
        client_bytes: 2_000,
        server_bytes: 5_000,
        client_packets: 9,
        server_packets: 8,
        visibility: Visibility::Both,
        missing_bytes: 0,
        conflicting_bytes: 3,
        mid_stream: false,
        policy: Some("m365".into()),
        verdict: Verdict::Breaks,
        reasons: vec!["min-version", "cert-sha1"],
        act: Some(Act::Server),
        route: Route::Outbound,
        role: Some("SMTP AUTH submission".into()),
        ..FlowRecord::default()
    }
}
