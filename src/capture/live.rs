//! Network interfaces, through libpcap: its ring shared with the kernel (TPACKET_V3 on Linux), its filter compiled and run
//! there, its counters of what was dropped.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use pcap::{Active, Capture, Device, IfFlags, Precision};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::fanout;
use crate::decode::LinkType;
use crate::time::Timestamp;

/// An interface that can be captured from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// As `-i` takes it.
    pub name: String,
    /// What the system says of it.
    pub description: Option<String>,
    /// Its network addresses.
    pub addresses: Vec<std::net::IpAddr>,
    /// It is administratively up.
    pub up: bool,
    /// It is the loopback.
    pub loopback: bool,
}

/// An interface that cannot be used, and what to do about it; one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LiveError {
    /// libpcap cannot list them.
    #[error("cannot list the interfaces: {0}")]
    List(String),
    /// No such name.
    #[error("there is no interface `{name}`; there are: {known}")]
    NoSuchInterface {
        /// As asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// The system refuses.
    #[error(
        "no permission to capture from {name}: run it with sudo, or once: sudo setcap cap_net_raw,cap_net_admin+ep {program}"
    )]
    NoPermission {
        /// The interface.
        name: String,
        /// This program's file.
        program: String,
    },
    /// It is down.
    #[error("{name} is down; bring it up: sudo ip link set {name} up")]
    Down {
        /// The interface.
        name: String,
    },
    /// `--filter` does not compile for it.
    #[error("the filter is not in tcpdump's syntax, or does not suit {name}: {why}")]
    Filter {
        /// The interface.
        name: String,
        /// libpcap's words.
        why: String,
    },
    /// Anything else.
    #[error("cannot capture from {name}: {why}")]
    Failed {
        /// The interface.
        name: String,
        /// libpcap's words.
        why: String,
    },
}

impl LiveError {
    /// Whether trying again later makes sense.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::NoSuchInterface { .. } | Self::Down { .. })
    }
}

/// The interfaces there are, those that are up first, as libpcap orders them.
///
/// # Errors
/// Where libpcap cannot list them.
pub fn interfaces() -> Result<Vec<Interface>, LiveError> {
    let devices = Device::list().map_err(|e| LiveError::List(e.to_string()))?;
    Ok(devices
        .into_iter()
        .map(|device| Interface {
            up: device.flags.if_flags.contains(IfFlags::UP),
            loopback: device.flags.if_flags.contains(IfFlags::LOOPBACK),
            addresses: device.addresses.iter().map(|a| a.addr).collect(),
            description: device.desc,
            name: device.name,
        })
        .collect())
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:15} {:4}",
            self.name,
            if self.up { "up" } else { "down" }
        )?;
        for address in &self.addresses {
            write!(f, " {address}")?;
        }
        match &self.description {
            Some(description) => write!(f, " ({description})"),
            None => Ok(()),
        }
    }
}

/// How to open an interface.
#[derive(Clone, Debug)]
pub struct NicOptions {
    /// Bytes of the ring that the kernel fills.
    pub buffer_bytes: u32,
    /// Take packets that are not for this machine: what a mirror port shows.
    pub promiscuous: bool,
    /// Capture filter in tcpdump's syntax.
    pub filter: Option<String>,
}

/// Packets lost before they could be read, since the last call of [`Nic::drops`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NicDrops {
    /// By the kernel, because the ring was full.
    pub kernel: u64,
    /// By the interface or its driver.
    pub interface: u64,
}

/// A packet as the interface gives it.
#[derive(Clone, Copy, Debug)]
pub struct LivePacket<'a> {
    /// As far as it was captured.
    pub bytes: &'a [u8],
    /// Bytes on the wire.
    pub wire_len: usize,
    /// When the kernel took it.
    pub time: Timestamp,
}

/// An open interface.
pub struct Nic {
    name: String,
    capture: Capture<Active>,
    link: LinkType,
    /// libpcap's counters as last read; they are 32 bits and wrap.
    told: (u32, u32),
    /// The last reading left packets behind.
    more: bool,
}

