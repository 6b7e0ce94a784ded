//! The records of all workers in one order, counted and written.
//!
//! In: each worker's batches, a part of its records of an epoch, in the order of their first packets. Out: all of them
//! in that order. Parts are small, so that what is written has not left the cache and the end of a capture with a
//! million open connections needs no more memory than they did.

use std::io::IoSlice;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender};

use crate::output::{FlowFormat, FlowOutputs, OutputError};
use crate::record::{FlowRecord, Tally};

/// Some records of one worker in one epoch, in the order of their first packets.
#[derive(Debug, Default)]
pub struct Batch {
    /// None follows in this epoch.
    pub last: bool,
    /// Who made it.
    pub worker: usize,
    /// Flows that go on after the epoch, told with its last batch.
    pub open_flows: u64,
    records: Vec<FlowRecord>,
    /// One for each format.
    texts: Vec<Text>,
}

/// Records as they will stand in the output.
#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    /// Where the text of each record ends.
    ends: Vec<usize>,
}

/// Records in a batch: some hundred kilobytes of text, so that they are still in the cache when they are written.
pub const BATCH_RECORDS: usize = 128;

impl Batch {
    /// Empties it for the next use; the memory stays. Best done by the thread that filled it.
    pub fn clear(&mut self, formats: usize) {
        self.last = false;
        self.records.clear();
        self.texts.resize_with(formats, Text::default);
        for text in &mut self.texts {
            text.bytes.clear();
            text.ends.clear();
        }
    }

    /// Its records.
    pub fn records(&self) -> &[FlowRecord] {
        &self.records
    }

    /// Their text in one of the formats that it was filled for, by its place among them.
    pub fn text(&self, format: usize) -> &[u8] {
        self.texts.get(format).map_or(&[], |text| &text.bytes)
    }

    /// The text of one of its records.
    pub fn text_of(&self, format: usize, record: usize) -> &[u8] {
        let Some(text) = self.texts.get(format) else {
            return &[];
        };
        let begin = match record.checked_sub(1) {
            Some(before) => text.ends.get(before).copied(),
            None => Some(0),
        };
        begin
            .zip(text.ends.get(record))
            .and_then(|(begin, end)| text.bytes.get(begin..*end))
            .unwrap_or_default()
    }

    /// Adds a record, whose first packet comes behind those before.
    pub fn push(&mut self, record: FlowRecord, formats: &[FlowFormat]) {
        for (text, format) in self.texts.iter_mut().zip(formats) {
            format.append(&record, &mut text.bytes);
            text.ends.push(text.bytes.len());
        }
        self.records.push(record);
    }
}

/// A worker, as the order sees it.
#[derive(Debug)]
pub struct Lane {
    /// What it made.
    pub batches: Receiver<Batch>,
    /// Where written batches go back to.
    pub spare: Sender<Batch>,
    head: Batch,
    next: usize,
}

impl Lane {
    /// A worker of which nothing came yet.
    pub fn new(batches: Receiver<Batch>, spare: Sender<Batch>) -> Self {
        Self {
            batches,
            spare,
            head: Batch::default(),
            next: 0,
        }
    }

    /// Waits for the next batch; `false` where the worker is gone.
    fn fetch(&mut self) -> bool {
        let Ok(batch) = self.batches.recv() else {
            return false;
        };
        let used = std::mem::replace(&mut self.head, batch);
        self.next = 0;
        // Full: then enough of them are under way.
        let _ = self.spare.try_send(used);
        true
    }

    fn first_packet(&self) -> Option<u64> {
        self.head.records.get(self.next).map(|r| r.first_packet)
    }
}

/// Puts the workers' records into one order, counts and writes them. Counted in that order and in one place, so that
/// what a full tally leaves out does not depend on the number of workers.
#[derive(Debug)]
pub struct Ordered<'a> {
    outputs: &'a mut FlowOutputs,
    formats: &'a [FlowFormat],
    tally: Tally,
    /// What is to be counted and written next: worker, first record, and the record behind the last.
    runs: Vec<(usize, usize, usize)>,
}

impl<'a> Ordered<'a> {
    /// With an empty `tally`.
    pub const fn new(
        outputs: &'a mut FlowOutputs,
        formats: &'a [FlowFormat],
        tally: Tally,
    ) -> Self {
        Self {
            outputs,
            formats,
            tally,
            runs: Vec::new(),
        }
    }

    /// What was counted.
    pub fn into_tally(self) -> Tally {
        self.tally
    }

    /// Takes batches until all workers are done. After a failure nothing more is written, and the reading is stopped.
    ///
    /// # Errors
    /// Where records could not be written.
    pub fn run(&mut self, lanes: &mut [Lane], stop: &AtomicBool) -> Result<(), OutputError> {
        let mut result = Ok(());
        loop {
            // A new epoch: every worker has at least one batch in each, be it empty.
            for lane in &mut *lanes {
                if !lane.fetch() {
                    return result;
                }
            }
            loop {
                // Whose turn it is; of one whose batch is used up, the next must be there before that can be told.
                let mut turn: Option<(u64, usize)> = None;
                let mut empty = None;
                for (index, lane) in lanes.iter().enumerate() {
                    match lane.first_packet() {
                        Some(first) => {
                            turn = turn.into_iter().chain([(first, index)]).min();
                        }
                        None if !lane.head.last => empty = Some(index),
                        None => {}
                    }
                }
                if empty.is_some() || turn.is_none() {
                    self.count(lanes);
                    if result.is_ok() {
                        result = self.write(lanes);
                    }
                    self.runs.clear();
                    if result.is_err() {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                if let Some(lane) = empty.and_then(|index| lanes.get_mut(index)) {
                    if !lane.fetch() {
                        return result;
                    }
                    continue;
                }
                let Some((_, index)) = turn else { break };
                self.take(lanes, index);
            }
        }
    }

    /// Takes the next record of a worker, and those behind it that come before any other worker's.
    fn take(&mut self, lanes: &mut [Lane], index: usize) {
        let others = lanes.iter().enumerate().filter(|(i, _)| *i != index);
        let until = others
            .filter_map(|(_, lane)| lane.first_packet())
            .min()
            .unwrap_or(u64::MAX);
        let Some(lane) = lanes.get_mut(index) else {
            return;
        };
        let begin = lane.next;
        let rest = lane.head.records.get(begin..).unwrap_or_default();
        lane.next += rest.partition_point(|record| record.first_packet < until);
        self.runs.push((index, begin, lane.next));
    }

    fn count(&mut self, lanes: &[Lane]) {
        let records = self.runs.iter().filter_map(|(index, begin, end)| {
            let lane = lanes.get(*index)?;
            lane.head.records.get(*begin..*end)
        });
        self.tally.add_all(records.flatten());
    }

    fn write(&mut self, lanes: &[Lane]) -> Result<(), OutputError> {
        for (place, format) in self.formats.iter().enumerate() {
            let slices: Vec<IoSlice<'_>> = self
                .runs
                .iter()
                .filter_map(|(index, begin, end)| {
                    let text = lanes.get(*index)?.head.texts.get(place)?;
                    let place_of = |record: usize| match record.checked_sub(1) {
                        Some(before) => text.ends.get(before).copied(),
                        None => Some(0),
                    };
                    let bytes = text.bytes.get(place_of(*begin)?..place_of(*end)?)?;
                    Some(IoSlice::new(bytes))
                })
                .collect();
            self.outputs.write_slices(*format, &slices)?;
        }
        Ok(())
    }
}
