//! Segments through a whole shard: what is told of a handshake of which some are missing.

use hex_literal::hex;

use crate::config::Limits;
use crate::dispatch::{Block, FlowKey, Packet, Transport, tcp_flags};
use crate::flow::to_record::to_record;
use crate::record::{Cause, ClientCertificate, FlowRecord, Outcome};
use crate::shard::{Shard, Shared};
use crate::time::Timestamp;

const CLIENT: ([u8; 16], u16) = ([1; 16], 50000);
const SERVER: ([u8; 16], u16) = ([2; 16], 443);
const DER: &[u8] = include_bytes!("../../tests/data/certificates/rsa.der");

/// A segment: whether it is the client's, its offset in the stream, its bytes, and how many of them were captured.
type Segment<'a> = (bool, usize, &'a [u8], usize);

/// A packet: whether it is the client's, its flags, sequence and acknowledgment numbers, and payload.
pub(super) type Sent<'a> = (bool, u8, u32, u32, &'a [u8]);

/// The record of the one connection of these packets, 1 ms apart; of payloads, only so many bytes as captured.
pub(super) fn record_of<'a>(packets: impl IntoIterator<Item = (Sent<'a>, usize)>) -> FlowRecord {
    let mut shard = Shard::new(Limits::default());
    let mut shared = Shared::default();
    for (((from_client, tcp_flags, sequence, acknowledgment, bytes), captured), number) in
        packets.into_iter().zip(1..)
    {
        let (from, to) = if from_client {
            (CLIENT, SERVER)
        } else {
            (SERVER, CLIENT)
        };
        let (key, direction) = FlowKey::new(from, to, Transport::Tcp);
        let packet = Packet {
            key,
            direction,
            hash: 7,
            number,
            time: Timestamp(number * 1_000_000),
            tcp_flags,
            sequence,
            acknowledgment,
            payload_len: u32::try_from(captured).unwrap(),
            wire_len: u32::try_from(bytes.len()).unwrap(),
            ethernet_at: u32::MAX,
            ..Packet::default()
        };
        let block = Block {
            bytes: bytes[..captured].to_vec(),
            ..Block::default()
        };
        shard.packet(&packet, &block, &mut shared);
    }
    shard.finish(&mut shared);
    let mut records = Vec::new();
    shared.take_records(&mut records);
    records.extend(shard.settled().filter_map(|(_, flow)| to_record(flow)));
    let [record] = records.try_into().expect("one connection");
    record
}

/// The record of a connection with both SYNs and these segments.
fn told(segments: &[Segment<'_>]) -> FlowRecord {
    let syns: [Sent<'_>; 2] = [
        (true, tcp_flags::SYN, 99, 0, &[]),
        (false, tcp_flags::SYN | tcp_flags::ACK, 99, 100, &[]),
    ];
    let segments = segments.iter().map(|&(from_client, at, bytes, captured)| {
        let sequence = 100 + u32::try_from(at).unwrap();
        ((from_client, 0, sequence, 0, bytes), captured)
    });
    record_of(syns.map(|syn| (syn, 0)).into_iter().chain(segments))
}

pub(super) fn tls_record(content: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[content, 3, 3], len.as_slice(), body].concat()
}

pub(super) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let [_, len @ ..] = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind], len.as_slice(), body].concat()
}

/// Certificate (RFC 5246 section 7.4.2) with [`DER`] and nothing else in it.
fn certificate() -> Vec<u8> {
    let [_, of_one @ ..] = u32::try_from(DER.len()).unwrap().to_be_bytes();
    let [_, of_all @ ..] = u32::try_from(DER.len() + 3).unwrap().to_be_bytes();
    message(11, &[&of_all, of_one.as_slice(), DER].concat())
}

pub(super) fn client_hello() -> Vec<u8> {
    let body = [
        hex!("0303").as_slice(),
        &[5; 32],
        &hex!("00 0002 009c 01 00"),
    ];
    tls_record(22, &message(1, &body.concat()))
}

pub(super) fn server_hello() -> Vec<u8> {
    let body = [hex!("0303").as_slice(), &[9; 32], &hex!("00 009c 00")];
    message(2, &body.concat())
}

/// change_cipher_spec and something encrypted.
pub(super) const SEALED: &[u8] = &hex!("14 0303 0001 01  16 0303 0008 a1b2c3d4e5f60718");

