//! The extension block of both hellos (RFC 9846 section 4.3).

use super::wire::{Malformed, Reader};

/// Extension types that are read (IANA "TLS ExtensionType Values").
#[allow(missing_docs, reason = "the names are IANA's")]
pub mod extension_type {
    pub const SERVER_NAME: u16 = 0;
    pub const SUPPORTED_GROUPS: u16 = 10;
    pub const EC_POINT_FORMATS: u16 = 11;
    pub const SIGNATURE_ALGORITHMS: u16 = 13;
    pub const ALPN: u16 = 16;
    pub const ENCRYPT_THEN_MAC: u16 = 22;
    pub const EXTENDED_MASTER_SECRET: u16 = 23;
    pub const PRE_SHARED_KEY: u16 = 41;
    pub const SUPPORTED_VERSIONS: u16 = 43;
    pub const KEY_SHARE: u16 = 51;
    pub const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
    /// key_share of drafts up to 22.
    pub const KEY_SHARE_OLD: u16 = 40;
}

/// Walks the extensions one by one, each body apart, so that a broken one does not hide those behind it.
#[derive(Clone, Copy, Debug)]
pub struct Extensions<'a> {
    rest: Reader<'a>,
}

impl<'a> Extensions<'a> {
    /// `block`: the extensions without the length in front.
    pub const fn new(block: &'a [u8]) -> Self {
        Self {
            rest: Reader::new(block),
        }
    }
}

impl<'a> Iterator for Extensions<'a> {
    /// Type and body; an error where a length overruns the block, and nothing after it.
    type Item = Result<(u16, &'a [u8]), Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let item = self
            .rest
            .u16("extension type")
            .and_then(|kind| Ok((kind, self.rest.vec16("extension length")?)));
        if item.is_err() {
            self.rest = Reader::new(&[]);
        }
        Some(item)
    }
}

/// The extension block at the end of a hello. Absent: empty (hellos before RFC 3546 have none). A block that is cut
/// or overlong gives what is there and the error.
pub(super) fn block<'a>(reader: &mut Reader<'a>) -> (&'a [u8], Option<Malformed>) {
    if reader.is_empty() {
        return (&[], None);
    }
    let Ok(len) = reader.u16("extensions length") else {
        return (&[], Some(Malformed("extensions length")));
    };
    let rest = reader.rest();
    match rest.split_at_checked(len.into()) {
        Some((block, [])) => (block, None),
        Some((block, _)) => (block, Some(Malformed("bytes behind the extensions"))),
        None => (rest, Some(Malformed("extensions length"))),
    }
}
