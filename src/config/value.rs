//! Values as they are written, and what they mean: sizes, durations, lists.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

/// A value as a layer gives it, before anyone knows what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    /// From a variable or a flag: text that may mean any type.
    Word(String),
    /// A TOML string.
    Text(String),
    /// A TOML boolean.
    Flag(bool),
    /// A TOML number, as written in decimal.
    Number(String),
    /// A TOML array of strings.
    List(Vec<String>),
    /// Something else: what it is, in words.
    Other(&'static str),
}

impl Given {
    fn kind(&self) -> String {
        match self {
            Given::Word(text) => format!("`{text}`"),
            Given::Text(text) => format!("the string \"{text}\""),
            Given::Flag(_) => "a boolean".to_owned(),
            Given::Number(digits) => format!("the number {digits}"),
            Given::List(_) => "an array".to_owned(),
            Given::Other(kind) => (*kind).to_owned(),
        }
    }

    fn wrong(&self, expected: &str) -> String {
        format!("expected {expected}, found {}", self.kind())
    }

    /// `true`, or in a variable also `1`, `yes`, `on` and their opposites.
    pub(super) fn flag(&self) -> Result<bool, String> {
        let wrong = |expected| Err(self.wrong(expected));
        match self {
            Given::Flag(value) => Ok(*value),
            Given::Word(word) => match word.to_ascii_lowercase().as_str() {
                "1" | "true" | "yes" | "on" => Ok(true),
                "0" | "false" | "no" | "off" => Ok(false),
                _ => wrong("1 or 0"),
            },
            _ => wrong("true or false"),
        }
    }

    /// A whole number above zero.
    pub(super) fn whole(&self) -> Result<usize, String> {
        let number = match self {
            Given::Word(text) | Given::Number(text) => text.parse().ok(),
            _ => None,
        };
        number.filter(|number| *number > 0).ok_or_else(|| self.wrong("a whole number above 0"))
    }

    /// A port; 0 means any free one.
    pub(super) fn port(&self) -> Result<u16, String> {
        let port = match self {
            Given::Word(text) | Given::Number(text) => text.parse().ok(),
            _ => None,
        };
        port.ok_or_else(|| self.wrong("a port from 1 to 65535, or 0 for any free one"))
    }

    /// A size in bytes.
    pub(super) fn size(&self) -> Result<usize, String> {
        let size = match self {
            Given::Word(text) | Given::Number(text) | Given::Text(text) => size(text),
            _ => None,
        };
        size.ok_or_else(|| self.wrong("a size such as \"128MiB\" or \"64KiB\", or a number of bytes"))
    }

    /// A duration.
    pub(super) fn time(&self) -> Result<Duration, String> {
        let time = match self {
            Given::Word(text) | Given::Number(text) | Given::Text(text) => time(text),
            _ => None,
        };
        time.ok_or_else(|| self.wrong("a duration such as \"30s\", \"5m\" or \"1h\", or a number of seconds"))
    }

    /// An IP address, or `localhost`.
    pub(super) fn address(&self) -> Result<IpAddr, String> {
        let address = match self {
            Given::Word(text) | Given::Text(text) if text == "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Given::Word(text) | Given::Text(text) => {
                text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok()
            }
            _ => None,
        };
        address.ok_or_else(|| self.wrong("an IP address such as 127.0.0.1 or 0.0.0.0"))
    }

    /// Text.
    pub(super) fn text(&self) -> Result<String, String> {
        match self {
            Given::Word(text) | Given::Text(text) => Ok(text.clone()),
            _ => Err(self.wrong("a string")),
        }
    }

    /// A list: an array, or in a variable items between commas.
    pub(super) fn list(&self) -> Result<Vec<String>, String> {
        match self {
            Given::Word(text) => Ok(tidy(text.split(','))),
            Given::List(items) => Ok(tidy(items.iter().map(String::as_str))),
            // What stands here may be a secret: it isn't repeated.
            Given::Text(_) => Err("expected an array of strings, found a string".to_owned()),
            _ => Err(self.wrong("an array of strings")),
        }
    }
}

