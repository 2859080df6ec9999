//! Tables.

use super::{Color, Style, columns, count, cut, harmless, pad};
use crate::http::dto::{CheckView, Cost, ReportView, Sentence, TargetReport};

/// A table with a header; columns as wide as their widest cell, the last one cut at the edge.
pub fn table(header: &[&str], rows: &[Vec<String>], style: Style) -> String {
    let mut widths: Vec<usize> = header.iter().map(|h| columns(h)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns(cell));
        }
    }
    let before_last: usize = widths.iter().rev().skip(1).map(|w| w + 2).sum();
    if let Some(last) = widths.last_mut() {
        *last = (*last).min(style.width.saturating_sub(before_last).max(12));
    }
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(c, w)| pad(&cut(&harmless(c), *w), *w));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let header: Vec<String> = header.iter().map(|h| (*h).to_owned()).collect();
    let mut out = style.paint(&line(&header), Color::Bold);
    for row in rows {
        out.push('\n');
        out += &line(row);
    }
    out.push('\n');
    out
}

/// One line per device: changed, verified, persisted.
pub fn devices(targets: &[TargetReport], style: Style) -> String {
    let rows: Vec<Vec<String>> = targets
        .iter()
        .map(|t| {
            let note = t.note.clone().unwrap_or_default();
            vec![
                t.target.clone(),
                t.applied.clone(),
                t.verified.clone(),
                t.persisted.clone(),
                note,
            ]
        })
        .collect();
    table(&["device", "changed", "verified", "persisted", ""], &rows, style)
}

