//! A pair of UDP endpoints while the beginning of DTLS, QUIC, OpenVPN or RDP between them is followed.
//!
//! Most UDP flows never get here: what their first datagrams look like is told from their bytes, without memory.

use std::sync::Arc;

use super::followed::{ALLOCATION, Noted};
use super::radius::Conversations;
use super::{Beginning, Link};
use crate::config::Limits;
use crate::dispatch::{Direction, Packet};
use crate::framing::demux::{self, Likeness};
use crate::framing::dtls::DtlsReader;
use crate::framing::openvpn::OpenVpnReader;
use crate::framing::quic::{self, QuicReader};
use crate::framing::rdpudp::{self, RdpUdpReader};
use crate::framing::tls::{Event, handshake_type};
use crate::hello::session::{Moment, Session, Tables, Unread};
use crate::hello::version::ProtocolVersion;
use crate::record::{Carrier, Cause, Outcome};
use crate::time::Timestamp;

/// One attempt at TLS over datagrams.
#[derive(Debug)]
pub struct UdpActive {
    /// What the hellos told.
    pub session: Session,
    /// The frame around it.
    pub link: Arc<Link>,
    pub(crate) noted: Noted,
    carried: Carried,
    datagrams: u32,
    /// Datagrams since both hellos were read.
    since_answer: u32,
}

#[derive(Debug)]
enum Carried {
    Quic(Box<QuicReader>),
    /// By [`Direction::index`].
    Dtls([DtlsReader; 2]),
    OpenVpn([OpenVpnReader; 2]),
    Radius(Box<Conversations>),
    RdpUdp(Box<RdpUdpReader>),
}

/// Datagrams of both directions that are probed before a flow is left alone; STUN and the like come before DTLS.
pub const MAX_PROBED_DATAGRAMS: u32 = 128;
/// Datagrams that an attempt may take to come to its hellos.
const MAX_DATAGRAMS: u32 = 256;
/// Datagrams behind both hellos that may still tell that the handshake failed.
const MAX_SINCE_ANSWER: u32 = 32;
/// The same of OpenVPN, which cuts a certificate into pieces of 100 bytes and acknowledges each.
const MAX_SINCE_OPENVPN_ANSWER: u32 = 256;

impl UdpActive {
    /// An attempt that begins with a datagram of this likeness.
    pub fn new(likeness: Likeness, link: Arc<Link>, limits: &Limits) -> Self {
        let max = limits.max_handshake_bytes;
        let carried = match likeness {
            Likeness::Quic => Carried::Quic(Box::new(QuicReader::new(max))),
            Likeness::Dtls => Carried::Dtls([0; 2].map(|_| DtlsReader::new(max))),
            Likeness::OpenVpn(layout) => {
                Carried::OpenVpn([0; 2].map(|_| OpenVpnReader::new(layout, max)))
            }
            Likeness::Radius => Carried::Radius(Box::new(Conversations::new(max))),
            Likeness::RdpUdp => Carried::RdpUdp(Box::new(RdpUdpReader::new(max))),
        };
        Self {
            session: Session::default(),
            link,
            noted: Noted::default(),
            carried,
            datagrams: 0,
            since_answer: 0,
        }
    }

    /// Takes a datagram.
    pub fn datagram(&mut self, packet: &Packet, payload: &[u8], tables: &mut Tables) {
        self.datagrams = self.datagrams.saturating_add(1);
        if self.session.answer.is_some() {
            self.since_answer = self.since_answer.saturating_add(1);
        }
        let (direction, time, wire_len) = (packet.direction, packet.time, packet.wire_len as usize);
        let session = &mut self.session;
        match &mut self.carried {
            Carried::Quic(reader) => {
                reader.datagram(
                    direction,
                    payload,
                    wire_len,
                    &mut |from, event, segments| {
                        let moment = Moment { time, segments };
                        session.on_event(from, event, moment, Carrier::Quic, tables);
                    },
                );
            }
            Carried::Dtls(readers) => {
                let (inner, inner_len) = demux::without_relay(payload, wire_len);
                let Some(reader) = readers.get_mut(direction.index()) else {
                    return;
                };
                reader.datagram(inner, inner_len, &mut |event, segments| {
                    let moment = Moment { time, segments };
                    session.on_event(direction, event, moment, Carrier::Dtls, tables);
                });
            }
            Carried::OpenVpn(readers) => {
                let Some(reader) = readers.get_mut(direction.index()) else {
                    return;
                };
                let moment = Moment { time, segments: 1 };
                let sound = reader.packet(payload, wire_len, &mut |event| {
                    session.on_event(direction, event, moment, Carrier::Tls, tables);
                });
                if !sound && session.is_tls() {
                    session.go_blind(direction, Unread::Malformed("record header"));
                }
            }
            Carried::Radius(conversations) => {
                conversations.datagram(packet, payload, &self.link, tables);
            }
            Carried::RdpUdp(reader) => {
                let before = reader.payloads();
                let sound = reader.datagram(
                    direction,
                    payload,
                    wire_len,
                    &mut |from, event, carrier, segments| {
                        let moment = Moment { time, segments };
                        session.on_event(from, event, moment, carrier, tables);
                    },
                );
                if !sound && session.is_tls() {
                    session.go_blind(direction, Unread::Malformed("record header"));
                }
                // Many that measure the line may come before the end of the handshake.
                if reader.payloads() == before {
                    self.since_answer = self.since_answer.saturating_sub(1);
                }
            }
        }
    }

