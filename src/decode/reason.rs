//! Why a frame gives no segment and no datagram: what could not be seen, and what is simply something else.

use std::collections::BTreeMap;
use std::fmt;

use etherparse::{EtherType, IpNumber};

use super::LinkType;

/// Why a frame was not decoded down to TCP or UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Undecoded {
    /// A link type that is not read.
    LinkType(LinkType),
    /// An EtherType that is neither IP nor something that carries it.
    EtherType(u16),
    /// An IEEE 802.2 destination service access point that carries no IP.
    Llc(u8),
    /// A PPP protocol that carries no IP, or compressed or encrypted.
    PppProtocol(u16),
    /// A protocol on IP other than TCP and UDP, and not a tunnel.
    IpProtocol(u8),
    /// The snap length cut it within this header.
    Truncated(&'static str),
    /// A header that contradicts itself: which, and how.
    Malformed(&'static str, &'static str),
    /// Encrypted below IP, or IP itself.
    Encrypted(&'static str),
    /// An IP fragment that was put aside until the others come. Not a loss yet: [`DecodeCounts`] tells how many
    /// never became whole.
    FragmentWaiting,
    /// A fragment of a tunnel that is not put together.
    TunnelFragment(&'static str),
    /// More encapsulations, or headers in a row, than are followed.
    TunnelDepth,
    /// A frame of the link layer itself: beacons, acknowledgments, link-layer control.
    LinkControl(&'static str),
}

impl Undecoded {
    /// Whether TCP or UDP may have been in there, so that it belongs under "what could not be seen". `false` for
    /// ordinary other traffic such as ARP and ICMP.
    pub const fn may_hide_sessions(self) -> bool {
        match self {
            Self::LinkType(_)
            | Self::Truncated(_)
            | Self::Malformed(..)
            | Self::Encrypted(_)
            | Self::TunnelFragment(_)
            | Self::TunnelDepth => true,
            Self::PppProtocol(protocol) => matches!(protocol, 0x002d | 0x002f | 0x003d | 0x00fd),
            Self::IpProtocol(protocol) => matches!(protocol, 50 | 55 | 108),
            Self::EtherType(_) | Self::Llc(_) | Self::FragmentWaiting | Self::LinkControl(_) => {
                false
            }
        }
    }

    /// Whether the bytes were what the header before promised. If not, a tunnel that was guessed from a port number
    /// is none.
    pub(super) fn is_plausible(self) -> bool {
        match self {
            Self::EtherType(number) => ether_type_name(number).is_some(),
            Self::PppProtocol(number) => ppp_name(number).is_some(),
            Self::Llc(number) => llc_name(number).is_some(),
            Self::LinkType(_) | Self::Malformed(..) => false,
            _ => true,
        }
    }
}

impl fmt::Display for Undecoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |f: &mut fmt::Formatter<'_>, name: Option<&str>| match name {
            Some(name) => write!(f, " ({name})"),
            None => Ok(()),
        };
        match *self {
            Self::LinkType(link) => {
                write!(f, "link type {}", link.0)?;
                named(f, link_name(link.0))
            }
            Self::EtherType(number) => {
                write!(f, "EtherType 0x{number:04x}")?;
                named(f, ether_type_name(number))
            }
            Self::Llc(number) => {
                write!(f, "LLC service access point 0x{number:02x}")?;
                named(f, llc_name(number))
            }
            Self::PppProtocol(number) => {
                write!(f, "PPP protocol 0x{number:04x}")?;
                named(f, ppp_name(number))
            }
            Self::IpProtocol(number) => {
                write!(f, "IP protocol {number}")?;
                named(f, IpNumber(number).keyword_str())
            }
            Self::Truncated(layer) => write!(f, "cut by snap length in the {layer} header"),
            Self::Malformed(layer, what) => write!(f, "malformed {layer} header: {what}"),
            Self::Encrypted(what) => write!(f, "encrypted by {what}"),
            Self::FragmentWaiting => f.write_str("IP fragment that waits for others"),
            Self::TunnelFragment(what) => write!(f, "fragment of {what}"),
            Self::TunnelDepth => f.write_str("more headers than are followed"),
            Self::LinkControl(what) => f.write_str(what),
        }
    }
}

/// How often each reason occurred. Bounded, whatever the traffic.
#[derive(Clone, Debug, Default)]
pub struct DecodeCounts {
    reasons: BTreeMap<Undecoded, u64>,
    /// Frames whose reason found no place any more.
    other: u64,
    /// IP fragments seen.
    pub fragments: u64,
    /// Datagrams put together from fragments.
    pub reassembled: u64,
    /// Fragments that were dropped because the others did not come in time.
    pub fragments_expired: u64,
    /// Fragments that were dropped for want of space.
    pub fragments_evicted: u64,
    /// Fragments that still waited at the end of the capture, or do now.
    pub fragments_waiting: u64,
    /// Fragments that disagree with one that came before over bytes of the same place; the first copy was taken.
    pub fragments_conflicting: u64,
}

