//! A connection's ledger: recognises the protocol from its first bytes, then follows it.

use super::{Match, PROTOCOLS, Protocol, Story, Talk};
use crate::dispatch::Direction;
use crate::flow::followed::ALLOCATION;
use crate::framing::proxy::header::{self, Header};
use crate::record::Side;

/// What is known of a connection's ends before anything was said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ends {
    /// Who sent the SYN.
    pub opener: Option<Direction>,
    /// The source ports, by [`Direction::index`].
    pub ports: [u16; 2],
}

/// Follows one connection while it is in the clear.
#[derive(Debug)]
pub struct Ledger {
    ends: Ends,
    stage: Stage,
    story: Story,
    /// The client's direction, once it is known.
    client: Option<Direction>,
    chunks: u32,
    /// Bytes that it was told.
    told: usize,
}

#[derive(Debug)]
enum Stage {
    /// The protocol is not known yet.
    Begin(Beginning),
    Follow(Box<dyn Protocol>),
    /// Nothing more is to be told, or there never was.
    Done,
}

/// First bytes that nobody has recognised yet.
#[derive(Debug, Default)]
struct Beginning {
    bytes: [Vec<u8>; 2],
    /// Whose turn it was, and how many bytes.
    turns: Vec<(Direction, usize)>,
    gaps: bool,
}

/// First bytes of a direction that are kept to recognise the protocol.
const MAX_BEGINNING_BYTES: usize = 4 << 10;
/// Pieces of them.
const MAX_BEGINNING_TURNS: usize = 64;
/// Pieces that are followed: segments, mostly.
const MAX_CHUNKS: u32 = 4096;

impl Ledger {
    /// A ledger of a connection of which nothing was seen.
    pub fn new(ends: Ends) -> Self {
        Self {
            ends,
            stage: Stage::Begin(Beginning::default()),
            story: Story::default(),
            client: None,
            chunks: 0,
            told: 0,
        }
    }

