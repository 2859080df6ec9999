//! Plain paths, `root.field['key'][0]`: answered without CEL, with CEL's meaning.

use super::walk::Segment;
use super::{Bindings, ExprFault, Root, Uses, is_identifier, kind_of};
use serde_json::Value;

/// Longer paths go through CEL and its limits.
const MAX_SEGMENTS: usize = 16;

/// A name and what is selected from it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    root: String,
    segments: Vec<Segment>,
}

impl Path {
    /// The path that a text is; none if it is anything more, or nothing at all.
    pub(super) fn parse(source: &str) -> Option<Self> {
        let text = source.trim();
        let end = text.find(['.', '[']).unwrap_or(text.len());
        let (root, mut rest) = text.split_at(end);
        if !is_identifier(root) {
            return None;
        }
        let mut segments = Vec::new();
        while !rest.is_empty() {
            let (segment, after) = segment(rest)?;
            segments.push(segment);
            rest = after;
        }
        (segments.len() <= MAX_SEGMENTS).then(|| Self {
            root: root.to_owned(),
            segments,
        })
    }

    pub(super) fn uses(&self) -> Result<Uses, ExprFault> {
        let mut uses = Uses::default();
        uses.read(&self.root, &self.segments)?;
        Ok(uses)
    }

    /// The value at the path.
    pub(super) fn read(&self, bindings: &Bindings) -> Result<Value, String> {
        let root = Root::named(&self.root).ok_or_else(|| format!("{:?} is not bound", self.root))?;
        if root == Root::Steps {
            return self.read_step(bindings);
        }
        let value = bindings
            .root(root)
            .ok_or_else(|| format!("{:?} is not bound", self.root))?;
        descend(value, &self.segments).cloned()
    }

    fn read_step(&self, bindings: &Bindings) -> Result<Value, String> {
        let [Segment::Key(id), Segment::Key(kind), rest @ ..] = &self.segments[..] else {
            return Err("write steps.ID.output".to_owned());
        };
        let missing = || format!("step {id:?} has no {kind}");
        match (kind.as_str(), rest) {
            ("output", rest) => descend(bindings.output(id).ok_or_else(missing)?, rest).cloned(),
            (_, [Segment::Index(at), rest @ ..]) => {
                let outputs = bindings.outputs(id).ok_or_else(missing)?;
                let found = usize::try_from(*at).ok().and_then(|at| outputs.get(at));
                descend(found.ok_or_else(|| no_element(*at, outputs.len()))?, rest).cloned()
            }
            _ => {
                let object = bindings.step_object(id).ok_or_else(missing)?;
                descend(&object, &self.segments[1..]).cloned()
            }
        }
    }
}

fn segment(rest: &str) -> Option<(Segment, &str)> {
    if let Some(rest) = rest.strip_prefix('.') {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        return is_identifier(name).then(|| (Segment::Key(name.to_owned()), after));
    }
    let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
    if !inside.is_empty() && inside.len() < 10 && inside.bytes().all(|b| b.is_ascii_digit()) {
        return Some((Segment::Index(inside.parse().ok()?), after));
    }
    let quote = inside.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let key = inside.strip_prefix(quote)?.strip_suffix(quote)?;
    let plain = !key.is_empty() && !key.contains(['\\', '\'', '"']);
    plain.then(|| (Segment::Key(key.to_owned()), after))
}

fn descend<'v>(mut value: &'v Value, segments: &[Segment]) -> Result<&'v Value, String> {
    for segment in segments {
        value = match (segment, value) {
            (Segment::Key(key), Value::Object(map)) => map.get(key).ok_or_else(|| format!("no such key: {key}"))?,
            (Segment::Index(at), Value::Array(list)) => usize::try_from(*at)
                .ok()
                .and_then(|i| list.get(i))
                .ok_or_else(|| no_element(*at, list.len()))?,
            (Segment::Key(key), other) => return Err(format!("{} has no key {key}", kind_of(other))),
            (Segment::Index(at), other) => return Err(format!("{} has no element {at}", kind_of(other))),
        };
    }
    Ok(value)
}

fn no_element(at: i64, length: usize) -> String {
    format!("no element {at} in a list of {length}")
}
