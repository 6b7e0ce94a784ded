//! Bulk data stays in the kernel: an eBPF filter on the capture's own socket, and the maps through which it is steered.
//!
//! `shunt/shunt.c` says what passes. Here are the loading, which needs privileges, and the maps, which after that need none.
//! A packet that stays in the kernel is always counted there, so nothing that is told of a connection becomes less true.

use std::collections::HashMap as StdHashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::AsFd as _;

use aya::maps::{HashMap, Map, MapData, MapError, PerCpuHashMap};
use aya::programs::SocketFilter;
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use rustix::time::{ClockId, clock_gettime};

use super::live::Nic;
use crate::config::Limits;
use crate::decode::LinkType;
use crate::dispatch::{Direction, FlowKey, Transport};
use crate::time::Timestamp;

/// Why bulk data is not kept in the kernel; one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShuntError {
    /// The kernel refuses or does not know it.
    #[error("bulk data is copied to the program, too: {0}")]
    Unavailable(String),
}

impl ShuntError {
    fn because(error: impl std::error::Error) -> Self {
        // The kernel's reason is the last; a verifier's log has many lines.
        let mut cause: &dyn std::error::Error = &error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        let why = cause.to_string();
        let why = why.lines().next().unwrap_or_default();
        Self::Unavailable(if why.contains("not permitted") {
            "the kernel does not permit it (run with sudo, or add cap_bpf to the program's file)"
                .into()
        } else {
            format!("this kernel does not take the filter ({why})")
        })
    }
}

/// The filter, loaded, and the maps that it shares with the program.
#[derive(Debug)]
pub struct Shunt {
    ebpf: Ebpf,
    maps: Vec<FlowMaps>,
    totals: Vec<Totals>,
}

/// The object that clang makes of `shunt/shunt.c`.
static OBJECT: &[u8] = include_bytes_aligned!("shunt/shunt.o");

/// Bytes of a direction that pass, where the kernel itself sees that the handshake is over.
const LIMIT_TLS_BYTES: u32 = 32 << 10;

impl Shunt {
    /// Loads the filter, with maps for so many workers and capture threads.
    ///
    /// # Errors
    /// Where the kernel does not take it or does not permit it.
    pub fn load(limits: &Limits, workers: usize, taps: usize) -> Result<Self, ShuntError> {
        if cfg!(target_endian = "big") {
            return Err(ShuntError::Unavailable(
                "the filter is made for little-endian machines".into(),
            ));
        }
        let (tls, any) = (LIMIT_TLS_BYTES, limit_any(limits));
        let mut ebpf = EbpfLoader::new()
            .override_global("LIMIT_TLS", &tls, true)
            .override_global("LIMIT_ANY", &any, true)
            .load(OBJECT)
            .map_err(ShuntError::because)?;
        for kind in Kind::ALL {
            let program = ebpf.program_mut(kind.program());
            let program: &mut SocketFilter = program
                .ok_or_else(no_such_part)?
                .try_into()
                .map_err(ShuntError::because)?;
            program.load().map_err(ShuntError::because)?;
        }
        let maps = (0..workers)
            .map(|_| FlowMaps::of(&ebpf, any))
            .collect::<Result<_, _>>()?;
        let totals = (0..taps)
            .map(|_| Totals::of(&ebpf))
            .collect::<Result<_, _>>()?;
        Ok(Self { ebpf, maps, totals })
    }

    /// Whether the maps can be used once privileges are given up: kernels before 5.19 refuse that where the system has
    /// switched off eBPF for users without privileges.
    ///
    /// # Errors
    /// Where they cannot.
    pub fn works_without_privileges(&self) -> Result<(), ShuntError> {
        let Some(maps) = self.maps.first() else {
            return Ok(());
        };
        // Capabilities belong to a thread, so one is tried out on a thread of its own.
        let tried = std::thread::scope(|scope| {
            let probe = scope.spawn(|| {
                let none = CapabilitySets {
                    effective: CapabilitySet::empty(),
                    permitted: CapabilitySet::empty(),
                    inheritable: CapabilitySet::empty(),
                };
                let dropped = set_capabilities(None, none).is_ok();
                dropped && matches!(maps.shunted.get(&[0; 5], 0), Err(MapError::KeyNotFound))
            });
            probe.join().unwrap_or(false)
        });
        if tried {
            Ok(())
        } else {
            Err(ShuntError::Unavailable(
                "this kernel lets only the privileged read its counters (older than 5.19; --no-sandbox keeps the privileges)"
                    .into(),
            ))
        }
    }

