//! Spoken words become text, through a model's transcription route. What is heard is treated like what is typed: it decides
//! nothing, and a person is shown it before it changes anything (the engine sees to that). What is absent on purpose:
//! keeping a recording.

mod recording;

pub use recording::{AudioKind, Recording};

use crate::model::{Endpoint, Error, ModelSettings, Purse, Spent};
use crate::plain::visible;
use flyball_engine::canonical::Digest;
use flyball_engine::intent::LONGEST_TEXT;
use flyball_engine::intent::heard::Heard;
use std::sync::Arc;
use std::time::Duration;

/// Words, and how they were heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Spoken {
    pub text: String,
    pub heard: Heard,
}

/// Why there are no words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    #[error("no model is configured that could hear it")]
    NoModel,
    /// A budget does not allow it.
    #[error("{0}")]
    Budget(String),
    #[error("{endpoint} has no route for recordings: it answered {status}")]
    NoRoute { endpoint: String, status: u16 },
    /// It will not take this recording, however often it is sent.
    #[error("{0}")]
    Rejected(String),
    /// It may work later; `wait`: as long as the server asks to be left alone.
    #[error("{why}")]
    Busy { why: String, wait: Option<Duration> },
    /// It answered, and not with words.
    #[error("{0}")]
    Unusable(String),
    #[error("no words were heard in it")]
    Silence,
}

/// The models that can hear, the preferred one first.
pub(crate) struct Ears {
    endpoints: Vec<Endpoint>,
    purse: Arc<Purse>,
}

impl Ears {
    /// Opens nothing yet.
    pub(crate) fn new(settings: &[ModelSettings], purse: Arc<Purse>) -> Result<Self, Error> {
        let endpoints = settings.iter().map(Endpoint::new).collect::<Result<_, _>>()?;
        Ok(Self { endpoints, purse })
    }

    pub(crate) fn are_there(&self) -> bool {
        !self.endpoints.is_empty()
    }

    pub(crate) fn hold_to(&mut self, purse: Arc<Purse>) {
        self.purse = purse;
    }

    /// Asks one endpoint after the other until one has heard it, or heard nothing in it. If none has, one that may do so
    /// later says why.
    pub(crate) async fn hear(&self, recording: &Recording) -> Result<Spoken, Unheard> {
        let mut failed = Unheard::NoModel;
        for endpoint in &self.endpoints {
            let most = endpoint.most_to_hear(recording);
            // The next one may cost less.
            if let Err(why) = self.purse.allows(Spent::default(), most).await {
                if !matches!(failed, Unheard::Busy { .. }) {
                    failed = Unheard::Budget(why);
                }
                continue;
            }
            let (answer, heard) = endpoint.hear(recording).await;
            if let Some(heard) = &heard {
                self.purse.spend(Spent::of_hearing(heard)).await;
            }
            match (answer.and_then(|said| words(&said)), heard) {
                (Ok(text), Some(heard)) => return Ok(Spoken { text, heard }),
                (Err(Unheard::Silence), _) => return Err(Unheard::Silence),
                (Err(why), _) if !matches!(failed, Unheard::Busy { .. }) => failed = why,
                _ => {}
            }
        }
        Err(failed)
    }
}

/// What was said, as it is shown and acted upon: one and the same text, with nothing in it that nobody would see.
fn words(said: &str) -> Result<String, Unheard> {
    let text = visible(said.trim());
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if is_silence(&text) {
        return Err(Unheard::Silence);
    }
    match text.len() {
        0..=LONGEST_TEXT => Ok(text),
        n => Err(Unheard::Unusable(format!(
            "the model heard a text of {n} bytes, and an intent has {LONGEST_TEXT} at most: say it in fewer words"
        ))),
    }
}

/// Whether there is no word in it. Models write `[BLANK_AUDIO]` or `(music)` where nobody speaks.
fn is_silence(text: &str) -> bool {
    let mut depth = 0_usize;
    !text.chars().any(|c| {
        match c {
            '[' | '(' | '{' => depth += 1,
            ']' | ')' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && c.is_alphanumeric()
    })
}

impl Recording {
    /// What the record says of it and of who heard it.
    pub(crate) fn heard_by(&self, model: &str, endpoint: &str) -> Heard {
        Heard {
            audio: Digest::of_bytes(self.bytes()),
            kind: self.kind().name().to_owned(),
            bytes: self.bytes().len() as u64,
            audio_ms: self.millis(),
            model: model.to_owned(),
            endpoint: endpoint.to_owned(),
            input_tokens: 0,
            output_tokens: 0,
            cost: 0.0,
            millis: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_heard_is_one_line_in_which_nothing_is_hidden() {
        assert_eq!(
            words(" Check\nthe health  of bj-core-1. ").unwrap(),
            "Check the health of bj-core-1."
        );
        assert_eq!(words("reload\u{202e}r1").unwrap(), "reload‹U+202E›r1");
        let long = "word ".repeat(LONGEST_TEXT);
        assert!(matches!(words(&long), Err(Unheard::Unusable(_))));
    }

    #[test]
    fn where_nobody_speaks_there_are_no_words() {
        for silence in [
            "",
            " \n",
            "...",
            "[BLANK_AUDIO]",
            "(wind blowing) ♪",
            "[Music] (silence)",
        ] {
            assert_eq!(words(silence), Err(Unheard::Silence), "{silence:?}");
        }
        assert_eq!(words("[cough] stop").unwrap(), "[cough] stop");
        assert_eq!(words("检查北京").unwrap(), "检查北京");
    }
}
