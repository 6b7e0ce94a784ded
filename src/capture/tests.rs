//! Captures built in memory, read back in every way that blocks and reads can be cut.

use std::io::{self, Read, Write as _};

use proptest::prelude::*;

use super::*;
use crate::config::Limits;

/// What a capture is made of: link type, nanoseconds, bytes on the wire, bytes captured.
type Packet = (u16, u64, usize, Vec<u8>);

#[derive(Clone, Copy, Debug)]
struct Order(bool);

impl Order {
    fn u16(self, out: &mut Vec<u8>, value: u16) {
        let bytes = value.to_be_bytes();
        out.extend(if self.0 { bytes } else { value.to_le_bytes() });
    }

    fn u32(self, out: &mut Vec<u8>, value: u32) {
        let bytes = value.to_be_bytes();
        out.extend(if self.0 { bytes } else { value.to_le_bytes() });
    }
}

const BIG: Order = Order(true);
const LITTLE: Order = Order(false);

fn pcap(order: Order, magic: u32, link: u32, packets: &[Packet]) -> Vec<u8> {
    let mut out = Vec::new();
    order.u32(&mut out, magic);
    order.u16(&mut out, 2);
    order.u16(&mut out, 4);
    for word in [0, 0, 65_535, link] {
        order.u32(&mut out, word);
    }
    for (_, ns, wire, bytes) in packets {
        let fraction = if magic == 0xa1b2_3c4d { 1 } else { 1_000 };
        order.u32(&mut out, (ns / 1_000_000_000) as u32);
        order.u32(&mut out, (ns % 1_000_000_000 / fraction) as u32);
        order.u32(&mut out, bytes.len() as u32);
        order.u32(&mut out, *wire as u32);
        if magic == 0xa1b2_cd34 {
            out.extend([0; 8]);
        }
        out.extend(bytes);
    }
    out
}

fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let padded = body.len().next_multiple_of(4);
    order.u32(&mut out, kind);
    order.u32(&mut out, padded as u32 + 12);
    out.extend(body);
    out.resize(8 + padded, 0);
    order.u32(&mut out, padded as u32 + 12);
    out
}

fn section(order: Order) -> Vec<u8> {
    let mut body = Vec::new();
    order.u32(&mut body, 0x1a2b_3c4d);
    order.u16(&mut body, 1);
    order.u16(&mut body, 0);
    body.extend([0xff; 8]);
    block(order, 0x0a0d_0d0a, &body)
}

fn interface(order: Order, link: u16, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    order.u16(&mut body, link);
    order.u16(&mut body, 0);
    order.u32(&mut body, 0);
    for (code, value) in options {
        order.u16(&mut body, *code);
        order.u16(&mut body, value.len() as u16);
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    block(order, 1, &body)
}

fn enhanced(order: Order, interface: u32, units: u64, wire: usize, bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for word in [
        interface,
        (units >> 32) as u32,
        units as u32,
        bytes.len() as u32,
        wire as u32,
    ] {
        order.u32(&mut body, word);
    }
    body.extend(bytes);
    block(order, 6, &body)
}

/// Gives at most `most` bytes a read.
struct Slow {
    bytes: io::Cursor<Vec<u8>>,
    most: usize,
}

impl Read for Slow {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = self.most.min(buf.len());
        self.bytes.read(&mut buf[..most])
    }
}

fn read_all(source: &mut FileSource) -> Vec<Packet> {
    let (mut block, mut packets) = (Vec::new(), Vec::new());
    while source.fill(&mut block).unwrap() {
        let mut at = 0;
        loop {
            match source.next_frame(&block, &mut at) {
                Next::Frame(f) => packets.push((
                    f.link.0,
                    f.time.0,
                    f.wire_len,
                    block[f.at..f.at + f.captured_len].to_vec(),
                )),
                Next::NeedMore => break,
                Next::End => return packets,
            }
        }
        block.drain(..at);
    }
    packets
}

fn open(bytes: &[u8], block_bytes: usize, most: usize) -> Result<FileSource, CaptureError> {
    let limits = Limits {
        block_bytes,
        ..Limits::default()
    };
    let bytes = io::Cursor::new(bytes.to_vec());
    FileSource::from_reader("a test".to_owned(), Box::new(Slow { bytes, most }), &limits)
}

/// The packets and the damage, read in one go.
fn read(bytes: &[u8]) -> (Vec<Packet>, Option<Damage>) {
    let mut source = open(bytes, 1 << 16, usize::MAX).unwrap();
    let packets = read_all(&mut source);
    (packets, source.damage().cloned())
}

