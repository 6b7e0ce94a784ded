//! Protocols of lines: the part that all of them share.

use std::fmt;

use super::lines::{self, Lines};
use super::{Protocol, Story};
use crate::record::Side;

/// What a protocol makes of each line, its end taken off.
pub(crate) trait LineProtocol: fmt::Debug + Default + Send {
    /// IANA's name of the service.
    const SERVICE: &'static str;
    /// A line may announce a literal, whose bytes are no lines.
    const LITERALS: bool = false;

    /// The client's next line.
    fn client_line(&mut self, line: &[u8], story: &mut Story);
    /// The server's next line.
    fn server_line(&mut self, line: &[u8], story: &mut Story);
    /// Bytes of one side are missing: no answer can be told from another any more.
    fn lose(&mut self) {}
}

/// A session of such a protocol.
#[derive(Debug, Default)]
pub(crate) struct LineByLine<P> {
    from_client: Lines,
    from_server: Lines,
    protocol: P,
}

impl<P: LineProtocol> Protocol for LineByLine<P> {
    fn client(&mut self, bytes: &[u8], story: &mut Story) {
        let protocol = &mut self.protocol;
        each::<P>(&mut self.from_client, bytes, story, |line, story| {
            protocol.client_line(line, story);
        });
    }

    fn server(&mut self, bytes: &[u8], story: &mut Story) {
        let protocol = &mut self.protocol;
        each::<P>(&mut self.from_server, bytes, story, |line, story| {
            protocol.server_line(line, story);
        });
    }

    fn gap(&mut self, from: Side, lost: u64) {
        self.protocol.lose();
        match from {
            Side::Client => self.from_client.gap(lost),
            Side::Server => self.from_server.gap(lost),
        }
    }

    fn finish(&mut self, story: &mut Story) {
        if let Some(line) = self.from_client.rest() {
            self.protocol.client_line(&line, story);
        }
        if let Some(line) = self.from_server.rest() {
            self.protocol.server_line(&line, story);
        }
    }
}

/// Goes through the lines that `bytes` complete.
fn each<P: LineProtocol>(
    lines: &mut Lines,
    mut bytes: &[u8],
    story: &mut Story,
    mut take: impl FnMut(&[u8], &mut Story),
) {
    story.service = Some(P::SERVICE);
    story.has_ledger = true;
    while let Some(line) = lines.next(&mut bytes) {
        take(line, story);
        if P::LITERALS
            && let Some(len) = lines::literal(line)
        {
            lines.skip(len);
        }
    }
}
