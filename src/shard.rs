//! The core without threads, clocks or files: packets of one shard in, records out.
//!
//! A [`Shard`] holds everything mutable about its share of the flows. Its result depends on its packets and ticks
//! alone, in their order; so the output is the same for every number of workers.

use std::sync::Arc;

use crate::config::Limits;
use crate::decode::Around;
use crate::dispatch::{Block, Direction, FlowKey, Packet, SHARDS, Transport, tcp_flags};
use crate::flow::conclude::{End, conclude, conclude_udp};
use crate::flow::eapol;
use crate::flow::followed::{Buffers, Noted, Queue};
use crate::flow::settled::LinkTable;
use crate::flow::settled::ToldTable;
use crate::flow::table::{FlowTable, Slot};
use crate::flow::tcp::{Context, TcpStream};
use crate::flow::to_record::to_record;
use crate::flow::udp::{MAX_PROBED_DATAGRAMS, UdpActive};
use crate::flow::{Active, Flow, LedgerSlot, Link, State};
use crate::framing::demux;
use crate::framing::starttls::Ends;
use crate::hello::session::{Moment, Session, Tables};
use crate::prefetch;
use crate::record::{FlowRecord, Mac};
use crate::time::Timestamp;

/// One share of the flows.
#[derive(Debug)]
pub struct Shard {
    limits: Limits,
    table: FlowTable,
    /// What goes on without network addresses; all of it has one hash, so that it is in one shard.
    eapol: eapol::Conversations,
    /// Flows that hold segments back, oldest first.
    holding: Queue,
    held_bytes: usize,
    /// Flows that are followed, oldest first.
    following: Queue,
    /// Bytes of memory that is counted for them.
    followed_bytes: usize,
    counts: ShardCounts,
}

/// What the shards of one worker share: facts kept once, and memory for reuse. Nothing that is written out depends on
/// what is in it.
#[derive(Debug, Default)]
pub struct Shared {
    tables: Tables,
    links: LinkTable,
    buffers: Buffers,
    #[allow(clippy::vec_box, reason = "it is the boxes that are reused")]
    actives: Vec<Box<Active>>,
    told: ToldTable,
    ended: Vec<Flow>,
}

impl Shared {
    /// The flows that ended and matter, in no order; whoever has made their records clears it.
    pub const fn ended(&mut self) -> &mut Vec<Flow> {
        &mut self.ended
    }

    /// Adds the records of flows that ended since the last call to `records`, in no order.
    pub fn take_records(&mut self, records: &mut Vec<FlowRecord>) {
        records.extend(self.ended.drain(..).filter_map(|flow| to_record(&flow)));
    }
}

/// What a shard could not keep.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShardCounts {
    /// Flows given up because the table was full.
    pub evicted_flows: u64,
    /// Flows given up because the memory of those that are followed was full.
    pub evicted_followed: u64,
    /// Flows given up while they were followed, either way, of which nothing was told yet that makes a record.
    pub evicted_untold: u64,
    /// Streams whose waiting bytes were given up because the memory for them was full.
    pub evicted_buffers: u64,
}

/// A packet with one of them may begin another connection, or end this one.
const OPENS_OR_CLOSES: u8 = tcp_flags::SYN | tcp_flags::FIN | tcp_flags::RST;
/// Memory for flows that are followed, kept for reuse.
const MAX_SPARE_ACTIVES: usize = 256;
/// Bytes of one direction behind its hello, after which a flow settles although the other side never got so far.
const ENOUGH_AFTER_HELLO: u64 = 32 << 10;

impl Shard {
    /// An empty shard; `limits` are those of the whole run.
    pub fn new(limits: Limits) -> Self {
        let limits = Limits {
            max_flows: (limits.max_flows / SHARDS).max(1),
            max_buffered_bytes: limits.max_buffered_bytes / SHARDS,
            max_followed_bytes: limits.max_followed_bytes / SHARDS,
            ..limits
        };
        Self {
            table: FlowTable::default(),
            eapol: eapol::Conversations::new(limits.max_followed_bytes, limits.max_handshake_bytes),
            limits,
            holding: Queue::default(),
            held_bytes: 0,
            following: Queue::default(),
            followed_bytes: 0,
            counts: ShardCounts::default(),
        }
    }

