//! What an EtherType announces: IP, tags, and other things that carry IP.

use super::cursor::Cursor;
use super::decoder::Layer;
use super::tunnel::{self, ppp};
use super::{Decoded, Tunnel, Undecoded, link};

/// Steps over tags to what is inside. Numbers up to 1500 are a length, and IEEE 802.2 follows.
#[inline(always)]
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

/// In GRE and its like a small number is a protocol that we do not know, and no length.
pub(super) fn inside_tunnel(
    number: u16,
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    match number {
        0..=1535 => Err(Undecoded::EtherType(number)),
        _ => inside(number, cursor, out),
    }
}

/// The rarer ones.
#[cold]
fn other(number: u16, cursor: &mut Cursor<'_>, out: &mut Decoded) -> Result<Layer, Undecoded> {
    match number {
        1501..=1535 => Err(Undecoded::Malformed("Ethernet", "neither type nor length")),
        // LLC in frames longer than 1500 bytes.
        0x8870 => link::llc(cursor, 0),
        0x8847 | 0x8848 => Ok(Layer::Mpls),
        0x8864 => ppp::pppoe(cursor, out),
        0x880b => ppp::framed(cursor, out),
        0x894f => Ok(Layer::Nsh),
        EAPOL | PRE_AUTHENTICATION => Ok(Layer::Eapol),
        BRIDGED => Ok(Layer::Ethernet),
        // IEEE 802.1BR's forerunner: direction 1, pointer 1, destination 14; looped 1, reserved 1, version 2, source 12.
        0x8926 => {
            tunnel::enter(Tunnel::VnTag, out)?;
            tagged::<6>("VN-Tag", cursor)
        }
        // IEEE 802.1BR E-TAG: 48 bits.
        0x893f => tagged::<8>("E-TAG", cursor),
        // IEEE 802.1ah: I-TAG 32 bits, then the customer's frame from its destination address on.
        0x88e7 => {
            cursor.skip(4, "802.1ah")?;
            tunnel::enter(Tunnel::Pbb, out)?;
            Ok(Layer::Ethernet)
        }
        // Cisco MetaData: version 8, length 8, option 16, security group 16.
        0x8909 => tagged::<8>("Cisco MetaData", cursor),
        // IEEE 802.1CB R-TAG: reserved 16, sequence 16. IEC 62439-3 HSR: path and size 16, sequence 16.
        0xf1c1 | 0x892f => tagged::<6>("redundancy tag", cursor),
        0x88e5 => macsec(cursor),
        _ => Err(Undecoded::EtherType(number)),
    }
}

/// A tag of `N` bytes of which the last two are the EtherType of what is tagged.
fn tagged<const N: usize>(
    layer: &'static str,
    cursor: &mut Cursor<'_>,
) -> Result<Layer, Undecoded> {
    match cursor.take::<N>(layer)?.as_slice() {
        [.., t0, t1] => Ok(Layer::EtherType(u16::from_be_bytes([*t0, *t1]))),
        _ => Err(Undecoded::Malformed(layer, "too short")),
    }
}

/// IEEE 802.1AE: V 1, ES 1, SC 1, SCB 1, E 1, C 1, AN 2; short length 8; packet number 32; with SC the channel, 64.
fn macsec(cursor: &mut Cursor<'_>) -> Result<Layer, Undecoded> {
    let [control, ..] = *cursor.take::<6>("MACsec")?;
    if control & 0x20 != 0 {
        cursor.skip(8, "MACsec")?;
    }
    // Neither encrypted nor changed: only the integrity check is behind it.
    if control & 0x0c == 0 {
        tagged::<2>("MACsec", cursor)
    } else {
        Err(Undecoded::Encrypted("MACsec"))
    }
}

pub(super) const IPV4: u16 = etherparse::EtherType::IPV4.0;
pub(super) const IPV6: u16 = etherparse::EtherType::IPV6.0;
/// Transparent Ethernet bridging.
pub(super) const BRIDGED: u16 = 0x6558;
pub(super) const VLAN: u16 = etherparse::EtherType::VLAN_TAGGED_FRAME.0;
/// EAP over LANs (IEEE 802.1X), and the same by way of another access point (IEEE 802.11).
const EAPOL: u16 = 0x888e;
const PRE_AUTHENTICATION: u16 = 0x88c7;
const PROVIDER_BRIDGING: u16 = etherparse::EtherType::PROVIDER_BRIDGING.0;
