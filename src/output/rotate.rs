//! Flow records of a capture that runs for weeks: files that are begun anew by size and by time, and a disk that may be
//! full for a while.
//!
//! A file holds whole records at any moment, but for the instant of a single write: what a full disk cut is taken back.

use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{FlowFormat, OutputError, Target};
use crate::time::Timestamp;

/// When a new file is begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Before a file gets longer than that.
    pub bytes: Option<u64>,
    /// When a file is that old and not empty.
    pub every: Option<Duration>,
}

/// Where the flow records of a live capture go.
#[derive(Debug, Default)]
pub struct LiveFlows {
    outputs: Vec<LiveOutput>,
    rotation: Rotation,
    lost: u64,
    notices: Vec<String>,
}

#[derive(Debug)]
struct LiveOutput {
    target: Target,
    format: FlowFormat,
    sink: Sink,
    /// Since when nothing can be written, and how many records that cost.
    pause: Option<Pause>,
}

#[derive(Debug)]
struct Pause {
    retry: Timestamp,
    lost: u64,
}

enum Sink {
    Stream(Box<dyn Write + Send>),
    File {
        file: File,
        path: PathBuf,
        /// Bytes of whole records, and of the header.
        bytes: u64,
        header_bytes: u64,
        begun: Timestamp,
        /// A new file could not be begun; not tried again before.
        retry: Timestamp,
    },
}

impl LiveFlows {
    /// Opens all targets and writes the headers.
    ///
    /// # Errors
    /// Where one cannot be opened or written.
    pub fn open(
        targets: &[(Target, FlowFormat)],
        rotation: Rotation,
        now: Timestamp,
    ) -> Result<Self, OutputError> {
        let mut outputs = Vec::new();
        for (target, format) in targets {
            let sink = match target {
                Target::Stdout => Sink::stream(io::stdout(), *format),
                Target::Stderr => Sink::stream(io::stderr(), *format),
                Target::File(path) => Sink::open(path, *format, now),
            };
            outputs.push(LiveOutput {
                sink: sink.map_err(|e| OutputError::new(target, e))?,
                target: target.clone(),
                format: *format,
                pause: None,
            });
        }
        Ok(Self {
            outputs,
            rotation,
            ..Self::default()
        })
    }

    /// The forms in which records are wanted, each once, in a fixed order.
    pub fn formats(&self) -> Vec<FlowFormat> {
        let mut formats: Vec<_> = self.outputs.iter().map(|output| output.format).collect();
        formats.sort_unstable();
        formats.dedup();
        formats
    }

