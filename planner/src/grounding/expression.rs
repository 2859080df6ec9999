//! The literals inside a template. A scan, not a parse: where it is unsure it reports a literal too many.

/// A part of a text with `${…}` inside.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Expression(String),
}

/// The parts of a template, in order. `$${` is text.
pub(super) fn pieces(template: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            text.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        }
        text.push_str(&rest[..at]);
        let inside = &rest[at + 2..];
        let end = closing(inside).unwrap_or(inside.len());
        pieces.push(Piece::Text(std::mem::take(&mut text)));
        pieces.push(Piece::Expression(inside[..end].to_owned()));
        rest = inside.get(end + 1..).unwrap_or_default();
    }
    text.push_str(rest);
    pieces.push(Piece::Text(text));
    pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
    pieces
}

/// Where the brace that ends the expression is.
fn closing(source: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut skip_to = 0;
    for (at, c) in source.char_indices() {
        if at < skip_to {
            continue;
        }
        match c {
            '\'' | '"' => skip_to = string_end(source, at, c).1,
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The end of the string's content, and where the source goes on.
fn string_end(source: &str, open: usize, quote: char) -> (usize, usize) {
    let mut escaped = false;
    for (at, c) in source[open + 1..].char_indices() {
        let at = open + 1 + at;
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return (at, at + 1),
            _ => {}
        }
    }
    (source.len(), source.len())
}

/// The strings and numbers of an expression, without keys of maps, names of fields and indices of lists.
pub(super) fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = source[at..].chars().next() {
        if c == '\'' || c == '"' {
            let (end, next) = string_end(source, at, c);
            let content = &source[at + 1..end];
            if !content.is_empty() && !is_key(&source[..at], &source[next..]) {
                found.push(content.to_owned());
            }
            at = next;
        } else if c.is_ascii_digit() {
            let inner = |c: char| !(c.is_ascii_alphanumeric() || c == '.');
            let end = source[at..].find(inner).map_or(source.len(), |n| at + n);
            if !is_index(&source[..at], &source[end..]) {
                found.push(source[at..end].to_owned());
            }
            at = end;
        } else if c.is_alphabetic() || c == '_' {
            let inner = |c: char| !(c.is_alphanumeric() || c == '_');
            at = source[at..].find(inner).map_or(source.len(), |n| at + n);
        } else {
            at += c.len_utf8();
        }
    }
    found
}

/// A map's key (`{'device': …}`), or a field by its name (`item['name']`).
fn is_key(before: &str, after: &str) -> bool {
    let before = before.trim_end();
    let key = before.ends_with(['{', ',']) && after.trim_start().starts_with(':');
    key || is_index(before, after)
}

fn is_index(before: &str, after: &str) -> bool {
    let Some(indexed) = before.trim_end().strip_suffix('[') else {
        return false;
    };
    let of_value = indexed.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ')' | ']'));
    of_value && after.trim_start().starts_with(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_text_and_expressions() {
        let expression = |text: &str| Piece::Expression(text.to_owned());
        let text = |text: &str| Piece::Text(text.to_owned());
        assert_eq!(pieces("${item.name}"), [expression("item.name")]);
        assert_eq!(
            pieces("to ${a['}']} now"),
            [text("to "), expression("a['}']"), text(" now")]
        );
        assert_eq!(pieces("${ {'a': 1}.a }!"), [expression(" {'a': 1}.a "), text("!")]);
        assert_eq!(pieces("$${x}"), [text("$${x}")]);
    }

    #[test]
    fn literals_are_found_and_keys_and_indices_are_none() {
        let cases: &[(&str, &[&str])] = &[
            ("steps.a.output.devices[0].name", &[]),
            ("'10.0.' + \"0.1\"", &["10.0.", "0.1"]),
            ("item['name']", &[]),
            ("['core'][0]", &["core"]),
            ("{'device': item.name, 'mtu': 9000}", &["9000"]),
            ("ok ? 'x' : 'y'", &["x", "y"]),
            ("steps.s1.output.filter(d, d.role == 'core')", &["core"]),
            ("'''x'''", &["x"]),
            ("'it\\'s' + 1.5", &["it\\'s", "1.5"]),
        ];
        for (source, wanted) in cases {
            assert_eq!(literals(source), *wanted, "{source}");
        }
    }
}
