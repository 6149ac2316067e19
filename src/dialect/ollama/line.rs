//! One object of an answer: a line of a stream, or the whole of it. The fields stand in Ollama's order, and what is empty
//! is left out where Ollama leaves it out (measured on 0.33).

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::Timestamp;

use crate::chat::{Finish, Usage, opaque, tokens_in};
use crate::dialect::{Reply, Wire};
use crate::json::{Json, Style, Text, Value, Writer};

/// What a line says.
pub(super) struct Line<'a> {
    pub(super) wire: Wire,
    /// The model as the client named it.
    pub(super) model: &'a str,
    pub(super) now: Timestamp,
    pub(super) content: &'a [&'a Text],
    pub(super) thinking: &'a [&'a Text],
    pub(super) calls: &'a [Call],
    /// Arrays in OpenAI's form.
    pub(super) logprobs: &'a [Json],
    /// Set on the last line.
    pub(super) end: Option<End>,
}

/// A complete call.
pub(super) struct Call {
    pub(super) id: String,
    pub(super) index: u32,
    pub(super) name: Text,
    /// An object.
    pub(super) arguments: Json,
}

/// What the last line tells.
pub(super) struct End {
    pub(super) reason: &'static str,
    pub(super) metrics: Metrics,
}

/// Counts in tokens, durations in nanoseconds; 0 is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Metrics {
    pub(super) total: u64,
    pub(super) load: u64,
    pub(super) prompt_count: u64,
    pub(super) prompt: u64,
    pub(super) count: u64,
    pub(super) eval: u64,
}

/// When the steps of an answer were seen, and how much of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) reply: &'a Reply,
    /// The first content; none where the answer came whole.
    pub(super) first: Option<Timestamp>,
    pub(super) now: Timestamp,
    /// Of text, thoughts and arguments.
    pub(super) bytes: usize,
}

/// Making a token takes about so many times as long as reading one: by that the time of a whole answer is shared out.
const READS_PER_TOKEN: u64 = 10;

impl Metrics {
    /// An Ollama server's own figures; else the counts of the provider and what the clock showed.
    ///
    /// Clients divide by the counts and durations, so none is 0: where nobody counted there is an estimate. What went by before
    /// the provider was asked (lists, earlier tries) is told as loading.
    pub(super) fn of(usage: &Usage, seen: Seen<'_>) -> Metrics {
        if let Some(timings) = usage.timings {
            return Metrics {
                total: nanos(timings.total),
                load: nanos(timings.load),
                prompt_count: usage.prompt.unwrap_or(0),
                prompt: nanos(timings.prompt),
                count: usage.completion.unwrap_or(0),
                eval: nanos(timings.completion),
            };
        }
        let told = |count: Option<u64>| count.filter(|count| *count > 0);
        let prompt_count = told(usage.prompt).or(seen.reply.prompt_tokens).unwrap_or(1).max(1);
        let count = told(usage.completion).unwrap_or_else(|| tokens_in(seen.bytes)).max(1);
        let sent = seen.reply.sent.unwrap_or(seen.reply.started);
        let load = nanos_between(seen.reply.started, sent).max(1);
        let worked = nanos_between(sent, seen.now);
        let prompt = match seen.first {
            Some(first) => nanos_between(sent, first),
            None => share(worked, prompt_count, count),
        };
        let total = nanos_between(seen.reply.started, seen.now).max(1);
        let (prompt, eval) = (prompt.max(1), worked.saturating_sub(prompt).max(1));
        Metrics { total, load, prompt_count, prompt, count, eval }
    }
}

/// Of the time of a whole answer, what went into reading the prompt.
fn share(worked: u64, prompt_count: u64, count: u64) -> u64 {
    let read = u128::from(prompt_count);
    let all = read + u128::from(count) * u128::from(READS_PER_TOKEN);
    u64::try_from(u128::from(worked) * read / all.max(1)).unwrap_or(worked)
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn nanos_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_nanos()).unwrap_or(0)
}

/// Ollama's word for why an answer ended. It has none for calls and for safety rules.
pub(super) fn reason_name(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopText(_) | Finish::Pause | Finish::ToolCalls | Finish::ContentFilter => "stop",
        Finish::Length => "length",
        Finish::Load => "load",
        Finish::Unload => "unload",
    }
}