    /// Attaches the filter to an interface's socket, in place of any other.
    ///
    /// # Errors
    /// Where frames of that kind are not understood, or the kernel refuses.
    pub fn attach(&self, nic: &Nic) -> Result<(), ShuntError> {
        let kind = Kind::of(nic).ok_or_else(|| {
            ShuntError::Unavailable(format!("the frames of {} are of another kind", nic.name()))
        })?;
        let program = self.ebpf.program(kind.program()).ok_or_else(no_such_part)?;
        let program: &SocketFilter = program.try_into().map_err(ShuntError::because)?;
        program.attach(nic).map_err(ShuntError::because)
    }

    /// Takes the filter of an interface's socket away.
    pub fn detach(nic: &Nic) {
        // That there was none is as good.
        let _ = SocketFilter::detach(nic);
    }

    /// The maps for another worker.
    pub fn take_maps(&mut self) -> Option<FlowMaps> {
        self.maps.pop()
    }

    /// The counters for another capture thread.
    pub fn take_totals(&mut self) -> Option<Totals> {
        self.totals.pop()
    }
}

/// Beyond so many bytes of a direction no flow is followed, whatever it says: twice what the longest of the caps in
/// [`Shard`](crate::shard::Shard) and a hole before it come to.
fn limit_any(limits: &Limits) -> u32 {
    let followed = 4 * limits.max_scan_bytes
        + 2 * limits.max_handshake_bytes as u64
        + limits.max_stream_bytes as u64;
    u32::try_from(2 * followed).map_or(1 << 30, |bytes| bytes.clamp(1 << 20, 1 << 30))
}

fn no_such_part() -> ShuntError {
    ShuntError::Unavailable("the filter is not whole".into())
}

/// What a socket's frames begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Ethernet.
    Ethernet,
    /// The packet itself.
    Network,
    /// The packet itself; libpcap puts a header before it.
    Cooked,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Ethernet, Self::Network, Self::Cooked];

    fn of(nic: &Nic) -> Option<Self> {
        match nic.link() {
            LinkType(1) => Some(Self::Ethernet),
            // DLT_RAW, on Linux and as LINKTYPE_RAW.
            LinkType(12 | 101) => Some(Self::Network),
            // LINKTYPE_LINUX_SLL and its second version.
            LinkType(113 | 276) => Some(Self::Cooked),
            _ => None,
        }
    }

    const fn program(self) -> &'static str {
        match self {
            Self::Ethernet => "shunt_ethernet",
            Self::Network => "shunt_network",
            Self::Cooked => "shunt_cooked",
        }
    }
}

/// Packets that stayed in the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stayed {
    /// How many.
    pub packets: u64,
    /// Bytes of them, headers included.
    pub bytes: u64,
}

impl std::ops::AddAssign for Stayed {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

impl std::iter::Sum for Stayed {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}

/// What stayed in the kernel, by interface.
pub struct Totals {
    map: PerCpuHashMap<MapData, [u32; 2], [u64; 2]>,
    /// As last read, by interface.
    told: StdHashMap<u32, Stayed>,
}

impl Totals {
    fn of(ebpf: &Ebpf) -> Result<Self, ShuntError> {
        Ok(Self {
            map: PerCpuHashMap::try_from(Map::PerCpuHashMap(again(ebpf, "totals")?))
                .map_err(ShuntError::because)?,
            told: StdHashMap::new(),
        })
    }

