//! POP3 (RFC 1939): STLS as in RFC 2595, CAPA as in RFC 2449.

use super::line_protocol::LineProtocol;
use super::lines;
use super::{Match, Pending, Story, Talk};

const WORK: &[&[u8]] = &[
    b"USER", b"PASS", b"APOP", b"STAT", b"LIST", b"UIDL", b"RETR", b"TOP", b"DELE", b"LAST",
];

pub(super) fn recognise(talk: &Talk<'_>) -> Match {
    if !lines::is_text(talk.client) || !lines::is_text(talk.server) {
        return Match::No;
    }
    let telling = lines::verbs(talk.client, talk.last)
        .filter(|word| {
            WORK.contains(&word.as_bytes())
                || matches!(word.as_bytes(), b"CAPA" | b"STLS" | b"AUTH")
        })
        .count();
    if talk.server.is_empty() {
        // FTP has USER and PASS as well: without a server's word only the port tells.
        return match telling {
            0 if talk.client.len() > 512 => Match::No,
            0 | 1 if talk.last => Match::No,
            _ if !talk.last => Match::More,
            _ => Match::of(talk.port == 110),
        };
    }
    // Redis answers +OK too, but is asked in arrays.
    if !lines::may_start_with(talk.server, b"+OK") && !lines::may_start_with(talk.server, b"-ERR")
        || talk.client.starts_with(b"*")
    {
        return Match::No;
    }
    if telling > 0 && talk.server.starts_with(b"+OK") {
        return Match::Yes;
    }
    if talk.last {
        let first = talk
            .server
            .split(|b| *b == b'\n')
            .next()
            .unwrap_or_default();
        return Match::of(lines::contains(first, b"POP"));
    }
    Match::More
}

/// A session.
#[derive(Debug, Default)]
pub(crate) struct Pop3 {
    pending: Pending<Command>,
    greeted: bool,
    /// The answer whose lines come, up to a lone dot.
    listing: Option<Command>,
    /// The server asked for the next line of a login.
    dialogue: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Capa,
    Stls,
    /// Answered by many lines.
    Listing,
    Other,
}

impl LineProtocol for Pop3 {
    const SERVICE: &'static str = "pop3";

    fn lose(&mut self) {
        self.pending.clear();
    }

    fn client_line(&mut self, line: &[u8], story: &mut Story) {
        if std::mem::take(&mut self.dialogue) {
            self.pending.push(Command::Other);
            return;
        }
        let (word, rest) = lines::verb(line);
        let verb = word.as_bytes();
        if story.request == super::Request::Asked && word.is_command(3..=4) {
            story.injected = true;
        }
        if WORK.contains(&verb) || verb == b"AUTH" && !rest.is_empty() {
            story.work();
        }
        let command = match verb {
            b"CAPA" => {
                story.asked_list = true;
                Command::Capa
            }
            b"STLS" => {
                story.ask();
                Command::Stls
            }
            b"PASS" => {
                story.secret();
                Command::Other
            }
            b"AUTH" => {
                if lines::is_clear_mechanism(lines::verb(rest).0.as_bytes()) {
                    story.secret();
                }
                if rest.is_empty() {
                    Command::Listing
                } else {
                    Command::Other
                }
            }
            b"LIST" | b"UIDL" if rest.is_empty() => Command::Listing,
            b"RETR" | b"TOP" => Command::Listing,
            _ => Command::Other,
        };
        self.pending.push(command);
    }

    fn server_line(&mut self, line: &[u8], story: &mut Story) {
        if let Some(listing) = self.listing {
            if line == b"." {
                self.listing = None;
            } else if listing == Command::Capa && line.trim_ascii().eq_ignore_ascii_case(b"STLS") {
                story.list(true);
            }
            return;
        }
        let (word, rest) = lines::verb(line);
        match word.as_bytes() {
            b"+OK" | b"-ERR" if !self.greeted => {
                self.greeted = true;
                story.began = true;
                story.name_server(rest);
            }
            // RFC 5034 section 4: a challenge.
            b"+" => self.dialogue = true,
            answer @ (b"+OK" | b"-ERR") => {
                self.greeted = true;
                let yes = answer == b"+OK";
                match self.pending.pop() {
                    Some(Command::Stls) => story.answer(yes),
                    Some(command @ (Command::Capa | Command::Listing)) => {
                        story.listed |= command == Command::Capa;
                        self.listing = yes.then_some(command);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::tests::told;

    #[test]
    fn stls_and_capa() {
        let story = told(&[
            ('S', b"+OK Dovecot ready.\r\n"),
            ('C', b"CAPA\r\n"),
            ('S', b"+OK\r\nTOP\r\nSTLS\r\n.\r\n"),
            ('C', b"STLS\r\n"),
            ('S', b"+OK Begin\r\n"),
        ])
        .expect("POP3");
        assert_eq!(
            (story.request, story.offered, story.worked),
            (Request::Accepted, true, false)
        );
        assert_eq!(story.banner.as_deref(), Some("Dovecot ready."));
    }

    #[test]
    fn a_mail_is_no_list_and_apop_no_secret() {
        let story = told(&[
            ('S', b"+OK <1@pop.example>\r\n"),
            ('C', b"APOP a 0123\r\n"),
            ('S', b"+OK\r\n"),
            ('C', b"RETR 1\r\n"),
            ('S', b"+OK\r\nSTLS\r\n.\r\n"),
        ])
        .expect("POP3");
        assert!(story.worked && !story.secret && !story.offered && !story.listed);
    }

    #[test]
    fn redis_is_not_pop3() {
        assert_eq!(
            told(&[('C', b"*1\r\n$4\r\nAUTH\r\n"), ('S', b"+OK\r\n")]),
            None
        );
    }
}
