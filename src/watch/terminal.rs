//! The terminal of the live view: taken over and given back.

use std::io::{self, Stderr, Write as _};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::view::{Key, View};

/// Standard error as a screen. Given back when it is dropped, and when the program panics.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stderr>>,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// Where standard error is no terminal that can be drawn on.
    pub fn take() -> io::Result<Self> {
        enable_raw_mode()?;
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
        execute!(io::stderr(), EnterAlternateScreen).inspect_err(|_| give_back())?;
        let terminal =
            Terminal::new(CrosstermBackend::new(io::stderr())).inspect_err(|_| give_back())?;
        let screen = Self { terminal };
        // What reading keys needs of the system is opened with the first look, and later the program may not.
        event::poll(Duration::ZERO)?;
        Ok(screen)
    }

    /// Shows `view`.
    ///
    /// # Errors
    /// Where the terminal has gone.
    pub fn show(&mut self, view: &mut View) -> io::Result<()> {
        self.terminal.draw(|frame| view.draw(frame)).map(drop)
    }

    /// The keys pressed since the last call.
    ///
    /// # Errors
    /// Where the terminal has gone.
    pub fn keys(&mut self) -> io::Result<Vec<Key>> {
        let mut keys = Vec::new();
        // A terminal that was closed reads as an end over and over, which the library would wait through for ever.
        if is_gone() {
            return Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the terminal is gone",
            ));
        }
        while keys.len() < MAX_KEYS && event::poll(Duration::ZERO)? {
            let Event::Key(pressed) = event::read()? else {
                continue;
            };
            if pressed.kind == KeyEventKind::Release {
                continue;
            }
            let control = pressed.modifiers.contains(KeyModifiers::CONTROL);
            keys.push(match pressed.code {
                KeyCode::Char('c') if control => Key::Interrupt,
                KeyCode::Char(_) if control => continue,
                KeyCode::Char(c) => Key::Char(c),
                KeyCode::Enter => Key::Enter,
                KeyCode::Esc => Key::Escape,
                KeyCode::Backspace => Key::Backspace,
                KeyCode::Up => Key::Up,
                KeyCode::Down => Key::Down,
                KeyCode::PageUp => Key::PageUp,
                KeyCode::PageDown => Key::PageDown,
                _ => continue,
            });
        }
        Ok(keys)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Screen")
    }
}

/// Whether the other end of the terminal was closed.
fn is_gone() -> bool {
    let stderr = io::stderr();
    let mut fds = [PollFd::new(&stderr, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // Interrupted by a signal: the next look tells.
    let _ = poll(&mut fds, Some(&now));
    let [polled] = fds;
    polled.revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// Whatever fails here: the rest is worth trying.
fn give_back() {
    let _ = execute!(
        io::stderr(),
        LeaveAlternateScreen,
        ratatui::crossterm::cursor::Show
    );
    let _ = disable_raw_mode();
    let _ = io::stderr().flush();
}

/// Keys taken at a time: somebody may lean on the keyboard.
const MAX_KEYS: usize = 64;
