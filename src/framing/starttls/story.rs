//! What a session in the clear told, whatever its protocol.

use super::lines;

/// How the client's request for TLS went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Request {
    /// None was made.
    #[default]
    None,
    /// Made, not yet answered.
    Asked,
    /// The server said no.
    Refused,
    /// The server said yes.
    Accepted,
    /// It was overwritten on its way to the server.
    Garbled,
}

/// What a session in the clear told. Never a secret, an address of a mail or its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Story {
    /// IANA's name of the protocol; the port may refine it.
    pub service: Option<&'static str>,
    /// The proxy that this connection goes through.
    pub via: Option<&'static str>,
    /// What the client asked the proxy for, or the true client.
    pub via_target: Option<Box<str>>,
    /// The protocol has an upgrade and this session a line in the ledger.
    pub has_ledger: bool,
    /// The beginning was seen: a greeting that says so by itself, also where no SYN was captured.
    pub began: bool,
    /// The client asked for the list of what the server can.
    pub asked_list: bool,
    /// The server answered that.
    pub listed: bool,
    /// TLS was in the list.
    pub offered: bool,
    /// A list in which something was overwritten.
    pub masked: bool,
    /// The request for TLS; the last one, where there were several.
    pub request: Request,
    /// The client did work in the clear.
    pub worked: bool,
    /// Bytes that are not TLS went through a tunnel.
    pub tunnelled: bool,
    /// A readable secret was sent in the clear, or its command begun.
    pub secret: bool,
    /// Commands in the clear came behind the request for TLS, before it was answered (CVE-2011-0411), or replies behind
    /// the acceptance.
    pub injected: bool,
    /// What the client calls itself.
    pub client_name: Option<Box<str>>,
    /// What the server calls itself.
    pub banner: Option<Box<str>>,
    /// Bytes of the client, of the server, are missing.
    pub lost: [bool; 2],
    /// Some of either are that came before the client's work: a list, a request or its answer may have been in them.
    pub lost_before_work: bool,
    /// What it went on with, encrypted otherwise than by TLS.
    pub sealed: Option<&'static str>,
    /// Nothing that follows can change the story.
    pub over: bool,
    /// The beginning is missing as the protocol shows: it is in the middle of its work.
    pub joined: bool,
    /// The client's commands cannot tell the state (the server decides, and was not heard).
    pub undecided: bool,
}

impl Story {
    /// The client asks for TLS.
    pub(crate) fn ask(&mut self) {
        self.request = Request::Asked;
    }

    /// The server answers the request.
    pub(crate) fn answer(&mut self, yes: bool) {
        self.request = if yes {
            Request::Accepted
        } else {
            Request::Refused
        };
    }

    /// The client went on to work.
    pub(crate) fn work(&mut self) {
        self.worked = true;
    }

    /// A secret that can be read went over the wire.
    pub(crate) fn secret(&mut self) {
        self.secret = true;
    }

    /// A list of what the server can begins.
    pub(crate) fn list(&mut self, offers_tls: bool) {
        self.listed = true;
        self.offered |= offers_tls;
    }

    /// The client's name for itself; the first one stays.
    pub(crate) fn name_client(&mut self, name: &[u8]) {
        if self.client_name.is_none() {
            self.client_name = lines::text(name);
        }
    }

    /// The server's name for itself; the first one stays.
    pub(crate) fn name_server(&mut self, name: &[u8]) {
        if self.banner.is_none() {
            self.banner = lines::text(name);
        }
    }
}
