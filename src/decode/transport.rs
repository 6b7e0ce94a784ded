//! TCP (RFC 9293) and UDP (RFC 768).

use etherparse::TcpHeaderSlice;

use super::cursor::Cursor;
use super::{Decoded, Undecoded};
use crate::dispatch::Transport;

/// Fills in a segment's facts.
#[inline(always)]
pub(super) fn tcp(cursor: &Cursor<'_>, out: &mut Decoded) -> Result<(), Undecoded> {
    let Ok(header) = TcpHeaderSlice::from_slice(cursor.bytes) else {
        return cut_tcp(cursor, out);
    };
    let header_len = header.slice().len();
    out.transport = Transport::Tcp;
    out.source_port = header.source_port();
    out.destination_port = header.destination_port();
    out.sequence = header.sequence_number();
    out.acknowledgment = header.acknowledgment_number();
    out.tcp_flags = header.slice().get(13).copied().unwrap_or_default();
    out.payload_at = cursor.at.saturating_add(header_len);
    out.payload_len = cursor.bytes.len().saturating_sub(header_len);
    out.wire_len = cursor.wire.saturating_sub(header_len);
    Ok(())
}

/// A header that the snap length cut: up to the flags it is good enough to follow the connection.
#[cold]
fn cut_tcp(cursor: &Cursor<'_>, out: &mut Decoded) -> Result<(), Undecoded> {
    let Some(
        [
            s0,
            s1,
            d0,
            d1,
            q0,
            q1,
            q2,
            q3,
            a0,
            a1,
            a2,
            a3,
            offset,
            flags,
        ],
    ) = cursor.peek::<14>()
    else {
        return Err(cursor.short(20, "TCP"));
    };
    let header_len = usize::from(offset >> 4).saturating_mul(4);
    if header_len < 20 || header_len > cursor.wire {
        return Err(Undecoded::Malformed("TCP", "data offset"));
    }
    out.transport = Transport::Tcp;
    out.source_port = u16::from_be_bytes([*s0, *s1]);
    out.destination_port = u16::from_be_bytes([*d0, *d1]);
    out.sequence = u32::from_be_bytes([*q0, *q1, *q2, *q3]);
    out.acknowledgment = u32::from_be_bytes([*a0, *a1, *a2, *a3]);
    out.tcp_flags = *flags;
    out.payload_at = cursor.at.saturating_add(cursor.bytes.len());
    out.payload_len = 0;
    out.wire_len = cursor.wire.saturating_sub(header_len);
    Ok(())
}

/// Fills in a datagram's facts, and steps over its header.
#[inline(always)]
pub(super) fn udp(cursor: &mut Cursor<'_>, out: &mut Decoded) -> Result<(), Undecoded> {
    let [s0, s1, d0, d1, l0, l1, _, _] = *cursor.take::<8>("UDP")?;
    match usize::from(u16::from_be_bytes([l0, l1])) {
        // A jumbogram (RFC 2675 section 4), or a length that the card will fill in.
        0 => {}
        1..8 => return Err(Undecoded::Malformed("UDP", "length")),
        // A length beyond the IP packet is a lie; what the packet holds is taken.
        length => {
            let payload = length.saturating_sub(8);
            cursor.limit(payload.min(cursor.wire));
        }
    }
    out.transport = Transport::Udp;
    out.source_port = u16::from_be_bytes([s0, s1]);
    out.destination_port = u16::from_be_bytes([d0, d1]);
    out.tcp_flags = 0;
    out.sequence = 0;
    out.acknowledgment = 0;
    out.payload_at = cursor.at;
    out.payload_len = cursor.bytes.len();
    out.wire_len = cursor.wire;
    Ok(())
}
