//! The catalogue of error codes. Each has a page that says what happened, why, and what to do.

/// Declares the codes together with their status, title and page, so that none can be without one.
macro_rules! codes {
    ($($name:ident = $code:literal, $status:literal, $title:literal;)*) => {
        /// A code as it stands in problems and messages.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// `FBnnnn`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// One line.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// The page in Markdown.
            pub fn page(self) -> &'static str {
                match self { $(Self::$name => include_str!(concat!("../errors/", $code, ".md")),)* }
            }
        }
    };
}

codes! {
    NotJson = "FB0001", 400, "The body is not JSON";
    WrongShape = "FB0002", 422, "The body is not what this route takes";
    NoCredential = "FB0003", 401, "No credential";
    UnknownCredential = "FB0004", 401, "Unknown credential";
    NotAllowed = "FB0005", 403, "Not allowed";
    NoSuchIntent = "FB0006", 404, "No such intent";
    NoSuchRoute = "FB0007", 404, "No such route";
    KeyReused = "FB0008", 422, "Idempotency-Key used before with another body";
    OtherDigest = "FB0010", 409, "Another digest";
    PreconditionFailed = "FB0011", 412, "The precondition failed";
    DoesNotFit = "FB0012", 409, "It does not fit the intent's present state";
    Ended = "FB0013", 409, "The intent has ended";
    NoSuchThing = "FB0014", 404, "No such thing";
    Unwritable = "FB0015", 503, "The journal cannot be written";
    Damaged = "FB0016", 500, "The journal is damaged";
    BadSettings = "FB0017", 500, "The settings are wrong";
    CannotListen = "FB0018", 500, "Cannot listen there";
    OpenWithoutTokens = "FB0019", 500, "Not open to the network without named tokens";
    Unreachable = "FB0020", 503, "The server cannot be reached";
    StoreClosed = "FB0021", 500, "The store cannot be opened";
    BadParameter = "FB0022", 400, "A parameter is wrong";
    TooLarge = "FB0023", 413, "The body is too large";
    NotJsonType = "FB0024", 415, "Not a kind of content that this route takes";
    Internal = "FB0025", 500, "Something went wrong inside";
    ServerTrouble = "FB0026", 502, "The tool's server could not do that";
    NotUndone = "FB0027", 409, "The intent cannot be taken back";
    KeyInFlight = "FB0028", 409, "A request with this Idempotency-Key is under way";
    NoSuchMethod = "FB0029", 405, "The route does not take this method";
    NotAcceptable = "FB0030", 406, "Not a form in which this can be given";
    UnknownValue = "FB0031", 422, "A parameter has a value that nobody knows";
    BadAnswer = "FB0040", 422, "The answer does not fit the question";
    NoEars = "FB0050", 501, "No model is configured that hears";
    NotAudio = "FB0051", 415, "Not a recording of a kind that is taken";
    NoWords = "FB0052", 422, "No words were heard";
    NotHeard = "FB0053", 502, "The recording could not be put into words";
    EarsBusy = "FB0054", 503, "The model that hears cannot be asked now";
    BudgetSpent = "FB0055", 429, "A budget for models is spent";
    NotForm = "FB0056", 400, "The form cannot be read";
}

impl Code {
    /// Finds a code as people type it: `FB0003`, `fb3`, `3`.
    pub fn find(text: &str) -> Option<Code> {
        let digits = text
            .trim()
            .trim_start_matches(['F', 'f'])
            .trim_start_matches(['B', 'b']);
        let number: u16 = digits.parse().ok()?;
        let wanted = format!("FB{number:04}");
        Self::ALL.iter().copied().find(|c| c.as_str() == wanted)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_page_belongs_to_a_code_and_says_what_why_and_what_to_do() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/errors");
        let files: BTreeSet<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        let codes: BTreeSet<String> = Code::ALL.iter().map(|c| format!("{c}.md")).collect();
        assert_eq!(files, codes);
        for code in Code::ALL {
            let page = code.page();
            assert!(page.starts_with(&format!("# {code}: {}", code.title())), "{code}");
            for part in ["## What happened", "## Why", "## What to do"] {
                assert!(page.contains(part), "{code} lacks {part}");
            }
        }
    }

    #[test]
    fn every_code_is_used_somewhere() {
        let sources = sources(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
        for code in Code::ALL {
            let used = format!("Code::{code:?}");
            assert!(sources.contains(&used), "{code} ({used}) is used nowhere");
        }
    }

    #[test]
    fn codes_are_found_as_people_type_them() {
        for text in ["FB0003", "fb0003", "FB3", "3", " fb3 "] {
            assert_eq!(Code::find(text), Some(Code::NoCredential), "{text}");
        }
        assert_eq!(Code::find("FB9999"), None);
        assert_eq!(Code::find("help"), None);
    }

    fn sources(dir: &str) -> String {
        let mut all = String::new();
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                all += &sources(path.to_str().unwrap());
            } else if !path.ends_with("errors.rs") {
                all += &std::fs::read_to_string(path).unwrap();
            }
        }
        all
    }
}
