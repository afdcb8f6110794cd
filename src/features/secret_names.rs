//! Names of files that usually hold secrets. Such files are captured and restored at home, and left out of what others get.
//!
//! By name alone: content is not looked at.

use bstr::ByteSlice as _;

use crate::base::RepoPath;

const NAMES: &[&str] = &[
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    ".netrc",
    "_netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".htpasswd",
    ".git-credentials",
    "credentials",
    "credentials.json",
    "secrets.json",
    "secrets.yml",
    "secrets.yaml",
    "secrets.toml",
    "service-account.json",
    ".dockercfg",
];
const ENDINGS: &[&str] = &[".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".ppk", ".asc"];
/// Directories with secrets in them, and which names there; all where none is given.
const PLACES: &[(&str, &str)] =
    &[(".kube", "config"), (".docker", "config.json"), (".aws", ""), (".ssh", ""), (".gnupg", ""), (".azure", "")];
/// Words of a name of which nothing but data is called.
const WORDS: &[&str] = &[
    "credential",
    "credentials",
    "kubeconfig",
    "passwd",
    "password",
    "passwords",
    "secret",
    "secrets",
    "token",
    "tokens",
];
/// Endings of data; a program may well be called `token.rs`.
const DATA: &[&str] =
    &["", "cfg", "conf", "config", "csv", "env", "ini", "json", "properties", "toml", "txt", "xml", "yaml", "yml"];
/// Examples that are meant to be shared.
const EXAMPLES: &[&str] = &[".example", ".sample", ".template", ".dist", ".pub"];

/// Whether a file of this name usually holds a secret.
pub fn looks_secret(path: &RepoPath) -> bool {
    let name = path.file_name().to_str_lossy().to_ascii_lowercase();
    if EXAMPLES.iter().any(|e| name.ends_with(e)) {
        return false;
    }
    name == ".env"
        || name.starts_with(".env.")
        || name.ends_with(".env")
        || NAMES.contains(&name.as_str())
        || ENDINGS.iter().any(|e| name.ends_with(e))
        || is_in_a_place_of_secrets(path, &name)
        || is_called_so(&name)
}

fn is_in_a_place_of_secrets(path: &RepoPath, name: &str) -> bool {
    let folder = path.parent().map(|folder| folder.file_name().to_str_lossy().to_ascii_lowercase());
    PLACES.iter().any(|(place, only)| folder.as_deref() == Some(place) && (only.is_empty() || *only == name))
}

/// Whether one of the words that the name is made of tells of a secret, and the file is no program or prose.
fn is_called_so(name: &str) -> bool {
    let stem = name.trim_start_matches('.');
    let (words, ending) = stem.rsplit_once('.').unwrap_or((stem, ""));
    DATA.contains(&ending) && words.split(['.', '-', '_', ' ']).any(|word| WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_and_examples_are_none() {
        let is = |p: &str| looks_secret(&RepoPath::new(p).expect("a valid path"));
        for secret in [".aws_credentials", "kubeconfig", "a/.kube/config", "token.txt", "db-password.json"] {
            assert!(is(secret), "{secret}");
        }
        for fine in ["token.rs", "src/secrets.py", "docs/password.md", "kube/config", "tokenizer.json", ".ssh.md"] {
            assert!(!is(fine), "{fine}");
        }
        for secret in [".env", "app/.env.local", "deploy/ID_RSA", "tls/server.key", "prod.env", ".npmrc"] {
            assert!(is(secret), "{secret}");
        }
        for fine in [".env.example", "src/env.rs", "key.rs", "id_rsa.pub", "environment", "keys/README.md"] {
            assert!(!is(fine), "{fine}");
        }
    }
}
