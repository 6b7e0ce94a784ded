//! The two directions of a connection, from datagrams to handshake messages.

use super::frame::{Frame, frames};
use super::header::{ConnectionId, LongHeader, PacketKind};
use super::keys::{InitialKeys, Opened};
use super::open_first;
use super::version::QuicVersion;
use crate::dispatch::Direction;
use crate::flow::followed::ALLOCATION;
use crate::flow::stream::Assembler;
use crate::framing::tls::{Event, handshake_type};
use crate::hello::version::ProtocolVersion;

/// Reads the Initial packets of one connection.
#[derive(Debug)]
pub struct QuicReader {
    /// Of the attempts so far (Retry and version negotiation begin new ones), the newest last.
    keys: Vec<InitialKeys>,
    client: Option<Direction>,
    /// Of the newest packet that was opened.
    version: Option<QuicVersion>,
    crypto: [CryptoStream; 2],
    /// Initial packets that no key opened yet: the answer may have been captured before the hello.
    waiting: Vec<(Direction, Box<[u8]>)>,
    seen: [Seen; 2],
    closed: Option<(Direction, u64)>,
    /// Packets that no key opened, as far as they were tried.
    failures: u32,
    datagrams: u32,
    max_message_bytes: usize,
}

/// What one direction sent besides what could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Initial packets that were opened.
    pub opened: u32,
    /// Initial packets that were not, although of a version that is read.
    pub sealed: u32,
    /// The version of the last of those.
    pub sealed_version: Option<QuicVersion>,
    /// Initial packets that the snap length cut, so that their tag could not be checked.
    pub cut: bool,
    /// Packets with keys that follow from the hellos.
    pub beyond_hellos: bool,
    /// Retry.
    pub retry: bool,
    /// Version Negotiation.
    pub negotiation: bool,
}

/// The bytes of one direction's CRYPTO frames.
#[derive(Debug, Default)]
struct CryptoStream {
    assembler: Assembler,
    consumed: u64,
    /// Largest packet number.
    largest: Option<u64>,
    /// Datagrams that brought bytes of the message which is due.
    datagrams: u32,
    last_datagram: u32,
    /// It is no TLS, or longer than may be kept.
    ended: bool,
    /// It is no TLS.
    foreign: bool,
    /// A message was read.
    told: bool,
    /// Of the packets that brought its bytes.
    version: Option<QuicVersion>,
}

/// Attempts whose keys are kept: the first, with its compatible version, after Retry, after version negotiation.
const MAX_KEYS: usize = 6;
/// Packets that wait for a key.
const MAX_WAITING: usize = 4;
/// Packets that are tried in vain before the reader gives up decrypting.
const MAX_FAILURES: u32 = 48;
/// CRYPTO bytes of the Initial packets of one direction, far more than any hello.
const MAX_CRYPTO_BYTES: u64 = 1 << 17;

impl QuicReader {
    /// A reader of which nothing is known. Longer messages are passed over.
    pub fn new(max_message_bytes: usize) -> Self {
        Self {
            keys: Vec::new(),
            client: None,
            version: None,
            crypto: Default::default(),
            waiting: Vec::new(),
            seen: [Seen::default(); 2],
            closed: None,
            failures: 0,
            datagrams: 0,
            max_message_bytes,
        }
    }

    /// Who opened the connection, once a packet of the client was decrypted.
    pub const fn client(&self) -> Option<Direction> {
        self.client
    }

    /// The version of the newest Initial packet that was opened.
    pub const fn version(&self) -> Option<QuicVersion> {
        self.version
    }

    /// The connection IDs that the client's attempts began with.
    pub fn beginnings(&self) -> Box<[ConnectionId]> {
        self.keys.iter().map(|keys| keys.id).collect()
    }

    /// What a direction sent.
    pub fn seen(&self, direction: Direction) -> Seen {
        self.seen
            .get(direction.index())
            .copied()
            .unwrap_or_default()
    }

