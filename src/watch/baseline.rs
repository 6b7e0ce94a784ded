//! What was wrong before: a JSON report of an earlier capture, so that what is new in the change window stands out.

use std::collections::HashSet;
use std::io::BufReader;
use std::path::Path;

use serde::Deserialize;

use super::trouble::{Kind, Trouble};
use crate::record::{FlowRecord, Verdict};
use crate::report::known_address;

/// Which client had which trouble with which server.
#[derive(Debug, Default)]
pub struct Baseline(HashSet<Known>);

/// A trouble that was there before.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Known {
    client: Option<String>,
    /// Address or name.
    server: Option<String>,
    port: Option<u16>,
    /// Outcome or verdict.
    word: String,
}

/// A report that cannot be compared with; one line.
#[derive(Debug, thiserror::Error)]
#[error("--baseline: {path}: {why}")]
pub struct BaselineError {
    path: String,
    why: String,
}

#[derive(Deserialize)]
struct Report {
    r#type: String,
    schema: u32,
    devices: Vec<Device>,
}

#[derive(Deserialize)]
struct Device {
    address: Option<String>,
    servers: Vec<Server>,
}

#[derive(Deserialize)]
struct Server {
    address: Option<String>,
    port: Option<u16>,
    sni: Option<String>,
    outcome: serde_json::Map<String, serde_json::Value>,
    verdict: String,
}

impl Baseline {
    /// Reads a JSON report that `audit` or `live` wrote.
    ///
    /// # Errors
    /// Where it cannot be read, or is not such a report.
    pub fn read(path: &Path) -> Result<Self, BaselineError> {
        let error = |why: String| BaselineError {
            path: path.display().to_string(),
            why,
        };
        let file = std::fs::File::open(path).map_err(|e| error(e.to_string()))?;
        let report: Report = serde_json::from_reader(BufReader::new(file))
            .map_err(|e| error(format!("not a JSON report of hellotap: {e}")))?;
        if report.r#type != "report" || report.schema != 1 {
            return Err(error(
                "not a JSON report that this version knows".to_owned(),
            ));
        }
        let mut troubles = HashSet::new();
        for device in &report.devices {
            for server in &device.servers {
                let words = server.outcome.keys().chain([&server.verdict]);
                for word in words {
                    // A provider's addresses change from day to day, its names seldom.
                    let mut add = |host: Option<&String>| {
                        troubles.insert(Known {
                            client: device.address.clone(),
                            server: host.cloned(),
                            port: server.port,
                            word: word.clone(),
                        });
                    };
                    add(server.address.as_ref());
                    if let Some(name) = &server.sni {
                        add(Some(name));
                    }
                }
            }
        }
        Ok(Self(troubles))
    }

    /// Whether the trouble of a flow was not there before: the client had none of that kind with that server.
    pub fn is_new(&self, record: &FlowRecord, trouble: &Trouble) -> bool {
        let word = match trouble.kind {
            Kind::WillBreak => Verdict::Breaks.name(),
            Kind::Fails | Kind::Clear => record.outcome.name(),
        };
        let had = |server: Option<String>| {
            self.0.contains(&Known {
                client: known_address(record.client()),
                server,
                port: record.server_port,
                word: word.to_owned(),
            })
        };
        let by_name = record
            .sni
            .as_deref()
            .is_some_and(|name| had(Some(name.into())));
        !by_name && !had(known_address(record.server()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Outcome, Tally};
    use crate::report::{BlindSpots, Summary, write_json};

    fn flow(client: u8, server: u8, outcome: Outcome, verdict: Verdict) -> FlowRecord {
        FlowRecord {
            client_ip: Some([10, 0, 0, client].into()),
            server_ip: Some([192, 0, 2, server].into()),
            server_port: Some(587),
            sni: (server < 10).then(|| "smtp.example".into()),
            outcome,
            verdict,
            ..FlowRecord::default()
        }
    }

    #[test]
    fn what_was_there_before_is_not_new() {
        let mut tally = Tally::new(10, 10);
        tally.add(&flow(1, 1, Outcome::Negotiated, Verdict::Breaks));
        tally.add(&flow(2, 20, Outcome::RefusedByServer, Verdict::Unknown));
        let policy = crate::policy::Policy::named("m365").expect("it is built in");
        let summary = Summary::new(Vec::new(), policy, tally, BlindSpots::default());
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("before.json");
        let mut file = std::fs::File::create(&path).expect("there is room");
        write_json(&summary, &mut file).expect("there is room");
        let baseline = Baseline::read(&path).expect("it is a report");
        let breaks = |client, server| flow(client, server, Outcome::Negotiated, Verdict::Breaks);
        let refused =
            |client, server| flow(client, server, Outcome::RefusedByServer, Verdict::Unknown);
        for (name, record, want) in [
            ("the same", breaks(1, 1), false),
            ("same name, other address", breaks(1, 2), false),
            ("other client", breaks(3, 1), true),
            ("it broke before, now it fails", refused(1, 1), true),
            ("it failed before", refused(2, 20), false),
            ("other server", refused(2, 21), true),
        ] {
            let trouble = Trouble::of(&record).expect("it is one");
            assert_eq!(baseline.is_new(&record, &trouble), want, "{name}");
        }
    }

    #[test]
    fn what_is_no_report_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.json");
        for (text, words) in [
            ("", "not a JSON report of hellotap"),
            ("{}", "not a JSON report of hellotap"),
            (
                r#"{"type":"report","schema":99,"devices":[]}"#,
                "not a JSON report that this version knows",
            ),
        ] {
            std::fs::write(&path, text).expect("there is room");
            let error = Baseline::read(&path).expect_err(text).to_string();
            assert!(
                error.contains(words) && error.starts_with("--baseline: "),
                "{error}"
            );
        }
        assert!(Baseline::read(Path::new("/no/such.json")).is_err());
    }
}
