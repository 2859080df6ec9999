//! Runbook files → runbooks, or everything that is wrong with them, each fault with file and line.

use super::param::{Param, ParamKind};
use super::phrase::{Phrase, Synonyms};
use super::{Runbook, Runbooks, TestRun, check};
use flyball_engine::document::{Document, DocumentFault};
use flyball_engine::fault::nearest;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A runbook file's name and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub file: String,
    pub text: String,
}

impl Source {
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            text: text.into(),
        }
    }

    /// The `*.yaml` files of a directory, by name. One that cannot be read is a fault.
    pub fn read_dir(dir: &Path) -> Result<Vec<Self>, Vec<DocumentFault>> {
        let unread = |path: &Path, error: &std::io::Error| DocumentFault {
            file: path.display().to_string(),
            line: 0,
            column: 0,
            message: format!("cannot be read: {error}"),
            suggestion: None,
        };
        let entries = std::fs::read_dir(dir).map_err(|error| vec![unread(dir, &error)])?;
        let mut paths: Vec<_> = entries.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
        paths.retain(|path| path.extension().is_some_and(|e| e == "yaml" || e == "yml"));
        paths.sort();
        let mut sources = Vec::new();
        let mut faults = Vec::new();
        for path in paths {
            match std::fs::read_to_string(&path) {
                Ok(text) => sources.push(Self::new(path.display().to_string(), text)),
                Err(error) => faults.push(unread(&path, &error)),
            }
        }
        if faults.is_empty() { Ok(sources) } else { Err(faults) }
    }
}

impl Runbooks {
    /// The runbooks of a directory's `*.yaml` files. All faults of all files at once; the files' own tests are run.
    pub fn load(dir: &Path) -> Result<Self, Vec<DocumentFault>> {
        Self::build(&[], &Source::read_dir(dir)?)
    }

    /// Shipped runbooks, and the operator's own, of which one with a shipped id takes its place.
    pub fn build(shipped: &[Source], own: &[Source]) -> Result<Self, Vec<DocumentFault>> {
        let examined = Examined::of(shipped, own);
        let mut faults = examined.faults;
        faults.extend(examined.tests.iter().filter_map(|test| test.fault.clone()));
        if faults.is_empty() {
            Ok(examined.runbooks)
        } else {
            Err(faults)
        }
    }
}

/// Runbooks as far as they can be read, with everything that is wrong with them.
#[derive(Debug)]
pub struct Examined {
    pub runbooks: Runbooks,
    pub faults: Vec<DocumentFault>,
    /// The files' own tests as they came out.
    pub tests: Vec<TestRun>,
}

impl Examined {
    /// Reads all and runs the files' own tests, among all runbooks.
    pub fn of(shipped: &[Source], own: &[Source]) -> Self {
        let mut faults = Vec::new();
        let mut merged = read_all(shipped, &mut faults);
        merged.extend(read_all(own, &mut faults));
        let runbooks = Runbooks {
            runbooks: merged
                .iter()
                .map(|(id, (runbook, _))| (id.clone(), runbook.clone()))
                .collect(),
        };
        let mut tests = Vec::new();
        for (runbook, document) in merged.values() {
            faults.extend(check::next(&runbooks, runbook, document));
            check::tests(&runbooks, runbook, document, &mut tests, &mut faults);
        }
        Self {
            runbooks,
            faults,
            tests,
        }
    }
}

fn read_all(sources: &[Source], faults: &mut Vec<DocumentFault>) -> BTreeMap<String, (Runbook, Document)> {
    let mut found: BTreeMap<String, (Runbook, Document)> = BTreeMap::new();
    for source in sources {
        let document = match Document::parse(&source.file, &source.text) {
            Ok(document) => document,
            Err(mut unreadable) => {
                faults.append(&mut unreadable);
                continue;
            }
        };
        let mut reader = Reader {
            document: &document,
            faults: Vec::new(),
        };
        let runbook = reader.runbook(&source.text);
        faults.append(&mut reader.faults);
        let Some(runbook) = runbook else { continue };
        match found.get(&runbook.id) {
            Some((first, _)) => {
                let message = format!("the id `{}` is taken by {}", runbook.id, first.file);
                faults.push(document.fault("/id", message));
            }
            None => drop(found.insert(runbook.id.clone(), (runbook, document))),
        }
    }
    found
}

const KEYS: [&str; 14] = [
    "id",
    "title",
    "owner",
    "version",
    "risk",
    "impact",
    "platforms",
    "window",
    "otherwise",
    "phrases",
    "params",
    "synonyms",
    "plan",
    "tests",
];
const PARAM_KEYS: [&str; 8] = [
    "type",
    "of",
    "min",
    "max",
    "pattern",
    "values",
    "default",
    "description",
];

fn kinds() -> String {
    ParamKind::ALL.map(|(known, _)| known).join(", ")
}

/// Reads one document and collects what is wrong with it on the way.
struct Reader<'a> {
    document: &'a Document,
    faults: Vec<DocumentFault>,
}

