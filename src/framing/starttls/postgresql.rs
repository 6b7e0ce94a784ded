//! PostgreSQL's frontend protocol, "SSL Session Encryption" in its chapter on message flow. TLS without SSLRequest
//! (version 17) is TLS from the first byte and needs nothing here.

use super::packets::{Length, Packets};
use super::{Match, Pending, Protocol, Story, Talk, lines};
use crate::record::Side;

const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;
/// The server reads no longer startup packet (`MAX_STARTUP_PACKET_LENGTH`).
const MAX_STARTUP_BYTES: u64 = 10_000;

pub(super) fn recognise(talk: &Talk<'_>) -> Match {
    match startup(talk.client) {
        // A length alone is no protocol.
        Some((len, code)) => Match::of(match code {
            SSL_REQUEST | GSSENC_REQUEST => len == 8,
            CANCEL_REQUEST => (16..=268).contains(&len),
            // Protocol 2 and 3; the first parameter's name is text.
            _ => {
                matches!(code >> 16, 2 | 3)
                    && code & 0xffff < 16
                    && (9..=MAX_STARTUP_BYTES).contains(&len)
                    && parameters_are_text(talk.client)
            }
        }),
        None if !talk.client.is_empty()
            && talk.client.starts_with(&[0, 0][..talk.client.len().min(2)])
            && !talk.last =>
        {
            Match::More
        }
        None => Match::No,
    }
}

fn parameters_are_text(packet: &[u8]) -> bool {
    packet
        .get(8..)
        .unwrap_or_default()
        .iter()
        .take(16)
        .all(|b| *b == 0 || b.is_ascii_graphic() || *b == b' ')
}

/// Length and code of a packet that comes before the startup is done.
fn startup(bytes: &[u8]) -> Option<(u64, u32)> {
    let ([a, b, c, d, e, f, g, h], _) = bytes.split_first_chunk::<8>()?;
    Some((
        u32::from_be_bytes([*a, *b, *c, *d]).into(),
        u32::from_be_bytes([*e, *f, *g, *h]),
    ))
}

/// A session, up to the login.
#[derive(Debug, Default)]
pub(crate) struct Postgresql {
    from_client: Packets,
    from_server: Packets,
    /// Questions that the server answers by one byte.
    pending: Pending<Question>,
    started: bool,
    /// What the server wants: its first authentication request.
    authentication: Option<u32>,
    /// The client sent a password message.
    password: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Ssl,
    GssEnc,
}

impl Protocol for Postgresql {
    fn client(&mut self, mut bytes: &[u8], story: &mut Story) {
        story.service = Some("postgresql");
        story.has_ledger = true;
        loop {
            let started = self.started;
            let Some(packet) = self.from_client.next(&mut bytes, |head| {
                if started {
                    message_len(head)
                } else {
                    startup_len(head)
                }
            }) else {
                break;
            };
            if started {
                self.password |= packet.first() == Some(&b'p');
                self.judge_password(story);
                continue;
            }
            match startup(packet).map(|(_, code)| code) {
                Some(SSL_REQUEST) => {
                    story.ask();
                    self.pending.push(Question::Ssl);
                }
                Some(GSSENC_REQUEST) => self.pending.push(Question::GssEnc),
                Some(CANCEL_REQUEST) => story.work(),
                _ => {
                    if story.request == super::Request::Asked {
                        story.injected = true;
                    }
                    story.work();
                    if let Some(name) = parameter(packet, b"application_name") {
                        story.name_client(name);
                    }
                    self.started = true;
                }
            }
        }
    }

    fn server(&mut self, mut bytes: &[u8], story: &mut Story) {
        while let (Some(question), Some((answer, rest))) =
            (self.pending.front().copied(), bytes.split_first())
        {
            self.pending.pop();
            bytes = rest;
            match (question, answer) {
                (Question::Ssl, b'S') => {
                    story.answer(true);
                    // CVE-2021-23214 and its kin: what follows in the clear would be taken for protected.
                    story.injected |= !bytes.is_empty();
                    return;
                }
                (Question::Ssl, _) => story.answer(false),
                // From here on encrypted by GSSAPI.
                (Question::GssEnc, b'G') => {
                    story.sealed = Some("gssapi encryption");
                    story.over = true;
                }
                (Question::GssEnc, _) => {}
            }
            if *answer == b'E' {
                // An error of a server that knows neither: text follows, and the end.
                story.over = true;
                return;
            }
        }
        if !self.started {
            return;
        }
        while let Some(message) = self.from_server.next(&mut bytes, message_len) {
            if let [b'R', _, _, _, _, kind @ ..] = message
                && let Some(kind) = kind.first_chunk::<4>()
            {
                if self.authentication.is_none() {
                    self.authentication = Some(u32::from_be_bytes(*kind));
                }
                self.judge_password(story);
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

impl Postgresql {
    /// AuthenticationCleartextPassword is 3; all others are challenges, tickets or nothing at all.
    fn judge_password(&self, story: &mut Story) {
        match self.authentication {
            Some(3) if self.password => {
                story.secret();
                story.over = true;
            }
            Some(3) | None => {}
            Some(_) => story.over = true,
        }
    }
}

fn startup_len(head: &[u8]) -> Length {
    match startup(head) {
        None => Length::Need,
        Some((len, _)) if (8..=MAX_STARTUP_BYTES).contains(&len) => Length::Is(len),
        Some(_) => Length::Bad,
    }
}

/// A message: a letter and a length that counts itself.
fn message_len(head: &[u8]) -> Length {
    match head {
        [_, a, b, c, d, ..] => {
            Length::Is(1 + u64::from(u32::from_be_bytes([*a, *b, *c, *d])).max(4))
        }
        _ => Length::Need,
    }
}

/// A parameter of the StartupMessage.
fn parameter<'a>(packet: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut strings = packet.get(8..)?.split(|b| *b == 0);
    while let (Some(key), Some(value)) = (strings.next(), strings.next()) {
        if lines::starts_with(key, name) && key.len() == name.len() {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::tests::told;
    use hex_literal::hex;

    const SSL: &[u8] = &hex!("00000008 04d2162f");
    const GSS: &[u8] = &hex!("00000008 04d21630");
    const START: &[u8] = b"\0\0\0\x26\0\x03\0\0user\0a\0application_name\0psql\0\0";

    #[test]
    fn one_byte_answers() {
        for (name, talk, want, worked) in [
            (
                "yes",
                vec![('C', SSL), ('S', &b"S"[..])],
                Request::Accepted,
                false,
            ),
            ("no", vec![('C', SSL), ('S', b"N")], Request::Refused, false),
            (
                "no and on",
                vec![('C', SSL), ('S', b"N"), ('C', START)],
                Request::Refused,
                true,
            ),
            (
                "gss first",
                vec![('C', GSS), ('S', b"N"), ('C', SSL), ('S', b"S")],
                Request::Accepted,
                false,
            ),
            ("not asked", vec![('C', START)], Request::None, true),
        ] {
            let story = told(&talk).expect(name);
            assert_eq!(
                (story.request, story.worked, story.secret),
                (want, worked, false),
                "{name}"
            );
        }
    }

    #[test]
    fn passwords() {
        for (kind, secret) in [(3, true), (5, false), (10, false)] {
            let request = [b'R', 0, 0, 0, 8, 0, 0, 0, kind];
            let story = told(&[('C', START), ('S', &request), ('C', b"p\0\0\0\x08abc\0")])
                .expect("PostgreSQL");
            assert_eq!(story.secret, secret);
        }
    }
}
