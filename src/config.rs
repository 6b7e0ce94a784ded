//! From what was typed to what is done: flags checked and resolved, and every cap in one place, its unit in its name.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo, ToSpan as _, ZonedDateTime, civil};

use crate::capture::live::NicOptions;
use crate::cli::{AuditArgs, ColorWhen, Format, LiveArgs, SharedArgs};
use crate::dispatch::SHARDS;
use crate::output::{FlowFormat, ReportFormat, Rotation, Target};
use crate::policy::{self, Cidr, Networks, Policy, builtin};
use crate::time::Timestamp;
use crate::watch::metrics;

/// What to audit and how.
#[derive(Clone, Debug)]
pub struct AuditOptions {
    /// The captures, in the order in which they were named.
    pub inputs: Vec<InputPath>,
    /// Capture filter in tcpdump's syntax, not yet compiled.
    pub filter: Option<String>,
    /// Worker threads, at least one.
    pub workers: usize,
    /// The rules.
    pub policy: Policy,
    /// The day to judge as on; `None`: that of the last packet.
    pub at: Option<Timestamp>,
    /// The addresses that are ours.
    pub ours: Networks,
    /// Replace names and addresses by pseudonyms.
    pub redact: bool,
    /// Collect figures of the run.
    pub stats: bool,
    /// Every cap.
    pub limits: Limits,
}

/// Where the results go.
#[derive(Clone, Debug)]
pub struct OutputOptions {
    /// The report that is always given.
    pub format: ReportFormat,
    /// It goes to standard error, because standard output holds flow records.
    pub report_to_stderr: bool,
    /// Reports to files.
    pub reports: Vec<(Target, ReportFormat)>,
    /// Flow records.
    pub flows: Vec<(Target, FlowFormat)>,
    /// Colours.
    pub color: ColorWhen,
}

/// Where packets come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputPath {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// A flag that makes no sense; one line that says which and what would.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{flag}: {why}")]
pub struct UsageError {
    flag: &'static str,
    why: String,
}

impl UsageError {
    fn new(flag: &'static str, why: impl Into<String>) -> Self {
        Self {
            flag,
            why: why.into(),
        }
    }
}

impl AuditOptions {
    /// What the arguments mean.
    ///
    /// # Errors
    /// Where they mean nothing, or two of them contradict each other.
    pub fn resolve(args: AuditArgs) -> Result<(Self, OutputOptions), UsageError> {
        let mut inputs = Vec::new();
        for file in args.files {
            let input = if file.as_os_str() == "-" {
                InputPath::Stdin
            } else {
                InputPath::File(file)
            };
            if input == InputPath::Stdin && inputs.contains(&input) {
                return Err(UsageError::new("FILE", "`-` can be read only once"));
            }
            inputs.push(input);
        }
        Self::resolve_shared(inputs, args.shared)
    }

    /// What the arguments that `audit` and `live` share mean.
    fn resolve_shared(
        inputs: Vec<InputPath>,
        shared: SharedArgs,
    ) -> Result<(Self, OutputOptions), UsageError> {
        let outputs = OutputOptions::resolve(&shared)?;
        outputs.refuse_to_overwrite(&inputs)?;
        let options = Self {
            inputs,
            filter: shared.filter,
            workers: shared
                .workers
                .map_or_else(processors, usize::from)
                .min(SHARDS),
            policy: policy(&shared.policy)?,
            redact: shared.redact,
            at: shared.at.as_deref().map(day).transpose()?,
            ours: ours(&shared.ours)?,
            stats: shared.stats,
            limits: Limits::default(),
        };
        Ok((options, outputs))
    }

    /// Bytes of all inputs as they lie on disk; `None` where one of them is not a file with a length.
    pub fn input_bytes(&self) -> Option<u64> {
        self.inputs
            .iter()
            .try_fold(0_u64, |sum, input| match input {
                InputPath::Stdin => None,
                InputPath::File(path) => {
                    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
                    sum.checked_add(metadata.len())
                }
            })
    }
}

