//! One direction of a TCP connection while its beginning is followed: sequence numbers to offsets, bytes to events.

use super::LedgerSlot;
use super::followed::{ALLOCATION, Buffers};
use super::stream::{Assembler, Piece};
use crate::config::Limits;
use crate::dispatch::{Direction, Packet};
use crate::framing::openvpn::{self, Begin, OpenVpnReader};
use crate::framing::scan::{self, Found, RecordRun};
use crate::framing::starttls::tds::Unwrapper;
use crate::framing::tls::{Progress, TlsReader};
use crate::hello::session::{Moment, Session, Tables, Unread};
use crate::hello::sslv2::{self, V2Hello};
use crate::hello::version::ProtocolVersion;
use crate::prefetch;
use crate::record::Carrier;

/// Offset of the first byte; so far from 0 that what lies before a wrongly guessed beginning has an offset too.
pub const START: u64 = 1 << 32;
/// Farther than what is on its way while a handshake goes on: not of this connection, or of no use to it any more.
pub(super) const FAR: u32 = 1 << 18;
/// Segments that wait for the beginning where no SYN was seen, so that a reordered pair is put right.
const MAX_EARLY_SEGMENTS: usize = 3;
/// The same where the other direction acknowledged the bytes before the first of them, and others as well.
const MAX_AWAITED_SEGMENTS: usize = 12;
/// Bytes that wait for the beginning.
const MAX_EARLY_BYTES: usize = 16 << 10;

/// One direction. Laid out as it is used, for a packet pays for each cache line that it touches: the other direction's
/// packets need the first line alone, its own most often three.
#[derive(Debug)]
#[repr(C)]
pub struct TcpStream {
    /// Sequence number of [`START`], once known.
    base: Option<u32>,
    /// Segments that brought the bytes which the reader has not consumed, or the message it is in.
    segments: u32,
    direction: Direction,
    /// A segment begins at `consumed`, and TLS may begin with it.
    candidate: bool,
    /// The SYN told where the stream begins: record headers in its midst are of no interest.
    from_start: bool,
    assembler: Assembler,
    consumed: u64,
    /// Up to here the ledger was told what came in the clear.
    told: u64,
    /// What the other direction acknowledged, until `base` is known.
    expected: Option<u32>,
    reader: Reader,
    /// What came while `base` was not known.
    early: Vec<Early>,
    run: RecordRun,
    lost: Option<Unread>,
}

#[derive(Debug)]
struct Early {
    sequence: u32,
    bytes: Box<[u8]>,
    wire_len: u32,
}

impl Early {
    /// Whether it may be behind a segment at `sequence` that it overtook.
    const fn is_soon_after(&self, sequence: u32) -> bool {
        let ahead = self.sequence.wrapping_sub(sequence);
        ahead > 0 && ahead as usize <= MAX_EARLY_BYTES
    }
}

#[derive(Debug)]
enum Reader {
    /// TLS has not begun.
    Scan,
    Tls(TlsReader),
    /// Records in packets of TDS.
    Wrapped(Box<Wrapped>),
    /// TLS in the packets of OpenVPN's control channel.
    OpenVpn(Box<OpenVpnReader>),
    /// Nothing more is read.
    Off,
}

#[derive(Debug)]
struct Wrapped {
    unwrapper: Unwrapper,
    /// Bytes of records that the reader waits with: less than a record and a segment.
    records: Vec<u8>,
    reader: TlsReader,
}

/// What the readers work with and into.
#[derive(Debug)]
pub struct Context<'a> {
    /// Both directions feed it.
    pub session: &'a mut Session,
    /// What is said before TLS.
    pub ledger: &'a mut LedgerSlot,
    /// Shared facts.
    pub tables: &'a mut Tables,
    /// Memory for reuse.
    pub buffers: &'a mut Buffers,
    /// Caps.
    pub limits: &'a Limits,
    /// The packet's moment; segments are filled in per stream.
    pub moment: Moment,
}

