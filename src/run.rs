//! Threads, channels and signals: the only place that has them.
//!
//! ```text
//! capture thread ──Block──▶ N workers, each owns its shards ──Batch──▶ this thread: order and write
//!        ◀──────── empty blocks ────────
//! ```
//!
//! Offline every queue waits: a replay never drops. An epoch ends after a fixed number of packets; there every shard
//! lets its flows age and hands out its records, which are written in the order of their first packets. So the output
//! is the same, byte for byte, for every number of workers and every size of block.

mod collector;
pub mod live;
mod shunted;

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};
use hdrhistogram::Histogram;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use smallvec::SmallVec;

use crate::capture::live::LiveError;
use crate::capture::{CaptureError, FileSource, Frame, Next, first_time};
use crate::config::{AuditOptions, InputPath, Limits};
use crate::decode::{DecodeCounts, Decoded, Decoder, LinkType, Undecoded, fast};
use crate::dispatch::{Block, Hasher, Packet, SHARDS, Tick, shard_of, worker_of};
use crate::flow::Flow;
use crate::flow::table::Slot;
use crate::flow::to_record::to_record;
use crate::ordered::{BATCH_RECORDS, Batch, Lane, Ordered};
use crate::output::{FlowFormat, FlowOutputs, OutputError};
use crate::policy::{Judge, Networks, Reviewer};
use crate::prefetch;
use crate::record::redact::Pseudonyms;
use crate::record::{Losses, Tally};
use crate::report::progress::Progress;
use crate::report::{Blind, BlindSpots, Input, Summary};
use crate::shard::{Shard, ShardCounts, Shared};
use crate::stats::{RunStats, WorkerStats};
use crate::time::Timestamp;
use shunted::Shunted;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A capture that cannot be read.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// An interface that cannot be captured from.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// `--filter` does not compile.
    #[error("the filter is not in tcpdump's syntax: {0}")]
    Filter(String),
    /// Flow records cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Ctrl-C cannot be caught.
    #[error("cannot catch signals: {0}")]
    Signals(#[source] io::Error),
    /// The system gives no more threads.
    #[error("cannot start a thread: {0}")]
    Spawn(#[source] io::Error),
    /// A thread ended by a panic: a defect of this program.
    #[error("internal error: the {0} thread failed")]
    Thread(&'static str),
}

/// Blocks that may wait for one worker: work for longer than the system leaves a thread off its processor, so that nobody
/// is out of work meanwhile.
const QUEUE_BLOCKS: usize = 16;
/// With fewer of them left, a worker lets the capture thread go first, should that wait for the same processor: others may
/// have nothing to do at all.
const SCARCE_BLOCKS: usize = 3;
/// Batches of records of one worker that may wait to be written.
const QUEUE_BATCHES: usize = 16;

/// Audits saved captures: reads them as one trace and writes the records of their flows to `outputs`. SIGINT and
/// SIGTERM end the reading, and what was read is told; the second one ends the program.
///
/// # Errors
/// Where an input cannot be read at all, the filter does not compile, or records cannot be written.
pub fn audit(
    options: &AuditOptions,
    outputs: &mut FlowOutputs,
    progress: &Progress,
) -> Result<(Summary, RunStats), RunError> {
    let begin = Instant::now();
    let stop = stop_on_signals().map_err(RunError::Signals)?;
    let sources = open_in_order(&options.inputs, &options.limits)?;
    let formats = outputs.formats();
    let workers = options.workers.clamp(1, SHARDS);
    let pseudonyms = options.redact.then(pseudonyms);
    let (pool_tx, pool_rx) = bounded::<Block>(workers * QUEUE_BLOCKS + 2);
    thread::scope(|scope| {
        let mut queues = Vec::with_capacity(workers);
        let mut handles = Vec::with_capacity(workers);
        let mut lanes = Vec::with_capacity(workers);
        for index in 0..workers {
            let (block_tx, block_rx) = bounded::<Parcel>(QUEUE_BLOCKS);
            queues.push(block_tx);
            let (batch_tx, batch_rx) = bounded::<Batch>(QUEUE_BATCHES);
            let (spare_tx, spare_rx) = bounded::<Batch>(QUEUE_BATCHES + 2);
            lanes.push(Lane::new(batch_rx, spare_tx));
            let worker = Worker::new(index, workers, options, &formats, pseudonyms, spare_rx);
            let pool_tx = pool_tx.clone();
            let thread = thread::Builder::new().name(format!("worker-{index}"));
            handles.push(
                thread
                    .spawn_scoped(scope, move || worker.run(&block_rx, &batch_tx, &pool_tx))
                    .map_err(RunError::Spawn)?,
            );
        }
        drop(pool_tx);
        let capture = Capture::new(options, &stop, queues, pool_rx);
        let thread = thread::Builder::new().name("capture".into());
        let capture = thread
            .spawn_scoped(scope, move || capture.run(sources, progress))
            .map_err(RunError::Spawn)?;

        let tally = Tally::new(options.limits.max_devices, options.limits.max_servers);
        let reviewer = Reviewer::new(Judge::new(&options.policy, options.at));
        let mut ordered = Ordered::new(outputs, &formats, tally, reviewer);
        let written = ordered.run(&mut lanes, &stop);
        // Else a worker could wait for us for ever.
        drop(lanes);

        let mut given_up = ShardCounts::default();
        let mut worked = WorkerStats::default();
        let mut failed = None;
        for handle in handles {
            match handle.join() {
                Ok((counts, stats)) => {
                    given_up += counts;
                    worked.merge(&stats);
                }
                Err(_) => failed = Some(RunError::Thread("worker")),
            }
        }
        let seen = capture.join().map_err(|_| RunError::Thread("capture"))?;
        if let Some(error) = failed {
            return Err(error);
        }
        written?;
        let seen = seen?;
        let blind = blind_spots(&seen.undecoded, given_up);
        let mut summary = Summary::new(
            seen.inputs,
            options.policy.clone(),
            ordered.into_tally(),
            blind,
        );
        summary.at = options.at;
        summary.cut_short = seen.cut_short;
        let stats = RunStats {
            elapsed: begin.elapsed(),
            packets: summary.packets(),
            bytes: summary.bytes(),
            workers: worked,
        };
        Ok((summary, stats))
    })
}

/// Pseudonyms of this run alone: the standard library draws the keys of its hash maps at random.
pub(crate) fn pseudonyms() -> Pseudonyms {
    let draw = || RandomState::new().hash_one(0_u8).to_be_bytes();
    let mut key = [0; 16];
    for half in key.as_chunks_mut::<8>().0 {
        *half = draw();
    }
    Pseudonyms::new(key)
}

/// A flag that SIGINT and SIGTERM set. The second signal ends the program at once.
fn stop_on_signals() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag unset.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// What could not be seen, as the report counts it.
fn blind_spots(undecoded: &DecodeCounts, given_up: ShardCounts) -> BlindSpots {
    let mut blind = BlindSpots::default();
    for (reason, frames) in undecoded.iter() {
        let spot = match reason {
            Undecoded::LinkType(link) => Blind::LinkType(link),
            Undecoded::EtherType(number) => Blind::EtherType(number),
            Undecoded::IpProtocol(number) => Blind::IpProtocol(number),
            _ => Blind::MalformedPackets,
        };
        blind.add(spot, frames);
    }
    blind.add(Blind::MalformedPackets, undecoded.other());
    blind.add(Blind::Fragments, undecoded.fragments_lost());
    blind.add(Blind::BuffersGivenUp, given_up.evicted_buffers);
    blind.add(Blind::Evicted, given_up.evicted_untold);
    blind
}

/// Opens all inputs before anything is read, in the order of their first packets; standard input comes where it stands.
fn open_in_order(inputs: &[InputPath], limits: &Limits) -> Result<Vec<FileSource>, RunError> {
    let mut files: Vec<&Path> = inputs
        .iter()
        .map(|input| match input {
            InputPath::Stdin => Path::new("-"),
            InputPath::File(path) => path,
        })
        .collect();
    if files.len() > 1 && files.iter().all(|f| f.as_os_str() != "-") {
        let mut timed = Vec::with_capacity(files.len());
        for file in files {
            timed.push((first_time(file)?, file));
        }
        // Captures without a packet come last; the sort is stable.
        timed.sort_by_key(|(time, _)| (time.is_none(), *time));
        files = timed.into_iter().map(|(_, file)| file).collect();
    }
    files
        .into_iter()
        .map(|file| FileSource::open(file, limits).map_err(RunError::from))
        .collect()
}

/// The capture thread: reads, cuts, decodes, dispatches.
struct Capture<'a> {
    options: &'a AuditOptions,
    stop: &'a AtomicBool,
    queues: Vec<Sender<Parcel>>,
    /// The worker of each shard.
    owners: [usize; SHARDS],
    pool: Receiver<Block>,
    hasher: Hasher,
    decoder: Decoder,
    filters: Vec<(LinkType, pcap::BpfProgram)>,
    block: Block,
    number: u64,
    now: Timestamp,
    epoch: u64,
    left_in_epoch: u64,
}

/// What the capture thread saw.
struct Seen {
    inputs: Vec<Input>,
    undecoded: DecodeCounts,
    cut_short: bool,
}

impl<'a> Capture<'a> {
    fn new(
        options: &'a AuditOptions,
        stop: &'a AtomicBool,
        queues: Vec<Sender<Parcel>>,
        pool: Receiver<Block>,
    ) -> Self {
        let mut block = Block::default();
        block.clear(queues.len());
        Self {
            options,
            stop,
            owners: std::array::from_fn(|shard| worker_of(shard, queues.len())),
            queues,
            pool,
            hasher: Hasher::fixed(),
            decoder: Decoder::new(&options.limits),
            filters: Vec::new(),
            block,
            number: 0,
            now: Timestamp::default(),
            epoch: 0,
            left_in_epoch: options.limits.epoch_packets.max(1),
        }
    }

    fn run(mut self, sources: Vec<FileSource>, progress: &Progress) -> Result<Seen, RunError> {
        let mut inputs = Vec::with_capacity(sources.len());
        let mut cut_short = false;
        for mut source in sources {
            let mut input = Input {
                name: source.name().to_owned(),
                ..Input::default()
            };
            if !cut_short {
                cut_short = !self.read(&mut source, &mut input, progress)?;
            }
            input.bytes = source.bytes_read();
            input.damage = source.damage().map(ToString::to_string);
            inputs.push(input);
        }
        self.end();
        Ok(Seen {
            inputs,
            undecoded: self.decoder.counts(),
            cut_short,
        })
    }

    /// Reads one input to its end; `false` where it was stopped before.
    fn read(
        &mut self,
        source: &mut FileSource,
        input: &mut Input,
        progress: &Progress,
    ) -> Result<bool, RunError> {
        let (mut at, mut told) = (0, 0);
        loop {
            match source.next_frame(&self.block.bytes, &mut at) {
                Next::Frame(frame) => {
                    input.packets += 1;
                    input.first_packet = Some(
                        input
                            .first_packet
                            .map_or(frame.time, |first| first.min(frame.time)),
                    );
                    input.last_packet = Some(
                        input
                            .last_packet
                            .map_or(frame.time, |last| last.max(frame.time)),
                    );
                    self.frame(&frame)?;
                    self.left_in_epoch -= 1;
                    if self.left_in_epoch == 0 {
                        self.left_in_epoch = self.options.limits.epoch_packets.max(1);
                        self.send(&mut at, Some(self.tick(false)));
                    }
                }
                Next::End => {
                    at = self.block.bytes.len();
                    self.send(&mut at, None);
                    return Ok(true);
                }
                Next::NeedMore => {
                    self.send(&mut at, None);
                    let consumed = source.bytes_consumed_of_file();
                    progress.advance(consumed - told);
                    told = consumed;
                    if self.stop.load(Ordering::Relaxed) {
                        self.block.bytes.clear();
                        return Ok(false);
                    }
                    if !source.fill(&mut self.block.bytes)? {
                        self.block.bytes.clear();
                        // Ctrl-C may have ended whoever writes into our standard input, too.
                        return Ok(!self.stop.load(Ordering::Relaxed));
                    }
                }
            }
        }
    }

    /// Decodes one frame and hands it on.
    #[inline]
    fn frame(&mut self, frame: &Frame) -> Result<(), RunError> {
        self.number += 1;
        self.now = frame.time;
        let bytes = self
            .block
            .bytes
            .get(frame.at..frame.at + frame.captured_len)
            .unwrap_or_default();
        if let Some(filter) = &self.options.filter
            && !matches(&mut self.filters, filter, frame.link, bytes)?
        {
            return Ok(());
        }
        // Two calls, so that the usual frame's facts stay in registers.
        if let Some(decoded) = fast::segment(frame.link, bytes) {
            self.dispatch(&decoded, frame);
        } else if let Ok(decoded) = self.decoder.decode(
            frame.link,
            bytes,
            frame.wire_len,
            frame.time,
            &mut self.block.extra,
        ) {
            self.dispatch(&decoded, frame);
        }
        Ok(())
    }

    /// Puts a packet into the lane of the worker that owns its flow.
    #[inline(always)]
    fn dispatch(&mut self, decoded: &Decoded, frame: &Frame) {
        let mut packet = Packet::new(decoded, &self.hasher, self.number, frame.time, frame.at);
        self.block.note(&mut packet, decoded);
        let worker = self
            .owners
            .get(shard_of(packet.hash))
            .copied()
            .unwrap_or_default();
        if let Some(lane) = self.block.lanes.get_mut(worker) {
            lane.packets.push(packet);
        }
    }

    const fn tick(&self, last: bool) -> Tick {
        Tick {
            epoch: self.epoch,
            now: self.now,
            last,
        }
    }

    /// Hands the block to the workers and goes on with another, which begins with the bytes from `at` on.
    fn send(&mut self, at: &mut usize, tick: Option<Tick>) {
        let idle = tick.is_none() && self.block.lanes.iter().all(|lane| lane.packets.is_empty());
        if idle {
            self.block.bytes.drain(..*at);
            *at = 0;
            return;
        }
        let mut next = self.pool.try_recv().unwrap_or_default();
        next.clear(self.queues.len());
        next.bytes
            .extend_from_slice(self.block.bytes.get(*at..).unwrap_or_default());
        *at = 0;
        let mut full = std::mem::replace(&mut self.block, next);
        full.tick = tick;
        self.epoch += u64::from(tick.is_some());
        let full = Arc::new(full);
        let sent = Instant::now();
        for (queue, lane) in self.queues.iter().zip(&full.lanes) {
            if tick.is_some() || !lane.packets.is_empty() {
                // A worker that is gone has failed; the run tells.
                let _ = queue.send(Parcel {
                    block: Arc::clone(&full),
                    sent,
                });
            }
        }
    }

    fn end(&mut self) {
        let tick = self.tick(true);
        let mut at = self.block.bytes.len();
        self.send(&mut at, Some(tick));
    }
}

/// Whether libpcap's compiled filter takes the frame. One program a link type.
fn matches(
    filters: &mut Vec<(LinkType, pcap::BpfProgram)>,
    filter: &str,
    link: LinkType,
    bytes: &[u8],
) -> Result<bool, RunError> {
    if let Some((_, program)) = filters.iter().find(|(l, _)| *l == link) {
        return Ok(program.filter(bytes));
    }
    let program = pcap::Capture::dead(pcap::Linktype(link.0.into()))
        .and_then(|capture| capture.compile(filter, true))
        .map_err(|error| RunError::Filter(error.to_string()))?;
    let matched = program.filter(bytes);
    filters.push((link, program));
    Ok(matched)
}

/// A worker thread: owns its shards, judges and writes down what they tell.
struct Worker<'a> {
    index: usize,
    workers: usize,
    shards: Vec<Shard>,
    shared: Shared,
    /// Batches that were written, for reuse.
    spare: Receiver<Batch>,
    judge: Judge<'a>,
    pseudonyms: Option<Pseudonyms>,
    ours: &'a Networks,
    formats: Vec<FlowFormat>,
    /// What a live capture lost; records of flows that it may have touched are marked.
    losses: Option<&'a Losses>,
    /// What of a live capture stays in the kernel.
    shunted: Option<Box<Shunted>>,
}

