//! The closed vocabularies of the record: the contract's words as types.

use std::fmt;

use crate::hello::registry::AlertDescription;
use crate::hello::version::ProtocolVersion;

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident => $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $type { $($(#[$variant_doc])* $variant,)* }

        impl $type {
            /// Every variant, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// By the contract's word.
            pub fn named(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|variant| variant.name() == word)
            }

            /// The contract's word.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

words! {
    /// What carried the hellos.
    Carrier {
        /// TLS records over TCP (SSL 2.0 too).
        Tls => "tls",
        /// DTLS records over UDP.
        Dtls => "dtls",
        /// CRYPTO frames.
        Quic => "quic",
    }
}
words! {
    /// How the attempt at TLS ended.
    Outcome {
        /// A ServerHello answered and nothing shows that the handshake failed.
        Negotiated => "negotiated",
        /// The server said no, or cut the connection.
        RefusedByServer => "refused-by-server",
        /// The client broke off after it saw the answer.
        RefusedByClient => "refused-by-client",
        /// The server was seen, and never answered the hello.
        NoAnswer => "no-answer",
        /// Only the client's direction was captured.
        ClientHelloOnly => "client-hello-only",
        /// A ServerHello without the ClientHello that it answers.
        ServerHelloOnly => "server-hello-only",
        /// The capture began after the handshake.
        JoinedMidStream => "joined-mid-stream",
        /// A session of a protocol that could have been upgraded, without TLS.
        Cleartext => "cleartext",
        /// It cannot be told; the cause says why.
        Unknown => "unknown",
    }
}
words! {
    /// Where the negotiated version comes from.
    NegotiatedSource {
        /// The ServerHello itself.
        ServerHello => "server-hello",
        /// Headers of application data records.
        RecordLayer => "record-layer",
    }
}
words! {
    /// The state of an in-band upgrade.
    Upgrade {
        /// The client never asked.
        NotRequested => "not-requested",
        /// The server's list lacks TLS.
        NotOffered => "not-offered",
        /// It was in the list; the client did not ask.
        OfferedUnused => "offered-unused",
        /// Asked, and not granted.
        Refused => "refused",
        /// Granted, and no ClientHello came.
        AcceptedNoHello => "accepted-no-hello",
        /// The handshake began and failed.
        HelloFailed => "hello-failed",
        /// A ServerHello answered.
        Upgraded => "upgraded",
        /// Overwritten on its way.
        StrippedSuspected => "stripped-suspected",
        /// The part that would tell was not captured.
        Unknown => "unknown",
    }
}
words! {
    /// Which directions of the flow were captured.
    Visibility {
        /// Both.
        Both => "both",
        /// The client's packets alone.
        ClientOnly => "client-only",
        /// The server's packets alone.
        ServerOnly => "server-only",
    }
}
words! {
    /// A judgement under the policy, the worst last.
    Verdict {
        /// Goes on working.
        Ok => "ok",
        /// It cannot be told.
        Unknown => "unknown",
        /// Works by something with an announced end.
        AtRisk => "at-risk",
        /// Goes on without encryption.
        GoesCleartext => "goes-cleartext",
        /// Stops working.
        Breaks => "breaks",
    }
}
words! {
    /// Who has to change.
    Act {
        /// The client.
        Client => "client",
        /// The server.
        Server => "server",
        /// Both sides.
        Both => "both",
    }
}
words! {
    /// Between whom the flow goes, by `--ours`.
    Route {
        /// From ours to others.
        Outbound => "outbound",
        /// From others to ours.
        Inbound => "inbound",
        /// Within ours.
        Internal => "internal",
        /// Neither end is ours.
        Transit => "transit",
    }
}
words! {
    /// Mutual TLS, where it can be seen.
    ClientCertificate {
        /// No CertificateRequest.
        NotRequested => "not-requested",
        /// Asked for; none or an empty one was sent.
        Requested => "requested",
        /// Sent.
        Sent => "sent",
    }
}
words! {
    /// A role in the connection.
    Side {
        /// Who sends the ClientHello.
        Client => "client",
        /// Who answers it.
        Server => "server",
    }
}

/// A negotiated version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// As the ServerHello says, or application data of TLS 1.0 or 1.1.
    Exact(ProtocolVersion),
    /// Application data with 0x0303 in its header: TLS 1.2 or 1.3, which cannot be told apart.
    Tls12OrLater,
}

impl Version {
    /// As [`ProtocolVersion::rank`]; what may be TLS 1.2 or 1.3 counts as 1.2.
    pub const fn rank(self) -> Option<u8> {
        match self {
            Self::Exact(version) => version.rank(),
            Self::Tls12OrLater => ProtocolVersion::TLS_1_2.rank(),
        }
    }
}

/// By age, what no standard ranks first; then by number.
impl Ord for Version {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |v: &Self| match v {
            Self::Exact(version) => (v.rank(), version.0),
            Self::Tls12OrLater => (v.rank(), u16::MAX),
        };
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(version) => version.fmt(f),
            Self::Tls12OrLater => f.write_str("TLS 1.2+"),
        }
    }
}

/// Why a flow was not negotiated, or could not be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A fatal alert.
    Alert(AlertDescription),
    /// RST.
    TcpReset,
    /// FIN, without a word.
    TcpClose,
    /// Nothing came before the flow went idle or the capture ended.
    Silence,
    /// A ClientHello of several segments was acknowledged in part or not at all, and nothing came.
    HelloSplitUnanswered,
    /// Stream bytes that were needed are not in the capture.
    Gap,
    /// The snap length cut the hello.
    Snaplen,
    /// A cap was reached and the flow was given up.
    Evicted,
    /// The message does not parse; what and where.
    Malformed(&'static str),
    /// The answer is not TLS; the protocol that the server speaks, where it was recognised.
    CleartextServer(Option<&'static str>),
    /// Only one direction was captured.
    OneWay,
    /// The capture begins after the handshake.
    MidStream,
    /// The capture ends while the handshake is under way.
    CaptureEnd,
    /// Packets were dropped while the flow began, and the answer may be among them.
    CaptureLoss,
    /// Another word, fixed.
    Other(&'static str),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alert(description) => write!(f, "alert {description}"),
            Self::TcpReset => f.write_str("tcp reset"),
            Self::TcpClose => f.write_str("tcp close"),
            Self::Silence => f.write_str("silence"),
            Self::HelloSplitUnanswered => f.write_str("hello split, unanswered"),
            Self::Gap => f.write_str("gap"),
            Self::Snaplen => f.write_str("snaplen"),
            Self::Evicted => f.write_str("evicted"),
            Self::Malformed(what) => write!(f, "malformed {what}"),
            Self::CleartextServer(Some(protocol)) => {
                write!(f, "server speaks {protocol} in the clear")
            }
            Self::CleartextServer(None) => f.write_str("server does not speak TLS"),
            Self::OneWay => f.write_str("one direction captured"),
            Self::MidStream => f.write_str("beginning not captured"),
            Self::CaptureEnd => f.write_str("capture ended"),
            Self::CaptureLoss => f.write_str("capture loss"),
            Self::Other(word) => f.write_str(word),
        }
    }
}
