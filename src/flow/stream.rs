//! Bytes at offsets, in any order, to a contiguous prefix: one direction of a connection, bounded.
//!
//! In: segments as they were captured. Out: pieces in stream order, and the holes that nothing will fill. The first
//! copy of a byte wins; where a later copy disagrees, that is counted. TCP, QUIC's CRYPTO frames and DTLS's handshake
//! fragments are all bytes at offsets.

use super::followed::{ALLOCATION, Buffers};
use crate::prefetch;

/// What comes out, in stream order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// New bytes were added at the end of the contiguous prefix; this many.
    Bytes(usize),
    /// This many bytes of the stream are missing here.
    Gap {
        /// How many.
        len: u64,
        /// The snap length cut them off; else they were not captured.
        cut: bool,
    },
}

/// A segment that waits for those before it.
#[derive(Debug)]
struct Held {
    offset: u64,
    bytes: Box<[u8]>,
    /// Bytes on the wire; more than `bytes` where the snap length cut it.
    wire_len: u64,
}

impl Held {
    const fn end(&self) -> u64 {
        self.offset.saturating_add(self.wire_len)
    }
}

/// Puts one direction together.
///
/// Invariants: `kept` holds the stream's bytes from `kept_at` to `next`; every held segment ends behind `next`, and
/// they are sorted by offset.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Assembler {
    // What every packet asks for comes first: see `TcpStream`.
    next: u64,
    held_bytes: usize,
    kept_at: u64,
    kept: Vec<u8>,
    held: Vec<Held>,
    missing: u64,
    conflicting: u64,
}

/// Held segments of one direction, whatever their size.
const MAX_HELD_SEGMENTS: usize = 512;
/// Consumed bytes that stay for comparison with retransmissions.
const KEEP_CONSUMED_BYTES: usize = 8 << 10;

impl Assembler {
    /// An assembler whose next byte has `offset`; `buffer` is used for its bytes.
    pub fn new(offset: u64, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self {
            next: offset,
            kept: buffer,
            kept_at: offset,
            ..Self::default()
        }
    }

    /// Asks for where the next bytes will go.
    #[inline]
    pub fn prefetch(&self) {
        prefetch::end(&self.kept);
    }

    /// Offset of the next byte that is due.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Bytes that were skipped because they never came.
    pub const fn missing(&self) -> u64 {
        self.missing
    }

    /// Bytes of later copies that disagree with the first.
    pub const fn conflicting(&self) -> u64 {
        self.conflicting
    }

    /// Bytes that wait for others.
    pub const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Bytes of memory that it holds.
    #[inline]
    pub const fn memory(&self) -> usize {
        self.kept.capacity()
            + self.held_bytes
            + self.held.capacity() * size_of::<Held>()
            + self.held.len() * ALLOCATION
    }

    /// Makes room for `more` bytes that are appended.
    #[inline]
    pub fn reserve(&mut self, more: usize, buffers: &mut Buffers) {
        buffers.reserve(&mut self.kept, more);
    }

    /// Whether segments wait behind a hole.
    pub const fn has_hole(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether more waits than one direction may hold.
    pub const fn is_over(&self, max_bytes: usize) -> bool {
        self.held_bytes > max_bytes || self.held.len() > MAX_HELD_SEGMENTS
    }

    /// The contiguous bytes from `offset` on; empty where they were let go.
    pub fn since(&self, offset: u64) -> &[u8] {
        let at = offset
            .checked_sub(self.kept_at)
            .and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.kept.get(at..)).unwrap_or_default()
    }

    /// The same, with what is kept of the `before` bytes in front of it; how many those are comes first.
    pub fn since_before(&self, offset: u64, before: usize) -> (usize, &[u8]) {
        let kept = offset.saturating_sub(self.kept_at);
        let before = usize::try_from(kept).unwrap_or(before).min(before);
        (before, self.since(offset.saturating_sub(before as u64)))
    }

    /// Nobody needs bytes before `offset` any more; some stay, to be compared with retransmissions.
    pub fn consume(&mut self, offset: u64) {
        let consumed = usize::try_from(offset.saturating_sub(self.kept_at)).unwrap_or(0);
        if consumed > 4 * KEEP_CONSUMED_BYTES {
            let drop = consumed - KEEP_CONSUMED_BYTES;
            self.kept.drain(..drop);
            self.kept_at += drop as u64;
        }
    }

