//! Datagrams through a whole shard: what flows become, and which become nothing.

use hex_literal::hex;

use crate::config::Limits;
use crate::dispatch::{Block, Direction, FlowKey, Packet, Transport};
use crate::flow::to_record::to_record;
use crate::record::{Carrier, ClientCertificate, FlowRecord, Outcome};
use crate::shard::{Shard, Shared};
use crate::time::Timestamp;

const CLIENT: ([u8; 16], u16) = ([1; 16], 50000);
const SERVER: ([u8; 16], u16) = ([2; 16], 4433);

/// Sends datagrams, `true` from the client, 1 ms apart; gives the records.
fn records(datagrams: &[(bool, &[u8])]) -> Vec<FlowRecord> {
    records_within(Limits::default(), datagrams)
}

fn records_within(limits: Limits, datagrams: &[(bool, &[u8])]) -> Vec<FlowRecord> {
    let mut shard = Shard::new(limits);
    let mut shared = Shared::default();
    for (number, (from_client, payload)) in datagrams.iter().enumerate() {
        let (from, to) = if *from_client {
            (CLIENT, SERVER)
        } else {
            (SERVER, CLIENT)
        };
        let (key, direction) = FlowKey::new(from, to, Transport::Udp);
        let len = u32::try_from(payload.len()).unwrap();
        let packet = Packet {
            key,
            direction,
            hash: 7,
            number: number as u64 + 1,
            time: Timestamp(number as u64 * 1_000_000),
            payload_len: len,
            wire_len: len,
            ethernet_at: u32::MAX,
            ..Packet::default()
        };
        let block = Block {
            bytes: payload.to_vec(),
            ..Block::default()
        };
        shard.packet(&packet, &block, &mut shared);
    }
    shard.finish(&mut shared);
    let mut records = Vec::new();
    shared.take_records(&mut records);
    records.extend(shard.settled().filter_map(|(_, flow)| to_record(flow)));
    records.sort_by_key(|r| r.first_packet);
    records
}

/// `1, 0` and so on: outcome, cause and version of each record.
fn told(datagrams: &[(bool, &[u8])]) -> Vec<String> {
    let word = |r: &FlowRecord| {
        let cause = r.cause.map(|c| format!(" ({c})")).unwrap_or_default();
        let version = r
            .negotiated_version
            .map(|v| format!(" {v}"))
            .unwrap_or_default();
        format!("{}{cause}{version}", r.outcome)
    };
    records(datagrams).iter().map(word).collect()
}

/// A ClientHello of DTLS 1.2 without extensions; `seq` is its message_seq.
fn hello(seq: u8, random: u8) -> Vec<u8> {
    let mut hello = [
        hex!("16 feff 0000 000000000000 0036  01 00002a 0000 000000 00002a  fefd").as_slice(),
        &[random; 32],
        &hex!("00 00 0002 c02f 01 00"),
    ]
    .concat();
    hello[18] = seq;
    hello
}

/// A ServerHello that picks DTLS 1.2.
fn answer() -> Vec<u8> {
    [
        hex!("16 fefd 0000 000000000001 0032  02 000026 0001 000000 000026  fefd").as_slice(),
        &[9; 32],
        &hex!("00 c02f 00"),
    ]
    .concat()
}

const VERIFY: &[u8] =
    &hex!("16 feff 0000 000000000000 0013  03 000007 0000 000000 000007  feff 04 0a0b0c0d");
const ALERT: &[u8] = &hex!("15 fefd 0000 000000000001 0002  02 46");
const FINISHED: &[u8] =
    &hex!("14 fefd 0000 000000000003 0001 01  16 fefd 0001 000000000000 0004 deadbeef");

