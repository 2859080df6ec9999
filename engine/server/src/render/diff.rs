//! Native lines per device with the way back beside them.

use super::{Color, Style, columns, cut, harmless, pad};
use crate::http::dto::{ChangeView, DeviceDiff, DiffView};

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
    let half = (style.width.saturating_sub(7) / 2).max(20);
    let mut out = style.paint(&harmless(&device.device), Color::Bold);
    out.push('\n');
    for change in &device.changes {
        out += &format!("  {}\n", style.paint(&headline(change), Color::Dim));
        if !change.unchanged {
            out += &side_by_side(change, half, style);
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

fn side_by_side(change: &ChangeView, half: usize, style: Style) -> String {
    // The left column is as wide as it needs to be, so that short lines keep their way back near.
    let widest = change.lines.iter().map(|l| columns(l)).max().unwrap_or(0);
    let left_width = widest.clamp(24, half);
    let right_width = style.width.saturating_sub(left_width + 9).max(20);
    let rows = change.lines.len().max(change.way_back.len());
    let mut out = String::new();
    for i in 0..rows {
        let left = change.lines.get(i).map(|l| cut(&harmless(l), left_width));
        let right = change.way_back.get(i).map(|l| cut(&harmless(l), right_width));
        let plus = if left.is_some() { "+" } else { " " };
        let left = format!("{plus} {}", pad(&left.unwrap_or_default(), left_width));
        let minus = match (&right, change.irreversible) {
            (None, _) => " ",
            (Some(_), true) => "!",
            (Some(_), false) => "↩",
        };
        let right_color = if change.irreversible { Color::Red } else { Color::Yellow };
        let right = format!("{minus} {}", right.unwrap_or_default());
        let line = format!(
            "    {}  {}",
            style.paint(&left, Color::Green),
            style.paint(right.trim_end(), right_color)
        );
        out += line.trim_end();
        out.push('\n');
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
}
