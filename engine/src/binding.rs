//! `${…}` inside arguments: how a step's call names what earlier steps, parameters and items hold.
//!
//! Alone in a string an expression keeps its type; inside text it is interpolated; `$${` is a literal `${`. Only values
//! are templates: names of arguments are taken as they stand.

use crate::expr::{Bindings, EvalError, Expr, ExprFault, Scope, eval_all, kind_of, skip_string};
use crate::fault::escape_pointer;
use serde_json::Value;

/// A `${…}` and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// JSON pointer of the string, relative to the value that was searched.
    pub pointer: String,
    /// The text between the braces; or why the string is no template.
    pub expression: Result<String, String>,
}

/// A template that could not be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {message}")]
pub struct BindError {
    pub pointer: String,
    pub message: String,
}

impl BindError {
    fn new(pointer: &str, message: impl Into<String>) -> Self {
        Self {
            pointer: pointer.to_owned(),
            message: message.into(),
        }
    }
}

/// All templates of a value, in document order.
pub fn templates(value: &Value) -> Vec<Template> {
    let mut found = Vec::new();
    each_string(value, &mut String::new(), &mut |pointer, text| {
        let template = |expression| Template {
            pointer: pointer.to_owned(),
            expression,
        };
        match parts(text) {
            Err(why) => found.push(template(Err(why))),
            Ok(parts) => found.extend(parts.into_iter().filter_map(|part| match part {
                Part::Expression(e) => Some(template(Ok(e))),
                Part::Text(_) => None,
            })),
        }
    });
    found
}

/// Compiles a value's templates, each with its pointer.
pub fn compile(value: &Value, scope: Scope) -> Vec<(String, Result<Expr, ExprFault>)> {
    let compile_one = |t: Template| {
        let expr = t.expression.map_err(ExprFault::new);
        (t.pointer, expr.and_then(|e| Expr::compile(&e, scope)))
    };
    templates(value).into_iter().map(compile_one).collect()
}

/// The value with every template filled. The first that cannot be is the error.
pub fn resolve(value: &Value, scope: Scope, bindings: &Bindings) -> Result<Value, BindError> {
    let mut results = resolve_all(&[(value, bindings)], scope);
    results.pop().expect("one value has one result")
}

/// Many values, each over its own bindings, with one trip to the evaluator. Results are in the order given.
pub fn resolve_all(values: &[(&Value, &Bindings)], scope: Scope) -> Vec<Result<Value, BindError>> {
    let compiled: Vec<_> = values.iter().map(|(value, _)| compile(value, scope)).collect();
    let mut jobs = Vec::new();
    for (exprs, (_, bindings)) in compiled.iter().zip(values) {
        let good = exprs.iter().filter_map(|(_, e)| e.as_ref().ok());
        jobs.extend(good.map(|e| (e.clone(), (*bindings).clone())));
    }
    let mut answers = eval_all(jobs).into_iter();
    let fill_one = |(exprs, (value, _)): (Vec<(String, Result<Expr, ExprFault>)>, &(&Value, &Bindings))| {
        // Every answer is taken from the list, also after a fault, so that the next value finds its own.
        let answers: Vec<_> = exprs
            .into_iter()
            .map(|(pointer, expr)| match expr {
                Err(fault) => Err(BindError::new(&pointer, fault.message)),
                Ok(_) => next_answer(&mut answers).map_err(|e| BindError::new(&pointer, e.to_string())),
            })
            .collect();
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        fill(value, &mut String::new(), &mut answers.into_iter())
    };
    compiled.into_iter().zip(values).map(fill_one).collect()
}

fn next_answer(answers: &mut impl Iterator<Item = Result<Value, EvalError>>) -> Result<Value, EvalError> {
    answers.next().expect("each expression that compiled has one answer")
}

/// The list that a `for_each` names. An object is no list.
pub fn resolve_list(for_each: &Value, bindings: &Bindings) -> Result<Vec<Value>, BindError> {
    match resolve(for_each, Scope::STEP, bindings)? {
        Value::Array(items) => Ok(items),
        other => Err(BindError::new(
            "",
            format!("for_each needs a list, not {}", kind_of(&other)),
        )),
    }
}

