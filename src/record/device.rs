//! Flows rolled up to what an administrator can act on: a client's TLS stack, and a server.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use siphasher::sip::SipHasher13;

use super::evidence::Evidences;
use super::{Act, FlowRecord, Host, Hours, Mac, Outcome, Route, SmallMap, Verdict, Version};
use crate::hello::Offer;
use crate::hello::version::is_grease;
use crate::policy::simulate::Chosen;
use crate::time::Timestamp;

/// What tells one device's line from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceKey {
    /// The client's address.
    pub address: Host,
    /// Its hardware address, which may be a router's: see [`super::Tally::settle`].
    pub mac: Option<Mac>,
    /// Which of its TLS stacks; `None` where no ClientHello was read.
    pub stack: Option<u64>,
}

impl DeviceKey {
    /// Of the flow's client.
    pub fn of(record: &FlowRecord) -> Self {
        Self {
            address: record.client(),
            mac: record.client_mac,
            stack: record
                .offer
                .as_deref()
                .map(|offer| *offer.fields.stack.get_or_init(|| stack(offer))),
        }
    }
}

/// Tells TLS stacks apart by what their software and its settings decide: versions, suites, groups and signature
/// algorithms. What one stack varies from connection to connection is left out: GREASE, the order of extensions, key
/// shares, ALPN, a session to resume. (JA4 counts the latter in, and would show one browser as several devices.)
fn stack(offer: &Offer) -> u64 {
    // SipHash with its fixed key: the same number in every run and on every machine.
    let mut hash = SipHasher13::new();
    offer.legacy_version.hash(&mut hash);
    let mut list = |numbers: &mut dyn Iterator<Item = u16>| {
        numbers
            .filter(|n| !is_grease(*n))
            .for_each(|n| hash.write_u16(n));
        hash.write_u16(u16::MAX);
    };
    list(&mut offer.versions.iter().map(|v| v.0));
    // Signals come and go with a fallback.
    list(
        &mut offer
            .cipher_suites
            .iter()
            .map(|s| s.0)
            .filter(|s| *s != 0x5600),
    );
    list(&mut offer.named_groups.iter().flatten().map(|g| g.0));
    list(&mut offer.signature_algorithms.iter().flatten().map(|s| s.0));
    hash.finish()
}

/// Flows by verdict, with what decided them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgements {
    /// Flows.
    pub verdicts: SmallMap<Verdict, u64>,
    /// Flows by the rule that decided.
    pub reasons: SmallMap<(Verdict, &'static str), u64>,
    /// Flows by who has to change.
    pub acts: SmallMap<(Verdict, Act), u64>,
}

impl Judgements {
    fn add(&mut self, record: &FlowRecord) {
        self.verdicts.count(record.verdict, usize::MAX);
        for reason in &record.reasons {
            self.reasons.count((record.verdict, *reason), MAX_WORDS);
        }
        if let Some(act) = record.act {
            self.acts.count((record.verdict, act), usize::MAX);
        }
    }

    fn merge(&mut self, other: Self) {
        self.verdicts.add(other.verdicts);
        self.reasons.add(other.reasons);
        self.acts.add(other.acts);
    }

    /// The worst verdict of any flow.
    pub fn worst(&self) -> Option<Verdict> {
        self.verdicts.iter().map(|(v, _)| *v).max()
    }

    /// Flows of the worst verdict.
    pub fn worst_flows(&self) -> u64 {
        self.verdicts.iter().last().map_or(0, |(_, n)| *n)
    }

    /// The rules that decided the worst verdict, in order.
    pub fn worst_reasons(&self) -> impl Iterator<Item = &'static str> + '_ {
        let worst = self.worst();
        self.reasons
            .iter()
            .filter(move |((v, _), _)| Some(*v) == worst)
            .map(|((_, reason), _)| *reason)
    }

