//! Loss never lies: every capture of `captures/`, damaged at random, gives the versions of the intact one or none.
//!
//! The random numbers are seeded by the capture's name and the variant's number, which a failure prints.
//! `HELLOTAP_VARIANTS` sets how many variants of each capture are tried, and `HELLOTAP_CAPTURES` takes those captures
//! alone whose names it holds, with commas between them.

use std::collections::BTreeMap;

use std::path::Path;

use hellotap::capture::{FileSource, Next};
use hellotap::config::Limits;
use hellotap::decode::{Decoded, Decoder, LinkType};
use hellotap::dispatch::{Transport, tcp_flags};
use hellotap::hello::version::ProtocolVersion;
use hellotap::record::{FlowRecord, Host, Outcome, Version};
use hellotap::replay::{OwnedFrame, replay};

/// Captures that lack packets as they are: what is told of a flow in them may hang on their order.
const INCOMPLETE: &[&str] = &["lossy-capture", "mid-stream", "client-half", "server-half"];

#[test]
fn a_damaged_capture_tells_the_intact_versions_or_none() {
    let mut lies = Vec::new();
    let mut tried = 0;
    for (name, frames) in captures() {
        let truth = by_ends(tls_records(&frames, &Limits::default()));
        for variant in 0..variants(1000) {
            let mut random = Random::seeded(&name, variant);
            let damaged = damage(&frames, &mut random);
            tried += 1;
            for record in tls_records(&damaged, &Limits::default()) {
                let known = of_ends(&truth, &ends(&record));
                if let Err(lie) = check(&record, &known) {
                    let whole: Vec<String> = known.iter().map(|whole| brief(whole)).collect();
                    lies.push(format!(
                        "{name} variant {variant}: {:?}: {lie}\n  told   {}\n  intact {}",
                        ends(&record),
                        brief(&record),
                        whole.join("\n         ")
                    ));
                }
            }
        }
    }
    assert!(
        lies.is_empty(),
        "{} lies in {tried} variants:\n{}",
        lies.len(),
        lies[..lies.len().min(20)].join("\n")
    );
}

/// Regression: a ClientHello that came before its SYN was taken for one of the connection that had just closed.
#[test]
fn a_hello_that_overtakes_its_syn_is_of_the_new_connection() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/port-reuse.pcap");
    let intact = frames(&path);
    let mut decoder = Decoder::new(&Limits::default());
    let placed = intact.iter().enumerate().map(|(at, frame)| {
        let decoded = decoder.decode(
            frame.link,
            &frame.bytes,
            frame.wire_len,
            frame.time,
            &mut Vec::new(),
        );
        let opens = decoded
            .is_ok_and(|d| d.tcp_flags & (tcp_flags::SYN | tcp_flags::ACK) == tcp_flags::SYN);
        // Behind SYN-ACK, ACK and ClientHello.
        (at * 2 + if opens { 7 } else { 0 }, frame)
    });
    let late = in_places(placed.collect());
    assert_eq!(
        told(&tls_records(&late, &Limits::default())),
        told(&tls_records(&intact, &Limits::default()))
    );
}

/// Captures in which an answer that overtakes its question leaves a handshake unread: EAP goes by turns, and a turn out of
/// its turn is one that is missing. It becomes unknown, never another version: the other test holds that.
const OVERTAKEN: &[&str] = &["radius", "eapol"];

