//! Frames of EAPOL through the decoder and a shard: which of them make a conversation, and what is told of it.

use hex_literal::hex;

use crate::config::Limits;
use crate::decode::LinkType;
use crate::record::{FlowRecord, Mac, Visibility};
use crate::replay::{OwnedFrame, replay};
use crate::time::Timestamp;

/// Devices, switches (or ports of one), and the PAE group.
const S1: u8 = 0x11;
const S2: u8 = 0x12;
const A1: u8 = 0xa1;
const A2: u8 = 0xa2;
const GROUP: u8 = 0;

const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;
const SUCCESS: u8 = 3;
const FAILURE: u8 = 4;

const IDENTITY: &[u8] = b"\x01somebody@example.com";
const START: &[u8] = &[13, 0x20];
const EMPTY: &[u8] = &[13, 0];

fn mac(station: u8) -> [u8; 6] {
    match station {
        GROUP => hex!("0180c2000003"),
        _ => [2, 0, 0x5e, 0, 0, station],
    }
}

/// A frame that waits for its time.
type Frame = (u64, Vec<u8>);

/// An Ethernet frame, padded to its shortest, in a VLAN unless that is 0.
fn ethernet(from: u8, to: u8, vlan: u16, pdu: &[u8]) -> Vec<u8> {
    let mut frame = [mac(to), mac(from)].concat();
    if vlan > 0 {
        frame.extend([&[0x81, 0], vlan.to_be_bytes().as_slice()].concat());
    }
    frame.extend(hex!("888e"));
    frame.extend(pdu);
    frame.resize(frame.len().max(60), 0);
    frame
}

fn pdu(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap();
    [&[1, kind], len.to_be_bytes().as_slice(), body].concat()
}

fn eap_pdu(code: u8, identifier: u8, data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(4 + data.len()).unwrap();
    let eap = [&[code, identifier], len.to_be_bytes().as_slice(), data].concat();
    pdu(0, &eap)
}

/// An EAP packet from one station to another.
fn eap(from: u8, to: u8, code: u8, identifier: u8, data: &[u8]) -> Frame {
    (0, ethernet(from, to, 0, &eap_pdu(code, identifier, data)))
}

/// EAP-TLS with a ClientHello of this version.
fn hello(version: u8) -> Vec<u8> {
    let mut data = hex!("0d 00  16 0301 002d  01 000029  0303").to_vec();
    *data.last_mut().unwrap() = version;
    data.extend([7; 32]);
    data.extend(hex!("00 0002 c013 01 00"));
    data
}

/// EAP-TLS with a ServerHello of this version.
fn answer(version: u8) -> Vec<u8> {
    let mut data = hex!("0d 00  16 0303 002a  02 000026  0303").to_vec();
    *data.last_mut().unwrap() = version;
    data.extend([9; 32]);
    data.extend(hex!("00 c013 00"));
    data
}

/// A whole conversation of a device at a switch, which answers to `to`; identifiers count from `first`.
fn talk(supplicant: u8, authenticator: u8, to: u8, first: u8, version: u8) -> Vec<Frame> {
    let (s, a) = (supplicant, authenticator);
    let ask = |n, data: &[u8]| eap(a, to, REQUEST, first + n, data);
    let say = |n, data: &[u8]| eap(s, GROUP, RESPONSE, first + n, data);
    vec![
        ask(0, &[1]),
        say(0, IDENTITY),
        ask(1, START),
        say(1, &hello(version)),
        ask(2, &answer(version)),
        say(2, EMPTY),
        eap(a, to, SUCCESS, first + 2, &[]),
    ]
}

fn in_vlan(vlan: u16, frames: Vec<Frame>) -> Vec<Frame> {
    let tag = [&[0x81, 0], vlan.to_be_bytes().as_slice()].concat();
    frames
        .into_iter()
        .map(|(at, frame)| (at, [&frame[..12], &tag, &frame[12..]].concat()))
        .collect()
}

/// One of each, in turn.
fn interleaved(a: Vec<Frame>, b: Vec<Frame>) -> Vec<Frame> {
    a.into_iter().zip(b).flat_map(|(a, b)| [a, b]).collect()
}

