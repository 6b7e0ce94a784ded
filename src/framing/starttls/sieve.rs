//! ManageSieve (RFC 5804): STARTTLS as in section 2.2. The greeting is the list of capabilities.

use super::line_protocol::LineProtocol;
use super::lines;
use super::{Match, Pending, Story, Talk};

pub(super) fn recognise(talk: &Talk<'_>) -> Match {
    // RFC 5804 section 1.7: IMPLEMENTATION and SIEVE are always there, and mostly come first.
    let names: [&[u8]; 2] = [b"\"IMPLEMENTATION\"", b"\"SIEVE\""];
    if names
        .iter()
        .any(|name| lines::starts_with(talk.server, name))
    {
        return Match::Yes;
    }
    let begins = !talk.server.is_empty()
        && names
            .iter()
            .any(|name| lines::may_start_with(talk.server, name));
    if begins { Match::More } else { Match::No }
}

/// A session.
#[derive(Debug, Default)]
pub(crate) struct Sieve {
    pending: Pending<Command>,
    greeted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    StartTls,
    Other,
}

impl LineProtocol for Sieve {
    const SERVICE: &'static str = "sieve";
    const LITERALS: bool = true;

    fn lose(&mut self) {
        self.pending.clear();
    }

    fn client_line(&mut self, line: &[u8], story: &mut Story) {
        let (word, rest) = lines::verb(line);
        if !word.is_command(4..=14) {
            return;
        }
        if story.request == super::Request::Asked {
            story.injected = true;
        }
        let mut command = Command::Other;
        match word.as_bytes() {
            b"STARTTLS" => {
                story.ask();
                command = Command::StartTls;
            }
            b"CAPABILITY" => story.asked_list = true,
            b"NOOP" | b"LOGOUT" => {}
            b"AUTHENTICATE" => {
                story.work();
                let mechanism = rest
                    .split(|b| *b == b'"')
                    .find(|part| !part.is_empty())
                    .unwrap_or_default();
                if lines::is_clear_mechanism(mechanism) {
                    story.secret();
                }
            }
            _ => story.work(),
        }
        self.pending.push(command);
    }

    fn server_line(&mut self, line: &[u8], story: &mut Story) {
        if line.starts_with(b"\"") {
            let mut strings = line.split(|b| *b == b'"').skip(1).step_by(2);
            let name = strings.next().unwrap_or_default();
            if name.eq_ignore_ascii_case(b"STARTTLS") {
                story.list(true);
            } else if name.eq_ignore_ascii_case(b"IMPLEMENTATION") {
                story.began = true;
                story.name_server(strings.next().unwrap_or_default());
            }
            return;
        }
        let word = lines::verb(line).0;
        let answer = word.as_bytes();
        if !matches!(answer, b"OK" | b"NO" | b"BYE") {
            return;
        }
        if !std::mem::replace(&mut self.greeted, true) {
            story.list(false);
        } else if self.pending.pop() == Some(Command::StartTls) {
            story.answer(answer == b"OK");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::tests::told;

    #[test]
    fn starttls() {
        let greeting: (char, &[u8]) = ('S', b"\"IMPLEMENTATION\" \"Pigeonhole\"\r\n\"SASL\" \"\"\r\n\"STARTTLS\"\r\nOK \"ready\"\r\n");
        for (answer, want) in [
            (&b"OK\r\n"[..], Request::Accepted),
            (b"NO \"no\"\r\n", Request::Refused),
        ] {
            let story =
                told(&[greeting, ('C', b"STARTTLS\r\n"), ('S', answer)]).expect("ManageSieve");
            assert_eq!(
                (story.request, story.offered, story.worked),
                (want, true, false)
            );
        }
        let story = told(&[greeting, ('C', b"AUTHENTICATE \"PLAIN\" \"AGEAYg==\"\r\n")])
            .expect("ManageSieve");
        assert!(story.worked && story.secret && story.offered);
    }
}
