//! Where TLS begins in a stream of which nothing is known, on any port, at any place.

use memchr::{memchr_iter, memmem};

use super::tls::{HEADER_LEN, Header};
use crate::hello::client::ClientHello;
use crate::hello::server::ServerHello;
use crate::hello::sslv2::{self, Likeness};
use crate::hello::version::ProtocolVersion;

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Records begin at this index.
    At(usize),
    /// A whole hello in SSL 2.0's format begins at this index.
    V2(usize),
    /// They may begin at this index; more bytes will tell.
    Maybe {
        /// Where.
        at: usize,
        /// A segment begins there, and the next search must know.
        boundary: bool,
    },
    /// Nowhere in what was shown.
    Nowhere,
}

/// What a record of application data begins with, whatever its version (RFC 9846 section 5.1).
const APPLICATION_DATA: [u8; 2] = [23, 3];

/// Searches `bytes`, which is what one direction said and nobody claimed. A segment that was not ruled out yet begins with
/// them, or at `boundary`, or both; whoever starts TLS does it with a write of its own, so a likeness suffices there.
/// Elsewhere only a hello that parses to its last byte counts, and a ServerHello only where it is `answering` a
/// ClientHello: other protocols carry foreign TLS in their frames, one side of it perhaps masked.
pub fn find_hello(
    bytes: &[u8],
    begins_segment: bool,
    boundary: Option<usize>,
    answering: bool,
) -> Found {
    let mut maybe = None;
    for at in begins_segment.then_some(0).into_iter().chain(boundary) {
        let rest = bytes.get(at..).unwrap_or_default();
        match (begins_records(rest), sslv2::read(rest, answering)) {
            (Some(true), _) => return Found::At(at),
            (_, Likeness::Hello(..)) => return Found::V2(at),
            (None, _) | (_, Likeness::Maybe) if !rest.is_empty() => {
                maybe = maybe.or(Some((at, true)))
            }
            _ => {}
        }
    }
    for at in memchr_iter(0x16, bytes) {
        if maybe.is_some_and(|(m, _)| m <= at) {
            break;
        }
        match bytes.get(at..).map(|rest| is_whole_hello(rest, answering)) {
            Some(Some(true)) => return Found::At(at),
            Some(None) => {
                maybe = Some((at, false));
                break;
            }
            _ => {}
        }
    }
    maybe.map_or(Found::Nowhere, |(at, boundary)| Found::Maybe {
        at,
        boundary,
    })
}

/// Whether a record begins here that begins a hello, or an alert in the clear. `None`: too few bytes to say.
fn begins_records(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [0x16, 3, 0..=4, high, low, rest @ ..] => {
            let len = u16::from_be_bytes([*high, *low]);
            match rest {
                _ if len == 0 || len > 0x4800 => Some(false),
                [] => None,
                [1 | 2, next, ..] => Some(len < 2 || *next == 0),
                [1 | 2] => (len == 1).then_some(true),
                _ => Some(false),
            }
        }
        [0x15, 3, 0..=4, 0, 2, 1 | 2, _, ..] => Some(true),
        // TLCP: other protocols may begin so, too, and a hello must say it again.
        [0x16, 1, 1, _, _, 1 | 2, 0, _, _, 1, 1, ..] => Some(true),
        [0x16, 1, 1, _, _, 1 | 2, 0, _, _, 1]
        | [0x16, 1, 1, _, _, 1 | 2, 0, _, _]
        | [0x16, 1, 1, _, _, 1 | 2, 0, _]
        | [0x16, 1, 1, _, _, 1 | 2, 0]
        | [0x16, 1, 1, _, _, 1 | 2]
        | [0x16, 1, 1, _, _]
        | [0x16, 1, 1, _]
        | [0x16, 1, 1]
        | [0x16, 1] => None,
        [] | [0x15 | 0x16] | [0x15 | 0x16, 3] | [0x15 | 0x16, 3, 0..=4] => None,
        [0x16, 3, 0..=4, _]
        | [0x15, 3, 0..=4, 0]
        | [0x15, 3, 0..=4, 0, 2]
        | [0x15, 3, 0..=4, 0, 2, 1 | 2] => None,
        _ => Some(false),
    }
}

