//! What a service manager is told (sd_notify(3)): that the capture has begun, how it goes, that it ends.

use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::lines::Lines;
use crate::run::live::Pulse;

/// A socket to the manager; nothing where there is none.
#[derive(Debug, Default)]
pub struct Service {
    socket: Option<UnixDatagram>,
    lines: Lines,
    /// How often the manager wants a sign of life.
    watchdog: Option<Duration>,
    alive: Duration,
}

impl Service {
    /// Connects to the manager that the environment names.
    pub fn connect() -> Self {
        let path = std::env::var_os("NOTIFY_SOCKET");
        let socket = path.and_then(|path| connect(path.as_encoded_bytes()).ok());
        let usec = std::env::var("WATCHDOG_USEC").ok();
        let usec = usec.and_then(|usec| usec.parse().ok());
        Self {
            socket,
            // Half of it, as sd_watchdog_enabled(3) advises.
            watchdog: usec.map(|usec: u64| Duration::from_micros(usec / 2)),
            ..Self::default()
        }
    }

    /// The socket, which a sandbox must let send.
    pub fn socket(&self) -> Option<RawFd> {
        self.socket.as_ref().map(|socket| socket.as_raw_fd())
    }

    /// The capture has begun.
    pub fn begun(&self) {
        self.tell("READY=1");
    }

    /// It is about to end.
    pub fn ending(&self) {
        self.tell("STOPPING=1");
    }

    /// It goes on.
    pub fn pulse(&mut self, pulse: &Pulse<'_>) {
        if self.socket.is_none() {
            return;
        }
        if let Some(every) = self.watchdog
            && pulse.elapsed.saturating_sub(self.alive) >= every
        {
            self.alive = pulse.elapsed;
            self.tell("WATCHDOG=1");
        }
        if let Some(line) = self.lines.next(pulse) {
            self.tell(&format!("STATUS={line}"));
        }
    }

    fn tell(&self, text: &str) {
        if let Some(socket) = &self.socket {
            // The manager's trouble is not the capture's.
            let _ = socket.send(text.as_bytes());
        }
    }
}

/// A path, or `@` and a name that is in no file system.
fn connect(path: &[u8]) -> std::io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    #[cfg(target_os = "linux")]
    if let Some(name) = path.strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt as _;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        socket.connect_addr(&address)?;
        return Ok(socket);
    }
    use std::os::unix::ffi::OsStrExt as _;
    socket.connect(std::ffi::OsStr::from_bytes(path))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Drops, Tally};
    use crate::time::Timestamp;

    #[test]
    fn a_manager_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).expect("a socket");
        let mut service = Service {
            socket: connect(path.as_os_str().as_encoded_bytes()).ok(),
            watchdog: Some(Duration::from_secs(15)),
            ..Service::default()
        };
        let told = || {
            let mut text = [0; 256];
            let n = manager.recv(&mut text).expect("told");
            String::from_utf8_lossy(text.get(..n).unwrap_or_default()).into_owned()
        };
        service.begun();
        assert_eq!(told(), "READY=1");
        let tally = Tally::new(1, 1);
        service.pulse(&Pulse {
            now: Timestamp(0),
            elapsed: Duration::from_secs(20),
            packets: 200,
            bytes: 0,
            drops: Drops::default(),
            stayed: crate::capture::shunt::Stayed::default(),
            open_flows: 0,
            tally: &tally,
            records_lost: 0,
        });
        assert_eq!(told(), "WATCHDOG=1");
        assert!(told().starts_with("STATUS=10 packets/s"));
        service.ending();
        assert_eq!(told(), "STOPPING=1");
    }

    #[test]
    fn without_a_manager_nothing_is_told() {
        assert!(connect(b"/no/such/socket").is_err());
        let service = Service::default();
        assert_eq!(service.socket(), None);
        service.begun();
    }
}
