//! QUIC's Initial packets: the hellos of a connection, whatever the version (RFC 9000, RFC 9001, RFC 9369).
//!
//! In: the datagrams of one pair of endpoints. Out: handshake messages and alerts. Initial packets are encrypted with
//! keys that hang on the connection ID of the client's first one, so the reader decrypts them; a packet whose tag is
//! wrong tells nothing. Later packets are closed for good: that they were sent is all that is told of them.

mod frame;
mod header;
mod keys;
mod reader;
#[cfg(test)]
mod tests;
mod version;

pub use header::{ConnectionId, LongHeader, PacketKind};
pub use reader::{QuicReader, Seen, transport_error};
pub use version::QuicVersion;

use keys::{InitialKeys, Opened};

/// Whether `datagram` may begin a connection, or be the server's answer to what was not captured: an Initial packet of
/// a version that is read. Cheap, and no proof.
pub fn is_plausible(datagram: &[u8], wire_len: usize) -> bool {
    // RFC 9000 section 17.2: Header Form and Fixed Bit. RFC 9287: an answer may have another Fixed Bit, but is never of a
    // version that is reserved.
    let fixed = datagram.first().is_some_and(|first| first & 0x40 != 0);
    datagram.first().is_some_and(|first| first & 0x80 != 0)
        && LongHeader::parse(datagram, wire_len).is_some_and(|(header, _)| {
            header.version.is_plausible()
                && header.kind == PacketKind::Initial
                && (fixed || !header.version.is_reserved())
        })
}

/// The Destination Connection ID of `datagram`, if with it a client begins a connection: a plausible Initial packet
/// whose keys hang on its own Destination Connection ID.
pub fn beginning(datagram: &[u8], wire_len: usize) -> Option<ConnectionId> {
    if !is_plausible(datagram, wire_len) {
        return None;
    }
    let (header, _) = LongHeader::parse(datagram, wire_len)?;
    open_first(&header).map(|_| header.destination)
}

/// Opens a packet with the keys that hang on its own Destination Connection ID.
fn open_first(header: &LongHeader<'_>) -> Option<(InitialKeys, Opened)> {
    header.version.salts().iter().find_map(|salt| {
        let keys = InitialKeys::derive(header.version, salt, header.destination)?;
        let opened = keys.client.open(header, None)?;
        Some((keys, opened))
    })
}
