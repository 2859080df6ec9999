//! The change in the devices' own words, with the way back beside it.

use super::super::dto::{ChangeView, DeviceDiff, DiffView};
use super::{Values, mutating, shown_target};
use flyball_engine::ids::ItemId;
use flyball_engine::intent::event::WayBack;
use flyball_engine::intent::item::{ItemState, ItemStatus};
use flyball_engine::intent::state::IntentState;
use flyball_engine::tool::ToolName;
use serde_json::Value;

/// The diff of every mutating item, by device; of one device if `only` names it.
pub async fn diff(state: &IntentState, values: &Values<'_>, only: Option<&str>) -> DiffView {
    let mut view = DiffView {
        intent: state.id.to_string(),
        digest: state.judged.as_ref().map(|j| j.digest.to_string()),
        devices: Vec::new(),
    };
    for (id, item) in mutating(state) {
        let Some(tool) = tool_of(state, id) else { continue };
        let device = shown_target(item, tool.server());
        if only.is_some_and(|o| o != device && format!("device:{device}") != o) {
            continue;
        }
        let change = change(id, item, &tool, values).await;
        match view.devices.iter_mut().find(|d| d.device == device) {
            Some(d) => d.changes.push(change),
            None => view.devices.push(DeviceDiff {
                device,
                changes: vec![change],
            }),
        }
    }
    view
}

fn tool_of(state: &IntentState, item: &ItemId) -> Option<ToolName> {
    let (step, _) = state.accepted.as_ref()?.plan.step(&item.step)?;
    Some(step.tool.clone())
}

pub(super) async fn change(id: &ItemId, item: &ItemState, tool: &ToolName, values: &Values<'_>) -> ChangeView {
    let preview = values.shown_if(item.preview.as_ref()).await;
    let native = preview.as_ref().and_then(|p| lines(p, "lines"));
    let reverse = preview.as_ref().and_then(|p| lines(p, "reverse"));
    let (way_back, irreversible) = way_back(item, reverse, values).await;
    if item.expanded.undoes.is_some() {
        return taking_back(id, item, tool, values, (native, way_back, irreversible)).await;
    }
    let forward = match native {
        Some(lines) => lines,
        None => call_lines(tool, values.shown_if(item.expanded.args.as_ref()).await.as_ref()),
    };
    let unchanged = item.status == ItemStatus::Satisfied;
    ChangeView {
        item: id.to_string(),
        tool: tool.to_string(),
        status: item.status.api_name().to_owned(),
        wave: item.expanded.wave,
        lines: if unchanged { Vec::new() } else { forward },
        way_back: if unchanged { Vec::new() } else { way_back },
        irreversible: irreversible && !unchanged,
        unchanged,
    }
}

/// An earlier intent's call that is taken back: what is sent now is its way back, and what would bring it again is the
/// call itself, asked for anew.
async fn taking_back(
    id: &ItemId,
    item: &ItemState,
    tool: &ToolName,
    values: &Values<'_>,
    (native, back, irreversible): (Option<Vec<String>>, Vec<String>, bool),
) -> ChangeView {
    let undo = match &item.way_back {
        Some(WayBack::Call(undo)) => undo.tool.to_string(),
        _ => tool.to_string(),
    };
    let again = match native {
        Some(lines) => lines,
        None => call_lines(tool, values.shown_if(item.expanded.args.as_ref()).await.as_ref()),
    };
    let unchanged = item.status == ItemStatus::Undone && !item.was_sent();
    let (lines, way_back) = if irreversible {
        (Vec::new(), back)
    } else {
        (back, again)
    };
    ChangeView {
        item: id.to_string(),
        tool: undo,
        status: item.status.api_name().to_owned(),
        wave: item.expanded.wave,
        lines: if unchanged { Vec::new() } else { lines },
        way_back: if unchanged { Vec::new() } else { way_back },
        irreversible,
        unchanged,
    }
}

/// The way back as native lines where it is known as such, else as the call that takes it back.
async fn way_back(item: &ItemState, reverse: Option<Vec<String>>, values: &Values<'_>) -> (Vec<String>, bool) {
    match &item.way_back {
        None => (Vec::new(), false),
        Some(WayBack::Irreversible { why }) => (vec![why.clone()], true),
        Some(WayBack::Call(undo)) => {
            let args = values.shown(&undo.args).await;
            let native = lines(&args, "lines").or(reverse).filter(|l| !l.is_empty());
            (native.unwrap_or_else(|| call_lines(&undo.tool, Some(&args))), false)
        }
    }
}

fn lines(value: &Value, key: &str) -> Option<Vec<String>> {
    let list = value.get(key)?.as_array()?;
    list.iter().map(|l| l.as_str().map(str::to_owned)).collect()
}

/// A call without native lines. One argument stands behind the tool (`config/save device=bj-core-1`), several below it, one
/// to a line; the lines of a text are set off by a bar, so that none of them passes for an argument.
fn call_lines(tool: &ToolName, args: Option<&Value>) -> Vec<String> {
    let map = match args {
        Some(Value::Object(map)) => map,
        Some(other) => return vec![format!("{tool} {other}")],
        None => return vec![format!("{tool} (arguments follow from a step before it)")],
    };
    let mut below = Vec::new();
    for (key, value) in map {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if value.contains(['\n', '\r']) {
            below.push(format!("{key}:"));
            below.extend(value.split('\n').map(|l| format!("| {}", l.trim_end_matches('\r'))));
        } else {
            below.push(format!("{key}={value}"));
        }
    }
    match &below[..] {
        [] => vec![tool.to_string()],
        [only] => vec![format!("{tool} {only}")],
        _ => {
            let below = below.into_iter().map(|l| format!("  {l}"));
            std::iter::once(tool.to_string()).chain(below).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_argument_of_a_call_without_a_preview_has_its_own_line() {
        let tool: ToolName = "files/write_file".parse().unwrap();
        let told = |args: Value| call_lines(&tool, Some(&args));
        assert_eq!(told(json!({"path": "/a b"})), ["files/write_file path=/a b"]);
        assert_eq!(
            told(json!({"content": "# CHG-2041\n  path=/etc/passwd\n", "mode": 420, "path": "/srv/x"})),
            [
                "files/write_file",
                "  content:",
                "  | # CHG-2041",
                "  |   path=/etc/passwd",
                "  | ",
                "  mode=420",
                "  path=/srv/x"
            ]
        );
        assert_eq!(told(json!({})), ["files/write_file"]);
    }
}
