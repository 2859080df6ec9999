//! The orders in which a phrase's parts may be said. What a preposition begins may come sooner or later than written: "on
//! r1, describe …" says what "describe … on r1" says. Within such a part nothing moves.

use super::phrase::Part;

/// Words that begin a part which can stand elsewhere in a sentence.
const BEGIN: [&str; 18] = [
    "on", "in", "at", "for", "with", "within", "to", "of", "from", "between", "off", "as", "by", "about", "against",
    "using", "into", "away",
];
/// Phrases of more parts than this are said as written: nobody means the hundredth order.
const MOST_PARTS: usize = 5;

/// Every order, the written one first.
pub(super) fn orders(phrase: &[Part]) -> Vec<Vec<Part>> {
    let parts = parts(phrase);
    let mut found = Vec::new();
    if parts.len() <= MOST_PARTS {
        arrange(&parts, &mut Vec::new(), &mut found);
    } else {
        found.push(phrase.to_vec());
    }
    found
}

/// Cut before each preposition, unless only prepositions stand before it ("away from").
fn parts(phrase: &[Part]) -> Vec<Vec<Part>> {
    let mut parts: Vec<Vec<Part>> = Vec::new();
    for part in phrase {
        match parts.last_mut() {
            Some(last) if !begins(part) || last.iter().all(begins) => last.push(part.clone()),
            _ => parts.push(vec![part.clone()]),
        }
    }
    parts
}

fn begins(part: &Part) -> bool {
    matches!(part, Part::Word(word) if BEGIN.contains(&word.as_str()))
}

/// Permutations in the order of the positions, so that the first is the phrase as written.
fn arrange(parts: &[Vec<Part>], taken: &mut Vec<usize>, found: &mut Vec<Vec<Part>>) {
    if taken.len() == parts.len() {
        found.push(taken.iter().flat_map(|i| parts[*i].clone()).collect());
        return;
    }
    for next in 0..parts.len() {
        if !taken.contains(&next) {
            taken.push(next);
            arrange(parts, taken, found);
            taken.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phrase(text: &str) -> Vec<Part> {
        let part = |word: &str| match word.strip_prefix('{') {
            Some(name) => Part::Slot(name.trim_end_matches('}').to_owned()),
            None => Part::Word(word.to_owned()),
        };
        text.split(' ').map(part).collect()
    }

    fn said(parts: &[Part]) -> String {
        let word = |part: &Part| match part {
            Part::Word(word) => word.clone(),
            Part::Slot(name) => format!("{{{name}}}"),
        };
        parts.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_a_preposition_begins_moves_as_a_whole() {
        let orders = orders(&phrase("move traffic away from {a} in {site}"));
        let orders: Vec<String> = orders.iter().map(|order| said(order)).collect();
        assert_eq!(orders.len(), 6);
        assert_eq!(orders[0], "move traffic away from {a} in {site}");
        assert!(orders.contains(&"in {site} move traffic away from {a}".to_owned()));
        assert!(!orders.iter().any(|order| order.contains("traffic move")));
    }

    #[test]
    fn a_phrase_of_many_parts_is_said_as_written() {
        assert_eq!(orders(&phrase("a on b in c at d for e with f")).len(), 1);
    }
}
