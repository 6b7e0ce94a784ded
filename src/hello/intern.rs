//! Facts kept once: the same stack says the same thing thousands of times.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashTable;

/// Values by the canonical bytes that they are made of. Where there are many, those that nobody holds are forgotten.
#[derive(Debug)]
pub struct Interner<T> {
    known: HashTable<(Box<[u8]>, Arc<T>)>,
    hasher: RandomState,
    canonical: Vec<u8>,
    /// Then it is time to forget.
    enough: usize,
}

/// Distinct values in one table that are kept although nobody may hold them. A stack that shuffles its extensions makes a
/// new one each time.
pub const ENOUGH: usize = 512;

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self {
            known: HashTable::new(),
            hasher: RandomState::default(),
            canonical: Vec::new(),
            enough: ENOUGH,
        }
    }
}

/// Names kept once, as [`Interner`] keeps other values.
#[derive(Debug)]
pub struct Names {
    known: HashTable<Arc<str>>,
    hasher: RandomState,
    enough: usize,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            known: HashTable::new(),
            hasher: RandomState::default(),
            enough: ENOUGH,
        }
    }
}

impl Names {
    /// The same [`Arc`] for the same name.
    pub fn intern(&mut self, name: &str) -> Arc<str> {
        let hash = self.hasher.hash_one(name);
        if let Some(known) = self.known.find(hash, |known| **known == *name) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.enough {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.enough = ENOUGH.max(2 * self.known.len());
        }
        let name: Arc<str> = name.into();
        let hasher = &self.hasher;
        self.known
            .insert_unique(hash, Arc::clone(&name), |known| hasher.hash_one(&**known));
        name
    }
}

impl<T> Interner<T> {
    /// The value of what `write` writes down; `make` makes it where it is new. Nothing that is written out depends
    /// on the hash, which is random.
    pub fn intern(&mut self, write: impl FnOnce(&mut Vec<u8>), make: impl FnOnce() -> T) -> Arc<T> {
        self.canonical.clear();
        write(&mut self.canonical);
        let hash = self.hasher.hash_one(self.canonical.as_slice());
        if let Some((_, value)) = self
            .known
            .find(hash, |(canonical, _)| **canonical == *self.canonical)
        {
            return Arc::clone(value);
        }
        if self.known.len() >= self.enough {
            self.known.retain(|(_, value)| Arc::strong_count(value) > 1);
            // What is held needs room anyway; so the walk through all of them stays seldom.
            self.enough = ENOUGH.max(2 * self.known.len());
        }
        let value = Arc::new(make());
        let hasher = &self.hasher;
        self.known.insert_unique(
            hash,
            (self.canonical.as_slice().into(), Arc::clone(&value)),
            |(canonical, _)| hasher.hash_one(&**canonical),
        );
        value
    }
}
