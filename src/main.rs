//! Parse, run, exit code.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal as _, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use hellotap::capture::live::{Nic, interfaces as list_interfaces};
use hellotap::cli::{AuditArgs, Cli, Command, DiffArgs, Format, Generate, LiveArgs, PolicyCommand};
use hellotap::config::{AuditOptions, LiveOptions, OutputOptions, policy_text};
use hellotap::output::{
    FlowOutputs, LiveFlows, Output, OutputError, ReportFormat, Rotation, Target,
};
use hellotap::policy::{builtin, file};
use hellotap::record::FlowRecord;
use hellotap::rejudge;
use hellotap::report::diff::{Diff, Saved};
use hellotap::report::progress::Progress;
use hellotap::report::{
    Style, Summary, write_cbom, write_devices_csv, write_html, write_json, write_text,
};
use hellotap::run::live::{Pulse, Watch, Wish};
use hellotap::run::{self, RunError};
#[cfg(target_os = "linux")]
use hellotap::sandbox;
use hellotap::time::Timestamp;
use hellotap::watch::baseline::Baseline;
use hellotap::watch::lines::Lines;
use hellotap::watch::metrics::Metrics;
use hellotap::watch::service::Service;
use hellotap::watch::terminal::Screen;
use hellotap::watch::view::View;
use jiff::ZonedDateTime;
use mimalloc::MiMalloc;

