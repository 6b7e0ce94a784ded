//! Records read back from NDJSON, to be judged again without the packets.
//!
//! In: a line that [`append_ndjson`](crate::report::append_ndjson) wrote, by this or another version. Out: the record,
//! its verdict to be made anew. What a saved record does not hold (extensions of the ClientHello that are not lists)
//! is marked as not known ([`Offer::from_record`]).

use std::collections::HashMap;
use std::hash::{Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;
use siphasher::sip::SipHasher13;

use super::{
    Alert, Carrier, Cause, Certificate, ClientCertificate, FlowRecord, Mac, NegotiatedSource,
    Outcome, Side, Upgrade, Version, Visibility,
};
use crate::decode::{Tunnel, Tunnels, Vlans};
use crate::dispatch::Transport;
use crate::framing::quic::QuicVersion;
use crate::hello::Offer;
use crate::hello::registry::{AlertDescription, CipherSuite, NamedGroup, SignatureScheme};
use crate::hello::version::ProtocolVersion;
use crate::policy::reason::STARTTLS_INJECTION;
use crate::time::Timestamp;

/// Reads saved records; words and offers that come again are kept once.
#[derive(Debug, Default)]
pub struct Reader {
    words: HashMap<String, &'static str>,
    offers: HashMap<u64, Arc<Offer>>,
}

/// Different words believed (services, causes); a file that has more is not ours.
const MAX_WORDS: usize = 4_096;
/// Offers kept for sharing.
const MAX_OFFERS: usize = 4_096;

#[derive(Deserialize)]
struct Line {
    r#type: String,
    flow_id: String,
    first_packet: u64,
    first_seen: String,
    last_seen: String,
    transport: Option<String>,
    client_ip: Option<IpAddr>,
    client_port: Option<u16>,
    server_ip: Option<IpAddr>,
    server_port: Option<u16>,
    client_mac: Option<String>,
    server_mac: Option<String>,
    #[serde(default)]
    vlan: Vec<u16>,
    #[serde(default)]
    tunnel: Vec<String>,
    via: Option<String>,
    via_target: Option<Box<str>>,
    service: Option<String>,
    service_source: Option<String>,
    upgrade: Option<String>,
    continued_in_clear: Option<bool>,
    cleartext_credentials: Option<bool>,
    client_name: Option<Box<str>>,
    server_name_banner: Option<Box<str>>,
    carrier: Option<String>,
    quic_version: Option<String>,
    outcome: String,
    cause: Option<String>,
    negotiated_version: Option<String>,
    negotiated_source: Option<String>,
    #[serde(flatten)]
    offer: OfferLine,
    client_record_version: Option<String>,
    cipher_suite_id: Option<String>,
    named_group: Option<String>,
    sni: Option<Box<str>>,
    alpn: Option<String>,
    hello_retry: Option<bool>,
    resumed: Option<bool>,
    downgrade_sentinel: Option<bool>,
    extended_master_secret: Option<bool>,
    ja3s: Option<String>,
    client_hello_bytes: Option<u32>,
    client_hello_segments: Option<u32>,
    #[serde(default)]
    alerts: Vec<String>,
    certificate_subject: Option<String>,
    certificate_issuer: Option<String>,
    certificate_not_before: Option<String>,
    certificate_not_after: Option<String>,
    certificate_key: Option<String>,
    certificate_signature: Option<String>,
    certificate_sha256: Option<String>,
    certificate_names: Option<Vec<String>>,
    client_certificate: Option<String>,
    tcp_rtt_us: Option<u64>,
    hello_us: Option<u64>,
    client_bytes: u64,
    server_bytes: u64,
    client_packets: u64,
    server_packets: u64,
    visibility: String,
    missing_bytes: u64,
    conflicting_bytes: u64,
    mid_stream: bool,
    #[serde(default)]
    reasons: Vec<String>,
}

#[derive(Deserialize, Hash)]
struct OfferLine {
    client_versions: Option<Vec<String>>,
    client_legacy_version: Option<String>,
    client_cipher_suites: Option<Vec<String>>,
    client_named_groups: Option<Vec<String>>,
    client_key_shares: Option<Vec<String>>,
    client_signature_algorithms: Option<Vec<String>>,
    client_alpn: Option<Vec<String>>,
    ech: Option<bool>,
    fallback_scsv: Option<bool>,
    ja3: Option<String>,
    ja4: Option<String>,
}

impl Reader {
    /// Reads one line.
    ///
    /// # Errors
    /// Where it is not a flow record; one line that says why.
    pub fn record(&mut self, line: &str) -> Result<FlowRecord, String> {
        let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if line.r#type != "flow" {
            return Err(format!("type is not \"flow\" but {:?}", line.r#type));
        }
        let offer = self.offer(&line)?;
        let certificate = certificate(&line)?;
        let starttls_injection = line
            .reasons
            .iter()
            .any(|reason| reason == STARTTLS_INJECTION);
        let mut vlans = Vlans::default();
        line.vlan.iter().for_each(|tag| vlans.push(*tag));
        let mut tunnels = Tunnels::default();
        for name in &line.tunnel {
            let tunnel = Tunnel::ALL.iter().find(|tunnel| tunnel.name() == name);
            tunnels.push(*tunnel.ok_or_else(|| unknown("tunnel", name))?);
        }
        Ok(FlowRecord {
            flow_id: u64::from_str_radix(&line.flow_id, 16)
                .map_err(|_| unknown("flow_id", &line.flow_id))?,
            first_packet: line.first_packet,
            first_seen: time(&line.first_seen)?,
            last_seen: time(&line.last_seen)?,
            transport: transport(&line)?,
            client_ip: line.client_ip,
            client_port: line.client_ip.and(line.client_port),
            server_ip: line.server_ip,
            server_port: line.server_ip.and(line.server_port),
            client_mac: line.client_mac.as_deref().map(mac).transpose()?,
            server_mac: line.server_mac.as_deref().map(mac).transpose()?,
            vlans,
            tunnels,
            via: self.word(line.via)?,
            via_target: line.via_target,
            service: self.word(line.service)?,
            service_source: self.word(line.service_source)?,
            upgrade: named(line.upgrade, "upgrade", Upgrade::named)?,
            continued_in_clear: line.continued_in_clear,
            cleartext_credentials: line.cleartext_credentials,
            client_name: line.client_name,
            server_name_banner: line.server_name_banner,
            starttls_injection,
            carrier: named(line.carrier, "carrier", Carrier::named)?,
            quic_version: named(line.quic_version, "quic_version", |text| {
                QuicVersion::named(text).map(|version| version.0)
            })?,
            outcome: Outcome::named(&line.outcome)
                .ok_or_else(|| unknown("outcome", &line.outcome))?,
            cause: line.cause.map(|cause| self.cause(cause)).transpose()?,
            negotiated_version: named(line.negotiated_version, "negotiated_version", |text| {
                if text == "TLS 1.2+" {
                    return Some(Version::Tls12OrLater);
                }
                ProtocolVersion::named(text).map(Version::Exact)
            })?,
            negotiated_source: named(
                line.negotiated_source,
                "negotiated_source",
                NegotiatedSource::named,
            )?,
            offer,
            client_record_version: named(
                line.client_record_version,
                "client_record_version",
                ProtocolVersion::named,
            )?,
            cipher_suite: named(line.cipher_suite_id, "cipher_suite_id", suite)?,
            named_group: named(line.named_group, "named_group", NamedGroup::named)?,
            sni: line.sni.map(Into::into),
            alpn: line.alpn.map(Into::into),
            hello_retry: line.hello_retry,
            resumed: line.resumed,
            downgrade_sentinel: line.downgrade_sentinel,
            extended_master_secret: line.extended_master_secret,
            ja3s: line.ja3s.map(Into::into),
            client_hello_bytes: line.client_hello_bytes,
            client_hello_segments: line.client_hello_segments,
            alerts: line
                .alerts
                .iter()
                .map(|text| alert(text))
                .collect::<Result<_, _>>()?,
            certificate,
            client_certificate: named(
                line.client_certificate,
                "client_certificate",
                ClientCertificate::named,
            )?,
            tcp_rtt_us: line.tcp_rtt_us,
            hello_us: line.hello_us,
            client_bytes: line.client_bytes,
            server_bytes: line.server_bytes,
            client_packets: line.client_packets,
            server_packets: line.server_packets,
            visibility: Visibility::named(&line.visibility)
                .ok_or_else(|| unknown("visibility", &line.visibility))?,
            missing_bytes: line.missing_bytes,
            conflicting_bytes: line.conflicting_bytes,
            mid_stream: line.mid_stream,
            ..FlowRecord::default()
        })
    }

    fn offer(&mut self, line: &Line) -> Result<Option<Arc<Offer>>, String> {
        let saved = &line.offer;
        let (Some(legacy), Some(suites)) =
            (&saved.client_legacy_version, &saved.client_cipher_suites)
        else {
            return Ok(None);
        };
        let mut hash = SipHasher13::new();
        saved.hash(&mut hash);
        line.sni.is_some().hash(&mut hash);
        let hash = hash.finish();
        if let Some(known) = self.offers.get(&hash) {
            return Ok(Some(Arc::clone(known)));
        }
        let legacy_version = ProtocolVersion::named(legacy)
            .ok_or_else(|| unknown("client_legacy_version", legacy))?;
        let versions = list(
            saved.client_versions.as_deref(),
            "client_versions",
            ProtocolVersion::named,
        )?
        .unwrap_or_default();
        let offer = Offer {
            legacy_version,
            // legacy_version alone is listed where the extension was absent.
            has_supported_versions: versions != [legacy_version],
            versions,
            cipher_suites: list(Some(suites), "client_cipher_suites", suite)?.unwrap_or_default(),
            named_groups: list(
                saved.client_named_groups.as_deref(),
                "client_named_groups",
                NamedGroup::named,
            )?,
            key_shares: list(
                saved.client_key_shares.as_deref(),
                "client_key_shares",
                NamedGroup::named,
            )?,
            signature_algorithms: list(
                saved.client_signature_algorithms.as_deref(),
                "client_signature_algorithms",
                SignatureScheme::named,
            )?,
            alpn: saved.client_alpn.clone(),
            ech: saved.ech == Some(true),
            fallback_scsv: saved.fallback_scsv == Some(true),
            has_server_name: line.sni.is_some(),
            ja3: saved.ja3.as_deref().map(Into::into),
            ja4: saved.ja4.as_deref().map(Into::into),
            from_record: true,
            ..Offer::default()
        };
        if self.offers.len() >= MAX_OFFERS {
            self.offers.clear();
        }
        let offer = Arc::new(offer);
        self.offers.insert(hash, Arc::clone(&offer));
        Ok(Some(offer))
    }

    /// Records hold words of ours alone, so few that each is kept for good.
    fn word(&mut self, word: Option<String>) -> Result<Option<&'static str>, String> {
        let Some(word) = word else { return Ok(None) };
        if let Some(known) = self.words.get(&word) {
            return Ok(Some(known));
        }
        if self.words.len() >= MAX_WORDS || word.len() > 64 || word.chars().any(char::is_control) {
            return Err(unknown("word", &word));
        }
        let kept: &'static str = Box::leak(word.clone().into_boxed_str());
        self.words.insert(word, kept);
        Ok(Some(kept))
    }

    fn cause(&mut self, text: String) -> Result<Cause, String> {
        for fixed in [
            Cause::TcpReset,
            Cause::TcpClose,
            Cause::Silence,
            Cause::HelloSplitUnanswered,
            Cause::Gap,
            Cause::Snaplen,
            Cause::Evicted,
            Cause::CleartextServer(None),
            Cause::OneWay,
            Cause::MidStream,
            Cause::CaptureEnd,
            Cause::CaptureLoss,
        ] {
            if fixed.to_string() == text {
                return Ok(fixed);
            }
        }
        if let Some(name) = text.strip_prefix("alert ") {
            return description(name).map(Cause::Alert);
        }
        let mut word = |text: &str| {
            self.word(Some(text.to_owned()))
                .map(Option::unwrap_or_default)
        };
        if let Some(what) = text.strip_prefix("malformed ") {
            return word(what).map(Cause::Malformed);
        }
        if let Some(rest) = text.strip_prefix("server speaks ")
            && let Some(protocol) = rest.strip_suffix(" in the clear")
        {
            return word(protocol).map(|protocol| Cause::CleartextServer(Some(protocol)));
        }
        word(&text).map(Cause::Other)
    }
}

/// Without a transport there are neither addresses nor ports (they are 0), and with one there are all four.
fn transport(line: &Line) -> Result<Transport, String> {
    let transport = match line.transport.as_deref() {
        Some("tcp") => Transport::Tcp,
        Some("udp") => Transport::Udp,
        Some(other) => return Err(unknown("transport", other)),
        None => Transport::Eapol,
    };
    let is_wanted = transport != Transport::Eapol;
    let is_port = |port: Option<u16>| port.is_some_and(|port| is_wanted || port > 0);
    for (name, is_there) in [
        ("client_ip", line.client_ip.is_some()),
        ("client_port", is_port(line.client_port)),
        ("server_ip", line.server_ip.is_some()),
        ("server_port", is_port(line.server_port)),
    ] {
        if is_there != is_wanted {
            let is = if is_there { "not null" } else { "null" };
            let other = line.transport.as_deref().unwrap_or("null");
            return Err(format!("{name} is {is} where transport is {other}"));
        }
    }
    Ok(transport)
}

fn certificate(line: &Line) -> Result<Option<Arc<Certificate>>, String> {
    if [
        &line.certificate_sha256,
        &line.certificate_key,
        &line.certificate_signature,
    ]
    .iter()
    .all(|field| field.is_none())
    {
        return Ok(None);
    }
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    Ok(Some(Arc::new(Certificate {
        subject: text(&line.certificate_subject),
        issuer: text(&line.certificate_issuer),
        not_before: line
            .certificate_not_before
            .as_deref()
            .map(time)
            .transpose()?,
        not_after: line
            .certificate_not_after
            .as_deref()
            .map(time)
            .transpose()?,
        key: text(&line.certificate_key),
        signature: text(&line.certificate_signature),
        sha256: text(&line.certificate_sha256),
        names: line.certificate_names.clone().unwrap_or_default(),
        ..Certificate::default()
    })))
}

fn unknown(field: &str, value: &str) -> String {
    format!("{field}: {value:?} is not known")
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::from_rfc3339(text).ok_or_else(|| unknown("time", text))
}

fn named<T>(
    text: Option<String>,
    field: &str,
    named: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, String> {
    text.map(|text| named(&text).ok_or_else(|| unknown(field, &text)))
        .transpose()
}

fn list<T>(
    texts: Option<&[String]>,
    field: &str,
    named: impl Fn(&str) -> Option<T>,
) -> Result<Option<Vec<T>>, String> {
    let one = |text: &String| named(text).ok_or_else(|| unknown(field, text));
    texts
        .map(|texts| texts.iter().map(one).collect())
        .transpose()
}

fn suite(text: &str) -> Option<CipherSuite> {
    u16::from_str_radix(text.strip_prefix("0x")?, 16)
        .ok()
        .map(CipherSuite)
}

fn mac(text: &str) -> Result<Mac, String> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        let part = parts
            .next()
            .and_then(|part| u8::from_str_radix(part, 16).ok());
        *byte = part.ok_or_else(|| unknown("mac", text))?;
    }
    Ok(Mac(bytes))
}

