//! Configurations as XML trees, without knowledge of their models: compared, hashed, and led back by their top elements.

use roxmltree::{Document, Node};
use sha2::{Digest, Sha256};

use super::session::BASE;
use crate::platform::deny::Denied;
use crate::platform::model::Foreseen;

/// The body of a `<config>` is not XML that can be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("lines must be one element: the XML that belongs into <config>: {0}")]
pub struct NotABody(pub String);

/// Elements that are never edited: who may log in, and how the device is managed.
const DENIED: &[(&str, &str)] = &[
    ("nacm", "it would change who may do what"),
    ("authentication", "it would change who may log in"),
    ("keystore", "it would change keys"),
    ("truststore", "it would change keys"),
    ("netconf-server", "it would cut off the way that the device is managed"),
];

/// Text for XML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Digest of a configuration, `sha256:` and 64 hex digits; prefixes and blanks between elements do not move it.
pub fn digest(data: &str) -> Result<String, NotABody> {
    let text = text(data, &|_| false)?;
    let hex: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("sha256:{hex}"))
}

/// A configuration in one form, indented; elements that `hides` are shown without their content.
pub fn text(data: &str, hides: &dyn Fn(&str) -> bool) -> Result<String, NotABody> {
    let document = parse(data)?;
    let mut out = String::new();
    for top in tops(&document) {
        print(top, None, 0, hides, &mut out);
    }
    Ok(out)
}

/// Elements that hold secrets, by name.
pub fn is_secret(name: &str) -> bool {
    ["password", "secret", "private-key", "passphrase", "community"]
        .iter()
        .any(|word| name.contains(word))
}

/// What a body would make of a configuration, and the body that leads back: each of its top elements as it is now.
pub fn foresee(data: &str, lines: &[String]) -> Result<Foreseen, Problem> {
    let [line] = lines else {
        return Err(NotABody(format!("{} elements were given", lines.len())).into());
    };
    let body = wrapped(line);
    let (now, asked) = (parse(data)?, parse(&body)?);
    let wanted = asked.root_element();
    refuse_denied(wanted)?;
    let here: Vec<Node<'_, '_>> = tops(&now).collect();
    let unchanged = elements(wanted).all(|top| is_in_force(top, &here));
    let (mut reverse, mut irreversible) = (String::new(), Vec::new());
    let mut seen = Vec::new();
    for top in elements(wanted) {
        if !seen.contains(&top.tag_name()) {
            seen.push(top.tag_name());
            match back(top, &here) {
                Ok(body) => reverse.push_str(&body),
                Err(why) => irreversible.push(why),
            }
        }
    }
    let reverse = if unchanged || reverse.is_empty() {
        Vec::new()
    } else {
        vec![reverse]
    };
    Ok(Foreseen {
        lines: lines.to_vec(),
        reverse,
        irreversible: if unchanged { Vec::new() } else { irreversible },
        unchanged,
        places: Vec::new(),
    })
}

/// Why a body is not sent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Problem {
    #[error(transparent)]
    NotABody(#[from] NotABody),
    #[error(transparent)]
    Denied(#[from] Denied),
}

fn parse(text: &str) -> Result<Document<'_>, NotABody> {
    Document::parse(text).map_err(|error| NotABody(error.to_string()))
}

/// The body within its element. What would close that element early does not parse.
fn wrapped(body: &str) -> String {
    format!("<config xmlns=\"{BASE}\" xmlns:nc=\"{BASE}\">{body}</config>")
}

fn elements<'a, 'i>(parent: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    parent.children().filter(|node| node.is_element())
}

/// The top elements of a configuration as it was read: `part`, `data`, and then they.
fn tops<'a, 'i>(document: &'a Document<'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    elements(document.root_element()).flat_map(elements)
}

fn content<'a>(node: Node<'a, '_>) -> &'a str {
    node.text().unwrap_or_default().trim()
}

fn is_leaf(node: Node<'_, '_>) -> bool {
    elements(node).next().is_none()
}

