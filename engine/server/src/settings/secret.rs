//! References to secrets inside settings: `${env:NAME}` and `${file:PATH}`. The settings hold the reference; the secret is
//! read when it is needed and never printed.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a reference does not lead to a secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    #[error("the secret file {0} cannot be read: {1}")]
    Unreadable(PathBuf, String),
    #[error("the secret file {path} can be read by others (mode {mode:04o})")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("`${{{0}` has no closing brace")]
    Unclosed(String),
    #[error("`${{{0}}}` is no reference")]
    UnknownKind(String),
}

impl Error {
    /// What would be right.
    pub fn suggestion(&self) -> String {
        match self {
            Self::NotSet(name) => format!("set {name} in the server's environment, or leave the key out"),
            Self::Unreadable(path, _) => format!("create {} (mode 0600) with the secret in it", path.display()),
            Self::Exposed { path, .. } => format!("chmod 600 {}", path.display()),
            Self::Unclosed(_) => "close it with `}`".to_owned(),
            Self::UnknownKind(_) => "write ${env:NAME} or ${file:PATH}".to_owned(),
        }
    }
}

/// A text that may hold references. Its `Debug` and `Display` forms show the references, never what they lead to.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(pub String);

impl SecretText {
    /// The text with every reference replaced by its secret. Files are relative to `base`.
    pub fn resolve(&self, base: &Path) -> Result<String, Error> {
        expand(&self.0, base)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A text without a reference may be the secret itself.
        f.write_str(if self.0.contains("${") {
            &self.0
        } else {
            "SecretText(…)"
        })
    }
}

/// Replaces every reference. A text without any comes back as it is.
pub fn expand(text: &str, base: &Path) -> Result<String, Error> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        out += &rest[..at];
        let inner = &rest[at + 2..];
        let end = inner.find('}').ok_or_else(|| Error::Unclosed(inner.to_owned()))?;
        out += &secret(&inner[..end], base)?;
        rest = &inner[end + 1..];
    }
    Ok(out + rest)
}

fn secret(reference: &str, base: &Path) -> Result<String, Error> {
    match reference.split_once(':') {
        Some(("env", name)) => std::env::var(name).map_err(|_| Error::NotSet(name.to_owned())),
        Some(("file", path)) => read_file(&base.join(path.strip_prefix("./").unwrap_or(path))),
        _ => Err(Error::UnknownKind(reference.to_owned())),
    }
}

fn read_file(path: &Path) -> Result<String, Error> {
    let unreadable = |e: std::io::Error| Error::Unreadable(path.to_owned(), e.to_string());
    refuse_exposed(path)?;
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Refuses a secret file that its group or others may read.
pub fn refuse_exposed(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(path).map_err(|e| Error::Unreadable(path.to_owned(), e.to_string()))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(Error::Exposed {
            path: path.to_owned(),
            mode,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_file_that_others_can_read_is_refused_and_its_content_is_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "s3cret\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = expand("Bearer ${file:token}", dir.path()).unwrap_err();
        assert!(
            error.to_string().contains("can be read by others (mode 0644)"),
            "{error}"
        );
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(expand("Bearer ${file:token}", dir.path()).unwrap(), "Bearer s3cret");
        assert!(!format!("{:?}", SecretText("s3cret".into())).contains("s3cret"));
    }

    #[test]
    fn references_that_lead_nowhere_are_named() {
        let base = Path::new("/");
        for (text, part) in [
            ("${env:FLYBALL_NO_SUCH_VARIABLE}", "is not set"),
            ("${file:no/such/file}", "cannot be read"),
            ("${env:X", "no closing brace"),
            ("${vault:x}", "no reference"),
        ] {
            let error = expand(text, base).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
        assert_eq!(expand("plain", base).unwrap(), "plain");
    }
}
