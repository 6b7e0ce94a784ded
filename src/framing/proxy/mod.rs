//! Connections that go through others: tunnels that a client asks a proxy for, and headers that a proxy puts in front.
//!
//! A tunnel is a session of its own that asks for something and is told yes or no; what runs in it is looked at by a
//! ledger of its own, for the protocol's name.

pub(crate) mod header;
pub(crate) mod http;
pub(crate) mod socks;

use super::starttls::{Ends, Ledger, Story};
use crate::dispatch::Direction;
use crate::record::Side;

/// What goes through a tunnel in the clear.
#[derive(Debug)]
pub(crate) struct Tunnel(Box<Ledger>);

impl Default for Tunnel {
    fn default() -> Self {
        Self(Box::new(Ledger::new(Ends {
            opener: Some(Direction::Up),
            ports: [0, 0],
        })))
    }
}

impl Tunnel {
    /// Takes what went through.
    pub(crate) fn bytes(&mut self, from: Side, bytes: &[u8], story: &mut Story) {
        if bytes.is_empty() {
            return;
        }
        story.tunnelled = true;
        self.0.bytes(
            if from == Side::Client {
                Direction::Up
            } else {
                Direction::Down
            },
            bytes,
        );
    }

    /// Bytes of memory that its ledger holds.
    pub(crate) fn memory(&self) -> usize {
        self.0.memory()
    }

    /// Names what ran inside.
    pub(crate) fn finish(&mut self, story: &mut Story) {
        // A tunnel within a tunnel stays what the outer one says.
        if let Some(inner) = self.0.finish().filter(|inner| inner.via.is_none()) {
            story.service = inner.service;
            story.secret |= inner.secret;
            story.banner = story.banner.take().or(inner.banner);
            story.client_name = story.client_name.take().or(inner.client_name);
        }
    }
}