#[test]
fn outcomes_of_a_hello_over_dtls() {
    let (first, again, answer) = (hello(0, 5), hello(1, 5), answer());
    let (first, again, answer): (&[u8], &[u8], &[u8]) = (&first, &again, &answer);
    let junk: &[u8] = &[0xff; 4];
    for (name, datagrams, want) in [
        (
            "a whole handshake",
            vec![
                (true, first),
                (false, VERIFY),
                (true, again),
                (false, answer),
                (true, FINISHED),
                (false, FINISHED),
            ],
            "negotiated DTLS 1.2",
        ),
        (
            "one direction",
            vec![(true, first), (true, first)],
            "client-hello-only (one direction captured)",
        ),
        (
            "the other",
            vec![(false, answer)],
            "server-hello-only (one direction captured) DTLS 1.2",
        ),
        (
            "refused",
            vec![(true, first), (false, ALERT)],
            "refused-by-server (alert protocol_version)",
        ),
        (
            "broken off",
            vec![(true, first), (false, answer), (true, ALERT)],
            "refused-by-client (alert protocol_version) DTLS 1.2",
        ),
        (
            "nothing but a cookie",
            vec![(true, first), (false, VERIFY)],
            "no-answer (cookie asked for, hello not repeated)",
        ),
        (
            "the capture ends",
            vec![(true, first), (false, VERIFY), (true, again)],
            "no-answer (capture ended)",
        ),
        (
            "something else",
            vec![(true, first), (false, junk)],
            "no-answer (capture ended)",
        ),
        (
            "the answer was lost",
            vec![(true, first), (false, FINISHED)],
            "unknown (gap)",
        ),
        (
            "half a hello",
            vec![(true, &first[..40]), (false, junk)],
            "",
        ),
    ] {
        assert_eq!(told(&datagrams).join("; "), want, "{name}");
    }
}

/// A fragment of a handshake message of this kind and message_seq, in a record of its own.
fn fragment(kind: u8, seq: u8, body: &[u8], part: std::ops::Range<usize>) -> Vec<u8> {
    let u24 = |n: usize| [(n >> 16) as u8, (n >> 8) as u8, n as u8];
    let len = u16::try_from(12 + part.len()).unwrap().to_be_bytes();
    [
        hex!("16 fefd 0000 000000000002").as_slice(),
        &len,
        &[kind],
        &u24(body.len()),
        &[0, seq],
        &u24(part.start),
        &u24(part.len()),
        &body[part],
    ]
    .concat()
}

#[test]
fn a_certificate_over_dtls_in_fragments() {
    const DER: &[u8] = include_bytes!("../../tests/data/certificates/rsa.der");
    let u24 = |n: usize| [0, (n >> 8) as u8, n as u8];
    let chain = [&u24(DER.len() + 3), u24(DER.len()).as_slice(), DER].concat();
    let (hello, answer) = (hello(0, 5), answer());
    let part = |part| fragment(11, 2, &chain, part);
    let len = chain.len();
    let (a, b, c) = (part(0..300), part(300..700), part(700..len));
    let again = (part(0..450), part(450..len));
    let mut other = c.clone();
    *other.last_mut().unwrap() ^= 1;
    let done = fragment(14, 3, &[], 0..0);
    let ends = FINISHED.to_vec();
    for (name, flight, whole) in [
        ("in order", vec![&answer, &a, &b, &c, &done], true),
        ("in disorder", vec![&answer, &c, &a, &done, &b], true),
        (
            "before the ServerHello",
            vec![&b, &c, &done, &a, &answer],
            true,
        ),
        (
            "some twice",
            vec![&answer, &a, &a, &c, &b, &c, &done, &b],
            true,
        ),
        (
            "sent again and cut otherwise",
            vec![&answer, &a, &c, &done, &again.0, &again.1],
            true,
        ),
        (
            "one behind the end of the handshake",
            vec![&answer, &a, &c, &done, &ends, &b],
            true,
        ),
        ("one is lost", vec![&answer, &a, &c, &done], false),
        ("the first is lost", vec![&answer, &b, &c, &done], false),
        ("the last is lost", vec![&answer, &a, &b, &done], false),
        ("all are lost", vec![&answer, &done], false),
        (
            "two of different attempts",
            vec![&answer, &a, &c, &other, &b, &done],
            false,
        ),
    ] {
        let mut datagrams: Vec<(bool, &[u8])> = vec![(true, &hello)];
        // The client's end may overtake all of it.
        datagrams.push((true, FINISHED));
        datagrams.extend(flight.into_iter().map(|d| (false, d.as_slice())));
        datagrams.push((false, FINISHED));
        assert_eq!(told(&datagrams), ["negotiated DTLS 1.2"], "{name}");
        let records = records(&datagrams);
        let leaf = records.first().and_then(|r| r.certificate.as_deref());
        assert_eq!(leaf.is_some(), whole, "{name}");
        let key = leaf.map(|leaf| leaf.key.as_str());
        assert_eq!(key, whole.then_some("RSA-2048"), "{name}");
        // Without the Certificate, a CertificateRequest may be missing as well.
        let told = records.first().and_then(|r| r.client_certificate);
        let want = whole.then_some(ClientCertificate::NotRequested);
        assert_eq!(told, want, "{name}");
    }
}

