//! AMQP: the TLS protocol header of 1.0 (OASIS AMQP 1.0 part 5, sections 5.2 and 5.3); 0-8 to 0-9-1 begin alike (AMQP
//! 0-9-1 section 4.2.2) and know no TLS in band, but their logins are seen.

use super::packets::{Length, Packets};
use super::{Match, Protocol, Request, Story, Talk, lines};
use crate::record::Side;

const MAGIC: &[u8] = b"AMQP";
const HEADER_LEN: usize = 8;
/// Protocol ids of 1.0's headers.
const PLAIN_ID: u8 = 0;
const TLS_ID: u8 = 2;
const SASL_ID: u8 = 3;
/// Frame types of 1.0.
const AMQP_FRAME: u8 = 0;
const SASL_FRAME: u8 = 1;
/// Descriptors of 1.0's performatives: sasl-init and open.
const SASL_INIT: u8 = 0x41;
const OPEN: u8 = 0x10;
/// Class connection of 0-9-1, and its methods.
const CONNECTION: u8 = 10;
const START: u8 = 10;
const START_OK: u8 = 11;

pub(super) fn recognise(talk: &Talk<'_>) -> Match {
    let client = begins(talk.client, talk.last);
    let server = begins(talk.server, talk.last);
    match (client, server) {
        (Some(Match::No), _) | (_, Some(Match::No)) | (None, None) => Match::No,
        // A server alone: its header; or the method that begins everything.
        (Some(Match::Yes), _) | (None, Some(Match::Yes)) => Match::Yes,
        _ => Match::More,
    }
}

/// Whether one side's bytes begin as AMQP does; `None` where there are none.
fn begins(bytes: &[u8], last: bool) -> Option<Match> {
    if bytes.is_empty() {
        return None;
    }
    let more = if last { Match::No } else { Match::More };
    Some(match bytes {
        [b'A', b'M', b'Q', b'P', id, major, minor, revision, ..] => {
            Match::of(version([*id, *major, *minor, *revision]).is_some())
        }
        _ if MAGIC.starts_with(bytes) || bytes.starts_with(MAGIC) => more,
        // A method frame on channel 0 with Connection.Start.
        [1, 0, 0, _, _, _, _, rest @ ..] => match rest {
            [0, CONNECTION, 0, START, ..] => Match::Yes,
            _ if [0, CONNECTION, 0, START].starts_with(rest) => more,
            _ => Match::No,
        },
        _ if [1, 0, 0].starts_with(bytes) || bytes.starts_with(&[1, 0, 0]) => more,
        _ => Match::No,
    })
}

/// How a side speaks after its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    /// 1.0, with the protocol id.
    One(u8),
    /// 0-8 to 0-10.
    Zero,
}

fn version(header: [u8; 4]) -> Option<Version> {
    match header {
        [id @ (PLAIN_ID | TLS_ID | SASL_ID), 1, 0, 0] => Some(Version::One(id)),
        [0, 0, 9, 1] | [1, 1, 0, 8..=10] | [1, 1, 8, 0] | [1, 1, 9, 1] => Some(Version::Zero),
        _ => None,
    }
}

/// A connection, up to where work begins.
#[derive(Debug, Default)]
pub(crate) struct Amqp {
    from_client: Half,
    from_server: Half,
    heard_client: bool,
}

#[derive(Debug, Default)]
struct Half {
    packets: Packets,
    version: Option<Version>,
}

impl Half {
    /// The next header or frame.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<Vec<u8>> {
        let version = self.version;
        let packet = self
            .packets
            .next(bytes, |head| packet_len(head, version))?
            .to_vec();
        if let Some(header) = header(&packet) {
            self.version = Some(header);
        }
        Some(packet)
    }
}

fn header(packet: &[u8]) -> Option<Version> {
    let rest = packet.strip_prefix(MAGIC)?;
    version(*rest.first_chunk::<4>()?)
}

/// A header may come between frames: its first four bytes would be a frame of a gigabyte.
fn packet_len(head: &[u8], version: Option<Version>) -> Length {
    if head.starts_with(MAGIC) {
        return Length::Is(HEADER_LEN as u64);
    }
    match (version, head) {
        (Some(Version::One(_)), [a, b, c, d, ..]) => match u32::from_be_bytes([*a, *b, *c, *d]) {
            len if len as usize >= HEADER_LEN => Length::Is(len.into()),
            _ => Length::Bad,
        },
        // Type, channel, size, payload and a byte that ends the frame (0-9-1 section 4.2.3).
        (_, [1..=8, _, _, a, b, c, d, ..]) => {
            Length::Is(u64::from(u32::from_be_bytes([*a, *b, *c, *d])) + 8)
        }
        (_, head) if head.len() < 7 => Length::Need,
        _ => Length::Bad,
    }
}

