//! Saved captures, read in large blocks: the read buffer is the block, and a packet is a range of it.
//!
//! The caller owns the block and drives: [`FileSource::fill`] appends bytes, [`FileSource::next_frame`] finds the next
//! whole frame, and what is left of the block when it answers [`Next::NeedMore`] begins the next block. So a packet is
//! copied once, by the kernel, save for the one that straddles two blocks.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::compressed::{Compression, Decompressor};
use super::{Cut, Frame, pcap, pcapng};
use crate::config::Limits;
use crate::time::Timestamp;

/// A saved capture: pcap or pcapng, plain or compressed, a file or a pipe.
#[derive(Debug)]
pub struct FileSource {
    name: String,
    input: Input,
    /// Read to tell the format, not yet handed out.
    head: Vec<u8>,
    format: Format,
    block_bytes: usize,
    max_packet_bytes: usize,
    /// Bytes that the next frame is known to need, from where the block begins.
    wanted: usize,
    /// Rest of a block of the format that need not be looked at.
    skip: usize,
    /// Offset, in the uncompressed input, of what `next_frame` looks at next.
    position: u64,
    bytes_read: u64,
    /// Bytes taken from the file itself, shared with the thread that reads it where it is compressed.
    consumed: Arc<AtomicU64>,
    size: Option<u64>,
    ended: bool,
    damage: Option<Damage>,
}

/// What [`FileSource::next_frame`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A frame that lies whole in the block.
    Frame(Frame),
    /// The rest of the block is not a whole frame: keep it, and fill.
    NeedMore,
    /// Nothing can be read any more, see [`FileSource::damage`].
    End,
}

/// Where a capture stopped making sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Byte offset in the input, uncompressed.
    pub offset: u64,
    /// What is wrong there: "cut short in the middle of a packet".
    pub what: String,
    /// Packets that were left out although the file could be read on behind them.
    pub skipped_packets: u64,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}", self.what, self.offset)?;
        match self.skipped_packets {
            0 => Ok(()),
            1 => f.write_str(", one packet left out"),
            n => write!(f, ", {n} packets left out"),
        }
    }
}

/// Why a capture cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The operating system said no.
    #[error("cannot open {}: {reason}", path.display())]
    Open {
        /// As given.
        path: PathBuf,
        /// Its reason. Part of the message, hence not a `source`, which would print it twice.
        reason: io::Error,
    },
    /// A directory where a file should be.
    #[error("{} is a directory, not a capture file", path.display())]
    Directory {
        /// As given.
        path: PathBuf,
    },
    /// Not one byte.
    #[error("{name} is empty")]
    Empty {
        /// The input.
        name: String,
    },
    /// Readable, but in no format that we know.
    #[error("{name} is not a capture: {why}")]
    NotACapture {
        /// The input.
        name: String,
        /// What was found instead.
        why: String,
    },
    /// Reading failed before anything was read.
    #[error("cannot read {name}: {reason}")]
    Unreadable {
        /// The input.
        name: String,
        /// The reason, likewise.
        reason: io::Error,
    },
}

impl CaptureError {
    /// Why `path` could not be read.
    pub fn unreadable(path: &Path, reason: io::Error) -> Self {
        Self::Unreadable {
            name: path.display().to_string(),
            reason,
        }
    }
}

#[derive(Debug)]
enum Format {
    Pcap(pcap::Records),
    PcapNg(pcapng::Blocks),
}

enum Input {
    /// A file: read until the block is full. Known as a file, so that std reads into spare capacity as it is and in
    /// one call; behind a trait object it would clear the memory first and read in small steps.
    Plain(File),
    /// A pipe: hand on what is there.
    Pipe(Box<dyn Read + Send>),
    Compressed(Decompressor),
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Pipe(_) => "Pipe",
            Self::Compressed(_) => "Compressed",
        })
    }
}

