//! FTP (RFC 959): AUTH as in RFC 4217. The data channel is a connection of its own, TLS from its first byte or never.

use super::line_protocol::LineProtocol;
use super::lines;
use super::{Match, Pending, Story, Talk};

/// What tells FTP from other protocols whose servers greet with 220.
const TELLING: &[&[u8]] = &[
    b"USER", b"PASS", b"ACCT", b"PORT", b"PASV", b"EPSV", b"EPRT", b"FEAT", b"SYST", b"TYPE",
    b"CWD", b"PWD", b"RETR", b"STOR", b"STOU", b"APPE", b"NLST", b"MLSD", b"MODE", b"SIZE",
    b"MDTM", b"CLNT", b"OPTS", b"XPWD",
];
/// Commands that only look around, ask for TLS or leave.
const IDLE: &[&[u8]] = &[
    b"AUTH", b"FEAT", b"HELP", b"SYST", b"STAT", b"OPTS", b"CLNT", b"HOST", b"NOOP", b"PBSZ",
    b"PROT", b"QUIT", b"CCC", b"LANG",
];

pub(super) fn recognise(talk: &Talk<'_>) -> Match {
    if !lines::is_text(talk.client) || !lines::is_text(talk.server) {
        return Match::No;
    }
    let telling = lines::verbs(talk.client, talk.last)
        .filter(|word| TELLING.contains(&word.as_bytes()))
        .count();
    if talk.server.is_empty() {
        // The server speaks first; a late one still may.
        return match telling {
            0 | 1 if talk.last => Match::No,
            0 if talk.client.len() > 512 => Match::No,
            _ if !talk.last => Match::More,
            // POP3 has USER and PASS as well: here the port may speak.
            _ => Match::of(talk.port != 110),
        };
    }
    if ![&b"220"[..], b"120", b"421"]
        .iter()
        .any(|code| lines::may_start_with(talk.server, code))
    {
        return Match::No;
    }
    if telling > 0 || asks_for_tls(talk.client, talk.last) {
        return Match::Yes;
    }
    if talk.last {
        return Match::of(lines::contains(lines::greeting(talk.server), b"FTP"));
    }
    Match::More
}

/// AUTH with a mechanism of FTP's; SMTP has AUTH too.
fn asks_for_tls(client: &[u8], last: bool) -> bool {
    let whole = last || client.contains(&b'\n');
    let (word, rest) = lines::verb(client.split(|b| *b == b'\n').next().unwrap_or_default());
    whole && word.as_bytes() == b"AUTH" && is_tls(rest)
}

/// RFC 4217 sections 4.1 and 17 have `TLS` and `TLS-C`; `SSL` and `TLS-P`, which protect the data channel too, are older.
fn is_tls(mechanism: &[u8]) -> bool {
    [&b"TLS"[..], b"SSL", b"TLS-C", b"TLS-P"].contains(&lines::verb(mechanism).0.as_bytes())
}

/// A session's control channel.
#[derive(Debug, Default)]
pub(crate) struct Ftp {
    pending: Pending<Command>,
    greeted: bool,
    /// The code of the reply whose lines come.
    reply: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Feat,
    Auth,
    Other,
}

impl LineProtocol for Ftp {
    const SERVICE: &'static str = "ftp";

    fn lose(&mut self) {
        self.pending.clear();
    }

    fn client_line(&mut self, line: &[u8], story: &mut Story) {
        // RFC 959 section 4.1.3: ABOR and STAT may come behind Telnet's IP and Synch.
        let line = line
            .get(line.iter().take_while(|b| **b >= 0xf0).count()..)
            .unwrap_or_default();
        let (word, rest) = lines::verb(line);
        if !word.is_command(3..=4) {
            if !line.is_empty() {
                self.pending.push(Command::Other);
            }
            return;
        }
        if story.request == super::Request::Asked {
            story.injected = true;
        }
        let verb = word.as_bytes();
        let command = match verb {
            b"FEAT" => {
                story.asked_list = true;
                Command::Feat
            }
            b"AUTH" if is_tls(rest) => {
                story.ask();
                Command::Auth
            }
            b"CLNT" => {
                story.name_client(rest);
                Command::Other
            }
            _ => Command::Other,
        };
        if verb == b"PASS" {
            story.secret();
        }
        if !IDLE.contains(&verb) {
            story.work();
        }
        self.pending.push(command);
    }

