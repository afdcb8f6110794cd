//! Names of files that make an agent, an editor, a shell or git run commands by being there. Written from somebody else's
//! checkpoint they would run that person's commands here.
//!
//! By name alone, at any depth, in any case of letters. Files that run only when they are called (`Makefile`) are not meant.

use bstr::ByteSlice as _;

use crate::base::RepoPath;

/// Directories of which everything counts.
const DIRECTORIES: &[&str] =
    &[".claude", ".codex", ".gemini", ".opencode", ".copilot", ".pi", ".cursor", ".husky", ".githooks", ".idea"];
/// Files.
const FILES: &[&str] = &[".mcp.json", ".envrc", "opencode.json", "opencode.jsonc", ".aider.conf.yml"];
/// What counts within a directory of that name.
const WITHIN: &[(&str, &str)] = &[(".github", "hooks"), (".vscode", "tasks.json")];

/// Whether a file of this path makes something run commands.
pub fn runs_commands(path: &RepoPath) -> bool {
    let text = path.as_bytes().to_str_lossy().to_ascii_lowercase();
    let parts: Vec<&str> = text.split('/').collect();
    let pair = |pair: &[&str]| WITHIN.iter().any(|(above, below)| pair == [*above, *below]);
    parts.iter().any(|part| DIRECTORIES.contains(part))
        || parts.last().is_some_and(|name| FILES.contains(name))
        || parts.windows(2).any(pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_that_runs_is_known_and_what_is_called_is_not_meant() {
        let is = |p: &str| runs_commands(&RepoPath::new(p).expect("a valid path"));
        for runs in [
            ".claude/settings.json",
            ".claude/hooks/x.sh",
            "sub/.claude/settings.local.json",
            ".mcp.json",
            ".codex/config.toml",
            ".gemini/settings.json",
            ".opencode/plugin/x.ts",
            ".github/hooks/pre.json",
            ".envrc",
            "a/b/.envrc",
            ".husky/pre-commit",
            ".githooks/pre-push",
            ".vscode/tasks.json",
            ".idea/workspace.xml",
            ".Claude/settings.json",
            ".claude",
        ] {
            assert!(is(runs), "{runs}");
        }
        for fine in [
            "Makefile",
            ".github/workflows/ci.yml",
            ".vscode/extensions.json",
            "src/claude/x.rs",
            "envrc",
            "mcp.json",
            ".gitignore",
        ] {
            assert!(!is(fine), "{fine}");
        }
    }
}
