//! What the operator wrote beside the settings: contracts, runbooks, policies. Read for `serve` and for `check` alike, so
//! that what passes the one starts with the other.

use crate::auth::ADMIN;
use crate::finding::Finding;
use crate::settings::Settings;
use crate::shipped;
use flyball_engine::contract::{Contracts, load};
use flyball_engine::document::{Document, DocumentFault};
use flyball_engine::tool::Catalogue;
use flyball_planner::{Examined, Runbooks, Source};
use flyball_policies::{Policies, PolicySettings, Role, UserSettings};
use std::path::{Path, PathBuf};

/// The files of a folder with one of the endings, by name. A folder that is not there has none.
pub(crate) fn files(dir: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|e| e.path()).collect();
    files.retain(|f| {
        f.extension()
            .and_then(|e| e.to_str())
            .is_some_and(|e| endings.contains(&e))
    });
    files.sort();
    files
}

/// Reads a YAML (or JSON) file.
pub(crate) fn document(path: &Path) -> Result<Document, Vec<Finding>> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path)
        .map_err(|e| vec![Finding::nowhere(&name, format!("cannot be read: {e}")).suggest("make it readable")])?;
    let text = utf8(&name, bytes).map_err(|finding| vec![finding])?;
    parse(&name, &text)
}

/// A file's bytes as text; a mistake that says where they are none.
pub(crate) fn utf8(name: &str, bytes: Vec<u8>) -> Result<String, Finding> {
    String::from_utf8(bytes).map_err(|e| {
        let good = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let bad = e.as_bytes().get(good.len()).copied().unwrap_or_default();
        let last = good.rsplit(|b| *b == b'\n').next().unwrap_or_default();
        let mut finding = Finding::nowhere(name, format!("not UTF-8 text: the byte 0x{bad:02x} stands here"));
        finding.line = good.iter().filter(|b| **b == b'\n').count() + 1;
        finding.column = String::from_utf8_lossy(last).chars().count() + 1;
        finding.suggest("save the file as UTF-8")
    })
}

/// Reads a YAML (or JSON) text. What means to be JSON is told its mistakes as such.
pub(crate) fn parse(name: &str, text: &str) -> Result<Document, Vec<Finding>> {
    Document::parse(name, text).map_err(|faults| {
        let json =
            Path::new(name).extension().is_some_and(|e| e == "json") || text.trim_start().starts_with(['{', '[']);
        match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Err(e) if json => vec![not_json(name, &e)],
            _ => faults.into_iter().map(Finding::from).collect(),
        }
    })
}

fn not_json(name: &str, error: &serde_json::Error) -> Finding {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let mut finding = Finding::nowhere(name, format!("not well-formed JSON: {what}"));
    (finding.line, finding.column) = (error.line(), error.column());
    finding
        .suggest("look at this place and the one before: a comma, a quotation mark or a bracket is missing or too many")
}

/// Shipped contracts with the operator's over them. `catalogue`: look up what they name.
pub(crate) fn contracts(settings: &Settings, catalogue: Option<&Catalogue>) -> Result<Contracts, Vec<Finding>> {
    let mut findings = Vec::new();
    let mut documents = Vec::new();
    for (name, text) in shipped::CONTRACTS {
        match Document::parse(name, text) {
            Ok(document) => documents.push(document),
            Err(faults) => findings.extend(faults.into_iter().map(Finding::from)),
        }
    }
    for file in settings.contracts.iter().flat_map(|dir| files(dir, &["yaml", "yml"])) {
        match self::document(&file) {
            Ok(document) => documents.push(document),
            Err(faults) => findings.extend(faults),
        }
    }
    match load::load(&documents, catalogue) {
        Ok(contracts) if findings.is_empty() => Ok(contracts),
        Ok(_) => Err(findings),
        Err(faults) => {
            findings.extend(faults.into_iter().map(Finding::from));
            Err(findings)
        }
    }
}

