//! From a record's facts to its verdict.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};

use super::accepts::{Accepts, CertificateKey, TLS_1_3};
use super::rule::{DAY_NS, days_left, who_lacks_tls};
use super::simulate::{Chosen, Simulation, simulate};
use super::{Policy, reason};
use crate::hello::Offer;
use crate::hello::registry::{CipherSuite, NamedGroup};
use crate::hello::version::ProtocolVersion;
use crate::record::{
    Act, Certificate, FlowRecord, Outcome, Route, Upgrade, Verdict, Version, is_host_name,
};
use crate::time::Timestamp;

/// Judges records, one after another, by one policy. Pure in what it says: a trace has few stacks that do the same thing
/// many times, and that it remembers what it said of them saves time alone.
#[derive(Debug)]
pub struct Judge<'a> {
    policy: &'a Policy,
    /// Its name. This judge's own: the workers would wait for each other to count who holds one that is shared.
    name: Arc<str>,
    /// The day that the user named.
    at: Option<Timestamp>,
    judged: HashMap<Facts, Judged, FixedState>,
    roles: Roles,
}

/// Everything of a record that decides over its verdict.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Facts {
    /// Places of what records share, 0 for none; what is remembered keeps it there.
    offer: usize,
    certificate: usize,
    outcome: Outcome,
    negotiated: Option<Version>,
    cipher_suite: Option<CipherSuite>,
    named_group: Option<NamedGroup>,
    extended_master_secret: Option<bool>,
    resumed: Option<bool>,
    upgrade: Option<Upgrade>,
    continued_in_clear: Option<bool>,
    cleartext_credentials: Option<bool>,
    starttls_injection: bool,
    is_retry: bool,
    via: bool,
    relays_mail: bool,
    /// Whole days until the certificate ends; dates of rules are days, too.
    certificate_days: Option<i64>,
    day: u64,
}

#[derive(Debug)]
struct Judged {
    verdict: Verdict,
    reasons: Vec<&'static str>,
    act: Option<Act>,
    predicted: Option<Chosen>,
    _offer: Option<Arc<Offer>>,
    _certificate: Option<Arc<Certificate>>,
}

/// Judgements that are remembered.
const MAX_REMEMBERED: usize = 1_024;

impl Facts {
    fn of(record: &FlowRecord, at: Timestamp) -> Self {
        let certificate = record.certificate.as_ref();
        Self {
            offer: record
                .offer
                .as_ref()
                .map_or(0, |offer| Arc::as_ptr(offer) as usize),
            certificate: certificate.map_or(0, |c| Arc::as_ptr(c) as usize),
            outcome: record.outcome,
            negotiated: record.negotiated_version,
            cipher_suite: record.cipher_suite,
            named_group: record.named_group,
            extended_master_secret: record.extended_master_secret,
            resumed: record.resumed,
            upgrade: record.upgrade,
            continued_in_clear: record.continued_in_clear,
            cleartext_credentials: record.cleartext_credentials,
            starttls_injection: record.starttls_injection,
            is_retry: record.is_retry,
            via: record.via.is_some(),
            relays_mail: record.upgrade.is_some() && relays_mail(record),
            certificate_days: certificate.and_then(|c| days_left(c, record.first_seen)),
            day: at.0 / DAY_NS,
        }
    }
}

#[derive(Clone, Copy)]
struct Judgement {
    verdict: Verdict,
    reason: Option<&'static str>,
    act: Option<Act>,
}

impl Judgement {
    const OK: Self = Self {
        verdict: Verdict::Ok,
        reason: None,
        act: None,
    };

    const fn unknown(reason: &'static str) -> Self {
        Self {
            verdict: Verdict::Unknown,
            reason: Some(reason),
            act: None,
        }
    }

    const fn breaks(reason: &'static str, act: Option<Act>) -> Self {
        Self {
            verdict: Verdict::Breaks,
            reason: Some(reason),
            act,
        }
    }
}

impl<'a> Judge<'a> {
    /// Judges by `policy` as on `at`; `None`: as on the day of each flow's last packet.
    pub fn new(policy: &'a Policy, at: Option<Timestamp>) -> Self {
        Self {
            policy,
            name: Arc::from(&*policy.name),
            at,
            judged: HashMap::with_hasher(FixedState::with_seed(0)),
            roles: Roles::new(),
        }
    }

