//! The outermost header, as the capture's link type says (tcpdump.org/linktypes.html).

use super::cursor::Cursor;
use super::decoder::Layer;
use super::tunnel::ppp;
use super::{Decoded, LinkType, Undecoded, captured, ether, wifi};

/// Steps over the link-layer header to what is inside.
#[inline(always)]
pub(super) fn first(
    link: LinkType,
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    match link {
        LinkType(1) => ethernet(cursor, out),
        _ => other(link, cursor, out),
    }
}

/// IEEE 802.3: destination 6, source 6, EtherType or length 2.
#[inline(always)]
pub(super) fn ethernet(cursor: &mut Cursor<'_>, out: &mut Decoded) -> Result<Layer, Undecoded> {
    let at = cursor.at;
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] =
        *cursor.take::<14>("Ethernet")?;
    out.stations = [[d0, d1, d2, d3, d4, d5], [s0, s1, s2, s3, s4, s5]];
    out.ethernet_at = (!cursor.in_datagram).then_some(at);
    ether::inside(u16::from_be_bytes([t0, t1]), cursor, out)
}

fn other(link: LinkType, cursor: &mut Cursor<'_>, out: &mut Decoded) -> Result<Layer, Undecoded> {
    match link.0 {
        0 | 108 => family(cursor),
        // The numbers that BSDs gave to raw IP ended up in files too.
        12 | 14 | 101 => Ok(Layer::Ip),
        228 => Ok(Layer::Ipv4),
        229 => Ok(Layer::Ipv6),
        113 => {
            // LINKTYPE_LINUX_SLL: packet type 2, ARPHRD 2, address length 2, address 8, protocol 2.
            let [_, _, a0, a1, l0, l1, s0, s1, s2, s3, s4, s5, .., p0, p1] =
                *cursor.take::<16>("Linux cooked")?;
            if [l0, l1] == [0, 6] {
                out.stations = [[0; 6], [s0, s1, s2, s3, s4, s5]];
            }
            cooked(
                u16::from_be_bytes([a0, a1]),
                u16::from_be_bytes([p0, p1]),
                cursor,
                out,
            )
        }
        276 => {
            // LINKTYPE_LINUX_SLL2: protocol 2, reserved 2, interface 4, ARPHRD 2, packet type 1, address 1 + 8.
            let [
                p0,
                p1,
                _,
                _,
                _,
                _,
                _,
                _,
                a0,
                a1,
                _,
                length,
                s0,
                s1,
                s2,
                s3,
                s4,
                s5,
                ..,
            ] = *cursor.take::<20>("Linux cooked")?;
            if length == 6 {
                out.stations = [[0; 6], [s0, s1, s2, s3, s4, s5]];
            }
            cooked(
                u16::from_be_bytes([a0, a1]),
                u16::from_be_bytes([p0, p1]),
                cursor,
                out,
            )
        }
        // PPP, with its HDLC framing or without, and with a byte of direction before it.
        9 | 50 => ppp::framed(cursor, out),
        166 => {
            cursor.skip(2, "PPP")?;
            ppp::protocol(cursor)
        }
        204 => {
            cursor.skip(1, "PPP")?;
            ppp::framed(cursor, out)
        }
        51 => ppp::pppoe(cursor, out),
        104 => ppp::cisco_hdlc(cursor, out),
        205 => {
            cursor.skip(1, "HDLC")?;
            ppp::cisco_hdlc(cursor, out)
        }
        105 => wifi::data(cursor, out),
        119 => wifi::prism(cursor, out),
        127 => wifi::radiotap(cursor, out),
        163 => wifi::avs(cursor, out),
        _ => captured::first(link, cursor, out),
    }
}

/// The protocol field of Linux cooked captures: an EtherType, save for what Linux numbers below 1536.
fn cooked(
    hardware: u16,
    protocol: u16,
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    match (hardware, protocol) {
        (824, _) => Err(Undecoded::LinkControl("Netlink message")),
        (_, 0x0001) => Err(Undecoded::Llc(0xff)),
        (_, 0x0004) => llc(cursor, 0),
        (_, 0x000c) => Err(Undecoded::LinkControl("CAN message")),
        (_, 0..=1535) => Err(Undecoded::EtherType(protocol)),
        _ => ether::inside(protocol, cursor, out),
    }
}

/// BSD loopback: an address family of 32 bits, in the byte order of the machine that captured (LINKTYPE_NULL) or in
/// network order (LINKTYPE_LOOP); both are taken in either, as no family has two meanings.
fn family(cursor: &mut Cursor<'_>) -> Result<Layer, Undecoded> {
    let word = *cursor.take::<4>("loopback")?;
    let number = u32::from_be_bytes(word).min(u32::from_le_bytes(word));
    address_family(number).ok_or(Undecoded::LinkControl(
        "loopback frame of another address family",
    ))
}

/// AF_INET is 2 everywhere; AF_INET6 is 10 on Linux, 23 on Windows, 24, 28 and 30 on the BSDs and macOS.
pub(super) fn address_family(number: u32) -> Option<Layer> {
    match number {
        2 => Some(Layer::Ipv4),
        10 | 23 | 24 | 28 | 30 => Some(Layer::Ipv6),
        _ => None,
    }
}

/// IEEE 802.2, and SNAP behind it (RFC 1042). `pad` bytes stand before a bridged frame (RFC 2684 section 5.2).
pub(super) fn llc(cursor: &mut Cursor<'_>, pad: usize) -> Result<Layer, Undecoded> {
    let [dsap, ssap, control] = *cursor.take::<3>("LLC")?;
    match (dsap, ssap, control) {
        (0xaa, 0xaa, 0x03) => {
            let [o0, o1, o2, t0, t1] = *cursor.take::<5>("SNAP")?;
            let number = u16::from_be_bytes([t0, t1]);
            match [o0, o1, o2] {
                // RFC 1042, and IEEE 802.1H for bridges.
                [0, 0, 0] | [0, 0, 0xf8] if number >= 1536 => Ok(Layer::EtherType(number)),
                // RFC 2427 and RFC 2684: Ethernet with (1) or without (7) its check sequence.
                [0, 0x80, 0xc2] if matches!(number, 1 | 7) => {
                    cursor.skip(pad, "bridged Ethernet")?;
                    Ok(Layer::Ethernet)
                }
                _ => Err(Undecoded::Llc(dsap)),
            }
        }
        (0x06, 0x06, 0x03) => Ok(Layer::Ipv4),
        // ISO/IEC TR 9577: a network-layer protocol identifier of one byte.
        (0xfe, 0xfe, 0x03) => match cursor.peek::<1>() {
            Some([0xcc]) => cursor.skip(1, "NLPID").map(|()| Layer::Ipv4),
            Some([0x8e]) => cursor.skip(1, "NLPID").map(|()| Layer::Ipv6),
            _ => Err(Undecoded::Llc(dsap)),
        },
        _ => Err(Undecoded::Llc(dsap)),
    }
}