impl Nic {
    /// Opens it for reading. Nothing is ever sent through it.
    ///
    /// # Errors
    /// Where there is no such interface, it may not be read, it is down, or the filter does not compile.
    pub fn open(name: &str, options: &NicOptions) -> Result<Self, LiveError> {
        let known = interfaces()?;
        if !known.iter().any(|interface| interface.name == name) {
            let known: Vec<_> = known.iter().map(|i| i.name.as_str()).collect();
            return Err(LiveError::NoSuchInterface {
                name: name.to_owned(),
                known: known.join(", "),
            });
        }
        let failed = |error: pcap::Error| explain(name, &error.to_string());
        let capture = Capture::from_device(name)
            .map_err(failed)?
            .buffer_size(i32::try_from(options.buffer_bytes).unwrap_or(i32::MAX))
            .snaplen(SNAPLEN_BYTES)
            .precision(Precision::Nano)
            // libpcap refuses with a warning, which the crate takes for an error.
            .promisc(options.promiscuous && name != ANY)
            .timeout(RETIRE_MS)
            .open()
            .map_err(failed)?;
        let mut capture = capture.setnonblock().map_err(failed)?;
        if let Some(filter) = &options.filter {
            capture
                .filter(filter, true)
                .map_err(|error| LiveError::Filter {
                    name: name.to_owned(),
                    why: error.to_string().replace("libpcap error: ", ""),
                })?;
        }
        let link = capture.get_datalink().0;
        Ok(Self {
            name: name.to_owned(),
            capture,
            link: LinkType(u16::try_from(link).unwrap_or(u16::MAX)),
            told: (0, 0),
            more: false,
        })
    }

    /// The interface's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its packets are to be read.
    pub const fn link(&self) -> LinkType {
        self.link
    }

    /// Opens it several times over, each with a buffer of its own; the kernel shares its packets out among them.
    ///
    /// By a hash of addresses and ports that is the same for both directions (`PACKET_FANOUT_HASH`), so all packets of a
    /// connection come to one of them, in their order; fragments by the addresses, so those of a packet do. Where packets of
    /// a connection lie inside a tunnel over UDP, the tunnel's ports count: then each direction is in order, and not the two
    /// beside each other.
    ///
    /// # Errors
    /// As [`Self::open`]; and where the kernel does not share out.
    pub fn open_shared(
        name: &str,
        options: &NicOptions,
        number: usize,
    ) -> Result<Vec<Self>, LiveError> {
        let mut nics = Vec::with_capacity(number);
        let mut group = None;
        for _ in 0..number {
            let nic = Self::open(name, options)?;
            if number > 1 {
                let joined = fanout::join(&nic.capture, group);
                group = Some(joined.map_err(|why| LiveError::Failed {
                    name: name.to_owned(),
                    why: format!("--capture-threads: {why}"),
                })?);
            }
            nics.push(nic);
        }
        Ok(nics)
    }

    /// The packet socket: what a sandbox must keep from sending.
    pub fn socket(&self) -> RawFd {
        self.capture.as_raw_fd()
    }

    /// Its number in the system; `None` for `any`, and where it is gone.
    pub fn index(&self) -> Option<u32> {
        if self.name == ANY {
            return None;
        }
        rustix::net::netdevice::name_to_index(self.capture.as_fd(), &self.name).ok()
    }

