//! `polyllama serve`.

use crate::config::Config;

/// Serves until a signal to stop.
pub(super) async fn run(_config: Config) -> anyhow::Result<()> {
    Err(anyhow::anyhow!("serving is not built in"))
}
