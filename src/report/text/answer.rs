//! The answer, in five lines at the most: who breaks, who goes to cleartext, who has to act.

use std::io;

use super::attention::{Machine, machines};
use super::page::{Look, Page};
use crate::policy::reason;
use crate::record::{Act, SmallMap, Verdict};
use crate::report::Summary;
use crate::report::json::word;
use crate::report::numbers::{counted, grouped};

pub(super) fn answer(
    page: &mut Page<'_>,
    summary: &Summary,
    machines: &[Machine<'_>],
) -> io::Result<()> {
    let (look, line) = headline(summary, machines);
    page.paragraph(0, look, &line)?;
    let breaking: Vec<_> = machines
        .iter()
        .filter(|m| m.verdict() == Verdict::Breaks)
        .collect();
    let acts = |wanted: &dyn Fn(Option<Act>) -> bool| -> Vec<&Machine<'_>> {
        let found = breaking.iter().filter(|m| wanted(m.act()));
        found.copied().collect()
    };
    let clients = acts(&|act| matches!(act, Some(Act::Client | Act::Both)));
    if !clients.is_empty() {
        page.paragraph(2, Look::Plain, &must_change(summary, &clients))?;
    }
    let held_back = acts(&|act| act == Some(Act::Server)).len() as u64;
    if held_back > 0 {
        let servers = summary.tally.servers_that_must_change().len() as u64;
        page.paragraph(
            2,
            Look::Plain,
            &format!(
                "{} held back by {} that chose less than was offered.",
                if held_back == 1 {
                    "1 is".into()
                } else {
                    format!("{} are", grouped(held_back))
                },
                counted(servers, "server", "servers"),
            ),
        )?;
    }
    let nobody = acts(&|act| act.is_none()).len() as u64;
    if nobody > 0 {
        page.paragraph(
            2,
            Look::Plain,
            &format!(
                "Of {}, who must change is not known: the ClientHello was not captured.",
                grouped(nobody)
            ),
        )?;
    }
    Ok(())
}

/// The answer in one sentence, as every form of the report has it.
pub(in crate::report) fn in_one_sentence(summary: &Summary) -> String {
    if summary.tally.flows == 0 {
        return "No TLS was seen.".into();
    }
    headline(summary, &machines(&summary.tally.devices())).1
}

/// "3 of 41 devices break under m365, 1 partner goes to cleartext, 2 cannot be judged."
fn headline(summary: &Summary, machines: &[Machine<'_>]) -> (Look, String) {
    let policy = &*summary.policy.name;
    let of_all = counted(machines.len() as u64, "device", "devices");
    let count = |wanted: &dyn Fn(&Machine<'_>) -> bool| {
        machines.iter().filter(|m| wanted(m)).count() as u64
    };
    let verdict = |verdict| move |m: &Machine<'_>| m.verdict() == verdict;
    let breaking = count(&verdict(Verdict::Breaks));
    let unknown = count(&verdict(Verdict::Unknown));
    let devices = count(&|m| m.verdict() == Verdict::GoesCleartext && m.ours());
    let partners = count(&|m| m.verdict() == Verdict::GoesCleartext && !m.ours());
    let clear = count(&|m| m.verdict() == Verdict::AtRisk && m.is_in_the_clear());
    let at_risk = count(&verdict(Verdict::AtRisk)) - clear;
    let mut parts = Vec::new();
    let mut part = |n: u64, one: &str, many: &str| {
        if n > 0 {
            parts.push(format!(
                "{} {}",
                grouped(n),
                if n == 1 { one } else { many }
            ));
        }
    };
    part(
        devices,
        "device goes to cleartext",
        "devices go to cleartext",
    );
    part(
        partners,
        "partner goes to cleartext",
        "partners go to cleartext",
    );
    part(at_risk, "is at risk", "are at risk");
    part(clear, "speaks without TLS", "speak without TLS");
    part(unknown, "cannot be judged", "cannot be judged");
    if breaking == 0 && parts.is_empty() {
        return (
            Look::Good,
            format!("Nothing breaks under {policy}: {of_all}, all fine."),
        );
    }
    let (look, first) = if breaking == 0 {
        (
            Look::Warn,
            format!("Of {of_all} none is seen to break under {policy}"),
        )
    } else {
        let verb = if breaking == 1 { "breaks" } else { "break" };
        (
            Look::Bad,
            format!("{} of {of_all} {verb} under {policy}", grouped(breaking)),
        )
    };
    parts.insert(0, first);
    (look, format!("{}.", parts.join(", ")))
}

/// "6 must change themselves: 5 offer nothing newer than TLS 1.0, 1 offers no cipher suite that is accepted."
fn must_change(summary: &Summary, clients: &[&Machine<'_>]) -> String {
    let mut causes = SmallMap::<&'static str, u64>::default();
    for machine in clients {
        if let Some(id) = machine.primary_reason(&summary.policy) {
            causes.count(id, usize::MAX);
        }
    }
    let newest = clients
        .iter()
        .filter_map(|m| m.newest_offer_that_is_too_old(&summary.policy))
        .max();
    let all = clients.len() as u64;
    let (old, others): (Vec<_>, Vec<_>) = causes
        .by_count()
        .into_iter()
        .partition(|(id, _)| matches!(**id, reason::MIN_VERSION | reason::MIN_VERSION_OFFER));
    let old: u64 = old.iter().map(|(_, n)| *n).sum();
    let mut parts = Vec::new();
    let number = |n: u64| {
        if n == all {
            String::new()
        } else {
            format!("{} ", grouped(n))
        }
    };
    if old > 0 {
        let verb = if old == 1 { "offers" } else { "offer" };
        let newest = newest.map_or_else(
            || "new enough".to_owned(),
            |v| format!("newer than {}", word(v)),
        );
        parts.push(format!("{}{verb} nothing {newest}", number(old)));
    }
    for (id, n) in others.iter().take(MAX_CAUSES) {
        let says = match (summary.policy.rule(id), reason::says(id)) {
            (None, Some(says)) => says.to_owned(),
            _ => format!("fails of {id}"),
        };
        let says = if *n == 1 { says } else { plural(&says) };
        parts.push(format!("{}{says}", number(*n)));
    }
    if others.len() > MAX_CAUSES {
        parts.push("others for other reasons".into());
    }
    let foreign = clients.iter().filter(|m| !m.ours()).count();
    let foreign = match foreign {
        0 => String::new(),
        n if n == clients.len() && n == 1 => "; it is not ours".into(),
        n if n == clients.len() => "; they are not ours".into(),
        n => format!("; {} of them not ours", grouped(n as u64)),
    };
    let who = if all == 1 {
        "1 must change itself"
    } else {
        "must change themselves"
    };
    let who = if all == 1 {
        who.to_owned()
    } else {
        format!("{} {who}", grouped(all))
    };
    format!("{who}: {}{foreign}.", parts.join(", "))
}

const MAX_CAUSES: usize = 2;

/// The verb that a reason begins with, for several.
fn plural(says: &str) -> String {
    match says.split_once(' ') {
        Some(("does", rest)) => format!("do {rest}"),
        Some((verb, rest)) => format!("{} {rest}", verb.strip_suffix('s').unwrap_or(verb)),
        None => says.to_owned(),
    }
}