    /// The conversations between these endpoints, where each is a flow of its own.
    pub fn conversations(&mut self) -> Option<&mut Conversations> {
        match &mut self.carried {
            Carried::Radius(conversations) => Some(conversations),
            Carried::Quic(_) | Carried::Dtls(_) | Carried::OpenVpn(_) | Carried::RdpUdp(_) => None,
        }
    }

    /// No more datagrams: what is not whole is lost.
    pub fn finish(&mut self, time: Timestamp, tables: &mut Tables) {
        let session = &mut self.session;
        let moment = Moment { time, segments: 1 };
        match &mut self.carried {
            Carried::Quic(reader) => {
                let Some(client) = reader.client() else {
                    return;
                };
                for (direction, hello) in [
                    (client, handshake_type::CLIENT_HELLO),
                    (client.flip(), handshake_type::SERVER_HELLO),
                ] {
                    if reader.is_incomplete(direction) {
                        session.client.get_or_insert(client);
                        let event = Event::HandshakeLost(Some(hello));
                        session.on_event(direction, event, moment, Carrier::Quic, tables);
                    }
                }
            }
            Carried::Dtls(readers) => {
                for (direction, reader) in BOTH.into_iter().zip(readers) {
                    let cut = reader.is_cut();
                    reader.finish(&mut |event, segments| {
                        if event == Event::HandshakeLost(Some(handshake_type::CLIENT_HELLO)) {
                            session.client.get_or_insert(direction);
                        }
                        let moment = Moment { time, segments };
                        session.on_event(direction, event, moment, Carrier::Dtls, tables);
                    });
                    cut_short(session, direction, cut);
                }
            }
            Carried::OpenVpn(readers) => {
                for (direction, reader) in BOTH.into_iter().zip(readers) {
                    reader.finish(&mut |event| {
                        session.on_event(direction, event, moment, Carrier::Tls, tables);
                    });
                    cut_short(session, direction, reader.is_cut());
                }
            }
            Carried::RdpUdp(reader) => {
                let client = session.client.or(reader.client());
                reader.finish(client, &mut |from, event, carrier, segments| {
                    let moment = Moment { time, segments };
                    if matches!(event, Event::HandshakeLost(_)) && session.client.is_none() {
                        session.client = client;
                    }
                    session.on_event(from, event, moment, carrier, tables);
                });
                for direction in BOTH {
                    cut_short(session, direction, reader.is_cut(direction));
                }
            }
            Carried::Radius(_) => {}
        }
    }

    /// Whether all is told that can be, or nothing is to be expected.
    pub fn is_settled(&self) -> bool {
        if self.session.answer.is_some() {
            let enough = match &self.carried {
                Carried::OpenVpn(_) => MAX_SINCE_OPENVPN_ANSWER,
                _ => MAX_SINCE_ANSWER,
            };
            // A fragment may come behind what ends the handshake.
            let waits = matches!(&self.carried, Carried::Dtls(readers)
                if readers.iter().any(DtlsReader::is_waiting));
            return self.since_answer > enough
                || !waits && BOTH.iter().all(|d| self.session.is_done(*d));
        }
        let joined = match &self.carried {
            Carried::Dtls(readers) => {
                !self.session.is_tls() && readers.iter().all(|r| r.record_layer_version().is_some())
            }
            // Another device may come at any time.
            Carried::Radius(_) => return false,
            Carried::Quic(_) | Carried::OpenVpn(_) | Carried::RdpUdp(_) => false,
        };
        joined || self.datagrams > MAX_DATAGRAMS
    }