    /// Takes the captured `bytes` of a segment of `wire_len` at `offset`. The pieces that this completes are to be
    /// fetched with [`Self::pop`].
    pub fn insert(&mut self, offset: u64, bytes: &[u8], wire_len: u64) {
        let wire_len = wire_len.max(bytes.len() as u64);
        if wire_len == 0 {
            return;
        }
        self.compare(offset, bytes);
        if offset.saturating_add(wire_len) <= self.next {
            return;
        }
        // What lies before `next` is known already.
        let known = self.next.saturating_sub(offset);
        let bytes = usize::try_from(known)
            .ok()
            .and_then(|known| bytes.get(known..))
            .unwrap_or_default();
        self.hold(offset + known, bytes, wire_len - known);
    }

    /// The next piece, if it is there: bytes are appended to the prefix, a cut is skipped.
    pub fn pop(&mut self) -> Option<Piece> {
        let first = self.held.first()?;
        if first.offset > self.next {
            return None;
        }
        let held = self.held.remove(0);
        self.held_bytes -= held.bytes.len();
        if self.held.is_empty() {
            self.held = Vec::new();
        }
        let known = usize::try_from(self.next - held.offset).unwrap_or(usize::MAX);
        let (end, captured_end) = (held.end(), held.offset + held.bytes.len() as u64);
        if captured_end > self.next {
            let new = held.bytes.get(known..).unwrap_or_default();
            self.kept.extend_from_slice(new);
            self.next = captured_end;
            if end > captured_end {
                self.hold(captured_end, &[], end - captured_end);
            }
            return Some(Piece::Bytes(new.len()));
        }
        if end <= self.next {
            return self.pop();
        }
        Some(self.skip_to(end, true))
    }

    /// In-order bytes, the usual case: like [`Self::insert`] and [`Self::pop`], without a copy in between.
    pub fn append(&mut self, offset: u64, bytes: &[u8], wire_len: u64) -> bool {
        if offset != self.next || !self.held.is_empty() || wire_len != bytes.len() as u64 {
            return false;
        }
        self.kept.extend_from_slice(bytes);
        self.next += wire_len;
        true
    }

    /// Gives up the first hole: what was held behind it comes next. `None` where nothing waits.
    pub fn give_up_hole(&mut self) -> Option<Piece> {
        let first = self.held.first()?.offset;
        (first > self.next).then(|| self.skip_to(first, false))
    }

    /// The stream begins so many bytes before the one that was thought to be its first, and none of it was put together.
    pub fn begin_earlier(&mut self, by: u64) {
        for held in &mut self.held {
            held.offset += by;
        }
    }

    /// The stream ends so many bytes behind the last that was put together, and nothing waits: they are missing.
    pub fn end_after(&mut self, missing: u64) -> Piece {
        self.skip_to(self.next + missing, false)
    }

    /// Lets go of everything; returns the buffer for another stream.
    pub fn release(&mut self) -> Vec<u8> {
        self.held = Vec::new();
        self.held_bytes = 0;
        self.kept_at = self.next;
        std::mem::take(&mut self.kept)
    }

    fn skip_to(&mut self, offset: u64, cut: bool) -> Piece {
        let len = offset - self.next;
        self.missing += len;
        self.next = offset;
        self.kept.clear();
        self.kept_at = offset;
        Piece::Gap { len, cut }
    }

    /// Keeps a segment at its place. Bytes that are held already stay as they are: the first copy wins.
    fn hold(&mut self, mut offset: u64, mut bytes: &[u8], mut wire_len: u64) {
        let mut at = self.held.partition_point(|h| h.end() <= offset);
        while wire_len > 0 {
            let (start, end) = self
                .held
                .get(at)
                .map_or((u64::MAX, u64::MAX), |h| (h.offset, h.end()));
            if offset < start {
                let free = wire_len.min(start - offset);
                let part = bytes
                    .get(..bytes.len().min(usize::try_from(free).unwrap_or(usize::MAX)))
                    .unwrap_or_default();
                self.held_bytes += part.len();
                self.held.insert(
                    at,
                    Held {
                        offset,
                        bytes: part.into(),
                        wire_len: free,
                    },
                );
                at += 1;
                (offset, bytes, wire_len) = (
                    offset + free,
                    bytes.get(part.len()..).unwrap_or_default(),
                    wire_len - free,
                );
                continue;
            }
            // A copy that was cut short may be completed by one that was not.
            if let Some(held) = self.held.get_mut(at) {
                let have = held.bytes.len() as u64;
                let lies = offset.saturating_sub(held.offset);
                if have < held.wire_len && lies <= have {
                    let room = usize::try_from(held.wire_len - lies).unwrap_or(usize::MAX);
                    let more = bytes.get(
                        usize::try_from(have - lies).unwrap_or(usize::MAX)..bytes.len().min(room),
                    );
                    if let Some(more) = more.filter(|m| !m.is_empty()) {
                        self.held_bytes += more.len();
                        held.bytes = [&held.bytes, more].concat().into();
                    }
                }
            }
            let known = wire_len.min(end - offset);
            let skip = usize::try_from(known).unwrap_or(usize::MAX);
            (offset, bytes, wire_len) = (
                offset + known,
                bytes.get(skip..).unwrap_or_default(),
                wire_len - known,
            );
            at += 1;
        }
    }

