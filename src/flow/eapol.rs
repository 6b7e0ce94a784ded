//! The EAP conversations between the devices of a link and their switch or access point.
//!
//! Both may send to the PAE group's address (IEEE 802.1X-2020 clause 11.1.1), so that no frame names both ends. Who asks
//! is the authenticator, who answers the supplicant; which of them belong together is told by their addresses where the
//! frames have them, else by the identifier, which an answer repeats, and by the VLAN. Where that fits several, nothing
//! is paired: half a conversation tells less, but nothing wrong.

use std::collections::VecDeque;

use super::conclude::{End, conclude_eap};
use super::followed::ALLOCATION;
use super::radius::IDLE_NS;
use super::settled::{LinkTable, ToldTable};
use super::talk::Talk;
use super::{Flow, Half, Link};
use crate::decode::Around;
use crate::dispatch::{Direction, FlowKey, Packet};
use crate::framing::eap::{Head, Recents, Told};
use crate::framing::eapol;
use crate::hello::session::Tables;
use crate::record::{Mac, Side};
use crate::time::Timestamp;

/// One conversation. Its direction up is the supplicant's.
#[derive(Debug)]
struct Conversation {
    talk: Talk,
    supplicant: Option<Mac>,
    authenticator: Option<Mac>,
    /// A frame named both of them.
    is_named: bool,
    /// Where the frames of the supplicant and those of the authenticator were seen: a mirror may tag one direction.
    places: [Option<Around>; 2],
    /// Identifier of the question for the identity, and of its answer.
    identity: Option<u8>,
    /// Bytes of memory that are counted for it.
    memory: usize,
}

/// All conversations that are under way, oldest first.
#[derive(Debug)]
pub struct Conversations {
    running: Vec<Conversation>,
    ended: Vec<(Conversation, End)>,
    /// Those that had their last word, the newest last: a packet of theirs may come once more.
    past: VecDeque<Past>,
    /// When it was last looked for those that came to a stop.
    looked: Timestamp,
    memory: usize,
    max_memory: usize,
    max_message_len: usize,
}

/// Conversations under way: the ports of several switches after a power cut. Each frame is held against all of them.
const MAX_RUNNING: usize = 1_024;
/// Nanoseconds after which it is looked again for those that came to a stop.
const LOOK_NS: u64 = 1_000_000_000;

/// A conversation that is over.
#[derive(Debug)]
struct Past {
    supplicant: Option<Mac>,
    authenticator: Option<Mac>,
    at: Timestamp,
    recent: Recents,
}

/// Conversations that are over and not forgotten.
const MAX_PAST: usize = 64;
/// Nanoseconds within which a packet of theirs may come once more.
const LATE_NS: u64 = 10 * 1_000_000_000;

/// Nanoseconds without a packet: what comes behind them is not late.
const PAUSE_NS: u64 = 1_000_000_000;

/// The direction of the supplicant.
const CLIENT: Direction = Direction::Up;

impl Conversations {
    /// None yet, in at most `max_memory` bytes. Handshake messages longer than `max_message_len` are passed over.
    pub const fn new(max_memory: usize, max_message_len: usize) -> Self {
        Self {
            running: Vec::new(),
            ended: Vec::new(),
            past: VecDeque::new(),
            looked: Timestamp(0),
            memory: 0,
            max_memory,
            max_message_len,
        }
    }

    /// Conversations under way.
    pub const fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether none is under way.
    pub const fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Takes a frame.
    pub fn frame(
        &mut self,
        packet: &Packet,
        around: Around,
        payload: &[u8],
        links: &mut LinkTable,
        tables: &mut Tables,
    ) {
        let Some(bytes) = eapol::eap_packet(payload) else {
            return;
        };
        let Some(head) = Head::of(bytes) else {
            return;
        };
        if packet.time.since_ns(self.looked) > LOOK_NS {
            self.age(packet.time);
        }
        self.eap(packet, around, head, bytes, links, tables);
        while self.memory > self.max_memory && !self.running.is_empty() {
            self.end_one(0, End::Evicted);
        }
    }

