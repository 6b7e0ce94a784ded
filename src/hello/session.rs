//! What both directions of one handshake told, message by message. Carriers feed it; it knows none of them.

use std::sync::Arc;

use super::Offer;
use super::certificate;
use super::client::ClientHello;
use super::intern::{Interner, Names};
use super::offer;
use super::registry::{AlertDescription, CipherSuite, NamedGroup};
use super::server::{Answer, ServerHello};
use super::sslv2::V2Hello;
use super::version::ProtocolVersion;
use super::wire::Reader;
use crate::dispatch::Direction;
use crate::framing::tls::{Event, handshake_type};
use crate::record::{Alert, Carrier, Certificate, ClientCertificate, Side};
use crate::time::Timestamp;

/// Facts that flows of one shard share.
#[derive(Debug, Default)]
pub struct Tables {
    /// What clients offer.
    pub offers: Interner<Offer>,
    /// What servers answer.
    pub answers: Interner<Answer>,
    /// Servers' certificates, by their DER.
    pub certificates: Interner<Certificate>,
    /// The names that clients ask for.
    pub names: Names,
}

/// Where an event happened.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Of the packet that brought the event's last byte.
    pub time: Timestamp,
    /// Segments or datagrams that brought the message.
    pub segments: u32,
}

/// How one direction's hello was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Bytes of it are missing.
    Gap,
    /// The snap length cut it.
    Snaplen,
    /// It does not parse.
    Malformed(&'static str),
}

/// One direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// change_cipher_spec.
    pub ccs: bool,
    /// A record of application data: in TLS 1.3 all that is encrypted.
    pub application_data: bool,
    /// Bytes in the clear were lost, so that what was not seen may have been there.
    pub lost: bool,
    /// A hello that should have been here and was not read.
    pub unread: Option<Unread>,
    /// The direction cannot be followed any more, or need not.
    pub blind: bool,
}

impl Progress {
    /// Whether a message in the clear may have been there and not been seen.
    const fn is_lossy(&self) -> bool {
        self.lost || self.blind
    }
}

/// A handshake, seen from outside.
#[derive(Debug, Default)]
pub struct Session {
    /// The direction of the ClientHello, or the opposite of the ServerHello's.
    pub client: Option<Direction>,
    /// What carried it.
    pub carrier: Option<Carrier>,
    /// The first ClientHello's offer.
    pub offer: Option<Arc<Offer>>,
    /// server_name of the first ClientHello.
    pub sni: Option<Arc<str>>,
    /// Of the record that ended the first ClientHello.
    pub client_record_version: Option<ProtocolVersion>,
    /// The handshake message, header included.
    pub client_hello_bytes: u32,
    /// Segments or datagrams over which it was spread.
    pub client_hello_segments: u32,
    /// When its last byte was seen.
    pub client_hello_at: Timestamp,
    /// The ServerHello.
    pub answer: Option<Arc<Answer>>,
    /// From ClientHello's last byte to the answer's first; nanoseconds.
    pub hello_ns: Option<u64>,
    /// A HelloRetryRequest came before the answer.
    pub hello_retry: bool,
    /// `DOWNGRD` in the ServerHello's random.
    pub downgrade_sentinel: bool,
    /// Its records come in packets of OpenVPN: there are none that lie bare.
    pub in_openvpn: bool,
    /// Group of ServerKeyExchange.
    pub key_exchange_group: Option<NamedGroup>,
    /// The server's own certificate.
    pub certificate: Option<Arc<Certificate>>,
    /// Both directions, by [`Direction::index`].
    pub progress: [Progress; 2],
    /// Alerts in the clear, at most eight, with the direction they went.
    pub alerts: Vec<(Direction, bool, AlertDescription)>,
    first_ccs: Option<Direction>,
    server_certificate: bool,
    certificate_request: bool,
    server_done: bool,
    client_key_exchange: bool,
    client_certificate: Option<bool>,
}

const MAX_ALERTS: usize = 8;

impl Session {
    /// Bytes of memory that it holds, beside what flows share.
    pub fn memory(&self) -> usize {
        self.sni.as_deref().map_or(0, str::len)
            + self.alerts.capacity() * size_of::<(Direction, bool, AlertDescription)>()
    }

