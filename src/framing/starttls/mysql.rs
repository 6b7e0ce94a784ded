//! MySQL and MariaDB: the connection phase of the client/server protocol. The client asks for TLS by a login packet cut
//! short, and begins at once; the server says beforehand that it can, and never answers.

use super::packets::{Length, Packets};
use super::{Match, Protocol, Story, Talk};
use crate::record::Side;

/// CLIENT_SSL.
const SSL: u16 = 0x0800;
/// A greeting is no longer than this.
const MAX_GREETING_BYTES: usize = 600;

pub(super) fn recognise(talk: &Talk<'_>) -> Match {
    // The server speaks first: a length, sequence number 0, and protocol version 10 or an error.
    let [a, b, c, rest @ ..] = talk.server else {
        return if talk.server.is_empty() || talk.last {
            Match::No
        } else {
            Match::More
        };
    };
    let len = usize::from(*a) + (usize::from(*b) << 8) + (usize::from(*c) << 16);
    if !(4..MAX_GREETING_BYTES).contains(&len) {
        return Match::No;
    }
    match rest {
        [] | [0] => Match::More,
        [0, 0x0a, version @ ..] => {
            let digits = version.iter().take_while(|b| b.is_ascii_digit()).count();
            match version.get(digits) {
                None if digits < 4 && !talk.last => Match::More,
                Some(b'.') => Match::of(digits > 0),
                _ => Match::No,
            }
        }
        // An error instead of a greeting: "too many connections", "host is not allowed".
        [0, 0xff, _, _, text, ..] => Match::of(
            talk.client.is_empty()
                && (*text == b'#' || text.is_ascii_uppercase())
                && talk.server.len() == len + 4,
        ),
        [0, 0xff, ..] if !talk.last => Match::More,
        _ => Match::No,
    }
}

/// A connection, up to the login.
#[derive(Debug, Default)]
pub(crate) struct Mysql {
    from_client: Packets,
    from_server: Packets,
    greeted: bool,
    logged_in: bool,
}

impl Protocol for Mysql {
    fn client(&mut self, mut bytes: &[u8], story: &mut Story) {
        begin(story);
        while let Some(packet) = self.from_client.next(&mut bytes, packet_len) {
            let Some([a, b]) = packet.get(4..).and_then(|p| p.first_chunk::<2>()) else {
                continue;
            };
            if self.logged_in {
                continue;
            }
            // Protocol::SSLRequest: 32 bytes, 5 before MySQL 4.1; a login is longer.
            if matches!(packet.len(), 36 | 9) && u16::from_le_bytes([*a, *b]) & SSL != 0 {
                story.ask();
                story.answer(true);
                return;
            }
            self.logged_in = true;
            story.work();
            look_for_clear_password(packet, story);
        }
    }

    fn server(&mut self, mut bytes: &[u8], story: &mut Story) {
        begin(story);
        while let Some(packet) = self.from_server.next(&mut bytes, packet_len) {
            if !std::mem::replace(&mut self.greeted, true) {
                greeting(packet, story);
                continue;
            }
            match packet.get(4) {
                // AuthSwitchRequest.
                Some(0xfe) if self.logged_in => look_for_clear_password(packet, story),
                // OK: logged in.
                Some(0) if self.logged_in => story.over = true,
                _ => {}
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

/// In the login, the method it is for; in AuthSwitchRequest, the method to go on with: the answer is the password.
fn look_for_clear_password(packet: &[u8], story: &mut Story) {
    let head = packet.get(..packet.len().min(400)).unwrap_or_default();
    if memchr::memmem::find(head, b"mysql_clear_password").is_some() {
        story.secret();
    }
}

fn begin(story: &mut Story) {
    story.service = Some("mysql");
    story.has_ledger = true;
}

/// Protocol::HandshakeV10: version, thread id, 8 bytes of scramble, a zero, the lower capabilities.
fn greeting(packet: &[u8], story: &mut Story) {
    let Some([0x0a, rest @ ..]) = packet.get(4..) else {
        // The server's capabilities were never told.
        story.undecided = true;
        return;
    };
    let version = rest.split(|b| *b == 0).next().unwrap_or_default();
    let capabilities = rest
        .get(version.len() + 14..)
        .and_then(|c| c.first_chunk::<2>());
    story.began = true;
    story.name_server(version);
    story.asked_list = true;
    if let Some(capabilities) = capabilities {
        story.list(u16::from_le_bytes(*capabilities) & SSL != 0);
    }
}

/// Three bytes of length, a sequence number.
fn packet_len(head: &[u8]) -> Length {
    match head {
        [a, b, c, _, ..] => Length::Is(4 + u64::from(u32::from_le_bytes([*a, *b, *c, 0]))),
        _ => Length::Need,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::tests::told;

    fn greeting(capabilities: u16) -> Vec<u8> {
        let mut body = b"\x0a8.0.36\0\x01\0\0\0abcdefgh\0".to_vec();
        body.extend(capabilities.to_le_bytes());
        body.extend([0; 20]);
        packet(0, &body)
    }

    fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
        [
            &[u8::try_from(body.len()).unwrap(), 0, 0, sequence][..],
            body,
        ]
        .concat()
    }

    #[test]
    fn requests_and_logins() {
        let (with, without) = (greeting(0xffff), greeting(0xf7ff));
        let mut request = vec![0; 32];
        request[1] = 0x08;
        let request = packet(1, &request);
        let login = packet(1, &[[0x05, 0xa2].as_slice(), &[0; 60]].concat());
        for (name, talk, request, offered, worked) in [
            (
                "asked",
                vec![('S', &*with), ('C', &*request)],
                Request::Accepted,
                true,
                false,
            ),
            (
                "unused",
                vec![('S', &*with), ('C', &*login)],
                Request::None,
                true,
                true,
            ),
            (
                "not offered",
                vec![('S', &*without), ('C', &*login)],
                Request::None,
                false,
                true,
            ),
        ] {
            let story = told(&talk).expect(name);
            assert_eq!(
                (story.request, story.listed, story.offered, story.worked),
                (request, true, offered, worked),
                "{name}"
            );
            assert_eq!(story.banner.as_deref(), Some("8.0.36"));
        }
    }
}
