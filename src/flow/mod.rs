//! Connections: the table of flows, their two directions, and the bytes of each put in order.
//!
//! In: packets of one shard with their payloads. Out: contiguous bytes for the framings, and at the end [`Facts`].
//! Flows own their buffers and let go of them as soon as all is told that can be.

pub mod conclude;
mod control;
pub mod eapol;
#[cfg(test)]
mod eapol_tests;
pub mod followed;
mod index;
pub mod radius;
pub mod settled;
pub mod stream;
pub mod table;
pub mod talk;
pub mod tcp;
#[cfg(test)]
mod tcp_shapes_tests;
#[cfg(test)]
mod tcp_tests;
pub mod to_record;
pub mod udp;
#[cfg(test)]
mod udp_tests;

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::decode::{Tunnels, Vlans};
use crate::dispatch::{Direction, FlowKey, Packet, tcp_flags};
use crate::framing::quic::ConnectionId;
use crate::framing::starttls::{Ends, Ledger, Story, tds};
use crate::framing::{demux, dtls, quic, rdpudp};
use crate::hello::Offer;
use crate::hello::registry::NamedGroup;
use crate::hello::server::Answer;
use crate::hello::session::Session;
use crate::hello::version::ProtocolVersion;
use crate::prefetch;
use crate::record::{
    Alert, Carrier, Cause, Certificate, ClientCertificate, Mac, NegotiatedSource, Outcome, Upgrade,
    Version,
};
use crate::time::Timestamp;
use followed::{ALLOCATION, Noted};
use settled::Settled;
use tcp::TcpStream;

/// A connection. Aligned so that it never touches more than three cache lines.
#[derive(Debug)]
#[repr(align(32))]
pub struct Flow {
    /// Its endpoints.
    pub key: FlowKey,
    /// Hash of `key`, as far as the table needs it.
    pub(crate) hash: u32,
    /// Number of its first packet in the trace.
    pub first_packet: u64,
    /// When that was.
    pub first_seen: Timestamp,
    /// The latest packet's time.
    pub last_seen: Timestamp,
    /// What the packets of each direction were, by [`Direction::index`].
    pub halves: [Half; 2],
    /// One more than [`Self::rtt_us`], which takes half the room so.
    rtt: Option<NonZeroU32>,
    /// The ClientHello, header included, once it is settled; 0 where none was read.
    pub client_hello_bytes: u32,
    /// Who sent the first SYN, or got the first SYN-ACK.
    pub opener: Option<Direction>,
    /// Who ended it first, and how.
    pub first_close: Option<Close>,
    /// How far it is understood.
    pub state: State,
    /// Of its timer; the table's.
    pub(crate) ticket: u32,
}

/// Who closed, and how: in one byte, for there may be millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Close {
    FinUp,
    FinDown,
    ResetUp,
    ResetDown,
}

impl Close {
    /// By a FIN.
    pub const fn fin(by: Direction) -> Self {
        match by {
            Direction::Up => Self::FinUp,
            Direction::Down => Self::FinDown,
        }
    }

    /// By a RST.
    pub const fn reset(by: Direction) -> Self {
        match by {
            Direction::Up => Self::ResetUp,
            Direction::Down => Self::ResetDown,
        }
    }

    /// Whose segment it was.
    pub const fn by(self) -> Direction {
        match self {
            Self::FinUp | Self::ResetUp => Direction::Up,
            Self::FinDown | Self::ResetDown => Direction::Down,
        }
    }

    /// Whether by a RST.
    pub const fn is_reset(self) -> bool {
        matches!(self, Self::ResetUp | Self::ResetDown)
    }

    /// What it is the cause of.
    pub const fn cause(self) -> Cause {
        if self.is_reset() {
            Cause::TcpReset
        } else {
            Cause::TcpClose
        }
    }
}

/// The packets of one direction. A million flows have two million of these: what may be absent is marked in one byte.
#[derive(Clone, Copy, Debug, Default)]
pub struct Half {
    /// Payload bytes on the wire, retransmissions too.
    pub bytes: u64,
    /// Packets.
    pub packets: u32,
    isn: u32,
    end: u32,
    isn_from: IsnFrom,
    has_end: bool,
    /// A FIN was seen.
    pub fin: bool,
}

impl Half {
    /// Initial sequence number, where a SYN was seen. Where its answer alone was, data on the SYN counts as part of it.
    #[inline]
    pub fn isn(&self) -> Option<u32> {
        (self.isn_from != IsnFrom::Nothing).then_some(self.isn)
    }

    /// A SYN came with the sequence number `isn` and so many bytes of `data`. The first one stands.
    pub(crate) fn learn_isn(&mut self, isn: u32, data: u32) {
        if self.is_opened_by(isn, data) != Some(false) {
            (self.isn_from, self.isn) = (IsnFrom::Syn, isn);
        }
    }