impl FileSource {
    /// Opens a capture; `-` is standard input. Compression and format are told by content.
    ///
    /// # Errors
    /// Where it cannot be opened or read, is empty, or is not a capture.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, CaptureError> {
        if path.as_os_str() == "-" {
            return Self::start(
                "standard input".to_owned(),
                Raw::Other(Box::new(io::stdin())),
                None,
                limits,
            );
        }
        let error = |reason| CaptureError::Open {
            path: path.to_owned(),
            reason,
        };
        let file = File::open(path).map_err(error)?;
        let metadata = file.metadata().map_err(error)?;
        if metadata.is_dir() {
            return Err(CaptureError::Directory {
                path: path.to_owned(),
            });
        }
        let size = metadata.is_file().then_some(metadata.len());
        Self::start(path.display().to_string(), Raw::File(file), size, limits)
    }

    /// Reads a capture from anything; it is treated as a pipe, so that each read is handed on at once.
    ///
    /// # Errors
    /// As [`FileSource::open`].
    pub fn from_reader(
        name: String,
        reader: Box<dyn Read + Send>,
        limits: &Limits,
    ) -> Result<Self, CaptureError> {
        Self::start(name, Raw::Other(reader), None, limits)
    }

    /// `size` is known of regular files only, and tells them from pipes.
    fn start(
        name: String,
        mut raw: Raw,
        size: Option<u64>,
        limits: &Limits,
    ) -> Result<Self, CaptureError> {
        let consumed = Arc::new(AtomicU64::new(0));
        let unreadable = |name: &str, reason| CaptureError::Unreadable {
            name: name.to_owned(),
            reason,
        };

        let mut head = Vec::with_capacity(pcap::HEADER_BYTES);
        raw.reader()
            .take(4)
            .read_to_end(&mut head)
            .map_err(|e| unreadable(&name, e))?;
        if head.is_empty() {
            return Err(CaptureError::Empty { name });
        }
        let mut input = match Compression::of(&head) {
            Some(compression) => {
                let raw = Counted {
                    reader: io::Cursor::new(std::mem::take(&mut head)).chain(raw.boxed()),
                    count: Arc::clone(&consumed),
                };
                Input::Compressed(
                    Decompressor::start(compression, Box::new(raw), size.is_some())
                        .map_err(|e| unreadable(&name, e))?,
                )
            }
            None => match raw {
                Raw::File(file) if size.is_some() => Input::Plain(file),
                raw => Input::Pipe(raw.boxed()),
            },
        };
        while head.len() < pcap::HEADER_BYTES {
            let before = head.len();
            input
                .read_some(&mut head, pcap::HEADER_BYTES)
                .map_err(|e| unreadable(&name, e))?;
            if head.len() == before {
                break;
            }
        }
        if head.is_empty() {
            return Err(CaptureError::Empty { name });
        }

        let (format, header_bytes) = match detect(&head) {
            Ok(found) => found,
            Err(why) => return Err(CaptureError::NotACapture { name, why }),
        };
        let rest = head.split_off(header_bytes);
        Ok(Self {
            name,
            input,
            head: rest,
            format,
            block_bytes: limits.block_bytes.max(1),
            max_packet_bytes: limits.max_packet_bytes,
            wanted: 0,
            skip: 0,
            position: header_bytes as u64,
            bytes_read: header_bytes as u64,
            consumed,
            size,
            ended: false,
            damage: None,
        })
    }

    /// Appends the next bytes of the capture to `block`, which holds what the last block left over.
    ///
    /// A file fills the block; a pipe gives what one read gave, so that a slow one is audited at once. A frame larger
    /// than the block makes the block larger. `Ok(false)`: the end, nothing was added.
    ///
    /// # Errors
    /// Where reading fails before anything was read; later failures are [`FileSource::damage`].
    pub fn fill(&mut self, block: &mut Vec<u8>) -> Result<bool, CaptureError> {
        if self.ended {
            return Ok(false);
        }
        let before = block.len();
        block.append(&mut self.head);
        let target = self.block_bytes.max(self.wanted).max(
            // The caller found no frame in a full block.
            if before >= self.block_bytes {
                before.saturating_add(self.block_bytes)
            } else {
                0
            },
        );
        let read = self.input.read_some(block, target);
        let added = block.len().saturating_sub(before);
        self.bytes_read = self.bytes_read.saturating_add(added as u64);
        if let Err(reason) = read {
            // What came before the failure is kept, and told apart from an input that cannot be read at all.
            self.ended = added == 0;
            let offset = self.position.saturating_add(block.len() as u64);
            if self.bytes_read <= pcap::HEADER_BYTES as u64 {
                return Err(CaptureError::Unreadable {
                    name: self.name.clone(),
                    reason,
                });
            }
            self.note(offset, reason.to_string());
            return Ok(added > 0);
        }
        if added > 0 {
            return Ok(true);
        }
        self.ended = true;
        if before > 0 {
            self.note(
                self.position,
                "cut short in the middle of a packet".to_owned(),
            );
        } else if self.skip > 0 {
            self.note(
                self.position,
                "cut short in the middle of a block".to_owned(),
            );
        }
        Ok(false)
    }

    /// The next frame that lies whole in `block[*at..]`; moves `at` behind it, and behind all that is not a packet.
    #[inline(always)]
    pub fn next_frame(&mut self, block: &[u8], at: &mut usize) -> Next {
        if self.ended && self.damage.is_some() {
            return Next::End;
        }
        if let (Format::Pcap(records), 0) = (&self.format, self.skip)
            && let Some((frame, record_len)) =
                records.frame(block.get(*at..).unwrap_or_default(), self.max_packet_bytes)
        {
            let at_record = *at;
            self.advance(at, record_len);
            return Next::Frame(Frame {
                at: at_record + frame.at,
                ..frame
            });
        }
        self.next_unusual(block, at)
    }

    /// The same, of any format and whatever stands there.
    fn next_unusual(&mut self, block: &[u8], at: &mut usize) -> Next {
        loop {
            let rest = block.get(*at..).unwrap_or_default();
            if self.skip > 0 {
                let now = self.skip.min(rest.len());
                self.skip = self.skip.saturating_sub(now);
                self.advance(at, now);
                if self.skip > 0 {
                    self.wanted = 0;
                    return Next::NeedMore;
                }
                continue;
            }
            let cut = match &mut self.format {
                Format::Pcap(records) => records.cut(rest, self.max_packet_bytes),
                Format::PcapNg(blocks) => blocks.cut(rest, self.max_packet_bytes),
            };
            match cut {
                Cut::Frame { frame, record_len } => {
                    let at_record = *at;
                    self.advance(at, record_len);
                    return Next::Frame(Frame {
                        at: at_record.saturating_add(frame.at),
                        ..frame
                    });
                }
                Cut::Skip(bytes) => self.skip = bytes,
                Cut::Need(bytes) => {
                    self.wanted = bytes;
                    return Next::NeedMore;
                }
                Cut::Lost { why, record_len } => {
                    self.note(self.position, why);
                    if let Some(damage) = &mut self.damage {
                        damage.skipped_packets = damage.skipped_packets.saturating_add(1);
                    }
                    self.skip = record_len;
                }
                Cut::Damaged(what) => {
                    self.note(self.position, what);
                    self.ended = true;
                    return Next::End;
                }
            }
        }
    }

    /// Where and how the capture is damaged, as far as it was read; the first damage found.
    pub const fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// Uncompressed bytes handed out so far, file header included.
    pub const fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Size of the file as it lies on disk; `None` for pipes.
    pub const fn size_hint(&self) -> Option<u64> {
        self.size
    }

    /// Bytes taken from the file as it lies on disk: [`FileSource::size_hint`] at the end.
    pub fn bytes_consumed_of_file(&self) -> u64 {
        match self.input {
            Input::Compressed(_) => self.consumed.load(Ordering::Relaxed),
            Input::Plain(_) | Input::Pipe(_) => self.bytes_read,
        }
    }

    /// The path as given, or "standard input".
    pub fn name(&self) -> &str {
        &self.name
    }

    #[inline]
    fn advance(&mut self, at: &mut usize, bytes: usize) {
        *at = at.saturating_add(bytes);
        self.position = self.position.saturating_add(bytes as u64);
    }

    /// Keeps the first damage; what follows is often only its consequence.
    fn note(&mut self, offset: u64, what: String) {
        self.damage.get_or_insert(Damage {
            offset,
            what,
            skipped_packets: 0,
        });
    }
}

