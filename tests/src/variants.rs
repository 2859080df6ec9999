//! Tools that do what `set` does, under contracts that differ from its in one point each.

use flyball_engine::contract::{Contract, Contracts, EffectClass, Probe, Resend};
use flyball_engine::span::Span;
use flyball_engine::tool::ToolName;

/// Their names.
pub const NAMES: [&str; 8] = [
    "set_keyed",
    "set_bound",
    "set_never",
    "set_stale",
    "set_again",
    "set_in_part",
    "set_unseen",
    "set_patient",
];

/// Adds them to the world's contracts.
pub(crate) fn with_variants(mut contracts: Contracts) -> Contracts {
    let set = contracts.of(&ToolName::new("world", "set"));
    for name in NAMES {
        let contract = varied(name, set.clone());
        contracts.contracts.insert(ToolName::new("world", name), contract);
    }
    contracts
}

fn varied(name: &str, mut contract: Contract) -> Contract {
    match name {
        // The server carries a key out once, whoever sends it how often.
        "set_keyed" => contract.idempotency_arg = Some("request".into()),
        "set_bound" => contract.resend = Resend::Bound,
        "set_never" => contract.resend = Resend::Never,
        "set_stale" => {
            contract.refuses_stale = true;
            // Longer than its time to be sent, with all by which the clocks may differ.
            contract.settle_after = Some(Span::secs(20));
        }
        // Its errors tell how far it came.
        "set_in_part" => contract.partial_when = Some("has(output.sent) && output.sent > 0".into()),
        // No reading shows whether it was done; its own answer does.
        "set_unseen" => {
            contract.probe = contract.probe.map(|probe| Probe {
                select: Some("'unknown'".into()),
                ..probe
            });
            contract.holds = Some("state == 'done' || output.ok".into());
        }
        "set_again" => contract.effect = EffectClass::Idempotent,
        // It is waited for longer than a call can take to land.
        "set_patient" => {
            contract.effect = EffectClass::Idempotent;
            contract.timeout = Some(Span::secs(12));
        }
        other => unreachable!("{other} is among the names and no variant"),
    }
    contract
}
