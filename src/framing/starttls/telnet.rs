//! Telnet (RFC 854): START_TLS, option 46 (draft-altman-telnet-starttls-02, IANA's registry of options). The server's
//! DO offers, the client's WILL asks; both then send FOLLOWS, as C-Kermit of the same author does.
//!
//! Before that there was the AUTHENTICATION option (RFC 2941) with the type SSL (IANA's registry of authentication types):
//! the server's SEND lists the types, the client's IS names the one that it takes, the server's REPLY accepts it or not.

use super::{Match, Protocol, Request, Story, Talk, lines};
use crate::record::Side;

const SE: u8 = 240;
const SB: u8 = 250;
const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;
const IAC: u8 = 255;
const START_TLS: u8 = 46;
const FOLLOWS: u8 = 1;
const AUTHENTICATION: u8 = 37;
/// Commands of AUTHENTICATION.
const IS: u8 = 0;
const SEND: u8 = 1;
const REPLY: u8 = 2;
/// A type of AUTHENTICATION, and what is said of it behind its modifier.
const SSL: u8 = 7;
const SSL_START: u8 = 1;
const SSL_ACCEPT: u8 = 2;
const SSL_REJECT: u8 = 3;

/// Options of IANA's registry, and those of games that never came into it.
const fn is_option(option: u8) -> bool {
    matches!(option, 0..=49 | 69 | 70 | 85 | 86 | 90 | 91 | 93 | 138..=140 | 200 | 201 | 255)
}

pub(super) fn recognise(talk: &Talk<'_>) -> Match {
    let (client, server) = (opening(talk.client), opening(talk.server));
    if client.is_wrong || server.is_wrong {
        return Match::No;
    }
    let quiet = |bytes: &[u8], opening: &Opening| bytes.is_empty() || opening.is_cut;
    match (client.count, server.count) {
        // Both negotiate: nothing else begins so.
        (1.., 1..) => Match::Yes,
        // A client that only types.
        (0, 2..) if !talk.client.is_empty() && !client.is_cut => {
            Match::of(lines::is_text(talk.client))
        }
        (0, 0) if talk.client.is_empty() && talk.server.is_empty() => Match::No,
        (2.., 0) if talk.last && talk.server.is_empty() => Match::Yes,
        (0, 2..) if talk.last => Match::Yes,
        _ if talk.last => Match::No,
        (_, 0) if !quiet(talk.server, &server) => {
            // A greeting before any option, which the client answers by options.
            Match::of(client.count >= 2 && lines::is_text(talk.server))
        }
        (0, _) if !quiet(talk.client, &client) => Match::No,
        _ => Match::More,
    }
}

/// Options negotiated at the beginning of a side.
#[derive(Debug, Default)]
struct Opening {
    count: usize,
    /// The next one is not whole.
    is_cut: bool,
    /// An IAC that begins nothing known.
    is_wrong: bool,
}

fn opening(mut bytes: &[u8]) -> Opening {
    let mut opening = Opening::default();
    loop {
        match bytes {
            [IAC, WILL..=DONT, option, rest @ ..] if is_option(*option) => {
                opening.count += 1;
                bytes = rest;
            }
            [IAC, SB, option, rest @ ..] if opening.count > 0 && is_option(*option) => {
                match memchr::memmem::find(rest, &[IAC, SE]) {
                    Some(at) => bytes = rest.get(at + 2..).unwrap_or_default(),
                    None => {
                        opening.is_cut = true;
                        return opening;
                    }
                }
                opening.count += 1;
            }
            [IAC] | [IAC, SB..=DONT] => {
                opening.is_cut = true;
                return opening;
            }
            [IAC, ..] if opening.count == 0 => {
                opening.is_wrong = true;
                return opening;
            }
            _ => return opening,
        }
    }
}

/// Bytes typed or painted that are looked at before the session is taken for one in the clear.
const MAX_TYPED_BYTES: usize = 4096;
/// Bytes of a line of the server: a prompt is short.
const MAX_PROMPT_BYTES: usize = 256;

/// A session.
#[derive(Debug, Default)]
pub(crate) struct Telnet {
    from_client: Nvt,
    from_server: Nvt,
    /// The server's last line, as far as it came: a prompt or not.
    prompt: Vec<u8>,
    /// That line ended; it goes when another begins, for a prompt may have an end of line behind it.
    ended: bool,
    typed: usize,
    offered: bool,
}

