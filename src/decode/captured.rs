//! Link types of particular networks, systems and capture hooks; headers that no wire ever saw among them.

use super::cursor::Cursor;
use super::decoder::Layer;
use super::link::{self, address_family};
use super::{Decoded, LinkType, Undecoded, ether};

/// Steps over the header of the rarer link types (tcpdump.org/linktypes.html).
#[cold]
pub(super) fn first(
    link: LinkType,
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    match link.0 {
        // LINKTYPE_FDDI: frame control 1, addresses 12, LLC.
        10 => {
            cursor.skip(13, "FDDI")?;
            link::llc(cursor, 0)
        }
        100 => link::llc(cursor, 2),
        107 => frame_relay(cursor, out),
        // LINKTYPE_ENC: address family 4, SPI 4, flags 4, in the byte order of the machine.
        109 => {
            let [a0, a1, a2, a3, ..] = *cursor.take::<12>("IPsec interface")?;
            family([a0, a1, a2, a3])
        }
        117 => pflog(cursor),
        143 => docsis(cursor),
        178 => juniper_ethernet(cursor),
        192 => ppi(cursor),
        206 => {
            cursor.skip(1, "frame relay")?;
            frame_relay(cursor, out)
        }
        // LINKTYPE_IPNET: version 1, address family 1, hook 2, length 4, interfaces 8, zones 8.
        226 => match *cursor.take::<24>("IPNET")? {
            [_, 2, ..] => Ok(Layer::Ipv4),
            [_, 26, ..] => Ok(Layer::Ipv6),
            _ => Err(Undecoded::Malformed("IPNET", "address family")),
        },
        239 => nflog(cursor),
        // LINKTYPE_NETANALYZER: 4 bytes, then Ethernet; the transparent variant has the preamble and delimiter too.
        240 => {
            cursor.skip(4, "netANALYZER")?;
            Ok(Layer::Ethernet)
        }
        241 => {
            cursor.skip(12, "netANALYZER")?;
            Ok(Layer::Ethernet)
        }
        // LINKTYPE_IPOIB: destination 20 and its own EtherType 2, reserved 2 (RFC 4391).
        242 => {
            cursor.skip(40, "IPoIB")?;
            let [t0, t1, _, _] = *cursor.take::<4>("IPoIB")?;
            ether::inside_tunnel(u16::from_be_bytes([t0, t1]), cursor, out)
        }
        258 => pktap(cursor),
        // LINKTYPE_ETHERNET_MPACKET (IEEE 802.3br): preamble 8, the last of its bytes tells express from parts.
        274 => match *cursor.take::<8>("mPacket")? {
            [.., 0xd5] => Ok(Layer::Ethernet),
            _ => Err(Undecoded::TunnelFragment("an Ethernet frame")),
        },
        _ => Err(Undecoded::LinkType(link)),
    }
}

/// RFC 2427: address 2 (or more, until the low bit is set), control 0x03, [padding,] NLPID; or Cisco's, an EtherType.
fn frame_relay(cursor: &mut Cursor<'_>, out: &mut Decoded) -> Result<Layer, Undecoded> {
    for _ in 0..4 {
        let [byte] = *cursor.take::<1>("frame relay")?;
        if byte & 1 != 0 {
            break;
        }
    }
    let Some([b0, b1]) = cursor.peek::<2>() else {
        return Err(cursor.short(2, "frame relay"));
    };
    if *b0 != 0x03 {
        cursor.skip(2, "frame relay")?;
        return ether::inside_tunnel(u16::from_be_bytes([*b0, *b1]), cursor, out);
    }
    cursor.skip(if *b1 == 0 { 2 } else { 1 }, "frame relay")?;
    match *cursor.take::<1>("NLPID")? {
        [0xcc] => Ok(Layer::Ipv4),
        [0x8e] => Ok(Layer::Ipv6),
        [0x80] => match *cursor.take::<5>("SNAP")? {
            [0, 0, 0, t0, t1] => ether::inside_tunnel(u16::from_be_bytes([t0, t1]), cursor, out),
            [0, 0x80, 0xc2, 0, 1 | 7] => Ok(Layer::Ethernet),
            _ => Err(Undecoded::Llc(0xaa)),
        },
        [other] => Err(Undecoded::Llc(other)),
    }
}

/// LINKTYPE_PFLOG: length 1, address family 1, more; padded to 32 bits.
fn pflog(cursor: &mut Cursor<'_>) -> Result<Layer, Undecoded> {
    let Some([length, family]) = cursor.peek::<2>() else {
        return Err(cursor.short(2, "pf log"));
    };
    cursor.skip(usize::from(*length).next_multiple_of(4), "pf log")?;
    address_family(u32::from(*family)).ok_or(Undecoded::Malformed("pf log", "address family"))
}

