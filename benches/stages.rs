//! What each stage of a packet's way costs, by itself: `cargo bench --bench stages`.

use std::path::Path;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use hellotap::capture::{FileSource, Frame, Next};
use hellotap::config::Limits;
use hellotap::decode::{Decoded, Decoder, fast};
use hellotap::dispatch::{Block, FlowKey, Hasher, Packet, Transport, mapped};
use hellotap::flow::Flow;
use hellotap::flow::stream::Assembler;
use hellotap::flow::table::FlowTable;
use hellotap::flow::to_record::to_record;
use hellotap::hello::client::ClientHello;
use hellotap::hello::intern::Interner;
use hellotap::hello::{Offer, offer};
use hellotap::output::FlowFormat;
use hellotap::record::{Carrier, FlowRecord};
use hellotap::shard::{Shard, Shared};

fn main() {
    divan::main();
}

/// A block with all of a small capture, and its frames.
fn load() -> (Block, Vec<Frame>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/tls-versions-openssl.pcap");
    let mut source = FileSource::open(&path, &Limits::default()).expect("a capture");
    let (mut block, mut at) = (Block::default(), 0);
    let mut frames = Vec::new();
    loop {
        match source.next_frame(&block.bytes, &mut at) {
            Next::Frame(frame) => frames.push(frame),
            Next::NeedMore if source.fill(&mut block.bytes).expect("it can be read") => {}
            Next::NeedMore | Next::End => break,
        }
    }
    assert!(!frames.is_empty(), "nothing to measure");
    (block, frames)
}

fn bytes_of<'a>(block: &'a Block, frame: &Frame) -> &'a [u8] {
    block
        .bytes
        .get(frame.at..frame.at + frame.captured_len)
        .unwrap_or_default()
}

/// The packets of that capture.
fn packets() -> (Block, Vec<Packet>) {
    let (mut block, frames) = load();
    let mut decoder = Decoder::new(&Limits::default());
    let bytes = std::mem::take(&mut block.bytes);
    let packets = frames
        .iter()
        .zip(1..)
        .filter_map(|(frame, number)| {
            let frame_bytes = bytes.get(frame.at..frame.at + frame.captured_len)?;
            let decoded = decoder
                .decode(
                    frame.link,
                    frame_bytes,
                    frame.wire_len,
                    frame.time,
                    &mut block.extra,
                )
                .ok()?;
            Some(Packet::new(
                &decoded,
                &Hasher::fixed(),
                number,
                frame.time,
                frame.at,
            ))
        })
        .collect();
    block.bytes = bytes;
    (block, packets)
}

/// Its records, unjudged.
fn records() -> Vec<FlowRecord> {
    let (block, packets) = packets();
    let (mut shard, mut shared) = (Shard::new(Limits::default()), Shared::default());
    for packet in &packets {
        shard.packet(packet, &block, &mut shared);
    }
    shard.finish(&mut shared);
    shard
        .settled()
        .filter_map(|(_, flow)| to_record(flow))
        .collect()
}

#[divan::bench]
fn decode_usual(bencher: Bencher<'_, '_>) {
    let (block, frames) = load();
    let count = (
        ItemsCount::new(frames.len()),
        BytesCount::new(block.bytes.len()),
    );
    bencher.counter(count.0).counter(count.1).bench(|| {
        frames
            .iter()
            .filter_map(|frame| fast::segment(frame.link, bytes_of(&block, frame)))
            .map(|decoded| decoded.payload_len)
            .sum::<usize>()
    });
}

#[divan::bench]
fn decode_whole(bencher: Bencher<'_, '_>) {
    let (block, frames) = load();
    let mut decoder = Decoder::new(&Limits::default());
    let mut extra = Vec::new();
    bencher
        .counter(ItemsCount::new(frames.len()))
        .counter(BytesCount::new(block.bytes.len()))
        .bench_local(|| {
            frames
                .iter()
                .filter_map(|frame| {
                    decoder
                        .decode(
                            frame.link,
                            bytes_of(&block, frame),
                            frame.wire_len,
                            frame.time,
                            &mut extra,
                        )
                        .ok()
                })
                .map(|decoded| decoded.payload_len)
                .sum::<usize>()
        });
}

#[divan::bench]
fn dispatch(bencher: Bencher<'_, '_>) {
    let (block, frames) = load();
    let decoded: Vec<Decoded> = frames
        .iter()
        .filter_map(|frame| fast::segment(frame.link, bytes_of(&block, frame)))
        .collect();
    let (hasher, mut lane) = (Hasher::fixed(), Vec::with_capacity(decoded.len()));
    bencher
        .counter(ItemsCount::new(decoded.len()))
        .bench_local(|| {
            lane.clear();
            for one in &decoded {
                lane.push(Packet::new(one, &hasher, 1, frames[0].time, 0));
            }
            black_box(lane.len())
        });
}

