//! What a text must keep to before the compiler may see it: CEL's parser can overflow the stack by itself.

use super::ExprFault;

/// Longest text, bytes.
pub(super) const MAX_BYTES: usize = 2048;
/// Deepest nesting of brackets.
pub(super) const MAX_BRACKETS: usize = 32;
/// Most `?` of conditionals, and the longest run of `!` or `-`: each is a level of the parser's recursion.
const MAX_CONDITIONALS: usize = 16;
const MAX_PREFIXES: usize = 16;
/// Most links (`.`, `[`, operators) between two brackets or commas: each is a level of the tree.
const MAX_LINKS: usize = 256;

/// Refuses texts that are too long or too deep, looking at characters only.
pub(super) fn scan(source: &str) -> Result<(), ExprFault> {
    if source.trim().is_empty() {
        return Err(ExprFault::new("an expression must not be empty"));
    }
    if source.len() > MAX_BYTES {
        return Err(too("long", source.len(), MAX_BYTES, "bytes"));
    }
    let bytes = source.as_bytes();
    let (mut depth, mut conditionals, mut prefixes, mut links) = (0usize, 0usize, 0usize, 0usize);
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\'' | b'"' => {
                at = skip_string(bytes, at).ok_or_else(|| ExprFault::new("a string is not closed"))?;
                prefixes = 0;
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at += bytes[at..].iter().take_while(|b| **b != b'\n').count();
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'?' => conditionals += 1,
            _ => {}
        }
        links += usize::from(matches!(
            bytes[at],
            b'.' | b'[' | b'+' | b'-' | b'*' | b'/' | b'%' | b'&' | b'|' | b'<' | b'>' | b'='
        ));
        prefixes = match bytes[at] {
            b'!' | b'-' => prefixes + 1,
            b if b.is_ascii_whitespace() => prefixes,
            _ => 0,
        };
        check(depth, MAX_BRACKETS, "deep", "nested brackets")?;
        check(conditionals, MAX_CONDITIONALS, "deep", "conditionals")?;
        check(prefixes, MAX_PREFIXES, "deep", "prefix operators in a row")?;
        check(links, MAX_LINKS, "long", "operators and selections")?;
        at += 1;
    }
    Ok(())
}

fn check(count: usize, limit: usize, how: &str, what: &str) -> Result<(), ExprFault> {
    if count > limit {
        return Err(too(how, count, limit, what));
    }
    Ok(())
}

fn too(how: &str, count: usize, limit: usize, what: &str) -> ExprFault {
    ExprFault::new(format!(
        "the expression is too {how}: {count} {what}, at most {limit} are allowed"
    ))
}

/// The place after the string literal that begins at `start` (a quote); none if it is not closed. Triple quotes and
/// raw strings (an `r` before the quote: no escapes) are CEL's.
pub(crate) fn skip_string(bytes: &[u8], start: usize) -> Option<usize> {
    let quote = bytes[start];
    let raw = is_raw(bytes, start);
    let triple = bytes.get(start + 1) == Some(&quote) && bytes.get(start + 2) == Some(&quote);
    let width = if triple { 3 } else { 1 };
    let mut at = start + width;
    while at < bytes.len() {
        if bytes[at] == b'\\' && !raw {
            at += 2;
        } else if bytes[at..].len() >= width && bytes[at..at + width].iter().all(|b| *b == quote) {
            return Some(at + width);
        } else {
            at += 1;
        }
    }
    None
}

/// Whether the quote at `start` has a prefix of at most `r`/`b` letters with an `r` among them.
fn is_raw(bytes: &[u8], start: usize) -> bool {
    let prefix = bytes[..start]
        .iter()
        .rev()
        .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
        .count();
    let prefix = &bytes[start - prefix..start];
    prefix.len() <= 2
        && prefix.iter().all(|b| matches!(b.to_ascii_lowercase(), b'r' | b'b'))
        && prefix.iter().any(|b| b.eq_ignore_ascii_case(&b'r'))
}

/// Whether a text is an identifier of CEL's grammar and none of its keywords.
pub(crate) fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !super::KEYWORDS.contains(&text)
}
