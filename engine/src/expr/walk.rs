//! The syntax tree, judged before it runs: its size, its functions, and what it reads.

use super::ExprFault;
use crate::fault::nearest;
use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators};
use std::collections::{BTreeMap, BTreeSet};

/// Most nodes of a tree, after macros.
const MAX_NODES: usize = 1_000;
/// Deepest tree.
const MAX_DEPTH: usize = 32;
/// Deepest nesting of `map`, `filter`, `all`, `exists`, `exists_one`.
const MAX_COMPREHENSIONS: usize = 2;

/// The functions that an expression may call. None of them reads a clock or draws lots.
const FUNCTIONS: [&str; 25] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "bytes",
    "type",
    "dyn",
    "duration",
    "timestamp",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
];

/// Macros: a call of one that is still in the tree has the wrong arguments.
const MACROS: [&str; 6] = ["has", "map", "filter", "all", "exists", "exists_one"];

/// Names of types, as `type(x) == string` uses them.
const TYPES: [&str; 10] = [
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
];

/// One selection of a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Segment {
    Key(String),
    Index(i64),
}

/// Which part of a value an expression reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fields {
    All,
    Only(BTreeMap<String, Fields>),
}

impl Default for Fields {
    fn default() -> Self {
        Self::Only(BTreeMap::new())
    }
}

impl Fields {
    fn add(&mut self, path: &[Segment]) {
        let Self::Only(fields) = self else { return };
        match path.split_first() {
            Some((Segment::Key(key), rest)) => fields.entry(key.clone()).or_default().add(rest),
            _ => *self = Self::All,
        }
    }
}

/// What an expression reads, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    roots: BTreeMap<String, Fields>,
}

impl Uses {
    /// The names it begins paths with.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        self.roots.keys().map(String::as_str)
    }

    /// What it reads of one name; none if it does not read it.
    pub fn of(&self, root: &str) -> Option<&Fields> {
        self.roots.get(root)
    }

    /// The steps whose output it reads, each with whether it reads `outputs` (of a `for_each`) or `output`.
    pub fn steps(&self) -> BTreeSet<(&str, bool)> {
        let Some(Fields::Only(steps)) = self.roots.get("steps") else {
            return BTreeSet::new();
        };
        let kinds = steps.iter().flat_map(|(id, fields)| match fields {
            Fields::Only(kinds) => kinds.keys().map(|kind| (id.as_str(), kind == "outputs")).collect(),
            Fields::All => Vec::new(),
        });
        kinds.collect()
    }

    /// Notes a path. What comes after `steps` must be written out, so that a plan's edges can be read off.
    pub(super) fn read(&mut self, root: &str, path: &[Segment]) -> Result<(), ExprFault> {
        if root == "steps" {
            match path {
                [Segment::Key(_), Segment::Key(kind), ..] if kind == "output" || kind == "outputs" => {}
                [Segment::Key(id), ..] => {
                    return Err(ExprFault {
                        message: format!("of step {id:?} only `output` (or `outputs`, of a for_each) can be read"),
                        suggestion: Some(format!("write steps.{id}.output")),
                    });
                }
                _ => {
                    return Err(ExprFault {
                        message: "`steps` can only be read by a step's name".to_owned(),
                        suggestion: Some("write steps.ID.output".to_owned()),
                    });
                }
            }
        }
        self.roots.entry(root.to_owned()).or_default().add(path);
        Ok(())
    }
}

/// Judges a tree and tells what it reads.
pub(super) fn walk(expr: &IdedExpr) -> Result<Uses, ExprFault> {
    let mut walker = Walker::default();
    walker.node(expr, 1, 0)?;
    Ok(walker.uses)
}

#[derive(Default)]
struct Walker {
    uses: Uses,
    nodes: usize,
    /// Variables of the comprehensions around the node.
    bound: Vec<String>,
}