/// A block on its way to a worker.
struct Parcel {
    block: Arc<Block>,
    sent: Instant,
}

fn record(histogram: &mut Histogram<u64>, value: u128) {
    // Not the saturating one: that keeps the range from growing.
    let _ = histogram.record(u64::try_from(value).unwrap_or(u64::MAX));
}

impl<'a> Worker<'a> {
    fn new(
        index: usize,
        workers: usize,
        options: &'a AuditOptions,
        formats: &[FlowFormat],
        pseudonyms: Option<Pseudonyms>,
        spare: Receiver<Batch>,
    ) -> Self {
        let own = (0..SHARDS).filter(|shard| worker_of(*shard, workers) == index);
        let shards = own.map(|_| Shard::new(options.limits)).collect();
        Self {
            index,
            workers,
            shards,
            shared: Shared::default(),
            spare,
            judge: Judge::new(&options.policy, options.at),
            pseudonyms,
            ours: &options.ours,
            formats: formats.to_vec(),
            losses: None,
            shunted: None,
        }
    }

    fn run(
        mut self,
        parcels: &Receiver<Parcel>,
        batches: &Sender<Batch>,
        pool: &Sender<Block>,
    ) -> (ShardCounts, WorkerStats) {
        let mut stats = WorkerStats::default();
        // Where each shard lies among this worker's: a division less for each packet.
        let places: [usize; SHARDS] = std::array::from_fn(|shard| shard / self.workers);
        let place = |hash| places.get(shard_of(hash)).copied().unwrap_or_default();
        let mut last_packet = 0;
        for Parcel { block, sent } in parcels {
            let begin = Instant::now();
            record(
                &mut stats.queue_wait_us,
                begin.duration_since(sent).as_micros(),
            );
            let mut parts = block
                .lanes
                .get(self.index)
                .map_or(&[][..], |lane| &lane.packets)
                .chunks(WARM_PACKETS);
            while let Some(packets) = parts.next() {
                // They lie in the cache of the processor that wrote them.
                prefetch::slice(parts.clone().next().unwrap_or_default());
                if let Some(shunted) = &mut self.shunted {
                    shunted.before(packets, &mut self.shards);
                }
                // In steps: what one asks for, the next finds.
                for packet in packets {
                    if let Some(shard) = self.shards.get(place(packet.hash)) {
                        shard.prefetch_index(packet.hash);
                    }
                }
                let mut probed = [None; WARM_PACKETS];
                let mut with_payload = SmallVec::<[_; WARM_PACKETS]>::new();
                for (packet, probed) in packets.iter().zip(&mut probed) {
                    let Some(shard) = self.shards.get(place(packet.hash)) else {
                        continue;
                    };
                    *probed = shard.probe(packet.hash);
                    if let Some(slot) = *probed {
                        shard.prefetch_flow(slot);
                        if packet.payload_len > 0 {
                            with_payload.push((packet, shard, slot));
                        }
                    } else {
                        shard.prefetch_new();
                    }
                }
                let mut followed = SmallVec::<[_; WARM_PACKETS]>::new();
                for (packet, shard, slot) in with_payload {
                    if shard.prefetch_active(slot, packet, &block) {
                        followed.push((packet, shard, slot));
                    }
                }
                for (packet, shard, slot) in followed {
                    shard.prefetch_stream(slot, packet);
                }
                for (packet, probed) in packets.iter().zip(probed) {
                    if let Some(shard) = self.shards.get_mut(place(packet.hash)) {
                        shard.packet_at(probed, packet, &block, &mut self.shared);
                    }
                }
                if let Some(shunted) = &mut self.shunted {
                    shunted.after(packets, &mut self.shards);
                }
            }
            let lane = block.lanes.get(self.index);
            let packets = lane.map_or(0, |lane| lane.packets.len());
            if let Some(packet) = lane.and_then(|lane| lane.packets.last()) {
                last_packet = packet.number;
            }
            if packets > 0 {
                record(
                    &mut stats.packet_ns,
                    begin.elapsed().as_nanos() / packets as u128,
                );
            }
            if let Some(tick) = block.tick {
                let begin = Instant::now();
                if let Some(shunted) = &mut self.shunted {
                    shunted.tick(&mut self.shards, tick.last);
                }
                for shard in &mut self.shards {
                    shard.tick(tick.now, &mut self.shared);
                    if tick.last {
                        shard.finish(&mut self.shared);
                    }
                }
                self.hand_over(tick.last.then_some(last_packet), batches);
                if let Some(shunted) = &mut self.shunted {
                    shunted.forget_ended(&self.shards);
                }
                record(&mut stats.records_us, begin.elapsed().as_micros());
            }
            if let Some(block) = Arc::into_inner(block) {
                let _ = pool.try_send(block);
            }
            if parcels.len() < SCARCE_BLOCKS {
                thread::yield_now();
            }
        }
        let mut counts = ShardCounts::default();
        for shard in &self.shards {
            counts += shard.counts();
        }
        (counts, stats)
    }

