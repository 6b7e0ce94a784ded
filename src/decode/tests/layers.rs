//! Ethernet with tags, IP, TCP and UDP.

use super::*;
use hex_literal::hex;
use proptest::prelude::*;

#[test]
fn tags_are_kept_outermost_first() {
    let inner = chain(&[
        &hex!("8100 2002  8100 0003  8100 0004  8100 0005  0800"),
        &v4_tcp(),
    ]);
    for (outer, name) in [(0x88a8, "802.1ad"), (0x9100, "0x9100"), (0x8100, "802.1Q")] {
        let frame = ethernet(outer, &chain(&[&hex!("e001"), &inner]));
        let seen = assert_v4(name, decode(ETHERNET, &frame));
        // The record keeps four.
        assert_eq!(seen.vlans, [1, 2, 3, 4], "{name}");
        assert_eq!(seen.ethernet_at, Some(0), "{name}");
    }
}

#[test]
fn a_length_in_place_of_the_type_brings_llc() {
    for (name, llc) in [
        ("SNAP", &hex!("aaaa03 000000 0800")[..]),
        ("SNAP of 802.1H", &hex!("aaaa03 0000f8 0800")),
        ("IP by its access point", &hex!("060603")),
        ("NLPID", &hex!("fefe03 cc")),
    ] {
        let packet = chain(&[llc, &v4_tcp()]);
        let frame = ethernet(packet.len() as u16, &chain(&[&packet, &[0xee; 9]]));
        assert_v4(name, decode(ETHERNET, &frame));
    }
}

#[test]
fn padding_behind_the_packet_is_not_payload() {
    for packet in [v4_tcp(), v6_tcp()] {
        let frame = chain(&[&packet, &[0; 20]]);
        assert_eq!(decode(LinkType(101), &frame).unwrap().payload, PAYLOAD);
    }
}

#[test]
fn a_length_of_zero_takes_the_rest_of_the_frame() {
    let (mut four, mut six) = (v4_tcp(), v6_tcp());
    four[2..4].copy_from_slice(&[0, 0]);
    six[4..6].copy_from_slice(&[0, 0]);
    for frame in [four, six] {
        assert_eq!(decode(LinkType(101), &frame).unwrap().payload, PAYLOAD);
    }
}

#[test]
fn the_packets_length_outranks_the_frames() {
    let packet = v4_tcp();
    let cut = &packet[..packet.len() - 2];
    let seen = decode(LinkType(101), cut).unwrap();
    assert_eq!(seen.payload, b"hel");
    assert_eq!(seen.wire_len, 5);
}

#[test]
fn ipv4_options_are_stepped_over() {
    let tcp = v4_tcp().split_off(20);
    let mut packet = v4(6, &chain(&[&hex!("94040000 01010101"), &tcp]));
    packet[0] = 0x47;
    assert_eq!(decode(LinkType(101), &packet).unwrap().payload, PAYLOAD);
}

#[test]
fn ipv6_extension_headers_are_stepped_over() {
    let tcp = v6_tcp().split_off(40);
    for (name, first, headers) in [
        ("hop-by-hop", 0, hex!("06 00 010400000000").to_vec()),
        (
            "destination options",
            60,
            hex!("06 01 010c000000000000000000000000").to_vec(),
        ),
        (
            "authentication",
            51,
            hex!("06 04 0000 00000001 00000001 000000000000000000000000").to_vec(),
        ),
        ("mobility", 135, hex!("06 00 0000 00000000").to_vec()),
        ("HIP", 139, hex!("06 00 000000000000").to_vec()),
        ("Shim6", 140, hex!("06 00 000000000000").to_vec()),
        (
            "a fragment that is the whole",
            44,
            hex!("06 00 0000 00000001").to_vec(),
        ),
        (
            "three",
            0,
            hex!("3c 00 010400000000  2b 00 010400000000  06 00 04 00 00000000").to_vec(),
        ),
    ] {
        let seen = decode(LinkType(101), &v6(first, &chain(&[&headers, &tcp])))
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(seen.payload, PAYLOAD, "{name}");
    }
}