impl TcpStream {
    /// A direction of which nothing was seen.
    pub fn new(direction: Direction) -> Self {
        Self {
            base: None,
            segments: 0,
            direction,
            candidate: false,
            from_start: false,
            assembler: Assembler::new(START, Vec::new()),
            consumed: START,
            told: START,
            expected: None,
            reader: Reader::Scan,
            early: Vec::new(),
            run: RecordRun::default(),
            lost: None,
        }
    }

    /// Becomes one of which nothing was seen, as [`Self::new`] makes it, in the same place.
    pub fn begin_anew(&mut self) {
        *self = Self::new(self.direction);
    }

    /// Bytes of memory that it holds.
    #[inline]
    pub fn memory(&self) -> usize {
        let reader = match &self.reader {
            Reader::Scan | Reader::Off => 0,
            Reader::Tls(reader) => reader.memory(),
            Reader::Wrapped(wrapped) => {
                size_of::<Wrapped>() + wrapped.records.capacity() + wrapped.reader.memory()
            }
            Reader::OpenVpn(reader) => size_of::<OpenVpnReader>() + reader.memory(),
        };
        let early = match self.base {
            Some(_) => 0,
            None => {
                let bytes = self.early.iter().map(|e| e.bytes.len() + ALLOCATION);
                self.early.capacity() * size_of::<Early>() + bytes.sum::<usize>()
            }
        };
        self.assembler.memory() + early + reader
    }

    /// Bytes that wait for others.
    #[inline]
    pub fn held_bytes(&self) -> usize {
        let early = match self.base {
            Some(_) => 0,
            None => self.early_bytes(),
        };
        self.assembler.held_bytes() + early
    }

    fn early_bytes(&self) -> usize {
        self.early.iter().map(|early| early.bytes.len()).sum()
    }

    /// Asks for what a packet of this direction needs, or, of the `other`, what its packets need.
    #[inline]
    pub fn prefetch(&self, other: bool) {
        prefetch::first_lines(self, if other { 1 } else { 3 });
    }

    /// Asks for where the next bytes will go.
    #[inline]
    pub fn prefetch_end(&self) {
        self.assembler.prefetch();
    }

    /// Stream bytes that were needed and never seen.
    pub const fn missing(&self) -> u64 {
        self.assembler.missing()
    }

    /// Bytes of later copies that disagree with the first.
    pub const fn conflicting(&self) -> u64 {
        self.assembler.conflicting()
    }

    /// Payload bytes that came in order, holes included.
    pub const fn position(&self) -> u64 {
        self.assembler.next() - START
    }

    /// The sequence number of its first byte, once that is known.
    pub const fn begins_at(&self) -> Option<u32> {
        self.base
    }

    /// Whether something came from `sequence` on; where that is `None`, from what the other direction acknowledged at first,
    /// or the beginning.
    pub fn has_come_to(&self, sequence: Option<u32>) -> bool {
        let from = sequence.or(self.expected).or(self.base);
        let past = self
            .due()
            .zip(from)
            .map(|(due, from)| due.wrapping_sub(from) as i32);
        past.is_some_and(|bytes| bytes > 0)
    }

    /// Whether bytes wait behind a hole.
    pub const fn has_hole(&self) -> bool {
        self.assembler.has_hole()
    }

    /// Whether it is still searched for the beginning of TLS.
    pub const fn is_scanning(&self) -> bool {
        matches!(self.reader, Reader::Scan)
    }

    /// The version that records of a joined connection carry.
    pub fn record_layer_version(&self) -> Option<ProtocolVersion> {
        self.run.version()
    }

    /// Whether records of a joined connection follow one on another, so that more of them will tell.
    pub const fn is_in_run(&self) -> bool {
        self.run.is_under_way()
    }

    /// How bytes of this direction were lost, if any were.
    pub const fn lost(&self) -> Option<Unread> {
        self.lost
    }

