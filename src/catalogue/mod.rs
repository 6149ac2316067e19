//! Names → targets: what each provider lists, and what a client's name means.
//!
//! A [`Catalogue`] is an unchanging snapshot; discovery makes a new one and swaps it in.

mod alias;
#[cfg(test)]
mod alias_tests;
mod facts;
mod name;
mod rows;
mod suggest;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use crate::chat::{Class, Failure};
use crate::model::Model;
use crate::provider::{Provider, Providers};
use alias::{Aliases, Listed};
pub use facts::Said;
use rows::Row;

/// What Ollama's clients append to a name that has no tag.
const LATEST: &str = ":latest";
/// So many aliases of aliases are followed.
const CHAIN: usize = 8;
/// A longer name is no model's: it isn't sent on, and nobody has to remember it.
const NAME_BYTES_MAX: usize = 1024;
/// More characters of a wrong name aren't repeated.
const ECHOED: usize = 256;

/// Where a request can go, in order.
#[derive(Debug, Clone)]
pub struct Route {
    /// Never empty.
    pub targets: Vec<Target>,
}

/// A model at a provider.
#[derive(Debug, Clone)]
pub struct Target {
    /// The provider.
    pub provider: Arc<Provider>,
    /// The provider's own id of the model.
    pub model: String,
}

/// What the catalogue is made from, beside the lists: the operator's words.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Aliases from the config: name → model name.
    pub aliases: Vec<(String, String)>,
    /// Make aliases by rules.
    pub generated_aliases: bool,
    /// Show aliases in lists.
    pub list_aliases: bool,
    /// What the operator says of models; of two that say something of the same, the later one counts.
    pub said: Vec<Said>,
    /// All prefixes of known providers that are off, with the variable that would switch them on.
    pub off: Vec<(String, Vec<String>)>,
}

/// What each provider lists, and what every name means, at one moment.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// In the order of look-up.
    providers: Vec<Arc<Provider>>,
    /// What the operator says of models.
    said: Vec<Said>,
    /// Prefix in lower case → place in `providers`.
    prefixes: HashMap<String, usize>,
    /// Listed models, then alias rows where wanted.
    models: Vec<Arc<Model>>,
    /// Id in lower case → who lists it, in the order of look-up.
    listed: HashMap<String, Vec<Entry>>,
    /// The targets of the row with the same index in `models`.
    targets: Vec<Vec<Target>>,
    /// The operator's aliases, names in lower case.
    configured: HashMap<String, String>,
    /// Squashed spelling → row.
    generated: HashMap<String, usize>,
    aliases: Vec<(String, String, String)>,
    off: Vec<(String, Vec<String>)>,
    /// There is one that would be asked: one that is on only if it answers, and didn't, is none.
    has_provider: bool,
    /// The first Ollama server's place in `providers`.
    server: Option<usize>,
}

/// One provider's listing of a model.
#[derive(Debug)]
struct Entry {
    /// Place in `providers`.
    provider: usize,
    id: String,
    row: usize,
}

impl Catalogue {
    /// Makes a snapshot. `lists` holds each provider's models by prefix; of one that never answered there is none, not even
    /// an empty one.
    pub fn new(providers: &Providers, lists: &HashMap<String, Vec<Model>>, options: &Options) -> Catalogue {
        let providers = rows::in_order(providers);
        let rows = rows::rows(&providers, lists, &options.said);
        let is_on = |one: &Arc<Provider>| !one.is_optional || lists.contains_key(&one.prefix);
        let mut catalogue = Catalogue {
            said: options.said.clone(),
            prefixes: prefixes(&providers),
            listed: listed(&providers, &rows),
            configured: options.aliases.iter().map(|(name, to)| (name.trim().to_lowercase(), to.clone())).collect(),
            off: options.off.clone(),
            has_provider: providers.iter().any(is_on),
            server: providers.iter().position(|one| one.is_local && is_on(one)),
            providers,
            ..Catalogue::default()
        };
        for row in rows {
            catalogue.models.push(Arc::new(row.model));
            catalogue.targets.push(row.targets);
        }
        catalogue.add_aliases(options);
        catalogue
    }

