//! Mail routes: what the provider's portal cannot tell of its connectors.

use std::net::IpAddr;
use std::sync::Arc;

use super::{ClientCertificate, FlowRecord, Outcome, Route, SmallMap, Upgrade, Version};

/// What tells one mail route from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectorKey {
    /// Which way the mail goes.
    pub route: Route,
    /// What the policy calls the far end.
    pub role: Option<Arc<str>>,
    /// smtp, submission, imap …
    pub service: &'static str,
    /// The server's address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
}

/// Sessions of one route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connector {
    /// Sessions and payload bytes by version; `None`: in the clear, or not known (see `in_the_clear`).
    pub versions: SmallMap<Option<Version>, (u64, u64)>,
    /// Sessions and bytes in the clear.
    pub in_the_clear: (u64, u64),
    /// Sessions.
    pub sessions: u64,
    /// Payload bytes, both ways.
    pub bytes: u64,
    /// Sessions that went on without TLS where it was refused, had failed or was not offered.
    pub went_on: u64,
    /// Sessions that were given up there.
    pub gave_up: u64,
    /// Sessions with TLS from the first byte on.
    pub implicit: u64,
    /// Mutual TLS; `None`: not seen.
    pub client_certificates: SmallMap<Option<ClientCertificate>, u64>,
    /// The names by which the clients call themselves, else their addresses.
    pub devices: SmallMap<Box<str>, u64>,
    /// Sessions of clients beyond the cap.
    pub sessions_of_other_devices: u64,
    /// The names that clients asked the server for, or its greeting's.
    pub names: SmallMap<Box<str>, u64>,
}

/// The services that carry mail.
pub(super) const MAIL: &[&str] = &[
    "smtp",
    "submission",
    "submissions",
    "smtps",
    "lmtp",
    "imap",
    "imaps",
    "pop3",
    "pop3s",
    "sieve",
];

impl ConnectorKey {
    pub(super) fn of(record: &FlowRecord) -> Option<Self> {
        let service = record.service.filter(|s| MAIL.contains(s))?;
        Some(Self {
            route: record.route?,
            role: record.role.clone(),
            service,
            address: record.server_ip?,
            port: record.server_port?,
        })
    }
}

impl Connector {
    pub(super) fn add(&mut self, record: &FlowRecord) {
        let bytes = record.client_bytes.saturating_add(record.server_bytes);
        self.sessions += 1;
        self.bytes += bytes;
        if record.outcome == Outcome::Cleartext {
            self.in_the_clear.0 += 1;
            self.in_the_clear.1 += bytes;
        } else if let Some((sessions, sum)) =
            self.versions.entry(record.negotiated_version, MAX_VERSIONS)
        {
            *sessions += 1;
            *sum += bytes;
        }
        match record.upgrade {
            None => self.implicit += u64::from(record.carrier.is_some()),
            Some(
                Upgrade::NotOffered
                | Upgrade::Refused
                | Upgrade::AcceptedNoHello
                | Upgrade::HelloFailed
                | Upgrade::StrippedSuspected,
            ) => match record.continued_in_clear {
                Some(true) => self.went_on += 1,
                Some(false) => self.gave_up += 1,
                None => {}
            },
            Some(Upgrade::NotRequested | Upgrade::OfferedUnused)
                if record.continued_in_clear == Some(true) =>
            {
                self.went_on += 1;
            }
            Some(_) => {}
        }
        if record.outcome != Outcome::Cleartext {
            self.client_certificates
                .count(record.client_certificate, usize::MAX);
        }
        let counted = match &record.client_name {
            Some(name) => self
                .devices
                .count(super::device::shortened(name), MAX_DEVICES),
            None => self
                .devices
                .count(record.client().to_string().into(), MAX_DEVICES),
        };
        self.sessions_of_other_devices += u64::from(!counted);
        if let Some(sni) = &record.sni {
            self.names.count(super::device::shortened(sni), MAX_NAMES);
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        let add = |a: &mut (u64, u64), b: (u64, u64)| *a = (a.0 + b.0, a.1 + b.1);
        self.versions.merge(other.versions, add);
        add(&mut self.in_the_clear, other.in_the_clear);
        self.sessions += other.sessions;
        self.bytes += other.bytes;
        self.went_on += other.went_on;
        self.gave_up += other.gave_up;
        self.implicit += other.implicit;
        self.client_certificates.add(other.client_certificates);
        self.devices.add(other.devices);
        self.sessions_of_other_devices += other.sessions_of_other_devices;
        self.names.add(other.names);
    }

    /// Whether the clients insist on TLS, as far as it was put to the test.
    pub fn insistence(&self) -> &'static str {
        match (self.went_on, self.gave_up) {
            (1.., _) => "opportunistic",
            (0, 1..) => "mandatory",
            _ if self.implicit == self.sessions => "implicit",
            _ => "not seen",
        }
    }
}

const MAX_VERSIONS: usize = 16;
const MAX_DEVICES: usize = 64;
const MAX_NAMES: usize = 8;
