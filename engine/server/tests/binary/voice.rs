//! Recordings over HTTP and from the command line: what is taken, what each fault is answered with, and what is kept.

use crate::script::{Said, Script, raw, silence, status};
use crate::serve::{Server, flyball};
use reqwest::header::CONTENT_TYPE;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use std::path::Path;

/// Stands in each recording, and must stand nowhere else afterwards.
const MARK: &[u8] = b"as-it-was-spoken";

fn wav(bytes: usize) -> Vec<u8> {
    let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data".to_vec();
    wav.extend(u32::try_from(bytes).unwrap().to_le_bytes());
    wav.extend(MARK.iter().cycle().take(bytes));
    wav
}

fn form() -> Form {
    Form::new().part("audio", Part::bytes(wav(800)))
}

fn declared(bytes: Vec<u8>, kind: &str) -> Form {
    Form::new().part("audio", Part::bytes(bytes).mime_str(kind).unwrap())
}

fn said(text: &str) -> Said {
    raw(&json!({ "text": text }))
}

struct Scene {
    dir: tempfile::TempDir,
    server: Server,
    ears: Script,
    http: reqwest::Client,
    token: String,
}

/// What a request was answered with.
#[derive(Debug)]
struct Told {
    status: u16,
    body: Value,
    wait: Option<String>,
    replayed: bool,
}

impl Told {
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    fn pointer(&self) -> &str {
        self.body["errors"][0]["pointer"].as_str().unwrap_or_default()
    }
}

impl Scene {
    async fn of(answers: impl IntoIterator<Item = Said>) -> Self {
        let ears = Script::of(answers);
        let voice = format!(
            "voice: {{base_url: \"{}\", timeout: 2s, limit: 64KiB}}\n",
            ears.serve().await
        );
        Self::with(&voice, ears)
    }

    fn with(settings: &str, ears: Script) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("flyball.yaml"), settings).unwrap();
        let server = Server::start(dir.path());
        let token = std::fs::read_to_string(dir.path().join("flyball-data/admin.token")).unwrap();
        Self {
            dir,
            server,
            ears,
            http: reqwest::Client::new(),
            token,
        }
    }

    fn post(&self) -> reqwest::RequestBuilder {
        let post = self.http.post(format!("{}/v1/intents", self.server.url));
        post.bearer_auth(&self.token)
    }

    async fn send(&self, form: Form) -> Told {
        told(self.post().multipart(form)).await
    }

    async fn send_once(&self, form: Form, key: &str) -> Told {
        told(self.post().header("idempotency-key", key).multipart(form)).await
    }

    /// A body that no client would make.
    async fn send_raw(&self, kind: &str, body: &[u8]) -> Told {
        told(self.post().header(CONTENT_TYPE, kind).body(body.to_vec())).await
    }

    async fn get(&self, path: &str) -> Value {
        let get = self.http.get(format!("{}{path}", self.server.url));
        get.bearer_auth(&self.token).send().await.unwrap().json().await.unwrap()
    }
}

async fn told(request: reqwest::RequestBuilder) -> Told {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
    let (wait, replayed) = (header("retry-after"), header("idempotent-replayed").is_some());
    let kind = header("content-type").unwrap();
    let body: Value = response.json().await.unwrap();
    if status >= 400 {
        assert_eq!(kind, "application/problem+json", "{body}");
        assert!(!body["detail"].as_str().unwrap().is_empty(), "{body}");
    }
    Told {
        status,
        body,
        wait,
        replayed,
    }
}

