//! The report as one JSON object.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;

use super::text::answer::in_one_sentence;
use super::vendor::vendor;
use super::{Blind, Summary, escape};
use crate::hello::Offer;
use crate::hello::registry::CipherSuite;
use crate::policy::Policy;
use crate::policy::simulate::Chosen;
use crate::record::{
    Connector, ConnectorKey, Device, DeviceKey, Evidence, Host, Judgements, Peer, PeerKey, Server,
    ServerKey, SmallMap, Verdict, Word,
};
use crate::time::Timestamp;

/// Writes the report, indented, keys in the contract's order, lists in a fixed order.
///
/// # Errors
/// Those of `out`.
pub fn write_json(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    write_object(&report(summary), out)
}

/// Writes anything as one JSON object that is safe to show on a terminal.
pub(super) fn write_object(object: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut safe = Escaping(out);
    serde_json::to_writer_pretty(&mut safe, object).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// Escapes what serde_json leaves alone.
struct Escaping<'a>(&'a mut dyn Write);

impl Write for Escaping<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        // serde_json writes whole pieces of strings.
        let text = str::from_utf8(piece).map_err(io::Error::other)?;
        if text.is_ascii() && !text.contains('\u{7f}') {
            self.0.write_all(piece)?;
        } else {
            let mut safe = Vec::with_capacity(piece.len() + 16);
            escape::json_document(&mut safe, text);
            self.0.write_all(&safe)?;
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A list made while it is written, so that a hundred thousand devices are never in memory twice.
struct Lazily<F>(F);

impl<I: Iterator<Item: Serialize>, F: Fn() -> I> Serialize for Lazily<F> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// Servers of a device that are listed one by one.
const MAX_SERVERS_OF_A_DEVICE: usize = 100;
/// Names that are listed of a device or server.
const MAX_NAMES: usize = 16;
/// Hours listed of a device: two months.
const MAX_HOURS: usize = 1_488;

type Counts = serde_json::Map<String, serde_json::Value>;

#[derive(Serialize)]
pub(super) struct Report<'a, D, S> {
    r#type: &'static str,
    schema: u32,
    answer: String,
    version: &'static str,
    cut_short: bool,
    inputs: Vec<InputJson<'a>>,
    policy: PolicyJson<'a>,
    totals: Totals,
    verdicts_by_service: BTreeMap<&'static str, Counts>,
    hours: Vec<Counts>,
    connectors: Vec<ConnectorJson>,
    sessions_of_connectors_not_listed: u64,
    rules: BTreeMap<&'static str, RuleJson<'a>>,
    devices: D,
    servers: S,
    visibility: Counts,
    /// Of a live capture that lost packets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    drops_by_second: Vec<DropsJson>,
    handshake_us: BTreeMap<&'static str, Times>,
}

#[derive(Serialize)]
struct DropsJson {
    second: String,
    kernel: u64,
    interface: u64,
    queue: u64,
}

#[derive(Serialize)]
struct InputJson<'a> {
    name: &'a str,
    packets: u64,
    bytes: u64,
    first_packet: Option<String>,
    last_packet: Option<String>,
    /// Of a live capture whose bulk data stayed in the kernel: packets besides `packets`.
    #[serde(skip_serializing_if = "is_zero")]
    shunted_packets: u64,
    #[serde(skip_serializing_if = "is_zero")]
    shunted_bytes: u64,
    damage: Option<&'a str>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Serialize)]
struct PolicyJson<'a> {
    name: &'a str,
    title: &'a str,
    /// The day that the verdicts are for.
    date: Option<String>,
    sources: Vec<SourceJson<'a>>,
}

#[derive(Serialize)]
struct SourceJson<'a> {
    url: &'a str,
    title: &'a str,
    date: Option<&'a str>,
}

/// What stands behind a reason.
#[derive(Serialize)]
struct RuleJson<'a> {
    says: Cow<'a, str>,
    citation: Option<&'a str>,
    remedy_client: Option<&'a str>,
    remedy_server: Option<&'a str>,
}