impl Protocol for Amqp {
    fn client(&mut self, mut bytes: &[u8], story: &mut Story) {
        begin(story);
        self.heard_client = true;
        while let Some(packet) = self.from_client.next(&mut bytes) {
            if story.request == Request::Asked {
                // Only TLS may follow (section 5.2).
                story.injected = true;
            }
            match (header(&packet), self.from_client.version) {
                (Some(Version::One(TLS_ID)), _) => story.ask(),
                (Some(_), _) => {}
                (None, Some(Version::One(_))) => frame(&packet, story),
                (None, _) => method(&packet, story),
            }
        }
    }

    fn server(&mut self, mut bytes: &[u8], story: &mut Story) {
        begin(story);
        while let Some(packet) = self.from_server.next(&mut bytes) {
            match header(&packet) {
                Some(version) if story.request == Request::Asked => {
                    story.answer(version == Version::One(TLS_ID));
                    story.injected |= version == Version::One(TLS_ID) && !bytes.is_empty();
                }
                // A server echoes only what it was asked for.
                Some(Version::One(TLS_ID)) if !self.heard_client => story.answer(true),
                Some(_) => {}
                None => name_server(&packet, story),
            }
        }
    }

    fn gap(&mut self, from: Side, lost: u64) {
        match from {
            Side::Client => self.from_client.packets.gap(lost),
            Side::Server => self.from_server.packets.gap(lost),
        }
    }
}

fn begin(story: &mut Story) {
    story.service = Some("amqp");
    story.has_ledger = true;
    story.began = true;
}

/// A frame of 1.0 (part 2, section 2.3.1): size, offset of the body in words, type, channel.
fn frame(packet: &[u8], story: &mut Story) {
    let (Some(offset), Some(kind)) = (packet.get(4), packet.get(5)) else {
        return;
    };
    let Some(body) = packet.get(usize::from(*offset) * 4..) else {
        return;
    };
    if body.is_empty() {
        // Keeps the connection alive.
        return;
    }
    story.work();
    match (*kind, performative(body)) {
        (SASL_FRAME, Some((SASL_INIT, mechanism))) if lines::is_clear_mechanism(mechanism) => {
            story.secret();
        }
        (AMQP_FRAME, Some((OPEN, container))) => {
            story.name_client(container);
            story.over = story.request != Request::Asked;
        }
        (AMQP_FRAME, _) => story.over = story.request != Request::Asked,
        _ => {}
    }
}

/// A performative's descriptor and its first field, where that is a string or a symbol (part 1, section 1.6).
fn performative(body: &[u8]) -> Option<(u8, &[u8])> {
    let (code, list) = match body {
        // A described type; its descriptor is a small or a whole ulong.
        [0, 0x53, code, list @ ..] | [0, 0x80, 0, 0, 0, 0, 0, 0, 0, code, list @ ..] => {
            (*code, list)
        }
        _ => return None,
    };
    let ([0xc0, _, _, fields @ ..] | [0xd0, _, _, _, _, _, _, _, _, fields @ ..]) = list else {
        return Some((code, &[]));
    };
    let first = match fields {
        [0xa1 | 0xa3, len, text @ ..] => text.get(..usize::from(*len)),
        [0xb1 | 0xb3, a, b, c, d, text @ ..] => text.get(..long([*a, *b, *c, *d])),
        _ => None,
    };
    Some((code, first.unwrap_or_default()))
}

fn long(len: [u8; 4]) -> usize {
    usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX)
}

/// A method of 0-9-1 that the client calls: Connection.Start-Ok is client-properties, mechanism, response, locale.
fn method(packet: &[u8], story: &mut Story) {
    story.work();
    let [
        1,
        _,
        _,
        _,
        _,
        _,
        _,
        0,
        CONNECTION,
        0,
        START_OK,
        a,
        b,
        c,
        d,
        rest @ ..,
    ] = packet
    else {
        return;
    };
    story.over = true;
    let Some((properties, rest)) = rest.split_at_checked(long([*a, *b, *c, *d])) else {
        return;
    };
    for key in [&b"\x0fconnection_nameS"[..], b"\x07productS"] {
        if let Some(name) = property(properties, key) {
            story.name_client(name);
        }
    }
    let mechanism = rest
        .split_first()
        .and_then(|(len, rest)| rest.get(..usize::from(*len)));
    if mechanism.is_some_and(|m| lines::is_clear_mechanism(m) || m == b"AMQPLAIN") {
        story.secret();
    }
}

/// Connection.Start: what the server calls itself.
fn name_server(packet: &[u8], story: &mut Story) {
    if let [
        1,
        _,
        _,
        _,
        _,
        _,
        _,
        0,
        CONNECTION,
        0,
        START,
        _,
        _,
        rest @ ..,
    ] = packet
        && let Some(product) = property(rest, b"\x07productS")
    {
        let version = property(rest, b"\x07versionS").unwrap_or_default();
        story.name_server(&[product, b" ", version].concat());
    }
}

