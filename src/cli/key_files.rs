//! Files of keys (a container's secrets) are read again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::config::{Config, ConfigError};
use crate::provider::{Provider, Providers};

/// Puts changed keys into the pools of the running providers, until the future is dropped; the files are looked at every
/// `interval`. `reload` reads the configuration anew, files of keys among it.
pub(super) async fn watch(providers: Providers, interval: Duration, reload: impl Fn() -> Result<Config, ConfigError>) {
    let with_files: Vec<&Arc<Provider>> = providers.iter().filter(|provider| !provider.key_files.is_empty()).collect();
    let files: Vec<PathBuf> = with_files.iter().flat_map(|provider| provider.key_files.iter().cloned()).collect();
    if files.is_empty() {
        return;
    }
    let mut known = stamps(&files);
    let mut ticks = tokio::time::interval(interval);
    loop {
        ticks.tick().await;
        let seen = stamps(&files);
        if seen == known {
            continue;
        }
        known = seen;
        match reload() {
            Ok(config) => with_files.iter().for_each(|provider| take_over(provider, &config)),
            Err(error) => tracing::warn!("keys were not read again, the old ones stay: {error}"),
        }
    }
}

/// When each file was changed last; `None` while it is missing.
fn stamps(files: &[PathBuf]) -> Vec<Option<SystemTime>> {
    let stamp = |file: &Path| std::fs::metadata(file).and_then(|data| data.modified()).ok();
    files.iter().map(|file| stamp(file)).collect()
}

fn take_over(provider: &Provider, config: &Config) {
    let prefix = &provider.prefix;
    match config.providers.iter().find(|new| new.prefix == *prefix) {
        Some(new) if !new.pool.is_empty() => {
            provider.pool.replace(&new.pool);
            tracing::info!("provider '{prefix}': keys were read again, there are {} now", provider.pool.len());
        }
        _ => tracing::warn!("provider '{prefix}': its file of keys holds none now, so the old keys stay"),
    }
}
