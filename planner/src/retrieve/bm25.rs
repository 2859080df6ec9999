//! BM25 over documents with fields of unequal weight (BM25F): a term counts for more in a name than in a description, for
//! more in a short text than in a long one, and for more the fewer documents have it.

use super::terms::Weighted;
use std::collections::HashMap;

/// How soon a term that is repeated stops to count.
const K1: f64 = 1.2;
/// How much a long text is discounted.
const B: f64 = 0.5;

/// One document: how often it has each term, by the weight of the field.
#[derive(Debug, Default)]
pub(super) struct Document {
    terms: HashMap<String, f64>,
    length: f64,
}

impl Document {
    /// Adds a field.
    pub(super) fn field(&mut self, weight: f64, terms: impl IntoIterator<Item = String>) {
        for term in terms {
            *self.terms.entry(term).or_default() += weight;
            self.length += weight;
        }
    }
}

/// Documents that can be searched.
#[derive(Debug)]
pub(super) struct Index {
    documents: Vec<Document>,
    /// In how many documents a term stands.
    spread: HashMap<String, usize>,
    mean_length: f64,
}

impl Index {
    pub(super) fn of(documents: Vec<Document>) -> Self {
        let mut spread: HashMap<String, usize> = HashMap::new();
        for term in documents.iter().flat_map(|document| document.terms.keys()) {
            *spread.entry(term.clone()).or_default() += 1;
        }
        let all = documents.len().max(1) as f64;
        let mean_length = documents.iter().map(|document| document.length).sum::<f64>() / all;
        Self {
            documents,
            spread,
            mean_length: mean_length.max(1.0),
        }
    }

    /// How well each document answers the query, in the order in which they were given.
    pub(super) fn scores(&self, query: &[Weighted]) -> Vec<f64> {
        let rare: Vec<f64> = query.iter().map(|(term, _)| self.rarity(term)).collect();
        let score = |document: &Document| {
            let long = 1.0 - B + B * document.length / self.mean_length;
            let of_term = |((term, weight), rare): (&Weighted, &f64)| {
                let often = document.terms.get(term).copied().unwrap_or_default();
                weight * rare * often * (K1 + 1.0) / (often + K1 * long)
            };
            query.iter().zip(&rare).map(of_term).sum()
        };
        self.documents.iter().map(score).collect()
    }

    fn rarity(&self, term: &str) -> f64 {
        let all = self.documents.len() as f64;
        let with = self.spread.get(term).copied().unwrap_or_default() as f64;
        (1.0 + (all - with + 0.5) / (with + 0.5)).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(fields: &[(f64, &str)]) -> Document {
        let mut document = Document::default();
        for (weight, text) in fields {
            document.field(*weight, text.split(' ').map(str::to_owned));
        }
        document
    }

    fn best(documents: Vec<Document>, query: &[&str]) -> usize {
        let query: Vec<Weighted> = query.iter().map(|term| ((*term).to_owned(), 1.0)).collect();
        let scores = Index::of(documents).scores(&query);
        (0..scores.len())
            .max_by(|a, b| scores[*a].total_cmp(&scores[*b]))
            .unwrap()
    }

    #[test]
    fn a_name_tells_more_than_a_text_a_rare_word_more_than_a_common_one_a_short_text_more_than_a_long_one() {
        let name = vec![
            document(&[(1.0, "ospf of a device")]),
            document(&[(3.0, "ospf"), (1.0, "a device")]),
        ];
        assert_eq!(best(name, &["ospf"]), 1);
        let rare = vec![
            document(&[(1.0, "get device")]),
            document(&[(1.0, "get vlan")]),
            document(&[(1.0, "get device")]),
        ];
        assert_eq!(best(rare, &["device", "vlan"]), 1);
        let long = "word ".repeat(60);
        let short = vec![
            document(&[(1.0, &format!("ospf {long}"))]),
            document(&[(1.0, "ospf area")]),
        ];
        assert_eq!(best(short, &["ospf"]), 1);
    }

    #[test]
    fn what_nobody_has_changes_nothing() {
        let scores = Index::of(vec![document(&[(1.0, "a")])]).scores(&[("b".to_owned(), 1.0)]);
        assert_eq!(scores, [0.0]);
        assert!(Index::of(Vec::new()).scores(&[]).is_empty());
    }
}