    /// Judges and writes down the flows that ended, and hands them over in the order of their first packets. At the end
    /// of the capture, after `packets` of them, these are all. They stay where they are, for there may be millions, and
    /// are gone through several times, for a part of the trace each.
    fn hand_over(&mut self, end_after: Option<u64>, batches: &Sender<Batch>) {
        let mut ended = std::mem::take(self.shared.ended());
        let held: usize = match end_after {
            Some(_) => self.shards.iter().map(Shard::flows).sum(),
            None => 0,
        };
        let parts = (held / PART_FLOWS) as u64 + 1;
        let part_packets = end_after.unwrap_or_default() / parts + 1;
        let mut order: Vec<(u64, Place)> = Vec::new();
        for part in 0..parts {
            let (begin, end) = (
                part * part_packets,
                if part + 1 == parts {
                    u64::MAX
                } else {
                    (part + 1) * part_packets
                },
            );
            let now = |first_packet: u64| (begin..end).contains(&first_packet);
            order.clear();
            for (flow, place) in ended.iter().zip(0..) {
                if now(flow.first_packet) {
                    order.push((flow.first_packet, Place::ended(place)));
                }
            }
            if end_after.is_some() {
                for (shard, index) in self.shards.iter().zip(0..) {
                    for (slot, flow) in shard.settled() {
                        if now(flow.first_packet) {
                            order.push((flow.first_packet, Place::held(index, slot)));
                        }
                    }
                }
            }
            // A flow is large: places are sorted, not flows.
            order.sort_unstable_by_key(|(first_packet, _)| *first_packet);
            if !self.write_down(&order, &ended, part + 1 == parts, batches) {
                break;
            }
        }
        ended.clear();
        *self.shared.ended() = ended;
    }

