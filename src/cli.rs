//! The command line as it is typed: flags and their help. What they mean is for [`crate::config`] to say.

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "these comments are the help, where [default: x] is no link"
)]

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

/// Passive TLS auditor: tells from captured packets who negotiates which TLS version, and who breaks when old
/// versions are switched off.
#[derive(Debug, Parser)]
#[command(name = "hellotap", version)]
#[command(max_term_width = 100, help_expected = true)]
#[command(
    after_help = "Exit code: 0 nothing breaks under the policy, 1 something breaks, 2 the work could not be done."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Audit saved captures
    ///
    /// Reads captures (pcap and pcapng, plain or compressed by gzip, zstd or lz4), follows every connection, and
    /// reports who negotiated which TLS version with whom, and what breaks under the policy.
    #[command(after_long_help = AUDIT_EXAMPLES)]
    Audit(AuditArgs),
    /// Compare two JSON reports
    ///
    /// Tells who was fixed, who newly fails, who went to cleartext and who is gone. Exit code: 0 nothing got worse, 1
    /// something did, 2 the work could not be done.
    Diff(DiffArgs),
    /// Show the policies
    Policy(PolicyArgs),
    /// Audit what passes on network interfaces
    ///
    /// Captures from one or more interfaces, such as the mirror port of a switch, until it is told to end, and reports
    /// as `audit` does. It never sends, and what it could not see it counts. Ctrl-C or SIGTERM: the report, and the end.
    /// SIGHUP: the report, and on.
    #[command(after_long_help = LIVE_EXAMPLES)]
    Live(LiveArgs),
    /// List the interfaces that can be captured from
    Interfaces,
    /// Print the manual page or shell completions
    Generate(GenerateArgs),
}

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Captures; `-` reads standard input
    ///
    /// Several are read as one trace, ordered by the time of their first packets. Flow records saved by --flows
    /// FILE.ndjson are judged again without the packets.
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,

    /// What every audit takes.
    #[command(flatten)]
    pub shared: SharedArgs,
}

/// Arguments of `live`.
#[derive(Debug, Args)]
pub struct LiveArgs {
    /// Interface to capture from, such as eth1; may be repeated; `any` is all of them
    ///
    /// `hellotap interfaces` lists them.
    #[arg(short, long, required = true, value_name = "IF", action = ArgAction::Append, help_heading = CAPTURING)]
    pub interface: Vec<String>,

    /// End after so long, such as 30m, 2h or 1h30m, with the report
    #[arg(long = "for", value_name = "TIME", help_heading = CAPTURING)]
    pub duration: Option<String>,

    /// End at that time of day, such as 23:30, or day and time, such as "2026-11-24 23:30"; local time
    #[arg(long, value_name = "TIME", help_heading = CAPTURING)]
    pub until: Option<String>,

    /// Threads that read each interface, each with a buffer of its own
    ///
    /// The kernel shares the packets out by connection (PACKET_FANOUT), so those of a connection stay in order. One is
    /// enough until it is busy all the time.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64), help_heading = CAPTURING)]
    pub capture_threads: u8,

    /// MiB of buffer that the kernel fills, for each interface and capture thread
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=2047), help_heading = CAPTURING)]
    pub buffer: u32,

    /// Take only packets that the interface would take anyway: its own, and those for all
    #[arg(long, help_heading = CAPTURING)]
    pub no_promiscuous: bool,

    /// Mark what is new since an earlier JSON report
    #[arg(long, value_name = "REPORT", value_hint = ValueHint::FilePath, help_heading = OUTPUT)]
    pub baseline: Option<PathBuf>,

    /// Serve figures for Prometheus at that address, such as 127.0.0.1:9477; a port alone is the loopback's
    #[arg(long, value_name = "ADDRESS", help_heading = OUTPUT)]
    pub metrics: Option<String>,

    /// A line every ten seconds instead of the live view, as where standard error is no terminal
    #[arg(long, help_heading = OUTPUT)]
    pub no_view: bool,

    /// Copy all packets to the program, and not only what a flow begins and ends with
    ///
    /// Otherwise the kernel keeps and counts the bulk data of flows of which all is told (eBPF; Linux 5.19 or newer). With
    /// --filter it does not.
    #[arg(long, help_heading = CAPTURING)]
    pub no_shunt: bool,

    /// Keep all privileges, for debugging; without it the program cannot send once the capture is open
    #[arg(long, help_heading = CAPTURING)]
    pub no_sandbox: bool,

    /// Begin a new file of flow records at that size or after that time, such as 100MB or 1h; may be given once for each
    ///
    /// The full one is kept beside it, with the time in its name: flows.ndjson, flows.20261124T233000Z.ndjson.
    #[arg(long, value_name = "SIZE|TIME", action = ArgAction::Append, help_heading = OUTPUT)]
    pub rotate: Vec<String>,

    /// What every audit takes.
    #[command(flatten)]
    pub shared: SharedArgs,
}

