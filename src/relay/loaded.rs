//! What each local server has loaded, with what context, and how many requests are under way there. Plain code over values: who
//! looks at a server puts in what it saw.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::catalogue::Target;
use crate::chat::{Class, Estimate};
use crate::dialect::ollama::context::{Facts, Known};
use crate::observe::Meter;

/// A server that just failed is asked after all others for that long.
const REST: Duration = Duration::from_secs(15);

/// What a look at a server told holds for that long. Where nobody asked for a model for longer than the second, it may have been
/// unloaded.
const FRESH: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(60);

/// What a model is may change when it is made anew; and a server that did not tell is asked again.
const FACTS_FRESH: Duration = Duration::from_secs(600);
const FACTS_RETRY: Duration = Duration::from_secs(30);

/// Loading a model takes about as long as so many answers of it.
const LOADING: usize = 3;

/// No server has more models in use; the one that was unused the longest makes room.
const MODELS_MAX: usize = 256;

/// Counts below this say more of the template than of the text.
const COUNTED_MIN: u64 = 200;

/// No tokenizer is further from the estimate.
const RATIO_MIN: f64 = 0.2;
const RATIO_MAX: f64 = 4.0;

/// All local servers, by their providers' prefixes.
#[derive(Debug, Default)]
pub(super) struct Servers(Mutex<HashMap<String, Server>>);

#[derive(Debug, Default)]
struct Server {
    under_way: usize,
    failed: Option<Instant>,
    looked: Option<Instant>,
    /// The context that a model was loaded with for which none was asked.
    default: Option<u64>,
    models: HashMap<String, ModelState>,
    /// Held while somebody looks something up there: others wait for what that brings.
    looking: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct ModelState {
    is_loaded: bool,
    /// It answered a request that asked for no context: it is loaded with the server's default, or its own.
    is_by_default: bool,
    context: Option<u64>,
    raised: u64,
    /// What it told, or that it did not; and when.
    facts: Option<(Option<Facts>, Instant)>,
    ratio: Option<f64>,
    under_way: usize,
    used: Option<Instant>,
}

/// A model as a server's list of loaded models calls it, whatever a client left out.
fn key(model: &str) -> String {
    let name = model.trim().to_lowercase();
    let has_tag = name.rsplit('/').next().is_some_and(|last| last.contains(':'));
    if has_tag { name } else { name + ":latest" }
}

fn is_within(at: Option<Instant>, limit: Duration, now: Instant) -> bool {
    at.is_some_and(|at| now.saturating_duration_since(at) < limit)
}

impl ModelState {
    /// Is a context that it has by default the server's own: neither the model's parameter nor its end?
    fn shows_default(&self, context: Option<u64>) -> bool {
        let is_own =
            |facts: Facts| facts.usual.is_some() || facts.longest.is_none_or(|longest| context >= Some(longest));
        self.facts().is_some_and(|facts| !is_own(facts))
    }

    fn facts(&self) -> Option<Facts> {
        self.facts.and_then(|(facts, _)| facts)
    }
}

impl Server {
    /// The state of a model; made where there is none.
    fn model(&mut self, model: &str) -> &mut ModelState {
        let key = key(model);
        if self.models.len() >= MODELS_MAX && !self.models.contains_key(&key) {
            let unused = self.models.iter().filter(|(_, state)| state.under_way == 0);
            let oldest = unused.min_by_key(|(_, state)| state.used).map(|(name, _)| name.clone());
            oldest.map(|name| self.models.remove(&name));
        }
        self.models.entry(key).or_default()
    }
}

/// How a server stands to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    is_resting: bool,
    is_loaded: bool,
    under_way: usize,
}

impl Standing {
    /// Who rests comes last; then loaded before not, until so many requests wait there that loading elsewhere is as quick.
    fn cost(self) -> (bool, usize) {
        (self.is_resting, self.under_way + if self.is_loaded { 0 } else { LOADING })
    }
}

