//! Names and addresses replaced by pseudonyms, for records that leave the house.
//!
//! The same name has the same pseudonym within a run, and the run's key is drawn at random, so that nobody can try all
//! addresses against it. Roles, services, versions and prints stay: they tell of software, not of people.

use std::hash::Hasher as _;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use siphasher::sip::SipHasher13;

use super::{Certificate, FlowRecord, Mac, is_host_name};

/// Makes the pseudonyms of one run.
#[derive(Clone, Copy, Debug)]
pub struct Pseudonyms {
    key: [u8; 16],
}

impl Pseudonyms {
    /// With the key of the run, which has to be random.
    pub const fn new(key: [u8; 16]) -> Self {
        Self { key }
    }

    /// Replaces every name and address in `record`.
    pub fn redact(&self, record: &mut FlowRecord) {
        record.flow_id = self.hash("flow", &record.flow_id.to_be_bytes());
        for ip in [&mut record.client_ip, &mut record.server_ip] {
            *ip = ip.map(|ip| self.address(ip));
        }
        for mac in [&mut record.client_mac, &mut record.server_mac] {
            *mac = mac.map(|mac| self.mac(mac));
        }
        for name in [
            &mut record.via_target,
            &mut record.client_name,
            &mut record.server_name_banner,
        ] {
            *name = name.as_deref().map(|name| self.name(name).into());
        }
        record.sni = record.sni.as_deref().map(|name| self.name(name).into());
        if let Some(certificate) = &record.certificate {
            record.certificate = Some(Arc::new(self.certificate(certificate)));
        }
    }

    /// Out of fd04::/64 for IPv4, fd06::/64 for IPv6: unique local addresses (RFC 4193), so that none is somebody's.
    fn address(&self, address: IpAddr) -> IpAddr {
        let (family, hash) = match address {
            IpAddr::V4(v4) => (0xfd04_u128, self.hash("address", &v4.octets())),
            IpAddr::V6(v6) => (0xfd06_u128, self.hash("address", &v6.octets())),
        };
        Ipv6Addr::from_bits(family << 112 | u128::from(hash)).into()
    }

    /// A locally administered unicast address.
    fn mac(&self, mac: Mac) -> Mac {
        let [_, _, a, b, c, d, e, ..] = self.hash("mac", &mac.0).to_be_bytes();
        Mac([0x02, a, b, c, d, e])
    }

    fn name(&self, name: &str) -> String {
        // Host names do not tell case apart, and neither must their pseudonyms.
        let hash = self.hash("name", name.to_ascii_lowercase().as_bytes());
        // A host's name stays one, for judgements ask whether it is; this domain is nobody's (RFC 2606 section 2).
        let domain = if is_host_name(name) { ".invalid" } else { "" };
        format!("name-{hash:016x}{domain}")
    }

    fn certificate(&self, certificate: &Certificate) -> Certificate {
        let name = |name: &String| {
            if name.is_empty() {
                String::new()
            } else {
                self.name(name)
            }
        };
        Certificate {
            subject: name(&certificate.subject),
            issuer: name(&certificate.issuer),
            names: certificate.names.iter().map(name).collect(),
            // A fingerprint finds the certificate, and its names, in public logs.
            sha256: name(&certificate.sha256),
            ..certificate.clone()
        }
    }

    fn hash(&self, kind: &str, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(kind.as_bytes());
        hasher.write_u8(0);
        hasher.write(bytes);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{append_ndjson, samples};

    #[test]
    fn no_name_and_no_address_is_left() {
        let record = samples::full_record();
        let mut redacted = record.clone();
        Pseudonyms::new([7; 16]).redact(&mut redacted);
        let mut line = Vec::new();
        append_ndjson(&redacted, &mut line);
        let line = String::from_utf8(line).expect("UTF-8");
        let certificate = record.certificate.as_deref().expect("it has one");
        let mut secrets: Vec<String> = [
            record.via_target.as_deref(),
            record.client_name.as_deref(),
            record.server_name_banner.as_deref(),
            record.sni.as_deref(),
        ]
        .into_iter()
        .flatten()
        .map(String::from)
        .collect();
        secrets.extend([record.client(), record.server()].map(|host| format!("\"{host}\"")));
        secrets.extend(
            [record.client_mac, record.server_mac]
                .into_iter()
                .flatten()
                .map(|mac| mac.to_string()),
        );
        secrets.extend(
            [
                &certificate.subject,
                &certificate.issuer,
                &certificate.sha256,
            ]
            .map(Clone::clone),
        );
        secrets.extend(certificate.names.iter().cloned());
        secrets.push(format!("\"flow_id\":\"{:016x}\"", record.flow_id));
        for secret in secrets {
            assert!(!line.contains(&secret), "{secret} is in {line}");
        }
    }

    #[test]
    fn stations_without_addresses_have_none_after_it() {
        let mut record = FlowRecord {
            transport: crate::dispatch::Transport::Eapol,
            client_ip: None,
            client_port: None,
            server_ip: None,
            server_port: None,
            client_mac: Some(Mac([0, 0x1b, 0xa9, 1, 2, 3])),
            server_mac: None,
            ..samples::full_record()
        };
        let before = record.client();
        Pseudonyms::new([7; 16]).redact(&mut record);
        assert_eq!((record.client_ip, record.server_ip), (None, None));
        assert_ne!(record.client(), before);
        assert_eq!(record.server(), crate::record::Host::Unknown);
    }

    #[test]
    fn pseudonyms_are_stable_within_a_run_and_not_across_runs() {
        let names = |key: u8| {
            let mut record = samples::full_record();
            Pseudonyms::new([key; 16]).redact(&mut record);
            (record.client_ip, record.client_name)
        };
        assert_eq!(names(1), names(1));
        assert_ne!(names(1), names(2));
        let pseudonyms = Pseudonyms::new([1; 16]);
        assert_eq!(pseudonyms.name("MX.Example"), pseudonyms.name("mx.example"));
    }
}
