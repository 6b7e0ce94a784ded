//! RADIUS packets (RFC 2865 section 3) as far as EAP travels in them (RFC 3579).

/// IANA's name of it.
pub const SERVICE: &str = "radius";
/// Bytes before the attributes.
const HEADER_LEN: usize = 20;
/// RFC 2865 section 3; RFC 7499 lets more be told in several packets, not in one.
const MAX_LEN: usize = 4096;

/// Code (RFC 2865 section 3) of the packets that authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// From the RADIUS client.
    AccessRequest,
    /// The client may come in.
    AccessAccept,
    /// It may not.
    AccessReject,
    /// The talk goes on.
    AccessChallenge,
}

impl Code {
    const fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::AccessRequest,
            2 => Self::AccessAccept,
            3 => Self::AccessReject,
            11 => Self::AccessChallenge,
            _ => return None,
        })
    }
}

/// Attribute types.
mod attribute {
    /// RFC 2865 section 5.24.
    pub(super) const STATE: u8 = 24;
    /// RFC 2865 section 5.31.
    pub(super) const CALLING_STATION_ID: u8 = 31;
    /// RFC 3579 section 3.1.
    pub(super) const EAP_MESSAGE: u8 = 79;
}

/// A packet. Who is to be let in (User-Name) is not read: it names a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it is.
    pub code: Code,
    /// Matches an answer with its request.
    pub identifier: u8,
    /// Of a request: a number that no other has.
    pub authenticator: [u8; 16],
    /// Handed out with a challenge, and sent back.
    pub state: Option<&'a [u8]>,
    /// The device's address, as the RADIUS client writes it.
    pub calling_station_id: Option<&'a [u8]>,
    /// The EAP packet, put together from its attributes in their order; `None` where there is none.
    pub eap: Option<Vec<u8>>,
    /// The snap length cut the packet, so that attributes are missing.
    pub cut: bool,
}

/// Whether `datagram`, of which `wire_len` bytes were sent, is RADIUS that authenticates: its length is the datagram's,
/// and its attributes fill it exactly.
#[inline]
pub fn is_plausible(datagram: &[u8], wire_len: usize) -> bool {
    matches!(datagram.first(), Some(1 | 2 | 3 | 11)) && Packet::parse(datagram, wire_len).is_some()
}

impl<'a> Packet<'a> {
    /// Reads a packet; `None` where the datagram is none.
    pub fn parse(datagram: &'a [u8], wire_len: usize) -> Option<Self> {
        let (header, mut attributes) = datagram.split_first_chunk::<HEADER_LEN>()?;
        let ([code, identifier, high, low], authenticator) = header.split_first_chunk::<4>()?;
        let code = Code::of(*code)?;
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        // RFC 2865 section 3: what lies behind the length is padding; nobody sends any.
        if len != wire_len || !(HEADER_LEN..=MAX_LEN).contains(&len) {
            return None;
        }
        let mut packet = Self {
            code,
            identifier: *identifier,
            authenticator: *authenticator.first_chunk::<16>()?,
            state: None,
            calling_station_id: None,
            eap: None,
            cut: datagram.len() < wire_len,
        };
        if attributes.is_empty() && !packet.cut && code == Code::AccessRequest {
            return None;
        }
        while let [kind, len, rest @ ..] = attributes {
            let len = usize::from(*len).checked_sub(2)?;
            let Some((value, rest)) = rest.split_at_checked(len) else {
                return packet.cut.then_some(packet);
            };
            match *kind {
                attribute::STATE => packet.state = Some(value),
                attribute::CALLING_STATION_ID => packet.calling_station_id = Some(value),
                attribute::EAP_MESSAGE => {
                    packet.eap.get_or_insert_default().extend_from_slice(value);
                }
                0 => return None,
                _ => {}
            }
            attributes = rest;
        }
        (attributes.is_empty() || packet.cut).then_some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    const AUTHENTICATOR: [u8; 16] = [7; 16];

    fn packet(code: u8, attributes: &[u8]) -> Vec<u8> {
        let len = u16::try_from(HEADER_LEN + attributes.len()).unwrap();
        [
            &[code, 9][..],
            &len.to_be_bytes(),
            &AUTHENTICATOR,
            attributes,
        ]
        .concat()
    }

    #[test]
    fn eap_is_put_together_from_its_attributes() {
        let bytes = packet(
            1,
            &hex!("0103 61  4f04 0201  1803 ff  1f05 616263  4f04 0005  4f03 01"),
        );
        let read = Packet::parse(&bytes, bytes.len()).unwrap();
        assert_eq!(read.eap.as_deref(), Some(hex!("0201000501").as_slice()));
        assert_eq!(read.state, Some([0xff].as_slice()));
        assert_eq!(read.calling_station_id, Some(b"abc".as_slice()));
        assert_eq!(
            (read.code, read.identifier, read.cut),
            (Code::AccessRequest, 9, false)
        );
    }

    #[test]
    fn what_is_no_radius() {
        for (name, bytes) in [
            ("accounting", packet(4, &hex!("2806 00000001"))),
            (
                "an attribute longer than the packet",
                packet(1, &hex!("0109 61")),
            ),
            (
                "an attribute shorter than its header",
                packet(1, &hex!("0101")),
            ),
            ("attribute 0", packet(1, &hex!("0003 61"))),
            (
                "half a header of an attribute",
                packet(1, &hex!("0103 61 01")),
            ),
            ("a request without attributes", packet(1, &[])),
            (
                "bytes behind it",
                [packet(1, &hex!("0103 61")), vec![0]].concat(),
            ),
        ] {
            assert!(!is_plausible(&bytes, bytes.len()), "{name}");
        }
    }

    #[test]
    fn the_snap_length_may_cut_it() {
        let bytes = packet(11, &hex!("4f06 01020304 1803 aa"));
        for (len, eap, state) in [(26, Some(&[1, 2, 3, 4][..]), None), (24, None, None)] {
            let read = Packet::parse(&bytes[..len], bytes.len()).unwrap();
            assert_eq!(
                (read.eap.as_deref(), read.state, read.cut),
                (eap, state, true)
            );
        }
    }
}