    /// Who has to change for the worst verdict to go away.
    pub fn worst_act(&self) -> Option<Act> {
        let worst = self.worst();
        self.acts
            .iter()
            .filter(|((v, _), _)| Some(*v) == worst)
            .map(|((_, act), _)| *act)
            .reduce(|a, b| if a == b { a } else { Act::Both })
    }
}

/// Another end of a device's flows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerKey {
    /// The server's address.
    pub address: Host,
    /// Its port.
    pub port: Option<u16>,
    /// The name that the client asked for.
    pub sni: Option<Arc<str>>,
    /// What is spoken.
    pub service: Option<&'static str>,
}

/// What a device does with one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Flows by what was negotiated; `None` where nothing was, or it was not seen.
    pub negotiated: SmallMap<Option<Version>, u64>,
    /// How the flows ended.
    pub outcomes: SmallMap<Outcome, u64>,
    /// Verdicts of its flows.
    pub judgements: Judgements,
    /// Which way the flows go; the same for all of them but the greatest is kept, should it ever differ.
    pub route: Option<Route>,
    /// What the policy calls the far end.
    pub role: Option<Arc<str>>,
}

impl Peer {
    /// Flows.
    pub fn flows(&self) -> u64 {
        // Each has one verdict, and there may be 32 peers of each of 100,000 devices.
        self.judgements
            .verdicts
            .iter()
            .map(|(_, flows)| flows)
            .sum()
    }

    fn merge(&mut self, other: Self) {
        self.negotiated.add(other.negotiated);
        self.outcomes.add(other.outcomes);
        self.judgements.merge(other.judgements);
        self.route = self.route.max(other.route);
        self.role = self.role.take().max(other.role);
    }
}

/// One TLS stack of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What it calls itself.
    pub names: SmallMap<Box<str>, u64>,
    /// The VLAN tags of its flows, outermost first.
    pub vlans: SmallMap<Vec<u16>, u64>,
    /// The JA4 fingerprints of its hellos.
    pub ja4: SmallMap<Arc<str>, u64>,
    /// The JA3 fingerprints of its hellos.
    pub ja3: SmallMap<Arc<str>, u64>,
    /// The highest versions that it offered.
    pub offered: SmallMap<Option<Version>, u64>,
    /// Flows by what was negotiated.
    pub negotiated: SmallMap<Option<Version>, u64>,
    /// Whom it speaks to. Boxed: the keys are looked through for each flow, and lie close together so.
    pub peers: SmallMap<PeerKey, Box<Peer>>,
    /// Flows to servers beyond the cap, in no peer.
    pub flows_with_other_peers: u64,
    /// Verdicts of its flows.
    pub judgements: Judgements,
    /// Flows.
    pub flows: u64,
    /// First packet of its first flow.
    pub first_seen: Timestamp,
    /// Last packet of its last flow.
    pub last_seen: Timestamp,
    /// Hours in which it was seen.
    pub hours: Hours,
    /// What the far end that the policy describes would choose.
    pub predicted: SmallMap<Chosen, u64>,
    /// Its worst flows.
    pub evidence: Evidences,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            names: SmallMap::default(),
            vlans: SmallMap::default(),
            ja4: SmallMap::default(),
            ja3: SmallMap::default(),
            offered: SmallMap::default(),
            negotiated: SmallMap::default(),
            peers: SmallMap::default(),
            flows_with_other_peers: 0,
            judgements: Judgements::default(),
            flows: 0,
            first_seen: Timestamp(u64::MAX),
            last_seen: Timestamp(0),
            hours: Hours::default(),
            predicted: SmallMap::default(),
            evidence: Evidences::default(),
        }
    }
}

impl Device {
    /// Asks for what [`Self::add`] needs beside the device itself; best a little after that was asked for.
    #[inline]
    pub(super) fn prefetch(&self) {
        self.peers.prefetch();
        self.ja3.prefetch();
        self.evidence.prefetch();
    }

