//! Steers what stays in the kernel: for each worker, between the packets of its flows and the kernel's maps.
//!
//! A flow that is settled is marked, so that it ends in the kernel; one that is still followed where the kernel would no
//! longer pass it is marked, too. What the kernel counts is added to the flows: they age, close and are told as if every
//! packet had come by here.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::capture::shunt::{Clocks, FlowMaps, FlowStayed, Mode, RawKey, flow_key, raw_key};
use crate::dispatch::{Direction, Hasher, Packet, SHARDS, Transport, shard_of, tcp_flags};
use crate::flow::{Beginning, Flow, State};
use crate::shard::Shard;
use crate::time::Timestamp;

/// A worker's part of it.
pub(super) struct Shunted {
    maps: FlowMaps,
    hasher: Hasher,
    /// The shards of this worker; those of others are `None`.
    places: [Option<usize>; SHARDS],
    /// Flows that have an entry in the kernel.
    tracked: HashMap<RawKey, Tracked>,
    /// There was no room for another entry: not tried again for a while.
    full: bool,
    looked: Instant,
    swept: Instant,
}

/// A flow that has an entry in the kernel.
struct Tracked {
    hash: u32,
    /// Of the flow, which tells it from others between the same endpoints.
    first_packet: u64,
    mode: Mode,
    /// As the flow was told last.
    told: FlowStayed,
    /// When the entry was made, or found.
    since: Timestamp,
    /// Packets that passed all the same since then.
    passed: u32,
}

impl Shunted {
    /// Of the worker with this number.
    pub(super) fn new(maps: FlowMaps, hasher: Hasher, places: [Option<usize>; SHARDS]) -> Self {
        let now = Instant::now();
        Self {
            maps,
            hasher,
            places,
            tracked: HashMap::new(),
            full: false,
            looked: now,
            swept: now,
        }
    }

    /// Before packets are worked on: those that open and close connections must find them as far as they are.
    pub(super) fn before(&mut self, packets: &[Packet], shards: &mut [Shard]) {
        if self.tracked.is_empty() {
            return;
        }
        const MARKS: u8 = tcp_flags::SYN | tcp_flags::FIN | tcp_flags::RST;
        for packet in packets.iter().filter(|p| p.tcp_flags & MARKS != 0) {
            if let Some(tracked) = self.tracked.get_mut(&raw_key(&packet.key)) {
                let clocks = Clocks::now();
                tracked.look(&self.maps, &packet.key, clocks, shards, &self.places);
            }
        }
    }

    /// After packets were worked on: flows that are settled now are marked.
    pub(super) fn after(&mut self, packets: &[Packet], shards: &mut [Shard]) {
        for packet in packets {
            // A bare acknowledgment is no sign that more is to come.
            if packet.wire_len == 0 {
                continue;
            }
            let flow = shard_in(&self.places, packet.hash)
                .and_then(|place| shards.get(place))
                .and_then(|shard| shard.find(packet.hash, &packet.key));
            if let Some(flow) = flow
                && let Some(mode) = wanted(flow)
            {
                let known = (flow.first_packet, flow.is_closed());
                self.want(mode, known, packet, shards);
            }
        }
    }

    /// `over`: the flow closed. Then nothing is marked any more, but what stayed of it is still told.
    fn want(
        &mut self,
        mode: Mode,
        (first_packet, over): (u64, bool),
        packet: &Packet,
        shards: &mut [Shard],
    ) {
        let key = raw_key(&packet.key);
        if let Some(mut tracked) = self.tracked.remove(&key) {
            // A limit of the kernel's own serves a settled flow as well.
            let serves =
                tracked.mode == mode || tracked.mode == Mode::Limit && mode == Mode::Settled;
            if tracked.first_packet == first_packet && serves {
                // Those from before were on their way here.
                tracked.passed += u32::from(packet.time > tracked.since);
                if over || mode == Mode::Follow || tracked.passed < ENOUGH_PASSED {
                    self.tracked.insert(key, tracked);
                    return;
                }
            }
            // Of the connection before, or it is to become another, or the kernel saw an end that is none.
            let clocks = Clocks::now();
            tracked.look(&self.maps, &packet.key, clocks, shards, &self.places);
            self.maps.forget(&key);
        }
        let clocks = Clocks::now();
        let mut tracked = Tracked {
            hash: packet.hash,
            first_packet,
            mode,
            told: FlowStayed::default(),
            since: clocks.time(clocks.now_ns()),
            passed: 0,
        };
        if let Some(kept) = self.maps.kept(&key) {
            // The kernel made it by itself.
            if !kept
                .reach
                .holds(packet.direction, packet.sequence, packet.wire_len)
            {
                // Of another connection between these endpoints: of one before, or of one where we are not yet.
                if clocks.time(kept.stayed.last_ns) < packet.time {
                    self.maps.forget(&key);
                }
                return;
            }
            if mode == Mode::Follow {
                tracked.look(&self.maps, &packet.key, clocks, shards, &self.places);
                self.maps.forget(&key);
                tracked.told = FlowStayed::default();
                self.maps.mark(&key, mode, None);
            }
        } else {
            let reach = match packet.key.transport() {
                Transport::Udp | Transport::Eapol => None,
                Transport::Tcp => self.maps.reach(&key),
            };
            // The kernel may be at the next connection between these endpoints already.
            let is_at_it = packet.key.transport() == Transport::Udp
                || reach.is_some_and(|reach| {
                    reach.holds(packet.direction, packet.sequence, packet.wire_len)
                });
            if over || !is_at_it || self.full {
                return;
            }
            if !self.maps.mark(&key, mode, reach) {
                self.full = true;
                return;
            }
        }
        self.tracked.insert(key, tracked);
    }

