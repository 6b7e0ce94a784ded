//! DTLS records and the handshake messages that are cut up into them, from 1.0 to 1.3 (RFC 6347, RFC 9147).
//!
//! In: the datagrams of one direction, in any order, some of them twice. Out: what TLS tells, message by message.

use super::tls::{Event, handshake_type};
use crate::flow::followed::ALLOCATION;
use crate::flow::stream::{Assembler, Piece};
use crate::hello::version::ProtocolVersion;

/// Reads one direction's datagrams.
#[derive(Debug)]
pub struct DtlsReader {
    /// Messages of which fragments are missing.
    parts: Vec<Part>,
    /// Whole messages that came before this direction's hello.
    early: Vec<(u8, Box<[u8]>, ProtocolVersion)>,
    /// A bit for each message_seq below 64 that was told: retransmissions are passed over.
    told: u64,
    hello: bool,
    /// Of the first ClientHello; see [`beginning`].
    random: Option<u64>,
    verify_request: bool,
    /// A message that only follows hellos was seen.
    later: bool,
    run: Run,
    max_message_bytes: usize,
}

/// A handshake message that is being put together.
#[derive(Debug)]
struct Part {
    kind: u8,
    message_seq: u16,
    len: u32,
    datagrams: u32,
    assembler: Assembler,
    cut: bool,
}

/// Records of application data, one after the other, of a connection whose handshake was not captured.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    records: u32,
    version: ProtocolVersion,
    sequence: u64,
}

/// A record in the clear, or the header of one that is not.
///
/// ```text
/// struct {                       RFC 9147 section 4, RFC 6347 section 4.1
///     ContentType type;
///     ProtocolVersion legacy_record_version;
///     uint16 epoch;
///     uint48 sequence_number;
///     uint16 length;
///     opaque fragment[length];
/// } DTLSPlaintext;
/// ```
#[derive(Clone, Copy, Debug)]
struct Record<'a> {
    content: u8,
    version: ProtocolVersion,
    epoch: u16,
    sequence: u64,
    /// As far as it was captured.
    fragment: &'a [u8],
    len: usize,
}

/// A fragment of a handshake message.
///
/// ```text
/// struct {                       RFC 9147 section 5.2
///     HandshakeType msg_type;
///     uint24 length;
///     uint16 message_seq;
///     uint24 fragment_offset;
///     uint24 fragment_length;
///     opaque body[fragment_length];
/// } DTLSHandshake;
/// ```
#[derive(Clone, Copy, Debug)]
struct Fragment<'a> {
    kind: u8,
    len: u32,
    message_seq: u16,
    offset: u32,
    /// As far as it was captured.
    body: &'a [u8],
    body_len: u32,
}

/// Messages of one direction that are put together at the same time.
const MAX_PARTS: usize = 16;
/// Messages that wait for the hello.
const MAX_EARLY: usize = 8;
/// Records of application data that tell the version of a joined connection.
const RUN_ENOUGH: u32 = 4;
/// DTLSPlaintext and what protection may add (RFC 6347 section 4.1).
const MAX_RECORD_LEN: usize = (1 << 14) + 2048;
const HEADER_LEN: usize = 13;

/// HelloVerifyRequest (RFC 6347 section 4.2.1).
const HELLO_VERIFY_REQUEST: u8 = 3;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const TLS12_CID: u8 = 25;

/// Whether `datagram` holds DTLS records to its last byte, the first of them a handshake message in the clear, an
/// alert, or application data.
#[inline]
pub fn is_plausible(datagram: &[u8], wire_len: usize) -> bool {
    let [first @ ALERT..=APPLICATION_DATA, 0xfe | 0x01, ..] = *datagram else {
        return false;
    };
    let Some((record, mut rest)) = Record::parse(datagram, wire_len) else {
        return false;
    };
    let mut wire_left = wire_len.saturating_sub(HEADER_LEN + record.len);
    let sound = match (first, record.epoch) {
        (HANDSHAKE, 0) => Fragment::parse(record.fragment, record.len).is_some_and(|(f, _)| {
            // What a handshake in the clear consists of.
            matches!(f.kind, 0..=4 | 8 | 11..=16 | 22)
        }),
        (ALERT, 0) => matches!(record.fragment, [1 | 2, _]),
        (APPLICATION_DATA, 1..=16) => record.len > 16,
        _ => false,
    };
    // What follows is a record too, or what a snap length left of one, or encrypted with DTLS 1.3's short header.
    while sound && !rest.is_empty() {
        match Record::parse(rest, wire_left) {
            Some((record, behind)) => {
                wire_left = wire_left.saturating_sub(HEADER_LEN + record.len);
                rest = behind;
            }
            None => return rest.len() < HEADER_LEN.min(wire_left) || is_unified(rest),
        }
    }
    sound
}

