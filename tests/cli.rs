//! The command line as a user meets it: help, errors, exit codes, what is generated.

use assert_cmd::Command;

fn hellotap(arguments: &[&str]) -> Run {
    let output = Command::cargo_bin("hellotap")
        .expect("cargo builds it")
        .args(arguments)
        .env_remove("NO_COLOR")
        .output()
        .expect("it runs");
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    /// The work was refused with one line on standard error that holds `words`.
    #[track_caller]
    fn fails_with(&self, words: &str) {
        assert_eq!(self.code, Some(2), "{}", self.stderr);
        assert_eq!(self.stdout, "");
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        assert_eq!(self.stderr.matches(words).count(), 1, "{}", self.stderr);
        assert!(self.stderr.starts_with("hellotap: "), "{}", self.stderr);
        assert!(self.stderr.contains(words), "{}", self.stderr);
    }
}

#[test]
fn help_goes_to_standard_output() {
    for arguments in [
        &["--help"][..],
        &["-h"],
        &["audit", "--help"],
        &["generate", "--help"],
        &["--version"],
    ] {
        let run = hellotap(arguments);
        assert_eq!(run.code, Some(0), "{arguments:?}");
        assert!(run.stdout.contains("hellotap"));
        assert_eq!(run.stderr, "");
    }
}

