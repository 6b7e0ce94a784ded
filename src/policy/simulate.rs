//! What a server that takes just what a policy accepts makes of a ClientHello.
//!
//! In: a client's whole offer, and what the far end takes. Out: what would be chosen, or the first thing that fails, or
//! what of it no hello tells. The order is the one in which servers decide: server_name, version, suite (with group,
//! certificate and signature algorithm), extensions. A wrong answer is worse than none.

use super::accepts::{
    Accepts, CertificateCurve, CertificateKey, Dhe, GroupsWhenNoneSent, Habits, SSL_3_0,
    SignatureCheck, SuiteOrder, TLS_1_2, TLS_1_3,
};
use super::reason;
use super::suite::{Authentication, Exchange, Suite};
use crate::hello::Offer;
use crate::hello::registry::{CipherSuite, NamedGroup, SignatureScheme};
use crate::hello::version::{ProtocolVersion, is_grease};

/// What would come of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simulation {
    /// It would be taken, with this.
    Chosen(Chosen),
    /// It would fail; the reason's id.
    Fails(&'static str),
    /// No hello tells; the reason's id.
    Unknown(&'static str),
}

/// What would be negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Chosen {
    /// Rank of the version, as [`ProtocolVersion::rank`].
    pub rank: u8,
    /// Number of the suite.
    pub cipher_suite: u16,
    /// Number of the group; `None` where the suite needs none, or none can be foretold.
    pub named_group: Option<u16>,
    /// The server would ask for another key share first.
    pub hello_retry: bool,
}

impl Chosen {
    /// The version in the words of TLS over TCP.
    pub const fn version(self) -> ProtocolVersion {
        match self.rank {
            TLS_1_3 => ProtocolVersion::TLS_1_3,
            TLS_1_2 => ProtocolVersion::TLS_1_2,
            3 => ProtocolVersion::TLS_1_1,
            2 => ProtocolVersion::TLS_1_0,
            SSL_3_0 => ProtocolVersion::SSL_3_0,
            _ => ProtocolVersion::SSL_2_0,
        }
    }
}

/// Plays the server. `certificates`: the keys that it has; `None`: of every kind. `taken`: a curve of a certificate's
/// key that this client was seen to take.
///
/// Where the policy does not say what its software's habits are and one of them decides, it is not known. `is_shown`: the
/// far end was seen to answer this very offer with what is still taken, so it needs no guess how it answers.
pub fn simulate(
    offer: &Offer,
    accepts: &Accepts,
    certificates: Option<&[CertificateKey]>,
    taken: Option<NamedGroup>,
    is_shown: bool,
) -> Simulation {
    let play = |habits| play(offer, accepts, habits, certificates, taken);
    let first = play(accepts.habits);
    if is_shown && matches!(first, Simulation::Chosen(_)) {
        return first;
    }
    let differs =
        |other: &Simulation| std::mem::discriminant(other) != std::mem::discriminant(&first);
    if matches!(first, Simulation::Unknown(_)) {
        return first;
    }
    match accepts.habits.others().map(play).find(differs) {
        None => first,
        Some(unknown @ Simulation::Unknown(_)) => unknown,
        Some(_) => Simulation::Unknown(reason::SOFTWARE_NOT_NAMED),
    }
}

/// Plays the server with these habits.
fn play(
    offer: &Offer,
    accepts: &Accepts,
    habits: Habits,
    certificates: Option<&[CertificateKey]>,
    taken: Option<NamedGroup>,
) -> Simulation {
    let kept;
    let offer = match &offer.named_groups {
        Some(groups) if habits.quirks.keeps_eleven_groups => {
            let known = |g: &&NamedGroup| matches!(g.0, 18..=30);
            let finite_fields = groups.iter().filter(|g| is_ffdhe(**g));
            let curves = groups.iter().filter(known).take(11);
            kept = Offer {
                named_groups: Some(curves.chain(finite_fields).copied().collect()),
                ..offer.clone()
            };
            &kept
        }
        _ => offer,
    };
    let with = |certificates| {
        let server = Server {
            offer,
            accepts,
            habits,
            certificates,
            taken,
        };
        server
            .answer()
            .map_or_else(|other| other, Simulation::Chosen)
    };
    let chosen;
    let certificates = match certificates {
        Some(keys) if habits.quirks.ecdsa_before_all && keys.len() > 1 => {
            let wants_ecdsa = lists_ecdsa(offer);
            let is_it =
                |key: &&CertificateKey| matches!(key, CertificateKey::Ecdsa(_)) == wants_ecdsa;
            chosen = keys.iter().find(is_it).copied();
            chosen.as_ref().map(std::slice::from_ref).or(certificates)
        }
        _ => certificates,
    };
    match certificates {
        // Who looks at the signature after the suite looks for the certificate before it, and takes the first with which
        // the handshake can be done.
        Some(keys) if keys.len() > 1 && habits.signature_check == SignatureCheck::AfterSuite => {
            let each = || keys.iter().map(|key| with(Some(std::slice::from_ref(key))));
            each()
                .find(|simulation| matches!(simulation, Simulation::Chosen(_)))
                .or_else(|| each().find(|simulation| matches!(simulation, Simulation::Unknown(_))))
                .unwrap_or_else(|| with(certificates))
        }
        _ => with(certificates),
    }
}

