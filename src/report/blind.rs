//! What could not be seen, and what that means for the reader.

use std::collections::BTreeMap;

use crate::decode::LinkType;
use crate::record::Unseen;

/// A way to lose sight. In the order in which reports tell them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Blind {
    /// Packets that the kernel dropped before the program could read them (live only).
    KernelDrops,
    /// Packets that the interface or its driver dropped (live only).
    InterfaceDrops,
    /// Packets that the program dropped because its workers were busy (live only).
    QueueDrops,
    /// Flows that began while packets were dropped (live only).
    DuringLoss,
    /// Flows whose records could not be written, as on a full disk (live only).
    RecordsLost,
    /// Flows with stream bytes missing.
    Gaps,
    /// Flows whose hello the snap length cut.
    SnaplenCuts,
    /// Flows that began before the capture did.
    MidStream,
    /// Flows given up because a cap was reached.
    Evicted,
    /// Flows of which one direction was captured.
    OneWay,
    /// Flows in which copies of the same bytes disagree.
    Conflicting,
    /// Flows with a handshake message that does not parse.
    Malformed,
    /// Flows whose handshake was under way when the capture ended.
    CaptureEnd,
    /// Times that a buffer's cap was reached and bytes that waited for others were given up.
    BuffersGivenUp,
    /// IP datagrams given up because fragments were missing or a cap was reached.
    Fragments,
    /// Packets with header lengths that lie, or cut before the transport header's end.
    MalformedPackets,
    /// Packets of a link type that is not decoded.
    LinkType(LinkType),
    /// Frames of an EtherType that is not decoded.
    EtherType(u16),
    /// Datagrams of an IP protocol that is not decoded, TCP and UDP apart.
    IpProtocol(u8),
    /// Flows of devices beyond the cap of devices, counted in the totals alone.
    UnlistedDevices,
    /// Flows of servers beyond the cap of servers, counted in the totals alone.
    UnlistedServers,
}