    /// Judges `record` and writes the judgement into it: `policy`, `verdict`, `reasons`, `act`, `role`.
    pub fn judge(&mut self, record: &mut FlowRecord) {
        let policy = self.policy;
        let at = self.at.unwrap_or(record.last_seen);
        record.policy = Some(Arc::clone(&self.name));
        record.role = self.roles.of(policy, record);
        self.give_verdict(record, at);
    }

    /// Judges anew what turned out to be a retry ([`fallback`](super::fallback)) of a `first` offer. The rest of the
    /// judgement stays: it may come from names that stand in the record as pseudonyms now.
    pub fn judge_as_retry(&mut self, record: &mut FlowRecord, first: &Offer) {
        let accepts = self.policy.accepts.as_ref();
        let would_fail = accepts.is_some_and(|accepts| {
            let keys = accepts.certificates.as_deref();
            matches!(
                simulate(first, accepts, keys, None, false),
                Simulation::Fails(_)
            )
        });
        if !would_fail {
            record.is_retry = true;
            self.give_verdict(record, self.at.unwrap_or(record.last_seen));
        } else if !record.reasons.contains(&reason::FALLBACK_RETRY) {
            // The client can do no better, so the verdict stays.
            record.reasons.push(reason::FALLBACK_RETRY);
        }
    }

    /// Writes `verdict`, `reasons` and `act`.
    fn give_verdict(&mut self, record: &mut FlowRecord, at: Timestamp) {
        let facts = Facts::of(record, at);
        if let Some(judged) = self.judged.get(&facts) {
            record.verdict = judged.verdict;
            record.reasons.clone_from(&judged.reasons);
            record.act = judged.act;
            record.predicted = judged.predicted;
            return;
        }
        self.judge_anew(record, at);
        if self.judged.len() >= MAX_REMEMBERED {
            self.judged.clear();
        }
        let judged = Judged {
            verdict: record.verdict,
            reasons: record.reasons.clone(),
            act: record.act,
            predicted: record.predicted,
            _offer: record.offer.clone(),
            _certificate: record.certificate.clone(),
        };
        self.judged.insert(facts, judged);
    }

    /// What [`Facts`] does not hold must not be asked for here.
    fn judge_anew(&self, record: &mut FlowRecord, at: Timestamp) {
        let policy = self.policy;
        let mut judgement = self.by_facts(record);
        record.reasons.clear();
        record.reasons.extend(judgement.reason);
        if judgement.verdict == Verdict::Breaks
            && judgement.reason != Some(reason::CLEARTEXT_REFUSED)
        {
            self.without_tls(record, &mut judgement);
        }
        for rule in &*policy.rules {
            let Some(finding) = rule.finding(record, at) else {
                continue;
            };
            if let Some(verdict) = finding.verdict
                && verdict > judgement.verdict
            {
                judgement.verdict = verdict;
                judgement.act = finding.act;
                // What decides stands first.
                record.reasons.insert(0, finding.id);
            } else {
                if finding.verdict == Some(judgement.verdict) {
                    judgement.act = both(judgement.act, finding.act);
                }
                record.reasons.push(finding.id);
            }
        }
        if policy.effective.is_some_and(|effective| at < effective)
            && matches!(judgement.verdict, Verdict::Breaks | Verdict::GoesCleartext)
        {
            judgement.verdict = Verdict::AtRisk;
            record.reasons.push(reason::NOT_YET_IN_FORCE);
        }
        if record.cleartext_credentials == Some(true) {
            record.reasons.push(reason::CLEARTEXT_CREDENTIALS);
        }
        let says_so = record
            .offer
            .as_deref()
            .is_some_and(|offer| offer.fallback_scsv);
        if (says_so || record.is_retry) && !record.reasons.contains(&reason::FALLBACK_RETRY) {
            record.reasons.push(reason::FALLBACK_RETRY);
        }
        if record.starttls_injection {
            record.reasons.push(reason::STARTTLS_INJECTION);
        }
        record.verdict = judgement.verdict;
        record.act = judgement.act;
    }

