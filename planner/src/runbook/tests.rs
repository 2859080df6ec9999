use super::*;
use std::path::Path;

fn shipped() -> Runbooks {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/server/runbooks");
    Runbooks::load(&dir).unwrap_or_else(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"))
    })
}

fn book(text: &str) -> Runbooks {
    Runbooks::build(&[], &[Source::new("book.yaml", text)]).unwrap()
}

/// `id {params}`, or what else came of it.
fn found(runbooks: &Runbooks, text: &str) -> String {
    match runbooks.find(text) {
        PhraseMatch::None => "none".into(),
        PhraseMatch::One { runbook, params } => format!("{} {params}", runbook.id),
        PhraseMatch::Several(several) => {
            let ids: Vec<&str> = several.iter().map(|(r, _)| r.id.as_str()).collect();
            format!("several: {}", ids.join(", "))
        }
        PhraseMatch::Broken { faults, .. } => {
            let lines: Vec<String> = faults.iter().map(|f| format!("{}: {}", f.pointer, f.message)).collect();
            lines.join("; ")
        }
    }
}

#[test]
fn the_shipped_runbooks_pass_their_own_tests() {
    let ids: Vec<String> = shipped().iter().map(|r| r.id.clone()).collect();
    assert_eq!(
        ids,
        [
            "back-up-configuration",
            "compare-with-golden",
            "describe-interface",
            "drain-device",
            "health-check",
            "interface-down",
            "interface-up",
            "move-traffic-off-link",
            "ntp-on-group",
            "ospf-on-group",
            "restore-adjacency",
            "restore-configuration",
            "syslog-on-group",
            "undrain-device"
        ]
    );
}

#[test]
fn the_runbook_of_the_readme_passes_its_own_tests() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let example = readme
        .split("```yaml\n")
        .find(|block| block.starts_with("# runbooks/change-mtu.yaml"));
    let example = example.unwrap().split("```").next().unwrap();
    let runbooks = book(example);
    assert!(runbooks.get("change-mtu").unwrap().window_required);
}

#[test]
fn each_shipped_runbook_says_whose_it_is_what_it_may_do_and_tests_itself() {
    for runbook in shipped().iter() {
        let id = &runbook.id;
        assert!(runbook.owner.is_some() && runbook.version.is_some(), "{id}");
        assert!(runbook.risk.is_some() && runbook.impact.is_some(), "{id}");
        assert!(!runbook.platforms.is_empty(), "{id}");
        assert!(runbook.text.matches("- say:").count() >= 3, "{id}");
        let plan = &runbook.plan;
        let writes = plan.to_string().contains("config/set_") || plan.to_string().contains("config/restore_");
        let checked = |key: &str| plan[key].as_array().is_some_and(|list| !list.is_empty());
        let looks = |step: &serde_json::Value| step.get("expect").is_some();
        let looks_first =
            checked("pre_checks") || plan["steps"].as_array().is_some_and(|steps| steps.iter().any(looks));
        assert!(!writes || (looks_first && checked("post_checks")), "{id}");
    }
}

#[test]
fn parts_that_a_preposition_begins_may_be_said_in_another_order() {
    let runbooks = shipped();
    let ospf = r#"ospf-on-group {"area":"0.0.0.0","process_id":100,"role":"core","site":"beijing"}"#;
    for text in [
        "In the Beijing data center, configure OSPF area 0 for all core switches with process ID 100",
        "configure ospf area 0 for all core switches in the Beijing data center with process id 100",
    ] {
        assert_eq!(found(&runbooks, text), ospf, "{text}");
    }
    let scrambled = "ospf configure area 0 with process id 100 on all core switches in Beijing";
    assert_eq!(found(&runbooks, scrambled), "none");
    assert_eq!(
        found(
            &runbooks,
            "on sh-core-1 set the description of interface eth1 to \"spare\""
        ),
        r#"describe-interface {"device":"sh-core-1","interface":"eth1","text":"spare"}"#
    );
}

