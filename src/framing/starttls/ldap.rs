//! LDAP (RFC 4511): StartTLS as in section 4.14. The list of what a server can is its root DSE's supportedExtension
//! (RFC 4512 section 5.1).

use memchr::memmem;

use super::packets::{Length, Packets};
use super::{Match, Protocol, Request, Story, Talk};
use crate::record::Side;

/// The name of the StartTLS operation.
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// A message longer than this is not LDAP for a recogniser.
const MAX_FIRST_BYTES: usize = 1 << 24;

pub(super) fn recognise(talk: &Talk<'_>) -> Match {
    match (talk.client.is_empty(), talk.server.is_empty()) {
        (false, _) => looks(talk.client),
        (true, false) if talk.last => looks(talk.server),
        // A server does not speak first.
        (true, false) if looks(talk.server) != Match::No => Match::More,
        _ => Match::No,
    }
}

/// Whether an LDAPMessage begins here: a sequence of an integer and an operation.
fn looks(bytes: &[u8]) -> Match {
    let outer = match element(bytes) {
        Ok(outer) => outer,
        Err(length) => {
            return if length == Length::Need && matches!(bytes.first(), None | Some(0x30)) {
                Match::More
            } else {
                Match::No
            };
        }
    };
    if outer.tag != 0x30 || outer.len > MAX_FIRST_BYTES {
        return Match::No;
    }
    let inner = bytes.get(outer.header..).unwrap_or_default();
    match inner {
        [] => Match::More,
        [2] => Match::More,
        [2, len @ 1..=4, rest @ ..] => match rest.get(usize::from(*len)) {
            None => Match::More,
            Some(op) => Match::of(is_operation(*op)),
        },
        _ => Match::No,
    }
}

/// RFC 4511 appendix B: the tags of protocolOp.
const fn is_operation(tag: u8) -> bool {
    matches!(tag, 0x42 | 0x4a | 0x50 | 0x60 | 0x61 | 0x63..=0x69 | 0x6b..=0x6f | 0x73 | 0x77..=0x79)
}

/// The header of a BER element (X.690 section 8.1): definite lengths only, as RFC 4511 section 5.1 wants.
#[derive(Clone, Copy, Debug)]
struct Element {
    tag: u8,
    header: usize,
    len: usize,
}

fn element(bytes: &[u8]) -> Result<Element, Length> {
    let [tag, first, rest @ ..] = bytes else {
        return Err(Length::Need);
    };
    if *first < 0x80 {
        return Ok(Element {
            tag: *tag,
            header: 2,
            len: usize::from(*first),
        });
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 4 {
        return Err(Length::Bad);
    }
    let digits = rest.get(..count).ok_or(Length::Need)?;
    let len = digits.iter().fold(0_usize, |n, d| {
        n.saturating_mul(256).saturating_add(usize::from(*d))
    });
    Ok(Element {
        tag: *tag,
        header: 2 + count,
        len,
    })
}

/// The first element's tag, its content as far as it is there, and what follows it.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let e = element(bytes).ok()?;
    let content = bytes.get(e.header..)?;
    let len = e.len.min(content.len());
    let (content, rest) = content.split_at_checked(len)?;
    Some((e.tag, content, rest))
}

fn message_len(bytes: &[u8]) -> Length {
    match element(bytes) {
        Ok(e) if e.tag == 0x30 => Length::Is((e.header as u64).saturating_add(e.len as u64)),
        Ok(_) => Length::Bad,
        Err(length) => length,
    }
}

/// A session.
#[derive(Debug, Default)]
pub(crate) struct Ldap {
    from_client: Packets,
    from_server: Packets,
    /// messageID of the StartTLS request.
    starttls: Option<Box<[u8]>>,
}

