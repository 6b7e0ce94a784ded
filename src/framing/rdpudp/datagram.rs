//! The datagrams of RDP over UDP.
//!
//! A connection begins with two datagrams, mostly padded, in network byte order (\[MS-RDPEUDP\] section 2.2.2):
//! ```text
//! snSourceAck 32 (all ones in the SYN), uReceiveWindowSize 16, uFlags 16
//! snInitialSequenceNumber 32, uUpStreamMtu 16, uDownStreamMtu 16     SYN
//! ```
//! What follows goes on so, up to version 2 of the protocol:
//! ```text
//! uAckVectorSize 16, AckVector, padding to 32 bits                   ACK without SYN
//! snResetSeqNum 32                                                   ACK_OF_ACKS
//! snCoded 32, snSourceStart 32, payload                              DATA without FEC
//! ```
//! or, from version 3 on, in little-endian order (\[MS-RDPEUDP2\] section 2.2.1), with the prefix and the eighth byte
//! changed about:
//! ```text
//! reserved 1, Packet_Type_Index 4, Short_Packet_Length 3 (from the lowest bit)
//! Flags 12, LogWindowSize 4
//! SeqNum 16, receivedTS 24, sendAckTimeGap 8, n 4, delayAckTimeScale 4, n times 8    ACK
//! OverheadSize 8                                                                     OVERHEADSIZE
//! MaxDelayedAcks 8, DelayedAckTimeoutInMs 16                                         DELAYACKINFO
//! AckOfAcksSeqNum 16                                                                 AOA
//! DataSeqNum 16                                                                      DATA
//! BaseSeqNum 16, n 7, t 1, [ TimeStamp 24, SendAckTimeGapInMs 8 ] if t, n times 8    ACKVEC
//! ChannelSeqNum 16, payload                                                          DATA
//! ```
//! Both tell themselves apart: the lowest four bits of the eighth byte are SYN, FIN, ACK and DATA in the one, of which
//! at least one is set, and none in the other. What is sent again keeps snSourceStart, or ChannelSeqNum.

use std::borrow::Cow;

use crate::framing::dtls;
use crate::hello::wire::Reader;

/// What a datagram of a connection says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Datagram<'a> {
    Syn {
        /// snSourceAck of the answer: the initial sequence number of who began.
        acknowledges: Option<u32>,
        initial: u32,
        lossy: bool,
    },
    Payload {
        number: Number,
        /// As far as it was captured.
        bytes: Cow<'a, [u8]>,
        /// Bytes behind them that were sent.
        missing: usize,
    },
    /// Nothing of the stream.
    Other,
    /// The snap length cut it before its payload.
    Cut,
}

/// What a payload's place in the stream is told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// snSourceStart.
    Source(u32),
    /// ChannelSeqNum, of which only these bits are sent.
    Channel(u16),
}

/// uUpStreamMtu and uDownStreamMtu (\[MS-RDPEUDP\] section 2.2.2.5).
const MTU: std::ops::RangeInclusive<u16> = 1132..=1232;

/// RDPUDP_FEC_HEADER's uFlags (\[MS-RDPEUDP\] section 2.2.2.1).
mod flag {
    pub(super) const SYN: u16 = 0x0001;
    pub(super) const ACK: u16 = 0x0004;
    pub(super) const DATA: u16 = 0x0008;
    pub(super) const FEC: u16 = 0x0010;
    pub(super) const ACK_OF_ACKS: u16 = 0x0100;
    pub(super) const SYNLOSSY: u16 = 0x0200;
    pub(super) const CORRELATION_ID: u16 = 0x0800;
    pub(super) const SYNEX: u16 = 0x1000;
    pub(super) const KNOWN: u16 = 0x1fff;
    /// FIN and SACK_OPTION.
    pub(super) const UNUSED: u16 = 0x0082;
    /// What a SYN or its answer may have.
    pub(super) const OPENING: u16 = SYN | ACK | SYNLOSSY | CORRELATION_ID | SYNEX;
}