    /// An answer acknowledges the bytes before `acknowledged`: the SYN, and the data on it that was taken.
    pub(crate) fn suppose_isn(&mut self, acknowledged: u32) {
        if self.isn_from == IsnFrom::Nothing {
            (self.isn_from, self.isn) = (IsnFrom::Answer, acknowledged.wrapping_sub(1));
        }
    }

    /// The other side took another SYN-ACK than the one that was known, and acknowledges the bytes before `acknowledged`.
    pub(crate) fn correct_isn(&mut self, acknowledged: u32) {
        (self.isn_from, self.isn) = (IsnFrom::Answer, acknowledged.wrapping_sub(1));
    }

    /// Whether a SYN with this sequence number and so many bytes of `data` can be the one that opened this direction;
    /// `None` where nothing is known of that one.
    fn is_opened_by(&self, isn: u32, data: u32) -> Option<bool> {
        let taken = self.isn_from == IsnFrom::Answer && self.isn == isn.wrapping_add(data);
        Some(taken || self.isn()? == isn)
    }

    /// Sequence number behind its last byte, where a FIN or RST told it.
    pub fn end(&self) -> Option<u32> {
        self.has_end.then_some(self.end)
    }

    /// A FIN or RST told the end.
    pub(crate) const fn set_end(&mut self, end: u32) {
        (self.has_end, self.end) = (true, end);
    }
}

/// What told the initial sequence number (RFC 7413 section 4.2.2: a SYN-ACK may acknowledge data as well).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum IsnFrom {
    #[default]
    Nothing,
    Answer,
    Syn,
}

/// How far a flow is understood.
#[derive(Debug)]
pub enum State {
    /// No payload yet.
    Empty,
    /// Its beginning is followed.
    Active(Box<Active>),
    /// The same over UDP.
    Udp(Box<udp::UdpActive>),
    /// All is told that can be.
    Settled(Settled),
    /// Nothing to tell.
    Dull,
}

/// A TCP connection whose beginning is followed.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Active {
    /// By [`Direction::index`].
    pub streams: [TcpStream; 2],
    /// What the hellos told.
    pub session: Session,
    /// What was said before TLS, or instead of it.
    pub ledger: LedgerSlot,
    /// The sequence number of the first byte that can be an answer: what the ClientHello acknowledged, which may have been
    /// captured before what it acknowledges.
    pub answer_from: Option<u32>,
    /// Nobody had sent an alert when the connection began to close: one that comes later says no more than that.
    pub closed_without_alert: bool,
    /// The frame around it, until it is concluded.
    pub link: Option<Arc<Link>>,
    pub(crate) noted: Noted,
}

impl Active {
    /// Becomes one of which nothing was seen.
    pub(crate) fn begin_anew(&mut self) {
        let Self {
            streams,
            session,
            ledger,
            answer_from,
            closed_without_alert,
            link,
            noted,
        } = self;
        for stream in streams {
            stream.begin_anew();
        }
        *session = Session::default();
        *ledger = LedgerSlot::Dropped;
        *answer_from = None;
        *closed_without_alert = false;
        *link = None;
        *noted = Noted::default();
    }

    /// Bytes of memory that it takes, its own place included.
    #[inline]
    pub fn memory(&self) -> usize {
        let streams: usize = self.streams.iter().map(TcpStream::memory).sum();
        let ledger = match &self.ledger {
            LedgerSlot::Follows(ledger) => ledger.memory(),
            LedgerSlot::Untried(_) | LedgerSlot::Dropped => 0,
        };
        size_of::<Self>() + ALLOCATION + self.session.memory() + streams + ledger
    }
}

/// The upgrade ledger of a connection: there only while it is in the clear and its protocol known, or not yet ruled out.
#[derive(Debug)]
pub enum LedgerSlot {
    /// Nothing was said in the clear.
    Untried(Ends),
    /// It is followed.
    Follows(Box<Ledger>),
    /// No protocol that matters here.
    Dropped,
}

impl LedgerSlot {
    /// Takes what `from` said in the clear.
    pub fn bytes(&mut self, from: Direction, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if let Self::Untried(ends) = self {
            if Ledger::rules_out(ends, from, bytes) {
                *self = Self::Dropped;
                return;
            }
            *self = Self::Follows(Box::new(Ledger::new(*ends)));
        }
        if let Self::Follows(ledger) = self {
            ledger.bytes(from, bytes);
            if ledger.is_dull() {
                *self = Self::Dropped;
            }
        }
    }

