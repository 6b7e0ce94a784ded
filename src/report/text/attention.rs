//! The devices and servers that need attention, worst first, in words.

use std::collections::HashMap;
use std::io;

use foldhash::fast::RandomState;

use super::page::{Look, Page, Piece};
use super::{heading, period};
use crate::policy::reason::{self, CLEARTEXT, UNRANKED_VERSION};
use crate::policy::{Fit, Policy};
use crate::record::{
    Act, Device, DeviceKey, Host, Hours, Mac, Outcome, Peer, PeerKey, Route, Server, SmallMap,
    Verdict, Version,
};
use crate::report::json::{remedy, stack_name, word};
use crate::report::numbers::{counted, grouped};
use crate::report::vendor::vendor;
use crate::report::{Summary, escape};

/// One client with all of its TLS stacks, the worst first.
pub(super) struct Machine<'a> {
    address: Host,
    mac: Option<Mac>,
    /// The worst of its flows.
    verdict: Verdict,
    stacks: Vec<(DeviceKey, &'a Device)>,
}

/// Groups the lines of devices by client; the order stays, so the worst client is first.
pub(super) fn machines<'a>(devices: &[(DeviceKey, &'a Device)]) -> Vec<Machine<'a>> {
    let mut places = HashMap::<_, _, RandomState>::default();
    let mut machines: Vec<Machine<'a>> = Vec::new();
    for (key, device) in devices {
        let place = *places.entry((key.address, key.mac)).or_insert_with(|| {
            machines.push(Machine {
                address: key.address,
                mac: key.mac,
                verdict: device.verdict(),
                stacks: Vec::new(),
            });
            machines.len() - 1
        });
        if let Some(machine) = machines.get_mut(place) {
            machine.verdict = machine.verdict.max(device.verdict());
            machine.stacks.push((*key, device));
        }
    }
    machines
}

impl Machine<'_> {
    /// The worst of its flows.
    pub(super) const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether nothing worse is known of it than that it speaks without TLS.
    pub(super) fn is_in_the_clear(&self) -> bool {
        matches!(self.verdict(), Verdict::AtRisk | Verdict::GoesCleartext)
            && self.worst_stacks().any(|(_, d)| {
                let mut reasons = d.judgements.worst_reasons();
                reasons.any(|reason| reason == CLEARTEXT)
            })
    }

    /// Who has to change for that to go away.
    pub(super) fn act(&self) -> Option<Act> {
        self.worst_stacks()
            .filter_map(|(_, d)| d.judgements.worst_act())
            .reduce(|a, b| if a == b { a } else { Act::Both })
    }

    /// Whether the client is one of ours; one without a route is on a link of ours.
    pub(super) fn ours(&self) -> bool {
        let mut peers = self.stacks.iter().flat_map(|(_, d)| d.peers.iter());
        peers.any(|(_, peer)| matches!(peer.route, None | Some(Route::Outbound | Route::Internal)))
    }

    /// The newest version of a stack that breaks because all of its versions are too old.
    pub(super) fn newest_offer_that_is_too_old(&self, policy: &Policy) -> Option<Version> {
        self.worst_stacks()
            .filter(|(_, d)| {
                let mut ids = d.judgements.worst_reasons();
                ids.any(|id| matches!(id, reason::MIN_VERSION | reason::MIN_VERSION_OFFER))
            })
            .filter_map(|(_, d)| newest(&d.offered))
            .filter(|version| policy.accepts_version(*version) == Some(Fit::TooOld))
            .max()
    }

    /// The reason that decides over its worst flows.
    pub(super) fn primary_reason(&self, policy: &Policy) -> Option<&'static str> {
        self.worst_stacks()
            .find_map(|(_, d)| policy.primary(d.judgements.worst_reasons()))
    }

    fn worst_stacks(&self) -> impl Iterator<Item = &(DeviceKey, &Device)> {
        let worst = self.verdict();
        self.stacks
            .iter()
            .filter(move |(_, d)| d.verdict() == worst)
    }

    fn names(&self) -> String {
        let mut names = SmallMap::<&str, u64>::default();
        for (_, device) in &self.stacks {
            for (name, n) in device.names.iter() {
                if let Some(sum) = names.entry(name, usize::MAX) {
                    *sum += n;
                }
            }
        }
        listed(&names.by_count(), 2)
    }

    fn vlan(&self) -> Option<String> {
        let (_, device) = self.stacks.iter().find(|(_, d)| !d.vlans.is_empty())?;
        let tags = device.vlans.by_count().first()?.0.clone();
        let tags: Vec<_> = tags.iter().map(u16::to_string).collect();
        Some(format!("VLAN {}", tags.join(".")))
    }

    fn worst_flows(&self) -> u64 {
        self.worst_stacks()
            .map(|(_, d)| d.judgements.worst_flows())
            .sum()
    }
}

