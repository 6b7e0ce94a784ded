//! PPP (RFC 1661), in its framings, and PPPoE (RFC 2516).

use super::enter;
use crate::decode::cursor::Cursor;
use crate::decode::decoder::Layer;
use crate::decode::{Decoded, Tunnel, Undecoded, ether};

/// RFC 2516 section 4: version 4, type 4, code 8, session 16, length 16; then PPP's protocol field.
pub(in crate::decode) fn pppoe(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    let [0x11, 0, _, _, l0, l1] = *cursor.take::<6>("PPPoE")? else {
        return Err(Undecoded::Malformed("PPPoE", "version or code"));
    };
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    cursor.limit(length.min(cursor.wire));
    enter(Tunnel::Pppoe, out)?;
    protocol(cursor)
}

/// RFC 1662: address 0xff and control 0x03, which the ends may have agreed to leave out.
pub(in crate::decode) fn framed(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    match cursor.peek::<4>() {
        Some([0xff, 0x03, ..]) => cursor.skip(2, "PPP")?,
        // Cisco HDLC shares the link types: unicast or multicast, 0, EtherType.
        Some([0x0f | 0x8f, 0, p0, p1]) => {
            cursor.skip(4, "HDLC")?;
            return hdlc_type(u16::from_be_bytes([*p0, *p1]), cursor, out);
        }
        _ => {}
    }
    protocol(cursor)
}

/// Cisco HDLC: address 1, control 1, EtherType 2.
pub(in crate::decode) fn cisco_hdlc(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    let [_, _, p0, p1] = *cursor.take::<4>("HDLC")?;
    hdlc_type(u16::from_be_bytes([p0, p1]), cursor, out)
}

fn hdlc_type(number: u16, cursor: &mut Cursor<'_>, out: &mut Decoded) -> Result<Layer, Undecoded> {
    match number {
        0x8035 => Err(Undecoded::LinkControl("HDLC keep-alive")),
        0..=1535 => Err(Undecoded::EtherType(number)),
        _ => ether::inside(number, cursor, out),
    }
}

/// The protocol field: two bytes, or one where the ends agreed to compress it; the last byte is odd, others even.
pub(in crate::decode) fn protocol(cursor: &mut Cursor<'_>) -> Result<Layer, Undecoded> {
    let [first] = *cursor.take::<1>("PPP")?;
    let number = if first & 1 == 1 {
        u16::from(first)
    } else {
        let [second] = *cursor.take::<1>("PPP")?;
        u16::from_be_bytes([first, second])
    };
    match number {
        0x0021 => Ok(Layer::Ipv4),
        0x0057 => Ok(Layer::Ipv6),
        0x0281 | 0x0283 => Ok(Layer::Mpls),
        // RFC 3518 section 4.1: flags and pads 1, MAC type 1; type 1 is Ethernet. A LAN identification may precede.
        0x0031 => {
            let [flags, kind] = *cursor.take::<2>("PPP bridging")?;
            if flags & 0x40 != 0 {
                cursor.skip(4, "PPP bridging")?;
            }
            if kind == 1 {
                Ok(Layer::Ethernet)
            } else {
                Err(Undecoded::PppProtocol(number))
            }
        }
        _ => Err(Undecoded::PppProtocol(number)),
    }
}
