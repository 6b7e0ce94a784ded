//! Connections made of own datagrams.

use super::*;
use hex_literal::hex;
use proptest::prelude::*;

const UP: Direction = Direction::Up;
const DOWN: Direction = Direction::Down;

/// Pads a SYN as it must be.
pub(super) fn padded(head: &[u8]) -> Vec<u8> {
    let mut datagram = head.to_vec();
    datagram.resize(1232, 0);
    datagram
}

pub(super) fn syn() -> Vec<u8> {
    padded(&hex!("ffffffff 0040 1001  10000000 04d0 04d0  0001 0002"))
}

pub(super) fn syn_ack() -> Vec<u8> {
    padded(&hex!("10000000 0040 1005  2000fffe 04d0 04d0  0001 0002"))
}

/// A datagram of version 1 or 2 with an ACK vector of one element.
pub(super) fn source(number: u32, payload: &[u8]) -> Vec<u8> {
    let number = number.to_be_bytes();
    let head = hex!("00000001 0040 000c  0001 00 ff");
    [head.as_slice(), &number, &number, payload].concat()
}

/// One of version 3: `head` is Flags and what stands before ChannelSeqNum.
pub(super) fn channel(head: &[u8], number: u16, payload: &[u8]) -> Vec<u8> {
    wrapped(0xe0, &[head, &number.to_le_bytes(), payload].concat())
}

/// \[MS-RDPEUDP2\] section 3.1.1.1.5.1.
pub(super) fn wrapped(prefix: u8, packet: &[u8]) -> Vec<u8> {
    let mut datagram = [&[prefix], packet].concat();
    datagram.resize(datagram.len().max(8), 0);
    datagram.swap(0, 7);
    datagram
}

/// DATA and AOA.
pub(super) const HEAD: [u8; 6] = hex!("14c0 6400 6400");

/// Records of a ClientHello of TLS 1.2 in one, an alert, change_cipher_spec and something encrypted.
pub(super) fn client_records() -> Vec<u8> {
    [
        hex!("16 0301 002f 01 00002b 0303").as_slice(),
        &[7; 32],
        &hex!("00 0002 c02f 01 00 0000"),
        &hex!("15 0303 0002 0100  14 0303 0001 01  16 0303 0004 01020304"),
    ]
    .concat()
}

/// What a reader tells, with the number of datagrams.
fn told(datagrams: &[(Direction, Vec<u8>, usize)]) -> Vec<String> {
    let mut reader = RdpUdpReader::new(1 << 14);
    let mut seen = Vec::new();
    let mut sink = |direction: Direction, event: Event<'_>, carrier: Carrier, datagrams| {
        let event = match event {
            Event::Handshake { kind, body, .. } => format!("message {kind} of {}", body.len()),
            event => format!("{event:?}"),
        };
        let word = if direction == UP { "up" } else { "down" };
        seen.push(format!("{word} {carrier} {event} in {datagrams}"));
    };
    for (direction, datagram, wire_len) in datagrams {
        reader.datagram(*direction, datagram, *wire_len, &mut sink);
    }
    reader.finish(reader.client(), &mut sink);
    seen
}

fn whole(datagrams: Vec<(Direction, Vec<u8>)>) -> Vec<(Direction, Vec<u8>, usize)> {
    let with_len = datagrams.into_iter().map(|(d, bytes)| {
        let len = bytes.len();
        (d, bytes, len)
    });
    with_len.collect()
}

const CLIENT_TOLD: [&str; 4] = [
    "up tls message 1 of 43 in 1",
    "up tls Alert { level: 1, description: 0 } in 1",
    "up tls ChangeCipherSpec in 1",
    "up tls Encrypted in 1",
];

