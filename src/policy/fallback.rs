//! The fallback dance: a client whose handshake failed tries again at once with a lower version (RFC 7507 section 1).
//!
//! Such a retry does not tell what its client can do: that stood in the attempt before. With TLS_FALLBACK_SCSV the retry
//! says so itself; without, it is told from the attempts that were seen. In: records, judged, in their order. Out: those
//! that are retries, judged anew.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::Judge;
use crate::hello::Offer;
use crate::hello::version::{ProtocolVersion, is_grease};
use crate::record::{Carrier, FlowRecord, Host, Mac, Outcome};
use crate::time::Timestamp;

/// Reviews judged records, one after another, as to whether they are retries.
#[derive(Debug)]
pub struct Reviewer<'a> {
    judge: Judge<'a>,
    fallbacks: Fallbacks,
}

impl<'a> Reviewer<'a> {
    /// With a judge of the kind that judged the records.
    pub fn new(judge: Judge<'a>) -> Self {
        Self {
            judge,
            fallbacks: Fallbacks::default(),
        }
    }

    /// Judges `record` anew where it is a retry, and tells whether it is. Records come in the order of their first packets,
    /// but for those of flows that ended much later than they began.
    #[inline]
    pub fn review(&mut self, record: &mut FlowRecord) -> bool {
        let Some(first) = self.fallbacks.first_offer(record) else {
            return false;
        };
        self.judge.judge_as_retry(record, &first);
        true
    }
}

/// The attempts that failed a short while ago, by who made them where.
#[derive(Debug)]
struct Fallbacks {
    failed: Attempts,
    /// Those of before `failed` was begun: so the oldest go, and memory does not grow with the capture.
    older: Attempts,
    begun: Timestamp,
    max_pairs: usize,
}

type Attempts = HashMap<Pair, SmallVec<[Attempt; 1]>, FixedState>;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Pair {
    client: Host,
    client_mac: Option<Mac>,
    server: Host,
    port: Option<u16>,
    carrier: Option<Carrier>,
}

/// The highest offer of a dance, which decides.
#[derive(Debug)]
struct Attempt {
    offer: Arc<Offer>,
    sni: Option<Arc<str>>,
    first_seen: Timestamp,
    /// When it, or the last retry of it that failed, ended.
    last_seen: Timestamp,
}

/// How long after a failure a connection is taken for its retry. Browsers and libraries were seen to take 0 to 70 ms;
/// people, mail queues and scanners that try one stack after another take longer.
const AT_ONCE_NS: u64 = 1_000_000_000;
/// A silent server keeps its client waiting for this long at most, before the retry.
const LONG_NS: u64 = 120_000_000_000;
/// Clients at a server of whom a failure is remembered, twice.
const MAX_PAIRS: usize = 32_768;
/// TLS stacks of a client at a server of which it is.
const MAX_STACKS: usize = 4;

impl Default for Fallbacks {
    fn default() -> Self {
        Self::new(MAX_PAIRS)
    }
}

impl Fallbacks {
    fn new(max_pairs: usize) -> Self {
        Self {
            failed: Attempts::default(),
            older: Attempts::default(),
            begun: Timestamp::default(),
            max_pairs,
        }
    }

    /// What the client offered first, where `record` is a retry of an attempt that failed before.
    #[inline]
    fn first_offer(&mut self, record: &FlowRecord) -> Option<Arc<Offer>> {
        let has_failed = has_failed(record.outcome);
        if !has_failed && self.failed.is_empty() && self.older.is_empty() {
            return None;
        }
        self.compare(record, record.offer.as_ref()?, has_failed)
    }

    fn compare(
        &mut self,
        record: &FlowRecord,
        offer: &Arc<Offer>,
        has_failed: bool,
    ) -> Option<Arc<Offer>> {
        let pair = Pair {
            client: record.client(),
            client_mac: record.client_mac,
            server: record.server(),
            port: record.server_port,
            carrier: record.carrier,
        };
        let retried = [&mut self.failed, &mut self.older]
            .into_iter()
            .filter_map(|attempts| attempts.get_mut(&pair))
            .flatten()
            .find(|attempt| attempt.is_retried_by(record, offer));
        if let Some(attempt) = retried {
            if has_failed {
                attempt.last_seen = attempt.last_seen.max(record.last_seen);
            }
            return Some(Arc::clone(&attempt.offer));
        }
        if has_failed {
            self.remember(pair, record, offer);
        }
        None
    }

    fn remember(&mut self, pair: Pair, record: &FlowRecord, offer: &Arc<Offer>) {
        let is_old = record.first_seen.0 > self.begun.0.saturating_add(LONG_NS);
        if is_old || self.failed.len() >= self.max_pairs {
            self.older = std::mem::take(&mut self.failed);
            self.begun = record.first_seen;
        }
        let attempts = self.failed.entry(pair).or_default();
        attempts.retain(|attempt| !Arc::ptr_eq(&attempt.offer, offer));
        if attempts.len() >= MAX_STACKS {
            attempts.remove(0);
        }
        attempts.push(Attempt {
            offer: Arc::clone(offer),
            sni: record.sni.clone(),
            first_seen: record.first_seen,
            last_seen: record.last_seen,
        });
    }
}

