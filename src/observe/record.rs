//! One record a request, written off its path.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use jiff::Timestamp;

use super::Outcome;
use crate::config::LogFormat;
use crate::json::{Style, Writer};

/// Records that may wait to be written; beyond it they are lost, and counted.
const QUEUE_MAX: usize = 8192;

/// How long the end of the program waits for lines that are not written yet.
const FLUSH_WAIT: Duration = Duration::from_secs(1);

/// The status in the log of a request whose client left before there was an answer; no client sees it.
const NO_ANSWER: u16 = 499;

/// What happened to one request.
#[derive(Debug, Clone)]
pub struct Record {
    /// When it arrived.
    pub at: Timestamp,
    /// Its id, as the client got it.
    pub id: String,
    /// Who asked: an address, and the number of the inbound key.
    pub who: String,
    /// The route.
    pub path: String,
    /// The client's dialect.
    pub dialect: &'static str,
    /// The model as the client named it; empty where a route has none.
    pub model: String,
    /// The model that answered, as `prefix:id`.
    pub used: String,
    /// How many requests were sent to providers.
    pub attempts: u32,
    /// Why the failed ones failed.
    pub reasons: Vec<&'static str>,
    /// The status that the client got; 499 when it left before.
    pub status: u16,
    /// How the answer ended.
    pub outcome: Outcome,
    /// Arrival to first content.
    pub first_content: Option<Duration>,
    /// Arrival to the end.
    pub total: Duration,
    /// Tokens of the prompt.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer.
    pub completion_tokens: Option<u64>,
    /// Parameters that could not be handed on.
    pub dropped: u64,
}

impl Record {
    /// Of a request that has just arrived.
    pub fn new(path: &str, dialect: &'static str, who: String) -> Record {
        Record {
            at: Timestamp::now(),
            id: format!("req_{:016x}{:08x}", fastrand::u64(..), fastrand::u32(..)),
            who,
            path: path.to_owned(),
            dialect,
            model: String::new(),
            used: String::new(),
            attempts: 0,
            reasons: Vec::new(),
            status: NO_ANSWER,
            outcome: Outcome::Left,
            first_content: None,
            total: Duration::ZERO,
            prompt_tokens: None,
            completion_tokens: None,
            dropped: 0,
        }
    }
}

/// Takes records in.
#[derive(Debug, Clone)]
pub struct Recorder {
    queue: SyncSender<Entry>,
    lost: Arc<AtomicU64>,
    is_cutting: Arc<AtomicBool>,
}

/// What the writing thread is given.
enum Entry {
    Record(Box<Record>),
    /// All that came before is to be written; then the sender is dropped.
    Flush(SyncSender<()>),
}

