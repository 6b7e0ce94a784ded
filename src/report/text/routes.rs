//! Mail routes: by which versions, how much in the clear, and who insists on TLS.

use std::io;

use super::heading;
use super::page::{Look, Page};
use crate::policy::Fit;
use crate::record::{ClientCertificate, Connector, ConnectorKey};
use crate::report::json::word;
use crate::report::numbers::{counted, percent, size};
use crate::report::{Summary, escape};

/// Routes listed; the files have all.
const MAX_ROUTES: usize = 12;
/// Names listed of the devices behind a route.
const MAX_NAMES: usize = 3;

pub(super) fn mail_routes(page: &mut Page<'_>, summary: &Summary) -> io::Result<()> {
    let mut routes: Vec<_> = summary.tally.connectors.iter().collect();
    if routes.is_empty() {
        return Ok(());
    }
    routes.sort_by(|(a_key, a), (b_key, b)| {
        b.sessions.cmp(&a.sessions).then_with(|| a_key.cmp(b_key))
    });
    heading(page, "Mail routes")?;
    for (key, connector) in routes.iter().take(MAX_ROUTES) {
        route(page, summary, key, connector)?;
    }
    match routes.len().checked_sub(MAX_ROUTES) {
        None | Some(0) => Ok(()),
        Some(rest) => {
            let rest = counted(rest as u64, "route", "routes");
            let line = format!("and {rest} more; --report FILE.json lists all of them");
            page.paragraph(2, Look::Dim, &line)
        }
    }
}

fn route(
    page: &mut Page<'_>,
    summary: &Summary,
    key: &ConnectorKey,
    connector: &Connector,
) -> io::Result<()> {
    let name = connector
        .names
        .by_count()
        .first()
        .map(|(name, _)| escape::for_terminal(name));
    let server = name.unwrap_or_else(|| word(key.address));
    let role = key.role.as_deref().map_or_else(String::new, |role| {
        format!("  {}", escape::for_terminal(role))
    });
    page.line(&[
        (Look::Strong, format!("  {} {}", key.route, key.service)),
        (Look::Plain, format!("  {server}:{}", key.port)),
        (Look::Dim, role),
    ])?;
    let mut shares = Vec::new();
    for (version, (sessions, _)) in connector.versions.by_key_descending() {
        let name = version.map_or_else(|| "not known".into(), word);
        let look = match version.map(|v| summary.policy.accepts_version(v)) {
            Some(Some(Fit::TooOld)) => Look::Bad,
            Some(Some(_)) => Look::Good,
            _ => Look::Dim,
        };
        shares.push((
            look,
            format!("{name} {}", percent(*sessions, connector.sessions)),
        ));
    }
    if connector.in_the_clear.0 > 0 {
        let share = percent(connector.in_the_clear.0, connector.sessions);
        shares.push((Look::Warn, format!("in the clear {share}")));
    }
    let mut pieces = vec![(
        Look::Plain,
        format!(
            "    {}, {}: ",
            counted(connector.sessions, "session", "sessions"),
            size(connector.bytes)
        ),
    )];
    for (i, (look, share)) in shares.into_iter().enumerate() {
        if i > 0 {
            pieces.push((Look::Plain, ", ".into()));
        }
        pieces.push((look, share));
    }
    page.line(&pieces)?;
    let tls = match connector.insistence() {
        "opportunistic" => "opportunistic, goes on without TLS; ",
        "mandatory" => "mandatory, gives up without TLS; ",
        _ => "",
    };
    let mutual = if connector
        .client_certificates
        .get(&Some(ClientCertificate::Sent))
        .is_some()
    {
        "mutual TLS; "
    } else {
        ""
    };
    let names = connector.devices.by_count();
    let shown: Vec<_> = names
        .iter()
        .take(MAX_NAMES)
        .map(|(name, _)| escape::for_terminal(name))
        .collect();
    let more = names.len().saturating_sub(MAX_NAMES);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    page.paragraph(
        4,
        Look::Dim,
        &format!("{tls}{mutual}from {}{more}", shown.join(", ")),
    )
}
