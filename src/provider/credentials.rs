//! The keys of a provider: choose one, let it rest, retire it. Plain code over a clock value.
//!
//! A retired key is not used again, with one exception: when all keys of a provider are retired, each may be tried once every
//! ten minutes, so that an account put right works again without a restart.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::chat::{Class, Failure, Scope};

/// The keys of one provider, and how each is doing.
#[derive(Debug, Default)]
pub struct Pool {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    keys: Vec<Key>,
    /// The number of the first key. It grows when the keys are replaced, so that what is told of an earlier key meets no other.
    first: usize,
    /// Where the next choice begins to look.
    next: usize,
}

impl Inner {
    fn by_number(&mut self, number: usize) -> Option<&mut Key> {
        self.keys.get_mut(number.checked_sub(self.first)?)
    }
}

/// A key or token.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The secret; never printed. Empty where a provider needs none: then nothing is sent.
    pub secret: SecretString,
    /// An OAuth token rather than a key.
    pub is_token: bool,
}

/// What the pool has for a request.
#[derive(Debug, Clone)]
pub enum Choice {
    /// This one, under this number.
    Use(usize, Credential),
    /// All that were not tried rest at least that long.
    Resting(Duration),
    /// There is none left that was not tried, or all are retired.
    Empty,
}

/// How a key is doing, for people to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyState {
    /// The key's first and last characters where it is long, else its number.
    pub name: String,
    /// What it is doing.
    pub standing: Standing,
    /// Why it is not free.
    pub reason: Option<&'static str>,
    /// How long it rests yet.
    pub rests_for: Option<Duration>,
    /// Models that it rests for, and how long yet.
    pub models: Vec<(String, Duration)>,
}

/// What a key is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It can be used, but perhaps not for every model.
    Free,
    /// Not now.
    Resting,
    /// Not until it is put right.
    Retired,
}

#[derive(Debug)]
struct Key {
    credential: Credential,
    fingerprint: [u8; 32],
    health: Health,
}

/// What outlives a pool that is built anew.
#[derive(Debug, Clone, Default)]
struct Health {
    rest: Option<Rest>,
    models: HashMap<String, Rest>,
    retired: Option<Rest>,
    /// Refusals without a known reason, in a row.
    refusals: u32,
    /// Failures for want of money, in a row.
    without_money: u32,
}

#[derive(Debug, Clone, Copy)]
struct Rest {
    /// For a retired key: when it may be tried again should all be retired.
    until: Instant,
    class: Class,
    /// How often in a row.
    times: u32,
}

/// A retired key may be tried again after this, when all are.
const PROBATION: Duration = Duration::from_secs(600);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The first rest after too many requests, when the provider tells none; it doubles up to [`BACKOFF_MAX`].
const BACKOFF: Duration = Duration::from_secs(5);
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// A 401 may be a provider's hiccup, a 403 its view of this host's address: neither retires a key at once.
const BARE_401_MAX: u32 = 2;
const BARE_403_MAX: u32 = 3;
/// Keys at least that long are looked for in what providers say.
const SECRET_MIN: usize = 6;
/// Models that one key rests for; their names come from clients.
const MODELS_MAX: usize = 1000;

impl Pool {
    /// A pool of these keys. A pool of none is that of a provider that needs none: it gives an empty key once a request.
    pub fn new(credentials: Vec<Credential>) -> Pool {
        let key = |credential: Credential| Key {
            fingerprint: Sha256::digest(credential.secret.expose_secret().as_bytes()).into(),
            credential,
            health: Health::default(),
        };
        let keys = credentials.into_iter().map(key).collect();
        Pool { inner: Mutex::new(Inner { keys, first: 0, next: 0 }) }
    }

    /// Takes over what the old pool knows of keys that are in both: a file of keys was read again.
    pub fn adopt(&self, old: &Pool) {
        let known: HashMap<[u8; 32], Health> =
            old.lock().keys.iter().map(|key| (key.fingerprint, key.health.clone())).collect();
        for key in &mut self.lock().keys {
            if let Some(health) = known.get(&key.fingerprint) {
                key.health = health.clone();
            }
        }
    }

