//! ServerHello, borrowed from the message.

use std::sync::Arc;

use super::extension::{self, Extensions, extension_type};
use super::fingerprint;
use super::intern::Interner;
use super::registry::{CipherSuite, NamedGroup};
use super::version::ProtocolVersion;
use super::wire::{Malformed, Reader};

/// The random of a HelloRetryRequest: SHA-256 of "HelloRetryRequest" (RFC 9846 section 4.2.3).
const HELLO_RETRY_REQUEST: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What a server's answer says that does not change from one connection to the next. Flows share it as offers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `None` where the message is too broken to tell.
    pub version: Option<ProtocolVersion>,
    /// The suite chosen; `None` in SSL 2.0, where the client chooses later.
    pub cipher_suite: Option<CipherSuite>,
    /// The group of key_share; up to TLS 1.2 it comes in ServerKeyExchange.
    pub named_group: Option<NamedGroup>,
    /// In the clear up to TLS 1.2 alone.
    pub alpn: Option<Arc<str>>,
    /// pre_shared_key accepted.
    pub pre_shared_key: bool,
    /// extended_master_secret accepted.
    pub extended_master_secret: bool,
    /// JA3S; SSL 2.0 has none.
    pub ja3s: Option<Arc<str>>,
}

impl Answer {
    /// The answer that chooses SSL 2.0.
    pub fn sslv2(table: &mut Interner<Self>) -> Arc<Self> {
        table.intern(
            |out| out.extend(b"SSL 2.0"),
            || Self {
                version: Some(ProtocolVersion::SSL_2_0),
                cipher_suite: None,
                named_group: None,
                alpn: None,
                pre_shared_key: false,
                extended_master_secret: false,
                ja3s: None,
            },
        )
    }

    /// The answer of `hello`, the same [`Arc`] for the same answer.
    pub fn intern(table: &mut Interner<Self>, hello: &ServerHello<'_>) -> Arc<Self> {
        table.intern(
            |out| {
                out.extend(hello.legacy_version.0.to_be_bytes());
                out.extend(hello.cipher_suite.0.to_be_bytes());
                out.push(hello.malformed.is_some().into());
                for (kind, body) in hello.extensions() {
                    out.extend(kind.to_be_bytes());
                    let told = match kind {
                        extension_type::KEY_SHARE | extension_type::KEY_SHARE_OLD => {
                            body.get(..2).unwrap_or_default()
                        }
                        extension_type::SUPPORTED_VERSIONS | extension_type::ALPN => body,
                        _ => &[],
                    };
                    out.extend((told.len() as u16).to_be_bytes());
                    out.extend(told);
                }
            },
            || Self {
                version: hello.version(),
                cipher_suite: Some(hello.cipher_suite),
                named_group: hello.key_share_group(),
                alpn: hello
                    .alpn()
                    .map(|name| String::from_utf8_lossy(name).into()),
                pre_shared_key: hello.has_pre_shared_key(),
                extended_master_secret: hello.has_extended_master_secret(),
                ja3s: Some(fingerprint::ja3s(hello).into()),
            },
        )
    }
}

/// ```text
/// struct {                                        RFC 9846 section 4.2.3, and as far back as RFC 6101
///     ProtocolVersion legacy_version;
///     Random random;
///     opaque legacy_session_id_echo<0..32>;
///     CipherSuite cipher_suite;
///     uint8 legacy_compression_method;
///     Extension extensions<6..2^16-1>;            may be absent
/// } ServerHello;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ServerHello<'a> {
    /// ServerHello.legacy_version.
    pub legacy_version: ProtocolVersion,
    /// ServerHello.random.
    pub random: &'a [u8; 32],
    /// The suite chosen.
    pub cipher_suite: CipherSuite,
    /// The extension block without its length.
    pub extensions: &'a [u8],
    /// Something at the end did not parse.
    pub malformed: Option<Malformed>,
}