    /// Asks for where [`Self::probe`] will look.
    #[inline]
    pub fn prefetch_index(&self, hash: u32) {
        self.table.prefetch_index(hash);
    }

    /// The place where the flow of a packet with this hash lies, in all likelihood.
    #[inline]
    pub fn probe(&self, hash: u32) -> Option<Slot> {
        self.table.probe(hash)
    }

    /// Asks for the flow at `slot`.
    #[inline]
    pub fn prefetch_flow(&self, slot: Slot) {
        self.table.prefetch(slot);
    }

    /// Asks for what a `packet` with a payload will need if that flow is still followed, and tells whether it is; best a
    /// little after [`Self::prefetch_flow`].
    #[inline]
    pub fn prefetch_active(&self, slot: Slot, packet: &Packet, block: &Block) -> bool {
        match self.table.get(slot).map(|flow| &flow.state) {
            Some(State::Active(active)) => {
                for (direction, stream) in active.streams.iter().enumerate() {
                    stream.prefetch(direction != packet.direction.index());
                }
                prefetch::whole(&active.session);
                prefetch::begin(block.payload(packet), 4);
                true
            }
            Some(State::Empty) => {
                // Most often a ClientHello, which is looked for in all of it.
                prefetch::begin(block.payload(packet), 8);
                false
            }
            _ => false,
        }
    }

    /// Asks for where the next new flow will lie.
    #[inline]
    pub fn prefetch_new(&self) {
        self.table.prefetch_new();
    }

    /// Asks for where the payload of `packet` will be kept; best a little after [`Self::prefetch_active`].
    #[inline]
    pub fn prefetch_stream(&self, slot: Slot, packet: &Packet) {
        if let Some(State::Active(active)) = self.table.get(slot).map(|flow| &flow.state)
            && let Some(stream) = active.streams.get(packet.direction.index())
        {
            stream.prefetch_end();
        }
    }

    /// Takes one packet of `block`.
    pub fn packet(&mut self, packet: &Packet, block: &Block, shared: &mut Shared) {
        self.packet_at(None, packet, block, shared);
    }

    /// Takes one packet of `block`, whose flow may lie at `probed`.
    #[inline]
    pub fn packet_at(
        &mut self,
        probed: Option<Slot>,
        packet: &Packet,
        block: &Block,
        shared: &mut Shared,
    ) {
        // The usual one is of a TCP connection that is open, and neither opens nor closes it.
        if packet.tcp_flags & OPENS_OR_CLOSES == 0
            && packet.key.transport() == Transport::Tcp
            && let Some(slot) = probed
            && let Some(flow) = self.table.get_mut(slot)
            && flow.key == packet.key
            && !flow.is_closed()
        {
            flow.count(packet);
            if matches!(flow.state, State::Empty | State::Active(_)) {
                self.follow(slot, packet, block, shared);
            }
            return;
        }
        self.other_packet_at(probed, packet, block, shared);
    }

    fn other_packet_at(
        &mut self,
        probed: Option<Slot>,
        packet: &Packet,
        block: &Block,
        shared: &mut Shared,
    ) {
        let probed = probed.filter(|slot| {
            self.table
                .get(*slot)
                .is_some_and(|flow| flow.key == packet.key)
        });
        let slot = match probed.or_else(|| self.table.find(packet.hash, &packet.key)) {
            Some(slot) => match self.table.get(slot) {
                Some(flow)
                    if flow.is_reopened_by(packet)
                        || packet.key.transport() == Transport::Udp
                            && flow.is_reopened_by_datagram(
                                block.payload(packet),
                                packet.wire_len as usize,
                            ) =>
                {
                    self.end(slot, End::Closed, shared);
                    self.open(packet, shared)
                }
                _ => slot,
            },
            None if packet.key.transport() == Transport::Eapol => {
                self.frame(packet, block, shared);
                return;
            }
            None => self.open(packet, shared),
        };
        let Some(flow) = self.table.get_mut(slot) else {
            return;
        };
        flow.count(packet);
        if packet.key.transport() == Transport::Udp {
            self.datagram(slot, packet, block, shared);
            return;
        }
        // A packet of a settled flow ends here, but for the few that open or close.
        let follows = matches!(flow.state, State::Empty | State::Active(_));
        if packet.tcp_flags & OPENS_OR_CLOSES != 0 {
            self.control(slot, packet);
        }
        if follows {
            self.follow(slot, packet, block, shared);
        }
    }