/// A datagram is lost without a sign: that no Certificate came from the client tells nothing where nothing came that
/// stands behind it.
#[test]
fn a_clients_certificate_over_dtls_that_was_lost_was_not_refused_to_be_sent() {
    let chain = [0, 0, 7, 0, 0, 4, 0xde, 0xad, 0xbe, 0xef];
    let server = [
        answer(),
        fragment(11, 2, &chain, 0..chain.len()),
        fragment(13, 3, &[1, 1, 0, 2, 4, 1, 0, 0], 0..8),
        fragment(14, 4, &[], 0..0),
    ];
    let sent = fragment(11, 1, &chain, 0..chain.len());
    let none = fragment(11, 1, &[0; 3], 0..3);
    let key = |seq| fragment(16, seq, &[0; 34], 0..34);
    let (key_1, key_2) = (key(1), key(2));
    for (name, client, want) in [
        ("sent", vec![&sent, &key_2], Some(ClientCertificate::Sent)),
        (
            "an empty one",
            vec![&none, &key_2],
            Some(ClientCertificate::Requested),
        ),
        ("none", vec![&key_1], Some(ClientCertificate::Requested)),
        ("it is lost", vec![&key_2], None),
        ("all is lost", vec![], None),
    ] {
        let hello = hello(0, 5);
        let mut datagrams: Vec<(bool, &[u8])> = vec![(true, &hello)];
        datagrams.extend(server.iter().map(|d| (false, d.as_slice())));
        datagrams.extend(client.into_iter().map(|d| (true, d.as_slice())));
        datagrams.extend([(true, FINISHED), (false, FINISHED)]);
        let told = records(&datagrams).first().map(|r| r.client_certificate);
        assert_eq!(told, Some(want), "{name}");
    }
}

#[test]
fn relayed_by_turn() {
    let relayed = |bytes: &[u8]| {
        let len = u16::try_from(bytes.len()).unwrap();
        [hex!("4001").as_slice(), &len.to_be_bytes(), bytes].concat()
    };
    let (hello, answer) = (relayed(&hello(0, 5)), relayed(&answer()));
    let allocate: &[u8] = &hex!("0003 0000 2112a442 000000000000000000000000");
    let records = records(&[(true, allocate), (true, &hello), (false, &answer)]);
    let [record] = records.as_slice() else {
        panic!("{records:?}")
    };
    assert_eq!(
        (record.carrier, record.outcome),
        (Some(Carrier::Dtls), Outcome::Negotiated)
    );
    assert_eq!((record.client_port, record.first_packet), (Some(50000), 1));
}

#[test]
fn another_random_is_another_association() {
    let (one, other, answer) = (hello(0, 5), hello(0, 6), answer());
    let datagrams: [(bool, &[u8]); 5] = [
        (true, &one),
        (false, ALERT),
        (true, &one),
        (true, &other),
        (false, &answer),
    ];
    assert_eq!(
        told(&datagrams),
        [
            "refused-by-server (alert protocol_version)",
            "negotiated DTLS 1.2"
        ]
    );
}