impl Reader<'_> {
    fn fault(&mut self, pointer: &str, message: impl Into<String>) {
        self.faults.push(self.document.fault(pointer, message));
    }

    /// None if the document is no runbook at all; else what could be read, with the faults noted.
    fn runbook(&mut self, text: &str) -> Option<Runbook> {
        let document = self.document;
        if !document.value.is_object() {
            self.fault("", "a runbook is a map with at least `id`, `title` and `plan`");
            return None;
        }
        self.keys("", &document.value, &KEYS);
        let id = self.id();
        let title = self.text("/title");
        if title.is_none() {
            self.fault("/title", "`title` is missing");
        }
        let params = self.params();
        let synonyms = self.synonyms();
        let phrases = self.phrases(&params, &synonyms);
        let plan = self.plan(&params);
        Some(Runbook {
            id: id?,
            title: title.unwrap_or_default(),
            owner: self.text("/owner"),
            version: self.text("/version"),
            risk: self.risk(),
            impact: self.text("/impact"),
            platforms: self.texts("/platforms"),
            window_required: self.window(),
            otherwise: self.text("/otherwise"),
            params,
            plan,
            file: document.file.clone(),
            text: text.to_owned(),
            phrases,
            synonyms,
        })
    }

    fn keys(&mut self, pointer: &str, value: &Value, allowed: &[&str]) {
        for key in value.as_object().into_iter().flatten().map(|(key, _)| key) {
            if !allowed.contains(&key.as_str()) {
                let mut fault = self
                    .document
                    .fault(&format!("{pointer}/{key}"), format!("unknown key `{key}`"));
                fault.suggestion = match nearest(key, allowed.iter().copied()) {
                    Some(near) => Some(format!("did you mean `{near}`?")),
                    None => Some(format!("known are {}", allowed.join(", "))),
                };
                self.faults.push(fault);
            }
        }
    }

    /// A text; numbers are taken as they are written (`version: 1`).
    fn text(&mut self, pointer: &str) -> Option<String> {
        match self.document.value.pointer(pointer)? {
            Value::Null => None,
            Value::String(text) => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            _ => {
                self.fault(pointer, format!("`{}` must be a text", &pointer[1..]));
                None
            }
        }
    }

    fn id(&mut self) -> Option<String> {
        let Some(id) = self.text("/id") else {
            self.fault("/id", "`id` is missing");
            return None;
        };
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if !id.starts_with(|c: char| c.is_ascii_lowercase()) || !id.chars().all(inner) || id == crate::choice::NONE {
            self.fault(
                "/id",
                format!(
                    "{id:?} is no id: write [a-z][a-z0-9_-]*, and not `{}`",
                    crate::choice::NONE
                ),
            );
        }
        Some(id)
    }

    fn risk(&mut self) -> Option<String> {
        let risk = self.text("/risk")?;
        if !["low", "medium", "high"].contains(&risk.as_str()) {
            self.fault("/risk", format!("`risk` is low, medium or high, not {risk:?}"));
        }
        Some(risk)
    }

    /// Whether it wants a window; not said: it does not.
    fn window(&mut self) -> bool {
        let window = self.text("/window");
        match window.as_deref() {
            Some("required") => return true,
            None | Some("optional") => {}
            Some(other) => self.fault("/window", format!("`window` is required or optional, not {other:?}")),
        }
        false
    }

    fn params(&mut self) -> BTreeMap<String, Param> {
        let document = self.document;
        let mut params = BTreeMap::new();
        match document.value.get("params") {
            None | Some(Value::Null) => {}
            Some(Value::Object(map)) => {
                for (name, value) in map {
                    let pointer = format!("/params/{}", flyball_engine::fault::escape_pointer(name));
                    // One that cannot be read is declared all the same: what refers to it is not at fault.
                    let param = self.param(&pointer, name, value);
                    params.insert(name.clone(), param.unwrap_or_else(|| Param::of_kind(ParamKind::String)));
                }
            }
            Some(_) => self.fault("/params", "`params` must be a map of name to {type, …}"),
        }
        params
    }

    fn param(&mut self, pointer: &str, name: &str, value: &Value) -> Option<Param> {
        if !value.is_object() {
            self.fault(pointer, format!("the parameter `{name}` must be a map with a `type`"));
            return None;
        }
        self.keys(pointer, value, &PARAM_KEYS);
        let kind = self.kind(pointer, name, value);
        let mut param = Param {
            min: self.integer(pointer, value, "min"),
            max: self.integer(pointer, value, "max"),
            pattern: self.pattern(pointer, value),
            values: self.texts(&format!("{pointer}/values")),
            of: self.entry(pointer, name, value),
            description: self.text(&format!("{pointer}/description")).unwrap_or_default(),
            ..Param::of_kind(kind?)
        };
        if (param.kind == ParamKind::Enum) == param.values.is_empty() {
            self.fault(
                pointer,
                format!("`values` and the type enum belong together, see the parameter `{name}`"),
            );
        }
        if (param.kind == ParamKind::List) == param.of.is_none() {
            self.fault(
                pointer,
                format!("`of` and the type list belong together, see the parameter `{name}`"),
            );
        }
        if let Some(default) = value.get("default") {
            match param.accept(default) {
                Ok(accepted) => param.default = Some(accepted),
                Err(refused) => {
                    self.fault(
                        &format!("{pointer}/default"),
                        format!("the default must be {}", refused.wanted),
                    );
                }
            }
        }
        Some(param)
    }

    /// What a list's entries are: a type's name, or a map as for a parameter.
    fn entry(&mut self, pointer: &str, name: &str, value: &Value) -> Option<Box<Param>> {
        let pointer = format!("{pointer}/of");
        let entry = match value.get("of")? {
            Value::String(word) => serde_json::json!({"type": word}),
            other => other.clone(),
        };
        let entry = self.param(&pointer, name, &entry)?;
        if entry.kind == ParamKind::List {
            self.fault(&pointer, "a list has no lists in it");
            return None;
        }
        Some(Box::new(entry))
    }

    fn kind(&mut self, pointer: &str, name: &str, value: &Value) -> Option<ParamKind> {
        let Some(word) = value.get("type").and_then(Value::as_str) else {
            let message = format!("the parameter `{name}` has no `type`");
            let mut fault = self.document.fault(pointer, message);
            fault.suggestion = Some(format!("type: one of {}", kinds()));
            self.faults.push(fault);
            return None;
        };
        let found = ParamKind::ALL.iter().find(|(known, _)| *known == word);
        if found.is_none() {
            let message = format!("unknown type `{word}`: known are {}", kinds());
            self.fault(&format!("{pointer}/type"), message);
        }
        found.map(|(_, kind)| *kind)
    }

    fn integer(&mut self, pointer: &str, value: &Value, key: &str) -> Option<i64> {
        let given = value.get(key)?;
        if given.as_i64().is_none() {
            self.fault(&format!("{pointer}/{key}"), format!("`{key}` must be a whole number"));
        }
        given.as_i64()
    }

    fn pattern(&mut self, pointer: &str, value: &Value) -> Option<Regex> {
        let written = value.get("pattern")?;
        let pointer = format!("{pointer}/pattern");
        let Some(text) = written.as_str() else {
            self.fault(&pointer, "`pattern` must be a regular expression");
            return None;
        };
        match Regex::new(&format!("^(?:{text})$")) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let why = error.to_string();
                let why = why
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .trim_start_matches("error: ")
                    .to_owned();
                self.fault(&pointer, format!("`pattern` is no regular expression: {why}"));
                None
            }
        }
    }

    fn texts(&mut self, pointer: &str) -> Vec<String> {
        let document = self.document;
        match document.value.pointer(pointer) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) if items.iter().all(Value::is_string) => items
                .iter()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect(),
            Some(_) => {
                self.fault(pointer, "must be a list of texts");
                Vec::new()
            }
        }
    }

    fn synonyms(&mut self) -> Synonyms {
        let document = self.document;
        match document.value.get("synonyms") {
            None | Some(Value::Null) => Synonyms::new(),
            Some(Value::Object(map)) => {
                let below = |word: &String| format!("/synonyms/{}", flyball_engine::fault::escape_pointer(word));
                map.keys()
                    .map(|word| (word.clone(), self.texts(&below(word))))
                    .collect()
            }
            Some(_) => {
                self.fault("/synonyms", "`synonyms` must be a map of words to lists of other words");
                Synonyms::new()
            }
        }
    }

    fn phrases(&mut self, params: &BTreeMap<String, Param>, synonyms: &Synonyms) -> Vec<Phrase> {
        let mut phrases = Vec::new();
        for (i, written) in self.texts("/phrases").iter().enumerate() {
            let pointer = format!("/phrases/{i}");
            match Phrase::parse(written, synonyms) {
                Err(why) => self.fault(&pointer, why),
                Ok(phrase) => {
                    for why in check::slots(&phrase, params) {
                        self.fault(&pointer, why);
                    }
                    phrases.push(phrase);
                }
            }
        }
        phrases
    }

    fn plan(&mut self, params: &BTreeMap<String, Param>) -> Value {
        let plan = self.document.value.get("plan").cloned().unwrap_or_default();
        if !plan.is_object() {
            self.fault("/plan", "`plan` is missing or no map");
            return Value::Object(serde_json::Map::new());
        }
        for (pointer, name) in check::unknown_params(&plan, params) {
            let mut fault = self
                .document
                .fault(&format!("/plan{pointer}"), format!("there is no parameter `{name}`"));
            let near = nearest(&name, params.keys().map(String::as_str));
            fault.suggestion = near.map(|near| format!("did you mean `{near}`?"));
            self.faults.push(fault);
        }
        plan
    }
}
