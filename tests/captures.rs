//! Every capture of `captures/` against what its endpoints said of themselves, for several numbers of workers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

fn truths() -> Vec<(PathBuf, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut truths: Vec<_> = std::fs::read_dir(folder)
        .expect("captures/ is there")
        .map(|entry| entry.expect("captures/ can be read").path())
        .filter(|path| path.to_string_lossy().ends_with(".truth.json"))
        .map(|path| {
            let text = std::fs::read(&path).expect("the truth can be read");
            let truth: Value = serde_json::from_slice(&text).expect("the truth is JSON");
            let capture =
                path.with_file_name(truth["capture"].as_str().expect("it names its capture"));
            (capture, truth)
        })
        .collect();
    truths.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(truths.len() >= 20, "too few captures: {}", truths.len());
    truths
}

fn audit(capture: &Path, workers: u32) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_hellotap"))
        .args(["audit", "--flows", "-", "--workers", &workers.to_string()])
        .arg(capture)
        .output()
        .expect("hellotap runs");
    let code = output.status.code();
    assert!(
        matches!(code, Some(0 | 1)),
        "{}: exit {code:?}: {}",
        capture.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn records(ndjson: &[u8]) -> Vec<Map<String, Value>> {
    ndjson
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("a record is JSON"))
        .collect()
}

#[test]
fn saved_records_are_judged_again_without_the_packets() {
    let folder = tempfile::tempdir().expect("a folder");
    let saved = folder.path().join("flows.ndjson");
    for (capture, _) in truths() {
        let records = audit(&capture, 2);
        if records.is_empty() {
            continue;
        }
        std::fs::write(&saved, &records).expect("there is room");
        assert!(audit(&saved, 1) == records, "{}", capture.display());
    }
}

/// Whether it says so or not, a client's retry at a lower version is not all that it can do; another client's first
/// connection at that version is.
#[test]
fn a_retry_is_judged_by_what_came_before() {
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/fallback.pcap");
    let mut told: Vec<(String, String, bool)> = Vec::new();
    for record in records(&audit(&capture, 2)) {
        let text = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
        if record["negotiated_version"] == "TLS 1.0" {
            assert_eq!(record["verdict"], "breaks");
            let reasons = record["reasons"].as_array().expect("a list");
            let is_retry = reasons.iter().any(|r| r == "fallback-retry");
            told.push((text("client_ip"), text("act"), is_retry));
        }
    }
    let told: Vec<_> = told
        .iter()
        .map(|(ip, act, is_retry)| (ip.as_str(), act.as_str(), *is_retry))
        .collect();
    assert_eq!(
        told,
        [
            ("10.20.0.10", "server", true),
            ("10.20.0.10", "server", true),
            ("10.20.0.11", "server", true),
            ("10.20.0.13", "client", false),
        ]
    );
}

#[test]
fn any_number_of_workers_gives_the_same_bytes() {
    for (capture, _) in truths() {
        let one = audit(&capture, 1);
        for workers in [2, 3, 8] {
            assert!(
                audit(&capture, workers) == one,
                "{} with {workers} workers",
                capture.display()
            );
        }
    }
}

#[test]
fn records_say_what_the_endpoints_said() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (capture, truth) in truths() {
        let name = capture
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut by_ends: BTreeMap<String, Vec<Map<String, Value>>> = BTreeMap::new();
        for record in records(&audit(&capture, 2)) {
            by_ends.entry(ends(&record)).or_default().push(record);
        }
        // Connections whose client port is known take their records first; the others between the same ends stand in
        // the order in which they were opened, and so do records.
        let mut connections: Vec<_> = truth["connections"]
            .as_array()
            .expect("a list of connections")
            .iter()
            .collect();
        connections.sort_by_key(|connection| connection["client_port"].is_null());
        for connection in connections {
            let connection = connection.as_object().expect("an object");
            let expect = connection["expect"].as_object().expect("what to expect");
            let mut by_whom = connection.clone();
            by_whom.extend(expect.clone());
            let candidates = by_ends.get_mut(&ends(&by_whom));
            let port = &connection["client_port"];
            let found = candidates.and_then(|list| {
                let at = list
                    .iter()
                    .position(|r| port.is_null() || r["client_port"] == *port)?;
                Some(list.remove(at))
            });
            let Some(record) = found else {
                wrong.push(format!(
                    "{name}: no record of {} port {port}",
                    ends(connection)
                ));
                continue;
            };
            for (field, want) in expect {
                checked += 1;
                let got = record.get(field);
                if got != Some(want) {
                    let got = got.map_or_else(|| "no such field".into(), Value::to_string);
                    wrong.push(format!(
                        "{name}: {} port {}: {field}: endpoints {want}, hellotap {got}",
                        ends(connection),
                        record["client_port"]
                    ));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {checked} fields:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(checked > 500, "too little was checked: {checked}");
}

/// The endpoints of a record, or of a connection of the truth: of stations without addresses, the client's MAC address.
fn ends(object: &Map<String, Value>) -> String {
    let (client, port) = match &object["client_ip"] {
        Value::Null => (&object["client_mac"], &Value::Null),
        ip => (ip, &object["server_port"]),
    };
    format!(
        "{} {client} > {} {port}",
        object["transport"], object["server_ip"]
    )
}
