//! What a rule set says of a flow whose facts are known.
//!
//! In: a [`FlowRecord`] with its observation complete. Out: the same record with `policy`, `verdict`, `reasons` and
//! `act` set. Pure, and after the facts: a policy can be changed and applied again without the packets. It never
//! looks at a packet, a clock or another flow.

mod route;

use std::sync::Arc;

pub use route::{Cidr, CidrError, Networks};

use crate::hello::version::ProtocolVersion;
use crate::record::{Act, FlowRecord, Outcome, Upgrade, Verdict, Version};

/// Where a policy's rules come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// What the document calls itself.
    pub title: &'static str,
    /// Where it is.
    pub url: &'static str,
    /// When it came into force or was published, RFC 3339 date.
    pub date: &'static str,
}

/// A set of rules.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The name in records and on the command line.
    pub name: Arc<str>,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// Where the rules come from.
    pub sources: &'static [Source],
    /// The oldest version that is accepted.
    pub min_version: ProtocolVersion,
}

/// The names of all policies, as `--policy` takes them.
pub const NAMES: &[&str] = &["m365"];

impl Policy {
    /// The policy of that name.
    pub fn named(name: &str) -> Option<Self> {
        (name == "m365").then(Self::m365)
    }

    /// What Microsoft 365 accepts.
    pub fn m365() -> Self {
        Self {
            name: "m365".into(),
            title: "Microsoft 365 takes TLS 1.2 and later",
            sources: M365_SOURCES,
            min_version: ProtocolVersion::TLS_1_2,
        }
    }

    /// Whether the version is new enough; `None` where no standard ranks it.
    pub fn accepts_version(&self, version: Version) -> Option<bool> {
        Some(version.rank()? >= self.min_version.rank()?)
    }
}

/// Judges `record` and writes the judgement into it.
pub fn judge(record: &mut FlowRecord, policy: &Policy) {
    let judgement = judgement(record, policy);
    record.policy = Some(Arc::clone(&policy.name));
    record.verdict = judgement.verdict;
    record.reasons = judgement.reason.into_iter().collect();
    record.act = judgement.act;
    if record.cleartext_credentials == Some(true) {
        record.reasons.push(CLEARTEXT_CREDENTIALS);
    }
    if record.starttls_injection {
        record.reasons.push(STARTTLS_INJECTION);
    }
}

/// The version that was negotiated is older than the policy's minimum.
pub const MIN_VERSION: &str = "min-version";
/// Nothing was negotiated, and everything that the client offers is older than the policy's minimum.
pub const MIN_VERSION_OFFER: &str = "min-version-offer";
/// The version has a number that no standard ranks.
pub const UNRANKED_VERSION: &str = "unranked-version";

/// A session of a protocol that could have been upgraded to TLS, without it.
pub const CLEARTEXT: &str = "cleartext";
/// A secret that can be read or replayed went over the wire in the clear.
pub const CLEARTEXT_CREDENTIALS: &str = "cleartext-credentials";
/// Commands in the clear behind the request for TLS (CVE-2011-0411), or TLS records replaced by them.
pub const STARTTLS_INJECTION: &str = "starttls-injection";

const M365_SOURCES: &[Source] = &[Source {
    title: "Preparing for TLS 1.2 in Office 365 and Office 365 GCC",
    url: "https://learn.microsoft.com/en-us/purview/prepare-tls-1.2-in-office-365",
    date: "2020-10-15",
}];

struct Judgement {
    verdict: Verdict,
    reason: Option<&'static str>,
    act: Option<Act>,
}

fn judgement(record: &FlowRecord, policy: &Policy) -> Judgement {
    let unknown = |reason| Judgement {
        verdict: Verdict::Unknown,
        reason: Some(reason),
        act: None,
    };
    let breaks = |reason, act| Judgement {
        verdict: Verdict::Breaks,
        reason: Some(reason),
        act,
    };
    let offer_accepted = offer_accepted(record, policy);
    let negotiated_accepted = match record.negotiated_version {
        None => None,
        Some(version) => match policy.accepts_version(version) {
            None => return unknown(UNRANKED_VERSION),
            accepted => accepted,
        },
    };
    if negotiated_accepted == Some(false) {
        let act = offer_accepted.map(|accepted| if accepted { Act::Server } else { Act::Client });
        return breaks(MIN_VERSION, act);
    }
    if let Some(judgement) = in_the_clear(record) {
        return judgement;
    }
    match record.outcome {
        // A refusal of today, whatever its cause, is not undone by a good version.
        Outcome::Negotiated | Outcome::ServerHelloOnly | Outcome::JoinedMidStream
            if negotiated_accepted == Some(true) =>
        {
            Judgement {
                verdict: Verdict::Ok,
                reason: None,
                act: None,
            }
        }
        _ if offer_accepted == Some(false) && negotiated_accepted.is_none() => {
            breaks(MIN_VERSION_OFFER, Some(Act::Client))
        }
        outcome => unknown(undecided(outcome)),
    }
}