    /// The first byte of the stream has this sequence number: told by the SYN, or by what acknowledges it and the data on
    /// it. Of the two, the SYN is right, and may come later.
    pub fn begin(&mut self, sequence: u32, context: &mut Context<'_>) {
        self.from_start = true;
        match self.base {
            None => self.set_base(sequence, context),
            Some(base) if base == sequence || self.position() > 0 => {}
            Some(base) => {
                self.base = Some(sequence);
                self.assembler
                    .begin_earlier(base.wrapping_sub(sequence).into());
            }
        }
    }

    /// Whether a stream whose first byte has this sequence number can be this one: the SYN came late.
    pub fn may_begin_at(&self, sequence: u32) -> bool {
        match self.base {
            Some(base) => base == sequence,
            None => self.early.iter().all(|e| {
                (e.sequence.wrapping_sub(sequence) as i32) >= 0
                    && e.sequence.wrapping_sub(sequence) < 1 << 20
            }),
        }
    }

    /// Whether a sequence number, or what acknowledges it, can hardly be of this stream.
    pub fn is_far_from(&self, sequence: u32) -> bool {
        let early = || self.early.first().map(|e| e.sequence);
        self.due()
            .or(self.expected)
            .or_else(early)
            .is_some_and(|due| (sequence.wrapping_sub(due) as i32).unsigned_abs() > FAR)
    }

    /// The other direction acknowledged the bytes before `sequence`. The lowest such counts: it was sent first.
    pub fn expect(&mut self, sequence: u32) {
        let is_earlier = |known: u32| (1..=FAR).contains(&known.wrapping_sub(sequence));
        if self.base.is_none() && self.expected.is_none_or(is_earlier) {
            self.expected = Some(sequence);
        }
    }

    /// A segment of this direction was passed over, so that nobody knows what it did not say.
    pub fn miss(&mut self) {
        self.lost.get_or_insert(Unread::Gap);
    }

    /// Takes a segment's payload.
    pub fn segment(&mut self, packet: &Packet, payload: &[u8], context: &mut Context<'_>) {
        let sequence = packet.sequence.wrapping_add(u32::from(
            packet.tcp_flags & crate::dispatch::tcp_flags::SYN != 0,
        ));
        if self.base.is_none() {
            let found = scan::find_hello(payload, true, None, false);
            let begins = matches!(found, Found::At(0));
            self.early.push(Early {
                sequence,
                bytes: payload.into(),
                wire_len: packet.wire_len,
            });
            let bytes = self.early_bytes();
            let most = match self.expected {
                Some(due) if self.early.iter().all(|e| e.is_soon_after(due)) => {
                    MAX_AWAITED_SEGMENTS
                }
                _ => MAX_EARLY_SEGMENTS,
            };
            if begins || self.early.len() >= most || bytes > MAX_EARLY_BYTES {
                self.begin_with_early(context);
            }
            return;
        }
        let Some(offset) = self.offset_of(sequence) else {
            return;
        };
        if offset == self.assembler.next() {
            self.assembler.reserve(payload.len(), context.buffers);
        }
        if self
            .assembler
            .append(offset, payload, packet.wire_len.into())
        {
            self.segments = self.segments.saturating_add(1);
            self.advance(offset, context);
        } else {
            self.assembler
                .insert(offset, payload, packet.wire_len.into());
            self.take_pieces(context);
            while self.assembler.is_over(context.limits.max_stream_bytes)
                && self.give_up_hole(context)
            {}
        }
    }

    /// Skips the first hole: what is missing will not come. `false` where there is none.
    pub fn give_up_hole(&mut self, context: &mut Context<'_>) -> bool {
        if self.base.is_none() && !self.early.is_empty() {
            self.begin_with_early(context);
            return true;
        }
        let Some(piece) = self.assembler.give_up_hole() else {
            return false;
        };
        self.take(piece, context);
        self.take_pieces(context);
        true
    }

