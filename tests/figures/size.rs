//! How big it is: the binary, and the crates behind it.

use crate::report::Report;
use flyball_tests::process::Programs;
use std::collections::BTreeSet;
use std::process::Command;

pub(crate) fn measure(programs: &Programs, report: &mut Report) {
    let bytes = std::fs::metadata(&programs.flyball).unwrap().len();
    report.add("the binary", "MiB", vec![bytes as f64 / f64::from(1 << 20)], None);
    let tree = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["tree", "-p", "flyball", "-e", "normal", "--prefix", "none", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let Ok(tree) = tree else { return };
    let text = String::from_utf8_lossy(&tree.stdout).into_owned();
    // Name and version; `(*)` and the path of our own are left out.
    let crates: BTreeSet<String> = text
        .lines()
        .filter_map(|l| Some(l.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).filter(|c| !c.is_empty()))
        .collect();
    if tree.status.success() {
        report.add("crates in it, our own too", "crates", vec![crates.len() as f64], None);
    }
}