#[test]
fn application_data_of_a_joined_association_tells_its_version() {
    let record: Vec<Vec<u8>> = (0..9)
        .map(|n| {
            [
                hex!("17 feff 0001 00000000").as_slice(),
                &[0, n, 0, 32],
                &[n; 32],
            ]
            .concat()
        })
        .collect();
    let datagrams: Vec<(bool, &[u8])> = record
        .iter()
        .map(|r| (r[10] % 2 == 0, r.as_slice()))
        .collect();
    assert_eq!(
        told(&datagrams),
        ["joined-mid-stream (beginning not captured) DTLS 1.0"]
    );
    assert!(told(&datagrams[..3]).is_empty());
}

#[test]
fn other_flows_become_nothing() {
    let dns: &[u8] = &hex!("1603 0100 0001 0000 0000 0000 03777777 00 0001 0001");
    let rtp: &[u8] = &hex!("80 60 0001 00000000 00000000 aabbccdd");
    for datagram in [dns, rtp, &[]] {
        assert!(records(&[(true, datagram), (false, datagram)]).is_empty());
    }
    // And are left alone before long.
    let hello = hello(0, 5);
    let mut late = vec![(true, rtp); 128];
    late.push((true, &hello));
    assert!(records(&late).is_empty());
    assert_eq!(
        FlowKey::new(CLIENT, SERVER, Transport::Udp).1,
        Direction::Up
    );
}

/// Regression: 32 datagrams behind the ServerHello were enough, and OpenVPN needs more for a certificate.
#[test]
fn openvpn_takes_many_datagrams_for_a_certificate() {
    const DER: &[u8] = include_bytes!("../../tests/data/certificates/rsa.der");
    let packet = |opcode: u8, session: u8, id: Option<u8>, payload: &[u8]| {
        let head = [&[opcode << 3], [session; 8].as_slice(), &[0]].concat();
        let id = id.map_or(Vec::new(), |id| vec![0, 0, 0, id]);
        [head, id, payload.to_vec()].concat()
    };
    let u24 = |n: usize| [0, (n >> 8) as u8, n as u8];
    let chain = [&u24(DER.len() + 3), u24(DER.len()).as_slice(), DER].concat();
    let certificate = [&[11], u24(chain.len()).as_slice(), &chain].concat();
    let len = u16::try_from(certificate.len()).unwrap().to_be_bytes();
    let [hello, answer, sealed] = tls_flights();
    let flight = [
        &answer,
        hex!("16 0301").as_slice(),
        &len,
        &certificate,
        &sealed,
    ]
    .concat();
    let mut datagrams = vec![
        (true, packet(7, 1, Some(0), &[])),
        (false, packet(8, 2, Some(0), &[])),
        (true, packet(4, 1, Some(1), &hello)),
    ];
    for (piece, id) in flight.chunks(16).zip(1..) {
        datagrams.push((false, packet(4, 2, Some(id), piece)));
        datagrams.push((true, packet(5, 1, None, &[])));
    }
    assert!((100..250).contains(&datagrams.len()));
    let datagrams: Vec<(bool, &[u8])> = datagrams.iter().map(|(up, d)| (*up, &d[..])).collect();
    let records = records(&datagrams);
    let leaf = records.first().and_then(|r| r.certificate.as_deref());
    assert_eq!(leaf.map(|leaf| leaf.key.as_str()), Some("RSA-2048"));
}

/// A SYN of RDP over UDP from this initial sequence number, and its answer.
fn rdp_opening(initial: u32) -> [Vec<u8>; 2] {
    let number = initial.to_be_bytes();
    let rest = hex!("04d0 04d0 0001 0002");
    let asks = [hex!("ffffffff 0040 1001").as_slice(), &number, &rest];
    let answers = [&number, hex!("0040 1005 20000000").as_slice(), &rest];
    [asks, answers].map(|head| {
        let mut datagram = head.concat();
        datagram.resize(1232, 0);
        datagram
    })
}

