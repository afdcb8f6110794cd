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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_and_examples_are_none() {
        let is = |p: &str| looks_secret(&RepoPath::new(p).expect("a valid path"));
        for secret in [".env", "app/.env.local", "deploy/ID_RSA", "tls/server.key", "prod.env", ".npmrc"] {
            assert!(is(secret), "{secret}");
        }
        for fine in [".env.example", "src/env.rs", "key.rs", "id_rsa.pub", "environment", "keys/README.md"] {
            assert!(!is(fine), "{fine}");
        }
    }
}
