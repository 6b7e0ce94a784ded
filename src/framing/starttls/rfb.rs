//! RFB, which VNC speaks (RFC 6143): the security types 19 "VeNCrypt" and 18 "TLS" (rfbproto, sections "VeNCrypt" and
//! "Security"). The list of types is the server's list; picking one of those two asks for TLS.

use super::{Match, Protocol, Request, Story, Talk};
use crate::record::Side;

const VERSION_LEN: usize = 12;
/// Security types (RFC 6143 section 7.1.2 and IANA's registry).
mod security {
    pub(super) const TLS: u8 = 18;
    pub(super) const VENCRYPT: u8 = 19;
}
/// VeNCrypt's sub-type that sends name and password as they are.
const PLAIN: u32 = 256;

/// Sub-types within TLS, anonymous or with certificates: TLSNone to X509Plain, TLSSASL, X509SASL, X509Ident, TLSIdent.
const fn is_tls(subtype: u32) -> bool {
    matches!(subtype, 257..=264 | 266 | 267)
}

pub(super) fn recognise(talk: &Talk<'_>) -> Match {
    match (version(talk.client), version(talk.server)) {
        (Read::No, _) | (_, Read::No) | (Read::Need, Read::Need) => Match::No,
        (_, Read::Is(_)) => Match::Yes,
        (Read::Is(_), Read::Need) if talk.last && talk.server.is_empty() => Match::Yes,
        _ if talk.last => Match::No,
        _ => Match::More,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Need,
    May,
    Is(u16),
    No,
}

/// The minor version of `RFB 003.008\n`; majors other than 3 are products' numbers.
fn version(bytes: &[u8]) -> Read {
    const FORM: &[u8; VERSION_LEN] = b"RFB ddd.ddd\n";
    if bytes.is_empty() {
        return Read::Need;
    }
    let fits = bytes
        .iter()
        .zip(FORM)
        .all(|(byte, form)| byte == form || *form == b'd' && byte.is_ascii_digit());
    match bytes.get(..VERSION_LEN) {
        _ if !fits => Read::No,
        None => Read::May,
        Some([.., b'0', b'0', b'3', _, x, y, z, _]) => Read::Is(
            [x, y, z]
                .iter()
                .fold(0, |n, d| n * 10 + u16::from(**d - b'0')),
        ),
        Some(_) => Read::Is(8),
    }
}

/// A connection, up to where work or TLS begins.
#[derive(Debug, Default)]
pub(crate) struct Rfb {
    from: [Half; 2],
    /// Who spoke first, which the RFB server does: not the connection's, where a viewer listens.
    first: Option<Side>,
}

/// What one side said and nobody has read yet. What is kept before something decides is short.
#[derive(Debug, Default)]
struct Half {
    kept: Vec<u8>,
    version: Option<u16>,
    /// Of the client: what it picked. Of the server: the types it lists came.
    stage: Stage,
    lost: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Version,
    /// The list of types; the pick.
    Types,
    /// VeNCrypt's version.
    Vencrypt,
    /// The server's answer to it.
    VersionAnswer,
    /// The sub-types; the pick.
    Subtypes,
    /// The server's answer to that.
    Answer,
    /// The client picked something that is not TLS: what it says next is a login or a screen.
    InTheClear,
    Done,
}

/// Bytes of a side that are kept: the longest list of sub-types is 1021.
const MAX_KEPT_BYTES: usize = 1536;

impl Protocol for Rfb {
    fn client(&mut self, bytes: &[u8], story: &mut Story) {
        self.take(Side::Client, bytes, story);
    }

    fn server(&mut self, bytes: &[u8], story: &mut Story) {
        self.take(Side::Server, bytes, story);
    }

    fn gap(&mut self, from: Side, _lost: u64) {
        // Whatever it was, what follows cannot be told from it.
        if let Some(half) = self.from.get_mut(usize::from(from == Side::Server)) {
            half.lost = true;
        }
    }
}

impl Rfb {
    fn take(&mut self, from: Side, bytes: &[u8], story: &mut Story) {
        story.service = Some("rfb");
        story.has_ledger = true;
        let first = *self.first.get_or_insert(from);
        let Some(half) = self.from.get_mut(usize::from(from == Side::Server)) else {
            return;
        };
        if half.lost {
            return;
        }
        let room = MAX_KEPT_BYTES.saturating_sub(half.kept.len());
        half.kept
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        // One side alone: the opener is the viewer, mostly.
        let both = self
            .from
            .iter()
            .all(|half| !half.kept.is_empty() || half.version.is_some());
        if !both && from == Side::Client && self.from.iter().all(|h| h.kept.len() <= VERSION_LEN) {
            return;
        }
        let server = if both { first } else { Side::Server };
        // What one side says is mostly needed to read the other.
        while self.step_server(server, story) || self.step_client(server, story) {}
    }

    fn halves(&mut self, server: Side) -> (&mut Half, &mut Half) {
        let [a, b] = &mut self.from;
        if server == Side::Server {
            (a, b)
        } else {
            (b, a)
        }
    }

    /// Reads one message of the client; `false` where there is none.
    fn step_client(&mut self, server: Side, story: &mut Story) -> bool {
        let (client, server) = self.halves(server);
        match client.stage {
            Stage::Version => {
                let Some(version) = client.take_version() else {
                    return false;
                };
                client.version = Some(version);
                story.began = true;
                client.stage = if version < 7 {
                    // The server decides, and knows nothing of TLS (RFC 6143 appendix A).
                    if server.version.is_some_and(|version| version < 7) {
                        story.asked_list = true;
                        story.list(false);
                    }
                    Stage::InTheClear
                } else {
                    story.asked_list = true;
                    Stage::Types
                };
                true
            }
            Stage::Types => {
                let Some([kind]) = client.take::<1>() else {
                    return false;
                };
                client.stage = match kind {
                    security::VENCRYPT => {
                        story.ask();
                        Stage::Vencrypt
                    }
                    security::TLS => {
                        // No answer comes to this one: to be listed was the yes.
                        story.ask();
                        if server.stage != Stage::Version {
                            story.answer(true);
                        }
                        Stage::Done
                    }
                    _ => Stage::InTheClear,
                };
                true
            }
            Stage::Vencrypt => {
                let Some(version) = client.take::<2>() else {
                    return false;
                };
                client.stage = match version {
                    // The client cannot do what the server can.
                    [0, 0] => {
                        story.request = Request::None;
                        Stage::Done
                    }
                    [0, 1] => {
                        // Obsolete; its sub-types are single bytes that nobody has used since 2006.
                        story.undecided = true;
                        Stage::Done
                    }
                    _ => Stage::Subtypes,
                };
                true
            }
            Stage::Subtypes => {
                let Some(subtype) = client.take::<4>().map(u32::from_be_bytes) else {
                    return false;
                };
                client.stage = if is_tls(subtype) {
                    Stage::Done
                } else {
                    story.request = Request::None;
                    if subtype == PLAIN {
                        story.work();
                        story.secret();
                    }
                    Stage::InTheClear
                };
                true
            }
            Stage::InTheClear => {
                if client.kept.is_empty() {
                    return false;
                }
                story.work();
                story.over = true;
                client.stage = Stage::Done;
                true
            }
            Stage::Done | Stage::VersionAnswer | Stage::Answer => {
                client.kept.clear();
                false
            }
        }
    }

    /// Reads one message of the server, likewise.
    fn step_server(&mut self, server: Side, story: &mut Story) -> bool {
        let (client, server) = self.halves(server);
        match server.stage {
            Stage::Version => {
                let Some(version) = server.take_version() else {
                    return false;
                };
                server.version = Some(version);
                story.began = true;
                story.name_server(format!("RFB 003.{version:03}").as_bytes());
                server.stage = Stage::Types;
                true
            }
            Stage::Types => {
                if client.version.is_some_and(|version| version < 7) {
                    server.stage = Stage::Done;
                    return true;
                }
                let Some(types) = server.take_list(1) else {
                    return false;
                };
                let tls = types.contains(&security::VENCRYPT) || types.contains(&security::TLS);
                if types.is_empty() {
                    // The connection failed; a reason follows.
                    server.stage = Stage::Done;
                    return true;
                }
                story.list(tls);
                server.stage = if types.contains(&security::VENCRYPT) {
                    Stage::Vencrypt
                } else {
                    Stage::Done
                };
                if client.stage == Stage::Done && story.request == Request::Asked {
                    story.answer(tls);
                }
                true
            }
            // From here on the server speaks only to a client that picked VeNCrypt.
            Stage::Vencrypt => {
                let heard = client.version.is_some();
                if heard && !matches!(client.stage, Stage::Vencrypt | Stage::Subtypes) {
                    return false;
                }
                if server.take::<2>().is_none() {
                    return false;
                }
                server.stage = Stage::VersionAnswer;
                true
            }
            Stage::VersionAnswer => {
                let Some([answer]) = server.take::<1>() else {
                    return false;
                };
                server.stage = if answer == 0 {
                    Stage::Subtypes
                } else {
                    story.answer(false);
                    Stage::Done
                };
                true
            }
            Stage::Subtypes => {
                let Some(types) = server.take_list(4) else {
                    return false;
                };
                let offers = types.chunks_exact(4).any(|subtype| {
                    subtype
                        .first_chunk::<4>()
                        .is_some_and(|s| is_tls(u32::from_be_bytes(*s)))
                });
                // Only now is it known whether VeNCrypt means TLS here.
                story.offered = offers;
                if types.is_empty() {
                    story.answer(false);
                } else if !offers {
                    // VeNCrypt was asked for, not TLS; and there is none to be had.
                    story.request = Request::None;
                }
                server.stage = Stage::Answer;
                true
            }
            Stage::Answer => {
                // Without TLS comes none.
                if story.request != Request::Asked {
                    server.stage = Stage::Done;
                    return true;
                }
                let Some([answer]) = server.take::<1>() else {
                    return false;
                };
                story.answer(answer == 1);
                server.stage = Stage::Done;
                true
            }
            Stage::Done | Stage::InTheClear => {
                server.kept.clear();
                false
            }
        }
    }
}

impl Half {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = *self.kept.first_chunk::<N>()?;
        self.kept.drain(..N);
        Some(taken)
    }

    fn take_version(&mut self) -> Option<u16> {
        let read = version(&self.kept);
        match read {
            Read::Is(version) => {
                self.take::<VERSION_LEN>()?;
                Some(version)
            }
            _ => None,
        }
    }

    /// A count and as many items of `size` bytes.
    fn take_list(&mut self, size: usize) -> Option<Vec<u8>> {
        let len = usize::from(*self.kept.first()?) * size;
        let list = self.kept.get(1..=len)?.to_vec();
        self.kept.drain(..=len);
        Some(list)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;
    use super::*;

    const V8: &[u8] = b"RFB 003.008\n";
    const V3: &[u8] = b"RFB 003.003\n";
    const LIST: &[u8] = &[3, 1, 2, 19];
    const SUBTYPES: &[u8] = &[2, 0, 0, 1, 2, 0, 0, 1, 6];

    /// Up to the pick of a sub-type.
    fn vencrypt(subtype: &'static [u8]) -> Vec<(char, &'static [u8])> {
        vec![
            ('S', V8),
            ('C', V8),
            ('S', LIST),
            ('C', &[19]),
            ('S', &[0, 2]),
            ('C', &[0, 2]),
            ('S', &[0]),
            ('S', SUBTYPES),
            ('C', subtype),
        ]
    }

    #[test]
    fn vencrypt_asks_for_tls() {
        for (name, end, want) in [
            ("yes", &[1][..], Request::Accepted),
            ("no", &[0], Request::Refused),
            ("silence", &[], Request::Asked),
        ] {
            let mut talk = vencrypt(&[0, 0, 1, 6]);
            talk.push(('S', end));
            let story = told(&talk).expect(name);
            assert_eq!(
                (story.request, story.offered, story.worked, story.service),
                (want, true, false, Some("rfb")),
                "{name}"
            );
        }
        for (name, subtypes, offered) in [
            ("Plain alone", &[1, 0, 0, 1, 0][..], false),
            ("Ident, which is none of TLS", &[1, 0, 0, 1, 9], false),
            ("X509Ident", &[1, 0, 0, 1, 11], true),
        ] {
            let mut talk = vencrypt(&[]);
            talk.truncate(talk.len() - 2);
            talk.push(('S', subtypes));
            let story = told(&talk).expect(name);
            assert_eq!(
                (story.listed, story.offered, story.request == Request::None),
                (true, offered, !offered),
                "{name}"
            );
        }
        let mut plain = vencrypt(&[0, 0, 1, 0]);
        plain.push(('C', b"\0\0\0\x03\0\0\0\x04bobpass"));
        let story = told(&plain).expect("RFB");
        assert_eq!((story.request, story.offered), (Request::None, true));
        assert!(story.worked && story.secret);
        assert!(!format!("{story:?}").contains("pass"));
    }

    #[test]
    fn other_ways() {
        for (name, talk, request, listed, offered, worked) in [
            (
                "TLS of 2004",
                vec![('S', V8), ('C', V8), ('S', &[2, 2, 18][..]), ('C', &[18])],
                Request::Accepted,
                true,
                true,
                false,
            ),
            (
                "unused",
                vec![
                    ('S', V8),
                    ('C', V8),
                    ('S', LIST),
                    ('C', &[2]),
                    ('S', &[7; 16]),
                    ('C', &[9; 16]),
                ],
                Request::None,
                true,
                true,
                true,
            ),
            (
                "not offered",
                vec![('S', V8), ('C', V8), ('S', &[1, 1]), ('C', &[1, 1])],
                Request::None,
                true,
                false,
                true,
            ),
            (
                "old client",
                vec![('S', V8), ('C', V3), ('S', &[0, 0, 0, 1]), ('C', &[1])],
                Request::None,
                false,
                false,
                true,
            ),
            (
                "old server",
                vec![('S', V3), ('C', V3), ('S', &[0, 0, 0, 1]), ('C', &[1])],
                Request::None,
                true,
                false,
                true,
            ),
            (
                "turned away",
                vec![('S', V8), ('C', V8), ('S', b"\0\0\0\0\x04busy")],
                Request::None,
                false,
                false,
                false,
            ),
            (
                "version refused",
                vec![
                    ('S', V8),
                    ('C', V8),
                    ('S', LIST),
                    ('C', &[19]),
                    ('S', &[0, 2]),
                    ('C', &[0, 2]),
                    ('S', &[255]),
                ],
                Request::Refused,
                true,
                true,
                false,
            ),
            (
                "the client alone",
                vec![
                    ('C', V8),
                    ('C', &[19]),
                    ('C', &[0, 2]),
                    ('C', &[0, 0, 1, 6]),
                ],
                Request::Asked,
                false,
                false,
                false,
            ),
            (
                "the server alone",
                vec![
                    ('S', V8),
                    ('S', LIST),
                    ('S', &[0, 2]),
                    ('S', &[0]),
                    ('S', SUBTYPES),
                ],
                Request::None,
                true,
                true,
                false,
            ),
            (
                "a viewer that listens",
                vec![
                    ('C', V8),
                    ('S', V8),
                    ('C', LIST),
                    ('S', &[19]),
                    ('C', &[0, 2]),
                ],
                Request::Asked,
                true,
                true,
                false,
            ),
        ] {
            let story = told(&talk).expect(name);
            assert_eq!(
                (story.request, story.listed, story.offered, story.worked),
                (request, listed, offered, worked),
                "{name}"
            );
            assert!(!story.secret, "{name}");
        }
        for talk in [&b"RFB 3.8\n"[..], b"RFB 00", b"RFB"] {
            assert_eq!(told(&[('S', talk)]), None);
        }
    }
}