/// A mail route.
#[derive(Serialize)]
struct ConnectorJson {
    route: &'static str,
    role: Option<String>,
    service: &'static str,
    server: String,
    address: String,
    port: u16,
    sessions: u64,
    bytes: u64,
    sessions_by_version: Counts,
    bytes_by_version: Counts,
    tls: &'static str,
    mutual_tls: Counts,
    devices: Vec<String>,
    devices_not_listed: usize,
    sessions_of_devices_not_counted: u64,
}

/// A flow that shows why.
#[derive(Serialize)]
pub(super) struct EvidenceJson {
    flow_id: String,
    first_packet: u64,
    first_seen: String,
    last_seen: String,
    server: Option<String>,
    port: Option<u16>,
    sni: Option<String>,
    service: Option<&'static str>,
    upgrade: Option<&'static str>,
    outcome: &'static str,
    cause: Option<String>,
    negotiated: Option<String>,
    cipher_suite: Option<String>,
    verdict: &'static str,
    reasons: Vec<&'static str>,
    act: Option<&'static str>,
    predicted: Option<String>,
    offer: Option<OfferJson>,
}

#[derive(Serialize)]
struct OfferJson {
    versions: Vec<String>,
    cipher_suites: Vec<String>,
    named_groups: Option<Vec<String>>,
    signature_algorithms: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Totals {
    flows: u64,
    /// Clients; each of their TLS stacks has an entry of its own in `devices`.
    devices: usize,
    stacks: usize,
    servers: usize,
    negotiated_version: Counts,
    outcome: Counts,
    verdict: Counts,
    service: Counts,
    upgrade: Counts,
}

#[derive(Serialize)]
pub(super) struct DeviceJson {
    pub(super) address: Option<String>,
    pub(super) mac: Option<String>,
    pub(super) vendor: Option<&'static str>,
    pub(super) names: Vec<String>,
    pub(super) vlan: Vec<Vec<u16>>,
    pub(super) stack: Option<String>,
    pub(super) ja4: Vec<String>,
    pub(super) ja3: Vec<String>,
    pub(super) services: Counts,
    pub(super) servers: Vec<PeerJson>,
    pub(super) servers_not_listed: usize,
    pub(super) flows_with_servers_not_listed: u64,
    pub(super) offered_max: Counts,
    pub(super) negotiated: Counts,
    pub(super) verdict: &'static str,
    pub(super) reasons: Vec<&'static str>,
    pub(super) act: Option<&'static str>,
    pub(super) flows: u64,
    pub(super) flows_by_verdict: Counts,
    pub(super) first_seen: String,
    pub(super) last_seen: String,
    pub(super) hours: Vec<String>,
    pub(super) remedy: Option<String>,
    pub(super) predicted: Counts,
    pub(super) evidence: Vec<EvidenceJson>,
}

#[derive(Serialize)]
pub(super) struct PeerJson {
    pub(super) address: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) sni: Option<String>,
    pub(super) service: Option<&'static str>,
    pub(super) role: Option<String>,
    pub(super) route: Option<&'static str>,
    pub(super) flows: u64,
    pub(super) negotiated: Counts,
    pub(super) outcome: Counts,
    pub(super) verdict: Option<&'static str>,
    pub(super) reasons: Vec<&'static str>,
    pub(super) act: Option<&'static str>,
}

#[derive(Serialize)]
struct ServerJson {
    address: Option<String>,
    port: Option<u16>,
    ours: bool,
    names: Vec<String>,
    banners: Vec<String>,
    services: Counts,
    flows: u64,
    clients: usize,
    flows_of_clients_not_counted: u64,
    negotiated: Counts,
    must_change: bool,
    verdict: Option<&'static str>,
    reasons: Vec<&'static str>,
    act: Option<&'static str>,
}

#[derive(Serialize)]
struct Times {
    flows: u64,
    p50: u64,
    p90: u64,
    p99: u64,
    max: u64,
}

