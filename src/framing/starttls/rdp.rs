//! RDP: the security negotiation in X.224's connection sequence (\[MS-RDPBCGR\] sections 1.3.1.1 and 2.2.1.1).

use super::packets::{Length, Packets};
use super::{Match, Protocol, Story, Talk};
use crate::record::Side;

/// The fixed part of a Connection Request or Confirm: TPKT (RFC 1006) 4 bytes, X.224 7 bytes.
const FIXED_BYTES: usize = 11;

pub(super) fn recognise(talk: &Talk<'_>) -> Match {
    // TPKT version 3, length; X.224 length indicator, CR (0xe0).
    match talk.client {
        [3, 0, _, _, _, 0xe0, ..] => Match::Yes,
        [3] | [3, 0] | [3, 0, _] | [3, 0, _, _] | [3, 0, _, _, _] if !talk.last => Match::More,
        _ => Match::No,
    }
}

/// A connection, up to where TLS or the old security begins.
#[derive(Debug, Default)]
pub(crate) struct Rdp {
    from_client: Packets,
    from_server: Packets,
    requested: Option<u32>,
    confirmed: bool,
}

impl Protocol for Rdp {
    fn client(&mut self, mut bytes: &[u8], story: &mut Story) {
        story.service = Some("ms-wbt-server");
        story.has_ledger = true;
        while let Some(packet) = self.from_client.next(&mut bytes, tpkt_len) {
            if self.requested.is_some() {
                work(packet, story);
                continue;
            }
            let options = packet.get(FIXED_BYTES..).unwrap_or_default();
            let (token, options) = cookie(options);
            if let Some(name) = token.and_then(|t| t.strip_prefix(b"Cookie: mstshash=")) {
                story.name_client(name);
            }
            // RDP_NEG_REQ: type 1, flags, length 8, requestedProtocols.
            let requested = match options {
                [1, _, 8, 0, a, b, c, d, ..] => u32::from_le_bytes([*a, *b, *c, *d]),
                _ => 0,
            };
            self.requested = Some(requested);
            if requested != 0 {
                story.ask();
            }
        }
    }

    fn server(&mut self, mut bytes: &[u8], story: &mut Story) {
        while let Some(packet) = self.from_server.next(&mut bytes, tpkt_len) {
            if std::mem::replace(&mut self.confirmed, true) {
                work(packet, story);
                continue;
            }
            if self.requested == Some(0) {
                continue;
            }
            match packet.get(FIXED_BYTES..).unwrap_or_default() {
                // RDP_NEG_RSP: the protocol that was picked; 0 is RDP's own security.
                [2, _, 8, 0, 0, 0, 0, 0, ..] => not_offered(story),
                [2, _, 8, 0, ..] => story.answer(true),
                [3, _, 8, 0, ..] => story.answer(false),
                // A server older than the negotiation.
                _ => not_offered(story),
            }
        }
    }

    fn gap(&mut self, from: Side, lost: u64) {
        match from {
            Side::Client => self.from_client.gap(lost),
            Side::Server => self.from_server.gap(lost),
        }
    }
}

fn not_offered(story: &mut Story) {
    story.request = super::Request::None;
    story.asked_list = true;
    story.list(false);
}

/// What follows the negotiation in the clear: MCS Connect-Initial and its kin.
fn work(packet: &[u8], story: &mut Story) {
    if packet.first() == Some(&3) {
        story.work();
        story.over = true;
    }
}

/// A routing token or cookie ends with CR LF; what follows it.
fn cookie(options: &[u8]) -> (Option<&[u8]>, &[u8]) {
    if !options.starts_with(b"Cookie: ") {
        return (None, options);
    }
    let end = options
        .windows(2)
        .position(|w| w == b"\r\n")
        .unwrap_or(options.len());
    (
        options.get(..end),
        options.get(end + 2..).unwrap_or_default(),
    )
}

fn tpkt_len(head: &[u8]) -> Length {
    match head {
        [3, _, a, b, ..] => Length::Is(u16::from_be_bytes([*a, *b]).into()),
        [3, ..] | [] => Length::Need,
        _ => Length::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::tests::told;
    use hex_literal::hex;

    #[test]
    fn negotiation() {
        let ask = &hex!("0300 0013 0e e0 0000 0000 00 01 00 0800 0b000000")[..];
        let plain = &hex!("0300 000b 06 e0 0000 0000 00")[..];
        let zero = &hex!("0300 0013 0e e0 0000 0000 00 01 00 0800 00000000")[..];
        let yes = &hex!("0300 0013 0e d0 0000 1234 00 02 1f 0800 02000000")[..];
        let old = &hex!("0300 0013 0e d0 0000 1234 00 02 1f 0800 00000000")[..];
        let no = &hex!("0300 0013 0e d0 0000 1234 00 03 00 0800 05000000")[..];
        let bare = &hex!("0300 000b 06 d0 0000 1234 00")[..];
        let mcs = &hex!("0300 0008 02 f0 80 7f")[..];
        for (name, talk, want, listed, worked) in [
            (
                "yes",
                vec![('C', ask), ('S', yes)],
                Request::Accepted,
                false,
                false,
            ),
            (
                "no",
                vec![('C', ask), ('S', no)],
                Request::Refused,
                false,
                false,
            ),
            (
                "old security",
                vec![('C', ask), ('S', old), ('C', mcs)],
                Request::None,
                true,
                true,
            ),
            (
                "old server",
                vec![('C', ask), ('S', bare)],
                Request::None,
                true,
                false,
            ),
            (
                "old client",
                vec![('C', plain), ('S', bare), ('C', mcs)],
                Request::None,
                false,
                true,
            ),
            (
                "standard security",
                vec![('C', zero), ('S', old)],
                Request::None,
                false,
                false,
            ),
            ("no answer", vec![('C', ask)], Request::Asked, false, false),
        ] {
            let story = told(&talk).expect(name);
            assert_eq!(
                (story.request, story.listed, story.worked),
                (want, listed, worked),
                "{name}"
            );
        }
        let named = [
            &hex!("0300 0024 1f e0 0000 0000 00")[..],
            b"Cookie: mstshash=desk\r\n",
            &hex!("0100 0800"),
        ]
        .concat();
        let named = [&named[..], &hex!("01000000")].concat();
        let named = [&hex!("0300 002a")[..], &named[4..]].concat();
        let story = told(&[('C', &named)]).expect("RDP");
        assert_eq!(story.client_name.as_deref(), Some("desk"));
        assert_eq!(story.request, Request::Asked);
    }
}
