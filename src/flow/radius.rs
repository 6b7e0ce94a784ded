//! The EAP conversations that go through RADIUS between one pair of endpoints.
//!
//! A switch or an access point asks for all its devices from one port, many at a time. What belongs together is told by
//! the identifier, which an answer repeats, and by the State of a challenge, which the next request brings back
//! (RFC 2865 section 5.24, RFC 3579 section 2.6.1). Each conversation is a flow of its own in what is written out.

use std::collections::VecDeque;
use std::sync::Arc;

use super::conclude::{End, conclude_eap};
use super::followed::ALLOCATION;
use super::settled::ToldTable;
use super::{Flow, Half, Link, State};
use crate::dispatch::{Direction, Packet};
use crate::framing::eap::{self, Told};
use crate::framing::radius::{self, Code};
use crate::hello::session::{Moment, Session, Tables, Unread};
use crate::record::{Carrier, Side};
use crate::time::Timestamp;

/// One conversation.
#[derive(Debug)]
pub struct Conversation {
    /// The direction of the requests.
    pub client: Direction,
    /// How the two came to TLS.
    pub eap: eap::Conversation,
    /// What the hellos told.
    pub session: Session,
    /// The frame around it.
    pub link: Arc<Link>,
    /// What the packets of each direction were, by [`Direction::index`].
    pub halves: [Half; 2],
    /// The snap length cut something off.
    pub cut: bool,
    first_packet: u64,
    first_seen: Timestamp,
    last_seen: Timestamp,
    /// Of the last challenge.
    state: Option<Box<[u8]>>,
    /// Identifier and authenticator of the last requests, the newest last.
    requests: Vec<(u8, [u8; 16])>,
    /// The last of them was answered.
    pub answered: bool,
    /// It began before what was seen of it: its State is nobody's.
    pub joined: bool,
}

/// All conversations of two endpoints that are under way, oldest first.
#[derive(Debug)]
pub struct Conversations {
    running: Vec<Conversation>,
    ended: Vec<(Conversation, End)>,
    /// Requests of those that had their last word, the newest last: such a request may come twice.
    past: VecDeque<(u8, [u8; 16])>,
    max_message_len: usize,
}

/// Conversations under way of one pair of endpoints: as many requests as identifiers can tell apart.
const MAX_RUNNING: usize = 256;
/// Requests of a conversation that are known again when they come once more.
const MAX_REQUESTS: usize = 8;
/// Requests of conversations that are over.
const MAX_PAST: usize = 64;
/// Nanoseconds without a packet after which a conversation is over: servers forget its State earlier.
const IDLE_NS: u64 = 60 * 1_000_000_000;

impl Conversations {
    /// None yet. Handshake messages longer than `max_message_len` are passed over.
    pub const fn new(max_message_len: usize) -> Self {
        Self {
            running: Vec::new(),
            ended: Vec::new(),
            past: VecDeque::new(),
            max_message_len,
        }
    }

    /// Takes a datagram.
    pub fn datagram(
        &mut self,
        packet: &Packet,
        payload: &[u8],
        link: &Arc<Link>,
        tables: &mut Tables,
    ) {
        let Some(radius) = radius::Packet::parse(payload, packet.wire_len as usize) else {
            return;
        };
        self.age(packet.time);
        let at = if radius.code == Code::AccessRequest {
            self.of_request(&radius, packet, link)
        } else {
            // The newest: identifiers are used again.
            let asked = |c: &Conversation| {
                !c.answered
                    && c.requests
                        .last()
                        .is_some_and(|(id, _)| *id == radius.identifier)
            };
            self.running.iter().rposition(asked)
        };
        let Some(conversation) = at.and_then(|at| self.running.get_mut(at)) else {
            return;
        };
        conversation.packet(packet, &radius, tables);
        if let Some(at) = at
            && conversation.eap.ended.is_some()
        {
            let conversation = self.running.remove(at);
            self.past.extend(&conversation.requests);
            let old = self.past.len().saturating_sub(MAX_PAST);
            self.past.drain(..old);
            self.ended.push((conversation, End::Closed));
        }
    }