    /// CONNECTION_CLOSE with an error code other than an alert (RFC 9000 section 20.1).
    pub const fn closed(&self) -> Option<(Direction, u64)> {
        self.closed
    }

    /// Bytes that wait for others.
    pub fn held_bytes(&self) -> usize {
        let waiting: usize = self.waiting.iter().map(|(_, packet)| packet.len()).sum();
        // What is contiguous waits too, until its message is whole.
        let crypto = self
            .crypto
            .iter()
            .map(|c| c.assembler.held_bytes() + c.assembler.since(c.consumed).len());
        waiting + crypto.sum::<usize>()
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        let waiting: usize = self.waiting.iter().map(|(_, packet)| packet.len()).sum();
        let crypto = self.crypto.iter().map(|c| c.assembler.memory());
        waiting
            + self.waiting.len() * ALLOCATION
            + self.waiting.capacity() * size_of::<(Direction, Box<[u8]>)>()
            + self.keys.capacity() * size_of::<InitialKeys>()
            + crypto.sum::<usize>()
    }

    /// Whether a direction's handshake bytes have a hole, or a message that is not whole.
    pub fn is_incomplete(&self, direction: Direction) -> bool {
        self.crypto.get(direction.index()).is_some_and(|c| {
            let waits = c.assembler.has_hole() || c.ended || c.assembler.next() > c.consumed;
            waits && !c.foreign
        })
    }

    /// CRYPTO bytes that later copies contradict.
    pub fn conflicting(&self) -> u64 {
        self.crypto.iter().map(|c| c.assembler.conflicting()).sum()
    }

    /// Lets go of what waits.
    pub fn release(&mut self) {
        self.waiting = Vec::new();
        for crypto in &mut self.crypto {
            crypto.ended |=
                crypto.assembler.has_hole() || crypto.assembler.next() > crypto.consumed;
            crypto.assembler.release();
        }
    }

