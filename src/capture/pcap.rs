//! The classic pcap format, draft-ietf-opsawg-pcap: a 24-byte header, then records.
//!
//! ```text
//! header: magic 4, major 2, minor 2, reserved 8, snap length 4, link type 4
//! record: seconds 4, fraction 4, captured length 4, length on the wire 4, [16 bytes or 8 more,] packet
//! ```

use super::{Cut, Frame};
use crate::decode::LinkType;
use crate::time::Timestamp;

/// Length of the file header.
pub(super) const HEADER_BYTES: usize = 24;

/// How the records of one file are to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Records {
    big_endian: bool,
    /// Nanoseconds in a unit of the fraction field.
    fraction_ns: u64,
    /// 16, or 24 in the "modified" format of old patched libpcaps.
    header_bytes: usize,
    /// Before version 2.3 the two lengths stood the other way round; in 2.3 it depended on the writer.
    swapped: Swapped,
    link: LinkType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Swapped {
    Never,
    IfLonger,
    Always,
}

impl Records {
    /// From the beginning of a file. `None`: not pcap.
    pub(super) fn from_header(head: &[u8]) -> Result<Option<Self>, String> {
        let Some(magic) = head.first_chunk::<4>() else {
            return Err("it is shorter than any capture".to_owned());
        };
        let (big_endian, magic) = match u32::from_be_bytes(*magic) {
            be @ (MICROSECONDS | NANOSECONDS | MODIFIED) => (true, be),
            le if matches!(le.swap_bytes(), MICROSECONDS | NANOSECONDS | MODIFIED) => {
                (false, le.swap_bytes())
            }
            _ => return Ok(None),
        };
        let Some(header) = head.first_chunk::<HEADER_BYTES>() else {
            return Err("cut short in the pcap file header".to_owned());
        };
        let word = |at: usize| u32_at(header, at, big_endian);
        // One 32-bit word holds both halves of the version, the major one first in the file.
        let version = word(4);
        let (major, minor) = if big_endian {
            (version >> 16, version & 0xffff)
        } else {
            (version & 0xffff, version >> 16)
        };
        Ok(Some(Self {
            big_endian,
            fraction_ns: if magic == NANOSECONDS { 1 } else { 1_000 },
            header_bytes: if magic == MODIFIED { 24 } else { 16 },
            swapped: match (major, minor) {
                (0 | 1, _) | (2, 0..=2) => Swapped::Always,
                (2, 3) => Swapped::IfLonger,
                _ => Swapped::Never,
            },
            // The upper bits tell of a frame check sequence (section 4.1), which is behind the IP packet anyway.
            link: LinkType((word(20) & 0xffff) as u16),
        }))
    }

    /// The record at the beginning of `bytes` with its length, where it is whole and nothing about it is unusual; else
    /// [`Self::cut`] tells.
    #[inline(always)]
    pub(super) fn frame(&self, bytes: &[u8], max_packet_bytes: usize) -> Option<(Frame, usize)> {
        let words = bytes.first_chunk::<16>()?.as_chunks::<4>().0;
        let [seconds, fraction, captured, wire] = *words.first_chunk::<4>()?;
        let word = |bytes| match self.big_endian {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        };
        let captured_len = word(captured) as usize;
        let record_len = self.header_bytes + captured_len.min(max_packet_bytes);
        if self.swapped != Swapped::Never
            || captured_len > max_packet_bytes
            || bytes.len() < record_len
        {
            return None;
        }
        let fraction_ns = u64::from(word(fraction)).saturating_mul(self.fraction_ns);
        let frame = Frame {
            at: self.header_bytes,
            captured_len,
            wire_len: captured_len.max(word(wire) as usize),
            link: self.link,
            time: Timestamp(u64::from(word(seconds)) * 1_000_000_000 + fraction_ns),
        };
        Some((frame, record_len))
    }

    /// The record at the beginning of `bytes`.
    #[inline]
    pub(super) fn cut(&mut self, bytes: &[u8], max_packet_bytes: usize) -> Cut {
        let Some(header) = bytes.first_chunk::<16>() else {
            return Cut::Need(self.header_bytes);
        };
        let word = |at: usize| u32_at(header, at, self.big_endian);
        let (mut captured, mut wire) = (word(8), word(12));
        if self.swapped == Swapped::Always || self.swapped == Swapped::IfLonger && captured > wire {
            std::mem::swap(&mut captured, &mut wire);
        }
        let captured_len = captured as usize;
        if captured_len > max_packet_bytes {
            return Cut::Damaged(format!("record length {captured} is not believable"));
        }
        let record_len = self.header_bytes.saturating_add(captured_len);
        if bytes.len() < record_len {
            return Cut::Need(record_len);
        }
        let ns = u64::from(word(0))
            .saturating_mul(1_000_000_000)
            .saturating_add(u64::from(word(4)).saturating_mul(self.fraction_ns));
        Cut::Frame {
            frame: Frame {
                at: self.header_bytes,
                captured_len,
                // Some writers claim less than they kept.
                wire_len: captured_len.max(wire as usize),
                link: self.link,
                time: Timestamp(ns),
            },
            record_len,
        }
    }
}

/// The 32-bit word at `at`; 0 beyond the end, which no caller asks for.
#[inline]
fn u32_at(bytes: &[u8], at: usize, big_endian: bool) -> u32 {
    let word = bytes
        .get(at..)
        .and_then(|b| b.first_chunk::<4>())
        .copied()
        .unwrap_or_default();
    if big_endian {
        u32::from_be_bytes(word)
    } else {
        u32::from_le_bytes(word)
    }
}

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Alexey Kuznetzov's patched libpcap: interface index, protocol and packet type behind the lengths.
const MODIFIED: u32 = 0xa1b2_cd34;
