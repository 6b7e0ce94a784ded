//! The report for people: the answer first, then who has to do what, then what could not be seen.

pub(super) mod answer;
mod attention;
mod page;
mod routes;

use std::io::{self, Write};

pub use page::Style;
pub(super) use page::{Look, Page};

use self::page::padded;
use super::json::word;
use super::numbers::{counted, grouped, percent, size, span};
use super::{Summary, escape};
use crate::policy::Fit;
use crate::record::Outcome;
use crate::time::Timestamp;

/// Writes the report.
///
/// # Errors
/// Those of `out`.
pub fn write_text(summary: &Summary, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(style, out);
    let devices = summary.tally.devices();
    let machines = attention::machines(&devices);
    if summary.tally.flows == 0 {
        no_flows(&mut page, summary)?;
    } else {
        answer::answer(&mut page, summary, &machines)?;
    }
    if summary.cut_short {
        page.paragraph(
            2,
            Look::Warn,
            "The reading was ended before the input did: this is what had been read by then.",
        )?;
    }
    page.blank()?;
    context(&mut page, summary)?;
    if summary.tally.flows > 0 {
        versions(&mut page, summary)?;
        attention::devices(&mut page, summary, &machines)?;
        attention::servers(&mut page, summary)?;
        routes::mail_routes(&mut page, summary)?;
    }
    unseen(&mut page, summary)
}

/// There is no answer; why that may be.
fn no_flows(page: &mut Page<'_>, summary: &Summary) -> io::Result<()> {
    if summary.packets() == 0 {
        return page.line(&[(Look::Warn, "There was no packet to audit.".into())]);
    }
    page.line(&[(
        Look::Warn,
        format!(
            "No TLS was seen in {}: neither a handshake nor records of one.",
            counted(summary.packets(), "packet", "packets")
        ),
    )])?;
    for hint in [
        "Was the traffic captured where TLS clients and servers pass, and not only its own host's?",
        "Does the capture's filter, or --filter, leave out the ports in question?",
        "Is the traffic inside an encapsulation that is not decoded? It would be counted below.",
    ] {
        page.paragraph(2, Look::Plain, hint)?;
    }
    Ok(())
}

/// What was read and by which rules it was judged.
fn context(page: &mut Page<'_>, summary: &Summary) -> io::Result<()> {
    let name = match summary.inputs.as_slice() {
        [] => "no input".into(),
        [input] if input.name == "-" => "standard input".into(),
        [input] => escape::for_terminal(&input.name),
        many => counted(many.len() as u64, "capture", "captures"),
    };
    page.paragraph(
        0,
        Look::Dim,
        &format!(
            "{name}: {}, {}, {}",
            counted(summary.packets(), "packet", "packets"),
            size(summary.bytes()),
            counted(summary.tally.flows, "flow", "flows")
        ),
    )?;
    let stayed = summary.stayed();
    if stayed.packets > 0 {
        let line = format!(
            "and {}, {}, of bulk data that stayed in the kernel, counted in their flows",
            counted(stayed.packets, "packet", "packets"),
            size(stayed.bytes)
        );
        page.paragraph(2, Look::Dim, &line)?;
    }
    if let (Some(first), Some(last)) = (summary.first_packet(), summary.last_packet()) {
        let line = format!("{} ({})", period(first, last), span(last.since_ns(first)));
        page.paragraph(0, Look::Dim, &line)?;
    }
    let at = summary
        .judged_at()
        .map_or_else(String::new, |at| format!("; judged as on {}", date(at)));
    page.paragraph(
        0,
        Look::Dim,
        &format!("{}: {}{at}", summary.policy.name, summary.policy.title),
    )
}

