//! Draft → plan. The one function through which anything becomes a [`Plan`], and which tells all that is wrong at once.

use super::draft::{self, Draft, Faults, RawCall, RawCheck, RawStep};
use super::graph::Shape;
use super::references::{Places, Reads};
use super::schema::Arguments;
use super::{Plan, StepFacts};
use crate::contract::{Contract, Contracts};
use crate::expr::{Expr, Fields, Scope};
use crate::fault::Fault;
use crate::ids::StepId;
use crate::tool::{Catalogue, PinState, ToolName};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// How large a plan may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub steps: usize,
    /// Of the draft as JSON.
    pub bytes: usize,
    /// Steps that wait for each other in a row.
    pub chain: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 10_000,
            bytes: 1024 * 1024,
            chain: 1_000,
        }
    }
}

/// What a draft is checked against.
#[derive(Debug, Clone)]
pub struct CheckContext<'a> {
    pub catalogue: &'a Catalogue,
    pub contracts: &'a Contracts,
    /// `params` in expressions: a runbook's parameters.
    pub params: Value,
    /// `alarm` in expressions.
    pub alarm: Value,
    pub limits: Limits,
}

/// Checks a draft. All faults at once, each with its pointer (from `/plan`), except that a draft beyond the limits of
/// size is not looked into. The steps of the plan stand in an order in which they could run.
pub fn check(draft: &Value, context: &CheckContext<'_>) -> Result<Plan, Vec<Fault>> {
    let mut faults = Faults::default();
    too_large(draft, &context.limits, &mut faults);
    if !faults.0.is_empty() {
        return Err(faults.0);
    }
    let Some(draft) = draft::read(draft, &mut faults) else {
        return Err(faults.0);
    };
    let facts = Checker {
        context,
        draft: &draft,
        known: HashMap::new(),
        schemas: HashMap::new(),
        faults: &mut faults,
    }
    .check();
    match faults.0.is_empty() {
        true => Ok(plan(draft, facts, context)),
        false => Err(faults.0),
    }
}

fn too_large(draft: &Value, limits: &Limits, faults: &mut Faults) {
    let steps = draft.get("steps").and_then(Value::as_array).map_or(0, Vec::len);
    if steps > limits.steps {
        let message = format!("the plan has {steps} steps, at most {} are allowed", limits.steps);
        faults.add("/plan/steps", "plan.too_large", message);
    }
    let mut bytes = Counter(0);
    serde_json::to_writer(&mut bytes, draft).expect("a JSON value is written to a counter");
    if bytes.0 > limits.bytes {
        let message = format!(
            "the plan is {} bytes long, at most {} are allowed",
            bytes.0, limits.bytes
        );
        faults.add("/plan", "plan.too_large", message);
    }
}

struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What was found of a faultless draft: the order of its steps, and what is known of each.
type Found = (Vec<usize>, Vec<StepFacts>);

fn plan(draft: Draft, (order, facts): Found, context: &CheckContext<'_>) -> Plan {
    let finish = |checks: Vec<RawCheck>| checks.into_iter().map(RawCheck::finish).collect::<Option<Vec<_>>>();
    let mut steps: Vec<_> = draft.steps.into_iter().map(RawStep::finish).collect();
    let mut facts: Vec<_> = facts.into_iter().map(Some).collect();
    let complete = "a part that is missing is a fault";
    Plan {
        summary: draft.summary,
        pre_checks: finish(draft.pre_checks).expect(complete),
        post_checks: finish(draft.post_checks).expect(complete),
        steps: order.iter().map(|at| steps[*at].take().expect(complete)).collect(),
        facts: order.iter().map(|at| facts[*at].take().expect(complete)).collect(),
        platforms: draft.platforms,
        params: context.params.clone(),
        alarm: context.alarm.clone(),
        places: super::Places::default(),
    }
}

struct Checker<'a> {
    context: &'a CheckContext<'a>,
    draft: &'a Draft,
    /// The contracts and schemas of the tools met so far; a plan of many steps has few tools.
    known: HashMap<ToolName, Contract>,
    schemas: HashMap<ToolName, Arguments<'a>>,
    faults: &'a mut Faults,
}

