//! The files and streams that results go to.
//!
//! All of them are opened before the first packet is read, so that a path that cannot be written fails at once and
//! not after an hour's work.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, IoSlice, Seek as _, Write};
use std::path::PathBuf;

use crate::record::FlowRecord;
use crate::report::parquet;
use crate::report::{append_csv, append_csv_header, append_ndjson};

mod rotate;

pub use rotate::{LiveFlows, Rotation};

/// A form of flow records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FlowFormat {
    /// One JSON object a line.
    Ndjson,
    /// One row a record, after a row of names.
    Csv,
    /// Typed columns; made from NDJSON, because its rows are not written one by one.
    Parquet,
}

impl FlowFormat {
    /// The form in which records are handed to [`FlowOutputs::write`] for this one.
    pub const fn handed_as(self) -> Self {
        match self {
            Self::Parquet => Self::Ndjson,
            other => other,
        }
    }

    /// Appends what stands before all records.
    pub fn append_header(self, out: &mut Vec<u8>) {
        match self {
            Self::Ndjson | Self::Parquet => {}
            Self::Csv => append_csv_header(out),
        }
    }

    /// Appends one record.
    pub fn append(self, record: &FlowRecord, out: &mut Vec<u8>) {
        match self {
            Self::Ndjson | Self::Parquet => append_ndjson(record, out),
            Self::Csv => append_csv(record, out),
        }
    }
}

/// A form of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    /// For people.
    Text,
    /// One object.
    Json,
    /// One row a device.
    Csv,
    /// A page for a browser.
    Html,
    /// The cryptography in use, CycloneDX.
    Cbom,
}

/// Where output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, which is overwritten.
    File(PathBuf),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::Stderr => f.write_str("standard error"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Output that could not be opened or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {target}: {why}")]
pub struct OutputError {
    target: String,
    /// Not the error's `source`: the message has it already.
    why: io::Error,
}

impl OutputError {
    /// Why writing to `target` failed.
    pub fn new(target: impl fmt::Display, why: io::Error) -> Self {
        Self {
            target: target.to_string(),
            why,
        }
    }

    /// The reader of our output has gone, which is its right and no error of ours.
    pub fn is_closed_pipe(&self) -> bool {
        self.why.kind() == io::ErrorKind::BrokenPipe
    }
}

/// An open output.
pub struct Output {
    target: Target,
    writer: Writer,
}

enum Writer {
    /// A stream, a pipe, a device: what is written is gone.
    Stream(Box<dyn Write + Send>),
    /// A regular file.
    File(File),
}

impl Writer {
    fn inner(&mut self) -> &mut dyn Write {
        match self {
            Self::Stream(stream) => stream,
            Self::File(file) => file,
        }
    }
}

impl Output {
    /// Opens `target` and empties it.
    ///
    /// # Errors
    /// Where the file cannot be created.
    pub fn open(target: &Target) -> Result<Self, OutputError> {
        let writer = match target {
            Target::Stdout => Writer::Stream(Box::new(io::stdout())),
            Target::Stderr => Writer::Stream(Box::new(io::stderr())),
            Target::File(path) => {
                let file = File::create(path).map_err(|e| OutputError::new(target, e))?;
                if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
                    Writer::File(file)
                } else {
                    Writer::Stream(Box::new(file))
                }
            }
        };
        Ok(Self {
            target: target.clone(),
            writer,
        })
    }

    /// Writes `bytes` to the end.
    ///
    /// # Errors
    /// Where not all of them could be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        let writer = self.writer.inner();
        writer
            .write_all(bytes)
            .and_then(|()| writer.flush())
            .map_err(|e| OutputError::new(&self.target, e))
    }

    /// Writes `slices` one behind the other to the end.
    ///
    /// # Errors
    /// Where not all of them could be written.
    pub fn write_slices(&mut self, slices: &[IoSlice<'_>]) -> Result<(), OutputError> {
        let mut rest: Vec<IoSlice<'_>> = slices.to_vec();
        let mut rest = rest.as_mut_slice();
        // Empty ones alone would look as if nothing could be written.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match self.writer.inner().write_vectored(rest) {
                Ok(0) => {
                    let why = io::Error::from(io::ErrorKind::WriteZero);
                    return Err(OutputError::new(&self.target, why));
                }
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(OutputError::new(&self.target, error)),
            }
        }
        self.writer
            .inner()
            .flush()
            .map_err(|e| OutputError::new(&self.target, e))
    }

    /// Writes what `write` makes in place of what the file holds; a stream gets it behind what it got.
    ///
    /// It is made in memory first, so that nobody finds a file that is half written for longer than the write takes.
    ///
    /// # Errors
    /// Where not all of it could be written.
    pub fn rewrite_with(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), OutputError> {
        let mut text = Vec::new();
        let made = write(&mut text).and_then(|()| match &mut self.writer {
            Writer::File(file) => {
                file.set_len(0)?;
                file.rewind()
            }
            Writer::Stream(_) => Ok(()),
        });
        made.map_err(|e| OutputError::new(&self.target, e))?;
        self.write(&text)
    }

    /// Writes what `write` makes, in large pieces.
    ///
    /// # Errors
    /// Where not all of it could be written.
    pub fn write_with(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), OutputError> {
        let mut buffer = BufWriter::with_capacity(1 << 16, self.writer.inner());
        write(&mut buffer)
            .and_then(|()| buffer.flush())
            .map_err(|e| OutputError::new(&self.target, e))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.inner().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.inner().flush()
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Output").field(&self.target).finish()
    }
}

