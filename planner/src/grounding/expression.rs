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

/// A string, a number or a truth value of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) text: String,
    /// It is `true` or `false`.
    pub(super) truth: bool,
    /// It only says what is not chosen: `d.name != 'r2'`.
    pub(super) excluded: bool,
}

/// The strings and numbers of an expression, without names of fields, indices of lists, and what is only compared with
/// nothing. Of a map's keys those that may be more than names of fields.
pub(super) fn found(source: &str) -> Vec<Literal> {
    let mut found = Vec::new();
    let mut at = 0;
    let literal = |text: &str, truth, from: usize| Literal {
        text: text.to_owned(),
        truth,
        excluded: is_excluded(source, from),
    };
    while let Some(c) = source[at..].chars().next() {
        let begun = at;
        if c == '\'' || c == '"' {
            let (end, next) = string_end(source, at, c);
            let content = &source[at + 1..end];
            let (before, after) = (&source[..at], &source[next..]);
            // Three quotes begin a string, too; the first two of them are no empty one.
            let opens = source[..at].ends_with(['\'', '"']) || source[next..].starts_with(['\'', '"']);
            let empty = content.is_empty() && (opens || is_compared(before, after));
            if !empty && !is_field(content, before, after) {
                found.push(literal(content, false, begun));
            }
            at = next;
        } else if c.is_ascii_digit() {
            let inner = |c: char| !(c.is_ascii_alphanumeric() || c == '.');
            let end = source[at..].find(inner).map_or(source.len(), |n| at + n);
            if !is_index(&source[..at], &source[end..]) {
                found.push(literal(&source[at..end], false, begun));
            }
            at = end;
        } else if c.is_alphabetic() || c == '_' {
            let inner = |c: char| !(c.is_alphanumeric() || c == '_');
            at = source[at..].find(inner).map_or(source.len(), |n| at + n);
            let word = &source[begun..at];
            let truth = matches!(word, "true" | "false") && !source[..begun].ends_with('.');
            if truth && !is_compared(&source[..begun], &source[at..]) {
                found.push(literal(word, true, begun));
            }
        } else {
            at += c.len_utf8();
        }
    }
    found
}

/// The strings and numbers of an expression.
pub(super) fn literals(source: &str) -> Vec<String> {
    let told = found(source)
        .into_iter()
        .filter(|literal| !literal.truth && !literal.text.is_empty());
    told.map(|literal| literal.text).collect()
}

/// Whether an expression makes a value that nobody said: it reckons with literals alone, or counts.
pub(super) fn invents(source: &str) -> bool {
    let tokens = tokens(source);
    let is = |at: usize, list: &[&str]| tokens.get(at).is_some_and(|token| list.contains(&token.as_str()));
    let literal = |at: usize| {
        tokens
            .get(at)
            .is_some_and(|token| token.starts_with(|c: char| c.is_ascii_digit() || c == '\'' || c == '"'))
    };
    let reckons = |at: usize| literal(at) && is(at + 1, &["+", "-", "*", "/", "%"]) && literal(at + 2);
    let names = |token: &&String| token.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let name = tokens
        .iter()
        .filter(names)
        .any(|name| !["true", "false", "in", "index"].contains(&name.as_str()));
    let plain = |token: &String| !["[", "]", ","].contains(&token.as_str());
    let several = tokens.iter().filter(|token| plain(token)).count() > 1 && !is(0, &["["]);
    let computed =
        !name && !tokens.is_empty() && (several || tokens.iter().any(|token| OPERATORS.contains(&token.as_str())));
    let counts = |at: usize| is(at, &["index"]) && (at == 0 || !is(at - 1, &[".", "["]));
    (0..tokens.len()).any(|at| reckons(at) || counts(at)) || computed
}

/// Whether an expression chooses by more than the literals in it: an alternative that compares with none is open to all.
pub(super) fn widens(source: &str) -> bool {
    let open = |part: &str| literals(part).is_empty();
    source.contains(" ? ") || (source.contains("||") && source.split("||").any(open))
}

const OPERATORS: &[&str] = &["+", "-", "*", "/", "%", "?", "=", "!", "<", ">", "&", "|"];

/// Whether an expression picks one of a list by its place.
pub(super) fn picks(source: &str) -> bool {
    let tokens = tokens(source);
    let number = |token: &String| token.starts_with(|c: char| c.is_ascii_digit());
    tokens.windows(3).any(|t| t[0] == "[" && t[2] == "]" && number(&t[1]))
}

