//! What must stay so in our own sources. Reads files; builds nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Folders of the fixed top level, with the files beside them.
const TOP: [&str; 8] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "engine",
    "executors",
    "planner",
    "policies",
];
/// Parts that know the engine and none of each other.
const PARTS: [&str; 4] = [
    "flyball-store",
    "flyball-planner",
    "flyball-executors",
    "flyball-policies",
];
const MOST_LINES: usize = 500;

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().expect("the tests' folder is in the root").to_owned()
}

/// Every file with this ending below a folder, without what cargo made. Paths are relative to the root.
fn files(below: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root().join(below)];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("our folders can be read") {
            let path = entry.expect("our folders can be read").path();
            let name = path
                .file_name()
                .expect("an entry has a name")
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    open.push(path);
                }
            } else if name.ends_with(ending) {
                found.push(
                    path.strip_prefix(root())
                        .expect("found below the root")
                        .to_string_lossy()
                        .into_owned(),
                );
            }
        }
    }
    found.sort();
    assert!(
        !found.is_empty(),
        "nothing ends in {ending} below {below}: the test looks in the wrong place"
    );
    found
}

fn text(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).expect("our sources can be read")
}

/// A file's code: without comments, and without what stands in quotes.
fn code(file: &str) -> String {
    let text = text(file);
    let lines = text.lines().filter(|l| !l.trim_start().starts_with("//"));
    let unquoted = lines.map(|line| {
        let parts = line.split('"').enumerate();
        parts
            .filter(|(i, _)| i % 2 == 0)
            .map(|(_, part)| part)
            .collect::<Vec<_>>()
            .join("\"")
    });
    unquoted.collect::<Vec<_>>().join("\n")
}

/// A file's text up to the tests that stand at its end.
fn without_tests(source: &str) -> &str {
    source
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .expect("a split has a first part")
}

/// Whether a word stands alone in a text: not as a part of a longer name.
fn says(text: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(part_of_name) && !after.is_some_and(part_of_name)
    })
}

fn is_test(file: &str) -> bool {
    let part = |p: &str| p == "tests" || p == "examples" || p == "tests.rs" || p.ends_with("_tests.rs");
    file.split('/').any(part) || file.starts_with("tests/")
}

/// Sources that go into the product.
fn product() -> Vec<String> {
    files(".", ".rs").into_iter().filter(|f| !is_test(f)).collect()
}

fn manifests() -> Vec<String> {
    files(".", "Cargo.toml")
        .into_iter()
        .filter(|f| f != "Cargo.toml")
        .collect()
}

/// The crates that a manifest depends on; those for its tests only if asked for.
fn dependencies(manifest: &str, with_dev: bool) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut wanted = false;
    for line in text(manifest).lines() {
        if let Some(section) = line.strip_prefix('[') {
            wanted = section.starts_with("dependencies]") || (with_dev && section.starts_with("dev-dependencies]"));
        } else if wanted
            && !line.starts_with('#')
            && let Some((name, _)) = line.split_once(['.', ' ', '='])
        {
            names.insert(name.to_owned());
        }
    }
    names
}

/// The sources of one package that name a crate, each with a file or folder that may.
#[track_caller]
fn only_in(below: &str, name: &str, allowed: &[&str]) {
    let named: Vec<String> = files(below, ".rs")
        .into_iter()
        .filter(|f| says(&code(f), name))
        .collect();
    assert!(
        !named.is_empty(),
        "nobody below {below} uses {name} any more: is the rule still needed?"
    );
    let strays: Vec<_> = named
        .iter()
        .filter(|f| !allowed.iter().any(|a| f.starts_with(a)))
        .collect();
    assert!(
        strays.is_empty(),
        "{name} belongs into {allowed:?}, but stands in {strays:?}"
    );
}

#[test]
fn the_state_machine_knows_no_clock_no_await_and_no_store() {
    let words = [
        "tokio",
        "SystemTime",
        "Instant",
        "async",
        "await",
        "Journal",
        "store",
        "rand",
        "uuid",
    ];
    for file in files("engine/src/intent", ".rs") {
        let code = code(&file);
        let found: Vec<_> = words.into_iter().filter(|w| says(&code, w)).collect();
        assert!(found.is_empty(), "{file} names {found:?}");
    }
}