/// The versions and their bars, the newest first; then the flows without a version, by how they ended.
fn versions(page: &mut Page<'_>, summary: &Summary) -> io::Result<()> {
    let tally = &summary.tally;
    heading(page, "Versions negotiated")?;
    let mut rows: Vec<(String, u64, Look)> = Vec::new();
    let negotiated: Vec<_> = tally.negotiated.iter().collect();
    for (version, flows) in negotiated.into_iter().rev() {
        let Some(version) = version else { continue };
        let look = match summary.policy.accepts_version(*version) {
            Some(Fit::Good | Fit::TooNew) => Look::Good,
            Some(Fit::TooOld) => Look::Bad,
            None => Look::Warn,
        };
        rows.push((word(*version), *flows, look));
    }
    for (outcome, flows) in tally.not_negotiated.by_count() {
        rows.push((without_version(*outcome).into(), flows, Look::Dim));
    }
    let most = rows.iter().map(|(_, n, _)| *n).max().unwrap_or(0);
    let count_width = grouped(most).len();
    let name_width = rows
        .iter()
        .map(|(name, _, _)| name.len())
        .max()
        .unwrap_or(0);
    let bar_width = page
        .style
        .columns
        .saturating_sub(2 + name_width + 2 + 2 + count_width + 2 + 6 + 2 + BREAKS.len())
        .min(MAX_BAR_WIDTH);
    for (name, flows, look) in rows {
        let bar = page.bar(flows, most, bar_width);
        let mark = if look == Look::Bad {
            format!("  {BREAKS}")
        } else {
            String::new()
        };
        page.line(&[
            (Look::Plain, format!("  {}  ", padded(&name, name_width))),
            (look, padded(&bar, bar_width)),
            (
                Look::Plain,
                format!(
                    "  {:>count_width$}  {:>6}",
                    grouped(flows),
                    percent(flows, tally.flows)
                ),
            ),
            (look, mark),
        ])?;
    }
    Ok(())
}

/// What could not be seen, its counts, and what it means.
fn unseen(page: &mut Page<'_>, summary: &Summary) -> io::Result<()> {
    let spots = summary.blind_spots();
    let damaged: Vec<_> = summary
        .inputs
        .iter()
        .filter_map(|input| Some((&input.name, input.damage.as_ref()?)))
        .collect();
    heading(page, "What could not be seen")?;
    if summary.cut_short {
        let line = "Everything after the point at which the reading was ended.";
        page.paragraph(2, Look::Warn, line)?;
    }
    let whole = spots.is_empty() && damaged.is_empty() && !summary.cut_short;
    if whole && summary.packets() == 0 {
        return page.paragraph(2, Look::Plain, "Nothing was there to be seen.");
    }
    if whole {
        let read = if summary.stayed().packets > 0 {
            "read or counted"
        } else {
            "read"
        };
        let line = format!(
            "Nothing was hidden: every packet was {read}, and every flow was captured whole, in both directions."
        );
        return page.paragraph(2, Look::Good, &line);
    }
    for (name, damage) in damaged {
        let line = format!(
            "{}: {}",
            escape::for_terminal(name),
            escape::for_terminal(damage)
        );
        page.paragraph(2, Look::Warn, &line)?;
    }
    let width = spots
        .iter()
        .map(|(_, n)| grouped(n).len())
        .max()
        .unwrap_or(0);
    for (i, (blind, n)) in spots.iter().enumerate() {
        if i == MAX_BLIND_SPOTS {
            let more = spots.iter().count() - i;
            let line = format!("and {} more, all in the JSON report", grouped(more as u64));
            return page.paragraph(2, Look::Dim, &line);
        }
        let (one, many) = blind.unit();
        let unit = if n == 1 { one } else { many };
        page.line(&[
            (Look::Strong, format!("  {:>width$}", grouped(n))),
            (Look::Plain, format!(" {unit} {}", blind.what())),
        ])?;
        if let Some(remedy) = blind.remedy() {
            page.paragraph(2 + width + 1, Look::Dim, remedy)?;
        }
    }
    Ok(())
}

const BREAKS: &str = "breaks";
/// Longer bars make the eye lose the row.
const MAX_BAR_WIDTH: usize = 60;
const MAX_BLIND_SPOTS: usize = 20;

fn heading(page: &mut Page<'_>, text: &str) -> io::Result<()> {
    page.blank()?;
    page.line(&[(Look::Heading, text.into())])
}

/// How a flow without a version ended, in the words of the versions table.
const fn without_version(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::RefusedByServer => "refused by server",
        Outcome::RefusedByClient => "refused by client",
        Outcome::NoAnswer => "not answered",
        Outcome::ClientHelloOnly => "answer not captured",
        Outcome::JoinedMidStream => "began before capture",
        Outcome::Cleartext => "without TLS",
        Outcome::Negotiated | Outcome::ServerHelloOnly | Outcome::Unknown => "not known",
    }
}