    /// The conversation that a request goes on with, or a new one.
    fn of_request(
        &mut self,
        radius: &radius::Packet<'_>,
        packet: &Packet,
        link: &Arc<Link>,
    ) -> Option<usize> {
        let request = (radius.identifier, radius.authenticator);
        let repeats = |c: &Conversation| c.requests.contains(&request);
        if let Some(at) = self.running.iter().rposition(repeats) {
            return Some(at);
        }
        if self.past.contains(&request) {
            return None;
        }
        if let Some(state) = radius.state {
            let known = |c: &Conversation| c.state.as_deref() == Some(state);
            let found = self.running.iter().rposition(known);
            if found.is_some() {
                return found;
            }
        }
        // Who asks without EAP asks with a password of the RADIUS protocol's own.
        radius.eap.as_ref()?;
        if self.running.len() >= MAX_RUNNING {
            let oldest = self.running.remove(0);
            self.ended.push((oldest, End::Evicted));
        }
        self.running.push(Conversation {
            client: packet.direction,
            eap: eap::Conversation::new(self.max_message_len),
            session: Session::default(),
            link: Arc::clone(link),
            halves: [Half::default(); 2],
            cut: false,
            first_packet: packet.number,
            first_seen: packet.time,
            last_seen: packet.time,
            state: None,
            requests: Vec::new(),
            answered: false,
            joined: radius.state.is_some(),
        });
        Some(self.running.len() - 1)
    }

    fn age(&mut self, now: Timestamp) {
        while let Some(at) = self
            .running
            .iter()
            .position(|c| now.since_ns(c.last_seen) > IDLE_NS)
        {
            let conversation = self.running.remove(at);
            self.ended.push((conversation, End::Idle));
        }
    }

    /// No more packets come: all are over.
    pub fn end(&mut self, end: End) {
        self.ended.extend(
            self.running
                .drain(..)
                .map(|conversation| (conversation, end)),
        );
    }

    /// Makes flows of the conversations of `flow` that ended, as far as they matter.
    pub fn settle(&mut self, flow: &Flow, told: &mut ToldTable, flows: &mut Vec<Flow>) {
        for (mut conversation, end) in self.ended.drain(..) {
            let Some(facts) = conclude_eap(&mut conversation, end) else {
                continue;
            };
            flows.push(Flow {
                key: flow.key,
                hash: flow.hash,
                first_packet: conversation.first_packet,
                first_seen: conversation.first_seen,
                last_seen: conversation.last_seen,
                halves: conversation.halves,
                rtt: None,
                client_hello_bytes: facts.client_hello_bytes,
                opener: None,
                first_close: None,
                state: State::Settled(told.settle(facts)),
                ticket: 0,
            });
        }
    }

    /// Whether some ended since they were settled.
    pub const fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    /// Bytes of memory that they hold.
    pub fn memory(&self) -> usize {
        let each = self.running.iter().map(|c| {
            let state = c.state.as_deref().map_or(0, <[u8]>::len);
            let requests = c.requests.capacity() * size_of::<(u8, [u8; 16])>();
            c.eap.memory() + c.session.memory() + state + requests + 2 * ALLOCATION
        });
        each.sum::<usize>()
            + self.running.capacity() * size_of::<Conversation>()
            + self.past.capacity() * size_of::<(u8, [u8; 16])>()
    }
}

impl Conversation {
    fn packet(&mut self, packet: &Packet, radius: &radius::Packet<'_>, tables: &mut Tables) {
        self.last_seen = self.last_seen.max(packet.time);
        if let Some(half) = self.halves.get_mut(packet.direction.index()) {
            half.bytes += u64::from(packet.wire_len);
            half.packets = half.packets.saturating_add(1);
        }
        self.cut |= radius.cut;
        let request = (radius.identifier, radius.authenticator);
        if radius.code == Code::AccessRequest {
            if self.requests.contains(&request) {
                return;
            }
            if self.requests.len() >= MAX_REQUESTS {
                self.requests.remove(0);
            }
            self.requests.push(request);
            self.answered = false;
            if let Some(station) = radius.calling_station_id {
                self.eap.story.name_client(station);
            }
        } else {
            self.answered = true;
            if let Some(state) = radius.state {
                self.state = Some(state.into());
            }
        }
        let (client, session) = (self.client, &mut self.session);
        let direction = |side| match side {
            Side::Client => client,
            Side::Server => client.flip(),
        };
        let time = packet.time;
        if let Some(bytes) = &radius.eap {
            let mut sink = |side, event: crate::framing::tls::Event<'_>, segments| {
                let moment = Moment { time, segments };
                session.on_event(direction(side), event, moment, Carrier::Tls, tables);
            };
            let told = self.eap.packet(bytes, radius.cut, &mut sink);
            if let Told::Lost(side) = told {
                self.eap.lose(side, &mut sink);
            }
        } else if radius.cut {
            let side = if radius.code == Code::AccessRequest {
                Side::Client
            } else {
                Side::Server
            };
            self.eap.lose(side, &mut |_, _, _| {});
        }
        for side in [Side::Client, Side::Server] {
            if self.eap.is_lost(side) {
                let why = if self.cut {
                    Unread::Snaplen
                } else {
                    Unread::Gap
                };
                session.miss(direction(side), why);
            }
        }
        match radius.code {
            Code::AccessAccept => self.eap.end(true),
            Code::AccessReject => self.eap.end(false),
            Code::AccessRequest | Code::AccessChallenge => {}
        }
    }
}
