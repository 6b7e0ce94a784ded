//! L2TP: version 2 on UDP (RFC 2661), version 3 on UDP and IP (RFC 3931).

use super::{enter, plausible_ethernet, plausible_ip, ppp};
use crate::decode::cursor::Cursor;
use crate::decode::decoder::Layer;
use crate::decode::{Decoded, Tunnel, Undecoded};

/// RFC 2661 section 3.1: T 1, L 1, reserved 2, S 1, reserved 1, O 1, P 1, reserved 4, version 4; [length 16;]
/// tunnel 16; session 16; [Ns 16, Nr 16;] [offset size 16, padding]
pub(in crate::decode) fn udp(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    let before = cursor.wire;
    let [flags, version] = *cursor.take::<2>("L2TP")?;
    match (flags, version) {
        // RFC 3931 section 4.1.2.1: data messages have T clear; 14 reserved bits.
        (0, 3) => {
            let [0, 0] = *cursor.take::<2>("L2TP")? else {
                return Err(Undecoded::Malformed("L2TP", "reserved bits"));
            };
            return session(cursor, out);
        }
        // T clear: data. All reserved bits clear.
        (_, 2) if flags & 0xb4 == 0 => {}
        _ => return Err(Undecoded::Malformed("L2TP", "not data")),
    }
    if flags & 0x40 != 0 {
        let [l0, l1] = *cursor.take::<2>("L2TP")?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if length > before {
            return Err(Undecoded::Malformed("L2TP", "length"));
        }
        let rest = length
            .checked_sub(before.saturating_sub(cursor.wire))
            .ok_or(Undecoded::Malformed("L2TP", "length"))?;
        cursor.limit(rest);
    }
    cursor.skip(4, "L2TP")?;
    if flags & 0x08 != 0 {
        cursor.skip(4, "L2TP")?;
    }
    if flags & 0x02 != 0 {
        let [o0, o1] = *cursor.take::<2>("L2TP")?;
        cursor.skip(usize::from(u16::from_be_bytes([o0, o1])), "L2TP")?;
    }
    enter(Tunnel::L2tp, out)?;
    ppp::framed(cursor, out)
}

/// RFC 3931 section 4.1.1.1: on IP a data message begins with its session, which is not 0.
pub(in crate::decode) fn ip(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    match cursor.peek::<4>() {
        Some([0, 0, 0, 0]) => Err(Undecoded::LinkControl("L2TP control message")),
        _ => session(cursor, out),
    }
}

/// A session's cookie (0, 4 or 8 bytes) and sublayer (0 or 4) were agreed beforehand: the place at which a packet
/// makes sense is taken, and nothing where there is none.
fn session(cursor: &mut Cursor<'_>, out: &mut Decoded) -> Result<Layer, Undecoded> {
    cursor.skip(4, "L2TP")?;
    for skip in [0, 4, 8, 12] {
        let mut place = *cursor;
        if place.skip(skip, "L2TP").is_err() {
            break;
        }
        let layer = if plausible_ethernet(&place) {
            Layer::Ethernet
        } else if let Some(ip) = plausible_ip(&place) {
            ip
        } else {
            continue;
        };
        *cursor = place;
        enter(Tunnel::L2tp, out)?;
        return Ok(layer);
    }
    Err(Undecoded::Malformed("L2TP", "no packet inside"))
}
