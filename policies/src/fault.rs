//! Mistakes in policies, told where they stand.

use cedar_policy::ffi::DetailedError;
use serde::Serialize;
use std::fmt;

/// One mistake in a policy file or in the users of the settings. Loading reports all of them at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyFault {
    /// The file as it was opened; `users` for a mistake in the settings' list of users.
    pub file: String,
    /// From 1; 0 where no line can be named.
    pub line: usize,
    /// In characters, from 1; 0 where no column can be named.
    pub column: usize,
    pub message: String,
    /// What would be right, if that can be told.
    pub suggestion: Option<String>,
}

impl PolicyFault {
    /// A mistake that has no place in a text.
    pub(crate) fn nowhere(file: &str, message: impl Into<String>, suggestion: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            message: message.into(),
            suggestion: Some(suggestion.into()),
        }
    }

    /// A mistake at a byte offset of the file's text.
    pub(crate) fn at(file: &str, text: &str, offset: usize, message: impl Into<String>) -> Self {
        let (line, column) = place(text, offset);
        Self {
            file: file.to_owned(),
            line,
            column,
            message: message.into(),
            suggestion: None,
        }
    }

    #[must_use]
    pub(crate) fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// What Cedar says, with its own hint. `fallback` is the offset for errors that Cedar gives no place.
    pub(crate) fn of_cedar(file: &str, text: &str, error: &DetailedError, fallback: usize) -> Self {
        let offset = error.source_locations.first().map_or(fallback, |l| l.loc.start);
        let mut fault = Self::at(file, text, offset, error.message.clone());
        // Syntax errors carry what was expected in the label, the others in the help.
        let label = error.source_locations.first().and_then(|l| l.label.clone());
        fault.suggestion = error.help.clone().or(label);
        fault
    }
}

/// Line and column of a byte offset, both from 1.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let start_of_line = before.rfind('\n').map_or(0, |at| at + 1);
    (
        before.matches('\n').count() + 1,
        before[start_of_line..].chars().count() + 1,
    )
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.suggestion {
            Some(s) => write!(f, "; {s}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for PolicyFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_become_lines_and_columns_in_characters() {
        let text = "ab\nçé x\n";
        assert_eq!(place(text, 0), (1, 1));
        assert_eq!(place(text, 3), (2, 1));
        assert_eq!(place(text, text.find('x').unwrap()), (2, 4));
        assert_eq!(place(text, 4), (2, 1), "inside a character counts as its start");
        assert_eq!(place(text, 999), (3, 1));
    }
}
