//! From a [`Story`] and what was seen of TLS to a line of the ledger: one way for all protocols.

use super::{Request, Story};
use crate::record::{Cause, Upgrade};

/// What followed in TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// Nothing.
    #[default]
    None,
    /// An alert without a hello.
    Alert,
    /// A ClientHello without a ServerHello.
    Hello,
    /// A ServerHello, and nothing shows that the handshake failed.
    Answered,
    /// A ServerHello, and the handshake failed in the clear.
    Failed,
}

/// What is known of the flow besides.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Seen {
    /// What followed in TLS.
    pub tls: Tls,
    /// Packets of the client were captured.
    pub client: bool,
    /// Packets of the server were captured.
    pub server: bool,
    /// The first packet of the connection was.
    pub beginning: bool,
    /// It came to its end: it closed, or nothing came for a long time.
    pub closed: bool,
    /// Bytes are missing that were needed.
    pub lost: Option<Cause>,
}

/// A line of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The state.
    pub upgrade: Upgrade,
    /// Why it is unknown.
    pub cause: Option<Cause>,
    /// The session went on to its work without TLS.
    pub continued_in_clear: bool,
    /// A readable secret went over the wire.
    pub cleartext_credentials: bool,
}

/// The session's line; `None` where it has none: its protocol has no upgrade, or the client began TLS unasked.
pub fn conclude(story: &Story, seen: &Seen) -> Option<Line> {
    if !story.has_ledger
        || story.request == Request::None
            && seen.tls == Tls::Hello
            && !story.lost.contains(&true)
            && seen.beginning
    {
        return None;
    }
    let (upgrade, cause) = state(story, seen);
    let left_the_clear = matches!(upgrade, Upgrade::Upgraded | Upgrade::HelloFailed);
    Some(Line {
        upgrade,
        cause,
        continued_in_clear: story.worked || story.tunnelled && !left_the_clear,
        cleartext_credentials: story.secret,
    })
}

fn state(story: &Story, seen: &Seen) -> (Upgrade, Option<Cause>) {
    let unknown = |otherwise| {
        let cause = match seen {
            Seen {
                lost: Some(cause), ..
            } => *cause,
            Seen { client: false, .. } | Seen { server: false, .. } => Cause::OneWay,
            Seen {
                beginning: false, ..
            } if !story.began => Cause::MidStream,
            _ => otherwise,
        };
        (Upgrade::Unknown, Some(cause))
    };
    let missing = story.lost.contains(&true) || seen.lost.is_some();
    match (story.request, seen.tls) {
        (_, Tls::Answered) => (Upgrade::Upgraded, None),
        (_, Tls::Failed) => (Upgrade::HelloFailed, None),
        (Request::Refused, _) => (Upgrade::Refused, None),
        (Request::Garbled, _) => (Upgrade::StrippedSuspected, None),
        (Request::Accepted, Tls::Hello) if missing || !seen.server => unknown(Cause::Gap),
        (Request::Accepted, Tls::Hello | Tls::Alert) => (Upgrade::HelloFailed, None),
        (Request::Accepted, Tls::None) if missing => unknown(Cause::Gap),
        (Request::Accepted, Tls::None) => (Upgrade::AcceptedNoHello, None),
        // The hello came, so the answer must have been yes, or was not waited for.
        (Request::Asked, Tls::Hello | Tls::Alert) if missing || !seen.server => unknown(Cause::Gap),
        (Request::Asked, Tls::Hello | Tls::Alert) => (Upgrade::HelloFailed, None),
        // A server that never answers has refused; if it could have answered.
        (Request::Asked, Tls::None)
            if seen.server && !missing && seen.closed && !story.undecided =>
        {
            (Upgrade::Refused, None)
        }
        (Request::Asked, Tls::None) => unknown(Cause::CaptureEnd),
        (Request::None, Tls::Hello | Tls::Alert) if story.worked => {
            unasked(story, seen, missing, unknown)
        }
        (Request::None, Tls::Hello | Tls::Alert) => unknown(Cause::Gap),
        (Request::None, Tls::None) => unasked(story, seen, missing, unknown),
    }
}

