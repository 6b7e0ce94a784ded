//! Compressed captures: decompressed on a thread of their own, so that reading keeps up with the audit.
//!
//! The thread hands over chunks through a bounded channel and gets them back empty. It ends by itself when the reader
//! is dropped, because its channel is then closed.

use std::io::{self, BufReader, Read};

use crossbeam_channel::{Receiver, Sender, bounded};

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// RFC 1952; several members one behind the other are one file.
    Gzip,
    /// RFC 8878; several frames likewise.
    Zstd,
    /// The LZ4 frame format; several frames likewise.
    Lz4,
}

impl Compression {
    /// By the magic number.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        }
    }

    fn decoder(self, raw: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
        let raw = BufReader::with_capacity(CHUNK_BYTES, raw);
        Ok(match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(raw)),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(raw)?),
            Self::Lz4 => Box::new(Lz4Frames(lz4_flex::frame::FrameDecoder::new(raw))),
        })
    }
}

/// `lz4_flex` says that it is at the end behind every frame; only the second time in a row is it true.
struct Lz4Frames<R: Read>(lz4_flex::frame::FrameDecoder<R>);

impl<R: Read> Read for Lz4Frames<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buf)? {
            0 => self.0.read(buf),
            read => Ok(read),
        }
    }
}

/// The reading end of a decompressing thread.
pub(super) struct Decompressor {
    chunks: Receiver<io::Result<Vec<u8>>>,
    empty: Sender<Vec<u8>>,
    current: Vec<u8>,
    taken: usize,
    /// The thread said that it is done; a channel closed without that is a thread that died.
    done: bool,
    /// Fill blocks; otherwise hand on what is there.
    patient: bool,
}

impl Decompressor {
    /// Starts the thread. `patient`: the input is a file, which is worth waiting for.
    pub(super) fn start(
        compression: Compression,
        raw: Box<dyn Read + Send>,
        patient: bool,
    ) -> io::Result<Self> {
        let mut decoder = compression.decoder(raw)?;
        let (full_in, chunks) = bounded(CHUNKS);
        let (empty, empty_out) = bounded::<Vec<u8>>(CHUNKS);
        std::thread::Builder::new()
            .name("decompress".to_owned())
            .spawn(move || {
                loop {
                    let mut chunk = empty_out.try_recv().unwrap_or_default();
                    let read = read_chunk(&mut decoder, &mut chunk, patient);
                    let at_end = chunk.is_empty();
                    // An empty chunk says that this is the true end and not the death of the thread.
                    if full_in.send(Ok(chunk)).is_err() {
                        return;
                    }
                    if let Err(e) = read {
                        let text = format!("damaged {} stream: {e}", compression.name());
                        drop(full_in.send(Err(io::Error::new(e.kind(), text))));
                        return;
                    }
                    if at_end {
                        return;
                    }
                }
            })?;
        Ok(Self {
            chunks,
            empty,
            current: Vec::new(),
            taken: 0,
            done: false,
            patient,
        })
    }

    /// Appends to `block` until it holds `target` bytes; of a pipe, what is there.
    pub(super) fn read_some(&mut self, block: &mut Vec<u8>, target: usize) -> io::Result<()> {
        let before = block.len();
        while block.len() < target {
            let rest = self.current.get(self.taken..).unwrap_or_default();
            if rest.is_empty() {
                if !self.patient && block.len() > before {
                    return Ok(());
                }
                let mut used = std::mem::take(&mut self.current);
                used.clear();
                // Full: then enough of them are under way.
                drop(self.empty.try_send(used));
                self.taken = 0;
                match self.chunks.recv() {
                    Ok(Ok(chunk)) => {
                        self.done = chunk.is_empty();
                        self.current = chunk;
                    }
                    Ok(Err(e)) => {
                        self.done = true;
                        return Err(e);
                    }
                    Err(_) if self.done => return Ok(()),
                    Err(_) => return Err(io::Error::other("the decompressing thread died")),
                }
                continue;
            }
            let now = rest.len().min(target.saturating_sub(block.len()));
            block.extend_from_slice(rest.get(..now).unwrap_or_default());
            self.taken = self.taken.saturating_add(now);
        }
        Ok(())
    }
}

/// Fills a chunk, or gives what one read gives where the input is a pipe. What came before an error is kept.
fn read_chunk(
    decoder: &mut Box<dyn Read + Send>,
    chunk: &mut Vec<u8>,
    patient: bool,
) -> io::Result<()> {
    chunk.resize(CHUNK_BYTES, 0);
    let mut len = 0;
    let result = loop {
        match decoder.read(chunk.get_mut(len..).unwrap_or_default()) {
            Ok(0) => break Ok(()),
            Ok(read) => len = len.saturating_add(read),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => break Err(e),
        }
        if !patient || len >= CHUNK_BYTES {
            break Ok(());
        }
    };
    chunk.truncate(len);
    result
}

/// Large enough that the channel costs nothing, small enough to stay in the cache between the threads.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks under way.
const CHUNKS: usize = 4;
