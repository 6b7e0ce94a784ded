//! What is written down of a flow, and what is counted over all of them.
//!
//! In: the observations of a flow that ended. Out: an immutable [`FlowRecord`], visited field by field by whoever
//! writes it. The names and their meaning are the contract's.

mod connector;
mod device;
mod evidence;
mod fields;
mod host;
mod hours;
mod loss;
mod outcome;
pub mod redact;
pub mod saved;
mod small_map;
mod tally;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

pub use connector::{Connector, ConnectorKey};
pub use device::{Device, DeviceKey, Judgements, Peer, PeerKey, Server, ServerKey};
pub use evidence::{Evidence, Evidences};
pub(crate) use fields::decimal;
pub use fields::{FIELDS, FieldSink, Name, OfferFields, Rendered, Word};
pub use host::{Host, is_host_name};
pub use hours::Hours;
pub use loss::{Drops, Losses};
pub use outcome::{
    Act, Carrier, Cause, ClientCertificate, NegotiatedSource, Outcome, Route, Side, Upgrade,
    Verdict, Version, Visibility,
};
pub use small_map::SmallMap;
pub use tally::{HelloTimes, Tally, Unseen};

use crate::decode::{Tunnels, Vlans};
use crate::dispatch::Transport;
use crate::hello::Offer;
use crate::hello::registry::{AlertDescription, CipherSuite, NamedGroup};
use crate::hello::version::ProtocolVersion;
use crate::policy::simulate::Chosen;
use crate::time::Timestamp;

/// A 48-bit MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl std::fmt::Display for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// An alert seen in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Who sent it.
    pub from: Side,
    /// AlertLevel fatal (2), else warning.
    pub fatal: bool,
    /// What it says.
    pub description: AlertDescription,
}

impl std::fmt::Display for Alert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let level = if self.fatal { "fatal" } else { "warning" };
        write!(f, "{} {level} {}", self.from, self.description)
    }
}

/// The leaf certificate, up to TLS 1.2 where it is in the clear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// RFC 4514 text.
    pub subject: String,
    /// RFC 4514 text.
    pub issuer: String,
    /// Beginning of validity.
    pub not_before: Option<Timestamp>,
    /// End of validity.
    pub not_after: Option<Timestamp>,
    /// "RSA-2048", "ECDSA P-256" …
    pub key: String,
    /// "sha256WithRSAEncryption" …
    pub signature: String,
    /// SHA-256 of the DER, hexadecimal.
    pub sha256: String,
    /// DNS names and addresses of subjectAltName.
    pub names: Vec<String>,
    /// Its part of a record, once written.
    pub rendered: Rendered,
}

