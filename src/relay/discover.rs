//! Asking providers for their models, in the background: each with its own time limit, the last good lists kept on disk.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::Method;
use tokio::sync::watch;

use super::headers;
use super::source::Source;
use super::upstream::{self, Upstream};
use crate::catalogue::{Catalogue, Options};
use crate::chat::{Class, Failure};
use crate::config::Config;
use crate::json::Json;
use crate::model::Model;
use crate::provider::credentials::{Choice, Credential};
use crate::provider::{Face, Provider, Providers, list};

/// No provider needs more pages.
const PAGES_MAX: usize = 50;

/// The largest list seen is some megabytes.
const LIST_BYTES_MAX: usize = 32 << 20;

/// A local server's list may have changed after that long, and is asked for anew when somebody looks.
const LOCAL_FRESH: Duration = Duration::from_secs(5);

/// So long a look waits for a local server's new list.
const LOCAL_WAIT: Duration = Duration::from_millis(1500);

/// Pauses after a list that could not be had, and the most it grows to.
const RETRY: Duration = Duration::from_secs(15);
const RETRY_MAX: Duration = Duration::from_secs(600);

/// The catalogue of the moment, and what makes it.
#[derive(Debug)]
pub struct Discovery {
    providers: Providers,
    options: Options,
    upstream: Upstream,
    limit: Duration,
    interval: Duration,
    cache_file: Option<PathBuf>,
    catalogue: ArcSwap<Catalogue>,
    known: Mutex<Known>,
    /// Held while a catalogue is made of what is known, so that an older one never takes the place of a newer.
    making: Mutex<()>,
    /// Held while somebody looks at the local servers: others wait for what that brings.
    looking: tokio::sync::Mutex<()>,
    /// Every provider was asked once, or has a list from disk.
    ready: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Known {
    lists: HashMap<String, Vec<Model>>,
    states: HashMap<String, State>,
}

/// How a provider stands.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Its last list came; before the first answer it is neither.
    pub is_listed: bool,
    /// Why its last list could not be had.
    pub error: Option<String>,
    asked: Option<Instant>,
    /// When it was last begun to ask it.
    begun: Option<Instant>,
    /// When a look at it last took too long.
    given_up: Option<Instant>,
    /// When its list was last known to become another.
    changed: Option<Instant>,
    failures: u32,
}

impl State {
    fn is_fresh(&self) -> bool {
        let is_news = self.changed > self.begun.max(self.given_up);
        !is_news && self.asked.max(self.given_up).is_some_and(|last| last.elapsed() <= LOCAL_FRESH)
    }
}

impl Discovery {
    /// With the lists of the last run, where there are any.
    pub fn new(config: &Config, upstream: Upstream) -> Arc<Discovery> {
        let cache_file = config.state_dir.as_ref().map(|folder| folder.join("models.json"));
        let mut lists = cache_file.as_ref().and_then(|file| read_cache(file)).unwrap_or_default();
        lists.retain(|prefix, _| config.providers.iter().any(|provider| provider.prefix == *prefix));
        let is_ready =
            config.providers.iter().all(|p| lists.contains_key(&p.prefix) || p.is_optional && !lists.is_empty());
        let catalogue = Catalogue::new(&config.providers, &lists, &config.catalogue);
        Arc::new(Discovery {
            providers: Arc::clone(&config.providers),
            options: config.catalogue.clone(),
            upstream,
            limit: config.limits.discovery,
            interval: config.limits.discovery_interval,
            cache_file,
            catalogue: ArcSwap::from_pointee(catalogue),
            known: Mutex::new(Known { lists, states: HashMap::new() }),
            making: Mutex::new(()),
            looking: tokio::sync::Mutex::new(()),
            ready: watch::Sender::new(is_ready),
        })
    }

