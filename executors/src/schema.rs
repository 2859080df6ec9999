//! Whether an output keeps to the schema that its tool announces. Only said, never enforced here: an output that breaks its
//! schema was executed all the same.

use flyball_engine::tool::{ToolName, ToolSpec};
use jsonschema::Validator;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Schemas longer than this are not looked at: they come from outside.
const MAX_SCHEMA: usize = 64 * 1024;

type Known = (Value, Option<Arc<Validator>>);

/// Compiled output schemas, by tool, for the definition last seen. Never fetches a reference.
#[derive(Default)]
pub(crate) struct OutputSchemas(Mutex<BTreeMap<ToolName, Known>>);

impl OutputSchemas {
    /// What is wrong with an output, if its tool announces a schema that it breaks.
    pub(crate) fn violation(&self, spec: &ToolSpec, output: &Value) -> Option<String> {
        let schema = spec.output_schema.as_ref()?;
        let validator = self.validator(spec, schema)?;
        let error = validator.iter_errors(output).next()?;
        Some(format!(
            "at {:?}: {}",
            error.instance_path().to_string(),
            error.masked()
        ))
    }

    fn validator(&self, spec: &ToolSpec, schema: &Value) -> Option<Arc<Validator>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, validator)) = known.get(&spec.name)
            && of == schema
        {
            return validator.clone();
        }
        let validator = compile(schema);
        known.insert(spec.name.clone(), (schema.clone(), validator.clone()));
        validator
    }
}

fn compile(schema: &Value) -> Option<Arc<Validator>> {
    if schema.to_string().len() > MAX_SCHEMA {
        return None;
    }
    jsonschema::draft202012::new(schema).ok().map(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(schema: Value) -> ToolSpec {
        ToolSpec {
            name: ToolName::new("s", "t"),
            description: String::new(),
            input_schema: json!({}),
            output_schema: Some(schema),
            annotations: None,
        }
    }

    #[test]
    fn an_output_that_breaks_its_schema_is_told_without_its_values() {
        let schemas = OutputSchemas::default();
        let number = spec(json!({"properties": {"n": {"type": "integer"}}}));
        assert_eq!(schemas.violation(&number, &json!({"n": 1})), None);
        let why = schemas.violation(&number, &json!({"n": "hush"})).unwrap();
        assert!(why.contains("/n") && !why.contains("hush"), "{why}");
        let text = spec(json!({"properties": {"n": {"type": "string"}}}));
        assert_eq!(
            schemas.violation(&text, &json!({"n": "x"})),
            None,
            "the schema of today counts"
        );
    }

    #[test]
    fn a_schema_that_refers_elsewhere_or_makes_no_sense_is_passed_over() {
        let schemas = OutputSchemas::default();
        for schema in [json!({"$ref": "http://127.0.0.1:1/x"}), json!({"type": 7})] {
            assert_eq!(schemas.violation(&spec(schema), &json!({})), None);
        }
    }
}
