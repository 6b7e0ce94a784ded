//! What is counted over all flows.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use foldhash::fast::RandomState;
use hdrhistogram::Histogram;
use indexmap::IndexMap;
use indexmap::map::Entry;
use smallvec::SmallVec;

use super::{
    Carrier, Cause, Connector, ConnectorKey, Device, DeviceKey, FlowRecord, Host, Mac, Outcome,
    Server, ServerKey, SmallMap, Upgrade, Verdict, Version, Visibility,
};
use crate::hello::registry::CipherSuite;
use crate::prefetch;

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
    /// Boxed: half of a map's places are empty after it grew.
    devices: IndexMap<DeviceKey, Box<Device>, foldhash::fast::FixedState>,
    servers: IndexMap<ServerKey, Box<Server>, foldhash::fast::FixedState>,
    /// Verdicts by service.
    pub verdicts_by_service: SmallMap<(Option<&'static str>, Verdict), u64>,
    /// Verdicts of the flows that began in an hour, counted since the epoch.
    pub verdicts_by_hour: SmallMap<(u64, Verdict), u64>,
    /// What was negotiated, with its suite.
    pub suites: SmallMap<(Option<Carrier>, Version, Option<CipherSuite>), u64>,
    /// Mail routes.
    pub connectors: SmallMap<ConnectorKey, Connector>,
    /// Mail sessions on routes beyond the cap.
    pub sessions_of_unlisted_connectors: u64,
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
    /// Packets were dropped while the flow began.
    DuringLoss,
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
            devices: IndexMap::default(),
            servers: IndexMap::default(),
            verdicts_by_service: SmallMap::default(),
            verdicts_by_hour: SmallMap::default(),
            suites: SmallMap::default(),
            connectors: SmallMap::default(),
            sessions_of_unlisted_connectors: 0,
            max_devices,
            max_servers,
            flows_of_unlisted_devices: 0,
            flows_of_unlisted_servers: 0,
        }
    }

    /// Counts flows, in their order.
    pub fn add_all<'r>(&mut self, mut records: impl Iterator<Item = &'r FlowRecord>) {
        // In steps: what one asks for, the next finds. With thousands of devices, to count is to wait for their lines.
        loop {
            let some: SmallVec<[_; AT_A_TIME]> = records
                .by_ref()
                .take(AT_A_TIME)
                .map(|record| (record, self.places(record)))
                .collect();
            if some.is_empty() {
                return;
            }
            for (_, places) in &some {
                if let Some((_, device)) = places.device.and_then(|at| self.devices.get_index(at)) {
                    device.prefetch();
                }
            }
            for (record, places) in some {
                self.add_at(record, places);
            }
        }
    }

    /// Counts one flow.
    pub fn add(&mut self, record: &FlowRecord) {
        let places = self.places(record);
        self.add_at(record, places);
    }

    fn add_at(&mut self, record: &FlowRecord, places: Places) {
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
        self.verdicts_by_service
            .count((record.service, record.verdict), usize::MAX);
        self.verdicts_by_hour.count(
            (record.first_seen.seconds() / 3600, record.verdict),
            MAX_HOURS,
        );
        if let Some(version) = record.negotiated_version {
            let key = (record.carrier, version, record.cipher_suite);
            self.suites.count(key, MAX_SUITES);
        }
        if let Some(key) = ConnectorKey::of(record) {
            match self.connectors.entry(key, MAX_CONNECTORS) {
                Some(connector) => connector.add(record),
                None => self.sessions_of_unlisted_connectors += 1,
            }
        }
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
            (record.during_loss, Unseen::DuringLoss),
        ] {
            if seen_so {
                self.unseen.count(unseen, usize::MAX);
            }
        }
        if let Some(us) = record.hello_us
            && let Some(times) = self.hello_us.entry(record.service, usize::MAX)
        {
            times.record(us);
        }
        match places.device.and_then(|at| self.devices.get_index_mut(at)) {
            Some((_, device)) => device.add(record),
            None => self.flows_of_unlisted_devices += 1,
        }
        match places.server.and_then(|at| self.servers.get_index_mut(at)) {
            Some((_, server)) => server.add(record),
            None => self.flows_of_unlisted_servers += 1,
        }
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
        self.verdicts_by_service.add(other.verdicts_by_service);
        self.verdicts_by_hour.add(other.verdicts_by_hour);
        self.suites.add(other.suites);
        self.connectors.merge(other.connectors, Connector::merge);
        self.sessions_of_unlisted_connectors += other.sessions_of_unlisted_connectors;
        for (key, device) in other.devices {
            self.devices.entry(key).or_default().merge(*device);
        }
        for (key, server) in other.servers {
            self.servers.entry(key).or_default().merge(*server);
        }
        self.flows_of_unlisted_devices += other.flows_of_unlisted_devices;
        self.flows_of_unlisted_servers += other.flows_of_unlisted_servers;
    }

    /// Takes out hardware addresses that are routers', once all parts are merged: one that stands before several
    /// network addresses says nothing of the devices behind it. Lines that differ in nothing else are joined.
    pub fn settle(&mut self) {
        let routers = self.router_macs();
        let behind_routers: Vec<DeviceKey> = self
            .devices
            .keys()
            .filter(|key| {
                // One that is known by it alone is the router itself.
                key.address.ip().is_some() && key.mac.is_some_and(|mac| routers.contains(&mac))
            })
            .copied()
            .collect();
        for key in behind_routers {
            if let Some(device) = self.devices.swap_remove(&key) {
                let key = DeviceKey { mac: None, ..key };
                self.devices.entry(key).or_default().merge(*device);
            }
        }
    }

    /// The devices, the worst first, then those with the most flows of that verdict, then by address.
    pub fn devices(&self) -> Vec<(DeviceKey, &Device)> {
        let mut lines: Vec<_> = self.devices.iter().map(|(k, d)| (*k, &**d)).collect();
        lines.sort_by_cached_key(|(key, device)| {
            let flows = device.judgements.worst_flows();
            (Reverse(device.verdict()), Reverse(flows), *key)
        });
        lines
    }

    /// The servers, those that must change first, the worst of them first, then those with the most flows.
    pub fn servers(&self) -> Vec<(ServerKey, &Server)> {
        self.servers_that(|_| true)
    }

    /// Those of [`Self::servers`] that must change.
    pub fn servers_that_must_change(&self) -> Vec<(ServerKey, &Server)> {
        self.servers_that(Server::must_change)
    }

    fn servers_that(&self, wanted: impl Fn(&Server) -> bool) -> Vec<(ServerKey, &Server)> {
        let lines = self.servers.iter().map(|(k, s)| (*k, &**s));
        let mut lines: Vec<_> = lines.filter(|(_, server)| wanted(server)).collect();
        lines.sort_by_cached_key(|(key, server)| {
            let worst = server.judgements.worst();
            let must_change = server.must_change();
            (
                Reverse(must_change),
                Reverse(worst),
                Reverse(server.flows),
                *key,
            )
        });
        lines
    }

    /// Handshake times by service, in microseconds from hello to hello.
    pub fn hello_us(&self) -> impl Iterator<Item = (Option<&'static str>, &HelloTimes)> {
        self.hello_us
            .iter()
            .map(|(service, times)| (*service, times))
    }

    /// The lines of the flow's device and server, which are made where there are none yet, and asked for.
    fn places(&mut self, record: &FlowRecord) -> Places {
        // A server's packets alone tell nothing of the client's stack, but the client is known all the same.
        let device = place(&mut self.devices, DeviceKey::of(record), self.max_devices);
        let key = ServerKey {
            address: record.server(),
            port: record.server_port,
        };
        Places {
            device,
            server: place(&mut self.servers, key, self.max_servers),
        }
    }

    /// Hardware addresses with more network addresses of one family than a host has. A host has one IPv4 address,
    /// rarely two; its IPv6 addresses are many (RFC 8981), so they do not count.
    fn router_macs(&self) -> HashSet<Mac, RandomState> {
        // As many of each as show that there are too many.
        let mut addresses = HashMap::<Mac, SmallVec<[Host; TOO_MANY]>, RandomState>::default();
        for key in self.devices.keys() {
            if let Some(mac) = key.mac
                && key.address.ip().is_some_and(|ip| ip.is_ipv4())
            {
                let known = addresses.entry(mac).or_default();
                if known.len() < TOO_MANY && !known.contains(&key.address) {
                    known.push(key.address);
                }
            }
        }
        let routers = addresses
            .iter()
            .filter(|(_, known)| known.len() == TOO_MANY);
        routers.map(|(mac, _)| *mac).collect()
    }
}