/// Whether a hello, whole in its record and sound to the last byte, begins here. `None`: too few bytes to say.
fn is_whole_hello(bytes: &[u8], answering: bool) -> Option<bool> {
    let prefix = bytes.get(..bytes.len().min(11)).unwrap_or_default();
    let fits = |at: usize, test: fn(u8) -> bool| prefix.get(at).is_none_or(|b| test(*b));
    let shape = fits(1, |b| b == 3)
        && fits(2, |b| b <= 4)
        && fits(5, |b| b == 1 || b == 2)
        && fits(6, |b| b == 0)
        && fits(9, |b| b == 3);
    if !shape || prefix.get(5) == Some(&2) && !answering {
        return Some(false);
    }
    let [_, _, _, high, low, kind, a, b, c, ..] = *bytes else {
        return None;
    };
    let record_len = usize::from(u16::from_be_bytes([high, low]));
    let total = 4 + u32::from_be_bytes([0, a, b, c]) as usize;
    if total > record_len || total < 38 {
        return Some(false);
    }
    let body = bytes.get(HEADER_LEN + 4..HEADER_LEN + total)?;
    Some(match kind {
        1 => ClientHello::parse(body, false).is_ok_and(|hello| hello.is_strict()),
        _ => ServerHello::parse(body).is_ok_and(|hello| hello.is_strict()),
    })
}

/// Follows record headers from where a segment begins, or one of application data is found within it: how a connection
/// whose handshake was not captured shows that it is TLS. Text and other protocols do not keep up well-formed headers for
/// long.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordRun {
    header: [u8; HEADER_LEN],
    header_len: u8,
    skip: usize,
    records: u32,
    version: ProtocolVersion,
    application_data: bool,
    /// The first header was found within a segment.
    within: bool,
    /// More than one came in a row, and then something else: what is found within segments tells nothing.
    ruled_out: bool,
    /// Bytes of the records.
    bytes: u32,
}

impl RecordRun {
    /// Headers in a row that must be well-formed, of one version and of a plausible length.
    const ENOUGH: u32 = 4;
    /// Bytes of records that must follow one on another where the first was found within a segment: more than a packet
    /// of a capture that is sent over the network has.
    const ENOUGH_BYTES: u32 = 1 << 14;