    /// Takes a datagram of `direction`, of which `wire_len` bytes were sent, and tells `sink` what it found, with the
    /// number of datagrams that brought it.
    pub fn datagram(
        &mut self,
        direction: Direction,
        datagram: &[u8],
        wire_len: usize,
        sink: &mut impl FnMut(Direction, Event<'_>, u32),
    ) {
        self.datagrams = self.datagrams.saturating_add(1);
        let (mut rest, mut wire_left) = (datagram, wire_len);
        // RFC 9000 section 12.2: several packets in one datagram.
        while let Some((header, behind)) = LongHeader::parse(rest, wire_left) {
            match header.kind {
                PacketKind::VersionNegotiation => self.of(direction).negotiation = true,
                _ if !header.version.is_plausible() => return,
                PacketKind::Initial => self.initial(direction, &header, sink),
                PacketKind::Retry => self.of(direction).retry = true,
                PacketKind::Handshake => self.beyond_hellos(direction, sink),
                PacketKind::ZeroRtt => {}
            }
            wire_left = wire_left.saturating_sub(rest.len() - behind.len());
            rest = behind;
        }
        // RFC 9000 section 17.3: a short header, only behind the hellos.
        if rest.first().is_some_and(|first| first & 0xc0 == 0x40) {
            self.beyond_hellos(direction, sink);
        }
    }

    fn beyond_hellos(
        &mut self,
        direction: Direction,
        sink: &mut impl FnMut(Direction, Event<'_>, u32),
    ) {
        let seen = self.of(direction);
        if !std::mem::replace(&mut seen.beyond_hellos, true) {
            let version = ProtocolVersion::TLS_1_3;
            sink(direction, Event::ApplicationData { version }, 1);
        }
    }

    fn initial(
        &mut self,
        direction: Direction,
        header: &LongHeader<'_>,
        sink: &mut impl FnMut(Direction, Event<'_>, u32),
    ) {
        if header.cut > 0 {
            let seen = self.of(direction);
            seen.cut = true;
            seen.sealed_version = Some(header.version);
            return;
        }
        if let Some(opened) = self.open(direction, header) {
            self.frames(direction, &opened, header.version, sink);
            return;
        }
        let version = header.version;
        let begins = self.begin(direction, header);
        if let Some(opened) = begins {
            self.frames(direction, &opened, version, sink);
            for (direction, packet) in std::mem::take(&mut self.waiting) {
                let Some((header, _)) = LongHeader::parse(&packet, packet.len()) else {
                    continue;
                };
                match self.open(direction, &header) {
                    Some(opened) => {
                        let seen = self.of(direction);
                        seen.sealed = seen.sealed.saturating_sub(1);
                        self.frames(direction, &opened, header.version, sink);
                    }
                    // It may answer an attempt that is still to come.
                    None => self.waiting.push((direction, packet)),
                }
            }
            return;
        }
        let seen = self.of(direction);
        seen.sealed = seen.sealed.saturating_add(1);
        seen.sealed_version = Some(version);
        // An answer may overtake the hello, also the one that Retry asked for.
        let answered = self.crypto.get(direction.index()).is_some_and(|c| c.told);
        if self.waiting.len() < MAX_WAITING && self.client != Some(direction) && !answered {
            self.waiting.push((direction, header.packet.into()));
        }
    }

    /// Opens a packet with the keys of an attempt that is known.
    fn open(&mut self, direction: Direction, header: &LongHeader<'_>) -> Option<Opened> {
        if self.failures >= MAX_FAILURES {
            return None;
        }
        let client = self.client?;
        let largest = self.crypto.get(direction.index())?.largest;
        // RFC 9368 section 2.3: the server may answer in another version that is compatible; keys then hang on the
        // same connection ID and the other version's salt.
        if !self.keys.iter().any(|k| k.version == header.version)
            && self.keys.len() < MAX_KEYS
            && let (Some(newest), [salt]) = (self.keys.last(), header.version.salts())
            && let Some(keys) = InitialKeys::derive(header.version, salt, newest.id)
        {
            self.keys.insert(0, keys);
            if direction == client {
                self.forget_refusals();
            }
        }
        let fitting = self
            .keys
            .iter()
            .rev()
            .filter(|k| k.version == header.version);
        for keys in fitting {
            let keys = if direction == client {
                &keys.client
            } else {
                &keys.server
            };
            if let Some(opened) = keys.open(header, largest) {
                return Some(opened);
            }
            self.failures = self.failures.saturating_add(1);
        }
        None
    }

    /// Opens a packet that begins an attempt: a client's, with the keys that hang on its own Destination Connection ID.
    /// So is the first one, the first after Retry (RFC 9001 section 5.2), and the first after version negotiation.
    fn begin(&mut self, direction: Direction, header: &LongHeader<'_>) -> Option<Opened> {
        let is_server = self.client.is_some_and(|client| client != direction);
        let id = header.destination;
        let known = |k: &InitialKeys| k.id == id && k.version == header.version;
        if is_server || self.failures >= MAX_FAILURES || self.keys.iter().any(known) {
            return None;
        }
        let Some((keys, opened)) = open_first(header) else {
            self.failures = self.failures.saturating_add(1);
            return None;
        };
        self.client = Some(direction);
        self.forget_refusals();
        if self.keys.len() >= MAX_KEYS {
            self.keys.remove(0);
        }
        self.keys.push(keys);
        // Bytes of two attempts must never be put together: their hellos may differ.
        for crypto in &mut self.crypto {
            *crypto = CryptoStream::default();
        }
        Some(opened)
    }

    /// The client tries again: Retry and Version Negotiation had their effect.
    fn forget_refusals(&mut self) {
        for seen in &mut self.seen {
            (seen.retry, seen.negotiation) = (false, false);
        }
    }

    fn frames(
        &mut self,
        direction: Direction,
        opened: &Opened,
        version: QuicVersion,
        sink: &mut impl FnMut(Direction, Event<'_>, u32),
    ) {
        self.version = Some(version);
        let seen = self.of(direction);
        seen.opened = seen.opened.saturating_add(1);
        let (datagram, max_message_bytes) = (self.datagrams, self.max_message_bytes);
        let is_client = self.client == Some(direction);
        let Some(crypto) = self.crypto.get_mut(direction.index()) else {
            return;
        };
        // After version negotiation another hello may come under the same connection ID.
        if crypto.version.replace(version) != Some(version) && !crypto.told {
            *crypto = CryptoStream {
                version: Some(version),
                ..CryptoStream::default()
            };
        }
        crypto.largest = crypto.largest.max(Some(opened.number));
        for frame in frames(&opened.frames, version) {
            match frame {
                Frame::Crypto { offset, bytes } => crypto.insert(offset, bytes, datagram),
                Frame::ConnectionClose(code) => {
                    // RFC 9001 section 4.8: an alert is the error code 0x0100 and its description.
                    match u8::try_from(code.wrapping_sub(0x0100)) {
                        Ok(description) => {
                            let level = 2;
                            sink(direction, Event::Alert { level, description }, 1);
                        }
                        Err(_) => {
                            self.closed.get_or_insert((direction, code));
                        }
                    }
                }
            }
        }
        crypto.messages(is_client, max_message_bytes, &mut |event, datagrams| {
            sink(direction, event, datagrams);
        });
    }

    fn of(&mut self, direction: Direction) -> &mut Seen {
        let [up, down] = &mut self.seen;
        match direction {
            Direction::Up => up,
            Direction::Down => down,
        }
    }
}

impl CryptoStream {
    fn insert(&mut self, offset: u64, bytes: &[u8], datagram: u32) {
        let len = bytes.len() as u64;
        if self.ended || offset.saturating_add(len) > MAX_CRYPTO_BYTES {
            return;
        }
        if self.last_datagram != datagram {
            self.last_datagram = datagram;
            self.datagrams = self.datagrams.saturating_add(1);
        }
        self.assembler.insert(offset, bytes, len);
        while self.assembler.pop().is_some() {}
        if self.assembler.is_over(1 << 17) {
            self.ended = true;
        }
    }

    /// RFC 9001 section 4.1.3: handshake messages stand in CRYPTO frames without records around them.
    fn messages(
        &mut self,
        is_client: bool,
        max_message_bytes: usize,
        sink: &mut impl FnMut(Event<'_>, u32),
    ) {
        while !self.ended {
            let bytes = self.assembler.since(self.consumed);
            let Some(([kind, a, b, c], rest)) = bytes.split_first_chunk::<4>() else {
                return;
            };
            let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let due = if is_client {
                handshake_type::CLIENT_HELLO
            } else {
                handshake_type::SERVER_HELLO
            };
            // Google's own handshake comes in the same frames.
            if !self.told && *kind != due {
                self.ended = true;
                self.foreign = true;
                return;
            }
            if len > max_message_bytes {
                self.ended = true;
                sink(Event::HandshakeLost(Some(*kind)), self.datagrams);
                return;
            }
            let Some(body) = rest.get(..len) else { return };
            let record_version = ProtocolVersion::TLS_1_2;
            let event = Event::Handshake {
                kind: *kind,
                body,
                record_version,
            };
            sink(event, self.datagrams.max(1));
            self.told = true;
            self.datagrams = 0;
            self.consumed += 4 + len as u64;
        }
    }
}

/// The name of a transport error (RFC 9000 section 20.1), for records.
pub const fn transport_error(code: u64) -> &'static str {
    match code {
        0x00 => "quic no_error",
        0x01 => "quic internal_error",
        0x02 => "quic connection_refused",
        0x03 => "quic flow_control_error",
        0x08 => "quic transport_parameter_error",
        0x0a => "quic protocol_violation",
        0x0b => "quic invalid_token",
        0x0c => "quic application_error",
        0x0d => "quic crypto_buffer_exceeded",
        0x11 => "quic version_negotiation_error",
        _ => "quic connection close",
    }
}
