//! From an entry to a provider: the environment's values go in, and it shows whether it is on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use secrecy::{ExposeSecret, SecretString};

use super::credentials::{Credential, Pool};
use super::entry::{Built, Entry, EntryError, SwitchedOn};
use super::places::{Place, usual_batch};
use super::rules::Rules;
use super::{Auth, Provider};
use crate::dialect::Dialect;

/// Where values come from.
pub(super) struct Sources<'a> {
    pub(super) prefix: &'a str,
    /// A variable's value; set but empty counts as unset.
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    /// The contents of a file of keys.
    read: &'a dyn Fn(&Path) -> std::io::Result<String>,
    from_config: bool,
}

impl Entry {
    /// Puts the environment's values in. `env` gives a variable's value, none where it is unset or empty; `from_config`: the
    /// user's configuration names this provider. Files of keys are read.
    pub fn build(
        &self,
        prefix: &str,
        env: &dyn Fn(&str) -> Option<String>,
        from_config: bool,
    ) -> Result<Built, EntryError> {
        self.build_with(prefix, env, from_config, &|path| std::fs::read_to_string(path))
    }

    /// [`Entry::build`] with another way to read a file of keys.
    pub fn build_with(
        &self,
        prefix: &str,
        env: &dyn Fn(&str) -> Option<String>,
        from_config: bool,
        read: &dyn Fn(&Path) -> std::io::Result<String>,
    ) -> Result<Built, EntryError> {
        let sources = Sources { prefix, env, read, from_config };
        if self.enabled == Some(false) {
            return Ok(self.off("it is switched off in the configuration".to_owned()));
        }
        let keys = self.credentials(&sources)?;
        let places = match self.places(&sources) {
            Ok(places) => places,
            Err(EntryError::Unset { .. }) if keys.credentials.is_empty() => return Ok(self.off(self.what_is_missing())),
            Err(EntryError::Unset { name, .. }) => return Ok(self.off(format!("{name} is not set"))),
            Err(error) => return Err(error),
        };
        let mut providers = Vec::with_capacity(places.len());
        let mut reason = None;
        for (index, place) in places.into_iter().enumerate() {
            match self.off_reason(&keys, &place, from_config) {
                None => providers.push(self.provider(&sources, &keys, place, index)?),
                Some(why) => reason = Some(why),
            }
        }
        match reason {
            Some(why) if providers.is_empty() => Ok(self.off(why)),
            _ => Ok(Built::On(providers)),
        }
    }
}

/// The keys found for an entry.
#[derive(Default)]
struct Keys {
    credentials: Vec<Credential>,
    /// All come from variables that are set for other ends as well.
    are_general: bool,
    files: Vec<PathBuf>,
}

impl Keys {
    /// Takes in a list of keys: comma separated or one a line, quotes and blanks around each cut off, repeats left out.
    fn add(&mut self, list: &str, is_token: bool) -> Result<(), String> {
        let cut = |c: char| c.is_whitespace() || c == '"' || c == '\'';
        for key in list.split([',', '\n']).map(|key| key.trim_matches(cut)).filter(|key| !key.is_empty()) {
            if http::HeaderValue::from_str(key).is_err() {
                return Err("a key holds a character that no header can carry".to_owned());
            }
            if self.credentials.iter().all(|known| known.secret.expose_secret() != key) {
                self.credentials.push(Credential { secret: SecretString::from(key.to_owned()), is_token });
            }
        }
        Ok(())
    }

    /// Takes in what a variable holds, and what the file holds that its `…_FILE` form names.
    fn add_variable(&mut self, sources: &Sources<'_>, name: &str, is_token: bool) -> Result<(), EntryError> {
        if let Some(list) = (sources.env)(name) {
            self.add(&list, is_token).map_err(|problem| sources.error(format!("{name}: {problem}")))?;
        }
        match (sources.env)(&format!("{name}_FILE")) {
            Some(path) => self.add_file(sources, PathBuf::from(path.trim()), is_token),
            None => Ok(()),
        }
    }

    fn add_file(&mut self, sources: &Sources<'_>, path: PathBuf, is_token: bool) -> Result<(), EntryError> {
        let error = |problem: String| {
            let prefix = sources.prefix.to_owned();
            EntryError::KeyFile { prefix, path: path.clone(), problem }
        };
        let list = (sources.read)(&path).map_err(|e| error(e.to_string()))?;
        self.add(&list, is_token).map_err(error)?;
        self.files.push(path);
        Ok(())
    }

    fn have_own(&self) -> bool {
        !self.credentials.is_empty() && !self.are_general
    }
}

/// Both forms of a variable for keys, the plural first: `X_API_KEYS` and `X_API_KEY`.
pub fn both_forms(name: &str) -> Vec<String> {
    match name.strip_suffix("_KEYS") {
        Some(stem) => vec![name.to_owned(), format!("{stem}_KEY")],
        None if name.ends_with("_KEY") => vec![format!("{name}S"), name.to_owned()],
        None => vec![name.to_owned()],
    }
}