/// What to capture, for how long, and how to audit it.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// What it shares with `audit`; there are no inputs.
    pub audit: AuditOptions,
    /// The interfaces, each once.
    pub interfaces: Vec<String>,
    /// How to open them.
    pub nic: NicOptions,
    /// Threads that read each of them, at least one.
    pub capture_threads: usize,
    /// After how long to end by itself.
    pub end: Option<Duration>,
    /// When to begin a new file of flow records.
    pub rotate: Rotation,
    /// Give up everything that is not needed once the capture is open.
    pub sandbox: bool,
    /// Keep bulk data in the kernel, where it can.
    pub shunt: bool,
    /// Take the terminal over for the live view, where there is one.
    pub view: bool,
    /// A report of what was wrong before.
    pub baseline: Option<PathBuf>,
    /// Where to serve figures.
    pub metrics: Option<SocketAddr>,
}

impl LiveOptions {
    /// What the arguments mean; `now` is what the clock on the wall says.
    ///
    /// # Errors
    /// Where they mean nothing, or two of them contradict each other.
    pub fn resolve(
        args: LiveArgs,
        now: &ZonedDateTime,
    ) -> Result<(Self, OutputOptions), UsageError> {
        let mut interfaces: Vec<String> = Vec::new();
        for interface in args.interface {
            if !interfaces.contains(&interface) {
                interfaces.push(interface);
            }
        }
        let any = "any".to_owned();
        if interfaces.len() > 1 && interfaces.contains(&any) {
            return Err(UsageError::new(
                "-i",
                "`any` is all interfaces; name no other beside it",
            ));
        }
        let after = [
            args.duration.as_deref().map(duration).transpose()?,
            args.until
                .as_deref()
                .map(|text| until(text, now))
                .transpose()?,
        ];
        let end = after.into_iter().flatten().min();
        let rotate = Rotation::resolve(&args.rotate)?;
        let metrics = args.metrics.as_deref().map(metrics::address).transpose();
        let metrics = metrics.map_err(|why| UsageError::new("--metrics", why))?;
        let nic = NicOptions {
            buffer_bytes: args.buffer << 20,
            promiscuous: !args.no_promiscuous,
            filter: args.shared.filter.clone(),
        };
        let (audit, outputs) = AuditOptions::resolve_shared(Vec::new(), args.shared)?;
        if outputs
            .flows
            .iter()
            .any(|(_, format)| *format == FlowFormat::Parquet)
        {
            return Err(UsageError::new(
                "--flows",
                "a Parquet file is whole only at its end; a live capture writes .ndjson or .csv",
            ));
        }
        if rotate != Rotation::default()
            && !outputs
                .flows
                .iter()
                .any(|(target, _)| matches!(target, Target::File(_)) && !is_special(target))
        {
            return Err(UsageError::new(
                "--rotate",
                "there is no file of flow records; add --flows PATH",
            ));
        }
        let options = Self {
            audit,
            interfaces,
            nic,
            capture_threads: args.capture_threads.into(),
            end,
            rotate,
            sandbox: !args.no_sandbox,
            shunt: !args.no_shunt,
            view: !args.no_view,
            baseline: args.baseline,
            metrics,
        };
        Ok((options, outputs))
    }
}

impl Rotation {
    fn resolve(words: &[String]) -> Result<Self, UsageError> {
        let mut rotation = Self::default();
        for word in words {
            let twice = if let Some(bytes) = size(word) {
                rotation.bytes.replace(bytes).is_some()
            } else if let Some(every) = length(word)
                && every >= Duration::from_secs(1)
            {
                rotation.every.replace(every).is_some()
            } else {
                return Err(UsageError::new(
                    "--rotate",
                    format!("`{word}` is neither a size such as 100MB nor a time such as 1h"),
                ));
            };
            if twice {
                return Err(UsageError::new(
                    "--rotate",
                    "give one size and one time at most",
                ));
            }
        }
        Ok(rotation)
    }
}

/// `100MB`, `2GB`, `512kB`: powers of ten, as disks are sold; from 1 kB on.
fn size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let units = [
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("kb", 1_000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
    ];
    let (digits, unit) = units
        .iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)))?;
    digits
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(unit)
        .filter(|bytes| *bytes >= 1_000)
}

