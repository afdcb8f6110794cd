//! Many processes in one repository at once: no checkpoint number is lost, no ref breaks, and git is never in our way nor we in its.

use std::process::{Child, Stdio};

use crate::support::repo::TestRepo;

#[test]
fn eight_at_once_with_git_packing_lose_nothing_and_hinder_nobody() {
    let repo = TestRepo::new();
    repo.write("f", "0");
    repo.commit("files");
    let first = repo.session(["save", "begin", "--json"]).success().json();
    let id = first["session"].as_str().expect("an id").to_owned();
    let mut made = 0;
    for round in 0..5 {
        let spawn = |program: &str, args: &[&str]| -> (String, Child) {
            let mut command = repo.sandbox.command(program, repo.path());
            command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            (format!("{program} {args:?}"), command.spawn().expect("starts"))
        };
        let session = env!("CARGO_BIN_EXE_session");
        let mut running = Vec::new();
        for n in 0..5 {
            repo.write("f", format!("round {round} writer {n}"));
            repo.write(format!("own/{round}-{n}"), "x");
            running.push(spawn(session, &["save", "--json"]));
        }
        running.push(spawn(session, &["rewind", "code", "1", "--all", "--json", "--", "f"]));
        running.push(spawn("git", &["commit", "--quiet", "--allow-empty", "--message=mine"]));
        running.push(spawn("git", if round % 2 == 0 { &["pack-refs", "--all"] } else { &["gc", "--quiet"] }));
        for (what, child) in running {
            let out = child.wait_with_output().expect("ends");
            let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
            // Packing may lose a race for packed-refs.lock against git itself only, which never happens here.
            let nothing_to_do = what.contains("rewind") && matches!(out.status.code(), Some(1 | 5));
            assert!(out.status.success() || nothing_to_do, "{what}: {text}");
            made += usize::from(text.contains("\"saved\":true"));
        }
    }
    let log = repo.session(["log", "-s", &id, "--json"]).success().json();
    let mut numbers: Vec<u64> =
        log["checkpoints"].as_array().expect("a list").iter().map(|c| c["number"].as_u64().expect("one")).collect();
    numbers.sort_unstable();
    let wanted: Vec<u64> = (1..=u64::try_from(numbers.len()).expect("fits")).collect();
    assert_eq!(numbers, wanted);
    assert!(numbers.len() > made && made > 5, "{made} saves in {numbers:?}");
    assert_eq!(repo.git(["for-each-ref", "refs/sessions"]).lines().count(), 1);
    assert_eq!(repo.git(["rev-list", "--count", "HEAD"]), "7");
    repo.assert_sound();
    repo.collect_garbage();
    let _logged = repo.session(["log"]).success();
}