/// What is to be done with an element that says nothing is done with the one above it.
fn operation<'a>(node: Node<'a, '_>) -> &'a str {
    node.attribute((BASE, "operation")).unwrap_or("merge")
}

/// Whether sending this element would change nothing, beside these siblings.
fn is_in_force(wanted: Node<'_, '_>, here: &[Node<'_, '_>]) -> bool {
    let mut same = here.iter().filter(|node| node.tag_name() == wanted.tag_name());
    match operation(wanted) {
        "delete" | "remove" => !same.any(|node| holds(*node, wanted)),
        "replace" => same.any(|node| printed(*node) == printed(wanted)),
        _ => same.any(|node| holds(*node, wanted)),
    }
}

/// Whether all that is wanted is in this element: of a list's entries the one with the same keys is.
fn holds(node: Node<'_, '_>, wanted: Node<'_, '_>) -> bool {
    if is_leaf(wanted) {
        return content(wanted).is_empty() || content(node) == content(wanted);
    }
    let inside: Vec<Node<'_, '_>> = elements(node).collect();
    elements(wanted).all(|child| is_in_force(child, &inside))
}

fn printed(node: Node<'_, '_>) -> String {
    let mut out = String::new();
    print(node, None, 0, &|_| false, &mut out);
    out
}

/// The body that makes a top element what it is now.
fn back(top: Node<'_, '_>, here: &[Node<'_, '_>]) -> Result<String, String> {
    let (name, uri) = (top.tag_name().name(), top.tag_name().namespace().unwrap_or_default());
    let mut present = here.iter().filter(|node| node.tag_name() == top.tag_name());
    let Some(now) = present.next() else {
        return Ok(format!("<{name} xmlns=\"{}\" nc:operation=\"remove\"/>", escape(uri)));
    };
    if present.next().is_some() {
        return Err(format!(
            "{name}: there are several, and which is changed is not known without the model"
        ));
    }
    let guarded = |node: Node<'_, '_>| {
        let name = node.tag_name().name();
        is_secret(name) || DENIED.iter().any(|(denied, _)| *denied == name)
    };
    if let Some(guarded) = now.descendants().find(|node| node.is_element() && guarded(*node)) {
        let inside = guarded.tag_name().name();
        return Err(format!(
            "{name}: it holds {inside}, which is neither shown nor put back"
        ));
    }
    let mut out = String::new();
    write(*now, None, Some("replace"), &mut out);
    Ok(out)
}

fn refuse_denied(wanted: Node<'_, '_>) -> Result<(), Denied> {
    let all = wanted.descendants().filter(|node| node.is_element());
    for node in all {
        let name = node.tag_name().name();
        if let Some((_, reason)) = DENIED.iter().find(|(denied, _)| *denied == name) {
            return Err(Denied {
                line: format!("<{name}>"),
                reason: (*reason).to_owned(),
            });
        }
    }
    Ok(())
}

/// One element and what is below it, indented, a namespace where it changes.
fn print(node: Node<'_, '_>, outer: Option<&str>, depth: usize, hides: &dyn Fn(&str) -> bool, out: &mut String) {
    let (name, uri) = (node.tag_name().name(), node.tag_name().namespace());
    out.extend(std::iter::repeat_n(' ', depth));
    out.push_str(name);
    if let Some(uri) = uri.filter(|uri| Some(*uri) != outer) {
        out.push_str(&format!(" {{{uri}}}"));
    }
    if is_leaf(node) {
        let shown = if hides(name) { "<removed>" } else { content(node) };
        out.push_str(&format!(" = {shown}\n"));
        return;
    }
    out.push('\n');
    for child in elements(node) {
        print(child, uri, depth + 1, hides, out);
    }
}

