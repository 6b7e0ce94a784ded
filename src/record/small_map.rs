//! A map for the few entries that nearly every device has: one vector, sorted by key. Most have but one, which lies in
//! the map itself.

use std::cmp::Ordering;
use std::mem;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::prefetch;

/// Keys in order, each with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmallMap<K, V>(SmallVec<[(K, V); 1]>);

/// Keys that are compared with one after the other.
const FEW: usize = 4;

impl<K, V> Default for SmallMap<K, V> {
    fn default() -> Self {
        Self(SmallVec::new())
    }
}

impl<K: Ord, V> SmallMap<K, V> {
    /// The value of `key`, made where there is none and fewer than `cap` entries are held; `None` where the cap
    /// forbids it.
    pub fn entry(&mut self, key: K, cap: usize) -> Option<&mut V>
    where
        V: Default,
    {
        // Nearly every map is as small as that, and to be equal is quicker told than to be less.
        let first = self.0.iter().take(FEW).position(|(k, _)| *k == key);
        let found = match first {
            Some(at) => Ok(at),
            None => self.0.binary_search_by(|(k, _)| k.cmp(&key)),
        };
        self.at(found, || key, cap)
    }

    /// As [`Self::entry`], for a key that is made only where it is new: `place` compares a key with it.
    pub fn entry_by(
        &mut self,
        place: impl Fn(&K) -> Ordering,
        key: impl FnOnce() -> K,
        cap: usize,
    ) -> Option<&mut V>
    where
        V: Default,
    {
        let found = self.0.binary_search_by(|(k, _)| place(k));
        self.at(found, key, cap)
    }

    fn at(
        &mut self,
        found: Result<usize, usize>,
        key: impl FnOnce() -> K,
        cap: usize,
    ) -> Option<&mut V>
    where
        V: Default,
    {
        let at = match found {
            Ok(at) => at,
            Err(_) if self.0.len() >= cap => return None,
            Err(at) => {
                self.0.insert(at, (key(), V::default()));
                at
            }
        };
        self.0.get_mut(at).map(|(_, v)| v)
    }

    /// Asks for the keys and values where a search looks first.
    #[inline]
    pub fn prefetch(&self) {
        let half = self.0.len() / 2;
        for at in [half, half / 2, half + half / 2] {
            if let Some(entry) = self.0.get(at) {
                prefetch::first_lines(entry, 1);
            }
        }
    }

    /// The entries, the greatest key first.
    pub fn by_key_descending(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().rev().map(|(k, v)| (k, v))
    }

    /// Takes in all of `other`, without a cap, so that the order of merges does not matter; `join` puts together the
    /// values of equal keys.
    pub fn merge(&mut self, other: Self, mut join: impl FnMut(&mut V, V)) {
        if self.0.is_empty() {
            self.0 = other.0;
            return;
        }
        let mut left = mem::take(&mut self.0).into_iter().peekable();
        let mut right = other.0.into_iter().peekable();
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some((l, _)), Some((r, _))) if l < r => left.next(),
                (Some((l, _)), Some((r, _))) if l == r => {
                    let more = right.next();
                    left.next().map(|(k, mut v)| {
                        if let Some((_, more)) = more {
                            join(&mut v, more);
                        }
                        (k, v)
                    })
                }
                (_, Some(_)) => right.next(),
                (_, None) => left.next(),
            };
            match next {
                Some(pair) => self.0.push(pair),
                None => return,
            }
        }
    }

    /// In the order of the keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &V)> + Clone {
        self.0.iter().map(|(k, v)| (k, v))
    }

    /// The value of `key`.
    pub fn get(&self, key: &K) -> Option<&V> {
        let at = self.0.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
        self.0.get(at).map(|(_, v)| v)
    }

    /// Entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl SmallMap<Arc<str>, u64> {
    /// As [`SmallMap::count`], for a text that is often the same one, and is looked at only where it is not.
    pub fn count_text(&mut self, key: &Arc<str>, cap: usize) {
        if let Some((_, n)) = self.0.iter_mut().find(|(k, _)| Arc::ptr_eq(k, key)) {
            *n += 1;
        } else if let Some(n) = self.entry_by(|k| k.cmp(key), || Arc::clone(key), cap) {
            *n += 1;
        }
    }
}

impl<K: Ord> SmallMap<K, u64> {
    /// Counts `key` once more; `false` where the cap forbids it.
    #[inline]
    pub fn count(&mut self, key: K, cap: usize) -> bool {
        // A dozen of these are called for each flow, and nearly all end here.
        if let Some((_, n)) = self.0.iter_mut().take(FEW).find(|(k, _)| *k == key) {
            *n += 1;
            return true;
        }
        self.count_seldom(key, cap)
    }

    #[inline(never)]
    fn count_seldom(&mut self, key: K, cap: usize) -> bool {
        self.entry(key, cap).map(|n| *n += 1).is_some()
    }

    /// Adds the counts of `other`.
    pub fn add(&mut self, other: Self) {
        self.merge(other, |n, more| *n += more);
    }

    /// The entries, the most counted first, then by key.
    pub fn by_count(&self) -> Vec<(&K, u64)> {
        let mut entries: Vec<_> = self.iter().map(|(k, n)| (k, *n)).collect();
        entries.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn counts_as_a_btreemap_does(a: Vec<u8>, b: Vec<u8>) {
            let mut model = BTreeMap::new();
            let [mut left, mut right] = [SmallMap::default(), SmallMap::default()];
            for (keys, map) in [(&a, &mut left), (&b, &mut right)] {
                for key in keys {
                    prop_assert!(map.count(*key, usize::MAX));
                    *model.entry(*key).or_insert(0) += 1;
                }
            }
            left.add(right);
            let got: Vec<_> = left.iter().map(|(k, v)| (*k, *v)).collect();
            prop_assert_eq!(got, model.into_iter().collect::<Vec<(u8, u64)>>());
        }
    }

    #[test]
    fn a_full_map_counts_only_what_it_holds() {
        let mut map = SmallMap::default();
        assert!(map.count("a", 1));
        assert!(!map.count("b", 1));
        assert!(map.count("a", 1));
        assert_eq!(map.by_count(), [(&"a", 2)]);
    }
}
