//! What a datagram carries, told from its bytes on any port.
//!
//! DTLS shares its ports with STUN, TURN and RTP (RFC 7983: the first byte tells them apart), and TURN carries it to
//! the other peer (RFC 8656); CAPWAP puts four bytes in front (RFC 5415).

use super::openvpn::Layout;
use super::{dtls, openvpn, quic, radius, rdpudp};

/// What a first datagram looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// An Initial packet.
    Quic,
    /// DTLS records to the last byte.
    Dtls,
    /// The reset that begins a session, or a control packet with a hello.
    OpenVpn(Layout),
    /// A packet that authenticates.
    Radius,
    /// The padded datagram that begins RDP over UDP or answers it, or one with a hello.
    RdpUdp,
}

/// What `datagram`, of which `wire_len` bytes were sent, looks like. Most datagrams are told by their first byte.
#[inline]
pub fn likeness(datagram: &[u8], wire_len: usize) -> Option<Likeness> {
    let first = *datagram.first()?;
    let told = match first {
        0x80.. => quic::is_plausible(datagram, wire_len).then_some(Likeness::Quic),
        _ => {
            let (inner, inner_len) = without_relay(datagram, wire_len);
            if dtls::is_plausible(inner, inner_len) {
                return Some(Likeness::Dtls);
            }
            if radius::is_plausible(datagram, wire_len) {
                return Some(Likeness::Radius);
            }
            openvpn::layout_of(datagram, wire_len).map(Likeness::OpenVpn)
        }
    };
    // Its first byte may be any.
    told.or_else(|| rdpudp::begins(datagram, wire_len).then_some(Likeness::RdpUdp))
}

/// The payload of TURN and CAPWAP, with its length on the wire; of other datagrams, all of it.
#[inline]
pub fn without_relay(datagram: &[u8], wire_len: usize) -> (&[u8], usize) {
    let inner = match datagram {
        [0x01, 0, 0, 0, rest @ ..] => Some((rest, wire_len.saturating_sub(4))),
        [0x00, 0x16 | 0x17, ..] => stun_data(datagram),
        [0x40..=0x4f, ..] => channel_data(datagram, wire_len),
        _ => None,
    };
    inner.unwrap_or((datagram, wire_len))
}

/// ChannelData (RFC 8656 section 12.4): channel number 16, length 16, data, padding to four bytes.
fn channel_data(datagram: &[u8], wire_len: usize) -> Option<(&[u8], usize)> {
    let ([_, _, high, low], rest) = datagram.split_first_chunk::<4>()?;
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    let padding = wire_len.checked_sub(4)?.checked_sub(len)?;
    (padding < 4).then(|| (rest.get(..len).unwrap_or(rest), len))
}

/// The DATA attribute of a Send or Data indication (RFC 8656 section 18.4; RFC 8489 sections 5 and 14).
fn stun_data(datagram: &[u8]) -> Option<(&[u8], usize)> {
    const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    const DATA: u16 = 0x0013;
    let (header, mut rest) = datagram.split_first_chunk::<20>()?;
    if header.get(4..8) != Some(&MAGIC_COOKIE) {
        return None;
    }
    loop {
        let ([t0, t1, l0, l1], value) = rest.split_first_chunk::<4>()?;
        let len = usize::from(u16::from_be_bytes([*l0, *l1]));
        if u16::from_be_bytes([*t0, *t1]) == DATA {
            return Some((value.get(..len).unwrap_or(value), len));
        }
        rest = value.get(len.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;
    use proptest::prelude::*;

    #[test]
    fn takes_off_what_relays_put_around() {
        for (name, datagram, want) in [
            (
                "ChannelData with padding",
                hex!("4000 0003 16fefd 00").as_slice(),
                hex!("16fefd").as_slice(),
            ),
            (
                "Data indication: XOR-PEER-ADDRESS, DATA",
                &hex!(
                    "0017 0018 2112a442 000102030405060708090a0b"
                    "0012 0008 0001 1111 22222222  0013 0003 16fefd 00"
                ),
                &hex!("16fefd"),
            ),
            ("CAPWAP", &hex!("01000000 16feff"), &hex!("16feff")),
            ("DTLS itself", &hex!("16fefd00"), &hex!("16fefd00")),
            (
                "a channel that lies",
                &hex!("4000 0009 16"),
                &hex!("4000000916"),
            ),
        ] {
            assert_eq!(without_relay(datagram, datagram.len()).0, want, "{name}");
        }
    }

    #[test]
    fn other_protocols_look_like_nothing() {
        for (name, datagram) in [
            (
                "DNS",
                hex!("1603 0100 0001 0000 0000 0000 03777777 00 0001 0001").as_slice(),
            ),
            ("RTP", &hex!("80 60 0001 00000000 00000000 aabbccdd")),
            (
                "STUN binding",
                &hex!("0001 0000 2112a442 000000000000000000000000"),
            ),
            ("NTP", &[0x23; 48]),
            ("gQUIC Q043", &hex!("09 1122334455667788 51303433 01")),
            ("WireGuard", &[[1, 0, 0, 0].as_slice(), &[7; 144]].concat()),
        ] {
            assert_eq!(likeness(datagram, datagram.len()), None, "{name}");
        }
    }

    /// RFC 9287: who is asked to may send the fixed bit as 0, and an answer may be the first that is captured.
    #[test]
    fn quic_is_told_without_its_fixed_bit() {
        for version in [[0, 0, 0, 1], [0x6b, 0x33, 0x43, 0xcf], [0x1a; 4]] {
            for first in [0x00, 0x40] {
                // Initial packets, of either version.
                let kind = if version[0] == 0x6b { 0x10 } else { 0 };
                let first_byte = [0x80 | first | kind];
                let header = [
                    first_byte.as_slice(),
                    version.as_slice(),
                    hex!("08 1122334455667788 08 8877665544332211 00 4400").as_slice(),
                ];
                let datagram = [header.concat(), vec![0; 0x400]].concat();
                // Nobody answers in a version that is reserved, and RTP may look like it.
                let quic = first != 0 || version != [0x1a; 4];
                let want = quic.then_some(Likeness::Quic);
                assert_eq!(
                    likeness(&datagram, datagram.len()),
                    want,
                    "{version:?} {first}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_from_the_wire_panics(bytes: Vec<u8>, wire_len: usize) {
            let _ = likeness(&bytes, wire_len);
            let _ = without_relay(&bytes, wire_len);
        }
    }
}
