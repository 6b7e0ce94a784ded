//! IEEE 802.11 data frames, bare or behind the headers that cards put before them.

use super::cursor::Cursor;
use super::decoder::Layer;
use super::{Decoded, Undecoded, link};

/// LINKTYPE_IEEE802_11_RADIOTAP: version 1, pad 1, length 2 little-endian, fields present 4, more.
pub(super) fn radiotap(cursor: &mut Cursor<'_>, out: &mut Decoded) -> Result<Layer, Undecoded> {
    let Some([0, _, l0, l1]) = cursor.peek::<4>() else {
        return Err(bad(cursor, "radiotap"));
    };
    cursor.skip(usize::from(u16::from_le_bytes([*l0, *l1])), "radiotap")?;
    data(cursor, out)
}

/// LINKTYPE_PRISM_HEADER: message code 4, length 4, in the byte order of the machine; or an AVS header in its place.
pub(super) fn prism(cursor: &mut Cursor<'_>, out: &mut Decoded) -> Result<Layer, Undecoded> {
    let Some([code @ .., l0, l1, l2, l3]) = cursor.peek::<8>() else {
        return Err(bad(cursor, "Prism"));
    };
    if code.starts_with(&[0x80, 0x21, 0x10]) {
        return avs(cursor, out);
    }
    let length = [*l0, *l1, *l2, *l3];
    let length = u32::from_be_bytes(length).min(u32::from_le_bytes(length));
    cursor.skip(length as usize, "Prism")?;
    data(cursor, out)
}

/// LINKTYPE_IEEE802_11_AVS: version 4, length 4, both big-endian.
pub(super) fn avs(cursor: &mut Cursor<'_>, out: &mut Decoded) -> Result<Layer, Undecoded> {
    let Some([_, _, _, _, l0, l1, l2, l3]) = cursor.peek::<8>() else {
        return Err(bad(cursor, "AVS"));
    };
    let length = u32::from_be_bytes([*l0, *l1, *l2, *l3]);
    cursor.skip(length as usize, "AVS")?;
    data(cursor, out)
}

/// IEEE 802.11-2020 section 9.3.2: frame control 2, duration 2, addresses 18, sequence 2, [address 6,] [QoS 2,]
/// [HT 4,] body.
pub(super) fn data(cursor: &mut Cursor<'_>, out: &mut Decoded) -> Result<Layer, Undecoded> {
    let Some([control, flags]) = cursor.peek::<2>() else {
        return Err(cursor.short(24, "802.11"));
    };
    let (kind, subtype) = (control & 0x0f, control >> 4);
    match kind {
        0x08 => {}
        0x00 => return Err(Undecoded::LinkControl("802.11 management frame")),
        0x04 => return Err(Undecoded::LinkControl("802.11 control frame")),
        _ => return Err(Undecoded::Malformed("802.11", "frame control")),
    }
    if subtype & 0x4 != 0 {
        return Err(Undecoded::LinkControl("802.11 frame without data"));
    }
    if flags & 0x40 != 0 {
        return Err(Undecoded::Encrypted("802.11"));
    }
    // A fragment, or more of them to come: the more-fragments bit and the number in the sequence control.
    let number = cursor.bytes.get(22).copied().unwrap_or_default() & 0x0f;
    if flags & 0x04 != 0 || number != 0 {
        return Err(Undecoded::TunnelFragment("an 802.11 frame"));
    }
    let (to_ds_and_from_ds, order) = (flags & 0x03 == 0x03, flags & 0x80 != 0);
    let mut length = if to_ds_and_from_ds { 30 } else { 24 };
    out.stations = stations(cursor.bytes, *flags);
    cursor.skip(length, "802.11")?;
    let mut aggregate = false;
    if subtype & 0x8 != 0 {
        let [qos, _] = *cursor.take::<2>("802.11")?;
        aggregate = qos & 0x80 != 0;
        length = length.wrapping_add(2);
        if order {
            cursor.skip(4, "802.11")?;
            length = length.wrapping_add(4);
        }
    }
    // Some cards align the body to 32 bits.
    if length & 3 != 0
        && !matches!(cursor.peek::<3>(), Some([0xaa, 0xaa, 0x03]))
        && matches!(cursor.bytes.get(2..5), Some([0xaa, 0xaa, 0x03]))
    {
        cursor.skip(2, "802.11")?;
    }
    if aggregate {
        // Section 9.3.2.2: destination 6, source 6, length 2, body. A frame is one packet here: the first.
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, l0, l1] =
            *cursor.take::<14>("A-MSDU")?;
        out.stations = [[d0, d1, d2, d3, d4, d5], [s0, s1, s2, s3, s4, s5]];
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        cursor.limit(length.min(cursor.wire));
    }
    link::llc(cursor, 0)
}

/// The 802.11 frame in CAPWAP: old Cisco controllers send the two bytes of the frame control the other way round.
pub(super) fn in_capwap(cursor: &mut Cursor<'_>, out: &mut Decoded) -> Result<Layer, Undecoded> {
    let Some([control, flags]) = cursor.peek::<2>() else {
        return Err(cursor.short(24, "802.11"));
    };
    // Data frames of either order, none of them encrypted: the controller ends that.
    match (control & 0x4f, flags & 0x4f) {
        (0x08, _) => data(cursor, out),
        (_, 0x08) => {
            let (to_and_from, qos) = (control & 0x03 == 0x03, flags & 0x80 != 0);
            let length = if to_and_from { 30_usize } else { 24 };
            out.stations = stations(cursor.bytes, *control);
            cursor.skip(length.saturating_add(if qos { 2 } else { 0 }), "802.11")?;
            link::llc(cursor, 0)
        }
        _ => data(cursor, out),
    }
}

/// Destination and source of a frame (IEEE 802.11-2020 table 9-30), by the bits To DS (1) and From DS (2) of its `flags`.
fn stations(frame: &[u8], flags: u8) -> [[u8; 6]; 2] {
    let address = |at: usize| {
        let bytes = frame.get(at..).and_then(|rest| rest.first_chunk::<6>());
        bytes.copied().unwrap_or_default()
    };
    let (destination, source) = match flags & 0x03 {
        0 => (4, 10),
        1 => (16, 10),
        2 => (4, 16),
        _ => (16, 24),
    };
    [destination, source].map(address)
}

fn bad(cursor: &Cursor<'_>, layer: &'static str) -> Undecoded {
    if cursor.bytes.len() < 8 {
        cursor.short(8, layer)
    } else {
        Undecoded::Malformed(layer, "version")
    }
}