    /// A snapshot before anything is known.
    pub fn empty() -> Catalogue {
        Catalogue::default()
    }

    /// No model is listed.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// What a name means: [`Class::UnknownModel`] with near names, or [`Class::NoKey`] naming the variable; the latter with
    /// status 503 when there is no provider at all.
    pub fn look_up(&self, name: &str) -> Result<Route, Failure> {
        let asked = name.trim();
        if let Some(target) = self.configured(asked) {
            return self.discovered(target).ok_or_else(|| self.dangling(name, target));
        }
        self.discovered(asked).ok_or_else(|| self.unknown(name))
    }

    /// What a name means as far as a list or the operator says so: without the guesses of [`Catalogue::look_up`], that a
    /// provider may know more models than it lists, and that a short name stands for a longer one.
    pub fn listed(&self, name: &str) -> Option<Route> {
        let asked = name.trim();
        let route = match self.configured(asked) {
            Some(target) => self.discovered(target),
            None => self.named(asked),
        }?;
        let is_listed = |target: &Target| self.entries(&target.model).any(|entry| self.is_target(entry, target));
        route.targets.first().is_some_and(is_listed).then_some(route)
    }

    /// The models to list, in order: local ones, then by provider, each in its provider's order; then aliases where wanted.
    pub fn models(&self) -> &[Arc<Model>] {
        &self.models
    }

    /// What is known of the model that a name means; a bare row for one that no list has.
    pub fn model(&self, name: &str) -> Result<Arc<Model>, Failure> {
        if let Some(row) = self.alias_row(name.trim()) {
            return Ok(Arc::clone(row));
        }
        let route = self.look_up(name)?;
        let Some(target) = route.targets.first() else { return Err(self.unknown(name)) };
        let known = self.entries(&target.model).find(|entry| self.is_target(entry, target));
        Ok(match known.and_then(|entry| self.models.get(entry.row)) {
            Some(model) => Arc::clone(model),
            None => Arc::new(self.bare_row(name.trim(), target)),
        })
    }

    /// The generated and configured aliases: name, model name, and the reason.
    pub fn aliases(&self) -> &[(String, String, String)] {
        &self.aliases
    }
}

/// Building.
impl Catalogue {
    fn add_aliases(&mut self, options: &Options) {
        if options.generated_aliases {
            let made = self.generate();
            self.generated = made.by_key;
            for (name, row, reason) in made.shown {
                let target = self.models.get(row).map(|model| model.name.clone()).unwrap_or_default();
                self.aliases.push((name, target, reason));
            }
        }
        for (name, target) in &options.aliases {
            let place = self.aliases.partition_point(|(other, ..)| other < name);
            self.aliases.insert(place, (name.clone(), target.clone(), "set in the configuration".to_owned()));
        }
        if options.list_aliases {
            self.list_aliases();
        }
    }

    fn generate(&self) -> Aliases {
        let order = |model: &Model| self.prefixes.get(&model.provider.to_lowercase()).copied().unwrap_or(usize::MAX);
        let listed: Vec<Listed<'_>> = self
            .models
            .iter()
            .map(|model| Listed {
                id: &model.id,
                prefix: &model.provider,
                provider: order(model),
                is_local: model.is_local,
                is_other: model.capabilities.completion == Some(false)
                    || (model.capabilities.embedding == Some(true) && model.capabilities.completion.is_none()),
                created: model.created.and_then(day),
            })
            .collect();
        alias::make(&listed, |name| self.is_real(name) || self.configured.contains_key(name))
    }

    /// Alias rows: the row of what they mean under their own name.
    fn list_aliases(&mut self) {
        let rows: Vec<Arc<Model>> = self
            .aliases
            .iter()
            .filter(|(name, ..)| !self.is_real(name))
            .filter_map(|(name, ..)| {
                let mut row = Model::clone(self.model(name).ok()?.as_ref());
                row.name.clone_from(name);
                Some(Arc::new(row))
            })
            .collect();
        self.models.extend(rows);
    }