impl Checker<'_> {
    fn check(mut self) -> Found {
        let draft = self.draft;
        let fan_out: Vec<bool> = draft.steps.iter().map(|step| self.fans_out(step)).collect();
        let places = Places::of(&draft.steps, &fan_out, self.faults);
        let reads: Vec<StepReads> = draft.steps.iter().map(|step| self.step(step, &places)).collect();
        let checks = [(&draft.pre_checks, Scope::EXPECT), (&draft.post_checks, Scope::CHECK)];
        let check_reads: Vec<_> = checks
            .into_iter()
            .flat_map(|(checks, scope)| checks.iter().map(move |check| (check, scope)))
            .map(|(check, scope)| self.check_call(check, Scope::STEP, scope, &places, "a check"))
            .collect();
        let before: Vec<Vec<usize>> = reads.iter().map(StepReads::before).collect();
        let shape = Shape::new(&before);
        self.cycles(&shape);
        let order = shape.order();
        let chain = shape.longest_chain(&order);
        if chain > self.context.limits.chain {
            let limit = self.context.limits.chain;
            let message = format!("{chain} steps wait for each other in a row, at most {limit} may");
            self.faults.add("/plan/steps", "plan.too_large", message);
        }
        let facts = self.facts(&before, &reads, &order);
        // What waits in a circle runs neither before a change nor after it.
        if order.len() == draft.steps.len() {
            self.changes(&reads, &facts);
            self.check_changes(&check_reads, &facts);
        }
        (order, facts)
    }

    /// Whether a step makes one call per element of a list: its own, or that of a fleet tool's argument.
    fn fans_out(&mut self, step: &RawStep) -> bool {
        let split = |tool: &ToolName| self.contract(tool).split_by.is_some();
        step.for_each.is_some() || step.call.tool.as_ref().is_some_and(split)
    }

    /// One step by itself; what it reads of others.
    fn step(&mut self, step: &RawStep, places: &Places) -> StepReads {
        let each = step.for_each.is_some();
        let scope = |each_scope, scope| if each { each_scope } else { scope };
        let mutating = self.call(&step.call);
        self.read_only_keys(step, mutating);
        let item = scope(Scope::ITEM, Scope::STEP);
        let mut reads = StepReads {
            needs: places.needs(step, self.faults),
            args: places.templates(&step.call.args, &step.call.pointer, "args", item, self.faults),
            ..StepReads::default()
        };
        if let Some(list) = &step.for_each {
            self.for_each(list, &step.call.pointer);
            reads.items = places.templates(list, &step.call.pointer, "for_each", Scope::STEP, self.faults);
        }
        let expect = scope(Scope::ITEM_EXPECT, Scope::EXPECT);
        for (key, source, scope) in [("when", &step.when, item), ("expect", &step.expect, expect)] {
            if let Some(source) = source {
                let pointer = format!("{}/{key}", step.call.pointer);
                reads
                    .rest
                    .extend(places.expression(source, &pointer, scope, self.faults));
            }
        }
        if let Some(gate) = &step.gate {
            let expect = scope(Scope::ITEM_CHECK, Scope::CHECK);
            let (args, other) = self.check_call(gate, item, expect, places, "a gate");
            reads.gate = args;
            reads.rest.extend(other);
        }
        reads
    }

    /// What only steps that read may have, and what only steps that change may.
    fn read_only_keys(&mut self, step: &RawStep, mutating: bool) {
        let at = |key: &str| format!("{}/{key}", step.call.pointer);
        let given = [
            ("expect", step.expect.is_some()),
            ("within", step.within.is_some()),
            ("hold_for", step.hold_for.is_some()),
        ];
        for (key, _) in given.iter().filter(|(_, given)| *given) {
            if mutating {
                let message = format!("`{key}` is for steps that only read: its tool may change something");
                let fault = Fault::new(at(key), "plan.read_only", message);
                let hint = "put it into a `gate`, with a tool that reads what this one changes";
                self.faults.0.push(fault.suggest(hint));
            } else if step.expect.is_none() {
                let message = format!("`{key}` has nothing to wait for without `expect`");
                self.faults.add(at(key), "plan.shape", message);
            }
        }
        // Of a tool that nobody knows, nobody knows either what it does: that is a fault already, and causes no others.
        let known = step
            .call
            .tool
            .as_ref()
            .is_some_and(|tool| self.context.catalogue.get(tool).is_some());
        if known && !mutating && step.gate.is_some() {
            let message = "a gate guards a change, and this step only reads";
            self.faults.add(at("gate"), "plan.shape", message);
        }
        if known && !step.waves.is_empty() && (!mutating || !self.fans_out(step)) {
            let message = "`waves` are for steps that change something for each element of a list";
            self.faults.add(at("waves"), "plan.shape", message);
        }
    }

    fn for_each(&mut self, list: &Value, pointer: &str) {
        let templated = list.as_str().is_some_and(|text| text.trim_start().starts_with("${"));
        if !list.is_array() && !templated {
            let message = "`for_each` must be a list, or one ${expression} that yields a list";
            self.faults.add(format!("{pointer}/for_each"), "plan.shape", message);
        }
    }

    /// A gate or a check: a read with an expectation. What its arguments read, and what the rest of it does.
    fn check_call(
        &mut self,
        check: &RawCheck,
        args: Scope,
        expect: Scope,
        places: &Places,
        what: &str,
    ) -> (Vec<Reads>, Vec<Reads>) {
        let pointer = &check.call.pointer;
        if self.call(&check.call) {
            let tool = check.call.tool.as_ref().map(ToString::to_string).unwrap_or_default();
            let message = format!("{what} only reads, and no contract says so of {tool}");
            self.faults.add(format!("{pointer}/tool"), "plan.read_only", message);
        }
        let args = places.templates(&check.call.args, pointer, "args", args, self.faults);
        let expect_at = format!("{pointer}/expect");
        let expect = check
            .expect
            .as_ref()
            .map(|source| places.expression(source, &expect_at, expect, self.faults));
        (args, expect.into_iter().flatten().collect())
    }

    /// A call's tool and arguments; whether it may change the world.
    fn call(&mut self, call: &RawCall) -> bool {
        let Some(tool) = &call.tool else { return false };
        let Some(found) = self.context.catalogue.get(tool) else {
            self.unknown_tool(call, tool);
            return false;
        };
        if found.pin != PinState::Pinned {
            let why = match found.pin {
                PinState::Changed => "has changed since it was signed off",
                _ => "is not signed off yet",
            };
            let message = format!("the definition of {tool} {why}");
            self.faults
                .add(format!("{}/tool", call.pointer), "plan.unpinned", message);
        }
        if call.args.is_object() {
            let templates = crate::binding::templates(&call.args);
            let schema = self.schemas.entry(tool.clone());
            let schema = schema.or_insert_with(|| Arguments::of(&found.spec));
            let wrong = schema.draft_faults(&call.args, &templates);
            let place = format!("{}/args", call.pointer);
            self.faults.0.extend(wrong.into_iter().map(|fault| fault.under(&place)));
        }
        self.contract(tool).effect.mutates()
    }

    fn contract(&mut self, tool: &ToolName) -> &Contract {
        if !self.known.contains_key(tool) {
            self.known.insert(tool.clone(), self.context.contracts.of(tool));
        }
        &self.known[tool]
    }

    fn unknown_tool(&mut self, call: &RawCall, tool: &ToolName) {
        let tools = || self.context.catalogue.tools.keys();
        let pointer = format!("{}/tool", call.pointer);
        if tools().any(|known| known.server() == tool.server()) {
            let names: Vec<String> = tools().map(ToString::to_string).collect();
            let message = format!("there is no tool {tool}");
            let name = tool.to_string();
            self.faults.add_near(
                pointer,
                "plan.unknown_tool",
                message,
                &name,
                names.iter().map(String::as_str),
            );
            return;
        }
        let message = format!("there is no server {:?}, of the tool {tool}", tool.server());
        if let Some(same) = tools().find(|known| known.tool() == tool.tool()) {
            let fault = Fault::new(pointer, "plan.unknown_server", message);
            self.faults
                .0
                .push(fault.suggest(format!("did you mean {:?}?", same.to_string())));
            return;
        }
        let servers: BTreeSet<&str> = tools().map(ToolName::server).collect();
        self.faults
            .add_near(pointer, "plan.unknown_server", message, tool.server(), servers);
    }

    fn cycles(&mut self, shape: &Shape) {
        for knot in shape.cycles() {
            let name = |at: &usize| self.draft.steps[*at].id.as_ref().map_or("?", |id| &id.0);
            let mut names: Vec<&str> = knot.iter().map(name).take(10).collect();
            if knot.len() > names.len() {
                names.push("…");
            }
            let message = match knot.len() {
                1 => format!("the step {} waits for itself", names[0]),
                _ => format!("these steps wait for each other: {}", names.join(", ")),
            };
            self.faults
                .add(format!("/plan/steps/{}", knot[0]), "plan.cycle", message);
        }
    }

    fn facts(&mut self, before: &[Vec<usize>], reads: &[StepReads], order: &[usize]) -> Vec<StepFacts> {
        let steps = &self.draft.steps;
        let ids = |places: &[usize]| {
            places
                .iter()
                .filter_map(|at| steps[*at].id.clone())
                .collect::<Vec<StepId>>()
        };
        let mut facts: Vec<StepFacts> = before
            .iter()
            .zip(reads)
            .map(|(before, reads)| StepFacts {
                after: ids(before),
                binds: ids(&reads.binds()),
                mutating: false,
                look: false,
                split_by: None,
            })
            .collect();
        for (at, step) in self.draft.steps.iter().enumerate() {
            // A tool that nobody knows is a fault already; taken for a read it causes no others.
            let known = step
                .call
                .tool
                .as_ref()
                .filter(|t| self.context.catalogue.get(t).is_some());
            facts[at].mutating = known.is_some_and(|tool| self.contract(tool).effect.mutates());
            facts[at].split_by = known.and_then(|tool| self.contract(tool).split_by.clone());
        }
        for at in order {
            facts[*at].look = !facts[*at].mutating && before[*at].iter().all(|b| facts[*b].look);
        }
        facts
    }

    /// What is approved is the expanded list of calls, so items and targets of a change follow from the look alone.
    fn changes(&mut self, reads: &[StepReads], facts: &[StepFacts]) {
        let draft = self.draft;
        for ((step, reads), fact) in draft.steps.iter().zip(reads).zip(facts) {
            self.depends(&reads.gate, facts, "a gate is also read before the first change, and");
            let Some(tool) = step.call.tool.as_ref().filter(|_| fact.mutating) else {
                continue;
            };
            let contract = self.contract(tool).clone();
            self.depends(&reads.items, facts, "the items of a change are approved before it, and");
            let shaping = Shaping::of(&contract);
            let args: Vec<_> = reads
                .args
                .iter()
                .filter(|r| shaping.covers(&r.within))
                .cloned()
                .collect();
            self.depends(&args, facts, "the targets of a change are approved before it, and");
        }
    }

    fn check_changes(&mut self, checks: &[(Vec<Reads>, Vec<Reads>)], facts: &[StepFacts]) {
        let pre = self.draft.pre_checks.len();
        for (at, (args, expect)) in checks.iter().enumerate() {
            self.depends(args, facts, "a check is also read before the first change, and");
            if at < pre {
                self.depends(expect, facts, "a pre-check is judged before the first change, and");
            }
        }
    }

    fn depends(&mut self, reads: &[Reads], facts: &[StepFacts], why: &str) {
        for read in reads.iter().filter(|r| !facts[r.step].look) {
            let id = self.draft.steps[read.step].id.as_ref().map_or("?", |id| &id.0);
            let what = match facts[read.step].mutating {
                true => "changes something",
                false => "runs after a change",
            };
            let message = format!("{why} this depends on the output of {id}, which {what}");
            self.faults.add(read.pointer.clone(), "plan.depends_on_change", message);
        }
    }
}

