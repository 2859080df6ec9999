//! Expressions: CEL behind a guard.
//!
//! CEL as a library has no budget and can overflow the stack while compiling. So a text is scanned before it is
//! compiled, its syntax tree is judged before it runs, what it iterates over is counted while it runs, and all of that
//! happens on threads of our own with a large stack. An error is a value here, never a panic and never a `false`: the
//! caller decides what an expression without a result means, and it must never let anything pass.
//!
//! A plain path such as `steps.cores.output.devices` is most of what plans hold; it is answered without CEL.

mod convert;
mod guard;
mod path;
mod scan;
mod scope;
mod walk;
mod worker;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;

pub(crate) use scan::{is_identifier, skip_string};
pub use scope::{Bindings, Root, Scope};
pub use walk::{Fields, Uses};

use path::Path;
use serde_json::Value;
use std::sync::Arc;

/// Words that CEL keeps for itself: no step may be called so.
pub const KEYWORDS: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// Why a text is no expression that may be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprFault {
    pub message: String,
    pub suggestion: Option<String>,
}

impl ExprFault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            suggestion: None,
        }
    }
}

/// Why an expression has no result. It never stands for `false`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{expression}: {message}")]
pub struct EvalError {
    pub expression: String,
    pub message: String,
}

/// An expression that compiled, held no more than the limits allow, and names only what is in its scope.
#[derive(Debug, Clone)]
pub struct Expr {
    source: Arc<str>,
    uses: Arc<Uses>,
    path: Option<Path>,
}

impl Expr {
    /// Compiles a text against the names that are in scope. Compiled texts are remembered.
    pub fn compile(source: &str, scope: Scope) -> Result<Self, ExprFault> {
        let (uses, path) = match Path::parse(source) {
            Some(path) => (Arc::new(path.uses()?), Some(path)),
            None => (worker::analyse(source)?, None),
        };
        scope.admits(&uses)?;
        Ok(Self {
            source: source.into(),
            uses,
            path,
        })
    }

    /// The text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it reads.
    pub fn uses(&self) -> &Uses {
        &self.uses
    }

    /// Runs it. Blocks until done; at most some seconds, usually microseconds.
    pub fn eval(&self, bindings: &Bindings) -> Result<Value, EvalError> {
        eval_all(vec![(self.clone(), bindings.clone())])
            .pop()
            .expect("one expression has one result")
    }

    /// Runs it; any result but a bool is an error.
    pub fn eval_bool(&self, bindings: &Bindings) -> Result<bool, EvalError> {
        match self.eval(bindings)? {
            Value::Bool(b) => Ok(b),
            other => Err(self.error(format!("must yield a bool, not {}", kind_of(&other)))),
        }
    }

    pub(crate) fn error(&self, message: impl Into<String>) -> EvalError {
        EvalError {
            expression: self.source.to_string(),
            message: message.into(),
        }
    }
}

/// Runs many expressions, each over its own bindings, with one trip to the evaluator. Results are in the order given.
pub fn eval_all(jobs: Vec<(Expr, Bindings)>) -> Vec<Result<Value, EvalError>> {
    let mut results: Vec<Option<Result<Value, EvalError>>> = Vec::with_capacity(jobs.len());
    let mut guarded = Vec::new();
    for (at, (expr, bindings)) in jobs.into_iter().enumerate() {
        let plain = expr.path.as_ref().map(|path| path.read(&bindings));
        results.push(plain.map(|found| found.map_err(|m| expr.error(m))));
        if results[at].is_none() {
            guarded.push((at, expr, bindings));
        }
    }
    for (at, result) in worker::run(guarded) {
        results[at] = Some(result);
    }
    results.into_iter().flatten().collect()
}

/// What a JSON value is, in words for people.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
