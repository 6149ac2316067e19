//! Reading a model's name: family, version, variant, size, date, stage. By the form of its parts and by a list of common
//! words (`words.txt`), so that models of tomorrow are read too.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A model's name, taken apart. All in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Name {
    /// Who made it, where the name tells: the path before the last slash, as aggregators write it (`openai/gpt-4o`), or a
    /// maker's name before the family's (`zai-glm-4.7`).
    pub(super) vendor: Option<String>,
    /// `gpt`, `gemini`, `gpt-oss`.
    pub(super) family: String,
    /// `4o`, `2.5`, `k2`.
    pub(super) version: Option<Version>,
    /// Words that make another model of it, in order: `mini`, `flash`, `coder`.
    pub(super) variant: Vec<String>,
    /// How many of them stand before the version: `claude-sonnet-4` or `claude-3-sonnet`.
    pub(super) before_version: usize,
    /// It has words that say nothing (`instruct`, `chat`, `free`).
    pub(super) has_plain_words: bool,
    /// The parameter count as written: `70b`, `8x22b`.
    pub(super) size: Option<String>,
    /// When it was made, as far as the name tells.
    pub(super) date: Option<Date>,
    /// The provider moves it to the newest one (`…-latest`).
    pub(super) is_rolling: bool,
    /// It has Ollama's tag `latest`.
    pub(super) is_default_tag: bool,
    /// Preview, experiment, beta.
    pub(super) is_unstable: bool,
    /// What it is for.
    pub(super) suits: Suits,
    /// Among general variants, the better known first; lower is better.
    pub(super) preference: u8,
}

/// What a model is for, as far as its name tells; the more general, the smaller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Suits {
    /// Anything.
    #[default]
    General,
    /// Nobody knows: it has words that are in no list.
    Unknown,
    /// Anything, but cheaper and weaker than its siblings.
    Small,
    /// Conversation of one kind: code, vision, search.
    Narrow,
    /// No conversation: embeddings, speech, pictures.
    Other,
}

/// A version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    /// As written, parts joined by dots: `4o`, `k2.5`, `4.5` (also for `4-5`).
    pub(super) text: String,
    /// The letter before it (`v3`, `k2`).
    pub(super) series: Option<char>,
    /// Its numbers. A second one that ends in zero is a decimal: 4.20 is 4.2 and older than 4.3.
    pub(super) numbers: Vec<u32>,
    /// The letter after it (`4o`).
    pub(super) suffix: Option<char>,
}

/// A date; parts that the name doesn't tell are 0, so that a date without a year is older than any with one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Date {
    /// Such as 2025.
    pub(super) year: u16,
    /// 1–12.
    pub(super) month: u8,
    /// 1–31.
    pub(super) day: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Maker,
    Joins,
    Plain,
    General(u8),
    Turbo,
    Small,
    Narrow,
    Other,
    Unstable,
    Rolling,
    Ignored,
}

static WORDS: LazyLock<HashMap<&'static str, Word>> = LazyLock::new(|| words(include_str!("words.txt")));

fn words(text: &'static str) -> HashMap<&'static str, Word> {
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(':'));
    let mut all = HashMap::new();
    for (kind, words) in lines {
        for (place, word) in (2_u8..).zip(words.split_whitespace()) {
            all.extend(kind_of_word(kind, place).map(|kind| (word, kind)));
        }
    }
    all
}

fn kind_of_word(kind: &str, place: u8) -> Option<Word> {
    Some(match kind {
        "maker" => Word::Maker,
        "joins" => Word::Joins,
        "plain" => Word::Plain,
        "general" => Word::General(place),
        "turbo" => Word::Turbo,
        "small" => Word::Small,
        "narrow" => Word::Narrow,
        "other" => Word::Other,
        "unstable" => Word::Unstable,
        "rolling" => Word::Rolling,
        "ignored" => Word::Ignored,
        _ => return None,
    })
}

/// Takes a model's id apart; `None` for what isn't a plain name (fine-tunes such as `ft:gpt-4o:org::id`, ids that begin
/// with a digit or hold more than letters, digits and the usual separators).
pub(super) fn parse(id: &str) -> Option<Name> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/' | '~');
    if !id.chars().all(is_plain) {
        return None;
    }
    let lower = id.trim_start_matches('~').to_ascii_lowercase();
    let (vendor, rest) = match lower.rsplit_once('/') {
        Some((vendor, rest)) => (Some(vendor.to_owned()), rest),
        None => (None, lower.as_str()),
    };
    let (base, tag) = rest.split_once(':').map_or((rest, None), |(base, tag)| (base, Some(tag)));
    if base == "ft" || tag.is_some_and(|tag| tag.contains(':')) {
        return None;
    }
    let parts: Vec<&str> = base.split(['-', '_']).filter(|part| !part.is_empty()).collect();
    let mut name = Name { vendor, preference: 1, ..Name::default() };
    let (maker, parts) = split_maker(&parts);
    name.vendor = name.vendor.or_else(|| maker.map(String::from));
    let rest = name.take_family(parts)?;
    name.take_parts(rest);
    name.take_tag(tag);
    name.settle();
    Some(name)
}