/// Whether a DTLSCiphertext begins here: `001CSLEE` (RFC 9147 section 4).
fn is_unified(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first & 0xe0 == 0x20)
}

/// The random of the ClientHello that `datagram` begins an association with, without its first four bytes, which used
/// to be the time; as far as it needs to tell one from another.
pub fn beginning(datagram: &[u8], wire_len: usize) -> Option<u64> {
    let (record, _) = Record::parse(datagram, wire_len)?;
    if (record.content, record.epoch) != (HANDSHAKE, 0) {
        return None;
    }
    let (fragment, _) = Fragment::parse(record.fragment, record.len)?;
    let first = (fragment.kind, fragment.message_seq, fragment.offset);
    if first != (handshake_type::CLIENT_HELLO, 0, 0) {
        return None;
    }
    random_of(fragment.body)
}

fn random_of(client_hello: &[u8]) -> Option<u64> {
    let random = client_hello.get(6..)?.first_chunk()?;
    Some(u64::from_be_bytes(*random))
}

impl DtlsReader {
    /// A reader of which nothing is known. Longer messages are passed over.
    pub fn new(max_message_bytes: usize) -> Self {
        Self {
            parts: Vec::new(),
            early: Vec::new(),
            told: 0,
            hello: false,
            random: None,
            verify_request: false,
            later: false,
            run: Run::default(),
            max_message_bytes,
        }
    }

    /// Whether the server asked for a cookie.
    pub const fn asked_for_cookie(&self) -> bool {
        self.verify_request
    }

    /// The random of the first ClientHello, as [`beginning`] gives it.
    pub const fn random(&self) -> Option<u64> {
        self.random
    }

    /// Whether a second hello was sent: with the cookie that was asked for.
    pub const fn repeated_hello(&self) -> bool {
        self.hello && self.told & 0b10 != 0
    }

    /// Whether messages were sent that only follow hellos.
    pub const fn went_on(&self) -> bool {
        self.later
    }

    /// Bytes that wait for others.
    pub fn held_bytes(&self) -> usize {
        let parts: usize = self.parts.iter().map(Part::bytes).sum();
        parts + self.early.iter().map(|(_, m, _)| m.len()).sum::<usize>()
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        let parts: usize = self.parts.iter().map(|p| p.assembler.memory()).sum();
        let early = self.early.iter().map(|(_, m, _)| m.len() + ALLOCATION);
        parts
            + self.parts.capacity() * size_of::<Part>()
            + early.sum::<usize>()
            + self.early.capacity() * size_of::<(u8, Box<[u8]>, ProtocolVersion)>()
    }

    /// The version of the application data of a connection whose handshake was not captured. DTLS 1.3 has another
    /// header for it, so the version is exact.
    pub fn record_layer_version(&self) -> Option<ProtocolVersion> {
        (self.run.records >= RUN_ENOUGH && !self.hello).then_some(self.run.version)
    }

