//! A store that was damaged behind the server's back: the start is refused, and a person is told what to do.

use crate::serve::Server;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a start that fails says, with its exit code.
fn refused(dir: &Path, words: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_flyball"))
        .arg("serve")
        .args(words)
        .current_dir(dir)
        .env_clear()
        .env("FLYBALL_LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), said)
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// All files below a folder, with what is in them.
fn files(dir: &Path) -> Files {
    let mut all = Files::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        match entry.path().is_dir() {
            true => all.append(&mut files(&entry.path())),
            false => drop(all.insert(entry.path(), std::fs::read(entry.path()).unwrap())),
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_soon_after_an_acknowledgement_starts_over_no_damage_to_it_until_a_person_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    let token = std::fs::read_to_string(dir.path().join("flyball-data/admin.token")).unwrap();
    let http = reqwest::Client::new();
    let plan = serde_json::json!({"summary": "x", "steps": [{"id": "a", "tool": "nobody/is", "args": {}}]});
    let submitted = http
        .post(format!("{}/v1/intents", server.url))
        .bearer_auth(token.trim())
        .json(&serde_json::json!({"plan": plan}));
    let answer = submitted.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    server.kill();

    let db = dir.path().join("flyball-data/store/journal/db");
    let mut bytes = std::fs::read(&db).unwrap();
    let middle = bytes.iter().rposition(|b| *b != 0).unwrap() / 2;
    bytes[middle] ^= 0x55;
    std::fs::write(&db, &bytes).unwrap();
    let before = files(dir.path());
    for _ in 0..2 {
        let (code, said) = refused(dir.path(), &[]);
        assert_eq!(code, 1, "{said}");
        assert!(
            said.contains("FB0016") && said.contains("flyball explain FB0016"),
            "{said}"
        );
        assert!(std::fs::read(&db).unwrap() == bytes, "the evidence is left as it is");
        let after = files(dir.path());
        let names = |of: &Files| of.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&after), names(&before));
        assert!(after == before, "the whole folder is left as it was found");
    }
    let mut server = Server::start_with(dir.path(), &["--accept-lost-tail"]);
    assert_eq!(server.stop(), Some(0));
    let mut server = Server::start(dir.path());
    assert_eq!(
        server.stop(),
        Some(0),
        "what was accepted once is not asked about again"
    );
}
