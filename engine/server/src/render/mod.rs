//! Text for people: pure functions over the API's shapes, so that the command line and the demo show the same things and
//! golden tests can hold them.

pub mod diff;
pub mod graph;
pub mod markdown;
pub mod procedure;
pub mod question;
pub mod table;
pub mod tree;
pub mod unified;
pub mod why;

/// How to draw: colours, and how many columns there are (`usize::MAX`: no limit).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    pub color: bool,
    pub width: usize,
}

impl Style {
    /// For golden tests.
    pub const PLAIN: Style = Style {
        color: false,
        width: 100,
    };

    /// For programs and files: no colours, and each line whole.
    pub const ENDLESS: Style = Style {
        color: false,
        width: usize::MAX,
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

/// A text in one line: what stands in several, as expressions in files may, with a space between them.
pub fn one_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
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

/// The text in pieces of `width` columns, none of it left out. An empty text is one empty piece.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    match chars.is_empty() {
        true => vec![String::new()],
        false => chars.chunks(width.max(1)).map(|c| c.iter().collect()).collect(),
    }
}

/// The text, padded to `width` columns.
pub fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(columns(text));
    format!("{text}{}", " ".repeat(missing))
}

/// Text from a device or a tool may hold control characters, and characters that turn round or hide what is beside them:
/// they must not reach a terminal.
pub fn harmless(text: &str) -> String {
    let misleads = |c: char| (c.is_control() && c != '\t') || is_invisible(c);
    text.chars().map(|c| if misleads(c) { '\u{fffd}' } else { c }).collect()
}

/// Characters without a width of their own that change how their neighbours are read: direction marks, joiners, breaks of
/// lines, tags.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_of_a_device_never_reach_the_terminal() {
        assert_eq!(harmless("ok\x1b[2Jgone\x07"), "ok\u{fffd}[2Jgone\u{fffd}");
    }

    #[test]
    fn what_turns_text_round_or_hides_in_it_is_shown_as_replaced() {
        for c in ('\u{202a}'..='\u{202e}')
            .chain('\u{2066}'..='\u{2069}')
            .chain('\u{200b}'..='\u{200f}')
            .chain(['\u{feff}'])
        {
            assert_eq!(harmless(&format!("a{c}b")), "a\u{fffd}b", "{}", c.escape_unicode());
        }
        assert_eq!(harmless("北京 überlang\t№"), "北京 überlang\t№");
    }

    #[test]
    fn wrapping_leaves_nothing_out() {
        assert_eq!(wrap("überlang", 3), ["übe", "rla", "ng"]);
        assert_eq!(wrap("", 3), [""]);
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
