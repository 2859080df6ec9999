//! Loaded policies: read, parsed, named and checked against the schema. Nothing that fails any of it is ever asked.

use crate::fault::PolicyFault;
use crate::settings::PolicySettings;
use cedar_policy::ffi::DetailedError;
use cedar_policy::{Effect, Policy, PolicyId, PolicySet, Schema, ValidationMode, ValidationWarning, Validator};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::str::FromStr;

const SCHEMA: &str = include_str!("../flyball.cedarschema");

const DEFAULTS: [(&str, &str); 4] = [
    ("defaults/reads.cedar", include_str!("../defaults/reads.cedar")),
    ("defaults/intents.cedar", include_str!("../defaults/intents.cedar")),
    ("defaults/calls.cedar", include_str!("../defaults/calls.cedar")),
    ("defaults/approvals.cedar", include_str!("../defaults/approvals.cedar")),
];

/// Rules of the engine's own start with this, so that no file can speak in their name.
pub(crate) const OWN_PREFIX: &str = "flyball.";

/// One policy, for people and for the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyInfo {
    /// Its `@id`, which verdicts name.
    pub id: String,
    /// `permit` or `forbid`.
    pub effect: String,
    /// Its `@reason`.
    pub reason: String,
    /// The file as it was opened, or `defaults/…` for a shipped one.
    pub file: String,
    /// Where it begins, from 1.
    pub line: usize,
    /// Its whole text.
    pub text: String,
}

/// All policies of one start, by `@id`.
pub(crate) struct Library {
    pub(crate) schema: Schema,
    pub(crate) set: PolicySet,
    pub(crate) infos: BTreeMap<String, PolicyInfo>,
}

/// A file and where each of its policies begins.
struct Source {
    file: String,
    text: String,
}

impl Library {
    /// Reads the defaults and the operator's files. Every mistake in every file is reported.
    pub(crate) fn load(settings: &PolicySettings) -> Result<Self, Vec<PolicyFault>> {
        let mut faults = Vec::new();
        let mut sources = Vec::new();
        if settings.default_policies {
            sources.extend(DEFAULTS.map(|(file, text)| Source {
                file: file.to_owned(),
                text: text.to_owned(),
            }));
        }
        if let Some(dir) = &settings.dir {
            read_dir(dir, &mut sources, &mut faults);
        }
        let (schema, _) =
            Schema::from_cedarschema_str(SCHEMA).expect("the shipped schema parses: loaded in every test");
        let mut library = Self {
            schema,
            set: PolicySet::new(),
            infos: BTreeMap::new(),
        };
        // One set per file as well: Cedar places an error in its file's text only.
        for source in &sources {
            library.add_file(source, &mut faults);
        }
        if faults.is_empty() { Ok(library) } else { Err(faults) }
    }

    fn add_file(&mut self, source: &Source, faults: &mut Vec<PolicyFault>) {
        let parsed = match PolicySet::from_str(&source.text) {
            Ok(parsed) => parsed,
            Err(errors) => {
                let told = errors.iter().map(DetailedError::from);
                faults.extend(told.map(|e| PolicyFault::of_cedar(&source.file, &source.text, &e, 0)));
                return;
            }
        };
        let templates = parsed.templates().map(|template| {
            let at = source.text.find(&template.to_cedar()).unwrap_or(0);
            PolicyFault::at(&source.file, &source.text, at, "a template is never applied by itself")
                .suggest("write the principal and the resource instead of ?principal and ?resource")
        });
        faults.extend(templates);
        let mut named = PolicySet::new();
        for (policy, text, at) in in_order(&parsed, &source.text) {
            match self.name(&policy, text, at, source) {
                Ok(info) => {
                    let policy = policy.new_id(PolicyId::new(&info.id));
                    self.set.add(policy.clone()).expect("ids are unique: `name` checked");
                    named.add(policy).expect("ids are unique: `name` checked");
                    self.infos.insert(info.id.clone(), info);
                }
                Err(fault) => {
                    faults.push(*fault);
                    // Still checked against the schema, under the name that Cedar gave it.
                    let _ = named.add(policy);
                }
            }
        }
        validate(&self.schema, &named, source, faults);
    }

