//! Link types.

use super::*;
use hex_literal::hex;

/// A name, the link type, and the header before an IPv4 packet.
fn headers() -> Vec<(&'static str, u16, Vec<u8>)> {
    let dot11 = hex!("0801 0000 020000000001 020000000002 020000000003 0000");
    let qos = hex!("8801 0000 020000000001 020000000002 020000000003 0000 0000");
    let snap = hex!("aaaa03 000000 0800");
    let mut radiotap = hex!("00 00 0a00 00000000 0000").to_vec();
    radiotap.extend(dot11);
    radiotap.extend(snap);
    let mut ppi = hex!("00 00 0c00 69000000 00000000").to_vec();
    ppi.extend(qos);
    ppi.extend(snap);
    let mut prism = hex!("44000000 10000000 00000000 00000000").to_vec();
    prism.extend(dot11);
    prism.extend(snap);
    let mut avs = hex!("80211001 0000000c 00000000").to_vec();
    avs.extend(dot11);
    avs.extend(snap);
    let padded = chain(&[&qos, &[0, 0], &snap]);
    let mut pktap = vec![0; 40];
    pktap[..12].copy_from_slice(&hex!("28000000 01000000 01000000"));
    pktap.extend(ethernet(0x0800, &[]));
    let mut pflog = vec![0; 64];
    pflog[..2].copy_from_slice(&[61, 2]);
    let mut ipnet = vec![0; 24];
    ipnet[..2].copy_from_slice(&[1, 2]);
    let mut ipoib = vec![0; 40];
    ipoib.extend(hex!("0800 0000"));
    vec![
        ("null, little-endian", 0, hex!("02000000").to_vec()),
        ("null, big-endian", 0, hex!("00000002").to_vec()),
        ("loop", 108, hex!("00000002").to_vec()),
        ("Ethernet", 1, ethernet(0x0800, &[])),
        ("raw 12", 12, vec![]),
        ("raw 14", 14, vec![]),
        ("raw 101", 101, vec![]),
        ("IPv4", 228, vec![]),
        ("PPP with HDLC framing", 9, hex!("ff03 0021").to_vec()),
        ("PPP with compressed fields", 9, hex!("21").to_vec()),
        ("PPP in HDLC as Cisco's", 50, hex!("0f00 0800").to_vec()),
        ("PPP, serial", 50, hex!("ff03 0021").to_vec()),
        ("PPPoE", 51, hex!("11 00 0001 002f 0021").to_vec()),
        ("PPP with direction", 204, hex!("00 ff03 0021").to_vec()),
        ("pppd", 166, hex!("0103 0021").to_vec()),
        ("FDDI", 10, chain(&[&[0x50; 13], &snap])),
        ("ATM", 100, snap.to_vec()),
        (
            "ATM, bridged",
            100,
            chain(&[&hex!("aaaa03 0080c2 0007 0000"), &ethernet(0x0800, &[])]),
        ),
        ("Cisco HDLC", 104, hex!("0f00 0800").to_vec()),
        ("802.11", 105, chain(&[&dot11, &snap])),
        ("802.11 with QoS", 105, chain(&[&qos, &snap])),
        ("802.11 aligned", 105, padded),
        ("frame relay", 107, hex!("1841 03 cc").to_vec()),
        (
            "frame relay with SNAP",
            107,
            hex!("1841 03 00 80 000000 0800").to_vec(),
        ),
        ("frame relay, Cisco", 107, hex!("1841 0800").to_vec()),
        (
            "IPsec interface",
            109,
            hex!("02000000 00000000 00000000").to_vec(),
        ),
        (
            "SLL",
            113,
            hex!("0000 0001 0006 0200000000010000 0800").to_vec(),
        ),
        (
            "SLL2",
            276,
            hex!("0800 0000 00000001 0001 00 06 0200000000010000").to_vec(),
        ),
        ("pf log", 117, pflog),
        ("Prism", 119, prism),
        ("radiotap", 127, radiotap),
        (
            "DOCSIS",
            143,
            chain(&[&hex!("00 00 0000 0000"), &ethernet(0x0800, &[])]),
        ),
        (
            "DOCSIS, extended",
            143,
            chain(&[&hex!("01 03 0000 aabbcc 0000"), &ethernet(0x0800, &[])]),
        ),
        ("AVS", 163, avs),
        (
            "Juniper",
            178,
            chain(&[b"MGC\x80\0\x02xx", &ethernet(0x0800, &[])]),
        ),
        ("PPI", 192, ppi),
        ("IPNET", 226, ipnet),
        (
            "NFLOG, little-endian",
            239,
            hex!("02 00 0000  0800 0100 00000000  3100 0900").to_vec(),
        ),
        (
            "NFLOG, big-endian",
            239,
            hex!("02 00 0000  0008 0001 00000000  0031 0009").to_vec(),
        ),
        (
            "netANALYZER",
            240,
            chain(&[&[0; 4], &ethernet(0x0800, &[])]),
        ),
        (
            "netANALYZER, transparent",
            241,
            chain(&[&[0x55; 12], &ethernet(0x0800, &[])]),
        ),
        ("IPoIB", 242, ipoib),
        ("pktap", 258, pktap),
        (
            "mPacket",
            274,
            chain(&[&hex!("55555555555555d5"), &ethernet(0x0800, &[])]),
        ),
    ]
}

