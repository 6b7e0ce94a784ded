//! The shape of nearly every frame, read straight on: Ethernet, at most one VLAN tag, IPv4 or IPv6, TCP, whole headers.
//!
//! Whatever is not exactly that is left to [`Decoder::decode`](super::Decoder::decode), which gives the same of these
//! frames too: the tests hold one against the other.

use super::{Decoded, LinkType, Vlans, ether};
use crate::dispatch::{Transport, mapped};

const ETHERNET: LinkType = LinkType(1);
const TCP: u8 = 6;

/// The segment in `frame`; `None` where another reader must look. How long the frame was on the wire does not matter: the
/// IP header tells how much of that was the packet.
#[inline(always)]
pub fn segment(link: LinkType, frame: &[u8]) -> Option<Decoded> {
    if link != ETHERNET {
        return None;
    }
    // Ethernet, IPv4 and TCP without options have 54 bytes: one check for all of them.
    let [
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        t0,
        t1,
        g0,
        g1,
        e0,
        e1,
        ..,
    ] = *frame.first_chunk::<54>()?;
    let mut number = u16::from_be_bytes([t0, t1]);
    let mut vlans = Vlans::default();
    let mut ip_at = 14;
    if number == ether::VLAN {
        vlans.push(u16::from_be_bytes([g0, g1]));
        number = u16::from_be_bytes([e0, e1]);
        ip_at = 18;
    }
    let packet = frame.get(ip_at..)?;
    let (source, destination, header_len, packet_len) = match number {
        ether::IPV4 => {
            let [
                version_ihl,
                _,
                l0,
                l1,
                _,
                _,
                f0,
                f1,
                _,
                protocol,
                _,
                _,
                s0,
                s1,
                s2,
                s3,
                d0,
                d1,
                d2,
                d3,
            ] = *packet.first_chunk::<20>()?;
            let header_len = usize::from(version_ihl & 0x0f) * 4;
            let total = usize::from(u16::from_be_bytes([l0, l1]));
            // Neither "more fragments" nor an offset.
            let fragment = u16::from_be_bytes([f0, f1]) & 0x3fff != 0;
            if version_ihl >> 4 != 4
                || header_len < 20
                || total < header_len
                || fragment
                || protocol != TCP
            {
                return None;
            }
            let addresses = (mapped([s0, s1, s2, s3]), mapped([d0, d1, d2, d3]));
            (addresses.0, addresses.1, header_len, total)
        }
        ether::IPV6 => {
            let header = packet.first_chunk::<40>()?;
            let [version, _, _, _, l0, l1, next, _, ..] = *header;
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            if version >> 4 != 6 || next != TCP || length == 0 {
                return None;
            }
            let (source, rest) = header.get(8..)?.split_first_chunk::<16>()?;
            (*source, *rest.first_chunk::<16>()?, 40, 40 + length)
        }
        _ => return None,
    };
    // Padding behind the packet is cut off; what the snap length cut was on the wire all the same.
    let packet = packet.get(..packet_len).unwrap_or(packet);
    let segment = packet.get(header_len..)?;
    let [
        p0,
        p1,
        q0,
        q1,
        n0,
        n1,
        n2,
        n3,
        a0,
        a1,
        a2,
        a3,
        offset,
        tcp_flags,
        ..,
    ] = *segment.first_chunk::<20>()?;
    let tcp_len = usize::from(offset >> 4) * 4;
    if tcp_len < 20 {
        return None;
    }
    let payload_len = segment.len().checked_sub(tcp_len)?;
    Some(Decoded {
        source,
        destination,
        source_port: u16::from_be_bytes([p0, p1]),
        destination_port: u16::from_be_bytes([q0, q1]),
        transport: Transport::Tcp,
        tcp_flags,
        sequence: u32::from_be_bytes([n0, n1, n2, n3]),
        acknowledgment: u32::from_be_bytes([a0, a1, a2, a3]),
        in_extra: false,
        payload_at: ip_at + header_len + tcp_len,
        payload_len,
        wire_len: packet_len - header_len - tcp_len,
        ethernet_at: Some(0),
        vlans,
        ..Decoded::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::decode::Decoder;
    use crate::time::Timestamp;
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    /// A frame of the common shape, with options, padding and a payload.
    fn frame() -> impl Strategy<Value = Vec<u8>> {
        (
            any::<(bool, bool, [u8; 16], [u8; 16], u16, u16, u32)>(),
            prop::collection::vec(any::<u8>(), 0..80),
            0..30_usize,
            any::<bool>(),
        )
            .prop_map(
                |((v6, tagged, a, b, p, q, sequence), payload, padding, options)| {
                    let [ethernet, vlan] = [
                        PacketBuilder::ethernet2([1; 6], [2; 6]),
                        PacketBuilder::ethernet2([1; 6], [2; 6]),
                    ];
                    let (v4a, v4b) = ([a[0], a[1], a[2], a[3]], [b[0], b[1], b[2], b[3]]);
                    let vlan_id = etherparse::VlanId::try_new(7).expect("12 bits");
                    let ip = match (v6, tagged) {
                        (false, false) => ethernet.ipv4(v4a, v4b, 64),
                        (true, false) => ethernet.ipv6(a, b, 64),
                        (false, true) => vlan.single_vlan(vlan_id).ipv4(v4a, v4b, 64),
                        (true, true) => vlan.single_vlan(vlan_id).ipv6(a, b, 64),
                    };
                    let mut tcp = ip.tcp(p, q, sequence, 1024);
                    if options {
                        tcp = tcp
                            .options(&[etherparse::TcpOptionElement::Timestamp(1, 2)])
                            .expect("it fits");
                    }
                    let mut out = Vec::new();
                    tcp.write(&mut out, &payload).expect("into memory");
                    out.resize(out.len() + padding, 0);
                    out
                },
            )
    }

    fn agrees(frame: &[u8], wire_len: usize) -> bool {
        let Some(fast) = segment(ETHERNET, frame) else {
            return false;
        };
        let mut slow = Decoder::new(&Limits::default())
            .decode(ETHERNET, frame, wire_len, Timestamp(0), &mut Vec::new())
            .expect("what one reads the other reads");
        // Of no use to a segment, so the one does not look.
        slow.stations = fast.stations;
        assert_eq!(format!("{fast:?}"), format!("{slow:?}"));
        true
    }

    proptest! {
        #[test]
        fn sees_what_the_whole_decoder_sees(
            frame in frame(),
            changes in prop::collection::vec((0..80_usize, any::<u8>()), 0..4),
            cut in 0..200_usize,
        ) {
            prop_assert!(agrees(&frame, frame.len()));
            let mut frame = frame;
            for (at, byte) in changes {
                if let Some(slot) = frame.get_mut(at) {
                    *slot = byte;
                }
            }
            agrees(&frame, frame.len());
            let wire_len = frame.len();
            frame.truncate(cut);
            agrees(&frame, wire_len);
        }
    }
}