/// Flags of a packet of version 3 (\[MS-RDPEUDP2\] section 2.2.1.1).
mod flag2 {
    pub(super) const ACK: u16 = 0x001;
    pub(super) const DATA: u16 = 0x004;
    pub(super) const ACKVEC: u16 = 0x008;
    pub(super) const AOA: u16 = 0x010;
    pub(super) const OVERHEADSIZE: u16 = 0x040;
    pub(super) const DELAYACKINFO: u16 = 0x100;
    /// Not in the specification, but set by Windows; no payload comes with it.
    pub(super) const RESERVED: u16 = 0x200;
    pub(super) const KNOWN: u16 =
        ACK | DATA | ACKVEC | AOA | OVERHEADSIZE | DELAYACKINFO | RESERVED;
}

/// Whether `datagram` begins a connection: a SYN or its answer with its padding, or, where these were not captured, a
/// payload that can be nothing but a hello.
#[inline]
pub fn begins(datagram: &[u8], wire_len: usize) -> bool {
    datagram.first_chunk().is_some_and(may_begin) && surely_begins(datagram, wire_len)
}

/// Whether the first eight bytes do not rule it out: most datagrams of other protocols are told here.
#[inline]
fn may_begin([.., high, low]: &[u8; 8]) -> bool {
    let flags = u16::from_be_bytes([*high, *low]);
    if low & 0x0f == 0 {
        *low == 0xe0
    } else if flags & flag::SYN != 0 {
        flags & !flag::OPENING == 0
    } else {
        // Payloads acknowledge as well.
        let fixed = !flag::KNOWN | flag::DATA | flag::ACK | flag::FEC | flag::UNUSED;
        flags & fixed == flag::DATA | flag::ACK
    }
}

fn surely_begins(datagram: &[u8], wire_len: usize) -> bool {
    match Datagram::parse(datagram, wire_len) {
        Some(Datagram::Syn { acknowledges, .. }) => {
            let asks = datagram.starts_with(&[0xff; 4]);
            asks == acknowledges.is_none() && is_padded(datagram)
        }
        Some(Datagram::Payload { bytes, missing, .. }) => {
            is_hello(&bytes) || dtls::beginning(&bytes, bytes.len() + missing).is_some()
        }
        Some(Datagram::Other | Datagram::Cut) | None => false,
    }
}

/// The initial sequence number of who begins a connection with `datagram`.
#[inline]
pub fn beginning(datagram: &[u8], wire_len: usize) -> Option<u32> {
    if !datagram.starts_with(&[0xff; 4]) || !begins(datagram, wire_len) {
        return None;
    }
    match Datagram::parse(datagram, wire_len)? {
        Datagram::Syn { initial, .. } => Some(initial),
        _ => None,
    }
}

/// Whether nothing but zeros follows what a SYN holds. Windows pads it to the MTU, as the specification wants it; others
/// do not.
fn is_padded(datagram: &[u8]) -> bool {
    const SYN_LEN: usize = 16;
    const CORRELATION_ID_LEN: usize = 32;
    const SYNEX_LEN: usize = 4;
    const COOKIE_HASH_LEN: usize = 32;
    let Some([.., high, low]) = datagram.first_chunk::<8>() else {
        return false;
    };
    let flags = u16::from_be_bytes([*high, *low]);
    let mut len = SYN_LEN;
    if flags & flag::CORRELATION_ID != 0 {
        len += CORRELATION_ID_LEN;
    }
    if flags & flag::SYNEX != 0 {
        let version = datagram.get(len + 2..len + SYNEX_LEN);
        len += SYNEX_LEN;
        // Section 2.2.2.9: version 3 in a SYN, not in its answer.
        if version == Some(&[0x01, 0x01]) && flags & flag::ACK == 0 {
            len += COOKIE_HASH_LEN;
        }
    }
    let padding = datagram.get(len..).unwrap_or_default();
    padding.iter().all(|byte| *byte == 0)
}

/// Whether these bytes can be nothing but a record of TLS that begins with a ClientHello or a ServerHello.
fn is_hello(bytes: &[u8]) -> bool {
    let [0x16, 3, 0..=4, r1, r0, 1 | 2, 0, m1, m0, 3, 0..=4, ..] = *bytes else {
        return false;
    };
    let [record, message] = [[r1, r0], [m1, m0]].map(|n| usize::from(u16::from_be_bytes(n)));
    // The message may be cut up into records, and others may follow it in this one.
    message >= 38 && (38..=1 << 14).contains(&record)
}

