//! A transcript is stored byte for byte, whoever wrote it, in whatever steps it arrived, and whatever the agent rewrote of it.

use std::fs;
use std::path::{Path, PathBuf};

use git_session::engine::layout;
use git_session::engine::stream::{Check, Source, prepare};
use git_session::git::repo::RepoEnv;
use git_session::git::{Repo, tree};

use crate::support::repo::TestRepo;

const ID: &str = "11111111-2222-4333-8444-555555555555";

/// Every recording of every agent, as plain bytes.
fn recordings() -> Vec<(String, Vec<u8>)> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut found: Vec<(String, Vec<u8>)> = walkdir::WalkDir::new(&fixtures)
        .sort_by_file_name()
        .into_iter()
        .map(|entry| entry.expect("walks"))
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "jsonl"))
        .map(|entry| {
            let name = entry.path().strip_prefix(&fixtures).expect("below").display().to_string();
            (name, fs::read(entry.path()).expect("reads"))
        })
        .collect();
    // The largest that there are, so that full segments and folding are met: a transcript of some megabytes.
    let long: Vec<u8> = found.iter().flat_map(|(_, bytes)| bytes.iter().copied()).cycle().take(1_500_000).collect();
    found.push(("a long one".to_owned(), long));
    assert!(found.len() > 7, "{} recordings", found.len());
    found
}

/// A program that speaks the generic protocol, and the file that it writes.
struct Program {
    repo: TestRepo,
    file: PathBuf,
}

impl Program {
    fn new() -> Self {
        let repo = TestRepo::new();
        let file = repo.sandbox.path().join("transcript.jsonl");
        fs::write(&file, b"").expect("writes");
        Self { repo, file }
    }

    fn hook(&self, event: &str) {
        let payload = serde_json::json!({
            "session_id": ID, "cwd": self.repo.path(), "transcript_path": self.file, "prompt": "go on",
        });
        let out = self.repo.sandbox.session_with_input(
            self.repo.path(),
            ["hook", "generic", event],
            payload.to_string().as_bytes(),
        );
        assert_eq!((out.code, out.stdout.as_str(), out.stderr.as_str()), (Some(0), "", ""), "{event}");
    }
}

#[test]
fn a_transcript_that_arrives_in_blocks_is_stored_byte_for_byte() {
    for (name, bytes) in recordings() {
        let program = Program::new();
        // Blocks end in the middle of lines and of characters. The long one comes in fewer, so that the test is short.
        let step = if bytes.len() > 1_000_000 { 99_991 } else { 4096 };
        program.hook("prompt");
        for (n, block) in bytes.chunks(step).enumerate() {
            let mut file = fs::OpenOptions::new().append(true).open(&program.file).expect("opens");
            std::io::Write::write_all(&mut file, block).expect("appends");
            program.hook("turn-end");
            if n == 3 {
                program.repo.assert_stream(ID, ID, &bytes[..4 * step]);
            }
        }
        program.hook("session-end");
        program.repo.assert_stream(ID, ID, &bytes);
        assert_eq!(fs::read(&program.file).expect("reads"), bytes, "{name}: the agent's file is not touched");
        program.repo.assert_sound();
    }
}

/// Steps of one and of seven bytes, through the function that stores: a start at once, then a stretch with line ends in it
/// step by step, then the rest.
#[test]
fn a_transcript_that_arrives_in_bytes_is_stored_byte_for_byte() {
    let sandboxed = TestRepo::new();
    let repo = Repo::discover(sandboxed.path(), &RepoEnv::isolated(&sandboxed.sandbox.home())).expect("opens");
    for (name, bytes) in recordings() {
        let half = bytes.len() / 2;
        let line_end = half + bytes[half..].iter().position(|b| *b == b'\n').expect("a line end");
        for step in [1, 7] {
            let from = line_end.saturating_sub(30 * step);
            let to = (line_end + 30 * step).min(bytes.len());
            let ends = (from..to).step_by(step).chain([to, bytes.len()]);
            let (mut at, mut stored) = (repo.objects.format().empty_tree(), None);
            let mut writes = 0;
            for end in ends {
                let source = Source::Bytes(&bytes[..end]);
                let update = prepare(&repo.objects, Some(at), stored.as_ref(), "s", &source, Check::Tail);
                let Some(update) = update.expect("prepares") else { continue };
                writes += update.edits.len();
                at = tree::edit(&repo.objects, at, update.edits).expect("edits");
                stored = Some(update.stream);
                let read = layout::read_stream(&repo.objects, at, stored.as_ref().expect("stored")).expect("reads");
                assert!(read == bytes[..end], "{name} at byte {end} in steps of {step}");
            }
            assert!(writes > 50, "{name}: {writes} pieces written");
        }
    }
}

#[test]
fn a_transcript_whose_middle_was_rewritten_is_stored_as_it_is_now() {
    for (name, bytes) in recordings() {
        let middle = bytes.len() / 2;
        let cut = [&bytes[..middle], &bytes[middle + 100..]].concat();
        let longer = [&bytes[..middle], b"\xff\x00 what the agent put in\n".as_slice(), &bytes[middle..]].concat();
        let mut other = bytes.clone();
        other[middle..middle + 50].fill(b'#');
        let program = Program::new();
        program.hook("prompt");
        // A new file in the old one's place, told by any hook; or the old file written anew, told at the session's end.
        let replace = |new: &[u8], in_place: bool| {
            let beside = program.file.with_extension("new");
            let file = if in_place { &program.file } else { &beside };
            fs::write(file, new).expect("writes");
            if !in_place {
                fs::rename(&beside, &program.file).expect("renames");
            }
            program.hook(if in_place { "session-end" } else { "turn-end" });
            let stored = program.repo.stream(ID, ID);
            assert!(stored == new, "{name}, {} bytes of {}, in place: {in_place}", new.len(), bytes.len());
        };
        for in_place in [false, true] {
            for new in [&cut, &longer, &other] {
                replace(&bytes, false);
                replace(new, in_place);
            }
        }
    }
}