/// Where nothing is missing, nothing may become unknown: packets that come twice, that overtake each other a little,
/// and segments that are cut otherwise tell the same.
#[test]
fn what_loses_nothing_changes_nothing() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    for (name, frames) in captures() {
        if INCOMPLETE.iter().any(|i| name.starts_with(i)) {
            continue;
        }
        let intact = told(&tls_records(&frames, &Limits::default()));
        for variant in 0..variants(300) {
            let mut random = Random::seeded(&name, variant);
            let (kind, changed) = match variant % 3 {
                0 => ("duplicated", duplicate(&frames, 30, 4, &mut random)),
                1 => ("reordered", reorder(&frames, 30, 3, &mut random)),
                _ => ("cut otherwise", split_segments(&frames, 50, &mut random)),
            };
            tried += 1;
            let got = told(&tls_records(&changed, &Limits::default()));
            for (ends, want) in &intact {
                if kind == "reordered" && OVERTAKEN.iter().any(|o| name.starts_with(o)) {
                    continue;
                }
                // Where a port is used again at once, a straggler of one connection may lie within the other.
                if want.len() > 1 && kind != "cut otherwise" {
                    continue;
                }
                if got.get(ends) != Some(want) {
                    let got = got.get(ends).cloned().unwrap_or_default();
                    let only = |a: &[String], b: &[String]| {
                        a.iter()
                            .filter(|x| !b.contains(x))
                            .cloned()
                            .collect::<Vec<_>>()
                            .join("\n       ")
                    };
                    wrong.push(format!(
                        "{name} variant {variant}, {kind}: {ends:?}:\n  want {}\n  got  {}",
                        only(want, &got),
                        only(&got, want)
                    ));
                }
            }
            for ends in got.keys().filter(|ends| !intact.contains_key(*ends)) {
                if kind == "reordered" && OVERTAKEN.iter().any(|o| name.starts_with(o)) {
                    continue;
                }
                wrong.push(format!(
                    "{name} variant {variant}, {kind}: {ends:?} is new: {:?}",
                    got.get(ends)
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} flows in {tried} variants:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(10)].join("\n")
    );
}

/// A client's port changes, because a NAT on the way gives it another or because the client moves (RFC 9000 section 9):
/// what comes from the new one is no connection of its own, and what it says of the old one stays true.
#[test]
fn a_client_of_quic_may_change_its_port() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/quic.pcap");
    let intact = frames(&path);
    let truth = told(&tls_records(&intact, &Limits::default()));
    for old in [40_000, 40_014, 40_021] {
        let packets = intact.iter().filter(|f| moved(f, old).is_some()).count();
        let mut is_over = false;
        for kept in 1..packets {
            let mut of_it = 0;
            let mut change = |frame: &OwnedFrame| {
                let other = moved(frame, old);
                of_it += usize::from(other.is_some());
                other
                    .filter(|_| of_it > kept)
                    .unwrap_or_else(|| frame.clone())
            };
            let changed: Vec<OwnedFrame> = intact.iter().map(&mut change).collect();
            let records = tls_records(&changed, &Limits::default());
            if told(&records) == truth {
                is_over = true;
                continue;
            }
            assert!(
                !is_over,
                "{old} after {kept} packets: {:#?}",
                told(&records)
            );
            // Before both hellos went over the wire, which the protocol does not allow, one of the two may be missing.
            let versions = records
                .iter()
                .filter(|r| [Some(old), Some(NEW_PORT)].contains(&r.client_port))
                .map(|r| r.negotiated_version);
            for version in versions.flatten() {
                assert_eq!(version, Version::Exact(ProtocolVersion::TLS_1_3), "{old}");
            }
        }
        assert!(is_over, "{old}");
    }
}

const NEW_PORT: u16 = 50_001;

fn decoded(frame: &OwnedFrame) -> Option<Decoded> {
    let (bytes, len) = (&frame.bytes, frame.wire_len);
    Decoder::new(&Limits::default())
        .decode(frame.link, bytes, len, frame.time, &mut Vec::new())
        .ok()
}

/// The frame with another port in place of the client's `old` one; `None` where it has not that port.
fn moved(frame: &OwnedFrame, old: u16) -> Option<OwnedFrame> {
    let decoded = decoded(frame)?;
    let udp = decoded.payload_at - 8;
    let at = match old {
        old if old == decoded.source_port => udp,
        old if old == decoded.destination_port => udp + 2,
        _ => return None,
    };
    let mut bytes = frame.bytes.clone();
    bytes[at..at + 2].copy_from_slice(&NEW_PORT.to_be_bytes());
    Some(OwnedFrame { bytes, ..*frame })
}

/// The records of flows in which TLS was seen. Sessions in the clear have their own rules, which the ledger's tests hold.
fn tls_records(frames: &[OwnedFrame], limits: &Limits) -> Vec<FlowRecord> {
    let mut records = replay(frames, limits);
    records.retain(|record| record.carrier.is_some());
    records
}

/// The transport and the two endpoints, the smaller first. Connections that reuse a port share them.
type Ends = (Transport, (Host, Option<u16>), (Host, Option<u16>));

fn ends(record: &FlowRecord) -> Ends {
    let (client, server) = (
        (record.client(), record.client_port),
        (record.server(), record.server_port),
    );
    (record.transport, client.min(server), client.max(server))
}

