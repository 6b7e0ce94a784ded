//! CAPWAP data, between access points and their controller (RFC 5415).

use super::{enter, plausible_ethernet};
use crate::decode::cursor::Cursor;
use crate::decode::decoder::Layer;
use crate::decode::{Decoded, Tunnel, Undecoded};

/// Section 4.3: preamble 8; header length in words 5, radio 5, binding 5, T 1, F 1, L 1, W 1, M 1, K 1, flags 3;
/// fragment id 16; fragment offset 13, reserved 3; [radio MAC address] [wireless information]
pub(in crate::decode) fn data(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    let [preamble, b1, b2, b3, _, _, _, tail] = *cursor.take::<8>("CAPWAP")?;
    // Version 0 and type 0; type 1 is DTLS, which the datagram then is.
    if preamble != 0 || tail & 0x07 != 0 || b3 & 0x07 != 0 {
        return Err(Undecoded::Malformed("CAPWAP", "not plain data"));
    }
    let Some(rest) = usize::from(b1 >> 3).saturating_mul(4).checked_sub(8) else {
        return Err(Undecoded::Malformed("CAPWAP", "header length"));
    };
    cursor.skip(rest, "CAPWAP")?;
    let (native, fragment, keep_alive) = (b2 & 1 != 0, b3 & 0x80 != 0, b3 & 0x08 != 0);
    if keep_alive {
        return Err(Undecoded::Malformed("CAPWAP", "keep-alive"));
    }
    let layer = match (native, (b2 >> 1) & 0x1f) {
        (false, _) if plausible_ethernet(cursor) => Layer::Ethernet,
        // Binding 1: IEEE 802.11.
        (true, 1) => Layer::CapwapWifi,
        _ => return Err(Undecoded::Malformed("CAPWAP", "binding")),
    };
    if fragment {
        return Err(Undecoded::TunnelFragment("a CAPWAP datagram"));
    }
    enter(Tunnel::Capwap, out)?;
    Ok(layer)
}
