//! IMAP (RFC 9051, RFC 3501): STARTTLS as in section 6.2.1.

use super::line_protocol::LineProtocol;
use super::lines;
use super::{Match, Story, Talk};

/// Commands that need a login, or are one.
const WORK: &[&[u8]] = &[
    b"LOGIN",
    b"AUTHENTICATE",
    b"SELECT",
    b"EXAMINE",
    b"LIST",
    b"LSUB",
    b"STATUS",
    b"FETCH",
    b"UID",
    b"SEARCH",
    b"STORE",
    b"APPEND",
    b"CREATE",
    b"DELETE",
    b"RENAME",
    b"SUBSCRIBE",
    b"UNSUBSCRIBE",
    b"COPY",
    b"MOVE",
    b"EXPUNGE",
    b"CLOSE",
    b"CHECK",
    b"IDLE",
    b"NAMESPACE",
    b"ENABLE",
];
const OTHER: &[&[u8]] = &[b"CAPABILITY", b"STARTTLS", b"NOOP", b"LOGOUT", b"ID"];

pub(super) fn recognise(talk: &Talk<'_>) -> Match {
    if !lines::is_text(talk.client) || !lines::is_text(talk.server) {
        return Match::No;
    }
    let greetings: [&[u8]; 3] = [b"* OK", b"* PREAUTH", b"* BYE"];
    if greetings.iter().any(|g| lines::starts_with(talk.server, g)) {
        return Match::Yes;
    }
    let commands = talk
        .client
        .split(|b| *b == b'\n')
        .filter(|line| command(line).is_some())
        .count();
    let tagged = |line: &&[u8]| {
        lines::starts_with(line, b"* CAPABILITY") || lines::starts_with(line, b"* FLAGS")
    };
    if commands > 0 && talk.server.split(|b| *b == b'\n').any(|line| tagged(&line))
        || commands > 1 && talk.server.is_empty()
    {
        return Match::Yes;
    }
    if talk.server.is_empty() && talk.client.is_empty()
        || talk.server.len() > 512
        || talk.client.len() > 512
    {
        return Match::No;
    }
    match talk.server.is_empty() {
        true if commands > 0 || talk.client.len() < 16 => Match::More,
        false
            if greetings
                .iter()
                .any(|g| lines::may_start_with(talk.server, g))
                || commands > 0 =>
        {
            Match::More
        }
        _ => Match::No,
    }
}

/// A tag, a known command and what follows it.
fn command(line: &[u8]) -> Option<(&[u8], lines::Word, &[u8])> {
    let space = line.iter().position(|b| *b == b' ')?;
    let (tag, rest) = line.split_at_checked(space)?;
    let (word, rest) = lines::verb(rest);
    // RFC 9051 section 9: a tag has none of these.
    let sound = !tag.is_empty()
        && tag.len() <= 64
        && tag
            .iter()
            .all(|b| b.is_ascii_graphic() && !b"+(){%*\"\\".contains(b));
    (sound && (WORK.contains(&word.as_bytes()) || OTHER.contains(&word.as_bytes())))
        .then_some((tag, word, rest))
}

/// A session.
#[derive(Debug, Default)]
pub(crate) struct Imap {
    greeted: bool,
    /// The tags of STARTTLS and CAPABILITY, which their answers bear.
    starttls: Option<Box<[u8]>>,
    capability: Option<Box<[u8]>>,
}

impl LineProtocol for Imap {
    const SERVICE: &'static str = "imap";
    const LITERALS: bool = true;

    fn client_line(&mut self, line: &[u8], story: &mut Story) {
        let Some((tag, word, rest)) = command(line) else {
            return;
        };
        if story.request == super::Request::Asked {
            story.injected = true;
        }
        let verb = word.as_bytes();
        match verb {
            b"CAPABILITY" => {
                story.asked_list = true;
                self.capability = Some(tag.into());
            }
            b"STARTTLS" => {
                story.ask();
                self.starttls = Some(tag.into());
            }
            b"LOGIN" => story.secret(),
            b"AUTHENTICATE" if lines::is_clear_mechanism(lines::verb(rest).0.as_bytes()) => {
                story.secret()
            }
            b"ID" => {
                if let Some(name) = name_in_id(rest) {
                    story.name_client(&name);
                }
            }
            _ => {}
        }
        if WORK.contains(&verb) {
            story.work();
        }
    }

