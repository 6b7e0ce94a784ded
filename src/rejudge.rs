//! Saved flow records, judged again by another policy or for another day, without the packets.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::capture::CaptureError;
use crate::config::{AuditOptions, InputPath};
use crate::output::FlowOutputs;
use crate::policy::{Judge, Reviewer};
use crate::record::redact::Pseudonyms;
use crate::record::saved::Reader;
use crate::record::{FlowRecord, Tally};
use crate::report::{BlindSpots, Input, Summary};
use crate::run::RunError;

/// Longest line that is believed to be a record.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Whether `input` holds flow records, by its first bytes, which stay to be read.
pub fn is_saved(input: &InputPath) -> bool {
    let InputPath::File(path) = input else {
        // The buffer is the process's; whoever reads standard input next finds them there.
        let mut stdin = io::stdin().lock();
        return stdin.fill_buf().is_ok_and(|begin| begin.starts_with(HEAD));
    };
    let mut head = [0; HEAD.len()];
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
        && File::open(path)
            .and_then(|mut file| file.read_exact(&mut head))
            .is_ok()
        && head == *HEAD
}

/// What every line of ours begins with.
const HEAD: &[u8; 14] = br#"{"type":"flow""#;

/// Judges the records of all inputs, one after another, and writes them to `outputs`.
///
/// # Errors
/// Where an input cannot be read or holds no record, or the output cannot be written.
pub fn audit(options: &AuditOptions, outputs: &mut FlowOutputs) -> Result<Summary, RunError> {
    let mut tally = Tally::new(options.limits.max_devices, options.limits.max_servers);
    let mut judge = Judge::new(&options.policy, options.at);
    let mut reviewer = Reviewer::new(Judge::new(&options.policy, options.at));
    let pseudonyms = options.redact.then(crate::run::pseudonyms);
    let mut inputs = Vec::new();
    for input in &options.inputs {
        let path = match input {
            InputPath::File(path) => path.as_path(),
            InputPath::Stdin => Path::new("-"),
        };
        inputs.push(read(
            path,
            options,
            &mut judge,
            &mut reviewer,
            pseudonyms.as_ref(),
            &mut tally,
            outputs,
        )?);
    }
    let mut summary = Summary::new(inputs, options.policy.clone(), tally, BlindSpots::default());
    summary.at = options.at;
    Ok(summary)
}

fn read(
    path: &Path,
    options: &AuditOptions,
    judge: &mut Judge<'_>,
    reviewer: &mut Reviewer<'_>,
    pseudonyms: Option<&Pseudonyms>,
    tally: &mut Tally,
    outputs: &mut FlowOutputs,
) -> Result<Input, RunError> {
    let failed = |error: io::Error| CaptureError::unreadable(path, error);
    let mut lines: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::with_capacity(
            1 << 18,
            File::open(path).map_err(failed)?,
        ))
    };
    let mut reader = Reader::default();
    let mut input = Input {
        name: path.display().to_string(),
        ..Input::default()
    };
    let formats = outputs.formats();
    let mut texts: Vec<Vec<u8>> = vec![Vec::new(); formats.len()];
    let mut line = String::new();
    let (mut number, mut wrong) = (0_u64, 0_u64);
    loop {
        line.clear();
        let read = (&mut lines).take(MAX_LINE_BYTES).read_line(&mut line);
        number += 1;
        match read {
            Ok(0) => break,
            Ok(bytes) => input.bytes += bytes as u64,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                wrong += 1;
                tell(&mut input, number, "it is not UTF-8");
                continue;
            }
            Err(error) => return Err(failed(error).into()),
        }
        match reader.record(line.trim_end()) {
            Ok(mut record) => {
                record.route = options.ours.route_of(&record);
                judge.judge(&mut record);
                reviewer.review(&mut record);
                if let Some(pseudonyms) = pseudonyms {
                    pseudonyms.redact(&mut record);
                }
                take(&mut input, tally, &record);
                for (format, text) in formats.iter().zip(&mut texts) {
                    format.append(&record, text);
                }
            }
            Err(why) => {
                wrong += 1;
                tell(&mut input, number, &why);
            }
        }
        for (format, text) in formats.iter().zip(&mut texts) {
            if text.len() > 1 << 18 {
                outputs.write(*format, text)?;
                text.clear();
            }
        }
    }
    for (format, text) in formats.iter().zip(&mut texts) {
        outputs.write(*format, text)?;
    }
    if let Some(damage) = &mut input.damage
        && wrong > 1
    {
        damage.push_str(&format!("; and {} more lines", wrong - 1));
    }
    Ok(input)
}

/// The first line that is no record; the others are counted.
fn tell(input: &mut Input, number: u64, why: &str) {
    input
        .damage
        .get_or_insert_with(|| format!("line {number} is no flow record: {why}"));
}

fn take(input: &mut Input, tally: &mut Tally, record: &FlowRecord) {
    tally.add(record);
    input.packets += record.client_packets + record.server_packets;
    let first = input
        .first_packet
        .map_or(record.first_seen, |t| t.min(record.first_seen));
    let last = input
        .last_packet
        .map_or(record.last_seen, |t| t.max(record.last_seen));
    (input.first_packet, input.last_packet) = (Some(first), Some(last));
}
