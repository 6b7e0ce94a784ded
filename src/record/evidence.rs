//! A few flows kept of each device, so that a verdict can be looked up in the packets.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use super::{Act, Cause, FlowRecord, Host, Outcome, Upgrade, Verdict, Version};
use crate::hello::Offer;
use crate::hello::registry::CipherSuite;
use crate::policy::simulate::Chosen;
use crate::prefetch;
use crate::time::Timestamp;

/// What is kept of one flow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "field for field a record's")]
pub struct Evidence {
    pub flow_id: u64,
    pub first_packet: u64,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub server: Host,
    pub server_port: Option<u16>,
    pub sni: Option<Box<str>>,
    pub service: Option<&'static str>,
    pub upgrade: Option<Upgrade>,
    pub outcome: Outcome,
    pub cause: Option<Cause>,
    pub negotiated: Option<Version>,
    pub cipher_suite: Option<CipherSuite>,
    pub verdict: Verdict,
    pub reasons: Vec<&'static str>,
    pub act: Option<Act>,
    pub predicted: Option<Chosen>,
    pub offer: Option<Arc<Offer>>,
}

impl Evidence {
    fn of(record: &FlowRecord) -> Self {
        Self {
            flow_id: record.flow_id,
            first_packet: record.first_packet,
            first_seen: record.first_seen,
            last_seen: record.last_seen,
            server: record.server(),
            server_port: record.server_port,
            sni: record.sni.as_deref().map(super::device::shortened),
            service: record.service,
            upgrade: record.upgrade,
            outcome: record.outcome,
            cause: record.cause,
            negotiated: record.negotiated_version,
            cipher_suite: record.cipher_suite,
            verdict: record.verdict,
            reasons: record.reasons.clone(),
            act: record.act,
            predicted: record.predicted,
            offer: record.offer.clone(),
        }
    }

    /// Worst first, then in the order of the trace.
    fn order(&self, other: &Self) -> Ordering {
        let key = |e: &Self| (Reverse(e.verdict), e.first_packet, e.flow_id);
        key(self).cmp(&key(other))
    }
}

/// The worst flows, in order. What is kept depends on the flows alone, not on the order in which they come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidences(Vec<Evidence>);

/// Flows kept of a device of which nothing has to be proved.
const MAX_FINE: usize = 1;
/// Flows kept of the others.
const MAX_EVIDENCES: usize = 4;

impl Evidences {
    /// Takes `record` in where it is among the worst.
    pub(super) fn add(&mut self, record: &FlowRecord) {
        if let Some(last) = self.0.last()
            && self.0.len() >= most(last)
            && (last.verdict, Reverse(last.first_packet))
                >= (record.verdict, Reverse(record.first_packet))
        {
            return;
        }
        self.0.push(Evidence::of(record));
        self.tidy();
    }

    /// Asks for what [`Self::add`] compares with.
    #[inline]
    pub(super) fn prefetch(&self) {
        if let Some(last) = self.0.last() {
            prefetch::whole(last);
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
        self.tidy();
    }

    fn tidy(&mut self) {
        self.0.sort_by(Evidence::order);
        let bad = self
            .0
            .iter()
            .take_while(|e| e.verdict != Verdict::Ok)
            .count()
            .min(MAX_EVIDENCES);
        self.0.truncate(bad.max(MAX_FINE));
    }

    /// The flows, worst first.
    pub fn iter(&self) -> impl Iterator<Item = &Evidence> {
        self.0.iter()
    }
}

/// How many are kept where `last` is the least bad.
fn most(last: &Evidence) -> usize {
    if last.verdict == Verdict::Ok {
        MAX_FINE
    } else {
        MAX_EVIDENCES
    }
}
