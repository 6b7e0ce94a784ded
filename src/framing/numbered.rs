//! Numbered pieces of a stream, put in order: what protocols that make datagrams reliable send.

use crate::flow::followed::ALLOCATION;

/// Puts the pieces of one direction in order. The first copy of a piece wins, but one that a snap length cut may be
/// completed by a later one while it waits.
#[derive(Debug)]
pub struct Numbered {
    /// The number that comes next; `None` while it is not known where the stream begins.
    due: Option<u32>,
    held: Vec<Held>,
    held_bytes: usize,
    max_held: usize,
    max_held_bytes: usize,
    /// A piece came for which there was no room.
    lost: bool,
}

#[derive(Debug)]
struct Held {
    number: u32,
    bytes: Box<[u8]>,
    /// Bytes behind them that were sent and not captured.
    missing: usize,
}

impl Numbered {
    /// Of which nothing is known. At most so many pieces, and so many bytes, wait for others.
    pub const fn new(max_held: usize, max_held_bytes: usize) -> Self {
        Self {
            due: None,
            held: Vec::new(),
            held_bytes: 0,
            max_held,
            max_held_bytes,
            lost: false,
        }
    }

    /// The number that comes next, once it is known.
    pub const fn due(&self) -> Option<u32> {
        self.due
    }

    /// The stream begins with this number, unless that is known.
    pub fn begin(&mut self, number: u32) {
        self.due.get_or_insert(number);
    }

    /// Bytes that wait for others.
    pub const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        self.held.capacity() * size_of::<Held>() + self.held.len() * ALLOCATION + self.held_bytes
    }

    /// Whether pieces are missing.
    pub const fn is_incomplete(&self) -> bool {
        self.lost || !self.held.is_empty()
    }

    /// Lets go of what waits: it will not be told any more.
    pub fn release(&mut self) {
        self.lost |= !self.held.is_empty();
        self.held = Vec::new();
        self.held_bytes = 0;
    }

    /// Takes a piece, behind whose `bytes` as many as `missing` were not captured, and tells `sink` all that are in
    /// order now.
    pub fn piece(
        &mut self,
        number: u32,
        bytes: &[u8],
        missing: usize,
        sink: &mut dyn FnMut(&[u8], usize),
    ) {
        // RFC 1982: numbers wrap.
        let ahead = self.due.map(|due| number.wrapping_sub(due) as i32);
        match ahead {
            Some(0) => {
                self.due = Some(number.wrapping_add(1));
                // It may wait here cut, or its beginning may just have become known.
                self.forget(number);
                sink(bytes, missing);
            }
            Some(..0) => return,
            Some(1..) | None => self.hold(number, bytes, missing),
        }
        self.catch_up(sink);
    }

    /// Tells `sink` what waits and is due.
    pub fn catch_up(&mut self, sink: &mut dyn FnMut(&[u8], usize)) {
        while let Some(due) = self.due
            && let Some(held) = self.forget(due)
        {
            self.due = Some(due.wrapping_add(1));
            sink(&held.bytes, held.missing);
        }
    }

    fn forget(&mut self, number: u32) -> Option<Held> {
        let at = self.held.iter().position(|held| held.number == number)?;
        let held = self.held.swap_remove(at);
        self.held_bytes -= held.bytes.len();
        Some(held)
    }

    fn hold(&mut self, number: u32, bytes: &[u8], missing: usize) {
        let known = self.held.iter().position(|held| held.number == number);
        if let Some(held) = known.and_then(|at| self.held.get(at))
            && held.missing <= missing
        {
            return;
        }
        let before = known.and_then(|_| self.forget(number));
        let room =
            self.held.len() < self.max_held && self.held_bytes + bytes.len() <= self.max_held_bytes;
        let held = if room {
            Some(Held {
                number,
                bytes: bytes.into(),
                missing,
            })
        } else {
            before
        };
        self.lost |= !room;
        if let Some(held) = held {
            self.held_bytes += held.bytes.len();
            self.held.push(held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives the pieces to a stream that begins with `begin`; what it told, and whether pieces are missing.
    fn told(begin: u32, pieces: &[(u32, &[u8], usize)]) -> (Vec<u8>, usize, bool) {
        let mut numbered = Numbered::new(4, 16);
        numbered.begin(begin);
        let (mut bytes, mut missing) = (Vec::new(), 0);
        for (number, piece, lost) in pieces {
            numbered.piece(*number, piece, *lost, &mut |piece, lost| {
                bytes.extend_from_slice(piece);
                missing += lost;
            });
        }
        assert_eq!(
            numbered.held_bytes(),
            numbered.held.iter().map(|h| h.bytes.len()).sum::<usize>()
        );
        (bytes, missing, numbered.is_incomplete())
    }

    #[test]
    fn tells_pieces_in_order() {
        type Case<'a> = (&'a str, Vec<(u32, &'a [u8], usize)>, (Vec<u8>, usize, bool));
        let cases: [Case<'_>; 4] = [
            (
                "one overtakes two others, one comes twice",
                vec![(9, b"ef", 0), (7, b"ab", 0), (7, b"xx", 0), (8, b"cd", 0)],
                (b"abcdef".to_vec(), 0, false),
            ),
            (
                "one is lost",
                vec![(7, b"ab", 0), (9, b"ef", 0)],
                (b"ab".to_vec(), 0, true),
            ),
            (
                "one was cut, and comes again whole in time",
                vec![(8, b"c", 1), (8, b"cd", 0), (7, b"ab", 0)],
                (b"abcd".to_vec(), 0, false),
            ),
            (
                "or too late",
                vec![(8, b"c", 1), (7, b"ab", 0), (8, b"cd", 0)],
                (b"abc".to_vec(), 1, false),
            ),
        ];
        for (name, pieces, want) in cases {
            assert_eq!(told(7, &pieces), want, "{name}");
        }
    }

    #[test]
    fn numbers_wrap() {
        let pieces: [(u32, &[u8], usize); 3] =
            [(0, b"c", 0), (u32::MAX, b"b", 0), (u32::MAX - 1, b"a", 0)];
        assert_eq!(told(u32::MAX - 1, &pieces), (b"abc".to_vec(), 0, false));
    }

    #[test]
    fn what_waits_is_bounded() {
        for pieces in [
            (1..9).map(|n| (n, b"".as_slice(), 0)).collect::<Vec<_>>(),
            vec![(1, &[0; 17], 0)],
            vec![(1, &[0; 9], 1), (1, &[0; 17], 0)],
        ] {
            let (bytes, _, incomplete) = told(0, &pieces);
            assert!(bytes.is_empty() && incomplete, "{pieces:?}");
        }
    }

    proptest! {
        /// Every order, with copies, tells the same.
        #[test]
        fn order_does_not_matter(begin: u32, order in Just((0_u32..12).chain(0..12).collect::<Vec<_>>()).prop_shuffle()) {
            let mut numbered = Numbered::new(12, 1 << 10);
            numbered.begin(begin);
            let mut bytes = Vec::new();
            for number in order {
                numbered.piece(begin.wrapping_add(number), &[number as u8; 3], 0, &mut |piece, _| bytes.extend_from_slice(piece));
            }
            let want: Vec<u8> = (0..12).flat_map(|n| [n; 3]).collect();
            prop_assert_eq!(bytes, want);
            prop_assert!(!numbered.is_incomplete());
        }
    }
}
