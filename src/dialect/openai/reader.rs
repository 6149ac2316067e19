//! Reading an answer, be it one whole message or many deltas: both have the same members, so one state machine reads both.

mod calls;

use bytes::Bytes;

use crate::chat::{BlockKind, Class, Event, Failure, Finish, Usage};
use crate::json::{Json, Kind, Style, Text, Value, Writer};
use calls::Calls;

/// An index beyond it is none that a provider means.
const CHOICES_MAX: i64 = 128;

/// What was read so far.
#[derive(Default)]
pub(super) struct Reader {
    is_started: bool,
    is_failed: bool,
    usage: Option<Usage>,
    choices: Vec<Choice>,
}

/// One alternative.
#[derive(Default)]
struct Choice {
    index: u32,
    /// The number of the next block.
    next: u32,
    /// The block of content that is open.
    open: Option<(u32, Open)>,
    calls: Calls,
    /// Goes out with the end of the text.
    text_signature: Option<Text>,
    /// Thoughts came as a string: the same in `reasoning_details` is passed over.
    thinks_in_string: bool,
    is_finished: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
    Refusal,
}

impl Reader {
    /// Reads a whole answer or one chunk of a stream.
    pub(super) fn document(&mut self, json: &Json, is_whole: bool, events: &mut Vec<Event>) {
        let value = json.value();
        if self.is_failed {
            return;
        }
        if let Some(failure) = failure_in(json) {
            return self.fail(failure, events);
        }
        self.start(value, events);
        let [choices, usage, x_groq] = pick(value, ["choices", "usage", "x_groq"]);
        for (position, choice) in (0..).zip(choices.map(Value::items).into_iter().flatten()) {
            if let Err(failure) = self.choice(choice, position, is_whole, events) {
                return self.fail(failure, events);
            }
        }
        let in_choice = || choices?.items().next()?.get("usage");
        let beside = || x_groq?.get("usage");
        self.usage(usage.or_else(in_choice).or_else(beside), events);
    }

    /// All that comes from here on is nothing.
    pub(super) fn fail(&mut self, failure: Failure, events: &mut Vec<Event>) {
        if !self.is_failed {
            self.is_failed = true;
            events.push(Event::Failure(failure));
        }
    }

    /// The answer is over. `is_done`: the provider said so, beyond finishing some choice.
    pub(super) fn end(&mut self, is_done: bool, events: &mut Vec<Event>) {
        if self.is_failed {
            return;
        }
        if self.choices.is_empty() && is_done {
            return self.fail(Failure::new(Class::BadAnswer, "the provider's answer holds nothing"), events);
        }
        let is_complete = is_done || self.choices.iter().all(|choice| choice.is_finished);
        if !is_complete || self.choices.is_empty() {
            let message = "the provider's answer broke off before it was finished";
            return self.fail(Failure::new(Class::CutAnswer, message), events);
        }
        for choice in &mut self.choices {
            choice.finish(Finish::Stop, events);
        }
    }

    fn start(&mut self, value: Value<'_>, events: &mut Vec<Event>) {
        if self.is_started {
            return;
        }
        let [id, model] = ["id", "model"].map(|key| value.get(key).and_then(filled));
        if id.is_some() || model.is_some() || value.get("choices").is_some_and(|all| all.items().next().is_some()) {
            self.is_started = true;
            events.push(Event::Start { id, model });
        }
    }