/// Items without the quotes and blanks around them, without empty ones, each once.
fn tidy<'a>(items: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut tidied: Vec<String> = Vec::new();
    for item in items {
        let item = item.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'');
        if !item.is_empty() && !tidied.iter().any(|other| other == item) {
            tidied.push(item.to_owned());
        }
    }
    tidied
}

/// Splits `30s` into the number and the unit.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok().filter(|number| *number > 0)?, unit.trim()))
}

/// Units of sizes, the largest binary one first: sizes are written with the first that divides them.
const SIZES: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Units of durations in milliseconds, the largest first.
const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// No wait is longer: clocks can't count for ever.
const TIME_MAX: Duration = Duration::from_secs(366 * 86_400);

fn size(text: &str) -> Option<usize> {
    let (number, unit) = number_and_unit(text)?;
    let factor = match unit {
        "" => 1,
        unit => SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    usize::try_from(number.checked_mul(factor)?).ok()
}

fn time(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let factor = match unit {
        "" => 1_000,
        unit => TIMES.iter().find(|(name, _)| *name == unit)?.1,
    };
    Some(Duration::from_millis(number.checked_mul(factor)?)).filter(|time| *time <= TIME_MAX)
}

/// A size as it could be written, such as `128MiB`.
pub(super) fn show_size(bytes: usize) -> String {
    show(bytes as u64, &SIZES)
}

/// A duration as it could be written, such as `5m`.
pub(super) fn show_time(time: Duration) -> String {
    show(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), &TIMES)
}

fn show(value: u64, units: &[(&str, u64)]) -> String {
    let unit = units.iter().find(|(_, factor)| value.is_multiple_of(*factor));
    unit.map_or_else(|| value.to_string(), |(name, factor)| format!("{}{name}", value / factor))
}

/// A secret as it may be shown: its first 3 and last 4 characters if it is long enough that these tell nothing, else stars.
pub fn mask(secret: &SecretString) -> String {
    const SHOWN_FROM: usize = 16;
    let characters: Vec<char> = secret.expose_secret().chars().collect();
    if characters.len() < SHOWN_FROM {
        return "********".to_owned();
    }
    let first: String = characters.iter().take(3).collect();
    let last: String = characters.iter().skip(characters.len() - 4).collect();
    format!("{first}…{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_have_units_and_refuse_nonsense() {
        let word = |text: &str| Given::Word(text.to_owned());
        assert_eq!(word("128MiB").size(), Ok(134_217_728));
        assert_eq!(word("64 kib").size(), Ok(65_536));
        assert_eq!(word("1000").size(), Ok(1000));
        assert_eq!(Given::Number("2".into()).time(), Ok(Duration::from_secs(2)));
        assert_eq!(word("5m").time(), Ok(Duration::from_secs(300)));
        assert_eq!(word("250ms").time(), Ok(Duration::from_millis(250)));
        for wrong in ["", "0s", "-1s", "5 parsecs", "99999999999d", "s"] {
            assert!(word(wrong).time().is_err(), "{wrong}");
        }
        for wrong in ["0", "MiB", "18446744073709551615GiB", "1.5MiB"] {
            assert!(word(wrong).size().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        assert_eq!(show_size(134_217_728), "128MiB");
        assert_eq!(show_size(1000), "1kB");
        assert_eq!(show_size(1001), "1001B");
        assert_eq!(show_time(Duration::from_secs(3600)), "1h");
        assert_eq!(show_time(Duration::from_secs(90)), "90s");
        assert_eq!(show_time(Duration::from_millis(1500)), "1500ms");
    }

    #[test]
    fn lists_lose_quotes_blanks_empty_items_and_repetitions() {
        let list = Given::Word("\"a, b ,'c',,a,\"".to_owned()).list();
        assert_eq!(list.unwrap(), ["a", "b", "c"]);
    }

    #[test]
    fn a_short_secret_is_all_stars() {
        assert_eq!(mask(&SecretString::from("sk-0123456789abcdef")), "sk-…cdef");
        assert_eq!(mask(&SecretString::from("sk-0123456789ab")), "********");
        assert_eq!(mask(&SecretString::from("ä".repeat(16))), "äää…ääää");
    }
}