impl Attempt {
    /// The same stack, a moment later, with a lower version.
    fn is_retried_by(&self, record: &FlowRecord, offer: &Offer) -> bool {
        let since = (
            self.first_seen.0,
            self.last_seen.0.saturating_add(AT_ONCE_NS),
        );
        let rank = |offer: &Offer| offer.max_version().and_then(ProtocolVersion::rank);
        (since.0..=since.1).contains(&record.first_seen.0)
            && rank(offer)
                .zip(rank(&self.offer))
                .is_some_and(|(now, before)| now < before)
            // SSL 3.0 has no extensions, so that a retry may lack the name.
            && (record.sni.is_none() || record.sni == self.sni)
            && is_lowered(offer, &self.offer)
    }
}

const fn has_failed(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::RefusedByServer | Outcome::RefusedByClient | Outcome::NoAnswer
    )
}

/// Whether `offer` is `first` with some of each list left out, in the same order: what a stack does where it offers a lower
/// version. Another one, behind the same address, has other lists. Asked for is only what saved records hold, too.
fn is_lowered(offer: &Offer, first: &Offer) -> bool {
    let suites = |offer: &Offer| -> Vec<u16> {
        let suites = offer.cipher_suites.iter();
        suites.filter(|s| !s.is_signal()).map(|s| s.0).collect()
    };
    let groups =
        |offer: &Offer| -> Vec<u16> { offer.named_groups.iter().flatten().map(|g| g.0).collect() };
    let schemes = |offer: &Offer| -> Vec<u16> {
        let schemes = offer.signature_algorithms.iter();
        schemes.flatten().map(|s| s.0).collect()
    };
    suites(offer).iter().any(|suite| !is_grease(*suite))
        && [suites, groups, schemes]
            .iter()
            .all(|list| is_taken_from(&list(offer), &list(first)))
        && (offer.alpn.is_none() || offer.alpn == first.alpn)
}

