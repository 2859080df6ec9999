//! What lines would make of a configuration, and the lines that lead back.

use super::Platform;
use super::config::{Config, Node};
use super::grammar::{self, Kind, Known, Scope};
use super::redact;

/// A line that must not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{0} does not exist on this device; configuring it would create an entry without effect")]
    NoSuchInterface(String),
    #[error("`{0}` would leave configuration mode; the driver enters and leaves modes itself")]
    LeavesConfiguration(String),
}

/// What some lines would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreseen {
    /// The lines as they will be sent.
    pub lines: Vec<String>,
    /// Native lines that lead exactly back.
    pub reverse: Vec<String>,
    /// Lines whose effect is not understood: no way back is known for them. Secrets are removed.
    pub irreversible: Vec<String>,
    /// Nothing would change.
    pub unchanged: bool,
    /// The scope and interface each line stands in, as the deny-list needs it.
    pub places: Vec<Place>,
}

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub scope: Scope,
    /// The stanza's header line, empty at the top.
    pub stanza: String,
}

/// Plays `lines` on `config`. `exists` says which interfaces the device really has.
pub fn foresee(
    platform: Platform,
    config: &Config,
    exists: &dyn Fn(&str) -> bool,
    lines: &[String],
) -> Result<Foreseen, Error> {
    if platform == Platform::Junos {
        return super::junos::foresee(config, exists, lines);
    }
    let mut play = Play::new(platform, config, exists);
    for line in lines {
        play.feed(line)?;
    }
    let reverse = lead_back(platform, &play.config.nodes, &config.nodes, Scope::Global);
    if let Some(secret) = reverse.iter().find(|line| redact::has_secret(line)) {
        // A way back that would show a secret to people and journals is no way back.
        play.irreversible.push(redact::line(secret));
    }
    let unchanged = reverse.is_empty() && play.irreversible.is_empty();
    Ok(Foreseen {
        lines: lines.to_vec(),
        reverse,
        irreversible: play.irreversible,
        unchanged,
        places: play.places,
    })
}

struct Play<'a> {
    platform: Platform,
    config: Config,
    exists: &'a dyn Fn(&str) -> bool,
    /// Headers' keys from the top to the present stanza.
    path: Vec<(String, Scope)>,
    irreversible: Vec<String>,
    places: Vec<Place>,
}

impl<'a> Play<'a> {
    fn new(platform: Platform, config: &Config, exists: &'a dyn Fn(&str) -> bool) -> Self {
        let path = Vec::new();
        Self {
            platform,
            config: config.clone(),
            exists,
            path,
            irreversible: Vec::new(),
            places: Vec::new(),
        }
    }

    fn feed(&mut self, line: &str) -> Result<(), Error> {
        let line = line.trim();
        if matches!(line, "exit" | "quit") {
            self.note_place();
            return self
                .path
                .pop()
                .map(drop)
                .ok_or_else(|| Error::LeavesConfiguration(line.to_owned()));
        }
        let negation = self.platform.words().negate;
        let (negated, rest) = match line.split_once(' ') {
            Some((first, rest)) if first == negation => (true, rest.trim()),
            _ => (false, line),
        };
        let Some(known) = self.understand(rest) else {
            self.note_place();
            self.irreversible.push(redact::line(line));
            return Ok(());
        };
        self.note_place();
        if negated {
            self.remove(line, &known)
        } else {
            self.add(&known)?
        }
        Ok(())
    }

    /// Looks in the present stanza first, then further out, as the devices do, and goes there.
    fn understand(&mut self, line: &str) -> Option<Known> {
        let mut depth = self.path.len();
        loop {
            let scope = if depth == 0 {
                Scope::Global
            } else {
                self.path[depth - 1].1
            };
            if let Some(known) = grammar::classify(self.platform, scope, line) {
                self.path.truncate(depth);
                return Some(known);
            }
            depth = depth.checked_sub(1)?;
        }
    }

    fn add(&mut self, known: &Known) -> Result<(), Error> {
        if let Kind::Stanza(scope) = known.kind {
            let header = self.header(known)?;
            self.open(&header, known, scope);
            return Ok(());
        }
        let platform = self.platform;
        let siblings = self.siblings();
        match siblings
            .iter_mut()
            .find(|n| key_of(platform, known.scope, &n.line) == known.key)
        {
            Some(present) if grammar::normal(&present.line) != grammar::normal(&known.line) => {
                present.line.clone_from(&known.line);
            }
            Some(_same) => {}
            None => siblings.push(Node::leaf(&known.line)),
        }
        Ok(())
    }

