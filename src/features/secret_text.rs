//! Texts that are secrets by what they look like: keys and tokens of well-known forms. For files whose name says nothing.
//!
//! A form is a beginning and so many characters of an alphabet after it; what has no form of its own (a password) is not
//! found. Rather too little than too much: what is found is left out of what others get.

use bstr::ByteSlice as _;

/// Bytes of a file that are looked at.
const MOST: usize = 16 << 20;

/// How a token begins, what follows, and how much of that at least.
struct Form {
    start: &'static [u8],
    follows: fn(u8) -> bool,
    least: usize,
}

const fn word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

const fn dashed(b: u8) -> bool {
    word(b) || b == b'-'
}

const fn upper(b: u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit()
}

const FORMS: &[Form] = &[
    // GitHub.
    Form { start: b"ghp_", follows: word, least: 36 },
    Form { start: b"gho_", follows: word, least: 36 },
    Form { start: b"ghu_", follows: word, least: 36 },
    Form { start: b"ghs_", follows: word, least: 36 },
    Form { start: b"ghr_", follows: word, least: 36 },
    Form { start: b"github_pat_", follows: word, least: 22 },
    // GitLab.
    Form { start: b"glpat-", follows: dashed, least: 20 },
    // Slack.
    Form { start: b"xoxb-", follows: dashed, least: 20 },
    Form { start: b"xoxp-", follows: dashed, least: 20 },
    Form { start: b"xoxa-", follows: dashed, least: 20 },
    Form { start: b"xoxs-", follows: dashed, least: 20 },
    // AWS.
    Form { start: b"AKIA", follows: upper, least: 16 },
    Form { start: b"ASIA", follows: upper, least: 16 },
    // Google.
    Form { start: b"AIza", follows: dashed, least: 35 },
    // Anthropic and OpenAI.
    Form { start: b"sk-ant-", follows: dashed, least: 32 },
    Form { start: b"sk-proj-", follows: dashed, least: 32 },
    Form { start: b"sk-", follows: word, least: 40 },
    // Stripe.
    Form { start: b"sk_live_", follows: word, least: 20 },
    Form { start: b"rk_live_", follows: word, least: 20 },
    // npm, PyPI, Hugging Face, DigitalOcean, SendGrid.
    Form { start: b"npm_", follows: word, least: 36 },
    Form { start: b"pypi-AgEI", follows: dashed, least: 40 },
    Form { start: b"hf_", follows: word, least: 34 },
    Form { start: b"dop_v1_", follows: word, least: 64 },
    Form { start: b"SG.", follows: dashed, least: 22 },
];

/// Whether a text holds something that looks like a secret.
pub fn holds_secret(text: &[u8]) -> bool {
    let text = &text[..text.len().min(MOST)];
    FORMS.iter().any(|form| has(text, form)) || has_private_key(text) || has_named_key(text)
}

fn has(text: &[u8], form: &Form) -> bool {
    text.find_iter(form.start).any(|at| {
        let starts = at == 0 || !word(text[at - 1]);
        let after = &text[at + form.start.len()..];
        starts && after.iter().take_while(|b| (form.follows)(**b)).count() >= form.least
    })
}

fn has_private_key(text: &[u8]) -> bool {
    text.find_iter(b"-----BEGIN ").any(|at| {
        let line = text[at..].lines().next().unwrap_or_default();
        line.ends_with(b"PRIVATE KEY-----") || line.ends_with(b"PRIVATE KEY BLOCK-----")
    })
}

/// `aws_secret_access_key = ` and 40 characters, which have no form of their own.
fn has_named_key(text: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.find_iter(b"aws_secret_access_key").any(|at| {
        let after = &text[at + b"aws_secret_access_key".len()..];
        let after = after.trim_start_with(|c| matches!(c, ' ' | '=' | ':' | '"' | '\''));
        after.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'+')).count() >= 40
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_known_by_their_form() {
        let random = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG3hJ6xY9zA1bC2dE3fG4hJ5kL6mN7pQ8r";
        for secret in [
            format!("curl -H 'Authorization: Bearer ghp_{}'", &random[..36]),
            format!("token: github_pat_{}", &random[..40]),
            format!("GITLAB=glpat-{}", &random[..20]),
            "key AKIAIOSFODNN7EXAMPLE".to_owned(),
            format!("sk-ant-api03-{random}"),
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n".to_owned(),
            format!("aws_secret_access_key = {}", &random[..40]),
        ] {
            assert!(holds_secret(secret.as_bytes()), "{secret}");
        }
        for fine in [
            "",
            "ghp_short",
            "a task-list of sk-words",
            "the form is AKIA and 16 more",
            "-----BEGIN PUBLIC KEY-----\nMIIB\n",
            "aws_secret_access_key = $SECRET",
            "disk-0123456789012345678901234567890123456789",
        ] {
            assert!(!holds_secret(fine.as_bytes()), "{fine}");
        }
    }
}
