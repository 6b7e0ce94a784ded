//! GTP-U, the user plane of mobile networks (3GPP TS 29.281).

use super::{enter, plausible_ip};
use crate::decode::cursor::Cursor;
use crate::decode::decoder::Layer;
use crate::decode::{Decoded, Tunnel, Undecoded};

/// Section 5.1: version 3, protocol type 1, spare 1, E 1, S 1, PN 1; message type 8; length 16; TEID 32; and with any
/// of E, S and PN: sequence number 16, N-PDU number 8, next extension header type 8.
pub(in crate::decode) fn gtp_u(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    let [flags, kind, l0, l1, ..] = *cursor.take::<8>("GTP-U")?;
    // Version 1, GTP and not GTP', spare bit 0; 255 is a G-PDU, the others manage the path.
    if flags & 0xf8 != 0x30 || kind != 255 {
        return Err(Undecoded::Malformed("GTP-U", "not user data"));
    }
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    if len > cursor.wire {
        return Err(Undecoded::Malformed("GTP-U", "length"));
    }
    cursor.limit(len);
    if flags & 0x07 != 0 {
        let [_, _, _, mut next] = *cursor.take::<4>("GTP-U")?;
        // Section 5.2.1: length in 32-bit words 8, content, next type 8. Each takes a step, so it ends.
        while flags & 0x04 != 0 && next != 0 {
            let Some([words]) = cursor.peek::<1>() else {
                return Err(cursor.short(1, "GTP-U extension"));
            };
            let Some(content) = usize::from(*words).saturating_mul(4).checked_sub(1) else {
                return Err(Undecoded::Malformed("GTP-U extension", "length"));
            };
            cursor.skip(content, "GTP-U extension")?;
            [next] = *cursor.take::<1>("GTP-U extension")?;
        }
    }
    let layer = plausible_ip(cursor).ok_or(Undecoded::Malformed("GTP-U", "no IP inside"))?;
    enter(Tunnel::Gtp, out)?;
    Ok(layer)
}
