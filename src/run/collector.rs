//! The records of a live capture: put in order, counted, shown and written, a moment after their flows end.

use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::live::Watch;
use crate::ordered::Batch;
use crate::output::{FlowFormat, LiveFlows, OutputError};
use crate::policy::Reviewer;
use crate::record::{FlowRecord, Tally};
use crate::time::Timestamp;

/// Takes the workers' batches. Those of a tick are written together, in the order of their flows' first packets, unless a
/// worker is late with its own.
pub(super) struct Collector<'a> {
    pub(super) flows: &'a mut LiveFlows,
    formats: &'a [FlowFormat],
    pub(super) tally: Tally,
    reviewer: Reviewer<'a>,
    spare: Sender<Batch>,
    /// Of each worker.
    open_flows: Vec<u64>,
    /// Not yet written.
    held: Vec<Batch>,
    records: usize,
    /// Since when something is held.
    since: Option<Instant>,
    /// Workers that have not ended the tick.
    missing: Vec<bool>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        flows: &'a mut LiveFlows,
        formats: &'a [FlowFormat],
        tally: Tally,
        reviewer: Reviewer<'a>,
        spare: Sender<Batch>,
        workers: usize,
    ) -> Self {
        Self {
            flows,
            formats,
            tally,
            reviewer,
            spare,
            open_flows: vec![0; workers],
            held: Vec::new(),
            records: 0,
            since: None,
            missing: vec![true; workers],
        }
    }

    /// Flows in the tables of all workers.
    pub(super) fn open_flows(&self) -> u64 {
        self.open_flows.iter().sum()
    }

    /// Whether what is held has waited long enough for the rest of its tick.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.since
            .is_some_and(|since| now.duration_since(since) >= LATE)
    }

    pub(super) fn take(
        &mut self,
        batch: Batch,
        now: Timestamp,
        watch: &mut dyn Watch,
    ) -> Result<(), OutputError> {
        if batch.last {
            if let Some(open) = self.open_flows.get_mut(batch.worker) {
                *open = batch.open_flows;
            }
            if let Some(missing) = self.missing.get_mut(batch.worker) {
                *missing = false;
            }
        }
        let records = batch.records().len();
        if records > 0 {
            self.records += records;
            self.since.get_or_insert_with(Instant::now);
            self.held.push(batch);
        } else {
            let _ = self.spare.try_send(batch);
        }
        if self.missing.contains(&true) && self.records < ENOUGH_RECORDS {
            return Ok(());
        }
        self.flush(now, watch)
    }

    /// Writes what is held.
    pub(super) fn flush(
        &mut self,
        now: Timestamp,
        watch: &mut dyn Watch,
    ) -> Result<(), OutputError> {
        self.missing.fill(true);
        (self.records, self.since) = (0, None);
        let mut held = std::mem::take(&mut self.held);
        let mut places: Vec<(u64, usize, usize)> = Vec::new();
        for (batch, from) in held.iter().zip(0..) {
            for (record, place) in batch.records().iter().zip(0..) {
                places.push((record.first_packet, from, place));
            }
        }
        places.sort_unstable();
        for (_, from, place) in &places {
            if let Some(batch) = held.get_mut(*from) {
                batch.review(*place, &mut self.reviewer, self.formats);
            }
        }
        let order: Vec<(&FlowRecord, &Batch, usize)> = places
            .iter()
            .filter_map(|(_, from, place)| {
                let batch = held.get(*from)?;
                Some((batch.records().get(*place)?, batch, *place))
            })
            .collect();
        let mut written = Ok(());
        for part in order.chunks(PART_RECORDS) {
            let records: Vec<&FlowRecord> = part.iter().map(|(record, ..)| *record).collect();
            for record in &records {
                self.tally.add(record);
            }
            watch.records(&records);
            for (format, kind) in self.formats.iter().enumerate() {
                let text: Vec<u8> = part
                    .iter()
                    .flat_map(|(_, batch, place)| batch.text_of(format, *place))
                    .copied()
                    .collect();
                let records = records.len() as u64;
                written = written.and_then(|()| self.flows.write(*kind, &text, records, now));
            }
        }
        for batch in held {
            let _ = self.spare.try_send(batch);
        }
        written
    }
}

