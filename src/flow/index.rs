//! Where a flow lies, by its hash: one cache line for nearly every look-up, at an address that is known beforehand.
//!
//! A flow table is looked into with every packet, and thousands of flows are open at a time, so the look-up costs what
//! its cache misses cost. A line holds seven entries, and how many more were pushed on because it was full: so a
//! look-up seldom leaves its line, nothing is left behind by those that are removed, and the line can be asked for
//! before it is needed.

use super::table::Slot;
use crate::prefetch;

/// Entries in a line.
const PLACES: usize = 7;

/// Exactly a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Line {
    hashes: [u32; PLACES],
    slots: [Slot; PLACES],
    /// Entries that would be here, but lie in a line behind it.
    passed: u32,
    /// A bit for each place in use.
    used: u32,
}

impl Line {
    /// A bit for each entry with this hash.
    #[inline]
    fn matching(&self, hash: u32) -> u32 {
        let mut matching = 0;
        for (bit, known) in self.hashes.iter().enumerate() {
            matching |= u32::from(*known == hash) << bit;
        }
        matching & self.used
    }

    #[inline]
    fn slot(&self, place: u32) -> Slot {
        self.slots.get(place as usize).copied().unwrap_or_default()
    }

    fn entries(&self) -> impl Iterator<Item = (u32, Slot)> {
        let all = self.hashes.iter().copied().zip(self.slots).zip(0..);
        all.filter_map(|(entry, bit)| (self.used & 1 << bit != 0).then_some(entry))
    }
}

/// Slots by hash; several may have the same.
///
/// Invariants: the number of lines is a power of two; a line's `passed` counts the entries that lie behind it but were
/// to lie in it or before it; a line with `passed` was full when it was passed.
#[derive(Debug, Default)]
pub(super) struct Index {
    lines: Vec<Line>,
    len: usize,
}

impl Index {
    /// Entries.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Asks for the line of a hash.
    #[inline]
    pub(super) fn prefetch(&self, hash: u32) {
        if let Some(line) = self.lines.get(self.home(hash)) {
            prefetch::whole(line);
        }
    }

    /// The first slot with this hash of which `is_it` says so.
    #[inline]
    pub(super) fn find(&self, hash: u32, is_it: impl Fn(Slot) -> bool) -> Option<Slot> {
        let home = self.home(hash);
        let mut at = home;
        // An empty index has no line.
        while let Some(line) = self.lines.get(at) {
            let mut matching = line.matching(hash);
            while matching != 0 {
                let slot = line.slot(matching.trailing_zeros());
                if is_it(slot) {
                    return Some(slot);
                }
                matching &= matching - 1;
            }
            at = self.next(at);
            if line.passed == 0 || at == home {
                break;
            }
        }
        None
    }

    /// Adds an entry.
    pub(super) fn insert(&mut self, hash: u32, slot: Slot) {
        // Beyond five of seven, more and more would not find a place in their line.
        if self.len >= self.lines.len() * 5 {
            self.grow();
        }
        self.put(hash, slot);
        self.len += 1;
    }

    /// Takes an entry out, if it is there.
    pub(super) fn remove(&mut self, hash: u32, slot: Slot) {
        let home = self.home(hash);
        let mut at = home;
        loop {
            let Some(line) = self.lines.get_mut(at) else {
                return;
            };
            let place = line
                .slots
                .iter()
                .zip(0..)
                .find(|(known, bit)| **known == slot && line.used & 1 << bit != 0);
            if let Some((_, bit)) = place {
                line.used &= !(1 << bit);
                break;
            }
            let passed = line.passed;
            at = self.next(at);
            if passed == 0 || at == home {
                return;
            }
        }
        while at != home {
            at = at.wrapping_sub(1) & (self.lines.len() - 1);
            if let Some(line) = self.lines.get_mut(at) {
                line.passed -= 1;
            }
        }
        self.len -= 1;
    }

    /// All slots, in no order.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        let entries = self.lines.iter().flat_map(Line::entries);
        entries.map(|(_, slot)| slot)
    }

    #[inline]
    const fn home(&self, hash: u32) -> usize {
        hash as usize & self.lines.len().wrapping_sub(1)
    }

    #[inline]
    const fn next(&self, at: usize) -> usize {
        (at + 1) & (self.lines.len() - 1)
    }

    fn grow(&mut self) {
        let lines = vec![Line::default(); (2 * self.lines.len()).max(1)];
        for line in std::mem::replace(&mut self.lines, lines) {
            for (hash, slot) in line.entries() {
                self.put(hash, slot);
            }
        }
    }

    fn put(&mut self, hash: u32, slot: Slot) {
        let mut at = self.home(hash);
        while let Some(line) = self.lines.get_mut(at) {
            let free = line.used.trailing_ones() as usize;
            if let (Some(known), Some(place)) =
                (line.hashes.get_mut(free), line.slots.get_mut(free))
            {
                (*known, *place) = (hash, slot);
                line.used |= 1 << free;
                return;
            }
            line.passed += 1;
            at = self.next(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_line_is_a_cache_line() {
        assert_eq!(size_of::<Line>(), 64);
    }

    proptest! {
        /// Against a map from slot to hash; few hashes, so that lines overflow and wrap around.
        #[test]
        fn finds_what_a_map_finds(steps in prop::collection::vec((any::<bool>(), 0..40_u32, 0..400_u32), 1..2_000)) {
            let mut model = BTreeMap::new();
            let mut index = Index::default();
            for (adds, hash, slot) in steps {
                match model.get(&slot).copied() {
                    None if adds => {
                        model.insert(slot, hash);
                        index.insert(hash, slot);
                    }
                    Some(known) if !adds => {
                        model.remove(&slot);
                        index.remove(known, slot);
                    }
                    known => prop_assert_eq!(index.find(known.unwrap_or(hash), |s| s == slot), known.map(|_| slot)),
                }
            }
            prop_assert_eq!(index.len(), model.len());
            for (slot, hash) in &model {
                prop_assert_eq!(index.find(*hash, |s| s == *slot), Some(*slot));
            }
            let mut slots: Vec<_> = index.slots().collect();
            slots.sort_unstable();
            prop_assert_eq!(slots, model.keys().copied().collect::<Vec<_>>());
            for (slot, hash) in model {
                index.remove(hash, slot);
            }
            prop_assert_eq!(index.len(), 0);
            prop_assert!(index.lines.iter().all(|line| line.passed == 0 && line.used == 0), "nothing is left behind");
        }
    }
}
