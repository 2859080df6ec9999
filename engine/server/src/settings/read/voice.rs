//! `voice`: who hears what is spoken, and how long a recording may be. Where nothing is said, the models that help with
//! planning are asked, at their address, for the transcription model that most servers know.

use super::Reader;
use super::models::number;
use crate::settings::secret::SecretText;
use crate::settings::{Model, Price, Voice};
use flyball_engine::span::Span;
use serde_json::Value;

/// The name under which servers of OpenAI's API offer a model that hears.
const MODEL: &str = "whisper-1";
/// A person who says what is wanted waits for the answer.
const TIMEOUT: Span = Span::secs(60);
/// Four minutes as a telephone records them, many more in any other kind.
const LIMIT: u64 = 8 << 20;
/// What a recording may be limited to: it is held in memory while it is heard.
const LIMITS: std::ops::RangeInclusive<u64> = 1 << 10..=100 << 20;
const PRICE_KEYS: [&str; 3] = ["input", "output", "minute"];

/// One who hears at an address of their own, or each model where it is.
pub(super) fn read(reader: &mut Reader<'_>, models: &[Model]) -> Voice {
    let name = reader.get::<String>("/voice/model", "the name of a model that transcribes");
    let name = name.unwrap_or_else(|| MODEL.to_owned());
    let base_url = reader.get::<String>("/voice/base_url", "a URL");
    let api_key = reader.get::<String>("/voice/api_key", "a reference such as ${env:OPENAI_API_KEY}");
    let api_key = api_key.map(SecretText);
    let timeout = reader.get("/voice/timeout", "a length of time, for example 60s");
    reader.unknown_in("/voice/price", &PRICE_KEYS);
    let mut price = |key: &str| number(reader, &format!("/voice/price/{key}")).unwrap_or_default();
    let price = Price {
        input: price("input"),
        output: price("output"),
        minute: price("minute"),
    };
    let one = |base_url: &str, api_key: Option<SecretText>| Model {
        base_url: base_url.to_owned(),
        name: name.clone(),
        api_key,
        timeout: timeout.unwrap_or(TIMEOUT),
        price,
    };
    let models = match base_url {
        // The key of another server would be sent to whatever server this is.
        Some(base_url) => vec![one(&base_url, api_key)],
        None => {
            let key = |model: &Model| api_key.clone().or_else(|| model.api_key.clone());
            models.iter().map(|model| one(&model.base_url, key(model))).collect()
        }
    };
    Voice {
        models,
        limit: limit(reader),
    }
}

/// A number of bytes, or one with a unit.
fn limit(reader: &mut Reader<'_>) -> u64 {
    let Some(given) = reader
        .value
        .pointer("/voice/limit")
        .filter(|given| !given.is_null())
        .cloned()
    else {
        return LIMIT;
    };
    let read = match &given {
        Value::String(text) => bytes(text),
        other => other.as_u64(),
    };
    read.filter(|bytes| LIMITS.contains(bytes)).unwrap_or_else(|| {
        let message = format!("{given} is no size that a recording can be limited to");
        reader.fault("/voice/limit", message).suggestion = Some("write 1KiB to 100MiB, for example 8MiB".into());
        LIMIT
    })
}

fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit: u64 = match text[end..].trim() {
        "" | "B" => 1,
        "KiB" | "KB" | "kB" => 1 << 10,
        "MiB" | "MB" => 1 << 20,
        _ => return None,
    };
    text[..end].parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::read::read as settings;
    use std::collections::BTreeMap;
    use std::path::Path;

    fn voice(text: &str) -> Result<Voice, String> {
        let read = settings("flyball.yaml", text, Path::new("/etc/flyball"), &BTreeMap::new());
        let told = |findings: Vec<crate::finding::Finding>| {
            findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        read.map(|settings| settings.voice).map_err(told)
    }

    fn asked(voice: &Voice) -> Vec<(&str, &str)> {
        voice
            .models
            .iter()
            .map(|m| (m.base_url.as_str(), m.name.as_str()))
            .collect()
    }

    #[test]
    fn without_settings_each_models_server_is_asked_for_a_model_that_hears() {
        assert!(voice("").unwrap().models.is_empty());
        let two = voice("model: {base_url: http://a/v1, name: m}\nmodels: [{base_url: http://b/v1, name: n}]").unwrap();
        assert_eq!(
            asked(&two),
            [("http://a/v1", "whisper-1"), ("http://b/v1", "whisper-1")]
        );
        assert_eq!((two.limit, two.models[0].timeout), (8 << 20, Span::secs(60)));
    }

    #[test]
    fn who_hears_may_be_somebody_else_at_another_address() {
        let text = "model: {base_url: http://a/v1, name: m}\n\
                    voice: {base_url: http://ears/v1, model: tiny-en, timeout: 5s, price: {minute: 0.006}, limit: 512KiB}";
        let own = voice(text).unwrap();
        assert_eq!(asked(&own), [("http://ears/v1", "tiny-en")]);
        assert_eq!((own.limit, own.models[0].price.minute), (512 << 10, 0.006));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        for (text, wanted) in [
            ("voice: {limit: 8 parsecs}", "no size"),
            ("voice: {limit: 0}", "1KiB to 100MiB"),
            ("voice: {modle: x}", "unknown key `modle`"),
            ("voice: {price: {hour: 1}}", "unknown key `hour`"),
            ("voice: {price: {minute: -1}}", "-1"),
        ] {
            let told = voice(text).unwrap_err();
            assert!(told.contains(wanted), "{told} lacks {wanted}");
        }
    }
}