/// One direction of the virtual terminal, cut anywhere.
#[derive(Debug, Default)]
struct Nvt {
    at: At,
    sub: Sub,
}

/// The beginning of a sub-negotiation, from its option on: as much as a list of types of AUTHENTICATION has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sub {
    bytes: [u8; Self::MAX_BYTES],
    len: usize,
}

impl Default for Sub {
    fn default() -> Self {
        Self {
            bytes: [0; Self::MAX_BYTES],
            len: 0,
        }
    }
}

impl Sub {
    const MAX_BYTES: usize = 34;

    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
            self.len += 1;
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn follows(&self) -> bool {
        self.bytes() == [START_TLS, FOLLOWS]
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Data,
    Iac,
    Verb(u8),
    Sub,
    SubIac,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Data(u8),
    Option(u8, u8),
    Sub(Sub),
}

impl Nvt {
    fn read(&mut self, byte: u8) -> Option<Event> {
        let (at, event) = match (self.at, byte) {
            (At::Data, IAC) => (At::Iac, None),
            (At::Data, _) => (At::Data, Some(Event::Data(byte))),
            (At::Iac, WILL..=DONT) => (At::Verb(byte), None),
            (At::Iac, SB) => {
                self.sub = Sub::default();
                (At::Sub, None)
            }
            (At::Iac, IAC) => (At::Data, Some(Event::Data(byte))),
            (At::Iac, _) => (At::Data, None),
            (At::Verb(verb), option) => (At::Data, Some(Event::Option(verb, option))),
            (At::Sub, IAC) => (At::SubIac, None),
            (At::Sub, _) | (At::SubIac, IAC) => {
                self.sub.push(byte);
                (At::Sub, None)
            }
            (At::SubIac, _) => (At::Data, Some(Event::Sub(self.sub))),
        };
        self.at = at;
        event
    }
}

impl Protocol for Telnet {
    fn client(&mut self, bytes: &[u8], story: &mut Story) {
        begin(story);
        for byte in bytes {
            match self.from_client.read(*byte) {
                Some(Event::Option(WILL, START_TLS)) => {
                    story.ask();
                    // RFC 854: what was asked for is not acknowledged again.
                    if self.offered {
                        story.answer(true);
                    }
                }
                // RFC 854: only who was asked says no.
                Some(Event::Option(WONT, START_TLS)) => story.list(true),
                // Sent only after the server's DO.
                Some(Event::Sub(sub)) if sub.follows() => story.answer(true),
                Some(Event::Sub(sub)) => {
                    if let [AUTHENTICATION, IS, SSL, _, SSL_START] = sub.bytes() {
                        story.ask();
                    }
                }
                Some(Event::Data(_)) => self.typed(story),
                _ => {}
            }
            if story.over {
                return;
            }
        }
    }

    fn server(&mut self, bytes: &[u8], story: &mut Story) {
        begin(story);
        for byte in bytes {
            match self.from_server.read(*byte) {
                Some(Event::Option(DO, START_TLS)) => {
                    story.list(true);
                    self.offered = true;
                    if story.request == Request::Asked {
                        story.answer(true);
                    }
                }
                // Only after the client's WILL.
                Some(Event::Option(DONT, START_TLS)) => story.answer(false),
                Some(Event::Sub(sub)) if sub.follows() => story.answer(true),
                Some(Event::Sub(sub)) => match sub.bytes() {
                    // Pairs of a type and its modifier.
                    [AUTHENTICATION, SEND, types @ ..]
                        if types.iter().step_by(2).any(|kind| *kind == SSL) =>
                    {
                        story.list(true);
                    }
                    [AUTHENTICATION, REPLY, SSL, _, SSL_ACCEPT] => story.answer(true),
                    [AUTHENTICATION, REPLY, SSL, _, SSL_REJECT] => story.answer(false),
                    _ => {}
                },
                Some(Event::Data(byte)) => self.painted(byte, story),
                _ => {}
            }
        }
    }

