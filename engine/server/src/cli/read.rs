//! What is only read (and the two small writes that live under a reading command: a lock's release, a tool's pin).

use super::args::{Command, LockAction, ToolAction};
use super::client::Client;
use super::output::Output;
use super::{Exit, Failure, Outcome, watch};
use crate::http::RESTART;
use crate::http::dto::{
    ApprovalView, DiffView, DoubtView, HaltView, IntentPage, IntentView, LockView, PinBody, ReasonBody, ServerView,
    StepsView, Taken, ToolDetail, ToolView,
};
use crate::render::{diff, harmless, table, tree};

pub(super) async fn run(command: Command, client: &Client, output: Output) -> Outcome {
    match command {
        Command::Diff { intent, device } => show_diff(client, &intent, device.as_deref(), output).await,
        Command::List {
            state,
            origin,
            target,
            limit,
            cursor,
        } => {
            let given = [
                ("state", state),
                ("origin", origin),
                ("target", target),
                ("cursor", cursor),
            ];
            list(client, &given, limit, output).await
        }
        Command::Show { intent, .. } => show(client, &intent, output).await,
        Command::Graph { intent, dot } => {
            let accept = if dot { "text/vnd.graphviz" } else { "text/vnd.mermaid" };
            let text = client.get_text(&format!("/v1/intents/{intent}/graph"), accept).await?;
            super::output::out(&text);
            Ok(Exit::Done)
        }
        Command::Approvals => approvals(client, output).await,
        Command::InDoubt => in_doubt(client, output).await,
        Command::Locks { action: None } => locks(client, output).await,
        Command::Locks {
            action: Some(LockAction::Release { target, reason }),
        } => {
            let body = ReasonBody { reason: Some(reason) };
            let path = format!("/v1/locks/{}/release", escape(&target));
            let taken: Taken = client.post(&path, &body).await?;
            output.show(&taken, |t| format!("asked intent {} to release {target}", t.id));
            Ok(Exit::Done)
        }
        Command::Tools { action: None } => tools(client, output).await,
        Command::Halts => halts(client, output).await,
        Command::Tools {
            action: Some(ToolAction::Show { tool }),
        } => show_tool(client, &tool, output).await,
        Command::Tools {
            action: Some(ToolAction::Pin { tool, digest }),
        } => {
            let (): () = client
                .post(&format!("/v1/tools/{tool}/pin"), &PinBody { digest })
                .await?;
            output.text(&format!("{tool} is signed off\n"));
            Ok(Exit::Done)
        }
        Command::Servers => servers(client, output).await,
        other => Err(Failure::Internal(format!("{other:?} is no reading command"))),
    }
}

/// One segment of a path, as bytes that need no meaning.
pub(super) fn escape(segment: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    let escaped = segment.bytes().map(|b| match plain(b) {
        true => char::from(b).to_string(),
        false => format!("%{b:02X}"),
    });
    escaped.collect()
}

async fn show_diff(client: &Client, intent: &str, device: Option<&str>, output: Output) -> Outcome {
    let device = device.map(|d| format!("?device={}", escape(d))).unwrap_or_default();
    let view: DiffView = client.get(&format!("/v1/intents/{intent}/diff{device}")).await?;
    output.show(&view, |v| diff::diff(v, output.style));
    if view.devices.is_empty() && !output.json {
        // It may be waiting for somebody, the reader for one.
        let stands: IntentView = client.get(&format!("/v1/intents/{intent}")).await?;
        let state = stands.state.replace('_', " ");
        output.text(&format!("the intent is {state}; see: flyball show {intent}\n"));
    }
    Ok(Exit::Done)
}

async fn list(client: &Client, given: &[(&str, Option<String>)], limit: usize, output: Output) -> Outcome {
    let mut path = format!("/v1/intents?limit={limit}");
    for (key, value) in given {
        if let Some(value) = value {
            path += &format!("&{key}={}", escape(value));
        }
    }
    let page: IntentPage = client.get(&path).await?;
    let halt: Option<HaltView> = match page.intents.iter().any(|i| i.halted) {
        true => Some(client.get("/v1/halt").await?),
        false => None,
    };
    output.show(&page, |page| {
        let row = |i: &crate::http::dto::IntentRowView| {
            let at = i.received_at.get(..19).unwrap_or(&i.received_at).replace('T', " ");
            let held = if i.halted { ", halted" } else { "" };
            let doubt = i
                .in_doubt
                .as_ref()
                .map(|d| format!(", in doubt {d}"))
                .unwrap_or_default();
            let contradicted = if i.contradicted { ", contradicted" } else { "" };
            vec![
                i.id.clone(),
                format!("{}{held}{doubt}{contradicted}", i.state.replace('_', " ")),
                at,
                i.by.clone(),
                i.title.clone(),
            ]
        };
        let rows: Vec<Vec<String>> = page.intents.iter().map(row).collect();
        let mut text = table::table(
            &["intent", "state", "received (UTC)", "by", "what"],
            &rows,
            output.style,
        );
        if let Some(halt) = &halt {
            text += &format!("{}\n", harmless(&halt.line()));
        }
        if let Some(next) = &page.next {
            text += &format!("more: flyball list --cursor {next}\n");
        }
        text
    });
    Ok(Exit::Done)
}

