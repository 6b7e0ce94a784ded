//! A placeholder for the run: reads nothing.

use crate::config::AuditOptions;
use crate::output::{FlowOutputs, OutputError};
use crate::record::Tally;
use crate::report::progress::Progress;
use crate::report::{BlindSpots, Summary};

/// Why a run ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Results could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Audits saved captures.
///
/// # Errors
/// Where not one packet can be read, or results cannot be written.
pub fn audit(
    options: &AuditOptions,
    _flows: &mut FlowOutputs,
    _progress: &Progress,
) -> Result<Summary, RunError> {
    let tally = Tally::new(options.limits.max_devices, options.limits.max_servers);
    let policy = options.policy.clone();
    let mut summary = Summary::new(Vec::new(), policy, tally, BlindSpots::default());
    summary.at = options.at;
    Ok(summary)
}
