//! Why an intent is as it is, as text: each sentence with the numbers of its entries.

use super::table::{cited, is_echo};
use super::{Color, Style, count, cut, harmless, one_line};
use crate::http::dto::{AnswerWhy, DecisionWhy, FaultWhy, PlanWhy, Reasoned, Refusal, Sentence, ToolsWhy, WhyView};

/// Of a model's answer, at most so many characters are shown; the journal and `--json` have all of it.
const ANSWER: usize = 240;
/// How many calls are named that a rule applied to.
const NAMED: usize = 12;

/// The whole answer. What only says the intent's reason again is cited behind it.
pub fn why(view: &WhyView, style: Style) -> String {
    let says_again = |text: &str| view.reason.as_ref().is_some_and(|reason| is_echo(text, reason));
    let mut out = head(view, says_again, style);
    out += &section("asked", &sentences(&view.asked, style), style);
    for plan in &view.plans {
        let mut told = planned(plan, style);
        if let Some(refusal) = &plan.refused {
            told += &refused(refusal, says_again(&refusal.text), style);
        }
        let what = if plan.source.is_some() { "plan" } else { "planning" };
        out += &section(&format!("{what} {}", plan.revision), &told, style);
    }
    let stuck = view.stuck.iter().map(|s| line(s, &[], style));
    let ways = view.ways.iter().map(|w| line(w, &[], style));
    out += &section("waits for a person", &stuck.collect::<String>(), style);
    let given = view.given.iter().map(|g| line(g, &[], style));
    out += &section("given already", &given.collect::<String>(), style);
    out += &section("to move it on", &ways.collect::<String>(), style);
    let decided = view.decisions.iter().filter(|d| !says_again(&d.text));
    let decided: String = decided.map(|d| decision(d, style)).collect();
    out += &section("decided", &decided, style);
    let total = format!(
        "  {}, {:.1} s in all\n",
        count(
            usize::try_from(view.cost.input_tokens + view.cost.output_tokens).unwrap_or(usize::MAX),
            "token"
        ),
        view.cost.seconds
    );
    out + &section("cost", &(sentences(&view.spent, style) + &total), style)
}

/// What was asked, where it stands and why.
fn head(view: &WhyView, says_again: impl Fn(&str) -> bool, style: Style) -> String {
    let title = style.paint(&harmless(&view.title), Color::Bold);
    let mut out = format!("{title}\n{}", view.state.replace('_', " "));
    if let Some(reason) = &view.reason {
        let refusals = view.plans.iter().filter_map(|p| p.refused.as_ref());
        let refusals = refusals.map(|r| (&r.text, &r.entries));
        let all = refusals.chain(view.decisions.iter().map(|d| (&d.text, &d.entries)));
        let again: Vec<u64> = all
            .filter(|(text, _)| says_again(text))
            .flat_map(|(_, e)| e.clone())
            .collect();
        out += format!(": {} {}", harmless(reason), cited(&again, style)).trim_end();
    }
    out.push('\n');
    out
}

fn section(title: &str, body: &str, style: Style) -> String {
    match body.is_empty() {
        true => String::new(),
        false => format!("\n{}\n{body}", style.paint(title, Color::Bold)),
    }
}

fn line(text: &str, entries: &[u64], style: Style) -> String {
    format!(
        "  {}",
        format!("{} {}", harmless(text), cited(entries, style)).trim_end()
    ) + "\n"
}

fn sentences(all: &[Sentence], style: Style) -> String {
    all.iter().map(|s| line(&s.text, &s.entries, style)).collect()
}

/// In the order of the entries: what was tried, what a model was shown, and what it said.
fn planned(plan: &PlanWhy, style: Style) -> String {
    let mut told: Vec<(u64, String)> = Vec::new();
    for s in &plan.how {
        told.push((
            s.entries.first().copied().unwrap_or(0),
            line(&s.text, &s.entries, style),
        ));
    }
    told.extend(plan.tools.iter().map(|t| (t.entry, tools(t, style))));
    told.extend(plan.answers.iter().map(|a| (a.entry, answer(a, style))));
    told.sort_by_key(|(entry, _)| *entry);
    told.into_iter().map(|(_, text)| text).collect()
}