    fn server_line(&mut self, line: &[u8], story: &mut Story) {
        let parsed = lines::reply(line);
        let (code, more, text) = match (self.reply, parsed) {
            // RFC 959 section 4.2: a reply goes on until its code comes again with a space behind it.
            (Some(open), Some((code, false, text))) if code == open => (code, false, text),
            (Some(open), _) => {
                if open == 211 {
                    self.feature(line, story);
                }
                return;
            }
            (None, Some(reply)) => reply,
            (None, None) => return,
        };
        let first = self.reply.is_none();
        self.reply = more.then_some(code);
        if !self.greeted
            && matches!(code, 120 | 220 | 421)
            && !matches!(self.pending.front(), Some(Command::Auth))
        {
            if first {
                story.name_server(text);
                story.began = true;
            }
            self.greeted = !more && code != 120;
            return;
        }
        // RFC 959 section 4.2: 1yz is preliminary, another reply to the same command follows.
        if more || (100..200).contains(&code) {
            return;
        }
        self.greeted = true;
        match self.pending.pop() {
            // RFC 4217 section 4.2: 234 is yes. 334 (RFC 2228 section 3) is not what it should be, and a yes all the same.
            Some(Command::Auth) => story.answer(matches!(code, 234 | 334)),
            Some(Command::Feat) => story.listed = true,
            _ => {}
        }
    }
}

impl Ftp {
    /// A line of FEAT's answer (RFC 2389 section 3.2).
    fn feature(&self, line: &[u8], story: &mut Story) {
        let line = lines::reply(line).map_or(line, |(_, _, text)| text);
        let (word, rest) = lines::verb(line);
        let asked = matches!(self.pending.front(), Some(Command::Feat));
        if asked
            && word.as_bytes() == b"AUTH"
            && (lines::contains(rest, b"TLS") || lines::contains(rest, b"SSL"))
        {
            story.list(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::tests::told;

    #[test]
    fn auth_tls_and_its_answers() {
        for (command, reply, want) in [
            (&b"AUTH TLS\r\n"[..], &b"234 go\r\n"[..], Request::Accepted),
            (b"AUTH SSL\r\n", b"234 go\r\n", Request::Accepted),
            (b"AUTH TLS\r\n", b"502 no\r\n", Request::Refused),
            (b"AUTH GSSAPI\r\n", b"334 go\r\n", Request::None),
        ] {
            let talk: Vec<(char, &[u8])> = vec![
                ('S', b"220-hello\r\n220 ftp.example FTP\r\n"),
                ('C', command),
                ('S', reply),
                ('C', b"QUIT\r\n"),
            ];
            let story = told(&talk).expect("FTP");
            assert_eq!(
                (story.request, story.worked, story.secret),
                (want, false, false),
                "{command:?}"
            );
        }
    }

    #[test]
    fn features_and_logins() {
        let story = told(&[
            ('S', b"220 ftp.example\r\n"),
            ('C', b"FEAT\r\n"),
            (
                'S',
                b"211-Features:\r\n AUTH TLS;TLS-C;\r\n SIZE\r\n211 End\r\n",
            ),
            ('C', b"USER anonymous\r\n"),
            ('S', b"331 password\r\n"),
            ('C', b"PASS x\r\n"),
        ])
        .expect("FTP");
        assert!(story.listed && story.offered && story.worked && story.secret);
        assert_eq!(story.request, Request::None);
    }
}
