//! The ten mistakes of one folder.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn check(dir: &Path) -> (i32, Vec<serde_json::Value>) {
    let output = Command::new(env!("CARGO_BIN_EXE_flyball"))
        .args(["check", "--json"])
        .arg(dir)
        .env_clear()
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        serde_json::from_slice(&output.stdout).unwrap(),
    )
}

#[test]
fn ten_mistakes_are_reported_at_once_with_file_line_and_suggestion() {
    let dir = tempfile::tempdir().unwrap();
    copy(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ten-mistakes")),
        dir.path(),
    );
    // A checkout does not say who may read a file.
    let readable = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(dir.path().join("tickets.token"), readable).unwrap();
    let (code, found) = check(dir.path());
    assert_eq!(code, 1);
    for (file, line, part) in [
        ("contracts/indentation.yaml", 4, "not well-formed YAML"),
        ("flyball.yaml", 4, "unknown key `pining`"),
        ("plans/neighbors.yaml", 4, "no server telemetri"),
        ("runbooks/untyped.yaml", 6, "has no `type`"),
        ("runbooks/unknown-slot.yaml", 4, "{devise}"),
        ("contracts/loopback.yaml", 6, "not an expression"),
        ("contracts/loopback.yaml", 8, "config/remove_loopback"),
        ("policies/night.cedar", 4, "targets_cuont"),
        ("alarms/links.yaml", 2, "no `key`"),
        ("flyball.yaml", 12, "can be read by others"),
    ] {
        let hit = found
            .iter()
            .find(|f| f["file"] == file && f["line"] == line && f["message"].as_str().unwrap().contains(part));
        let hit = hit.unwrap_or_else(|| panic!("{file}:{line} {part} is missing in {found:#?}"));
        assert!(
            hit["suggestion"].as_str().is_some_and(|s| !s.is_empty()),
            "no suggestion: {hit}"
        );
    }
    let elsewhere: Vec<_> = found
        .iter()
        .filter(|f| f["file"].as_str().unwrap().starts_with("shipped"))
        .collect();
    assert!(elsewhere.is_empty(), "what ships has no mistakes: {elsewhere:#?}");
    assert!(!format!("{found:?}").contains("not-a-real-token"), "a secret is shown");
}

#[test]
fn the_plan_of_a_runbook_is_checked_as_a_plan_is() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/faulty-runbook"));
    copy(fixture, dir.path());
    let (code, found) = check(dir.path());
    assert_eq!(code, 1);
    let told: Vec<(u64, &str)> = found
        .iter()
        .filter(|f| f["file"] == "runbooks/health.yaml")
        .map(|f| (f["line"].as_u64().unwrap(), f["message"].as_str().unwrap()))
        .collect();
    assert_eq!((told.len(), found.len()), (4, 4), "{found:#?}");
    for (line, part) in [
        (10, "depth"),
        (11, "not an expression"),
        (12, "get_devise"),
        (13, "no server telemetri"),
    ] {
        assert!(
            told.iter().any(|(l, m)| *l == line && m.contains(part)),
            "{line} {part}: {told:#?}"
        );
    }
}

#[test]
fn a_folder_without_settings_is_said_to_have_none_and_a_file_that_is_no_text_has_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let said = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
        let output = command.arg("check").arg(dir.path()).env_clear().output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = said();
    assert!(
        code == 0 && text.contains("there is no") && text.contains("the defaults are used"),
        "{text}"
    );
    std::fs::write(dir.path().join("flyball.yaml"), b"writes: off\n# \xff\n").unwrap();
    let (code, text) = said();
    assert!(code == 1 && text.contains("flyball.yaml:2:3: not UTF-8 text"), "{text}");
    std::fs::write(dir.path().join("flyball.yaml"), "writes: off\n").unwrap();
    let (code, text) = said();
    assert!(code == 0 && text.ends_with("flyball.yaml: no mistakes\n"), "{text}");
}

#[test]
fn an_empty_folder_has_no_mistakes() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(check(dir.path()), (0, Vec::new()));
}
