//! Where TLS begins in a stream, and what carries it.
//!
//! In: contiguous bytes of one direction, or datagrams. Out: handshake messages, alerts and record headers, in order.
//! A framing owns only the bytes of the message that it is putting together. It knows nothing of flows or time.

pub mod demux;
pub mod dtls;
pub mod eap;
pub mod eapol;
pub mod numbered;
pub mod openvpn;
pub mod proxy;
pub mod quic;
pub mod radius;
pub mod rdpudp;
pub mod scan;
pub mod service;
pub mod starttls;
pub mod tls;
