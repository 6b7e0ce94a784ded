//! HTTP/1.1 as far as it changes protocols: CONNECT (RFC 9110 section 9.3.6) and Upgrade: TLS (RFC 2817). Requests that
//! do neither are none of the ledger's business.

use super::Tunnel;
use crate::framing::starttls::lines::{self, Lines};
use crate::framing::starttls::{Match, Pending, Protocol, Request, Story, Talk};
use crate::record::Side;

/// A request line is longer than this only in a log of attacks.
const MAX_METHOD_BYTES: usize = 24;

pub(crate) fn recognise(talk: &Talk<'_>) -> Match {
    let method = talk
        .client
        .iter()
        .take_while(|b| b.is_ascii_uppercase() || matches!(b, b'-' | b'_'))
        .count();
    if talk.client.is_empty() || method == 0 || method > MAX_METHOD_BYTES {
        return Match::No;
    }
    let line = talk
        .client
        .split(|b| *b == b'\n')
        .next()
        .unwrap_or_default();
    let whole = line.len() < talk.client.len();
    if !whole {
        // Other protocols begin with words of capitals as well: their lines are short.
        let spaces = line.iter().filter(|b| **b == b' ').count();
        return if talk.last || talk.client.len() > 4000 || spaces > 2 {
            Match::No
        } else {
            Match::More
        };
    }
    let mut words = line.split(|b| *b == b' ').rev();
    let version = words.next().unwrap_or_default();
    Match::of(version.starts_with(b"HTTP/1.") && line.get(method) == Some(&b' '))
}

/// A connection to a server or a proxy.
#[derive(Debug, Default)]
pub(crate) struct Http {
    from_client: Lines,
    from_server: Lines,
    request: Head,
    response: Head,
    pending: Pending<Ask>,
    tunnel: Option<Tunnel>,
    /// What the client sent before the proxy's yes.
    early: Vec<u8>,
}

/// A message's head, as far as it came.
#[derive(Debug, Default)]
struct Head {
    begun: bool,
    ask: Ask,
    status: u16,
    /// What the fields said before it was known that this request matters.
    agent: Option<Box<[u8]>>,
    secret: bool,
    /// The method is OPTIONS.
    options: bool,
    body_bytes: u64,
    chunked: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ask {
    #[default]
    Nothing,
    Connect,
    /// By a request that wants something besides, or by one that only asks (RFC 2817 sections 3.1 and 3.2).
    Tls,
    TlsAlone,
}

/// Bytes sent before the proxy's yes that are kept for the tunnel.
const MAX_EARLY_BYTES: usize = 2048;

impl Protocol for Http {
    fn client(&mut self, mut bytes: &[u8], story: &mut Story) {
        loop {
            if let Some(tunnel) = &mut self.tunnel {
                return tunnel.bytes(Side::Client, bytes, story);
            }
            if self.pending.front() == Some(&Ask::Connect) {
                let room = MAX_EARLY_BYTES.saturating_sub(self.early.len());
                self.early
                    .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
                return;
            }
            let mut lines = std::mem::take(&mut self.from_client);
            let line = lines.next(&mut bytes).map(<[u8]>::to_vec);
            self.from_client = lines;
            let Some(line) = line else { return };
            self.request_line(&line, story);
        }
    }

    fn server(&mut self, mut bytes: &[u8], story: &mut Story) {
        loop {
            if let Some(tunnel) = &mut self.tunnel {
                return tunnel.bytes(Side::Server, bytes, story);
            }
            let mut lines = std::mem::take(&mut self.from_server);
            let line = lines.next(&mut bytes).map(<[u8]>::to_vec);
            self.from_server = lines;
            let Some(line) = line else { return };
            self.response_line(&line, story);
            if story.over {
                return;
            }
        }
    }

    fn gap(&mut self, from: Side, lost: u64) {
        match from {
            Side::Client => self.from_client.gap(lost),
            Side::Server => self.from_server.gap(lost),
        }
    }