fn records_within(limits: &Limits, frames: &[Frame]) -> Vec<FlowRecord> {
    let owned = frames
        .iter()
        .enumerate()
        .map(|(n, (second, bytes))| OwnedFrame {
            link: LinkType(1),
            wire_len: bytes.len(),
            bytes: bytes.clone(),
            time: Timestamp(second * 1_000_000_000 + n as u64 * 1_000),
        });
    replay(owned, limits)
}

fn records(frames: &[Frame]) -> Vec<FlowRecord> {
    records_within(&Limits::default(), frames)
}

/// "11 > a1 upgraded negotiated TLS 1.2": the ends, the ledger, how it ended and with what.
fn told_within(limits: &Limits, frames: &[Frame]) -> Vec<String> {
    let end = |mac: Option<Mac>| mac.map_or("?".into(), |mac| format!("{:02x}", mac.0[5]));
    let word = |r: &FlowRecord| {
        let upgrade = r.upgrade.map_or("no line", |u| u.name());
        let cause = r.cause.map(|c| format!(" ({c})")).unwrap_or_default();
        let version = r
            .negotiated_version
            .map(|v| format!(" {v}"))
            .unwrap_or_default();
        format!(
            "{} > {} {upgrade} {}{cause}{version}",
            end(r.client_mac),
            end(r.server_mac),
            r.outcome
        )
    };
    records_within(limits, frames).iter().map(word).collect()
}

fn told(frames: &[Frame]) -> Vec<String> {
    told_within(&Limits::default(), frames)
}

#[test]
fn a_conversation_has_stations_and_no_addresses() {
    for to in [S1, GROUP] {
        let frames = [
            vec![(0, ethernet(S1, GROUP, 0, &pdu(1, &[])))],
            talk(S1, A1, to, 4, 3),
        ]
        .concat();
        let all = records(&frames);
        let [record] = all.as_slice() else {
            panic!("{} records", all.len());
        };
        assert_eq!(
            (record.client_mac, record.server_mac),
            (Some(Mac(mac(S1))), Some(Mac(mac(A1))))
        );
        assert_eq!(
            (
                record.client_ip,
                record.client_port,
                record.server_ip,
                record.server_port
            ),
            (None, None, None, None)
        );
        assert_eq!(record.transport.name(), None);
        assert_eq!(
            (record.service, record.service_source),
            (Some("eapol"), Some("content"))
        );
        assert_eq!(record.client_name, None, "an identity is nobody's business");
        assert_eq!((record.first_packet, record.mid_stream), (2, false));
        assert_eq!((record.client_packets, record.server_packets), (3, 4));
        // PDUs with their headers, without the padding of the frames.
        assert_eq!(record.client_bytes, (8 + 21) + (8 + 52) + (8 + 2));
        assert_eq!(record.visibility, Visibility::Both);
        assert_eq!(told(&frames), ["11 > a1 upgraded negotiated TLS 1.2"]);
    }
}

#[test]
fn frames_that_are_no_conversation() {
    let ask = |id| eap(A1, GROUP, REQUEST, id, &[1]);
    let at = |second, frame: Frame| (second, frame.1);
    for (name, frames) in [
        (
            "start, key, logoff",
            vec![
                (0, ethernet(S1, GROUP, 0, &pdu(1, &[]))),
                (0, ethernet(A1, S1, 0, &pdu(3, &[2; 95]))),
                (0, ethernet(S1, GROUP, 0, &pdu(2, &[]))),
            ],
        ),
        (
            "a question that nobody answers",
            vec![ask(1), at(30, ask(1)), at(60, ask(2)), at(200, ask(3))],
        ),
        (
            "an identity and no method",
            vec![ask(1), eap(S1, GROUP, RESPONSE, 1, IDENTITY)],
        ),
        ("a last word alone", vec![eap(A1, S1, FAILURE, 1, &[])]),
        (
            "a piece of MD5",
            vec![
                eap(S1, GROUP, RESPONSE, 8, &[4, 16]),
                eap(A1, S1, SUCCESS, 8, &[]),
            ],
        ),
        (
            "no EAP",
            vec![(0, ethernet(S1, GROUP, 0, &pdu(0, &[9, 9, 9])))],
        ),
    ] {
        assert_eq!(told(&frames), [""; 0], "{name}");
    }
}

