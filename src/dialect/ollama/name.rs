//! Ollama's own rules for model names: `[host/][namespace/]model[:tag]` (measured on a real server).
//!
//! Most names that clients of this gateway use follow them; `prefix:vendor/model` does not. So they only decide what is said of
//! a name that means nothing here.

use super::go_json::quoted;
use crate::chat::{Class, Failure};

/// The longest part of a name, in bytes; a host may have more.
const PART_BYTES_MAX: usize = 80;
const HOST_BYTES_MAX: usize = 350;

/// What Ollama says of a name that no one knows. `is_shown_in_full`: with the tag that it would have (`/api/show`).
pub fn unknown(asked: &str, failure: Failure, is_shown_in_full: bool) -> Failure {
    if failure.class != Class::UnknownModel {
        return failure;
    }
    if let Some(conflict) = conflict(asked) {
        return conflict;
    }
    let Some(full) = full_name(asked.trim()) else {
        return Failure::bad_request("invalid model name").with_param("model");
    };
    let plain = format!("model '{asked}' not found");
    if is_shown_in_full && failure.message == plain {
        return Failure { message: format!("model '{full}' not found"), ..failure };
    }
    failure
}

/// `x:cloud:local` wants both: a model of ollama.com and one of the server's own.
pub(super) fn conflict(asked: &str) -> Option<Failure> {
    let asked = asked.trim();
    let rest = without_source(asked)?;
    without_source(rest)?;
    let message = format!("use either :local or :cloud, not both: {}", quoted(asked));
    Some(Failure::bad_request(message).with_param("model"))
}

/// A name without the suffix that says where its model is (`:local`, `:cloud`, a tag ending in `-cloud`), if it has one.
fn without_source(name: &str) -> Option<&str> {
    let (rest, tag) = name.rsplit_once(':')?;
    let tag = tag.trim().to_ascii_lowercase();
    match tag.as_str() {
        "local" | "cloud" => Some(rest),
        tag if tag.ends_with("-cloud") && !tag.contains('/') => name.trim_end().get(..name.trim_end().len() - 6),
        _ => None,
    }
}

/// Does Ollama have a model of this name run at ollama.com (`:cloud`, a tag ending in `-cloud`)?
pub fn is_elsewhere(name: &str) -> bool {
    let tag = name.rsplit_once(':').map_or("", |(_, tag)| tag.trim());
    tag.eq_ignore_ascii_case("cloud") || tag.to_ascii_lowercase().ends_with("-cloud")
}

/// Would Ollama take it for a name?
pub(super) fn is_valid(name: &str) -> bool {
    full_name(name.trim()).is_some()
}

/// The same where embeddings were asked for, which Ollama says in other words.
pub fn unknown_to_embed(asked: &str, failure: Failure) -> Failure {
    let told = unknown(asked, failure, false);
    if told.message == format!("model '{asked}' not found") {
        return Failure { message: format!("model \"{asked}\" not found, try pulling it first"), ..told };
    }
    told
}

/// The name with its tag and without a scheme; `None` when Ollama would not take it.
fn full_name(name: &str) -> Option<String> {
    let name = name.split_once("://").map_or(name, |(_, rest)| rest);
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, tag),
        _ => (name, "latest"),
    };
    let parts: Vec<&str> = path.split('/').collect();
    let is_valid = match parts.as_slice() {
        [model] => is_part(model, b"-."),
        [namespace, model] => is_part(namespace, b"-") && is_part(model, b"-."),
        [host, namespace, model] => is_host(host) && is_part(namespace, b"-") && is_part(model, b"-."),
        _ => false,
    };
    (is_valid && is_part(tag, b"-.")).then(|| format!("{path}:{tag}"))
}

fn is_part(part: &str, also: &[u8]) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    part.len() <= PART_BYTES_MAX
        && part.bytes().next().is_some_and(is_word)
        && part.bytes().all(|byte| is_word(byte) || also.contains(&byte))
}

fn is_host(host: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    host.len() <= HOST_BYTES_MAX
        && host.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && host.bytes().all(is_fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_ollama_takes_them() {
        for (name, want) in [
            ("tiny", Some("tiny:latest")),
            ("ns/tiny:q4", Some("ns/tiny:q4")),
            ("a.b:80/n/m", Some("a.b:80/n/m:latest")),
            ("http://h/n/m", Some("h/n/m:latest")),
            ("a b", None),
            ("x:", None),
            ("/x", None),
            ("x/", None),
            ("-x", None),
            ("a:b:c", None),
            ("p:v/m", None),
            ("p:v/m:t", None),
            ("a.b/x", None),
            ("a@b", None),
            ("mü", None),
            ("a/b/c/d", None),
        ] {
            assert_eq!(full_name(name).as_deref(), want, "{name}");
        }
        assert_eq!(full_name(&"x".repeat(81)), None);
    }
}
