//! Words that were spoken: who heard them and in what, and whether a person has said that these are the words. Nothing that
//! changes something starts before that, whoever would let it run unattended. Pure.
//!
//! A rule of the engine and no policy: an approval is given by somebody else, who was not there when the words were
//! spoken, and where a runbook runs unattended nobody is asked for one. What only reads runs at once.

use crate::canonical::Digest;
use crate::question::Form;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The name under which it is answered whether these are the words. No question about a call is called so.
pub const WORDS: &str = "words";

/// How spoken words became an intent's text. The recording is not kept: by its digest one that is kept elsewhere is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// Over the recording as it was sent.
    pub audio: Digest,
    /// What its bytes are: `wav`, `mp3`, `ogg` or `webm`.
    pub kind: String,
    pub bytes: u64,
    /// How long it is, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_ms: Option<u64>,
    /// The model that heard it, and where it was asked.
    pub model: String,
    pub endpoint: String,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// In the unit of the model's prices.
    #[serde(default, skip_serializing_if = "is_free")]
    pub cost: f64,
    pub millis: u64,
}

impl Heard {
    /// In and out.
    pub fn tokens(&self) -> (u64, u64) {
        (self.input_tokens, self.output_tokens)
    }
}

pub(super) fn is_free(cost: &f64) -> bool {
    *cost == 0.0
}

/// What a person is asked about words that were heard.
pub fn read_back(words: &str) -> Form {
    let confirmed = json!({"type": "boolean", "const": true, "description": "these are the words"});
    Form {
        message: words.to_owned(),
        schema: json!({"type": "object", "required": ["confirmed"], "properties": {"confirmed": confirmed}}),
    }
}
