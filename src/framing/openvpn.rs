//! OpenVPN's control channel, where it is not encrypted: TLS records cut up into numbered packets.
//!
//! ```text
//! opcode 5, key id 3
//! session id 64
//! [ HMAC 128..512, packet id 32, time 32 ]        with --tls-auth
//! acknowledgements n 8, [ n times packet id 32, the peer's session id 64 ]
//! packet id 32, payload                           not in P_ACK_V1
//! ```
//! (doc/doxygen/doc_protocol_overview.h of OpenVPN.) With --tls-crypt all behind the session id is encrypted: nothing
//! of it is told.

use super::numbered::Numbered;
use super::tls::{Event, Progress, TlsReader};
use crate::hello::wire::Reader;

/// How long the HMAC is; 0 where there is none. It cannot be told from a packet by itself, so every length is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    hmac_len: usize,
}

/// Reads one direction of a control channel.
#[derive(Debug)]
pub struct OpenVpnReader {
    packets: Ordered,
    tls: TlsReader,
    /// What of the records is still needed.
    bytes: Vec<u8>,
    /// It is not followed any more.
    off: bool,
    cut: bool,
}

/// Puts packets in order.
#[derive(Debug)]
struct Ordered {
    layout: Layout,
    session: Option<[u8; 8]>,
    /// By packet id.
    payloads: Numbered,
}

/// Where a stream over TCP begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// With a packet of this layout.
    OpenVpn(Layout),
    /// Perhaps with one; more bytes will tell.
    Maybe,
    /// With something else.
    Other,
}

/// Packets that wait for others; OpenVPN sends at most 8, later 12, ahead.
const MAX_HELD: usize = 24;
/// Of records that are not whole yet.
const MAX_BYTES: usize = 64 << 10;
/// Of a packet's head, with the longest digest, eight acknowledgements and the length in front.
pub const MAX_HEAD_LEN: usize = 2 + 1 + 8 + (64 + 8) + 1 + (8 * 4 + 8) + 4;
/// Digests that --auth may name: none, MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512.
const HMAC_LENS: [usize; 7] = [0, 20, 32, 64, 16, 28, 48];

const HARD_RESET_CLIENT_V1: u8 = 1;
const HARD_RESET_SERVER_V1: u8 = 2;
const CONTROL_V1: u8 = 4;
const ACK_V1: u8 = 5;
const HARD_RESET_CLIENT_V2: u8 = 7;
const HARD_RESET_SERVER_V2: u8 = 8;

/// How `packet` is laid out, if it begins a session: a reset, whole to its last byte, or a control packet with the
/// beginning of a TLS hello.
#[inline]
pub fn layout_of(packet: &[u8], wire_len: usize) -> Option<Layout> {
    let first = *packet.first()?;
    // A session begins with key 0.
    if first & 7 != 0 || packet.len() != wire_len {
        return None;
    }
    let opcode = first >> 3;
    let sound = |parsed: &Packet<'_>| match opcode {
        // RESET packets carry nothing and have the first number.
        HARD_RESET_CLIENT_V1 | HARD_RESET_CLIENT_V2 => {
            parsed.acknowledged == 0 && parsed.id == Some(0) && parsed.payload.is_empty()
        }
        HARD_RESET_SERVER_V1 | HARD_RESET_SERVER_V2 => {
            parsed.acknowledged <= 1 && parsed.id == Some(0) && parsed.payload.is_empty()
        }
        CONTROL_V1 => matches!(parsed.payload, [0x16, 3, 0..=4, _, _, 1 | 2, 0, ..]),
        _ => false,
    };
    if !matches!(opcode, 1 | 2 | 4 | 7 | 8) {
        return None;
    }
    HMAC_LENS
        .into_iter()
        .map(|hmac_len| Layout { hmac_len })
        .find(|layout| Packet::parse(packet, *layout).is_some_and(|parsed| sound(&parsed)))
}

/// Whether a stream over TCP begins with a packet of a control channel.
pub fn begins(stream: &[u8]) -> Begin {
    let Some(([high, low], rest)) = stream.split_first_chunk() else {
        return if stream.is_empty() || stream == [0] {
            Begin::Maybe
        } else {
            Begin::Other
        };
    };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    let may = rest
        .first()
        .is_none_or(|first| matches!(first >> 3, 1 | 2 | CONTROL_V1 | 7 | 8) && first & 7 == 0);
    if !may || !(14..=2048).contains(&len) {
        return Begin::Other;
    }
    match rest.get(..len) {
        None => Begin::Maybe,
        Some(packet) => layout_of(packet, len).map_or(Begin::Other, Begin::OpenVpn),
    }
}

