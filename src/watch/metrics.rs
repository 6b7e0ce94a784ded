//! Figures for Prometheus, over HTTP: the text format, one page, a few dozen lines whatever the traffic is.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::hello::version::ProtocolVersion;
use crate::record::{Outcome, Verdict, Version};
use crate::run::live::Pulse;

/// A listener, and the page that it serves.
#[derive(Debug)]
pub struct Metrics {
    listener: Option<TcpListener>,
    page: Arc<Mutex<String>>,
    made: Option<Duration>,
}

/// Where to listen: `127.0.0.1:9477`, `[::1]:9477`, or a port alone, which is the loopback's.
///
/// # Errors
/// Where it is none of these.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text);
    if let Ok(port) = port.parse::<u16>() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse()
        .map_err(|_| format!("`{text}` is not an address with a port, such as 127.0.0.1:9477"))
}

impl Metrics {
    /// Listens; nothing is answered yet.
    ///
    /// # Errors
    /// Where the address cannot be listened on.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            listener: Some(TcpListener::bind(address)?),
            page: Arc::default(),
            made: None,
        })
    }

    /// Begins to answer, on a thread of its own that lives as long as the program.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    pub fn serve(&mut self) -> io::Result<()> {
        let Some(listener) = self.listener.take() else {
            return Ok(());
        };
        let page = Arc::clone(&self.page);
        thread::Builder::new()
            .name("metrics".into())
            .spawn(move || {
                // One at a time, each for a moment only: whoever asks slowly keeps others waiting, and nothing else.
                for stream in listener.incoming() {
                    match stream {
                        Ok(stream) => drop(answer(stream, &page)),
                        // Too many open files, or an aborted connection.
                        Err(_) => thread::sleep(Duration::from_millis(100)),
                    }
                }
            })?;
        Ok(())
    }

    /// Makes the page anew, once a second.
    pub fn pulse(&mut self, pulse: &Pulse<'_>) {
        if self
            .made
            .is_some_and(|made| pulse.elapsed.saturating_sub(made) < EVERY)
        {
            return;
        }
        self.made = Some(pulse.elapsed);
        let page = page(pulse);
        *self.page.lock().unwrap_or_else(PoisonError::into_inner) = page;
    }
}

/// Reads a request and answers it; all within [`PATIENCE`].
fn answer(mut stream: TcpStream, page: &Mutex<String>) -> io::Result<()> {
    let begin = Instant::now();
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = PATIENCE.saturating_sub(begin.elapsed());
        if left.is_zero() || request.len() > MAX_REQUEST_BYTES {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(piece.get(..read).unwrap_or_default());
    }
    let line = request.split(|byte| *byte == b'\r').next();
    let mut words = line.unwrap_or_default().split(|byte| *byte == b' ');
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let (status, text) = match (method, path) {
        (b"GET" | b"HEAD", b"/metrics") => (
            "200 OK",
            page.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        ),
        (b"GET" | b"HEAD", _) => ("404 Not Found", "see /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", "GET only\n".to_owned()),
    };
    let body = if method == b"HEAD" { "" } else { &text };
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        text.len()
    )
}

/// The page. Labels take a fixed, small number of values: nothing from the wire is among them.
fn page(pulse: &Pulse<'_>) -> String {
    let mut out = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, values: &[(String, u64)]| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    let one = |value: u64| [(String::new(), value)];
    let label = |name: &str, value: &str| format!("{{{name}=\"{value}\"}}");
    let version = [(label("version", env!("CARGO_PKG_VERSION")), 1)];
    metric(
        "hellotap_build_info",
        "gauge",
        "The program's version.",
        &version,
    );
    metric(
        "hellotap_packets_total",
        "counter",
        "Packets taken from the interfaces.",
        &one(pulse.packets),
    );
    metric(
        "hellotap_bytes_total",
        "counter",
        "Bytes of them on the wire.",
        &one(pulse.bytes),
    );
    metric(
        "hellotap_shunted_packets_total",
        "counter",
        "Packets of bulk data that stayed in the kernel, besides those taken.",
        &one(pulse.stayed.packets),
    );
    metric(
        "hellotap_shunted_bytes_total",
        "counter",
        "Bytes of them on the wire.",
        &one(pulse.stayed.bytes),
    );
    let drops = [
        ("kernel", pulse.drops.kernel),
        ("interface", pulse.drops.interface),
        ("queue", pulse.drops.queue),
    ];
    let drops = drops.map(|(by, n)| (label("by", by), n));
    metric(
        "hellotap_dropped_packets_total",
        "counter",
        "Packets lost before they were audited.",
        &drops,
    );
    metric(
        "hellotap_open_flows",
        "gauge",
        "Flows in the tables.",
        &one(pulse.open_flows),
    );
    let tally = pulse.tally;
    let mut others = tally.flows;
    let mut versions = Vec::new();
    for number in VERSIONS {
        let version = Version::Exact(ProtocolVersion(*number));
        let n = tally.negotiated.get(&Some(version)).copied().unwrap_or(0);
        others = others.saturating_sub(n);
        versions.push((label("version", &version.to_string()), n));
    }
    let none = tally.negotiated.get(&None).copied().unwrap_or(0);
    versions.push((label("version", "none"), none));
    versions.push((label("version", "other"), others.saturating_sub(none)));
    metric(
        "hellotap_flows_total",
        "counter",
        "Flows that ended, by what was negotiated.",
        &versions,
    );
    let outcomes: Vec<_> = Outcome::ALL
        .iter()
        .map(|outcome| {
            let n = tally.outcomes.get(outcome).copied().unwrap_or(0);
            (label("outcome", outcome.name()), n)
        })
        .collect();
    metric(
        "hellotap_outcomes_total",
        "counter",
        "Flows that ended, by how the attempt at TLS ended.",
        &outcomes,
    );
    let verdicts: Vec<_> = Verdict::ALL
        .iter()
        .map(|verdict| {
            let n = tally.verdicts.get(verdict).copied().unwrap_or(0);
            (label("verdict", verdict.name()), n)
        })
        .collect();
    metric(
        "hellotap_verdicts_total",
        "counter",
        "Flows that ended, by verdict under the policy.",
        &verdicts,
    );
    metric(
        "hellotap_records_lost_total",
        "counter",
        "Flow records that could not be written.",
        &one(pulse.records_lost),
    );
    if let Some(kib) = crate::stats::memory_kib() {
        metric(
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory size in bytes.",
            &one(kib * 1024),
        );
    }
    out
}