pub(super) fn report(summary: &Summary) -> Report<'_, impl Serialize, impl Serialize> {
    let tally = &summary.tally;
    let devices = tally.devices();
    let servers = tally.servers();
    Report {
        r#type: "report",
        schema: 1,
        answer: in_one_sentence(summary),
        version: env!("CARGO_PKG_VERSION"),
        cut_short: summary.cut_short,
        inputs: summary
            .inputs
            .iter()
            .map(|input| InputJson {
                name: &input.name,
                packets: input.packets,
                bytes: input.bytes,
                first_packet: input.first_packet.map(time),
                last_packet: input.last_packet.map(time),
                shunted_packets: input.stayed.packets,
                shunted_bytes: input.stayed.bytes,
                damage: input.damage.as_deref(),
            })
            .collect(),
        policy: PolicyJson {
            name: &summary.policy.name,
            title: &summary.policy.title,
            date: summary
                .judged_at()
                .map(|at| at.to_string().chars().take(10).collect()),
            sources: summary
                .policy
                .sources
                .iter()
                .map(|source| SourceJson {
                    url: &source.url,
                    title: &source.title,
                    date: source.date.as_deref(),
                })
                .collect(),
        },
        totals: Totals {
            flows: tally.flows,
            devices: devices
                .iter()
                .map(|(key, _)| (key.address, key.mac))
                .collect::<BTreeSet<_>>()
                .len(),
            stacks: devices.len(),
            servers: servers.len(),
            negotiated_version: counts(&tally.negotiated, |v| v.map(word)),
            outcome: counts(&tally.outcomes, |o| Some(o.name().into())),
            verdict: counts(&tally.verdicts, |v| Some(v.name().into())),
            service: counts(&tally.services, |s| s.map(Into::into)),
            upgrade: counts(&tally.upgrades, |u| u.map(|u| u.name().into())),
        },
        verdicts_by_service: verdicts_by_service(summary),
        hours: hours(summary),
        connectors: connectors(summary),
        sessions_of_connectors_not_listed: tally.sessions_of_unlisted_connectors,
        rules: rules(summary, &devices, &servers),
        devices: Lazily(move || {
            devices
                .clone()
                .into_iter()
                .map(|(key, d)| device(&summary.policy, &key, d))
        }),
        servers: Lazily(move || {
            servers
                .clone()
                .into_iter()
                .map(|(key, s)| server(&summary.policy, &key, s))
        }),
        visibility: visibility(summary),
        drops_by_second: summary
            .drops_by_second
            .iter()
            .map(|(second, drops)| DropsJson {
                second: time(Timestamp(second.saturating_mul(1_000_000_000))),
                kernel: drops.kernel,
                interface: drops.interface,
                queue: drops.queue,
            })
            .collect(),
        handshake_us: tally
            .hello_us()
            .map(|(service, times)| {
                let times = Times {
                    flows: times.count(),
                    p50: times.quantile(0.5),
                    p90: times.quantile(0.9),
                    p99: times.quantile(0.99),
                    max: times.max(),
                };
                (service.unwrap_or(NONE), times)
            })
            .collect(),
    }
}

/// Every reason that occurs, explained.
fn rules<'a>(
    summary: &'a Summary,
    devices: &[(DeviceKey, &Device)],
    servers: &[(ServerKey, &Server)],
) -> BTreeMap<&'static str, RuleJson<'a>> {
    let of_devices = devices.iter().map(|(_, d)| &d.judgements);
    let judgements = of_devices.chain(servers.iter().map(|(_, s)| &s.judgements));
    let ids: BTreeSet<_> = judgements
        .flat_map(|j| j.reasons.iter().map(|((_, id), _)| *id))
        .collect();
    let explained = |id: &'static str| {
        let explanation = summary.policy.explain(id);
        let rule = RuleJson {
            says: explanation.says,
            citation: explanation.citation,
            remedy_client: explanation.remedy_client,
            remedy_server: explanation.remedy_server,
        };
        (id, rule)
    };
    ids.into_iter().map(explained).collect()
}

fn verdicts_by_service(summary: &Summary) -> BTreeMap<&'static str, Counts> {
    let mut all = BTreeMap::<_, Counts>::new();
    for ((service, verdict), n) in summary.tally.verdicts_by_service.iter() {
        let of_service = all.entry(service.unwrap_or(NONE)).or_default();
        of_service.insert(verdict.name().into(), (*n).into());
    }
    all
}