/// The records of two endpoints. Where damage left one of them unknown, it may be any.
fn of_ends<'r>(truth: &'r BTreeMap<Ends, Vec<FlowRecord>>, ends: &Ends) -> Vec<&'r FlowRecord> {
    let known: Vec<_> = [ends.1.0, ends.2.0]
        .into_iter()
        .filter(|host| *host != Host::Unknown)
        .collect();
    if known.len() == 2 {
        return truth.get(ends).into_iter().flatten().collect();
    }
    let of_them = |record: &&FlowRecord| {
        let hosts = [record.client(), record.server()];
        record.transport == ends.0 && known.iter().all(|host| hosts.contains(host))
    };
    truth.values().flatten().filter(of_them).collect()
}

/// What the intact capture tells of the connections between two endpoints.
fn by_ends(records: Vec<FlowRecord>) -> BTreeMap<Ends, Vec<FlowRecord>> {
    let mut truth: BTreeMap<Ends, Vec<FlowRecord>> = BTreeMap::new();
    for record in records {
        truth.entry(ends(&record)).or_default().push(record);
    }
    truth
}

fn check(record: &FlowRecord, intact: &[&FlowRecord]) -> Result<(), &'static str> {
    match (record.negotiated_version, record.outcome, record.cause) {
        (None, Outcome::Negotiated, _) => return Err("negotiated, and no version"),
        (None, _, None) => return Err("no version, and no cause"),
        _ => {}
    }
    if intact.is_empty() {
        return if record.negotiated_version.is_none() {
            Ok(())
        } else {
            Err("a version where there was no TLS")
        };
    }
    // All that it tells is of one connection, not some of one and some of another.
    if intact.iter().any(|whole| tells_no_more(record, whole)) {
        Ok(())
    } else {
        Err("another version, or what another connection said")
    }
}

/// Whether each fact of `damaged` is what `whole` says, or unknown.
fn tells_no_more(damaged: &FlowRecord, whole: &FlowRecord) -> bool {
    let late =
        [ProtocolVersion::TLS_1_2, ProtocolVersion::TLS_1_3].map(|v| Some(Version::Exact(v)));
    let version = match (damaged.negotiated_version, whole.negotiated_version) {
        (None, _) => true,
        (Some(Version::Tls12OrLater), known) if late.contains(&known) => true,
        // The intact capture holds no answer: later records may tell what the hellos did not.
        (Some(_), None) if damaged.outcome == Outcome::JoinedMidStream => {
            matches!(whole.outcome, Outcome::Unknown | Outcome::ClientHelloOnly)
        }
        (known, whole) => known == whole,
    };
    let offer_of = |record: &FlowRecord| {
        record
            .offer
            .as_ref()
            .map(|offer| (offer.ja3.clone(), record.sni.clone()))
    };
    let sha256 = |record: &FlowRecord| record.certificate.as_ref().map(|c| c.sha256.clone());
    version
        && (damaged.cipher_suite.is_none() || damaged.cipher_suite == whole.cipher_suite)
        && (damaged.offer.is_none() || offer_of(damaged) == offer_of(whole))
        && (damaged.certificate.is_none() || sha256(damaged) == sha256(whole))
        && (damaged.resumed.is_none()
            || whole.resumed.is_none()
            || damaged.resumed == whole.resumed)
        && (damaged.client_certificate.is_none()
            || whole.client_certificate.is_none()
            || damaged.client_certificate == whole.client_certificate)
}

/// For a failure's message.
fn brief(record: &FlowRecord) -> String {
    let version = record.negotiated_version.map(|v| v.to_string());
    let sent = record.offer.as_ref().map(|o| o.ja3.clone());
    format!(
        "first packet {}, {version:?} {:?} {:?} {:?} {:?} {:?} resumed {:?} client certificate {:?}, alerts {:?}, {} bytes missing",
        record.first_packet,
        record.outcome,
        record.cause,
        record.cipher_suite,
        record.sni,
        sent,
        record.resumed,
        record.client_certificate,
        record.alerts,
        record.missing_bytes
    )
}

