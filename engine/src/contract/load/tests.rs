use super::*;
use crate::span::Span;
use serde_json::json;

const READS: &str = "
  config/get_ospf: {effect: read}
  config/preview_ospf: {effect: read}
";

/// The contract of the design, as it stands there.
const OSPF: &str = "
  config/configure_ospf:
    effect: reversible
    targets: \"['device:' + args.device]\"
    preview: {tool: config/preview_ospf, args: \"${args}\"}
    probe: {tool: config/get_ospf, args: {device: \"${args.device}\"}, valid: \"has(output.processes)\", select: \"output.processes\"}
    holds: \"state.exists(p, (!has(args.process_id) || p.id == args.process_id) && args.area in p.areas)\"
    holds_within: 5s
    undo:
      - {when: \"before.size() == 0\", tool: config/remove_ospf, args: {device: \"${args.device}\"}}
      - {tool: config/apply_lines, args: {device: \"${args.device}\", lines: \"${preview.reverse}\"}}
    timeout: 20s
    settle_after: 10s
    resend: fenced
    fails_when: \"has(output.result) && output.result.contains('% Unknown command')\"
    error_means: unknown
    refuse_when: \"args.device == ''\"
    output_from_state: \"{'device': args.device}\"
";

fn document(body: &str) -> Document {
    Document::parse("c.yaml", &format!("contracts:\n{}\n", body.trim_matches('\n'))).unwrap()
}

fn catalogue() -> Catalogue {
    let tool = |name: &str| ToolSpec {
        name: name.parse().unwrap(),
        description: String::new(),
        input_schema: json!({"type": "object", "properties": {"device": {"type": "string"}, "lines": {}}, "required": ["device"]}),
        output_schema: None,
        annotations: None,
    };
    Catalogue::of(
        [
            "configure_ospf",
            "get_ospf",
            "preview_ospf",
            "remove_ospf",
            "apply_lines",
        ]
        .map(|t| tool(&format!("config/{t}"))),
    )
}

fn faults(body: &str, catalogue: Option<&Catalogue>) -> Vec<DocumentFault> {
    load(&[document(body)], catalogue).expect_err(body)
}

#[test]
fn the_designs_contract_loads_with_and_without_a_catalogue() {
    let document = document(&format!("{READS}{OSPF}"));
    for catalogue in [None, Some(&catalogue())] {
        let contracts = load(std::slice::from_ref(&document), catalogue).unwrap();
        let contract = contracts.of(&"config/configure_ospf".parse().unwrap());
        assert_eq!((contract.effect, contract.undo.len()), (EffectClass::Reversible, 2));
    }
}

#[test]
fn a_later_file_replaces_a_tools_contract_whole_and_leaves_the_others() {
    let shipped = document(&format!("{READS}{OSPF}"));
    let own = document("  config/configure_ospf: {effect: irreversible}");
    let contracts = load(&[shipped, own], None).unwrap();
    let contract = contracts.of(&"config/configure_ospf".parse().unwrap());
    assert_eq!(contract.effect, EffectClass::Irreversible);
    assert!(contract.probe.is_none());
    assert_eq!(contracts.contracts.len(), 3);
}

#[test]
fn each_mistake_of_a_contract_has_its_line_and_what_would_be_right() {
    let base = |more: &str| format!("  a/get: {{effect: read}}\n  a/x:\n    effect: idempotent\n{more}");
    for (more, line, part) in [
        ("    targets: \"['device:' + arg.device]\"", 5, "args"),
        ("    targets: \"state.x\"", 5, "scope"),
        ("    targets: \"['a'\"", 5, ""),
        ("    refuse_when: \"output.x\"", 5, "scope"),
        (
            "    probe: {tool: a/get, args: {d: \"${args.d}\"}, valid: \"state.x\"}",
            5,
            "scope",
        ),
        ("    probe: {tool: a/get, args: {d: \"${output.d}\"}}", 5, "scope"),
        ("    probe: {tool: a/get, args: {d: \"${args.d\"}}", 5, "closed"),
        ("    probe: {tool: a/get, args: 7}", 5, "object"),
        ("    probe: {tool: a/other, args: {}}", 5, "effect: read"),
        ("    preview: {tool: a/x, args: {}}", 5, "effect: read"),
        ("    undo: [{tool: a/get, args: {}}]", 5, "only reads"),
        (
            "    undo:\n      - {tool: a/u, args: {}}\n      - {tool: a/v, args: {}}",
            6,
            "always fits",
        ),
        (
            "    undo:\n      - {tool: a/u, args: {}, when: \"befor.x\"}",
            6,
            "before",
        ),
        ("    confirm: {tool: a/c, args: {}}", 5, "does not go"),
        ("    holds: \"state.x\"", 5, "probe"),
        ("    holds_within: 5s", 5, "holds"),
        ("    target: \"[]\"", 5, "targets"),
        ("    timeout: soon", 5, "soon"),
    ] {
        let found = faults(&base(more), None);
        assert_eq!(found.len(), 1, "{more}: {found:?}");
        assert_eq!(found[0].line, line, "{}", found[0]);
        assert!(found[0].to_string().contains(part), "{}", found[0]);
    }
}

#[test]
fn an_effect_must_have_what_it_promises_and_nothing_that_it_excludes() {
    for contract in [
        "{effect: reversible}",
        "{effect: confirmable}",
        "{effect: confirmable, confirm: {tool: a/c, args: {}}}",
        "{effect: read, undo: [{tool: a/u, args: {}}]}",
        "{effect: read, idempotency_arg: x}",
        "{effect: irreversible, undo: [{tool: a/u, args: {}}]}",
        "{effect: reversible, undo: [{tool: a/u, args: {}}], extend: {tool: a/e, args: {}}}",
        "{effect: irreversible, prepare: {tool: a/p, args: {}}}",
        "{effect: irreversible, lease: 60s}",
        "{effect: idempotent, probe: {tool: a/g, args: {}, pending: 'true'}}\n  a/g: {effect: read}",
        "{effect: confirmable, confirm: {tool: a/c, args: {}}, cancel: {tool: a/d, args: {}}}",
    ] {
        assert_eq!(faults(&format!("  a/x: {contract}"), None).len(), 1, "{contract}");
    }
}

#[test]
fn a_confirmable_contract_reads_its_lease_and_is_never_sent_again() {
    let of = |more: &str| {
        let calls = "confirm: {tool: a/c, args: {id: '${lease.id}'}}, cancel: {tool: a/d, args: {id: '${lease.id}'}}";
        let probe = "probe: {tool: a/g, args: {}, pending: 'output.pending == lease.id'}";
        format!("  a/g: {{effect: read}}\n  a/x: {{effect: confirmable, {probe}, {calls}{more}}}")
    };
    let loaded = load(
        &[document(&of(
            ", lease: 90s, prepare: {tool: a/p, args: {for: '${lease.seconds}'}}",
        ))],
        None,
    );
    let contract = loaded.unwrap().of(&"a/x".parse().unwrap());
    assert_eq!((contract.lease(), contract.resend), (Span::secs(90), Resend::Never));
    let plain = load(&[document(&of(""))], None).unwrap().of(&"a/x".parse().unwrap());
    assert_eq!(plain.lease(), Contract::DEFAULT_LEASE);
    for (more, part) in [
        (", lease: 2s", "kept alive"),
        (
            ", extend: {tool: a/e, args: {id: '${lease.key}'}, when: 'true'}",
            "when",
        ),
        (", extend: {tool: a/e, args: {id: '${output.id}'}}", "output"),
        (", extend: {tool: a/g, args: {}}", "only reads"),
    ] {
        let found = faults(&of(more), None);
        assert!(found.iter().any(|f| f.to_string().contains(part)), "{more}: {found:?}");
    }
}

#[test]
fn what_a_contract_names_is_looked_up_when_its_own_tool_is_there() {
    let catalogue = catalogue();
    let of = |more: &str| format!("{READS}  config/configure_ospf:\n    effect: idempotent\n    {more}");
    for (more, part) in [
        ("probe: {tool: config/get_osfp, args: {device: x}}", "config/get_ospf"),
        ("probe: {tool: config/get_ospf, args: {devise: x}}", "device"),
        ("probe: {tool: config/get_ospf, args: {device: 7}}", "string"),
        ("undo: [{tool: config/remove, args: {device: x}}]", "no tool"),
        ("split_by: devices", "device"),
        ("idempotency_arg: key", "no argument"),
    ] {
        let found = faults(&of(more), Some(&catalogue));
        assert!(found.iter().any(|f| f.to_string().contains(part)), "{more}: {found:?}");
    }
    let misspelled = faults("  config/configur_ospf: {effect: irreversible}", Some(&catalogue));
    assert!(
        misspelled[0].suggestion.as_ref().unwrap().contains("configure_ospf"),
        "{misspelled:?}"
    );
    let absent = document("  elsewhere/x: {effect: idempotent, undo: [{tool: elsewhere/y, args: {}}]}");
    assert!(
        load(&[absent], Some(&catalogue)).is_ok(),
        "its server is not configured"
    );
}

#[test]
fn what_is_no_contract_file_is_a_fault() {
    for text in [
        "- a\n",
        "contracts: 7\n",
        "contract: {}\n",
        "contracts: {nonsense: {effect: read}}\n",
        "contracts: {a/b: 7}\n",
        "contracts: {a/b: null}\n",
    ] {
        let document = Document::parse("c.yaml", text).unwrap();
        assert!(load(&[document], None).is_err(), "{text}");
    }
    assert!(
        load(&[Document::parse("c.yaml", "").unwrap()], None)
            .unwrap()
            .contracts
            .is_empty()
    );
}

#[test]
fn all_faults_of_all_files_come_at_once() {
    let a = Document::parse(
        "a.yaml",
        "contracts:\n  a/x: {effect: reversible, targets: \"(\"}\n  a/y: {efect: read}\n",
    )
    .unwrap();
    let b = Document::parse("b.yaml", "contrcts: {}\ncontracts: {a/z: {effect: nothing}}\n").unwrap();
    let found = load(&[a, b], None).unwrap_err();
    let files: Vec<_> = found.iter().map(|f| (f.file.as_str(), f.line)).collect();
    assert!(files.iter().filter(|f| f.0 == "a.yaml").count() >= 3, "{found:?}");
    assert!(
        files.contains(&("b.yaml", 1)) && files.contains(&("b.yaml", 2)),
        "{found:?}"
    );
}