    fn eap(
        &mut self,
        packet: &Packet,
        place: Around,
        head: Head,
        bytes: &[u8],
        links: &mut LinkTable,
        tables: &mut Tables,
    ) {
        let (from, to) = (packet.direction, packet.direction.flip());
        let ends = (station(packet, from), station(packet, to));
        let (supplicant, authenticator) = match head.from {
            Side::Client => ends,
            Side::Server => (ends.1, ends.0),
        };
        let known = match head.from {
            Side::Client => self.of_answer(supplicant, authenticator, head, place),
            Side::Server => self.of_question(supplicant, authenticator, head, bytes, place),
        };
        let in_turn = known
            .and_then(|at| self.running.get(at))
            .is_some_and(|c| c.is_in_turn(head));
        if !in_turn && !head.is_identity && self.is_past(packet.time, ends, bytes) {
            return;
        }
        let at = match known.and_then(|at| self.go_on(at, packet.time, supplicant, head, bytes)) {
            Some(at) => at,
            None if head.is_end => return,
            None => self.begin(packet, place, links),
        };
        let Some(conversation) = self.running.get_mut(at) else {
            return;
        };
        conversation.supplicant = conversation.supplicant.or(supplicant);
        conversation.authenticator = conversation.authenticator.or(authenticator);
        conversation.is_named |= supplicant.is_some() && authenticator.is_some();
        if let Some(seen) = conversation.places.get_mut(index(head.from)) {
            seen.get_or_insert(place);
        }
        conversation.packet(packet, head, bytes, tables);
        let memory = conversation.memory();
        self.memory = self.memory + memory - std::mem::replace(&mut conversation.memory, memory);
        if conversation.talk.eap.ended.is_some() {
            self.end_one(at, End::Closed);
        }
    }

    /// The conversation that a Response goes on with.
    fn of_answer(
        &mut self,
        supplicant: Option<Mac>,
        authenticator: Option<Mac>,
        head: Head,
        place: Around,
    ) -> Option<usize> {
        let own = self.running.iter().rposition(|c| {
            c.supplicant.is_some()
                && c.supplicant == supplicant
                && fits(c.authenticator, authenticator)
        });
        if let Some(at) = own {
            let own = self.running.get(at)?;
            // Whom it answers is known, or what it said is too much to be left behind.
            let is_bound = own.authenticator.is_some() || own.talk.session.is_tls();
            if own.awaits() == Some(head.identifier) || is_bound && !head.is_identity {
                return Some(at);
            }
        }
        let asked = |c: &Conversation| {
            c.supplicant.is_none()
                && fits(c.authenticator, authenticator)
                && c.awaits() == Some(head.identifier)
                && head.is_identity == (c.identity == Some(head.identifier))
        };
        match (self.only(asked, place), own) {
            (Some(asked), Some(own)) => {
                self.end_one(own, End::Closed);
                Some(if own < asked { asked - 1 } else { asked })
            }
            (asked, own) => asked.or(own),
        }
    }

    /// The conversation that a Request, Success or Failure goes on with.
    fn of_question(
        &self,
        supplicant: Option<Mac>,
        authenticator: Option<Mac>,
        head: Head,
        bytes: &[u8],
        place: Around,
    ) -> Option<usize> {
        if supplicant.is_some() {
            return self
                .running
                .iter()
                .rposition(|c| c.supplicant == supplicant && fits(c.authenticator, authenticator));
        }
        // A switch may have one address for all of its ports, so the address alone does not tell.
        let same = |c: &Conversation| {
            let asked = c.places.get(index(Side::Server)).copied().flatten();
            c.authenticator.is_some()
                && c.authenticator == authenticator
                && asked.is_none_or(|asked| asked == place)
        };
        self.only(|c| same(c) && c.expects(head), place)
            // Behind the identity, another server may ask, which counts by itself.
            .or_else(|| {
                let at = self.only(same, place)?;
                let conversation = self.running.get(at)?;
                let behind =
                    !conversation.talk.eap.is_at_method() && conversation.awaits().is_none();
                (behind && !head.is_identity).then_some(at)
            })
            .or_else(|| {
                let joins = |c: &Conversation| c.authenticator.is_none() && c.expects(head);
                self.only(joins, place)
            })
            // It comes again, late.
            .or_else(|| self.only(|c| same(c) && c.talk.eap.recent().contain(bytes), place))
    }

    /// The one conversation that fits, of those in the same place, or else of all.
    fn only(&self, fits: impl Fn(&Conversation) -> bool, place: Around) -> Option<usize> {
        let (mut here, mut anywhere) = ([None; 2], [None; 2]);
        for (at, conversation) in self.running.iter().enumerate() {
            if fits(conversation) {
                anywhere = [Some(at), anywhere[0]];
                if conversation.places.contains(&Some(place)) {
                    here = [Some(at), here[0]];
                }
            }
        }
        let found = if here[0].is_some() { here } else { anywhere };
        found[0].filter(|_| found[1].is_none())
    }