    fn choice(
        &mut self,
        value: Value<'_>,
        position: i64,
        is_whole: bool,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        let keys = ["error", "index", "text", "delta", "message", "logprobs", "finish_reason"];
        let [error, index, text, delta, message, logprobs, reason] = pick(value, keys);
        if let Some(error) = error {
            let wrapped = format!(r#"{{"error":{}}}"#, error.as_str());
            return Err(super::error::inside_answer(&Bytes::from(wrapped)));
        }
        let index = index.and_then(Value::int).filter(|index| (0..CHOICES_MAX).contains(index));
        let choice = self.choice_at(index.unwrap_or(position.min(CHOICES_MAX - 1)));
        if let Some(text) = text {
            choice.content(text, events)?;
        }
        // Perplexity lets a whole message grow beside the delta: the same text twice.
        let said = if is_whole { message.or(delta) } else { delta.or(message) };
        if let Some(said) = said {
            choice.message(said, is_whole || delta.is_none(), events)?;
        }
        choice.logprobs(logprobs, events);
        choice.reason(reason, is_whole, events)
    }

    fn choice_at(&mut self, index: i64) -> &mut Choice {
        let index = u32::try_from(index).unwrap_or_default();
        let known = self.choices.iter().position(|choice| choice.index == index);
        let at = known.unwrap_or_else(|| {
            self.choices.push(Choice { index, ..Choice::default() });
            self.choices.len() - 1
        });
        &mut self.choices[at]
    }

    /// Some providers repeat a running count in each chunk: only a change is told.
    fn usage(&mut self, found: Option<Value<'_>>, events: &mut Vec<Event>) {
        let usage = found.map(read_usage).filter(|usage| *usage != Usage::default());
        if usage.is_some() && usage != self.usage {
            self.usage = usage;
            events.extend(usage.map(Event::Usage));
        }
    }
}

/// Several members in one walk over the object: a chunk is looked at once, not once a member. As with [`Value::get`], the
/// last one counts, and `null` is none.
fn pick<'a, const N: usize>(value: Value<'a>, keys: [&str; N]) -> [Option<Value<'a>>; N] {
    let mut found = [None; N];
    for (key, member) in value.members() {
        let place = keys.iter().zip(&mut found).find(|(known, _)| **known == key);
        if let Some((_, place)) = place {
            *place = Some(member).filter(|member| !member.is_null());
        }
    }
    found
}

/// The failure that stands where an answer should: an `error`, alone or in a list, or MiniMax's `base_resp`.
fn failure_in(json: &Json) -> Option<Failure> {
    let value = json.value();
    let keys = ["error", "object", "type", "x_groq", "base_resp"];
    let [error, object, kind, x_groq, base_resp] = pick(value, keys);
    let is_said = |error: &Value<'_>| error.kind() == Kind::Object || filled(*error).is_some();
    let is_word = |value: Option<Value<'_>>| value.and_then(Value::string).as_deref() == Some("error");
    let in_list = || value.items().next()?.get("error");
    let is_error = error.or_else(in_list).filter(is_said).is_some()
        || is_word(object)
        || is_word(kind)
        || base_resp.and_then(|base| base.get("status_code")?.int()).is_some_and(|code| code != 0);
    if is_error {
        return Some(super::error::inside_answer(json.bytes()));
    }
    let inner = x_groq.filter(|inner| inner.get("error").is_some_and(|error| is_said(&error)))?;
    Some(super::error::inside_answer(inner.to_json().bytes()))
}

impl Choice {
    fn message(&mut self, message: Value<'_>, is_new: bool, events: &mut Vec<Event>) -> Result<(), Failure> {
        let keys = ["content", "tool_calls", "refusal", "images", "audio", "function_call", "extra_content"];
        let [content, tool_calls, refusal, images, audio, function_call, extra] = pick(message, keys);
        self.thoughts(message, events)?;
        if extra.is_some() {
            self.text_signature = google_signature(message).or(self.text_signature.take());
        }
        if let Some(content) = content {
            self.content(content, events)?;
        }
        // Spoken answers have no neutral form; what was said has.
        if let Some(spoken) = audio.and_then(|audio| audio.get("transcript")).and_then(filled) {
            self.add(Open::Text, spoken, events)?;
        }
        if let Some(refusal) = refusal.and_then(filled) {
            self.add(Open::Refusal, refusal, events)?;
        }
        for image in images.map(Value::items).into_iter().flatten() {
            self.image(image, events)?;
        }
        let calls = tool_calls.map(Value::items).into_iter().flatten().chain(function_call);
        for call in calls {
            self.call(call, is_new, events)?;
        }
        Ok(())
    }

    /// The same thought may stand in several members.
    fn thoughts(&mut self, message: Value<'_>, events: &mut Vec<Event>) -> Result<(), Failure> {
        let [content, string, details] = pick(message, ["reasoning_content", "reasoning", "reasoning_details"]);
        if let Some(text) = content.and_then(filled).or(string.and_then(filled)) {
            self.thinks_in_string = true;
            return self.add(Open::Thinking, text, events);
        }
        if self.thinks_in_string {
            return Ok(());
        }
        let details = details.map(Value::items).into_iter().flatten();
        let texts = details.filter_map(|detail| detail.get("text").or(detail.get("summary")).and_then(filled));
        texts.into_iter().try_for_each(|text| self.add(Open::Thinking, text, events))
    }

