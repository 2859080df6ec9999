//! A reply over standard output that is too long. rmcp drops such a line and the call that it answers never ends; this
//! reader passes everything through and puts an error with the same id behind the line, so that the call ends at once.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// The code of the error put in. Outside JSON-RPC's reserved range, where no server should be.
pub(crate) const TOO_LONG: i32 = -31_016;

/// Bytes kept of a line's two ends, to find its id in: some servers write it first, some last.
const END: usize = 256;

/// Passes bytes through, watching the length of lines.
pub(crate) struct LineCap<R> {
    inner: R,
    max: usize,
    length: usize,
    head: Vec<u8>,
    tail: Vec<u8>,
    /// What is put in, and how much of it was handed out.
    insert: Vec<u8>,
    handed: usize,
    /// Bytes that were read behind the place where something is put in.
    held: Vec<u8>,
}

impl<R> LineCap<R> {
    /// `max`: bytes that a line may have.
    pub(crate) fn new(inner: R, max: usize) -> Self {
        Self {
            inner,
            max,
            length: 0,
            head: Vec::with_capacity(END),
            tail: Vec::with_capacity(2 * END),
            insert: Vec::new(),
            handed: 0,
            held: Vec::new(),
        }
    }

    fn see(&mut self, bytes: &[u8]) {
        self.length = self.length.saturating_add(bytes.len());
        let free = END - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(free)]);
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(END)..]);
        let surplus = self.tail.len().saturating_sub(END);
        self.tail.drain(..surplus);
    }

    fn end_of_line(&mut self) {
        if self.length > self.max {
            match find_id(&self.head, &self.tail) {
                Some(id) => self.insert = error_line(id, self.max),
                None => tracing::error!(
                    length = self.length,
                    "a server's line was too long and its request is unknown"
                ),
            }
            self.handed = 0;
        }
        self.length = 0;
        self.head.clear();
        self.tail.clear();
    }

    // Looks at fresh bytes; how many of them may be handed out before something is put in.
    fn scan(&mut self, bytes: &[u8]) -> usize {
        let mut start = 0;
        while let Some(n) = bytes[start..].iter().position(|b| *b == b'\n') {
            let next = start + n + 1;
            self.see(&bytes[start..next]);
            self.end_of_line();
            start = next;
            if !self.insert.is_empty() {
                return next;
            }
        }
        self.see(&bytes[start..]);
        bytes.len()
    }

    fn hand_out(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let rest = &self.insert[self.handed..];
        let n = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..n]);
        self.handed += n;
        if self.handed == self.insert.len() {
            self.insert.clear();
        }
        n > 0
    }
}

fn error_line(id: u64, max: usize) -> Vec<u8> {
    let error = serde_json::json!({
        "jsonrpc": "2.0",
        "id": id,
        "error": {"code": TOO_LONG, "message": format!("the reply is longer than {max} bytes")},
    });
    format!("{error}\n").into_bytes()
}

// Only replies: a line with a method is the server's own request or notification.
fn find_id(head: &[u8], tail: &[u8]) -> Option<u64> {
    let (head, tail) = (String::from_utf8_lossy(head), String::from_utf8_lossy(tail));
    let before_payload = head.find("\"result\"").or_else(|| head.find("\"error\""));
    if head[..before_payload.unwrap_or(head.len())].contains("\"method\"") {
        return None;
    }
    let after_payload = tail.rfind('}').map(|end| &tail[..end])?;
    let number = |text: &str| {
        let digits = text.trim_start().strip_prefix(':')?.trim_start();
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().ok()
    };
    let in_head = before_payload
        .and_then(|end| head[..end].rfind("\"id\""))
        .map(|at| &head[at + 4..]);
    // Behind the payload nothing may open any more, else the id found belongs to something inside the result.
    let in_tail = after_payload
        .rfind("\"id\"")
        .map(|at| &after_payload[at + 4..])
        .filter(|t| !t.contains('}'));
    in_head.and_then(number).or_else(|| in_tail.and_then(number))
}

impl<R: AsyncRead + Unpin> AsyncRead for LineCap<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        if this.hand_out(buf) || buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let fresh = if this.held.is_empty() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            let fresh = buf.filled()[before..].to_vec();
            buf.set_filled(before);
            fresh
        } else {
            std::mem::take(&mut this.held)
        };
        let fits = fresh.len().min(buf.remaining());
        let n = this.scan(&fresh[..fits]);
        buf.put_slice(&fresh[..n]);
        this.held = fresh[n..].to_vec();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    async fn through(input: &str, max: usize) -> String {
        let mut out = String::new();
        LineCap::new(input.as_bytes(), max)
            .read_to_string(&mut out)
            .await
            .unwrap();
        out
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_followed_by_an_error_for_its_request() {
        let long = "x".repeat(1000);
        let first = format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{{\"id\":9,\"text\":\"{long}\"}}}}\n");
        let last = format!("{{\"result\":{{\"id\":9,\"text\":\"{long}\"}},\"jsonrpc\":\"2.0\",\"id\":8}}\n");
        for (line, id) in [(first, 7), (last, 8)] {
            let out = through(&format!("{line}{{\"ok\":1}}\n"), 500).await;
            let lines: Vec<&str> = out.lines().collect();
            assert_eq!(lines.len(), 3);
            let error: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
            assert_eq!((&error["id"], &error["error"]["code"]), (&id.into(), &TOO_LONG.into()));
            assert_eq!(lines[2], "{\"ok\":1}");
        }
    }

    #[tokio::test]
    async fn everything_else_passes_unchanged() {
        let text = "{\"a\":1}\n\nnot json\n{\"id\":1,\"result\":{}}\nno newline at the end";
        assert_eq!(through(text, 500).await, text);
    }

    #[tokio::test]
    async fn a_long_line_whose_request_cannot_be_told_gets_no_error() {
        let notification = format!("{{\"id\":3,\"method\":\"m\",\"params\":\"{}\"}}\n", "x".repeat(600));
        assert_eq!(through(&notification, 500).await, notification);
    }
}
