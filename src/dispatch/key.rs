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
    /// None: a frame of IEEE 802.1X between two stations of a link, which have no addresses but their MAC addresses. (The
    /// number is one that no protocol over IP can have: IANA reserves it.)
    Eapol = 255,
}

impl Transport {
    /// The contract's name; `None` where there is no transport protocol.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Tcp => Some("tcp"),
            Self::Udp => Some("udp"),
            Self::Eapol => None,
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
/// other bare. IPv4 addresses are kept in their IPv6-mapped form (RFC 4291 section 2.5.5.2), and MAC addresses as
/// [`of_mac`] has them: the transport says what they are, so that no key of one kind equals one of the other.
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

    /// The key of a talk between two stations of a link, whose direction up is the client's; zeros where a MAC address is
    /// not known. It names the flow, and is looked for in no table.
    pub const fn of_stations(client: [u8; 6], server: [u8; 6]) -> Self {
        Self {
            addresses: [of_mac(client), of_mac(server)],
            ports: [0; 2],
            transport: Transport::Eapol,
        }
    }

    /// The endpoint that sends in `direction`; `None` where it has no network address.
    pub fn source(&self, direction: Direction) -> Option<(IpAddr, u16)> {
        let [low, high] = self.addresses;
        let address = match direction {
            Direction::Up => low,
            Direction::Down => high,
        };
        (self.transport != Transport::Eapol).then(|| (ip(address), self.port(direction)))
    }

    /// The port that it sends from; 0 where there are none.
    pub const fn port(&self, direction: Direction) -> u16 {
        let [low, high] = self.ports;
        match direction {
            Direction::Up => low,
            Direction::Down => high,
        }
    }

    /// The MAC address that sends in `direction`, where that is all that the key knows of it; zeros: not even that.
    pub fn station(&self, direction: Direction) -> Option<[u8; 6]> {
        let [low, high] = self.addresses;
        let [mac @ .., _, _, _, _, _, _, _, _, _, _] = match direction {
            Direction::Up => low,
            Direction::Down => high,
        };
        (self.transport == Transport::Eapol).then_some(mac)
    }

    /// The transport.
    pub const fn transport(&self) -> Transport {
        self.transport
    }
}

/// An IPv4 address in its mapped form.
#[inline]
pub fn mapped(v4: [u8; 4]) -> [u8; 16] {
    // One number, not sixteen bytes, so that it stays in registers until the key is written.
    (0xffff_0000_0000 | u128::from(u32::from_be_bytes(v4))).to_be_bytes()
}

/// A MAC address in the room of an IP address.
#[inline]
pub const fn of_mac(mac: [u8; 6]) -> [u8; 16] {
    let [a, b, c, d, e, f] = mac;
    [a, b, c, d, e, f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
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
    ///
    /// All of EAPOL has one: both ends of a conversation may send to a group's address, so that no frame names both, and
    /// whoever pairs them has to see all of them. There are few: some dozen when a device comes, none while it is there.
    #[inline]
    pub fn hash(&self, key: &FlowKey) -> u32 {
        if key.transport == Transport::Eapol {
            return 0;
        }
        let mut state = self.0.build_hasher();
        let [low, high] = key.addresses;
        state.write_u128(u128::from_ne_bytes(low));
        state.write_u128(u128::from_ne_bytes(high));
        state.write_u64(
            u64::from(key.ports[0])
                | u64::from(key.ports[1]) << 16
                | u64::from(key.transport as u8) << 32,
        );
        // All of its bits are good; a table of millions of flows needs no more.
        (state.finish() >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_stays_small() {
        assert!(size_of::<FlowKey>() <= 40);
    }

    proptest! {
        #[test]
        fn both_directions_have_one_key_and_one_hash(a: [u8; 16], b: [u8; 16], p: u16, q: u16) {
            let (there, way) = FlowKey::new((a, p), (b, q), Transport::Tcp);
            let (back, return_way) = FlowKey::new((b, q), (a, p), Transport::Tcp);
            prop_assert_eq!(there, back);
            prop_assert_eq!(Hasher::fixed().hash(&there), Hasher::fixed().hash(&back));
            prop_assert_eq!(there.source(way), back.source(return_way.flip()));
        }

        #[test]
        fn stations_are_no_hosts(a: [u8; 6], b: [u8; 6]) {
            let (there, way) = FlowKey::new((of_mac(a), 0), (of_mac(b), 0), Transport::Eapol);
            prop_assert_eq!((there.station(way), there.station(way.flip())), (Some(a), Some(b)));
            prop_assert_eq!(there.source(way), None);
            let stations = FlowKey::of_stations(a, b);
            prop_assert_eq!((stations.station(Direction::Up), stations.station(Direction::Down)), (Some(a), Some(b)));
            for transport in [Transport::Tcp, Transport::Udp] {
                let (host, _) = FlowKey::new((of_mac(a), 0), (of_mac(b), 0), transport);
                prop_assert_ne!(there, host);
                prop_assert_eq!(host.station(way), None);
            }
            prop_assert_eq!(Hasher::random().hash(&there), Hasher::random().hash(&stations));
        }
    }
}
