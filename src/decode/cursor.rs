//! A place in a frame.

use super::Undecoded;

/// What is left of the protocol data unit that is being looked at.
///
/// Invariant: `wire >= bytes.len()`; they differ where the snap length cut the frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    /// Captured bytes from here to the unit's end; padding behind it is gone.
    pub(super) bytes: &'a [u8],
    /// Offset of the first of them in the frame, or in the datagram put together from fragments.
    pub(super) at: usize,
    /// Bytes from here to the unit's end as they were on the wire.
    pub(super) wire: usize,
    /// The bytes are a datagram put together from fragments and not the frame.
    pub(super) in_datagram: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], wire_len: usize, in_datagram: bool) -> Self {
        Self {
            bytes,
            at: 0,
            wire: wire_len.max(bytes.len()),
            in_datagram,
        }
    }

    /// The next `N` bytes, and steps over them.
    #[inline(always)]
    pub(super) fn take<const N: usize>(
        &mut self,
        layer: &'static str,
    ) -> Result<&'a [u8; N], Undecoded> {
        let Some((header, rest)) = self.bytes.split_first_chunk::<N>() else {
            return Err(self.short(N, layer));
        };
        self.bytes = rest;
        self.at = self.at.wrapping_add(N);
        self.wire = self.wire.saturating_sub(N);
        Ok(header)
    }

    /// The next `N` bytes, which stay.
    #[inline(always)]
    pub(super) fn peek<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.bytes.first_chunk::<N>()
    }

    /// Steps over `len` bytes.
    #[inline(always)]
    pub(super) fn skip(&mut self, len: usize, layer: &'static str) -> Result<(), Undecoded> {
        let Some((_, rest)) = self.bytes.split_at_checked(len) else {
            return Err(self.short(len, layer));
        };
        self.bytes = rest;
        self.at = self.at.wrapping_add(len);
        self.wire = self.wire.saturating_sub(len);
        Ok(())
    }

    /// The unit ends `wire` bytes from here: what is behind is padding, what is missing was cut.
    #[inline(always)]
    pub(super) fn limit(&mut self, wire: usize) {
        self.bytes = self.bytes.get(..wire).unwrap_or(self.bytes);
        self.wire = wire;
    }

    /// Why `len` bytes are not there: cut by the snap length, or never sent.
    #[cold]
    pub(super) fn short(&self, len: usize, layer: &'static str) -> Undecoded {
        if self.wire >= len {
            Undecoded::Truncated(layer)
        } else {
            Undecoded::Malformed(layer, "too short")
        }
    }
}
