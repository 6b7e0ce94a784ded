//! EAP over LANs (IEEE 802.1X-2020 clause 11.3): protocol version 8, packet type 8, body length 16, body.

use super::cursor::Cursor;
use super::{Decoded, Undecoded};
use crate::dispatch::{Transport, of_mac};

/// Fills in a PDU's facts. The payload is the whole of it, without the padding of short frames.
pub(super) fn pdu(mut cursor: Cursor<'_>, out: &mut Decoded) -> Result<(), Undecoded> {
    let Some([version, _, l0, l1]) = cursor.peek::<4>() else {
        return Err(cursor.short(4, "EAPOL"));
    };
    let len = usize::from(u16::from_be_bytes([*l0, *l1])).saturating_add(4);
    // Clause 11.4: later versions are read as the one that is known.
    if *version == 0 || len > cursor.wire {
        return Err(Undecoded::Malformed("EAPOL", "version or length"));
    }
    cursor.limit(len);
    let [destination, source] = out.stations.map(of_mac);
    (out.source, out.destination) = (source, destination);
    (out.source_port, out.destination_port) = (0, 0);
    out.transport = Transport::Eapol;
    (out.tcp_flags, out.sequence, out.acknowledgment) = (0, 0, 0);
    out.payload_at = cursor.at;
    out.payload_len = cursor.bytes.len();
    out.wire_len = cursor.wire;
    Ok(())
}
