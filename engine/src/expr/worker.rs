//! The only threads on which CEL compiles, runs and drops its trees: two, for the life of the process, with a stack
//! that the limits of [`scan`](super::scan) and [`walk`](super::walk) cannot overflow.

use super::walk::{Fields, Uses, walk};
use super::{Bindings, EvalError, Expr, ExprFault, Root, convert, guard, scan};
use cel::common::value::Val;
use cel::{Context, Env, ExecutionError, IdedExpr, Program};
use serde_json::Value;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

const THREADS: usize = 2;
const STACK: usize = 16 * 1024 * 1024;
/// Texts and trees that are remembered; past this many, all are forgotten.
const REMEMBERED: usize = 8_192;
/// Expressions that go to one thread together.
const BATCH: usize = 256;

type Job = Box<dyn FnOnce(&mut Evaluator) + Send>;

static QUEUE: LazyLock<Sender<Job>> = LazyLock::new(start);
static JUDGED: LazyLock<Mutex<HashMap<Arc<str>, Result<Arc<Uses>, ExprFault>>>> = LazyLock::new(Mutex::default);

fn start() -> Sender<Job> {
    let (jobs, queue) = channel::<Job>();
    let queue = Arc::new(Mutex::new(queue));
    for n in 0..THREADS {
        let queue = Arc::clone(&queue);
        std::thread::Builder::new()
            .name(format!("cel-{n}"))
            .stack_size(STACK)
            .spawn(move || serve(&queue))
            .expect("the process may start threads");
    }
    jobs
}

fn serve(queue: &Mutex<Receiver<Job>>) {
    let mut evaluator = Evaluator::new();
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A panic inside CEL loses this job's answer, which its sender sees; the thread starts afresh.
        if catch_unwind(AssertUnwindSafe(|| job(&mut evaluator))).is_err() {
            evaluator = Evaluator::new();
        }
    }
}

/// Runs a job on an evaluator thread and waits; none if it panicked.
fn on_thread<T: Send + 'static>(job: impl FnOnce(&mut Evaluator) -> T + Send + 'static) -> Option<T> {
    let (answer, answered) = channel();
    let job: Job = Box::new(move |evaluator| {
        // Nobody listening means nobody cares.
        let _ = answer.send(job(evaluator));
    });
    QUEUE.send(job).ok()?;
    answered.recv().ok()
}

/// Compiles and judges a text.
pub(super) fn analyse(source: &str) -> Result<Arc<Uses>, ExprFault> {
    let known = JUDGED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(source)
        .cloned();
    if let Some(known) = known {
        return known;
    }
    let text: Arc<str> = source.into();
    let judged = scan::scan(source).and_then(|()| {
        let text = Arc::clone(&text);
        let uses = on_thread(move |evaluator| evaluator.judge(&text));
        uses.unwrap_or_else(|| Err(ExprFault::new("the expression makes the compiler fail")))
    });
    let judged = judged.map(Arc::new);
    let mut all = JUDGED.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= REMEMBERED {
        all.clear();
    }
    all.insert(text, judged.clone());
    judged
}

type Jobs = Vec<(usize, Expr, Bindings)>;

/// Runs expressions that were compiled before; each result comes with the number its job came with.
pub(super) fn run(mut jobs: Jobs) -> Vec<(usize, Result<Value, EvalError>)> {
    let mut results = Vec::with_capacity(jobs.len());
    while !jobs.is_empty() {
        let rest = jobs.split_off(jobs.len().min(BATCH));
        let batch = std::mem::replace(&mut jobs, rest);
        let lost: Vec<_> = batch.iter().map(|(at, expr, _)| (*at, expr.clone())).collect();
        let answers = on_thread(move |evaluator| {
            let run = |(at, expr, bindings): (usize, Expr, Bindings)| (at, evaluator.eval(&expr, &bindings));
            batch.into_iter().map(run).collect::<Vec<_>>()
        });
        results.extend(answers.unwrap_or_else(|| {
            let failed = |(at, expr): (usize, Expr)| (at, Err(expr.error("the evaluator failed")));
            lost.into_iter().map(failed).collect()
        }));
    }
    results
}

/// What one thread keeps.
struct Evaluator {
    env: Arc<Env>,
    trees: HashMap<Arc<str>, Rc<IdedExpr>>,
}

impl Evaluator {
    fn new() -> Self {
        Self {
            env: Arc::new(guard::environment()),
            trees: HashMap::new(),
        }
    }