/// The hours of the capture, each with its flows by verdict.
fn hours(summary: &Summary) -> Vec<Counts> {
    let mut all = BTreeMap::<u64, [u64; Verdict::ALL.len()]>::new();
    for ((hour, verdict), n) in summary.tally.verdicts_by_hour.iter() {
        if let Some(sum) = all.entry(*hour).or_default().get_mut(*verdict as usize) {
            *sum += n;
        }
    }
    let line = |(hour, flows): (u64, [u64; Verdict::ALL.len()])| {
        let mut line = Counts::new();
        line.insert(
            "hour".into(),
            time(Timestamp(hour.saturating_mul(3_600_000_000_000))).into(),
        );
        line.insert("flows".into(), flows.iter().sum::<u64>().into());
        for (verdict, n) in Verdict::ALL.iter().zip(flows) {
            line.insert(verdict.name().into(), n.into());
        }
        line
    };
    all.into_iter().map(line).collect()
}

fn connectors(summary: &Summary) -> Vec<ConnectorJson> {
    let mut all: Vec<_> = summary.tally.connectors.iter().collect();
    all.sort_by(|(a_key, a), (b_key, b)| {
        b.sessions.cmp(&a.sessions).then_with(|| a_key.cmp(b_key))
    });
    all.into_iter().map(|(key, c)| connector(key, c)).collect()
}

fn connector(key: &ConnectorKey, connector: &Connector) -> ConnectorJson {
    let by_version = |pick: &dyn Fn(&(u64, u64)) -> u64| {
        let mut counts = Counts::new();
        for (version, sums) in connector.versions.iter() {
            counts.insert(
                version.map_or_else(|| "not known".into(), word),
                pick(sums).into(),
            );
        }
        if connector.in_the_clear.0 > 0 {
            counts.insert("in the clear".into(), pick(&connector.in_the_clear).into());
        }
        counts
    };
    let name = connector
        .names
        .by_count()
        .first()
        .map(|(name, _)| String::from(&***name));
    ConnectorJson {
        route: key.route.name(),
        role: key.role.as_deref().map(Into::into),
        service: key.service,
        server: name.unwrap_or_else(|| word(key.address)),
        address: word(key.address),
        port: key.port,
        sessions: connector.sessions,
        bytes: connector.bytes,
        sessions_by_version: by_version(&|sums| sums.0),
        bytes_by_version: by_version(&|sums| sums.1),
        tls: connector.insistence(),
        mutual_tls: counts(&connector.client_certificates, |c| {
            Some(c.map_or("not seen", |c| c.name()).into())
        }),
        devices: names(&connector.devices),
        devices_not_listed: connector.devices.len().saturating_sub(MAX_NAMES),
        sessions_of_devices_not_counted: connector.sessions_of_other_devices,
    }
}

/// "TLS 1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".
pub(super) fn predicted(chosen: Chosen) -> String {
    let retry = if chosen.hello_retry {
        ", after a HelloRetryRequest"
    } else {
        ""
    };
    format!(
        "{} {}{retry}",
        chosen.version(),
        CipherSuite(chosen.cipher_suite)
    )
}

/// Each offer stands once in a device, and only where something is to be proved: it is by far the longest part.
fn evidences(device: &Device) -> Vec<EvidenceJson> {
    let mut shown: Vec<&Offer> = Vec::new();
    let each = device.evidence.iter().map(|flow| {
        let offer = flow.offer.as_deref();
        let offer = offer.filter(|offer| flow.verdict != Verdict::Ok && !shown.contains(offer));
        shown.extend(offer);
        evidence(flow, offer)
    });
    each.collect()
}

fn evidence(flow: &Evidence, offer: Option<&Offer>) -> EvidenceJson {
    fn list<T: ToString>(numbers: &[T]) -> Vec<String> {
        numbers.iter().map(T::to_string).collect()
    }
    EvidenceJson {
        flow_id: format!("{:016x}", flow.flow_id),
        first_packet: flow.first_packet,
        first_seen: time(flow.first_seen),
        last_seen: time(flow.last_seen),
        server: known_address(flow.server),
        port: flow.server_port,
        sni: flow.sni.as_deref().map(Into::into),
        service: flow.service,
        upgrade: flow.upgrade.map(|u| u.name()),
        outcome: flow.outcome.name(),
        cause: flow.cause.map(|c| c.to_string()),
        negotiated: flow.negotiated.map(word),
        cipher_suite: flow.cipher_suite.map(|s| s.to_string()),
        verdict: flow.verdict.name(),
        reasons: flow.reasons.clone(),
        act: flow.act.map(|a| a.name()),
        predicted: flow.predicted.map(predicted),
        offer: offer.map(|offer| OfferJson {
            versions: list(&offer.versions),
            cipher_suites: list(&offer.cipher_suites),
            named_groups: offer.named_groups.as_deref().map(list),
            signature_algorithms: offer.signature_algorithms.as_deref().map(list),
        }),
    }
}