#[test]
fn ip_is_found_behind_each_header() {
    for (name, link, header) in headers() {
        let frame = chain(&[&header, &v4_tcp()]);
        let seen = assert_v4(name, decode(LinkType(link), &frame));
        assert!(seen.tunnels.len() <= 1, "{name}");
    }
}

#[test]
fn ipv6_by_address_family() {
    for family in [10, 23, 24, 28, 30] {
        let frame = chain(&[&[family, 0, 0, 0], &v6_tcp()]);
        let seen = decode(LinkType(0), &frame).unwrap();
        assert_eq!(seen.source, "fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd 1111");
    }
    assert!(decode(LinkType(229), &v6_tcp()).is_ok());
    assert!(decode(LinkType(101), &v6_tcp()).is_ok());
}

#[test]
fn other_frames_are_named() {
    let management = hex!("8000 0000 ffffffffffff 020000000002 020000000003 0000");
    let protected = hex!("0841 0000 020000000001 020000000002 020000000003 0000 00000000");
    let null = hex!("4801 0000 020000000001 020000000002 020000000003 0000");
    let fragment = hex!("0805 0000 020000000001 020000000002 020000000003 0000");
    for (link, frame, want) in [
        (147, vec![0; 60], "link type 147 (USER0)"),
        (60_000, vec![0; 60], "link type 60000"),
        (1, ethernet(0x0806, &[0; 46]), "EtherType 0x0806 (ARP)"),
        (1, ethernet(0x1234, &[0; 46]), "EtherType 0x1234"),
        (
            1,
            ethernet(38, &hex!("424203 000000")),
            "LLC service access point 0x42 (spanning tree)",
        ),
        (
            1,
            ethernet(1520, &[0; 46]),
            "malformed Ethernet header: neither type nor length",
        ),
        (
            1,
            ethernet(0x88e5, &hex!("0c 00 00000001 ffff")),
            "encrypted by MACsec",
        ),
        (
            1,
            ethernet(0x0800, &v4(132, &[0; 26])),
            "IP protocol 132 (SCTP)",
        ),
        (
            1,
            ethernet(0x0800, &v4(50, &[0; 26])),
            "encrypted by IPsec ESP",
        ),
        (1, vec![0; 13], "malformed Ethernet header: too short"),
        (105, management.to_vec(), "802.11 management frame"),
        (105, protected.to_vec(), "encrypted by 802.11"),
        (105, null.to_vec(), "802.11 frame without data"),
        (105, fragment.to_vec(), "fragment of an 802.11 frame"),
        (
            9,
            hex!("ff03 c021 01010004").to_vec(),
            "PPP protocol 0xc021 (LCP)",
        ),
        (
            113,
            hex!("0000 0338 0000 0000000000000000 0000").to_vec(),
            "Netlink message",
        ),
    ] {
        let reason = decode(LinkType(link), &frame).unwrap_err();
        assert_eq!(reason.to_string(), want);
    }
}

#[test]
fn reasons_are_counted_and_bounded() {
    let mut decoder = Decoder::new(&Limits::default());
    let mut count = |frame: &[u8]| {
        decoder
            .decode(ETHERNET, frame, frame.len(), Timestamp(0), &mut Vec::new())
            .unwrap_err();
    };
    count(&ethernet(0x0806, &[]));
    count(&ethernet(0x0806, &[]));
    for number in 0x9400..0xa000 {
        count(&ethernet(number, &[]));
    }
    let counts = decoder.counts();
    assert_eq!(
        counts.iter().next(),
        Some((Undecoded::EtherType(0x0806), 2))
    );
    assert!(counts.iter().count() <= 1024);
    let sum: u64 = counts.iter().map(|(_, frames)| frames).sum();
    assert_eq!(sum + counts.other(), 2 + 0xa000 - 0x9400);
}
