//! The live view: what it shows, and how it is drawn. It knows nothing of terminals but their size.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp as Instant;
use jiff::tz::TimeZone;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Row, Sparkline, Table};

use super::trouble::{Kind, Trouble, Troubles};
use crate::record::{Drops, FlowRecord, Verdict, Version};
use crate::run::live::{Pulse, Wish};
use crate::time::Timestamp;

/// A key that the view knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Char(char),
    /// Enter.
    Enter,
    /// Escape.
    Escape,
    /// Backspace.
    Backspace,
    /// A line up.
    Up,
    /// A line down.
    Down,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// Ctrl-C.
    Interrupt,
}

/// Everything that the view shows.
#[derive(Debug)]
pub struct View {
    title: String,
    zone: TimeZone,
    now: Timestamp,
    elapsed: Duration,
    rates: Rates,
    drops: Drops,
    /// Packets of 100 that stayed in the kernel.
    stayed_percent: u64,
    /// When the last packet was dropped, by `elapsed`.
    dropped_at: Option<Duration>,
    open_flows: u64,
    flows: u64,
    verdicts: [u64; 3],
    records_lost: u64,
    history: VecDeque<[u64; Class::ALL.len()]>,
    /// When the youngest column began.
    column_at: Duration,
    troubles: Troubles,
    /// What is shown while it is paused.
    paused: Option<Troubles>,
    search: String,
    searching: bool,
    help: bool,
    scroll: usize,
    /// The last thing told, and when, by `elapsed`.
    notice: Option<(String, Duration)>,
}

/// What is told of versions: what matters in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Ssl,
    Tls10,
    Tls11,
    Tls12,
    Tls13,
    None,
}

impl Class {
    const ALL: [Self; 6] = [
        Self::Tls13,
        Self::Tls12,
        Self::Tls11,
        Self::Tls10,
        Self::Ssl,
        Self::None,
    ];

    fn of(record: &FlowRecord) -> Self {
        let Some(version) = record.negotiated_version else {
            return Self::None;
        };
        let rank = version.rank();
        let at_least =
            |number| rank >= Version::Exact(crate::hello::version::ProtocolVersion(number)).rank();
        if rank.is_none() {
            Self::None
        } else if at_least(0x0304) {
            Self::Tls13
        } else if at_least(0x0303) {
            Self::Tls12
        } else if at_least(0x0302) {
            Self::Tls11
        } else if at_least(0x0301) {
            Self::Tls10
        } else {
            Self::Ssl
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Ssl => "SSL 2, 3",
            Self::Tls10 => "TLS 1.0",
            Self::Tls11 => "TLS 1.1",
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
            Self::None => "none",
        }
    }

    const fn color(self) -> Color {
        match self {
            Self::Tls13 | Self::Tls12 => Color::Green,
            Self::Tls11 | Self::Tls10 | Self::Ssl => Color::Yellow,
            Self::None => Color::Red,
        }
    }
}

/// Rates over the last seconds.
#[derive(Debug, Default)]
struct Rates {
    seen: VecDeque<(Duration, [u64; 3])>,
}

impl Rates {
    fn add(&mut self, at: Duration, counts: [u64; 3]) {
        self.seen.push_back((at, counts));
        while let Some((oldest, _)) = self.seen.front()
            && at.saturating_sub(*oldest) > RATE_WINDOW
            && self.seen.len() > 2
        {
            self.seen.pop_front();
        }
    }

    /// A second.
    fn per_second(&self) -> [f64; 3] {
        let (Some((from, before)), Some((to, now))) = (self.seen.front(), self.seen.back()) else {
            return [0.0; 3];
        };
        let seconds = to.saturating_sub(*from).as_secs_f64().max(0.001);
        std::array::from_fn(|i| {
            let count = |counts: &[u64; 3]| counts.get(i).copied().unwrap_or_default();
            count(now).saturating_sub(count(before)) as f64 / seconds
        })
    }
}

