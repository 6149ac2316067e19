//! When to try again, from wherever a provider tells it.

use serde::Deserialize;

/// A moment at which a quota begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Until {
    /// 00:00 in Los Angeles.
    PacificMidnight,
    /// 00:00 UTC.
    UtcMidnight,
    /// 00:00 UTC on the first of the next month.
    MonthEnd,
}
