//! The records of all workers in one order, counted and written.
//!
//! In: each worker's batches, a part of its records of an epoch, in the order of their first packets. Out: all of them
//! in that order. Parts are small, so that what is written has not left the cache and the end of a capture with a
//! million open connections needs no more memory than they did.

use std::io::IoSlice;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender};

use crate::output::{FlowFormat, FlowOutputs, OutputError};
use crate::policy::Reviewer;
use crate::prefetch;
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

impl Text {
    /// Where the text of a record stands.
    fn range(&self, place: usize) -> Option<Range<usize>> {
        let begin = match place.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        Some(begin..*self.ends.get(place)?)
    }

    /// Puts another text in the place of a record's.
    fn replace(&mut self, place: usize, text: Vec<u8>) {
        let Some(old) = self.range(place) else { return };
        for end in self.ends.iter_mut().skip(place) {
            *end = *end - old.len() + text.len();
        }
        self.bytes.splice(old, text);
    }
}

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
        text.range(record)
            .and_then(|range| text.bytes.get(range))
            .unwrap_or_default()
    }

    /// Looks at the record in that place, and judges it anew where those that came before show that it is a retry.
    pub fn review(&mut self, place: usize, reviewer: &mut Reviewer<'_>, formats: &[FlowFormat]) {
        let Some(record) = self.records.get_mut(place) else {
            return;
        };
        if !reviewer.review(record) {
            return;
        }
        for (text, format) in self.texts.iter_mut().zip(formats) {
            let mut anew = Vec::new();
            format.append(record, &mut anew);
            text.replace(place, anew);
        }
    }

    /// Adds a record, whose first packet comes behind those before. A record is large, so `finish` does what is left to do
    /// where it lies.
    pub fn push(
        &mut self,
        record: FlowRecord,
        formats: &[FlowFormat],
        finish: impl FnOnce(&mut FlowRecord),
    ) {
        self.records.push(record);
        let Some(record) = self.records.last_mut() else {
            return;
        };
        finish(record);
        for (text, format) in self.texts.iter_mut().zip(formats) {
            format.append(record, &mut text.bytes);
            text.ends.push(text.bytes.len());
        }
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
    reviewer: Reviewer<'a>,
    /// What is to be counted and written next: worker, first record, and the record behind the last.
    runs: Vec<(usize, usize, usize)>,
}

impl<'a> Ordered<'a> {
    /// With an empty `tally`.
    pub const fn new(
        outputs: &'a mut FlowOutputs,
        formats: &'a [FlowFormat],
        tally: Tally,
        reviewer: Reviewer<'a>,
    ) -> Self {
        Self {
            outputs,
            formats,
            tally,
            reviewer,
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
                    self.review(lanes);
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
        // Few, where there are other workers; and they lie in the cache of the processor that wrote them.
        for record in rest.iter().take_while(|r| r.first_packet < until) {
            prefetch::whole(record);
            lane.next += 1;
        }
        self.runs.push((index, begin, lane.next));
    }

    fn review(&mut self, lanes: &mut [Lane]) {
        for (index, begin, end) in &self.runs {
            if let Some(lane) = lanes.get_mut(*index) {
                for place in *begin..*end {
                    lane.head.review(place, &mut self.reviewer, self.formats);
                }
            }
        }
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
                    let (first, last) = (text.range(*begin)?, text.range(end.checked_sub(1)?)?);
                    let bytes = text.bytes.get(first.start..last.end)?;
                    Some(IoSlice::new(bytes))
                })
                .collect();
            self.outputs.write_slices(*format, &slices)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Judge, Policy};
    use crate::report::samples;

    /// Reviewed as the last of a dance, the first record is not changed, and the others are written as they are then.
    #[test]
    fn a_record_that_is_judged_anew_is_written_anew() {
        let formats = [FlowFormat::Ndjson, FlowFormat::Csv];
        let policy = Policy::named("m365").expect("it is built in");
        let [failed, retry] = samples::dance();
        let other = samples::full_record();
        let mut batch = Batch::default();
        batch.clear(formats.len());
        for record in [&failed, &retry, &other] {
            batch.push(record.clone(), &formats, |_| ());
        }
        let text = |format: FlowFormat, record: &FlowRecord| {
            let mut bytes = Vec::new();
            format.append(record, &mut bytes);
            bytes
        };
        let mut reviewer = Reviewer::new(Judge::new(&policy, None));
        for place in 0..3 {
            batch.review(place, &mut reviewer, &formats);
        }
        let [_, reviewed, _] = batch.records() else {
            panic!("three records")
        };
        assert!(reviewed.is_retry && reviewed.reasons.contains(&"fallback-retry"));
        for (place, format) in formats.into_iter().enumerate() {
            let parts = [&failed, reviewed, &other].map(|record| text(format, record));
            assert_ne!(parts[1], text(format, &retry));
            for (record, part) in parts.iter().enumerate() {
                assert_eq!(batch.text_of(place, record), part);
            }
            assert_eq!(batch.text(place), parts.concat());
        }
    }
}
