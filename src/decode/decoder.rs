//! The walk from header to header.

use super::cursor::Cursor;
use super::fragment::{self, Fragments};
use super::{
    DecodeCounts, Decoded, LinkType, Undecoded, eapol, ether, link, net, transport, tunnel, wifi,
};
use crate::config::Limits;
use crate::time::Timestamp;

/// Decodes frames. Holds the fragments that wait for others, and counts what could not be decoded.
#[derive(Debug)]
pub struct Decoder {
    fragments: Fragments,
    counts: DecodeCounts,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Layer {
    Ethernet,
    /// A header inside of a tunnel, as of a capture of this link type.
    Link(LinkType),
    /// What an EtherType announced.
    EtherType(u16),
    /// IPv4 or IPv6, as its first nibble says.
    Ip,
    Ipv4,
    Ipv6,
    /// An IP fragment's payload.
    Fragment(fragment::Header),
    /// What an IPv4 header's protocol field or an IPv6 next header field announced; `true` for IPv6.
    Protocol(u8, bool),
    Mpls,
    Nsh,
    /// An 802.11 frame in CAPWAP.
    CapwapWifi,
    Tcp,
    Udp,
    Eapol,
}

impl Decoder {
    /// With the caps of `limits` on fragments.
    pub fn new(limits: &Limits) -> Self {
        Self {
            fragments: Fragments::new(limits),
            counts: DecodeCounts::default(),
        }
    }

    /// The TCP segment, UDP datagram or PDU of EAPOL in `frame`, of which `wire_len` bytes were on the wire at `time`.
    ///
    /// A payload that had to be put together from fragments is appended to `extra`.
    ///
    /// # Errors
    /// Why there is none; it was counted.
    pub fn decode(
        &mut self,
        link: LinkType,
        frame: &[u8],
        wire_len: usize,
        time: Timestamp,
        extra: &mut Vec<u8>,
    ) -> Result<Decoded, Undecoded> {
        let mut out = Decoded::default();
        let mut cursor = Cursor::new(frame, wire_len, false);
        let done = self.common(link, &mut cursor, &mut out, time, extra);
        match done {
            Ok(()) => Ok(out),
            Err(reason) => {
                self.counts.add(reason);
                Err(reason)
            }
        }
    }

    /// The way of nearly every packet, straight on, so that the compiler need not keep the place in memory; what
    /// leaves it goes on in [`Decoder::walk`]. Worth a third of the time.
    #[inline(always)]
    fn common(
        &mut self,
        link: LinkType,
        cursor: &mut Cursor<'_>,
        out: &mut Decoded,
        time: Timestamp,
        extra: &mut Vec<u8>,
    ) -> Result<(), Undecoded> {
        let mut layer = link::first(link, cursor, out)?;
        match layer {
            Layer::Ipv4 => layer = net::ipv4(cursor, out)?,
            Layer::Ipv6 => layer = net::ipv6(cursor, out)?,
            _ => {}
        }
        if let Layer::Tcp = layer {
            return transport::tcp(cursor, out);
        }
        self.walk(layer, *cursor, out, time, extra)
    }

    /// What could not be decoded so far.
    pub fn counts(&self) -> DecodeCounts {
        let mut counts = self.counts.clone();
        counts.fragments_waiting = self.fragments.waiting();
        counts
    }

    /// From `layer` inwards. Recurses once for each datagram put together, and each of those is inside of another
    /// tunnel, which are limited.
    fn walk(
        &mut self,
        mut layer: Layer,
        mut cursor: Cursor<'_>,
        out: &mut Decoded,
        time: Timestamp,
        extra: &mut Vec<u8>,
    ) -> Result<(), Undecoded> {
        // The datagram around what is being looked at, in case that turns out to be no tunnel.
        let mut datagram = None;
        for _ in 0..MAX_HEADERS {
            let next = match layer {
                Layer::Ethernet => link::ethernet(&mut cursor, out),
                Layer::EtherType(number) => ether::inside_tunnel(number, &mut cursor, out),
                Layer::Ip => net::ip(&cursor),
                Layer::Ipv4 => net::ipv4(&mut cursor, out),
                Layer::Ipv6 => net::ipv6(&mut cursor, out),
                Layer::Tcp => match transport::tcp(&cursor, out) {
                    Ok(()) => return Ok(()),
                    Err(reason) => Err(reason),
                },
                Layer::Udp => match transport::udp(&mut cursor, out) {
                    Ok(()) if tunnel::may_be_udp(&cursor, out) => {
                        let before = *out;
                        match tunnel::inside_udp(&mut cursor, out) {
                            Ok(Some(inside)) => {
                                datagram = Some(before);
                                Ok(inside)
                            }
                            Ok(None) => {
                                *out = before;
                                return Ok(());
                            }
                            Err(reason) => Err(reason),
                        }
                    }
                    Ok(()) => return Ok(()),
                    Err(reason) => Err(reason),
                },
                Layer::Fragment(header) => match self.fragment(header, cursor, out, time, extra) {
                    Ok(()) => return Ok(()),
                    Err(reason) => Err(reason),
                },
                Layer::Protocol(number, v6) => net::inside(number, v6, &mut cursor, out),
                Layer::Link(link) => link::first(link, &mut cursor, out),
                Layer::Mpls => tunnel::mpls::mpls(&mut cursor, out),
                Layer::Nsh => tunnel::nsh::nsh(&mut cursor, out),
                Layer::CapwapWifi => wifi::in_capwap(&mut cursor, out),
                Layer::Eapol => match eapol::pdu(cursor, out) {
                    Ok(()) => return Ok(()),
                    Err(reason) => Err(reason),
                },
            };
            layer = match (next, datagram) {
                (Ok(layer), _) => layer,
                (Err(reason), Some(datagram)) if !reason.is_plausible() => {
                    *out = datagram;
                    return Ok(());
                }
                (Err(reason), _) => return Err(reason),
            };
        }
        Err(Undecoded::TunnelDepth)
    }

    /// Puts a fragment to the others; goes on with the datagram where it is whole now.
    #[cold]
    fn fragment(
        &mut self,
        header: fragment::Header,
        cursor: Cursor<'_>,
        out: &mut Decoded,
        time: Timestamp,
        extra: &mut Vec<u8>,
    ) -> Result<(), Undecoded> {
        let ends = (out.source, out.destination);
        let Some((protocol, datagram)) =
            self.fragments
                .add(ends, header, &cursor, time, &mut self.counts)?
        else {
            return Err(Undecoded::FragmentWaiting);
        };
        let inner = Cursor::new(&datagram, datagram.len(), true);
        let next = Layer::Protocol(protocol, header.v6);
        self.walk(next, inner, out, time, extra)?;
        if !out.in_extra {
            let payload = datagram
                .get(out.payload_at..)
                .and_then(|rest| rest.get(..out.payload_len))
                .unwrap_or_default();
            out.payload_at = extra.len();
            out.payload_len = payload.len();
            out.in_extra = true;
            extra.extend_from_slice(payload);
        }
        Ok(())
    }
}

/// Headers in one frame; a bound for loops of headers that cost nothing to nest.
const MAX_HEADERS: usize = 48;