/// A handshake of TLS 1.2 of which the server's first flight is `flight`, cut up at `cuts`; `missing` of its segments
/// are not captured, and of `cut` only so many bytes.
fn handshake(
    flight: &[u8],
    cuts: &[usize],
    missing: &[usize],
    cut: Option<(usize, usize)>,
) -> FlowRecord {
    let hello = client_hello();
    let key = [tls_record(22, &message(16, &[0; 34])), SEALED.to_vec()].concat();
    let ends = [&[0], cuts, &[flight.len()]].concat();
    let mut segments: Vec<Segment<'_>> = vec![(true, 0, &hello, hello.len())];
    for (n, place) in ends.windows(2).enumerate() {
        let bytes = &flight[place[0]..place[1]];
        let captured = cut.filter(|(of, _)| *of == n).map_or(bytes.len(), |c| c.1);
        if !missing.contains(&n) {
            segments.push((false, place[0], bytes, captured));
        }
    }
    segments.push((true, hello.len(), &key, key.len()));
    segments.push((false, flight.len(), SEALED, SEALED.len()));
    told(&segments)
}

#[test]
fn a_gap_in_a_certificate_takes_the_certificate_and_nothing_else() {
    // Each message in a record of its own, and all in one.
    let parts = [server_hello(), certificate(), message(14, &[])];
    let apart = parts.each_ref().map(|m| tls_record(22, m)).concat();
    let together = tls_record(22, &parts.concat());
    let hello_len = server_hello().len();
    for (name, flight) in [("apart", apart), ("together", together)] {
        let (a, b) = (hello_len + 200, hello_len + 500);
        let whole = handshake(&flight, &[a, b], &[], None);
        let leaf = whole.certificate.as_deref().expect("a certificate");
        assert_eq!(leaf.key, "RSA-2048", "{name}");
        assert_eq!(
            (whole.client_certificate, whole.resumed),
            (Some(ClientCertificate::NotRequested), Some(false)),
            "{name}"
        );
        for (what, record, missing) in [
            (
                "a segment within it",
                handshake(&flight, &[a, b], &[1], None),
                b - a,
            ),
            (
                "most of it, with what follows",
                handshake(&flight, &[a], &[1], None),
                flight.len() - a,
            ),
            (
                "cut by the snap length",
                handshake(&flight, &[a, b], &[], Some((1, 10))),
                b - a - 10,
            ),
        ] {
            let name = format!("{name}, {what}");
            assert!(record.certificate.is_none(), "{name}");
            assert_eq!(
                (
                    record.negotiated_version,
                    record.cipher_suite,
                    record.outcome,
                    record.cause
                ),
                (
                    whole.negotiated_version,
                    whole.cipher_suite,
                    Outcome::Negotiated,
                    None
                ),
                "{name}"
            );
            assert_eq!(record.missing_bytes, missing as u64, "{name}");
            // A CertificateRequest may have been there.
            assert_eq!(record.client_certificate, None, "{name}");
            assert_ne!(record.resumed, Some(true), "{name}");
        }
        // The ServerHello's end with the Certificate's beginning: nothing is told of what it chose.
        let record = handshake(&flight, &[hello_len - 10, a], &[1], None);
        assert_eq!(
            (
                record.negotiated_version,
                record.cipher_suite,
                record.outcome,
                record.cause
            ),
            (None, None, Outcome::Unknown, Some(Cause::Gap)),
            "{name}"
        );
        assert!(record.certificate.is_none(), "{name}");
    }
}

#[test]
fn a_clients_certificate_that_was_lost_was_not_refused_to_be_sent() {
    let request = message(13, &hex!("01 01 0002 0401 0000"));
    let flight = [server_hello(), certificate(), request, message(14, &[])].concat();
    let flight = tls_record(22, &flight);
    let hello = client_hello();
    let sent = [
        tls_record(22, &certificate()),
        tls_record(22, &message(16, &[0; 34])),
        SEALED.to_vec(),
    ]
    .concat();
    let none = [
        tls_record(22, &message(11, &[0; 3])),
        tls_record(22, &message(16, &[0; 34])),
        SEALED.to_vec(),
    ]
    .concat();
    let (a, b) = (100, 400);
    let with = |answer: &[Segment<'_>]| {
        let opening: [Segment<'_>; 2] = [
            (true, 0, &hello, hello.len()),
            (false, 0, &flight, flight.len()),
        ];
        let server: Segment<'_> = (false, flight.len(), SEALED, SEALED.len());
        told(&[opening.as_slice(), answer, &[server]].concat()).client_certificate
    };
    let at = hello.len();
    let part =
        |from: usize, to: usize| -> Segment<'_> { (true, at + from, &sent[from..to], to - from) };
    let all = sent.len();
    assert_eq!(with(&[part(0, all)]), Some(ClientCertificate::Sent));
    assert_eq!(
        with(&[(true, at, &none, none.len())]),
        Some(ClientCertificate::Requested)
    );
    assert_eq!(with(&[part(0, a), part(b, all)]), None, "a gap within it");
    assert_eq!(
        with(&[part(b, all), part(0, a), part(a, b)]),
        Some(ClientCertificate::Sent),
        "in disorder"
    );
    assert_eq!(with(&[part(a, all)]), None, "its beginning is missing");
}

