//! Two reports compared: who was fixed, who newly fails, who went to cleartext, who is gone.
//!
//! In: two JSON reports as [`write_json`](super::write_json) writes them. Out: one line a device that changed. A device
//! is known again by its hardware address where both reports have it, else by its network address.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::text::{Look, Page, Style};
use super::{escape, numbers::counted};
use crate::policy::reason;
use crate::record::Verdict;

/// The part of a report that is compared.
#[derive(Clone, Debug, Deserialize)]
pub struct Saved {
    r#type: String,
    schema: u32,
    policy: SavedPolicy,
    devices: Vec<SavedDevice>,
}

#[derive(Clone, Debug, Deserialize)]
struct SavedPolicy {
    name: String,
    date: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct SavedDevice {
    address: Option<String>,
    mac: Option<String>,
    #[serde(default)]
    names: Vec<String>,
    verdict: String,
    #[serde(default)]
    reasons: Vec<String>,
    #[serde(default)]
    negotiated: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    flows: u64,
}

impl Saved {
    /// Reads a report.
    ///
    /// # Errors
    /// Where it is not one; one line that says why.
    pub fn read(input: impl io::Read) -> Result<Self, String> {
        let saved: Self = serde_json::from_reader(input).map_err(|error| error.to_string())?;
        match (saved.r#type.as_str(), saved.schema) {
            ("report", 1) => Ok(saved),
            ("report", schema) => Err(format!("its schema is {schema}; this version reads 1")),
            (other, _) => Err(format!("its type is {other:?}, not \"report\"")),
        }
    }

    fn machines(&self) -> Vec<Machine> {
        let mut machines = BTreeMap::<(Option<String>, Option<String>), Machine>::new();
        for device in &self.devices {
            let machine = machines
                .entry((device.address.clone(), device.mac.clone()))
                .or_insert_with(|| Machine::new(device));
            machine.take(device);
        }
        machines.into_values().collect()
    }
}

/// A device with all of its TLS stacks.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Machine {
    address: Option<String>,
    mac: Option<String>,
    names: BTreeSet<String>,
    verdict: &'static str,
    reasons: BTreeSet<String>,
    negotiated: BTreeSet<String>,
    flows: u64,
    #[serde(skip)]
    rank: Verdict,
}

impl Machine {
    fn new(device: &SavedDevice) -> Self {
        Self {
            address: device.address.clone(),
            mac: device.mac.clone(),
            names: BTreeSet::new(),
            verdict: Verdict::Ok.name(),
            reasons: BTreeSet::new(),
            negotiated: BTreeSet::new(),
            flows: 0,
            rank: Verdict::Ok,
        }
    }

    fn take(&mut self, device: &SavedDevice) {
        self.names.extend(device.names.iter().cloned());
        self.negotiated
            .extend(device.negotiated.keys().filter(|v| *v != "none").cloned());
        self.flows += device.flows;
        // A word of a later version is not guessed at.
        let rank = Verdict::named(&device.verdict).unwrap_or(Verdict::Unknown);
        if rank > self.rank {
            self.reasons.clear();
        }
        if rank >= self.rank {
            self.rank = rank;
            self.verdict = rank.name();
            self.reasons.extend(device.reasons.iter().cloned());
        }
    }

    fn address(&self) -> &str {
        self.address.as_deref().unwrap_or("address not seen")
    }

    fn is_in_the_clear(&self) -> bool {
        self.rank == Verdict::GoesCleartext
            || [reason::CLEARTEXT, reason::CLEARTEXT_REFUSED]
                .iter()
                .any(|id| self.reasons.contains(*id))
    }
}

/// What became of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It breaks, and did not.
    NewlyBreaks,
    /// It speaks without TLS, or will, and did not.
    WentToCleartext,
    /// It is at risk, and was fine.
    Worse,
    /// It broke, and does not any more.
    Fixed,
    /// Its verdict is better than it was, though not good.
    Better,
    /// It can be judged no more, or now for the first time.
    Unclear,
    /// It was not there before, and is not fine.
    New,
    /// It was not fine, and was not seen again: nothing is known of it.
    Gone,
}

