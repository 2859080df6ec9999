//! The transcription route of an endpoint: the recording as a form, and what the reply says.

use super::endpoint::{Endpoint, Failed, problem_of, wait_of};
use super::{Spent, http};
use crate::prompt;
use crate::voice::{Recording, Unheard};
use async_openai::error::OpenAIError;
use async_openai::traits::AsyncTryFrom;
use flyball_engine::intent::heard::Heard;
use reqwest::Body;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use std::time::Instant;

/// What a second of speech comes to in tokens, for servers that count none: sound in, words out. Words come at three a
/// second and are seldom more than two tokens each.
const TOKENS_IN_A_SECOND: (u64, u64) = (10, 6);
/// How many bytes a second has at least, where a recording does not say how long it is: nobody speaks in less.
const BYTES_IN_A_SECOND: u64 = 1_500;

/// A recording on its way, made into a form anew for each attempt.
#[derive(Clone)]
struct Upload {
    recording: Recording,
    model: String,
}

impl AsyncTryFrom<Upload> for Form {
    type Error = OpenAIError;

    async fn try_from(upload: Upload) -> Result<Self, OpenAIError> {
        let (bytes, kind) = (upload.recording.bytes().clone(), upload.recording.kind());
        let length = bytes.len() as u64;
        let part = Part::stream_with_length(Body::from(bytes), length)
            .file_name(format!("audio.{}", kind.name()))
            .mime_str(kind.media_type())
            .map_err(OpenAIError::Reqwest)?;
        let form = Form::new().text("model", upload.model).text("response_format", "json");
        Ok(form.part("file", part))
    }
}

impl Endpoint {
    /// What it takes at most to hear a recording.
    pub(crate) fn most_to_hear(&self, recording: &Recording) -> Spent {
        let seconds = match recording.millis() {
            Some(millis) => millis.div_ceil(1_000),
            None => (recording.bytes().len() as u64).div_ceil(BYTES_IN_A_SECOND),
        };
        let (input, output) = (TOKENS_IN_A_SECOND.0 * seconds, TOKENS_IN_A_SECOND.1 * seconds);
        Spent {
            tokens: input + output,
            cost: self.price.of(input, output) + self.price.of_speech(seconds * 1_000),
        }
    }

    /// What was said; and, where the server answered, what the record says of it.
    pub(crate) async fn hear(&self, recording: &Recording) -> (Result<String, Unheard>, Option<Heard>) {
        let began = Instant::now();
        let upload = Upload {
            recording: recording.clone(),
            model: self.name.clone(),
        };
        let ask = || async { self.client.audio().transcription().create_byot(upload.clone()).await };
        let reply: Value = match self.persist(ask).await {
            Ok(reply) => reply,
            Err(failed) => return (Err(self.unheard(failed)), None),
        };
        let said = reply.get("text").and_then(Value::as_str);
        let mut heard = recording.heard_by(&self.name, &self.address);
        heard.millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.count(&reply, said.unwrap_or_default(), &mut heard);
        let words = said.map(str::to_owned);
        let words = words.ok_or_else(|| Unheard::Unusable("the model's server answered without a text".into()));
        (words, Some(heard))
    }

    /// What it took, as the server says; a server that does not count is counted for, so that it is not free.
    fn count(&self, reply: &Value, said: &str, heard: &mut Heard) {
        let usage = &reply["usage"];
        let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
        let told = [&usage["seconds"], &reply["duration"]].into_iter().find_map(number);
        let told = told.filter(|seconds| (0.0..=1e6).contains(seconds));
        heard.audio_ms = heard.audio_ms.or(told.map(|seconds| (seconds * 1_000.0) as u64));
        let seconds = heard
            .audio_ms
            .unwrap_or(heard.bytes * 1_000 / BYTES_IN_A_SECOND)
            .div_ceil(1_000);
        let count = |names: [&str; 2]| names.into_iter().find_map(|name| usage[name].as_u64());
        let counted = (TOKENS_IN_A_SECOND.0 * seconds, prompt::tokens(said));
        let input = count(["input_tokens", "prompt_tokens"]);
        let output = count(["output_tokens", "completion_tokens"]);
        (heard.input_tokens, heard.output_tokens) = match (input, output) {
            (Some(input), Some(output)) if (input, output) != (0, 0) => (input, output),
            _ => counted,
        };
        heard.cost = self.price.of(heard.input_tokens, heard.output_tokens) + self.price.of_speech(seconds * 1_000);
    }

    fn unheard(&self, failed: Failed) -> Unheard {
        let error = match failed {
            Failed::Late(why) => return Unheard::Busy { why, wait: None },
            Failed::Error(error) => error,
        };
        let why = problem_of(&error).message().to_owned();
        match &error {
            OpenAIError::ApiError(e) => match e.status_code.as_u16() {
                status @ (404 | 405 | 501) => Unheard::NoRoute {
                    endpoint: self.address.clone(),
                    status,
                },
                429 if e.api_error.code.as_deref() == Some(http::NO_QUOTA) => Unheard::Rejected(why),
                408 | 429 | 500.. => Unheard::Busy {
                    why,
                    wait: wait_of(&error),
                },
                _ => Unheard::Rejected(why),
            },
            OpenAIError::Reqwest(_) => Unheard::Busy { why, wait: None },
            _ => Unheard::Unusable(why),
        }
    }
}