// The system's makes a thread's memory accessible a few pages at a time, and meanwhile the page faults of all others wait.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output, errors to standard error; a closed one is not our error.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(FAILED));
        }
    };
    let done = match cli.command {
        Command::Audit(args) => audit(args),
        Command::Diff(args) => diff(&args),
        Command::Policy(args) => policy(args.what).map(|()| CLEAN),
        Command::Live(args) => live(args),
        Command::Interfaces => interfaces().map(|()| CLEAN),
        Command::Generate(args) => generate(args.what).map(|()| CLEAN),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) if is_closed_pipe(&error) => ExitCode::from(CLEAN),
        Err(error) => {
            let _ = writeln!(io::stderr(), "hellotap: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

const CLEAN: u8 = 0;
const BREAKS: u8 = 1;
const FAILED: u8 = 2;

/// Lines told again behind the live view.
const MAX_KEPT: usize = 100;

fn audit(args: AuditArgs) -> anyhow::Result<u8> {
    let (options, outputs) = AuditOptions::resolve(args)?;
    // Outputs first: an hour of reading must not end at a path that could never be written.
    let mut flows = FlowOutputs::open(&outputs.flows)?;
    let mut reports = Vec::new();
    for (target, format) in &outputs.reports {
        reports.push((Output::open(target)?, *format));
    }
    let saved = options
        .inputs
        .iter()
        .filter(|input| rejudge::is_saved(input))
        .count();
    let summary = if saved == 0 {
        let progress = Progress::on_stderr(options.input_bytes());
        let (summary, stats) = run::audit(&options, &mut flows, &progress)?;
        progress.finish();
        if options.stats {
            // The talk: that nobody listens is no failure.
            let _ = write!(io::stderr(), "{stats}");
        }
        summary
    } else if saved == options.inputs.len() {
        rejudge::audit(&options, &mut flows)?
    } else {
        anyhow::bail!("captures and saved flow records cannot be audited together");
    };
    flows.finish()?;
    for (output, format) in &mut reports {
        output.write_with(|out| render(&summary, *format, &Style::plain(), out))?;
    }
    match print_report(&summary, &outputs) {
        Err(error) if !error.is_closed_pipe() => return Err(error.into()),
        _ => {}
    }
    let code = if summary.breaks() { BREAKS } else { CLEAN };
    // The process ends: the system takes its memory back at once, and not device by device.
    std::mem::forget(summary);
    Ok(code)
}

fn live(args: LiveArgs) -> anyhow::Result<u8> {
    let now = ZonedDateTime::now();
    let (options, outputs) = LiveOptions::resolve(args, &now)?;
    let nics = run::live::open(&options)?;
    let started = Timestamp(u64::try_from(now.timestamp().as_nanosecond()).unwrap_or_default());
    let mut flows = LiveFlows::open(&outputs.flows, options.rotate, started)?;
    let mut reports = Vec::new();
    for (target, format) in &outputs.reports {
        reports.push((Output::open(target)?, *format));
    }
    let baseline = options
        .baseline
        .as_deref()
        .map(Baseline::read)
        .transpose()?;
    let metrics = options.metrics.map(|address| {
        Metrics::bind(address).with_context(|| format!("--metrics: cannot listen on {address}"))
    });
    let mut watcher = Watcher {
        reports,
        outputs: &outputs,
        lines: Lines::default(),
        view: None,
        kept: Vec::new(),
        baseline,
        metrics: metrics.transpose()?,
        service: Service::connect(),
    };
    watcher.look(&options, &now)?;
    let shunt = match run::live::shunt(&options, &nics) {
        Ok(shunt) => shunt,
        Err(error) => {
            watcher.notice(&error.to_string());
            None
        }
    };
    confine(&options, &outputs, (&nics, shunt.is_some()), &mut watcher)?;
    // Threads begin here, and not before: they inherit what was given up.
    if let Some(metrics) = &mut watcher.metrics {
        metrics.serve().context("--metrics: no more threads")?;
    }
    let (summary, stats) = run::live::live(&options, nics, shunt, &mut flows, &mut watcher)?;
    if options.audit.stats {
        let _ = write!(io::stderr(), "{stats}");
    }
    watcher.write(&summary)?;
    match print_report(&summary, &outputs) {
        Err(error) if !error.is_closed_pipe() => return Err(error.into()),
        _ => {}
    }
    Ok(if summary.breaks() { BREAKS } else { CLEAN })
}

/// Gives up what is not needed any more.
#[cfg(target_os = "linux")]
fn confine(
    options: &LiveOptions,
    outputs: &OutputOptions,
    (nics, shunts): (&[Nic], bool),
    watcher: &mut Watcher<'_>,
) -> anyhow::Result<()> {
    if !options.sandbox {
        watcher.notice("WARNING: --no-sandbox: it keeps all privileges, and could send");
        return Ok(());
    }
    let identity = sandbox::Identity::to_become();
    for path in outputs.files() {
        sandbox::give(path, identity);
    }
    let rotates = options.rotate != Rotation::default();
    let needs = sandbox::Needs {
        packet_sockets: nics.iter().map(Nic::socket).collect(),
        folders: if rotates {
            outputs.flow_folders()
        } else {
            Vec::new()
        },
        shunts,
        serves: watcher.metrics.is_some(),
        notifies: watcher.service.socket(),
    };
    let confined = sandbox::enter(&needs, identity)?;
    watcher.notice(&confined.to_string());
    Ok(())
}

/// What there is to give up is the kernel's to say, and this one is not known.
#[cfg(not(target_os = "linux"))]
fn confine(
    _: &LiveOptions,
    _: &OutputOptions,
    _: (&[Nic], bool),
    watcher: &mut Watcher<'_>,
) -> anyhow::Result<()> {
    watcher.notice("WARNING: no sandbox on this system: it keeps all privileges");
    Ok(())
}

/// A line for people. That nobody listens is no failure.
fn talk(text: &str) {
    let _ = writeln!(io::stderr(), "hellotap: {text}");
}

/// What looks on while a capture runs: lines on standard error, and reports when they are asked for.
struct Watcher<'a> {
    reports: Vec<(Output, ReportFormat)>,
    outputs: &'a OutputOptions,
    lines: Lines,
    /// The live view, as long as there is a terminal for it.
    view: Option<(Screen, View)>,
    /// What was told while the view was there, to be told again behind it.
    kept: Vec<String>,
    baseline: Option<Baseline>,
    metrics: Option<Metrics>,
    service: Service,
}

impl Watcher<'_> {
    /// Takes the terminal over, where there is one and nothing else is written to it.
    fn look(&mut self, options: &LiveOptions, now: &ZonedDateTime) -> anyhow::Result<()> {
        let taken = self.outputs.report_to_stderr && io::stdout().is_terminal();
        if !options.view || taken || !io::stderr().is_terminal() {
            return Ok(());
        }
        let title = format!(
            "{}, policy {}",
            options.interfaces.join(", "),
            options.audit.policy.name
        );
        let screen = Screen::take().context("cannot draw on this terminal (see --no-view)")?;
        self.view = Some((screen, View::new(title, now.time_zone().clone())));
        Ok(())
    }

    /// The terminal went away, or is not needed any more.
    fn look_away(&mut self) {
        if self.view.take().is_some() {
            for text in std::mem::take(&mut self.kept) {
                talk(&text);
            }
        }
    }

    fn write(&mut self, summary: &Summary) -> Result<(), OutputError> {
        for (output, format) in &mut self.reports {
            output.rewrite_with(|out| render(summary, *format, &Style::plain(), out))?;
        }
        Ok(())
    }
}

