//! Traffic that is meant to exhaust the auditor, with honest connections among it: memory stays below its limit, the honest
//! ones are judged as ever, and what was given up is counted.
//!
//! The packets are made here and go through a pipe, so that nothing large lies on a disk.

#![cfg(target_os = "linux")]

use std::io::{BufWriter, Read as _, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader};
use serde_json::{Map, Value};

/// Writes a capture record by record.
struct Trace<W> {
    out: W,
    microseconds: u64,
    random: u64,
}

impl<W: Write> Trace<W> {
    fn begin(mut out: W) -> Self {
        // The pcap header of LINKTYPE_ETHERNET with microseconds.
        let header = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1];
        for word in header {
            out.write_all(&word.to_le_bytes()).expect("it reads");
        }
        Self {
            out,
            microseconds: 1_700_000_000_000_000,
            random: 0x9e37_79b9_7f4a_7c15,
        }
    }

    fn frame(&mut self, frame: &[u8]) {
        // 200,000 packets a second.
        self.microseconds += 5;
        let seconds = (self.microseconds / 1_000_000) as u32;
        let rest = (self.microseconds % 1_000_000) as u32;
        let length = frame.len() as u32;
        for word in [seconds, rest, length, length] {
            self.out.write_all(&word.to_le_bytes()).expect("it reads");
        }
        self.out.write_all(frame).expect("it reads");
    }

    fn tcp(&mut self, client: u32, payload: &[u8], shape: impl Fn(&mut TcpHeader)) {
        let [a, b, c, d] = client.to_be_bytes();
        let port = 1_024 + (client % 60_000) as u16;
        let mut tcp = TcpHeader::new(port, 443, 1, 65_535);
        shape(&mut tcp);
        let builder: PacketBuilderStep<_> = PacketBuilder::ethernet2(
            [2, 0, a, b, c, d],
            [2, 0, 0, 0, 0, 1],
        )
        .ipv4([10 | (a & 1), b, c, d], [192, 0, 2, 1], 64);
        let step = builder.tcp_header(tcp);
        let mut frame = Vec::with_capacity(54 + payload.len());
        step.write(&mut frame, payload).expect("it fits");
        self.frame(&frame);
    }

    fn syn(&mut self, client: u32) {
        self.tcp(client, &[], |tcp| tcp.syn = true);
    }

    fn data(&mut self, client: u32, offset: u32, payload: &[u8]) {
        self.tcp(client, payload, |tcp| {
            tcp.sequence_number = 2 + offset;
            tcp.ack = true;
        });
    }

    /// xorshift: the same bytes in every run.
    fn byte(&mut self) -> u8 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 32) as u8
    }

    /// The frames of a capture of ours, spread by `between`.
    fn honest(&mut self, mut between: impl FnMut(&mut Self)) {
        let bytes = std::fs::read(honest_capture()).expect("it is there");
        let mut at = 24;
        let word = |at: usize| {
            let word = bytes.get(at..at + 4)?;
            Some(u32::from_le_bytes(word.try_into().ok()?) as usize)
        };
        while let Some(length) = word(at + 8) {
            between(self);
            let frame = bytes.get(at + 16..at + 16 + length).expect("it is whole");
            self.frame(frame);
            at += 16 + length;
        }
    }
}

fn honest_capture() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/office.pcap")
}

struct Audited {
    records: Vec<Map<String, Value>>,
    report: Value,
    peak_mib: f64,
}

impl Audited {
    /// Memory is what the machine has of it, so a test may look at it; time it may not.
    #[track_caller]
    fn assert_below(&self, mib: f64) {
        assert!(self.peak_mib < mib, "{} MiB", self.peak_mib);
    }

    fn visibility(&self, what: &str) -> u64 {
        self.report["visibility"][what].as_u64().expect("a count")
    }
}

fn audit(
    write: impl FnOnce(&mut Trace<BufWriter<std::process::ChildStdin>>) + Send + 'static,
) -> Audited {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.json");
    let mut child = Command::new(env!("CARGO_BIN_EXE_hellotap"))
        .args(["audit", "-", "--stats", "--flows", "-", "--report"])
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let stdin = child.stdin.take().expect("it is piped");
    let writer = std::thread::spawn(move || {
        let mut trace = Trace::begin(BufWriter::with_capacity(1 << 16, stdin));
        write(&mut trace);
        trace.out.flush().expect("it reads");
    });
    let mut stderr = child.stderr.take().expect("it is piped");
    let talk = std::thread::spawn(move || {
        let mut talk = String::new();
        stderr.read_to_string(&mut talk).map(|_| talk)
    });
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("all was read");
    let talk = talk.join().expect("it ends").expect("UTF-8");
    assert!(matches!(output.status.code(), Some(0 | 1)), "{talk}");
    let peak = talk
        .lines()
        .find_map(|line| line.strip_prefix("peak memory"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" MiB"));
    let records = output.stdout.split(|byte| *byte == b'\n');
    Audited {
        records: records
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("JSON"))
            .collect(),
        report: serde_json::from_slice(&std::fs::read(&path).expect("written")).expect("JSON"),
        peak_mib: peak.and_then(|mib| mib.parse().ok()).expect("a number"),
    }
}

