//! IPv6 through IPv4's address translators: Teredo (RFC 4380), AYIYA (draft-massar-v6ops-ayiya).

use super::{enter, plausible_ip};
use crate::decode::cursor::Cursor;
use crate::decode::decoder::Layer;
use crate::decode::{Decoded, Tunnel, Undecoded};

/// Section 2.6: the prefix of Teredo's addresses.
const PREFIX: [u8; 4] = [0x20, 0x01, 0, 0];

/// Whether an IPv6 packet from or to a Teredo address stands here bare.
///
/// Only servers have a port of their own (section 2.7): clients and relays send each other their packets from whatever
/// port they have. The address need not tell the outer one, which a translator may have changed since.
#[inline]
pub(in crate::decode) fn is_packet(cursor: &Cursor<'_>) -> bool {
    let Some(header @ [0x60..=0x6f, ..]) = cursor.peek::<40>() else {
        return false;
    };
    // Source and destination.
    header.get(8..12) == Some(&PREFIX) || header.get(24..28) == Some(&PREFIX)
}

/// Section 5.1.1: an authentication indicator (0x0001) and an origin indicator (0x0000) may stand before the packet.
pub(in crate::decode) fn teredo(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    if let Some([0, 1, id_len, value_len]) = cursor.peek::<4>() {
        // Identifier and value, then a nonce of 8 bytes and the confirmation.
        let len = usize::from(*id_len)
            .saturating_add(usize::from(*value_len))
            .saturating_add(13);
        cursor.skip(len, "Teredo")?;
    }
    if let Some([0, 0]) = cursor.peek::<2>() {
        cursor.skip(8, "Teredo")?;
    }
    let Some(Layer::Ipv6) = plausible_ip(cursor) else {
        return Err(Undecoded::Malformed("Teredo", "no IPv6 inside"));
    };
    enter(Tunnel::Teredo, out)?;
    Ok(Layer::Ipv6)
}

/// Section 4: id length as a power of two 4, id type 4, signature length in words 4, hash 4, authentication 4,
/// opcode 4, next header 8, epoch 32; then identity and signature.
pub(in crate::decode) fn ayiya(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    let [id, signature, operation, 41, _, _, _, _] = *cursor.take::<8>("AYIYA")? else {
        return Err(Undecoded::Malformed("AYIYA", "next header"));
    };
    // Opcode 1 forwards a packet.
    if operation & 0xf != 1 {
        return Err(Undecoded::Malformed("AYIYA", "opcode"));
    }
    let id_len = 1_usize << (id >> 4);
    let signature_len = usize::from(signature >> 4).saturating_mul(4);
    cursor.skip(id_len.saturating_add(signature_len), "AYIYA")?;
    let Some(Layer::Ipv6) = plausible_ip(cursor) else {
        return Err(Undecoded::Malformed("AYIYA", "no IPv6 inside"));
    };
    enter(Tunnel::Ayiya, out)?;
    Ok(Layer::Ipv6)
}