/// A packet of OpenVPN's control channel with its length in front: opcode 4, or a reset.
fn openvpn(opcode: u8, session: u8, id: u8, payload: &[u8]) -> Vec<u8> {
    let packet = [
        &[opcode << 3],
        [session; 8].as_slice(),
        &[0, 0, 0, 0, id],
        payload,
    ]
    .concat();
    let len = u16::try_from(packet.len()).unwrap().to_be_bytes();
    [len.as_slice(), &packet].concat()
}

/// Regression: where the server's first packet was lost, its hello was found within the next, and what followed was read as
/// bare records, heads of packets and all: the certificate was one that nobody had sent.
#[test]
fn openvpn_whose_beginning_was_lost_is_no_bare_tls() {
    let flight = [server_hello(), certificate(), message(14, &[])].concat();
    let flight = tls_record(22, &flight);
    let client: Vec<Vec<u8>> = [openvpn(7, 1, 0, &[]), openvpn(4, 1, 1, &client_hello())].into();
    let mut server = vec![openvpn(8, 2, 0, &[])];
    let pieces = flight.chunks(100).zip(1..);
    server.extend(pieces.map(|(piece, id)| openvpn(4, 2, id, piece)));
    let segments = |of: &'static str, from_client: bool, packets: &[Vec<u8>]| {
        let mut at = 0;
        let mut segments = Vec::new();
        for packet in packets {
            segments.push((of, from_client, at, packet.clone()));
            at += packet.len();
        }
        segments
    };
    let all = [
        segments("client", true, &client),
        segments("server", false, &server),
    ]
    .concat();
    for (name, lost) in [
        ("nothing is lost", vec![]),
        ("the server's reset is lost", vec![("server", 0)]),
        ("both resets are lost", vec![("client", 0), ("server", 0)]),
        (
            "a part of the certificate is lost",
            vec![("server", 0), ("server", 4)],
        ),
    ] {
        let kept: Vec<Segment<'_>> = all
            .iter()
            .filter(|(of, _, at, _)| {
                let packets = if *of == "client" { &client } else { &server };
                let place = |n: usize| packets[..n].iter().map(Vec::len).sum::<usize>();
                !lost.iter().any(|(side, n)| side == of && place(*n) == *at)
            })
            .map(|(_, from_client, at, bytes)| (*from_client, *at, bytes.as_slice(), bytes.len()))
            .collect();
        let record = told(&kept);
        assert_eq!(
            record.negotiated_version.map(|v| v.to_string()).as_deref(),
            Some("TLS 1.2"),
            "{name}"
        );
        let key = record.certificate.as_deref().map(|leaf| leaf.key.as_str());
        let whole = !lost.contains(&("server", 4));
        assert_eq!(key, whole.then_some("RSA-2048"), "{name}");
    }
    // Where the packet with its hello is cut within the head, and the head perhaps lost, too.
    let (reset, hello) = (server[0].len(), server[1].len());
    let cut = |keeps_head: bool| {
        let mut kept: Vec<Segment<'_>> = Vec::new();
        for (of, from_client, at, bytes) in &all {
            let bytes = bytes.as_slice();
            match (*of, *at) {
                ("server", 0) => {}
                ("server", at) if at == reset => {
                    if keeps_head {
                        kept.push((false, at, &bytes[..6], 6));
                    }
                    kept.push((false, at + 6, &bytes[6..], hello - 6));
                }
                _ => kept.push((*from_client, *at, bytes, bytes.len())),
            }
        }
        told(&kept)
    };
    let key = |record: &FlowRecord| record.certificate.as_deref().map(|leaf| leaf.key.clone());
    assert_eq!(key(&cut(true)).as_deref(), Some("RSA-2048"));
    let headless = cut(false);
    assert!(headless.certificate.is_none() && headless.negotiated_version.is_none());
    assert_eq!(headless.cause, Some(Cause::Gap));
}
