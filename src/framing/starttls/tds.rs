//! MS-TDS: the PRELOGIN negotiation (\[MS-TDS\] sections 2.2.6.5 and 3.2.5.1), and the TLS handshake that is wrapped in
//! packets of it. TDS 8.0 begins with TLS and needs nothing here.

use super::packets::{Length, Packets};
use super::{Match, Protocol, Request, Story, Talk};
use crate::record::Side;

/// IANA's name.
pub(crate) const SERVICE: &str = "ms-sql-s";
const HEADER_LEN: usize = 8;

/// Packet types (section 2.2.3.1.1).
mod kind {
    pub(super) const SQL_BATCH: u8 = 1;
    pub(super) const RPC: u8 = 3;
    pub(super) const REPLY: u8 = 4;
    pub(super) const LOGIN7: u8 = 0x10;
    pub(super) const PRELOGIN: u8 = 0x12;
}

/// ENCRYPT_NOT_SUP of the ENCRYPTION option.
const NOT_SUPPORTED: u8 = 2;

pub(super) fn recognise(talk: &Talk<'_>) -> Match {
    let server = match talk.server.first() {
        None | Some(&(kind::REPLY | kind::PRELOGIN)) => true,
        Some(_) => false,
    };
    if let ([], [kind::REPLY, 0 | 1, high, low, ..]) = (talk.client, talk.server) {
        // Joined in the middle of an answer: the next request will tell.
        let whole = usize::from(u16::from_be_bytes([*high, *low])) == talk.server.len();
        return if whole && !talk.last {
            Match::More
        } else {
            Match::No
        };
    }
    let Some([kind, status, high, low, _, _, packet, window]) =
        talk.client.first_chunk::<HEADER_LEN>()
    else {
        let first = talk.client.first();
        let begins = matches!(
            first,
            Some(&(kind::PRELOGIN | kind::LOGIN7 | kind::SQL_BATCH | kind::RPC))
        );
        return if begins && server && !talk.last {
            Match::More
        } else {
            Match::No
        };
    };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    let known = matches!(
        *kind,
        kind::PRELOGIN | kind::LOGIN7 | kind::SQL_BATCH | kind::RPC
    ) && matches!(*status, 0 | 1 | 4 | 8 | 9);
    if !known || !server || len <= HEADER_LEN || *packet > 1 || *window != 0 {
        return Match::No;
    }
    if *kind == kind::PRELOGIN {
        // The first option is VERSION.
        return match talk.client.get(HEADER_LEN) {
            None => Match::More,
            Some(token) => Match::of(*token == 0),
        };
    }
    // Joined in the middle: the server's answer must look the part as well.
    match talk.server.first_chunk::<HEADER_LEN>() {
        Some([_, status, high, low, _, _, _, 0]) => {
            Match::of(*status < 2 && u16::from_be_bytes([*high, *low]) > 8 && *packet == 1)
        }
        Some(_) => Match::No,
        None if talk.last => {
            Match::of(*packet == 1 && talk.client.len() >= len.min(512) && talk.port == 1433)
        }
        None => Match::More,
    }
}

/// A connection, up to where TLS begins or the login is sent.
#[derive(Debug, Default)]
pub(crate) struct Tds {
    from_client: Packets,
    from_server: Packets,
    /// The client's ENCRYPTION.
    asks: Option<u8>,
    prelogin: bool,
    answered: bool,
    /// The server's first packet, where it was seen before the client's: captures reorder across directions.
    early: Option<Option<u8>>,
}

