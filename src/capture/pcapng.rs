//! The pcapng format, draft-ietf-opsawg-pcapng: blocks that carry their length at both ends.
//!
//! ```text
//! block:   type 4, total length 4, body, total length 4
//! section: byte-order magic 4, major 2, minor 2, section length 8, options      (starts over: byte order, interfaces)
//! interface: link type 2, reserved 2, snap length 4, options
//! enhanced packet: interface 4, time high 4, time low 4, captured 4, on the wire 4, packet, options
//! simple packet: on the wire 4, packet
//! ```

use super::{Cut, Frame};
use crate::decode::LinkType;
use crate::time::Timestamp;

/// Block type of a section header; reads the same in both byte orders.
pub(super) const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// A section header without options, up to its version.
pub(super) const MIN_SECTION_BYTES: usize = 16;

/// The place in a pcapng file: its section's byte order and the interfaces described so far.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// A simple packet has no time of its own.
    last_time: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: LinkType,
    /// 0: no limit.
    snap_len: u32,
    resolution: Resolution,
    offset_seconds: i64,
}

/// `if_tsresol`: what a unit of the time stamp is.
#[derive(Clone, Copy, Debug)]
enum Resolution {
    /// Nanoseconds in a unit.
    Times(u64),
    /// Units in a nanosecond; 0 where that is more than 64 bits hold.
    Per(u64),
    /// 2^-n seconds.
    Binary(u32),
}

impl Blocks {
    /// The block at the beginning of `bytes`.
    pub(super) fn cut(&mut self, bytes: &[u8], max_packet_bytes: usize) -> Cut {
        let Some(([type_bytes, length], rest)) = pair(bytes) else {
            return Cut::Need(12);
        };
        if type_bytes == SECTION_HEADER {
            // The byte order of the length is told by the magic behind it.
            match rest.first_chunk::<4>() {
                None => return Cut::Need(12),
                Some([0x1a, 0x2b, 0x3c, 0x4d]) => self.big_endian = true,
                Some([0x4d, 0x3c, 0x2b, 0x1a]) => self.big_endian = false,
                Some(_) => {
                    return Cut::Damaged("section header without byte-order magic".to_owned());
                }
            }
            self.interfaces.clear();
        }
        let total = self.u32(length);
        let total_len = total as usize;
        if total < 12 {
            return Cut::Damaged(format!("block length {total} is not believable"));
        }
        let kind = self.u32(type_bytes);
        if !matches!(
            kind,
            SECTION | INTERFACE | PACKET | SIMPLE_PACKET | ENHANCED_PACKET
        ) {
            return Cut::Skip(total_len);
        }
        // A packet's options are short; more than this is not a packet.
        if total_len > max_packet_bytes.saturating_add(MAX_OPTION_BYTES) {
            return Cut::Damaged(format!("block length {total} is not believable"));
        }
        let Some(block) = bytes.get(..total_len) else {
            return Cut::Need(total_len);
        };
        let Some((body, trailer)) = block.get(8..).and_then(<[u8]>::split_last_chunk::<4>) else {
            return Cut::Damaged(format!("block length {total} is not believable"));
        };
        if self.u32(*trailer) != total {
            return Cut::Damaged(format!(
                "block lengths {total} and {} disagree",
                self.u32(*trailer)
            ));
        }
        match kind {
            INTERFACE => {
                if self.interfaces.len() < MAX_INTERFACES
                    && let Some(interface) = self.interface(body)
                {
                    self.interfaces.push(interface);
                }
                Cut::Skip(total_len)
            }
            SIMPLE_PACKET => self.simple(body, total_len),
            ENHANCED_PACKET => self.enhanced(body, total_len),
            PACKET => self.obsolete(body, total_len),
            _ => Cut::Skip(total_len),
        }
    }

