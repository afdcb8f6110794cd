//! JSON lines read without loss: every value stays the text that the agent wrote, and is looked into only when asked for.
//!
//! Transcripts hold number texts, unknown fields and lone surrogate escapes that a round trip through values would change or
//! refuse. An [`Object`] keeps the raw text of each field, so a record can be written again with a few fields exchanged.

use std::borrow::Cow;
use std::fmt;

use bstr::ByteSlice as _;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The complete lines of `bytes` with where each begins, without their line ends; a last line without an end is left out.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let length = bytes.get(at..)?.find_byte(b'\n')?;
        let line = (at, &bytes[at..at + length]);
        at += length + 1;
        Some(line)
    })
}

/// Where the last, unended line begins; the length of `bytes` where there is none.
pub(super) fn complete_length(bytes: &[u8]) -> usize {
    bytes.rfind_byte(b'\n').map_or(0, |at| at + 1)
}

/// Whether a file that begins with these bytes is made of JSON objects of a kind: the first line is one, and most are. Of a
/// first line that is longer than that nothing is known but how it begins.
pub(super) fn is_made_of(head: &[u8], is_kind: impl Fn(&Object<'_>) -> bool) -> bool {
    if !head.contains(&b'\n') {
        return head.is_empty() || head.starts_with(b"{");
    }
    let filled = lines(head).map(|(_, line)| line.trim_ascii()).filter(|line| !line.is_empty());
    let good: Vec<bool> = filled.map(|line| Object::parse(line).is_some_and(|object| is_kind(&object))).collect();
    let count = good.iter().filter(|good| **good).count();
    good.first().is_none_or(|first| *first) && count * 2 >= good.len()
}

/// A JSON object whose values are raw text, in the order written.
#[derive(Debug)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// Reads one; `None` where the text is anything else.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// All fields, in order.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    /// The raw value of a field; of two of one name the last, as JavaScript reads it.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, value)| *value)
    }

    /// A field that is a string.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.raw(name).and_then(text)
    }

    /// Whether a field is `true`.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|v| v.get() == "true")
    }

    /// A field that is a count; 0 where there is none.
    pub(super) fn count(&self, name: &str) -> u64 {
        self.raw(name).and_then(|v| v.get().parse().ok()).unwrap_or(0)
    }

    /// A field that is an object.
    pub(super) fn object(&self, name: &str) -> Option<Object<'a>> {
        self.raw(name).and_then(|v| Object::parse(v.get().as_bytes()))
    }

    /// A field that is an array; empty where it is none.
    pub(super) fn array(&self, name: &str) -> Vec<&'a RawValue> {
        self.raw(name).and_then(|v| serde_json::from_str(v.get()).ok()).unwrap_or_default()
    }
}

/// The string in a raw value. A lone surrogate, which no Rust string can hold, becomes the replacement character.
pub(super) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(raw.get()).ok().map(|t| t.0)
}

/// A string as raw JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(24);
                while let Some(name) = map.next_key::<Text<'de>>()? {
                    fields.push((name.0, map.next_value()?));
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A string that borrows where it can. Asked for as bytes, because only then does serde_json pass lone surrogates.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                Ok(Text(bytes.to_str_lossy()))
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(bytes.to_str_lossy().into_owned())))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ended_lines_are_lines() {
        let found: Vec<_> = lines(b"a\n\nbc\nd").collect();
        assert_eq!(found, [(0, &b"a"[..]), (2, b""), (3, b"bc")]);
        assert_eq!(complete_length(b"a\n\nbc\nd"), 6);
        assert_eq!(complete_length(b"abc"), 0);
    }

    #[test]
    fn a_lone_surrogate_is_read_and_its_raw_text_kept() {
        let object = Object::parse(br#"{"a":"x\ud83d y","n":1.50,"b":true}"#).expect("an object");
        assert!(object.text("a").is_some_and(|t| t.starts_with('x') && t.ends_with(" y")));
        let raw: Vec<_> = object.fields().map(|(n, v)| (n, v.get())).collect();
        assert_eq!(raw, [("a", r#""x\ud83d y""#), ("n", "1.50"), ("b", "true")]);
    }

    #[test]
    fn what_is_no_object_is_none() {
        for bad in [&b"[1]"[..], b"{", b"", b"{\"a\":1} x", b"\xff"] {
            assert!(Object::parse(bad).is_none());
        }
    }
}
