//! `polyllama.toml`: where it is, and what stands in it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::models::Words;
use super::settings::{SETTINGS, Setting};
use super::value::Given;
use super::{ConfigError, Environment};
use crate::catalogue::Said;
use crate::provider::entry::Entry;

/// The name of the file.
const NAME: &str = "polyllama.toml";
/// The section of aliases.
const ALIASES: &str = "aliases";
/// The section whose sections are providers.
const PROVIDER: &str = "provider";

/// The section whose sections say what is known of models.
const MODEL: &str = "model";

/// What a config file says, in the order in which it says it.
#[derive(Debug, Default)]
pub(super) struct File {
    /// Where it is.
    pub(super) path: PathBuf,
    text: String,
    /// Settings with their values, and where the values begin.
    pub(super) settings: Vec<(&'static str, Given, usize)>,
    /// Aliases: name and model.
    pub(super) aliases: Vec<(String, String)>,
    /// Where each alias stands.
    alias_places: Vec<usize>,
    /// Providers: prefix and entry, and where the prefix stands.
    pub(super) providers: Vec<(String, Entry, usize)>,
    /// What is said of models: the pattern, the words, what they mean, and where the pattern stands.
    pub(super) models: Vec<(String, Words, Said, usize)>,
}

/// The folders where the file is looked for, the first first.
fn folders(env: &Environment) -> Vec<PathBuf> {
    let user = env.user_folder("XDG_CONFIG_HOME", ".config").map(|folder| folder.join("polyllama"));
    [Some(env.path("")), user, Some(PathBuf::from("/etc/polyllama"))].into_iter().flatten().collect()
}

/// The file to read: the one asked for, else the first that is there.
pub(super) fn find(asked: Option<&Path>, env: &Environment) -> Option<PathBuf> {
    match asked {
        Some(path) => Some(env.path(path)),
        None => folders(env).into_iter().map(|folder| folder.join(NAME)).find(|path| path.is_file()),
    }
}

/// Reads a file as text.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}

/// An error at a place of a file's text.
pub(super) fn error_at(path: &Path, text: &str, at: usize, message: String) -> ConfigError {
    let (line, column) = line_and_column(text, at);
    ConfigError::File { path: path.to_owned(), line, column, message }
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before.get(line_start..).unwrap_or_default().chars().count() + 1)
}

impl File {
    /// Reads a file.
    pub(super) fn read(path: PathBuf) -> Result<File, ConfigError> {
        let text = read(&path)?;
        File::parse(path, text)
    }

    /// Reads the text of a file.
    pub(super) fn parse(path: PathBuf, text: String) -> Result<File, ConfigError> {
        let mut file = File { path, text, ..File::default() };
        // The table borrows the text while the rest is filled in.
        let text = file.text.clone();
        let table = DeTable::parse(&text).map_err(|error| file.toml_error(&error))?;
        for (key, value) in in_order(table.get_ref()) {
            file.top(key, value)?;
        }
        Ok(file)
    }

    /// The line of a place.
    pub(super) fn line(&self, at: usize) -> usize {
        line_and_column(&self.text, at).0
    }

    /// Each alias: name, model, and its line.
    pub(super) fn aliases_with_lines(&self) -> impl Iterator<Item = (&str, &str, usize)> {
        let places = self.alias_places.iter().map(|at| self.line(*at));
        self.aliases.iter().zip(places).map(|((name, model), line)| (name.as_str(), model.as_str(), line))
    }

    /// An error at a place.
    pub(super) fn error(&self, at: usize, message: String) -> ConfigError {
        error_at(&self.path, &self.text, at, message)
    }

    fn toml_error(&self, error: &toml::de::Error) -> ConfigError {
        let at = error.span().map_or(0, |span| span.start);
        self.error(at, with_suggestion(error.message()))
    }

    /// A member of the top level: a setting, or a section.
    fn top(&mut self, key: Key<'_>, value: &Spanned<DeValue<'_>>) -> Result<(), ConfigError> {
        let (name, at) = key;
        match name {
            ALIASES => self.aliases(value),
            PROVIDER => self.providers(value),
            MODEL => self.models(value),
            _ if Setting::find(name).is_some() => self.setting(None, key, value),
            _ if sections().any(|section| section == name) => {
                let members = self.table(name, value)?;
                members.into_iter().try_for_each(|(key, value)| self.setting(Some(name), key, value))
            }
            _ => Err(self.error(at, unknown_key(None, name))),
        }
    }