    /// An alias that is listed has a row of its own: clients that show its name must be able to tell it from its model.
    fn alias_row(&self, asked: &str) -> Option<&Arc<Model>> {
        let rows = self.models.get(self.targets.len()..)?;
        let is_asked = |name: &str| without_latest(name).eq_ignore_ascii_case(without_latest(asked));
        rows.iter().find(|row| is_asked(&row.name))
    }

    /// Does somebody list a model of this name, with or without the tag `latest`?
    fn is_real(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.listed.contains_key(&name) || self.listed.contains_key(&toggled(&name))
    }
}

/// Looking up.
impl Catalogue {
    /// What the operator says that a name means. `latest` behind an alias's name is a client's addition, unless somebody
    /// lists a model of that very name.
    fn configured(&self, asked: &str) -> Option<&str> {
        let alias = |name: &str| {
            let name = name.to_lowercase();
            let untagged = name.strip_suffix(LATEST).filter(|_| !self.listed.contains_key(&name));
            self.configured.get(&name).or_else(|| self.configured.get(untagged?)).map(|target| target.trim())
        };
        let mut target = alias(asked)?;
        for _ in 0..CHAIN {
            match alias(target) {
                Some(next) if next != target => target = next,
                _ => break,
            }
        }
        Some(target)
    }

    fn discovered(&self, asked: &str) -> Option<Route> {
        self.named(asked).or_else(|| self.by_alias(asked)).or_else(|| self.by_cloud(asked))
    }

    fn named(&self, asked: &str) -> Option<Route> {
        self.by_prefix(asked)
            .or_else(|| self.route(&self.hits(asked, |_| true)))
            .or_else(|| self.by_path(asked))
            .or_else(|| self.by_source(asked))
            .or_else(|| self.by_library(asked))
    }

    /// `prefix:model`, unless an Ollama server lists that very name and the prefix's provider doesn't know the model.
    fn by_prefix(&self, asked: &str) -> Option<Route> {
        let (prefix, model) = asked.split_once(':')?;
        let provider = self.prefix(prefix)?;
        if let Some(route) = self.route(&self.hits(model, |entry| entry.provider == provider)) {
            return Some(route);
        }
        // A client made `codestral:latest` of the alias `codestral`: no provider calls a model just `latest`.
        let is_only_tag = model.eq_ignore_ascii_case("latest");
        if is_only_tag || !self.local_hits(asked).is_empty() {
            return None;
        }
        self.unlisted(provider, model)
    }

    /// `prefix/model`, which aggregators' ids look like, too.
    fn by_path(&self, asked: &str) -> Option<Route> {
        let (prefix, model) = asked.split_once('/')?;
        let provider = self.prefix(prefix)?;
        self.route(&self.hits(model, |entry| entry.provider == provider)).or_else(|| self.unlisted(provider, model))
    }

    /// Ollama's `:local` behind a name: a model of its own servers, whatever else has that name.
    fn by_source(&self, asked: &str) -> Option<Route> {
        let name = asked.strip_suffix(":local")?;
        self.route(&self.local_hits(name))
    }

    /// A name in Ollama's full form, of which its own lists leave out what all models of its library have in common.
    fn by_library(&self, asked: &str) -> Option<Route> {
        let name = asked.split_once("://").map_or(asked, |(_, rest)| rest);
        let name = name.strip_prefix("registry.ollama.ai/").unwrap_or(name).strip_prefix("library/")?;
        self.route(&self.local_hits(name))
    }

    /// Ollama's `:cloud` behind a name, or `-cloud` behind its tag: a model of ollama.com, which an Ollama server asks for us.
    fn by_cloud(&self, asked: &str) -> Option<Route> {
        let tag = asked.rsplit_once(':')?.1.to_ascii_lowercase();
        let is_cloud = (tag == "cloud" || tag.ends_with("-cloud")) && self.without_key(asked).is_none();
        self.unlisted(self.server.filter(|_| is_cloud)?, asked)
    }