/// Where an intent stands. The exit code says so too, except that one still under way is no failure.
async fn show(client: &Client, intent: &str, output: Output) -> Outcome {
    let view: IntentView = client.get(&format!("/v1/intents/{intent}")).await?;
    if output.json {
        output.value(&view);
        return Ok(Exit::Done);
    }
    // The report of what has ended says its title, state and reason itself.
    let mut text = match watch::has_ended(&view.state) {
        true => String::new(),
        false => standing(&view),
    };
    for refused in &view.refused {
        text += &format!("nothing came of {}\n", harmless(refused));
    }
    if watch::has_ended(&view.state) {
        for by in &view.undone_by {
            // Who may read an intent may not read each of its undos.
            let undo = client.get::<IntentView>(&format!("/v1/intents/{by}")).await.ok();
            let stands = undo.map(|undo| {
                let part = if undo.partial { ", not all was taken back" } else { "" };
                format!(" is {}{part}", undo.state.replace('_', " "))
            });
            text += &format!("its undo {by}{}\n", stands.unwrap_or_default());
        }
    }
    if !text.is_empty() {
        output.text(&text);
    }
    let known = Exit::of_state(&view.state);
    if known == Exit::Failed && view.state != "failed" {
        let steps: StepsView = client.get(&format!("/v1/intents/{intent}/steps")).await?;
        output.text(&format!("\n{}", tree::tree(&steps, output.style)));
        return Ok(Exit::Done);
    }
    watch::finish(client, &view, output).await?;
    Ok(Exit::Done)
}

/// Where an intent that goes on stands.
fn standing(view: &IntentView) -> String {
    let mut text = format!(
        "{}\n{}, last entry {}",
        harmless(&view.title),
        view.state.replace('_', " "),
        view.updated_at
    );
    if let Some(reason) = &view.reason {
        text += &format!(": {}", harmless(reason));
    }
    text.push('\n');
    for earlier in &view.earlier {
        let (revision, why) = (earlier.revision, harmless(&earlier.why));
        text += &format!("plan {revision} failed and was taken back: {why}\n");
    }
    if let Some(of) = &view.undo_of {
        text += &format!("takes back intent {of}\n");
    }
    for by in &view.undone_by {
        text += &format!("taken back by intent {by}\n");
    }
    if let Some(waiting) = &view.waiting_for {
        text += &format!(
            "waits for {}: {}\n",
            waiting.targets.join(", "),
            waiting.holders.join(", ")
        );
    }
    for other in &view.beside {
        text += &format!("{}\n", harmless(other));
    }
    for doubt in &view.in_doubt {
        let (item, why) = (harmless(&doubt.item), harmless(&doubt.reason));
        text += &format!("in doubt: {item}: {why}\n          {}\n", harmless(&doubt.waits));
    }
    if let Some(deadline) = &view.deadline {
        text += &format!("to be done by {deadline}\n");
    }
    for cooling in &view.cooling {
        text += &format!("{}\n", harmless(cooling));
    }
    for released in &view.released {
        text += &format!("{}\n", harmless(released));
    }
    // A stuck one says it with what to do next.
    for given in view.given.iter().filter(|_| view.state != "stuck") {
        text += &format!("{}\n", harmless(given));
    }
    if let Some(why) = &view.not_driven {
        text += &format!("not driven {}\n", harmless(why));
    } else if let Some(why) = &view.unwritable {
        text += &format!("the journal cannot be written: {}; {RESTART}\n", harmless(why));
    }
    if let Some(halt) = &view.halted {
        text += &format!("{}; what changes something waits\n", harmless(&halt.line()));
    }
    text
}

async fn approvals(client: &Client, output: Output) -> Outcome {
    let views: Vec<ApprovalView> = client.get("/v1/approvals").await?;
    output.show(&views, |views| {
        let row = |a: &ApprovalView| {
            let digest = a.digest.short().to_owned();
            vec![
                a.intent.clone(),
                digest,
                a.asked_by.clone(),
                a.targets.len().to_string(),
                a.title.clone(),
            ]
        };
        let rows: Vec<Vec<String>> = views.iter().map(row).collect();
        table::table(
            &["intent", "digest", "asked by", "targets", "what"],
            &rows,
            output.style,
        )
    });
    Ok(Exit::Done)
}

