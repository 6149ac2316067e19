//! When to try again, from wherever a provider tells it.

use std::sync::LazyLock;
use std::time::Duration;

use http::HeaderMap;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use regex_lite::Regex;
use serde::Deserialize;

use crate::dialect::ProviderError;

/// Nothing rests longer on a provider's word.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 3600);

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

impl Until {
    /// How long it is till then.
    pub(super) fn from(self, now: Timestamp) -> Option<Duration> {
        let then = match self {
            Until::PacificMidnight => midnight(&now.to_zoned(TimeZone::get("America/Los_Angeles").ok()?))?,
            Until::UtcMidnight => midnight(&now.to_zoned(TimeZone::UTC))?,
            Until::MonthEnd => midnight(&now.to_zoned(TimeZone::UTC).last_of_month().ok()?)?,
        };
        until(then.timestamp(), now)
    }
}

fn midnight(zoned: &Zoned) -> Option<Zoned> {
    zoned.tomorrow().ok()?.start_of_day().ok()
}

/// Nothing for a moment that is past.
fn until(then: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(then.duration_since(now)).ok()
}

/// The wait that a provider tells, from the most to the least exact source; `is_limit`: the failure is one of too many
/// requests, so that the headers of rate limits have a bearing on it.
pub(super) fn told(headers: &HeaderMap, error: &ProviderError, is_limit: bool, now: Timestamp) -> Option<Duration> {
    let sources = [
        header(headers, "retry-after-ms").and_then(|text| seconds(text.parse::<f64>().ok()? / 1000.0)),
        header(headers, "retry-after").and_then(|text| retry_after(text, now)),
        error.retry_after,
        in_text(&error.message, now),
    ];
    let limit = || if is_limit { by_limit(headers, now) } else { None };
    let told = sources.into_iter().flatten().find(|wait| !wait.is_zero()).or_else(limit)?;
    Some(told.min(LONGEST))
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok()
}

/// Seconds, at times with a fraction, or an HTTP date (RFC 9110, 10.2.3).
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    match text.parse() {
        Ok(number) => seconds(number),
        Err(_) => until(jiff::fmt::rfc2822::parse(text).ok()?.timestamp(), now),
    }
}

/// A wait or a date that the message speaks of.
fn in_text(message: &str, now: Timestamp) -> Option<Duration> {
    static WAIT: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?i)(?:try again|retry) (?:in|after) (?:about )?([0-9][0-9hms.]*)(?: ?(ms|millisecond|second|minute|hour)s?)?")
            .ok()
    });
    static DATE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?i)(?:regain access|reset).{0,20}?(\d{4}-\d\d-\d\d)(?:(?: at |[ T])(\d\d:\d\d))?").ok()
    });
    if let Some(found) = WAIT.as_ref().and_then(|regex| regex.captures(message)) {
        let number = found.get(1)?.as_str().trim_end_matches('.');
        let unit = found.get(2).map_or("", |unit| unit.as_str());
        return with_unit(number, unit);
    }
    let found = DATE.as_ref()?.captures(message)?;
    let time = found.get(2).map_or("00:00", |time| time.as_str());
    until(format!("{}T{time}:00Z", found.get(1)?.as_str()).parse().ok()?, now)
}

fn with_unit(number: &str, unit: &str) -> Option<Duration> {
    let factor = match unit.to_ascii_lowercase().as_str() {
        "ms" | "millisecond" => 0.001,
        "minute" => 60.0,
        "hour" => 3600.0,
        _ => 1.0,
    };
    match number.parse::<f64>() {
        Ok(number) => seconds(number * factor),
        Err(_) => go_duration(number),
    }
}

/// A duration as Go writes it: `6m0s`, `17.39s`, `20ms`, `1h2m3s`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let units = [("ms", 0.001), ("h", 3600.0), ("m", 60.0), ("s", 1.0)];
        let (factor, after) = units.iter().find_map(|(unit, factor)| Some((factor, tail.strip_prefix(unit)?)))?;
        total += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    seconds(total)
}

