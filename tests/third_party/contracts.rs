//! The contracts against the tools as the servers list them.

use crate::rig::{Rig, contract_files, plan};
use flyball_engine::contract::load::load;
use flyball_engine::plan::check::{CheckContext, Limits, check};
use flyball_engine::ports::ToolExecutor;
use serde_json::Value;

/// What counts as irreversible, on purpose.
const WITHOUT: [&str; 4] = [
    "everything/simulate-research-query",
    "everything/toggle-simulated-logging",
    "everything/toggle-subscriber-updates",
    // Offered to whoever can be asked.
    "everything/trigger-elicitation-request",
];

#[test]
fn every_expression_of_the_example_contracts_compiles() {
    let contracts = load(&contract_files(), None).unwrap_or_else(|faults| panic!("{faults:#?}"));
    assert!(contracts.contracts.len() > 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tool_of_the_five_servers_has_a_contract_and_the_plan_fits_them() {
    let Some(rig) = Rig::start().await else { return };
    let catalogue = rig.executors.catalogue();
    let contracts = load(&contract_files(), Some(&catalogue)).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let without: Vec<String> = catalogue
        .tools
        .keys()
        .filter(|tool| !contracts.contracts.contains_key(tool))
        .map(ToString::to_string)
        .collect();
    assert_eq!(without, WITHOUT);
    let idle: Vec<_> = contracts
        .contracts
        .keys()
        .filter(|tool| catalogue.get(tool).is_none())
        .collect();
    assert!(idle.is_empty(), "contracts for tools that are not there: {idle:?}");
    let context = CheckContext {
        catalogue: &catalogue,
        contracts: &contracts,
        params: Value::Null,
        alarm: Value::Null,
        limits: Limits::default(),
    };
    check(&plan(), &context).unwrap_or_else(|faults| panic!("{faults:#?}"));
    rig.end().await;
}
