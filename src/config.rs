//! Every cap in one place, its unit in its name.

/// What a run may hold at once. The caps of flows and buffers are shared out evenly to the shards.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes read at a time from a file; the size of a block.
    pub block_bytes: usize,
    /// Largest packet record that is believed; larger ones are damage.
    pub max_packet_bytes: usize,
    /// Packets between two ticks.
    pub epoch_packets: u64,
    /// Flows in the table.
    pub max_flows: usize,
    /// Bytes that all streams together may hold back while they wait for others.
    pub max_buffered_bytes: usize,
    /// Bytes that one direction may hold back.
    pub max_stream_bytes: usize,
    /// Bytes of one direction that are searched for the beginning of TLS.
    pub max_scan_bytes: u64,
    /// Longest handshake message that is put together.
    pub max_handshake_bytes: usize,
    /// IP fragments' payload that may wait for others.
    pub max_fragment_bytes: usize,
    /// Nanoseconds of packet time after which a silent flow ends.
    pub idle_ns: u64,
    /// Nanoseconds of packet time that a closed flow stays, so that stragglers find it.
    pub linger_ns: u64,
    /// Nanoseconds of packet time that an IP fragment waits for the others.
    pub fragment_ns: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            block_bytes: 1 << 20,
            max_packet_bytes: 1 << 18,
            epoch_packets: 1 << 16,
            max_flows: 4 << 20,
            max_buffered_bytes: 256 << 20,
            max_stream_bytes: 256 << 10,
            max_scan_bytes: 64 << 10,
            max_handshake_bytes: 64 << 10,
            max_fragment_bytes: 16 << 20,
            idle_ns: 600 * 1_000_000_000,
            linger_ns: 5 * 1_000_000_000,
            fragment_ns: 30 * 1_000_000_000,
        }
    }
}
