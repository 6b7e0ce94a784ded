//! ACAP (RFC 2244): STARTTLS as in RFC 2595 section 5. The greeting is the list of what the server can.

use super::lines::{self, Lines};
use super::{Match, Protocol, Request, Story, Talk};
use crate::record::Side;

const GREETING: &[u8] = b"* ACAP ";

pub(super) fn recognise(talk: &Talk<'_>) -> Match {
    // The commands alone are like those of IMAP.
    if talk.server.is_empty() || !lines::may_start_with(talk.server, GREETING) {
        return Match::No;
    }
    match talk.server.len() >= GREETING.len() {
        true => Match::Yes,
        false if talk.last => Match::No,
        false => Match::More,
    }
}

/// A session.
#[derive(Debug, Default)]
pub(crate) struct Acap {
    from_client: Lines,
    from_server: Lines,
    greeted: bool,
    /// The tag of STARTTLS, which its answer bears.
    starttls: Option<Box<[u8]>>,
}

impl Protocol for Acap {
    fn client(&mut self, mut bytes: &[u8], story: &mut Story) {
        begin(story);
        let mut lines = std::mem::take(&mut self.from_client);
        while let Some(line) = lines.next(&mut bytes) {
            let literal = lines::literal(line);
            self.client_line(line, story);
            if let Some(len) = literal {
                lines.skip(len);
            }
        }
        self.from_client = lines;
    }

    fn server(&mut self, mut bytes: &[u8], story: &mut Story) {
        begin(story);
        let mut lines = std::mem::take(&mut self.from_server);
        while let Some(line) = lines.next(&mut bytes) {
            let literal = lines::literal(line);
            let accepted = self.server_line(line, story);
            if accepted && !bytes.is_empty() {
                story.injected = true;
            }
            if let Some(len) = literal {
                lines.skip(len);
            }
        }
        self.from_server = lines;
    }

    fn gap(&mut self, from: Side, lost: u64) {
        match from {
            Side::Client => self.from_client.gap(lost),
            Side::Server => self.from_server.gap(lost),
        }
    }

    fn finish(&mut self, story: &mut Story) {
        if let Some(line) = self.from_client.rest() {
            self.client_line(&line, story);
        }
        if let Some(line) = self.from_server.rest() {
            self.server_line(&line, story);
        }
    }
}

fn begin(story: &mut Story) {
    story.service = Some("acap");
    story.has_ledger = true;
}

/// A tag and what follows it.
fn tagged(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = line.iter().position(|b| *b == b' ')?;
    let (tag, rest) = line.split_at_checked(space)?;
    (!tag.is_empty() && tag.len() <= 64).then_some((tag, rest))
}

impl Acap {
    fn client_line(&mut self, line: &[u8], story: &mut Story) {
        let Some((tag, rest)) = tagged(line) else {
            return;
        };
        let (word, rest) = lines::verb(rest);
        if !word.is_command(4..=16) {
            return;
        }
        if story.request == Request::Asked {
            story.injected = true;
        }
        match word.as_bytes() {
            b"STARTTLS" => {
                story.ask();
                self.starttls = Some(tag.into());
            }
            b"NOOP" | b"LANG" | b"LOGOUT" => {}
            b"AUTHENTICATE" => {
                story.work();
                let mechanism = rest.split(|b| *b == b'"').nth(1).unwrap_or_default();
                if lines::is_clear_mechanism(mechanism) {
                    story.secret();
                }
            }
            _ => story.work(),
        }
    }

    /// Whether the line says yes to TLS.
    fn server_line(&mut self, line: &[u8], story: &mut Story) -> bool {
        if !std::mem::replace(&mut self.greeted, true) && lines::starts_with(line, GREETING) {
            story.began = true;
            story.list(lines::contains(line, b"(STARTTLS"));
            let name = line.split(|b| *b == b'"').nth(1);
            if let Some(name) = name.filter(|_| lines::contains(line, b"(IMPLEMENTATION \"")) {
                story.name_server(name);
            }
            return false;
        }
        let Some((tag, rest)) = tagged(line) else {
            return false;
        };
        if self.starttls.as_deref() != Some(tag) {
            return false;
        }
        self.starttls = None;
        let yes = lines::verb(rest).0.as_bytes() == b"OK";
        story.answer(yes);
        yes
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;
    use super::*;

    const GREETS: &[u8] =
        b"* ACAP (IMPLEMENTATION \"ACME v3.5\") (SASL \"PLAIN\" \"CRAM-MD5\") (STARTTLS)\r\n";

    #[test]
    fn starttls() {
        for (name, talk, request, worked, secret) in [
            (
                "yes",
                vec![
                    ('S', GREETS),
                    ('C', &b"a002 STARTTLS\r\n"[..]),
                    ('S', b"a002 OK \"Begin TLS negotiation now\"\r\n"),
                ],
                Request::Accepted,
                false,
                false,
            ),
            (
                "no",
                vec![
                    ('S', GREETS),
                    ('C', b"a002 STARTTLS\r\n"),
                    ('S', b"a002 NO \"not now\"\r\n"),
                    ('C', b"a003 AUTHENTICATE \"PLAIN\" {9+}\r\n\0bob\0pass\r\n"),
                ],
                Request::Refused,
                true,
                true,
            ),
            (
                "unused",
                vec![('S', GREETS), ('C', b"a1 AUTHENTICATE \"CRAM-MD5\"\r\n")],
                Request::None,
                true,
                false,
            ),
            (
                "asked for and left",
                vec![('S', GREETS), ('C', b"a1 STARTTLS\r\n")],
                Request::Asked,
                false,
                false,
            ),
        ] {
            let story = told(&talk).expect(name);
            assert_eq!(
                (story.request, story.worked, story.secret, story.offered),
                (request, worked, secret, true),
                "{name}"
            );
            assert_eq!(story.banner.as_deref(), Some("ACME v3.5"));
            assert!(!format!("{story:?}").contains("pass"));
        }
        let story = told(&[
            ('S', b"* ACAP (IMPLEMENTATION \"x\")\r\n"),
            ('C', b"a LOGOUT\r\n"),
        ])
        .expect("ACAP");
        assert!(story.listed && !story.offered && !story.worked);
        let story = told(&[
            ('S', GREETS),
            ('C', b"a STARTTLS\r\nb NOOP\r\n"),
            ('S', b"a OK \"go\"\r\n"),
        ])
        .expect("ACAP");
        assert!(story.injected);
    }
}
