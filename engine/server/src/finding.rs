//! A mistake in what the operator wrote: file, line, what is wrong, what would be right. All are reported at once.

use flyball_engine::document::{Document, DocumentFault};
use serde::Serialize;
use std::fmt;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    pub file: String,
    /// From 1; 0 where no line can be named (an environment variable, a missing file).
    pub line: usize,
    pub column: usize,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl Finding {
    /// A mistake that has no place in a text.
    pub fn nowhere(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: 0,
            column: 0,
            message: message.into(),
            suggestion: None,
        }
    }

    /// A mistake at a JSON pointer of a document.
    pub fn at(document: &Document, pointer: &str, message: impl Into<String>) -> Self {
        let (line, column) = document.line_of(pointer);
        Self {
            file: document.file.clone(),
            line,
            column,
            message: message.into(),
            suggestion: None,
        }
    }

    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// The same, its paths shortened to what a reader in that folder would type.
    #[must_use]
    pub fn seen_from(mut self, dir: &std::path::Path) -> Self {
        let dir = format!("{}/", dir.display());
        // The settings' own file may have been named from anywhere.
        let absolute = std::path::absolute(&self.file).unwrap_or_default();
        if let Some(short) = absolute.to_str().and_then(|f| f.strip_prefix(&dir)) {
            self.file = short.to_owned();
        }
        self.message = self.message.replace(&dir, "");
        self.suggestion = self.suggestion.map(|s| s.replace(&dir, ""));
        self
    }

    /// The same, with the nearest of the known names as the suggestion, or all of them if none is near.
    #[must_use]
    pub fn suggest_nearest<'a>(self, name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Self {
        match flyball_engine::fault::nearest(name, known.clone()) {
            Some(near) => self.suggest(format!("did you mean `{near}`?")),
            None => match known.into_iter().take(24).collect::<Vec<&str>>().join(", ") {
                none if none.is_empty() => self,
                all => self.suggest(format!("known are {all}")),
            },
        }
    }
}

impl From<DocumentFault> for Finding {
    fn from(f: DocumentFault) -> Self {
        Self {
            file: f.file,
            line: f.line,
            column: f.column,
            suggestion: f.suggestion.or_else(|| help(&f.message).map(str::to_owned)),
            message: f.message,
        }
    }
}

/// What would be right, for kinds of mistakes whose finder knows only what is wrong.
fn help(message: &str) -> Option<&'static str> {
    const HELP: [(&str, &str); 7] = [
        (
            "not well-formed YAML",
            "keys of one mapping start in the same column; look at this line and the one before",
        ),
        (
            "not an expression",
            "complete the CEL expression, for example state.exists(p, p.id == args.id)",
        ),
        ("did you mean {", "write the slot as the parameter is called"),
        (
            "the phrase does not say",
            "say every parameter without a default in each phrase, as {name}",
        ),
        ("has no parameter", "declare it under `params` with a type"),
        ("there is no parameter", "declare it under `params` with a type"),
        ("has no argument", "name an argument of the tool"),
    ];
    HELP.iter()
        .find(|(part, _)| message.contains(part))
        .map(|(_, help)| *help)
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.line > 0 && self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.suggestion {
            Some(s) => write!(f, "\n    → {s}"),
            None => Ok(()),
        }
    }
}