    /// The stream ends before `sequence`, as its FIN or RST told: what did not come until then is missing.
    pub fn end_at(&mut self, sequence: u32, context: &mut Context<'_>) {
        /// A reset may have any number.
        const MOST: u32 = 1 << 30;
        if let (None, Some(due)) = (self.base, self.expected) {
            self.set_base(due, context);
        }
        let ahead = self.due().map(|due| sequence.wrapping_sub(due));
        if let Some(lost) = ahead.filter(|lost| (1..=MOST).contains(lost)) {
            let piece = self.assembler.end_after(lost.into());
            self.take(piece, context);
        }
    }

    /// Tells the ledger what was held back because TLS might have begun there.
    pub fn flush(&mut self, context: &mut Context<'_>) {
        if self.is_scanning() {
            self.tell(self.assembler.next(), context);
        }
    }

    fn tell(&mut self, until: u64, context: &mut Context<'_>) {
        let len = usize::try_from(until.saturating_sub(self.told)).unwrap_or(usize::MAX);
        let bytes = self.assembler.since(self.told);
        context
            .ledger
            .bytes(self.direction, bytes.get(..len).unwrap_or(bytes));
        self.told = self.told.max(until);
    }

    /// Lets go of all buffers; returns one for reuse.
    pub fn release(&mut self) -> Vec<u8> {
        self.reader = Reader::Off;
        self.early = Vec::new();
        self.assembler.release()
    }

    fn begin_with_early(&mut self, context: &mut Context<'_>) {
        let first = self
            .early
            .iter()
            .map(|e| e.sequence)
            .reduce(|a, b| if (b.wrapping_sub(a) as i32) < 0 { b } else { a });
        let Some(first) = first else { return };
        // Where the answer was due earlier, it is missing.
        let missed = |due: &u32| context.session.offer.is_some() && first.wrapping_sub(*due) <= FAR;
        let begin = self.expected.filter(missed).unwrap_or(first);
        self.set_base(begin, context);
    }

    fn set_base(&mut self, sequence: u32, context: &mut Context<'_>) {
        self.base = Some(sequence);
        for early in std::mem::take(&mut self.early) {
            if let Some(offset) = self.offset_of(early.sequence) {
                self.assembler
                    .insert(offset, &early.bytes, early.wire_len.into());
                self.take_pieces(context);
            }
        }
    }

    /// RFC 9293 section 3.4: sequence numbers wrap; the nearest to what is due is meant.
    fn offset_of(&self, sequence: u32) -> Option<u64> {
        let ahead = i64::from(sequence.wrapping_sub(self.due()?) as i32);
        self.assembler.next().checked_add_signed(ahead)
    }

    /// The sequence number that comes next.
    fn due(&self) -> Option<u32> {
        Some(
            self.base?
                .wrapping_add(self.assembler.next().wrapping_sub(START) as u32),
        )
    }

    fn take_pieces(&mut self, context: &mut Context<'_>) {
        while let Some(piece) = self.assembler.pop() {
            self.take(piece, context);
        }
    }

    fn take(&mut self, piece: Piece, context: &mut Context<'_>) {
        match piece {
            Piece::Bytes(len) => {
                self.segments = self.segments.saturating_add(1);
                self.advance(self.assembler.next() - len as u64, context);
            }
            Piece::Gap { len, cut } => self.gap(
                len,
                if cut { Unread::Snaplen } else { Unread::Gap },
                context,
            ),
        }
    }