    /// Takes a datagram, of which `wire_len` bytes were sent, and tells `sink` what it found, with the number of
    /// datagrams that brought it.
    pub fn datagram(
        &mut self,
        datagram: &[u8],
        wire_len: usize,
        sink: &mut impl FnMut(Event<'_>, u32),
    ) {
        let (mut rest, mut wire_left) = (datagram, wire_len);
        loop {
            if is_unified(rest) {
                let version = ProtocolVersion::DTLS_1_3;
                sink(Event::ApplicationData { version }, 1);
                return;
            }
            let Some((record, behind)) = Record::parse(rest, wire_left) else {
                return;
            };
            wire_left = wire_left.saturating_sub(HEADER_LEN + record.len);
            rest = behind;
            match (record.content, record.epoch) {
                (HANDSHAKE, 0) => self.handshake(&record, sink),
                (HANDSHAKE, _) => sink(Event::Encrypted, 1),
                (CHANGE_CIPHER_SPEC, _) => sink(Event::ChangeCipherSpec, 1),
                (ALERT, 0) => {
                    if let [level @ (1 | 2), description] = *record.fragment {
                        sink(Event::Alert { level, description }, 1);
                    }
                }
                (APPLICATION_DATA, 1..) => {
                    self.run.record(&record);
                    let version = record.version;
                    sink(Event::ApplicationData { version }, 1);
                }
                // RFC 9146 section 4: a connection ID of unknown length stands before the record's length.
                (TLS12_CID, _) => {
                    let version = record.version;
                    sink(Event::ApplicationData { version }, 1);
                    return;
                }
                _ => {}
            }
        }
    }

    /// No more datagrams: what is not whole is told as lost.
    pub fn finish(&mut self, sink: &mut impl FnMut(Event<'_>, u32)) {
        for part in std::mem::take(&mut self.parts) {
            sink(Event::HandshakeLost(Some(part.kind)), part.datagrams);
        }
        self.tell_early(sink);
        // Numbers that are missing between those of messages that were told.
        if self.hello
            && self
                .told
                .checked_shr(self.told.trailing_zeros())
                .is_some_and(|told| told & told.wrapping_add(1) != 0)
        {
            sink(Event::HandshakeLost(None), 1);
        }
    }

    /// Whether fragments of a message are missing.
    pub const fn is_waiting(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Whether the snap length cut a message that is not whole.
    pub fn is_cut(&self) -> bool {
        self.parts.iter().any(|part| part.cut)
    }

    /// Lets go of what waits. What comes of it later is a message that lost bytes.
    pub fn release(&mut self) {
        for part in &mut self.parts {
            part.assembler = Assembler::default();
        }
        self.early = Vec::new();
    }

    /// Several messages may stand in one record.
    fn handshake(&mut self, record: &Record<'_>, sink: &mut impl FnMut(Event<'_>, u32)) {
        let (mut rest, mut wire_left) = (record.fragment, record.len);
        while let Some((fragment, behind)) = Fragment::parse(rest, wire_left) {
            wire_left = wire_left.saturating_sub(rest.len() - behind.len());
            rest = behind;
            self.fragment(&fragment, record.version, sink);
        }
    }

    fn fragment(
        &mut self,
        fragment: &Fragment<'_>,
        version: ProtocolVersion,
        sink: &mut impl FnMut(Event<'_>, u32),
    ) {
        let bit = 1_u64
            .checked_shl(fragment.message_seq.into())
            .unwrap_or_default();
        if self.told & bit != 0 {
            return;
        }
        if fragment.len as usize > self.max_message_bytes {
            self.told |= bit;
            sink(Event::HandshakeLost(Some(fragment.kind)), 1);
            return;
        }
        let whole = fragment.body.len() == fragment.len as usize;
        let at = self.parts.iter().position(|p| p.is_of(fragment));
        let (body, datagrams) = match at {
            None if whole => (None, 1),
            at => {
                let at = at.unwrap_or_else(|| self.begin(fragment));
                let Some(part) = self.parts.get_mut(at) else {
                    return;
                };
                part.insert(fragment);
                let Some(body) = part.whole() else { return };
                let datagrams = part.datagrams;
                self.parts.remove(at);
                (Some(body), datagrams)
            }
        };
        self.told |= bit;
        let body = body.as_deref().unwrap_or(fragment.body);
        self.message(fragment.kind, body, version, datagrams, sink);
    }

    /// Makes room for a message that came in part; returns its place.
    fn begin(&mut self, fragment: &Fragment<'_>) -> usize {
        if self.parts.len() >= MAX_PARTS {
            self.parts.remove(0);
        }
        self.parts.push(Part {
            kind: fragment.kind,
            message_seq: fragment.message_seq,
            len: fragment.len,
            datagrams: 0,
            assembler: Assembler::default(),
            cut: false,
        });
        self.parts.len() - 1
    }

    /// A hello is told at once; what overtook it waits for it.
    fn message(
        &mut self,
        kind: u8,
        body: &[u8],
        record_version: ProtocolVersion,
        datagrams: u32,
        sink: &mut impl FnMut(Event<'_>, u32),
    ) {
        let hello = matches!(
            kind,
            handshake_type::CLIENT_HELLO | handshake_type::SERVER_HELLO
        );
        self.later |= !hello && kind != HELLO_VERIFY_REQUEST;
        if kind == HELLO_VERIFY_REQUEST {
            self.verify_request = true;
        } else if !hello && !self.hello && self.early.len() < MAX_EARLY {
            self.early.push((kind, body.into(), record_version));
            return;
        }
        let event = Event::Handshake {
            kind,
            body,
            record_version,
        };
        sink(event, datagrams);
        if kind == handshake_type::CLIENT_HELLO && self.random.is_none() {
            self.random = random_of(body);
        }
        if hello {
            self.hello = true;
            self.tell_early(sink);
        }
    }

    fn tell_early(&mut self, sink: &mut impl FnMut(Event<'_>, u32)) {
        for (kind, body, record_version) in std::mem::take(&mut self.early) {
            let event = Event::Handshake {
                kind,
                body: &body,
                record_version,
            };
            sink(event, 1);
        }
    }
}

impl Part {
    fn is_of(&self, fragment: &Fragment<'_>) -> bool {
        (self.message_seq, self.kind, self.len)
            == (fragment.message_seq, fragment.kind, fragment.len)
    }

    fn bytes(&self) -> usize {
        self.assembler.since(0).len() + self.assembler.held_bytes()
    }

    fn insert(&mut self, fragment: &Fragment<'_>) {
        self.datagrams = self.datagrams.saturating_add(1);
        let conflicting = self.assembler.conflicting();
        let take = |assembler: &mut Assembler| {
            assembler.insert(
                fragment.offset.into(),
                fragment.body,
                fragment.body.len() as u64,
            );
            while let Some(Piece::Bytes(_) | Piece::Gap { .. }) = assembler.pop() {}
        };
        take(&mut self.assembler);
        self.cut |= fragment.body.len() < fragment.body_len as usize;
        if self.assembler.conflicting() > conflicting {
            // Another message of the same number: another attempt. Two must never be put together.
            self.assembler = Assembler::default();
            self.datagrams = 1;
            take(&mut self.assembler);
        }
    }

    fn whole(&self) -> Option<Box<[u8]>> {
        let bytes = self.assembler.since(0);
        (bytes.len() == self.len as usize).then(|| bytes.into())
    }
}

impl Run {
    /// Sequence numbers that do not go on, and other versions, begin a run anew. A record that comes again, as a mirror may
    /// show it, tells no more than the first.
    fn record(&mut self, record: &Record<'_>) {
        let near = record.sequence.abs_diff(self.sequence) <= 1024;
        if self.records == 0 || !near || record.version != self.version {
            self.records = 0;
        } else if record.sequence <= self.sequence {
            return;
        }
        self.records = self.records.saturating_add(1);
        self.version = record.version;
        self.sequence = record.sequence;
    }
}

impl<'a> Record<'a> {
    /// The first record of `bytes`, of which `wire_len` were sent, and what lies behind it.
    #[inline]
    fn parse(bytes: &'a [u8], wire_len: usize) -> Option<(Self, &'a [u8])> {
        let (header, rest) = bytes.split_first_chunk::<HEADER_LEN>()?;
        let [
            content,
            major,
            minor,
            e0,
            e1,
            s0,
            s1,
            s2,
            s3,
            s4,
            s5,
            l0,
            l1,
        ] = *header;
        let version = ProtocolVersion(u16::from_be_bytes([major, minor]));
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        // OpenSSL's number for the time before RFC 4347 is 0x0100.
        let known = matches!(version.0, 0xfefc..=0xfeff | 0x0100);
        let fits = HEADER_LEN + len <= wire_len.max(bytes.len());
        if !known
            || !(CHANGE_CIPHER_SPEC..=TLS12_CID + 1).contains(&content)
            || len > MAX_RECORD_LEN
        {
            return None;
        }
        if !fits && content != TLS12_CID {
            return None;
        }
        let (fragment, rest) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        let record = Self {
            content,
            version,
            epoch: u16::from_be_bytes([e0, e1]),
            sequence: u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]),
            fragment,
            len,
        };
        Some((record, rest))
    }
}

impl<'a> Fragment<'a> {
    /// The first fragment of `bytes`, of which `wire_len` were sent, and what lies behind it.
    fn parse(bytes: &'a [u8], wire_len: usize) -> Option<(Self, &'a [u8])> {
        let (header, rest) = bytes.split_first_chunk::<12>()?;
        let [kind, a, b, c, m0, m1, o0, o1, o2, l0, l1, l2] = *header;
        let (len, offset, body_len) = (
            u32::from_be_bytes([0, a, b, c]),
            u32::from_be_bytes([0, o0, o1, o2]),
            u32::from_be_bytes([0, l0, l1, l2]),
        );
        let inside = offset.checked_add(body_len)? <= len;
        if !inside || body_len as usize > wire_len.max(bytes.len()).saturating_sub(12) {
            return None;
        }
        let (body, rest) = rest
            .split_at_checked(body_len as usize)
            .unwrap_or((rest, &[]));
        let fragment = Self {
            kind,
            len,
            message_seq: u16::from_be_bytes([m0, m1]),
            offset,
            body,
            body_len,
        };
        Some((fragment, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;
    use proptest::prelude::*;

    fn events(datagrams: &[&[u8]]) -> Vec<String> {
        let mut reader = DtlsReader::new(1 << 16);
        let mut seen = Vec::new();
        for datagram in datagrams {
            reader.datagram(datagram, datagram.len(), &mut |e, n| {
                seen.push(format!("{e:?} {n}"));
            });
        }
        reader.finish(&mut |e, n| seen.push(format!("{e:?} {n}")));
        seen
    }

    /// Bytes 0 to 2 and 3 to 4 of a ClientHello of five bytes.
    const FIRST: &[u8] =
        &hex!("16 fefd 0000 000000000000 000f  01 000005 0000 000000 000003 a0a1a2");
    const SECOND: &[u8] =
        &hex!("16 fefd 0000 000000000001 000e  01 000005 0000 000003 000002 a3a4");
    const HELLO: &str =
        "Handshake { kind: 1, body: [160, 161, 162, 163, 164], record_version: DTLS 1.2 }";

    #[test]
    fn puts_fragments_together_in_any_order() {
        let both = [FIRST, SECOND].concat();
        for (datagrams, count) in [
            (vec![FIRST, SECOND], 2),
            (vec![SECOND, FIRST], 2),
            (vec![FIRST, FIRST, SECOND, SECOND], 3),
            (vec![both.as_slice()], 2),
        ] {
            assert_eq!(events(&datagrams), [format!("{HELLO} {count}")]);
        }
        assert_eq!(events(&[FIRST]), ["HandshakeLost(Some(1)) 1"]);
    }

    #[test]
    fn two_attempts_are_not_mixed() {
        let other = hex!("16 fefd 0000 000000000001 000f  01 000005 0000 000002 000003 b2b3b4");
        assert_eq!(events(&[FIRST, &other]), ["HandshakeLost(Some(1)) 1"]);
    }

    #[test]
    fn alerts_epochs_and_short_headers() {
        // Two messages in a record, an alert, change_cipher_spec, Finished, application data of 1.3.
        let datagram = hex!(
            "16 feff 0000 000000000000 001a  02 000001 0000 000000 000001 aa  0b 000001 0001 000000 000001 bb"
            "15 feff 0000 000000000001 0002  02 28"
            "14 feff 0000 000000000002 0001  01"
            "16 feff 0001 000000000000 0004  deadbeef"
            "2e 0001 0004 deadbeef"
        );
        assert_eq!(
            events(&[&datagram]),
            [
                "Handshake { kind: 2, body: [170], record_version: DTLS 1.0 } 1",
                "Handshake { kind: 11, body: [187], record_version: DTLS 1.0 } 1",
                "Alert { level: 2, description: 40 } 1",
                "ChangeCipherSpec 1",
                "Encrypted 1",
                "ApplicationData { version: DTLS 1.3 } 1",
            ]
        );
        assert!(is_plausible(&datagram, datagram.len()));
        assert!(is_plausible(&datagram[..40], datagram.len()));
        assert!(!is_plausible(&datagram[..40], 40));
    }

    #[test]
    fn a_run_of_application_data_tells_the_version() {
        let told = |sequences: &[u8]| {
            let mut reader = DtlsReader::new(1 << 16);
            for sequence in sequences {
                let mut record = hex!("17 feff 0001 000000000000 0004  deadbeef");
                record[10] = *sequence;
                reader.datagram(&record, record.len(), &mut |_, _| {});
            }
            reader.record_layer_version()
        };
        assert_eq!(told(&[7, 8, 9, 10, 11]), Some(ProtocolVersion::DTLS_1_0));
        assert_eq!(told(&[7, 9, 8, 9, 10, 12]), Some(ProtocolVersion::DTLS_1_0));
        // The same one again and again.
        assert_eq!(told(&[7; 20]), None);
        assert_eq!(told(&[7, 8, 7, 8, 7, 8, 7, 8]), None);
    }

    proptest! {
        #[test]
        fn nothing_from_the_wire_panics(mut bytes: Vec<u8>, wire_len: usize) {
            let mut reader = DtlsReader::new(256);
            for round in 0..2 {
                if let (1, Some(head)) = (round, bytes.first_chunk_mut::<5>()) {
                    *head = hex!("16 fefd 0000");
                }
                let _ = is_plausible(&bytes, wire_len);
                reader.datagram(&bytes, wire_len, &mut |_, _| {});
            }
            reader.finish(&mut |_, _| {});
        }
    }
}
