//! GENEVE (RFC 8926).

use super::{enter, plausible_ethernet, plausible_ip};
use crate::decode::cursor::Cursor;
use crate::decode::decoder::Layer;
use crate::decode::{Decoded, Tunnel, Undecoded, ether};

/// Section 3.4:
/// ```text
/// |Ver| Opt Len (6) |O|C|  Rsvd. (6) | Protocol Type (16) | VNI (24) | Reserved (8) | Options, 4 bytes × Opt Len
/// ```
pub(in crate::decode) fn geneve(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    let [b0, b1, p0, p1, _, _, _, 0] = *cursor.take::<8>("GENEVE")? else {
        return Err(Undecoded::Malformed("GENEVE", "reserved bits"));
    };
    // Version 0; O marks control messages; C tells of critical options, which are nothing to us.
    if b0 >> 6 != 0 || b1 & 0xbf != 0 {
        return Err(Undecoded::Malformed("GENEVE", "flags"));
    }
    cursor.skip(usize::from(b0 & 0x3f).saturating_mul(4), "GENEVE")?;
    let layer = match u16::from_be_bytes([p0, p1]) {
        ether::BRIDGED if plausible_ethernet(cursor) => Layer::Ethernet,
        ether::IPV4 | ether::IPV6 => {
            plausible_ip(cursor).ok_or(Undecoded::Malformed("GENEVE", "no IP inside"))?
        }
        _ => return Err(Undecoded::Malformed("GENEVE", "protocol type")),
    };
    enter(Tunnel::Geneve, out)?;
    Ok(layer)
}
