//! What tells one flow from another.

use std::hash::{BuildHasher, Hasher as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The transport protocol under the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Transport {
    /// RFC 9293.
    #[default]
    Tcp = 6,
    /// RFC 768.
    Udp = 17,
}

impl Transport {
    /// The contract's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Which way a packet went, in terms of its [`FlowKey`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// From the smaller endpoint to the greater one.
    #[default]
    Up = 0,
    /// From the greater endpoint to the smaller one.
    Down = 1,
}

impl Direction {
    /// The other way.
    pub const fn flip(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }

    /// 0 or 1, to index a pair of halves.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Two endpoints and a transport, the smaller endpoint first, so that both directions have one key.
///
/// VLAN and tunnel are not part of it: a mirror port may show one direction of a connection inside a tunnel and the
/// other bare. IPv4 addresses are kept in their IPv6-mapped form (RFC 4291 section 2.5.5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowKey {
    addresses: [[u8; 16]; 2],
    ports: [u16; 2],
    transport: Transport,
}

impl FlowKey {
    /// The key of a packet from `source` to `destination`, and the way it went.
    #[inline]
    pub fn new(
        source: ([u8; 16], u16),
        destination: ([u8; 16], u16),
        transport: Transport,
    ) -> (Self, Direction) {
        let rank = |end: ([u8; 16], u16)| (u128::from_be_bytes(end.0), end.1);
        let (low, high, direction) = if rank(source) <= rank(destination) {
            (source, destination, Direction::Up)
        } else {
            (destination, source, Direction::Down)
        };
        (
            Self {
                addresses: [low.0, high.0],
                ports: [low.1, high.1],
                transport,
            },
            direction,
        )
    }

    /// The endpoint that sends in `direction`.
    pub fn source(&self, direction: Direction) -> (IpAddr, u16) {
        let [low, high] = self.addresses;
        match direction {
            Direction::Up => (ip(low), self.ports[0]),
            Direction::Down => (ip(high), self.ports[1]),
        }
    }

    /// The transport.
    pub const fn transport(&self) -> Transport {
        self.transport
    }
}

/// An IPv4 address in its mapped form.
#[inline]
pub fn mapped(v4: [u8; 4]) -> [u8; 16] {
    let [a, b, c, d] = v4;
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}

fn ip(bytes: [u8; 16]) -> IpAddr {
    let v6 = Ipv6Addr::from(bytes);
    v6.to_ipv4_mapped()
        .map_or(IpAddr::V6(v6), |v4: Ipv4Addr| IpAddr::V4(v4))
}

/// The keyed hash of flow keys: fixed for saved captures, so that a replay is reproducible; random when live.
#[derive(Clone, Debug)]
pub struct Hasher(foldhash::quality::FixedState);

impl Hasher {
    /// The same hash in every run.
    pub const fn fixed() -> Self {
        Self(foldhash::quality::FixedState::with_seed(
            0x68_65_6c_6c_6f_74_61_70,
        ))
    }

    /// A hash of its own for every run, so that nobody can send flows that all meet in one place.
    pub fn random() -> Self {
        let seed = std::hash::RandomState::new().hash_one(0_u64);
        Self(foldhash::quality::FixedState::with_seed(seed))
    }

    /// The hash of `key`; both directions of a connection have the same.
    #[inline]
    pub fn hash(&self, key: &FlowKey) -> u64 {
        let mut state = self.0.build_hasher();
        let [low, high] = key.addresses;
        state.write_u128(u128::from_ne_bytes(low));
        state.write_u128(u128::from_ne_bytes(high));
        state.write_u64(
            u64::from(key.ports[0])
                | u64::from(key.ports[1]) << 16
                | u64::from(key.transport as u8) << 32,
        );
        state.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_directions_have_one_key_and_one_hash(a: [u8; 16], b: [u8; 16], p: u16, q: u16) {
            let (there, way) = FlowKey::new((a, p), (b, q), Transport::Tcp);
            let (back, return_way) = FlowKey::new((b, q), (a, p), Transport::Tcp);
            prop_assert_eq!(there, back);
            prop_assert_eq!(Hasher::fixed().hash(&there), Hasher::fixed().hash(&back));
            prop_assert_eq!(there.source(way), back.source(return_way.flip()));
        }
    }
}