/// Rank of the version that the far end would choose.
///
/// # Errors
/// What the offer fails with.
fn version(offer: &Offer, accepts: &Accepts) -> Result<(u8, Lowered), Simulation> {
    let (min, max) = accepts.ranks();
    // RFC 7507 section 3: a retry at a lower version than the server could do is refused. What the client offered
    // first is in another flow.
    if offer.fallback_scsv && offer.max_version().and_then(ProtocolVersion::rank) < Some(max) {
        return Err(Simulation::Unknown(reason::FALLBACK_RETRY));
    }
    if offer.has_supported_versions {
        // Drafts of TLS 1.3 are taken by nobody any more.
        let ranks = || {
            offer
                .versions
                .iter()
                .filter(|v| v.name().is_some())
                .filter_map(|v| v.rank())
        };
        return match ranks().filter(|rank| (min..=max).contains(rank)).max() {
            // Stacks list versions that their own security level then refuses: TLS 1.1 and before sign with SHA-1, and
            // OpenSSL 3 lists them all the same. One that takes SHA-1 signatures means it.
            Some(rank) => Ok((
                rank,
                Lowered(rank < TLS_1_2 && ranks().any(|r| r >= TLS_1_2) && !takes_sha1(offer)),
            )),
            None if ranks().all(|rank| rank < min) => {
                Err(Simulation::Fails(reason::MIN_VERSION_OFFER))
            }
            None if ranks().all(|rank| rank > max) => Err(Simulation::Fails(reason::MAX_VERSION)),
            None => Err(Simulation::Fails(reason::VERSION)),
        };
    }
    let legacy = offer.legacy_version;
    // RFC 9846 section 4.3.1: without supported_versions at most TLS 1.2 is negotiated, whatever the number.
    let top = match legacy.rank() {
        Some(rank) => rank.min(TLS_1_2),
        None if (0x0305..0x0400).contains(&legacy.0) => TLS_1_2,
        None => return Err(Simulation::Unknown(reason::UNRANKED_VERSION)),
    };
    if top < min {
        return Err(Simulation::Fails(reason::MIN_VERSION_OFFER));
    }
    Ok((top.min(max), Lowered(top > max)))
}

/// The server would choose less than the only version that the hello names, or a version below TLS 1.2 where the client
/// has newer ones: whether the client takes that, the hello does not say.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Lowered(bool);

struct Server<'a> {
    offer: &'a Offer,
    accepts: &'a Accepts,
    habits: Habits,
    certificates: Option<&'a [CertificateKey]>,
    /// A curve of a certificate's key that the client was seen to take.
    taken: Option<NamedGroup>,
}

/// Whether the client lists an ECDSA signature and a suite that can go with an ECDSA key.
fn lists_ecdsa(offer: &Offer) -> bool {
    let schemes = offer.signature_algorithms.iter().flatten();
    let mut suites = offer.cipher_suites.iter();
    schemes.clone().any(|scheme| scheme.0 & 0xff == 3)
        && suites.any(|suite| {
            Suite::of(*suite).is_some_and(|facts| {
                matches!(
                    facts.authentication,
                    Authentication::Ecdsa | Authentication::Tls13
                )
            })
        })
}

/// Whether the client takes signatures with SHA-1, in words or by saying nothing.
fn takes_sha1(offer: &Offer) -> bool {
    let schemes = offer.signature_algorithms.as_deref();
    schemes.is_none_or(|schemes| schemes.iter().any(|s| SHA1_DEFAULTS.contains(s)))
}

