//! The threads of a live capture.
//!
//! ```text
//! capture threads of interfaces ──Block──▶ N workers ──Batch──▶ this thread: order, count, write, watch the clock
//!               ▲──────── empty blocks ──────────┘  ▲───────────── ticks ────────────┘
//! ```
//!
//! Packets are copied once, from the kernel's ring into blocks; from there on all is as in an audit. What differs: a full
//! queue does not wait for long, because the ring behind it is filling, but drops and counts; and ticks come by the clock,
//! so that records are written soon and flows age although no packet comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{
    Receiver, RecvTimeoutError, SendTimeoutError, Sender, TrySendError, bounded,
};
use signal_hook::consts::SIGHUP;
use signal_hook::flag;

use super::collector::Collector;
use super::shunted::Shunted;
use super::{Batch, Parcel, RunError, Worker, blind_spots, stop_on_signals};
use crate::capture::live::{LivePacket, Nic};
use crate::capture::shunt::{Shunt, ShuntError, Stayed, Totals};
use crate::config::{Limits, LiveOptions};
use crate::decode::{DecodeCounts, Decoder, fast};
use crate::dispatch::{Block, Hasher, Packet, SHARDS, Tick, shard_of, worker_of};
use crate::output::LiveFlows;
use crate::policy::{Judge, Reviewer};
use crate::record::{Drops, FlowRecord, Losses, Tally};
use crate::report::{Blind, BlindSpots, Input, Summary};
use crate::shard::ShardCounts;
use crate::stats::{RunStats, WorkerStats};
use crate::time::Timestamp;

/// How a capture stands, several times a second.
#[derive(Debug)]
pub struct Pulse<'a> {
    /// The clock on the wall.
    pub now: Timestamp,
    /// Since the capture began.
    pub elapsed: Duration,
    /// Packets taken from all interfaces.
    pub packets: u64,
    /// Bytes of them on the wire.
    pub bytes: u64,
    /// What was lost so far.
    pub drops: Drops,
    /// What stayed in the kernel so far, because its flows were told.
    pub stayed: Stayed,
    /// Flows in the tables.
    pub open_flows: u64,
    /// All that was counted.
    pub tally: &'a Tally,
    /// Flow records that could not be written.
    pub records_lost: u64,
}

/// What a watcher wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Make the report now.
    pub report: bool,
    /// End the capture.
    pub end: bool,
}

/// Who looks on: a live view, metrics, whoever writes the reports.
pub trait Watch {
    /// These flows ended.
    fn records(&mut self, records: &[&FlowRecord]) {
        let _ = records;
    }

    /// Called several times a second.
    fn pulse(&mut self, pulse: &Pulse<'_>) -> Wish {
        let _ = pulse;
        Wish::default()
    }

    /// The capture has begun: everything is open.
    fn begun(&mut self) {}

    /// The capture is about to end.
    fn ending(&mut self) {}

    /// The report so far, because somebody asked for it.
    fn report(&mut self, summary: &Summary);

    /// Something that people should know; one line.
    fn notice(&mut self, text: &str);
}

/// Opens all interfaces.
///
/// # Errors
/// Where one of them cannot be captured from.
pub fn open(options: &LiveOptions) -> Result<Vec<Nic>, RunError> {
    let mut nics = Vec::new();
    for name in &options.interfaces {
        nics.extend(Nic::open_shared(
            name,
            &options.nic,
            options.capture_threads,
        )?);
    }
    Ok(nics)
}

/// Keeps bulk data of `nics` in the kernel, where that is wanted and can be.
///
/// # Errors
/// Where it cannot be, or must not: the capture goes on without it.
pub fn shunt(options: &LiveOptions, nics: &[Nic]) -> Result<Option<Shunt>, ShuntError> {
    if !options.shunt {
        return Ok(None);
    }
    if options.nic.filter.is_some() {
        return Err(ShuntError::Unavailable(
            "a socket has one filter, and --filter takes its place".into(),
        ));
    }
    let audit = &options.audit;
    let shunt = Shunt::load(&audit.limits, audit.workers.clamp(1, SHARDS), nics.len())?;
    if options.sandbox {
        shunt.works_without_privileges()?;
    }
    // All or none: a flow may pass on two interfaces.
    for nic in nics {
        if let Err(error) = shunt.attach(nic) {
            for nic in nics {
                Shunt::detach(nic);
            }
            return Err(error);
        }
    }
    Ok(Some(shunt))
}

