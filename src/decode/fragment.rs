//! IP datagrams put together from their fragments (RFC 791 section 3.2, RFC 8200 section 4.5).
//!
//! Fragments come in any order, twice, overlapping, or never. Where two claim the same bytes the first copy is taken,
//! and a disagreement is counted. What waits is bounded in bytes and in packet time; the oldest datagram goes first.
//! All is ordered, so that the same packets give the same datagrams.

use std::collections::BTreeMap;

use super::cursor::Cursor;
use super::{DecodeCounts, Undecoded};
use crate::config::Limits;
use crate::time::Timestamp;

/// What a fragment says of its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) id: u32,
    /// In bytes.
    pub(super) offset: usize,
    pub(super) more: bool,
    /// IPv4: of the datagram. IPv6: of what follows, and only the first fragment's counts.
    pub(super) protocol: u8,
    pub(super) v6: bool,
}

/// The datagrams that are not whole yet.
#[derive(Debug)]
pub(super) struct Fragments {
    max_bytes: usize,
    max_ns: u64,
    held_bytes: usize,
    partial: BTreeMap<Key, Partial>,
    /// The same by age.
    by_age: BTreeMap<u64, Key>,
    next_serial: u64,
}

/// RFC 791 identifies by addresses, protocol and identification; RFC 8200 leaves the protocol out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    ends: ([u8; 16], [u8; 16]),
    id: u32,
    protocol: u8,
    v6: bool,
}

/// Invariant: `pieces` are sorted, not empty and do not overlap; `have` is the sum of their lengths.
#[derive(Debug, Default)]
struct Partial {
    serial: u64,
    since: Timestamp,
    pieces: Vec<(usize, Vec<u8>)>,
    have: usize,
    /// Length of the whole, once the last fragment came.
    total: Option<usize>,
    /// As the first fragment says.
    protocol: u8,
    fragments: u64,
}

impl Fragments {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            max_bytes: limits.max_fragment_bytes,
            max_ns: limits.fragment_ns,
            held_bytes: 0,
            partial: BTreeMap::new(),
            by_age: BTreeMap::new(),
            next_serial: 0,
        }
    }

    /// Fragments that wait.
    pub(super) fn waiting(&self) -> u64 {
        self.partial.values().map(|p| p.fragments).sum()
    }

    /// Adds the fragment whose payload is at `cursor`. The protocol and payload of the datagram where it is whole now.
    pub(super) fn add(
        &mut self,
        ends: ([u8; 16], [u8; 16]),
        header: Header,
        cursor: &Cursor<'_>,
        time: Timestamp,
        counts: &mut DecodeCounts,
    ) -> Result<Option<(u8, Vec<u8>)>, Undecoded> {
        counts.fragments = counts.fragments.saturating_add(1);
        self.expire(time, counts);
        let bytes = cursor.bytes;
        if cursor.wire > bytes.len() {
            return Err(Undecoded::Truncated("IP fragment"));
        }
        let end = header.offset.saturating_add(bytes.len());
        if bytes.is_empty() || end > MAX_DATAGRAM_BYTES {
            return Err(Undecoded::Malformed("IP fragment", "length"));
        }
        if header.more && !bytes.len().is_multiple_of(8) {
            return Err(Undecoded::Malformed(
                "IP fragment",
                "length not a multiple of 8",
            ));
        }

        let key = Key {
            ends,
            id: header.id,
            protocol: if header.v6 { 0 } else { header.protocol },
            v6: header.v6,
        };
        let partial = self.partial.entry(key).or_insert_with(|| {
            let serial = self.next_serial;
            self.next_serial = serial.wrapping_add(1);
            self.by_age.insert(serial, key);
            self.held_bytes = self.held_bytes.saturating_add(DATAGRAM_OVERHEAD_BYTES);
            Partial {
                serial,
                since: time,
                ..Partial::default()
            }
        });
        partial.fragments = partial.fragments.saturating_add(1);
        if header.offset == 0 {
            partial.protocol = header.protocol;
        }
        if !header.more {
            partial.total.get_or_insert(end);
        }
        let (cost, conflict) = partial.insert(header.offset, bytes);
        self.held_bytes = self.held_bytes.saturating_add(cost);
        if conflict {
            counts.fragments_conflicting = counts.fragments_conflicting.saturating_add(1);
        }

        if partial.is_whole() {
            let datagram = self.remove(key).map(|whole| (whole.protocol, whole.join()));
            counts.reassembled = counts.reassembled.saturating_add(1);
            return Ok(datagram);
        }
        while self.held_bytes > self.max_bytes {
            let Some((_, oldest)) = self.by_age.first_key_value() else {
                break;
            };
            if let Some(partial) = self.remove(*oldest) {
                counts.fragments_evicted =
                    counts.fragments_evicted.saturating_add(partial.fragments);
            }
        }
        Ok(None)
    }

    /// Drops what has waited too long. The oldest by arrival are looked at, so a capture whose time jumps back drops
    /// late rather than searching.
    fn expire(&mut self, now: Timestamp, counts: &mut DecodeCounts) {
        while let Some((_, oldest)) = self.by_age.first_key_value() {
            let key = *oldest;
            match self.partial.get(&key) {
                Some(partial) if now.since_ns(partial.since) <= self.max_ns => return,
                _ => {}
            }
            if let Some(partial) = self.remove(key) {
                counts.fragments_expired =
                    counts.fragments_expired.saturating_add(partial.fragments);
            }
        }
    }

    fn remove(&mut self, key: Key) -> Option<Partial> {
        let partial = self.partial.remove(&key)?;
        self.by_age.remove(&partial.serial);
        let pieces = partial.pieces.len().saturating_mul(PIECE_OVERHEAD_BYTES);
        self.held_bytes = self
            .held_bytes
            .saturating_sub(DATAGRAM_OVERHEAD_BYTES)
            .saturating_sub(pieces)
            .saturating_sub(partial.have);
        Some(partial)
    }
}

