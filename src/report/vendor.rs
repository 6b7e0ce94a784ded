//! Who made a network card.

use crate::record::{Mac, Word as _};

/// The organisation to which IEEE gave the address's prefix; `None` for addresses that the host chose itself, and
/// where IEEE's list has no name.
pub(crate) fn vendor(mac: Mac) -> Option<&'static str> {
    let [first, ..] = mac.0;
    // IEEE 802 section 8.2.2: the U/L bit, and the group bit, which no sender has.
    if first & (LOCALLY_ADMINISTERED | GROUP) != 0 {
        return None;
    }
    let mut text = Vec::with_capacity(17);
    mac.append(&mut text);
    let name = oui_data::lookup(std::str::from_utf8(&text).ok()?)?.organization();
    (!matches!(name, "" | "Private" | "IEEE Registration Authority")).then_some(name)
}

const LOCALLY_ADMINISTERED: u8 = 0x02;
const GROUP: u8 = 0x01;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_who_made_it() {
        for (mac, want) in [
            ([0x00, 0x00, 0x00, 1, 2, 3], Some("XEROX CORPORATION")),
            ([0x50, 0xa6, 0xd8, 1, 2, 3], Some("Apple, Inc.")),
            // 28 bits of prefix.
            ([0xb8, 0x4c, 0x87, 0x40, 2, 3], Some("Blum Novotest GmbH")),
            ([0x02, 0x42, 0x0a, 1, 2, 3], None),
            ([0xff; 6], None),
        ] {
            assert_eq!(vendor(Mac(mac)), want);
        }
    }
}
