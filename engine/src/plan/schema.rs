//! Arguments against a tool's input schema, answers against a form's. Nothing else in the engine knows JSON schema.

use crate::binding::Template;
use crate::canonical::Digest;
use crate::fault::{Fault, escape_pointer, nearest};
use crate::tool::ToolSpec;
use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Compiled schemas that are remembered; past this many, all are forgotten.
const REMEMBERED: usize = 2_048;

type Compiled = Result<Arc<Validator>, String>;
static COMPILED: LazyLock<Mutex<HashMap<Digest, Compiled>>> = LazyLock::new(Mutex::default);

/// The rule under which arguments are refused.
const RULE: &str = "plan.args";

/// Everything wrong with resolved arguments, pointers relative to them. Messages do not quote the arguments, which may
/// hold device state.
pub fn argument_faults(spec: &ToolSpec, args: &Value) -> Vec<Fault> {
    match validator(&spec.input_schema) {
        Err(why) => vec![unusable(spec, &why)],
        Ok(validator) => validator
            .iter_errors(args)
            .map(|error| fault(&error, spec, args, error.masked().to_string()))
            .collect(),
    }
}

/// The rule under which a field of a form is refused.
const FORM_RULE: &str = "answer.field";

/// Everything wrong with what was filled into a server's form, pointers relative to it; a field that the form does not
/// have is one, though an open schema would let it pass. Messages do not quote what was typed.
pub(crate) fn form_faults(schema: &Value, content: &Value) -> Vec<Fault> {
    let validator = jsonschema::options().should_validate_formats(true).build(schema);
    let validator = match validator {
        Ok(validator) => validator,
        Err(e) => {
            return vec![Fault::new(
                "",
                FORM_RULE,
                format!("the form's schema cannot be used: {e}"),
            )];
        }
    };
    let known = properties(schema, "");
    let unknown = content.as_object().into_iter().flat_map(|c| c.keys());
    let unknown = unknown.filter(|k| !known.contains(&k.as_str())).map(|field| {
        let fault = Fault::new(
            format!("/{}", escape_pointer(field)),
            FORM_RULE,
            "the form has no such field",
        );
        match nearest(field, known.iter().copied()) {
            Some(near) => fault.suggest(format!("did you mean {near:?}?")),
            None => fault.suggest(format!("the fields are {}", known.join(", "))),
        }
    });
    let wrong = validator.iter_errors(content).map(|error| match error.kind() {
        Kind::Required { property } => {
            let field = escape_pointer(property.as_str().unwrap_or_default());
            Fault::new(
                format!("{}/{field}", error.instance_path().as_str()),
                FORM_RULE,
                "the form needs this field",
            )
        }
        _ => Fault::new(error.instance_path().as_str(), FORM_RULE, error.masked().to_string()),
    });
    wrong.chain(unknown).collect()
}

/// A tool's definition with its input schema compiled, for checks of many calls of few tools.
pub(crate) struct Arguments<'a> {
    spec: &'a ToolSpec,
    compiled: Compiled,
}

impl<'a> Arguments<'a> {
    pub(crate) fn of(spec: &'a ToolSpec) -> Self {
        Self {
            spec,
            compiled: validator(&spec.input_schema),
        }
    }

    /// Everything wrong with arguments whose templates are not filled yet: what can depend on a template is left for
    /// [`argument_faults`] to find.
    pub(crate) fn draft_faults(&self, args: &Value, templates: &[Template]) -> Vec<Fault> {
        match &self.compiled {
            Err(why) => vec![unusable(self.spec, why)],
            Ok(validator) => validator
                .iter_errors(args)
                .filter(|error| !deferred(error, templates))
                .map(|error| fault(&error, self.spec, args, error.to_string()))
                .collect(),
        }
    }
}

fn validator(schema: &Value) -> Compiled {
    let digest = Digest::of_value(schema);
    let mut all = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = all.get(&digest) {
        return known.clone();
    }
    let compiled = jsonschema::validator_for(schema)
        .map(Arc::new)
        .map_err(|e| e.to_string());
    if all.len() >= REMEMBERED {
        all.clear();
    }
    all.insert(digest, compiled.clone());
    compiled
}

fn unusable(spec: &ToolSpec, why: &str) -> Fault {
    let message = format!("the input schema of {} cannot be used: {why}", spec.name);
    Fault::new("", RULE, message)
}

/// Whether an error may vanish, or stay, depending on what a template will hold.
fn deferred(error: &ValidationError<'_>, templates: &[Template]) -> bool {
    let at = error.instance_path().as_str();
    let under = |path: &str, above: &str| {
        path.strip_prefix(above)
            .is_some_and(|r| r.is_empty() || r.starts_with('/'))
    };
    if templates.iter().any(|t| under(at, &t.pointer)) {
        return true;
    }
    let of_the_whole = matches!(
        error.kind(),
        Kind::AnyOf { .. }
            | Kind::OneOfNotValid { .. }
            | Kind::OneOfMultipleValid { .. }
            | Kind::Not { .. }
            | Kind::Enum { .. }
            | Kind::Constant { .. }
            | Kind::Contains
            | Kind::UniqueItems
    );
    let conditional = error
        .evaluation_path()
        .as_str()
        .split('/')
        .any(|part| part == "then" || part == "else");
    (of_the_whole || conditional) && templates.iter().any(|t| under(&t.pointer, at))
}

fn fault(error: &ValidationError<'_>, spec: &ToolSpec, args: &Value, message: String) -> Fault {
    let at = error.instance_path().as_str();
    let (message, suggestion) = match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            (
                format!("{} needs the argument {name:?}", spec.name),
                misspelled(name, at, spec, args),
            )
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let known = properties(&spec.input_schema, at);
            let meant = unexpected.iter().filter_map(|name| {
                Some(format!(
                    "did you mean {:?} instead of {name:?}?",
                    nearest(name, known.clone())?
                ))
            });
            let meant: Vec<_> = meant.collect();
            let names = unexpected
                .iter()
                .map(|n| format!("{n:?}"))
                .collect::<Vec<_>>()
                .join(", ");
            let message = format!("{} has no argument {names}", spec.name);
            (message, (!meant.is_empty()).then(|| meant.join(" ")))
        }
        _ => (message, None),
    };
    Fault {
        suggestion,
        ..Fault::new(at, RULE, message)
    }
}

/// A required name that is missing while something near to it is there is a slip of the pen, which an open schema
/// would otherwise let pass without a word.
fn misspelled(required: &str, at: &str, spec: &ToolSpec, args: &Value) -> Option<String> {
    let known = properties(&spec.input_schema, at);
    let given = args.pointer(at)?.as_object()?;
    let unknown = given.keys().map(String::as_str).filter(|key| !known.contains(key));
    let near = nearest(required, unknown)?;
    Some(format!("did you mean {required:?} instead of {near:?}?"))
}

/// The names that a schema declares for the object at a place. Follows `properties` and `items` only.
fn properties<'s>(schema: &'s Value, at: &str) -> Vec<&'s str> {
    let mut schema = schema;
    for part in at.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let below = schema
            .get("properties")
            .and_then(|p| p.get(&part))
            .or_else(|| schema.get("items"));
        match below {
            Some(below) => schema = below,
            None => return Vec::new(),
        }
    }
    let declared = schema.get("properties").and_then(Value::as_object);
    declared
        .map(|p| p.keys().map(String::as_str).collect())
        .unwrap_or_default()
}
