//! What an EtherType announces: IP, tags, and other things that carry IP.

use super::cursor::Cursor;
use super::decoder::Layer;
use super::{Decoded, Undecoded, link};

/// Steps over tags to what is inside. Numbers up to 1500 are a length, and IEEE 802.2 follows.
#[inline]
pub(super) fn inside(
    mut number: u16,
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    loop {
        match number {
            IPV4 => return Ok(Layer::Ipv4),
            IPV6 => return Ok(Layer::Ipv6),
            // IEEE 802.1Q: priority 3 bits, drop eligible 1, VLAN 12; then the EtherType of what is tagged.
            VLAN | PROVIDER_BRIDGING | 0x9100 | 0x9200 | 0x9300 => {
                let [t0, t1, e0, e1] = *cursor.take::<4>("802.1Q")?;
                out.vlans.push(u16::from_be_bytes([t0, t1]));
                number = u16::from_be_bytes([e0, e1]);
            }
            0..=1500 => {
                cursor.limit(usize::from(number).min(cursor.wire));
                return link::llc(cursor, 0);
            }
            _ => return other(number, cursor, out),
        }
    }
}

/// The rarer ones.
#[cold]
fn other(number: u16, cursor: &mut Cursor<'_>, _out: &mut Decoded) -> Result<Layer, Undecoded> {
    match number {
        1501..=1535 => Err(Undecoded::Malformed("Ethernet", "neither type nor length")),
        // LLC in frames longer than 1500 bytes.
        0x8870 => link::llc(cursor, 0),
        _ => Err(Undecoded::EtherType(number)),
    }
}

pub(super) const IPV4: u16 = etherparse::EtherType::IPV4.0;
pub(super) const IPV6: u16 = etherparse::EtherType::IPV6.0;
const VLAN: u16 = etherparse::EtherType::VLAN_TAGGED_FRAME.0;
const PROVIDER_BRIDGING: u16 = etherparse::EtherType::PROVIDER_BRIDGING.0;