    /// Lets flows age: `now` is the time of the packet before the tick.
    pub fn tick(&mut self, now: Timestamp, shared: &mut Shared) {
        while let Some(slot) = self
            .table
            .expire(now, self.limits.idle_ns, self.limits.linger_ns)
        {
            let closed = self.table.get(slot).is_some_and(Flow::is_closed);
            self.end(slot, if closed { End::Closed } else { End::Idle }, shared);
        }
        self.eapol.age(now);
        self.settle_frames(shared);
    }

    /// Concludes all flows where they lie: no packet comes any more.
    pub fn finish(&mut self, shared: &mut Shared) {
        for slot in self.table.slots() {
            let closed = self.table.get(slot).is_some_and(Flow::is_closed);
            self.conclude(
                slot,
                if closed { End::Closed } else { End::CaptureEnd },
                shared,
            );
        }
        self.eapol.end(End::CaptureEnd);
        self.settle_frames(shared);
    }

    /// The flows that are settled, each with its place.
    pub fn settled(&self) -> impl Iterator<Item = (Slot, &Flow)> {
        self.table
            .iter()
            .filter(|(_, flow)| matches!(flow.state, State::Settled(_)))
    }

    /// The flow of a place.
    pub fn flow(&self, slot: Slot) -> Option<&Flow> {
        self.table.get(slot)
    }

    /// The flow of a key.
    pub fn find(&self, hash: u32, key: &FlowKey) -> Option<&Flow> {
        self.table.get(self.table.find(hash, key)?)
    }

    /// Counts packets of a settled flow that stayed in the kernel, `bytes` of payload in them, the latest at `last_seen`.
    /// The flow is the one of the key that began with that packet; where another took its place, nothing is counted.
    pub fn add_unseen(
        &mut self,
        (hash, key, first_packet): (u32, &FlowKey, u64),
        direction: Direction,
        packets: u64,
        bytes: u64,
        last_seen: Timestamp,
    ) {
        let Some(flow) = self
            .table
            .find(hash, key)
            .and_then(|slot| self.table.get_mut(slot))
            .filter(|flow| flow.first_packet == first_packet)
        else {
            return;
        };
        let Some(half) = flow
            .halves
            .get_mut(direction.index())
            .filter(|_| packets > 0)
        else {
            return;
        };
        half.bytes += bytes;
        half.packets = half
            .packets
            .saturating_add(u32::try_from(packets).unwrap_or(u32::MAX));
        flow.last_seen = flow.last_seen.max(last_seen);
    }

    /// What could not be kept.
    pub const fn counts(&self) -> ShardCounts {
        self.counts
    }

    /// Flows held now.
    pub fn flows(&self) -> usize {
        self.table.len() + self.eapol.len()
    }

    fn open(&mut self, packet: &Packet, shared: &mut Shared) -> Slot {
        if self.table.len() >= self.limits.max_flows
            && let Some(oldest) = self.table.oldest()
        {
            self.counts.evicted_flows += 1;
            self.end(oldest, End::Evicted, shared);
        }
        self.table.insert(Flow::new(packet), self.limits.idle_ns)
    }

    /// SYN, FIN and RST.
    fn control(&mut self, slot: Slot, packet: &Packet) {
        let Some(flow) = self.table.get_mut(slot) else {
            return;
        };
        let was_closed = flow.is_closed();
        flow.control(packet);
        if !was_closed && flow.is_closed() {
            self.table.linger(slot, self.limits.linger_ns);
        }
    }

    /// Follows the beginning of a connection.
    #[inline]
    fn follow(&mut self, slot: Slot, packet: &Packet, block: &Block, shared: &mut Shared) {
        let Some(flow) = self.table.get_mut(slot) else {
            return;
        };
        let syn = packet.tcp_flags & tcp_flags::SYN != 0;
        measure_rtt(flow, packet);
        flow.take_acknowledgment(packet);
        if packet.tcp_flags & tcp_flags::RST == 0 && (packet.wire_len > 0 || syn) {
            self.follow_stream(slot, packet, block, shared);
        }
    }