    /// Takes what `direction` said.
    pub fn on_event(
        &mut self,
        direction: Direction,
        event: Event<'_>,
        moment: Moment,
        carrier: Carrier,
        tables: &mut Tables,
    ) {
        match event {
            Event::Handshake {
                kind,
                body,
                record_version,
            } => {
                self.carrier.get_or_insert(carrier);
                match kind {
                    handshake_type::CLIENT_HELLO => {
                        self.client_hello(direction, body, record_version, moment, carrier, tables)
                    }
                    handshake_type::SERVER_HELLO => {
                        self.server_hello(direction, body, moment, tables)
                    }
                    handshake_type::HELLO_RETRY_REQUEST if self.is_from_server(direction) => {
                        self.hello_retry = true
                    }
                    // The client's may have been captured before the ServerHello.
                    _ if self.client.is_some() => self.later_message(direction, kind, body, tables),
                    _ => {}
                }
            }
            Event::HandshakeLost(kind) => {
                self.of(direction).lost = true;
                let hello_due = !self.has_hello_of(direction);
                if hello_due
                    && kind.is_none_or(|k| {
                        matches!(
                            k,
                            handshake_type::CLIENT_HELLO | handshake_type::SERVER_HELLO
                        )
                    })
                {
                    self.carrier.get_or_insert(carrier);
                    self.of(direction).unread.get_or_insert(Unread::Gap);
                }
            }
            Event::Alert { level, description } => {
                if self.alerts.len() < MAX_ALERTS {
                    self.alerts
                        .push((direction, level == 2, AlertDescription(description)));
                }
            }
            Event::ChangeCipherSpec => {
                self.of(direction).ccs = true;
                self.first_ccs.get_or_insert(direction);
            }
            Event::ApplicationData { .. } => self.of(direction).application_data = true,
            Event::Encrypted => {}
        }
    }

    /// Takes a hello in SSL 2.0's format, whose record is `len` bytes long.
    pub fn on_v2_hello(
        &mut self,
        direction: Direction,
        hello: V2Hello<'_>,
        len: usize,
        moment: Moment,
        tables: &mut Tables,
    ) {
        match hello {
            V2Hello::Client {
                version,
                cipher_specs,
            } => {
                if self.offer.is_some() || self.client.is_some_and(|client| client != direction) {
                    return;
                }
                self.carrier.get_or_insert(Carrier::Tls);
                self.client = Some(direction);
                self.offer = Some(offer::intern_v2(&mut tables.offers, version, cipher_specs));
                self.client_hello_bytes = u32::try_from(len).unwrap_or(u32::MAX);
                self.client_hello_segments = moment.segments;
                self.client_hello_at = moment.time;
            }
            V2Hello::Server => {
                if self.answer.is_some() || self.client == Some(direction) {
                    return;
                }
                self.carrier.get_or_insert(Carrier::Tls);
                self.client.get_or_insert(direction.flip());
                self.answer = Some(Answer::sslv2(&mut tables.answers));
                self.hello_ns = self
                    .offer
                    .is_some()
                    .then(|| moment.time.since_ns(self.client_hello_at));
                for direction in [Direction::Up, Direction::Down] {
                    self.of(direction).blind = true;
                }
            }
        }
    }

    /// Whether TLS was seen at all, or an attempt at it.
    pub fn is_tls(&self) -> bool {
        self.carrier.is_some()
    }

    /// The version negotiated, where a ServerHello told it.
    pub fn version(&self) -> Option<ProtocolVersion> {
        self.answer.as_ref()?.version
    }

    /// Whether this direction's hello was read.
    pub fn has_hello_of(&self, direction: Direction) -> bool {
        match self.client {
            Some(client) if client == direction => self.offer.is_some(),
            Some(_) => self.answer.is_some(),
            None => false,
        }
    }

    /// Whether nothing more that is in the clear can come from `direction`.
    pub fn is_done(&self, direction: Direction) -> bool {
        let progress = self
            .progress
            .get(direction.index())
            .copied()
            .unwrap_or_default();
        let hellos = self.answer.is_some();
        progress.blind
            || hellos
                && if self.is_tls13() {
                    progress.application_data || progress.ccs
                } else {
                    progress.ccs
                }
    }

