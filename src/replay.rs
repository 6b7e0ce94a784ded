//! A capture in memory through the whole path on one thread: frames in, records out. For tests and fuzzing, where
//! threads and files would only be in the way; [`crate::run`] does the same with them.

use std::borrow::Borrow;

use crate::config::Limits;
use crate::decode::{Decoder, LinkType};
use crate::dispatch::{Block, Hasher, Packet};
use crate::flow::to_record::to_record;
use crate::record::FlowRecord;
use crate::shard::{Shard, Shared};
use crate::time::Timestamp;

/// A frame that owns its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedFrame {
    /// How to read it.
    pub link: LinkType,
    /// As far as it was captured.
    pub bytes: Vec<u8>,
    /// Bytes on the wire; at least as many as were captured.
    pub wire_len: usize,
    /// When it was captured.
    pub time: Timestamp,
}

/// The records of `frames`, unjudged, in the order of their first packets.
pub fn replay<F: Borrow<OwnedFrame>>(
    frames: impl IntoIterator<Item = F>,
    limits: &Limits,
) -> Vec<FlowRecord> {
    let mut decoder = Decoder::new(limits);
    let hasher = Hasher::fixed();
    let (mut block, mut shard, mut shared) =
        (Block::default(), Shard::new(*limits), Shared::default());
    for (number, frame) in (1..).zip(frames) {
        let frame = frame.borrow();
        block.clear(0);
        block.bytes.extend_from_slice(&frame.bytes);
        if let Ok(decoded) = decoder.decode(
            frame.link,
            &block.bytes,
            frame.wire_len,
            frame.time,
            &mut block.extra,
        ) {
            let mut packet = Packet::new(&decoded, &hasher, number, frame.time, 0);
            block.note(&mut packet, &decoded);
            shard.packet(&packet, &block, &mut shared);
        }
        if number.is_multiple_of(limits.epoch_packets) {
            shard.tick(frame.time, &mut shared);
        }
    }
    shard.finish(&mut shared);
    let mut records = Vec::new();
    shared.take_records(&mut records);
    records.extend(shard.settled().filter_map(|(_, flow)| to_record(flow)));
    records.sort_by_key(|record| record.first_packet);
    records
}