#[test]
fn each_heavy_library_has_one_place() {
    only_in("engine/src", "petgraph", &["engine/src/plan/graph.rs"]);
    only_in("engine/src", "cel", &["engine/src/expr/"]);
    only_in("engine/src", "jsonschema", &["engine/src/plan/schema.rs"]);
    only_in("executors/src", "rmcp", &["executors/src/mcp/"]);
    only_in("engine/store", "sled", &["engine/store/"]);
}

#[test]
fn a_library_that_has_one_place_is_declared_nowhere_else() {
    for (name, places) in [
        ("petgraph", &["engine/"][..]),
        ("rmcp", &["executors/", "executors/netops/"]),
        ("sled", &["engine/store/"]),
        ("cedar-policy", &["policies/"]),
        ("async-openai", &["planner/"]),
        ("russh", &["executors/netops/"]),
        ("multer", &["engine/server/"]),
        ("axum", &["engine/server/", "executors/netops/"]),
    ] {
        for manifest in manifests() {
            let folder = manifest.strip_suffix("Cargo.toml").unwrap();
            let allowed = places.contains(&folder);
            assert!(
                allowed || !dependencies(&manifest, false).contains(name),
                "{manifest} depends on {name}"
            );
        }
    }
}

#[test]
fn the_parts_know_the_engine_and_not_each_other() {
    for manifest in manifests() {
        let known = dependencies(&manifest, !manifest.starts_with("tests/"));
        let parts: Vec<_> = PARTS.into_iter().filter(|p| known.contains(*p)).collect();
        let text = text(&manifest);
        let package = text
            .lines()
            .find_map(|l| l.strip_prefix("name = "))
            .unwrap()
            .trim_matches('"')
            .to_owned();
        match package.as_str() {
            "flyball" => assert_eq!(parts.len(), PARTS.len(), "the server wires all"),
            // The tests' harness may take parts; nobody depends on it.
            "flyball-tests" => {}
            _ => assert!(parts.is_empty(), "{package} knows {parts:?}"),
        }
        let above = ["flyball", "flyball-tests"]
            .into_iter()
            .filter(|p| known.contains(*p))
            .collect::<Vec<_>>();
        assert!(above.is_empty(), "{package} knows what is above it: {above:?}");
    }
    let ours = |m: &str| {
        dependencies(m, true)
            .into_iter()
            .filter(|d| d.starts_with("flyball"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ours("engine/Cargo.toml"),
        Vec::<String>::new(),
        "the engine knows none of us"
    );
    assert_eq!(
        ours("executors/netops/Cargo.toml"),
        Vec::<String>::new(),
        "netops knows none of us"
    );
}

#[test]
fn the_engine_depends_on_no_network_disk_or_model() {
    let known = dependencies("engine/Cargo.toml", false);
    let foreign = [
        "reqwest",
        "axum",
        "http",
        "rmcp",
        "sled",
        "russh",
        "async-openai",
        "rustix",
        "tempfile",
    ];
    let found: Vec<_> = foreign.into_iter().filter(|f| known.contains(*f)).collect();
    assert!(found.is_empty(), "{found:?}");
    for file in files("engine/src", ".rs").iter().filter(|f| !is_test(f)) {
        let source = text(file);
        let product = without_tests(&source);
        for word in ["std::fs", "std::net", "tokio::fs", "tokio::net", "std::process"] {
            let used = product
                .lines()
                .any(|l| !l.trim_start().starts_with("//") && l.contains(word));
            assert!(!used, "{file} uses {word}");
        }
    }
}

#[test]
fn no_source_file_is_longer_than_a_sitting() {
    let long: Vec<_> = product()
        .into_iter()
        .map(|f| (text(&f).lines().count(), f))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .collect();
    assert!(long.is_empty(), "more than {MOST_LINES} lines: {long:?}");
}

#[test]
fn only_one_file_writes_to_the_terminal() {
    let macros = ["println!", "eprintln!", "print!", "eprint!", "dbg!"];
    for file in product() {
        // A build script talks to cargo that way.
        if file.ends_with("build.rs") || file == "engine/server/src/cli/output.rs" {
            continue;
        }
        let source = text(&file);
        let product = without_tests(&source);
        let said = product.lines().find(|l| {
            let line = l.trim_start();
            !line.starts_with("//")
                && macros
                    .iter()
                    .any(|m| line.starts_with(m) || line.contains(&format!(" {m}")))
        });
        assert!(said.is_none(), "{file}: {said:?}");
    }
}

#[test]
fn unsafe_code_is_forbidden_once_for_all_and_every_package_takes_the_lints() {
    assert!(text("Cargo.toml").contains("unsafe_code = \"forbid\""));
    for manifest in manifests() {
        assert!(
            text(&manifest).contains("[lints]\nworkspace = true"),
            "{manifest} has lints of its own"
        );
    }
}

#[test]
fn versions_stand_once_in_the_root() {
    for manifest in manifests() {
        let text = text(&manifest);
        let mut section = "";
        for line in text.lines() {
            if line.starts_with('[') {
                section = line;
            } else if section.ends_with("dependencies]") && line.contains('=') && !line.starts_with('#') {
                assert!(line.contains("workspace = true"), "{manifest}: {line}");
            }
        }
    }
    let root = text("Cargo.toml");
    let shared = root
        .split("[workspace.dependencies]")
        .nth(1)
        .unwrap()
        .split("\n[")
        .next()
        .unwrap();
    let mut names = BTreeSet::new();
    for name in shared.lines().filter_map(|l| l.split_once(" = ")).map(|(name, _)| name) {
        assert!(names.insert(name), "{name} is declared twice");
    }
}

#[test]
fn the_top_level_is_fixed() {
    let known: BTreeSet<&str> = TOP.into_iter().chain(["tests"]).collect();
    for entry in std::fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        // What runs leave behind is ignored by git: see .gitignore.
        let left = ["target", "flyball-data"].contains(&name.as_str());
        assert!(
            left || name.starts_with('.') || known.contains(name.as_str()),
            "{name} is new at the top"
        );
    }
    for name in known {
        assert!(root().join(name).exists(), "{name} is gone");
    }
}

/// What stands between backticks in a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn section(name: &str) -> String {
    let readme = text("README.md");
    let heading = format!("\n## {name}\n");
    let after = readme
        .split(&heading)
        .nth(1)
        .unwrap_or_else(|| panic!("the README has no section {name}"));
    after
        .split("\n## ")
        .next()
        .expect("a split has a first part")
        .to_owned()
}