impl View {
    /// An empty view; `title` tells what is captured.
    pub fn new(title: String, zone: TimeZone) -> Self {
        Self {
            title,
            zone,
            now: Timestamp::default(),
            elapsed: Duration::ZERO,
            rates: Rates::default(),
            drops: Drops::default(),
            stayed_percent: 0,
            dropped_at: None,
            open_flows: 0,
            flows: 0,
            verdicts: [0; 3],
            records_lost: 0,
            history: VecDeque::from([[0; Class::ALL.len()]]),
            column_at: Duration::ZERO,
            troubles: Troubles::default(),
            paused: None,
            search: String::new(),
            searching: false,
            help: false,
            scroll: 0,
            notice: None,
        }
    }

    /// These flows ended; `is_new` tells of troubles that were not there before.
    pub fn records(
        &mut self,
        records: &[&FlowRecord],
        is_new: impl Fn(&FlowRecord, &Trouble) -> bool,
    ) {
        for record in records {
            let class = Class::of(record);
            if let Some(column) = self.history.back_mut()
                && let Some(at) = Class::ALL.iter().position(|c| *c == class)
                && let Some(count) = column.get_mut(at)
            {
                *count += 1;
            }
            if let Some(mut trouble) = Trouble::of(record) {
                trouble.is_new = is_new(record, &trouble);
                self.troubles.add(trouble);
            }
        }
    }

    /// How the capture stands.
    pub fn pulse(&mut self, pulse: &Pulse<'_>) {
        self.now = pulse.now;
        self.elapsed = pulse.elapsed;
        self.rates.add(
            pulse.elapsed,
            [
                pulse.packets + pulse.stayed.packets,
                pulse.bytes + pulse.stayed.bytes,
                pulse.tally.flows,
            ],
        );
        if pulse.drops.sum() > self.drops.sum() {
            self.dropped_at = Some(pulse.elapsed);
        }
        self.drops = pulse.drops;
        self.stayed_percent = (100 * pulse.stayed.packets)
            .checked_div(pulse.packets + pulse.stayed.packets)
            .unwrap_or(0);
        self.open_flows = pulse.open_flows;
        self.flows = pulse.tally.flows;
        self.records_lost = pulse.records_lost;
        self.verdicts = [Verdict::Breaks, Verdict::GoesCleartext, Verdict::AtRisk]
            .map(|verdict| pulse.tally.verdicts.get(&verdict).copied().unwrap_or(0));
        while pulse.elapsed >= self.column_at + COLUMN {
            self.column_at += COLUMN;
            self.history.push_back([0; Class::ALL.len()]);
            if self.history.len() > MAX_COLUMNS {
                self.history.pop_front();
            }
        }
    }

    /// Something that people should know.
    pub fn notice(&mut self, text: &str) {
        self.notice = Some((crate::report::for_terminal(text), self.elapsed));
    }

    /// A key was pressed.
    pub fn key(&mut self, key: Key) -> Wish {
        let mut wish = Wish::default();
        if key == Key::Interrupt {
            wish.end = true;
        } else if self.searching {
            match key {
                Key::Char(c) if self.search.chars().count() < MAX_SEARCH_CHARS => {
                    self.search.push(c);
                }
                Key::Backspace => drop(self.search.pop()),
                Key::Enter => self.searching = false,
                Key::Escape => {
                    self.search.clear();
                    self.searching = false;
                }
                _ => {}
            }
            self.scroll = 0;
        } else if self.help {
            self.help = false;
        } else {
            match key {
                Key::Char('q') => wish.end = true,
                Key::Char('r') => {
                    wish.report = true;
                    self.notice = None;
                }
                Key::Char('p' | ' ') => {
                    self.paused = match self.paused.take() {
                        Some(_) => None,
                        None => Some(self.troubles.clone()),
                    };
                }
                Key::Char('/') => self.searching = true,
                Key::Char('?' | 'h') => self.help = true,
                Key::Escape => {
                    self.search.clear();
                    self.scroll = 0;
                }
                Key::Up | Key::Char('k') => self.scroll = self.scroll.saturating_sub(1),
                Key::Down | Key::Char('j') => self.scroll += 1,
                Key::PageUp => self.scroll = self.scroll.saturating_sub(10),
                Key::PageDown => self.scroll += 10,
                _ => {}
            }
        }
        wish
    }

