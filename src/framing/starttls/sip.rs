//! SIP (RFC 3261). It has no upgrade in band (section 26.2.1: TLS is a matter of the hop, from the first byte), so it has
//! no line in the ledger; but where TLS meets it, in a tunnel or at the wrong port, its name is told.

use super::{Match, Protocol, Story, Talk};
use crate::record::Side;

const VERSION: &[u8] = b"SIP/2.0";
/// A method is longer than this only in an attack.
const MAX_METHOD_BYTES: usize = 24;
const MAX_LINE_BYTES: usize = 2048;
/// Empty lines before the first, which also keep a connection alive (RFC 5626 section 3.5.1).
const MAX_EMPTY_BYTES: usize = 8;

pub(super) fn recognise(talk: &Talk<'_>) -> Match {
    let (client, server) = (first_line(talk.client), first_line(talk.server));
    match client {
        Match::Yes => Match::Yes,
        Match::More if !talk.last => Match::More,
        // The client was not heard.
        Match::No if talk.client.is_empty() => match server {
            Match::More if talk.last => Match::No,
            server => server,
        },
        _ => Match::No,
    }
}

/// Whether a side begins with a request line or a status line; empty lines may come before (section 7.5).
fn first_line(bytes: &[u8]) -> Match {
    let said = bytes.len();
    let bytes = bytes.trim_ascii_start();
    if bytes.is_empty() {
        return if (1..=MAX_EMPTY_BYTES).contains(&said) {
            Match::More
        } else {
            Match::No
        };
    }
    if let Some(rest) = bytes.strip_prefix(VERSION) {
        return rest.first().map_or(Match::More, |b| Match::of(*b == b' '));
    }
    let method = bytes.iter().take_while(|b| b.is_ascii_uppercase()).count();
    if method > MAX_METHOD_BYTES {
        return Match::No;
    }
    let Some(at) = memchr::memchr(b'\n', bytes) else {
        let may = VERSION.starts_with(bytes)
            || method > 0 && matches!(bytes.get(method), None | Some(b' '));
        return if may && bytes.len() < MAX_LINE_BYTES {
            Match::More
        } else {
            Match::No
        };
    };
    let line = bytes.get(..at).unwrap_or_default().trim_ascii_end();
    Match::of(method > 0 && bytes.get(method) == Some(&b' ') && line.ends_with(b" SIP/2.0"))
}

/// A connection: all is told by its beginning.
#[derive(Debug, Default)]
pub(crate) struct Sip;

impl Protocol for Sip {
    fn client(&mut self, _bytes: &[u8], story: &mut Story) {
        settle(story);
    }

    fn server(&mut self, _bytes: &[u8], story: &mut Story) {
        settle(story);
    }

    fn gap(&mut self, _from: Side, _lost: u64) {}
}

fn settle(story: &mut Story) {
    story.service = Some("sip");
    story.over = true;
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;

    #[test]
    fn requests_and_answers() {
        for talk in [
            vec![(
                'C',
                &b"REGISTER sip:pbx.example SIP/2.0\r\nVia: SIP/2.0/TCP a\r\n"[..],
            )],
            vec![
                ('C', b"\r\n\r\nOPTIONS sip:a@b SIP/2.0\r\n"),
                ('S', b"SIP/2.0 200 OK\r\n"),
            ],
            vec![('S', b"SIP/2.0 200 OK\r\n")],
        ] {
            let story = told(&talk).expect("SIP");
            assert_eq!((story.service, story.has_ledger), (Some("sip"), false));
        }
        for talk in [
            ('C', &b"GET / HTTP/1.1\r\nHost: SIP/2.0\r\n"[..]),
            ('C', b"REGISTER sip:pbx.example"),
            ('C', b"SIP/2.05 200\r\n"),
            ('S', b"\r\n\r\n"),
        ] {
            assert_eq!(told(&[talk]), None);
        }
    }
}
