//! Judgements on facts, besides the simulation: one rule, one id, one citation.

use super::accepts::CertificateKey;
use super::glob::Glob;
use super::suite::Suite;
use crate::hello::Offer;
use crate::hello::registry::{CipherSuite, NamedGroup, SignatureScheme};
use crate::hello::version::ProtocolVersion;
use crate::record::{Act, Certificate, FlowRecord, Outcome, Upgrade, Verdict, Version};
use crate::time::Timestamp;

/// A judgement on facts that the capture shows.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What stands in `reasons`.
    pub id: &'static str,
    /// Which facts.
    pub scope: Scope,
    /// What follows where the condition holds.
    pub severity: Severity,
    /// The first moment of the day from which on the rule holds; `None`: always. Before it, what it forbids is at risk.
    pub effective: Option<Timestamp>,
    /// The first moment at which it holds no more.
    pub until: Option<Timestamp>,
    /// Where in the policy's sources it stands.
    pub citation: Option<String>,
    /// What is wrong, a sentence.
    pub says: Option<String>,
    /// What the client's side can do about it.
    pub remedy_client: Option<String>,
    /// What the server's side can do about it.
    pub remedy_server: Option<String>,
    /// When the rule applies.
    pub when: Condition,
}

/// Which facts a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What the client offers.
    Offer,
    /// What was negotiated.
    Negotiated,
    /// The server's certificate.
    Certificate,
    /// The in-band upgrade.
    Upgrade,
}

/// What follows from a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is said, and the verdict stays.
    Note,
    /// The verdict is at least `at-risk`.
    ShouldNot,
    /// The verdict is `breaks`.
    MustNot,
}

/// When a rule applies: all that is given must hold. What cannot be seen never holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// The version negotiated, or one offered, is one of these.
    pub versions: Option<Vec<ProtocolVersion>>,
    /// The version negotiated, or the highest offered, is older than this.
    pub version_below: Option<ProtocolVersion>,
    /// The suite negotiated, or one offered, fits one of these.
    pub cipher_suites: Option<Vec<Glob>>,
    /// The suite negotiated fits none of these; no suite offered does.
    pub cipher_suites_not: Option<Vec<Glob>>,
    /// The group negotiated, or one offered, is one of these.
    pub groups: Option<Vec<Glob>>,
    /// The group negotiated is none of these; none offered is.
    pub groups_not: Option<Vec<Glob>>,
    /// The same of the groups of key_share; of an offer alone.
    pub key_shares_not: Option<Vec<Glob>>,
    /// One of the schemes offered is one of these.
    pub signature_algorithms: Option<Vec<Glob>>,
    /// None of the schemes offered is.
    pub signature_algorithms_not: Option<Vec<Glob>>,
    /// The certificate's key, or the kind of it ("RSA"), fits one of these.
    pub key: Option<Vec<Glob>>,
    /// It is of RSA or DSA and has fewer bits.
    pub key_bits_below: Option<u32>,
    /// It is on a curve, and on none of these.
    pub curves_not: Option<Vec<NamedGroup>>,
    /// How the certificate is signed fits one of these.
    pub certificate_signature: Option<Vec<Glob>>,
    /// It fits none of these.
    pub certificate_signature_not: Option<Vec<Glob>>,
    /// The certificate ended before the flow began.
    pub expired: Option<bool>,
    /// It was valid when the flow began, and ends within so many days.
    pub expires_within_days: Option<u32>,
    /// extended_master_secret was negotiated, or not.
    pub extended_master_secret: Option<bool>,
    /// The session was resumed, or not.
    pub resumed: Option<bool>,
    /// The state of the upgrade is one of these.
    pub upgrade: Option<Vec<Upgrade>>,
    /// A secret went over the wire in the clear.
    pub credentials_in_clear: Option<bool>,
    /// The session went on to its work in the clear.
    pub continued_in_clear: Option<bool>,
}

/// What came of a rule.
#[derive(Clone, Copy, Debug)]
pub struct Finding {
    /// The rule's id.
    pub id: &'static str,
    /// The verdict that it asks for; `None` for a note.
    pub verdict: Option<Verdict>,
    /// Who has to change.
    pub act: Option<Act>,
}