/// Captures from `nics` until a signal, the time or the watcher ends it.
///
/// # Errors
/// Where threads cannot be started or the reader of the records is gone.
pub fn live(
    options: &LiveOptions,
    nics: Vec<Nic>,
    mut shunt: Option<Shunt>,
    flows: &mut LiveFlows,
    watch: &mut dyn Watch,
) -> Result<(Summary, RunStats), RunError> {
    let stop = stop_on_signals().map_err(RunError::Signals)?;
    let report_now = Arc::new(AtomicBool::new(false));
    flag::register(SIGHUP, Arc::clone(&report_now)).map_err(RunError::Signals)?;
    let audit = &options.audit;
    let workers = audit.workers.clamp(1, SHARDS);
    let formats = flows.formats();
    let pseudonyms = audit.redact.then(super::pseudonyms);
    let interfaces = options.interfaces.iter();
    let counters: Vec<Counters> = interfaces.map(|_| Counters::default()).collect();
    let (losses, numbers, hasher) = (Losses::default(), AtomicU64::new(0), Hasher::random());
    // A worker may wait here: this thread never waits for one.
    let (batch_tx, batch_rx) = bounded::<Batch>(workers * 4);
    let (spare_tx, spare_rx) = bounded::<Batch>(workers * 2);
    let (pool_tx, pool_rx) = bounded::<Block>(workers * QUEUE_BLOCKS);
    let (notice_tx, notices) = mpsc::channel();
    let mut flow_maps: Vec<_> = (0..workers)
        .map(|_| shunt.as_mut().and_then(Shunt::take_maps))
        .collect();
    let mut totals: Vec<_> = nics
        .iter()
        .map(|_| shunt.as_mut().and_then(Shunt::take_totals))
        .collect();
    let shunt = shunt.as_ref();
    thread::scope(|scope| {
        let mut queues = Vec::with_capacity(workers);
        let mut handles = Vec::with_capacity(workers);
        for index in 0..workers {
            let (block_tx, block_rx) = bounded::<Parcel>(QUEUE_BLOCKS);
            queues.push(block_tx);
            let spare = spare_rx.clone();
            let mut worker = Worker::new(index, workers, audit, &formats, pseudonyms, spare);
            worker.losses = Some(&losses);
            worker.shunted = flow_maps.pop().flatten().map(|maps| {
                let own = |shard| (worker_of(shard, workers) == index).then_some(shard / workers);
                let places = std::array::from_fn(own);
                Box::new(Shunted::new(maps, hasher.clone(), places))
            });
            let (batch_tx, pool_tx) = (batch_tx.clone(), pool_tx.clone());
            let thread = thread::Builder::new().name(format!("worker-{index}"));
            handles.push(
                thread
                    .spawn_scoped(scope, move || worker.run(&block_rx, &batch_tx, &pool_tx))
                    .map_err(RunError::Spawn)?,
            );
        }
        drop((batch_tx, pool_tx));
        let mut taps = Vec::with_capacity(nics.len());
        let mut led: Vec<String> = Vec::new();
        for nic in nics {
            let leads = !led.iter().any(|name| name == nic.name());
            if leads {
                led.push(nic.name().to_owned());
            }
            let Some(counters) = counters.get(led.len() - 1) else {
                continue;
            };
            let tap = Tap {
                leads,
                options,
                stop: &stop,
                notices: notice_tx.clone(),
                input: Input {
                    name: nic.name().to_owned(),
                    ..Input::default()
                },
                polled: Instant::now(),
                polled_at: wall_clock(),
                shunt,
                totals: totals.pop().flatten().filter(|_| leads),
                filler: Filler::new(
                    &audit.limits,
                    queues.clone(),
                    pool_rx.clone(),
                    (&numbers, &losses, counters),
                    hasher.clone(),
                ),
                nic,
            };
            let thread = thread::Builder::new().name(format!("capture {}", tap.input.name));
            taps.push(
                thread
                    .spawn_scoped(scope, move || tap.run())
                    .map_err(RunError::Spawn)?,
            );
        }
        drop(notice_tx);
        let mut clock = Clock {
            options,
            stop: &stop,
            report_now: &report_now,
            counters: &counters,
            losses: &losses,
            notices,
            begin: Instant::now(),
            collector: Collector::new(
                flows,
                &formats,
                Tally::new(audit.limits.max_devices, audit.limits.max_servers),
                Reviewer::new(Judge::new(&audit.policy, audit.at)),
                spare_tx,
                workers,
            ),
            ticker: Ticker::new(queues),
            watch,
        };
        let written = clock.run(&batch_rx, taps);
        let (begin, records_lost) = (clock.begin, clock.collector.flows.lost());
        let tally = clock.collector.tally;

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
        if let Some(error) = failed {
            return Err(error);
        }
        let seen = written?;
        let mut blind = BlindSpots::default();
        let mut inputs = Vec::with_capacity(seen.len());
        for (index, (input, undecoded)) in seen.into_iter().enumerate() {
            let once = if index == 0 {
                given_up
            } else {
                ShardCounts::default()
            };
            blind.merge(&blind_spots(&undecoded, once));
            // Threads that share an interface have the same counters; the one that leads comes first.
            if inputs
                .last()
                .is_none_or(|last: &Input| last.name != input.name)
            {
                inputs.push(input);
            }
        }
        add_losses(&mut blind, &losses, records_lost);
        let mut summary = Summary::new(inputs, audit.policy.clone(), tally, blind);
        summary.at = audit.at;
        summary.drops_by_second = losses.seconds();
        let stats = RunStats {
            elapsed: begin.elapsed(),
            packets: summary.packets(),
            bytes: summary.bytes(),
            workers: worked,
        };
        Ok((summary, stats))
    })
}