    /// `lost` bytes of `from` are missing.
    pub fn gap(&mut self, from: Direction, lost: u64) {
        if let Self::Untried(ends) = self {
            *self = Self::Follows(Box::new(Ledger::new(*ends)));
        }
        if let Self::Follows(ledger) = self {
            ledger.gap(from, lost);
        }
    }

    /// Whether TLS comes in packets of TDS: because both sides want it so, or because a hello in one comes `next`.
    #[inline]
    pub fn wraps_tls<'a>(&self, next: impl FnOnce() -> &'a [u8]) -> bool {
        matches!(self, Self::Follows(ledger)
            if ledger.wraps_tls() || ledger.may_wrap_tls() && tds::wraps_hello(next()))
    }

    /// The story, and the protocol's client.
    pub fn finish(&mut self) -> Option<(Story, Option<Direction>)> {
        let Self::Follows(mut ledger) = std::mem::replace(self, Self::Dropped) else {
            return None;
        };
        ledger.finish().map(|story| (story, ledger.client()))
    }
}

/// What lies around the addresses in the frames of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// MAC address of who sends in each direction.
    pub macs: [Option<Mac>; 2],
    /// VLAN tags.
    pub vlans: Vlans,
    /// Encapsulations.
    pub tunnels: Tunnels,
}

/// What a flow told of itself. [`settled`] keeps it.
#[derive(Debug)]
#[allow(missing_docs, reason = "as in the record")]
pub struct Facts {
    pub client: Direction,
    pub carrier: Option<Carrier>,
    pub quic_version: Option<u32>,
    pub outcome: Outcome,
    pub cause: Option<Cause>,
    pub negotiated_version: Option<Version>,
    pub negotiated_source: Option<NegotiatedSource>,
    pub offer: Option<Arc<Offer>>,
    pub answer: Option<Arc<Answer>>,
    pub sni: Option<Arc<str>>,
    pub client_record_version: Option<ProtocolVersion>,
    pub client_hello_bytes: u32,
    pub client_hello_segments: u32,
    pub hello_us: Option<u32>,
    pub named_group: Option<NamedGroup>,
    pub hello_retry: bool,
    pub resumed: Option<bool>,
    pub downgrade_sentinel: bool,
    pub extended_master_secret: Option<bool>,
    pub certificate: Option<Arc<Certificate>>,
    pub client_certificate: Option<ClientCertificate>,
    pub alerts: Box<[Alert]>,
    pub link: Arc<Link>,
    pub missing_bytes: u64,
    pub conflicting_bytes: u64,
    pub mid_stream: bool,
    pub beginning: Beginning,
    pub ledger: Option<Box<LedgerFacts>>,
}

/// What the upgrade ledger adds.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "as in the record")]
pub struct LedgerFacts {
    pub service: Option<&'static str>,
    pub via: Option<&'static str>,
    pub via_target: Option<Box<str>>,
    pub upgrade: Option<Upgrade>,
    pub continued_in_clear: Option<bool>,
    pub cleartext_credentials: Option<bool>,
    pub client_name: Option<Box<str>>,
    pub server_name_banner: Option<Box<str>>,
    pub starttls_injection: bool,
}

/// What a flow of datagrams began with: another beginning between the same endpoints is another connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Beginning {
    /// Not known, or not told by its content.
    #[default]
    Unknown,
    /// The connection IDs that the client chose, or was told to.
    Quic(Box<[ConnectionId]>),
    /// See [`dtls::beginning`].
    Dtls(u64),
    /// See [`rdpudp::beginning`].
    RdpUdp(u32),
}

impl Flow {
    /// A flow that begins with `packet`.
    pub fn new(packet: &Packet) -> Self {
        Self {
            key: packet.key,
            hash: packet.hash,
            first_packet: packet.number,
            first_seen: packet.time,
            last_seen: packet.time,
            halves: [Half::default(); 2],
            rtt: None,
            client_hello_bytes: 0,
            opener: None,
            first_close: None,
            state: State::Empty,
            ticket: 0,
        }
    }

    /// Microseconds from the SYN to the ACK of the SYN-ACK; `None` where a part was not seen or came twice.
    pub fn rtt_us(&self) -> Option<u32> {
        self.rtt.map(|more| more.get() - 1)
    }

    /// The round trip took so many microseconds; more than an hour of them is none.
    pub(crate) fn learn_rtt(&mut self, us: u64) {
        self.rtt = u32::try_from(us + 1).ok().and_then(NonZeroU32::new);
    }