    /// Whether a packet goes on with the conversation at `at`, to which its ends belong; `None` where it begins another.
    fn go_on(
        &mut self,
        at: usize,
        now: Timestamp,
        supplicant: Option<Mac>,
        head: Head,
        bytes: &[u8],
    ) -> Option<usize> {
        let known = self.running.get_mut(at)?;
        let asks = head.from == Side::Server;
        // It comes again; behind a pause, where the identity is asked for, the two begin anew, with the same numbers maybe.
        let paused = now.since_ns(known.talk.last_seen) > PAUSE_NS;
        if (known.talk.eap.recent().contain(bytes)
            || head.is_identity && known.identity == Some(head.identifier))
            && !(paused && head.is_identity && known.talk.eap.is_at_method())
        {
            return Some(at);
        }
        if head.is_end {
            return known.expects(head).then_some(at);
        }
        if !head.is_identity {
            if known.is_in_turn(head) {
                return Some(at);
            }
            // Packets are missing, and nobody can say how many: what comes may be of the next conversation.
            known.lose_thread();
            self.end_one(at, End::Closed);
            return None;
        }
        if known.talk.eap.is_at_method() {
            // The two begin anew, before they came to an end; a question to all may be for somebody else.
            if !asks || supplicant.is_some() {
                self.end_one(at, End::Closed);
            }
            return None;
        }
        // Nobody answered so far, or the device began at the same time.
        if asks {
            if supplicant.is_some() || known.supplicant.is_none() {
                self.drop_one(at);
            }
            return None;
        }
        Some(at)
    }

    fn begin(&mut self, packet: &Packet, place: Around, links: &mut LinkTable) -> usize {
        if self.running.len() >= MAX_RUNNING {
            self.end_one(0, End::Evicted);
        }
        let link = links.intern(Link {
            macs: [None; 2],
            vlans: place.vlans,
            tunnels: place.tunnels,
        });
        self.running.push(Conversation {
            talk: Talk::new(packet, CLIENT, eapol::SERVICE, link, self.max_message_len),
            supplicant: None,
            authenticator: None,
            is_named: false,
            places: [None; 2],
            identity: None,
            memory: 0,
        });
        self.running.len() - 1
    }

    /// Ends those that came to a stop before `now`.
    pub fn age(&mut self, now: Timestamp) {
        self.looked = now;
        let mut at = 0;
        while let Some(conversation) = self.running.get(at) {
            if now.since_ns(conversation.talk.last_seen) > IDLE_NS {
                self.end_one(at, End::Idle);
            } else {
                at += 1;
            }
        }
    }

    /// No more packets come: all are over.
    pub fn end(&mut self, end: End) {
        while !self.running.is_empty() {
            self.end_one(0, end);
        }
    }

    /// Whether a packet is one of a conversation that is over.
    fn is_past(&self, now: Timestamp, ends: (Option<Mac>, Option<Mac>), bytes: &[u8]) -> bool {
        let is_of = |past: &Past| {
            let stations = [past.supplicant, past.authenticator];
            now.since_ns(past.at) < LATE_NS
                && [ends.0, ends.1]
                    .iter()
                    .all(|end| end.is_none() || stations.contains(end))
                && past.recent.contain(bytes)
        };
        self.past.iter().any(is_of)
    }

    fn end_one(&mut self, at: usize, end: End) {
        if let Some(conversation) = self.drop_one(at) {
            if self.past.len() >= MAX_PAST {
                self.past.pop_front();
            }
            self.past.push_back(Past {
                supplicant: conversation.supplicant,
                authenticator: conversation.authenticator,
                at: conversation.talk.last_seen,
                recent: conversation.talk.eap.recent().clone(),
            });
            self.ended.push((conversation, end));
        }
    }

    fn drop_one(&mut self, at: usize) -> Option<Conversation> {
        let conversation = (at < self.running.len()).then(|| self.running.remove(at))?;
        self.memory = self.memory.saturating_sub(conversation.memory);
        Some(conversation)
    }

    /// Makes flows of those that ended, as far as they matter. How many had to be given up, and how many of those told
    /// nothing.
    pub fn settle(
        &mut self,
        links: &mut LinkTable,
        told: &mut ToldTable,
        flows: &mut Vec<Flow>,
    ) -> (u64, u64) {
        let (mut evicted, mut untold) = (0, 0);
        for (conversation, end) in self.ended.drain(..) {
            let flow = conversation.into_flow(end, links, told);
            evicted += u64::from(end == End::Evicted);
            untold += u64::from(end == End::Evicted && flow.is_none());
            flows.extend(flow);
        }
        (evicted, untold)
    }