    /// Whether both sides were seen to go on to encrypted records, so that the handshake did not fail in the clear.
    pub fn is_complete(&self) -> bool {
        self.answer.is_some()
            && self.client.is_some_and(|client| {
                let [client, server] = [client, client.flip()]
                    .map(|d| self.progress.get(d.index()).copied().unwrap_or_default());
                if self.is_tls13() {
                    client.ccs || client.application_data
                } else {
                    client.ccs && server.ccs || client.application_data
                }
            })
    }

    /// Whether the session was resumed; `None` where it cannot be told.
    pub fn resumed(&self) -> Option<bool> {
        let answer = self.answer.as_ref()?;
        if self.is_tls13() {
            return Some(answer.pre_shared_key);
        }
        if self.server_certificate || self.server_done || self.client_key_exchange {
            return Some(false);
        }
        // RFC 5246 section 7.3: in the short handshake change_cipher_spec follows the ServerHello (or a new ticket).
        let progress = self.progress.get(self.client?.flip().index())?;
        let server_first = match self.carrier {
            // A datagram leaves no hole behind. In the short handshake the server's comes first and is answered.
            Some(Carrier::Dtls) => {
                self.first_ccs == self.client.map(Direction::flip)
                    && self.progress.iter().all(|p| p.ccs)
            }
            _ => progress.ccs,
        };
        (server_first && progress.unread.is_none() && !progress.is_lossy()).then_some(true)
    }

    /// Mutual TLS, up to TLS 1.2.
    pub fn client_certificate(&self) -> Option<ClientCertificate> {
        if self.is_tls13() || !self.server_done {
            return None;
        }
        self.answer.as_ref()?;
        let client = self.client?;
        let of = |direction: Direction| {
            self.progress
                .get(direction.index())
                .copied()
                .unwrap_or_default()
        };
        match (self.certificate_request, self.client_certificate) {
            (_, Some(true)) => Some(ClientCertificate::Sent),
            (true, Some(false)) => Some(ClientCertificate::Requested),
            // SSL 3.0 clients say with an alert that they have none (RFC 6101 section 5.6.6); others may give up.
            // A datagram may be lost without a sign: what would have come behind it must have come.
            (true, None) => (!of(client).is_lossy()
                && (self.client_key_exchange || !self.alerts.is_empty()))
            .then_some(ClientCertificate::Requested),
            (false, _) => {
                (!of(client.flip()).is_lossy()).then_some(ClientCertificate::NotRequested)
            }
        }
    }

    /// extended_master_secret; `None` in TLS 1.3, which has no use for it.
    pub fn extended_master_secret(&self) -> Option<bool> {
        let answer = self.answer.as_ref()?;
        (!self.is_tls13()).then_some(answer.extended_master_secret)
    }

    /// The group of the key exchange.
    pub fn named_group(&self) -> Option<NamedGroup> {
        self.answer
            .as_ref()?
            .named_group
            .or(self.key_exchange_group)
    }

    /// The alerts by role; without a hello the sender of the first SYN is the client, `fallback`.
    pub fn alerts(&self, fallback: Direction) -> Vec<Alert> {
        let client = self.client.unwrap_or(fallback);
        let side = |d| {
            if d == client {
                Side::Client
            } else {
                Side::Server
            }
        };
        self.alerts
            .iter()
            .map(|&(d, fatal, description)| Alert {
                from: side(d),
                fatal,
                description,
            })
            .collect()
    }

    /// Draws the conclusion that `direction` cannot be followed any more.
    pub fn go_blind(&mut self, direction: Direction, why: Unread) {
        let due = !self.has_hello_of(direction);
        let progress = self.of(direction);
        progress.blind = true;
        if due {
            progress.unread.get_or_insert(why);
        }
    }

    /// Bytes of `direction` are missing, among which its hello may have been.
    pub fn miss(&mut self, direction: Direction, why: Unread) {
        let due = !self.has_hello_of(direction);
        let progress = self.of(direction);
        progress.lost = true;
        if due {
            progress.unread.get_or_insert(why);
        }
    }