    /// Takes the bytes of the next segment, which follows the one before without a gap.
    pub fn segment(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            let Some((byte, rest)) = bytes.split_first() else {
                return;
            };
            if let Some(slot) = self.header.get_mut(usize::from(self.header_len)) {
                *slot = *byte;
            }
            self.header_len += 1;
            bytes = rest;
            let sound = match self.header_len {
                1 => matches!(byte, 20..=23),
                2 => *byte == 3,
                3 | 4 => true,
                _ => self.header_done(),
            };
            if !sound {
                *self = Self {
                    ruled_out: self.ruled_out || self.records > 1,
                    ..Self::default()
                };
                // The next segment may begin with a header. Where much is sent, it lies anywhere.
                let within = match self.ruled_out {
                    true => None,
                    false => memmem::find(bytes, &APPLICATION_DATA),
                };
                let Some(at) = within else { return };
                self.within = true;
                bytes = bytes.get(at..).unwrap_or_default();
            }
        }
    }

    /// Bytes are missing: the place of the next header is not known any more, unless it lies behind them.
    pub fn gap(&mut self, lost: u64) {
        match usize::try_from(lost)
            .ok()
            .and_then(|lost| self.skip.checked_sub(lost))
        {
            Some(rest) if self.skip > 0 => self.skip = rest,
            _ => {
                *self = if self.version().is_some() {
                    Self {
                        skip: usize::MAX,
                        header_len: 0,
                        ..*self
                    }
                } else {
                    Self {
                        ruled_out: self.ruled_out,
                        ..Self::default()
                    }
                };
            }
        }
    }

    /// The version in the headers of application data, once enough were seen.
    pub fn version(&self) -> Option<ProtocolVersion> {
        let enough =
            self.records >= Self::ENOUGH && (!self.within || self.bytes >= Self::ENOUGH_BYTES);
        (self.application_data && enough).then_some(self.version)
    }

    /// Whether more bytes will tell: more than one header came in a row.
    pub const fn is_under_way(&self) -> bool {
        self.records > 1
    }

    fn header_done(&mut self) -> bool {
        self.header_len = 0;
        let Some(header) = Header::parse(&self.header) else {
            return false;
        };
        // RFC 9846 section 5.1: all that is encrypted is longer than its MAC or tag; 0x0304 is never sent here.
        let sound = header.len > 0
            && header.version.0 <= 0x0303
            && (self.records == 0 || header.version == self.version);
        if sound {
            self.records = self.records.saturating_add(1);
            self.version = header.version;
            self.application_data |= header.is_application_data();
            self.skip = header.len;
            self.bytes = self.bytes.saturating_add(header.len as u32);
        }
        sound
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn finds_records_at_a_boundary_and_whole_hellos_anywhere() {
        let hello = [
            hex!("16 0301 002d 01 000029 0303").as_slice(),
            &[7; 32],
            &hex!("00 0002 1301 01 00"),
        ]
        .concat();
        let behind = [b"STARTTLS\r\n", hello.as_slice()].concat();
        for (name, bytes, boundary, want) in [
            ("alone", hello.as_slice(), Some(0), Found::At(0)),
            (
                "first bytes",
                &hello[..4],
                Some(0),
                Found::Maybe {
                    at: 0,
                    boundary: true,
                },
            ),
            (
                "one-byte record",
                &hex!("16 0301 0001 01"),
                Some(0),
                Found::At(0),
            ),
            (
                "pipelined behind a command",
                &behind,
                Some(0),
                Found::At(10),
            ),
            (
                "pipelined and cut",
                &behind[..40],
                Some(0),
                Found::Maybe {
                    at: 10,
                    boundary: false,
                },
            ),
            (
                "an alert",
                &hex!("15 0301 0002 0228"),
                Some(0),
                Found::At(0),
            ),
            ("text", b"GET / HTTP/1.1\r\n", Some(0), Found::Nowhere),
            ("binary", &hex!("16 0301 0001 09"), Some(0), Found::Nowhere),
        ] {
            assert_eq!(find_hello(bytes, false, boundary, false), want, "{name}");
        }
    }

    #[test]
    fn a_run_of_record_headers_tells_the_version() {
        let record = hex!("17 0301 0004 aabbccdd");
        let mut run = RecordRun::default();
        run.segment(&[1, 2, 3]);
        assert_eq!(run.version(), None);
        for _ in 0..4 {
            run.segment(&record[..3]);
            run.segment(&record[3..]);
        }
        assert_eq!(run.version(), Some(ProtocolVersion::TLS_1_0));
    }

    /// Whoever sends much has segments that begin anywhere in a record.
    #[test]
    fn a_run_is_found_within_a_segment() {
        let records = [hex!("17 0302 4000").as_slice(), &[0x17; 1 << 14]].concat();
        let stream = records.repeat(6);
        for size in [1000, 1460, 9000] {
            for begin in [1, 700, 5_000] {
                let mut run = RecordRun::default();
                for segment in stream[begin..].chunks(size) {
                    run.segment(segment);
                }
                assert_eq!(
                    run.version(),
                    Some(ProtocolVersion::TLS_1_1),
                    "{size} {begin}"
                );
            }
        }
    }

    /// A capture that is sent over the network has records within it, and other bytes between the packets.
    #[test]
    fn runs_that_break_are_no_run() {
        let packet = [
            hex!("00 11 22 33 44 55 66 77").as_slice(),
            &hex!("17 0301 0004 aabbccdd").repeat(5),
        ]
        .concat();
        let mut run = RecordRun::default();
        for segment in packet.repeat(40).chunks(97).skip(1) {
            run.segment(segment);
            assert_eq!(run.version(), None);
        }
    }
}
