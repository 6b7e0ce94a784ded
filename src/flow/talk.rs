//! A conversation of EAP while it is followed, whatever carries it.

use std::sync::Arc;

use super::settled::ToldTable;
use super::{Facts, Flow, Half, Link, State};
use crate::dispatch::{Direction, FlowKey, Packet};
use crate::framing::eap::{self, Told};
use crate::framing::tls::Event;
use crate::hello::session::{Moment, Session, Tables, Unread};
use crate::record::{Carrier, Side};
use crate::time::Timestamp;

/// One conversation.
#[derive(Debug)]
pub struct Talk {
    /// The direction of the peer's packets.
    pub client: Direction,
    /// How the two came to TLS.
    pub eap: eap::Conversation,
    /// What the hellos told.
    pub session: Session,
    /// The frame around it.
    pub link: Arc<Link>,
    /// What the packets of each direction were, by [`Direction::index`].
    pub halves: [Half; 2],
    /// The snap length cut something off.
    pub cut: bool,
    /// The last word of the peer was answered.
    pub answered: bool,
    /// It began before what was seen of it.
    pub joined: bool,
    /// The latest packet's time.
    pub last_seen: Timestamp,
    first_packet: u64,
    first_seen: Timestamp,
}

impl Talk {
    /// One that begins with `packet`, carried by `service`; `client` is the peer's direction. Handshake messages longer
    /// than `max_message_len` are passed over.
    pub fn new(
        packet: &Packet,
        client: Direction,
        service: &'static str,
        link: Arc<Link>,
        max_message_len: usize,
    ) -> Self {
        Self {
            client,
            eap: eap::Conversation::new(service, max_message_len),
            session: Session::default(),
            link,
            halves: [Half::default(); 2],
            cut: false,
            answered: false,
            joined: false,
            last_seen: packet.time,
            first_packet: packet.number,
            first_seen: packet.time,
        }
    }

    /// Counts a packet of `from`.
    pub fn count(&mut self, packet: &Packet, from: Side) {
        self.last_seen = self.last_seen.max(packet.time);
        let direction = direction(self.client, from);
        if let Some(half) = self.halves.get_mut(direction.index()) {
            half.bytes += u64::from(packet.wire_len);
            half.packets = half.packets.saturating_add(1);
        }
    }

    /// Takes an EAP packet; of one that the snap length `cut`, all that is there.
    pub fn message(
        &mut self,
        bytes: &[u8],
        cut: bool,
        time: Timestamp,
        tables: &mut Tables,
    ) -> Told {
        self.cut |= cut;
        let Self {
            client,
            eap,
            session,
            ..
        } = self;
        let mut sink = |side, event: Event<'_>, segments| {
            let moment = Moment { time, segments };
            session.on_event(
                direction(*client, side),
                event,
                moment,
                Carrier::Tls,
                tables,
            );
        };
        let told = eap.packet(bytes, cut, &mut sink);
        if let Told::Lost(side) = told {
            eap.lose(side, &mut sink);
        }
        self.miss();
        told
    }

    /// A packet of `side` was there that could not be read.
    pub fn lose(&mut self, side: Side) {
        self.eap.lose(side, &mut |_, _, _| {});
        self.miss();
    }

    fn miss(&mut self) {
        for side in [Side::Client, Side::Server] {
            if self.eap.is_lost(side) {
                let why = if self.cut {
                    Unread::Snaplen
                } else {
                    Unread::Gap
                };
                self.session.miss(direction(self.client, side), why);
            }
        }
    }

    /// The flow that it was, with what it told.
    pub fn into_flow(self, key: FlowKey, hash: u32, facts: Facts, told: &mut ToldTable) -> Flow {
        Flow {
            key,
            hash,
            first_packet: self.first_packet,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            halves: self.halves,
            rtt: None,
            client_hello_bytes: facts.client_hello_bytes,
            opener: None,
            first_close: None,
            state: State::Settled(told.settle(facts)),
            ticket: 0,
        }
    }

    /// Bytes of memory that it holds beside itself.
    pub fn memory(&self) -> usize {
        self.eap.memory() + self.session.memory()
    }
}

const fn direction(client: Direction, side: Side) -> Direction {
    match side {
        Side::Client => client,
        Side::Server => client.flip(),
    }
}
