//! A unified diff of two texts, line by line.

/// Lines around a change that are shown with it.
const CONTEXT: usize = 3;
/// Beyond this many comparisons everything between the first and the last change is shown as replaced.
const MOST_COMPARED: usize = 4_000_000;

/// One line: in both, only in the old text, only in the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Gone(&'a str),
    New(&'a str),
}

/// The diff with its header; empty where the texts are equal.
pub fn unified(old: &str, new: &str, old_name: &str, new_name: &str) -> String {
    let lines = compare(old, new);
    let changed: Vec<usize> = (0..lines.len())
        .filter(|i| !matches!(lines[*i], Line::Same(_)))
        .collect();
    if changed.is_empty() {
        return String::new();
    }
    let mut out = format!("--- {old_name}\n+++ {new_name}\n");
    let mut rest = &changed[..];
    while let Some(first) = rest.first() {
        // Changes whose contexts touch are one hunk.
        let near = rest.windows(2).take_while(|w| w[1] - w[0] <= 2 * CONTEXT + 1).count();
        let (from, to) = (
            first.saturating_sub(CONTEXT),
            (rest[near] + CONTEXT + 1).min(lines.len()),
        );
        out += &hunk(&lines, from, to);
        rest = &rest[near + 1..];
    }
    out
}

fn hunk(lines: &[Line<'_>], from: usize, to: usize) -> String {
    let old = |part: &[Line<'_>]| part.iter().filter(|l| !matches!(l, Line::New(_))).count();
    let new = |part: &[Line<'_>]| part.iter().filter(|l| !matches!(l, Line::Gone(_))).count();
    let (before, part) = (&lines[..from], &lines[from..to]);
    let mut out = format!(
        "@@ -{},{} +{},{} @@\n",
        old(before) + 1,
        old(part),
        new(before) + 1,
        new(part)
    );
    for line in part {
        out += &match line {
            Line::Same(l) => format!(" {l}\n"),
            Line::Gone(l) => format!("-{l}\n"),
            Line::New(l) => format!("+{l}\n"),
        };
    }
    out
}

fn compare<'a>(old: &'a str, new: &'a str) -> Vec<Line<'a>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (o, n) = (&old[head..], &new[head..]);
    let tail = o.iter().rev().zip(n.iter().rev()).take_while(|(a, b)| a == b).count();
    let (o, n) = (&o[..o.len() - tail], &n[..n.len() - tail]);
    let mut lines: Vec<Line<'a>> = old[..head].iter().map(|l| Line::Same(l)).collect();
    if o.len() * n.len() > MOST_COMPARED {
        lines.extend(o.iter().map(|l| Line::Gone(l)));
        lines.extend(n.iter().map(|l| Line::New(l)));
    } else {
        lines.extend(walk(o, n));
    }
    lines.extend(old[old.len() - tail..].iter().map(|l| Line::Same(l)));
    lines
}

/// Along the longest common subsequence.
fn walk<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let width = new.len() + 1;
    let mut longest = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i * width + j] = if old[i] == new[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && longest[(i + 1) * width + j] >= longest[i * width + j + 1]) {
            lines.push(Line::Gone(old[i]));
            i += 1;
        } else {
            lines.push(Line::New(new[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_with_the_lines_around_them() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n";
        let new = old.replace("2\n3\n", "two\n3\nmore\n").replace("15\n", "");
        let golden = "\
--- a
+++ b
@@ -1,6 +1,7 @@
 1
-2
+two
 3
+more
 4
 5
 6
@@ -12,5 +13,4 @@
 12
 13
 14
-15
 16
";
        assert_eq!(unified(old, &new, "a", "b"), golden);
    }

    #[test]
    fn equal_texts_have_no_diff() {
        assert_eq!(unified("a\nb\n", "a\nb\n", "a", "b"), "");
    }
}
