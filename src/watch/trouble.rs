//! The devices that fail or go to cleartext, the newest first.

use std::collections::VecDeque;

use crate::record::{FlowRecord, Host, Outcome, Upgrade, Verdict};
use crate::report::for_terminal;
use crate::time::Timestamp;

/// How bad it is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The handshake failed now.
    Fails,
    /// It goes on without encryption, or will.
    Clear,
    /// It works now and will not under the policy.
    WillBreak,
}

impl Kind {
    /// A word of at most eight letters.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fails => "FAILS",
            Self::Clear => "CLEAR",
            Self::WillBreak => "breaks",
        }
    }
}

/// One client with one server and one trouble, however often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// How bad it is.
    pub kind: Kind,
    /// When it was seen last.
    pub last: Timestamp,
    /// How often.
    pub flows: u64,
    /// Who.
    pub client: Host,
    /// What the client calls itself.
    pub client_name: Option<String>,
    /// With whom: name or address, and port.
    pub server: String,
    /// How.
    pub service: Option<&'static str>,
    /// What is wrong, in a few words.
    pub what: String,
    /// It was not there before the capture, by `--baseline`.
    pub is_new: bool,
}

impl Trouble {
    /// The trouble of a flow that ended, if it is one. All text is safe to print.
    pub fn of(record: &FlowRecord) -> Option<Self> {
        let failed = match record.outcome {
            Outcome::RefusedByServer => Some("refused by the server"),
            Outcome::RefusedByClient => Some("refused by the client"),
            Outcome::NoAnswer => Some("not answered"),
            _ => None,
        };
        let upgrade = match record.upgrade {
            Some(Upgrade::Refused) => Some("TLS was refused"),
            Some(Upgrade::HelloFailed) => Some("the handshake failed"),
            Some(Upgrade::AcceptedNoHello) => Some("TLS was granted and not begun"),
            Some(Upgrade::StrippedSuspected) => Some("STARTTLS overwritten on its way"),
            Some(Upgrade::NotOffered) => Some("TLS is not offered"),
            Some(Upgrade::OfferedUnused) => Some("TLS is offered and not used"),
            Some(Upgrade::NotRequested) => Some("TLS is not asked for"),
            Some(Upgrade::Upgraded | Upgrade::Unknown) | None => None,
        };
        let clear = record.continued_in_clear == Some(true)
            || record.verdict == Verdict::GoesCleartext
            || record.upgrade == Some(Upgrade::StrippedSuspected);
        let (kind, words) = match (failed, upgrade) {
            (_, Some(words)) if clear => (Kind::Clear, words),
            (Some(words), _) => (Kind::Fails, words),
            (None, Some(words @ ("the handshake failed" | "TLS was refused"))) => {
                (Kind::Fails, words)
            }
            _ if record.verdict == Verdict::GoesCleartext => {
                (Kind::Clear, "will go on in the clear")
            }
            _ if record.verdict == Verdict::Breaks => (Kind::WillBreak, "under the policy"),
            _ => return None,
        };
        let what = match (kind, record.negotiated_version, &record.cause) {
            (Kind::WillBreak, Some(version), _) => version.to_string(),
            // The cause says more, and more shortly.
            (Kind::Fails, _, Some(cause)) if failed.is_some() => match record.outcome {
                Outcome::RefusedByServer => format!("{cause} from the server"),
                Outcome::RefusedByClient => format!("{cause} from the client"),
                _ => format!("{words}: {cause}"),
            },
            _ => words.to_owned(),
        };
        let mut what = for_terminal(&what);
        if record.cleartext_credentials == Some(true) {
            what.push_str(", password in the clear");
        }
        let name = record
            .sni
            .as_deref()
            .or(record.server_name_banner.as_deref());
        let server = match name {
            Some(name) => {
                let name = for_terminal(&short(name));
                match record.server_port {
                    Some(port) => format!("{name}:{port}"),
                    None => name,
                }
            }
            None => record.server().with_port(record.server_port),
        };
        Some(Self {
            kind,
            last: record.last_seen,
            flows: 1,
            client: record.client(),
            client_name: record
                .client_name
                .as_deref()
                .map(|name| for_terminal(&short(name))),
            server,
            service: record.service,
            what,
            is_new: false,
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.client == other.client
            && self.service == other.service
            && self.server == other.server
            && self.what == other.what
    }

    /// Whether `words`, in lower case, stand in it.
    pub fn matches(&self, words: &str) -> bool {
        let mut line = format!(
            "{} {} {} {} {} {}",
            self.kind.word(),
            self.client,
            self.client_name.as_deref().unwrap_or_default(),
            self.service.unwrap_or_default(),
            self.server,
            self.what
        );
        line.make_ascii_lowercase();
        words.split_whitespace().all(|word| line.contains(word))
    }
}

/// A banner can be a whole sentence.
fn short(name: &str) -> String {
    let word = name.split_whitespace().next().unwrap_or_default();
    word.chars().take(MAX_NAME_CHARS).collect()
}

/// The newest troubles, each once.
#[derive(Clone, Debug, Default)]
pub struct Troubles(VecDeque<Trouble>);

impl Troubles {
    /// Puts it in its place, joined with the same trouble seen before.
    pub fn add(&mut self, mut trouble: Trouble) {
        if let Some(at) = self.0.iter().position(|old| old.is_same(&trouble))
            && let Some(old) = self.0.remove(at)
        {
            trouble.flows += old.flows;
            trouble.last = trouble.last.max(old.last);
        }
        // Flows are told when they end, not quite in the order in which they were seen last.
        let newer = self.0.iter().take_while(|old| old.last > trouble.last);
        self.0.insert(newer.count(), trouble);
        self.0.truncate(MAX_TROUBLES);
    }

    /// Newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Trouble> {
        self.0.iter()
    }
}

const MAX_NAME_CHARS: usize = 64;
/// More than anybody scrolls through; the report has them all.
const MAX_TROUBLES: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hello::registry::AlertDescription;
    use crate::hello::version::ProtocolVersion;
    use crate::record::{Cause, Version};

