//! Conversations of EAP, packet by packet.

use super::*;
use crate::record::Upgrade;
use hex_literal::hex;

const PEER: u8 = code::RESPONSE;
const AUTHENTICATOR: u8 = code::REQUEST;

fn packet(code: u8, identifier: u8, data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(4 + data.len()).unwrap();
    [&[code, identifier][..], &len.to_be_bytes(), data].concat()
}

/// Events of a conversation, `C` and `S` before what each side said; packets are code, identifier, data.
fn told(packets: &[(u8, u8, &[u8])]) -> (Vec<String>, Conversation) {
    let mut conversation = Conversation::new("radius", 1 << 16);
    let mut events = Vec::new();
    for (code, identifier, data) in packets {
        let mut sink = |side, event: Event<'_>, _| events.push(format!("{side:?} {event:?}"));
        let told = conversation.packet(&packet(*code, *identifier, data), false, &mut sink);
        if let Told::Lost(side) = told {
            conversation.lose(side, &mut sink);
        }
    }
    (events, conversation)
}

const IDENTITY: (u8, u8, &[u8]) = (PEER, 1, b"\x01somebody@example.com");

#[test]
fn pieces_are_put_together() {
    // An alert in three pieces, each answered by an empty one.
    let (events, conversation) = told(&[
        IDENTITY,
        (AUTHENTICATOR, 2, &[13, 0x20]),
        (PEER, 2, &hex!("0d c0 00000007 1503")),
        (AUTHENTICATOR, 3, &[13, 0]),
        (PEER, 3, &hex!("0d 40 0300 02")),
        (PEER, 3, &hex!("0d 40 0300 02")),
        (AUTHENTICATOR, 4, &[13, 0]),
        (PEER, 4, &hex!("0d 00 0228")),
    ]);
    assert_eq!(events, ["Client Alert { level: 2, description: 40 }"]);
    assert_eq!(conversation.story.request, Request::Accepted);
    assert!(conversation.story.began && !conversation.story.worked);
    assert_eq!(
        conversation.story.client_name, None,
        "an identity is nobody's business"
    );
}

#[test]
fn a_packet_that_comes_again_late_changes_nothing() {
    let turns: [(u8, u8, &[u8]); 6] = [
        IDENTITY,
        (AUTHENTICATOR, 2, &[25, 0x20]),
        (PEER, 2, &hex!("19 40 1503")),
        (AUTHENTICATOR, 3, &[25, 0]),
        (PEER, 3, &hex!("19 40 0300 02")),
        (AUTHENTICATOR, 4, &[25, 0]),
    ];
    let last: (u8, u8, &[u8]) = (PEER, 4, &hex!("19 00 0228"));
    for again in turns {
        let (events, conversation) = told(&[&turns[..], &[again, last]].concat());
        assert_eq!(events, ["Client Alert { level: 2, description: 40 }"]);
        assert_eq!(conversation.story.lost, [false; 2]);
    }
    // An identifier may come again with something else.
    let (events, _) = told(&[
        IDENTITY,
        (AUTHENTICATOR, 2, &[25, 0x20]),
        (PEER, 2, &hex!("19 40 1503")),
        (AUTHENTICATOR, 3, &[25, 0]),
        (PEER, 3, &hex!("19 40 0300 02")),
        (AUTHENTICATOR, 2, &[25, 0]),
        (PEER, 2, &hex!("19 00 0228")),
    ]);
    assert_eq!(events, ["Client Alert { level: 2, description: 40 }"]);
}

#[test]
fn a_turn_that_is_missing_is_noticed() {
    let (events, conversation) = told(&[
        IDENTITY,
        (AUTHENTICATOR, 2, &[25, 0x20]),
        (PEER, 2, &hex!("19 40 1503")),
        (AUTHENTICATOR, 3, &hex!("19 40 1603")),
        // The server's packet 4 is not there.
        (PEER, 4, &hex!("19 00 0300 020228")),
        (AUTHENTICATOR, 5, &hex!("19 00 15 0303 0002 0228")),
    ]);
    assert_eq!(events, ["Client Alert { level: 2, description: 40 }"]);
    assert_eq!(conversation.story.lost, [false, true]);
}