impl Protocol for Tds {
    fn client(&mut self, mut bytes: &[u8], story: &mut Story) {
        story.service = Some(SERVICE);
        story.has_ledger = true;
        while let Some(packet) = self.from_client.next(&mut bytes, packet_len) {
            match packet.first() {
                Some(&kind::PRELOGIN) if !self.prelogin => {
                    self.prelogin = true;
                    self.asks = encryption(packet);
                    story.asked_list = true;
                    if self.asks.is_some_and(|asks| asks != NOT_SUPPORTED) {
                        story.ask();
                    }
                    if let Some(answer) = self.early.take() {
                        self.answered = true;
                        self.settle(answer, story);
                    }
                }
                Some(&kind::LOGIN7) => {
                    story.work();
                    // Section 2.2.6.4: the password is only obfuscated.
                    if self.prelogin {
                        story.secret();
                    }
                    story.over = self.prelogin;
                }
                Some(&(kind::SQL_BATCH | kind::RPC)) => story.work(),
                _ => {}
            }
            if !self.prelogin {
                story.joined = true;
                story.undecided = true;
                story.over = true;
            }
        }
    }

    fn server(&mut self, mut bytes: &[u8], story: &mut Story) {
        while let Some(packet) = self.from_server.next(&mut bytes, packet_len) {
            let answer = encryption(packet);
            if !self.prelogin {
                self.early.get_or_insert(answer);
                continue;
            }
            if !std::mem::replace(&mut self.answered, true) {
                self.settle(answer, story);
            }
        }
    }

    fn gap(&mut self, from: Side, lost: u64) {
        match from {
            Side::Client => self.from_client.gap(lost),
            Side::Server => self.from_server.gap(lost),
        }
    }
}

impl Tds {
    /// What the server's PRELOGIN answers.
    fn settle(&self, answer: Option<u8>, story: &mut Story) {
        // Section 3.2.5.2: what both sides want decides; 2 of either side means none.
        match (answer, self.asks) {
            (Some(NOT_SUPPORTED), _) => {
                story.request = Request::None;
                story.list(false);
            }
            (Some(_), Some(NOT_SUPPORTED) | None) => {
                story.request = Request::None;
                story.list(true);
            }
            (Some(_), Some(_)) => {
                story.list(true);
                story.answer(true);
            }
            (None, _) => story.undecided = true,
        }
    }
}

fn packet_len(head: &[u8]) -> Length {
    match head.first_chunk::<HEADER_LEN>() {
        None => Length::Need,
        Some([_, _, high, low, ..]) => match u16::from_be_bytes([*high, *low]) {
            len if usize::from(len) >= HEADER_LEN => Length::Is(len.into()),
            _ => Length::Bad,
        },
    }
}

/// The ENCRYPTION option (token 1) of a PRELOGIN message: a list of token, offset and length, then the values.
fn encryption(packet: &[u8]) -> Option<u8> {
    let body = packet.get(HEADER_LEN..)?;
    for option in body.chunks_exact(5) {
        match option {
            [1, high, low, ..] => {
                return body
                    .get(usize::from(u16::from_be_bytes([*high, *low])))
                    .copied();
            }
            [0xff, ..] => return None,
            _ => {}
        }
    }
    None
}

/// Whether a packet begins here in which a handshake of TLS begins: no PRELOGIN message does so, for its first token is
/// 0, VERSION.
pub(crate) const fn wraps_hello(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [
            kind::PRELOGIN | kind::REPLY,
            0 | 1,
            _,
            _,
            _,
            _,
            _,
            0,
            0x16,
            3,
            0..=4,
            _,
            _,
            1 | 2,
            0,
            ..
        ]
    )
}

/// Takes the TLS records of one direction out of its packets. After the handshake they come bare.
#[derive(Debug, Default)]
pub(crate) struct Unwrapper {
    header: [u8; HEADER_LEN],
    header_len: usize,
    /// Payload of the packet that is still to come.
    left: usize,
    bare: bool,
}

