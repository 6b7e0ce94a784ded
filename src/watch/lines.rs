//! A line now and then, where nobody looks at a terminal: for logs.

use std::fmt::Write as _;
use std::time::Duration;

use crate::record::{Drops, Verdict};
use crate::run::live::Pulse;

/// Makes a line every ten seconds.
#[derive(Debug, Default)]
pub struct Lines {
    told_at: Duration,
    packets: u64,
    bytes: u64,
    stayed: u64,
    flows: u64,
    drops: Drops,
}

impl Lines {
    /// The next line, if it is time for one: rates and drops since the last, and what breaks so far.
    pub fn next(&mut self, pulse: &Pulse<'_>) -> Option<String> {
        let since = pulse.elapsed.saturating_sub(self.told_at);
        if since < EVERY {
            return None;
        }
        let seconds = since.as_secs_f64();
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        // As the line carries them; what stayed in the kernel passed there, too.
        let (packets, bytes) = (
            pulse.packets + pulse.stayed.packets,
            pulse.bytes + pulse.stayed.bytes,
        );
        let mut line = format!("{:.0} packets/s", rate(packets, self.packets));
        let stayed = rate(pulse.stayed.packets, self.stayed);
        if stayed > 0.0 {
            let _ = write!(line, " ({stayed:.0} stayed in the kernel)");
        }
        let _ = write!(
            line,
            ", {:.1} Mbit/s, {:.1} TLS flows/s, {} open",
            rate(bytes, self.bytes) * 8.0 / 1e6,
            rate(pulse.tally.flows, self.flows),
            pulse.open_flows,
        );
        let dropped = pulse.drops.sum() - self.drops.sum();
        if dropped == 0 {
            line.push_str(", none dropped");
        } else {
            let _ = write!(
                line,
                ", {dropped} DROPPED (kernel {}, interface {}, queue {})",
                pulse.drops.kernel - self.drops.kernel,
                pulse.drops.interface - self.drops.interface,
                pulse.drops.queue - self.drops.queue,
            );
        }
        let _ = write!(line, "; so far {} flows", pulse.tally.flows);
        for (verdict, words) in [
            (Verdict::Breaks, "break"),
            (Verdict::GoesCleartext, "go to cleartext"),
            (Verdict::AtRisk, "at risk"),
        ] {
            if let Some(n) = pulse.tally.verdicts.get(&verdict) {
                let _ = write!(line, ", {n} {words}");
            }
        }
        if pulse.records_lost > 0 {
            let _ = write!(line, ", {} records not written", pulse.records_lost);
        }
        *self = Self {
            told_at: pulse.elapsed,
            packets,
            bytes,
            stayed: pulse.stayed.packets,
            flows: pulse.tally.flows,
            drops: pulse.drops,
        };
        Some(line)
    }
}

const EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::shunt::Stayed;
    use crate::record::{FlowRecord, Tally};
    use crate::time::Timestamp;

    #[test]
    fn a_line_every_ten_seconds_with_what_changed() {
        let mut tally = Tally::new(10, 10);
        let mut lines = Lines::default();
        let mut at = |seconds: u64, packets, stayed, kernel, tally: &Tally| {
            lines.next(&Pulse {
                now: Timestamp(0),
                elapsed: Duration::from_secs(seconds),
                packets,
                bytes: packets * 1_250,
                drops: Drops {
                    kernel,
                    ..Drops::default()
                },
                stayed: Stayed {
                    packets: stayed,
                    bytes: stayed * 1_250,
                },
                open_flows: 7,
                tally,
                records_lost: 0,
            })
        };
        assert_eq!(at(9, 900, 0, 0, &tally), None);
        tally.add(&FlowRecord {
            verdict: Verdict::Breaks,
            ..FlowRecord::default()
        });
        assert_eq!(
            at(10, 1_000, 0, 0, &tally).as_deref(),
            Some(
                "100 packets/s, 1.0 Mbit/s, 0.1 TLS flows/s, 7 open, none dropped; so far 1 flows, 1 break"
            )
        );
        assert_eq!(at(11, 1_000, 0, 0, &tally), None);
        assert_eq!(
            at(20, 2_000, 1_000, 5, &tally).as_deref(),
            Some(
                "200 packets/s (100 stayed in the kernel), 2.0 Mbit/s, 0.0 TLS flows/s, 7 open, 5 DROPPED (kernel 5, interface 0, queue 0); \
                 so far 1 flows, 1 break"
            )
        );
    }
}
