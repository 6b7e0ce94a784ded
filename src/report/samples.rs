//! Records and summaries for the tests of all writers.

use std::sync::Arc;

use crate::decode::{Tunnel, Tunnels, Vlans};
use crate::hello::Offer;
use crate::hello::registry::{AlertDescription, CipherSuite, NamedGroup, SignatureScheme};
use crate::hello::version::ProtocolVersion as V;
use crate::policy::{Judge, Networks, Policy, Reviewer};
use crate::record::Tally;
use crate::record::{
    Act, Alert, Carrier, Cause, Certificate, ClientCertificate, FlowRecord, Mac, NegotiatedSource,
    OfferFields, Outcome, Route, Side, Upgrade, Verdict, Version, Visibility,
};
use crate::report::{Blind, BlindSpots, Input, Summary};
use crate::time::Timestamp;

/// A record with every field known, some of them hostile.
pub(crate) fn full_record() -> FlowRecord {
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
        client_ip: Some("10.20.0.21".parse().expect("an address")),
        client_port: Some(49_152),
        server_ip: Some("2001:db8::25".parse().expect("an address")),
        server_port: Some(587),
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
            fields: OfferFields::default(),
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
            from_record: false,
            compressed_points_first: false,
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
            ..Certificate::default()
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
        route: Some(Route::Outbound),
        role: Some("SMTP AUTH submission".into()),
        ..FlowRecord::default()
    }
}

/// A client that is refused with TLS 1.2, and its retry with TLS 1.0, judged one by one.
pub(crate) fn dance() -> [FlowRecord; 2] {
    let policy = Policy::named("m365").expect("it is built in");
    let mut judge = Judge::new(&policy, None);
    [
        (1, Outcome::RefusedByServer, V::TLS_1_2),
        (2, Outcome::Negotiated, V::TLS_1_0),
    ]
    .map(|(second, outcome, version)| {
        let seen = Timestamp(MORNING + second * 1_000_000_000);
        let mut record = FlowRecord {
            first_seen: seen,
            last_seen: seen,
            outcome,
            negotiated_version: (outcome == Outcome::Negotiated).then_some(Version::Exact(version)),
            offer: Some(Arc::new(Offer {
                legacy_version: version,
                versions: vec![version],
                cipher_suites: vec![CipherSuite(0xc013), CipherSuite(0x002f)],
                ..Offer::default()
            })),
            ..FlowRecord::default()
        };
        judge.judge(&mut record);
        record
    })
}

const MORNING: u64 = 1_795_420_800_000_000_000;
const MINUTE: u64 = 60_000_000_000;

/// A flow of the office: who, to whom, what was offered at most and what was chosen.
fn flow(
    n: u64,
    client: &str,
    server: (&str, u16, Option<&str>),
    offered: &[V],
    chosen: Option<V>,
) -> FlowRecord {
    let client_ip = client.parse().expect("an address");
    let server_ip = server.0.parse().expect("an address");
    let first_seen = Timestamp(MORNING + n * 7 * MINUTE);
    let mut vlans = Vlans::default();
    if client.starts_with("10.20.") {
        vlans.push(20);
    }
    let mut record = FlowRecord {
        flow_id: n,
        first_packet: n + 1,
        first_seen,
        last_seen: Timestamp(first_seen.0 + MINUTE),
        client_ip: Some(client_ip),
        client_port: Some(40_000 + n as u16),
        client_mac: client_mac(client_ip),
        vlans,
        server_ip: Some(server_ip),
        server_port: Some(server.1),
        sni: server.2.map(Into::into),
        service: match server.1 {
            25 => Some("smtp"),
            587 => Some("submission"),
            993 => Some("imaps"),
            443 => Some("https"),
            _ => None,
        },
        offer: (!offered.is_empty()).then(|| {
            Arc::new(Offer {
                legacy_version: offered
                    .iter()
                    .copied()
                    .min_by_key(|v| v.rank())
                    .unwrap_or_default(),
                versions: offered.to_vec(),
                has_supported_versions: true,
                cipher_suites: [0x1301, 0xc030, 0xc02f, 0xc014, 0x002f]
                    .map(CipherSuite)
                    .into(),
                named_groups: Some([29, 23].map(NamedGroup).into()),
                key_shares: Some([29].map(NamedGroup).into()),
                signature_algorithms: Some([0x0804, 0x0401, 0x0201].map(SignatureScheme).into()),
                has_server_name: server.2.is_some(),
                ..Offer::default()
            })
        }),
        outcome: if chosen.is_some() {
            Outcome::Negotiated
        } else {
            Outcome::RefusedByServer
        },
        negotiated_version: chosen.map(Version::Exact),
        hello_us: chosen.map(|_| 8_000 + n * 100),
        route: Some(Networks::default().route(client_ip, server_ip)),
        ..FlowRecord::default()
    };
    Judge::new(&m365(), None).judge(&mut record);
    record
}