    /// Draws it.
    pub fn draw(&mut self, frame: &mut Frame<'_>) {
        let versions = Class::ALL.len() as u16 + 1;
        let [head, rates, history, list, foot] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(self.rate_lines(frame.area().width).len() as u16),
            Constraint::Length(versions),
            Constraint::Min(3),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        self.draw_head(frame, head);
        let lines = self.rate_lines(rates.width);
        frame.render_widget(Paragraph::new(lines), rates);
        self.draw_history(frame, history);
        self.draw_troubles(frame, list);
        self.draw_foot(frame, foot);
        if self.help {
            draw_help(frame);
        }
    }

    fn draw_head(&self, frame: &mut Frame<'_>, area: Rect) {
        let seconds = self.elapsed.as_secs();
        let since = format!(
            "{}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        );
        let mut spans = vec![
            Span::from(" hellotap ").bold().reversed(),
            Span::from(format!(
                " {}  {since}  {}",
                self.title,
                self.clock(self.now)
            )),
        ];
        if self.paused.is_some() {
            spans.push(Span::from("  PAUSED, p goes on").yellow().bold());
        }
        frame.render_widget(Line::from(spans), area);
    }

    /// Two lines, or three on a narrow terminal: drops must never be cut off.
    fn rate_lines(&self, width: u16) -> Vec<Line<'static>> {
        let [packets, bytes, flows] = self.rates.per_second();
        let rates = format!(
            " {} packets/s  {} Mbit/s  {flows:.1} TLS flows/s  {} open  ",
            grouped(packets as u64),
            decimal(bytes * 8.0 / 1e6),
            grouped(self.open_flows),
        );
        let drops = if self.drops.sum() == 0 {
            Span::from("no packet dropped").green()
        } else {
            let drops = format!(
                "{} DROPPED (kernel {}, interface {}, queue {})",
                grouped(self.drops.sum()),
                grouped(self.drops.kernel),
                grouped(self.drops.interface),
                grouped(self.drops.queue)
            );
            let recent = self
                .dropped_at
                .is_some_and(|at| self.elapsed.saturating_sub(at) < RECENT);
            if recent {
                Span::from(drops).red().bold().reversed()
            } else {
                Span::from(drops).red()
            }
        };
        let [breaks, clear, risk] = self.verdicts;
        let mut total = vec![Span::from(format!(" {} flows", grouped(self.flows)))];
        for (n, words, color) in [
            (breaks, "break", Color::Red),
            (clear, "go to cleartext", Color::Magenta),
            (risk, "at risk", Color::Yellow),
        ] {
            let style = if n > 0 {
                Style::new().fg(color)
            } else {
                Style::new().add_modifier(Modifier::DIM)
            };
            total.push(Span::styled(format!("  {} {words}", grouped(n)), style));
        }
        if self.stayed_percent > 0 {
            let stayed = format!("  {} % kept in kernel", self.stayed_percent);
            total.push(Span::from(stayed).dim());
        }
        if self.records_lost > 0 {
            let lost = format!("  {} records NOT WRITTEN", grouped(self.records_lost));
            total.push(Span::from(lost).red().bold());
        }
        if rates.chars().count() + drops.content.chars().count() <= width.into() {
            vec![
                Line::from(vec![Span::from(rates), drops]),
                Line::from(total),
            ]
        } else {
            let drops = Line::from(vec![Span::from(" "), drops]);
            vec![Line::from(rates), drops, Line::from(total)]
        }
    }

