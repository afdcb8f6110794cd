//! Error codes: stable words for programs, each of one form, each with one kind and so one exit code.

use std::collections::BTreeMap;

/// `FailureKind::X, "code"` wherever it stands in the source, with its kind; constants and variables are seen by hand.
fn codes() -> BTreeMap<String, Vec<(String, String)>> {
    let mut found: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for entry in walkdir::WalkDir::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")) {
        let entry = entry.expect("walks src");
        if entry.path().extension().is_none_or(|e| e != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).expect("reads");
        let text = text.split("#[cfg(test)]\nmod tests").next().expect("a part").to_owned();
        for part in text.split("FailureKind::").skip(1) {
            let kind: String = part.chars().take_while(char::is_ascii_alphanumeric).collect();
            let Some(rest) = part[kind.len()..].trim_start().strip_prefix(',') else { continue };
            let Some(rest) = rest.trim_start().strip_prefix('"') else { continue };
            let code = rest.split('"').next().expect("a string").to_owned();
            found.entry(code).or_default().push((kind, entry.path().display().to_string()));
        }
    }
    found
}

#[test]
fn every_code_has_one_form_and_one_kind() {
    let codes = codes();
    assert!(codes.len() > 30, "the source is read: {codes:#?}");
    for (code, places) in &codes {
        let is_form = |part: &str| {
            let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase());
            let middle = part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            middle && ends(part.chars().next()) && !part.ends_with('-') && !part.contains("--")
        };
        let parts: Vec<&str> = code.split('.').collect();
        let bare = ["usage", "internal"].contains(&code.as_str());
        assert!((parts.len() == 2 || bare) && parts.iter().all(|p| is_form(p)), "{code} in {places:?}");
        let kinds: std::collections::BTreeSet<&str> = places.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds.len(), 1, "{code} has several kinds: {places:?}");
    }
}

#[test]
fn codes_of_input_and_output_are_seen() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/ops/error.rs")).expect("reads");
    for code in ["io.permission", "io.full", "io.missing", "io.failed"] {
        assert!(text.contains(&format!("\"{code}\"")), "{code}");
        assert!(!codes().contains_key(code), "{code} is also made elsewhere");
    }
}