/// `2026-11-23`.
fn date(time: Timestamp) -> String {
    time.to_string().chars().take(10).collect()
}

/// `08:00:12`.
fn clock(time: Timestamp) -> String {
    time.to_string().chars().skip(11).take(8).collect()
}

/// `2026-11-23 08:00:00 to 17:31:12 UTC`, the second date only where it is another.
fn period(first: Timestamp, last: Timestamp) -> String {
    let until = if date(first) == date(last) {
        clock(last)
    } else {
        format!("{} {}", date(last), clock(last))
    };
    format!("{} {} to {until} UTC", date(first), clock(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;
    use unicode_width::UnicodeWidthStr as _;

    fn text(summary: &Summary, style: Style) -> String {
        let mut out = Vec::new();
        write_text(summary, &style, &mut out).expect("memory");
        String::from_utf8(out).expect("UTF-8")
    }

    const NARROW: Style = Style {
        color: false,
        unicode: true,
        columns: 80,
    };
    const WIDE: Style = Style {
        columns: 140,
        ..NARROW
    };

    #[test]
    fn an_office_on_a_narrow_terminal() {
        insta::assert_snapshot!(text(&samples::office(), NARROW));
    }

    #[test]
    fn an_office_on_a_wide_terminal() {
        insta::assert_snapshot!(text(&samples::office(), WIDE));
    }

    #[test]
    fn an_office_in_a_pipe() {
        let report = text(&samples::office(), Style::plain());
        assert!(report.is_ascii(), "{report}");
        insta::assert_snapshot!(report);
    }

    #[test]
    fn nothing_breaks_and_nothing_hidden() {
        insta::assert_snapshot!(text(&samples::clean(), NARROW));
    }

    #[test]
    fn no_tls_at_all() {
        insta::assert_snapshot!(text(&samples::no_tls(), NARROW));
    }

    #[test]
    fn what_stayed_in_the_kernel_is_told_and_hides_nothing() {
        let mut summary = samples::clean();
        if let Some(input) = summary.inputs.first_mut() {
            input.stayed.packets = 1_234;
            input.stayed.bytes = 1_500_000;
        }
        let report = text(&summary, NARROW);
        assert!(
            report.contains("and 1,234 packets, 1.50 MB, of bulk data that stayed in the kernel"),
            "{report}"
        );
        assert!(
            report.contains("Nothing was hidden: every packet was read or counted"),
            "{report}"
        );
    }

    #[test]
    fn a_reading_cut_short_hides_what_came_after() {
        let mut summary = samples::clean();
        summary.cut_short = true;
        let report = text(&summary, NARROW);
        assert!(report.contains("The reading was ended before the input did"));
        assert!(!report.contains("Nothing was hidden"), "{report}");
    }

    #[test]
    fn who_must_change_is_not_guessed() {
        let report = text(&samples::joined_old(), NARROW);
        assert!(
            report.starts_with("1 of 1 device breaks under m365.\n"),
            "{report}"
        );
        assert_eq!(
            report.matches("the ClientHello was not captured").count(),
            2
        );
        assert!(!report.contains("Servers that must change"));
    }

    #[test]
    fn a_retry_at_a_lower_version_is_told() {
        let report = text(&samples::danced(), NARROW);
        let held_back = report.find("Devices held back by a server").expect(&report);
        assert!(
            report[held_back..].contains("It came again with a lower version after a newer one"),
            "{report}"
        );
        assert!(!report.contains("must change itself"), "{report}");
    }

    #[test]
    fn every_line_fits() {
        for summary in [
            samples::office(),
            samples::clean(),
            samples::no_tls(),
            samples::hostile(),
        ] {
            for style in [NARROW, WIDE, Style::plain()] {
                for line in text(&summary, style).lines() {
                    assert!(line.width() <= style.columns, "{line}");
                }
            }
        }
    }

    #[test]
    fn the_wire_cannot_reach_the_terminal() {
        for style in [
            NARROW,
            Style {
                color: true,
                ..WIDE
            },
        ] {
            let report = text(&samples::hostile(), style);
            assert!(
                !report.contains("\u{1b}]"),
                "an escape sequence of the wire"
            );
            assert!(!report.contains('\u{202e}') && !report.contains('\u{7}'));
        }
    }
}
