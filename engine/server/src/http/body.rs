//! The JSON body of a request. What cannot be read becomes a problem that says where and what.

use super::problem::{BODY_LIMIT, Problem};
use crate::errors::Code;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use flyball_engine::fault::escape_pointer;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

/// A JSON body. What cannot be read becomes a [`Problem`] that says where.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("application/json")
            .to_ascii_lowercase();
        // curl's own default is the form type; a person who forgets the header still means JSON.
        let json = kind.contains("json") || kind.starts_with("application/x-www-form-urlencoded");
        if !json && !kind.starts_with("text/plain") {
            return Err(Problem::new(
                Code::NotJsonType,
                format!("the body is said to be {kind}"),
            ));
        }
        let bytes = axum::body::to_bytes(request.into_body(), BODY_LIMIT)
            .await
            .map_err(|_| Problem::new(Code::TooLarge, format!("more than {BODY_LIMIT} bytes")))?;
        read_json(&bytes).map(Body)
    }
}

/// Reads a JSON object; an empty body stands for `{}`.
pub(super) fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = if bytes.iter().all(u8::is_ascii_whitespace) {
        b"{}"
    } else {
        bytes
    };
    // In two goes, so that "no JSON at all" and "not what is taken here" stay apart whatever comes first in the text.
    let value: Value = serde_json::from_slice(bytes).map_err(|e| not_json(bytes, &e))?;
    if !value.is_object() {
        // A list would be taken for an object's fields in their order.
        let message = format!("expected an object, not {}", kind(&value));
        return Err(Problem::new(Code::WrongShape, message.clone()).with("", "json.shape", message, None));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut json).map_err(|e| wrong_shape(&e))
}

fn not_json(bytes: &[u8], error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    let text = String::from_utf8_lossy(bytes);
    let shown = text.lines().nth(line.saturating_sub(1)).unwrap_or("").trim();
    let shown: String = shown.chars().take(120).collect();
    let what = bare_message(error);
    let detail = format!("line {line}, column {column}: {what}");
    Problem::new(Code::NotJson, detail).with(
        "",
        "json.syntax",
        format!("line {line}, column {column}: {what}; the line reads `{shown}`"),
        Some(format!(
            "correct line {line} at column {column}; a plan is posted as {{\"plan\": {{…}}}}"
        )),
    )
}

fn wrong_shape(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let (line, column) = (error.inner().line(), error.inner().column());
    let message = plain(&bare_message(error.inner()));
    let mut quoted = message.split('`').skip(1).step_by(2);
    let named = quoted.next().unwrap_or("").to_owned();
    let unknown = message.starts_with("unknown field");
    let suggestion = unknown
        .then(|| flyball_engine::fault::nearest(&named, quoted).map(|n| format!("did you mean {n:?}?")))
        .flatten();
    let mut pointer = pointer(error.path());
    let ends_there = pointer.ends_with(&format!("/{named}"));
    if (unknown || message.starts_with("missing field")) && !ends_there {
        pointer += &format!("/{}", escape_pointer(&named));
    }
    Problem::new(Code::WrongShape, format!("line {line}, column {column}: {message}")).with(
        &pointer,
        if unknown { "json.unknown_field" } else { "json.shape" },
        message,
        suggestion,
    )
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    let segments = path.iter().map(|segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", escape_pointer(key)),
        Segment::Enum { .. } | Segment::Unknown => String::new(),
    });
    segments.collect()
}

/// serde's message in the words of JSON: no names of our own types.
fn plain(message: &str) -> String {
    const WORDS: [(&str, &str); 6] = [
        ("invalid type: map", "invalid type: object"),
        ("invalid type: sequence", "invalid type: list"),
        ("invalid type: floating point", "invalid type: number"),
        ("invalid type: integer", "invalid type: number"),
        ("expected a sequence", "expected a list"),
        ("expected a map", "expected an object"),
    ];
    let mut text = message.to_owned();
    for (rust, json) in WORDS {
        text = text.replace(rust, json);
    }
    for kind in ["expected struct ", "expected tuple struct "] {
        if let Some((before, _)) = text.split_once(kind) {
            return format!("{before}expected an object");
        }
    }
    if ["u8", "u32", "u64", "usize", "i64"]
        .iter()
        .any(|t| text.ends_with(&format!("expected {t}")))
    {
        let (before, _) = text.rsplit_once("expected").unwrap_or((&text, ""));
        return format!("{before}expected a whole number");
    }
    text
}

/// serde_json's message without the place that it appends.
fn bare_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ")
        .map_or(text.clone(), |(m, _)| m.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only the shape matters")]
    struct Sample {
        #[serde(default)]
        text: Option<String>,
        #[serde(default)]
        labels: Vec<String>,
    }

    #[test]
    fn the_drafts_own_text_is_refused_with_the_place_where_it_stops_being_json() {
        let text = include_bytes!("../../tests/fixtures/draft-section-10-1.txt");
        let problem = read_json::<Value>(text).unwrap_err();
        assert_eq!((problem.code.as_str(), problem.status), ("FB0001", 400));
        assert!(problem.detail.starts_with("line 4, column 36: "), "{}", problem.detail);
        assert!(
            problem.errors[0].message.contains("...."),
            "{}",
            problem.errors[0].message
        );
    }

    #[test]
    fn a_brace_too_many_is_no_json_either() {
        let problem = read_json::<Value>(b"{\"text\": \"x\"}\n}").unwrap_err();
        assert_eq!(problem.code, "FB0001");
        assert!(problem.detail.starts_with("line 2, column 1"), "{}", problem.detail);
    }

    #[test]
    fn a_misspelled_field_is_named_with_the_nearest() {
        let problem = read_json::<Sample>(b"{\"lables\": []}").unwrap_err();
        assert_eq!((problem.code.as_str(), problem.status), ("FB0002", 422));
        assert_eq!(problem.errors[0].pointer, "/lables");
        assert_eq!(
            problem.errors[0].suggestion.as_deref(),
            Some("did you mean \"labels\"?")
        );
    }

    #[test]
    fn a_value_of_another_kind_is_named_by_its_place_and_in_the_words_of_json() {
        let refused = |text: &str| {
            let problem = read_json::<crate::http::dto::IntentBody>(text.as_bytes()).unwrap_err();
            (problem.errors[0].pointer.clone(), problem.errors[0].message.clone())
        };
        for (text, pointer, part) in [
            (r#"{"text": 5}"#, "/text", "expected a string"),
            (r#"{"window": "x"}"#, "/window", "expected an object"),
            (r#"{"window": {"from": "2h"}}"#, "/window/until", "missing field"),
            (
                r#"{"window": {"from": "1h", "until": "2h", "to": 1}}"#,
                "/window/to",
                "unknown field",
            ),
            (r#"{"labels": ["a", 1]}"#, "/labels/1", "expected a string"),
            (r#"{"labels": {}}"#, "/labels", "expected a list"),
            ("[]", "", "expected an object"),
            ("5", "", "expected an object"),
        ] {
            let (at, message) = refused(text);
            assert_eq!(at, pointer, "{text}: {message}");
            assert!(message.contains(part), "{text}: {message}");
            assert!(
                !message.contains("struct") && !message.contains("IntentBody"),
                "{message}"
            );
        }
    }

    #[test]
    fn an_empty_body_is_an_empty_object() {
        assert!(read_json::<Sample>(b" \n").is_ok());
    }
}
