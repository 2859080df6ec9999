//! Which of the forms that a resource has a client takes.

use super::problem::Problem;
use crate::errors::Code;
use axum::http::{HeaderMap, header};

/// The first form that `Accept` allows, in the client's order; without the header the first of all.
pub(super) fn accepted<'a>(headers: &HeaderMap, forms: &[&'a str]) -> Result<&'a str, Problem> {
    let Some(accept) = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()) else {
        return Ok(forms[0]);
    };
    let ranges = accept.split(',').filter(|range| !is_refused(range));
    let mut found = ranges.filter_map(|range| {
        let range = range.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        let named = forms.iter().find(|form| range == **form);
        named
            .or_else(|| forms.iter().find(|form| covers(&range, form)))
            .copied()
    });
    found.next().ok_or_else(|| {
        let detail = format!("it is given as {}, not as {accept}", forms.join(" or "));
        Problem::new(Code::NotAcceptable, detail)
    })
}

fn covers(range: &str, form: &str) -> bool {
    let kind = form.split('/').next().unwrap_or("");
    let any_text = range == "text/plain" && kind == "text";
    range.is_empty() || range == "*/*" || range.strip_suffix("/*") == Some(kind) || any_text
}

/// `q=0` says: not this one.
fn is_refused(range: &str) -> bool {
    let mut parameters = range.split(';').skip(1).filter_map(|p| p.trim().strip_prefix("q="));
    parameters.any(|q| q.trim().parse::<f32>().is_ok_and(|q| q <= 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn chosen_of(forms: &[&'static str], accept: &str) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
        accepted(&headers, forms).ok()
    }

    fn chosen(accept: &str) -> Option<&'static str> {
        chosen_of(&["text/vnd.mermaid", "text/vnd.graphviz"], accept)
    }

    #[test]
    fn the_form_that_is_named_is_given_before_one_that_would_do() {
        let forms = ["application/json", "text/markdown", "text/plain"];
        for (accept, form) in [
            ("text/plain", Some("text/plain")),
            ("text/markdown", Some("text/markdown")),
            ("text/*", Some("text/markdown")),
            ("application/json", Some("application/json")),
            ("*/*", Some("application/json")),
            ("image/png", None),
        ] {
            assert_eq!(chosen_of(&forms, accept), form, "{accept}");
        }
    }

    #[test]
    fn a_form_is_given_only_to_who_takes_it() {
        for (accept, form) in [
            ("text/vnd.graphviz", Some("text/vnd.graphviz")),
            ("text/html, */*;q=0.8", Some("text/vnd.mermaid")),
            ("text/*", Some("text/vnd.mermaid")),
            ("text/plain", Some("text/vnd.mermaid")),
            ("image/svg+xml", None),
            ("image/svg+xml, text/vnd.graphviz;q=0.5", Some("text/vnd.graphviz")),
            ("text/vnd.mermaid;q=0", None),
        ] {
            assert_eq!(chosen(accept), form, "{accept}");
        }
        assert!(accepted(&HeaderMap::new(), &["text/vnd.mermaid"]).is_ok());
    }
}