/// What must not hang on the order of packets, one entry a connection.
fn told(records: &[FlowRecord]) -> BTreeMap<Ends, Vec<String>> {
    let mut told: BTreeMap<Ends, Vec<String>> = BTreeMap::new();
    for record in records {
        let version = record.negotiated_version.map(|v| v.to_string());
        // Who closed first hangs on the order of two packets, so the outcome may change from one refusal to another.
        let facts = (
            version,
            record.cipher_suite,
            record.sni.as_deref(),
            record.resumed,
            record.outcome == Outcome::Negotiated,
        );
        let offer = record.offer.as_ref().map(|o| o.ja3.clone());
        let certificate = record.certificate.as_ref().map(|c| c.sha256.clone());
        told.entry(ends(record))
            .or_default()
            .push(format!("{facts:?} {offer:?} {certificate:?}"));
    }
    told.values_mut().for_each(|list| list.sort());
    told
}

/// One to three kinds of damage, one after the other.
fn damage(frames: &[OwnedFrame], random: &mut Random) -> Vec<OwnedFrame> {
    let mut frames = frames.to_vec();
    for _ in 0..=random.below(3) {
        let percent = [1, 3, 10, 30, 60][random.below(5)];
        frames = match random.below(8) {
            0 | 1 => frames
                .into_iter()
                .filter(|_| !random.percent(percent))
                .collect(),
            2 => {
                // A burst.
                let at = random.below(frames.len() + 1);
                let len = random.below(20);
                frames
                    .into_iter()
                    .enumerate()
                    .filter(|(i, _)| !(at..at + len).contains(i))
                    .map(|(_, f)| f)
                    .collect()
            }
            3 => duplicate(&frames, percent, 12, random),
            4 => {
                let window = 1 + random.below(24);
                reorder(&frames, percent, window, random)
            }
            5 => {
                let range = if random.percent(50) { 200 } else { 1400 };
                let snaplen = 40 + random.below(range);
                frames.into_iter().map(|f| cut(f, snaplen)).collect()
            }
            6 => {
                let from = random.below(frames.len() + 1);
                if random.percent(50) {
                    frames.split_off(from)
                } else {
                    frames.truncate(from);
                    frames
                }
            }
            _ => split_segments(&frames, percent, random),
        };
    }
    frames
}

fn cut(frame: OwnedFrame, snaplen: usize) -> OwnedFrame {
    let mut bytes = frame.bytes;
    bytes.truncate(snaplen);
    OwnedFrame { bytes, ..frame }
}

/// Some frames come again, up to `window` places later.
fn duplicate(
    frames: &[OwnedFrame],
    percent: usize,
    window: usize,
    random: &mut Random,
) -> Vec<OwnedFrame> {
    let mut placed: Vec<(usize, &OwnedFrame)> = Vec::new();
    for (at, frame) in frames.iter().enumerate() {
        placed.push((at * 2, frame));
        if random.percent(percent) {
            placed.push(((at + random.below(window + 1)) * 2 + 1, frame));
        }
    }
    in_places(placed)
}

/// Some frames come up to `window` places later.
fn reorder(
    frames: &[OwnedFrame],
    percent: usize,
    window: usize,
    random: &mut Random,
) -> Vec<OwnedFrame> {
    let placed = frames.iter().enumerate().map(|(at, frame)| {
        let late = if random.percent(percent) {
            1 + random.below(window)
        } else {
            0
        };
        ((at + late) * 2 + usize::from(late > 0), frame)
    });
    in_places(placed.collect())
}

/// A capture's clock does not run backwards: the frames take the times of their new places.
fn in_places(mut placed: Vec<(usize, &OwnedFrame)>) -> Vec<OwnedFrame> {
    placed.sort_by_key(|(place, _)| *place);
    let mut now = placed.iter().map(|(_, f)| f.time).min().unwrap_or_default();
    let mut frames = Vec::with_capacity(placed.len());
    for (_, frame) in placed {
        now = now.max(frame.time);
        frames.push(OwnedFrame {
            time: now,
            ..frame.clone()
        });
    }
    frames
}

/// Some TCP segments become two, as if the sender or a box on the way had cut them so.
fn split_segments(frames: &[OwnedFrame], percent: usize, random: &mut Random) -> Vec<OwnedFrame> {
    let mut out = Vec::with_capacity(frames.len());
    for frame in frames {
        match random
            .percent(percent)
            .then(|| split(frame, random))
            .flatten()
        {
            Some(halves) => out.extend(halves),
            None => out.push(frame.clone()),
        }
    }
    out
}

