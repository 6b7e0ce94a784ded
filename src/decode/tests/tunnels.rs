//! Encapsulations, and datagrams that only look like them.

use super::*;
use hex_literal::hex;

/// An IPv6 header before [`v4_tcp`], with the prefix of Teredo's addresses at `at`: 8 is the source, 24 the destination.
fn teredo_packet(at: usize) -> Vec<u8> {
    let mut header = v6(4, &v4_tcp());
    header.truncate(40);
    header[at..at + 4].copy_from_slice(&hex!("20010000"));
    header
}

/// A name, the frame with an IPv4 packet in the encapsulation, and what the record calls it.
pub(super) fn frames() -> Vec<(&'static str, Vec<u8>, Vec<&'static str>)> {
    let ip = v4_tcp();
    let eth = ethernet(0x0800, &ip);
    let gre = |header: &[u8], inner: &[u8]| ethernet(0x0800, &v4(47, &chain(&[header, inner])));
    let on = |ether_type: u16, header: &[u8], inner: &[u8]| {
        ethernet(ether_type, &chain(&[header, inner]))
    };
    let at = |port: u16, header: &[u8], inner: &[u8]| udp(40_000, port, &chain(&[header, inner]));
    let length = |more: usize| ((ip.len() + more) as u16).to_be_bytes();
    let v6_ip = |next: u8, inner: &[u8]| ethernet(0x86dd, &v6(next, inner));
    let dot11 = hex!("0801 0000 020000000001 020000000002 020000000003 0000 aaaa03 000000 0800");
    let swapped = hex!("0108 0000 020000000001 020000000002 020000000003 0000 aaaa03 000000 0800");
    let ayiya_v6 = v6(4, &ip);
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        // MPLS: label 16, bottom of the stack.
        ("MPLS", on(0x8847, &hex!("00010140"), &ip), &["mpls"]),
        (
            "MPLS, two labels",
            on(0x8847, &hex!("00010040 00011140"), &ip),
            &["mpls"],
        ),
        (
            "pseudowire with control word",
            on(0x8847, &hex!("00010140 00000000"), &eth),
            &["mpls", "pseudowire"],
        ),
        (
            "pseudowire",
            on(0x8847, &hex!("00010140"), &eth),
            &["mpls", "pseudowire"],
        ),
        (
            "MPLS in IP",
            ethernet(0x0800, &v4(137, &chain(&[&hex!("00010140"), &ip]))),
            &["mpls"],
        ),
        (
            "PPPoE",
            on(
                0x8864,
                &chain(&[&hex!("11 00 0001"), &length(2), &hex!("0021")]),
                &ip,
            ),
            &["pppoe"],
        ),
        (
            "PPP bridging in PPPoE",
            on(
                0x8864,
                &chain(&[&hex!("11 00 0001"), &length(18), &hex!("0031 00 01")]),
                &eth,
            ),
            &["pppoe"],
        ),
        // GRE: flags, protocol.
        ("GRE", gre(&hex!("0000 0800"), &ip), &["gre"]),
        (
            "GRE with all fields",
            gre(&hex!("b000 0800 0000 0000 00000001 00000002"), &ip),
            &["gre"],
        ),
        (
            "GRE with routing",
            gre(
                &hex!("4000 0800 0000 0000 0002 0004 0a000001 0000 0000"),
                &ip,
            ),
            &["gre"],
        ),
        (
            "GRE bridging, NVGRE",
            gre(&hex!("2000 6558 00000100"), &eth),
            &["gre"],
        ),
        (
            "GRE with MPLS",
            gre(&hex!("0000 8847 00010140"), &ip),
            &["gre", "mpls"],
        ),
        (
            "PPTP",
            gre(
                &chain(&[
                    &hex!("3081 880b"),
                    &length(4),
                    &hex!("0001 00000001 00000001 ff03 0021"),
                ]),
                &ip,
            ),
            &["gre", "ppp"],
        ),
        (
            "EoIP",
            gre(
                &chain(&[&hex!("2001 6400"), &length(14), &hex!("0100")]),
                &eth,
            ),
            &["gre"],
        ),
        ("WCCP", gre(&hex!("0000 883e 00000000"), &ip), &["gre"]),
        ("ERSPAN I", gre(&hex!("0000 88be"), &eth), &["erspan"]),
        (
            "ERSPAN II",
            gre(&hex!("1000 88be 00000001 1001000a 00000000"), &eth),
            &["erspan"],
        ),
        (
            "ERSPAN III",
            gre(&hex!("1000 22eb 00000001 2001000a 00000000 00000000"), &eth),
            &["erspan"],
        ),
        (
            "ERSPAN III with a subheader",
            gre(
                &hex!("1000 22eb 00000001 2001000a 00000000 00000001 0000000000000000"),
                &eth,
            ),
            &["erspan"],
        ),
        ("GRE in UDP", at(4754, &hex!("0000 0800"), &ip), &["gre"]),
        // IP protocols.
        ("IP in IP", ethernet(0x0800, &v4(4, &ip)), &["ipip"]),
        ("IPv4 in IPv6", v6_ip(4, &ip), &["ipip"]),
        (
            "IPv6 in IPv4",
            ethernet(0x0800, &v4(41, &v6(4, &ip))),
            &["6in4", "ipip"],
        ),
        (
            "EtherIP",
            ethernet(0x0800, &v4(97, &chain(&[&hex!("3000"), &eth]))),
            &["etherip"],
        ),
        (
            "Ethernet behind segment routing",
            v6_ip(143, &eth),
            &["etherip"],
        ),
        (
            "authentication header",
            ethernet(
                0x0800,
                &v4(
                    51,
                    &chain(&[
                        &hex!("04 04 0000 00000001 00000001 000000000000000000000000"),
                        &ip,
                    ]),
                ),
            ),
            &["ipip"],
        ),
        (
            "L2TPv3 on IP",
            ethernet(
                0x0800,
                &v4(115, &chain(&[&hex!("00000001 aabbccdd"), &eth])),
            ),
            &["l2tp"],
        ),
        // On UDP.
        (
            "VXLAN",
            at(4789, &hex!("08000000 00000100"), &eth),
            &["vxlan"],
        ),
        (
            "VXLAN of Linux",
            at(8472, &hex!("08000000 00000100"), &eth),
            &["vxlan"],
        ),
        (
            "VXLAN with a group",
            at(4789, &hex!("88000007 00000100"), &eth),
            &["vxlan"],
        ),
        (
            "VXLAN-GPE with IPv4",
            at(4790, &hex!("0c000001 00000100"), &ip),
            &["vxlan"],
        ),
        (
            "VXLAN-GPE with NSH",
            at(4790, &hex!("0c000004 00000100 0fc2 0203 00000101"), &eth),
            &["vxlan", "nsh"],
        ),
        (
            "GENEVE",
            at(6081, &hex!("0000 6558 00000100"), &eth),
            &["geneve"],
        ),
        (
            "GENEVE with options",
            at(6081, &hex!("0240 0800 00000100 0102 8001 aabbccdd"), &ip),
            &["geneve"],
        ),
        (
            "Teredo",
            at(
                3544,
                &hex!("0001 00 00 0000000000000001 00  0000 ffff ffffffff"),
                &v6(4, &ip),
            ),
            &["teredo", "ipip"],
        ),
        (
            "Teredo between a client and a relay",
            at(49_047, &teredo_packet(8), &ip),
            &["teredo", "ipip"],
        ),
        (
            "Teredo between a relay and a client",
            at(58_992, &teredo_packet(24), &ip),
            &["teredo", "ipip"],
        ),
        (
            "GTP-U",
            at(
                2152,
                &chain(&[&hex!("30 ff"), &length(0), &hex!("00000001")]),
                &ip,
            ),
            &["gtp"],
        ),
        (
            "GTP-U with extensions",
            at(
                2152,
                &chain(&[
                    &hex!("34 ff"),
                    &length(12),
                    &hex!("00000001 0000 00 85  01 0009 c0  01 1234 00"),
                ]),
                &ip,
            ),
            &["gtp"],
        ),
        (
            "L2TP",
            at(1701, &hex!("0002 0001 0002 ff03 0021"), &ip),
            &["l2tp"],
        ),
        (
            "L2TP with all fields",
            at(
                1701,
                &chain(&[
                    &hex!("4a02"),
                    &length(20),
                    &hex!("0001 0002 0000 0000 0002 0000 ff03 0021"),
                ]),
                &ip,
            ),
            &["l2tp"],
        ),
        (
            "L2TPv3 on UDP",
            at(1701, &hex!("0003 0000 00000001"), &eth),
            &["l2tp"],
        ),
        (
            "TZSP",
            at(37008, &hex!("01 00 0001 00 0a0100 01"), &eth),
            &["tzsp"],
        ),
        (
            "TZSP with 802.11",
            at(37008, &hex!("01 00 0012 01"), &chain(&[&dot11, &ip])),
            &["tzsp"],
        ),
        (
            "CAPWAP with Ethernet",
            at(5247, &hex!("00 100000 00000000"), &eth),
            &["capwap"],
        ),
        (
            "CAPWAP with 802.11",
            at(5247, &hex!("00 100300 00000000"), &chain(&[&dot11, &ip])),
            &["capwap"],
        ),
        (
            "CAPWAP with 802.11 of Cisco",
            at(5247, &hex!("00 100300 00000000"), &chain(&[&swapped, &ip])),
            &["capwap"],
        ),
        (
            "AYIYA",
            at(
                5072,
                &hex!(
                    "41 52 11 29 00000000 00000000000000000000000000000000 0000000000000000000000000000000000000000"
                ),
                &ayiya_v6,
            ),
            &["ayiya", "ipip"],
        ),
        // Tags.
        (
            "VN-Tag",
            on(0x8926, &hex!("00000001 0800"), &ip),
            &["vntag"],
        ),
        ("E-TAG", on(0x893f, &hex!("000000000000 0800"), &ip), &[]),
        ("802.1ah", on(0x88e7, &hex!("00000001"), &eth), &["pbb"]),
        (
            "NSH",
            on(0x894f, &hex!("0fc2 0203 00000101"), &eth),
            &["nsh"],
        ),
        (
            "Cisco MetaData",
            on(0x8909, &hex!("01 01 0001 0002 0800"), &ip),
            &[],
        ),
        (
            "redundancy tag",
            on(0xf1c1, &hex!("0000 0001 0800"), &ip),
            &[],
        ),
        (
            "MACsec without encryption",
            on(0x88e5, &hex!("20 00 00000001 0200000000010001 0800"), &ip),
            &[],
        ),
    ];
    cases
        .into_iter()
        .map(|(name, frame, tunnels)| (name, frame, tunnels.to_vec()))
        .collect()
}

