//! How a connection opens and closes: the segments with SYN, FIN or RST.

use super::tcp::FAR;
use super::{Close, Flow, Half, State};
use crate::dispatch::{Direction, Packet, tcp_flags};

impl Flow {
    /// Takes what a segment acknowledges that neither opens nor resets. A server that had forgotten the SYN, or another one
    /// behind the same address, answers the next one with another number: of several SYN-ACKs, the client took this one.
    pub(crate) fn take_acknowledgment(&mut self, packet: &Packet) {
        let [half, other] = from(packet.direction, &mut self.halves);
        let is_plain =
            packet.tcp_flags & (tcp_flags::ACK | tcp_flags::SYN | tcp_flags::RST) == tcp_flags::ACK;
        let ahead = |place: u32, of: Option<u32>| of.map(|isn| place.wrapping_sub(isn));
        if is_plain
            && other.bytes == 0
            && ahead(packet.acknowledgment, other.isn()).is_some_and(|a| !(1..FAR).contains(&a))
            && ahead(packet.sequence, half.isn()).is_some_and(|a| (1..FAR).contains(&a))
        {
            other.correct_isn(packet.acknowledgment);
        }
    }

    /// Takes what a SYN, FIN or RST says.
    pub(crate) fn control(&mut self, packet: &Packet) {
        let [half, other] = from(packet.direction, &mut self.halves);
        let has = |flag| packet.tcp_flags & flag != 0;
        // A straggler of the connection before closes nothing: it lies before the window (RFC 9293 section 3.10.7.4), or
        // does not acknowledge the SYN (section 3.10.7.3).
        let stale = match (half.isn(), other.isn()) {
            (Some(isn), _) => {
                half.bytes < 1 << 30 && (packet.sequence.wrapping_sub(isn) as i32) < 0
            }
            (None, Some(_)) if !has(tcp_flags::ACK) => half.bytes == 0,
            (None, Some(isn)) => {
                other.bytes < 1 << 30
                    && !(1..=other.bytes as u32 + (1 << 20))
                        .contains(&packet.acknowledgment.wrapping_sub(isn))
            }
            (None, None) => false,
        };
        if stale && !has(tcp_flags::SYN) {
            return;
        }
        // RFC 9293 section 3.10.7.3: a SYN-ACK that does not acknowledge the SYN, or the data on it, is not its answer. A
        // mirror on both sides of a firewall that rewrites sequence numbers shows such.
        let foreign = has(tcp_flags::ACK)
            && other.isn().is_some_and(|isn| {
                !(1..=1 << 16).contains(&packet.acknowledgment.wrapping_sub(isn))
            });
        if has(tcp_flags::SYN) && !has(tcp_flags::RST) && !foreign {
            half.learn_isn(packet.sequence, packet.wire_len);
            if has(tcp_flags::ACK) {
                self.opener.get_or_insert(packet.direction.flip());
                other.suppose_isn(packet.acknowledgment);
            } else {
                self.opener.get_or_insert(packet.direction);
            }
        }
        // RFC 9293 section 3.4: a FIN takes a sequence number, which a reset behind it has counted.
        if has(tcp_flags::FIN) || has(tcp_flags::RST) && !half.fin {
            half.set_end(packet.sequence.wrapping_add(packet.wire_len));
        }
        if has(tcp_flags::FIN | tcp_flags::RST)
            && self.first_close.is_none()
            && let State::Active(active) = &mut self.state
        {
            active.closed_without_alert = active.session.alerts.is_empty();
        }
        if has(tcp_flags::FIN) {
            half.fin = true;
            self.first_close.get_or_insert(Close::fin(packet.direction));
        }
        if has(tcp_flags::RST) {
            let first = self
                .first_close
                .get_or_insert(Close::reset(packet.direction));
            if !first.is_reset() {
                // A reset behind a FIN: closed at once, but the FIN came first.
                half.fin = true;
                other.fin = true;
            }
        }
    }
}

/// The half that sends in `direction`, and the other.
const fn from(direction: Direction, [up, down]: &mut [Half; 2]) -> [&mut Half; 2] {
    match direction {
        Direction::Up => [up, down],
        Direction::Down => [down, up],
    }
}