/// Time of a capture's first packet, to put several captures in order. `None` where it holds none.
///
/// # Errors
/// As [`FileSource::open`].
pub fn first_time(path: &Path) -> Result<Option<Timestamp>, CaptureError> {
    let limits = Limits {
        block_bytes: 64 << 10,
        ..Limits::default()
    };
    let mut source = FileSource::open(path, &limits)?;
    let mut block = Vec::new();
    while source.fill(&mut block)? {
        let mut at = 0;
        match source.next_frame(&block, &mut at) {
            Next::Frame(frame) => return Ok(Some(frame.time)),
            Next::NeedMore => drop(block.drain(..at)),
            Next::End => break,
        }
    }
    Ok(None)
}

impl Input {
    /// Appends to `block` until it holds `target` bytes or the input ends; of a pipe, what one read gives. Of a file it
    /// may be more, as far as the block has room.
    fn read_some(&mut self, block: &mut Vec<u8>, target: usize) -> io::Result<()> {
        let room = target.saturating_sub(block.len());
        match self {
            Self::Plain(reader) => {
                // Into spare capacity, which need not be cleared first, in one read: `read_to_end` begins with small ones.
                block.reserve_exact(room);
                while block.len() < target {
                    match rustix::io::read(&*reader, rustix::buffer::spare_capacity(block)) {
                        Ok(0) => break,
                        Ok(_) | Err(rustix::io::Errno::INTR) => {}
                        Err(e) => return Err(e.into()),
                    }
                }
                Ok(())
            }
            Self::Pipe(reader) => {
                let before = block.len();
                block.resize(before.saturating_add(room.min(PIPE_BYTES)), 0);
                let read = loop {
                    match reader.read(block.get_mut(before..).unwrap_or_default()) {
                        Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                        other => break other,
                    }
                };
                block.truncate(before.saturating_add(*read.as_ref().unwrap_or(&0)));
                read.map(drop)
            }
            Self::Compressed(decompressor) => decompressor.read_some(block, target),
        }
    }
}