impl Servers {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Server>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, target: &Target, change: impl FnOnce(&mut Server) -> T) -> T {
        change(self.lock().entry(target.provider.prefix.clone()).or_default())
    }

    /// Puts the local targets, which stand first, in the order in which they should be tried.
    pub(super) fn order(&self, targets: &mut [Target], now: Instant) {
        let servers = self.lock();
        let standing = |target: &Target| {
            let server = servers.get(&target.provider.prefix);
            Standing {
                is_resting: server.is_some_and(|server| is_within(server.failed, REST, now)),
                is_loaded: server
                    .and_then(|server| server.models.get(&key(&target.model)))
                    .is_some_and(|m| m.is_loaded),
                under_way: server.map_or(0, |server| server.under_way),
            }
        };
        let local = targets.partition_point(|target| target.provider.is_local);
        let local = targets.get_mut(..local).unwrap_or_default();
        local.sort_by_cached_key(|target| standing(target).cost());
    }

    /// Should it be looked what this server has loaded, before servers are compared? Not at one that just failed.
    pub(super) fn is_unseen(&self, target: &Target, now: Instant) -> bool {
        self.with(target, |server| !is_within(server.looked, FRESH, now) && !is_within(server.failed, REST, now))
    }

    /// Was it not looked lately what it has loaded?
    pub(super) fn is_stale(&self, target: &Target, now: Instant) -> bool {
        self.with(target, |server| !is_within(server.looked, FRESH, now))
    }

    /// Is there a context to be kept, and might the model have been unloaded meanwhile?
    pub(super) fn is_idle(&self, target: &Target, now: Instant) -> bool {
        self.with(target, |server| {
            let looked = server.looked;
            let state = server.model(&target.model);
            state.context.is_some() && state.under_way == 0 && !is_within(state.used.max(looked), IDLE, now)
        })
    }

    /// What is known of the target's model there.
    pub(super) fn known(&self, target: &Target) -> Known {
        self.with(target, |server| {
            let state = server.model(&target.model);
            let (loaded, raised, facts) = (state.context, state.raised, state.facts());
            Known { loaded, raised, facts, default: server.default }
        })
    }

    /// Was it not asked lately what the model is?
    pub(super) fn is_unasked(&self, target: &Target, now: Instant) -> bool {
        self.with(target, |server| {
            server.model(&target.model).facts.is_none_or(|(facts, at)| {
                !is_within(Some(at), if facts.is_some() { FACTS_FRESH } else { FACTS_RETRY }, now)
            })
        })
    }

    /// What to hold while something is looked up at this server.
    pub(super) fn looking(&self, target: &Target) -> Arc<tokio::sync::Mutex<()>> {
        self.with(target, |server| Arc::clone(&server.looking))
    }

    /// What the model's tokenizer counted of an estimate, where it did.
    pub(super) fn ratio(&self, target: &Target) -> Option<f64> {
        self.with(target, |server| server.model(&target.model).ratio)
    }

    /// What the server says that it has loaded; nothing new where it did not answer. A model that is still being loaded is not
    /// among that, so one that others are asking for keeps what it was asked for. `is_asking`: the one who looks is going to ask
    /// for the target's model.
    pub(super) fn saw_loaded(
        &self,
        target: &Target,
        loaded: Option<Vec<(String, Option<u64>)>>,
        is_asking: bool,
        now: Instant,
    ) {
        let own = key(&target.model);
        self.with(target, |server| {
            server.looked = Some(now);
            let Some(loaded) = loaded else { return };
            let is_free = |name: &str, state: &ModelState| state.under_way <= usize::from(is_asking && name == own);
            for (_, state) in server.models.iter_mut().filter(|(name, state)| is_free(name, state)) {
                (state.is_loaded, state.context) = (false, None);
            }
            for (model, context) in loaded {
                let state = server.model(&model);
                let shows_default = state.is_by_default && state.shows_default(context);
                state.context = state.context.or(context);
                state.is_loaded = true;
                server.default = if shows_default { context } else { server.default };
            }
            for state in server.models.values_mut().filter(|state| !state.is_loaded && state.context.is_none()) {
                state.raised = 0;
            }
        });
    }

    /// What the server says of the model, if it did.
    pub(super) fn saw_facts(&self, target: &Target, facts: Option<Facts>, now: Instant) {
        self.with(target, |server| {
            let state = server.model(&target.model);
            state.facts = Some((facts.or(state.facts()), now));
        });
    }

    /// A request asks for this context. `is_own_wish`: the client does, not we for it.
    pub(super) fn asks(&self, target: &Target, context: u64, is_own_wish: bool) {
        self.with(target, |server| {
            let state = server.model(&target.model);
            let context = state.facts().and_then(|facts| facts.longest).map_or(context, |longest| context.min(longest));
            (state.context, state.is_by_default) = (Some(context), false);
            state.raised = if is_own_wish { state.raised } else { state.raised.max(context) };
        });
    }

    /// The server doesn't answer just now.
    pub(super) fn rests(&self, target: &Target, now: Instant) {
        self.with(target, |server| server.failed = Some(now));
    }

    /// A try failed. Where the server is at fault it rests, and what was asked for may not be there.
    pub(super) fn failed(&self, target: &Target, class: Class, now: Instant) {
        let is_its_fault = matches!(
            class,
            Class::ProviderDown | Class::Timeout | Class::BadAnswer | Class::CutAnswer | Class::Overloaded
        );
        self.with(target, |server| {
            server.failed = if is_its_fault { Some(now) } else { server.failed };
            if is_its_fault && class != Class::Overloaded {
                let state = server.model(&target.model);
                (state.is_loaded, state.context, state.raised) = (false, None, 0);
            }
        });
    }

    /// The server answers. `stays`: the model stays loaded after it.
    pub(super) fn answered(&self, target: &Target, stays: bool) {
        self.with(target, |server| {
            server.failed = None;
            let state = server.model(&target.model);
            (state.is_loaded, state.is_by_default) = (stays, stays && state.context.is_none());
            if !stays {
                (state.context, state.raised) = (None, 0);
            }
        });
    }

    /// The model counted so many tokens where so many were estimated at the most. More than ever counts at once, fewer
    /// little by little.
    pub(super) fn counted(&self, target: &Target, counted: u64, most: u64) {
        if counted < COUNTED_MIN || most == 0 {
            return;
        }
        let now = (counted as f64 / most as f64).clamp(RATIO_MIN, RATIO_MAX);
        self.with(target, |server| {
            let state = server.model(&target.model);
            state.ratio = Some(state.ratio.map_or(now, |before| now.max(before + (now - before) / 4.0)));
        });
    }

    /// A request is under way there, until what this gives is dropped.
    pub(super) fn enter(self: &Arc<Servers>, target: &Target, now: Instant) -> Turn {
        self.with(target, |server| {
            server.under_way += 1;
            let state = server.model(&target.model);
            (state.under_way, state.used) = (state.under_way + 1, Some(now));
        });
        Turn { servers: Arc::clone(self), target: target.clone(), counting: OnceLock::new() }
    }

    fn leave(&self, target: &Target, now: Instant) {
        self.with(target, |server| {
            server.under_way = server.under_way.saturating_sub(1);
            let state = server.model(&target.model);
            (state.under_way, state.used) = (state.under_way.saturating_sub(1), Some(now));
        });
    }
}

