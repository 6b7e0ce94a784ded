//! The unit that crosses threads.

use super::{Direction, FlowKey, Hasher};
use crate::decode::{Around, Decoded};
use crate::time::Timestamp;

/// A read buffer with the packets that lie in it. Moves from the capture thread to the workers and, empty, back.
#[derive(Debug, Default)]
pub struct Block {
    /// The bytes as read from the file, or an arena filled by live capture.
    pub bytes: Vec<u8>,
    /// Payloads that lie nowhere in `bytes` as one piece: datagrams put together from IP fragments.
    pub extra: Vec<u8>,
    /// One lane a worker.
    pub lanes: Vec<Lane>,
    /// What was around its packets, where that is anything; neighbours that are the same stand here once.
    pub around: Vec<Around>,
    /// The end of an epoch, after the packets of this block.
    pub tick: Option<Tick>,
}

impl Block {
    /// The payload of a packet of this block, as far as it was captured.
    #[inline]
    pub fn payload(&self, packet: &Packet) -> &[u8] {
        let (at, len) = (packet.payload_at as usize, packet.payload_len as usize);
        let whole = if packet.in_extra {
            &self.extra
        } else {
            &self.bytes
        };
        whole.get(at..at.saturating_add(len)).unwrap_or_default()
    }

    /// What was around a packet of this block.
    #[inline]
    pub fn around(&self, packet: &Packet) -> Around {
        let at = usize::from(packet.around).checked_sub(1);
        at.and_then(|at| self.around.get(at))
            .copied()
            .unwrap_or_default()
    }

    /// Notes what was around a packet that is to come into this block.
    #[inline]
    pub fn note(&mut self, packet: &mut Packet, decoded: &Decoded) {
        let around = Around {
            vlans: decoded.vlans,
            tunnels: decoded.tunnels,
        };
        if around == Around::default() {
            return;
        }
        if self.around.last() != Some(&around) {
            self.around.push(around);
        }
        // There are fewer packets in a block.
        packet.around = u16::try_from(self.around.len()).unwrap_or_default();
    }

    /// Empties it for the next use; the memory stays.
    pub fn clear(&mut self, lanes: usize) {
        self.bytes.clear();
        self.extra.clear();
        self.around.clear();
        self.lanes.resize_with(lanes, Lane::default);
        for lane in &mut self.lanes {
            lane.packets.clear();
        }
        self.tick = None;
    }
}

/// The packets of one worker, in the order of the trace.
#[derive(Debug, Default)]
pub struct Lane {
    /// In the order of the trace.
    pub packets: Vec<Packet>,
}

/// A fixed place in the trace at which flows age and records are sorted and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Epochs before this one.
    pub epoch: u64,
    /// Time of the last packet of the epoch.
    pub now: Timestamp,
    /// No packet comes behind it.
    pub last: bool,
}

/// One TCP segment, UDP datagram or frame of EAPOL: header facts, and where its payload lies in the [`Block`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Packet {
    /// The flow.
    pub key: FlowKey,
    /// The way it went.
    pub direction: Direction,
    /// Whether the payload lies in [`Block::extra`].
    pub in_extra: bool,
    /// TCP flags (RFC 9293 section 3.1), else 0.
    pub tcp_flags: u8,
    /// What was around it, by its place in the [`Block`], from 1; 0 for nothing.
    pub around: u16,
    /// Keyed hash of `key`.
    pub hash: u32,
    /// Number in the trace, from 1.
    pub number: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// Sequence number of TCP, else 0.
    pub sequence: u32,
    /// Acknowledgment number; meaningless without the ACK flag.
    pub acknowledgment: u32,
    /// Where the payload begins.
    pub payload_at: u32,
    /// Captured bytes of the payload.
    pub payload_len: u32,
    /// Bytes of the payload on the wire; more than `payload_len` where the snap length cut it.
    pub wire_len: u32,
    /// Where the innermost Ethernet header begins in [`Block::bytes`]; `u32::MAX` where there is none.
    pub ethernet_at: u32,
}

impl Packet {
    /// The packet with this `number` in the trace, of a frame that begins at `frame_at` in [`Block::bytes`]; what was around
    /// it is for [`Block::note`].
    #[inline(always)]
    pub fn new(
        decoded: &Decoded,
        hasher: &Hasher,
        number: u64,
        time: Timestamp,
        frame_at: usize,
    ) -> Self {
        let source = (decoded.source, decoded.source_port);
        let destination = (decoded.destination, decoded.destination_port);
        let (key, direction) = FlowKey::new(source, destination, decoded.transport);
        let base = if decoded.in_extra { 0 } else { frame_at };
        Self {
            key,
            direction,
            in_extra: decoded.in_extra,
            tcp_flags: decoded.tcp_flags,
            hash: hasher.hash(&key),
            number,
            time,
            sequence: decoded.sequence,
            acknowledgment: decoded.acknowledgment,
            payload_at: narrow(base + decoded.payload_at),
            payload_len: narrow(decoded.payload_len),
            wire_len: narrow(decoded.wire_len),
            ethernet_at: decoded
                .ethernet_at
                .map_or(u32::MAX, |at| narrow(frame_at + at)),
            around: 0,
        }
    }
}

fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// TCP flag bits, RFC 9293 section 3.1.
pub mod tcp_flags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// The acknowledgment field is significant.
    pub const ACK: u8 = 0x10;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Tunnel;

    /// It crosses from one processor's cache to another's.
    #[test]
    fn a_packet_stays_small() {
        assert_eq!(size_of::<Packet>(), 88);
    }

    #[test]
    fn what_is_around_packets_is_kept_once_for_neighbours() {
        let tagged = |vlan: u16| {
            let mut decoded = Decoded::default();
            decoded.vlans.push(vlan);
            decoded
        };
        let mut tunnelled = tagged(7);
        tunnelled.tunnels.push(Tunnel::Gre);
        let all = [
            Decoded::default(),
            tagged(7),
            tagged(7),
            tunnelled,
            Decoded::default(),
            tagged(7),
        ];
        let mut block = Block::default();
        let packets = all.map(|decoded| {
            let mut packet = Packet::default();
            block.note(&mut packet, &decoded);
            packet
        });
        for (packet, decoded) in packets.iter().zip(&all) {
            let Around { vlans, tunnels } = block.around(packet);
            assert_eq!((vlans, tunnels), (decoded.vlans, decoded.tunnels));
        }
        assert_eq!(block.around.len(), 3);
        block.clear(1);
        assert_eq!(block.around(&packets[3]), Around::default());
    }
}
