//! Embeds the shipped contracts and runbooks: every `*.yaml` of the two folders, so that a new file ships without being
//! listed anywhere.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut code = String::new();
    for folder in ["contracts", "runbooks"] {
        // A folder that is not there yet is watched through its parent.
        println!("cargo::rerun-if-changed={folder}");
        embed(&root.join(folder), folder, &mut code);
    }
    std::fs::write(out.join("shipped.rs"), code).expect("the build folder can be written");
}

fn embed(folder: &Path, name: &str, code: &mut String) {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|e| e.path()).collect())
        .unwrap_or_default();
    files.retain(|f| f.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    let constant = name.to_uppercase();
    writeln!(code, "/// File name and text of every shipped file of `{name}`.").expect("a string takes all");
    writeln!(code, "pub(crate) const {constant}: &[(&str, &str)] = &[").expect("a string takes all");
    for file in files {
        let file = format!("{name}/{}", file.file_name().unwrap_or_default().to_string_lossy());
        let (shown, path) = (format!("shipped {file}"), format!("/{file}"));
        // The folder is filled in by the compiler: a target directory may outlive the checkout that it was made for.
        let text = format!("include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))");
        writeln!(code, "    ({shown:?}, {text}),").expect("a string takes all");
    }
    code.push_str("];\n");
}