impl Server<'_> {
    fn answer(&self) -> Result<Chosen, Simulation> {
        if self.accepts.server_name && !self.offer.has_server_name {
            return Err(Simulation::Fails(reason::SERVER_NAME));
        }
        let (rank, lowered) = version(self.offer, self.accepts)?;
        if rank == TLS_1_3 {
            return self.tls13();
        }
        let chosen = self.up_to_tls12(rank)?;
        if self.accepts.extended_master_secret && !self.offer.extended_master_secret {
            return Err(if self.offer.from_record {
                Simulation::Unknown(reason::OFFER_NOT_SAVED)
            } else {
                Simulation::Fails(reason::EXTENDED_MASTER_SECRET)
            });
        }
        if lowered == Lowered(true) {
            return Err(Simulation::Unknown(reason::CLIENT_MINIMUM_VERSION));
        }
        Ok(chosen)
    }

    fn tls13(&self) -> Result<Chosen, Simulation> {
        let fails = |reason| Err(Simulation::Fails(reason));
        let Some(suite) = self.shared_suites().find(|(_, facts)| facts.is_tls13()) else {
            return fails(reason::CIPHER_SUITES);
        };
        // RFC 9846 section 9.2: supported_groups and signature_algorithms are mandatory where a certificate is used.
        let Some(groups) = &self.offer.named_groups else {
            return fails(reason::GROUPS);
        };
        let shares = self.offer.key_shares.as_deref().unwrap_or_default();
        let mut common = groups
            .iter()
            .filter(|g| is_tls13_group(**g) && self.takes_group(**g));
        let Some(first) = common.clone().next() else {
            return fails(reason::GROUPS);
        };
        let with_share = common.find(|g| shares.contains(g));
        let Some(schemes) = &self.offer.signature_algorithms else {
            return fails(reason::SIGNATURE_ALGORITHMS);
        };
        let usable = |key: Option<CertificateKey>| {
            schemes
                .iter()
                .any(|s| self.takes_scheme(*s) && signs(key, *s, TLS_1_3))
        };
        if !self.any_key(usable) {
            return fails(reason::SIGNATURE_ALGORITHMS);
        }
        // Only a certificate with an ECDSA key is left to it, which an RSA key may have signed.
        let is_other = |key| !matches!(key, None | Some(CertificateKey::Ecdsa(_)));
        if !self.lists_rsa() && !self.any_key(|key| usable(key) && is_other(key)) {
            return Err(Simulation::Unknown(
                reason::CERTIFICATE_SIGNATURE_NOT_LISTED,
            ));
        }
        Ok(Chosen {
            rank: TLS_1_3,
            cipher_suite: suite.0.0,
            named_group: Some(with_share.unwrap_or(first).0),
            hello_retry: with_share.is_none(),
        })
    }

    fn up_to_tls12(&self, rank: u8) -> Result<Chosen, Simulation> {
        if self.habits.quirks.must_share_signature
            && rank == TLS_1_2
            && let Some(schemes) = &self.offer.signature_algorithms
            && !schemes.iter().any(|scheme| self.takes_scheme(*scheme))
        {
            return Err(Simulation::Fails(reason::SIGNATURE_ALGORITHMS));
        }
        // What the suite that came furthest failed of.
        let mut furthest = Hurdle::CipherSuite;
        for (suite, facts) in self.shared_suites() {
            if facts.authentication == Authentication::Other {
                continue;
            }
            match self.suite(facts, rank) {
                Ok(group) => {
                    return Ok(Chosen {
                        rank,
                        cipher_suite: suite.0,
                        named_group: group.map(|g| g.0),
                        hello_retry: false,
                    });
                }
                Err(Miss::Skip(hurdle)) => furthest = furthest.max(hurdle),
                Err(Miss::End(simulation)) => return Err(simulation),
            }
        }
        Err(match furthest {
            Hurdle::EncryptThenMac if self.offer.from_record => {
                Simulation::Unknown(reason::OFFER_NOT_SAVED)
            }
            Hurdle::CipherSuite if self.has_unusual_suite() => {
                Simulation::Unknown(reason::UNUSUAL_SUITES)
            }
            hurdle => Simulation::Fails(hurdle.reason()),
        })
    }

    /// Suites that both sides have, in the order in which the server tries them.
    fn shared_suites(&self) -> impl Iterator<Item = (CipherSuite, Suite)> {
        let offered = self.offer.cipher_suites.as_slice();
        let (first, second) = match &self.accepts.cipher_suites {
            None => (offered, offered),
            Some(own) if self.habits.suite_order == SuiteOrder::Server => (own.as_slice(), offered),
            Some(own) => (offered, own.as_slice()),
        };
        first
            .iter()
            .filter(|suite| second.contains(suite))
            .filter_map(|suite| Some((*suite, Suite::of(*suite)?)))
    }

    /// Whether both sides may have a suite that works without a certificate (anonymous, or by a shared secret), or one
    /// that IANA does not list.
    fn has_unusual_suite(&self) -> bool {
        let own = self.accepts.cipher_suites.as_deref();
        self.offer
            .cipher_suites
            .iter()
            .filter(|suite| own.is_none_or(|own| own.contains(suite)))
            .any(|suite| match Suite::of(*suite) {
                Some(facts) => facts.authentication == Authentication::Other,
                None => !is_grease(suite.0) && !suite.is_signal(),
            })
    }

    /// Whether a suite of TLS 1.2 or before can be used, and its group.
    fn suite(&self, suite: Suite, rank: u8) -> Result<Option<NamedGroup>, Miss> {
        let skip = |hurdle| Err(Miss::Skip(hurdle));
        if suite.is_tls13() || suite.since_tls12 && rank < TLS_1_2 {
            return skip(Hurdle::CipherSuite);
        }
        let group = match suite.exchange {
            Exchange::Ecdhe if rank <= SSL_3_0 => return skip(Hurdle::CipherSuite),
            Exchange::Ecdhe => Some(self.curve()?),
            Exchange::Dhe => {
                self.finite_field()?;
                None
            }
            _ => None,
        };
        self.certificate(suite, rank)?;
        if self.accepts.encrypt_then_mac && suite.cbc && !self.offer.encrypt_then_mac {
            return skip(Hurdle::EncryptThenMac);
        }
        // The Montgomery curves' points have one format.
        if self.habits.quirks.first_point_format
            && group.is_some_and(|group| !matches!(group.0, 29 | 30))
        {
            if self.offer.from_record {
                return Err(Miss::End(Simulation::Unknown(reason::OFFER_NOT_SAVED)));
            }
            if self.offer.compressed_points_first {
                return Err(Miss::End(Simulation::Unknown(reason::POINT_FORMAT)));
            }
        }
        Ok(group)
    }

    /// The group of ECDHE.
    fn curve(&self) -> Result<NamedGroup, Miss> {
        let own = self.accepts.groups.as_deref();
        match &self.offer.named_groups {
            Some(groups) => {
                let common = |g: &&NamedGroup| is_curve(**g) && self.takes_group(**g);
                match own {
                    // The server's order.
                    Some(own) => own.iter().find(|g| is_curve(**g) && groups.contains(g)),
                    None => groups.iter().find(common),
                }
                .copied()
                .ok_or(if self.habits.quirks.sends_unlisted_group {
                    Miss::End(Simulation::Unknown(reason::GROUP_NOT_LISTED))
                } else {
                    Miss::Skip(Hurdle::Group)
                })
            }
            None if self.habits.groups_when_none_sent == GroupsWhenNoneSent::NoEcdhe => {
                Err(Miss::Skip(Hurdle::Group))
            }
            None => match own {
                Some(own) => own.iter().copied().find(|g| {
                    is_curve(*g)
                        && (!self.habits.quirks.p256_when_none_sent || *g == NamedGroup(23))
                }),
                None => Some(NamedGroup(23)),
            }
            .ok_or(Miss::Skip(Hurdle::Group)),
        }
    }

    /// Diffie-Hellman in a finite field.
    fn finite_field(&self) -> Result<(), Miss> {
        if let Some(groups) = &self.offer.named_groups
            && self.habits.quirks.dhe_wants_listed_field
            && groups.iter().copied().any(is_curve)
            && !groups.iter().copied().any(is_ffdhe)
        {
            return Err(Miss::Skip(Hurdle::FiniteFieldGroup));
        }
        // RFC 7919 section 4 takes a list of curves for one of a client that knows no other groups. Who knows TLS 1.3 knows
        // them, and may refuse what it left out.
        let leaves_out = self.offer.named_groups.as_ref().is_some_and(|groups| {
            self.offer.versions.contains(&ProtocolVersion::TLS_1_3)
                && !groups.iter().copied().any(is_ffdhe)
        });
        if leaves_out && self.habits.dhe != Dhe::None {
            return Err(Miss::End(Simulation::Unknown(reason::DHE_PARAMETERS)));
        }
        match self.habits.dhe {
            Dhe::Fixed => {
                // RFC 7919 section 4 lets the server take its own parameters; a client that lists larger fields alone may
                // find them too small.
                let listed = self.offer.named_groups.iter().flatten();
                let mut listed = listed.filter(|g| is_ffdhe(**g)).peekable();
                // ffdhe2048, the smallest.
                if listed.peek().is_some() && !listed.any(|g| *g == NamedGroup(256)) {
                    return Err(Miss::End(Simulation::Unknown(reason::DHE_PARAMETERS)));
                }
                Ok(())
            }
            Dhe::None => Err(Miss::Skip(Hurdle::CipherSuite)),
            Dhe::Negotiated => {
                let own = |g: NamedGroup| is_ffdhe(g) && self.takes_group(g);
                let offered = self.offer.named_groups.as_deref().unwrap_or_default();
                // RFC 7919 section 4: a client that lists none takes any.
                let fits = if offered.iter().copied().any(is_ffdhe) {
                    offered.iter().copied().any(own)
                } else {
                    self.accepts
                        .groups
                        .as_ref()
                        .is_none_or(|groups| groups.iter().copied().any(is_ffdhe))
                };
                if fits {
                    Ok(())
                } else {
                    Err(Miss::Skip(Hurdle::FiniteFieldGroup))
                }
            }
        }
    }

    /// A certificate for the suite, with a curve that the client takes and an algorithm to sign with.
    fn certificate(&self, suite: Suite, rank: u8) -> Result<(), Miss> {
        let habits = &self.habits;
        let rsa_after_suite = habits.signature_check == SignatureCheck::RsaAfterSuite
            && suite.authentication == Authentication::Rsa;
        let mut furthest = Hurdle::CertificateKey;
        let mut unlisted_curve = false;
        let keys: &mut dyn Iterator<Item = Option<CertificateKey>> = match self.certificates {
            None => &mut std::iter::once(None),
            Some(keys) => &mut keys.iter().copied().map(Some),
        };
        for key in keys {
            if !authenticates(key, suite, rank) {
                continue;
            }
            let mut unlisted = false;
            if let Some(CertificateKey::Ecdsa(Some(curve))) = key {
                let listed = self
                    .offer
                    .named_groups
                    .as_ref()
                    .is_none_or(|groups| groups.contains(&curve));
                let taken = self.taken == Some(curve);
                let fits = match habits.certificate_curve {
                    CertificateCurve::ClientGroups => {
                        listed || taken && !habits.said.certificate_curve
                    }
                    CertificateCurve::BothGroups => listed && self.takes_group(curve),
                    CertificateCurve::Ignored => {
                        unlisted = !listed && !taken;
                        true
                    }
                };
                if !fits {
                    furthest = furthest.max(Hurdle::CertificateCurve);
                    continue;
                }
            }
            if habits.quirks.ecdsa_signed_by_ecdsa
                && rank < TLS_1_2
                && matches!(key, Some(CertificateKey::Ecdsa(_)))
            {
                return Err(Miss::End(Simulation::Unknown(
                    reason::CERTIFICATE_SIGNATURE_NOT_LISTED,
                )));
            }
            let must_sign = suite.is_signed() || rsa_after_suite;
            // Before TLS 1.2 there is nothing to choose: MD5 with SHA-1, or SHA-1.
            if must_sign && rank == TLS_1_2 && !self.has_scheme(key, suite) {
                furthest = furthest.max(Hurdle::SignatureAlgorithm);
                continue;
            }
            if rank == TLS_1_2 && matches!(key, Some(CertificateKey::Ecdsa(_))) && !self.lists_rsa()
            {
                return Err(Miss::End(Simulation::Unknown(
                    reason::CERTIFICATE_SIGNATURE_NOT_LISTED,
                )));
            }
            if !unlisted {
                return Ok(());
            }
            unlisted_curve = true;
        }
        if unlisted_curve {
            return Err(Miss::End(Simulation::Unknown(
                reason::CERTIFICATE_CURVE_NOT_LISTED,
            )));
        }
        let checked_late = rsa_after_suite || habits.signature_check == SignatureCheck::AfterSuite;
        if furthest == Hurdle::SignatureAlgorithm && checked_late {
            return Err(Miss::End(Simulation::Fails(reason::SIGNATURE_ALGORITHMS)));
        }
        Err(Miss::Skip(furthest))
    }

    /// Whether the client takes a signature that the server makes with `key`, in TLS 1.2.
    fn has_scheme(&self, key: Option<CertificateKey>, suite: Suite) -> bool {
        let (schemes, whatever) = match &self.offer.signature_algorithms {
            Some(schemes) => (schemes.as_slice(), false),
            None => (SHA1_DEFAULTS, self.habits.quirks.sha1_for_the_silent),
        };
        let binds = self.habits.quirks.binds_ecdsa_to_curve
            && matches!(key, Some(CertificateKey::Ecdsa(Some(_))));
        schemes.iter().any(|scheme| {
            (whatever || self.takes_scheme(*scheme))
                && signs(key, *scheme, TLS_1_2)
                && (!binds || signs(key, *scheme, TLS_1_3))
                && family(*scheme) == Some(suite.authentication)
        })
    }

    /// Whether it lists a signature by an RSA key, or says nothing.
    fn lists_rsa(&self) -> bool {
        let schemes = self.offer.signature_algorithms.as_deref();
        schemes.is_none_or(|schemes| {
            schemes
                .iter()
                .any(|s| family(*s) == Some(Authentication::Rsa))
        })
    }

    fn any_key(&self, usable: impl Fn(Option<CertificateKey>) -> bool) -> bool {
        match self.certificates {
            None => usable(None),
            Some(keys) => keys.iter().any(|key| usable(Some(*key))),
        }
    }

    fn takes_group(&self, group: NamedGroup) -> bool {
        self.accepts
            .groups
            .as_ref()
            .is_none_or(|own| own.contains(&group))
    }

    fn takes_scheme(&self, scheme: SignatureScheme) -> bool {
        self.accepts
            .signature_algorithms
            .as_ref()
            .is_none_or(|own| own.contains(&scheme))
    }
}

