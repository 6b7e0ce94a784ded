//! Every rule of every built-in policy, on one flow that it finds fault with and one that it does not.

use hellotap::policy::rule::Severity;
use hellotap::policy::{Judge, builtin};
use hellotap::record::saved::Reader;
use hellotap::record::{FlowRecord, Verdict};
use serde_json::{Map, Value};

/// `tests/data/policy-flows.json`: a record, and by policy and rule what differs from it in the two flows.
fn flows() -> Value {
    serde_json::from_str(include_str!("data/policy-flows.json")).expect("it is JSON")
}

fn record(base: &Map<String, Value>, differs: &Value) -> FlowRecord {
    let mut line = base.clone();
    for (name, value) in differs.as_object().expect("an object") {
        line.insert(name.clone(), value.clone());
    }
    Reader::default()
        .record(&Value::Object(line).to_string())
        .expect("it is a record")
}

#[test]
fn each_rule_tells_one_flow_from_another() {
    let flows = flows();
    let base = flows["base"].as_object().expect("an object");
    for builtin in builtin::ALL {
        let policy = builtin.policy();
        for rule in &*policy.rules {
            let of_rule = &flows["policies"][builtin.name][rule.id];
            let name = format!("{} {}", builtin.name, rule.id);
            assert!(of_rule.is_object(), "{name} has no flows");
            for (which, finds) in [("fail", true), ("pass", false)] {
                let mut record = record(base, &of_rule[which]);
                Judge::new(&policy, None).judge(&mut record);
                assert_eq!(
                    record.reasons.contains(&rule.id),
                    finds,
                    "{name}, {which}: {:?}",
                    record.reasons
                );
                if finds && rule.effective.is_none_or(|day| day <= record.last_seen) {
                    let least = match rule.severity {
                        Severity::MustNot => Verdict::Breaks,
                        Severity::ShouldNot => Verdict::AtRisk,
                        Severity::Note => Verdict::Ok,
                    };
                    let in_force = policy.effective.is_none_or(|day| day <= record.last_seen);
                    assert!(
                        !in_force || record.verdict >= least,
                        "{name}: {}",
                        record.verdict
                    );
                }
            }
        }
    }
}

/// What a judge remembers must not change what it says.
#[test]
fn remembering_changes_nothing() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut records: Vec<FlowRecord> = Vec::new();
    for entry in std::fs::read_dir(folder).expect("captures/ is there") {
        let path = entry.expect("captures/ can be read").path();
        if path.extension().is_none_or(|extension| extension != "pcap") {
            continue;
        }
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_hellotap"))
            .args(["audit", "--flows", "-"])
            .arg(path)
            .output()
            .expect("hellotap runs");
        let mut reader = Reader::default();
        let lines = String::from_utf8(output.stdout).expect("UTF-8");
        records.extend(
            lines
                .lines()
                .map(|line| reader.record(line).expect("a record")),
        );
    }
    assert!(records.len() > 200, "{}", records.len());
    let told = |record: &FlowRecord| {
        (
            record.verdict,
            record.reasons.clone(),
            record.act,
            record.predicted,
            record.role.clone(),
        )
    };
    for builtin in builtin::ALL {
        let policy = builtin.policy();
        let mut old = Judge::new(&policy, None);
        for record in &records {
            let (mut remembered, mut fresh) = (record.clone(), record.clone());
            old.judge(&mut remembered);
            Judge::new(&policy, None).judge(&mut fresh);
            assert_eq!(
                told(&remembered),
                told(&fresh),
                "{} {record:?}",
                builtin.name
            );
        }
    }
}

#[test]
fn no_flow_stands_for_a_rule_that_is_gone() {
    let flows = flows();
    for (policy, rules) in flows["policies"].as_object().expect("an object") {
        let builtin = builtin::find(policy).expect("it is built in").policy();
        for id in rules.as_object().expect("an object").keys() {
            assert!(builtin.rule(id).is_some(), "{policy} has no rule {id}");
        }
    }
}
