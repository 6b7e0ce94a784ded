//! Captures made of conversations: what each side says, cut into segments and acknowledged.

use std::fs;
use std::path::Path;

use etherparse::PacketBuilder;

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

use Side::{Client, Server};

/// How frames are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrap {
    Plain,
    Vlan,
    V6,
    Vxlan,
    Erspan,
}

/// A capture in the making.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    frames: Vec<Vec<u8>>,
}

/// A connection in it.
#[derive(Debug)]
pub(crate) struct Talk {
    port: u16,
    server_port: u16,
    wrap: Wrap,
    /// What each side sends next.
    next: [u32; 2],
}

const SEGMENT_BYTES: usize = 1400;

impl Trace {
    /// Writes it, a packet every 10 µs.
    pub(crate) fn write(&self, path: &Path) {
        let mut bytes = Vec::new();
        for number in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
            bytes.extend(number.to_le_bytes());
        }
        for (frame, number) in self.frames.iter().zip(0_u32..) {
            let us = number * 10;
            let len = u32::try_from(frame.len()).expect("a frame");
            for field in [1_700_000_000 + us / 1_000_000, us % 1_000_000, len, len] {
                bytes.extend(field.to_le_bytes());
            }
            bytes.extend(frame);
        }
        fs::write(path, bytes).expect("there is room");
    }
}

impl Talk {
    /// A connection from that port, joined where the sequence numbers are these.
    pub(crate) fn joined(ports: [u16; 2], wrap: Wrap, next: [u32; 2]) -> Self {
        let [port, server_port] = ports;
        Self {
            port,
            server_port,
            wrap,
            next,
        }
    }

    /// A connection that opens with these initial sequence numbers.
    pub(crate) fn open(trace: &mut Trace, ports: [u16; 2], wrap: Wrap, isns: [u32; 2]) -> Self {
        let mut talk = Self::joined(ports, wrap, isns);
        talk.segment(trace, Client, &[], "S");
        talk.segment(trace, Server, &[], "SA");
        talk.segment(trace, Client, &[], "A");
        talk
    }

    /// `from` says something, and the other side acknowledges every second segment.
    pub(crate) fn say(&mut self, trace: &mut Trace, from: Side, bytes: &[u8]) {
        for (number, piece) in bytes.chunks(SEGMENT_BYTES).enumerate() {
            self.segment(trace, from, piece, "A");
            if number % 2 == 0 {
                self.segment(trace, from.other(), &[], "A");
            }
        }
    }

    /// Both sides close.
    pub(crate) fn close(&mut self, trace: &mut Trace) {
        self.segment(trace, Client, &[], "FA");
        self.segment(trace, Server, &[], "FA");
        self.segment(trace, Client, &[], "A");
    }

    /// A handshake of TLS 1.2 whose certificate has so many bytes.
    pub(crate) fn handshake(&mut self, trace: &mut Trace, certificate_bytes: usize) {
        let mut hello = vec![3, 3];
        hello.extend([7; 32]);
        hello.extend([0, 0, 2, 0xc0, 0x2f, 1, 0]);
        self.say(trace, Client, &records(22, &message(1, &hello)));
        let mut answer = vec![3, 3];
        answer.extend([9; 32]);
        answer.extend([0, 0xc0, 0x2f, 0]);
        let mut flight = message(2, &answer);
        let mut list = length(certificate_bytes + 3);
        list.extend(length(certificate_bytes));
        list.extend(vec![0x30; certificate_bytes]);
        flight.extend(message(11, &list));
        flight.extend(message(14, &[]));
        self.say(trace, Server, &records(22, &flight));
        let finish = [
            records(22, &message(16, &[1; 33])),
            records(20, &[1]),
            records(22, &[5; 40]),
        ];
        self.say(trace, Client, &finish.concat());
        self.say(
            trace,
            Server,
            &[records(20, &[1]), records(22, &[5; 40])].concat(),
        );
    }

    /// `from` sends so many bytes of application data.
    pub(crate) fn data(&mut self, trace: &mut Trace, from: Side, bytes: usize) {
        self.say(trace, from, &records(23, &vec![0xda; bytes]));
    }

    fn segment(&mut self, trace: &mut Trace, from: Side, payload: &[u8], flags: &str) {
        let at = from as usize;
        let (sequence, acknowledgment) = (self.next[at], self.next[1 - at]);
        let ports = match from {
            Client => (self.port, self.server_port),
            Server => (self.server_port, self.port),
        };
        let last = |side: Side| if side == Client { 1 } else { 2 };
        let (source, destination) = (last(from), last(from.other()));
        let ethernet =
            PacketBuilder::ethernet2([2, 0, 0, 0, 0, source], [2, 0, 0, 0, 0, destination]);
        let (v4a, v4b) = ([10, 9, 0, source], [10, 9, 0, destination]);
        let builder = match self.wrap {
            Wrap::V6 => {
                let v6 = |last| [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
                ethernet.ipv6(v6(source), v6(destination), 64)
            }
            Wrap::Vlan => {
                let vlan = etherparse::VlanId::try_new(42).expect("12 bits");
                ethernet.single_vlan(vlan).ipv4(v4a, v4b, 64)
            }
            Wrap::Plain | Wrap::Vxlan | Wrap::Erspan => ethernet.ipv4(v4a, v4b, 64),
        };
        let mut tcp = builder.tcp(ports.0, ports.1, sequence, 64_000);
        for flag in flags.chars() {
            tcp = match flag {
                'S' => tcp.syn(),
                'F' => tcp.fin(),
                'R' => tcp.rst(),
                _ => tcp.ack(acknowledgment),
            };
        }
        let mut frame = Vec::new();
        tcp.write(&mut frame, payload).expect("into memory");
        trace.frames.push(wrapped(self.wrap, frame));
        let marks = flags.contains(['S', 'F']);
        let len = u32::try_from(payload.len()).expect("a segment") + u32::from(marks);
        self.next[at] = sequence.wrapping_add(len);
    }
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Client => Server,
            Server => Client,
        }
    }
}

/// As a mirror port wraps a frame.
fn wrapped(wrap: Wrap, frame: Vec<u8>) -> Vec<u8> {
    let outer =
        || PacketBuilder::ethernet2([6; 6], [7; 6]).ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64);
    let mut out = Vec::new();
    match wrap {
        Wrap::Plain | Wrap::Vlan | Wrap::V6 => return frame,
        Wrap::Vxlan => {
            let inner = [&[8, 0, 0, 0, 0, 0, 7, 0][..], &frame].concat();
            outer()
                .udp(50_000, 4789)
                .write(&mut out, &inner)
                .expect("into memory");
        }
        Wrap::Erspan => {
            // GRE with a sequence number, then the header of type II.
            let header = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 1, 0, 1, 0, 0, 0, 0];
            let inner = [&header[..], &frame].concat();
            outer()
                .write(&mut out, etherparse::IpNumber::GRE, &inner)
                .expect("into memory");
        }
    }
    out
}

/// Records of TLS 1.2 around the bytes.
fn records(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in bytes.chunks(1 << 14) {
        let len = u16::try_from(piece.len()).expect("a record");
        out.extend([kind, 3, 3]);
        out.extend(len.to_be_bytes());
        out.extend(piece);
    }
    out
}

/// A handshake message.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend(length(body.len()));
    out.extend(body);
    out
}

/// Three bytes of length.
fn length(bytes: usize) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(bytes).expect("a length").to_be_bytes();
    vec![a, b, c]
}
