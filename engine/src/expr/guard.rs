//! What an expression may spend while it runs. The tree is rewritten so that each loop counts what it iterates over,
//! each round looks at the clock, and each `+` counts the text or list it makes. Names that begin with `@` cannot be
//! written in CEL, so nothing but the rewriting calls these functions.
//!
//! The same rewriting gives loops over maps an order: CEL's own is random, and a probe's `select` must be stable.

use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, operators};
use cel::common::types::{BOOL_TYPE, CelBool, CelList, CelMap, CelMapKey, CelString, DYN_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{Env, ExecutionError, IdedExpr};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Most elements that one evaluation may iterate over, all loops together.
pub(super) const MAX_WORK: u64 = 1_000_000;
/// Bytes of text made by `+` that count as much as one element.
const BYTES_PER_UNIT: u64 = 64;
/// A last resort beside the counting: regular expressions and comparisons of large values are not counted.
const MAX_TIME: Duration = Duration::from_secs(5);

const RANGE: &str = "@range";
const MEMBERS: &str = "@members";
const TICK: &str = "@tick";
const MADE: &str = "@made";

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
    static SPENT: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Fills this thread's purse for one evaluation.
pub(super) fn begin() {
    LEFT.set(MAX_WORK);
    UNTIL.set(Some(Instant::now() + MAX_TIME));
    SPENT.set(None);
}

/// Why the evaluation had to be stopped, if it had. CEL can swallow an error (`error || true`), so this is asked after
/// every evaluation.
pub(super) fn spent() -> Option<&'static str> {
    SPENT.get()
}

/// The standard functions and ours.
pub(super) fn environment() -> Env {
    let mut env = Env::stdlib();
    let declared = [
        env.add_overload(RANGE, "range", vec![DYN_TYPE], range),
        env.add_overload(MEMBERS, "members", vec![DYN_TYPE], members),
        env.add_overload(TICK, "tick", vec![BOOL_TYPE], tick),
        env.add_overload(MADE, "made", vec![DYN_TYPE], made),
    ];
    for result in declared {
        result.expect("our names are not the standard library's");
    }
    env
}

fn charge(units: u64) -> Result<(), ExecutionError> {
    if SPENT.get().is_none() {
        match LEFT.get().checked_sub(units) {
            Some(left) => LEFT.set(left),
            None => SPENT.set(Some("it iterates over more than 1,000,000 elements")),
        }
    }
    if SPENT.get().is_none() && UNTIL.get().is_some_and(|until| Instant::now() > until) {
        SPENT.set(Some("it takes more than 5 seconds"));
    }
    match SPENT.get() {
        None => Ok(()),
        Some(why) => Err(ExecutionError::InternalError(why.to_owned())),
    }
}

fn first<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    args.into_iter()
        .next()
        .ok_or_else(ExecutionError::missing_argument_or_target)
}

fn size_of(value: &dyn Val) -> u64 {
    let size = value.as_sizer().map_or(0, |s| *s.size().inner());
    u64::try_from(size).unwrap_or(0)
}

/// What a loop iterates over: counted, and a map's keys sorted.
fn range<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = first(args)?;
    charge(size_of(value.as_ref()))?;
    let keys = value.as_ref().downcast_ref::<CelMap>().map(|map| {
        let mut keys: Vec<CelMapKey<'v>> = map.inner().keys().cloned().collect();
        keys.sort_by_key(rank);
        keys.into_iter().map(boxed).collect::<Vec<_>>()
    });
    Ok(match keys {
        Some(keys) => CowVal::owned(CelList::from(keys)),
        None => value,
    })
}

fn rank(key: &CelMapKey<'_>) -> (u8, i128, String) {
    match key {
        CelMapKey::Bool(b) => (0, i128::from(*b.inner()), String::new()),
        CelMapKey::Int(i) => (1, i128::from(*i.inner()), String::new()),
        CelMapKey::UInt(u) => (1, i128::from(*u.inner()), String::new()),
        CelMapKey::String(s) => (2, 0, s.inner().to_owned()),
    }
}