    fn memory_inside(&self) -> usize {
        self.tunnel.as_ref().map_or(0, Tunnel::memory)
    }

    fn finish(&mut self, story: &mut Story) {
        // A head that was cut off still asked, once its first line was whole.
        if self.request.begun && self.request.ask == Ask::Connect && story.request == Request::None
        {
            story.ask();
        }
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.finish(story);
        }
    }
}

impl Http {
    fn request_line(&mut self, line: &[u8], story: &mut Story) {
        if !self.request.begun {
            if line.is_empty() {
                return;
            }
            self.request = Head {
                begun: true,
                ..Head::default()
            };
            let mut words = line.split(|b| *b == b' ');
            let method = words.next();
            self.request.options = method == Some(b"OPTIONS");
            if method == Some(b"CONNECT") {
                self.request.ask = Ask::Connect;
                story.has_ledger = true;
                story.via = Some("http-connect");
                story.via_target = words.next().and_then(target);
            }
            return;
        }
        if line.is_empty() {
            let ask = self.request.ask;
            self.request.begun = false;
            match ask {
                Ask::Nothing => self.from_client.skip(self.request.body_bytes),
                Ask::Connect => story.ask(),
                Ask::Tls | Ask::TlsAlone => {
                    story.has_ledger = true;
                    story.service = Some("http");
                    story.ask();
                    self.from_client.skip(self.request.body_bytes);
                }
            }
            self.pending.push(ask);
            return;
        }
        let Some((name, value)) = field(line) else {
            return;
        };
        let asks = self.request.ask != Ask::Nothing;
        match name.as_bytes() {
            b"CONTENT-LENGTH" => self.request.body_bytes = number(value),
            // RFC 2817 section 3.1: `Upgrade: TLS/1.0`.
            b"UPGRADE" if self.request.ask == Ask::Nothing && lines::contains(value, b"TLS/") => {
                self.request.ask = if self.request.options {
                    Ask::TlsAlone
                } else {
                    Ask::Tls
                };
                if let Some(agent) = self.request.agent.take() {
                    story.name_client(&agent);
                }
                story.secret |= self.request.secret;
            }
            b"USER-AGENT" if asks => story.name_client(value),
            b"USER-AGENT" => self.request.agent = Some(value.into()),
            b"PROXY-AUTHORIZATION" | b"AUTHORIZATION" => {
                // RFC 7617 and RFC 6750; Digest, NTLM and Negotiate do not show the secret.
                if matches!(lines::verb(value).0.as_bytes(), b"BASIC" | b"BEARER") {
                    self.request.secret = true;
                    if asks || name.as_bytes().starts_with(b"PROXY") {
                        story.secret();
                    }
                }
            }
            _ => {}
        }
    }