    /// Takes what a packet says, or where it begins.
    fn follow_stream(&mut self, slot: Slot, packet: &Packet, block: &Block, shared: &mut Shared) {
        let Some(flow) = self.table.get_mut(slot) else {
            return;
        };
        let payload = block.payload(packet);
        if matches!(flow.state, State::Empty) {
            if packet.wire_len == 0 {
                return;
            }
            let link = Some(link_of(&mut shared.links, packet, block));
            let (opener, key) = (flow.opener, flow.key);
            // Made where it will lie: what is written in small parts cannot be copied at once.
            let ledger = || {
                LedgerSlot::Untried(Ends {
                    opener,
                    ports: [key.port(Direction::Up), key.port(Direction::Down)],
                })
            };
            flow.state = State::Active(match shared.actives.pop() {
                Some(mut spare) => {
                    spare.ledger = ledger();
                    spare.link = link;
                    spare
                }
                None => Box::new(Active {
                    streams: [Direction::Up, Direction::Down].map(TcpStream::new),
                    session: Session::default(),
                    ledger: ledger(),
                    answer_from: None,
                    closed_without_alert: false,
                    link,
                    noted: Noted::default(),
                }),
            });
        }
        let isns = flow.halves.map(|half| half.isn());
        let State::Active(active) = &mut flow.state else {
            return;
        };
        let Active {
            streams,
            session,
            ledger,
            answer_from,
            noted,
            ..
        } = &mut **active;
        let before: usize = streams.iter().map(TcpStream::held_bytes).sum();
        let memory_before = streams.get(packet.direction.index()).map(TcpStream::memory);
        let moment = Moment {
            time: packet.time,
            segments: 1,
        };
        let mut context = Context {
            session,
            ledger,
            tables: &mut shared.tables,
            buffers: &mut shared.buffers,
            limits: &self.limits,
            moment,
        };
        for (stream, isn) in streams.iter_mut().zip(isns) {
            if let Some(isn) = isn {
                stream.begin(isn.wrapping_add(1), &mut context);
            }
        }
        let [up, down] = streams;
        let (stream, other) = if packet.direction == Direction::Up {
            (up, down)
        } else {
            (down, up)
        };
        if packet.wire_len > 0 {
            let acknowledges = packet.tcp_flags & tcp_flags::ACK != 0;
            if acknowledges && other.is_far_from(packet.acknowledgment)
                || stream.is_far_from(packet.sequence)
            {
                // Of another connection between the same endpoints whose SYN was lost, or forged.
                stream.miss();
            } else {
                stream.segment(packet, payload, &mut context);
                if acknowledges {
                    other.expect(packet.acknowledgment);
                }
            }
        }
        if answer_from.is_none() && context.session.offer.is_some() {
            let is_client = context.session.client == Some(packet.direction);
            *answer_from = match packet.tcp_flags & tcp_flags::ACK != 0 {
                true if is_client => Some(packet.acknowledgment),
                // On the SYN, before the server said anything.
                _ if is_client => other.begins_at(),
                _ => stream.begins_at(),
            };
        }
        let after = stream.held_bytes() + other.held_bytes();
        // Of what else takes memory there is little, but for the ledger; it is counted along then.
        if memory_before != Some(stream.memory())
            || noted.memory == 0
            || matches!(ledger, LedgerSlot::Follows(_))
        {
            self.count(slot);
        }
        if after != before {
            self.hold(slot, before, after, packet.time, shared);
        }
        self.settle(slot, shared);
        self.give_up_followed(shared);
    }

    /// Takes a datagram: of a flow of which nothing is known, it is looked at; most show nothing.
    fn datagram(&mut self, slot: Slot, packet: &Packet, block: &Block, shared: &mut Shared) {
        let Some(flow) = self.table.get_mut(slot) else {
            return;
        };
        if let State::Empty = flow.state {
            let Some(likeness) = demux::likeness(block.payload(packet), packet.wire_len as usize)
            else {
                if flow.halves.iter().map(|half| half.packets).sum::<u32>() >= MAX_PROBED_DATAGRAMS
                {
                    flow.state = State::Dull;
                }
                return;
            };
            let link = link_of(&mut shared.links, packet, block);
            flow.state = State::Udp(Box::new(UdpActive::new(likeness, link, &self.limits)));
        }
        let State::Udp(active) = &mut flow.state else {
            return;
        };
        let before = active.held_bytes();
        active.datagram(packet, block.payload(packet), &mut shared.tables);
        let (after, settled) = (active.held_bytes(), active.is_settled());
        let spoke = active.conversations().is_some_and(|c| c.has_ended());
        if spoke {
            self.settle_conversations(slot, shared);
        }
        self.count(slot);
        if after != before {
            self.hold(slot, before, after, packet.time, shared);
        }
        if settled {
            self.conclude(slot, End::Settled, shared);
        }
        self.give_up_followed(shared);
    }