/// Whether a stream of TLS may begin with these bytes.
pub(super) const fn may_be_hello(bytes: &[u8]) -> bool {
    matches!(bytes, [0x16, 3, 0..=4, _, _, 1 | 2, 0, ..])
}

impl<'a> Datagram<'a> {
    /// `None` where it is no datagram of the protocol.
    pub(super) fn parse(datagram: &'a [u8], wire_len: usize) -> Option<Self> {
        match datagram.get(7)? & 0x0f {
            0 => Self::version_3(datagram, wire_len),
            _ => Self::version_1(datagram, wire_len),
        }
    }

    fn version_1(datagram: &'a [u8], wire_len: usize) -> Option<Self> {
        let mut reader = Reader::new(datagram);
        let source_ack = u32::from_be_bytes(*reader.array("snSourceAck").ok()?);
        reader.take(2, "uReceiveWindowSize").ok()?;
        let flags = u16::from_be_bytes(*reader.array("uFlags").ok()?);
        if flags & !flag::KNOWN != 0 {
            return None;
        }
        if flags & flag::SYN != 0 {
            let initial = u32::from_be_bytes(*reader.array("snInitialSequenceNumber").ok()?);
            let mut mtu = || Some(u16::from_be_bytes(*reader.array("MTU").ok()?));
            let sound = [mtu()?, mtu()?].iter().all(|mtu| MTU.contains(mtu));
            return (sound && flags & !flag::OPENING == 0).then_some(Self::Syn {
                acknowledges: (flags & flag::ACK != 0).then_some(source_ack),
                initial,
                lossy: flags & flag::SYNLOSSY != 0,
            });
        }
        if flags & (flag::DATA | flag::FEC) != flag::DATA {
            return Some(Self::Other);
        }
        let number = (|| {
            if flags & flag::ACK != 0 {
                let size = u16::from_be_bytes(*reader.array("uAckVectorSize").ok()?);
                let behind = (2 + usize::from(size)).next_multiple_of(4) - 2;
                reader.take(behind, "AckVector").ok()?;
            }
            if flags & flag::ACK_OF_ACKS != 0 {
                reader.take(4, "snResetSeqNum").ok()?;
            }
            reader.take(4, "snCoded").ok()?;
            Some(u32::from_be_bytes(*reader.array("snSourceStart").ok()?))
        })();
        match number {
            Some(number) => Some(Self::Payload {
                number: Number::Source(number),
                bytes: Cow::Borrowed(reader.rest()),
                missing: wire_len.saturating_sub(datagram.len()),
            }),
            None => (datagram.len() < wire_len).then_some(Self::Cut),
        }
    }

    fn version_3(datagram: &'a [u8], wire_len: usize) -> Option<Self> {
        let prefix = *datagram.get(7)?;
        let len = match prefix >> 5 {
            // Not said: all of it.
            0 | 7 => wire_len.checked_sub(1)?,
            short => usize::from(short),
        };
        let mut packet = Swapped {
            datagram,
            at: 0,
            len,
        };
        let header = packet.u16()?;
        let flags = header & 0x0fff;
        if flags & !flag2::KNOWN != 0
            || flags & (flag2::KNOWN & !flag2::RESERVED) == 0
            || flags & (flag2::ACK | flag2::ACKVEC) == flag2::ACK | flag2::ACKVEC
        {
            return None;
        }
        // Packet_Type_Index 8: a dummy, whose contents mean nothing.
        if flags & flag2::DATA == 0 || prefix & 0x1e == 0x10 {
            return Some(Self::Other);
        }
        let channel = (|| {
            if flags & flag2::ACK != 0 {
                packet.skip(6);
                let delayed = packet.u8()? & 0x0f;
                packet.skip(delayed.into());
            }
            for (bit, len) in [
                (flag2::OVERHEADSIZE, 1),
                (flag2::DELAYACKINFO, 3),
                (flag2::AOA, 2),
                (flag2::DATA, 2),
            ] {
                packet.skip(if flags & bit != 0 { len } else { 0 });
            }
            if flags & flag2::ACKVEC != 0 {
                packet.skip(2);
                let size = packet.u8()?;
                packet.skip(if size & 0x80 != 0 { 4 } else { 0 });
                packet.skip((size & 0x7f).into());
            }
            packet.u16()
        })();
        match channel {
            Some(channel) => {
                let (bytes, missing) = packet.rest();
                Some(Self::Payload {
                    number: Number::Channel(channel),
                    bytes,
                    missing,
                })
            }
            None => (datagram.len() < wire_len).then_some(Self::Cut),
        }
    }
}

