//! Text as words: what a phrase, a score and a grounding check all compare. Knows no runbook and no tool.

/// One word of a text, or one quoted passage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// As written, without quotes and surrounding punctuation.
    pub(crate) raw: String,
    /// Lower case.
    pub(crate) lower: String,
    /// Byte range of `raw` in the text.
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) quoted: bool,
    /// A comma, a full stop or the like follows.
    pub(crate) clause_ends: bool,
    /// A colon follows.
    pub(crate) colon: bool,
}

impl Word {
    /// An article or a courtesy, which means nothing here.
    pub(crate) fn is_filler(&self) -> bool {
        !self.quoted && matches!(self.lower.as_str(), "the" | "a" | "an" | "please" | "kindly")
    }

    /// Lower case and singular.
    pub(crate) fn stem(&self) -> String {
        singular(&self.lower)
    }
}

/// What may stand right before a number: brackets, and a sign.
const BEFORE_NUMBERS: [char; 8] = ['(', '[', '{', ':', '\'', '-', '–', '−'];
/// How many groups of three digits a number has at most.
const MOST_GROUPS: usize = 6;
const MINUS: [char; 3] = ['-', '–', '−'];

/// The words of a text, in order.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if let Some((start, end, after)) = quoted(text, at, c) {
            push(&mut words, text, start, end, true);
            at = after;
        } else if is_separator(c) {
            if ends_clause(c) {
                end_clause(&mut words);
            }
            at += c.len_utf8();
        } else {
            let end = end_of_word(text, at);
            plain(&mut words, text, at, end);
            at = end;
        }
    }
    words
}

/// Where a word ends that begins here. The comma of `1,500` parts nothing.
fn end_of_word(text: &str, at: usize) -> usize {
    let mut end = at;
    while let Some(more) = text[end..].find(is_separator) {
        end += more;
        match thousands(&text[at..end], &text[end..]) {
            0 => return end,
            grouped => end += grouped,
        }
    }
    text.len()
}

/// How long the groups of three digits are that go on with the number that a text ends with.
fn thousands(before: &str, after: &str) -> usize {
    let digits = before.trim_start_matches(BEFORE_NUMBERS);
    if !(1..=3).contains(&digits.len()) || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return 0;
    }
    let is_group = |group: &&[u8]| group[0] == b',' && group[1..].iter().all(u8::is_ascii_digit);
    let groups = after
        .as_bytes()
        .chunks_exact(4)
        .take(MOST_GROUPS + 1)
        .take_while(is_group)
        .count();
    let length = 4 * groups;
    let goes_on = after[length..].trim_start_matches(',');
    if groups > MOST_GROUPS || goes_on.starts_with(|c: char| c.is_alphanumeric()) {
        0
    } else {
        length
    }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | ';' | '=' | '"' | '“' | '”')
}

fn ends_clause(c: char) -> bool {
    matches!(c, ',' | ';' | '.' | '!' | '?' | '\n')
}

/// A passage in quotes that begins here: its range, and where the text goes on.
fn quoted(text: &str, at: usize, open: char) -> Option<(usize, usize, usize)> {
    let close = match open {
        '"' => '"',
        '“' => '”',
        '\'' => '\'',
        _ => return None,
    };
    let start = at + open.len_utf8();
    let end = start + text[start..].find(close)?;
    let after = end + close.len_utf8();
    let next = text[after..].chars().next();
    // An apostrophe inside a word closes nothing.
    let closes = close != '\'' || next.is_none_or(|c| !c.is_alphanumeric());
    (closes && end > start).then_some((start, end, after))
}

fn plain(words: &mut Vec<Word>, text: &str, start: usize, end: usize) {
    let piece = &text[start..end];
    let mut from_left = piece.trim_start_matches(['(', '[', '{', ':', '\'', '`', '-', '–', '—', '−', '?', '!']);
    let sign = piece[..piece.len() - from_left.len()].chars().next_back();
    if let Some(sign) = sign.filter(|sign| MINUS.contains(sign) && from_left.starts_with(|c: char| c.is_ascii_digit()))
    {
        from_left = &piece[piece.len() - from_left.len() - sign.len_utf8()..];
    }
    let start = start + (piece.len() - from_left.len());
    let kept = from_left.trim_end_matches(['.', ':', '!', '?', ')', ']', '}', '\'', '`', '-', '–', '—']);
    if !kept.is_empty() {
        push(words, text, start, start + kept.len(), false);
    }
    if from_left[kept.len()..].contains(ends_clause) {
        end_clause(words);
    }
    if let Some(last) = words.last_mut() {
        last.colon |= from_left[kept.len()..].contains(':');
    }
}

fn push(words: &mut Vec<Word>, text: &str, start: usize, end: usize, quoted: bool) {
    let raw = &text[start..end];
    words.push(Word {
        raw: raw.to_owned(),
        lower: if quoted {
            raw.to_lowercase()
        } else {
            number(raw).unwrap_or_else(|| raw.to_lowercase())
        },
        start,
        end,
        quoted,
        clause_ends: false,
        colon: false,
    });
}