    /// Takes a frame of EAPOL.
    #[cold]
    fn frame(&mut self, packet: &Packet, block: &Block, shared: &mut Shared) {
        let payload = block.payload(packet);
        let around = block.around(packet);
        self.eapol.frame(
            packet,
            around,
            payload,
            &mut shared.links,
            &mut shared.tables,
        );
        self.settle_frames(shared);
    }

    /// Makes flows of the conversations over EAPOL that ended.
    fn settle_frames(&mut self, shared: &mut Shared) {
        if self.eapol.has_ended() {
            let (evicted, untold) =
                self.eapol
                    .settle(&mut shared.links, &mut shared.told, &mut shared.ended);
            self.counts.evicted_followed += evicted;
            self.counts.evicted_untold += untold;
        }
    }

    /// Makes flows of the conversations between two endpoints that ended.
    fn settle_conversations(&mut self, slot: Slot, shared: &mut Shared) {
        let Some(flow) = self.table.get_mut(slot) else {
            return;
        };
        let State::Udp(mut active) = std::mem::replace(&mut flow.state, State::Dull) else {
            return;
        };
        if let Some(conversations) = active.conversations() {
            conversations.settle(flow, &mut shared.told, &mut shared.ended);
        }
        flow.state = State::Udp(active);
    }

    /// Counts the memory of a flow that is followed anew.
    #[inline]
    fn count(&mut self, slot: Slot) {
        let (noted, memory) = match self.table.get_mut(slot).map(|flow| &mut flow.state) {
            Some(State::Active(active)) => {
                let memory = active.memory();
                (&mut active.noted, memory)
            }
            Some(State::Udp(active)) => {
                let memory = active.memory();
                (&mut active.noted, memory)
            }
            _ => return,
        };
        let before = std::mem::replace(&mut noted.memory, memory);
        self.followed_bytes = (self.followed_bytes + memory).saturating_sub(before);
        if before == 0 {
            let table = &self.table;
            let since = self.following.push(slot, |slot, since| {
                noted_of(table, slot).is_some_and(|(noted, _)| noted.since == since)
            });
            if let Some(noted) = noted_mut(&mut self.table, slot) {
                noted.since = since;
            }
        }
    }

    /// Gives up the flows that are followed longest, until the memory for them is below its cap again.
    #[inline]
    fn give_up_followed(&mut self, shared: &mut Shared) {
        while self.followed_bytes > self.limits.max_followed_bytes {
            let Some((slot, since)) = self.following.pop() else {
                return;
            };
            if noted_of(&self.table, slot).is_some_and(|(noted, _)| noted.since == since) {
                self.counts.evicted_followed += 1;
                self.conclude(slot, End::Evicted, shared);
            }
        }
    }

    /// A flow holds `after` bytes back where it held `before`.
    fn hold(
        &mut self,
        slot: Slot,
        before: usize,
        after: usize,
        now: Timestamp,
        shared: &mut Shared,
    ) {
        if before == 0 {
            let table = &self.table;
            let holds = self.holding.push(slot, |slot, holds| {
                noted_of(table, slot).is_some_and(|(noted, held)| noted.holds == holds && held > 0)
            });
            if let Some(noted) = noted_mut(&mut self.table, slot) {
                noted.holds = holds;
            }
        }
        self.held_bytes = (self.held_bytes + after).saturating_sub(before);
        if self.held_bytes > self.limits.max_buffered_bytes {
            self.relieve(now, shared);
        }
    }

