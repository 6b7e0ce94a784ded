//! RDP over UDP: TLS cut up into numbered datagrams where it is reliable, DTLS where it is not.

mod datagram;
#[cfg(test)]
mod tests;

use datagram::{Datagram, Number, may_be_hello};
pub use datagram::{beginning, begins};

use super::dtls::{self, DtlsReader};
use super::numbered::Numbered;
use super::tls::{Event, Progress, TlsReader, handshake_type};
use crate::dispatch::Direction;
use crate::flow::followed::ALLOCATION;
use crate::record::Carrier;

/// Reads a connection.
#[derive(Debug)]
pub struct RdpUdpReader {
    /// By [`Direction::index`].
    lanes: [Lane; 2],
    /// Who sent the SYN, or got its answer.
    client: Option<Direction>,
    /// snInitialSequenceNumber of the SYN.
    beginning: Option<u32>,
    /// Datagrams with a payload.
    payloads: u32,
    max_message_len: usize,
}

/// One direction.
#[derive(Debug)]
struct Lane {
    /// snInitialSequenceNumber: the first payload has the number behind it.
    initial: Option<u32>,
    payloads: Numbered,
    stream: Stream,
    /// The snap length cut something of it.
    cut: bool,
    /// What follows is encrypted: nothing that is missing from here on would tell.
    sealed: bool,
    /// It does not hold records.
    foreign: bool,
}

/// What the payloads are.
#[derive(Debug)]
enum Stream {
    /// Records of TLS, once they are in order.
    Reliable(Box<Records>),
    /// Each of them is a datagram of DTLS.
    Lossy(Box<DtlsReader>),
    /// Not followed any more.
    Off,
}

#[derive(Debug)]
struct Records {
    tls: TlsReader,
    /// What of the records is still needed.
    bytes: Vec<u8>,
    /// Payloads that brought the message that is being read.
    segments: u32,
    touched: bool,
}

/// Payloads that wait for others.
const MAX_HELD: usize = 64;
/// Bytes of them, and of records that are not whole yet.
const MAX_BYTES: usize = 64 << 10;
/// The first ChannelSeqNum: \[MS-RDPEUDP2\] does not say it, Windows sends it.
const FIRST_CHANNEL: u32 = 1;

impl RdpUdpReader {
    /// A reader of which nothing is known. Longer handshake messages are passed over.
    pub fn new(max_message_len: usize) -> Self {
        Self {
            lanes: [0; 2].map(|_| Lane {
                initial: None,
                payloads: Numbered::new(MAX_HELD, MAX_BYTES),
                stream: Stream::Reliable(Box::new(Records::new(max_message_len))),
                cut: false,
                sealed: false,
                foreign: false,
            }),
            client: None,
            beginning: None,
            payloads: 0,
            max_message_len,
        }
    }

    /// snInitialSequenceNumber of the SYN, where it was seen.
    pub const fn beginning(&self) -> Option<u32> {
        self.beginning
    }

    /// Datagrams with a payload so far: the rest acknowledges, or measures the line.
    pub const fn payloads(&self) -> u32 {
        self.payloads
    }