/// Those of our own network; the others come through a router.
fn client_mac(address: std::net::IpAddr) -> Option<Mac> {
    match address {
        std::net::IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            Some(if b == 20 {
                Mac([0x00, 0x00, 0x00, b, c, d])
            } else if a == 10 {
                Mac([2, 0x42, a, b, c, d])
            } else {
                Mac([2, 0x42, 0, 0, 0, 1])
            })
        }
        std::net::IpAddr::V6(_) => None,
    }
}

fn summary(records: &[FlowRecord]) -> Summary {
    let mut tally = Tally::new(100, 100);
    for record in records {
        tally.add(record);
    }
    let input = Input {
        name: "office.pcap".into(),
        packets: 4_812,
        bytes: 2_310_400,
        first_packet: Some(Timestamp(MORNING)),
        last_packet: Some(Timestamp(MORNING + 573 * MINUTE)),
        stayed: crate::capture::shunt::Stayed::default(),
        damage: None,
    };
    Summary::new(vec![input], m365(), tally, BlindSpots::default())
}

const SMTP: (&str, u16, Option<&str>) = ("52.97.1.2", 587, Some("smtp.office365.com"));
const WEB: (&str, u16, Option<&str>) = ("2001:db8::443", 443, Some("login.microsoftonline.com"));

fn office_records() -> Vec<FlowRecord> {
    let mut records = Vec::new();
    let add = |records: &mut Vec<FlowRecord>, times: u64, make: &dyn Fn(u64) -> FlowRecord| {
        for _ in 0..times {
            records.push(make(records.len() as u64));
        }
    };
    add(&mut records, 12, &|n| FlowRecord {
        client_name: Some("printer-2.office.example".into()),
        ..flow(n, "10.20.0.21", SMTP, &[V::TLS_1_0], Some(V::TLS_1_0))
    });
    add(&mut records, 3, &|n| FlowRecord {
        client_name: Some("KMBT4C2F1B".into()),
        ..flow(n, "10.20.0.22", SMTP, &[V::TLS_1_0], None)
    });
    // The ERP's old Java runtime beside the same host's browser.
    add(&mut records, 4, &|n| {
        flow(
            n,
            "10.0.0.40",
            SMTP,
            &[V::TLS_1_0, V::SSL_3_0],
            Some(V::TLS_1_0),
        )
    });
    add(&mut records, 9, &|n| {
        flow(
            n,
            "10.0.0.40",
            WEB,
            &[V::TLS_1_3, V::TLS_1_2],
            Some(V::TLS_1_3),
        )
    });
    // Our relay to a partner's old server, and to good ones.
    let new = &[V::TLS_1_3, V::TLS_1_2, V::TLS_1_1, V::TLS_1_0][..];
    add(&mut records, 5, &|n| FlowRecord {
        client_name: Some("relay.office.example".into()),
        ..flow(
            n,
            "10.0.0.25",
            (
                "203.0.113.9",
                25,
                Some("mx.partner-with-a-long-name.example"),
            ),
            new,
            Some(V::TLS_1_0),
        )
    });
    add(&mut records, 11, &|n| {
        flow(
            n,
            "10.0.0.25",
            ("203.0.113.77", 25, Some("mx.good.example")),
            new,
            Some(V::TLS_1_2),
        )
    });
    // The provider delivers inward to our old server.
    for i in 1..=4 {
        add(&mut records, 2, &|n| FlowRecord {
            client_name: Some(format!("mail-{i}.outbound.protection.example").into()),
            ..flow(
                n,
                &format!("40.92.0.{i}"),
                ("10.0.0.26", 25, None),
                new,
                Some(V::TLS_1_0),
            )
        });
    }
    for i in 1..=6 {
        add(&mut records, 4, &|n| {
            flow(
                n,
                &format!("10.0.1.{i}"),
                WEB,
                &[V::TLS_1_3, V::TLS_1_2],
                Some(V::TLS_1_3),
            )
        });
    }
    add(&mut records, 2, &|n| {
        flow(
            n,
            "10.0.1.9",
            ("198.51.100.5", 993, Some("imap.example.net")),
            &[V::TLS_1_2],
            None,
        )
    });
    add(&mut records, 1, &|n| FlowRecord {
        outcome: Outcome::JoinedMidStream,
        mid_stream: true,
        verdict: Verdict::Unknown,
        reasons: vec!["joined-mid-stream"],
        ..flow(n, "10.0.1.10", WEB, &[], None)
    });
    records
}