    /// Bytes that wait for others.
    pub fn held_bytes(&self) -> usize {
        match &self.carried {
            Carried::Quic(reader) => reader.held_bytes(),
            Carried::Dtls(readers) => readers.iter().map(DtlsReader::held_bytes).sum(),
            Carried::OpenVpn(readers) => readers.iter().map(OpenVpnReader::held_bytes).sum(),
            Carried::RdpUdp(reader) => reader.held_bytes(),
            Carried::Radius(_) => 0,
        }
    }

    /// Bytes of memory that it takes, its own place included.
    pub fn memory(&self) -> usize {
        let carried = match &self.carried {
            Carried::Quic(reader) => size_of::<QuicReader>() + ALLOCATION + reader.memory(),
            Carried::Dtls(readers) => readers.iter().map(DtlsReader::memory).sum(),
            Carried::OpenVpn(readers) => readers.iter().map(OpenVpnReader::memory).sum(),
            Carried::Radius(c) => size_of::<Conversations>() + ALLOCATION + c.memory(),
            Carried::RdpUdp(reader) => size_of::<RdpUdpReader>() + ALLOCATION + reader.memory(),
        };
        size_of::<Self>() + ALLOCATION + self.session.memory() + carried
    }

    /// What it began with.
    pub fn beginning(&self) -> Beginning {
        match &self.carried {
            Carried::Quic(reader) => Beginning::Quic(reader.beginnings()),
            Carried::RdpUdp(reader) => reader
                .beginning()
                .map_or(Beginning::Unknown, Beginning::RdpUdp),
            _ => self.random().map_or(Beginning::Unknown, Beginning::Dtls),
        }
    }

    /// The random of a DTLS client's hello, as [`dtls::beginning`] gives it.
    ///
    /// [`dtls::beginning`]: crate::framing::dtls::beginning
    pub fn random(&self) -> Option<u64> {
        match &self.carried {
            Carried::Dtls(readers) => readers.iter().find_map(DtlsReader::random),
            Carried::Quic(_) | Carried::OpenVpn(_) | Carried::Radius(_) | Carried::RdpUdp(_) => {
                None
            }
        }
    }

    /// Whether `datagram` begins another connection of RDP between the same endpoints.
    pub fn is_reopened_by(&self, datagram: &[u8], wire_len: usize) -> bool {
        let Carried::RdpUdp(reader) = &self.carried else {
            return false;
        };
        reader.beginning().is_some_and(|known| {
            rdpudp::beginning(datagram, wire_len).is_some_and(|initial| initial != known)
        })
    }