fn two() -> Vec<Packet> {
    vec![
        (1, 1_500_000_000_123_456_000, 5, b"abc".to_vec()),
        (1, 1_500_000_001_000_001_000, 4, b"defg".to_vec()),
    ]
}

#[test]
fn pcap_in_each_byte_order_and_resolution() {
    for order in [BIG, LITTLE] {
        for magic in [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34] {
            let file = pcap(order, magic, 1, &two());
            assert_eq!(read(&file), (two(), None), "{order:?} {magic:x}");
        }
    }
}

#[test]
fn upper_bits_of_the_link_type_are_not_part_of_it() {
    let file = pcap(LITTLE, 0xa1b2_c3d4, 0x4400_0001, &two());
    assert_eq!(read(&file).0, two());
}

#[test]
fn lengths_stood_the_other_way_round_before_version_2_3() {
    let mut file = pcap(LITTLE, 0xa1b2_c3d4, 1, &[(1, 0, 3, b"abc".to_vec())]);
    file[6] = 2;
    file[24 + 8] = 9;
    file[24 + 12] = 3;
    assert_eq!(read(&file).0, [(1, 0, 9, b"abc".to_vec())]);
}

#[test]
fn less_on_the_wire_than_captured_is_corrected() {
    let file = pcap(LITTLE, 0xa1b2_c3d4, 1, &[(1, 0, 1, b"abc".to_vec())]);
    assert_eq!(read(&file).0, [(1, 0, 3, b"abc".to_vec())]);
}

#[test]
fn sections_start_over_with_byte_order_and_interfaces() {
    let (ns, binary) = ([9_u8], [0x80 | 20_u8]);
    let hour = 3600_i64.to_be_bytes();
    let mut file = section(BIG);
    file.extend(interface(BIG, 1, &[]));
    file.extend(interface(BIG, 101, &[(2, b"eth0"), (9, &ns), (14, &hour)]));
    file.extend(enhanced(BIG, 0, 7, 3, b"abc"));
    file.extend(block(BIG, 0xbad, b"a block that nobody knows"));
    file.extend(enhanced(BIG, 1, 7, 9, b"defgh"));
    file.extend(section(LITTLE));
    file.extend(interface(LITTLE, 113, &[(9, &binary)]));
    file.extend(enhanced(LITTLE, 0, 3 << 20, 1, b"i"));
    let want = vec![
        (1, 7_000, 3, b"abc".to_vec()),
        (101, 3_600_000_000_007, 9, b"defgh".to_vec()),
        (113, 3_000_000_000, 1, b"i".to_vec()),
    ];
    assert_eq!(read(&file), (want, None));
}

#[test]
fn simple_and_obsolete_packet_blocks() {
    let mut file = section(LITTLE);
    file.extend(interface(LITTLE, 1, &[]));
    file.extend(enhanced(LITTLE, 0, 5, 1, b"a"));
    file.extend(block(LITTLE, 3, b"\x03\0\0\0bcd"));
    let mut body = b"\0\0\x05\0".to_vec();
    for word in [0, 6, 2, 4] {
        LITTLE.u32(&mut body, word);
    }
    body.extend(b"ef");
    file.extend(block(LITTLE, 2, &body));
    let want = vec![
        (1, 5_000, 1, b"a".to_vec()),
        (1, 5_000, 3, b"bcd".to_vec()),
        (1, 6_000, 4, b"ef".to_vec()),
    ];
    assert_eq!(read(&file), (want, None));
}

#[test]
fn time_resolutions() {
    let units = 1_000_000_007;
    for (resolution, want) in [
        (0, units * 1_000_000_000),
        (6, units * 1_000),
        (9, units),
        (12, units / 1_000),
        (127, 0),
        (0x80, units * 1_000_000_000),
        (0x80 | 30, 931_322_581),
        (0xff, 0),
    ] {
        let mut file = section(LITTLE);
        file.extend(interface(LITTLE, 1, &[(9, &[resolution])]));
        file.extend(enhanced(LITTLE, 0, units, 1, b"a"));
        assert_eq!(read(&file).0[0].1, want, "if_tsresol {resolution}");
    }
}

#[test]
fn packets_of_an_unknown_interface_are_left_out_and_counted() {
    let mut file = section(LITTLE);
    file.extend(interface(LITTLE, 1, &[]));
    file.extend(enhanced(LITTLE, 1, 5, 1, b"a"));
    file.extend(enhanced(LITTLE, 0, 5, 1, b"b"));
    file.extend(enhanced(LITTLE, 2, 5, 1, b"c"));
    let (packets, damage) = read(&file);
    assert_eq!(packets, [(1, 5_000, 1, b"b".to_vec())]);
    assert_eq!(
        damage.unwrap().to_string(),
        "packet of an interface that was not described at byte 48, 2 packets left out"
    );
}

