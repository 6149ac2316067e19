//! What to try next: which target, which key, when, and when to stop. Plain code over values; nothing here waits.

use std::time::{Duration, Instant};

use crate::catalogue::{Route, Target};
use crate::chat::{Class, Failure, Fault};
use crate::provider::credentials::{Choice, Credential};

/// The pause before the one retry of a request that a provider failed on.
const BACKOFF: Duration = Duration::from_millis(250);

/// The tries of one request.
#[derive(Debug)]
pub struct Attempts {
    route: Route,
    target: usize,
    deadline: Instant,
    /// Keys that were tried at the present target.
    tried: Vec<usize>,
    is_retried: bool,
    pause: Duration,
    count: u32,
    /// Every failure so far.
    failures: Vec<Failed>,
    is_over: bool,
}

#[derive(Debug, Clone)]
struct Failed {
    target: usize,
    failure: Failure,
    /// A provider said so; else nothing was sent since all keys rest.
    was_sent: bool,
}

/// What a failure asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// The same target with another key, at once.
    NextKey,
    /// The same once more after a pause, then the next target.
    Retry,
    /// The next target.
    NextTarget,
    /// The client must know.
    Stop,
}

/// By class of failure (product contract: one retry on a connection error or 5xx, 429 and refused keys go to the next key at
/// once).
fn after(class: Class) -> After {
    match class {
        Class::KeyDead
        | Class::KeyRefused
        | Class::NoMoney
        | Class::QuotaSpent
        | Class::RateLimited
        | Class::ModelRefused => After::NextKey,
        Class::Overloaded | Class::ProviderDown | Class::Timeout | Class::BadAnswer | Class::CutAnswer => After::Retry,
        Class::UnknownModel | Class::NoKey | Class::Unsupported => After::NextTarget,
        Class::BadRequest
        | Class::TooLarge
        | Class::NoRoute
        | Class::Unauthorized
        | Class::Forbidden
        | Class::ContextTooLong
        | Class::Blocked
        | Class::UnsupportedParameter
        | Class::Loop
        | Class::Internal => After::Stop,
    }
}

/// What to do now.
#[derive(Debug)]
pub enum Next {
    /// Send the request there.
    Send(Try),
    /// Tell the client.
    GiveUp(Failure),
}

/// One try.
#[derive(Debug)]
pub struct Try {
    /// Where to.
    pub target: Target,
    /// The key's number in the pool, and the key.
    pub key: usize,
    /// The key itself; its secret is empty where none is needed.
    pub credential: Credential,
    /// To wait for before.
    pub pause: Duration,
}

impl Attempts {
    /// For a route; no try begins after `deadline`.
    pub fn new(route: Route, deadline: Instant) -> Attempts {
        Attempts {
            route,
            target: 0,
            deadline,
            tried: Vec::new(),
            is_retried: false,
            pause: Duration::ZERO,
            count: 0,
            failures: Vec::new(),
            is_over: false,
        }
    }

    /// How many requests were sent.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The failures so far, one word each, for the log.
    pub fn reasons(&self) -> Vec<String> {
        self.failures.iter().map(|failed| format!("{:?}", failed.failure.class)).collect()
    }

    /// What to do now.
    pub fn next(&mut self, now: Instant) -> Next {
        while let Some(target) = self.route.targets.get(self.target).filter(|_| !self.is_over) {
            let pause = std::mem::take(&mut self.pause);
            if now + pause > self.deadline {
                self.is_over = true;
                break;
            }
            match target.provider.pool.choose(&target.model, &self.tried, now) {
                Choice::Use(key, credential) => {
                    self.count += 1;
                    return Next::Send(Try { target: target.clone(), key, credential, pause });
                }
                Choice::Resting(rest) => self.rest(rest),
                Choice::Empty => self.leave(),
            }
        }
        Next::GiveUp(self.verdict())
    }

    /// The try failed, before anything reached the client.
    pub fn failed(&mut self, key: usize, failure: Failure, now: Instant) {
        let Some(target) = self.route.targets.get(self.target) else { return };
        target.provider.pool.failed(key, &target.model, &failure, now);
        let class = failure.class;
        self.failures.push(Failed { target: self.target, failure, was_sent: true });
        match after(class) {
            After::NextKey => self.tried.push(key),
            After::Retry if !self.is_retried => {
                self.is_retried = true;
                self.pause = BACKOFF;
            }
            After::Retry | After::NextTarget => self.leave(),
            After::Stop => self.is_over = true,
        }
    }

    /// All keys that were not tried rest.
    fn rest(&mut self, rest: Duration) {
        let message = "all its keys are resting after they were refused or over their limit";
        let mut failure = Failure::new(Class::RateLimited, message);
        failure.retry_after = Some(rest);
        self.failures.push(Failed { target: self.target, failure, was_sent: false });
        self.leave();
    }

    fn leave(&mut self) {
        self.target += 1;
        self.tried.clear();
        self.is_retried = false;
        self.pause = Duration::ZERO;
    }

    /// The failure that says most to the client: what the last target answered, or, where the keys are at fault, what was
    /// tried.
    fn verdict(&self) -> Failure {
        let Some(last) = self.failures.last() else { return self.no_key() };
        if after(last.failure.class) != After::NextKey {
            return last.failure.clone();
        }
        let of_target: Vec<&Failed> = self.failures.iter().filter(|failed| failed.target == last.target).collect();
        self.keys_failed(last, &of_target)
    }

    fn no_key(&self) -> Failure {
        let Some(target) = self.route.targets.first() else {
            return Failure::new(Class::Internal, "there is nowhere to send the request");
        };
        let provider = &target.provider;
        if !provider.pool.is_empty() {
            let keys = provider.pool.len();
            let message =
                format!("provider '{}': its {keys} key(s) were all refused; see `polyllama check`", provider.prefix);
            return Failure::new(Class::KeyDead, message).with_code("no_working_key");
        }
        let variable = provider.key_env.first().map_or("a key", String::as_str);
        Failure::new(Class::NoKey, format!("provider '{}' has no key: set {variable}", provider.prefix))
    }

    fn keys_failed(&self, last: &Failed, failed: &[&Failed]) -> Failure {
        let Some(target) = self.route.targets.get(last.target) else { return last.failure.clone() };
        let provider = &target.provider;
        let told = failed.iter().rev().find(|failed| failed.was_sent).map(|failed| &failed.failure);
        let wait = failed.iter().filter_map(|failed| failed.failure.retry_after).min();
        let mut verdict = told.unwrap_or(&last.failure).clone();
        verdict.fault = Fault::Gateway;
        verdict.told = None;
        verdict.retry_after = wait;
        if failed.iter().any(|failed| matches!(failed.failure.class, Class::RateLimited | Class::QuotaSpent)) {
            verdict.class = Class::RateLimited;
            verdict.status = 429;
        }
        let sent = failed.iter().filter(|failed| failed.was_sent).count();
        let tried = if sent == 0 { "all of them are resting".to_owned() } else { format!("{sent} tried now") };
        let wait = wait.map_or_else(String::new, |wait| format!("; try again in {} s", wait.as_secs().max(1)));
        let said = told.map_or_else(String::new, |failure| format!("; it said: {}", failure.message));
        let keys = provider.pool.len();
        verdict.message =
            format!("provider '{}': none of its {keys} key(s) could answer ({tried}){wait}{said}", provider.prefix);
        verdict
    }
}
