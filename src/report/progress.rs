//! How far the reading is, on standard error.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A progress bar, or nothing where nobody would see it.
#[derive(Debug)]
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// Shows nothing.
    pub const fn hidden() -> Self {
        Self(None)
    }

    /// A bar on standard error where that is a terminal; a spinner with the rate where `total_bytes` is not known,
    /// as for standard input.
    pub fn on_stderr(total_bytes: Option<u64>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::hidden();
        }
        let (bar, template) = match total_bytes {
            Some(total) => (
                ProgressBar::new(total),
                "{bar:30} {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left",
            ),
            None => (
                ProgressBar::new_spinner(),
                "{spinner} {bytes} read  {bytes_per_sec}  {elapsed}",
            ),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        bar.set_style(style(template));
        if total_bytes.is_none() {
            bar.enable_steady_tick(Duration::from_millis(125));
        }
        Self(Some(bar))
    }

    /// So many more bytes of the input, as they lie in the file, were read. Cheap enough for every block.
    pub fn advance(&self, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(bytes);
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

fn style(template: &'static str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates are constants, and tested")
        .progress_chars("=> ")
        .tick_chars("|/-\\ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_where_nobody_looks() {
        let progress = Progress::hidden();
        progress.advance(1);
        progress.finish();
    }

    #[test]
    fn templates_are_valid() {
        style("{bar:30} {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left");
        style("{spinner} {bytes} read  {bytes_per_sec}  {elapsed}");
    }
}