impl Change {
    const fn title(self) -> &'static str {
        match self {
            Self::NewlyBreaks => "Newly breaks",
            Self::WentToCleartext => "Went to cleartext",
            Self::Worse => "At risk now",
            Self::Fixed => "Fixed",
            Self::Better => "Better, not fixed",
            Self::Unclear => "Cannot be judged now",
            Self::New => "New, and not fine",
            Self::Gone => "Not seen again, so nothing is known",
        }
    }

    /// Whether it is for the worse, which the exit code tells.
    pub const fn is_worse(self) -> bool {
        matches!(
            self,
            Self::NewlyBreaks | Self::WentToCleartext | Self::Worse
        )
    }

    const fn look(self) -> Look {
        match self {
            Self::NewlyBreaks => Look::Bad,
            Self::Fixed => Look::Good,
            _ => Look::Warn,
        }
    }
}

/// One device that changed.
#[derive(Clone, Debug, Serialize)]
struct Line {
    change: Change,
    before: Option<Machine>,
    after: Option<Machine>,
}

/// The comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    r#type: &'static str,
    schema: u32,
    /// Policies of both, with the days judged for.
    policies: [String; 2],
    worse: bool,
    unchanged: usize,
    devices: Vec<Line>,
}

impl Diff {
    /// Compares.
    pub fn new(before: &Saved, after: &Saved) -> Self {
        let mut olds: Vec<Option<Machine>> = before.machines().into_iter().map(Some).collect();
        let mut devices = Vec::new();
        let mut unchanged = 0;
        let mut pair =
            |old: Option<Machine>, new: Option<Machine>| match change(old.as_ref(), new.as_ref()) {
                Some(change) => devices.push(Line {
                    change,
                    before: old,
                    after: new,
                }),
                None => unchanged += 1,
            };
        let mut news = Vec::new();
        // The hardware address first: it outlives a lease.
        for new in after.machines() {
            let same_mac = |old: &&mut Option<Machine>| {
                old.as_ref()
                    .is_some_and(|old| old.mac.is_some() && old.mac == new.mac)
            };
            match olds.iter_mut().find(same_mac) {
                Some(old) => pair(old.take(), Some(new)),
                None => news.push(new),
            }
        }
        for new in news {
            let same_address = |old: &&mut Option<Machine>| {
                old.as_ref().is_some_and(|old| {
                    old.address == new.address && (old.mac.is_none() || new.mac.is_none())
                })
            };
            match olds.iter_mut().find(same_address) {
                Some(old) => pair(old.take(), Some(new)),
                None => pair(None, Some(new)),
            }
        }
        for old in olds.into_iter().flatten() {
            pair(Some(old), None);
        }
        let address = |line: &Line| {
            line.after
                .as_ref()
                .or(line.before.as_ref())
                .map(|m| m.address.clone())
        };
        devices.sort_by_cached_key(|line| (line.change, address(line)));
        let policy = |saved: &Saved| match &saved.policy.date {
            Some(date) => format!("{} as on {date}", saved.policy.name),
            None => saved.policy.name.clone(),
        };
        Self {
            r#type: "diff",
            schema: 1,
            policies: [policy(before), policy(after)],
            worse: devices.iter().any(|line: &Line| {
                line.change.is_worse()
                    || line.change == Change::New
                        && line
                            .after
                            .as_ref()
                            .is_some_and(|new| new.rank >= Verdict::GoesCleartext)
            }),
            unchanged,
            devices,
        }
    }

    /// Whether something got worse.
    pub const fn is_worse(&self) -> bool {
        self.worse
    }