/// Letters only in another case, without separators, except that a dot stays, and stands for any separator between digits:
/// `GPT-4o` → `gpt4o`, `claude-sonnet-4-5` → `claudesonnet4.5`.
pub(super) fn squash(text: &str) -> String {
    let mut squashed = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.chars() {
        if matches!(c, '-' | '_' | ' ' | ':' | '.') {
            gap = true;
            continue;
        }
        if gap && c.is_ascii_digit() && squashed.ends_with(|last: char| last.is_ascii_digit()) {
            squashed.push('.');
        }
        gap = false;
        squashed.extend(c.to_lowercase());
    }
    squashed
}

/// Is this one of the words that say what a model is like, so that it is nobody's family name?
pub(super) fn is_common_word(word: &str) -> bool {
    WORDS.contains_key(word)
}

fn word(part: &str) -> Option<Word> {
    WORDS.get(part).copied()
}

/// `zai-glm-4.7`, `Meta-Llama-3-3-70B`: the maker's name is no part of the family.
fn split_maker<'a, 'b>(parts: &'b [&'a str]) -> (Option<&'a str>, &'b [&'a str]) {
    match parts {
        [first, rest @ ..]
            if word(first) == Some(Word::Maker)
                && rest.first().is_some_and(|next| next.starts_with(|c: char| c.is_ascii_alphabetic())) =>
        {
            (Some(first), rest)
        }
        _ => (None, parts),
    }
}

impl Name {
    fn take_family<'a, 'b>(&mut self, parts: &'b [&'a str]) -> Option<&'b [&'a str]> {
        let (first, rest) = parts.split_first()?;
        let letters = first.find(|c: char| !c.is_alphabetic()).unwrap_or(first.len());
        let (family, glued) = first.split_at(letters);
        if family.is_empty() {
            return None;
        }
        self.family = family.to_owned();
        if !glued.is_empty() && !self.take_glued(glued) {
            self.family = (*first).to_owned();
        }
        if word(family) == Some(Word::Other) {
            self.suits = Suits::Other;
        }
        match rest.split_first() {
            Some((next, rest)) if word(next) == Some(Word::Joins) => {
                self.family = format!("{}-{next}", self.family);
                Some(rest)
            }
            _ => Some(rest),
        }
    }

    /// What is glued to the family: `2`, `3n`, `2.5vl`.
    fn take_glued(&mut self, glued: &str) -> bool {
        if let Some(version) = version(glued) {
            self.version = Some(version);
            return true;
        }
        let digits = glued.find(|c: char| c.is_alphabetic()).unwrap_or(glued.len());
        let (number, rest) = glued.split_at(digits);
        match version(number) {
            Some(version) if word(rest).is_some() => {
                self.version = Some(version);
                self.take_word(rest);
                true
            }
            _ => false,
        }
    }

    fn take_parts(&mut self, mut parts: &[&str]) {
        // `qwen2-5-72b`: what follows a version that is glued to the family may belong to it.
        parts = self.lengthen_version(parts);
        while let Some((part, rest)) = parts.split_first() {
            parts = match date(parts, self.version.is_some()) {
                Some((date, count)) if self.date.is_none() => {
                    self.date = Some(date);
                    parts.get(count..).unwrap_or_default()
                }
                _ => self.take_part(part, rest),
            };
        }
    }

    fn take_part<'a, 'b>(&mut self, part: &str, rest: &'b [&'a str]) -> &'b [&'a str] {
        if is_revision(part) {
            return rest;
        }
        if let Some((letter, size)) = size(part) {
            // `r7b` is a variant and its size, `a4b` (active) and `e4b` (effective) are sizes alone.
            self.variant.extend(letter.filter(|letter| !matches!(letter, 'a' | 'e')).map(String::from));
            self.size.get_or_insert_with(|| size.to_owned());
            return rest;
        }
        match version(part) {
            Some(version) if self.version.is_none() => {
                self.version = Some(version);
                self.before_version = self.variant.len();
                self.lengthen_version(rest)
            }
            _ => {
                self.take_word(part);
                rest
            }
        }
    }

    /// `4-5` is 4.5.
    fn lengthen_version<'a, 'b>(&mut self, mut parts: &'b [&'a str]) -> &'b [&'a str] {
        let Some(version) = self.version.as_mut().filter(|v| v.suffix.is_none() && v.numbers.len() == 1) else {
            return parts;
        };
        while let Some((part, rest)) = parts.split_first() {
            let is_number = part.len() <= 2 && part.bytes().all(|b| b.is_ascii_digit());
            let has_leading_zero = part.len() == 2 && part.starts_with('0');
            let Some(number) = part.parse().ok().filter(|_| is_number && !has_leading_zero) else { break };
            if version.numbers.len() == 3 || date(parts, true).is_some() {
                break;
            }
            version.numbers.push(number);
            version.text = format!("{}.{part}", version.text);
            parts = rest;
        }
        parts
    }

    fn take_word(&mut self, part: &str) {
        let (suits, preference) = match word(part) {
            Some(Word::Rolling) => return self.is_rolling = true,
            Some(Word::Unstable) => return self.is_unstable = true,
            Some(Word::Ignored) => return,
            Some(Word::Plain) => return self.has_plain_words = true,
            Some(Word::General(place)) => (Suits::General, place),
            // `gpt-4-turbo` is a later issue of version 4; a turbo without a version is a class of speed.
            Some(Word::Turbo) if self.version.is_some() => (Suits::General, 0),
            Some(Word::Turbo | Word::Small) => (Suits::Small, 1),
            Some(Word::Narrow) => (Suits::Narrow, 1),
            Some(Word::Other) => (Suits::Other, 1),
            Some(Word::Maker | Word::Joins) | None if part.len() > 1 => (Suits::Unknown, 1),
            Some(Word::Maker | Word::Joins) | None => (Suits::General, 1),
        };
        self.variant.push(part.to_owned());
        self.suits = self.suits.max(suits);
        self.preference = if self.preference == 1 { preference } else { self.preference.max(preference) };
    }

    fn take_tag(&mut self, tag: Option<&str>) {
        let Some(tag) = tag else { return };
        if tag == "latest" {
            self.is_default_tag = true;
            return;
        }
        for part in tag.split('-') {
            match size(part) {
                _ if is_quantization(part) => {}
                Some((_, size)) => self.size = self.size.take().or_else(|| Some(size.to_owned())),
                None => self.take_word(part),
            }
        }
    }

    fn settle(&mut self) {
        let suffix = self.version.as_ref().and_then(|version| version.suffix).map(String::from);
        match suffix.as_deref().and_then(word) {
            Some(Word::Narrow) => self.suits = self.suits.max(Suits::Narrow),
            Some(Word::Small) => self.suits = self.suits.max(Suits::Small),
            _ => {}
        }
    }
}