impl Entry {
    /// Keys from its variables and the files they name; without, those of the configuration; without, general ones.
    fn credentials(&self, sources: &Sources<'_>) -> Result<Keys, EntryError> {
        let mut keys = Keys::default();
        let mut seen = BTreeSet::new();
        for name in self.key_env.iter().flat_map(|name| both_forms(name)) {
            if seen.insert(name.clone()) {
                keys.add_variable(sources, &name, false)?;
            }
        }
        for name in &self.token_env {
            keys.add_variable(sources, name, true)?;
        }
        if keys.credentials.is_empty() {
            self.add_configured(sources, &mut keys)?;
        }
        if keys.credentials.is_empty() {
            for name in &self.general_key_env {
                keys.add_variable(sources, name, false)?;
            }
            keys.are_general = true;
        }
        Ok(keys)
    }

    fn add_configured(&self, sources: &Sources<'_>, keys: &mut Keys) -> Result<(), EntryError> {
        for list in &self.keys {
            keys.add(list.expose_secret(), false).map_err(|problem| sources.error(problem))?;
        }
        match &self.key_file {
            Some(path) => keys.add_file(sources, path.clone(), false),
            None => Ok(()),
        }
    }

    fn off(&self, reason: String) -> Built {
        Built::Off { reason, key_env: self.key_env.iter().chain(&self.token_env).cloned().collect() }
    }

    /// Why it is off at this place; `None` when it is on.
    fn off_reason(&self, keys: &Keys, place: &Place, from_config: bool) -> Option<String> {
        let is_on = self.enabled == Some(true)
            || match self.switched_on.unwrap_or_default() {
                SwitchedOn::Answer => true,
                SwitchedOn::Config => from_config || place.is_from_env,
                SwitchedOn::Key => {
                    let is_named = from_config || place.is_from_env;
                    let needs_none = place.is_private || (from_config && !self.names_keys());
                    keys.have_own() || (is_named && (needs_none || !keys.credentials.is_empty()))
                }
            };
        (!is_on).then(|| self.what_is_missing())
    }

    /// Does it say anywhere where keys come from?
    fn names_keys(&self) -> bool {
        let lists = [&self.key_env, &self.general_key_env, &self.token_env];
        lists.iter().any(|list| !list.is_empty()) || self.key_file.is_some() || !self.keys.is_empty()
    }

    fn what_is_missing(&self) -> String {
        let by_key = self.switched_on.unwrap_or_default() == SwitchedOn::Key;
        match (self.key_env.first().filter(|_| by_key), self.base_url_env.first()) {
            (Some(key), _) => format!("no key: set {key}"),
            (None, Some(url)) => format!("not switched on: name it in the configuration, or set {url}"),
            (None, None) => "not switched on: name it in the configuration".to_owned(),
        }
    }

    /// The provider at one of its places. All further ones have numbered prefixes.
    fn provider(&self, sources: &Sources<'_>, keys: &Keys, place: Place, index: usize) -> Result<Provider, EntryError> {
        let is_keyless = keys.credentials.is_empty();
        let mut faces = place.faces;
        for face in faces.iter_mut().filter(|_| is_keyless) {
            face.auth = Auth::None;
        }
        let is_local = self.local.unwrap_or(false);
        if is_local && faces.iter().all(|face| face.dialect != Dialect::Ollama) {
            return Err(sources.error("`local` is for servers of the dialect `ollama`".to_owned()));
        }
        let prefix = sources.prefix;
        Ok(Provider {
            prefix: if index == 0 { prefix.to_owned() } else { format!("{prefix}{}", index + 1) },
            other_prefixes: if index == 0 { self.other_prefixes.clone() } else { Vec::new() },
            faces,
            pool: Pool::new(keys.credentials.clone()),
            key_env: self.key_env.iter().chain(&self.token_env).cloned().collect(),
            key_files: keys.files.clone(),
            is_keyless,
            is_optional: self.switched_on == Some(SwitchedOn::Answer) && !place.is_from_env && !sources.from_config,
            is_local,
            static_models: self.static_models.clone(),
            check_path: self.check_path.clone(),
            include: glob_set(prefix, &self.include)?,
            exclude: glob_set(prefix, &self.exclude)?,
            embed_batch_max: self.embed_batch_max.map(usize::from).or(usual_batch(self.first_dialect())),
            way: self.face,
            rules: Rules::new(self.rules.clone(), self.errors.clone()),
            quirks: self.read_quirks().map_err(|error| sources.error(error.to_string()))?,
            headers: self.read_headers(sources)?,
        })
    }

    fn read_headers(&self, sources: &Sources<'_>) -> Result<Vec<(http::HeaderName, http::HeaderValue)>, EntryError> {
        let read = |(name, value): (&String, &String)| {
            let name_read = http::HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name_read, http::HeaderValue::from_str(value).ok()?))
        };
        let one = |header: (&String, &String)| {
            let name = header.0.clone();
            read(header).ok_or_else(|| EntryError::Header { prefix: sources.prefix.to_owned(), name })
        };
        self.headers.iter().map(one).collect()
    }
}

impl Sources<'_> {
    pub(super) fn error(&self, problem: String) -> EntryError {
        EntryError::Other { prefix: self.prefix.to_owned(), problem }
    }
}

fn glob_set(prefix: &str, patterns: &[String]) -> Result<Option<GlobSet>, EntryError> {
    let error = |pattern: &str, error: globset::Error| EntryError::Pattern {
        prefix: prefix.to_owned(),
        pattern: pattern.to_owned(),
        problem: error.kind().to_string(),
    };
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(GlobBuilder::new(pattern).build().map_err(|e| error(pattern, e))?);
    }
    set.build().map(Some).map_err(|e| error(&patterns.join(", "), e))
}
