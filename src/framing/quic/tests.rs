//! Whole connections, packets built and sealed here.

use aes_gcm::aead::AeadInOut;
use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes_gcm::{Aes128Gcm, Nonce};
use hex_literal::hex;
use proptest::prelude::*;

use super::header::ConnectionId;
use super::keys::{InitialKeys, Keys};
use super::{QuicReader, QuicVersion, is_plausible};
use crate::dispatch::Direction::{self, Down, Up};

const CLIENT_ID: [u8; 8] = hex!("8394c8f03e515708");
const SERVER_ID: [u8; 4] = hex!("f067a550");

fn keys(version: QuicVersion, id: &[u8]) -> InitialKeys {
    let salt = version.salts().first().unwrap();
    InitialKeys::derive(version, salt, ConnectionId::new(id).unwrap()).unwrap()
}

/// An Initial packet with a packet number of two or four bytes, padded to `pad` bytes of frames.
fn initial(
    version: QuicVersion,
    keys: &Keys,
    to: &[u8],
    number: u16,
    frames: &[u8],
    pad: usize,
) -> Vec<u8> {
    seal(
        version,
        keys,
        to,
        &number.to_be_bytes(),
        frames,
        pad.saturating_sub(60),
    )
}

fn seal(
    version: QuicVersion,
    keys: &Keys,
    to: &[u8],
    number: &[u8],
    frames: &[u8],
    pad: usize,
) -> Vec<u8> {
    let mut text = frames.to_vec();
    text.resize(text.len().max(pad).max(4), 0);
    let kind = if version == QuicVersion::V2 {
        0xd0
    } else {
        0xc0
    };
    let length = u16::try_from(number.len() + text.len() + 16).unwrap() | 0x4000;
    let mut packet = vec![kind | u8::try_from(number.len() - 1).unwrap()];
    packet.extend(version.0.to_be_bytes());
    packet.push(u8::try_from(to.len()).unwrap());
    packet.extend(to);
    packet.extend(hex!("00 00"));
    packet.extend(length.to_be_bytes());
    let number_at = packet.len();
    packet.extend(number);
    let (key, iv, hp) = keys.parts();
    let mut nonce = iv;
    for (byte, part) in nonce.iter_mut().rev().zip(number.iter().rev()) {
        *byte ^= part;
    }
    let tag = Aes128Gcm::new(&key.into())
        .encrypt_inout_detached(&Nonce::from(nonce), &packet, text.as_mut_slice().into())
        .unwrap();
    packet.extend(text);
    packet.extend(tag);
    let sample = *packet[number_at + 4..].first_chunk::<16>().unwrap();
    let mut block = sample.into();
    Aes128::new(&hp.into()).encrypt_block(&mut block);
    let mask: [u8; 16] = block.into();
    packet[0] ^= mask[0] & 0x0f;
    for (byte, mask) in packet[number_at..].iter_mut().zip(&mask[1..=number.len()]) {
        *byte ^= mask;
    }
    packet
}

fn crypto(offset: u16, bytes: &[u8]) -> Vec<u8> {
    let [high, low] = (offset | 0x4000).to_be_bytes();
    let len = u8::try_from(bytes.len()).unwrap();
    [&[0x06, high, low, len], bytes].concat()
}

/// What a reader tells of datagrams; at the end whether a direction's bytes were not whole.
fn read(datagrams: &[(Direction, Vec<u8>)]) -> Vec<String> {
    let mut reader = QuicReader::new(1 << 16);
    let mut seen = Vec::new();
    for (direction, datagram) in datagrams {
        reader.datagram(*direction, datagram, datagram.len(), &mut |d, e, n| {
            seen.push(format!("{d:?} {e:?} {n}"));
        });
    }
    seen
}

const HELLO: [u8; 8] = hex!("01 000004 a0a1a2a3");
const ANSWER: [u8; 6] = hex!("02 000002 b0b1");

