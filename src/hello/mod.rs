//! ClientHello and ServerHello: what was offered, what was chosen.
//!
//! In: one whole handshake message, borrowed. Out: a borrowed view, and owned facts for the record. Malformed
//! messages give as much as can be told, never a guess. Nothing here knows which carrier brought the message.

pub mod certificate;
pub mod client;
pub mod extension;
pub mod fingerprint;
pub mod intern;
pub mod offer;
pub mod registry;
pub mod server;
pub mod session;
pub mod sslv2;
pub mod version;
pub mod wire;

use std::sync::Arc;

use registry::{CipherSuite, NamedGroup, SignatureScheme};
use version::ProtocolVersion;

use crate::record::OfferFields;

/// What a client's stack offers: everything of its ClientHello that does not change from one connection to the next.
/// Flows of the same stack share one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// ClientHello.legacy_version.
    pub legacy_version: ProtocolVersion,
    /// The versions of supported_versions, GREASE left out, highest first; else legacy_version alone.
    pub versions: Vec<ProtocolVersion>,
    /// Whether `versions` comes from supported_versions.
    pub has_supported_versions: bool,
    /// In the client's order, GREASE and signals kept.
    pub cipher_suites: Vec<CipherSuite>,
    /// supported_groups; `None` where the extension was absent, which is not the same as empty.
    pub named_groups: Option<Vec<NamedGroup>>,
    /// The groups of key_share; `None` where the extension was absent.
    pub key_shares: Option<Vec<NamedGroup>>,
    /// signature_algorithms; `None` where absent (RFC 5246 section 7.4.1.4.1: then SHA-1 in TLS 1.2).
    pub signature_algorithms: Option<Vec<SignatureScheme>>,
    /// Application protocols, bytes that are not UTF-8 replaced; `None` where the extension was absent.
    pub alpn: Option<Vec<String>>,
    /// Extension types in the client's order, GREASE kept.
    pub extensions: Vec<u16>,
    /// encrypted_client_hello (RFC 9849) was there, in earnest or as GREASE: the two look alike.
    pub ech: bool,
    /// TLS_FALLBACK_SCSV was among the suites.
    pub fallback_scsv: bool,
    /// extended_master_secret (RFC 7627).
    pub extended_master_secret: bool,
    /// encrypt_then_mac (RFC 7366).
    pub encrypt_then_mac: bool,
    /// server_name was there; its value belongs to the connection.
    pub has_server_name: bool,
    /// JA3: MD5 in hexadecimal, of the version, suites, extensions, groups and point formats.
    pub ja3: Option<Arc<str>>,
    /// JA4 (the client's print for TLS).
    pub ja4: Option<Arc<str>>,
    /// Read back from a saved record, which does not hold which extensions without a list there were.
    pub from_record: bool,
    /// It lists the compressed format of points before the uncompressed one (RFC 8422 section 5.1.2 deprecates the
    /// former). Saved records do not hold it.
    pub compressed_points_first: bool,
    /// Its part of a record, once written.
    pub fields: OfferFields,
}

impl Offer {
    /// The highest version offered, by rank; where no version has a rank, the first.
    pub fn max_version(&self) -> Option<ProtocolVersion> {
        self.versions.first().copied()
    }
}