#[test]
fn what_belongs_together() {
    let up = |s: u8, a: u8, version| format!("{s:02x} > {a:02x} upgraded negotiated {version}");
    let (one, two) = (up(S1, A1, "TLS 1.2"), up(S2, A2, "TLS 1.0"));
    for (name, frames, want) in [
        (
            "two devices of one switch, which answers to each",
            interleaved(talk(S1, A1, S1, 1, 3), talk(S2, A1, S2, 1, 1)),
            vec![one.clone(), up(S2, A1, "TLS 1.0")],
        ),
        (
            "two ports, both sides to the group",
            interleaved(talk(S1, A1, GROUP, 1, 3), talk(S2, A2, GROUP, 100, 1)),
            vec![one.clone(), two],
        ),
        (
            "one address for all ports, told by the VLAN",
            interleaved(
                in_vlan(10, talk(S1, A1, GROUP, 1, 3)),
                in_vlan(20, talk(S2, A1, GROUP, 1, 1)),
            ),
            vec![one.clone(), up(S2, A1, "TLS 1.0")],
        ),
        (
            "one address for all ports, told by the turns",
            interleaved(talk(S1, A1, GROUP, 1, 3), talk(S2, A1, GROUP, 100, 1)),
            vec![one.clone(), up(S2, A1, "TLS 1.0")],
        ),
        (
            "again, after the end",
            [talk(S1, A1, GROUP, 1, 3), talk(S1, A1, GROUP, 4, 1)].concat(),
            vec![one.clone(), up(S1, A1, "TLS 1.0")],
        ),
        (
            "again, before the end, to the device",
            [talk(S1, A1, S1, 1, 3)[..6].to_vec(), talk(S1, A1, S1, 4, 1)].concat(),
            vec![one.clone(), up(S1, A1, "TLS 1.0")],
        ),
        (
            "again, before the end, to the group",
            [
                talk(S1, A1, GROUP, 1, 3)[..6].to_vec(),
                talk(S1, A1, GROUP, 9, 1),
            ]
            .concat(),
            vec![one.clone(), up(S1, A1, "TLS 1.0")],
        ),
        (
            "again, before the end, with the same numbers",
            [
                talk(S1, A1, GROUP, 1, 3)[..6].to_vec(),
                talk(S1, A1, GROUP, 1, 1)
                    .into_iter()
                    .map(|(_, frame)| (20, frame))
                    .collect(),
            ]
            .concat(),
            vec![one.clone(), up(S1, A1, "TLS 1.0")],
        ),
        (
            "again, before the end, because the device asks for it",
            [
                talk(S1, A1, S1, 1, 3)[..6].to_vec(),
                vec![(0, ethernet(S1, GROUP, 0, &pdu(1, &[])))],
                talk(S1, A1, S1, 4, 1),
            ]
            .concat(),
            vec![one.clone(), up(S1, A1, "TLS 1.0")],
        ),
        (
            "asked twice for the identity, both answered",
            [
                talk(S1, A1, GROUP, 1, 3)[..2].to_vec(),
                talk(S1, A1, GROUP, 2, 3),
            ]
            .concat(),
            vec![one.clone()],
        ),
        (
            "ports without a device ask, too",
            [
                vec![
                    eap(A2, GROUP, REQUEST, 1, &[1]),
                    eap(0xa3, GROUP, REQUEST, 1, &[1]),
                ],
                talk(S1, A1, GROUP, 1, 3),
            ]
            .concat(),
            vec![one.clone()],
        ),
        (
            "the identity again, late",
            {
                let mut frames = talk(S1, A1, GROUP, 1, 3);
                frames.insert(3, frames[1].clone());
                frames
            },
            vec![one.clone()],
        ),
        (
            "each frame twice",
            talk(S1, A1, GROUP, 1, 3)
                .into_iter()
                .flat_map(|frame| [frame.clone(), frame])
                .collect(),
            vec![one.clone()],
        ),
        (
            "some frames again, late",
            {
                let mut frames = talk(S1, A1, GROUP, 1, 3);
                let (hello, answer) = (frames[3].clone(), frames[4].clone());
                frames.insert(6, hello.clone());
                frames.insert(6, (0, ethernet(S1, GROUP, 0, &pdu(1, &[]))));
                frames.extend([answer, hello]);
                frames
            },
            vec![one.clone()],
        ),
        (
            "behind the identity, the numbers are another server's",
            [
                talk(S1, A1, GROUP, 1, 3)[..2].to_vec(),
                talk(S1, A1, GROUP, 77, 3)[2..].to_vec(),
            ]
            .concat(),
            vec![one.clone()],
        ),
        (
            "a device at another access point",
            [talk(S1, A2, S1, 1, 1)[..4].to_vec(), talk(S1, A1, S1, 1, 3)].concat(),
            vec!["11 > a2 unknown no-answer (capture ended)".into(), one],
        ),
    ] {
        // Such a device answers to its access point, and to no group.
        let frames: Vec<Frame> = if name == "a device at another access point" {
            let to = |n: usize| if n < 4 { A2 } else { A1 };
            let mut frames = frames;
            for (n, (_, frame)) in frames.iter_mut().enumerate() {
                if frame.starts_with(&mac(GROUP)) {
                    frame[..6].copy_from_slice(&mac(to(n)));
                }
            }
            frames
        } else {
            frames
        };
        assert_eq!(told(&frames), want, "{name}");
    }
}

