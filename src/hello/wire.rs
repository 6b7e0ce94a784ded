//! A cursor over bytes from the wire: every read is checked, nothing is copied.

/// Why a message does not parse: which part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// The unread rest of a message.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads `bytes` from their beginning.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all was read.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was not read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next `n` bytes; `what` names them for the error.
    #[inline]
    pub fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(Malformed(what))?;
        self.0 = tail;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    #[inline]
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<&'a [u8; N], Malformed> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Malformed(what))?;
        self.0 = tail;
        Ok(head)
    }

    /// uint8.
    #[inline]
    pub fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        self.array::<1>(what).map(|[byte]| *byte)
    }

    /// uint16.
    #[inline]
    pub fn u16(&mut self, what: &'static str) -> Result<u16, Malformed> {
        self.array(what).map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// uint24.
    #[inline]
    pub fn u24(&mut self, what: &'static str) -> Result<u32, Malformed> {
        self.array(what)
            .map(|[a, b, c]| u32::from_be_bytes([0, *a, *b, *c]))
    }

    /// A vector with a length of one byte in front (RFC 9846 section 3.4).
    #[inline]
    pub fn vec8(&mut self, what: &'static str) -> Result<&'a [u8], Malformed> {
        let len = self.u8(what)?;
        self.take(len.into(), what)
    }

    /// A vector with a length of two bytes in front.
    #[inline]
    pub fn vec16(&mut self, what: &'static str) -> Result<&'a [u8], Malformed> {
        let len = self.u16(what)?;
        self.take(len.into(), what)
    }
}

/// The 16-bit numbers of a vector; a lone last byte is left out.
pub fn numbers(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| u16::from_be_bytes(*pair))
}