impl Watch for Watcher<'_> {
    fn pulse(&mut self, pulse: &Pulse<'_>) -> Wish {
        self.service.pulse(pulse);
        if let Some(metrics) = &mut self.metrics {
            metrics.pulse(pulse);
        }
        let Some((screen, view)) = &mut self.view else {
            if let Some(line) = self.lines.next(pulse) {
                talk(&line);
            }
            return Wish::default();
        };
        view.pulse(pulse);
        let mut wish = Wish::default();
        let looked = screen.keys().and_then(|keys| {
            for key in keys {
                let more = view.key(key);
                wish.end |= more.end;
                wish.report |= more.report;
            }
            screen.show(view)
        });
        if let Err(error) = looked {
            // A closed terminal: the capture goes on.
            self.look_away();
            talk(&format!("the live view ended: {error}"));
        }
        wish
    }

    fn records(&mut self, records: &[&FlowRecord]) {
        if let Some((_, view)) = &mut self.view {
            let baseline = self.baseline.as_ref();
            view.records(records, |record, trouble| {
                baseline.is_some_and(|baseline| baseline.is_new(record, trouble))
            });
        }
    }

    fn begun(&mut self) {
        self.service.begun();
        if self.view.is_none() {
            talk("capturing; Ctrl-C ends it and gives the report");
        }
    }

    fn ending(&mut self) {
        self.service.ending();
        self.look_away();
    }

    fn report(&mut self, summary: &Summary) {
        // The capture goes on whatever becomes of the report.
        let mut written = self.write(summary);
        // Not into the live view.
        let covered =
            self.view.is_some() && (self.outputs.report_to_stderr || io::stdout().is_terminal());
        if written.is_ok() && !covered {
            written = print_report(summary, self.outputs);
        }
        match written {
            Err(error) => self.notice(&error.to_string()),
            Ok(()) if self.view.is_none() => {}
            Ok(()) if covered && self.reports.is_empty() => {
                self.notice("no report file is named: add --report PATH to have one now");
            }
            Ok(()) => self.notice("the report is written"),
        }
    }

    fn notice(&mut self, text: &str) {
        if let Some((_, view)) = &mut self.view {
            view.notice(text);
            if self.kept.len() < MAX_KEPT {
                self.kept.push(text.to_owned());
            }
        } else {
            talk(text);
        }
    }
}

fn interfaces() -> anyhow::Result<()> {
    let mut text = Vec::new();
    for interface in list_interfaces()? {
        writeln!(text, "{interface}")?;
    }
    Output::open(&Target::Stdout)?.write(&text)?;
    Ok(())
}

/// The report that is always given.
fn print_report(summary: &Summary, outputs: &OutputOptions) -> Result<(), OutputError> {
    let (target, style) = if outputs.report_to_stderr {
        let stderr = io::stderr();
        let style = Style::detect(outputs.color, stderr.is_terminal(), &stderr);
        (Target::Stderr, style)
    } else {
        let stdout = io::stdout();
        let style = Style::detect(outputs.color, stdout.is_terminal(), &stdout);
        (Target::Stdout, style)
    };
    Output::open(&target)?.write_with(|out| render(summary, outputs.format, &style, out))
}

fn render(
    summary: &Summary,
    format: ReportFormat,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        ReportFormat::Text => write_text(summary, style, out),
        ReportFormat::Json => write_json(summary, out),
        ReportFormat::Csv => write_devices_csv(summary, out),
        ReportFormat::Html => write_html(summary, out),
        ReportFormat::Cbom => write_cbom(summary, out),
    }
}

fn diff(args: &DiffArgs) -> anyhow::Result<u8> {
    let read = |path: &Path| {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        Saved::read(BufReader::new(file))
            .map_err(|why| anyhow::anyhow!("{} is not a JSON report: {why}", path.display()))
    };
    let diff = Diff::new(&read(&args.before)?, &read(&args.after)?);
    let stdout = io::stdout();
    let style = Style::detect(args.color, stdout.is_terminal(), &stdout);
    Output::open(&Target::Stdout)?.write_with(|out| match args.format {
        Format::Text => diff.write_text(&style, out),
        Format::Json => diff.write_json(out),
    })?;
    Ok(if diff.is_worse() { BREAKS } else { CLEAN })
}

fn policy(what: PolicyCommand) -> anyhow::Result<()> {
    let text = match what {
        PolicyCommand::List => policy_list(),
        PolicyCommand::Show { name } => {
            let text = policy_text(&name)?;
            file::parse(&text).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
            text.into_owned()
        }
    };
    Output::open(&Target::Stdout)?.write(text.as_bytes())?;
    Ok(())
}

fn policy_list() -> String {
    let mut text = String::new();
    for builtin in builtin::ALL {
        let policy = builtin.policy();
        text.push_str(&format!("{}\n  {}\n", policy.name, policy.title));
        if policy.secondary {
            text.push_str("  written from secondary sources: check it before you rely on it\n");
        }
        for source in &policy.sources {
            let date = source
                .date
                .as_deref()
                .map_or_else(String::new, |date| format!(" ({date})"));
            text.push_str(&format!("  {}{date}\n    {}\n", source.title, source.url));
        }
    }
    text
}

fn generate(what: Generate) -> anyhow::Result<()> {
    let mut text = Vec::new();
    match what {
        Generate::Man => hellotap::generate::man(&mut text)?,
        Generate::Completions { shell } => hellotap::generate::completions(shell, &mut text),
    }
    Output::open(&Target::Stdout)?.write(&text)?;
    Ok(())
}

/// The reader of our output went away: `hellotap … | head` ends quietly.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let output = match error.downcast_ref::<RunError>() {
        Some(RunError::Output(output)) => Some(output),
        _ => error.downcast_ref::<OutputError>(),
    };
    output.is_some_and(OutputError::is_closed_pipe)
}
