//! What is counted over all flows.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use hdrhistogram::Histogram;

use super::{
    Cause, Device, DeviceKey, FlowRecord, Mac, Outcome, Server, ServerKey, SmallMap, Upgrade,
    Verdict, Version, Visibility,
};

/// Counts over flows. Each shard has one; at the end they are merged, and the order of merging does not matter.
///
/// A tally holds at most the devices and servers that it was made for; a merged one holds those of all its parts.
/// What a full tally leaves out depends on the records that it was given and on their order, so it is the same in
/// every run whose shards see the same trace.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Flows.
    pub flows: u64,
    /// By what was negotiated; `None` where nothing was, or it was not seen.
    pub negotiated: SmallMap<Option<Version>, u64>,
    /// By how the attempt at TLS ended.
    pub outcomes: SmallMap<Outcome, u64>,
    /// Those without a version, by how the attempt at TLS ended.
    pub not_negotiated: SmallMap<Outcome, u64>,
    /// By judgement.
    pub verdicts: SmallMap<Verdict, u64>,
    /// By service.
    pub services: SmallMap<Option<&'static str>, u64>,
    /// By the state of the in-band upgrade; `None` for implicit TLS.
    pub upgrades: SmallMap<Option<Upgrade>, u64>,
    /// What could not be seen of the flows counted here.
    pub unseen: SmallMap<Unseen, u64>,
    /// Microseconds from the ClientHello to the ServerHello.
    hello_us: SmallMap<Option<&'static str>, HelloTimes>,
    devices: HashMap<DeviceKey, Device, foldhash::fast::FixedState>,
    servers: HashMap<ServerKey, Server, foldhash::fast::FixedState>,
    max_devices: usize,
    max_servers: usize,
    /// Flows whose device has no line, because the cap was reached.
    pub flows_of_unlisted_devices: u64,
    /// Flows whose server has no line, because the cap was reached.
    pub flows_of_unlisted_servers: u64,
}

/// A way in which a flow was not seen whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unseen {
    /// The capture began after the flow.
    MidStream,
    /// Only one direction was captured.
    OneWay,
    /// Stream bytes that were needed are missing.
    Gap,
    /// The snap length cut what was needed.
    Snaplen,
    /// A cap was reached.
    Evicted,
    /// Copies of the same bytes disagree.
    Conflicting,
    /// What should be a handshake message does not parse.
    Malformed,
    /// The capture ended while the handshake was under way.
    CaptureEnd,
}

impl Tally {
    /// An empty one that gives a line to so many devices and servers.
    pub fn new(max_devices: usize, max_servers: usize) -> Self {
        Self {
            flows: 0,
            negotiated: SmallMap::default(),
            outcomes: SmallMap::default(),
            not_negotiated: SmallMap::default(),
            verdicts: SmallMap::default(),
            services: SmallMap::default(),
            upgrades: SmallMap::default(),
            unseen: SmallMap::default(),
            hello_us: SmallMap::default(),
            devices: HashMap::default(),
            servers: HashMap::default(),
            max_devices,
            max_servers,
            flows_of_unlisted_devices: 0,
            flows_of_unlisted_servers: 0,
        }
    }

    /// Counts one flow.
    pub fn add(&mut self, record: &FlowRecord) {
        self.flows += 1;
        self.negotiated
            .count(record.negotiated_version, MAX_VERSIONS);
        self.outcomes.count(record.outcome, usize::MAX);
        if record.negotiated_version.is_none() {
            self.not_negotiated.count(record.outcome, usize::MAX);
        }
        self.verdicts.count(record.verdict, usize::MAX);
        self.services.count(record.service, usize::MAX);
        self.upgrades.count(record.upgrade, usize::MAX);
        for (seen_so, unseen) in [
            (record.mid_stream, Unseen::MidStream),
            (record.visibility != Visibility::Both, Unseen::OneWay),
            (
                record.missing_bytes > 0 || record.cause == Some(Cause::Gap),
                Unseen::Gap,
            ),
            (record.cause == Some(Cause::Snaplen), Unseen::Snaplen),
            (record.cause == Some(Cause::Evicted), Unseen::Evicted),
            (record.conflicting_bytes > 0, Unseen::Conflicting),
            (
                matches!(record.cause, Some(Cause::Malformed(_))),
                Unseen::Malformed,
            ),
            (record.cause == Some(Cause::CaptureEnd), Unseen::CaptureEnd),
        ] {
            if seen_so {
                self.unseen.count(unseen, usize::MAX);
            }
        }
        if let (Some(us), Some(times)) = (
            record.hello_us,
            self.hello_us.entry(record.service, usize::MAX),
        ) {
            times.record(us);
        }
        self.add_to_device(record);
        self.add_to_server(record);
    }

    /// Takes in all counts of `other`.
    pub fn merge(&mut self, other: Self) {
        self.flows += other.flows;
        self.negotiated.add(other.negotiated);
        self.outcomes.add(other.outcomes);
        self.not_negotiated.add(other.not_negotiated);
        self.verdicts.add(other.verdicts);
        self.services.add(other.services);
        self.upgrades.add(other.upgrades);
        self.unseen.add(other.unseen);
        self.hello_us.merge(other.hello_us, HelloTimes::merge);
        for (key, device) in other.devices {
            self.devices.entry(key).or_default().merge(device);
        }
        for (key, server) in other.servers {
            self.servers.entry(key).or_default().merge(server);
        }
        self.flows_of_unlisted_devices += other.flows_of_unlisted_devices;
        self.flows_of_unlisted_servers += other.flows_of_unlisted_servers;
    }

