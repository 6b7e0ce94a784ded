//! What flows cost: a packet of a settled one no allocation, from the frame to its flow; and those that are followed no
//! more memory than they may.

use std::path::Path;

use hellotap::capture::{FileSource, Next};
use hellotap::config::Limits;
use hellotap::decode::{Decoder, fast};
use hellotap::dispatch::{Block, FlowKey, Hasher, Packet, SHARDS, Transport, mapped, tcp_flags};
use hellotap::flow::to_record::to_record;
use hellotap::shard::{Shard, ShardCounts, Shared};
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

/// The packets of a capture, with their payloads.
fn packets_of(capture: &str) -> Vec<(Packet, Vec<u8>)> {
    let limits = Limits::default();
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("captures")
        .join(capture);
    let mut source = FileSource::open(&path, &limits).expect("a capture");
    let (mut block, mut at, mut packets) = (Block::default(), 0, Vec::new());
    while source.fill(&mut block.bytes).expect("it can be read") {
        while let Next::Frame(frame) = source.next_frame(&block.bytes, &mut at) {
            let bytes = &block.bytes[frame.at..][..frame.captured_len];
            if let Some(decoded) = fast::segment(frame.link, bytes) {
                let packet = Packet::new(&decoded, &Hasher::fixed(), 0, frame.time, frame.at);
                packets.push((packet, block.payload(&packet).to_vec()));
            }
        }
    }
    packets
}

/// One shard, and a clock of 200,000 packets a second.
struct Crowd {
    shard: Shard,
    shared: Shared,
    block: Block,
    number: u64,
}

impl Crowd {
    fn new() -> Self {
        let limits = Limits {
            max_flows: SHARDS << 21,
            ..Limits::default()
        };
        Self {
            shard: Shard::new(limits),
            shared: Shared::default(),
            block: Block::default(),
            number: 0,
        }
    }

    fn send(&mut self, packet: Packet, payload: &[u8]) {
        self.number += 1;
        self.block.bytes.clear();
        self.block.bytes.extend_from_slice(payload);
        let packet = Packet {
            number: self.number,
            time: Timestamp(1_700_000_000_000_000_000 + self.number * 5_000),
            payload_at: 0,
            payload_len: payload.len() as u32,
            wire_len: payload.len() as u32,
            ethernet_at: u32::MAX,
            ..packet
        };
        self.shard.packet(&packet, &self.block, &mut self.shared);
        if self.number.is_multiple_of(1 << 16) {
            self.shard.tick(packet.time, &mut self.shared);
        }
    }

    /// A connection that says `segments`, each at its offset.
    fn hostile(&mut self, client: u32, segments: &[(u32, &[u8])]) {
        let source = (mapped(client.to_be_bytes()), 40_000);
        let (key, direction) = FlowKey::new(source, (mapped([192, 0, 2, 1]), 443), Transport::Tcp);
        let packet = Packet {
            key,
            direction,
            hash: Hasher::fixed().hash(&key),
            tcp_flags: tcp_flags::SYN,
            sequence: 1,
            ..Packet::default()
        };
        self.send(packet, &[]);
        for (offset, payload) in segments {
            let data = Packet {
                tcp_flags: 0,
                sequence: 2 + offset,
                ..packet
            };
            self.send(data, payload);
        }
    }

    /// What the records say that does not depend on the clock.
    fn told(&mut self) -> Vec<String> {
        self.shard.finish(&mut self.shared);
        let flows = self.shard.settled().map(|(_, flow)| flow);
        let records = flows
            .chain(self.shared.ended().iter())
            .filter_map(to_record);
        let mut told: Vec<String> = records
            .map(|r| {
                let ends = (r.client_ip, r.client_port, r.server_ip, r.server_port);
                let what = (r.outcome, r.cause, r.negotiated_version);
                format!("{ends:?} {what:?} {:?} {:?}", r.sni, r.missing_bytes)
            })
            .collect();
        told.sort();
        told
    }
}

/// The most bytes that `connections` with these segments take, honest ones among them; what those told, and what was
/// given up.
fn crowd(connections: u32, segments: &[(u32, &[u8])]) -> (u64, Vec<String>, ShardCounts) {
    let honest = packets_of(HONEST);
    let (mut told, mut counts) = (Vec::new(), ShardCounts::default());
    let counted = allocation_counter::measure(|| {
        let mut crowd = Crowd::new();
        // The honest ones pass in the midst of it, when memory is short already.
        let (middle, mut honest) = (connections / 2, honest.iter());
        for client in 0..connections {
            crowd.hostile(client, segments);
            if client > middle
                && client % 4 == 0
                && let Some((packet, payload)) = honest.next()
            {
                crowd.send(*packet, payload);
            }
        }
        assert!(honest.next().is_none(), "they all passed");
        counts = crowd.shard.counts();
        told = crowd.told();
    });
    (counted.bytes_max, told, counts)
}

const HONEST: &str = "tls-versions-openssl.pcap";

#[test]
fn what_is_followed_takes_no_more_memory_than_it_may() {
    let mut quiet = Crowd::new();
    for (packet, payload) in packets_of(HONEST) {
        quiet.send(packet, &payload);
    }
    let quiet = quiet.told();
    assert!(quiet.len() >= 4);
    let cap = (Limits::default().max_followed_bytes / SHARDS) as u64;
    let random: Vec<u8> = (0..400_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let line = [b"EHLO a\r\n".as_slice(); 40].concat();
    let connects = [b"CONNECT a:443 HTTP/1.1\r\n\r\n".as_slice(); 20].concat();
    let pieces: Vec<(u32, &[u8])> = (0..40).map(|at| (2 * at + 1, b"x".as_slice())).collect();
    for (what, connections, segments) in [
        (
            "one byte of a hello",
            1_000_000,
            &[(0, b"\x16".as_slice())][..],
        ),
        ("random bytes", 200_000, &[(0, random.as_slice())]),
        ("commands", 100_000, &[(0, line.as_slice())]),
        ("tunnels", 100_000, &[(0, connects.as_slice())]),
        ("bytes behind holes", 50_000, &pieces),
        (
            "the beginning of a hello",
            100_000,
            &[
                (0, b"\x16\x03\x01\x20\x00\x01\x00\x1f\xfc\x03\x03"),
                (11, &[7; 1_400]),
                (1_411, &[7; 1_400]),
            ],
        ),
    ] {
        // Of connections that say nothing only the places in the table remain.
        let (places, _, none) = crowd(connections, &[]);
        assert_eq!(none.evicted_followed, 0);
        let (all, told, counts) = crowd(connections, segments);
        let followed = all.saturating_sub(places);
        // The places of the honest ones, spare memory, and the lists that have grown.
        let slack = 3 << 20;
        // Those that had something to tell stay settled, which is no more than `max_flows` allows.
        let settled = 256 * (counts.evicted_followed - counts.evicted_untold);
        assert!(
            followed < cap + slack + settled,
            "{what}: {followed} bytes, {cap} allowed"
        );
        assert!(counts.evicted_followed > 0, "{what}: the cap was reached");
        let lost: Vec<_> = quiet
            .iter()
            .filter(|record| !told.contains(record))
            .collect();
        assert!(lost.is_empty(), "{what}: {lost:#?}");
    }
}