impl Walker {
    fn node(&mut self, expr: &IdedExpr, depth: usize, loops: usize) -> Result<(), ExprFault> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(ExprFault::new(format!(
                "the expression is too large: more than {MAX_NODES} parts"
            )));
        }
        if depth > MAX_DEPTH {
            return Err(ExprFault::new(format!(
                "the expression is too deep: more than {MAX_DEPTH} levels"
            )));
        }
        if let Some((root, path)) = path_of(expr) {
            return self.name(root, &path);
        }
        match &expr.expr {
            Expr::Call(call) => self.call(call, depth, loops),
            Expr::Comprehension(c) => self.comprehension(c, depth, loops),
            Expr::Select(select) => self.node(&select.operand, depth + 1, loops),
            Expr::List(list) => self.nodes(list.elements.iter(), depth, loops),
            Expr::Map(map) => self.entries(&map.entries, depth, loops),
            Expr::Struct(s) => Err(ExprFault::new(format!("there is no type {:?} to build", s.type_name))),
            Expr::Literal(_) | Expr::Ident(_) | Expr::Unspecified => Ok(()),
        }
    }

    fn nodes<'e>(
        &mut self,
        all: impl Iterator<Item = &'e IdedExpr>,
        depth: usize,
        loops: usize,
    ) -> Result<(), ExprFault> {
        for expr in all {
            self.node(expr, depth + 1, loops)?;
        }
        Ok(())
    }

    fn entries(
        &mut self,
        entries: &[cel::common::ast::IdedEntryExpr],
        depth: usize,
        loops: usize,
    ) -> Result<(), ExprFault> {
        for entry in entries {
            match &entry.expr {
                EntryExpr::MapEntry(e) => self.nodes([&e.key, &e.value].into_iter(), depth, loops)?,
                EntryExpr::StructField(e) => self.node(&e.value, depth + 1, loops)?,
            }
        }
        Ok(())
    }

    /// The name at the beginning of a path.
    fn name(&mut self, root: &str, path: &[Segment]) -> Result<(), ExprFault> {
        self.nodes += path.len();
        let internal = root.starts_with('@');
        if internal || self.bound.iter().any(|b| b == root) || (path.is_empty() && TYPES.contains(&root)) {
            return Ok(());
        }
        self.uses.read(root, path)
    }

    fn call(&mut self, call: &CallExpr, depth: usize, loops: usize) -> Result<(), ExprFault> {
        let name = call.func_name.as_str();
        let operator = name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.')
            || (name.starts_with('_') && name.ends_with('_'));
        if !operator && !FUNCTIONS.contains(&name) {
            let near = nearest(name, FUNCTIONS.into_iter().chain(MACROS));
            return Err(ExprFault {
                message: format!("there is no function {name:?} with these arguments"),
                suggestion: near.map(|near| format!("did you mean {near:?}?")),
            });
        }
        self.nodes(call.target.iter().map(AsRef::as_ref).chain(&call.args), depth, loops)
    }

    fn comprehension(&mut self, c: &ComprehensionExpr, depth: usize, loops: usize) -> Result<(), ExprFault> {
        if loops >= MAX_COMPREHENSIONS {
            return Err(ExprFault::new(format!(
                "loops (map, filter, all, exists) are nested too deep: at most {MAX_COMPREHENSIONS}"
            )));
        }
        self.node(&c.iter_range, depth + 1, loops)?;
        self.node(&c.accu_init, depth + 1, loops)?;
        let outside = self.bound.len();
        self.bound.push(c.iter_var.clone());
        self.bound.extend(c.iter_var2.clone());
        self.nodes([&c.loop_cond, &c.loop_step, &c.result].into_iter(), depth, loops + 1)?;
        self.bound.truncate(outside);
        Ok(())
    }
}

/// The path that a node spells: a name, and selections and constant indices on it.
fn path_of(expr: &IdedExpr) -> Option<(&str, Vec<Segment>)> {
    let mut node = expr;
    let mut path = Vec::new();
    loop {
        match &node.expr {
            Expr::Ident(name) => {
                path.reverse();
                return Some((name, path));
            }
            Expr::Select(select) => {
                path.push(Segment::Key(select.field.clone()));
                node = &select.operand;
            }
            Expr::Call(call) if call.func_name == operators::INDEX && call.target.is_none() => {
                let [operand, index] = &call.args[..] else { return None };
                path.push(constant(index)?);
                node = operand;
            }
            _ => return None,
        }
        if path.len() > MAX_DEPTH {
            return None;
        }
    }
}

fn constant(index: &IdedExpr) -> Option<Segment> {
    match &index.expr {
        Expr::Literal(LiteralValue::String(s)) => Some(Segment::Key(s.inner().to_owned())),
        Expr::Literal(LiteralValue::Int(i)) => Some(Segment::Index(*i.inner())),
        _ => None,
    }
}
