//! The shapes in which a handshake may come, of which there is no capture: what TCP does, and what TLS's records and
//! hellos look like. Each is a whole handshake of TLS 1.2.

use hex_literal::hex;

use super::tcp_tests::{SEALED, Sent, client_hello, message, record_of, server_hello, tls_record};
use crate::dispatch::tcp_flags::{ACK, FIN, RST, SYN};
use crate::record::{Cause, FlowRecord, Outcome};

const NOTHING: &[u8] = &[];

/// ServerHello and ServerHelloDone.
fn flight() -> Vec<u8> {
    tls_record(22, &[server_hello(), message(14, &[])].concat())
}

/// ClientKeyExchange and what is encrypted.
fn key_exchange() -> Vec<u8> {
    [tls_record(22, &message(16, &[0; 34])), SEALED.to_vec()].concat()
}

fn assert_tls_12(name: &str, record: &FlowRecord) {
    let version = record.negotiated_version.map(|v| v.to_string());
    assert_eq!(version.as_deref(), Some("TLS 1.2"), "{name}");
    assert_eq!(record.outcome, Outcome::Negotiated, "{name}");
    assert_eq!(record.client_hello_bytes, Some(45), "{name}");
    assert_eq!(record.conflicting_bytes, 0, "{name}");
}

/// The record of whole packets.
fn told(packets: &[Sent<'_>]) -> FlowRecord {
    record_of(packets.iter().map(|&packet| (packet, packet.4.len())))
}

/// What each side sends in turn, from its SYN on, with the numbers that its bytes have.
fn conversation<'a>(isns: [u32; 2], said: &[(bool, u8, &'a [u8])]) -> Vec<Sent<'a>> {
    let mut next = isns;
    let send = |&(from_client, flags, bytes): &(bool, u8, &'a [u8])| {
        let (from, to) = (usize::from(!from_client), usize::from(from_client));
        let sequence = next[from];
        let counted = u32::from(flags & (SYN | FIN) != 0);
        next[from] = sequence.wrapping_add(counted + bytes.len() as u32);
        let acknowledgment = if flags & ACK != 0 { next[to] } else { 0 };
        (from_client, flags, sequence, acknowledgment, bytes)
    };
    said.iter().map(send).collect()
}

/// A handshake whose sides begin with these sequence numbers, as it is sent.
fn handshake<'a>(
    isns: [u32; 2],
    hello: &'a [u8],
    flight: &'a [u8],
    key: &'a [u8],
) -> Vec<Sent<'a>> {
    conversation(
        isns,
        &[
            (true, SYN, NOTHING),
            (false, SYN | ACK, NOTHING),
            (true, ACK, NOTHING),
            (true, ACK, hello),
            (false, ACK, flight),
            (true, ACK, key),
            (false, ACK, SEALED),
        ],
    )
}

