//! EAP (RFC 3748) and the methods in which TLS travels: EAP-TLS (RFC 5216, RFC 9190), EAP-TTLS (RFC 5281), PEAP
//! (\[MS-PEAP\]), EAP-FAST (RFC 4851), TEAP (RFC 9930, RFC 7170 before it). They cut TLS records into pieces in the same way.
//!
//! In: EAP packets in their order, from the authenticator or the peer. Out: [`Event`]s of TLS, and the [`Story`] of how
//! the two came to the method. Nobody's identity is read.
//!
//! EAP goes by turns: each Request has another identifier, which its Response repeats. So a packet that was lost is
//! noticed, though nothing else numbers the pieces.

use std::hash::BuildHasher as _;

use super::starttls::{Request, Story};
use super::tls::{Event, Progress, TlsReader};
use crate::record::Side;

/// Code (RFC 3748 section 4).
mod code {
    pub(super) const REQUEST: u8 = 1;
    pub(super) const RESPONSE: u8 = 2;
    pub(super) const SUCCESS: u8 = 3;
    pub(super) const FAILURE: u8 = 4;
}

/// Method types (IANA's EAP registry).
mod method {
    pub(super) const IDENTITY: u8 = 1;
    pub(super) const NOTIFICATION: u8 = 2;
    pub(super) const NAK: u8 = 3;
    /// RFC 3748 section 5.5: a password for once, in the clear.
    pub(super) const ONE_TIME_PASSWORD: u8 = 5;
    /// RFC 3748 section 5.6: text of a token card, in the clear.
    pub(super) const GENERIC_TOKEN_CARD: u8 = 6;
    pub(super) const TLS: u8 = 13;
    pub(super) const TTLS: u8 = 21;
    pub(super) const PEAP: u8 = 25;
    pub(super) const FAST: u8 = 43;
    pub(super) const TEAP: u8 = 55;
    /// RFC 3748 section 5.7.
    pub(super) const EXPANDED: u8 = 254;
}

const fn is_tls(kind: u8) -> bool {
    matches!(
        kind,
        method::TLS | method::TTLS | method::PEAP | method::FAST | method::TEAP
    )
}

/// Flags of a method with TLS (RFC 5216 section 3.1; of TEAP RFC 7170 section 4.1, in force as RFC 9930).
mod flag {
    /// The length of the whole message comes first.
    pub(super) const LENGTH: u8 = 0x80;
    /// The authenticator proposes the method; no TLS in it.
    pub(super) const START: u8 = 0x20;
    /// TEAP alone: a length of TLVs, which lie behind the TLS data.
    pub(super) const OUTER_TLVS: u8 = 0x10;
}

/// What a packet brought besides events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The talk goes on.
    More,
    /// It is a packet that was seen before.
    Again,
    /// The bytes that the other side, or this one, sent before were not captured.
    Lost(Side),
}

/// What a packet is, as far as that tells to which conversation it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Who sent it: the server is the authenticator, who asks.
    pub from: Side,
    /// Of the question, which the answer repeats.
    pub identifier: u8,
    /// It asks for the identity, or tells it.
    pub is_identity: bool,
    /// It is the authenticator's last word.
    pub is_end: bool,
}

impl Head {
    /// Of a packet; `None` where it is none.
    pub fn of(packet: &[u8]) -> Option<Self> {
        let [code, identifier, _, _, data @ ..] = packet else {
            return None;
        };
        let is_end = matches!(*code, code::SUCCESS | code::FAILURE);
        Some(Self {
            from: match *code {
                code::RESPONSE => Side::Client,
                code::REQUEST | code::SUCCESS | code::FAILURE => Side::Server,
                _ => return None,
            },
            identifier: *identifier,
            is_identity: !is_end && data.first() == Some(&method::IDENTITY),
            is_end,
        })
    }
}

/// One conversation.
#[derive(Debug)]
pub struct Conversation {
    /// How TLS was proposed and taken.
    pub story: Story,
    /// The last word: whether the peer was let in.
    pub ended: Option<bool>,
    readers: [Records; 2],
    request: Option<u8>,
    response: Option<u8>,
    recent: Recents,
    method: bool,
}

/// What each side said last.
#[derive(Clone, Debug, Default)]
pub struct Recents([Recent; 2]);

impl Recents {
    /// Whether this packet was there already, a few turns before.
    pub fn contain(&self, packet: &[u8]) -> bool {
        let Some((code, identifier, data)) = split(packet) else {
            return false;
        };
        let side = match code {
            code::REQUEST => Side::Server,
            code::RESPONSE => Side::Client,
            _ => return false,
        };
        let recent = self.0.get(index(side));
        recent.is_some_and(|recent| recent.packets.contains(&Recent::of(identifier, data)))
    }
}

/// The last packets of a side, each by its identifier and a hash of its data: the network may bring one again, and late.
/// (RFC 3748 section 4.1: an identifier alone may come again soon.)
#[derive(Clone, Debug, Default)]
struct Recent {
    packets: [Option<(u8, u32)>; 8],
    next: usize,
}