impl<'a> ServerHello<'a> {
    /// Reads the body of a ServerHello message.
    ///
    /// # Errors
    /// Where the fixed part is cut or a length lies.
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let version = Reader::new(body).u16("server legacy_version")?;
        match version {
            // Drafts up to 21 of TLS 1.3 had neither session id nor compression method.
            0x7f00..=0x7f15 => Self::parse_as(body, true),
            // Some of them said so under the final number, which no ServerHello of the RFC carries here.
            0x0304 => Self::parse_as(body, true)
                .ok()
                .filter(Self::is_strict)
                .map_or_else(|| Self::parse_as(body, false), Ok),
            _ => Self::parse_as(body, false),
        }
    }

    fn parse_as(body: &'a [u8], draft: bool) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let legacy_version = ProtocolVersion(reader.u16("server legacy_version")?);
        let random = reader.array::<32>("server random")?;
        if !draft && reader.vec8("legacy_session_id_echo")?.len() > 32 {
            return Err(Malformed("legacy_session_id_echo"));
        }
        let cipher_suite = CipherSuite(reader.u16("cipher_suite")?);
        if !draft {
            reader.u8("legacy_compression_method")?;
        }
        let (extensions, malformed) = extension::block(&mut reader);
        Ok(Self {
            legacy_version,
            random,
            cipher_suite,
            extensions,
            malformed,
        })
    }

    /// Whether it parses to the last byte.
    pub fn is_strict(&self) -> bool {
        self.malformed.is_none() && Extensions::new(self.extensions).all(|e| e.is_ok())
    }

    /// The extensions that can be read, in order.
    pub fn extensions(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        Extensions::new(self.extensions).map_while(Result::ok)
    }

    fn extension(&self, kind: u16) -> Option<&'a [u8]> {
        self.extensions()
            .find(|(k, _)| *k == kind)
            .map(|(_, body)| body)
    }

    /// A HelloRetryRequest comes as a ServerHello with a fixed random: it is not the answer.
    pub fn is_hello_retry_request(&self) -> bool {
        *self.random == HELLO_RETRY_REQUEST
    }

    /// The version chosen: selected_version of supported_versions outranks legacy_version (RFC 9846 section 4.3.1).
    /// `None` where the extensions are broken before that extension could have been found, and so cannot tell.
    pub fn version(&self) -> Option<ProtocolVersion> {
        if let Some(body) = self.extension(extension_type::SUPPORTED_VERSIONS) {
            return Reader::new(body)
                .u16("selected_version")
                .ok()
                .map(ProtocolVersion);
        }
        // TLS 1.3 always says 1.2 in legacy_version, so lower ones need no extension to be believed.
        let whole = self.is_strict() || !matches!(self.legacy_version.0, 0x0303 | 0xfefd);
        whole.then_some(self.legacy_version)
    }

    /// The group of key_share (RFC 9846 section 4.3.8).
    pub fn key_share_group(&self) -> Option<NamedGroup> {
        let body = self
            .extension(extension_type::KEY_SHARE)
            .or_else(|| self.extension(extension_type::KEY_SHARE_OLD))?;
        Reader::new(body).u16("group").ok().map(NamedGroup)
    }

    /// pre_shared_key was accepted: TLS 1.3 resumed.
    pub fn has_pre_shared_key(&self) -> bool {
        self.extension(extension_type::PRE_SHARED_KEY).is_some()
    }

    /// extended_master_secret (RFC 7627) was accepted; TLS 1.3 has no use for it.
    pub fn has_extended_master_secret(&self) -> bool {
        self.extension(extension_type::EXTENDED_MASTER_SECRET)
            .is_some()
    }

    /// The protocol of ALPN (RFC 7301), where it is in the clear.
    pub fn alpn(&self) -> Option<&'a [u8]> {
        let mut list = Reader::new(
            Reader::new(self.extension(extension_type::ALPN)?)
                .vec16("protocol_name_list")
                .ok()?,
        );
        list.vec8("protocol_name").ok()
    }

    /// The last eight bytes of the random say that a TLS 1.3 server was made to choose less (RFC 9846 section 4.2.3).
    pub fn has_downgrade_sentinel(&self) -> bool {
        matches!(
            self.random.last_chunk::<8>(),
            Some([b'D', b'O', b'W', b'N', b'G', b'R', b'D', 0 | 1])
        )
    }
}
