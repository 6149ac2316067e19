//! Base addresses: checked and brought into one form; and which addresses are near, for all who ask that.

use std::net::IpAddr;

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
        Dialect::Anthropic => &["/messages", "/models"],
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
///
/// The question is whether a provider there is somebody's own, which needs no key and seldom has TLS. It is wider than that for
/// hosts from which requests may come (`server::guard`), where a wrong yes would let a web page in.
fn is_private(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(ip) => is_near(ip) || is_of_link_or_overlay(ip.to_canonical()),
        // A name without a dot is one of this machine or of a container's network.
        Err(_) => {
            !host.contains('.')
                || is_localhost(&host)
                || [".local", ".internal", ".lan", ".home.arpa"].iter().any(|end| host.ends_with(end))
        }
    }
}

/// Link-local, and the shared space of RFC 6598 that overlay networks use.
fn is_of_link_or_overlay(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local() || matches!(v4.octets(), [100, b, ..] if b & 0xc0 == 64),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// This machine, or a private network (RFC 1918, RFC 4193).
pub fn is_near(ip: IpAddr) -> bool {
    is_this_machine(ip)
        || match ip.to_canonical() {
            IpAddr::V4(v4) => v4.is_private(),
            IpAddr::V6(v6) => v6.is_unique_local(),
        }
}

/// Who connects to this address reaches the machine that he is on. IPv4 may be mapped into IPv6.
pub fn is_this_machine(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    ip.is_loopback() || ip.is_unspecified()
}

/// A name that is always this machine (RFC 6761), in lower case and without a dot at its end.
pub fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_knows_which_addresses_are_near() {
        let judged = |ip: &str| {
            let address: IpAddr = ip.parse().unwrap();
            (is_this_machine(address), is_near(address), is_private(ip))
        };
        for ip in ["127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"] {
            assert_eq!(judged(ip), (true, true, true), "{ip}");
        }
        for ip in ["10.0.0.1", "172.31.0.1", "192.168.1.1", "fd00::1", "::ffff:10.0.0.1"] {
            assert_eq!(judged(ip), (false, true, true), "{ip}");
        }
        for ip in ["169.254.1.1", "100.64.0.1", "fe80::1", "::ffff:100.127.0.1"] {
            assert_eq!(judged(ip), (false, false, true), "{ip}");
        }
        for ip in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert_eq!(judged(ip), (false, false, false), "{ip}");
        }
    }
}