fn add_losses(blind: &mut BlindSpots, losses: &Losses, records_lost: u64) {
    let total = losses.total();
    blind.add(Blind::KernelDrops, total.kernel);
    blind.add(Blind::InterfaceDrops, total.interface);
    blind.add(Blind::QueueDrops, total.queue);
    blind.add(Blind::RecordsLost, records_lost);
}

/// What a capture thread tells of itself, once a reading.
#[derive(Debug, Default)]
struct Counters {
    packets: AtomicU64,
    captured_bytes: AtomicU64,
    wire_bytes: AtomicU64,
    /// What stayed in the kernel.
    stayed_packets: AtomicU64,
    stayed_bytes: AtomicU64,
    /// Earliest and latest packet, in nanoseconds; 0: none yet.
    first: AtomicU64,
    last: AtomicU64,
}

impl Counters {
    fn input(&self, name: &str) -> Input {
        let time = |at: &AtomicU64| match at.load(Ordering::Relaxed) {
            0 => None,
            ns => Some(Timestamp(ns)),
        };
        Input {
            name: name.to_owned(),
            packets: self.packets.load(Ordering::Relaxed),
            bytes: self.captured_bytes.load(Ordering::Relaxed),
            first_packet: time(&self.first),
            last_packet: time(&self.last),
            stayed: self.stayed(),
            damage: None,
        }
    }

    fn stayed(&self) -> Stayed {
        Stayed {
            packets: self.stayed_packets.load(Ordering::Relaxed),
            bytes: self.stayed_bytes.load(Ordering::Relaxed),
        }
    }
}

/// A capture thread: reads one interface.
struct Tap<'a> {
    nic: Nic,
    /// The first of those that share an interface: it tells what happens to it, and counts what is not of a socket.
    leads: bool,
    options: &'a LiveOptions,
    stop: &'a AtomicBool,
    notices: mpsc::Sender<String>,
    input: Input,
    /// When the drop counters were read last.
    polled: Instant,
    polled_at: Timestamp,
    shunt: Option<&'a Shunt>,
    totals: Option<Totals>,
    filler: Filler<'a>,
}