/// Whether `fewer` is `all` with some left out. GREASE changes from one connection to the next.
fn is_taken_from(fewer: &[u16], all: &[u16]) -> bool {
    let mut all = all.iter();
    let mut real = fewer.iter().filter(|number| !is_grease(**number));
    real.all(|number| all.any(|other| other == number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hello::registry::{CipherSuite, NamedGroup, SignatureScheme};
    use ProtocolVersion as Version;

    const SECOND: u64 = 1_000_000_000;

    /// A connection at that second, which lasts for half of one.
    fn record(at: u64, outcome: Outcome, max: Version, suites: &[u16]) -> FlowRecord {
        FlowRecord {
            first_seen: Timestamp(at * SECOND),
            last_seen: Timestamp(at * SECOND + SECOND / 2),
            outcome,
            carrier: Some(Carrier::Tls),
            sni: Some("portal.example".into()),
            offer: Some(Arc::new(Offer {
                legacy_version: max,
                versions: vec![max],
                cipher_suites: suites.iter().copied().map(CipherSuite).collect(),
                named_groups: Some([29, 23, 24].map(NamedGroup).to_vec()),
                signature_algorithms: Some([0x0804, 0x0401].map(SignatureScheme).to_vec()),
                alpn: Some(vec!["h2".into(), "http/1.1".into()]),
                ..Offer::default()
            })),
            ..FlowRecord::default()
        }
    }

    fn failed(at: u64, max: Version, suites: &[u16]) -> FlowRecord {
        record(at, Outcome::RefusedByServer, max, suites)
    }

    fn done(at: u64, max: Version, suites: &[u16]) -> FlowRecord {
        record(at, Outcome::Negotiated, max, suites)
    }

    fn retries(records: &[FlowRecord]) -> Vec<bool> {
        let mut fallbacks = Fallbacks::default();
        let mut is_retry = |r| fallbacks.first_offer(r).is_some();
        records.iter().map(&mut is_retry).collect()
    }

    const NEW: &[u16] = &[0xc02f, 0xc013, 0x002f, 0x000a];
    const OLD: &[u16] = &[0xc013, 0x002f, 0x000a];

    #[test]
    fn a_lower_version_at_once_after_a_failure_is_a_retry() {
        for outcome in [
            Outcome::RefusedByServer,
            Outcome::NoAnswer,
            Outcome::RefusedByClient,
        ] {
            let first = record(10, outcome, Version::TLS_1_2, NEW);
            assert_eq!(
                retries(&[first, done(11, Version::TLS_1_0, OLD)]),
                [false, true]
            );
        }
    }

    #[test]
    fn a_dance_goes_on_for_as_long_as_it_fails() {
        let all = [
            failed(10, Version::TLS_1_2, NEW),
            failed(11, Version::TLS_1_1, OLD),
            done(12, Version::TLS_1_0, OLD),
        ];
        assert_eq!(retries(&all), [false, true, true]);
    }

    #[test]
    fn connections_side_by_side_fail_and_are_retried_one_by_one() {
        let all = [
            failed(10, Version::TLS_1_2, NEW),
            failed(10, Version::TLS_1_2, NEW),
            done(11, Version::TLS_1_0, OLD),
            done(11, Version::TLS_1_0, OLD),
        ];
        assert_eq!(retries(&all), [false, false, true, true]);
    }

    #[test]
    fn signals_grease_and_a_missing_name_do_not_matter() {
        let grease = [0x2a2a, 0xc02f, 0xc013, 0x002f, 0x000a];
        let signals = [0x00ff, 0xc013, 0x002f, 0x5600];
        let ssl3 = FlowRecord {
            sni: None,
            offer: Some(Arc::new(Offer {
                legacy_version: Version::SSL_3_0,
                versions: vec![Version::SSL_3_0],
                cipher_suites: signals.map(CipherSuite).to_vec(),
                ..Offer::default()
            })),
            ..done(11, Version::SSL_3_0, &signals)
        };
        let all = [failed(10, Version::TLS_1_2, &grease), ssl3];
        assert_eq!(retries(&all), [false, true]);
    }

    #[test]
    fn whatever_else_differs_is_no_retry() {
        let first = failed(10, Version::TLS_1_2, NEW);
        let second = done(11, Version::TLS_1_0, OLD);
        let changed = |change: &dyn Fn(&mut FlowRecord)| {
            let mut record = second.clone();
            change(&mut record);
            record
        };
        let offering = |change: &dyn Fn(&mut Offer)| {
            changed(&|record| {
                let mut offer = record.offer.as_deref().cloned().unwrap_or_default();
                change(&mut offer);
                record.offer = Some(Arc::new(offer));
            })
        };
        for (why, other) in [
            ("the same version", done(11, Version::TLS_1_2, NEW)),
            ("a higher one", done(11, Version::TLS_1_3, NEW)),
            ("another number", done(11, Version(0x0101), OLD)),
            (
                "another order",
                done(11, Version::TLS_1_0, &[0x002f, 0xc013]),
            ),
            (
                "another suite",
                done(11, Version::TLS_1_0, &[0xc013, 0x0035]),
            ),
            ("no suite", done(11, Version::TLS_1_0, &[0x5600])),
            ("some time after", done(12, Version::TLS_1_0, OLD)),
            ("before", done(9, Version::TLS_1_0, OLD)),
            ("another client", changed(&|r| r.client_ip = None)),
            (
                "another machine",
                changed(&|r| r.client_mac = Some(Mac([1; 6]))),
            ),
            ("another server", changed(&|r| r.server_ip = None)),
            ("another port", changed(&|r| r.server_port = Some(8443))),
            (
                "another name",
                changed(&|r| r.sni = Some("www.example".into())),
            ),
            (
                "another carrier",
                changed(&|r| r.carrier = Some(Carrier::Dtls)),
            ),
            (
                "another group",
                offering(&|o| o.named_groups = Some(vec![NamedGroup(25)])),
            ),
            (
                "groups in another order",
                offering(&|o| o.named_groups = Some([23, 29].map(NamedGroup).to_vec())),
            ),
            (
                "another signature algorithm",
                offering(&|o| o.signature_algorithms = Some(vec![SignatureScheme(0x0203)])),
            ),
            (
                "another application",
                offering(&|o| o.alpn = Some(vec!["http/1.1".into()])),
            ),
            ("no offer", changed(&|r| r.offer = None)),
        ] {
            assert_eq!(retries(&[first.clone(), other]), [false, false], "{why}");
        }
        let well = done(10, Version::TLS_1_2, NEW);
        assert_eq!(
            retries(&[well, second.clone()]),
            [false, false],
            "no failure"
        );
        assert_eq!(retries(&[first, second]), [false, true]);
    }

    #[test]
    fn of_a_client_several_stacks_are_remembered() {
        let stacks: [&[u16]; 3] = [NEW, &[0x0035, 0x002f], &[0x009c, 0x0005]];
        let mut all: Vec<_> = stacks
            .iter()
            .map(|suites| failed(10, Version::TLS_1_2, suites))
            .collect();
        all.extend(stacks.map(|suites| done(11, Version::TLS_1_0, suites)));
        assert_eq!(retries(&all), [false, false, false, true, true, true]);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_go_first() {
        let mut fallbacks = Fallbacks::new(10);
        let of = |port: u16, record: FlowRecord| FlowRecord {
            server_port: Some(port),
            ..record
        };
        for port in 0..1_000 {
            fallbacks.first_offer(&of(port, failed(10, Version::TLS_1_2, NEW)));
            assert!(fallbacks.failed.len() + fallbacks.older.len() <= 20);
        }
        let mut is_retry = |port| {
            let retry = of(port, done(11, Version::TLS_1_0, OLD));
            fallbacks.first_offer(&retry).is_some()
        };
        assert!(is_retry(999) && is_retry(985));
        assert!(!is_retry(970));
        // Time alone makes room, too.
        for at in [1_000, 2_000] {
            fallbacks.first_offer(&failed(at, Version::TLS_1_2, NEW));
        }
        assert_eq!((fallbacks.failed.len(), fallbacks.older.len()), (1, 1));
    }
}