#[test]
fn reads_a_stream_in_order() {
    let records = client_records();
    let (a, b, c) = (&records[..20], &records[20..52], &records[52..]);
    let split = CLIENT_TOLD.map(|told| told.replace("43 in 1", "43 in 2"));
    let one = [(UP, syn()), (DOWN, syn_ack())];
    let pieces = [a, b, c].map(<[u8]>::to_vec);
    let first = 0x1000_0001;
    for (name, mut datagrams) in [
        (
            "in order",
            vec![
                (first, &pieces[0]),
                (first + 1, &pieces[1]),
                (first + 2, &pieces[2]),
            ],
        ),
        (
            "the last first, the first twice",
            vec![
                (first + 2, &pieces[2]),
                (first, &pieces[0]),
                (first, &pieces[0]),
                (first + 1, &pieces[1]),
            ],
        ),
    ]
    .map(|(name, list)| {
        let datagrams: Vec<_> = list.iter().map(|(n, p)| (UP, source(*n, p))).collect();
        (name, datagrams)
    }) {
        // The SYN before them, behind them, and not captured, but for its answer.
        let after: Vec<_> = datagrams.iter().cloned().chain(one.clone()).collect();
        assert_eq!(told(&whole(after)), split, "{name}, SYN last");
        let answered: Vec<_> = one[1..].iter().cloned().chain(datagrams.clone()).collect();
        assert_eq!(told(&whole(answered)), split, "{name}, no SYN");
        datagrams.splice(0..0, one.clone());
        assert_eq!(told(&whole(datagrams)), split, "{name}");
    }
    let of_version_3 =
        [2, 1, 3, 2].map(|n: u16| (UP, channel(&HEAD, n, &pieces[usize::from(n) - 1])));
    assert_eq!(told(&whole(of_version_3.to_vec())), split, "version 3");
}

#[test]
fn what_is_lost_is_told_as_lost() {
    let records = client_records();
    let first = |payload: &[u8]| source(0x1000_0001, payload);
    let second = |payload: &[u8]| source(0x1000_0002, payload);
    let opened = |more: Vec<(Direction, Vec<u8>, usize)>| {
        let mut all = whole(vec![(UP, syn()), (DOWN, syn_ack())]);
        all.extend(more);
        told(&all)
    };
    let lost = ["up tls HandshakeLost(Some(1)) in 1"];
    let within = ["up tls HandshakeLost(None) in 1", lost[0]];
    assert!(opened(Vec::new()).is_empty(), "nothing was sent");
    let hello_lost = whole(vec![(UP, second(&records[20..]))]);
    assert_eq!(opened(hello_lost), lost, "the hello");
    let half = whole(vec![
        (UP, first(&records[..20])),
        (UP, source(0x1000_0003, b"x")),
    ]);
    assert_eq!(opened(half), within, "half of it");
    let behind = whole(vec![(UP, first(&records)), (UP, source(0x1000_0003, b"x"))]);
    assert_eq!(
        opened(behind),
        CLIENT_TOLD,
        "what is encrypted tells nothing"
    );
    // Cut by the snap length: behind the hello, within it, before the payload.
    let len = first(&records).len();
    let cut = |at: usize| opened(vec![(UP, first(&records)[..at].to_vec(), len)]);
    assert_eq!(cut(len - 2), CLIENT_TOLD[..3]);
    assert_eq!(cut(60), within);
    assert_eq!(cut(16), lost);
    // It is not TLS.
    assert!(opened(whole(vec![(UP, first(b"GET / HTTP/1.1\r\n"))])).is_empty());
}

#[test]
fn the_lossy_mode_carries_dtls() {
    let hello = [
        hex!("16 feff 0000 000000000000 0036  01 00002a 0000 000000 00002a  fefd").as_slice(),
        &[7; 32],
        &hex!("00 00 0002 c02f 01 00"),
    ]
    .concat();
    let alert = hex!("15 fefd 0000 000000000001 0002 0246");
    let asks = padded(&hex!("ffffffff 0040 0201  10000000 04d0 04d0"));
    let datagrams = vec![
        (UP, asks),
        (DOWN, syn_ack()),
        (UP, source(0x1000_0001, &hello)),
        (DOWN, source(0x2001_0000, &alert)),
    ];
    let want = [
        "up dtls message 1 of 42 in 1",
        "down dtls Alert { level: 2, description: 70 } in 1",
    ];
    assert_eq!(told(&whole(datagrams.clone())), want);
    assert_eq!(
        told(&whole(datagrams[2..].to_vec())),
        want,
        "without the SYN"
    );
}