/// Keys of `n` flows, with a packet each.
fn flows(n: u32) -> Vec<Packet> {
    let hasher = Hasher::fixed();
    (0..n)
        .map(|i| {
            let client = (mapped(i.to_be_bytes()), 40_000);
            let (key, direction) =
                FlowKey::new(client, (mapped([192, 0, 2, 1]), 443), Transport::Tcp);
            Packet {
                key,
                direction,
                hash: hasher.hash(&key),
                ..Packet::default()
            }
        })
        .collect()
}

#[divan::bench(args = [1_000, 10_000, 100_000, 1_000_000])]
fn flow_look_up(bencher: Bencher<'_, '_>, n: u32) {
    let packets = flows(n);
    let mut table = FlowTable::default();
    for packet in &packets {
        table.insert(Flow::new(packet), 1);
    }
    // Far from one another, as those of a capture are.
    let mut at = 0;
    bencher.counter(ItemsCount::new(64_usize)).bench_local(|| {
        (0..64)
            .filter_map(|_| {
                at = (at + 7919) % packets.len();
                table.find(packets[at].hash, &packets[at].key)
            })
            .count()
    });
}

#[divan::bench]
fn packet_of_a_settled_flow(bencher: Bencher<'_, '_>) {
    let (block, packets) = packets();
    let (mut shard, mut shared) = (Shard::new(Limits::default()), Shared::default());
    // The packet with which the first flow settles, while it is still open.
    let mut packet = packets
        .iter()
        .find(|packet| {
            shard.packet(packet, &block, &mut shared);
            shard.settled().next().is_some()
        })
        .copied()
        .expect("a flow settles");
    bencher.counter(ItemsCount::new(64_usize)).bench_local(|| {
        for _ in 0..64 {
            packet.sequence = packet.sequence.wrapping_add(packet.wire_len);
            shard.packet(&packet, &block, &mut shared);
        }
    });
}

#[divan::bench(args = [100, 1_400])]
fn assembler(bencher: Bencher<'_, '_>, segment: usize) {
    let bytes = vec![7; segment];
    let mut buffer = Vec::new();
    bencher
        .counter(ItemsCount::new(4_usize))
        .counter(BytesCount::new(4 * segment))
        .bench_local(|| {
            let mut assembler = Assembler::new(0, std::mem::take(&mut buffer));
            for _ in 0..4 {
                let at = assembler.next();
                assembler.append(at, &bytes, segment as u64);
            }
            buffer = assembler.release();
        });
}

/// The body of the first ClientHello that stands whole in a segment.
fn client_hello() -> Vec<u8> {
    let (block, packets) = packets();
    packets
        .iter()
        .map(|packet| block.payload(packet))
        .find_map(|payload| match payload {
            [0x16, 3, _, _, _, 1, _, _, _, body @ ..] => Some(body.to_vec()),
            _ => None,
        })
        .expect("it has one")
}

#[divan::bench]
fn hello_parse(bencher: Bencher<'_, '_>) {
    let body = client_hello();
    bencher
        .counter(BytesCount::new(body.len()))
        .bench(|| ClientHello::parse(black_box(&body), false).map(|hello| hello.is_strict()));
}

#[divan::bench]
fn hello_to_offer(bencher: Bencher<'_, '_>) {
    let body = client_hello();
    let mut table = Interner::<Offer>::default();
    bencher
        .counter(BytesCount::new(body.len()))
        .bench_local(|| {
            let hello = ClientHello::parse(black_box(&body), false).expect("it parses");
            offer::intern(&mut table, &hello, Carrier::Tls)
        });
}

/// All packets of the capture: handshakes from the first SYN to the settled flow.
#[divan::bench]
fn handshakes(bencher: Bencher<'_, '_>) {
    let (block, packets) = packets();
    let mut shared = Shared::default();
    bencher
        .counter(ItemsCount::new(packets.len()))
        .bench_local(|| {
            let mut shard = Shard::new(Limits::default());
            for packet in &packets {
                shard.packet(packet, &block, &mut shared);
            }
            shard.flows()
        });
}

#[divan::bench(args = ["ndjson", "csv"])]
fn record_writing(bencher: Bencher<'_, '_>, format: &str) {
    let records = records();
    let format = match format {
        "csv" => FlowFormat::Csv,
        _ => FlowFormat::Ndjson,
    };
    let mut out = Vec::new();
    for record in &records {
        format.append(record, &mut out);
    }
    bencher
        .counter(ItemsCount::new(records.len()))
        .counter(BytesCount::new(out.len()))
        .bench_local(|| {
            out.clear();
            for record in &records {
                format.append(record, &mut out);
            }
            out.len()
        });
}
