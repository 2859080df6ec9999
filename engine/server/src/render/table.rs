//! Tables.

use super::{Color, Style, columns, cut, harmless, pad};
use crate::http::dto::{ReportView, TargetReport};

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

/// The whole report: the end, the sentences with their entries, the table, the checks, the cost.
pub fn report(report: &ReportView, style: Style) -> String {
    let mut out = style.paint(&harmless(&report.title), Color::Bold);
    out += &format!("\n{}", report.state.replace('_', " "));
    if let Some(reason) = &report.reason {
        out += &format!(": {}", harmless(reason));
    }
    out += "\n\n";
    for s in &report.sentences {
        let numbers: Vec<String> = s.entries.iter().take(6).map(ToString::to_string).collect();
        let more = if s.entries.len() > 6 { "…" } else { "" };
        let cited = style.paint(&format!("[{}{more}]", numbers.join(" ")), Color::Dim);
        out += &format!("- {} {cited}\n", harmless(&s.text));
    }
    if !report.targets.is_empty() {
        out += &format!("\n{}", devices(&report.targets, style));
    }
    for c in &report.checks {
        let (mark, color) = super::mark(&c.verdict);
        out += &format!("{} {} {}: {}\n", style.paint(mark, color), c.id, c.tool, c.verdict);
    }
    let cost = &report.cost;
    out += &format!(
        "\n{} calls, {:.1} s, {} tokens in, {} out\n",
        cost.calls, cost.seconds, cost.input_tokens, cost.output_tokens
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_per_device_says_what_was_changed_verified_and_persisted() {
        let row = |t: &str, a: &str, v: &str, p: &str, n: Option<&str>| TargetReport {
            target: t.into(),
            applied: a.into(),
            verified: v.into(),
            persisted: p.into(),
            note: n.map(str::to_owned),
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
