//! The flows that are followed: who began first, and what memory they hold.
//!
//! Both depend on the packets of a flow alone, never on memory that happened to be at hand for reuse: what a cap gives
//! up is the same for every number of workers.

use std::collections::VecDeque;

use super::table::Slot;

/// What an allocation costs beside its bytes, about: the allocator's own note, and rounding up.
pub const ALLOCATION: usize = 32;

/// What the shard notes about a flow that it follows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noted {
    /// Its number among those that are followed.
    pub(crate) since: u32,
    /// Its number among those that hold bytes back, newest time.
    pub(crate) holds: u32,
    /// Bytes of memory that are counted for it.
    pub(crate) memory: usize,
}

/// Flows in the order in which something began with them. Where that is over, or began anew, an entry is stale; those
/// are never more than the others and a few.
#[derive(Debug, Default)]
pub struct Queue {
    entries: VecDeque<(Slot, u32)>,
    next: u32,
    /// Entries at which it is time to look for stale ones.
    enough: usize,
}

/// Entries that are not worth a look.
const FEW: usize = 64;

impl Queue {
    /// Adds a flow behind all others; returns the number by which its entry is known.
    pub fn push(&mut self, slot: Slot, is_live: impl Fn(Slot, u32) -> bool) -> u32 {
        if self.entries.len() >= self.enough {
            self.entries
                .retain(|(slot, number)| is_live(*slot, *number));
            self.enough = 2 * self.entries.len() + FEW;
        }
        self.next = self.next.wrapping_add(1);
        self.entries.push_back((slot, self.next));
        self.next
    }

    /// The first entry, perhaps a stale one.
    pub fn pop(&mut self) -> Option<(Slot, u32)> {
        self.entries.pop_front()
    }
}

/// Buffers of streams that ended, for reuse. All have one of two sizes, so that a stream's memory does not depend on
/// which it got.
#[derive(Debug, Default)]
pub struct Buffers {
    small: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
}

/// Room for a client's part of an ordinary handshake.
const SMALL_BYTES: usize = 2 << 10;
/// Room for a server's.
const LARGE_BYTES: usize = 6 << 10;
/// Less gets a buffer of its size.
const TINY_BYTES: usize = 256;
/// Buffers of each size that are kept.
const MAX_SPARE: usize = 256;

impl Buffers {
    /// Makes room in `buffer` for `more` bytes.
    #[inline]
    pub fn reserve(&mut self, buffer: &mut Vec<u8>, more: usize) {
        if more > buffer.capacity() - buffer.len() {
            self.grow(buffer, more);
        }
    }

    fn grow(&mut self, buffer: &mut Vec<u8>, more: usize) {
        let needed = buffer.len() + more;
        let (spare, bytes) = if needed <= TINY_BYTES || needed > LARGE_BYTES {
            // A flood of connections that say next to nothing costs next to nothing.
            return buffer.reserve(more);
        } else if needed <= SMALL_BYTES {
            (&mut self.small, SMALL_BYTES)
        } else {
            (&mut self.large, LARGE_BYTES)
        };
        let mut roomy = spare.pop().unwrap_or_else(|| Vec::with_capacity(bytes));
        roomy.extend_from_slice(buffer);
        self.give_back(std::mem::replace(buffer, roomy));
    }

    /// Takes a buffer that nobody needs any more.
    pub fn give_back(&mut self, mut buffer: Vec<u8>) {
        let spare = match buffer.capacity() {
            SMALL_BYTES => &mut self.small,
            LARGE_BYTES => &mut self.large,
            _ => return,
        };
        if spare.len() < MAX_SPARE {
            buffer.clear();
            spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_entries_do_not_pile_up() {
        let mut queue = Queue::default();
        for slot in 0..100_000 {
            queue.push(slot, |slot, _| slot < 10);
            assert!(queue.entries.len() <= 2 * 10 + FEW + 1);
        }
        let first: Vec<Slot> = std::iter::from_fn(|| queue.pop())
            .take(10)
            .map(|(slot, _)| slot)
            .collect();
        assert_eq!(first, Vec::from_iter(0..10), "the oldest first");
    }

    #[test]
    fn a_buffer_has_the_same_room_wherever_it_comes_from() {
        let room = |buffers: &mut Buffers, lens: &[usize]| {
            let mut buffer = Vec::new();
            let rooms: Vec<usize> = lens
                .iter()
                .map(|len| {
                    buffers.reserve(&mut buffer, *len);
                    buffer.resize(buffer.len() + len, 7);
                    buffer.capacity()
                })
                .collect();
            buffers.give_back(buffer);
            rooms
        };
        for lens in [
            &[1, 1, 1][..],
            &[1, 300, 1_000, 1_000, 4_000, 9_000],
            &[517, 80],
            &[1_460, 1_460, 1_460, 1_460, 1_460],
        ] {
            let mut used = Buffers::default();
            let fresh = room(&mut used, lens);
            assert_eq!(room(&mut used, lens), fresh);
            assert!(
                fresh
                    .first()
                    .is_some_and(|first| *first <= lens[0].max(8).max(SMALL_BYTES))
            );
        }
    }
}
