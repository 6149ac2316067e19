//! Base addresses: checked and brought into one form.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::dialect::Dialect;

/// A base address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Without a slash at the end.
    pub(super) url: String,
    /// It is this machine, or in a private network.
    pub(super) is_private: bool,
}

impl Address {
    /// Reads an address as people write it: with or without a slash at the end, with a route pasted behind it, with or
    /// without `version`. One without any path gets `default_path`, one without a scheme the likely one. The problem that is
    /// returned never shows what stands before an `@`.
    pub(super) fn read(
        text: &str,
        dialect: Dialect,
        version: Option<&str>,
        default_path: &str,
    ) -> Result<Address, String> {
        let (scheme, rest) = match text.trim().split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, text.trim()),
        };
        if rest.contains(['?', '#']) {
            return Err("it has a query or a fragment".to_owned());
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("it holds a user name or password; keys have variables of their own".to_owned());
        }
        let parsed: http::uri::Authority = authority.parse().map_err(|_| "it is no address".to_owned())?;
        let is_private = is_private(parsed.host());
        let scheme = scheme.unwrap_or_else(|| if is_private { "http".to_owned() } else { "https".to_owned() });
        if scheme != "http" && scheme != "https" {
            return Err(format!("'{scheme}' is neither http nor https"));
        }
        let mut path = without_route(path, dialect).to_owned();
        if path.is_empty() {
            path.push_str(default_path);
        } else if let Some(version) = version.filter(|_| !ends_in_version(&path)) {
            path = format!("{path}/{version}");
        }
        let url = format!("{scheme}://{authority}{path}");
        url.parse::<http::Uri>().map_err(|_| "it is no address".to_owned())?;
        Ok(Address { url, is_private })
    }
}

/// The path of an address, without a slash at the end.
pub(super) fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("").trim_end_matches('/')
}

/// The path without slashes at its end and without a route of the dialect that was pasted with it.
fn without_route(path: &str, dialect: Dialect) -> &str {
    let routes: &[&str] = match dialect {
        Dialect::Ollama => &["/api/chat", "/api/generate", "/api/tags", "/api", "/v1"],
        Dialect::OpenAi => &["/chat/completions", "/completions", "/models"],
        // Google's OpenAI face lies below the native one, and its address is the one that people know.
        Dialect::Gemini => &["/openai/chat/completions", "/openai", "/models"],
    };
    let path = path.trim_end_matches('/');
    let cut = routes.iter().find_map(|route| path.strip_suffix(route)).unwrap_or(path);
    cut.trim_end_matches('/')
}

/// Is the last step a version such as `v1` or `v1beta`?
fn ends_in_version(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    last.strip_prefix('v').is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
}

/// Is a host this machine, or in a private network? Names are judged by their ending, never resolved.
fn is_private(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => is_private_v4(ip),
        Ok(IpAddr::V6(ip)) => is_private_v6(ip),
        // A name without a dot is one of this machine or of a container's network.
        Err(_) => {
            !host.contains('.')
                || [".localhost", ".local", ".internal", ".lan", ".home.arpa"].iter().any(|end| host.ends_with(end))
        }
    }
}

/// Loopback, RFC 1918, link-local, and the shared space of RFC 6598 that overlay networks use.
fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified() || (a == 100 && b & 0xc0 == 64)
}

/// Loopback, unique local (RFC 4193), link-local, and mapped IPv4.
fn is_private_v6(ip: Ipv6Addr) -> bool {
    let start = ip.segments()[0];
    ip.is_loopback()
        || ip.is_unspecified()
        || start & 0xfe00 == 0xfc00
        || start & 0xffc0 == 0xfe80
        || ip.to_ipv4_mapped().is_some_and(is_private_v4)
}