    /// Whether `packet` opens another connection between the same endpoints. A SYN that comes again is a
    /// retransmission; one that comes late, behind the data that follows it, belongs to this connection.
    pub fn is_reopened_by(&self, packet: &Packet) -> bool {
        if packet.tcp_flags & (tcp_flags::SYN | tcp_flags::ACK) != tcp_flags::SYN {
            return self.is_closed() && self.is_foreign_to(packet);
        }
        match self
            .half(packet.direction)
            .is_opened_by(packet.sequence, packet.wire_len)
        {
            Some(opened) => !opened,
            None => match &self.state {
                State::Active(active) => active
                    .streams
                    .get(packet.direction.index())
                    .is_some_and(|s| !s.may_begin_at(packet.sequence.wrapping_add(1))),
                // Nothing was said; what closed was left over from a connection before.
                State::Empty => self.is_closed(),
                State::Udp(_) => false,
                State::Settled(_) | State::Dull => true,
            },
        }
    }

    /// Whether `packet` brings bytes that cannot be of this connection, which closed: they lie before its first byte or
    /// behind its last (RFC 9293 section 3.6), so their own SYN comes late or was lost.
    fn is_foreign_to(&self, packet: &Packet) -> bool {
        /// Where a reset by the other side cut it off, more may have been on its way; a new connection begins farther
        /// on (RFC 9293 section 3.4.1).
        const IN_FLIGHT: u32 = 1 << 20;
        let half = self.half(packet.direction);
        if packet.wire_len == 0 || packet.tcp_flags & tcp_flags::RST != 0 || half.bytes > 1 << 30 {
            return false;
        }
        let end = half.end().or(half
            .isn()
            .map(|isn| isn.wrapping_add(half.bytes as u32).wrapping_add(IN_FLIGHT)));
        let ahead_of = |place: u32| packet.sequence.wrapping_sub(place) as i32;
        end.is_some_and(|end| ahead_of(end) > 0) || half.isn().is_some_and(|isn| ahead_of(isn) < 0)
    }

    /// Whether a datagram begins another connection between the same endpoints. One that comes again, and the second
    /// hello that a server asked for, belong to this one.
    #[inline]
    pub fn is_reopened_by_datagram(&self, datagram: &[u8], wire_len: usize) -> bool {
        match &self.state {
            State::Udp(active) => match active.random() {
                Some(known) => {
                    let (inner, len) = demux::without_relay(datagram, wire_len);
                    dtls::beginning(inner, len).is_some_and(|random| random != known)
                }
                None => active.is_reopened_by(datagram, wire_len),
            },
            State::Settled(settled) => match settled.beginning() {
                Beginning::Unknown => false,
                Beginning::Quic(known) => {
                    quic::beginning(datagram, wire_len).is_some_and(|id| !known.contains(&id))
                }
                Beginning::Dtls(known) => {
                    let (inner, len) = demux::without_relay(datagram, wire_len);
                    dtls::beginning(inner, len).is_some_and(|random| random != *known)
                }
                Beginning::RdpUdp(known) => {
                    rdpudp::beginning(datagram, wire_len).is_some_and(|initial| initial != *known)
                }
            },
            State::Empty | State::Active(_) | State::Dull => false,
        }
    }

    /// Counts one of its packets.
    #[inline]
    pub fn count(&mut self, packet: &Packet) {
        self.last_seen = self.last_seen.max(packet.time);
        let [up, down] = &mut self.halves;
        let half = match packet.direction {
            Direction::Up => up,
            Direction::Down => down,
        };
        half.bytes += u64::from(packet.wire_len);
        half.packets = half.packets.saturating_add(1);
    }

    /// Asks for what its record needs beside it.
    #[inline]
    pub fn prefetch_beside(&self) {
        if let State::Settled(settled) = &self.state {
            prefetch::whole(&*settled.link);
            if let Some(rare) = settled.rare.as_deref() {
                prefetch::whole(rare);
            }
        }
    }

    /// The direction's packets.
    pub fn half(&self, direction: Direction) -> Half {
        self.halves
            .get(direction.index())
            .copied()
            .unwrap_or_default()
    }

    /// Whether neither side says more.
    pub fn is_closed(&self) -> bool {
        self.first_close.is_some_and(Close::is_reset) || self.halves.iter().all(|half| half.fin)
    }

    /// Whether neither a SYN nor a SYN-ACK was seen.
    pub fn is_mid_stream(&self) -> bool {
        self.halves.iter().all(|half| half.isn().is_none())
    }

    /// Who is the client as far as TCP and the ports tell.
    pub fn likely_client(&self) -> Direction {
        self.opener.unwrap_or_else(|| {
            let ports = [Direction::Up, Direction::Down].map(|d| self.key.port(d));
            let [up, down] = ports;
            if up >= down {
                Direction::Up
            } else {
                Direction::Down
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million open connections are to fit in 250 MiB.
    #[test]
    fn a_flow_takes_little_room() {
        assert_eq!(size_of::<Option<Flow>>(), 160);
    }
}
