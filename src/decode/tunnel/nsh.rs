//! The Network Service Header (RFC 8300), and the numbers of what follows that it shares with VXLAN-GPE.

use super::enter;
use crate::decode::cursor::Cursor;
use crate::decode::decoder::Layer;
use crate::decode::{Decoded, Tunnel, Undecoded};

/// Section 2.2: version 2, O 1, U 1, TTL 6, length in 32-bit words 6, unassigned 4, MD type 4, next protocol 8;
/// then the service path, 4 bytes, and the metadata.
pub(in crate::decode) fn nsh(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    let [b0, b1, _, next] = *cursor.take::<4>("NSH")?;
    if b0 >> 6 != 0 {
        return Err(Undecoded::Malformed("NSH", "version"));
    }
    if b0 & 0x20 != 0 {
        return Err(Undecoded::LinkControl("NSH operations message"));
    }
    let Some(rest) = usize::from(b1 & 0x3f).saturating_mul(4).checked_sub(4) else {
        return Err(Undecoded::Malformed("NSH", "length"));
    };
    cursor.skip(rest, "NSH")?;
    enter(Tunnel::Nsh, out)?;
    next_protocol(next).ok_or(Undecoded::Malformed("NSH", "next protocol"))
}

/// IANA "NSH Next Protocol"; VXLAN-GPE has the same.
pub(super) fn next_protocol(number: u8) -> Option<Layer> {
    match number {
        1 => Some(Layer::Ipv4),
        2 => Some(Layer::Ipv6),
        3 => Some(Layer::Ethernet),
        4 => Some(Layer::Nsh),
        5 => Some(Layer::Mpls),
        _ => None,
    }
}
