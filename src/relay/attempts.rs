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
    /// It goes to a local server, and another one could be asked instead.
    pub has_other_server: bool,
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

    /// Is the present target a local server, and is there another to go to?
    fn has_other_server(&self) -> bool {
        let is_local = |place: usize| self.route.targets.get(place).is_some_and(|target| target.provider.is_local);
        is_local(self.target) && is_local(self.target + 1)
    }

    /// The failures so far, one word each, for the log.
    pub fn reasons(&self) -> Vec<&'static str> {
        self.failures.iter().map(|failed| failed.failure.class.name()).collect()
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
                    let has_other_server = self.has_other_server();
                    return Next::Send(Try { target: target.clone(), key, credential, pause, has_other_server });
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
        let is_silent = class == Class::Timeout && self.has_other_server();
        match after(class) {
            After::NextKey => self.tried.push(key),
            // It was waited for long enough.
            After::Retry if is_silent => self.leave(),
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
        let Some(last) = self.failures.last() else {
            let late = || Failure::new(Class::Timeout, "the time for this request was over before it could be sent");
            return if self.is_over { late() } else { self.no_key() };
        };
        let has_keys = self.route.targets.get(last.target).is_some_and(|target| !target.provider.pool.is_empty());
        if after(last.failure.class) != After::NextKey || !has_keys {
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
        let name = format!("provider '{}': ", provider.prefix);
        let words = told.map(|failure| failure.message.strip_prefix(&name).unwrap_or(&failure.message));
        let said = words.map_or_else(String::new, |words| format!("; it said: {words}"));
        let keys = provider.pool.len();
        verdict.message = format!("{name}none of its {keys} key(s) could answer ({tried}){wait}{said}");
        verdict
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use secrecy::ExposeSecret;

    use super::*;
    use crate::provider::Provider;

    fn route(providers: &[(&str, &[&str])]) -> Route {
        let target = |(prefix, keys): &(&str, &[&str])| Target {
            provider: Arc::new(Provider::sample(prefix, keys)),
            model: "m".to_owned(),
        };
        Route { targets: providers.iter().map(target).collect() }
    }

    /// Plays a story: each failure answers one try; says what was tried and how it ended.
    fn play(route: Route, failures: Vec<Failure>) -> (Vec<String>, Option<Failure>) {
        let now = Instant::now();
        let mut attempts = Attempts::new(route, now + Duration::from_secs(600));
        let mut failures = failures.into_iter();
        let mut tried = Vec::new();
        loop {
            match attempts.next(now) {
                Next::GiveUp(failure) => return (tried, Some(failure)),
                Next::Send(attempt) => {
                    let pause = if attempt.pause.is_zero() { "" } else { " later" };
                    let secret = attempt.credential.secret.expose_secret();
                    tried.push(format!("{} {secret}{pause}", attempt.target.provider.prefix));
                    match failures.next() {
                        Some(failure) => attempts.failed(attempt.key, failure, now),
                        None => return (tried, None),
                    }
                }
            }
        }
    }

    fn fails(class: Class) -> Failure {
        Failure::new(class, "its words")
    }

    #[test]
    fn a_key_that_fails_makes_room_for_the_next_at_once() {
        let story = vec![fails(Class::KeyDead), fails(Class::NoMoney), fails(Class::RateLimited)];
        let (tried, end) = play(route(&[("a", &["k1", "k2", "k3", "k4"])]), story);
        assert_eq!(tried, ["a k1", "a k2", "a k3", "a k4"]);
        assert!(end.is_none());
    }

    #[test]
    fn when_no_key_could_answer_it_says_who_and_how_many() {
        let mut limited = fails(Class::RateLimited);
        limited.retry_after = Some(Duration::from_secs(7));
        let (tried, end) = play(route(&[("a", &["k1", "k2"])]), vec![fails(Class::KeyDead), limited]);
        assert_eq!(tried, ["a k1", "a k2"]);
        let end = end.unwrap();
        assert_eq!((end.class, end.status, end.retry_after), (Class::RateLimited, 429, Some(Duration::from_secs(7))));
        let want =
            "provider 'a': none of its 2 key(s) could answer (2 tried now); try again in 7 s; it said: its words";
        assert_eq!(end.message, want);
    }

    #[test]
    fn a_provider_that_fails_gets_one_more_try_then_the_next_target() {
        let story = vec![fails(Class::ProviderDown), fails(Class::Timeout), fails(Class::Overloaded)];
        let (tried, end) = play(route(&[("a", &["k1"]), ("b", &["k2"])]), story);
        assert_eq!(tried, ["a k1", "a k1 later", "b k2", "b k2 later"]);
        assert!(end.is_none());
    }

    #[test]
    fn what_is_wrong_with_the_request_is_told_at_once() {
        for class in [Class::BadRequest, Class::ContextTooLong, Class::Blocked] {
            let (tried, end) = play(route(&[("a", &["k1", "k2"]), ("b", &["k3"])]), vec![fails(class)]);
            assert_eq!(tried, ["a k1"]);
            assert_eq!(end.map(|failure| failure.class), Some(class));
        }
    }

    #[test]
    fn a_target_without_the_model_leads_to_the_next() {
        let (tried, end) = play(route(&[("a", &["k1", "k2"]), ("b", &["k3"])]), vec![fails(Class::UnknownModel)]);
        assert_eq!(tried, ["a k1", "b k3"]);
        assert!(end.is_none());
    }

    #[test]
    fn nothing_begins_after_the_deadline() {
        let now = Instant::now();
        let mut attempts = Attempts::new(route(&[("a", &["k1"])]), now);
        let next = attempts.next(now + Duration::from_secs(1));
        assert!(matches!(next, Next::GiveUp(Failure { class: Class::Timeout, .. })));
        assert_eq!(attempts.count(), 0);
    }
}
