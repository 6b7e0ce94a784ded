//! Messages that say their length in their first bytes, put together from segments.

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// It is not whole.
    Need,
    /// Of the whole message, header included.
    Is(u64),
    /// This is no such message.
    Bad,
}

/// Bytes of a message that are kept; what decides stands at its beginning.
const MAX_MESSAGE_BYTES: usize = 16 << 10;
/// Bytes of a header.
const MAX_HEADER_BYTES: usize = 16;

/// Puts messages together, the beginnings of those that are too long.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    kept: Vec<u8>,
    seen: u64,
    total: Option<u64>,
    handed: bool,
    broken: bool,
}

impl Packets {
    /// The next whole message, taken from the front of `bytes`.
    pub(crate) fn next<'s>(
        &'s mut self,
        bytes: &mut &[u8],
        length: impl Fn(&[u8]) -> Length,
    ) -> Option<&'s [u8]> {
        if std::mem::take(&mut self.handed) {
            self.kept.clear();
        }
        while self.total.is_none() && !self.broken {
            match length(&self.kept) {
                Length::Is(total) => self.total = Some(total.max(self.seen)),
                Length::Need if self.kept.len() < MAX_HEADER_BYTES => {
                    let (byte, rest) = bytes.split_first()?;
                    self.kept.push(*byte);
                    self.seen += 1;
                    *bytes = rest;
                }
                Length::Need | Length::Bad => self.broken = true,
            }
        }
        let total = self.total?;
        let part = bytes
            .len()
            .min(usize::try_from(total.saturating_sub(self.seen)).unwrap_or(usize::MAX));
        let (part, rest) = bytes.split_at_checked(part)?;
        let room = MAX_MESSAGE_BYTES.saturating_sub(self.kept.len());
        self.kept
            .extend_from_slice(part.get(..room).unwrap_or(part));
        self.seen += part.len() as u64;
        *bytes = rest;
        if self.seen < total {
            return None;
        }
        (self.seen, self.total, self.handed) = (0, None, true);
        Some(&self.kept)
    }

    /// Whether the messages cannot be followed any more.
    pub(crate) const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Bytes are missing: the next header's place is known only if they lie within a message.
    pub(crate) fn gap(&mut self, lost: u64) {
        match self.total {
            Some(total) if self.seen.saturating_add(lost) <= total => self.seen += lost,
            _ => self.broken = true,
        }
    }
}