/// A packet of version 3 as it was before its first byte, the prefix, and its eighth were changed about.
struct Swapped<'a> {
    datagram: &'a [u8],
    /// Behind the prefix.
    at: usize,
    /// Without the prefix and what makes it long enough, as on the wire.
    len: usize,
}

impl<'a> Swapped<'a> {
    /// Where the packet's byte that stood behind the prefix and six others is.
    const EIGHTH: usize = 6;

    fn u8(&mut self) -> Option<u8> {
        if self.at >= self.len {
            return None;
        }
        let place = if self.at == Self::EIGHTH {
            0
        } else {
            self.at + 1
        };
        let byte = *self.datagram.get(place)?;
        self.at += 1;
        Some(byte)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.u8()?, self.u8()?]))
    }

    const fn skip(&mut self, len: usize) {
        self.at = self.at.saturating_add(len);
    }

    /// What follows, and how many bytes of it were not captured.
    fn rest(&self) -> (Cow<'a, [u8]>, usize) {
        let end = self.datagram.len().min(self.len.saturating_add(1));
        let from = |at: usize| self.datagram.get(at..end).unwrap_or_default();
        let rest: Cow<'a, [u8]> = if self.at == Self::EIGHTH && self.len > Self::EIGHTH {
            let first = self.datagram.get(..1).unwrap_or_default();
            Cow::Owned([first, from(Self::EIGHTH + 2)].concat())
        } else {
            Cow::Borrowed(from(self.at.saturating_add(1)))
        };
        let missing = self.len.saturating_sub(self.at).saturating_sub(rest.len());
        (rest, missing)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;
    use hex_literal::hex;

    #[test]
    fn the_specifications_datagrams() {
        // [MS-RDPEUDP] section 4.1.2.
        let answer = padded(&hex!("00000042 0400 0005 00000042 04d0 04d0"));
        assert_eq!(
            Datagram::parse(&answer, 1232),
            Some(Datagram::Syn {
                acknowledges: Some(0x42),
                initial: 0x42,
                lossy: false
            })
        );
        // Section 4.2.3.
        let data = hex!("d6cf0ab8 0400 010c  0001 04 00  d6cf0ab8  ec471ae4 ec471ae4  17030300");
        assert_eq!(
            Datagram::parse(&data, data.len() + 3),
            Some(Datagram::Payload {
                number: Number::Source(0xec47_1ae4),
                bytes: Cow::Borrowed(&hex!("17030300")),
                missing: 3
            })
        );
        // [MS-RDPEUDP2] section 3.1.1.1.5.1: a dummy, whose sender left Short_Packet_Length alone.
        let dummy = hex!("73 3035 5678a2 36 10 ee68f2");
        let mut packet = Swapped {
            datagram: &dummy,
            at: 0,
            len: 10,
        };
        let bytes: Vec<u8> = std::iter::from_fn(|| packet.u8()).collect();
        assert_eq!(bytes, hex!("30 35 56 78 a2 36 73 ee 68 f2"));
    }

    #[test]
    fn payloads_of_version_3_behind_each_field() {
        let ack = hex!("6400 010203 01 12 aabb").as_slice();
        let (overhead, delay, aoa, data) = (
            hex!("0a").as_slice(),
            hex!("01f401").as_slice(),
            hex!("6400").as_slice(),
            hex!("6500").as_slice(),
        );
        let vector = hex!("6400 82 010203 05 7f7f").as_slice();
        for (name, flags, fields) in [
            ("nothing else", 0xc004_u16, vec![data]),
            ("ACK with two delayed", 0xc005, vec![ack, data]),
            ("ACKVEC with a time stamp", 0xc00c, vec![data, vector]),
            ("ACKVEC without", 0xc00c, vec![data, &hex!("6400 02 7f7f")]),
            (
                "all but ACKVEC",
                0xc155,
                vec![ack, overhead, delay, aoa, data],
            ),
            ("what Windows sets besides", 0xc314, vec![delay, aoa, data]),
        ] {
            let head = [flags.to_le_bytes().as_slice(), &fields.concat()].concat();
            let want = Datagram::Payload {
                number: Number::Channel(0x0201),
                bytes: Cow::Borrowed(b"payload"),
                missing: 0,
            };
            let datagram = channel(&head, 0x0201, b"payload");
            assert_eq!(
                Datagram::parse(&datagram, datagram.len()),
                Some(want),
                "{name}"
            );
        }
        let other = |prefix, packet: &[u8]| {
            let datagram = wrapped(prefix, packet);
            match Datagram::parse(&datagram, datagram.len()) {
                Some(Datagram::Other) => Some(Datagram::Other),
                Some(told) => panic!("{told:?}"),
                None => None,
            }
        };
        assert_eq!(
            other(0xf0, &hex!("14c0 6400 6600 0000000000")),
            Some(Datagram::Other),
            "a dummy"
        );
        assert_eq!(
            other(0xe0, &hex!("01c0 6400 010203 01 00")),
            Some(Datagram::Other),
            "ACK alone"
        );
        assert_eq!(
            other(0x80, &hex!("10c0 6400 000000")),
            Some(Datagram::Other),
            "a short one"
        );
        assert_eq!(
            other(0xe0, &hex!("09c0 6400 010203 01 00")),
            None,
            "ACK and ACKVEC"
        );
        assert_eq!(
            other(0xe0, &hex!("20c0 6400 010203 01 00")),
            None,
            "a flag that is none"
        );
        assert_eq!(
            other(0x80, &hex!("04c0 6400 0100 00")),
            None,
            "no room for ChannelSeqNum"
        );
    }

    #[test]
    fn only_what_can_be_nothing_else_begins_a_connection() {
        let mut unpadded = syn();
        unpadded[900] = 1;
        let mut other_mtu = syn();
        other_mtu[12] = 5;
        let hello = client_records();
        let lossy_hello = [
            hex!("16 feff 0000 000000000000 0036  01 00002a 0000 000000 00002a  fefd").as_slice(),
            &[7; 32],
            &hex!("00 00 0002 c02f 01 00"),
        ]
        .concat();
        for (name, datagram, want) in [
            ("a SYN", syn(), true),
            ("its answer", syn_ack(), true),
            ("with another padding", unpadded, false),
            ("with an MTU out of range", other_mtu, false),
            ("without padding", syn()[..20].to_vec(), true),
            ("its answer without", syn_ack()[..20].to_vec(), true),
            (
                "with words behind it",
                [&syn()[..20], b"GET /"].concat(),
                false,
            ),
            ("a hello", source(1, &hello), true),
            ("a hello in version 3", channel(&HEAD, 1, &hello), true),
            ("a hello of DTLS", source(1, &lossy_hello), true),
            (
                "application data",
                source(1, &hex!("17 0303 0004 01020304")),
                false,
            ),
            (
                "a hello without a body",
                source(1, &hex!("16 0303 0004 01000000")),
                false,
            ),
            (
                "a dummy",
                wrapped(0xf0, &[HEAD.as_slice(), &hello].concat()),
                false,
            ),
            (
                "an acknowledgement",
                hex!("00000001 0040 0004 0001 00 ff").to_vec(),
                false,
            ),
        ] {
            assert_eq!(begins(&datagram, datagram.len()), want, "{name}");
        }
        // As far as a short snap length lets see.
        assert!(begins(&syn()[..60], 1232));
        assert_eq!(beginning(&syn(), 1232), Some(0x1000_0000));
        assert_eq!(beginning(&syn_ack(), 1232), None);
    }
}