    #[test]
    fn what_a_flow_tells() {
        let breaks = FlowRecord {
            outcome: Outcome::Negotiated,
            negotiated_version: Some(Version::Exact(ProtocolVersion(0x0301))),
            verdict: Verdict::Breaks,
            ..FlowRecord::default()
        };
        let refused = FlowRecord {
            outcome: Outcome::RefusedByServer,
            cause: Some(Cause::Alert(AlertDescription(70))),
            verdict: Verdict::Breaks,
            ..FlowRecord::default()
        };
        let clear = FlowRecord {
            outcome: Outcome::Cleartext,
            upgrade: Some(Upgrade::Refused),
            continued_in_clear: Some(true),
            cleartext_credentials: Some(true),
            ..FlowRecord::default()
        };
        let gave_up = FlowRecord {
            upgrade: Some(Upgrade::Refused),
            continued_in_clear: Some(false),
            outcome: Outcome::Cleartext,
            ..FlowRecord::default()
        };
        let fine = FlowRecord {
            outcome: Outcome::Negotiated,
            verdict: Verdict::Ok,
            ..FlowRecord::default()
        };
        for (record, want) in [
            (breaks, Some((Kind::WillBreak, "TLS 1.0"))),
            (
                refused,
                Some((Kind::Fails, "alert protocol_version from the server")),
            ),
            (
                clear,
                Some((Kind::Clear, "TLS was refused, password in the clear")),
            ),
            (gave_up, Some((Kind::Fails, "TLS was refused"))),
            (fine, None),
        ] {
            let got = Trouble::of(&record);
            let got = got.as_ref().map(|t| (t.kind, t.what.as_str()));
            assert_eq!(got, want);
        }
    }

    #[test]
    fn the_newest_is_on_top_and_each_is_there_once() {
        let flow = |client: u8, second: u64| {
            let record = FlowRecord {
                outcome: Outcome::NoAnswer,
                client_ip: Some([10, 0, 0, client].into()),
                last_seen: Timestamp(second),
                ..FlowRecord::default()
            };
            Trouble::of(&record).expect("it is one")
        };
        let mut troubles = Troubles::default();
        for (client, second) in [(1, 1), (2, 2), (3, 3), (1, 4)] {
            troubles.add(flow(client, second));
        }
        let got: Vec<_> = troubles.iter().map(|t| (t.client, t.flows)).collect();
        let ip = |last| Host::Ip([10, 0, 0, last].into());
        assert_eq!(got, [(ip(1), 2), (ip(3), 1), (ip(2), 1)]);
        assert!(flow(3, 1).matches("10.0.0.3 not answered"));
        assert!(!flow(3, 1).matches("10.0.0.4"));
    }

    #[test]
    fn names_from_the_wire_cannot_move_the_cursor() {
        let record = FlowRecord {
            outcome: Outcome::NoAnswer,
            client_name: Some("\u{1b}[2Jevil".into()),
            sni: Some("a\u{202e}b c".into()),
            ..FlowRecord::default()
        };
        let trouble = Trouble::of(&record).expect("it is one");
        assert_eq!(trouble.client_name.as_deref(), Some("\\u001b[2Jevil"));
        assert_eq!(trouble.server, "a\\u202eb:0");
    }
}
