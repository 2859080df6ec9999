//! Spoken intents from the recording to the devices: nothing reaches one before a person has confirmed the words, though
//! the runbook would run unattended.

use crate::engine::{Engine, Folder};
use crate::lab::Lab;
use crate::script::{Script, raw};
use serde_json::{Value, json};

const SHANGHAI: [&str; 4] = ["sh-core-1", "sh-core-2", "sh-edge-1", "sh-edge-2"];
const DEVICE: &str = SHANGHAI[0];
const SAID: &str = "Set the description of interface eth1 on sh-core-1 to the spare link";

struct Site {
    lab: Lab,
    folder: Folder,
    ears: Script,
    before: String,
}

impl Site {
    async fn hearing(words: &[&str]) -> Self {
        let lab = Lab::of(&SHANGHAI).await;
        let ears = Script::of(words.iter().map(|said| raw(&json!({ "text": said }))));
        let voice = format!("voice: {{base_url: \"{}\", model: ears}}\n", ears.serve().await);
        let folder = Folder::over(&lab.sandbox.inventory_path(), false).with(&voice);
        let before = lab.running(DEVICE).await;
        Self {
            lab,
            folder,
            ears,
            before,
        }
    }

    async fn is_untouched(&self) -> bool {
        let executed = self.lab.executed(DEVICE).await;
        let touched = executed
            .iter()
            .any(|e| e.line.contains("description") || e.line.starts_with("conf"));
        !touched && self.lab.running(DEVICE).await == self.before
    }
}

fn recording() -> Vec<u8> {
    b"OggS\0\x02 as far as anybody here looks at it".to_vec()
}

async fn speak(engine: &Engine) -> (String, Value) {
    let taken = engine.speak(recording()).await;
    (taken["id"].as_str().unwrap().to_owned(), taken["heard"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoken_change_reaches_no_device_before_its_words_are_confirmed_and_does_so_after() {
    let site = Site::hearing(&[SAID]).await;
    let engine = Engine::start(&site.folder);
    let (intent, heard) = speak(&engine).await;
    assert_eq!(
        (heard["text"].as_str(), heard["model"].as_str()),
        (Some(SAID), Some("ears"))
    );
    let view = engine.until(&intent, "awaiting_input").await;
    assert_eq!(view["questions"][0]["message"], SAID, "{view}");
    assert_eq!(view["plan"]["source"], "runbook describe-interface");
    drop(engine);
    assert!(site.is_untouched().await);

    // The engine died meanwhile: the question stands, and nothing was heard or sent again.
    let engine = Engine::start(&site.folder);
    let view = engine.until(&intent, "awaiting_input").await;
    assert!(view["heard"]["confirmed_by"].is_null(), "{view}");
    assert!(site.is_untouched().await);
    let (_, shown) = engine.flyball(&["show", &intent]).await;
    for told in [
        "are these the words that were spoken?",
        SAID,
        "+ description the spare link",
        "confirmed=true",
    ] {
        assert!(shown.contains(told), "{told} is not in {shown}");
    }
    let (code, said) = engine.flyball(&["answer", &intent, "confirmed=true"]).await;
    assert_eq!(code, 0, "{said}");
    let view = engine.until(&intent, "fulfilled").await;
    assert_eq!(view["heard"]["confirmed_by"], "admin");
    assert!(site.lab.running(DEVICE).await.contains("description the spare link"));
    assert_eq!(site.ears.forms().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoken_change_whose_words_are_declined_never_reaches_a_device_and_a_reading_asks_nobody() {
    let site = Site::hearing(&[SAID, "Check the health of Shanghai"]).await;
    let engine = Engine::start(&site.folder);
    let (intent, _) = speak(&engine).await;
    engine.until(&intent, "awaiting_input").await;
    engine.answer(&intent, "words", json!({"action": "decline"})).await;
    let view = engine.until(&intent, "refused").await;
    assert!(view["reason"].as_str().unwrap().contains("not the words"), "{view}");

    let (intent, heard) = speak(&engine).await;
    assert_eq!(heard["text"], "Check the health of Shanghai");
    engine.until(&intent, "fulfilled").await;
    assert!(engine.events(&intent, "InputRequested").await.is_empty());
    assert!(site.is_untouched().await);
}