impl Version {
    /// For comparing: newer is greater. A letter behind (`4o`) makes it newer than without.
    pub(super) fn order(&self) -> (Vec<u32>, Option<char>) {
        (self.numbers.iter().enumerate().map(|(place, number)| decimal(place, *number)).collect(), self.suffix)
    }
}

fn decimal(place: usize, number: u32) -> u32 {
    if place == 1 && number >= 10 && number.is_multiple_of(10) { decimal(place, number / 10) } else { number }
}

/// `4`, `4.5`, `v3.2`, `k2`, `4o`, `v3p1`.
fn version(part: &str) -> Option<Version> {
    let series = part.chars().next().filter(char::is_ascii_lowercase);
    let rest = part.strip_prefix(|c: char| c.is_ascii_lowercase()).unwrap_or(part);
    let suffix = rest.chars().last().filter(char::is_ascii_lowercase);
    let numbers = rest.strip_suffix(|c: char| c.is_ascii_lowercase()).unwrap_or(rest).replace('p', ".");
    let parsed: Option<Vec<u32>> = numbers.split('.').map(|number| number.parse().ok()).collect();
    let parsed = parsed.filter(|parsed| parsed.iter().all(|number| *number < 1000) && suffix != Some('k'))?;
    let text = series.into_iter().collect::<String>() + &numbers + &suffix.map(String::from).unwrap_or_default();
    Some(Version { text, series, numbers: parsed, suffix })
}

