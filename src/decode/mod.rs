//! From a frame to the transport payload that lies in it.
//!
//! In: a frame as the capture gives it, with its link type. Out: [`Decoded`], header facts and the place of the
//! payload; or [`Undecoded`], the reason why there is none, which the caller counts. Borrows the frame and copies
//! nothing, except where a datagram has to be put together from IP fragments. Frames cut by the snap length are
//! normal: what is there is used. Never panics, never logs.

mod captured;
mod cursor;
mod decoder;
mod eapol;
mod ether;
pub mod fast;
mod fragment;
mod link;
mod net;
mod reason;
#[cfg(test)]
mod tests;
mod transport;
mod tunnel;
mod wifi;

pub use decoder::Decoder;
pub use reason::{DecodeCounts, Undecoded};

use crate::dispatch::Transport;

/// A LINKTYPE_ number as pcap and pcapng files carry it (registry at tcpdump.org/linktypes.html).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkType(pub u16);

/// VLAN identifiers, outermost first; unused places hold no number that a VLAN can have. More than four tags: the first four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vlans([u16; 4]);

impl Vlans {
    const NONE: u16 = u16::MAX;

    /// Adds a tag's VLAN identifier (12 bits) inside of the ones before.
    pub fn push(&mut self, vlan_id: u16) {
        if let Some(free) = self.0.iter_mut().find(|v| **v == Self::NONE) {
            *free = vlan_id & 0x0fff;
        }
    }

    /// All of it, to tell one from another.
    pub fn bytes(&self) -> [u8; 8] {
        let [a, b, c, d] = self.0.map(u16::to_ne_bytes);
        [a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]]
    }

    /// Outermost first.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().copied().take_while(|v| *v != Self::NONE)
    }
}

impl Default for Vlans {
    fn default() -> Self {
        Self([Self::NONE; 4])
    }
}

/// What was around the packet that counts: most packets of a trace have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// VLAN tags.
    pub vlans: Vlans,
    /// Encapsulations.
    pub tunnels: Tunnels,
}

/// An encapsulation that was taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(
    missing_docs,
    reason = "the names say it; name() gives the contract's word"
)]
pub enum Tunnel {
    Mpls = 1,
    Pppoe,
    Gre,
    Erspan,
    Vxlan,
    Geneve,
    Ipip,
    SixInFour,
    Teredo,
    Gtp,
    L2tp,
    VnTag,
    Tzsp,
    Ppp,
    Pseudowire,
    EtherIp,
    Pbb,
    Nsh,
    Capwap,
    Ayiya,
}

impl Tunnel {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 20] = [
        Self::Mpls,
        Self::Pppoe,
        Self::Gre,
        Self::Erspan,
        Self::Vxlan,
        Self::Geneve,
        Self::Ipip,
        Self::SixInFour,
        Self::Teredo,
        Self::Gtp,
        Self::L2tp,
        Self::VnTag,
        Self::Tzsp,
        Self::Ppp,
        Self::Pseudowire,
        Self::EtherIp,
        Self::Pbb,
        Self::Nsh,
        Self::Capwap,
        Self::Ayiya,
    ];

    /// The word in the record's `tunnel` list.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mpls => "mpls",
            Self::Pppoe => "pppoe",
            Self::Gre => "gre",
            Self::Erspan => "erspan",
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
            Self::Ipip => "ipip",
            Self::SixInFour => "6in4",
            Self::Teredo => "teredo",
            Self::Gtp => "gtp",
            Self::L2tp => "l2tp",
            Self::VnTag => "vntag",
            Self::Tzsp => "tzsp",
            Self::Ppp => "ppp",
            Self::Pseudowire => "pseudowire",
            Self::EtherIp => "etherip",
            Self::Pbb => "pbb",
            Self::Nsh => "nsh",
            Self::Capwap => "capwap",
            Self::Ayiya => "ayiya",
        }
    }
}

/// Encapsulations taken off, outermost first; 0 marks an unused place. More than eight are not followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tunnels([u8; 8]);

impl Tunnels {
    /// Adds one inside of the ones before; `false` where the limit is reached.
    pub fn push(&mut self, tunnel: Tunnel) -> bool {
        let Some(free) = self.0.iter_mut().find(|t| **t == 0) else {
            return false;
        };
        *free = tunnel as u8;
        true
    }

    /// All of it, to tell one from another.
    pub const fn bytes(&self) -> [u8; 8] {
        self.0
    }

    /// Outermost first.
    pub fn iter(&self) -> impl Iterator<Item = Tunnel> + '_ {
        self.0
            .iter()
            .take_while(|t| **t != 0)
            .filter_map(|t| Tunnel::ALL.get(usize::from(*t) - 1).copied())
    }
}

/// What a frame holds for us: one TCP segment or UDP datagram, or a PDU of EAPOL.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoded {
    /// Innermost addresses; IPv4 in its IPv6-mapped form, MAC addresses of EAPOL as [`of_mac`](crate::dispatch::of_mac)
    /// has them.
    pub source: [u8; 16],
    /// As `source`.
    pub destination: [u8; 16],
    /// Port of the sender.
    pub source_port: u16,
    /// Port of the receiver.
    pub destination_port: u16,
    /// TCP or UDP, or EAPOL without either.
    pub transport: Transport,
    /// TCP flags, low eight bits; else 0.
    pub tcp_flags: u8,
    /// TCP sequence number; else 0.
    pub sequence: u32,
    /// TCP acknowledgment number; else 0.
    pub acknowledgment: u32,
    /// The payload lies in `extra` (put together from fragments) and not in the frame.
    pub in_extra: bool,
    /// Where the captured payload begins, from the frame's first byte (or from the beginning of `extra`).
    pub payload_at: usize,
    /// Captured bytes of the payload; link-layer padding is not payload.
    pub payload_len: usize,
    /// Bytes of the payload on the wire.
    pub wire_len: usize,
    /// Where the innermost Ethernet header begins in the frame.
    pub ethernet_at: Option<usize>,
    /// Destination and source of the innermost link-layer header that has MAC addresses, zeros where it does not tell:
    /// for those who have no other address. The reader of common frames ([`fast`]) has no use for them.
    pub stations: [[u8; 6]; 2],
    /// VLAN tags, outermost first, of all Ethernet headers passed.
    pub vlans: Vlans,
    /// Encapsulations taken off, outermost first.
    pub tunnels: Tunnels,
}