#[test]
fn what_tcp_may_do_on_the_way() {
    let (hello, flight, key) = (client_hello(), flight(), key_exchange());
    let usual = handshake([99, 499], &hello, &flight, &key);
    let with = |place: usize, more: &[Sent<'static>]| {
        let mut packets = usual.clone();
        packets.splice(place..place, more.iter().copied());
        packets
    };
    let moved = |from: usize, to: usize| {
        let mut packets = usual.clone();
        let packet = packets.remove(from);
        packets.insert(to, packet);
        packets
    };
    // RFC 7413: the data begins behind the SYN's own number.
    let fast_open = conversation(
        [99, 499],
        &[
            (true, SYN, &hello),
            (false, SYN | ACK, &flight),
            (true, ACK, &key),
            (false, ACK, SEALED),
        ],
    );
    // What the answer acknowledges is not the SYN alone.
    let bare_answer = conversation(
        [99, 499],
        &[
            (true, SYN, &hello),
            (false, SYN | ACK, NOTHING),
            (false, ACK, &flight),
            (true, ACK, &key),
            (false, ACK, SEALED),
        ],
    );
    let opened_late = |by: usize| {
        let mut packets = bare_answer.clone();
        packets[..=by].rotate_left(1);
        packets
    };
    // RFC 7413 section 4.2.2: without a good cookie, the SYN alone is acknowledged, and the data comes again.
    let mut refused = bare_answer.clone();
    refused[1].3 = 100;
    refused.insert(2, (true, ACK, 100, 500, &hello));
    let mut refused_late = refused.clone();
    refused_late.swap(0, 1);
    // A server that forgot the SYN answers the next one with another number; what the client acknowledges is the one that
    // it took. It may be either, and both may come again.
    let answers = |numbers: &[u32]| {
        let mut packets = usual.clone();
        let others = numbers.iter().map(|n| (false, SYN | ACK, *n, 100, NOTHING));
        packets.splice(1..2, others);
        packets
    };
    // What was left of an older connection is reset, and the same ports are used again.
    let mut after_a_reset = usual.clone();
    after_a_reset.swap(3, 4);
    after_a_reset.splice(
        0..0,
        [
            (false, ACK, 3_000_000_000, 100, NOTHING),
            (true, RST, 100, 0, NOTHING),
        ],
    );
    // RFC 9293 section 3.5, figure 7: both send a SYN, and then both a SYN-ACK.
    let mut simultaneous = usual.clone();
    simultaneous.splice(
        0..3,
        [
            (true, SYN, 99, 0, NOTHING),
            (false, SYN, 499, 0, NOTHING),
            (true, SYN | ACK, 99, 500, NOTHING),
            (false, SYN | ACK, 499, 100, NOTHING),
        ],
    );
    // One tap of two is late by all of the handshake.
    let (client, server): (Vec<Sent<'_>>, Vec<Sent<'_>>) = usual.iter().partition(|p| p.0);
    let client_first = [client.clone(), server.clone()].concat();
    let server_first = [server, client].concat();
    let end = 100 + (hello.len() + key.len()) as u32;
    for (name, packets) in [
        ("the usual way", usual.clone()),
        ("data on the SYN", fast_open),
        ("the SYN-ACK overtakes the data on the SYN", opened_late(1)),
        ("the answer overtakes the data on the SYN", opened_late(2)),
        ("data on the SYN is not taken", refused),
        ("the SYN-ACK overtakes data that is not taken", refused_late),
        (
            "another SYN-ACK comes first",
            answers(&[3_000_000_000, 499]),
        ),
        ("another SYN-ACK comes, too", answers(&[499, 3_000_000_000])),
        (
            "another SYN-ACK comes again",
            answers(&[3_000_000_000, 499, 3_000_000_000]),
        ),
        ("an older connection is reset before", after_a_reset),
        ("a simultaneous open", simultaneous),
        (
            "both sides' numbers wrap within the hellos",
            handshake([u32::MAX - 9, u32::MAX - 19], &hello, &flight, &key),
        ),
        (
            "the wrap lies before the first byte",
            handshake([u32::MAX; 2], &hello, &flight, &key),
        ),
        ("the hello overtakes the SYN", moved(3, 0)),
        ("the answer overtakes the hello", moved(4, 3)),
        ("the answer overtakes the SYN-ACK", moved(4, 1)),
        ("the client's tap is ahead", client_first),
        ("the server's tap is ahead", server_first),
        (
            // RFC 9293 section 3.8.4.
            "keep-alives with a byte that is not the stream's",
            with(
                3,
                &[(true, ACK, 99, 500, &[0]), (false, ACK, 499, 100, &[0])],
            ),
        ),
        (
            // RFC 9293 section 3.8.6.1: the first byte that does not fit, again and again.
            "a zero window is probed with the hello's first byte",
            with(
                3,
                &[(true, ACK, 100, 500, &[22]), (true, ACK, 100, 500, &[22])],
            ),
        ),
        (
            // RFC 9293 section 3.5.3 lets a reset say why, in data of its own.
            "a reset that says why",
            [usual.clone(), vec![(true, RST | ACK, end, 500, b"why")]].concat(),
        ),
        (
            "a FIN with the last bytes",
            [usual, vec![(true, FIN | ACK, end, 500, SEALED)]].concat(),
        ),
    ] {
        assert_tls_12(name, &told(&packets));
    }
}

