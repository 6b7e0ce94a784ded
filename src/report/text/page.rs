//! Lines that fit the page: colours, widths, bars.

use std::env;
use std::io::{self, Write};
use std::os::fd::AsFd;

use anstyle::{AnsiColor, Style as Ansi};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::cli::ColorWhen;

/// What the reader's screen can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Escape sequences for colours.
    pub color: bool,
    /// Block characters and dots that are not ASCII.
    pub unicode: bool,
    /// Columns that may be used.
    pub columns: usize,
}

impl Style {
    /// For files and pipes: ASCII, no colours, 80 columns.
    pub const fn plain() -> Self {
        Self {
            color: false,
            unicode: false,
            columns: MIN_COLUMNS,
        }
    }

    /// For the stream `fd`, which is a terminal or not.
    pub fn detect(color: ColorWhen, is_terminal: bool, fd: &impl AsFd) -> Self {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let columns = is_terminal
            .then(|| terminal_size::terminal_size_of(fd))
            .flatten()
            .map_or(MIN_COLUMNS, |(width, _)| usize::from(width.0));
        let color = match color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            // no-color.org: present and not empty, whatever its value.
            ColorWhen::Auto => {
                is_terminal
                    && variable("NO_COLOR").is_none()
                    && variable("TERM").is_none_or(|term| term != "dumb")
            }
        };
        // The first that is set decides (POSIX.1, "Internationalization Variables").
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(variable);
        let utf8 = locale.is_some_and(|l| {
            let l = l.to_ascii_lowercase();
            l.contains("utf-8") || l.contains("utf8")
        });
        Self {
            color,
            unicode: is_terminal && utf8,
            columns: columns.clamp(MIN_COLUMNS, MAX_COLUMNS),
        }
    }
}

/// Narrower terminals wrap the lines themselves.
const MIN_COLUMNS: usize = 80;
/// Longer lines cannot be read.
const MAX_COLUMNS: usize = 140;

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Look {
    Plain,
    Heading,
    Strong,
    Dim,
    Good,
    Warn,
    Bad,
}

