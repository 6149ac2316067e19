//! `polyllama config`: what is in force, and where it came from.

use super::table::table;
use crate::config::Config;

/// What the command takes.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Print a commented example of polyllama.toml instead
    #[arg(long)]
    pub(super) example: bool,
}

/// A config file that says every default.
pub(super) const EXAMPLE: &str = include_str!("../../polyllama.example.toml");

/// A table of the effective values, then the providers that are on and off.
pub(super) fn print(config: &Config) -> String {
    let rows = config.sources.iter().map(|row| [row.key.clone(), row.value.clone(), row.origin.describe()]);
    let rows: Vec<[String; 3]> = rows.chain(outer_rows(config)).collect();
    let mut text = table(["SETTING", "VALUE", "FROM"], &rows);
    let on: Vec<&str> = config.providers.iter().map(|provider| provider.prefix.as_str()).collect();
    let off: Vec<&str> = config.catalogue.off.iter().map(|(prefix, _)| prefix.as_str()).collect();
    text.push_str(&format!("\nproviders on:  {}\nproviders off: {}\n", listed(&on), listed(&off)));
    text
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The proxy variables, which no config key stands for.
fn outer_rows(config: &Config) -> impl Iterator<Item = [String; 3]> {
    let proxy = &config.proxy;
    let rows = [
        ("HTTPS_PROXY", &proxy.https),
        ("HTTP_PROXY", &proxy.http),
        ("ALL_PROXY", &proxy.all),
        ("NO_PROXY", &proxy.no),
    ];
    let set = rows.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    set.map(|(name, value)| [name.to_owned(), without_password(value), name.to_owned()])
}

/// An address without what stands before its `@`.
fn without_password(address: &str) -> String {
    let Some((before, after)) = address.rsplit_once('@') else { return address.to_owned() };
    let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
    if scheme.is_empty() { format!("********@{after}") } else { format!("{scheme}://********@{after}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_shown_without_its_password() {
        assert_eq!(without_password("http://me:pass@word@proxy:3128"), "http://********@proxy:3128");
        assert_eq!(without_password("me:pass@proxy:3128"), "********@proxy:3128");
        assert_eq!(without_password("http://proxy:3128"), "http://proxy:3128");
    }
}