/// Where no SYN was captured, the ClientHello's acknowledgment tells where the answer begins.
#[test]
fn an_answer_in_disorder_is_put_in_order_without_a_syn() {
    let (hello, flight, key) = (client_hello(), flight(), key_exchange());
    let pieces: Vec<&[u8]> = flight.chunks(flight.len().div_ceil(6)).collect();
    let mut answer: Vec<Sent<'_>> = pieces
        .iter()
        .zip((500..).step_by(pieces[0].len()))
        .map(|(piece, sequence)| (false, ACK, sequence, 100 + hello.len() as u32, *piece))
        .collect();
    answer.rotate_left(1);
    let end = 100 + hello.len() as u32;
    let packets = [
        vec![(true, ACK, 100, 500, hello.as_slice())],
        answer,
        vec![(true, ACK, end, 500 + flight.len() as u32, &key)],
    ];
    assert_tls_12("six pieces", &told(&packets.concat()));
}

/// The ClientHello's acknowledgment tells, too, that the answer is missing: what comes behind it is none in the clear.
#[test]
fn what_comes_behind_a_missing_answer_is_no_answer() {
    let hello = client_hello();
    let end = 100 + hello.len() as u32;
    // Records that were sealed, cut elsewhere than where they begin.
    let stream = SEALED.repeat(4);
    let sealed: Vec<Sent<'_>> = stream[3..]
        .chunks(20)
        .zip((2_000..).step_by(20))
        .map(|(bytes, sequence)| (false, ACK, sequence, end, bytes))
        .collect();
    let record = told(&[vec![(true, ACK, 100, 500, hello.as_slice())], sealed].concat());
    let answer = (record.outcome, record.cause);
    assert_eq!(answer, (Outcome::Unknown, Some(Cause::Gap)));
}