/// `70b`, `8x22b`, `135m`, `1t`, `16e`, with one letter before it or none.
fn size(part: &str) -> Option<(Option<char>, &str)> {
    let letter = part.chars().next().filter(char::is_ascii_lowercase);
    let size = part.strip_prefix(|c: char| c.is_ascii_lowercase()).unwrap_or(part);
    let number = size.strip_suffix(['b', 'm', 't', 'e'])?;
    let is_size = number.starts_with(|c: char| c.is_ascii_digit())
        && number.ends_with(|c: char| c.is_ascii_digit())
        && number.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'x'));
    is_size.then_some((letter, size))
}

/// `001`: an issue of a model that isn't a version of its own.
fn is_revision(part: &str) -> bool {
    part.len() == 3 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit())
}

/// `q4_K_M`, `iq3_xs`.
fn is_quantization(part: &str) -> bool {
    let rest = part.strip_prefix('i').unwrap_or(part).strip_prefix('q');
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// The date at the beginning of these parts, and how many of them it takes.
fn date(parts: &[&str], has_version: bool) -> Option<(Date, usize)> {
    let number = |at: usize, digits: usize| -> Option<u32> {
        let part = parts.get(at).filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))?;
        part.parse().ok()
    };
    if let Some(year) = number(0, 4).filter(|year| is_year(*year)) {
        let month = number(1, 2);
        let whole = month.and_then(|month| checked(year, month, number(2, 2)?)).map(|date| (date, 3));
        return whole.or_else(|| checked(year, month?, 0).map(|date| (date, 2)));
    }
    if let Some(first) = number(0, 2) {
        let with_year = number(1, 4).filter(|year| is_year(*year)).and_then(|year| checked(year, first, 0));
        let of_day = || number(1, 2).filter(|_| has_version).and_then(|day| checked(0, first, day));
        return with_year.or_else(of_day).map(|date| (date, 2));
    }
    let date = match (number(0, 8), number(0, 6), number(0, 4)) {
        (Some(all), ..) => checked(all / 10_000, all / 100 % 100, all % 100),
        (_, Some(all), _) => checked(2000 + all / 10_000, all / 100 % 100, all % 100),
        // `0613` is a day of the year, `2411` a month of 2024.
        (.., Some(all)) if all / 100 <= 12 => checked(0, all / 100, all % 100),
        (.., Some(all)) => checked(2000 + all / 100, all % 100, 0),
        _ => None,
    };
    date.map(|date| (date, 1))
}

fn is_year(number: u32) -> bool {
    (2020..2040).contains(&number)
}

