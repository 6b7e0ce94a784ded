//! The EAP conversations that go through RADIUS between one pair of endpoints.
//!
//! A switch or an access point asks for all its devices from one port, many at a time. What belongs together is told by
//! the identifier, which an answer repeats, and by the State of a challenge, which the next request brings back
//! (RFC 2865 sections 3 and 5.24). Each conversation is a flow of its own in what is written out.

use std::collections::VecDeque;
use std::sync::Arc;

use super::conclude::{End, conclude_eap};
use super::followed::ALLOCATION;
use super::settled::ToldTable;
use super::talk::Talk;
use super::{Flow, Link};
use crate::dispatch::Packet;
use crate::framing::radius::{self, Code};
use crate::hello::session::Tables;
use crate::record::Side;
use crate::time::Timestamp;

/// One conversation.
#[derive(Debug)]
struct Conversation {
    talk: Talk,
    /// Of the last challenge.
    state: Option<Box<[u8]>>,
    /// Identifier and authenticator of the last requests, the newest last.
    requests: Vec<(u8, [u8; 16])>,
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
pub(super) const IDLE_NS: u64 = 60 * 1_000_000_000;

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
                !c.talk.answered
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
            && conversation.talk.eap.ended.is_some()
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
        let (client, link) = (packet.direction, Arc::clone(link));
        let mut talk = Talk::new(packet, client, radius::SERVICE, link, self.max_message_len);
        // Its State is nobody's.
        talk.joined = radius.state.is_some();
        self.running.push(Conversation {
            talk,
            state: None,
            requests: Vec::new(),
        });
        Some(self.running.len() - 1)
    }

    fn age(&mut self, now: Timestamp) {
        while let Some(at) = self
            .running
            .iter()
            .position(|c| now.since_ns(c.talk.last_seen) > IDLE_NS)
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
            if let Some(facts) = conclude_eap(&mut conversation.talk, end) {
                flows.push(
                    conversation
                        .talk
                        .into_flow(flow.key, flow.hash, facts, told),
                );
            }
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
            c.talk.memory() + state + requests + 2 * ALLOCATION
        });
        each.sum::<usize>()
            + self.running.capacity() * size_of::<Conversation>()
            + self.past.capacity() * size_of::<(u8, [u8; 16])>()
    }
}

impl Conversation {
    fn packet(&mut self, packet: &Packet, radius: &radius::Packet<'_>, tables: &mut Tables) {
        let talk = &mut self.talk;
        let from = if radius.code == Code::AccessRequest {
            Side::Client
        } else {
            Side::Server
        };
        talk.count(packet, from);
        talk.cut |= radius.cut;
        let request = (radius.identifier, radius.authenticator);
        if radius.code == Code::AccessRequest {
            if self.requests.contains(&request) {
                return;
            }
            if self.requests.len() >= MAX_REQUESTS {
                self.requests.remove(0);
            }
            self.requests.push(request);
            talk.answered = false;
            if let Some(station) = radius.calling_station_id {
                talk.eap.story.name_client(station);
            }
        } else {
            talk.answered = true;
            if let Some(state) = radius.state {
                self.state = Some(state.into());
            }
        }
        if let Some(bytes) = &radius.eap {
            talk.message(bytes, radius.cut, packet.time, tables);
        } else if radius.cut {
            talk.lose(from);
        }
        match radius.code {
            Code::AccessAccept => talk.eap.end(true),
            Code::AccessReject => talk.eap.end(false),
            Code::AccessRequest | Code::AccessChallenge => {}
        }
    }
}