/// The first of the worst reasons that something can be done about, and what.
pub(super) fn remedy(policy: &Policy, judgements: &Judgements) -> Option<String> {
    let act = judgements.worst_act();
    let primary = policy.primary(judgements.worst_reasons());
    primary
        .into_iter()
        .chain(judgements.worst_reasons())
        .find_map(|id| policy.remedy(id, act))
        .map(Into::into)
}

pub(super) fn device(policy: &Policy, key: &DeviceKey, device: &Device) -> DeviceJson {
    let peers = device.peers_by_weight();
    let mut services = SmallMap::<_, u64>::default();
    for (key, peer) in &peers {
        if let Some(n) = services.entry(key.service, usize::MAX) {
            *n += peer.flows();
        }
    }
    let judgements = &device.judgements;
    DeviceJson {
        address: known_address(key.address),
        mac: key.mac.map(word),
        vendor: key.mac.and_then(vendor),
        names: names(&device.names),
        vlan: device
            .vlans
            .by_count()
            .iter()
            .map(|(v, _)| (*v).clone())
            .collect(),
        stack: stack_name(key, device),
        ja4: names(&device.ja4),
        ja3: names(&device.ja3),
        services: counts(&services, |s| s.map(Into::into)),
        servers: peers
            .iter()
            .take(MAX_SERVERS_OF_A_DEVICE)
            .map(|(key, p)| peer(policy, key, p))
            .collect(),
        servers_not_listed: peers.len().saturating_sub(MAX_SERVERS_OF_A_DEVICE),
        flows_with_servers_not_listed: device.flows_with_other_peers
            + peers
                .iter()
                .skip(MAX_SERVERS_OF_A_DEVICE)
                .map(|(_, p)| p.flows())
                .sum::<u64>(),
        offered_max: counts(&device.offered, |v| v.map(word)),
        negotiated: counts(&device.negotiated, |v| v.map(word)),
        verdict: device.verdict().name(),
        reasons: reasons(policy, judgements),
        act: judgements.worst_act().map(|a| a.name()),
        flows: device.flows,
        flows_by_verdict: flows_by_verdict(judgements),
        first_seen: time(device.first_seen),
        last_seen: time(device.last_seen),
        hours: device.hours.iter().take(MAX_HOURS).map(time).collect(),
        remedy: remedy(policy, judgements),
        predicted: counts(&device.predicted, |chosen| Some(predicted(*chosen))),
        evidence: evidences(device),
    }
}

/// The stack's name: its most frequent JA4, else JA3, else a hash of ours over what it offers.
pub(super) fn stack_name(key: &DeviceKey, device: &Device) -> Option<String> {
    let most = |prints: &SmallMap<Arc<str>, u64>| {
        let by_count = prints.by_count();
        by_count.first().map(|(print, _)| String::from(&***print))
    };
    most(&device.ja4)
        .or_else(|| most(&device.ja3))
        .or_else(|| key.stack.map(|hash| format!("offer-{hash:016x}")))
}

/// Those of the worst verdict, what decides first.
fn reasons(policy: &Policy, judgements: &Judgements) -> Vec<&'static str> {
    let mut reasons: Vec<_> = judgements.worst_reasons().collect();
    reasons.sort_by_key(|id| policy.place(id));
    reasons
}

fn peer(policy: &Policy, key: &PeerKey, peer: &Peer) -> PeerJson {
    PeerJson {
        address: known_address(key.address),
        port: key.port,
        sni: key.sni.as_deref().map(Into::into),
        service: key.service,
        role: peer.role.as_deref().map(Into::into),
        route: peer.route.map(|r| r.name()),
        flows: peer.flows(),
        negotiated: counts(&peer.negotiated, |v| v.map(word)),
        outcome: counts(&peer.outcomes, |o| Some(o.name().into())),
        verdict: peer.judgements.worst().map(|v| v.name()),
        reasons: reasons(policy, &peer.judgements),
        act: peer.judgements.worst_act().map(|a| a.name()),
    }
}

