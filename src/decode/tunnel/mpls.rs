//! MPLS (RFC 3032) and Ethernet pseudowires in it (RFC 4448).

use super::{enter, plausible_ethernet, plausible_ip};
use crate::decode::cursor::Cursor;
use crate::decode::decoder::Layer;
use crate::decode::{Decoded, Tunnel, Undecoded};

/// Label 20, traffic class 3, bottom of stack 1, TTL 8; nothing tells what is below the bottom.
pub(in crate::decode) fn mpls(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    // Each label takes a step, so it ends.
    let label = loop {
        let entry = u32::from_be_bytes(*cursor.take::<4>("MPLS")?);
        if entry & 0x100 != 0 {
            break entry >> 12;
        }
    };
    enter(Tunnel::Mpls, out)?;
    // RFC 5586: the generic associated channel carries operations, not data.
    if label == 13 {
        return Err(Undecoded::LinkControl("MPLS associated channel"));
    }
    if let Some(ip) = plausible_ip(cursor) {
        return Ok(ip);
    }
    // RFC 4385 section 3: a control word begins with four zero bits, an associated channel with 0001.
    let mut behind_word = *cursor;
    if let Some([0x00..=0x0f, ..]) = cursor.peek::<4>()
        && behind_word.skip(4, "pseudowire").is_ok()
        && plausible_ethernet(&behind_word)
    {
        *cursor = behind_word;
        enter(Tunnel::Pseudowire, out)?;
        return Ok(Layer::Ethernet);
    }
    if plausible_ethernet(cursor) {
        enter(Tunnel::Pseudowire, out)?;
        return Ok(Layer::Ethernet);
    }
    match cursor.peek::<1>() {
        // Not plausible because cut, or because the length is: let the layer itself say so.
        Some([0x45..=0x4f]) => Ok(Layer::Ipv4),
        Some([0x60..=0x6f]) => Ok(Layer::Ipv6),
        Some([0x10..=0x1f]) => Err(Undecoded::LinkControl("MPLS associated channel")),
        Some(_) => Err(Undecoded::Malformed(
            "MPLS",
            "nothing known below the label",
        )),
        None => Err(cursor.short(1, "MPLS")),
    }
}