/// A datagram of RDP over UDP.
fn rdp_data(number: u32, payload: &[u8]) -> Vec<u8> {
    let number = number.to_be_bytes();
    let head = hex!("00000001 0040 000c  0000 0000");
    [head.as_slice(), &number, &number, payload].concat()
}

/// Records of TLS 1.0: a ClientHello; a ServerHello with ServerHelloDone; what is encrypted behind them.
fn tls_flights() -> [Vec<u8>; 3] {
    let client = [
        hex!("16 0301 002d 01 000029 0301").as_slice(),
        &[5; 32],
        &hex!("00 0002 002f 01 00"),
    ];
    let server = [
        hex!("16 0301 002e 02 000026 0301").as_slice(),
        &[9; 32],
        &hex!("00 002f 00  0e 000000"),
    ];
    let sealed = hex!("14 0301 0001 01  16 0301 0004 deadbeef");
    [client.concat(), server.concat(), sealed.to_vec()]
}

#[test]
fn rdp_over_udp() {
    let [asks, answers] = rdp_opening(0x1000);
    let [hello, answer, sealed] = tls_flights();
    let hello = [&hello[..20], &hello[20..]].map(<[u8]>::to_vec);
    let hello = [rdp_data(0x1001, &hello[0]), rdp_data(0x1002, &hello[1])];
    let answer = [
        rdp_data(0x2000_0001, &answer),
        rdp_data(0x2000_0002, &sealed),
    ];
    let ends = rdp_data(0x1003, &sealed);
    let alert = rdp_data(0x2000_0001, &hex!("15 0301 0002 0246"));
    let complaint = rdp_data(0x1003, &hex!("15 0301 0002 022a"));
    let acknowledgement = hex!("20000001 0040 0004  0000 0000").to_vec();
    let mut busy = vec![(true, &hello[0]), (true, &hello[1]), (false, &answer[0])];
    busy.extend([(true, &acknowledgement); 64]);
    busy.push((true, &complaint));
    let opening: [(bool, &[u8]); 2] = [(true, &asks), (false, &answers)];
    for (name, datagrams, want) in [
        (
            "a whole handshake",
            vec![
                (true, &hello[0]),
                (true, &hello[1]),
                (false, &answer[0]),
                (true, &ends),
                (false, &answer[1]),
            ],
            "negotiated TLS 1.0",
        ),
        (
            "in disorder, with copies",
            vec![
                (true, &hello[1]),
                (true, &hello[1]),
                (false, &answer[1]),
                (true, &ends),
                (false, &answer[0]),
                (true, &hello[0]),
                (true, &hello[0]),
            ],
            "negotiated TLS 1.0",
        ),
        (
            "an alert behind many acknowledgements",
            busy,
            "refused-by-client (alert bad_certificate) TLS 1.0",
        ),
        ("nothing but the opening", vec![], ""),
        (
            "refused",
            vec![(true, &hello[0]), (true, &hello[1]), (false, &alert)],
            "refused-by-server (alert protocol_version)",
        ),
        (
            "no answer",
            vec![(true, &hello[0]), (true, &hello[1])],
            "no-answer (capture ended)",
        ),
        (
            "the answer was lost",
            vec![(true, &hello[0]), (true, &hello[1]), (false, &answer[1])],
            "unknown (gap)",
        ),
        (
            "what shows it came from the other side",
            vec![(true, &hello[0]), (true, &hello[1]), (true, &ends)],
            "unknown (gap)",
        ),
        (
            "half of the hello was lost",
            vec![(true, &hello[1]), (false, &answer[0]), (true, &ends)],
            "server-hello-only (gap) TLS 1.0",
        ),
        (
            "both hellos were lost",
            vec![(true, &ends), (false, &answer[1])],
            "unknown (gap)",
        ),
    ] {
        let datagrams: Vec<(bool, &[u8])> = datagrams
            .into_iter()
            .map(|(up, bytes)| (up, bytes.as_slice()))
            .collect();
        let all = [opening.as_slice(), &datagrams].concat();
        assert_eq!(told(&all).join("; "), want, "{name}");
        for record in records(&all) {
            assert_eq!(
                (
                    record.carrier,
                    record.service,
                    record.service_source,
                    record.client_port
                ),
                (
                    Some(Carrier::Tls),
                    Some("ms-wbt-server"),
                    Some("content"),
                    Some(50000)
                ),
                "{name}"
            );
        }
    }
}