    fn setting(
        &mut self,
        section: Option<&str>,
        (name, at): Key<'_>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        let key = section.map_or_else(|| name.to_owned(), |section| format!("{section}.{name}"));
        let Some(setting) = Setting::find(&key) else {
            return Err(self.error(at, unknown_key(section, name)));
        };
        self.settings.push((setting.key, given(value.get_ref()), value.span().start));
        Ok(())
    }

    fn aliases(&mut self, value: &Spanned<DeValue<'_>>) -> Result<(), ConfigError> {
        for ((name, at), value) in self.table(ALIASES, value)? {
            let Some(model) = value.get_ref().as_str() else {
                let message =
                    format!("expected a model's name for the alias `{name}`, found {}", value.get_ref().type_str());
                return Err(self.error(value.span().start, message));
            };
            self.aliases.push((name.to_owned(), model.to_owned()));
            self.alias_places.push(at);
        }
        self.check_aliases()
    }

    /// An alias that leads to itself means no model. Names are compared as the catalogue does it, but for a tag `:latest`: a
    /// model may well have the alias's name with one.
    fn check_aliases(&self) -> Result<(), ConfigError> {
        let form = |name: &str| name.trim().to_lowercase();
        let next: HashMap<String, String> = self.aliases.iter().map(|(name, to)| (form(name), form(to))).collect();
        for ((name, _), at) in self.aliases.iter().zip(&self.alias_places) {
            let start = form(name);
            let mut way = vec![&start];
            while let Some(to) = way.last().and_then(|name| next.get(*name)).filter(|_| way.len() <= next.len()) {
                way.push(to);
                if *to == start {
                    let names: Vec<&str> = way.iter().map(|name| name.as_str()).collect();
                    let message = format!("the alias `{name}` leads back to itself: {}", names.join(" -> "));
                    return Err(self.error(*at, message));
                }
            }
        }
        Ok(())
    }

    fn providers(&mut self, value: &Spanned<DeValue<'_>>) -> Result<(), ConfigError> {
        for ((prefix, at), value) in self.table(PROVIDER, value)? {
            if !is_prefix(prefix) {
                let message = format!("a provider's name has letters, digits, `-` and `_`; `{prefix}` has others");
                return Err(self.error(at, message));
            }
            self.table(&format!("{PROVIDER}.{prefix}"), value)?;
            let entry = Entry::deserialize(ValueDeserializer::from(value.clone()));
            let entry = entry.map_err(|error| self.toml_error(&error))?;
            self.providers.push((prefix.to_owned(), entry, at));
        }
        Ok(())
    }

    fn models(&mut self, value: &Spanned<DeValue<'_>>) -> Result<(), ConfigError> {
        for ((pattern, at), value) in self.table(MODEL, value)? {
            self.table(&format!("{MODEL}.{pattern}"), value)?;
            let words = Words::read(value).map_err(|error| self.toml_error(&error))?;
            let said = words.said(pattern).map_err(|message| self.error(at, message))?;
            self.models.push((pattern.to_owned(), words, said, at));
        }
        Ok(())
    }

    fn table<'a>(&self, name: &str, value: &'a Spanned<DeValue<'a>>) -> Result<Members<'a>, ConfigError> {
        let table = value.get_ref().as_table().ok_or_else(|| {
            let heading = match name {
                PROVIDER => "provider.NAME",
                MODEL => "model.\"NAME\"",
                _ => name,
            };
            let message = format!("`{name}` is a section: write [{heading}], and its keys below");
            self.error(value.span().start, message)
        })?;
        Ok(in_order(table))
    }
}

/// A key and where it stands.
type Key<'a> = (&'a str, usize);
/// Members of a table, in the order in which they were written.
type Members<'a> = Vec<(Key<'a>, &'a Spanned<DeValue<'a>>)>;

fn in_order<'a>(table: &'a DeTable<'a>) -> Members<'a> {
    let members = table.iter().map(|(key, value)| ((key.get_ref().as_ref(), key.span().start), value));
    let mut members: Members<'a> = members.collect();
    members.sort_by_key(|((_, at), _)| *at);
    members
}