    /// The stanza's header as the configuration spells it.
    fn header(&self, known: &Known) -> Result<String, Error> {
        let Some(asked) = known.key.strip_prefix("interface ") else {
            return Ok(known.key.clone());
        };
        let given = known.line.strip_prefix("interface ").unwrap_or(asked);
        let spelled = self.config.nodes.iter().find_map(|node| {
            let name = node.line.strip_prefix("interface ")?;
            same_interface(name, given).then(|| name.to_owned())
        });
        let name = spelled.unwrap_or_else(|| given.to_owned());
        if !(self.exists)(&name) {
            return Err(Error::NoSuchInterface(name));
        }
        Ok(format!("interface {name}"))
    }

    fn open(&mut self, header: &str, known: &Known, scope: Scope) {
        let (platform, outer) = (self.platform, known.scope);
        let siblings = self.siblings();
        match siblings.iter().find(|n| key_of(platform, outer, &n.line) == header) {
            // `ospf 100 router-id x` on a process that has another: not understood well enough to take back.
            Some(present) if known.has_args && present.line != known.line => {
                self.irreversible.push(known.line.clone());
            }
            Some(_) => {}
            None => siblings.push(Node::leaf(if known.has_args { &known.line } else { header })),
        }
        self.path.push((header.to_owned(), scope));
    }

    fn remove(&mut self, line: &str, known: &Known) {
        let physical = known.key.starts_with("interface ");
        let partial = matches!(known.kind, Kind::Stanza(_)) && known.has_args;
        if physical || partial {
            self.irreversible.push(line.to_owned());
            return;
        }
        let platform = self.platform;
        self.siblings()
            .retain(|n| key_of(platform, known.scope, &n.line) != known.key);
    }

    fn siblings(&mut self) -> &mut Vec<Node> {
        let platform = self.platform;
        let mut nodes = &mut self.config.nodes;
        let mut outer = Scope::Global;
        for (key, scope) in &self.path {
            let at = nodes.iter().position(|n| key_of(platform, outer, &n.line) == *key);
            nodes = &mut nodes[at.expect("a stanza on the path was opened before")].children;
            outer = *scope;
        }
        nodes
    }

    fn note_place(&mut self) {
        let (stanza, scope) = self.path.last().cloned().unwrap_or((String::new(), Scope::Global));
        self.places.push(Place { scope, stanza });
    }
}

/// Identity of a configuration line; a line that is not understood stands for itself.
fn key_of(platform: Platform, scope: Scope, line: &str) -> String {
    grammar::classify(platform, scope, line).map_or_else(|| grammar::normal(line), |known| known.key)
}

/// Whether an abbreviated interface name means this one: `gi0/1` and `GigabitEthernet0/1`.
pub fn same_interface(name: &str, given: &str) -> bool {
    let split = |text: &str| {
        let at = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
        (text[..at].to_lowercase(), text[at..].to_owned())
    };
    let ((word, number), (short, asked)) = (split(name), split(given));
    number == asked && !short.is_empty() && (word == short || (!number.is_empty() && word.starts_with(&short)))
}

/// The lines that make one configuration of another.
pub(super) fn lines_between(platform: Platform, from: &Config, to: &Config) -> Vec<String> {
    lead_back(platform, &from.nodes, &to.nodes, Scope::Global)
}

/// The lines that make `to` of `from`.
fn lead_back(platform: Platform, from: &[Node], to: &[Node], scope: Scope) -> Vec<String> {
    let words = platform.words();
    let key = |node: &Node| key_of(platform, scope, &node.line);
    let mut lines = Vec::new();
    for gone in from
        .iter()
        .filter(|node| !to.iter().any(|other| key(other) == key(node)))
    {
        lines.push(format!("{} {}", words.negate, negatable(platform, scope, &gone.line)));
    }
    for wanted in to {
        let present = from.iter().find(|node| key(node) == key(wanted));
        let known = grammar::classify(platform, scope, &wanted.line);
        if let Some(Known {
            kind: Kind::Stanza(inner),
            ..
        }) = known
        {
            let children = present.map_or(&[][..], |node| &node.children);
            let inside = lead_back(platform, children, &wanted.children, inner);
            if present.is_none() || !inside.is_empty() {
                let header = if present.is_some() {
                    key(wanted)
                } else {
                    wanted.line.clone()
                };
                lines.push(header);
                lines.extend(inside);
                lines.push(words.up.to_owned());
            }
        } else if present.is_none_or(|p| grammar::normal(&p.line) != grammar::normal(&wanted.line)) {
            lines.push(wanted.line.clone());
        }
    }
    lines
}

/// How a line is named when it is taken back.
fn negatable(platform: Platform, scope: Scope, line: &str) -> String {
    match grammar::classify(platform, scope, line) {
        Some(Known {
            kind: Kind::Stanza(_) | Kind::Value,
            key,
            ..
        }) => key,
        _ => line.to_owned(),
    }
}