/// Why a suite is not the one.
enum Miss {
    /// The next one may be.
    Skip(Hurdle),
    /// The handshake ends here.
    End(Simulation),
}

/// What a suite failed of, in the order in which it is looked at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hurdle {
    CipherSuite,
    FiniteFieldGroup,
    Group,
    CertificateKey,
    CertificateCurve,
    SignatureAlgorithm,
    EncryptThenMac,
}

impl Hurdle {
    const fn reason(self) -> &'static str {
        match self {
            Self::CipherSuite => reason::CIPHER_SUITES,
            Self::FiniteFieldGroup => reason::FFDHE_GROUPS,
            Self::Group => reason::GROUPS,
            Self::CertificateKey => reason::CERTIFICATE_KEY,
            Self::CertificateCurve => reason::CERTIFICATE_CURVE,
            Self::SignatureAlgorithm => reason::SIGNATURE_ALGORITHMS,
            Self::EncryptThenMac => reason::ENCRYPT_THEN_MAC,
        }
    }
}

/// Whether a certificate with `key` serves `suite`; `None` is a key of the right kind.
fn authenticates(key: Option<CertificateKey>, suite: Suite, rank: u8) -> bool {
    use CertificateKey as K;
    match (suite.authentication, key) {
        (Authentication::Other | Authentication::Tls13, _) => false,
        (_, None) => true,
        (Authentication::Rsa, Some(K::Rsa(_))) => true,
        // RFC 4055 section 1.2: such a key signs and does nothing else; RFC 8446 section 4.2.3 lets TLS 1.2 use it.
        (Authentication::Rsa, Some(K::RsaPss(_))) => suite.is_signed() && rank == TLS_1_2,
        (Authentication::Ecdsa, Some(K::Ecdsa(_))) => true,
        (Authentication::Ecdsa, Some(K::Ed25519 | K::Ed448)) => {
            suite.is_signed() && rank == TLS_1_2
        }
        (Authentication::Dss, Some(K::Dsa)) => true,
        _ => false,
    }
}