fn given(value: &DeValue<'_>) -> Given {
    match value {
        DeValue::String(text) => Given::Text(text.to_string()),
        DeValue::Boolean(flag) => Given::Flag(*flag),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Given::Number(number.to_string()),
            Err(_) => Given::Other("a number that is too large"),
        },
        DeValue::Array(items) => {
            let texts: Option<Vec<String>> =
                items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect();
            texts.map_or(Given::Other("an array of other things"), Given::List)
        }
        DeValue::Float(_) => Given::Other("a number with a point"),
        DeValue::Datetime(_) => Given::Other("a date or time"),
        DeValue::Table(_) => Given::Other("a table"),
    }
}

/// A prefix ends at the first colon or slash of a model's name, so it has none.
fn is_prefix(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The sections that hold settings.
fn sections() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().filter_map(|setting| setting.section_and_name().0)
}

/// Says that a key is unknown, and which one may have been meant.
fn unknown_key(section: Option<&str>, name: &str) -> String {
    let rows = SETTINGS.iter().map(Setting::section_and_name);
    let names = rows.clone().filter(|(of, _)| *of == section).map(|(_, name)| name);
    let top = [ALIASES, PROVIDER, MODEL].into_iter().chain(sections()).filter(|_| section.is_none());
    let hint = nearest(name, names.chain(top)).map(|near| format!("did you mean `{near}`?"));
    let elsewhere = || {
        let (place, _) = rows.clone().find(|(of, other)| *of != section && *other == name)?;
        Some(place.map_or_else(
            || format!("`{name}` stands above all sections"),
            |place| format!("`{name}` belongs into [{place}]"),
        ))
    };
    let here = section.map_or_else(String::new, |section| format!(" in [{section}]"));
    let hint = elsewhere().or(hint).unwrap_or_else(|| "`polyllama config --example` shows every key".to_owned());
    format!("unknown key `{name}`{here}; {hint}")
}

/// The name most like this one, if one is like it at all.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE: f64 = 0.8;
    let scored = names.map(|other| (strsim::jaro_winkler(name, other), other)).filter(|(score, _)| *score >= ALIKE);
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, other)| other)
}

/// serde's list of expected names, cut to the nearest one, and its quotations of values cut out: they may be secrets.
fn with_suggestion(message: &str) -> String {
    let message = without_values(message.trim_end());
    let (what, rest) = match (message.strip_prefix("unknown field "), message.strip_prefix("unknown variant ")) {
        (Some(rest), _) => ("key", rest),
        (_, Some(rest)) => ("value", rest),
        _ => return message,
    };
    let mut names = rest.split('`').skip(1).step_by(2);
    match names.next().and_then(|unknown| Some((unknown, nearest(unknown, names)?))) {
        Some((unknown, near)) => format!("unknown {what} `{unknown}`; did you mean `{near}`?"),
        None => format!("unknown {what} {rest}"),
    }
}

