//! Alarm rules: `alarms/*.yaml`, each file a list under `rules`.

use crate::finding::Finding;
use crate::library;
use crate::settings::Settings;
use flyball_engine::document::Document;
use flyball_engine::expr::{Expr, Root, Scope};
use serde_json::Value;

const KEYS: [&str; 7] = ["name", "match", "key", "runbook", "params", "intent", "severity"];
/// An alarm rule speaks of the alarm only.
const ALARM: Scope = Scope::of(&[Root::Alarm]);

/// Every mistake in every rule. `runbooks`: the ids that exist; empty: not known, and not checked.
pub(super) fn check(settings: &Settings, runbooks: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in settings
        .alarms
        .iter()
        .flat_map(|dir| library::files(dir, &["yaml", "yml"]))
    {
        match library::document(&file) {
            Ok(document) => rules(&document, runbooks, &mut findings),
            Err(faults) => findings.extend(faults),
        }
    }
    findings
}

fn rules(document: &Document, runbooks: &[String], findings: &mut Vec<Finding>) {
    let faults = document.unknown_keys("", &["rules"]);
    findings.extend(faults.into_iter().map(Finding::from));
    let Some(rules) = document.value.get("rules").and_then(Value::as_array) else {
        let finding = Finding::at(document, "", "an alarm file has a list of `rules`");
        return findings.push(finding.suggest("rules: [{name: …, match: …, key: …, runbook: …}]"));
    };
    for (i, value) in rules.iter().enumerate() {
        let rule = Rule {
            document,
            pointer: format!("/rules/{i}"),
            value,
        };
        findings.extend(rule.check(runbooks));
    }
}

struct Rule<'a> {
    document: &'a Document,
    pointer: String,
    value: &'a Value,
}

impl Rule<'_> {
    fn at(&self, key: &str, message: impl Into<String>) -> Finding {
        Finding::at(self.document, &format!("{}{key}", self.pointer), message)
    }

    fn check(&self, runbooks: &[String]) -> Vec<Finding> {
        if !self.value.is_object() {
            return vec![
                self.at("", "a rule is a mapping")
                    .suggest("{name: …, match: …, key: …, runbook: …}"),
            ];
        }
        let unknown = self.document.unknown_keys(&self.pointer, &KEYS);
        let mut findings: Vec<Finding> = unknown.into_iter().map(Finding::from).collect();
        findings.extend(self.required());
        findings.extend(["match", "key"].into_iter().filter_map(|key| self.expression(key)));
        findings.extend(self.runbook(runbooks));
        findings
    }

    fn required(&self) -> Vec<Finding> {
        let has = |key: &str| self.value.get(key).is_some_and(|v| !v.is_null());
        let name = self.value.get("name").and_then(Value::as_str).unwrap_or("a rule");
        let mut findings = Vec::new();
        for (key, why) in [
            ("name", "name: link-down"),
            ("match", "match: \"alarm.labels.alertname == 'LinkDown'\""),
            (
                "key",
                "key: \"alarm.labels.device\": alarms with one key are one incident",
            ),
        ] {
            if !has(key) {
                findings.push(self.at("", format!("{name} has no `{key}`")).suggest(why));
            }
        }
        if has("runbook") == has("intent") {
            let message = format!("{name} needs either `runbook` or `intent`");
            findings.push(
                self.at("", message)
                    .suggest("runbook: ID starts it with its params, intent: a text"),
            );
        }
        findings
    }

    /// `match` may be a mapping of labels; a text is CEL over `alarm`.
    fn expression(&self, key: &str) -> Option<Finding> {
        let source = self.value.get(key)?.as_str()?;
        let fault = Expr::compile(source, ALARM).err()?;
        let finding = self.at(&format!("/{key}"), fault.to_string());
        Some(finding.suggest("CEL over `alarm`, for example alarm.labels.device"))
    }

    fn runbook(&self, runbooks: &[String]) -> Option<Finding> {
        let id = self.value.get("runbook")?.as_str()?;
        if runbooks.is_empty() || runbooks.iter().any(|r| r == id) {
            return None;
        }
        let finding = self.at("/runbook", format!("there is no runbook {id}"));
        Some(finding.suggest_nearest(id, runbooks.iter().map(String::as_str)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Vec<Finding> {
        let document = Document::parse("a.yaml", text).unwrap();
        let mut findings = Vec::new();
        rules(&document, &["ospf-on-group".to_owned()], &mut findings);
        findings
    }

    #[test]
    fn a_sound_rule_passes() {
        let text =
            "rules:\n  - {name: a, match: {severity: critical}, key: alarm.labels.device, runbook: ospf-on-group}\n";
        assert_eq!(check(text), []);
    }

    #[test]
    fn every_mistake_of_a_rule_is_told() {
        let text = "rules:\n  - {name: a, match: 'alarm.x ==', runbok: x}\n  - {name: b, match: 'true', key: alarm.x, runbook: ospf-on-grup}\n";
        let found = check(text);
        for part in [
            "unknown key",
            "a has no `key`",
            "either `runbook` or `intent`",
            "there is no runbook ospf-on-grup",
        ] {
            assert!(found.iter().any(|f| f.message.contains(part)), "{part}: {found:#?}");
        }
        let syntax = found.iter().find(|f| f.message.contains("Syntax error"));
        assert_eq!(syntax.map(|f| f.line), Some(2), "{found:#?}");
        assert!(found.iter().all(|f| f.suggestion.is_some()), "{found:#?}");
    }
}
