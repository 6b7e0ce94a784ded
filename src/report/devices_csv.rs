//! The report as a table: one row a device, for tickets and spreadsheets.

use std::io::{self, Write};

use super::Summary;
use super::csv::append_text_cell;
use super::json::{DeviceJson, device};

const COLUMNS: &[&str] = &[
    "address",
    "mac",
    "vendor",
    "names",
    "vlan",
    "stack",
    "verdict",
    "act",
    "reasons",
    "flows",
    "services",
    "servers",
    "offered_max",
    "negotiated",
    "first_seen",
    "last_seen",
    "hours",
    "remedy",
];

/// Writes a header and one row a device, the worst first, as in the other reports.
///
/// # Errors
/// Those of `out`.
pub fn write_devices_csv(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", COLUMNS.join(","))?;
    let mut text = Vec::new();
    for (key, found) in summary.tally.devices() {
        let cells = cells(device(&summary.policy, &key, found), found.hours.len());
        debug_assert_eq!(cells.len(), COLUMNS.len());
        for (i, cell) in cells.iter().enumerate() {
            if i > 0 {
                text.push(b',');
            }
            append_text_cell(&mut text, cell);
        }
        text.push(b'\n');
        out.write_all(&text)?;
        text.clear();
    }
    Ok(())
}

fn cells(device: DeviceJson, hours: u64) -> Vec<String> {
    let keys = |counts: &serde_json::Map<String, serde_json::Value>| {
        counts.keys().cloned().collect::<Vec<_>>().join(" ")
    };
    let vlan = device.vlan.iter().map(|tags| {
        let tags: Vec<_> = tags.iter().map(u16::to_string).collect();
        tags.join(".")
    });
    let mut servers: Vec<String> = device
        .servers
        .iter()
        .map(|s| {
            let name = s.sni.as_ref().or(s.address.as_ref());
            let name = name.map_or("", String::as_str);
            s.port
                .map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
        })
        .collect();
    if device.servers_not_listed > 0 {
        servers.push(format!("(and {} more)", device.servers_not_listed));
    }
    vec![
        device.address.unwrap_or_default(),
        device.mac.unwrap_or_default(),
        device.vendor.unwrap_or_default().into(),
        device.names.join(" "),
        vlan.collect::<Vec<_>>().join(" "),
        device.stack.unwrap_or_default(),
        device.verdict.into(),
        device.act.unwrap_or_default().into(),
        device.reasons.join(" "),
        device.flows.to_string(),
        keys(&device.services),
        servers.join(" "),
        keys(&device.offered_max),
        keys(&device.negotiated),
        device.first_seen,
        device.last_seen,
        hours.to_string(),
        device.remedy.unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn an_office() {
        let mut out = Vec::new();
        write_devices_csv(&samples::office(), &mut out).expect("memory");
        insta::assert_snapshot!(String::from_utf8(out).expect("UTF-8"));
    }
}