    /// What the record will call a policy.
    fn name(&self, policy: &Policy, text: &str, at: usize, source: &Source) -> Result<PolicyInfo, Box<PolicyFault>> {
        let fault = |message: String, suggestion: &str| {
            let fault = PolicyFault::at(&source.file, &source.text, at, message);
            Box::new(fault.suggest(suggestion))
        };
        let id = policy.annotation("id").unwrap_or_default();
        if id.is_empty() {
            return Err(fault(
                "a policy has no @id, by which verdicts would name it".into(),
                "write @id(\"a.name\") above it, and @reason(\"…\") for the people it stops",
            ));
        }
        if id.starts_with(OWN_PREFIX) {
            return Err(fault(
                format!("the @id {id:?} belongs to Flyball's own rules"),
                "choose a name that does not begin with \"flyball.\"",
            ));
        }
        if let Some(other) = self.infos.get(id) {
            return Err(fault(
                format!("the @id {id:?} is taken by {}:{}", other.file, other.line),
                "give it another name; to leave out the shipped policies set `default_policies: false`",
            ));
        }
        let effect = match policy.effect() {
            Effect::Permit => "permit",
            Effect::Forbid => "forbid",
        };
        Ok(PolicyInfo {
            id: id.to_owned(),
            effect: effect.to_owned(),
            reason: policy
                .annotation("reason")
                .filter(|r| !r.is_empty())
                .map_or_else(|| format!("the policy {id} says so"), str::to_owned),
            file: source.file.clone(),
            line: PolicyFault::at(&source.file, &source.text, at, "").line,
            text: text.to_owned(),
        })
    }
}

/// The operator's files by name, so that faults and duplicates come out the same each time.
fn read_dir(dir: &Path, sources: &mut Vec<Source>, faults: &mut Vec<PolicyFault>) {
    let listed =
        fs::read_dir(dir).and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>());
    let mut paths = match listed {
        Ok(paths) => paths,
        Err(error) => {
            let fix = "create the folder, or leave `policies` out of the settings";
            faults.push(PolicyFault::nowhere(
                &dir.display().to_string(),
                format!("cannot be read: {error}"),
                fix,
            ));
            return;
        }
    };
    paths.retain(|p| p.extension().is_some_and(|e| e == "cedar"));
    paths.sort();
    for path in paths {
        let file = path.display().to_string();
        match fs::read_to_string(&path) {
            Ok(text) => sources.push(Source { file, text }),
            Err(error) => {
                let fix = "make it a readable text file in UTF-8, or remove it";
                faults.push(PolicyFault::nowhere(&file, format!("cannot be read: {error}"), fix));
            }
        }
    }
}

/// The file's policies as they stand in it, each with its text and the byte offset of that text.
fn in_order<'t>(parsed: &PolicySet, text: &'t str) -> Vec<(Policy, &'t str, usize)> {
    let mut policies: Vec<Policy> = parsed.policies().cloned().collect();
    // Cedar calls them policy0, policy1, … in the order of the file.
    policies.sort_by_key(|p| {
        p.id()
            .to_string()
            .trim_start_matches("policy")
            .parse::<usize>()
            .unwrap_or(usize::MAX)
    });
    let mut from = 0;
    let mut found = Vec::with_capacity(policies.len());
    for policy in policies {
        let own = policy.to_cedar().unwrap_or_default();
        let at = text[from..].find(&own).map_or(from, |at| from + at);
        let end = (at + own.len()).min(text.len());
        found.push((policy, &text[at..end], at));
        from = end;
    }
    found
}

fn validate(schema: &Schema, policies: &PolicySet, source: &Source, faults: &mut Vec<PolicyFault>) {
    let result = Validator::new(schema.clone()).validate(policies, ValidationMode::default());
    let mut found: Vec<PolicyFault> = result
        .validation_errors()
        .map(|e| PolicyFault::of_cedar(&source.file, &source.text, &DetailedError::from(e), 0))
        .collect();
    found.sort_by_key(|f| (f.line, f.column));
    // The same mistake is found once for each kind of principal and resource.
    found.dedup();
    faults.extend(found);
    for warning in result.validation_warnings() {
        // `resource == Server::"x"` where `in` was meant: a forbid that never applies is worse than none.
        if let ValidationWarning::ImpossiblePolicy(_) = warning {
            let fault = PolicyFault::of_cedar(&source.file, &source.text, &DetailedError::from(warning), 0);
            let fix = "check the kinds of principal and resource that the action takes in flyball.cedarschema (a tool is `in` its server); comment the policy out to switch it off";
            faults.push(fault.suggest(fix));
        } else {
            tracing::warn!(file = %source.file, %warning, "policy");
        }
    }
}
