//! What a rule set says of a flow whose facts are known.
//!
//! In: a [`FlowRecord`](crate::record::FlowRecord) with its observation complete. Out: the same record with `policy`,
//! `verdict`, `reasons`, `act` and `role` set. Pure, and after the facts: a policy can be changed and applied again
//! without the packets. It never looks at a packet or a clock, and at another flow only to tell a retry ([`fallback`]).
//!
//! A policy is a TOML file ([`mod@file`]): what a far end accepts after the cut-over ([`accepts`]), by which every
//! client's offer is played through ([`simulate`]); rules on what was seen ([`rule`]); and names of far ends
//! ([`role`]). The built-in ones are files, too ([`builtin`]).

pub mod accepts;
pub mod builtin;
pub mod fallback;
pub mod file;
pub mod glob;
mod judge;
pub mod reason;
pub mod role;
mod route;
pub mod rule;
pub mod simulate;
pub mod suite;

use std::borrow::Cow;
use std::sync::Arc;

pub use fallback::Reviewer;
pub use judge::{Fit, Judge};
pub use route::{Cidr, CidrError, Networks};

use self::accepts::Accepts;
use self::role::Role;
use self::rule::{Rule, Severity};
use crate::record::Act;
use crate::time::Timestamp;

/// Where a policy's rules come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What the document calls itself.
    pub title: String,
    /// Where it is.
    pub url: String,
    /// When it came into force or was published, RFC 3339 date.
    pub date: Option<String>,
}

/// A set of rules.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The name in records and on the command line.
    pub name: Arc<str>,
    /// What it is about, in a few words.
    pub title: Arc<str>,
    /// Where the rules come from.
    pub sources: Vec<Source>,
    /// The primary text could not be read when the policy was written down.
    pub secondary: bool,
    /// The first moment from which on it is in force; `None`: always.
    pub effective: Option<Timestamp>,
    /// What a far end takes; `None`: the policy has rules alone.
    pub accepts: Option<Accepts>,
    /// Judgements on facts, in the order of the file.
    pub rules: Arc<[Rule]>,
    /// Names of far ends; the first that fits counts.
    pub roles: Vec<Role>,
}

impl Policy {
    /// The built-in policy of that name.
    pub fn named(name: &str) -> Option<Self> {
        builtin::find(name).map(|builtin| builtin.policy())
    }

    /// The rule with that id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// What a reason means, and where it comes from.
    pub fn explain<'a>(&'a self, id: &'a str) -> Explanation<'a> {
        match self.rule(id) {
            Some(rule) => Explanation {
                says: rule.says.as_deref().unwrap_or(rule.id).into(),
                citation: rule.citation.as_deref(),
                remedy_client: rule.remedy_client.as_deref(),
                remedy_server: rule.remedy_server.as_deref(),
            },
            None => Explanation {
                says: reason::says(id)
                    .map_or_else(|| id.into(), |says| format!("The client {says}.").into()),
                citation: None,
                remedy_client: reason::remedy(id, Some(Act::Client)),
                remedy_server: reason::remedy(id, Some(Act::Server)),
            },
        }
    }

    /// The reason that decides, of several that a flow has.
    pub fn primary(&self, reasons: impl Iterator<Item = &'static str>) -> Option<&'static str> {
        reasons.min_by_key(|id| self.place(id))
    }

    /// Where a reason stands among several: what decides comes first, what is told besides comes last.
    pub fn place(&self, id: &str) -> u8 {
        match self.rule(id).map(|rule| rule.severity) {
            None if reason::is_besides(id) => 4,
            // It decides where nothing else does.
            None if id == reason::FALLBACK_RETRY => 1,
            None => 0,
            Some(Severity::MustNot) => 1,
            Some(Severity::ShouldNot) => 2,
            Some(Severity::Note) => 3,
        }
    }

    /// What to do about a reason, by who must act.
    pub fn remedy(&self, id: &str, act: Option<Act>) -> Option<&str> {
        match self.rule(id) {
            None => reason::remedy(id, act),
            Some(rule) => match act {
                Some(Act::Server) => rule.remedy_server.as_deref(),
                Some(Act::Both) => rule
                    .remedy_server
                    .as_deref()
                    .or(rule.remedy_client.as_deref()),
                _ => rule.remedy_client.as_deref(),
            }
            .or(rule.remedy_client.as_deref())
            .or(rule.remedy_server.as_deref()),
        }
    }
}

/// What stands behind the id of a reason.
#[derive(Clone, Debug)]
pub struct Explanation<'a> {
    /// What is wrong, a sentence.
    pub says: Cow<'a, str>,
    /// Where in the policy's sources it stands.
    pub citation: Option<&'a str>,
    /// What the client's side can do.
    pub remedy_client: Option<&'a str>,
    /// What the server's side can do.
    pub remedy_server: Option<&'a str>,
}

#[cfg(test)]
mod tests;