impl Partial {
    /// Fills the gaps that `bytes` cover. What it costs to hold, and whether it disagrees with what was there.
    fn insert(&mut self, offset: usize, bytes: &[u8]) -> (usize, bool) {
        let end = offset.saturating_add(bytes.len());
        let (mut cost, mut conflict) = (0_usize, false);
        let mut from = offset;
        // The first piece that ends behind our beginning.
        let mut index = self
            .pieces
            .partition_point(|(at, piece)| at.saturating_add(piece.len()) <= offset);
        while from < end {
            let (next_at, next_end) = match self.pieces.get(index) {
                Some((at, piece)) => (*at, at.saturating_add(piece.len())),
                None => (usize::MAX, usize::MAX),
            };
            let gap_end = next_at.min(end);
            if from < gap_end {
                let gap = within(bytes, offset, from, gap_end).to_vec();
                self.have = self.have.saturating_add(gap.len());
                cost = cost
                    .saturating_add(gap.len())
                    .saturating_add(PIECE_OVERHEAD_BYTES);
                self.pieces.insert(index, (from, gap));
                index = index.saturating_add(1);
                from = gap_end;
            }
            if from < end {
                let both_end = next_end.min(end);
                if let Some((at, piece)) = self.pieces.get(index) {
                    conflict |=
                        within(piece, *at, from, both_end) != within(bytes, offset, from, both_end);
                }
                from = both_end;
                index = index.saturating_add(1);
            }
        }
        (cost, conflict)
    }

    fn is_whole(&self) -> bool {
        let Some(total) = self.total else {
            return false;
        };
        // Pieces do not overlap, so as many bytes as the whole has, all below its end, are the whole.
        self.have >= total
            && self
                .pieces
                .iter()
                .filter(|(at, _)| *at < total)
                .map(|(at, piece)| piece.len().min(total.saturating_sub(*at)))
                .sum::<usize>()
                == total
    }

    fn join(self) -> Vec<u8> {
        let total = self.total.unwrap_or_default();
        let mut datagram = Vec::with_capacity(self.have);
        for (_, piece) in &self.pieces {
            datagram.extend_from_slice(piece);
        }
        datagram.truncate(total);
        datagram
    }
}

/// The part of `bytes`, which lie at `at`, from `from` to `to`.
fn within(bytes: &[u8], at: usize, from: usize, to: usize) -> &[u8] {
    bytes
        .get(from.saturating_sub(at)..to.saturating_sub(at))
        .unwrap_or_default()
}

/// What the length field of an IP packet can say.
const MAX_DATAGRAM_BYTES: usize = 65_535;
/// What holding a datagram costs besides its bytes, so that tiny fragments are not free.
const DATAGRAM_OVERHEAD_BYTES: usize = 256;
/// What holding a piece costs besides its bytes.
const PIECE_OVERHEAD_BYTES: usize = 64;