/// How long records wait for a worker that is late.
const LATE: Duration = Duration::from_millis(500);
/// Records that are held at most, but for a batch.
const ENOUGH_RECORDS: usize = 8_192;
/// Records that are written together: what a rotation by size splits.
const PART_RECORDS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Rotation;
    use crate::policy::{Judge, Policy};
    use crate::report::Summary;
    use crossbeam_channel::bounded;

    #[derive(Default)]
    struct Seen(Vec<u64>);

    impl Watch for Seen {
        fn records(&mut self, records: &[&FlowRecord]) {
            self.0.extend(records.iter().map(|r| r.first_packet));
        }

        fn report(&mut self, _: &Summary) {}

        fn notice(&mut self, _: &str) {}
    }

    fn reviewer(policy: &Policy) -> Reviewer<'_> {
        Reviewer::new(Judge::new(policy, None))
    }

    fn batch(worker: usize, last: bool, numbers: &[u64]) -> Batch {
        let mut batch = Batch::default();
        batch.clear(1);
        (batch.last, batch.worker, batch.open_flows) = (last, worker, 10);
        for number in numbers {
            let record = FlowRecord {
                first_packet: *number,
                ..FlowRecord::default()
            };
            batch.push(record, &[FlowFormat::Ndjson], |_| ());
        }
        batch
    }

    #[test]
    fn records_of_a_tick_are_in_order_whoever_made_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f.ndjson");
        let target = crate::output::Target::File(path.clone());
        let formats = [FlowFormat::Ndjson];
        let mut flows = LiveFlows::open(
            &[(target, FlowFormat::Ndjson)],
            Rotation::default(),
            Timestamp(0),
        )
        .expect("it opens");
        let (spare, _kept) = bounded(8);
        let policy = Policy::named("m365").expect("it is built in");
        let mut collector = Collector::new(
            &mut flows,
            &formats,
            Tally::new(10, 10),
            reviewer(&policy),
            spare,
            2,
        );
        let mut seen = Seen::default();
        for (worker, last, numbers) in [
            (0, false, &[1, 5][..]),
            (1, true, &[2, 9]),
            (1, true, &[20]),
            (0, true, &[7]),
            (0, true, &[]),
            (1, true, &[3]),
        ] {
            let batch = batch(worker, last, numbers);
            collector
                .take(batch, Timestamp(0), &mut seen)
                .expect("there is room");
        }
        // The second tick of a worker that is ahead goes along; what a late one brings comes behind.
        assert_eq!(seen.0, [1, 2, 5, 7, 9, 20, 3]);
        assert_eq!((collector.open_flows(), collector.tally.flows), (20, 7));
        let text = std::fs::read_to_string(path).expect("UTF-8");
        let numbers: Vec<u64> = text
            .lines()
            .map(|line| {
                let record: serde_json::Value = serde_json::from_str(line).expect("a record");
                record["first_packet"].as_u64().expect("a number")
            })
            .collect();
        assert_eq!(numbers, seen.0);
    }

    #[test]
    fn a_worker_that_is_late_does_not_keep_records_back_for_long() {
        let mut flows = LiveFlows::default();
        let (spare, _kept) = bounded(8);
        let policy = Policy::named("m365").expect("it is built in");
        let mut collector = Collector::new(
            &mut flows,
            &[],
            Tally::new(10, 10),
            reviewer(&policy),
            spare,
            2,
        );
        let mut seen = Seen::default();
        let now = Instant::now();
        assert!(!collector.is_late(now + LATE * 2), "nothing is held");
        collector
            .take(batch(0, true, &[4]), Timestamp(0), &mut seen)
            .expect("nothing is written");
        assert!(seen.0.is_empty() && collector.is_late(Instant::now() + LATE));
        collector
            .flush(Timestamp(0), &mut seen)
            .expect("nothing is written");
        assert_eq!(seen.0, [4]);
        assert!(!collector.is_late(Instant::now() + LATE));
    }
}
