//! Figures of a run, for `--stats`: speed, queues and memory. They depend on the machine and on the day, and no record
//! or report holds them.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

/// What the threads of a run took.
#[derive(Debug)]
pub struct RunStats {
    /// From the first byte read to the last record written.
    pub elapsed: Duration,
    /// Packets of all inputs.
    pub packets: u64,
    /// Bytes of all inputs, uncompressed.
    pub bytes: u64,
    /// What the workers took.
    pub workers: WorkerStats,
}

/// What one worker, or all of them, took.
#[derive(Debug)]
pub struct WorkerStats {
    /// Microseconds that a block waited for its worker.
    pub queue_wait_us: Histogram<u64>,
    /// Nanoseconds of work on a packet, the mean of each block.
    pub packet_ns: Histogram<u64>,
    /// Microseconds to judge and write down the records of an epoch.
    pub records_us: Histogram<u64>,
}

impl Default for WorkerStats {
    fn default() -> Self {
        // Three significant digits; the range grows by itself.
        let histogram = || Histogram::new(3).expect("three digits are allowed");
        Self {
            queue_wait_us: histogram(),
            packet_ns: histogram(),
            records_us: histogram(),
        }
    }
}

impl WorkerStats {
    /// Takes in what another worker took.
    pub fn merge(&mut self, other: &Self) {
        for (all, more) in [
            (&mut self.queue_wait_us, &other.queue_wait_us),
            (&mut self.packet_ns, &other.packet_ns),
            (&mut self.records_us, &other.records_us),
        ] {
            all.add(more).expect("the range grows by itself");
        }
    }
}

impl fmt::Display for RunStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64().max(1e-9);
        writeln!(
            f,
            "{} packets, {} bytes in {seconds:.3} s: {:.2} million packets/s, {:.2} Gbit/s",
            self.packets,
            self.bytes,
            self.packets as f64 / seconds / 1e6,
            self.bytes as f64 * 8.0 / seconds / 1e9,
        )?;
        for (what, unit, histogram) in [
            ("wait of a block", "us", &self.workers.queue_wait_us),
            ("work on a packet", "ns", &self.workers.packet_ns),
            ("records of an epoch", "us", &self.workers.records_us),
        ] {
            writeln!(
                f,
                "{what:20} p50 {} {unit}, p90 {} {unit}, p99 {} {unit}, max {} {unit}",
                histogram.value_at_quantile(0.5),
                histogram.value_at_quantile(0.9),
                histogram.value_at_quantile(0.99),
                histogram.max(),
            )?;
        }
        match peak_memory_kib() {
            Some(kib) => writeln!(f, "peak memory          {:.1} MiB", kib as f64 / 1024.0),
            None => writeln!(f, "peak memory          not told by this system"),
        }
    }
}

/// The most memory that the process held at once, as the kernel counts it (`VmHWM` in proc(5)).
fn peak_memory_kib() -> Option<u64> {
    status_kib("VmHWM:")
}

/// The memory that the process holds now (`VmRSS` in proc(5)).
pub fn memory_kib() -> Option<u64> {
    status_kib("VmRSS:")
}

fn status_kib(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