impl Blind {
    /// Those that have no number, in order: reports in JSON show them even at zero.
    pub const FIXED: &'static [Self] = &[
        Self::KernelDrops,
        Self::InterfaceDrops,
        Self::QueueDrops,
        Self::DuringLoss,
        Self::RecordsLost,
        Self::Gaps,
        Self::SnaplenCuts,
        Self::MidStream,
        Self::Evicted,
        Self::OneWay,
        Self::Conflicting,
        Self::Malformed,
        Self::CaptureEnd,
        Self::BuffersGivenUp,
        Self::Fragments,
        Self::MalformedPackets,
        Self::UnlistedDevices,
        Self::UnlistedServers,
    ];

    /// The key in the JSON report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KernelDrops => "kernel_drops",
            Self::InterfaceDrops => "interface_drops",
            Self::QueueDrops => "queue_drops",
            Self::DuringLoss => "began_during_drops",
            Self::RecordsLost => "records_not_written",
            Self::Gaps => "gaps",
            Self::SnaplenCuts => "snaplen_cuts",
            Self::MidStream => "mid_stream",
            Self::Evicted => "evicted",
            Self::OneWay => "one_way",
            Self::Conflicting => "conflicting",
            Self::Malformed => "malformed_handshakes",
            Self::CaptureEnd => "capture_ended",
            Self::BuffersGivenUp => "buffers_given_up",
            Self::Fragments => "fragments_given_up",
            Self::MalformedPackets => "malformed_packets",
            Self::LinkType(_) => "undecoded_link_types",
            Self::EtherType(_) => "undecoded_ethertypes",
            Self::IpProtocol(_) => "undecoded_ip_protocols",
            Self::UnlistedDevices => "flows_of_unlisted_devices",
            Self::UnlistedServers => "flows_of_unlisted_servers",
        }
    }

    /// The number within a family, as text.
    pub fn number(self) -> Option<String> {
        match self {
            Self::LinkType(link) => Some(link.0.to_string()),
            Self::EtherType(number) => Some(format!("0x{number:04x}")),
            Self::IpProtocol(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// What was lost, after its count: "1 packet", "2 packets".
    pub(super) const fn unit(self) -> (&'static str, &'static str) {
        match self {
            Self::KernelDrops
            | Self::InterfaceDrops
            | Self::QueueDrops
            | Self::MalformedPackets
            | Self::LinkType(_) => ("packet", "packets"),
            Self::EtherType(_) => ("frame", "frames"),
            Self::IpProtocol(_) => ("datagram", "datagrams"),
            Self::Fragments => ("datagram", "datagrams"),
            Self::BuffersGivenUp => ("buffer", "buffers"),
            _ => ("flow", "flows"),
        }
    }

    /// What happened, in words that follow count and unit.
    pub(super) fn what(self) -> String {
        match self {
            Self::KernelDrops => "dropped by the kernel before they could be read".into(),
            Self::InterfaceDrops => "dropped by the interface before the kernel had them".into(),
            Self::QueueDrops => "dropped because the workers were busy".into(),
            Self::DuringLoss => "that began while packets were dropped".into(),
            Self::RecordsLost => "whose records could not be written".into(),
            Self::Gaps => "with bytes missing in the capture".into(),
            Self::SnaplenCuts => "with a hello cut off by the snap length".into(),
            Self::MidStream => "that began before the capture".into(),
            Self::Evicted => "given up because a limit was reached".into(),
            Self::OneWay => "captured in one direction only".into(),
            Self::Conflicting => "in which copies of the same bytes disagree".into(),
            Self::Malformed => "with a handshake that does not parse".into(),
            Self::CaptureEnd => "still in the handshake when the capture ended".into(),
            Self::BuffersGivenUp => "given up because a limit was reached".into(),
            Self::Fragments => "of which IP fragments are missing".into(),
            Self::MalformedPackets => "with headers that are cut off or wrong".into(),
            Self::LinkType(link) => format!("of link type {}, which is not decoded", link.0),
            Self::EtherType(number) => {
                let name = match number {
                    0x0806 => " (ARP)",
                    0x88cc => " (LLDP)",
                    0x888e => " (EAPOL)",
                    0x88e5 => " (MACsec)",
                    _ => "",
                };
                format!("of EtherType 0x{number:04x}{name}, not decoded")
            }
            Self::IpProtocol(number) => {
                let name = match number {
                    1 => " (ICMP)",
                    2 => " (IGMP)",
                    50 => " (ESP)",
                    58 => " (ICMPv6)",
                    132 => " (SCTP)",
                    _ => "",
                };
                format!("of IP protocol {number}{name}, not decoded")
            }
            Self::UnlistedDevices => "of devices too many to list: in the totals only".into(),
            Self::UnlistedServers => "of servers too many to list: in the totals only".into(),
        }
    }

    /// What it means and what can be done, where that is not plain.
    pub(super) const fn remedy(self) -> Option<&'static str> {
        Some(match self {
            Self::KernelDrops => {
                "Hellos may be among them; capture with a larger --buffer or a filter."
            }
            Self::InterfaceDrops => {
                "Hellos may be among them; the mirror port gives more than the interface takes."
            }
            Self::DuringLoss => "What was not seen of them is unknown, never taken for silence.",
            Self::RecordsLost => "They are in the report's counts all the same.",
            Self::QueueDrops => "Hellos may be among them; give more --workers or a filter.",
            Self::Gaps => {
                "What was lost there is unknown, never guessed; look for drops at the mirror port."
            }
            Self::SnaplenCuts => "Capture again with whole packets (tcpdump -s 0).",
            Self::MidStream => {
                "Their hellos were not captured; only TLS 1.0 and 1.1 can be told from later records."
            }
            Self::OneWay => {
                "See whether the mirror port copies both directions, and whether routes are asymmetric."
            }
            Self::Evicted => "What they negotiated is unknown.",
            Self::Conflicting => {
                "The first copy counts; a faulty mirror port or somebody who tampers sends such."
            }
            Self::LinkType(_) => "Any TLS inside was not seen.",
            _ => return None,
        })
    }
}

impl From<Unseen> for Blind {
    fn from(unseen: Unseen) -> Self {
        match unseen {
            Unseen::MidStream => Self::MidStream,
            Unseen::OneWay => Self::OneWay,
            Unseen::Gap => Self::Gaps,
            Unseen::Snaplen => Self::SnaplenCuts,
            Unseen::Evicted => Self::Evicted,
            Unseen::Conflicting => Self::Conflicting,
            Unseen::Malformed => Self::Malformed,
            Unseen::CaptureEnd => Self::CaptureEnd,
            Unseen::DuringLoss => Self::DuringLoss,
        }
    }
}

/// Counts of what could not be seen. The numbers of families (link types and the like) are 16 bits at most, so the
/// map cannot grow without end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlindSpots(BTreeMap<Blind, u64>);

impl BlindSpots {
    /// Counts `n` more.
    pub fn add(&mut self, blind: Blind, n: u64) {
        if n > 0 {
            *self.0.entry(blind).or_default() += n;
        }
    }

    /// Adds all counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (blind, n) in &other.0 {
            self.add(*blind, *n);
        }
    }

    /// The count.
    pub fn get(&self, blind: Blind) -> u64 {
        self.0.get(&blind).copied().unwrap_or(0)
    }

    /// What was counted, in the order of [`Blind`].
    pub fn iter(&self) -> impl Iterator<Item = (Blind, u64)> + '_ {
        self.0.iter().map(|(blind, n)| (*blind, *n))
    }

    /// Whether nothing was hidden.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl super::Summary {
    /// Everything that could not be seen: what the run counted, and what the tally's flows tell.
    pub fn blind_spots(&self) -> BlindSpots {
        let mut all = self.blind.clone();
        for (unseen, n) in self.tally.unseen.iter() {
            all.add((*unseen).into(), *n);
        }
        all.add(Blind::UnlistedDevices, self.tally.flows_of_unlisted_devices);
        all.add(Blind::UnlistedServers, self.tally.flows_of_unlisted_servers);
        all
    }
}
