//! VXLAN (RFC 7348), its group policy extension, and VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe).

use super::{enter, nsh, plausible_ethernet, plausible_ip};
use crate::decode::cursor::Cursor;
use crate::decode::decoder::Layer;
use crate::decode::{Decoded, Tunnel, Undecoded};

/// ```text
/// |G|R|R|R|I|R|R|R|  0 |D| |A|   | Group Policy ID (0 without G) | VNI (24) | Reserved (8) |
/// ```
pub(in crate::decode) fn vxlan(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    match *cursor.take::<8>("VXLAN")? {
        [0x08, 0, 0, 0, _, _, _, 0] | [0x88, _, _, _, _, _, _, 0] if plausible_ethernet(cursor) => {
        }
        _ => return Err(Undecoded::Malformed("VXLAN", "not one")),
    }
    enter(Tunnel::Vxlan, out)?;
    Ok(Layer::Ethernet)
}

/// ```text
/// |R|R|Ver|I|P|B|O|       Reserved (16)        | Next Protocol (8) | VNI (24) | Reserved (8) |
/// ```
pub(in crate::decode) fn gpe(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    let [flags, 0, 0, next, _, _, _, 0] = *cursor.take::<8>("VXLAN-GPE")? else {
        return Err(Undecoded::Malformed("VXLAN-GPE", "reserved bits"));
    };
    // Reserved bits and version 0; I must be set; O is for operations, not data.
    if flags & 0xf9 != 0x08 {
        return Err(Undecoded::Malformed("VXLAN-GPE", "flags"));
    }
    // Without P it is plain VXLAN.
    let next = if flags & 0x04 == 0 { 3 } else { next };
    let layer = nsh::next_protocol(next)
        .filter(|layer| match layer {
            Layer::Ethernet => plausible_ethernet(cursor),
            Layer::Ipv4 | Layer::Ipv6 => plausible_ip(cursor).is_some(),
            _ => true,
        })
        .ok_or(Undecoded::Malformed("VXLAN-GPE", "next protocol"))?;
    enter(Tunnel::Vxlan, out)?;
    Ok(layer)
}