    fn response_line(&mut self, line: &[u8], story: &mut Story) {
        if !self.response.begun {
            let mut words = line.split(|b| *b == b' ');
            let status = words
                .next()
                .filter(|v| v.starts_with(b"HTTP/1."))
                .and_then(|_| words.next())
                .map(number);
            let Some(status) = status.and_then(|status| u16::try_from(status).ok()) else {
                return;
            };
            self.response = Head {
                begun: true,
                status,
                ..Head::default()
            };
            let plain = self.pending.front().is_none_or(|ask| *ask == Ask::Nothing);
            // RFC 2817 section 4.2: 426 makes the client ask for TLS. Anything else is a web server at its work.
            if plain && !matches!(status, 100..=199 | 407 | 426) && !story.has_ledger {
                story.over = true;
            }
            return;
        }
        if !line.is_empty() {
            match field(line) {
                Some((name, value)) if name.as_bytes() == b"CONTENT-LENGTH" => {
                    self.response.body_bytes = number(value)
                }
                Some((name, value)) if name.as_bytes() == b"TRANSFER-ENCODING" => {
                    self.response.chunked = lines::contains(value, b"CHUNKED")
                }
                // RFC 2817 section 4.2: the server wants TLS, and says so to who did not ask.
                Some((name, value))
                    if name.as_bytes() == b"UPGRADE"
                        && self.response.status == 426
                        && lines::contains(value, b"TLS/") =>
                {
                    story.has_ledger = true;
                    story.service.get_or_insert("http");
                    story.list(true);
                }
                _ => {}
            }
            return;
        }
        self.response.begun = false;
        let status = self.response.status;
        // RFC 9110 section 15.2: 1xx is preliminary, but for the change itself.
        if (100..200).contains(&status) && status != 101 {
            return;
        }
        match self.pending.pop() {
            // RFC 9110 section 9.3.6: any 2xx; what follows is the tunnel's.
            Some(Ask::Connect) => {
                let yes = (200..300).contains(&status);
                story.answer(yes);
                let early = std::mem::take(&mut self.early);
                if yes {
                    let mut tunnel = Tunnel::default();
                    tunnel.bytes(Side::Client, &early, story);
                    self.tunnel = Some(tunnel);
                } else {
                    self.skip_body(story);
                    self.client(&early, story);
                }
            }
            Some(ask @ (Ask::Tls | Ask::TlsAlone)) => {
                story.answer(status == 101);
                if status != 101 {
                    // The answer in the clear is what the client came for.
                    story.worked |= ask == Ask::Tls;
                    self.skip_body(story);
                }
            }
            _ => {
                // After a 426 or a refusal, an answer means that it went on without.
                if story.service == Some("http") && !matches!(status, 407 | 426) {
                    story.work();
                }
                self.skip_body(story);
            }
        }
    }

    /// What a refusal is followed by is of no interest, but the next request may be granted.
    fn skip_body(&mut self, story: &mut Story) {
        if self.response.chunked {
            // Its end is a line of its own; lines that look like a status line in a page of errors are unlikely.
            return;
        }
        self.from_server.skip(self.response.body_bytes);
        // After a 426 the client may ask yet.
        story.over |=
            story.has_ledger && story.request == Request::None && (!story.offered || story.worked);
    }
}

/// A header field's name in upper case and its value.
fn field(line: &[u8]) -> Option<(lines::Word, &[u8])> {
    let colon = line.iter().position(|b| *b == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    Some((lines::Word::new(name), value.get(1..)?.trim_ascii()))
}

fn number(value: &[u8]) -> u64 {
    std::str::from_utf8(value.trim_ascii())
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0)
}

