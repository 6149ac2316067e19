//! What is learned of an answer while it flows, shared between the body that flows and the record that is written after it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::chat::{Class, Failure, Usage};

/// Gathers times, counts and the way an answer ended.
#[derive(Debug)]
pub struct Meter {
    started: Instant,
    /// Nanoseconds from the start to the first content; 0 before it.
    first_content: AtomicU64,
    prompt: AtomicU64,
    completion: AtomicU64,
    dropped: AtomicU64,
    outcome: AtomicU8,
    broken: Mutex<Option<Class>>,
    attempts: AtomicU32,
    /// Where the last try went.
    used: Mutex<String>,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is whole.
    Finished,
    /// It broke off after content had left.
    Broken,
    /// The client went away first.
    Left,
}

impl Default for Meter {
    fn default() -> Meter {
        Meter {
            started: Instant::now(),
            first_content: AtomicU64::new(0),
            prompt: AtomicU64::new(u64::MAX),
            completion: AtomicU64::new(u64::MAX),
            dropped: AtomicU64::new(0),
            outcome: AtomicU8::new(0),
            broken: Mutex::new(None),
            attempts: AtomicU32::new(0),
            used: Mutex::new(String::new()),
        }
    }
}

impl Meter {
    /// A try begins; `used` is the model, as `prefix:id`.
    pub fn tried(&self, used: String) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut last) = self.used.lock() {
            *last = used;
        }
    }

    /// How many tries there were, and where the last one went.
    pub fn tries(&self) -> (u32, String) {
        let used = self.used.lock().map(|used| used.clone()).unwrap_or_default();
        (self.attempts.load(Ordering::Relaxed), used)
    }

    /// Content goes to the client now.
    pub fn content(&self) {
        if self.first_content.load(Ordering::Relaxed) == 0 {
            let elapsed = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1);
            self.first_content.store(elapsed, Ordering::Relaxed);
        }
    }

    /// Token counts were told.
    pub fn usage(&self, usage: Option<Usage>) {
        let Some(usage) = usage else { return };
        if let Some(prompt) = usage.prompt {
            self.prompt.store(prompt, Ordering::Relaxed);
        }
        if let Some(completion) = usage.completion {
            self.completion.store(completion, Ordering::Relaxed);
        }
    }

    /// So many parameters could not be handed on.
    pub fn dropped(&self, count: usize) {
        self.dropped.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// The answer is whole.
    pub fn finished(&self) {
        self.outcome.store(1, Ordering::Relaxed);
    }

    /// The answer broke off.
    pub fn broken(&self, failure: &Failure) {
        self.outcome.store(2, Ordering::Relaxed);
        if let Ok(mut broken) = self.broken.lock() {
            *broken = Some(failure.class);
        }
    }

    /// How it ended, seen from the end.
    pub fn outcome(&self) -> Outcome {
        match self.outcome.load(Ordering::Relaxed) {
            1 => Outcome::Finished,
            2 => Outcome::Broken,
            _ => Outcome::Left,
        }
    }

    /// Why it broke off.
    pub fn broken_class(&self) -> Option<Class> {
        self.broken.lock().ok().and_then(|broken| *broken)
    }

    /// From the request's arrival to its first content.
    pub fn first_content(&self) -> Option<Duration> {
        Some(self.first_content.load(Ordering::Relaxed)).filter(|nanos| *nanos > 0).map(Duration::from_nanos)
    }

    /// From the request's arrival until now.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Tokens of the prompt and of the answer, where they were told.
    pub fn tokens(&self) -> (Option<u64>, Option<u64>) {
        let known = |count: &AtomicU64| Some(count.load(Ordering::Relaxed)).filter(|n| *n != u64::MAX);
        (known(&self.prompt), known(&self.completion))
    }

    /// How many parameters were dropped.
    pub fn dropped_count(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