/// `30m`, `1h30m`, `90s`, `2d`.
fn length(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(length).ok()
}

fn duration(text: &str) -> Result<Duration, UsageError> {
    length(text)
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| {
            UsageError::new(
                "--for",
                format!("`{text}` is not a length of time, such as 30m, 2h or 1h30m"),
            )
        })
}

/// From `now` until the time of day comes next, or until that moment.
fn until(text: &str, now: &ZonedDateTime) -> Result<Duration, UsageError> {
    let end = if let Ok(moment) = text.parse::<civil::DateTime>() {
        moment.to_zoned_datetime(now.time_zone().clone()).ok()
    } else if let Ok(time) = text.parse::<civil::Time>() {
        let today = now.date().to_datetime(time);
        [today.checked_add(0.days()), today.checked_add(1.days())]
            .into_iter()
            .flatten()
            .filter_map(|moment| moment.to_zoned_datetime(now.time_zone().clone()).ok())
            .find(|moment| moment > now)
    } else {
        return Err(UsageError::new(
            "--until",
            format!("`{text}` is not a time, such as 23:30 or \"2026-11-24 23:30\""),
        ));
    };
    end.and_then(|end| Duration::try_from(now.duration_until(&end)).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| UsageError::new("--until", format!("`{text}` is over already")))
}

impl OutputOptions {
    fn resolve(args: &SharedArgs) -> Result<Self, UsageError> {
        let mut flows = Vec::new();
        for path in &args.flows {
            if path.as_os_str() == "-" {
                flows.push((Target::Stdout, FlowFormat::Ndjson));
            } else {
                flows.push((Target::File(path.clone()), flow_format(path)?));
            }
        }
        let mut reports = Vec::new();
        for path in &args.report {
            reports.push((Target::File(path.clone()), report_format(path)?));
        }
        let options = Self {
            format: match args.format {
                Format::Text => ReportFormat::Text,
                Format::Json => ReportFormat::Json,
            },
            report_to_stderr: flows.iter().any(|(target, _)| *target == Target::Stdout),
            reports,
            flows,
            color: args.color,
        };
        let targets: Vec<_> = options.targets().collect();
        for (i, target) in targets.iter().enumerate() {
            if targets.iter().take(i).any(|before| before == target) && !is_special(target) {
                return Err(UsageError::new(
                    "--flows, --report",
                    format!("{target} is named twice"),
                ));
            }
        }
        Ok(options)
    }

    /// Files of the output that are or will be there: not pipes and devices.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.targets().filter_map(|target| match target {
            Target::File(path) if !is_special(target) => Some(path.as_path()),
            _ => None,
        })
    }

    /// Folders in which files of flow records are begun.
    pub fn flow_folders(&self) -> Vec<PathBuf> {
        let folder = |path: &Path| match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let flows = self.flows.iter().filter_map(|(target, _)| match target {
            Target::File(path) if !is_special(target) => Some(folder(path)),
            _ => None,
        });
        flows.collect()
    }

    fn targets(&self) -> impl Iterator<Item = &Target> {
        let flows = self.flows.iter().map(|(target, _)| target);
        flows.chain(self.reports.iter().map(|(target, _)| target))
    }

    /// A slip of the shell's history must not empty a capture.
    fn refuse_to_overwrite(&self, inputs: &[InputPath]) -> Result<(), UsageError> {
        for target in self.targets() {
            let Target::File(path) = target else { continue };
            let Ok(path) = path.canonicalize() else {
                continue;
            };
            for input in inputs {
                if let InputPath::File(input) = input
                    && input.canonicalize().is_ok_and(|input| input == path)
                {
                    return Err(UsageError::new(
                        "--flows, --report",
                        format!("{target} is an input; it would be overwritten"),
                    ));
                }
            }
        }
        Ok(())
    }
}

fn extension(path: &Path) -> Option<&str> {
    path.extension().and_then(|e| e.to_str())
}

