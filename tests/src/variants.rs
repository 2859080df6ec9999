//! Tools that do what `set` does, under contracts that differ from its in one point each.

use flyball_engine::contract::{Contract, Contracts, EffectClass, Probe, Resend};
use flyball_engine::span::Span;
use flyball_engine::tool::ToolName;

/// Their names.
pub const NAMES: [&str; 10] = [
    "set_keyed",
    "set_bound",
    "set_never",
    "set_stale",
    "set_again",
    "set_in_part",
    "set_unseen",
    "set_patient",
    "set_both_ways",
    "set_both_ways_unread",
];

/// The same of `unset`.
pub const UNSETS: [&str; 2] = ["unset_again", "unset_stale"];

/// Adds them to the world's contracts.
pub(crate) fn with_variants(mut contracts: Contracts) -> Contracts {
    for (of, names) in [("set", &NAMES[..]), ("unset", &UNSETS[..])] {
        let contract = contracts.of(&ToolName::new("world", of));
        for name in names {
            let contract = varied(name, contract.clone());
            contracts.contracts.insert(ToolName::new("world", *name), contract);
        }
    }
    contracts
}

/// Its way back is made with these tools.
fn back_by(contract: &mut Contract, set: &str, unset: &str) {
    for undo in &mut contract.undo {
        let tool = if undo.tool.tool() == "set" { set } else { unset };
        undo.tool = ToolName::new("world", tool);
    }
}

fn varied(name: &str, mut contract: Contract) -> Contract {
    match name {
        // The server carries a key out once, whoever sends it how often.
        "set_keyed" => contract.idempotency_arg = Some("request".into()),
        "set_bound" => contract.resend = Resend::Bound,
        "set_never" => contract.resend = Resend::Never,
        "set_stale" | "unset_stale" => {
            back_by(&mut contract, "set_stale", "unset_stale");
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
        "set_again" | "unset_again" => contract.effect = EffectClass::Idempotent,
        // What takes it back may be repeated as well.
        "set_both_ways" => {
            back_by(&mut contract, "set_both_ways", "unset_again");
            contract.effect = EffectClass::Idempotent;
        }
        // The same where nothing can be read.
        "set_both_ways_unread" => {
            contract.effect = EffectClass::Idempotent;
            back_by(&mut contract, "set_both_ways", "unset_again");
            contract.undo.truncate(1);
            contract.undo[0].when = None;
            (contract.probe, contract.holds, contract.output_from_state) = (None, None, None);
        }
        // It is waited for longer than a call can take to land.
        "set_patient" => {
            contract.effect = EffectClass::Idempotent;
            contract.timeout = Some(Span::secs(12));
        }
        other => unreachable!("{other} is among the names and no variant"),
    }
    contract
}