    /// What the far end that the policy describes makes of the offer, and what the capture shows of this one.
    fn by_facts(&self, record: &mut FlowRecord) -> Judgement {
        let simulation = self.simulation(record);
        record.predicted = match simulation {
            Some(Simulation::Chosen(chosen)) => Some(chosen),
            _ => None,
        };
        let fresh = match record
            .negotiated_version
            .map(|v| self.policy.accepts_version(v))
        {
            Some(None) => return Judgement::unknown(reason::UNRANKED_VERSION),
            Some(Some(Fit::TooOld)) => {
                return Judgement::breaks(reason::MIN_VERSION, too_old(record, simulation));
            }
            Some(Some(fit)) => Some(fit),
            None => None,
        };
        if let Some(judgement) = self.in_the_clear(record) {
            return judgement;
        }
        match simulation {
            Some(Simulation::Fails(reason)) => return Judgement::breaks(reason, Some(Act::Client)),
            Some(Simulation::Unknown(reason)) => return Judgement::unknown(reason),
            Some(Simulation::Chosen(_)) => {
                return match record.outcome {
                    // The answer was not captured; the offer is whole.
                    Outcome::Negotiated
                    | Outcome::ServerHelloOnly
                    | Outcome::JoinedMidStream
                    | Outcome::ClientHelloOnly => Judgement::OK,
                    // A refusal of today, whatever its cause, is not undone by a good offer.
                    outcome => Judgement::unknown(undecided(outcome)),
                };
            }
            None => {}
        }
        // Without an offer, or without a description of the far end.
        match (record.outcome, fresh) {
            (
                Outcome::Negotiated | Outcome::ServerHelloOnly | Outcome::JoinedMidStream,
                Some(Fit::Good),
            ) => match &self.policy.accepts {
                Some(accepts) => negotiated_fits(record, accepts),
                None => Judgement::OK,
            },
            (_, Some(Fit::TooNew)) => Judgement::unknown(reason::OFFER_NOT_SEEN),
            (outcome, _) => Judgement::unknown(undecided(outcome)),
        }
    }

    fn simulation(&self, record: &FlowRecord) -> Option<Simulation> {
        let (accepts, offer) = (self.policy.accepts.as_ref()?, record.offer.as_ref()?);
        // Where the policy does not say which certificates the far end has, the one that was seen stands for them.
        let seen = match &accepts.certificates {
            Some(_) => None,
            None => record
                .certificate
                .as_deref()
                .and_then(|c| CertificateKey::named(&c.key)),
        };
        let taken = match record
            .certificate
            .as_deref()
            .and_then(|c| CertificateKey::named(&c.key))
        {
            Some(CertificateKey::Ecdsa(curve)) if record.outcome == Outcome::Negotiated => curve,
            _ => None,
        };
        let fits = record
            .negotiated_version
            .and_then(|version| self.policy.accepts_version(version))
            == Some(Fit::Good);
        let is_shown = record.outcome == Outcome::Negotiated
            && fits
            && negotiated_fits(record, accepts).verdict == Verdict::Ok;
        let ems = offer.from_record && record.extended_master_secret == Some(true);
        let seen_list = seen.map(|key| [key]);
        let certificates = accepts
            .certificates
            .as_deref()
            .or(seen_list.as_ref().map(|keys| &keys[..]));
        let whole;
        let offer = if ems {
            // What was negotiated had been offered.
            whole = Offer {
                extended_master_secret: true,
                ..(**offer).clone()
            };
            &whole
        } else {
            offer
        };
        let play =
            |keys: Option<&[CertificateKey]>| simulate(offer, accepts, keys, taken, is_shown);
        let simulation = play(certificates);
        // TLS 1.3 hides the key. Before it the suite has to go with it, and the client's groups with its curve.
        let is_hidden = certificates.is_none()
            && record.negotiated_version.and_then(Version::rank) == Some(TLS_1_3);
        if let Simulation::Chosen(chosen) = simulation
            && is_hidden
            && chosen.rank < TLS_1_3
        {
            let kinds = [
                CertificateKey::Rsa(None),
                CertificateKey::Ecdsa(Some(NamedGroup(23))),
            ];
            let fits = |key: &CertificateKey| {
                matches!(play(Some(std::slice::from_ref(key))), Simulation::Chosen(_))
            };
            if !kinds.iter().all(fits) {
                return Some(Simulation::Unknown(reason::CERTIFICATE_NOT_SEEN));
            }
        }
        match simulation {
            // What the client brought itself down to fails; what it offers first was in the attempt before.
            Simulation::Fails(_) if record.is_retry => {
                Some(Simulation::Unknown(reason::FALLBACK_RETRY))
            }
            _ => Some(simulation),
        }
    }

