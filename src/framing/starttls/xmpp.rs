//! XMPP between clients and servers and among servers (RFC 6120): STARTTLS as in section 5.

use super::lines::{self, Lines};
use super::{Match, Protocol, Request, Story, Talk};
use crate::record::Side;

const TLS_NAMESPACE: &[u8] = b"urn:ietf:params:xml:ns:xmpp-tls";

pub(super) fn recognise(talk: &Talk<'_>) -> Match {
    match talk.client.is_empty() {
        false => looks(talk.client, talk.last),
        true if talk.last => looks(talk.server, true),
        true if looks(talk.server, false) != Match::No && !talk.server.is_empty() => Match::More,
        true => Match::No,
    }
}

fn looks(bytes: &[u8], last: bool) -> Match {
    let mut text = bytes.trim_ascii_start();
    if lines::starts_with(text, b"<?xml") {
        match text.iter().position(|b| *b == b'>') {
            Some(end) => text = text.get(end + 1..).unwrap_or_default().trim_ascii_start(),
            None if text.len() < 256 && !last => return Match::More,
            None => return Match::No,
        }
    }
    let beginnings: [&[u8]; 5] = [
        b"<stream:stream",
        b"</stream:stream",
        b"<iq",
        b"<presence",
        b"<message",
    ];
    let ends =
        |b: Option<&u8>| b.is_none_or(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'/'));
    if beginnings
        .iter()
        .any(|b| text.starts_with(b) && ends(text.get(b.len())))
    {
        return Match::Yes;
    }
    let may = lines::may_start_with(text, b"<?xml")
        || beginnings.iter().any(|b| lines::may_start_with(text, b));
    if may && !last && bytes.len() < 1024 {
        Match::More
    } else {
        Match::No
    }
}

/// A stream in each direction. Tags are read one by one; XML itself is not understood.
#[derive(Debug, Default)]
pub(crate) struct Xmpp {
    from_client: Lines,
    from_server: Lines,
    opened: bool,
    in_features: bool,
    in_iq_auth: bool,
}

impl Protocol for Xmpp {
    fn client(&mut self, mut bytes: &[u8], story: &mut Story) {
        begin(story);
        let mut tags = std::mem::take(&mut self.from_client);
        while let Some(tag) = tags.next_until(b'>', &mut bytes) {
            self.client_tag(tag_of(tag), story);
        }
        self.from_client = tags;
    }

    fn server(&mut self, mut bytes: &[u8], story: &mut Story) {
        begin(story);
        let mut tags = std::mem::take(&mut self.from_server);
        while let Some(tag) = tags.next_until(b'>', &mut bytes) {
            self.server_tag(tag_of(tag), story);
        }
        self.from_server = tags;
    }

    fn gap(&mut self, from: Side, lost: u64) {
        match from {
            Side::Client => self.from_client.gap(lost),
            Side::Server => self.from_server.gap(lost),
        }
    }

    fn finish(&mut self, story: &mut Story) {
        story.joined |= !self.opened;
    }
}

fn begin(story: &mut Story) {
    story.service.get_or_insert("xmpp-client");
    story.has_ledger = true;
}

/// What stands between `<` and `>`, and its name.
fn tag_of(bytes: &[u8]) -> (&[u8], &[u8]) {
    let tag = bytes
        .iter()
        .rposition(|b| *b == b'<')
        .and_then(|at| bytes.get(at + 1..))
        .unwrap_or_default();
    let end = tag
        .iter()
        .skip(1)
        .position(|b| b.is_ascii_whitespace() || *b == b'/')
        .map_or(tag.len(), |at| at + 1);
    (tag.get(..end).unwrap_or(tag), tag)
}

impl Xmpp {
    fn client_tag(&mut self, (name, tag): (&[u8], &[u8]), story: &mut Story) {
        match name {
            b"stream:stream" => {
                self.opened = true;
                story.began = true;
                // RFC 6120 section 4.7.5: without a version there are no features.
                story.asked_list |= lines::contains(tag, b"VERSION=");
                service(tag, story);
            }
            b"starttls" => story.ask(),
            b"auth" => {
                story.work();
                if attribute(tag, b"mechanism").is_some_and(lines::is_clear_mechanism) {
                    story.secret();
                }
            }
            b"iq" | b"message" | b"presence" | b"db:result" | b"db:verify" => {
                if story.request == Request::Asked {
                    story.injected = true;
                }
                story.work();
            }
            // XEP-0078.
            b"query" => self.in_iq_auth = lines::contains(tag, b"JABBER:IQ:AUTH"),
            b"password" if self.in_iq_auth => story.secret(),
            _ => {}
        }
    }

    fn server_tag(&mut self, (name, tag): (&[u8], &[u8]), story: &mut Story) {
        match name {
            b"stream:stream" => {
                service(tag, story);
                if let Some(from) = attribute(tag, b"from") {
                    story.name_server(from);
                }
            }
            b"stream:features" => {
                self.in_features = !tag.ends_with(b"/");
                story.listed = true;
            }
            b"/stream:features" => self.in_features = false,
            b"starttls" if self.in_features || lines::contains(tag, TLS_NAMESPACE) => {
                story.list(true)
            }
            b"proceed"
                if lines::contains(tag, TLS_NAMESPACE) || story.request == Request::Asked =>
            {
                story.answer(true)
            }
            b"failure" if story.request == Request::Asked => story.answer(false),
            _ => {}
        }
    }
}

fn service(tag: &[u8], story: &mut Story) {
    if lines::contains(tag, b"JABBER:SERVER") {
        story.service = Some("xmpp-server");
    }
}

/// The value of an attribute.
fn attribute<'a>(tag: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = memchr::memmem::find_iter(tag, name).find(|at| {
        let before = at.checked_sub(1).and_then(|b| tag.get(b));
        before.is_some_and(u8::is_ascii_whitespace)
            && matches!(tag.get(at + name.len()), Some(b'=' | b' '))
    })?;
    let mut parts = tag
        .get(at + name.len()..)?
        .splitn(3, |b| matches!(b, b'"' | b'\''));
    parts.next()?;
    parts.next()
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;
    use super::*;

    const OPEN: &[u8] = b"<?xml version='1.0'?><stream:stream to='example' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";
    const FEATURES: &[u8] = b"<stream:stream from='example' id='1' version='1.0'><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>";

    #[test]
    fn starttls_and_logins() {
        let ask: &[u8] = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
        for (answer, want) in [
            (
                &b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"[..],
                Request::Accepted,
            ),
            (
                b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
                Request::Refused,
            ),
        ] {
            let story =
                told(&[('C', OPEN), ('S', FEATURES), ('C', ask), ('S', answer)]).expect("XMPP");
            assert_eq!(
                (story.request, story.offered, story.worked),
                (want, true, false)
            );
            assert_eq!(story.service, Some("xmpp-client"));
        }
        let auth: &[u8] =
            b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>";
        let story = told(&[
            ('C', OPEN),
            ('S', b"<stream:stream><stream:features/>"),
            ('C', auth),
        ])
        .expect("XMPP");
        assert!(story.worked && story.secret && story.listed && !story.offered);
    }

    #[test]
    fn other_xml_is_not_xmpp() {
        assert_eq!(told(&[('C', b"<?xml version='1.0'?><methodCall>")]), None);
    }
}