/// The headers of rate limits. The longest wait of those limits of which nothing remains; else a single `reset`.
fn by_limit(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let spent = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str();
        if value.to_str().ok()?.trim() != "0" || !name.contains("ratelimit") || !name.contains("remaining") {
            return None;
        }
        moment(header(headers, &name.replace("remaining", "reset"))?, now)
    });
    spent.max().or_else(|| moment(header(headers, "x-ratelimit-reset")?, now))
}

/// A moment or a wait, told apart by size: milliseconds or seconds since 1970, seconds to go, a duration, a date.
fn moment(text: &str, now: Timestamp) -> Option<Duration> {
    match text.parse::<f64>() {
        Ok(number) if number > 1e12 => until(Timestamp::from_millisecond(number as i64).ok()?, now),
        Ok(number) if number > 1e9 => until(Timestamp::from_second(number as i64).ok()?, now),
        Ok(number) => seconds(number),
        Err(_) => go_duration(text).or_else(|| until(text.parse().ok()?, now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T20:00:00Z".parse().unwrap()
    }

    fn secs(number: u64) -> Option<Duration> {
        Some(Duration::from_secs(number))
    }

    fn by_headers(rows: &[(&'static str, &str)]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in rows {
            headers.insert(*name, value.parse().unwrap());
        }
        told(&headers, &ProviderError::default(), true, now())
    }

    fn by_text(message: &str) -> Option<Duration> {
        let error = ProviderError { message: message.to_owned(), ..ProviderError::default() };
        told(&HeaderMap::new(), &error, false, now())
    }

    #[test]
    fn quotas_begin_anew_where_the_provider_is() {
        // 20:00 UTC is 12:00 in Los Angeles in winter.
        assert_eq!(Until::PacificMidnight.from(now()), secs(12 * 3600));
        assert_eq!(Until::UtcMidnight.from(now()), secs(4 * 3600));
        assert_eq!(Until::MonthEnd.from(now()), secs(8 * 24 * 3600 + 4 * 3600));
    }

    #[test]
    fn headers_tell_in_many_units() {
        assert_eq!(by_headers(&[("retry-after-ms", "1500"), ("retry-after", "9")]), Some(Duration::from_millis(1500)));
        assert_eq!(by_headers(&[("retry-after", "2.5")]), Some(Duration::from_millis(2500)));
        assert_eq!(by_headers(&[("retry-after", "Sun, 22 Nov 2026 20:01:30 GMT")]), secs(90));
        assert_eq!(by_headers(&[("x-ratelimit-reset", "1795377660000")]), secs(60));
        assert_eq!(by_headers(&[("x-ratelimit-reset", "1795377660")]), secs(60));
        assert_eq!(by_headers(&[("x-ratelimit-reset", "60")]), secs(60));
        let both = [
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "6m0s"),
            ("x-ratelimit-remaining-tokens", "17"),
            ("x-ratelimit-reset-tokens", "1h2m3s"),
        ];
        assert_eq!(by_headers(&both), secs(360));
        assert_eq!(by_headers(&[("retry-after", "99999999")]), Some(LONGEST));
        assert_eq!(by_headers(&[("retry-after", "soon")]), None);
    }

    #[test]
    fn messages_tell() {
        assert_eq!(by_text("Please try again in 7m12.5s. Visit"), Some(Duration::from_millis(432_500)));
        assert_eq!(by_text("Please retry in 20.04s."), Some(Duration::from_millis(20_040)));
        assert_eq!(by_text("Please retry after 30 seconds."), secs(30));
        assert_eq!(by_text("try again in 20ms"), Some(Duration::from_millis(20)));
        assert_eq!(by_text("You will regain access on 2026-11-23 at 00:00 UTC."), secs(4 * 3600));
        assert_eq!(by_text("limit will reset at 2026-11-22 21:30:00"), secs(5400));
        assert_eq!(by_text("try again later"), None);
    }

    #[test]
    fn what_the_body_says_goes_before_its_words() {
        let message = "retry in 9s".to_owned();
        let error = ProviderError { message, retry_after: secs(3), ..ProviderError::default() };
        assert_eq!(told(&HeaderMap::new(), &error, true, now()), secs(3));
    }
}