    fn draw_history(&self, frame: &mut Frame<'_>, area: Rect) {
        let block = title(format!(
            "Negotiated, a column {} s, the newest on the right",
            COLUMN.as_secs()
        ));
        let inner = block.inner(area);
        frame.render_widget(block, area);
        let columns = usize::from(inner.width.saturating_sub(LABEL_WIDTH + COUNT_WIDTH));
        let skip = self.history.len().saturating_sub(columns);
        let shown: Vec<_> = self.history.iter().skip(skip).collect();
        let most = shown
            .iter()
            .flat_map(|column| column.iter())
            .max()
            .copied()
            .unwrap_or_default();
        for (at, (class, row)) in Class::ALL.iter().zip(inner.rows()).enumerate() {
            let count = |column: &[u64; Class::ALL.len()]| column.get(at).copied().unwrap_or(0);
            let [label, line, total] = Layout::horizontal([
                Constraint::Length(LABEL_WIDTH),
                Constraint::Min(0),
                Constraint::Length(COUNT_WIDTH),
            ])
            .areas(row);
            let style = Style::new().fg(class.color());
            frame.render_widget(Span::styled(format!(" {}", class.label()), style), label);
            // What there is stands at the right edge: it moves left with the time.
            let mut data = vec![0; columns.saturating_sub(shown.len())];
            data.extend(shown.iter().map(|column| count(column)));
            let line_of = Sparkline::default()
                .data(data)
                .max(most.max(1))
                .style(style);
            frame.render_widget(line_of, line);
            let sum: u64 = shown.iter().map(|column| count(column)).sum();
            let sum = format!(
                "{:>width$} ",
                grouped(sum),
                width = usize::from(COUNT_WIDTH) - 1
            );
            frame.render_widget(Span::from(sum), total);
        }
    }

    fn draw_troubles(&mut self, frame: &mut Frame<'_>, area: Rect) {
        let words = self.search.to_lowercase();
        let troubles = self.paused.as_ref().unwrap_or(&self.troubles);
        let found: Vec<&Trouble> = troubles.iter().filter(|t| t.matches(&words)).collect();
        let shown = usize::from(area.height.saturating_sub(2));
        self.scroll = self.scroll.min(found.len().saturating_sub(shown));
        let mut heading = format!(
            "Who fails, goes to cleartext or will break, the newest on top ({})",
            found.len()
        );
        if !self.search.is_empty() {
            heading.push_str(&format!(", with \"{}\"", self.search));
        }
        let wide = area.width >= 120;
        let rows = found.iter().skip(self.scroll).take(shown).map(|trouble| {
            let color = match trouble.kind {
                Kind::Fails => Color::Red,
                Kind::Clear => Color::Magenta,
                Kind::WillBreak => Color::Yellow,
            };
            let mut style = Style::new().fg(color);
            if trouble.is_new {
                style = style.add_modifier(Modifier::BOLD);
            }
            let client = match &trouble.client_name {
                Some(name) if wide => format!("{} {name}", trouble.client),
                _ => trouble.client.to_string(),
            };
            let new = if trouble.is_new { "*" } else { "" };
            let mut cells = vec![
                self.clock(trouble.last),
                format!("{}{new}", trouble.kind.word()),
                format!("{:>4}", trouble.flows),
                client,
                trouble.what.clone(),
                trouble.server.clone(),
            ];
            if wide {
                cells.insert(4, trouble.service.unwrap_or("?").to_owned());
            }
            Row::new(cells).style(style)
        });
        let (widths, header): (Vec<_>, &[_]) = if wide {
            let widths = [8, 7, 5, 40, 12, 46].map(Constraint::Length).to_vec();
            let header = &["time", "", "flows", "client", "service", "what", "server"];
            (widths, header)
        } else {
            let widths = [8, 7, 5, 17, 24].map(Constraint::Length).to_vec();
            (widths, &["time", "", "flows", "client", "what", "server"])
        };
        let widths = widths.into_iter().chain([Constraint::Min(10)]);
        let table = Table::new(rows, widths)
            .header(
                Row::new(header.iter().copied()).style(Style::new().add_modifier(Modifier::DIM)),
            )
            .column_spacing(1)
            .block(title(heading));
        frame.render_widget(table, area);
    }