    /// Takes another pool's keys in place of its own, and keeps what is known of those that are in both.
    pub fn replace(&self, new: &Pool) {
        new.adopt(self);
        let keys = std::mem::take(&mut new.lock().keys);
        let mut inner = self.lock();
        inner.first += inner.keys.len();
        inner.keys = keys;
        inner.next = 0;
    }

    /// Every key with its name for people; a provider that needs none has one empty key.
    pub fn all(&self, now: Instant) -> Vec<(String, Credential)> {
        let inner = self.lock();
        if inner.keys.is_empty() {
            return vec![(String::new(), no_key())];
        }
        inner.keys.iter().enumerate().map(|(i, key)| (key.state(i, now).name, key.credential.clone())).collect()
    }

    /// A provider's words without any of the keys.
    pub fn without_keys<'a>(&self, words: &'a str) -> Cow<'a, str> {
        let mut words = Cow::Borrowed(words);
        for key in &self.lock().keys {
            let secret = key.credential.secret.expose_secret();
            // A shorter one could be any word.
            if secret.len() >= SECRET_MIN && words.contains(secret) {
                words = Cow::Owned(words.replace(secret, "[key]"));
            }
        }
        words
    }

    /// A provider's words without any of the keys, whole or masked by the provider (`sk-abc***xyz`).
    pub fn redacted(&self, words: &str) -> String {
        let words = self.without_keys(words);
        let is_masked = |word: &str| word.contains("***") && word.chars().any(|c| c.is_ascii_alphanumeric());
        words.split(' ').map(|word| if is_masked(word) { "[key]" } else { word }).collect::<Vec<_>>().join(" ")
    }

    /// The next key for a model, in turn, passing over those in `tried` and those that rest.
    pub fn choose(&self, model: &str, tried: &[usize], now: Instant) -> Choice {
        let mut inner = self.lock();
        let count = inner.keys.len();
        if count == 0 {
            return keyless(tried);
        }
        let all_retired = inner.keys.iter().all(|key| key.health.retired.is_some());
        let mut shortest: Option<Duration> = None;
        for index in (0..count).map(|step| (inner.next + step) % count) {
            let number = inner.first + index;
            let Some(key) = inner.keys.get(index).filter(|_| !tried.contains(&number)) else { continue };
            match key.health.rests_for(model, all_retired, now) {
                Some(wait) if wait.is_zero() => {
                    let credential = key.credential.clone();
                    inner.next = (index + 1) % count;
                    return Choice::Use(number, credential);
                }
                Some(wait) => shortest = Some(shortest.map_or(wait, |shortest| shortest.min(wait))),
                None => {}
            }
        }
        shortest.map_or(Choice::Empty, Choice::Resting)
    }

    /// A request with this key failed; lets it rest or retires it, by class and scope of the failure.
    pub fn failed(&self, key: usize, model: &str, failure: &Failure, now: Instant) {
        if let Some(key) = self.lock().by_number(key) {
            let spread = key.fingerprint.first().copied().unwrap_or_default();
            key.health.failed(model, failure, spread, now);
        }
    }

    /// A request with this key worked. A rest that another request has brought about goes on.
    pub fn worked(&self, key: usize, model: &str, now: Instant) {
        let mut inner = self.lock();
        let Some(key) = inner.by_number(key) else { return };
        let health = &mut key.health;
        (health.refusals, health.without_money, health.retired) = (0, 0, None);
        health.models.retain(|name, rest| name != model || rest.until > now);
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.lock().keys.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How each key is doing.
    pub fn state(&self, now: Instant) -> Vec<KeyState> {
        self.lock().keys.iter().enumerate().map(|(index, key)| key.state(index, now)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held; what stands there is whole in any case.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keyless(tried: &[usize]) -> Choice {
    if tried.contains(&0) {
        return Choice::Empty;
    }
    Choice::Use(0, no_key())
}

fn no_key() -> Credential {
    Credential { secret: SecretString::from(String::new()), is_token: false }
}

impl Health {
    /// Zero: it is free. None: it is retired.
    fn rests_for(&self, model: &str, all_retired: bool, now: Instant) -> Option<Duration> {
        let left = |rest: &Rest| rest.until.saturating_duration_since(now);
        if let Some(retired) = &self.retired {
            return (all_retired && left(retired).is_zero()).then_some(Duration::ZERO);
        }
        let whole = self.rest.as_ref().map_or(Duration::ZERO, left);
        Some(whole.max(self.models.get(model).map_or(Duration::ZERO, left)))
    }

    /// `spread` sets keys that fail together apart.
    fn failed(&mut self, model: &str, failure: &Failure, spread: u8, now: Instant) {
        let wait = failure.retry_after;
        match failure.class {
            Class::KeyDead => self.retire(failure.class, now),
            Class::KeyRefused => self.refused(failure, now),
            Class::NoMoney => {
                let doubled = doubled(HOUR, self.without_money, DAY);
                self.without_money = self.without_money.saturating_add(1);
                self.rest(failure, model, wait.unwrap_or(doubled), now);
            }
            Class::QuotaSpent => self.rest(failure, model, wait.unwrap_or(HOUR), now),
            Class::ModelRefused => self.rest(failure, model, wait.unwrap_or(DAY), now),
            Class::RateLimited => {
                let backoff = doubled(BACKOFF, self.times(failure.scope, model), BACKOFF_MAX);
                self.rest(failure, model, wait.unwrap_or(backoff) + backoff * u32::from(spread) / 1024, now);
            }
            // The key has no part in these.
            Class::BadRequest
            | Class::TooLarge
            | Class::NoRoute
            | Class::Unauthorized
            | Class::Forbidden
            | Class::UnknownModel
            | Class::NoKey
            | Class::ContextTooLong
            | Class::Blocked
            | Class::UnsupportedParameter
            | Class::Overloaded
            | Class::ProviderDown
            | Class::Timeout
            | Class::BadAnswer
            | Class::CutAnswer
            | Class::Loop
            | Class::Unsupported
            | Class::Internal => {}
        }
    }

    fn retire(&mut self, class: Class, now: Instant) {
        self.retired = Some(Rest { until: now + PROBATION, class, times: 1 });
    }

    /// Refused without a known reason.
    fn refused(&mut self, failure: &Failure, now: Instant) {
        self.refusals = self.refusals.saturating_add(1);
        let is_bare_401 = failure.status == 401;
        let limit = if is_bare_401 { BARE_401_MAX } else { BARE_403_MAX };
        if self.refusals >= limit || self.retired.is_some() {
            self.retire(failure.class, now);
        } else if let Some(wait) = failure.retry_after.or((!is_bare_401).then_some(HOUR)) {
            self.rest(failure, "", wait, now);
        }
    }

    fn times(&self, scope: Scope, model: &str) -> u32 {
        let rest = if scope == Scope::CredentialModel { self.models.get(model) } else { self.rest.as_ref() };
        rest.map_or(0, |rest| rest.times)
    }

    fn rest(&mut self, failure: &Failure, model: &str, wait: Duration, now: Instant) {
        let times = self.times(failure.scope, model).saturating_add(1);
        let rest = Rest { until: now + wait.min(DAY), class: failure.class, times };
        match failure.scope {
            Scope::Credential => self.rest = Some(rest),
            Scope::CredentialModel => {
                self.make_room(now);
                self.models.insert(model.to_owned(), rest);
            }
            Scope::Request | Scope::Model | Scope::Provider => {}
        }
    }

    fn make_room(&mut self, now: Instant) {
        if self.models.len() >= MODELS_MAX {
            self.models.retain(|_, rest| rest.until > now);
        }
        if self.models.len() >= MODELS_MAX {
            let soonest = self.models.iter().min_by_key(|(_, rest)| rest.until).map(|(name, _)| name.clone());
            soonest.and_then(|name| self.models.remove(&name));
        }
    }
}

/// `first` doubled `times` times, at most `longest`.
fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(longest)
}

impl Key {
    fn state(&self, index: usize, now: Instant) -> KeyState {
        let left = |rest: &Rest| Some(rest.until.saturating_duration_since(now)).filter(|left| !left.is_zero());
        let health = &self.health;
        let resting = health.rest.as_ref().and_then(|rest| Some((rest, left(rest)?)));
        let (standing, reason, rests_for) = match (&health.retired, resting) {
            (Some(retired), _) => (Standing::Retired, Some(reason(retired.class)), None),
            (None, Some((rest, left))) => (Standing::Resting, Some(reason(rest.class)), Some(left)),
            (None, None) => (Standing::Free, None, None),
        };
        let mut models: Vec<(String, Duration)> =
            health.models.iter().filter_map(|(name, rest)| Some((name.clone(), left(rest)?))).collect();
        models.sort();
        KeyState { name: masked(self.credential.secret.expose_secret(), index), standing, reason, rests_for, models }
    }
}

fn reason(class: Class) -> &'static str {
    match class {
        Class::KeyDead => "the provider does not know it",
        Class::KeyRefused => "the provider refuses it",
        Class::NoMoney => "no money left",
        Class::QuotaSpent => "quota spent",
        Class::RateLimited => "too many requests",
        Class::ModelRefused => "not for this model",
        _ => "failed",
    }
}

/// Enough of a long key to tell it from others and too little to use it.
fn masked(secret: &str, index: usize) -> String {
    match (secret.get(..3), secret.len().checked_sub(4).and_then(|at| secret.get(at..))) {
        (Some(start), Some(end)) if secret.len() >= 20 => format!("{start}…{end}"),
        _ => format!("key {}", index + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(count: usize) -> Pool {
        let key =
            |index: usize| Credential { secret: SecretString::from(format!("sk-test-{index:020}")), is_token: false };
        Pool::new((0..count).map(key).collect())
    }

    fn chosen(pool: &Pool, tried: &[usize], now: Instant) -> Option<usize> {
        match pool.choose("m", tried, now) {
            Choice::Use(index, _) => Some(index),
            Choice::Resting(_) | Choice::Empty => None,
        }
    }

    fn failure(class: Class, status: u16, wait: Option<u64>) -> Failure {
        let mut failure = Failure::new(class, "no").with_status(status);
        failure.retry_after = wait.map(Duration::from_secs);
        failure
    }

    fn after(now: Instant, secs: u64) -> Instant {
        now + Duration::from_secs(secs)
    }

    #[test]
    fn keys_take_turns() {
        let (pool, now) = (pool(5), Instant::now());
        let mut uses = [0; 5];
        for _ in 0..2000 {
            uses[chosen(&pool, &[], now).unwrap()] += 1;
        }
        assert_eq!(uses, [400; 5]);
        assert_eq!((pool.len(), pool.is_empty()), (5, false));
    }

    #[test]
    fn tried_keys_are_passed_over() {
        let (pool, now) = (pool(3), Instant::now());
        assert_eq!(chosen(&pool, &[0, 2], now), Some(1));
        assert!(matches!(pool.choose("m", &[0, 1, 2], now), Choice::Empty));
    }

    #[test]
    fn a_rest_covers_what_its_scope_says() {
        let (pool, now) = (pool(1), Instant::now());
        pool.failed(0, "m", &failure(Class::QuotaSpent, 429, Some(100)), now);
        assert!(matches!(pool.choose("m", &[], now), Choice::Resting(wait) if wait.as_secs() == 100));
        assert!(matches!(pool.choose("other", &[], now), Choice::Use(0, _)));
        let mut whole = failure(Class::QuotaSpent, 429, Some(50));
        whole.scope = Scope::Credential;
        pool.failed(0, "m", &whole, now);
        assert!(matches!(pool.choose("other", &[], now), Choice::Resting(wait) if wait.as_secs() == 50));
        assert!(matches!(pool.choose("m", &[], after(now, 100)), Choice::Use(0, _)));
    }

    #[test]
    fn what_is_not_the_keys_fault_leaves_it_free() {
        let (pool, now) = (pool(1), Instant::now());
        for class in [Class::ProviderDown, Class::Overloaded, Class::BadRequest, Class::ContextTooLong, Class::Blocked]
        {
            pool.failed(0, "m", &failure(class, 500, Some(60)), now);
        }
        assert_eq!(chosen(&pool, &[], now), Some(0));
    }

    #[test]
    fn too_many_requests_back_off_and_a_success_ends_that() {
        let (pool, mut now) = (pool(1), Instant::now());
        let limited = failure(Class::RateLimited, 429, None);
        for base in [5.0, 10.0, 20.0, 40.0, 60.0, 60.0] {
            pool.failed(0, "m", &limited, now);
            let Choice::Resting(wait) = pool.choose("m", &[], now) else { panic!("not resting") };
            assert!((base..base * 1.25).contains(&wait.as_secs_f64()), "{wait:?} for {base}");
            now += wait;
        }
        pool.worked(0, "m", now);
        pool.failed(0, "m", &limited, now);
        assert!(matches!(pool.choose("m", &[], now), Choice::Resting(wait) if wait.as_secs_f64() < 6.25));
    }

    #[test]
    fn want_of_money_rests_longer_each_time() {
        let (pool, mut now) = (pool(1), Instant::now());
        for hours in [1, 2, 4, 8, 16, 24, 24] {
            pool.failed(0, "m", &failure(Class::NoMoney, 402, None), now);
            assert!(matches!(pool.choose("x", &[], now), Choice::Resting(wait) if wait.as_secs() == hours * 3600));
            now = after(now, hours * 3600);
        }
    }

    #[test]
    fn dead_keys_retire_and_the_others_go_on() {
        let (pool, now) = (pool(2), Instant::now());
        pool.failed(0, "m", &failure(Class::KeyDead, 401, None), now);
        for _ in 0..4 {
            assert_eq!(chosen(&pool, &[], after(now, 100_000)), Some(1));
        }
        assert!(matches!(pool.choose("m", &[1], now), Choice::Empty));
    }

    #[test]
    fn when_all_are_retired_each_has_a_chance_every_ten_minutes() {
        let (pool, now) = (pool(1), Instant::now());
        pool.failed(0, "m", &failure(Class::KeyDead, 401, None), now);
        assert!(matches!(pool.choose("m", &[], after(now, 599)), Choice::Empty));
        assert_eq!(chosen(&pool, &[], after(now, 600)), Some(0));
        pool.failed(0, "m", &failure(Class::KeyRefused, 401, None), after(now, 600));
        assert!(matches!(pool.choose("m", &[], after(now, 601)), Choice::Empty));
        assert_eq!(chosen(&pool, &[], after(now, 1200)), Some(0));
        pool.worked(0, "m", after(now, 1200));
        assert_eq!(chosen(&pool, &[], after(now, 1201)), Some(0));
    }

    #[test]
    fn a_refusal_without_a_reason_retires_only_in_a_row() {
        let (pool, now) = (pool(1), Instant::now());
        let bare = failure(Class::KeyRefused, 401, None);
        pool.failed(0, "m", &bare, now);
        assert_eq!(chosen(&pool, &[], now), Some(0));
        pool.worked(0, "m", now);
        pool.failed(0, "m", &bare, now);
        assert_eq!(chosen(&pool, &[], now), Some(0));
        pool.failed(0, "m", &bare, now);
        assert!(matches!(pool.choose("m", &[], now), Choice::Empty));
    }

    #[test]
    fn a_403_rests_an_hour_and_retires_at_the_third() {
        let (pool, now) = (pool(1), Instant::now());
        let forbidden = failure(Class::KeyRefused, 403, None);
        for round in 0..2 {
            pool.failed(0, "m", &forbidden, after(now, round * 3600));
            let choice = pool.choose("m", &[], after(now, round * 3600));
            assert!(matches!(choice, Choice::Resting(wait) if wait.as_secs() == 3600));
        }
        pool.failed(0, "m", &forbidden, after(now, 7200));
        assert!(matches!(pool.choose("m", &[], after(now, 7200)), Choice::Empty));
    }

    #[test]
    fn who_needs_no_key_gets_an_empty_one_once() {
        let (pool, now) = (Pool::new(Vec::new()), Instant::now());
        assert!(matches!(pool.choose("m", &[], now), Choice::Use(0, c) if c.secret.expose_secret().is_empty()));
        assert!(matches!(pool.choose("m", &[0], now), Choice::Empty));
        pool.failed(0, "m", &failure(Class::KeyDead, 401, None), now);
        assert!(pool.is_empty());
        assert!(matches!(pool.choose("m", &[], now), Choice::Use(0, _)));
    }

    #[test]
    fn known_keys_keep_their_state_in_a_new_pool() {
        let (old, new, now) = (pool(2), pool(3), Instant::now());
        old.failed(1, "m", &failure(Class::KeyDead, 401, None), now);
        new.adopt(&old);
        let standings: Vec<Standing> = new.state(now).iter().map(|key| key.standing).collect();
        assert_eq!(standings, [Standing::Free, Standing::Retired, Standing::Free]);
    }

    #[test]
    fn what_becomes_of_a_request_with_an_old_key_is_not_put_to_a_new_one() {
        let (running, new, now) = (pool(1), Pool::new(vec![no_key()]), Instant::now());
        let old = chosen(&running, &[], now).unwrap();
        running.replace(&new);
        running.failed(old, "m", &failure(Class::KeyDead, 401, None), now);
        let next = chosen(&running, &[old], now).unwrap();
        running.failed(next, "m", &failure(Class::KeyDead, 401, None), now);
        assert!(matches!(running.choose("m", &[], now), Choice::Empty));
    }

    #[test]
    fn the_state_shows_no_secret() {
        let now = Instant::now();
        let secrets = ["sk-abcdefghijklmnopWXYZ", "short-key"];
        let pool = Pool::new(
            secrets.map(|s| Credential { secret: SecretString::from(s.to_owned()), is_token: false }).to_vec(),
        );
        pool.failed(0, "m", &failure(Class::NoMoney, 402, None), now);
        pool.failed(1, "gpt", &failure(Class::QuotaSpent, 429, Some(9)), now);
        let state = pool.state(now);
        assert_eq!((state[0].name.as_str(), state[0].reason), ("sk-…WXYZ", Some("no money left")));
        assert_eq!((state[1].name.as_str(), state[1].standing), ("key 2", Standing::Free));
        assert_eq!(state[1].models, [("gpt".to_owned(), Duration::from_secs(9))]);
        assert!(!format!("{pool:?}").contains("abcdef"));
    }

    proptest::proptest! {
        #[test]
        fn no_resting_key_is_handed_out_while_another_is_free(
            steps in proptest::collection::vec((0usize..5, 0u8..4, 1u64..200), 1..60),
        ) {
            let (pool, start) = (pool(5), Instant::now());
            let mut until = [start; 5];
            let mut now = start;
            for (key, what, secs) in steps {
                match what {
                    0 => now = after(now, secs),
                    1 => {
                        pool.failed(key, "m", &failure(Class::QuotaSpent, 429, Some(secs)), now);
                        until[key] = after(now, secs);
                    }
                    2 => pool.worked(key, "m", now),
                    _ => {}
                }
                let free: Vec<usize> = (0..5).filter(|key| until[*key] <= now).collect();
                match pool.choose("m", &[], now) {
                    Choice::Use(index, _) => proptest::prop_assert!(free.contains(&index)),
                    Choice::Resting(wait) => {
                        proptest::prop_assert!(free.is_empty());
                        proptest::prop_assert_eq!(now + wait, *until.iter().min().unwrap());
                    }
                    Choice::Empty => proptest::prop_assert!(false, "none is retired"),
                }
            }
        }
    }
}
