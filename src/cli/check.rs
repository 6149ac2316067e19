//! `polyllama check`: what works, and why not.

use std::time::{Duration, Instant};

use futures_util::stream::StreamExt;

use super::CheckRow;
use super::table::table;
use crate::chat::{Class, Failure};
use crate::config::Config;
use crate::provider::Provider;
use crate::provider::credentials::Credential;
use crate::relay::discover::check_with;
use crate::relay::upstream::Upstream;

/// Asks every provider with every key. Gives what to print, and whether something is broken.
pub(super) async fn run(config: Config) -> anyhow::Result<(String, bool)> {
    let upstream = Upstream::new(&config)?;
    let limit = config.limits.discovery;
    let mut asking = futures_util::stream::FuturesOrdered::new();
    for provider in config.providers.iter() {
        for (key, credential) in provider.pool.all(Instant::now()) {
            let upstream = upstream.clone();
            asking.push_back(async move { asked(&upstream, provider, key, &credential, limit).await });
        }
    }
    let rows: Vec<Option<CheckRow>> = asking.collect().await;
    let rows: Vec<CheckRow> = rows.into_iter().flatten().collect();
    Ok(print(&rows))
}

/// What one key gets; nothing to say of a provider that was not asked for and isn't there.
async fn asked(
    upstream: &Upstream,
    provider: &Provider,
    key: String,
    credential: &Credential,
    limit: Duration,
) -> Option<CheckRow> {
    let late = || Failure::new(Class::Timeout, format!("no answer within {limit:?}"));
    let checking = check_with(upstream, provider, credential, limit);
    let checked = tokio::time::timeout(limit, checking).await.unwrap_or_else(|_| Err(late()));
    let (ok, detail) = match checked {
        Ok(models) => (true, format!("{models} models")),
        Err(failure) if provider.is_optional && failure.class == Class::ProviderDown => return None,
        Err(failure) => (false, failure.message),
    };
    Some(CheckRow { provider: provider.prefix.clone(), key, ok, detail })
}

/// A table of the rows, and whether something is broken.
pub fn print(rows: &[CheckRow]) -> (String, bool) {
    if rows.is_empty() {
        let hint = "No provider is on: nothing to check. `polyllama --help` lists the variables that switch one on.\n";
        return (hint.to_owned(), true);
    }
    let broken = rows.iter().filter(|row| !row.ok).count();
    let lines: Vec<[String; 4]> = rows.iter().map(cells).collect();
    let mut text = table(["PROVIDER", "KEY", "STATE", "DETAIL"], &lines);
    text.push_str(&match broken {
        0 => format!("\nAll {} work.\n", rows.len()),
        broken => format!("\n{broken} of {} broken.\n", rows.len()),
    });
    (text, broken > 0)
}

fn cells(row: &CheckRow) -> [String; 4] {
    let key = if row.key.is_empty() { "-" } else { row.key.as_str() };
    let state = if row.ok { "ok" } else { "broken" };
    // A provider's message may have several lines.
    let detail = row.detail.split_whitespace().collect::<Vec<_>>().join(" ");
    [row.provider.clone(), key.to_owned(), state.to_owned(), detail]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(provider: &str, key: &str, ok: bool, detail: &str) -> CheckRow {
        CheckRow { provider: provider.to_owned(), key: key.to_owned(), ok, detail: detail.to_owned() }
    }

    #[test]
    fn a_broken_key_is_named_and_counted() {
        let rows = [row("alpha", "sk-…cdef", true, "12 models"), row("beta", "", false, "401:\n no\tsuch key")];
        let (text, is_broken) = print(&rows);
        assert!(is_broken);
        assert_eq!(
            text,
            "PROVIDER  KEY       STATE   DETAIL\n\
             alpha     sk-…cdef  ok      12 models\n\
             beta      -         broken  401: no such key\n\n1 of 2 broken.\n"
        );
    }

    #[test]
    fn all_well_is_not_broken_and_nothing_to_check_is() {
        assert!(!print(&[row("alpha", "", true, "")]).1);
        assert!(print(&[]).1);
    }
}
