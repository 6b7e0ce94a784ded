//! Where packets come from.
//!
//! In: files, standard input, network interfaces. Out: large blocks of bytes and the frames that lie in them, with
//! their time and link type. The reader owns nothing but its input and its place in the format; the blocks are the
//! caller's. It never interprets a frame.

pub mod file;
pub mod live;
pub mod shunt;

mod compressed;
mod fanout;
mod pcap;
mod pcapng;
#[cfg(test)]
mod tests;

pub use file::{CaptureError, Damage, FileSource, Next, first_time};

use crate::decode::LinkType;
use crate::time::Timestamp;

/// A frame within a block of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it begins in the block.
    pub at: usize,
    /// Captured bytes.
    pub captured_len: usize,
    /// Bytes on the wire; at least `captured_len`.
    pub wire_len: usize,
    /// How to read it.
    pub link: LinkType,
    /// When it was captured.
    pub time: Timestamp,
}

/// What a format's reader makes of the bytes at its place.
enum Cut {
    /// A packet; `frame.at` counts from the record's first byte.
    Frame { frame: Frame, record_len: usize },
    /// Nothing for us in so many bytes, which need not all be there yet.
    Skip(usize),
    /// A packet that cannot be used, and why; the file goes on behind it.
    Lost { why: String, record_len: usize },
    /// So many bytes are needed to go on.
    Need(usize),
    /// What follows cannot be read.
    Damaged(String),
}