impl Recorder {
    /// Starts the thread that writes, to stderr. It ends when the last recorder is gone.
    pub fn start(format: LogFormat) -> Recorder {
        let (queue, records) = sync_channel(QUEUE_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        let spawned =
            std::thread::Builder::new().name("log".into()).spawn(move || write_all(&records, &counter, format));
        if let Err(error) = spawned {
            tracing::warn!("requests are not logged: {error}");
        }
        Recorder { queue, lost, is_cutting: Arc::default() }
    }

    /// Puts a record into the queue; never waits.
    pub fn record(&self, mut record: Record) {
        // From then on it is us who leave, not the client.
        if record.outcome == Outcome::Left && self.is_cutting.load(Ordering::Relaxed) {
            record.outcome = Outcome::Broken;
            record.reasons.push("shutdown");
        }
        if self.queue.try_send(Entry::Record(Box::new(record))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Requests that are not finished now are cut off by the gateway itself.
    pub fn cutting(&self) {
        self.is_cutting.store(true, Ordering::Relaxed);
    }

    /// Waits, not for long, until all records are written. For the end of the program: it blocks.
    pub fn flush(&self) {
        let (written, all) = sync_channel(0);
        if self.queue.try_send(Entry::Flush(written)).is_ok() {
            let _ = all.recv_timeout(FLUSH_WAIT);
        }
    }
}

/// Lines that come within this of each other are written together: a thread that is not woken for each request costs it
/// nothing.
const GATHER: Duration = Duration::from_millis(10);

fn write_all(entries: &Receiver<Entry>, lost: &AtomicU64, format: LogFormat) {
    while let Ok(first) = entries.recv() {
        let mut lines = String::new();
        let mut flushed = Vec::new();
        for entry in std::iter::once(first).chain(entries.try_iter().take(QUEUE_MAX)) {
            match entry {
                Entry::Record(record) => lines.push_str(&line(&record, format)),
                Entry::Flush(written) => flushed.push(written),
            }
        }
        // The log is a pipe that may have closed; there is nowhere else to say so.
        let _ = std::io::stderr().lock().write_all(lines.as_bytes());
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 {
            tracing::warn!("{missing} log lines were lost: too many at once");
        }
        drop(flushed);
        std::thread::sleep(GATHER);
    }
}

fn line(record: &Record, format: LogFormat) -> String {
    let mut line = match format {
        LogFormat::Text => text_line(record),
        LogFormat::Json => json_line(record),
    };
    line.push('\n');
    line
}

fn outcome(record: &Record) -> &'static str {
    match record.outcome {
        Outcome::Left if record.status == NO_ANSWER => "client left",
        _ if record.status >= 400 => "error",
        Outcome::Finished => "ok",
        Outcome::Broken => "broken",
        Outcome::Left => "client left",
    }
}

fn text_line(record: &Record) -> String {
    let mut line = format!("{:.3} {} {} {} {}", record.at, record.status, outcome(record), record.dialect, record.path);
    if !record.model.is_empty() {
        let used = if record.used.is_empty() { "-" } else { &record.used };
        // Names come from clients: a line break in one would begin a line of its own.
        let _ = write!(line, " model={:?} used={}", record.model, used.escape_debug());
    }
    if record.attempts != 0 {
        let _ = write!(line, " attempts={}", record.attempts);
    }
    if !record.reasons.is_empty() {
        let _ = write!(line, " failed={}", record.reasons.join(","));
    }
    if let Some(first) = record.first_content {
        let _ = write!(line, " first={}ms", first.as_millis());
    }
    let _ = write!(line, " total={}ms", record.total.as_millis());
    if let (Some(prompt), Some(completion)) = (record.prompt_tokens, record.completion_tokens) {
        let _ = write!(line, " tokens={prompt}+{completion}");
    }
    if record.dropped > 0 {
        let _ = write!(line, " dropped={}", record.dropped);
    }
    let _ = write!(line, " who={} id={}", record.who, record.id);
    line
}

fn json_line(record: &Record) -> String {
    let mut writer = Writer::new(Style::Plain);
    writer.object(|w| {
        w.key("timestamp").str(&format!("{:.3}", record.at));
        w.key("level").str("INFO");
        w.key("id").str(&record.id);
        w.key("who").str(&record.who);
        w.key("path").str(&record.path);
        w.key("dialect").str(record.dialect);
        w.key("model").str(&record.model);
        w.key("used").str(&record.used);
        w.key("attempts").int(record.attempts);
        w.key("reasons").array(|w| record.reasons.iter().for_each(|reason| w.str(reason)));
        w.key("status").int(record.status);
        w.key("outcome").str(outcome(record));
        if let Some(first) = record.first_content {
            w.key("first_content_ms").float(first.as_secs_f64() * 1000.0);
        }
        w.key("total_ms").float(record.total.as_secs_f64() * 1000.0);
        if let Some(tokens) = record.prompt_tokens {
            w.key("prompt_tokens").int(tokens);
        }
        if let Some(tokens) = record.completion_tokens {
            w.key("completion_tokens").int(tokens);
        }
        w.key("dropped_parameters").int(record.dropped);
    });
    String::from_utf8(writer.into_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Class;

    #[test]
    fn a_record_is_one_line_whatever_clients_call_their_models() {
        let mut record = Record::new("/api/chat", "ollama", "127.0.0.1".to_owned());
        (record.model, record.used) = ("a\nb".to_owned(), "openai:a\nb".to_owned());
        record.reasons = vec![Class::RateLimited.name(), Class::ProviderDown.name()];
        let line = text_line(&record);
        assert!(line.contains(" failed=rate_limited,provider_down"), "{line}");
        assert!(line.contains(r#" model="a\nb" used=openai:a\nb "#), "{line}");
        assert_eq!(json_line(&record).lines().count(), 1);
    }
}