    fn compile(source: &str) -> Result<Program, ExprFault> {
        Program::compile(source).map_err(|errors| {
            let first = errors
                .errors
                .first()
                .map_or_else(|| errors.to_string(), |e| e.msg.clone());
            ExprFault::new(format!("not an expression: {}", first.trim()))
        })
    }

    fn judge(&mut self, source: &Arc<str>) -> Result<Uses, ExprFault> {
        let program = Self::compile(source)?;
        let uses = walk(program.expression())?;
        let mut tree = program.expression().clone();
        guard::instrument(&mut tree);
        self.remember(source, tree);
        Ok(uses)
    }

    fn remember(&mut self, source: &Arc<str>, tree: IdedExpr) {
        if self.trees.len() >= REMEMBERED {
            self.trees.clear();
        }
        self.trees.insert(Arc::clone(source), Rc::new(tree));
    }

    /// The counting tree of a text, compiled anew if another thread judged it.
    fn tree(&mut self, source: &Arc<str>) -> Result<Rc<IdedExpr>, ExprFault> {
        if let Some(tree) = self.trees.get(source) {
            return Ok(Rc::clone(tree));
        }
        scan::scan(source)?;
        self.judge(source)?;
        self.trees
            .get(source)
            .cloned()
            .ok_or_else(|| ExprFault::new("the expression was forgotten"))
    }

    fn eval(&mut self, expr: &Expr, bindings: &Bindings) -> Result<Value, EvalError> {
        let tree = self.tree(&expr.source).map_err(|f| expr.error(f.message))?;
        let mut context = Context::with_env(Arc::clone(&self.env));
        for root in Root::ALL {
            if let Some(fields) = expr.uses.of(root.as_str())
                && let Some(value) = bound(root, fields, bindings)
            {
                context.add_variable_as_val(root.as_str(), value);
            }
        }
        guard::begin();
        let result = context.resolve(&tree);
        if let Some(why) = guard::spent() {
            return Err(expr.error(format!("stopped: {why}")));
        }
        let value = result.map_err(|e| expr.error(explain(&e)))?;
        convert::to_json(&value).map_err(|message| expr.error(message))
    }
}

/// What a name stands for, as much of it as is read.
fn bound<'v>(root: Root, fields: &Fields, bindings: &'v Bindings) -> Option<Box<dyn Val + 'v>> {
    let (Root::Steps, Fields::Only(ids)) = (root, fields) else {
        return Some(convert::to_cel(bindings.root(root)?, fields));
    };
    let steps = ids.iter().filter_map(|(id, kinds)| {
        let Fields::Only(kinds) = kinds else { return None };
        step(id, kinds, bindings)
    });
    Some(convert::map(steps.collect::<Vec<_>>().into_iter()))
}

fn step<'v>(
    id: &str,
    kinds: &std::collections::BTreeMap<String, Fields>,
    bindings: &'v Bindings,
) -> Option<(&'v str, Box<dyn Val + 'v>)> {
    let key = bindings.step_key(id)?;
    let mut found: Vec<(&str, Box<dyn Val + 'v>)> = Vec::new();
    if let (Some(fields), Some(output)) = (kinds.get("output"), bindings.output(id)) {
        found.push(("output", convert::to_cel(output, fields)));
    }
    if let (Some(_), Some(outputs)) = (kinds.get("outputs"), bindings.outputs(id)) {
        found.push(("outputs", convert::list(outputs.iter().map(AsRef::as_ref))));
    }
    Some((key, convert::map(found.into_iter())))
}

/// An error of CEL can quote the values it met; those may be device state, so only their types are told.
fn explain(error: &ExecutionError) -> String {
    use ExecutionError as E;
    match error {
        E::NoSuchKey(_)
        | E::UndeclaredReference(_)
        | E::NoSuchOverload(_)
        | E::UnexpectedType { .. }
        | E::InvalidArgumentCount { .. }
        | E::MissingArgumentOrTarget => error.to_string(),
        E::UnsupportedBinaryOperator(operator, left, right) => {
            format!("cannot {operator} {} and {}", left.type_of(), right.type_of())
        }
        E::ValuesNotComparable(left, right) => format!("cannot compare {} and {}", left.type_of(), right.type_of()),
        E::FunctionError { function, .. } => format!("{function} failed"),
        E::DivisionByZero(_) | E::RemainderByZero(_) => "division by zero".to_owned(),
        E::Overflow(..) => "a number is too large".to_owned(),
        E::IndexOutOfBounds(_) => "no such element".to_owned(),
        _ => "it has no result".to_owned(),
    }
}