    /// Takes a datagram of `direction` and tells `sink` what TLS or DTLS said in it, and in how many datagrams. `false`
    /// where what it carries is neither.
    pub fn datagram(
        &mut self,
        direction: Direction,
        datagram: &[u8],
        wire_len: usize,
        sink: &mut impl FnMut(Direction, Event<'_>, Carrier, u32),
    ) -> bool {
        match Datagram::parse(datagram, wire_len) {
            Some(Datagram::Syn {
                acknowledges,
                initial,
                lossy,
            }) => {
                self.syn(direction, acknowledges, initial, lossy, sink);
                true
            }
            Some(Datagram::Payload {
                number,
                bytes,
                missing,
            }) => {
                self.payloads = self.payloads.saturating_add(1);
                self.payload(direction, number, &bytes, missing, sink)
            }
            Some(Datagram::Cut) => {
                self.lane(direction).cut = true;
                true
            }
            Some(Datagram::Other) | None => true,
        }
    }

    fn lane(&mut self, direction: Direction) -> &mut Lane {
        let [up, down] = &mut self.lanes;
        match direction {
            Direction::Up => up,
            Direction::Down => down,
        }
    }

    fn syn(
        &mut self,
        direction: Direction,
        acknowledges: Option<u32>,
        initial: u32,
        lossy: bool,
        sink: &mut impl FnMut(Direction, Event<'_>, Carrier, u32),
    ) {
        let client = if acknowledges.is_some() {
            direction.flip()
        } else {
            direction
        };
        self.client.get_or_insert(client);
        if acknowledges.is_none() {
            self.beginning.get_or_insert(initial);
        }
        // Only who asks for it sets the flag.
        if lossy {
            self.be_lossy();
        }
        // Each tells where its own direction begins, and the answer where the other's does.
        let known = [(direction, Some(initial)), (direction.flip(), acknowledges)];
        for (of, initial) in known {
            let lane = self.lane(of);
            lane.initial = lane.initial.or(initial);
            lane.catch_up(of, sink);
        }
    }

    /// What waits is lost to DTLS, which sends it again.
    fn be_lossy(&mut self) {
        let max = self.max_message_len;
        for lane in &mut self.lanes {
            if let Stream::Reliable(records) = &lane.stream
                && !records.touched
            {
                lane.stream = Stream::Lossy(Box::new(DtlsReader::new(max)));
                lane.payloads = Numbered::new(MAX_HELD, MAX_BYTES);
            }
        }
    }

    fn payload(
        &mut self,
        direction: Direction,
        number: Number,
        bytes: &[u8],
        missing: usize,
        sink: &mut impl FnMut(Direction, Event<'_>, Carrier, u32),
    ) -> bool {
        // The SYN may not have been captured: a hello tells as well what is carried.
        if matches!(number, Number::Source(_)) && dtls::is_plausible(bytes, bytes.len() + missing) {
            self.be_lossy();
        }
        let lane = self.lane(direction);
        match &mut lane.stream {
            Stream::Off => true,
            Stream::Lossy(dtls) => {
                dtls.datagram(bytes, bytes.len() + missing, &mut |event, datagrams| {
                    sink(direction, event, Carrier::Dtls, datagrams);
                });
                true
            }
            Stream::Reliable(_) => {
                lane.begin(number, bytes);
                let number = lane.whole(number);
                lane.piece(number, bytes, missing, direction, sink)
            }
        }
    }

    /// No more datagrams: what waits for others has lost them, and with them the hello that was due.
    pub fn finish(
        &mut self,
        client: Option<Direction>,
        sink: &mut impl FnMut(Direction, Event<'_>, Carrier, u32),
    ) {
        for direction in [Direction::Up, Direction::Down] {
            let incomplete = self.is_incomplete(direction);
            let lane = self.lane(direction);
            if let Stream::Lossy(dtls) = &mut lane.stream {
                lane.cut |= dtls.is_cut();
                dtls.finish(&mut |event, datagrams| {
                    sink(direction, event, Carrier::Dtls, datagrams);
                });
                continue;
            }
            if lane.sealed || lane.foreign {
                continue;
            }
            let mut tell = |event: Event<'_>| sink(direction, event, Carrier::Tls, 1);
            if let Stream::Reliable(records) = &mut lane.stream {
                records.tls.gap(1, &mut tell);
            }
            if let Some(client) = client.filter(|_| incomplete) {
                let kind = if client == direction {
                    handshake_type::CLIENT_HELLO
                } else {
                    handshake_type::SERVER_HELLO
                };
                tell(Event::HandshakeLost(Some(kind)));
            }
        }
    }

    /// Lets go of everything that waits.
    pub fn release(&mut self) {
        for lane in &mut self.lanes {
            match &mut lane.stream {
                Stream::Lossy(dtls) => dtls.release(),
                Stream::Reliable(_) | Stream::Off => lane.stop(),
            }
        }
    }

    /// Who began the connection.
    pub const fn client(&self) -> Option<Direction> {
        self.client
    }

    /// Bytes that wait for others.
    pub fn held_bytes(&self) -> usize {
        let of = |lane: &Lane| match &lane.stream {
            Stream::Reliable(records) => records.bytes.len() + lane.payloads.held_bytes(),
            Stream::Lossy(dtls) => dtls.held_bytes(),
            Stream::Off => 0,
        };
        self.lanes.iter().map(of).sum()
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        let of = |lane: &Lane| {
            let stream = match &lane.stream {
                Stream::Reliable(records) => {
                    size_of::<Records>()
                        + ALLOCATION
                        + records.tls.memory()
                        + records.bytes.capacity()
                }
                Stream::Lossy(dtls) => size_of::<DtlsReader>() + ALLOCATION + dtls.memory(),
                Stream::Off => 0,
            };
            stream + lane.payloads.memory()
        };
        self.lanes.iter().map(of).sum()
    }

    /// Whether the snap length cut what is needed of a direction.
    pub fn is_cut(&self, direction: Direction) -> bool {
        self.lanes.get(direction.index()).is_some_and(|l| l.cut)
    }

    /// Whether payloads of a direction are missing, or are not read.
    pub fn is_incomplete(&self, direction: Direction) -> bool {
        self.lanes.get(direction.index()).is_some_and(|lane| {
            lane.cut || lane.payloads.is_incomplete() || matches!(lane.stream, Stream::Off)
        })
    }

    /// The reader of a direction's DTLS, where it is not reliable.
    pub fn dtls(&self, direction: Direction) -> Option<&DtlsReader> {
        match &self.lanes.get(direction.index())?.stream {
            Stream::Lossy(dtls) => Some(dtls),
            Stream::Reliable(_) | Stream::Off => None,
        }
    }
}

impl Lane {
    /// Finds out with which number the stream begins.
    fn begin(&mut self, number: Number, bytes: &[u8]) {
        match (number, self.initial) {
            (Number::Channel(_), _) => self.payloads.begin(FIRST_CHANNEL),
            (Number::Source(_), Some(initial)) => self.payloads.begin(initial.wrapping_add(1)),
            (Number::Source(number), None) if may_be_hello(bytes) => self.payloads.begin(number),
            (Number::Source(_), None) => {}
        }
    }

    /// The number of which the wire holds the lower bits: the nearest to what is due.
    fn whole(&self, number: Number) -> u32 {
        match number {
            Number::Source(number) => number,
            Number::Channel(low) => {
                let due = self.payloads.due().unwrap_or(FIRST_CHANNEL);
                due.wrapping_add_signed(i32::from(low.wrapping_sub(due as u16) as i16))
            }
        }
    }

    fn piece(
        &mut self,
        number: u32,
        bytes: &[u8],
        missing: usize,
        direction: Direction,
        sink: &mut impl FnMut(Direction, Event<'_>, Carrier, u32),
    ) -> bool {
        self.with(direction, sink, |payloads, read| {
            payloads.piece(number, bytes, missing, read);
        })
    }

    /// Reads what waited for the beginning of the stream to be known.
    fn catch_up(
        &mut self,
        direction: Direction,
        sink: &mut impl FnMut(Direction, Event<'_>, Carrier, u32),
    ) {
        if self.payloads.due().is_none()
            && self.payloads.is_incomplete()
            && let Some(initial) = self.initial
        {
            self.payloads.begin(initial.wrapping_add(1));
            self.with(direction, sink, |payloads, read| payloads.catch_up(read));
        }
    }

    /// Reads the payloads that `tell` brings in order. `false` where they hold no records.
    fn with(
        &mut self,
        direction: Direction,
        sink: &mut impl FnMut(Direction, Event<'_>, Carrier, u32),
        tell: impl FnOnce(&mut Numbered, &mut dyn FnMut(&[u8], usize)),
    ) -> bool {
        let Self {
            payloads,
            stream,
            cut,
            sealed,
            ..
        } = self;
        let Stream::Reliable(records) = stream else {
            return true;
        };
        let (mut sound, mut followed) = (true, true);
        tell(payloads, &mut |bytes, missing| {
            if !(sound && followed) {
                return;
            }
            let mut sink = |event: Event<'_>, segments| {
                if *sealed && matches!(event, Event::HandshakeLost(_)) {
                    return;
                }
                *sealed |= matches!(
                    event,
                    Event::ChangeCipherSpec | Event::ApplicationData { .. }
                );
                sink(direction, event, Carrier::Tls, segments);
            };
            sound = records.read(bytes, &mut sink);
            if missing > 0 {
                *cut = true;
                followed = records.gap(missing, &mut sink);
            }
        });
        self.foreign |= !sound;
        if !(sound && followed) {
            self.stop();
        }
        sound
    }

    fn stop(&mut self) {
        self.stream = Stream::Off;
        self.payloads.release();
    }
}

impl Records {
    const fn new(max_message_len: usize) -> Self {
        Self {
            tls: TlsReader::new(max_message_len),
            bytes: Vec::new(),
            segments: 0,
            touched: false,
        }
    }

    fn read(&mut self, payload: &[u8], sink: &mut impl FnMut(Event<'_>, u32)) -> bool {
        self.touched = true;
        self.bytes.extend_from_slice(payload);
        let mut segments = self.segments.saturating_add(1);
        let mut at = 0;
        let progress = self.tls.read(&self.bytes, &mut at, &mut |event| {
            sink(event, segments);
            segments = 1;
        });
        let whole = at == self.bytes.len() && segments == 1;
        self.segments = if whole { 0 } else { segments };
        self.bytes.drain(..at.min(self.bytes.len()));
        progress == Progress::Wait && self.bytes.len() <= MAX_BYTES
    }

    /// The snap length cut the end of the newest payload.
    fn gap(&mut self, missing: usize, sink: &mut impl FnMut(Event<'_>, u32)) -> bool {
        let lost = (self.bytes.len() + missing) as u64;
        self.bytes.clear();
        self.tls.gap(lost, &mut |event| sink(event, 1))
    }
}
