//! Entries, the built-in ones and the file's, become the providers that are on.

use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::file::{File, nearest};
use super::settings::array;
use super::value::{Given, mask};
use super::{ConfigError, Environment, Origin, Source};
use crate::provider::address::{is_localhost, is_this_machine};
use crate::provider::entry::{Built, Entry, presets};
use crate::provider::{Provider, both_forms};

/// What came of all entries.
#[derive(Default)]
pub(super) struct Made {
    /// The providers that are on: Ollama, the file's order, the presets' order.
    pub(super) on: Vec<Arc<Provider>>,
    /// Prefixes of those that are off, with the variables that would switch them on.
    pub(super) off: Vec<(String, Vec<String>)>,
    /// Where addresses and keys came from.
    pub(super) sources: Vec<Source>,
}

/// An entry on its way to a provider.
struct Draft {
    prefix: String,
    entry: Entry,
    /// What the file says of it, and in which place.
    user: Option<(Entry, usize)>,
}

/// Builds every entry.
pub(super) fn make(file: Option<&File>, env: &Environment) -> Result<Made, ConfigError> {
    let mut made = Made::default();
    for draft in drafts(file)? {
        let built = draft.entry.build(&draft.prefix, &|name| env.get(name).map(str::to_owned), draft.user.is_some());
        match built.map_err(|error| draft.error(file, error.to_string()))? {
            Built::On(providers) => {
                made.sources.extend(draft.sources(&providers, file, env));
                made.on.extend(providers.into_iter().map(Arc::new));
            }
            Built::Off { key_env, .. } => made.off.push((draft.prefix, key_env)),
        }
    }
    // A stable sort: within both halves the order stays.
    made.on.sort_by_key(|provider| !provider.is_local);
    Ok(made)
}

/// All entries: those that the file names, in its order, then the other presets.
fn drafts(file: Option<&File>) -> Result<Vec<Draft>, ConfigError> {
    let mut presets = presets().map_err(|error| ConfigError::Provider(error.to_string()))?;
    let mut drafts = Vec::with_capacity(presets.len());
    for (name, user, at) in file.into_iter().flat_map(|file| &file.providers) {
        let preset = presets.iter().position(|(prefix, entry)| prefix == name || entry.other_prefixes.contains(name));
        let (prefix, entry) = match preset.map(|index| presets.remove(index)) {
            Some((prefix, preset)) => (prefix, preset.overlay(user.clone())),
            None => (name.clone(), user.clone()),
        };
        if drafts.iter().any(|draft: &Draft| draft.prefix == prefix || draft.entry.other_prefixes.contains(name)) {
            let message = format!("provider `{name}` is described twice, once by another of its prefixes");
            return Err(
                file.map_or_else(|| ConfigError::Provider(message.clone()), |file| file.error(*at, message.clone()))
            );
        }
        drafts.push(Draft { prefix, entry, user: Some((user.clone(), *at)) });
    }
    let rest = presets.into_iter().map(|(prefix, entry)| Draft { prefix, entry, user: None });
    drafts.extend(rest);
    Ok(drafts)
}

impl Draft {
    /// An error of this entry: at its place in the file, where it has one.
    fn error(&self, file: Option<&File>, message: String) -> ConfigError {
        let Some((file, (user, at))) = file.zip(self.user.as_ref()) else { return ConfigError::Provider(message) };
        let is_unknown = user.base_url.is_none() && self.entry.base_url.is_none() && self.entry.faces.is_empty();
        let known = presets().unwrap_or_default();
        let near = nearest(&self.prefix, known.iter().map(|(prefix, _)| prefix.as_str())).filter(|_| is_unknown);
        let hint = near.map_or_else(String::new, |near| format!("; did you mean [provider.{near}]?"));
        file.error(*at, format!("{message}{hint}"))
    }

    /// Where the addresses and keys of its providers came from.
    fn sources(&self, providers: &[Provider], file: Option<&File>, env: &Environment) -> Vec<Source> {
        let mut sources: Vec<Source> = Vec::new();
        for provider in providers {
            let mut addresses: Vec<String> = provider.faces.iter().map(|face| face.base_url.clone()).collect();
            addresses.dedup();
            sources.push(Source {
                key: format!("provider.{}.base_url", provider.prefix),
                value: array(addresses.into_iter()),
                origin: self.address_origin(file, env),
            });
        }
        sources.extend(self.key_sources(file, env));
        sources
    }