    pub(super) fn add(&mut self, record: &FlowRecord) {
        if let Some(name) = &record.client_name {
            count_name(&mut self.names, name);
        }
        if record.vlans.iter().next().is_some() {
            self.vlans.count(record.vlans.iter().collect(), MAX_WORDS);
        }
        let offer = record.offer.as_deref();
        for (prints, print) in [
            (&mut self.ja4, offer.and_then(|o| o.ja4.as_ref())),
            (&mut self.ja3, offer.and_then(|o| o.ja3.as_ref())),
        ] {
            if let Some(print) = print {
                prints.count_text(print, MAX_WORDS);
            }
        }
        self.offered.count(
            offer.and_then(Offer::max_version).map(Version::Exact),
            MAX_WORDS,
        );
        self.negotiated.count(record.negotiated_version, MAX_WORDS);
        let server = record.server();
        match self.peers.entry_by(
            |key| cmp_peer(key, server, record),
            || peer_key(record),
            MAX_PEERS,
        ) {
            Some(peer) => {
                peer.negotiated.count(record.negotiated_version, MAX_WORDS);
                peer.outcomes.count(record.outcome, usize::MAX);
                peer.judgements.add(record);
                peer.route = peer.route.max(record.route);
                if record.role > peer.role {
                    peer.role.clone_from(&record.role);
                }
            }
            None => self.flows_with_other_peers += 1,
        }
        self.judgements.add(record);
        self.flows += 1;
        self.first_seen = self.first_seen.min(record.first_seen);
        self.last_seen = self.last_seen.max(record.last_seen);
        self.hours
            .insert(record.first_seen, record.last_seen, MAX_HOUR_RANGES);
        if let Some(chosen) = record.predicted {
            self.predicted.count(chosen, MAX_PREDICTED);
        }
        self.evidence.add(record);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.names.add(other.names);
        self.vlans.add(other.vlans);
        self.ja4.add(other.ja4);
        self.ja3.add(other.ja3);
        self.offered.add(other.offered);
        self.negotiated.add(other.negotiated);
        self.peers
            .merge(other.peers, |peer, more| peer.merge(*more));
        self.flows_with_other_peers += other.flows_with_other_peers;
        self.judgements.merge(other.judgements);
        self.flows += other.flows;
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        self.hours.merge(other.hours);
        self.predicted.add(other.predicted);
        self.evidence.merge(other.evidence);
    }

    /// The worst of its flows.
    pub fn verdict(&self) -> Verdict {
        self.judgements.worst().unwrap_or(Verdict::Unknown)
    }

    /// Its peers, the worst first, then those with the most flows.
    pub fn peers_by_weight(&self) -> Vec<(&PeerKey, &Peer)> {
        let mut peers: Vec<_> = self
            .peers
            .iter()
            .map(|(key, peer)| (key, &**peer))
            .collect();
        peers.sort_by(|(a_key, a), (b_key, b)| {
            (b.judgements.worst().cmp(&a.judgements.worst()))
                .then_with(|| b.flows().cmp(&a.flows()))
                .then_with(|| a_key.cmp(b_key))
        });
        peers
    }
}

/// What tells one server's line from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerKey {
    /// The address.
    pub address: Host,
    /// The port.
    pub port: Option<u16>,
}

/// One server, as its clients found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// Names that clients asked for.
    pub snis: SmallMap<Arc<str>, u64>,
    /// How it greets.
    pub banners: SmallMap<Box<str>, u64>,
    /// What is spoken.
    pub services: SmallMap<Option<&'static str>, u64>,
    /// Flows by the version that it chose.
    pub negotiated: SmallMap<Option<Version>, u64>,
    /// Clients, as far as they were counted one by one.
    pub clients: SmallMap<Host, u64>,
    /// Flows of clients beyond that.
    pub flows_of_other_clients: u64,
    /// Verdicts of its flows, those left out in which only the client has to change.
    pub judgements: Judgements,
    /// Whether it is one of ours: by the routes of its flows; one without is on a link of ours.
    pub ours: bool,
    /// Flows.
    pub flows: u64,
}

