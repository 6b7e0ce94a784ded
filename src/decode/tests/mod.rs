//! Frames built header by header, and what is seen of them.

mod eapol;
mod fragments;
mod layers;
mod links;
mod robustness;
mod tunnels;

use std::net::{IpAddr, Ipv6Addr};

use etherparse::PacketBuilder;

use super::*;
use crate::config::Limits;
use crate::dispatch::Transport;
use crate::time::Timestamp;

const ETHERNET: LinkType = LinkType(1);
const PAYLOAD: &[u8] = b"hello";

/// What a test looks at.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    source: String,
    destination: String,
    transport: Transport,
    payload: Vec<u8>,
    wire_len: usize,
    ethernet_at: Option<usize>,
    vlans: Vec<u16>,
    tunnels: Vec<&'static str>,
}

fn seen(frame: &[u8], extra: &[u8], decoded: &Decoded) -> Seen {
    let end = |address: [u8; 16], port| {
        let v6 = Ipv6Addr::from(address);
        let ip = v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4);
        format!("{ip} {port}")
    };
    let whole = if decoded.in_extra { extra } else { frame };
    Seen {
        source: end(decoded.source, decoded.source_port),
        destination: end(decoded.destination, decoded.destination_port),
        transport: decoded.transport,
        payload: whole[decoded.payload_at..][..decoded.payload_len].to_vec(),
        wire_len: decoded.wire_len,
        ethernet_at: decoded.ethernet_at,
        vlans: decoded.vlans.iter().collect(),
        tunnels: decoded.tunnels.iter().map(Tunnel::name).collect(),
    }
}

fn decode_cut(link: LinkType, frame: &[u8], wire_len: usize) -> Result<Seen, Undecoded> {
    let mut extra = Vec::new();
    Decoder::new(&Limits::default())
        .decode(link, frame, wire_len, Timestamp(0), &mut extra)
        .map(|decoded| seen(frame, &extra, &decoded))
}

fn decode(link: LinkType, frame: &[u8]) -> Result<Seen, Undecoded> {
    decode_cut(link, frame, frame.len())
}

/// An IPv4 packet with a TCP segment.
fn v4_tcp() -> Vec<u8> {
    let builder = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(1111, 443, 7, 1024);
    let mut out = Vec::new();
    builder.write(&mut out, PAYLOAD).unwrap();
    out
}

/// An IPv6 packet with a TCP segment.
fn v6_tcp() -> Vec<u8> {
    let builder = PacketBuilder::ipv6([0xfd; 16], [0xfe; 16], 64).tcp(1111, 443, 7, 1024);
    let mut out = Vec::new();
    builder.write(&mut out, PAYLOAD).unwrap();
    out
}

/// Whether that packet was seen, by payload and addresses.
#[track_caller]
fn assert_v4(name: &str, seen: Result<Seen, Undecoded>) -> Seen {
    let seen = seen.unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(seen.source, "10.0.0.1 1111", "{name}");
    assert_eq!(seen.destination, "10.0.0.2 443", "{name}");
    assert_eq!(seen.payload, PAYLOAD, "{name}");
    assert_eq!(seen.wire_len, PAYLOAD.len(), "{name}");
    seen
}

/// An Ethernet frame.
fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = hex_literal::hex!("020000000001 020000000002").to_vec();
    out.extend(ether_type.to_be_bytes());
    out.extend(payload);
    out
}

/// An IPv4 packet of any protocol.
fn v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = (20 + payload.len()) as u16;
    let mut out = hex_literal::hex!("45000000 00010000 40000000 c0a80001 c0a80002").to_vec();
    out[2..4].copy_from_slice(&total.to_be_bytes());
    out[9] = protocol;
    out.extend(payload);
    out
}

/// An IPv6 packet of any next header.
fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x60, 0, 0, 0];
    out.extend((payload.len() as u16).to_be_bytes());
    out.extend([next, 64]);
    out.extend([0xfd; 16]);
    out.extend([0xfe; 16]);
    out.extend(payload);
    out
}

/// A UDP datagram in IPv4 in Ethernet.
fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(source.to_be_bytes());
    out.extend(destination.to_be_bytes());
    out.extend((8 + payload.len() as u16).to_be_bytes());
    out.extend([0, 0]);
    out.extend(payload);
    ethernet(0x0800, &v4(17, &out))
}

/// One thing behind the other.
fn chain(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}