fn checked(year: u32, month: u32, day: u32) -> Option<Date> {
    let fits = (year == 0 || is_year(year)) && (1..=12).contains(&month) && day <= 31;
    let date = Date { year: year.try_into().ok()?, month: month.try_into().ok()?, day: day.try_into().ok()? };
    fits.then_some(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// family, version, variant, size, date
    type Parts<'a> = (&'a str, &'a str, &'a str, &'a str, (u16, u8, u8));

    fn parts(id: &str) -> (String, String, String, String, (u16, u8, u8)) {
        let name = parse(id).unwrap();
        let date = name.date.unwrap_or_default();
        let version = name.version.map(|version| version.text).unwrap_or_default();
        let date = (date.year, date.month, date.day);
        (name.family, version, name.variant.join(" "), name.size.unwrap_or_default(), date)
    }

    #[test]
    fn takes_names_apart() {
        let none = (0, 0, 0);
        let rows: &[(&str, Parts<'_>)] = &[
            ("gpt-4", ("gpt", "4", "", "", none)),
            ("gpt-4-0613", ("gpt", "4", "", "", (0, 6, 13))),
            ("gpt-4-turbo-2024-04-09", ("gpt", "4", "turbo", "", (2024, 4, 9))),
            ("gpt-4-1106-preview", ("gpt", "4", "", "", (0, 11, 6))),
            ("openai/gpt-4o-mini-2024-07-18", ("gpt", "4o", "mini", "", (2024, 7, 18))),
            ("gpt-4.1-nano", ("gpt", "4.1", "nano", "", none)),
            ("gpt-oss:120b", ("gpt-oss", "", "", "120b", none)),
            ("openai/gpt-oss-120b:free", ("gpt-oss", "", "", "120b", none)),
            ("o3-mini", ("o", "3", "mini", "", none)),
            ("claude-3-5-sonnet-20241022", ("claude", "3.5", "sonnet", "", (2024, 10, 22))),
            ("claude-opus-4-20250514", ("claude", "4", "opus", "", (2025, 5, 14))),
            ("claude-sonnet-4-5-20250929", ("claude", "4.5", "sonnet", "", (2025, 9, 29))),
            ("gemini-2.0-flash-001", ("gemini", "2.0", "flash", "", none)),
            ("gemini-2.5-pro-preview-05-06", ("gemini", "2.5", "pro", "", (0, 5, 6))),
            ("gemini-2.5-flash-lite-preview-09-2025", ("gemini", "2.5", "flash lite", "", (2025, 9, 0))),
            ("gemma-4-26b-a4b-it", ("gemma", "4", "", "26b", none)),
            ("gemma3n:e4b", ("gemma", "3n", "", "4b", none)),
            ("llama2:latest", ("llama", "2", "", "", none)),
            ("llama3.1:8b-instruct-q4_K_M", ("llama", "3.1", "", "8b", none)),
            ("Meta-Llama-3-3-70B-Instruct", ("llama", "3.3", "", "70b", none)),
            ("accounts/fireworks/models/llama-v3p1-8b-instruct", ("llama", "v3.1", "", "8b", none)),
            ("qwen2.5vl:7b", ("qwen", "2.5", "vl", "7b", none)),
            ("qwen2-5-72b-instruct", ("qwen", "2.5", "", "72b", none)),
            ("qwen3.5-plus-02-15", ("qwen", "3.5", "plus", "", (0, 2, 15))),
            ("command-a-03-2025", ("command", "", "a", "", (2025, 3, 0))),
            ("command-r7b-12-2024", ("command", "", "r", "7b", (2024, 12, 0))),
            ("mistral-large-2411", ("mistral", "", "large", "", (2024, 11, 0))),
            ("mistralai/mixtral-8x22b-instruct", ("mixtral", "", "", "8x22b", none)),
            ("codestral-2508", ("codestral", "", "", "", (2025, 8, 0))),
            ("kimi-k2-0905-preview", ("kimi", "k2", "", "", (0, 9, 5))),
            ("deepseek-ai/DeepSeek-V3.2", ("deepseek", "v3.2", "", "", none)),
            ("zai-glm-4.7", ("glm", "4.7", "", "", none)),
            ("glm-4-32b-0414-128k", ("glm", "4", "128k", "32b", (0, 4, 14))),
            ("c4ai-aya-expanse-8b", ("c4ai", "", "aya expanse", "8b", none)),
        ];
        for (id, (family, version, variant, size, date)) in rows {
            let expected = (family.to_string(), version.to_string(), variant.to_string(), size.to_string(), *date);
            assert_eq!(parts(id), expected, "{id}");
        }
    }

    #[test]
    fn fine_tunes_and_oddities_have_no_parts() {
        for id in ["ft:gpt-4o-2024-08-06:org::abc", "", "4", "/", "a/", "-", ":x", "x:y:z", "gpt 4", "gpt-4\r", "мод-1"]
        {
            assert_eq!(parse(id), None, "{id}");
        }
    }

    #[test]
    fn words_tell_what_a_model_is_for() {
        let rows = [
            ("gpt-4-turbo", Suits::General),
            ("qwen-turbo", Suits::Small),
            ("gpt-5-mini", Suits::Small),
            ("gpt-5-codex", Suits::Narrow),
            ("glm-4.5v", Suits::Narrow),
            ("gemini-2.5-flash-image", Suits::Other),
            ("gemini-embedding-001", Suits::Other),
            ("whisper-large-v3", Suits::Other),
            ("claude-fable-5", Suits::Unknown),
            ("claude-sonnet-5", Suits::General),
        ];
        for (id, suits) in rows {
            assert_eq!(parse(id).unwrap().suits, suits, "{id}");
        }
        let preview = parse("gemini-3-pro-preview").unwrap();
        assert!(preview.is_unstable && !preview.is_rolling);
        let latest = parse("gemini-flash-latest").unwrap();
        assert!(latest.is_rolling && !latest.is_default_tag);
        assert!(parse("codestral:latest").unwrap().is_default_tag);
    }

    #[test]
    fn newer_versions_are_greater() {
        let order = |text| version(text).unwrap().order();
        assert!(order("4") < order("4o") && order("4o") < order("4.1") && order("4.1") < order("5"));
        assert!(order("4.20") < order("4.3") && order("k2") < order("k2.5") && order("2.5") < order("3"));
    }

    #[test]
    fn squashing_drops_separators_and_keeps_numbers_apart() {
        let rows = [
            ("GPT-4o", "gpt4o"),
            ("claude-sonnet-4-5", "claudesonnet4.5"),
            ("claude-sonnet-4.5", "claudesonnet4.5"),
            ("gpt 4", "gpt4"),
            ("gpt-oss:120b", "gptoss120b"),
            ("a..", "a"),
        ];
        for (text, squashed) in rows {
            assert_eq!(squash(text), squashed, "{text}");
        }
    }
}