impl Rule {
    /// What the rule says of `record` as on `at`; `None` where it does not apply.
    pub fn finding(&self, record: &FlowRecord, at: Timestamp) -> Option<Finding> {
        if self.until.is_some_and(|until| at >= until) || !self.applies(record) {
            return None;
        }
        let announced = self.effective.is_some_and(|effective| at < effective);
        let verdict = match self.severity {
            Severity::Note => None,
            Severity::ShouldNot => Some(Verdict::AtRisk),
            Severity::MustNot if announced => Some(Verdict::AtRisk),
            Severity::MustNot => Some(Verdict::Breaks),
        };
        Some(Finding {
            id: self.id,
            verdict,
            act: self.act(record),
        })
    }

    fn applies(&self, record: &FlowRecord) -> bool {
        match self.scope {
            Scope::Offer => record
                .offer
                .as_deref()
                .is_some_and(|offer| self.when.of_offer(offer)),
            Scope::Negotiated => self.when.of_negotiated(record),
            Scope::Certificate => self.when.of_certificate(record),
            Scope::Upgrade => self.when.of_upgrade(record),
        }
    }

    /// Who has to change: for what was negotiated the server, where the client offered something better.
    fn act(&self, record: &FlowRecord) -> Option<Act> {
        match self.scope {
            Scope::Offer => Some(Act::Client),
            Scope::Certificate => Some(Act::Server),
            Scope::Negotiated => record.offer.as_deref().map(|offer| {
                if self.when.has_better(offer) {
                    Act::Server
                } else {
                    Act::Client
                }
            }),
            Scope::Upgrade if self.when.credentials_in_clear.is_some() => Some(Act::Client),
            Scope::Upgrade => who_lacks_tls(record.upgrade?),
        }
    }
}