    /// Reads on with the bytes from `boundary`, where the newest segment begins.
    fn advance(&mut self, boundary: u64, context: &mut Context<'_>) {
        if let Reader::Scan = self.reader
            && context.ledger.wraps_tls(|| self.assembler.since(self.told))
        {
            let reader = TlsReader::new(context.limits.max_handshake_bytes);
            self.reader = Reader::Wrapped(Box::new(Wrapped {
                unwrapper: Unwrapper::default(),
                records: Vec::new(),
                reader,
            }));
            self.consumed = self.told;
        }
        if let (Reader::Scan, false) = (&self.reader, self.from_start) {
            self.run.segment(self.assembler.since(boundary));
        }
        loop {
            let bytes = self.assembler.since(self.consumed);
            match &mut self.reader {
                Reader::Scan
                    if self.consumed == START && openvpn::begins(bytes) != Begin::Other =>
                {
                    if let Begin::OpenVpn(layout) = openvpn::begins(bytes) {
                        context.session.in_openvpn = true;
                        self.reader = Reader::OpenVpn(Box::new(OpenVpnReader::new(
                            layout,
                            context.limits.max_handshake_bytes,
                        )));
                        continue;
                    }
                }
                Reader::OpenVpn(reader) => {
                    let mut at = 0;
                    let (session, tables, direction, moment) = (
                        &mut *context.session,
                        &mut *context.tables,
                        self.direction,
                        context.moment,
                    );
                    let sound = reader.stream(bytes, &mut at, &mut |event| {
                        session.on_event(direction, event, moment, Carrier::Tls, tables)
                    });
                    self.consumed += at as u64;
                    if !sound {
                        self.lose_track(Unread::Malformed("record header"), context);
                    }
                }
                Reader::Scan => {
                    let newest = boundary
                        .checked_sub(self.consumed)
                        .and_then(|at| usize::try_from(at).ok());
                    let answering = context.session.offer.is_some();
                    let found = scan::find_hello(bytes, self.candidate, newest, answering);
                    self.candidate = matches!(found, Found::Maybe { boundary: true, .. });
                    // The packet's head may have come before, and alone.
                    let (before, around) = self
                        .assembler
                        .since_before(self.consumed, openvpn::MAX_HEAD_LEN);
                    if let Found::At(at) | Found::Maybe { at, .. } = found
                        && let Some((begins, layout)) = openvpn::around(around, before + at)
                    {
                        self.consumed = self.consumed + begins as u64 - before as u64;
                        context.session.in_openvpn = true;
                        self.reader = Reader::OpenVpn(Box::new(OpenVpnReader::new(
                            layout,
                            context.limits.max_handshake_bytes,
                        )));
                        continue;
                    }
                    match found {
                        Found::At(_) if context.session.in_openvpn => {
                            self.consumed = self.assembler.next();
                            let why = self.lost.unwrap_or(Unread::Gap);
                            context.session.go_blind(self.direction, why);
                            self.reader = Reader::Off;
                        }
                        Found::At(at) => {
                            let begins = self.consumed + at as u64;
                            self.tell(begins, context);
                            self.consumed = begins;
                            self.segments = if at == 0 { self.segments.max(1) } else { 1 };
                            self.reader =
                                Reader::Tls(TlsReader::new(context.limits.max_handshake_bytes));
                            continue;
                        }
                        Found::V2(at) => {
                            self.tell(self.consumed + at as u64, context);
                            self.read_v2(at, context);
                            continue;
                        }
                        Found::Maybe { at, boundary } => {
                            // A byte or two within a segment are no likeness that the ledger should wait for.
                            let likely = boundary || bytes.len() - at > 2;
                            let begins = self.consumed + at as u64;
                            self.tell(
                                if likely {
                                    begins
                                } else {
                                    self.assembler.next()
                                },
                                context,
                            );
                            self.consumed = begins;
                            if at > 0 {
                                self.segments = 1;
                            }
                        }
                        Found::Nowhere => {
                            self.consumed = self.assembler.next();
                            self.tell(self.consumed, context);
                            self.segments = 0;
                        }
                    }
                }
                Reader::Tls(reader) => {
                    let (mut at, mut segments) = (0, self.segments);
                    let (session, tables, direction) =
                        (&mut *context.session, &mut *context.tables, self.direction);
                    let time = context.moment.time;
                    let progress = reader.read(bytes, &mut at, &mut |event| {
                        session.on_event(
                            direction,
                            event,
                            Moment { time, segments },
                            Carrier::Tls,
                            tables,
                        );
                        segments = 1;
                    });
                    self.segments = if at == bytes.len() && segments == 1 {
                        0
                    } else {
                        segments
                    };
                    self.consumed += at as u64;
                    if progress == Progress::NotRecords {
                        self.lose_track(Unread::Malformed("record header"), context);
                    }
                }
                Reader::Wrapped(wrapped) => {
                    let Wrapped {
                        unwrapper,
                        records,
                        reader,
                    } = &mut **wrapped;
                    let packets = unwrapper.read(bytes, records);
                    let moment = Moment {
                        segments: self.segments.max(1),
                        ..context.moment
                    };
                    let (session, tables, direction) =
                        (&mut *context.session, &mut *context.tables, self.direction);
                    let mut at = 0;
                    let progress = reader.read(records, &mut at, &mut |event| {
                        session.on_event(direction, event, moment, Carrier::Tls, tables)
                    });
                    records.drain(..at);
                    if records.is_empty() {
                        self.segments = 0;
                    }
                    self.consumed = self.assembler.next();
                    if !packets || progress == Progress::NotRecords {
                        self.lose_track(Unread::Malformed("record header"), context);
                    }
                }
                Reader::Off => self.consumed = self.assembler.next(),
            }
            break;
        }
        self.assembler.consume(self.consumed);
    }