async fn in_doubt(client: &Client, output: Output) -> Outcome {
    let views: Vec<DoubtView> = client.get("/v1/in-doubt").await?;
    output.show(&views, |views| {
        let row = |d: &DoubtView| {
            let item = format!("{} ({})", d.item, d.phase);
            vec![
                d.intent.clone(),
                item,
                d.tool.clone(),
                d.targets.join(", "),
                d.waits.clone(),
                d.reason.clone(),
            ]
        };
        let rows: Vec<Vec<String>> = views.iter().map(row).collect();
        let header = ["intent", "item", "tool", "targets", "waits", "why"];
        table::table(&header, &rows, output.style)
    });
    Ok(if views.is_empty() { Exit::Done } else { Exit::Stuck })
}

async fn locks(client: &Client, output: Output) -> Outcome {
    let views: Vec<LockView> = client.get("/v1/locks").await?;
    output.show(&views, |views| {
        let row = |l: &LockView| {
            vec![
                l.target.clone(),
                l.intent.clone(),
                l.state.replace('_', " "),
                age(l.age_s),
                l.by.clone(),
                l.title.clone(),
            ]
        };
        let rows: Vec<Vec<String>> = views.iter().map(row).collect();
        table::table(
            &["target", "held by", "state", "for", "by", "what"],
            &rows,
            output.style,
        )
    });
    Ok(Exit::Done)
}

/// A length of time as people say it: `45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`.
fn age(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{} d {} h", hours / 24, hours % 24),
    }
}

async fn tools(client: &Client, output: Output) -> Outcome {
    let views: Vec<ToolView> = client.get("/v1/tools").await?;
    output.show(&views, |views| {
        let row = |t: &ToolView| {
            let about = t.description.lines().next().unwrap_or("").to_owned();
            vec![t.name.clone(), t.effect.clone(), t.pin.clone(), t.digest.clone(), about]
        };
        let rows: Vec<Vec<String>> = views.iter().map(row).collect();
        table::table(&["tool", "effect", "pin", "digest", "description"], &rows, output.style)
    });
    Ok(Exit::Done)
}

async fn show_tool(client: &Client, tool: &str, output: Output) -> Outcome {
    let view: ToolDetail = client.get(&format!("/v1/tools/{tool}")).await?;
    output.show(&view, |v| {
        let mut text = format!("{}: {}, {}\n", v.name, v.effect, v.pin);
        text += &format!("listed now  {}\n", v.digest);
        if let Some(pinned) = &v.pinned {
            text += &format!("signed off  {pinned}\n");
        }
        match &v.diff {
            Some(diff) => {
                text += &format!("\n{}", lines(diff));
                text += &format!("\nsign it off with: flyball tools pin {} {}\n", v.name, v.digest);
            }
            None => {
                let definition = serde_json::to_string_pretty(&v.definition).unwrap_or_default();
                text += &format!("\n{}\n", lines(&definition));
            }
        }
        text
    });
    Ok(Exit::Done)
}

/// Each line without what could steer a terminal.
fn lines(text: &str) -> String {
    text.lines().map(|l| harmless(l) + "\n").collect()
}

async fn halts(client: &Client, output: Output) -> Outcome {
    let views: Vec<HaltView> = client.get("/v1/halts").await?;
    output.show(&views, |views| {
        let said = |text: &Option<String>| text.clone().unwrap_or_default();
        let row = |h: &HaltView| {
            vec![
                said(&h.by),
                said(&h.since),
                h.lifted_by.clone().unwrap_or_else(|| "in force".to_owned()),
                said(&h.lifted_at),
                said(&h.reason),
            ]
        };
        let rows: Vec<Vec<String>> = views.iter().map(row).collect();
        table::table(&["halted by", "since", "lifted by", "at", "why"], &rows, output.style)
    });
    Ok(Exit::Done)
}

async fn servers(client: &Client, output: Output) -> Outcome {
    let views: Vec<ServerView> = client.get("/v1/servers").await?;
    output.show(&views, |views| {
        let text = |v: &ServerView, key: &str| match v.detail.get(key) {
            None | Some(serde_json::Value::Null) => String::new(),
            Some(serde_json::Value::String(s)) => s.clone(),
            Some(other) => other.to_string(),
        };
        let row = |v: &ServerView| {
            vec![
                v.alias.clone(),
                v.health.clone(),
                text(v, "tools"),
                trouble(v),
                text(v, "server"),
                text(v, "last_error"),
            ]
        };
        let rows: Vec<Vec<String>> = views.iter().map(row).collect();
        table::table(
            &["alias", "health", "tools", "circuit", "server", "last error"],
            &rows,
            output.style,
        )
    });
    Ok(Exit::Done)
}

/// What keeps calls from a server: its circuit breaker, or that of its credential.
fn trouble(view: &ServerView) -> String {
    let state = |of: &str| {
        view.detail
            .get(of)
            .and_then(|s| s.get("state"))
            .and_then(|s| s.as_str())
    };
    match (state("credential"), state("circuit")) {
        (Some("refused"), _) => "sign-in refused".to_owned(),
        (Some("on_trial"), _) => "sign-in on trial".to_owned(),
        (_, Some(circuit)) => circuit.replace('_', " "),
        _ => String::new(),
    }
}