    /// A session without TLS goes on where the far end serves such; what it says is there for all to read. One that asked
    /// for TLS, did not get it and went on is what opportunistic TLS comes to.
    fn in_the_clear(&self, record: &FlowRecord) -> Option<Judgement> {
        let upgrade = record
            .upgrade
            .filter(|_| record.outcome == Outcome::Cleartext)?;
        let went_on = record.continued_in_clear == Some(true);
        if self
            .policy
            .accepts
            .as_ref()
            .is_some_and(|accepts| accepts.refuses_cleartext)
        {
            return Some(match upgrade {
                Upgrade::Unknown if !went_on => Judgement::unknown(reason::CLEARTEXT),
                // It left when it saw that there was no TLS, or only looked.
                _ if !went_on && record.cleartext_credentials != Some(true) => {
                    Judgement::unknown(reason::CLEARTEXT)
                }
                _ => Judgement::breaks(reason::CLEARTEXT_REFUSED, who_lacks_tls(upgrade)),
            });
        }
        let verdict = match upgrade {
            Upgrade::Refused | Upgrade::AcceptedNoHello | Upgrade::StrippedSuspected if went_on => {
                Verdict::GoesCleartext
            }
            Upgrade::Unknown if !went_on => Verdict::Unknown,
            _ => Verdict::AtRisk,
        };
        Some(Judgement {
            verdict,
            reason: Some(reason::CLEARTEXT),
            act: None,
        })
    }

    /// TLS would fail: an in-band upgrade may go on without it.
    fn without_tls(&self, record: &mut FlowRecord, judgement: &mut Judgement) {
        let is_upgrade = matches!(
            record.upgrade,
            Some(Upgrade::Upgraded | Upgrade::HelloFailed)
        ) && record.via.is_none();
        let refused = self
            .policy
            .accepts
            .as_ref()
            .is_some_and(|accepts| accepts.refuses_cleartext);
        if !is_upgrade || refused {
            return;
        }
        if record.continued_in_clear == Some(true) {
            judgement.verdict = Verdict::GoesCleartext;
        } else if relays_mail(record) {
            judgement.verdict = Verdict::GoesCleartext;
            record.reasons.push(reason::OPPORTUNISTIC_ASSUMED);
        } else {
            record.reasons.push(reason::MAY_GO_CLEARTEXT);
        }
    }
}

/// How a version fits between a policy's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Accepted.
    Good,
    /// Below the minimum.
    TooOld,
    /// Above the maximum: the far end would choose less.
    TooNew,
}

impl Policy {
    /// Whether what the policy describes takes the version; `None` where no standard ranks it. Drafts of TLS 1.3 count as
    /// TLS 1.3.
    pub fn accepts_version(&self, version: Version) -> Option<Fit> {
        let rank = version.rank()?;
        let Some(accepts) = &self.accepts else {
            return Some(Fit::Good);
        };
        let (min, max) = accepts.ranks();
        Some(match version {
            _ if rank > max => Fit::TooNew,
            _ if rank >= min => Fit::Good,
            // 1.2 or 1.3, and 1.3 would do.
            Version::Tls12OrLater => return None,
            Version::Exact(_) => Fit::TooOld,
        })
    }
}

/// Who has to change where a version that is too old was negotiated: the server, where the client offered a newer one.
fn too_old(record: &FlowRecord, simulation: Option<Simulation>) -> Option<Act> {
    let offer = record.offer.as_deref()?;
    match simulation? {
        Simulation::Chosen(_) => Some(Act::Server),
        // A retry after the first offer failed: the client could do more.
        Simulation::Unknown(reason::FALLBACK_RETRY) => Some(Act::Server),
        Simulation::Fails(reason::MIN_VERSION_OFFER) => Some(Act::Client),
        // The server chose less than was offered, and the offer would not do either.
        Simulation::Fails(_) => {
            let offered = offer.max_version().and_then(ProtocolVersion::rank);
            let negotiated = record.negotiated_version.and_then(Version::rank);
            Some(if offered > negotiated {
                Act::Both
            } else {
                Act::Client
            })
        }
        Simulation::Unknown(_) => None,
    }
}