#[test]
fn each_is_taken_off() {
    for (name, frame, tunnels) in frames() {
        let seen = assert_v4(name, decode(ETHERNET, &frame));
        assert_eq!(seen.tunnels, tunnels, "{name}");
    }
}

#[test]
fn the_innermost_ethernet_header_counts() {
    let frame = udp(
        9,
        4789,
        &chain(&[&hex!("08000000 00000100"), &ethernet(0x0800, &v4_tcp())]),
    );
    let at = decode(ETHERNET, &frame).unwrap().ethernet_at;
    assert_eq!(at, Some(14 + 20 + 8 + 8));
}

#[test]
fn what_comes_from_an_overlays_port_is_not_taken_for_teredo() {
    let packet = v6(4, &v4_tcp());
    for source in [4754, 4789, 4790, 6081, 8472, 37008] {
        let frame = udp(source, 49_047, &packet);
        let seen = decode(ETHERNET, &frame).unwrap();
        assert!(seen.tunnels.is_empty(), "{source}: {:?}", seen.tunnels);
    }
}

#[test]
fn a_datagram_on_a_tunnels_port_may_be_just_that() {
    let ip = v4_tcp();
    let eth = ethernet(0x0800, &ip);
    let wrong = ethernet(0x4242, &ip);
    let mut lies = ip.clone();
    lies[3] = 0xff;
    for (name, port, payload) in [
        ("nothing", 4789, vec![]),
        ("text", 4789, b"GET / HTTP/1.0, on any port".to_vec()),
        (
            "VXLAN, reserved flag",
            4789,
            chain(&[&hex!("09000000 00000100"), &eth]),
        ),
        (
            "VXLAN, reserved byte",
            4789,
            chain(&[&hex!("08000000 00000101"), &eth]),
        ),
        (
            "VXLAN, other EtherType",
            4789,
            chain(&[&hex!("08000000 00000100"), &wrong]),
        ),
        (
            "VXLAN-GPE, version",
            4790,
            chain(&[&hex!("1c000001 00000100"), &ip]),
        ),
        (
            "GENEVE, version",
            6081,
            chain(&[&hex!("4000 0800 00000100"), &ip]),
        ),
        (
            "GENEVE, length lies",
            6081,
            chain(&[&hex!("0000 0800 00000100"), &lies]),
        ),
        (
            "GENEVE, options too long",
            6081,
            chain(&[&hex!("3f00 0800 00000100"), &ip]),
        ),
        ("Teredo with IPv4", 3544, ip.clone()),
        (
            "IPv6 between other addresses than Teredo's",
            49_047,
            v6(4, &ip),
        ),
        (
            "Teredo's address behind a length that lies",
            49_047,
            chain(&[&teredo_packet(8), &ip[1..]]),
        ),
        (
            "GTP-U echo",
            2152,
            hex!("32 01 0004 00000000 00010000").to_vec(),
        ),
        (
            "GTP-U, length lies",
            2152,
            chain(&[&hex!("30 ff ffff 00000001"), &ip]),
        ),
        (
            "GTP prime",
            2152,
            chain(&[&hex!("20 ff 002d 00000001"), &ip]),
        ),
        (
            "L2TP control",
            1701,
            hex!("c802 000c 0001 0000 0000 0001").to_vec(),
        ),
        (
            "L2TP with nothing known",
            1701,
            hex!("0002 0001 0002 4242 0102").to_vec(),
        ),
        (
            "L2TPv3 with nothing known",
            1701,
            chain(&[&hex!("0003 0000 00000001"), &wrong]),
        ),
        ("TZSP keep-alive", 37008, hex!("01 04 0000 01").to_vec()),
        (
            "CAPWAP with DTLS",
            5247,
            hex!("01 000000 16 feff 0000").to_vec(),
        ),
        (
            "CAPWAP keep-alive",
            5247,
            hex!("00 100308 00000000 0016 0023").to_vec(),
        ),
        (
            "AYIYA, opcode",
            5072,
            chain(&[&hex!("41 52 10 29 00000000"), &[0; 36], &v6(4, &ip)]),
        ),
        (
            "GRE in UDP, version",
            4754,
            chain(&[&hex!("0001 0800"), &ip]),
        ),
    ] {
        let seen = decode(ETHERNET, &udp(40_000, port, &payload))
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(seen.transport, Transport::Udp, "{name}");
        assert_eq!(seen.source, "192.168.0.1 40000", "{name}");
        assert_eq!(seen.payload, payload, "{name}");
        assert!(seen.tunnels.is_empty(), "{name}");
    }
}

