//! EAPOL: stations in the place of addresses.

use super::*;
use crate::dispatch::of_mac;
use hex_literal::hex;

const PDU: &[u8] = &hex!("02 00 0005 0101000501");

fn decoded(link: u16, frame: &[u8]) -> Result<Decoded, Undecoded> {
    let limits = Limits::default();
    Decoder::new(&limits).decode(
        LinkType(link),
        frame,
        frame.len(),
        Timestamp(0),
        &mut Vec::new(),
    )
}

#[test]
fn stations_in_every_frame_that_names_them() {
    let station = |last: u8| [2, 0, 0, 0, 0, last];
    let none = [0; 6];
    let snap = hex!("aaaa03 000000 888e");
    let addresses = hex!("020000000001 020000000002 020000000003");
    let wifi = |control: &[u8]| chain(&[control, &[0, 0], &addresses, &[0, 0], &snap, PDU]);
    let ether = chain(&[&ethernet(0x888e, PDU), &[0; 37]]);
    let tagged = chain(&[&ethernet(0x8100, &hex!("0007 888e")), PDU, &[0; 33]]);
    let llc = chain(&[
        &ethernet(u16::try_from(snap.len() + PDU.len()).unwrap(), &snap),
        PDU,
        &[0; 20],
    ]);
    let vxlan = udp(40000, 4789, &chain(&[&hex!("08000000 00000700"), &ether]));
    let four = chain(&[
        &hex!("0803 0000"),
        &addresses,
        &hex!("0000 020000000004"),
        &snap,
        PDU,
    ]);
    let qos = chain(&[
        &hex!("8801 0000"),
        &addresses,
        &hex!("0000 0000"),
        &snap,
        PDU,
    ]);
    for (name, link, frame, source, destination, vlans) in [
        ("Ethernet", 1, ether, station(2), station(1), vec![]),
        ("VLAN", 1, tagged, station(2), station(1), vec![7]),
        ("LLC", 1, llc, station(2), station(1), vec![]),
        ("VXLAN", 1, vxlan, station(2), station(1), vec![]),
        (
            "pre-authentication",
            1,
            ethernet(0x88c7, PDU),
            station(2),
            station(1),
            vec![],
        ),
        (
            "802.11 to the access point",
            105,
            wifi(&hex!("0801")),
            station(2),
            station(3),
            vec![],
        ),
        (
            "802.11 from it",
            105,
            wifi(&hex!("0802")),
            station(3),
            station(1),
            vec![],
        ),
        (
            "802.11 without one",
            105,
            wifi(&hex!("0800")),
            station(2),
            station(1),
            vec![],
        ),
        (
            "802.11 with four addresses",
            105,
            four,
            station(4),
            station(3),
            vec![],
        ),
        ("802.11 with QoS", 105, qos, station(2), station(3), vec![]),
        (
            "SLL",
            113,
            chain(&[&hex!("0000 0001 0006 0200000000020000 888e"), PDU]),
            station(2),
            none,
            vec![],
        ),
        (
            "SLL2",
            276,
            chain(&[&hex!("888e 0000 00000001 0001 00 06 0200000000020000"), PDU]),
            station(2),
            none,
            vec![],
        ),
        (
            "SLL without an address",
            113,
            chain(&[&hex!("0000 0001 0000 0000000000000000 888e"), PDU]),
            none,
            none,
            vec![],
        ),
    ] {
        let seen = decoded(link, &frame).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(seen.transport, Transport::Eapol, "{name}");
        assert_eq!(
            (seen.source, seen.destination),
            (of_mac(source), of_mac(destination)),
            "{name}"
        );
        assert_eq!((seen.source_port, seen.destination_port), (0, 0), "{name}");
        let payload = frame
            .get(seen.payload_at..)
            .and_then(|rest| rest.get(..seen.payload_len));
        assert_eq!((payload, seen.wire_len), (Some(PDU), PDU.len()), "{name}");
        assert_eq!(seen.vlans.iter().collect::<Vec<_>>(), vlans, "{name}");
    }
}

#[test]
fn the_snap_length_may_cut_it() {
    let frame = ethernet(
        0x888e,
        &chain(&[&hex!("01 00 0100 02010100 0d00"), &[0; 250]]),
    );
    let mut decoder = Decoder::new(&Limits::default());
    let mut cut = |len: usize| {
        decoder
            .decode(
                ETHERNET,
                &frame[..len],
                frame.len(),
                Timestamp(0),
                &mut Vec::new(),
            )
            .map(|seen| (seen.payload_len, seen.wire_len))
    };
    assert_eq!(cut(24), Ok((10, 260)));
    assert_eq!(cut(17), Err(Undecoded::Truncated("EAPOL")));
}

#[test]
fn what_is_no_pdu() {
    for (name, pdu) in [
        ("too short", &hex!("01 00 00")[..]),
        ("longer than its frame", &hex!("01 00 0005 01010005")),
        ("version 0", &hex!("00 00 0000")),
    ] {
        assert!(
            matches!(
                decoded(1, &ethernet(0x888e, pdu)),
                Err(Undecoded::Malformed("EAPOL", _))
            ),
            "{name}"
        );
    }
}