impl Server {
    pub(super) fn add(&mut self, record: &FlowRecord) {
        if let Some(name) = &record.sni {
            self.snis.count_text(&shared(name), MAX_NAMES);
        }
        if let Some(name) = &record.server_name_banner {
            count_name(&mut self.banners, name);
        }
        self.services.count(record.service, MAX_WORDS);
        self.negotiated.count(record.negotiated_version, MAX_WORDS);
        if !self.clients.count(record.client(), MAX_CLIENTS) {
            self.flows_of_other_clients += 1;
        }
        if record.act != Some(Act::Client) {
            self.judgements.add(record);
        }
        self.ours |= matches!(record.route, None | Some(Route::Inbound | Route::Internal));
        self.flows += 1;
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.snis.add(other.snis);
        self.banners.add(other.banners);
        self.services.add(other.services);
        self.negotiated.add(other.negotiated);
        self.clients.add(other.clients);
        self.flows_of_other_clients += other.flows_of_other_clients;
        self.judgements.merge(other.judgements);
        self.ours |= other.ours;
        self.flows += other.flows;
    }

    /// Whether it is the server that has to change, in some flow.
    pub fn must_change(&self) -> bool {
        self.judgements.worst() >= Some(Verdict::AtRisk)
            && matches!(self.judgements.worst_act(), Some(Act::Server | Act::Both))
    }
}

/// Names kept of a device or server, in a shard.
const MAX_NAMES: usize = 8;
/// Different versions, fingerprints, VLANs or reasons kept of a device, in a shard.
const MAX_WORDS: usize = 16;
/// Predictions kept of a device, in a shard.
const MAX_PREDICTED: usize = 4;
/// Servers kept of a device, in a shard.
const MAX_PEERS: usize = 32;
/// Clients counted one by one of a server, in a shard.
const MAX_CLIENTS: usize = 64;
/// Ranges of hours kept of a device, in a shard.
const MAX_HOUR_RANGES: usize = 64;
/// Bytes kept of a name from the wire.
const MAX_NAME_BYTES: usize = 256;

/// Where the record's peer, at `server`, stands beside `key`; as comparing with [`peer_key`], without making one.
fn cmp_peer(key: &PeerKey, server: Host, record: &FlowRecord) -> Ordering {
    let PeerKey {
        address,
        port,
        sni,
        service,
    } = key;
    address
        .cmp(&server)
        .then_with(|| port.cmp(&record.server_port))
        .then_with(|| cmp_name(sni.as_ref(), record.sni.as_ref()))
        .then_with(|| service.cmp(&record.service))
}

fn peer_key(record: &FlowRecord) -> PeerKey {
    PeerKey {
        address: record.server(),
        port: record.server_port,
        sni: record.sni.as_ref().map(shared),
        service: record.service,
    }
}

/// As comparing the texts, which are often the same one.
fn cmp_name(key: Option<&Arc<str>>, name: Option<&Arc<str>>) -> Ordering {
    match (key, name) {
        (Some(key), Some(name)) if Arc::ptr_eq(key, name) => Ordering::Equal,
        (key, name) => key.map(|key| &**key).cmp(&name.map(|name| short(name))),
    }
}

/// The name, the same one where it is short enough.
fn shared(name: &Arc<str>) -> Arc<str> {
    if name.len() <= MAX_NAME_BYTES {
        Arc::clone(name)
    } else {
        short(name).into()
    }
}

/// Counts a name, which is copied only where it is new.
fn count_name(names: &mut SmallMap<Box<str>, u64>, name: &str) {
    let name = short(name);
    if let Some(n) = names.entry_by(|key| (**key).cmp(name), || name.into(), MAX_NAMES) {
        *n += 1;
    }
}

pub(super) fn shortened(name: &str) -> Box<str> {
    short(name).into()
}

fn short(name: &str) -> &str {
    name.get(..name.floor_char_boundary(MAX_NAME_BYTES))
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The report of a million connections is mostly these; a size in which allocators have memory.
    #[test]
    fn a_peer_takes_little_room() {
        assert_eq!(size_of::<Peer>(), 160);
    }
}