/// The client never asked for TLS, as far as was seen.
fn unasked(
    story: &Story,
    seen: &Seen,
    missing: bool,
    unknown: impl Fn(Cause) -> (Upgrade, Option<Cause>),
) -> (Upgrade, Option<Cause>) {
    if story.masked && !story.offered {
        return (Upgrade::StrippedSuspected, None);
    }
    if story.lost_before_work {
        return unknown(Cause::Gap);
    }
    // It neither went on nor left: what comes next may be the list, or the request.
    if (story.offered || story.listed || story.asked_list) && !story.worked && !seen.closed {
        return unknown(Cause::CaptureEnd);
    }
    if story.offered {
        return (Upgrade::OfferedUnused, None);
    }
    if story.listed {
        return (Upgrade::NotOffered, None);
    }
    if story.undecided {
        return unknown(Cause::MidStream);
    }
    if story.asked_list {
        // Asked, and the answer had no TLS in it or never came.
        return if !seen.server || missing {
            unknown(Cause::Gap)
        } else {
            (Upgrade::NotOffered, None)
        };
    }
    if !seen.client || story.joined && !story.began || !seen.beginning && !story.began {
        return unknown(Cause::MidStream);
    }
    (Upgrade::NotRequested, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states() {
        let both = Seen {
            client: true,
            server: true,
            beginning: true,
            closed: true,
            ..Seen::default()
        };
        let ledger = Story {
            has_ledger: true,
            began: true,
            ..Story::default()
        };
        for (name, story, seen, want) in [
            ("nothing asked", ledger.clone(), both, Upgrade::NotRequested),
            (
                "list without",
                Story {
                    asked_list: true,
                    listed: true,
                    ..ledger.clone()
                },
                both,
                Upgrade::NotOffered,
            ),
            (
                "list refused",
                Story {
                    asked_list: true,
                    ..ledger.clone()
                },
                both,
                Upgrade::NotOffered,
            ),
            (
                "list unheard",
                Story {
                    asked_list: true,
                    ..ledger.clone()
                },
                Seen {
                    server: false,
                    ..both
                },
                Upgrade::Unknown,
            ),
            (
                "unused",
                Story {
                    listed: true,
                    offered: true,
                    ..ledger.clone()
                },
                both,
                Upgrade::OfferedUnused,
            ),
            (
                "masked",
                Story {
                    listed: true,
                    masked: true,
                    ..ledger.clone()
                },
                both,
                Upgrade::StrippedSuspected,
            ),
            (
                "refused",
                Story {
                    request: Request::Refused,
                    ..ledger.clone()
                },
                both,
                Upgrade::Refused,
            ),
            (
                "refused, hello",
                Story {
                    request: Request::Refused,
                    ..ledger.clone()
                },
                Seen {
                    tls: Tls::Hello,
                    ..both
                },
                Upgrade::Refused,
            ),
            (
                "accepted",
                Story {
                    request: Request::Accepted,
                    ..ledger.clone()
                },
                both,
                Upgrade::AcceptedNoHello,
            ),
            (
                "hello",
                Story {
                    request: Request::Accepted,
                    ..ledger.clone()
                },
                Seen {
                    tls: Tls::Hello,
                    ..both
                },
                Upgrade::HelloFailed,
            ),
            (
                "alert",
                Story {
                    request: Request::Accepted,
                    ..ledger.clone()
                },
                Seen {
                    tls: Tls::Alert,
                    ..both
                },
                Upgrade::HelloFailed,
            ),
            (
                "answered",
                Story {
                    request: Request::Accepted,
                    ..ledger.clone()
                },
                Seen {
                    tls: Tls::Answered,
                    ..both
                },
                Upgrade::Upgraded,
            ),
            (
                "silence",
                Story {
                    request: Request::Asked,
                    ..ledger.clone()
                },
                both,
                Upgrade::Refused,
            ),
            (
                "cut off behind the offer",
                Story {
                    listed: true,
                    offered: true,
                    ..ledger.clone()
                },
                Seen {
                    closed: false,
                    ..both
                },
                Upgrade::Unknown,
            ),
            (
                "cut off",
                Story {
                    request: Request::Asked,
                    ..ledger.clone()
                },
                Seen {
                    closed: false,
                    ..both
                },
                Upgrade::Unknown,
            ),
            (
                "unused, and then bytes are lost",
                Story {
                    listed: true,
                    offered: true,
                    worked: true,
                    lost: [true; 2],
                    ..ledger.clone()
                },
                Seen {
                    lost: Some(Cause::Gap),
                    closed: false,
                    ..both
                },
                Upgrade::OfferedUnused,
            ),
            (
                "joined",
                Story {
                    began: false,
                    ..ledger.clone()
                },
                Seen {
                    beginning: false,
                    ..both
                },
                Upgrade::Unknown,
            ),
        ] {
            assert_eq!(
                conclude(&story, &seen).map(|line| line.upgrade),
                Some(want),
                "{name}"
            );
        }
        let wrong_port = Seen {
            tls: Tls::Hello,
            ..both
        };
        assert_eq!(
            conclude(&ledger, &wrong_port),
            None,
            "TLS unasked at a server in the clear"
        );
        assert_eq!(conclude(&Story::default(), &both), None);
    }

    #[test]
    fn what_would_tell_may_lie_in_what_is_lost() {
        let ledger = Story {
            has_ledger: true,
            began: true,
            lost: [true; 2],
            lost_before_work: true,
            ..Story::default()
        };
        let (listed, accepted) = (true, Request::Accepted);
        let offer = Story {
            listed,
            offered: true,
            ..ledger.clone()
        };
        let list = Story {
            listed,
            ..ledger.clone()
        };
        let yes = Story {
            request: accepted,
            ..ledger.clone()
        };
        let asked = Story {
            request: Request::Asked,
            ..ledger.clone()
        };
        for (lost, story, tls) in [
            ("a request", offer, Tls::None),
            ("a part of the list", list, Tls::None),
            ("a question", ledger, Tls::None),
            ("a hello", yes.clone(), Tls::None),
            ("an answer", yes, Tls::Hello),
            ("a reply", asked, Tls::None),
        ] {
            let seen = Seen {
                tls,
                client: true,
                server: true,
                beginning: true,
                closed: true,
                lost: Some(Cause::Snaplen),
            };
            let unknown = (Upgrade::Unknown, Some(Cause::Snaplen));
            assert_eq!(state(&story, &seen), unknown, "{lost}");
        }
    }
}
