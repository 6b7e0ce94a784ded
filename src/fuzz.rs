//! What the fuzz targets of `tests/fuzz` do with their bytes, so that a test can do it with the seeds.
//!
//! Each function must return whatever the bytes are: a panic, a loop without end and memory without bound are defects.

use crate::capture::{FileSource, Next};
use crate::config::Limits;
use crate::decode::{Decoder, LinkType};
use crate::dispatch::Direction;
use crate::framing::dtls::{self, DtlsReader};
use crate::framing::eap::{self, Told};
use crate::framing::openvpn::{self, Begin, OpenVpnReader};
use crate::framing::quic::{self, QuicReader};
use crate::framing::radius;
use crate::framing::rdpudp::{self, RdpUdpReader};
use crate::framing::scan;
use crate::framing::starttls::{Ends, Ledger};
use crate::framing::tls::TlsReader;
use crate::hello::certificate;
use crate::hello::client::ClientHello;
use crate::hello::intern::Interner;
use crate::hello::offer;
use crate::hello::server::{Answer, ServerHello};
use crate::record::Carrier;
use crate::replay::{OwnedFrame, replay};
use crate::time::Timestamp;

/// A target's name and body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("decode", decode),
    ("tls", tls),
    ("scan", scan),
    ("client_hello", client_hello),
    ("server_hello", server_hello),
    ("certificate", certificate),
    ("quic", quic),
    ("dtls", dtls),
    ("openvpn", openvpn),
    ("rdpudp", rdpudp),
    ("radius", radius),
    ("ledger", ledger),
    ("capture", capture),
    ("shard", shard),
];

/// A frame; the first two bytes are the link type.
pub fn decode(bytes: &[u8]) {
    let Some((link, frame)) = bytes.split_first_chunk() else {
        return;
    };
    let mut decoder = Decoder::new(&Limits::default());
    let _ = decoder.decode(
        LinkType(u16::from_be_bytes(*link)),
        frame,
        frame.len(),
        Timestamp::default(),
        &mut Vec::new(),
    );
}

/// A stream of records, cut in two, with a gap behind.
pub fn tls(bytes: &[u8]) {
    let Some((cut, stream)) = bytes.split_first() else {
        return;
    };
    let mut reader = TlsReader::new(1 << 12);
    let mut at = 0;
    let _ = reader.read(
        stream.get(..usize::from(*cut)).unwrap_or_default(),
        &mut at,
        &mut |_| {},
    );
    let _ = reader.read(stream, &mut at, &mut |_| {});
    let _ = reader.gap(u64::from(*cut), &mut |_| {});
    let _ = reader.read(stream, &mut 0, &mut |_| {});
}

/// A stream in which TLS may begin.
pub fn scan(bytes: &[u8]) {
    let _ = scan::find_hello(bytes, true, None, false);
    let _ = scan::find_hello(bytes, false, None, true);
    let mut run = scan::RecordRun::default();
    for segment in bytes.chunks(97) {
        run.segment(segment);
        run.gap(segment.len() as u64);
    }
}

/// The body of a ClientHello, and the offer that it makes over each carrier.
pub fn client_hello(bytes: &[u8]) {
    let mut offers = Interner::default();
    for carrier in [Carrier::Tls, Carrier::Dtls, Carrier::Quic] {
        if let Ok(hello) = ClientHello::parse(bytes, carrier == Carrier::Dtls) {
            let _ = (hello.is_strict(), hello.server_name());
            let offer = offer::intern(&mut offers, &hello, carrier);
            let _ = (offer.max_version(), format!("{offer:?}"));
        }
    }
}

/// The body of a ServerHello, and what it answers.
pub fn server_hello(bytes: &[u8]) {
    if let Ok(hello) = ServerHello::parse(bytes) {
        let _ = (
            hello.is_strict(),
            hello.is_hello_retry_request(),
            hello.has_pre_shared_key(),
            hello.has_extended_master_secret(),
            hello.has_downgrade_sentinel(),
            hello.key_share_group(),
            Answer::intern(&mut Interner::default(), &hello),
        );
    }
}

/// The body of a Certificate message, and a certificate.
pub fn certificate(bytes: &[u8]) {
    if let Some(der) = certificate::leaf(bytes) {
        let _ = certificate::read(der);
    }
    let _ = certificate::read(bytes);
}

/// Datagrams of QUIC.
pub fn quic(bytes: &[u8]) {
    let mut reader = QuicReader::new(1 << 12);
    for (direction, datagram) in datagrams(bytes) {
        let _ = quic::beginning(datagram, datagram.len());
        reader.datagram(direction, datagram, datagram.len(), &mut |_, _, _| {});
    }
}

/// Datagrams of DTLS.
pub fn dtls(bytes: &[u8]) {
    let mut reader = DtlsReader::new(1 << 12);
    for (_, datagram) in datagrams(bytes) {
        let _ = (
            dtls::is_plausible(datagram, datagram.len()),
            dtls::beginning(datagram, datagram.len()),
        );
        reader.datagram(datagram, datagram.len(), &mut |_, _| {});
    }
    reader.finish(&mut |_, _| {});
}