    /// Waits at most `wait` for packets and shows those that are there, some thousands at most.
    ///
    /// # Errors
    /// Where the interface is gone. An interface that is down gives nothing until it is up again.
    pub fn read(
        &mut self,
        wait: Duration,
        mut take: impl FnMut(LivePacket<'_>),
    ) -> Result<usize, LiveError> {
        let mut broken = false;
        if !self.more {
            let timeout = Timespec::try_from(wait).unwrap_or_default();
            let fd = self.capture.as_fd();
            let mut fds = [PollFd::new(&fd, PollFlags::IN)];
            // Interrupted by a signal, failed, or nothing there: reading tells. It must, for of an interface that is down
            // already the socket is not told that it went away; libpcap looks for it when it is read.
            let _ = poll(&mut fds, Some(&timeout));
            let [polled] = fds;
            broken = polled.revents().intersects(PollFlags::ERR | PollFlags::HUP);
        }
        let read = self.capture.dispatch(Some(BURST_PACKETS), |packet| {
            take(LivePacket {
                bytes: packet.data,
                wire_len: packet.header.len as usize,
                time: time(packet.header.ts.tv_sec, packet.header.ts.tv_usec),
            });
        });
        self.more = read.as_ref().is_ok_and(|n| *n >= BURST_PACKETS);
        match read {
            Ok(0) if broken => {
                // Down: poll(2) would return at once for as long as it is.
                std::thread::sleep(wait);
                Ok(0)
            }
            Ok(packets) => Ok(packets),
            Err(pcap::Error::TimeoutExpired) => Ok(0),
            Err(error) => Err(explain(&self.name, &error.to_string())),
        }
    }

    /// What was dropped since the last call.
    pub fn drops(&mut self) -> NicDrops {
        // An interface that is gone has nothing more to tell.
        let Ok(stat) = self.capture.stats() else {
            return NicDrops::default();
        };
        let (kernel, interface) =
            std::mem::replace(&mut self.told, (stat.dropped, stat.if_dropped));
        NicDrops {
            kernel: stat.dropped.wrapping_sub(kernel).into(),
            interface: stat.if_dropped.wrapping_sub(interface).into(),
        }
    }
}

impl AsFd for Nic {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }
}

impl fmt::Debug for Nic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Nic").field(&self.name).finish()
    }
}

/// With [`Precision::Nano`] the second part is nanoseconds.
fn time(seconds: i64, nanoseconds: i64) -> Timestamp {
    let seconds = u64::try_from(seconds).unwrap_or_default();
    let nanoseconds = u64::try_from(nanoseconds).unwrap_or_default();
    Timestamp(
        seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(nanoseconds),
    )
}

/// The crate gives libpcap's words and not its error number, so the words decide.
fn explain(name: &str, why: &str) -> LiveError {
    let name = name.to_owned();
    let lower = why.to_ascii_lowercase();
    let why = why.trim_start_matches("libpcap error: ");
    let why = why
        .strip_prefix(&format!("{name}: "))
        .unwrap_or(why)
        .to_owned();
    if lower.contains("permission") || lower.contains("not permitted") {
        let program = std::env::current_exe().map_or_else(
            |_| "hellotap".into(),
            |program| program.display().to_string(),
        );
        LiveError::NoPermission { name, program }
    } else if lower.contains("not up") {
        LiveError::Down { name }
    } else {
        LiveError::Failed { name, why }
    }
}

/// All interfaces at once.
const ANY: &str = "any";
/// The longest packet that libpcap captures: a hello must not be cut.
const SNAPLEN_BYTES: i32 = 262_144;
/// Milliseconds after which the kernel hands over a block of the ring that is not full.
const RETIRE_MS: i32 = 50;
/// Packets of one reading: few enough that the reader can look at its clock between two.
const BURST_PACKETS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        for (why, want) in [
            (
                "libpcap error: eth1: You don't have permission to perform this capture on that device (socket: Operation not permitted)",
                "no permission to capture from eth1: run it with sudo, or once: sudo setcap cap_net_raw,cap_net_admin+ep ",
            ),
            (
                "libpcap error: eth1: That device is not up",
                "eth1 is down; bring it up: sudo ip link set eth1 up",
            ),
            (
                "libpcap error: The interface disappeared",
                "cannot capture from eth1: The interface disappeared",
            ),
        ] {
            let got = explain("eth1", why).to_string();
            assert!(got.starts_with(want), "{got}");
            assert!(!got.contains('\n'));
        }
    }

    #[test]
    fn an_unknown_interface_is_answered_with_those_there_are() {
        let options = NicOptions {
            buffer_bytes: 1 << 20,
            promiscuous: false,
            filter: None,
        };
        let error = Nic::open("no-such-if0", &options).expect_err("there is none");
        assert!(
            error
                .to_string()
                .starts_with("there is no interface `no-such-if0`; there are: "),
            "{error}"
        );
    }

    #[test]
    fn stamps_are_nanoseconds() {
        assert_eq!(time(1, 999_999_999), Timestamp(1_999_999_999));
        assert_eq!(time(-1, 5), Timestamp(5));
    }
}
