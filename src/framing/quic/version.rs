//! QUIC's versions: their names, and what each does differently to an Initial packet.

use std::fmt;

use super::header::PacketKind;

/// A version as on the wire, known or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct QuicVersion(pub u32);

/// initial_salt (RFC 9001 section 5.2).
pub(super) type Salt = [u8; 20];

/// RFC 9001 section 5.1, RFC 9369 section 3.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Labels {
    /// "quic key" and so on.
    Quic,
    /// "quicv2 key" and so on.
    QuicV2,
}

impl QuicVersion {
    /// Not a version: a Version Negotiation packet (RFC 8999 section 6).
    pub const NEGOTIATION: Self = Self(0);
    /// RFC 9000.
    pub const V1: Self = Self(1);
    /// RFC 9369.
    pub const V2: Self = Self(0x6b33_43cf);
    /// The number that drafts of RFC 9369 used.
    const V2_DRAFT: Self = Self(0x709a_50c4);

    /// Reserved to force version negotiation (RFC 9000 section 15): nobody speaks it, but clients send it.
    pub const fn is_reserved(self) -> bool {
        self.0 & 0x0f0f_0f0f == 0x0a0a_0a0a
    }

    /// Whether packets of this number are looked at: the numbers of the standards, their drafts, and those of
    /// others who use the keys of a draft.
    pub const fn is_plausible(self) -> bool {
        !self.salts().is_empty()
    }

    /// What the labels of its keys begin with.
    pub(super) const fn labels(self) -> Labels {
        if self.is_v2() {
            Labels::QuicV2
        } else {
            Labels::Quic
        }
    }

    /// The salts of its Initial packets' keys, the likeliest first; none for versions that are not read: drafts before
    /// 22, which have another header, Google's own without TLS, and unknown ones.
    pub(super) const fn salts(self) -> &'static [Salt] {
        match self.0 {
            // 0xfaceb001 is Facebook's.
            0xff00_0016 | 0xface_b001 => &[SALT_DRAFT_22],
            0xff00_0017..=0xff00_001c | 0xface_b002..=0xface_b00f => &[SALT_DRAFT_23],
            0xff00_001d..=0xff00_0020 => &[SALT_DRAFT_29],
            0xff00_0021..=0xff00_0022 | 1 => &[SALT_V1],
            // A client that forces negotiation protects with the keys of the version that it would like to speak,
            // which is not said; the packet's tag tells which was right.
            _ if self.is_reserved() => &[SALT_V1, SALT_DRAFT_29, SALT_DRAFT_23],
            // Google's T050 and T051, with TLS.
            0x5430_3530 => &[SALT_T050],
            0x5430_3531 => &[SALT_T051],
            0x6b33_43cf => &[SALT_V2],
            0x709a_50c4 => &[SALT_V2_DRAFT],
            _ => &[],
        }
    }

    /// The kind of a long header's packet from its first byte (RFC 9000 table 5; RFC 9369 section 3.2).
    pub(super) const fn packet_kind(self, first: u8) -> PacketKind {
        let bits = (first >> 4) & 3;
        let as_in_v1 = if self.is_v2() { (bits + 3) % 4 } else { bits };
        match as_in_v1 {
            0 => PacketKind::Initial,
            1 => PacketKind::ZeroRtt,
            2 => PacketKind::Handshake,
            _ => PacketKind::Retry,
        }
    }

    /// Whether its frames are those of Google's QUIC, with TLS inside of them.
    pub(super) const fn has_google_frames(self) -> bool {
        matches!(self.0, 0x5430_3530 | 0x5430_3531)
    }

    const fn is_v2(self) -> bool {
        self.0 == Self::V2.0 || self.0 == Self::V2_DRAFT.0
    }
}

impl QuicVersion {
    /// By the text of records.
    pub fn named(text: &str) -> Option<Self> {
        Some(Self(match text {
            "v1" => 1,
            "v2" => 0x6b33_43cf,
            _ => match text.strip_prefix("draft-") {
                Some(draft) => 0xff00_0000 | u32::from(draft.parse::<u8>().ok()?),
                None => u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()?,
            },
        }))
    }
}

impl fmt::Display for QuicVersion {
    /// As records show it: "v1", "v2", "draft-29", else the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("v1"),
            0x6b33_43cf => f.write_str("v2"),
            draft @ 0xff00_0000..=0xff00_00ff => write!(f, "draft-{}", draft & 0xff),
            other => write!(f, "0x{other:08x}"),
        }
    }
}

/// draft-ietf-quic-tls-22 section 5.2.
const SALT_DRAFT_22: Salt = [
    0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a, 0x96, 0xcd, 0x21, 0x51, 0x9e, 0xbd,
    0x7a, 0x02, 0x64, 0x4a,
];
/// draft-ietf-quic-tls-23 section 5.2, until 28.
const SALT_DRAFT_23: Salt = [
    0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65,
    0xbe, 0xf9, 0xf5, 0x02,
];
/// draft-ietf-quic-tls-29 section 5.2, until 32.
const SALT_DRAFT_29: Salt = [
    0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0,
    0x43, 0x90, 0xa8, 0x99,
];
/// RFC 9001 section 5.2, since draft 33.
const SALT_V1: Salt = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
    0xcc, 0xbb, 0x7f, 0x0a,
];
/// RFC 9369 section 3.3.1.
const SALT_V2: Salt = [
    0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb,
    0xf9, 0xbd, 0x2e, 0xd9,
];
/// draft-ietf-quic-v2-01 section 3.2.1.
const SALT_V2_DRAFT: Salt = [
    0xa7, 0x07, 0xc2, 0x03, 0xa5, 0x9b, 0x47, 0x18, 0x4a, 0x1d, 0x62, 0xca, 0x57, 0x04, 0x06, 0xea,
    0x7a, 0xe3, 0xe5, 0xd3,
];
/// Chromium's T050.
const SALT_T050: Salt = [
    0x7f, 0xf5, 0x79, 0xe5, 0xac, 0xd0, 0x72, 0x91, 0x55, 0x80, 0x30, 0x4c, 0x43, 0xa2, 0x36, 0x7c,
    0x60, 0x48, 0x83, 0x10,
];
/// Chromium's T051.
const SALT_T051: Salt = [
    0x7a, 0x4e, 0xde, 0xf4, 0xe7, 0xcc, 0xee, 0x5f, 0xa4, 0x50, 0x6c, 0x19, 0x12, 0x4f, 0xc8, 0xcc,
    0xda, 0x6e, 0x03, 0x3d,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_kinds() {
        for (version, name, first_of_initial) in [
            (QuicVersion::V1, "v1", 0xc0),
            (QuicVersion::V2, "v2", 0xd0),
            (QuicVersion(0xff00_001d), "draft-29", 0xc0),
            (QuicVersion(0xface_b002), "0xfaceb002", 0xc3),
            (QuicVersion(0x1a2a_3a4a), "0x1a2a3a4a", 0xc0),
        ] {
            assert_eq!(version.to_string(), name);
            assert_eq!(version.packet_kind(first_of_initial), PacketKind::Initial);
            assert!(version.is_plausible());
        }
        // Google's Q046, drafts before 22.
        for other in [0x5130_3436, 0xff00_0015, 2] {
            assert!(!QuicVersion(other).is_plausible());
        }
    }
}
