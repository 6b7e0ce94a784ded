//! Protocol version numbers.

use std::fmt;

/// A ProtocolVersion (RFC 8446 section 4.1.2, now RFC 9846; DTLS: RFC 9147 section 5.3) as on the wire, known or not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ProtocolVersion(pub u16);

impl ProtocolVersion {
    /// SSL 2.0 as its hellos carry it.
    pub const SSL_2_0: Self = Self(0x0002);
    /// RFC 6101.
    pub const SSL_3_0: Self = Self(0x0300);
    /// RFC 2246.
    pub const TLS_1_0: Self = Self(0x0301);
    /// RFC 4346.
    pub const TLS_1_1: Self = Self(0x0302);
    /// RFC 5246.
    pub const TLS_1_2: Self = Self(0x0303);
    /// RFC 9846.
    pub const TLS_1_3: Self = Self(0x0304);
    /// GB/T 38636, China's TLCP 1.1: TLS's records and messages under a number of its own, which no standard ranks among
    /// TLS's.
    pub const TLCP_1_1: Self = Self(0x0101);
    /// RFC 4347.
    pub const DTLS_1_0: Self = Self(0xfeff);
    /// RFC 6347.
    pub const DTLS_1_2: Self = Self(0xfefd);
    /// RFC 9147.
    pub const DTLS_1_3: Self = Self(0xfefc);

    /// Reserved to keep peers tolerant of the unknown (RFC 8701): never a version.
    pub const fn is_grease(self) -> bool {
        is_grease(self.0)
    }

    /// How new it is among all versions that can be compared, in steps of TLS: 1.0 is 1, 1.3 is 4, drafts of 1.3
    /// count as 1.3. `None` for numbers that no standard ranks.
    pub const fn rank(self) -> Option<u8> {
        Some(match self.0 {
            0x0002 | 0x0200 => 0,
            0x0300 => 1,
            0x0301 => 2,
            0x0302 | 0xfeff | 0x0100 => 3,
            0x0303 | 0xfefd => 4,
            0x0304 | 0xfefc | 0x7f00..=0x7fff | 0xfb17..=0xfb1a | 0x7e01..=0x7e02 => 5,
            _ => return None,
        })
    }

    /// By its name in records; the drafts' and the numbers' too.
    pub fn named(text: &str) -> Option<Self> {
        if let Some(draft) = text.strip_prefix("TLS 1.3 draft ") {
            return draft
                .parse::<u8>()
                .ok()
                .map(|n| Self(0x7f00 | u16::from(n)));
        }
        if let Some(digits) = text.strip_prefix("0x") {
            return u16::from_str_radix(digits, 16).ok().map(Self);
        }
        [
            Self::SSL_2_0,
            Self::SSL_3_0,
            Self::TLS_1_0,
            Self::TLS_1_1,
            Self::TLS_1_2,
            Self::TLS_1_3,
            Self::DTLS_1_0,
            Self::DTLS_1_2,
            Self::DTLS_1_3,
        ]
        .into_iter()
        .find(|version| version.name() == Some(text))
    }

    /// The name in records; `None` where the number has none and is shown in hexadecimal.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0x0002 | 0x0200 => "SSL 2.0",
            0x0300 => "SSL 3.0",
            0x0301 => "TLS 1.0",
            0x0302 => "TLS 1.1",
            0x0303 => "TLS 1.2",
            0x0304 => "TLS 1.3",
            // OpenSSL before 0.9.8f sent this number for DTLS 1.0.
            0xfeff | 0x0100 => "DTLS 1.0",
            0xfefd => "DTLS 1.2",
            0xfefc => "DTLS 1.3",
            _ => return None,
        })
    }
}

/// RFC 8701 section 2: 0x0a0a, 0x1a1a … 0xfafa.
pub const fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self.0 >> 8) {
            (Some(name), _) => f.write_str(name),
            (None, 0x7f) => write!(f, "TLS 1.3 draft {}", self.0 & 0xff),
            (None, _) => write!(f, "0x{:04x}", self.0),
        }
    }
}

impl fmt::Debug for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (number, name) in [
            (0x0300, "SSL 3.0"),
            (0x0304, "TLS 1.3"),
            (0x7f17, "TLS 1.3 draft 23"),
            (0xfb1a, "0xfb1a"),
            (0xfefd, "DTLS 1.2"),
        ] {
            assert_eq!(ProtocolVersion(number).to_string(), name);
        }
    }

    #[test]
    fn grease_is_the_sixteen_reserved_numbers() {
        let found: Vec<u16> = (0..=u16::MAX).filter(|n| is_grease(*n)).collect();
        assert_eq!(found.len(), 16);
        assert_eq!(found.first(), Some(&0x0a0a));
        assert_eq!(found.last(), Some(&0xfafa));
    }
}