/// One flow that matters, as `--flows` writes it. `None` means not known, never "no".
#[derive(Clone, Debug)]
#[allow(
    missing_docs,
    reason = "field for field the contract's record; CONTRACT.md says what each means"
)]
pub struct FlowRecord {
    pub flow_id: u64,
    pub first_packet: u64,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub transport: Transport,
    pub client_ip: Option<IpAddr>,
    pub client_port: Option<u16>,
    pub server_ip: Option<IpAddr>,
    pub server_port: Option<u16>,
    pub client_mac: Option<Mac>,
    pub server_mac: Option<Mac>,
    pub vlans: Vlans,
    pub tunnels: Tunnels,
    pub via: Option<&'static str>,
    pub via_target: Option<Box<str>>,
    pub service: Option<&'static str>,
    pub service_source: Option<&'static str>,
    pub upgrade: Option<Upgrade>,
    pub continued_in_clear: Option<bool>,
    pub cleartext_credentials: Option<bool>,
    pub client_name: Option<Box<str>>,
    pub server_name_banner: Option<Box<str>>,
    /// Commands in the clear came behind the request for TLS (CVE-2011-0411): told by a reason, not by a field.
    pub starttls_injection: bool,
    /// Packets were lost while it began: told by the cause where that left something unknown, and counted.
    pub during_loss: bool,
    pub carrier: Option<Carrier>,
    pub quic_version: Option<u32>,
    pub outcome: Outcome,
    pub cause: Option<Cause>,
    pub negotiated_version: Option<Version>,
    pub negotiated_source: Option<NegotiatedSource>,
    /// What the ClientHello offered; `None` where none was read.
    pub offer: Option<Arc<Offer>>,
    pub client_record_version: Option<ProtocolVersion>,
    pub cipher_suite: Option<CipherSuite>,
    pub named_group: Option<NamedGroup>,
    pub sni: Option<Arc<str>>,
    pub alpn: Option<Arc<str>>,
    pub hello_retry: Option<bool>,
    pub resumed: Option<bool>,
    pub downgrade_sentinel: Option<bool>,
    pub extended_master_secret: Option<bool>,
    pub ja3s: Option<Arc<str>>,
    pub client_hello_bytes: Option<u32>,
    pub client_hello_segments: Option<u32>,
    pub alerts: Vec<Alert>,
    pub certificate: Option<Arc<Certificate>>,
    pub client_certificate: Option<ClientCertificate>,
    pub tcp_rtt_us: Option<u64>,
    pub hello_us: Option<u64>,
    pub client_bytes: u64,
    pub server_bytes: u64,
    pub client_packets: u64,
    pub server_packets: u64,
    pub visibility: Visibility,
    pub missing_bytes: u64,
    pub conflicting_bytes: u64,
    pub mid_stream: bool,
    /// It came at once after an attempt with a higher version that failed and that the policy's far end may take: told by
    /// a reason, not by a field.
    pub is_retry: bool,
    /// What the far end that the policy describes would choose: told by reports, not by a field.
    pub predicted: Option<Chosen>,
    pub policy: Option<Arc<str>>,
    pub verdict: Verdict,
    pub reasons: Vec<&'static str>,
    pub act: Option<Act>,
    /// `None` where there are no network addresses.
    pub route: Option<Route>,
    pub role: Option<Arc<str>>,
}

impl Default for FlowRecord {
    /// A flow of which nothing is known: a base for tests and for filling in.
    fn default() -> Self {
        Self {
            flow_id: 0,
            first_packet: 0,
            first_seen: Timestamp::default(),
            last_seen: Timestamp::default(),
            transport: Transport::Tcp,
            client_ip: Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            client_port: Some(0),
            server_ip: Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            server_port: Some(0),
            client_mac: None,
            server_mac: None,
            vlans: Vlans::default(),
            tunnels: Tunnels::default(),
            via: None,
            via_target: None,
            service: None,
            service_source: None,
            upgrade: None,
            continued_in_clear: None,
            cleartext_credentials: None,
            client_name: None,
            server_name_banner: None,
            starttls_injection: false,
            during_loss: false,
            carrier: None,
            quic_version: None,
            outcome: Outcome::Unknown,
            cause: None,
            negotiated_version: None,
            negotiated_source: None,
            offer: None,
            client_record_version: None,
            cipher_suite: None,
            named_group: None,
            sni: None,
            alpn: None,
            hello_retry: None,
            resumed: None,
            downgrade_sentinel: None,
            extended_master_secret: None,
            ja3s: None,
            client_hello_bytes: None,
            client_hello_segments: None,
            alerts: Vec::new(),
            certificate: None,
            client_certificate: None,
            tcp_rtt_us: None,
            hello_us: None,
            client_bytes: 0,
            server_bytes: 0,
            client_packets: 0,
            server_packets: 0,
            visibility: Visibility::Both,
            missing_bytes: 0,
            conflicting_bytes: 0,
            mid_stream: false,
            is_retry: false,
            predicted: None,
            policy: None,
            verdict: Verdict::Unknown,
            reasons: Vec::new(),
            act: None,
            route: Some(Route::Transit),
            role: None,
        }
    }
}