/// RFC 2675: the packet's length is an option of 32 bits, and the field of 16 is 0; so is UDP's.
#[test]
fn jumbograms_are_read_whole() {
    let payload: Vec<u8> = (0..70_000).map(|n| n as u8).collect();
    let tcp = chain(&[&v6_tcp()[40..60], &payload]);
    let udp = chain(&[&hex!("c000 01bb 0000 0000"), &payload]);
    for (protocol, segment) in [(6, tcp), (17, udp)] {
        let length = (8 + segment.len() as u32).to_be_bytes();
        let hop_by_hop = chain(&[&[protocol, 0, 0xc2, 4], &length]);
        let mut packet = v6(0, &chain(&[&hop_by_hop, &segment]));
        packet[4..6].copy_from_slice(&[0, 0]);
        let seen = decode(LinkType(101), &packet).unwrap();
        assert_eq!((seen.wire_len, &seen.payload), (70_000, &payload));
        // What the card saw and the capture has not.
        let cut = decode_cut(LinkType(101), &packet[..9_000], packet.len()).unwrap();
        assert_eq!(cut.wire_len, 70_000);
        assert!(payload.starts_with(&cut.payload) && cut.payload.len() > 8_000);
    }
}

#[test]
fn a_source_routed_packets_destination_is_the_last() {
    let tcp = v6_tcp().split_off(40);
    let (one, two) = ([1; 16], [2; 16]);
    for (name, kind, left, want) in [
        ("routing type 0", 0, 2, two),
        ("routing type 0, arrived", 0, 0, [0xfe; 16]),
        ("segment routing", 4, 1, one),
        ("unknown type", 9, 1, [0xfe; 16]),
    ] {
        let header = chain(&[&[6, 4, kind, left, 0, 0, 0, 0], &one, &two]);
        let seen = decode(LinkType(101), &v6(43, &chain(&[&header, &tcp]))).unwrap();
        assert_eq!(
            seen.destination,
            format!("{} 443", Ipv6Addr::from(want)),
            "{name}"
        );
    }
}

#[test]
fn udp_lengths_that_lie() {
    for (length, want) in [
        (13, Ok(&b"hello"[..])),
        (11, Ok(b"hel")),
        (0, Ok(b"hello")),
        (400, Ok(b"hello")),
        (7, Err("malformed UDP header: length")),
    ] {
        let mut frame = udp(53, 5353, PAYLOAD);
        frame[38..40].copy_from_slice(&u16::to_be_bytes(length));
        let got = decode(ETHERNET, &frame);
        match want {
            Ok(payload) => assert_eq!(got.unwrap().payload, payload, "{length}"),
            Err(reason) => assert_eq!(got.unwrap_err().to_string(), reason),
        }
    }
}

#[test]
fn tcp_offsets_that_lie() {
    for (offset, want) in [
        (0x40, Some("malformed TCP header: data offset")),
        (0xf0, Some("malformed TCP header: data offset")),
        (0x50, None),
    ] {
        let mut packet = v4_tcp();
        packet[32] = offset;
        let got = decode(LinkType(101), &packet).err().map(|e| e.to_string());
        assert_eq!(got.as_deref(), want, "{offset:x}");
    }
}

#[test]
fn the_snap_length_may_cut_anywhere() {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6])
        .single_vlan(9.try_into().unwrap())
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .tcp(1111, 443, 7, 1024)
        .ack(99)
        .options_raw(&[1; 12])
        .unwrap();
    let mut frame = Vec::new();
    builder.write(&mut frame, PAYLOAD).unwrap();
    let (tcp, payload) = (18 + 20, 18 + 20 + 32);
    for len in 0..=frame.len() {
        let got = decode_cut(ETHERNET, &frame[..len], frame.len());
        // Ports, numbers and flags are the first 14 bytes.
        if len < tcp + 14 {
            assert!(matches!(got, Err(Undecoded::Truncated(_))), "{len} {got:?}");
            continue;
        }
        let seen = got.unwrap();
        assert_eq!(seen.source, "10.0.0.1 1111");
        assert_eq!(seen.wire_len, PAYLOAD.len(), "{len}");
        assert_eq!(
            seen.payload,
            &PAYLOAD[..len.saturating_sub(payload)],
            "{len}"
        );
    }
}