fn tools(tools: &ToolsWhy, style: Style) -> String {
    let shown = format!(
        "shown to the model ({} tokens): {}",
        tools.tokens,
        tools.shown.join(", ")
    );
    let mut out = line(&shown, &[tools.entry], style);
    let mut reasons: Vec<&str> = Vec::new();
    for not in &tools.not_shown {
        if !reasons.contains(&not.why.as_str()) {
            reasons.push(&not.why);
        }
    }
    for why in reasons {
        let of_it = tools.not_shown.iter().filter(|n| n.why == why);
        let of_it: Vec<&str> = of_it.map(|n| n.tool.as_str()).collect();
        out += &format!("    not shown, {why}: {}\n", harmless(&of_it.join(", ")));
    }
    if tools.others > 0 {
        out += &format!("    not shown, further off: {} more\n", tools.others);
    }
    out
}

fn answer(answer: &AnswerWhy, style: Style) -> String {
    let round = match answer.round {
        0 => String::new(),
        n => format!(", round {n} of repair"),
    };
    let asked = format!(
        "{} asked to {}{round}: {} tokens in, {} out, {:.1} s",
        answer.model, answer.purpose, answer.input_tokens, answer.output_tokens, answer.seconds
    );
    let mut out = line(&asked, &[answer.entry], style);
    let said = answer
        .answer
        .as_str()
        .map_or_else(|| answer.answer.to_string(), str::to_owned);
    out += &format!("    answered: {}\n", cut(&harmless(&one_line(&said)), ANSWER));
    // What could not be read has a problem and, often, no fault; else each fault says it better.
    if let Some(problem) = answer.problem.as_ref().filter(|_| answer.faults.is_empty()) {
        out += &format!("    not usable: {}\n", harmless(problem));
    }
    out + &answer.faults.iter().map(|f| fault(f, style)).collect::<String>()
}

fn fault(found: &FaultWhy, style: Style) -> String {
    let became = match found.repaired_in {
        Some(entry) => format!("repaired {}", cited(&[entry], style)),
        None => "never repaired".to_owned(),
    };
    let fault = &found.fault;
    format!(
        "    fault at {}: {} [{}]; {became}\n",
        harmless(&fault.pointer),
        harmless(&fault.message),
        fault.rule
    )
}

fn refused(refusal: &Refusal, says_again: bool, style: Style) -> String {
    let text = if says_again {
        "no plan, for that reason"
    } else {
        &refusal.text
    };
    let mut out = line(text, &refusal.entries, style);
    for fault in &refusal.faults {
        let (pointer, message) = (harmless(&fault.pointer), harmless(&fault.message));
        out += &format!("    {pointer} {message} [{}]\n", fault.rule);
        if let Some(suggestion) = &fault.suggestion {
            out += &format!("      → {}\n", harmless(suggestion));
        }
    }
    out
}

fn decision(decision: &DecisionWhy, style: Style) -> String {
    line(&decision.text, &decision.entries, style) + &decision.rules.iter().map(rule).collect::<String>()
}

