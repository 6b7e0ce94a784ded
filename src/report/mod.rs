//! What the user reads: flow records as they end, the report at the end.
//!
//! In: [`FlowRecord`](crate::record::FlowRecord)s and a [`Summary`]. Out: bytes, to whatever writer the caller gives.
//! Nothing here opens a file or asks for a terminal; everything from the wire is escaped here and nowhere else.

mod blind;
mod cbom;
mod csv;
mod devices_csv;
pub mod diff;
mod escape;
mod html;
mod json;
mod ndjson;
mod numbers;
pub mod parquet;
pub mod progress;
#[cfg(test)]
pub(crate) mod samples;
mod text;
mod vendor;

pub use blind::{Blind, BlindSpots};
pub use cbom::write_cbom;
pub use csv::{append_csv, append_csv_header};
pub use devices_csv::write_devices_csv;
pub(crate) use escape::for_terminal;
pub use html::write_html;
pub use json::{known_address, write_json};
pub use ndjson::append_ndjson;
pub use text::{Style, write_text};

use crate::capture::shunt::Stayed;
use crate::policy::Policy;
use crate::record::{Drops, Tally, Verdict};
use crate::time::Timestamp;

/// Everything that a report tells.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What was read, in the order in which it was read.
    pub inputs: Vec<Input>,
    /// The rules.
    pub policy: Policy,
    /// The day to judge as on, where the user named one; else it is that of the last packet.
    pub at: Option<Timestamp>,
    /// The counts over all flows, merged and settled.
    pub tally: Tally,
    /// What could not be seen, apart from what the tally knows of its flows.
    pub blind: BlindSpots,
    /// The latest seconds of a live capture in which packets were lost, counted from 1970.
    pub drops_by_second: Vec<(u64, Drops)>,
    /// The user ended the reading before the input ended.
    pub cut_short: bool,
}

impl Summary {
    /// A report's matter: what was read, judged and counted.
    pub fn new(inputs: Vec<Input>, policy: Policy, mut tally: Tally, blind: BlindSpots) -> Self {
        tally.settle();
        Self {
            inputs,
            policy,
            at: None,
            tally,
            blind,
            drops_by_second: Vec::new(),
            cut_short: false,
        }
    }

    /// Whether a verdict is `breaks`, which the exit code tells.
    pub fn breaks(&self) -> bool {
        self.tally.verdicts.get(&Verdict::Breaks).is_some()
    }

    /// When the policy was judged as on.
    pub fn judged_at(&self) -> Option<Timestamp> {
        self.at.or_else(|| self.last_packet())
    }

    /// The earliest packet of all inputs.
    pub fn first_packet(&self) -> Option<Timestamp> {
        self.inputs.iter().filter_map(|i| i.first_packet).min()
    }

    /// The latest packet of all inputs.
    pub fn last_packet(&self) -> Option<Timestamp> {
        self.inputs.iter().filter_map(|i| i.last_packet).max()
    }

    /// Packets of all inputs.
    pub fn packets(&self) -> u64 {
        self.inputs.iter().map(|i| i.packets).sum()
    }

    /// What stayed in the kernel of all inputs.
    pub fn stayed(&self) -> Stayed {
        self.inputs.iter().map(|i| i.stayed).sum()
    }

    /// Bytes of all inputs.
    pub fn bytes(&self) -> u64 {
        self.inputs.iter().map(|i| i.bytes).sum()
    }
}

/// One input, as far as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// The file's name as the user gave it; `-` for standard input.
    pub name: String,
    /// Packets read.
    pub packets: u64,
    /// Bytes read of the file, after decompression.
    pub bytes: u64,
    /// Time of the earliest packet; `None` where there was none.
    pub first_packet: Option<Timestamp>,
    /// Time of the latest packet.
    pub last_packet: Option<Timestamp>,
    /// Packets besides those read that stayed in the kernel, counted in their flows.
    pub stayed: Stayed,
    /// Why the reading ended before the input did, or what was skipped; one line.
    pub damage: Option<String>,
}
