//! SOCKS 4, 4a (their memos) and 5 (RFC 1928, RFC 1929).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Tunnel;
use crate::framing::starttls::{Match, Protocol, Request, Story, Talk, lines};
use crate::record::Side;

/// Methods (RFC 1928 section 3; 3 to 9 are IANA's) that a client offers in earnest.
const MAX_METHOD: u8 = 9;
const USER_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;

pub(crate) fn recognise(talk: &Talk<'_>) -> Match {
    match talk.client {
        [4, 1 | 2, rest @ ..] => version_4(rest, talk),
        [5, count @ 1..=8, rest @ ..] => version_5(*count, rest, talk),
        [4 | 5] if !talk.last => Match::More,
        // The answer came first, or the question is still held back.
        [] if !talk.last => match talk.server {
            [0] | [0, 0x5a..=0x5d, ..] | [5] | [5, 0..=MAX_METHOD | NO_METHOD, ..] => Match::More,
            _ => Match::No,
        },
        _ => Match::No,
    }
}

fn version_4(rest: &[u8], talk: &Talk<'_>) -> Match {
    let user = rest.get(6..).unwrap_or_default();
    let text = user.iter().all(|b| *b == 0 || b.is_ascii_graphic());
    match talk.server {
        _ if !text => Match::No,
        [] if talk.last => Match::of(user.ends_with(&[0])),
        [] => Match::More,
        [0] if !talk.last => Match::More,
        [0, 0x5a..=0x5d, ..] if user.contains(&0) => Match::Yes,
        [0, 0x5a..=0x5d, ..] if !talk.last => Match::More,
        _ => Match::No,
    }
}

fn version_5(count: u8, rest: &[u8], talk: &Talk<'_>) -> Match {
    let Some(methods) = rest.get(..usize::from(count)) else {
        return if talk.last || !rest.iter().all(|m| *m <= MAX_METHOD) {
            Match::No
        } else {
            Match::More
        };
    };
    if !methods.iter().all(|m| *m <= MAX_METHOD)
        || !matches!(rest.get(usize::from(count)), None | Some(1 | 5))
    {
        return Match::No;
    }
    match talk.server {
        [] if talk.last => Match::Yes,
        [] => Match::More,
        [5] if !talk.last => Match::More,
        [5, method, ..] => Match::of(*method == NO_METHOD || methods.contains(method)),
        _ => Match::No,
    }
}

/// A request for a tunnel, and the tunnel.
#[derive(Debug, Default)]
pub(crate) struct Socks {
    /// What both said and was not read yet.
    client: Vec<u8>,
    server: Vec<u8>,
    step: Step,
    tunnel: Tunnel,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Hello,
    Method,
    Login,
    LoginAnswer,
    Request,
    Reply,
    Reply4,
    Tunnel,
    /// Refused, or not to be read.
    Over,
}

/// More than any request takes.
const MAX_KEPT_BYTES: usize = 2048;

impl Protocol for Socks {
    fn client(&mut self, bytes: &[u8], story: &mut Story) {
        if self.step == Step::Tunnel {
            return self.tunnel.bytes(Side::Client, bytes, story);
        }
        keep(&mut self.client, bytes);
        self.go_on(story);
    }

    fn server(&mut self, bytes: &[u8], story: &mut Story) {
        if self.step == Step::Tunnel {
            return self.tunnel.bytes(Side::Server, bytes, story);
        }
        keep(&mut self.server, bytes);
        self.go_on(story);
    }

    fn gap(&mut self, _: Side, _: u64) {
        if self.step != Step::Tunnel {
            self.step = Step::Over;
        }
    }

    fn memory_inside(&self) -> usize {
        self.tunnel.memory()
    }

    fn finish(&mut self, story: &mut Story) {
        self.tunnel.finish(story);
    }
}

fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = MAX_KEPT_BYTES.saturating_sub(kept.len());
    kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
}

impl Socks {
    /// Takes every step for which the bytes are there.
    fn go_on(&mut self, story: &mut Story) {
        while let Some(used) = self.step(story) {
            let kept = if used.from == Side::Client {
                &mut self.client
            } else {
                &mut self.server
            };
            kept.drain(..used.len.min(kept.len()));
            self.step = used.next;
            match used.next {
                Step::Tunnel => {
                    let (client, server) = (
                        std::mem::take(&mut self.client),
                        std::mem::take(&mut self.server),
                    );
                    self.tunnel.bytes(Side::Client, &client, story);
                    self.tunnel.bytes(Side::Server, &server, story);
                }
                Step::Over => story.over = true,
                _ => {}
            }
        }
    }