    /// Settles a flow of which all is told that can be, or of which nothing is to be expected.
    fn settle(&mut self, slot: Slot, shared: &mut Shared) {
        let Some(flow) = self.table.get(slot) else {
            return;
        };
        let State::Active(active) = &flow.state else {
            return;
        };
        let session = &active.session;
        let positions = active.streams.each_ref().map(TcpStream::position);
        let settled = if session.answer.is_some() {
            let done = [Direction::Up, Direction::Down].map(|d| session.is_done(d));
            done == [true; 2]
                || done.contains(&true) && positions.iter().any(|p| *p > ENOUGH_AFTER_HELLO)
        } else if session.is_tls() {
            positions
                .iter()
                .any(|p| *p > 4 * self.limits.max_scan_bytes)
        } else {
            let joined = active
                .streams
                .each_ref()
                .map(|s| s.record_layer_version().is_some());
            let under_way = active.streams.iter().any(TcpStream::is_in_run);
            let enough = self.limits.max_scan_bytes << u32::from(under_way);
            joined == [true; 2] || positions.iter().any(|p| *p > enough)
        };
        if settled {
            self.conclude(slot, End::Settled, shared);
        }
    }

    /// Concludes an active flow and frees its buffers.
    fn conclude(&mut self, slot: Slot, end: End, shared: &mut Shared) {
        let Some(flow) = self.table.get_mut(slot) else {
            return;
        };
        if !matches!(flow.state, State::Active(_) | State::Udp(_)) {
            return;
        }
        let mut active = match std::mem::replace(&mut flow.state, State::Dull) {
            State::Active(active) => active,
            State::Udp(mut active) => {
                self.held_bytes = self.held_bytes.saturating_sub(active.held_bytes());
                self.followed_bytes = self.followed_bytes.saturating_sub(active.noted.memory);
                if let Some(conversations) = active.conversations() {
                    conversations.end(end);
                    conversations.settle(flow, &mut shared.told, &mut shared.ended);
                    // Between the same endpoints others begin, and a switch's endpoints stay for years.
                    flow.state = State::Empty;
                    return;
                }
                active.finish(flow.last_seen, &mut shared.tables);
                if let Some(facts) = conclude_udp(flow, &mut active, end) {
                    flow.client_hello_bytes = facts.client_hello_bytes;
                    flow.state = State::Settled(shared.told.settle(facts));
                } else if end == End::Evicted {
                    self.counts.evicted_untold += 1;
                }
                return;
            }
            _ => return,
        };
        let held: usize = active.streams.iter().map(TcpStream::held_bytes).sum();
        self.held_bytes = self.held_bytes.saturating_sub(held);
        self.followed_bytes = self.followed_bytes.saturating_sub(active.noted.memory);
        let Active {
            streams,
            session,
            ledger,
            ..
        } = &mut *active;
        let mut context = Context {
            session,
            ledger,
            tables: &mut shared.tables,
            buffers: &mut shared.buffers,
            limits: &self.limits,
            moment: Moment {
                time: flow.last_seen,
                segments: 1,
            },
        };
        if end != End::Settled {
            for (stream, half) in streams.iter_mut().zip(&flow.halves) {
                while stream.give_up_hole(&mut context) {}
                if let Some(end) = half.end() {
                    stream.end_at(end, &mut context);
                }
            }
        }
        for stream in streams {
            stream.flush(&mut context);
        }
        if let Some(facts) = conclude(flow, &mut active, end) {
            flow.client_hello_bytes = facts.client_hello_bytes;
            flow.state = State::Settled(shared.told.settle(facts));
        } else if end == End::Evicted {
            self.counts.evicted_untold += 1;
        }
        for stream in &mut active.streams {
            shared.buffers.give_back(stream.release());
        }
        if shared.actives.len() < MAX_SPARE_ACTIVES {
            // While it is at hand.
            active.begin_anew();
            shared.actives.push(active);
        }
    }