#[test]
fn damage_keeps_the_packets_before_it() {
    let whole = pcap(LITTLE, 0xa1b2_c3d4, 1, &two());
    let mut huge = whole.clone();
    huge.extend([0xff; 16]);
    let mut blocks = section(LITTLE);
    blocks.extend(interface(LITTLE, 1, &[(9, &[9])]));
    for (_, ns, wire, bytes) in two() {
        blocks.extend(enhanced(LITTLE, 0, ns, wire, &bytes));
    }
    let mut short = blocks.clone();
    short.extend(b"\x06\0\0\0\x08\0\0\0\0\0\0\0");
    let mut disagree = blocks.clone();
    disagree.extend(b"\x06\0\0\0\x0c\0\0\0\x10\0\0\0");
    let mut skipped = blocks.clone();
    skipped.extend(b"\x99\0\0\0\xff\0\0\0\0\0\0\0");
    for (name, file, want) in [
        (
            "cut in a record's packet",
            whole[..whole.len() - 1].to_vec(),
            "cut short in the middle of a packet at byte 43",
        ),
        (
            "cut in a record's header",
            whole[..50].to_vec(),
            "cut short in the middle of a packet at byte 43",
        ),
        (
            "record length",
            huge,
            "record length 4294967295 is not believable at byte 63",
        ),
        (
            "block length",
            short,
            "block length 8 is not believable at byte 128",
        ),
        (
            "block lengths",
            disagree,
            "block lengths 12 and 16 disagree at byte 128",
        ),
        (
            "cut in a skipped block",
            skipped,
            "cut short in the middle of a block at byte 140",
        ),
    ] {
        let (packets, damage) = read(&file);
        let kept = if name.starts_with("cut in a record") {
            1
        } else {
            2
        };
        assert_eq!(packets, two()[..kept], "{name}");
        assert_eq!(damage.unwrap().to_string(), want, "{name}");
    }
}

#[test]
fn what_is_not_a_capture_is_told_in_one_line() {
    for (bytes, want) in [
        (&b""[..], "a test is empty"),
        (
            b"GIF89a, and so on and so forth",
            "a test is not a capture: it begins neither like pcap nor like pcapng",
        ),
        (
            b"abc",
            "a test is not a capture: it is shorter than any capture",
        ),
        (
            b"\xd4\xc3\xb2\xa1\x02\0",
            "a test is not a capture: cut short in the pcap file header",
        ),
        (
            b"\x0a\x0d\x0d\x0a\x1c\0",
            "a test is not a capture: cut short in the pcapng section header",
        ),
    ] {
        let error = open(bytes, 1 << 16, 7).unwrap_err();
        assert_eq!(error.to_string(), want);
    }
}