    /// A generated alias. A name with a tag is Ollama's way of writing, so it stays with Ollama.
    fn by_alias(&self, asked: &str) -> Option<Route> {
        let untagged = without_latest(asked);
        let row = *self.generated.get(&name::squash(untagged))?;
        let stays = !untagged.contains(':') || self.models.get(row)?.is_local;
        stays.then(|| self.row(row)).flatten()
    }

    fn prefix(&self, prefix: &str) -> Option<usize> {
        self.prefixes.get(&prefix.to_lowercase()).copied()
    }

    /// Who lists this name; as it is, ignoring case, and then both again with the tag `latest` dropped or added.
    fn hits(&self, name: &str, wanted: impl Fn(&Entry) -> bool) -> Vec<&Entry> {
        let toggled = toggled(name);
        for form in [name, &toggled] {
            let all: Vec<&Entry> = self.entries(form).filter(|entry| wanted(entry)).collect();
            let exact: Vec<&Entry> = all.iter().copied().filter(|entry| entry.id == form).collect();
            if !all.is_empty() {
                return if exact.is_empty() { all } else { exact };
            }
        }
        Vec::new()
    }

    fn local_hits(&self, name: &str) -> Vec<&Entry> {
        self.hits(name, |entry| self.providers.get(entry.provider).is_some_and(|provider| provider.is_local))
    }

    fn entries(&self, id: &str) -> impl Iterator<Item = &Entry> {
        self.listed.get(&id.to_lowercase()).into_iter().flatten()
    }

    fn route(&self, hits: &[&Entry]) -> Option<Route> {
        let target = |entry: &&Entry| {
            let provider = Arc::clone(self.providers.get(entry.provider)?);
            Some(Target { provider, model: entry.id.clone() })
        };
        let targets: Vec<Target> = hits.iter().filter_map(target).collect();
        (!targets.is_empty()).then_some(Route { targets })
    }

    fn row(&self, row: usize) -> Option<Route> {
        self.targets.get(row).map(|targets| Route { targets: targets.clone() })
    }

    /// A model that discovery hasn't seen: its provider may know it.
    fn unlisted(&self, provider: usize, model: &str) -> Option<Route> {
        let provider = self.providers.get(provider)?;
        let model = if provider.is_local { model } else { without_latest(model) };
        let target = || Target { provider: Arc::clone(provider), model: model.to_owned() };
        let is_name = !model.is_empty() && model.len() <= NAME_BYTES_MAX;
        is_name.then(|| Route { targets: vec![target()] })
    }

    /// A row for a model that no list has.
    fn bare_row(&self, name: &str, target: &Target) -> Model {
        let model = Model { id: target.model.clone(), ..Model::default() };
        Model { name: name.to_owned(), ..rows::described(model, &target.provider, &self.said) }
    }

    fn is_target(&self, entry: &Entry, target: &Target) -> bool {
        let provider = self.providers.get(entry.provider);
        entry.id == target.model && provider.is_some_and(|provider| Arc::ptr_eq(provider, &target.provider))
    }
}

/// Failing.
impl Catalogue {
    fn unknown(&self, name: &str) -> Failure {
        let asked = name.trim();
        if let Some(failure) = self.without_key(asked) {
            return failure;
        }
        if !self.has_provider {
            return self.without_provider();
        }
        let of_models = self.models.iter().flat_map(|model| [(&*model.name, &*model.id), (&*model.name, &*model.name)]);
        let of_aliases = self.aliases.iter().map(|(name, target, _)| (target.as_str(), name.as_str()));
        let near = suggest::near(asked, of_models.chain(of_aliases));
        not_found(format!("model '{}' not found{}", echo(name), suggest::question(&near)))
    }

