//! TZSP, the TaZmen Sniffer Protocol: what routers and access points mirror with.

use super::{enter, plausible_ethernet};
use crate::decode::cursor::Cursor;
use crate::decode::decoder::Layer;
use crate::decode::{Decoded, LinkType, Tunnel, Undecoded};

/// Version 8, type 8, encapsulated protocol 16, then tags: 0 is padding, 1 the end, others have a length and a value.
pub(in crate::decode) fn tzsp(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    // Version 1; 0 is a frame received, 1 one to be sent.
    let [1, 0 | 1, p0, p1] = *cursor.take::<4>("TZSP")? else {
        return Err(Undecoded::Malformed("TZSP", "not a frame"));
    };
    // Each tag takes a step, so it ends.
    loop {
        match *cursor.take::<1>("TZSP")? {
            [0] => {}
            [1] => break,
            [_] => {
                let [len] = *cursor.take::<1>("TZSP")?;
                cursor.skip(usize::from(len), "TZSP")?;
            }
        }
    }
    let layer = match u16::from_be_bytes([p0, p1]) {
        1 if plausible_ethernet(cursor) => Layer::Ethernet,
        18 => Layer::Link(LinkType(105)),
        119 => Layer::Link(LinkType(119)),
        127 => Layer::Link(LinkType(163)),
        _ => return Err(Undecoded::Malformed("TZSP", "protocol")),
    };
    enter(Tunnel::Tzsp, out)?;
    Ok(layer)
}