    /// What the datagrams themselves tell of the service.
    pub fn service(&self) -> Option<&'static str> {
        matches!(self.carried, Carried::RdpUdp(_)).then_some("ms-wbt-server")
    }

    /// What carries TLS here, where no hello told it.
    pub const fn carrier(&self) -> Carrier {
        match &self.carried {
            Carried::Quic(_) => Carrier::Quic,
            Carried::Dtls(_) => Carrier::Dtls,
            Carried::OpenVpn(_) | Carried::Radius(_) | Carried::RdpUdp(_) => Carrier::Tls,
        }
    }

    /// The version of a QUIC connection, as far as it is known.
    pub fn quic_version(&self) -> Option<u32> {
        let Carried::Quic(reader) = &self.carried else {
            return None;
        };
        let sealed = || BOTH.iter().find_map(|d| reader.seen(*d).sealed_version);
        reader.version().or_else(sealed).map(|version| version.0)
    }

    /// Bytes of later copies that disagree with the first.
    pub fn conflicting(&self) -> u64 {
        match &self.carried {
            Carried::Quic(reader) => reader.conflicting(),
            Carried::Dtls(_) | Carried::OpenVpn(_) | Carried::Radius(_) | Carried::RdpUdp(_) => 0,
        }
    }

    /// The version in the records of a DTLS connection whose handshake was not captured.
    pub fn joined_version(&self) -> Option<ProtocolVersion> {
        let Carried::Dtls(readers) = &self.carried else {
            return None;
        };
        if self.session.is_tls() {
            return None;
        }
        match readers.each_ref().map(DtlsReader::record_layer_version) {
            [Some(a), Some(b)] if a != b => None,
            [Some(version), _] | [_, Some(version)] => Some(version),
            [None, None] => None,
        }
    }

    /// A QUIC connection of which nothing could be decrypted, and why: several Initial packets of a version that is
    /// read, or one that fills its datagram as far as the snap length lets see.
    pub fn sealed(&self) -> Option<Cause> {
        let Carried::Quic(reader) = &self.carried else {
            return None;
        };
        let seen = BOTH.map(|d| reader.seen(d));
        let named = seen
            .iter()
            .any(|s| s.sealed_version.is_some_and(|v| !v.is_reserved()));
        if reader.client().is_some() || !named {
            None
        } else if seen.iter().any(|s| s.cut) {
            Some(Cause::Snaplen)
        } else {
            (seen.iter().map(|s| s.sealed).sum::<u32>() >= 2).then_some(Cause::MidStream)
        }
    }

    /// Who closed a QUIC connection among its hellos, and with what words.
    pub fn closed(&self) -> Option<(Direction, Cause)> {
        let Carried::Quic(reader) = &self.carried else {
            return None;
        };
        let (from, code) = reader.closed()?;
        Some((from, Cause::Other(quic::transport_error(code))))
    }

    /// What the packets of `server`, which did not answer with a hello, tell instead.
    pub fn instead_of_answer(&self, server: Direction) -> Option<(Outcome, Cause)> {
        let lost = |cause| Some((Outcome::Unknown, cause));
        let progress = BOTH.map(|d| {
            let progress = self.session.progress.get(d.index());
            progress.is_some_and(|p| p.ccs || p.application_data)
        });
        match &self.carried {
            Carried::Quic(reader) => {
                let seen = reader.seen(server);
                if seen.cut {
                    lost(Cause::Snaplen)
                } else if seen.sealed > 0 || progress.contains(&true) {
                    // Only who has both hellos goes on to these.
                    lost(Cause::Gap)
                } else if seen.negotiation {
                    let words = "quic version not spoken by the server";
                    Some((Outcome::RefusedByServer, Cause::Other(words)))
                } else if seen.retry {
                    let words = "quic retry, hello not repeated";
                    Some((Outcome::NoAnswer, Cause::Other(words)))
                } else {
                    None
                }
            }
            Carried::Dtls(readers) => {
                let asked = readers.get(server.index())?;
                let client = readers.get(server.flip().index())?;
                instead_of_dtls(asked, client, progress.contains(&true))
            }
            Carried::RdpUdp(reader) => {
                if let [Some(asked), Some(client)] = [server, server.flip()].map(|d| reader.dtls(d))
                {
                    return instead_of_dtls(asked, client, progress.contains(&true));
                }
                match (reader.is_incomplete(server), reader.is_cut(server)) {
                    (true, true) => lost(Cause::Snaplen),
                    (true, false) => lost(Cause::Gap),
                    // Only who has both hellos goes on to these.
                    (false, _) if progress.contains(&true) => lost(Cause::Gap),
                    (false, _) => None,
                }
            }
            Carried::OpenVpn(readers) => {
                let broken = readers.get(server.index())?.is_incomplete();
                if broken { lost(Cause::Gap) } else { None }
            }
            Carried::Radius(_) => None,
        }
    }

    /// Lets go of what waits: memory is short.
    pub fn release(&mut self) {
        match &mut self.carried {
            Carried::Quic(reader) => reader.release(),
            Carried::Dtls(readers) => {
                for reader in readers {
                    reader.release();
                }
            }
            Carried::OpenVpn(readers) => {
                for reader in readers {
                    reader.stop();
                }
            }
            Carried::RdpUdp(reader) => reader.release(),
            Carried::Radius(_) => {}
        }
    }
}

/// What the datagrams of a server of DTLS, which did not answer with a hello, tell instead.
fn instead_of_dtls(
    asked: &DtlsReader,
    client: &DtlsReader,
    progress: bool,
) -> Option<(Outcome, Cause)> {
    if progress || asked.went_on() || client.went_on() {
        Some((Outcome::Unknown, Cause::Gap))
    } else if asked.asked_for_cookie() && !client.repeated_hello() {
        let words = "cookie asked for, hello not repeated";
        Some((Outcome::NoAnswer, Cause::Other(words)))
    } else {
        None
    }
}

/// What is missing of a direction's hello was cut off by the snap length.
fn cut_short(session: &mut Session, direction: Direction, cut: bool) {
    if let Some(progress) = session.progress.get_mut(direction.index())
        && cut
        && progress.unread == Some(Unread::Gap)
    {
        progress.unread = Some(Unread::Snaplen);
    }
}

const BOTH: [Direction; 2] = [Direction::Up, Direction::Down];