impl Recent {
    fn of(identifier: u8, data: &[u8]) -> Option<(u8, u32)> {
        let hash = foldhash::quality::FixedState::with_seed(0).hash_one(data);
        Some((identifier, hash as u32))
    }

    fn push(&mut self, packet: Option<(u8, u32)>) {
        if let Some(slot) = self.packets.get_mut(self.next) {
            *slot = packet;
        }
        self.next = (self.next + 1) % self.packets.len();
    }
}

/// The records of one side.
#[derive(Debug)]
struct Records {
    reader: TlsReader,
    /// What the reader waits with: less than a record and a piece.
    pending: Vec<u8>,
    /// EAP packets that brought it.
    pieces: u32,
    /// Something of TLS was read.
    began: bool,
    off: bool,
}

/// More than a record cannot wait to be whole.
const MAX_PENDING_BYTES: usize = 20 << 10;

impl Conversation {
    /// One of which nothing was seen, carried by `service`. Messages longer than `max_message_len` are passed over.
    pub fn new(service: &'static str, max_message_len: usize) -> Self {
        let records = || Records {
            reader: TlsReader::new(max_message_len),
            pending: Vec::new(),
            pieces: 0,
            began: false,
            off: false,
        };
        Self {
            story: Story {
                service: Some(service),
                has_ledger: true,
                ..Story::default()
            },
            ended: None,
            readers: [records(), records()],
            request: None,
            response: None,
            recent: Recents::default(),
            method: false,
        }
    }

    /// The identifiers of the last Request and the last Response.
    pub const fn turn(&self) -> [Option<u8>; 2] {
        [self.request, self.response]
    }

    /// Whether the two came to a method, behind the question for the identity.
    pub const fn is_at_method(&self) -> bool {
        self.method
    }

    /// What was said last: a packet of it may come again.
    pub const fn recent(&self) -> &Recents {
        &self.recent
    }

    fn remember(&mut self, side: Side, identifier: u8, data: &[u8]) {
        if let Some(recent) = self.recent.0.get_mut(index(side)) {
            recent.push(Recent::of(identifier, data));
        }
    }

    /// Bytes of memory that it holds beside itself.
    pub fn memory(&self) -> usize {
        let readers = self.readers.iter();
        readers
            .map(|r| r.pending.capacity() + r.reader.memory())
            .sum::<usize>()
            + self.story.client_name.as_deref().map_or(0, str::len)
    }

