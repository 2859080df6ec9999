//! A configuration as a tree of lines, the same for all three platforms: each of them indents what belongs to a stanza.

use sha2::{Digest, Sha256};

/// One line and what stands below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Without indentation.
    pub line: String,
    pub children: Vec<Node>,
}

impl Node {
    /// A line with nothing below it.
    pub fn leaf(line: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            children: Vec::new(),
        }
    }

    /// What follows `head ` on the first child line that starts so.
    pub fn value(&self, head: &str) -> Option<&str> {
        self.children.iter().find_map(|child| after(&child.line, head))
    }

    /// Whether there is a child line exactly like this.
    pub fn has(&self, line: &str) -> bool {
        self.children.iter().any(|child| child.line == line)
    }
}

/// What follows `head` and a blank.
pub fn after<'a>(line: &'a str, head: &str) -> Option<&'a str> {
    line.strip_prefix(head)?.strip_prefix(' ').map(str::trim)
}

/// A whole configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    pub nodes: Vec<Node>,
}

impl Config {
    /// Reads what `show running-config` and its like print; headers, separators and comments are left out.
    pub fn parse(text: &str) -> Self {
        let mut lines = text.lines().filter(|line| is_content(line)).peekable();
        Self {
            nodes: below(&mut lines, None),
        }
    }

    /// Digest of the normalised text, `sha256:` and 64 hex digits: the *base* that a change is made against.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.text());
        let hex: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}")
    }

    /// The normalised text: one blank of indentation per level.
    pub fn text(&self) -> String {
        let mut out = String::new();
        write_nodes(&self.nodes, 0, &mut out);
        out
    }

    /// The top-level stanza or line with exactly this text.
    pub fn find(&self, line: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.line == line)
    }
}

fn write_nodes(nodes: &[Node], depth: usize, out: &mut String) {
    for node in nodes {
        out.extend(std::iter::repeat_n(' ', depth));
        out.push_str(&node.line);
        out.push('\n');
        write_nodes(&node.children, depth + 1, out);
    }
}

/// Takes the lines that are indented deeper than `parent`.
fn below<'a, I>(lines: &mut std::iter::Peekable<I>, parent: Option<usize>) -> Vec<Node>
where
    I: Iterator<Item = &'a str>,
{
    let mut nodes = Vec::new();
    while let Some(line) = lines.next_if(|line| parent.is_none_or(|p| indent(line) > p)) {
        let children = below(lines, Some(indent(line)));
        nodes.push(Node {
            line: squeeze(line),
            children,
        });
    }
    nodes
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// One blank between words, so that the same line compares equal whichever way it was printed.
fn squeeze(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_content(line: &str) -> bool {
    const NOISE: [&str; 6] = [
        "Building configuration",
        "Current configuration",
        "Using ",
        "Last configuration change",
        "Configuration last ",
        "Load for ",
    ];
    let line = line.trim();
    !(line.is_empty()
        || line.starts_with('!')
        || line.starts_with('#')
        || matches!(line, "exit" | "quit" | "end" | "return")
        || NOISE.iter().any(|noise| line.starts_with(noise)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_comments_and_separators_do_not_move_the_base() {
        let one = "Building configuration...\n\nCurrent configuration : 120 bytes\n!\n! Last change at 18:00\nhostname a\n!\ninterface Gi0/1\n ip ospf cost 10\n!\nend\n";
        let two = "hostname a\ninterface Gi0/1\n  ip  ospf cost 10\nexit\n";
        assert_eq!(Config::parse(one).digest(), Config::parse(two).digest());
        assert_ne!(Config::parse(one).digest(), Config::parse("hostname b").digest());
    }

    #[test]
    fn stanzas_nest_by_indentation() {
        let config =
            Config::parse("#\nospf 100 router-id 1.1.1.1\n area 0.0.0.0\n  network 10.0.0.0 0.0.0.3\n#\nreturn\n");
        assert_eq!(config.nodes[0].children[0].children[0].line, "network 10.0.0.0 0.0.0.3");
    }
}