fn flow_format(path: &Path) -> Result<FlowFormat, UsageError> {
    match extension(path) {
        Some("ndjson" | "jsonl") => Ok(FlowFormat::Ndjson),
        Some("csv") => Ok(FlowFormat::Csv),
        Some("parquet") => Ok(FlowFormat::Parquet),
        // /dev/stdout, a named pipe, a shell's >(…): they have no extension to go by.
        _ if is_special(&Target::File(path.into())) => Ok(FlowFormat::Ndjson),
        _ => Err(UsageError::new(
            "--flows",
            format!(
                "the form follows from the name: .ndjson, .jsonl, .csv or .parquet, not {}",
                path.display()
            ),
        )),
    }
}

fn report_format(path: &Path) -> Result<ReportFormat, UsageError> {
    match extension(path) {
        Some("json") if path.to_string_lossy().ends_with(".cdx.json") => Ok(ReportFormat::Cbom),
        Some("json") => Ok(ReportFormat::Json),
        Some("csv") => Ok(ReportFormat::Csv),
        Some("html") => Ok(ReportFormat::Html),
        _ if is_special(&Target::File(path.into())) => Ok(ReportFormat::Json),
        _ => Err(UsageError::new(
            "--report",
            format!(
                "the form follows from the name: .json, .html, .csv or .cdx.json, not {}",
                path.display()
            ),
        )),
    }
}

/// A device or a pipe.
fn is_special(target: &Target) -> bool {
    match target {
        Target::Stdout | Target::Stderr => false,
        Target::File(path) => {
            fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
        }
    }
}

fn processors() -> usize {
    thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(64)
}

fn policy(name: &str) -> Result<Policy, UsageError> {
    policy_text(name).and_then(|text| {
        policy::file::parse(&text)
            .map_err(|error| UsageError::new("--policy", format!("{name}: {error}")))
    })
}

/// The text of a built-in policy by its name, or of a file: whatever ends in .toml or names a folder.
///
/// # Errors
/// Where there is none, or it cannot be read.
pub fn policy_text(name: &str) -> Result<Cow<'static, str>, UsageError> {
    if let Some(builtin) = builtin::find(name) {
        return Ok(builtin.text.into());
    }
    let wrong = |why: String| UsageError::new("--policy", why);
    if extension(Path::new(name)) != Some("toml") && !name.contains('/') {
        return Err(wrong(format!(
            "there is no policy `{name}`; `hellotap policy list` names those there are, and a file's name ends in .toml"
        )));
    }
    let text =
        read_capped(Path::new(name)).map_err(|why| wrong(format!("cannot read {name}: {why}")))?;
    Ok(text.into())
}