/// What a capture is read from.
enum Raw {
    File(File),
    Other(Box<dyn Read + Send>),
}

impl Raw {
    fn reader(&mut self) -> &mut dyn Read {
        match self {
            Self::File(file) => file,
            Self::Other(reader) => reader,
        }
    }

    fn boxed(self) -> Box<dyn Read + Send> {
        match self {
            Self::File(file) => Box::new(file),
            Self::Other(reader) => reader,
        }
    }
}

/// Counts what is taken from a compressed file, as it lies on disk.
struct Counted<R> {
    reader: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buf)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// The format, and the bytes of its header that are not part of the first block.
fn detect(head: &[u8]) -> Result<(Format, usize), String> {
    if let Some(records) = pcap::Records::from_header(head)? {
        return Ok((Format::Pcap(records), pcap::HEADER_BYTES));
    }
    if head.starts_with(&pcapng::SECTION_HEADER) {
        if head.len() < pcapng::MIN_SECTION_BYTES {
            return Err("cut short in the pcapng section header".to_owned());
        }
        return Ok((Format::PcapNg(pcapng::Blocks::default()), 0));
    }
    Err("it begins neither like pcap nor like pcapng".to_owned())
}

/// What a pipe holds at most, on Linux unless told otherwise; one read seldom gives more.
const PIPE_BYTES: usize = 64 << 10;