/// Parts beside a good recording, and the one that is at fault.
const FAULTY_PARTS: [(&str, &str, &str); 10] = [
    ("moed", "plan", "/moed"),
    ("text", "reload", "/text"),
    ("mode", "now", "/mode"),
    ("deadline", "soon", "/deadline"),
    ("backout_by", "soon", "/backout_by"),
    ("window", "tonight", "/window"),
    ("window", "{\"from\": \"1h\"}", "/window"),
    ("window", "2h..1h", "/window"),
    ("window", "2020-01-01T00:00:00Z..2020-01-02T00:00:00Z", "/window/until"),
    ("labels", "[1]", "/labels"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_form_is_named_with_its_part_and_nobody_hears_it() {
    let scene = Scene::of([]).await;
    for (part, value, pointer) in FAULTY_PARTS {
        let told = scene.send(form().text(part, value)).await;
        let found = (told.status, told.code(), told.pointer());
        assert_eq!(found, (422, "FB0002", pointer), "{part}={value}: {told:?}");
    }
    let latin = form().part("change", Part::bytes(b"caf\xe9".to_vec()));
    let twice = form().part("audio", Part::bytes(wav(8)));
    let empty = Form::new().part("audio", Part::bytes(vec![]));
    let several = Form::new().text("mode", "now").text("moed", "x");
    for (form, pointers) in [
        (latin, &["/change"][..]),
        (twice, &["/audio"]),
        (empty, &["/audio"]),
        (Form::new().text("mode", "plan"), &["/audio"]),
        (several, &["/moed", "/audio", "/mode"]),
    ] {
        let told = scene.send(form).await;
        let errors = told.body["errors"].as_array().unwrap().iter();
        let found: Vec<&str> = errors.map(|e| e["pointer"].as_str().unwrap()).collect();
        assert_eq!(
            (told.status, told.code(), &found[..]),
            (422, "FB0002", pointers),
            "{told:?}"
        );
    }
    let long = scene.send(form().text("change", "x".repeat(70_000))).await;
    assert_eq!((long.status, long.code(), long.pointer()), (413, "FB0023", "/change"));
    assert!(
        scene.ears.forms().is_empty(),
        "what would be refused is heard by nobody"
    );
    assert_eq!(scene.get("/v1/intents").await["intents"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_recording_or_claims_to_be_another_or_is_too_large_is_refused_unheard() {
    let scene = Scene::of([]).await;
    let large = wav(65_536);
    let cases: [(&[u8], &str, u16, &str); 5] = [
        (b"\x89PNG\r\n\x1a\n", "audio/wav", 415, "FB0051"),
        (b"fLaC\0\0\0\x22", "audio/flac", 415, "FB0051"),
        (&large[..44], "audio/mpeg", 415, "FB0051"),
        (&large[..44], "text/plain", 415, "FB0051"),
        (&large, "audio/wav", 413, "FB0023"),
    ];
    for (bytes, kind, status, code) in cases {
        let told = scene.send(declared(bytes.to_vec(), kind)).await;
        assert_eq!(
            (told.status, told.code(), told.pointer()),
            (status, code, "/audio"),
            "{kind}: {told:?}"
        );
    }
    assert!(scene.ears.forms().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_whole_form_is_a_problem_of_its_own() {
    let scene = Scene::of([]).await;
    let whole = b"--b\r\nContent-Disposition: form-data; name=\"mode\"\r\n\r\nplan\r\n--b--\r\n";
    let cases: [(&str, &[u8], u16, &str); 6] = [
        ("multipart/form-data", whole, 400, "FB0056"),
        ("multipart/form-data; boundary=other", whole, 400, "FB0056"),
        ("multipart/form-data; boundary=b", &whole[..60], 400, "FB0056"),
        ("multipart/form-data; boundary=b", b"{\"text\": \"x\"}", 400, "FB0056"),
        ("multipart/mixed; boundary=b", whole, 415, "FB0024"),
        ("multipart/form-data; boundary=b", whole, 422, "FB0002"),
    ];
    for (kind, body, status, code) in cases {
        let told = scene.send_raw(kind, body).await;
        assert_eq!(
            (told.status, told.code()),
            (status, code),
            "{kind} {}: {told:?}",
            body.len()
        );
    }
    assert!(scene.ears.forms().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_models_server_says_instead_of_words_is_a_problem_and_no_intent() {
    let failing = || status(500, "boom");
    let busy = |code| vec![status(code, "later").with_header("retry-after", "1800")];
    let cases: Vec<(Vec<Said>, u16, &str, Option<&str>)> = vec![
        (vec![status(404, "no")], 502, "FB0053", None),
        (vec![status(401, "no")], 502, "FB0053", None),
        (vec![status(200, "just words")], 502, "FB0053", None),
        (vec![raw(&json!({}))], 502, "FB0053", None),
        (busy(429), 503, "FB0054", Some("1800")),
        (busy(503), 503, "FB0054", Some("1800")),
        (vec![failing(), failing(), failing()], 503, "FB0054", Some("10")),
        (vec![silence()], 503, "FB0054", Some("10")),
        (vec![said(" ")], 422, "FB0052", None),
        (vec![said("[BLANK_AUDIO]")], 422, "FB0052", None),
    ];
    let scene = Scene::of([]).await;
    for (answers, status, code, wait) in cases {
        scene.ears.then(answers);
        let told = scene.send(form()).await;
        assert_eq!(
            (told.status, told.code(), told.wait.as_deref()),
            (status, code, wait),
            "{told:?}"
        );
        assert!(scene.ears.is_over(), "{told:?}");
    }
    assert_eq!(scene.get("/v1/intents").await["intents"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_model_that_hears_and_beyond_a_budget_no_recording_goes_anywhere() {
    let deaf = Scene::with("", Script::default());
    let told = deaf.send(form()).await;
    assert_eq!((told.status, told.code()), (501, "FB0050"));

    let ears = Script::of([said("make me a coffee")]);
    let budget = "model_budget: {cost_per_day: 0.03}";
    let voice = format!(
        "voice: {{base_url: \"{}\", price: {{minute: 1.2}}}}\n{budget}\n",
        ears.serve().await
    );
    let poor = Scene::with(&voice, ears);
    let short = poor.send(form()).await;
    assert_eq!(
        (short.status, short.body["heard"]["seconds"].as_f64()),
        (202, Some(0.1))
    );
    let told = poor.send(declared(wav(8_000), "audio/wav")).await;
    assert_eq!((told.status, told.code()), (429, "FB0055"), "{told:?}");
    assert!(
        told.body["detail"]
            .as_str()
            .unwrap()
            .contains("the day's budget of cost")
    );
    assert_eq!(poor.ears.forms().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_for_the_recording_which_is_heard_once_also_after_a_kill() {
    let scene = Scene::of([said("make me a coffee"), said("make me a tea")]).await;
    let first = scene.send_once(form().text("deadline", "2h"), "k").await;
    assert_eq!((first.status, first.replayed), (202, false), "{first:?}");
    let again = scene.send_once(form().text("deadline", "2h"), "k").await;
    assert_eq!((again.status, again.replayed), (202, true), "{again:?}");
    assert_eq!(
        (&again.body["id"], &again.body["heard"]),
        (&first.body["id"], &first.body["heard"])
    );
    for other in [form(), declared(wav(8), "audio/wav").text("deadline", "2h")] {
        let told = scene.send_once(other, "k").await;
        assert_eq!((told.status, told.code()), (422, "FB0008"), "{told:?}");
    }
    assert_eq!(scene.ears.forms().len(), 1);

    let Scene {
        dir,
        server,
        ears,
        http,
        token,
    } = scene;
    drop(server);
    let scene = Scene {
        server: Server::start(dir.path()),
        dir,
        ears,
        http,
        token,
    };
    let again = scene.send_once(form().text("deadline", "2h"), "k").await;
    assert_eq!(
        (&again.body["id"], again.replayed),
        (&first.body["id"], true),
        "{again:?}"
    );
    assert_eq!(scene.ears.forms().len(), 1, "what was heard was kept");
    let other = scene.send_once(form(), "another").await;
    assert_eq!(other.body["heard"]["text"], "make me a tea");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_heard_what_in_which_recording_is_on_record_and_the_recording_is_not() {
    let usage = json!({"text": "make me a coffee", "usage": {"input_tokens": 4, "output_tokens": 5}});
    let scene = Scene::of([raw(&usage)]).await;
    let form = form()
        .text("change", "CHG-1")
        .text("labels", "night")
        .text("labels", "[\"a\", \"b\"]");
    let taken = scene.send(form.text("window", "0s..2h")).await;
    let id = taken.body["id"].as_str().unwrap().to_owned();
    let view = scene.get(&format!("/v1/intents/{id}")).await;
    assert_eq!(view["change"], "CHG-1");
    assert_eq!(view["labels"], json!(["night", "a", "b"]));
    assert_eq!(view["title"], "make me a coffee");
    assert_eq!(view["cost"]["input_tokens"], 4, "{view}");
    let page = scene.get(&format!("/v1/intents/{id}/events?limit=1")).await;
    let heard = &page["entries"][0]["event"]["request"]["heard"];
    assert_eq!(
        (heard["kind"].as_str(), heard["bytes"].as_u64()),
        (Some("wav"), Some(844))
    );
    assert_eq!(
        (heard["audio_ms"].as_u64(), heard["model"].as_str()),
        (Some(100), Some("whisper-1"))
    );
    let digest = flyball_engine::canonical::Digest::of_bytes(&wav(800));
    assert_eq!(heard["audio"], digest.as_str());
    assert_eq!(view["heard"]["audio"], digest.as_str());
    assert!(heard["endpoint"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    let told = page["entries"][0]["text"].as_str().unwrap();
    assert!(
        told.starts_with("spoken by admin: 0.1 s of wav, heard by whisper-1 at "),
        "{told}"
    );

    let api = scene.get("/openapi.json").await;
    let body = &api["paths"]["/v1/intents"]["post"]["requestBody"]["content"];
    let (text, spoken) = (&body["application/json"], &body["multipart/form-data"]["schema"]);
    assert!(
        text.is_object() && spoken["$ref"].as_str().is_some_and(|r| r.ends_with("/VoiceForm")),
        "{body}"
    );
    assert_eq!(
        api["components"]["schemas"]["VoiceForm"]["properties"]["audio"]["format"],
        "binary"
    );

    let mut server = scene.server;
    assert_eq!(server.stop(), Some(0));
    let mut seen = 0;
    holds_nothing_of_it(&scene.dir.path().join("flyball-data"), &mut seen);
    assert!(seen > 2, "the store has files");
}

/// No file below a folder holds a part of a recording.
fn holds_nothing_of_it(folder: &Path, seen: &mut usize) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            holds_nothing_of_it(&path, seen);
            continue;
        }
        *seen += 1;
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(MARK.len()).any(|w| w == MARK), "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_sends_a_recording_and_shows_what_was_heard() {
    let scene = Scene::of([said("make me\x1b[2J a coffee"), said("make me a tea")]).await;
    let dir = scene.dir.path();
    std::fs::write(dir.join("order.wav"), wav(800)).unwrap();
    let run = |words: &[&str]| flyball(dir, &scene.server.url, words);
    let (code, text) = run(&["submit", "--audio", "order.wav", "--change", "CHG-1"]);
    assert_eq!(code, 3, "{text}");
    assert!(
        text.contains("heard: “make me‹U+001B›[2J a coffee”") && text.contains("whisper-1"),
        "{text}"
    );
    assert!(!text.contains('\x1b'), "{text}");
    let (code, text) = run(&["plan", "--audio", "order.wav"]);
    assert!(code == 3 && text.contains("heard: “make me a tea”"), "{code} {text}");
    let (code, text) = run(&["submit", "--audio", "order.wav"]);
    assert!(code == 1 && text.contains("FB0054"), "{code} {text}");
    for wrong in [
        &["submit", "--audio", "order.wav", "in words"][..],
        &["submit", "--audio", "nowhere.wav"],
    ] {
        assert_eq!(run(wrong).0, 2);
    }
}