/// The arguments by which a contract tells a call's targets and its split.
enum Shaping {
    All,
    Only(BTreeSet<String>),
}

impl Shaping {
    fn of(contract: &Contract) -> Self {
        let mut names: BTreeSet<String> = contract.split_by.iter().cloned().collect();
        let targets = contract
            .targets
            .as_ref()
            .map(|source| Expr::compile(source, Scope::ARGS));
        match targets {
            None => {}
            Some(Err(_)) => return Self::All,
            Some(Ok(expr)) => match expr.uses().of("args") {
                Some(Fields::All) => return Self::All,
                Some(Fields::Only(fields)) => names.extend(fields.keys().cloned()),
                None => {}
            },
        }
        Self::Only(names)
    }

    /// Whether a template at this pointer, relative to the arguments, is among them.
    fn covers(&self, pointer: &str) -> bool {
        let name = pointer.split('/').nth(1).unwrap_or_default();
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(&name.replace("~1", "/").replace("~0", "~")),
        }
    }
}

/// What one step reads of others, by where.
#[derive(Default)]
struct StepReads {
    needs: Vec<usize>,
    args: Vec<Reads>,
    items: Vec<Reads>,
    gate: Vec<Reads>,
    rest: Vec<Reads>,
}

impl StepReads {
    fn binds(&self) -> Vec<usize> {
        let all = [&self.args, &self.items, &self.gate, &self.rest];
        let steps: BTreeSet<usize> = all.into_iter().flatten().map(|r| r.step).collect();
        steps.into_iter().collect()
    }

    fn before(&self) -> Vec<usize> {
        let steps: BTreeSet<usize> = self.needs.iter().copied().chain(self.binds()).collect();
        steps.into_iter().collect()
    }
}