#[test]
fn the_ledger() {
    use crate::framing::starttls::verdict::{Seen, Tls, conclude};
    type Packets<'a> = &'a [(u8, u8, &'a [u8])];
    let cases: [(&str, Packets<'_>, Tls, Upgrade, [bool; 2]); 9] = [
        (
            "taken as proposed",
            &[IDENTITY, (1, 2, &[25, 0x20]), (2, 2, &[25, 0])],
            Tls::Answered,
            Upgrade::Upgraded,
            [false; 2],
        ),
        (
            "another one with TLS asked for",
            &[
                IDENTITY,
                (1, 2, &[13, 0x20]),
                (2, 2, &[3, 25]),
                (1, 3, &[25, 0x20]),
                (2, 3, &[25, 0]),
            ],
            Tls::Answered,
            Upgrade::Upgraded,
            [false; 2],
        ),
        (
            "TLS asked for, and refused",
            &[IDENTITY, (1, 2, &[4, 1, 7]), (2, 2, &[3, 25]), (4, 2, &[])],
            Tls::None,
            Upgrade::Refused,
            [false; 2],
        ),
        (
            "TLS asked for in an expanded Nak, and refused",
            &[
                IDENTITY,
                (1, 2, &hex!("fe 000000 00000004")),
                (2, 2, &hex!("fe 000000 00000003 fe 000000 0000000d")),
                (4, 2, &[]),
            ],
            Tls::None,
            Upgrade::Refused,
            [false; 2],
        ),
        (
            "TLS proposed, MD5 taken",
            &[
                IDENTITY,
                (1, 2, &[13, 0x20]),
                (2, 2, &[3, 4]),
                (1, 3, &[4, 1, 7]),
                (2, 3, &[4, 1, 8]),
                (3, 3, &[]),
            ],
            Tls::None,
            Upgrade::OfferedUnused,
            [true, false],
        ),
        (
            "MD5 proposed and taken",
            &[
                IDENTITY,
                (1, 2, &[4, 1, 7]),
                (2, 2, &[4, 1, 8]),
                (3, 2, &[]),
            ],
            Tls::None,
            Upgrade::NotOffered,
            [true, false],
        ),
        (
            "a password in the clear",
            &[
                IDENTITY,
                (1, 2, b"\x06Password"),
                (2, 2, b"\x06hunter2"),
                (3, 2, &[]),
            ],
            Tls::None,
            Upgrade::NotOffered,
            [true, true],
        ),
        (
            "the hello refused",
            &[IDENTITY, (1, 2, &[25, 0x20]), (2, 2, &[25, 0]), (4, 2, &[])],
            Tls::Hello,
            Upgrade::HelloFailed,
            [false; 2],
        ),
        (
            "started, and no hello",
            &[
                IDENTITY,
                (1, 2, &[13, 0x20]),
                (2, 2, &[3, 25]),
                (1, 3, &[25, 0x20]),
            ],
            Tls::None,
            Upgrade::AcceptedNoHello,
            [false; 2],
        ),
    ];
    for (name, packets, tls, want, [worked, secret]) in cases {
        let (_, conversation) = told(packets);
        let seen = Seen {
            tls,
            client: true,
            server: true,
            beginning: true,
            closed: true,
            lost: None,
        };
        let line = conclude(&conversation.story, &seen).unwrap();
        assert_eq!(
            (
                line.upgrade,
                line.continued_in_clear,
                line.cleartext_credentials
            ),
            (want, worked, secret),
            "{name}"
        );
    }
}

#[test]
fn teap_may_have_tlvs_behind_its_tls() {
    assert_eq!(
        piece(&hex!("37 91 00000009 00000002 aabb ccdd")),
        Some((hex!("aabb").as_slice(), true))
    );
    assert_eq!(
        piece(&hex!("37 11 00000009 aabb")),
        Some(([].as_slice(), false))
    );
    assert_eq!(piece(&hex!("37 31 00000002 ccdd")), None);
}