/// As XML, with the prefixes that values may use.
fn write(node: Node<'_, '_>, outer: Option<Node<'_, '_>>, operation: Option<&str>, out: &mut String) {
    let (name, uri) = (node.tag_name().name(), node.tag_name().namespace());
    out.push_str(&format!("<{name}"));
    if uri != outer.and_then(|outer| outer.tag_name().namespace()) {
        out.push_str(&format!(" xmlns=\"{}\"", escape(uri.unwrap_or_default())));
    }
    for namespace in node.namespaces() {
        let known = outer.and_then(|outer| outer.lookup_namespace_uri(namespace.name())) == Some(namespace.uri());
        match namespace.name() {
            Some(prefix) if !known && !matches!(prefix, "xml" | "nc") => {
                out.push_str(&format!(" xmlns:{prefix}=\"{}\"", escape(namespace.uri())));
            }
            _ => {}
        }
    }
    if let Some(operation) = operation {
        out.push_str(&format!(" nc:operation=\"{operation}\""));
    }
    out.push('>');
    if is_leaf(node) {
        out.push_str(&escape(content(node)));
    }
    for child in elements(node) {
        write(child, Some(node), None, out);
    }
    out.push_str(&format!("</{name}>"));
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEM: &str = "urn:ietf:params:xml:ns:yang:ietf-system";

    fn data(inside: &str) -> String {
        format!("<part xmlns=\"{BASE}\" xmlns:sys=\"{SYSTEM}\"><data>{inside}</data></part>")
    }

    fn system(inside: &str) -> String {
        format!("<system xmlns=\"{SYSTEM}\">{inside}</system>")
    }

    fn plays(now: &str, body: &str) -> Foreseen {
        foresee(&data(now), &[body.to_owned()]).unwrap()
    }

    #[test]
    fn prefixes_and_blanks_do_not_move_the_base() {
        let plain = data(&system("<contact>a</contact>"));
        let prefixed = data("<sys:system>\n  <sys:contact> a </sys:contact></sys:system>");
        assert_eq!(digest(&plain).unwrap(), digest(&prefixed).unwrap());
        assert_ne!(
            digest(&plain).unwrap(),
            digest(&data(&system("<contact>b</contact>"))).unwrap()
        );
    }

    #[test]
    fn what_is_there_already_changes_nothing() {
        let now = system("<contact>a</contact><ntp><server><name>x</name><prefer>true</prefer></server></ntp>");
        assert!(plays(&now, &system("<contact>a</contact>")).unchanged);
        assert!(plays(&now, &system("<ntp><server><name>x</name></server></ntp>")).unchanged);
        assert!(!plays(&now, &system("<ntp><server><name>y</name></server></ntp>")).unchanged);
        let gone = "<ntp><server nc:operation=\"remove\"><name>y</name></server></ntp>";
        assert!(plays(&now, &system(gone)).unchanged);
        assert!(!plays(&now, &system(&gone.replace('y', "x"))).unchanged);
    }

    #[test]
    fn the_way_back_is_the_top_element_as_it_is() {
        let fresh = plays("", &system("<contact>a</contact>"));
        assert_eq!(
            fresh.reverse,
            [format!("<system xmlns=\"{SYSTEM}\" nc:operation=\"remove\"/>")]
        );
        let changed = plays(&system("<contact>a &amp; b</contact>"), &system("<contact>c</contact>"));
        // The prefix goes along: a value could use it.
        let head = format!("<system xmlns=\"{SYSTEM}\" xmlns:sys=\"{SYSTEM}\" nc:operation=\"replace\">");
        let back = format!("{head}<contact>a &amp; b</contact></system>");
        assert_eq!(changed.reverse, [back]);
        let secret = plays(
            &system("<radius><secret>s</secret></radius>"),
            &system("<contact>c</contact>"),
        );
        assert!(
            secret.reverse.is_empty() && secret.irreversible[0].contains("secret"),
            "{secret:?}"
        );
    }

    #[test]
    fn what_is_not_one_body_is_refused() {
        for body in [
            "<a>",
            "</config><config>",
            "text <",
            "<!DOCTYPE x [<!ENTITY e \"e\">]><a>&e;</a>",
        ] {
            assert!(foresee(&data(""), &[body.to_owned()]).is_err(), "{body}");
        }
        assert!(foresee(&data(""), &[]).is_err());
        let denied = foresee(&data(""), &[system("<authentication/>")]);
        assert!(matches!(denied, Err(Problem::Denied(_))));
    }
}
