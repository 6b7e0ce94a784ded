//! What a packet of a settled flow costs: no allocation, from the frame to its flow.

use std::path::Path;

use hellotap::capture::{FileSource, Next};
use hellotap::config::Limits;
use hellotap::decode::{Decoder, fast};
use hellotap::dispatch::{Block, Hasher, Packet};
use hellotap::shard::{Shard, Shared};
use hellotap::time::Timestamp;

/// A shard that saw `capture` up to the packet with which the first flow settled; that packet, and its block.
fn after_a_handshake(capture: &str) -> (Shard, Shared, Packet, Block) {
    let limits = Limits::default();
    let (mut shard, mut shared) = (Shard::new(limits), Shared::default());
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("captures")
        .join(capture);
    let mut source = FileSource::open(&path, &limits).expect("a capture");
    let mut decoder = Decoder::new(&limits);
    let (mut block, mut at, mut number) = (Block::default(), 0, 0);
    while source.fill(&mut block.bytes).expect("it can be read") {
        while let Next::Frame(frame) = source.next_frame(&block.bytes, &mut at) {
            number += 1;
            let bytes = &block.bytes[frame.at..][..frame.captured_len];
            let Ok(decoded) = decoder.decode(
                frame.link,
                bytes,
                frame.wire_len,
                frame.time,
                &mut block.extra,
            ) else {
                continue;
            };
            let packet = Packet::new(&decoded, &Hasher::fixed(), number, frame.time, frame.at);
            shard.packet(&packet, &block, &mut shared);
            if shard.settled().next().is_some() {
                return (shard, shared, packet, block);
            }
        }
    }
    panic!("{capture}: no flow settles before its end");
}

#[test]
fn a_packet_of_a_settled_flow_allocates_nothing() {
    for capture in ["tls13-rustls.pcap", "tls-versions-openssl.pcap"] {
        let (mut shard, mut shared, mut packet, block) = after_a_handshake(capture);
        let flows = shard.flows();
        let counted = allocation_counter::measure(|| {
            for _ in 0..10_000 {
                packet.number += 1;
                packet.time = Timestamp(packet.time.0 + 1_000);
                packet.sequence = packet.sequence.wrapping_add(packet.wire_len);
                shard.packet(&packet, &block, &mut shared);
            }
        });
        assert_eq!(counted.count_total, 0, "{capture}");
        assert_eq!(shard.flows(), flows, "{capture}: they were of that flow");
    }
}

#[test]
fn cutting_a_usual_frame_out_of_a_block_allocates_nothing() {
    let limits = Limits::default();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/tls13-rustls.pcap");
    let mut source = FileSource::open(&path, &limits).expect("a capture");
    let mut block = Block::default();
    assert!(source.fill(&mut block.bytes).expect("it can be read"));
    let (mut at, mut segments) = (0, 0);
    let mut packets = Vec::with_capacity(1024);
    let counted = allocation_counter::measure(|| {
        while let Next::Frame(frame) = source.next_frame(&block.bytes, &mut at) {
            let bytes = &block.bytes[frame.at..][..frame.captured_len];
            if let Some(decoded) = fast::segment(frame.link, bytes) {
                segments += 1;
                packets.push(Packet::new(
                    &decoded,
                    &Hasher::fixed(),
                    segments,
                    frame.time,
                    frame.at,
                ));
            }
        }
    });
    assert!(
        segments > 10,
        "nearly all of its frames are of the usual shape"
    );
    assert_eq!(counted.count_total, 0);
}
