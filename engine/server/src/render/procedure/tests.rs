use super::*;
use crate::http::dto::{ChangeView, DeviceDiff, ProcedureCount, ReviewedView};
use serde_json::json;

fn texts(lines: &[&str]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

fn expectation(tool: &str, args: serde_json::Value, expect: &str) -> Expectation {
    Expectation {
        tool: tool.into(),
        args,
        expect: expect.into(),
        within: Some("30s".into()),
        hold_for: Some("2s".into()),
    }
}

fn ospf(wave: u32, device: &str, lines: &[&str], back: &[&str]) -> StageView {
    StageView {
        step: "ospf".into(),
        tool: "config/configure_ospf".into(),
        mutating: true,
        effect: "reversible".into(),
        wave,
        waves: 2,
        after: texts(&["group"]),
        devices: vec![DeviceDiff {
            device: device.into(),
            changes: vec![ChangeView {
                item: format!("ospf/{wave}"),
                tool: "config/configure_ospf".into(),
                status: "waiting".into(),
                wave,
                lines: texts(lines),
                way_back: texts(back),
                ..ChangeView::default()
            }],
        }],
        read_back: Some("config/get_ospf, within 5s".into()),
        gate: Some(expectation(
            "telemetry/ospf_neighbors",
            json!({"device": "${item.name}"}),
            "output.neighbors.size() > 0",
        )),
        on_failure: "rollback".into(),
        ..StageView::default()
    }
}

fn saved() -> StageView {
    let mut stage = ospf(
        0,
        "bj-core-1",
        &["config/save device=bj-core-1"],
        &["the contract names no undo"],
    );
    (stage.step, stage.tool, stage.waves) = ("saved".into(), "config/save".into(), 1);
    (stage.gate, stage.effect) = (None, "idempotent".into());
    let change = &mut stage.devices[0].changes[0];
    (change.item, change.tool, change.irreversible) = ("saved/0".into(), "config/save".into(), true);
    stage
}

fn reachable() -> ProcedureCheck {
    ProcedureCheck {
        id: "post-check 1".into(),
        must: expectation(
            "telemetry/reachability",
            json!({"site": "beijing"}),
            "output.unreachable.all(x, x in before.unreachable)",
        ),
        verdict: "waiting".into(),
        problem: None,
    }
}

fn sample() -> ProcedureView {
    let reasoned = |why: &str, items: &[&str]| Reasoned {
        why: why.into(),
        items: texts(items),
    };
    let looked = |step: &str, kind: &str, tool: &str, n: usize| LookedView {
        step: step.into(),
        kind: kind.into(),
        tool: tool.into(),
        read: n,
        of: n,
        ..LookedView::default()
    };
    ProcedureView {
        intent: "i".into(),
        title: "configure ospf".into(),
        summary: "OSPF in Beijing".into(),
        state: "awaiting_approval".into(),
        complete: true,
        asked_by: "olga".into(),
        source: "runbook ospf-on-group".into(),
        runbook: Some(ReviewedView {
            title: "Configure OSPF".into(),
            risk: Some("medium".into()),
            impact: Some("new routes".into()),
            ..ReviewedView::default()
        }),
        change: Some("CHG-1".into()),
        digest: Some("sha256:ab".into()),
        verdict: Some("needs_approval".into()),
        rules: vec![reasoned(
            "ours.every_write: a person approves",
            &["ospf/0", "ospf/1", "saved/0"],
        )],
        targets: texts(&["device:bj-core-1", "device:bj-core-2"]),
        count: ProcedureCount {
            targets: 2,
            devices: 2,
            calls: 3,
            irreversible: 1,
            ..ProcedureCount::default()
        },
        looked: vec![
            looked("group", "read", "inventory/list_devices", 1),
            looked("ospf", "preview", "config/preview_ospf", 2),
        ],
        stages: vec![
            ospf(0, "bj-core-1", &["router ospf 100"], &["no router ospf 100"]),
            ospf(1, "bj-core-2", &["ospf 100"], &["undo ospf 100"]),
            saved(),
        ],
        post_checks: vec![reachable()],
        irreversible: vec![reasoned("the contract names no undo", &["saved/0"])],
        ..ProcedureView::default()
    }
}

#[test]
fn a_plan_reads_like_a_method_of_procedure() {
    let golden = "\
Method of procedure: OSPF in Beijing
asked     configure ospf, by olga
planned   by runbook ospf-on-group (Configure OSPF), risk medium, impact: new routes
intent    i, awaiting approval
change    CHG-1
digest    sha256:ab
policy    a person must approve it
rule      ours.every_write: a person approves (ospf/0, ospf/1, saved/0)
targets   2 targets on 2 devices: device:bj-core-1, device:bj-core-2
calls     3 calls in 3 stages; 1 without a way back

1. What was looked at
  group  inventory/list_devices: read
  ospf   the device's own lines and those that take them back, by config/preview_ospf: read for 2 calls

2. Pre-checks
  none

3. Changes, in this order
  3.1 ospf, wave 1 of 2: config/configure_ospf (reversible), after group
    bj-core-1
      ospf/0 config/configure_ospf, wave 1
        + router ospf 100           ↩ no router ospf 100
    read back: by config/get_ospf, within 5s
    gate: for each, telemetry/ospf_neighbors device=${item.name}
    must hold: output.neighbors.size() > 0; within 30s; and stay so for 2s
  3.2 ospf, wave 2 of 2: config/configure_ospf (reversible), after group
    bj-core-2
      ospf/1 config/configure_ospf, wave 2
        + ospf 100                  ↩ undo ospf 100
    read back: by config/get_ospf, within 5s
    gate: for each, telemetry/ospf_neighbors device=${item.name}
    must hold: output.neighbors.size() > 0; within 30s; and stay so for 2s
  3.3 saved: config/save (idempotent), after group
    bj-core-1
      saved/0 config/save, wave 1: NO WAY BACK
        + config/save device=bj-core-1  ! the contract names no undo
    read back: by config/get_ospf, within 5s

4. Post-checks
  · post-check 1 telemetry/reachability site=beijing: waiting
      must hold: output.unreachable.all(x, x in before.unreachable); within 30s; and stay so for 2s
  (before: the same reading, taken before the first change)
";
    let text = text(&sample(), Style::PLAIN);
    assert!(text.starts_with(golden), "{text}");
    assert!(
        text.ends_with("\n  no way back: the contract names no undo (saved/0)\n"),
        "{text}"
    );
}

#[test]
fn in_markdown_a_devices_lines_stand_in_fences_with_the_way_back_below() {
    let text = markdown(&sample());
    for part in [
        "# Method of procedure: OSPF in Beijing\n\n- asked: configure ospf, by olga\n",
        "### 3.2 ospf, wave 2 of 2: config/configure_ospf (reversible), after group\n\n",
        "**bj-core-2** (`ospf/1`), `config/configure_ospf`:\n\n```text\nospf 100\n```\n\nWay back:\n\n```text\nundo ospf 100\n```\n",
        "**No way back:** the contract names no undo\n",
        "- post-check 1, `telemetry/reachability site=beijing`: **waiting**\n",
    ] {
        assert!(text.contains(part), "{part}\n---\n{text}");
    }
}

#[test]
fn what_a_device_writes_ends_no_fence_and_steers_no_terminal() {
    let mut view = sample();
    view.summary = "a *bold* [link](http://x)".into();
    view.stages[0].devices[0].changes[0].lines = texts(&["banner ```", "# Approved\u{202e}", "```"]);
    let told = markdown(&view);
    assert!(told.contains("a \\*bold\\* \\[link\\](http://x)\n"), "{told}");
    assert!(
        told.contains("\n````text\nbanner ```\n# Approved\u{fffd}\n```\n````\n"),
        "{told}"
    );
    assert!(!text(&view, Style::PLAIN).contains('\u{202e}'));
}

#[test]
fn a_plan_with_nothing_to_send_says_so() {
    let mut view = sample();
    (view.stages, view.irreversible) = (Vec::new(), Vec::new());
    (view.count, view.targets) = (ProcedureCount::default(), Vec::new());
    let told = text(&view, Style::PLAIN);
    assert!(told.contains("targets   none: nothing would be changed\n"), "{told}");
    assert!(
        told.contains("  nothing is sent, so nothing has to be taken back\n"),
        "{told}"
    );
}

#[test]
fn what_is_still_being_read_is_not_taken_for_all() {
    let mut view = sample();
    (view.complete, view.stages[0].devices) = (false, Vec::new());
    let told = text(&view, Style::PLAIN);
    assert!(told.contains("the look goes on: this is not all of it yet\n"), "{told}");
    assert!(
        told.contains("    calls: they follow from what is still being read\n"),
        "{told}"
    );
}

#[test]
fn a_plan_after_one_that_failed_says_so_and_whether_another_may_follow() {
    let mut view = sample();
    (view.revision, view.replans) = (2, 1);
    view.earlier = texts(&["plan 1: post-check 1 does not hold"]);
    let told = text(&view, Style::PLAIN);
    assert!(
        told.contains("failed    and taken back, plan 1: post-check 1 does not hold\n"),
        "{told}"
    );
    assert!(told.contains("  then another plan may be made: "), "{told}");
    assert!(!text(&sample(), Style::PLAIN).contains("another plan"));
}