/// The authority that a tunnel is asked to; what may stand before an `@` is nobody's business.
fn target(authority: &[u8]) -> Option<Box<str>> {
    lines::text(authority.rsplit(|b| *b == b'@').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::starttls::tests::told;

    const CONNECT: &[u8] =
        b"CONNECT mail.example:25 HTTP/1.1\r\nHost: mail.example:25\r\nUser-Agent: curl/8\r\n\r\n";

    #[test]
    fn connect() {
        for (name, talk, want, tunnelled) in [
            (
                "yes",
                vec![
                    ('C', CONNECT),
                    ('S', &b"HTTP/1.1 200 Connection established\r\n\r\n"[..]),
                ],
                Request::Accepted,
                false,
            ),
            (
                "no",
                vec![
                    ('C', CONNECT),
                    (
                        'S',
                        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
                    ),
                ],
                Request::Refused,
                false,
            ),
            ("unanswered", vec![('C', CONNECT)], Request::Asked, false),
            (
                "second try",
                vec![
                    ('C', CONNECT),
                    ('S', b"HTTP/1.1 407 Auth\r\nContent-Length: 2\r\n\r\nno"),
                    ('C', CONNECT),
                    ('S', b"HTTP/1.1 200 OK\r\n\r\n"),
                ],
                Request::Accepted,
                false,
            ),
            (
                "mail inside",
                vec![
                    ('C', CONNECT),
                    ('S', b"HTTP/1.0 200 OK\r\n\r\n"),
                    ('S', b"220 mail.example ESMTP\r\n"),
                ],
                Request::Accepted,
                true,
            ),
        ] {
            let story = told(&talk).expect(name);
            assert_eq!(
                (story.request, story.tunnelled),
                (want, tunnelled),
                "{name}"
            );
            assert_eq!(
                (story.via, story.via_target.as_deref()),
                (Some("http-connect"), Some("mail.example:25"))
            );
            assert_eq!(story.client_name.as_deref(), Some("curl/8"));
            assert_eq!(story.service, tunnelled.then_some("smtp"));
        }
    }

    #[test]
    fn upgrade_to_tls_and_plain_requests() {
        let upgrade: &[u8] = b"OPTIONS * HTTP/1.1\r\nHost: printer\r\nUpgrade: TLS/1.2\r\nConnection: Upgrade\r\n\r\n";
        let story = told(&[
            ('C', upgrade),
            ('S', b"HTTP/1.1 101 Switching\r\nUpgrade: TLS/1.2\r\n\r\n"),
        ])
        .expect("HTTP");
        assert_eq!(
            (story.request, story.service, story.worked),
            (Request::Accepted, Some("http"), false)
        );
        let story = told(&[('C', upgrade), ('S', b"HTTP/1.1 200 OK\r\n\r\n")]).expect("HTTP");
        assert_eq!((story.request, story.worked), (Request::Refused, false));
        let get: &[u8] = b"GET / HTTP/1.1\r\nUpgrade: TLS/1.0\r\n\r\n";
        let story = told(&[('C', get), ('S', b"HTTP/1.1 200 OK\r\n\r\n")]).expect("HTTP");
        assert_eq!((story.request, story.worked), (Request::Refused, true));
        let story = told(&[
            ('C', upgrade),
            ('S', b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\nno"),
            ('C', b"POST /ipp HTTP/1.1\r\n\r\n"),
            ('S', b"HTTP/1.1 200 OK\r\n\r\n"),
        ])
        .expect("HTTP");
        assert_eq!((story.request, story.worked), (Request::Refused, true));
        let plain: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n";
        // RFC 2817 section 4.2, as CUPS answers where `DefaultEncryption Required` stands.
        let required: &[u8] = b"HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\n\
            Upgrade: TLS/1.2,TLS/1.1,TLS/1.0\r\nContent-Length: 2\r\n\r\nno";
        for (rest, request, worked) in [
            (vec![], Request::None, false),
            (
                vec![('C', plain), ('S', &b"HTTP/1.1 200 OK\r\n\r\n"[..])],
                Request::None,
                true,
            ),
            (
                vec![('C', upgrade), ('S', b"HTTP/1.1 101 Switching\r\n\r\n")],
                Request::Accepted,
                false,
            ),
        ] {
            let story =
                told(&[&[('C', plain), ('S', required)], &rest[..]].concat()).expect("HTTP");
            assert_eq!(
                (story.request, story.worked, story.offered, story.service),
                (request, worked, true, Some("http"))
            );
        }
        let story = told(&[(
            'C',
            b"POST /ipp/print HTTP/1.1\r\nUser-Agent: CUPS/2.4\r\n\
              Authorization: Basic Ym9iOnBhc3M=\r\nUpgrade: TLS/1.0\r\n\r\n",
        )])
        .expect("HTTP");
        assert_eq!(
            (story.client_name.as_deref(), story.secret, story.request),
            (Some("CUPS/2.4"), true, Request::Asked)
        );
        let h2: &[u8] = b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: HTTP/2.0\r\n\r\n";
        assert_eq!(told(&[('C', plain), ('S', h2)]), None);
        assert_eq!(
            told(&[('C', plain), ('S', b"HTTP/1.1 200 OK\r\n\r\n")]),
            None
        );
    }
}