    /// Takes one EAP packet; of one that the snap length `cut`, all that is there. Tells `sink` what TLS there is.
    pub fn packet(
        &mut self,
        bytes: &[u8],
        cut: bool,
        sink: &mut impl FnMut(Side, Event<'_>, u32),
    ) -> Told {
        let Some((code, identifier, data)) = split(bytes) else {
            // RFC 3579 section 2.1: an empty one asks the server to begin.
            return Told::More;
        };
        if self.recent.contain(bytes) {
            return Told::Again;
        }
        let mut told = Told::More;
        match code {
            code::REQUEST => {
                if self.request == Some(identifier) {
                    return Told::Again;
                }
                self.remember(Side::Server, identifier, data);
                if self.request.is_some() && self.request != self.response {
                    told = Told::Lost(Side::Client);
                }
                // RFC 3748 section 2: that is how the authenticator begins.
                if self.request.is_none()
                    && self.response.is_none()
                    && data.first() == Some(&method::IDENTITY)
                {
                    self.story.began = true;
                }
                self.request = Some(identifier);
                self.method |= is_of_method(data);
                self.request(data);
                self.tls(Side::Server, data, cut, sink);
            }
            code::RESPONSE => {
                if self.response == Some(identifier) {
                    return Told::Again;
                }
                self.remember(Side::Client, identifier, data);
                let first = self.request.is_none() && self.response.is_none();
                // RFC 3579 section 2.1: the authenticator may ask for the identity by itself.
                if self.request != Some(identifier)
                    && !(first && data.first() == Some(&method::IDENTITY))
                {
                    told = Told::Lost(Side::Server);
                }
                if first && data.first() == Some(&method::IDENTITY) {
                    self.story.began = true;
                }
                (self.request, self.response) = (Some(identifier), Some(identifier));
                self.method |= is_of_method(data);
                self.response(data);
                self.tls(Side::Client, data, cut, sink);
            }
            code::SUCCESS | code::FAILURE => self.end(code == code::SUCCESS),
            _ => {}
        }
        told
    }

    /// The authenticator's last word, which RADIUS may say without EAP.
    pub fn end(&mut self, let_in: bool) {
        self.ended.get_or_insert(let_in);
        // Asked for TLS in place of what was proposed, and nothing came of it.
        if !let_in && self.story.request == Request::Asked {
            self.story.answer(false);
        }
        self.story.over = true;
    }

    /// Packets of a side are missing: once its records began, they cannot be followed any more.
    pub fn lose(&mut self, side: Side, sink: &mut impl FnMut(Side, Event<'_>, u32)) {
        if let Some(lost) = self.story.lost.get_mut(index(side)) {
            *lost = true;
        }
        self.story.lost_before_work |= !self.story.worked;
        if let Some(records) = self.readers.get_mut(index(side))
            && records.began
        {
            records.pending = Vec::new();
            if !std::mem::replace(&mut records.off, true) {
                records
                    .reader
                    .gap(u64::MAX, &mut |event| sink(side, event, 1));
            }
        }
    }

    /// Whether the records of a side cannot be followed, or never could.
    pub fn is_lost(&self, side: Side) -> bool {
        self.story
            .lost
            .get(index(side))
            .copied()
            .unwrap_or_default()
    }

    fn request(&mut self, data: &[u8]) {
        let Some(kind) = data.first() else {
            return;
        };
        match *kind {
            method::IDENTITY | method::NOTIFICATION => {}
            kind if is_tls(kind) => {
                let starts = data.get(1).is_some_and(|flags| flags & flag::START != 0);
                if starts {
                    if self.story.request == Request::Asked {
                        self.story.answer(true);
                    }
                    self.story.list(true);
                }
            }
            _ => {
                if self.story.request == Request::Asked {
                    self.story.answer(false);
                }
                self.story.list(false);
            }
        }
    }

    fn response(&mut self, data: &[u8]) {
        let Some((kind, rest)) = data.split_first() else {
            return;
        };
        match *kind {
            method::IDENTITY | method::NOTIFICATION => {}
            // RFC 3748 section 5.3.1: the methods that it would rather have.
            method::NAK => {
                if rest.iter().any(|wanted| is_tls(*wanted)) {
                    self.story.ask();
                }
            }
            kind if is_tls(kind) => self.story.answer(true),
            kind => {
                // RFC 3748 section 5.3.2: an expanded Nak refuses, too, and names methods in eight bytes each.
                if let (method::EXPANDED, [0, 0, 0, 0, 0, 0, method::NAK, wanted @ ..]) =
                    (kind, rest)
                {
                    let is_wanted = |method: &[u8; 8]| matches!(method, [method::EXPANDED, 0, 0, 0, 0, 0, 0, kind] if is_tls(*kind));
                    if wanted.as_chunks().0.iter().any(is_wanted) {
                        self.story.ask();
                    }
                } else {
                    self.story.work();
                }
                if matches!(kind, method::ONE_TIME_PASSWORD | method::GENERIC_TOKEN_CARD) {
                    self.story.secret();
                }
            }
        }
    }

    /// The piece of TLS in a packet.
    fn tls(
        &mut self,
        side: Side,
        data: &[u8],
        cut: bool,
        sink: &mut impl FnMut(Side, Event<'_>, u32),
    ) {
        let Some((piece, whole)) = piece(data) else {
            return;
        };
        let Some(records) = self.readers.get_mut(index(side)) else {
            return;
        };
        if records.off {
            return;
        }
        records.began = true;
        records.pieces = records.pieces.saturating_add(1);
        records.pending.extend_from_slice(piece);
        let (mut at, pieces) = (0, &mut records.pieces);
        let progress = records
            .reader
            .read(&records.pending, &mut at, &mut |event| {
                sink(side, event, *pieces);
                *pieces = 1;
            });
        records.pending.drain(..at);
        if records.pending.is_empty() && *pieces == 1 {
            *pieces = 0;
        }
        if progress == Progress::NotRecords || records.pending.len() > MAX_PENDING_BYTES {
            records.pending = Vec::new();
            records.off = true;
        } else if cut || !whole {
            self.lose(side, sink);
        }
    }
}

const fn index(side: Side) -> usize {
    match side {
        Side::Client => 0,
        Side::Server => 1,
    }
}

/// Code, identifier and data.
fn split(packet: &[u8]) -> Option<(u8, u8, &[u8])> {
    let ([code, identifier, high, low], rest) = packet.split_first_chunk::<4>()?;
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    let data = rest.get(..len.saturating_sub(4).min(rest.len()))?;
    Some((*code, *identifier, data))
}

fn is_of_method(data: &[u8]) -> bool {
    data.first()
        .is_some_and(|kind| !matches!(*kind, method::IDENTITY | method::NOTIFICATION))
}

/// The TLS data of a Request or Response, and whether it is all there; `None` where there is none.
fn piece(data: &[u8]) -> Option<(&[u8], bool)> {
    let (kind, rest) = data.split_first()?;
    if !is_tls(*kind) {
        return None;
    }
    let (flags, mut rest) = rest.split_first()?;
    if flags & flag::START != 0 {
        return None;
    }
    if flags & flag::LENGTH != 0 {
        (_, rest) = rest.split_first_chunk::<4>()?;
    }
    if *kind == method::TEAP && flags & flag::OUTER_TLVS != 0 {
        let (len, data) = rest.split_first_chunk::<4>()?;
        let tlvs = u32::from_be_bytes(*len) as usize;
        return Some(match data.len().checked_sub(tlvs) {
            Some(len) => (data.get(..len)?, true),
            None => (&[], false),
        });
    }
    (!rest.is_empty()).then_some((rest, true))
}

#[cfg(test)]
#[path = "eap_tests.rs"]
mod tests;