/// Shipped runbooks with the operator's over them.
pub(crate) fn runbooks(settings: &Settings) -> Result<Runbooks, Vec<Finding>> {
    let (shipped, own) = runbook_sources(settings)?;
    Runbooks::build(&shipped, &own).map_err(runbook_findings)
}

/// The same as far as they can be read, with how their own tests came out.
pub(crate) fn examine_runbooks(settings: &Settings) -> Result<Examined, Vec<Finding>> {
    let (shipped, own) = runbook_sources(settings)?;
    Ok(Examined::of(&shipped, &own))
}

fn runbook_sources(settings: &Settings) -> Result<(Vec<Source>, Vec<Source>), Vec<Finding>> {
    let shipped = shipped::RUNBOOKS.iter().map(|(n, t)| Source::new(*n, *t)).collect();
    let own = match &settings.runbooks {
        Some(dir) => Source::read_dir(dir).map_err(runbook_findings)?,
        None => Vec::new(),
    };
    Ok((shipped, own))
}

fn runbook_findings(faults: Vec<DocumentFault>) -> Vec<Finding> {
    faults.into_iter().map(Finding::from).collect()
}

/// The default policies with the operator's beside them, for the users of the settings and the administrator.
pub(crate) fn policies(settings: &Settings) -> Result<Policies, Vec<Finding>> {
    let mut users = vec![UserSettings::person(ADMIN, [Role::Admin])];
    users.extend(settings.users.iter().map(|u| UserSettings {
        name: u.name.clone(),
        roles: u.roles.clone(),
        kind: u.kind,
    }));
    let settings = PolicySettings {
        dir: settings.policies.clone(),
        default_policies: settings.default_policies,
        writes: settings.writes,
        users,
        approval_ttl: settings.approval_expires.duration(),
        retry: settings.retry.clone(),
    };
    Policies::load(settings).map_err(|faults| {
        let finding = |f: flyball_policies::PolicyFault| Finding {
            file: f.file,
            line: f.line,
            column: f.column,
            message: f.message,
            suggestion: f.suggestion,
        };
        faults.into_iter().map(finding).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_text_that_means_to_be_json_is_told_its_mistake_as_json() {
        let told = |name: &str, text: &str| parse(name, text).unwrap_err()[0].to_string();
        let json = told("-", "{\"steps\": [\n  {\"id\": \"a\" \"tool\": 1}\n]}");
        assert!(
            json.starts_with("-:2:") && json.contains("not well-formed JSON"),
            "{json}"
        );
        assert!(told("plan.json", "steps: [").contains("JSON"));
        let yaml = told("plan.yaml", "a: b\n c: d\n");
        assert!(yaml.contains("not well-formed YAML"), "{yaml}");
        assert!(parse("-", "{steps: [a]}").is_ok(), "YAML may look like this");
    }

    #[test]
    fn a_file_that_is_no_text_is_told_with_the_place() {
        let finding = utf8("x.yaml", b"a: b\nna\xc3\xafve: \xff".to_vec()).unwrap_err();
        assert_eq!((finding.line, finding.column), (2, 8));
        assert!(finding.message.contains("0xff"), "{finding}");
    }

    #[test]
    fn what_ships_with_the_binary_loads() {
        let dir = tempfile::tempdir().unwrap();
        let settings = crate::settings::read("flyball.yaml", "", dir.path(), &BTreeMap::new()).unwrap_or_else(|f| {
            panic!("{f:?}");
        });
        assert!(!shipped::RUNBOOKS.is_empty() && !shipped::CONTRACTS.is_empty());
        contracts(&settings, None).unwrap_or_else(|f| panic!("{f:#?}"));
        assert_eq!(
            runbooks(&settings).unwrap_or_else(|f| panic!("{f:#?}")).iter().count(),
            shipped::RUNBOOKS.len()
        );
        policies(&settings).unwrap_or_else(|f| panic!("{f:#?}"));
    }
}
