//! Packets that were lost before they could be audited, second by second.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Cause, FlowRecord, Outcome};
use crate::time::Timestamp;

/// Packets lost, by who lost them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// By the kernel: its buffer was full.
    pub kernel: u64,
    /// By the interface or its driver.
    pub interface: u64,
    /// By this program: its workers were busy.
    pub queue: u64,
}

impl Drops {
    /// All of them.
    pub const fn sum(self) -> u64 {
        self.kernel + self.interface + self.queue
    }
}

impl AddAssign for Drops {
    fn add_assign(&mut self, other: Self) {
        self.kernel += other.kernel;
        self.interface += other.interface;
        self.queue += other.queue;
    }
}

/// The seconds in which packets were lost. Written where they are, read where records are judged; both seldom, so that
/// the lock costs nothing.
#[derive(Debug, Default)]
pub struct Losses(Mutex<Seconds>);

#[derive(Debug, Default)]
struct Seconds {
    /// The latest ones, at most [`MAX_SECONDS`].
    by_second: BTreeMap<u64, Drops>,
    total: Drops,
}

impl Losses {
    /// Counts drops that happened between two instants; those before the last second are marked, and counted there.
    pub fn add(&self, from: Timestamp, to: Timestamp, drops: Drops) {
        if drops.sum() == 0 {
            return;
        }
        let last = to.seconds();
        let first = from
            .seconds()
            .clamp(last.saturating_sub(MAX_SECONDS as u64), last);
        let mut seconds = self.lock();
        seconds.total += drops;
        for second in first..last {
            seconds.by_second.entry(second).or_default();
        }
        *seconds.by_second.entry(last).or_default() += drops;
        while seconds.by_second.len() > MAX_SECONDS {
            seconds.by_second.pop_first();
        }
    }

    /// Everything that was lost.
    pub fn total(&self) -> Drops {
        self.lock().total
    }

    /// The latest seconds with losses, counted from 1970, in order.
    pub fn seconds(&self) -> Vec<(u64, Drops)> {
        let seconds = self.lock();
        seconds.by_second.iter().map(|(s, d)| (*s, *d)).collect()
    }

    /// Marks the record of a flow whose beginning fell into a time of loss. What rests on something that was not seen is
    /// then not known: the answer may be among the packets lost.
    pub fn mark(&self, record: &mut FlowRecord) {
        // The counters are read several times a second, so drops are told up to a second late.
        let from = record.first_seen.seconds().saturating_sub(1);
        let to = (record.last_seen.seconds()).min(record.first_seen.seconds() + HANDSHAKE_SECONDS);
        if self.lock().by_second.range(from..=to + 1).next().is_none() {
            return;
        }
        record.during_loss = true;
        let rests_on_absence = matches!(
            (record.outcome, record.cause),
            (
                Outcome::NoAnswer | Outcome::ClientHelloOnly | Outcome::ServerHelloOnly,
                _
            ) | (Outcome::Unknown, None)
        );
        if rests_on_absence {
            record.outcome = Outcome::Unknown;
            record.cause = Some(Cause::CaptureLoss);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seconds> {
        // Counts cannot be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seconds kept: an hour of loss. A flow is judged long before it is forgotten.
const MAX_SECONDS: usize = 3_600;
/// A handshake that takes longer is over as far as losses are concerned.
const HANDSHAKE_SECONDS: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(first: u64, last: u64, outcome: Outcome) -> FlowRecord {
        FlowRecord {
            first_seen: Timestamp(first * 1_000_000_000),
            last_seen: Timestamp(last * 1_000_000_000),
            outcome,
            cause: Some(Cause::Silence),
            ..FlowRecord::default()
        }
    }

    #[test]
    fn what_was_not_seen_in_a_time_of_loss_is_unknown() {
        let losses = Losses::default();
        let drops = Drops {
            kernel: 1,
            ..Drops::default()
        };
        let at = Timestamp(100_000_000_000);
        losses.add(at, at, drops);
        for (name, first, last, outcome, want) in [
            ("before", 90, 95, Outcome::NoAnswer, Outcome::NoAnswer),
            ("after", 110, 120, Outcome::NoAnswer, Outcome::NoAnswer),
            ("across", 90, 120, Outcome::NoAnswer, Outcome::Unknown),
            (
                "within",
                100,
                100,
                Outcome::ClientHelloOnly,
                Outcome::Unknown,
            ),
            ("seen", 99, 120, Outcome::Negotiated, Outcome::Negotiated),
        ] {
            let mut record = seconds(first, last, outcome);
            losses.mark(&mut record);
            assert_eq!(record.outcome, want, "{name}");
            let loss = Some(Cause::CaptureLoss);
            assert_eq!(record.cause == loss, want == Outcome::Unknown, "{name}");
            assert_eq!(
                record.during_loss,
                (90..=100).contains(&first) && last >= 99,
                "{name}"
            );
        }
    }

    #[test]
    fn a_long_flow_is_marked_by_its_beginning_alone() {
        let losses = Losses::default();
        let drops = Drops {
            queue: 1,
            ..Drops::default()
        };
        let at = Timestamp(1_000_000_000_000);
        losses.add(at, at, drops);
        let mut record = seconds(10, 2_000, Outcome::NoAnswer);
        losses.mark(&mut record);
        assert!(!record.during_loss);
    }

    #[test]
    fn counters_that_were_read_late_mark_all_the_time_since() {
        let losses = Losses::default();
        let drops = Drops {
            kernel: 9,
            ..Drops::default()
        };
        losses.add(
            Timestamp(100_000_000_000),
            Timestamp(104_500_000_000),
            drops,
        );
        let seconds: Vec<_> = losses
            .seconds()
            .iter()
            .map(|(s, d)| (*s, d.kernel))
            .collect();
        assert_eq!(seconds, [(100, 0), (101, 0), (102, 0), (103, 0), (104, 9)]);
        let mut record = seconds_of(102);
        losses.mark(&mut record);
        assert!(record.during_loss);
    }

    fn seconds_of(second: u64) -> FlowRecord {
        seconds(second, second, Outcome::NoAnswer)
    }

    #[test]
    fn totals_outlive_the_seconds() {
        let losses = Losses::default();
        for second in 0..MAX_SECONDS as u64 + 10 {
            let drops = Drops {
                kernel: 1,
                interface: 2,
                queue: 3,
            };
            let at = Timestamp(second * 1_000_000_000);
            losses.add(at, at, drops);
        }
        losses.add(Timestamp(0), Timestamp(0), Drops::default());
        assert_eq!(losses.seconds().len(), MAX_SECONDS);
        assert_eq!(losses.total().sum(), 6 * (MAX_SECONDS as u64 + 10));
    }
}