/// A ClientHello in two datagrams, its pieces mixed up, and the answer.
fn connection(version: QuicVersion) -> Vec<(Direction, Vec<u8>)> {
    let keys = keys(version, &CLIENT_ID);
    let first = [crypto(6, &HELLO[6..]), vec![1], crypto(0, &HELLO[..3])].concat();
    let second = crypto(3, &HELLO[3..6]);
    vec![
        (
            Up,
            initial(version, &keys.client, &CLIENT_ID, 0, &first, 1200),
        ),
        (
            Up,
            initial(version, &keys.client, &CLIENT_ID, 1, &second, 1200),
        ),
        (
            Down,
            initial(version, &keys.server, &[], 0, &crypto(0, &ANSWER), 0),
        ),
    ]
}

const UP: &str = "Up Handshake { kind: 1, body: [160, 161, 162, 163], record_version: TLS 1.2 } 2";
const UP_IN_ONE: &str =
    "Up Handshake { kind: 1, body: [160, 161, 162, 163], record_version: TLS 1.2 } 1";
const DOWN: &str = "Down Handshake { kind: 2, body: [176, 177], record_version: TLS 1.2 } 1";

/// RFC 9001 appendix A.2: the CRYPTO frame of the client's packet.
const RFC_HELLO: [u8; 245] = hex!(
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e868"
    "04fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578"
    "616d706c652e636f6dff01000100000a00080006001d00170018001000070005"
    "04616c706e000500050100000000003300260024001d00209370b2c9caa47fba"
    "baf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b000302030400"
    "0d0010000e0403050306030203080408050806002d00020101001c0002400100"
    "3900320408ffffffffffffffff05048000ffff07048000ffff08011001048000"
    "75300901100f088394c8f03e51570806048000ffff"
);

#[test]
fn the_clients_packet_of_the_rfc_is_built_and_read() {
    let keys = keys(QuicVersion::V1, &CLIENT_ID);
    let packet = seal(
        QuicVersion::V1,
        &keys.client,
        &CLIENT_ID,
        &[0, 0, 0, 2],
        &RFC_HELLO,
        1162,
    );
    assert_eq!(packet.len(), 1200);
    assert_eq!(
        packet[..32],
        hex!("c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11")
    );
    assert_eq!(packet[1184..], hex!("e221af44860018ab0856972e194cd934"));
    let body = &RFC_HELLO[8..];
    let want = format!("Up Handshake {{ kind: 1, body: {body:?}, record_version: TLS 1.2 }} 1");
    assert_eq!(read(&[(Up, packet)]), [want]);
}

#[test]
fn every_version_is_read() {
    for version in [
        1,
        0x6b33_43cf,
        0xff00_0016,
        0xff00_001b,
        0xff00_001d,
        0xff00_0022,
        0xface_b002,
    ] {
        let datagrams = connection(QuicVersion(version));
        assert!(is_plausible(&datagrams[0].1, datagrams[0].1.len()));
        assert_eq!(read(&datagrams), [UP, DOWN], "{version:x}");
    }
}

#[test]
fn an_answer_captured_before_the_hello_is_read_too() {
    let mut datagrams = connection(QuicVersion::V1);
    datagrams.rotate_right(1);
    assert_eq!(read(&datagrams), [DOWN, UP]);
}

#[test]
fn an_answer_alone_stays_closed() {
    let datagrams = connection(QuicVersion::V1);
    assert!(read(&datagrams[2..]).is_empty());
}

#[test]
fn after_retry_the_keys_hang_on_the_servers_id() {
    let v1 = QuicVersion::V1;
    let (old, new) = (keys(v1, &CLIENT_ID), keys(v1, &SERVER_ID));
    let retry = [
        hex!("f0 00000001 00 04 f067a550").as_slice(),
        b"token",
        &[0; 16],
    ]
    .concat();
    let hello = crypto(0, &HELLO);
    let datagrams = [
        (
            Up,
            initial(
                v1,
                &old.client,
                &CLIENT_ID,
                0,
                &crypto(0, &HELLO[..5]),
                1200,
            ),
        ),
        (Down, retry),
        (Up, initial(v1, &new.client, &SERVER_ID, 1, &hello, 1200)),
        (
            Down,
            initial(v1, &new.server, &[], 0, &crypto(0, &ANSWER), 0),
        ),
    ];
    assert_eq!(read(&datagrams), [UP_IN_ONE, DOWN]);
}