impl Tap<'_> {
    fn run(mut self) -> (Input, DecodeCounts) {
        while !self.stop.load(Ordering::Relaxed) {
            let link = self.nic.link();
            let filler = &mut self.filler;
            let read = self.nic.read(WAIT, |packet| filler.packet(link, &packet));
            self.filler.flush();
            if self.polled.elapsed() >= POLL_DROPS {
                self.poll_drops();
            }
            if let Err(error) = read {
                self.poll_drops();
                if !self.leads {
                    // The one that leads goes on alone, where it can.
                    break;
                }
                if self.options.sandbox {
                    let _ = self.notices.send(format!(
                        "{error}; it cannot be opened again, because privileges were given up: start anew"
                    ));
                    self.input.damage.get_or_insert_with(|| "went away".into());
                    break;
                }
                let _ = self
                    .notices
                    .send(format!("{error}; waiting for it to come back"));
                if !self.reopen() {
                    break;
                }
            }
        }
        // What lies in the ring was captured before the end; the kernel hands its last block over within this wait.
        let link = self.nic.link();
        for _ in 0..MAX_LAST_READINGS {
            let filler = &mut self.filler;
            let read = self.nic.read(WAIT, |packet| filler.packet(link, &packet));
            if !matches!(read, Ok(1..)) {
                break;
            }
        }
        self.filler.flush();
        self.poll_drops();
        let seen = self.filler.counters.input(&self.input.name);
        self.input = Input {
            damage: self.input.damage,
            ..seen
        };
        (self.input, self.filler.decoder.counts())
    }

    fn poll_drops(&mut self) {
        self.polled = Instant::now();
        let drops = self.nic.drops();
        let now = wall_clock();
        let since = std::mem::replace(&mut self.polled_at, now);
        self.filler.losses.add(
            since,
            now,
            Drops {
                kernel: drops.kernel,
                interface: if self.leads { drops.interface } else { 0 },
                queue: 0,
            },
        );
        if let Some(totals) = &mut self.totals {
            let since = totals.stayed(&self.nic);
            let counters = self.filler.counters;
            counters
                .stayed_packets
                .fetch_add(since.packets, Ordering::Relaxed);
            counters
                .stayed_bytes
                .fetch_add(since.bytes, Ordering::Relaxed);
        }
    }

    /// Waits until the interface is there again; `false` where that cannot be, or the capture ends meanwhile.
    fn reopen(&mut self) -> bool {
        let gone = Instant::now();
        let name = self.nic.name().to_owned();
        while !self.stop.load(Ordering::Relaxed) {
            thread::sleep(REOPEN);
            match Nic::open(&name, &self.options.nic) {
                Ok(nic) => {
                    self.nic = nic;
                    if let Some(Err(error)) = self.shunt.map(|shunt| shunt.attach(&self.nic)) {
                        let _ = self.notices.send(error.to_string());
                    }
                    let seconds = gone.elapsed().as_secs();
                    let _ = self
                        .notices
                        .send(format!("{name} is back, after {seconds} s"));
                    self.input
                        .damage
                        .get_or_insert_with(|| format!("was gone for {seconds} s"));
                    return true;
                }
                Err(error) if error.may_pass() => {}
                Err(error) => {
                    let _ = self.notices.send(format!("{error}; it is given up"));
                    break;
                }
            }
        }
        self.input.damage.get_or_insert_with(|| "went away".into());
        false
    }
}

/// Copies packets into blocks, decodes them there and hands the blocks to the workers.
struct Filler<'a> {
    queues: Vec<Sender<Parcel>>,
    /// The worker of each shard.
    owners: [usize; SHARDS],
    /// Workers for which waiting was in vain: not waited for again until they take something.
    behind: Vec<bool>,
    pool: Receiver<Block>,
    /// Numbers the packets of all interfaces.
    numbers: &'a AtomicU64,
    losses: &'a Losses,
    counters: &'a Counters,
    hasher: Hasher,
    decoder: Decoder,
    block: Block,
    /// Of this block, not yet counted.
    packets: u64,
    wire_bytes: u64,
    last: Timestamp,
}

