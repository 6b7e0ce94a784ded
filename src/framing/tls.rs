//! TLS records (RFC 9846 section 5.1) and the handshake messages that are cut up into them.

use crate::hello::version::ProtocolVersion;

/// What a direction said, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole handshake message without its header.
    Handshake {
        /// HandshakeType.
        kind: u8,
        /// The message behind its four-byte header.
        body: &'a [u8],
        /// TLSPlaintext.legacy_record_version of the record that brought its end.
        record_version: ProtocolVersion,
    },
    /// A handshake message that is too long to be put together, or that lost bytes; its kind where it was seen.
    HandshakeLost(Option<u8>),
    /// An alert in the clear.
    Alert {
        /// 2 is fatal.
        level: u8,
        /// AlertDescription.
        description: u8,
    },
    /// change_cipher_spec.
    ChangeCipherSpec,
    /// The header of an application_data record.
    ApplicationData {
        /// legacy_record_version.
        version: ProtocolVersion,
    },
    /// A handshake record that is encrypted.
    Encrypted,
}

/// How far a reader got with the bytes it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All that can be told was told; more bytes are needed.
    Wait,
    /// What follows is not a TLS record.
    NotRecords,
}

/// HandshakeType (RFC 9846 section 4.1 and before).
#[allow(missing_docs, reason = "the names are the RFC's")]
pub mod handshake_type {
    pub const CLIENT_HELLO: u8 = 1;
    pub const SERVER_HELLO: u8 = 2;
    pub const NEW_SESSION_TICKET: u8 = 4;
    /// Drafts of TLS 1.3 up to 21.
    pub const HELLO_RETRY_REQUEST: u8 = 6;
    pub const CERTIFICATE: u8 = 11;
    pub const SERVER_KEY_EXCHANGE: u8 = 12;
    pub const CERTIFICATE_REQUEST: u8 = 13;
    pub const SERVER_HELLO_DONE: u8 = 14;
    pub const CLIENT_KEY_EXCHANGE: u8 = 16;
}

/// ContentType (RFC 9846 section 5.1).
mod content_type {
    pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(super) const ALERT: u8 = 21;
    pub(super) const HANDSHAKE: u8 = 22;
    pub(super) const APPLICATION_DATA: u8 = 23;
    pub(super) const HEARTBEAT: u8 = 24;
}

/// Bytes of a record header.
pub const HEADER_LEN: usize = 5;
/// 2^14 and what compression (RFC 5246 section 6.2.2) and protection may add: no honest record is longer.
pub const MAX_RECORD_LEN: usize = (1 << 14) + 2048;

/// Reads one direction's records. Invariant: `remaining` bytes of the current record follow the last consumed byte.
#[derive(Debug)]
pub struct TlsReader {
    content: u8,
    version: ProtocolVersion,
    remaining: usize,
    /// A handshake message that is spread over several records, as far as it came.
    message: Vec<u8>,
    /// The rest of this record is encrypted or lost.
    skip_record: bool,
    /// Bytes of a handshake message too long to keep that are still to come.
    skip_message: usize,
    after_ccs: bool,
    max_message_len: usize,
}

impl TlsReader {
    /// A reader at the first byte of a record. Messages longer than `max_message_len` are passed over.
    pub const fn new(max_message_len: usize) -> Self {
        Self {
            content: 0,
            version: ProtocolVersion(0),
            remaining: 0,
            message: Vec::new(),
            skip_record: false,
            skip_message: 0,
            after_ccs: false,
            max_message_len,
        }
    }

    /// Bytes of memory that it holds.
    pub const fn memory(&self) -> usize {
        self.message.capacity()
    }