/// A session without TLS goes on under a policy that is about TLS alone; what it says is there for all to read. One that
/// asked for TLS, did not get it and went on is what opportunistic TLS comes to.
fn in_the_clear(record: &FlowRecord) -> Option<Judgement> {
    let upgrade = record
        .upgrade
        .filter(|_| record.outcome == Outcome::Cleartext)?;
    let went_on = record.continued_in_clear == Some(true);
    let verdict = match upgrade {
        Upgrade::Refused | Upgrade::AcceptedNoHello | Upgrade::StrippedSuspected if went_on => {
            Verdict::GoesCleartext
        }
        Upgrade::Unknown if !went_on => Verdict::Unknown,
        _ => Verdict::AtRisk,
    };
    Some(Judgement {
        verdict,
        reason: Some(CLEARTEXT),
        act: None,
    })
}

/// Whether the client offers a version that the policy takes; `None` where no ClientHello was read, or where all of
/// its versions are unknown.
fn offer_accepted(record: &FlowRecord, policy: &Policy) -> Option<bool> {
    record
        .offer
        .as_deref()?
        .versions
        .iter()
        .filter_map(|version| policy.accepts_version(Version::Exact(*version)))
        .max()
}

/// The reason id of a flow that cannot be judged.
const fn undecided(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Negotiated => "version-not-seen",
        Outcome::RefusedByServer => "refused-by-server",
        Outcome::RefusedByClient => "refused-by-client",
        Outcome::NoAnswer => "not-answered",
        Outcome::ClientHelloOnly | Outcome::ServerHelloOnly => "one-direction",
        Outcome::JoinedMidStream => "joined-mid-stream",
        Outcome::Cleartext => "cleartext",
        Outcome::Unknown => "not-seen",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hello::Offer;
    use ProtocolVersion as V;

    fn flow(outcome: Outcome, negotiated: Option<Version>, offered: &[V]) -> FlowRecord {
        FlowRecord {
            outcome,
            negotiated_version: negotiated,
            offer: (!offered.is_empty()).then(|| {
                Arc::new(Offer {
                    versions: offered.to_vec(),
                    ..Offer::default()
                })
            }),
            ..FlowRecord::default()
        }
    }

    #[test]
    fn m365_judges_by_version() {
        use Outcome::*;
        let exact = |v| Some(Version::Exact(v));
        let (old, new) = (&[V::TLS_1_0][..], &[V::TLS_1_3, V::TLS_1_2, V::TLS_1_0][..]);
        for (name, record, verdict, reason, act) in [
            (
                "1.3",
                flow(Negotiated, exact(V::TLS_1_3), new),
                Verdict::Ok,
                None,
                None,
            ),
            (
                "1.2",
                flow(Negotiated, exact(V::TLS_1_2), new),
                Verdict::Ok,
                None,
                None,
            ),
            (
                "draft",
                flow(Negotiated, exact(V(0x7f17)), new),
                Verdict::Ok,
                None,
                None,
            ),
            (
                "dtls 1.2",
                flow(Negotiated, exact(V::DTLS_1_2), &[V::DTLS_1_2]),
                Verdict::Ok,
                None,
                None,
            ),
            (
                "1.2+",
                flow(JoinedMidStream, Some(Version::Tls12OrLater), &[]),
                Verdict::Ok,
                None,
                None,
            ),
            (
                "1.2, no client",
                flow(ServerHelloOnly, exact(V::TLS_1_2), &[]),
                Verdict::Ok,
                None,
                None,
            ),
            (
                "old client",
                flow(Negotiated, exact(V::TLS_1_0), old),
                Verdict::Breaks,
                Some(MIN_VERSION),
                Some(Act::Client),
            ),
            (
                "old server",
                flow(Negotiated, exact(V::TLS_1_0), new),
                Verdict::Breaks,
                Some(MIN_VERSION),
                Some(Act::Server),
            ),
            (
                "1.1",
                flow(Negotiated, exact(V::TLS_1_1), new),
                Verdict::Breaks,
                Some(MIN_VERSION),
                Some(Act::Server),
            ),
            (
                "ssl 3",
                flow(Negotiated, exact(V::SSL_3_0), &[V::SSL_3_0]),
                Verdict::Breaks,
                Some(MIN_VERSION),
                Some(Act::Client),
            ),
            (
                "ssl 2",
                flow(Negotiated, exact(V::SSL_2_0), &[V::SSL_2_0]),
                Verdict::Breaks,
                Some(MIN_VERSION),
                Some(Act::Client),
            ),
            (
                "dtls 1.0",
                flow(Negotiated, exact(V::DTLS_1_0), &[V::DTLS_1_2]),
                Verdict::Breaks,
                Some(MIN_VERSION),
                Some(Act::Server),
            ),
            (
                "old, mid-stream",
                flow(JoinedMidStream, exact(V::TLS_1_0), &[]),
                Verdict::Breaks,
                Some(MIN_VERSION),
                None,
            ),
            (
                "unknown number",
                flow(Negotiated, exact(V(0x7a00)), new),
                Verdict::Unknown,
                Some(UNRANKED_VERSION),
                None,
            ),
            (
                "refused, new",
                flow(RefusedByServer, None, new),
                Verdict::Unknown,
                Some("refused-by-server"),
                None,
            ),
            (
                "refused, old",
                flow(RefusedByServer, None, old),
                Verdict::Breaks,
                Some(MIN_VERSION_OFFER),
                Some(Act::Client),
            ),
            (
                "silent, old",
                flow(NoAnswer, None, old),
                Verdict::Breaks,
                Some(MIN_VERSION_OFFER),
                Some(Act::Client),
            ),
            (
                "silent, new",
                flow(NoAnswer, None, new),
                Verdict::Unknown,
                Some("not-answered"),
                None,
            ),
            (
                "one way",
                flow(ClientHelloOnly, None, new),
                Verdict::Unknown,
                Some("one-direction"),
                None,
            ),
            (
                "client broke off at 1.2",
                flow(RefusedByClient, exact(V::TLS_1_2), new),
                Verdict::Unknown,
                Some("refused-by-client"),
                None,
            ),
            (
                "client broke off at 1.0",
                flow(RefusedByClient, exact(V::TLS_1_0), new),
                Verdict::Breaks,
                Some(MIN_VERSION),
                Some(Act::Server),
            ),
            (
                "cleartext",
                flow(Cleartext, None, &[]),
                Verdict::Unknown,
                Some("cleartext"),
                None,
            ),
            (
                "nothing",
                flow(Unknown, None, &[]),
                Verdict::Unknown,
                Some("not-seen"),
                None,
            ),
        ] {
            let mut record = record;
            judge(&mut record, &Policy::m365());
            assert_eq!(record.verdict, verdict, "{name}");
            assert_eq!(record.reasons.first().copied(), reason, "{name}");
            assert_eq!(record.act, act, "{name}");
            assert_eq!(record.policy.as_deref(), Some("m365"));
        }
    }

    #[test]
    fn sessions_in_the_clear() {
        for (upgrade, went_on, verdict) in [
            (Upgrade::NotRequested, true, Verdict::AtRisk),
            (Upgrade::NotOffered, false, Verdict::AtRisk),
            (Upgrade::Refused, false, Verdict::AtRisk),
            (Upgrade::Refused, true, Verdict::GoesCleartext),
            (Upgrade::StrippedSuspected, true, Verdict::GoesCleartext),
            (Upgrade::Unknown, false, Verdict::Unknown),
            (Upgrade::Unknown, true, Verdict::AtRisk),
        ] {
            let mut record = FlowRecord {
                upgrade: Some(upgrade),
                continued_in_clear: Some(went_on),
                cleartext_credentials: Some(true),
                ..flow(Outcome::Cleartext, None, &[])
            };
            judge(&mut record, &Policy::m365());
            assert_eq!(record.verdict, verdict, "{upgrade} {went_on}");
            assert_eq!(record.reasons, [CLEARTEXT, CLEARTEXT_CREDENTIALS]);
        }
    }

    #[test]
    fn every_policy_has_its_name_and_sources() {
        for name in NAMES {
            let policy = Policy::named(name).expect("listed");
            assert_eq!(&*policy.name, *name);
            assert!(!policy.sources.is_empty());
        }
        assert!(Policy::named("m366").is_none());
    }
}
