//! The walk from header to header.

use super::cursor::Cursor;
use super::fragment::{self, Fragments};
use super::{DecodeCounts, Decoded, LinkType, Undecoded, ether, link, net, transport};
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
    Tcp,
    Udp,
}

impl Decoder {
    /// With the caps of `limits` on fragments.
    pub fn new(limits: &Limits) -> Self {
        Self {
            fragments: Fragments::new(limits),
            counts: DecodeCounts::default(),
        }
    }

    /// The TCP segment or UDP datagram in `frame`, of which `wire_len` bytes were on the wire at `time`.
    ///
    /// A payload that had to be put together from fragments is appended to `extra`.
    ///
    /// # Errors
    /// Why there is none; it was counted.
    #[inline]
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
        let done = link::first(link, &mut cursor, &mut out)
            .and_then(|layer| self.walk(layer, cursor, &mut out, time, extra));
        match done {
            Ok(()) => Ok(out),
            Err(reason) => {
                self.counts.add(reason);
                Err(reason)
            }
        }
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
        for _ in 0..MAX_HEADERS {
            layer = match layer {
                Layer::Ethernet => link::ethernet(&mut cursor, out)?,
                Layer::EtherType(number) => ether::inside(number, &mut cursor, out)?,
                Layer::Ip => net::ip(&cursor)?,
                Layer::Ipv4 => net::ipv4(&mut cursor, out)?,
                Layer::Ipv6 => net::ipv6(&mut cursor, out)?,
                Layer::Fragment(header) => {
                    return self.fragment(header, cursor, out, time, extra);
                }
                Layer::Protocol(number, v6) => net::inside(number, v6, &mut cursor, out)?,
                Layer::Tcp => return transport::tcp(&cursor, out),
                Layer::Udp => return transport::udp(&mut cursor, out),
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
