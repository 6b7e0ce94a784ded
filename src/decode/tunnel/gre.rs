//! GRE (RFC 2784, RFC 2890, routing of RFC 1701), its PPTP variant (RFC 2637), and ERSPAN in it
//! (draft-foschiano-erspan).

use super::{enter, plausible_ethernet, plausible_ip, ppp};
use crate::decode::cursor::Cursor;
use crate::decode::decoder::Layer;
use crate::decode::{Decoded, Tunnel, Undecoded, ether};

/// C 1, R 1, K 1, S 1, s 1, recursion 3, flags 5, version 3; protocol type 16; [checksum 16, offset 16;] [key 32;]
/// [sequence 32;] [routing]
pub(in crate::decode) fn gre(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    let [f0, f1, p0, p1] = *cursor.take::<4>("GRE")?;
    let flags = u16::from_be_bytes([f0, f1]);
    let protocol = u16::from_be_bytes([p0, p1]);
    match (flags & 0x0007, protocol) {
        (0, _) => {}
        (1, EOIP) => return eoip(cursor, out),
        (1, _) => return pptp(flags, cursor, out),
        _ => return Err(Undecoded::Malformed("GRE", "version")),
    }
    if flags & (CHECKSUM | ROUTING) != 0 {
        cursor.skip(4, "GRE")?;
    }
    if flags & KEY != 0 {
        cursor.skip(4, "GRE")?;
    }
    if flags & SEQUENCE != 0 {
        cursor.skip(4, "GRE")?;
    }
    if flags & ROUTING != 0 {
        // RFC 1701: address family 16, offset 8, length 8, and so many bytes; family and length 0 end them.
        loop {
            let [a0, a1, _, len] = *cursor.take::<4>("GRE routing")?;
            if [a0, a1, len] == [0; 3] {
                break;
            }
            cursor.skip(usize::from(len), "GRE routing")?;
        }
    }
    match protocol {
        ERSPAN_II => {
            enter(Tunnel::Erspan, out)?;
            // Type I has neither sequence number nor header; type II has both.
            if flags & SEQUENCE != 0 {
                // Version 4, VLAN 12, class 3, encapsulation 2, truncated 1, session 10; reserved 12, index 20.
                cursor.skip(8, "ERSPAN")?;
            }
            Ok(Layer::Ethernet)
        }
        ERSPAN_III => {
            enter(Tunnel::Erspan, out)?;
            erspan_iii(cursor)
        }
        ether::BRIDGED => {
            enter(Tunnel::Gre, out)?;
            Ok(Layer::Ethernet)
        }
        // WCCP version 2 puts a redirect header of four bytes before the packet; version 1 does not.
        WCCP => {
            enter(Tunnel::Gre, out)?;
            if !matches!(cursor.peek::<1>(), Some([0x45..=0x4f])) {
                cursor.skip(4, "WCCP")?;
            }
            Ok(Layer::Ipv4)
        }
        // RFC 2784 section 3: 0 is a keep-alive of some vendors, with nothing inside.
        0 => Err(Undecoded::LinkControl("GRE keep-alive")),
        _ => {
            enter(Tunnel::Gre, out)?;
            ether::inside_tunnel(protocol, cursor, out)
        }
    }
}

/// GRE in UDP (RFC 8086), as far as it holds IP or Ethernet.
pub(in crate::decode) fn udp(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    // Checksum, key and sequence number are all that may be; version 0.
    let Some([flags, 0, _, _]) = cursor.peek::<4>() else {
        return Err(Undecoded::Malformed("GRE", "flags"));
    };
    if flags & 0x4f != 0 {
        return Err(Undecoded::Malformed("GRE", "flags"));
    }
    match gre(cursor, out)? {
        layer @ Layer::Ethernet if plausible_ethernet(cursor) => Ok(layer),
        Layer::Ipv4 | Layer::Ipv6 => {
            plausible_ip(cursor).ok_or(Undecoded::Malformed("GRE", "no IP inside"))
        }
        _ => Err(Undecoded::Malformed("GRE", "protocol type")),
    }
}

/// RFC 2637 section 4.1: the key holds payload length 16 and call 16; sequence and acknowledgment are optional.
fn pptp(flags: u16, cursor: &mut Cursor<'_>, out: &mut Decoded) -> Result<Layer, Undecoded> {
    let [l0, l1, _, _] = *cursor.take::<4>("PPTP")?;
    if flags & SEQUENCE == 0 {
        return Err(Undecoded::LinkControl("PPTP acknowledgment"));
    }
    cursor.skip(4, "PPTP")?;
    if flags & 0x0080 != 0 {
        cursor.skip(4, "PPTP")?;
    }
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    cursor.limit(length.min(cursor.wire));
    enter(Tunnel::Gre, out)?;
    enter(Tunnel::Ppp, out)?;
    ppp::framed(cursor, out)
}

/// MikroTik's Ethernet over IP: length 16, tunnel 16 where the key would be.
fn eoip(cursor: &mut Cursor<'_>, out: &mut Decoded) -> Result<Layer, Undecoded> {
    let [l0, l1, _, _] = *cursor.take::<4>("EoIP")?;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    if length == 0 {
        return Err(Undecoded::LinkControl("EoIP keep-alive"));
    }
    cursor.limit(length.min(cursor.wire));
    enter(Tunnel::Gre, out)?;
    Ok(Layer::Ethernet)
}

/// Version 4, VLAN 12, class 3, error 2, truncated 1, session 10; time 32; group 16, P 1, frame type 5, hardware 6,
/// direction 1, granularity 2, O 1; with O a subheader of 8 bytes.
fn erspan_iii(cursor: &mut Cursor<'_>) -> Result<Layer, Undecoded> {
    let [.., f0, f1] = *cursor.take::<12>("ERSPAN")?;
    if f1 & 1 != 0 {
        cursor.skip(8, "ERSPAN")?;
    }
    match (f0 >> 2) & 0x1f {
        0 => Ok(Layer::Ethernet),
        2 => Ok(Layer::Ip),
        _ => Err(Undecoded::Malformed("ERSPAN", "frame type")),
    }
}

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const ERSPAN_II: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;
const WCCP: u16 = 0x883e;
const EOIP: u16 = 0x6400;
