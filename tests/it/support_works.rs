//! The ground that the other tests stand on does what it says.

use std::path::Path;

use crate::support::env::Sandbox;
use crate::support::repo::{Shape, TestRepo, matrix};
use crate::support::run::CommandOutput;

#[test]
fn every_shape_of_repository_can_be_made_and_is_what_it_says() {
    assert_eq!(matrix().count(), 8);
    for shape in matrix() {
        let repo = TestRepo::of_shape(shape);
        assert_eq!(repo.git(["rev-parse", "--show-object-format"]), shape.object_format);
        assert_eq!(repo.git(["rev-parse", "--show-ref-format"]), shape.ref_format);
        assert_eq!(repo.at(".git").is_file(), shape.linked, "{shape:?}");
        repo.assert_sound();
    }
}

#[test]
fn a_listing_shows_every_kind_of_change() {
    let repo = TestRepo::new();
    repo.write("a/file", "one");
    let mut seen = vec![repo.listing()];
    let mut changed = |repo: &TestRepo| {
        let now = repo.listing();
        assert!(!seen.contains(&now), "{now:#?}");
        seen.push(now);
    };
    repo.write("a/file", "two");
    assert_eq!(repo.read("a/file"), b"two");
    changed(&repo);
    repo.chmod("a/file", 0o755);
    changed(&repo);
    repo.symlink("link", "a/file");
    changed(&repo);
    repo.write(b"\xff", "");
    changed(&repo);
    repo.remove("a");
    changed(&repo);
    assert!(!repo.listing().iter().any(|line| line.contains(".git")));
}

#[test]
fn the_index_is_seen_to_change() {
    let repo = TestRepo::of_shape(Shape { linked: true, ..Shape::PLAIN });
    repo.write("f", "x");
    let before = repo.index_bytes();
    repo.git(["add", "f"]);
    assert_ne!(repo.index_bytes(), before);
}

#[test]
fn garbage_goes_and_what_is_referred_to_stays() {
    let repo = TestRepo::new();
    repo.write("f", "kept");
    let kept = repo.commit("second");
    repo.write("loose", "garbage");
    let garbage = repo.git(["hash-object", "-w", "loose"]);
    assert!(repo.has_object(&garbage));
    repo.collect_garbage();
    assert!(repo.has_object(&kept) && !repo.has_object(&garbage));
}

#[test]
fn a_command_sees_nothing_of_the_world_outside() {
    let mut sandbox = Sandbox::new();
    sandbox.set("EXTRA", "1");
    let out = sandbox.command("env", sandbox.path()).output().expect("env runs");
    let text = String::from_utf8(out.stdout).expect("text");
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    assert!(names.contains(&"EXTRA") && !names.contains(&"NO_COLOR") && !names.contains(&"CARGO_MANIFEST_DIR"));
    assert!(text.lines().any(|line| line == format!("HOME={}", sandbox.home().display())), "{text}");
}

#[test]
fn time_and_ids_go_on_with_every_command() {
    let sandbox = Sandbox::new();
    let run = |name: &str| {
        let out = sandbox.command("printenv", Path::new("/")).arg(name).output().expect("printenv runs");
        String::from_utf8(out.stdout).expect("text").trim().to_owned()
    };
    assert_eq!(run("SESSION_TEST_CLOCK"), "2026-01-02T03:04:06+00:00");
    assert_eq!(run("SESSION_TEST_CLOCK"), "2026-01-02T03:04:07+00:00");
    assert_eq!(run("SESSION_TEST_SEED"), "3000");
}

#[test]
fn an_output_shows_both_streams_and_the_exit_in_one() {
    let output = CommandOutput { code: Some(3), stdout: "out\n".to_owned(), stderr: "err\n".to_owned() };
    insta::assert_snapshot!(output, @"
    out
    --- stderr
    err
    --- exit 3
    ");
    let output = CommandOutput { code: Some(0), stdout: "{\"a\":1}\n".to_owned(), stderr: String::new() };
    assert_eq!(output.success().json()["a"], 1);
}

#[test]
fn our_binary_runs_in_the_work_tree() {
    let repo = TestRepo::of_shape(Shape { object_format: "sha256", linked: true, ..Shape::PLAIN });
    let status = repo.session(["status", "--json"]).success().json();
    assert_eq!(status["schema"], "session.status/1");
    assert_eq!(status["head"], repo.git(["rev-parse", "HEAD"]));
    assert_eq!((&status["branch"], &status["repository"]["worktree"]), (&"side".into(), &"linked".into()));
}