#[test]
fn every_test_that_the_readme_names_exists() {
    let sources: String = files(".", ".rs").iter().map(|f| text(f)).collect();
    let rows: Vec<String> = section("Invariants")
        .lines()
        .filter(|l| l.starts_with("| "))
        .skip(1)
        .map(str::to_owned)
        .collect();
    assert!(rows.len() > 10, "the table of invariants is not found");
    for row in rows {
        let last = row
            .trim_end_matches(['|', ' '])
            .rsplit(" | ")
            .next()
            .unwrap()
            .to_owned();
        assert!(quoted(&last).next().is_some(), "no test in: {row}");
        for name in quoted(&last) {
            assert!(sources.contains(&format!("fn {name}(")), "{name} is no test");
        }
    }
}

#[test]
fn every_file_that_the_readmes_code_map_names_exists() {
    for row in section("Code map").lines().filter(|l| l.starts_with("| ")) {
        let mut folder = PathBuf::new();
        for name in quoted(row).filter(|n| n.contains('/') || n.ends_with(".rs")) {
            let name = name.replace("PLATFORM", "ios");
            let name = name.split('*').next().unwrap();
            let found = [root().join(name), root().join(&folder).join(name)]
                .into_iter()
                .find(|p| p.exists());
            assert!(found.is_some(), "{name} does not exist: {row}");
            if name.contains("/src/") {
                let src = name.split_inclusive("/src/").next().unwrap();
                folder = PathBuf::from(src);
            }
        }
    }
}
