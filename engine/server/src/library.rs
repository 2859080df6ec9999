//! What the operator wrote beside the settings: contracts, runbooks, policies. Read for `serve` and for `check` alike, so
//! that what passes the one starts with the other.

use crate::auth::ADMIN;
use crate::finding::Finding;
use crate::settings::Settings;
use crate::shipped;
use flyball_engine::contract::{Contracts, load};
use flyball_engine::document::{Document, DocumentFault};
use flyball_engine::tool::Catalogue;
use flyball_planner::{Runbooks, Source};
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
    let text = std::fs::read_to_string(path)
        .map_err(|e| vec![Finding::nowhere(&name, format!("cannot be read: {e}")).suggest("make it readable")])?;
    Document::parse(&name, &text).map_err(|faults| faults.into_iter().map(Finding::from).collect())
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
    let shipped: Vec<Source> = shipped::RUNBOOKS.iter().map(|(n, t)| Source::new(*n, *t)).collect();
    let own = match &settings.runbooks {
        Some(dir) => Source::read_dir(dir).map_err(runbook_findings)?,
        None => Vec::new(),
    };
    Runbooks::build(&shipped, &own).map_err(runbook_findings)
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