/// The kind of suites of TLS 1.2 that a scheme signs for; `None` for numbers without meaning here.
const fn family(scheme: SignatureScheme) -> Option<Authentication> {
    Some(match scheme.0 {
        0x0101 | 0x0201 | 0x0301 | 0x0401 | 0x0501 | 0x0601 | 0x0804..=0x0806 | 0x0809..=0x080b => {
            Authentication::Rsa
        }
        0x0203 | 0x0303 | 0x0403 | 0x0503 | 0x0603 | 0x0807 | 0x0808 => Authentication::Ecdsa,
        0x0102 | 0x0202 | 0x0302 | 0x0402 | 0x0502 | 0x0602 => Authentication::Dss,
        _ => return None,
    })
}

/// Whether `key` can make signatures of `scheme` in that version; `None` is a key of the right kind.
fn signs(key: Option<CertificateKey>, scheme: SignatureScheme, rank: u8) -> bool {
    use CertificateKey as K;
    let tls13 = rank == TLS_1_3;
    // EMSA-PSS with a salt as long as the hash needs twice that and two bytes (RFC 8017 section 9.1.1).
    let fits = |bits: Option<u32>, hash_bytes: u32| {
        bits.is_none_or(|bits| bits >= 8 * (2 * hash_bytes + 2))
    };
    let pss = |bits, first| {
        matches!(scheme.0.checked_sub(first), Some(0..=2))
            && fits(
                bits,
                match scheme.0 - first {
                    0 => 32,
                    1 => 48,
                    _ => 64,
                },
            )
    };
    let pkcs1 = matches!(
        scheme.0,
        0x0101 | 0x0201 | 0x0301 | 0x0401 | 0x0501 | 0x0601
    );
    match key {
        None if tls13 => {
            matches!(scheme.0, 0x0403 | 0x0503 | 0x0603 | 0x0804..=0x080b | 0x081a..=0x081c | 0x0904..=0x0906)
        }
        None => family(scheme).is_some(),
        Some(K::Rsa(bits)) => pss(bits, 0x0804) || !tls13 && pkcs1,
        Some(K::RsaPss(bits)) => pss(bits, 0x0809),
        Some(K::Ecdsa(curve)) if tls13 => match curve {
            Some(NamedGroup(23)) => scheme.0 == 0x0403,
            Some(NamedGroup(24)) => scheme.0 == 0x0503,
            Some(NamedGroup(25)) => scheme.0 == 0x0603,
            // RFC 8734.
            Some(NamedGroup(26 | 31)) => scheme.0 == 0x081a,
            Some(NamedGroup(27 | 32)) => scheme.0 == 0x081b,
            Some(NamedGroup(28 | 33)) => scheme.0 == 0x081c,
            _ => false,
        },
        Some(K::Ecdsa(_)) => matches!(scheme.0, 0x0203 | 0x0303 | 0x0403 | 0x0503 | 0x0603),
        Some(K::Ed25519) => scheme.0 == 0x0807,
        Some(K::Ed448) => scheme.0 == 0x0808,
        Some(K::Dsa) => !tls13 && matches!(family(scheme), Some(Authentication::Dss)),
        Some(K::MlDsa(44)) => tls13 && scheme.0 == 0x0904,
        Some(K::MlDsa(65)) => tls13 && scheme.0 == 0x0905,
        Some(K::MlDsa(_)) => tls13 && scheme.0 == 0x0906,
    }
}

/// A curve for ECDHE up to TLS 1.2: RFC 8422, RFC 7027, RFC 8998.
const fn is_curve(group: NamedGroup) -> bool {
    matches!(group.0, 1..=30 | 41)
}

/// A finite field of RFC 7919.
const fn is_ffdhe(group: NamedGroup) -> bool {
    matches!(group.0, 256..=260)
}

/// A group that TLS 1.3 has a use for: RFC 9846 section 4.3.7, RFC 8734, RFC 8998, RFC 10024. Of curves for TLS 1.2 alone
/// and of drafts that are given up, none.
const fn is_tls13_group(group: NamedGroup) -> bool {
    matches!(group.0, 23..=25 | 29..=33 | 41 | 256..=260 | 512..=514 | 4587..=4590)
}

/// RFC 5246 section 7.4.1.4.1: what a client without signature_algorithms takes.
const SHA1_DEFAULTS: &[SignatureScheme] = &[
    SignatureScheme(0x0201),
    SignatureScheme(0x0202),
    SignatureScheme(0x0203),
];