const VERSIONS: &[u16] = &[
    0x0002, 0x0300, 0x0301, 0x0302, 0x0303, 0x0304, 0xfeff, 0xfefd, 0xfefc,
];
/// How often the page is made.
const EVERY: Duration = Duration::from_secs(1);
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(2);
const MAX_REQUEST_BYTES: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Drops, FlowRecord, Tally};
    use crate::time::Timestamp;

    fn pulse(tally: &Tally) -> Pulse<'_> {
        Pulse {
            now: Timestamp(0),
            elapsed: Duration::from_secs(1),
            packets: 10,
            bytes: 2_000,
            drops: Drops {
                kernel: 1,
                interface: 2,
                queue: 3,
            },
            stayed: crate::capture::shunt::Stayed {
                packets: 6,
                bytes: 9_000,
            },
            open_flows: 4,
            tally,
            records_lost: 5,
        }
    }

    #[test]
    fn addresses_are_the_loopbacks_unless_told_otherwise() {
        for (text, want) in [
            ("9477", "127.0.0.1:9477"),
            (":9477", "127.0.0.1:9477"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("[::1]:9477", "[::1]:9477"),
        ] {
            assert_eq!(address(text).map(|a| a.to_string()).as_deref(), Ok(want));
        }
        for text in ["", "localhost", "1.2.3.4", "70000", "::1"] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_page_has_every_flow_once() {
        let mut tally = Tally::new(10, 10);
        for number in [0x0301, 0x0304, 0x7f17, 0x9999] {
            tally.add(&FlowRecord {
                negotiated_version: Some(Version::Exact(ProtocolVersion(number))),
                ..FlowRecord::default()
            });
        }
        tally.add(&FlowRecord::default());
        let page = page(&pulse(&tally));
        for line in [
            "hellotap_packets_total 10",
            "hellotap_shunted_packets_total 6",
            "hellotap_shunted_bytes_total 9000",
            "hellotap_dropped_packets_total{by=\"interface\"} 2",
            "hellotap_flows_total{version=\"TLS 1.0\"} 1",
            "hellotap_flows_total{version=\"TLS 1.2\"} 0",
            "hellotap_flows_total{version=\"none\"} 1",
            "hellotap_flows_total{version=\"other\"} 2",
            "hellotap_outcomes_total{outcome=\"unknown\"} 5",
            "hellotap_verdicts_total{verdict=\"breaks\"} 0",
            "hellotap_records_lost_total 5",
        ] {
            assert!(page.lines().any(|l| l == line), "{line} in\n{page}");
        }
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').expect("name and value");
            assert!(value.parse::<u64>().is_ok(), "{line}");
            let name = name.split('{').next().unwrap_or_default();
            let of_type = format!("# TYPE {name} ");
            assert_eq!(page.matches(&of_type).count(), 1, "{line}");
        }
    }

    #[test]
    fn it_is_served_over_http() {
        let mut metrics = Metrics::bind(address("0").expect("valid")).expect("a free port");
        let at = metrics
            .listener
            .as_ref()
            .and_then(|l| l.local_addr().ok())
            .expect("it listens");
        metrics.pulse(&pulse(&Tally::new(1, 1)));
        metrics.serve().expect("a thread");
        let ask = |request: &str| {
            let mut stream = TcpStream::connect(at).expect("it listens");
            stream.write_all(request.as_bytes()).expect("it reads");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("UTF-8");
            answer
        };
        let answer = ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with('\n') && answer.contains("\r\n\r\n# HELP hellotap_build_info"));
        assert!(ask("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(ask("POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
        assert!(ask("HEAD /metrics HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
        // Somebody who never ends the request is given up, and the next is answered.
        let mut endless = TcpStream::connect(at).expect("it listens");
        let mut answer = Vec::new();
        // The connection is reset under one of these.
        let _ = endless.write_all(&[b'x'; 20_000]);
        let _ = endless.read_to_end(&mut answer);
        assert_eq!(answer, b"");
        assert!(ask("GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200"));
    }
}