    /// Writes so many `records`, as [`FlowFormat::append`] made them, to every output of that form. What a full disk does
    /// not take is counted, and writing tried again a second later.
    ///
    /// # Errors
    /// Only where the reader of a pipe has gone.
    pub fn write(
        &mut self,
        format: FlowFormat,
        text: &[u8],
        records: u64,
        now: Timestamp,
    ) -> Result<(), OutputError> {
        for output in self.outputs.iter_mut().filter(|o| o.format == format) {
            if let Some(pause) = &mut output.pause
                && now < pause.retry
            {
                pause.lost += records;
                self.lost += records;
                continue;
            }
            output.rotate(&self.rotation, text.len() as u64, now, &mut self.notices);
            match (output.sink.write(text), &mut output.pause) {
                (Ok(()), pause) => {
                    if let Some(pause) = pause.take() {
                        self.notices.push(format!(
                            "{} can be written again; {} flow records were lost",
                            output.target, pause.lost
                        ));
                    }
                }
                (Err(error), _) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Err(OutputError::new(&output.target, error));
                }
                (Err(error), pause) => {
                    self.lost += records;
                    let retry = Timestamp(now.0.saturating_add(RETRY_NS));
                    match pause {
                        Some(pause) => {
                            pause.lost += records;
                            pause.retry = retry;
                        }
                        None => {
                            self.notices.push(format!(
                                "cannot write {}: {error}; flow records are lost until it can be written again",
                                output.target
                            ));
                            output.pause = Some(Pause {
                                retry,
                                lost: records,
                            });
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Begins new files where it is time to, also when no record comes.
    pub fn tick(&mut self, now: Timestamp) {
        for output in &mut self.outputs {
            output.rotate(&self.rotation, 0, now, &mut self.notices);
        }
    }

    /// Records that were never written.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// What happened since the last call, for people, a line each.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }
}

impl LiveOutput {
    /// Begins a new file if one is due before so many bytes are added.
    fn rotate(
        &mut self,
        rotation: &Rotation,
        more_bytes: u64,
        now: Timestamp,
        notices: &mut Vec<String>,
    ) {
        let Sink::File {
            path,
            bytes,
            header_bytes,
            begun,
            retry,
            ..
        } = &mut self.sink
        else {
            return;
        };
        let full = rotation
            .bytes
            .is_some_and(|most| *bytes + more_bytes > most);
        let old = rotation
            .every
            .is_some_and(|every| u128::from(now.since_ns(*begun)) >= every.as_nanos());
        if !(full || old) || bytes <= header_bytes || now < *retry {
            return;
        }
        let kept = free_name(path, now);
        let begun_anew = fs::rename(&*path, &kept).and_then(|()| {
            Sink::open(path, self.format, now).inspect_err(|_| {
                // The records go on in the old file, under its old name.
                let _ = fs::rename(&kept, &*path);
            })
        });
        match begun_anew {
            Ok(sink) => self.sink = sink,
            Err(error) => {
                *retry = Timestamp(now.0.saturating_add(60 * RETRY_NS));
                notices.push(format!(
                    "cannot begin a new file in place of {}: {error}; records go on in the old one",
                    self.target
                ));
            }
        }
    }
}

impl Sink {
    fn stream(mut stream: impl Write + Send + 'static, format: FlowFormat) -> io::Result<Self> {
        stream.write_all(&header(format))?;
        Ok(Self::Stream(Box::new(stream)))
    }

    fn open(path: &Path, format: FlowFormat, now: Timestamp) -> io::Result<Self> {
        let mut file = File::create(path)?;
        if !file.metadata()?.is_file() {
            return Self::stream(file, format);
        }
        let header = header(format);
        file.write_all(&header)?;
        Ok(Self::File {
            file,
            path: path.to_owned(),
            bytes: header.len() as u64,
            header_bytes: header.len() as u64,
            begun: now,
            retry: Timestamp::default(),
        })
    }

    /// All of `text` or nothing.
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.write_all(text).and_then(|()| stream.flush()),
            Self::File { file, bytes, .. } => {
                if let Err(error) = file.write_all(text) {
                    // A part may have got in. If taking it back fails, too, the next try begins at the same place.
                    let _ = file.set_len(*bytes);
                    file.seek(SeekFrom::Start(*bytes))?;
                    return Err(error);
                }
                *bytes += text.len() as u64;
                Ok(())
            }
        }
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stream(_) => f.write_str("Stream"),
            Self::File { path, bytes, .. } => {
                f.debug_tuple("File").field(path).field(bytes).finish()
            }
        }
    }
}

fn header(format: FlowFormat) -> Vec<u8> {
    let mut header = Vec::new();
    format.append_header(&mut header);
    header
}

/// `flows.ndjson` as it is kept: `flows.20261124T233000Z.ndjson`, with a number where that is taken.
fn free_name(path: &Path, now: Timestamp) -> PathBuf {
    let mut text = now.to_string();
    // 2026-11-24T23:30:00.123456789Z
    text.truncate(19);
    text.retain(|c| c != '-' && c != ':');
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    let named = |number: u32| {
        let number = if number == 0 {
            String::new()
        } else {
            format!("-{number}")
        };
        path.with_file_name(format!("{stem}.{text}Z{number}.{extension}"))
    };
    (0..u32::MAX)
        .map(named)
        .find(|name| !name.exists())
        .unwrap_or_else(|| named(0))
}

/// A second.
const RETRY_NS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::FlowRecord;

    const SECOND: u64 = 1_000_000_000;

    fn record(format: FlowFormat) -> Vec<u8> {
        let mut text = Vec::new();
        format.append(&FlowRecord::default(), &mut text);
        text
    }

    /// Names in the folder and lines of each file.
    fn lines(folder: &Path) -> Vec<(String, usize)> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| {
                let path = entry.expect("an entry").path();
                let text = fs::read_to_string(&path).expect("UTF-8");
                assert!(text.is_empty() || text.ends_with('\n'));
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                (name.into_owned(), text.lines().count())
            })
            .collect();
        files.sort();
        files
    }

    #[test]
    fn a_new_file_is_begun_before_the_old_one_is_too_long() {
        let folder = tempfile::tempdir().expect("a folder");
        let format = FlowFormat::Csv;
        let text = record(format);
        let rotation = Rotation {
            bytes: Some(header(format).len() as u64 + 2 * text.len() as u64),
            every: None,
        };
        let target = Target::File(folder.path().join("f.csv"));
        let mut flows =
            LiveFlows::open(&[(target, format)], rotation, Timestamp(0)).expect("it opens");
        for _ in 0..5 {
            flows
                .write(format, &text, 1, Timestamp(0))
                .expect("there is room");
        }
        // Each file has its row of names.
        assert_eq!(
            lines(folder.path()),
            [
                ("f.19700101T000000Z-1.csv".to_owned(), 3),
                ("f.19700101T000000Z.csv".to_owned(), 3),
                ("f.csv".to_owned(), 2)
            ]
        );
        assert_eq!((flows.lost(), flows.take_notices().len()), (0, 0));
    }

    #[test]
    fn a_new_file_is_begun_when_the_old_one_is_old_and_holds_a_record() {
        let folder = tempfile::tempdir().expect("a folder");
        let format = FlowFormat::Ndjson;
        let rotation = Rotation {
            bytes: None,
            every: Some(Duration::from_secs(60)),
        };
        let target = Target::File(folder.path().join("f.ndjson"));
        let mut flows =
            LiveFlows::open(&[(target, format)], rotation, Timestamp(0)).expect("it opens");
        flows.tick(Timestamp(100 * SECOND));
        assert_eq!(lines(folder.path()), [("f.ndjson".to_owned(), 0)]);
        flows
            .write(format, &record(format), 1, Timestamp(101 * SECOND))
            .expect("there is room");
        flows.tick(Timestamp(102 * SECOND));
        assert_eq!(
            lines(folder.path()),
            [
                ("f.19700101T000142Z.ndjson".to_owned(), 1),
                ("f.ndjson".to_owned(), 0)
            ]
        );
    }

    #[test]
    fn a_full_disk_pauses_and_what_it_cost_is_counted() {
        let format = FlowFormat::Ndjson;
        let target = Target::File("/dev/full".into());
        let mut flows = LiveFlows::open(&[(target, format)], Rotation::default(), Timestamp(0))
            .expect("it opens");
        for (seconds, records) in [(1, 3), (1, 4), (3, 5)] {
            flows
                .write(format, b"{}\n", records, Timestamp(seconds * SECOND))
                .expect("a full disk is no end");
        }
        assert_eq!(flows.lost(), 12);
        // Told once, however long it lasts.
        assert_eq!(
            flows.take_notices(),
            [
                "cannot write /dev/full: No space left on device (os error 28); flow records are lost until it can be \
                 written again"
            ]
        );
        let Some(output) = flows.outputs.first_mut() else {
            unreachable!("there is one")
        };
        output.sink = Sink::Stream(Box::new(io::sink()));
        flows
            .write(format, b"{}\n", 1, Timestamp(5 * SECOND))
            .expect("there is room");
        assert_eq!(flows.lost(), 12);
        assert_eq!(
            flows.take_notices(),
            ["/dev/full can be written again; 12 flow records were lost"]
        );
    }
}
