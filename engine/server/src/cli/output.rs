//! The only place that writes to standard output and standard error.

use super::Exit;
use crate::http::problem::Problem;
use crate::render::{Color, Style, harmless};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use tokio_util::sync::CancellationToken;

/// How to talk to whoever reads: a person at a terminal, a pipe, or a program that wants JSON.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    pub json: bool,
    /// Drawing over what was drawn is possible.
    pub live: bool,
    /// Nothing is told on the way.
    pub quiet: bool,
    pub style: Style,
}

impl Output {
    pub fn new(json: bool, no_color: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let plain = no_color || std::env::var_os("NO_COLOR").is_some();
        let columns = std::env::var("COLUMNS").ok();
        let screen = terminal.then(|| console::Term::stdout().size_checked().map(|(_, columns)| columns));
        Self {
            json,
            live: terminal && !plain && !json,
            quiet: false,
            style: Style {
                color: terminal && !plain,
                width: width(columns.as_deref(), screen),
            },
        }
    }

    /// The same, but that nothing is told on the way.
    #[must_use]
    pub fn quietly(self) -> Self {
        Self {
            live: false,
            quiet: true,
            ..self
        }
    }

    /// Text for people; nothing when JSON is wanted.
    pub fn text(&self, text: &str) {
        if !self.json && !self.quiet {
            out(text);
        }
    }

    /// The value when JSON is wanted, else the text that `render` makes of it.
    pub fn show<T: Serialize>(&self, value: &T, render: impl FnOnce(&T) -> String) {
        if self.json {
            self.value(value);
        } else {
            out(&render(value));
        }
    }

    /// A value as JSON, whatever is wanted.
    pub fn value<T: Serialize>(&self, value: &T) {
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        out(&text);
    }

    /// A value as one line of JSON.
    pub fn value_line<T: Serialize>(&self, value: &T) {
        out(&serde_json::to_string(value).unwrap_or_default());
    }

    /// A problem, with where to read more.
    pub fn problem(&self, problem: &Problem) {
        if self.json {
            self.value(problem);
            return;
        }
        let style = Style {
            color: self.style.color && std::io::stderr().is_terminal(),
            ..self.style
        };
        let mut text = style.paint(&format!("{}: {}", problem.code, problem.title), Color::Red);
        text += &format!("\n  {}\n", harmless(&problem.detail));
        for fault in &problem.errors {
            // One fault alone is what the detail says already.
            let is_told = |words: &str| problem.errors.len() == 1 && problem.detail.contains(words);
            if !is_told(&fault.message) {
                text += &format!("  {} {} [{}]\n", fault.pointer, harmless(&fault.message), fault.rule);
            }
            if let Some(suggestion) = fault.suggestion.as_ref().filter(|s| !is_told(s)) {
                text += &format!("    → {}\n", harmless(suggestion));
            }
        }
        text += &format!("  more: flyball explain {}\n", problem.code);
        err(&text);
    }

    /// A message on standard error.
    pub fn note(&self, text: &str) {
        err(text);
    }
}

/// How wide to draw: as `COLUMNS` says, else as wide as the terminal is, else without a limit, since what is in a pipe is
/// for programs or for another terminal. `screen`: none in a pipe, `Some(None)` for a terminal that does not know.
fn width(columns: Option<&str>, screen: Option<Option<u16>>) -> usize {
    let usable = |w: &usize| *w >= 20;
    let asked = columns.and_then(|c| c.parse().ok()).filter(usable);
    asked.unwrap_or_else(|| match screen {
        Some(screen) => screen.map(usize::from).filter(usable).unwrap_or(100),
        None => usize::MAX,
    })
}

/// Asks a person; without a terminal the answer is no.
pub fn confirm(question: &str) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    err(&format!("{question} [y/N] "));
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    read.is_ok() && matches!(line.trim(), "y" | "Y" | "yes")
}

/// Cancelled when nobody reads standard output any more, if somebody asked to be told.
static READER_GONE: OnceLock<CancellationToken> = OnceLock::new();

/// For whoever has something to clean up: from now on a reader that has gone away cancels this instead of ending the
/// process, and what is written afterwards goes nowhere.
pub fn reader_gone() -> CancellationToken {
    READER_GONE.get_or_init(CancellationToken::new).clone()
}

/// Writes to standard output; a reader that has gone away ends the process quietly, as it does for other tools, unless
/// [`reader_gone`] was asked for.
pub fn out(text: &str) {
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    let mut stdout = std::io::stdout().lock();
    if write!(stdout, "{text}{newline}").and_then(|()| stdout.flush()).is_ok() {
        return;
    }
    match READER_GONE.get() {
        Some(gone) => gone.cancel(),
        None => std::process::exit(Exit::Failed as i32),
    }
}

fn err(text: &str) {
    let mut stderr = std::io::stderr().lock();
    // Nobody is left to be told when standard error is gone.
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_says_how_wide_it_is_and_a_pipe_has_no_limit() {
        assert_eq!(width(None, Some(Some(187))), 187);
        assert_eq!(width(Some("220"), Some(Some(80))), 220);
        assert_eq!((width(Some("220"), None), width(None, None)), (220, usize::MAX));
        // A terminal that knows no size, or one that nothing could be drawn in.
        assert_eq!(
            (width(Some(""), Some(None)), width(Some("0"), Some(Some(0)))),
            (100, 100)
        );
    }
}
