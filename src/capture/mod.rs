//! Where packets come from.
//!
//! In: files, standard input, network interfaces. Out: large blocks of bytes and the frames that lie in them, with
//! their time and link type. The reader owns nothing but its input and its place in the format; the blocks are the
//! caller's. It never interprets a frame.

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