/// A request under way at a server: it counts until this is dropped, however it ends.
#[derive(Debug)]
pub(super) struct Turn {
    servers: Arc<Servers>,
    target: Target,
    counting: OnceLock<Counting>,
}

/// What the answer's count of its prompt is to be held against.
#[derive(Debug)]
struct Counting {
    meter: Arc<Meter>,
    prompt: Estimate,
    /// The context that was asked for.
    context: Option<u64>,
    /// The server was told not to cut.
    is_whole: bool,
}

impl Turn {
    /// What the answer will tell of its prompt is to be held against this estimate.
    pub(super) fn count(&self, meter: &Arc<Meter>, prompt: Estimate, context: Option<u64>, is_whole: bool) {
        let _ = self.counting.set(Counting { meter: Arc::clone(meter), prompt, context, is_whole });
    }

    fn learn(&self) {
        let Some(Counting { meter, prompt, context, is_whole }) = self.counting.get() else { return };
        let Some(counted) = meter.tokens().0 else { return };
        let may_be_cut = context.is_some_and(|context| prompt.most >= context);
        if may_be_cut && counted < prompt.least {
            let (server, model) = (&self.target.provider.prefix, &self.target.model);
            tracing::warn!(
                "'{server}' seems to have cut a prompt for '{model}': it counted {counted} tokens of at least {}",
                prompt.least
            );
        } else if *is_whole || !may_be_cut {
            self.servers.counted(&self.target, counted, prompt.most);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.learn();
        self.servers.leave(&self.target, Instant::now());
    }
}

#[cfg(test)]
#[path = "loaded_tests.rs"]
mod tests;
