//! The cryptography that was seen in use, as a CycloneDX 1.6 bill of materials (CBOM): evidence for auditors, such as PCI
//! DSS 12.3.3 asks for.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::json::word;
use super::{Summary, json};
use crate::hello::registry::CipherSuite;
use crate::record::{Carrier, Version};

/// Writes the bill of materials: one protocol component a version, with its suites, and one for each certificate key.
///
/// # Errors
/// Those of `out`.
pub fn write_cbom(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    json::write_object(&bill(summary), out)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bill {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata,
    components: Vec<Component>,
}

#[derive(Serialize)]
struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    tools: Tools,
}

#[derive(Serialize)]
struct Tools {
    components: Vec<Tool>,
}

#[derive(Serialize)]
struct Tool {
    r#type: &'static str,
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Component {
    r#type: &'static str,
    #[serde(rename = "bom-ref")]
    bom_ref: String,
    name: String,
    crypto_properties: CryptoProperties,
    properties: Vec<Property>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CryptoProperties {
    asset_type: &'static str,
    protocol_properties: ProtocolProperties,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProtocolProperties {
    r#type: &'static str,
    version: String,
    cipher_suites: Vec<Suite>,
}

#[derive(Serialize)]
struct Suite {
    name: String,
    identifiers: Vec<String>,
}

#[derive(Serialize)]
struct Property {
    name: String,
    value: String,
}

fn bill(summary: &Summary) -> Bill {
    let mut protocols =
        BTreeMap::<(Option<Carrier>, Version), Vec<(Option<CipherSuite>, u64)>>::new();
    for ((carrier, version, suite), flows) in summary.tally.suites.iter() {
        protocols
            .entry((*carrier, *version))
            .or_default()
            .push((*suite, *flows));
    }
    let components: Vec<_> = protocols
        .into_iter()
        .map(|((carrier, version), suites)| protocol(carrier, version, &suites))
        .collect();
    let timestamp = summary.last_packet().map(|time| time.to_string());
    Bill {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: serial_number(summary, &components),
        version: 1,
        metadata: Metadata {
            timestamp,
            tools: Tools {
                components: vec![Tool {
                    r#type: "application",
                    name: "hellotap",
                    version: env!("CARGO_PKG_VERSION"),
                }],
            },
        },
        components,
    }
}

fn protocol(
    carrier: Option<Carrier>,
    version: Version,
    suites: &[(Option<CipherSuite>, u64)],
) -> Component {
    let name = word(version);
    let (kind, over) = match carrier {
        Some(Carrier::Quic) => ("tls", " over QUIC"),
        // The schema has no word for DTLS.
        Some(Carrier::Dtls) => ("other", ""),
        _ => ("tls", ""),
    };
    let number = name.rsplit(' ').next().unwrap_or_default().to_owned();
    let mut properties = vec![Property {
        name: "hellotap:flows".into(),
        value: suites
            .iter()
            .map(|(_, flows)| flows)
            .sum::<u64>()
            .to_string(),
    }];
    let mut listed = Vec::new();
    for (suite, flows) in suites {
        let Some(suite) = suite else { continue };
        let [high, low] = suite.0.to_be_bytes();
        listed.push(Suite {
            name: suite.to_string(),
            identifiers: vec![format!("0x{high:02X}"), format!("0x{low:02X}")],
        });
        properties.push(Property {
            name: format!("hellotap:flows:{suite}"),
            value: flows.to_string(),
        });
    }
    let title = format!("{name}{over}");
    Component {
        r#type: "cryptographic-asset",
        bom_ref: format!("protocol/{}", title.to_ascii_lowercase().replace(' ', "-")),
        name: title,
        crypto_properties: CryptoProperties {
            asset_type: "protocol",
            protocol_properties: ProtocolProperties {
                r#type: kind,
                version: number,
                cipher_suites: listed,
            },
        },
        properties,
    }
}

/// A UUID made of the content (RFC 9562 section 5.8), so that the same capture has the same bill.
fn serial_number(summary: &Summary, components: &[Component]) -> String {
    let mut hash = Sha256::new();
    for input in &summary.inputs {
        hash.update(input.name.as_bytes());
        hash.update(input.packets.to_be_bytes());
        hash.update(input.bytes.to_be_bytes());
    }
    hash.update(serde_json::to_vec(components).unwrap_or_default());
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(hash.finalize().first_chunk::<16>().expect("32 bytes"));
    let number = u128::from_be_bytes(bytes) & !(0xf << 76 | 0x3 << 62) | 0x8 << 76 | 0x2 << 62;
    let text = format!("{number:032x}");
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    format!(
        "urn:uuid:{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn an_office() {
        let mut out = Vec::new();
        write_cbom(&samples::office(), &mut out).expect("memory");
        let text = String::from_utf8(out).expect("UTF-8");
        insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "[version]"));
    }
}