    /// Reads a hello in SSL 2.0's format. What follows an offer of SSL 3.0 or TLS is TLS records; of what follows in
    /// SSL 2.0 itself nothing more is of interest.
    fn read_v2(&mut self, at: usize, context: &mut Context<'_>) {
        let bytes = self.assembler.since(self.consumed + at as u64);
        let answering = context.session.offer.is_some();
        let sslv2::Likeness::Hello(hello, len) = sslv2::read(bytes, answering) else {
            return;
        };
        let moment = Moment {
            time: context.moment.time,
            segments: self.segments.max(1),
        };
        context
            .session
            .on_v2_hello(self.direction, hello, len, moment, context.tables);
        self.consumed += (at + len) as u64;
        let records =
            matches!(hello, V2Hello::Client { version, .. } if version != ProtocolVersion::SSL_2_0);
        self.reader = if records {
            Reader::Tls(TlsReader::new(context.limits.max_handshake_bytes))
        } else {
            Reader::Off
        };
    }

    fn gap(&mut self, len: u64, why: Unread, context: &mut Context<'_>) {
        self.lost.get_or_insert(why);
        self.candidate = false;
        let pending = (self.assembler.next() - len).saturating_sub(self.consumed);
        self.consumed = self.assembler.next();
        match &mut self.reader {
            Reader::Scan => {
                self.run.gap(len);
                let before = self.assembler.next() - len;
                self.tell(before, context);
                context.ledger.gap(self.direction, len);
            }
            Reader::Wrapped(_) => self.lose_track(why, context),
            Reader::Tls(reader) => {
                let (session, tables, direction, moment) = (
                    &mut *context.session,
                    &mut *context.tables,
                    self.direction,
                    context.moment,
                );
                let followed = reader.gap(pending + len, &mut |event| {
                    session.on_event(direction, event, moment, Carrier::Tls, tables)
                });
                if let Some(progress) = session.progress.get_mut(direction.index()) {
                    // What is encrypted tells nothing that could be missed.
                    progress.lost |= !(progress.ccs || progress.application_data);
                    if progress.unread == Some(Unread::Gap) {
                        progress.unread = Some(why);
                    }
                }
                if !followed {
                    self.lose_track(why, context);
                }
            }
            // The place of the next packet is not known.
            Reader::OpenVpn(_) => {
                self.consumed = self.assembler.next();
                context.session.go_blind(self.direction, why);
                self.reader = Reader::Off;
            }
            Reader::Off => {}
        }
        self.told = self.assembler.next();
    }

    /// The records cannot be followed. Before this direction's hello, another may still come.
    fn lose_track(&mut self, why: Unread, context: &mut Context<'_>) {
        self.consumed = self.assembler.next();
        self.told = self.consumed;
        if context.session.has_hello_of(self.direction) {
            context.session.go_blind(self.direction, why);
            self.reader = Reader::Off;
        } else {
            self.reader = Reader::Scan;
        }
    }
}