fn description(name: &str) -> Result<AlertDescription, String> {
    (0..=u8::MAX)
        .map(AlertDescription)
        .find(|description| description.to_string() == name)
        .ok_or_else(|| unknown("alert", name))
}

/// "server fatal protocol_version".
fn alert(text: &str) -> Result<Alert, String> {
    let mut words = text.splitn(3, ' ');
    let (Some(from), Some(level), Some(name)) = (words.next(), words.next(), words.next()) else {
        return Err(unknown("alert", text));
    };
    Ok(Alert {
        from: Side::named(from).ok_or_else(|| unknown("alert", text))?,
        fatal: level == "fatal",
        description: description(name)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{append_ndjson, samples};

    #[test]
    fn addresses_are_there_where_a_transport_is() {
        let line = |record: &FlowRecord| {
            let mut line = Vec::new();
            append_ndjson(record, &mut line);
            String::from_utf8(line).expect("UTF-8")
        };
        let ip = samples::full_record();
        let station = FlowRecord {
            transport: Transport::Eapol,
            client_ip: None,
            client_port: None,
            server_ip: None,
            server_port: None,
            route: None,
            ..samples::full_record()
        };
        let mut reader = Reader::default();
        for record in [&ip, &station] {
            let read = reader.record(line(record).trim_end()).expect("it is whole");
            assert_eq!(read.transport, record.transport);
            assert_eq!(
                (read.client(), read.server()),
                (record.client(), record.server())
            );
            assert_eq!(
                (read.client_port, read.server_port),
                (record.client_port, record.server_port)
            );
        }
        let nowhere = line(&FlowRecord {
            client_ip: None,
            ..ip
        });
        let somewhere = line(&FlowRecord {
            server_port: Some(1),
            ..station
        });
        for (line, why) in [
            (nowhere, "client_ip is null where transport is tcp"),
            (somewhere, "server_port is not null where transport is null"),
        ] {
            let error = reader.record(line.trim_end()).expect_err(why);
            assert_eq!(error, why);
        }
    }
}