    /// Writes it as one JSON object.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        super::json::write_object(self, out)
    }

    /// Writes it for people.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_text(&self, style: &Style, out: &mut dyn Write) -> io::Result<()> {
        let page = &mut Page::new(style, out);
        let of = |change: Change| {
            self.devices
                .iter()
                .filter(move |line| line.change == change)
        };
        let count = |change: Change| of(change).count() as u64;
        let fixed = counted(
            count(Change::Fixed),
            "device was fixed",
            "devices were fixed",
        );
        let (breaks, clear) = (count(Change::NewlyBreaks), count(Change::WentToCleartext));
        let look = if self.worse { Look::Bad } else { Look::Good };
        let breaks = counted(breaks, "newly breaks", "newly break");
        let clear = counted(clear, "went to cleartext", "went to cleartext");
        page.paragraph(
            0,
            look,
            &format!("{fixed}, {breaks}, {clear}; {} as before.", self.unchanged),
        )?;
        let [before, after] = &self.policies;
        if before == after {
            page.paragraph(0, Look::Dim, &escape::for_terminal(before))?;
        } else {
            let line = format!(
                "Judged by different rules or for different days: before by {}, after by {}.",
                escape::for_terminal(before),
                escape::for_terminal(after)
            );
            page.paragraph(0, Look::Warn, &line)?;
        }
        for change in [
            Change::NewlyBreaks,
            Change::WentToCleartext,
            Change::Worse,
            Change::New,
            Change::Unclear,
            Change::Gone,
            Change::Better,
            Change::Fixed,
        ] {
            if count(change) == 0 {
                continue;
            }
            page.blank()?;
            page.line(&[(Look::Heading, change.title().into())])?;
            for line in of(change) {
                device(page, line)?;
            }
        }
        Ok(())
    }
}

fn device(page: &mut Page<'_>, line: &Line) -> io::Result<()> {
    let (Some(machine), ..) = (line.after.as_ref().or(line.before.as_ref()),) else {
        return Ok(());
    };
    let names: Vec<_> = machine
        .names
        .iter()
        .take(2)
        .map(|name| escape::for_terminal(name))
        .collect();
    let mac = machine.mac.as_deref().unwrap_or_default();
    page.line(&[
        (
            line.change.look(),
            format!("  {}", escape::for_terminal(machine.address())),
        ),
        (Look::Strong, format!("  {}", names.join(", "))),
        (Look::Dim, format!("  {}", escape::for_terminal(mac))),
    ])?;
    let side = |machine: &Option<Machine>| match machine {
        None => "not seen".to_owned(),
        Some(machine) => {
            let versions: Vec<_> = machine
                .negotiated
                .iter()
                .map(|v| escape::for_terminal(v))
                .collect();
            let reasons: Vec<_> = machine
                .reasons
                .iter()
                .map(|r| escape::for_terminal(r))
                .collect();
            let mut text = machine.verdict.to_owned();
            if !reasons.is_empty() {
                text.push_str(&format!(" ({})", reasons.join(", ")));
            }
            if !versions.is_empty() {
                text.push_str(&format!(", {}", versions.join(" and ")));
            }
            text
        }
    };
    page.paragraph(
        4,
        Look::Plain,
        &format!("{} -> {}", side(&line.before), side(&line.after)),
    )
}