    /// Before flows age: adds what stayed in the kernel to them. `last`: they end here.
    pub(super) fn tick(&mut self, shards: &mut [Shard], last: bool) {
        if !last && self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        self.full = false;
        if last || self.swept.elapsed() >= SWEEP {
            self.swept = Instant::now();
            self.sweep(shards);
        }
        let clocks = Clocks::now();
        for (key, tracked) in &mut self.tracked {
            tracked.look(&self.maps, &flow_key(key), clocks, shards, &self.places);
        }
    }

    /// After flows aged: those that ended are forgotten.
    pub(super) fn forget_ended(&mut self, shards: &[Shard]) {
        let (maps, places) = (&mut self.maps, &self.places);
        self.tracked.retain(|key, tracked| {
            let flow = shard_in(places, tracked.hash)
                .and_then(|place| shards.get(place))
                .and_then(|shard| shard.find(tracked.hash, &flow_key(key)));
            let lives = flow.is_some_and(|flow| flow.first_packet == tracked.first_packet);
            if !lives {
                maps.forget(key);
            }
            lives
        });
    }

    /// Looks for entries that the kernel made by itself, of flows of which too little was seen to know it.
    fn sweep(&mut self, shards: &[Shard]) {
        let clocks = Clocks::now();
        for raw in self.maps.all() {
            let key = flow_key(&raw);
            let hash = self.hasher.hash(&key);
            let (Some(place), false) = (
                shard_in(&self.places, hash),
                self.tracked.contains_key(&raw),
            ) else {
                continue;
            };
            let Some(stayed) = self.maps.stayed(&raw) else {
                continue;
            };
            match shards.get(place).and_then(|shard| shard.find(hash, &key)) {
                Some(flow) if clocks.time(stayed.last_ns) >= flow.first_seen => {
                    self.tracked.insert(
                        raw,
                        Tracked {
                            hash,
                            first_packet: flow.first_packet,
                            mode: Mode::Limit,
                            told: FlowStayed::default(),
                            since: clocks.time(clocks.now_ns()),
                            passed: 0,
                        },
                    );
                }
                // Its first packets may not have come by here yet.
                None if clocks.now_ns().saturating_sub(stayed.last_ns) < NEW_NS => {}
                _ => self.maps.forget(&raw),
            }
        }
    }
}

impl Tracked {
    /// Adds what stayed since the last time to the flow.
    fn look(
        &mut self,
        maps: &FlowMaps,
        key: &crate::dispatch::FlowKey,
        clocks: Clocks,
        shards: &mut [Shard],
        places: &[Option<usize>; SHARDS],
    ) {
        let Some(now) = maps.stayed(&raw_key(key)) else {
            return;
        };
        if now == self.told {
            return;
        }
        let Some(shard) = shard_in(places, self.hash).and_then(|place| shards.get_mut(place))
        else {
            return;
        };
        for direction in [Direction::Up, Direction::Down] {
            let at = direction.index();
            let since = |now: [u64; 2], told: [u64; 2]| match (now.get(at), told.get(at)) {
                (Some(now), Some(told)) => now.saturating_sub(*told),
                _ => 0,
            };
            shard.add_unseen(
                (self.hash, key, self.first_packet),
                direction,
                since(now.packets, self.told.packets),
                since(now.bytes, self.told.bytes),
                clocks.time(now.last_ns),
            );
        }
        self.told = now;
    }
}

fn shard_in(places: &[Option<usize>; SHARDS], hash: u32) -> Option<usize> {
    places.get(shard_of(hash)).copied().flatten()
}

/// What is to become of a flow's packets in the kernel; `None`: what becomes of them without a word.
fn wanted(flow: &Flow) -> Option<Mode> {
    let seen: u64 = flow.halves.iter().map(|half| half.bytes).sum();
    match &flow.state {
        State::Empty | State::Udp(_) => None,
        // Only of such does the kernel believe by itself that all is told.
        State::Active(active) => (active.session.is_tls()
            && flow.halves.iter().any(|half| half.bytes > FOLLOW_BYTES))
        .then_some(Mode::Follow),
        _ if seen < LONG_BYTES => None,
        State::Dull => Some(Mode::Settled),
        State::Settled(settled) => match settled.beginning() {
            Beginning::Unknown => Some(Mode::Settled),
            Beginning::Quic(_) => Some(Mode::Quic),
            // Any datagram may begin another association, inside the frames of a relay, too.
            Beginning::Dtls(_) | Beginning::RdpUdp(_) => None,
        },
    }
}

/// A flow with less is hardly worth the two system calls of a mark.
const LONG_BYTES: u64 = 16 << 10;
/// Before the kernel stops passing a direction by itself.
const FOLLOW_BYTES: u64 = 24 << 10;
/// Packets of a marked flow that pass, as after an end that was none, before it is marked anew.
const ENOUGH_PASSED: u32 = 64;
/// How often what stayed is asked for.
const LOOK: Duration = Duration::from_secs(1);
/// How often entries that the kernel made by itself are looked for.
const SWEEP: Duration = Duration::from_secs(10);
/// An entry that was in use since is left alone.
const NEW_NS: u64 = 30_000_000_000;
