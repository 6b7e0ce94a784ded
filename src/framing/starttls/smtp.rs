//! SMTP and submission (RFC 5321, RFC 6409), LMTP (RFC 2033): STARTTLS as in RFC 3207.

use super::lines::{self, Lines, Word};
use super::{Match, Pending, Protocol, Request, Story, Talk};
use crate::record::Side;

/// What tells SMTP from other protocols whose servers greet with 220.
const TELLING: &[&[u8]] = &[
    b"EHLO",
    b"HELO",
    b"LHLO",
    b"MAIL",
    b"RCPT",
    b"DATA",
    b"BDAT",
    b"VRFY",
    b"EXPN",
    b"ETRN",
    b"TURN",
    b"RSET",
    b"STARTTLS",
    b"SAML",
    b"SOML",
];
/// Commands that do what the session is there for.
const WORK: &[&[u8]] = &[
    b"MAIL", b"RCPT", b"DATA", b"BDAT", b"AUTH", b"VRFY", b"EXPN", b"ETRN", b"TURN", b"SEND",
    b"SAML", b"SOML",
];
/// Keywords of an EHLO reply (IANA's SMTP Service Extensions), for a list whose question was not captured.
const KEYWORDS: &[&[u8]] = &[
    b"SIZE",
    b"PIPELINING",
    b"8BITMIME",
    b"ENHANCEDSTATUSCODES",
    b"CHUNKING",
    b"DSN",
    b"SMTPUTF8",
    b"STARTTLS",
    b"AUTH",
];

pub(super) fn recognise(talk: &Talk<'_>) -> Match {
    if !lines::is_text(talk.client) || !lines::is_text(talk.server) {
        return Match::No;
    }
    let says = |telling: &[&[u8]]| {
        lines::verbs(talk.client, talk.last)
            .filter(|word| telling.contains(&word.as_bytes()))
            .count()
    };
    if talk.server.is_empty() {
        // The server speaks first; a late one still may. One side alone must say more than a word that a file could
        // begin with.
        return match says(TELLING) {
            0 | 1 if talk.last => Match::No,
            0 if talk.client.len() > 512 => Match::No,
            _ if !talk.last => Match::More,
            _ => Match::Yes,
        };
    }
    let turned_away = turns_away(talk.server);
    if turned_away == Match::No
        && ![&b"220"[..], b"554", b"250", b"421"]
            .iter()
            .any(|code| lines::may_start_with(talk.server, code))
    {
        return Match::No;
    }
    if says(TELLING) > 0 {
        return Match::Yes;
    }
    // 554 is none of FTP's codes, and with a status behind it no other is.
    let no_service = turned_away == Match::Yes || talk.server.starts_with(b"554");
    if no_service && says(&[b"QUIT"]) > 0 {
        return Match::Yes;
    }
    if talk.last {
        let first = lines::greeting(talk.server);
        let starttls_garbled = talk.server.starts_with(b"250-");
        return Match::of(
            lines::contains(first, b"SMTP")
                || lines::contains(first, b"LMTP")
                || starttls_garbled && !talk.client.is_empty()
                || turned_away == Match::Yes && talk.client.is_empty(),
        );
    }
    Match::More
}

/// Whether a server begins by turning the client away (RFC 5321 section 3.1 for 554, section 3.8 for 421, others by
/// custom), with an enhanced status of the same class behind the code (RFC 3463, RFC 2034): `450 4.3.2 try again later`.
fn turns_away(server: &[u8]) -> Match {
    let &[class @ (b'4' | b'5'), ..] = server else {
        return Match::No;
    };
    let line = server.split(|b| *b == b'\n').next().unwrap_or_default();
    let is_whole = line.len() < server.len();
    let otherwise = if is_whole { Match::No } else { Match::More };
    let Some(([_, tens, ones, between], text)) = line.split_first_chunk::<4>() else {
        return otherwise;
    };
    if !(tens.is_ascii_digit() && ones.is_ascii_digit() && matches!(between, b' ' | b'-')) {
        return Match::No;
    }
    match status_class(text) {
        Some(of_status) => Match::of(of_status == class),
        // More than a status has bytes, and none.
        None if text.len() > 9 => Match::No,
        None => otherwise,
    }
}