    /// The devices, the worst first, then those with the most flows of that verdict, then by address.
    ///
    /// A hardware address that stands before several network addresses is a router's and says nothing of the device
    /// behind it: it is left out, and lines that differ in nothing else are joined.
    pub fn devices(&self) -> Vec<(DeviceKey, Device)> {
        let routers = self.router_macs();
        let mut lines: BTreeMap<DeviceKey, Device> = BTreeMap::new();
        // In the order of the keys, so that the result does not depend on the map's own order.
        let mut found: Vec<_> = self.devices.iter().collect();
        found.sort_unstable_by_key(|(key, _)| **key);
        for (key, device) in found {
            let mac = key.mac.filter(|mac| !routers.contains_key(mac));
            lines
                .entry(DeviceKey { mac, ..*key })
                .or_default()
                .merge(device.clone());
        }
        let mut lines: Vec<_> = lines.into_iter().collect();
        lines.sort_by(|(a_key, a), (b_key, b)| {
            (b.verdict().cmp(&a.verdict()))
                .then_with(|| b.judgements.worst_flows().cmp(&a.judgements.worst_flows()))
                .then_with(|| a_key.cmp(b_key))
        });
        lines
    }

    /// The servers, those that must change first, the worst of them first, then those with the most flows.
    pub fn servers(&self) -> Vec<(ServerKey, &Server)> {
        let mut lines: Vec<_> = self.servers.iter().map(|(k, s)| (*k, s)).collect();
        lines.sort_by(|(a_key, a), (b_key, b)| {
            (b.must_change().cmp(&a.must_change()))
                .then_with(|| b.judgements.worst().cmp(&a.judgements.worst()))
                .then_with(|| b.flows.cmp(&a.flows))
                .then_with(|| a_key.cmp(b_key))
        });
        lines
    }

    /// Handshake times by service, in microseconds from hello to hello.
    pub fn hello_us(&self) -> impl Iterator<Item = (Option<&'static str>, &HelloTimes)> {
        self.hello_us
            .iter()
            .map(|(service, times)| (*service, times))
    }

    fn add_to_device(&mut self, record: &FlowRecord) {
        // A server's packets alone tell nothing of the client's stack, but the client is known all the same.
        let key = DeviceKey::of(record);
        if self.devices.len() >= self.max_devices && !self.devices.contains_key(&key) {
            self.flows_of_unlisted_devices += 1;
            return;
        }
        self.devices.entry(key).or_default().add(record);
    }

    fn add_to_server(&mut self, record: &FlowRecord) {
        let key = ServerKey {
            address: record.server_ip,
            port: record.server_port,
        };
        if self.servers.len() >= self.max_servers && !self.servers.contains_key(&key) {
            self.flows_of_unlisted_servers += 1;
            return;
        }
        self.servers.entry(key).or_default().add(record);
    }

    /// Hardware addresses with more network addresses of one family than a host has. A host has one IPv4 address,
    /// rarely two; its IPv6 addresses are many (RFC 8981), so they do not count.
    fn router_macs(&self) -> BTreeMap<Mac, ()> {
        let mut addresses: Vec<_> = self
            .devices
            .keys()
            .filter(|key| key.address.is_ipv4())
            .filter_map(|key| Some((key.mac?, key.address)))
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        let mut counts: BTreeMap<Mac, usize> = BTreeMap::new();
        for (mac, _) in addresses {
            *counts.entry(mac).or_default() += 1;
        }
        counts.retain(|_, n| *n > MAX_ADDRESSES_OF_A_HOST);
        counts.into_keys().map(|mac| (mac, ())).collect()
    }
}

/// Times from hello to hello.
#[derive(Clone, Debug, PartialEq)]
pub struct HelloTimes(Histogram<u64>);

impl Default for HelloTimes {
    fn default() -> Self {
        // Two digits are enough to act on, and sixty-four shards times a dozen services have to be paid for.
        Self(Histogram::new_with_max(MAX_HELLO_US, 2).expect("the bounds are valid constants"))
    }
}

impl HelloTimes {
    fn record(&mut self, us: u64) {
        self.0.saturating_record(us);
    }

    fn merge(&mut self, other: Self) {
        // Both have the same bounds, so nothing can be out of range.
        let _ = self.0.add(&other.0);
    }

    /// Flows measured.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Microseconds that `quantile` (0 to 1) of the flows did not exceed.
    pub fn quantile(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    /// The longest, in microseconds.
    pub fn max(&self) -> u64 {
        self.0.max()
    }
}

/// Version numbers counted one by one; hostile servers could send all 65,536.
const MAX_VERSIONS: usize = 64;
/// IPv4 addresses that one hardware address may have and still be a host's.
const MAX_ADDRESSES_OF_A_HOST: usize = 2;
/// Ten minutes: the time after which a silent flow has ended.
const MAX_HELLO_US: u64 = 600 * 1_000_000;