    /// A string, or Mistral's list of parts.
    fn content(&mut self, content: Value<'_>, events: &mut Vec<Event>) -> Result<(), Failure> {
        match content.kind() {
            Kind::String => self.add(Open::Text, content.text().unwrap_or_else(Text::empty), events),
            Kind::Array => content.items().try_for_each(|part| self.part(part, events)),
            _ => Ok(()),
        }
    }

    fn part(&mut self, part: Value<'_>, events: &mut Vec<Event>) -> Result<(), Failure> {
        if let Some(text) = part.text() {
            return self.add(Open::Text, text, events);
        }
        if let Some(thinking) = part.get("thinking") {
            let whole = thinking.text();
            let items = thinking.items().filter_map(|item| item.get("text").and_then(Value::text));
            return whole.into_iter().chain(items).try_for_each(|text| self.add(Open::Thinking, text, events));
        }
        if let Some(refusal) = part.get("refusal").and_then(Value::text) {
            return self.add(Open::Refusal, refusal, events);
        }
        if part.get("image_url").is_some() {
            return self.image(part, events);
        }
        match part.get("text").and_then(Value::text) {
            Some(text) => self.add(Open::Text, text, events),
            None => Ok(()),
        }
    }

    fn add(&mut self, kind: Open, text: Text, events: &mut Vec<Event>) -> Result<(), Failure> {
        if text.is_empty() {
            return Ok(());
        }
        self.check_open()?;
        let block = match self.open {
            Some((block, open)) if open == kind => block,
            _ => self.open_block(kind, events),
        };
        events.push(Event::Delta { choice: self.index, block, text });
        Ok(())
    }

    fn check_open(&self) -> Result<(), Failure> {
        if self.is_finished {
            return Err(Failure::new(Class::BadAnswer, "the provider's answer went on after its end"));
        }
        Ok(())
    }

    fn open_block(&mut self, kind: Open, events: &mut Vec<Event>) -> u32 {
        self.close_all(events);
        let block = self.take_number();
        self.open = Some((block, kind));
        let kind = match kind {
            Open::Text => BlockKind::Text,
            Open::Thinking => BlockKind::Thinking,
            Open::Refusal => BlockKind::Refusal,
        };
        events.push(Event::BlockStart { choice: self.index, block, kind });
        block
    }