    /// Gives up what waits longest, until the memory for it is below its cap again.
    fn relieve(&mut self, now: Timestamp, shared: &mut Shared) {
        while self.held_bytes > self.limits.max_buffered_bytes {
            let Some((slot, holds)) = self.holding.pop() else {
                return;
            };
            if noted_of(&self.table, slot).is_none_or(|(noted, _)| noted.holds != holds) {
                continue;
            }
            let active = match self.table.get_mut(slot).map(|flow| &mut flow.state) {
                Some(State::Active(active)) => active,
                Some(State::Udp(active)) => {
                    self.held_bytes = self.held_bytes.saturating_sub(active.held_bytes());
                    self.counts.evicted_buffers += 1;
                    active.release();
                    self.count(slot);
                    continue;
                }
                _ => continue,
            };
            let Active {
                streams,
                session,
                ledger,
                ..
            } = &mut **active;
            let before: usize = streams.iter().map(TcpStream::held_bytes).sum();
            if before == 0 {
                continue;
            }
            self.counts.evicted_buffers += 1;
            let moment = Moment {
                time: now,
                segments: 1,
            };
            let mut context = Context {
                session,
                ledger,
                tables: &mut shared.tables,
                buffers: &mut shared.buffers,
                limits: &self.limits,
                moment,
            };
            for stream in streams.iter_mut() {
                while stream.give_up_hole(&mut context) {}
            }
            let after: usize = streams.iter().map(TcpStream::held_bytes).sum();
            self.held_bytes = (self.held_bytes + after).saturating_sub(before);
            self.count(slot);
            self.settle(slot, shared);
        }
    }

    /// Takes a flow out of the table and writes its record, if it matters.
    fn end(&mut self, slot: Slot, end: End, shared: &mut Shared) {
        self.conclude(slot, end, shared);
        let Some(flow) = self.table.remove(slot) else {
            return;
        };
        if matches!(flow.state, State::Settled(_)) {
            shared.ended.push(flow);
        }
    }
}

/// What is noted of a flow that is followed, and how many bytes it holds back.
fn noted_of(table: &FlowTable, slot: Slot) -> Option<(Noted, usize)> {
    match &table.get(slot)?.state {
        State::Active(active) => {
            let held = active.streams.iter().map(TcpStream::held_bytes).sum();
            Some((active.noted, held))
        }
        State::Udp(active) => Some((active.noted, active.held_bytes())),
        _ => None,
    }
}

fn noted_mut(table: &mut FlowTable, slot: Slot) -> Option<&mut Noted> {
    match &mut table.get_mut(slot)?.state {
        State::Active(active) => Some(&mut active.noted),
        State::Udp(active) => Some(&mut active.noted),
        _ => None,
    }
}

/// The time from the SYN to the first ACK of its sender: a whole round trip, wherever on the path the capture is.
fn measure_rtt(flow: &mut Flow, packet: &Packet) {
    let plain_ack =
        packet.tcp_flags & (tcp_flags::SYN | tcp_flags::ACK | tcp_flags::RST) == tcp_flags::ACK;
    let Some(opener) = flow.opener.filter(|o| *o == packet.direction) else {
        return;
    };
    let answered = flow.half(opener.flip()).packets > 0 && flow.half(opener.flip()).isn().is_some();
    // The SYN and this ACK are the only packets of the opener: neither came twice.
    if plain_ack && answered && flow.half(opener).packets == 2 && flow.rtt_us().is_none() {
        flow.learn_rtt(packet.time.since_ns(flow.first_seen) / 1000);
    }
}

fn link_of(links: &mut LinkTable, packet: &Packet, block: &Block) -> Arc<Link> {
    let ethernet = usize::try_from(packet.ethernet_at)
        .ok()
        .and_then(|at| block.bytes.get(at..))
        .and_then(|b| b.first_chunk::<12>());
    let Around { vlans, tunnels } = block.around(packet);
    let mut link = Link {
        vlans,
        tunnels,
        macs: [None; 2],
    };
    if let Some([d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5]) = ethernet {
        let (source, destination) = (
            Mac([*s0, *s1, *s2, *s3, *s4, *s5]),
            Mac([*d0, *d1, *d2, *d3, *d4, *d5]),
        );
        link.macs = match packet.direction {
            Direction::Up => [Some(source), Some(destination)],
            Direction::Down => [Some(destination), Some(source)],
        };
    }
    links.intern(link)
}

impl std::ops::AddAssign for ShardCounts {
    fn add_assign(&mut self, other: Self) {
        self.evicted_flows += other.evicted_flows;
        self.evicted_followed += other.evicted_followed;
        self.evicted_untold += other.evicted_untold;
        self.evicted_buffers += other.evicted_buffers;
    }
}