#[test]
fn how_it_ends() {
    let begin = |method: &[u8]| {
        vec![
            eap(A1, S1, REQUEST, 1, &[1]),
            eap(S1, GROUP, RESPONSE, 1, IDENTITY),
            eap(A1, S1, REQUEST, 2, method),
        ]
    };
    let alert = hex!("0d 00  15 0301 0002 0246");
    for (name, more, want) in [
        (
            "an alert",
            vec![
                eap(S1, GROUP, RESPONSE, 2, &hello(1)),
                eap(A1, S1, REQUEST, 3, &alert),
                eap(S1, GROUP, RESPONSE, 3, EMPTY),
                eap(A1, S1, FAILURE, 3, &[]),
            ],
            "hello-failed refused-by-server (alert protocol_version)",
        ),
        (
            "a failure without a word",
            vec![
                eap(S1, GROUP, RESPONSE, 2, &hello(1)),
                eap(A1, S1, FAILURE, 2, &[]),
            ],
            "hello-failed refused-by-server (eap failure)",
        ),
        (
            "no answer at all",
            vec![
                eap(S1, GROUP, RESPONSE, 2, &hello(1)),
                (100, eap(S2, GROUP, RESPONSE, 1, IDENTITY).1),
            ],
            "hello-failed no-answer (silence)",
        ),
        (
            "the capture's end",
            vec![eap(S1, GROUP, RESPONSE, 2, &hello(1))],
            "unknown no-answer (capture ended)",
        ),
        (
            "the capture's end within the hello",
            vec![eap(S1, GROUP, RESPONSE, 2, &hello(1)[..20])],
            "unknown cleartext (capture ended)",
        ),
        (
            "let in for what was not captured",
            vec![eap(A1, S1, SUCCESS, 2, &[])],
            "unknown cleartext (gap)",
        ),
        (
            "another method is wanted, and had",
            vec![
                eap(S1, GROUP, RESPONSE, 2, &[3, 4]),
                eap(A1, S1, REQUEST, 3, &[4, 16]),
                eap(S1, GROUP, RESPONSE, 3, &[4, 16]),
                eap(A1, S1, SUCCESS, 3, &[]),
            ],
            "offered-unused cleartext",
        ),
        (
            "nothing of it",
            vec![
                eap(S1, GROUP, RESPONSE, 2, &[3, 25]),
                eap(A1, S1, FAILURE, 2, &[]),
            ],
            "refused cleartext",
        ),
    ] {
        let frames = [begin(START), more].concat();
        assert_eq!(told(&frames), [format!("11 > a1 {want}")], "{name}");
    }
    let md5 = [
        begin(&[4, 16]),
        vec![
            eap(S1, GROUP, RESPONSE, 2, &[4, 16]),
            eap(A1, S1, SUCCESS, 2, &[]),
        ],
    ]
    .concat();
    assert_eq!(told(&md5), ["11 > a1 not-offered cleartext"]);
}