#[test]
fn help_tells_every_default_and_fits_the_page() {
    let run = hellotap(&["audit", "--help"]);
    for default in [
        "[default: m365]",
        "[default: text]",
        "[default: auto]",
        "[default: the processors]",
        "[default: the day of each flow's last packet]",
        "[default: private and",
    ] {
        assert!(run.stdout.contains(default), "{default}");
    }
    for line in run.stdout.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    for arguments in [
        &[][..],
        &["audit"],
        &["adit", "x.pcap"],
        &["audit", "x.pcap", "--workers", "0"],
        &["audit", "x.pcap", "--workers", "many"],
        &["audit", "x.pcap", "--format", "yaml"],
        &["audit", "x.pcap", "--color", "sometimes"],
        &["audit", "x.pcap", "--no-such-flag"],
        &["generate"],
        &["generate", "completions", "cobol"],
    ] {
        let run = hellotap(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}");
        assert_eq!(run.stdout, "", "{arguments:?}");
        assert!(!run.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn values_that_make_no_sense_are_refused_in_one_line() {
    for (flag, value, words) in [
        ("--policy", "x", "there is no policy `x`"),
        ("--at", "tomorrow", "--at: `tomorrow` is not a day"),
        ("--ours", "lan", "--ours: `lan` is not an IP address"),
        ("--flows", "x.txt", ".ndjson, .jsonl, .csv or .parquet"),
        ("--report", "x.txt", ".json, .html, .csv or .cdx.json"),
    ] {
        hellotap(&["audit", "x.pcap", flag, value]).fails_with(words);
    }
}

#[test]
fn an_output_that_cannot_be_written_fails_before_the_reading() {
    for flag in ["--flows", "--report"] {
        let path = "/no/such/folder/out.csv";
        hellotap(&["audit", "no-such-input.pcap", flag, path])
            .fails_with("cannot write /no/such/folder/out.csv: No such file or directory");
    }
}

#[test]
fn an_input_is_not_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.json");
    std::fs::write(&path, "precious").expect("there is room");
    let path = path.to_str().expect("UTF-8");
    hellotap(&["audit", path, "--report", path]).fails_with("is an input");
    assert_eq!(
        std::fs::read_to_string(path).expect("it is there"),
        "precious"
    );
}

#[test]
fn the_manual_page_and_completions_are_printed() {
    let man = hellotap(&["generate", "man"]);
    assert_eq!(man.code, Some(0));
    assert!(man.stdout.contains(".TH hellotap 1"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = hellotap(&["generate", "completions", shell]);
        assert_eq!(run.code, Some(0), "{shell}");
        assert!(run.stdout.contains("workers"), "{shell}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_a_closed_pipe_is_not() {
    use std::process::{Command, Stdio};

    let program = || {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("hellotap"));
        command.args(["generate", "man"]).stderr(Stdio::piped());
        command
    };
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("it is there");
    let output = program().stdout(full).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.contains("cannot write standard output: No space left"),
        "{error}"
    );

    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = program().stdout(writer).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

#[test]
fn policies_are_listed_shown_and_checked() {
    let list = hellotap(&["policy", "list"]);
    assert_eq!(list.code, Some(0));
    for name in [
        "m365",
        "azure",
        "rfc8996",
        "bcp195",
        "pci-dss-4.0.1",
        "bsi-tr-02102-2",
        "mozilla-5.8-intermediate",
        "pq-ready",
    ] {
        assert!(list.stdout.lines().any(|line| line == name), "{name}");
    }
    let shown = hellotap(&["policy", "show", "m365"]);
    assert_eq!(shown.code, Some(0));
    // What is shown is a policy file.
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join("own.toml");
    std::fs::write(&own, &shown.stdout).expect("there is room");
    assert_eq!(
        hellotap(&["policy", "show", &own.to_string_lossy()]).stdout,
        shown.stdout
    );
    std::fs::write(&own, "name = \"x\"\n\n[accepts]\nmin_version = \"1.2\"\n")
        .expect("there is room");
    hellotap(&["policy", "show", &own.to_string_lossy()]).fails_with("line 4: `1.2` is no version");
    hellotap(&[
        "audit",
        "--policy",
        &own.to_string_lossy(),
        "captures/office.pcap",
    ])
    .fails_with("line 4: `1.2` is no version");
    hellotap(&["policy", "show", "m366"]).fails_with("there is no policy `m366`");
}

#[test]
fn reports_are_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let [before, after] = ["m365", "mozilla-5.8-modern"].map(|policy| {
        let path = folder.path().join(format!("{policy}.json"));
        let path = path.to_string_lossy().into_owned();
        hellotap(&[
            "audit",
            "--policy",
            policy,
            "--report",
            &path,
            "captures/office.pcap",
        ]);
        path
    });
    let same = hellotap(&["diff", &before, &before]);
    assert_eq!(same.code, Some(0), "{}", same.stderr);
    let worse = hellotap(&["diff", &before, &after]);
    assert_eq!(worse.code, Some(1));
    assert!(worse.stdout.contains("Newly breaks"), "{}", worse.stdout);
    let json = hellotap(&["diff", "--format", "json", &before, &after]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("one object");
    assert_eq!(json["type"], "diff");
    assert_eq!(json["worse"], true);
    hellotap(&["diff", &before, "captures/office.pcap"])
        .fails_with("captures/office.pcap is not a JSON report");
    hellotap(&["diff", &before, "/nowhere"]).fails_with("cannot open /nowhere");
}

#[test]
fn saved_records_and_captures_do_not_mix() {
    let folder = tempfile::tempdir().expect("a folder");
    let flows = folder
        .path()
        .join("flows.ndjson")
        .to_string_lossy()
        .into_owned();
    hellotap(&["audit", "--flows", &flows, "captures/office.pcap"]);
    let again = hellotap(&["audit", "--policy", "mozilla-5.8-old", &flows]);
    assert_eq!(again.code, Some(0), "{}", again.stdout);
    let piped = Command::cargo_bin("hellotap")
        .expect("cargo builds it")
        .args(["audit", "--policy", "mozilla-5.8-old", "--flows", "-", "-"])
        .write_stdin(std::fs::read(&flows).expect("it was written"))
        .output()
        .expect("it runs");
    assert_eq!(
        piped.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&piped.stderr)
    );
    assert_eq!(piped.stdout.split(|b| *b == b'\n').count(), 19);
    hellotap(&["audit", &flows, "captures/office.pcap"]).fails_with("cannot be audited together");
}

#[test]
fn redacted_output_holds_no_name_and_no_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = ["r.json", "r.csv", "r.cdx.json"]
        .map(|name| folder.path().join(name).to_string_lossy().into_owned());
    let mut arguments = vec!["audit", "--redact", "--flows", "-", "captures/office.pcap"];
    for path in &paths {
        arguments.extend(["--report", path]);
    }
    let run = hellotap(&arguments);
    assert_eq!(run.code, Some(1));
    let mut outputs = vec![run.stdout, run.stderr];
    outputs.extend(
        paths
            .iter()
            .map(|path| std::fs::read_to_string(path).expect("it was written")),
    );
    for output in outputs {
        assert!(!output.is_empty());
        for secret in [
            "192.168.",
            "198.51.100.",
            "203.0.113.",
            "scanner-lobby",
            "provider.example",
            "00:80:77",
            "Kyocera",
        ] {
            assert!(!output.contains(secret), "{secret} in {output}");
        }
    }
}

#[test]
fn stations_without_addresses_are_told_by_their_hardware_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let [json, html, csv, flows, again] =
        ["r.json", "r.html", "r.csv", "f.ndjson", "again.json"].map(path);
    let mut arguments = vec!["audit", "captures/eapol.pcap", "--flows", &flows];
    for report in [&json, &html, &csv] {
        arguments.extend(["--report", report]);
    }
    let run = hellotap(&arguments);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let read = |path: &str| std::fs::read_to_string(path).expect("it was written");
    let report: serde_json::Value = serde_json::from_str(&read(&json)).expect("JSON");
    for device in report["devices"].as_array().expect("a list") {
        assert_eq!(device["address"], device["mac"]);
        let server = &device["servers"][0];
        assert_eq!(server["address"], "02:00:5e:10:00:01");
        assert!(
            server["port"].is_null() && server["route"].is_null(),
            "{server}"
        );
    }
    assert_eq!(report["totals"]["devices"], 2);
    assert_eq!(report["servers"][0]["address"], "02:00:5e:10:00:01");
    for (name, text) in [
        ("text", &run.stdout),
        ("html", &read(&html)),
        ("csv", &read(&csv)),
    ] {
        assert!(text.contains("02:00:5e:10:aa:02"), "{name}: {text}");
        for wrong in [
            "0.0.0.0",
            "[02:00",
            ":10:00:01:0",
            "not ours",
            "address not seen",
        ] {
            let is_there = text.contains(wrong) && !(name == "html" && wrong == "not ours");
            assert!(!is_there, "{wrong} is in {name}: {text}");
        }
    }
    // Nothing of it is changed by being saved, and nothing changed between the two.
    let run = hellotap(&["audit", &flows, "--report", &again]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let saved: serde_json::Value = serde_json::from_str(&read(&again)).expect("JSON");
    assert_eq!(saved["devices"], report["devices"]);
    let run = hellotap(&["diff", &json, &again]);
    assert_eq!(run.code, Some(0), "{} {}", run.stdout, run.stderr);
    let run = hellotap(&["audit", "--redact", "--flows", "-", "captures/eapol.pcap"]);
    assert!(!run.stdout.is_empty());
    for secret in ["02:00:5e:10", "office.example"] {
        assert!(
            !run.stdout.contains(secret) && !run.stderr.contains(secret),
            "{secret}"
        );
    }
}
