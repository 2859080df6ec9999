//! Policies as text: what loads, and what is told of what does not.

use crate::given::*;
use flyball_policies::{Policies, PolicyFault, PolicySettings, Role, UserSettings};
use std::path::PathBuf;

/// The only fault of one file.
#[track_caller]
fn fault(text: &str) -> PolicyFault {
    let mut faults = try_with(&[text]).expect_err("this does not load");
    assert_eq!(faults.len(), 1, "{faults:#?}");
    faults.remove(0)
}

#[test]
fn a_wrong_attribute_is_named_with_the_nearest_right_one() {
    let fault = fault(
        "@id(\"x\")\nforbid(principal, action == Action::\"call\", resource)\n  when { context.efect == Effect::\"read\" };",
    );
    assert!(fault.file.ends_with("0.cedar"));
    assert_eq!((fault.line, fault.column), (3, 10), "{fault}");
    assert!(fault.message.contains("`efect`"), "{fault}");
    assert!(
        fault.suggestion.as_deref().unwrap_or_default().contains("`effect`"),
        "{fault}"
    );
}

#[test]
fn wrong_roles_effects_actions_and_types_are_found() {
    for (text, wrong) in [
        (
            r#"@id("x") permit(principal in Role::"operater", action, resource);"#,
            "operater",
        ),
        (
            r#"@id("x") forbid(principal, action == Action::"call", resource) when { context.effect == Effect::"reversable" };"#,
            "reversable",
        ),
        (
            r#"@id("x") forbid(principal, action == Action::"aprove", resource);"#,
            "aprove",
        ),
        (r#"@id("x") forbid(principal is Usr, action, resource);"#, "Usr"),
        (
            r#"@id("x") forbid(principal, action == Action::"call", resource) when { context.target_count == "many" };"#,
            "compatible",
        ),
        (
            r#"@id("x") forbid(principal, action == Action::"call", resource) when { context.change == "CHG-1" };"#,
            "change",
        ),
    ] {
        let faults = try_with(&[text]).expect_err(wrong);
        assert!(
            faults.iter().any(|f| f.to_string().contains(wrong)),
            "{wrong}: {faults:#?}"
        );
        assert!(faults.iter().all(|f| f.line == 1), "{faults:#?}");
    }
}

#[test]
fn a_policy_that_can_never_apply_does_not_load() {
    for text in [
        "\n@id(\"x\") permit(principal is Agent, action == Action::\"approve\", resource);",
        "\n@id(\"x\") forbid(principal, action == Action::\"call\", resource == Server::\"config\");",
    ] {
        let fault = fault(text);
        assert_eq!(fault.line, 2, "{fault}");
        assert!(
            fault.suggestion.as_deref().unwrap_or_default().contains("cedarschema"),
            "{fault}"
        );
    }
}

#[test]
fn all_mistakes_in_all_files_and_users_are_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write(
        "a.cedar",
        "permit(principal, action, resource)\n\nforbid(principal, action, resource);",
    );
    write(
        "b.cedar",
        "@id(\"b\") permit(principal, action == Action::\"call\", resource) when { context.nothing };",
    );
    write("c.cedar", "permit(principal, action, resource);");
    write(
        "d.cedar",
        "@id(\"call.operator\") permit(principal, action, resource);\n@id(\"flyball.x\") permit(principal, action, resource);",
    );
    write("notes.txt", "no policy at all");
    let mut users = users();
    users.push(UserSettings::agent("olga", []));
    users.push(UserSettings::person("", [Role::Admin]));
    let settings = PolicySettings {
        dir: Some(dir.path().to_owned()),
        users,
        ..settings()
    };
    let faults = Policies::load(settings).expect_err("nothing of it loads");
    let places: Vec<(String, usize)> = faults
        .iter()
        .map(|f| (f.file.rsplit('/').next().unwrap_or_default().to_owned(), f.line))
        .collect();
    let expected = [
        ("a.cedar", 3),
        ("b.cedar", 1),
        ("c.cedar", 1),
        ("d.cedar", 1),
        ("d.cedar", 2),
        ("users", 0),
        ("users", 0),
    ];
    assert_eq!(places, expected.map(|(f, l)| (f.to_owned(), l)), "{faults:#?}");
    assert!(faults.iter().all(|f| f.suggestion.is_some()), "{faults:#?}");
}

#[test]
fn a_policy_without_a_name_or_with_a_taken_one_does_not_load() {
    assert!(
        fault("\n permit(principal, action, resource);")
            .message
            .contains("no @id")
    );
    let twice =
        "@id(\"x\") permit(principal, action, resource);\n// between\n@id(\"x\") forbid(principal, action, resource);";
    let fault = fault(twice);
    assert_eq!(fault.line, 3);
    assert!(
        fault.message.contains("taken by") && fault.message.contains("0.cedar:1"),
        "{fault}"
    );
}

#[test]
fn templates_and_unreadable_files_do_not_load() {
    let template = fault("@id(\"x\")\npermit(principal == ?principal, action, resource);");
    assert!(template.message.contains("template"), "{template}");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.cedar"), [0xff, 0xfe, 0x00]).unwrap();
    let load = |dir: PathBuf| {
        Policies::load(PolicySettings {
            dir: Some(dir),
            ..settings()
        })
    };
    assert!(
        load(dir.path().to_owned()).expect_err("no text")[0]
            .message
            .contains("cannot be read")
    );
    let missing = load(dir.path().join("missing")).expect_err("a named folder must exist");
    assert!(missing[0].message.contains("cannot be read"), "{missing:?}");
}

#[test]
fn without_the_defaults_nothing_is_permitted() {
    use flyball_engine::actor::Actor;
    use flyball_engine::ports::Policy;
    let policies = Policies::load(PolicySettings {
        default_policies: false,
        ..settings()
    })
    .unwrap();
    assert!(policies.may(&Actor::human("adam"), "read", None).is_err());
}

#[test]
fn every_rule_is_listed_with_its_reason_and_place() {
    let policies =
        with("\n@id(\"mine\") @reason(\"because\")\nforbid(principal, action == Action::\"halt\", resource);");
    let rules = policies.explain();
    let mine = rules.iter().find(|r| r.id == "mine").expect("listed");
    assert_eq!(
        (mine.effect.as_str(), mine.reason.as_str(), mine.line),
        ("forbid", "because", 2)
    );
    assert!(mine.text.starts_with("@id") && mine.text.ends_with(';'), "{mine:?}");
    for id in ["flyball.writes_off", "unattended.runbook", "approve.own_lone_admin"] {
        assert!(rules.iter().any(|r| r.id == id), "{id}");
    }
    assert!(rules.iter().all(|r| !r.reason.is_empty()));
    let shipped = rules.iter().find(|r| r.id == "admin.all").expect("listed");
    assert_eq!(shipped.file, "defaults/intents.cedar");
    assert!(shipped.text.starts_with("@id(\"admin.all\")"), "{shipped:?}");
}

#[test]
fn faults_read_like_a_compilers() {
    let fault = fault("@id(\"x\") permit(principal, action, resource) when { context. };");
    let text = fault.to_string();
    assert!(text.contains("0.cedar:1:"), "{text}");
}
