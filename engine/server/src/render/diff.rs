//! Native lines per device with the way back beside them, or below where both do not fit. Whoever approves reads this:
//! nothing is ever cut here.

use super::{Color, Style, columns, harmless, pad, wrap};
use crate::http::dto::{ChangeView, DeviceDiff, DiffView};

/// The left column is at least this wide, so that the ways back of short changes stand in one line.
const LEFT_LEAST: usize = 24;
/// Beyond this the way back would stand too far away to be read beside, however wide the screen is.
const LEFT_MOST: usize = 100;
/// Columns of a row that are neither native line nor way back: the indent, the marks, the gap between.
const FRAME: usize = 10;

/// The whole diff. Nothing to change is said in one line.
pub fn diff(view: &DiffView, style: Style) -> String {
    if view.devices.is_empty() {
        return "nothing that changes a device\n".to_owned();
    }
    let changes = || view.devices.iter().flat_map(|d| &d.changes);
    if changes().all(|c| c.unchanged) {
        let count = changes().count();
        return format!(
            "everything is in place already: {} satisfied, nothing to send\n",
            super::count(count, "call")
        );
    }
    let mut out = String::new();
    for d in &view.devices {
        out += &device(d, style);
    }
    if let Some(digest) = &view.digest {
        out += &format!("digest {digest}\n");
    }
    out
}

/// One device: what goes in on the left, what takes it back on the right.
pub fn device(device: &DeviceDiff, style: Style) -> String {
    let mut out = style.paint(&harmless(&device.device), Color::Bold);
    out.push('\n');
    for change in &device.changes {
        out += &format!("  {}\n", style.paint(&headline(change), Color::Dim));
        if !change.unchanged {
            out += &both_ways(change, style);
        }
    }
    out
}

fn headline(change: &ChangeView) -> String {
    let (item, tool) = (&change.item, &change.tool);
    match (change.unchanged, change.irreversible) {
        (true, _) => format!("{item} {tool}: in place already, nothing is sent"),
        (_, true) => format!("{item} {tool}, wave {}: NO WAY BACK", change.wave + 1),
        _ => format!("{item} {tool}, wave {}", change.wave + 1),
    }
}

/// The way back stands beside what is sent where both fit whole, else below it.
fn both_ways(change: &ChangeView, style: Style) -> String {
    let shown = |lines: &[String]| lines.iter().map(|l| harmless(l)).collect::<Vec<_>>();
    let (lines, back) = (shown(&change.lines), shown(&change.way_back));
    let widest = |lines: &[String]| lines.iter().map(|l| columns(l)).max().unwrap_or(0);
    let left = widest(&lines).max(LEFT_LEAST);
    let (mark, color) = match change.irreversible {
        true => ("!", Color::Red),
        false => ("↩", Color::Yellow),
    };
    if left <= LEFT_MOST && FRAME + left + widest(&back) <= style.width {
        return beside(&lines, (&back, mark, color), left, style);
    }
    below(&lines, "+", Color::Green, style) + &below(&back, mark, color, style)
}

fn beside(lines: &[String], (back, mark, color): (&[String], &str, Color), left: usize, style: Style) -> String {
    let mut out = String::new();
    for i in 0..lines.len().max(back.len()) {
        let plus = if i < lines.len() { "+" } else { " " };
        let line = lines.get(i).map_or("", String::as_str);
        let line = style.paint(&format!("{plus} {}", pad(line, left)), Color::Green);
        let back = back.get(i).map(|b| style.paint(&format!("{mark} {b}"), color));
        out += format!("    {line}  {}", back.unwrap_or_default()).trim_end();
        out.push('\n');
    }
    out
}

/// One line each, whole. What goes on in the next row has no mark of its own, so that it is not taken for another line.
fn below(lines: &[String], mark: &str, color: Color, style: Style) -> String {
    let width = style.width.saturating_sub(6).max(20);
    let mut out = String::new();
    for line in lines {
        for (n, part) in wrap(line, width).into_iter().enumerate() {
            let mark = if n == 0 { mark } else { " " };
            let row = style.paint(format!("{mark} {part}").trim_end(), color);
            out += &format!("    {row}\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(lines: &[&str], back: &[&str]) -> ChangeView {
        ChangeView {
            item: "ospf/0".into(),
            tool: "config/configure_ospf".into(),
            status: "waiting".into(),
            lines: lines.iter().map(ToString::to_string).collect(),
            way_back: back.iter().map(ToString::to_string).collect(),
            ..ChangeView::default()
        }
    }

    fn view(changes: Vec<ChangeView>) -> DiffView {
        DiffView {
            intent: "i".into(),
            digest: Some("sha256:ab".into()),
            devices: vec![DeviceDiff {
                device: "bj-core-1".into(),
                changes,
            }],
        }
    }

    #[test]
    fn native_lines_stand_beside_their_way_back() {
        let lines = ["router ospf 100", " network 10.0.0.0 0.0.0.3 area 0"];
        let golden = "\
bj-core-1
  ospf/0 config/configure_ospf, wave 1
    + router ospf 100                   ↩ no router ospf 100
    +  network 10.0.0.0 0.0.0.3 area 0
digest sha256:ab
";
        assert_eq!(
            diff(&view(vec![change(&lines, &["no router ospf 100"])]), Style::PLAIN),
            golden
        );
    }

    #[test]
    fn a_change_without_a_way_back_cannot_be_overlooked() {
        let mut c = change(
            &["config/save device=bj-core-1"],
            &["nothing takes a saved configuration back"],
        );
        c.irreversible = true;
        let text = diff(&view(vec![c]), Style::PLAIN);
        assert!(text.contains("wave 1: NO WAY BACK"), "{text}");
        assert!(text.contains("! nothing takes a saved configuration back"), "{text}");
    }

    #[test]
    fn a_satisfied_change_takes_one_line() {
        let mut c = change(&[], &[]);
        c.unchanged = true;
        let text = diff(&view(vec![c.clone(), c]), Style::PLAIN);
        assert_eq!(
            text,
            "everything is in place already: 2 calls satisfied, nothing to send\n"
        );
    }

    #[test]
    fn a_line_that_does_not_fit_is_wrapped_and_its_way_back_stands_below() {
        let long = format!("description {}", "x".repeat(120));
        let c = change(&[&long, "end"], &["no description"]);
        let text = diff(&view(vec![c]), Style::PLAIN);
        let rows: Vec<&str> = text.lines().skip(2).take(4).collect();
        let wrapped = format!("{}{}", &rows[0][6..], &rows[1][6..]);
        assert_eq!(wrapped, long, "{text}");
        assert!(
            rows[0].starts_with("    + ") && rows[1].starts_with("      x"),
            "{text}"
        );
        assert_eq!(rows[2..], ["    + end", "    ↩ no description"], "{text}");
        assert!(text.lines().all(|l| columns(l) <= 100), "{text}");
    }

    #[test]
    fn a_pipe_gets_each_line_whole_in_one_row() {
        let long = format!("description {}", "x".repeat(900));
        let pipe = Style {
            width: usize::MAX,
            ..Style::PLAIN
        };
        let text = diff(&view(vec![change(&[&long], &[&long])]), pipe);
        let (plus, back) = (format!("    + {long}\n"), format!("    ↩ {long}\n"));
        assert!(text.contains(&(plus + &back)), "{text}");
    }
}