fn rule(rule: &Reasoned) -> String {
    let shown: Vec<&str> = rule.items.iter().take(NAMED).map(String::as_str).collect();
    let more = match rule.items.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let to = match shown.is_empty() {
        true => String::new(),
        false => format!("\n      applied to {}{more}", shown.join(", ")),
    };
    format!("    {}{to}\n", harmless(&rule.why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::dto::{Cost, NotShownWhy};
    use crate::http::problem::ProblemFault;

    fn sentence(text: &str, entry: u64) -> Sentence {
        Sentence {
            text: text.into(),
            entries: vec![entry],
        }
    }

    fn by_a_model() -> PlanWhy {
        let found = ProblemFault {
            pointer: "/plan/steps/0/tool".into(),
            rule: "plan.unknown_tool".into(),
            message: "there is no such tool".into(),
            suggestion: None,
        };
        let answer = |entry: u64, purpose: &str, round: u32, faults: Vec<FaultWhy>| AnswerWhy {
            entry,
            purpose: purpose.into(),
            model: "m".into(),
            input_tokens: 11,
            output_tokens: 7,
            seconds: 1.25,
            round,
            problem: (!faults.is_empty()).then(|| "the first of them".into()),
            faults,
            answer: serde_json::json!({"steps": []}),
        };
        PlanWhy {
            revision: 1,
            source: Some("model m".into()),
            how: vec![
                sentence("not by phrase: none says this", 3),
                sentence("plan ab by model m accepted", 9),
            ],
            answers: vec![
                answer(
                    5,
                    "draft",
                    0,
                    vec![FaultWhy {
                        fault: found,
                        repaired_in: Some(6),
                    }],
                ),
                answer(6, "repair", 1, Vec::new()),
            ],
            tools: vec![ToolsWhy {
                entry: 4,
                shown: vec!["a/b".into()],
                not_shown: ["a/c", "a/d"]
                    .map(|tool| NotShownWhy {
                        tool: tool.into(),
                        why: "no room left in the prompt".into(),
                    })
                    .into(),
                others: 4,
                tokens: 90,
            }],
            refused: None,
        }
    }

    #[test]
    fn a_refusal_says_its_reason_once_and_each_fault_below_it() {
        let fault = ProblemFault {
            pointer: "/plan".into(),
            rule: "ground.verb".into(),
            message: "nobody asked to change it".into(),
            suggestion: Some("say so".into()),
        };
        let view = WhyView {
            title: "look at r1".into(),
            state: "refused".into(),
            reason: Some("it writes".into()),
            plans: vec![PlanWhy {
                revision: 1,
                refused: Some(Refusal {
                    text: "no plan: it writes".into(),
                    faults: vec![fault],
                    entries: vec![7],
                }),
                ..PlanWhy::default()
            }],
            decisions: vec![DecisionWhy {
                text: "refused: it writes".into(),
                entries: vec![8],
                rules: Vec::new(),
            }],
            ..WhyView::default()
        };
        let golden = "\
look at r1
refused: it writes [7 8]

planning 1
  no plan, for that reason [7]
    /plan nobody asked to change it [ground.verb]
      → say so

cost
  0 tokens, 0.0 s in all
";
        assert_eq!(why(&view, Style::PLAIN), golden);
    }

    #[test]
    fn why_tells_tools_faults_rules_and_cost_each_with_its_entries() {
        let view = WhyView {
            title: "which peers".into(),
            state: "awaiting_approval".into(),
            asked: vec![sentence("olga asked in words: which peers", 1)],
            plans: vec![by_a_model()],
            decisions: vec![DecisionWhy {
                text: "policy asks for a person's approval".into(),
                entries: vec![20],
                rules: vec![Reasoned {
                    why: "approval.model: a model made it".into(),
                    items: vec!["look/0".into(), "look/1".into()],
                }],
            }],
            spent: vec![sentence("m was asked once: 11 tokens in, 7 out, 1.2 s", 5)],
            cost: Cost {
                input_tokens: 11,
                output_tokens: 7,
                calls: 0,
                seconds: 2.0,
            },
            ..WhyView::default()
        };
        let golden = "\
which peers
awaiting approval

asked
  olga asked in words: which peers [1]

plan 1
  not by phrase: none says this [3]
  shown to the model (90 tokens): a/b [4]
    not shown, no room left in the prompt: a/c, a/d
    not shown, further off: 4 more
  m asked to draft: 11 tokens in, 7 out, 1.2 s [5]
    answered: {\"steps\":[]}
    fault at /plan/steps/0/tool: there is no such tool [plan.unknown_tool]; repaired [6]
  m asked to repair, round 1 of repair: 11 tokens in, 7 out, 1.2 s [6]
    answered: {\"steps\":[]}
  plan ab by model m accepted [9]

decided
  policy asks for a person's approval [20]
    approval.model: a model made it
      applied to look/0, look/1

cost
  m was asked once: 11 tokens in, 7 out, 1.2 s [5]
  18 tokens, 2.0 s in all
";
        assert_eq!(why(&view, Style::PLAIN), golden);
    }
}
