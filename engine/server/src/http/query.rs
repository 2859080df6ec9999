//! Parameters of a path's query. What cannot be read becomes a problem that names the parameter.

use super::problem::Problem;
use crate::errors::Code;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// The parameters; unknown ones are up to their type.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::<T>::from_request_parts(parts, state).await;
        read.map(|Query(params)| Self(params)).map_err(|e| {
            let text = std::error::Error::source(&e).map_or_else(|| e.body_text(), ToString::to_string);
            misread(&text)
        })
    }
}

/// From `after: invalid digit found in string`.
fn misread(text: &str) -> Problem {
    let (name, why) = text.split_once(": ").unwrap_or(("query", text));
    let why = match why {
        w if w.contains("digit") || w.contains("number too") || w.contains("empty string") => {
            "a whole number, 0 or more"
        }
        why => why,
    };
    Problem::parameter(name, why)
}

/// A parameter that is one of some fixed words, all of which the problem names.
pub(super) fn one_of(name: &str, given: Option<&str>, known: &[&str]) -> Result<(), Problem> {
    let Some(given) = given.filter(|g| !known.contains(g)) else {
        return Ok(());
    };
    let near = flyball_engine::fault::nearest(given, known.iter().copied());
    let near = near.map(|n| format!("did you mean {n:?}? ")).unwrap_or_default();
    let detail = format!("{name}: {given:?} is none of those there are");
    let suggestion = format!("{near}known are {}", known.join(", "));
    Err(Problem::new(Code::UnknownValue, detail.clone()).with(name, "request.parameter", detail, Some(suggestion)))
}