#[test]
fn directories_and_missing_files_are_told_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits::default();
    let error = FileSource::open(directory.path(), &limits).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is a directory, not a capture file")
    );
    let missing = directory.path().join("missing.pcap");
    let error = FileSource::open(&missing, &limits).unwrap_err();
    assert!(matches!(error, CaptureError::Open { .. }), "{error}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A name, and how to compress.
type Codec = (&'static str, fn(&[u8]) -> Vec<u8>);
const CODECS: [Codec; 3] = [("gzip", gzip), ("zstd", zstd), ("lz4", lz4)];

/// Larger than a block, and than a chunk of the decompressing thread.
fn many() -> Vec<Packet> {
    (0..2_000)
        .map(|n| (1, n * 1_000, 600, vec![(n % 251) as u8; 400]))
        .collect()
}

#[test]
fn compressed_in_one_piece_or_several() {
    let file = pcap(LITTLE, 0xa1b2_c3d4, 1, &many());
    let (first, second) = file.split_at(100_001);
    for (name, compress) in CODECS {
        let pieces = [compress(first), compress(second)].concat();
        for compressed in [compress(&file), pieces] {
            // Not assert_eq, which would print a megabyte.
            assert!(read(&compressed) == (many(), None), "{name}");
        }
    }
}

#[test]
fn a_compressed_file_tells_how_far_it_was_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("capture.pcap.gz");
    let file = pcap(LITTLE, 0xa1b2_c3d4, 1, &many());
    std::fs::write(&path, gzip(&file)).unwrap();
    let mut source = FileSource::open(&path, &Limits::default()).unwrap();
    assert_eq!(read_all(&mut source), many());
    assert_eq!(source.bytes_read(), file.len() as u64);
    assert_eq!(source.size_hint(), Some(source.bytes_consumed_of_file()));
    assert_eq!(first_time(&path).unwrap(), Some(Timestamp(0)));
}

#[test]
fn a_damaged_compressed_stream_keeps_what_came_before() {
    let file = pcap(LITTLE, 0xa1b2_c3d4, 1, &many());
    for (name, compress) in CODECS {
        // One sound piece, and one that is cut.
        let (first, second) = file.split_at(100_001);
        let second = compress(second);
        let broken = [compress(first), second[..second.len() / 2].to_vec()].concat();
        let (packets, damage) = read(&broken);
        assert!(
            packets.len() >= 100_001 / 416 - 1,
            "{name} {}",
            packets.len()
        );
        assert!(packets == many()[..packets.len()], "{name}");
        assert!(damage.is_some(), "{name}");
    }
}

#[test]
fn dropping_a_compressed_capture_ends_its_thread() {
    let file = gzip(&pcap(LITTLE, 0xa1b2_c3d4, 1, &many()));
    let (gone, dropped) = crossbeam_channel::bounded::<()>(0);
    struct Witness(
        Slow,
        #[allow(dead_code, reason = "dropped with the reader")] crossbeam_channel::Sender<()>,
    );
    impl Read for Witness {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.0.read(buf)
        }
    }
    let reader = Witness(
        Slow {
            bytes: io::Cursor::new(file),
            most: 10,
        },
        gone,
    );
    let limits = Limits::default();
    drop(FileSource::from_reader("x".to_owned(), Box::new(reader), &limits).unwrap());
    let wait = std::time::Duration::from_secs(10);
    assert_eq!(
        dropped.recv_timeout(wait),
        Err(crossbeam_channel::RecvTimeoutError::Disconnected)
    );
}

#[test]
fn a_packet_may_be_larger_than_a_block() {
    let packets = vec![
        (1, 0, 100_000, vec![7; 100_000]),
        (1, 0, 3, b"abc".to_vec()),
    ];
    let file = pcap(BIG, 0xa1b2_c3d4, 1, &packets);
    for most in [1_000, usize::MAX] {
        let mut source = open(&file, 64, most).unwrap();
        assert_eq!(read_all(&mut source), packets);
    }
}

#[test]
fn a_pipe_gives_what_is_there() {
    let file = pcap(LITTLE, 0xa1b2_c3d4, 1, &two());
    let mut source = open(&file, 1 << 20, 43).unwrap();
    let mut block = Vec::new();
    // The header was read to tell the format, the first packet's 19 bytes with one read.
    assert!(source.fill(&mut block).unwrap());
    let mut at = 0;
    assert!(matches!(source.next_frame(&block, &mut at), Next::Frame(_)));
}

fn packets() -> impl Strategy<Value = Vec<Packet>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    let packet = (0..4_000_000_000_u64, 0..300_usize, bytes)
        .prop_map(|(us, more, bytes)| (1, us * 1_000, bytes.len() + more, bytes));
    prop::collection::vec(packet, 0..20)
}

proptest! {
    #[test]
    fn any_block_size_and_any_split_of_reads_give_the_same(
        packets in packets(),
        block_bytes in 1..2_000_usize,
        most in 1..300_usize,
        big in any::<bool>(),
    ) {
        let order = Order(big);
        let classic = pcap(order, 0xa1b2_c3d4, 1, &packets);
        let mut blocks = section(order);
        blocks.extend(interface(order, 1, &[]));
        for (_, ns, wire, bytes) in &packets {
            blocks.extend(block(order, 0xbad, bytes));
            blocks.extend(enhanced(order, 0, ns / 1_000, *wire, bytes));
        }
        let compressed = gzip(&blocks);
        for file in [classic, blocks, compressed] {
            let mut source = open(&file, block_bytes, most).unwrap();
            prop_assert_eq!(&read_all(&mut source), &packets);
            prop_assert_eq!(source.damage(), None);
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..600),
        start in 0..4_usize,
        block_bytes in 1..700_usize,
    ) {
        let mut file = match start {
            0 => pcap(LITTLE, 0xa1b2_c3d4, 1, &two()),
            1 => [section(BIG), interface(BIG, 1, &[])].concat(),
            2 => [section(LITTLE), interface(LITTLE, 1, &[])].concat(),
            _ => Vec::new(),
        };
        // Small numbers make believable lengths.
        for byte in bytes.iter_mut().skip(3).step_by(2) {
            *byte &= 0x0f;
        }
        file.extend(bytes);
        if let Ok(mut source) = open(&file, block_bytes, 100) {
            read_all(&mut source);
        }
    }
}