/// The packet in a stream over TCP whose payload begins at `at` with a hello of TLS: where it begins. Where the stream's
/// own beginning was not captured, its records must not be taken for bare ones: other packets lie between their parts.
pub fn around(stream: &[u8], at: usize) -> Option<(usize, Layout)> {
    let from = at.saturating_sub(MAX_HEAD_LEN);
    (from..at).find_map(|begin| {
        let rest = stream.get(begin..)?;
        let Begin::OpenVpn(layout) = begins(rest) else {
            return None;
        };
        let ([high, low], rest) = rest.split_first_chunk()?;
        let packet = rest.get(..usize::from(u16::from_be_bytes([*high, *low])))?;
        let head_len = packet.len() - Packet::parse(packet, layout)?.payload.len();
        (begin + 2 + head_len == at).then_some((begin, layout))
    })
}

/// A packet of the control channel.
#[derive(Clone, Copy, Debug)]
struct Packet<'a> {
    session: [u8; 8],
    acknowledged: u8,
    /// `None` in P_ACK_V1.
    id: Option<u32>,
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    fn parse(packet: &'a [u8], layout: Layout) -> Option<Self> {
        let mut reader = Reader::new(packet);
        let opcode = reader.u8("opcode").ok()? >> 3;
        let session = *reader.array::<8>("session id").ok()?;
        if layout.hmac_len > 0 {
            reader.take(layout.hmac_len + 8, "HMAC").ok()?;
        }
        let acknowledged = reader.u8("acknowledgements").ok()?;
        if acknowledged > 8 {
            return None;
        }
        if acknowledged > 0 {
            reader
                .take(usize::from(acknowledged) * 4 + 8, "acknowledgements")
                .ok()?;
        }
        let id = match opcode {
            ACK_V1 => None,
            _ => Some(u32::from_be_bytes(*reader.array("packet id").ok()?)),
        };
        Some(Self {
            session,
            acknowledged,
            id,
            payload: reader.rest(),
        })
    }
}

impl OpenVpnReader {
    /// A reader of packets of this layout. Longer handshake messages are passed over.
    pub const fn new(layout: Layout, max_message_len: usize) -> Self {
        Self {
            packets: Ordered::new(layout),
            tls: TlsReader::new(max_message_len),
            bytes: Vec::new(),
            off: false,
            cut: false,
        }
    }

