//! Makes large captures from small ones: real connections, replayed with fresh addresses, many at a time.
//!
//! ```text
//! cargo run --release --example generate -- --connections 150000 --concurrent 2000 --out a.pcap
//! cargo run --release --example generate -- --connections 2500 --bulk 430000 --out b.pcap
//! ```
//!
//! Same arguments, same bytes. Checksums are correct, sequence numbers are consistent, and every connection of the
//! templates that completes a TLS handshake is used in turn.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use etherparse::{Ethernet2Header, IpNumber, Ipv4Header, TcpHeader};
use hellotap::capture::{FileSource, Next};
use hellotap::config::Limits;
use hellotap::decode::Decoder;
use hellotap::dispatch::{Direction, FlowKey, Transport, mapped, tcp_flags};
use hellotap::time::Timestamp;

#[derive(Parser)]
struct Args {
    /// Captures whose connections are replayed
    #[arg(long, default_values = ["captures/tls-versions-openssl.pcap", "captures/smtp-starttls.pcap", "captures/chromium.pcap"])]
    template: Vec<PathBuf>,
    /// Connections to write
    #[arg(long, default_value_t = 10_000)]
    connections: u32,
    /// Connections open at a time
    #[arg(long, default_value_t = 2_000)]
    concurrent: usize,
    /// Bytes of application data that the server adds to each
    #[arg(long, default_value_t = 0)]
    bulk: u64,
    /// Leave out FIN and RST: every connection stays open
    #[arg(long)]
    no_close: bool,
    /// Packets of a thousand that are lost
    #[arg(long, default_value_t = 0)]
    loss: u64,
    /// Packets of a thousand that change places with the next of their connection
    #[arg(long, default_value_t = 0)]
    reorder: u64,
    /// Distinct client addresses
    #[arg(long, default_value_t = 5_000)]
    clients: u32,
    /// For loss and reordering
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Nanoseconds between two packets
    #[arg(long, default_value_t = 20_000)]
    gap_ns: u64,
    /// Where to
    #[arg(long)]
    out: PathBuf,
}

/// A segment of a template connection.
#[derive(Clone)]
struct Segment {
    from_client: bool,
    flags: u8,
    sequence: u32,
    acknowledgment: u32,
    payload: Vec<u8>,
}

struct Template {
    server_port: u16,
    segments: Vec<Segment>,
}