/// The class of an enhanced status at the beginning of a reply's text: `4.3.2`, with at most three digits behind each dot.
fn status_class(text: &[u8]) -> Option<u8> {
    let status = text.split(u8::is_ascii_whitespace).next()?;
    // Without white space behind it, it may not be whole.
    if status.len() == text.len() {
        return None;
    }
    let mut parts = status.split(|b| *b == b'.');
    let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
    let is_number =
        |part: &[u8]| matches!(part.len(), 1..=3) && part.iter().all(u8::is_ascii_digit);
    match class {
        &[class @ (b'2' | b'4' | b'5')]
            if is_number(subject) && is_number(detail) && parts.next().is_none() =>
        {
            Some(class)
        }
        _ => None,
    }
}

/// A session.
#[derive(Debug, Default)]
pub(crate) struct Smtp {
    from_client: Lines,
    from_server: Lines,
    pending: Pending<Command>,
    client: Client,
    greeted: bool,
    /// The code of the reply whose lines come, and how many there were.
    reply: Option<u16>,
    asked_tls: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Ehlo,
    StartTls,
    Auth,
    Data,
    Other,
}

/// What the client's bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Client {
    #[default]
    Commands,
    /// An answer of an AUTH dialogue: a secret, most often.
    AuthAnswer,
    /// A mail's text.
    Text,
}

impl Protocol for Smtp {
    fn client(&mut self, mut bytes: &[u8], story: &mut Story) {
        story.service.get_or_insert("smtp");
        story.has_ledger = true;
        let mut lines = std::mem::take(&mut self.from_client);
        while let Some(line) = lines.next(&mut bytes) {
            if let Some(chunk) = self.client_line(line, story) {
                lines.skip(chunk);
            }
        }
        self.from_client = lines;
    }

    fn server(&mut self, mut bytes: &[u8], story: &mut Story) {
        story.service.get_or_insert("smtp");
        story.has_ledger = true;
        let mut lines = std::mem::take(&mut self.from_server);
        while let Some(line) = lines.next(&mut bytes) {
            self.server_line(line, story);
        }
        self.from_server = lines;
    }