/// A text file of a size that somebody may have written by hand.
fn read_capped(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?
        .take(MAX_POLICY_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_POLICY_BYTES {
        return Err(io::Error::other(format!(
            "it is larger than {MAX_POLICY_BYTES} bytes"
        )));
    }
    Ok(text)
}

/// Larger policy files are no policy files.
const MAX_POLICY_BYTES: u64 = 1 << 20;

fn ours(ranges: &[String]) -> Result<Networks, UsageError> {
    if ranges.is_empty() {
        return Ok(Networks::default());
    }
    ranges
        .iter()
        .map(|range| range.parse::<Cidr>())
        .collect::<Result<_, _>>()
        .map(Networks::new)
        .map_err(|e| UsageError::new("--ours", e.to_string()))
}

fn day(text: &str) -> Result<Timestamp, UsageError> {
    Timestamp::from_date(text).ok_or_else(|| {
        UsageError::new(
            "--at",
            format!("`{text}` is not a day from 1970-01-01 on, written YYYY-MM-DD"),
        )
    })
}

/// What a run may hold at once. The caps of flows, of buffers and of what is followed are shared out evenly to the
/// shards, so that what they give up depends on the trace alone; it is the oldest, and it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes read at a time from a file; the size of a block.
    pub block_bytes: usize,
    /// Largest packet record that is believed; larger ones are damage.
    pub max_packet_bytes: usize,
    /// Packets between two ticks.
    pub epoch_packets: u64,
    /// Flows in the table.
    pub max_flows: usize,
    /// Bytes that all streams together may hold back while they wait for others.
    pub max_buffered_bytes: usize,
    /// Bytes of memory that all flows together may take, beside their places in the table, while their beginnings are
    /// followed: their state, the buffers that they read from, and what they hold back.
    pub max_followed_bytes: usize,
    /// Bytes that one direction may hold back.
    pub max_stream_bytes: usize,
    /// Bytes of one direction that are searched for the beginning of TLS.
    pub max_scan_bytes: u64,
    /// Longest handshake message that is put together.
    pub max_handshake_bytes: usize,
    /// IP fragments' payload that may wait for others.
    pub max_fragment_bytes: usize,
    /// Nanoseconds of packet time after which a silent flow ends.
    pub idle_ns: u64,
    /// Nanoseconds of packet time that a closed flow stays, so that stragglers find it.
    pub linger_ns: u64,
    /// Nanoseconds of packet time that an IP fragment waits for the others.
    pub fragment_ns: u64,
    /// Devices (TLS stacks of clients) that get a line of their own; of others, only totals are kept.
    pub max_devices: usize,
    /// Servers that get a line of their own.
    pub max_servers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            block_bytes: 1 << 19,
            max_packet_bytes: 1 << 18,
            epoch_packets: 1 << 16,
            max_flows: 4 << 20,
            max_buffered_bytes: 256 << 20,
            // Some nine kilobytes for an ordinary handshake while it is under way.
            max_followed_bytes: 1 << 30,
            max_stream_bytes: 256 << 10,
            max_scan_bytes: 64 << 10,
            max_handshake_bytes: 64 << 10,
            max_fragment_bytes: 16 << 20,
            idle_ns: 600 * 1_000_000_000,
            linger_ns: 5 * 1_000_000_000,
            fragment_ns: 30 * 1_000_000_000,
            // About a kilobyte each. The lines of shards add up: a device has one in each that sees a flow of it.
            max_devices: 100_000,
            max_servers: 50_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser as _;

    fn resolve(line: &str) -> Result<(AuditOptions, OutputOptions), UsageError> {
        let words = ["hellotap", "audit"].into_iter().chain(line.split(' '));
        match Cli::try_parse_from(words).expect("it parses").command {
            Command::Audit(args) => AuditOptions::resolve(args),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn defaults() {
        let (options, outputs) = resolve("a.pcap").expect("valid");
        assert_eq!(options.inputs, [InputPath::File("a.pcap".into())]);
        assert!(options.workers >= 1);
        assert_eq!(&*options.policy.name, "m365");
        assert_eq!(options.at, None);
        assert_eq!(options.ours, Networks::default());
        assert_eq!(outputs.format, ReportFormat::Text);
        assert!(!outputs.report_to_stderr && outputs.flows.is_empty());
    }

    #[test]
    fn flags_are_resolved() {
        let (options, outputs) = resolve(
            "- --at 2027-01-01 --workers 3 --ours 192.0.2.0/24 --flows - --flows x.csv --report r.json --report d.csv",
        )
        .expect("valid");
        assert_eq!(options.inputs, [InputPath::Stdin]);
        assert_eq!(options.input_bytes(), None);
        assert_eq!(options.at, Some(Timestamp(1_798_761_600_000_000_000)));
        assert_eq!(options.workers, 3);
        assert!(
            !options
                .ours
                .contains("10.0.0.1".parse().expect("an address"))
        );
        assert!(outputs.report_to_stderr);
        assert_eq!(
            outputs.flows,
            [
                (Target::Stdout, FlowFormat::Ndjson),
                (Target::File("x.csv".into()), FlowFormat::Csv)
            ]
        );
        assert_eq!(outputs.reports.len(), 2);
    }

    #[test]
    fn errors_name_the_flag_and_the_way_out() {
        for (line, message) in [
            (
                "a --policy x",
                "--policy: there is no policy `x`; `hellotap policy list` names those there are, and a file's name ends in .toml",
            ),
            (
                "a --policy /nowhere/x.toml",
                "--policy: cannot read /nowhere/x.toml: No such file or directory (os error 2)",
            ),
            (
                "a --at 2027-02-30",
                "--at: `2027-02-30` is not a day from 1970-01-01 on, written YYYY-MM-DD",
            ),
            (
                "a --ours lan",
                "--ours: `lan` is not an IP address; write 10.0.0.0/8, 2001:db8::/32 or one address",
            ),
            (
                "a --flows x.txt",
                "--flows: the form follows from the name: .ndjson, .jsonl, .csv or .parquet, not x.txt",
            ),
            (
                "a --report x",
                "--report: the form follows from the name: .json, .html, .csv or .cdx.json, not x",
            ),
            (
                "a --flows x.csv --report x.csv",
                "--flows, --report: x.csv is named twice",
            ),
            ("- -", "FILE: `-` can be read only once"),
        ] {
            assert_eq!(resolve(line).expect_err(line).to_string(), message);
        }
    }

    fn resolve_live(line: &str) -> Result<(LiveOptions, OutputOptions), UsageError> {
        let words = ["hellotap", "live"].into_iter().chain(line.split(' '));
        let now = "2026-11-24T22:15:00+01:00[Europe/Vienna]"
            .parse()
            .or_else(|_| "2026-11-24T22:15:00+01:00[+01:00]".parse())
            .expect("a moment");
        match Cli::try_parse_from(words).expect("it parses").command {
            Command::Live(args) => LiveOptions::resolve(args, &now),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_capture_ends_at_the_earlier_of_both() {
        for (line, minutes) in [
            ("-i a", None),
            ("-i a --for 30m", Some(30)),
            ("-i a --for 1h30m", Some(90)),
            ("-i a --until 23:30", Some(75)),
            ("-i a --until 22:00", Some(24 * 60 - 15)),
            ("-i a --until 2026-11-25T22:15:00", Some(24 * 60)),
            ("-i a --until 23:30 --for 10m", Some(10)),
        ] {
            let (options, _) = resolve_live(line).expect(line);
            let got = options.end.map(|end| end.as_secs());
            assert_eq!(got, minutes.map(|m: u64| m * 60), "{line}");
        }
    }

    #[test]
    fn interfaces_and_rotation_are_resolved() {
        let (options, _) =
            resolve_live("-i a -i b -i a --buffer 8 --flows x.csv --rotate 100MB --rotate 1h")
                .expect("valid");
        assert_eq!(options.interfaces, ["a", "b"]);
        assert_eq!(options.nic.buffer_bytes, 8 << 20);
        assert!(options.nic.promiscuous);
        assert_eq!(options.rotate.bytes, Some(100_000_000));
        assert_eq!(options.rotate.every, Some(Duration::from_secs(3600)));
    }

    #[test]
    fn live_errors_name_the_flag_and_the_way_out() {
        for (line, message) in [
            (
                "-i a --for soon",
                "--for: `soon` is not a length of time, such as 30m, 2h or 1h30m",
            ),
            (
                "-i a --until noon",
                "--until: `noon` is not a time, such as 23:30 or \"2026-11-24 23:30\"",
            ),
            (
                "-i a --until 2026-11-24T08:00",
                "--until: `2026-11-24T08:00` is over already",
            ),
            (
                "-i a -i any",
                "-i: `any` is all interfaces; name no other beside it",
            ),
            (
                "-i a --flows x.parquet",
                "--flows: a Parquet file is whole only at its end; a live capture writes .ndjson or .csv",
            ),
            (
                "-i a --metrics everywhere",
                "--metrics: `everywhere` is not an address with a port, such as 127.0.0.1:9477",
            ),
            (
                "-i a --rotate 1h",
                "--rotate: there is no file of flow records; add --flows PATH",
            ),
            (
                "-i a --flows x.csv --rotate much",
                "--rotate: `much` is neither a size such as 100MB nor a time such as 1h",
            ),
            (
                "-i a --flows x.csv --rotate 1h --rotate 2h",
                "--rotate: give one size and one time at most",
            ),
        ] {
            assert_eq!(resolve_live(line).expect_err(line).to_string(), message);
        }
    }

    #[test]
    fn an_input_is_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("trace.csv");
        fs::write(&path, "precious").expect("there is room");
        let line = format!("{0} --flows {0}", path.display());
        let error = resolve(&line).expect_err("refused").to_string();
        assert!(
            error.ends_with("is an input; it would be overwritten"),
            "{error}"
        );
    }
}