#[test]
fn a_free_text_ends_where_something_else_is_to_be_done() {
    let runbooks = shipped();
    for text in [
        "describe interface eth1 on sh-core-1 as uplink and drain sh-core-2",
        "set the description of interface eth1 on sh-core-1 to uplink and shut down interface eth2 on sh-core-1",
    ] {
        assert_eq!(found(&runbooks, text), "none", "{text}");
    }
    for text in [
        "set the description of interface eth1 on sh-core-1 to uplink and spare",
        "set the description of interface eth1 on sh-core-1 to \"uplink and drain sh-core-2\"",
    ] {
        assert!(found(&runbooks, text).starts_with("describe-interface"), "{text}");
    }
}

#[test]
fn the_order_as_written_goes_before_another() {
    let runbooks = book(
        "id: copy\ntitle: t\nphrases: [\"copy {what} from {a} to {b}\"]\n\
         params: {what: {type: name}, a: {type: name}, b: {type: string}}\nplan: {}\n",
    );
    let written = r#"copy {"a":"r1","b":"r2 from r3","what":"x"}"#;
    assert_eq!(found(&runbooks, "copy x from r1 to r2 from r3"), written);
}

#[test]
fn a_list_slot_takes_all_that_is_said() {
    let runbooks = book(
        "id: ntp\ntitle: t\nphrases: [\"use {servers} on {role}\"]\n\
         params: {servers: {type: list, of: {type: address}, max: 3}, role: {type: enum, values: [core, edge]}}\n\
         synonyms: {10.0.0.9: [clock]}\nplan: {}\n",
    );
    let wanted = r#"ntp {"role":"core","servers":["10.0.0.1","10.0.0.9"]}"#;
    assert_eq!(found(&runbooks, "use 10.0.0.1 and clock on the cores"), wanted);
    assert_eq!(found(&runbooks, "on core use 10.0.0.1, 10.0.0.9"), wanted);
    let many = "use 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4 on core";
    assert!(
        found(&runbooks, many).contains("a list of 1 to 3 entries"),
        "{}",
        found(&runbooks, many)
    );
    assert_eq!(
        runbooks.get("ntp").unwrap().params_schema()["properties"]["servers"]["maxItems"],
        3
    );
}

#[test]
fn a_call_on_the_command_line_says_each_value_exactly() {
    let runbooks = shipped();
    let runbook = runbooks.get("describe-interface").unwrap();
    let params = json!({"device": "r1", "interface": "Gi0/1", "text": "it's spare"});
    assert_eq!(
        runbook.call(&params),
        r"--runbook describe-interface -p device=r1 -p interface=Gi0/1 -p text='it'\''s spare'"
    );
}

#[test]
fn a_draft_says_for_which_platforms_it_is() {
    let runbooks = shipped();
    let draft = runbooks.get("ntp-on-group").unwrap().draft(&json!({}));
    assert_eq!(draft["platforms"], json!(["ios", "vrp", "junos"]));
}