/// The same with the entries that say so.
fn reported(targets: &[TargetReport], style: Style) -> String {
    let plain = Style { color: false, ..style };
    let row = |t: &TargetReport| {
        vec![
            t.target.clone(),
            t.applied.clone(),
            t.verified.clone(),
            t.persisted.clone(),
            cited(&t.entries, plain),
            t.note.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<Vec<String>> = targets.iter().map(row).collect();
    table(
        &["device", "changed", "verified", "persisted", "entries", ""],
        &rows,
        style,
    )
}

/// The whole report: the end, the sentences with their entries, the table, the checks, the cost.
pub fn report(report: &ReportView, style: Style) -> String {
    let mut out = style.paint(&harmless(&report.title), Color::Bold);
    out += &format!("\n{}", report.state.replace('_', " "));
    // What only says the reason again is cited behind it: an error is read there, and where it happened.
    let says_again = |s: &&Sentence| report.reason.as_ref().is_some_and(|r| is_echo(&s.text, r));
    let (again, told): (Vec<&Sentence>, Vec<&Sentence>) = report.sentences.iter().partition(says_again);
    let again: Vec<u64> = again.iter().flat_map(|s| s.entries.clone()).collect();
    if let Some(reason) = &report.reason {
        out += &format!(": {} {}", harmless(reason), cited(&again, style));
    }
    out = format!("{}\n", out.trim_end());
    for s in &report.contradicted {
        let warning = style.paint("! not certain:", Color::Red);
        out += &format!("{warning} {} {}\n", harmless(&s.text), cited(&s.entries, style));
    }
    out.push('\n');
    for s in &told {
        out += &format!("- {} {}\n", harmless(&s.text), cited(&s.entries, style));
    }
    if !report.targets.is_empty() {
        let said = |note: &String| report.sentences.iter().any(|s| s.text.contains(note.as_str()));
        let targets: Vec<TargetReport> = report
            .targets
            .iter()
            .cloned()
            .map(|t| TargetReport {
                note: t.note.filter(|n| !said(n)),
                ..t
            })
            .collect();
        out += &format!("\n{}", reported(&targets, style));
    }
    for c in &report.checks {
        out += &check(c, style);
    }
    out + &cost(&report.cost)
}

/// Whether a sentence is an end or a turn with the intent's reason behind it, and nothing else.
pub(super) fn is_echo(text: &str, reason: &str) -> bool {
    const TURNS: [&str; 7] = [
        "fulfilled",
        "no plan",
        "taking everything back",
        "rolled back",
        "failed",
        "refused",
        "cancelled",
    ];
    let before = text.strip_suffix(reason).and_then(|t| t.strip_suffix(": "));
    before.is_some_and(|b| TURNS.contains(&b.trim_end_matches(" in part")))
}

/// The numbers of the entries that say so.
pub(super) fn cited(entries: &[u64], style: Style) -> String {
    let numbers: Vec<String> = entries.iter().take(6).map(ToString::to_string).collect();
    let more = if entries.len() > 6 { "…" } else { "" };
    if numbers.is_empty() {
        return String::new();
    }
    style.paint(&format!("[{}{more}]", numbers.join(" ")), Color::Dim)
}

/// A check with its verdict; where it was missed, what was expected and what was read.
fn check(check: &CheckView, style: Style) -> String {
    let (mark, color) = super::mark(&check.verdict);
    let said = format!(
        "{} {} {}: {} {}",
        style.paint(mark, color),
        check.id,
        check.tool,
        check.verdict,
        cited(&check.entries, style)
    );
    let mut out = format!("{}\n", said.trim_end());
    if let Some(reading) = &check.reading {
        out += &format!("    expected {}\n", harmless(&check.expect));
        out += &format!(
            "    read     {}\n",
            cut(&harmless(reading), style.width.saturating_mul(4))
        );
    }
    out
}

fn cost(cost: &Cost) -> String {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    format!(
        "\n{}, {:.1} s, {} in, {} out\n",
        count(number(cost.calls), "call"),
        cost.seconds,
        count(number(cost.input_tokens), "token"),
        cost.output_tokens
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_the_reason_and_stands_where_it_happened_and_a_missed_check_with_what_was_read() {
        let error = "config/save: the disk is full";
        let report = ReportView {
            title: "Save".into(),
            state: "failed".into(),
            reason: Some(error.into()),
            sentences: vec![
                Sentence {
                    text: "asked for by olga".into(),
                    entries: vec![1],
                },
                Sentence {
                    text: format!("s (do): failed: {error}"),
                    entries: vec![7],
                },
                Sentence {
                    text: format!("failed: {error}"),
                    entries: vec![9],
                },
            ],
            targets: vec![TargetReport {
                target: "r1".into(),
                applied: "failed".into(),
                verified: "unverified".into(),
                persisted: "-".into(),
                note: Some(error.into()),
                entries: vec![7],
            }],
            checks: vec![CheckView {
                id: "post-check 1".into(),
                tool: "telemetry/reachability".into(),
                expect: "output.share > 0.9".into(),
                verdict: "missed".into(),
                problem: None,
                reading: Some("{\"share\":0.5}".into()),
                entries: vec![8],
            }],
            cost: Cost {
                calls: 1,
                ..Cost::default()
            },
            ..ReportView::default()
        };
        let text = super::report(&report, Style::PLAIN);
        assert_eq!(text.matches(error).count(), 2, "{text}");
        assert!(
            text.contains("\nfailed: config/save: the disk is full [9]\n\n- asked for"),
            "{text}"
        );
        assert!(
            text.contains("post-check 1 telemetry/reachability: missed [8]\n    expected output.share > 0.9\n    read     {\"share\":0.5}"),
            "{text}"
        );
        assert!(
            text.contains("\nr1      failed   unverified  -          [7]\n"),
            "{text}"
        );
        assert!(text.contains("\n1 call, 0.0 s, 0 tokens in"), "{text}");
    }

    #[test]
    fn a_table_per_device_says_what_was_changed_verified_and_persisted() {
        let row = |t: &str, a: &str, v: &str, p: &str, n: Option<&str>| TargetReport {
            target: t.into(),
            applied: a.into(),
            verified: v.into(),
            persisted: p.into(),
            note: n.map(str::to_owned),
            ..TargetReport::default()
        };
        let targets = [
            row("bj-core-1", "changed", "verified", "saved", None),
            row(
                "bj-core-10",
                "in doubt",
                "unverified",
                "-",
                Some("no answer within 20s"),
            ),
        ];
        let golden = "\
device      changed   verified    persisted
bj-core-1   changed   verified    saved
bj-core-10  in doubt  unverified  -          no answer within 20s
";
        assert_eq!(devices(&targets, Style::PLAIN), golden);
    }
}
