//! From a settled flow to its record.

use std::hash::Hasher as _;
use std::net::IpAddr;

use siphasher::sip::SipHasher13;
use smallvec::SmallVec;

use super::{Flow, LedgerFacts, State};
use crate::dispatch::Direction;
use crate::framing::service;
use crate::record::{FlowRecord, Visibility};

/// The record of a flow, but for the judgement; `None` where it does not matter, or is not settled yet.
pub fn to_record(flow: &Flow) -> Option<FlowRecord> {
    let State::Settled(settled) = &flow.state else {
        return None;
    };
    let facts = &*settled.told;
    let rare = settled.rare.as_deref();
    let (client, server) = (facts.client, facts.client.flip());
    let ends = [Direction::Up, Direction::Down].map(|direction| flow.key.source(direction));
    let end = |d: Direction| ends.get(d.index()).copied().flatten().unzip();
    let ((client_ip, client_port), (server_ip, server_port)) = (end(client), end(server));
    let (client_half, server_half) = (flow.half(client), flow.half(server));
    let mac = |d: Direction| settled.link.macs.get(d.index()).copied().flatten();
    let answer = facts.answer.as_deref();
    let hello = facts.offer.is_some();
    let none = LedgerFacts::default();
    let ledger = rare.and_then(|rare| rare.ledger.as_ref()).unwrap_or(&none);
    let alpn = answer.and_then(|a| a.alpn.clone());
    let (service, service_source) = service_of(ledger, server_port, alpn.as_deref());
    Some(FlowRecord {
        flow_id: flow_id(flow, &ends),
        first_packet: flow.first_packet,
        first_seen: flow.first_seen,
        last_seen: flow.last_seen,
        transport: flow.key.transport(),
        client_ip,
        client_port,
        server_ip,
        server_port,
        client_mac: mac(client),
        server_mac: mac(server),
        vlans: settled.link.vlans,
        tunnels: settled.link.tunnels,
        via: ledger.via,
        via_target: ledger.via_target.clone(),
        service,
        service_source,
        upgrade: ledger.upgrade,
        continued_in_clear: ledger.continued_in_clear,
        cleartext_credentials: ledger.cleartext_credentials,
        client_name: ledger.client_name.clone(),
        server_name_banner: ledger.server_name_banner.clone(),
        starttls_injection: ledger.starttls_injection,
        carrier: facts.carrier,
        quic_version: facts.quic_version,
        outcome: facts.outcome,
        cause: facts.cause,
        negotiated_version: facts.negotiated_version,
        negotiated_source: facts.negotiated_source,
        client_record_version: facts.client_record_version,
        cipher_suite: answer.and_then(|a| a.cipher_suite),
        named_group: facts.named_group,
        sni: facts.sni.clone(),
        alpn,
        hello_retry: (hello || answer.is_some()).then_some(facts.hello_retry),
        resumed: facts.resumed,
        downgrade_sentinel: answer.map(|_| facts.downgrade_sentinel),
        extended_master_secret: facts.extended_master_secret,
        ja3s: answer.and_then(|a| a.ja3s.clone()),
        client_hello_bytes: hello.then_some(flow.client_hello_bytes),
        client_hello_segments: hello.then_some(facts.client_hello_segments),
        alerts: rare.map(|rare| rare.alerts.to_vec()).unwrap_or_default(),
        certificate: facts.certificate.clone(),
        client_certificate: facts.client_certificate,
        tcp_rtt_us: flow.rtt_us().map(u64::from),
        hello_us: settled.hello_us().map(u64::from),
        client_bytes: client_half.bytes,
        server_bytes: server_half.bytes,
        client_packets: client_half.packets.into(),
        server_packets: server_half.packets.into(),
        visibility: match (client_half.packets, server_half.packets) {
            (_, 0) => Visibility::ClientOnly,
            (0, _) => Visibility::ServerOnly,
            _ => Visibility::Both,
        },
        missing_bytes: rare.map_or(0, |rare| rare.missing_bytes),
        conflicting_bytes: rare.map_or(0, |rare| rare.conflicting_bytes),
        mid_stream: facts.mid_stream,
        offer: facts.offer.clone(),
        ..FlowRecord::default()
    })
}

/// The service as the talk in the clear told it, else as the server's port or the ALPN says.
fn service_of(
    ledger: &LedgerFacts,
    server_port: Option<u16>,
    alpn: Option<&str>,
) -> (Option<&'static str>, Option<&'static str>) {
    if let Some(told) = ledger.service {
        // RFC 6409 section 3.1: submission is SMTP at a port of its own.
        let service = if told == "smtp" && server_port == Some(587) {
            "submission"
        } else {
            told
        };
        return (Some(service), Some("content"));
    }
    // Through a tunnel, the port that was asked for counts.
    let tunnel = ledger.upgrade.is_some() && ledger.via.is_some();
    let port = match &ledger.via_target {
        Some(target) if tunnel => target.rsplit(':').next().and_then(|port| port.parse().ok()),
        _ if tunnel => None,
        _ => server_port,
    };
    let by_port = port.and_then(service::by_port);
    let by_alpn = || {
        alpn.and_then(service::by_alpn)
            .map_or((None, None), |service| (Some(service), Some("content")))
    };
    by_port.map_or_else(by_alpn, |service| (Some(service), Some("port")))
}

/// Stable over runs and versions: SipHash-1-3 with a zero key over endpoints, transport and time.
fn flow_id(flow: &Flow, ends: &[Option<(IpAddr, u16)>; 2]) -> u64 {
    // In one piece, for the hash costs little more than its calls.
    let mut told = SmallVec::<[u8; 64]>::new();
    let mut tell = |bytes: &[u8]| told.extend_from_slice(bytes);
    for (direction, end) in [Direction::Up, Direction::Down].into_iter().zip(ends) {
        match end {
            Some((IpAddr::V4(v4), _)) => tell(&v4.octets()),
            Some((IpAddr::V6(v6), _)) => tell(&v6.octets()),
            None => tell(&flow.key.station(direction).unwrap_or_default()),
        }
        tell(&flow.key.port(direction).to_be_bytes());
    }
    tell(&[flow.key.transport() as u8]);
    tell(&flow.first_seen.0.to_be_bytes());
    let mut hasher = SipHasher13::new();
    hasher.write(&told);
    hasher.finish()
}
