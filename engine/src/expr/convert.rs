//! JSON to CEL and back, by our own rules: JSON integers are ints in CEL, and come back as integers. Only what an
//! expression reads is converted, so that an item of a long list does not cost the list.

use super::walk::Fields;
use cel::Value as Cel;
use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt};
use cel::common::value::Val;
use serde_json::{Map, Number, Value};
use std::collections::HashMap;

/// A value as CEL sees it, text borrowed.
pub(super) fn to_cel<'v>(value: &'v Value, wanted: &Fields) -> Box<dyn Val + 'v> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(b) => Box::new(CelBool::from(*b)),
        Value::Number(n) => number(n),
        Value::String(s) => Box::new(CelString::from(s.as_str())),
        Value::Array(items) => list(items.iter()),
        Value::Object(fields) => object(fields, wanted),
    }
}

fn number<'v>(number: &Number) -> Box<dyn Val + 'v> {
    match (number.as_i64(), number.as_u64()) {
        (Some(i), _) => Box::new(CelInt::from(i)),
        (None, Some(u)) => Box::new(CelUInt::from(u)),
        _ => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
    }
}

fn object<'v>(fields: &'v Map<String, Value>, wanted: &Fields) -> Box<dyn Val + 'v> {
    match wanted {
        Fields::All => map(fields.iter().map(|(k, v)| (k.as_str(), to_cel(v, &Fields::All)))),
        Fields::Only(only) => {
            let found = only.iter().filter_map(|(key, sub)| {
                let (key, value) = fields.get_key_value(key)?;
                Some((key.as_str(), to_cel(value, sub)))
            });
            map(found)
        }
    }
}

/// A list of CEL.
pub(super) fn list<'v>(items: impl Iterator<Item = &'v Value>) -> Box<dyn Val + 'v> {
    let items: Vec<_> = items.map(|v| to_cel(v, &Fields::All)).collect();
    Box::new(CelList::from(items))
}

/// A map of CEL.
pub(super) fn map<'v>(entries: impl Iterator<Item = (&'v str, Box<dyn Val + 'v>)>) -> Box<dyn Val + 'v> {
    let entries: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> = entries.map(|(k, v)| (CelMapKey::from(k), v)).collect();
    Box::new(CelMap::from(entries))
}

/// A result as JSON; what JSON has no form for is an error.
pub(super) fn to_json(value: &Cel) -> Result<Value, String> {
    Ok(match value {
        Cel::Null => Value::Null,
        Cel::Bool(b) => Value::from(*b),
        Cel::Int(i) => Value::from(*i),
        Cel::UInt(u) => Value::from(*u),
        Cel::Float(f) => Number::from_f64(*f)
            .map(Value::Number)
            .ok_or_else(|| format!("{f} is no number in JSON"))?,
        Cel::String(s) => Value::from(s.as_str()),
        Cel::List(items) => items.iter().map(to_json).collect::<Result<Vec<_>, _>>()?.into(),
        Cel::Map(map) => {
            let fields = map.map.iter().map(|(k, v)| Ok((k.to_string(), to_json(v)?)));
            // Sorted, since a CEL map has no order and a result must be the same each time.
            let mut fields = fields.collect::<Result<Vec<_>, String>>()?;
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Cel::Timestamp(t) => Value::from(t.to_rfc3339()),
        other => return Err(format!("a result of type {} has no form in JSON", other.type_of())),
    })
}
