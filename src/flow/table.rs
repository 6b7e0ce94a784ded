//! The flows of one shard: found by key, kept in slots that do not move, aged by packet time.

use std::collections::VecDeque;

use super::Flow;
use super::index::Index;
use crate::dispatch::FlowKey;
use crate::prefetch;
use crate::time::Timestamp;

/// A flow's place. Valid until the flow is removed.
pub type Slot = u32;

/// Why a flow's time may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Open.
    Idle,
    /// Closed: it stays so that stragglers find it.
    Linger,
}

/// Flows by key.
#[derive(Debug, Default)]
pub struct FlowTable {
    index: Index,
    /// Chunks of [`CHUNK`] slots, so that growing moves nothing.
    chunks: Vec<Vec<Option<Flow>>>,
    free: Vec<Slot>,
    idle: VecDeque<Timer>,
    linger: VecDeque<Timer>,
    tickets: u32,
}

/// A flow is looked at when its timer runs out, and gets a new one if packets came in the meantime.
#[derive(Clone, Copy, Debug)]
struct Timer {
    deadline_s: u32,
    slot: Slot,
    ticket: u32,
}

const CHUNK: usize = 256;

impl FlowTable {
    /// Flows held.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether no flow is held.
    pub fn is_empty(&self) -> bool {
        self.index.len() == 0
    }

    /// The slot of `key`'s flow.
    #[inline]
    pub fn find(&self, hash: u32, key: &FlowKey) -> Option<Slot> {
        self.index.find(hash, |slot| {
            self.get(slot).is_some_and(|flow| flow.key == *key)
        })
    }

    /// Asks for where [`Self::probe`] will look.
    #[inline]
    pub fn prefetch_index(&self, hash: u32) {
        self.index.prefetch(hash);
    }

    /// The first slot with a hash like this one, whose key is not looked at. Asked for several packets in a row before the
    /// first of them is worked on, the loads overlap: their latency is what a packet of a settled flow costs.
    #[inline]
    pub fn probe(&self, hash: u32) -> Option<Slot> {
        self.index.find(hash, |_| true)
    }

    /// Asks for the flow of a slot.
    #[inline]
    pub fn prefetch(&self, slot: Slot) {
        if let Some(place) = place_of(&self.chunks, slot) {
            prefetch::whole(place);
        }
    }

    /// Asks for the place of the next flow that is added.
    #[inline]
    pub fn prefetch_new(&self) {
        if let Some(slot) = self.free.last() {
            self.prefetch(*slot);
        }
    }

    /// The flow of a slot.
    #[inline]
    pub fn get(&self, slot: Slot) -> Option<&Flow> {
        place_of(&self.chunks, slot)?.as_ref()
    }

    /// The flow of a slot.
    #[inline]
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut Flow> {
        self.chunks
            .get_mut(slot as usize / CHUNK)?
            .get_mut(slot as usize % CHUNK)?
            .as_mut()
    }

    /// Adds a flow whose key is not in the table.
    pub fn insert(&mut self, mut flow: Flow, idle_ns: u64) -> Slot {
        self.tickets = self.tickets.wrapping_add(1);
        flow.ticket = self.tickets;
        let (hash, ticket, seen) = (flow.hash, flow.ticket, flow.last_seen);
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self
                    .chunks
                    .get_mut(slot as usize / CHUNK)
                    .and_then(|c| c.get_mut(slot as usize % CHUNK))
                {
                    *place = Some(flow);
                }
                slot
            }
            None => {
                if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
                    self.chunks.push(Vec::with_capacity(CHUNK));
                }
                let before = (self.chunks.len() - 1) * CHUNK;
                let Some(chunk) = self.chunks.last_mut() else {
                    return 0;
                };
                chunk.push(Some(flow));
                (before + chunk.len() - 1) as Slot
            }
        };
        self.index.insert(hash, slot);
        self.idle.push_back(Timer {
            deadline_s: deadline(seen, idle_ns),
            slot,
            ticket,
        });
        slot
    }

    /// Takes a flow out.
    pub fn remove(&mut self, slot: Slot) -> Option<Flow> {
        let flow = self
            .chunks
            .get_mut(slot as usize / CHUNK)?
            .get_mut(slot as usize % CHUNK)?
            .take()?;
        self.index.remove(flow.hash, slot);
        self.free.push(slot);
        Some(flow)
    }

    /// The flow closed: from now on it only lingers.
    pub fn linger(&mut self, slot: Slot, linger_ns: u64) {
        self.tickets = self.tickets.wrapping_add(1);
        let ticket = self.tickets;
        if let Some(flow) = self.get_mut(slot) {
            flow.ticket = ticket;
            let deadline_s = deadline(flow.last_seen, linger_ns);
            self.linger.push_back(Timer {
                deadline_s,
                slot,
                ticket,
            });
        }
    }

    /// The next flow whose time has come at `now`; to be called until there is none.
    pub fn expire(&mut self, now: Timestamp, idle_ns: u64, linger_ns: u64) -> Option<Slot> {
        Self::pop(&mut self.linger, &self.chunks, now, linger_ns)
            .or_else(|| Self::pop(&mut self.idle, &self.chunks, now, idle_ns))
    }

    /// The flow that was opened first among those not closed; else the one that closed first.
    pub fn oldest(&mut self) -> Option<Slot> {
        for queue in [&mut self.linger, &mut self.idle] {
            while let Some(timer) = queue.pop_front() {
                if flow_of(&self.chunks, timer).is_some() {
                    return Some(timer.slot);
                }
            }
        }
        None
    }

    /// All flows with their slots.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &Flow)> {
        let places = self.chunks.iter().flatten().zip(0..);
        places.filter_map(|(place, slot)| Some((slot, place.as_ref()?)))
    }

    /// All slots in use.
    pub fn slots(&self) -> Vec<Slot> {
        self.index.slots().collect()
    }

    fn pop(
        queue: &mut VecDeque<Timer>,
        chunks: &[Vec<Option<Flow>>],
        now: Timestamp,
        wait_ns: u64,
    ) -> Option<Slot> {
        while let Some(timer) = queue.front().copied() {
            if u64::from(timer.deadline_s) > now.seconds() {
                return None;
            }
            queue.pop_front();
            if let Some(place) = queue
                .get(TIMERS_AHEAD)
                .and_then(|timer| place_of(chunks, timer.slot))
            {
                prefetch::whole(place);
            }
            let Some(flow) = flow_of(chunks, timer) else {
                continue;
            };
            let deadline_s = deadline(flow.last_seen, wait_ns);
            if u64::from(deadline_s) <= now.seconds() {
                return Some(timer.slot);
            }
            queue.push_back(Timer {
                deadline_s,
                ..timer
            });
        }
        None
    }
}

/// Timers whose flows are asked for before theirs run out.
const TIMERS_AHEAD: usize = 6;

#[inline]
fn place_of(chunks: &[Vec<Option<Flow>>], slot: Slot) -> Option<&Option<Flow>> {
    let slot = slot as usize;
    chunks.get(slot / CHUNK)?.get(slot % CHUNK)
}

fn flow_of(chunks: &[Vec<Option<Flow>>], timer: Timer) -> Option<&Flow> {
    let flow = place_of(chunks, timer.slot)?.as_ref()?;
    (flow.ticket == timer.ticket).then_some(flow)
}

fn deadline(seen: Timestamp, wait_ns: u64) -> u32 {
    // Rounded up: never too early.
    u32::try_from(seen.0.saturating_add(wait_ns).div_ceil(1_000_000_000)).unwrap_or(u32::MAX)
}