/// What every way of auditing takes.
#[derive(Debug, Args)]
pub struct SharedArgs {
    /// Rules to judge by: a policy's name (see `hellotap policy list`), or a file that ends in .toml
    #[arg(long, value_name = "NAME|FILE", default_value = "m365", help_heading = JUDGING)]
    pub policy: String,

    /// Judge as on that day, such as 2027-01-01 [default: the day of each flow's last packet]
    #[arg(long, value_name = "DATE", help_heading = JUDGING)]
    pub at: Option<String>,

    /// Addresses that are ours, such as 192.0.2.0/24; may be repeated [default: private and link-local ranges]
    ///
    /// They tell whether we or the other side must act. Given at all, they replace the default: 10.0.0.0/8,
    /// 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16, 127.0.0.0/8, fc00::/7, fe80::/10 and ::1.
    #[arg(long, value_name = "CIDR", action = ArgAction::Append, help_heading = JUDGING)]
    pub ours: Vec<String>,

    /// Form of the report on standard output
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Format::Text, help_heading = OUTPUT)]
    pub format: Format,

    /// Write the report to a file too: .json, .html, .csv (a row a device) or .cdx.json; may be repeated
    ///
    /// A .cdx.json is a CycloneDX 1.6 bill of materials of the versions and cipher suites in use (CBOM).
    #[arg(long, value_name = "PATH", action = ArgAction::Append, value_hint = ValueHint::FilePath, help_heading = OUTPUT)]
    pub report: Vec<PathBuf>,

    /// Write one record a flow: .ndjson, .csv or .parquet; `-` is NDJSON on standard output; may be repeated
    ///
    /// With `-`, the report goes to standard error. Records are written soon after their flow ends.
    #[arg(long, value_name = "PATH|-", action = ArgAction::Append, value_hint = ValueHint::FilePath, help_heading = OUTPUT)]
    pub flows: Vec<PathBuf>,

    /// Replace names and addresses by pseudonyms that stay the same within the run
    #[arg(long, help_heading = OUTPUT)]
    pub redact: bool,

    /// When to use colours; NO_COLOR is honoured
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = ColorWhen::Auto, help_heading = OUTPUT)]
    pub color: ColorWhen,

    /// Print speed, queue and latency figures of the run on standard error
    #[arg(long, help_heading = OUTPUT)]
    pub stats: bool,

    /// Read only packets that match, in tcpdump's syntax, such as "host 192.0.2.1 and tcp port 25"
    #[arg(long, value_name = "EXPR", help_heading = READING)]
    pub filter: Option<String>,

    /// Worker threads [default: the processors]
    ///
    /// The results are the same for every number. More than 64 are not of use and count as 64.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = READING)]
    pub workers: Option<u16>,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The report from before the change, as --report FILE.json writes it
    #[arg(value_name = "BEFORE", value_hint = ValueHint::FilePath)]
    pub before: PathBuf,

    /// The report from after it
    #[arg(value_name = "AFTER", value_hint = ValueHint::FilePath)]
    pub after: PathBuf,

    /// Form of the comparison
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// When to use colours; NO_COLOR is honoured
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = ColorWhen::Auto)]
    pub color: ColorWhen,
}

/// Arguments of `policy`.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// What to show.
    #[command(subcommand)]
    pub what: PolicyCommand,
}

/// What `policy` shows.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// List the policies that come with the program, with their sources
    List,
    /// Print a policy as the file that it is: a base for one of your own
    ///
    /// Your own file is checked, and printed where it is sound.
    Show {
        /// A policy's name, or a file that ends in .toml
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// Arguments of `generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// What to print.
    #[command(subcommand)]
    pub what: Generate,
}

/// What `generate` prints.
#[derive(Debug, Subcommand)]
pub enum Generate {
    /// Print the manual page, in roff
    ///
    /// View it with: hellotap generate man | man -l -
    Man,
    /// Print completions for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// Forms of the report on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON object
    Json,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

const JUDGING: &str = "Judging";
const OUTPUT: &str = "Output";
const READING: &str = "Reading";
const CAPTURING: &str = "Capturing";

const AUDIT_EXAMPLES: &str = "\
Examples:
  hellotap audit office.pcap
  hellotap audit monday.pcapng.zst tuesday.pcapng.zst --report week.json --flows week.csv
  ssh gateway tcpdump -U -w - tcp | hellotap audit -
  hellotap audit trace.pcap --flows - 2>/dev/null | jq 'select(.verdict == \"breaks\")'

Exit code: 0 nothing breaks under the policy, 1 something breaks, 2 the work could not be done.";

const LIVE_EXAMPLES: &str = "\
Examples:
  sudo hellotap live -i eth1
  sudo hellotap live -i eth1 -i eth2 --for 30m --report window.json --flows window.ndjson
  sudo hellotap live -i eth1 --until 23:30 --filter 'tcp port 25 or tcp port 587'
  sudo hellotap live -i eth1 --flows flows.ndjson --rotate 100MB --rotate 1h

Exit code: 0 nothing breaks under the policy, 1 something breaks, 2 the work could not be done.";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