#[derive(Clone, Debug)]
struct Built {
    vlans: Vec<u16>,
    six: bool,
    tcp: bool,
    ends: ([u8; 16], [u8; 16]),
    ports: (u16, u16),
    numbers: (u32, u32),
    payload: Vec<u8>,
}

fn built() -> impl Strategy<Value = Built> {
    (
        prop::collection::vec(0..4096_u16, 0..3),
        any::<(bool, bool)>(),
        any::<([u8; 16], [u8; 16])>(),
        // Ports of tunnels have tests of their own.
        (1..1000_u16, 8500..30_000_u16),
        any::<(u32, u32)>(),
        prop::collection::vec(any::<u8>(), 0..1400),
    )
        .prop_map(|(vlans, (six, tcp), ends, ports, numbers, payload)| Built {
            vlans,
            six,
            tcp,
            ends,
            ports,
            numbers,
            payload,
        })
}

fn build(b: &Built) -> Vec<u8> {
    let step = PacketBuilder::ethernet2([2; 6], [4; 6]);
    let first4 = |a: [u8; 16]| [a[0], a[1], a[2], a[3]];
    let (source, destination) = b.ends;
    let vlan = |n: u16| n.try_into().unwrap();
    let ip = match (b.vlans.as_slice(), b.six) {
        ([], false) => step.ipv4(first4(source), first4(destination), 64),
        ([], true) => step.ipv6(source, destination, 64),
        ([v], false) => step
            .single_vlan(vlan(*v))
            .ipv4(first4(source), first4(destination), 64),
        ([v], true) => step.single_vlan(vlan(*v)).ipv6(source, destination, 64),
        ([v, w, ..], false) => {
            step.double_vlan(vlan(*v), vlan(*w))
                .ipv4(first4(source), first4(destination), 64)
        }
        ([v, w, ..], true) => step
            .double_vlan(vlan(*v), vlan(*w))
            .ipv6(source, destination, 64),
    };
    let mut out = Vec::new();
    if b.tcp {
        ip.tcp(b.ports.0, b.ports.1, b.numbers.0, 1024)
            .ack(b.numbers.1)
            .write(&mut out, &b.payload)
            .unwrap();
    } else {
        ip.udp(b.ports.0, b.ports.1)
            .write(&mut out, &b.payload)
            .unwrap();
    }
    out
}

proptest! {
    #[test]
    fn what_was_built_is_decoded(b in built()) {
        let frame = build(&b);
        let mut decoder = Decoder::new(&Limits::default());
        let decoded = decoder
            .decode(ETHERNET, &frame, frame.len(), Timestamp(0), &mut Vec::new())
            .unwrap();
        let address = |a: [u8; 16]| if b.six {
            a
        } else {
            crate::dispatch::mapped([a[0], a[1], a[2], a[3]])
        };
        prop_assert_eq!(decoded.source, address(b.ends.0));
        prop_assert_eq!(decoded.destination, address(b.ends.1));
        prop_assert_eq!((decoded.source_port, decoded.destination_port), b.ports);
        prop_assert_eq!(decoded.transport == Transport::Tcp, b.tcp);
        if b.tcp {
            prop_assert_eq!((decoded.sequence, decoded.acknowledgment), b.numbers);
            prop_assert_eq!(decoded.tcp_flags, crate::dispatch::tcp_flags::ACK);
        }
        let seen = seen(&frame, &[], &decoded);
        prop_assert_eq!(seen.payload, b.payload);
        prop_assert_eq!(seen.vlans, b.vlans);
        prop_assert!(seen.tunnels.is_empty());
    }
}