    /// Section 4.2.
    fn interface(&self, body: &[u8]) -> Option<Interface> {
        let (link, body) = body.split_first_chunk::<2>()?;
        let (snap_len, mut options) = body.get(2..)?.split_first_chunk::<4>()?;
        let mut interface = Interface {
            link: LinkType(self.u16(*link)),
            snap_len: self.u32(*snap_len),
            resolution: Resolution::Times(1_000),
            offset_seconds: 0,
        };
        // Section 3.5: code 2, length 2, value padded to 32 bits; code 0 ends them.
        while let Some(([c0, c1, l0, l1], rest)) = options.split_first_chunk::<4>() {
            let (code, len) = (self.u16([*c0, *c1]), usize::from(self.u16([*l0, *l1])));
            let Some(value) = rest.get(..len) else {
                break;
            };
            match (code, value) {
                (0, _) => break,
                (9, [resolution]) => interface.resolution = Resolution::of(*resolution),
                (14, value) => {
                    if let Some(seconds) = value.first_chunk::<8>() {
                        interface.offset_seconds = if self.big_endian {
                            i64::from_be_bytes(*seconds)
                        } else {
                            i64::from_le_bytes(*seconds)
                        };
                    }
                }
                _ => {}
            }
            options = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
        Some(interface)
    }

    /// Section 4.3.
    fn enhanced(&mut self, body: &[u8], record_len: usize) -> Cut {
        let Some((header, data)) = body.split_first_chunk::<20>() else {
            return lost("packet block too short for its header", record_len);
        };
        let word = |at| self.u32(chunk(header, at));
        self.packet(
            word(0),
            [word(4), word(8)],
            [word(12), word(16)],
            data.len(),
            28,
            record_len,
        )
    }

    /// Appendix A: interface and drop count share a word.
    fn obsolete(&mut self, body: &[u8], record_len: usize) -> Cut {
        let Some((header, data)) = body.split_first_chunk::<20>() else {
            return lost("packet block too short for its header", record_len);
        };
        let word = |at| self.u32(chunk(header, at));
        let interface = u32::from(self.u16(chunk(header, 0)));
        self.packet(
            interface,
            [word(4), word(8)],
            [word(12), word(16)],
            data.len(),
            28,
            record_len,
        )
    }

    /// Section 4.4: interface 0, no time, and the captured length follows from the snap length.
    fn simple(&mut self, body: &[u8], record_len: usize) -> Cut {
        let Some((wire, data)) = body.split_first_chunk::<4>() else {
            return lost("packet block too short for its header", record_len);
        };
        let Some(interface) = self.interfaces.first() else {
            return lost("packet of an interface that was not described", record_len);
        };
        let wire_len = self.u32(*wire) as usize;
        let mut captured_len = wire_len.min(data.len());
        if interface.snap_len > 0 {
            captured_len = captured_len.min(interface.snap_len as usize);
        }
        Cut::Frame {
            frame: Frame {
                at: 12,
                captured_len,
                wire_len,
                link: interface.link,
                time: self.last_time,
            },
            record_len,
        }
    }

    fn packet(
        &mut self,
        interface: u32,
        [high, low]: [u32; 2],
        [captured, wire]: [u32; 2],
        available: usize,
        at: usize,
        record_len: usize,
    ) -> Cut {
        let Some(interface) = self.interfaces.get(interface as usize) else {
            return lost("packet of an interface that was not described", record_len);
        };
        let captured_len = captured as usize;
        if captured_len > available {
            return lost("packet longer than its block", record_len);
        }
        let time = interface.time(u64::from(high) << 32 | u64::from(low));
        self.last_time = time;
        Cut::Frame {
            frame: Frame {
                at,
                captured_len,
                wire_len: captured_len.max(wire as usize),
                link: interface.link,
                time,
            },
            record_len,
        }
    }

    fn u16(&self, bytes: [u8; 2]) -> u16 {
        if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }
    }

    fn u32(&self, bytes: [u8; 4]) -> u32 {
        if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }
}

impl Interface {
    fn time(&self, units: u64) -> Timestamp {
        let ns = match self.resolution {
            Resolution::Times(ns) => units.saturating_mul(ns),
            Resolution::Per(units_in_ns) => units.checked_div(units_in_ns).unwrap_or(0),
            Resolution::Binary(bits) => {
                let ns = u128::from(units).saturating_mul(1_000_000_000) >> bits;
                u64::try_from(ns).unwrap_or(u64::MAX)
            }
        };
        let shift = self
            .offset_seconds
            .unsigned_abs()
            .saturating_mul(1_000_000_000);
        Timestamp(if self.offset_seconds < 0 {
            ns.saturating_sub(shift)
        } else {
            ns.saturating_add(shift)
        })
    }
}

impl Resolution {
    /// Section 4.2: the most significant bit tells the base, the others the negated exponent.
    fn of(byte: u8) -> Self {
        let exponent = u32::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            Self::Binary(exponent)
        } else if let Some(up) = 9_u32.checked_sub(exponent) {
            Self::Times(10_u64.saturating_pow(up))
        } else {
            Self::Per(10_u64.checked_pow(exponent.saturating_sub(9)).unwrap_or(0))
        }
    }
}

fn lost(why: &str, record_len: usize) -> Cut {
    Cut::Lost {
        why: why.to_owned(),
        record_len,
    }
}

/// The first two words, and what follows.
fn pair(bytes: &[u8]) -> Option<([[u8; 4]; 2], &[u8])> {
    let (a, rest) = bytes.split_first_chunk::<4>()?;
    let (b, rest) = rest.split_first_chunk::<4>()?;
    Some(([*a, *b], rest))
}

/// `N` bytes at `at`; zeros beyond the end, which no caller asks for.
fn chunk<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes
        .get(at..)
        .and_then(|b| b.first_chunk::<N>())
        .copied()
        .unwrap_or([0; N])
}

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Comments and the like behind a packet, or a section's description.
const MAX_OPTION_BYTES: usize = 1 << 20;
/// A capture of more interfaces is not believable; their packets are counted as lost.
const MAX_INTERFACES: usize = 1 << 16;
