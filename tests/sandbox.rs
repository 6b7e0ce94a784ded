//! The sandbox of `hellotap live` from inside: packets still come, and nothing can go.
//!
//! The attempts are made on a thread of this test that gave up what `live` gives up, in a network namespace of its own.
//! Needs root and `ip`; where one of them is missing the test says so and ends.

#![cfg(target_os = "linux")]

use std::io;
use std::os::fd::AsFd as _;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hellotap::capture::live::{Nic, NicOptions};
use hellotap::capture::shunt::{FlowStayed, Mode, Shunt, raw_key};
use hellotap::config::Limits;
use hellotap::dispatch::{FlowKey, Transport};
use hellotap::sandbox::{Confined, Files, Identity, Needs, enter};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketType, send, socket};

/// Set for the copy of this program that runs inside of the namespace.
const INSIDE: &str = "HELLOTAP_TEST_INSIDE";

#[test]
fn packets_come_and_nothing_goes() {
    if std::env::var_os(INSIDE).is_some() {
        // A thread of its own, so that the test's runner keeps its rights.
        std::thread::spawn(attempts).join().expect("all hold");
        return;
    }
    let namespace = format!("htsandbox-{}", std::process::id());
    if !ip(&["netns", "add", &namespace]) {
        eprintln!("SKIPPED: network namespaces are not permitted here, or `ip` is not installed");
        return;
    }
    let up = ip(&["-n", &namespace, "link", "set", "lo", "up"]);
    let status = Command::new("ip")
        .args(["netns", "exec", &namespace])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "packets_come_and_nothing_goes", "--nocapture"])
        .env(INSIDE, "1")
        .env_remove("SUDO_UID")
        .status();
    ip(&["netns", "del", &namespace]);
    assert!(up);
    assert!(status.expect("it starts").success());
}

fn ip(arguments: &[&str]) -> bool {
    let status = Command::new("ip").args(arguments).status();
    status.is_ok_and(|status| status.success())
}

fn attempts() {
    let options = NicOptions {
        buffer_bytes: 1 << 20,
        promiscuous: true,
        filter: None,
    };
    let mut nic = Nic::open("lo", &options).expect("it opens");
    let folder = tempfile::tempdir().expect("a folder");
    let user = Identity::to_become();
    if let Some(user) = user {
        std::os::unix::fs::chown(folder.path(), Some(user.uid), Some(user.gid)).expect("root may");
    }
    // Whose packets are captured below: opened before, and no packet socket.
    let sender = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    sender
        .connect(sender.local_addr().expect("it has one"))
        .expect("it connects");
    let mut shunt = match Shunt::load(&Limits::default(), 1, 1) {
        Ok(shunt) if shunt.works_without_privileges().is_ok() => {
            shunt.attach(&nic).expect("the loopback has frames");
            Some(shunt)
        }
        other => {
            eprintln!("SKIPPED in part: {:?}", other.map(drop));
            None
        }
    };
    let needs = Needs {
        packet_sockets: vec![nic.socket()],
        folders: vec![folder.path().to_owned()],
        serves: true,
        shunts: true,
        notifies: Some(sender.as_raw_fd()),
    };
    let confined = enter(&needs, user).expect("it is entered");
    assert_eq!(
        confined,
        Confined {
            user: user.map(|user| user.uid),
            files: Files::Limited
        }
    );

    // Refused.
    let frame = [0xff_u8; 60];
    let permission = Err(Errno::PERM);
    assert_eq!(
        send(nic.as_fd(), &frame, SendFlags::empty()),
        permission,
        "send"
    );
    assert_eq!(rustix::io::write(nic.as_fd(), &frame), permission, "write");
    let pieces = [io::IoSlice::new(&frame)];
    assert_eq!(
        rustix::io::writev(nic.as_fd(), &pieces),
        permission,
        "writev"
    );
    assert_eq!(
        rustix::io::pwrite(nic.as_fd(), &frame, 0),
        permission,
        "pwrite"
    );
    assert_eq!(rustix::io::dup(nic.as_fd()).err(), Some(Errno::PERM), "dup");
    let copy = nic.as_fd().try_clone_to_owned().map_err(|e| e.kind());
    assert_eq!(copy.err(), Some(io::ErrorKind::PermissionDenied), "fcntl");
    for family in [
        AddressFamily::INET,
        AddressFamily::PACKET,
        AddressFamily::UNIX,
    ] {
        let opened = socket(family, SocketType::DGRAM, None);
        assert_eq!(opened.err(), Some(Errno::PERM), "{family:?}");
    }
    let started = Command::new("/bin/true").status().map_err(|e| e.kind());
    assert_eq!(
        started.err(),
        Some(io::ErrorKind::PermissionDenied),
        "a process"
    );
    let denied = |done: io::Result<()>, what: &str| {
        let kind = done.map_err(|e| e.kind());
        assert_eq!(kind, Err(io::ErrorKind::PermissionDenied), "{what}");
    };
    denied(std::fs::read("/etc/passwd").map(drop), "reading a file");
    denied(
        std::fs::write("/tmp/hellotap-outside", "x"),
        "writing a file",
    );
    assert!(!Path::new("/tmp/hellotap-outside").exists());

    if let Some(mut maps) = shunt.as_mut().and_then(Shunt::take_maps) {
        // Maps that are open can be used, and nothing else of eBPF.
        let again = Shunt::load(&Limits::default(), 1, 1).map(drop);
        assert!(again.is_err(), "loading a filter");
        let (key, _) = FlowKey::new(([1; 16], 1), ([2; 16], 2), Transport::Tcp);
        let key = raw_key(&key);
        assert!(maps.kept(&key).is_none());
        assert!(maps.mark(&key, Mode::Settled, None));
        assert!(!maps.mark(&key, Mode::Follow, None), "it is there");
        assert_eq!(maps.stayed(&key), Some(FlowStayed::default()));
        assert_eq!(maps.all(), [key]);
        maps.forget(&key);
        assert!(maps.all().is_empty());
    }

    // Still possible.
    let path = folder.path().join("flows.ndjson");
    std::fs::write(&path, "{}\n").expect("it is a folder of the output");
    std::fs::rename(&path, path.with_extension("old")).expect("files are rotated");
    std::thread::Builder::new()
        .name("worker".into())
        .spawn(|| ())
        .expect("threads start")
        .join()
        .expect("and end");
    assert_eq!(
        sender.send(b"hello").expect("the service manager is told"),
        5
    );
    let mut packets = 0;
    for _ in 0..100 {
        let read = nic.read(Duration::from_millis(100), |packet| {
            assert!(packet.bytes.ends_with(b"hello"));
            packets += 1;
        });
        read.expect("the capture goes on");
        if packets > 0 {
            break;
        }
    }
    assert!(packets > 0, "nothing was captured");
    assert_eq!(nic.drops(), hellotap::capture::live::NicDrops::default());
}