#[test]
fn other_traffic_in_a_tunnel_is_counted_by_what_it_is() {
    let vxlan = hex!("08000000 00000100");
    let fragment = hex!("00 100380 00010000");
    for (frame, want) in [
        (
            udp(9, 4789, &chain(&[&vxlan, &ethernet(0x0806, &[0; 28])])),
            "EtherType 0x0806 (ARP)",
        ),
        (
            udp(
                9,
                4789,
                &chain(&[&vxlan, &ethernet(38, &hex!("424203")), &[0; 35]]),
            ),
            "LLC service access point 0x42 (spanning tree)",
        ),
        (
            udp(
                9,
                4789,
                &chain(&[&vxlan, &ethernet(0x0800, &v4(1, &[0; 8]))]),
            ),
            "IP protocol 1 (ICMP)",
        ),
        (
            udp(9, 5247, &chain(&[&fragment, &[0; 40]])),
            "fragment of a CAPWAP datagram",
        ),
        (
            ethernet(0x0800, &v4(47, &hex!("2001 880b 0000 0001"))),
            "PPTP acknowledgment",
        ),
        (
            ethernet(0x0800, &v4(47, &hex!("0000 0000"))),
            "GRE keep-alive",
        ),
        (
            ethernet(0x8847, &hex!("0000d140 10000000")),
            "MPLS associated channel",
        ),
        (
            ethernet(0x0800, &v4(115, &hex!("00000000 c8030014"))),
            "L2TP control message",
        ),
    ] {
        assert_eq!(decode(ETHERNET, &frame).unwrap_err().to_string(), want);
    }
}

#[test]
fn eight_are_followed_and_no_more() {
    let mut packet = v4_tcp();
    for _ in 0..8 {
        packet = v4(4, &packet);
    }
    let seen = decode(LinkType(101), &packet).unwrap();
    assert_eq!(seen.tunnels, ["ipip"; 8]);
    assert_eq!(
        decode(LinkType(101), &v4(4, &packet)),
        Err(Undecoded::TunnelDepth)
    );
}