/// The README's office before the day.
pub(crate) fn office() -> Summary {
    let mut summary = summary(&office_records());
    summary.blind.add(Blind::EtherType(0x0806), 214);
    summary.blind.add(Blind::Gaps, 1);
    if let Some(input) = summary.inputs.first_mut() {
        input.damage = Some("cut off in the middle of packet 4,813; read up to there".into());
    }
    summary
}

/// A client that is held back by a server to which it comes with less than it can.
pub(crate) fn danced() -> Summary {
    let policy = Policy::named("m365").expect("it is built in");
    let mut reviewer = Reviewer::new(Judge::new(&policy, None));
    let mut records = dance();
    for record in &mut records {
        reviewer.review(record);
    }
    summary(&records)
}

/// Nothing breaks, nothing is hidden.
pub(crate) fn clean() -> Summary {
    summary(&[flow(
        0,
        "10.0.1.1",
        WEB,
        &[V::TLS_1_3, V::TLS_1_2],
        Some(V::TLS_1_3),
    )])
}

/// A flow of TLS 1.0 of which only application data was captured.
pub(crate) fn joined_old() -> Summary {
    let mut record = FlowRecord {
        outcome: Outcome::JoinedMidStream,
        negotiated_source: Some(NegotiatedSource::RecordLayer),
        mid_stream: true,
        ..flow(0, "10.0.1.1", WEB, &[], Some(V::TLS_1_0))
    };
    Judge::new(&m365(), None).judge(&mut record);
    summary(&[record])
}

/// Packets without TLS.
pub(crate) fn no_tls() -> Summary {
    let mut summary = summary(&[]);
    summary
        .blind
        .add(Blind::LinkType(crate::decode::LinkType(147)), 4_812);
    summary
}

/// Names of somebody who would rule the reader's terminal.
pub(crate) fn hostile() -> Summary {
    let evil = "a\u{1b}]0;owned\u{7}\u{202e}日本語".repeat(20);
    let mut summary = summary(&[FlowRecord {
        client_name: Some(evil.as_str().into()),
        server_name_banner: Some(evil.as_str().into()),
        ..flow(
            0,
            "10.0.1.1",
            ("198.51.100.1", 65_535, Some(&evil)),
            &[V::TLS_1_2],
            Some(V::TLS_1_0),
        )
    }]);
    summary.inputs = vec![Input {
        name: evil.clone(),
        damage: Some(evil),
        ..Input::default()
    }];
    summary
}

fn m365() -> Policy {
    Policy::named("m365").expect("built in")
}