impl<'a> Filler<'a> {
    fn new(
        limits: &Limits,
        queues: Vec<Sender<Parcel>>,
        pool: Receiver<Block>,
        (numbers, losses, counters): (&'a AtomicU64, &'a Losses, &'a Counters),
        hasher: Hasher,
    ) -> Self {
        let mut block = Block::default();
        block.clear(queues.len());
        Self {
            owners: std::array::from_fn(|shard| worker_of(shard, queues.len())),
            behind: vec![false; queues.len()],
            queues,
            pool,
            numbers,
            losses,
            counters,
            hasher,
            decoder: Decoder::new(limits),
            block,
            packets: 0,
            wire_bytes: 0,
            last: Timestamp::default(),
        }
    }

    fn packet(&mut self, link: crate::decode::LinkType, packet: &LivePacket<'_>) {
        let at = self.block.bytes.len();
        self.block.bytes.extend_from_slice(packet.bytes);
        self.packets += 1;
        self.wire_bytes += packet.wire_len as u64;
        self.last = self.last.max(packet.time);
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        if self.counters.first.load(Ordering::Relaxed) == 0 {
            self.counters.first.store(packet.time.0, Ordering::Relaxed);
        }
        let bytes = self.block.bytes.get(at..).unwrap_or_default();
        let decoded = fast::segment(link, bytes).or_else(|| {
            let extra = &mut self.block.extra;
            self.decoder
                .decode(link, bytes, packet.wire_len, packet.time, extra)
                .ok()
        });
        if let Some(decoded) = decoded {
            let mut packet = Packet::new(&decoded, &self.hasher, number, packet.time, at);
            self.block.note(&mut packet, &decoded);
            let worker = self.owners.get(shard_of(packet.hash)).copied();
            if let Some(lane) = self.block.lanes.get_mut(worker.unwrap_or_default()) {
                lane.packets.push(packet);
            }
        }
        if self.block.bytes.len() >= BLOCK_BYTES {
            self.flush();
        }
    }

    /// Hands the block to the workers, and goes on with an empty one.
    fn flush(&mut self) {
        if self.packets == 0 {
            return;
        }
        let counters = self.counters;
        counters.packets.fetch_add(self.packets, Ordering::Relaxed);
        counters
            .captured_bytes
            .fetch_add(self.block.bytes.len() as u64, Ordering::Relaxed);
        counters
            .wire_bytes
            .fetch_add(self.wire_bytes, Ordering::Relaxed);
        counters.last.fetch_max(self.last.0, Ordering::Relaxed);
        (self.packets, self.wire_bytes) = (0, 0);
        if self.block.lanes.iter().all(|lane| lane.packets.is_empty()) {
            self.block.clear(self.queues.len());
            return;
        }
        let mut next = self.pool.try_recv().unwrap_or_default();
        next.clear(self.queues.len());
        let full = Arc::new(std::mem::replace(&mut self.block, next));
        let sent = Instant::now();
        let mut dropped = 0;
        for ((queue, lane), behind) in self.queues.iter().zip(&full.lanes).zip(&mut self.behind) {
            if lane.packets.is_empty() {
                continue;
            }
            let parcel = Parcel {
                block: Arc::clone(&full),
                sent,
            };
            let taken = if *behind {
                queue.try_send(parcel).is_ok()
            } else {
                // A worker that is gone has failed; the run tells.
                !matches!(
                    queue.send_timeout(parcel, PATIENCE),
                    Err(SendTimeoutError::Timeout(_))
                )
            };
            *behind = !taken;
            if !taken {
                dropped += lane.packets.len() as u64;
            }
        }
        self.losses.add(
            self.last,
            self.last,
            Drops {
                queue: dropped,
                ..Drops::default()
            },
        );
    }
}

/// Sends ticks to all workers without ever waiting for one.
struct Ticker {
    queues: Vec<Sender<Parcel>>,
    /// Workers that did not take the current tick yet.
    pending: Vec<usize>,
    block: Arc<Block>,
    epoch: u64,
}

impl Ticker {
    fn new(queues: Vec<Sender<Parcel>>) -> Self {
        Self {
            queues,
            pending: Vec::new(),
            block: Arc::default(),
            epoch: 0,
        }
    }

