//! Parse, run, exit code.

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use clap::Parser as _;
use hellotap::cli::{AuditArgs, Cli, Command, Generate};
use hellotap::config::{AuditOptions, OutputOptions};
use hellotap::output::{FlowOutputs, Output, OutputError, ReportFormat, Target};
use hellotap::report::progress::Progress;
use hellotap::report::{Style, Summary, write_devices_csv, write_json, write_text};
use hellotap::run::{self, RunError};

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

fn audit(args: AuditArgs) -> anyhow::Result<u8> {
    let (options, outputs) = AuditOptions::resolve(args)?;
    // Outputs first: an hour of reading must not end at a path that could never be written.
    let mut flows = FlowOutputs::open(&outputs.flows)?;
    let mut reports = Vec::new();
    for (target, format) in &outputs.reports {
        reports.push((Output::open(target)?, *format));
    }
    let progress = Progress::on_stderr(options.input_bytes());
    let (summary, stats) = run::audit(&options, &mut flows, &progress)?;
    progress.finish();
    if options.stats {
        // The talk: that nobody listens is no failure.
        let _ = write!(io::stderr(), "{stats}");
    }
    for (output, format) in &mut reports {
        output.write_with(|out| render(&summary, *format, &Style::plain(), out))?;
    }
    match print_report(&summary, &outputs) {
        Err(error) if !error.is_closed_pipe() => return Err(error.into()),
        _ => {}
    }
    Ok(if summary.breaks() { BREAKS } else { CLEAN })
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
    }
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