    /// What stayed of `nic` since the last call.
    pub fn stayed(&mut self, nic: &Nic) -> Stayed {
        let Some(kind) = Kind::of(nic) else {
            return Stayed::default();
        };
        let keys: Vec<[u32; 2]> = match kind {
            // All interfaces that there are, and were.
            Kind::Cooked => self.map.keys().filter_map(Result::ok).collect(),
            _ => nic
                .index()
                .map(|index| [index, kind as u32])
                .into_iter()
                .collect(),
        };
        let mut since = Stayed::default();
        for key in keys.iter().filter(|key| key[1] == kind as u32) {
            let Ok(values) = self.map.get(key, 0) else {
                continue;
            };
            let mut now = Stayed::default();
            for [packets, bytes] in values.iter() {
                now += Stayed {
                    packets: *packets,
                    bytes: *bytes,
                };
            }
            let before = self.told.insert(key[0], now).unwrap_or_default();
            since += Stayed {
                packets: now.packets.saturating_sub(before.packets),
                bytes: now.bytes.saturating_sub(before.bytes),
            };
        }
        since
    }
}

impl fmt::Debug for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Totals").field(&self.told).finish()
    }
}

/// Another handle of a map.
fn again(ebpf: &Ebpf, name: &str) -> Result<MapData, ShuntError> {
    let (Map::HashMap(data) | Map::LruHashMap(data) | Map::PerCpuHashMap(data)) =
        ebpf.map(name).ok_or_else(no_such_part)?
    else {
        return Err(no_such_part());
    };
    let fd = data.fd().as_fd().try_clone_to_owned();
    MapData::from_fd(fd.map_err(ShuntError::because)?).map_err(ShuntError::because)
}

/// What is to become of a flow's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The kernel found by itself that the flow is far beyond its beginning.
    Limit,
    /// All that is told is told: everything may stay, but for SYN, FIN and RST.
    Settled,
    /// Everything must pass.
    Follow,
    /// As settled; a QUIC packet with a long header passes.
    Quic,
}

impl Mode {
    const fn number(self) -> u8 {
        match self {
            Self::Limit => 0,
            Self::Settled => 2,
            Self::Follow => 3,
            Self::Quic => 4,
        }
    }
}

/// What stayed in the kernel of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowStayed {
    /// Packets, by [`Direction::index`].
    pub packets: [u64; 2],
    /// Payload bytes of them.
    pub bytes: [u64; 2],
    /// When the last of them came, in nanoseconds of the monotonic clock.
    pub last_ns: u64,
}

/// What the kernel keeps of a flow, of which something stayed or may.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// What stayed.
    pub stayed: FlowStayed,
    /// How far it came, where the kernel made the entry by itself.
    pub reach: Reach,
}

/// How far the kernel saw the streams of a connection come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    first: [u32; 2],
    reach: [u32; 2],
    seen: [bool; 2],
}

impl Reach {
    /// Whether a segment is one of those that it saw: not one of a connection before this one.
    pub fn holds(&self, direction: Direction, sequence: u32, len: u32) -> bool {
        let at = direction.index();
        let (first, reach) = (self.first[at & 1], self.reach[at & 1]);
        let off = sequence.wrapping_sub(first);
        self.seen[at & 1] && u64::from(off) + u64::from(len) <= u64::from(reach) && off < 1 << 31
    }
}

/// A flow, as the kernel's maps name it.
pub type RawKey = [u64; 5];