/// Packets of OpenVPN, and a stream of them.
pub fn openvpn(bytes: &[u8]) {
    let mut reader = None;
    for (_, packet) in datagrams(bytes) {
        if let (None, Some(layout)) = (&reader, openvpn::layout_of(packet, packet.len())) {
            reader = Some(OpenVpnReader::new(layout, 1 << 12));
        }
        if let Some(reader) = &mut reader {
            let _ = reader.packet(packet, packet.len(), &mut |_| {});
        }
    }
    if let Begin::OpenVpn(layout) = openvpn::begins(bytes) {
        let _ = OpenVpnReader::new(layout, 1 << 12).stream(bytes, &mut 0, &mut |_| {});
    }
}

/// Datagrams of RDP over UDP, in both directions.
pub fn rdpudp(bytes: &[u8]) {
    let mut reader = RdpUdpReader::new(1 << 12);
    for (direction, datagram) in datagrams(bytes) {
        let _ = (
            rdpudp::begins(datagram, datagram.len()),
            rdpudp::beginning(datagram, datagram.len()),
        );
        reader.datagram(direction, datagram, datagram.len(), &mut |_, _, _, _| {});
    }
    reader.finish(reader.client(), &mut |_, _, _, _| {});
}

/// Datagrams of RADIUS, and what EAP they carry; the same bytes as PDUs of EAPOL between two stations, one of which sends to
/// the group.
pub fn radius(bytes: &[u8]) {
    const FROM_DEVICE: &[u8] = b"\x01\x80\xc2\0\0\x03\x02\0\0\0\0\x01\x88\x8e";
    const TO_DEVICE: &[u8] = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x88\x8e";
    let frames = datagrams(bytes).map(|(direction, pdu)| {
        let header = match direction {
            Direction::Up => FROM_DEVICE,
            Direction::Down => TO_DEVICE,
        };
        let bytes = [header, pdu].concat();
        OwnedFrame {
            link: LinkType(1),
            wire_len: bytes.len(),
            bytes,
            time: Timestamp::default(),
        }
    });
    let _ = replay(frames, &Limits::default());
    let mut eap = eap::Conversation::new(radius::SERVICE, 1 << 12);
    for (_, datagram) in datagrams(bytes) {
        let Some(packet) = radius::Packet::parse(datagram, datagram.len()) else {
            continue;
        };
        if let Some(message) = packet.eap {
            let told = eap.packet(&message, packet.cut, &mut |_, _, _| {});
            if let Told::Lost(side) = told {
                eap.lose(side, &mut |_, _, _| {});
            }
        }
    }
}

/// What is said in the clear, by both sides; an empty piece is a gap.
pub fn ledger(bytes: &[u8]) {
    let mut ledger = Ledger::new(Ends {
        opener: Some(Direction::Up),
        ports: [40000, 25],
    });
    for (from, said) in datagrams(bytes) {
        if said.is_empty() {
            ledger.gap(from, 100);
        } else {
            ledger.bytes(from, said);
        }
        let _ = (ledger.is_dull(), ledger.wraps_tls(), ledger.memory());
    }
    let _ = ledger.finish();
}

/// A capture file, compressed or not, and all that its packets hold.
pub fn capture(bytes: &[u8]) {
    let reader = Box::new(std::io::Cursor::new(bytes.to_vec()));
    let Ok(mut source) = FileSource::from_reader(String::new(), reader, &Limits::default()) else {
        return;
    };
    let (mut block, mut frames) = (Vec::new(), Vec::new());
    while let Ok(true) = source.fill(&mut block) {
        let mut at = 0;
        while let Next::Frame(frame) = source.next_frame(&block, &mut at) {
            let bytes = block
                .get(frame.at..)
                .and_then(|b| b.get(..frame.captured_len))
                .unwrap_or_default()
                .to_vec();
            frames.push(OwnedFrame {
                link: frame.link,
                bytes,
                wire_len: frame.wire_len,
                time: frame.time,
            });
        }
        block.drain(..at.min(block.len()));
        if block.len() > 1 << 24 || frames.len() > 1 << 12 {
            break;
        }
    }
    let _ = replay(&frames, &Limits::default());
}

/// Raw IP packets of connections, one after the other, each behind its length in two bytes.
pub fn shard(bytes: &[u8]) {
    const RAW_IP: LinkType = LinkType(101);
    let frames = datagrams(bytes).map(|(_, packet)| OwnedFrame {
        link: RAW_IP,
        bytes: packet.to_vec(),
        wire_len: packet.len(),
        time: Timestamp::default(),
    });
    let _ = replay(frames, &Limits::default());
}

/// Pieces behind two bytes each: the direction in the highest bit, and the length.
fn datagrams(mut bytes: &[u8]) -> impl Iterator<Item = (Direction, &[u8])> {
    std::iter::from_fn(move || {
        let (head, rest) = bytes.split_first_chunk()?;
        let head = u16::from_be_bytes(*head);
        let (datagram, rest) = rest
            .split_at_checked(usize::from(head & 0x7fff))
            .unwrap_or((rest, &[]));
        bytes = rest;
        Some((
            if head & 0x8000 == 0 {
                Direction::Up
            } else {
                Direction::Down
            },
            datagram,
        ))
    })
}
