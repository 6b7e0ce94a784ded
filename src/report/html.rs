//! The report as one page for a browser: no network, no script needed to read it.
//!
//! In: a [`Summary`]. Out: a template (html/report.html) filled with the object of the JSON report. All text is escaped by
//! the template engine; style and script are ours and named by their hashes in the page's content security policy.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, ErrorKind, Value};
use sha2::{Digest as _, Sha256};

use super::{Summary, json, numbers};
use crate::record::Host;

const TEMPLATE: &str = include_str!("html/report.html");
const CSS: &str = include_str!("html/report.css");
const JS: &str = include_str!("html/report.js");

/// Writes the page.
///
/// # Errors
/// Those of `out`.
pub fn write_html(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let environment = environment().map_err(io::Error::other)?;
    let template = environment.get_template(NAME).map_err(io::Error::other)?;
    let sha256 = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    let page = minijinja::context! {
        css => Value::from_safe_string(CSS.into()),
        js => Value::from_safe_string(JS.into()),
        css_sha256 => sha256(CSS),
        js_sha256 => sha256(JS),
        ..Value::from(Serde(json::report(summary))),
    };
    template
        .render_captured_to(page, out)
        .map(drop)
        .map_err(|error| {
            // The disk's own word, where it was the disk.
            let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
            while let Some(inner) = cause {
                if let Some(io) = inner.downcast_ref::<io::Error>() {
                    return io::Error::new(io.kind(), io.to_string());
                }
                cause = inner.source();
            }
            io::Error::other(error)
        })
}

const NAME: &str = "report.html";

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    environment.set_syntax(syntax.build()?);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_filter("grouped", |n: u64| numbers::grouped(n));
    environment.add_filter("size", |n: u64| numbers::size(n));
    environment.add_filter("percent", |part: u64, whole: u64| {
        numbers::percent(part, whole)
    });
    environment.add_filter("counts", counts);
    environment.add_filter("endpoint", |address: Option<String>, port: Option<u16>| {
        let address = address.unwrap_or_else(|| Host::Unknown.to_string());
        match port {
            Some(port) if address.contains(':') => format!("[{address}]:{port}"),
            Some(port) => format!("{address}:{port}"),
            // The hardware address of a station, which has no ports.
            None => address,
        }
    });
    environment.add_filter("on_axis", on_axis);
    environment.add_filter("gzip_base64", gzip_base64);
    environment.add_template(NAME, TEMPLATE)?;
    Ok(environment)
}

/// "TLS 1.2 ×3, TLS 1.0 ×1", the most frequent first; a count of one alone is not told.
fn counts(map: &Value) -> Result<String, minijinja::Error> {
    if map.kind() != ValueKind::Map {
        return Ok(String::new());
    }
    let mut all = Vec::new();
    for key in map.try_iter()? {
        let count = u64::try_from(map.get_item(&key)?)?;
        all.push((key.to_string(), count));
    }
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let one = all.len() == 1;
    let words = all.into_iter().map(|(name, count)| {
        if one {
            name
        } else {
            format!("{name} ×{}", numbers::grouped(count))
        }
    });
    Ok(words.collect::<Vec<_>>().join(", "))
}

fn gzip_base64(text: String) -> Result<Value, minijinja::Error> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    let packed = packed
        .write_all(text.as_bytes())
        .and_then(|()| packed.finish());
    let packed = packed.map_err(|error| {
        minijinja::Error::new(ErrorKind::InvalidOperation, "cannot pack").with_source(error)
    })?;
    Ok(Value::from_safe_string(STANDARD.encode(packed)))
}

/// Where so many microseconds stand on an axis of six decades from 10 µs, in percent of it.
fn on_axis(us: u64) -> f64 {
    let percent = ((us as f64 / 10.0).log10() * 100.0 / 6.0).clamp(0.0, 100.0);
    (percent * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: between powers of ten the bars stood as on a straight axis, up to half too far to the left.
    #[test]
    fn each_tick_is_ten_times_the_one_before() {
        for (us, percent) in [
            (0, 0.0),
            (10, 0.0),
            (100, 16.67),
            (198, 21.61),
            (1_700, 37.17),
            (39_900, 60.02),
            (10_000_000, 100.0),
            (u64::MAX, 100.0),
        ] {
            assert_eq!(on_axis(us), percent, "{us}");
        }
    }
}
