//! Markdown that holds other people's text: whatever a device, a tool or a person wrote stays text, and no line of it can
//! end the block that it stands in.

use super::harmless;

/// A text in a line: what Markdown or HTML would take for markup is escaped. An underscore within a word is none.
pub fn plain(text: &str) -> String {
    let text: Vec<char> = harmless(text).chars().collect();
    let in_word = |at: usize| {
        let letter = |at: Option<usize>| at.and_then(|a| text.get(a)).is_some_and(|c| c.is_alphanumeric());
        letter(at.checked_sub(1)) && letter(Some(at + 1))
    };
    let mut out = String::new();
    for (at, c) in text.iter().copied().enumerate() {
        let markup = match c {
            '_' => !in_word(at),
            _ => matches!(
                c,
                '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&' | '!'
            ),
        };
        if markup {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A text as code in a line. Its marks are longer than any run of them in the text.
pub fn code(text: &str) -> String {
    let text = harmless(text);
    if text.is_empty() {
        return "` `".to_owned();
    }
    let mark = "`".repeat(longest_run(&text) + 1);
    let space = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{mark}{space}{text}{space}{mark}")
}

/// Lines as a block of their own, indented so that it stays within a list's entry. The fence is longer than any run of
/// backticks in them.
pub fn fence(lines: &[String], indent: &str) -> String {
    let lines: Vec<String> = lines.iter().map(|l| harmless(l)).collect();
    let longest = lines.iter().map(|l| longest_run(l)).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    let mut out = format!("{indent}{fence}text\n");
    for line in &lines {
        out += format!("{indent}{line}").trim_end();
        out.push('\n');
    }
    out + &format!("{indent}{fence}\n")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_device_ends_the_fence_that_it_stands_in() {
        let hostile = [
            "```".to_owned(),
            "# approved ````` by root".to_owned(),
            "a\u{202e}b\x1b[2J".to_owned(),
        ];
        let block = fence(&hostile, "");
        let rows: Vec<&str> = block.lines().collect();
        assert_eq!((rows[0], *rows.last().unwrap()), ("``````text", "``````"));
        assert_eq!(rows[1..4], ["```", "# approved ````` by root", "a\u{fffd}b\u{fffd}[2J"]);
        let short = fence(&["router ospf 100".to_owned()], "  ");
        assert_eq!(short, "  ```text\n  router ospf 100\n  ```\n");
    }

    #[test]
    fn code_in_a_line_has_marks_that_the_text_does_not_have() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a``b`c"), "```a``b`c```");
        assert_eq!(code("`x"), "`` `x ``");
        assert_eq!(code("two\nlines"), "`two\u{fffd}lines`");
    }

    #[test]
    fn markup_in_a_text_is_shown_and_not_followed() {
        assert_eq!(plain("_a_ set_interface b_"), "\\_a\\_ set_interface b\\_");
        assert_eq!(
            plain("[x](http://a) *b* <img> `c` # d\n# e"),
            "\\[x\\](http://a) \\*b\\* \\<img\\> \\`c\\` \\# d\u{fffd}\\# e"
        );
    }
}