#[test]
fn a_text_must_say_a_whole_phrase_in_whatever_spelling() {
    let runbooks = shipped();
    let ospf = r#"ospf-on-group {"area":"0.0.0.0","process_id":100,"role":"core","site":"beijing"}"#;
    let cases = [
        (
            "Configure OSPF area 0 with process ID 100 for all core switches in the Beijing data center",
            ospf,
        ),
        (
            "  configure  ospf, area 0.0.0.0 with the process id 100 for all core routers in Beijing datacenter. ",
            ospf,
        ),
        ("Set up OSPF process 100 area 0 on all Core switches in BEIJING!", ospf),
        (
            "configure OSPF area 0 with process ID 100 for all core switches in the Beijing",
            "none",
        ),
        (
            "also configure OSPF area 0 with process ID 100 for all core switches in the Beijing data center",
            "none",
        ),
        (
            "configure ospf area 0 with process id ten for all core switches in the Beijing data center",
            "none",
        ),
        ("check the health of \"beijing\"", r#"health-check {"site":"beijing"}"#),
        ("check the health of", "none"),
        ("", "none"),
    ];
    for (text, wanted) in cases {
        assert_eq!(found(&runbooks, text), wanted, "{text}");
    }
}

#[test]
fn a_value_that_breaks_a_rule_is_refused_by_name_and_left_to_nobody_else() {
    let text = "configure ospf area 0 with process id 70000 for all banana switches in the Beijing data center";
    let wanted = "/params/process_id: `process_id` must be between 1 and 65535, not \"70000\"; \
        /params/role: `role` must be one of core, edge, aggregation, access, spine, leaf, border, not \"banana\"";
    assert_eq!(found(&shipped(), text), wanted);
}

#[test]
fn the_phrase_with_more_words_of_its_own_is_meant() {
    let general = "id: general\ntitle: t\nphrases: [\"restart {what}\"]\nparams: {what: {type: string}}\nplan: {}\n";
    let special =
        "id: special\ntitle: t\nphrases: [\"restart the service {what}\"]\nparams: {what: {type: name}}\nplan: {}\n";
    let runbooks = Runbooks::build(&[Source::new("a", general), Source::new("b", special)], &[]).unwrap();
    assert_eq!(found(&runbooks, "restart service ntp"), r#"special {"what":"ntp"}"#);
    assert_eq!(
        found(&runbooks, "restart the ntp daemon"),
        r#"general {"what":"the ntp daemon"}"#
    );
}

#[test]
fn a_phrase_with_more_words_of_its_own_is_meant_although_its_value_breaks_a_rule() {
    let general = "id: general\ntitle: t\nphrases: [\"restart {what}\"]\nparams: {what: {type: string}}\nplan: {}\n";
    let special = "id: special\ntitle: t\nphrases: [\"restart slot {slot}\"]\n\
                   params: {slot: {type: integer, min: 1, max: 8}}\nplan: {}\n";
    let runbooks = Runbooks::build(&[Source::new("a", general), Source::new("b", special)], &[]).unwrap();
    assert_eq!(
        found(&runbooks, "restart slot 9"),
        "/params/slot: `slot` must be between 1 and 8, not \"9\""
    );
    assert_eq!(
        found(&runbooks, "restart slot machine"),
        r#"general {"what":"slot machine"}"#
    );
}

#[test]
fn two_runbooks_that_fit_equally_are_a_question() {
    let of = |id: &str| {
        format!("id: {id}\ntitle: t\nphrases: [\"restart {{what}}\"]\nparams: {{what: {{type: name}}}}\nplan: {{}}\n")
    };
    let runbooks = Runbooks::build(&[Source::new("a", of("one")), Source::new("b", of("two"))], &[]).unwrap();
    assert_eq!(found(&runbooks, "restart ntp"), "several: one, two");
}

#[test]
fn one_phrase_with_two_readings_is_a_question() {
    let runbooks = book(
        "id: note\ntitle: t\nphrases: [\"tell {whom} about {text} for {days} days\"]\n\
         params: {whom: {type: enum, values: [ops, ops about ops]}, text: {type: string}, days: {type: integer}}\nplan: {}\n",
    );
    assert_eq!(
        found(&runbooks, "tell ops about ops about x for 3 days"),
        "several: note, note"
    );
    assert_eq!(
        found(&runbooks, "tell ops about x for 3 days"),
        r#"note {"days":3,"text":"x","whom":"ops"}"#
    );
}

#[test]
fn synonyms_stand_for_words_and_for_values() {
    let runbooks = book(
        "id: check\ntitle: t\nphrases: [\"check data center {site}\"]\nparams: {site: {type: name}}\nplan: {}\n\
         synonyms: {data center: [dc], beijing: [bj, pek]}\n",
    );
    assert_eq!(found(&runbooks, "check the DC BJ"), r#"check {"site":"beijing"}"#);
    assert_eq!(found(&runbooks, "check dc shanghai"), r#"check {"site":"shanghai"}"#);
}

#[test]
fn runbook_parameters_are_checked_all_at_once() {
    let runbooks = shipped();
    let ospf = runbooks.get("ospf-on-group").unwrap();
    let good = json!({"area": 0, "process_id": "100", "role": "core", "site": "Beijing"});
    let wanted = json!({"area": "0.0.0.0", "process_id": 100, "role": "core", "site": "beijing"});
    assert_eq!(ospf.accept(&good), Ok(wanted));
    let faults = ospf
        .accept(&json!({"area": "x", "proces_id": 1, "role": "core"}))
        .unwrap_err();
    let rules: Vec<(&str, &str)> = faults.iter().map(|f| (f.pointer.as_str(), f.rule.as_str())).collect();
    let wanted = [
        ("/params/proces_id", "runbook.unknown_param"),
        ("/params/area", "runbook.param_type"),
        ("/params/process_id", "runbook.missing_param"),
        ("/params/site", "runbook.missing_param"),
    ];
    assert_eq!(rules, wanted);
    assert_eq!(faults[0].suggestion.as_deref(), Some("did you mean `process_id`?"));
}

#[test]
fn a_draft_has_its_summary_filled_in_and_its_bindings_left_alone() {
    let runbooks = shipped();
    let draft = runbooks.get("health-check").unwrap().draft(&json!({"site": "beijing"}));
    assert_eq!(
        draft["summary"],
        "Devices, interfaces, OSPF neighbors and reachability of beijing"
    );
    assert_eq!(draft["steps"][0]["args"]["site"], "${params.site}");
}

#[test]
fn the_nearest_runbooks_share_words_with_the_text() {
    let runbooks = shipped();
    let ids = |text| runbooks.nearest(text).iter().map(|r| r.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids("we want OSPF on the new switches")[0], "ospf-on-group");
    assert_eq!(
        ids("drain this link")[0],
        "move-traffic-off-link",
        "{:?}",
        ids("drain this link")
    );
    assert!(ids("brew coffee").is_empty());
}

#[test]
fn an_operators_runbook_takes_the_place_of_a_shipped_one() {
    let of = |title: &str| Source::new(title, format!("id: same\ntitle: {title}\nplan: {{}}\n"));
    let runbooks = Runbooks::build(&[of("shipped")], &[of("own")]).unwrap();
    assert_eq!(runbooks.get("same").unwrap().title, "own");
    let faults = Runbooks::build(&[], &[of("first"), of("second")]).unwrap_err();
    assert_eq!(faults[0].message, "the id `same` is taken by first");
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once_with_their_lines() {
    let text = r#"id: Bad Id
titel: typo
risk: huge
phrases:
  - set {valu} on {device}
  - set {value} to{device}
  - "{value}"
params:
  value: {min: 1}
  count: {type: integer, default: many}
  name: {type: name, pattern: "[", maxx: 3}
  kind: {type: enum}
  other: {type: date}
  several: {type: list}
  nested: {type: list, of: list}
window: sometimes
plan:
  steps:
    - id: a
      tool: x/y
      args: {n: "${params.cuont}"}
tests:
  - say: nothing like it
"#;
    let faults = Runbooks::build(&[], &[Source::new("bad.yaml", text)]).unwrap_err();
    let said: Vec<(usize, String)> = faults.iter().map(|f| (f.line, f.message.clone())).collect();
    let wanted = [
        (1, "is no id"),
        (2, "unknown key `titel`"),
        (1, "`title` is missing"),
        (3, "`risk` is low, medium or high"),
        (5, "the slot {valu} has no parameter"),
        (6, "a slot stands alone"),
        (7, "at least one word of its own"),
        (9, "the parameter `value` has no `type`"),
        (10, "the default must be a whole number"),
        (11, "unknown key `maxx`"),
        (11, "`pattern` is no regular expression"),
        (12, "`values` and the type enum"),
        (13, "unknown type `date`"),
        (14, "`of` and the type list belong together"),
        (15, "`of` and the type list belong together"),
        (16, "`window` is required or optional"),
        (21, "there is no parameter `cuont`"),
        (23, "no phrase says"),
    ];
    for (line, part) in wanted {
        assert!(
            said.iter().any(|(l, m)| *l == line && m.contains(part)),
            "{line}: {part}\n{said:#?}"
        );
    }
    let follows = said.iter().find(|(_, m)| m.contains("slot {value}"));
    assert_eq!(follows, None, "a parameter without a type is declared all the same");
    let typo = faults.iter().find(|f| f.message.contains("titel")).unwrap();
    assert_eq!(typo.suggestion.as_deref(), Some("did you mean `title`?"));
}
