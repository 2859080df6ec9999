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
    let variants: [(&str, Contract); 8] = [
        // The server carries a key out once, whoever sends it how often.
        (
            "set_keyed",
            Contract {
                idempotency_arg: Some("request".into()),
                ..set.clone()
            },
        ),
        (
            "set_bound",
            Contract {
                resend: Resend::Bound,
                ..set.clone()
            },
        ),
        (
            "set_never",
            Contract {
                resend: Resend::Never,
                ..set.clone()
            },
        ),
        (
            "set_stale",
            Contract {
                refuses_stale: true,
                // Longer than its time to be sent, with all by which the clocks may differ.
                settle_after: Some(Span::secs(20)),
                ..set.clone()
            },
        ),
        // Its errors tell how far it came.
        (
            "set_in_part",
            Contract {
                partial_when: Some("has(output.sent) && output.sent > 0".into()),
                ..set.clone()
            },
        ),
        // No reading shows whether it was done; its own answer does.
        (
            "set_unseen",
            Contract {
                probe: set.probe.clone().map(|probe| Probe {
                    select: Some("'unknown'".into()),
                    ..probe
                }),
                holds: Some("state == 'done' || output.ok".into()),
                ..set.clone()
            },
        ),
        (
            "set_again",
            Contract {
                effect: EffectClass::Idempotent,
                ..set.clone()
            },
        ),
        // It is waited for longer than a call can take to land.
        (
            "set_patient",
            Contract {
                effect: EffectClass::Idempotent,
                timeout: Some(Span::secs(12)),
                ..set
            },
        ),
    ];
    for (name, contract) in variants {
        contracts.contracts.insert(ToolName::new("world", name), contract);
    }
    contracts
}
