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
    Ok(Summary {
        inputs: Vec::new(),
        policy: options.policy.clone(),
        at: options.at,
        tally: Tally::new(0, 0),
        blind: BlindSpots::default(),
        cut_short: false,
    })
}