/// A long string in a table of properties.
fn property<'a>(table: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let at = memchr::memmem::find(table, key)? + key.len();
    let (len, text) = table.get(at..)?.split_first_chunk::<4>()?;
    text.get(..long(*len))
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;
    use super::*;

    const TLS: &[u8] = b"AMQP\x02\x01\x00\x00";
    const SASL: &[u8] = b"AMQP\x03\x01\x00\x00";
    const PLAIN: &[u8] = b"AMQP\x00\x01\x00\x00";
    const OLD: &[u8] = b"AMQP\x00\x00\x09\x01";
    /// sasl-init: PLAIN with an initial response.
    const INIT: &[u8] =
        b"\0\0\0\x20\x02\x01\0\0\0\x53\x41\xc0\x13\x02\xa3\x05PLAIN\xa0\x09\0bob\0pass";
    const ANONYMOUS: &[u8] = b"\0\0\0\x19\x02\x01\0\0\0\x53\x41\xc0\x0c\x01\xa3\x09ANONYMOUS";
    const OPENS: &[u8] = b"\0\0\0\x17\x02\0\0\0\0\x53\x10\xc0\x0a\x01\xa1\x07printer";

    fn start() -> Vec<u8> {
        let properties = b"\x07productS\0\0\0\x08RabbitMQ\x07versionS\0\0\0\x063.12.1";
        let mut body = b"\0\x0a\0\x0a\0\x09".to_vec();
        body.extend(
            u32::try_from(properties.len())
                .expect("short")
                .to_be_bytes(),
        );
        body.extend(properties);
        body.extend(b"\0\0\0\x0ePLAIN AMQPLAIN\0\0\0\x05en_US");
        method_frame(&body)
    }

    fn start_ok(mechanism: &[u8]) -> Vec<u8> {
        let properties = b"\x07productS\0\0\0\x04pika";
        let mut body = b"\0\x0a\0\x0b".to_vec();
        body.extend(
            u32::try_from(properties.len())
                .expect("short")
                .to_be_bytes(),
        );
        body.extend(properties);
        body.push(u8::try_from(mechanism.len()).expect("short"));
        body.extend(mechanism);
        body.extend(b"\0\0\0\x0c\0guest\0secret\x05en_US");
        method_frame(&body)
    }

    fn method_frame(body: &[u8]) -> Vec<u8> {
        let mut frame = b"\x01\0\0".to_vec();
        frame.extend(u32::try_from(body.len()).expect("short").to_be_bytes());
        frame.extend(body);
        frame.push(0xce);
        frame
    }

    #[test]
    fn tls_of_version_1() {
        for (name, talk, want) in [
            ("echoed", vec![('C', TLS), ('S', TLS)], Request::Accepted),
            (
                "SASL instead",
                vec![('C', TLS), ('S', SASL)],
                Request::Refused,
            ),
            (
                "older instead",
                vec![('C', TLS), ('S', OLD)],
                Request::Refused,
            ),
            ("unanswered", vec![('C', TLS)], Request::Asked),
            ("the server alone", vec![('S', TLS)], Request::Accepted),
            ("the server alone, SASL", vec![('S', SASL)], Request::None),
            ("not asked", vec![('C', PLAIN), ('S', PLAIN)], Request::None),
        ] {
            let story = told(&talk).expect(name);
            assert_eq!(
                (story.request, story.service),
                (want, Some("amqp")),
                "{name}"
            );
            assert!(!story.worked && !story.secret && !story.injected, "{name}");
        }
        let story = told(&[('C', TLS), ('C', OPENS), ('S', TLS)]).expect("AMQP");
        assert!(story.injected && story.request == Request::Accepted);
    }

    #[test]
    fn logins_of_version_1() {
        for (init, secret) in [(INIT, true), (ANONYMOUS, false)] {
            let story = told(&[
                ('C', SASL),
                ('S', SASL),
                ('C', init),
                ('C', PLAIN),
                ('C', OPENS),
            ])
            .expect("AMQP");
            assert_eq!(
                (story.request, story.worked, story.secret),
                (Request::None, true, secret)
            );
            assert_eq!(story.client_name.as_deref(), Some("printer"));
            assert!(!format!("{story:?}").contains("pass"));
        }
    }

    #[test]
    fn logins_of_version_0_9_1() {
        for (mechanism, secret) in [
            (&b"PLAIN"[..], true),
            (b"AMQPLAIN", true),
            (b"EXTERNAL", false),
        ] {
            let (start, ok) = (start(), start_ok(mechanism));
            let story = told(&[('C', OLD), ('S', &start), ('C', &ok)]).expect("AMQP");
            assert_eq!((story.worked, story.secret), (true, secret));
            assert_eq!(story.client_name.as_deref(), Some("pika"));
            assert_eq!(story.banner.as_deref(), Some("RabbitMQ 3.12.1"));
            assert!(!format!("{story:?}").contains("secret\""));
        }
        assert!(told(&[('S', &start())]).is_some(), "the server alone");
    }

    #[test]
    fn what_only_looks_like_it() {
        for talk in [
            ('C', &b"AMQP\x07\x07\x07\x07"[..]),
            ('C', b"AMQ"),
            ('S', b"\x01\0\0\0\0\0\x09\0\x0a\0\x28"),
            ('C', b"\x01\0\0"),
        ] {
            assert_eq!(told(&[talk]), None);
        }
    }
}