    /// Makes the records of flows in this order and hands them over; `false` where nobody takes them.
    fn write_down(
        &mut self,
        order: &[(u64, Place)],
        ended: &[Flow],
        last: bool,
        batches: &Sender<Batch>,
    ) -> bool {
        let mut rest = order;
        loop {
            let mut batch = self.spare.try_recv().unwrap_or_default();
            batch.clear(self.formats.len());
            let (now, later) = rest.split_at(rest.len().min(BATCH_RECORDS));
            rest = later;
            let flow_at = |number: usize| {
                let (_, place) = now.get(number)?;
                match place.shard() {
                    None => ended.get(place.number as usize),
                    Some(shard) => self.shards.get(shard)?.flow(place.number),
                }
            };
            for number in 0..now.len() {
                // In the order of the trace they lie all over the place.
                if let Some(flow) = flow_at(number + 8) {
                    prefetch::whole(flow);
                }
                if let Some(flow) = flow_at(number + 4) {
                    flow.prefetch_beside();
                }
                let Some(record) = flow_at(number).and_then(to_record) else {
                    continue;
                };
                batch.push(record, &self.formats, |record| {
                    if let Some(losses) = self.losses {
                        losses.mark(record);
                    }
                    record.route = self.ours.route_of(record);
                    self.judge.judge(record);
                    if let Some(pseudonyms) = &self.pseudonyms {
                        pseudonyms.redact(record);
                    }
                });
            }
            batch.last = last && rest.is_empty();
            batch.worker = self.index;
            if batch.last {
                batch.open_flows = self.shards.iter().map(|s| s.flows() as u64).sum();
            }
            // Whoever does not take it has failed; the run tells.
            if batches.send(batch).is_err() {
                return false;
            }
            if rest.is_empty() {
                return true;
            }
        }
    }
}

/// Flows whose records are put in order together at the end of a capture.
const PART_FLOWS: usize = 1 << 17;

/// Where a flow lies whose record is due, in few bytes.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// In the table of a shard, or among those that ended.
    number: u32,
    shard: u8,
}

impl Place {
    const ENDED: u8 = u8::MAX;

    const fn ended(number: u32) -> Self {
        Self {
            number,
            shard: Self::ENDED,
        }
    }

    const fn held(shard: u8, slot: Slot) -> Self {
        Self {
            number: slot,
            shard,
        }
    }

    fn shard(self) -> Option<usize> {
        (self.shard != Self::ENDED).then_some(self.shard.into())
    }
}

/// Packets whose flows are looked up together: so many that what the first one asks for is there when the last has asked.
const WARM_PACKETS: usize = 32;
