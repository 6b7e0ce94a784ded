//! NNTP (RFC 3977): STARTTLS as in RFC 4642.

use super::line_protocol::LineProtocol;
use super::lines;
use super::{Match, Pending, Story, Talk};

const TELLING: &[&[u8]] = &[
    b"MODE",
    b"GROUP",
    b"CAPABILITIES",
    b"ARTICLE",
    b"LIST",
    b"AUTHINFO",
    b"STARTTLS",
    b"LISTGROUP",
    b"XOVER",
    b"OVER",
    b"HEAD",
    b"BODY",
    b"IHAVE",
    b"NEWNEWS",
    b"NEWGROUPS",
    b"XHDR",
    b"POST",
    b"DATE",
];

pub(super) fn recognise(talk: &Talk<'_>) -> Match {
    if !lines::is_text(talk.client) || !lines::is_text(talk.server) {
        return Match::No;
    }
    let telling = lines::verbs(talk.client, talk.last)
        .filter(|word| TELLING.contains(&word.as_bytes()))
        .count();
    let greets = [&b"200"[..], b"201"]
        .iter()
        .any(|code| lines::may_start_with(talk.server, code));
    if talk.server.is_empty() || !greets {
        return Match::No;
    }
    if telling > 0 {
        return Match::Yes;
    }
    if talk.last {
        let first = talk
            .server
            .split(|b| *b == b'\n')
            .next()
            .unwrap_or_default();
        let says = [&b"NNTP"[..], b"NNRP", b"INTERNETNEWS", b"NEWS"]
            .iter()
            .any(|word| lines::contains(first, word));
        return Match::of(says);
    }
    Match::More
}

/// A session.
#[derive(Debug, Default)]
pub(crate) struct Nntp {
    pending: Pending<Command>,
    greeted: bool,
    /// The answer whose lines come, up to a lone dot.
    listing: Option<Command>,
    /// The client sends an article.
    posting: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Capabilities,
    StartTls,
    /// LISTGROUP, whose 211 is followed by lines; GROUP's is not.
    ListGroup,
    Other,
}

impl LineProtocol for Nntp {
    const SERVICE: &'static str = "nntp";

    fn lose(&mut self) {
        self.pending.clear();
    }

    fn client_line(&mut self, line: &[u8], story: &mut Story) {
        if self.posting {
            self.posting = line != b".";
            if !self.posting {
                self.pending.push(Command::Other);
            }
            return;
        }
        let (word, rest) = lines::verb(line);
        if !word.is_command(4..=12) {
            return;
        }
        if story.request == super::Request::Asked {
            story.injected = true;
        }
        let command = match word.as_bytes() {
            b"CAPABILITIES" => Command::Capabilities,
            // The drafts of RFC 3977 had it before CAPABILITIES.
            b"LIST" if lines::verb(rest).0.as_bytes() == b"EXTENSIONS" => Command::Capabilities,
            b"STARTTLS" => Command::StartTls,
            b"LISTGROUP" => Command::ListGroup,
            _ => Command::Other,
        };
        match word.as_bytes() {
            _ if command == Command::Capabilities => story.asked_list = true,
            b"STARTTLS" => story.ask(),
            b"MODE" | b"DATE" | b"HELP" | b"QUIT" => {}
            b"AUTHINFO" => {
                story.work();
                let (kind, rest) = lines::verb(rest);
                // RFC 4643 sections 2.3 and 2.4.
                let clear = match kind.as_bytes() {
                    b"PASS" => true,
                    b"SASL" => lines::is_clear_mechanism(lines::verb(rest).0.as_bytes()),
                    _ => false,
                };
                if clear {
                    story.secret();
                }
            }
            _ => story.work(),
        }
        self.pending.push(command);
    }

    fn server_line(&mut self, line: &[u8], story: &mut Story) {
        if let Some(listing) = self.listing {
            if line == b"." {
                self.listing = None;
            } else if listing == Command::Capabilities
                && line.trim_ascii().eq_ignore_ascii_case(b"STARTTLS")
            {
                story.list(true);
            }
            return;
        }
        let Some((code, _, text)) = lines::reply(line) else {
            return;
        };
        if !std::mem::replace(&mut self.greeted, true) && matches!(code, 200 | 201) {
            story.began = true;
            story.name_server(text);
            return;
        }
        let command = self.pending.pop();
        match command {
            // RFC 4642 section 2.2: 382 is yes.
            Some(Command::StartTls) => story.answer(code == 382),
            Some(Command::Capabilities) => story.listed = true,
            _ => {}
        }
        match code {
            // RFC 3977 sections 3.1.1 and 3.2, RFC 2980 and drafts of the former: these are followed by lines.
            100 | 101 | 202 | 215 | 218 | 220 | 221 | 222 | 224 | 225 | 230 | 231 | 282 => {
                self.listing = Some(command.unwrap_or(Command::Other))
            }
            211 if command == Some(Command::ListGroup) => self.listing = command,
            // Send the article.
            335 | 340 => self.posting = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::tests::told;

    #[test]
    fn starttls_and_logins() {
        for (answer, want) in [
            (&b"382 go\r\n"[..], Request::Accepted),
            (b"580 no\r\n", Request::Refused),
        ] {
            let story = told(&[
                ('S', b"200 news.example InterNetNews ready\r\n"),
                ('C', b"CAPABILITIES\r\n"),
                ('S', b"101 list\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n"),
                ('C', b"STARTTLS\r\n"),
                ('S', answer),
            ])
            .expect("NNTP");
            assert_eq!(
                (story.request, story.offered, story.worked),
                (want, true, false)
            );
        }
        let story = told(&[
            ('S', b"201 news.example\r\n"),
            ('C', b"MODE READER\r\n"),
            ('S', b"200 ok\r\n"),
            ('C', b"AUTHINFO USER a\r\nAUTHINFO PASS b\r\n"),
        ])
        .expect("NNTP");
        assert!(story.worked && story.secret && !story.asked_list);
    }
}