/// The records of the honest connections are those of a quiet day.
#[track_caller]
fn assert_honest(audited: &Audited) {
    let quiet = audit(|trace| trace.honest(|_| ()));
    let facts = |audited: &Audited| {
        let mut facts: Vec<String> = audited
            .records
            .iter()
            .filter(|record| record["server_ip"] != "192.0.2.1")
            .map(|record| {
                let mut record = record.clone();
                for field in [
                    "flow_id",
                    "first_packet",
                    "first_seen",
                    "last_seen",
                    "tcp_rtt_us",
                    "hello_us",
                ] {
                    record.remove(field);
                }
                Value::Object(record).to_string()
            })
            .collect();
        facts.sort();
        facts
    };
    assert_eq!(facts(audited), facts(&quiet));
    assert!(quiet.records.len() >= 18);
}

#[test]
fn a_flood_of_a_million_half_open_connections() {
    let audited = audit(|trace| {
        let mut client = 0;
        trace.honest(|trace| {
            for _ in 0..2_000 {
                client += 1;
                trace.syn(client);
            }
        });
        assert!(client > 1_000_000);
    });
    assert_honest(&audited);
    audited.assert_below(PROGRAM_MIB + mib(512 * 2_000, PLACE_BYTES));
    assert_eq!(audited.report["inputs"][0]["packets"], 512 * 2_001);
}

/// What the program takes beside the connections.
const PROGRAM_MIB: f64 = 200.0;
/// A connection's place in the table, its timers and its place in the index, as they grow.
const PLACE_BYTES: f64 = 400.0;
/// A connection that is followed and said next to nothing.
const FOLLOWED_BYTES: f64 = 2_048.0;
/// `Limits::max_followed_bytes`.
const MAX_FOLLOWED_MIB: f64 = 1_024.0;

/// So many things of so many bytes.
fn mib(count: u32, bytes: f64) -> f64 {
    f64::from(count) * bytes / f64::from(1 << 20)
}

#[test]
fn random_bytes_on_four_hundred_thousand_connections() {
    let audited = audit(|trace| {
        let mut client = 0;
        trace.honest(|trace| {
            for _ in 0..800 {
                client += 1;
                let payload: [u8; 400] = std::array::from_fn(|_| trace.byte());
                trace.syn(client);
                trace.data(client, 0, &payload);
            }
        });
    });
    assert_honest(&audited);
    audited.assert_below(PROGRAM_MIB + mib(512 * 800, PLACE_BYTES) + MAX_FOLLOWED_MIB);
    // They take more than they may, so those that came first were given up.
    assert!(audited.visibility("evicted") > 0);
}

#[test]
fn a_hello_in_pieces_of_one_byte_on_a_hundred_thousand_connections() {
    let audited = audit(|trace| {
        // A record of a ClientHello that never ends.
        let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefghijklmnopqrst";
        for client in 1..=100_000 {
            trace.syn(client);
        }
        let mut at = 0;
        trace.honest(|trace| {
            // All connections get their first byte, then all their second.
            for _ in 0..6_000 {
                let (byte, client) = (at / 100_000, at % 100_000);
                at += 1;
                if let Some(piece) = hello.get(byte..=byte) {
                    trace.data(client as u32 + 1, byte as u32, piece);
                }
            }
        });
    });
    assert_honest(&audited);
    audited.assert_below(PROGRAM_MIB + mib(100_000, PLACE_BYTES + FOLLOWED_BYTES));
}

#[test]
fn holes_that_are_never_filled() {
    let audited = audit(|trace| {
        let mut client = 0;
        trace.honest(|trace| {
            for _ in 0..100 {
                client += 1;
                trace.syn(client);
                // The first byte never comes, so that all of this has to wait for it.
                for piece in 0..16 {
                    trace.data(client, 1 + piece * 1_000, &[0x17; 1_000]);
                }
            }
        });
    });
    assert_honest(&audited);
    // 256 MiB may wait; what was given up is read on, and counts as followed.
    audited.assert_below(PROGRAM_MIB + mib(512 * 100, PLACE_BYTES) + MAX_FOLLOWED_MIB);
    assert!(audited.visibility("buffers_given_up") > 0);
}