    /// Reads `bytes[*at..]` as far as it goes, moves `at` behind what it needs no more, and tells `sink` what it found.
    /// The same bytes give the same events however they are cut.
    pub fn read(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Progress {
        loop {
            let rest = bytes.get(*at..).unwrap_or_default();
            if self.remaining == 0 {
                let Some(header) = rest.first_chunk::<HEADER_LEN>() else {
                    return Progress::Wait;
                };
                let Some(header) = Header::parse(header) else {
                    return Progress::NotRecords;
                };
                self.begin(header, sink);
                *at += HEADER_LEN;
                continue;
            }
            let chunk = rest
                .get(..self.remaining.min(rest.len()))
                .unwrap_or_default();
            let used = match self.content {
                _ if self.skip_record => chunk.len(),
                content_type::HANDSHAKE => self.handshake(chunk, sink),
                content_type::ALERT => self.alert(chunk, sink),
                _ => chunk.len(),
            };
            if used == 0 {
                return Progress::Wait;
            }
            *at += used;
            self.remaining -= used;
        }
    }

    /// `lost` bytes of the direction are missing at this place. `false` where the records cannot be followed any more.
    pub fn gap(&mut self, lost: u64, sink: &mut impl FnMut(Event<'_>)) -> bool {
        if self.content == content_type::HANDSHAKE
            && !self.skip_record
            && (self.remaining > 0 || !self.message.is_empty())
        {
            sink(Event::HandshakeLost(self.message.first().copied()));
        }
        self.message = Vec::new();
        self.skip_message = 0;
        match usize::try_from(lost)
            .ok()
            .and_then(|lost| self.remaining.checked_sub(lost))
        {
            Some(rest) if self.remaining > 0 => {
                self.remaining = rest;
                self.skip_record = true;
                true
            }
            _ => false,
        }
    }

    fn begin(&mut self, header: Header, sink: &mut impl FnMut(Event<'_>)) {
        self.content = header.content;
        self.version = header.version;
        self.remaining = header.len;
        self.skip_record = false;
        match header.content {
            content_type::CHANGE_CIPHER_SPEC => {
                self.after_ccs = true;
                self.skip_record = true;
                sink(Event::ChangeCipherSpec);
            }
            content_type::APPLICATION_DATA => sink(Event::ApplicationData {
                version: header.version,
            }),
            // RFC 9846 section 5.1: an alert in the clear is two bytes in a record of its own.
            content_type::ALERT if header.len != 2 => self.skip_record = true,
            _ => {}
        }
    }

    /// Takes handshake bytes; returns how many it needs no more, 0 to wait.
    fn handshake(&mut self, chunk: &[u8], sink: &mut impl FnMut(Event<'_>)) -> usize {
        if self.skip_message > 0 {
            let skipped = self.skip_message.min(chunk.len());
            self.skip_message -= skipped;
            return skipped;
        }
        if !self.message.is_empty() {
            return self.append(chunk, sink);
        }
        let Some((header, _)) = chunk.split_first_chunk::<4>() else {
            if chunk.len() < self.remaining {
                return 0;
            }
            if self.after_ccs {
                self.skip_record = true;
                return chunk.len();
            }
            return self.append(chunk, sink);
        };
        let [kind, a, b, c] = *header;
        let total = 4 + u32::from_be_bytes([0, a, b, c]) as usize;
        if !plausible(kind, total, self.after_ccs, self.remaining) {
            // After change_cipher_spec, or joined in the middle: it is encrypted.
            self.skip_record = true;
            sink(Event::Encrypted);
            return chunk.len();
        }
        if total > self.max_message_len {
            sink(Event::HandshakeLost(Some(kind)));
            self.skip_message = total;
            return self.handshake(chunk, sink);
        }
        if total > self.remaining {
            return self.append(chunk, sink);
        }
        let Some(body) = chunk.get(4..total) else {
            return 0;
        };
        sink(Event::Handshake {
            kind,
            body,
            record_version: self.version,
        });
        total
    }

    /// Adds to the message that is being put together, no more than it lacks.
    fn append(&mut self, chunk: &[u8], sink: &mut impl FnMut(Event<'_>)) -> usize {
        let wanted = match self.message.first_chunk::<4>() {
            Some([_, a, b, c]) => 4 + u32::from_be_bytes([0, *a, *b, *c]) as usize,
            None => 4,
        };
        let part = chunk
            .get(..chunk.len().min(wanted - self.message.len()))
            .unwrap_or_default();
        self.message.extend_from_slice(part);
        if let Some([kind, a, b, c]) = self.message.first_chunk::<4>() {
            let total = 4 + u32::from_be_bytes([0, *a, *b, *c]) as usize;
            if total > self.max_message_len || !plausible(*kind, total, false, self.remaining) {
                sink(Event::HandshakeLost(Some(*kind)));
                self.skip_message = total.saturating_sub(self.message.len());
                self.message = Vec::new();
            } else if let (true, Some(body)) = (self.message.len() == total, self.message.get(4..))
            {
                sink(Event::Handshake {
                    kind: *kind,
                    body,
                    record_version: self.version,
                });
                self.message = Vec::new();
            }
        }
        part.len()
    }

    fn alert(&mut self, chunk: &[u8], sink: &mut impl FnMut(Event<'_>)) -> usize {
        let [level, description] = *chunk else {
            return 0;
        };
        if matches!(level, 1 | 2) {
            sink(Event::Alert { level, description });
        }
        2
    }
}

/// Whether four bytes can be the header of a handshake message in the clear. Behind change_cipher_spec only a second
/// ClientHello or the ServerHello after HelloRetryRequest can (RFC 9846 appendix D.4), whole in its record.
const fn plausible(kind: u8, total: usize, after_ccs: bool, remaining: usize) -> bool {
    if after_ccs {
        return matches!(kind, 1 | 2) && total <= remaining && total >= 38;
    }
    matches!(kind, 0..=6 | 8 | 11..=16 | 20..=25 | 67)
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// ContentType.
    pub content: u8,
    /// legacy_record_version.
    pub version: ProtocolVersion,
    /// Bytes of the fragment.
    pub len: usize,
}

impl Header {
    /// `None` where no TLS record begins so.
    #[inline]
    pub fn parse(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let [content, major, minor, high, low] = *bytes;
        let len = usize::from(u16::from_be_bytes([high, low]));
        let version = ProtocolVersion(u16::from_be_bytes([major, minor]));
        let known = matches!(
            content,
            content_type::CHANGE_CIPHER_SPEC..=content_type::HEARTBEAT
        );
        let known = known && (major == 3 || version == ProtocolVersion::TLCP_1_1);
        (known && len <= MAX_RECORD_LEN).then_some(Self {
            content,
            version,
            len,
        })
    }

    /// Whether the record holds application data.
    pub const fn is_application_data(&self) -> bool {
        self.content == content_type::APPLICATION_DATA
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;
    use proptest::prelude::*;

    fn events(chunks: &[&[u8]]) -> (Vec<String>, Progress) {
        let mut reader = TlsReader::new(1 << 16);
        let (mut buffer, mut at, mut seen, mut progress) =
            (Vec::new(), 0, Vec::new(), Progress::Wait);
        for chunk in chunks {
            buffer.extend_from_slice(chunk);
            progress = reader.read(&buffer, &mut at, &mut |e| seen.push(format!("{e:?}")));
        }
        (seen, progress)
    }

    /// A message of kind 14 (empty), one of kind 11 cut over two records, an alert, change_cipher_spec, an encrypted
    /// Finished and application data.
    const STREAM: &[u8] = &hex!(
        "16 0303 0004 0e000000"
        "16 0303 0006 0b000004 0102"
        "16 0303 0002 0304"
        "15 0303 0002 0228"
        "14 0303 0001 01"
        "16 0303 0008 a1b2c3d4e5f60718"
        "17 0303 0003 aabbcc"
    );

    #[test]
    fn reads_messages_within_and_across_records() {
        let (seen, progress) = events(&[STREAM]);
        assert_eq!(progress, Progress::Wait);
        assert_eq!(
            seen,
            [
                "Handshake { kind: 14, body: [], record_version: TLS 1.2 }",
                "Handshake { kind: 11, body: [1, 2, 3, 4], record_version: TLS 1.2 }",
                "Alert { level: 2, description: 40 }",
                "ChangeCipherSpec",
                "Encrypted",
                "ApplicationData { version: TLS 1.2 }",
            ]
        );
    }

    #[test]
    fn a_gap_within_a_record_keeps_the_place_of_the_next() {
        let mut reader = TlsReader::new(1 << 16);
        let (mut at, mut seen) = (0, Vec::new());
        reader.read(&hex!("16 0303 0010 02000040 0303"), &mut at, &mut |e| {
            seen.push(format!("{e:?}"))
        });
        assert!(reader.gap(10, &mut |e| seen.push(format!("{e:?}"))));
        reader.read(&hex!("15 0303 0002 0228"), &mut 0, &mut |e| {
            seen.push(format!("{e:?}"))
        });
        assert_eq!(
            seen,
            [
                "HandshakeLost(Some(2))",
                "Alert { level: 2, description: 40 }"
            ]
        );
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_events(cuts in proptest::collection::vec(0..STREAM.len(), 0..12)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &STREAM[w[0]..w[1]]).collect();
            prop_assert_eq!(events(&chunks), events(&[STREAM]));
        }

        #[test]
        fn nothing_from_the_wire_panics(bytes: Vec<u8>, lost: u64) {
            let mut reader = TlsReader::new(64);
            let mut at = 0;
            let _ = reader.read(&bytes, &mut at, &mut |_| {});
            let _ = reader.gap(lost, &mut |_| {});
            let _ = reader.read(&bytes, &mut 0, &mut |_| {});
        }
    }
}
