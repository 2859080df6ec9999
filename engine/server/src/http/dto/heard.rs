//! What was spoken: the form that it comes in, and what is shown of it.

use flyball_engine::intent::Request;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An intent that is spoken: the recording, and beside it what a JSON body may say beside its words.
#[derive(ToSchema)]
pub struct VoiceForm {
    /// wav, mp3, ogg or webm, no larger than `voice.limit` of the settings. It is heard, and not kept.
    #[schema(value_type = String, format = Binary)]
    pub audio: Vec<u8>,
    /// `plan` or `apply`.
    pub mode: Option<String>,
    pub deadline: Option<String>,
    /// One part for each label, or a JSON list.
    pub labels: Option<Vec<String>>,
    pub change: Option<String>,
    /// `{"from": …, "until": …}` or `FROM..UNTIL`.
    pub window: Option<String>,
    pub backout_by: Option<String>,
}

/// Words as they were heard, and by whom.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HeardView {
    /// What is acted upon: these very words.
    pub text: String,
    /// SHA-256 of the recording, which is not kept.
    pub audio: String,
    /// `wav`, `mp3`, `ogg` or `webm`.
    pub kind: String,
    pub bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    pub model: String,
    pub endpoint: String,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// In the unit of the model's prices.
    #[serde(default)]
    pub cost: f64,
    /// How long it took to hear it.
    pub millis: u64,
    /// Who has said that these are the words. What only reads needs nobody to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_by: Option<String>,
}

impl HeardView {
    /// None: it was not spoken.
    pub fn of(request: &Request) -> Option<Self> {
        let heard = request.heard.as_ref()?;
        Some(Self {
            text: request.wish.words().to_owned(),
            audio: heard.audio.to_string(),
            kind: heard.kind.clone(),
            bytes: heard.bytes,
            seconds: heard.audio_ms.map(|ms| ms as f64 / 1_000.0),
            model: heard.model.clone(),
            endpoint: heard.endpoint.clone(),
            input_tokens: heard.input_tokens,
            output_tokens: heard.output_tokens,
            cost: heard.cost,
            millis: heard.millis,
            confirmed_by: None,
        })
    }

    /// By whom and in what, in one line.
    pub fn how(&self) -> String {
        let long = self.seconds.map(|s| format!("{s:.1} s of ")).unwrap_or_default();
        format!("{long}{}, heard by {} at {}", self.kind, self.model, self.endpoint)
    }
}
