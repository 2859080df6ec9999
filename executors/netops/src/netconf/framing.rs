//! Where one message ends and the next begins (RFC 6242): a mark after each in version 1.0, counted chunks in 1.1. Pure.

/// The two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Each message is followed by `]]>]]>`. The hellos always are.
    Mark,
    /// Chunks with their lengths, and an end of chunks.
    Chunks,
}

const MARK: &[u8] = b"]]>]]>";
/// Longest message that is read, bytes.
const LONGEST: usize = 64 << 20;

/// What comes is not framed as agreed, or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the device's messages are not framed as agreed")]
pub struct Malformed;

impl Framing {
    /// A message as it is sent.
    pub fn encode(self, message: &str) -> Vec<u8> {
        let body = message.as_bytes();
        match self {
            Self::Mark => [body, MARK].concat(),
            Self::Chunks => [format!("\n#{}\n", body.len()).as_bytes(), body, b"\n##\n"].concat(),
        }
    }

    /// Takes the first whole message out of what was received; `None` while there is none.
    pub fn take(self, received: &mut Vec<u8>) -> Result<Option<String>, Malformed> {
        let found = match self {
            Self::Mark => marked(received),
            Self::Chunks => chunked(received)?,
        };
        let Some((message, used)) = found else {
            return if received.len() > LONGEST {
                Err(Malformed)
            } else {
                Ok(None)
            };
        };
        received.drain(..used);
        String::from_utf8(message).map(Some).map_err(|_| Malformed)
    }
}

fn marked(received: &[u8]) -> Option<(Vec<u8>, usize)> {
    let at = received.windows(MARK.len()).position(|window| window == MARK)?;
    Some((received[..at].to_vec(), at + MARK.len()))
}

fn chunked(received: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Malformed> {
    let (mut message, mut at) = (Vec::new(), 0);
    loop {
        let rest = &received[at..];
        if rest.len() < 4 {
            return Ok(None);
        }
        let header = rest.strip_prefix(b"\n#").ok_or(Malformed)?;
        if header.starts_with(b"#\n") {
            return Ok(Some((message, at + 4)));
        }
        let Some(end) = header.iter().take(12).position(|byte| *byte == b'\n') else {
            return if header.len() > 12 { Err(Malformed) } else { Ok(None) };
        };
        let digits = std::str::from_utf8(&header[..end]).map_err(|_| Malformed)?;
        let length: usize = digits.parse().map_err(|_| Malformed)?;
        if length == 0 || message.len() + length > LONGEST {
            return Err(Malformed);
        }
        let Some(chunk) = header.get(end + 1..end + 1 + length) else {
            return Ok(None);
        };
        message.extend_from_slice(chunk);
        at += 2 + end + 1 + length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_framings_come_back_byte_by_byte() {
        for framing in [Framing::Mark, Framing::Chunks] {
            let sent = [framing.encode("<a>ü</a>"), framing.encode("<b/>")].concat();
            let (mut received, mut found) = (Vec::new(), Vec::new());
            for byte in sent {
                received.push(byte);
                found.extend(framing.take(&mut received).unwrap());
            }
            assert_eq!(found, ["<a>ü</a>", "<b/>"]);
            assert!(received.is_empty());
        }
    }

    #[test]
    fn a_message_may_come_in_several_chunks_and_hold_the_mark() {
        let mut received = b"\n#4\n<a>]\n#9\n]>]]></a>\n##\n".to_vec();
        assert_eq!(Framing::Chunks.take(&mut received).unwrap().unwrap(), "<a>]]>]]></a>");
    }

    #[test]
    fn what_is_not_framed_is_an_error() {
        for wrong in [
            &b"<a/>]]>]]>"[..],
            b"\n#0\n\n##\n",
            b"\n#x\n<a/>",
            b"\n#99999999999999\n",
        ] {
            assert_eq!(Framing::Chunks.take(&mut wrong.to_vec()), Err(Malformed), "{wrong:?}");
        }
    }
}
