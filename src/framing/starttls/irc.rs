//! IRC (RFC 2812): STARTTLS as in IRCv3's "tls" capability, which is deprecated and still served.

use super::lines::{self, Lines};
use super::{Match, Protocol, Story, Talk};
use crate::record::Side;

pub(super) fn recognise(talk: &Talk<'_>) -> Match {
    if !lines::is_text(talk.client) || !lines::is_text(talk.server) {
        return Match::No;
    }
    let mut told = false;
    for word in lines::verbs(talk.client, talk.last) {
        match word.as_bytes() {
            b"NICK" | b"JOIN" | b"PRIVMSG" => return Match::Yes,
            b"CAP" | b"STARTTLS" | b"PASS" | b"USER" | b"NOTICE" | b"PING" => told = true,
            _ => {}
        }
    }
    let numbered = talk
        .server
        .split(|b| *b == b'\n')
        .any(|line| message(line).is_some_and(|(_, word, _)| is_servers(word)));
    if numbered && (!talk.client.is_empty() || talk.last) {
        return Match::Yes;
    }
    let begins = talk.server.is_empty()
        || matches!(talk.server.first(), Some(b':' | b'@'))
        || lines::may_start_with(talk.server, b"NOTICE ");
    let text = talk.client.len() < 64
        && talk
            .client
            .iter()
            .all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace());
    if begins && !talk.last && (told || text || talk.client.is_empty()) && talk.server.len() < 1024
    {
        Match::More
    } else {
        Match::No
    }
}

/// A numeric, NOTICE, or the answer to a question for capabilities.
fn is_servers(word: &[u8]) -> bool {
    matches!(word, b"NOTICE" | b"CAP") || word.len() == 3 && word.iter().all(u8::is_ascii_digit)
}

/// Source, command and parameters of a server's message (RFC 2812 section 2.3.1), tags left out.
fn message(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut words = line.splitn(2, |b| *b == b' ');
    let (mut first, mut rest) = (words.next()?, words.next()?);
    if first.starts_with(b"@") {
        let mut words = rest.splitn(2, |b| *b == b' ');
        (first, rest) = (words.next()?, words.next()?);
    }
    let source = first.strip_prefix(b":")?;
    let mut words = rest.splitn(2, |b| *b == b' ');
    Some((source, words.next()?, words.next().unwrap_or_default()))
}

/// A connection to a server.
#[derive(Debug, Default)]
pub(crate) struct Irc {
    from_client: Lines,
    from_server: Lines,
}

impl Protocol for Irc {
    fn client(&mut self, mut bytes: &[u8], story: &mut Story) {
        begin(story);
        while let Some(line) = self.from_client.next(&mut bytes) {
            client_line(line, story);
        }
    }

    fn server(&mut self, mut bytes: &[u8], story: &mut Story) {
        begin(story);
        while let Some(line) = self.from_server.next(&mut bytes) {
            server_line(line, story);
        }
    }

    fn gap(&mut self, from: Side, lost: u64) {
        match from {
            Side::Client => self.from_client.gap(lost),
            Side::Server => self.from_server.gap(lost),
        }
    }

    fn finish(&mut self, story: &mut Story) {
        if let Some(line) = self.from_client.rest() {
            client_line(&line, story);
        }
        if let Some(line) = self.from_server.rest() {
            server_line(&line, story);
        }
    }
}

fn begin(story: &mut Story) {
    story.service = Some("irc");
    story.has_ledger = true;
}

fn client_line(line: &[u8], story: &mut Story) {
    let (mut word, mut rest) = lines::verb(line);
    if line.starts_with(b":") {
        (word, rest) = lines::verb(rest);
    }
    match word.as_bytes() {
        b"STARTTLS" => story.ask(),
        b"CAP" => story.asked_list |= lines::verb(rest).0.as_bytes() == b"LS",
        b"PING" | b"PONG" | b"QUIT" => {}
        b"PASS" | b"OPER" => {
            story.work();
            story.secret();
        }
        verb @ (b"PRIVMSG" | b"NICKSERV" | b"NS") => {
            story.work();
            // To the services: IDENTIFY and a password. Talk among people is not looked into.
            let to_services = verb != b"PRIVMSG"
                || lines::contains(rest.get(..rest.len().min(64)).unwrap_or_default(), b"SERV");
            if to_services && lines::contains(rest, b"IDENTIFY ") {
                story.secret();
            }
        }
        // SASL (IRCv3): the mechanism comes first.
        b"AUTHENTICATE" => {
            story.work();
            if lines::is_clear_mechanism(lines::verb(rest).0.as_bytes()) {
                story.secret();
            }
        }
        _ if word.is_command(3..=12) => story.work(),
        _ => {}
    }
}

fn server_line(line: &[u8], story: &mut Story) {
    let Some((source, word, rest)) = message(line) else {
        return;
    };
    story.name_server(source);
    match word {
        // 670 RPL_STARTTLS; 691 ERR_STARTTLS, 421 unknown command, 451 not registered.
        b"670" => story.answer(true),
        b"691" | b"421" | b"451" if story.request == super::Request::Asked => story.answer(false),
        b"CAP" => {
            let mut words = rest.split(|b| *b == b' ').skip(1);
            if words.next().is_some_and(|w| w.eq_ignore_ascii_case(b"LS")) {
                let offers = words.any(|w| {
                    w.strip_prefix(b":")
                        .unwrap_or(w)
                        .split(|b| *b == b'=')
                        .next()
                        == Some(&b"tls"[..])
                });
                story.list(offers);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::tests::told;

    #[test]
    fn starttls_and_registration() {
        for (answer, want) in [
            (&b":irc.example 670 * :go\r\n"[..], Request::Accepted),
            (b":irc.example 691 * :no\r\n", Request::Refused),
        ] {
            let story = told(&[
                ('C', b"CAP LS 302\r\n"),
                ('S', b":irc.example CAP * LS :multi-prefix tls\r\n"),
                ('C', b"STARTTLS\r\n"),
                ('S', answer),
            ])
            .expect("IRC");
            assert_eq!(
                (story.request, story.offered, story.worked),
                (want, true, false)
            );
        }
        for end in [&b"QUIT\r\n"[..], b""] {
            let story = told(&[
                ('C', b"CAP LS 302\r\n"),
                (
                    'S',
                    b":irc.example CAP * LS :account-notify multi-prefix tls \r\n",
                ),
                ('C', end),
            ])
            .expect("IRC");
            assert_eq!(
                (story.request, story.offered, story.worked),
                (Request::None, true, false)
            );
        }
        let story = told(&[
            ('C', b"PASS x\r\nNICK a\r\nUSER a 0 * :a\r\n"),
            ('S', b":irc.example 001 a :hi\r\n"),
        ])
        .expect("IRC");
        assert!(story.worked && story.secret && !story.asked_list);
    }
}