/// The offer was not captured: what was negotiated fits, or the rest is not known.
fn negotiated_fits(record: &FlowRecord, accepts: &Accepts) -> Judgement {
    if record.outcome == Outcome::JoinedMidStream || record.cipher_suite.is_none() {
        let only_version = accepts.cipher_suites.is_none()
            && accepts.groups.is_none()
            && accepts.signature_algorithms.is_none()
            && accepts.certificates.is_none()
            && !(accepts.extended_master_secret || accepts.encrypt_then_mac || accepts.server_name);
        return if only_version {
            Judgement::OK
        } else {
            Judgement::unknown(undecided(record.outcome))
        };
    }
    let suite = accepts
        .cipher_suites
        .as_ref()
        .is_none_or(|own| record.cipher_suite.is_some_and(|s| own.contains(&s)));
    let group = accepts
        .groups
        .as_ref()
        .is_none_or(|own| record.named_group.is_some_and(|g| own.contains(&g)));
    let rest = accepts.signature_algorithms.is_none()
        && accepts.certificates.is_none()
        && !accepts.server_name
        && !accepts.encrypt_then_mac
        && (!accepts.extended_master_secret || record.extended_master_secret == Some(true));
    if suite && group && rest {
        Judgement::OK
    } else {
        Judgement::unknown(reason::OFFER_NOT_SEEN)
    }
}

/// What is remembered of roles: patterns are slow, and the same names come again and again.
#[derive(Debug)]
struct Roles {
    known: HashTable<(RoleKey, Option<Arc<str>>)>,
    hasher: FixedState,
}

#[derive(Debug)]
struct RoleKey {
    sni: Option<Box<str>>,
    banner: Option<Box<str>>,
    client_name: Option<Box<str>>,
    certificate: Option<Arc<Certificate>>,
    port: Option<u16>,
    route: Option<Route>,
}

impl RoleKey {
    fn hash(record: &FlowRecord, hasher: &FixedState) -> u64 {
        hasher.hash_one((
            record.sni.as_deref(),
            record.server_name_banner.as_deref(),
            record.client_name.as_deref(),
            record.certificate.as_ref().map(Arc::as_ptr),
            record.server_port,
            record.route,
        ))
    }

    fn is_of(&self, record: &FlowRecord) -> bool {
        let certificate = |c: &Option<Arc<Certificate>>| c.as_ref().map(Arc::as_ptr);
        self.port == record.server_port
            && self.route == record.route
            && certificate(&self.certificate) == certificate(&record.certificate)
            && self.sni.as_deref() == record.sni.as_deref()
            && self.banner.as_deref() == record.server_name_banner.as_deref()
            && self.client_name.as_deref() == record.client_name.as_deref()
    }
}

impl Roles {
    const fn new() -> Self {
        Self {
            known: HashTable::new(),
            hasher: FixedState::with_seed(0),
        }
    }

    fn of(&mut self, policy: &Policy, record: &FlowRecord) -> Option<Arc<str>> {
        if policy.roles.is_empty() {
            return None;
        }
        let hash = RoleKey::hash(record, &self.hasher);
        if let Some((_, role)) = self.known.find(hash, |(key, _)| key.is_of(record)) {
            return role.clone();
        }
        let role = policy
            .roles
            .iter()
            .find(|role| role.fits(record))
            .map(|role| Arc::clone(&role.name));
        if self.known.len() >= MAX_REMEMBERED {
            self.known.clear();
        }
        let boxed = |name: &Option<Box<str>>| name.as_deref().map(Into::into);
        let key = RoleKey {
            sni: record.sni.as_deref().map(Into::into),
            banner: boxed(&record.server_name_banner),
            client_name: boxed(&record.client_name),
            certificate: record.certificate.clone(),
            port: record.server_port,
            route: record.route,
        };
        self.known
            .insert_unique(hash, (key, role.clone()), |(key, _)| {
                self.hasher.hash_one((
                    key.sni.as_deref(),
                    key.banner.as_deref(),
                    key.client_name.as_deref(),
                    key.certificate.as_ref().map(Arc::as_ptr),
                    key.port,
                    key.route,
                ))
            });
        role
    }
}

/// A mail server that delivers to another: SMTP on port 25, by a client that calls itself by a host name, as RFC 5321
/// section 4.1.1.1 asks of servers. (A device on the LAN may do so too; hence the assumption is said.)
fn relays_mail(record: &FlowRecord) -> bool {
    let named = record.client_name.as_deref().is_some_and(is_host_name);
    record.service == Some("smtp") && record.server_port == Some(25) && named
}

const fn both(a: Option<Act>, b: Option<Act>) -> Option<Act> {
    match (a, b) {
        (None, other) | (other, None) => other,
        (Some(Act::Client), Some(Act::Client)) => Some(Act::Client),
        (Some(Act::Server), Some(Act::Server)) => Some(Act::Server),
        _ => Some(Act::Both),
    }
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