    /// Begins a tick, unless the last one is still on its way; whether it did.
    fn begin(&mut self, now: Timestamp, last: bool) -> bool {
        if !self.pending.is_empty() {
            return false;
        }
        let tick = Tick {
            epoch: self.epoch,
            now,
            last,
        };
        self.epoch += 1;
        self.block = Arc::new(Block {
            tick: Some(tick),
            ..Block::default()
        });
        self.pending.extend(0..self.queues.len());
        true
    }

    fn push(&mut self) {
        let (queues, block) = (&self.queues, &self.block);
        self.pending.retain(|worker| {
            let parcel = Parcel {
                block: Arc::clone(block),
                sent: Instant::now(),
            };
            queues
                .get(*worker)
                .is_some_and(|queue| matches!(queue.try_send(parcel), Err(TrySendError::Full(_))))
        });
    }
}

/// This thread: the clock, the signals, the records.
struct Clock<'a> {
    options: &'a LiveOptions,
    stop: &'a AtomicBool,
    report_now: &'a AtomicBool,
    counters: &'a [Counters],
    losses: &'a Losses,
    notices: mpsc::Receiver<String>,
    begin: Instant,
    collector: Collector<'a>,
    ticker: Ticker,
    watch: &'a mut dyn Watch,
}

impl Clock<'_> {
    /// Until all interfaces ended and everything that they gave is written.
    fn run(
        &mut self,
        batches: &Receiver<Batch>,
        taps: Vec<ScopedJoinHandle<'_, (Input, DecodeCounts)>>,
    ) -> Result<Vec<(Input, DecodeCounts)>, RunError> {
        let mut next_tick = self.begin + TICK;
        let mut next_pulse = self.begin;
        let mut trace_clock = TraceClock::new(self.begin);
        let mut ended = false;
        let mut result = Ok(());
        self.watch.begun();
        loop {
            let due = if self.ticker.pending.is_empty() {
                next_tick.min(next_pulse)
            } else {
                Instant::now() + RETRY_TICK
            };
            match batches.recv_deadline(due) {
                Ok(batch) => {
                    if result.is_ok()
                        && let Err(error) = self.collector.take(batch, wall_clock(), self.watch)
                    {
                        // Nobody reads the records any more: the end.
                        result = Err(error);
                        self.stop.store(true, Ordering::Relaxed);
                    }
                    // The workers' next records must not keep the clock waiting.
                    if Instant::now() < due {
                        continue;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            let over = self.options.end.is_some_and(|end| now - self.begin >= end);
            if over {
                self.stop.store(true, Ordering::Relaxed);
            }
            if now >= next_pulse {
                next_pulse = now + PULSE;
                if result.is_ok() && self.collector.is_late(now) {
                    result = self.collector.flush(wall_clock(), self.watch);
                    if result.is_err() {
                        self.stop.store(true, Ordering::Relaxed);
                    }
                }
                self.pulse();
            }
            let last = !ended && taps.iter().all(ScopedJoinHandle::is_finished);
            if (last || now >= next_tick) && !ended {
                let latest = self
                    .counters
                    .iter()
                    .map(|c| c.last.load(Ordering::Relaxed))
                    .max();
                let trace_now = trace_clock.now(Timestamp(latest.unwrap_or_default()), now);
                if self.ticker.begin(trace_now, last) {
                    next_tick = now + TICK;
                    ended = last;
                }
            }
            self.ticker.push();
            if ended && self.ticker.pending.is_empty() {
                // The last tick is behind all blocks; without senders the workers end, and then the batches do.
                self.ticker.queues.clear();
                next_tick = now + TICK;
            }
        }
        if result.is_ok() {
            result = self.collector.flush(wall_clock(), self.watch);
        }
        self.watch.ending();
        let mut seen = Vec::with_capacity(taps.len());
        for tap in taps {
            seen.push(tap.join().map_err(|_| RunError::Thread("capture"))?);
        }
        self.tell();
        result?;
        Ok(seen)
    }

    fn tell(&mut self) {
        let notices = self.collector.flows.take_notices();
        for notice in notices.into_iter().chain(self.notices.try_iter()) {
            self.watch.notice(&notice);
        }
    }

    fn pulse(&mut self) {
        let now = wall_clock();
        self.collector.flows.tick(now);
        self.tell();
        let sum = |counter: fn(&Counters) -> &AtomicU64| {
            let counters = self.counters.iter();
            counters.map(|c| counter(c).load(Ordering::Relaxed)).sum()
        };
        let wish = self.watch.pulse(&Pulse {
            now,
            elapsed: self.begin.elapsed(),
            packets: sum(|c| &c.packets),
            bytes: sum(|c| &c.wire_bytes),
            drops: self.losses.total(),
            stayed: self.counters.iter().map(Counters::stayed).sum(),
            open_flows: self.collector.open_flows(),
            tally: &self.collector.tally,
            records_lost: self.collector.flows.lost(),
        });
        if wish.end {
            self.stop.store(true, Ordering::Relaxed);
        }
        if self.report_now.swap(false, Ordering::Relaxed) || wish.report {
            let summary = self.summary();
            self.watch.report(&summary);
        }
    }

    /// The report so far. What the threads still hold (flows that go on, packets that could not be decoded) is not in it.
    fn summary(&self) -> Summary {
        let names = self.options.interfaces.iter();
        let inputs = names.zip(self.counters).map(|(name, c)| c.input(name));
        let mut blind = BlindSpots::default();
        add_losses(&mut blind, self.losses, self.collector.flows.lost());
        let audit = &self.options.audit;
        let tally = self.collector.tally.clone();
        let mut summary = Summary::new(inputs.collect(), audit.policy.clone(), tally, blind);
        summary.at = audit.at;
        summary.drops_by_second = self.losses.seconds();
        summary
    }
}

/// Packet time that goes on when no packet comes.
struct TraceClock {
    latest: Timestamp,
    since: Instant,
}

impl TraceClock {
    const fn new(now: Instant) -> Self {
        Self {
            latest: Timestamp(0),
            since: now,
        }
    }

    /// `latest` is the latest packet's time, 0 where none came yet. Not the wall clock's: that may jump, and with it
    /// every flow would age at once.
    fn now(&mut self, latest: Timestamp, now: Instant) -> Timestamp {
        if latest > self.latest {
            (self.latest, self.since) = (latest, now);
        }
        let silent = now.saturating_duration_since(self.since);
        if silent < SILENCE {
            return self.latest;
        }
        let silent = u64::try_from(silent.as_nanos()).unwrap_or(u64::MAX);
        Timestamp(self.latest.0.saturating_add(silent))
    }
}

fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ns = since.map_or(0, |d| d.as_nanos());
    Timestamp(u64::try_from(ns).unwrap_or(u64::MAX))
}

/// Blocks that may wait for one worker: 16 MiB of packets.
const QUEUE_BLOCKS: usize = 64;
/// Bytes of packets in a block at which it is handed on, however soon.
const BLOCK_BYTES: usize = 1 << 17;
/// How long a full queue is waited for. The default ring holds as much at 10 Gbit/s.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long to wait for packets before a look at the stop flag.
const WAIT: Duration = Duration::from_millis(100);
/// How often the drop counters are read.
const POLL_DROPS: Duration = Duration::from_millis(250);
/// How often to look whether an interface is back.
const REOPEN: Duration = Duration::from_secs(1);
/// Readings after the end, each some thousand packets: more than a ring holds, so that it ends on a busy line, too.
const MAX_LAST_READINGS: usize = 256;
/// How often flows age and records are written.
const TICK: Duration = Duration::from_millis(500);
/// How soon a tick is offered again to a worker whose queue was full.
const RETRY_TICK: Duration = Duration::from_millis(5);
/// How often the watcher is shown how things stand.
const PULSE: Duration = Duration::from_millis(100);
/// Without packets for so long, the clock goes on by itself.
const SILENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