    fn dangling(&self, name: &str, target: &str) -> Failure {
        let failure = self.unknown(target);
        if failure.class != Class::UnknownModel {
            return failure;
        }
        not_found(format!("model '{}' not found: it is an alias of '{target}', which nobody lists", echo(name)))
    }

    fn without_key(&self, asked: &str) -> Option<Failure> {
        let (prefix, model) = asked.split_once(':').or_else(|| asked.split_once('/'))?;
        let (prefix, variables) = self.off.iter().find(|(off, _)| off.eq_ignore_ascii_case(prefix))?;
        if model.is_empty() || model.eq_ignore_ascii_case("latest") {
            return None;
        }
        let message = match variables.first() {
            Some(variable) => format!("provider '{prefix}' has no key: set {variable}"),
            None => format!("provider '{prefix}' is off: switch it on in polyllama.toml"),
        };
        Some(Failure::new(Class::NoKey, message))
    }

    /// What to tell when there is no provider to ask: which variables would switch one on.
    pub fn without_provider(&self) -> Failure {
        let variables: Vec<&str> =
            self.off.iter().filter_map(|(_, variables)| variables.first()).take(3).map(String::as_str).collect();
        let set = match variables.as_slice() {
            [] => "a provider's key".to_owned(),
            some => format!("{} or another provider's key", some.join(", ")),
        };
        let message = format!(
            "no provider is configured: set {set}, start a local Ollama server, or add a provider to polyllama.toml"
        );
        Failure::new(Class::NoKey, message).with_status(503)
    }
}

fn not_found(message: String) -> Failure {
    Failure::new(Class::UnknownModel, message).with_code("model_not_found").with_param("model")
}

fn prefixes(providers: &[Arc<Provider>]) -> HashMap<String, usize> {
    let mut prefixes = HashMap::new();
    for (place, provider) in providers.iter().enumerate() {
        prefixes.insert(provider.prefix.to_lowercase(), place);
    }
    for (place, provider) in providers.iter().enumerate() {
        for other in &provider.other_prefixes {
            prefixes.entry(other.to_lowercase()).or_insert(place);
        }
    }
    prefixes
}

fn listed(providers: &[Arc<Provider>], rows: &[Row]) -> HashMap<String, Vec<Entry>> {
    let mut listed: HashMap<String, Vec<Entry>> = HashMap::new();
    for (place, row) in rows.iter().enumerate() {
        for target in &row.targets {
            let Some(provider) = providers.iter().position(|provider| Arc::ptr_eq(provider, &target.provider)) else {
                continue;
            };
            let entry = Entry { provider, id: target.model.clone(), row: place };
            listed.entry(target.model.to_lowercase()).or_default().push(entry);
        }
    }
    for entries in listed.values_mut() {
        entries.sort_by_key(|entry| entry.provider);
    }
    listed
}

fn day(time: jiff::Timestamp) -> Option<name::Date> {
    let day = time.to_zoned(jiff::tz::TimeZone::UTC).date();
    // Some lists tell 0, or one date for all.
    let year = u16::try_from(day.year()).ok().filter(|year| *year >= 2015)?;
    Some(name::Date { year, month: day.month().unsigned_abs(), day: day.day().unsigned_abs() })
}

/// A name without the tag that Ollama gives to one that has none.
pub fn without_latest(name: &str) -> &str {
    match name.len().checked_sub(LATEST.len()).and_then(|at| name.split_at_checked(at)) {
        Some((rest, tag)) if tag.eq_ignore_ascii_case(LATEST) => rest,
        _ => name,
    }
}

/// With the tag `latest` dropped, or added.
fn toggled(name: &str) -> String {
    let untagged = without_latest(name);
    if untagged.len() < name.len() { untagged.to_owned() } else { format!("{name}{LATEST}") }
}

/// A name as the client wrote it, cut when it is very long.
fn echo(name: &str) -> &str {
    match name.char_indices().nth(ECHOED) {
        Some((end, _)) => name.get(..end).unwrap_or_default(),
        None => name,
    }
}