/// The strings, numbers, names and signs of an expression.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = source[at..].chars().next() {
        let end = if c == '\'' || c == '"' {
            string_end(source, at, c).1
        } else if c.is_alphanumeric() || c == '_' {
            let inner = |n: char| !(n.is_alphanumeric() || n == '_' || (n == '.' && c.is_ascii_digit()));
            source[at..].find(inner).map_or(source.len(), |n| at + n)
        } else {
            at + c.len_utf8()
        };
        if !c.is_whitespace() {
            tokens.push(source[at..end].to_owned());
        }
        at = end;
    }
    tokens
}

/// Whether what stands here is only what is not chosen. Where either may be so, it is not.
fn is_excluded(source: &str, at: usize) -> bool {
    let before = source[..at].trim_end();
    let unlike = before.ends_with("!=") && !before.contains("!(");
    let negated = before.rfind("!(").is_some_and(|from| {
        let within = &before[from + 2..];
        let listed = within.rfind(" in [").is_some_and(|list| !within[list..].contains(']'));
        let compared = within.trim_end().ends_with("==");
        (listed || compared) && !within.contains(['(', ')', '!', '&'])
    });
    let turned = before.matches("!(").count() > 1;
    (unlike || (negated && !turned)) && !source.contains("||") && !source.contains('?')
}

/// Whether something is compared with what stands here.
fn is_compared(before: &str, after: &str) -> bool {
    let (before, after) = (before.trim_end(), after.trim_start());
    before.ends_with("==") || before.ends_with("!=") || after.starts_with("==") || after.starts_with("!=")
}

/// A map's key (`{'device': …}`), or a field by its name (`item['name']`).
fn is_field(content: &str, before: &str, after: &str) -> bool {
    let key = before.trim_end().ends_with(['{', ',']) && after.trim_start().starts_with(':');
    // What is done with a whole map is done with its keys.
    let whole = || closing(after).is_some_and(|end| after[end + 1..].trim_start().starts_with(['.', '[']));
    (key && !content.contains(|c: char| c.is_ascii_digit()) && !whole()) || is_index(before, after)
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
            ("{'r9': 1}.map(k, k)", &["r9", "1"]),
            ("{'alpha': item.x}.map(k, k)[0]", &["alpha"]),
            ("'it\\'s' + 1.5", &["it\\'s", "1.5"]),
        ];
        for (source, wanted) in cases {
            assert_eq!(literals(source), *wanted, "{source}");
        }
    }

    #[test]
    fn truth_is_a_literal_and_what_is_left_out_is_told_apart() {
        let told = |source: &str| -> Vec<(String, bool)> {
            found(source)
                .into_iter()
                .map(|literal| (literal.text, literal.excluded))
                .collect()
        };
        let of = |text: &str, excluded: bool| vec![(text.to_owned(), excluded)];
        assert_eq!(told("true"), of("true", false));
        assert_eq!(told("''"), of("", false));
        assert_eq!(told("x.filter(i, i.up == true && i.note == '')"), []);
        assert_eq!(told("x.filter(d, d.name != 'r2')"), of("r2", true));
        assert_eq!(told("x.filter(d, !(d.name in ['r2']))"), of("r2", true));
        assert_eq!(told("x.filter(d, !(d.name != 'r2'))"), of("r2", false));
        assert_eq!(told("x.filter(d, d.name == 'r2')"), of("r2", false));
        assert_eq!(told("x.filter(d, d.name != 'r2' || d.up)"), of("r2", false));
    }

    #[test]
    fn a_value_that_nobody_said_is_made_by_reckoning_or_counting() {
        for source in [
            "9000 - 9000",
            "index",
            "index + 1",
            "'core' + 'core'",
            "!false",
            "item.x + (1 + 1)",
            "1 == 1",
        ] {
            assert!(invents(source), "{source}");
        }
        for source in [
            "9000",
            "'r2'",
            "['r1', 'r2']",
            "item.mtu + 100",
            "steps.a.output.list[index]",
            "item.index",
        ] {
            assert!(!invents(source), "{source}");
        }
        assert!(picks("steps.a.output.links[0].peer") && !picks("[0, 1]") && !picks("item.links"));
    }
}