    /// Whether no protocol begins with these bytes of `from`: most connections end here, before anything is kept.
    pub fn rules_out(ends: &Ends, from: Direction, bytes: &[u8]) -> bool {
        if header::parse(bytes) != Header::No {
            return false;
        }
        let port = ends.ports.get(from.index()).copied().unwrap_or(0);
        let other_port = ends.ports.get(from.flip().index()).copied().unwrap_or(0);
        let said = Talk {
            client: bytes,
            server: &[],
            port: other_port,
            last: false,
        };
        let heard = Talk {
            client: &[],
            server: bytes,
            port,
            last: false,
        };
        let may = |talk: &Talk<'_>| {
            PROTOCOLS
                .iter()
                .any(|entry| (entry.recognise)(talk) != Match::No)
        };
        let as_client = ends.opener != Some(from.flip()) && may(&said);
        let as_server = ends.opener != Some(from) && may(&heard);
        !(as_client || as_server)
    }

    /// Whether nothing was recognised and nothing will be: it may be dropped.
    pub fn is_dull(&self) -> bool {
        matches!(self.stage, Stage::Done)
            && !self.story.has_ledger
            && self.story.via.is_none()
            && self.story.service.is_none()
    }

    /// The protocol's client, where it is known.
    pub const fn client(&self) -> Option<Direction> {
        self.client
    }

    /// Whether both sides wrap their TLS records in packets of TDS from here on.
    pub fn wraps_tls(&self) -> bool {
        self.story.service == Some(super::tds::SERVICE)
            && self.story.request == super::Request::Accepted
    }

    /// Whether they may, as far as is known: captures reorder across directions, and a hello may come before the PRELOGIN
    /// of either side.
    pub fn may_wrap_tls(&self) -> bool {
        matches!(self.stage, Stage::Begin(_)) || self.story.service == Some(super::tds::SERVICE)
    }

    /// Bytes of memory that it holds at most: a protocol keeps no more than it was told, in vectors that double, and
    /// never more than a few messages' beginnings.
    pub fn memory(&self) -> usize {
        /// Of both directions: an unfinished message or line of each, and the commands that wait for replies.
        const MAX_KEPT_BYTES: usize = 40 << 10;
        let protocol = match &self.stage {
            Stage::Begin(beginning) => {
                beginning.turns.capacity() * size_of::<(Direction, usize)>() + ALLOCATION
            }
            Stage::Follow(protocol) => {
                size_of_val(&**protocol) + ALLOCATION + protocol.memory_inside()
            }
            Stage::Done => 0,
        };
        size_of::<Self>() + 2 * ALLOCATION + 2 * self.told.min(MAX_KEPT_BYTES) + protocol
    }

    /// Takes what `from` said next.
    pub fn bytes(&mut self, from: Direction, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.chunks = self.chunks.saturating_add(1);
        self.told = self.told.saturating_add(bytes.len());
        match &mut self.stage {
            Stage::Done => {}
            Stage::Follow(protocol) => {
                feed(
                    &mut **protocol,
                    self.client == Some(from),
                    bytes,
                    &mut self.story,
                );
                if self.story.over || self.chunks > MAX_CHUNKS {
                    self.stage = Stage::Done;
                }
            }
            Stage::Begin(beginning) => {
                let kept = beginning.take(from, bytes);
                self.recognise(kept < bytes.len() || beginning_is_full(&self.stage));
                if let Stage::Follow(protocol) = &mut self.stage {
                    let rest = bytes.get(kept..).unwrap_or_default();
                    if !rest.is_empty() {
                        feed(
                            &mut **protocol,
                            self.client == Some(from),
                            rest,
                            &mut self.story,
                        );
                    }
                }
            }
        }
    }

    /// `lost` bytes of `from` are missing here.
    pub fn gap(&mut self, from: Direction, lost: u64) {
        let side = match self.client {
            Some(client) => usize::from(client != from),
            None => usize::from(self.ends.opener.is_some_and(|opener| opener != from)),
        };
        if let Some(flag) = self.story.lost.get_mut(side) {
            *flag = true;
        }
        self.story.lost_before_work |= !self.story.worked;
        match &mut self.stage {
            Stage::Follow(protocol) => protocol.gap(
                if self.client == Some(from) {
                    Side::Client
                } else {
                    Side::Server
                },
                lost,
            ),
            Stage::Begin(beginning) => beginning.gaps = true,
            Stage::Done => {}
        }
    }

    /// The story as far as it is known; `None` where no protocol was recognised.
    pub fn finish(&mut self) -> Option<Story> {
        self.recognise(true);
        if let Stage::Follow(protocol) = &mut self.stage {
            protocol.finish(&mut self.story);
        }
        self.stage = Stage::Done;
        (!self.is_dull()).then(|| std::mem::take(&mut self.story))
    }

    /// Looks for the protocol; `last`: with what is there, no more is kept.
    fn recognise(&mut self, last: bool) {
        let Stage::Begin(beginning) = &mut self.stage else {
            return;
        };
        let clients = match self.ends.opener {
            Some(opener) => [Some(opener), None],
            None => {
                // The private ports are the highest ones (RFC 6335 section 6): the higher one is mostly the client's.
                let [up, down] = self.ends.ports;
                let first = if up >= down {
                    Direction::Up
                } else {
                    Direction::Down
                };
                [Some(first), Some(first.flip())]
            }
        };
        let mut more = false;
        for client in clients.into_iter().flatten() {
            match beginning.strip_proxy_header(client) {
                Some(Header::More) if !last => more = true,
                Some(Header::Is {
                    len,
                    client: true_client,
                }) => {
                    beginning.drop_front(client, len);
                    self.story.via = Some("proxy-protocol");
                    self.story.via_target = true_client;
                    self.ends.opener = Some(client);
                    self.client = Some(client);
                    if beginning.turns.is_empty() {
                        return;
                    }
                    return self.recognise(last);
                }
                _ => {}
            }
            let [up, down] = &beginning.bytes;
            let (said, heard) = if client == Direction::Up {
                (up, down)
            } else {
                (down, up)
            };
            let port = self
                .ends
                .ports
                .get(client.flip().index())
                .copied()
                .unwrap_or(0);
            let talk = Talk {
                client: said,
                server: heard,
                port,
                last,
            };
            for entry in PROTOCOLS {
                match (entry.recognise)(&talk) {
                    Match::Yes => {
                        let beginning = std::mem::take(beginning);
                        return self.follow(client, (entry.follow)(), &beginning);
                    }
                    Match::More => more = true,
                    Match::No => {}
                }
            }
            // Who is the client is a guess here: the likelier one comes first, as long as it may be right.
            if more && !last {
                return;
            }
        }
        if last || !more {
            self.stage = Stage::Done;
        }
    }

    /// Plays to the protocol what was said so far.
    fn follow(
        &mut self,
        client: Direction,
        mut protocol: Box<dyn Protocol>,
        beginning: &Beginning,
    ) {
        self.client = Some(client);
        let mut read = [0, 0];
        for (from, len) in &beginning.turns {
            let Some(at) = read.get_mut(from.index()) else {
                continue;
            };
            let bytes = beginning
                .bytes
                .get(from.index())
                .and_then(|b| b.get(*at..*at + len))
                .unwrap_or_default();
            *at += len;
            feed(&mut *protocol, client == *from, bytes, &mut self.story);
        }
        self.stage = if self.story.over {
            Stage::Done
        } else {
            Stage::Follow(protocol)
        };
    }
}

fn beginning_is_full(stage: &Stage) -> bool {
    matches!(stage, Stage::Begin(beginning) if beginning.turns.len() > MAX_BEGINNING_TURNS)
}

fn feed(protocol: &mut dyn Protocol, from_client: bool, bytes: &[u8], story: &mut Story) {
    if from_client {
        protocol.client(bytes, story);
    } else {
        protocol.server(bytes, story);
    }
}

impl Beginning {
    /// Keeps bytes; how many of them.
    fn take(&mut self, from: Direction, bytes: &[u8]) -> usize {
        let Some(kept) = self.bytes.get_mut(from.index()) else {
            return 0;
        };
        let room = MAX_BEGINNING_BYTES.saturating_sub(kept.len());
        let part = bytes.get(..room).unwrap_or(bytes);
        kept.extend_from_slice(part);
        match self.turns.last_mut() {
            Some((last, len)) if *last == from => *len += part.len(),
            _ => self.turns.push((from, part.len())),
        }
        part.len()
    }

    fn strip_proxy_header(&self, client: Direction) -> Option<Header> {
        self.bytes
            .get(client.index())
            .map(|bytes| header::parse(bytes))
    }

    /// Forgets the first `len` bytes of `from`.
    fn drop_front(&mut self, from: Direction, mut len: usize) {
        if let Some(bytes) = self.bytes.get_mut(from.index()) {
            bytes.drain(..len.min(bytes.len()));
        }
        for (_, turn) in self.turns.iter_mut().filter(|(who, _)| *who == from) {
            let part = len.min(*turn);
            *turn -= part;
            len -= part;
        }
        self.turns.retain(|(_, len)| *len > 0);
    }
}
