//! Junos text, as `| display set` prints it.

use crate::sandbox::model::Config;
use crate::sandbox::statements;

pub(super) fn text(config: &Config) -> String {
    let all = statements::of(config);
    all.iter()
        .map(|statement| format!("set {}\n", statements::line(statement)))
        .collect()
}