/// The key of a flow in the maps: addresses and ports in network order, then the transport.
pub fn raw_key(key: &FlowKey) -> RawKey {
    let mut bytes = [0; 40];
    let ends = [Direction::Up, Direction::Down].map(|direction| key.source(direction));
    for (index, end) in ends.into_iter().enumerate() {
        // Stations without addresses are in no flow table, and so in no map.
        let (ip, port) = end.unwrap_or((IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0));
        let ip = match ip {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        bytes[16 * index..16 * index + 16].copy_from_slice(&ip);
        bytes[32 + 2 * index..34 + 2 * index].copy_from_slice(&port.to_be_bytes());
    }
    bytes[36..].copy_from_slice(&u32::from(key.transport() as u8).to_ne_bytes());
    words(&bytes)
}

/// The flow of a key in the maps.
pub fn flow_key(raw: &RawKey) -> FlowKey {
    let bytes: Vec<u8> = raw.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let part = |at: usize| bytes.get(at..).unwrap_or_default();
    let end = |index: usize| {
        let ip = part(16 * index).first_chunk::<16>().copied();
        let port = part(32 + 2 * index).first_chunk::<2>().copied();
        (
            ip.unwrap_or_default(),
            u16::from_be_bytes(port.unwrap_or_default()),
        )
    };
    let transport = if part(36).first() == Some(&(Transport::Udp as u8)) {
        Transport::Udp
    } else {
        Transport::Tcp
    };
    FlowKey::new(end(0), end(1), transport).0
}

/// Two numbers of 32 bits as the kernel keeps them side by side.
const fn halves(both: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = both.to_ne_bytes();
    [
        u32::from_ne_bytes([a, b, c, d]),
        u32::from_ne_bytes([e, f, g, h]),
    ]
}

fn words(bytes: &[u8; 40]) -> RawKey {
    let (chunks, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|i| chunks.get(i).map_or(0, |chunk| u64::from_ne_bytes(*chunk)))
}

/// The maps of flows, for one worker.
#[derive(Debug)]
pub struct FlowMaps {
    beginnings: HashMap<MapData, RawKey, [u32; 6]>,
    shunted: HashMap<MapData, RawKey, [u64; 8]>,
    limit_any: u32,
}

impl FlowMaps {
    fn of(ebpf: &Ebpf, limit_any: u32) -> Result<Self, ShuntError> {
        Ok(Self {
            limit_any,
            beginnings: HashMap::try_from(Map::LruHashMap(again(ebpf, "beginnings")?))
                .map_err(ShuntError::because)?,
            shunted: HashMap::try_from(Map::HashMap(again(ebpf, "shunted")?))
                .map_err(ShuntError::because)?,
        })
    }

    /// How far the kernel saw a connection come; `None` where it does not know any more.
    pub fn reach(&self, key: &RawKey) -> Option<Reach> {
        let [first0, first1, reach0, reach1, flags, _] = self.beginnings.get(key, 0).ok()?;
        let [seen0, seen1, ..] = flags.to_ne_bytes();
        Some(Reach {
            first: [first0, first1],
            reach: [reach0, reach1],
            seen: [seen0 != 0, seen1 != 0],
        })
    }

    /// What the kernel keeps of a flow; `None` where it has no entry for it.
    pub fn kept(&self, key: &RawKey) -> Option<Kept> {
        let [p0, p1, b0, b1, last_ns, next, first, flags] = self.shunted.get(key, 0).ok()?;
        let (next, first) = (halves(next), halves(first));
        let [has_next0, has_next1, seen0, seen1, _, _, mode, _] = flags.to_ne_bytes();
        let limit = if mode == Mode::Limit.number() {
            LIMIT_TLS_BYTES
        } else {
            self.limit_any
        };
        // All that lies before the limit passed, and is not noted here.
        let reach = |at: usize, has_next: u8| {
            if has_next == 0 {
                limit
            } else {
                next[at & 1].wrapping_sub(first[at & 1]).max(limit)
            }
        };
        Some(Kept {
            stayed: FlowStayed {
                packets: [p0, p1],
                bytes: [b0, b1],
                last_ns,
            },
            reach: Reach {
                first,
                reach: [reach(0, has_next0), reach(1, has_next1)],
                seen: [seen0 != 0, seen1 != 0],
            },
        })
    }

    /// What stayed of a flow; `None` where the kernel has no entry for it.
    pub fn stayed(&self, key: &RawKey) -> Option<FlowStayed> {
        Some(self.kept(key)?.stayed)
    }

    /// Makes the kernel's entry for a flow; `false` where there is one, or no room for it.
    pub fn mark(&mut self, key: &RawKey, mode: Mode, reach: Option<Reach>) -> bool {
        /// `BPF_NOEXIST`: what an entry counts must not be overwritten.
        const NEW: u64 = 1;
        let mut value = [0; 8];
        let mut flags = [0; 8];
        if let Some(reach) = reach {
            let next =
                |at: usize| u64::from(reach.first[at].wrapping_add(reach.reach[at])) << (32 * at);
            value[5] = next(0) | next(1);
            flags[0] = reach.seen[0].into();
            flags[1] = reach.seen[1].into();
        }
        flags[6] = mode.number();
        value[7] = u64::from_ne_bytes(flags);
        self.shunted.insert(*key, value, NEW).is_ok()
    }

    /// Forgets a flow.
    pub fn forget(&mut self, key: &RawKey) {
        // That it is not there is as good.
        let _ = self.shunted.remove(key);
    }

    /// All flows of which something stayed or may.
    pub fn all(&self) -> Vec<RawKey> {
        self.shunted.keys().filter_map(Result::ok).collect()
    }
}

/// What a moment of the kernel's monotonic clock was on the clock of the packets.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    now_ns: u64,
    ahead_ns: u64,
}

