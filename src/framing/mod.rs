//! Where TLS begins in a stream, and what carries it.
//!
//! In: contiguous bytes of one direction, or datagrams. Out: handshake messages, alerts and record headers, in order.
//! A framing owns only the bytes of the message that it is putting together. It knows nothing of flows or time.

pub mod proxy;
pub mod scan;
pub mod service;
pub mod starttls;
pub mod tls;

use std::fmt;

/// Shows a QUIC version as records do: "v1", "v2", "draft-29", else the number.
pub fn quic_version_name(version: u32) -> impl fmt::Display {
    QuicVersion(version)
}

struct QuicVersion(u32);

impl fmt::Display for QuicVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("v1"),
            0x6b33_43cf => f.write_str("v2"),
            draft @ 0xff00_0000..=0xff00_00ff => write!(f, "draft-{}", draft & 0xff),
            other => write!(f, "0x{other:08x}"),
        }
    }
}