    /// Takes a packet and tells `sink` what TLS said in it. `false` where what it carries is not TLS.
    pub fn packet(
        &mut self,
        packet: &[u8],
        wire_len: usize,
        sink: &mut impl FnMut(Event<'_>),
    ) -> bool {
        if packet.len() < wire_len && packet.first().is_some_and(|first| first >> 3 == CONTROL_V1) {
            // The rest is missing, and nothing else will bring it but a copy that is as short.
            if !self.off {
                self.tls.gap(1, sink);
                self.cut = true;
            }
            self.stop();
        }
        let Self {
            packets,
            tls,
            bytes,
            off,
            cut: _,
        } = self;
        let mut sound = true;
        if !*off {
            packets.packet(packet, &mut |payload| {
                bytes.extend_from_slice(payload);
                let mut at = 0;
                sound &= tls.read(bytes, &mut at, sink) == Progress::Wait;
                bytes.drain(..at.min(bytes.len()));
                sound &= bytes.len() <= MAX_BYTES;
            });
        }
        if !sound {
            self.stop();
        }
        sound
    }

    /// Takes the whole packets at the beginning of a stream's `bytes` and moves `at` behind them: over TCP each has its
    /// length in two bytes in front.
    pub fn stream(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        sink: &mut impl FnMut(Event<'_>),
    ) -> bool {
        let mut sound = true;
        while let Some(([high, low], rest)) =
            bytes.get(*at..).and_then(|rest| rest.split_first_chunk())
            && let len = usize::from(u16::from_be_bytes([*high, *low]))
            && let Some(packet) = rest.get(..len)
        {
            *at += 2 + len;
            sound &= self.packet(packet, len, sink);
        }
        sound
    }

    /// No more packets: what waits for others has lost them.
    pub fn finish(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if self.packets.payloads.is_incomplete() && !self.off {
            self.tls.gap(1, sink);
        }
    }

    /// Lets go of everything.
    pub fn stop(&mut self) {
        self.off = true;
        self.bytes = Vec::new();
        self.packets.payloads.release();
    }

    /// Bytes that wait for others.
    pub fn held_bytes(&self) -> usize {
        self.bytes.len() + self.packets.payloads.held_bytes()
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        self.tls.memory() + self.bytes.capacity() + self.packets.payloads.memory()
    }

    /// Whether the snap length cut a packet.
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// Whether packets are missing, or are not read.
    pub const fn is_incomplete(&self) -> bool {
        self.off || self.packets.payloads.is_incomplete()
    }
}

impl Ordered {
    const fn new(layout: Layout) -> Self {
        Self {
            layout,
            session: None,
            payloads: Numbered::new(MAX_HELD, MAX_BYTES),
        }
    }

    /// Takes a packet, and tells `sink` the payloads of the control channel in their order.
    fn packet(&mut self, packet: &[u8], sink: &mut impl FnMut(&[u8])) {
        let Some(first) = packet.first() else { return };
        let (opcode, key) = (first >> 3, first & 7);
        // A later key is another handshake, with keys known to the first.
        if key != 0 || !matches!(opcode, 1 | 2 | CONTROL_V1 | 7 | 8) {
            return;
        }
        let Some(parsed) = Packet::parse(packet, self.layout) else {
            return;
        };
        let Some(id) = parsed.id else { return };
        if *self.session.get_or_insert(parsed.session) != parsed.session {
            return;
        }
        // The reset has the number 0; a session joined behind it begins with its hello.
        self.payloads.begin(match opcode {
            CONTROL_V1 if !matches!(parsed.payload, [0x16, 3, ..]) => 1,
            _ => id,
        });
        self.payloads
            .piece(id, parsed.payload, 0, &mut |payload, _| sink(payload));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;
    use proptest::prelude::*;

    #[test]
    fn tells_the_layout_from_resets_and_hellos() {
        let layout = |hmac_len| Some(Layout { hmac_len });
        for (name, packet, want) in [
            (
                "client's reset",
                hex!("38 0102030405060708 00 00000000").to_vec(),
                layout(0),
            ),
            (
                "server's, with SHA-1",
                [
                    hex!("40 0102030405060708").as_slice(),
                    &[0xaa; 20],
                    &hex!("00000001 5f000000  01 00000000 1112131415161718 00000000"),
                ]
                .concat(),
                layout(20),
            ),
            (
                "a ClientHello",
                hex!("20 0102030405060708 00 00000001 16 0301 00fa 01 00").to_vec(),
                layout(0),
            ),
            (
                "--tls-crypt",
                [
                    hex!("38 0102030405060708 00000001 5f000000").as_slice(),
                    &[0xaa; 37],
                ]
                .concat(),
                None,
            ),
            ("DNS", hex!("38 00 0100 0001 0000 0000 0000").to_vec(), None),
        ] {
            assert_eq!(layout_of(&packet, packet.len()), want, "{name}");
        }
    }

    #[test]
    fn puts_packets_in_order() {
        let packet = |id: u8, payload: &[u8]| {
            let head = hex!("20 0102030405060708 00 000000");
            [head.as_slice(), &[id], payload].concat()
        };
        let mut reader = Ordered::new(Layout { hmac_len: 0 });
        let mut bytes = Vec::new();
        let reset = hex!("38 0102030405060708 00 00000000");
        for packet in [
            reset.to_vec(),
            packet(3, b"ef"),
            packet(1, b"ab"),
            packet(1, b"ab"),
            packet(2, b"cd"),
        ] {
            reader.packet(&packet, &mut |payload| bytes.extend_from_slice(payload));
        }
        assert_eq!(
            (bytes.as_slice(), reader.payloads.is_incomplete()),
            (b"abcdef".as_slice(), false)
        );
    }

    #[test]
    fn a_stream_has_lengths_in_front() {
        let reset = hex!("000e 38 0102030405060708 00 00000000");
        let alert = hex!("0015 20 0102030405060708 00 00000001 15 0301 0002 0228");
        let begin = Begin::OpenVpn(Layout { hmac_len: 0 });
        assert_eq!(begins(&reset), begin);
        assert_eq!(begins(&reset[..9]), Begin::Maybe);
        assert_eq!(begins(b"GET / HTTP/1.1"), Begin::Other);
        let stream = [reset.as_slice(), &alert].concat();
        let mut reader = OpenVpnReader::new(Layout { hmac_len: 0 }, 64);
        let (mut at, mut seen) = (0, Vec::new());
        for end in 0..=stream.len() {
            reader.stream(&stream[..end], &mut at, &mut |e| {
                seen.push(format!("{e:?}"))
            });
        }
        assert_eq!(seen, ["Alert { level: 2, description: 40 }"]);
    }

    #[test]
    fn finds_the_packet_around_a_hello() {
        let head = hex!("0033 20 0102030405060708 01 00000000 1112131415161718 00000001");
        let hello = hex!("16 0301 00fa 02 0000f6 0303 0000000000000000000000000000");
        let more = hex!("0012 20 0102030405060708 00 00000002 aabbccdd");
        let stream = [b"..".as_slice(), &head, &hello, &more].concat();
        let found = Some((2, Layout { hmac_len: 0 }));
        let at = 2 + head.len();
        assert_eq!(around(&stream, at), found);
        assert_eq!(around(&stream[..at + hello.len()], at), found);
        assert_eq!(around(&stream, at + 1), None);
        assert_eq!(around(&stream[at..], 0), None);
        assert_eq!(
            around(&[b"250 go ahead\r\n", hello.as_slice()].concat(), 14),
            None
        );
    }

    proptest! {
        #[test]
        fn nothing_from_the_wire_panics(bytes: Vec<u8>, wire_len: usize, hmac_len in 0_usize..70) {
            let _ = layout_of(&bytes, bytes.len());
            let mut reader = OpenVpnReader::new(Layout { hmac_len }, 64);
            reader.packet(&bytes, wire_len, &mut |_| {});
            let _ = (begins(&bytes), around(&bytes, wire_len));
            let mut at = 0;
            reader.stream(&bytes, &mut at, &mut |_| {});
            prop_assert!(at <= bytes.len());
        }
    }
}