    fn address_origin(&self, file: Option<&File>, env: &Environment) -> Origin {
        let of_faces = self.entry.faces.iter().flat_map(|face| &face.base_url_env);
        let mut variables = self.entry.base_url_env.iter().chain(of_faces);
        if let Some(name) = variables.find(|name| env.get(name).is_some()) {
            return env.origin(name);
        }
        match &self.user {
            Some((user, _)) if user.base_url.is_some() || !user.faces.is_empty() => self.file_origin(file),
            _ => Origin::Default,
        }
    }

    fn file_origin(&self, file: Option<&File>) -> Origin {
        match file.zip(self.user.as_ref()) {
            Some((file, (_, at))) => Origin::File(file.path.clone(), file.line(*at)),
            None => Origin::Default,
        }
    }

    /// A row for each variable with keys; where none is set, one for keys in the file.
    fn key_sources(&self, file: Option<&File>, env: &Environment) -> Vec<Source> {
        let entry = &self.entry;
        let row = |value: String, origin| Source { key: format!("provider.{}.keys", self.prefix), value, origin };
        let mut rows: Vec<Source> = Vec::new();
        for name in entry.key_env.iter().chain(&entry.token_env).chain(&entry.general_key_env) {
            for name in both_forms(name) {
                if rows.iter().any(|row| row.origin == env.origin(&name)) {
                    continue;
                }
                if let Some(list) = env.get(&name) {
                    rows.push(row(masked_list(list), env.origin(&name)));
                }
                let in_file = format!("{name}_FILE");
                if let Some(path) = env.get(&in_file) {
                    rows.push(row(format!("in {path}"), env.origin(&in_file)));
                }
            }
        }
        if rows.is_empty() && !entry.keys.is_empty() {
            let lists: Vec<&str> = entry.keys.iter().map(ExposeSecret::expose_secret).collect();
            rows.push(row(masked_list(&lists.join(",")), self.file_origin(file)));
        }
        rows
    }
}

fn masked_list(list: &str) -> String {
    let keys = Given::Word(list.to_owned()).list().unwrap_or_default();
    array(keys.into_iter().map(|key| mask(&SecretString::from(key))))
}

/// Is this base URL ourselves, listening on that address and port?
///
/// That is narrower than being near: another server on this machine is none of us. A provider behind another name that leads here is found at run time, by the header that counts hops.
pub(super) fn is_self(base_url: &str, host: IpAddr, port: u16, own_name: Option<&str>) -> bool {
    let Ok(uri) = base_url.parse::<http::Uri>() else { return false };
    let default_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    if uri.port_u16().unwrap_or(default_port) != port {
        return false;
    }
    let name = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let name = name.trim_end_matches('.');
    match name.parse::<IpAddr>() {
        Ok(address) => is_own_address(address.to_canonical(), host.to_canonical()),
        Err(_) => (is_localhost(name) && is_this_machine(host)) || (!host.is_loopback() && own_name == Some(name)),
    }
}

/// Does who connects to `address` reach a server that listens on `host`?
fn is_own_address(address: IpAddr, host: IpAddr) -> bool {
    if host.is_unspecified() {
        // Only an address of this machine can be bound; nothing is sent.
        return is_this_machine(address) || UdpSocket::bind((address, 0)).is_ok();
    }
    address == host || (is_this_machine(address) && host.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_address_has_many_names() {
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        let any: IpAddr = "0.0.0.0".parse().unwrap();
        for url in
            ["http://localhost:11434", "http://127.0.0.1:11434/v1", "http://[::1]:11434", "http://LOCALHOST.:11434"]
        {
            assert!(is_self(url, loopback, 11434, None), "{url}");
            assert!(is_self(url, any, 11434, None), "{url}");
            assert!(!is_self(url, loopback, 5005, None), "{url}");
        }
        assert!(is_self("http://0.0.0.0:1", loopback, 1, None));
        assert!(is_self("http://[::ffff:127.0.0.1]:1", loopback, 1, None));
        assert!(is_self("http://localhost", loopback, 80, None));
        assert!(is_self("http://gateway:1", any, 1, Some("gateway")));
        assert!(!is_self("http://gateway:1", loopback, 1, Some("gateway")));
        assert!(!is_self("http://192.0.2.7:1", any, 1, None));
        assert!(!is_self("http://192.0.2.7:1", loopback, 1, None));
        assert!(is_self("http://192.0.2.7:1", "192.0.2.7".parse().unwrap(), 1, None));
        assert!(!is_self("http://localhost:1", "192.0.2.7".parse().unwrap(), 1, None));
        assert!(!is_self("https://api.example.com/v1", any, 11434, None));
    }
}
