//! Who looks on while a live capture runs.
//!
//! In: the records of flows as they end, and several times a second how the capture stands. Out: what an administrator
//! sees in the change window. Nothing here touches a packet, and nothing waits for it.

pub mod baseline;
pub mod lines;
pub mod metrics;
pub mod service;
pub mod terminal;
pub mod trouble;
pub mod view;