/// Writes the devices that have to change, those that a server holds back, and those that could not be judged.
pub(super) fn devices(
    page: &mut Page<'_>,
    summary: &Summary,
    machines: &[Machine<'_>],
) -> io::Result<()> {
    let all = |wanted: &dyn Fn(&Machine<'_>) -> bool| -> Vec<&Machine<'_>> {
        machines.iter().filter(|m| wanted(m)).collect()
    };
    let held_back = |m: &Machine<'_>| m.act() == Some(Act::Server);
    let breaks = |m: &Machine<'_>| m.verdict() == Verdict::Breaks;
    for (title, found) in [
        ("Devices that break", all(&|m| breaks(m) && !held_back(m))),
        (
            "Devices that go to cleartext",
            all(&|m| m.verdict() == Verdict::GoesCleartext),
        ),
        (
            "Devices at risk",
            all(&|m| m.verdict() == Verdict::AtRisk && !m.is_in_the_clear()),
        ),
        (
            "Devices that speak without TLS",
            all(&|m| m.verdict() == Verdict::AtRisk && m.is_in_the_clear()),
        ),
    ] {
        if !found.is_empty() {
            heading(page, title)?;
        }
        for (i, machine) in found.iter().take(MAX_DEVICES).enumerate() {
            if i > 0 {
                page.blank()?;
            }
            device(page, summary, machine)?;
        }
        more(page, found.len(), MAX_DEVICES, "device", "devices")?;
    }
    let held_back = all(&|m| breaks(m) && held_back(m));
    let unknown = all(&|m| m.verdict() == Verdict::Unknown);
    if !held_back.is_empty() {
        heading(page, "Devices held back by a server")?;
    }
    for machine in held_back.iter().take(MAX_DEVICES) {
        device_held_back(page, summary, machine)?;
    }
    more(page, held_back.len(), MAX_DEVICES, "device", "devices")?;
    if !unknown.is_empty() {
        heading(page, "Devices that could not be judged")?;
    }
    for machine in unknown.iter().take(MAX_UNKNOWN) {
        unjudged(page, machine)?;
    }
    more(page, unknown.len(), MAX_UNKNOWN, "device", "devices")
}

/// Writes the servers that have to change.
pub(super) fn servers(page: &mut Page<'_>, summary: &Summary) -> io::Result<()> {
    let servers = summary.tally.servers_that_must_change();
    if servers.is_empty() {
        return Ok(());
    }
    heading(page, "Servers that must change")?;
    for (key, server) in servers.iter().take(MAX_SERVERS) {
        page.line(&[
            (Look::Bad, format!("  {}", key.address.with_port(key.port))),
            (Look::Strong, spaced(&listed(&server.snis.by_count(), 2))),
            (Look::Plain, spaced(&services(server))),
            (
                Look::Dim,
                spaced(if server.ours { "ours" } else { "not ours" }),
            ),
        ])?;
        page.paragraph(4, Look::Plain, &server_sentence(summary, server))?;
    }
    more(page, servers.len(), MAX_SERVERS, "server", "servers")
}

/// Devices written out in full; the files have all.
const MAX_DEVICES: usize = 50;
/// Devices listed that could not be judged.
const MAX_UNKNOWN: usize = 10;
/// Servers listed.
const MAX_SERVERS: usize = 30;
/// Servers shown of one device.
const MAX_PEERS: usize = 3;

/// The client's address and all that helps to find it.
fn header(machine: &Machine<'_>) -> Vec<Piece> {
    let mut pieces = vec![
        (Look::Bad, format!("  {}", word(machine.address))),
        (Look::Strong, spaced(&machine.names())),
    ];
    pieces.extend(machine.vlan().map(|vlan| (Look::Plain, spaced(&vlan))));
    if let Some(mac) = machine.mac {
        if machine.address != Host::Mac(mac) {
            pieces.push((Look::Dim, spaced(&word(mac))));
        }
        if let Some(vendor) = vendor(mac) {
            pieces.push((Look::Dim, format!(" ({})", escape::for_terminal(vendor))));
        }
    }
    if !machine.ours() {
        pieces.push((Look::Dim, spaced("not ours")));
    }
    pieces
}

fn device(page: &mut Page<'_>, summary: &Summary, machine: &Machine<'_>) -> io::Result<()> {
    page.line(&header(machine))?;
    for (key, device) in machine.worst_stacks() {
        if machine.stacks.len() > 1
            && let Some(name) = stack_name(key, device)
        {
            let line = format!(
                "    TLS stack {}, one of {}:",
                escape::for_terminal(&name),
                grouped(machine.stacks.len() as u64)
            );
            page.line(&[(Look::Dim, line)])?;
        }
        stack(page, summary, machine, device)?;
    }
    others(page, machine)?;
    seen(page, summary, machine)
}

/// What is known of the device's other flows.
fn others(page: &mut Page<'_>, machine: &Machine<'_>) -> io::Result<()> {
    for (verdict, one, many) in [
        (
            Verdict::GoesCleartext,
            "goes to cleartext",
            "go to cleartext",
        ),
        (Verdict::AtRisk, "is at risk", "are at risk"),
        (Verdict::Ok, "is not affected", "are not affected"),
        (
            Verdict::Unknown,
            "could not be judged",
            "could not be judged",
        ),
    ] {
        let flows: u64 = machine
            .stacks
            .iter()
            .filter_map(|(_, d)| d.judgements.verdicts.get(&verdict))
            .sum();
        if flows > 0 && verdict < machine.verdict() {
            let fate = if flows == 1 { one } else { many };
            let flows = counted(flows, "other flow", "other flows");
            let with = if verdict == Verdict::Ok || verdict == Verdict::Unknown {
                String::new()
            } else {
                peers_of(machine, verdict)
            };
            page.paragraph(4, Look::Dim, &format!("{flows} {fate}{with}."))?;
        }
    }
    Ok(())
}

/// With whom the machine has flows of this verdict: ": mx.example (192.0.2.1:25) and 2 more".
fn peers_of(machine: &Machine<'_>, verdict: Verdict) -> String {
    let peers = machine.stacks.iter().flat_map(|(_, d)| d.peers.iter());
    let mut names: Vec<_> = peers
        .filter(|(_, peer)| peer.judgements.verdicts.get(&verdict).is_some())
        .map(|(key, _)| server_name(key))
        .collect();
    names.sort_unstable();
    names.dedup();
    let rest = names.len().saturating_sub(MAX_PEERS);
    names.truncate(MAX_PEERS);
    let more = if rest > 0 {
        format!(" and {} more", grouped(rest as u64))
    } else {
        String::new()
    };
    format!(": {}{more}", names.join(", "))
}

/// When the device was there to be found.
fn seen(page: &mut Page<'_>, summary: &Summary, machine: &Machine<'_>) -> io::Result<()> {
    let stacks = || machine.worst_stacks().map(|(_, d)| d);
    let first = stacks().map(|d| d.first_seen).min();
    let last = stacks().map(|d| d.last_seen).max();
    let capture = summary.first_packet().zip(summary.last_packet());
    if let (Some(first), Some(last), Some((from, to))) = (first, last, capture)
        // In a short capture the hours say nothing.
        && to.since_ns(from) >= HOUR_NS
    {
        let mut hours = Hours::default();
        for stack in stacks() {
            hours.merge(stack.hours.clone());
        }
        let mut all = Hours::default();
        all.insert(from, to, 1);
        let line = format!(
            "Seen {}, in {} of the capture's {} hours.",
            period(first, last),
            grouped(hours.len()),
            grouped(all.len())
        );
        page.paragraph(4, Look::Dim, &line)?;
    }
    Ok(())
}

/// A device that has nothing to change itself: one line for it, one for each server.
fn device_held_back(
    page: &mut Page<'_>,
    summary: &Summary,
    machine: &Machine<'_>,
) -> io::Result<()> {
    page.line(&header(machine))?;
    for (_, device) in machine.worst_stacks() {
        peers(page, summary, &worst_peers(device))?;
    }
    let has_retried = |device: &Device| {
        let mut reasons = device.judgements.worst_reasons();
        reasons.any(|reason| reason == reason::FALLBACK_RETRY)
    };
    if machine.worst_stacks().any(|(_, d)| has_retried(d)) {
        let line = "It came again with a lower version after a newer one had failed.";
        page.paragraph(4, Look::Plain, line)?;
    }
    Ok(())
}

const HOUR_NS: u64 = 3_600_000_000_000;

/// The servers with which a stack has its worst flows.
fn worst_peers(device: &Device) -> Vec<(&PeerKey, &Peer)> {
    let mut peers = device.peers_by_weight();
    peers.retain(|(_, p)| p.judgements.worst() == Some(device.verdict()));
    peers
}

fn peers(page: &mut Page<'_>, summary: &Summary, worst: &[(&PeerKey, &Peer)]) -> io::Result<()> {
    for (key, peer) in worst.iter().take(MAX_PEERS) {
        let service = key.service.map_or_else(String::new, |s| format!("{s} "));
        let flows = counted(
            peer.judgements.worst_flows(),
            &format!("{service}flow"),
            &format!("{service}flows"),
        );
        let (look, how) = how(summary, peer);
        page.line(&[
            (Look::Plain, format!("    {flows}: ")),
            (look, how),
            (Look::Plain, format!(" {}", server_name(key))),
            (Look::Dim, spaced(peer.role.as_deref().unwrap_or_default())),
        ])?;
    }
    match worst.len().checked_sub(MAX_PEERS) {
        None | Some(0) => Ok(()),
        Some(rest) => {
            let rest = counted(rest as u64, "more server", "more servers");
            page.line(&[(Look::Dim, format!("    and the same with {rest}"))])
        }
    }
}

/// What a stack does with its worst servers, and what has to be done about it.
fn stack(
    page: &mut Page<'_>,
    summary: &Summary,
    machine: &Machine<'_>,
    device: &Device,
) -> io::Result<()> {
    let worst = worst_peers(device);
    peers(page, summary, &worst)?;
    let mut said: Vec<String> = Vec::new();
    for (_, peer) in &worst {
        let sentence = sentence(summary, machine, device, peer);
        if !said.iter().any(|text| text.starts_with(&sentence)) && said.len() < MAX_PEERS {
            page.paragraph(4, Look::Plain, &sentence)?;
            said.push(sentence);
        }
    }
    if let Some(remedy) = remedy(&summary.policy, &device.judgements) {
        page.paragraph(4, Look::Dim, &remedy)?;
    }
    Ok(())
}

/// Who has to change, and why.
fn sentence(summary: &Summary, machine: &Machine<'_>, device: &Device, peer: &Peer) -> String {
    let judgements = &peer.judgements;
    let server_is_ours = matches!(peer.route, None | Some(Route::Inbound | Route::Internal));
    let offered = newest(&device.offered).map_or_else(|| "nothing known".into(), word);
    let has = |id: &str| judgements.worst_reasons().any(|reason| reason == id);
    let primary = summary.policy.primary(judgements.worst_reasons());
    let mut text = match (primary, judgements.worst_act()) {
        (Some(reason::CLEARTEXT), None) => {
            let asked = match judgements.worst() {
                Some(Verdict::GoesCleartext) => {
                    "TLS was asked for and not had; it went on without. "
                }
                _ => "",
            };
            let what = if has(reason::CLEARTEXT_CREDENTIALS) {
                "Passwords or tokens"
            } else {
                "Its words"
            };
            return format!("{asked}{what} can be read on the way.");
        }
        (None, None) => {
            return "Who must change is not known: the ClientHello was not captured.".into();
        }
        (Some(reason::MIN_VERSION), None) => {
            "Who must change is not known: the ClientHello was not captured.".into()
        }
        (_, Some(Act::Server)) if has(reason::MIN_VERSION) => {
            let who = if server_is_ours {
                "Our server must change"
            } else {
                "The other side must change its server"
            };
            format!("{who}: {offered} was offered.")
        }
        (Some(id), act) => {
            let who = match act {
                Some(Act::Server) if server_is_ours => "Our server must change: ",
                Some(Act::Server) => "The other side must change its server: ",
                _ if summary.policy.rule(id).is_some() => "",
                None => "",
                _ if machine.ours() => "This device must change: ",
                _ => "Its owner must change this client: ",
            };
            let what = match (id, summary.policy.rule(id), reason::says(id)) {
                (reason::MIN_VERSION | reason::MIN_VERSION_OFFER, ..) => {
                    format!("it offers nothing newer than {offered}")
                }
                (_, Some(rule), _) => rule
                    .says
                    .as_deref()
                    .unwrap_or(id)
                    .trim_end_matches('.')
                    .to_owned(),
                (_, None, Some(says)) => format!("it {says}"),
                _ => id.to_owned(),
            };
            let both = if act == Some(Act::Both) {
                "; the server must change too"
            } else {
                ""
            };
            format!("{who}{what}{both}.")
        }
        (None, _) => String::new(),
    };
    for id in [
        reason::OPPORTUNISTIC_ASSUMED,
        reason::MAY_GO_CLEARTEXT,
        reason::NOT_YET_IN_FORCE,
    ] {
        if has(id)
            && let Some(says) = reason::says(id)
        {
            text.push_str(&format!(" It {says}."));
        }
    }
    text
}

fn unjudged(page: &mut Page<'_>, machine: &Machine<'_>) -> io::Result<()> {
    let mut why = SmallMap::<&str, u64>::default();
    let mut peers = SmallMap::<String, u64>::default();
    for (_, device) in machine.worst_stacks() {
        for ((verdict, reason), n) in device.judgements.reasons.iter() {
            if *verdict == Verdict::Unknown
                && let Some(sum) = why.entry(in_words(reason), usize::MAX)
            {
                *sum += n;
            }
        }
        for (key, peer) in device.peers.iter() {
            if peer.judgements.worst() == Some(Verdict::Unknown)
                && let Some(sum) = peers.entry(server_name(key), usize::MAX)
            {
                *sum += peer.flows();
            }
        }
    }
    let why = listed(&why.by_count(), 2);
    let flows = counted(machine.worst_flows(), "flow", "flows");
    page.line(&[
        (Look::Warn, format!("  {}", word(machine.address))),
        (Look::Strong, spaced(&machine.names())),
        (Look::Plain, format!("  {flows} {why}")),
        (Look::Dim, format!(": {}", listed(&peers.by_count(), 1))),
    ])
}

/// Reasons why a flow could not be judged, in words.
fn in_words(reason: &str) -> &str {
    match reason {
        "refused-by-server" => "refused by the server",
        "refused-by-client" => "broken off by the client",
        "not-answered" => "not answered",
        "one-direction" => "seen in one direction",
        "joined-mid-stream" => "begun before the capture",
        "cleartext" => "without TLS",
        "not-seen" => "without a captured hello",
        "version-not-seen" => "without a captured version",
        UNRANKED_VERSION => "with a version of no standard",
        other => other,
    }
}

fn server_sentence(summary: &Summary, server: &Server) -> String {
    let chosen: Vec<String> = server
        .negotiated
        .by_count()
        .into_iter()
        .take(4)
        .map(|(version, n)| {
            let version = version.map_or_else(|| "no TLS".into(), word);
            format!("{version} in {}", counted(n, "flow", "flows"))
        })
        .collect();
    let more = if server.flows_of_other_clients > 0 {
        "more than "
    } else {
        ""
    };
    let clients = counted(server.clients.len() as u64, "client", "clients");
    let can = newest(&server.negotiated)
        .filter(|v| summary.policy.accepts_version(*v) == Some(Fit::Good))
        .map_or_else(String::new, |v| {
            format!(" It can do {}: see why it does not always.", word(v))
        });
    format!("Chose {}, for {more}{clients}.{can}", chosen.join(", "))
}

/// What the flows of the worst verdict came to, in words that the server's name follows.
fn how(summary: &Summary, peer: &Peer) -> (Look, String) {
    let versions = peer.negotiated.iter().filter_map(|(v, _)| *v);
    let rejected: Vec<_> = versions
        .filter(|v| summary.policy.accepts_version(*v) == Some(Fit::TooOld))
        .map(word)
        .collect();
    let seen: Vec<_> = peer
        .negotiated
        .iter()
        .filter_map(|(v, _)| v.map(word))
        .collect();
    let words = match (rejected.is_empty(), peer.outcomes.by_count().first()) {
        (false, _) => return (Look::Bad, format!("{} with", rejected.join(" and "))),
        (true, Some((Outcome::Negotiated, _))) if !seen.is_empty() => {
            return (Look::Plain, format!("{} with", seen.join(" and ")));
        }
        (true, Some((Outcome::RefusedByServer, _))) => "refused by",
        (true, Some((Outcome::RefusedByClient, _))) => "broken off with",
        (true, Some((Outcome::NoAnswer, _))) => "no answer from",
        (true, Some((Outcome::Cleartext, _))) => "in the clear with",
        _ => "with",
    };
    (Look::Warn, words.into())
}

/// The name that was asked for with the address, or the address alone.
fn server_name(key: &PeerKey) -> String {
    let address = key.address.with_port(key.port);
    match &key.sni {
        Some(name) => format!("{} ({address})", escape::for_terminal(name)),
        None => address,
    }
}

fn services(server: &Server) -> String {
    let known: Vec<_> = server
        .services
        .by_count()
        .into_iter()
        .filter_map(|(s, _)| *s)
        .collect();
    known.join(", ")
}

/// The newest version, by age.
fn newest(versions: &SmallMap<Option<Version>, u64>) -> Option<Version> {
    versions.iter().filter_map(|(v, _)| *v).max()
}

/// The first names and how many there are besides, safe for the terminal.
fn listed<S: AsRef<str>>(names: &[(&S, u64)], most: usize) -> String {
    let shown: Vec<_> = names
        .iter()
        .take(most)
        .map(|(name, _)| escape::for_terminal(name.as_ref()))
        .collect();
    let mut text = shown.join(", ");
    if names.len() > most {
        text.push_str(&format!(" +{}", grouped((names.len() - most) as u64)));
    }
    text
}

fn spaced(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("  {text}")
    }
}

fn more(page: &mut Page<'_>, count: usize, shown: usize, one: &str, many: &str) -> io::Result<()> {
    match count.checked_sub(shown) {
        None | Some(0) => Ok(()),
        Some(rest) => {
            let rest = counted(rest as u64, one, many);
            let line = format!("and {rest} more; --report FILE.json or FILE.csv lists all of them");
            page.paragraph(2, Look::Dim, &line)
        }
    }
}
