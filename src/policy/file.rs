//! Policies as TOML files: read, checked, and an error that says in which line what is wrong.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use super::accepts::{
    Accepts, CertificateCurve, CertificateKey, Dhe, GroupsWhenNoneSent, Habits, SignatureCheck,
    SuiteOrder,
};
use super::glob::Glob;
use super::role::Role;
use super::rule::{Condition, DAY_NS, Rule, Scope, Severity};
use super::{Policy, Source};
use crate::hello::registry::{CipherSuite, NamedGroup, SignatureScheme};
use crate::hello::version::ProtocolVersion;
use crate::record::Upgrade;
use crate::time::Timestamp;

/// A policy file that says something that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Line, from 1; `None` where the file as a whole is meant.
    pub line: Option<usize>,
    /// What is wrong there, one line.
    pub cause: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.cause),
            None => f.write_str(&self.cause),
        }
    }
}

impl std::error::Error for PolicyError {}

/// Reads a policy.
///
/// # Errors
/// Where it is not TOML, has a key that a policy does not have, or a name that no registry has.
pub fn parse(text: &str) -> Result<Policy, PolicyError> {
    let file: PolicyToml = toml::from_str(text).map_err(|error| PolicyError {
        line: error.span().map(|span| line_of(text, span.start)),
        // The message alone: the whole error draws the line, too.
        cause: error.message().lines().collect::<Vec<_>>().join("; "),
    })?;
    file.policy().map_err(|(span, cause)| PolicyError {
        line: Some(line_of(text, span.start)),
        cause,
    })
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

type Wrong = (Range<usize>, String);
type Names = Option<Vec<Spanned<String>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyToml {
    name: Spanned<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    sources: Vec<SourceToml>,
    #[serde(default)]
    checked: Option<Spanned<String>>,
    #[serde(default)]
    effective: Option<Spanned<Datetime>>,
    #[serde(default)]
    accepts: Option<AcceptsToml>,
    #[serde(default)]
    rule: Vec<RuleToml>,
    #[serde(default)]
    role: Vec<RoleToml>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceToml {
    url: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    date: Option<Spanned<Datetime>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptsToml {
    #[serde(default)]
    min_version: Option<Spanned<String>>,
    #[serde(default)]
    max_version: Option<Spanned<String>>,
    #[serde(default)]
    cipher_suites: Names,
    #[serde(default)]
    groups: Names,
    #[serde(default)]
    signature_algorithms: Names,
    #[serde(default)]
    certificates: Option<Vec<CertificateToml>>,
    #[serde(default)]
    extended_master_secret: Option<Spanned<String>>,
    #[serde(default)]
    encrypt_then_mac: Option<Spanned<String>>,
    #[serde(default)]
    server_name: Option<Spanned<String>>,
    #[serde(default)]
    cleartext: Option<Spanned<String>>,
    #[serde(default)]
    habits: HabitsToml,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CertificateToml {
    key: Spanned<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct HabitsToml {
    #[serde(default)]
    software: Option<Spanned<String>>,
    #[serde(default)]
    suite_order: Option<Spanned<String>>,
    #[serde(default)]
    dhe: Option<Spanned<String>>,
    #[serde(default)]
    groups_when_none_sent: Option<Spanned<String>>,
    #[serde(default)]
    signature_check: Option<Spanned<String>>,
    #[serde(default)]
    certificate_curve: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleToml {
    id: Spanned<String>,
    scope: Spanned<String>,
    severity: Spanned<String>,
    #[serde(default)]
    effective: Option<Spanned<Datetime>>,
    #[serde(default)]
    until: Option<Spanned<Datetime>>,
    when: Spanned<ConditionToml>,
    #[serde(default)]
    citation: Option<String>,
    #[serde(default)]
    says: Option<String>,
    #[serde(default)]
    remedy: RemedyToml,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RemedyToml {
    #[serde(default)]
    client: Option<String>,
    #[serde(default)]
    server: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionToml {
    #[serde(default)]
    versions: Names,
    #[serde(default)]
    version_below: Option<Spanned<String>>,
    #[serde(default)]
    cipher_suites: Names,
    #[serde(default)]
    cipher_suites_not: Names,
    #[serde(default)]
    groups: Names,
    #[serde(default)]
    groups_not: Names,
    #[serde(default)]
    key_shares_not: Names,
    #[serde(default)]
    signature_algorithms: Names,
    #[serde(default)]
    signature_algorithms_not: Names,
    #[serde(default)]
    key: Option<Vec<String>>,
    #[serde(default)]
    key_bits_below: Option<u32>,
    #[serde(default)]
    curves_not: Names,
    #[serde(default)]
    certificate_signature: Option<Vec<String>>,
    #[serde(default)]
    certificate_signature_not: Option<Vec<String>>,
    #[serde(default)]
    expired: Option<bool>,
    #[serde(default)]
    expires_within_days: Option<u32>,
    #[serde(default)]
    extended_master_secret: Option<bool>,
    #[serde(default)]
    resumed: Option<bool>,
    #[serde(default)]
    upgrade: Names,
    #[serde(default)]
    credentials_in_clear: Option<bool>,
    #[serde(default)]
    continued_in_clear: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleToml {
    name: String,
    #[serde(default)]
    sni: Vec<String>,
    #[serde(default)]
    banner: Vec<String>,
    #[serde(default)]
    certificate_name: Vec<String>,
    #[serde(default)]
    port: Vec<u16>,
}

impl PolicyToml {
    fn policy(self) -> Result<Policy, Wrong> {
        if self.name.get_ref().is_empty() {
            return Err((self.name.span(), "a policy needs a name".into()));
        }
        if let Some(checked) = &self.checked
            && !matches!(checked.get_ref().as_str(), "primary" | "secondary")
        {
            return Err(not_one_of(checked, &["primary", "secondary"]));
        }
        let sources = self
            .sources
            .into_iter()
            .map(SourceToml::source)
            .collect::<Result<_, _>>()?;
        let mut rules: Vec<Rule> = Vec::new();
        for rule in self.rule {
            let span = rule.id.span();
            let rule = rule.rule()?;
            if rules.iter().any(|other| other.id == rule.id) {
                return Err((
                    span,
                    format!("there are two rules with the id `{}`", rule.id),
                ));
            }
            rules.push(rule);
        }
        Ok(Policy {
            title: self
                .title
                .unwrap_or_else(|| self.name.get_ref().clone())
                .into(),
            name: self.name.into_inner().into(),
            sources,
            secondary: self
                .checked
                .is_some_and(|checked| checked.get_ref() == "secondary"),
            effective: self.effective.as_ref().map(day).transpose()?,
            accepts: self.accepts.map(AcceptsToml::accepts).transpose()?,
            rules: rules.into(),
            roles: self.role.into_iter().map(RoleToml::role).collect(),
        })
    }
}

impl SourceToml {
    fn source(self) -> Result<Source, Wrong> {
        Ok(Source {
            title: self.title.unwrap_or_else(|| self.url.clone()),
            url: self.url,
            date: self
                .date
                .as_ref()
                .map(|date| day(date).map(|_| date.get_ref().to_string()))
                .transpose()?,
        })
    }
}

impl AcceptsToml {
    fn accepts(self) -> Result<Accepts, Wrong> {
        let certificates = self
            .certificates
            .map(|list| {
                let key = |c: CertificateToml| {
                    CertificateKey::named(c.key.get_ref()).ok_or_else(|| {
                        (
                            c.key.span(),
                            format!(
                                "`{}` is no kind of key; write \"RSA-2048\", \"ECDSA P-256\", \"Ed25519\"",
                                c.key.get_ref()
                            ),
                        )
                    })
                };
                list.into_iter().map(key).collect::<Result<Vec<_>, Wrong>>()
            })
            .transpose()?;
        let accepts = Accepts {
            min_version: self.min_version.as_ref().map(version).transpose()?,
            max_version: self.max_version.as_ref().map(version).transpose()?,
            cipher_suites: all(self.cipher_suites, suite)?,
            groups: all(self.groups, group)?,
            signature_algorithms: all(self.signature_algorithms, scheme)?,
            certificates,
            extended_master_secret: required(self.extended_master_secret.as_ref())?,
            encrypt_then_mac: required(self.encrypt_then_mac.as_ref())?,
            server_name: required(self.server_name.as_ref())?,
            refuses_cleartext: match &self.cleartext {
                None => false,
                Some(word) => match word.get_ref().as_str() {
                    "served" => false,
                    "refused" => true,
                    _ => return Err(not_one_of(word, &["served", "refused"])),
                },
            },
            habits: self.habits.habits()?,
        };
        if let (Some(min), Some(max)) = (&self.min_version, accepts.max_version)
            && accepts.min_version.and_then(ProtocolVersion::rank) > max.rank()
        {
            return Err((
                min.span(),
                format!("min_version is above max_version, {max}"),
            ));
        }
        Ok(accepts)
    }
}

impl HabitsToml {
    fn habits(self) -> Result<Habits, Wrong> {
        let mut habits = match &self.software {
            None => Habits::default(),
            Some(name) => Habits::of_software(name.get_ref())
                .ok_or_else(|| not_one_of(name, Habits::SOFTWARE))?,
        };
        macro_rules! habit {
            ($field:ident, $type:ident) => {
                if let Some(word) = &self.$field {
                    habits.$field = $type::named(word.get_ref())
                        .ok_or_else(|| not_one_of(word, $type::WORDS))?;
                    habits.said.$field = true;
                }
            };
        }
        if let Some(word) = &self.suite_order {
            habits.suite_order = SuiteOrder::named(word.get_ref())
                .ok_or_else(|| not_one_of(word, SuiteOrder::WORDS))?;
        }
        habit!(dhe, Dhe);
        habit!(groups_when_none_sent, GroupsWhenNoneSent);
        habit!(signature_check, SignatureCheck);
        habit!(certificate_curve, CertificateCurve);
        Ok(habits)
    }
}

impl RuleToml {
    fn rule(self) -> Result<Rule, Wrong> {
        let id = self.id.get_ref();
        if id.is_empty()
            || !id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
        {
            return Err((
                self.id.span(),
                format!("`{id}` is no id: write small letters, digits, `-` and `.`"),
            ));
        }
        let scope = match self.scope.get_ref().as_str() {
            "offer" => Scope::Offer,
            "negotiated" => Scope::Negotiated,
            "certificate" => Scope::Certificate,
            "upgrade" => Scope::Upgrade,
            _ => {
                return Err(not_one_of(
                    &self.scope,
                    &["offer", "negotiated", "certificate", "upgrade"],
                ));
            }
        };
        let severity = match self.severity.get_ref().as_str() {
            "must-not" => Severity::MustNot,
            "should-not" => Severity::ShouldNot,
            "note" => Severity::Note,
            _ => {
                return Err(not_one_of(
                    &self.severity,
                    &["must-not", "should-not", "note"],
                ));
            }
        };
        let span = self.when.span();
        let when = self.when.into_inner().condition()?;
        if let Some(stranger) = when.foreign_to(scope) {
            return Err((
                span,
                format!(
                    "`{stranger}` cannot be asked of scope \"{}\"",
                    self.scope.get_ref()
                ),
            ));
        }
        if when == Condition::default() {
            return Err((
                span,
                "a rule without a condition would apply to everything".into(),
            ));
        }
        Ok(Rule {
            // A policy is read once in a run and lives as long; records and counts name its rules without a count of
            // references.
            id: Box::leak(self.id.into_inner().into_boxed_str()),
            scope,
            severity,
            effective: self.effective.as_ref().map(day).transpose()?,
            // The last day on which it holds.
            until: self
                .until
                .as_ref()
                .map(day)
                .transpose()?
                .map(|day| Timestamp(day.0 + DAY_NS)),
            citation: self.citation,
            says: self.says,
            remedy_client: self.remedy.client,
            remedy_server: self.remedy.server,
            when,
        })
    }
}

impl ConditionToml {
    fn condition(self) -> Result<Condition, Wrong> {
        let globs =
            |list: Option<Vec<String>>| list.map(|list| list.into_iter().map(Glob::new).collect());
        Ok(Condition {
            versions: all(self.versions, version)?,
            version_below: self.version_below.as_ref().map(version).transpose()?,
            cipher_suites: all(self.cipher_suites, suites)?,
            cipher_suites_not: all(self.cipher_suites_not, suites)?,
            groups: all(self.groups, groups)?,
            groups_not: all(self.groups_not, groups)?,
            key_shares_not: all(self.key_shares_not, groups)?,
            signature_algorithms: all(self.signature_algorithms, schemes)?,
            signature_algorithms_not: all(self.signature_algorithms_not, schemes)?,
            key: globs(self.key),
            key_bits_below: self.key_bits_below,
            curves_not: all(self.curves_not, curve)?,
            certificate_signature: globs(self.certificate_signature),
            certificate_signature_not: globs(self.certificate_signature_not),
            expired: self.expired,
            expires_within_days: self.expires_within_days,
            extended_master_secret: self.extended_master_secret,
            resumed: self.resumed,
            upgrade: all(self.upgrade, |word| {
                let words = || {
                    Upgrade::ALL
                        .iter()
                        .map(|state| state.name())
                        .collect::<Vec<_>>()
                };
                Upgrade::ALL
                    .iter()
                    .copied()
                    .find(|state| state.name() == word.get_ref())
                    .ok_or_else(|| not_one_of(word, &words()))
            })?,
            credentials_in_clear: self.credentials_in_clear,
            continued_in_clear: self.continued_in_clear,
        })
    }
}

impl RoleToml {
    fn role(self) -> Role {
        let globs = |list: Vec<String>| list.into_iter().map(Glob::new).collect();
        Role {
            name: Arc::from(self.name),
            sni: globs(self.sni),
            banner: globs(self.banner),
            certificate_name: globs(self.certificate_name),
            port: self.port,
        }
    }
}

fn all<T>(
    names: Names,
    read: impl Fn(&Spanned<String>) -> Result<T, Wrong>,
) -> Result<Option<Vec<T>>, Wrong> {
    names
        .map(|names| names.iter().map(read).collect())
        .transpose()
}

fn not_one_of(word: &Spanned<String>, words: &[&str]) -> Wrong {
    (
        word.span(),
        format!("`{}` is not one of {}", word.get_ref(), words.join(", ")),
    )
}

fn required(word: Option<&Spanned<String>>) -> Result<bool, Wrong> {
    match word {
        None => Ok(false),
        Some(word) => match word.get_ref().as_str() {
            "required" => Ok(true),
            "optional" => Ok(false),
            _ => Err(not_one_of(word, &["required", "optional"])),
        },
    }
}

fn version(name: &Spanned<String>) -> Result<ProtocolVersion, Wrong> {
    ProtocolVersion::named(name.get_ref())
        .filter(|version| version.rank().is_some())
        .ok_or_else(|| {
            (
                name.span(),
                format!("`{}` is no version; write \"TLS 1.2\"", name.get_ref()),
            )
        })
}

fn suite(name: &Spanned<String>) -> Result<CipherSuite, Wrong> {
    CipherSuite::named(name.get_ref()).ok_or_else(|| {
        (
            name.span(),
            format!(
                "`{}` is no cipher suite that IANA lists; write \"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\"",
                name.get_ref()
            ),
        )
    })
}

fn group(name: &Spanned<String>) -> Result<NamedGroup, Wrong> {
    NamedGroup::named(name.get_ref()).ok_or_else(|| {
        (
            name.span(),
            format!(
                "`{}` is no group that IANA lists; write \"secp256r1\", \"x25519\"",
                name.get_ref()
            ),
        )
    })
}

/// A pattern of names, of which some registered name has to be one: else it is a slip.
fn pattern(
    text: &Spanned<String>,
    what: &str,
    mut names: impl Iterator<Item = &'static str>,
) -> Result<Glob, Wrong> {
    let glob = Glob::new(text.get_ref().clone());
    if names.any(|name| glob.matches(name)) {
        return Ok(glob);
    }
    Err((
        text.span(),
        format!("no {what} that IANA lists is called `{}`", text.get_ref()),
    ))
}

fn suites(text: &Spanned<String>) -> Result<Glob, Wrong> {
    pattern(text, "cipher suite", CipherSuite::names())
}

fn groups(text: &Spanned<String>) -> Result<Glob, Wrong> {
    pattern(
        text,
        "group",
        (0..=u16::MAX).filter_map(|n| NamedGroup(n).name()),
    )
}

fn schemes(text: &Spanned<String>) -> Result<Glob, Wrong> {
    pattern(
        text,
        "signature scheme",
        (0..=u16::MAX).filter_map(|n| SignatureScheme(n).name()),
    )
}

fn curve(name: &Spanned<String>) -> Result<NamedGroup, Wrong> {
    match CertificateKey::named(&format!("ECDSA {}", name.get_ref())) {
        Some(CertificateKey::Ecdsa(Some(curve))) => Ok(curve),
        _ => group(name),
    }
}

fn scheme(name: &Spanned<String>) -> Result<SignatureScheme, Wrong> {
    SignatureScheme::named(name.get_ref()).ok_or_else(|| {
        (
            name.span(),
            format!(
                "`{}` is no signature scheme that IANA lists; write \"rsa_pss_rsae_sha256\"",
                name.get_ref()
            ),
        )
    })
}

fn day(date: &Spanned<Datetime>) -> Result<Timestamp, Wrong> {
    let text = date.get_ref().to_string();
    let day = text.get(..10).filter(|_| date.get_ref().date.is_some());
    day.and_then(Timestamp::from_date)
        .ok_or_else(|| (date.span(), format!("`{text}` is no day; write 2027-01-01")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_their_line_and_cause() {
        for (text, line, cause) in [
            ("title = \"x\"", Some(1), "missing field `name`"),
            ("name = \"x\"\nfoo = 1", Some(2), "unknown field `foo`"),
            (
                "name = \"x\"\n[accepts]\nmin_version = \"TLS 1.4\"",
                Some(3),
                "`TLS 1.4` is no version",
            ),
            (
                "name = \"x\"\n[accepts]\ncipher_suites = [\n  \"TLS_AES_128_GCM_SHA256\",\n  \"AES128-SHA\",\n]",
                Some(5),
                "`AES128-SHA` is no cipher suite",
            ),
            (
                "name = \"x\"\n[accepts]\ngroups = [\"P-256\"]",
                Some(3),
                "`P-256` is no group",
            ),
            (
                "name = \"x\"\n[accepts.habits]\nsoftware = \"schannel\"",
                Some(3),
                "`schannel` is not one of openssl, go",
            ),
            (
                "name = \"x\"\n[accepts]\nmin_version = \"TLS 1.3\"\nmax_version = \"TLS 1.2\"",
                Some(3),
                "min_version is above",
            ),
            ("name = \"x\"\neffective = 12:00:00", Some(2), "is no day"),
            ("name = \"x", Some(1), "invalid basic string"),
            (
                "name = \"x\"\n[[rule]]\nid = \"a\"\nscope = \"offer\"\nseverity = \"note\"\nwhen = { expired = true }",
                Some(6),
                "`expired` cannot be asked of scope \"offer\"",
            ),
            (
                "name = \"x\"\n[[rule]]\nid = \"A b\"\nscope = \"offer\"\nseverity = \"note\"\nwhen = {}",
                Some(3),
                "`A b` is no id",
            ),
            (
                "name = \"x\"\nsources = [{ title = \"no url\" }]",
                Some(2),
                "missing field `url`",
            ),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.line, line, "{text}: {error}");
            assert!(error.cause.contains(cause), "{text}: {error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }

    #[test]
    fn the_contracts_example_is_read() {
        let policy = parse(
            r#"
name = "example"
title = "What our relay takes from 2027-01-01"
sources = [{ url = "https://relay.example", title = "Notice", date = 2026-11-01 }]
effective = 2027-01-01
[accepts]
min_version = "TLS 1.2"
max_version = "TLS 1.3"
cipher_suites = ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"]
groups = ["X25519MLKEM768", "x25519", "secp256r1"]
signature_algorithms = ["rsa_pss_rsae_sha256", "rsa_pkcs1_sha256"]
certificates = [{ key = "RSA-2048" }, { key = "ECDSA P-256" }]
extended_master_secret = "required"
encrypt_then_mac = "required"
server_name = "required"
cleartext = "refused"
[accepts.habits]
software = "go"
signature_check = "rsa-after-suite"
[[rule]]
id = "cert-sha1"
scope = "certificate"
severity = "should-not"
when = { certificate_signature = ["sha1*"] }
remedy = { server = "Renew it." }
[[role]]
name = "Exchange Online Protection"
sni = ["*.mail.protection.outlook.com"]
"#,
        )
        .expect("it is the contract's");
        let accepts = policy.accepts.expect("given");
        assert_eq!(accepts.min_version, Some(ProtocolVersion::TLS_1_2));
        assert_eq!(accepts.groups.map(|g| g.len()), Some(3));
        assert_eq!(accepts.habits.dhe, Dhe::None);
        assert_eq!(
            accepts.habits.signature_check,
            SignatureCheck::RsaAfterSuite
        );
        assert!(accepts.refuses_cleartext && accepts.server_name);
        assert_eq!(policy.effective, Timestamp::from_date("2027-01-01"));
        assert_eq!(policy.rules.len(), 1);
        assert_eq!(policy.roles.len(), 1);
    }
}
