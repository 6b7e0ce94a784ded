//! Long headers: what of a QUIC packet is in the clear (RFC 8999, RFC 9000 section 17.2, RFC 9369 section 3.2).

use super::version::QuicVersion;
use crate::hello::wire::Reader;

/// A connection ID; at most 20 bytes in every version that is read here (RFC 9000 section 17.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionId {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl ConnectionId {
    /// RFC 9000 section 17.2.
    pub const MAX_LEN: usize = 20;

    /// `None` where it is too long.
    pub fn new(id: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::MAX_LEN];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        let len = u8::try_from(id.len()).ok()?;
        Some(Self { bytes, len })
    }

    /// The identifier.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// What a long header announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// The hellos.
    Initial,
    /// Early data of the client.
    ZeroRtt,
    /// What follows the hellos.
    Handshake,
    /// The server wants the client to come again with a token.
    Retry,
    /// The server does not speak the version.
    VersionNegotiation,
}

/// One packet with a long header.
///
/// ```text
/// Long Header Packet {                 RFC 9000 section 17.2
///   Header Form (1) = 1, Fixed Bit (1) = 1, Long Packet Type (2), Type-Specific Bits (4),
///   Version (32),
///   Destination Connection ID Length (8), Destination Connection ID (0..160),
///   Source Connection ID Length (8), Source Connection ID (0..160),
///   [ Token Length (i), Token (..), ]  Initial alone
///   Length (i), Packet Number (8..32), Packet Payload (8..),
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LongHeader<'a> {
    /// What it is.
    pub kind: PacketKind,
    /// As on the wire.
    pub version: QuicVersion,
    /// Whom it goes to.
    pub destination: ConnectionId,
    /// Who sends it.
    pub source: ConnectionId,
    /// From the first byte of the header to the last of the packet, as far as it was captured.
    pub packet: &'a [u8],
    /// Where in `packet` the packet number begins; 0 for kinds without one.
    pub number_at: usize,
    /// Bytes of the packet that the snap length cut off.
    pub cut: usize,
}

impl<'a> LongHeader<'a> {
    /// The first packet of `datagram`, of which `wire_len` bytes were sent, and what lies behind it. `None` where no
    /// long header begins so.
    pub fn parse(datagram: &'a [u8], wire_len: usize) -> Option<(Self, &'a [u8])> {
        let mut reader = Reader::new(datagram);
        let first = reader.u8("first byte").ok()?;
        if first & 0x80 == 0 {
            return None;
        }
        let version = QuicVersion(u32::from_be_bytes(*reader.array("version").ok()?));
        let destination = ConnectionId::new(reader.vec8("connection ID").ok()?)?;
        let source = ConnectionId::new(reader.vec8("connection ID").ok()?)?;
        let rest = reader.rest();
        let kind = match version {
            QuicVersion::NEGOTIATION => PacketKind::VersionNegotiation,
            _ => version.packet_kind(first),
        };
        let header = Self {
            kind,
            version,
            destination,
            source,
            packet: datagram,
            number_at: 0,
            cut: 0,
        };
        match kind {
            // RFC 9000 section 17.2.1: a list of versions to the end.
            PacketKind::VersionNegotiation => {
                let listed = !rest.is_empty() && rest.len().is_multiple_of(4);
                return listed.then_some((header, &[]));
            }
            // RFC 9000 section 17.2.5: a token and a tag of 16 bytes to the end.
            PacketKind::Retry => return (rest.len() > 16).then_some((header, &[])),
            PacketKind::Initial => {
                let token_len = usize::try_from(varint(&mut reader)?).ok()?;
                reader.take(token_len, "token").ok()?;
            }
            PacketKind::ZeroRtt | PacketKind::Handshake => {}
        }
        let length = usize::try_from(varint(&mut reader)?).ok()?;
        let number_at = datagram.len().checked_sub(reader.rest().len())?;
        let end = number_at.checked_add(length)?;
        // A packet number and the sample for header protection (RFC 9001 section 5.4.2).
        if length < 20 || end > wire_len.max(datagram.len()) {
            return None;
        }
        let (packet, rest) = datagram.split_at_checked(end).unwrap_or((datagram, &[]));
        let cut = end.saturating_sub(packet.len());
        let header = Self {
            packet,
            number_at,
            cut,
            ..header
        };
        Some((header, rest))
    }
}

/// A variable-length integer (RFC 9000 section 16).
pub(super) fn varint(reader: &mut Reader<'_>) -> Option<u64> {
    let first = reader.u8("varint").ok()?;
    let more = (1_usize << (first >> 6)) - 1;
    let rest = reader.take(more, "varint").ok()?;
    let head = u64::from(first & 0x3f);
    Some(
        rest.iter()
            .fold(head, |value, byte| value << 8 | u64::from(*byte)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;
    use proptest::prelude::*;

    #[test]
    fn integers_of_all_lengths() {
        // RFC 9000 appendix A.1.
        for (bytes, want) in [
            (hex!("c2197c5eff14e88c").as_slice(), 151_288_809_941_952_652),
            (&hex!("9d7f3e7d"), 494_878_333),
            (&hex!("7bbd"), 15293),
            (&hex!("25"), 37),
            (&hex!("4025"), 37),
        ] {
            assert_eq!(varint(&mut Reader::new(bytes)), Some(want));
        }
        assert_eq!(varint(&mut Reader::new(&hex!("7b"))), None);
    }

    #[test]
    fn coalesced_packets_come_one_after_the_other() {
        // A Handshake packet of version 1 with 20 bytes behind its length, twice.
        let packet = [hex!("e0 00000001 02 aabb 01 cc 14").as_slice(), &[0x55; 20]].concat();
        let datagram = [packet.as_slice(), &packet].concat();
        let (header, rest) = LongHeader::parse(&datagram, datagram.len()).unwrap();
        assert_eq!(header.kind, PacketKind::Handshake);
        assert_eq!(header.destination.as_slice(), hex!("aabb"));
        assert_eq!(
            (header.packet, rest),
            (packet.as_slice(), packet.as_slice())
        );
        let (cut, _) = LongHeader::parse(&packet[..20], packet.len()).unwrap();
        assert_eq!(cut.cut, packet.len() - 20);
        assert!(LongHeader::parse(&packet[..20], 20).is_none());
    }

    proptest! {
        #[test]
        fn nothing_from_the_wire_panics(mut bytes: Vec<u8>, wire_len: usize) {
            let _ = LongHeader::parse(&bytes, wire_len);
            if let Some(first) = bytes.first_mut() {
                *first |= 0xc0;
            }
            let _ = LongHeader::parse(&bytes, wire_len);
        }
    }
}