impl Protocol for Ldap {
    fn client(&mut self, mut bytes: &[u8], story: &mut Story) {
        story.service = Some("ldap");
        story.has_ledger = true;
        while let Some(message) = self.from_client.next(&mut bytes, message_len) {
            let Some((id, op, body)) = operation(message) else {
                continue;
            };
            match op {
                0x77 if memmem::find(
                    body.get(..body.len().min(40)).unwrap_or_default(),
                    START_TLS,
                )
                .is_some() =>
                {
                    story.ask();
                    self.starttls = Some(id.get(..id.len().min(8)).unwrap_or_default().into());
                }
                // unbindRequest, abandonRequest.
                0x42 | 0x50 => {}
                0x60 => bind(body, story),
                _ => work(story),
            }
        }
        // A security layer of SASL's wraps everything in other frames: nothing more can be read.
        story.over |= self.from_client.is_broken() && story.worked;
    }

    fn server(&mut self, mut bytes: &[u8], story: &mut Story) {
        story.service = Some("ldap");
        story.has_ledger = true;
        while let Some(message) = self.from_server.next(&mut bytes, message_len) {
            let Some((id, op, body)) = operation(message) else {
                continue;
            };
            match op {
                // resultCode comes first: an ENUMERATED.
                0x78 if self.starttls.as_deref() == Some(id) => {
                    story.answer(matches!(body, [0x0a, 1, 0, ..]));
                    self.starttls = None;
                }
                // The entry of the root DSE has an empty name.
                0x64 if body.starts_with(&[4, 0])
                    && memmem::find(body, b"supportedExtension").is_some() =>
                {
                    story.list(memmem::find(body, START_TLS).is_some());
                }
                _ => {}
            }
        }
    }

    fn gap(&mut self, from: Side, lost: u64) {
        match from {
            Side::Client => self.from_client.gap(lost),
            Side::Server => self.from_server.gap(lost),
        }
    }
}

/// messageID, tag of protocolOp and its content.
fn operation(message: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let (_, content, _) = split(message)?;
    let (tag, id, rest) = split(content)?;
    let (op, body, _) = split(rest)?;
    (tag == 2).then_some((id, op, body))
}

fn work(story: &mut Story) {
    if story.request == Request::Asked {
        story.injected = true;
    }
    story.work();
}

/// A bind (RFC 4511 section 4.2): version, name, and a choice of simple `[0]` and sasl `[3]`.
fn bind(body: &[u8], story: &mut Story) {
    work(story);
    let Some((_, _, rest)) = split(body) else {
        return;
    };
    let Some((_, _, rest)) = split(rest) else {
        return;
    };
    match split(rest) {
        Some((0x80, password, _)) if !password.is_empty() => story.secret(),
        Some((0xa3, sasl, _))
            if split(sasl).is_some_and(|(_, mechanism, _)| mechanism == b"PLAIN") =>
        {
            story.secret()
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;
    use super::*;
    use hex_literal::hex;

    const ASK: &[u8] = &hex!(
        "30 1d 02 01 01 77 18 80 16 31 2e 33 2e 36 2e 31 2e 34 2e 31 2e 31 34 36 36 2e 32 30 30 33 37"
    );

    #[test]
    fn starttls_by_its_result_code() {
        for (answer, want) in [
            (
                &hex!("30 0c 02 01 01 78 07 0a 01 00 04 00 04 00")[..],
                Request::Accepted,
            ),
            (
                &hex!("30 0c 02 01 01 78 07 0a 01 02 04 00 04 00")[..],
                Request::Refused,
            ),
            (
                &hex!("30 0c 02 01 00 78 07 0a 01 34 04 00 04 00")[..],
                Request::Asked,
            ),
        ] {
            let story = told(&[('C', ASK), ('S', answer)]).expect("LDAP");
            assert_eq!((story.request, story.worked), (want, false));
        }
    }

    #[test]
    fn binds() {
        for (bind, secret) in [
            // Anonymous.
            (
                &hex!("30 0c 02 01 01 60 07 02 01 03 04 00 80 00")[..],
                false,
            ),
            // Simple, with a password.
            (
                &hex!("30 0e 02 01 01 60 09 02 01 03 04 01 61 80 01 62")[..],
                true,
            ),
            // SASL GSSAPI.
            (
                &hex!("30 14 02 01 01 60 0f 02 01 03 04 00 a3 08 04 06 47 53 53 41 50 49")[..],
                false,
            ),
        ] {
            let story = told(&[('C', bind)]).expect("LDAP");
            assert_eq!((story.worked, story.secret), (true, secret));
        }
    }
}
