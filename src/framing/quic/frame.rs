//! The frames of Initial packets (RFC 9000 sections 12.4 and 19).

use super::header::varint;
use super::version::QuicVersion;
use crate::hello::wire::Reader;

/// A frame that tells something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// Bytes of the handshake at their offset.
    Crypto { offset: u64, bytes: &'a [u8] },
    /// The connection ends, with this error code.
    ConnectionClose(u64),
}

/// The frames of a packet that tell something, in order. Ends at one that may not stand in an Initial packet.
pub(super) fn frames(packet: &[u8], version: QuicVersion) -> impl Iterator<Item = Frame<'_>> {
    let mut reader = Reader::new(packet);
    let google = version.has_google_frames();
    std::iter::from_fn(move || {
        loop {
            match reader.u8("frame type").ok()? {
                PADDING => {}
                GOOGLE_CRYPTO if google => return crypto(&mut reader),
                GOOGLE_PING if google => {}
                kind @ 0x40..=0x7f if google => skip_google_ack(&mut reader, kind)?,
                _ if google => return None,
                PING => {}
                kind @ (ACK | ACK_ECN) => skip_ack(&mut reader, kind == ACK_ECN)?,
                CRYPTO => return crypto(&mut reader),
                // The second kind tells an application's error; it may not stand here, but some send it.
                CONNECTION_CLOSE => return varint(&mut reader).map(Frame::ConnectionClose),
                _ => return None,
            }
        }
    })
    // Behind a CONNECTION_CLOSE nothing matters.
    .scan(false, |closed, frame| {
        let before = std::mem::replace(closed, matches!(frame, Frame::ConnectionClose(_)));
        (!before).then_some(frame)
    })
}

/// RFC 9000 section 19.6.
fn crypto<'a>(reader: &mut Reader<'a>) -> Option<Frame<'a>> {
    let offset = varint(reader)?;
    let len = usize::try_from(varint(reader)?).ok()?;
    let bytes = reader.take(len, "CRYPTO").ok()?;
    Some(Frame::Crypto { offset, bytes })
}

/// ACK of Google's QUIC: `01ntllmm`, where n tells of several blocks and ll and mm how long numbers are.
fn skip_google_ack(reader: &mut Reader<'_>, kind: u8) -> Option<()> {
    let len = |bits: u8| [1, 2, 4, 6].get(usize::from(bits & 3)).copied();
    let (largest_len, block_len) = (len(kind >> 2)?, len(kind)?);
    reader.take(largest_len + 2, "largest and delay").ok()?;
    let blocks = match kind & 0x20 {
        0 => 0,
        _ => reader.u8("blocks").ok()?,
    };
    reader.take(block_len, "first block").ok()?;
    let rest = usize::from(blocks) * (1 + block_len);
    reader.take(rest, "blocks").ok()?;
    match usize::from(reader.u8("timestamps").ok()?) {
        0 => {}
        // The first has five bytes, the others have three.
        times => drop(reader.take(2 + 3 * times, "timestamps").ok()?),
    }
    Some(())
}

/// RFC 9000 section 19.3.
fn skip_ack(reader: &mut Reader<'_>, ecn: bool) -> Option<()> {
    let _largest = varint(reader)?;
    let _delay = varint(reader)?;
    let ranges = varint(reader)?;
    let _first = varint(reader)?;
    // Ends at the latest with the packet.
    for _ in 0..ranges {
        let _gap = varint(reader)?;
        let _length = varint(reader)?;
    }
    if ecn {
        for _ in 0..3 {
            let _count = varint(reader)?;
        }
    }
    Some(())
}

const PADDING: u8 = 0x00;
const PING: u8 = 0x01;
const ACK: u8 = 0x02;
const ACK_ECN: u8 = 0x03;
const CRYPTO: u8 = 0x06;
const CONNECTION_CLOSE: u8 = 0x1c;
const GOOGLE_PING: u8 = 0x07;
const GOOGLE_CRYPTO: u8 = 0x08;

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;
    use proptest::prelude::*;

    #[test]
    fn finds_what_tells() {
        let crypto = |offset, bytes| Frame::Crypto { offset, bytes };
        for (name, packet, want) in [
            (
                "ACK with a range, padding, CRYPTO",
                hex!("02 05 00 01 00 00 01  0000  06 4040 02 abcd").as_slice(),
                vec![crypto(64, &[0xab, 0xcd])],
            ),
            (
                "ACK with ECN, two CRYPTO frames out of order",
                &hex!("03 00 00 00 00 010203  06 02 01 ee  01  06 00 02 aabb"),
                vec![crypto(2, &[0xee]), crypto(0, &[0xaa, 0xbb])],
            ),
            (
                "CONNECTION_CLOSE with alert 40",
                &hex!("1c 4128 06 00  06 00 01 aa"),
                vec![Frame::ConnectionClose(0x128)],
            ),
            ("a CRYPTO frame that is cut", &hex!("06 00 05 aa"), vec![]),
            ("STREAM", &hex!("08 00 06 00 01 aa"), vec![]),
        ] {
            assert_eq!(
                frames(packet, QuicVersion::V1).collect::<Vec<_>>(),
                want,
                "{name}"
            );
        }
    }

    #[test]
    fn google_has_frames_of_its_own() {
        // ACK with one-byte numbers, PING, CRYPTO.
        let packet = hex!("40 05 0000 01 00  07  08 00 02 aabb");
        let bytes = &[0xaa, 0xbb];
        assert_eq!(
            frames(&packet, QuicVersion(0x5430_3531)).collect::<Vec<_>>(),
            [Frame::Crypto { offset: 0, bytes }]
        );
    }

    proptest! {
        #[test]
        fn nothing_from_the_wire_panics(bytes: Vec<u8>) {
            for version in [QuicVersion::V1, QuicVersion(0x5430_3531)] {
                prop_assert!(frames(&bytes, version).count() <= bytes.len());
            }
        }
    }
}