fn each_string(value: &Value, pointer: &mut String, seen: &mut impl FnMut(&str, &str)) {
    let length = pointer.len();
    match value {
        Value::String(text) => seen(pointer, text),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{at}"));
                each_string(item, pointer, seen);
                pointer.truncate(length);
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                pointer.push('/');
                pointer.push_str(&escape_pointer(key));
                each_string(field, pointer, seen);
                pointer.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Puts answers, in document order, where their templates stand.
fn fill(value: &Value, pointer: &mut String, answers: &mut impl Iterator<Item = Value>) -> Result<Value, BindError> {
    let length = pointer.len();
    match value {
        Value::String(text) => fill_text(text, pointer, answers),
        Value::Array(items) => {
            let mut filled = Vec::with_capacity(items.len());
            for (at, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{at}"));
                filled.push(fill(item, pointer, answers)?);
                pointer.truncate(length);
            }
            Ok(Value::Array(filled))
        }
        Value::Object(fields) => {
            let mut filled = serde_json::Map::new();
            for (key, field) in fields {
                pointer.push('/');
                pointer.push_str(&escape_pointer(key));
                filled.insert(key.clone(), fill(field, pointer, answers)?);
                pointer.truncate(length);
            }
            Ok(Value::Object(filled))
        }
        plain => Ok(plain.clone()),
    }
}

fn fill_text(text: &str, pointer: &str, answers: &mut impl Iterator<Item = Value>) -> Result<Value, BindError> {
    let parts = parts(text).map_err(|why| BindError::new(pointer, why))?;
    let answer = |answers: &mut dyn Iterator<Item = Value>| answers.next().expect("each template has one answer");
    if let [Part::Expression(_)] = parts[..] {
        return Ok(answer(answers));
    }
    let mut filled = String::new();
    for part in parts {
        match part {
            Part::Text(text) => filled.push_str(&text),
            Part::Expression(expression) => match answer(answers) {
                Value::String(s) => filled.push_str(&s),
                Value::Number(n) => filled.push_str(&n.to_string()),
                Value::Bool(b) => filled.push_str(&b.to_string()),
                other => {
                    let why = format!("{} cannot stand inside text: ${{{expression}}}", kind_of(&other));
                    return Err(BindError::new(pointer, why));
                }
            },
        }
    }
    Ok(Value::String(filled))
}

#[derive(Debug, PartialEq)]
enum Part {
    Text(String),
    Expression(String),
}

/// Splits a string at its templates.
fn parts(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            plain.push_str(&rest[..at]);
            plain.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        plain.push_str(&rest[..at]);
        let inside = &rest[at + 2..];
        let end = closing_brace(inside)
            .ok_or_else(|| format!("`${{` is not closed in {text:?}; write `$${{` for the text itself"))?;
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        parts.push(Part::Expression(inside[..end].trim().to_owned()));
        rest = &inside[end + 1..];
    }
    plain.push_str(rest);
    if !plain.is_empty() || parts.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts)
}

/// Where the brace that ends an expression stands; braces in strings and maps do not.
fn closing_brace(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0usize, 0usize);
    while at < bytes.len() {
        match bytes[at] {
            b'\'' | b'"' => {
                at = skip_string(bytes, at)?;
                continue;
            }
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Root;
    use crate::ids::StepId;
    use serde_json::json;

    fn bindings() -> Bindings {
        let mut bindings = Bindings::new()
            .with(
                Root::Item,
                json!({"name": "bj-core-1", "port": 22, "up": true, "tags": ["a"]}),
            )
            .with(Root::Index, json!(3))
            .with(Root::Params, json!({"site": "beijing", "big": u64::MAX, "none": null}));
        bindings.step(
            &StepId::from("cores"),
            json!({"devices": [{"name": "a"}, {"name": "b"}]}),
        );
        let outputs = vec![json!({"n": 1}).into(), json!({"n": 2}).into()];
        bindings.for_each_step(&StepId::from("each"), outputs);
        bindings
    }

    fn filled(template: &str) -> Result<Value, BindError> {
        resolve(&json!(template), Scope::ITEM, &bindings())
    }

    #[test]
    fn a_template_alone_keeps_its_type_and_inside_text_becomes_text() {
        for (template, expected) in [
            ("${item.name}", json!("bj-core-1")),
            ("${item.port}", json!(22)),
            ("${item.port + 1}", json!(23)),
            ("${item.up}", json!(true)),
            (
                "${item}",
                json!({"name": "bj-core-1", "port": 22, "up": true, "tags": ["a"]}),
            ),
            ("${params.none}", json!(null)),
            ("${params.big}", json!(u64::MAX)),
            ("${ {'a': item.port} }", json!({"a": 22})),
            ("${'}' + item.name}", json!("}bj-core-1")),
            ("${steps.cores.output.devices.map(d, d.name)}", json!(["a", "b"])),
            ("${steps.cores.output.devices[1].name}", json!("b")),
            ("${steps.each.outputs}", json!([{"n": 1}, {"n": 2}])),
            ("${steps.each.outputs[1].n}", json!(2)),
            ("${steps.each.outputs.map(o, o.n)}", json!([1, 2])),
            ("ssh ${item.name}:${item.port} #${index}", json!("ssh bj-core-1:22 #3")),
            ("is ${item.up}", json!("is true")),
            ("costs $5 {x}", json!("costs $5 {x}")),
            ("$${item.name}", json!("${item.name}")),
            ("a $${b} ${index}", json!("a ${b} 3")),
            ("", json!("")),
        ] {
            assert_eq!(filled(template), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_cannot_be_filled_is_an_error_at_its_place() {
        let value = json!({"ok": "${item.name}", "deep": [{"a/b": "${item.missing}"}]});
        let error = resolve(&value, Scope::ITEM, &bindings()).unwrap_err();
        assert_eq!(error.pointer, "/deep/0/a~1b");
        for bad in [
            "${item.name",
            "${}",
            "${nothing.here}",
            "${steps.absent.output}",
            "text ${item.tags}",
            "text ${params.none}",
            "${output.x}",
        ] {
            assert!(filled(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_value_of_a_batch_finds_its_own_answers_also_after_a_fault() {
        let (good, bad) = (
            json!(["${item.name + '!'}", "${index}"]),
            json!(["${item.nope + 1}", "${index}"]),
        );
        let bindings = bindings();
        let results = resolve_all(&[(&bad, &bindings), (&good, &bindings)], Scope::ITEM);
        assert!(results[0].is_err());
        assert_eq!(results[1], Ok(json!(["bj-core-1!", 3])));
    }

    #[test]
    fn only_a_list_can_be_iterated_over() {
        let list = |template: &str| resolve_list(&json!(template), &bindings());
        assert_eq!(list("${steps.cores.output.devices}").unwrap().len(), 2);
        assert!(list("${params}").is_err());
        assert!(list("${item}").is_err(), "an item is not in scope in its own for_each");
    }
}