#[test]
fn the_server_may_answer_in_a_compatible_version() {
    let (v1, v2) = (
        keys(QuicVersion::V1, &CLIENT_ID),
        keys(QuicVersion::V2, &CLIENT_ID),
    );
    let datagrams = [
        (
            Up,
            initial(
                QuicVersion::V1,
                &v1.client,
                &CLIENT_ID,
                0,
                &crypto(0, &HELLO),
                1200,
            ),
        ),
        (
            Down,
            initial(QuicVersion::V2, &v2.server, &[], 0, &crypto(0, &ANSWER), 0),
        ),
    ];
    assert_eq!(read(&datagrams), [UP_IN_ONE, DOWN]);
}

#[test]
fn hellos_of_two_attempts_are_not_mixed() {
    let v1 = QuicVersion::V1;
    let (one, other) = (keys(v1, &CLIENT_ID), keys(v1, &SERVER_ID));
    let datagrams = [
        (
            Up,
            initial(
                v1,
                &one.client,
                &CLIENT_ID,
                0,
                &crypto(0, &HELLO[..5]),
                1200,
            ),
        ),
        (
            Up,
            initial(
                v1,
                &other.client,
                &SERVER_ID,
                0,
                &crypto(5, &HELLO[5..]),
                1200,
            ),
        ),
    ];
    assert!(read(&datagrams).is_empty());
}

#[test]
fn the_client_goes_on_to_the_servers_id_and_closes() {
    let v1 = QuicVersion::V1;
    let keys = keys(v1, &CLIENT_ID);
    let mut datagrams = connection(v1);
    // CONNECTION_CLOSE with the alert bad_certificate.
    datagrams.push((
        Up,
        initial(
            v1,
            &keys.client,
            &SERVER_ID,
            2,
            &hex!("1c 412a 06 00"),
            1200,
        ),
    ));
    let alert = "Up Alert { level: 2, description: 42 } 1";
    assert_eq!(read(&datagrams), [UP, DOWN, alert]);
}

#[test]
fn googles_handshake_is_no_tls() {
    let v1 = QuicVersion::V1;
    let keys = keys(v1, &CLIENT_ID);
    let frames = crypto(0, b"CHLO\x0e\0\0\0PAD\0");
    assert!(read(&[(Up, initial(v1, &keys.client, &CLIENT_ID, 0, &frames, 1200))]).is_empty());
}

proptest! {
    /// Datagrams lost, repeated and in any order: what is told is what the whole connection tells, or less.
    #[test]
    fn loss_never_lies(order in proptest::collection::vec(0_usize..3, 0..9)) {
        let connection = connection(QuicVersion::V1);
        let datagrams: Vec<_> = order.iter().map(|at| connection[*at].clone()).collect();
        for event in read(&datagrams) {
            let body = event.trim_end_matches(|c: char| c.is_ascii_digit());
            prop_assert!(UP.starts_with(body) || DOWN.starts_with(body));
        }
    }

    #[test]
    fn nothing_from_the_wire_panics(frames: Vec<u8>, cut in 0_usize..1300, bytes: Vec<u8>) {
        let keys = keys(QuicVersion::V1, &CLIENT_ID);
        let packet = initial(QuicVersion::V1, &keys.client, &CLIENT_ID, 0, &frames, 1200);
        let mut reader = QuicReader::new(64);
        for datagram in [&packet, packet.get(..cut).unwrap_or_default(), &bytes] {
            reader.datagram(Up, datagram, packet.len(), &mut |_, _, _| {});
            reader.datagram(Down, datagram, packet.len(), &mut |_, _, _| {});
        }
    }
}
