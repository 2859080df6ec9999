//! A configuration as native text, always in the same order; and back, by feeding the lines to the grammar.

mod frr;
mod ios;
mod junos;
#[cfg(test)]
mod tests;
mod vrp;

use super::model::{Config, Dialect};

/// The body of a configuration, lines separated by `\n`, without the header that a show command puts above it.
pub(crate) fn text(config: &Config) -> String {
    match config.dialect {
        Dialect::Ios => ios::text(config),
        Dialect::Vrp => vrp::text(config),
        Dialect::Frr => frr::text(config),
        Dialect::Junos => junos::text(config),
    }
}

/// What `show running-config` or `display current-configuration` prints.
pub(crate) fn running(config: &Config) -> String {
    let body = text(config);
    match config.dialect {
        Dialect::Ios => {
            format!(
                "Building configuration...\n\nCurrent configuration : {} bytes\n{body}\n",
                body.len()
            )
        }
        Dialect::Vrp | Dialect::Junos => body,
        Dialect::Frr => format!("Building configuration...\n\nCurrent configuration:\n{body}"),
    }
}

/// What `show startup-config` or `display saved-configuration` prints; none before the first save.
pub(crate) fn startup(config: &Config) -> String {
    let body = text(config);
    match config.dialect {
        Dialect::Ios => format!("Using {} out of 524288 bytes\n{body}\n", body.len()),
        Dialect::Vrp | Dialect::Frr | Dialect::Junos => body,
    }
}