    fn take_number(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    fn close_content(&mut self, events: &mut Vec<Event>) {
        if let Some((block, open)) = self.open.take() {
            let signature = if open == Open::Text { self.text_signature.take() } else { None };
            events.push(Event::BlockEnd { choice: self.index, block, signature });
        }
    }

    fn close_all(&mut self, events: &mut Vec<Event>) {
        self.close_content(events);
        self.calls.close(self.index, events);
    }

    /// A picture: OpenRouter's `images[]`, or a part of the content. An address instead of the bytes becomes a link to read.
    fn image(&mut self, image: Value<'_>, events: &mut Vec<Event>) -> Result<(), Failure> {
        let url = image.path(&["image_url", "url"]).or(image.get("image_url")).and_then(filled);
        let Some(url) = url else {
            return Ok(());
        };
        let whole = url.as_str();
        let Some((mime, data)) = whole.strip_prefix("data:").and_then(|rest| rest.split_once(',')) else {
            return self.add(Open::Text, format!("![]({whole})").into(), events);
        };
        self.check_open()?;
        self.close_all(events);
        let mime = mime.split(';').next().filter(|mime| !mime.is_empty()).unwrap_or("image/png").to_owned();
        let (choice, block) = (self.index, self.take_number());
        events.push(Event::BlockStart { choice, block, kind: BlockKind::Media { mime } });
        events.push(Event::Delta { choice, block, text: data.into() });
        events.push(Event::BlockEnd { choice, block, signature: None });
        Ok(())
    }

    fn call(&mut self, call: Value<'_>, is_new: bool, events: &mut Vec<Event>) -> Result<(), Failure> {
        let piece = calls::Piece::read(call);
        if piece.is_empty() {
            return Ok(());
        }
        self.check_open()?;
        self.close_content(events);
        self.calls.piece(piece, is_new, self.index, &mut self.next, events)
    }

    fn logprobs(&mut self, logprobs: Option<Value<'_>>, events: &mut Vec<Event>) {
        let Some(logprobs) = logprobs else {
            return;
        };
        let content = logprobs.get("content").map(Value::to_json).or_else(|| legacy_logprobs(logprobs));
        let content = content.filter(|list| list.value().items().next().is_some());
        events.extend(content.map(|content| Event::Logprobs { choice: self.index, content }));
    }

    fn reason(&mut self, reason: Option<Value<'_>>, is_whole: bool, events: &mut Vec<Event>) -> Result<(), Failure> {
        let reason = reason.and_then(Value::string).filter(|reason| !reason.is_empty());
        match reason {
            Some(reason) => self.finish(finish_named(&reason)?, events),
            None if is_whole => self.finish(Finish::Stop, events),
            None => {}
        }
        Ok(())
    }

    fn finish(&mut self, reason: Finish, events: &mut Vec<Event>) {
        if self.is_finished {
            return;
        }
        self.close_all(events);
        self.is_finished = true;
        let reason = if reason == Finish::Stop && self.calls.are_any() { Finish::ToolCalls } else { reason };
        events.push(Event::Finish { choice: self.index, reason });
    }
}

/// OpenAI's reasons, and those that others were seen to give. What no one knows is a stop.
fn finish_named(reason: &str) -> Result<Finish, Failure> {
    Ok(match reason.to_ascii_lowercase().as_str() {
        "length" | "max_tokens" | "model_length" | "model_context_window_exceeded" | "max_output_tokens" => {
            Finish::Length
        }
        "tool_calls" | "function_call" | "tool_call" | "tool_use" => Finish::ToolCalls,
        "content_filter" | "sensitive" | "safety" | "recitation" | "prohibited_content" => Finish::ContentFilter,
        "error" | "network_error" | "insufficient_system_resource" | "timeout" => {
            let message = format!("the provider broke off its answer: {reason}");
            return Err(Failure { code: Some(reason.to_owned()), ..Failure::new(Class::ProviderDown, message) });
        }
        _ => Finish::Stop,
    })
}

/// The four lists of a legacy completion, in the form of a chat.
fn legacy_logprobs(logprobs: Value<'_>) -> Option<Json> {
    let list = |key: &str| logprobs.get(key).map(Value::items).into_iter().flatten();
    let (mut numbers, mut tops) = (list("token_logprobs"), list("top_logprobs"));
    logprobs.get("tokens")?;
    let mut writer = Writer::new(Style::Plain);
    writer.array(|w| {
        for token in list("tokens") {
            w.object(|w| {
                w.key("token").raw(token.as_str());
                w.key("logprob").raw(numbers.next().map_or("null", Value::as_str));
                w.key("bytes").null();
                w.key("top_logprobs").array(|w| {
                    for (token, logprob) in tops.next().map(Value::members).into_iter().flatten() {
                        w.object(|w| {
                            w.key("token").str(&token);
                            w.key("logprob").raw(logprob.as_str());
                        });
                    }
                });
            });
        }
    });
    Some(Json::known(writer.into_bytes()))
}

fn read_usage(usage: Value<'_>) -> Usage {
    let count = |paths: &[&[&str]]| {
        let found = paths.iter().find_map(|path| usage.path(path).and_then(Value::int));
        found.and_then(|count| u64::try_from(count).ok())
    };
    let prompt = count(&[&["prompt_tokens"], &["input_tokens"]]);
    let completion = count(&[&["completion_tokens"], &["output_tokens"]]);
    let reasoning = count(&[&["completion_tokens_details", "reasoning_tokens"], &["reasoning_tokens"]]);
    let cached =
        count(&[&["prompt_tokens_details", "cached_tokens"], &["prompt_cache_hit_tokens"], &["cached_tokens"]]);
    let total = count(&[&["total_tokens"]]);
    // xAI counts thinking beside the completion; the sum tells.
    let is_beside = reasoning.is_some_and(|n| n > 0)
        && total.is_some()
        && total == prompt.zip(completion).zip(reasoning).and_then(|((p, c), r)| p.checked_add(c)?.checked_add(r));
    let completion = if is_beside { completion.zip(reasoning).map(|(c, r)| c + r) } else { completion };
    let cache_written = count(&[&["prompt_tokens_details", "cache_write_tokens"]]);
    Usage { prompt, tool: None, cached, cache_written, completion, reasoning, timings: None }
}

/// A string with something in it.
pub(super) fn filled(value: Value<'_>) -> Option<Text> {
    value.text().filter(|text| !text.is_empty())
}

/// Google's signature, where its OpenAI face puts it.
pub(super) fn google_signature(value: Value<'_>) -> Option<Text> {
    value.path(&["extra_content", "google", "thought_signature"]).and_then(filled)
}