impl Look {
    const fn ansi(self) -> Ansi {
        match self {
            Self::Plain => Ansi::new(),
            Self::Heading => Ansi::new().bold().underline(),
            Self::Strong => Ansi::new().bold(),
            Self::Dim => Ansi::new().dimmed(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// A piece of a line.
pub(in crate::report) type Piece = (Look, String);

/// Writes lines that fit.
pub(in crate::report) struct Page<'a> {
    pub(super) style: &'a Style,
    out: &'a mut dyn Write,
}

impl<'a> Page<'a> {
    pub(in crate::report) fn new(style: &'a Style, out: &'a mut dyn Write) -> Self {
        Self { style, out }
    }

    pub(in crate::report) fn blank(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n")
    }

    /// One line; what does not fit is cut off.
    pub(in crate::report) fn line(&mut self, pieces: &[Piece]) -> io::Result<()> {
        self.put(pieces, self.style.columns)?;
        self.blank()
    }

    /// Words over as many lines as they need, each after `indent` columns.
    pub(in crate::report) fn paragraph(
        &mut self,
        indent: usize,
        look: Look,
        text: &str,
    ) -> io::Result<()> {
        let mut line = String::new();
        for word in text.split(' ') {
            let needs = line.width() + 1 + word.width();
            if !line.is_empty() && indent + needs > self.style.columns {
                self.indented(indent, look, &line)?;
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.indented(indent, look, &line)
    }

    fn indented(&mut self, indent: usize, look: Look, text: &str) -> io::Result<()> {
        self.line(&[(Look::Plain, " ".repeat(indent)), (look, text.into())])
    }

    /// Writes the pieces, at most `room` columns of them.
    fn put(&mut self, pieces: &[Piece], room: usize) -> io::Result<()> {
        let mark = if self.style.unicode { "…" } else { "..." };
        let whole: usize = pieces.iter().map(|(_, text)| text.width()).sum();
        let mut used = 0;
        for (look, text) in pieces {
            // The piece that reaches the margin carries the mark; those after it are dropped.
            let last = whole > room && used + text.width() + mark.width() > room;
            let shown = if last {
                let left = room.saturating_sub(used + mark.width());
                format!("{}{mark}", cut(text, left))
            } else {
                text.clone()
            };
            used += shown.width();
            if self.style.color && *look != Look::Plain && !shown.is_empty() {
                let ansi = look.ansi();
                write!(self.out, "{ansi}{shown}{ansi:#}")?;
            } else {
                self.out.write_all(shown.as_bytes())?;
            }
            if last {
                break;
            }
        }
        Ok(())
    }

    /// A bar for `part` of `whole`, `width` columns at the most; never empty where there is something.
    pub(super) fn bar(&self, part: u64, whole: u64, width: usize) -> String {
        if part == 0 || whole == 0 {
            return String::new();
        }
        let share = part as f64 / whole as f64;
        if !self.style.unicode {
            return "#".repeat(((share * width as f64).round() as usize).max(1));
        }
        let eighths = ((share * width as f64 * 8.0).round() as usize).max(1);
        let mut bar = "█".repeat(eighths / 8);
        bar.extend(
            [
                None,
                Some('▏'),
                Some('▎'),
                Some('▍'),
                Some('▌'),
                Some('▋'),
                Some('▊'),
                Some('▉'),
            ]
            .get(eighths % 8)
            .copied()
            .flatten(),
        );
        bar
    }
}

/// As much of `text` as fits in `room` columns.
fn cut(text: &str, room: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|(_, c)| {
        used += c.width().unwrap_or(0);
        used > room
    });
    end.map_or(text, |(at, _)| text.get(..at).unwrap_or(text))
}

/// `text` and spaces up to `columns`.
pub(super) fn padded(text: &str, columns: usize) -> String {
    let gap = columns.saturating_sub(text.width());
    format!("{text}{:gap$}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(style: Style, f: impl FnOnce(&mut Page<'_>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        f(&mut Page::new(&style, &mut out)).expect("memory");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn cuts_by_display_width() {
        for (text, room, want) in [
            ("short", 5, "short"),
            ("longer", 5, "longe"),
            ("日本語です", 5, "日本"),
            ("日本語です", 6, "日本語"),
            ("x", 0, ""),
        ] {
            assert_eq!(cut(text, room), want);
        }
    }

    #[test]
    fn bars() {
        let plain = Style::plain();
        let fancy = Style {
            unicode: true,
            ..plain
        };
        let bar =
            |style: &Style, part, whole| Page::new(style, &mut io::sink()).bar(part, whole, 4);
        assert_eq!(bar(&plain, 1, 1), "####");
        assert_eq!(bar(&plain, 1, 1000), "#");
        assert_eq!(bar(&plain, 0, 1000), "");
        assert_eq!(bar(&fancy, 1, 2), "██");
        assert_eq!(bar(&fancy, 5, 32), "▋");
        assert_eq!(bar(&fancy, 1, 100_000), "▏");
        assert_eq!(bar(&fancy, 0, 0), "");
    }

    #[test]
    fn lines_never_exceed_the_page() {
        let style = Style {
            unicode: true,
            ..Style::plain()
        };
        let long = "word ".repeat(40);
        let text = written(style, |page| {
            page.line(&[(Look::Plain, long.clone()), (Look::Bad, long.clone())])?;
            page.line(&[(Look::Plain, "left".into()), (Look::Bad, long.clone())])?;
            page.paragraph(6, Look::Plain, &long)
        });
        for line in text.lines() {
            assert!(line.width() <= 80, "{} columns: {line}", line.width());
        }
        for cut in text.lines().take(2) {
            assert!(cut.ends_with('…'), "{cut}");
        }
    }

    #[test]
    fn colours_only_where_wanted() {
        let line = |color| {
            let style = Style {
                color,
                ..Style::plain()
            };
            written(style, |page| page.line(&[(Look::Bad, "breaks".into())]))
        };
        assert_eq!(line(false), "breaks\n");
        assert!(line(true).starts_with("\u{1b}["));
        let null = std::fs::File::open("/dev/null").expect("it is there");
        assert!(Style::detect(ColorWhen::Always, false, &null).color);
        assert!(!Style::detect(ColorWhen::Never, true, &null).color);
        assert!(!Style::detect(ColorWhen::Auto, false, &null).color);
    }
}
