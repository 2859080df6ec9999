//! `model`, `models` and `model_budget`: who helps with planning, in order of preference, and what it may cost.

use super::Reader;
use crate::settings::secret::SecretText;
use crate::settings::{Model, Price};
use flyball_engine::span::Span;
use flyball_planner::ModelBudget;
use serde_json::Value;

/// The keys of one model.
pub(super) const MODEL_KEYS: [&str; 5] = ["base_url", "name", "api_key", "timeout", "price"];
const PRICE_KEYS: [&str; 2] = ["input", "output"];
const NUMBER: &str = "a number, not below 0";

/// `model` first, then `models` as they stand.
pub(super) fn read(reader: &mut Reader<'_>) -> Vec<Model> {
    let more = reader.value.get("models").filter(|models| !models.is_null());
    let count = match more {
        None => 0,
        Some(Value::Array(models)) => models.len(),
        Some(_) => {
            reader.fault("/models", "`models` is a list").suggestion =
                Some("write a list of {base_url, name}, or `model` for a single one".into());
            0
        }
    };
    let places = std::iter::once("/model".to_owned()).chain((0..count).map(|at| format!("/models/{at}")));
    places
        .collect::<Vec<_>>()
        .iter()
        .filter_map(|place| one(reader, place))
        .collect()
}

fn one(reader: &mut Reader<'_>, place: &str) -> Option<Model> {
    reader.value.pointer(place).filter(|model| !model.is_null())?;
    let at = |key: &str| format!("{place}/{key}");
    let base_url = reader.get::<String>(&at("base_url"), "a URL");
    let name = reader.get::<String>(&at("name"), "the model's name");
    for (given, key) in [(base_url.is_some(), "base_url"), (name.is_some(), "name")] {
        if !given {
            let finding = reader.fault(place, format!("the model has no `{key}`"));
            finding.suggestion = Some("give base_url and name, or leave `model` out: runbooks only".into());
        }
    }
    let api_key = reader.get::<String>(&at("api_key"), "a reference such as ${env:OPENAI_API_KEY}");
    let timeout = reader.get(&at("timeout"), "a length of time, for example 60s");
    reader.unknown_in(&at("price"), &PRICE_KEYS);
    let price = Price {
        input: number(reader, &at("price/input")).unwrap_or_default(),
        output: number(reader, &at("price/output")).unwrap_or_default(),
        minute: 0.0,
    };
    Some(Model {
        base_url: base_url?,
        name: name?,
        api_key: api_key.map(SecretText),
        timeout: timeout.unwrap_or(Span::secs(120)),
        price,
    })
}

/// What is left out has no limit.
pub(super) fn budget(reader: &mut Reader<'_>) -> ModelBudget {
    // Variables give numbers as texts; nobody counts half a token.
    let whole = |given: Option<f64>| given.map(|tokens| tokens as u64);
    ModelBudget {
        tokens_per_intent: whole(number(reader, "/model_budget/tokens_per_intent")),
        tokens_per_day: whole(number(reader, "/model_budget/tokens_per_day")),
        cost_per_intent: number(reader, "/model_budget/cost_per_intent"),
        cost_per_day: number(reader, "/model_budget/cost_per_day"),
    }
}

pub(super) fn number(reader: &mut Reader<'_>, pointer: &str) -> Option<f64> {
    let value = reader.value.pointer(pointer).filter(|value| !value.is_null())?.clone();
    let read = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    let read = read.filter(|number: &f64| number.is_finite() && *number >= 0.0);
    if read.is_none() {
        reader
            .fault(pointer, format!("{value} is no number that can be a limit or a price"))
            .suggestion = Some(format!("write {NUMBER}"));
    }
    read
}