/// The records in payloads of these lengths, from `first` on.
fn pieces(records: &[u8], lens: &[usize]) -> Vec<Vec<u8>> {
    let (mut rest, mut pieces) = (records, Vec::new());
    for len in lens {
        let (piece, behind) = rest.split_at((*len).min(rest.len()));
        pieces.push(piece.to_vec());
        rest = behind;
    }
    pieces.push(rest.to_vec());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

proptest! {
    /// However the records are cut up, and in whatever order they come, some twice, they tell the same, but for the
    /// number of datagrams; where one is lost, nothing that is not so.
    #[test]
    fn segmentation_order_and_loss(
        lens in proptest::collection::vec(1_usize..30, 0..8),
        keys in proptest::collection::vec(any::<u8>(), 20),
        lost in proptest::option::of(0_usize..9),
        version_3: bool,
    ) {
        let pieces = pieces(&client_records(), &lens);
        let datagram = |n: usize| {
            let bytes = &pieces[n];
            if version_3 {
                channel(&HEAD, n as u16 + 1, bytes)
            } else {
                source(0x1000_0001 + n as u32, bytes)
            }
        };
        let mut order: Vec<(u8, usize)> = (0..pieces.len()).chain(0..pieces.len()).zip(&keys).map(|(n, key)| (*key, n)).collect();
        order.sort_unstable();
        let mut datagrams = vec![(UP, syn()), (DOWN, syn_ack())];
        datagrams.extend(order.iter().filter(|(_, n)| Some(*n) != lost).map(|(_, n)| (UP, datagram(*n))));
        let strip = |told: &str| told.rsplit_once(" in ").map(|(told, _)| told.to_owned());
        let got: Vec<_> = told(&whole(datagrams)).iter().map(|t| strip(t)).collect();
        let want: Vec<_> = CLIENT_TOLD.iter().map(|t| strip(t)).collect();
        if lost.is_some_and(|n| n < pieces.len()) {
            let said = got.iter().take_while(|t| t.as_deref().is_some_and(|t| !t.contains("Lost"))).count();
            prop_assert!(said <= want.len() && got[..said] == want[..said], "{got:?}");
            prop_assert!(got[said..].iter().all(|t| t.as_deref().is_some_and(|t| t.contains("Lost"))), "{got:?}");
            // What came behind the hole shows it.
            let shown = lost.is_some_and(|n| n + 1 < pieces.len());
            prop_assert!(!shown || said > 0 || got.len() > said, "{got:?}");
        } else {
            prop_assert_eq!(got, want);
        }
    }

    #[test]
    fn nothing_from_the_wire_panics(datagrams in proptest::collection::vec((any::<bool>(), any::<Vec<u8>>(), any::<usize>(), any::<u8>()), 0..8)) {
        let mut reader = RdpUdpReader::new(64);
        for (up, mut bytes, wire_len, low) in datagrams {
            // Most bytes are of neither version.
            if let Some(byte) = bytes.get_mut(7) {
                *byte = if low & 1 == 0 { low & 0xf0 } else { low & 0x1f };
            }
            let direction = if up { UP } else { DOWN };
            let _ = (begins(&bytes, wire_len), beginning(&bytes, wire_len));
            reader.datagram(direction, &bytes, wire_len, &mut |_, _, _, _| {});
        }
        reader.finish(Some(UP), &mut |_, _, _, _| {});
        prop_assert!(reader.held_bytes() <= 2 * MAX_BYTES);
    }
}