    /// The catalogue of the moment.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.load_full()
    }

    /// The providers that are on.
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// Every provider has a list, or was asked for one.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits until every provider was asked once, at most that long.
    pub async fn ready_within(&self, limit: Duration) {
        let mut ready = self.ready.subscribe();
        let _ = tokio::time::timeout(limit, ready.wait_for(|is_ready| *is_ready)).await;
    }

    /// How each provider stands: its state and the number of its models.
    pub fn states(&self) -> Vec<(Arc<Provider>, State, usize)> {
        let known = self.lock();
        let row = |provider: &Arc<Provider>| {
            let state = known.states.get(&provider.prefix).cloned().unwrap_or_default();
            let count = known
                .lists
                .get(&provider.prefix)
                .map_or(0, |list| list.iter().filter(|m| provider.lists(&m.id)).count());
            (Arc::clone(provider), state, count)
        };
        self.providers.iter().map(row).collect()
    }

    /// Asks every provider once, at the same time.
    pub async fn refresh_all(self: &Arc<Discovery>) {
        let all: Vec<Arc<Provider>> = self.providers.iter().cloned().collect();
        self.refresh(&all).await;
        self.ready.send_replace(true);
    }

    /// Asks the local servers whose lists are not fresh, and waits a little for them.
    pub async fn refresh_local(self: &Arc<Discovery>) {
        // A list that somebody else has just been told is fresh, but not yet in the catalogue while that one looks.
        if self.looking.try_lock().is_ok() && self.stale().is_empty() {
            return;
        }
        let look = async {
            let _turn = self.looking.lock().await;
            self.refresh(&self.stale()).await;
        };
        if tokio::time::timeout(LOCAL_WAIT, look).await.is_err() {
            let mut known = self.lock();
            for provider in self.providers.iter().filter(|provider| provider.is_local) {
                known.states.entry(provider.prefix.clone()).or_default().given_up = Some(Instant::now());
            }
        }
    }

    /// A provider's list becomes another now: who looks next sees it.
    pub fn changes(&self, provider: &Provider) {
        self.lock().states.entry(provider.prefix.clone()).or_default().changed = Some(Instant::now());
    }

    /// The local servers whose lists are not fresh.
    fn stale(&self) -> Vec<Arc<Provider>> {
        let known = self.lock();
        let is_fresh = |provider: &Provider| known.states.get(&provider.prefix).is_some_and(State::is_fresh);
        self.providers.iter().filter(|provider| provider.is_local && !is_fresh(provider)).cloned().collect()
    }

    /// Keeps the catalogue true until the future is dropped.
    pub async fn run(self: Arc<Discovery>) {
        self.refresh_all().await;
        loop {
            let due: Vec<(Arc<Provider>, Duration)> =
                self.states().into_iter().map(|(provider, state, _)| (provider, self.due_in(&state))).collect();
            let Some(soonest) = due.iter().map(|(_, wait)| *wait).min() else { return };
            tokio::time::sleep(soonest.max(Duration::from_secs(1))).await;
            let now: Vec<Arc<Provider>> =
                due.into_iter().filter(|(_, wait)| *wait <= soonest).map(|(provider, _)| provider).collect();
            self.refresh(&now).await;
        }
    }

    fn due_in(&self, state: &State) -> Duration {
        let pause = match state.failures {
            0 => self.interval,
            failures => RETRY.saturating_mul(1 << failures.min(10).saturating_sub(1)).min(RETRY_MAX),
        };
        pause.saturating_sub(state.asked.map_or(Duration::ZERO, |asked| asked.elapsed()))
    }

    async fn refresh(self: &Arc<Discovery>, providers: &[Arc<Provider>]) {
        let asking: FuturesUnordered<_> = providers.iter().map(|provider| self.ask(provider)).collect();
        let mut answers = asking.ready_chunks(providers.len().max(1));
        while let Some(answers) = answers.next().await {
            let mut is_news = false;
            for (provider, begun, listed) in answers {
                is_news |= self.take_in(provider, begun, listed);
            }
            if is_news {
                let this = Arc::clone(self);
                // A catalogue of thousands of names and a file take their time: no request shall wait behind them.
                let _ = tokio::task::spawn_blocking(move || this.make_catalogue()).await;
            }
        }
    }

    async fn ask<'a>(&self, provider: &'a Arc<Provider>) -> (&'a Arc<Provider>, Instant, Result<Vec<Model>, Failure>) {
        let begun = Instant::now();
        let late = || Failure::new(Class::Timeout, format!("no model list within {:?}", self.limit));
        let listing = list_models(&self.upstream, provider, self.limit);
        (provider, begun, tokio::time::timeout(self.limit, listing).await.unwrap_or_else(|_| Err(late())))
    }

    /// Notes what a provider answered. Says whether the lists are others now.
    fn take_in(&self, provider: &Arc<Provider>, begun: Instant, listed: Result<Vec<Model>, Failure>) -> bool {
        let mut known = self.lock();
        let state = known.states.entry(provider.prefix.clone()).or_default();
        (state.asked, state.begun) = (Some(Instant::now()), Some(begun));
        match listed {
            Ok(models) => {
                (state.is_listed, state.error, state.failures) = (true, None, 0);
                let is_news = known.lists.get(&provider.prefix) != Some(&models);
                known.lists.insert(provider.prefix.clone(), models);
                is_news
            }
            Err(failure) => {
                let is_news = state.error.as_deref() != Some(failure.message.as_str());
                if is_news && !provider.is_optional {
                    tracing::warn!("provider '{}' did not list its models: {}", provider.prefix, failure.message);
                }
                state.error = Some(failure.message);
                state.failures += 1;
                let is_gone = provider.is_optional && failure.class == Class::ProviderDown;
                is_gone && known.lists.remove(&provider.prefix).is_some()
            }
        }
    }

    /// Makes the catalogue anew, and keeps the lists for the next run.
    fn make_catalogue(&self) {
        let _turn = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let lists = self.lock().lists.clone();
        self.catalogue.store(Arc::new(Catalogue::new(&self.providers, &lists, &self.options)));
        self.write_cache(&lists);
    }

    fn write_cache(&self, lists: &HashMap<String, Vec<Model>>) {
        let Some(file) = &self.cache_file else { return };
        let written = serde_json::to_vec(lists).map_err(std::io::Error::from).and_then(|bytes| {
            let folder = file.parent().unwrap_or(file);
            std::fs::create_dir_all(folder)?;
            let new = file.with_extension(format!("{}.new", std::process::id()));
            std::fs::write(&new, bytes)?;
            std::fs::rename(&new, file)
        });
        if let Err(error) = written {
            tracing::debug!("the model lists could not be kept in {}: {error}", file.display());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_cache(file: &std::path::Path) -> Option<HashMap<String, Vec<Model>>> {
    let bytes = std::fs::read(file).ok()?;
    let read = serde_json::from_slice(&bytes);
    if let Err(error) = &read {
        tracing::debug!("the model lists in {} can't be read and are left aside: {error}", file.display());
    }
    read.ok()
}

/// A provider's models, asked with the first key that works.
async fn list_models(upstream: &Upstream, provider: &Provider, silence: Duration) -> Result<Vec<Model>, Failure> {
    let mut tried = Vec::new();
    let mut last = None;
    loop {
        let (key, credential) = match provider.pool.choose("", &tried, Instant::now()) {
            Choice::Use(key, credential) => (key, credential),
            Choice::Resting(_) | Choice::Empty => {
                return Err(last.unwrap_or_else(|| Failure::new(Class::NoKey, "no key is left to ask with")));
            }
        };
        match list_with(upstream, provider, &credential, silence).await {
            Ok(models) => return Ok(models),
            Err(failure) => {
                // What a list says of a key holds for requests too, but not the other way: lists are often public.
                if failure.class == Class::KeyDead {
                    provider.pool.failed(key, "", &failure, Instant::now());
                }
                let is_key =
                    matches!(failure.class, Class::KeyDead | Class::KeyRefused | Class::NoMoney | Class::RateLimited);
                if !is_key {
                    return Err(failure);
                }
                tried.push(key);
                last = Some(failure);
            }
        }
    }
}

/// A provider's models, asked with one key. A provider that has no list has the models of its entry.
pub async fn list_with(
    upstream: &Upstream,
    provider: &Provider,
    credential: &Credential,
    silence: Duration,
) -> Result<Vec<Model>, Failure> {
    let usable = |face: &&Face| !credential.is_token || face.takes_token;
    let with_list = provider.faces.iter().filter(usable).find_map(|face| Some((face, face.models_path.clone()?)));
    let Some((face, path)) = with_list else { return Ok(Vec::new()) };
    let mut models = Vec::new();
    let mut next = None;
    for _ in 0..PAGES_MAX {
        let url = page_url(&face.base_url, &path, next.as_deref());
        let body = match get(upstream, provider, face, credential, &url, silence).await {
            Err(failure) if failure.status == 404 && !provider.static_models.is_empty() => return Ok(models),
            body => body?,
        };
        let page = Json::parse(body).ok().and_then(|json| list::read(&json));
        let page = page.ok_or_else(|| Failure::new(Class::BadAnswer, "its model list is in no known form"))?;
        models.extend(page.models);
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    Ok(models)
}

/// Does a key work, and how many models does it list? Where the list is public, the provider's own place to ask for a key's
/// state tells first.
pub async fn check_with(
    upstream: &Upstream,
    provider: &Provider,
    credential: &Credential,
    silence: Duration,
) -> Result<usize, Failure> {
    if let Some((face, path)) = provider.faces.first().zip(provider.check_path.as_ref()) {
        let url = page_url(&face.base_url, path, None);
        get(upstream, provider, face, credential, &url, silence).await?;
    }
    let models = list_with(upstream, provider, credential, silence).await?;
    Ok(if models.is_empty() { provider.static_models.len() } else { models.len() })
}

fn page_url(base: &str, path: &str, next: Option<&str>) -> String {
    let origin_path = if path.starts_with("http") { path.to_owned() } else { format!("{base}{path}") };
    match next {
        None => origin_path,
        Some(next) => format!("{origin_path}{}{next}", if origin_path.contains('?') { '&' } else { '?' }),
    }
}

async fn get(
    upstream: &Upstream,
    provider: &Provider,
    face: &Face,
    credential: &Credential,
    url: &str,
    silence: Duration,
) -> Result<Bytes, Failure> {
    let headers = headers::authorised(provider, face, credential)?;
    let response = upstream.send(Method::GET, url, headers, Bytes::new()).await?;
    let (head, body) = response.into_parts();
    if provider.is_optional && upstream::is_of_gateway(&head.headers) {
        return Err(Failure::new(Class::ProviderDown, "a polyllama answers there"));
    }
    let body = Source::new(body, silence).whole(LIST_BYTES_MAX).await?;
    if head.status.is_success() {
        return Ok(body);
    }
    let status = head.status.as_u16();
    if status == 508 && memchr::memmem::find(&body, upstream::LOOP_CODE.as_bytes()).is_some() {
        return Err(Failure::new(Class::Loop, format!("its base URL {} leads back to this gateway", face.base_url)));
    }
    let mut error = face.dialect.read_error(status, &body);
    error.message = provider.pool.redacted(&error.message);
    Err(provider.rules.classify(status, &head.headers, error, "", jiff::Timestamp::now()))
}