    fn step(&self, story: &mut Story) -> Option<Used> {
        let (c, s) = (&*self.client, &*self.server);
        let client = |len, next| {
            Some(Used {
                from: Side::Client,
                len,
                next,
            })
        };
        let server = |len, next| {
            Some(Used {
                from: Side::Server,
                len,
                next,
            })
        };
        let answered = |yes, story: &mut Story| {
            story.answer(yes);
            if yes { Step::Tunnel } else { Step::Over }
        };
        match (self.step, c, s) {
            (Step::Hello, [4, _, port_high, port_low, a, b, c4, d, rest @ ..], _) => {
                begin("socks4", story);
                let user = rest.iter().position(|b| *b == 0)?;
                let port = u16::from_be_bytes([*port_high, *port_low]);
                // SOCKS 4a: 0.0.0.x says that a name follows.
                if [*a, *b, *c4] == [0; 3] && *d != 0 {
                    let name = rest.get(user + 1..)?;
                    let end = name.iter().position(|b| *b == 0)?;
                    story.via_target = host(name.get(..end)?, port);
                    return client(8 + user + 1 + end + 1, Step::Reply4);
                }
                story.via_target =
                    Some(format!("{}:{port}", Ipv4Addr::new(*a, *b, *c4, *d)).into());
                client(8 + user + 1, Step::Reply4)
            }
            (Step::Reply4, _, [_, code, ..]) if s.len() >= 8 => {
                server(8, answered(*code == 0x5a, story))
            }
            (Step::Hello, [5, count, rest @ ..], _) => {
                begin("socks5", story);
                (rest.len() >= usize::from(*count)).then_some(())?;
                client(2 + usize::from(*count), Step::Method)
            }
            (Step::Method, _, [5, method, ..]) => match *method {
                NO_METHOD => server(2, answered(false, story)),
                USER_PASSWORD => server(2, Step::Login),
                0 => server(2, Step::Request),
                // GSSAPI and others talk on in their own way: what is asked for cannot be read.
                _ => {
                    story.undecided = true;
                    server(2, Step::Over)
                }
            },
            (Step::Login, [1, user, rest @ ..], _) => {
                story.secret();
                let password = usize::from(*rest.get(usize::from(*user))?);
                (rest.len() >= usize::from(*user) + 1 + password).then_some(())?;
                client(3 + usize::from(*user) + password, Step::LoginAnswer)
            }
            (Step::LoginAnswer, _, [_, status, ..]) => {
                let next = if *status == 0 {
                    Step::Request
                } else {
                    answered(false, story)
                };
                server(2, next)
            }
            (Step::Request, [5, _, _, address @ ..], _) => {
                let (len, target) = address_of(address)?;
                story.via_target = target;
                client(3 + len, Step::Reply)
            }
            (Step::Reply, _, [5, code, _, address @ ..]) => {
                // A refusal may end before the address.
                let len = address_of(address).map(|(len, _)| len);
                match *code {
                    0 => server(3 + len?, answered(true, story)),
                    _ => server(s.len(), answered(false, story)),
                }
            }
            _ => None,
        }
    }
}

struct Used {
    from: Side,
    len: usize,
    next: Step,
}

fn begin(via: &'static str, story: &mut Story) {
    if story.via.is_none() {
        story.via = Some(via);
        story.has_ledger = true;
        story.request = Request::Asked;
    }
}

/// ATYP, address and port (RFC 1928 section 5).
fn address_of(bytes: &[u8]) -> Option<(usize, Option<Box<str>>)> {
    match bytes {
        [1, a, b, c, d, high, low, ..] => {
            let port = u16::from_be_bytes([*high, *low]);
            Some((
                7,
                Some(format!("{}:{port}", Ipv4Addr::new(*a, *b, *c, *d)).into()),
            ))
        }
        [3, len, rest @ ..] => {
            let len = usize::from(*len);
            let port = rest.get(len..)?.first_chunk::<2>()?;
            Some((4 + len, host(rest.get(..len)?, u16::from_be_bytes(*port))))
        }
        [4, rest @ ..] => {
            let (address, rest) = rest.split_first_chunk::<16>()?;
            let port = u16::from_be_bytes(*rest.first_chunk::<2>()?);
            Some((
                19,
                Some(format!("[{}]:{port}", Ipv6Addr::from(*address)).into()),
            ))
        }
        _ => None,
    }
}

fn host(name: &[u8], port: u16) -> Option<Box<str>> {
    Some(format!("{}:{port}", lines::text(name)?).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::starttls::tests::told;
    use hex_literal::hex;

    #[test]
    fn requests_and_replies() {
        let hello = &hex!("05 02 00 02")[..];
        let connect = &hex!("05 01 00 03 04 61626364 01bb")[..];
        for (name, talk, want, target, secret) in [
            (
                "v5 yes",
                vec![
                    ('C', hello),
                    ('S', &hex!("0500")[..]),
                    ('C', connect),
                    ('S', &hex!("05 00 00 01 00000000 0000")[..]),
                ],
                Request::Accepted,
                Some("abcd:443"),
                false,
            ),
            (
                "v5 no",
                vec![
                    ('C', hello),
                    ('S', &hex!("0500")[..]),
                    ('C', connect),
                    ('S', &hex!("05 05 00 01 00000000 0000")[..]),
                ],
                Request::Refused,
                Some("abcd:443"),
                false,
            ),
            (
                "v5 login",
                vec![
                    ('C', hello),
                    ('S', &hex!("0502")[..]),
                    ('C', &hex!("01 01 61 01 62")[..]),
                    ('S', &hex!("0101")[..]),
                ],
                Request::Refused,
                None,
                true,
            ),
            (
                "v4 no, the answer first",
                vec![
                    ('S', &hex!("00 5b 20fb 0a140001")[..]),
                    ('C', &hex!("04 01 20fb 0a140001 00")[..]),
                ],
                Request::Refused,
                Some("10.20.0.1:8443"),
                false,
            ),
            (
                "v5 no method",
                vec![('C', hello), ('S', &hex!("05ff")[..])],
                Request::Refused,
                None,
                false,
            ),
            (
                "v4",
                vec![
                    ('C', &hex!("04 01 0019 c0000201 61 00")[..]),
                    ('S', &hex!("00 5a 0000 00000000")[..]),
                ],
                Request::Accepted,
                Some("192.0.2.1:25"),
                false,
            ),
            (
                "v4a",
                vec![
                    ('C', &hex!("04 01 0019 00000001 00 6162 00")[..]),
                    ('S', &hex!("00 5b 0000 00000000")[..]),
                ],
                Request::Refused,
                Some("ab:25"),
                false,
            ),
        ] {
            let story = told(&talk).expect(name);
            assert_eq!(
                (story.request, story.via_target.as_deref(), story.secret),
                (want, target, secret),
                "{name}"
            );
        }
    }
}
