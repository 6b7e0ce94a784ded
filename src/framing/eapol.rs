//! PDUs of EAPOL (IEEE 802.1X-2020 clause 11), in which EAP goes between a device and its switch or access point.

/// What carries it. IANA's names are those of services over IP; this one is IEEE's.
pub const SERVICE: &str = "eapol";

/// Packet type. Keys and announcements have nothing to do with EAP; that a device begins or leaves is told by what follows.
const EAP_PACKET: u8 = 0;

/// The EAP packet in a PDU, as much of it as was captured: protocol version 8, packet type 8, body length 16, body.
pub fn eap_packet(pdu: &[u8]) -> Option<&[u8]> {
    let ([_, kind, high, low], body) = pdu.split_first_chunk::<4>()?;
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    (*kind == EAP_PACKET).then(|| body.get(..len).unwrap_or(body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn kinds() {
        for (name, pdu, want) in [
            (
                "EAP, padded",
                hex!("02 00 0005 0101000501 0000").as_slice(),
                Some(&hex!("0101000501")[..]),
            ),
            (
                "EAP, cut",
                &hex!("01 00 0400 01010400"),
                Some(&hex!("01010400")),
            ),
            ("start", &hex!("01 01 0000"), None),
            ("logoff", &hex!("01 02 0000"), None),
            ("key", &hex!("02 03 0002 0102"), None),
            ("MACsec key agreement", &hex!("03 05 0001 01"), None),
            ("too short", &hex!("01 00 00"), None),
        ] {
            assert_eq!(eap_packet(pdu), want, "{name}");
        }
    }
}