    fn gap(&mut self, from: Side, lost: u64) {
        self.pending.clear();
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

impl Smtp {
    /// Takes a line; the size of the chunk that follows it, if one does.
    fn client_line(&mut self, line: &[u8], story: &mut Story) -> Option<u64> {
        match self.client {
            Client::Commands => {}
            Client::AuthAnswer => {
                self.client = Client::Commands;
                self.pending.push(Command::Auth);
                return None;
            }
            Client::Text => {
                // RFC 5321 section 4.1.1.4.
                if line == b"." {
                    self.client = Client::Commands;
                    self.pending.push(Command::Other);
                }
                return None;
            }
        }
        let (word, rest) = lines::verb(line);
        let verb = word.as_bytes();
        // RFC 3207 section 4: STARTTLS is the last command before TLS. What stands behind it, and is not TLS, will be
        // taken by some servers for a command that came under TLS.
        if self.asked_tls && story.request == Request::Asked && word.is_command(3..=8) {
            story.injected = true;
        }
        if WORK.contains(&verb) {
            story.work();
        }
        let command = match verb {
            b"EHLO" | b"HELO" | b"LHLO" => {
                if verb == b"LHLO" {
                    story.service = Some("lmtp");
                }
                story.name_client(rest);
                story.asked_list |= verb != b"HELO";
                if verb == b"HELO" {
                    Command::Other
                } else {
                    Command::Ehlo
                }
            }
            b"STARTTLS" => {
                story.ask();
                self.asked_tls = true;
                Command::StartTls
            }
            b"AUTH" => {
                if lines::is_clear_mechanism(lines::verb(rest).0.as_bytes()) {
                    story.secret();
                }
                Command::Auth
            }
            b"DATA" => {
                self.client = Client::Text;
                Command::Data
            }
            // RFC 3030 section 2: the chunk follows the command at once.
            b"BDAT" => {
                self.pending.push(Command::Other);
                let size = rest
                    .split(u8::is_ascii_whitespace)
                    .next()
                    .and_then(|n| std::str::from_utf8(n).ok());
                return size.and_then(|n| n.parse().ok());
            }
            _ => {
                // An inspection box writes over what it does not like on its way to the server.
                if is_mask(word) && word.as_bytes().len() == b"STARTTLS".len() {
                    story.request = Request::Garbled;
                }
                Command::Other
            }
        };
        self.pending.push(command);
        None
    }

    fn server_line(&mut self, line: &[u8], story: &mut Story) {
        let (code, more, text) = match (self.reply, lines::reply(line)) {
            (Some(open), Some((code, more, text))) if code == open => (code, more, text),
            // A line of an open reply that has lost its code.
            (Some(_), _) => return,
            (None, Some(reply)) => reply,
            (None, None) => return,
        };
        let front = self.pending.front().copied();
        if !self.greeted && self.is_greeting(code, text, front, story) {
            if self.reply.is_none() {
                // What stands behind a status is about the client.
                if status_class(text).is_none() {
                    story.name_server(text);
                }
                // The others may be said later, too.
                story.began |= code == 220;
            }
            self.reply = more.then_some(code);
            self.greeted = !more;
            return;
        }
        let first = self.reply.is_none();
        self.reply = more.then_some(code);
        if front == Some(Command::Ehlo) && (200..400).contains(&code)
            || front.is_none() && code == 250
        {
            self.keyword(text, front.is_some(), first, story);
        }
        if more {
            return;
        }
        self.greeted = true;
        match self.pending.pop() {
            // RFC 3207 section 4: 220 is yes.
            Some(Command::StartTls) => story.answer(code == 220),
            Some(Command::Auth) if code == 334 => self.client = Client::AuthAnswer,
            Some(Command::Data) if code != 354 => self.client = Client::Commands,
            Some(Command::Ehlo) => story.listed = true,
            _ => {}
        }
    }

    /// The first reply is the greeting, also where the client did not wait for it; where the beginning was not
    /// captured, it may as well be the answer to STARTTLS.
    fn is_greeting(&self, code: u16, text: &[u8], front: Option<Command>, story: &Story) -> bool {
        (matches!(code, 220 | 554 | 421) || code >= 400 && status_class(text).is_some())
            && (front != Some(Command::StartTls) || !story.joined && code != 220)
    }

    fn keyword(&mut self, text: &[u8], asked: bool, first: bool, story: &mut Story) {
        let (word, rest) = lines::verb(text);
        let verb = word.as_bytes();
        if verb == b"STARTTLS" {
            story.list(true);
        } else if is_mask(word) && rest.is_empty() && !first {
            story.list(false);
            story.masked = true;
        } else if !asked && KEYWORDS.contains(&verb) {
            story.list(false);
        }
    }
}

/// `XXXXXXXA`, `XXXX`, `********`: what inspection boxes write over words.
fn is_mask(word: Word) -> bool {
    let bytes = word.as_bytes();
    let all = |wanted: u8| bytes.iter().all(|b| *b == wanted);
    match bytes.split_last() {
        Some((b'*', _)) => bytes.len() >= 3 && all(b'*'),
        Some((b'X', _)) => bytes.len() >= 4 && all(b'X'),
        Some((last, front)) => {
            bytes.len() == 8 && last.is_ascii_uppercase() && front.iter().all(|b| *b == b'X')
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;
    use super::*;

    const GREETING: (char, &[u8]) = ('S', b"220 mail.example ESMTP\r\n");
    const EHLO: (char, &[u8]) = ('C', b"EHLO printer-2fl\r\n");
    const LIST: (char, &[u8]) = (
        'S',
        b"250-mail.example\r\n250-SIZE 1000\r\n250-STARTTLS\r\n250 CHUNKING\r\n",
    );

    #[test]
    fn starttls_granted_refused_and_unused() {
        for (name, talk, request) in [
            (
                "granted",
                vec![
                    GREETING,
                    EHLO,
                    LIST,
                    ('C', b"STARTTLS\r\n"),
                    ('S', b"220 go\r\n"),
                ],
                Request::Accepted,
            ),
            (
                "refused",
                vec![
                    GREETING,
                    EHLO,
                    LIST,
                    ('C', b"starttls\r\n"),
                    ('S', b"454 no\r\n"),
                ],
                Request::Refused,
            ),
            (
                "asked",
                vec![GREETING, EHLO, LIST, ('C', b"STARTTLS\r\n")],
                Request::Asked,
            ),
            (
                "unused",
                vec![
                    GREETING,
                    EHLO,
                    LIST,
                    ('C', b"QUIT\r\n"),
                    ('S', b"221 bye\r\n"),
                ],
                Request::None,
            ),
            (
                "overwritten",
                vec![
                    GREETING,
                    EHLO,
                    LIST,
                    ('C', b"XXXXXXXX\r\n"),
                    ('S', b"500 what\r\n"),
                ],
                Request::Garbled,
            ),
        ] {
            let story = told(&talk).expect(name);
            assert_eq!(
                (story.request, story.offered, story.worked, story.secret),
                (request, true, false, false),
                "{name}"
            );
            assert_eq!(story.client_name.as_deref(), Some("printer-2fl"), "{name}");
            assert_eq!(
                story.banner.as_deref(),
                Some("mail.example ESMTP"),
                "{name}"
            );
        }
    }

    #[test]
    fn turned_away_by_the_first_line() {
        const QUIT: (char, &[u8]) = ('C', b"QUIT\r\n");
        const BYE: (char, &[u8]) = ('S', b"221 2.0.0 Bye\r\n");
        let about_client: &[u8] = b"450 4.3.2 <unknown[10.20.0.10]>: Client host rejected\r\n";
        for (name, talk, is_smtp) in [
            ("a status", vec![('S', about_client), QUIT, BYE], true),
            (
                "a status, cut",
                vec![('S', b"450 4."), ('S', b"3.2 no\r\n"), QUIT, BYE],
                true,
            ),
            (
                "a status on two lines",
                vec![('S', b"521-5.3.2 no\r\n521 5.3.2 mail\r\n"), QUIT],
                true,
            ),
            (
                "and the client is gone",
                vec![('S', b"550 5.7.1 no\r\n")],
                true,
            ),
            ("554", vec![('S', b"554 go away\r\n"), QUIT], true),
            (
                "554, not waited for",
                vec![('S', b"554 go away\r\n"), EHLO],
                true,
            ),
            (
                "421, not waited for",
                vec![('S', b"421 busy\r\n"), EHLO],
                true,
            ),
            (
                "421, which FTP has too",
                vec![('S', b"421 busy\r\n"), QUIT],
                false,
            ),
            (
                "another class",
                vec![('S', b"450 5.3.2 no\r\n"), QUIT],
                false,
            ),
            ("no status", vec![('S', b"502 4.3 no\r\n"), QUIT], false),
            (
                "an address",
                vec![('S', b"400 4.3.2.1 no\r\n"), QUIT],
                false,
            ),
            (
                "another client",
                vec![('S', b"450 4.3.2 no\r\n"), ('C', b"GET / HTTP/1.0\r\n\r\n")],
                false,
            ),
        ] {
            let story = told(&talk);
            assert_eq!(
                story.is_some_and(|s| s.service == Some("smtp")),
                is_smtp,
                "{name}"
            );
        }
        let story = told(&[('S', about_client), QUIT, BYE]).expect("SMTP");
        assert_eq!((story.request, story.banner), (Request::None, None));
        assert!(!story.worked && !story.asked_list && !story.listed && !story.began);
    }

    #[test]
    fn mail_texts_and_secrets_are_no_commands() {
        let story = told(&[
            GREETING,
            EHLO,
            ('S', b"250-mail.example\r\n250 AUTH PLAIN CRAM-MD5\r\n"),
            ('C', b"AUTH CRAM-MD5\r\n"),
            ('S', b"334 PDE=\r\n"),
            ('C', b"STARTTLS\r\n"),
            ('S', b"235 ok\r\n"),
            (
                'C',
                b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n",
            ),
            ('S', b"250 ok\r\n250 ok\r\n354 go\r\n"),
            ('C', b"AUTH PLAIN x\r\nSTARTTLS\r\n.\r\nQUIT\r\n"),
            ('S', b"250 queued\r\n221 bye\r\n"),
        ])
        .expect("SMTP");
        assert_eq!(
            (story.request, story.listed, story.offered),
            (Request::None, true, false)
        );
        assert!(story.worked && !story.secret);
    }

    #[test]
    fn commands_behind_starttls_are_an_injection() {
        let story = told(&[
            GREETING,
            EHLO,
            LIST,
            ('C', b"STARTTLS\r\nRSET\r\n"),
            ('S', b"220 go\r\n"),
        ])
        .expect("SMTP");
        assert!(story.injected && story.request == Request::Accepted);
    }

    #[test]
    fn masked_keywords() {
        for mask in ["XXXXXXXA", "********", "XXXX"] {
            let list = format!("250-mail.example\r\n250-{mask}\r\n250 HELP\r\n");
            let story = told(&[GREETING, EHLO, ('S', list.as_bytes())]).expect("SMTP");
            assert!(story.masked && !story.offered, "{mask}");
        }
        let story = told(&[('S', b"220 ***************\r\n"), EHLO, LIST]).expect("SMTP");
        assert!(!story.masked && story.offered);
    }
}
