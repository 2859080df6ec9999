//! The plans that both engines run, once as a template: `{run}` in an argument stands for the run's name.

use serde_json::{Value, json};

/// How many steps a chain has.
pub(crate) const CHAIN: usize = 10;
/// How many calls lie side by side in a fan, and how long each takes.
pub(crate) const WIDE: usize = 20;
pub(crate) const FAN_MS: u64 = 50;

/// Steps as both engines are told of them: `id`, `tool`, `needs`, `args`.
#[derive(Debug, Clone)]
pub(crate) struct Shape(Vec<Value>);

fn step(id: &str, tool: &str, needs: &[String], args: &Value) -> Value {
    json!({"id": id, "tool": tool, "needs": needs, "args": args})
}

impl Shape {
    /// Calls that do nothing, one after the other.
    pub(crate) fn chain(tool: &str) -> Self {
        Self::chained(|at| step("", tool, &[], &json!({"n": format!("{{run}}-{at}")})))
    }

    /// Writes of a value each, one after the other.
    pub(crate) fn writes() -> Self {
        Self::chained(|at| step("", "set", &[], &json!({"name": name(at), "value": "{run}"})))
    }

    fn chained(of: impl Fn(usize) -> Value) -> Self {
        let each = (0..CHAIN).map(|at| {
            let mut step = of(at);
            step["id"] = json!(format!("s{at}"));
            let before: Vec<String> = at.checked_sub(1).map(|b| format!("s{b}")).into_iter().collect();
            step["needs"] = json!(before);
            step
        });
        Self(each.collect())
    }

    /// One call, then many at once that take their time, then one.
    pub(crate) fn fan(tool: &str) -> Self {
        let middle: Vec<String> = (0..WIDE).map(|at| format!("m{at}")).collect();
        let args = |id: &str| json!({"n": format!("{{run}}-{id}")});
        let mut steps = vec![step("first", tool, &[], &args("first"))];
        for id in &middle {
            let mut args = args(id);
            args["ms"] = json!(FAN_MS);
            steps.push(step(id, tool, &["first".to_owned()], &args));
        }
        steps.push(step("last", tool, &middle, &args("last")));
        Self(steps)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The template, for LangGraph.
    pub(crate) fn steps(&self) -> Value {
        json!(self.0)
    }

    /// The plan of one run, for Flyball.
    pub(crate) fn plan(&self, run: &str) -> Value {
        let text = json!(self.0).to_string().replace("{run}", run);
        let mut steps: Vec<Value> = serde_json::from_str(&text).unwrap();
        for step in &mut steps {
            step["tool"] = json!(format!("ledger/{}", step["tool"].as_str().unwrap()));
        }
        json!({"summary": run, "steps": steps})
    }
}

/// The name that a chain of writes gives its value at a place.
pub(crate) fn name(at: usize) -> String {
    format!("v{at}")
}
