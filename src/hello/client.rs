//! ClientHello, borrowed from the message.

use std::borrow::Cow;

use super::extension::{self, Extensions, extension_type};
use super::version::{ProtocolVersion, is_grease};
use super::wire::{Malformed, Reader};

/// ```text
/// struct {                                        RFC 9846 section 4.2.2, and as far back as RFC 6101
///     ProtocolVersion legacy_version;
///     Random random;                              32 bytes
///     opaque legacy_session_id<0..32>;
///     [ opaque cookie<0..2^8-1>; ]                DTLS alone
///     CipherSuite cipher_suites<2..2^16-2>;
///     opaque legacy_compression_methods<1..2^8-1>;
///     Extension extensions<8..2^16-1>;            may be absent
/// } ClientHello;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ClientHello<'a> {
    /// ClientHello.legacy_version.
    pub legacy_version: ProtocolVersion,
    /// cipher_suites, pairs of bytes.
    pub cipher_suites: &'a [u8],
    /// The extension block without its length.
    pub extensions: &'a [u8],
    /// Something at the end did not parse; what is there is still told.
    pub malformed: Option<Malformed>,
}

impl<'a> ClientHello<'a> {
    /// Reads the body of a ClientHello message.
    ///
    /// # Errors
    /// Where the fixed part is cut or a length lies; what is wrong with the extensions is in `malformed` instead.
    pub fn parse(body: &'a [u8], datagram: bool) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let legacy_version = ProtocolVersion(reader.u16("legacy_version")?);
        reader.take(32, "random")?;
        let session_id = reader.vec8("legacy_session_id")?;
        if session_id.len() > 32 {
            return Err(Malformed("legacy_session_id"));
        }
        if datagram {
            reader.vec8("cookie")?;
        }
        let cipher_suites = reader.vec16("cipher_suites")?;
        if cipher_suites.len() % 2 == 1 {
            return Err(Malformed("cipher_suites"));
        }
        reader.vec8("legacy_compression_methods")?;
        let (extensions, malformed) = extension::block(&mut reader);
        Ok(Self {
            legacy_version,
            cipher_suites,
            extensions,
            malformed,
        })
    }

    /// Whether it parses to the last byte: asked of bytes in the middle of a stream, where a mere likeness to a
    /// ClientHello is not enough.
    pub fn is_strict(&self) -> bool {
        self.malformed.is_none()
            && !self.cipher_suites.is_empty()
            && Extensions::new(self.extensions).all(|e| e.is_ok())
    }

    /// The extensions that can be read, in order.
    pub fn extensions(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        Extensions::new(self.extensions).map_while(Result::ok)
    }

    /// The host_name of server_name (RFC 6066 section 3); bytes that are not UTF-8 are replaced. `None` where the
    /// extension is absent, empty or broken.
    pub fn server_name(&self) -> Option<Cow<'a, str>> {
        let (_, body) = self
            .extensions()
            .find(|(kind, _)| *kind == extension_type::SERVER_NAME)?;
        let mut list = Reader::new(Reader::new(body).vec16("server_name_list").ok()?);
        while !list.is_empty() {
            let kind = list.u8("name_type").ok()?;
            let name = list.vec16("host_name").ok()?;
            if kind == 0 {
                return Some(String::from_utf8_lossy(name));
            }
        }
        None
    }
}

/// The versions of supported_versions in ClientHello (RFC 9846 section 4.3.1), as sent.
pub(super) fn supported_versions(body: &[u8]) -> Option<&[u8]> {
    Reader::new(body).vec8("supported_versions").ok()
}

/// The groups of key_share in ClientHello (RFC 9846 section 4.3.8), without their keys.
pub(super) fn key_share_groups(body: &[u8]) -> impl Iterator<Item = u16> + '_ {
    let mut shares = Reader::new(Reader::new(body).vec16("client_shares").unwrap_or_default());
    std::iter::from_fn(move || {
        let group = shares.u16("group").ok()?;
        shares.vec16("key_exchange").ok()?;
        Some(group)
    })
}

/// Highest first, GREASE left out; numbers without a rank behind the others, in the client's order.
pub(super) fn by_rank(versions: impl Iterator<Item = u16>) -> Vec<ProtocolVersion> {
    let mut list: Vec<_> = versions
        .filter(|v| !is_grease(*v))
        .map(ProtocolVersion)
        .collect();
    list.sort_by_key(|v| std::cmp::Reverse((v.rank(), draft_order(*v))));
    list
}

/// Among numbers of one rank: final versions before drafts, later drafts before earlier ones.
const fn draft_order(version: ProtocolVersion) -> u16 {
    match version.0 {
        0x0304 | 0xfefc => u16::MAX,
        0x7f00..=0x7fff => version.0,
        _ => 0,
    }
}