/// A number in its one form: `1,500` is 1500, and any minus is `-`.
fn number(raw: &str) -> Option<String> {
    let digits = raw.trim_start_matches(MINUS);
    let signed = digits.len() < raw.len();
    let grouped = digits.contains(',') && digits.bytes().all(|c| c.is_ascii_digit() || matches!(c, b',' | b'.'));
    let is_number = grouped || (signed && digits.starts_with(|c: char| c.is_ascii_digit()));
    is_number.then(|| {
        format!(
            "{}{}",
            if signed { "-" } else { "" },
            digits.replace(',', "").to_lowercase()
        )
    })
}

fn end_clause(words: &mut [Word]) {
    if let Some(last) = words.last_mut() {
        last.clause_ends = true;
    }
}

/// The singular of an English word in lower case; a word that is none of English's regular plurals stays as it is.
pub(crate) fn singular(word: &str) -> String {
    let letters = word.len() > 3 && word.chars().all(char::is_alphabetic);
    let cut = |n: usize| word[..word.len() - n].to_owned();
    if !letters || ["ss", "us", "is"].iter().any(|end| word.ends_with(end)) {
        word.to_owned()
    } else if word.ends_with("ies") {
        cut(3) + "y"
    } else if ["ches", "shes", "sses", "xes"].iter().any(|end| word.ends_with(end)) {
        cut(2)
    } else if word.ends_with('s') {
        cut(1)
    } else {
        word.to_owned()
    }
}

/// The words that carry meaning, singular, for scores: also the parts of `snake_case` and `kebab-case` names.
pub(crate) fn keywords(text: &str) -> Vec<String> {
    const EMPTY: [&str; 36] = [
        "the", "a", "an", "please", "of", "for", "on", "in", "to", "with", "and", "or", "all", "is", "are", "it",
        "its", "that", "this", "by", "at", "from", "be", "as", "what", "which", "who", "how", "me", "my", "i", "we",
        "our", "each", "every", "id",
    ];
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|part| !part.is_empty())
        .map(|part| meaning(&singular(&part.to_lowercase())))
        .filter(|word| !EMPTY.contains(&word.as_str()))
        .collect()
}

/// Words of the trade that mean the same here.
fn meaning(word: &str) -> String {
    match word {
        "switch" | "router" | "node" | "box" | "firewall" | "host" => "device",
        "neighbour" | "peer" | "adjacency" => "neighbor",
        "port" | "nic" => "interface",
        "healthy" => "health",
        "reachable" => "reachability",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raws(text: &str) -> Vec<String> {
        words(text).into_iter().map(|w| w.raw).collect()
    }

    #[test]
    fn punctuation_and_spaces_do_not_belong_to_words() {
        assert_eq!(raws("  Check  r1, (r2); area=0. "), ["Check", "r1", "r2", "area", "0"]);
        assert_eq!(
            raws("10.0.0.1. 10.0.0.0/8? Gi0/1:"),
            ["10.0.0.1", "10.0.0.0/8", "Gi0/1"]
        );
        assert_eq!(raws("don't – stop"), ["don't", "stop"]);
    }

    #[test]
    fn a_quoted_passage_is_one_word_with_its_punctuation() {
        assert_eq!(
            raws(r#"set "uplink, to the core." now"#),
            ["set", "uplink, to the core.", "now"]
        );
        assert_eq!(raws("call it 'the uplink' now"), ["call", "it", "the uplink", "now"]);
    }

    #[test]
    fn a_number_has_one_form_and_keeps_its_sign() {
        let of = |text: &str| -> Vec<String> { words(text).into_iter().map(|w| w.lower).collect() };
        assert_eq!(of("to 1,500, then 12,345,678."), ["to", "1500", "then", "12345678"]);
        assert_eq!(
            of("1, 500 or 10,20,30 or 1,5000 or r1,500"),
            ["1", "500", "or", "10", "20", "30", "or", "1", "5000", "or", "r1", "500"]
        );
        assert_eq!(of("-5 –5 −1,500 (-7) 1,500.5"), ["-5", "-5", "-1500", "-7", "1500.5"]);
        assert_eq!(of("- 5 a-5 --verbose -x 10-20"), ["5", "a-5", "verbose", "x", "10-20"]);
        assert_eq!(words("to 1,500.")[1].raw, "1,500");
    }

    #[test]
    fn commas_and_full_stops_end_clauses() {
        let ends: Vec<bool> = words("a, b c. d").iter().map(|w| w.clause_ends).collect();
        assert_eq!(ends, [true, false, true, false]);
    }

    #[test]
    fn plurals_become_singulars_and_other_words_stay() {
        let cases = [
            ("switches", "switch"),
            ("routers", "router"),
            ("cores", "core"),
            ("processes", "process"),
            ("process", "process"),
            ("address", "address"),
            ("status", "status"),
            ("policies", "policy"),
            ("bj-core-1s", "bj-core-1s"),
            ("is", "is"),
            ("boxes", "box"),
        ];
        for (plural, wanted) in cases {
            assert_eq!(singular(plural), wanted);
        }
    }
}