/// A connection that is being written.
struct Open {
    number: u32,
    template: usize,
    next: usize,
    order: Vec<usize>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut templates = Vec::new();
    for path in &args.template {
        templates.extend(load(path, &args)?);
    }
    ensure!(
        !templates.is_empty(),
        "no template has a complete connection"
    );
    let file =
        File::create(&args.out).with_context(|| format!("cannot write {}", args.out.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    out.write_all(&[
        0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0,
    ])?;

    let mut random = Random(args.seed);
    let mut started = 0;
    let mut open: Vec<Open> = Vec::new();
    let mut now = Timestamp(1_700_000_000_000_000_000);
    let (mut packets, mut frame) = (0_u64, Vec::with_capacity(2048));
    let mut turn = 0;
    loop {
        while open.len() < args.concurrent && started < args.connections {
            // A client has one stack.
            let template = (started % args.clients) as usize % templates.len();
            let mut order: Vec<usize> = (0..templates[template].segments.len()).collect();
            for i in 1..order.len() {
                if random.below(1000) < args.reorder {
                    order.swap(i - 1, i);
                }
            }
            order.retain(|_| args.loss == 0 || random.below(1000) >= args.loss);
            open.push(Open {
                number: started,
                template,
                next: 0,
                order,
            });
            started += 1;
        }
        if open.is_empty() {
            break;
        }
        turn = (turn + 1) % open.len();
        let connection = &mut open[turn];
        let template = &templates[connection.template];
        if let Some(index) = connection.order.get(connection.next) {
            connection.next += 1;
            write_frame(
                &mut frame,
                connection.number,
                template,
                &template.segments[*index],
                args.clients,
            );
            let len = u32::try_from(frame.len())?;
            out.write_all(&u32::try_from(now.seconds())?.to_le_bytes())?;
            out.write_all(&u32::try_from(now.0 % 1_000_000_000)?.to_le_bytes())?;
            out.write_all(&len.to_le_bytes())?;
            out.write_all(&len.to_le_bytes())?;
            out.write_all(&frame)?;
            now.0 += args.gap_ns;
            packets += 1;
        } else {
            open.swap_remove(turn);
        }
    }
    out.flush()?;
    eprintln!(
        "{packets} packets of {started} connections, {} templates",
        templates.len()
    );
    Ok(())
}

/// The TCP connections of a capture that begin with a SYN and complete a TLS handshake, over Ethernet and IPv4.
fn load(path: &Path, args: &Args) -> Result<Vec<Template>> {
    let limits = Limits::default();
    let mut source = FileSource::open(path, &limits)?;
    let mut decoder = Decoder::new(&limits);
    let (mut bytes, mut extra) = (Vec::new(), Vec::new());
    // Templates are small: one block holds them.
    source.fill(&mut bytes)?;
    let mut connections: Vec<(FlowKey, Direction, Template)> = Vec::new();
    let mut at = 0;
    while let Next::Frame(frame) = source.next_frame(&bytes, &mut at) {
        let data = &bytes[frame.at..frame.at + frame.captured_len];
        let Ok(packet) = decoder.decode(frame.link, data, frame.wire_len, frame.time, &mut extra)
        else {
            continue;
        };
        if packet.transport != Transport::Tcp || packet.in_extra {
            continue;
        }
        let (key, direction) = FlowKey::new(
            (packet.source, packet.source_port),
            (packet.destination, packet.destination_port),
            Transport::Tcp,
        );
        if packet.tcp_flags & (tcp_flags::SYN | tcp_flags::ACK) == tcp_flags::SYN {
            connections.push((
                key,
                direction,
                Template {
                    server_port: packet.destination_port,
                    segments: Vec::new(),
                },
            ));
        }
        let Some((_, client, template)) = connections.iter_mut().rev().find(|(k, ..)| *k == key)
        else {
            continue;
        };
        template.segments.push(Segment {
            from_client: direction == *client,
            flags: packet.tcp_flags,
            sequence: packet.sequence,
            acknowledgment: packet.acknowledgment,
            payload: data[packet.payload_at..packet.payload_at + packet.payload_len].to_vec(),
        });
    }
    let whole = connections
        .into_iter()
        .map(|(.., template)| template)
        .filter(|t| {
            // Application data from the server: the handshake is done.
            t.segments
                .iter()
                .any(|s| !s.from_client && s.payload.starts_with(&[0x17, 3]))
        });
    Ok(whole.map(|template| with_bulk(template, args)).collect())
}

/// Adds bulk data of the server before the first FIN, in full segments of TLS records, each second one acknowledged.
fn with_bulk(mut template: Template, args: &Args) -> Template {
    const SEGMENT: usize = 1448;
    const RECORD: usize = 16 * SEGMENT;
    let end = tcp_flags::FIN | tcp_flags::RST;
    if args.no_close {
        template.segments.retain(|s| s.flags & end == 0);
    }
    let close = template
        .segments
        .iter()
        .position(|s| s.flags & end != 0)
        .unwrap_or(template.segments.len());
    let before = &template.segments[..close];
    let next = |from_client: bool| {
        let last = before
            .iter()
            .filter(|s| s.from_client == from_client)
            .max_by_key(|s| s.sequence.wrapping_add(s.payload.len() as u32));
        last.map_or(0, |s| s.sequence.wrapping_add(s.payload.len() as u32))
    };
    let (client_next, mut server_next) = (next(true), next(false));
    let total = usize::try_from(args.bulk).unwrap_or(0).div_ceil(SEGMENT) * SEGMENT;
    let mut added = Vec::new();
    for (index, at) in (0..total).step_by(SEGMENT).enumerate() {
        let mut payload: Vec<u8> = (0..SEGMENT).map(|i| (i * 31 + at) as u8).collect();
        if at % RECORD == 0 {
            let len = (total - at).min(RECORD) - 5;
            payload[..5].copy_from_slice(&[0x17, 3, 3, (len >> 8) as u8, len as u8]);
        }
        let data = Segment {
            from_client: false,
            flags: tcp_flags::ACK,
            sequence: server_next,
            acknowledgment: client_next,
            payload,
        };
        server_next = server_next.wrapping_add(SEGMENT as u32);
        added.push(data);
        if index % 2 == 1 {
            added.push(Segment {
                from_client: true,
                flags: tcp_flags::ACK,
                sequence: client_next,
                acknowledgment: server_next,
                payload: Vec::new(),
            });
        }
    }
    for segment in &mut template.segments[close..] {
        if segment.from_client {
            segment.acknowledgment = segment.acknowledgment.wrapping_add(total as u32);
        } else {
            segment.sequence = segment.sequence.wrapping_add(total as u32);
        }
    }
    template.segments.splice(close..close, added);
    template
}

/// One Ethernet frame of connection `number`.
fn write_frame(
    frame: &mut Vec<u8>,
    number: u32,
    template: &Template,
    segment: &Segment,
    clients: u32,
) {
    let (host, port) = (number % clients, 1024 + (number / clients) % 64_000);
    let client = (
        [10, (host >> 16) as u8, (host >> 8) as u8, host as u8],
        port as u16,
    );
    let server = (
        [198, 18, (number / clients % 8) as u8, (host % 251) as u8],
        template.server_port,
    );
    let (from, to) = if segment.from_client {
        (client, server)
    } else {
        (server, client)
    };
    debug_assert_ne!(mapped(from.0), mapped(to.0));
    // Moves the whole number space of a connection, so that no two are alike.
    let shift = number.wrapping_mul(0x9e37_79b1);
    let mut tcp = TcpHeader::new(from.1, to.1, segment.sequence.wrapping_add(shift), 0xffff);
    tcp.syn = segment.flags & tcp_flags::SYN != 0;
    tcp.fin = segment.flags & tcp_flags::FIN != 0;
    tcp.rst = segment.flags & tcp_flags::RST != 0;
    tcp.ack = segment.flags & tcp_flags::ACK != 0;
    if tcp.ack {
        tcp.acknowledgment_number = segment.acknowledgment.wrapping_add(shift);
    }
    let mac = |v4: [u8; 4]| [2, 0, v4[0], v4[1], v4[2], v4[3]];
    let len = (tcp.header_len() + segment.payload.len()) as u16;
    let mut ip = Ipv4Header::new(len, 64, IpNumber::TCP, from.0, to.0)
        .expect("a segment fits into an IPv4 packet");
    ip.header_checksum = ip.calc_header_checksum();
    tcp.checksum = tcp
        .calc_checksum_ipv4(&ip, &segment.payload)
        .expect("a segment fits into an IPv4 packet");
    frame.clear();
    let ethernet = Ethernet2Header {
        source: mac(from.0),
        destination: mac(to.0),
        ether_type: etherparse::EtherType::IPV4,
    };
    frame.extend_from_slice(&ethernet.to_bytes());
    frame.extend_from_slice(&ip.to_bytes());
    frame.extend_from_slice(&tcp.to_bytes());
    frame.extend_from_slice(&segment.payload);
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}
