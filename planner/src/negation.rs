//! How a text says that something is not to be done, or not with everything: one list for all that reads an intent.
//! Knows no tool. Where a word could be either, it negates: what is refused gets a question.

use crate::verbs::of_word;
use crate::words::Word;

const NEGATIONS: &[&str] = &[
    "not", "dont", "cant", "wont", "mustnt", "shouldnt", "isnt", "never", "without", "no", "avoid", "cannot", "nor",
    "nobody", "nothing", "none", "nowhere", "nicht", "kein", "keine", "keinen", "keinem", "ohne", "nie", "niemals",
];
/// Words before what is to stay as it is.
const BEFORE: &[&[&str]] = &[
    &["leave"],
    &["leaving"],
    &["keep"],
    &["keeping"],
    &["except"],
    &["excepting"],
    &["exception"],
    &["exceptions"],
    &["exclude"],
    &["excluding"],
    &["skip"],
    &["skipping"],
    &["omit"],
    &["omitting"],
    &["sparing"],
    &["instead"],
    &["rather"],
    &["ignore"],
    &["ignoring"],
    &["neither"],
    &["unlike"],
    &["außer"],
    &["ausser"],
    &["bis", "auf"],
    &["apart", "from"],
    &["aside", "from"],
    &["other", "than"],
    &["hands", "off"],
    &["hold", "off"],
    &["save", "for"],
    &["refrain"],
    &["stay", "away", "from"],
    &["keep", "away", "from"],
    &["forbidden", "to"],
    &["prohibited", "to"],
];
/// Words behind what is to stay as it is.
const BEHIND: &[&[&str]] = &[
    &["alone"],
    &["untouched"],
    &["unchanged"],
    &["unaffected"],
    &["intact"],
    &["stay"],
    &["stays"],
    &["remain"],
    &["remains"],
    &["excluded"],
    &["excepted"],
    &["omitted"],
    &["skipped"],
    &["spared"],
    &["ignored"],
    &["exempt"],
    &["exempted"],
    &["forbidden"],
    &["prohibited"],
    &["off", "limits"],
    &["out", "of", "scope"],
];
/// Words by which a thing is given a name: "keep it as nightly".
const NAMING: &[&str] = &["as", "under", "called", "named"];

/// Whether a word turns what follows it into its contrary.
pub(crate) fn negates(word: &str) -> bool {
    NEGATIONS.contains(&word) || word.ends_with("n't") || word.ends_with("n’t")
}

/// Whether words that begin here say of what follows that it is to stay as it is.
pub(crate) fn leaves(words: &[Word], at: usize) -> bool {
    let word = |at: usize| words.get(at).map_or("", |word: &Word| word.lower.as_str());
    let behind_alone = is_row(words, at, BEHIND).is_some_and(|length| words[at + length - 1].colon);
    let spared = word(at) == "spare" && (at == 0 || words[at - 1].clause_ends || word(at - 1) == "but");
    let exception = word(at) == "save" && at > 0 && !opens(words, at) && has_digit(word(at + 1));
    let kept = matches!(word(at), "keep" | "keeping") && is_kept_somewhere(&words[at..]);
    let before = is_row(words, at, BEFORE).is_some() && !kept;
    !words[at].quoted && (negates(word(at)) || before || behind_alone || exception || spared)
}

/// Whether words that begin here say of what stands before them that it is to stay as it is.
pub(crate) fn stays(words: &[Word], at: usize) -> bool {
    let ends = words[at].clause_ends || at + 1 == words.len();
    let refused = words[at].lower == "no" && ends && at > 0 && !opens(words, at);
    let length = is_row(words, at, BEHIND);
    refused || length.is_some_and(|length| !words[at + length - 1].colon)
}

/// Whether a text says anywhere that something is to stay as it is.
pub(crate) fn forbids(words: &[Word]) -> bool {
    (0..words.len()).any(|at| !words[at].quoted && (leaves(words, at) || stays(words, at)))
}

/// Whether a word asks for a change or tells of one, in any of its forms; also those that only say that there is one.
pub(crate) fn is_of_change(word: &str) -> bool {
    is_general(word) || forms(word).iter().any(|form| !of_word(form).is_empty())
}

/// Whether a word says that something is changed, and not how.
pub(crate) fn is_general(word: &str) -> bool {
    const GENERAL: &[&str] = &[
        "touch",
        "change",
        "modify",
        "alter",
        "affect",
        "tamper",
        "mess",
        "involve",
        "include",
        "interfere",
        "apply",
        "do",
        "execute",
        "perform",
    ];
    forms(word).iter().any(|form| GENERAL.contains(&form.as_str()))
}

/// What a word may be a form of: `touched` of `touch`, `removing` of `remove`.
fn forms(word: &str) -> Vec<String> {
    let mut forms = vec![word.to_owned()];
    for end in ["ed", "ing", "en", "d", "n", "s"] {
        if let Some(root) = word.strip_suffix(end).filter(|root| root.len() > 2) {
            let mut letters = root.chars().rev();
            let twice = letters.next() == letters.next();
            forms.push(root.to_owned());
            forms.push(format!("{root}e"));
            if twice {
                forms.push(root[..root.len() - 1].to_owned());
            }
            if let Some(root) = root.strip_suffix('i') {
                forms.push(format!("{root}y"));
            }
        }
    }
    forms
}

/// Whether a copy is kept under a name, and not what is there: "keep the config of r1 as nightly".
fn is_kept_somewhere(words: &[Word]) -> bool {
    let mut clause = words.iter().take(12).skip(1);
    let mut last: Option<&str> = None;
    clause.any(|word| {
        let before = last.replace(word.lower.as_str());
        let named = before.is_some_and(|before| NAMING.contains(&before));
        let points = ["is", "it", "they", "before", "well", "now", "the", "a"].contains(&word.lower.as_str());
        named && (!points || before == Some("under"))
    })
}

/// Whether a word is the first of what is said here.
fn opens(words: &[Word], at: usize) -> bool {
    let joins = |word: &Word| matches!(word.lower.as_str(), "and" | "then" | "but" | "also" | "please" | "or");
    at == 0 || words[at - 1].clause_ends || joins(&words[at - 1])
}

fn has_digit(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_digit())
}

/// How many words of a row stand here.
fn is_row(words: &[Word], at: usize, rows: &[&[&str]]) -> Option<usize> {
    let stands = |row: &&&[&str]| {
        let said = words.get(at..at + row.len());
        said.is_some_and(|said| {
            said.iter()
                .zip(row.iter())
                .all(|(word, wanted)| !word.quoted && word.lower == *wanted)
        })
    };
    rows.iter().filter(stands).map(|row| row.len()).max()
}
