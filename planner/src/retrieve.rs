//! The few tools that matter for an intent. A score over names and descriptions, never the whole catalogue.

use crate::words::keywords;
use flyball_engine::ports::PlanningContext;
use flyball_engine::tool::{CatalogueTool, PinState, ToolName};
use std::collections::{BTreeMap, BTreeSet};

/// Most tools that a model is shown.
pub(crate) const MOST_TOOLS: usize = 8;

/// The tools to show, best first. Without `writes` only those whose contract says that they read; never one whose
/// definition nobody signed, and no preview: the engine takes those itself.
pub(crate) fn tools<'a>(
    text: &str,
    writes: bool,
    context: &'a PlanningContext,
) -> Vec<(&'a ToolName, &'a CatalogueTool)> {
    let said: BTreeSet<String> = keywords(text).into_iter().collect();
    let previews: BTreeSet<&ToolName> = context
        .contracts
        .contracts
        .values()
        .filter_map(|c| c.preview.as_ref())
        .map(|p| &p.tool)
        .collect();
    let usable = |name: &ToolName, tool: &CatalogueTool| {
        let reads = !context.contracts.of(name).effect.mutates();
        tool.pin == PinState::Pinned && !previews.contains(name) && (reads || writes)
    };
    let candidates: Vec<_> = context
        .catalogue
        .tools
        .iter()
        .filter(|(name, tool)| usable(name, tool))
        .collect();
    let rarity = rarity(&candidates);
    let mut scored: Vec<(f64, (&ToolName, &CatalogueTool))> = candidates
        .into_iter()
        .map(|(name, tool)| (score(&said, name, tool, &rarity), (name, tool)))
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.0.cmp(b.1.0)));
    let mut shown: Vec<_> = scored.iter().take(MOST_TOOLS).map(|(_, tool)| *tool).collect();
    keep_a_lister(&mut shown, &scored);
    shown
}

/// A group of things can only be changed through a list of them: the best tool that lists stays in view.
fn keep_a_lister<'a>(
    shown: &mut [(&'a ToolName, &'a CatalogueTool)],
    scored: &[(f64, (&'a ToolName, &'a CatalogueTool))],
) {
    let lists = |name: &ToolName| name.tool().starts_with("list");
    let best = scored.iter().map(|(_, tool)| *tool).find(|(name, _)| lists(name));
    if let (Some(best), false, Some(last)) = (best, shown.iter().any(|(name, _)| lists(name)), shown.last_mut()) {
        *last = best;
    }
}

/// How much a word tells: one that every tool has tells little.
fn rarity(candidates: &[(&ToolName, &CatalogueTool)]) -> BTreeMap<String, f64> {
    let mut seen: BTreeMap<String, f64> = BTreeMap::new();
    for (name, tool) in candidates {
        let words: BTreeSet<String> = keywords(&format!("{name} {}", tool.spec.description))
            .into_iter()
            .collect();
        for word in words {
            *seen.entry(word).or_default() += 1.0;
        }
    }
    let all = candidates.len() as f64;
    seen.into_iter().map(|(word, n)| (word, (1.0 + all / n).ln())).collect()
}

fn score(said: &BTreeSet<String>, name: &ToolName, tool: &CatalogueTool, rarity: &BTreeMap<String, f64>) -> f64 {
    let sum = |text: &str| -> f64 {
        let words: BTreeSet<String> = keywords(text).into_iter().collect();
        words
            .intersection(said)
            .map(|word| rarity.get(word).copied().unwrap_or_default())
            .sum()
    };
    3.0 * sum(name.tool()) + sum(name.server()) + sum(&tool.spec.description)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::context;

    fn names(text: &str, writes: bool) -> Vec<String> {
        let context = context();
        tools(text, writes, &context)
            .iter()
            .map(|(name, _)| name.to_string())
            .collect()
    }

    #[test]
    fn the_tools_that_the_text_speaks_of_come_first() {
        assert_eq!(names("configure ospf on r1", true)[0], "config/configure_ospf");
        assert_eq!(
            names("who are the ospf neighbours of r1", false)[0],
            "telemetry/ospf_neighbors"
        );
    }

    #[test]
    fn a_text_that_only_wants_to_know_is_shown_no_tool_that_writes() {
        assert!(
            names("show ospf", false)
                .iter()
                .all(|name| !name.starts_with("config/"))
        );
    }
}
