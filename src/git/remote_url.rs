//! URLs of remotes as they may be shown: whatever could be a password or a token in them is masked.

/// The URL without its secrets: everything before `@` of an `http` URL, a password of any other, and a query.
pub fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = match authority.rsplit_once('@') {
        None => authority.to_owned(),
        // A token may stand where a user's name should.
        Some((_, host)) if scheme.to_ascii_lowercase().starts_with("http") => format!("***@{host}"),
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:***@{host}"),
            None => format!("{user}@{host}"),
        },
    };
    let path = match path.split_once('?') {
        Some((path, _)) => format!("{path}?***"),
        None => path.to_owned(),
    };
    format!("{scheme}://{host}{path}")
}

/// A text in which every URL is masked; for what git says of a remote.
pub fn masked_in(text: &str) -> String {
    let breaks = |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '<' | '>' | '(' | ')');
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(breaks) {
        let end = word.rfind(breaks).unwrap_or(word.len());
        out.push_str(&masked(&word[..end]));
        out.push_str(&word[end..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_could_be_a_password_is_shown() {
        for (url, shown) in [
            ("https://user:pass@example.org/x.git", "https://***@example.org/x.git"),
            ("https://token@example.org/x.git", "https://***@example.org/x.git"),
            ("https://a:b@c@example.org/x", "https://***@example.org/x"),
            ("https://example.org/x.git?key=1", "https://example.org/x.git?***"),
            ("ssh://git@example.org:22/x", "ssh://git@example.org:22/x"),
            ("ssh://git:pass@example.org/x", "ssh://git:***@example.org/x"),
            ("git@example.org:x.git", "git@example.org:x.git"),
            ("/srv/x@y.git", "/srv/x@y.git"),
            ("https://example.org/a@b", "https://example.org/a@b"),
        ] {
            assert_eq!(masked(url), shown);
        }
        let said = "unable to access 'https://u:p@h/': (https://t@h/) gone";
        assert_eq!(masked_in(said), "unable to access 'https://***@h/': (https://***@h/) gone");
    }
}
