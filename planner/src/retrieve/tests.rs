use super::*;
use crate::fixtures::context;

fn retrieved(text: &str) -> ToolsRetrieved {
    tools(text, &Ground::of(text), &context()).record
}

fn names(text: &str) -> Vec<String> {
    retrieved(text).shown.iter().map(ToString::to_string).collect()
}

fn why(text: &str, tool: &str) -> Option<WhyNot> {
    let record = retrieved(text);
    record
        .not_shown
        .iter()
        .find(|left| left.tool.to_string() == tool)
        .map(|left| left.why)
}

#[test]
fn the_tools_that_the_text_speaks_of_come_first() {
    assert_eq!(names("configure ospf on r1")[0], "config/configure_ospf");
    assert_eq!(
        names("who are the ospf neighbours of r1")[0],
        "telemetry/ospf_neighbors"
    );
    assert_eq!(names("which adjacencies does r1 have")[0], "telemetry/ospf_neighbors");
}

#[test]
fn a_text_that_only_wants_to_know_is_shown_no_tool_that_writes() {
    assert!(names("show ospf").iter().all(|name| !name.starts_with("config/")));
    assert_eq!(why("show ospf", "config/configure_ospf"), Some(WhyNot::NotAsked));
}

#[test]
fn a_kind_of_change_that_nobody_asked_for_is_not_offered() {
    assert_eq!(
        why("configure ospf on r1", "config/remove_ospf"),
        Some(WhyNot::NotAsked)
    );
    assert_eq!(
        why("remove ospf from r1", "config/configure_ospf"),
        Some(WhyNot::NotAsked)
    );
}

#[test]
fn a_tool_that_nobody_signed_is_not_shown_and_the_record_says_so() {
    let mut context = context();
    let name: ToolName = "telemetry/ospf_neighbors".parse().unwrap();
    let mut catalogue = (*context.catalogue).clone();
    catalogue.tools.get_mut(&name).unwrap().pin = PinState::Changed;
    context.catalogue = catalogue.into();
    let text = "ospf neighbors of r1";
    let record = tools(text, &Ground::of(text), &context).record;
    assert!(!record.shown.contains(&name));
    let left = record.not_shown.iter().find(|left| left.tool == name).unwrap();
    assert_eq!(left.why, WhyNot::Unsigned);
}

/// A catalogue in which many tools say the words of the first part of an intent.
fn crowded() -> PlanningContext {
    let mut context = context();
    let mut catalogue = (*context.catalogue).clone();
    for n in 0..40 {
        let name: ToolName = format!("other/ospf_report_{n}").parse().unwrap();
        let mut tool = catalogue.tools.values().next().unwrap().clone();
        tool.spec.name = name.clone();
        tool.spec.description = "OSPF neighbors report of a device".into();
        let mut contracts = (*context.contracts).clone();
        let read = contracts.of(&"telemetry/ospf_neighbors".parse().unwrap());
        contracts.contracts.insert(name.clone(), read);
        context.contracts = contracts.into();
        catalogue.tools.insert(name, tool);
    }
    context.catalogue = catalogue.into();
    context
}

#[test]
fn a_later_step_finds_its_tool_though_the_first_step_s_words_are_everywhere() {
    let context = crowded();
    let text = "Report the OSPF neighbors of r1, and then set the description of its interface eth0 to x";
    let found = tools(text, &Ground::of(text), &context);
    assert_eq!(found.tools.len(), MOST_TOOLS);
    let shown: Vec<String> = found.record.shown.iter().map(ToString::to_string).collect();
    assert!(shown.contains(&"config/set_interface".to_owned()), "{shown:?}");
    assert_eq!(found.record.not_shown.len() as u64 + found.record.others, 47 - 8);
}

#[test]
fn a_group_of_things_brings_the_tool_that_lists_them() {
    let context = crowded();
    let text = "Report the OSPF neighbors of every core router";
    let found = tools(text, &Ground::of(text), &context).record;
    let lister: ToolName = "inventory/list_devices".parse().unwrap();
    assert!(found.shown.contains(&lister), "{found:?}");
}

#[test]
fn what_is_shown_has_room_in_the_prompt() {
    let mut context = crowded();
    let mut catalogue = (*context.catalogue).clone();
    for tool in catalogue.tools.values_mut() {
        let properties: serde_json::Map<String, Value> = (0..400)
            .map(|n| (format!("ospf_field_{n}"), serde_json::json!({"type": "string"})))
            .collect();
        tool.spec.input_schema = serde_json::json!({"type": "object", "properties": properties});
    }
    context.catalogue = catalogue.into();
    let text = "OSPF neighbors report";
    let record = tools(text, &Ground::of(text), &context).record;
    assert!(record.tokens <= MOST_TOKENS && !record.shown.is_empty(), "{record:?}");
}