    /// Whether some ended since they were settled.
    pub const fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }
}

impl Conversation {
    fn packet(&mut self, packet: &Packet, head: Head, bytes: &[u8], tables: &mut Tables) {
        let talk = &mut self.talk;
        talk.count(packet, head.from);
        if head.is_identity {
            if self.identity == Some(head.identifier) && talk.eap.is_at_method() {
                return;
            }
            self.identity = Some(head.identifier);
        }
        let cut = packet.payload_len < packet.wire_len;
        let told = talk.message(bytes, cut, packet.time, tables);
        if told != Told::Again {
            talk.answered = head.from == Side::Server;
        }
    }

    /// The identifier of the question that was not answered yet.
    fn awaits(&self) -> Option<u8> {
        let [request, response] = self.talk.eap.turn();
        request.filter(|_| request != response)
    }

    /// Whether the authenticator's next packet may be this one: a question again, or the next, which nearly all count up;
    /// a last word has the identifier of the answer before it (RFC 3748 section 4.2), though some count it, too.
    fn expects(&self, head: Head) -> bool {
        let [request, _] = self.talk.eap.turn();
        request.is_some_and(|last| [last, last.wrapping_add(1)].contains(&head.identifier))
    }

    /// Whether a packet follows those before with nothing between, or comes again. Of a side that was never seen, nothing
    /// is missed.
    fn is_in_turn(&self, head: Head) -> bool {
        let [request, response] = self.talk.eap.turn();
        if request == Some(head.identifier) && (response == request || head.from == Side::Server) {
            return true;
        }
        let counts_up = request.map(|last| last.wrapping_add(1)) == Some(head.identifier);
        let has_spoken = |side| {
            let half = self.talk.halves.get(index(side));
            half.is_some_and(|half| half.packets > 0)
        };
        match head.from {
            Side::Client => {
                self.awaits() == Some(head.identifier) || !has_spoken(Side::Server) && counts_up
            }
            Side::Server if request == response || !has_spoken(Side::Client) => {
                // Behind the identity, another server may ask, which counts by itself.
                counts_up || request == response && !self.talk.eap.is_at_method()
            }
            Side::Server => false,
        }
    }

    /// What follows cannot be told to be of this one.
    fn lose_thread(&mut self) {
        self.talk.lose(Side::Client);
        self.talk.lose(Side::Server);
        // Brought together by their turns alone, they may have been ends of two conversations, until a hello was answered.
        if !self.is_named && self.supplicant.is_some() && self.talk.session.answer.is_none() {
            self.authenticator = None;
            if let Some(half) = self.talk.halves.get_mut(index(Side::Server)) {
                *half = Half::default();
            }
        }
    }

    fn into_flow(mut self, end: End, links: &mut LinkTable, told: &mut ToldTable) -> Option<Flow> {
        let [client, server] = [Side::Client, Side::Server].map(index);
        let talk = &mut self.talk;
        talk.joined = !talk.eap.story.began;
        let spoke = talk.halves.get(client).is_some_and(|half| half.packets > 0);
        let agreed = talk.eap.is_at_method() || talk.eap.ended.is_some();
        // A switch asks whoever comes, every half a minute, and most devices have nothing to say.
        if !(spoke && agreed || talk.session.is_tls()) {
            return None;
        }
        let mut link = *talk.link;
        if let Some(mac) = link.macs.get_mut(client) {
            *mac = self.supplicant;
        }
        if let Some(mac) = link.macs.get_mut(server) {
            *mac = self.authenticator;
        }
        talk.link = links.intern(link);
        let facts = conclude_eap(talk, end)?;
        let [client, server] =
            [self.supplicant, self.authenticator].map(|mac| mac.map_or([0; 6], |mac| mac.0));
        let key = FlowKey::of_stations(client, server);
        Some(self.talk.into_flow(key, 0, facts, told))
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + self.talk.memory() + 2 * ALLOCATION
    }
}

const fn index(side: Side) -> usize {
    match side {
        Side::Client => CLIENT.index(),
        Side::Server => CLIENT.flip().index(),
    }
}

/// Whether an address that is known and one that a frame has may be of the same station.
fn fits(known: Option<Mac>, seen: Option<Mac>) -> bool {
    known.is_none() || seen.is_none() || known == seen
}

/// The station at that end of a frame; `None` for a group of them, and where it is not told.
fn station(packet: &Packet, direction: Direction) -> Option<Mac> {
    let mac = packet.key.station(direction)?;
    let [first, ..] = mac;
    (first & 1 == 0 && mac != [0; 6]).then_some(Mac(mac))
}