fn change(old: Option<&Machine>, new: Option<&Machine>) -> Option<Change> {
    match (old, new) {
        (None, None) => None,
        (None, Some(new)) => (new.rank > Verdict::Ok).then_some(Change::New),
        (Some(old), None) => (old.rank > Verdict::Ok).then_some(Change::Gone),
        (Some(old), Some(new)) if new.rank == Verdict::Breaks && old.rank != Verdict::Breaks => {
            Some(Change::NewlyBreaks)
        }
        (Some(old), Some(new)) if new.is_in_the_clear() && !old.is_in_the_clear() => {
            Some(Change::WentToCleartext)
        }
        (Some(old), Some(new)) if new.rank == old.rank => None,
        (Some(old), Some(new)) if new.rank == Verdict::Unknown && old.rank != Verdict::Unknown => {
            Some(Change::Unclear)
        }
        (Some(old), Some(new)) if new.rank > old.rank => Some(Change::Worse),
        (Some(old), Some(new)) if new.rank == Verdict::Ok && old.rank >= Verdict::AtRisk => {
            Some(Change::Fixed)
        }
        (Some(_), Some(_)) => Some(Change::Better),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(devices: &[(&str, Option<&str>, &str, &str)]) -> Saved {
        let devices: Vec<_> = devices
            .iter()
            .map(|(address, mac, verdict, reason)| {
                serde_json::json!({
                    "address": address, "mac": mac, "names": ["n"], "verdict": verdict,
                    "reasons": [reason], "negotiated": {"TLS 1.0": 1}, "flows": 1,
                })
            })
            .collect();
        let text = serde_json::json!({
            "type": "report", "schema": 1, "policy": {"name": "m365", "date": "2026-11-24"}, "devices": devices,
        });
        Saved::read(text.to_string().as_bytes()).expect("it is a report")
    }

    #[test]
    fn every_change_has_its_name() {
        for (before, after, want) in [
            (
                Some(("ok", "")),
                Some(("breaks", "min-version")),
                Some(Change::NewlyBreaks),
            ),
            (Some(("breaks", "x")), Some(("ok", "")), Some(Change::Fixed)),
            (
                Some(("breaks", "x")),
                Some(("at-risk", "cleartext")),
                Some(Change::WentToCleartext),
            ),
            (
                Some(("ok", "")),
                Some(("goes-cleartext", "x")),
                Some(Change::WentToCleartext),
            ),
            (
                Some(("ok", "")),
                Some(("at-risk", "x")),
                Some(Change::Worse),
            ),
            (
                Some(("breaks", "x")),
                Some(("at-risk", "x")),
                Some(Change::Better),
            ),
            (
                Some(("ok", "")),
                Some(("unknown", "x")),
                Some(Change::Unclear),
            ),
            (
                Some(("breaks", "x")),
                Some(("unknown", "x")),
                Some(Change::Unclear),
            ),
            (
                Some(("unknown", "x")),
                Some(("ok", "")),
                Some(Change::Better),
            ),
            (Some(("breaks", "x")), None, Some(Change::Gone)),
            (Some(("ok", "")), None, None),
            (None, Some(("breaks", "x")), Some(Change::New)),
            (None, Some(("ok", "")), None),
            (
                Some(("at-risk", "cleartext")),
                Some(("at-risk", "cleartext")),
                None,
            ),
        ] {
            let side = |side: Option<(&'static str, &'static str)>| {
                report(
                    &side
                        .map(|(verdict, reason)| ("10.0.0.1", None, verdict, reason))
                        .into_iter()
                        .collect::<Vec<_>>(),
                )
            };
            let diff = Diff::new(&side(before), &side(after));
            assert_eq!(
                diff.devices.first().map(|line| line.change),
                want,
                "{before:?} {after:?}"
            );
            let worse = want.is_some_and(|c| c.is_worse() || c == Change::New);
            assert_eq!(diff.is_worse(), worse, "{before:?} {after:?}");
        }
    }

    #[test]
    fn a_device_is_known_again_by_its_hardware() {
        let mac = Some("00:80:77:5a:10:41");
        let before = report(&[
            ("10.0.0.1", mac, "breaks", "x"),
            ("10.0.0.2", None, "ok", ""),
        ]);
        let after = report(&[("10.0.0.2", mac, "ok", ""), ("10.0.0.3", None, "ok", "")]);
        let diff = Diff::new(&before, &after);
        let changes: Vec<_> = diff.devices.iter().map(|line| line.change).collect();
        assert_eq!(changes, [Change::Fixed]);
    }

    #[test]
    fn hostile_reports_stay_inside() {
        assert!(Saved::read(&b"{}"[..]).is_err());
        assert!(Saved::read(&b"[1"[..]).is_err());
        let evil = report(&[("\u{1b}[2J10.0.0.1", None, "breaks", "\u{202e}x")]);
        let diff = Diff::new(&report(&[]), &evil);
        let mut out = Vec::new();
        diff.write_text(&Style::plain(), &mut out).expect("memory");
        diff.write_json(&mut out).expect("memory");
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{202e}'),
            "{text}"
        );
    }
}
