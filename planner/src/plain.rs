//! Foreign text made plain before a model reads it: what a person would not see is made visible, and long text is cut.
//! Nothing is taken away silently: who reads the prompt in the record sees that something was there.

use std::fmt::Write as _;

/// The text with every hidden, zero-width, direction-changing or control character as `‹U+200B›`; line breaks and tabs as
/// blanks.
pub(crate) fn visible(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => plain.push(' '),
            c if is_hidden(c) => write!(plain, "‹U+{:04X}›", u32::from(c)).expect("a string takes all"),
            c => plain.push(c),
        }
    }
    plain
}

/// The beginning of a text, at most so many characters.
pub(crate) fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Whether a character shows nothing, or changes how others show.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'                        // soft hyphen
            | '\u{34f}'                     // combining grapheme joiner
            | '\u{61c}'                     // Arabic letter mark
            | '\u{115f}' | '\u{1160}'       // Hangul fillers
            | '\u{17b4}' | '\u{17b5}'       // Khmer vowels that are not shown
            | '\u{180b}'..='\u{180f}'       // Mongolian selectors
            | '\u{200b}'..='\u{200f}'       // zero width, and marks of direction
            | '\u{2028}'..='\u{202e}'       // separators, and overrides of direction
            | '\u{2060}'..='\u{206f}'       // joiners, invisible operators, isolates
            | '\u{3164}' | '\u{ffa0}'       // Hangul fillers
            | '\u{fe00}'..='\u{fe0f}'       // variation selectors
            | '\u{feff}'                    // byte order mark
            | '\u{fff9}'..='\u{fffb}'       // interlinear annotation
            | '\u{1d173}'..='\u{1d17a}'     // musical formatting
            | '\u{e0000}'..='\u{e0fff}'     // tags and more selectors
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_would_see_is_made_visible() {
        assert_eq!(visible("a\u{200b}b"), "a‹U+200B›b");
        assert_eq!(visible("\u{202e}evil\u{202c}"), "‹U+202E›evil‹U+202C›");
        assert_eq!(
            visible("\u{e0041}\u{e0042}"),
            "‹U+E0041›‹U+E0042›",
            "tags spell text that nobody sees"
        );
        assert_eq!(visible("bell\u{7}, esc\u{1b}[2J"), "bell‹U+0007›, esc‹U+001B›[2J");
        assert_eq!(visible("one\ntwo\tthree"), "one two three");
        assert_eq!(visible("Zürich 北京 café"), "Zürich 北京 café");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(clip("北京上海", 2), "北京…");
        assert_eq!(clip("北京", 2), "北京");
    }
}