impl Condition {
    /// A condition that facts of that scope never meet: a slip in the policy.
    pub fn foreign_to(&self, scope: Scope) -> Option<&'static str> {
        use Scope as S;
        let hello: &[Scope] = &[S::Offer, S::Negotiated];
        [
            ("versions", self.versions.is_some(), hello),
            ("version_below", self.version_below.is_some(), hello),
            ("cipher_suites", self.cipher_suites.is_some(), hello),
            ("cipher_suites_not", self.cipher_suites_not.is_some(), hello),
            ("groups", self.groups.is_some(), hello),
            ("groups_not", self.groups_not.is_some(), hello),
            ("key_shares_not", self.key_shares_not.is_some(), &[S::Offer]),
            (
                "signature_algorithms",
                self.signature_algorithms.is_some(),
                &[S::Offer],
            ),
            (
                "signature_algorithms_not",
                self.signature_algorithms_not.is_some(),
                &[S::Offer],
            ),
            ("key", self.key.is_some(), &[S::Certificate]),
            (
                "key_bits_below",
                self.key_bits_below.is_some(),
                &[S::Certificate],
            ),
            ("curves_not", self.curves_not.is_some(), &[S::Certificate]),
            (
                "certificate_signature",
                self.certificate_signature.is_some(),
                &[S::Certificate],
            ),
            (
                "certificate_signature_not",
                self.certificate_signature_not.is_some(),
                &[S::Certificate],
            ),
            ("expired", self.expired.is_some(), &[S::Certificate]),
            (
                "expires_within_days",
                self.expires_within_days.is_some(),
                &[S::Certificate],
            ),
            (
                "extended_master_secret",
                self.extended_master_secret.is_some(),
                hello,
            ),
            ("resumed", self.resumed.is_some(), &[S::Negotiated]),
            ("upgrade", self.upgrade.is_some(), &[S::Upgrade]),
            (
                "credentials_in_clear",
                self.credentials_in_clear.is_some(),
                &[S::Upgrade],
            ),
            (
                "continued_in_clear",
                self.continued_in_clear.is_some(),
                &[S::Upgrade],
            ),
        ]
        .into_iter()
        .find(|(_, given, scopes)| *given && !scopes.contains(&scope))
        .map(|(name, ..)| name)
    }

    fn of_offer(&self, offer: &Offer) -> bool {
        let top = offer.max_version();
        let suite = |globs: &[Glob]| offer.cipher_suites.iter().any(|s| suite_fits(*s, globs));
        let group = |globs: &[Glob]| {
            offer
                .named_groups
                .iter()
                .flatten()
                .any(|g| group_fits(*g, globs))
        };
        let share = |globs: &[Glob]| {
            offer
                .key_shares
                .iter()
                .flatten()
                .any(|g| group_fits(*g, globs))
        };
        let scheme = |globs: &[Glob]| {
            offer
                .signature_algorithms
                .iter()
                .flatten()
                .any(|s| scheme_fits(*s, globs))
        };
        holds(&self.versions, |list| {
            offer.versions.iter().any(|v| list.contains(v))
        }) && holds(&self.version_below, |min| {
            is_below(top.and_then(ProtocolVersion::rank), *min)
        }) && holds(&self.cipher_suites, |globs| suite(globs))
            && holds(&self.cipher_suites_not, |globs| !suite(globs))
            && holds(&self.groups, |globs| group(globs))
            && holds(&self.groups_not, |globs| {
                offer.named_groups.is_some() && !group(globs)
            })
            && holds(&self.key_shares_not, |globs| {
                offer.key_shares.is_some() && !share(globs)
            })
            && holds(&self.signature_algorithms, |globs| scheme(globs))
            && holds(&self.signature_algorithms_not, |globs| {
                offer.signature_algorithms.is_some() && !scheme(globs)
            })
            && holds(&self.extended_master_secret, |want| {
                !offer.from_record && offer.extended_master_secret == *want
            })
    }

    fn of_negotiated(&self, record: &FlowRecord) -> bool {
        let Some(version) = record.negotiated_version else {
            return false;
        };
        let suite = record.cipher_suite;
        let group = record.named_group;
        holds(
            &self.versions,
            |list| matches!(version, Version::Exact(v) if list.contains(&v)),
        ) && holds(&self.version_below, |min| is_below(version.rank(), *min))
            && holds(&self.cipher_suites, |globs| {
                suite.is_some_and(|s| suite_fits(s, globs))
            })
            && holds(&self.cipher_suites_not, |globs| {
                suite.is_some_and(|s| !suite_fits(s, globs))
            })
            && holds(&self.groups, |globs| {
                group.is_some_and(|g| group_fits(g, globs))
            })
            && holds(&self.groups_not, |globs| {
                group.is_some_and(|g| !group_fits(g, globs))
            })
            && holds(&self.extended_master_secret, |want| {
                record.extended_master_secret == Some(*want)
            })
            && holds(&self.resumed, |want| record.resumed == Some(*want))
    }

    fn of_certificate(&self, record: &FlowRecord) -> bool {
        let Some(certificate) = record.certificate.as_deref() else {
            return false;
        };
        let key = CertificateKey::named(&certificate.key);
        let days_left = days_left(certificate, record.first_seen);
        let any = |globs: &[Glob], text: &str| globs.iter().any(|glob| glob.matches(text));
        holds(&self.key, |globs| {
            any(globs, kind_of_key(&certificate.key)) || any(globs, &certificate.key)
        }) && holds(&self.key_bits_below, |least| {
            bits(&certificate.key).is_some_and(|bits| bits < *least)
        }) && holds(
            &self.curves_not,
            |own| matches!(key, Some(CertificateKey::Ecdsa(Some(curve))) if !own.contains(&curve)),
        ) && holds(&self.certificate_signature, |globs| {
            any(globs, &certificate.signature)
        }) && holds(&self.certificate_signature_not, |globs| {
            !any(globs, &certificate.signature)
        }) && holds(&self.expired, |want| {
            days_left.is_some_and(|days| (days < 0) == *want)
        }) && holds(&self.expires_within_days, |within| {
            days_left.is_some_and(|days| (0..i64::from(*within)).contains(&days))
        })
    }

    fn of_upgrade(&self, record: &FlowRecord) -> bool {
        // Without TLS, and not known to be in the clear: encrypted by something else.
        let sealed = record.outcome == Outcome::Unknown && record.carrier.is_none();
        !sealed
            && holds(&self.upgrade, |list| {
                record.upgrade.is_some_and(|state| list.contains(&state))
            })
            && holds(&self.credentials_in_clear, |want| {
                record.cleartext_credentials == Some(*want)
            })
            && holds(&self.continued_in_clear, |want| {
                record.continued_in_clear == Some(*want)
            })
    }

    /// Whether the client offers something that the condition, about what was negotiated, does not forbid.
    fn has_better(&self, offer: &Offer) -> bool {
        let version = |v: ProtocolVersion| {
            self.versions.as_ref().is_some_and(|list| list.contains(&v))
                || self
                    .version_below
                    .is_some_and(|min| is_below(v.rank(), min))
        };
        let suite = |s: CipherSuite| {
            self.cipher_suites
                .as_ref()
                .is_some_and(|globs| suite_fits(s, globs))
                || self
                    .cipher_suites_not
                    .as_ref()
                    .is_some_and(|globs| !suite_fits(s, globs))
        };
        let group = |g: NamedGroup| {
            self.groups
                .as_ref()
                .is_some_and(|globs| group_fits(g, globs))
                || self
                    .groups_not
                    .as_ref()
                    .is_some_and(|globs| !group_fits(g, globs))
        };
        let known = offer
            .cipher_suites
            .iter()
            .filter(|s| Suite::of(**s).is_some());
        offer
            .versions
            .iter()
            .any(|v| v.rank().is_some() && !version(*v))
            && known.copied().any(|s| !suite(s))
            && offer
                .named_groups
                .as_ref()
                .is_none_or(|groups| groups.iter().any(|g| !group(*g)))
            && (self.extended_master_secret != Some(false) || offer.extended_master_secret)
    }
}