/// What the client had acknowledged when it sent its hello is no answer to it, however late it was captured.
#[test]
fn what_came_before_the_hello_is_no_answer() {
    let hello = client_hello();
    let greeting = b"HTTP/1.0 200 OK\r\n\r\n";
    let end = 500 + greeting.len() as u32;
    let last = 100 + hello.len() as u32;
    let packets = [
        (true, SYN, 99, 0, NOTHING),
        (false, SYN | ACK, 499, 100, NOTHING),
        (true, ACK, 100, end, &hello),
        (false, ACK, 500, 100, greeting),
    ];
    let outcome = |packets: &[Sent<'_>]| told(packets).outcome;
    assert_eq!(outcome(&packets), Outcome::NoAnswer);
    assert_eq!(outcome(&packets[2..]), Outcome::NoAnswer, "without a SYN");
    let sealed = &SEALED[4..];
    let end = 500 + sealed.len() as u32;
    let joined = [
        (false, ACK, 500, 100, sealed),
        (true, ACK, 100, end, &hello),
    ];
    assert_eq!(
        outcome(&joined),
        Outcome::NoAnswer,
        "the end of what was said before"
    );
    let second = [&tls_record(20, &[1]), hello.as_slice()].concat();
    let joined = [joined[0], (true, ACK, 100, end, &second)];
    assert_eq!(outcome(&joined), Outcome::NoAnswer, "a second hello");
    // Behind it, it is one.
    let refusal = [&packets[..], &[(false, ACK, end, last, greeting)]].concat();
    assert_eq!(outcome(&refusal), Outcome::RefusedByServer);
    assert_eq!(
        outcome(&refusal[2..]),
        Outcome::RefusedByServer,
        "without a SYN"
    );
}

/// A FIN tells how many bytes came before it, and so does a reset: an answer that is missing at the end of a connection is
/// no refusal.
#[test]
fn what_is_lost_before_the_end_is_lost() {
    let (hello, flight, key) = (client_hello(), flight(), key_exchange());
    let whole = handshake([99, 499], &hello, &flight, &key);
    let server_end = 500 + (flight.len() + SEALED.len()) as u32;
    let client_end = 100 + (hello.len() + key.len()) as u32;
    for (name, ends) in [
        (
            "a FIN",
            vec![(false, FIN | ACK, server_end, client_end, NOTHING)],
        ),
        (
            "a reset",
            vec![(false, RST | ACK, server_end, client_end, NOTHING)],
        ),
    ] {
        let lost = |from: usize| [&whole[..from], &ends].concat();
        let record = told(&lost(4));
        assert_eq!(
            (record.outcome, record.cause),
            (Outcome::Unknown, Some(Cause::Gap)),
            "{name}"
        );
        assert_eq!(
            record.missing_bytes,
            (flight.len() + SEALED.len()) as u64,
            "{name}"
        );
        // Without a SYN, the ClientHello's acknowledgment tells where its bytes begin.
        let record = told(&[&whole[3..4], &ends].concat());
        let outcome = (record.outcome, record.cause);
        assert_eq!(outcome, (Outcome::Unknown, Some(Cause::Gap)), "{name}");
        // The lowest one does: here all that is missing lies before the other.
        let mut overtaken = [&[whole[5], whole[3]], &ends[..]].concat();
        overtaken[2].2 = whole[5].3;
        let overtaken = told(&overtaken);
        assert_eq!((overtaken.outcome, overtaken.cause), outcome, "{name}");
        // Nothing is missing: it is the server that ends it.
        let mut refusal = lost(4);
        refusal[4].2 = 500;
        let record = told(&refusal);
        assert_eq!(
            (record.outcome, record.missing_bytes),
            (Outcome::RefusedByServer, 0),
            "{name}"
        );
    }
}

/// The body of a ClientHello of TLS 1.2 with these extensions.
fn hello_with(extensions: Option<&[u8]>) -> Vec<u8> {
    let mut body = [
        hex!("0303").as_slice(),
        &[5; 32],
        &hex!("00 0002 009c 01 00"),
    ]
    .concat();
    if let Some(extensions) = extensions {
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
    }
    message(1, &body)
}

#[test]
fn what_a_client_hello_may_look_like() {
    let hundred: Vec<u8> = (0x6000_u16..0x6064)
        .flat_map(|number| [number.to_be_bytes().as_slice(), &[0, 1, 7]].concat())
        .collect();
    // server_name whose list is longer than itself, in front of supported_versions with TLS 1.2 alone.
    let broken_before = hex!("0000 0003 ffff00  002b 0003 020303");
    let pieces = |message: &[u8]| -> Vec<u8> {
        message
            .chunks(1)
            .flat_map(|byte| tls_record(22, byte))
            .collect()
    };
    let plain = hello_with(None);
    for (name, records) in [
        ("no extensions", tls_record(22, &plain)),
        (
            "an empty list of them",
            tls_record(22, &hello_with(Some(&[]))),
        ),
        ("a hundred", tls_record(22, &hello_with(Some(&hundred)))),
        (
            "a broken one in front of supported_versions",
            tls_record(22, &hello_with(Some(&broken_before))),
        ),
        ("a record for each byte", pieces(&plain)),
        (
            "empty records between its parts",
            [
                tls_record(22, &plain[..20]),
                tls_record(22, &[]),
                tls_record(22, &plain[20..]),
            ]
            .concat(),
        ),
        (
            "the hello twice in a row",
            [tls_record(22, &plain), tls_record(22, &plain)].concat(),
        ),
    ] {
        let (flight, key) = (flight(), key_exchange());
        let whole = told(&handshake([99, 499], &records, &flight, &key));
        let version = whole.negotiated_version.map(|v| v.to_string());
        assert_eq!(version.as_deref(), Some("TLS 1.2"), "{name}");
        assert_eq!(whole.outcome, Outcome::Negotiated, "{name}");
        let offered = whole.offer.as_deref().map(|offer| offer.max_version());
        assert_eq!(
            offered.flatten().map(|v| v.to_string()).as_deref(),
            Some("TLS 1.2"),
            "{name}"
        );
    }
}

/// A second handshake in the clear is no other connection, and its hello, here of TLS 1.0, is not the offer.
#[test]
fn a_renegotiation_in_the_clear_changes_nothing() {
    let hello = client_hello();
    let again = [
        hex!("0301").as_slice(),
        &[6; 32],
        &hex!("00 0002 002f 01 00"),
    ]
    .concat();
    let (flight, again) = (flight(), tls_record(22, &message(1, &again)));
    let request = tls_record(22, &message(0, &[]));
    let answer = [hex!("0301").as_slice(), &[8; 32], &hex!("00 002f 00")].concat();
    let answer = tls_record(22, &message(2, &answer));
    let packets = conversation(
        [99, 499],
        &[
            (true, SYN, NOTHING),
            (false, SYN | ACK, NOTHING),
            (true, ACK, &hello),
            (false, ACK, &flight),
            (false, ACK, &request),
            (true, ACK, &again),
            (false, ACK, &answer),
            (true, ACK, SEALED),
            (false, ACK, SEALED),
        ],
    );
    assert_tls_12("renegotiation", &told(&packets));
}

/// A greeting or a header of nobody's, and what is no record behind the handshake.
#[test]
fn junk_before_and_after_hides_nothing() {
    let (hello, flight, key) = (client_hello(), flight(), key_exchange());
    // Looks like the beginning of a record, and is none.
    let junk: &[u8] = &hex!("00 16 0301 0040 02 16 00 ff 03 16 0303");
    let before = [junk, &hello].concat();
    let after = [flight.as_slice(), &[0xff; 300]].concat();
    let said = |parts: &[(bool, &[u8])]| -> Vec<(bool, u8, Vec<u8>)> {
        let opening = [(true, SYN), (false, SYN | ACK), (true, ACK)];
        let opening = opening.map(|(from, flags)| (from, flags, Vec::new()));
        let parts = parts.iter().map(|(from, b)| (*from, ACK, b.to_vec()));
        opening.into_iter().chain(parts).collect()
    };
    let long = [0x16; 5_000];
    for (name, parts) in [
        (
            "in a segment of its own",
            said(&[(true, junk), (true, &hello), (false, &flight), (true, &key)]),
        ),
        (
            "in the hello's segment",
            said(&[(true, &before), (false, &flight), (true, &key)]),
        ),
        (
            "from both sides, and much of it",
            said(&[
                (false, &long),
                (true, &long),
                (true, &hello),
                (false, &flight),
                (true, &key),
            ]),
        ),
        (
            "behind the answer",
            said(&[(true, &hello), (false, &after), (true, &[0xff; 300])]),
        ),
    ] {
        let parts: Vec<(bool, u8, &[u8])> =
            parts.iter().map(|(a, b, c)| (*a, *b, &c[..])).collect();
        assert_tls_12(name, &told(&conversation([99, 499], &parts)));
    }
}

/// Nations have protocols of their own with TLS's messages: TLCP (GB/T 38636) is 0x0101, and its suites stand in no
/// registry of versions. What no standard ranks is told by its number.
#[test]
fn national_numbers_are_kept_as_numbers() {
    let record = |kind: u8, version: [u8; 2], bytes: &[u8]| {
        [
            &[kind][..],
            &version,
            &(bytes.len() as u16).to_be_bytes(),
            bytes,
        ]
        .concat()
    };
    for (outer, version, suite, name) in [
        (hex!("0101"), hex!("0101"), hex!("e013"), "0x0101"),
        (hex!("0301"), hex!("0305"), hex!("1301"), "0x0305"),
    ] {
        let body = [
            &version[..],
            &[5; 32],
            &hex!("00 0002"),
            &suite,
            &hex!("01 00"),
        ]
        .concat();
        let hello = record(22, outer, &message(1, &body));
        let body = [&version[..], &[9; 32], &[0], &suite, &[0]].concat();
        let messages = [message(2, &body), message(14, &[])].concat();
        let flight = record(22, outer, &messages);
        let key = [
            record(22, outer, &message(16, &[0; 34])),
            record(20, outer, &[1]),
            record(22, outer, &[0xa1; 40]),
        ]
        .concat();
        let told = told(&handshake([99, 499], &hello, &flight, &key));
        let negotiated = told.negotiated_version.map(|v| v.to_string());
        let offered = told.offer.as_deref().and_then(|o| o.max_version());
        assert_eq!(negotiated.as_deref(), Some(name));
        assert_eq!(offered.map(|v| v.to_string()).as_deref(), Some(name));
        assert_eq!(told.outcome, Outcome::Negotiated, "{name}");
        let id = told.cipher_suite.map(|suite| suite.0.to_be_bytes());
        assert_eq!(id, Some(suite), "{name}");
    }
}

/// No honest record is longer than 2^14 and what protection adds: what follows cannot be read, and nothing is guessed.
#[test]
fn records_of_impossible_length_are_told_as_such() {
    let hello = client_hello();
    let mut flight = tls_record(22, &server_hello());
    flight[3..5].copy_from_slice(&hex!("ffff"));
    let record = told(&handshake([99, 499], &hello, &flight, NOTHING));
    assert_eq!(record.negotiated_version, None);
    assert_ne!(record.outcome, Outcome::Negotiated);
    assert!(record.cause.is_some());
}
