//! IPv4 (RFC 791), IPv6 and its extension headers (RFC 8200).

use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice};

use super::cursor::Cursor;
use super::decoder::Layer;
use super::tunnel::{self, gre, l2tp};
use super::{Decoded, Tunnel, Undecoded, fragment};
use crate::dispatch::mapped;

/// IPv4 or IPv6, where nothing but the header itself tells.
pub(super) fn ip(cursor: &Cursor<'_>) -> Result<Layer, Undecoded> {
    match cursor.peek::<1>() {
        Some([0x40..=0x4f]) => Ok(Layer::Ipv4),
        Some([0x60..=0x6f]) => Ok(Layer::Ipv6),
        Some(_) => Err(Undecoded::Malformed("IP", "version")),
        None => Err(cursor.short(1, "IP")),
    }
}

/// Steps over an IPv4 header; cuts off what is behind the datagram.
#[inline(always)]
pub(super) fn ipv4(cursor: &mut Cursor<'_>, out: &mut Decoded) -> Result<Layer, Undecoded> {
    let Ok(header) = Ipv4HeaderSlice::from_slice(cursor.bytes) else {
        return Err(bad_ipv4(cursor));
    };
    let header_len = header.slice().len();
    match usize::from(header.total_len()) {
        // Segmentation offload: the card will cut it up and fill in the lengths. All the frame is the datagram.
        0 => {}
        total if total < header_len => {
            return Err(Undecoded::Malformed("IPv4", "total length"));
        }
        // More than the frame has on the wire: a mirror cut it, and said nothing. The header is believed.
        total => cursor.limit(total),
    }
    cursor.skip(header_len, "IPv4")?;
    out.source = mapped(header.source());
    out.destination = mapped(header.destination());
    let protocol = header.protocol().0;
    if header.is_fragmenting_payload() {
        return Ok(Layer::Fragment(fragment::Header {
            id: u32::from(header.identification()),
            offset: usize::from(header.fragments_offset().value()).saturating_mul(8),
            more: header.more_fragments(),
            protocol,
            v6: false,
        }));
    }
    Ok(transport_or(protocol, false))
}

/// Why `Ipv4HeaderSlice` did not take it.
#[cold]
fn bad_ipv4(cursor: &Cursor<'_>) -> Undecoded {
    match cursor.peek::<1>() {
        Some([first]) if first >> 4 != 4 => Undecoded::Malformed("IPv4", "version"),
        Some([first]) if first & 0xf < 5 => Undecoded::Malformed("IPv4", "header length"),
        Some([first]) => cursor.short(usize::from(first & 0xf).saturating_mul(4), "IPv4"),
        None => cursor.short(20, "IPv4"),
    }
}

/// Steps over an IPv6 header; cuts off what is behind the packet.
#[inline(always)]
pub(super) fn ipv6(cursor: &mut Cursor<'_>, out: &mut Decoded) -> Result<Layer, Undecoded> {
    let Ok(header) = Ipv6HeaderSlice::from_slice(cursor.bytes) else {
        return Err(match cursor.peek::<1>() {
            Some([first]) if first >> 4 != 6 => Undecoded::Malformed("IPv6", "version"),
            _ => cursor.short(40, "IPv6"),
        });
    };
    cursor.skip(40, "IPv6")?;
    // 0: a jumbogram (RFC 2675 section 3), or a length that the card will fill in. All the frame is the packet.
    if header.payload_length() > 0 {
        cursor.limit(usize::from(header.payload_length()));
    }
    out.source = header.source();
    out.destination = header.destination();
    Ok(transport_or(header.next_header().0, true))
}

/// Saves TCP and UDP a step.
#[inline(always)]
fn transport_or(protocol: u8, v6: bool) -> Layer {
    match protocol {
        6 => Layer::Tcp,
        17 => Layer::Udp,
        _ => Layer::Protocol(protocol, v6),
    }
}