    fn draw_foot(&self, frame: &mut Frame<'_>, area: Rect) {
        let line = if self.searching {
            Line::from(vec![
                Span::from(" search: ").bold(),
                Span::from(format!("{}_", self.search)),
                Span::from("  Enter keeps it, Esc ends it").dim(),
            ])
        } else if let Some((notice, at)) = &self.notice
            && self.elapsed.saturating_sub(*at) < NOTICE
        {
            Line::from(Span::from(format!(" {notice}")).yellow())
        } else {
            Line::from(" / search  p pause  r report now  ? help  q end").dim()
        };
        frame.render_widget(line, area);
    }

    /// The time of day where the program runs.
    fn clock(&self, time: Timestamp) -> String {
        let time = i128::from(time.0);
        Instant::from_nanosecond(time).map_or_else(
            |_| String::new(),
            |time| {
                let time = time.to_zoned_datetime(self.zone.clone()).time();
                format!(
                    "{:02}:{:02}:{:02}",
                    time.hour(),
                    time.minute(),
                    time.second()
                )
            },
        )
    }
}

fn title(text: String) -> Block<'static> {
    Block::new()
        .borders(ratatui::widgets::Borders::TOP)
        .title(format!(" {text} "))
}

fn draw_help(frame: &mut Frame<'_>) {
    let text = [
        "",
        "  FAILS   a handshake failed just now",
        "  CLEAR   goes on without encryption, or will",
        "  breaks  works now, will not under the policy",
        "  *       new: not in the baseline",
        "",
        "  /       search: address, name, service, word",
        "  p       pause the list; counting goes on",
        "  r       write the report now",
        "  arrows, page up, page down   scroll",
        "  q, Ctrl-C   end, with the report",
        "",
        "  A flow is told when it has ended.",
        "",
    ];
    let width = 54.min(frame.area().width);
    let height = (text.len() as u16 + 2).min(frame.area().height);
    let area = frame
        .area()
        .centered(Constraint::Length(width), Constraint::Length(height));
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(" Help, any key closes it ");
    let lines: Vec<Line<'_>> = text.into_iter().map(Line::from).collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// Digits in groups of three.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn decimal(n: f64) -> String {
    if n < 100.0 {
        format!("{n:.1}")
    } else {
        grouped(n as u64)
    }
}