fn boxed<'v>(key: CelMapKey<'v>) -> Box<dyn Val + 'v> {
    match key {
        CelMapKey::Bool(b) => Box::new(b),
        CelMapKey::Int(i) => Box::new(i),
        CelMapKey::UInt(u) => Box::new(u),
        CelMapKey::String(s) => Box::new(s),
    }
}

/// The right side of `in`: a list is searched from end to end, a map is not.
fn members<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = first(args)?;
    if value.as_ref().downcast_ref::<CelList>().is_some() {
        charge(size_of(value.as_ref()))?;
    }
    Ok(value)
}

/// One round of a loop.
fn tick<'b, 'v>(_: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    charge(0)?;
    Ok(CowVal::owned(CelBool::from(true)))
}

/// What `+` made.
fn made<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = first(args)?;
    let bytes = value.as_ref().downcast_ref::<CelString>().map(|s| s.inner().len());
    match bytes {
        Some(bytes) => charge(bytes as u64 / BYTES_PER_UNIT)?,
        None => charge(size_of(value.as_ref()))?,
    }
    Ok(value)
}

/// Rewrites a judged tree so that it counts.
pub(super) fn instrument(node: &mut IdedExpr) {
    match &mut node.expr {
        Expr::Call(call) => {
            call.target.iter_mut().for_each(|t| instrument(t));
            call.args.iter_mut().for_each(instrument);
            if call.func_name == operators::IN
                && let Some(list) = call.args.get_mut(1)
            {
                wrap(list, MEMBERS);
            } else if call.func_name == operators::ADD && !is_accumulator(call.args.first()) {
                wrap(node, MADE);
            }
        }
        Expr::Comprehension(c) => {
            let parts = [
                &mut c.iter_range,
                &mut c.accu_init,
                &mut c.loop_cond,
                &mut c.loop_step,
                &mut c.result,
            ];
            parts.into_iter().for_each(instrument);
            wrap(&mut c.iter_range, RANGE);
            each_round(&mut c.loop_step);
        }
        Expr::Select(select) => instrument(&mut select.operand),
        Expr::List(list) => list.elements.iter_mut().for_each(instrument),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(e) = &mut entry.expr {
                    instrument(&mut e.key);
                    instrument(&mut e.value);
                }
            }
        }
        Expr::Struct(_) | Expr::Literal(_) | Expr::Ident(_) | Expr::Unspecified => {}
    }
}

fn is_accumulator(expr: Option<&IdedExpr>) -> bool {
    matches!(expr.map(|e| &e.expr), Some(Expr::Ident(name)) if name.starts_with('@'))
}

fn call(function: &str, args: Vec<IdedExpr>) -> Expr {
    Expr::Call(CallExpr {
        func_name: function.to_owned(),
        target: None,
        args,
    })
}

fn literal(value: LiteralValue) -> IdedExpr {
    IdedExpr {
        id: 0,
        expr: Expr::Literal(value),
    }
}

fn wrap(node: &mut IdedExpr, function: &str) {
    let inner = std::mem::take(node);
    *node = IdedExpr {
        id: inner.id,
        expr: call(function, vec![inner]),
    };
}

/// Lets the part of a loop's step that is the author's own look at the clock first: `@tick(true) ? part : false`. The
/// step keeps the outer shape by which CEL recognises loops that append, and runs them in place.
fn each_round(step: &mut IdedExpr) {
    let Expr::Call(outer) = &mut step.expr else { return };
    let part = match outer.func_name.as_str() {
        operators::LOGICAL_AND | operators::LOGICAL_OR => outer.args.get_mut(1),
        operators::CONDITIONAL => outer.args.first_mut(),
        operators::ADD => match outer.args.get_mut(1).map(|e| &mut e.expr) {
            Some(Expr::List(list)) => list.elements.first_mut(),
            _ => None,
        },
        _ => None,
    };
    if let Some(part) = part {
        let own = std::mem::take(part);
        let bool_of = |b: bool| literal(LiteralValue::Boolean(b.into()));
        let tick = IdedExpr {
            id: own.id,
            expr: call(TICK, vec![bool_of(true)]),
        };
        *part = IdedExpr {
            id: own.id,
            expr: call(operators::CONDITIONAL, vec![tick, own, bool_of(false)]),
        };
    }
}
