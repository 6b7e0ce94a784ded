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

/// An Initial packet with a packet number of two bytes, padded to `pad` bytes.
fn initial(
    version: QuicVersion,
    keys: &Keys,
    to: &[u8],
    number: u16,
    frames: &[u8],
    pad: usize,
) -> Vec<u8> {
    let mut text = frames.to_vec();
    text.resize(text.len().max(pad.saturating_sub(60)).max(4), 0);
    let kind = if version == QuicVersion::V2 {
        0xd1
    } else {
        0xc1
    };
    let length = u16::try_from(2 + text.len() + 16).unwrap() | 0x4000;
    let mut packet = vec![kind];
    packet.extend(version.0.to_be_bytes());
    packet.push(u8::try_from(to.len()).unwrap());
    packet.extend(to);
    packet.extend(hex!("00 00"));
    packet.extend(length.to_be_bytes());
    let number_at = packet.len();
    packet.extend(number.to_be_bytes());
    let (key, iv, hp) = keys.parts();
    let mut nonce = iv;
    for (byte, part) in nonce.iter_mut().rev().zip(number.to_le_bytes()) {
        *byte ^= part;
    }
    let tag = Aes128Gcm::new(&key.into())
        .encrypt_inout_detached(&Nonce::from(nonce), &packet, text.as_mut_slice().into())
        .unwrap();
    packet.extend(text);
    packet.extend(tag);
    let mut mask = *packet[number_at + 4..].first_chunk::<16>().unwrap();
    let mut block = mask.into();
    Aes128::new(&hp.into()).encrypt_block(&mut block);
    mask = block.into();
    packet[0] ^= mask[0] & 0x0f;
    packet[number_at] ^= mask[1];
    packet[number_at + 1] ^= mask[2];
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