impl DecodeCounts {
    /// Each reason with its frames, in a fixed order; fragments that wait are not among them.
    pub fn iter(&self) -> impl Iterator<Item = (Undecoded, u64)> + '_ {
        self.reasons
            .iter()
            .map(|(reason, frames)| (*reason, *frames))
    }

    /// Frames with further reasons, once there were too many different ones to tell apart.
    pub const fn other(&self) -> u64 {
        self.other
    }

    /// Fragments whose datagram never became whole.
    pub const fn fragments_lost(&self) -> u64 {
        self.fragments_expired
            .saturating_add(self.fragments_evicted)
            .saturating_add(self.fragments_waiting)
    }

    #[cold]
    pub(super) fn add(&mut self, reason: Undecoded) {
        if reason == Undecoded::FragmentWaiting {
            return;
        }
        if let Some(frames) = self.reasons.get_mut(&reason) {
            *frames = frames.saturating_add(1);
        } else if self.reasons.len() < MAX_REASONS {
            self.reasons.insert(reason, 1);
        } else {
            self.other = self.other.saturating_add(1);
        }
    }
}

/// tcpdump.org/linktypes.html; those that one meets and that are not read.
fn link_name(number: u16) -> Option<&'static str> {
    Some(match number {
        147..=162 => USER.get(usize::from(number.saturating_sub(147)))?,
        6 => "IEEE 802.5",
        7 => "ARCNET",
        8 => "SLIP",
        10 => "FDDI",
        138 => "Apple IP over IEEE 1394",
        140 => "MTP2",
        141 => "MTP3",
        142 => "SCCP",
        177 => "Linux LAPD",
        187 => "Bluetooth H4",
        189 => "USB, Linux",
        195 => "IEEE 802.15.4",
        201 => "Bluetooth H4 with direction",
        220 => "USB, Linux, mmapped",
        230 => "IEEE 802.15.4 without FCS",
        227 => "CAN",
        245 => "NFC",
        247 => "InfiniBand",
        248 => "SCTP",
        249 => "USBPcap",
        251 => "Bluetooth LE",
        252 => "Wireshark exported PDU",
        253 => "Netlink",
        265 => "ZWave",
        272 => "nRF Bluetooth LE",
        _ => return None,
    })
}

const USER: [&str; 16] = [
    "USER0", "USER1", "USER2", "USER3", "USER4", "USER5", "USER6", "USER7", "USER8", "USER9",
    "USER10", "USER11", "USER12", "USER13", "USER14", "USER15",
];

/// IEEE's registry, and IANA's "IEEE 802 Numbers"; those that one meets.
fn ether_type_name(number: u16) -> Option<&'static str> {
    Some(match EtherType(number) {
        EtherType::ARP => "ARP",
        EtherType::WAKE_ON_LAN => "Wake-on-LAN",
        _ => match number {
            0x22f0 => "AVTP",
            0x22f3 => "TRILL",
            0x22f4 => "IS-IS",
            0x6002 => "DEC MOP",
            0x8035 => "RARP",
            0x809b => "AppleTalk",
            0x80f3 => "AppleTalk ARP",
            0x8137 => "IPX",
            0x86dd => "IPv6",
            0x8808 => "Ethernet flow control",
            0x8809 => "slow protocols",
            0x8863 => "PPPoE discovery",
            0x886c => "HomePNA",
            0x888e => "EAPOL",
            0x8892 => "PROFINET",
            0x88a2 => "ATA over Ethernet",
            0x88a4 => "EtherCAT",
            0x88b5 | 0x88b6 => "local experiment",
            0x88b8 => "GOOSE",
            0x88ba => "sampled values",
            0x88c7 => "802.11 pre-authentication",
            0x88cc => "LLDP",
            0x88e1 => "HomePlug",
            0x88e3 => "MRP",
            0x88f7 => "PTP",
            0x88fb => "PRP",
            0x8902 => "CFM",
            0x8906 => "FCoE",
            0x8914 => "FCoE initialization",
            0x8915 => "RoCE",
            0x9000 => "loopback test",
            _ => return None,
        },
    })
}

fn llc_name(number: u8) -> Option<&'static str> {
    Some(match number {
        0x00 => "null",
        0x42 => "spanning tree",
        0x04 | 0x08 => "SNA",
        0xaa => "SNAP of a vendor",
        0xe0 | 0xff => "IPX",
        0xf0 => "NetBIOS",
        0xfe => "OSI",
        _ => return None,
    })
}

/// IANA's "PPP DLL Protocol Numbers"; those that one meets.
fn ppp_name(number: u16) -> Option<&'static str> {
    Some(match number {
        0x002d | 0x002f => "Van Jacobson compressed TCP",
        0x003d => "multilink",
        0x00fd => "compressed or encrypted",
        0x8021 => "IPCP",
        0x8057 => "IPv6CP",
        0x80fd => "CCP",
        0xc021 => "LCP",
        0xc023 => "PAP",
        0xc025 => "link quality report",
        0xc223 => "CHAP",
        0xc227 => "EAP",
        _ => return None,
    })
}

/// Different reasons told apart; numbers from the wire are among them.
const MAX_REASONS: usize = 1024;