/// Where a flow is counted; `None` where the cap left no line for it.
#[derive(Clone, Copy, Debug)]
struct Places {
    device: Option<usize>,
    server: Option<usize>,
}

/// The line of `key`, which is asked for, and made where there is none and fewer than `most`.
fn place<K: Hash + Eq, V: Default>(
    lines: &mut IndexMap<K, Box<V>, foldhash::fast::FixedState>,
    key: K,
    most: usize,
) -> Option<usize> {
    let full = lines.len() >= most;
    match lines.entry(key) {
        Entry::Occupied(line) => {
            prefetch::whole(&**line.get());
            Some(line.index())
        }
        Entry::Vacant(_) if full => None,
        Entry::Vacant(line) => {
            let at = line.index();
            line.insert(Box::default());
            Some(at)
        }
    }
}

/// Flows whose lines are looked up together.
const AT_A_TIME: usize = 8;

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

/// Hours counted one by one, times verdicts: two years.
const MAX_HOURS: usize = 50_000;
/// Suites counted one by one, times versions.
const MAX_SUITES: usize = 1_024;
/// Mail routes counted one by one.
const MAX_CONNECTORS: usize = 1_024;
/// Version numbers counted one by one; hostile servers could send all 65,536.
const MAX_VERSIONS: usize = 64;
/// IPv4 addresses of one hardware address that are more than a host has.
const TOO_MANY: usize = 3;
/// Ten minutes: the time after which a silent flow has ended.
const MAX_HELLO_US: u64 = 600 * 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hello::Offer;
    use crate::hello::version::ProtocolVersion as V;
    use crate::record::{Act, Route};
    use crate::time::Timestamp;
    use proptest::prelude::*;
    use std::sync::Arc;

    /// Small numbers, so that flows often share a device or server.
    fn record() -> impl Strategy<Value = FlowRecord> {
        (
            (0..4_u8, 0..3_u8, 0..3_u8, 0..4_u16, any::<u64>()),
            (
                0..5_usize,
                0..9_usize,
                0..4_usize,
                proptest::option::of(0..2_000_000_u64),
            ),
        )
            .prop_map(
                |((client, mac, server, version, time), (verdict, outcome, route, us))| {
                    let offer = Offer {
                        versions: vec![V(0x0301 + version)],
                        ja4: (version > 1).then(|| format!("ja4-{client}").into()),
                        ..Offer::default()
                    };
                    FlowRecord {
                        // As good as unique, as packet numbers are.
                        first_packet: time,
                        client_ip: Some([10, 0, 0, client].into()),
                        client_mac: (mac > 0).then_some(Mac([2, 0, 0, 0, 0, mac])),
                        client_name: (mac > 1).then(|| format!("host-{client}").into()),
                        server_ip: Some([192, 0, 2, server].into()),
                        server_port: Some(25),
                        sni: (server > 0).then(|| format!("mx{server}").into()),
                        service: (server > 1).then_some("smtp"),
                        offer: (version > 0).then(|| Arc::new(offer)),
                        negotiated_version: (version > 0)
                            .then(|| Version::Exact(V(0x0301 + version))),
                        first_seen: Timestamp(time / 2),
                        last_seen: Timestamp(time / 2 + time / 1_000_000),
                        verdict: Verdict::ALL[verdict],
                        reasons: vec!["min-version"],
                        act: Act::ALL.get(route).copied(),
                        outcome: Outcome::ALL[outcome],
                        route: Some(Route::ALL[route]),
                        hello_us: us,
                        ..FlowRecord::default()
                    }
                },
            )
    }

    fn tally(records: &[FlowRecord], max: usize) -> Tally {
        let mut tally = Tally::new(max, max);
        records.iter().for_each(|r| tally.add(r));
        tally
    }

    /// Everything that a report can see of it.
    fn view(tally: &Tally) -> impl PartialEq + std::fmt::Debug + use<> {
        let mut tally = tally.clone();
        tally.settle();
        let devices: Vec<_> = tally
            .devices()
            .into_iter()
            .map(|(key, device)| (key, device.clone()))
            .collect();
        let times: Vec<_> = tally
            .hello_us()
            .map(|(s, t)| (s, t.count(), t.quantile(0.5), t.quantile(0.99), t.max()))
            .collect();
        let servers: Vec<_> = tally
            .servers()
            .into_iter()
            .map(|(key, server)| (key, server.clone()))
            .collect();
        (
            (
                tally.flows,
                tally.negotiated.clone(),
                tally.outcomes.clone(),
            ),
            (
                tally.not_negotiated.clone(),
                tally.verdicts.clone(),
                tally.services.clone(),
            ),
            (tally.upgrades.clone(), tally.unseen.clone(), times),
            (
                tally.flows_of_unlisted_devices,
                tally.flows_of_unlisted_servers,
            ),
            (devices, servers),
        )
    }

    fn merged(parts: impl IntoIterator<Item = Tally>) -> Tally {
        let mut all = Tally::new(0, 0);
        parts.into_iter().for_each(|part| all.merge(part));
        all
    }

    proptest! {
        #[test]
        fn merging_is_commutative_and_associative(
            a in proptest::collection::vec(record(), 0..30),
            b in proptest::collection::vec(record(), 0..30),
            c in proptest::collection::vec(record(), 0..30),
            max in 1..8_usize,
        ) {
            let [a, b, c] = [a, b, c].map(|records| tally(&records, max));
            let forward = view(&merged([a.clone(), b.clone(), c.clone()]));
            prop_assert_eq!(&forward, &view(&merged([c.clone(), a.clone(), b.clone()])));
            let right = merged([b, c]);
            prop_assert_eq!(&forward, &view(&merged([a, right])));
        }

        #[test]
        fn below_the_caps_parts_make_the_whole(
            records in proptest::collection::vec(record(), 0..60),
            at in 0..60_usize,
        ) {
            let (left, right) = records.split_at(at.min(records.len()));
            let parts = merged([tally(left, 1000), tally(right, 1000)]);
            prop_assert_eq!(view(&parts), view(&tally(&records, 1000)));
        }
    }

    #[test]
    fn a_full_tally_goes_on_counting() {
        let records: Vec<_> = (0..10_u8)
            .map(|i| FlowRecord {
                client_ip: Some([10, 0, 0, i].into()),
                server_ip: Some([192, 0, 2, i].into()),
                ..FlowRecord::default()
            })
            .collect();
        let tally = tally(&records, 4);
        assert_eq!(tally.flows, 10);
        assert_eq!((tally.devices().len(), tally.servers().len()), (4, 4));
        assert_eq!(tally.flows_of_unlisted_devices, 6);
        assert_eq!(tally.flows_of_unlisted_servers, 6);
    }

    #[test]
    fn a_service_of_which_no_handshake_was_measured_has_no_times() {
        let flow = |service, hello_us| FlowRecord {
            service: Some(service),
            hello_us,
            ..FlowRecord::default()
        };
        let tally = tally(&[flow("https", None), flow("imap", Some(7))], 100);
        let times: Vec<_> = tally.hello_us().map(|(s, t)| (s, t.count())).collect();
        assert_eq!(times, [(Some("imap"), 1)]);
    }

    #[test]
    fn the_mac_of_a_router_is_nobodys() {
        let flow = |host: u8, mac: u8| FlowRecord {
            client_ip: Some([10, 0, 0, host].into()),
            client_mac: Some(Mac([2, 0, 0, 0, 0, mac])),
            ..FlowRecord::default()
        };
        let records = [flow(1, 9), flow(2, 9), flow(3, 9), flow(3, 8), flow(4, 4)];
        let mut tally = tally(&records, 100);
        tally.settle();
        let macs: Vec<_> = tally
            .devices()
            .into_iter()
            .map(|(key, _)| key.mac.map(|mac| mac.0[5]))
            .collect();
        // 10.0.0.3 has a line behind the router and one of its own.
        assert_eq!(macs, [None, None, None, Some(8), Some(4)]);
    }

    #[test]
    fn one_browser_is_one_stack_and_another_is_another() {
        use crate::hello::registry::CipherSuite as S;
        let with = |suites: &[u16], alpn: Option<&str>| FlowRecord {
            offer: Some(Arc::new(Offer {
                cipher_suites: suites.iter().copied().map(S).collect(),
                alpn: alpn.map(|a| vec![a.into()]),
                ..Offer::default()
            })),
            ..FlowRecord::default()
        };
        let records = [
            with(&[0x1a1a, 0x1301], Some("h2")),
            with(&[0x2a2a, 0x1301], None),
            with(&[0x1301, 0x5600], None),
            with(&[0x002f], None),
        ];
        assert_eq!(tally(&records, 100).devices().len(), 2);
    }
}
