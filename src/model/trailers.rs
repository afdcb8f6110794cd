//! Commit messages of ours: a subject line and trailers. Unknown trailers are kept in order.

use bstr::{BStr, BString, ByteSlice as _};

/// A message taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// First line.
    pub subject: BString,
    /// Trailers in order, as key and value.
    pub trailers: Vec<(String, BString)>,
}

impl Message {
    /// Takes a message apart: the first line, and the `Key: value` lines of the last paragraph.
    pub fn parse(message: &BStr) -> Self {
        let subject = message.lines().next().unwrap_or_default().into();
        let body = message.trim_end_with(|c| c == '\n');
        let last = body.rfind(b"\n\n").map_or(&b""[..], |at| &body[at + 2..]);
        let trailers = last
            .lines()
            .filter_map(|line| {
                let at = line.find(b": ")?;
                let key = line[..at].to_str().ok()?;
                let fits = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
                fits.then(|| (key.to_owned(), line[at + 2..].into()))
            })
            .collect();
        Self { subject, trailers }
    }

    /// The first value of a key.
    pub fn get(&self, key: &str) -> Option<&BStr> {
        self.trailers.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_bstr())
    }

    /// All values of a key.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a BStr> {
        self.trailers.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_bstr())
    }

    /// Adds a trailer; line ends in the value become spaces.
    pub fn push(&mut self, key: &str, value: impl AsRef<[u8]>) {
        self.trailers.push((key.to_owned(), one_line(value.as_ref())));
    }

    /// The whole message.
    pub fn render(&self) -> Vec<u8> {
        let mut out: Vec<u8> = one_line(&self.subject).into();
        out.extend_from_slice(b"\n");
        if !self.trailers.is_empty() {
            out.extend_from_slice(b"\n");
        }
        for (key, value) in &self.trailers {
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\n");
        }
        out
    }
}

/// Line ends and NULs would end a line or a message early.
fn one_line(text: &[u8]) -> BString {
    text.iter().map(|b| if matches!(b, b'\n' | b'\r' | 0) { b' ' } else { *b }).collect::<Vec<u8>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_back_and_a_prompt_cannot_forge_a_trailer() {
        let mut message = Message { subject: "turn-start 1: x\n\nKind: end".into(), ..Message::default() };
        message.push("Kind", "turn-start");
        message.push("Head", "main\nKind: end");
        let back = Message::parse(message.render().as_bstr());
        assert_eq!(back.get("Kind"), Some(b"turn-start".as_bstr()));
        assert_eq!(back.all("Kind").count(), 1);
        assert_eq!(back.trailers.len(), 2);
    }
}