/// What a column of the history stands for.
const COLUMN: Duration = Duration::from_secs(10);
/// An hour and a half: more than the widest terminal shows.
const MAX_COLUMNS: usize = 540;
const LABEL_WIDTH: u16 = 10;
const COUNT_WIDTH: u16 = 10;
/// Rates are those of so long.
const RATE_WINDOW: Duration = Duration::from_secs(2);
/// A notice covers the keys for so long.
const NOTICE: Duration = Duration::from_secs(6);
/// Drops are shouted for so long.
const RECENT: Duration = Duration::from_secs(10);
const MAX_SEARCH_CHARS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Outcome, Tally};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn screen(view: &mut View, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory");
        terminal.draw(|frame| view.draw(frame)).expect("memory");
        terminal.backend().to_string()
    }

    fn view() -> View {
        let mut view = View::new("eth1, policy m365".into(), TimeZone::UTC);
        let mut tally = Tally::new(100, 100);
        for i in 0..30_u8 {
            let record = FlowRecord {
                client_ip: Some([10, 0, 0, i].into()),
                server_ip: Some([192, 0, 2, 1].into()),
                server_port: Some(587),
                service: Some("submission"),
                client_name: Some(format!("printer-{i}").into()),
                sni: Some("smtp.provider.example".into()),
                outcome: Outcome::Negotiated,
                negotiated_version: Some(Version::Exact(crate::hello::version::ProtocolVersion(
                    0x0301 + u16::from(i % 4),
                ))),
                verdict: if i % 4 < 2 {
                    Verdict::Breaks
                } else {
                    Verdict::Ok
                },
                last_seen: Timestamp(u64::from(i) * 1_000_000_000),
                ..FlowRecord::default()
            };
            tally.add(&record);
            view.records(&[&record], |_, trouble| {
                trouble.client == crate::record::Host::Ip([10, 0, 0, 29].into())
            });
            view.pulse(&Pulse {
                now: Timestamp(u64::from(i) * 1_000_000_000),
                elapsed: Duration::from_secs(u64::from(i) * 5),
                packets: u64::from(i) * 10_000,
                bytes: u64::from(i) * 10_000_000,
                drops: Drops {
                    kernel: 1_234,
                    ..Drops::default()
                },
                stayed: crate::capture::shunt::Stayed {
                    packets: u64::from(i) * 30_000,
                    bytes: u64::from(i) * 40_000_000,
                },
                open_flows: 4_321,
                tally: &tally,
                records_lost: 0,
            });
        }
        view
    }

    #[test]
    fn on_a_narrow_terminal() {
        insta::assert_snapshot!(screen(&mut view(), 80, 24));
    }

    #[test]
    fn on_a_wide_terminal() {
        insta::assert_snapshot!(screen(&mut view(), 200, 30));
    }

    #[test]
    fn help_fits_an_ordinary_terminal() {
        let mut view = view();
        assert_eq!(view.key(Key::Char('?')), Wish::default());
        insta::assert_snapshot!(screen(&mut view, 80, 24));
        view.key(Key::Char('x'));
        assert!(!screen(&mut view, 80, 24).contains("Help"));
    }

    #[test]
    fn any_size_is_drawn() {
        let mut view = view();
        for (width, height) in [(1, 1), (5, 3), (20, 10), (79, 5), (400, 100)] {
            screen(&mut view, width, height);
            view.key(Key::Char('?'));
            screen(&mut view, width, height);
            view.key(Key::Char('x'));
        }
    }

    #[test]
    fn search_narrows_the_list_and_escape_widens_it() {
        let mut view = view();
        view.key(Key::Char('/'));
        for c in "10.0.0.28 q".chars() {
            assert_eq!(view.key(Key::Char(c)), Wish::default(), "typed, not obeyed");
        }
        assert!(screen(&mut view, 80, 24).contains("on top (0)"));
        view.key(Key::Backspace);
        view.key(Key::Enter);
        let narrowed = screen(&mut view, 80, 24);
        assert!(narrowed.contains("on top (1)"), "{narrowed}");
        view.key(Key::Escape);
        assert!(screen(&mut view, 80, 24).contains("on top (16)"));
    }

    #[test]
    fn a_paused_list_stands_still_while_counting_goes_on() {
        let mut view = view();
        view.key(Key::Char('p'));
        let record = FlowRecord {
            outcome: Outcome::NoAnswer,
            client_ip: Some([10, 9, 9, 9].into()),
            last_seen: Timestamp(60_000_000_000),
            ..FlowRecord::default()
        };
        view.records(&[&record], |_, _| false);
        let paused = screen(&mut view, 80, 24);
        assert!(paused.contains("PAUSED") && !paused.contains("10.9.9.9"));
        view.key(Key::Char('p'));
        assert!(screen(&mut view, 80, 24).contains("10.9.9.9"));
    }

    #[test]
    fn keys_ask_for_a_report_and_the_end() {
        let mut view = view();
        let report = Wish {
            report: true,
            end: false,
        };
        let end = Wish {
            report: false,
            end: true,
        };
        assert_eq!(view.key(Key::Char('r')), report);
        assert_eq!(view.key(Key::Char('q')), end);
        view.key(Key::Char('/'));
        assert_eq!(view.key(Key::Interrupt), end, "also while typing");
    }
}