    fn gap(&mut self, from: Side, _lost: u64) {
        // Packets mostly end where negotiations do.
        match from {
            Side::Client => self.from_client = Nvt::default(),
            Side::Server => {
                self.from_server = Nvt::default();
                self.prompt.clear();
                self.ended = false;
            }
        }
    }
}

fn begin(story: &mut Story) {
    story.service = Some("telnet");
    story.has_ledger = true;
}

impl Telnet {
    /// A byte that the user typed: none of it is kept.
    fn typed(&mut self, story: &mut Story) {
        if story.request == Request::Asked {
            story.injected = true;
        }
        story.work();
        if asks_for_a_secret(&self.prompt) {
            story.secret();
        }
        self.typed += 1;
        story.over = story.secret || self.typed > MAX_TYPED_BYTES;
    }

    /// A byte of the server's text.
    fn painted(&mut self, byte: u8, story: &mut Story) {
        match byte {
            b'\n' => {
                // Before anything was typed nothing typed can be in it.
                if self.typed == 0 && !self.prompt.contains(&b':') {
                    story.name_server(&self.prompt);
                }
                self.ended = true;
                if self.prompt.trim_ascii_end().last() != Some(&b':') {
                    self.prompt.clear();
                }
            }
            b'\r' | 0 => {}
            _ if std::mem::take(&mut self.ended) => {
                self.prompt.clear();
                self.prompt.push(byte);
            }
            _ if self.prompt.len() < MAX_PROMPT_BYTES => self.prompt.push(byte),
            _ => {}
        }
    }
}

/// Prompts of login(1) and of devices, in the languages in which they are mostly met.
fn asks_for_a_secret(prompt: &[u8]) -> bool {
    [
        &b"PASSWORD"[..],
        b"PASSCODE",
        b"PASSPHRASE",
        b"PASSWORT",
        b"KENNWORT",
        b"MOT DE PASSE",
        b"CONTRASE",
    ]
    .iter()
    .any(|word| lines::contains(prompt, word))
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;
    use super::*;

    const DO_TLS: &[u8] = b"\xff\xfd\x2e";
    const DONT_TLS: &[u8] = b"\xff\xfe\x2e";
    const WILL_TLS: &[u8] = b"\xff\xfb\x2e";
    const WONT_TLS: &[u8] = b"\xff\xfc\x2e";
    const FOLLOWS_TLS: &[u8] = b"\xff\xfa\x2e\x01\xff\xf0";

    #[test]
    fn start_tls() {
        for (name, talk, request, offered, worked) in [
            (
                "the server asks",
                vec![
                    ('S', DO_TLS),
                    ('C', WILL_TLS),
                    ('S', FOLLOWS_TLS),
                    ('C', FOLLOWS_TLS),
                ],
                Request::Accepted,
                true,
                false,
            ),
            (
                "the client asks",
                vec![
                    ('C', WILL_TLS),
                    ('S', DO_TLS),
                    ('C', FOLLOWS_TLS),
                    ('S', FOLLOWS_TLS),
                ],
                Request::Accepted,
                true,
                false,
            ),
            (
                "refused",
                vec![('C', WILL_TLS), ('S', DONT_TLS), ('C', b"bob\r\n")],
                Request::Refused,
                false,
                true,
            ),
            (
                "unused",
                vec![
                    ('S', DO_TLS),
                    ('C', WONT_TLS),
                    ('S', b"login: "),
                    ('C', b"bob\r\n"),
                ],
                Request::None,
                true,
                true,
            ),
            (
                "not offered",
                vec![
                    ('S', b"\xff\xfd\x18\xff\xfd\x20"),
                    ('C', b"\xff\xfb\x18"),
                    ('S', b"login: "),
                    ('C', b"bob\r\n"),
                ],
                Request::None,
                false,
                true,
            ),
            (
                "pipelined with other options",
                vec![
                    ('S', b"\xff\xfd\x2e\xff\xfd\x18\xff\xfb\x01"),
                    ('C', b"\xff\xfb\x2e\xff\xfa\x2e\x01\xff\xf0"),
                ],
                Request::Accepted,
                true,
                false,
            ),
            (
                "the client alone",
                vec![('C', WILL_TLS), ('C', FOLLOWS_TLS)],
                Request::Accepted,
                false,
                false,
            ),
            (
                "the server alone",
                vec![('S', DO_TLS), ('S', FOLLOWS_TLS)],
                Request::Accepted,
                true,
                false,
            ),
        ] {
            let story = told(&talk).expect(name);
            assert_eq!(
                (story.request, story.offered, story.worked, story.service),
                (request, offered, worked, Some("telnet")),
                "{name}"
            );
            assert!(!story.secret && !story.injected, "{name}");
        }
    }

    #[test]
    fn ssl_by_authentication() {
        const OPTION: (char, &[u8]) = ('S', b"\xff\xfd\x25");
        const WILL: (char, &[u8]) = ('C', b"\xff\xfb\x25");
        const START: (char, &[u8]) = ('C', b"\xff\xfa\x25\x00\x07\x00\x01\xff\xf0");
        const TYPES: (char, &[u8]) = ('S', b"\xff\xfa\x25\x01\x06\x02\x07\x00\xff\xf0");
        for (name, talk, request, offered) in [
            (
                "taken",
                vec![
                    OPTION,
                    WILL,
                    TYPES,
                    START,
                    ('S', b"\xff\xfa\x25\x02\x07\x00\x02\xff\xf0"),
                ],
                Request::Accepted,
                true,
            ),
            (
                "refused",
                vec![
                    OPTION,
                    WILL,
                    TYPES,
                    START,
                    ('S', b"\xff\xfa\x25\x02\x07\x00\x03\xff\xf0"),
                ],
                Request::Refused,
                true,
            ),
            (
                "no type is taken",
                vec![
                    OPTION,
                    WILL,
                    TYPES,
                    ('C', b"\xff\xfa\x25\x00\x00\x00\xff\xf0"),
                ],
                Request::None,
                true,
            ),
            (
                "another is taken",
                vec![
                    OPTION,
                    WILL,
                    TYPES,
                    ('C', b"\xff\xfa\x25\x00\x06\x02\x01\xff\xf0"),
                    ('S', b"\xff\xfa\x25\x02\x06\x02\x03\xff\xf0"),
                ],
                Request::None,
                true,
            ),
            (
                "not among them, but a modifier",
                vec![
                    OPTION,
                    WILL,
                    ('S', b"\xff\xfa\x25\x01\x06\x07\x02\x00\xff\xf0"),
                ],
                Request::None,
                false,
            ),
        ] {
            let story = told(&talk).expect(name);
            assert_eq!((story.request, story.offered), (request, offered), "{name}");
        }
    }

    #[test]
    fn passwords_are_told_and_forgotten() {
        let story = told(&[
            (
                'S',
                b"\xff\xfd\x18\xff\xfb\x01\r\nPrinter 9 shell\r\nlogin: ",
            ),
            ('C', b"\xff\xfc\x18\xff\xfd\x01bob\r\n"),
            ('S', b"bob\r\nPassword: "),
            ('C', b"hunter2\r\n"),
        ])
        .expect("telnet");
        assert!(story.worked && story.secret);
        assert_eq!(story.banner.as_deref(), Some("Printer 9 shell"));
        let secret_after = |prompt: &'static [u8]| {
            let talk = [
                ('S', &b"\xff\xfd\x18"[..]),
                ('C', b"\xff\xfc\x18"),
                ('S', prompt),
                ('C', b"hunter2\r\n"),
            ];
            told(&talk).expect("telnet").secret
        };
        assert!(
            secret_after(b"Password:\r\n\r\n"),
            "the prompt may end its line"
        );
        assert!(!secret_after(b"Your password ends soon.\r\n$ "));
        assert!(!secret_after(b"Password:\r\nnone needed $ "));
        assert!(!format!("{story:?}").contains("hunter2"));
    }

    #[test]
    fn other_binary_protocols_are_none_of_it() {
        for talk in [
            // BGP's marker, MP3, JPEG, UTF-16.
            vec![('C', &[0xff; 19][..])],
            vec![('S', b"\xff\xfb\x90\x64\0\0\0\0")],
            vec![('S', b"\xff\xd8\xff\xe0")],
            vec![('C', b"\xff\xfe\x0a\0h\0"), ('S', b"\x01\x02")],
            vec![('C', b"\xff\xfd\x03")],
            vec![('C', b"\xff\xfd\x03\xff\xfd\x01"), ('S', b"\x16\x03")],
            vec![('C', b"\xff")],
        ] {
            assert_eq!(told(&talk), None, "{talk:?}");
        }
    }
}