#[test]
fn another_syn_of_rdp_is_another_connection() {
    let [hello, answer, _] = tls_flights();
    let [one, other] = [rdp_opening(0x1000), rdp_opening(0x5000)];
    let [first, second] = [rdp_data(0x1001, &hello), rdp_data(0x5001, &hello)];
    let (alert, answer) = (
        rdp_data(0x2000_0001, &hex!("15 0301 0002 0246")),
        rdp_data(0x2000_0001, &answer),
    );
    let datagrams: [(bool, &[u8]); 9] = [
        (true, &one[0]),
        (false, &one[1]),
        (true, &first),
        (true, &one[0]),
        (false, &alert),
        (true, &other[0]),
        (false, &other[1]),
        (true, &second),
        (false, &answer),
    ];
    assert_eq!(
        told(&datagrams),
        [
            "refused-by-server (alert protocol_version)",
            "negotiated TLS 1.0"
        ]
    );
}

/// A RADIUS packet with an EAP packet in it, and a State where it is not 0.
fn radius(code: u8, identifier: u8, state: u8, eap: &[u8]) -> Vec<u8> {
    let mut packet = vec![code, identifier, 0, 0];
    packet.extend([identifier; 16]);
    let mut attribute = |kind: u8, value: &[u8]| {
        packet.extend([kind, 2 + u8::try_from(value.len()).unwrap()]);
        packet.extend(value);
    };
    attribute(79, eap);
    if state > 0 {
        attribute(24, &[state; 16]);
    }
    let len = u16::try_from(packet.len()).unwrap().to_be_bytes();
    packet[2..4].copy_from_slice(&len);
    packet
}

#[test]
fn a_switch_whose_conversations_were_given_up_is_listened_to_again() {
    const REQUEST: u8 = 1;
    const ACCEPT: u8 = 2;
    const CHALLENGE: u8 = 11;
    let limits = Limits {
        max_followed_bytes: 64 * (16 << 10),
        ..Limits::default()
    };
    let client_hello = [
        &hex!("02 02 003a  0d 00  16 0301 002d  01 000029  0303")[..],
        &[7; 32],
        &hex!("00 0002 c013 01 00"),
    ]
    .concat();
    let server_hello = [
        &hex!("01 03 0037  0d 00  16 0303 002a  02 000026  0303")[..],
        &[9; 32],
        &hex!("00 c013 00"),
    ]
    .concat();
    let identity = hex!("02 01 0006 01 61");
    let mut all: Vec<(bool, Vec<u8>)> = (100..200)
        .map(|n| (true, radius(REQUEST, n, 0, &identity)))
        .collect();
    all.extend([
        (true, radius(REQUEST, 1, 0, &identity)),
        (false, radius(CHALLENGE, 1, 1, &hex!("01 02 0006 0d 20"))),
        (true, radius(REQUEST, 2, 1, &client_hello)),
        (false, radius(CHALLENGE, 2, 2, &server_hello)),
        (true, radius(REQUEST, 3, 2, &hex!("02 03 0006 0d 00"))),
        (false, radius(ACCEPT, 3, 0, &hex!("03 03 0004"))),
    ]);
    let datagrams: Vec<_> = all.iter().map(|(from, d)| (*from, d.as_slice())).collect();
    let records = records_within(limits, &datagrams);
    let last = records.last().expect("it is told of");
    assert_eq!(
        (last.first_packet, last.outcome),
        (101, Outcome::Negotiated)
    );
}