    fn client_hello(
        &mut self,
        direction: Direction,
        body: &[u8],
        record_version: ProtocolVersion,
        moment: Moment,
        carrier: Carrier,
        tables: &mut Tables,
    ) {
        if self.offer.is_some() || self.client.is_some_and(|client| client != direction) {
            // A second one: after HelloRetryRequest, or renegotiation in the clear. The first is the offer.
            return;
        }
        self.client = Some(direction);
        match ClientHello::parse(body, carrier == Carrier::Dtls) {
            Err(malformed) => self.of(direction).unread = Some(Unread::Malformed(malformed.0)),
            Ok(hello) => {
                self.of(direction).unread = None;
                self.offer = Some(offer::intern(&mut tables.offers, &hello, carrier));
                let name = hello.server_name();
                self.sni = name.map(|name| tables.names.intern(&name));
                // QUIC has no records.
                self.client_record_version = (carrier != Carrier::Quic).then_some(record_version);
                self.client_hello_bytes = u32::try_from(body.len())
                    .unwrap_or(u32::MAX)
                    .saturating_add(4);
                self.client_hello_segments = moment.segments;
                self.client_hello_at = moment.time;
            }
        }
    }

    fn server_hello(
        &mut self,
        direction: Direction,
        body: &[u8],
        moment: Moment,
        tables: &mut Tables,
    ) {
        if self.answer.is_some() || self.client == Some(direction) {
            return;
        }
        let hello = match ServerHello::parse(body) {
            Ok(hello) => hello,
            Err(malformed) => {
                self.of(direction).unread = Some(Unread::Malformed(malformed.0));
                return;
            }
        };
        self.client.get_or_insert(direction.flip());
        self.of(direction).unread = None;
        if hello.is_hello_retry_request() {
            self.hello_retry = true;
            return;
        }
        self.downgrade_sentinel = hello.has_downgrade_sentinel();
        self.answer = Some(Answer::intern(&mut tables.answers, &hello));
        if self.offer.is_some() && !self.hello_retry {
            self.hello_ns = Some(moment.time.since_ns(self.client_hello_at));
        }
    }

    /// Messages of TLS 1.2 and before that follow the hellos.
    fn later_message(&mut self, direction: Direction, kind: u8, body: &[u8], tables: &mut Tables) {
        let from_server = self.is_from_server(direction);
        match kind {
            handshake_type::CERTIFICATE if from_server => {
                self.server_certificate = true;
                if self.certificate.is_none() {
                    self.certificate = certificate::leaf(body)
                        .map(|der| certificate::intern(&mut tables.certificates, der));
                }
            }
            // RFC 5246 section 7.4.6: certificate_list<0..2^24-1>; an empty list says that the client has none.
            handshake_type::CERTIFICATE => self.client_certificate = Some(body.len() > 3),
            handshake_type::SERVER_KEY_EXCHANGE if from_server => {
                self.key_exchange_group = self.group_of(body)
            }
            handshake_type::CERTIFICATE_REQUEST if from_server => self.certificate_request = true,
            handshake_type::SERVER_HELLO_DONE if from_server => self.server_done = true,
            handshake_type::CLIENT_KEY_EXCHANGE if !from_server => self.client_key_exchange = true,
            _ => {}
        }
    }

    /// The named curve of an ECDHE ServerKeyExchange (RFC 8422 section 5.4).
    fn group_of(&self, body: &[u8]) -> Option<NamedGroup> {
        const NAMED_CURVE: u8 = 3;
        let suite = self.answer.as_ref()?.cipher_suite?;
        if !is_ecdhe(suite) {
            return None;
        }
        let mut reader = Reader::new(body);
        (reader.u8("curve_type").ok()? == NAMED_CURVE)
            .then(|| reader.u16("named_curve").ok().map(NamedGroup))?
    }

    fn is_from_server(&self, direction: Direction) -> bool {
        self.client.is_some_and(|client| client != direction)
    }

    fn is_tls13(&self) -> bool {
        self.version()
            .is_some_and(|version| version.rank().is_some_and(|rank| rank >= 5))
    }

    fn of(&mut self, direction: Direction) -> &mut Progress {
        let [up, down] = &mut self.progress;
        match direction {
            Direction::Up => up,
            Direction::Down => down,
        }
    }
}

fn is_ecdhe(suite: CipherSuite) -> bool {
    use tls_parser::TlsCipherKx;
    tls_parser::TlsCipherSuite::from_id(suite.0).is_some_and(|s| matches!(s.kx, TlsCipherKx::Ecdhe))
}