fn without_values(message: &str) -> String {
    let Some((before, quoted)) = message.split_once("string \"") else { return message.to_owned() };
    let after = quoted.rsplit_once('"').map_or("", |(_, after)| after);
    format!("{before}a string{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(text: &str) -> String {
        File::parse(PathBuf::from("p.toml"), text.to_owned()).unwrap_err().to_string()
    }

    #[test]
    fn everything_is_read_in_the_order_in_which_it_stands() {
        let text = "strict = true\nport = 1_234\n[aliases]\nz = 'a:b'\na = 'c:d'\n[provider.zeta]\n[provider.alpha]\n";
        let file = File::parse(PathBuf::from("p.toml"), text.to_owned()).unwrap();
        assert_eq!(file.settings.len(), 2);
        assert_eq!((file.settings[1].0, &file.settings[1].1), ("port", &Given::Number("1234".to_owned())));
        assert_eq!(file.line(file.settings[1].2), 2);
        assert_eq!(file.aliases, [("z".to_owned(), "a:b".to_owned()), ("a".to_owned(), "c:d".to_owned())]);
        assert_eq!(file.providers.iter().map(|p| p.0.as_str()).collect::<Vec<_>>(), ["zeta", "alpha"]);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place_and_the_nearest_one() {
        assert_eq!(error_of("\n  strickt = true"), "p.toml:2:3: unknown key `strickt`; did you mean `strict`?");
        assert_eq!(
            error_of("[limits]\nconect = 1"),
            "p.toml:2:1: unknown key `conect` in [limits]; did you mean `connect`?"
        );
        assert_eq!(error_of("connect = 1"), "p.toml:1:1: unknown key `connect`; `connect` belongs into [limits]");
        assert_eq!(
            error_of("[access]\nport = 1"),
            "p.toml:2:1: unknown key `port` in [access]; `port` stands above all sections"
        );
        assert!(error_of("[providers.x]").contains("did you mean `provider`?"));
        assert!(error_of("qqq = 1").contains("--example"));
    }

    #[test]
    fn a_section_that_is_none_and_a_provider_name_with_a_colon_are_refused() {
        assert!(error_of("limits = 3").starts_with("p.toml:1:10: `limits` is a section"));
        assert!(error_of("[provider]\nx = 3").starts_with("p.toml:2:5: `provider.x` is a section"));
        assert!(error_of("[provider.\"a:b\"]").contains("has letters, digits"));
        assert!(error_of("[aliases]\na = 1").contains("expected a model's name for the alias `a`, found integer"));
    }

    #[test]
    fn what_is_said_of_models_is_checked() {
        let message = |text: &str| error_of(&format!("[model.'a:*']\n{text}"));
        assert_eq!(
            message("contxt_length = 1"),
            "p.toml:2:1: unknown key `contxt_length`; did you mean `context_length`?"
        );
        assert!(message("context_length = 0").starts_with("p.toml:2:18: "), "{}", message("context_length = 0"));
        let wrong = message("capabilities = ['vison']");
        assert_eq!(wrong, "p.toml:1:8: unknown capability `vison`; did you mean `vision`?");
        assert!(error_of("[model]\nx = 3").starts_with("p.toml:2:5: `model.x` is a section"));
        assert!(error_of("[model.'a[']").contains("unclosed"), "{}", error_of("[model.'a[']"));
        let text = "[model.'b:*']\nfamily = 'x'\n[model.'A:1']\ncontext_length = 5\n";
        let file = File::parse(PathBuf::from("p.toml"), text.to_owned()).unwrap();
        let said: Vec<(bool, bool, Option<u64>)> = file
            .models
            .iter()
            .map(|(_, _, said, _)| {
                (said.pattern.is_match("B:2"), said.pattern.is_match("a:1"), said.facts.context_length)
            })
            .collect();
        assert_eq!(said, [(true, false, None), (false, true, Some(5))]);
    }

    #[test]
    fn an_alias_that_leads_back_to_itself_is_refused() {
        let message = "p.toml:2:1: the alias `a` leads back to itself: a -> a";
        assert_eq!(error_of("[aliases]\na = 'a'"), message);
        let message = "p.toml:3:1: the alias `a` leads back to itself: a -> b -> c -> a";
        assert_eq!(error_of("[aliases]\nx = 'a'\na = ' B'\nC = 'A'\nb = 'c'"), message);
        for good in ["a = 'b'\nb = 'm'", "a = 'a:latest'", "a = 'ollama:a'", "a = 'm'\nb = 'm'"] {
            assert!(File::parse(PathBuf::from("p.toml"), format!("[aliases]\n{good}")).is_ok(), "{good}");
        }
    }

    #[test]
    fn broken_toml_names_the_line() {
        assert!(error_of("a = \n").starts_with("p.toml:1:"));
    }

    #[test]
    fn what_serde_expects_becomes_a_suggestion() {
        assert_eq!(
            with_suggestion("unknown variant `bear`, expected one of `bearer`, `none`\n"),
            "unknown value `bear`; did you mean `bearer`?"
        );
        assert_eq!(with_suggestion("unknown field `q`, expected `a` or `b`"), "unknown key `q`, expected `a` or `b`");
        assert_eq!(with_suggestion("duplicate key"), "duplicate key");
    }

    #[test]
    fn values_are_cut_out_of_messages() {
        let message = "invalid type: string \"sk-\\\"secret\", expected a sequence";
        assert_eq!(without_values(message), "invalid type: a string, expected a sequence");
    }
}