impl Unwrapper {
    /// Appends what `bytes` hold of TLS to `out`. `false` where they are neither packets nor records.
    pub(crate) fn read(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> bool {
        while !bytes.is_empty() {
            if self.bare {
                out.extend_from_slice(bytes);
                return true;
            }
            if self.left > 0 {
                let (part, rest) = bytes
                    .split_at_checked(self.left.min(bytes.len()))
                    .unwrap_or((bytes, &[]));
                out.extend_from_slice(part);
                self.left -= part.len();
                bytes = rest;
                continue;
            }
            let Some((byte, rest)) = bytes.split_first() else {
                return true;
            };
            if self.header_len == 0 && (20..=23).contains(byte) {
                self.bare = true;
                continue;
            }
            if let Some(slot) = self.header.get_mut(self.header_len) {
                *slot = *byte;
            }
            self.header_len += 1;
            bytes = rest;
            if self.header_len == HEADER_LEN {
                self.header_len = 0;
                let [kind, _, high, low, ..] = self.header;
                let len = usize::from(u16::from_be_bytes([high, low]));
                match len.checked_sub(HEADER_LEN) {
                    Some(left) if matches!(kind, kind::PRELOGIN | kind::REPLY) => self.left = left,
                    _ => return false,
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;
    use super::*;
    use hex_literal::hex;

    /// A PRELOGIN with VERSION and ENCRYPTION.
    fn prelogin(kind: u8, encryption: u8) -> Vec<u8> {
        let mut packet = vec![kind, 1, 0, 26, 0, 0, 1, 0];
        packet.extend(hex!("00 000b 0006 01 0011 0001 ff 0c0007d0 0000"));
        packet.push(encryption);
        packet
    }

    #[test]
    fn what_both_sides_want_decides() {
        let login = &hex!("10 01 000a 0000 01 00 aabb")[..];
        for (client, server, request, offered) in [
            (0, 0, Request::Accepted, true),
            (1, 3, Request::Accepted, true),
            (0, 2, Request::None, false),
            (2, 0, Request::None, true),
            (2, 2, Request::None, false),
        ] {
            let (ask, answer) = (
                prelogin(kind::PRELOGIN, client),
                prelogin(kind::REPLY, server),
            );
            let story = told(&[('C', &ask), ('S', &answer)]).expect("TDS");
            assert_eq!(
                (story.request, story.listed, story.offered),
                (request, true, offered),
                "{client} {server}"
            );
            let (mut tds, mut early) = (Tds::default(), Story::default());
            tds.server(&answer, &mut early);
            tds.client(&ask, &mut early);
            assert_eq!(
                (early.request, early.listed, early.offered),
                (request, true, offered),
                "{client} {server}, the answer seen first"
            );
            let story = told(&[('C', &ask), ('S', &answer), ('C', login)]).expect("TDS");
            assert!(story.worked && story.secret);
        }
    }

    #[test]
    fn tells_a_wrapped_hello_from_what_negotiates_it() {
        for (name, packet, want) in [
            (
                "ClientHello",
                hex!("12 01 00d1 0000 00 00 16 0301 00c4 01 0000").to_vec(),
                true,
            ),
            (
                "ServerHello",
                hex!("04 01 04d1 0000 00 00 16 0303 003d 02 0000").to_vec(),
                true,
            ),
            ("PRELOGIN", prelogin(kind::PRELOGIN, 1), false),
            ("its answer", prelogin(kind::REPLY, 1), false),
            (
                "an alert",
                hex!("12 01 000f 0000 00 00 15 0301 0002 0228 00").to_vec(),
                false,
            ),
            (
                "not whole",
                hex!("12 01 00d1 0000 00 00 16 0301").to_vec(),
                false,
            ),
        ] {
            assert_eq!(wraps_hello(&packet), want, "{name}");
        }
    }

    #[test]
    fn unwraps_records_and_then_takes_them_bare() {
        let stream =
            hex!("12 01 000b 0000 00 00 160301 12 01 000a 0000 01 00 0001 17 0303 0001 aa");
        for size in [1, 3, 100] {
            let (mut unwrapper, mut out) = (Unwrapper::default(), Vec::new());
            for chunk in stream.chunks(size) {
                assert!(unwrapper.read(chunk, &mut out));
            }
            assert_eq!(out, hex!("160301 0001 17 0303 0001 aa"));
        }
        assert!(!Unwrapper::default().read(b"GET / HTTP/1.1", &mut Vec::new()));
    }
}