fn server(policy: &Policy, key: &ServerKey, server: &Server) -> ServerJson {
    ServerJson {
        address: known_address(key.address),
        port: key.port,
        ours: server.ours,
        names: names(&server.snis),
        banners: names(&server.banners),
        services: counts(&server.services, |s| s.map(Into::into)),
        flows: server.flows,
        clients: server.clients.len(),
        flows_of_clients_not_counted: server.flows_of_other_clients,
        negotiated: counts(&server.negotiated, |v| v.map(word)),
        must_change: server.must_change(),
        verdict: server.judgements.worst().map(|v| v.name()),
        reasons: reasons(policy, &server.judgements),
        act: server.judgements.worst_act().map(|a| a.name()),
    }
}

/// Each count by its name. Families that have numbers are an object of their own, by number.
fn visibility(summary: &Summary) -> Counts {
    let spots = summary.blind_spots();
    let mut all = Counts::new();
    for blind in Blind::FIXED {
        all.insert(blind.name().into(), spots.get(*blind).into());
    }
    for family in [
        "undecoded_link_types",
        "undecoded_ethertypes",
        "undecoded_ip_protocols",
    ] {
        all.insert(family.into(), Counts::new().into());
    }
    for (blind, n) in spots.iter() {
        let number = blind.number();
        let family = all.get_mut(blind.name()).and_then(|f| f.as_object_mut());
        if let (Some(number), Some(family)) = (number, family) {
            family.insert(number, n.into());
        }
    }
    all
}

/// The key of counts of what has no value.
pub(super) const NONE: &str = "none";

/// Counts by name, in the order of the map.
fn counts<K: Ord>(map: &SmallMap<K, u64>, name: impl Fn(&K) -> Option<String>) -> Counts {
    map.iter()
        .map(|(key, n)| (name(key).unwrap_or_else(|| NONE.into()), (*n).into()))
        .collect()
}

fn flows_by_verdict(judgements: &Judgements) -> Counts {
    counts(&judgements.verdicts, |v| Some(v.name().into()))
}

fn names(names: &SmallMap<impl Ord + AsRef<str>, u64>) -> Vec<String> {
    let by_count = names.by_count().into_iter().take(MAX_NAMES);
    by_count.map(|(name, _)| name.as_ref().into()).collect()
}

fn time(time: Timestamp) -> String {
    time.to_string()
}

/// The address as reports have it; `None` where it is not known.
pub fn known_address(host: Host) -> Option<String> {
    (host != Host::Unknown).then(|| word(host))
}

pub(super) fn word(word: impl Word) -> String {
    let mut out = Vec::new();
    word.append(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn an_office() {
        let mut out = Vec::new();
        write_json(&samples::office(), &mut out).expect("memory");
        let text = String::from_utf8(out).expect("UTF-8");
        insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "[version]"));
    }

    #[test]
    fn what_stayed_in_the_kernel_stands_beside_what_was_read() {
        let mut summary = samples::clean();
        if let Some(input) = summary.inputs.first_mut() {
            input.stayed.packets = 7;
            input.stayed.bytes = 9_000;
        }
        let mut out = Vec::new();
        write_json(&summary, &mut out).expect("memory");
        let value: serde_json::Value = serde_json::from_slice(&out).expect("one JSON object");
        let input = &value["inputs"][0];
        assert_eq!(input["shunted_packets"], 7);
        assert_eq!(input["shunted_bytes"], 9_000);
    }

    #[test]
    fn hostile_names_come_back_and_stay_inside() {
        let summary = samples::hostile();
        let mut out = Vec::new();
        write_json(&summary, &mut out).expect("memory");
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
        let value: serde_json::Value = serde_json::from_str(&text).expect("one JSON object");
        let name = summary.inputs.first().map(|i| i.name.as_str());
        assert_eq!(value["inputs"][0]["name"].as_str(), name);
    }
}
