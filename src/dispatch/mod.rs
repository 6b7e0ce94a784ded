//! From decoded packets to the worker that owns their flow.
//!
//! In: packets with their addresses, ports and payload range. Out: [`Block`]s, each a read buffer with the packets
//! that lie in it, in one lane a worker. The key is symmetric, so both directions of a connection meet in one shard.

mod block;
mod key;

pub use block::{Block, Lane, Packet, Tick, tcp_flags};
pub use key::{Direction, FlowKey, Hasher, Transport, mapped, of_mac};

/// Shards of the flow table. Fixed, so that what a cap evicts depends on the trace and never on `--workers`.
pub const SHARDS: usize = 64;

/// The shard of a flow: the hash's top bits; the table uses the low ones.
pub const fn shard_of(hash: u32) -> usize {
    (hash >> 26) as usize
}

/// The worker that owns a shard.
pub const fn worker_of(shard: usize, workers: usize) -> usize {
    shard % workers
}