/// LINKTYPE_DOCSIS: frame control 1, parameter 1, length 2, [extended header,] check 2; type 0 is an Ethernet frame.
fn docsis(cursor: &mut Cursor<'_>) -> Result<Layer, Undecoded> {
    let [control, parameter, ..] = *cursor.take::<4>("DOCSIS")?;
    if control >> 6 != 0 {
        return Err(Undecoded::LinkControl("DOCSIS management frame"));
    }
    let extended = if control & 1 != 0 {
        usize::from(parameter)
    } else {
        0
    };
    cursor.skip(extended.saturating_add(2), "DOCSIS")?;
    Ok(Layer::Ethernet)
}

/// LINKTYPE_JUNIPER_ETHER: "MGC", flags 1, with 0x80 a length 2 and extensions; with 0x02 no link layer follows.
fn juniper_ethernet(cursor: &mut Cursor<'_>) -> Result<Layer, Undecoded> {
    let [b'M', b'G', b'C', flags] = *cursor.take::<4>("Juniper")? else {
        return Err(Undecoded::Malformed("Juniper", "magic number"));
    };
    if flags & 0x80 != 0 {
        let [l0, l1] = *cursor.take::<2>("Juniper")?;
        cursor.skip(usize::from(u16::from_be_bytes([l0, l1])), "Juniper")?;
    }
    if flags & 0x02 != 0 {
        // Four bytes of the packet forwarding engine stand before the packet.
        cursor.skip(4, "Juniper")?;
        return Ok(Layer::Ip);
    }
    Ok(Layer::Ethernet)
}

/// LINKTYPE_PPI: version 1, flags 1, length 2, link type 4, all little-endian; then fields.
fn ppi(cursor: &mut Cursor<'_>) -> Result<Layer, Undecoded> {
    let Some([0, _, l0, l1, t0, t1, ..]) = cursor.peek::<8>() else {
        return Err(cursor.short(8, "PPI"));
    };
    let inner = u16::from_le_bytes([*t0, *t1]);
    // Else a frame of a few bytes could make us go round.
    let length = usize::from(u16::from_le_bytes([*l0, *l1])).max(8);
    cursor.skip(length, "PPI")?;
    Ok(Layer::Link(LinkType(inner)))
}

/// LINKTYPE_NFLOG: address family 1, version 1, resource 2; then length 2, type 2, value, padded to 32 bits, in the
/// byte order of the machine; type 9 is the packet.
fn nflog(cursor: &mut Cursor<'_>) -> Result<Layer, Undecoded> {
    let [family, version, ..] = *cursor.take::<4>("NFLOG")?;
    if version != 0 {
        return Err(Undecoded::Malformed("NFLOG", "version"));
    }
    // Each takes a step of at least four bytes, so it ends.
    loop {
        let [l0, l1, t0, t1] = *cursor.take::<4>("NFLOG")?;
        let (little, big) = (
            (u16::from_le_bytes([l0, l1]), u16::from_le_bytes([t0, t1])),
            (u16::from_be_bytes([l0, l1]), u16::from_be_bytes([t0, t1])),
        );
        // There are few types, so the byte order in which the number is small is the machine's.
        let (length, kind) = if little.1 <= big.1 { little } else { big };
        let Some(value) = usize::from(length).checked_sub(4) else {
            return Err(Undecoded::Malformed("NFLOG", "length"));
        };
        if kind & 0x7fff == 9 {
            cursor.limit(value.min(cursor.wire));
            return match family {
                2 => Ok(Layer::Ipv4),
                10 => Ok(Layer::Ipv6),
                _ => Ok(Layer::Ip),
            };
        }
        cursor.skip(value.next_multiple_of(4).min(cursor.wire), "NFLOG")?;
    }
}

/// LINKTYPE_PKTAP, of macOS: header length 4, record type 4, link type 4, more, all little-endian.
fn pktap(cursor: &mut Cursor<'_>) -> Result<Layer, Undecoded> {
    let Some([l0, l1, l2, l3, 1, 0, 0, 0, t0, t1, 0, 0]) = cursor.peek::<12>() else {
        return Err(if cursor.bytes.len() < 12 {
            cursor.short(12, "pktap")
        } else {
            Undecoded::LinkControl("pktap record without a packet")
        });
    };
    let inner = u16::from_le_bytes([*t0, *t1]);
    let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]).max(12);
    cursor.skip(length as usize, "pktap")?;
    Ok(Layer::Link(LinkType(inner)))
}

/// An address family of 32 bits in either byte order.
fn family(word: [u8; 4]) -> Result<Layer, Undecoded> {
    address_family(u32::from_be_bytes(word).min(u32::from_le_bytes(word)))
        .ok_or(Undecoded::Malformed("IPsec interface", "address family"))
}