    fn server_line(&mut self, line: &[u8], story: &mut Story) {
        let (tag, rest) = match line.iter().position(|b| *b == b' ') {
            Some(space) => line.split_at_checked(space).unwrap_or((line, &[])),
            None => (line, &[][..]),
        };
        let (word, text) = lines::verb(rest);
        if tag == b"*" {
            match word.as_bytes() {
                b"CAPABILITY" => capabilities(text, story),
                b"OK" | b"PREAUTH" | b"BYE" => {
                    let (code, text) = code_and_text(text);
                    if let Some(list) = code.filter(|code| lines::starts_with(code, b"CAPABILITY "))
                    {
                        capabilities(list, story);
                    }
                    if !std::mem::replace(&mut self.greeted, true) {
                        story.began = !(story.joined && (self.starttls.is_some() || story.worked));
                        story.name_server(text);
                    }
                }
                _ => {}
            }
            return;
        }
        if self.starttls.as_deref() == Some(tag) && !tag.is_empty() {
            self.starttls = None;
            story.answer(word.as_bytes() == b"OK");
        } else if self.capability.as_deref() == Some(tag) && !tag.is_empty() {
            self.capability = None;
            story.listed = true;
        }
    }
}

fn capabilities(list: &[u8], story: &mut Story) {
    let offers = list
        .split(|b| *b == b' ' || *b == b']')
        .any(|word| word.eq_ignore_ascii_case(b"STARTTLS"));
    story.list(offers);
}

/// A response code in brackets (RFC 9051 section 7.1) and the text behind it.
fn code_and_text(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let Some(rest) = text.strip_prefix(b"[") else {
        return (None, text);
    };
    match rest.iter().position(|b| *b == b']') {
        Some(end) => (rest.get(..end), rest.get(end + 1..).unwrap_or_default()),
        None => (Some(rest), &[]),
    }
}

/// "name" and "version" of an ID command (RFC 2971 section 3.3); the rest may tell of the user.
fn name_in_id(list: &[u8]) -> Option<Vec<u8>> {
    let mut strings = list.split(|b| *b == b'"').skip(1).step_by(2);
    let (mut name, mut version) = (None, None);
    while let (Some(field), Some(value)) = (strings.next(), strings.next()) {
        match field.to_ascii_lowercase().as_slice() {
            b"name" => name = Some(value),
            b"version" => version = Some(value),
            _ => {}
        }
    }
    Some([name?, version.unwrap_or_default()].join(&b' '))
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::tests::told;

    #[test]
    fn starttls_by_its_tag() {
        for (answer, want) in [
            (&b"a2 OK go\r\n"[..], Request::Accepted),
            (b"a2 NO never\r\n", Request::Refused),
            (b"a1 OK\r\n", Request::Asked),
        ] {
            let story = told(&[
                (
                    'S',
                    b"* OK [CAPABILITY IMAP4rev1 ID] imap.example ready.\r\n",
                ),
                ('C', b"a1 CAPABILITY\r\n"),
                ('S', b"* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\n"),
                ('C', b"a2 starttls\r\n"),
                ('S', answer),
            ])
            .expect("IMAP");
            assert_eq!(
                (story.request, story.offered, story.worked),
                (want, true, false)
            );
            assert_eq!(story.banner.as_deref(), Some("imap.example ready."));
        }
    }

    #[test]
    fn literals_are_no_commands() {
        let story = told(&[
            ('S', b"* OK ready\r\n"),
            (
                'C',
                b"a ID (\"name\" \"desk\" \"version\" \"1\" \"user\" \"me\")\r\n",
            ),
            ('C', b"b NOOP {18}\r\na LOGIN me secret\r\nc LOGOUT\r\n"),
        ])
        .expect("IMAP");
        assert!(!story.worked && !story.secret && !story.listed);
        assert_eq!(story.client_name.as_deref(), Some("desk 1"));
    }
}