impl Clocks {
    /// As they stand now.
    pub fn now() -> Self {
        let ns = |clock| {
            let time = clock_gettime(clock);
            u64::try_from(time.tv_sec)
                .unwrap_or_default()
                .saturating_mul(1_000_000_000)
                .saturating_add(u64::try_from(time.tv_nsec).unwrap_or_default())
        };
        let now_ns = ns(ClockId::Monotonic);
        Self {
            now_ns,
            ahead_ns: ns(ClockId::Realtime).saturating_sub(now_ns),
        }
    }

    /// The monotonic clock.
    pub const fn now_ns(self) -> u64 {
        self.now_ns
    }

    /// The packets' time.
    pub const fn time(self, monotonic_ns: u64) -> Timestamp {
        Timestamp(self.ahead_ns.saturating_add(monotonic_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_in_the_maps_is_that_of_the_flow(a: [u8; 16], b: [u8; 16], p: u16, q: u16, udp: bool) {
            let transport = if udp { Transport::Udp } else { Transport::Tcp };
            let (key, _) = FlowKey::new((a, p), (b, q), transport);
            prop_assert_eq!(flow_key(&raw_key(&key)), key);
        }
    }

    #[test]
    fn a_key_is_laid_out_as_the_filter_makes_it() {
        let low = crate::dispatch::mapped([10, 0, 0, 1]);
        let high = crate::dispatch::mapped([10, 0, 0, 2]);
        let (key, _) = FlowKey::new((high, 443), (low, 0x1234), Transport::Tcp);
        let raw = raw_key(&key);
        let bytes: Vec<u8> = raw.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let want = [&low[..], &high, &[0x12, 0x34, 1, 187, 6, 0, 0, 0]].concat();
        assert_eq!(bytes, want);
    }

    #[test]
    fn a_segment_of_the_connection_before_is_not_in_reach() {
        let reach = Reach {
            first: [u32::MAX - 9, 0],
            reach: [100, 0],
            seen: [true, false],
        };
        for (direction, sequence, len, want) in [
            (Direction::Up, u32::MAX - 9, 100, true),
            (Direction::Up, 5, 10, true),
            (Direction::Up, 81, 10, false),
            (Direction::Up, u32::MAX - 10, 5, false),
            (Direction::Down, 0, 0, false),
        ] {
            let got = reach.holds(direction, sequence, len);
            assert_eq!(got, want, "{direction:?} {sequence} {len}");
        }
    }

    /// Where this system permits it: what the verifier refuses would otherwise only be told by a capture.
    #[test]
    fn the_kernel_takes_the_filter() {
        let limits = Limits::default();
        match EbpfLoader::new().load(OBJECT) {
            Err(error) => eprintln!("SKIPPED: no eBPF here: {error}"),
            Ok(mut ebpf) => {
                for kind in Kind::ALL {
                    let program = ebpf.program_mut(kind.program()).expect("it is there");
                    let program: &mut SocketFilter = program.try_into().expect("a socket filter");
                    if let Err(error) = program.load() {
                        panic!("{}: {error}", kind.program());
                    }
                }
                Shunt::load(&limits, 2, 1).expect("the same again, with its limits");
            }
        }
    }

    #[test]
    fn nothing_that_is_followed_is_beyond_the_limit() {
        let limits = Limits::default();
        let most = 4 * limits.max_scan_bytes + limits.max_stream_bytes as u64;
        assert!(u64::from(limit_any(&limits)) > most);
    }
}
