//! Encapsulations that are taken off.
//!
//! Those that IP or Ethernet name by number are believed. Those that ride on UDP are guessed from a port, and ports
//! are anybody's: the header must be right to the last reserved bit and what is inside must look like a packet, or the
//! datagram stays a datagram. Teredo's packets have no port of their own: what is inside tells them.

pub(super) mod capwap;
pub(super) mod geneve;
pub(super) mod gre;
pub(super) mod gtp;
pub(super) mod l2tp;
pub(super) mod mpls;
pub(super) mod nsh;
pub(super) mod ppp;
pub(super) mod teredo;
pub(super) mod tzsp;
pub(super) mod vxlan;

use super::cursor::Cursor;
use super::decoder::Layer;
use super::{Decoded, Tunnel, Undecoded, ether};

/// Notes an encapsulation.
pub(super) fn enter(tunnel: Tunnel, out: &mut Decoded) -> Result<(), Undecoded> {
    if out.tunnels.push(tunnel) {
        Ok(())
    } else {
        Err(Undecoded::TunnelDepth)
    }
}

/// Whether the datagram that `out` describes and `cursor` stands in may be a tunnel. Cheap: every datagram is asked.
#[inline]
pub(super) fn may_be_udp(cursor: &Cursor<'_>, out: &Decoded) -> bool {
    is_known(out.destination_port) || is_known(out.source_port) || teredo::is_packet(cursor)
}

#[inline]
const fn is_known(port: u16) -> bool {
    matches!(
        port,
        VXLAN
            | VXLAN_OLD
            | VXLAN_GPE
            | GENEVE
            | TEREDO
            | GTP_U
            | L2TP
            | TZSP
            | CAPWAP
            | AYIYA
            | GRE_UDP
    )
}

/// What is inside of such a datagram; `None` where it is no tunnel after all.
pub(super) fn inside_udp(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded,
) -> Result<Option<Layer>, Undecoded> {
    let (source, destination) = (out.source_port, out.destination_port);
    // The overlay tunnels send to their port from any port; the others answer from it.
    let found = match (source, destination) {
        (_, VXLAN | VXLAN_OLD) => vxlan::vxlan(cursor, out),
        (_, VXLAN_GPE) => vxlan::gpe(cursor, out),
        (_, GENEVE) => geneve::geneve(cursor, out),
        (TEREDO, _) | (_, TEREDO) => teredo::teredo(cursor, out),
        (GTP_U, _) | (_, GTP_U) => gtp::gtp_u(cursor, out),
        (L2TP, _) | (_, L2TP) => l2tp::udp(cursor, out),
        (_, TZSP) => tzsp::tzsp(cursor, out),
        (CAPWAP, _) | (_, CAPWAP) => capwap::data(cursor, out),
        (AYIYA, _) | (_, AYIYA) => teredo::ayiya(cursor, out),
        (_, GRE_UDP) => gre::udp(cursor, out),
        _ if teredo::is_packet(cursor) => teredo::teredo(cursor, out),
        // An overlay's port, but the source's.
        _ => return Ok(None),
    };
    match found {
        Ok(layer) => Ok(Some(layer)),
        Err(reason @ (Undecoded::TunnelDepth | Undecoded::TunnelFragment(_))) => Err(reason),
        Err(_) => Ok(None),
    }
}

/// IPv4 or IPv6 whose header can be one, and whose length fits into what is there.
pub(super) fn plausible_ip(cursor: &Cursor<'_>) -> Option<Layer> {
    let [first, _, l2, l3, l4, l5] = *cursor.peek::<6>()?;
    let total = match first {
        0x45..=0x4f => usize::from(u16::from_be_bytes([l2, l3])),
        0x60..=0x6f => usize::from(u16::from_be_bytes([l4, l5])).saturating_add(40),
        _ => return None,
    };
    let header_len = if first < 0x60 { 20 } else { 40 };
    let fits = (header_len..=cursor.wire).contains(&total);
    match first {
        _ if !fits => None,
        ..0x60 => Some(Layer::Ipv4),
        _ => Some(Layer::Ipv6),
    }
}

/// An Ethernet header that announces IP, ARP, or a tag or a tunnel before them.
pub(super) fn plausible_ethernet(cursor: &Cursor<'_>) -> bool {
    let Some([.., t0, t1]) = cursor.peek::<14>() else {
        return false;
    };
    match u16::from_be_bytes([*t0, *t1]) {
        number @ (ether::IPV4 | ether::IPV6) => {
            let mut inside = *cursor;
            inside.skip(14, "Ethernet").is_ok()
                && match plausible_ip(&inside) {
                    Some(Layer::Ipv4) => number == ether::IPV4,
                    Some(_) => number == ether::IPV6,
                    // Cut before the lengths.
                    None => inside.bytes.len() < 6,
                }
        }
        0x0806 | 0x8100 | 0x88a8 | 0x9100 | 0x8847 | 0x8848 | 0x8863 | 0x8864 | 0x888e | 0x88cc => {
            true
        }
        length @ 3..=1500 => {
            usize::from(length) <= cursor.wire.saturating_sub(14)
                && matches!(
                    cursor.bytes.get(14..17),
                    Some([0xaa, 0xaa, 0x03] | [0x42, 0x42, 0x03] | [0xfe, 0xfe, 0x03])
                )
        }
        _ => false,
    }
}

/// IANA "Service Name and Transport Protocol Port Number Registry".
const VXLAN: u16 = 4789;
/// Linux before the registration, and still its default.
const VXLAN_OLD: u16 = 8472;
const VXLAN_GPE: u16 = 4790;
const GENEVE: u16 = 6081;
const TEREDO: u16 = 3544;
const GTP_U: u16 = 2152;
const L2TP: u16 = 1701;
/// TaZmen Sniffer Protocol, unregistered; what access points and routers use.
const TZSP: u16 = 37008;
const CAPWAP: u16 = 5247;
const AYIYA: u16 = 5072;
const GRE_UDP: u16 = 4754;
