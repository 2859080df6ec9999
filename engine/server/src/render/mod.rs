//! Text for people: pure functions over the API's shapes, so that the command line and the demo show the same things and
//! golden tests can hold them.

pub mod diff;
pub mod graph;
pub mod question;
pub mod table;
pub mod tree;
pub mod unified;

/// How to draw: colours, and how many columns there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    pub color: bool,
    pub width: usize,
}

impl Style {
    /// For pipes and golden tests.
    pub const PLAIN: Style = Style {
        color: false,
        width: 100,
    };

    /// The text in a colour, if colours are on.
    pub fn paint(self, text: &str, color: Color) -> String {
        if self.color && !text.is_empty() {
            format!("\x1b[{}m{text}\x1b[0m", color as u8)
        } else {
            text.to_owned()
        }
    }
}

/// The few colours in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    Bold = 1,
    Dim = 2,
    Red = 31,
    Green = 32,
    Yellow = 33,
    Blue = 34,
}

/// The mark of a status, and its colour.
pub fn mark(status: &str) -> (&'static str, Color) {
    match status {
        "succeeded" | "held" | "fulfilled" => ("✓", Color::Green),
        "satisfied" => ("=", Color::Green),
        "running" | "undoing" | "executing" | "verifying" => ("▸", Color::Blue),
        "backing_off" => ("↻", Color::Yellow),
        "in_doubt" => ("?", Color::Yellow),
        "failed" | "undo_failed" | "missed" => ("✗", Color::Red),
        "undo_conflict" | "blocked" | "unreadable" => ("!", Color::Red),
        "undone" | "rolled_back" => ("↩", Color::Yellow),
        "skipped" => ("-", Color::Dim),
        _ => ("·", Color::Dim),
    }
}

/// A number of things, in the singular where it is one.
pub fn count(n: usize, thing: &str) -> String {
    match n {
        1 => format!("1 {thing}"),
        n => format!("{n} {thing}s"),
    }
}

/// How many columns a text takes. Counts characters: what is drawn here is single width.
pub fn columns(text: &str) -> usize {
    text.chars().count()
}

/// The text, cut to `width` columns with an ellipsis.
pub fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// The text, padded to `width` columns.
pub fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(columns(text));
    format!("{text}{}", " ".repeat(missing))
}

/// Text from a device or a tool may hold control characters: they must not reach a terminal.
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_of_a_device_never_reach_the_terminal() {
        assert_eq!(harmless("ok\x1b[2Jgone\x07"), "ok\u{fffd}[2Jgone\u{fffd}");
    }

    #[test]
    fn one_thing_is_in_the_singular() {
        assert_eq!(
            (count(1, "call").as_str(), count(0, "call").as_str()),
            ("1 call", "0 calls")
        );
    }

    #[test]
    fn texts_are_cut_and_padded_by_columns() {
        assert_eq!((cut("überlang", 4).as_str(), pad("ü", 3).as_str()), ("übe…", "ü  "));
        assert_eq!(Style::PLAIN.paint("x", Color::Red), "x");
    }
}