/// Where the flow records go: any number of outputs, each in its form.
#[derive(Debug, Default)]
pub struct FlowOutputs(Vec<(FlowFormat, Sink)>);

#[derive(Debug)]
enum Sink {
    /// Gets the bytes as they are.
    Plain(Output),
    /// Makes columns of them.
    Parquet(Target, Box<parquet::Writer<Output>>),
}

impl Sink {
    fn write(&mut self, records: &[u8]) -> Result<(), OutputError> {
        match self {
            Self::Plain(output) => output.write(records),
            Self::Parquet(target, writer) => writer
                .write_ndjson(records)
                .map_err(|why| OutputError::new(target, why)),
        }
    }
}

impl Sink {
    fn write_slices(&mut self, slices: &[IoSlice<'_>]) -> Result<(), OutputError> {
        match self {
            Self::Plain(output) => output.write_slices(slices),
            Self::Parquet(..) => slices.iter().try_for_each(|slice| self.write(slice)),
        }
    }
}

impl FlowOutputs {
    /// Opens all targets and writes the headers.
    ///
    /// # Errors
    /// Where one cannot be opened or written.
    pub fn open(targets: &[(Target, FlowFormat)]) -> Result<Self, OutputError> {
        let mut outputs = Vec::new();
        for (target, format) in targets {
            let output = Output::open(target)?;
            let sink = if *format == FlowFormat::Parquet {
                let writer =
                    parquet::Writer::new(output).map_err(|why| OutputError::new(target, why))?;
                Sink::Parquet(target.clone(), Box::new(writer))
            } else {
                let mut header = Vec::new();
                format.append_header(&mut header);
                let mut output = output;
                output.write(&header)?;
                Sink::Plain(output)
            };
            outputs.push((*format, sink));
        }
        Ok(Self(outputs))
    }

    /// The forms in which records are wanted, each once, in a fixed order. None: nobody wants records.
    pub fn formats(&self) -> Vec<FlowFormat> {
        let mut formats: Vec<_> = self
            .0
            .iter()
            .map(|(format, _)| format.handed_as())
            .collect();
        formats.sort_unstable();
        formats.dedup();
        formats
    }

    /// Writes records that [`FlowFormat::append`] made to every output of that form. Best called with many at once:
    /// each call is a system call.
    ///
    /// # Errors
    /// Where not all bytes could be written.
    pub fn write(&mut self, format: FlowFormat, records: &[u8]) -> Result<(), OutputError> {
        for (_, sink) in self.0.iter_mut().filter(|(f, _)| f.handed_as() == format) {
            sink.write(records)?;
        }
        Ok(())
    }

    /// Writes what only the end of all records allows to write. A file of a form that needs it is not whole before.
    ///
    /// # Errors
    /// Where it could not be written.
    pub fn finish(&mut self) -> Result<(), OutputError> {
        for (_, sink) in &mut self.0 {
            if let Sink::Parquet(target, writer) = sink {
                writer
                    .finish()
                    .map_err(|why| OutputError::new(target, why))?;
            }
        }
        Ok(())
    }

    /// As [`FlowOutputs::write`], of records that lie in several places, in the order of `slices`.
    ///
    /// # Errors
    /// Where not all bytes could be written.
    pub fn write_slices(
        &mut self,
        format: FlowFormat,
        slices: &[IoSlice<'_>],
    ) -> Result<(), OutputError> {
        for (_, sink) in self.0.iter_mut().filter(|(f, _)| f.handed_as() == format) {
            sink.write_slices(slices)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told() {
        let full = Target::File("/dev/full".into());
        let mut outputs =
            FlowOutputs::open(&[(full.clone(), FlowFormat::Ndjson)]).expect("it opens");
        let error = outputs
            .write(FlowFormat::Ndjson, b"{}\n")
            .expect_err("it is full");
        assert_eq!(
            error.to_string(),
            "cannot write /dev/full: No space left on device (os error 28)"
        );
        assert!(!error.is_closed_pipe());
        // A header fails as early as possible.
        assert!(FlowOutputs::open(&[(full, FlowFormat::Csv)]).is_err());
    }

    #[test]
    fn a_report_made_again_takes_the_place_of_the_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.json");
        let mut output = Output::open(&Target::File(path.clone())).expect("it opens");
        for text in ["a long one", "short"] {
            output
                .rewrite_with(|out| out.write_all(text.as_bytes()))
                .expect("there is room");
            assert_eq!(std::fs::read_to_string(&path).ok().as_deref(), Some(text));
        }
    }

    #[test]
    fn each_form_goes_to_its_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let [a, b] = ["a.ndjson", "b.csv"].map(|name| folder.path().join(name));
        let mut outputs = FlowOutputs::open(&[
            (Target::File(a.clone()), FlowFormat::Ndjson),
            (Target::File(b.clone()), FlowFormat::Csv),
        ])
        .expect("they open");
        for format in outputs.formats() {
            let mut records = Vec::new();
            format.append(&FlowRecord::default(), &mut records);
            outputs.write(format, &records).expect("there is room");
        }
        let lines = |path| {
            std::fs::read_to_string(path)
                .map(|t| t.lines().count())
                .ok()
        };
        assert_eq!((lines(a), lines(b)), (Some(1), Some(2)));
    }
}