/// What a protocol or next header field announces (IANA "Assigned Internet Protocol Numbers").
pub(super) fn inside(
    number: u8,
    v6: bool,
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Layer, Undecoded> {
    match number {
        6 => Ok(Layer::Tcp),
        17 => Ok(Layer::Udp),
        // RFC 4302 section 2: the length counts 32-bit words, without the first two.
        51 => {
            let [next, words] = *peek(cursor, "AH")?;
            cursor.skip(usize::from(words).saturating_add(2).saturating_mul(4), "AH")?;
            Ok(transport_or(next, v6))
        }
        50 => Err(Undecoded::Encrypted("IPsec ESP")),
        // Hop-by-hop options, routing, destination options, mobility (RFC 6275), HIP (RFC 7401), Shim6 (RFC 5533):
        // the length counts 64-bit words, without the first.
        0 | 43 | 60 | 135 | 139 | 140 if v6 => {
            let [next, words] = *peek(cursor, "IPv6 extension")?;
            if number == 43
                && let Some(last) = last_hop(cursor.bytes)
            {
                out.destination = last;
            }
            let len = usize::from(words).saturating_add(1).saturating_mul(8);
            cursor.skip(len, "IPv6 extension")?;
            Ok(transport_or(next, true))
        }
        // Section 4.5: next header 1, reserved 1, offset in 64-bit words 13 bits, reserved 2, more 1, identification 4.
        44 if v6 => {
            let [next, _, o0, o1, i0, i1, i2, i3] = *cursor.take::<8>("IPv6 fragment")?;
            let place = u16::from_be_bytes([o0, o1]);
            if place & 0xfff9 == 0 {
                // RFC 6946: a fragment that is the whole.
                return Ok(transport_or(next, true));
            }
            Ok(Layer::Fragment(fragment::Header {
                id: u32::from_be_bytes([i0, i1, i2, i3]),
                offset: usize::from(place & 0xfff8),
                more: place & 1 != 0,
                protocol: next,
                v6: true,
            }))
        }
        // RFC 2003, and the number that amateur radio used before; IPv4 in IPv6 is RFC 2473.
        4 | 94 => {
            tunnel::enter(Tunnel::Ipip, out)?;
            Ok(Layer::Ipv4)
        }
        // RFC 4213; IPv6 in IPv6 is RFC 2473.
        41 => {
            let tunnel = if v6 { Tunnel::Ipip } else { Tunnel::SixInFour };
            tunnel::enter(tunnel, out)?;
            Ok(Layer::Ipv6)
        }
        47 => gre::gre(cursor, out),
        // RFC 3378 section 3: version 3 in four bits, reserved 12.
        97 => {
            let [0x30, 0] = *cursor.take::<2>("EtherIP")? else {
                return Err(Undecoded::Malformed("EtherIP", "version"));
            };
            tunnel::enter(Tunnel::EtherIp, out)?;
            Ok(Layer::Ethernet)
        }
        115 => l2tp::ip(cursor, out),
        // RFC 4023 section 3.
        137 => Ok(Layer::Mpls),
        // RFC 8986 section 10.1: Ethernet behind segment routing.
        143 if v6 => {
            tunnel::enter(Tunnel::EtherIp, out)?;
            Ok(Layer::Ethernet)
        }
        _ => Err(Undecoded::IpProtocol(number)),
    }
}

fn peek<'a>(cursor: &Cursor<'a>, layer: &'static str) -> Result<&'a [u8; 2], Undecoded> {
    cursor.peek::<2>().ok_or_else(|| cursor.short(2, layer))
}

/// Where a source-routed packet goes in the end, which is the connection's address: the last of a type 0 header's
/// addresses (RFC 2460), the first of a segment routing header's (RFC 8754), the one of a mobile node (RFC 6275).
fn last_hop(header: &[u8]) -> Option<[u8; 16]> {
    let [_, words, kind, left] = *header.first_chunk::<4>()?;
    if left == 0 {
        return None;
    }
    let addresses = header.get(8..)?;
    let at = match kind {
        0 => usize::from(words / 2).checked_sub(1)?.saturating_mul(16),
        2 | 4 => 0,
        _ => return None,
    };
    addresses.get(at..)?.first_chunk::<16>().copied()
}