/// The id that a client sees: the provider's, or one in Ollama's form, with what must come back appended.
pub(super) fn shown_id(id: Option<&Text>, signature: Option<&Text>) -> String {
    let id = id.map_or_else(new_id, |id| id.as_str().into_owned());
    match signature {
        Some(signature) => opaque::join(&id, &signature.as_str()),
        None => id,
    }
}

fn new_id() -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let letter = || fastrand::choice(LETTERS).map_or('a', |letter| char::from(*letter));
    "call_".chars().chain(std::iter::repeat_with(letter).take(8)).collect()
}

/// A picture or sound in text: Ollama's answers have no place for one.
pub(super) fn media_markdown(mime: &str, base64: &str) -> Text {
    // Some providers leave the padding out, which browsers don't like.
    let padding = match STANDARD_NO_PAD.decode(base64) {
        Ok(_) => "=".repeat((4 - base64.len() % 4) % 4),
        Err(_) => String::new(),
    };
    Text::from(format!("![image](data:{mime};base64,{base64}{padding})"))
}

impl Line<'_> {
    /// Puts the JSON text behind `out`, without a line end.
    pub(super) fn write(&self, out: Vec<u8>) -> Vec<u8> {
        let mut writer = Writer::behind(out, Style::Go);
        writer.object(|w| {
            w.key("model").str(self.model);
            w.key("created_at").str(&self.now.to_string());
            match self.wire {
                Wire::OllamaGenerate => self.generate_fields(w),
                _ => self.chat_fields(w),
            }
        });
        writer.into_bytes()
    }

    fn chat_fields(&self, w: &mut Writer) {
        w.key("message").object(|w| {
            w.key("role").str("assistant");
            w.key("content").texts(self.content.iter().copied());
            self.thinking(w);
            self.calls(w);
        });
        self.done(w);
        self.logprobs(w);
        self.metrics(w);
    }

    fn generate_fields(&self, w: &mut Writer) {
        w.key("response").texts(self.content.iter().copied());
        self.thinking(w);
        self.done(w);
        self.metrics(w);
        self.calls(w);
        self.logprobs(w);
    }

    fn thinking(&self, w: &mut Writer) {
        if self.thinking.iter().any(|text| !text.is_empty()) {
            w.key("thinking").texts(self.thinking.iter().copied());
        }
    }

    fn done(&self, w: &mut Writer) {
        w.key("done").bool(self.end.is_some());
        if let Some(end) = &self.end {
            w.key("done_reason").str(end.reason);
        }
    }

    fn calls(&self, w: &mut Writer) {
        if self.calls.is_empty() {
            return;
        }
        w.key("tool_calls").array(|w| {
            for call in self.calls {
                w.object(|w| {
                    w.key("id").str(&call.id);
                    w.key("function").object(|w| {
                        w.key("index").int(call.index);
                        w.key("name").text(&call.name);
                        w.key("arguments").json(&call.arguments);
                    });
                });
            }
        });
    }

    fn logprobs(&self, w: &mut Writer) {
        if self.logprobs.iter().all(|array| array.value().items().next().is_none()) {
            return;
        }
        w.key("logprobs").array(|w| {
            for token in self.logprobs.iter().flat_map(|array| array.value().items()) {
                write_token(w, token, true);
            }
        });
    }

    fn metrics(&self, w: &mut Writer) {
        let Some(End { metrics, .. }) = &self.end else { return };
        let rows = [
            ("total_duration", metrics.total),
            ("load_duration", metrics.load),
            ("prompt_eval_count", metrics.prompt_count),
            ("prompt_eval_duration", metrics.prompt),
            ("eval_count", metrics.count),
            ("eval_duration", metrics.eval),
        ];
        for (name, value) in rows.into_iter().filter(|(_, value)| *value > 0) {
            w.key(name).int(value);
        }
    }
}

/// A token with its probability; only the outer one has alternatives.
fn write_token(w: &mut Writer, token: Value<'_>, is_outer: bool) {
    w.object(|w| {
        w.key("token").raw(token.get("token").map_or("\"\"", Value::as_str));
        w.key("logprob").raw(token.get("logprob").map_or("0", Value::as_str));
        if let Some(bytes) = token.get("bytes") {
            w.key("bytes").raw(bytes.as_str());
        }
        let others = token.get("top_logprobs").filter(|list| is_outer && list.items().next().is_some());
        if let Some(others) = others {
            w.key("top_logprobs").array(|w| others.items().for_each(|other| write_token(w, other, false)));
        }
    });
}