#[test]
fn loss_never_lies() {
    // A ServerHello in two pieces, so that one can be missing.
    let whole = |to| {
        let answer = answer(3);
        let (first, second) = answer[2..].split_at(20);
        vec![
            eap(A1, to, REQUEST, 1, &[1]),
            eap(S1, GROUP, RESPONSE, 1, IDENTITY),
            eap(A1, to, REQUEST, 2, START),
            eap(S1, GROUP, RESPONSE, 2, &hello(3)),
            eap(A1, to, REQUEST, 3, &[&[13, 0x40], first].concat()),
            eap(S1, GROUP, RESPONSE, 3, EMPTY),
            eap(A1, to, REQUEST, 4, &[&[13, 0], second].concat()),
            eap(S1, GROUP, RESPONSE, 4, EMPTY),
            eap(A1, to, SUCCESS, 4, &[]),
        ]
    };
    for to in [S1, GROUP] {
        let frames = whole(to);
        assert_eq!(told(&frames), ["11 > a1 upgraded negotiated TLS 1.2"]);
        for missing in [4, 6] {
            let mut frames = frames.clone();
            frames.remove(missing);
            let records = records(&frames);
            assert!(!records.is_empty());
            for record in records {
                assert_eq!(record.negotiated_version, None, "without {missing}");
                assert!(record.cause.is_some(), "without {missing}");
            }
        }
        for from in 1..frames.len() {
            for record in records(&frames[from..]) {
                let version = record.negotiated_version.map(|v| v.to_string());
                assert!(version.is_none_or(|v| v == "TLS 1.2"), "from {from}");
            }
        }
    }
    let half = |keep: fn(u8) -> bool, to| -> Vec<Frame> {
        let frames = whole(to).into_iter();
        frames.filter(|(_, frame)| keep(frame[11])).collect()
    };
    for (name, frames, want) in [
        (
            "the device's half",
            half(|from| from == S1, S1),
            "11 > ? unknown client-hello-only (one direction captured)",
        ),
        (
            "the switch's half, to the device",
            half(|from| from == A1, S1),
            "11 > a1 upgraded server-hello-only (one direction captured) TLS 1.2",
        ),
        (
            "the switch's half, to the group",
            half(|from| from == A1, GROUP),
            "? > a1 upgraded server-hello-only (one direction captured) TLS 1.2",
        ),
        (
            "joined at the hello",
            whole(S1)[3..].to_vec(),
            "11 > a1 upgraded negotiated TLS 1.2",
        ),
        (
            "joined at the answer",
            whole(S1)[4..].to_vec(),
            "11 > a1 upgraded server-hello-only (beginning not captured) TLS 1.2",
        ),
    ] {
        assert_eq!(told(&frames), [want], "{name}");
    }
}

#[test]
fn halves_of_two_conversations_are_not_put_together() {
    // Of one port only what comes in was captured, of the other only what goes out; their numbers agree at first.
    let mine = talk(S1, A1, GROUP, 1, 3);
    let other = talk(S2, A2, GROUP, 1, 1);
    let frames = vec![
        other[0].clone(),
        mine[1].clone(),
        other[2].clone(),
        eap(S1, GROUP, RESPONSE, 7, &hello(3)),
        other[4].clone(),
        eap(S1, GROUP, RESPONSE, 8, EMPTY),
        other[6].clone(),
    ];
    for record in records(&frames) {
        let of_device = record.client_mac == Some(Mac(mac(S1)));
        assert_eq!(of_device, record.negotiated_version.is_none(), "{record:?}");
    }
}

#[test]
fn memory_for_them_has_an_end() {
    let limits = Limits {
        max_followed_bytes: 64 * (16 << 10),
        ..Limits::default()
    };
    let mut frames = Vec::new();
    for device in 1..=200 {
        frames.extend(talk(device, A1, device, 1, 3)[..4].to_vec());
    }
    let told = told_within(&limits, &frames);
    assert_eq!(told.len(), 200, "each is told of");
    let evicted = told
        .iter()
        .filter(|line| line.ends_with("unknown (evicted)"))
        .count();
    assert!((100..200).contains(&evicted), "{evicted}");
}