fn split(frame: &OwnedFrame, random: &mut Random) -> Option<[OwnedFrame; 2]> {
    const ETHERNET: LinkType = LinkType(1);
    let decoded = decoded(frame)?;
    if frame.link != ETHERNET
        || decoded.transport != Transport::Tcp
        || decoded.payload_len < 2
        || decoded.payload_len < decoded.wire_len
    {
        return None;
    }
    let mut ip = 14;
    while matches!(frame.bytes.get(ip - 2..ip)?, [0x81, 0x00] | [0x88, 0xa8]) {
        ip += 4;
    }
    let v6 = frame.bytes.get(ip)? >> 4 == 6;
    let tcp = ip
        + if v6 {
            40
        } else {
            usize::from(frame.bytes[ip] & 15) * 4
        };
    let payload = decoded.payload_at;
    // Headers of another kind between them are left alone.
    if tcp + usize::from(frame.bytes.get(tcp + 12)? >> 4) * 4 != payload {
        return None;
    }
    let first = 1 + random.below(decoded.payload_len - 1);
    // RFC 9293 section 3.4: a SYN has a sequence number of its own, before the data's.
    let syn = decoded.tcp_flags & tcp_flags::SYN;
    let data = decoded.sequence.wrapping_add((syn != 0).into());
    let part = |from: usize, to: usize| {
        let mut bytes = frame.bytes[..payload].to_vec();
        bytes.extend_from_slice(&frame.bytes[payload + from..payload + to]);
        let ip_len = if v6 {
            bytes.len() - ip - 40
        } else {
            bytes.len() - ip
        };
        let at = if v6 { ip + 4 } else { ip + 2 };
        bytes[at..at + 2].copy_from_slice(&(ip_len as u16).to_be_bytes());
        let sequence = match from {
            0 => decoded.sequence,
            _ => data.wrapping_add(from as u32),
        };
        bytes[tcp + 4..tcp + 8].copy_from_slice(&sequence.to_be_bytes());
        OwnedFrame {
            wire_len: bytes.len(),
            bytes,
            ..*frame
        }
    };
    let (mut one, mut two) = (part(0, first), part(first, decoded.payload_len));
    // Only the first byte opens the stream, and only the last one ends it.
    one.bytes[tcp + 13] &= !tcp_flags::FIN;
    two.bytes[tcp + 13] &= !tcp_flags::SYN;
    Some([one, two])
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn seeded(name: &str, variant: u64) -> Self {
        // FNV-1a.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
        });
        Self(hash ^ variant.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

fn variants(of_each: u64) -> u64 {
    match std::env::var("HELLOTAP_VARIANTS") {
        Ok(number) => number.parse().expect("HELLOTAP_VARIANTS is a number"),
        Err(_) if cfg!(debug_assertions) => of_each / 10,
        Err(_) => of_each,
    }
}

/// Every capture with its frames.
fn captures() -> Vec<(String, Vec<OwnedFrame>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut captures = Vec::new();
    for entry in std::fs::read_dir(folder).expect("captures/ is there") {
        let path = entry.expect("captures/ can be read").path();
        let name = path
            .file_name()
            .expect("it has a name")
            .to_string_lossy()
            .into_owned();
        if name.contains(".pcap") {
            captures.push((name, frames(&path)));
        }
    }
    captures.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(captures.len() >= 20, "too few captures: {}", captures.len());
    if let Ok(names) = std::env::var("HELLOTAP_CAPTURES") {
        captures.retain(|(name, _)| names.split(',').any(|word| word == name));
        assert!(!captures.is_empty(), "no capture is called {names}");
    }
    captures
}

fn frames(path: &Path) -> Vec<OwnedFrame> {
    let mut source = FileSource::open(path, &Limits::default()).expect("it is a capture");
    let (mut block, mut frames) = (Vec::new(), Vec::new());
    while source.fill(&mut block).expect("it can be read") {
        let mut at = 0;
        while let Next::Frame(frame) = source.next_frame(&block, &mut at) {
            let bytes = block[frame.at..frame.at + frame.captured_len].to_vec();
            frames.push(OwnedFrame {
                link: frame.link,
                bytes,
                wire_len: frame.wire_len,
                time: frame.time,
            });
        }
        block.drain(..at);
    }
    assert!(!frames.is_empty(), "{}", path.display());
    frames
}