    /// Counts the bytes that differ from a copy seen before.
    fn compare(&mut self, offset: u64, bytes: &[u8]) {
        // RFC 9293 section 3.8.4: a keep-alive repeats the last byte, with any content.
        if bytes.len() == 1 && offset.wrapping_add(1) == self.next {
            return;
        }
        let mut differing = if offset < self.next {
            differ(self.kept_at, &self.kept, offset, bytes)
        } else {
            0
        };
        let end = offset.saturating_add(bytes.len() as u64);
        let from = self.held.partition_point(|h| h.end() <= offset);
        for held in self
            .held
            .get(from..)
            .unwrap_or_default()
            .iter()
            .take_while(|h| h.offset < end)
        {
            differing += differ(held.offset, &held.bytes, offset, bytes);
        }
        self.conflicting += differing;
    }
}

/// How many bytes differ where `a`, at offset `a_at`, and `b`, at `b_at`, overlap.
fn differ(a_at: u64, a: &[u8], b_at: u64, b: &[u8]) -> u64 {
    let start = a_at.max(b_at);
    let from = |at: u64, bytes| {
        <[u8]>::get(bytes, usize::try_from(start - at).unwrap_or(usize::MAX)..).unwrap_or_default()
    };
    let (a, b) = (from(a_at, a), from(b_at, b));
    let len = a.len().min(b.len());
    if a.get(..len) == b.get(..len) {
        return 0;
    }
    a.iter().zip(b).filter(|(x, y)| x != y).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(assembler: &mut Assembler) -> Vec<Piece> {
        std::iter::from_fn(|| assembler.pop()).collect()
    }

    #[test]
    fn the_first_copy_wins_and_disagreement_is_counted() {
        let mut a = Assembler::new(0, Vec::new());
        a.insert(0, b"abcd", 4);
        drain(&mut a);
        a.insert(2, b"XYef", 4);
        a.insert(8, b"ij", 2);
        a.insert(7, b"h?j", 3);
        drain(&mut a);
        assert_eq!((a.since(0), a.conflicting()), (b"abcdef".as_slice(), 3));
        a.insert(6, b"g", 1);
        drain(&mut a);
        assert_eq!(a.since(0), b"abcdefghij");
    }

    #[test]
    fn a_keep_alive_is_no_conflict() {
        let mut a = Assembler::new(0, Vec::new());
        assert!(a.append(0, b"abcd", 4));
        a.insert(3, &[0], 1);
        assert_eq!(a.conflicting(), 0);
    }

    #[test]
    fn what_the_snap_length_cut_is_a_gap_at_once_and_a_lost_segment_only_when_given_up() {
        let mut a = Assembler::new(0, Vec::new());
        a.insert(0, b"ab", 5);
        a.insert(8, b"ij", 2);
        assert_eq!(
            drain(&mut a),
            [Piece::Bytes(2), Piece::Gap { len: 3, cut: true }]
        );
        assert_eq!(a.give_up_hole(), Some(Piece::Gap { len: 3, cut: false }));
        assert_eq!(drain(&mut a), [Piece::Bytes(2)]);
        assert_eq!((a.next(), a.missing()), (10, 6));
    }

    proptest! {
        /// Against the naive model: an array that remembers the first copy of each byte.
        #[test]
        fn equals_the_naive_model(segments in proptest::collection::vec((0u64..60, proptest::collection::vec(any::<u8>(), 1..20)), 1..40)) {
            let mut model: Vec<Option<u8>> = vec![None; 100];
            let mut assembler = Assembler::new(0, Vec::new());
            let mut got = Vec::new();
            for (offset, bytes) in &segments {
                for (i, byte) in bytes.iter().enumerate() {
                    model[*offset as usize + i].get_or_insert(*byte);
                }
                assembler.insert(*offset, bytes, bytes.len() as u64);
                while let Some(piece) = assembler.pop() {
                    prop_assert!(matches!(piece, Piece::Bytes(_)));
                }
                got = assembler.since(0).to_vec();
            }
            let want: Vec<u8> = model.iter().map_while(|b| *b).collect();
            prop_assert_eq!(got, want);
        }
    }
}
