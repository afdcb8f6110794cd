//! The protocol of long-running filter processes (git's `gitattributes`, version 2): packets of at most 65,516 bytes, each led
//! by its length in four hex digits; `0000` ends a list.

use std::io::{Error as IoError, ErrorKind, Read, Write};
use std::time::Instant;

use super::Result;
use super::driver::Way;
use crate::base::RepoPath;
use crate::base::guarded::{Exchange, Guarded};

/// The most that a packet carries.
const LARGEST: usize = 65_516;

/// What a process answers for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// All of the content came.
    Success,
    /// It failed for this file.
    Error,
    /// It wants no more such files.
    Abort,
    /// It ended, or speaks another language.
    Gone,
    /// The time ran out.
    TooSlow,
}

/// A running filter process that was greeted.
#[derive(Debug)]
pub(super) struct DriverProcess {
    child: Guarded,
    clean: bool,
    smudge: bool,
}

impl DriverProcess {
    /// Greets a process that was just started; `None` where it does not answer as it must.
    pub(super) fn greet(mut child: Guarded, deadline: Instant) -> Result<Option<Self>> {
        let mut hello = Vec::new();
        list(&mut hello, &["git-filter-client", "version=2"]);
        list(&mut hello, &["capability=clean", "capability=smudge"]);
        let (mut packets, mut lists) = (Packets::default(), vec![Vec::new()]);
        let mut take = |bytes: &[u8]| {
            packets.feed(bytes, &mut |packet| {
                match (packet, lists.last_mut()) {
                    (Some(text), Some(list)) => list.push(text.trim_ascii_end().to_vec()),
                    _ => lists.push(Vec::new()),
                }
                Ok(())
            })?;
            Ok(lists.len() > 2)
        };
        match child.exchange(&mut hello.as_slice(), &mut take, false, deadline) {
            Ok(Exchange::Done) => {}
            Ok(_) | Err(_) => return Ok(None),
        }
        let is_server = lists[0].first().is_some_and(|text| text == b"git-filter-server");
        let can = |name: &[u8]| lists[1].iter().any(|text| text.strip_prefix(b"capability=") == Some(name));
        Ok(is_server.then(|| Self { child, clean: can(b"clean"), smudge: can(b"smudge") }))
    }

    /// Whether it can do this at all.
    pub(super) const fn can(&self, way: Way) -> bool {
        match way {
            Way::Clean => self.clean,
            Way::Smudge => self.smudge,
        }
    }

    /// Lets it make something of a file.
    pub(super) fn ask(
        &mut self,
        way: Way,
        path: &RepoPath,
        input: &mut dyn Read,
        output: &mut dyn Write,
        deadline: Instant,
    ) -> Result<Answer> {
        let mut request = Vec::new();
        let command = if way == Way::Clean { "command=clean" } else { "command=smudge" };
        packet(&mut request, format!("{command}\n").as_bytes());
        packet(&mut request, &[b"pathname=", path.as_bytes(), b"\n"].concat());
        request.extend_from_slice(b"0000");
        let mut input = Asked { waiting: request, input: Some(input) };
        let (mut packets, mut status, mut part) = (Packets::default(), Vec::new(), 0);
        // A status, the content, and another status where the content turned out wrong.
        let mut take = |bytes: &[u8]| {
            packets.feed(bytes, &mut |packet| {
                match (packet, part) {
                    (Some(bytes), 1) => output.write_all(bytes)?,
                    (Some(text), _) => {
                        if let Some(said) = text.trim_ascii_end().strip_prefix(b"status=") {
                            status = said.to_vec();
                        }
                    }
                    (None, 0) if status != b"success" => part = 3,
                    (None, _) => part += 1,
                }
                Ok(())
            })?;
            Ok(part >= 3)
        };
        let ended = self.child.exchange(&mut input, &mut take, false, deadline);
        Ok(match (ended, status.as_slice()) {
            (Ok(Exchange::TooSlow), _) => Answer::TooSlow,
            (Ok(Exchange::Done), b"success") => Answer::Success,
            (Ok(Exchange::Done), b"error") => Answer::Error,
            (Ok(Exchange::Done), b"abort") => Answer::Abort,
            (Ok(_) | Err(_), _) => Answer::Gone,
        })
    }
}

/// A request, then the content of a file as packets.
struct Asked<'a> {
    waiting: Vec<u8>,
    input: Option<&'a mut dyn Read>,
}

impl Read for Asked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.waiting.is_empty()
            && let Some(input) = &mut self.input
        {
            let mut bytes = vec![0; LARGEST];
            let got = input.read(&mut bytes)?;
            if got == 0 {
                self.waiting.extend_from_slice(b"0000");
                self.input = None;
            } else {
                packet(&mut self.waiting, &bytes[..got]);
            }
        }
        let some = self.waiting.len().min(buffer.len());
        buffer[..some].copy_from_slice(&self.waiting[..some]);
        self.waiting.drain(..some);
        Ok(some)
    }
}

/// Takes packets apart; `None` is the end of a list.
#[derive(Default)]
struct Packets {
    waiting: Vec<u8>,
}

impl Packets {
    fn feed(
        &mut self,
        bytes: &[u8],
        take: &mut dyn FnMut(Option<&[u8]>) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        self.waiting.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(length) = self.waiting.get(at..at + 4) {
            let length = std::str::from_utf8(length).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
            let length = length.filter(|length| *length == 0 || (4..=LARGEST + 4).contains(length));
            let length = length.ok_or_else(|| IoError::from(ErrorKind::InvalidData))?;
            if length == 0 {
                take(None)?;
                at += 4;
                continue;
            }
            let Some(content) = self.waiting.get(at + 4..at + length) else { break };
            take(Some(content))?;
            at += length;
        }
        self.waiting.drain(..at);
        Ok(())
    }
}

fn packet(out: &mut Vec<u8>, content: &[u8]) {
    out.extend_from_slice(format!("{:04x}", content.len() + 4).as_bytes());
    out.extend_from_slice(content);
}

fn list(out: &mut Vec<u8>, lines: &[&str]) {
    for line in lines {
        packet(out, format!("{line}\n").as_bytes());
    }
    out.extend_from_slice(b"0000");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_taken_apart_wherever_they_are_cut() {
        let mut bytes = Vec::new();
        list(&mut bytes, &["one", "two"]);
        packet(&mut bytes, &[b'x'; 300]);
        for cut in 0..bytes.len() {
            let (mut packets, mut seen) = (Packets::default(), Vec::new());
            for part in [&bytes[..cut], &bytes[cut..]] {
                let mut take = |packet: Option<&[u8]>| {
                    seen.push(packet.map_or(0, <[u8]>::len));
                    Ok(())
                };
                packets.feed(part, &mut take).expect("reads");
            }
            assert_eq!(seen, [4, 4, 0, 300], "cut at {cut}");
        }
        for bad in [&b"zzzz"[..], b"0003", b"ffff"] {
            assert!(Packets::default().feed(bad, &mut |_| Ok(())).is_err(), "{bad:?}");
        }
    }
}
