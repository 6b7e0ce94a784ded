//! Protocols that begin in the clear and may go over to TLS in band: the upgrade ledger.
//!
//! In: the contiguous bytes of both directions, in the order in which they became contiguous, up to where TLS records
//! begin; and the gaps. Out: a [`Story`], from which [`verdict::conclude`] draws the ledger's state. Nothing here does
//! I/O, knows a port or a clock, and nothing keeps a password, a token, a mail address or a mail's text: a command is
//! looked at by its first words and forgotten.
//!
//! # How to add the next protocol
//!
//! 1. **Read its RFC for three things:** which request asks for TLS, which answer says yes, and what a list of
//!    capabilities looks like. Then for two more: which commands are work (without TLS, the session went on), and which
//!    of them carry a secret that can be read.
//! 2. **Write `starttls/NAME.rs`** with two things in it:
//!    - `pub(super) fn recognise(talk: &Talk<'_>) -> Match`, which looks at the first bytes of both sides. By content
//!      only. Say `Match::More` as long as the bytes are a beginning of what you know, `Match::No` as soon as they
//!      are not: a flow that nobody wants is let go of at once. `talk.last` says that nothing more will come: `More`
//!      counts as `No` then.
//!    - a struct that implements `Protocol`: `client` and `server` take bytes cut anywhere. Protocols of lines use
//!      `lines::Lines`, which puts lines together within a cap and cuts those that are over-long; protocols with
//!      numbered replies keep the commands that wait for one in a `Pending`.
//! 3. **Add it to `PROTOCOLS`**, before those that are less choosy.
//! 4. **Tell the story** through [`Story`]'s fields as it happens. Do not compute a state: `verdict.rs` does that for
//!    all protocols in the same way, from the story and what the TLS reader saw.
//! 5. **Test it** beside the code: `tests::told` plays `C` and `S` lines, whole and cut at every byte, and gives the
//!    story. A capture with real endpoints belongs in `captures/`.
//!
//! TLS itself is nobody's business here: the stream's scanner finds the ClientHello wherever it begins, so a protocol
//! need not know where exactly TLS starts. The exception is TDS, which wraps the records (`tds.rs`).

mod acap;
mod amqp;
mod ftp;
mod imap;
mod irc;
mod ldap;
mod ledger;
mod line_protocol;
pub(crate) mod lines;
mod mysql;
mod nntp;
mod packets;
mod pop3;
mod postgresql;
mod rdp;
mod rfb;
mod sieve;
mod sip;
mod smtp;
mod story;
pub(crate) mod tds;
mod telnet;
pub mod verdict;
mod xmpp;

use std::collections::VecDeque;
use std::fmt;

use super::proxy;
pub use ledger::{Ends, Ledger};
use line_protocol::LineByLine;
pub use story::{Request, Story};

use crate::record::Side;

/// The first bytes of a connection, by role; which role is which is the question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Talk<'a> {
    /// What the supposed client said.
    pub(crate) client: &'a [u8],
    /// What the supposed server said.
    pub(crate) server: &'a [u8],
    /// The supposed server's port: for what content alone cannot tell apart.
    pub(crate) port: u16,
    /// Nothing more will come.
    pub(crate) last: bool,
}

/// What a recogniser says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// It is.
    Yes,
    /// It may be; more bytes will tell.
    More,
    /// It is not.
    No,
}