/// Who has to change where a session could have been upgraded and was not; `None` where that cannot be told.
pub(super) const fn who_lacks_tls(upgrade: Upgrade) -> Option<Act> {
    match upgrade {
        Upgrade::NotRequested | Upgrade::OfferedUnused | Upgrade::AcceptedNoHello => {
            Some(Act::Client)
        }
        Upgrade::NotOffered | Upgrade::Refused => Some(Act::Server),
        Upgrade::HelloFailed
        | Upgrade::Upgraded
        | Upgrade::StrippedSuspected
        | Upgrade::Unknown => None,
    }
}

/// Whole days from `now` until the certificate ends, negative where it has ended; `None` where its end is not known.
pub(super) fn days_left(certificate: &Certificate, now: Timestamp) -> Option<i64> {
    let [end, now, day] = [certificate.not_after?.0, now.0, DAY_NS].map(i128::from);
    i64::try_from((end - now).div_euclid(day)).ok()
}

pub(super) const DAY_NS: u64 = 86_400_000_000_000;

/// A condition that is not given always holds.
fn holds<T>(condition: &Option<T>, test: impl FnOnce(&T) -> bool) -> bool {
    condition.as_ref().is_none_or(test)
}

fn is_below(rank: Option<u8>, min: ProtocolVersion) -> bool {
    rank.zip(min.rank()).is_some_and(|(rank, min)| rank < min)
}

fn suite_fits(suite: CipherSuite, globs: &[Glob]) -> bool {
    suite
        .name()
        .is_some_and(|name| globs.iter().any(|glob| glob.matches(name)))
}

fn group_fits(group: NamedGroup, globs: &[Glob]) -> bool {
    group
        .name()
        .is_some_and(|name| globs.iter().any(|glob| glob.matches(name)))
}

fn scheme_fits(scheme: SignatureScheme, globs: &[Glob]) -> bool {
    scheme
        .name()
        .is_some_and(|name| globs.iter().any(|glob| glob.matches(name)))
}

/// "RSA" of "RSA-2048", "ECDSA" of "ECDSA P-256".
fn kind_of_key(key: &str) -> &str {
    let kind = key.split(' ').next().unwrap_or_default();
    match kind.rsplit_once('-') {
        Some((kind, size)) if size.bytes().all(|b| b.is_ascii_digit()) => kind,
        _ => kind,
    }
}

/// The bits of "RSA-2048", "RSA-PSS-2048" or "DSA-1024".
fn bits(key: &str) -> Option<u32> {
    key.rsplit_once('-')
        .filter(|(kind, _)| kind.contains("RSA") || *kind == "DSA")?
        .1
        .parse()
        .ok()
}
