//! The report for people.

mod page;

use std::io::{self, Write};

pub use page::Style;

use super::Summary;

/// Writes the report.
///
/// # Errors
/// Those of `out`.
pub fn write_text(summary: &Summary, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = page::Page::new(style, out);
    page.line(&[(page::Look::Strong, format!("{} flows", summary.tally.flows))])
}