impl Match {
    /// `Yes` or `No`.
    pub(crate) const fn of(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// A protocol's state machine. Bytes are cut anywhere.
pub(crate) trait Protocol: fmt::Debug + Send {
    /// What the client said next.
    fn client(&mut self, bytes: &[u8], story: &mut Story);
    /// What the server said next.
    fn server(&mut self, bytes: &[u8], story: &mut Story);
    /// Bytes of one side are missing here. The story knows already.
    fn gap(&mut self, from: Side, lost: u64);
    /// Nothing more comes: what waits for the end of its line is all there is.
    fn finish(&mut self, _story: &mut Story) {}
    /// Bytes of memory that a ledger within it holds; see [`Ledger::memory`].
    fn memory_inside(&self) -> usize {
        0
    }
}

/// How a protocol is recognised and followed.
pub(crate) struct Entry {
    pub(crate) recognise: fn(&Talk<'_>) -> Match,
    pub(crate) follow: fn() -> Box<dyn Protocol>,
}

macro_rules! entry {
    ($module:path, $type:ty) => {{
        use $module as protocol;
        Entry {
            recognise: protocol::recognise,
            follow: || Box::<$type>::default(),
        }
    }};
}

/// Every protocol, the choosy ones first.
pub(crate) const PROTOCOLS: &[Entry] = &[
    entry!(proxy::http, proxy::http::Http),
    entry!(proxy::socks, proxy::socks::Socks),
    entry!(sip, sip::Sip),
    entry!(amqp, amqp::Amqp),
    entry!(rfb, rfb::Rfb),
    entry!(telnet, telnet::Telnet),
    entry!(postgresql, postgresql::Postgresql),
    entry!(mysql, mysql::Mysql),
    entry!(rdp, rdp::Rdp),
    entry!(tds, tds::Tds),
    entry!(ldap, ldap::Ldap),
    entry!(xmpp, xmpp::Xmpp),
    entry!(sieve, LineByLine<sieve::Sieve>),
    entry!(smtp, smtp::Smtp),
    entry!(ftp, LineByLine<ftp::Ftp>),
    entry!(pop3, LineByLine<pop3::Pop3>),
    entry!(acap, acap::Acap),
    entry!(imap, LineByLine<imap::Imap>),
    entry!(nntp, LineByLine<nntp::Nntp>),
    entry!(irc, irc::Irc),
];

/// Commands that wait for their replies, in order. A client that pipelines more than fit is followed no further.
#[derive(Debug)]
pub(crate) struct Pending<T>(VecDeque<T>);

/// Commands in flight.
const MAX_PENDING: usize = 256;

impl<T> Pending<T> {
    pub(crate) fn push(&mut self, command: T) {
        if self.0.len() < MAX_PENDING {
            self.0.push_back(command);
        }
    }

    pub(crate) fn front(&self) -> Option<&T> {
        self.0.front()
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        self.0.pop_front()
    }

    /// Which reply answers which command is not known any more.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::dispatch::Direction;

    /// Plays a conversation to a fresh ledger, whole and cut at every byte, and gives its story. `None`: not
    /// recognised.
    pub(crate) fn told(talk: &[(char, &[u8])]) -> Option<Story> {
        told_at(talk, 9999)
    }

    /// The same with a server's port.
    pub(crate) fn told_at(talk: &[(char, &[u8])], port: u16) -> Option<Story> {
        let play = |size: usize| {
            let mut ledger = Ledger::new(Ends {
                opener: Some(Direction::Up),
                ports: [40000, port],
            });
            for (who, bytes) in talk {
                let from = if *who == 'C' {
                    Direction::Up
                } else {
                    Direction::Down
                };
                for chunk in bytes.chunks(size) {
                    ledger.bytes(from, chunk);
                }
            }
            ledger.finish()
        };
        let whole = play(usize::MAX);
        let cut = play(1);
        assert_eq!(
            format!("{whole:?}"),
            format!("{cut:?}"),
            "the cut into segments changes the story"
        );
        whole
    }

    /// Beginnings that the protocols know, for what follows them to be anything.
    const OPENINGS: &[(char, &[u8])] = &[
        ('S', b"220 mail.example ESMTP FTP\r\n"),
        ('C', b"EHLO a\r\n"),
        ('C', b"FEAT\r\n"),
        ('S', b"+OK POP3\r\n"),
        ('C', b"CAPA\r\n"),
        ('S', b"* OK IMAP\r\n"),
        ('S', b"200 NNTP\r\n"),
        ('C', b"NICK a\r\n"),
        ('S', b"\"IMPLEMENTATION\" \"x\"\r\n"),
        ('C', b"<stream:stream version='1.0'>"),
        ('C', b"CONNECT a:1 HTTP/1.1\r\n\r\n"),
        ('C', b"\x05\x01\x00"),
        ('C', b"\x04\x01\x00\x19\x00\x00\x00\x01\x00"),
        ('C', b"\x30\x0c\x02\x01\x01\x60\x07"),
        ('C', b"\0\0\0\x08\x04\xd2\x16\x2f"),
        ('S', b"\x4a\0\0\0\x0a8.0"),
        ('C', b"\x03\0\0\x13\x0e\xe0"),
        ('C', b"\x12\x01\0\x1a\0\0\0\0\0"),
        ('C', b"AMQP\x03\x01\0\0"),
        ('C', b"AMQP\0\0\x09\x01"),
        ('S', b"RFB 003.008\n"),
        ('S', b"\xff\xfd\x2e\xff\xfd\x18"),
        ('S', b"* ACAP (STARTTLS)\r\n"),
        ('C', b"INVITE sip:a SIP/2.0\r\n"),
        ('C', b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
        ('C', b"\r\n\r\n\0\r\nQUIT\n\x21\x11"),
    ];

    proptest::proptest! {
        #[test]
        fn nothing_from_the_wire_panics(
            opening in 0..OPENINGS.len(),
            talk: Vec<(bool, Vec<u8>)>,
            gap: (bool, u64),
            known: bool,
        ) {
            let mut ledger = Ledger::new(Ends { opener: known.then_some(Direction::Up), ports: [1, 2] });
            let way = |client| if client { Direction::Up } else { Direction::Down };
            if let Some((who, bytes)) = OPENINGS.get(opening) {
                ledger.bytes(way(*who == 'C'), bytes);
            }
            let half = talk.len() / 2;
            for (at, (client, bytes)) in talk.iter().enumerate() {
                if at == half {
                    ledger.gap(way(gap.0), gap.1);
                }
                ledger.bytes(way(*client), bytes);
            }
            let story = ledger.finish();
            let text = |t: &Option<Box<str>>| t.as_ref().map_or(0, |t| t.chars().count());
            if let Some(story) = story {
                proptest::prop_assert!(text(&story.client_name) <= 200 && text(&story.banner) <= 200);
            }
        }
    }
}
